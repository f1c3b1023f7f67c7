"""Experiments: what a statement of kind *experiment* can do at length, outside a run of the suite.

Its check is quick and can fail; `python -m verify experiment ID --profile NAME` repeats it at full size, for tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verify.backends import Backend
from verify.errors import InputError
from verify.pictures import Drawing

Cell = str | int | float | None


@dataclass(frozen=True)
class Setup:
    """What one execution is asked for.

    Attributes:
        profile: name of the size, one of the experiment's.
        seed: of everything random.
        backend: where to compute.
        data_dir: folder of the data sets, if one was given.
        out: folder for checkpoints, if one was given.
        tell: takes a line of progress.
    """

    profile: str
    seed: int
    backend: Backend
    data_dir: Path | None
    out: Path | None
    tell: Callable[[str], None]


@dataclass(frozen=True)
class Table:
    """Results in rows; None in a cell means that there is none.

    Raises:
        ValueError: at construction, where a row is not as long as the columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row has {len(row)} cells and the table {len(self.columns)} columns: {row}")

    def markdown(self) -> str:
        """As Markdown."""
        lines = [f"### {self.title}", "", _line(self.columns), _line(["---"] * len(self.columns))]
        lines += [_line([_shown(cell) for cell in row]) for row in self.rows]
        lines += [part for note in self.notes for part in ("", note)]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        rows = [dict(zip(self.columns, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Table:
        """The table that `to_dict` described; one without rows has no columns.

        Raises:
            KeyError: if a part is missing.
        """
        rows = data["rows"]
        columns = tuple(rows[0]) if rows else ()
        return cls(
            data["title"], columns, tuple(tuple(row[name] for name in columns) for row in rows), tuple(data["notes"])
        )


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


@dataclass(frozen=True)
class Experiment:
    """How to execute an experiment.

    Attributes:
        profiles: sizes by name, each with what it does and about how long that takes; the first is the default.
        run: does it.
        drawn: makes a picture of such tables, if there is one.
    """

    profiles: Mapping[str, str]
    run: Callable[[Setup], tuple[Table, ...]]
    drawn: Callable[[Sequence[Table]], Drawing] | None = None

    def execute(self, setup: Setup) -> tuple[Table, ...]:
        """The tables of one execution.

        Raises:
            InputError: if there is no such profile, or what the experiment needs is not there.
        """
        if setup.profile not in self.profiles:
            raise InputError(f"got profile {setup.profile!r}; expected one of {', '.join(self.profiles)}")
        return self.run(setup)


@dataclass(frozen=True)
class Record:
    """Tables, and what they came from."""

    command: str
    facts: Mapping[str, str]
    seconds: float
    tables: tuple[Table, ...] = field(default=())

    def markdown(self) -> str:
        """As Markdown, with command, versions and time at the head."""
        facts = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        head = f"`{self.command}`\n\n{facts}; {self.seconds:.0f} s."
        return "\n\n".join([head, *(table.markdown() for table in self.tables)]) + "\n"

    def json(self) -> str:
        """As JSON."""
        made = {"command": self.command, "facts": dict(self.facts), "seconds": round(self.seconds, 1)}
        return json.dumps(made | {"tables": [table.to_dict() for table in self.tables]}, indent=1, ensure_ascii=False)
