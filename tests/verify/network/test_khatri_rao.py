"""The column-wise Kronecker product against SciPy's, and its Gram matrix against the explicit product (F2)."""

import numpy as np
import pytest
import scipy.linalg
from flint import fmpz_mat
from hypothesis import given
from hypothesis import strategies as st

from verify.backends import get_backend
from verify.network.khatri_rao import gram, khatri_rao

SHAPES = [(1, 1, 1), (3, 2, 5), (2, 4, 3), (1, 6, 4), (5, 1, 2)]


@pytest.mark.parametrize(("d1", "d0", "N"), SHAPES)
def test_against_scipy(d1, d0, N):
    rng = np.random.default_rng([d1, d0, N])
    A, X = rng.standard_normal((7, d1, N)), rng.standard_normal((7, d0, N))
    products = khatri_rao(A, X)
    assert products.shape == (7, d1 * d0, N)
    for k in range(7):
        np.testing.assert_array_equal(products[k], scipy.linalg.khatri_rao(A[k], X[k]))
    np.testing.assert_array_equal(khatri_rao(A[0], X[0]), products[0])
    # One X under many A.
    np.testing.assert_array_equal(khatri_rao(A, X[0])[3], scipy.linalg.khatri_rao(A[3], X[0]))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.integers(0, 10**6))
def test_gram_identity_in_integers(d1, d0, N, seed):
    """F2, both forms, with FLINT's integers: `GᵀG = AᵀA ⊙ XᵀX` and `GGᵀ = Σ a aᵀ ⊗ x xᵀ`."""
    rng = np.random.default_rng(seed)
    A, X = rng.integers(-99, 100, (d1, N)), rng.integers(-99, 100, (d0, N))
    G = fmpz_mat([[int(a) * int(x) for a, x in zip(A[i], X[j], strict=True)] for i in range(d1) for j in range(d0)])
    inner, outer = G.transpose() * G, G * G.transpose()
    found = gram(A.astype(float), X.astype(float))
    product = khatri_rao(A.astype(float), X.astype(float))
    assert [[int(v) for v in row] for row in found.tolist()] == [[int(v) for v in row] for row in inner.tolist()]
    assert (product @ product.T).tolist() == [[float(v) for v in row] for row in outer.tolist()]
    terms = sum(np.kron(np.outer(A[:, n], A[:, n]), np.outer(X[:, n], X[:, n])) for n in range(N))
    assert terms.tolist() == (product @ product.T).tolist()


@pytest.mark.parametrize(("d1", "d0", "N"), SHAPES)
def test_batches_and_strict_arrays(d1, d0, N):
    rng = np.random.default_rng([1, d1, d0, N])
    A, X = rng.standard_normal((4, d1, N)), rng.standard_normal((4, d0, N))
    strict = get_backend("array-api-strict")
    for inputs in (X, X[0]):
        reference = np.array(
            [scipy.linalg.khatri_rao(A[k], inputs if inputs.ndim == 2 else inputs[k]) for k in range(4)]
        )
        np.testing.assert_allclose(gram(A, inputs), np.swapaxes(reference, 1, 2) @ reference, rtol=1e-12, atol=1e-12)
        for function in (gram, khatri_rao):
            other = function(strict.asarray(A), strict.asarray(inputs))
            np.testing.assert_allclose(strict.to_numpy(other), function(A, inputs), rtol=1e-14, atol=1e-14)
