"""Theorem 8: about 2N/d0 neurons fit any binary labels exactly, away from all kinks.

The paper's own construction serves labellings with at most N/2 ones. The networks built here come from the finite-N
note, F14, which needs fewer neurons and serves every labelling; each is evaluated from the definition of a network.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.setting import GENERIC, INPUTS, NOT_LINEAR, SAMPLES, SLOPE, N, d0, paper
from verify.data import Dataset
from verify.network.activations import forward
from verify.network.arrangements import GeneralPositionError
from verify.network.memorize import forward_exact, memorize, memorize_exact
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
)
from verify.statistics.estimates import Counterexamples, Estimate, Exact
from verify.verdicts import Evidence

# Largest |output − label| at which a network in floating point fits; those built here come out near 1e-12.
FIT = 1e-8
ENTRIES = 20  # exact inputs are integers up to this size
DRAWS = 50  # of exact inputs, until they are in general position
DATA_SETS = 2  # in one chunk, each with three labellings
MOST_SAMPLES = 200

Network = tuple[NDArray[np.float64], NDArray[np.float64]]

BOUND = 4 * sp.ceiling(N / (2 * d0 - 2))
CLAIM = Claim(
    sp.Symbol(r"\max_{y \in \{0, 1\}^N} \min\left\{d_1 : y = f(W X)^{\top} z,\; w_i \cdot x_n \ne 0\right\}"),
    Relation.AT_MOST,
    BOUND,
    proviso="for almost every X",
)
WIDE_INPUTS = Assumption("two-dimensions", "The inputs have at least two dimensions.", condition=d0 >= 2)


def _activation(u: sp.Expr) -> sp.Expr:
    return sp.Piecewise((u, u > 0), (sp.Symbol("rho", real=True) * u, True))


def _second_difference(product: sp.Expr, along: sp.Expr, epsilon: sp.Symbol) -> sp.Expr:
    """The paper's four neurons, at a sample with `w·x = product` and `v·x = along`."""
    values = [_activation(sp.expand(product + c * epsilon * along)) for c in (2, 1, -1, -2)]
    return (values[0] - values[1] - values[2] + values[3]) / (epsilon * (1 - sp.Symbol("rho", real=True)))


def on_the_hyperplane() -> bool | None:
    """With `w·x = 0`, `v·x = 1` the second difference is 1, for every slope."""
    epsilon = sp.Symbol("epsilon", positive=True)
    return bool(sp.simplify(_second_difference(sp.Integer(0), sp.Integer(1), epsilon) - 1) == 0)


def off_the_hyperplane() -> bool | None:
    """With `2ε|v·x| < |w·x|` it is 0: all of `w·x = ±(2εβ + c)`, `v·x = ±β`, `β ≥ 0`, `c > 0`."""
    epsilon, excess = sp.symbols("epsilon c", positive=True)
    size = sp.Symbol("beta", nonnegative=True)
    cases = itertools.product((1, -1), repeat=2)
    values = [_second_difference(s * (2 * epsilon * size + excess), t * size, epsilon) for s, t in cases]
    return all(sp.simplify(value) == 0 for value in values)


def enough_for_half() -> bool | None:
    """At most N/2 ones in groups of d0 − 1: `(N/2)/(d0 − 1) = N/(2 d0 − 2)`."""
    return bool(sp.simplify(N / 2 / (d0 - 1) - N / (2 * d0 - 2)) == 0)


def gate_is_linear() -> bool | None:
    """`[f(g + εu) − f(g − εu)]/(2ε) = a(g) u` with `ε|u| < |g|`: all of `g = ±(εβ + c)`, `u = ±β`."""
    epsilon, excess = sp.symbols("epsilon c", positive=True)
    size, rho = sp.Symbol("beta", nonnegative=True), sp.Symbol("rho", real=True)
    for s, t in itertools.product((1, -1), repeat=2):
        g, u = s * (epsilon * size + excess), t * size
        pair = _activation(sp.expand(g + epsilon * u)) - _activation(sp.expand(g - epsilon * u))
        if sp.simplify(pair / (2 * epsilon) - (1 if s > 0 else rho) * u) != 0:
            return False
    return True


