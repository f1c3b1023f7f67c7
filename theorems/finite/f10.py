"""F10: Theorem 6 at every finite size.

The paper's volume bound is asymptotic, so no simulation can contradict it. This one holds for every `N`, `d0`,
`d1`, every slope and every labelling, and can fail. It bounds the probability that *some* labels leave more than
`εN` nonzero residuals, and with it the volume of all regions with a sub-optimal differentiable local minimum.
"""

from __future__ import annotations

import sympy as sp

from theorems.functions import AllPositive, CellBound
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
from theorems.surveys import FINITE
from verify.expressions import Minimum
from verify.relations import Relation
from verify.statements import Check, Claim, Control, Derivation, Kind, Point, Statement, Step

r = sp.Symbol("r", integer=True, nonnegative=True)
K = sp.Symbol("K", integer=True, positive=True)
least = sp.Symbol("t_0", integer=True, positive=True)
size = sp.Symbol("t_r", integer=True, positive=True)
low_rank = sp.Symbol("p_r", nonnegative=True)

SUPPORT = sp.Symbol(r"\mathbb{E}_X V(L_\varepsilon) \le \mathbb{P}\left(|T^{*}| > \varepsilon N\right)")

_LEAST = sp.Max(sp.floor(epsilon * N) + 1, sp.Piecewise((1, sp.Eq(rho, 0)), (d0 + 1, True)))
_SIZE = sp.Max(least, r * d0 + 1)
_LOW_RANK = sp.Piecewise(
    (AllPositive(d1, least, d0), sp.Eq(r, 0)),
    (1, r >= d1),
    (
        Minimum(
            sp.binomial(K, r)
            * 2 ** (r * (K - r))
            * sp.Min(2**size * AllPositive(K - r, size, d0), CellBound(K - r, size, d0)),
            (K, r + 1, d1),
        ),
        True,
    ),
)
BOUND = sp.Sum(sp.Min(1, sp.binomial(N, size) * low_rank), (r, sp.floor((least - 1) / d0), sp.floor((N - 1) / d0)))
CLAIM = Claim(SUPPORT, Relation.AT_MOST, BOUND, where=((low_rank, _LOW_RANK), (size, _SIZE), (least, _LEAST)))


def _closed_forms_agree() -> bool | None:
    """`Pos(2, t, 2)` from the integral over the angle between two rows, and from F9(a)'s closed form."""
    t = sp.Symbol("t", integer=True, positive=True)
    angle = sp.Symbol("theta", positive=True)
    integral = sp.integrate((angle / (2 * sp.pi)) ** t, (angle, 0, sp.pi)) / sp.pi
    closed = 2 ** (-1 - t) * 2 * sp.gamma(t + 1) / sp.gamma(t + 2)
    return bool(sp.gammasimp(integral / closed) == 1)


def _moment_bound() -> bool | None:
    """`x ↦ x^(−q) 2^(−t/x)` is largest at `x = t ln 2 / q`, with the value `(q/(e t ln 2))^q` used in F9(c)."""
    t, q, x = sp.symbols("t q x", positive=True)
    height = -q * sp.log(x) - t * sp.log(2) / x
    peak = t * sp.log(2) / q
    value = sp.expand_log(height.subs(x, peak) - q * sp.log(q / (sp.E * t * sp.log(2))), force=True)
    # The derivative times x² is linear and falls through zero at the peak, so the peak is global.
    slope = sp.expand(sp.diff(height, x) * x**2)
    return bool(sp.simplify(value) == 0 and sp.simplify(slope.subs(x, peak)) == 0 and sp.diff(slope, x) == -q)


_GRID = tuple(
    Point(N=n, d0=a, d1=b, epsilon=0.1, rho=slope)
    for n, a, b, slope in (
        (8, 7, 5, 0.0),
        (9, 8, 5, 0.0),
        (12, 10, 8, 0.0),
        (10, 8, 8, 0.1),
        (10, 8, 8, -0.5),
        (12, 9, 9, 0.1),
        (20, 13, 13, 0.1),
        (16, 11, 11, 0.0),
        (4, 6, 3, 0.1),
        (4, 6, 3, 0.0),
        (6, 1, 4, 0.1),
        (12, 3, 2, 0.0),
    )
)
_TIGHT = (Point(N=8, d0=7, d1=5, epsilon=0.1, rho=0.0), Point(N=9, d0=8, d1=5, epsilon=0.1, rho=0.0))

STATEMENT = Statement(
    id="f10",
    kind=Kind.BOUND,
    title="Theorem 6 at finite size",
    citation=note("F10"),
    summary=(
        "At every size and for every labelling, the volume of the regions that contain a sub-optimal "
        "differentiable local minimum with more than a fraction ε of the samples misclassified is at most an "
        "explicit sum over the rank that the activation patterns of a kernel vector's support can have."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, ERROR, SLOPE),
    assumptions=(GAUSSIAN, NOT_LINEAR),
    claim=CLAIM,
    steps=(
        Step(
            "Moments of the spectral ratio bound the cell volume: the best constant in 2^(−t/x) ≤ c x^q.",
            r"2^{-t/x} \le \left(\frac{q}{e\, t \ln 2}\right)^{q} x^{q}",
            _moment_bound,
        ),
        Step(
            "For two rows in two dimensions the integral over their angle equals the closed form.",
            r"\operatorname{Pos}(2, t, 2) = \frac{1}{\pi} \int_0^{\pi} "
            r"\left(\frac{\pi - \theta}{2 \pi}\right)^{t} d\theta = \frac{2^{-t}}{t + 1}",
            _closed_forms_agree,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="any labels",
            text=(
                "Draws X and W, and counts how often some labelling leaves more than εN nonzero residuals "
                "(the support of the kernel of A∘X). Includes d0 = 1, N ≤ d0, d0·d1 < N, ρ = 0 and ρ < 0."
            ),
            sampler=FIRST_ORDER,
            read=proportion("support"),
            grid=_GRID,
            chunks=24,
            controls=(
                Control(
                    "constant",
                    "the bound divided by 4",
                    CLAIM.with_bound(lambda bound: bound / 4),
                    points=_TIGHT,
                ),
                Control("exponent", "the bound cubed", CLAIM.with_bound(lambda bound: bound**3), points=_TIGHT),
                Control("direction", "the probability is at least the bound", CLAIM.reversed(), points=_TIGHT),
            ),
        ),
    ),
    survey=FINITE,
    notes=("Where a closed form of Pos is known it is used; elsewhere Pos stands for the smaller cell bound.",),
)
