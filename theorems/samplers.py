"""Samplers that several statements share, so that their chunks are drawn once a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from verify.network import regions
from verify.network.activations import forward
from verify.network.minima import RegionError, classify
from verify.sampling import Draw, Tally, count, entries
from verify.statements import Point, Sampler
from verify.statistics.estimates import NestedOdds, NestedQuantile, Proportion


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
        found = {name: Counter[bool | None]() for name in ("L", "G")}
        for _ in range(REGIONS):
            try:
                answer = classify(draw.rng.standard_normal((d1, d0)), X, y, rho, epsilon)
                found["L"][answer.suboptimal] += 1
                found["G"][answer.globalmin] += 1
            except RegionError:  # a pre-activation within rounding of zero: the region itself is in doubt
                found["L"][None] += 1
                found["G"][None] += 1
        for name, answers in found.items():
            tally[name].append(answers[True])
            tally[f"{name} doubtful"].append(answers[None])
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
