"""Coverage of the intervals of `verify.volume.rare` where the truth is known: `python -m benchmarks.rare_coverage`.

Two features: the cells of the arrangement are sectors of the plane, and the set of occupied cells decides every
first-order event. The probability of an event at width `d1` is `Σ_S c_S p(S)^d1` over sets of cells, with integer
coefficients from Möbius inversion; it is summed with 80 digits. Kernels of sets of cells are intersected one cell at
a time by singular value decompositions: nothing here is shared with the estimator but the list of cells.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import mpmath as mp
import numpy as np
import scipy
from numpy.typing import NDArray

from verify.network.arrangements import cell_angles
from verify.network.regions import errors_above
from verify.statistics.intervals import clopper_pearson
from verify.volume.rare import EventName, RareEstimate, rare_event

EVENTS: tuple[EventName, ...] = ("rank", "support", "first_order")
SLOPES = (0.0, 0.1, -0.5)
WIDEST = 400
EPSILON = 0.2


class Truth:
    """Exact probabilities of the three events for one planar data set, at any width."""

    def __init__(self, X: NDArray[np.float64], y: NDArray[np.float64], slope: float, epsilon: float) -> None:
        signs, volumes = cell_angles(X)
        A = np.where(signs > 0, 1.0, slope)
        count, N = signs.shape
        needed = errors_above(epsilon, N)
        happened = np.zeros((3, 1 << count), dtype=np.int64)
        kernel = {0: np.eye(N)}
        for chosen in range(1, 1 << count):
            low = chosen & -chosen
            basis = kernel[chosen ^ low]
            if basis.shape[1]:
                _, sizes, right = np.linalg.svd(X * A[low.bit_length() - 1] @ basis)
                basis = basis @ right[int((sizes > 1e-10).sum()) :].T
            kernel[chosen] = basis
            if basis.shape[1]:
                residual = basis @ (basis.T @ y)
                happened[:, chosen] = (
                    True,
                    (np.linalg.norm(basis, axis=1) > 1e-8).sum() >= needed,
                    ((y - residual > 0.5) != (y > 0.5)).sum() >= needed,
                )
        # P(occupied set = O) = Σ_{S ⊆ O} (−1)^|O∖S| p(S)^d1, summed over the sets O where the event happens.
        for cell in range(count):
            pairs = happened.reshape(3, -1, 2, 1 << cell)
            pairs[:, :, 0] -= pairs[:, :, 1]
        self._coefficients = dict(zip(EVENTS, happened, strict=True))
        with mp.workdps(80):
            exact = [mp.mpf(float(volume)) for volume in volumes]
            total = mp.fsum(exact)
            share = [mp.mpf(0)]
            for volume in exact:
                share += [part + volume / total for part in share]
            self._share = share

    def log(self, event: EventName, width: int) -> float:
        """Natural log of the probability of `event`."""
        coefficients = self._coefficients[event]
        with mp.workdps(80):
            total = mp.fsum(int(coefficients[S]) * self._share[S] ** width for S in np.flatnonzero(coefficients))
            return float(mp.log(total)) if total > mp.mpf(10) ** -60 else -math.inf

    def width_near(self, event: EventName, log: float) -> int | None:
        """The width at which the event is about as rare as that, None if no width in range is near."""
        low, high = 2, WIDEST
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.log(event, middle) > log else (low, middle)
        return high if abs(self.log(event, high) - log) < 0.06 * abs(log) + 0.5 else None


@dataclass(frozen=True)
class Instance:
    """One known value and what was estimated for it."""

    event: EventName
    truth: float
    found: RareEstimate
    seconds: float


def instance(number: int, seed: int, budget: int) -> Instance:
    """A random data set, event and width, with a probability from 1e-3 to 1e-30 on a log scale."""
    rng = np.random.default_rng([seed, number])
    event = EVENTS[number % 3]
    target = -math.log(10) * rng.uniform(3, 30)
    while True:
        N = int(rng.integers(6, 8))
        X = rng.standard_normal((2, N))
        y = (rng.permutation(N) < N // 2).astype(np.float64)
        slope = float(rng.choice(SLOPES))
        truth = Truth(X, y, slope, EPSILON)
        width = truth.width_near(event, target)
        if width is not None:
            break
    start = time.perf_counter()
    found = rare_event(X, y, width, slope, EPSILON, event, seed=number, budget=budget)
    return Instance(event, truth.log(event, width), found, time.perf_counter() - start)


def table(results: list[Instance]) -> str:
    """Coverage by decade and by event, in Markdown."""
    groups: dict[str, list[Instance]] = defaultdict(list)
    for item in sorted(results, key=lambda item: -item.truth):
        decade = int(-item.truth / math.log(10) // 5 * 5)
        groups[f"1e-{decade} … 1e-{decade + 5}"].append(item)
    for event in EVENTS:
        groups[event] = [item for item in results if item.event == event]
    groups["all"] = results
    lines = [
        "| values | instances | covered (95 % exact) | below lower | above upper | mean width, ln | mean abs error, ln "
        "| unreached | seconds each |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, items in groups.items():
        below = sum(item.truth < item.found.log_lower for item in items)
        above = sum(item.truth > item.found.log_upper for item in items)
        finite = [item for item in items if math.isfinite(item.found.log_estimate)]
        covered = len(items) - below - above
        share = clopper_pearson(covered, len(items), 0.05)
        width = np.mean(
            [item.found.log_upper - item.found.log_lower for item in finite if item.found.log_lower > -math.inf]
        )
        error = np.mean([abs(item.found.log_estimate - item.truth) for item in finite])
        lines.append(
            f"| {name} | {len(items)} | {covered / len(items):.3f} "
            f"({math.exp(share.lower):.3f}–{math.exp(share.upper):.3f}) "
            f"| {below} | {above} | {width:.2f} | {error:.2f} | {len(items) - len(finite)} "
            f"| {np.mean([item.seconds for item in items]):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs the study and writes its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--budget", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "rare_coverage.md")
    args = parser.parse_args()
    numbers = range(args.instances)
    with ProcessPoolExecutor(args.workers) as pool:
        results = list(pool.map(instance, numbers, [args.seed] * len(numbers), [args.budget] * len(numbers)))
    text = (
        "# Coverage of rare-event intervals\n\n"
        "Intervals at 95 % against exact values (two features, 6 or 7 samples, 12 or 14 cells).\n\n"
        f"`OPENBLAS_NUM_THREADS=1 python -m benchmarks.rare_coverage --instances {args.instances} "
        f"--budget {args.budget} --seed {args.seed}`  \n"
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}\n\n"
        f"{table(results)}\n"
    )
    print(text)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
