"""Lemma 2: all differentiable local minima of one region have the same residual `e`, and `(A ∘ X) e = 0`.

The derivation is complete: it includes the neurons whose second-layer weight is zero, where the gradient alone
says nothing. The numeric check trains both layers by the network's loss alone and looks at where training ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import sympy as sp
from numpy.typing import NDArray

from theorems.setting import HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, paper
from verify.data import Dataset
from verify.network import training
from verify.network.activations import pattern
from verify.network.khatri_rao import khatri_rao
from verify.network.regions import kernels
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Claim, Control, Derivation, Kind, Point, Sampler, Statement, Step
from verify.statistics.estimates import Counterexamples

DATA_SETS = 32  # in one chunk
STARTS = 16  # on each
REGIONS = 4  # of a user's data, in one chunk

# A start counts as a minimum when it satisfies the second-order necessary conditions: the loss stationary in both
# layers, no direction of clearly negative curvature, and no sample near a kink. Together the first two leave
# ‖G_i e‖ at most about 1e-5, whether z_i is zero or not; typical is 1e-15.
STATIONARY = 1e-10
CURVATURE = -1e-12
KINK = 1e-6
# Residuals further apart than this, as a fraction of ‖y‖, are different: 10 times what the tolerances above leave.
DIFFERENT = 1e-4
# Singular values relative to the largest: above the first clearly not zero, below the second zero up to rounding.
RANK_CLEAR, RANK_ZERO = 1e-9, 1e-13
MOST_SAMPLES = 600

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
    gradient, curvature = (
        draw.backend.to_numpy(measure(end.W, end.z, X, y, rho))
        for measure in (training.relative_gradient, training.least_curvature)
    )
    kept = (gradient <= STATIONARY) & (curvature >= CURVATURE)
    return _residuals(draw, X, y, end.W, end.z, rho, kept)


def _untrained(point: Point, draw: Draw) -> Tally:
    """The starts themselves, which are no minima."""
    X, y, W, z = _instances(point, draw)
    return _residuals(draw, X, y, W, z, point.real("rho"), np.full(W.shape[0], True))


def _saddles(point: Point, draw: Draw) -> Tally:
    """Stationary points that are no minima: a neuron with `z_1 = 0` and `w_1·G_1 e = 0` beside trained ones."""
    X, y, W, z = _instances(point, draw)
    rho = point.real("rho")
    end = training.train(W[:, 1:, :], z[:, 1:], X, y, rho)
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
        above = pull(middle[:, None, :]) > 0
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
    size = np.maximum(np.linalg.norm(labels, axis=1), 1.0)  # all labels may be 0
    apart = np.linalg.norm(e - projected, axis=1) > DIFFERENT * size
    apart_from_range = np.linalg.norm(e - complement, axis=1) > DIFFERENT * size
    groups = kept.reshape(DATA_SETS, STARTS)
    tally = {
        "data sets": _some(groups),
        "doubtful": _some(groups & ~clear.reshape(groups.shape)),
        "apart": _some(groups & (clear & apart).reshape(groups.shape)),
        "apart from range": _some(groups & (clear & apart_from_range).reshape(groups.shape)),
    }
    return tally | _compared(e, hidden > 0, kept, DIFFERENT * size)


def _some(groups: NDArray[np.bool_]) -> int:
    """Data sets with at least one network that is so: networks on one data set are not independent trials."""
    return int(groups.any(axis=1).sum())


def _compared(
    e: NDArray[np.float64], active: NDArray[np.bool_], kept: NDArray[np.bool_], tolerance: NDArray[np.float64]
) -> Tally:
    """Each kept network against the first one of its region, and against its data set's first in another region."""
    seen = {name: np.zeros(DATA_SETS, dtype=bool) for name in ("shared", "differ", "strangers", "strangers differ")}
    first: dict[tuple[int, bytes], int] = {}
    stranger: dict[int, int] = {}
    for k in np.flatnonzero(kept).tolist():
        data_set = k // STARTS
        here = first.setdefault((data_set, active[k].tobytes()), k)
        there = stranger.setdefault(data_set, here)
        if here != k:
            seen["shared"][data_set] = True
            seen["differ"][data_set] |= np.linalg.norm(e[k] - e[here]) > tolerance[k]
        if there != here:
            seen["strangers"][data_set] = True
            seen["strangers differ"][data_set] |= np.linalg.norm(e[k] - e[there]) > tolerance[k]
    return {name: int(flags.sum()) for name, flags in seen.items()}


