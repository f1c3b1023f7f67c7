"""Does training end where volumes say? A comparison that the paper does not make.

Theorem 6 bounds the volume of the regions that contain a sub-optimal differentiable local minimum: the chance that a
normal first layer *starts* in one. Here networks start so, are trained, and walk to an exact minimum, and it is counted
how often they *end* at one. Small sizes, where a region can be searched for minima completely.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.setting import ERROR, HIDDEN, INPUTS, SAMPLES, SLOPE
from verify.backends import Backend, get_backend
from verify.datasets import binary, digits
from verify.experiments import Cell, Experiment, Setup, Table
from verify.network.activations import forward
from verify.network.descent import Network, Phase, Recipe, descend
from verify.network.minima import classify
from verify.network.polish import Where, polish
from verify.network.regions import errors_above
from verify.pictures import Curves, Series
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Citation, Claim, Control, Kind, Picture, Point, Sampler, Statement, Step
from verify.statistics.estimates import Odds
from verify.statistics.intervals import Interval, clopper_pearson

FloatArray = NDArray[np.float64]

RUNS = 100  # in one chunk
RECIPE = Recipe((Phase.constant(400, 1e-2),))

CLAIM = Claim(
    sp.Symbol(
        r"\frac{\mathbb{P}\left(\text{ends, but does not start}\right)}"
        r"{\mathbb{P}\left(\text{starts, but does not end}\right)}"
    ),
    Relation.AT_LEAST,
    sp.Integer(1),
    proviso="starts: in a region of L_ε; ends: at a sub-optimal DLM. So P(ends) ≥ P(starts), the mean of V(L_ε)",
)


def difference_of_pairs() -> bool | None:
    """`P(A) − P(B) = P(A∖B) − P(B∖A)`."""
    only_a, only_b, both = sp.symbols("a b c", nonnegative=True)
    return bool(sp.expand((only_a + both) - (only_b + both) - (only_a - only_b)) == 0)


def _ends_suboptimal(W: FloatArray, z: FloatArray, X: FloatArray, y: FloatArray, rho: float, epsilon: float) -> bool:
    """Whether the walk from where training ended comes to such a minimum; kinks are none."""
    end = polish(W, z, X, y, rho)
    if end.where is not Where.MINIMUM:
        return False
    out = np.asarray(forward(end.W, z, X, rho))
    return int(((out > 0.5) != (y > 0.5)).sum()) >= errors_above(epsilon, y.size)


def random_labels(rng: np.random.Generator, point: Point, runs: int) -> tuple[FloatArray, FloatArray]:
    """Gaussian inputs, labels 0 and 1 by a fair coin."""
    N = point.integer("N")
    X = rng.standard_normal((runs, point.integer("d0"), N))
    return X, rng.integers(0, 2, (runs, N)).astype(np.float64)


def teacher_labels(rng: np.random.Generator, point: Point, runs: int) -> tuple[FloatArray, FloatArray]:
    """Gaussian inputs, labels by the sign of another network with two hidden units."""
    d0 = point.integer("d0")
    X = rng.standard_normal((runs, d0, point.integer("N")))
    teachers, weights = rng.standard_normal((runs, 2, d0)), rng.standard_normal((runs, 2))
    return X, (np.asarray(forward(teachers, weights, X, point.real("rho"))) > 0).astype(np.float64)


def digit_labels(rng: np.random.Generator, point: Point, runs: int) -> tuple[FloatArray, FloatArray]:
    """Digits drawn anew for each run, by their leading principal components; label 1 for 0 to 4.

    Raises:
        InputError: if scikit-learn, which the digits come with, is not installed.
    """
    images = digits()
    values = np.asarray(images.X, dtype=np.float64)
    values = values - values.mean(axis=0)
    left, sizes, _ = np.linalg.svd(values, full_matrices=False)
    d0 = point.integer("d0")
    scores = left[:, :d0] * sizes[:d0] / sizes[0] * np.sqrt(len(values))
    chosen = rng.integers(0, len(values), (runs, point.integer("N")))
    return np.swapaxes(scores[chosen], 1, 2), binary(images.classes, range(5))[chosen]


Labels = Callable[[np.random.Generator, Point, int], tuple[FloatArray, FloatArray]]


def _pairs(
    rng: np.random.Generator, point: Point, backend: Backend, labels: Labels = random_labels, runs: int = RUNS
) -> tuple[list[bool | None], list[bool]]:
    """For each run whether it starts in such a region, and whether it ends at such a minimum."""
    d0, d1, rho, epsilon = point.integer("d0"), point.integer("d1"), point.real("rho"), point.real("epsilon")
    X, y = labels(rng, point, runs)
    start = Network((rng.standard_normal((runs, d1, d0)),), rng.standard_normal((runs, d1)))
    end = descend(start, X, y, RECIPE, rho, backend=backend).network
    each = range(runs)
    starts = [classify(start.hidden[0][k], X[k], y[k], rho, epsilon).suboptimal for k in each]
    ends = [_ends_suboptimal(end.hidden[0][k], end.z[k], X[k], y[k], rho, epsilon) for k in each]
    return starts, ends


def _draw(point: Point, draw: Draw) -> Tally:
    starts, ends = _pairs(draw.rng, point, draw.backend)
    pairs = list(zip(starts, ends, strict=True))
    return {
        "runs": RUNS,
        "ends only": sum(end and start is False for start, end in pairs),
        "ends perhaps": sum(end and start is None for start, end in pairs),
        "starts only": sum(not end and start is True for start, end in pairs),
        "starts perhaps": sum(not end and start is None for start, end in pairs),
    }


PAIRS = Sampler("training-and-volumes", _draw)


def _read(tally: Tally, point: Point) -> Odds:
    names = ("ends only", "starts only", "runs", "ends perhaps", "starts perhaps")
    first, second, runs, maybe, perhaps = (count(tally, name) for name in names)
    return Odds(first, second, runs, maybe, perhaps)


def _point(width: int) -> Point:
    return Point(N=5, d0=2, d1=width, rho=0.1, epsilon=0.1)


def figure() -> Curves:
    """Both shares against the width."""
    widths = (1, 2, 4, 6)
    found: dict[str, list[tuple[float, float, float]]] = {"starts": [], "ends": []}
    for width in widths:
        rng = np.random.default_rng([0, width])
        answered = _pairs(rng, _point(width), get_backend("numpy"))
        for name, share in (("starts", _share(answered[0])), ("ends", _share(answered[1]))):
            found[name].append((share.estimate, share.lower, share.upper))
    words = {"starts": "starts in a region with one (volume)", "ends": "ends at one"}
    series = []
    for name, values in found.items():
        middle, lower, upper = (tuple(column) for column in zip(*values, strict=True))
        shifted = tuple(width + (0.06 if name == "ends" else -0.06) for width in widths)
        series.append(Series(words[name], shifted, middle, lower, upper, "points"))
    return Curves("number of hidden units d₁", "share of runs", tuple(series))


def _share(answers: Sequence[bool | None]) -> Interval:
    """The share of runs, with an exact 95 % interval, in logs; undecided ones widen it."""
    yes, unknown = sum(answer is True for answer in answers), sum(answer is None for answer in answers)
    return clopper_pearson(yes, len(answers), 0.05, unknown)


_KINDS: dict[str, Labels] = {"random": random_labels, "teacher": teacher_labels, "digits": digit_labels}
_PROFILES = {"small": ((2, 6), 100), "full": ((1, 2, 3, 4, 6, 8), 400)}


def _at_length(setup: Setup) -> tuple[Table, ...]:
    widths, runs = _PROFILES[setup.profile]
    rows: list[tuple[Cell, ...]] = []
    for name, labels in _KINDS.items():
        for width in widths:
            rng = np.random.default_rng([setup.seed, width, *name.encode()])
            starts, ends = _pairs(rng, _point(width), setup.backend, labels, runs)
            shares = (_share(starts), _share(ends))
            shown = [
                f"{math.exp(one.estimate):.3f} [{math.exp(one.lower):.3f}, {math.exp(one.upper):.3f}]" for one in shares
            ]
            rows.append((name, width, *shown))
            setup.tell(f"{name} labels, d1 = {width}: starts {shown[0]}, ends {shown[1]}")
    text = (
        f"{runs} runs a row, five samples in the plane, ρ = 0.1, ε = 0.1, exact 95 % intervals. Teachers have two "
        "hidden units; digits are those of scikit-learn by their first two principal components."
    )
    columns = ("labels", "d1", "starts in a region of L_ε (volume)", "ends at a sub-optimal minimum")
    return (Table("Training against volumes", columns, tuple(rows), (text,)),)


STATEMENT = Statement(
    id="training-and-volumes",
    kind=Kind.EXPERIMENT,
    title="Training against volumes",
    citation=Citation("this suite", "Experiment 1"),
    summary=(
        "Training ends at sub-optimal differentiable minima more often than it starts in regions that contain one. "
        "Both become rare as the network widens, but a volume does not say how often training ends there."
    ),
    variables=(SAMPLES, INPUTS, HIDDEN, SLOPE, ERROR),
    assumptions=(),
    claim=CLAIM,
    steps=(
        Step(
            "Which of two events of one run is more likely is decided by the runs in which only one of them happens.",
            r"\mathbb{P}(A) - \mathbb{P}(B) = \mathbb{P}(A \setminus B) - \mathbb{P}(B \setminus A)",
            difference_of_pairs,
        ),
    ),
    checks=(
        Check(
            name="pairs",
            text=(
                f"{RUNS} networks in a chunk, each on five Gaussian samples in the plane with random labels, start "
                "from normal weights and are trained by 400 epochs of Adam, then polished. Compared are the runs that "
                "end at a sub-optimal minimum but did not start in a region with one, and the reverse."
            ),
            sampler=PAIRS,
            read=_read,
            grid=(_point(4),),
            chunks=5,
            controls=(Control("direction", "training ends there at most as often as volumes say", CLAIM.reversed()),),
        ),
    ),
    pictures=(
        Picture(
            "shares",
            "Where training starts, and where it ends",
            "Five samples in the plane, random labels, ρ = 0.1, ε = 0.1; 100 runs of each width, 95 % intervals. Where "
            "no run did, only the upper end is drawn.",
            figure,
        ),
    ),
    experiment=Experiment(
        {
            "small": "two widths, three kinds of labels, 100 runs each; some seconds",
            "full": "six widths, three kinds of labels, 400 runs each; a minute or two",
        },
        _at_length,
    ),
    notes=(
        "Ends at kinks count as no sub-optimal minimum, nor do walks that end where more boundaries meet than can be "
        "told apart; both only make the claim harder to support.",
    ),
)
