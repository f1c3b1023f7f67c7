"""F8: the activation patterns of a few samples rarely have low rank.

If the rank of `A_S` is at most `r`, some `r` rows span all others, and a span of dimension `r` holds at most `2^r`
two-valued vectors. Each further row then has to fall into one of at most `2^r` cells of `X_S`. In one and two
dimensions the law of the cells' volumes is known, and the probability of every rank is a rational number.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.functions import AllPositive, CellBound
from theorems.setting import GAUSSIAN, HIDDEN, INPUTS, NOT_LINEAR, SLOPE, d0, d1, note, rho
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
    Variable,
)
from verify.statistics.estimates import Exact, Proportion

t = sp.Symbol("t", integer=True, positive=True)
r = sp.Symbol("r", integer=True, nonnegative=True)
K = sp.Symbol("K", integer=True, positive=True)
moment = sp.Symbol(r"\mathbb{E}\, q^{K-r}", positive=True)
_k = sp.Symbol("k", integer=True, positive=True)

LOW_RANK = sp.Symbol(r"\mathbb{P}\left(\operatorname{rank} A_S \le r\right)")
# In the plane 2q is the largest of t spacings on a circle of length one, with
# P(2q > x) = Σ (−1)^(k+1) C(t, k) (1 − kx)^(t−1).
_LARGEST = sp.Piecewise(
    (2 ** (r - K), sp.Eq(d0, 1)),
    (
        2 ** (r - K)
        * sp.factorial(K - r)
        * sp.factorial(t - 1)
        / sp.factorial(K - r + t - 1)
        * sp.Sum((-1) ** (_k + 1) * sp.binomial(t, _k) / _k ** (K - r), (_k, 1, t)),
        True,
    ),
)


def _counted(of_cells: sp.Expr) -> sp.Expr:
    return sp.binomial(K, r) * 2 ** (r * (K - r)) * of_cells


def _few(power: sp.Expr) -> sp.Expr:
    """The two bounds on `E q^power`."""
    return sp.Min(2**t * AllPositive(power, t, d0), CellBound(power, t, d0))


def _bound(of_cells: sp.Expr) -> sp.Expr:
    nothing = sp.Piecewise((AllPositive(d1, t, d0), sp.Eq(rho, 0)), (0, True))
    return sp.Piecewise((nothing, sp.Eq(r, 0)), (_counted(of_cells), True))


CLAIM = Claim(LOW_RANK, Relation.AT_MOST, _bound(_few(K - r)))
BY_LARGEST = Claim(LOW_RANK, Relation.AT_MOST, _bound(moment), where=((moment, _LARGEST),))
LARGEST = Claim(sp.Symbol(r"\mathbb{E}\, q(X_S)^{K-r}"), Relation.AT_MOST, _few(K - r))
INACTIVE = Claim(sp.Symbol(r"\mathbb{P}\left(A_S = 0\right)"), Relation.EQUAL, AllPositive(d1, t, d0))

ROWS = Assumption("rows", "r of K rows, and K of all.", condition=(r < K) & (d1 >= K))
_PRIME = 2**31 - 1
_BATCH = 4096


def ranks(active: NDArray[np.bool_], slope: float) -> NDArray[np.int64]:
    """Exact ranks of a batch of patterns, by elimination modulo a prime that divides no minor.

    Args:
        active: where the entry is 1 and not the slope, `batch × rows × columns`.
        slope: read as the decimal that it prints as.

    Raises:
        ValueError: if the patterns are so large that some minor could exceed the prime.
    """
    low, high = Fraction(repr(slope)).as_integer_ratio()
    size = min(active.shape[1:])
    if (max(abs(low), high) ** 2 * size) ** size >= _PRIME**2:  # Hadamard
        raise ValueError(f"got {active.shape[1:]} patterns with slope {slope}; expected minors below {_PRIME}")
    A = np.where(active, high, low).astype(np.int64) % _PRIME
    rank = np.zeros(len(A), dtype=np.int64)
    rows = np.arange(A.shape[1])
    for column in range(A.shape[2]):
        usable = (A[:, :, column] != 0) & (rows >= rank[:, None])
        some = np.flatnonzero(usable.any(axis=1))
        part, at = A[some], rank[some]
        every, pivot = np.arange(len(some)), usable[some].argmax(axis=1)
        head = part[every, pivot].copy()
        part[every, pivot] = part[every, at]
        part[every, at] = head
        reduced = (part * head[:, None, column, None] - part[:, :, column, None] * head[:, None, :]) % _PRIME
        A[some] = np.where((rows > at[:, None])[:, :, None], reduced, part)
        rank[some] += 1
    return rank


def _sampled(point: Point, draw: Draw) -> Tally:
    W = draw.rng.standard_normal((_BATCH, point.integer("d1"), point.integer("d0")))
    X = draw.rng.standard_normal((_BATCH, point.integer("d0"), point.integer("t")))
    found = ranks(W @ X > 0, point.real("rho"))
    return {"trials": _BATCH, "low": int((found <= point.integer("r")).sum()), "zero": int((found == 0).sum())}


def rank_law(inputs: int, width: int, samples: int, slope: float) -> list[Fraction]:
    """`P(rank A_S = k)`, `k = 0, 1, …`, for one or two inputs, from all choices of cells and all signs of the samples.

    The lines through Gaussian samples in the plane cut it into angles with the law of uniform spacings, whose mixed
    moments are rational. Each angle has an opposite, and the samples' signs are fair and independent of the lines.

    Raises:
        ValueError: for more than two inputs, where the volumes have no such law.
    """
    if inputs not in (1, 2):
        raise ValueError(f"got {inputs} inputs; expected 1 or 2")
    parts = samples if inputs == 2 else 1
    turned = np.where(np.arange(samples) < np.arange(parts)[:, None], -1, 1)
    cells = np.vstack([turned, -turned])
    chosen = list(itertools.combinations_with_replacement(range(2 * parts), width))
    weights = []
    for choice in chosen:
        orders = math.factorial(width) // math.prod(math.factorial(n) for n in Counter(choice).values())
        weights.append(orders * math.prod(math.factorial(n) for n in Counter(i % parts for i in choice).values()))
    # Turning all signs round only exchanges opposite cells, so the first sign is +.
    signs = np.array([(1, *rest) for rest in itertools.product((1, -1), repeat=samples - 1)])
    active = cells[np.array(chosen)] * signs[:, None, None, :] > 0
    found = ranks(active.reshape(-1, width, samples), slope).reshape(len(signs), -1)
    whole = len(signs) * 2**width * math.prod(range(parts, parts + width))
    return [Fraction(int((found == k).sum(axis=0) @ np.array(weights)), whole) for k in range(min(width, samples) + 1)]


def _enumerated(point: Point, draw: Draw) -> Tally:
    law = rank_law(point.integer("d0"), point.integer("d1"), point.integer("t"), point.real("rho"))
    low = sum(law[: point.integer("r") + 1], Fraction(0))
    return {"low": [float(low)], "zero": [float(law[0])]}


def _moment(point: Point, draw: Draw) -> Tally:
    return {"log moment": [_EXACT_MOMENT.log_bound(**point)]}


def _exactly(tally: Tally, name: str) -> Exact:
    value = entries(tally, name)[0]
    return Exact(math.log(value) if value else -math.inf)


def _union_counts() -> bool | None:
    """`C(K, r)` choices of rows, and for each of the others `2^r` vectors with a probability of at most q."""
    q = sp.Symbol("q", positive=True)
    return bool(sp.simplify(sp.binomial(K, r) * (2**r * q) ** (K - r) / _counted(q ** (K - r))) == 1)


def _common_cell() -> bool | None:
    """In the plane `Σ E p^m = 2t 2^(−m) E u^m` for a spacing u, with the beta(1, t − 1) law, is `2^t Pos(m, t, 2)`."""
    m = sp.Symbol("m", integer=True, positive=True)
    spacing = sp.gamma(m + 1) * sp.gamma(t) / sp.gamma(m + t)
    closed = 2 ** (1 - m - t) * sp.gamma(m + 1) * sp.gamma(t + 1) / sp.gamma(m + t)
    return bool(sp.gammasimp(2 * t * 2**-m * spacing / (2**t * closed)) == 1)


def _opposite() -> bool | None:
    """The cells C and −C have one volume, so the sum over all cells is at least twice the largest power."""
    m, rest = sp.symbols("m rest", nonnegative=True)
    q = sp.Symbol("q", positive=True)
    answer: bool | None = (2 * q**m + rest - q**m).is_positive
    return answer


_EXACT_MOMENT = Claim(LARGEST.quantity, Relation.EQUAL, _LARGEST)
SAMPLED = Sampler("low-rank-sampled", _sampled)
ENUMERATED = Sampler("low-rank-enumerated", _enumerated)
MOMENT = Sampler("largest-cell-moment", _moment)


def _point(inputs: int, width: int, samples: int, rank: int, rows: int, slope: float) -> Point:
    return Point(d0=inputs, d1=width, t=samples, r=rank, K=rows, rho=slope)


# At the first two the probability is within a factor of 50 of the bound.
_GRID = tuple(
    _point(*sizes)
    for sizes in (
        (20, 3, 4, 1, 3, 0.0),
        (20, 3, 4, 1, 3, -1.0),
        (20, 3, 5, 1, 3, 0.1),
        (5, 3, 8, 1, 3, -0.5),
        (3, 3, 24, 1, 3, 0.1),
        (20, 4, 8, 2, 4, 0.1),
        (20, 4, 8, 2, 4, 0.0),
        (4, 3, 5, 0, 1, 0.1),
        (2, 3, 5, 2, 3, 0.0),
        (1, 2, 3, 1, 2, 0.1),
    )
)
_ENUMERABLE = tuple(
    _point(*sizes)
    for sizes in (
        (1, 2, 3, 1, 2, 0.0),
        (1, 3, 1, 2, 3, 0.1),
        (2, 2, 5, 1, 2, 0.1),
        (2, 2, 8, 1, 2, -1.0),
        (2, 2, 8, 1, 2, 0.0),
        (2, 4, 2, 1, 4, -1.0),
        (2, 3, 6, 2, 3, -0.5),
        (2, 4, 5, 1, 3, 0.0),
        (2, 4, 5, 1, 4, 0.1),
        (2, 3, 5, 0, 1, -0.5),
    )
)
_MOMENTS = tuple(
    _point(inputs, rows, samples, 1, rows, 0.0)
    for inputs, samples, rows in ((1, 1, 2), (1, 6, 4), (2, 1, 3), (2, 3, 2), (2, 8, 2), (2, 8, 5), (2, 40, 9))
)
_INACTIVE = tuple(
    _point(inputs, width, samples, 0, 1, 0.0)
    for inputs, width, samples in ((1, 2, 3), (1, 1, 1), (2, 2, 2), (2, 3, 6), (2, 4, 5))
)
_SIGN = _point(2, 4, 2, 1, 4, -1.0)

STATEMENT = Statement(
    id="f8",
    kind=Kind.LEMMA,
    title="Low rank is unlikely",
    citation=note("F8"),
    summary=(
        "The activation pattern of a wide layer on t samples has rank at most r only if all its rows fall into few "
        "cells, with a probability that the largest cell's volume bounds."
    ),
    variables=(
        INPUTS,
        HIDDEN,
        SLOPE,
        Variable(t, "number of samples in S", sp.S.Naturals),
        Variable(r, "rank", sp.S.Naturals0),
        Variable(K, "number of rows looked at", sp.S.Naturals),
    ),
    assumptions=(GAUSSIAN, NOT_LINEAR, ROWS),
    claim=CLAIM,
    uses=("f7", "f9"),
    steps=(
        Step(
            "r of the K rows span the others; their span holds at most 2^r two-valued vectors (F7), and a row is one "
            "given vector with probability at most q.",
            r"\binom{K}{r} \left(2^r q\right)^{K-r} = \binom{K}{r}\, 2^{r(K-r)}\, q^{K-r}",
            _union_counts,
        ),
        Step(
            "The largest cell and its opposite have the same volume.",
            r"\sum_C p(C)^m \ge 2\, q^m > q^m",
            _opposite,
        ),
        Step(
            "In the plane the sum over cells, from the law of uniform spacings, is what F9(a) gives.",
            r"\mathbb{E} \sum_C p(C)^m = \frac{2 t}{2^m}\, \frac{m!\, (t-1)!}{(m+t-1)!} "
            r"= 2^t \operatorname{Pos}(m, t, 2)",
            _common_cell,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="sampled ranks",
            text=(
                "Draws W and X, and counts how often the pattern has rank at most r, in integer arithmetic modulo a "
                "prime that no minor can reach. Includes d0 = 1, t ≤ d0, K = r + 1, ρ = 0 and ρ < 0; with r = 0 and "
                "ρ ≠ 0 the probability is zero."
            ),
            sampler=SAMPLED,
            read=lambda tally, point: Proportion(count(tally, "low"), count(tally, "trials")),
            grid=_GRID,
            chunks=4,
            controls=(
                Control("constant", "the bound divided by 100", CLAIM.with_bound(lambda b: b / 100), points=_GRID[:2]),
                Control(
                    "exponent",
                    "three times the power of q",
                    CLAIM.with_bound(lambda b: _bound(_few(K - r) ** 3)),
                    points=_GRID[:2],
                ),
                Control("direction", "the probability is at least that", CLAIM.reversed(), points=_GRID[2:5]),
            ),
        ),
        Check(
            name="exact ranks",
            text=(
                "For one and two inputs the probability of each rank is summed over all choices of cells, in rational "
                "arithmetic, and held against the first bound with the exact moment of the largest cell. At ρ = −1, "
                "where complementary patterns are multiples of each other, the factors are nearly used up."
            ),
            sampler=ENUMERATED,
            read=lambda tally, point: _exactly(tally, "low"),
            claim=BY_LARGEST,
            grid=_ENUMERABLE,
            chunks=1,
            controls=(
                Control(
                    "dropped power",
                    "without the factor 2^(r(K − r)): each span holds one vector only",
                    BY_LARGEST.with_bound(lambda b: sp.binomial(K, r) * moment),
                    points=(_SIGN,),
                ),
                Control(
                    "dropped factors",
                    "without both counting factors",
                    BY_LARGEST.with_bound(lambda b: moment),
                    points=(_ENUMERABLE[3], _SIGN),
                ),
                Control(
                    "constant",
                    "the bound divided by 5",
                    BY_LARGEST.with_bound(lambda b: b / 5),
                    points=(_ENUMERABLE[3], _SIGN),
                ),
                Control("direction", "the probability is at least that", BY_LARGEST.reversed(), points=_ENUMERABLE[2:]),
            ),
        ),
        Check(
            name="largest cell",
            text=(
                "The exact moments of the largest cell for one and two inputs against the smaller of 2^t Pos and B. "
                "Half of the former would still be true, as cells come in pairs; a sixteenth is not."
            ),
            sampler=MOMENT,
            read=lambda tally, point: Exact(entries(tally, "log moment")[0]),
            claim=LARGEST,
            grid=_MOMENTS,
            chunks=1,
            controls=(
                Control("constant", "the bound divided by 16", LARGEST.with_bound(lambda b: b / 16)),
                Control("exponent", "twice the power of q", LARGEST.with_bound(lambda b: _few(2 * (K - r)))),
                Control("direction", "the moment is at least that", LARGEST.reversed(), points=_MOMENTS[3:]),
            ),
        ),
        Check(
            name="all inactive",
            text="For ρ = 0 rank zero means that all entries are zero: exactly, for one and two inputs.",
            sampler=ENUMERATED,
            read=lambda tally, point: _exactly(tally, "zero"),
            claim=INACTIVE,
            grid=_INACTIVE,
            chunks=1,
            controls=(
                Control(
                    "independent entries",
                    "2^(−d1 t), as if the entries were independent",
                    INACTIVE.with_bound(lambda b: 2 ** (-d1 * t)),
                    points=_INACTIVE[2:],
                ),
                Control("constant", "twice the value", INACTIVE.with_bound(lambda b: 2 * b)),
            ),
        ),
    ),
    notes=("Opposite cells have equal volumes, so E q^m ≤ 2^(t−1) Pos(m, t, d0) holds as well; F10 does not use it.",),
)
