"""Theorem 10, the main result: regions with sub-optimal minima are exponentially rarer than those with global ones."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from theorems.finite.f15 import ONE_TEACHER
from theorems.paper.theorem_6 import CLAIM as ABOVE
from theorems.paper.theorem_6 import CONTROLS as ABOVE_CONTROLS
from theorems.paper.theorem_9 import CLAIM as BELOW
from theorems.paper.theorem_9 import NARROW, WIDE, WIDE_SQUARE
from theorems.samplers import (
    CLASSIFIED,
    EXACT,
    EXACT_CHUNKS,
    EXACT_PATHS,
    EXACT_RELU,
    exact_ratio_quantile,
    ratio_quantile,
)
from theorems.setting import (
    DIMENSIONS,
    ERROR,
    GAMMA_WHERE,
    GAUSSIAN,
    GROWING,
    HIDDEN,
    INPUTS,
    LEADING_EXPONENT,
    NOT_LINEAR,
    SAMPLES,
    SHARE,
    SLOPE,
    WIDTHS,
    N,
    d0,
    d1,
    gamma,
    paper,
)
from theorems.surveys import ASYMPTOTIC
from verify.asymptotics import Order, Reading, decide, little_o
from verify.relations import Relation
from verify.statements import Check, Claim, Control, Derivation, Finding, Kind, Path, Statement, Step

RATIO = sp.Symbol(r"\frac{V\left(L_\varepsilon(X, y)\right)}{V\left(\mathcal{G}(X, y)\right)}")
CLAIM = Claim(
    RATIO,
    Relation.ASYMPTOTICALLY_AT_MOST,
    ABOVE.bound,
    where=GAMMA_WHERE,
    proviso="with probability at least 1 − δ over X, δ as in Theorem 9",
)

t = sp.Symbol("t", positive=True)
_SMALL = {"epsilon": 0.1, "delta": 0.5, "lambda": 0}


def _exponents(log_power: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Logs of the two bounds of Theorems 6 and 9 (any labels) when d0 d1 = N log^c N."""
    exponent = LEADING_EXPONENT.subs(d1, N * sp.log(N) ** log_power / d0)
    return -gamma * sp.expand_power_base(exponent, force=True), -2 * N * sp.log(N)


def _ratio_of_bounds(log_power: sp.Expr, reading: Reading, order: Order = Order.BELOW_OR_EQUAL) -> bool | None:
    """Whether dividing the bound of Theorem 6 by that of Theorem 9 leaves the bound of Theorem 10."""
    upper, lower = _exponents(log_power)
    return decide(upper - lower, upper, order, reading, N)


def _denominator_is_negligible() -> bool | None:
    upper, lower = _exponents(4 + t)
    return little_o(lower, upper, N)


def _corrected() -> bool | None:
    return _ratio_of_bounds(4 + t, Reading.CORRECTED)


def _printed() -> bool | None:
    """Under the printed relation too, but only because the two exponents agree in the limit."""
    return _ratio_of_bounds(4 + t, Reading.PRINTED, Order.EQUAL)


def _second_inequality() -> bool | None:
    upper, _ = _exponents(4 + t)
    return decide(upper, -gamma * N * sp.log(N), Order.BELOW_OR_EQUAL, Reading.CORRECTED, N)


def _missing_assumption() -> tuple[bool | None, str]:
    small_gamma = sp.Rational(23, 100)
    enough = _ratio_of_bounds(4 + t, Reading.CORRECTED)
    upper, lower = (term.subs(gamma, small_gamma) for term in _exponents(sp.Integer(4)))
    at_edge = decide(upper - lower, upper, Order.BELOW_OR_EQUAL, Reading.CORRECTED, N)
    narrow = LEADING_EXPONENT.subs(d1, N / d0)
    without = decide(
        sp.expand(-small_gamma * sp.powsimp(narrow, force=True) + 2 * N * sp.log(N)),
        -small_gamma * sp.powsimp(narrow, force=True),
        Order.BELOW_OR_EQUAL,
        Reading.CORRECTED,
        N,
    )
    so = None if None in (enough, at_edge, without) else bool(enough and not at_edge and not without)
    return so, (
        "Theorem 10 is stated under Assumptions 1–3, but its proof divides the bound of Theorem 6 by that of Theorem "
        "9, exp(−2N log N). The quotient keeps the claimed exponent when d0 d1 = N log^(4+t) N for any t > 0, that "
        "is when N log⁴N = o(d0 d1); it does not at d0 d1 = N log⁴N with any γ ≤ 0.23, nor at d0 d1 = N, which "
        "Assumptions 1–3 allow. Assumption 4 is needed, with the ordinary little-o."
    )


def _of_the_ratio(mutant: Claim | None) -> Claim:
    """A mutant of Theorem 6's bound, as a claim about the ratio."""
    return replace(CLAIM, bound=(mutant or CLAIM).bound)


def _mutants(path: Path, *names: str) -> tuple[Control, ...]:
    """Mutants of Theorem 6's bound at points where the ratio is not small, and the claim turned round."""
    return (
        *(
            Control(control.name, control.text, _of_the_ratio(control.claim), paths=(path,))
            for control in ABOVE_CONTROLS
            if control.name in (names or ("constant", "exponent"))
        ),
        Control("direction", "the ratio is at least the bound", CLAIM.reversed()),
    )


