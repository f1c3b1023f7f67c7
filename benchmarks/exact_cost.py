"""Time and memory of exact volumes, beside what was predicted: `python -m benchmarks.exact_cost`.

Each size runs in a process of its own, so that the peak is its own. `lattice` is the enumeration of closed sets (with
the volumes of the cells), which serves all widths; `volumes` is one width after that.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import flint
import numpy as np

from verify.volume.cost import BOX_LIMIT
from verify.volume.exact import RegionLattice, predicted_cost

SIZES = (
    (1, 6, 100, BOX_LIMIT),
    (2, 6, 100, BOX_LIMIT),
    (2, 8, 10, 2000),
    (2, 8, 100, BOX_LIMIT),
    (2, 8, 1000, BOX_LIMIT),
    (2, 10, 100, 2000),
    (3, 6, 100, BOX_LIMIT),
    (3, 8, 100, 2000),
    (4, 6, 100, 2000),
    (4, 8, 100, 2000),
    (5, 7, 100, 2000),
)
"""d0, N, width and the most boxes."""

SLOPE, EPSILON = 0.1, 0.1


def measured(d0: int, N: int, width: int, boxes: int, seed: int) -> str:
    """One line of the table."""
    rng = np.random.default_rng([seed, d0, N])
    X, y = rng.standard_normal((d0, N)), (rng.permutation(N) < N // 2).astype(np.float64)
    cost = predicted_cost(X, width, box_limit=boxes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    lattice = RegionLattice(X, y, SLOPE, EPSILON)
    built = time.perf_counter()
    found = lattice.volumes(width, box_limit=boxes)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (
        f"| {d0} | {N} | {width} | {boxes} | {len(lattice.patterns)} | {len(lattice.closed)} ({cost.closed_sets:.0f}) "
        f"| {built - start:.2f} | {done - built:.2f} | {cost.seconds:.0f} "
        f"| {peak / 1024:.0f} (+{(peak - before) / 1024:.0f}) "
        f"| {cost.bytes / 2**20:.0f} | {found.first_order} | {found.suboptimal} | {found.globalmin} |"
    )


def main() -> None:
    """Measures all sizes and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "exact_cost.md")
    args = parser.parse_args()
    lines = []
    for size in SIZES:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            lines.append(pool.submit(measured, *size, args.seed).result())
        print(lines[-1], flush=True)
    text = (
        "# Time and memory of exact volumes\n\n"
        f"Normal samples, half of the labels 1, slope {SLOPE}, ε = {EPSILON}. Seconds of one core, which was shared; "
        "predicted seconds and megabytes are with every box examined. Peak: of the whole process, and what it grew "
        "by.\n\n"
        f"`OPENBLAS_NUM_THREADS=1 python -m benchmarks.exact_cost --seed {args.seed}`  \n"
        f"Python {platform.python_version()}, NumPy {np.__version__}, python-flint {flint.__version__}\n\n"
        "| d0 | N | width | boxes ≤ | cells | closed sets (predicted) | lattice, s | volumes, s | predicted, s "
        "| peak, MB | predicted, MB | first order | L_ε | G |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
