"""F16: for fixed data, the exact exponential rate at which sub-optimal regions vanish as the network widens.

The statement is about a limit, but its proof bounds the volumes at every width, and those bounds are held against
exact volumes. They need κ, which comes from all sets of cells by brute force; the volumes come from the kernels of
A∘X by Möbius inversion and from a search for minima.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.finite.f5 import CellSets, every_set, members
from theorems.setting import ERROR, GENERIC, HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, d0, d1, epsilon, note, rho
from verify.expressions import BoundFunction
from verify.network import regions
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import Assumption, Check, Claim, Control, Derivation, Kind, Point, Sampler, Statement, Step
from verify.statistics.estimates import Counterexamples, Proportion
from verify.volume.exact import RegionLattice
from verify.volume.result import Volume

FloatArray = NDArray[np.float64]

DATA_SETS = 3  # in a chunk
ENTRIES = 999
WIDTHS = (20, 200, 1000)  # of first-order volumes, which are exact at any width
SEARCH_WIDTH = 100  # where the search for minima is run as well
BOXES = 200
BATCH = 2**12
# Absolute, on natural logs of up to 1e4 that are correct to some 1e-15 of their size.
ROUNDING = 1e-9
# Volumes of the same cells, and rates from them, relatively: they are right to some 1e-15.
_SAME = 1e-12
# A tally holds finite numbers; the log of zero is written as this.
_LOG_ZERO = -1e9

CLAIM = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(\neg\left(e^{-\kappa d_1} \sum_{S \in \mathcal{M}} \left(1 - \eta_S\right)_{+} \le "
        r"V(L_\varepsilon) \le V(\mathrm{MCE}(y - P y) > \varepsilon) \le "
        r"\sum_{S\,\mathrm{bad}} p(S)^{d_1}\right)\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
    proviso=(
        "for d1 ≥ 2⌈N/d0⌉, with κ = −log max{p(S) : S bad} and ℳ the sets that attain it; η_S, the sum over the cells "
        "of S of (1 + (d1 − 1) q)(1 − q)^(d1−1) with q = p(C)/p(S), tends to 0. So −log V(L_ε)/d1 → κ"
    ),
)
GLOBAL = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(V(\mathcal{G}) < 1 - \sum_C \left(1 + (d_1 - 1) p(C)\right) (1 - p(C))^{d_1 - 1}\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="so V(𝒢) → 1",
)
RATES = Claim(
    sp.Symbol(r"\mathbb{P}\left(\kappa \ne -\log \max_{S\,\mathrm{bad}} p(S)\right)"), Relation.EQUAL, sp.Integer(0)
)


def numbered(number: int, samples: int, inputs: int) -> tuple[FloatArray, FloatArray]:
    """Data set `number` of a fixed list: integer inputs, `d0 × N`, and labels 0 and 1, `N`."""
    return _drawn(np.random.default_rng((16, number, samples, inputs)), samples, inputs)


def _drawn(rng: np.random.Generator, samples: int, inputs: int) -> tuple[FloatArray, FloatArray]:
    X = rng.integers(1, ENTRIES + 1, (inputs, samples)) * rng.choice([-1, 1], (inputs, samples))
    # With both labels; if all are equal, it may be that no set of cells is bad.
    y = rng.permutation([0, 1, *rng.integers(0, 2, samples - 2).tolist()])
    return X.astype(np.float64), y.astype(np.float64)


@lru_cache(maxsize=64)
def _lattice(number: int, samples: int, inputs: int, slope: float, threshold: float) -> RegionLattice:
    X, y = numbered(number, samples, inputs)
    return RegionLattice(X.astype(np.int64), y, slope, threshold)


class FirstOrderVolume(BoundFunction):
    """`V(MCE(y − P y) > ε)` of a numbered data set at some width, from its cells: no sampling."""

    nargs = 6
    template = (
        r"\sum_{{S\,\mathrm{{bad}}}} \sum_{{T \subseteq S}} (-1)^{{|S \setminus T|}} p(T)^{{{3}}}\Big|_{{X_{{{0}}}}}"
    )

    def log_value(self, number: float, n: float, inputs: float, width: float, slope: float, level: float) -> float:
        """Natural log of the volume."""
        lattice = _lattice(int(number), int(n), int(inputs), float(slope), float(level))
        return lattice.first_order(int(width)).log_estimate


class UnionBound(BoundFunction):
    """The sum over all bad sets of `p(S)^d1`: the same without the signs and the smaller sets."""

    nargs = 6
    template = r"\sum_{{S\,\mathrm{{bad}}}} p(S)^{{{3}}}\Big|_{{X_{{{0}}}}}"

    def log_value(self, number: float, n: float, inputs: float, width: float, slope: float, level: float) -> float:
        """Natural log of the sum."""
        X, y = numbered(int(number), int(n), int(inputs))
        sets = every_set(X, y, float(slope))
        return float(np.log((sets.totals()[_bad(sets, float(level))] ** int(width)).sum()))


_number = sp.Symbol("j", integer=True, nonnegative=True)
_samples = sp.Symbol("N", integer=True, positive=True)
_ARGUMENTS = (_number, _samples, d0, d1, rho, epsilon)
MOEBIUS = Claim(
    sp.Symbol(r"V\left(\mathrm{MCE}(y - P y) > \varepsilon\right)"),
    Relation.EQUAL,
    FirstOrderVolume(*_ARGUMENTS),
    proviso="for data set X_j of a fixed list of random ones",
)


def _bad(sets: CellSets, threshold: float) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = sets.errors >= regions.errors_above(threshold, sets.samples)
    found[0] = False  # no neuron, no region
    return found


def _fewer_than_two() -> bool | None:
    """Fewer than two of n neurons in a cell of share q: `(1−q)^n + n q (1−q)^(n−1)`."""
    q, n = sp.symbols("q n", positive=True)
    probability = (1 - q) ** n + n * q * (1 - q) ** (n - 1)
    return bool(sp.simplify(sp.expand(probability / (1 - q) ** (n - 1)) - (1 + (n - 1) * q)) == 0)


def _vanishes() -> bool | None:
    """`(1 + (n−1) q)(1−q)^(n−1) → 0` for `0 < q < 1`, with `−log(1−q) = c > 0`."""
    n, c, q = sp.symbols("n c q", positive=True)
    return bool(sp.limit((1 + (n - 1) * q) * sp.exp(-c * (n - 1)), n, sp.oo) == 0)


def _rate() -> bool | None:
    """A volume between `(m/2) e^(−κ d)` and `b e^(−κ d)` has the rate κ."""
    d, kappa, factor = sp.symbols("d kappa b", positive=True)
    return bool(sp.limit(sp.expand_log(-sp.log(factor * sp.exp(-kappa * d)) / d, force=True), d, sp.oo) == kappa)


def _log(value: float) -> float:
    return math.log(value) if value > 0 else _LOG_ZERO


def _ends(volume: Volume) -> list[float]:
    return [max(volume.log_lower, _LOG_ZERO), max(volume.log_upper, _LOG_ZERO)]


def _shortfall(shares: FloatArray, width: int) -> float:
    """Bound on the probability that some of these cells holds fewer than two of `width` neurons."""
    return float(((1 + (width - 1) * shares) * (1 - shares) ** (width - 1)).sum())


def _largest(totals: FloatArray, chosen: NDArray[np.bool_]) -> float:
    return float(totals[chosen].max(initial=0.0))


def _row(X: FloatArray, y: FloatArray, slope: float, threshold: float) -> list[list[float]]:
    """What the readers need of one data set: rates, first-order volumes, volumes after a search for minima."""
    sets = every_set(X, y, slope)
    totals, bad = sets.totals(), _bad(sets, threshold)
    support = sets.support >= regions.errors_above(threshold, sets.samples)
    support[0] = False
    most = _largest(totals, bad)
    attained = np.flatnonzero(bad & (totals >= most * (1 - _SAME)))
    second = _largest(totals, bad & (totals < most * (1 - _SAME)))
    lattice = RegionLattice(X.astype(np.int64), y, slope, threshold)
    rate = lattice.rate()
    kappas = [-_log(value) for value in (most, second, _largest(totals, support))]
    inside = members(len(sets.volumes)) > 0
    found = [[*kappas, float(not sets.clear), float(len(attained)), min(rate.kappa, -_LOG_ZERO), rate.multiplicity]]
    for width in WIDTHS:
        upper = float(((totals[bad] / most) ** width).sum()) if most else 0.0
        occupied = [1 - float(((1 - sets.volumes[inside[s]] / most) ** width).sum()) for s in attained]
        log = max(lattice.first_order(width).log_estimate, _LOG_ZERO)
        found.append([width, log, _log(sum(max(0.0, value) for value in occupied)), _log(upper)])
    seen = lattice.volumes(SEARCH_WIDTH, box_limit=BOXES)
    twice = [1 - _shortfall(sets.volumes[inside[s]] / most, SEARCH_WIDTH) for s in attained]
    least = _log(sum(max(0.0, value) for value in twice))
    missing = [_log(-math.expm1(end)) for end in (seen.globalmin.log_upper, seen.globalmin.log_lower)]
    found.append([*_ends(seen.suboptimal), least, *missing, _log(_shortfall(sets.volumes, SEARCH_WIDTH))])
    return found


def _exact(inputs: int | None = None) -> Callable[[Point, Draw], Tally]:
    """Sampler of data sets; `inputs` takes the place of the point's dimension."""

    def draw(point: Point, draw: Draw) -> Tally:
        rows = []
        for _ in range(DATA_SETS):
            X, y = _drawn(draw.rng, point.integer("N"), inputs or point.integer("d0"))
            rows.append(_row(X, y, point.real("rho"), point.real("epsilon")))
        return {"data sets": rows}

    return draw


