"""`verify new`: what it writes runs and fails usefully, and it overwrites nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from verify.cli import main
from verify.errors import InputError
from verify.review import UNFINISHED, review
from verify.run import run
from verify.runner import Settings
from verify.scaffold import write_module


def test_a_new_module_runs_and_comes_out_violated(tmp_path):
    folder = tmp_path / "statements"
    module, test = write_module("a-new-one", folder)
    assert (module, test) == (folder / "a_new_one.py", folder / "tests" / "test_a_new_one.py")
    results = run(["a-new-one"], Settings(folders=(str(folder),)), tmp_path / "out", report=False).results
    (statement,) = results["statements"]
    assert statement["verdict"]["outcome"] == "violated"
    assert all(control["rejected"] for control in statement["checks"][0]["controls"])
    assert statement["steps"][0]["verdict"]["outcome"] == "holds"


def test_what_is_to_be_written_is_what_the_review_names(tmp_path):
    module, _ = write_module("a-new-one", tmp_path)
    text = module.read_text()
    gaps = [gap for gap in review(module) if not gap.remark]
    todo = [gap for gap in gaps if UNFINISHED in gap.text]
    assert {gap.where for gap in todo} == {"title", "summary", "citation", "step 1", "check sampled"}
    assert next(gap.text for gap in gaps if gap not in todo).startswith("the claim comes out violated")
    assert len(gaps) == len(todo) + 1
    for old, new in ((UNFINISHED, "Done"), ("-8 * n * t**2)", "-2 * n * t**2)"), ("+ 8 * t**2", "+ 2 * t**2")):
        assert old in text
        text = text.replace(old, new)
    module.write_text(text)
    assert [gap for gap in review(module) if not gap.remark] == []


def test_the_new_test_fails_until_it_is_done_and_says_why(tmp_path):
    _, test = write_module("a-new-one", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "title: still says" in done.stdout
    assert "1 failed, 1 passed" in done.stdout


@pytest.mark.parametrize("identifier", ["My Lemma", "", "1-lemma", "../lemma", "lemma_1"])
def test_a_bad_id_is_refused_and_nothing_is_written(tmp_path, identifier):
    with pytest.raises(InputError, match="expected lower-case words"):
        write_module(identifier, tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_no_id_is_taken_twice(tmp_path, capsys):
    with pytest.raises(InputError, match="there is a statement 'f10' already"):
        write_module("f10", tmp_path)
    (tmp_path / "my_lemma.py").write_text("mine")
    with pytest.raises(InputError, match="exists and is left as it is"):
        write_module("my-lemma", tmp_path)
    assert (tmp_path / "my_lemma.py").read_text() == "mine"
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit) as stop:
        main(["new", "my-lemma", "--path", str(tmp_path / "file" / "below")])
    assert stop.value.code == 2
    assert "cannot be written" in capsys.readouterr().err