def never_more() -> bool | None:
    """`N/d0 <= 2m` for `m = N/(2d0 − 2) + s`, `s >= 0`, `d0 >= 2`; as `2m` is whole, `⌈N/d0⌉ <= 2m` too."""
    beyond, slack = sp.symbols("k s", nonnegative=True)
    inputs = beyond + 2
    pieces = N / (2 * inputs - 2) + slack
    answer: bool | None = sp.factor(sp.together(2 * pieces - N / inputs)).is_nonnegative
    return answer


def _integers(point: Point, draw: Draw) -> Iterator[list[list[int]]]:
    """Inputs with integer entries, one draw after another."""
    for _ in range(DRAWS):
        yield draw.rng.integers(-ENTRIES, ENTRIES + 1, (point.integer("d0"), point.integer("N"))).tolist()


def _all_labels(point: Point, draw: Draw) -> Tally:
    """Fit every labelling of one data set in rational arithmetic."""
    rho, labellings = Fraction(repr(point.real("rho"))), list(itertools.product((0, 1), repeat=point.integer("N")))
    for X in _integers(point, draw):
        misses, width = 0, 0
        try:
            for y in labellings:
                network = memorize_exact(X, y, rho)
                width = max(width, len(network.W))
                # Raises if a pre-activation is zero, which the theorem excludes.
                misses += forward_exact(network.W, network.z, X, rho) != list(y)
        except GeneralPositionError:
            continue  # a set of measure zero, which integers may meet
        except ValueError:
            break
        return {"trials": len(labellings), "misses": misses, "failed": 0, "widths": [width]}
    return {"trials": len(labellings), "misses": 0, "failed": len(labellings), "widths": [0]}


def _construct(X: NDArray[np.float64], y: NDArray[np.float64], rho: float, rng: np.random.Generator) -> Network:
    network = memorize(X, y, rho, rng=rng)
    return network.W, network.z


def _wrong_pair(X: NDArray[np.float64], y: NDArray[np.float64], rho: float, rng: np.random.Generator) -> Network:
    """The construction with the sum of each pair in place of its difference."""
    network = memorize(X, y, rho, rng=rng)
    return network.W, np.abs(network.z)


def _random_gates(X: NDArray[np.float64], y: NDArray[np.float64], rho: float, rng: np.random.Generator) -> Network:
    """A quarter of the theorem's neurons with random first layers, and the second layer by least squares."""
    inputs, samples = X.shape
    W = rng.standard_normal((math.ceil(samples / (2 * inputs - 2)), inputs))
    hidden = W @ X
    z = np.linalg.lstsq(np.where(hidden > 0, hidden, rho * hidden).T, y, rcond=None)[0]
    return W, np.asarray(z, dtype=np.float64)


def _fitted(build: Callable[..., Network]) -> Callable[[Point, Draw], Tally]:
    """Sampler: networks in floating point for random, mostly-one and all-one labels, or for the user's."""

    def draw_chunk(point: Point, draw: Draw) -> Tally:
        n, inputs, rho = point.integer("N"), point.integer("d0"), point.real("rho")
        tally: dict[str, int] = {"trials": 0, "misses": 0, "failed": 0}
        widths = []
        for X, y in _labelled(n, inputs, draw):
            tally["trials"] += 1
            try:
                W, z = build(X, y, rho, draw.rng)
            except ValueError:  # not in general position, or too near to that for floating point
                tally["failed"] += 1
                continue
            apart = np.abs(forward(W, z, X, rho) - y).max() > FIT
            tally["misses"] += bool(apart or not (W @ X != 0).all())
            widths.append(len(W))
        return {**tally, "widths": [max(widths, default=0)]}

    return draw_chunk


