"""What it costs to hand out chunks of about one second: `python -m benchmarks.executors`.

Each run is a whole one: plan, workers, ledger, verdicts. Overhead is the time of all workers from the first finished
round of chunks on, over the time that the chunks say they took, less one; it has the hand-out, the way back, the
ledger, and whatever a worker waits. Chunks that sleep need no core, so the noise of a shared machine stays out; chunks
that compute show that nothing else comes in with real work. Start-up is the time until the first round is done, less
one chunk. The Dask cluster is a scheduler and workers on this machine, one thread each.
"""

from __future__ import annotations

import argparse
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import distributed
import numpy as np

from verify.run import LEDGER, run
from verify.runner import Budget, Settings

WORK = {
    "sleep": "time.sleep(1.0)",
    "compute": "a = draw.rng.standard_normal((400, 400))\n    for _ in range({products}): a = np.tanh(a @ a.T / 400)",
}
STATEMENT = """
import time
import numpy as np
import sympy as sp
from verify.relations import Relation
from verify.statements import Check, Citation, Claim, Control, Kind, Point, Sampler, Statement, Variable
from verify.statistics.estimates import Proportion

p = sp.Symbol("p", positive=True)

def draw(point, draw):
    {work}
    return {{"hits": int((draw.rng.random(400) < 0.4).sum()), "trials": 400}}

def claim(bound):
    return Claim(sp.Symbol("q"), Relation.AT_MOST, bound)

STATEMENT = Statement(
    id="second", kind=Kind.LEMMA, title="A second", citation=Citation("Nobody", "1"), summary="Heads are rare.",
    variables=(Variable(p, "chance", sp.Interval.open(0, 1)),), assumptions=(), claim=claim(sp.Rational(3, 5)),
    checks=(Check(
        name="flips", text="Flips.", sampler=Sampler("second", draw), grid=(Point(p=0.4),), chunks=1,
        read=lambda tally, point: Proportion(tally["hits"], tally["trials"]),
        controls=(Control("tenth", "a tenth", claim(sp.Rational(1, 10))),),
    ),),
)
"""


def products_of_a_second() -> int:
    """How many of the matrix products take about one second here."""
    a, products = np.random.default_rng(0).standard_normal((400, 400)), 0
    start = time.perf_counter()
    while time.perf_counter() - start < 1:
        a = np.tanh(a @ a.T / 400)
        products += 1
    return products


def measured(folder: Path, workers: int | str, count: int, chunks: int, out: Path) -> tuple[float, float, float]:
    """Seconds of a chunk, overhead, and seconds of start-up of one run."""
    finished: list[float] = []
    begun = time.perf_counter()
    settings = Settings(folders=(str(folder),), budget=Budget(chunks), workers=workers)
    run(
        ["second"], settings, out, report=False,
        progress=lambda owner, done, total: finished.append(time.perf_counter()),
    )  # fmt: skip
    with sqlite3.connect(out / LEDGER) as ledger:
        seconds = [row[0] for row in ledger.execute("SELECT seconds FROM chunks ORDER BY chunk")]
    assert len(seconds) == len(finished) == chunks
    # The chunks of the first round are handed out first, so they have the lowest numbers.
    overhead = (finished[-1] - finished[count - 1]) * count / sum(seconds[count:]) - 1
    return statistics.mean(seconds), overhead, finished[count - 1] - begun - seconds[0]


@contextmanager
def cluster(count: int) -> Iterator[str]:
    """A Dask cluster on this machine; gives what `--workers` takes."""
    with distributed.LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as started:
        yield started.scheduler_address.replace("tcp://", "dask://")


def main() -> None:
    """Measures all executors in turn, several times, and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=8, help="for each worker, beside the first round")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "executors.md")
    args = parser.parse_args()
    products = products_of_a_second()
    lines = []
    with tempfile.TemporaryDirectory() as name, cluster(args.processes) as address:
        seen: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
        for repeat in range(args.repeats):
            for kind, work in WORK.items():
                folder = Path(name) / kind
                folder.mkdir(exist_ok=True)
                (folder / "second.py").write_text(STATEMENT.format(work=work.format(products=products)))
                kinds = {
                    "serial": (1, 1),
                    "processes": (args.processes, args.processes),
                    "Dask": (address, args.processes),
                }
                for label, (workers, count) in kinds.items():
                    out = Path(name) / f"{label}-{kind}-{repeat}"
                    found = measured(folder, workers, count, count * (1 + args.chunks), out)
                    seen.setdefault((label, kind), []).append(found)
                    print(label, kind, *(f"{value:.4f}" for value in found), flush=True)
    for (label, kind), found in seen.items():
        each, overheads, starts = zip(*found, strict=True)
        lines.append(
            f"| {label} | {1 if label == 'serial' else args.processes} | {kind} | {statistics.mean(each):.3f} "
            f"| {100 * statistics.median(overheads):.2f} % ({100 * min(overheads):.2f} … {100 * max(overheads):.2f}) "
            f"| {statistics.median(starts):.1f} |"
        )
    text = (
        "# Overhead of the executors\n\n"
        "Overhead: time of all workers over time of the chunks, less one, from the first round of chunks on; median of "
        f"{args.repeats} runs in turn, with the least and the most. Start-up: seconds until the first round is done, "
        "less one chunk; the workers of Dask were started before and import verify in the first run only. The "
        "machine was shared.\n\n"
        f"`OPENBLAS_NUM_THREADS=1 python -m benchmarks.executors --chunks {args.chunks} --repeats {args.repeats} "
        f"--processes {args.processes}`, seed 0, 2026-11-21  \n"
        f"Python {platform.python_version()}, NumPy {np.__version__}, distributed {distributed.__version__}\n\n"
        "| executor | workers | chunks | seconds a chunk | overhead | start-up, s |\n|---|---|---|---|---|---|\n"
        + "\n".join(lines)
        + "\n"
    )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