def _in_regions(point: Point, draw: Draw) -> Tally:
    """Minimisers of the loss within a region, from several starts, against the projection by another algorithm.

    The projection comes from singular values, the minimisers from a QR factorisation with pivoting.
    """
    rho, n, d1 = point.real("rho"), point.integer("N"), point.integer("d1")
    tally: dict[str, int] = dict.fromkeys(("regions", "doubtful", "apart", "apart from range", "apart from other"), 0)
    for _ in range(REGIONS):
        if draw.data is None:
            X = draw.rng.standard_normal((point.integer("d0"), n))
            y = draw.rng.integers(0, 2, n).astype(np.float64)
        else:
            X, y = draw.data.X[:, :n], draw.data.y[:n]
        (G, basis, clear), (_, other, _) = (_region(draw.rng.standard_normal((d1, len(X))), X, rho) for _ in range(2))
        e, elsewhere = (y - rows.T @ (rows @ y) for rows in (basis, other))
        bound = DIFFERENT * float(np.linalg.norm(y))
        found = [] if len(G) else [y]
        for start in draw.rng.standard_normal((2, len(G))) if len(G) else ():
            step = scipy.linalg.lstsq(G.T, y - G.T @ start, cond=RANK_CLEAR, lapack_driver="gelsy")[0]
            found.append(y - G.T @ (start + step))
        tally["regions"] += 1
        tally["doubtful"] += not clear
        for name, wanted in (("apart", e), ("apart from range", y - e), ("apart from other", elsewhere)):
            tally[name] += clear and any(np.linalg.norm(residual - wanted) > bound for residual in found)
    return dict(tally)


