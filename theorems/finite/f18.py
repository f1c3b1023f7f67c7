"""F18: Theorem 9 at every finite size, for any labels.

A few neurons that share their cells with second ones (gates) are as good as linear functions on that cell, and every
further neuron (a single) adds one dimension. Where the rows that they give have rank `N`, the region contains a global
minimum for every labelling at once. How rarely the rank falls short is bounded for every size.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import sympy as sp
from flint import fmpz_mat
from numpy.typing import NDArray

from theorems.any_labels import AnyLabels, Deficient
from theorems.setting import (
    CONFIDENCE,
    GAUSSIAN,
    HIDDEN,
    INPUTS,
    NOT_LINEAR,
    SAMPLES,
    SLOPE,
    N,
    d0,
    d1,
    delta,
    note,
    rho,
)
from theorems.surveys import LABELS
from verify.network.oracle import UNKNOWN, YES, examine
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import Check, Claim, Control, Derivation, Kind, Point, Sampler, Statement, Step
from verify.statistics.estimates import CertifiedQuantile, Counterexamples, NestedQuantile, Proportion
from verify.volume.exact import RegionLattice

gates = sp.Symbol("m", integer=True, nonnegative=True)
singles = sp.Symbol("k", integer=True, nonnegative=True)
left_out = sp.Symbol("eta", nonnegative=True)

CLAIM = Claim(
    sp.Symbol(r"V\left(\mathcal{G}(X, y)\right)"),
    Relation.AT_LEAST,
    AnyLabels(N, d0, d1, rho, delta),
    proviso=(
        "with probability at least 1 − δ over X, for all labels at once; v is the largest of "
        "(1 − η − β/δ)² K^(−m) with m ≥ 1 gates and k = d1 − 2m singles, 1 − η − β/δ with k = d1 singles, "
        "and the bound for N ≤ d0"
    ),
)
RANK = Claim(
    sp.Symbol(r"\mathbb{P}\left(\operatorname{rank} M < N\right)"),
    Relation.AT_MOST,
    Deficient(N, d0, gates, singles, rho, left_out) + left_out,
)
COMBINATORIAL = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(\operatorname{rank} M \ne \min_{J, T} d_0 \operatorname{rank} A_{[m] \cup J, T} "
        r"+ N - |T| + k - |J|\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
)

_INSTANCES = 6
_BATCH = 2048
# Singular values relative to the largest: below the first, zero; above the second, not zero.
_ZERO, _CLEAR = 1e-12, 1e-8
_SETS = 8
_REGIONS = 10
_LOG_ZERO = -1e9


def _integers(draw: Draw, *shape: int) -> NDArray[np.int64]:
    """Gaussian entries in units of a millionth: exact arithmetic, and as good as in general position."""
    return np.rint(1e6 * draw.rng.standard_normal(shape)).astype(np.int64)


def _gaussian_inputs(point: Point, draw: Draw) -> NDArray[np.int64]:
    return _integers(draw, point.integer("d0"), point.integer("N"))


def _lattice_inputs(point: Point, draw: Draw) -> NDArray[np.int64]:
    """Inputs with entries ±1: many of them are equal or opposite."""
    return 2 * draw.rng.integers(0, 2, (point.integer("d0"), point.integer("N"))) - 1


def _ranks(inputs: Callable[[Point, Draw], NDArray[np.int64]]) -> Callable[[Point, Draw], Tally]:
    """Instances in which the rank of `M` is not what F18 says, or not the minimum over `T` alone; exact arithmetic."""

    def draw_ranks(point: Point, draw: Draw) -> Tally:
        m, k = point.integer("m"), point.integer("k")
        tally = {"instances": _INSTANCES, "wrong": 0, "wrong without J": 0, "deficient": 0}
        for _ in range(_INSTANCES):
            X = inputs(point, draw)
            hidden = _integers(draw, m + k, len(X)).astype(object) @ X.astype(object)
            # Ten times the slopes, to stay with integers.
            A = np.where(hidden > 0, 10, round(10 * point.real("rho")))
            rows = [*(A[i] * x for i in range(m) for x in X.astype(object)), *(A[m:] * hidden[m:])]
            rank = _rank(rows)
            tally["wrong"] += rank != _combinatorial_rank(A, len(X), m, every_choice=True)
            tally["wrong without J"] += rank != _combinatorial_rank(A, len(X), m, every_choice=False)
            tally["deficient"] += rank < X.shape[1]
        return {**tally}

    return draw_ranks


def _rank(rows: list[NDArray[np.object_]]) -> int:
    if not rows:
        return 0
    rank: int = fmpz_mat([[int(entry) for entry in row] for row in rows]).rank()
    return rank


def _combinatorial_rank(A: NDArray[np.int64], inputs: int, m: int, every_choice: bool) -> int:
    """`min d0 rank A_{[m] ∪ J, T} + N − |T| + k − |J|`, over all sets `T`, and all `J` or the full one only."""
    k, n = len(A) - m, A.shape[1]
    least: int = n
    for size in range(k + 1) if every_choice else (k,):
        for J in itertools.combinations(range(m, m + k), size):
            chosen = A[[*range(m), *J]]
            for taken in range(n + 1):
                for T in itertools.combinations(range(n), taken):
                    rank = _rank(list(chosen[:, T])) if len(chosen) and T else 0
                    least = min(least, inputs * rank + n - taken + k - size)
    return least


def _deficient(point: Point, draw: Draw) -> Tally:
    """How often `M` has a rank below `N`, over `X` and `W`."""
    n, inputs, m, k = (point.integer(name) for name in ("N", "d0", "m", "k"))
    X = draw.rng.standard_normal((_BATCH, inputs, n))
    hidden = draw.rng.standard_normal((_BATCH, m + k, inputs)) @ X
    A = np.where(hidden > 0, 1.0, point.real("rho"))
    linear = (A[:, :m, None, :] * X[:, None, :, :]).reshape(_BATCH, m * inputs, n)
    M = np.concatenate([linear, A[:, m:] * hidden[:, m:]], axis=1)
    if M.shape[1] < n:
        return {"trials": _BATCH, "hits": _BATCH, "doubtful": 0}
    sigma = np.linalg.svd(M, compute_uv=False)
    relative = sigma[:, -1] / np.where(sigma[:, 0] > 0, sigma[:, 0], 1.0)
    zero, unclear = relative <= _ZERO, (relative > _ZERO) & (relative <= _CLEAR)
    return {"trials": _BATCH, "hits": int(zero.sum()), "doubtful": int(unclear.sum())}


def _exact_volumes(point: Point, draw: Draw) -> Tally:
    """For each of several data sets with real labels, proved ends of the log of `V(G)` from all cells."""
    lower, upper = [], []
    for _ in range(_SETS):
        X = draw.rng.standard_normal((point.integer("d0"), point.integer("N")))
        found = RegionLattice(X, draw.rng.standard_normal(X.shape[1]), point.real("rho"), 0.0)
        volume = found.volumes(point.integer("d1"), box_limit=60).globalmin
        lower.append(max(volume.log_lower, _LOG_ZERO))
        upper.append(max(volume.log_upper, _LOG_ZERO))
    return {"lower": lower, "upper": upper}


def _regions(point: Point, draw: Draw) -> Tally:
    """For each of several data sets with real labels, how many of `_REGIONS` regions contain a global minimum."""
    hits, doubtful = [], []
    for _ in range(_SETS):
        X = draw.rng.standard_normal((point.integer("d0"), point.integer("N")))
        W = draw.rng.standard_normal((_REGIONS, point.integer("d1"), len(X)))
        labels = draw.rng.standard_normal((X.shape[1],))
        answers = examine(W, X, labels, point.real("rho"), suboptimal=0, node_limit=2000).globalmin()
        hits.append(int((answers == YES).sum()))
        doubtful.append(int((answers == UNKNOWN).sum()))
    return {"G": hits, "G doubtful": doubtful}


def _quantile(tally: Tally, point: Point) -> CertifiedQuantile:
    return CertifiedQuantile(entries(tally, "lower"), point.real("delta"), entries(tally, "upper"))


def _sampled_quantile(tally: Tally, point: Point) -> NestedQuantile:
    hits, doubtful = entries(tally, "G"), entries(tally, "G doubtful")
    return NestedQuantile(hits, doubtful, _REGIONS, 1 - point.real("delta"))


def _mismatches(name: str) -> Callable[[Tally, Point], Counterexamples]:
    return lambda tally, point: Counterexamples(count(tally, name), count(tally, "instances"))


def _cauchy_schwarz() -> bool | None:
    """`K Σ b² − (Σ b)² = Σ_{i<j} (b_i − b_j)²`, and `Σ b p >= Σ b²` term by term, shown for four cells."""
    b = sp.symbols("b1:5", nonnegative=True)
    spread = sum((x - y) ** 2 for x, y in itertools.combinations(b, 2))
    rest = sp.symbols("r1:5", nonnegative=True)
    excess = sp.expand(sum(x * (x + y) for x, y in zip(b, rest, strict=True)) - sum(x**2 for x in b))
    return bool(sp.expand(4 * sum(x**2 for x in b) - sum(b) ** 2 - spread) == 0 and excess.is_nonnegative)


def _determined_sign() -> bool | None:
    """`E Φ(σ|Z|) = 1/2 + arctan(σ)/π`: both sides agree at 0 and in their derivatives; and σ = c/√(1 − c²)."""
    sigma, z = sp.symbols("sigma z", positive=True)
    c = sp.Symbol("c", positive=True)
    density = sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)
    slope = sp.integrate(sp.powsimp(2 * z * density * density.subs(z, sigma * z)), (z, 0, sp.oo))
    same = sp.simplify(slope - sp.diff(sp.atan(sigma) / sp.pi, sigma)) == 0
    angle = sp.diff(sp.asin(c) - sp.atan(c / sp.sqrt(1 - c**2)), c)
    return bool(same and sp.simplify(angle) == 0 and sp.atan(0) == sp.asin(0) == 0)


def _shares() -> bool | None:
    j = sp.Symbol("j", integer=True, nonnegative=True)
    return bool(sp.simplify(sp.summation(1 / ((j + 1) * (j + 2)), (j, 0, sp.oo)) - 1) == 0)


def _gaussian_binomial() -> bool | None:
    """`∏_{i >= 1} 1/(1 − 2^(−i)) <= 3.4628`: the first 30 factors, and `∏_{i > 30} (1 − 2^(−i)) >= 1 − 2^(−30)`."""
    half = sp.Rational(1, 2)
    first = sp.prod([1 / (1 - half**i) for i in range(1, 31)])
    return bool(first / (1 - half**30) <= sp.Rational(34628, 10000))


_TIGHT = (Point(N=1, d0=1, m=0, k=3, rho=0.0, eta=0.0), Point(N=2, d0=2, m=0, k=5, rho=0.0, eta=0.0))
_SHARP = (Point(N=1, d0=1, d1=3, rho=0.0, delta=0.5), Point(N=2, d0=2, d1=5, rho=0.0, delta=0.5))

STATEMENT = Statement(
    id="f18",
    kind=Kind.BOUND,
    title="Theorem 9 at finite size, any labels",
    citation=note("F18"),
    summary=(
        "At every size, for most inputs and for all labels at once, the volume of the regions with a global minimum is "
        "at least an explicit number: a power of one over the number of cells, or nearly one if the network is wide."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, SLOPE, CONFIDENCE),
    assumptions=(GAUSSIAN, NOT_LINEAR),
    claim=CLAIM,
    steps=(
        Step(
            "The gates lie in the cells C with typical first layers and rank N with probability b_C ≤ p_C. Their "
            "second neurons lie there too with probability p_C. With K^m choices of cells:",
            r"\sum_C b_C\, p_C \ge \sum_C b_C^2 \ge K^{-m} \Bigl(\sum_C b_C\Bigr)^2",
            _cauchy_schwarz,
        ),
        Step(
            "Where others determine a neuron's sign, and c is the cosine between the neuron and their span, the sign "
            "comes out so with probability at most:",
            r"\mathbb{E}\, \Phi\left(\frac{c}{\sqrt{1 - c^2}} |Z|\right) = \frac{1}{2} + \frac{\arcsin c}{\pi}",
            _determined_sign,
        ),
        Step(
            "The shares of exceptional first layers add up.",
            r"\sum_{j \ge 0} \frac{1}{(j+1)(j+2)} = 1",
            _shares,
        ),
        Step(
            "Counting columns in order costs little more than the power of two.",
            r"2^{-r(t-r)} \binom{t}{r}_2 \le \prod_{i \ge 1} \frac{1}{1 - 2^{-i}} \le 3.4628",
            _gaussian_binomial,
        ),
    ),
    uses=("f3", "f7", "f8", "f9", "f19"),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="rank formula",
            text=(
                "Draws inputs and neurons, rounded to millionths, and compares the rank of M with the minimum over all "
                "sets of samples and of singles, in exact integer arithmetic. ρ is 0, 0.1 or −0.5, and d0 also 1."
            ),
            sampler=Sampler("f18-ranks", _ranks(_gaussian_inputs)),
            read=_mismatches("wrong"),
            claim=COMBINATORIAL,
            grid=tuple(
                Point(N=n, d0=a, m=m, k=k, rho=slope)
                for n, a, m, k, slope in (
                    (4, 2, 0, 4, 0.0),
                    (5, 2, 1, 3, 0.0),
                    (6, 2, 2, 2, 0.1),
                    (4, 2, 0, 4, 0.1),
                    (5, 3, 1, 3, -0.5),
                    (4, 1, 1, 3, 0.0),
                    (4, 1, 2, 2, 0.1),
                    (3, 4, 0, 4, 0.0),
                )
            ),
            chunks=4,
            controls=(
                Control(
                    "all singles",
                    "the minimum over T only, with all singles in J",
                    read=_mismatches("wrong without J"),
                    points=(Point(N=4, d0=2, m=0, k=4, rho=0.0), Point(N=4, d0=2, m=0, k=4, rho=0.1)),
                ),
                Control(
                    "lattice",
                    "inputs with entries ±1, which are not in general position",
                    sampler=Sampler("f18-ranks-lattice", _ranks(_lattice_inputs)),
                    points=(Point(N=6, d0=2, m=2, k=2, rho=0.1), Point(N=5, d0=3, m=1, k=3, rho=-0.5)),
                ),
            ),
        ),
        Check(
            name="rank",
            text=(
                "Draws X and W, and counts how often the rank of M is below N, against β and the share η of first "
                "layers that are not typical. Includes N ≤ d0, d0 = 1, m d0 + k < N, ρ = 0 and ρ < 0."
            ),
            sampler=Sampler("f18-deficient", _deficient),
            read=lambda tally, point: Proportion(
                count(tally, "hits"), count(tally, "trials"), count(tally, "doubtful")
            ),
            claim=RANK,
            grid=(
                _TIGHT[1],
                *(
                    Point(N=n, d0=a, m=m, k=k, rho=slope, eta=eta)
                    for n, a, m, k, slope, eta in (
                        (3, 2, 0, 13, 0.1, 0.0),
                        (3, 2, 0, 13, -1.0, 0.0),
                        (2, 1, 0, 8, 0.1, 0.0),
                        (4, 5, 0, 6, -0.5, 0.0),
                        (7, 6, 1, 4, 0.1, 0.05),
                        (9, 8, 1, 2, -0.5, 0.05),
                        (5, 2, 1, 1, 0.1, 0.0),
                    )
                ),
            ),
            chunks=4,
            controls=(
                Control("constant", "half of the bound", RANK.with_bound(lambda bound: bound / 2), points=_TIGHT),
                Control("exponent", "the bound squared", RANK.with_bound(lambda bound: bound**2), points=_TIGHT),
                Control("direction", "the probability is at least the bound", RANK.reversed(), points=_TIGHT[1:]),
            ),
        ),
        Check(
            name="exact volume",
            text=(
                "Draws small data sets with real labels, enumerates their cells, and holds the δ quantile over X of "
                "V(G), exact or between proved ends, against the bound."
            ),
            sampler=Sampler("f18-exact", _exact_volumes),
            read=_quantile,
            grid=(*_SHARP, Point(N=2, d0=2, d1=2, rho=-0.5, delta=0.5)),
            chunks=3,
            controls=(
                Control(
                    "constant",
                    "1 − (1 − v)/16 in place of v",
                    CLAIM.with_bound(lambda bound: 1 - (1 - bound) / 16),
                    points=_SHARP,
                ),
                Control(
                    "exponent",
                    "the sixteenth root of v",
                    CLAIM.with_bound(lambda bound: bound ** sp.Rational(1, 16)),
                    points=_SHARP,
                ),
                Control("direction", "the volume is at most the bound", CLAIM.reversed(), points=_SHARP),
            ),
        ),
        Check(
            name="sampled volume",
            text=(
                "Draws data sets with real labels, N up to above d0, and W, and decides for each region whether it "
                "contains a global minimum. The δ quantile over X of the volume is held against the bound."
            ),
            sampler=Sampler("f18-regions", _regions),
            read=_sampled_quantile,
            grid=tuple(
                Point(N=n, d0=a, d1=b, rho=slope, delta=0.5)
                for n, a, b, slope in ((8, 7, 4, 0.1), (9, 8, 4, -0.5), (3, 3, 6, 0.0))
            ),
            chunks=5,
            controls=(Control("direction", "the volume is at most the bound", CLAIM.reversed()),),
        ),
    ),
    survey=replace(LABELS, fixed={"rho": 0.1, "delta": 0.05}),
    notes=(
        "Where v is 0, nothing is claimed: the network is too narrow for m gates and k singles with m d0 + k ≥ N, or β "
        "is too large.",
        "v is lowered by more than the rounding errors of the sum of logarithms that it comes from.",
    ),
)
