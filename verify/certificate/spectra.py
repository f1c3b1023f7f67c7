"""Proved bounds on the extreme eigenvalues of Gram matrices: an estimate, then a Cholesky factorisation that proves it.

If the floating-point Cholesky factorisation of a symmetric B runs to its end, then
`λ_min(B) ≥ −γ_{n+1}/(1 − γ_{n+1}) · trace(B)` (Demmel 1989; Rump 2006). B is the lower triangle that is read.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from verify.certificate.enclosures import OUTWARDS, TINY, UNIT_ROUNDOFF, FloatArray, gamma, lengths

_DENSE_EIGENVALUES = 600  # beyond, inverse or power iteration estimates them faster
_ITERATIONS = 30


# How far above an estimate a bound on the largest eigenvalue is tried; each is proved by a factorisation, or dropped.
_TRIALS = (1 + 1e-6, 1.01, 1.1)


def smallest_eigenvalue(matrix: FloatArray, error: float) -> float:
    """A lower bound on the smallest eigenvalue of all symmetric matrices within `error` of this; 0 if none is found.

    Args:
        matrix: symmetric, `n × n`, n ≥ 1.
        error: bound on the spectral norm of the difference.
    """
    estimate = _smallest_estimate(matrix)
    for part in (0.9, 0.5, 0.1):
        bound = part * estimate - _slack(matrix, part * estimate) - error
        if bound > 0 and _factorises(matrix, -part * estimate):
            return bound
    return 0.0


def largest_eigenvalue(matrix: FloatArray, error: float) -> float:
    """An upper bound on the largest eigenvalue of every positive semidefinite matrix within `error` of this one."""
    trace = float(np.trace(matrix)) * OUTWARDS
    estimate = _largest_estimate(matrix)
    for part in _TRIALS:
        bound = part * estimate
        if bound < trace and _factorises(-matrix, bound):
            return min(trace, bound + _slack(matrix, bound)) + error
    return trace + error


def gram_of_rows(rows: FloatArray) -> tuple[FloatArray, float]:
    """`RᵀR` or `RRᵀ`, whichever is smaller, as computed, and a bound on the spectral norm of its error.

    Args:
        rows: `N × d`.
    """
    N, d = rows.shape
    matrix = rows @ rows.T if d >= N else rows.T @ rows
    # Entry by entry the error is below γ |R|ᵀ|R|, whose norm is at most ‖R‖_F².
    return matrix, OUTWARDS * gamma(max(N, d) + 4) * float(lengths(rows) @ lengths(rows)) + TINY


def _slack(matrix: FloatArray, shift: float) -> float:
    """What the factorisation, and the subtraction of the shift from the diagonal, may hide."""
    trace = float(np.abs(np.diagonal(matrix)).sum()) + len(matrix) * abs(shift)
    return OUTWARDS * (gamma(len(matrix) + 3) * trace + 2 * UNIT_ROUNDOFF * trace) + TINY


def _factorises(matrix: FloatArray, shift: float) -> bool:
    """Whether `matrix + shift·I` has a Cholesky factor in floating point."""
    moved = matrix.copy()
    moved[np.diag_indices_from(moved)] += shift
    try:
        return bool(np.isfinite(np.linalg.cholesky(moved)).all())
    except np.linalg.LinAlgError:
        return False


def _smallest_estimate(matrix: FloatArray) -> float:
    if len(matrix) <= _DENSE_EIGENVALUES:
        return float(np.linalg.eigvalsh(matrix)[0])
    try:
        factor = cho_factor(matrix, lower=True)
    except np.linalg.LinAlgError:
        return 0.0
    vector = np.random.default_rng(0).standard_normal(len(matrix))
    for _ in range(_ITERATIONS):
        vector = cho_solve(factor, vector / np.linalg.norm(vector))
    # The norm of A⁻¹ on a unit vector is at most 1/λ_min: the estimate errs upwards, and the proof says if too far.
    return 1 / float(np.linalg.norm(vector))


def _largest_estimate(matrix: FloatArray) -> float:
    if len(matrix) <= _DENSE_EIGENVALUES:
        return float(np.linalg.eigvalsh(matrix)[-1])
    vector = np.random.default_rng(0).standard_normal(len(matrix))
    for _ in range(_ITERATIONS):
        vector = matrix @ (vector / np.linalg.norm(vector))
    return float(np.linalg.norm(vector))
