"""F19: F10, sharper near the threshold.

The event and the sum over ranks are those of F10. The cells are bounded with the top of the spectrum split off, rows
and columns are counted in order, and the union runs over subsets that may be smaller than the support. Just above
`d0·d1 = N`, where F10 says nothing yet, this bound is exponentially small.
"""

from __future__ import annotations

import sympy as sp

from theorems.finite.f10 import SUPPORT
from theorems.samplers import FIRST_ORDER, proportion
from theorems.setting import (
    ERROR,
    GAUSSIAN,
    HIDDEN,
    INPUTS,
    NOT_LINEAR,
    SAMPLES,
    SLOPE,
    N,
    d0,
    d1,
    epsilon,
    note,
    rho,
)
from theorems.sharp import ColumnForm, Inactive, RowForm
from theorems.surveys import FINITE
from verify.relations import Relation
from verify.statements import Check, Claim, Control, Derivation, Kind, Point, Statement, Step

r = sp.Symbol("r", integer=True, nonnegative=True)
least = sp.Symbol("t_0", integer=True, positive=True)
size = sp.Symbol("t_r", integer=True, positive=True)
term = sp.Symbol("b_r", nonnegative=True)

_LEAST = sp.Max(sp.floor(epsilon * N) + 1, sp.Piecewise((1, sp.Eq(rho, 0)), (d0 + 1, True)))
_SIZE = sp.Max(least, r * d0 + 1)
_TERM = sp.Piecewise(
    (Inactive(least, N, d0, d1), sp.Eq(r, 0)),
    (1, r >= d1),
    (sp.Min(1, RowForm(r, size, N, d0, d1, rho), ColumnForm(r, size, N, d0, d1, rho)), True),
)
BOUND = sp.Sum(term, (r, sp.floor((least - 1) / d0), sp.floor((N - 1) / d0)))
CLAIM = Claim(SUPPORT, Relation.AT_MOST, BOUND, where=((term, _TERM), (size, _SIZE), (least, _LEAST)))


def _ordered_counts() -> bool | None:
    """The numbers of ways to place rows outside a greedy basis are Gaussian binomials: both obey one recurrence."""

    def ways(K: int, rank: int, first: int) -> sp.Expr:
        """Sum over positions of the basis of `Π 2^(rows chosen before)`; the first `first` rows are in the basis."""
        table = {0: sp.Integer(1)}
        for row in range(K):
            following: dict[int, sp.Expr] = {}
            for chosen, count in table.items():
                following[chosen + 1] = following.get(chosen + 1, 0) + count
                if row >= first:
                    following[chosen] = following.get(chosen, 0) + 2**chosen * count
            table = following
        return table.get(rank, sp.Integer(0))

    def gaussian(K: int, rank: int) -> sp.Expr:
        return sp.prod([sp.Rational(2 ** (K - i) - 1, 2 ** (rank - i) - 1) for i in range(rank)])

    cases = [(K, rank) for K in range(2, 9) for rank in range(1, K)]
    relu = all(ways(K, rank, 0) == gaussian(K, rank) for K, rank in cases)
    others = all(ways(K, rank, 1) == 2 ** (K - rank) * gaussian(K - 1, rank - 1) for K, rank in cases)
    return relu and others


def _power_of_the_largest() -> bool | None:
    """`q^D Σ_j ≤ Σ_e^κ` with `e = j + D`: the exponents of `q^e ≤ Σ_e` and of convexity between 1 and `e`."""
    extra, e = sp.symbols("D e", positive=True)
    total = extra / e + (e - extra - 1) / (e - 1)
    return bool(sp.simplify(total - (1 - extra / (e * (e - 1)))) == 0)


def _tilted_variance() -> bool | None:
    """The variance of the tilt is at most `(x² − 1)/n`, and the strip bound of the trapezoidal sum is `x²`."""
    top, cut, n, x = sp.symbols("sigma_1 tau n x", positive=True)
    largest = n * cut**2 * top**2 * (1 - cut**2 / top**2) / (n * cut**2) ** 2
    square = (x**2 - 1) / n
    return bool(sp.simplify(largest.subs(top, x * cut) - square) == 0 and sp.simplify(1 + n * square - x**2) == 0)


