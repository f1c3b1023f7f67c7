"""Cover 1965: in how many ways hyperplanes through 0 divide N samples in general position in d dimensions.

The number of cells of an arrangement is what every exact volume of the suite is a sum over. Here the enumerator is held
against it, and so are the rational linear programs that decide single cells; random directions, which share no code
with either, must never find more.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import sympy as sp
from flint import fmpq
from numpy.typing import NDArray

from verify.network.arrangements import GeneralPositionError, cells
from verify.relations import Relation
from verify.sampling import Draw, Tally, entries
from verify.statements import (
    Check,
    Citation,
    Claim,
    Control,
    Derivation,
    Kind,
    Point,
    Sampler,
    Statement,
    Step,
    Variable,
)
from verify.statistics.estimates import Exact
from verify.verdicts import Evidence
from verify.volume.cones import largest_margin

ENTRIES = 30  # samples are integers up to this size
DRAWS = 50  # until they are in general position
DIRECTIONS = 20_000  # integer vectors up to 2^20, so that no product is rounded

N = sp.Symbol("N", integer=True, positive=True)
d = sp.Symbol("d", integer=True, positive=True)
k = sp.Symbol("k", integer=True, nonnegative=True)
COUNT = sp.Symbol(r"\left|\{\operatorname{sign}(w^{\top} X) : w \in \mathbb{R}^d\} \cap \{-1, 1\}^N\right|")
BOUND = 2 * sp.Sum(sp.binomial(N - 1, k), (k, 0, d - 1))
CLAIM = Claim(COUNT, Relation.EQUAL, BOUND, proviso="for X in general position")
AT_MOST = Claim(COUNT, Relation.AT_MOST, BOUND, proviso="counted over some of the w only")


def _recurrence() -> bool | None:
    """Pascal's rule, term by term, and the two boundary values."""
    pascal = sp.gammasimp(sp.binomial(N, k) - sp.binomial(N - 1, k) - sp.binomial(N - 1, k - 1))
    alone = all(BOUND.subs({N: 1, d: dimension}).doit() == 2 for dimension in range(1, 7))
    line = sp.simplify(BOUND.subs(d, 1).doit() - 2) == 0
    return bool(sp.simplify(pascal) == 0 and alone and line)


def samples(point: Point, draw: Draw) -> NDArray[np.int64]:
    """Integer samples in general position, `d × N`.

    Raises:
        RuntimeError: if none are found in `DRAWS` draws.
    """
    shape = point.integer("d"), point.integer("N")
    for _ in range(DRAWS):
        X = draw.rng.integers(-ENTRIES, ENTRIES + 1, shape)
        try:
            cells(X)
        except GeneralPositionError:
            continue
        return np.asarray(X)
    raise RuntimeError(f"no {shape[0]} × {shape[1]} samples in general position among {DRAWS}")


def in_half_space(columns: list[list[int]]) -> bool:
    """Whether some `w` has a positive product with every column, by a rational linear program."""
    margin, _ = largest_margin([[*map(fmpq, column), fmpq(0)] for column in columns])
    return bool(margin > 0)


def _by_programs(X: NDArray[np.int64]) -> int:
    """Sign patterns that a rational linear program finds non-empty; opposite ones are so together."""
    columns = X.T.tolist()
    found = 0
    for signs in itertools.product((1, -1), repeat=len(columns) - 1):
        turned = [[sign * entry for entry in column] for sign, column in zip((1, *signs), columns, strict=True)]
        found += 2 * in_half_space(turned)
    return found


def _by_directions(X: NDArray[np.int64], draw: Draw) -> int:
    """Different sign patterns of many random integer vectors."""
    products = draw.rng.integers(-(2**20), 2**20, (DIRECTIONS, len(X))) @ X
    patterns = products[(products != 0).all(axis=1)] > 0
    return len(np.unique(np.packbits(patterns, axis=1), axis=0))


def _general(point: Point, draw: Draw) -> Tally:
    X = samples(point, draw)
    return {"enumerated": [len(cells(X))], "programs": [_by_programs(X)], "directions": [_by_directions(X, draw)]}


