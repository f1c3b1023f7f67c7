"""The ledger: nothing finished is lost, several become one, and what does not fit is ignored or refused."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.cli import main
from verify.errors import InputError
from verify.ledger import ChunkKey, Ledger
from verify.run import draw_part, merge_ledgers, run
from verify.runner import Budget, Part, Settings


def numbers(results):
    return json.dumps({key: value for key, value in results.items() if key != "times"})


def rows(ledger):
    with sqlite3.connect(ledger) as connection:
        return connection.execute("SELECT sampler, point, seed, chunk, context, code, tally FROM chunks").fetchall()


def test_the_ledger_gives_back_only_what_fits(tmp_path):
    key = ChunkKey("s", "{}", 1, 0, "numpy", "abc")
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.write(key, {"hits": 3, "values": [1.5]}, 0.25)
    with Ledger(tmp_path / "l.sqlite") as ledger:
        assert ledger.read(key) == ({"hits": 3, "values": [1.5]}, 0.25)
        for change in ({"seed": 2}, {"chunk": 1}, {"code": "abd"}, {"context": "cupy"}, {"point": "[]"}):
            assert ledger.read(ChunkKey(**(vars(key) | change))) is None


def chunks(ledger):
    """Number of chunks, while a run writes."""
    if not ledger.exists():
        return 0
    connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT count(*) FROM chunks").fetchone()[0]
    except sqlite3.Error:
        return 0
    finally:
        connection.close()


def test_a_run_killed_again_and_again_ends_the_same(toy, tmp_path):
    folder, out = toy(body="time.sleep(0.05)"), tmp_path / "killed"
    command = [
        sys.executable,
        "-m",
        "verify",
        "run",
        "coin",
        "--path",
        folder,
        "--workers",
        "1",
        "--no-report",
        "--fixed",
    ]
    seen = []
    for target in (1, 4):
        process = subprocess.Popen(
            [*command, "--out", str(out), "--resume"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while chunks(out / "ledger.sqlite") < target and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        seen.append(chunks(out / "ledger.sqlite"))
    assert 1 <= seen[0] < 8, "killed in the middle"
    assert seen == sorted(seen), "nothing was lost"
    assert not (out / "results.json").exists()
    resumed = run(["coin"], Settings(folders=(folder,), sequential=False), out, resume=True, report=False).results
    undisturbed = run(["coin"], Settings(folders=(folder,), sequential=False), tmp_path / "other", report=False).results
    assert numbers(resumed) == numbers(undisturbed)


def test_processes_end_with_the_run_that_was_killed(toy, tmp_path):
    folder = toy(body="(Path(__file__).parent / f'{os.getpid()}.pid').touch(); time.sleep(0.05)")
    module = tmp_path / "modules" / "coin.py"
    module.write_text("import os\nfrom pathlib import Path\n" + module.read_text())
    command = [sys.executable, "-m", "verify", "run", "coin", "--path", folder, "--workers", "2", "--fixed"]
    process = subprocess.Popen(
        [*command, "--budget", "100x", "--out", str(tmp_path / "out")],
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(module.parent.glob("*.pid"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    workers = [int(file.stem) for file in module.parent.glob("*.pid")]
    assert len(workers) == 2
    while any(is_alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_alive(worker) for worker in workers)


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_more_budget_later_adds_to_the_same_estimate(toy, tmp_path):
    folder, out = toy(), tmp_path / "out"
    run(["coin"], Settings(folders=(folder,), sequential=False), out, report=False)
    first = rows(out / "ledger.sqlite")
    double = Settings(folders=(folder,), sequential=False, budget=Budget(2.0))
    grown = run(["coin"], double, out, resume=True, report=False).results
    at_once = run(["coin"], double, tmp_path / "other", report=False).results
    assert numbers(grown) == numbers(at_once)
    assert (len(first), len(rows(out / "ledger.sqlite"))) == (8, 16)
    assert set(first) <= set(rows(out / "ledger.sqlite"))


def ledger_of(path, *entries, tally=None):
    """A ledger with a chunk of each number in `entries`."""
    path.parent.mkdir(exist_ok=True)
    with Ledger(path) as ledger:
        for number in entries:
            ledger.write(ChunkKey("s", "{}", 1, number, "numpy ", "abc"), tally or {"hits": number}, 0.5)
    return path


@settings(max_examples=12)
@given(st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=3))
def test_a_merge_is_the_union_whatever_the_order(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("union")
    files = [ledger_of(folder / f"{number}.sqlite", *part) for number, part in enumerate(parts)]
    merged = merge_ledgers(folder / "one", files)
    merge_ledgers(folder / "other", files[::-1])
    everything = set().union(*parts)
    assert {row[3] for row in rows(merged.ledger)} == everything
    assert (merged.added, merged.known) == (len(everything), sum(map(len, parts)) - len(everything))
    assert sorted(rows(merged.ledger)) == sorted(rows(folder / "other" / "ledger.sqlite"))
    again = merge_ledgers(folder / "one", files)
    assert (again.added, again.known) == (0, sum(map(len, parts)))


def test_a_conflict_is_named_and_nothing_is_merged(tmp_path):
    one = ledger_of(tmp_path / "one.sqlite", 1, 2)
    other = ledger_of(tmp_path / "other.sqlite", 0, 3)
    ledger_of(other, 2, tally={"hits": 7})
    before = ledger_of(tmp_path / "out" / "ledger.sqlite", 5)
    expected = "other.sqlite has another result for chunk 2 of s at {} with seed 1 (numpy) than the ledgers before it"
    with pytest.raises(InputError, match=f'{re.escape(expected)}.*{{"hits": 7}}, not {{"hits": 2}}'):
        merge_ledgers(tmp_path / "out", [one, other])
    assert [row[3] for row in rows(before)] == [5]


BROKEN = {
    "foreign": lambda good: b"somebody's file" * 1000,
    "empty": lambda good: b"",
    "another program": None,
    "a few bytes": lambda good: good[:50],
    "a header": lambda good: good[:100],
    "a page": lambda good: good[:4096],
    "half": lambda good: good[: len(good) // 8192 * 4096],
    "odd": lambda good: good[: len(good) - 1000],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_files_that_are_no_ledgers_are_refused(tmp_path, capsys, kind):
    good = ledger_of(tmp_path / "good.sqlite", *range(300))
    bad = tmp_path / "bad.sqlite"
    if kind == "another program":
        with sqlite3.connect(bad) as connection:
            connection.execute("CREATE TABLE chunks (a)")
    else:
        bad.write_bytes(BROKEN[kind](good.read_bytes()))
    content = bad.read_bytes()
    with pytest.raises(SystemExit) as stop:
        main(["merge", str(tmp_path / "out"), str(good), str(bad)])
    message = capsys.readouterr().err
    assert stop.value.code == 2
    assert len(message.splitlines()) == 1
    assert "bad.sqlite" in message
    assert bad.read_bytes() == content
    assert rows(tmp_path / "out" / "ledger.sqlite") == []


def test_a_ledger_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"there is no ledger .*ledger.sqlite"):
        merge_ledgers(tmp_path / "out", [tmp_path])
    assert not (tmp_path / "out").exists()


def test_the_ledger_of_a_run_that_is_under_way_can_be_merged(tmp_path):
    path = ledger_of(tmp_path / "busy.sqlite", 1)
    with Ledger(path) as busy:
        busy.write(ChunkKey("s", "{}", 1, 2, "numpy ", "abc"), {"hits": 2}, 0.5)
        assert merge_ledgers(tmp_path / "out", [path]).added == 2
        busy.write(ChunkKey("s", "{}", 1, 3, "numpy ", "abc"), {"hits": 3}, 0.5)
    assert merge_ledgers(tmp_path / "out", [path]).added == 1


def test_a_run_in_parts_merged_is_the_run(toy, tmp_path, capsys):
    folder = toy()
    arguments = ["run", "coin", "--path", folder, "--workers", "1"]
    places = [tmp_path / str(number) for number in (1, 2, 3)]
    for number, place in enumerate(places, start=1):
        with pytest.raises(SystemExit) as stop:
            main([*arguments, "--part", f"{number}/3", "--out", str(place)])
        assert stop.value.code == 0
        assert [file.name for file in place.iterdir()] == ["ledger.sqlite"]
    counts = [len(rows(place / "ledger.sqlite")) for place in places]
    assert sum(counts) == 8
    assert max(counts) - min(counts) <= 1
    with pytest.raises(SystemExit) as stop:
        main(["merge", str(tmp_path / "all"), *map(str, places)])
    assert stop.value.code == 0
    assert "8 chunks added, 0 there already" in capsys.readouterr().out
    written = (tmp_path / "all" / "ledger.sqlite").read_bytes()
    merged = run(["coin"], Settings(folders=(folder,)), tmp_path / "all", resume=True, report=False).results
    assert (tmp_path / "all" / "ledger.sqlite").read_bytes() == written, "nothing was drawn"
    alone = run(["coin"], Settings(folders=(folder,)), tmp_path / "alone", report=False).results
    assert numbers(merged) == numbers(alone)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/3/2"])
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="got part"):
        Part.parse(text)


def test_a_part_with_a_chunk_that_fails_says_so(toy, tmp_path, capsys):
    folder = toy(body="raise ValueError('the coin rolled away')")
    drawn = draw_part(["coin"], Settings(folders=(folder,)), tmp_path / "a", Part(1, 2))
    assert drawn.chunks == 0
    with pytest.raises(SystemExit) as stop:
        main(["run", "coin", "--path", folder, "--workers", "1", "--part", "1/2", "--out", str(tmp_path / "b")])
    assert stop.value.code == 3
    assert "ValueError: the coin rolled away" in capsys.readouterr().err


WRITER = """
import sys
from pathlib import Path
from verify.ledger import ChunkKey, Ledger
with Ledger(Path(sys.argv[1])) as ledger:
    for number in range(200):
        ledger.write(ChunkKey("s", "{}", 1, number, sys.argv[number % 2 + 2], "abc"), {"hits": number}, 0.5)
"""


def test_several_runs_may_write_one_ledger(tmp_path):
    path = tmp_path / "ledger.sqlite"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), "shared", f"own {number}"], stderr=subprocess.PIPE)
        for number in range(4)
    ]
    assert [writer.communicate()[1] for writer in writers] == [b""] * 4
    assert [writer.returncode for writer in writers] == [0] * 4
    assert len(rows(path)) == 100 + 4 * 100


def _study():
    path = Path(__file__).parents[2] / "benchmarks" / "kills.py"
    spec = importlib.util.spec_from_file_location("kills", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["kills"] = module  # dataclasses look their module up while it is made
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the study looks processes up as Linux has them")
def test_runs_killed_at_random_instants_end_the_same(toy, tmp_path):
    """The study itself compares results, ledgers and files; `benchmarks/kills.py` has many more instants."""
    kills = _study()
    arguments = ["run", "coin", "--path", toy(body="time.sleep(0.02)"), "--workers", "1", "--no-report", "--quiet"]
    study = kills.Study(tmp_path / "study", arguments, random.Random(5))
    assert kills.kill_runs(study, 3).total() == 3
