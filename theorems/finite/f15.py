"""F15: the paper's main theorem at finite size, for the labels of a teacher.

The ratio of the two volumes is below an explicit number with an explicit probability, at every size. It combines
the upper bound F10 on the regions with sub-optimal minima with the cells of the teacher's neurons.
"""

from __future__ import annotations

import sympy as sp

from theorems.finite import f10, f13
from theorems.finite.f13 import NARROW_TEACHER, TEACHERS
from theorems.samplers import CLASSIFIED_TEACHER, ratio_quantile
from theorems.setting import CONFIDENCE, ERROR, GAUSSIAN, HIDDEN, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, delta, note
from verify.relations import Relation
from verify.statements import Check, Claim, Control, Derivation, Finding, Kind, Point, Statement, Step

upper = sp.Symbol("B", positive=True)
below = sp.Symbol("v", positive=True)

RATIO = sp.Symbol(r"\frac{V(L_\varepsilon)}{V(\mathcal{G})}")
CLAIM = Claim(
    RATIO,
    Relation.AT_MOST,
    upper / (delta * below),
    where=((upper, f10.BOUND), (below, f13.CLAIM.bound), *f10.CLAIM.where, *f13.CLAIM.where),
    proviso=(
        "with probability at least 1 − 2δ over X, for the labels of a teacher with k neurons independent of X; B is "
        "the bound F10, v the bound F13"
    ),
)


def _union() -> bool | None:
    """Outside two events of probability δ each, V(L) <= B/δ and V(G) >= v, so the ratio is at most B/(δ v)."""
    bound, v = sp.symbols("B v", positive=True)
    slack, gain = sp.symbols("slack gain", nonnegative=True)
    worst = (bound / delta - slack) / (v + gain)
    gap = sp.together(bound / (delta * v) - worst)
    numerator, denominator = sp.fraction(gap)
    return bool(sp.expand(numerator).is_nonnegative and denominator.is_positive)


def _first_sizes() -> tuple[bool | None, str]:
    rows = []
    for n, a, b in ((500, 100, 400), (1000, 150, 600)):
        value = STATEMENT.log_bound(N=n, d0=a, d1=b, epsilon=0.1, rho=0.1, delta=0.05, k=1)
        rows.append((n, a, b, value))
    low, high = 2, 500
    while low < high:  # the bound falls with d, so the first d below one is found by bisection
        middle = (low + high) // 2
        value = STATEMENT.log_bound(N=500, d0=middle, d1=middle, epsilon=0.1, rho=0.1, delta=0.05, k=1)
        low, high = (low, middle) if value < 0 else (middle + 1, high)
    shown = "; ".join(f"e^{value:.0f} at (N, d0, d1) = ({n}, {a}, {b})" for n, a, b, value in rows)
    return all(row[3] < 0 for row in rows), (
        "For the labels of a one-neuron teacher and ε = 0.1, the finite-size ratio is below one with probability 0.9 "
        f"at sizes that people train: {shown}; at N = 500 from d0 = d1 = {low} on."
    )


# For showing beside the paper's ratio bound, with probability 0.9.
ONE_TEACHER = CLAIM.at(delta=sp.Rational(1, 20), k=1)

STATEMENT = Statement(
    id="f15",
    kind=Kind.BOUND,
    title="Theorem 10 at finite size, teacher labels",
    citation=note("F15"),
    summary=(
        "At every size, the ratio of the volume of the regions with sub-optimal minima to that of the regions with "
        "global minima is below an explicit number, for most inputs and the labels of a teacher."
    ),
    variables=(
        SAMPLES,
        INPUTS,
        HIDDEN,
        ERROR,
        SLOPE,
        CONFIDENCE,
        TEACHERS,
    ),
    assumptions=(GAUSSIAN, NOT_LINEAR, NARROW_TEACHER),
    claim=CLAIM,
    uses=("f10", "f13"),
    steps=(
        Step(
            "Outside two events of probability at most δ each (Markov for L_ε, small cells for the teacher), the ratio "
            "is at most B/(δ v).",
            r"V(L_\varepsilon) \le \frac{B}{\delta},\quad V(\mathcal{G}) \ge v \;\Rightarrow\; "
            r"\frac{V(L_\varepsilon)}{V(\mathcal{G})} \le \frac{B}{\delta v}",
            _union,
        ),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="measured ratio",
            text=(
                "Draws data sets with the labels of a one-neuron teacher, and for each of them many W; decides for "
                "each region whether it contains a sub-optimal and whether it contains a global minimum, and holds "
                "the 1 − 2δ quantile over X of the ratio of the two volumes against the bound. Sizes at which all of "
                "it can be decided are sizes at which the bound is vacuous."
            ),
            sampler=CLASSIFIED_TEACHER,
            read=lambda tally, point: ratio_quantile(tally, 2 * point.real("delta")),
            grid=tuple(
                Point(N=n, d0=a, d1=b, epsilon=0.1, rho=slope, delta=0.25, k=1)
                for n, a, b, slope in ((6, 4, 5, 0.0), (8, 3, 6, 0.1))
            ),
            chunks=4,
            controls=(Control("direction", "the ratio is at least the bound", CLAIM.reversed()),),
        ),
    ),
    findings=(Finding("finite-ratio", "At finite size the ratio bound says something early", _first_sizes),),
    notes=("The same bound for any labels, through F18, is not yet part of the suite.",),
)
