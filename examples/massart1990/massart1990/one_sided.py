"""Theorem 1: an empirical distribution function exceeds the true one by ε with probability at most exp(−2 n ε²).

The law of the excess is known at every n (Birnbaum & Tingey 1951), so the claim is held against exact values as well.
"""

from __future__ import annotations

import math
from fractions import Fraction

import sympy as sp

from verify.pictures import Curves, Series
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import (
    Assumption,
    Check,
    Citation,
    Claim,
    Control,
    Derivation,
    Kind,
    Picture,
    Point,
    Sampler,
    Statement,
    Step,
    Variable,
)
from verify.statistics.estimates import Exact, Proportion

n = sp.Symbol("n", integer=True, positive=True)
epsilon = sp.Symbol("epsilon", positive=True)

CLAIM = Claim(
    quantity=sp.Symbol(r"\mathbb{P}\left(\sup_x \left(F_n(x) - F(x)\right) > \varepsilon\right)"),
    relation=Relation.AT_MOST,
    bound=sp.exp(-2 * n * epsilon**2),
)
VARIABLES = (
    Variable(n, "number of independent samples", sp.S.Naturals),
    Variable(epsilon, "excess of the empirical distribution function", sp.Interval.open(0, 1)),
)
DRAWN = 20_000  # samples of n numbers in one chunk


def excess(point: Point, draw: Draw) -> Tally:
    """One chunk: how often the excess, and how often the distance, is above ε. F may be taken to be uniform."""
    size, level = point.integer("n"), point.real("epsilon")
    sample = draw.rng.random((DRAWN, size))
    sample.sort(axis=1)
    steps = draw.backend.xp.arange(1, size + 1) / size
    above, below = (steps - sample).max(axis=1), (sample - steps).max(axis=1) + 1 / size
    either = (above > level) | (below > level)
    return {"above": int((above > level).sum()), "either": int(either.sum()), "trials": DRAWN}


SAMPLED = Sampler("massart-uniform", excess)


def one_sided(size: int, level: Fraction) -> Fraction:
    """The probability itself, by Birnbaum & Tingey 1951."""
    last = int(size * (1 - level))
    terms = (
        math.comb(size, j) * (level + Fraction(j, size)) ** (j - 1) * (1 - level - Fraction(j, size)) ** (size - j)
        for j in range(last + 1)
    )
    return level * sum(terms, start=Fraction(0))


def exact(point: Point, draw: Draw) -> Tally:
    """The natural log of the probability, in rational arithmetic up to the log."""
    level = Fraction(str(point["epsilon"]))
    return {"log": [math.log(one_sided(point.integer("n"), level))]}


def at_the_threshold() -> bool | None:
    """At the least ε that is allowed, the bound is one half."""
    return bool(sp.simplify(CLAIM.bound.subs(epsilon, sp.sqrt(sp.log(2) / (2 * n))) - sp.Rational(1, 2)) == 0)


def scaled() -> bool | None:
    """In λ = ε √n the bound is Smirnov's limit exp(−2 λ²), so no larger constant would do."""
    scale = sp.Symbol("lambda", positive=True)
    return bool(sp.simplify(CLAIM.bound.subs(epsilon, scale / sp.sqrt(n)) - sp.exp(-2 * scale**2)) == 0)


def tail() -> Curves:
    """Natural logs of the bound and of the probability."""
    sizes = tuple(range(5, 101, 5))
    values = tuple(math.log(one_sided(size, Fraction(3, 10))) for size in sizes)
    bounds = tuple(CLAIM.log_bound(n=size, epsilon=0.3) for size in sizes)
    series = (Series("bound", sizes, bounds, style="dashed"), Series("exact", sizes, values))
    return Curves("number of samples", "probability", series)


GRID = tuple(Point(n=size, epsilon=level) for size, level in ((10, 0.3), (20, 0.3), (40, 0.2)))
CONTROLS = (
    Control("constant", "exp(−4 n ε²) in place of exp(−2 n ε²)", CLAIM.with_bound(lambda bound: bound**2)),
    Control("direction", "the probability is at least the bound", CLAIM.reversed()),
)

STATEMENT = Statement(
    id="massart-one-sided",
    kind=Kind.THEOREM,
    title="The one-sided inequality with the tight constant",
    citation=Citation("Massart 1990", "Theorem 1", "https://doi.org/10.1214/aop/1176990746"),
    summary="An empirical distribution function rarely exceeds the true one by much, at the rate of Smirnov's limit.",
    variables=VARIABLES,
    assumptions=(Assumption("half", "the bound is at most one half", condition=sp.Ge(2 * n * epsilon**2, sp.log(2))),),
    claim=CLAIM,
    steps=(
        Step(
            "At the least ε that is allowed, the bound is one half.",
            r"e^{-2 n \varepsilon^2} = \tfrac{1}{2}",
            at_the_threshold,
        ),
        Step("The bound is Smirnov's limit at every n.", r"e^{-2 n \varepsilon^2} = e^{-2 \lambda^2}", scaled),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="sampled",
            text="Draws uniform samples and counts how often their distribution function is too high.",
            sampler=SAMPLED,
            read=lambda tally, point: Proportion(count(tally, "above"), count(tally, "trials")),
            grid=GRID,
            controls=CONTROLS,
        ),
        Check(
            name="exact",
            text="Evaluates the law of the excess (Birnbaum & Tingey 1951) in rational arithmetic.",
            sampler=Sampler("massart-exact", exact),
            read=lambda tally, point: Exact(entries(tally, "log")[0]),
            grid=(*GRID, Point(n=100, epsilon=0.3), Point(n=300, epsilon=0.05)),
            chunks=1,
            controls=CONTROLS,
        ),
    ),
    pictures=(Picture("tail", "The probability and its bound", "For ε = 0.3; both fall at one rate.", tail),),
)
