"""The ledger: every finished chunk and picture, in SQLite, so that a run can be resumed and loses no finished work."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from verify.errors import InputError

_APPLICATION_ID = 0x76657269  # "veri"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS chunks (
    sampler TEXT, point TEXT, seed INTEGER, chunk INTEGER, context TEXT, code TEXT, tally TEXT, seconds REAL,
    PRIMARY KEY (sampler, point, seed, chunk, context, code)
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class ChunkKey:
    """All that a chunk's result depends on.

    `context` names the backend and, after a blank, the data set; `code` is a hash of the code that draws.
    """

    sampler: str
    point: str
    seed: int
    chunk: int
    context: str
    code: str


def picture_key(statement: str, picture: str, code: str) -> ChunkKey:
    """The key of a picture, which depends on the code alone; its context is that of no chunk, whatever the names."""
    return ChunkKey(f"{statement} {picture}", "", 0, 0, "picture", code)


class Ledger:
    """One file of finished chunks and pictures.

    Raises:
        InputError: if the file cannot be opened or written, or is something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._db = sqlite3.connect(path)
            (mark,) = self._db.execute("PRAGMA application_id").fetchone()
            (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if mark != _APPLICATION_ID and tables:
                raise InputError(f"{path} is an SQLite file of another program; choose another folder")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            self._db.execute(_SCHEMA)
            self._db.commit()
        except sqlite3.Error as error:
            raise InputError(f"the ledger {path} cannot be used: {error}; remove it or choose another folder") from None

    def read(self, key: ChunkKey) -> tuple[dict[str, Any], float] | None:
        """The tally of a finished chunk, or the data of a picture, and its seconds; None if it is not there."""
        row = self._db.execute(
            "SELECT tally, seconds FROM chunks "
            "WHERE sampler=? AND point=? AND seed=? AND chunk=? AND context=? AND code=?",
            (key.sampler, key.point, key.seed, key.chunk, key.context, key.code),
        ).fetchone()
        return None if row is None else (json.loads(row[0]), float(row[1]))

    def write(self, key: ChunkKey, tally: dict[str, Any], seconds: float) -> None:
        """Store a finished chunk or picture, as JSON-ready data; on return it survives the end of the process.

        Raises:
            OSError: if the disk is full or the file cannot be written.
        """
        values = (
            key.sampler,
            key.point,
            key.seed,
            key.chunk,
            key.context,
            key.code,
            json.dumps(tally),
            seconds,
        )
        try:
            with self._db:
                self._db.execute("INSERT OR REPLACE INTO chunks VALUES (?,?,?,?,?,?,?,?)", values)
        except sqlite3.Error as error:
            raise OSError(f"the ledger {self._path} cannot be written: {error}") from None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
