"""What comes from outside is data: no text is run, nothing is unpickled, no name leads out of a folder."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import verify
from verify import results
from verify.asymptotics import Scaling
from verify.cli import main
from verify.data import load
from verify.ledger import Ledger
from verify.logspace import log_value
from verify.registry import discover
from verify.scaffold import write_module

ROOT = Path(verify.__file__).parent
SOURCES = sorted([*ROOT.rglob("*.py"), *(ROOT.parent / "theorems").rglob("*.py")])
# What runs text or unpickles what it reads, with the keyword that makes it harmless.
RUNNING = {
    "eval": None, "exec": None, "compile": None, "sp.S": None, "sp.parse_expr": None, "sp.nsimplify": None,
    "sp.lambdify": None, "os.system": None, "os.popen": None, "runpy.run_path": None, "runpy.run_module": None,
    "np.fromfile": None, "sp.sympify": ("strict", True), "np.load": ("allow_pickle", False),
    "np.lib.format.read_array": ("allow_pickle", False), "torch.load": ("weights_only", True),
}  # fmt: skip
# Numbers of points, and an expression of our own: nothing from outside.
SEEN = {
    ("asymptotics.py", "sp.nsimplify"),
    ("setting.py", "sp.nsimplify"),
    ("statements.py", "sp.nsimplify"),
    ("section_6.py", "sp.lambdify"),
}
MODULES = {"pickle", "marshal", "shelve", "dill", "joblib", "subprocess", "yaml", "code", "codeop"}


@pytest.mark.parametrize("file", SOURCES, ids=[str(file.relative_to(ROOT.parent)) for file in SOURCES])
def test_no_text_is_run_and_nothing_is_unpickled(file):
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & MODULES
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in MODULES
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).replace("sympy.", "sp.").replace("numpy.", "np.")
            if name in RUNNING and (file.name, name) not in SEEN:
                given = {(word.arg, word.value.value) for word in node.keywords if isinstance(word.value, ast.Constant)}
                assert RUNNING[name] in given, f"line {node.lineno}: {name}"


class Tripwire:
    """An expression as text that leaves a trace where it is run."""

    def __init__(self, folder: Path) -> None:
        self.trace = folder / "trace"
        self.text = f"__import__('pathlib').Path({str(self.trace)!r}).touch()"


@pytest.fixture
def tripwire(tmp_path):
    made = Tripwire(tmp_path)
    sp.sympify(made.text)
    assert made.trace.exists(), "SymPy runs text, which is why none reaches it"
    made.trace.unlink()
    return made


def test_parameters_that_are_text_are_not_run(tripwire, tmp_path, capsys):
    with pytest.raises(sp.SympifyError):
        log_value(tripwire.text, {})
    with pytest.raises((TypeError, ValueError)):
        Scaling(tripwire.text, 1)
    with pytest.raises(verify.InputError):
        verify.statement("f10").log_bound(N=tripwire.text, d0=10, epsilon=0.1, rho=0.1)
    commands = [
        ["map", "f19", "--set", f"epsilon={tripwire.text}"],
        ["map", "f19", "--size", tripwire.text],
        ["volumes", "x.npz", "--width", tripwire.text],
        ["run", "f10", "--epsilon", tripwire.text, "--out", str(tmp_path / "out")],
        ["run", tripwire.text, "--out", str(tmp_path / "out")],
    ]
    for command in commands:
        with pytest.raises(SystemExit) as stop:
            main(command)
        assert stop.value.code == 2
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not tripwire.trace.exists()


def test_arrays_of_objects_are_not_unpickled(tripwire, tmp_path, capsys):
    class Loaded:
        def __reduce__(self):
            return exec, (tripwire.text,)

    np.savez(
        tmp_path / "x.npz", X=np.array([Loaded()], dtype=object), y=np.zeros(1), W=np.array([Loaded()]), z=np.ones(1)
    )
    file = str(tmp_path / "x.npz")
    for command in (["run", "--data", file], ["volumes", file, "--width", "2"], ["certify", file, file]):
        with pytest.raises(SystemExit) as stop:
            main(command)
        assert stop.value.code == 2
        assert "never loaded" in capsys.readouterr().err
    assert not tripwire.trace.exists()


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/b", "..", "C:\\x", "a\0b", "con/../x", "\x1b[31m"])
def test_no_name_leads_out_of_a_folder(toy, tmp_path, name):
    """Ids are words joined by '-': a file can be called after them."""
    with pytest.raises(verify.InputError, match="got id"):
        write_module(name, tmp_path / "statements")
    assert not (tmp_path / "statements").exists()
    folder = Path(toy())
    text = (folder / "coin.py").read_text()
    (folder / "coin.py").write_text(text.replace('id="coin"', f"id={name!r}"))
    assert "got id" in discover((str(folder),)).broken[0].reason


def test_a_results_file_writes_only_where_it_is(toy, tmp_path):
    """Whatever names a results file has, its reports are two files beside it."""
    out = tmp_path / "deep" / "out"
    with pytest.raises(SystemExit):
        main(["run", "coin", "--path", toy(), "--workers", "1", "--no-report", "--quiet", "--out", str(out)])
    found = json.loads((out / "results.json").read_text())

    def renamed(value, key=""):
        if isinstance(value, dict):
            return {inner: renamed(item, inner) for inner, item in value.items()}
        if isinstance(value, list):
            return [renamed(item) for item in value]
        return "../../escaped" if key in ("id", "name", "sampler", "title", "module", "text") else value

    (out / "results.json").write_text(json.dumps(renamed(found)))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        main(["report", str(out)])
    assert stop.value.code == 0
    assert {file.name for file in set(tmp_path.rglob("*")) - before} == {"report.html", "report.pdf"}


def _study(name):
    path = ROOT.parent / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is made
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    fuzz = _study("fuzz")
    return fuzz, fuzz.Place.make(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [("command lines", 20), ("archives", 120), ("ledgers", 120), ("results", 80), ("state dicts", 120)],
)
def test_hostile_input_is_answered_or_refused_in_one_line(place, kind, inputs):
    """A few of the inputs of `benchmarks/fuzz.py`, the same in each run; that has twenty thousand others."""
    fuzz, folder = place
    counts, defects = fuzz.fuzz(kind, folder, 20261121, range(inputs))
    assert defects == {}
    assert counts["refused"] > 0
    assert counts["answered"] > 0


@settings(max_examples=60)
@given(
    content=st.binary(max_size=2000), head=st.sampled_from([b"", b"PK\x03\x04", b"SQLite format 3\x00", b'{"schema":'])
)
def test_any_bytes_are_refused(tmp_path_factory, content, head):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "file").write_bytes(head + content)
    with pytest.raises(verify.InputError):
        load(folder / "file")
    with pytest.raises(verify.InputError):
        results.read(folder / "file")
    if head + content:  # an empty file is an empty ledger
        with pytest.raises(verify.InputError):
            Ledger(folder / "file")


@pytest.mark.skipif(sys.platform == "win32", reason="arguments of other systems are bytes")
@pytest.mark.parametrize(
    "words", [[b"run", b"\xff\xfe"], [b"show", b"\x1b[31m\xff"], [b"volumes", b"\xff.npz", b"--width", b"2"]]
)
def test_arguments_that_are_no_text_are_refused(words):
    command = [os.fsencode(sys.executable), b"-m", b"verify", *words]
    stopped = subprocess.run(command, capture_output=True, check=False)
    assert stopped.returncode == 2
    (line,) = stopped.stderr.decode().strip().splitlines()
    assert line.startswith("verify: ")
    assert line.isprintable()
