"""Section 6, extension: critical points at which some pre-activations are exactly zero.

The paper drops the neurons with such a pre-activation, and replaces d1 by the number of those that are kept. Two
things have to be added: which neurons are dropped is a choice, and so a factor; and the dropped neurons' outputs
stay in the network, so the kept ones meet labels that depend on W. The any-label event of F5 covers the second.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import sympy as sp

from theorems.finite import f10
from theorems.paper.lemma_2 import gradient_in_first_layer
from theorems.setting import (
    DIMENSIONS,
    ERROR,
    GAMMA,
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
    epsilon,
    gamma,
    paper,
    rho,
    share,
)
from theorems.surveys import ASYMPTOTIC
from verify.asymptotics import Scaling, little_o
from verify.network import regions
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
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
    Variable,
)
from verify.statistics.estimates import Proportion

# Networks in one chunk: fewer where the neurons to drop can be chosen in many ways.
FEW, MANY, FEW_CHOICES = 192, 48, 12

r = sp.Symbol("r", nonnegative=True)
DROPPED = Variable(r, "fraction of the hidden units that is dropped", sp.Interval.Ropen(0, 1))
KEPT = d1 - sp.floor(r * d1)

CLAIM = Claim(
    sp.Symbol(r"\mathbb{E}_X V\left(L_\varepsilon^{(r)}(X, y)\right)"),
    Relation.ASYMPTOTICALLY_AT_MOST,
    sp.exp(-gamma * LEADING_EXPONENT.xreplace({d1: (1 - r) * d1})),
    where=GAMMA_WHERE,
    proviso="for the regions of the (1 − r) d1 neurons that are kept",
)


def _finite() -> Claim:
    """F10 for the neurons that are kept, times the number of choices; F10's index gets another letter."""
    rank, size, low = sp.Symbol("s", integer=True, nonnegative=True), sp.Symbol("t_s"), sp.Symbol("p_s")
    renamed = {f10.r: rank, f10.size: size, f10.low_rank: low}
    choices = sp.binomial(d1, sp.floor(r * d1))
    return Claim(
        sp.Symbol(
            r"\mathbb{E}_X V(L_\varepsilon^{(r)}) \le \mathbb{P}\left(\max_{\text{kept}} |T^{*}| > \varepsilon N\right)"
        ),
        Relation.AT_MOST,
        choices * f10.CLAIM.bound.xreplace({d1: KEPT}).xreplace(renamed),
        where=tuple(
            (symbol.xreplace(renamed), meaning.xreplace({d1: KEPT}).xreplace(renamed))
            for symbol, meaning in f10.CLAIM.where
        ),
    )


FINITE = _finite()

# Twice as wide as the paths of Theorem 6, so that what is kept has more parameters than there are samples.
SIZES = (8, 12, 16, 24)
PATHS = (
    Path.along(
        Scaling(sp.Rational(3, 4), sp.Rational(1, 2), k1=2), SIZES, epsilon=0.1, rho=0.0, r=0.25, **{"lambda": 0}
    ),
    Path.along(
        Scaling(sp.Rational(3, 5), sp.Rational(3, 5), k1=2), SIZES, epsilon=0.1, rho=0.1, r=0.25, **{"lambda": 0}
    ),
)

s, t, u = sp.symbols("s t u", positive=True)


def _binomial() -> bool | None:
    """`Σ_k C(d1, k) = 2^d1`, a sum of nonnegative terms."""
    k = sp.Symbol("k", integer=True, nonnegative=True)
    total = sp.summation(sp.binomial(d1, k), (k, 0, d1))
    return bool(sp.simplify(total - 2**d1) == 0 and sp.binomial(d1, k).is_nonnegative)


def _choices_are_negligible() -> bool | None:
    """Along `d0 = N^(1/2+s)`, `d1 = N^(1−u)`: all that Assumptions 3 and 4 allow."""
    scaling = Scaling(sp.Rational(1, 2) + s, 1 - u)
    leading = scaling.substitute(LEADING_EXPONENT, N, d0, d1)
    return little_o(scaling.d1(N) * sp.log(2), leading, N)


