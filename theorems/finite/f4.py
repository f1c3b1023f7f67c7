"""F4: how many samples a vector of the kernel of `A ∘ X` must involve, for almost every X and every pattern A.

Inputs are random integers of 60 bits. An exceptional set of inputs is given by polynomials of degree at most N with
integer coefficients, so a draw hits it with a probability below 1e-12 at these sizes; ranks are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import sympy as sp
from flint import fmpz_mat
from numpy.typing import NDArray

from theorems.setting import GENERIC, HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, d0, note
from verify.network.khatri_rao import khatri_rao
from verify.relations import Relation
from verify.sampling import Draw, Tally, entries
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
    Variable,
)
from verify.statistics.estimates import Counterexamples

PATTERNS = 24  # pairs (A, X) in a chunk
VECTORS = 6  # kernel vectors looked at for each
GENERIC_ENTRIES, LATTICE_ENTRIES = 2**60, 2

rank = sp.Symbol("r", integer=True, nonnegative=True)

CLAIM = Claim(
    sp.Symbol(
        r"\min \left\{ |T| : T = \operatorname{supp} e,\ 0 \ne e \in \ker G,\ \operatorname{rank} A_T = r \right\}"
    ),
    Relation.AT_LEAST,
    d0 * rank + 1,
    proviso="and rank G_T = d0 rank A_T, for almost every X and every A at once",
)
FREQUENCY = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(\exists\, e \in \ker G \setminus 0 : |T| \le d_0 \operatorname{rank} A_T \;\text{or}\; "
        r"\operatorname{rank} G_T \ne d_0 \operatorname{rank} A_T\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
)


def _removal() -> bool | None:
    """`G_T e = 0` with `e_n ≠ 0` gives column n from the others: `g_n = −Σ_{m ≠ n} (e_m/e_n) g_m`."""
    size, others = sp.symbols("p t", integer=True, positive=True)
    rest, e = sp.MatrixSymbol("G", size, others), sp.MatrixSymbol("e", others, 1)
    last = sp.Symbol("e_n", nonzero=True)
    column = -rest * e / last
    return bool((rest * e + last * column).expand().doit().is_ZeroMatrix)


def _the_whole_support() -> bool | None:
    """A minimiser S that lacks a sample of T would give a smaller rank without that sample: F3 for T and for T∖n."""
    of_S, outside = sp.symbols("R k", integer=True)  # d0 rank A_S, and |T∖S| = k + 1 >= 1
    rank_T, at_most = of_S + (outside + 1), of_S + outside
    return bool((rank_T - at_most).is_positive)


def _one_more() -> bool | None:
    """The columns of T are dependent, so `|T| > rank G_T = d0 rank A_T`, an inequality of integers."""
    size = sp.Symbol("r", integer=True, nonnegative=True)
    inputs, slack = sp.Symbol("d_0", integer=True, positive=True), sp.Symbol("s", integer=True, positive=True)
    return bool((inputs * size + slack - (inputs * size + 1)).is_nonnegative)


def patterns(point: Point, rng: np.random.Generator) -> NDArray[np.object_]:
    """Random activations times the denominator of ρ, `d1 × N`, with blocks of samples on which the rank is low.

    On the first samples all rows are one row, or its opposite, or constant, so that supports of several ranks occur.
    """
    n, width = point.integer("N"), point.integer("d1")
    active = rng.random((width, n)) < 0.5
    block = int(rng.integers(1, n + 1))
    kind = rng.integers(0, rng.integers(1, 4), (width, 1))
    row = active[:1, :block]
    active[:, :block] = np.where(kind == 0, row, np.where(kind == 1, ~row, True))
    rho = Fraction(repr(point.real("rho")))
    return np.where(active, rho.denominator, rho.numerator).astype(object)


def kernel_vectors(G: NDArray[np.object_], rng: np.random.Generator) -> list[NDArray[np.object_]]:
    """Nonzero integer vectors of the kernel: some of least support, and sums of them; none if the kernel is zero."""
    columns = G.shape[1]
    found = []
    for _ in range(VECTORS // 2):
        # Basis vectors of a reduced echelon form have least support; the order of columns decides which come up.
        order = rng.permutation(columns)
        basis, nullity = fmpz_mat(G[:, order].tolist()).nullspace()
        if not nullity:
            return []
        vectors = np.array(basis.tolist(), dtype=object)[:, :nullity]
        weights = rng.integers(1, 1000, nullity) * (rng.random(nullity) < 0.6)
        for vector in (vectors[:, int(rng.integers(nullity))], vectors @ weights.astype(object)):
            if any(vector):
                placed = np.zeros(columns, dtype=object)
                placed[order] = vector
                found.append(placed)
    return found


def _supports(entries: int) -> Callable[[Point, Draw], Tally]:
    """Sampler of kernel vectors for inputs with integer entries up to `entries` in size.

    One row a pair `(A, X)` that has a kernel: for each of its vectors `|T|`, `rank A_T`, `rank G_T` and `rank A`.
    """

    def draw(point: Point, draw: Draw) -> Tally:
        rows = []
        for _ in range(PATTERNS):
            A = patterns(point, draw.rng)
            X = draw.rng.integers(-entries, entries + 1, (point.integer("d0"), point.integer("N"))).astype(object)
            G = khatri_rao(A, X)
            row = []
            for e in kernel_vectors(G, draw.rng):
                T = np.array([bool(value) for value in e])
                ranks = (fmpz_mat(part.tolist()).rank() for part in (A[:, T], G[:, T], A))
                row.append([int(T.sum()), *ranks])
            if row:
                rows.append(row)
        return {"vectors": rows}

    return draw


def _broken(extra: int = 0, whole: bool = False, equal_rank: int = 0) -> Callable[[Tally, Point], Counterexamples]:
    """Reader: pairs with a vector whose support is below the claim's bound plus `extra`, or whose rank is another.

    With `whole`, the rank of all of A stands in the bound in place of that on the support.
    """

    def wrong(vector: list[int], point: Point) -> bool:
        size, of_A, of_G, of_all = vector
        inputs = point.integer("d0")
        bound = CLAIM.bound.subs({d0: inputs, rank: of_all if whole else of_A})
        return bool(size < int(bound) + extra or of_G != inputs * of_A + equal_rank)

    def read(tally: Tally, point: Point) -> Counterexamples:
        rows = entries(tally, "vectors")
        if not rows:
            return Counterexamples(0, 1, 1)
        return Counterexamples(sum(any(wrong(vector, point) for vector in row) for row in rows), len(rows))

    return read


def _repeated_inputs() -> tuple[bool | None, str]:
    X, A = np.array([[1, 2], [1, 2]], dtype=object), np.ones((1, 2), dtype=object)
    basis, nullity = fmpz_mat(khatri_rao(A, X).tolist()).nullspace()
    e = tuple(int(basis[n, 0]) for n in range(2))
    return bool(nullity == 1 and all(e)), (
        f"For the inputs (1, 1) and (2, 2), which are not in general position, and equal activations, e = {e} is in "
        f"the kernel. Its support has 2 samples, where inputs in general position need {2 * 1 + 1}."
    )


GENERIC_INPUTS = Sampler("f4-generic", _supports(GENERIC_ENTRIES))
LATTICE_INPUTS = Sampler("f4-lattice", _supports(LATTICE_ENTRIES))
_GRID = tuple(
    Point(N=n, d0=a, d1=b, rho=slope)
    for n, a, b in ((6, 1, 3), (9, 2, 3), (12, 3, 3), (14, 2, 8), (5, 6, 3))
    for slope in (0.0, 0.1, -0.5)
    if n > a or slope == 0.0  # with N ≤ d0 only neurons that are not active leave a kernel
)
_PLANE = tuple(point for point in _GRID if point["d0"] == 2)

STATEMENT = Statement(
    id="f4",
    kind=Kind.LEMMA,
    title="Supports of kernel vectors",
    citation=note("F4"),
    summary=(
        "A residual of a differentiable minimum involves no sample at all, or more than d0 times the rank of the "
        "activation patterns on the samples that it involves. That is what makes large residuals unlikely."
    ),
    variables=(
        SAMPLES,
        INPUTS,
        HIDDEN,
        SLOPE,
        Variable(rank, "rank of A on the support", sp.S.Naturals0),
    ),
    assumptions=(NOT_LINEAR, GENERIC),
    claim=CLAIM,
    uses=("f3",),
    steps=(
        Step(
            "Leaving out a sample of the support does not lower the rank: its column is a combination of the others.",
            r"e_n \ne 0 \;\Rightarrow\; \operatorname{rank} G_{T \setminus n} = \operatorname{rank} G_T",
            _removal,
        ),
        Step(
            "So the minimum in F3 is attained by the whole support: a smaller S would give a smaller rank without some "
            "sample.",
            r"n \in T \setminus S \;\Rightarrow\; \operatorname{rank} G_{T \setminus n} \le d_0 "
            r"\operatorname{rank} A_S + |T \setminus S| - 1 < \operatorname{rank} G_T",
            _the_whole_support,
        ),
        Step(
            "The columns of the support are dependent, so there is at least one more than their rank.",
            r"|T| \ge \operatorname{rank} G_T + 1 = d_0 \operatorname{rank} A_T + 1",
            _one_more,
        ),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="kernel vectors",
            text=(
                "Draws patterns that have low rank on some of the samples, and inputs of 60 bits; finds kernel vectors "
                "of least support and combinations of them in exact arithmetic, and holds the size of their support "
                "and the ranks on it against the claim."
            ),
            sampler=GENERIC_INPUTS,
            read=_broken(),
            claim=FREQUENCY,
            grid=_GRID,
            chunks=2,
            controls=(
                Control("constant", "d0 rank A_T + 2 samples", read=_broken(extra=1)),
                Control("whole pattern", "d0 rank A + 1 samples, the rank of all of A", read=_broken(whole=True)),
                Control("rank", "rank G_T = d0 rank A_T − 1", read=_broken(equal_rank=-1), points=_PLANE),
                Control(
                    "lattice",
                    f"inputs with entries between −{LATTICE_ENTRIES} and {LATTICE_ENTRIES}, which are often dependent",
                    sampler=LATTICE_INPUTS,
                    points=_PLANE,
                ),
            ),
        ),
    ),
    findings=(Finding("not-every-input", "It is false for some inputs", _repeated_inputs),),
)
