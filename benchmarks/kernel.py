"""Proofs of full rank and kernels of many regions, beside other ways: `python -m benchmarks.kernel`.

All ways take the same first layers and inputs, in one process, in turns; each time is the least of its turns, so that
what else the machine does falls out of the ratios. PyTorch is compared where it is installed (`pip install torch`).

- *kernel*: `verify.network.kernel`, from `W` and `X` to proofs of `rank G = N`;
- *PyTorch*: patterns, Gram matrices and `torch.linalg.cholesky_ex`, batched, in double precision, which proves nothing;
- *SciPy*: `scipy.linalg.khatri_rao` and `numpy.linalg.matrix_rank`, one region at a time;
- *before*: patterns, Gram matrices and factorisation by NumPy, batched, as `verify.network.regions` does elsewhere;
- *floor*: `2 d1 d0 N + 2 d1 N² + N³/3` operations for each region, and `2 d0 N²` where it has inputs of its own, at the
  rate of a large matrix product in single precision, and in double.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import scipy
from scipy.linalg import khatri_rao
from threadpoolctl import threadpool_limits

from verify.network import kernel, regions
from verify.network.activations import pattern
from verify.network.khatri_rao import gram
from verify.network.khatri_rao import khatri_rao as batched_khatri_rao

Floats = npt.NDArray[np.float64]

SIZES = ((20, 5, 8, 8192), (50, 12, 12, 2048), (100, 25, 20, 1024), (200, 40, 30, 256))
"""N, d0, d1 and regions in a batch."""
DEFICIENT = ((6, 2, 2, 2048), (20, 3, 5, 1024), (40, 5, 6, 512), (60, 5, 8, 256), (100, 5, 10, 128))
"""The same with `d0·d1 < N`."""
SLOPE = 0.1
ROUNDS = 15
ENOUGH = 0.4
"""Seconds after which a way has had its turns."""
REST = 0.04
"""Seconds before each turn: the threads of a BLAS wait for more work that long, at full speed."""
ONE_BY_ONE = 12
"""Regions for the loop one by one."""
_PRODUCT = 1536


def least_times(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least time of each way, in seconds, after one turn to warm up; slow ways get fewer, but three."""
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            if turn > 3 and sum(spent[name]) > ENOUGH:
                continue
            time.sleep(REST)
            start = time.perf_counter()
            way()
            spent[name].append(time.perf_counter() - start)
    return {name: min(times[1:]) for name, times in spent.items()}


def by_kernel(W: Floats, X: Floats, threads: int) -> npt.NDArray[np.int8]:
    """Precision in which full rank was proved, 0 for none."""
    return kernel.proved_full_rank(kernel.patterns(W, X, threads=threads), X, SLOPE, threads=threads)


def by_numpy(W: Floats, X: Floats) -> npt.NDArray[np.bool_]:
    """The same as before, yes or no."""
    proved: npt.NDArray[np.bool_] = regions._full_rank(gram(pattern(W, X, SLOPE), X), W.shape[1] + W.shape[2])
    return proved


def by_scipy(W: Floats, X: Floats) -> list[bool]:
    """Whether the rank is full, by explicit products."""
    return [
        bool(np.linalg.matrix_rank(khatri_rao(np.where(w @ x > 0, 1.0, SLOPE), x)) == x.shape[1])
        for w, x in zip(W, X if X.ndim == 3 else [X] * len(W), strict=True)
    ]


def by_torch(torch: ModuleType, W: Floats, X: Floats) -> Callable[[], object]:
    """What PyTorch would do, its arrays made beforehand."""
    layers, inputs = torch.from_numpy(W), torch.from_numpy(X)

    def factorise() -> object:
        A = torch.where(layers @ inputs > 0, 1.0, SLOPE).to(torch.float64)
        return torch.linalg.cholesky_ex((A.mT @ A) * (inputs.mT @ inputs))

    return factorise


def full_rank_record(
    size: tuple[int, int, int, int], own: bool, threads: int, torch: ModuleType | None
) -> dict[str, Any]:
    """What one line of the first table says: microseconds a region of each way, and shares of regions, in percent."""
    N, d0, d1, batch = size
    rng = np.random.default_rng([N, d0, d1])
    W, X = rng.standard_normal((batch, d1, d0)), rng.standard_normal((batch, d0, N))
    X = X if own else X[0]
    few = X[:ONE_BY_ONE] if own else X
    single = rng.standard_normal((_PRODUCT, _PRODUCT)).astype(np.float32)
    double = single.astype(np.float64)
    ways: dict[str, Callable[[], object]] = {
        "kernel": partial(by_kernel, W, X, threads),
        "before": partial(by_numpy, W, X),
        "scipy": partial(by_scipy, W[:ONE_BY_ONE], few),
        "float32": lambda: single @ single,
        "float64": lambda: double @ double,
    }
    if torch is not None:
        ways["torch"] = by_torch(torch, W, X)
    least = least_times(ways, ROUNDS)
    level, before = by_kernel(W, X, threads), by_numpy(W, X)
    assert by_scipy(W[:ONE_BY_ONE], few) == (level[:ONE_BY_ONE] > 0).tolist()
    operations = 2 * d1 * d0 * N + 2 * d1 * N**2 + N**3 / 3 + (2 * d0 * N**2 if own else 0)
    open_, single_share, double_share = (100 * np.bincount(level, minlength=3) / batch).tolist()
    return {
        "N": N, "d0": d0, "d1": d1, "regions": batch, "own_inputs": own, "threads": threads,
        "kernel": 1e6 * least["kernel"] / batch,
        "torch": None if torch is None else 1e6 * least["torch"] / batch,
        "scipy": 1e6 * least["scipy"] / ONE_BY_ONE,
        "before": 1e6 * least["before"] / batch,
        "floor_single": 1e6 * operations * least["float32"] / (2 * _PRODUCT**3),
        "floor_double": 1e6 * operations * least["float64"] / (2 * _PRODUCT**3),
        "proved_single": single_share, "proved_double": double_share, "open": open_,
        "open_before": 100 * float((~before).mean()),
    }  # fmt: skip


