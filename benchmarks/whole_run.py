"""Where the time of a run goes: `python -m benchmarks.whole_run [--budget 1x] [--workers 1 2] [--json]`.

Each number of workers is a process of its own with a fresh ledger. Seconds of work are those of the pieces, added up
over the workers; what is left of the wall time, times workers, is start-up, waiting between rounds, judging and the
report.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "whole_run.md"


def measured(budget: str, workers: int) -> dict[str, Any]:
    """One run: wall and processor seconds, peak memory of its largest process, and what the results say."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "verify", "run", "--budget", budget, "--workers", str(workers)]
        finished = subprocess.run([*command, "--out", folder, "--quiet"], check=False)
        if finished.returncode not in (0, 1):  # 1: at a small budget a control may be out of reach
            raise RuntimeError(f"{' '.join(command)} ended with exit code {finished.returncode}")
        times = json.loads((Path(folder) / "results.json").read_text(encoding="utf-8"))["times"]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "workers": workers,
        "wall": times["seconds"],
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": after.ru_maxrss / 1024,
        "kinds": times["kinds"],
        "statements": times["statements"],
    }


def table(records: list[dict[str, Any]], budget: str) -> list[str]:
    """The records as a page."""
    first = records[0]
    work = sum(first["kinds"].values())
    workers = " ".join(str(record["workers"]) for record in records)
    slowest = sorted(first["statements"].items(), key=lambda item: -item[1])[:10]
    return [
        "# Where the time of a run goes\n",
        f"`python -m benchmarks.whole_run --budget {budget} --workers {workers}`  ",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n",
        "| workers | wall, s | of the first | processor, s | peak of a process, MB | work, s |",
        "|---|---|---|---|---|---|",
        *(
            f"| {r['workers']} | {r['wall']:.0f} | {r['wall'] / first['wall']:.2f} | {r['cpu']:.0f} | "
            f"{r['peak_mb']:.0f} | {sum(r['kinds'].values()):.0f} |"
            for r in records
        ),
        "\n| kind of piece | seconds | share |",
        "|---|---|---|",
        *(f"| {name} | {value:.1f} | {value / work:.0%} |" for name, value in first["kinds"].items()),
        "\n| statement | seconds | share |",
        "|---|---|---|",
        *(f"| {name} | {value:.1f} | {value / work:.0%} |" for name, value in slowest),
    ]


def main() -> None:
    """Measures and writes the table, or prints the records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--budget", default="1x")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", action="store_true", help="print one record for each number of workers")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    records = [measured(args.budget, workers) for workers in args.workers]
    if args.json:
        print(json.dumps(records, indent=1))
        return
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join(table(records, args.budget)) + "\n", encoding="utf-8")
    print(args.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
