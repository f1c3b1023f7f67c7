"""Definition 5: the constant `γ_ε` in the exponents of Theorems 6 and 10."""

from __future__ import annotations

import math
from fractions import Fraction

import sympy as sp

from theorems.setting import ERROR, GAMMA, NOT_LINEAR, SHARE, SLOPE, N, epsilon, gamma, paper, rho, share
from verify.asymptotics import Scaling, limit_ratio, little_o
from verify.relations import Relation
from verify.sampling import Draw, Tally
from verify.statements import (
    Assumption,
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
)
from verify.statistics.estimates import Estimate, Exact

POWER = sp.Rational(3, 4)
CLAIM = Claim(gamma, Relation.EQUAL, GAMMA, proviso="where λ = lim d0/N")
LOWER = Claim(gamma, Relation.AT_LEAST, sp.Rational(23, 100) * epsilon**POWER)
UPPER = Claim(gamma, Relation.AT_MOST, sp.Rational(23, 100))
IN_RANGE = Assumption("range", "ε and the limit of d0/N are at most 1.", condition=(epsilon < 1) & (share <= 1))


def _along(point: Point) -> Scaling:
    """A scaling of `d0` that has the point's limit of `d0/N`."""
    limit = sp.Rational(repr(point["lambda"]))
    # Where the limit is 0, d0 still grows as Assumption 3 asks.
    return Scaling(1, 0, k0=limit) if limit else Scaling(sp.Rational(3, 4), 0)


def _by_hand(point: Point, draw: Draw) -> Tally:
    """`γ_ε` from the words of the definition: the limit along a scaling, and the fourth power as a fraction."""
    limit = limit_ratio(_along(point).d0(N), N, N)
    if limit is None:
        raise ValueError(f"the limit of d0/N along {_along(point)} was not found")
    error = Fraction(repr(point.real("epsilon")))
    largest = error if point.real("rho") == 0 else max(error, Fraction(int(limit.p), int(limit.q)))
    fourth = Fraction(23, 100) ** 4 * largest**3
    return {"log": [(math.log(fourth.numerator) - math.log(fourth.denominator)) / 4]}


def read(tally: Tally, point: Point) -> Estimate:
    """The value, the same in every chunk."""
    return Exact(float(tally["log"][0]))  # type: ignore[index]


def _between() -> bool | None:
    """`ε ≤ max(λ, ε) ≤ 1`, for `λ = ε + s` and for `ε = λ + s`; the power 3/4 and the constant keep the order."""
    low, more = sp.symbols("a s", nonnegative=True)
    above = sp.Max(low + more, low) - low  # λ = ε + s, with ε = a
    below = sp.Max(low, low + more) - (low + more)  # ε = λ + s, with λ = a
    return bool(above.is_nonnegative and below.is_zero)


def _increasing() -> bool | None:
    """`d/dm 0.23 m^(3/4) > 0`."""
    largest = sp.Symbol("m", positive=True)
    answer: bool | None = sp.diff(sp.Rational(23, 100) * largest**POWER, largest).is_positive
    return answer


def _vanishing_share() -> bool | None:
    """`d0/N → 0` along `d0 = k N^(1−s)`, `s > 0`."""
    s, k = sp.symbols("s k", positive=True)
    return little_o(Scaling(1 - s, 0, k0=k).d0(N), N, N)


def _proportional_share() -> bool | None:
    """`d0/N → k` along `d0 = k N`."""
    k = sp.Symbol("k", positive=True)
    limit = limit_ratio(Scaling(1, 0, k0=k).d0(N), N, N)
    return None if limit is None else bool(limit == k)


def _one_argument() -> tuple[bool | None, str]:
    below, proportional = _vanishing_share(), _proportional_share()
    nearly = little_o(N / sp.log(N), N, N)
    so = None if None in (below, proportional, nearly) else bool(below and proportional and nearly)
    value = float(GAMMA.subs({rho: sp.Rational(1, 10), share: 0, epsilon: sp.Rational(1, 10)}))
    return so, (
        "The limit of d0/N is 0 along d0 = N^a for every a < 1, and also along d0 = N/log N. There "
        f"γ_ε = 0.23 ε^(3/4) for every slope: {value:.4f} at ε = 0.1. The first argument of the maximum, and with it "
        "the difference between ρ = 0 and ρ ≠ 0, matters only where d0 is proportional to N."
    )


