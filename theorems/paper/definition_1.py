"""Definition 1: differentiable regions, and how many there are.

The paper allows for all `2^(d1 N)` activation patterns. A neuron's pattern is a cell of the arrangement of the
hyperplanes `w·x_n = 0`, so for inputs in general position the exact number is Cover's, usually far smaller.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import sympy as sp
from flint import fmpz_mat

from theorems.setting import GENERIC, HIDDEN, INPUTS, SAMPLES, N, d0, d1, paper
from verify.network.arrangements import GeneralPositionError, cell_centre, cells
from verify.relations import Relation
from verify.sampling import Draw, Tally
from verify.statements import (
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
from verify.statistics.estimates import Counterexamples, Estimate, Exact
from verify.verdicts import Evidence

ENTRIES = 30  # inputs are integers up to this size
DRAWS = 50  # until they are in general position

k = sp.Symbol("k", integer=True, nonnegative=True)
COUNT = sp.Symbol(r"\left|\{A : D_A(X) \ne \emptyset\}\right|")
CLAIM = Claim(COUNT, Relation.AT_MOST, 2 ** (d1 * N))
COVER = 2 * sp.Sum(sp.binomial(N - 1, k), (k, 0, d0 - 1))
EXACTLY = Claim(COUNT, Relation.EQUAL, COVER**d1, proviso="for X in general position")


def _cover(samples: sp.Expr, inputs: int) -> sp.Expr:
    """Cover's number for an integer dimension, as a polynomial in the number of samples."""
    return sum((2 * sp.expand_func(sp.binomial(samples - 1, j)) for j in range(inputs)), sp.Integer(0))


def _cone() -> bool | None:
    """A positive multiple of `w_i` has the same signs."""
    scale, product = sp.Symbol("c", positive=True), sp.Symbol("u", real=True)
    return bool(sp.sign(scale * product) == sp.sign(product))


def _recurrence() -> bool | None:
    """`C(N+1, d) = C(N, d) + C(N, d−1)` for d = 1 … 6, with `C(1, d) = 2` and `C(N, 1) = 2`."""
    steps = [_cover(N + 1, d) - _cover(N, d) - _cover(N, d - 1) for d in range(2, 7)]
    starts = [_cover(sp.Integer(1), d) - 2 for d in range(1, 7)] + [_cover(N, 1) - 2]
    return all(sp.expand(sp.expand_func(term)) == 0 for term in (*steps, *starts))


def _below_all_patterns() -> bool | None:
    """`2 Σ_{k<N} C(N−1, k) = 2^N`, and Cover's number is a part of that sum of nonnegative terms, or all of it."""
    total = 2 * sp.summation(sp.binomial(N - 1, k), (k, 0, N - 1))
    return bool(sp.simplify(total - 2**N) == 0 and sp.binomial(N - 1, k).is_nonnegative)


