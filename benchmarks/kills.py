"""Runs killed at random instants: `python -m benchmarks.kills [--kills 100] [--seed 0]`.

A run is killed with SIGKILL, its processes with it, at instants that are uniform over the time that an undisturbed one
takes; it goes on with `--resume`, is killed again, and after `EACH` kills is left to end. Its results, all but the
times, have to be those of the undisturbed run, and after each kill a file has to be whole or not there. Then
single workers of runs are killed, which have to end as if nothing had been; and the commands `report` and `merge`.

In the killed process the functions of a run say, in a byte of a file that is shared memory, where it is.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import platform
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

SELECTION = ("baum-1988", "definition-1", "definition-4", "f2")
BUDGET = "0.5x"
EACH = 4
PHASES = (
    "start", "plan", "chunk", "step", "finding", "picture", "ledger write", "judging", "results", "report", "merge",
    "waiting for workers", "end",
)  # fmt: skip


# --- In the process that is killed --------------------------------------------------------------------------


def _child(file: Path, arguments: list[str]) -> None:
    """The command line, with the phases it is in written to `file`."""
    with file.open("r+b") as stream:
        shared = mmap.mmap(stream.fileno(), 1)

    def marked(phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapper(*given: Any, **named: Any) -> Any:
            before, shared[0] = shared[0], PHASES.index(phase)
            try:
                return function(*given, **named)
            finally:
                shared[0] = before

        return wrapper

    from verify import report, results, run, runner, worker
    from verify.cli import main
    from verify.ledger import Ledger

    apart = "--workers" in arguments and arguments[arguments.index("--workers") + 1] != "1"
    places: list[tuple[Any, str, str]] = [
        (run, "discover", "plan"), (run, "make_plan", "plan"), (run, "further", "judging"), (run, "assess", "judging"),
        (Ledger, "write", "ledger write"), (Ledger, "take", "merge"), (report, "write_reports", "report"),
        (results, "build", "results"), (results, "write", "results"),
    ]  # fmt: skip
    if apart:
        # Others compute, under the names of their own functions.
        places.append((runner, "wait", "waiting for workers"))
    else:
        places += [(worker, "draw_chunk", "chunk"), (worker, "decide_step", "step")]
        places += [(worker, "compute_finding", "finding"), (worker, "compute_picture", "picture")]
    for owner, name, phase in places:
        setattr(owner, name, marked(phase, getattr(owner, name)))
    try:
        main(arguments)
    finally:
        shared[0] = PHASES.index("end")


# --- In the one that kills ----------------------------------------------------------------------------------


@dataclass
class Process:
    """A command that is under way in a group of processes of its own."""

    process: subprocess.Popen[bytes]
    phases: Path

    @classmethod
    def start(cls, folder: Path, arguments: list[str]) -> Process:
        """Begin it."""
        phases = folder / "phase"
        phases.write_bytes(b"\0")
        command = [sys.executable, str(Path(__file__).resolve()), "--child", str(phases), *arguments]
        log = (folder / "log").open("ab")
        with log:
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=folder)
        return cls(process, phases)

    def ends_within(self, seconds: float) -> bool:
        """Wait so long."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def phase(self) -> str:
        """Where it is."""
        return PHASES[self.phases.read_bytes()[0]]

    def kill(self) -> str:
        """Kill it and all its processes; returns where it was, which a stopped process cannot change."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        where = self.phase()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return where

    def workers(self) -> list[int]:
        """Its processes that compute."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parent = int(re.sub(r".*\) ", "", (entry / "stat").read_text()).split()[1])
                    line = (entry / "cmdline").read_bytes()
                except OSError:  # gone meanwhile
                    continue
                if parent == self.process.pid and b"spawn_main" in line:
                    found.append(int(entry.name))
        return sorted(found)


