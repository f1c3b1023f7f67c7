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
from verify.assess import assess
from verify.errors import InputError
from verify.ledger import Ledger
from verify.registry import discover
from verify.runner import Progress, Settings, execute, make_plan

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
    registry = discover(settings.folders)
    statements = registry.select(patterns)
    plan = make_plan(statements, settings)
    _writable(folder)
    with Ledger(folder / LEDGER) as ledger:
        outcomes = execute(plan, registry, ledger, resume=resume, progress=progress)
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


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be written: {error.strerror}; choose another with --out"
        ) from None
