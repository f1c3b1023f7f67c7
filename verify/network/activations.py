"""Leaky ReLU and activation patterns (Soudry & Hoffer 2017, section 2)."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
import numpy.typing as npt

Array = Any

IN_RANGE = 2.0**400
"""Inputs and weights between the inverse of this and this are multiplied as they are: neither products nor their
squares overflow, and what underflows is below the rounding of the rest."""


def pattern(W: Array, X: Array, slope: float) -> Array:
    """Activation patterns `a(WX)`: 1 where the pre-activation is positive, `slope` where it is negative.

    Args:
        W: first layers, `(..., d1, d0)`.
        X: inputs, `(..., d0, N)`, one column per sample.
        slope: slope ρ of the leaky ReLU on the negative side, other than 1.

    Returns:
        `(..., d1, N)` with entries in `{slope, 1}`. A pre-activation of exactly zero, where `a` is undefined
        and which has probability zero, counts as negative.

    Raises:
        ValueError: if the inner dimensions differ or `slope` is 1.

    >>> import numpy as np
    >>> pattern(np.array([[1.0, -2.0], [-1.0, 1.0]]), np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), 0.1)
    array([[1. , 0.1, 0.1],
           [0.1, 1. , 0.1]])
    """
    check_layers(W, X, slope)
    xp = array_api_compat.array_namespace(W, X)
    active = xp.matmul(W, X) > 0
    return xp.where(active, xp.ones((), dtype=W.dtype), xp.asarray(slope, dtype=W.dtype))


def check_layers(W: Array, X: Array, slope: float) -> None:
    """Refuse first layers that have no pattern at these inputs; arguments as in `pattern`.

    Raises:
        ValueError: if the inner dimensions differ or `slope` is 1.
    """
    if slope == 1:
        raise ValueError("got slope 1, the linear network; expected any other slope")
    if W.shape[-1] != X.shape[-2]:
        raise ValueError(f"W has {W.shape[-1]} columns and X has {X.shape[-2]} rows; expected the same d0")


def forward(W: Array, z: Array, X: Array, slope: float) -> Array:
    """Outputs `f(WX)ᵀ z` of the network, `(..., N)`; shapes as in `pattern`, `z` is `(..., d1)`."""
    xp = array_api_compat.array_namespace(W, z, X)
    hidden = xp.matmul(W, X)
    hidden = xp.where(hidden > 0, hidden, slope * hidden)
    return xp.sum(hidden * z[..., None], axis=-2)


def check_range(X: npt.NDArray[np.float64]) -> None:
    """Refuse samples `(d0, N)` whose products would overflow or vanish.

    Raises:
        ValueError: if a sample has no entry above `1/IN_RANGE` and is not zero, or one above `IN_RANGE`.
    """
    sizes = np.abs(X).max(axis=0, initial=0.0)
    far = np.flatnonzero((sizes > 0) & ((sizes < 1 / IN_RANGE) | (sizes > IN_RANGE)))
    if far.size:
        raise ValueError(
            f"sample {far[0]} has entries up to {sizes[far[0]]:.1e}, whose squares leave the range of floats; "
            f"expected {1 / IN_RANGE:.0e} to {IN_RANGE:.0e}: multiply all samples by one number"
        )
