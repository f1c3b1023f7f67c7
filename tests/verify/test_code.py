"""Hashes of code: what is reached counts, nothing else does, and not where it lies."""

from __future__ import annotations

import importlib
import sqlite3
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from verify.code import Fingerprint, code_of, fingerprint
from verify.registry import discover
from verify.run import run
from verify.runner import Settings

PACKAGE = {
    "__init__": "from shop import started\n\ndef lazily():\n    from shop import apart\n",
    "started": "STARTED = 1\n",
    "draws": "from . import tools\nfrom shop.inner import used\n\ndef draw(point, draw):\n    return tools.f(), used\n",
    "tools": "def f():\n    import shop.late\n    return shop.late\n",
    "late": "LATE = 1\n",
    "inner/__init__": "used = 1\n",
    "apart": "APART = 1\n",
    "typed": "class T: ...\n",
    "inner/other": "OTHER = 1\n",
}
PACKAGE["draws"] = (
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.typed import T\n" + PACKAGE["draws"]
)
REACHED = {"__init__", "started", "draws", "tools", "late", "inner/__init__"}


def hash_in(folder, monkeypatch, **edits):
    """The hash of `shop.draws.draw` with some modules edited, for a package written into `folder`."""
    for name, text in (PACKAGE | edits).items():
        file = folder / "shop" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
            patch.delitem(sys.modules, name)
        try:
            return code_of(importlib.import_module("shop.draws").draw)
        finally:
            for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
                del sys.modules[name]


def test_the_folder_and_the_ends_of_lines_do_not_count(tmp_path, monkeypatch):
    unix = hash_in(tmp_path / "a", monkeypatch)
    windows = {name: text.replace("\n", "\r\n") for name, text in PACKAGE.items()}
    assert hash_in(tmp_path / "b", monkeypatch, **windows) == unix


@pytest.mark.parametrize("name", PACKAGE)
def test_an_edit_counts_where_the_module_is_reached(tmp_path, monkeypatch, name):
    before = hash_in(tmp_path / "a", monkeypatch)
    after = hash_in(tmp_path / "b", monkeypatch, **{name: PACKAGE[name] + "# edited\n"})
    assert (after != before) is (name in REACHED)


def test_an_edit_after_the_import_is_not_what_runs(tmp_path, monkeypatch):
    file = tmp_path / "single_module.py"
    file.write_text("def draw(): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("single_module")
    before = code_of(module.draw)
    file.write_text("def draw(): return 2\n")
    assert code_of(module.draw) == before
    monkeypatch.delitem(sys.modules, "single_module")
    assert code_of(importlib.import_module("single_module").draw) != before


def maker(value):
    def draw(point, draw):
        return {"value": value}

    return draw


class Drawer:
    def __init__(self, value):
        self.value = value

    def draw(self, point, draw):
        return {"value": self.value}


CARRIERS = {
    "closure": maker,
    "method": lambda value: Drawer(value).draw,
    "partial": lambda value: partial(np.mean, value),
}


@pytest.mark.parametrize("make", CARRIERS.values(), ids=CARRIERS)
def test_what_a_function_carries_along_counts(make):
    values = (1, 2, 1.0, "1", (1, 2), [1, [2]], {"a": 1}, np.arange(3), np.arange(3.0), maker(1), Drawer(1), {3, 4})
    hashes = [code_of(make(value)) for value in values]
    assert len(set(hashes)) == len(values)
    assert hashes == [code_of(make(value)) for value in values]


def test_all_that_is_loaded_with_a_statement_counts():
    script = (
        "import sys, theorems.finite.f5 as module\n"
        "names = [n for n in sys.modules if n.partition('.')[0] in ('verify', 'theorems')]\n"
        "from verify.code import _closure\n"
        "print(sorted(set(names) - _closure({'theorems.finite.f5'})[0].keys()))\n"
        "print(sorted(_closure({'theorems.finite.f5'})[1]))"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    missing, packages = map(eval, found.splitlines())
    assert missing == []
    assert {"numpy", "scipy", "sympy"} <= set(packages)


def test_an_edit_of_one_statement_leaves_the_chunks_of_the_others(toy, tmp_path):
    toy("coin")
    settings = Settings(folders=(toy("other-coin"),), sequential=False)
    run(["*coin"], settings, tmp_path / "out", report=False)
    with (tmp_path / "modules" / "coin.py").open("a") as module:
        module.write("# edited\n")
    run(["*coin"], settings, tmp_path / "out", resume=True, report=False)
    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as ledger:
        drawn = ledger.execute("SELECT sampler, count(*) FROM chunks GROUP BY sampler").fetchall()
    assert dict(drawn) == {"coin-coin": 16, "other-coin-coin": 8}


def test_files_of_one_name_in_two_folders_are_two_modules(toy, tmp_path):
    first = toy()
    (tmp_path / "second").mkdir()
    text = (tmp_path / "modules" / "coin.py").read_text()
    (tmp_path / "second" / "coin.py").write_text(text.replace('"coin"', '"second-coin"') + "# another\n")
    registry = discover((first, str(tmp_path / "second")))
    hashes = [code_of(registry[name].checks[0].sampler.draw) for name in ("coin", "second-coin")]
    assert hashes[0] != hashes[1]
    assert hashes[0] == code_of(discover((first,))["coin"].checks[0].sampler.draw)


def test_a_fingerprint_says_what_differs(toy):
    registry = discover((toy(),))
    ours = fingerprint(registry, ["coin", "f10"])
    assert ours.against(fingerprint(registry, ["coin", "f10"])) == ""
    assert set(ours.statements) == {"coin", "f10"}
    without = fingerprint(registry, ["f10", "no-such"])
    assert ours.against(without) == "has other code for coin: install the same verify there, and restart the worker"
    older = Fingerprint(ours.packages | {"numpy": "1.0"}, ours.statements)
    assert ours.against(older) == f"has numpy 1.0, not {ours.packages['numpy']}: install the same versions there"
