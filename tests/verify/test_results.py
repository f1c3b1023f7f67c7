"""Writing and reading results; a run that is killed and goes on."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time

import pytest

from verify import results
from verify.errors import InputError
from verify.ledger import ChunkKey, Ledger
from verify.run import run
from verify.runner import Settings


def test_numbers_survive_json():
    assert results.number(math.inf) == "inf"
    assert results.number(-math.inf) == "-inf"
    assert results.number(math.nan) is None
    assert results.number(None) is None
    assert results.number(-1234.56789) == -1234.56789


def test_what_is_written_is_read(toy, tmp_path):
    finished = run(["coin"], Settings(folders=(toy(),)), tmp_path / "out", report=False)
    assert results.read(tmp_path / "out" / "results.json") == json.loads(json.dumps(finished.results))
    assert not list((tmp_path / "out").glob("*.partial"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "cannot be read"),
        ("[1, 2]", "not a results file"),
        ("{}", "not a results file"),
        ('{"schema": "verify-results", "schema_version": 99}', "schema version 99"),
        ("[" * 100_000, "cannot be read"),
        ('{"schema": "verify-res', "cannot be read"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, content, message):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match=message):
        results.read(tmp_path / "results.json")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "results.json"
    results.write({"a": 1}, path)
    with pytest.raises(ValueError, match="Out of range"):
        results.write({"a": math.nan}, path)
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_the_ledger_gives_back_only_what_fits(tmp_path):
    key = ChunkKey("s", "{}", 1, 0, "numpy", "abc")
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.write(key, {"hits": 3, "values": [1.5]}, 0.25)
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.read(key) == ({"hits": 3, "values": [1.5]}, 0.25)
        for change in ({"seed": 2}, {"chunk": 1}, {"code": "abd"}, {"context": "cupy"}, {"point": "[]"}):
            assert ledger.read(ChunkKey(**(vars(key) | change))) is None


def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(toy, tmp_path):
    folder = toy(body="time.sleep(0.15)")
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "verify", "run", "coin", "--path", folder, "--workers", "1", "--no-report"]
    process = subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    ledger = out / "ledger.sqlite"
    deadline = time.monotonic() + 60
    done = 0
    while done < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        done = _chunks(ledger)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = _chunks(ledger)
    assert 2 <= before < 8, "killed in the middle"
    assert not (out / "results.json").exists()
    resumed = run(["coin"], Settings(folders=(folder,)), out, resume=True, report=False).results
    undisturbed = run(["coin"], Settings(folders=(folder,)), tmp_path / "other", report=False).results
    assert {k: v for k, v in resumed.items() if k != "times"} == {k: v for k, v in undisturbed.items() if k != "times"}


def _chunks(ledger):
    import sqlite3

    if not ledger.exists():
        return 0
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    except sqlite3.Error:
        return 0
    finally:
        connection.close()
