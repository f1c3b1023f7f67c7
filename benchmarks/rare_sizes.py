"""Rare first-order events at general sizes: `python -m benchmarks.rare_sizes`.

Nothing exact is known here: each value is estimated twice, with independent seeds, and the two are set side by side.
Inputs are standard normal (one fixed data set a size), half of the labels are 1, ε is 0.1. The last rows are means
over the data, with inputs and labels drawn anew.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from pathlib import Path

import numpy as np
import scipy

from verify.volume.rare import EventName, RareEstimate, rare_average, rare_event

EPSILON = 0.1
EVENTS: tuple[EventName, ...] = ("rank", "support", "first_order")
FIXED: tuple[tuple[int, int, int, float, EventName], ...] = (
    *((60, 20, 12, 0.1, event) for event in EVENTS),
    *((60, 20, 12, 0.0, event) for event in EVENTS),
    *((30, 8, 8, 0.1, event) for event in EVENTS),
    (100, 30, 15, 0.1, "rank"),
    (100, 30, 15, 0.0, "support"),
)
AVERAGES: tuple[tuple[int, int, int, float, EventName], ...] = (
    (30, 8, 8, 0.1, "support"),
    (60, 20, 12, 0.1, "support"),
)


def cells(found: RareEstimate, seconds: float) -> str:
    """One estimate as cells of the table, in powers of ten."""
    finite = np.array([log for log in found.replicates if math.isfinite(log)]) / math.log(10)
    dead = len(found.replicates) - finite.size
    spread = (f"{finite.std(ddof=1):.2f}" if finite.size > 1 else "–") + (f" ({dead} zero)" if dead else "")
    ends = [f"{log / math.log(10):.2f}" for log in (found.log_estimate, found.log_lower, found.log_upper)]
    return (
        f"{ends[0]} | {ends[1]} … {ends[2]} | {spread} of {len(found.replicates)} | {found.method} "
        f"| {found.stages} | {found.evaluations} | {seconds:.0f}"
    )


def main() -> None:
    """Runs all cases and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "rare_sizes.md")
    args = parser.parse_args()
    lines = [
        "# Rare events at general sizes\n",
        f"`OPENBLAS_NUM_THREADS=1 python -m benchmarks.rare_sizes --budget {args.budget} --workers {args.workers}`  ",
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}; "
        "powers of ten, intervals at 95 % (upper ends measured, not proven)\n",
        "| N, d0, d1 | ρ | event | seed | log10 V | interval | spread of replicates | method | levels | evaluations "
        "| seconds |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for average, cases in ((False, FIXED), (True, AVERAGES)):
        for N, d0, width, slope, event in cases:
            rng = np.random.default_rng(0)
            X = rng.standard_normal((d0, N))
            y = (rng.permutation(N) < N // 2).astype(np.float64)
            for seed in range(2):
                start = time.perf_counter()
                if average:
                    found = rare_average(
                        N, d0, width, slope, EPSILON, event, seed=seed, budget=args.budget, workers=args.workers
                    )
                else:
                    found = rare_event(
                        X, y, width, slope, EPSILON, event, seed=seed, budget=args.budget, workers=args.workers
                    )
                name = f"{N}, {d0}, {width}" + (", mean over data" if average else "")
                row = f"| {name} | {slope:g} | {event} | {seed} | {cells(found, time.perf_counter() - start)} |"
                print(row, flush=True)
                lines.append(row)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