def _parallel(point: Point, draw: Draw) -> Tally:
    """The same for samples of which two are parallel; the enumerator refuses these."""
    X = samples(point, draw)
    X[:, 0] = -2 * X[:, 1]
    return {"enumerated": [0], "programs": [_by_programs(X)], "directions": [_by_directions(X, draw)]}


def _read(name: str) -> Callable[[Tally, Point], Exact]:
    """Reader of one way of counting; of several data sets the one furthest from Cover's number counts."""

    def read(tally: Tally, point: Point) -> Exact:
        numbers = entries(tally, name)
        expected = 2 * sum(math.comb(point.integer("N") - 1, j) for j in range(point.integer("d")))
        furthest = max(numbers, key=lambda number: abs(number - expected))
        return Exact(math.log(furthest) if furthest else -math.inf, Evidence.EXACT, len(numbers))

    return read


GENERAL = Sampler("cover-general", _general)
PARALLEL = Sampler("cover-parallel", _parallel)

_GRID = tuple(
    Point(N=n, d=a) for n, a in ((1, 1), (6, 1), (2, 4), (3, 3), (5, 2), (8, 2), (6, 3), (7, 3), (6, 4), (7, 5))
)
_TELLING = tuple(point for point in _GRID if point.integer("N") > point.integer("d") > 1)

_DIMENSION = Control("dimension", "the sum up to k = d", CLAIM.with_bound(lambda b: b.xreplace({d - 1: d})))
_CONSTANT = Control("constant", "without the factor 2", CLAIM.with_bound(lambda b: b / 2))

STATEMENT = Statement(
    id="cover-1965",
    kind=Kind.CALIBRATION,
    title="Cells of an arrangement",
    citation=Citation(
        "Cover 1965", "Theorem 1 (function-counting theorem)", "https://doi.org/10.1109/PGEC.1965.264137"
    ),
    summary=(
        "N samples in general position in d dimensions are divided by hyperplanes through the origin in exactly "
        "2 Σ C(N − 1, k) ways, k < d: the number of cells of their arrangement."
    ),
    variables=(Variable(N, "number of samples", sp.S.Naturals), Variable(d, "dimension", sp.S.Naturals)),
    assumptions=(),
    claim=CLAIM,
    steps=(
        Step(
            "The hyperplane of a further sample divides as many cells as the others have on it, so C(N, d) = "
            "C(N − 1, d) + C(N − 1, d − 1) with C(1, d) = C(N, 1) = 2. Pascal's rule says the same of the sum.",
            r"\binom{N}{k} = \binom{N-1}{k} + \binom{N-1}{k-1}",
            _recurrence,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="enumerated",
            text="The cells that the enumerator of all exact volumes lists, for random integer samples.",
            sampler=GENERAL,
            read=_read("enumerated"),
            grid=_GRID,
            chunks=2,
            controls=(_DIMENSION, _CONSTANT),
        ),
        Check(
            name="linear programs",
            text="The number of sign patterns, of all 2^N, that rational linear programs find non-empty.",
            sampler=GENERAL,
            read=_read("programs"),
            grid=_GRID,
            chunks=2,
            controls=(
                _DIMENSION,
                _CONSTANT,
                Control("parallel samples", "two samples parallel", sampler=PARALLEL, points=_TELLING[:3]),
            ),
        ),
        Check(
            name="random directions",
            text=(
                f"Different sign patterns of {DIRECTIONS} random integer vectors, with exact products. Thin cells can "
                "be missed, so this number is at most Cover's; that it is above his number for one dimension less is "
                "what the control shows."
            ),
            sampler=GENERAL,
            read=_read("directions"),
            claim=AT_MOST,
            grid=_GRID,
            chunks=2,
            controls=(
                Control(
                    "dimension",
                    "the sum up to k = d − 2",
                    AT_MOST.with_bound(lambda b: b.xreplace({d - 1: d - 2})),
                    points=_TELLING,
                ),
                Control("constant", "half of it", AT_MOST.with_bound(lambda b: b / 2)),
            ),
        ),
    ),
)
