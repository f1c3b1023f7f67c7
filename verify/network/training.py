"""Training of one-hidden-layer networks, many at once: Levenberg–Marquardt on the mean squared error.

Both layers are trained by the network's own loss, from the gradient at the current weights, so what training
finds does not rest on any theory of where minima are. A step is taken only if it lowers the loss. At a
differentiable local minimum the Gauss–Newton matrix is the Hessian (the term that it leaves out is `G_i e`, which
Lemma 2 of Soudry & Hoffer 2017 says is zero), so convergence there is fast, to rounding.

All arrays carry a batch axis first; `X` may lack it, one data set under all networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat

from verify.network.activations import pattern

Array = Any

FIRST_DAMPING = 1e-2
"""Damping at the start, as a fraction of the mean diagonal of the Gauss–Newton matrix."""

LEAST_DAMPING = 1e-11
"""Floor of the damping: the loss is constant along `(c w, z/c)`, so the matrix is always singular."""

ROUNDING = 1e-14
"""Losses closer than this fraction are equal; the smaller gradient then decides."""

LEAST_SHIFT = 1e-300
"""Keeps a system of zeros solvable; next to any other it is lost in rounding."""


@dataclass(frozen=True)
class Trained:
    """Where training ended.

    Attributes:
        W: first layers, `(B, d1, d0)`.
        z: second layers, `(B, d1)`.
        loss: mean squared errors, `(B,)`.
    """

    W: Array
    z: Array
    loss: Array


def train(W: Array, z: Array, X: Array, y: Array, slope: float, *, steps: int = 120) -> Trained:
    """Train from given weights.

    Args:
        W: first layers, `(B, d1, d0)`.
        z: second layers, `(B, d1)`.
        X: inputs, `(B, d0, N)` or `(d0, N)`.
        y: labels, `(B, N)` or `(N,)`.
        slope: negative-side slope ρ ≠ 1.
        steps: steps tried; the work is the same for every network.
    """
    xp = array_api_compat.array_namespace(W, z, X, y)
    batch, width, features = W.shape
    e, J = _linearised(W, z, X, y, slope)
    loss, gradient = _mean_square(e), _relative(J, e, y)
    size = xp.sum(J**2, axis=(1, 2)) / J.shape[2]
    damping = FIRST_DAMPING * xp.ones(batch, dtype=W.dtype)
    for _ in range(steps):
        matrix = xp.matmul(xp.matrix_transpose(J), J)
        shift = (damping * size + LEAST_SHIFT)[:, None, None] * xp.eye(J.shape[2], dtype=W.dtype)
        pull = xp.matmul(xp.matrix_transpose(J), e[:, :, None])
        move = xp.linalg.solve(matrix + shift, pull)[:, :, 0]
        nextW = W + xp.reshape(move[:, : width * features], W.shape)
        nextz = z + move[:, width * features :]
        next_e, nextJ = _linearised(nextW, nextz, X, y, slope)
        next_loss, next_gradient = _mean_square(next_e), _relative(nextJ, next_e, y)
        level = next_loss <= loss * (1 + ROUNDING)
        better = (next_loss < loss * (1 - ROUNDING)) | (level & (next_gradient < gradient))
        W = xp.where(better[:, None, None], nextW, W)
        z = xp.where(better[:, None], nextz, z)
        e = xp.where(better[:, None], next_e, e)
        J = xp.where(better[:, None, None], nextJ, J)
        loss, gradient = xp.where(better, next_loss, loss), xp.where(better, next_gradient, gradient)
        size = xp.sum(J**2, axis=(1, 2)) / J.shape[2]
        damping = xp.where(better, damping / 5, damping * 4)
        damping = xp.where(damping < LEAST_DAMPING, LEAST_DAMPING * xp.ones_like(damping), damping)
    return Trained(W, z, loss)


def residual(W: Array, z: Array, X: Array, y: Array, slope: float) -> Array:
    """Residuals `y − f(WX)ᵀ z`, `(B, N)`."""
    return _linearised(W, z, X, y, slope)[0]


def relative_gradient(W: Array, z: Array, X: Array, y: Array, slope: float) -> Array:
    """`‖Jᵀe‖/(‖J‖‖y‖)`, `(B,)`, with `J` the derivative of the outputs; zero where the loss is stationary.

    Taken, like `least_curvature`, with first layers scaled to unit length. That leaves the network as it is, and
    the answer then does not depend on how a neuron's two layers share its size: a huge `w_i` beside a tiny `z_i`
    would make any gradient look small.
    """
    W, z = _unit(W, z)
    e, J = _linearised(W, z, X, y, slope)
    return _relative(J, e, y)


def least_curvature(W: Array, z: Array, X: Array, y: Array, slope: float) -> Array:
    """Smallest eigenvalue of the Hessian of the loss, as a fraction of the trace of `JᵀJ`, `(B,)`."""
    xp = array_api_compat.array_namespace(W, z, X, y)
    W, z = _unit(W, z)
    batch, width, features = W.shape
    e, J = _linearised(W, z, X, y, slope)
    H = xp.matmul(xp.matrix_transpose(J), J)
    A = pattern(W, X, slope)
    pulls = xp.matmul(A * e[:, None, :], xp.matrix_transpose(X))  # G_i e, one row a neuron
    trace = xp.sum(J**2, axis=(1, 2))
    # Only w_i and z_i are coupled by second derivatives of the output: ∂²/∂w_i∂z_i = G_i.
    eye = xp.eye(width, dtype=W.dtype)
    block = xp.reshape(pulls[:, :, :, None] * eye[None, :, None, :], (batch, width * features, width))
    corner = xp.zeros((batch, width * features, width * features), dtype=W.dtype)
    low = xp.zeros((batch, width, width), dtype=W.dtype)
    upper = xp.concat([corner, block], axis=2)
    lower = xp.concat([xp.matrix_transpose(block), low], axis=2)
    values = xp.linalg.eigvalsh(H - xp.concat([upper, lower], axis=1))
    return xp.min(values, axis=-1) / xp.where(trace > 0, trace, xp.ones_like(trace))


def _unit(W: Array, z: Array) -> tuple[Array, Array]:
    """The same networks with first layers of unit length; neurons with `w_i = 0` stay as they are."""
    xp = array_api_compat.array_namespace(W, z)
    length = xp.sqrt(xp.sum(W**2, axis=-1))
    length = xp.where(length > 0, length, xp.ones_like(length))
    return W / length[:, :, None], z * length


def _linearised(W: Array, z: Array, X: Array, y: Array, slope: float) -> tuple[Array, Array]:
    """Residuals `(B, N)`, and the derivative of the outputs in `(W, z)`, `(B, N, d1·d0 + d1)`."""
    xp = array_api_compat.array_namespace(W, z, X, y)
    A = pattern(W, X, slope)
    hidden = A * xp.matmul(W, X)
    outputs = xp.sum(hidden * z[:, :, None], axis=1)
    # Axes (B, N, d1, d0): z_i a_in x_jn.
    slopes = xp.matrix_transpose(A * z[:, :, None])[:, :, :, None]
    first = slopes * xp.matrix_transpose(X)[..., :, None, :]
    first = xp.reshape(first, (W.shape[0], X.shape[-1], W.shape[1] * W.shape[2]))
    return y - outputs, xp.concat([first, xp.matrix_transpose(hidden)], axis=2)


def _mean_square(e: Array) -> Array:
    xp = array_api_compat.array_namespace(e)
    return xp.mean(e**2, axis=1)


def _relative(J: Array, e: Array, y: Array) -> Array:
    xp = array_api_compat.array_namespace(J, e)
    pull = xp.matmul(xp.matrix_transpose(J), e[:, :, None])[:, :, 0]
    scale = xp.sqrt(xp.sum(J**2, axis=(1, 2)) * xp.sum(y**2, axis=-1))
    return xp.sqrt(xp.sum(pull**2, axis=1)) / xp.where(scale > 0, scale, xp.ones_like(scale))