def full_rank_line(record: dict[str, Any]) -> str:
    """One line of the first table."""
    ours = record["kernel"]
    against_torch = "–" if record["torch"] is None else f"{record['torch'] / ours:.1f}"
    return (
        f"| {record['threads']} | {record['N']}, {record['d0']}, {record['d1']} "
        f"| {'each its own' if record['own_inputs'] else 'one'} | {ours:.2f} | {against_torch} "
        f"| {record['scipy'] / ours:.0f} | {record['before'] / ours:.1f} "
        f"| {ours / record['floor_single']:.2f} | {ours / record['floor_double']:.2f} "
        f"| {record['proved_single']:.2f} | {record['proved_double']:.2f} "
        f"| {record['open']:.2f} ({record['open_before']:.2f}) |"
    )


def kernels_line(size: tuple[int, int, int, int], threads: int) -> str:
    """One line of the second table."""
    N, d0, d1, batch = size
    rng = np.random.default_rng([N, d0, d1])
    W, X = rng.standard_normal((batch, d1, d0)), rng.standard_normal((batch, d0, N))
    found, chosen = kernel.patterns(W, X), np.arange(batch)
    null, apart = regions.NULL_BELOW, regions.COLUMNS_APART * np.sqrt(N)
    project = partial(kernel.projections, found, X, SLOPE, chosen, null=null, apart=apart, threads=threads)

    def decompose() -> tuple[Floats, npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        return regions._projectors(batched_khatri_rao(pattern(W, X, SLOPE), X))

    least = least_times({"kernel": project, "before": decompose}, 5)
    near, (projector, rank, clear) = project(), decompose()
    accepted = np.sqrt(N) * near.error <= regions.COORDINATE_CLEAR / 10
    assert (near.rank == rank)[accepted & clear].all()
    return (
        f"| {threads} | {N}, {d0}, {d1} | {1e6 * least['kernel'] / batch:.2f} "
        f"| {least['before'] / least['kernel']:.1f} "
        f"| {100 * accepted.mean():.1f} | {np.median(near.error):.1g} "
        f"| {np.abs(near.projector - projector)[accepted].max():.1g} |"
    )


def main() -> None:
    """Measures all sizes and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "kernel.md")
    parser.add_argument("--json", action="store_true", help="print one record for each size, and write no tables")
    args = parser.parse_args()
    try:
        torch: ModuleType | None = importlib.import_module("torch")
    except ImportError:
        torch = None
        print("PyTorch is not installed: left out (pip install torch)", file=sys.stderr)
    records, projections = [], []
    for threads in args.threads:
        if torch is not None:
            torch.set_num_threads(threads)
        with threadpool_limits(threads, user_api="blas"):
            for own in (False, True):
                for size in SIZES:
                    records.append(full_rank_record(size, own, threads, torch))
                    print(full_rank_line(records[-1]), file=sys.stderr, flush=True)
            for size in () if args.json else DEFICIENT:
                projections.append(kernels_line(size, threads))
                print(projections[-1], file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps(records, indent=1))
        return
    versions = f"NumPy {np.__version__}, SciPy {scipy.__version__}, Numba {numba.__version__}"
    if torch is not None:
        versions += f", PyTorch {torch.__version__}"
    text = (
        "# Proofs of full rank and kernels of many regions\n\n"
        f"Normal first layers and inputs, slope {SLOPE}, as many threads for every way. Microseconds are for one "
        "region, wall clock, least of the turns; the other columns are ratios. `benchmarks/kernel.py` says what "
        f"the ways are. The machine had {os.cpu_count()} cores, and other work on them: {os.getloadavg()[1]:.1f} "
        "processes ready to run on average. That slows two threads more than one, and hides gains from the second.\n\n"
        f"`python -m benchmarks.kernel --threads {' '.join(map(str, args.threads))}`  \n"
        f"Seeds are the sizes. Python {platform.python_version()}, {versions}; 2026-11-21\n\n"
        "## Proofs of `rank G = N`\n\n"
        "Times of PyTorch, SciPy and NumPy (as before) over that of the kernel, which is larger the faster the kernel "
        "is; time of the kernel over the floor in either precision; and the regions accepted in single, in double "
        "precision, and not (in brackets: not accepted before), in percent.\n\n"
        "| threads | N, d0, d1 | inputs | µs | PyTorch | SciPy | before | floor, single | floor, double "
        "| single, % | double, % | open, % |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n"
        + "\n".join(map(full_rank_line, records))
        + "\n\n## Kernels where `d0·d1 < N`\n\n"
        "Every region has inputs of its own. Beside singular value decompositions by NumPy, as before; the regions "
        "with a small enough bound on the error, in percent; the median of that bound; and the largest difference of "
        "an entry between both ways.\n\n"
        "| threads | N, d0, d1 | µs | before | accepted, % | bound | difference |\n|---|---|---|---|---|---|---|\n"
        + "\n".join(projections)
        + "\n"
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
