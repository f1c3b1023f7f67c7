"""F15: the paper's main theorem at finite size, for the labels of a teacher.

The ratio of the two volumes is below an explicit number with an explicit probability, at every size. It combines
the upper bound F10 on the regions with sub-optimal minima with the cells of the teacher's neurons.
"""

from __future__ import annotations

import numpy as np
import sympy as sp

from theorems.finite import f10
from theorems.functions import Cap, Margin
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
)
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
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
    Variable,
)
from verify.statistics.estimates import Proportion
from verify.volumes.caps import smallest_margin

teachers = sp.Symbol("k", integer=True, positive=True)
upper = sp.Symbol("B", positive=True)

RATIO = sp.Symbol(r"\frac{V(L_\varepsilon)}{V(\mathcal{G})}")
CLAIM = Claim(
    RATIO,
    Relation.AT_MOST,
    upper / (delta * Cap(Margin(delta, teachers * N, d0), d0) ** teachers),
    where=((upper, f10.BOUND), *f10.CLAIM.where),
    proviso="with probability at least 1 − 2δ over X and a Gaussian teacher with k ≤ d1 neurons; B is the bound F10",
)
MARGINS = Claim(
    sp.Symbol(r"\mathbb{P}\left(\min_{i, n} \frac{|w_i \cdot x_n|}{\|w_i\| \|x_n\|} \ge s_{d_0}(\delta, k N)\right)"),
    Relation.AT_LEAST,
    1 - delta,
)
WIDE_INPUTS = Assumption("two-inputs", "There are at least two inputs.", condition=d0 >= 2)
NARROW_TEACHER = Assumption("teacher-fits", "The network is at least as wide as the teacher.", condition=teachers <= d1)


def _margins(point: Point, draw: Draw) -> Tally:
    """How often all margins of `k` random neurons exceed the value of F12, and the doubled value."""
    n, inputs, k = point.integer("N"), point.integer("d0"), point.integer("k")
    least = smallest_margin(point.real("delta"), k * n, inputs)
    W = draw.rng.standard_normal((2048, k, inputs))
    X = draw.rng.standard_normal((2048, inputs, n))
    W /= np.linalg.norm(W, axis=2, keepdims=True)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    smallest = np.abs(W @ X).min(axis=(1, 2))
    return {
        "trials": 2048,
        "above": int((smallest >= least).sum()),
        "doubled": int((smallest >= 2 * least).sum()),
    }


SAMPLER = Sampler("teacher-margins", _margins)


def _above(tally: Tally, point: Point) -> Proportion:
    return Proportion(count(tally, "above"), count(tally, "trials"))


def _doubled(tally: Tally, point: Point) -> Proportion:
    return Proportion(count(tally, "doubled"), count(tally, "trials"))


def _union() -> bool | None:
    """Outside two events of probability δ each, V(L) <= B/δ and V(G) >= v, so the ratio is at most B/(δ v)."""
    large, small, bound, v = sp.symbols("L G B v", positive=True)
    slack, gain = sp.symbols("slack gain", nonnegative=True)
    worst = (bound / delta - slack) / (v + gain)
    gap = sp.together(bound / (delta * v) - worst)
    numerator, denominator = sp.fraction(gap)
    return bool(sp.expand(numerator).is_nonnegative and denominator.is_positive)


def _margin_density() -> bool | None:
    """F12 in two dimensions: the sine of a uniform angle is below s with probability (2/π) arcsin s."""
    s = sp.Symbol("s", positive=True)
    density = sp.diff(2 * sp.asin(s) / sp.pi, s)
    # d/ds I_{s²}(1/2, 1/2) = 2s · (s²)^(−1/2) (1−s²)^(−1/2) / B(1/2, 1/2), B(1/2, 1/2) = π.
    beta_density = (
        2
        * s
        * (s**2) ** sp.Rational(-1, 2)
        * (1 - s**2) ** sp.Rational(-1, 2)
        / sp.beta(sp.Rational(1, 2), sp.Rational(1, 2)).rewrite(sp.gamma)
    )
    return bool(sp.simplify(density - beta_density) == 0)


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


_GRID = tuple(
    Point(N=n, d0=a, d1=b, epsilon=0.1, rho=0.1, delta=level, k=k)
    for n, a, b, k, level in (
        (10, 2, 4, 1, 0.5),
        (10, 3, 4, 2, 0.25),
        (20, 8, 8, 1, 0.25),
        (40, 16, 8, 2, 0.5),
        (100, 25, 20, 1, 0.25),
    )
)

STATEMENT = Statement(
    id="f15",
    kind=Kind.BOUND,
    title="Theorem 10 at finite size, teacher labels",
    citation=note("F12, F13 and F15"),
    summary=(
        "At every size, the ratio of the volume of the regions with sub-optimal minima to that of the regions with "
        "global minima is below an explicit number, for most inputs and the labels of a Gaussian teacher."
    ),
    variables=(
        SAMPLES,
        INPUTS,
        HIDDEN,
        ERROR,
        SLOPE,
        CONFIDENCE,
        Variable(teachers, "neurons of the teacher", sp.S.Naturals),
    ),
    assumptions=(GAUSSIAN, NOT_LINEAR, WIDE_INPUTS, NARROW_TEACHER),
    claim=CLAIM,
    uses=("f10",),
    steps=(
        Step(
            "Outside two events of probability at most δ each (Markov for L_ε, small margins for the teacher), the ratio "
            "is at most B/(δ v).",
            r"V(L_\varepsilon) \le \frac{B}{\delta},\quad V(\mathcal{G}) \ge v \;\Rightarrow\; "
            r"\frac{V(L_\varepsilon)}{V(\mathcal{G})} \le \frac{B}{\delta v}",
            _union,
        ),
        Step(
            "The law of a margin (F12), in two dimensions.",
            r"I_{s^2}\left(\frac{1}{2}, \frac{1}{2}\right) = \frac{2}{\pi} \arcsin s",
            _margin_density,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="margins",
            text="Draws X and a Gaussian teacher, and counts how often all its angular margins exceed the value of F12.",
            sampler=SAMPLER,
            read=_above,
            claim=MARGINS,
            grid=_GRID,
            chunks=6,
            controls=(
                Control("constant", "margins twice as large", read=_doubled),
                Control("direction", "the probability is at most 1 − δ", MARGINS.reversed(), points=_GRID[:1]),
            ),
        ),
    ),
    findings=(Finding("finite-ratio", "At finite size the ratio bound says something early", _first_sizes),),
    notes=("The same bound for any labels, through F18, is not yet part of the suite.",),
)
