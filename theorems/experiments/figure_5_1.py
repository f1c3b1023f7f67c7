"""Figure 5.1: training reaches zero error once there are more non-redundant parameters than samples.

Gaussian inputs, labels ±1 with probability 1/2, ReLU, mean squared error, all layers of one width d. The paper shows
the mean error of 30 runs and its standard deviation; here the runs without an error are counted, with exact intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp

from theorems.experiments.runs import gaussian_runs
from theorems.setting import SAMPLES, paper
from verify.backends import Backend
from verify.experiments import Cell, Experiment, Setup, Table
from verify.network.descent import Phase, Recipe, free_parameters
from verify.pictures import Curves, Series, Style
from verify.relations import Relation
from verify.sampling import Draw, Tally, count
from verify.statements import Check, Claim, Control, Kind, Picture, Point, Sampler, Statement, Step, Variable
from verify.statistics.estimates import Proportion
from verify.statistics.intervals import clopper_pearson, log

d = sp.Symbol("d", integer=True, positive=True)
layers = sp.Symbol("L", integer=True, positive=True)

RUNS = 32  # in one chunk
FEW_ERRORS = 0.01
RECIPE = Recipe((Phase(400, 2e-2, 1e-3),))
# Enough and too few parameters a sample, on either side of where the error disappears.
ENOUGH, TOO_FEW = 3.0, 0.3

_LABEL = r"\mathbb{P}\left(\mathrm{MCE} \le \tfrac{1}{100} \;\middle|\; p %s N\right)"
CLAIM = Claim(
    sp.Symbol(_LABEL % r"\ge 3"),
    Relation.AT_LEAST,
    sp.Rational(2, 3),
    proviso="over inputs, labels and starts, after 400 epochs of Adam; p is the number of non-redundant parameters",
)
STARVED_CLAIM = Claim(
    sp.Symbol(_LABEL % r"\le \tfrac{3}{10}"),
    Relation.AT_MOST,
    sp.Rational(1, 4),
    proviso="with too few parameters, by the same training",
)


def samples(width: int, depth: int, ratio: float) -> int:
    """The number of samples at which there are `ratio` non-redundant parameters a sample."""
    return max(1, round(free_parameters((width,) * (depth + 1)) / ratio))


def scaling_is_redundant() -> bool | None:
    """`φ(c u) · (z/c) = φ(u) z` for every c > 0: on either side of zero, for any slope."""
    c, u = sp.symbols("c u", positive=True)
    rho, z = sp.symbols("rho z", real=True)

    def activation(value: sp.Expr) -> sp.Expr:
        return value if value.is_positive else rho * value

    return all(sp.simplify(activation(c * side) * z / c - activation(side) * z) == 0 for side in (u, -u))


def counts_of_parameters() -> bool | None:
    """Weights less hidden units: `d²` for one hidden layer, `2 d² − d` for two."""
    one = d**2 + d - d
    two = 2 * d**2 + d - 2 * d
    sizes = range(1, 40)
    agree = all(
        formula.subs(d, size) == free_parameters((size,) * (depth + 1))
        for size in sizes
        for depth, formula in ((1, one), (2, two))
    )
    return bool(sp.expand(one - d**2) == 0 and sp.expand(two - (2 * d**2 - d)) == 0 and agree)


def _sampler(name: str, recipe: Recipe | None) -> Sampler:
    def draw(point: Point, stream: Draw) -> Tally:
        width, depth = point.integer("d"), point.integer("L")
        ended = gaussian_runs(
            stream.rng, RUNS, width, depth, point.integer("N"), recipe, slope=point.real("rho"), backend=stream.backend
        )
        return {"runs": RUNS, "few errors": int((ended.mce <= FEW_ERRORS).sum())}

    return Sampler(name, draw)


TRAINED = _sampler("gaussian-runs-trained", RECIPE)
UNTRAINED = _sampler("gaussian-runs-untrained", None)


def _read(tally: Tally, point: Point) -> Proportion:
    return Proportion(count(tally, "few errors"), count(tally, "runs"))


def _points(ratio: float, widths: Sequence[tuple[int, int]] = ((12, 1), (12, 2))) -> tuple[Point, ...]:
    return tuple(Point(d=width, L=depth, N=samples(width, depth, ratio), rho=0.0) for width, depth in widths)


# --- The figure ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spot:
    """The runs of one width, depth and number of samples."""

    width: int
    layers: int
    N: int
    errors: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Non-redundant parameters a sample."""
        return free_parameters((self.width,) * (self.layers + 1)) / self.N

    @property
    def perfect(self) -> int:
        """Runs without an error."""
        return sum(error == 0 for error in self.errors)

    @property
    def mean(self) -> float:
        """Mean error."""
        return float(np.mean(self.errors))

    @property
    def deviation(self) -> float:
        """Standard deviation of the error."""
        return float(np.std(self.errors, ddof=1))