def _region(
    W: NDArray[np.float64], X: NDArray[np.float64], rho: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """`G` with rows of unit length, an orthonormal basis of its row space, and whether its rank is clear."""
    G = khatri_rao(pattern(W, X, rho), X)
    # Inputs of very different size, such as pixels that are almost always dark: scaled rows have the same kernel.
    lengths = np.linalg.norm(G, axis=1)
    G = G[lengths > 0] / lengths[lengths > 0, None]
    if not len(G):  # ReLU neurons that no sample activates
        return G, G, True
    _, sigma, right = np.linalg.svd(G, full_matrices=False)
    relative = sigma / sigma[0]
    return G, right[relative > RANK_CLEAR], not ((relative > RANK_ZERO) & (relative <= RANK_CLEAR)).any()


def _data_points(data: Dataset) -> tuple[Point, ...]:
    """A width at which about half of the residual is left, on at most `MOST_SAMPLES` of the user's samples."""
    n = min(data.samples, MOST_SAMPLES)
    width = max(1, round(n / (2 * data.features)))
    return tuple(Point(N=n, d0=data.features, d1=width, rho=slope) for slope in (0.0, 0.1))


def _count(wrong: str, total: str) -> Callable[[Tally, Point], Counterexamples]:
    """Reader: counterexamples `wrong` among `total`; where there was nothing to look at, the one trial is doubtful."""

    def read(tally: Tally, point: Point) -> Counterexamples:
        trials = count(tally, total)
        if trials == 0:
            return Counterexamples(0, 1, 1)
        doubtful = 0 if total in ("shared", "strangers") else count(tally, "doubtful")
        return Counterexamples(count(tally, wrong), trials, doubtful)

    return read


TRAINED = Sampler("lemma-2-trained", _trained)
UNTRAINED = Sampler("lemma-2-untrained", _untrained)
SADDLES = Sampler("lemma-2-saddles", _saddles)
IN_REGIONS = Sampler("lemma-2-in-regions", _in_regions)

_GRID = tuple(
    Point(N=n, d0=a, d1=b, rho=slope) for n, a, b in ((6, 2, 2), (7, 3, 2), (8, 2, 3)) for slope in (0.0, 0.1, -0.5)
)
_CONTROL_POINTS = tuple(point for point in _GRID if point["rho"] == 0.1)

STATEMENT = Statement(
    id="lemma-2",
    kind=Kind.LEMMA,
    title="One residual for each region",
    citation=paper("Lemma 2"),
    summary=(
        "All differentiable local minima in one region leave the same residual e, and (A∘X) e = 0: e is the projection "
        "of the labels on the kernel of A∘X."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, SLOPE),
    assumptions=(NOT_LINEAR,),
    claim=CLAIM,
    steps=(
        Step(
            "At a differentiable minimum the gradient in w_i is zero. So G_i e = 0 for every neuron with z_i ≠ 0.",
            r"N \frac{\partial \mathrm{MSE}}{\partial w_i} = -2 z_i\, G_i\, e, \qquad G_i = X \operatorname{diag}(a_i)",
            gradient_in_first_layer,
        ),
        Step(
            "The gradient in z_i is zero too. So w_i·G_i e = 0, also where z_i = 0.",
            r"N \frac{\partial \mathrm{MSE}}{\partial z_i} = -2\, w_i^{\top} G_i\, e",
            gradient_in_second_layer,
        ),
        Step(
            "Where z_i = 0, move w_i by t G_i e and z_i by η. This changes the loss as follows, with "
            "Q = ‖G_iᵀ(w_i + t G_i e)‖².",
            r"N \Delta \mathrm{MSE} = -2 \eta t \left\|G_i e\right\|^2 + \eta^2 Q",
            change_along_the_move,
        ),
        Step(
            "If G_i e were not zero, this would be negative for arbitrarily small t and η, and the point no minimum. "
            "So G_i e = 0 there as well, and G e = 0.",
            r"0 < \eta < \frac{2 t \left\|G_i e\right\|^2}{Q} \;\Rightarrow\; \Delta \mathrm{MSE} < 0",
            move_lowers_the_loss,
        ),
        Step(
            "Two residuals y − Gᵀu and y − Gᵀu' that G maps to zero are equal.",
            r"\left\|e - e'\right\|^2 = (u' - u)^{\top} G\, (e - e') = 0",
            one_residual,
        ),
        Step(
            "The projection on the kernel of G is such a residual, so it is the one.",
            r"P = I - G^{+} G = P^{\top} = P^2, \quad G P = 0, \quad y - P y = G^{\top} (G^{+})^{\top} y",
            projection,
        ),
        Step(
            "Conversely, every point of the region with G e = 0 is a minimum: within the region the loss is convex in "
            "u_i = z_i w_i.",
            r"\left\|e - G^{\top} h\right\|^2 = \|e\|^2 + \left\|G^{\top} h\right\|^2",
            converse,
        ),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="training",
            text=(
                f"Trains both layers from {STARTS} random starts on each of many random data sets, and keeps what ends "
                "at a stationary point without negative curvature, away from kinks. A data set contradicts the lemma "
                "when the residual at one of its minima is not the projection of the labels."
            ),
            sampler=TRAINED,
            read=_count("apart", "data sets"),
            grid=_GRID,
            chunks=3,
            controls=(
                Control("no minima", "the untrained starts", sampler=UNTRAINED, points=_CONTROL_POINTS),
                Control(
                    "saddles",
                    "stationary points with z_1 = 0 that are no minima: the gradient alone is not enough",
                    sampler=SADDLES,
                    points=_CONTROL_POINTS,
                ),
                Control(
                    "wrong projection",
                    "the projection on the rows of A∘X in place of that on its kernel",
                    read=_count("apart from range", "data sets"),
                    points=_CONTROL_POINTS,
                ),
            ),
        ),
        Check(
            name="minima of one region",
            text=(
                "Among the minima of the check before, those that lie in one region of one data set. A data set "
                "contradicts the lemma when two of them differ in their residuals; no theory enters."
            ),
            sampler=TRAINED,
            read=_count("differ", "shared"),
            grid=_GRID,
            chunks=3,
            controls=(
                Control(
                    "other regions",
                    "minima of different regions of one data set",
                    read=_count("strangers differ", "strangers"),
                    points=_CONTROL_POINTS,
                ),
                Control("no minima", "the untrained starts", sampler=UNTRAINED, points=_CONTROL_POINTS),
            ),
        ),
        Check(
            name="least squares in a region",
            text=(
                "Minimises the loss within random regions from two starts by QR, and compares both residuals with the "
                f"projection from singular values. On a user's data: the given samples (the first {MOST_SAMPLES} of a "
                "larger set) and labels."
            ),
            sampler=IN_REGIONS,
            read=_count("apart", "regions"),
            grid=tuple(Point(N=60, d0=6, d1=5, rho=slope) for slope in (0.0, 0.1, -0.5)),
            chunks=6,
            controls=(
                Control(
                    "wrong projection", "the projection on the rows of A∘X", read=_count("apart from range", "regions")
                ),
                Control("another region", "the residual of another region", read=_count("apart from other", "regions")),
            ),
            data_points=_data_points,
        ),
    ),
    notes=(
        "Training often ends at a kink, where some w_i·x_n is zero; such points are not differentiable, the lemma does "
        "not speak of them, and the check leaves them out.",
        "The residual is the same for any real labels, not only 0 and 1.",
    ),
)
