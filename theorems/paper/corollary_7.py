"""Corollary 7: for most inputs, not only on average, the volume of the sub-optimal regions is small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sympy as sp

from theorems.paper.theorem_6 import CLAIM as AVERAGE
from theorems.paper.theorem_6 import DEEP, SQUARE
from theorems.samplers import RARE, rare_quantile
from theorems.setting import (
    CONFIDENCE,
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
    delta,
    gamma,
    paper,
)
from theorems.surveys import ASYMPTOTIC
from verify.asymptotics import Order, Reading, Scaling, decide, little_o
from verify.network import regions
from verify.relations import Relation
from verify.sampling import Draw, Tally, entries
from verify.statements import (
    Check,
    Claim,
    Control,
    Derivation,
    Finding,
    Kind,
    Path,
    Point,
    Sampler,
    Statement,
    Step,
)
from verify.statistics.estimates import NestedQuantile

INNER = 256
OUTER = 16

VOLUME = sp.Symbol(r"V\left(L_\varepsilon(X, y)\right)")
CLAIM = Claim(
    VOLUME,
    Relation.ASYMPTOTICALLY_AT_MOST,
    AVERAGE.bound / delta,
    where=GAMMA_WHERE,
    proviso="with probability at least 1 − δ over X, for every δ > 0",
)


FIRST_ORDER = replace(CLAIM, quantity=sp.Symbol(r"\mathbb{P}_W\left(\mathrm{MCE}(y - P y) > \varepsilon \mid X\right)"))


def _nested(point: Point, draw: Draw) -> Tally:
    """Hits of the first-order event among `INNER` regions, for each of `OUTER` data sets."""
    n, d0, d1 = point.integer("N"), point.integer("d0"), point.integer("d1")
    hits, doubtful = [], []
    for _ in range(OUTER):
        X = draw.normal(d0, n)
        y = draw.rng.integers(0, 2, n).astype(np.float64)
        found = regions.kernels(draw.normal(INNER, d1, d0), X, point.real("rho"))
        event = regions.misclassified_above(found, y, point.real("epsilon"))
        hits.append(event.hits)
        doubtful.append(event.doubtful)
    return {"hits": hits, "doubtful": doubtful}


NESTED = Sampler("nested-volume", _nested)


def _quantile(tally: Tally, point: Point) -> NestedQuantile:
    return NestedQuantile(entries(tally, "hits"), entries(tally, "doubtful"), INNER, point.real("delta"))


def _markov() -> bool | None:
    """`E V = p·B/δ + rest` and `E V = B − slack`, with `rest, slack >= 0`, give `p <= δ`."""
    p, bound, rest, slack = sp.symbols("p B rest slack", nonnegative=True)
    total = sp.Eq(p * bound / delta + rest, bound - slack)
    (probability,) = sp.solve(total, p)
    positive = sp.Symbol("B", positive=True)
    gap = sp.simplify((delta - probability).subs(bound, positive) * positive / delta)
    return bool(sp.expand(gap - rest - slack) == 0)


def _factor_is_negligible() -> bool | None:
    s, t = sp.symbols("s t", positive=True)
    scaling = Scaling(sp.Rational(1, 2) + s, sp.Rational(1, 2) - s + t)
    return little_o(sp.log(1 / delta), scaling.substitute(LEADING_EXPONENT, N, *_WIDTHS), N)


def _factor_is_invisible() -> tuple[bool | None, str]:
    scaling = Scaling(sp.Rational(3, 4), sp.Rational(1, 2))
    exponent = scaling.substitute(LEADING_EXPONENT, N, *_WIDTHS)
    with_factor = -sp.Rational(23, 1000) * exponent + sp.log(1 / delta)
    equal = decide(with_factor, -sp.Rational(23, 1000) * exponent, Order.EQUAL, Reading.CORRECTED, N)
    return equal, (
        "The factor 1/δ changes the exponent by a constant, which the relation ⩽̇ does not see: the corollary with and "
        "without it is the same claim, for every fixed δ. At a finite size it decides whether the bound says anything."
    )


_WIDTHS = (INPUTS.symbol, HIDDEN.symbol)
_POINTS = {"epsilon": 0.1, "delta": 0.5, "lambda": 0}
_PATHS = (
    Path.along(DEEP, (12, 16, 24), rho=0.0, **_POINTS),
    Path.along(SQUARE, (12, 16, 24), rho=0.1, **_POINTS),
)
_RARE_PATHS = (Path.along(DEEP, (16, 20, 24), rho=0.0, **_POINTS),)


def _mutants(claim: Claim, paths: tuple[Path, ...]) -> tuple[Control, ...]:
    return (
        Control(
            "constant",
            "γ fifty times as large",
            claim.with_bound(lambda bound: bound.xreplace({gamma: 50 * gamma})),
            paths=paths,
        ),
        Control(
            "exponent",
            "N^(9/4) in place of N^(3/4)",
            claim.with_bound(lambda bound: bound.xreplace({N ** sp.Rational(3, 4): N ** sp.Rational(9, 4)})),
            paths=paths,
        ),
        Control("direction", "the volume is at least the bound", claim.reversed()),
    )


STATEMENT = Statement(
    id="corollary-7",
    kind=Kind.COROLLARY,
    title="Small volume for most inputs",
    citation=paper("Corollary 7"),
    summary=(
        "Not only on average: for all but a fraction δ of the inputs X, the volume of the regions with a sub-optimal "
        "differentiable local minimum is below 1/δ times the bound of Theorem 6."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, ERROR, SLOPE, SHARE, CONFIDENCE),
    assumptions=(GAUSSIAN, GROWING, DIMENSIONS, WIDTHS, NOT_LINEAR),
    claim=CLAIM,
    uses=("theorem-6",),
    steps=(
        Step(
            "Markov's inequality: a volume of mean at most B exceeds B/δ with probability at most δ.",
            r"\mathbb{P}_X\left(V > B/\delta\right) \le \frac{\delta\, \mathbb{E}_X V}{B} \le \delta",
            _markov,
        ),
        Step(
            "The factor 1/δ is negligible beside the exponent.",
            r"\log(1/\delta) = o\left(N^{3/4} (d_0 d_1)^{1/4}\right)",
            _factor_is_negligible,
        ),
    ),
    derivation=Derivation.COMPLETE,
    checks=(
        Check(
            name="distribution over X",
            leading=AVERAGE,
            text=(
                "Nested sampling: many data sets X, and for each the first-order volume from its own sample of W. "
                "Shown is the 1 − δ quantile of the volume over X, with an interval that accounts for both layers."
            ),
            sampler=NESTED,
            read=_quantile,
            claim=FIRST_ORDER,
            sufficient=True,
            paths=_PATHS,
            chunks=6,
            controls=_mutants(FIRST_ORDER, _PATHS[:1]),
        ),
        Check(
            name="rare events over X",
            extends="distribution over X",
            leading=AVERAGE,
            text=(
                "Draws data sets with random labels, and for each estimates the first-order volume by multilevel "
                "splitting over the neurons, where plain sampling sees nothing. Shown is the 1 − δ quantile over X. "
                "The lower ends for each X are proved; the upper ends take the logs of the replicates for normal."
            ),
            sampler=RARE,
            read=rare_quantile,
            claim=FIRST_ORDER,
            sufficient=True,
            paths=_RARE_PATHS,
            chunks=4,
            controls=_mutants(FIRST_ORDER, _RARE_PATHS),
        ),
    ),
    findings=(Finding("invisible-delta", "The factor 1/δ is invisible to the relation", _factor_is_invisible),),
    survey=replace(ASYMPTOTIC, fixed={**ASYMPTOTIC.fixed, "delta": 0.05}),
)