def _constant_factor() -> bool | None:
    """The exponent for the kept neurons is `(1 − r)^(1/4)` times that for all."""
    kept = sp.Symbol("q", positive=True)  # 1 − r
    ratio = LEADING_EXPONENT.xreplace({d1: kept * d1}) / LEADING_EXPONENT
    return bool(sp.powsimp(ratio / kept ** sp.Rational(1, 4), force=True) == 1)


def dropped(point: Point) -> int:
    """Number of neurons that are dropped."""
    return int(sp.floor(sp.Rational(repr(point.real("r"))) * point.integer("d1")))


def _kept(point: Point, draw: Draw) -> Tally:
    """The any-label event for the kept neurons: dropped at random, and for the worst choice of all."""
    n, inputs, width = point.integer("N"), point.integer("d0"), point.integer("d1")
    choices = np.array(list(itertools.combinations(range(width), width - dropped(point))))
    batch, number = (FEW if len(choices) <= FEW_CHOICES else MANY), len(choices)
    X, W = draw.rng.standard_normal((batch, inputs, n)), draw.rng.standard_normal((batch, width, inputs))
    at_random = draw.rng.integers(number, size=batch)
    happened, doubtful = (np.zeros((batch, number), dtype=bool) for _ in range(2))
    kept, repeated = W[:, choices].reshape(batch * number, -1, inputs), np.repeat(X, number, axis=0)
    asarray = draw.backend.asarray
    found = regions.kernels(asarray(kept), asarray(repeated), point.real("rho"))
    # The regions that are not among these have no kernel.
    for k, (one, choice) in enumerate(zip(*np.unravel_index(found.index, happened.shape), strict=True)):
        cut = slice(k, k + 1)
        single = regions.Kernels(
            found.index[cut], found.projector[cut], found.rank[cut], found.clear[cut], 1, found.active[cut]
        )
        event = regions.support_above(single, point.real("epsilon"))
        happened[one, choice], doubtful[one, choice] = event.hits > 0, event.doubtful > 0
    worst, each = happened.any(axis=1), np.arange(batch)
    return {
        "trials": batch,
        "random": int(happened[each, at_random].sum()),
        "random doubtful": int(doubtful[each, at_random].sum()),
        "worst": int(worst.sum()),
        "worst doubtful": int((~worst & doubtful.any(axis=1)).sum()),
    }


def read_random(tally: Tally, point: Point) -> Proportion:
    """Frequency of the event where the dropped neurons are chosen at random."""
    return _proportion(tally, "random")


def read_worst(tally: Tally, point: Point) -> Proportion:
    """Frequency of the event for some choice of the dropped neurons."""
    return _proportion(tally, "worst")


def _proportion(tally: Tally, name: str) -> Proportion:
    return Proportion(*(count(tally, key) for key in (name, "trials", f"{name} doubtful")))


def _measure_zero() -> tuple[bool | None, str]:
    """A pre-activation is Gaussian, so `P(|w·x| < t) = erf(t/√(2)‖x‖)`, which tends to 0 with t."""
    length, width = sp.symbols("l t", positive=True)
    limit = sp.limit(sp.erf(width / (sp.sqrt(2) * length)), width, 0)
    return bool(limit == 0), (
        f"P(|w·x| < t) tends to {limit} with t: the first layers with a zero pre-activation have angular volume zero. "
        "So the volume in this extension has to be read as that of the regions of the kept neurons."
    )