SAMPLER = Sampler("definition-5-by-hand", _by_hand)

_GRID = tuple(
    Point(epsilon=error, rho=slope, **{"lambda": limit})
    for error in (0.05, 0.1, 0.5)
    for slope in (0.0, 0.1)
    for limit in (0, 0.3, 1)
)

STATEMENT = Statement(
    id="definition-5",
    kind=Kind.DEFINITION,
    title="The constant in the exponent",
    citation=paper("Definition 5"),
    summary=(
        "γ_ε is 0.23 times the power 3/4 of ε, or, for slopes other than 0, of the larger one of ε and the limit of "
        "d0/N."
    ),
    variables=(ERROR, SLOPE, SHARE),
    assumptions=(NOT_LINEAR, IN_RANGE),
    claim=CLAIM,
    steps=(
        Step(
            "The maximum lies between ε and 1.",
            r"\varepsilon \le \max(\lambda, \varepsilon) \le 1",
            _between,
        ),
        Step(
            "γ_ε increases with it.",
            r"\frac{d}{dm}\, 0.23\, m^{3/4} > 0",
            _increasing,
        ),
        Step(
            "Where d0 grows more slowly than N, the limit is 0 …",
            r"d_0 = k N^{1 - s} \;\Rightarrow\; d_0/N \to 0",
            _vanishing_share,
        ),
        Step(
            "… and where it is proportional to N, the limit is the factor.",
            r"d_0 = k N \;\Rightarrow\; d_0/N \to k",
            _proportional_share,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="value",
            text=(
                "Takes the limit of d0/N along a scaling, and computes the fourth power of γ_ε as a fraction. It must "
                "agree with the formula that all bounds are evaluated from."
            ),
            sampler=SAMPLER,
            read=read,
            grid=_GRID,
            chunks=1,
            controls=(
                Control(
                    "minimum",
                    "the smaller one in place of the larger",
                    CLAIM.with_bound(lambda bound: sp.Rational(23, 100) * sp.Min(share, epsilon) ** POWER),
                ),
                Control(
                    "exponent",
                    "4/3 in place of 3/4",
                    CLAIM.with_bound(lambda bound: bound.xreplace({POWER: 1 / POWER})),
                ),
                Control(
                    "slope",
                    "the cases ρ = 0 and ρ ≠ 0 exchanged",
                    CLAIM.with_bound(lambda bound: bound.xreplace({sp.Eq(rho, 0): sp.Ne(rho, 0)})),
                ),
                Control(
                    "constant", "0.24 in place of 0.23", CLAIM.with_bound(lambda bound: bound * sp.Rational(24, 23))
                ),
            ),
        ),
        Check(
            name="lower end",
            text="The same value is at least 0.23 ε^(3/4).",
            sampler=SAMPLER,
            read=read,
            claim=LOWER,
            grid=_GRID,
            chunks=1,
            controls=(
                Control("exponent", "ε^(2/3)", LOWER.with_bound(lambda bound: bound / epsilon ** sp.Rational(1, 12))),
                Control("constant", "0.24", LOWER.with_bound(lambda bound: bound * sp.Rational(24, 23))),
            ),
        ),
        Check(
            name="upper end",
            text="The same value is at most 0.23.",
            sampler=SAMPLER,
            read=read,
            claim=UPPER,
            grid=_GRID,
            chunks=1,
            controls=(
                Control("constant", "a hundredth of it", UPPER.with_bound(lambda bound: bound / 100)),
                Control("direction", "at least 0.23", UPPER.reversed()),
            ),
        ),
    ),
    findings=(Finding("one-argument", "Only inputs as many as samples make use of the maximum", _one_argument),),
)
