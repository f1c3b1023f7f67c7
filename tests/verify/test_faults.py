"""What goes wrong in a module or on the disk: its own statement gets the reason, all others finish, nothing is lost."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from verify import cli, registry, runner
from verify.cli import main
from verify.data import Dataset
from verify.errors import InputError
from verify.registry import discover
from verify.run import run
from verify.runner import Budget, Settings, make_plan

resource = pytest.importorskip("resource", reason="limits of a process are those of POSIX")


def beside_a_good_one(toy, tmp_path, body, **settings):
    """Run a good statement and a bad one; the good one must not notice."""
    toy("coin")
    folder = toy("bad-coin", body=body)
    results = run(["coin", "bad-coin"], Settings(folders=(folder,), **settings), tmp_path / "out", report=False).results
    coin, bad = sorted(results["statements"], key=lambda item: item["id"], reverse=True)
    assert coin["verdict"]["outcome"] == "holds"
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == results
    return results, bad


# A worker that has caught the exception ends a little later, and then once more, alone.
STUBBORN = """
    while True:
        try:
            time.sleep(0.01)
        except Exception:
            pass
"""
# The memory is never touched, so that only the limit is reached.
GREEDY = """
    import numpy, resource
    resource.setrlimit(resource.RLIMIT_AS, (32 << 30, 32 << 30))
    everything = []
    while True:
        everything.append(numpy.empty(1 << 29))
