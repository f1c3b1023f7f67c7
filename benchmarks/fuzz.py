"""Hostile input, counted: `python -m benchmarks.fuzz [--inputs 20000] [--seed 0] [--kinds ...]`.

Five kinds: command lines, `.npz` archives, ledgers, results files, and state dicts of networks. Each begins as
something whole and is then spoiled, in a way that a generator with the seed, the kind and the number of the input
decides, so that any input can be made again by itself (`--only KIND:NUMBER`). What may come of it is an answer or a
refusal: exit code 0 or 1; or one line, with 2 for what was given and 3 for what failed. Everything else is a defect: a
traceback, several lines, another exit code, more than `LIMIT` seconds of computing, or more memory than `MEMORY` bytes
beyond the start.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import os
import platform
import random
import resource
import signal
import sqlite3
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from verify.certificate.weights import from_state, read_weights
from verify.cli import UNFORESEEN, main
from verify.compare import compare_files
from verify.data import load
from verify.errors import InputError
from verify.foreign import reason
from verify.ledger import ChunkKey, Ledger
from verify.report.page import render_page
from verify.report.view import make_view
from verify.results import read
from verify.run import LEDGER, RESULTS, run
from verify.runner import Settings

LIMIT = 30.0
MEMORY = 2 << 30
SHARES = {"command lines": 0.1, "archives": 0.35, "ledgers": 0.2, "results": 0.25, "state dicts": 0.1}
THROUGH_COMMAND = 0.02
"""Share of the files that go through the whole command line and not only through their reader."""

COIN = """
import sympy as sp
from verify.pictures import Map
from verify.relations import Relation
from verify.statements import (
    Check, Citation, Claim, Control, Finding, Kind, Picture, Point, Sampler, Statement, Step, Variable,
)
from verify.statistics.estimates import Proportion

p, q = sp.symbols("p q", positive=True)
half = sp.Rational(3, 5)


def flip(point, draw):
    return {"hits": int((draw.rng.random(100) < point["p"]).sum()), "trials": 100}


STATEMENT = Statement(
    id="coin", kind=Kind.LEMMA, title="A coin", citation=Citation("Nobody", "1"), summary="Heads are rare.",
    variables=(Variable(p, "chance of heads", sp.Interval.open(0, 1)),), assumptions=(),
    claim=Claim(q, Relation.AT_MOST, half), steps=(Step("one is one", sp.Eq(p, p, evaluate=False), lambda: True),),
    checks=(
        Check(
            name="flips", text="Flips a coin.", sampler=Sampler("coin", flip), chunks=2,
            read=lambda tally, point: Proportion(tally["hits"], tally["trials"]), grid=(Point(p=0.1),),
            controls=(Control("small", "a tenth", Claim(q, Relation.AT_MOST, half / 100)),),
            data_points=lambda data: (Point(p=0.1),),
        ),
    ),
    findings=(Finding("found", "Found", lambda: (True, "It is so.")),),
    pictures=(Picture("map", "A map", "Of nothing.", lambda: Map((0, 1), (0, 1), ((0,),), ("a",))),),
)
"""


class Hang(BaseException):
    """It computed for longer than it may."""


@dataclass(frozen=True)
class Place:
    """What inputs are made from: a folder to write in, a module of one statement, a run of it, data and weights."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Place:
        """Fill a folder."""
        (folder / "modules").mkdir()
        (folder / "modules" / "coin.py").write_text(COIN)
        run(["coin"], Settings(folders=(str(folder / "modules"),)), folder / "run")
        (folder / "data.npz").write_bytes(_archive({"X": _numbers(6, 3), "y": np.array([0, 1, 0, 1, 1, 0])}))
        (folder / "weights.npz").write_bytes(_archive({"W": _numbers(2, 3), "z": np.array([1.0, -1.0])}))
        return cls(folder)

    def run_command(self, *more: str) -> list[str]:
        """A command that runs the statement in little time."""
        return ["run", "coin", "--path", str(self.folder / "modules"), "--workers", "1", "--no-report", *more]


