"""Exact volumes against independently sampled regions: `python -m benchmarks.exact_against_sampled`.

Random small instances. The exact side (`verify.volume.exact`) counts cells and works in rational arithmetic; the
sampled side draws first layers, decides rank, support and first-order events by singular values
(`verify.network.regions`) and minima by a search in floating point (`verify.network.minima`), region by region. They
share the definition of the events and nothing else but the misclassification count that ε asks for.

Each comparison asks whether the hits could come from a volume between the exact ends: a Clopper–Pearson interval at a
level such that the whole table raises a false alarm with probability below 1e-6. Undecided regions count either way.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.stats import binom

from verify.network import regions
from verify.network.arrangements import GeneralPositionError
from verify.network.minima import RegionError, classify
from verify.statistics.intervals import clopper_pearson
from verify.volume.exact import RegionLattice
from verify.volume.result import EVENTS, Volume

FALSE_ALARM = 1e-6
BOXES = 1000
SLOPES = (0.0, 0.1, -0.5, 2.0)
EPSILONS = (0.1, 0.25)


@dataclass(frozen=True)
class Comparison:
    """One exact volume beside the regions that had the event."""

    event: str
    volume: Volume
    hits: int
    doubtful: int
    trials: int

    def misses(self, level: float) -> bool:
        """Whether the interval of the counts and the exact ends have no point in common."""
        found = clopper_pearson(self.hits, self.trials, level, self.doubtful)
        return found.upper < self.volume.log_lower - 1e-9 or found.lower > self.volume.log_upper + 1e-9

    @property
    def p_value(self) -> float:
        """Two-sided, at the end of the exact bracket that is nearest to the counts."""
        most = self.hits + self.doubtful
        above = float(binom.sf(self.hits - 1, self.trials, min(1.0, self.volume.upper)))
        below = float(binom.cdf(most, self.trials, min(1.0, self.volume.lower)))
        return min(1.0, 2 * min(above, below))


@dataclass(frozen=True)
class Instance:
    """One data set at one width."""

    d0: int
    N: int
    width: int
    slope: float
    comparisons: list[Comparison]
    seconds_exact: float
    seconds_sampled: float


def instance(number: int, seed: int, layers: int, decided: int) -> Instance:
    """Draws a data set, a width, a slope and labels, and compares all five volumes."""
    rng = np.random.default_rng([seed, number])
    while True:
        d0, N, width = int(rng.integers(1, 5)), int(rng.integers(2, 7)), int(rng.integers(1, 7))
        X = rng.standard_normal((d0, N))
        y = rng.integers(0, 2, N).astype(np.float64)
        slope, epsilon = float(rng.choice(SLOPES)), float(rng.choice(EPSILONS))
        try:
            start = time.perf_counter()
            found = RegionLattice(X, y, slope, epsilon, level=1e-9, seed=number).volumes(width, box_limit=BOXES)
            break
        except GeneralPositionError:
            continue
    exact_done = time.perf_counter()
    W = rng.standard_normal((layers, width, d0))
    kernels = regions.kernels(W, X, slope)
    counted = {
        "rank": regions.rank_deficient(kernels),
        "support": regions.support_above(kernels, epsilon),
        "first_order": regions.misclassified_above(kernels, y, epsilon),
    }
    results = [Comparison(name, getattr(found, name), e.hits, e.doubtful, layers) for name, e in counted.items()]
    results += minima(
        rng.standard_normal((decided, width, d0)), X, y, slope, epsilon, found.suboptimal, found.globalmin
    )
    return Instance(d0, N, width, slope, results, exact_done - start, time.perf_counter() - exact_done)


def minima(
    W: NDArray[np.float64],
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    slope: float,
    epsilon: float,
    suboptimal: Volume,
    globalmin: Volume,
) -> list[Comparison]:
    """Regions decided one by one."""
    answers: dict[str, list[bool | None]] = {"suboptimal": [], "globalmin": []}
    for layer in W:
        try:
            one = classify(layer, X, y, slope, epsilon)
        except RegionError:
            answers["suboptimal"].append(None)
            answers["globalmin"].append(None)
            continue
        answers["suboptimal"].append(one.suboptimal)
        answers["globalmin"].append(one.globalmin)
    exact = {"suboptimal": suboptimal, "globalmin": globalmin}
    return [
        Comparison(name, exact[name], sum(item is True for item in found), sum(item is None for item in found), len(W))
        for name, found in answers.items()
    ]


def table(results: list[Instance], level: float) -> str:
    """One line an event, then by number of features, in Markdown."""
    groups: dict[str, list[Comparison]] = defaultdict(list)
    for event in EVENTS:
        groups[event] = [c for item in results for c in item.comparisons if c.event == event]
    for d0 in sorted({item.d0 for item in results}):
        groups[f"d0 = {d0}"] = [c for item in results if item.d0 == d0 for c in item.comparisons]
    groups["all"] = [c for item in results for c in item.comparisons]
    lines = [
        "| | comparisons | volume strictly between 0 and 1 | statistical cells | bracket wider than 1 % "
        "| undecided regions | misses | worst p-value |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, items in groups.items():
        inner = sum(-math.inf < c.volume.log_estimate < 0 for c in items)
        estimated = sum(c.volume.evidence.value == "statistical" for c in items)
        wide = sum(c.volume.upper - c.volume.lower > 0.01 for c in items)
        lines.append(
            f"| {name} | {len(items)} | {inner} | {estimated} | {wide} | {sum(c.doubtful for c in items)} "
            f"| {sum(c.misses(level) for c in items)} | {min(c.p_value for c in items):.2g} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs the comparison and writes its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=100)
    parser.add_argument("--layers", type=int, default=20_000)
    parser.add_argument("--decided", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "exact_against_sampled.md")
    args = parser.parse_args()
    results = []
    for number in range(args.instances):
        results.append(instance(number, args.seed, args.layers, args.decided))
        if (number + 1) % 10 == 0:
            print(f"{number + 1} instances", flush=True)
    # The intervals of the cells' volumes (four features) miss with probability 1e-9 an instance; the rest is for these.
    level = FALSE_ALARM / 2 / sum(len(item.comparisons) for item in results)
    text = (
        "# Exact volumes against sampled regions\n\n"
        f"{len(results)} random instances: d0 from 1 to 4, N from 2 to 6, width from 1 to 6, slopes "
        f"{', '.join(f'{slope:g}' for slope in SLOPES)}, ε 0.1 or 0.25, random labels. {args.layers} first layers for "
        f"the first three events, {args.decided} for the last two; at most {BOXES} boxes of cell counts.\n"
        f"Probability of any miss by chance: below {FALSE_ALARM:g}.\n\n"
        f"`OPENBLAS_NUM_THREADS=1 python -m benchmarks.exact_against_sampled --instances {args.instances} "
        f"--layers {args.layers} --decided {args.decided} --seed {args.seed}`  \n"
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}\n\n"
        f"{table(results, level)}\n\n"
        f"Time: {sum(item.seconds_exact for item in results):.0f} s exact "
        f"(at most {max(item.seconds_exact for item in results):.1f} s an instance), "
        f"{sum(item.seconds_sampled for item in results):.0f} s sampled.\n"
    )
    print(text)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
