"""What statements there are, kept between calls: to import them all takes seconds, to list them should not.

The list is kept in the user's cache folder under a hash of the names, sizes and times of all files that it comes from.
Nothing but listing reads it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from verify.files import replace

BUILT_IN = "theorems"
ENTRY_POINTS = "verify.theorems"
ROW = ("id", "kind", "title", "citation", "uses", "checks", "module")


def listing(folders: Sequence[str]) -> dict[str, Any]:
    """The statements, in the order of a registry, and the modules that cannot be used.

    Args:
        folders: folders with statement modules of the user's own.

    Returns:
        `statements`, a dict each with the keys `ROW`, and `broken`, with `module` and `reason`.

    Raises:
        InputError: as `verify.registry.discover` does.
    """
    kept = _folder() / f"statements-{_state(folders)}.json"
    try:
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if all(row.keys() == set(ROW) for row in found["statements"]) and found["broken"] == []:
            return found
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass  # not there, or not ours
    found = _imported(folders)
    if not found["broken"]:  # what is missing may be there next time, with no file changed
        _keep(kept, json.dumps(found))
    return found


def _keep(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for old in file.parent.glob("statements-*.json"):
            old.unlink(missing_ok=True)
        replace(file, text.encode())
    except OSError:
        pass  # nowhere to keep it: the next call takes as long as this one


def _imported(folders: Sequence[str]) -> dict[str, Any]:
    from verify.registry import discover

    registry = discover(folders)
    rows = [
        {
            "id": item.id,
            "kind": item.kind.value,
            "title": item.title,
            "citation": str(item.citation),
            "uses": list(item.uses),
            "checks": [check.name for check in item.checks],
            "module": registry.modules[item.id],
        }
        for item in registry.statements.values()
    ]
    return {
        "statements": rows,
        "broken": [{"module": item.module, "reason": item.reason} for item in registry.broken],
    }


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or str(Path.home() / ".cache")
    return Path(base) / "verify"


def _state(folders: Sequence[str]) -> str:
    """Hash of all that the list depends on, as far as names, sizes and times of files show it."""
    plugins = sorted(entry.value.partition(":")[0] for entry in entry_points(group=ENTRY_POINTS))
    parts = [*ROW, sys.version, *plugins, *(str(Path(folder).resolve()) for folder in folders)]
    roots = {name.partition(".")[0] for name in (*plugins, BUILT_IN, "verify")}
    for root in sorted(roots):
        spec = importlib.util.find_spec(root)
        for place in (spec.submodule_search_locations or []) if spec is not None else []:
            parts += _files(Path(place), "**/*.py")
    for folder in folders:
        parts += _files(Path(folder), "*.py")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _files(folder: Path, pattern: str) -> Iterator[str]:
    for file in sorted(folder.glob(pattern)):
        facts = file.stat()
        yield f"{file} {facts.st_size} {facts.st_mtime_ns}"
