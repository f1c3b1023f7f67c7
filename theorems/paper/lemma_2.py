"""Lemma 2: all differentiable local minima of one region have the same residual `e`, and `(A ∘ X) e = 0`.

The derivation is complete: it includes the neurons whose second-layer weight is zero, where the gradient alone
says nothing. The numeric check trains both layers by the network's loss alone and looks at where training ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.setting import HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, paper
from verify.data import Dataset
from verify.network import training
from verify.network.activations import forward, pattern
from verify.network.khatri_rao import khatri_rao
from verify.network.regions import kernels
from verify.relations import Relation
from verify.sampling import Draw, Tally
from verify.statements import Check, Claim, Control, Derivation, Kind, Point, Sampler, Statement, Step
from verify.statistics.estimates import Counterexamples

DATA_SETS = 8  # in one chunk
STARTS = 32  # on each
REGIONS = 4  # of a user's data, in one chunk

# A start counts as a minimum when it satisfies the second-order necessary conditions: the loss stationary in both
# layers, no direction of clearly negative curvature, and no sample near a kink. Together the first two leave
# ‖G_i e‖ at most about 1e-5, whether z_i is zero or not; typical is 1e-15.
STATIONARY = 1e-10
CURVATURE = -1e-12
KINK = 1e-6
# Residuals further apart than this, as a fraction of ‖y‖, are different: 10 times what the tolerances above leave.
DIFFERENT = 1e-4

CLAIM = Claim(
    sp.Symbol(r"\sup_{(W, z) \text{ DLM in } D_A} \left\| e(W, z) - \left(I - G^{+} G\right) y \right\|"),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="with G = A ∘ X; the projection on the right is orthogonal to the rows of G, so (A ∘ X) e = 0",
)

_rows, _columns = sp.symbols("d_0 N", integer=True, positive=True)
_w = sp.MatrixSymbol("w", _rows, 1)
_G = sp.MatrixSymbol("G_i", _rows, _columns)
_rest = sp.MatrixSymbol("r", _columns, 1)
_z = sp.Symbol("z", real=True)


def _is_zero(expression: Any) -> bool:
    """Whether a matrix expression expands to zero."""
    expanded = expression.expand().doit()
    return bool(expanded.is_ZeroMatrix or expanded == 0)


def gradient_in_first_layer() -> bool | None:
    """`∂‖e‖²/∂w_i = −2 z_i G_i e` for `e = r − z_i G_iᵀ w_i`, with `r` what the other neurons leave."""
    e = _rest - _z * _G.T * _w
    return _is_zero((e.T * e).diff(_w) + 2 * _z * _G * e)


def gradient_in_second_layer() -> bool | None:
    """`∂‖e‖²/∂z_i = −2 w_iᵀ G_i e`; the scalar appears once as it is and once transposed."""
    e = _rest - _z * _G.T * _w
    return _is_zero((e.T * e).diff(_z) + e.T * _G.T * _w + _w.T * _G * e)


def _change() -> tuple[sp.Expr, tuple[sp.Symbol, ...]]:
    """`‖e − η(p + t q)‖² − ‖e‖²` from inner products, with `p = G_iᵀ w_i`, `q = G_iᵀ G_i e`, `e·p = 0`, `e·q = g`."""
    eta, t, g, pp, pq, qq = sp.symbols("eta t g pp pq qq", positive=True)
    ee = sp.Symbol("ee", positive=True)
    products = sp.Matrix([[ee, 0, g], [0, pp, pq], [g, pq, qq]])
    move = sp.Matrix([1, -eta, -eta * t])
    return sp.expand((move.T * products * move)[0] - ee), (eta, t, g, pp, pq, qq)


def change_along_the_move() -> bool | None:
    """The change is `−2 η t g + η² Q` with `Q = ‖p + t q‖²`."""
    change, (eta, t, g, pp, pq, qq) = _change()
    return bool(sp.expand(change + 2 * eta * t * g - eta**2 * (pp + 2 * t * pq + t**2 * qq)) == 0)


def move_lowers_the_loss() -> bool | None:
    """`−2 η t g + η² Q < 0` for all `0 < η < 2 t g/Q`, and for all `η > 0` where `Q = 0`."""
    t, g, Q, v = sp.symbols("t g Q v", positive=True)
    eta = 2 * t * g / Q / (1 + v)  # every number between 0 and 2 t g / Q, as v runs over the positive ones
    inside = sp.factor(-2 * eta * t * g + eta**2 * Q).is_negative
    flat = (-2 * sp.Symbol("eta", positive=True) * t * g).is_negative
    return None if inside is None or flat is None else bool(inside and flat)


def one_residual() -> bool | None:
    """`e − e' = Gᵀ(u' − u)` and `G e = G e' = 0` give `‖e − e'‖² = (u' − u)ᵀ(G e − G e') = 0`."""
    size = sp.Symbol("p", integer=True, positive=True)
    G = sp.MatrixSymbol("G", size, _columns)
    u, v = (sp.MatrixSymbol(name, size, 1) for name in ("u", "v"))
    y, e, f = (sp.MatrixSymbol(name, _columns, 1) for name in ("y", "e", "f"))
    difference = (y - G.T * u) - (y - G.T * v)
    connected = _is_zero(difference - G.T * (v - u))
    square = ((v - u).T * G * (e - f)).expand().subs({G * e: sp.ZeroMatrix(size, 1), G * f: sp.ZeroMatrix(size, 1)})
    return connected and _is_zero(square)


def projection() -> bool | None:
    """`P = I − G⁺G` is symmetric and idempotent, `G P = 0`, and `y − P y = Gᵀ(G⁺)ᵀ y`, by Penrose's equations."""
    G, plus, Gt, plust = sp.symbols("G G^+ G^T G^{+T}", commutative=False)
    penrose = {G * plus * G: G, plus * G * plus: plus}
    P = 1 - plus * G

    def reduced(expression: sp.Expr) -> sp.Expr:
        return sp.expand(sp.expand(expression).subs(penrose))

    # The fourth equation, (G⁺G)ᵀ = G⁺G, reads Gᵀ G⁺ᵀ = G⁺ G.
    symmetric = sp.expand((1 - Gt * plust - P).subs(Gt * plust, plus * G)) == 0
    in_range = sp.expand(((1 - P) - Gt * plust).subs(Gt * plust, plus * G)) == 0
    return bool(symmetric and in_range and reduced(P * P - P) == 0 and reduced(G * P) == 0)