@dataclass
class Study:
    """A run that is killed, and what the undisturbed one found."""

    folder: Path
    arguments: list[str]
    rng: random.Random

    def __post_init__(self) -> None:
        self.missed = 0
        (self.folder / "whole").mkdir(parents=True)
        self.seconds, self.code = self._whole(self.folder / "whole", [])
        self.numbers = self._numbers(self.folder / "whole" / "out")
        self.resumed, _ = self._whole(self.folder / "whole", ["--resume"])
        self.ledger = _rows(self.folder / "whole" / "out" / "ledger.sqlite")

    def _whole(self, folder: Path, more: list[str]) -> tuple[float, int]:
        begun = time.monotonic()
        process = Process.start(folder, [*self.arguments, "--out", "out", *more]).process
        code = process.wait()
        return time.monotonic() - begun, code

    def _numbers(self, out: Path) -> Any:
        """What a run found, without its times; its reports are there and whole."""
        found = json.loads((out / "results.json").read_text())
        del found["times"]
        self.check_files(out)
        if "--no-report" not in self.arguments and not {"report.html", "report.pdf"} <= set(os.listdir(out)):
            raise AssertionError(f"there is no report in {out}")
        return found

    def check_files(self, out: Path) -> None:
        """Each file is whole, or not there."""
        if (out / "results.json").exists():
            json.loads((out / "results.json").read_text())
        for name, end in (("report.html", b"</html>"), ("report.pdf", b"%%EOF")):
            if (out / name).exists() and not (out / name).read_bytes().rstrip().endswith(end):
                raise AssertionError(f"{out / name} is not whole after a kill")

    def episode(self, number: int, most: int) -> Iterator[str]:
        """Kill one run up to `most` times, yielding where it was, and let it end."""
        folder = self.folder / str(number)
        folder.mkdir()
        kept = 0
        for time_ in range(most):
            process = Process.start(folder, [*self.arguments, "--out", "out", "--resume"])
            if process.ends_within(self.rng.uniform(0, self.resumed if time_ else self.seconds)):
                self.missed += 1
                continue
            yield process.kill()
            self.check_files(folder / "out")
            rows = _rows(folder / "out" / "ledger.sqlite")
            if len(rows) < kept or not rows.items() <= self.ledger.items():
                raise AssertionError(f"the ledger of {folder} lost a chunk, or has another one")
            kept = len(rows)
        _, code = self._whole(folder, ["--resume"])
        if code != self.code or self._numbers(folder / "out") != self.numbers:
            raise AssertionError(f"the run in {folder} ended otherwise than the undisturbed one")

    def kill_workers(self, number: int) -> str:
        """Kill one worker of a run, which goes on; returns how many there were."""
        folder = self.folder / f"worker-{number}"
        folder.mkdir()
        process = Process.start(folder, [*self.arguments, "--out", "out"])
        deadline = time.monotonic() + 120
        while not process.workers() and process.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        ended = process.ends_within(self.rng.uniform(0, 0.6 * self.seconds))
        workers = process.workers()
        if ended or not workers:
            self.missed += 1
            process.process.wait()
            return "none left"
        os.kill(self.rng.choice(workers), signal.SIGKILL)
        code = process.process.wait()
        if code != self.code or self._numbers(folder / "out") != self.numbers:
            raise AssertionError(f"the run in {folder} noticed the death of a worker")
        return "worker"


def _rows(file: Path) -> dict[tuple[Any, ...], str]:
    """The chunks of a ledger that nobody writes any more."""
    if not file.exists():
        return {}
    with sqlite3.connect(file) as db:
        try:
            rows = db.execute("SELECT sampler, point, seed, chunk, context, code, tally FROM chunks").fetchall()
        except sqlite3.OperationalError:  # killed before there was a table
            return {}
        finally:
            db.rollback()
    db.close()
    return {row[:-1]: row[-1] for row in rows}


def kill_report(folder: Path, out: Path, rng: random.Random, kills: int) -> Counter[str]:
    """Kill `report` on a finished run: each file stays what it was, or is the new one, which has the same bytes."""
    folder.mkdir()
    before = {name: (out / name).read_bytes() for name in ("results.json", "report.html", "report.pdf")}
    begun = time.monotonic()
    Process.start(folder, ["report", str(out)]).process.wait()
    seconds, where = time.monotonic() - begun, Counter[str]()
    before = {name: (out / name).read_bytes() for name in before}
    while where.total() < kills:
        process = Process.start(folder, ["report", str(out)])
        if process.ends_within(rng.uniform(0, seconds)):
            continue
        where[process.kill()] += 1
        if {name: (out / name).read_bytes() for name in before} != before:
            raise AssertionError("a report that was killed left another file")
    return where


