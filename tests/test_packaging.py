"""Wheel and sdist: whole, and a run from the installed wheel outside of the source tree, with its report."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = ("verify", "theorems", "pyproject.toml", "README.md", "LICENSE")
NEEDED = (
    "verify/py.typed",
    "verify/report/templates/report.html.j2",
    "verify/report/templates/macros.html.j2",
    "verify/report/templates/overview.html.j2",
    "verify/report/templates/statement.html.j2",
    "verify/report/templates/report.css",
    "verify/report/templates/report.js",
    "verify/report/templates/report.typ",
    "verify/report/templates/comparison.html.j2",
    "verify/report/templates/site.css",
    "verify/report/assets/stix-two-math-subset.woff2",
    "verify/scaffold/my_lemma.py",
    "verify/scaffold/test_my_lemma.py",
    "theorems/paper/theorem_6.py",
    "theorems/finite/f19.py",
)


def build(kind, source, target):
    """Build `kind`, `wheel` or `sdist`, as pip would have it built."""
    code = f"from setuptools.build_meta import build_{kind} as build; print(build({str(target)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__")
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    return build("sdist", source, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the unpacked sdist, so that what the sdist lacks is missed."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


def test_the_sdist_has_what_the_wheel_is_built_from(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*NEEDED, "pyproject.toml", "README.md", "LICENSE"} <= names


def test_lower_bounds_are_printed_as_constraints():
    """The constraints that `.ci/lowest.py` prints: one exact version for everything that is promised to work."""
    found = subprocess.run([sys.executable, ROOT / ".ci" / "lowest.py"], capture_output=True, text=True, check=True)
    pinned = dict(line.split("==") for line in found.stdout.splitlines())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in (*project["dependencies"], *project["optional-dependencies"]["docs"]):
        name, _, bound = text.partition(",")[0].partition(">=")
        assert pinned[name] == bound


def test_the_wheel_has_the_theorems_the_templates_and_the_license(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set(NEEDED) <= names
    modules = {str(file.relative_to(ROOT)) for top in ("verify", "theorems") for file in (ROOT / top).rglob("*.py")}
    assert modules <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"verify", "theorems"}


def test_the_wheel_runs_outside_of_the_source_tree(wheel, tmp_path):
    target, elsewhere = tmp_path / "target", tmp_path / "elsewhere"
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(target)

    def call(*arguments):
        environment = os.environ | {"PYTHONPATH": str(target)}
        return subprocess.run(
            [sys.executable, *arguments], cwd=elsewhere, env=environment, capture_output=True, text=True, check=False
        )

    where = call("-c", "import verify, theorems; print(verify.__file__, theorems.__file__)").stdout.split()
    assert all(Path(file).is_relative_to(target) for file in where)
    arguments = ("run", "wendel-1962", "--budget", "0.25x", "--workers", "1", "--out", "out", "--json")
    found = call("-m", "verify", *arguments)
    # At a quarter of the samples a control may be out of reach, which is exit code 1.
    assert found.returncode in (0, 1), found.stderr
    assert json.loads(found.stdout)["statements"][0]["verdict"]["outcome"] in ("holds", "undecided")
    assert "STIX Two Math" in (elsewhere / "out" / "report.html").read_text()
    assert (elsewhere / "out" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert call("-m", "verify", "new", "my-lemma").returncode == 0
    assert (elsewhere / "statements" / "my_lemma.py").exists()


def test_citation_and_changelog_name_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {project['version']}\n" in citation
    assert f"license: {project['license']}\n" in citation
    assert re.search(r"^cff-version: 1\.2\.0$", citation, flags=re.M)
    assert f"## {project['version']}" in (ROOT / "CHANGELOG.md").read_text()