def certified_cells(X: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> int:
    """Number of different sign patterns that occur, each shown by an integer vector and its integer products."""
    patterns = cells(X)
    seen = set()
    for pattern in patterns:
        centre = cell_centre(X.astype(np.float64), pattern)
        point = np.rint(centre * 2**20).astype(np.int64)
        signs = np.sign(point @ X)
        if signs.all() and (signs == pattern).all():
            seen.add(tuple(signs.tolist()))
    return len(seen)


def counted_cells(X: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> int:
    """Number of cells of a central arrangement, `Σ_S (−1)^(|S| − rank S)` over all sets of samples (Zaslavsky 1975)."""
    total = 0
    columns = X.T.tolist()
    for size in range(len(columns) + 1):
        for chosen in itertools.combinations(columns, size):
            rank = fmpz_mat([list(column) for column in chosen]).rank() if chosen else 0
            total += (-1) ** (size - rank)
    return total


def _general(point: Point, draw: Draw) -> Tally:
    """Cells of one data set in general position, shown one by one and counted by ranks."""
    for _ in range(DRAWS):
        X = draw.rng.integers(-ENTRIES, ENTRIES + 1, (point.integer("d0"), point.integer("N")))
        try:
            return {"shown": [certified_cells(X)], "counted": [counted_cells(X)]}
        except GeneralPositionError:
            continue
    return {"shown": [0], "counted": [-1]}


def _parallel(point: Point, draw: Draw) -> Tally:
    """Cells of a data set whose first two samples are parallel."""
    X = draw.rng.integers(1, ENTRIES + 1, (point.integer("d0"), point.integer("N")))
    X[:, 1] = 2 * X[:, 0]
    count = counted_cells(X)
    return {"shown": [count], "counted": [count]}


def read(tally: Tally, point: Point) -> Estimate:
    """Number of regions, where every cell was shown and none is missing; the mean log over several data sets."""
    shown, counted = np.array(tally["shown"]), np.array(tally["counted"])
    if (shown != counted).any():
        return Counterexamples(0, len(shown), int((shown != counted).sum()), Evidence.EXACT)
    return Exact(point.integer("d1") * float(np.log(counted).mean()), trials=len(counted))


def _overcount() -> tuple[bool | None, str]:
    samples, sizes = 100, (10, 50, 100)
    cover = [2 * sum(math.comb(samples - 1, j) for j in range(inputs)) for inputs in sizes]
    few, half = (math.log10(2**samples) - math.log10(count) for count in cover[:2])
    sentence = (
        f"For N = {samples} inputs in general position and d0 = {sizes[0]}, one neuron has {cover[0]:.1e} cells, where "
        f"2^N = {2**samples:.1e} are allowed for: a factor of 10^{few:.1f} for each neuron. At d0 = N/2 the factor is "
        f"{10**half:.3g}, and for d0 ≥ N every pattern occurs."
    )
    return few > half > 0 and cover[-1] == 2**samples, sentence


GENERAL = Sampler("definition-1-cells", _general)
PARALLEL = Sampler("definition-1-parallel", _parallel)

_GRID = tuple(
    Point(N=n, d0=a, d1=b)
    for n, a, b in ((5, 1, 3), (4, 2, 1), (9, 2, 2), (6, 3, 2), (9, 3, 4), (7, 4, 2), (9, 4, 1), (3, 4, 2), (4, 4, 5))
)

STATEMENT = Statement(
    id="definition-1",
    kind=Kind.DEFINITION,
    title="Differentiable regions",
    citation=paper("Definition 1"),
    summary=(
        "A differentiable region is the set of all first layers with one activation pattern. There are at most "
        "2^(d1 N), and for inputs in general position an exact number."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN),
    assumptions=(GENERIC,),
    claim=CLAIM,
    steps=(
        Step(
            "Row i of the pattern depends on w_i only, and not on its length: a region is a product of d1 open cones.",
            r"\operatorname{sign}(c\, w_i \cdot x_n) = \operatorname{sign}(w_i \cdot x_n), \quad c > 0",
            _cone,
        ),
        Step(
            "A further hyperplane cuts as many cells in two as it has cells of its own, one dimension lower: this is "
            "Cover's recurrence, and his number satisfies it.",
            r"C(N + 1, d) = C(N, d) + C(N, d - 1), \quad C(1, d) = C(N, 1) = 2",
            _recurrence,
        ),
        Step(
            "It is at most 2^N, and equal for N ≤ d0.",
            r"2 \sum_{k=0}^{d_0 - 1} \binom{N-1}{k} \le 2 \sum_{k=0}^{N - 1} \binom{N-1}{k} = 2^N",
            _below_all_patterns,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="at most 2^(d1 N)",
            text=(
                "Enumerates the cells of random integer inputs. Each is shown to be non-empty by an integer vector; "
                "that none is missing follows from the ranks of all subsets of samples. All in integer arithmetic."
            ),
            sampler=GENERAL,
            read=read,
            grid=_GRID,
            chunks=1,
            controls=(
                Control("exponent", "2^(d1 N/2)", CLAIM.with_bound(lambda bound: sp.sqrt(bound))),
                Control("direction", "at least 2^(d1 N)", CLAIM.reversed()),
            ),
        ),
        Check(
            name="Cover's number",
            text="The same count against Cover's number to the power d1, which must be met exactly.",
            sampler=GENERAL,
            read=read,
            claim=EXACTLY,
            grid=_GRID,
            chunks=1,
            controls=(
                Control(
                    "dimension",
                    "the sum up to k = d0",
                    EXACTLY.with_bound(lambda bound: bound.xreplace({d0 - 1: d0})),
                ),
                Control("constant", "without the factor 2", EXACTLY.with_bound(lambda bound: bound / 2**d1)),
                Control(
                    "parallel inputs",
                    "two samples parallel, so not in general position",
                    sampler=PARALLEL,
                    points=tuple(point for point in _GRID if point.integer("d0") >= 2),
                ),
            ),
        ),
    ),
    findings=(Finding("overcount", "2^(d1 N) overcounts the regions", _overcount),),
)
