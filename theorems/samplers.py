"""Samplers that several statements share, so that their chunks are drawn once a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from verify.network import regions
from verify.network.activations import forward
from verify.network.minima import RegionError, classify
from verify.sampling import Draw, Tally, count
from verify.statements import Point, Sampler
from verify.statistics.estimates import Odds, Proportion


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
        "adversarial": regions.worst_labels_above(found, epsilon),
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


_REGIONS = 64


def _classify(point: Point, draw: Draw, labels: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Tally:
    """Which of a batch of regions lie in `L_ε` and which in `G` (Definition 4), decided one by one."""
    rho, epsilon, n = point.real("rho"), point.real("epsilon"), point.integer("N")
    d0, d1 = point.integer("d0"), point.integer("d1")
    found = {name: Counter[bool | None]() for name in ("L", "G")}
    for _ in range(_REGIONS):
        X = draw.rng.standard_normal((d0, n))
        y = labels(X)
        W = draw.rng.standard_normal((d1, d0))
        try:
            answer = classify(W, X, y, rho, epsilon)
            found["L"][answer.suboptimal] += 1
            found["G"][answer.globalmin] += 1
        except RegionError:  # a pre-activation within rounding of zero: the region itself is in doubt
            found["L"][None] += 1
            found["G"][None] += 1
    tally: Tally = {"trials": _REGIONS}
    for name, answers in found.items():
        tally[name], tally[f"{name} doubtful"] = answers[True], answers[None]
    return tally


def _classified(point: Point, draw: Draw) -> Tally:
    return _classify(point, draw, lambda X: draw.rng.integers(0, 2, X.shape[1]).astype(np.float64))


def _teacher_regions(point: Point, draw: Draw) -> Tally:
    rho, k = point.real("rho"), point.integer("k")

    def outputs(X: NDArray[np.float64]) -> NDArray[np.float64]:
        teacher, weights = draw.rng.standard_normal((k, X.shape[0])), draw.rng.standard_normal(k)
        return np.asarray(forward(teacher, weights, X, rho), dtype=np.float64)

    return _classify(point, draw, outputs)


CLASSIFIED = Sampler("classified-regions", _classified)
TEACHER_REGIONS = Sampler("classified-regions-teacher", _teacher_regions)


def ratio(tally: Tally, point: Point) -> Odds:
    """`E V(L_ε) / E V(G)` from `CLASSIFIED` or `TEACHER_REGIONS`."""
    return Odds(
        count(tally, "L"),
        count(tally, "G"),
        count(tally, "trials"),
        count(tally, "L doubtful"),
        count(tally, "G doubtful"),
    )


def proportion(event: str) -> Callable[[Tally, Point], Proportion]:
    """Reader of one event of `FIRST_ORDER` or `CLASSIFIED`."""

    def read(tally: Tally, point: Point) -> Proportion:
        return Proportion(count(tally, event), count(tally, "trials"), count(tally, f"{event} doubtful"))

    return read
