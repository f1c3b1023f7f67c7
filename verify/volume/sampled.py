"""Angular volumes by plain sampling, for data of any size: exact confidence intervals that no doubt can invalidate.

Regions of random first layers are looked at in batches. The three events of first order are decided for all of them.
Whether a region contains a minimum takes a search that may end without an answer; so the volumes of `L_ε` and `G` are
brackets, *witnessed* ≤ V ≤ *witnessed* + *unknown*, and the interval is that of the one at its lower end and of the
other at its upper end. How many regions are searched is fixed by a pilot sample before the counting begins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from verify.executors import make_executor
from verify.network import regions
from verify.network.oracle import UNKNOWN, YES, examine
from verify.sampling import stream
from verify.statistics.intervals import clopper_pearson
from verify.verdicts import Evidence
from verify.volume.result import EVENTS, Volume, Volumes

FloatArray = NDArray[np.float64]

PILOT = 1000
"""Regions looked at to predict how many searches an event takes."""

_CHUNK_ENTRIES = 2**21  # of the Gram matrices of one chunk: 16 MB


@dataclass(frozen=True)
class Problem:
    """Fixed data and a network: what volumes are asked for.

    Attributes:
        X: samples, `(d0, N)`.
        y: labels, `(N,)`.
        width: number of hidden units d1.
        slope: slope ρ on the negative side.
        epsilon: threshold ε on the fraction of misclassified samples.
    """

    X: FloatArray
    y: FloatArray
    width: int
    slope: float
    epsilon: float

    @property
    def chunk(self) -> int:
        """Regions looked at together, so that no array of a chunk has more than some two million entries."""
        d0, N = self.X.shape
        return int(np.clip(_CHUNK_ENTRIES // max(N * N, N * self.width, d0 * self.width), 1, 1024))

    @property
    def key(self) -> str:
        """What identifies the problem in a random stream."""
        return f"{self.X.shape} {self.width} {self.slope!r} {self.epsilon!r}"


@dataclass(frozen=True)
class Pilot:
    """Regions of a first small sample, by event, doubtful ones included; `fits` is `e = 0`."""

    trials: int
    rank: int
    support: int
    first_order: int
    fits: int


def pilot(problem: Problem, seed: int) -> Pilot:
    """Look at `PILOT` regions without any search.

    Args:
        problem: the data and the network.
        seed: fixes the result.
    """
    total = {name: 0 for name in ("rank", "support", "first_order", "fits")}
    drawn = 0
    with threadpool_limits(1, user_api="blas"):
        for number, count in enumerate(_sizes(problem, PILOT)):
            found = _kernels(problem, stream(seed, "volumes-pilot", problem.key, number), count)
            for name, event in _first_order(problem, found).items():
                total[name] += event.hits + event.doubtful
            drawn += count
    return Pilot(drawn, **total)


def sampled_volumes(
    problem: Problem,
    *,
    seed: int = 0,
    budget: int = 20_000,
    level: float = 0.01,
    workers: int = 1,
    before: Pilot | None = None,
) -> Volumes:
    """Angular volumes of all five events by plain sampling.

    Args:
        problem: the data and the network.
        seed: fixes the result, whatever the number of workers.
        budget: regions to look at; from a tenth down to a two hundredth of them, by the size of the network, is
            searched for sub-optimal, and for global minima.
        level: probability that any of the five intervals misses.
        workers: processes; more than one needs the caller's module to be importable (`if __name__ == "__main__"`).
        before: the pilot of the same problem and seed, where it was drawn already.
    """
    first = before or pilot(problem, seed)
    searches = _searches(problem, budget)
    reach = {
        name: min(budget, math.ceil(searches * first.trials / (1 + getattr(first, event))))
        for name, event in (("suboptimal", "first_order"), ("globalmin", "fits"))
    }
    jobs, start = [], 0
    for number, count in enumerate(_sizes(problem, budget)):
        jobs.append((number, count, *(min(count, max(0, reach[name] - start)) for name in reach)))
        start += count
    total: dict[str, int] = {}
    with make_executor(workers, _prepare, (problem, seed)) as pool:
        for tally in pool.map(_chunk, jobs):
            total = {name: total.get(name, 0) + value for name, value in tally.items()}
    facts = {"regions": budget, "searched": {name: total[f"{name} trials"] for name in reach}}
    rank, support, first_order, suboptimal, globalmin = (_volume(name, total, level / len(EVENTS)) for name in EVENTS)
    # A region of L_ε has the first-order event, of which more regions were counted.
    ceiling = first_order.log_upper
    lower, middle, upper = (
        min(end, ceiling) for end in (suboptimal.log_lower, suboptimal.log_estimate, suboptimal.log_upper)
    )
    suboptimal = replace(suboptimal, log_lower=lower, log_estimate=middle, log_upper=upper)
    return Volumes(
        rank, support, first_order, suboptimal, globalmin, method="sample", level=level, facts=facts
    )  # fmt: skip


def _searches(problem: Problem, budget: int) -> int:
    """Regions to search for an event: a search costs some hundred to ten thousand looks, more for wide networks."""
    size = int(problem.X.shape[1]) * problem.width
    return max(1, budget // 200, min(budget // 10, 7 * budget // size))


_state: tuple[Problem, int] | None = None


def _prepare(problem: Problem, seed: int) -> None:
    """Told to each worker once."""
    global _state
    _state = problem, seed


def _chunk(job: tuple[int, int, int, int]) -> dict[str, int]:
    """Counts of one chunk: how often each event happened, and how often that could not be decided."""
    assert _state is not None, "_prepare has not run in this process"
    (problem, seed), (number, count, suboptimal, globalmin) = _state, job
    with threadpool_limits(1, user_api="blas"):
        rng = stream(seed, "volumes", problem.key, number)
        W = rng.standard_normal((count, problem.width, problem.X.shape[0]))
        found = regions.kernels(W, problem.X, problem.slope)
        tally = {}
        for name, event in _first_order(problem, found).items():
            tally.update({name: event.hits, f"{name} unknown": event.doubtful, f"{name} trials": count})
        seen = examine(
            W, problem.X, problem.y, problem.slope,
            epsilon=problem.epsilon, suboptimal=suboptimal, globalmin=globalmin, found=found,
        )  # fmt: skip
    for name, answers in (
        ("suboptimal", seen.suboptimal(problem.epsilon)[:suboptimal]),
        ("globalmin", seen.globalmin()[:globalmin]),
    ):
        tally[name] = int((answers == YES).sum())
        tally[f"{name} unknown"] = int((answers == UNKNOWN).sum())
        tally[f"{name} trials"] = answers.size
    return tally


def _kernels(problem: Problem, rng: np.random.Generator, count: int) -> regions.Kernels:
    W = rng.standard_normal((count, problem.width, problem.X.shape[0]))
    return regions.kernels(W, problem.X, problem.slope)


def _first_order(problem: Problem, found: regions.Kernels) -> dict[str, regions.Event]:
    return {
        "rank": regions.rank_deficient(found),
        "support": regions.support_above(found, problem.epsilon),
        "first_order": regions.misclassified_above(found, problem.y, problem.epsilon),
        "fits": regions.zero_residual(found, problem.y),
    }


def _sizes(problem: Problem, total: int) -> list[int]:
    """Sizes of the chunks that make up `total` regions."""
    return [min(problem.chunk, total - start) for start in range(0, total, problem.chunk)]


def _volume(name: str, total: dict[str, Any], level: float) -> Volume:
    hits, unknown, trials = (total[key] for key in (name, f"{name} unknown", f"{name} trials"))
    interval = clopper_pearson(hits, trials, level, unknown)
    note = f"{name}: {hits} witnessed, {unknown} undecided of {trials} regions" if unknown else ""
    return Volume(interval.lower, interval.estimate, interval.upper, Evidence.STATISTICAL, note=note)
