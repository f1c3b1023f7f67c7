"""Text of modules on the screen and in files: it is shown, steers nothing, and stops no run."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from verify import results
from verify.cli import main
from verify.plain import plain, plain_json

HOSTILE = (
    "\x1b[31mred\x07 \x9b2J \u202egnp.exe \ud800 \x00 <script>alert(1)</script> #panic() $x$ {{ 7*7 }} \n\r\t \u2028"
)
anything = st.text(st.characters(), max_size=30)  # with halves of surrogate pairs


def is_harmless(text):
    """Nothing in it steers a terminal, and it can be written as UTF-8."""
    text.encode()
    return not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} and char != "\n" for char in text)


@given(anything)
@example(HOSTILE)
def test_plain_text_steers_nothing_and_keeps_what_can_be_seen(text):
    shown = plain(text)
    assert is_harmless(shown)
    assert plain(shown) == shown
    seen = [char for char in unicodedata.normalize("NFC", text) if unicodedata.category(char)[0] != "C"]
    rest = iter(shown)
    assert all(char in rest for char in seen)


@given(st.recursive(anything, lambda parts: st.lists(parts) | st.dictionaries(anything, parts), max_leaves=5))
@example({HOSTILE: [HOSTILE]})
def test_plain_json_says_the_same(value):
    text = plain_json(value)
    assert is_harmless(text)
    assert json.loads(text) == value


def spoiled(toy, text):
    """The toy module with this text wherever a module has text of its own."""
    folder = toy()
    with open(f"{folder}/coin.py", "a") as module:
        module.write(
            "from dataclasses import replace\n"
            "from verify.statements import Assumption, Finding, Picture\n"
            f"text = {text!a}\n"
            "def fail():\n    raise ValueError(text)\n"
            "def draw(point, draw):\n    return {text + 'hits': flip(point, draw)['hits']}\n"
            "sampler = Sampler('fuzz' + text, draw)\n"
            "check = STATEMENT.checks[0]\n"
            "control = replace(check.controls[0], name=text, text=text)\n"
            "check = replace(\n"
            "    check, name=text, text=text, sampler=sampler, controls=(control,), chunks=1,\n"
            "    read=lambda tally, point: Proportion(tally[text + 'hits'], 400),\n"
            ")\n"
            "STATEMENT = replace(\n"
            "    STATEMENT, title=text, summary=text, citation=Citation(text, text, text), notes=(text,),\n"
            "    checks=(check,), variables=(Variable(p, text, sp.Interval.open(0, 1)),),\n"
            "    assumptions=(Assumption('a', text, latex=text),),\n"
            "    findings=(Finding('f', text, lambda: (True, text)), Finding('g', text, fail)),\n"
            "    pictures=(Picture('p', text, text, fail),),\n"
            "    steps=(replace(STATEMENT.steps[0], text=text, formula=text),),\n"
            ")\n"
        )
    return folder


@pytest.mark.parametrize(
    ("text", "outcome"), [(HOSTILE.replace("\ud800", ""), "holds"), (HOSTILE, "error")], ids=["text", "no text"]
)
def test_a_run_of_a_module_with_hostile_text(toy, tmp_path, capsys, text, outcome):
    """A name that is no text cannot be a sampler's, which is an error of its statement."""
    folder, out = spoiled(toy, text), tmp_path / "out"
    commands = [
        ["run", "coin", "--path", folder, "--out", str(out), "--workers", "1"],
        ["run", "coin", "--path", folder, "--out", str(out), "--workers", "1", "--resume", "--no-report"],
        ["show", "coin", "--path", folder],
        ["list", "--path", folder],
        ["list", "--path", folder, "--json"],
    ]
    for command, expected in zip(commands, (3, 3, 0, 0, 0), strict=True):
        with pytest.raises(SystemExit) as stop:
            main(command)
        shown = capsys.readouterr()
        assert stop.value.code == expected, shown.err
        assert is_harmless(shown.out)
        assert is_harmless(shown.err)
    (coin,) = results.read(out / "results.json")["statements"]
    assert coin["title"] == text
    assert coin["verdict"]["outcome"] == outcome


@settings(max_examples=8)
@given(anything)
def test_no_text_of_a_module_stops_a_run(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("text")
    written = folder / "results.json"
    given = {"schema": results.SCHEMA, "schema_version": results.SCHEMA_VERSION, text: text}
    results.write(given, written)
    assert results.read(written) == given
