"""Does training end where volumes say? A comparison that the paper does not make.

Theorem 6 bounds the volume of the regions that contain a sub-optimal differentiable local minimum: the chance that a
normal first layer *starts* in one. Here networks start so, are trained, and walk to an exact minimum, and it is counted
how often they *end* at one. Small sizes, where a region can be searched for minima completely.

At length the same is asked of single data sets: is `V(L_ε)/V(G)`, exact or estimated by splitting, also how much more
often training ends at a sub-optimal minimum than at a global one?
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.stats import spearmanr

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
from verify.statistics.intervals import Interval, clopper_pearson, log, odds
from verify.volume.angular import Method, volumes
from verify.volume.result import Volumes

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


class End(StrEnum):
    """Where the walk from the end of training came to."""

    SUBOPTIMAL = "sub-optimal minimum"
    """A differentiable minimum with more than `ε N` errors."""
    GLOBAL = "global minimum"
    """A differentiable minimum without a residual."""
    OTHER = "elsewhere"
    """A kink, a minimum with a residual but few errors, or undecided."""


FITTED = 1e-20
"""Loss of a minimum, as a fraction of that of an output of zero, below which it is rounding."""


def _end(W: FloatArray, z: FloatArray, X: FloatArray, y: FloatArray, rho: float, epsilon: float) -> End:
    end = polish(W, z, X, y, rho)
    if end.where is not Where.MINIMUM:
        return End.OTHER
    out = np.asarray(forward(end.W, z, X, rho))
    if int(((out > 0.5) != (y > 0.5)).sum()) >= errors_above(epsilon, y.size):
        return End.SUBOPTIMAL
    return End.GLOBAL if end.loss <= FITTED * float(np.mean(y**2)) else End.OTHER


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
    scores, labels = _digit_scores()
    chosen = rng.integers(0, len(scores), (runs, point.integer("N")))
    return np.swapaxes(scores[chosen][..., : point.integer("d0")], 1, 2), labels[chosen]


@cache
def _digit_scores() -> tuple[FloatArray, FloatArray]:
    """Principal components of the digits, the first of mean square 1, and their labels."""
    images = digits()
    values = np.asarray(images.X, dtype=np.float64)
    values = values - values.mean(axis=0)
    left, sizes, _ = np.linalg.svd(values, full_matrices=False)
    return left * sizes / sizes[0] * np.sqrt(len(values)), binary(images.classes, range(5))


Labels = Callable[[np.random.Generator, Point, int], tuple[FloatArray, FloatArray]]


def _pairs(
    rng: np.random.Generator, point: Point, backend: Backend, labels: Labels = random_labels, runs: int = RUNS
) -> tuple[list[bool | None], list[bool]]:
    """For each run whether it starts in such a region, and whether it ends at such a minimum."""
    d0, d1, rho, epsilon = point.integer("d0"), point.integer("d1"), point.real("rho"), point.real("epsilon")
    X, y = labels(rng, point, runs)
    start = Network((rng.standard_normal((runs, d1, d0)),), rng.standard_normal((runs, d1)))
    starts = [classify(start.hidden[0][k], X[k], y[k], rho, epsilon).suboptimal for k in range(runs)]
    ends = _ends(start, X, y, rho, epsilon, backend)
    return starts, [end is End.SUBOPTIMAL for end in ends]


def _ends(start: Network, X: FloatArray, y: FloatArray, rho: float, epsilon: float, backend: Backend) -> list[End]:
    """Where each run comes to from its start."""
    end = descend(start, X, y, RECIPE, rho, backend=backend).network
    runs = range(len(end.z))
    return [_end(end.hidden[0][k], end.z[k], X[k], y[k], rho, epsilon) for k in runs]


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


def _point(width: int, N: int = 5, d0: int = 2) -> Point:
    return Point(N=N, d0=d0, d1=width, rho=0.1, epsilon=0.1)


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


# --- Each data set by itself --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Compared:
    """One data set at one width.

    Attributes:
        labels: their kind.
        number: of the data set, from 1.
        point: its sizes.
        volumes: of its regions.
        ends: how many runs came where.
    """

    labels: str
    number: int
    point: Point
    volumes: Volumes
    ends: Counter[End]

    @property
    def volume(self) -> Interval:
        """`V(L_ε)/V(G)` in logs."""
        low, high = self.volumes.suboptimal, self.volumes.globalmin
        return Interval(
            _quotient(low.log_lower, high.log_upper),
            _quotient(low.log_estimate, high.log_estimate),
            _quotient(low.log_upper, high.log_lower),
        )

    @property
    def training(self) -> Interval:
        """Runs that end at a sub-optimal minimum over runs that end at a global one: exact 95 % interval, in logs."""
        first, second = self.ends[End.SUBOPTIMAL], self.ends[End.GLOBAL]
        if not first + second:
            return Interval(-math.inf, -math.inf, math.inf)
        return odds(first, second, 0.05)


def _quotient(first: float, second: float) -> float:
    """`log(a/b)`; infinite for b = 0, whatever a is."""
    return math.inf if second == -math.inf else first - second


def data_sets(labels: str, point: Point, many: int, seed: int) -> list[tuple[FloatArray, FloatArray]]:
    """Data sets `(d0 × N, N)` of one kind, the same for every width; those with one label only are left out."""
    rng = np.random.default_rng([seed, *labels.encode()])
    found: list[tuple[FloatArray, FloatArray]] = []
    while len(found) < many:
        X, y = _KINDS[labels](rng, point, 1)
        if len(np.unique(y)) == 2:
            found.append((X[0], y[0]))
    return found


def compare(
    labels: str, point: Point, many: int, runs: int, seed: int, backend: Backend, *, method: Method, budget: int
) -> list[Compared]:
    """Volumes of some data sets, and where training from normal starts comes to on each.

    Args:
        labels: their kind, a name in the table.
        point: `N`, `d0`, `d1`, `rho`, `epsilon`.
        many: how many data sets.
        runs: trainings on each.
        seed: of data, starts and estimates.
        backend: where to train.
        method: of `verify.volumes`.
        budget: likewise.
    """
    d0, d1, rho, epsilon = point.integer("d0"), point.integer("d1"), point.real("rho"), point.real("epsilon")
    found = []
    for number, (X, y) in enumerate(data_sets(labels, point, many, seed), 1):
        known = volumes(X.T, y, width=d1, slope=rho, epsilon=epsilon, method=method, budget=budget, seed=seed)
        rng = np.random.default_rng([seed, number, d1, *labels.encode()])
        start = Network((rng.standard_normal((runs, d1, d0)),), rng.standard_normal((runs, d1)))
        ends = _ends(start, np.tile(X, (runs, 1, 1)), np.tile(y, (runs, 1)), rho, epsilon, backend)
        found.append(Compared(labels, number, point, known, Counter(ends)))
    return found


_ENDS = ("estimate", "lower", "upper")


def scatter(found: Sequence[tuple[str, Interval, Interval]]) -> Curves:
    """Training against volumes, a point a data set and width: kind of labels, quotient of volumes, and of runs.

    On the dashed line they agree. Quotients that are zero or infinite by volume have no place on the axis, nor have
    those of which no run ended at a global minimum; where none ended at a sub-optimal one the upper end is drawn.
    """
    shown = [(kind, at, runs) for kind, at, runs in found if math.isfinite(at.estimate) and runs.estimate < math.inf]
    series = []
    for kind in dict.fromkeys(kind for kind, _, _ in shown):
        mine = [(at.estimate, runs) for other, at, runs in shown if other == kind]
        middle, lower, upper = (tuple(getattr(runs, end) for _, runs in mine) for end in _ENDS)
        series.append(Series(f"{kind} labels", tuple(at for at, _ in mine), middle, lower, upper, "points"))
    places = [at.estimate for _, at, _ in shown]
    diagonal = (min(places), max(places)) if min(places) < max(places) else (places[0], places[0] + 1.0)
    series.append(Series("as often as volumes say", diagonal, diagonal, style="dashed"))
    return Curves(
        "V(L_ε)/V(G): volume of regions with a sub-optimal minimum over those with a global one",
        "runs that end at a sub-optimal minimum over runs that end at a global one",
        tuple(series),
        x_scale="log",
    )


def against_volumes() -> Curves:
    """Four samples in the plane, where volumes are exact: three data sets of two kinds, at two widths.

    Digits are left to the tables: a run must not depend on whether scikit-learn is installed.
    """
    numpy = get_backend("numpy")
    found = [
        one
        for labels in ("random", "teacher")
        for width in (3, 6)
        for one in compare(labels, _point(width, N=4), 3, 100, 0, numpy, method="exact", budget=1000)
    ]
    return scatter([(one.labels, one.volume, one.training) for one in found])


# --- At length ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """A family of data sets: their sizes, and how their volumes are found."""

    N: int
    d0: int
    widths: tuple[int, ...]
    many: int
    runs: int
    method: Method
    budget: int


@dataclass(frozen=True)
class Profile:
    """Widths and runs of the averages, and the families whose data sets are looked at one by one."""

    widths: tuple[int, ...]
    runs: int
    families: tuple[Sizes, ...]


_PROFILES = {
    "small": Profile((2, 6), 100, (Sizes(4, 2, (3, 6), 2, 200, "exact", 1000),)),
    "full": Profile((1, 2, 3, 4, 6, 8), 400, ()),
    "each": Profile((), 0, (Sizes(5, 2, (3, 6), 5, 400, "exact", 20_000), Sizes(8, 3, (8,), 2, 1000, "rare", 40_000))),
}


def _at_length(setup: Setup) -> tuple[Table, ...]:
    profile = _PROFILES[setup.profile]
    rows: list[tuple[Cell, ...]] = []
    for name, labels in _KINDS.items():
        for width in profile.widths:
            rng = np.random.default_rng([setup.seed, width, *name.encode()])
            starts, ends = _pairs(rng, _point(width), setup.backend, labels, profile.runs)
            shown = [_shown(share) for share in (_share(starts), _share(ends))]
            rows.append((name, width, *shown))
            setup.tell(f"{name} labels, d1 = {width}: starts {shown[0]}, ends {shown[1]}")
    text = (
        f"{profile.runs} runs a row, each on a data set of its own, five samples in the plane, ρ = 0.1, ε = 0.1, exact "
        "95 % intervals. Teachers have two hidden units; digits are those of scikit-learn by their first principal "
        "components."
    )
    columns = ("labels", "d1", "starts in a region of L_ε (volume)", "ends at a sub-optimal minimum")
    tables = (Table("Training against volumes", columns, tuple(rows), (text,)),) if rows else ()
    found: list[Compared] = []
    for family in profile.families:
        for name in _KINDS:
            for width in family.widths:
                point = _point(width, N=family.N, d0=family.d0)
                found += compare(
                    name, point, family.many, family.runs, setup.seed, setup.backend, method=family.method,
                    budget=family.budget,
                )  # fmt: skip
                setup.tell(f"{name} labels, N = {family.N}, d1 = {width}: {_summary(found[-family.many :])}")
    return (*tables, _each(found, profile), _groups(found)) if found else tables


def _shown(share: Interval, digits: str = ".3f") -> str:
    """An interval in logs as three numbers."""
    lower, middle, upper = (math.exp(min(end, 700.0)) for end in (share.lower, share.estimate, share.upper))
    ends = [f"{value:{digits}}" if value < 1e300 else "∞" for value in (lower, middle, upper)]
    return f"{ends[1]} [{ends[0]}, {ends[2]}]"


def _summary(found: Sequence[Compared]) -> str:
    above = sum(one.training.lower > one.volume.upper for one in found)
    below = sum(one.training.upper < one.volume.lower for one in found)
    return f"training above the volume in {above} of {len(found)} data sets, below in {below}"


EACH = "Each data set by itself"
_QUOTIENTS = ("volume", "training")
_VOLUME, _TRAINED = "V(L_ε)/V(G)", "training: quotient"


def _each(found: Sequence[Compared], profile: Profile) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.labels, one.point.integer("N"), one.point.integer("d0"), one.point.integer("d1"), one.number,
            _shown(one.volume, ".3g"), one.volumes.method, *(one.ends[end] for end in End),
            _shown(one.training, ".3g"),
        )
        for one in found
    ]  # fmt: skip
    text = (
        "V(L_ε)/V(G) with its ends: exact where the method is `exact` (undecided boxes count for either), else 99 % "
        "intervals of each volume from splitting. Training: runs at a sub-optimal minimum over runs at a global one, "
        f"exact 95 % intervals; {', '.join(f'{one.runs} runs at N = {one.N}' for one in profile.families)}, normal "
        "starts, 400 epochs of Adam, then the walk to an exact minimum. Elsewhere: kinks, and minima with a residual "
        "but few errors. Data sets are the same for every width; those with one label only are left out."
    )
    columns = (
        "labels", "N", "d0", "d1", "data set", _VOLUME, "method", *map(str, End), _TRAINED,
    )  # fmt: skip
    return Table(EACH, columns, tuple(rows), (text,))


def _groups(found: Sequence[Compared]) -> Table:
    """How well volumes foretell training, for each kind of labels and size."""
    rows: list[tuple[Cell, ...]] = []
    for key in dict.fromkeys((one.labels, one.point.integer("N"), one.point.integer("d1")) for one in found):
        group = [one for one in found if (one.labels, one.point.integer("N"), one.point.integer("d1")) == key]
        finite = [one for one in group if all(map(math.isfinite, (one.volume.estimate, one.training.estimate)))]
        factors = sorted(math.exp(one.training.estimate - one.volume.estimate) for one in finite)
        rank = None
        if len(finite) > 2:
            volume, training = (np.array([getattr(one, name).estimate for one in finite]) for name in _QUOTIENTS)
            rank = round(float(spearmanr(volume, training).statistic), 2)
        rows.append(
            (
                *key, len(group), sum(one.training.lower > one.volume.upper for one in group),
                sum(one.training.upper < one.volume.lower for one in group),
                f"{factors[0]:.2g} · {float(np.median(factors)):.2g} · {factors[-1]:.2g}" if factors else None, rank,
            )
        )  # fmt: skip
    text = (
        "Above, below: data sets whose two intervals do not meet. The factor is training's quotient over that of "
        "volumes: least, median and largest of the data sets where both are positive and finite. Rank correlation "
        "(Spearman) over these: 1 if volumes order the data sets as training does."
    )
    columns = ("labels", "N", "d1", "data sets", "training above", "below", "factor", "rank correlation")
    return Table("Do volumes say where training ends?", columns, tuple(rows), (text,))


def drawn(tables: Sequence[Table]) -> Curves:
    """The scatter plot from the table of single data sets."""
    (table,) = (table for table in tables if table.title == EACH)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    found = []
    for row in rows:
        found.append((str(row["labels"]), _read_shown(str(row[_VOLUME])), _read_shown(str(row[_TRAINED]))))
    return scatter(found)


def _read_shown(text: str) -> Interval:
    """What `_shown` wrote."""
    middle, lower, upper = (log(float(part.strip("[],").replace("∞", "inf"))) for part in text.split())
    return Interval(lower, middle, upper)


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
        Picture(
            "volumes",
            "Training against volumes, one data set at a time",
            "Four samples in the plane, ρ = 0.1, ε = 0.1; three data sets for random labels and three for a "
            "teacher's, at widths 3 and 6. "
            "Across is a quotient of exact volumes, upwards that of 100 runs with its 95 % interval. On the dashed "
            "line training would end at sub-optimal minima as often, for each global one, as volumes say.",
            against_volumes,
        ),
    ),
    experiment=Experiment(
        {
            "small": "two widths, three kinds of labels, 100 runs each, two data sets of each one by one; some seconds",
            "full": "six widths, three kinds of labels, 400 runs each; a minute or two",
            "each": "seven data sets of each kind of labels one by one, against exact and rare volumes; some minutes",
        },
        _at_length,
        drawn=drawn,
    ),
    notes=(
        "Ends at kinks count as no sub-optimal minimum, nor do walks that end where more boundaries meet than can be "
        "told apart; both only make the claim harder to support.",
    ),
)
