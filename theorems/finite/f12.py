"""F12: how close random inputs come to the hyperplane of a weight vector.

The margins decide how large the cap around a neuron is that lies within its cell (F11).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.finite.f11 import SINE, WIDE_INPUTS, log_angle_share, s
from theorems.setting import CONFIDENCE, GAUSSIAN, INPUTS, SAMPLES, N, d0, delta, note
from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import (
    Check,
    Claim,
    Control,
    Derivation,
    Kind,
    Point,
    Sampler,
    Statement,
    Step,
    Variable,
)
from verify.statistics.estimates import Exact, Proportion
from verify.volume.caps import smallest_margin

vectors = sp.Symbol("k", integer=True, positive=True)
threshold = sp.Symbol("s_delta", positive=True)

_half = sp.Rational(1, 2)
NEAR = sp.betainc_regularized(_half, (d0 - 1) / 2, 0, s**2)
CLAIM = Claim(
    sp.Symbol(r"\mathbb{P}\left(\min_{i \le k,\, n \le N} \frac{|w_i \cdot x_n|}{\|w_i\| \|x_n\|} \ge s_\delta\right)"),
    Relation.AT_LEAST,
    1 - delta,
    proviso="where k N I(1/2, (d0 − 1)/2) at s_δ² equals δ, for k nonzero vectors that are independent of X",
)
ONE = Claim(sp.Symbol(r"\mathbb{P}\left(|w \cdot x| < s \|w\| \|x\|\right)"), Relation.EQUAL, NEAR)
UNION = Claim(CLAIM.quantity, Relation.AT_LEAST, 1 - vectors * N * NEAR)
VECTORS = Variable(vectors, "weight vectors", sp.S.Naturals)

_TRIALS = 4000
_INPUTS = 20_000


def _integrated(point: Point, draw: Draw) -> Tally:
    return {"log share": [log_angle_share(point.integer("d0"), point.real("s"), from_plane=True)]}


def _cosines(W: NDArray[np.float64], X: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(W, axis=-1)[..., :, None] * np.linalg.norm(X, axis=-2)[..., None, :]
    return np.asarray(np.abs(W @ X) / lengths, dtype=np.float64)


def _one(point: Point, draw: Draw) -> Tally:
    """Margins of many inputs to one vector that is not random."""
    inputs = point.integer("d0")
    w = np.arange(1.0, inputs + 1)[None, :]
    near = _cosines(w, draw.rng.standard_normal((inputs, _INPUTS))) < point.real("s")
    return {"trials": _INPUTS, "hits": int(near.sum())}


def _all(point: Point, draw: Draw) -> Tally:
    """How often all margins reach `s_δ`, and three times that."""
    n, inputs, k = (point.integer(name) for name in ("N", "d0", "k"))
    smallest = smallest_margin(point.real("delta"), k * n, inputs)
    W = draw.rng.standard_normal((_TRIALS, k, inputs))
    least = _cosines(W, draw.rng.standard_normal((_TRIALS, inputs, n))).min(axis=(1, 2))
    return {
        "trials": _TRIALS,
        "clear": int((least >= smallest).sum()),
        "wide": int((least >= min(3 * smallest, 1.0)).sum()),
    }


def _proportion(name: str) -> Callable[[Tally, Point], Proportion]:
    return lambda tally, point: Proportion(count(tally, name), count(tally, "trials"))


def _share(tally: Tally, point: Point) -> Exact:
    return Exact(entries(tally, "log share")[0])


def _none_near(tally: Tally, point: Point) -> Exact:
    """For one vector the margins are independent: `(1 − P)^N`."""
    return Exact(point.integer("N") * math.log1p(-math.exp(entries(tally, "log share")[0])))


def _kernel() -> bool | None:
    """`cos^(d0−2)u du` becomes `½ x^(−1/2) (1 − x)^((d0−1)/2 − 1) dx` with `x = sin²u`, the squared cosine to w."""
    x = sp.Symbol("x", positive=True)
    u = sp.asin(sp.sqrt(x))
    law = sp.cos(u) ** (d0 - 2) * sp.diff(u, x)
    beta_kernel = x ** (-_half) * (1 - x) ** ((d0 - 1) / 2 - 1) / 2
    return bool(sp.simplify(sp.powsimp(law / beta_kernel, force=True)) == 1)


def _total() -> bool | None:
    """The `kN` probabilities of a small margin are `δ/(kN)` each."""
    return bool(sp.simplify(1 - vectors * N * (delta / (vectors * N)) - (1 - delta)) == 0)


INTEGRATED = Sampler("near-hyperplane-integrated", _integrated)
ONE_VECTOR = Sampler("near-hyperplane", _one)
ALL_MARGINS = Sampler("all-margins", _all)

_SHARES = tuple(
    Point(d0=inputs, s=sine)
    for inputs, sine in ((2, 0.01), (2, 0.5), (3, 0.3), (3, 1.0), (5, 0.001), (20, 0.1), (200, 0.05))
)
_SAMPLED = tuple(
    Point(d0=inputs, s=sine) for inputs, sine in ((1, 0.5), (2, 0.1), (3, 0.3), (5, 0.05), (20, 0.1), (3, 1.0))
)
_UNION = tuple(
    Point(d0=inputs, s=sine, N=n, k=1)
    for inputs, sine, n in ((2, 0.01, 1), (2, 0.01, 10), (3, 0.001, 100), (10, 0.0005, 200), (50, 0.001, 20))
)
_MARGINS = tuple(
    Point(N=n, d0=inputs, k=k, delta=failure)
    for n, inputs, k, failure in ((10, 2, 1, 0.5), (5, 20, 1, 0.5), (30, 3, 2, 0.5), (10, 5, 8, 0.3), (40, 10, 4, 0.4))
)

STATEMENT = Statement(
    id="f12",
    kind=Kind.LEMMA,
    title="Margins of random inputs",
    citation=note("F12"),
    summary=(
        "The squared cosine between a weight vector and a random input has a beta law, so that with a given "
        "probability all margins of a layer exceed an explicit threshold."
    ),
    variables=(SAMPLES, INPUTS, VECTORS, SINE, CONFIDENCE),
    assumptions=(GAUSSIAN, WIDE_INPUTS),
    claim=CLAIM,
    steps=(
        Step(
            "The angle to a hyperplane has a density proportional to cos^(d0 − 2), so the squared cosine to w has the "
            "beta law with parameters 1/2 and (d0 − 1)/2.",
            r"\cos^{d_0 - 2} u \, du = \tfrac12\, x^{-1/2} (1 - x)^{\frac{d_0-1}{2} - 1}\, dx, \quad x = \sin^2 u",
            _kernel,
        ),
        Step(
            "A union bound over k vectors and N inputs.",
            r"1 - k N \cdot \frac{\delta}{k N} = 1 - \delta",
            _total,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="all margins",
            text="Draws k weight vectors and N inputs, and counts how often all margins reach the threshold.",
            sampler=ALL_MARGINS,
            read=_proportion("clear"),
            grid=_MARGINS,
            chunks=2,
            controls=(
                Control("constant", "three times the margin", read=_proportion("wide")),
                Control("exponent", "1 − δ²/10", CLAIM.with_bound(lambda b: 1 - delta**2 / 10)),
                Control("direction", "the probability is at most 1 − δ", CLAIM.reversed()),
            ),
        ),
        Check(
            name="union bound, exactly",
            text=(
                "For one vector the margins of the inputs are independent, and the probability that all exceed s is a "
                "power, with the law of one margin integrated in ball arithmetic. One input uses the bound up."
            ),
            sampler=INTEGRATED,
            read=_none_near,
            claim=UNION,
            grid=_UNION,
            chunks=1,
            controls=(
                Control("constant", "half of the union", UNION.with_bound(lambda b: (1 + b) / 2)),
                Control("exponent", "I² in place of I", UNION.with_bound(lambda b: 1 - vectors * N * NEAR**2)),
                Control("direction", "at most that", UNION.reversed(), points=_UNION[1:]),
            ),
        ),
        Check(
            name="law of one margin",
            text="The law of the angle to a hyperplane, integrated in ball arithmetic, against the beta function.",
            sampler=INTEGRATED,
            read=_share,
            claim=ONE,
            grid=_SHARES,
            chunks=1,
            controls=(
                Control(
                    "swapped",
                    "the parameters exchanged, as for caps",
                    ONE.with_bound(lambda b: sp.betainc_regularized((d0 - 1) / 2, _half, 0, s**2)),
                    points=(*_SHARES[2:3], *_SHARES[4:]),
                ),
                Control("one side", "inputs on one side only", ONE.with_bound(lambda b: b / 2)),
            ),
        ),
        Check(
            name="sampled margins",
            text="Draws inputs for one vector. With one input dimension there are no margins, which it must say.",
            sampler=ONE_VECTOR,
            read=_proportion("hits"),
            claim=ONE,
            grid=_SAMPLED,
            chunks=2,
            controls=(
                Control(
                    "swapped",
                    "the parameters exchanged, as for caps",
                    ONE.with_bound(lambda b: sp.betainc_regularized((d0 - 1) / 2, _half, 0, s**2)),
                    points=_SAMPLED[2:5],
                ),
                Control("one side", "inputs on one side only", ONE.with_bound(lambda b: b / 2), points=_SAMPLED[1:]),
            ),
        ),
    ),
)
