"""F5: a ladder of nested events, from the regions with a sub-optimal minimum up to those where `A ∘ X` loses rank.

Definition 4 holds single regions against it. Here it is held against labels chosen by brute force, and against exact
volumes: every region of a small data set is looked at for minima, and the events above come from other code.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.finite.f1 import Region
from theorems.paper import definition_4
from theorems.setting import ERROR, HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, note
from verify.network import regions
from verify.network.arrangements import cell_centre, cell_volumes
from verify.network.oracle import NO, UNKNOWN, YES, examine
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import Check, Claim, Control, Derivation, Kind, Point, Sampler, Statement
from verify.statistics.estimates import Counterexamples
from verify.volume.exact import RegionLattice

FloatArray = NDArray[np.float64]

BATCH = 64  # regions in a chunk of the first check
DATA_SETS = 2  # in a chunk of the second
ENTRIES = 999
# Volumes are correct to some 1e-14; two that are further apart than this differ.
ROUNDING = 1e-11
# Singular values relative to the largest: below the first zero up to rounding, above the second clearly not.
NULL_BELOW, CLEAR_ABOVE = 1e-13, 1e-10
# Residuals and outputs, for labels of order 1.
ZERO, CLEAR = 1e-11, 1e-9

CLAIM = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(\neg\left(V(L_\varepsilon) \le V(\mathrm{MCE}(y - P y) > \varepsilon) \le "
        r"V(|T^{*}| > \varepsilon N) \le V(\operatorname{rank} G < N),\; V(\mathcal{G}) \le V(P y = 0)\right)\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="for all X, y and 0 ≤ ε < 1, because each event contains the one before it",
)
WORST = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(\max_{y \in \{0, 1\}^N} N\, \mathrm{MCE}(y - P y) > |T^{*}| \;\text{or}\; "
        r"|T^{*}| > 0,\ \operatorname{rank} G = N\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
)

LADDER = (("suboptimal", "first_order"), ("first_order", "support"), ("support", "rank"), ("global", "fits"))


@dataclass(frozen=True)
class CellSets:
    """First-order facts for every set of cells of a small arrangement, by brute force; the index is a bit mask.

    Attributes:
        volumes: angular volumes of the cells, `K`.
        rank: rank of `A ∘ X` for neurons in exactly these cells, `(2^K,)`.
        support: `|T*|`, `(2^K,)`.
        errors: samples misclassified by `y − P y`, `(2^K,)`.
        fits: whether `P y = 0`, `(2^K,)`.
        clear: whether all of these were decided beyond rounding.
    """

    volumes: FloatArray
    rank: NDArray[np.intp]
    support: NDArray[np.intp]
    errors: NDArray[np.intp]
    fits: NDArray[np.bool_]
    clear: bool

    @property
    def samples(self) -> int:
        """Number of samples: the rank of the set of no cells is 0, and its support all of them."""
        return int(self.support[0])

    def totals(self) -> FloatArray:
        """`p(S)` for every set, `(2^K,)`."""
        return members(len(self.volumes)) @ self.volumes

    def occupied(self, width: int) -> FloatArray:
        """Probability that exactly these cells are occupied by `width` neurons, `(2^K,)`: one neuron at a time."""
        inside = members(len(self.volumes)).T > 0
        probability = np.zeros(inside.shape[1])
        probability[0] = 1.0
        masks = np.arange(len(probability))
        for _ in range(width):
            following = np.zeros_like(probability)
            for i, volume in enumerate(self.volumes):
                after = masks[inside[i]]
                following[after] += volume * (probability[after] + probability[after ^ (1 << i)])
            probability = following
        return probability


def members(cells: int) -> FloatArray:
    """Which cells each set has, `2^cells × cells`, 0 or 1."""
    return (np.arange(2**cells)[:, None] >> np.arange(cells) & 1).astype(np.float64)


def every_set(X: FloatArray, y: FloatArray, slope: float) -> CellSets:
    """Look at every set of cells.

    Args:
        X: samples in general position, `d0 × N`, d0 at most 3; `2^cells` sets are enumerated.
        y: labels, N.
        slope: slope ρ ≠ 1.
    """
    patterns, volumes = cell_volumes(X)
    gates = np.where(patterns > 0, 1.0, slope)[:, None, :] * X[None, :, :]  # K × d0 × N
    stacked = members(len(patterns))[:, :, None, None] * gates
    _, singular, right = np.linalg.svd(stacked.reshape(len(stacked), -1, X.shape[1]))
    # With fewer rows than samples LAPACK leaves out the last singular values, which are zero.
    singular = np.pad(singular, ((0, 0), (0, X.shape[1] - singular.shape[1])))
    relative = singular / np.maximum(singular[:, :1], np.finfo(float).tiny)
    null = relative < CLEAR_ABOVE
    kernel = right * null[:, :, None]
    residual = np.einsum("skn,skm,m->sn", kernel, kernel, y)
    lengths = np.sqrt((kernel**2).sum(axis=1))
    outputs = y - residual
    wrong = (outputs > 0.5) != (y > 0.5)
    moved = np.abs(residual) > ZERO
    doubtful = (relative[null] > NULL_BELOW).any()
    for size in (np.abs(residual), lengths, np.abs(outputs - 0.5)[moved]):
        doubtful |= ((size > ZERO) & (size < CLEAR)).any()
    doubtful |= (np.abs(outputs - 0.5)[moved] <= ZERO).any()
    return CellSets(
        volumes=volumes,
        rank=(~null).sum(axis=1),
        support=(lengths > ZERO).sum(axis=1),
        errors=(wrong & moved).sum(axis=1),
        fits=~moved.any(axis=1),
        clear=not doubtful,
    )


def every_region(X: FloatArray, y: FloatArray, slope: float, epsilon: float, width: int) -> tuple[float, float]:
    """Volumes of `L_ε` and of `G`: every choice of cells for the neurons is looked at for a minimum.

    What floating point leaves open is decided in rational arithmetic.

    Args:
        X: integer samples in general position, `d0 × N`.
        y: labels, N, read as the decimals that they print as.
        slope: slope ρ ≠ 1, likewise.
        epsilon: threshold ε in [0, 1).
        width: number of hidden units.
    """
    patterns, volumes = cell_volumes(X)
    unit = X / np.linalg.norm(X, axis=0)
    centres = np.array([cell_centre(unit, signs) for signs in patterns])
    chosen = np.array(list(itertools.combinations_with_replacement(range(len(patterns)), width)))
    orders = [math.factorial(width) // math.prod(map(math.factorial, np.bincount(row).tolist())) for row in chosen]
    probability = np.array(orders) * np.prod(volumes[chosen], axis=1)
    found = examine(centres[chosen] * np.arange(1, width + 1)[:, None], X, y, slope, epsilon=epsilon, node_limit=2000)
    suboptimal, globalmin = found.suboptimal(epsilon), found.globalmin()
    labels = tuple(Fraction(repr(value)) for value in y.tolist())
    needed, half = regions.errors_above(epsilon, len(labels)), Fraction(1, 2)
    for item in np.flatnonzero((suboptimal == UNKNOWN) | (globalmin == UNKNOWN)).tolist():
        signs = patterns[chosen[item]].astype(np.int64)
        region = Region(X.astype(np.int64), labels, signs, Fraction(repr(slope)))
        exists = region.minimum() is not None
        pairs = zip(labels, region.residual, strict=True)
        errors = sum((label - rest > half) != (label > half) for label, rest in pairs)
        suboptimal[item] = YES if exists and errors >= needed else NO
        globalmin[item] = YES if exists and not any(region.residual) else NO
    return float(probability[suboptimal == YES].sum()), float(probability[globalmin == YES].sum())


def data_set(point: Point, draw: Draw) -> tuple[FloatArray, FloatArray]:
    """Integer inputs in general position, and real labels of three decimals."""
    n, d0 = point.integer("N"), point.integer("d0")
    X = draw.rng.integers(1, ENTRIES + 1, (d0, n)) * draw.rng.choice([-1, 1], (d0, n))
    return X.astype(np.float64), np.round(draw.rng.normal(0.5, 1.0, n), 3)


def _volumes(point: Point, draw: Draw) -> Tally:
    """For each of several data sets, the volumes of all events of the ladder, in the order of `_EVENTS`."""
    width, epsilon, slope = point.integer("d1"), point.real("epsilon"), point.real("rho")
    rows = []
    for _ in range(DATA_SETS):
        X, y = data_set(point, draw)
        suboptimal, globalmin = every_region(X, y, slope, epsilon, width)
        exact = RegionLattice(X.astype(np.int64), y, slope, epsilon).volumes(width, box_limit=0)
        sets = every_set(X, y, slope)
        fits = float(sets.occupied(width)[sets.fits].sum())
        upper = [volume.estimate for volume in (exact.first_order, exact.support, exact.rank)]
        rows.append([suboptimal, *upper, globalmin, fits, float(not sets.clear)])
    return {"volumes": rows}


_EVENTS = ("suboptimal", "first_order", "support", "rank", "global", "fits")


def _ordered(*pairs: tuple[str, str]) -> Callable[[Tally, Point], Counterexamples]:
    """Reader: data sets on which some first volume exceeds the second."""

    def read(tally: Tally, point: Point) -> Counterexamples:
        rows = entries(tally, "volumes")
        broken = doubtful = 0
        for *volumes, unclear in rows:
            of = dict(zip(_EVENTS, volumes, strict=True))
            larger = any(of[inner] > of[outer] + ROUNDING for inner, outer in pairs)
            broken += larger and not unclear
            doubtful += bool(unclear)
        return Counterexamples(broken, len(rows), doubtful)

    return read


def _worst_labels(point: Point, draw: Draw) -> Tally:
    """Random regions; for each the errors of every binary labelling, the support and the rank."""
    n, d0, d1 = point.integer("N"), point.integer("d0"), point.integer("d1")
    found = regions.kernels(draw.normal(BATCH, d1, d0), draw.normal(BATCH, d0, n), point.real("rho"))
    labels = np.array(list(itertools.product((0.0, 1.0), repeat=n)))
    residuals = np.einsum("knm,lm->kln", found.projector, labels)
    outputs = labels - residuals
    tied = np.abs(outputs - 0.5) < regions.COORDINATE_CLEAR
    errors = ((outputs > 0.5) != (labels > 0.5)) & ~tied
    most = errors.sum(axis=2).max(axis=1, initial=0)
    support = (np.linalg.norm(found.projector, axis=2) > regions.COORDINATE_CLEAR).sum(axis=1)
    drawn = errors[np.arange(len(most)), draw.rng.integers(0, len(labels), len(most))].sum(axis=1)
    clear = found.clear
    return {
        "regions": BATCH,
        "doubtful": int((~clear).sum()),
        "broken": int((clear & ((most > support) | ((support > 0) & (found.rank == n)))).sum()),
        "one less": int((clear & (most > support - 1) & (support > 0)).sum()),
        "drawn": int((clear & (most > drawn)).sum()),
    }


def _worst(name: str) -> Callable[[Tally, Point], Counterexamples]:
    return lambda tally, point: Counterexamples(count(tally, name), count(tally, "regions"), count(tally, "doubtful"))


VOLUMES = Sampler("f5-volumes", _volumes)
LABELS = Sampler("f5-worst-labels", _worst_labels)
_VOLUME_GRID = tuple(
    Point(N=n, d0=a, d1=b, epsilon=level, rho=slope)
    for n, a, b, level in ((5, 2, 2, 0.2), (4, 2, 3, 0.5), (4, 1, 3, 0.0), (3, 3, 2, 0.3))
    for slope in (0.0, 0.1, -0.5)
)
_LABEL_GRID = tuple(
    Point(N=n, d0=a, d1=b, rho=slope)
    for n, a, b in ((6, 1, 3), (8, 2, 3), (6, 3, 2), (3, 4, 2))
    for slope in (0.0, 0.1, -0.5)
)

STATEMENT = Statement(
    id="f5",
    kind=Kind.LEMMA,
    title="A ladder of nested events",
    citation=note("F5"),
    summary=(
        "Regions with a sub-optimal minimum have a residual with many errors; then many samples lie in the support of "
        "the kernel of A∘X; then it has less than full rank. The last two do not depend on the labels."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, ERROR, SLOPE),
    assumptions=(NOT_LINEAR,),
    claim=CLAIM,
    uses=("lemma-2",),
    # Definition 4 proves each rung; its further steps are about events that are disjoint or empty.
    steps=definition_4.STATEMENT.steps[:3],
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="exact volumes",
            text=(
                "Small data sets with real labels. Every region is looked at for a minimum, and the cells' angles give "
                "the volumes of L_ε and 𝒢; those of the other events come from all kernels by Möbius inversion, and "
                "V(P y = 0) from all sets of cells. Includes d0 = 1, N ≤ d0, d0·d1 < N and ε = 0."
            ),
            sampler=VOLUMES,
            read=_ordered(*LADDER),
            grid=_VOLUME_GRID,
            chunks=2,
            controls=tuple(
                Control(name, f"the inclusion turned round: {text}", read=_ordered(pair[::-1]))
                for pair, name, text in zip(
                    LADDER,
                    ("existence", "labels", "rank", "global"),
                    (
                        "every region with more than εN errors contains a minimum",
                        "a large support makes the given labels misclassified",
                        "less than full rank makes a large support",
                        "every region with P y = 0 contains a minimum",
                    ),
                    strict=True,
                )
            ),
        ),
        Check(
            name="worst labels",
            text=(
                "Random regions, and for each the largest number of errors over all 2^N labellings, chosen after "
                "seeing X and W: at most the size of the support, and zero where the rank is full."
            ),
            sampler=LABELS,
            read=_worst("broken"),
            claim=WORST,
            grid=_LABEL_GRID,
            chunks=2,
            controls=(
                Control("one less", "at most |T*| − 1 errors", read=_worst("one less")),
                Control("given labels", "labels drawn at random do as much harm as the worst", read=_worst("drawn")),
            ),
        ),
    ),
    notes=("A generic vector of the kernel has the support T*, so F4 bounds |T*| from below.",),
)
