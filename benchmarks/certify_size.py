"""Time and memory of `verify.certify` up to the sizes of Table 1 of the paper: `python -m benchmarks.certify_size`.

Random inputs, labels 0 and 1, and weights as they are before training, so no minimum is near. Each size runs in a
process of its own, so that the peak is its own.
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

import verify

SIZES = ((2000, 50, 60), (5000, 784, 10), (70_000, 784, 4), (50_000, 3072, 16), (70_000, 784, 89))
"""N, d0, d1; the last two are CIFAR and MNIST in Table 1 of the paper, the two before factorise large matrices."""


def measured(N: int, d0: int, d1: int, seed: int) -> str:
    """One line of the table."""
    rng = np.random.default_rng([seed, N, d0, d1])
    X, y = rng.standard_normal((N, d0)).astype(np.float32), rng.integers(0, 2, N)
    W, z = rng.standard_normal((d1, d0)) * np.sqrt(2 / d0), rng.standard_normal(d1) * np.sqrt(2 / d1)
    verify.statement("section-6")  # loads the statements, which is the same for every size
    start = time.perf_counter()
    found = verify.certify(W, z, X, y)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    outcomes = ", ".join(str(getattr(found, name).outcome) for name in ("differentiable", "local_minimum"))
    return f"| {N} | {d0} | {d1} | {seconds:.1f} | {peak:.2f} | {outcomes} | {found.global_minimum} |"


def main() -> None:
    """Print the table, and write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    lines = [
        "# Time and memory of certificates",
        "",
        "Normal inputs in single precision, labels 0 and 1, weights of variance 2/fan-in (no training), ReLU. Seconds "
        "of a machine that was shared; peak memory of the whole process, data included.",
        "",
        f"`python -m benchmarks.certify_size --seed {given.seed}`  ",
        f"Python {platform.python_version()}, NumPy {np.__version__}, python-flint {flint.__version__}, 2026-11-21",
        "",
        "| N | d0 | d1 | seconds | peak, GiB | differentiable, local minimum | global minimum |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in SIZES:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            lines.append(pool.submit(measured, *size, given.seed).result())
        print(lines[-1], flush=True)
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
