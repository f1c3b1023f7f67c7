"""What goes wrong in a module or on the disk: its own statement gets the reason, all others finish, nothing is lost."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from verify.cli import main
from verify.errors import InputError
from verify.run import run
from verify.runner import Settings

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
