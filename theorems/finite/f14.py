"""F14: two neurons for every d0 samples fit any real labels.

Theorem 8 asks for binary labels. Here they are any numbers, and the networks are built and evaluated in rational
arithmetic. Where all regions can be listed, the exact volumes of `verify.volume` say independently how many neurons
are needed, and that the regions with a global minimum are at least as large as the cells of the network built.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.setting import GENERIC, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, N, d0, note
from verify.network.arrangements import GeneralPositionError, cell_volumes
from verify.network.memorize import ExactMemorizer, forward_exact, memorize_exact
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import (
    Assumption,
    Check,
    Claim,
    Control,
    Derivation,
    Kind,
    Point,
    Sampler,
    Statement,
    Step,
)
from verify.statistics.estimates import Counterexamples, Estimate, Exact
from verify.verdicts import Evidence
from verify.volume.exact import RegionLattice
from verify.volume.result import Volume

Labels = list[Fraction]
Inputs = list[list[int]]

BOUND = 2 * sp.ceiling(N / d0)
CLAIM = Claim(
    sp.Symbol(r"\max_{y \in \mathbb{R}^N} \min\left\{d_1 : y = f(W X)^{\top} z,\; w_i \cdot x_n \ne 0\right\}"),
    Relation.AT_MOST,
    BOUND,
    proviso="for almost every X",
)
WIDTH = Claim(sp.Symbol(r"d_1 \text{ of the network built}"), Relation.EQUAL, BOUND)
SHARE = Claim(
    sp.Symbol(r"\min_{X, y}\, V(\mathcal{G}) \Big/ \prod_{i \le d_1} p(C(w_i))"),
    Relation.AT_LEAST,
    sp.Integer(1),
    proviso="for d1 = 2⌈N/d0⌉ and the first layer of the network built, two neurons in the cell of each gate",
)
WIDE_INPUTS = Assumption("two-dimensions", "The inputs have at least two dimensions.", condition=d0 >= 2)

_ENTRIES = 20  # random inputs and labels are integers up to this size
_DRAWS = 50  # of inputs, until they are in general position
_LISTED = 2  # data sets in one chunk, all regions of which are listed
_BOXES = 60


def _inputs(point: Point, draw: Draw) -> Inputs:
    """Random inputs in general position, or points of the moment curve, any d0 of which are nearly dependent."""
    n, inputs = point.integer("N"), point.integer("d0")
    if point.get("inputs") == "moment curve":
        return [[u**power for u in range(1, n + 1)] for power in range(inputs)]
    for _ in range(_DRAWS):
        X: Inputs = draw.rng.integers(-_ENTRIES, _ENTRIES + 1, (inputs, n)).tolist()
        try:
            memorize_exact(X, [0] * n, Fraction(0))
        except ValueError:
            continue
        return X
    raise GeneralPositionError(f"no {inputs} × {n} inputs in general position among {_DRAWS} draws")


def _labellings(n: int, rng: np.random.Generator) -> Iterator[Labels]:
    """Random fractions, and labels that a construction with a hidden scale or sign would miss."""
    yield [Fraction(int(a), int(b)) for a, b in zip(rng.integers(-999, 999, n), rng.integers(1, 99, n), strict=True)]
    yield [Fraction((-1) ** k * 10**6) for k in range(n)]
    yield [Fraction(int(k == n // 2), 10**9) for k in range(n)]
    yield [Fraction(10) ** (k - n // 2) for k in range(n)]
    yield [Fraction(-7)] * n
    yield [Fraction(0)] * n


def _as_built(network: ExactMemorizer) -> tuple[list[list[Fraction]], Labels]:
    return network.W, network.z


def _without_a_pair(network: ExactMemorizer) -> tuple[list[list[Fraction]], Labels]:
    return network.W[2:], network.z[2:]


def _added_up(network: ExactMemorizer) -> tuple[list[list[Fraction]], Labels]:
    return network.W, [abs(weight) for weight in network.z]


def _fitted(change: Callable[[ExactMemorizer], tuple[list[list[Fraction]], Labels]]) -> Callable[[Point, Draw], Tally]:
    """Sampler: fit every labelling in rational arithmetic, and evaluate the network from the definition alone."""

    def draw_chunk(point: Point, draw: Draw) -> Tally:
        rho, X = Fraction(repr(point.real("rho"))), _inputs(point, draw)
        trials, misses, widths = 0, 0, []
        for y in _labellings(point.integer("N"), draw.rng):
            W, z = change(memorize_exact(X, y, rho))
            # Raises if a pre-activation is zero, which the statement excludes.
            misses += forward_exact(W, z, X, rho) != y
            trials += 1
            widths.append(len(W))
        return {"trials": trials, "misses": misses, "widths": widths}

    return draw_chunk


def _width(tally: Tally, point: Point) -> Estimate:
    """The largest width among networks that fit; labellings that were missed, where there are any."""
    trials, misses = count(tally, "trials"), count(tally, "misses")
    if misses:
        return Counterexamples(misses, trials, evidence=Evidence.WITNESS)
    return Exact(math.log(max(entries(tally, "widths"))), Evidence.WITNESS, trials)


def _listed(point: Point, draw: Draw) -> Tally:
    """Exact volumes of the regions with a global minimum, for small data sets.

    `suffices` is the first width at which there is a region with one, `needed` the first at which there may be; the
    ratio is that of the volume at `2⌈N/d0⌉` neurons to the cells of the network built. `open` counts the data sets for
    which the search for a region ended without an answer.
    """
    n, slope = point.integer("N"), Fraction(repr(point.real("rho")))
    gates = -(-n // point.integer("d0"))
    tally: dict[str, list[float]] = {"suffices": [], "needed": [], "log ratio": [], "log volume, narrow": []}
    undecided = 0
    for _ in range(_LISTED):
        X = _inputs(point, draw)
        y = (draw.rng.integers(1, _ENTRIES, n) * draw.rng.choice((-1, 1), n)).tolist()
        lattice = RegionLattice(X, y, slope, 0.0)
        widest = _with_a_minimum(lattice, 2 * gates, patient=True)
        undecided += widest.log_lower == -math.inf < widest.log_upper
        widths = (_with_a_minimum(lattice, width) for width in range(1, 2 * gates))
        found = list(itertools.takewhile(lambda volume: volume.log_lower == -math.inf, widths))
        nowhere = len(found) == 2 * gates - 1 and widest.log_lower == -math.inf
        tally["suffices"].append(len(found) + 1 + nowhere)
        tally["needed"].append(1 + sum(volume.log_upper == -math.inf for volume in found))
        tally["log ratio"].append(_finite(widest.log_lower - _log_cells(X, memorize_exact(X, y, slope))))
        if gates > 1:
            tally["log volume, narrow"].append(_finite(_with_a_minimum(lattice, gates - 1).log_upper))
    return {**tally, "open": undecided}


def _with_a_minimum(lattice: RegionLattice, width: int, *, patient: bool = False) -> Volume:
    """The volume of the regions with a global minimum; if patient, more effort where there may be one unfound."""
    volume = lattice.volumes(width, box_limit=_BOXES).globalmin
    if patient and volume.log_lower == -math.inf < volume.log_upper:
        volume = lattice.volumes(width, box_limit=40 * _BOXES).globalmin
    return volume


def _finite(log: float) -> float:
    """A tally holds finite numbers; the log of nothing is written as this."""
    return max(log, -1e9)


def _log_cells(X: Inputs, network: ExactMemorizer) -> float:
    """Log of the product of the volumes of the cells that the neurons lie in."""
    patterns, volumes = cell_volumes(np.array(X))
    known: dict[bytes, float] = {row.tobytes(): math.log(p) for row, p in zip(patterns, volumes, strict=True)}
    hidden: NDArray[np.object_] = np.array(network.W, dtype=object) @ np.array(X, dtype=object)
    return sum(known[np.where(row > 0, 1, -1).astype(np.int8).tobytes()] for row in hidden)


def _suffices(tally: Tally, point: Point) -> Estimate:
    """The largest width that some labels took; undecided while it is not known that there is one."""
    widths = entries(tally, "suffices")
    if unknown := count(tally, "open"):
        return Counterexamples(0, len(widths), unknown, Evidence.WITNESS)
    return Exact(math.log(max(widths)), Evidence.WITNESS, len(widths))


def _needed(tally: Tally, point: Point) -> Exact:
    return Exact(math.log(max(entries(tally, "needed"))), Evidence.WITNESS, len(entries(tally, "needed")))


def _ratio(tally: Tally, point: Point) -> Estimate:
    ratios = entries(tally, "log ratio")
    if unknown := count(tally, "open"):
        return Counterexamples(0, len(ratios), unknown, Evidence.WITNESS)
    return Exact(min(ratios), Evidence.WITNESS, len(ratios))


def _narrow(tally: Tally, point: Point) -> Exact:
    return Exact(max(entries(tally, "log volume, narrow")), Evidence.WITNESS)


def _telescopes() -> bool | None:
    """`Σ a_k (v_k − v_{k+1}) = a_1 v_1 + Σ_{k ≥ 2} (a_k − a_{k−1}) v_k` with `v_{m+1} = 0`, up to eight gates."""
    for gates in range(1, 9):
        a, v = (sp.symbols(f"{name}1:{gates + 1}") for name in "av")
        left = sum(one * (this - following) for one, this, following in zip(a, v, (*v[1:], 0), strict=True))
        right = a[0] * v[0] + sum((a[k] - a[k - 1]) * v[k] for k in range(1, gates))
        if sp.expand(left - right) != 0:
            return False
    return True


def _silent_pair() -> bool | None:
    """Both of `c ± y/2` are positive for `c > |y|/2`, and their difference is y."""
    label = sp.Symbol("y", real=True)
    spare = sp.Symbol("s", positive=True)
    level = sp.Abs(label) / 2 + spare
    differ = sp.simplify((level + label / 2) - (level - label / 2) - label) == 0
    size = sp.Symbol("a", nonnegative=True)
    positive = [
        sp.simplify((level + sign * label / 2).subs(label, side * size)).is_positive
        for sign, side in itertools.product((1, -1), repeat=2)
    ]
    return bool(differ and all(positive))


def _neurons() -> bool | None:
    """Pairs for m gates, or for m − 1 gates and one pair more."""
    gates = sp.Symbol("m", integer=True, positive=True)
    return bool(sp.expand(2 * (gates - 1) + 2 - 2 * gates) == 0)


BUILT = Sampler("real-labels-built", _fitted(_as_built))
SHORT = Sampler("real-labels-short", _fitted(_without_a_pair))
ADDED = Sampler("real-labels-added", _fitted(_added_up))
LISTED = Sampler("real-labels-listed", _listed)

_BUILT = tuple(
    Point(N=n, d0=inputs, rho=slope, inputs=kind)
    for n, inputs, kind in (
        (2, 3, "random"),
        (3, 3, "random"),
        (5, 2, "random"),
        (8, 2, "moment curve"),
        (9, 3, "random"),
        (10, 4, "moment curve"),
    )
    for slope in (0.0, 0.1, -1.0)
)
_LISTS = tuple(
    Point(N=n, d0=inputs, rho=slope)
    for n, inputs, slopes in (
        (2, 2, (0.0, 0.1, -0.5)),
        (3, 2, (0.0, 0.1, -0.5)),
        (4, 2, (0.0, 0.1)),
        (2, 3, (0.0, 0.1, -0.5)),
    )
    for slope in slopes
)
_TWO_GATES = tuple(point for point in _LISTS if point.integer("N") > point.integer("d0"))
_MIDDLE = _BUILT[6:9]
_ROUNDED = tuple(point for point in _BUILT if point.integer("N") % point.integer("d0"))

STATEMENT = Statement(
    id="f14",
    kind=Kind.THEOREM,
    title="Few neurons fit any real labels",
    citation=note("F14"),
    summary=(
        "For almost every X, two hidden neurons for every d0 samples fit any real labels exactly, with no "
        "pre-activation zero; and the cells of these neurons bound the volume of the regions with a global minimum."
    ),
    variables=(SAMPLES, INPUTS, SLOPE),
    assumptions=(WIDE_INPUTS, GENERIC, NOT_LINEAR),
    claim=CLAIM,
    uses=("f13",),
    steps=(
        Step(
            "Summed by parts, the output of the gates depends on the differences of successive activation rows, which "
            "live on one block each.",
            r"\sum_k a_k (v_k - v_{k+1}) = a_1 v_1 + \sum_{k \ge 2} (a_k - a_{k-1})\, v_k",
            _telescopes,
        ),
        Step(
            "For slope 0, two further neurons give the labels on the samples on which no gate is active.",
            r"(c + y/2) - (c - y/2) = y, \quad c > |y|/2",
            _silent_pair,
        ),
        Step("There are 2m neurons, m = ⌈N/d0⌉, with slope 0 and without.", r"2 (m - 1) + 2 = 2 m", _neurons),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="real labels, exactly",
            text=(
                "Fits fractions, huge alternating labels, a single tiny one, labels over many orders of magnitude, "
                "equal ones and zeros in rational arithmetic, for random inputs and for the moment curve. Each network "
                "is evaluated: the error must be exactly zero and no pre-activation zero. Shown is the largest width."
            ),
            sampler=BUILT,
            read=_width,
            grid=_BUILT,
            chunks=1,
            controls=(
                Control("a pair fewer", "the network without two of its neurons", sampler=SHORT, points=_MIDDLE),
                Control("wrong sign", "the pairs' outputs added, not subtracted", sampler=ADDED, points=_MIDDLE),
            ),
        ),
        Check(
            name="number of neurons",
            text="The width of the networks built is not below what is claimed either.",
            sampler=BUILT,
            read=_width,
            claim=WIDTH,
            grid=_BUILT,
            chunks=1,
            controls=(
                Control(
                    "rounding", "N/d0 rounded down", WIDTH.with_bound(lambda b: 2 * sp.floor(N / d0)), points=_ROUNDED
                ),
                Control(
                    "Theorem 8",
                    "the number of Theorem 8",
                    WIDTH.with_bound(lambda b: 4 * sp.ceiling(N / (2 * d0 - 2))),
                    points=_BUILT[:9],
                ),
            ),
        ),
        Check(
            name="how many suffice",
            text=(
                "Lists all regions of small data sets and decides in rational arithmetic which contain a global "
                "minimum with zero error: the least width at which one does, by code that shares nothing with the "
                "construction."
            ),
            sampler=LISTED,
            read=_suffices,
            grid=_LISTS,
            chunks=1,
            controls=(
                Control(
                    "fewer",
                    "⌈N/d0⌉ − 1 neurons, whose d0·d1 parameters in a region are fewer than the labels",
                    CLAIM.with_bound(lambda b: sp.ceiling(N / d0) - 1),
                    read=_needed,
                    points=_TWO_GATES,
                ),
            ),
        ),
        Check(
            name="volume",
            text=(
                "The proved lower end of the volume of the regions with a global minimum, divided by the product of "
                "the volumes of the cells in which the neurons of the network built lie: the least over the data sets."
            ),
            sampler=LISTED,
            read=_ratio,
            claim=SHARE,
            grid=_LISTS,
            chunks=1,
            controls=(
                Control("direction", "the volume is at most that", SHARE.reversed()),
                Control("narrow", "the volume at ⌈N/d0⌉ − 1 neurons", read=_narrow, points=_TWO_GATES),
            ),
        ),
    ),
    notes=("With d0 = 1 a neuron sees no more than the sign of x, and only labels of a special form can be fitted.",),
)
