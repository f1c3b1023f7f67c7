"""F2: the Gram matrices of `G = A ∘ X`, so that its rank and kernel need no matrix larger than `N × N`.

Both identities are between polynomials with integer coefficients in the entries of A and X. The check evaluates them
at random integers in exact arithmetic, where a false identity of degree 4 survives with probability at most 4 over
the number of values (Schwartz–Zippel).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp
from flint import fmpz_mat
from numpy.typing import NDArray

from theorems.setting import HIDDEN, INPUTS, SAMPLES, note
from verify.network.khatri_rao import gram, khatri_rao
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Claim, Control, Derivation, Kind, Point, Sampler, Statement, Step
from verify.statistics.estimates import Counterexamples
from verify.verdicts import Evidence

PAIRS = 64
LARGEST = 2**40

CLAIM = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(G^{\top} G \ne (A^{\top} A) \odot (X^{\top} X) \;\text{or}\; "
        r"G G^{\top} \ne \sum_n (a_n a_n^{\top}) \otimes (x_n x_n^{\top})\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="with G = A ∘ X, whose column n is a_n ⊗ x_n, for all real A and X",
)
RANKS = Claim(
    sp.Symbol(
        r"\mathbb{P}\left(\operatorname{rank} G \ne \operatorname{rank}\, (A^{\top} A) \odot (X^{\top} X)\right)"
    ),
    Relation.EQUAL,
    sp.Integer(0),
    proviso="for activation patterns A, also where G has a kernel",
)

_rows, _inputs, _columns = sp.symbols("d_1 d_0 N", integer=True, positive=True)
_A, _X = sp.MatrixSymbol("A", _rows, _columns), sp.MatrixSymbol("X", _inputs, _columns)
_i, _j, _k, _l, _n, _m = sp.symbols("i j k l n m", integer=True, nonnegative=True)


def _entry(i: sp.Symbol, j: sp.Symbol, n: sp.Symbol) -> sp.Expr:
    """Row `(i, j)` of column n of `A ∘ X`."""
    return _A[i, n] * _X[j, n]


def _samples() -> bool | None:
    """Entry `(n, m)` of `GᵀG`, a sum over all rows `(i, j)`, factors into one sum over i and one over j."""
    products = sp.Sum(sp.Sum(_entry(_i, _j, _n) * _entry(_i, _j, _m), (_j, 0, _inputs - 1)), (_i, 0, _rows - 1))
    hidden = sp.Sum(_A[_i, _n] * _A[_i, _m], (_i, 0, _rows - 1))
    inputs = sp.Sum(_X[_j, _n] * _X[_j, _m], (_j, 0, _inputs - 1))
    return bool(sp.expand(sp.factor(products) - hidden * inputs) == 0)


def _coordinates() -> bool | None:
    """Entry `((i, j), (k, l))` of `G Gᵀ` is a sum over samples, term by term that of the Kronecker products."""
    products = _entry(_i, _j, _n) * _entry(_k, _l, _n)
    kronecker = (_A[_i, _n] * _A[_k, _n]) * (_X[_j, _n] * _X[_l, _n])
    return bool(sp.expand(products - kronecker) == 0)


def _kernel() -> bool | None:
    """`‖G e‖² = eᵀ(GᵀG)e`: where the Gram matrix maps e to zero, so does G."""
    size = sp.Symbol("p", integer=True, positive=True)
    G, e = sp.MatrixSymbol("G", size, _columns), sp.MatrixSymbol("e", _columns, 1)
    square = ((G * e).T * (G * e)).expand().doit()
    return bool(square.subs(G.T * G * e, sp.ZeroMatrix(_columns, 1)).doit().is_ZeroMatrix)


def _integers(draw: Draw, *shape: int) -> NDArray[np.object_]:
    return draw.rng.integers(-LARGEST, LARGEST + 1, shape).astype(object)


def _identities(point: Point, draw: Draw) -> Tally:
    """Random integer pairs `(A, X)`, and on how many each identity, or a false one, fails."""
    n, d0, d1 = point.integer("N"), point.integer("d0"), point.integer("d1")
    tally = dict.fromkeys(("pairs", "broken", "sum", "matrix product", "swapped"), 0)
    for _ in range(PAIRS):
        A, X = _integers(draw, d1, n), _integers(draw, d0, n)
        G = khatri_rao(A, X)
        tall, wide = G.T @ G, G @ G.T
        outer = [(np.outer(A[:, k], A[:, k]), np.outer(X[:, k], X[:, k])) for k in range(n)]
        kronecker, swapped = (sum(np.kron(pair[s], pair[1 - s]) for pair in outer) for s in (0, 1))
        tally["pairs"] += 1
        tally["broken"] += bool((gram(A, X) != tall).any() or (kronecker != wide).any())
        tally["sum"] += bool((tall != A.T @ A + X.T @ X).any())
        tally["matrix product"] += bool((tall != (A.T @ A) @ (X.T @ X)).any())
        tally["swapped"] += bool((swapped != wide).any())
    return dict(tally)


def _ranks(point: Point, draw: Draw) -> Tally:
    """Random patterns on small integer inputs, and on how many the ranks over the rationals differ."""
    n, d0, d1 = point.integer("N"), point.integer("d0"), point.integer("d1")
    low, high = {0.0: (0, 1), 0.1: (1, 10), -0.5: (-1, 2)}[point.real("rho")]  # ρ and 1, times a common factor
    tally = dict.fromkeys(("pairs", "broken", "deficient", "patterns only"), 0)
    for _ in range(PAIRS):
        X = draw.rng.integers(-3, 4, (d0, n)).astype(object)
        A = np.where(draw.rng.random((d1, n)) < 0.5, low, high).astype(object)
        rank = fmpz_mat(khatri_rao(A, X).tolist()).rank()
        tally["pairs"] += 1
        tally["broken"] += rank != fmpz_mat(gram(A, X).tolist()).rank()
        tally["deficient"] += rank < n
        tally["patterns only"] += rank != fmpz_mat((A.T @ A).tolist()).rank()
    return dict(tally)


def _read(name: str, evidence: Evidence) -> Callable[[Tally, Point], Counterexamples]:
    return lambda tally, point: Counterexamples(count(tally, name), count(tally, "pairs"), evidence=evidence)


IDENTITIES = Sampler("f2-identities", _identities)
PATTERN_RANKS = Sampler("f2-ranks", _ranks)
_SHAPES = ((3, 1, 1), (2, 3, 2), (4, 2, 3), (7, 3, 2), (5, 4, 4))

STATEMENT = Statement(
    id="f2",
    kind=Kind.LEMMA,
    title="Gram matrices of A∘X",
    citation=note("F2"),
    summary=(
        "The inner products of the columns of A∘X are those of the columns of A times those of the samples. So its "
        "rank and its kernel can be found from a matrix of size N, however wide the network."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN),
    assumptions=(),
    claim=CLAIM,
    steps=(
        Step(
            "An inner product of two columns is a sum over neurons times a sum over inputs.",
            r"(a_n \otimes x_n) \cdot (a_m \otimes x_m) = \sum_{i, j} A_{in} X_{jn} A_{im} X_{jm} = "
            r"(a_n \cdot a_m)(x_n \cdot x_m)",
            _samples,
        ),
        Step(
            "G Gᵀ is the sum over samples of the outer products of the columns.",
            r"(G G^{\top})_{ij, kl} = \sum_n (A_{in} A_{kn})(X_{jn} X_{ln})",
            _coordinates,
        ),
        Step(
            "Kernel and rank of G are those of GᵀG.",
            r"G^{\top} G e = 0 \;\Rightarrow\; \|G e\|^2 = e^{\top} G^{\top} G e = 0",
            _kernel,
        ),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="identities",
            text=(
                f"Evaluates both sides at random integers of up to 40 bits, exactly. A false identity would "
                f"pass for one pair with probability at most {4 / (2 * LARGEST + 1):.0e}."
            ),
            sampler=IDENTITIES,
            read=_read("broken", Evidence.CERTIFIED),
            grid=tuple(Point(N=n, d0=a, d1=b) for n, a, b in _SHAPES),
            chunks=1,
            controls=(
                Control("sum", "AᵀA + XᵀX in place of their product by entries", read=_read("sum", Evidence.CERTIFIED)),
                Control(
                    "matrix product",
                    "the matrix product of AᵀA and XᵀX",
                    read=_read("matrix product", Evidence.CERTIFIED),
                ),
                Control(
                    "order",
                    "the factors of the Kronecker products swapped",
                    read=_read("swapped", Evidence.CERTIFIED),
                    points=(Point(N=4, d0=2, d1=3),),
                ),
            ),
        ),
        Check(
            name="ranks",
            text="Random activation patterns on small integer inputs, many of them dependent; exact ranks.",
            sampler=PATTERN_RANKS,
            read=_read("broken", Evidence.STATISTICAL),
            claim=RANKS,
            grid=tuple(
                Point(N=n, d0=a, d1=b, rho=slope)
                for n, a, b in ((4, 1, 3), (3, 4, 1), (6, 2, 2), (8, 3, 4))
                for slope in (0.0, 0.1, -0.5)
            ),
            chunks=1,
            controls=(
                Control(
                    "patterns only",
                    "the rank of AᵀA, without the inputs",
                    read=_read("patterns only", Evidence.STATISTICAL),
                ),
            ),
        ),
    ),
)
