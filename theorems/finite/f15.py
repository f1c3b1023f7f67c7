"""F15: the paper's main theorem at finite size, for any labels.

The ratio of the two volumes is below an explicit number with an explicit probability, at every size. It combines the
smaller of the upper bounds F10 and F19 on the regions with sub-optimal minima with a lower bound on those with global
ones: F18 for any labels, F13 for the labels of a teacher.
"""

from __future__ import annotations

import math
from dataclasses import replace

import sympy as sp

from theorems.any_labels import AnyLabels
from theorems.finite import f10, f13, f19
from theorems.samplers import CLASSIFIED, CLASSIFIED_TEACHER, ratio_quantile
from theorems.setting import (
    CONFIDENCE,
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
    delta,
    note,
    rho,
)
from theorems.surveys import LABELS
from verify.relations import Relation
from verify.sampling import Tally
from verify.statements import (
    Assumption,
    Check,
    Claim,
    Control,
    Derivation,
    Finding,
    Kind,
    Point,
    Scalar,
    Statement,
    Step,
    Variable,
)
from verify.statistics.estimates import NestedOdds

upper = sp.Symbol("B", positive=True)
below = sp.Symbol("v", positive=True)
teachers = sp.Symbol("k", integer=True, nonnegative=True)
_F10, _F19 = sp.symbols("B_10 B_19", nonnegative=True)


class Quotient(Claim):
    """A bound in powers of `B` and `v`: infinite where the lower bound `v` is zero."""

    def log_bound(self, **parameters: Scalar) -> float:
        """Natural log of the bound, `inf` where nothing is claimed; errors as for `Claim.log_bound`.

        Part by part: SymPy takes seconds to put the whole together, and its parts are at hand from F10 and F19.
        """

        def log(part: sp.Expr) -> float:
            return Claim(self.quantity, self.relation, part, self.where).log_bound(**parameters)

        powers = self.bound.as_powers_dict()
        rest = self.bound / (upper ** powers[upper] * below ** powers[below])
        least = log(below)
        if least == -math.inf:
            return math.inf
        most = min(log(_F10), log(_F19))
        return float(powers[upper]) * most + float(powers[below]) * least + log(rest)


_TEACHER = f13.CLAIM.bound.xreplace({f13.teachers: teachers})
_LOWER = sp.Piecewise((_TEACHER, teachers >= 1), (AnyLabels(N, d0, d1, rho, delta), True))
_GIVEN = Quotient(
    sp.Symbol(r"\frac{V(L_\varepsilon)}{V(\mathcal{G})}"),
    Relation.AT_MOST,
    upper / (delta * below),
    where=(
        (upper, sp.Min(_F10, _F19)),
        (below, _LOWER),
        (_F10, f10.CLAIM.bound),
        (_F19, f19.CLAIM.bound),
        # What both abbreviate, they abbreviate alike.
        *dict.fromkeys((f10.CLAIM.where[0], *f19.CLAIM.where, *f13.CLAIM.where)),
    ),
    proviso=(
        "with probability at least 1 − 2δ over X, for any labels (k = 0) or for those of a teacher with k neurons that "
        "is independent of X; B is the smaller of the bounds F10 and F19, v the bound F18 or F13"
    ),
)
# For showing beside the paper's ratio bound, with probability 0.9.
ONE_TEACHER = _GIVEN.at(delta=sp.Rational(1, 20), k=1)
CLAIM = replace(_GIVEN, where=(*_GIVEN.where, (teachers, sp.Integer(0)), (delta, sp.Rational(1, 20))))

NARROW_TEACHER = Assumption("teacher-fits", "The network is at least as wide as the teacher.", condition=teachers <= d1)


def _union() -> bool | None:
    """Outside two events of probability δ each, V(L) <= B/δ and V(G) >= v, so the ratio is at most B/(δ v)."""
    bound, v = sp.symbols("B v", positive=True)
    slack, gain = sp.symbols("slack gain", nonnegative=True)
    worst = (bound / delta - slack) / (v + gain)
    gap = sp.together(bound / (delta * v) - worst)
    numerator, denominator = sp.fraction(gap)
    return bool(sp.expand(numerator).is_nonnegative and denominator.is_positive)


def _ratio(n: int, inputs: int, width: int, slope: float, teacher: int = 0) -> float:
    return STATEMENT.log_bound(N=n, d0=inputs, d1=width, epsilon=0.1, rho=slope, k=teacher)