def _other_labels() -> tuple[bool | None, str]:
    """A critical point whose dropped neuron adds an error; decided in rational arithmetic, ρ = 0."""
    X, y = sp.Matrix([[1, 1, 2, 1], [0, 1, 1, 2]]), sp.Matrix([1, 1, 0, 1])
    kept, kept_weight = sp.Matrix([[1, 0]]), sp.Rational(1, 3)
    out, out_weight = sp.Matrix([[-1, 1]]), sp.Rational(2, 3)
    hidden = [list(w * X) for w in (kept, out)]
    outputs = [kept_weight * max(first, 0) + out_weight * max(second, 0) for first, second in zip(*hidden, strict=True)]
    e = y - sp.Matrix(outputs)
    active = all(value > 0 for value in hidden[0])
    stationary = (
        active and (X * e).is_zero_matrix and sum(max(v, 0) * r for v, r in zip(hidden[1], e, strict=True)) == 0
    )
    alone = list(X.T * (X * X.T).inv() * X * y)
    wrong = [
        sum((value > sp.Rational(1, 2)) != (label == 1) for value, label in zip(fit, y, strict=True))
        for fit in (alone, outputs)
    ]
    return bool(stationary and 0 in hidden[1] and wrong[1] > wrong[0]), (
        "A dropped neuron's output stays in the network. Example, ρ = 0: inputs (1,0), (1,1), (2,1), (1,2), labels "
        "1, 1, 0, 1; a kept neuron w = (1,0), z = 1/3 and a dropped one w = (−1,1), z = 2/3, whose pre-activation on "
        "the second sample is 0. The loss is stationary in w and z of the kept neuron and in z of the dropped one, and "
        f"{wrong[1]} of 4 samples are misclassified; the kept neuron's own projection of the labels misclassifies "
        f"{wrong[0]}. So the first-order event of the kept neurons for the labels y does not enclose such points. "
        "Their any-label event does, since the residual lies in the kernel for the kept neurons."
    )


def _choices_at_small_size() -> tuple[bool | None, str]:
    """Where the number of choices for r = 1/2 stops to outweigh the leading term, along the first path."""
    scaling, half = PATHS[0].scaling, sp.Rational(1, 2)
    constant = GAMMA.subs({rho: 0, share: 0, epsilon: sp.Rational(1, 10)})
    exponent = constant * LEADING_EXPONENT.xreplace({d1: (1 - half) * d1})
    difference = sp.lambdify(N, scaling.substitute(exponent - d1 * sp.log(2), N, d0, d1))
    low, high = 2, 10**6
    if difference(low) > 0 or difference(high) < 0:
        return None, "no crossing was found"
    while high - low > 1:  # the quotient of the two terms increases with N, so there is one crossing
        middle = (low + high) // 2
        low, high = (low, middle) if difference(middle) > 0 else (middle, high)
    return True, (
        f"Along {scaling}, with half the neurons dropped, ρ = 0 and ε = 0.1, the bound 2^d1 on the number of choices "
        f"outweighs the leading term up to N = {low}. The factor is negligible only beyond; below, the extension for "
        "the worst choice does not follow from the leading term."
    )


SAMPLER = Sampler("section-6-kept", _kept)

_TIGHT = tuple(Point(N=n, d0=a, d1=b, r=0.125, epsilon=0.1, rho=0.0) for n, a, b in ((8, 8, 8), (10, 9, 8)))
_GRID = (
    *_TIGHT,
    Point(N=10, d0=9, d1=8, r=0.125, epsilon=0.1, rho=0.1),
    Point(N=12, d0=10, d1=10, r=0.125, epsilon=0.1, rho=-0.5),
    Point(N=12, d0=11, d1=10, r=0.2, epsilon=0.1, rho=0.1),
)
_LARGER = CLAIM.with_bound(lambda bound: bound**50)
_STEEPER = CLAIM.with_bound(lambda bound: bound.xreplace({N ** sp.Rational(3, 4): N ** sp.Rational(9, 4)}))

