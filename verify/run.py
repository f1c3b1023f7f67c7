"""One whole run: statements in, a folder with results and reports out."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from verify import results as results_file
from verify.assess import assess, further
from verify.errors import InputError
from verify.ledger import Ledger
from verify.pools import make_pool
from verify.registry import Registry, discover
from verify.runner import WHOLE, Outcomes, Part, Plan, Progress, Settings, execute, make_plan

RESULTS = "results.json"
LEDGER = "ledger.sqlite"


@dataclass(frozen=True)
class Run:
    """A finished run: its results and the files that were written."""

    results: dict[str, Any]
    files: tuple[Path, ...]


def run(
    patterns: Sequence[str],
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
    report: bool = True,
    progress: Progress = lambda statement, done, total: None,
) -> Run:
    """Run statements and write `results.json`, `report.html` and `report.pdf` into `folder`.

    Args:
        patterns: ids or shell patterns; all statements where empty.
        settings: seed, budget and the like.
        folder: created where it is missing.
        resume: take finished chunks from the folder's ledger.
        report: write the HTML and PDF reports as well.
        progress: called after each piece of work.

    Raises:
        InputError: for anything the user can mend; nothing has been computed then.
        OSError: if the disk fills up; finished chunks stay in the ledger.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    registry, plan, outcomes = _executed(patterns, settings, folder, resume, progress, WHOLE)
    reports = assess(plan, outcomes)
    times = {
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - clock, 3),
        "workers": settings.workers,
    }
    results = results_file.build(plan, outcomes, reports, registry, times)
    results_file.write(results, folder / RESULTS)
    files = [folder / RESULTS]
    if report:
        from verify.report import write_reports

        files += write_reports(results, folder)
    return Run(results, tuple(files))


@dataclass(frozen=True)
class Drawn:
    """What a part of a run left in its ledger: chunks at hand, and for each task that failed how it did."""

    chunks: int
    errors: dict[str, str]
    capped: bool
    interrupted: bool
    ledger: Path


def draw_part(
    patterns: Sequence[str],
    settings: Settings,
    folder: Path,
    part: Part,
    *,
    resume: bool = False,
    progress: Progress = lambda statement, done, total: None,
) -> Drawn:
    """Draw one part of the chunks of a run into the ledger of `folder`, and judge nothing.

    The ledgers of all parts, merged, are what `run` with `resume` needs.

    Args:
        patterns: ids or shell patterns, as for `run`; the same for all parts.
        settings: as for `run`; the same for all parts but for the workers.
        folder: created where it is missing.
        part: which part.
        resume: take finished chunks from the folder's ledger.
        progress: called after each chunk.

    Raises:
        InputError, OSError: as `run` does.
    """
    _, _, outcomes = _executed(patterns, settings, folder, resume, progress, part)
    errors = {f"{place[0]} at {place[1]}": text for (_, place), text in outcomes.errors.items()}
    drawn = sum(len(tallies) for tallies in outcomes.tallies.values())
    return Drawn(drawn, errors, outcomes.capped, outcomes.interrupted, folder / LEDGER)


@dataclass(frozen=True)
class Merged:
    """What a merge did: chunks and pictures that came in, those that were there, and the ledger."""

    added: int
    known: int
    ledger: Path


def merge_ledgers(folder: Path, sources: Sequence[Path]) -> Merged:
    """Put the ledgers of several runs into that of `folder`, beside what it has.

    Args:
        folder: created where it is missing.
        sources: folders of runs, or ledger files.

    Raises:
        InputError: if one cannot be read, or two differ about the same chunk; nothing has been merged then.
        OSError: if the ledger of `folder` cannot be written.
    """
    files = [source / LEDGER if source.is_dir() else source for source in sources]
    for file in files:
        if not file.is_file():
            raise InputError(f"there is no ledger {file}; give the folder of a run, or its ledger.sqlite")
    _writable(folder)
    with Ledger(folder / LEDGER) as ledger:
        return Merged(*ledger.take(files), folder / LEDGER)


def _executed(
    patterns: Sequence[str], settings: Settings, folder: Path, resume: bool, progress: Progress, part: Part
) -> tuple[Registry, Plan, Outcomes]:
    registry = discover(settings.folders)
    statements = registry.select(patterns)
    with make_pool(settings.workers) as pool:
        plan = make_plan(statements, settings, pool.backend(settings.backend))
        _writable(folder)
        with Ledger(folder / LEDGER) as ledger:
            # A part sees only some of the samples, so that it cannot judge them.
            follow = further if settings.sequential and part == WHOLE else None
            outcomes = execute(
                plan, registry, ledger, pool, resume=resume, progress=progress, part=part, further=follow
            )  # fmt: skip
    return registry, plan, outcomes


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be written: {error.strerror}; choose another with --out"
        ) from None
