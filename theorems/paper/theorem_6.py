"""Theorem 6: the volume of the regions with sub-optimal minima vanishes exponentially.

The claim is asymptotic. Its evidence is a trend along scaling paths, and a derivation from the finite-size bound
F10 that covers most of the range of the assumptions.
"""

from __future__ import annotations

import math
from dataclasses import replace

import sympy as sp

from theorems.finite.f10 import CLAIM as FINITE
from theorems.pictures import VOLUME_AGAINST_WIDTH
from theorems.samplers import (
    AVERAGE,
    EXACT,
    EXACT_CHUNKS,
    EXACT_PATHS,
    FIRST_ORDER,
    average,
    exact_mean,
    proportion,
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
from verify.asymptotics import Order, Reading, Scaling, decide, limit_ratio, little_o
from verify.data import Dataset
from verify.relations import Relation
from verify.statements import Check, Claim, Control, Derivation, Finding, Kind, Path, Point, Statement, Step

VOLUME = sp.Symbol(r"\mathbb{E}_X V\left(L_\varepsilon(X, y)\right)")
CLAIM = Claim(VOLUME, Relation.ASYMPTOTICALLY_AT_MOST, sp.exp(-gamma * LEADING_EXPONENT), where=GAMMA_WHERE)

# Every region in L_ε has the first-order event, so this claim is the stronger one.
FIRST_ORDER_CLAIM = replace(CLAIM, quantity=sp.Symbol(r"\mathbb{P}\left(\mathrm{MCE}(y - P y) > \varepsilon\right)"))

# Along both, Assumptions 3 and 4 are satisfied: a > 1/2, a + b > 1, b < 1. The limit of d0/N is 0.
DEEP = Scaling(sp.Rational(3, 4), sp.Rational(1, 2))
SQUARE = Scaling(sp.Rational(3, 5), sp.Rational(3, 5))
PATHS = (
    Path.along(DEEP, (8, 12, 16, 24, 36), epsilon=0.1, rho=0.0, **{"lambda": 0}),
    Path.along(SQUARE, (8, 12, 16, 24, 36), epsilon=0.1, rho=0.1, **{"lambda": 0}),
)

# Far beyond what plain sampling sees.
RARE_PATHS = (
    Path.along(DEEP, (24, 36, 50), epsilon=0.1, rho=0.0, **{"lambda": 0}),
    Path.along(SQUARE, (24, 36), epsilon=0.1, rho=0.1, **{"lambda": 0}),
)

s, t, u = sp.symbols("s t u", positive=True)


def data_points(data: Dataset) -> tuple[Point, ...]:
    """Widths at which a user's set has a tenth to twice as many parameters as samples."""
    widths = sorted({max(1, round(factor * data.samples / data.features)) for factor in (0.1, 0.25, 0.5, 1.0, 2.0)})
    return tuple(Point(N=data.samples, d0=data.features, d1=width, epsilon=0.1, rho=0.0) for width in widths)


def _union_is_negligible() -> bool | None:
    scaling = Scaling(sp.Rational(1, 2) + s, sp.Rational(1, 2) - s + t)
    return little_o(N * sp.log(2), scaling.substitute(sp.sqrt(N * d0 * d1), N, d0, d1), N)


def _exponents_compare() -> bool | None:
    ratio = sp.sqrt(N * d0 * d1) / (N ** sp.Rational(3, 4) * (d0 * d1) ** sp.Rational(1, 4))
    return bool(sp.powsimp(ratio / (d0 * d1 / N) ** sp.Rational(1, 4), force=True) == 1)


def _wide_window() -> bool | None:
    scaling = Scaling(sp.Rational(1, 2) + s, sp.Rational(1, 2) - s + t)
    strong, paper_exponent = (scaling.substitute(term, N, d0, d1) for term in (sp.sqrt(N * d0 * d1), LEADING_EXPONENT))
    return little_o(paper_exponent, strong, N)


def _narrow_window() -> bool | None:
    """d0² beats the paper's exponent when a = 4/7 + s and b = 1 − u."""
    scaling = Scaling(sp.Rational(4, 7) + s, 1 - u)
    return little_o(scaling.substitute(LEADING_EXPONENT, N, d0, d1), scaling.substitute(d0**2, N, d0, d1), N)


def _exponent_at_the_edge() -> bool | None:
    edge = LEADING_EXPONENT.subs(d1, N * sp.log(N) ** 4 / d0)
    return bool(sp.simplify(sp.powsimp(sp.expand_power_base(edge, force=True), force=True) - N * sp.log(N)) == 0)


def _reversed_relation() -> tuple[bool | None, str]:
    small, large = -2 * N, -N
    printed = decide(large, small, Order.STRICTLY_BELOW, Reading.PRINTED, N)
    corrected = decide(large, small, Order.STRICTLY_BELOW, Reading.CORRECTED, N)
    growing = decide(sp.log(N), 2 * sp.log(N), Order.STRICTLY_BELOW, Reading.PRINTED, N)
    ratio = limit_ratio(large, small, N)
    sentence = (
        f"For g = exp(−N) and h = exp(−2N) the printed test takes the limit of log g / log h, which is {ratio}, and so "
        "ranks the larger g below h. For functions that tend to 0, as every volume in the paper does, the printed "
        "relation is turned round; the corrected reading, limsup (log g − log h)/|log h| < 0, ranks them rightly and "
        "agrees with the printed one for functions that grow."
    )
    so = None if None in (printed, corrected, growing) else bool(printed and not corrected and growing)
    return so, sentence


def _invisible_logarithm() -> tuple[bool | None, str]:
    fourth, fifth = N * sp.log(N) ** 4, N * sp.log(N) ** 5
    ratio = limit_ratio(sp.log(fourth), sp.log(fifth), N)
    strict = decide(sp.log(fourth), sp.log(fifth), Order.STRICTLY_BELOW, Reading.PRINTED, N)
    ordinary = little_o(fourth, fifth, N)
    power = decide(sp.log(fourth), (1 + t) * sp.log(N), Order.STRICTLY_BELOW, Reading.PRINTED, N)
    sentence = (
        f"The limit of log(N log⁴N)/log(N log⁵N) is {ratio}: a ratio of logs does not see powers of log N. The strict "
        "relation of Assumption 4 therefore does not hold for d0 d1 = N log⁵N but asks for d0 d1 ≥ N^(1+c), c > 0: "
        "polynomial, not mild, over-parameterisation. The ordinary N log⁴N = o(d0 d1), which is what the proofs need, "
        "does hold there."
    )
    so = None if None in (strict, ordinary, power) else bool(not strict and ordinary and power)
    return so, sentence


def _literal_widths() -> tuple[bool | None, str]:
    """Smallest N for which some d0 <= N, d1 < N satisfy N log⁴N < d0 d1 when read at that size."""
    low, high = 3, 10**7

    def possible(n: int) -> bool:
        return math.log(n) ** 4 < n - 1

    # log⁴N/N rises up to N = e⁴ and falls after it, so above e⁴ the condition stays true once it is.
    low = math.ceil(math.exp(4))
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if possible(middle) else (middle + 1, high)
    sentence = (
        f"Read literally at one size, N log⁴N / d0 < d1 < N with d0 ≤ N has no solution below N = {low} "
        "(but for N ≤ 3). Sizes that can be sampled are therefore judged along scalings, not one by one."
    )
    return possible(low) and not possible(low - 1), sentence


def _coverage() -> tuple[bool | None, str]:
    inside = _narrow_window()
    corner = Scaling(sp.Rational(11, 20), sp.Rational(9, 10))
    exponent, square = (corner.substitute(term, N, d0, d1) for term in (LEADING_EXPONENT, d0**2))
    outside = little_o(square, exponent, N)
    sentence = (
        "With d0 = N^a and d1 = N^b, the exponent of the finite-size bound F10 is of order min(√(N d0 d1), d0²). It "
        "beats the paper's N^(3/4)(d0 d1)^(1/4) whenever 7a > 3 + b, in particular for all a > 4/7, and so proves "
        "Theorem 6 there without the paper's appendix. In the corner 1/2 < a < 4/7 with 7a < 3 + b, for example "
        "a = 0.55, b = 0.9, it does not."
    )
    return (None if None in (inside, outside) else bool(inside and outside)), sentence


def _mutants(claim: Claim) -> tuple[Control, ...]:
    return (
        Control("constant", "γ fifty times as large", claim.with_bound(lambda bound: bound**50)),
        Control(
            "exponent",
            "N^(9/4) in place of N^(3/4)",
            claim.with_bound(lambda bound: bound.xreplace({N ** sp.Rational(3, 4): N ** sp.Rational(9, 4)})),
        ),
        Control("direction", "the volume is at least the bound", claim.reversed()),
    )


CONTROLS = _mutants(FIRST_ORDER_CLAIM)

_LABELS = (
    (
        "random labels",
        "labels",
        "Draws X, W and labels, and counts how often the one residual that all differentiable local minima of the "
        "region share misclassifies more than εN samples. Only the first-order condition is used, so the volume is "
        "measured from above. On a user's data: the given labels, and W drawn.",
    ),
    (
        "teacher labels",
        "teacher",
        "The same for labels that say whether a random two-neuron teacher is above its median.",
    ),
    (
        "adversarial labels",
        "adversarial",
        "The same for labels chosen to do harm after seeing X and W, which the theorem does not even promise.",
    ),
)

STATEMENT = Statement(
    id="theorem-6",
    kind=Kind.THEOREM,
    title="Sub-optimal minima have exponentially small volume",
    citation=paper("Theorem 6"),
    summary=(
        "Averaged over the inputs, the angular volume of all regions that contain a differentiable local minimum with "
        "a training error above ε is at most exponentially small in N^(3/4) (d0 d1)^(1/4)."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, ERROR, SLOPE, SHARE),
    assumptions=(GAUSSIAN, GROWING, DIMENSIONS, WIDTHS, NOT_LINEAR),
    claim=CLAIM,
    uses=("f10",),
    steps=(
        Step(
            "The union over subsets in F10 costs at most N log 2 in the exponent, which is negligible when d0 d1 is a "
            "power above N.",
            r"N \log 2 = o\left(\sqrt{N d_0 d_1}\right)",
            _union_is_negligible,
        ),
        Step(
            "F10's exponent √(N d0 d1) exceeds the paper's by the factor (d0 d1/N)^(1/4).",
            r"\frac{\sqrt{N d_0 d_1}}{N^{3/4} (d_0 d_1)^{1/4}} = \left(\frac{d_0 d_1}{N}\right)^{1/4}",
            _exponents_compare,
        ),
        Step(
            "So it dominates along d0 = N^(1/2+s), d1 = N^(1/2−s+t) for all s, t > 0.",
            r"N^{3/4} (d_0 d_1)^{1/4} = o\left(\sqrt{N d_0 d_1}\right)",
            _wide_window,
        ),
        Step(
            "Where N d1 exceeds d0³, F10's exponent is of order d0² instead; it dominates for every d0 = N^(4/7+s), "
            "d1 = N^(1−u).",
            r"N^{3/4} (d_0 d_1)^{1/4} = o\left(d_0^2\right)",
            _narrow_window,
        ),
        Step(
            "At the edge of Assumption 4, d0 d1 = N log⁴N, the exponent is N log N.",
            r"N^{3/4} \left(N \log^4 N\right)^{1/4} = N \log N",
            _exponent_at_the_edge,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        *(
            Check(
                name=name,
                text=text,
                sampler=FIRST_ORDER,
                read=proportion(event),
                paths=PATHS,
                chunks=24,
                controls=CONTROLS,
                claim=FIRST_ORDER_CLAIM,
                sufficient=True,
                beside=(("F10", FINITE),),
                data_points=data_points if event != "teacher" else None,
            )
            for name, event, text in _LABELS
        ),
        Check(
            name="rare events",
            extends="random labels",
            text=(
                "The same mean over X, random labels and W by multilevel splitting over the neurons, at sizes where "
                "plain sampling sees nothing. The lower end of each interval is proved; the upper end takes the logs "
                "of the replicates for normal, which was measured and not proved."
            ),
            sampler=AVERAGE,
            read=average,
            paths=RARE_PATHS,
            chunks=3,
            controls=CONTROLS,
            claim=FIRST_ORDER_CLAIM,
            sufficient=True,
            beside=(("F10", FINITE),),
        ),
        Check(
            name="exact volumes",
            text=(
                "Draws small data sets, half of their labels 1, enumerates the cells of each, and computes the volume "
                "of L_ε itself, minima included, exactly or between two proved ends. Shown is the mean over X."
            ),
            sampler=EXACT,
            read=exact_mean,
            paths=EXACT_PATHS,
            chunks=EXACT_CHUNKS,
            controls=tuple(control for control in _mutants(CLAIM) if control.name != "exponent"),
        ),
    ),
    findings=(
        Finding("reversed-relation", "The printed asymptotic relation is reversed for volumes", _reversed_relation),
        Finding(
            "invisible-logarithm",
            "The log⁴N of Assumption 4 is invisible to the printed relation",
            _invisible_logarithm,
        ),
        Finding("literal-assumption-4", "Assumption 4 cannot be met at sizes that can be sampled", _literal_widths),
        Finding("independent-proof", "F10 proves Theorem 6 in most of its range", _coverage),
    ),
    pictures=(VOLUME_AGAINST_WIDTH,),
    survey=ASYMPTOTIC,
    notes=(
        "No finite size can contradict an asymptotic bound. Each point shows its leading term read literally, and the "
        "path shows where that is heading.",
        "A mutant may be true in the limit, since F10 is sharper than the paper; controls show that the check can say "
        "no at the sizes it looks at.",
    ),
)
