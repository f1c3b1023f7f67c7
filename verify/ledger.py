"""The ledger: every finished chunk and picture, in SQLite, so that a run can be resumed and loses no finished work."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from verify.errors import InputError
from verify.foreign import reason

# A run that waits for another one's write waits so long; a write takes milliseconds.
_BUSY_SECONDS = 60.0
_HEADER = 100
# Of a broken file the sizes can be anything, and what SQLite says of it need be no text.
_BROKEN = (sqlite3.Error, MemoryError, UnicodeDecodeError)
_KEY = "sampler, point, seed, chunk, context, code"
_SELECT = (
    "SELECT tally, seconds FROM chunks WHERE sampler=? AND point=? AND seed=? AND chunk=? AND context=? AND code=?"
)
MOST_SEED = 2**63 - 1
"""The largest number that SQLite can hold."""
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
        if path.exists() and not path.is_file():
            raise InputError(f"the ledger {path} is no file; remove it or choose another folder")
        if _is_other(path):  # SQLite would take some that are as short as a line for new ones, and write over them
            raise InputError(
                f"the ledger {path} cannot be used: it is another file; remove it or choose another folder"
            )
        try:
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS)
            (mark,) = self._db.execute("PRAGMA application_id").fetchone()
            if mark != _APPLICATION_ID:
                self._create()
            _harmless(self._db)
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(f"SELECT {_KEY}, tally, seconds FROM chunks LIMIT 1").fetchone()
            # SQLite reads a file that was cut short without a complaint, and gives nothing for what is missing.
            (state,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(state)
        except InputError:
            raise
        except _BROKEN as error:
            raise InputError(f"the ledger {path} cannot be used: {error}; remove it or choose another folder") from None

    def _create(self) -> None:
        """Make an empty file a ledger; of two runs that start at once, the second waits and finds it made."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            (mark,) = self._db.execute("PRAGMA application_id").fetchone()
            (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if mark != _APPLICATION_ID and tables:
                raise InputError(f"{self._path} is an SQLite file of another program; choose another folder")
            self._db.execute(_SCHEMA)
            self._db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        self._db.execute("PRAGMA journal_mode=WAL")

    def read(self, key: ChunkKey) -> tuple[dict[str, Any], float] | None:
        """The tally of a finished chunk, or the data of a picture, and its seconds; None if it is not there, or broken.

        Raises:
            OSError: if the file cannot be read any more.
        """
        try:
            row = self._row(key)
        except _BROKEN as error:
            raise OSError(f"the ledger {self._path} cannot be read: {error}") from None
        try:
            tally, seconds = (None, 0.0) if row is None else (json.loads(row[0]), float(row[1]))
        except (TypeError, ValueError, RecursionError):  # to be computed again
            return None
        return (tally, seconds) if isinstance(tally, dict) and 0 <= seconds < math.inf else None

    def _row(self, key: ChunkKey) -> tuple[str, float] | None:
        row: tuple[str, float] | None = self._db.execute(_SELECT, _columns(key)).fetchone()
        return row

    def write(self, key: ChunkKey, tally: dict[str, Any], seconds: float) -> None:
        """Store a finished chunk or picture, as JSON-ready data; on return it survives the end of the process.

        Raises:
            OSError: if the disk is full or the file cannot be written.
        """
        values = (*_columns(key), json.dumps(tally), seconds)
        try:
            with self._db:
                self._db.execute("INSERT OR REPLACE INTO chunks VALUES (?,?,?,?,?,?,?,?)", values)
        except _BROKEN as error:
            raise OSError(f"the ledger {self._path} cannot be written: {error}") from None

    def take(self, sources: Sequence[Path]) -> tuple[int, int]:
        """Add what other ledgers have; all of it or, where an error is raised, nothing.

        Args:
            sources: ledger files, which are only read.

        Returns:
            How many chunks and pictures were added, and how many were there already.

        Raises:
            InputError: if a file is broken or no ledger, or two ledgers differ about the same chunk.
            OSError: if this ledger cannot be written.
        """
        added = known = 0
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for source in sources:
                for *values, tally, seconds in _rows(source):
                    key = ChunkKey(*values)
                    there = self._row(key)
                    if there is None:
                        self._db.execute("INSERT INTO chunks VALUES (?,?,?,?,?,?,?,?)", (*values, tally, seconds))
                        added += 1
                    elif there[0] == tally:
                        known += 1
                    else:
                        raise InputError(
                            f"{source} has another result for chunk {key.chunk} of {key.sampler} at {key.point} with "
                            f"seed {key.seed} ({_short(key.context).strip()}) than the ledgers before it, by the same "
                            f"code: {_short(tally)}, not {_short(there[0])}; nothing was merged, so leave one out"
                        )
            self._db.commit()
        except InputError:
            raise
        except _BROKEN as error:
            raise OSError(f"the ledger {self._path} cannot be written: {error}") from None
        finally:
            self._db.rollback()  # nothing after a commit
        return added, known

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()


def _rows(path: Path) -> Iterator[tuple[Any, ...]]:
    """The rows of a ledger that is only read.

    Raises:
        InputError: if it is broken or something else.
    """
    # Without a log beside it nobody is writing, and it can be read in a folder that cannot be written.
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if log.exists() else "immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=_BUSY_SECONDS)) as db:
            (mark,) = db.execute("PRAGMA application_id").fetchone()
            if mark != _APPLICATION_ID:
                raise InputError(f"{path} is not a ledger of verify")
            _harmless(db)
            # SQLite reads a file that was cut short without a complaint, and gives nothing for what is missing.
            (state,) = db.execute("PRAGMA integrity_check(1)").fetchone()
            if state != "ok":
                raise InputError(f"the ledger {path} is broken ({state}); leave it out")
            for row in db.execute(f"SELECT {_KEY}, tally, seconds FROM chunks"):
                if not isinstance(json.loads(row[-2]), dict):
                    raise InputError(f"the ledger {path} is broken ({_short(row[-2])} is no tally); leave it out")
                yield row
    except InputError:
        raise
    except (*_BROKEN, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"the ledger {path} cannot be read ({reason(error)}); leave it out") from None


def _harmless(db: sqlite3.Connection) -> None:
    """Refuse a file with more in it than our table: a view or a trigger of another could compute for ever.

    Raises:
        sqlite3.DatabaseError: if there is, or the table is another one.
    """
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # a row that is no text is one row's fault
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.execute(_SCHEMA)
        expected = ours.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    if db.execute("SELECT type, name, sql FROM sqlite_master").fetchall() != expected:
        raise sqlite3.DatabaseError("it has other tables than those of a ledger")


def _is_other(path: Path) -> bool:
    """Whether a file does not begin as one of SQLite, or ends within its header; an unreadable one is told later."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEADER)
    except OSError:
        return False
    return bool(head) and not (head.startswith(b"SQLite format 3\0") and len(head) == _HEADER)


def _columns(key: ChunkKey) -> tuple[str | int, ...]:
    """The key as SQLite can hold it: text that is no UTF-8 by its escapes."""
    return tuple(
        item.encode("utf-8", "backslashreplace").decode() if isinstance(item, str) else item for item in astuple(key)
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