def _numbers(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(7).standard_normal(shape)


def _archive(arrays: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


# --- What comes of it ---------------------------------------------------------------------------------------


def of_command(arguments: list[str]) -> str:
    """What comes of a command line: `answered`, `refused`, `failed` or a defect."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main(arguments)
    except SystemExit as stop:
        code = stop.code
    said = err.getvalue()
    if UNFORESEEN in said:
        return f"defect: {said.strip()}"
    lines = [line for line in said.splitlines() if line.startswith("verify: ")]
    others = [line for line in said.splitlines() if not line.startswith("verify: ") and " pieces, at " not in line]
    if others or code not in (0, 1, 2, 3):
        return f"defect: exit code {code}, {said.strip()[:300]}"
    if code == 2:
        return "refused" if len(lines) == 1 else f"defect: exit code 2 with {len(lines)} lines: {said[:300]}"
    return "failed" if code == 3 else "answered"


def of_reader(call: Callable[[], Any]) -> str:
    """What comes of a reader that answers, or raises what the command line shows in one line."""
    try:
        call()
    except (InputError, OSError) as error:
        one_line = str(error).strip() and len(str(error)) < 3000
        return (
            ("refused" if isinstance(error, InputError) else "failed") if one_line else f"defect: says {error!r:.300}"
        )
    return "answered"


@contextmanager
def watched() -> Iterator[None]:
    """End what computes for too long; processor time, since the clock of real time is the suite's own."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def outcome_of(kind: str, place: Place, seed: int, number: int) -> str:
    """Make one input and see what comes of it."""
    rng = random.Random(f"{seed} {kind} {number}")
    with tempfile.TemporaryDirectory(dir=place.folder) as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            with watched():
                return KINDS[kind](rng, place, Path(folder))
        except Hang:
            return f"defect: more than {LIMIT:g} s"
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            return f"defect: {type(error).__name__}: {str(error)[:200]} ({Path(where.filename).name}:{where.lineno})"
        finally:
            os.chdir(here)


# --- Command lines ------------------------------------------------------------------------------------------

TEXTS = (
    "", " ", "-", "--", "0", "-1", "1", "2", "3", "1.5", "nan", "inf", "-inf", "1e400", "1e-400", "1e308", "9" * 30,
    "9" * 5000,
    "0x10", "१२", "1_000", "True", "None", "../../etc/passwd", "/", "/dev/null", "/dev/zero", ".", "~", "a" * 300, "*",
    "[", "[!]",
    "?", "coin", "theorem-6", "f19", "\x1b[31m", "\u202e", "\udcff", "'; DROP TABLE chunks; --", "$(touch x)",
    "{{7*7}}",
    "__import__('os').system('true')", "exp(10**10)", "x=1", "epsilon=nan", "epsilon=0.2", "epsilon=10**9", "=",
    "rho=1",
    "1/3", "3/1", "2x", "0.25x", "1x,1s", "1s", "1h,", "0s", "99999999999x", "dask://", "dask://x:1:2", "threads:4",
    "numpy",
    "cupy", "auto", "exact", "sample", "rare", "constant-feature", "refuse", "quick", "results.json", "data.npz", "\n",
    "a\nb",
)  # fmt: skip
OPTIONS = {
    "run": (
        "--budget", "--seed", "--backend", "--out", "--resume", "--fixed", "--part", "--epsilon", "--slope", "--level",
        "--chunk-timeout", "--data", "--quiet", "--json",
    ),
    "merge": (),
    "list": ("--json", "--path"),
    "show": ("--path",),
    "volumes": ("--width", "--slope", "--epsilon", "--seed", "--level", "--json"),
    "map": ("--size", "--row", "--aspect", "--set", "--no-first", "--json"),
    "certify": ("--slope", "--tolerance", "--epsilon", "--threshold", "--bias", "--seed", "--json"),
    "experiment": ("--profile", "--seed", "--backend", "--data-dir", "--out", "--json"),
    "report": (),
    "compare": ("--slower", "--allow-missing", "--html", "--json"),
    "new": ("--path",),
    "check-module": ("--budget", "--seed", "--json"),
}  # fmt: skip
KEPT = ("--workers", "--path", "--size", "--row", "--method", "--budget", "run", "map")
"""Words that keep small what is computed by right; with what follows them, they are left alone."""
FLAGS = ("--resume", "--fixed", "--quiet", "--json", "--no-first", "--allow-missing")


def command_line(rng: random.Random, place: Place, folder: Path) -> str:
    """A whole command with some of its words replaced, left out, or added."""
    ours = place.folder
    run_folder, data, weights = str(ours / "run"), str(ours / "data.npz"), str(ours / "weights.npz")
    whole = {
        "run": place.run_command("--out", "out"),
        "merge": ["merge", "out", run_folder],
        "list": ["list"],
        "show": ["show", "coin", "--path", str(ours / "modules")],
        "volumes": ["volumes", data, "--width", "2", "--workers", "1", "--method", "sample", "--budget", "100"],
        "map": ["map", "f19", "--no-first", "--workers", "1", "--size", "10", "--row", "1"],
        "certify": ["certify", weights, data],
        "experiment": ["experiment", "coin"],
        "report": ["report", "missing"],
        "compare": ["compare", run_folder, run_folder],
        "new": ["new", "my-own", "--path", "statements"],
        "check-module": ["check-module", str(ours / "modules" / "coin.py"), "--budget", "0.25x"],
    }
    command = rng.choice(list(whole))
    words = whole[command]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.random()
        at = rng.randrange(1, len(words) + 1)
        if change < 0.6 and OPTIONS[command]:
            option = rng.choice(OPTIONS[command])
            words += [option] if option in FLAGS else [option, rng.choice(TEXTS)]
        elif change < 0.8 and at < len(words) and words[at - 1] not in KEPT:
            words[at] = rng.choice(TEXTS)
        elif change < 0.9:
            words.insert(at, rng.choice((*TEXTS, "--nonsense", "-x")))
        elif 2 < len(words) > at and words[at] not in KEPT and words[at - 1] not in KEPT:
            del words[at]
    return of_command(words)


# --- Archives -----------------------------------------------------------------------------------------------


def _header(shape: str, descr: str = "'<f8'", order: str = "False", version: bytes = b"\x01\x00") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + version + size + text


def _saved(array: Any, *, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=pickled)
    return stream.getvalue()


DTYPES = ("f2", "f4", "f8", ">f8", "g", "i1", "u8", "?", "c16", "S3", "U2", "M8[s]", "m8[s]", "V4")


def _array(rng: random.Random) -> np.ndarray[Any, Any]:
    """An array that nobody expects."""
    shape = rng.choice(
        ((), (0,), (1,), (6,), (6, 3), (3, 6), (6, 1), (0, 3), (6, 0), (2, 3, 4), (1, 1), (2,), (2, 3), (6, 3, 1))
    )
    values = rng.choice((0.0, 1.0, -0.0, 1e308, -1e308, 5e-324, np.nan, np.inf, 0.5))
    made = _numbers(*shape) if rng.random() < 0.4 else np.full(shape, values)
    if made.size and rng.random() < 0.4:
        made = np.array(made)
        made.ravel()[rng.randrange(made.size)] = rng.choice((np.nan, np.inf, -np.inf, 1e308, 5e-324, 0.0))
    with np.errstate(all="ignore"):
        dtype = rng.choice(DTYPES)
        if rng.random() < 0.5 or dtype.startswith(("M", "m", "V")):
            return np.zeros(shape, dtype) if dtype[0] in "MmV" else made
        return made.astype(dtype)


def _member(rng: random.Random) -> bytes:
    """Bytes that claim to be an array."""
    content = _saved(_array(rng))
    match rng.randrange(12):
        case 0:
            return _saved(np.array([{}, lambda: 0, "x"][: rng.randrange(1, 2)], dtype=object), pickled=True)
        case 1:
            shape = rng.choice(
                (
                    "(10**12,)",
                    "(1000000000000, 3)",
                    "(4611686018427387904, 4)",
                    "(-1, 3)",
                    "(6,)",
                    "6",
                    "()",
                    "(True, 3)",
                )
            )
            return _header(shape) + bytes(rng.choice((0, 8, 144)))
        case 2:
            descr = rng.choice(
                ("'|O'", "'<f80'", "'<U99999999'", "[('a','<f8')]", "'|V9999999999'", "None", "('<f8',(9999,9999))")
            )
            return _header("(6, 3)", descr) + bytes(144)
        case 3:
            return _header(
                rng.choice(("(__import__('os').getcwd(),)", "(" * 200, "(1,)*9", "(1e3,)", "('a',)"))
            ) + bytes(8)
        case 4:
            return _header("(6, 3)", version=rng.choice((b"\x02\x00", b"\x03\x00", b"\x09\x00", b"\x00\x00"))) + bytes(
                144
            )
        case 5:
            return content[: rng.randrange(len(content))]
        case 6:
            return content + bytes(rng.randrange(1, 100))
        case 7:
            return rng.randbytes(rng.randrange(200))
        case 8:
            return b""
        case 9:
            return (
                _header("(8000000,)") + bytes(64_000_000)
                if rng.random() < 0.05
                else _header("(1,)" + " " * 20_000) + bytes(8)
            )
        case _:
            return content


def spoiled_archive(rng: random.Random) -> bytes:
    """An archive of arrays X, y, W and z of which something is wrong."""
    good = {"X": _numbers(6, 3), "y": np.array([0, 1, 0, 1, 1, 0]), "W": _numbers(2, 3), "z": np.array([1.0, -1.0])}
    members = {f"{name}.npy": _saved(value) for name, value in good.items() if rng.random() < 0.95}
    if rng.random() < 0.8:
        members[rng.choice(("X.npy", "y.npy", "W.npy", "z.npy"))] = _member(rng)
    extra = rng.choice(
        ("../X.npy", "/etc/X.npy", "X", "b.npy", "c.npy", "\x1b[31m.npy", "X/", "a" * 300, "é.npy", "X.npy")
    )
    stream = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore")  # of zipfile, about names that occur twice
        for name, content in members.items():
            archive.writestr(name, content)
        if rng.random() < 0.2:
            archive.writestr(extra, _member(rng))
    content = bytearray(stream.getvalue())
    match rng.randrange(8):
        case 0:
            return bytes(content[: rng.randrange(len(content))])
        case 1:
            for _ in range(rng.randrange(1, 20)):
                content[rng.randrange(len(content))] = rng.randrange(256)
        case 2:  # a size, a method or a flag in the directory at the end, which zipfile believes
            start = content.rfind(b"PK\x01\x02")
            if start >= 0:
                at = start + rng.choice((6, 8, 10, 16, 20, 24, 28, 30, 32, 42))
                content[at : at + 2] = rng.choice((b"\xff\xff", b"\x00\x00", b"\x01\x00", b"\x63\x00"))
        case 3:
            return rng.randbytes(rng.randrange(400)) + (bytes(content) if rng.random() < 0.5 else b"")
        case 4:
            return rng.choice(
                (b"", b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), _saved(good["X"]), b"\x80\x04].")
            )
    return bytes(content)


def archive_file(rng: random.Random, place: Place, folder: Path) -> str:
    """An archive, for `run --data`, `volumes` or `certify`."""
    file = folder / "spoiled.npz"
    file.write_bytes(spoiled_archive(rng))
    which, whole = rng.randrange(3), rng.random() < THROUGH_COMMAND
    data, weights = str(place.folder / "data.npz"), str(place.folder / "weights.npz")
    if which == 0:
        return (
            of_command(place.run_command("--data", str(file), "--out", "out"))
            if whole
            else of_reader(lambda: load(file))
        )
    if which == 1:
        call = rng.choice((["certify", str(file), data], ["certify", weights, str(file)]))
        return of_command(call) if whole else of_reader(lambda: read_weights(file))
    return of_command(["volumes", str(file), "--width", "2", "--workers", "1", "--method", "sample", "--budget", "100"])


# --- Ledgers ------------------------------------------------------------------------------------------------

ROWS = (
    "UPDATE chunks SET tally = {}", "UPDATE chunks SET seconds = {}", "UPDATE chunks SET point = {}",
    "UPDATE chunks SET seed = {}",
    "UPDATE chunks SET context = {}", "PRAGMA application_id = 0", "PRAGMA user_version = 9", "DROP TABLE chunks",
    "DELETE FROM chunks",
    "ALTER TABLE chunks RENAME TO other", "ALTER TABLE chunks ADD COLUMN more TEXT", "CREATE TABLE other (a)",
    "CREATE TRIGGER t BEFORE INSERT ON chunks BEGIN SELECT RAISE(FAIL, 'no'); END", "CREATE VIEW v AS SELECT 1",
    "ALTER TABLE chunks RENAME TO other; CREATE VIEW chunks AS "
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
    "SELECT 'coin' AS sampler, '' AS point, 0 AS seed, n AS chunk, '' AS context, '' AS code, '{{}}' AS tally, "
    "1 AS seconds FROM c",
)  # fmt: skip
VALUES = (
    "NULL", "''", "'{}'", "'[1]'", "'{'", "x'00ff'", "CAST(x'ff' AS TEXT)", "9e999", "-1", "'nan'", "1e308",
    "zeroblob(1000000)",
    "'{\"hits\": NaN}'", "'{\"hits\": 1e999, \"trials\": 1}'", "'{\"hits\": \"a\", \"trials\": []}'",
    "'{\"hits\": 3, \"trials\": 1}'",
    "'{\"hits\": -3, \"trials\": 100}'", "'{\"kind\": \"map\"}'", "'{\"kind\": 7}'",
)  # fmt: skip


def spoiled_ledger(rng: random.Random, place: Place, file: Path) -> None:
    """Write a ledger of which bytes, rows or tables are wrong."""
    file.write_bytes((place.folder / "run" / LEDGER).read_bytes())
    if rng.random() < 0.5:
        statement = rng.choice(ROWS)
        value = rng.choice((*VALUES, f"'{'[' * 100_000}'", f"'{{\"hits\": {'9' * 5000}}}'"))
        with suppress(sqlite3.Error):
            db = sqlite3.connect(file)
            db.executescript(statement.format(value))
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.close()
        return
    content = bytearray(file.read_bytes())
    match rng.randrange(5):
        case 0:
            content = content[: rng.randrange(len(content))]
        case 1:
            content[rng.randrange(len(content)) :] = rng.randbytes(rng.randrange(5000))
        case 2:
            for at in range(0, rng.randrange(1, 100)):
                content[at] = rng.randrange(256)
        case 3:
            content = bytearray(rng.choice((b"", b"SQLite format 3\0", rng.randbytes(5000), b"{}", bytes(8192))))
        case _:
            for _ in range(rng.randrange(1, 60)):
                content[rng.randrange(len(content))] = rng.randrange(256)
    file.write_bytes(content)
    if rng.random() < 0.1:
        file.with_name(f"{LEDGER}-wal").write_bytes(rng.randbytes(rng.randrange(5000)))


def ledger_file(rng: random.Random, place: Place, folder: Path) -> str:
    """A ledger, for `run --resume` or `merge`."""
    (folder / "out").mkdir()
    file = folder / "out" / LEDGER
    spoiled_ledger(rng, place, file)
    if rng.random() < 3 * THROUGH_COMMAND:
        commands = (
            place.run_command("--out", "out", "--resume"),
            ["merge", "all", "out"],
            ["merge", "out", str(place.folder / "run")],
        )
        return of_command(rng.choice(commands))
    if rng.random() < 0.5:
        with Ledger(folder / "all.sqlite") as ledger:
            return of_reader(lambda: ledger.take([file]))

    def read() -> None:
        with Ledger(file) as ledger:
            key = ChunkKey("coin", '{"p": 0.1}', 0, 0, "numpy ", "abc")
            ledger.read(key)
            ledger.write(key, {"hits": 1}, 0.5)

    return of_reader(read)


# --- Results ------------------------------------------------------------------------------------------------

LEAVES = (
    None, True, -1, 0, 7, 1e308, -1e308, 5e-324, 10**30, 10**400, float("nan"), float("inf"), "", "inf", "-inf", "nan",
    "holds",
    "violated", "\ud800", "\u202e\x1b[2J", "<script>alert(1)</script>", "#import \"x\"", "\\frac{", "$" * 50,
    "é" * 2000, "x" * 20_000,
    [], {}, [[]], {"a": 1}, [None], ["x"], [1] * 300, "../../x", "javascript:alert(1)",
    "9999-12-31T23:59:59", "0001-01-01T00:00:00",
)  # fmt: skip


def spoiled_results(rng: random.Random, whole: Any) -> bytes:
    """Results of which some values, or the text itself, are wrong."""
    found = copy.deepcopy(whole)
    for _ in range(rng.choice((1, 1, 2, 5))):
        here, key = found, None
        for _ in range(rng.randrange(1, 12)):
            inside = here if key is None else here[key]
            if not isinstance(inside, dict | list) or not inside:
                break
            here, key = inside, rng.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
        if key is None:
            continue
        match rng.randrange(5):
            case 0:
                del here[key]
            case 1 if isinstance(here, list):
                here += [copy.deepcopy(here[key])] * rng.choice((1, 40))
            case _:
                here[key] = copy.deepcopy(rng.choice(LEAVES))
    text = json.dumps(found)
    match rng.randrange(16):
        case 0:
            text = text[: rng.randrange(len(text))]
        case 1:
            text = rng.choice(("[" * 200_000, '{"a":' * 50_000, "[]", "null", "7", "", "9" * 6000, "\ufeff{}", '"x"'))
        case 2:
            content = bytearray(text.encode())
            for _ in range(rng.randrange(1, 30)):
                content[rng.randrange(len(content))] = rng.randrange(256)
            return bytes(content)
        case 3:
            deep = "[" * rng.choice((200, 900, 3000)) + "]" * 3000
            text = text.replace('"Heads are rare."', deep, 1)
    return text.encode("utf-8", "backslashreplace")


def results_file(rng: random.Random, place: Place, folder: Path) -> str:
    """A results file, for `report` or `compare`."""
    whole = json.loads((place.folder / "run" / RESULTS).read_text())
    file = folder / RESULTS
    file.write_bytes(spoiled_results(rng, whole))
    if rng.random() < 0.5:
        pair = [place.folder / "run", file]
        rng.shuffle(pair)
        if rng.random() < 10 * THROUGH_COMMAND:
            return of_command(["compare", *map(str, pair), "--html", "page.html"])
        return of_reader(lambda: str(compare_files(*pair).to_dict()) + str(compare_files(*pair)))
    if rng.random() < 3 * THROUGH_COMMAND:
        return of_command(["report", str(folder)])
    return of_reader(lambda: _page(file))


def _page(file: Path) -> None:
    """As `report` does it, but for the PDF, which takes most of the time."""
    found = read(file)
    try:
        render_page(make_view(found))
    except Exception as error:
        raise InputError(reason(error)) from None


# --- State dicts --------------------------------------------------------------------------------------------


class Odd:
    """Something with a shape that is no array."""

    shape = (2, 3)

    def __init__(self, rng: random.Random) -> None:
        self.error = rng.choice((TypeError, ValueError, RuntimeError))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.error("no array")


def state_dict(rng: random.Random, place: Place, folder: Path) -> str:
    """A mapping of tensors, or something else, as the weights of a network."""
    good = {"0.weight": _numbers(2, 3), "0.bias": _numbers(2), "2.weight": _numbers(1, 2), "2.bias": _numbers(1)}
    names = list(good)
    for _ in range(rng.randrange(4)):
        name = rng.choice((*names, "more", 7, "\x1b[31m", ""))
        choice = rng.randrange(5)
        if choice == 0:
            good.pop(name, None)
        elif choice == 1:
            good[name] = rng.choice((None, "x", 1.5, [], {}, Odd(rng)))
        else:
            good[name] = _array(rng)
    state: Any = good if rng.random() < 0.95 else rng.choice((None, [], "x", 7, {}, [good]))
    if rng.random() < THROUGH_COMMAND:
        file = folder / "model.pt"
        file.write_bytes(rng.choice((b"", rng.randbytes(200), spoiled_archive(rng))))
        return of_command(["certify", str(file), str(place.folder / "data.npz")])
    return of_reader(lambda: from_state(state))


KINDS: dict[str, Callable[[random.Random, Place, Path], str]] = {
    "command lines": command_line,
    "archives": archive_file,
    "ledgers": ledger_file,
    "results": results_file,
    "state dicts": state_dict,
}


def fuzz(kind: str, place: Place, seed: int, numbers: range) -> tuple[Counter[str], dict[int, str]]:
    """What came of so many inputs of a kind: counts, and the defects by the number of the input."""
    counts: Counter[str] = Counter()
    defects = {}
    for number in numbers:
        outcome = outcome_of(kind, place, seed, number)
        counts[outcome.partition(":")[0]] += 1
        if outcome.startswith("defect"):
            defects[number] = outcome
    return counts, defects


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--only", metavar="KIND:NUMBER", help="one input, with all that it says")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/fuzz.md"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place.make(Path(folder))
        if asked.only:
            kind, _, number = asked.only.partition(":")
            print(outcome_of(kind, place, asked.seed, int(number)))
            return
        # What is compiled or imported on first use is no input's.
        of_command(["volumes", str(place.folder / "data.npz"), "--width", "2", "--workers", "1", "--method", "sample"])
        of_command(["certify", str(place.folder / "weights.npz"), str(place.folder / "data.npz")])
        _limit_memory()
        begun, rows, found = time.monotonic(), [], []
        for kind in asked.kinds:
            count = round(asked.inputs * SHARES[kind])
            counts, defects = fuzz(kind, place, asked.seed, range(count))
            cells = [str(counts[name]) for name in ("answered", "refused", "failed", "defect")]
            rows.append(f"| {kind} | {count} | {' | '.join(cells)} |")
            print(rows[-1], flush=True)
            for number, text in defects.items():
                found.append(f"- {kind}:{number}: {text}")
                print(found[-1], flush=True)
        seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lines = [
        "# Hostile input",
        "",
        f"{asked.inputs} inputs, each whole at first and then spoiled, with at most {LIMIT:g} s and "
        f"{MEMORY / 2**30:g} GiB.",
        "",
        f"`python -m benchmarks.fuzz --inputs {asked.inputs} --seed {asked.seed}`  ",
        f"Python {platform.python_version()}, NumPy {np.__version__}, SQLite {sqlite3.sqlite_version}, 2026-11-21, "
        f"{seconds:.0f} s, peak {peak:.2g} GiB",
        "",
        "*Answered*: exit code 0 or 1. *Refused*: one line and exit code 2. *Failed*: exit code 3, as for a file that",
        "cannot be written. *Defect*: anything else.",
        "",
        "| kind | inputs | answered | refused | failed | defects |",
        "|---|---|---|---|---|---|",
        *rows,
        *(["", *found] if found else []),
    ]
    asked.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.setswitchinterval(0.01)
    _main()