def kill_merge(folder: Path, rng: random.Random, kills: int, rows: int = 40_000) -> Counter[str]:
    """Kill `merge` of two ledgers: all of it or nothing is there, and the same command brings the rest."""
    from verify.ledger import ChunkKey, Ledger

    folder.mkdir()
    for name, first in (("a", 0), ("b", rows // 2)):
        (folder / name).mkdir()
        with Ledger(folder / name / "ledger.sqlite") as ledger:
            keys = [ChunkKey("s", "{}", 1, number, "numpy ", "abc") for number in range(first, first + rows)]
            ledger._db.executemany(  # one transaction for all, where a run has one for each
                "INSERT INTO chunks VALUES (?,?,?,?,?,?,?,?)",
                [(*vars(key).values(), json.dumps({"hits": key.chunk}), 0.5) for key in keys],
            )
            ledger._db.commit()
    begun = time.monotonic()
    Process.start(folder, ["merge", "whole", "a", "b"]).process.wait()
    seconds, where = time.monotonic() - begun, Counter[str]()
    whole = _rows(folder / "whole" / "ledger.sqlite")
    while where.total() < kills:
        out = f"out-{where.total()}"
        process = Process.start(folder, ["merge", out, "a", "b"])
        if process.ends_within(rng.uniform(0, seconds)):
            continue
        where[process.kill()] += 1
        if _rows(folder / out / "ledger.sqlite") not in ({}, whole):
            raise AssertionError("a merge that was killed left a part")
        Process.start(folder, ["merge", out, "a", "b"]).process.wait()
        if _rows(folder / out / "ledger.sqlite") != whole:
            raise AssertionError("a merge after a killed one is another one")
    return where


def kill_runs(study: Study, kills: int, each: int = EACH) -> Counter[str]:
    """Kill runs until so many kills hit; where they did."""
    where: Counter[str] = Counter()
    number = 0
    while where.total() < kills:
        where.update(study.episode(number, min(each, kills - where.total())))
        number += 1
    return where


def arguments_of(workers: int, *more: str) -> list[str]:
    """The command line that is killed."""
    return ["run", *SELECTION, "--budget", BUDGET, "--workers", str(workers), "--quiet", *more]


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/kills.md"))
    asked = parser.parse_args()
    rng, begun, table = random.Random(asked.seed), time.monotonic(), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        apart = asked.kills // 5
        alone = Study(folder / "alone", arguments_of(1), rng)
        table["run, one worker"] = kill_runs(alone, asked.kills - apart)
        print(table, alone.missed, flush=True)
        several = Study(folder / "several", arguments_of(2), rng)
        if several.numbers != alone.numbers:
            raise AssertionError("two workers found something else than one")
        table["run, two workers"] = kill_runs(several, apart)
        print(table, several.missed, flush=True)
        dead: Counter[str] = Counter()
        number = 0
        while dead["worker"] < apart:
            dead[several.kill_workers(number)] += 1
            number += 1
        table["report"] = kill_report(folder / "report", folder / "alone" / "whole" / "out", rng, asked.kills // 10)
        table["merge"] = kill_merge(folder / "merge", rng, asked.kills // 10)
        chunks = len(alone.ledger)
    seconds = time.monotonic() - begun
    seen = [phase for phase in PHASES if any(where[phase] for where in table.values())]
    lines = [
        "# Runs killed at random instants",
        "",
        f"`python -m benchmarks.kills --kills {asked.kills} --seed {asked.seed}`  ",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()}, 2026-11-21, "
        f"{seconds:.0f} s",
        "",
        f"The run is `python -m verify {' '.join(arguments_of(1))}`,",
        f"{chunks} chunks and pictures. It is killed with all its processes, up to {EACH} times, and then left to end.",
        "*All* results, but for the block `times`, were those of the undisturbed run; no ledger lost a chunk; no file",
        "was ever there in part. The columns say what the killed process was at.",
        "",
        "| killed | kills | " + " | ".join(seen) + " |",
        "|---|---|" + "---|" * len(seen),
        *(
            f"| {name} | {where.total()} | " + " | ".join(str(where[phase] or "–") for phase in seen) + " |"
            for name, where in table.items()
        ),
        "",
        f"Besides, one of two workers was killed in each of {dead['worker']} runs, which went on by themselves and",
        "found the same.",
    ]
    asked.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child(Path(sys.argv[2]), sys.argv[3:])
    else:
        _main()