def _labelled(n: int, inputs: int, draw: Draw) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    if draw.data is not None:
        X, y = draw.data.X[:, :n], draw.data.y[:n]
        span = np.linalg.svd(X, full_matrices=False)[0][:, : np.linalg.matrix_rank(X)]
        if inputs < span.shape[1]:
            span = span @ np.linalg.qr(draw.rng.standard_normal((span.shape[1], inputs)))[0]
        yield span.T @ X, y
        return
    for _ in range(DATA_SETS):
        X = draw.rng.standard_normal((inputs, n))
        for ones in (0.5, 0.9, 1.0):
            yield X, (draw.rng.random(n) < ones).astype(np.float64)


def _data_points(data: Dataset) -> tuple[Point, ...]:
    """The user's first samples, in coordinates of the space that they span.

    Where they span less than they could, they are not in general position. Features that are zero on most samples are
    the usual reason, and fewer dimensions, all of them mixtures, the remedy.
    """
    n = min(data.samples, MOST_SAMPLES)
    rank = int(np.linalg.matrix_rank(data.X[:, :n]))
    inputs = rank if rank == min(n, data.features) else max(2, 9 * rank // 10)
    return tuple(Point(N=n, d0=inputs, rho=slope) for slope in (0.0, 0.1))


def read(tally: Tally, point: Point) -> Estimate:
    """The largest width among networks that fit; labellings that were missed, where there are any."""
    trials, misses, failed = (count(tally, name) for name in ("trials", "misses", "failed"))
    if misses or failed:
        return Counterexamples(misses, trials, failed, Evidence.WITNESS)
    return Exact(math.log(max(tally["widths"])), Evidence.WITNESS, trials)  # type: ignore[arg-type]


def _fewer_suffice() -> tuple[bool | None, str]:
    """The widths of the two constructions where all labels are 1."""
    samples, inputs, rng = 100, 10, np.random.default_rng(0)
    X, y = rng.standard_normal((inputs, samples)), np.ones(samples)
    W, z = _construct(X, y, 0.0, rng)
    error = float(np.abs(forward(W, z, X, 0.0) - y).max())
    allowed = int(BOUND.subs({N: samples, d0: inputs}))
    groups = 4 * math.ceil(samples / (inputs - 1))
    half = 4 * math.ceil(samples / 2 / (inputs - 1))
    sentence = (
        "2⌈N/d0⌉ neurons fit any real labels, and that is never more than 4⌈N/(2 d0 − 2)⌉. The printed argument takes "
        "four neurons for every d0 − 1 samples with label 1, so it covers at most N/2 ones. "
        f"At N = {samples}, d0 = {inputs} it uses {half} neurons for N/2 ones, and would use {groups} for {samples} "
        f"ones, where {allowed} are claimed; a network with {len(W)} neurons fits them, largest error {error:.0e}. "
        "The claim is right for every labelling, by another proof."
    )
    return bool(error <= FIT and len(W) <= allowed and half <= allowed < groups), sentence


EXACT = Sampler("theorem-8-all-labels", _all_labels)
FLOAT = Sampler("theorem-8-built", _fitted(_construct))
WRONG_PAIR = Sampler("theorem-8-wrong-pair", _fitted(_wrong_pair))
RANDOM_GATES = Sampler("theorem-8-random-gates", _fitted(_random_gates))

_SMALL = tuple(
    Point(N=n, d0=a, rho=slope)
    for n, a in ((4, 1), (2, 3), (4, 2), (5, 2), (5, 3), (6, 3))  # d0 = 1 is outside the theorem, and must say so
    for slope in (0.0, 0.1, -0.5)
)
_LARGE = tuple(Point(N=n, d0=a, rho=slope) for n, a in ((30, 4), (60, 8), (100, 20)) for slope in (0.0, 0.1, -0.5))

_CONSTANT = Control("constant", "a quarter of the neurons", CLAIM.with_bound(lambda bound: bound / 4))
_DIRECTION = Control("direction", "that many are needed", CLAIM.reversed())

STATEMENT = Statement(
    id="theorem-8",
    kind=Kind.THEOREM,
    title="Few neurons fit any labels",
    citation=paper("Theorem 8"),
    summary=(
        "For every binary labelling and almost every X, 4⌈N/(2 d0 − 2)⌉ hidden neurons fit all labels exactly, and no "
        "pre-activation is zero. So every network at least that wide has a differentiable global minimum."
    ),
    variables=(SAMPLES, INPUTS, SLOPE),
    assumptions=(WIDE_INPUTS, GENERIC, NOT_LINEAR),
    claim=CLAIM,
    steps=(
        Step(
            "Four neurons with first layers w ± εv, w ± 2εv give 1 on samples with w·x = 0, v·x = 1, for every slope …",
            r"f(2 \varepsilon) - f(\varepsilon) - f(-\varepsilon) + f(-2 \varepsilon) = \varepsilon (1 - \rho)",
            on_the_hyperplane,
        ),
        Step(
            "… and 0 on samples with |w·x| > 2ε|v·x|.",
            r"f(a + 2 \varepsilon b) - f(a + \varepsilon b) - f(a - \varepsilon b) + f(a - 2 \varepsilon b) = 0, "
            r"\quad |a| > 2 \varepsilon |b|",
            off_the_hyperplane,
        ),
        Step(
            "Some w ≠ 0 is orthogonal to any d0 − 1 samples, so labels with at most N/2 ones need that many groups.",
            r"\left\lceil \frac{N/2}{d_0 - 1} \right\rceil = \left\lceil \frac{N}{2 d_0 - 2} \right\rceil",
            enough_for_half,
        ),
        Step(
            "For the other labels: a pair of neurons in one cell has a linear output there. The half-turn of F14 makes "
            "⌈N/d0⌉ such pairs fit any labels.",
            r"f(g + \varepsilon u) - f(g - \varepsilon u) = 2 \varepsilon\, a(g)\, u, \quad |g| > \varepsilon |u|",
            gate_is_linear,
        ),
        Step(
            "These are never more neurons than claimed.",
            r"2 \left\lceil \frac{N}{d_0} \right\rceil \le 4 \left\lceil \frac{N}{2 d_0 - 2} \right\rceil",
            never_more,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="all labels, exactly",
            text=(
                "Draws X with integer entries and fits every one of the 2^N labellings in rational arithmetic. Each "
                "network is evaluated: the error must be exactly zero and no pre-activation zero. Shown is the "
                "largest width."
            ),
            sampler=EXACT,
            read=read,
            grid=_SMALL,
            chunks=2,
            controls=(_CONSTANT, _DIRECTION),
        ),
        Check(
            name="larger sizes",
            text=(
                "The same in floating point for random labels, labels with nine tenths ones, and all ones; the largest "
                f"error may be {FIT:g}. On a user's data: the given labels of the first {MOST_SAMPLES} samples, in the "
                "space that these span; if that is not all dimensions, in a random nine tenths of it. Samples too "
                "nearly dependent for floating point leave it undecided."
            ),
            sampler=FLOAT,
            read=read,
            grid=_LARGE,
            chunks=2,
            controls=(
                _CONSTANT,
                Control(
                    "exponent",
                    "√N in place of N",
                    CLAIM.with_bound(lambda bound: bound.xreplace({N: sp.sqrt(N)})),
                ),
                _DIRECTION,
                Control(
                    "random gates", "a quarter of the neurons, drawn at random", sampler=RANDOM_GATES, points=_LARGE[:3]
                ),
                Control(
                    "wrong sign", "the pairs' outputs added, not subtracted", sampler=WRONG_PAIR, points=_LARGE[:3]
                ),
            ),
            data_points=_data_points,
        ),
    ),
    findings=(Finding("fewer-suffice", "Fewer neurons suffice, and for every labelling", _fewer_suffice),),
    notes=("With d0 = 1 a neuron sees no more than the sign of x, and the bound has no meaning.",),
)