_Answer = tuple[bool, bool]  # broken, and whether that may be so


def _read(test: Callable[[list[list[float]]], _Answer]) -> Callable[[Tally, Point], Counterexamples]:
    def read(tally: Tally, point: Point) -> Counterexamples:
        rows = entries(tally, "data sets")
        answers = [(test(row), bool(row[0][3])) for row in rows]
        broken = sum(surely and not unclear for (surely, _), unclear in answers)
        doubtful = sum(unclear or (maybe and not surely) for (surely, maybe), unclear in answers)
        return Counterexamples(broken, len(rows), doubtful)

    return read


def _at_every_width(which: int = 0, factor: float = 1.0) -> Callable[[Tally, Point], Counterexamples]:
    """Reader: data sets whose volumes leave their bounds at some width, with κ or a wrong rate in its place."""

    def test(row: list[list[float]]) -> _Answer:
        kappa = factor * row[0][which]
        if kappa >= -_LOG_ZERO:  # no bad set
            return row[1][1] > _LOG_ZERO, False
        surely = False
        for width, log, lower, upper in row[1:-1]:
            surely |= not lower - ROUNDING <= log + kappa * width <= upper + ROUNDING
        low, high, least, *_ = row[-1]
        surely |= high + kappa * SEARCH_WIDTH < least - ROUNDING
        return surely, low + kappa * SEARCH_WIDTH < least - ROUNDING

    return _read(test)