"""


@pytest.mark.parametrize(
    ("body", "settings", "reason"),
    [
        ("while True: pass", {"workers": 1, "chunk_timeout": 0.3}, "TimeoutError: it took longer than 0.3 s"),
        ("while True: pass", {"workers": 2, "chunk_timeout": 0.5}, "TimeoutError: it took longer than 0.5 s"),
        (STUBBORN, {"workers": 2, "chunk_timeout": 0.5}, "died while computing this, or did not stop"),
        (GREEDY, {"workers": 2}, "MemoryError"),
        ("raise SystemExit(0)", {"workers": 1}, "SystemExit: 0"),
        ("return {'hits': 10 ** 400, 'trials': 1}", {"workers": 1}, "Error"),
        ("return {'hits': 3, 'trials': 2}", {"workers": 1}, "ValueError: got 3 hits"),
        ("return {str(draw.rng.random()): 1}", {"workers": 1}, "Error"),
    ],
    ids=["loops", "loops apart", "stubborn", "greedy", "exits", "huge", "inconsistent", "other names"],
)
def test_only_the_statement_at_fault_is_an_error(toy, tmp_path, body, settings, reason):
    results, bad = beside_a_good_one(toy, tmp_path, body, **settings)
    assert bad["verdict"]["outcome"] == "error"
    assert reason in bad["verdict"]["text"]
    assert results["summary"]["exit_code"] == 3


def test_a_module_that_prints_megabytes_disturbs_nobody(toy, tmp_path, capfd):
    _, bad = beside_a_good_one(toy, tmp_path, "print('x' * 2_000_000)")
    assert bad["verdict"]["outcome"] == "holds"
    capfd.readouterr()


@pytest.mark.parametrize(
    "change",
    [
        "read=lambda tally, point: 1 / 0",
        "read=lambda tally, point: None",
        "claim=Claim(sp.Symbol('q'), Relation.AT_MOST, p / (p - p))",
    ],
)
def test_a_check_that_cannot_be_judged_is_an_error(toy, tmp_path, change):
    toy("coin")
    folder = toy("bad-coin")
    with (Path(folder) / "bad_coin.py").open("a") as module:
        module.write(
            "from dataclasses import replace\n"
            f"STATEMENT = replace(STATEMENT, checks=(replace(STATEMENT.checks[0], {change}),))\n"
        )
    results = run(["coin", "bad-coin"], Settings(folders=(folder,)), tmp_path / "out", report=False).results
    outcomes = {item["id"]: item["verdict"]["outcome"] for item in results["statements"]}
    assert outcomes == {"coin": "holds", "bad-coin": "error"}


def test_an_assumption_that_raises_is_an_error_at_its_points(toy, tmp_path):
    folder = toy("bad-coin")
    toy("coin")
    with (Path(folder) / "bad_coin.py").open("a") as module:
        module.write(
            "from dataclasses import replace\nfrom verify.asymptotics import Scaling\n"
            "from verify.statements import Assumption, Path\n"
            "odd = Assumption('odd', 'It is odd.', along=lambda scaling: 1 / 0)\n"
            "path = Path(Scaling(1, 1), (Point(p=0.3),))\n"
            "check = replace(STATEMENT.checks[0], paths=(path,))\n"
            "STATEMENT = replace(STATEMENT, assumptions=(odd,), checks=(check,))\n"
        )
    results = run(["coin", "bad-coin"], Settings(folders=(folder,)), tmp_path / "out", report=False).results
    outcomes = {item["id"]: item["verdict"] for item in results["statements"]}
    assert outcomes["coin"]["outcome"] == "holds"
    assert outcomes["bad-coin"]["outcome"] == "error"
    assert "ZeroDivisionError" in outcomes["bad-coin"]["text"]


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_a_timeout_that_is_none_is_refused(timeout):
    with pytest.raises(InputError, match="chunk timeout"):
        Settings(chunk_timeout=timeout)


def numbers(folder):
    results = json.loads((folder / "results.json").read_text())
    return json.dumps({key: value for key, value in results.items() if key != "times"})


def arguments(folder, out, *more):
    return ["run", "coin", "--path", folder, "--out", str(out), "--workers", "1", "--no-report", "--quiet", *more]


def call(*given):
    with pytest.raises(SystemExit) as stop:
        main(given)
    return stop.value.code


LIMITED = (
    "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
    "sys.argv[0] = 'verify'; runpy.run_module('verify', run_name='__main__')"
)


@pytest.mark.parametrize("size", [2000, 60_000])
def test_a_disk_that_fills_up_loses_no_finished_chunk(toy, tmp_path, size):
    """A limit on the size of files ends writes as a full disk does; later there is room again."""
    folder, out, whole = toy(), tmp_path / "full", tmp_path / "whole"
    many = ("--budget", "10x", "--fixed")
    program = [sys.executable, "-c", LIMITED.format(size=size), *arguments(folder, out, *many)]
    stopped = subprocess.run(program, capture_output=True, text=True, check=False)
    assert stopped.returncode in (2, 3)
    assert len(stopped.stderr.strip().splitlines()) == 1
    assert stopped.stderr.startswith("verify: ")
    assert not (out / "results.json").exists()
    if size == 60_000:
        with sqlite3.connect(out / "ledger.sqlite") as ledger:
            (kept,) = ledger.execute("SELECT count(*) FROM chunks").fetchone()
        assert 0 < kept < 80
    assert call(*arguments(folder, out, *many, "--resume")) == call(*arguments(folder, whole, *many)) == 0
    assert numbers(out) == numbers(whole)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.99])
def test_a_ledger_that_was_cut_short_is_refused_and_left_alone(toy, tmp_path, capsys, cut):
    folder, out = toy(), tmp_path / "out"
    assert call(*arguments(folder, out, "--budget", "60x", "--fixed")) == 0
    ledger = out / "ledger.sqlite"
    content = ledger.read_bytes()
    assert len(content) > 8192
    ledger.write_bytes(content[: int(cut * len(content))])
    before = ledger.read_bytes()
    assert call(*arguments(folder, out, "--resume")) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"verify: the ledger {ledger} cannot be used")
    assert len(message.splitlines()) == 1
    assert ledger.read_bytes() == before


@pytest.mark.parametrize("tally", ["", "[1]", "{", "null", "7", "[" * 100_000])
def test_a_broken_row_of_a_ledger_is_computed_again(toy, tmp_path, tally):
    folder, out = toy(), tmp_path / "out"
    first = run(["coin"], Settings(folders=(folder,)), out, report=False).results
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE chunks SET tally = ?", (tally,))
    again = run(["coin"], Settings(folders=(folder,)), out, resume=True, report=False).results
    assert again["statements"] == first["statements"]


UNPICKLABLE = "class Odd(Exception):\n        def __init__(self, a, b): super().__init__(a)\n    raise Odd(1, 2)"
UNSPEAKABLE = "class Odd(Exception):\n        def __str__(self): raise RuntimeError\n    raise Odd"
LEAVING = "class Odd(BaseException): pass\n    raise Odd('off')"


@pytest.mark.parametrize(
    ("body", "workers", "reason"),
    [
        (UNPICKLABLE, 2, "Odd: 1"),
        (UNSPEAKABLE, 1, "Odd, which cannot say what it is"),
        (LEAVING, 1, "Odd: off"),
        ("raise ValueError('x' * 5_000_000)", 1, "(5000012 characters)"),
        ("return {'hits': [0.5] * 4_000_000, 'trials': 1}", 1, "expected at most"),
        ("tally = {}; tally['hits'] = [tally]; return tally", 1, "TypeError"),
        ("deep = []\n    for _ in range(10 ** 5): deep = [deep]\n    return {'hits': deep}", 1, "RecursionError"),
    ],
    ids=["unpicklable", "unspeakable", "leaving", "long message", "large tally", "no tally", "deep"],
)
def test_whatever_a_sampler_raises_or_returns_is_a_short_reason(toy, tmp_path, body, workers, reason):
    _, bad = beside_a_good_one(toy, tmp_path, body, workers=workers)
    assert bad["verdict"]["outcome"] == "error"
    assert reason in bad["verdict"]["text"]
    assert len(bad["verdict"]["text"]) < 2000


def changed(toy, change, *, imports=""):
    """A good coin, and a bad one with a part of its statement replaced."""
    toy("coin")
    folder = toy("bad-coin")
    with (Path(folder) / "bad_coin.py").open("a") as module:
        module.write(
            "from dataclasses import replace\nfrom verify.asymptotics import Scaling\nfrom verify.pictures import Map\n"
            "from verify.statements import Assumption, Finding, Path, Picture, Survey\n"
            f"{imports}\n"
            "class Odd:\n"
            "    def __repr__(self): raise RuntimeError('no words')\n"
            "    def __call__(self, *_): return {'hits': 1, 'trials': 400}\n"
            "class Estimate(Proportion):\n"
            "    def __init__(self): super().__init__(1, 400)\n"
            "    def counts(self): raise RuntimeError('no counts')\n"
            "class Untypeset(sp.Symbol):\n"
            "    def _latex(self, printer): raise RuntimeError('no formula')\n"
            "def check(**changes): return (replace(STATEMENT.checks[0], **changes),)\n"
            "def control(**changes): return (replace(STATEMENT.checks[0].controls[0], **changes),)\n"
            f"STATEMENT = replace(STATEMENT, {change})\n"
        )
    return folder


ON_DATA = "data_points=lambda data: (Point(p=0.3),)"
DATA = Dataset.from_arrays(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, -1.0]]), np.array([0, 1, 1]))
# What a module has that is called, and what is wrong with it; on data where the last is true.
CALLED = {
    "finding returns nothing": ("findings=(Finding('f', 'F', lambda: None),)", "expected a pair", False),
    "finding answers oddly": ("findings=(Finding('f', 'F', lambda: ('yes', 'so')),)", "expected True, False", False),
    "finding says no text": ("findings=(Finding('f', 'F', lambda: (True, 7)),)", "expected a pair", False),
    "finding exits": ("findings=(Finding('f', 'F', lambda: exit(0)),)", "SystemExit", False),
    "step answers oddly": (
        "steps=(replace(STATEMENT.steps[0], decide=lambda: sp.Symbol('x') > 0),)", "TypeError", False,
    ),
    "picture is none": ("pictures=(Picture('x', 'X', 'X.', lambda: 7),)", "is a int", False),
    "sampler has no name to call": ("checks=check(sampler=Sampler('odd', Odd()))", "no words", False),
    "reader exits": ("checks=check(read=lambda tally, point: exit(0))", "SystemExit", False),
    "reader returns text": ("checks=check(read=lambda tally, point: 'x')", "AttributeError", False),
    "control's reader fails": (
        "checks=check(controls=control(read=lambda tally, point: 1 / 0))", "ZeroDivision", False,
    ),
    "estimate counts nothing": ("checks=check(read=lambda tally, point: Estimate())", "no counts", False),
    "formula cannot be set": ("claim=replace(CLAIM, quantity=Untypeset('u'))", "cannot be shown: RuntimeError", False),
    "step cannot be set": (
        "steps=(replace(STATEMENT.steps[0], formula=Untypeset('u')),)", "cannot be shown: RuntimeError", False,
    ),
    "survey's bound fails": (
        "survey=Survey({}, (1,), (1.0,), known=lambda point: 1 / 0)", "ZeroDivisionError", False,
    ),
    "points fail": ("checks=check(data_points=lambda data: 1 / 0)", "ZeroDivisionError", True),
    "points are none": ("checks=check(data_points=lambda data: None)", "returned no tuple of Point", True),
    "points are numbers": ("checks=check(data_points=lambda data: (1, 2))", "returned no tuple of Point", True),
    "points are infinite": (
        "checks=check(data_points=lambda data: (Point(p=float('inf')),))", "expected a finite", True,
    ),
    "assumption fails": (
        f"checks=check({ON_DATA}), assumptions=(Assumption('a', 'A.', on_data=lambda data: 1 / 0),)",
        "ZeroDivision",
        True,
    ),
    "assumption answers oddly": (
        f"checks=check({ON_DATA}), assumptions=(Assumption('a', 'A.', on_data=lambda data: 'x'),)",
        "expected a pair",
        True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason", "on_data"), CALLED.values(), ids=CALLED.keys())
def test_whatever_a_module_does_is_its_own_error(toy, tmp_path, change, reason, on_data):
    folder = changed(toy, change)
    if on_data:
        with (Path(folder) / "coin.py").open("a") as module:
            module.write(
                "from dataclasses import replace\n"
                f"STATEMENT = replace(STATEMENT, checks=(replace(STATEMENT.checks[0], {ON_DATA}),))\n"
            )
    settings = Settings(folders=(folder,), data=DATA if on_data else None)
    is_shown = "cannot be shown" in reason
    results = run(["coin", "bad-coin"], settings, tmp_path / "out", report=is_shown).results
    coin, bad = sorted(results["statements"], key=lambda item: item["id"], reverse=True)
    assert coin["verdict"]["outcome"] == "holds"
    assert results["summary"]["exit_code"] == 3
    assert reason in json.dumps(bad)
    assert "error" in json.dumps(bad)
    if is_shown:
        assert "it cannot be shown" in (tmp_path / "out" / "report.html").read_text()


DECLARED = {
    "title=7": "STATEMENT.title is a int, 7; expected str",
    "notes=None": "STATEMENT.notes is a NoneType, None; expected tuple[str, ...]",
    "notes=(7,)": "STATEMENT.notes",
    "uses='f10'": "STATEMENT.uses",
    "steps=(7,)": "STATEMENT.steps",
    "checks=check(chunks='many')": "STATEMENT.checks.chunks is a str, 'many'; expected int",
    "checks=check(read=7)": "STATEMENT.checks.read",
    "checks=check(sampler=None)": "STATEMENT.checks.sampler",
    "checks=check(beside=((1, 2),))": "STATEMENT.checks.beside",
    "checks=check(controls=control(claim=7))": "STATEMENT.checks.controls.claim",
    "claim=None": "STATEMENT.claim",
    "claim=replace(CLAIM, proviso=7)": "STATEMENT.claim.proviso",
    "findings=(Finding('f', 'F', 7),)": "STATEMENT.findings.compute",
    "assumptions=(Assumption('a', 7),)": "STATEMENT.assumptions.text",
    "survey=Survey({}, (1,), (1.0,), axis='d2')": "STATEMENT.survey.axis",
    "checks=check(grid=(Point(p=float('nan')),))": "got p = nan in a point",
}


@pytest.mark.parametrize(("change", "reason"), DECLARED.items())
def test_a_part_of_another_type_makes_a_broken_module(toy, change, reason):
    found = discover((changed(toy, change),))
    assert "coin" in found.statements
    assert "bad-coin" not in found.statements
    (broken,) = found.broken
    assert reason in broken.reason


@pytest.mark.parametrize(
    "change", ["checks=check(read=lambda tally, point: wait())", "claim=replace(CLAIM, quantity=U)"]
)
def test_what_never_answers_in_the_process_of_the_run_is_ended(toy, tmp_path, monkeypatch, change):
    monkeypatch.setattr(runner, "LEAST_PATIENCE", 0.2)
    imports = (
        "def wait():\n    while True: time.sleep(0.01)\n"
        "class Slow(sp.Symbol):\n    def _latex(self, printer): wait()\n"
        "U = Slow('u')\n"
    )
    settings = Settings(folders=(changed(toy, change, imports=imports),), chunk_timeout=2.0)
    # What takes its time the first time is our own: the code of the statements is read.
    make_plan(
        list(discover(settings.folders).statements.values())[-2:], replace(settings, chunk_timeout=600.0), "numpy"
    )
    begun = time.monotonic()
    results = run(["coin", "bad-coin"], settings, tmp_path / "out", report=False).results
    outcomes = {item["id"]: item["verdict"] for item in results["statements"]}
    assert outcomes["coin"]["outcome"] == "holds"
    assert "longer than 0.2 s" in outcomes["bad-coin"]["text"]
    assert time.monotonic() - begun < 60, "it is asked once, and not again at each point and look"


def test_a_module_that_never_ends_its_import_is_broken(toy, monkeypatch):
    monkeypatch.setattr(registry, "IMPORT_SECONDS", 5.0)
    toy("coin")
    folder = Path(toy("bad-coin"))
    (folder / "bad_coin.py").write_text("import time\nwhile True: time.sleep(0.01)\n")
    found = discover((str(folder),))
    assert "coin" in found.statements
    assert "longer than 5 s" in found.broken[0].reason


def test_what_a_module_prints_leaves_json_whole(toy, tmp_path, capsys):
    folder = toy("coin", body="print('megabytes')")
    with (Path(folder) / "coin.py").open("a") as module:
        module.write("print('at import')\n")
    assert call("run", "coin", "--path", folder, "--out", str(tmp_path / "out"), "--workers", "1", "--json") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["summary"]["exit_code"] == 0
    assert "megabytes" in shown.err
    assert "at import" in shown.err


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_jumps_of_the_clock_change_nothing(toy, tmp_path, monkeypatch, jump):
    """The clock of the wall jumps at each look; budgets and limits are told by another."""
    folder = toy()
    settings = Settings(folders=(folder,), budget=Budget(1.0, seconds=600.0), chunk_timeout=60.0)
    before = run(["coin"], settings, tmp_path / "before", report=False).results
    looks = itertools.count(1)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + next(looks) * jump)
    monkeypatch.setattr(time, "time_ns", lambda: int((now + next(looks) * jump) * 1e9))
    out = tmp_path / "after"
    after = run(["coin"], settings, out, report=False).results
    again = run(["coin"], settings, out, resume=True, report=False).results
    assert after["statements"] == before["statements"] == again["statements"]
    assert not after["run"]["capped"]


def test_reports_of_one_second_have_folders_of_their_own(toy, tmp_path, monkeypatch, capsys):
    """Two runs may begin in one second, or the clock was set back; neither may take the report of the other."""
    monkeypatch.chdir(tmp_path)

    class Stopped(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 1, tzinfo=tz)

    monkeypatch.setattr(cli, "datetime", Stopped)
    for _ in range(2):
        assert call("run", "coin", "--path", toy(), "--workers", "1", "--no-report", "--quiet") == 0
    assert sorted(folder.name for folder in (tmp_path / "reports").iterdir()) == [
        "2026-01-01T000000", "2026-01-01T000000-2",
    ]  # fmt: skip


def test_two_runs_on_one_ledger_at_once_both_end_the_same(toy, tmp_path):
    folder, out = toy(body="time.sleep(0.02)"), tmp_path / "out"
    command = [sys.executable, "-m", "verify", *arguments(folder, out, "--fixed", "--resume")]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert [process.returncode for process in both] == [0, 0]
    assert call(*arguments(folder, tmp_path / "alone", "--fixed")) == 0
    assert numbers(out) == numbers(tmp_path / "alone")


HOSTILE_ROWS = [
    'tally = \'{"hits": NaN, "trials": 400}\'',
    'tally = \'{"hits": 1e999, "trials": 400}\'',
    'tally = \'{"hits": "many", "trials": 400}\'',
    "tally = CAST(x'7bff7d' AS TEXT)",
    "tally = zeroblob(100)",
    "seconds = 9e999",
    "seconds = 'soon'",
    "seconds = -1",
]


@pytest.mark.parametrize("change", HOSTILE_ROWS)
def test_a_row_that_no_run_writes_is_computed_again(toy, tmp_path, change):
    folder, out = toy(), tmp_path / "out"
    first = run(["coin"], Settings(folders=(folder,)), out, report=False).results
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        ledger.execute(f"UPDATE chunks SET {change}")
    again = run(["coin"], Settings(folders=(folder,)), out, resume=True, report=False).results
    assert again["statements"] == first["statements"]


def test_a_ledger_that_computes_for_ever_is_refused(toy, tmp_path, capsys):
    """A view in place of the table would be asked for rows that never come."""
    folder, out = toy(), tmp_path / "out"
    assert call(*arguments(folder, out)) == 0
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        ledger.execute("ALTER TABLE chunks RENAME TO other")
        ledger.execute(
            "CREATE VIEW chunks AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT 'coin' AS "
            "sampler, '' AS point, 0 AS seed, n AS chunk, '' AS context, '' AS code, '{}' AS tally, 1 AS seconds FROM c"
        )
    for command in (arguments(folder, out, "--resume"), ["merge", str(tmp_path / "all"), str(out)]):
        assert call(*command) == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_ledger_that_is_no_file_is_refused(toy, tmp_path, capsys, kind):
    place = tmp_path / "out" / "ledger.sqlite"
    place.parent.mkdir()
    place.mkdir() if kind == "folder" else os.mkfifo(place)
    assert call(*arguments(toy(), tmp_path / "out")) == 2
    assert "is no file" in capsys.readouterr().err


def test_commands_blame_the_module_whose_code_fails(toy, capsys):
    folder = changed(toy, "claim=replace(CLAIM, quantity=Untypeset('u')), survey=Survey({}, (1,), (1.0,))")
    with (Path(folder) / "bad_coin.py").open("a") as module:
        module.write(
            "odd = Assumption('a', 'A.', along=lambda scaling: 1 / 0)\n"
            "check = check(paths=(Path(Scaling(1, 1), (Point(p=0.3),)),))\n"
            "STATEMENT = replace(STATEMENT, assumptions=(odd,), checks=check)\n"
        )
    file = str(Path(folder) / "bad_coin.py")
    for command in (["show", "bad-coin", "--path", folder], ["check-module", file]):
        assert call(*command) == 3
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("verify: the code of bad")


def test_a_defect_of_our_own_is_one_line_and_in_full_where_it_is_asked_for(monkeypatch, capsys):
    def broken(folders):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr("verify.listing.listing", broken)
    assert call("list") == 3
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(
        "verify: this is a defect of verify: ZeroDivisionError: nobody thought of this (test_faults.py"
    )
    monkeypatch.setenv("VERIFY_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["list"])


@pytest.mark.parametrize("error", [MemoryError(), MemoryError("no room")])
def test_memory_that_is_not_there_is_one_line(monkeypatch, capsys, error):
    def large(folders):
        raise error

    monkeypatch.setattr("verify.listing.listing", large)
    assert call("list") == 3
    assert "not enough memory" in capsys.readouterr().err


def test_parts_that_fail_are_named_on_the_screen(toy, tmp_path, capsys):
    """A finding, a control and a picture leave the verdict as it is, and make the exit code 3."""
    folder = changed(
        toy,
        "findings=(Finding('odd-number', 'F', lambda: 1 / 0),), pictures=(Picture('curve', 'X', 'X.', lambda: 7),), "
        "checks=check(controls=(STATEMENT.checks[0].controls[0], "
        "*control(name='no-reader', read=lambda tally, point: 1 / 0)))",
    )
    with pytest.raises(SystemExit) as stop:
        main(["run", "bad-coin", "--path", folder, "--workers", "1", "--no-report", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert stop.value.code == 3
    assert "! finding odd-number: ZeroDivisionError" in said
    assert "! control no-reader: " in said
    assert "! picture curve: " in said
