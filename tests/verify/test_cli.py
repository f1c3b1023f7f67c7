"""The command line: what people type, and what they get wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from verify.cli import cli, main


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(item) for item in arguments])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return {"X": rng.standard_normal((20, 4)), "y": np.arange(20) % 2}


def test_a_run_writes_its_files_and_one_screen(capsys, toy, tmp_path):
    code, out, _ = call(capsys, "run", "coin", "--path", toy(), "--out", tmp_path / "r", "--workers", 1, "--no-report")
    assert code == 0
    assert "✓ coin" in out
    assert "controls 1/1" in out
    assert str(tmp_path / "r" / "results.json") in out
    assert len(out.splitlines()) < 40
    results = json.loads((tmp_path / "r" / "results.json").read_text())
    assert (results["schema"], results["schema_version"]) == ("verify-results", 1)
    assert "--seed 0" in results["run"]["command"]
    assert "workers" not in results["run"]["command"]


def test_options_without_a_command_mean_run(capsys, toy, tmp_path):
    arguments = ["--path", toy(), "--budget", "0.1x", "--out", tmp_path / "r", "--workers", 1, "--no-report"]
    code, _, err = call(capsys, "--epsilon", "2", *arguments)
    assert code == 2
    assert "got epsilon 2" in err


def test_a_violated_bound_gives_exit_code_1(capsys, toy, tmp_path):
    folder = toy(bound="sp.Rational(1, 10)", control="sp.Rational(1, 100)")
    code, out, _ = call(capsys, "run", "coin", "--path", folder, "--out", tmp_path / "r", "--workers", 1, "--no-report")
    assert code == 1
    assert "✗ coin" in out


def test_a_failed_calibration_is_said_on_the_screen(capsys, toy, tmp_path):
    folder = toy(bound="sp.Rational(1, 10)", control="sp.Rational(1, 100)")
    module = tmp_path / "modules" / "coin.py"
    module.write_text(module.read_text().replace("Kind.LEMMA", "Kind.CALIBRATION"))
    code, out, _ = call(capsys, "run", "coin", "--path", folder, "--out", tmp_path / "r", "--workers", 1, "--no-report")
    assert code == 1
    assert "calibration failed: Nothing else in this run is to be believed" in out


def test_a_crash_gives_exit_code_3(capsys, toy, tmp_path):
    folder = toy(body="raise RuntimeError('boom')")
    code, out, _ = call(capsys, "run", "coin", "--path", folder, "--out", tmp_path / "r", "--workers", 1, "--no-report")
    assert code == 3
    assert "boom" in out


def test_a_broken_module_spares_the_others_and_gives_exit_code_3(capsys, toy, tmp_path):
    folder = toy()
    (tmp_path / "modules" / "bad.py").write_text("import nothing_of_this_name")
    code, out, _ = call(capsys, "run", "coin", "--path", folder, "--out", tmp_path / "r", "--workers", 1, "--no-report")
    assert code == 3
    assert "✓ coin" in out
    assert "bad.py cannot be used: ModuleNotFoundError" in out
    code, _, err = call(capsys, "list", "--path", folder)
    assert code == 3
    assert "nothing_of_this_name" in err


BAD = {
    "unknown id": (["run", "theorem-66"], "did you mean theorem-6"),
    "unknown pattern": (["run", "zzz*"], "no statement matches"),
    "unknown command": (["rum"], "rum"),
    "unknown option": (["run", "--sed", "1"], "--sed"),
    "bad seed": (["run", "f10", "--seed", "many"], "seed"),
    "negative seed": (["run", "f10", "--seed", "-1"], "got seed -1"),
    "bad budget": (["run", "f10", "--budget", "lots"], "got budget 'lots'"),
    "bad workers": (["run", "f10", "--workers", "0"], "got workers '0'"),
    "threads": (["run", "f10", "--workers", "threads:4"], "got workers 'threads:4'; threads would share"),
    "no port": (["run", "f10", "--workers", "dask://host"], "expected a whole number from 1, or dask://HOST:PORT"),
    "bad part": (["run", "f10", "--part", "3/2"], "got part '3/2'"),
    "merge of nothing": (["merge", "all"], "RUN"),
    "merge of no run": (["merge", "all", "nowhere"], "there is no ledger nowhere"),
    "volumes on a cluster": (
        ["volumes", "x.npz", "--width", "3", "--workers", "dask://h:1"],
        "got workers 'dask://h:1'",
    ),
    "bad epsilon": (["run", "f10", "--epsilon", "1"], "got epsilon 1"),
    "epsilon nan": (["run", "f10", "--epsilon", "nan"], "got epsilon nan"),
    "slope one": (["run", "f10", "--slope", "1"], "got slope 1"),
    "bad level": (["run", "f10", "--level", "0"], "got level 0"),
    "bad backend": (["run", "f10", "--backend", "abacus"], "unknown backend 'abacus'"),
    "no such data": (["run", "--data", "nowhere.npz"], "there is no file nowhere.npz"),
    "no such path": (["run", "--path", "nowhere"], "--path nowhere is not a folder"),
    "resume of nothing": (["run", "f10", "--resume"], "--resume needs --out"),
    "no such run": (["report", "nowhere"], "give the folder of a finished run"),
    "json of a part": (["run", "f10", "--json", "--part", "1/2", "--out", "x"], "a part of a run has none"),
    "show unknown": (["show", "theorm-6"], "did you mean theorem-6"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_usage_is_one_line_and_exit_code_2(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_cupy_without_a_device_is_refused(capsys, tmp_path):
    from verify.backends import get_backend
    from verify.errors import InputError

    try:
        get_backend("cupy")
    except InputError:
        pass
    else:
        pytest.skip("there is a device here")
    code, _, err = call(capsys, "run", "f10", "--backend", "cupy", "--out", tmp_path / "r")
    assert code == 2
    assert "backend cupy is not available" in err
    assert not (tmp_path / "r").exists()


BAD_DATA = {
    "one axis": (lambda d: d | {"X": d["X"][:, 0]}, "expected two axes"),
    "labels too few": (lambda d: d | {"y": d["y"][:-1]}, "one label for each row"),
    "nan": (lambda d: d | {"X": np.where(d["X"] > 1, np.nan, d["X"])}, "NaN or infinite"),
    "constant labels": (lambda d: d | {"y": np.zeros(20)}, "all labels are 0"),
    "other labels": (lambda d: d | {"y": np.arange(20)}, "expected only 0 and 1"),
    "one feature": (lambda d: d | {"X": d["X"][:, :1]}, "d0 = 1"),
    "one sample": (lambda d: {"X": d["X"][:1], "y": d["y"][:1]}, "1 sample"),
    "zero sample": (lambda d: d | {"X": np.vstack([np.zeros(4), d["X"][1:]])}, "sample 0 is zero"),
    "no labels": (lambda d: {"X": d["X"]}, "missing y"),
    "words": (lambda d: d | {"X": d["X"].astype(str)}, "expected real numbers"),
    "complex": (lambda d: d | {"X": d["X"] * 1j}, "expected real numbers"),
    "objects": (lambda d: d | {"X": np.array([[1, "a"], [{}, 2]], dtype=object)}, "cannot be read"),
}


@pytest.mark.parametrize(("change", "message"), BAD_DATA.values(), ids=BAD_DATA.keys())
def test_bad_data_is_one_line_and_exit_code_2(capsys, tmp_path, data, change, message):
    file = save(tmp_path / "data.npz", **change(data))
    code, _, err = call(capsys, "run", "--data", file, "--out", tmp_path / "r")
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not an archive", b"\x93NUMPY", b"hello"])
def test_a_file_that_is_no_archive_is_refused(capsys, tmp_path, content):
    (tmp_path / "data.npz").write_bytes(content)
    code, _, err = call(capsys, "run", "--data", tmp_path / "data.npz", "--out", tmp_path / "r")
    assert code == 2
    assert len(err.strip().splitlines()) == 1


def test_data_with_a_statement_that_takes_none(capsys, tmp_path, data):
    file = save(tmp_path / "data.npz", **data)
    code, _, err = call(capsys, "run", "f10", "--data", file, "--out", tmp_path / "r")
    assert code == 2
    assert "no check of f10 can run on data" in err


@pytest.mark.parametrize("folder", ["file/run", "file", "/proc/run", "/sys"])
def test_an_output_folder_that_cannot_be_written(capsys, tmp_path, folder):
    """In its way is a file, or the file system takes none, as where it is read-only."""
    (tmp_path / "file").write_text("in the way")
    code, _, err = call(capsys, "run", "f10", "--out", tmp_path / folder)
    assert code == 2
    assert "cannot be written" in err


def test_a_foreign_ledger_is_left_alone(capsys, tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"not a database, but somebody's file" * 100)
    before = (tmp_path / "ledger.sqlite").read_bytes()
    code, _, err = call(capsys, "run", "f10", "--out", tmp_path)
    assert code == 2
    assert "ledger" in err
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def test_list_and_show(capsys):
    code, out, _ = call(capsys, "list", "--json")
    assert code == 0
    rows = {row["id"]: row for row in json.loads(out)}
    assert {"theorem-6", "f10"} <= rows.keys()
    assert rows["theorem-6"]["citation"] == "Soudry & Hoffer 2017, Theorem 6"
    code, out, _ = call(capsys, "show", "theorem-6")
    assert code == 0
    assert r"\gamma_{\varepsilon}" in out


def test_a_pipe_that_closes_early_is_no_traceback():
    command = [sys.executable, "-m", "verify", "list"]
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert "Traceback" not in process.stderr


def test_output_has_no_colour_in_a_file(toy, tmp_path):
    command = [sys.executable, "-m", "verify", "run", "coin", "--path", toy(), "--out", str(tmp_path / "r")]
    process = subprocess.run(
        [*command, "--workers", "1", "--no-report"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "\x1b" not in process.stdout + process.stderr


def environment(**changes):
    return {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | changes


def test_colour_on_a_terminal_and_none_with_no_color(toy, tmp_path):
    import pty

    def shown(**changes):
        command = [sys.executable, "-m", "verify", "run", "coin", "--path", toy(), "--out", str(tmp_path / "r")]
        reader, writer = pty.openpty()
        options = ["--workers", "1", "--no-report"]
        with subprocess.Popen([*command, *options], stdout=writer, stderr=subprocess.DEVNULL, env=changes) as process:
            os.close(writer)
            text = b""
            while process.poll() is None or text[-1:] != b"\n":
                try:
                    text += os.read(reader, 4096)
                except OSError:  # the other end was closed
                    break
        os.close(reader)
        return text

    assert b"\x1b[32m" in shown(**environment(TERM="xterm"))
    assert b"\x1b" not in shown(**environment(TERM="xterm", NO_COLOR="1"))


def test_a_run_in_json_is_what_the_screen_says(capsys, toy, tmp_path):
    arguments = ("run", "coin", "--path", toy(), "--out", tmp_path / "r", "--workers", 1, "--no-report")
    code, out, err = call(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    (coin,) = found["statements"]
    assert (coin["id"], coin["verdict"]["outcome"]) == ("coin", "holds")
    assert coin["controls"] == {"looked_at": 1, "rejected": 1}
    assert found["files"] == [str(tmp_path / "r" / "results.json")]
    assert call(capsys, *arguments, "--quiet") == (0, "", "")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupt_writes_the_report_of_what_is_done(toy, tmp_path, workers):
    sign = tmp_path / "begun"
    folder = toy("coin")
    toy("slow", body=f"open({str(sign)!r}, 'w').close(); time.sleep(60)", uses="('coin',)")
    out = tmp_path / "r"
    command = [sys.executable, "-m", "verify", "run", "coin", "slow", "--path", folder, "--out", str(out)]
    # A group of its own, as a terminal has one: the interrupt reaches the workers too.
    with subprocess.Popen(
        [*command, "--workers", workers], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        limit = time.monotonic() + 60
        while not sign.exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        shown, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in complaints
    assert "Interrupted: what was finished is reported; go on with --resume." in shown
    results = json.loads((out / "results.json").read_text())
    assert results["run"]["interrupted"]
    outcomes = {item["id"]: item["verdict"]["outcome"] for item in results["statements"]}
    assert outcomes["slow"] == "not applicable"
    if workers == "1":
        assert outcomes["coin"] == "holds"
    assert (out / "report.html").stat().st_size > 10_000
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help_with_an_example(capsys, name):
    code, out, _ = call(capsys, name, "--help")
    assert code == 0
    assert f"python -m verify {name} " in out.partition("Usage:")[2].partition("\n")[2] or name == "merge"
    assert len(cli.commands[name].help.splitlines()[0]) < 130
    assert "\\b" not in out
    shown = out.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()
    assert all(line.startswith(("    python -m verify ", "    eval ")) for line in shown)
    assert shown or name == "merge"


def test_a_shell_completes_commands_options_and_ids():
    def completed(words):
        asked = environment(_VERIFY_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
        command = [sys.executable, "-m", "verify"]
        return subprocess.run(command, capture_output=True, text=True, env=asked, check=False).stdout.split()

    assert completed("verify comp") == ["plain,compare"]
    assert completed("verify run theorem-1") == ["plain,theorem-10"]
    assert "plain,--budget" in completed("verify run --bu")
    script = subprocess.run(
        [sys.executable, "-m", "verify"],
        capture_output=True,
        text=True,
        env=environment(_VERIFY_COMPLETE="zsh_source"),
        check=False,
    ).stdout
    assert "#compdef verify" in script


def test_doctor_says_what_is_there_and_how_to_get_what_is_not(capsys, monkeypatch):
    from importlib.metadata import PackageNotFoundError

    from verify import doctor

    code, out, _ = call(capsys, "doctor", "--json")
    facts = {fact["name"]: fact for fact in json.loads(out)}
    assert code == 0
    assert facts["numpy"]["found"] == np.__version__
    assert {"python", "cores", "blas", "numba", "compiled loops", "gpu", "cluster"} <= facts.keys()
    assert ("pip install" in facts["gpu"]["remedy"]) == facts["gpu"]["found"].startswith("none: the package")

    def nowhere(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", nowhere)
    code, out, _ = call(capsys, "doctor")
    assert code == 0
    assert "pip install 'verify[cluster]'" in out


def test_other_commands_promise_no_resuming(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("verify.listing.listing", interrupted)
    monkeypatch.setattr("verify.run.discover", interrupted)
    assert call(capsys, "list")[::2] == (130, "\nverify: interrupted\n")
    code, _, err = call(capsys, "run", "f10")
    assert code == 130
    assert "go on with --resume" in err
