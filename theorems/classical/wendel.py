"""Wendel 1962: the probability that N random points lie in a half-space bounded by a hyperplane through 0.

The question is the one behind every cell: have N vectors a common positive side? It is put to the floating-point
solver with which the suite decides cells (Gordan's alternative) and to rational linear programs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp

from theorems.classical.cover import BOUND as CELLS
from theorems.classical.cover import N, d, in_half_space, k
from verify.network.arrangements import gordan
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
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
from verify.statistics.estimates import Proportion

DRAWN = 250  # point sets in one chunk
TURNED = 200  # signs of one set of integer points in one chunk
CLEAR = 1e-9  # beyond this a margin is no rounding; sets whose hull is as near to 0 have a probability of that order

CLAIM = Claim(
    sp.Symbol(r"\mathbb{P}\left(\exists w : w \cdot x_n > 0 \text{ for all } n \le N\right)"),
    Relation.EQUAL,
    2 ** (1 - N) * sp.Sum(sp.binomial(N - 1, k), (k, 0, d - 1)),
    proviso="for independent points, each as likely as its negative, in general position with probability 1",
)


def _signs() -> bool | None:
    """Given the points up to signs, Cover's number of the `2^N` equally likely signs are favourable."""
    return bool(sp.simplify(CLAIM.bound - CELLS / 2**N) == 0)


def _few() -> bool | None:
    """All of `2^N` for N <= d: the sum is that of a whole row of Pascal's triangle."""
    return bool(sp.simplify(2 * sp.summation(sp.binomial(N - 1, k), (k, 0, N - 1)) - 2**N) == 0)


def _decided(rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> bool | None:
    """Whether the rows have a common positive side, shown by a vector, or by weights that cancel them."""
    direction, weights = gordan(rows)
    if (rows @ direction).min() > CLEAR:
        return True
    return False if np.abs(weights @ rows).max() < CLEAR / len(rows) and weights.max() > 0 else None


def _floating(biased: bool) -> Callable[[Point, Draw], Tally]:
    """Sampler: uniformly random directions; or, wrongly, with a mean that is not zero."""

    def draw_chunk(point: Point, draw: Draw) -> Tally:
        points = draw.rng.standard_normal((DRAWN, point.integer("N"), point.integer("d")))
        points[:, :, 0] += biased
        points /= np.linalg.norm(points, axis=2, keepdims=True)
        answers = [_decided(rows) for rows in points]
        return {"hits": answers.count(True), "doubtful": answers.count(None), "trials": DRAWN}

    return draw_chunk


def _rational(turned: bool) -> Callable[[Point, Draw], Tally]:
    """Sampler: random signs of integer points in general position; or, wrongly, none but the first."""

    def draw_chunk(point: Point, draw: Draw) -> Tally:
        hits, n = 0, point.integer("N")
        for _ in range(TURNED):
            X = draw.rng.integers(-(2**20), 2**20, (point.integer("d"), n))
            signs = draw.rng.integers(0, 2, n) * 2 - 1 if turned else np.sign(X[0])
            hits += in_half_space((signs * X).T.tolist())
        return {"hits": hits, "doubtful": 0, "trials": TURNED}

    return draw_chunk


def _read(tally: Tally, point: Point) -> Proportion:
    return Proportion(count(tally, "hits"), count(tally, "trials"), count(tally, "doubtful"))


FLOATING = Sampler("wendel-floating", _floating(False))
BIASED = Sampler("wendel-biased", _floating(True))
RATIONAL = Sampler("wendel-rational", _rational(True))
UNTURNED = Sampler("wendel-unturned", _rational(False))

_GRID = tuple(Point(N=n, d=a) for n, a in ((2, 1), (2, 5), (4, 2), (4, 3), (7, 4), (20, 12)))
_EXACT = tuple(Point(N=n, d=a) for n, a in ((2, 1), (3, 3), (4, 2), (5, 3)))
_TELLING = tuple(Point(N=n, d=a) for n, a in ((4, 2), (4, 3), (7, 4)))

_CONSTANT = CLAIM.with_bound(lambda b: b / 2)
_DIMENSION = CLAIM.with_bound(lambda b: b.xreplace({d - 1: d}))

STATEMENT = Statement(
    id="wendel-1962",
    kind=Kind.CALIBRATION,
    title="Random points in a half-space",
    citation=Citation("Wendel 1962", "A problem in geometric probability, Math. Scand. 11, 109–111"),
    summary=(
        "Independent random points, each as likely as its negative, lie in a common half-space through the origin with "
        "a probability that depends on their number and the dimension only."
    ),
    variables=(Variable(N, "number of points", sp.S.Naturals), Variable(d, "dimension", sp.S.Naturals)),
    assumptions=(),
    claim=CLAIM,
    uses=("cover-1965",),
    steps=(
        Step(
            "Given the points up to signs, all 2^N signs are equally likely. Signs s put all s_n x_n in the half-space "
            "of w exactly where s is the sign pattern of w, so Cover's number of them do for some w.",
            r"\mathbb{P} = 2^{-N} \cdot 2 \sum_{k=0}^{d-1} \binom{N-1}{k}",
            _signs,
        ),
        Step("So the probability is 1 as long as there are no more points than dimensions.", r"N \le d", _few),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="floating point",
            text=(
                "Gaussian points. Each answer of the solver is checked: a vector with positive products, or weights "
                "that cancel the points; where neither is clear the case is doubtful."
            ),
            sampler=FLOATING,
            read=_read,
            grid=_GRID,
            chunks=6,
            controls=(
                Control("constant", "half of it", _CONSTANT, points=_TELLING),
                Control("dimension", "one dimension more", _DIMENSION, points=_TELLING),
                Control("biased", "points that are not as likely as their negatives", sampler=BIASED, points=_TELLING),
            ),
        ),
        Check(
            name="rational arithmetic",
            text="Integer points up to 2^20 with random signs; each case is decided by a rational linear program.",
            sampler=RATIONAL,
            read=_read,
            grid=_EXACT,
            chunks=5,
            controls=(
                Control("constant", "half of it", _CONSTANT, points=_TELLING[:1]),
                Control("dimension", "one dimension more", _DIMENSION, points=_TELLING[:1]),
                Control("turned", "all points turned to one side", sampler=UNTURNED, points=_TELLING[:1]),
            ),
        ),
    ),
)