def converse() -> bool | None:
    """With `G e = 0`, `‖e − Gᵀh‖² = ‖e‖² + ‖Gᵀh‖²`: no change of `u = z w` within the region lowers the loss."""
    size = sp.Symbol("p", integer=True, positive=True)
    G = sp.MatrixSymbol("G", size, _columns)
    e, h = sp.MatrixSymbol("e", _columns, 1), sp.MatrixSymbol("h", size, 1)
    moved = ((e - G.T * h).T * (e - G.T * h) - e.T * e - h.T * G * G.T * h).expand()
    zero = sp.ZeroMatrix(size, 1)
    return _is_zero(moved.subs({G * e: zero, e.T * G.T: zero.T}))


def _instances(point: Point, draw: Draw) -> tuple[Any, Any, Any, Any]:
    """`STARTS` networks on each of `DATA_SETS` data sets: X, y, W, z."""
    n, d0, d1 = point.integer("N"), point.integer("d0"), point.integer("d1")
    asarray = draw.backend.asarray
    X = draw.rng.standard_normal((DATA_SETS, d0, n))
    y = draw.rng.integers(0, 2, (DATA_SETS, n)).astype(np.float64)
    X, y = (asarray(np.repeat(part, STARTS, axis=0)) for part in (X, y))
    return X, y, draw.normal(DATA_SETS * STARTS, d1, d0), draw.normal(DATA_SETS * STARTS, d1)


def _trained(point: Point, draw: Draw) -> Tally:
    """Train, and keep what satisfies the second-order necessary conditions of a differentiable minimum."""
    X, y, W, z = _instances(point, draw)
    rho = point.real("rho")
    end = training.train(W, z, X, y, rho)
    curvature = draw.backend.to_numpy(training.least_curvature(end.W, end.z, X, y, rho))
    kept = (draw.backend.to_numpy(end.gradient) <= STATIONARY) & (curvature >= CURVATURE)
    return _residuals(draw, X, y, end.W, end.z, rho, kept)


def _untrained(point: Point, draw: Draw) -> Tally:
    """The starts themselves, which are no minima."""
    X, y, W, z = _instances(point, draw)
    return _residuals(draw, X, y, W, z, point.real("rho"), np.full(len(W), True))


def _saddles(point: Point, draw: Draw) -> Tally:
    """Stationary points that are no minima: a neuron with `z_1 = 0` and `w_1·G_1 e = 0` beside trained ones."""
    X, y, W, z = _instances(point, draw)
    rho = point.real("rho")
    end = training.train(W[:, 1:], z[:, 1:], X, y, rho)
    e = training.residual(end.W, end.z, X, y, rho)
    found, w = _balanced(draw, X, e, rho)
    W = draw.backend.xp.concat([w[:, None, :], end.W], axis=1)
    z = draw.backend.xp.concat([0 * end.z[:, :1], end.z], axis=1)
    gradient = draw.backend.to_numpy(training.relative_gradient(W, z, X, y, rho))
    return _residuals(draw, X, y, W, z, rho, found & (gradient <= STATIONARY))


