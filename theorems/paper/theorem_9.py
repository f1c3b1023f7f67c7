"""Theorem 9: the regions with a global minimum have a volume that is not too small."""

from __future__ import annotations

import math

import numpy as np
import sympy as sp

from theorems.finite.f13 import CLAIM as CELLS
from theorems.finite.f13 import TEACHER_CELLS
from theorems.samplers import (
    CLASSIFIED,
    EXACT,
    EXACT_CHUNKS,
    EXACT_PATHS,
    EXACT_RELU,
    exact_global_quantile,
    global_quantile,
)
from theorems.setting import (
    DIMENSIONS,
    ERROR,
    GAUSSIAN,
    GROWING,
    HIDDEN,
    INPUTS,
    NOT_LINEAR,
    SAMPLES,
    SLOPE,
    N,
    d0,
    delta,
    general_position,
    paper,
)
from theorems.surveys import ASYMPTOTIC
from verify.asymptotics import Order, Reading, Scaling, decide, limit_ratio
from verify.data import Dataset
from verify.network.memorize import gate_margins, memorize
from verify.relations import Relation
from verify.sampling import Draw, Tally, entries
from verify.statements import (
    Assumption,
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
from verify.statistics.estimates import CertifiedQuantile
from verify.volume.caps import log_cap

d1star = sp.Symbol("d1star", positive=True)

VOLUME = sp.Symbol(r"V\left(\mathcal{G}(X, y)\right)")
FAILURE = sp.sqrt(8 / sp.pi) / sp.sqrt(d0) + 2 * sp.sqrt(d0) * sp.sqrt(sp.log(d0)) / N
CLAIM = Claim(
    VOLUME,
    Relation.ASYMPTOTICALLY_AT_LEAST,
    sp.exp(-d1star * d0 * sp.log(N)),
    where=((d1star, 2 * N / d0),),
    proviso=(
        "with probability at least 1 − δ over X, δ ≐ √(8/π) d0^(−1/2) + 2 d0^(1/2) √(log d0)/N; "
        "d1* = 2N/d0 for any labels, or the number of a teacher's neurons"
    ),
)

# The volume of G is near one only when the network is wide; twice N^b keeps the sizes small.
WIDE = Scaling(sp.Rational(3, 4), sp.Rational(1, 2), k1=2)
WIDE_SQUARE = Scaling(sp.Rational(3, 5), sp.Rational(3, 5), k1=2)
TEACHER = Assumption(
    "assumption-5",
    "Optional: the labels come from a teacher with d1* neurons, independent of X.",
    latex=r"y = f(W^{*} X)^{\top} z^{*}",
)


def failure(n: int, inputs: int) -> float:
    """The theorem's `δ` at one size; one or more where the theorem promises nothing."""
    return float(FAILURE.subs({N: n, d0: inputs}))


def _constructed(point: Point, draw: Draw) -> Tally:
    """For each of several data sets, the log of a proved lower bound on `V(G)` for random binary labels.

    The network of F14 fits the labels; every first layer whose neurons lie in the cells of its gates contains a
    global minimum in its region, and each cell contains a spherical cap around its gate (F11, F13).
    """
    slope = point.real("rho")
    logs = []
    for _ in range(8 if draw.data is None else 1):
        if draw.data is None:
            X = draw.rng.standard_normal((point.integer("d0"), point.integer("N")))
            labels = np.asarray(draw.rng.integers(0, 2, X.shape[1]), dtype=np.float64)
        else:
            X, labels = draw.data.X, draw.data.y
        network = memorize(X, labels, slope, rng=draw.rng)
        logs.append(float(np.sum(log_cap(gate_margins(network.W, X), X.shape[0]))))
    return {"log volume": logs}


CONSTRUCTED = Sampler("constructed-minimum", _constructed)


def _certified(tally: Tally, point: Point) -> CertifiedQuantile:
    return CertifiedQuantile(entries(tally, "log volume"), failure(point.integer("N"), point.integer("d0")))


def _teacher_quantile(tally: Tally, point: Point) -> CertifiedQuantile:
    return CertifiedQuantile(entries(tally, "log volume"), point.real("delta"))


def _cells_are_enough() -> bool | None:
    """`δ/K >= exp(−d0 log N)` in the limit: log K <= d0 log(2 e N/d0) for the count of F6, along d0 = N^a."""
    a = sp.Symbol("a", positive=True)
    gap = sp.Symbol("g", positive=True)
    answers = []
    for power in (sp.Rational(1, 2) + gap / (2 + 2 * gap), a):
        inputs = N**power
        log_volume = sp.log(delta) - inputs * sp.log(2 * sp.E * N / inputs)
        answers.append(decide(log_volume, -inputs * sp.log(N), Order.ABOVE_OR_EQUAL, Reading.CORRECTED, N))
    return None if None in answers else all(answers)


def _printed_chain() -> bool | None:
    """With d1* = 2N/d0 the exponent is 2N log N."""
    return bool(sp.simplify(CLAIM.where[0][1] * d0 * sp.log(N) - 2 * N * sp.log(N)) == 0)


def _caps_fall_short() -> tuple[bool | None, str]:
    a = sp.Symbol("a", positive=True)
    inputs = N**a
    # F12 for one neuron: N I_{s²}(1/2, (d0−1)/2) = δ, and I_{s²} ≈ s √(2 d0/π) for small s.
    log_margin = sp.log(delta) - sp.log(N) - sp.log(sp.sqrt(2 * inputs / sp.pi))
    ratio = limit_ratio(inputs * log_margin, -inputs * sp.log(N), N)
    if ratio is None:
        return None, "SymPy could not find the limit."
    so = sp.simplify(ratio - 1 - a / 2) == 0
    return bool(so), (
        "For a teacher, the spherical cap inside the cell of its neuron (F11, F12) has a log volume of "
        f"{sp.sstr(sp.expand(ratio))} times −d0 log N along d0 = N^a: more negative than the theorem's by the factor "
        "1 + a/2, so caps alone do not give its exponent. Counting cells does (F13): a neuron lies in a cell smaller "
        "than δ/K with probability below δ, where K is the number of cells, and log K is at most d0 log(2eN/d0)."
    )


def _vacuous_probability() -> tuple[bool | None, str]:
    low, high = 2, 10**4
    while low < high:
        middle = (low + high) // 2
        # The most favourable N for a given d0 is N -> infinity, where only the first term is left.
        low, high = (low, middle) if math.sqrt(8 / (math.pi * middle)) < 1 else (middle + 1, high)
    tenth = math.ceil(8 / (math.pi * 0.1**2))
    return math.sqrt(8 / (math.pi * low)) < 1 <= math.sqrt(8 / (math.pi * (low - 1))), (
        f"The failure probability δ of the theorem is one or more, whatever N, for d0 < {low}; it falls below 0.1 only "
        f"from d0 = {tenth} on."
    )


def _constructed_points(data: Dataset) -> tuple[Point, ...]:
    if general_position(data)[0] is False or data.samples > 400:
        return ()
    return (Point(N=data.samples, d0=data.features, rho=0.1),)


# The same points as Theorem 10, so that both share their samples.
_SMALL = {"epsilon": 0.1, "delta": 0.5, "lambda": 0}
# Few regions of a network this narrow contain a global minimum, so a bound that is too high shows.
NARROW = Path.along(Scaling(sp.Rational(3, 4), sp.Rational(1, 2)), (6, 8), rho=0.0, **_SMALL)


def _mutants(path: Path, *names: str) -> tuple[Control, ...]:
    every = (
        Control(
            "constant",
            "the exponent divided by 1000",
            CLAIM.with_bound(lambda bound: bound ** sp.Rational(1, 1000)),
            paths=(path,),
        ),
        Control(
            "exponent",
            "log N / N² in place of d1* d0 log N",
            CLAIM.with_bound(lambda bound: sp.exp(-sp.log(N) / N**2)),
            paths=(path,),
        ),
        Control("direction", "the volume is at most the bound", CLAIM.reversed()),
    )
    return tuple(control for control in every if not names or control.name in names)


_CONSTRUCTED = Path.along(Scaling(sp.Rational(3, 4), sp.Rational(1, 2)), (24, 40, 64, 100), rho=0.1)

STATEMENT = Statement(
    id="theorem-9",
    kind=Kind.THEOREM,
    title="Global minima have a volume that is not too small",
    citation=paper("Theorem 9"),
    summary=(
        "For most inputs, the regions that contain a global minimum with zero error have an angular volume of at "
        "least exp(−2N log N) for any labels, and of at least exp(−d1* d0 log N) for the labels of a teacher with "
        "d1* neurons."
    ),
    variables=(
        SAMPLES,
        INPUTS,
        HIDDEN,
        ERROR,
        SLOPE,
        Variable(d1star, "neurons of the constructed network or the teacher", sp.Interval.open(0, sp.oo)),
    ),
    assumptions=(GAUSSIAN, GROWING, DIMENSIONS, TEACHER, NOT_LINEAR),
    claim=CLAIM,
    uses=("f13",),
    steps=(
        Step(
            "With 2N/d0 neurons the exponent is 2N log N.",
            r"\frac{2N}{d_0}\, d_0 \log N = 2 N \log N",
            _printed_chain,
        ),
        Step(
            "For a one-neuron teacher F13 gives the theorem's exponent, for every d0 = N^a: log K ≤ d0 log(2eN/d0).",
            r"\frac{\delta}{K} \mathrel{\dot{\ge}} e^{-d_0 \log N}",
            _cells_are_enough,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="sampled volume",
            text=(
                "Draws data sets, and for each of them many W; decides for each region whether it contains a global "
                "minimum: its residual is zero and some signs of the second layer realise it. Shown is the median "
                "over X of the volume, with an interval that accounts for both layers of sampling. The theorem's own "
                "δ exceeds one at these sizes."
            ),
            sampler=CLASSIFIED,
            read=global_quantile,
            paths=(
                Path.along(WIDE, (6, 8, 10), rho=0.0, **_SMALL),
                Path.along(WIDE_SQUARE, (6, 8, 10), rho=0.1, **_SMALL),
            ),
            chunks=7,
            controls=_mutants(NARROW),
        ),
        Check(
            name="exact volumes",
            text=(
                "Draws small data sets, half of their labels 1, and enumerates the cells of each. The volume of G lies "
                "between two proved ends, or is exact; they are narrowed by deciding regions drawn at random. Shown is "
                "its δ quantile over X; δ is one half here."
            ),
            sampler=EXACT,
            read=exact_global_quantile,
            paths=EXACT_PATHS,
            chunks=EXACT_CHUNKS,
            controls=_mutants(EXACT_RELU, "constant", "direction"),
        ),
        Check(
            name="constructed minimum",
            text=(
                "Builds the network of F14 for random binary labels, and bounds the volume of its region from below "
                "by spherical caps around its neurons. Shown is the δ quantile over X of that bound, with the "
                "theorem's own δ. A lower bound can support the claim, not contradict it; the sampled volume can do "
                "both."
            ),
            sampler=CONSTRUCTED,
            read=_certified,
            paths=(_CONSTRUCTED,),
            chunks=6,
            controls=(
                Control("direction", "the volume is at most the bound", CLAIM.reversed(), paths=(_CONSTRUCTED,)),
            ),
            data_points=_constructed_points,
        ),
        Check(
            name="teacher",
            text=(
                "Draws X and a one-neuron teacher, and bounds the volume of the teacher's cell, and so V(G), from "
                "below by an exact confidence bound. Shown is its median over X against exp(−d0 log N), with F13 "
                "beside it. A lower bound can support the claim, not contradict it; the sampled volume can do both."
            ),
            sampler=TEACHER_CELLS,
            read=_teacher_quantile,
            paths=(Path.along(Scaling(sp.Rational(3, 5), sp.Rational(3, 5)), (6, 8, 12), k=1, d1star=1, delta=0.5),),
            chunks=8,
            controls=(Control("direction", "the volume is at most the bound", CLAIM.reversed()),),
            beside=(("F13", CELLS),),
        ),
    ),
    findings=(
        Finding("caps-fall-short", "Spherical caps alone do not give Theorem 9 for a teacher", _caps_fall_short),
        Finding("failure-probability", "The δ of Theorem 9 is above one for small inputs", _vacuous_probability),
    ),
    survey=ASYMPTOTIC,
    notes=(
        "As printed the theorem does not mention the width; a network narrower than d1* may have no global minimum.",
        "A teacher's outputs are real numbers, so Assumption 5 and binary labels exclude each other; the error is "
        "thresholded at one half on both sides.",
        "At sizes that can be sampled the bound is far below the measured volume: it is loose by a factor of order N "
        "in the exponent.",
    ),
)
