"""Corollary 1: the two-sided inequality P(sup |F_n − F| > ε) ≤ 2 exp(−2 n ε²), for every ε."""

from __future__ import annotations

import sympy as sp

from massart1990 import one_sided
from massart1990.one_sided import SAMPLED, VARIABLES, epsilon, n
from verify.relations import Relation
from verify.sampling import count
from verify.statements import Check, Citation, Claim, Control, Derivation, Kind, Statement, Step
from verify.statistics.estimates import Proportion

CLAIM = Claim(
    quantity=sp.Symbol(r"\mathbb{P}\left(\sup_x \left|F_n(x) - F(x)\right| > \varepsilon\right)"),
    relation=Relation.AT_MOST,
    bound=2 * sp.exp(-2 * n * epsilon**2),
)


def both_sides() -> bool | None:
    """The excess and the lack have one law, by symmetry: twice the one-sided bound."""
    return bool(sp.simplify(CLAIM.bound - 2 * one_sided.CLAIM.bound) == 0)


def small() -> bool | None:
    """Where the one-sided theorem does not speak, 2 n ε² = x < log 2, the bound 2 exp(−x) is above 1."""
    x = sp.Symbol("x", positive=True)
    bound = CLAIM.bound.subs(epsilon, sp.sqrt(x / (2 * n)))
    return bool(sp.diff(bound, x).is_negative and sp.simplify(bound.subs(x, sp.log(2)) - 1) == 0)


STATEMENT = Statement(
    id="massart-two-sided",
    kind=Kind.COROLLARY,
    title="The Dvoretzky–Kiefer–Wolfowitz inequality",
    citation=Citation("Massart 1990", "Corollary 1", "https://doi.org/10.1214/aop/1176990746"),
    summary="An empirical distribution function is close to the true one everywhere, with the constant 2.",
    variables=VARIABLES,
    assumptions=(),
    claim=CLAIM,
    uses=("massart-one-sided",),
    steps=(
        Step("The sum over both sides, each of which has the one-sided bound.", CLAIM.bound, both_sides),
        Step("For smaller ε the bound is one or more.", r"2 e^{-x} \ge 1 \text{ for } x \le \log 2", small),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="sampled",
            text="Draws uniform samples and counts how often their distribution function is too far off.",
            sampler=SAMPLED,
            read=lambda tally, point: Proportion(count(tally, "either"), count(tally, "trials")),
            grid=one_sided.GRID,
            controls=(
                Control("constant", "half of it, the bound for one side", CLAIM.with_bound(lambda bound: bound / 2)),
                Control("direction", "the probability is at least the bound", CLAIM.reversed()),
            ),
        ),
    ),
)
