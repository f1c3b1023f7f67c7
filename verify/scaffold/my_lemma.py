"""TODO: the source, and in one line what it says.

This module runs as it stands. Its claim is false on purpose, so that it cannot be taken for a result: the bound for a
fair coin has exp(−8 n t²) where Hoeffding's inequality has exp(−2 n t²). Put your own in its place, from the top down,
and ask `python -m verify check-module` what is missing.
"""

from __future__ import annotations

import sympy as sp

from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Citation, Claim, Control, Kind, Point, Sampler, Statement, Step, Variable
from verify.statistics.estimates import Proportion

# The symbols of the claim, with what SymPy may assume of them. Points name them by these names.
n = sp.Symbol("n", integer=True, positive=True)
t = sp.Symbol("t", positive=True)

# Quantity, relation, bound. The bound is one SymPy expression: it is shown as it is evaluated.
CLAIM = Claim(
    quantity=sp.Symbol(r"\mathbb{P}\left(\bar{S}_n \ge \tfrac{1}{2} + t\right)"),
    relation=Relation.AT_MOST,
    bound=sp.exp(-8 * n * t**2),
)

DRAWN = 4096  # experiments in one chunk; keep it fixed, for a budget counts chunks


def draw_chunk(point: Point, draw: Draw) -> Tally:
    """One chunk of experiments: how often the event happened. Randomness comes from `draw` only."""
    size = point.integer("n")
    heads = draw.rng.binomial(size, 0.5, size=DRAWN)
    return {"hits": int((heads >= size * (0.5 + point.real("t"))).sum()), "trials": DRAWN}


def read(tally: Tally, point: Point) -> Proportion:
    """The quantity of the claim from all chunks of a point."""
    return Proportion(count(tally, "hits"), count(tally, "trials"))


def decreasing() -> bool | None:
    """One link of the proof, decided by SymPy: True, False, or None where it cannot tell."""
    return bool(sp.simplify(sp.diff(CLAIM.bound, n) / CLAIM.bound + 8 * t**2) == 0)


STATEMENT = Statement(
    id="my-lemma",
    kind=Kind.LEMMA,
    title="TODO: a title",
    citation=Citation("TODO: author and year", "TODO: number, such as Lemma 3"),
    summary="TODO: what it says, in a sentence for somebody who does not know it.",
    variables=(
        Variable(n, "number of coins", sp.S.Naturals),
        Variable(t, "distance from one half", sp.Interval.open(0, sp.Rational(1, 2))),
    ),
    assumptions=(),
    claim=CLAIM,
    steps=(Step("TODO: the links of the proof.", sp.Eq(sp.Derivative(sp.log(CLAIM.bound), n), -8 * t**2), decreasing),),
    checks=(
        Check(
            name="sampled",
            text="TODO: what is measured, and how.",
            sampler=Sampler("my-lemma-sampled", draw_chunk),
            read=read,
            grid=tuple(Point(n=size, t=0.1) for size in (10, 50)),
            chunks=4,
            # Claims that are known to be false. The check must reject each, or it supports nothing.
            controls=(Control("constant", "the fourth power of the bound", CLAIM.with_bound(lambda bound: bound**4)),),
        ),
    ),
)
