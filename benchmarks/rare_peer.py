"""The rare-event estimator beside OpenTURNS' subset simulation: `python -m benchmarks.rare_peer`.

Needs `pip install openturns`. Subset simulation wants one real function whose large values are the event; it gets minus
the log of the least squared distance of a column of `G` from the span of the others, cut off at `FLOOR`, and one more
than its largest value where the event happens. Both get about the same number of evaluations on planar data with known
probabilities.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import time
from pathlib import Path

import numpy as np
import openturns as ot
from numpy.typing import NDArray

from benchmarks.rare_coverage import Truth
from verify.volume import rare

FLOOR = 1e-6
CASES = ((0, 10), (0, 15), (0, 20), (0, 30), (0, 40), (1, 150))


def subset_simulation(
    X: NDArray[np.float64], y: NDArray[np.float64], width: int, slope: float, particles: int, stages: int, seed: int
) -> tuple[float, int]:
    """Log of the estimate of `P(rank G < N)`, and the evaluations it took."""
    d0, N = X.shape
    task = rare._Task(N, d0, width, slope, 0.0, "rank", (X, y))
    top = -math.log(FLOOR) + 1
    evaluations = 0

    def values(points: object) -> NDArray[np.float64]:
        nonlocal evaluations
        W = np.asarray(points, dtype=np.float64).reshape(-1, width, X.shape[0])
        evaluations += W.shape[0]
        A = np.where(W @ X > 0, 1.0, slope)
        K = A.transpose(0, 2, 1) @ A * (X.T @ X) / width
        # 1/(K⁻¹)_nn is the squared distance of column n from the span of the others.
        distance = 1 / np.einsum("bii->bi", np.linalg.inv(K + 1e-11 * np.eye(N)))
        return np.where(task.happened(W)[0], top, -np.log(distance.min(axis=1) + FLOOR))[:, None]

    ot.RandomGenerator.SetSeed(seed)
    function = ot.PythonFunction(width * X.shape[0], 1, func_sample=values)
    inputs = ot.RandomVector(ot.Normal(width * X.shape[0]))
    event = ot.ThresholdEvent(ot.CompositeRandomVector(function, inputs), ot.GreaterOrEqual(), top - 0.5)
    algorithm = ot.SubsetSampling(event, 2.0, 0.1)
    # It stops for good there: 1000 times below the truth.
    algorithm.setMinimumProbability(10.0 ** -(stages + 3))
    algorithm.setBlockSize(100)
    algorithm.setMaximumOuterSampling(max(1, particles // 100))
    try:
        algorithm.run()
    except TypeError:  # "The variance estimate must be >= 0"
        return -math.inf, evaluations
    estimate = algorithm.getResult().getProbabilityEstimate()
    return math.log(estimate) if estimate > 0 else -math.inf, evaluations


def main() -> None:
    """Prints one line a case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--patience", type=float, default=30.0, help="seconds for one subset simulation")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "rare_peer.md")
    args = parser.parse_args()
    ot.Log.Show(ot.Log.NONE)
    lines = [
        "# Beside subset simulation\n",
        f"`python -m benchmarks.rare_peer --budget {args.budget} --repeats {args.repeats} "
        f"--patience {args.patience:g}`, OpenTURNS {ot.__version__}; rank event, slope 0.1, logs; "
        "root mean square error over the repeats; at most that many seconds for one subset simulation.\n",
        "| width | exact ln V | ours: error | evaluations | seconds "
        "| subset simulation: error | evaluations | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for data, width in CASES:
        rng = np.random.default_rng(data)
        X, y = rng.standard_normal((2, 6)), np.array([0.0, 1.0] * 3)
        exact = Truth(X, y, 0.1, 0.0).log("rank", width)
        cells = []
        for ours in (True, False):
            start, errors, used = time.perf_counter(), [], 0
            for seed in range(args.repeats):
                if ours:
                    found = rare.rare_event(X, y, width, 0.1, 0.0, "rank", seed=seed, budget=args.budget)
                    log, spent = found.log_estimate, found.evaluations
                else:
                    stages = max(2, round(-exact / math.log(10)) + 1)
                    arguments = (X, y, width, 0.1, args.budget // stages, stages, seed)
                    # Where equal scores keep its threshold from rising it goes on for ever.
                    with multiprocessing.Pool(1) as pool:
                        try:
                            log, spent = pool.apply_async(subset_simulation, arguments).get(args.patience)
                        except multiprocessing.TimeoutError:
                            log, spent = -math.inf, 0
                errors.append(log - exact)
                used += spent
            lost = sum(not math.isfinite(error) for error in errors)
            finite = [error for error in errors if math.isfinite(error)]
            size = f"{math.sqrt(np.mean(np.square(finite))):.2f}" if finite else "–"
            cells += [
                size + (f" ({lost} of {args.repeats} found nothing)" if lost else ""),
                f"{used // args.repeats}",
                f"{(time.perf_counter() - start) / args.repeats:.1f}",
            ]
        lines.append(f"| {width} | {exact:.2f} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