def _inactive_second_moment() -> bool | None:
    """The quadratic that touches `1 − (1−h)^N` at `x` and meets it at ½ differs by a third derivative of one sign."""
    h, n = sp.Symbol("h", positive=True), sp.Symbol("N", positive=True)
    third = sp.diff(1 - (1 - h) ** n, h, 3)
    return bool(sp.simplify(third / (n * (n - 1) * (n - 2) * (1 - h) ** (n - 3))) == 1)


_GRID = tuple(
    Point(N=n, d0=a, d1=b, epsilon=0.1, rho=slope)
    for n, a, b, slope in (
        (7, 6, 5, 0.0),
        (10, 8, 8, 0.1),
        (10, 8, 8, -0.5),
        (10, 8, 8, -1.0),
        (12, 8, 8, 0.1),
        (20, 10, 10, 0.1),
        (16, 9, 9, 0.0),
        (40, 12, 12, 0.1),
        (4, 6, 3, 0.1),
        (6, 1, 4, 0.1),
        (12, 3, 2, 0.0),
    )
)
_TIGHT = tuple(Point(N=n, d0=a, d1=5, epsilon=0.1, rho=0.0) for n, a in ((8, 7), (9, 8), (7, 6)))

STATEMENT = Statement(
    id="f19",
    kind=Kind.BOUND,
    title="Theorem 6 at finite size, near the threshold",
    citation=note("F19"),
    summary=(
        "The bound F10 with the top singular values of a Gaussian matrix split off, rows and columns counted in order, "
        "and a union over smaller subsets: for large N it is exponentially small from a few per cent above d0·d1 = N."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, ERROR, SLOPE),
    assumptions=(GAUSSIAN, NOT_LINEAR),
    claim=CLAIM,
    uses=("f10",),
    steps=(
        Step(
            "The variance of the part of a sample that is split off, and the width of the strip in which the integrand "
            "of the tilted bound is controlled.",
            r"\frac{\sigma_1^2 - \tau^2}{n \tau^2} = \frac{x^2 - 1}{n}, \qquad 1 + n \cdot \frac{x^2 - 1}{n} = x^2",
            _tilted_variance,
        ),
        Step(
            "Rows outside a greedy basis, counted in order, give a Gaussian binomial coefficient (up to 8 rows).",
            r"\sum_I \prod_{i \notin I} 2^{k_i} = \binom{K}{r}_2, \qquad "
            r"\sum_{I \ni 1} \prod_{i \notin I} 2^{k_i} = 2^{K-r} \binom{K-1}{r-1}_2",
            _ordered_counts,
        ),
        Step(
            "A power of the largest cell and a sum over cells together are a power of one sum, by convexity.",
            r"\frac{D}{e} + \frac{e - D - 1}{e - 1} = 1 - \frac{D}{e (e-1)}",
            _power_of_the_largest,
        ),
        Step(
            "The function of the volume of the inactive cone has a positive third derivative, so that a quadratic that "
            "touches it and meets it at one half is above it.",
            r"\frac{d^3}{dh^3} \left(1 - (1-h)^N\right) = N (N-1) (N-2) (1-h)^{N-3}",
            _inactive_second_moment,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="any labels",
            text=(
                "Draws X and W, and counts how often some labelling leaves more than εN nonzero residuals (the support "
                "of the kernel of A∘X). Includes d0 = 1, N ≤ d0, d0·d1 < N, ρ = 0, ρ < 0 and ρ = −1."
            ),
            sampler=FIRST_ORDER,
            read=proportion("support"),
            grid=_GRID,
            chunks=12,
            controls=(
                Control(
                    "constant",
                    "the bound divided by 2",
                    CLAIM.with_bound(lambda bound: bound / 2),
                    points=_TIGHT,
                ),
                Control("exponent", "the bound squared", CLAIM.with_bound(lambda bound: bound**2), points=_TIGHT),
                Control("direction", "the probability is at least the bound", CLAIM.reversed(), points=_TIGHT),
            ),
        ),
    ),
    survey=FINITE,
    notes=(
        "R, C and Z are least bounds over sizes of subsets, numbers of rows and parameters of a moment bound; what is "
        "computed is an upper bound for the parameters chosen, rounding included.",
    ),
)