def scan(
    width: int,
    depth: int,
    ratios: Sequence[float],
    runs: int,
    recipe: Recipe,
    seed: int,
    backend: Backend | None = None,
) -> list[Spot]:
    """Train `runs` networks at each ratio of parameters to samples."""
    spots = []
    for ratio in ratios:
        size = samples(width, depth, ratio)
        rng = np.random.default_rng([seed, width, depth, size])
        ended = gaussian_runs(rng, runs, width, depth, size, recipe, backend=backend)
        spots.append(Spot(width, depth, size, tuple(ended.mce.tolist())))
    return spots


def transition(spots: Sequence[Spot], level: float) -> tuple[float, float]:
    """Ends of the ratio at which half of the runs are without an error, if their share grows with the ratio.

    The lower end is the largest ratio at which less than half is shown, the upper one the smallest at which more is,
    by exact intervals, all of them together at `level`. 0 and infinity where nothing was shown.
    """
    ordered = sorted(spots, key=lambda spot: spot.ratio)
    lower, upper = 0.0, math.inf
    for spot in ordered:
        share = clopper_pearson(spot.perfect, len(spot.errors), level / len(ordered))
        if math.exp(share.upper) < 0.5:
            lower = spot.ratio
        if math.exp(share.lower) > 0.5:
            upper = min(upper, spot.ratio)
    return lower, upper


WORDS = {1: "one hidden layer", 2: "two hidden layers"}


def figure() -> Curves:
    """Mean error against parameters a sample, for one and two hidden layers of width 8."""
    ratios = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
    rows = []
    for depth, words in WORDS.items():
        spots = scan(8, depth, ratios, 30, RECIPE, seed=0)
        rows += [(words, spot.ratio, spot.mean, spot.deviation) for spot in spots]
    return curves(rows)


def curves(rows: Sequence[tuple[str, float, float, float]]) -> Curves:
    """Means, and bands of one standard deviation, against parameters a sample: name of the curve, p/N, mean, std."""
    series = []
    for name in dict.fromkeys(name for name, *_ in rows):
        mine = sorted(row[1:] for row in rows if row[0] == name)
        middle, low, high = (tuple(log(mean + side * deviation) for _, mean, deviation in mine) for side in (0, -1, 1))
        style: Style = "dashed" if "two" in name else "line"
        series.append(Series(name, tuple(ratio for ratio, _, _ in mine), middle, low, high, style))
    return Curves("non-redundant parameters / samples", "training error (MCE)", tuple(series), y_scale="linear")


def drawn(tables: Sequence[Table]) -> Curves:
    """The figure from the table of errors."""
    rows: list[tuple[str, float, float, float]] = []
    for row in tables[0].rows:
        cells = {name: str(cell) for name, cell in zip(tables[0].columns, row, strict=True)}
        name = f"{WORDS[int(cells['hidden layers'])]}, d = {cells['d']}"
        rows.append((name, float(cells["p/N"]), float(cells["mean MCE"]), float(cells["std"])))
    return curves(rows)


# --- At length ----------------------------------------------------------------------------------------------

LEVEL = 0.01
_PROFILES = {
    "small": ((10,), (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0), Recipe((Phase(600, 2e-2, 1e-3),))),
    "full": (
        (10, 16),
        (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0),
        Recipe((Phase(1500, 2e-2, 1e-3),)),
    ),
}
REPETITIONS = 30


