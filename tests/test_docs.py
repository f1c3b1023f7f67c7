"""The documents: the example module runs, and every file and command that is named exists."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from verify.cli import cli, main
from verify.run import run
from verify.runner import Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])


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


@pytest.mark.parametrize("name", ["volumes.md", "certify.md", "python.md", "experiments.md"])
def test_the_examples_of_a_page_print_what_they_say(name, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    examples = re.findall(r"```python\n([^`]*?)```\s+```text\n(.*?)```", page, flags=re.S)
    assert examples
    for code, shown in examples:
        exec(compile(code, f"docs/{name}", "exec"), {})
        assert capsys.readouterr().out == shown


def blocks(page):
    """Fenced blocks in their order: language, text, and the words of a comment `<!-- file: ... -->` before it."""
    pattern = r"(?:<!-- file: ([^>]*) -->\n)?```(\w+)\n(.*?)```"
    return [(language, text, mark or "") for mark, language, text in re.findall(pattern, page, flags=re.S)]


def put(mark, text):
    """Do to a file what the comment before a block says: begin it anew, replace a part of it, or add to its end."""
    name, _, how = mark.partition(", ")
    before = "" if how == "anew" else Path(name).read_text(encoding="utf-8")
    if not how.startswith("instead of "):
        Path(name).write_text(f"{before}\n\n{text}".lstrip(), encoding="utf-8")
        return
    parts = re.split(r"\n(?=\S)(?![)\]}])", before)  # a part begins at the margin, and a bracket that closes ends it
    (place,) = [number for number, part in enumerate(parts) if part.startswith(how.removeprefix("instead of "))]
    parts[place] = text
    Path(name).write_text("\n".join(parts), encoding="utf-8")


def test_the_tutorial_prints_what_it_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    out = ""
    for language, text, mark in blocks((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")):
        if language == "python":
            put(mark, text)
        elif language == "sh":
            (command,) = text.splitlines()
            program, *arguments = shlex.split(command)[2:]
            if program == "verify":
                with pytest.raises(SystemExit):
                    main([*arguments, "--workers", "1"] if arguments[0] == "run" else arguments)
                out = capsys.readouterr().out
            else:
                done = subprocess.run(
                    [sys.executable, "-m", program, *arguments], capture_output=True, text=True, check=False
                )
                out = done.stdout
        else:
            shown = iter(out.splitlines())
            for line in text.splitlines():
                assert any(line.rstrip() in other for other in shown), f"{line}\nis not, or not there, in\n{out}"


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
    for command in re.findall(r"python -m verify (\w[\w-]*)", text):
        assert command in cli.commands, f"{page.name} names the command {command}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_can_be_given(page):
    """Options and arguments of every command line in a block of code; words after two spaces explain it."""
    for block in re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S):
        for line in re.findall(r"^.*?\bpython -m verify (\S.*)$", block, flags=re.M):
            name, *arguments = shlex.split(re.sub(r"[\[\]]", "", line.partition("  ")[0]))
            if name in cli.commands:
                cli.commands[name].make_context(name, arguments)