def _first_width(n: int, slope: float, teacher: int = 0) -> int:
    """The least d0 = d1 from which the ratio bound is below one; it falls with d there, so bisection finds it."""
    low, high = 2, n
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _ratio(n, middle, middle, slope, teacher) < 0 else (middle + 1, high)
    return low


def _any_labels() -> tuple[bool | None, str]:
    first = [_first_width(30, slope) for slope in (0.1, 0.0)]
    leaky, relu = (_ratio(200, 60, 150, slope) for slope in (0.1, 0.0))
    return max(leaky, relu) < 0, (
        "For any labels and ε = 0.1 the finite-size ratio is below one with probability 0.9. For leaky ReLU (ρ = 0.1) "
        f"and for ReLU it is at most e^{leaky:.0f} and e^{relu:.0f} at (N, d0, d1) = (200, 60, 150), and below one at "
        f"N = 30 from d0 = d1 = {first[0]} and {first[1]} on."
    )


def _teacher_labels() -> tuple[bool | None, str]:
    value = _ratio(500, 100, 400, 0.1, teacher=1)
    return value < 0, (
        "For the labels of a one-neuron teacher and ε = 0.1, the finite-size ratio is below one with probability 0.9 "
        f"at sizes that people train: e^{value:.0f} at (N, d0, d1) = (500, 100, 400) and ρ = 0.1; at N = 100 from "
        f"d0 = d1 = {_first_width(100, 0.1, teacher=1)} on."
    )


def _measured(tally: Tally, point: Point) -> NestedOdds:
    return ratio_quantile(tally, 2 * point.real("delta"))


STATEMENT = Statement(
    id="f15",
    kind=Kind.BOUND,
    title="Theorem 10 at finite size",
    citation=note("F15"),
    summary=(
        "At every size, the ratio of the volume of the regions with sub-optimal minima to that of the regions with "
        "global minima is below an explicit number, for most inputs: for any labels, and better for those of a teacher."
    ),
    variables=(
        SAMPLES,
        INPUTS,
        HIDDEN,
        ERROR,
        SLOPE,
        replace(CONFIDENCE, meaning="probability of failure over X, twice; 1/20 if not given"),
        Variable(teachers, "neurons of the teacher; 0, if not given, for any labels", sp.S.Naturals0),
    ),
    assumptions=(GAUSSIAN, NOT_LINEAR, NARROW_TEACHER),
    claim=CLAIM,
    uses=("f10", "f19", "f13", "f18"),
    steps=(
        Step(
            "Outside two events of probability at most δ each (Markov for L_ε, F18 or F13 for G), the ratio is at most "
            "B/(δ v).",
            r"V(L_\varepsilon) \le \frac{B}{\delta},\quad V(\mathcal{G}) \ge v \;\Rightarrow\; "
            r"\frac{V(L_\varepsilon)}{V(\mathcal{G})} \le \frac{B}{\delta v}",
            _union,
        ),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="any labels",
            text=(
                "Draws data sets with random labels, and for each of them many W; decides for each region whether it "
                "contains a sub-optimal and whether it contains a global minimum, and holds the 1 − 2δ quantile over X "
                "of the ratio of the two volumes against the bound, at small sizes at which it is below one."
            ),
            sampler=CLASSIFIED,
            read=_measured,
            grid=tuple(
                Point(N=n, d0=a, d1=b, epsilon=0.1, rho=slope, delta=0.25)
                for n, a, b, slope in ((6, 5, 7, 0.1), (6, 5, 7, -0.5))
            ),
            chunks=4,
            controls=(Control("direction", "the ratio is at least the bound", CLAIM.reversed()),),
        ),
        Check(
            name="teacher labels",
            text=(
                "The same for the labels of a one-neuron teacher and the bound for it. Sizes at which all of it can be "
                "decided are sizes at which that bound is vacuous."
            ),
            sampler=CLASSIFIED_TEACHER,
            read=_measured,
            grid=(Point(N=6, d0=4, d1=5, epsilon=0.1, rho=0.0, delta=0.25, k=1),),
            chunks=4,
            controls=(Control("direction", "the ratio is at least the bound", CLAIM.reversed()),),
        ),
    ),
    findings=(
        Finding("any-labels", "For any labels the ratio bound says something at small sizes", _any_labels),
        Finding("finite-ratio", "For a teacher the ratio bound says something early", _teacher_labels),
    ),
    survey=LABELS,
)
