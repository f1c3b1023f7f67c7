"""The second paper: a package outside of the tree, installed, found through its entry point, and right."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from scipy.stats import ksone

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package installed in it; made from a copy, for building leaves files beside the source."""
    source = tmp_path_factory.mktemp("source") / "massart1990"
    shutil.copytree(ROOT / "examples" / "massart1990", source)
    target = tmp_path_factory.mktemp("target")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True, capture_output=True)
    return target


def verify(folder, *arguments, path=None):
    """The suite as a user of the installed package has it."""
    environment = os.environ | ({} if path is None else {"PYTHONPATH": str(path)})
    command = [sys.executable, "-m", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


def test_an_installed_package_is_found_and_its_theorems_hold(installed, tmp_path):
    arguments = ("run", "massart-*", "--workers", "1", "--no-report", "--out", str(tmp_path / "r"), "--json")
    found = verify(tmp_path, *arguments, path=installed)
    assert found.returncode == 0, found.stderr
    verdicts = {item["id"]: item["verdict"]["outcome"] for item in json.loads(found.stdout)["statements"]}
    assert verdicts == {"massart-one-sided": "holds", "massart-two-sided": "holds"}
    results = json.loads((tmp_path / "r" / "results.json").read_text())
    controls = [control for item in results["statements"] for check in item["checks"] for control in check["controls"]]
    assert all(control["rejected"] for control in controls)
    assert len(controls) == 6


def test_nothing_of_it_is_in_the_suite(tmp_path):
    found = verify(tmp_path, "show", "massart-one-sided")
    assert found.returncode == 2
    assert "unknown statement 'massart-one-sided'" in found.stderr


def test_its_exact_probability_is_that_of_scipy(installed, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    from massart1990.one_sided import one_sided

    for size, level in ((1, "1/2"), (10, "3/10"), (40, "1/5"), (100, "1/10")):
        exact = one_sided(size, Fraction(level))
        assert float(exact) == pytest.approx(ksone.sf(float(Fraction(level)), size), rel=1e-9)


def test_the_engine_imports_no_theorem():
    for file in (ROOT / "verify").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.partition(".")[0] == "theorems" for name in names), file
