"""Figure 5.2: training converges to differentiable minima, far from every boundary for its residual.

One hidden layer of width d, Gaussian inputs, labels ±1, `N = ⌊d²/5⌋` samples, ReLU: constant steps, then exponentially
decreasing ones. The paper looks at the smallest `|w_i·x_n|` beside the final error. Here each end is certified: an
exact differentiable local minimum is proved to lie near it, in its region, and to be global.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from theorems.experiments.runs import Runs, gaussian_runs
from theorems.setting import SLOPE, paper
from verify.certificate.certify import certify
from verify.certificate.result import Certificate
from verify.experiments import Cell, Experiment, Setup, Table
from verify.network.descent import Phase, Recipe
from verify.pictures import Curves, Series
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Claim, Control, Kind, Picture, Point, Sampler, Statement, Step, Variable
from verify.statistics.estimates import Proportion
from verify.statistics.intervals import clopper_pearson
from verify.verdicts import Outcome

d = sp.Symbol("d", integer=True, positive=True)

RUNS = 16  # in one chunk
STEP, LAST_STEP = 1e-2, 1e-6
WIDTH = 20
# Wide enough that no better network is looked for, which would take longer than the training.
STARVED_WIDTH = 17

CLAIM = Claim(
    sp.Symbol(r"\mathbb{P}\left(\text{a global minimum, differentiable, is proved to lie where training ends}\right)"),
    Relation.AT_LEAST,
    sp.Rational(2, 3),
    proviso="over inputs, labels and starts, at N = ⌊d²/5⌋, after 400 epochs of Adam and 400 with decreasing steps",
)


def schedule(epochs: int) -> Recipe:
    """So many epochs with constant steps, and as many with exponentially decreasing ones."""
    return Recipe((Phase.constant(epochs, STEP), Phase(epochs, STEP, LAST_STEP)))


def samples(width: int) -> int:
    """`⌊d²/5⌋`."""
    return width**2 // 5


def smallest_of_many() -> bool | None:
    """`m log P(|u| > t/m) → −t √(2/π)` for standard normal u, with `P(|u| > s) = erfc(s/√2)`."""
    t, x = sp.symbols("t x", positive=True)
    found = sp.limit(sp.log(sp.erfc(t * x / sp.sqrt(2))) / x, x, 0)
    return bool(sp.simplify(found + t * sp.sqrt(2 / sp.pi)) == 0)


def certificates(runs: Runs, slope: float) -> list[Certificate]:
    """The certificate of each run."""
    (W,), z = runs.network.hidden, runs.network.z
    return [certify(W[k], z[k], runs.X[k].T, runs.y[k], slope=slope, threshold=0.0) for k in range(len(z))]


def margins(runs: Runs) -> list[float]:
    """The smallest `|w_i·x_n|` of each run."""
    found: list[float] = np.abs(runs.network.hidden[0] @ runs.X).min(axis=(1, 2)).tolist()
    return found


def _proved(certificate: Certificate) -> bool:
    verdicts = (certificate.differentiable, certificate.local_minimum, certificate.global_minimum)
    return all(verdict.outcome is Outcome.HOLDS for verdict in verdicts)


def _open(certificate: Certificate) -> bool:
    verdicts = (certificate.differentiable, certificate.local_minimum, certificate.global_minimum)
    return not _proved(certificate) and all(verdict.outcome is not Outcome.VIOLATED for verdict in verdicts)


def _sampler(name: str, recipe: Recipe) -> Sampler:
    def draw(point: Point, stream: Draw) -> Tally:
        slope = point.real("rho")
        ended = gaussian_runs(
            stream.rng, RUNS, point.integer("d"), 1, point.integer("N"), recipe, slope=slope, backend=stream.backend
        )
        found = certificates(ended, slope)
        return {"runs": RUNS, "proved": sum(map(_proved, found)), "open": sum(map(_open, found))}

    return Sampler(name, draw)


TRAINED = _sampler("certified-runs", schedule(400))
STOPPED = _sampler("certified-runs-stopped", Recipe((Phase.constant(30, STEP),)))


def _read(tally: Tally, point: Point) -> Proportion:
    return Proportion(count(tally, "proved"), count(tally, "runs"), count(tally, "open"))


# --- The figure ---------------------------------------------------------------------------------------------


def figure() -> Curves:
    """The smallest `|w_i·x_n|` of each run against its final error."""
    series = []
    for width in (16, WIDTH):
        rng = np.random.default_rng([0, width])
        ended = gaussian_runs(rng, 30, width, 1, samples(width), schedule(500))
        # An error of exactly zero has no logarithm; it is drawn at the least positive one there could be.
        x = tuple(math.log(max(error, 1e-33)) for error in ended.mse.tolist())
        series.append(Series(f"d = {width}", x, tuple(map(math.log, margins(ended))), style="points"))
    return Curves("final mean squared error", "smallest |w·x| of the run", tuple(series), x_scale="log")


def drawn(tables: Sequence[Table]) -> Curves:
    """Against the width, from the table: the smallest `|w_i·x_n|` of a run far above its final error."""
    (table,) = tables
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    series = []
    for column, words in ((_MARGIN, "smallest |w·x| of a run"), (_ERROR, "final mean squared error of a run")):
        low, middle, high = zip(*(_read_span(str(row[column])) for row in rows), strict=True)
        series.append(Series(words, tuple(float(str(row["d"])) for row in rows), middle, low, high, "points"))
    return Curves("width d, with N = ⌊d²/5⌋", "median, and from the least to the largest of the runs", tuple(series))


_ERROR, _MARGIN = "final MSE", "smallest |w·x|"


def _read_span(text: str) -> list[float]:
    """Logs of what `_span` wrote."""
    return [math.log(float(part)) for part in text.split(" · ")]


# --- At length ----------------------------------------------------------------------------------------------

REPETITIONS = 30


@dataclass(frozen=True)
class Profile:
    """Widths, and epochs of either phase."""

    widths: tuple[int, ...]
    epochs: int


_PROFILES = {"small": Profile((20, 24), 500), "full": Profile((20, 24, 30, 40), 1000)}


def _at_length(setup: Setup) -> tuple[Table, ...]:
    profile = _PROFILES[setup.profile]
    rows: list[tuple[Cell, ...]] = []
    for width in profile.widths:
        rng = np.random.default_rng([setup.seed, width])
        ended = gaussian_runs(
            rng, REPETITIONS, width, 1, samples(width), schedule(profile.epochs), backend=setup.backend
        )
        found = certificates(ended, 0.0)
        local = sum(item.local_minimum.outcome is Outcome.HOLDS for item in found)
        proved = sum(map(_proved, found))
        share = clopper_pearson(proved, REPETITIONS, 0.05)
        inside = [item.boundary.sine.lower for item in found]
        distance = [item.exact_minimum.distance for item in found if item.exact_minimum is not None]
        rows.append(
            (
                width,
                samples(width),
                _span(ended.mse.tolist()),
                _span(margins(ended)),
                _span(inside),
                _span(distance) if distance else None,
                int((ended.mce == 0).sum()),
                local,
                proved,
                f"[{math.exp(share.lower):.2f}, {math.exp(share.upper):.2f}]",
            )
        )
        setup.tell(f"d = {width}: {proved} of {REPETITIONS} proved to be at a global minimum")
    columns = (
        "d", "N", _ERROR, _MARGIN, "its sine", "way to the exact minimum", "MCE = 0", "DLM proved",
        "and global", "95 % interval",
    )  # fmt: skip
    text = (
        f"Each cell with three numbers has the least, the median and the largest of {REPETITIONS} runs. "
        f"{profile.epochs} epochs of Adam with step {STEP:g}, and as many with steps down to {LAST_STEP:g}; ρ = 0. The "
        "sine is that of the angle between a neuron and the nearest boundary. The way is relative to the neuron's "
        "length; it is proved, and too short to leave the region of the differentiable local minimum (DLM)."
    )
    return (Table("Where training ends (Figure 5.2)", columns, tuple(rows), (text,)),)


def _span(values: list[float]) -> str:
    return " · ".join(f"{value:.1e}" for value in (min(values), float(np.median(values)), max(values)))


_AT = Point(d=WIDTH, N=samples(WIDTH), rho=0.0)

STATEMENT = Statement(
    id="figure-5-2",
    kind=Kind.EXPERIMENT,
    title="Training ends at differentiable minima",
    citation=paper("Figure 5.2"),
    summary=(
        "With five parameters a sample, training ends inside a region, where a differentiable local minimum is proved "
        "to lie nearby, and to be global."
    ),
    variables=(Variable(d, "width of the inputs and of the hidden layer", sp.S.Naturals), SLOPE),
    assumptions=(),
    claim=CLAIM,
    steps=(
        Step(
            "How small is small? Of m independent standard normal inputs the smallest is of order 1/m by chance alone, "
            "so values of 1/(N d) are no sign of a boundary.",
            r"\lim_{m \to \infty} \mathbb{P}\left(\min_k |u_k| > \frac{t}{m}\right) = e^{-t \sqrt{2/\pi}}",
            smallest_of_many,
        ),
    ),
    checks=(
        Check(
            name="certificates",
            text=(
                f"Trains {RUNS} networks in a chunk and certifies each: all inputs nonzero, an exact differentiable "
                "minimum in the same region within a thousandth of each neuron, its residual zero. Certificates that "
                "are left open count for neither side."
            ),
            sampler=TRAINED,
            read=_read,
            grid=(_AT,),
            chunks=3,
            controls=(
                Control(
                    "too few parameters",
                    "the same training with half a parameter a sample: there is no such minimum",
                    points=(Point(d=STARVED_WIDTH, N=2 * STARVED_WIDTH**2, rho=0.0),),
                ),
                Control("stopped early", "after 30 epochs, before training has converged", sampler=STOPPED),
            ),
        ),
    ),
    pictures=(
        Picture(
            "margins",
            "Distance to the boundary and final error",
            "One point a run, 30 of each width: N = ⌊d²/5⌋, ReLU, 500 epochs of Adam and 500 with decreasing steps. "
            "Most errors are what rounding leaves, and the smallest |w·x| is many orders of magnitude above their "
            "roots. A run that ends at a minimum with an error, or is on its way to a boundary, stands apart.",
            figure,
        ),
    ),
    experiment=Experiment(
        {
            "small": "widths 20 and 24, 500 + 500 epochs; some seconds",
            "full": "widths 20 to 40, 1000 + 1000 epochs as in the paper; a few minutes",
        },
        _at_length,
        drawn=drawn,
    ),
    notes=(
        "Starts of variance 1/d make inputs of order one, and the smallest of N d of them about 1/(N d). The paper "
        "reports 10⁻³ to 1.",
    ),
)