def log_quotient(n: int, share: float, rho: float) -> float:
    """Log of the quotient of the two printed bounds at d0 = d1 = N, the most favourable widths, ε = 0.1."""
    above = ABOVE.log_bound(N=n, d0=n, d1=n, epsilon=0.1, rho=rho, **{"lambda": share})
    return above - BELOW.log_bound(N=n, d0=n)


def _first_size() -> tuple[bool | None, str]:
    sizes = []
    for share, rho in ((1.0, 0.1), (0.1, 0.0)):
        low, high = 2, 10**30
        # Below e⁴·(…) the quotient can only be above one; from its peak on it falls for good, so bisection applies.
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if log_quotient(middle, share, rho) < 0 else (middle + 1, high)
        sizes.append(low)
    confirmed = all(
        log_quotient(size, share, rho) < 0 <= log_quotient(size - 1, share, rho)
        for size, (share, rho) in zip(sizes, ((1.0, 0.1), (0.1, 0.0)), strict=True)
    )
    return confirmed, (
        "Read with their leading terms only, the quotient of the two printed bounds stays above one, and so says "
        f"nothing about the ratio, until N = {sizes[0]:.3g} at the largest γ (0.23, d0 proportional to N) and until "
        f"N = {sizes[1]:.3g} for ReLU at ε = 0.1, even at the most favourable widths d0 = d1 = N."
    )


STATEMENT = Statement(
    id="theorem-10",
    kind=Kind.THEOREM,
    title="Sub-optimal minima are exponentially rare beside global ones",
    citation=paper("Theorem 10"),
    summary=(
        "For most inputs, the volume of the regions with a sub-optimal differentiable local minimum is exponentially "
        "smaller than that of the regions with a global minimum."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, ERROR, SLOPE, SHARE),
    assumptions=(GAUSSIAN, GROWING, DIMENSIONS, WIDTHS, NOT_LINEAR),
    claim=CLAIM,
    uses=("theorem-6", "theorem-9"),
    steps=(
        Step(
            "When d0 d1 = N log^(4+t) N, the exponent of Theorem 9 is negligible beside that of Theorem 6.",
            r"2 N \log N = o\left(\gamma_\varepsilon N^{3/4} (d_0 d_1)^{1/4}\right)",
            _denominator_is_negligible,
        ),
        Step(
            "So the quotient of the two bounds keeps the exponent, in the corrected reading.",
            r"\frac{e^{-\gamma_\varepsilon N^{3/4} (d_0 d_1)^{1/4}}}{e^{-2 N \log N}} \mathrel{\dot{\le}} "
            r"e^{-\gamma_\varepsilon N^{3/4} (d_0 d_1)^{1/4}}",
            _corrected,
        ),
        Step(
            "In the printed reading the two sides are equal: the ratio of their logs tends to one.",
            r"\lim_{N \to \infty} \frac{-\gamma_\varepsilon N^{3/4} (d_0 d_1)^{1/4} + 2 N \log N}"
            r"{-\gamma_\varepsilon N^{3/4} (d_0 d_1)^{1/4}} = 1",
            _printed,
        ),
        Step(
            "The last member of the printed chain.",
            r"e^{-\gamma_\varepsilon N^{3/4} (d_0 d_1)^{1/4}} \mathrel{\dot{\le}} e^{-\gamma_\varepsilon N \log N}",
            _second_inequality,
        ),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="measured ratio",
            text=(
                "Draws data sets, and for each of them many W; decides for each region whether it contains a "
                "sub-optimal and whether it contains a global minimum. Shown is the median over X of the ratio of the "
                "two volumes, with an interval that accounts for both layers of sampling. Widths are chosen so that "
                "both kinds of regions are seen. Beside it the finite-size bound F15 for the labels of a one-neuron "
                "teacher, with probability 0.9, which is vacuous at such small sizes."
            ),
            sampler=CLASSIFIED,
            read=lambda tally, point: ratio_quantile(tally, point.real("delta")),
            paths=(
                Path.along(WIDE, (6, 8, 10), rho=0.0, **_SMALL),
                Path.along(WIDE_SQUARE, (6, 8, 10), rho=0.1, **_SMALL),
            ),
            beside=(("F15, teacher", ONE_TEACHER),),
            chunks=7,
            controls=_mutants(NARROW),
        ),
        Check(
            name="exact volumes",
            text=(
                "Draws small data sets, half of their labels 1, and enumerates the cells of each. The volume of L_ε is "
                "exact or between two proved ends; so is that of G, whose ends are narrowed by deciding regions drawn "
                "at random. Shown is the median over X of their ratio."
            ),
            sampler=EXACT,
            read=exact_ratio_quantile,
            paths=EXACT_PATHS,
            chunks=EXACT_CHUNKS,
            controls=_mutants(EXACT_RELU, "constant"),
        ),
    ),
    findings=(
        Finding("missing-assumption-4", "Theorem 10 needs Assumption 4", _missing_assumption),
        Finding("first-size", "The size from which the ratio bound says anything", _first_size),
    ),
    survey=ASYMPTOTIC,
)