def _at_length(setup: Setup) -> tuple[Table, ...]:
    widths, ratios, recipe = _PROFILES[setup.profile]
    rows: list[tuple[Cell, ...]] = []
    located: list[tuple[Cell, ...]] = []
    for depth in (1, 2):
        for width in widths:
            spots = scan(width, depth, ratios, REPETITIONS, recipe, setup.seed, setup.backend)
            for spot in spots:
                share = clopper_pearson(spot.perfect, REPETITIONS, 0.05)
                interval = f"[{math.exp(share.lower):.2f}, {math.exp(share.upper):.2f}]"
                cells = (depth, width, spot.N, round(spot.ratio, 3), spot.mean, spot.deviation, spot.perfect, interval)
                rows.append(cells)
            low, high = transition(spots, LEVEL)
            located.append((depth, width, f"[{low:.3g}, {high:.3g}]"))
            setup.tell(
                f"{depth} hidden, d = {width}: half of the runs without an error at p/N in [{low:.3g}, {high:.3g}]"
            )
    columns = ("hidden layers", "d", "N", "p/N", "mean MCE", "std", f"without error, of {REPETITIONS}", "95 % interval")
    text = (
        f"{recipe.epochs} epochs of Adam on all samples at once, step from {recipe.step(0):g} to "
        f"{recipe.step(recipe.epochs - 1):g}; ρ = 0. p counts weights less one for each hidden unit."
    )
    return (
        Table("Error against parameters a sample (Figure 5.1)", columns, tuple(rows), (text,)),
        Table(
            f"p/N at which half of the runs are without an error, at level {LEVEL:g} for each line",
            ("hidden layers", "d", "interval"),
            tuple(located),
            ("The ends are ratios of the scan; it is assumed that the share of such runs grows with p/N.",),
        ),
    )


STATEMENT = Statement(
    id="figure-5-1",
    kind=Kind.EXPERIMENT,
    title="Zero error beyond as many parameters as samples",
    citation=paper("Figure 5.1"),
    summary=(
        "Networks trained on random labels end with hardly an error where they have three parameters a sample, and "
        "hardly ever do where they have too few."
    ),
    variables=(
        Variable(d, "width of the inputs and of each hidden layer", sp.S.Naturals),
        Variable(layers, "number of hidden layers", sp.S.Naturals),
        SAMPLES,
    ),
    assumptions=(),
    claim=CLAIM,
    steps=(
        Step(
            "A hidden unit can be scaled against what follows it, so one weight of each is redundant.",
            r"\varphi(c\,u)\,\frac{z}{c} = \varphi(u)\,z \quad (c > 0)",
            scaling_is_redundant,
        ),
        Step(
            "At width d that leaves d² weights with one hidden layer, and 2d² − d with two.",
            r"p_1 = d^2, \qquad p_2 = 2 d^2 - d",
            counts_of_parameters,
        ),
    ),
    checks=(
        Check(
            name="enough parameters",
            text=(
                f"Trains {RUNS} networks in a chunk, each on Gaussian data of its own, with one and two hidden layers "
                "and three non-redundant parameters a sample, and counts those with at most 1 % of the samples "
                "misclassified."
            ),
            sampler=TRAINED,
            read=_read,
            grid=_points(ENOUGH),
            chunks=4,
            controls=(
                Control(
                    "too few parameters",
                    "the same training with 0.3 parameters a sample",
                    points=_points(TOO_FEW, ((6, 1), (6, 2))),
                ),
                Control("untrained", "the starts", sampler=UNTRAINED),
            ),
        ),
        Check(
            name="too few parameters",
            text="The same with 0.3 parameters a sample, where there should hardly be such a run.",
            sampler=TRAINED,
            read=_read,
            claim=STARVED_CLAIM,
            grid=_points(TOO_FEW, ((6, 1), (6, 2))),
            chunks=2,
            controls=(
                Control(
                    "enough parameters", "the same training with three parameters a sample", points=_points(ENOUGH)
                ),
            ),
        ),
    ),
    pictures=(
        Picture(
            "error",
            "Error against parameters a sample",
            "Gaussian inputs, random labels, width 8, ReLU; 400 epochs of Adam. Means of 30 runs, and in the bands one "
            "standard deviation, cut off at zero.",
            figure,
        ),
    ),
    experiment=Experiment(
        {
            "small": "width 10, seven ratios, 600 epochs; some seconds",
            "full": "widths 10 and 16, twelve ratios, 1500 epochs; some ten minutes on one core",
        },
        _at_length,
        drawn=drawn,
    ),
    notes=(
        "A network can tell apart more random samples than it has parameters, so some runs end without an error also "
        "where there are fewer.",
    ),
)
