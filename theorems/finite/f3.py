"""F3: the rank of `G = A ∘ X` for almost every `X` is combinatorial.

It is the least of `d0 rank A_T` plus the number of samples outside `T`, over all sets `T`: a number that no `X`
enters. So a rank can be proved without any tolerance: from below modulo a prime, from above by one set `T`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np
import sympy as sp
from flint import fmpz_mat, nmod_mat
from numpy.typing import NDArray

from theorems.setting import HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, note
from verify.network import regions
from verify.network.certified import STAGES, certified_ranks, chance_of_missing
from verify.network.modular import random_prime
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Claim, Control, Derivation, Finding, Kind, Point, Sampler, Statement, Step
from verify.statistics.estimates import Counterexamples
from verify.verdicts import Evidence

Pattern = NDArray[np.int64]  # b·A for the slope a/b: entries a and b

CLAIM = Claim(
    sp.Symbol(
        r"\max_{A, S} \left| \operatorname{rank} G_S - "
        r"\min_{T \subseteq S} \left( d_0 \operatorname{rank} A_T + |S \setminus T| \right) \right|"
    ),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="for almost every X, with G = A ∘ X",
)
REGIONS = 40  # in one chunk
FORMULAS = ("rank", "all or nothing", "no minimum", "another dimension")


def _blocks() -> bool | None:
    """The rows of `A ∘ X` that belong to input j are `A diag(X_j)`."""
    A, X = sp.Matrix(2, 3, sp.symbols("a:6")), sp.Matrix(2, 3, sp.symbols("x:6"))
    G = sp.Matrix(4, 3, lambda row, n: A[row // 2, n] * X[row % 2, n])
    return all(G[j::2, :] == A * sp.diag(*X.row(j)) for j in range(2))


def _coefficient() -> bool | None:
    """With I_1 = {1, 2} and I_2 = {3, 4}: the coefficient of one monomial of `det(A ∘ X)`, d0 = d1 = 2."""
    A, X = sp.Matrix(2, 4, sp.symbols("a:8")), sp.Matrix(2, 4, sp.symbols("x:8"))
    G = sp.Matrix(4, 4, lambda row, n: A[row % 2, n] * X[row // 2, n])
    monomial = X[0, 0] * X[0, 1] * X[1, 2] * X[1, 3]
    found = sp.Poly(G.det(method="berkowitz"), *X).coeff_monomial(monomial)
    return bool(sp.expand(found - A[:, :2].det() * A[:, 2:].det()) == 0)


def _two_columns() -> bool | None:
    """|det| <= ‖c_1‖ ‖c_2‖ <= (M √2)² for entries of absolute value at most M: the slack is a square and more."""
    a, b, c, d = sp.symbols("a b c d", real=True)
    slack = (a**2 + c**2) * (b**2 + d**2) - (a * d - b * c) ** 2
    return bool(sp.expand(slack - (a * b + c * d) ** 2) == 0)


def least(A: Pattern, dimension: int) -> dict[str, int]:
    """The minimum of F3 over all sets of samples, by trying them all; and what is false in its place."""
    samples = A.shape[1]
    columns = A.T.tolist()
    parts = [(0, samples)]  # rank of the columns in T, and the number of those outside
    for size in range(1, samples + 1):
        for chosen in itertools.combinations(columns, size):
            parts.append((int(fmpz_mat([list(column) for column in chosen]).rank()), samples - size))
    whole, _ = parts[-1]
    return {
        "rank": min(dimension * rank + rest for rank, rest in parts),
        "all or nothing": min(samples, dimension * whole),
        "no minimum": dimension * whole,
        "another dimension": min((dimension + 1) * rank + rest for rank, rest in parts),
    }


def _modulo(A: Pattern, X: list[list[int]], prime: int) -> int:
    """Rank of `A ∘ X` modulo a prime, from its definition."""
    rows = [[a * x % prime for a, x in zip(gates, row, strict=True)] for gates in A.tolist() for row in X]
    return int(nmod_mat(rows, prime).rank())


def _compare(point: Point, draw: Draw, patterns: Iterable[NDArray[np.bool_]], lattice: bool) -> Tally:
    """Ranks for random residues in place of `X` (or, wrongly, for inputs 0 and 1) against the formulas."""
    rho, dimension, samples = Fraction(repr(point.real("rho"))), point.integer("d0"), point.integer("N")
    prime = random_prime(draw.rng)
    tally = dict.fromkeys(("trials", *FORMULAS), 0)
    for active in patterns:
        A = np.where(active, rho.denominator, rho.numerator)
        X = draw.rng.integers(0, 2 if lattice else prime, (dimension, samples)).tolist()
        found = _modulo(A, X, prime)
        tally["trials"] += 1
        for name, value in least(A, dimension).items():
            tally[name] += found != value
    return {**tally}


def _all_patterns(lattice: bool) -> Callable[[Point, Draw], Tally]:
    """Sampler: every pattern, up to the order of the samples, which changes neither side."""

    def draw_chunk(point: Point, draw: Draw) -> Tally:
        columns = list(itertools.product((False, True), repeat=point.integer("d1")))
        chosen = itertools.combinations_with_replacement(columns, point.integer("N"))
        return _compare(point, draw, (np.array(pattern).T for pattern in chosen), lattice)

    return draw_chunk


def _regions(lattice: bool) -> Callable[[Point, Draw], Tally]:
    """Sampler: patterns of random regions, which are far from random matrices."""

    def draw_chunk(point: Point, draw: Draw) -> Tally:
        n, a, b = point.integer("N"), point.integer("d0"), point.integer("d1")
        X, W = draw.rng.standard_normal((REGIONS, a, n)), draw.rng.standard_normal((REGIONS, b, a))
        return _compare(point, draw, W @ X > 0, lattice)

    return draw_chunk


def _count(wrong: str, evidence: Evidence) -> Callable[[Tally, Point], Counterexamples]:
    def read(tally: Tally, point: Point) -> Counterexamples:
        return Counterexamples(count(tally, wrong), count(tally, "trials"), evidence=evidence)

    return read


def _stages() -> tuple[bool | None, str]:
    """How the ranks of random regions come to be proved, and whether floating point agrees."""
    rng, shown, fine = np.random.default_rng(0), [], True
    for n, a, b, slope in ((30, 6, 6, 0.0), (30, 6, 6, 0.1), (30, 3, 12, 0.1)):
        X, W = rng.standard_normal((a, n)), rng.standard_normal((200, b, a))
        found = certified_ranks(W @ X > 0, slope, X=X, rng=rng)
        floating = regions.kernels(W, X, slope)
        rank = np.full(200, n)
        rank[floating.index] = floating.rank
        fine = fine and found.error == 0 and bool((rank == found.rank).all()) and bool(floating.clear.all())
        counts = ", ".join(f"{found.settled[name]} {name}" for name in STAGES if found.settled[name])
        shown.append(f"{counts} at (N, d0, d1) = ({n}, {a}, {b}), ρ = {slope:g}")
    chance = chance_of_missing(30, 12, 0.1)
    return fine, (
        f"Of 200 random regions each, the rank was settled by these stages: {'; '.join(shown)}. “float” is a proof of "
        "full rank in floating point, “modular” full rank modulo a prime, “witness” a set T whose bound meets the rank "
        "modulo the prime. All of these are proofs, and the singular values agree with them everywhere. Without T, a "
        f"rank modulo the prime would be too small with probability at most {chance:.0e}."
    )


ALL = Sampler("f3-all-patterns", _all_patterns(False))
ALL_LATTICE = Sampler("f3-all-patterns-lattice", _all_patterns(True))
RANDOM = Sampler("f3-regions", _regions(False))
RANDOM_LATTICE = Sampler("f3-regions-lattice", _regions(True))

_ALL = tuple(
    Point(N=n, d0=a, d1=b, rho=slope)
    for n, b, a, slope in (
        (12, 1, 1, 0.0), (11, 1, 2, 0.1), (6, 2, 1, -1.0), (6, 2, 2, 0.0), (6, 2, 2, 2.0), (5, 2, 2, 0.1),
        (4, 3, 1, 0.0), (4, 3, 2, 0.1), (4, 3, 3, -1.0), (4, 3, 1, 2.0), (3, 4, 1, 0.0), (3, 4, 2, -1.0),
        (2, 6, 1, 0.1), (1, 9, 1, 0.0),
    )
)  # fmt: skip
_RANDOM = tuple(
    Point(N=n, d0=a, d1=b, rho=slope)
    for n, a, b, slope in ((8, 2, 3, 0.0), (8, 2, 3, 0.1), (8, 2, 5, -1.0), (7, 3, 2, 2.0), (8, 1, 4, 0.1))
)
_TELLING = (Point(N=6, d0=2, d1=2, rho=0.0), Point(N=4, d0=1, d1=3, rho=2.0))


def _controls(
    evidence: Evidence, lattice: Sampler, points: tuple[Point, ...], telling: tuple[Point, ...]
) -> tuple[Control, ...]:
    texts = {
        "all or nothing": "the minimum over T = ∅ and T = S only",
        "no minimum": "d0 rank A in place of the minimum",
        "another dimension": "d0 + 1 in place of d0",
    }
    wrong = [Control(name, text, read=_count(name, evidence), points=telling) for name, text in texts.items()]
    return (*wrong, Control("lattice", "inputs 0 and 1, which are not generic", sampler=lattice, points=points))


STATEMENT = Statement(
    id="f3",
    kind=Kind.LEMMA,
    title="The rank is combinatorial",
    citation=note("F3"),
    summary=(
        "For almost every X, and then for all activation patterns and all sets of samples at once, the rank of A ∘ X "
        "is a minimum over sets of samples in which only the ranks of parts of A occur."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, SLOPE),
    assumptions=(NOT_LINEAR,),
    claim=CLAIM,
    steps=(
        Step(
            "At most: the rows that belong to one input are A times a diagonal matrix, so each of the d0 inputs adds "
            "at most rank A_T, and each sample outside T at most 1.",
            r"(G_{(i, j) n})_{i n} = A \operatorname{diag}(X_{j 1}, \dots, X_{j N})",
            _blocks,
        ),
        Step(
            "At least: by matroid union the minimum is the size of a union of d0 independent sets of columns of A. A "
            "minor of that size is not the zero polynomial, for one of its coefficients is a product of minors of A.",
            r"[X_{11} X_{12} X_{23} X_{24}] \det (A \circ X) = \pm \det A_{\{1, 2\}} \det A_{\{3, 4\}}",
            _coefficient,
        ),
        Step(
            "Such a coefficient is bounded (Hadamard), so few primes divide it: the rank modulo a random prime is "
            "almost never too small. Shown for two columns.",
            r"(a^2 + c^2)(b^2 + d^2) - (a d - b c)^2 = (a b + c d)^2 \ge 0",
            _two_columns,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="all small patterns",
            text=(
                "For every pattern of a size, up to the order of the samples: the rank modulo a random 61-bit prime, "
                "with random residues in place of X, against the minimum found by trying every set T. The rank modulo "
                "the prime is too small with probability below 1e-15, and never too large."
            ),
            sampler=ALL,
            read=_count("rank", Evidence.CERTIFIED),
            grid=_ALL,
            chunks=1,
            controls=_controls(Evidence.CERTIFIED, ALL_LATTICE, _TELLING, _TELLING),
        ),
        Check(
            name="random regions",
            text="The same for the patterns of random first layers on Gaussian inputs.",
            sampler=RANDOM,
            read=_count("rank", Evidence.STATISTICAL),
            grid=_RANDOM,
            chunks=2,
            controls=_controls(Evidence.STATISTICAL, RANDOM_LATTICE, _RANDOM[:2], _RANDOM[:2]),
        ),
    ),
    findings=(Finding("stages", "Ranks are proved without a tolerance", _stages),),
    notes=(
        "The minimum is attained at the support of the kernel (F4), which is where the proofs of a rank take T from.",
    ),
)
