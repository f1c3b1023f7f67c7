"""F6: how many activation regions there are, and how many at most.

Cover's count of the cells of one neuron, to the power of the number of neurons: exactly that many for inputs in
general position, never more for others. Its logarithm is at most `d0 log(2 e N/d0)` for each neuron.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import sympy as sp

from theorems.setting import HIDDEN, INPUTS, SAMPLES, N, d0, d1, note
from verify.network.arrangements import GeneralPositionError, cells, cover_count
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import (
    Assumption,
    Check,
    Claim,
    Control,
    Derivation,
    Finding,
    Kind,
    Point,
    Sampler,
    Statement,
    Step,
)
from verify.statistics.estimates import Counterexamples, Exact
from verify.verdicts import Evidence

ENTRIES = 30  # inputs in general position are integers up to this size
DRAWS = 50  # until they are in general position
LARGEST = 80  # all d0 <= N up to here

k = sp.Symbol("k", integer=True, nonnegative=True)
COUNT = sp.Symbol(r"\left|\{A : D_A(X) \ne \emptyset\}\right|")
COVER = 2 * sp.Sum(sp.binomial(N - 1, k), (k, 0, d0 - 1))
CLAIM = Claim(COUNT, Relation.AT_MOST, (2 * sp.E * N / d0) ** (d0 * d1), proviso="for every X")
EXACTLY = Claim(COUNT, Relation.EQUAL, COVER**d1, proviso="for X in general position")
AT_MOST = Claim(COUNT, Relation.AT_MOST, COVER**d1, proviso="for every X")
SHARPER = Claim(COUNT, Relation.AT_MOST, (2 / sp.E * (sp.E * N / d0) ** d0) ** d1, proviso="for every X")
NARROW = Assumption("narrow-inputs", "There are at least as many samples as input dimensions.", condition=d0 <= N)


def _recurrence() -> bool | None:
    """`K(N, d) = K(N−1, d) + K(N−1, d−1)` for d = 2 … 6, with `K(1, d) = K(N, 1) = 2`."""

    def cover(samples: sp.Expr, inputs: int) -> sp.Expr:
        return sum((2 * sp.expand_func(sp.binomial(samples - 1, j)) for j in range(inputs)), sp.Integer(0))

    gaps = [cover(N, d) - cover(N - 1, d) - cover(N - 1, d - 1) for d in range(2, 7)]
    starts = [cover(sp.Integer(1), d) - 2 for d in range(1, 7)] + [cover(N, 1) - 2]
    return all(sp.expand(sp.expand_func(term)) == 0 for term in (*gaps, *starts))


def _binomial_sum() -> bool | None:
    """`log(1 + u) <= u`: both sides and the sign of the derivative of the gap, with u = k/M."""
    u = sp.Symbol("u", nonnegative=True)
    gap = u - sp.log(1 + u)
    return bool(gap.subs(u, 0) == 0 and sp.simplify(sp.diff(gap, u) - u / (1 + u)) == 0)


def _diagonal() -> bool | None:
    """Along `(M + s, k + s)` the log of `(e M/k)^k` grows at the rate `1/c + log c`, c = M/k >= 1, at least 1."""
    M, size, s, beyond = sp.symbols("M k s b", positive=True)
    log = (size + s) * (1 + sp.log(M + s) - sp.log(size + s))
    ratio = (M + s) / (size + s)
    rate = sp.simplify(sp.diff(log, s) - (1 / ratio + sp.log(M + s) - sp.log(size + s)))
    excess = 1 / (1 + beyond) + sp.log(1 + beyond) - 1
    slope = sp.simplify(sp.diff(excess, beyond) - beyond / (1 + beyond) ** 2)
    return bool(rate == 0 and excess.subs(beyond, 0) == 0 and slope == 0)


def _weaker() -> bool | None:
    """`(2/e) (e x)^d <= (2 e x)^d` for d >= 1."""
    d = sp.Symbol("d", integer=True, positive=True)
    gap = sp.expand_log(d * sp.log(2) - sp.log(2 / sp.E), force=True)
    return bool(sp.simplify(gap - (d - 1) * sp.log(2) - 1) == 0)


def counted(rows: list[list[int]]) -> int:
    """Cells of a central arrangement, by deletion and restriction, in integer arithmetic.

    Args:
        rows: a normal vector for each hyperplane; repetitions and multiples are welcome.
    """
    normals = set()
    for row in rows:
        scale = math.gcd(*row)
        if scale == 0:
            return 0
        leading = next(entry for entry in row if entry)
        normals.add(tuple(entry // scale * (1 if leading > 0 else -1) for entry in row))
    if not normals:
        return 1
    *others, last = sorted(normals)
    pivot = next(j for j, entry in enumerate(last) if entry)
    # The last hyperplane cuts in two as many cells of the others as they have on it.
    on_it = [
        [last[pivot] * entry - other[pivot] * last[j] for j, entry in enumerate(other) if j != pivot]
        for other in others
    ]
    return counted([list(other) for other in others]) + counted(on_it)


def _network(X: np.ndarray[tuple[int, int], np.dtype[np.int64]], width: int) -> int:
    """Regions of a network: cells of the arrangement of all its hyperplanes, in `d0 d1` dimensions."""
    rows = []
    for neuron, sample in itertools.product(range(width), X.T.tolist()):
        row = [0] * (width * len(X))
        row[neuron * len(X) : (neuron + 1) * len(X)] = sample
        rows.append(row)
    return counted(rows)


def _general(point: Point, draw: Draw) -> Tally:
    """Regions of a network for inputs in general position."""
    shape = point.integer("d0"), point.integer("N")
    for _ in range(DRAWS):
        X = draw.rng.integers(-ENTRIES, ENTRIES + 1, shape)
        try:
            cells(X)
        except GeneralPositionError:
            continue
        return {"regions": [_network(X, point.integer("d1"))]}
    raise RuntimeError(f"no X of shape {shape} in general position among {DRAWS}")


def _lattice(point: Point, draw: Draw) -> Tally:
    """The same for inputs with entries −1, 0, 1: parallel, repeated and dependent ones, but none zero."""
    columns: list[list[int]] = []
    while len(columns) < point.integer("N"):
        column = draw.rng.integers(-1, 2, point.integer("d0")).tolist()
        columns += [column] if any(column) else []
    return {"regions": [_network(np.array(columns).T, point.integer("d1"))]}


def _read(reduce: Callable[[list[int]], int]) -> Callable[[Tally, Point], Exact]:
    def read(tally: Tally, point: Point) -> Exact:
        numbers = list(entries(tally, "regions"))
        return Exact(math.log(reduce(numbers)), trials=len(numbers))

    return read


def _sizes(point: Point, draw: Draw) -> Tally:
    """`K <= c (e N/d0)^d0` for all d0 <= N, in integers, with e rounded down; c = 2/e, and false constants."""
    low, high, unit = 2_718_281_828, 2_718_281_829, 10**9
    tally = {"trials": 0, "sharper": 0, "half": 0, "root": 0}
    for samples in range(1, point.integer("N") + 1):
        for inputs in range(1, samples + 1):
            cover = cover_count(samples, inputs)
            # K d0^d0 against 2 e^(d0 − 1) N^d0.
            least = cover * inputs**inputs * unit ** (inputs - 1)
            tally["trials"] += 1
            tally["sharper"] += least > 2 * low ** (inputs - 1) * samples**inputs
            tally["half"] += least > high ** (inputs - 1) * samples**inputs
            tally["root"] += cover**2 * inputs**inputs * unit**inputs > (2 * high * samples) ** inputs
    return {**tally}


def _all_sizes(wrong: str) -> Callable[[Tally, Point], Counterexamples]:
    def read(tally: Tally, point: Point) -> Counterexamples:
        return Counterexamples(count(tally, wrong), count(tally, "trials"), evidence=Evidence.EXACT)

    return read


def _slack() -> tuple[bool | None, str]:
    rows = []
    for n, a in ((30, 6), (1000, 100), (60_000, 784)):
        exact = math.log(cover_count(n, a))
        rows.append((n, a, exact, a * math.log(2 * math.e * n / a), math.log(2) - 1 + a * math.log(math.e * n / a)))
    shown = "; ".join(f"{c:.1f}, {s:.1f} and {b:.1f} at (N, d0) = ({n}, {a})" for n, a, c, b, s in rows)
    return all(c <= s <= b for _, _, c, b, s in rows), (
        "K is at most (2/e)(e N/d0)^d0, since the log of (e M/k)^k grows by at least 1 when M and k both grow by 1; so "
        f"the factor 2 in d0 log(2 e N/d0) is not needed. The log of K, this bound and that one: {shown}."
    )


GENERAL = Sampler("f6-general", _general)
LATTICE = Sampler("f6-lattice", _lattice)
SIZES = Sampler("f6-sizes", _sizes)

_GRID = tuple(
    Point(N=n, d0=a, d1=b)
    for n, a, b in ((1, 1, 1), (5, 1, 3), (4, 2, 2), (3, 2, 3), (6, 2, 2), (4, 3, 2), (7, 3, 1), (6, 4, 1), (4, 4, 1))
)
_FEWER = tuple(Point(N=n, d0=a, d1=b) for n, a, b in ((6, 2, 2), (5, 3, 2), (8, 3, 1), (7, 4, 1)))
_WHOLE = (Point(N=LARGEST, d0=1, d1=1),)

STATEMENT = Statement(
    id="f6",
    kind=Kind.LEMMA,
    title="How many regions",
    citation=note("F6"),
    summary=(
        "A network has K^d1 non-empty activation regions for inputs in general position and fewer for others, with "
        "Cover's number K of cells of one neuron; log K is at most d0 log(2 e N/d0)."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN),
    assumptions=(NARROW,),
    claim=CLAIM,
    steps=(
        Step(
            "A further hyperplane cuts as many cells in two as it has cells of its own, in one dimension less; other "
            "positions only lose cells, and neurons choose theirs independently. Cover's number obeys the recurrence "
            "(shown up to d0 = 6).",
            r"K(N, d_0) = K(N - 1, d_0) + K(N - 1, d_0 - 1), \quad K(1, d_0) = K(N, 1) = 2",
            _recurrence,
        ),
        Step(
            "With M = N − 1, 1 ≤ k ≤ M and x = k/M: multiply the j-th term by x^(j − k) ≥ 1.",
            r"\sum_{j \le k} \binom{M}{j} \le x^{-k} (1 + x)^{M} \le \left(\frac{e M}{k}\right)^{k}, "
            r"\quad \log(1 + x) \le x",
            _binomial_sum,
        ),
        Step(
            "From (M, k) to (M + 1, k + 1) the log of the right side grows by at least 1.",
            r"\frac{d}{ds} (k + s) \log \frac{e (M + s)}{k + s} = \frac{1}{c} + \log c \ge 1, "
            r"\quad c = \frac{M + s}{k + s} \ge 1",
            _diagonal,
        ),
        Step(
            "So K is at most (2/e)(e N/d0)^d0, for d0 = 1 as well, where K = 2; and that is less than claimed.",
            r"K \le \frac{2}{e} \left(\frac{e N}{d_0}\right)^{d_0} \le \left(\frac{2 e N}{d_0}\right)^{d_0}",
            _weaker,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="regions of a network",
            text=(
                "Counts the regions of whole networks, as cells of all their hyperplanes in d0·d1 dimensions, by "
                "deletion and restriction in integer arithmetic; inputs have entries −1, 0 and 1, so that some are "
                "parallel, repeated or dependent. Shown is the largest number."
            ),
            sampler=LATTICE,
            read=_read(max),
            grid=_FEWER,
            chunks=4,
            controls=(
                Control("constant", "N/d0 in place of 2 e N/d0", CLAIM.with_bound(lambda b: b.subs(sp.E, 0.5))),
                Control("exponent", "the cube root of the bound", CLAIM.with_bound(lambda b: b ** sp.Rational(1, 3))),
                Control("direction", "at least that many", CLAIM.reversed()),
            ),
        ),
        Check(
            name="never more than K^d1",
            text="The same regions against Cover's number to the power d1, for any position of the inputs.",
            sampler=LATTICE,
            read=_read(max),
            claim=AT_MOST,
            grid=_FEWER,
            chunks=4,
            controls=(
                Control(
                    "dimension",
                    "the sum up to k = d0 − 2",
                    AT_MOST.with_bound(lambda b: b.xreplace({d0 - 1: d0 - 2})),
                    sampler=GENERAL,
                ),
                Control("width", "K in place of K^d1", AT_MOST.with_bound(lambda b: COVER), points=_FEWER[:2]),
            ),
        ),
        Check(
            name="exactly K^d1",
            text="The regions of networks on inputs in general position, with integer entries.",
            sampler=GENERAL,
            read=_read(min),
            claim=EXACTLY,
            grid=_GRID,
            chunks=2,
            controls=(
                Control("dimension", "the sum up to k = d0", EXACTLY.with_bound(lambda b: b.xreplace({d0 - 1: d0}))),
                Control("constant", "without the factor 2", EXACTLY.with_bound(lambda b: b / 2**d1)),
                Control("lattice", "inputs −1, 0, 1, not in general position", sampler=LATTICE, points=_FEWER),
            ),
        ),
        Check(
            name="sharper bound",
            text="The regions for inputs in general position against (2/e)(e N/d0)^d0 for each neuron.",
            sampler=GENERAL,
            read=_read(max),
            claim=SHARPER,
            grid=_GRID,
            chunks=2,
            controls=(
                Control("constant", "half of it for each neuron", SHARPER.with_bound(lambda b: b / 2**d1)),
                Control("direction", "at least that many", SHARPER.reversed()),
            ),
        ),
        Check(
            name="all sizes",
            text=f"The sharper bound on K for every d0 ≤ N ≤ {LARGEST}, in integers, with e rounded down.",
            sampler=SIZES,
            read=_all_sizes("sharper"),
            claim=SHARPER,
            grid=_WHOLE,
            chunks=1,
            controls=(
                Control("constant", "half of it", read=_all_sizes("half")),
                Control("exponent", "the square root of the note's bound", read=_all_sizes("root")),
            ),
        ),
    ),
    findings=(Finding("sharper", "The bound on the number of cells can be sharpened", _slack),),
)