def _balanced(draw: Draw, X: Any, e: Any, rho: float) -> tuple[NDArray[np.bool_], Any]:
    """Neurons with `f(w·X)·e = 0`, by bisection between one where that is positive and one where it is negative."""
    xp, batch, d0 = draw.backend.xp, X.shape[0], X.shape[1]
    trials = draw.normal(batch, 16, d0)

    def pull(w: Any) -> Any:
        hidden = xp.matmul(w, X)
        return xp.sum(xp.where(hidden > 0, hidden, rho * hidden) * e[:, None, :], axis=2)

    values = draw.backend.to_numpy(pull(trials))
    found = (values.min(axis=1) < 0) & (values.max(axis=1) > 0)
    every = np.arange(batch)
    candidates = draw.backend.to_numpy(trials)
    low, high = (draw.backend.asarray(candidates[every, pick(values, axis=1)]) for pick in (np.argmin, np.argmax))
    for _ in range(60):
        middle = (low + high) / 2
        above = (pull(middle[:, None, :]) > 0)
        low, high = xp.where(above, low, middle), xp.where(above, middle, high)
    return found, low


def _residuals(draw: Draw, X: Any, y: Any, W: Any, z: Any, rho: float, kept: NDArray[np.bool_]) -> Tally:
    """Residuals of the kept networks against the projection of their region, and against each other."""
    numpy = draw.backend.to_numpy
    e = numpy(training.residual(W, z, X, y, rho))
    found = kernels(W, X, rho)
    hidden, inputs, weights, labels = (numpy(part) for part in (draw.backend.xp.matmul(W, X), X, W, y))
    lengths = np.linalg.norm(weights, axis=2)[:, :, None] * np.linalg.norm(inputs, axis=1)[:, None, :]
    kept = kept & (np.abs(hidden) > KINK * lengths).all(axis=(1, 2))
    clear = np.full(len(e), True)
    clear[found.index] = found.clear
    projected, complement = np.zeros_like(e), labels.copy()
    projected[found.index] = np.einsum("kij,kj->ki", found.projector, labels[found.index])
    complement -= projected
    size = np.maximum(np.linalg.norm(labels, axis=1), 1e-300)
    apart = np.linalg.norm(e - projected, axis=1) > DIFFERENT * size
    apart_from_range = np.linalg.norm(e - complement, axis=1) > DIFFERENT * size
    tally: Tally = {
        "minima": int(kept.sum()),
        "doubtful": int((kept & ~clear).sum()),
        "apart": int((kept & clear & apart).sum()),
        "apart from range": int((kept & clear & apart_from_range).sum()),
    }
    return tally | _compared(e, hidden > 0, kept, DIFFERENT * size)


def _compared(
    e: NDArray[np.float64], active: NDArray[np.bool_], kept: NDArray[np.bool_], tolerance: NDArray[np.float64]
) -> Tally:
    """Each kept network against the first one of its region, and of its data set's other regions."""
    tally: Tally = {"shared": 0, "differ": 0, "strangers": 0, "strangers differ": 0}
    first: dict[tuple[int, bytes], int] = {}
    stranger: dict[int, int] = {}
    for k in np.flatnonzero(kept):
        data_set = int(k) // STARTS
        here = first.setdefault((data_set, active[k].tobytes()), int(k))
        there = stranger.setdefault(data_set, here)
        for other, total, different in ((here, "shared", "differ"), (there, "strangers", "strangers differ")):
            if other != k and (total == "shared" or other != here):
                tally[total] += 1  # type: ignore[operator]
                tally[different] += int(np.linalg.norm(e[k] - e[other]) > tolerance[k])  # type: ignore[operator]
    return tally


def _in_regions(point: Point, draw: Draw) -> Tally:
    """Minimisers of the loss within a region, from several starts, against the projection by another algorithm."""
    data, rho, d1 = draw.data, point.real("rho"), point.integer("d1")
    tally: Tally = {"minima": 0, "doubtful": 0, "apart": 0, "apart from range": 0, "not orthogonal": 0}
    for _ in range(REGIONS):
        if data is None:
            X = draw.rng.standard_normal((point.integer("d0"), point.integer("N")))
            y = draw.rng.integers(0, 2, point.integer("N")).astype(np.float64)
        else:
            X, y = data.X, data.y
        G = khatri_rao(pattern(draw.rng.standard_normal((d1, len(X))), X, rho), X)
        # Rows of very different size, such as pixels that are almost always dark, are scaled alike: ker G stays.
        rows = np.linalg.norm(G, axis=1, keepdims=True)
        G = G / np.where(rows > 0, rows, 1)
        _, sigma, right = np.linalg.svd(G, full_matrices=False)
        basis = right[sigma > RANK_TOLERANCE * sigma[0]]
        doubtful = bool(((sigma > 1e-13 * sigma[0]) & (sigma <= RANK_TOLERANCE * sigma[0])).any())
        e = y - basis.T @ (basis @ y)
        for start in draw.rng.standard_normal((2, len(G))):
            found = _descend(G, y, start)
            bound = DIFFERENT * float(np.linalg.norm(y))
            tally["minima"] += 1  # type: ignore[operator]
            tally["doubtful"] += doubtful  # type: ignore[operator]
            tally["apart"] += bool(not doubtful and np.linalg.norm(found - e) > bound)  # type: ignore[operator]
            tally["apart from range"] += bool(np.linalg.norm(found - (y - e)) > bound)  # type: ignore[operator]
    return tally
