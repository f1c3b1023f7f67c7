"""The documents: the example module runs, and every file and command that is named exists."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

from verify.cli import cli
from verify.run import run
from verify.runner import Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def test_the_example_statement_holds_and_its_controls_are_rejected(tmp_path):
    page = (ROOT / "docs" / "adding-a-statement.md").read_text(encoding="utf-8")
    (module,) = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    (tmp_path / "hoeffding.py").write_text(module, encoding="utf-8")
    results = run(["hoeffding"], Settings(folders=(str(tmp_path),)), tmp_path / "out", report=False).results
    (statement,) = results["statements"]
    assert statement["verdict"]["outcome"] == "holds"
    assert all(control["rejected"] for control in statement["checks"][0]["controls"])
    assert statement["steps"][0]["verdict"]["outcome"] == "holds"
    assert [series["label"] for series in statement["pictures"][0]["drawing"]["series"]] == ["bound", "exact"]


@pytest.mark.parametrize("name", ["volumes.md", "certify.md"])
def test_the_example_of_a_page_prints_what_it_says(name, capsys):
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    code, shown = re.search(r"```python\n(.*?)```\s+```text\n(.*?)```", page, flags=re.S).groups()
    exec(compile(code, f"docs/{name}", "exec"), {})
    assert capsys.readouterr().out == shown


EXAMPLES = [file for file in (ROOT / "verify").rglob("*.py") if ">>> " in file.read_text(encoding="utf-8")]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_examples_of_docstrings_print_what_they_say(file):
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_and_commands_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:verify|theorems|tests|docs|benchmarks)/[\w./*-]+)`", text):
        assert list(ROOT.glob(name)), f"{page.name} names {name}"
    for target in re.findall(r"\]\(([^)#:]+?)\)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for command in re.findall(r"python -m verify (\w+)", text):
        assert command in cli.commands, f"{page.name} names the command {command}"
