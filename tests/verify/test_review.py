"""What is missing in a module: each fault alone is named, with what to do, and a whole module has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verify.cli import main
from verify.errors import InputError
from verify.review import review
from verify.runner import Budget

THEOREMS = Path(__file__).parents[2] / "theorems"


@pytest.fixture
def reviewed(toy, tmp_path):
    """Gaps of the toy module, after values of its template and words of its text were changed."""

    def look(words=(), **changes):
        toy(**changes)
        module = tmp_path / "modules" / "coin.py"
        text = module.read_text()
        for old, new in words:
            assert old in text
            text = text.replace(old, new)
        module.write_text(text)
        return review(module)

    return look


def serious(gaps):
    return [gap for gap in gaps if not gap.remark]


def test_a_whole_module_has_remarks_at_most(reviewed):
    (remark,) = reviewed()
    assert remark.remark
    assert remark.text == "has no address"


CONTROLS = 'controls=(Control("constant", "a tenth of the bound", Claim(sp.Symbol("q"), Relation.AT_MOST, p / 10)),),'
VARIABLES = 'variables=(Variable(p, "chance of heads", sp.Interval.open(0, 1)),)'
OWN = "draw = type('Own', (), {{'rng': {}}})"
FAULTS = {
    "no control": ({"words": [(CONTROLS, "controls=(),")]}, "has no control", "mutant of the claim"),
    "undeclared": ({"bound": "sp.Symbol('r') / 2"}, "uses ['r'], which its variables do not declare", "add a Variable"),
    "no expression": ({"bound": "0.6"}, "the bound of coin is a float", "SymPy symbols"),
    "words for a bound": ({"bound": "'p'"}, "the bound of coin is a str", "SymPy symbols"),
    "id": ({"words": [('id="coin"', 'id="Coin 1"')]}, "got id 'Coin 1'", "mend this"),
    "no points": ({"words": [("grid=(Point(p=0.4), Point(p=0.4 / 2))", "grid=()")]}, "has no points", "give it grid="),
    "syntax": ({"body": "return ("}, "SyntaxError", "mend this"),
    "import": ({"words": [("import time", "import nothing_like_it")]}, "(line 3)", "pip install -e"),
    "no statement": ({"words": [("STATEMENT =", "ANOTHER =")]}, "has no STATEMENT", "end the module with"),
    "unknown use": ({"uses": "('nobody',)"}, "uses nobody, which no module defines", "choose ids that exist"),
    "taken id": ({"words": [('id="coin"', 'id="f10"')]}, "both define the statement 'f10'", "one that is free"),
    "no citation": ({"words": [('Citation("Nobody", "1")', 'Citation("", "1")')]}, "where the statement", "Citation(w"),
    "unfinished": ({"words": [('title="A coin"', 'title="TODO: x"')]}, "still says “TODO: x”", "write it"),
    "no summary": ({"words": [("Heads are rare.", " ")]}, "is empty", "write it"),
    "no meaning": ({"words": [("chance of heads", "")]}, "is empty", "write it"),
    "no text": ({"words": [("Flips a coin.", "")]}, "is empty", "write it"),
    "domain": ({"p": 1.5}, "outside the domain", "widen the domain"),
    "assumptions": (
        {
            "words": [
                ("assumptions=()", 'assumptions=(Assumption("few", "p is small", p < sp.Rational(1, 10)),)'),
                ("Check, Citation", "Assumption, Check, Citation"),
            ]
        },
        "every point leaves the assumptions",
        "move the points",
    ),
    "no value": (
        {
            "bound": "sp.Symbol('r') / 2",
            "words": [(VARIABLES, f"{VARIABLES[:-1]} Variable(sp.Symbol('r'), 'rest', sp.S.Reals),)")],
        },
        "the claim has no value at p = 0.4: the bound needs a value for r",
        "set every symbol",
    ),
    "negative bound": ({"bound": "p - 1"}, "the claim has no value at p = 0.4", "keep the bound positive"),
    "vacuous": ({"bound": "sp.Integer(2)"}, "every point is vacuous", "below 1"),
    "never decides": ({"bound": "sp.Rational(2, 5)"}, "cannot decide 1 of 2 points", "move the point"),
    "violated": ({"bound": "sp.Rational(1, 10)", "control": "p / 100"}, "comes out violated", "find out which"),
    "control": ({"control": "sp.Rational(9, 10)"}, "is not rejected, it comes out holds", "more wrong"),
    "unrepeatable": ({"body": OWN.format("__import__('numpy').random.default_rng()")}, "two different", "draw.rng"),
    "keeps a stream": (
        {
            "words": [("def flip", "import numpy as np\nOWN = np.random.default_rng(0)\n\ndef flip")],
            "body": OWN.format("OWN"),
        },
        "two different ones came out",
        "keep nothing from one chunk to the next",
    ),
    "one chunk": ({"body": OWN.format("__import__('numpy').random.default_rng(0)")}, "takes nothing from draw", "rng"),
    "crash": ({"body": "raise RuntimeError('boom')"}, "fails: RuntimeError: boom", "mend the sampler"),
    "no tally": ({"body": "return [1]"}, "expected a dict of counts", "mend the sampler"),
    "refuted": ({"step": "False"}, "is refuted: one is one", "mend the step"),
    "open step": ({"step": "None"}, "is not decided", "help SymPy"),
}


@pytest.mark.parametrize(("changes", "text", "remedy"), FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_named_with_what_to_do(reviewed, changes, text, remedy):
    named = [gap for gap in serious(reviewed(**changes)) if text in gap.text]
    assert len(named) == 1
    assert remedy in named[0].remedy
    assert named[0].where


def test_faults_of_one_statement_are_named_together(reviewed):
    gaps = reviewed(words=[(CONTROLS, "controls=(),"), ('id="coin"', 'id="Coin"')], bound="sp.Symbol('r')")
    assert len(serious(gaps)) == 3


def test_a_bound_without_a_value_is_not_told_twice(reviewed):
    assert len(serious(reviewed(bound="p - 1"))) == 1


def test_a_sampler_that_fails_is_told_once(reviewed):
    assert len(serious(reviewed(body="raise RuntimeError('boom')"))) == 1


def test_some_vacuous_points_are_a_remark(reviewed):
    gaps = reviewed(bound="2 * p + sp.Rational(3, 10)", control="p / 20")
    assert serious(gaps) == []
    assert any("1 of 2 points, first p = 0.4, is vacuous" in gap.text for gap in gaps)


def test_a_module_of_an_installed_package_is_found_there():
    gaps = review(THEOREMS / "classical" / "baum.py", budget=Budget(0.5))
    assert not [gap for gap in gaps if "define the statement" in gap.text or "imported" in gap.text]
    assert serious(gaps) == []


def test_the_command_exits_with_0_1_and_2(capsys, toy, tmp_path):
    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["check-module", *map(str, arguments)])
        return stop.value.code, *capsys.readouterr()

    toy()
    module = tmp_path / "modules" / "coin.py"
    code, out, _ = call(module)
    assert code == 0
    assert out.splitlines()[0] == f"{module}: nothing is missing, 1 to think of"
    toy(step="False")
    code, out, _ = call(module, "--json")
    assert code == 1
    assert [gap["where"] for gap in json.loads(out) if not gap["remark"]] == ["step 1"]
    code, out, err = call(tmp_path / "nowhere.py")
    assert (code, out) == (2, "")
    assert "there is no file" in err
    with pytest.raises(InputError, match="is not a Python file"):
        review(tmp_path)
