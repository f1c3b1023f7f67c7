"""Samplers that several statements share, so that their chunks are drawn once a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from verify.asymptotics import Scaling
from verify.network import regions
from verify.network.activations import forward
from verify.network.oracle import UNKNOWN, YES, examine
from verify.sampling import Draw, Tally, count, entries
from verify.statements import Path, Point, Sampler
from verify.statistics.estimates import (
    CertifiedMean,
    CertifiedQuantile,
    NestedOdds,
    NestedQuantile,
    Proportion,
    Replicates,
)
from verify.statistics.intervals import clopper_pearson
from verify.volume.exact import RegionLattice
from verify.volume.rare import rare_average, rare_event


def _first_order(point: Point, draw: Draw) -> Tally:
    """First-order events of one batch of regions, for several ways of choosing the labels.

    - `rank`: `rank G < N`; `support`: `|T*| > εN`, some labels have more than `εN` nonzero residuals;
    - `labels`, `teacher`, `adversarial`: `MCE > ε` for labels drawn at random (or the user's), for labels that
      say whether a random two-neuron teacher is above its median, and for labels chosen after seeing `X` and `W`;
    - `fits`: zero residual for the random (or the user's) labels.
    """
    rho, epsilon, d1 = point.real("rho"), point.real("epsilon"), point.integer("d1")
    data = draw.data
    if data is None:
        n, d0, batch = point.integer("N"), point.integer("d0"), 512 if point.integer("N") <= 40 else 128
        X = draw.normal(batch, d0, n)
        y = draw.rng.integers(0, 2, (batch, n)).astype(np.float64)
    else:
        n, d0 = data.samples, data.features
        # A singular value decomposition of G is what a rank-deficient region costs.
        batch = int(np.clip(2e9 / (20 * n * min(n, d0 * d1) ** 2), 1, 512))
        X, y = draw.backend.asarray(data.X), data.y
    W = draw.normal(batch, d1, d0)
    found = regions.kernels(W, X, rho)
    events = {
        "rank": regions.rank_deficient(found),
        "support": regions.support_above(found, epsilon),
        "labels": regions.misclassified_above(found, y, epsilon),
        "teacher": regions.misclassified_above(found, _teacher_labels(draw, X, batch, rho), epsilon),
        "adversarial": regions.worst_labels_above(found, epsilon, y),
        "fits": regions.zero_residual(found, y),
    }
    tally: Tally = {"trials": batch}
    for name, event in events.items():
        tally[name] = event.hits
        tally[f"{name} doubtful"] = event.doubtful
    return tally


def _teacher_labels(draw: Draw, X: NDArray[np.float64], batch: int, rho: float) -> NDArray[np.float64]:
    teacher = draw.normal(batch, 2, X.shape[-2])
    weights = draw.normal(batch, 2)
    outputs = draw.backend.to_numpy(forward(teacher, weights, X, rho))
    above: NDArray[np.bool_] = outputs > np.median(outputs, axis=-1, keepdims=True)
    return above.astype(np.float64)


FIRST_ORDER = Sampler("first-order", _first_order)


_DATA_SETS = 6
REGIONS = 32


def _classify(point: Point, draw: Draw, labels: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Tally:
    """For each of several data sets, how many of `REGIONS` regions lie in `L_ε` and in `G` (Definition 4)."""
    rho, epsilon, n = point.real("rho"), point.real("epsilon"), point.integer("N")
    d0, d1 = point.integer("d0"), point.integer("d1")
    tally: dict[str, list[int]] = {name: [] for name in ("L", "G", "L doubtful", "G doubtful")}
    for _ in range(_DATA_SETS):
        X = draw.rng.standard_normal((d0, n))
        y = labels(X)
        W = draw.rng.standard_normal((REGIONS, d1, d0))
        seen = examine(W, X, y, rho, epsilon=epsilon, node_limit=2000)
        for name, answers in (("L", seen.suboptimal(epsilon)), ("G", seen.globalmin())):
            tally[name].append(int((answers == YES).sum()))
            tally[f"{name} doubtful"].append(int((answers == UNKNOWN).sum()))
    return {**tally}


def _random_labels(point: Point, draw: Draw) -> Tally:
    return _classify(point, draw, lambda X: np.asarray(draw.rng.integers(0, 2, X.shape[1]), dtype=np.float64))


def _teacher_outputs(point: Point, draw: Draw) -> Tally:
    def outputs(X: NDArray[np.float64]) -> NDArray[np.float64]:
        k = point.integer("k")
        teacher, weights = draw.rng.standard_normal((k, X.shape[0])), draw.rng.standard_normal(k)
        return np.asarray(forward(teacher, weights, X, point.real("rho")), dtype=np.float64)

    return _classify(point, draw, outputs)


CLASSIFIED = Sampler("classified-regions", _random_labels)
CLASSIFIED_TEACHER = Sampler("classified-regions-teacher", _teacher_outputs)


_EXACT_SETS = 4
_EXACT_BOXES = 60
_WITNESSES = 64
# Probability that one end for one X is wrong, where it rests on sampling; a quantile allows for it.
_MISS = 0.01
# A tally holds finite numbers; the log of a volume of zero is written as this.
_LOG_ZERO = -1e9


def _exact(point: Point, draw: Draw) -> Tally:
    """For each of several data sets, ends of the logs of the volumes of `L_ε` and `G`, from all cells.

    Half of the labels are 1. The proved ends of `L_ε` are one number where the search for minima came to its end.
    Those called `L` and `G` are narrowed by deciding regions that were drawn at random, and so miss with probability
    `_MISS` each.
    """
    rho, epsilon, n = point.real("rho"), point.real("epsilon"), point.integer("N")
    d0, d1 = point.integer("d0"), point.integer("d1")
    names = ("L proved low", "L proved high", "L low", "L high", "G low", "G high")
    tally: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(_EXACT_SETS):
        X = draw.rng.standard_normal((d0, n))
        y = np.asarray(draw.rng.permutation(n) < n // 2, dtype=np.float64)
        found = RegionLattice(X, y, rho, epsilon).volumes(d1, box_limit=_EXACT_BOXES)
        seen = examine(draw.rng.standard_normal((_WITNESSES, d1, d0)), X, y, rho, epsilon=epsilon)
        row = [found.suboptimal.log_lower, found.suboptimal.log_upper]
        for proved, answers in ((found.suboptimal, seen.suboptimal(epsilon)), (found.globalmin, seen.globalmin())):
            yes, unknown = int((answers == YES).sum()), int((answers == UNKNOWN).sum())
            counted = clopper_pearson(yes, _WITNESSES, 2 * _MISS, unknown)
            row += [max(proved.log_lower, counted.lower), min(proved.log_upper, counted.upper)]
        for name, value in zip(names, row, strict=True):
            tally[name].append(max(value, _LOG_ZERO))
    return {**tally}


EXACT = Sampler("exact-volumes", _exact)

# Twice N^b neurons, so that both kinds of regions have some volume. The statements share these points and their draws.
_CELLS = {"epsilon": 0.1, "delta": 0.5, "lambda": 0}
EXACT_RELU = Path.along(Scaling(sp.Rational(3, 4), sp.Rational(1, 2), k1=2), (4, 5), rho=0.0, **_CELLS)
EXACT_LEAKY = Path.along(Scaling(sp.Rational(3, 5), sp.Rational(3, 5), k1=2), (4, 5), rho=0.1, **_CELLS)
EXACT_PATHS = (EXACT_RELU, EXACT_LEAKY)
EXACT_CHUNKS = 9


def _logs(tally: Tally, name: str) -> tuple[float, ...]:
    return tuple(value if value > _LOG_ZERO else -math.inf for value in entries(tally, name))


def exact_mean(tally: Tally, point: Point) -> CertifiedMean:
    """The mean over `X` of `V(L_ε)`, from `EXACT`."""
    return CertifiedMean(_logs(tally, "L proved low"), _logs(tally, "L proved high"))


def exact_global_quantile(tally: Tally, point: Point) -> CertifiedQuantile:
    """The `δ` quantile over `X` of `V(G)`, from `EXACT`."""
    return CertifiedQuantile(_logs(tally, "G low"), point.real("delta"), _logs(tally, "G high"), miss=_MISS)


def exact_ratio_quantile(tally: Tally, point: Point) -> CertifiedQuantile:
    """The `1 − δ` quantile over `X` of `V(L_ε)/V(G)`, from `EXACT`; infinite where `V(G)` may be zero."""
    least = _differences(_logs(tally, "L low"), _logs(tally, "G high"), -math.inf)
    most = _differences(_logs(tally, "L high"), _logs(tally, "G low"), math.inf)
    return CertifiedQuantile(least, 1 - point.real("delta"), most, log_most=math.inf, miss=2 * _MISS)


def _differences(first: Sequence[float], second: Sequence[float], unknown: float) -> tuple[float, ...]:
    """Logs of quotients; nothing over nothing is `unknown`."""
    pairs = zip(first, second, strict=True)
    return tuple(unknown if one == other == -math.inf else one - other for one, other in pairs)


def _average(point: Point, draw: Draw) -> Tally:
    """Independent unbiased estimates of the mean over `X` and random labels of the first-order volume, as logs."""
    found = rare_average(
        point.integer("N"), point.integer("d0"), point.integer("d1"), point.real("rho"), point.real("epsilon"),
        "first_order", seed=int(draw.rng.integers(2**62)), budget=_AVERAGE_EVALUATIONS,
    )  # fmt: skip
    logs = found.replicates or (found.log_estimate,)
    return {"log estimates": [max(log, _LOG_ZERO) for log in logs], "evaluations": found.evaluations}


_AVERAGE_EVALUATIONS = 12_000
AVERAGE = Sampler("rare-average", _average)

_RARE_SETS = 8
_RARE_EVALUATIONS = 2_000


def _rare(point: Point, draw: Draw) -> Tally:
    """For each of several data sets with random labels, ends of the log of the first-order volume, by splitting."""
    n, d0 = point.integer("N"), point.integer("d0")
    low, high = [], []
    for _ in range(_RARE_SETS):
        X = draw.rng.standard_normal((d0, n))
        y = np.asarray(draw.rng.integers(0, 2, n), dtype=np.float64)
        found = rare_event(
            X, y, point.integer("d1"), point.real("rho"), point.real("epsilon"), "first_order",
            seed=int(draw.rng.integers(2**62)), budget=_RARE_EVALUATIONS, level=2 * _MISS,
        )  # fmt: skip
        low.append(max(found.log_lower, _LOG_ZERO))
        high.append(max(found.log_upper, _LOG_ZERO))
    return {"low": low, "high": high}


RARE = Sampler("rare-volumes", _rare)


def rare_quantile(tally: Tally, point: Point) -> CertifiedQuantile:
    """The `1 − δ` quantile over `X` of the first-order volume, from `RARE`."""
    return CertifiedQuantile(_logs(tally, "low"), 1 - point.real("delta"), _logs(tally, "high"), miss=_MISS)


def average(tally: Tally, point: Point) -> Replicates:
    """The mean over `X` and labels of the first-order volume, from `AVERAGE`."""
    return Replicates(_logs(tally, "log estimates"), count(tally, "evaluations"))


def global_quantile(tally: Tally, point: Point) -> NestedQuantile:
    """The `δ` quantile over `X` of `V(G)`, from a sampler of classified regions."""
    return NestedQuantile(entries(tally, "G"), entries(tally, "G doubtful"), REGIONS, 1 - point.real("delta"))


def ratio_quantile(tally: Tally, exception: float) -> NestedOdds:
    """The `1 − exception` quantile over `X` of `V(L_ε)/V(G)`, from a sampler of classified regions."""
    first, second, maybe, perhaps = (entries(tally, name) for name in ("L", "G", "L doubtful", "G doubtful"))
    return NestedOdds(first, second, maybe, perhaps, REGIONS, exception)


def proportion(event: str) -> Callable[[Tally, Point], Proportion]:
    """Reader of one event of `FIRST_ORDER`."""

    def read(tally: Tally, point: Point) -> Proportion:
        return Proportion(count(tally, event), count(tally, "trials"), count(tally, f"{event} doubtful"))

    return read
