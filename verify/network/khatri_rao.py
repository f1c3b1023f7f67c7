"""The Khatri–Rao (column-wise Kronecker) product `A ∘ X` and its Gram matrix."""

from __future__ import annotations

from typing import Any

import array_api_compat

Array = Any


def khatri_rao(A: Array, X: Array) -> Array:
    """`A ∘ X`: column `n` is `a_n ⊗ x_n`.

    Args:
        A: `(..., d1, N)`.
        X: `(..., d0, N)`.

    Returns:
        `(..., d1·d0, N)`. Large: for rank and residual use `gram`.

    >>> import numpy as np
    >>> A, X = np.array([[1, 1, 0], [0, 1, 1]]), np.array([[1, 0, 1], [0, 1, 1]])
    >>> khatri_rao(A, X)
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 0, 1],
           [0, 1, 1]])
    """
    xp = array_api_compat.array_namespace(A, X)
    product = A[..., :, None, :] * X[..., None, :, :]
    return xp.reshape(product, (*product.shape[:-3], product.shape[-3] * product.shape[-2], product.shape[-1]))


def gram(A: Array, X: Array) -> Array:
    """`(A ∘ X)ᵀ (A ∘ X) = (AᵀA) ⊙ (XᵀX)`, `(..., N, N)`, without forming `A ∘ X` (finite-N note, F2)."""
    xp = array_api_compat.array_namespace(A, X)
    return xp.matmul(xp.matrix_transpose(A), A) * xp.matmul(xp.matrix_transpose(X), X)
