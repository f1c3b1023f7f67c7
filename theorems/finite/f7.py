"""F7: a subspace of dimension r contains at most 2^r vectors with two given values as entries.

The largest number over *all* subspaces is found by enumeration: the two-valued vectors of a subspace span a subspace
of it that contains the same ones, so it is enough to look at the spans of at most r two-valued vectors.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import sympy as sp
from flint import fmpz_mat

from theorems.setting import NOT_LINEAR, SLOPE, note
from verify.relations import Relation
from verify.sampling import Draw, Tally, entries
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
from verify.statistics.estimates import Exact

t = sp.Symbol("t", integer=True, positive=True)
r = sp.Symbol("r", integer=True, nonnegative=True)

CLAIM = Claim(
    sp.Symbol(r"\max_{\dim U = r} \left|\, U \cap \{\rho, 1\}^t \,\right|"),
    Relation.AT_MOST,
    2**r,
    proviso="the maximum is over all subspaces U of the t-dimensional space",
)
ATTAINED = Claim(CLAIM.quantity, Relation.EQUAL, 2**r, proviso="r blocks of equal coordinates attain the bound")


def _few_coordinates() -> bool | None:
    """Subspaces are graphs over r of their coordinates: `(c, B c)`, up to the order of coordinates, is fixed by c."""
    rank, rest = sp.symbols("r s", integer=True, positive=True)
    B, c = sp.MatrixSymbol("B", rest, rank), sp.MatrixSymbol("c", rank, 1)
    reduced = sp.BlockMatrix([[sp.Identity(rank)], [B]])
    image = sp.block_collapse(reduced * c)
    return bool(image.blocks[0, 0] == c and image.blocks[1, 0] == B * c)


def _two_choices() -> bool | None:
    """The r coordinates have two values each: `Σ_k binomial(r, k) = 2^r` vectors, k the number of ones."""
    size, k = sp.symbols("r k", integer=True, nonnegative=True)
    return bool(sp.simplify(sp.summation(sp.binomial(size, k), (k, 0, size)) - 2**size) == 0)


def two_valued(size: int, slope: float) -> list[tuple[int, ...]]:
    """All vectors with entries ρ and 1, times the denominator of ρ, read as the decimal it prints as."""
    rho = Fraction(repr(slope))
    return list(itertools.product((rho.numerator, rho.denominator), repeat=size))


def largest_count(size: int, rank: int, slope: float) -> int:
    """The most two-valued vectors of length `size` in any subspace of dimension at most `rank`, by enumeration."""
    vectors = two_valued(size, slope)
    columns = fmpz_mat(vectors).transpose()
    if rank == 0:
        return sum(not any(vector) for vector in vectors)
    most = 0
    for chosen in itertools.combinations(vectors, rank):
        # A vector lies in the span iff it is orthogonal to all that is orthogonal to the span.
        relations, nullity = fmpz_mat(chosen).nullspace()
        if nullity > size - rank:  # dependent: another choice spans more
            continue
        image = (relations.transpose() * columns).transpose().tolist()
        most = max(most, sum(not any(row) for row in image))
    return most


def _enumerate(point: Point, draw: Draw) -> Tally:
    """No randomness: the largest count over all subspaces."""
    return {"most": [largest_count(point.integer("t"), point.integer("r"), point.real("rho"))]}


def _most(tally: Tally, point: Point) -> Exact:
    most = max(entries(tally, "most"))
    return Exact(math.log(most) if most else -math.inf, trials=math.comb(2 ** point.integer("t"), point.integer("r")))


ENUMERATION = Sampler("f7-enumeration", _enumerate)
INSIDE = Assumption("subspace-exists", "The subspace is no larger than the space.", condition=r <= t)
_GRID = tuple(
    Point(t=size, r=rank, rho=slope)
    for size, rank in ((1, 1), (4, 1), (4, 2), (4, 3), (4, 4), (5, 2), (6, 2))
    for slope in (0.0, 0.1, -0.5, -1.0)
)

STATEMENT = Statement(
    id="f7",
    kind=Kind.LEMMA,
    title="Two-valued vectors in a subspace",
    citation=note("F7"),
    summary=(
        "A subspace of dimension r contains at most 2^r activation patterns, whatever the number of samples: some r "
        "entries determine the others. The bound is attained."
    ),
    variables=(
        Variable(t, "length of the vectors, a number of samples", sp.S.Naturals),
        Variable(r, "dimension of the subspace", sp.S.Naturals0),
        SLOPE,
    ),
    assumptions=(NOT_LINEAR, INSIDE),
    claim=CLAIM,
    steps=(
        Step(
            "Some r coordinates determine a vector of the subspace: in a suitable order of coordinates a basis is an "
            "identity above a matrix B.",
            r"U = \left\{ \begin{pmatrix} c \\ B c \end{pmatrix} : c \in \mathbb{R}^r \right\}",
            _few_coordinates,
        ),
        Step(
            "Each of them has two values, so there are at most 2^r choices.",
            r"\left|\{\rho, 1\}^r\right| = \sum_k \binom{r}{k} = 2^r",
            _two_choices,
        ),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="all subspaces",
            text=(
                "Counts the two-valued vectors in the span of every choice of r two-valued vectors, in exact "
                "arithmetic. No subspace of dimension r contains more than the largest of these counts."
            ),
            sampler=ENUMERATION,
            read=_most,
            grid=(*_GRID, Point(t=3, r=0, rho=0.0), Point(t=3, r=0, rho=0.1)),
            chunks=1,
            controls=(
                Control("constant", "2^r − 1", CLAIM.with_bound(lambda bound: bound - 1)),
                Control("half", "2^(r−1)", CLAIM.with_bound(lambda bound: bound / 2)),
                Control("direction", "at least 2^r + 1", CLAIM.with_bound(lambda bound: bound + 1).reversed()),
            ),
        ),
        Check(
            name="attained",
            text="The same counts: the bound cannot be lowered at any of these sizes and slopes.",
            sampler=ENUMERATION,
            read=_most,
            claim=ATTAINED,
            grid=_GRID,
            chunks=1,
            controls=(Control("length", "2^t, all two-valued vectors", ATTAINED.with_bound(lambda bound: 2**t)),),
        ),
    ),
    notes=("ρ and 1 may be any two different numbers; at ρ = 0 one of the vectors is the zero vector.",),
)