def _global(turned: bool = False) -> Callable[[Tally, Point], Counterexamples]:
    """Reader: data sets on which `1 − V(𝒢)` exceeds its bound; or falls short of it."""

    def test(row: list[list[float]]) -> _Answer:
        *_, low, high, bound = row[-1]
        if turned:
            return high < bound - ROUNDING, low < bound - ROUNDING
        return low > bound + ROUNDING, high > bound + ROUNDING

    return _read(test)


def _same_rate(which: int = 0, extra: int = 0) -> Callable[[Tally, Point], Counterexamples]:
    """Reader: data sets on which the lattice's rate or multiplicity differs from that of brute force."""

    def test(row: list[list[float]]) -> _Answer:
        *_, ties, rate, multiplicity = row[0]
        return abs(rate - row[0][which]) > _SAME * max(1.0, rate) or multiplicity != ties + extra, False

    return _read(test)


def _sampled(point: Point, draw: Draw) -> Tally:
    """Gaussian first layers for a numbered data set, and how many have `MCE(y − P y) > ε`."""
    X, y = numbered(point.integer("j"), point.integer("N"), point.integer("d0"))
    W = draw.normal(BATCH, point.integer("d1"), point.integer("d0"))
    found = regions.kernels(W, draw.backend.asarray(X), point.real("rho"))
    event = regions.misclassified_above(found, y, point.real("epsilon"))
    return {"hits": event.hits, "doubtful": event.doubtful, "trials": BATCH}


def _frequency(tally: Tally, point: Point) -> Proportion:
    return Proportion(count(tally, "hits"), count(tally, "trials"), count(tally, "doubtful"))


EXACT = Sampler("f16-exact", _exact())
ON_A_LINE = Sampler("f16-line", _exact(inputs=1))
SAMPLED = Sampler("f16-sampled", _sampled)
PLANE = Assumption("plane", "There are at least two input dimensions.", condition=d0 >= 2)
_GRID = (
    *(Point(N=n, d0=2, epsilon=0.1, rho=slope) for n in (4, 5) for slope in (0.0, 0.1, -0.5)),
    Point(N=3, d0=3, epsilon=0.1, rho=0.0),
    Point(N=3, d0=2, epsilon=0.5, rho=0.1),
)
_LEAKY = tuple(point for point in _GRID if point["rho"] != 0.0)
_MOEBIUS_GRID = tuple(
    Point(j=number, N=n, d0=a, d1=b, epsilon=0.1, rho=slope)
    for number, (n, a, b, slope) in enumerate(((4, 2, 2, 0.0), (5, 2, 2, 0.1), (5, 2, 3, -0.5), (4, 3, 2, 0.1)))
)