STATEMENT = Statement(
    id="section-6",
    kind=Kind.EXTENSION,
    title="Critical points with zero pre-activations",
    citation=paper("Section 6"),
    summary=(
        "If a fraction r of the hidden units has a pre-activation that is exactly zero, the bound of Theorem 6 holds "
        "for the others, with d1 replaced by (1 − r) d1."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, ERROR, SLOPE, SHARE, DROPPED),
    assumptions=(GAUSSIAN, GROWING, DIMENSIONS, WIDTHS, NOT_LINEAR),
    claim=CLAIM,
    uses=("lemma-2", "f10", "theorem-6"),
    steps=(
        Step(
            "At a kept neuron the loss is differentiable, and its gradient contains the residual of the whole network: "
            "G_i e = 0 as in Lemma 2, for the kept neurons.",
            r"N \frac{\partial \mathrm{MSE}}{\partial w_i} = -2 z_i\, G_i\, e",
            gradient_in_first_layer,
        ),
        Step(
            "Which neurons are dropped costs a factor of at most 2^d1.",
            r"\binom{d_1}{r d_1} \le \sum_k \binom{d_1}{k} = 2^{d_1}",
            _binomial,
        ),
        Step(
            "It is negligible along d0 = N^(1/2+s), d1 = N^(1−u) for all s, u > 0.",
            r"d_1 \log 2 = o\left(N^{3/4} (d_0 d_1)^{1/4}\right)",
            _choices_are_negligible,
        ),
        Step(
            "The exponent changes by a constant factor.",
            r"\frac{N^{3/4} \left((1 - r) d_1 d_0\right)^{1/4}}{N^{3/4} (d_1 d_0)^{1/4}} = (1 - r)^{1/4}",
            _constant_factor,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="dropped at random",
            text=(
                "Draws X and W, drops a quarter of the neurons at random, and counts how often some labels leave more "
                "than εN nonzero residuals for the others."
            ),
            sampler=SAMPLER,
            read=read_random,
            paths=PATHS,
            chunks=8,
            controls=(
                Control("constant", "γ fifty times as large", _LARGER),
                Control("exponent", "N^(9/4) in place of N^(3/4)", _STEEPER),
                Control("direction", "the volume is at least the bound", CLAIM.reversed()),
            ),
        ),
        Check(
            name="worst choice",
            text="The same for the choice of dropped neurons that does most harm, out of all choices.",
            sampler=SAMPLER,
            read=read_worst,
            paths=PATHS,
            chunks=8,
            controls=(
                Control("constant", "γ fifty times as large", _LARGER),
                Control("exponent", "N^(9/4) in place of N^(3/4)", _STEEPER),
                Control("direction", "the volume is at least the bound", CLAIM.reversed(), paths=PATHS[1:]),
            ),
        ),
        Check(
            name="finite size",
            text="The worst choice against the number of choices times the bound F10 for the neurons that are kept.",
            sampler=SAMPLER,
            read=read_worst,
            claim=FINITE,
            grid=_GRID,
            chunks=8,
            controls=(
                Control(
                    "one choice",
                    "F10 for the kept neurons, without the number of choices",
                    FINITE.with_bound(lambda bound: bound / sp.binomial(d1, sp.floor(r * d1))),
                    points=_TIGHT[:1],
                ),
                Control(
                    "constant", "the bound divided by 8", FINITE.with_bound(lambda bound: bound / 8), points=_TIGHT
                ),
                Control(
                    "exponent",
                    "the fourth power of the bound",
                    FINITE.with_bound(lambda bound: bound**4),
                    points=_TIGHT,
                ),
                Control("direction", "the probability is at least the bound", FINITE.reversed()),
            ),
        ),
    ),
    findings=(
        Finding("measure-zero", "The volume in the extension must be that of the kept neurons", _measure_zero),
        Finding("other-labels", "The kept neurons meet other labels", _other_labels),
        Finding("choices", "The choice of the dropped neurons counts at small sizes", _choices_at_small_size),
    ),
    survey=replace(ASYMPTOTIC, fixed={**ASYMPTOTIC.fixed, "r": 0.5}),
    notes=(
        "A dropped neuron has one pre-activation that is zero; its others count in the network's output as before.",
        "r d1 is rounded down to a whole number of neurons where W is drawn, and not in the leading term.",
    ),
)
