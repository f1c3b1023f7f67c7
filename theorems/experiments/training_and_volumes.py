"""Does training end where volumes say? A comparison that the paper does not make.

Theorem 6 bounds the volume of the regions that contain a sub-optimal differentiable local minimum: the chance that a
normal first layer *starts* in one. Here networks start so, are trained, and walk to an exact minimum, and it is counted
how often they *end* at one. Small sizes, where a region can be searched for minima completely.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from theorems.setting import ERROR, HIDDEN, INPUTS, SAMPLES, SLOPE
from verify.backends import get_backend
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
from verify.statistics.intervals import clopper_pearson

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


def _pairs(rng: np.random.Generator, point: Point, backend_name: str) -> tuple[list[bool | None], list[bool]]:
    """For each run whether it starts in such a region, and whether it ends at such a minimum."""
    N, d0, d1 = point.integer("N"), point.integer("d0"), point.integer("d1")
    rho, epsilon = point.real("rho"), point.real("epsilon")
    X, y = rng.standard_normal((RUNS, d0, N)), rng.integers(0, 2, (RUNS, N)).astype(np.float64)
    start = Network((rng.standard_normal((RUNS, d1, d0)),), rng.standard_normal((RUNS, d1)))
    end = descend(start, X, y, RECIPE, rho, backend=get_backend(backend_name)).network
    runs = range(RUNS)
    starts = [classify(start.hidden[0][k], X[k], y[k], rho, epsilon).suboptimal for k in runs]
    ends = [_ends_suboptimal(end.hidden[0][k], end.z[k], X[k], y[k], rho, epsilon) for k in runs]
    return starts, ends


def _draw(point: Point, draw: Draw) -> Tally:
    starts, ends = _pairs(draw.rng, point, draw.backend.name)
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
        answered = _pairs(rng, _point(width), "numpy")
        for name, place in (("starts", 0), ("ends", 1)):
            answers = answered[place]
            yes, unknown = sum(answer is True for answer in answers), sum(answer is None for answer in answers)
            share = clopper_pearson(yes, len(answers), 0.05, unknown)
            found[name].append((share.estimate, share.lower, share.upper))
    words = {"starts": "starts in a region with one (volume)", "ends": "ends at one"}
    series = []
    for name, values in found.items():
        middle, lower, upper = (tuple(column) for column in zip(*values, strict=True))
        shifted = tuple(width + (0.06 if name == "ends" else -0.06) for width in widths)
        series.append(Series(words[name], shifted, middle, lower, upper, "points"))
    return Curves("number of hidden units d₁", "share of runs", tuple(series))


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
    notes=(
        "Ends at kinks count as no sub-optimal minimum, nor do walks that end where more boundaries meet than can be "
        "told apart; both only make the claim harder to support.",
    ),
)