STATEMENT = Statement(
    id="f16",
    kind=Kind.THEOREM,
    title="Exact rate in width for fixed data",
    citation=note("F16"),
    summary=(
        "As the width grows with the data fixed, the volume of the regions with a sub-optimal minimum falls like "
        "e^(−κ d1) with a rate κ that the angles of the cells give exactly, and that with a global minimum tends to 1."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, ERROR, SLOPE),
    assumptions=(NOT_LINEAR, PLANE, GENERIC),
    claim=CLAIM,
    uses=("f1", "f5", "f14"),
    steps=(
        Step(
            "The probability that a cell of share q holds fewer than two of the neurons.",
            r"(1-q)^{d_1} + d_1 q (1-q)^{d_1-1} = \left(1 + (d_1 - 1) q\right) (1-q)^{d_1-1}",
            _fewer_than_two,
        ),
        Step(
            "It vanishes as the width grows. So nearly all networks whose neurons lie in S have two in each cell of S, "
            "and their region contains a minimum with the residual of S.",
            r"\lim_{d_1 \to \infty} \left(1 + (d_1 - 1) q\right) e^{-c (d_1 - 1)} = 0",
            _vanishes,
        ),
        Step(
            "Volumes between two multiples of e^(−κ d1) have the rate κ.",
            r"\lim_{d_1 \to \infty} -\tfrac{1}{d_1} \log\left(b\, e^{-\kappa d_1}\right) = \kappa",
            _rate,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="volumes at every width",
            text=(
                f"Random small data sets: exact first-order volumes at widths {', '.join(map(str, WIDTHS))}, and "
                f"those of L_ε at {SEARCH_WIDTH}, must lie between the two multiples of e^(−κ d1), with κ from all "
                "sets of cells by brute force."
            ),
            sampler=EXACT,
            read=_at_every_width(),
            grid=_GRID,
            chunks=1,
            controls=(
                Control("exponent", "1.02 κ in place of κ", read=_at_every_width(factor=1.02)),
                Control("second", "the rate of the second largest volume of a bad set", read=_at_every_width(1)),
                Control(
                    "support",
                    "the rate of the event |T*| > εN, labels chosen last",
                    read=_at_every_width(2),
                    points=_LEAKY,
                ),
            ),
        ),
        Check(
            name="global minima",
            text=f"The same data sets: V(𝒢) at width {SEARCH_WIDTH} against its lower bound.",
            sampler=EXACT,
            read=_global(),
            claim=GLOBAL,
            grid=_GRID,
            chunks=1,
            controls=(
                Control("one dimension", "inputs on a line, where the theorem does not hold", sampler=ON_A_LINE),
                Control("direction", "V(𝒢) is at most the bound", read=_global(turned=True)),
            ),
        ),
        Check(
            name="rate",
            text="The rate and its multiplicity from the kernels of A∘X against all sets of cells by brute force.",
            sampler=EXACT,
            read=_same_rate(),
            claim=RATES,
            grid=_GRID,
            chunks=1,
            controls=(
                Control("second", "the second largest volume of a bad set", read=_same_rate(1)),
                Control("support", "the largest set of cells with a large support", read=_same_rate(2), points=_LEAKY),
                Control("multiplicity", "one more set attains it", read=_same_rate(extra=1)),
            ),
        ),
        Check(
            name="Möbius inversion",
            text="Draws Gaussian W for fixed data sets, and holds the frequency of MCE(y − P y) > ε against the sum.",
            sampler=SAMPLED,
            read=_frequency,
            claim=MOEBIUS,
            grid=_MOEBIUS_GRID,
            chunks=2,
            controls=(
                Control(
                    "union bound",
                    "the sum of p(S)^d1 over bad sets, without inversion",
                    MOEBIUS.with_bound(lambda bound: UnionBound(*_ARGUMENTS)),
                    points=_MOEBIUS_GRID[:3],
                ),
                Control(
                    "one neuron more",
                    "the volume at width d1 + 1",
                    MOEBIUS.with_bound(lambda bound: bound.subs(d1, d1 + 1)),
                ),
            ),
        ),
    ),
    notes=("In one input dimension there are two cells only, and V(𝒢) does not tend to 1.",),
)
