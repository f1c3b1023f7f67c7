"""What a machine offers to a run, what it lacks, and how to get that."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from verify.backends import get_backend
from verify.errors import InputError
from verify.pools import cores
from verify.results import environment


@dataclass(frozen=True)
class Fact:
    """One thing that was looked for. `remedy` says how to get it, empty where it is there."""

    name: str
    found: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return asdict(self)


def examine() -> list[Fact]:
    """Look at this machine: versions, cores, BLAS, the cache of compiled loops, GPU, Dask."""
    facts = environment()
    packages = [Fact(name, found) for name, found in facts["packages"].items() if name != "cupy" and found]
    return [
        Fact("python", f"{facts['python']} on {facts['platform']}"),
        *packages,
        _cores(),
        *_blas(),
        _compiled(),
        _gpu(facts["packages"]["cupy"]),
        _extra("cluster", "distributed", "Dask", "to spread runs over machines"),
        _extra("data", "pooch", "Pooch", "to fetch image sets, and to read folders of images"),
    ]


def _cores() -> Fact:
    usable, there = cores(), os.cpu_count() or 1
    return Fact("cores", f"{usable}" if usable == there else f"{usable} of {there}, by the affinity of this process")


def _blas() -> Iterator[Fact]:
    """Each library once: NumPy and SciPy may bring one each."""
    for text in dict.fromkeys(f"{pool['internal_api']} {pool.get('version') or ''}".strip() for pool in _pools()):
        yield Fact("blas", f"{text}, one thread in each worker")


def _pools() -> list[dict[str, Any]]:
    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def _compiled() -> Fact:
    """Where Numba keeps what it compiles: beside the code, else in a folder of the user's."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else Path(__file__).parent
    if os.access(folder, os.W_OK):
        return Fact("compiled loops", f"kept in {folder if chosen else folder / '**' / '__pycache__'}")
    remedy = "set NUMBA_CACHE_DIR to a folder that can be written, or every run may compile anew (ten seconds)"
    return Fact("compiled loops", f"{folder} cannot be written", remedy)


def _gpu(cupy: str | None) -> Fact:
    try:
        get_backend("cupy")
    except InputError as error:
        reason = str(error).partition(": ")[2].partition(" (pip")[0].partition("; use")[0]
        remedy = (
            "on a machine with a CUDA device: pip install 'verify[gpu]'"
            if cupy is None
            else "install a CUDA driver that this CuPy can use; `nvidia-smi` should show a device"
        )
        return Fact("gpu", f"none: {reason}", f"{remedy}; without it runs are on the processor")
    return Fact("gpu", f"available, CuPy {cupy}")


def _extra(extra: str, package: str, name: str, purpose: str) -> Fact:
    try:
        return Fact(extra, f"{name} {version(package)}")
    except PackageNotFoundError:
        remedy = f"{purpose}: {Path(sys.executable).name} -m pip install 'verify[{extra}]'"
        return Fact(extra, f"none: the package {package} is not installed", remedy)
