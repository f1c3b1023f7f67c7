"""Experiments at length: their tables, and the command."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from verify.cli import main
from verify.experiments import Record, Table

MODULE_TAIL = """
from dataclasses import replace
from verify.errors import InputError
from verify.experiments import Experiment, Table
from verify.pictures import Curves, Series

def drawn(tables):
    if tables[0].rows[0][0] == 7:
        raise ValueError("nothing to draw")
    return Curves("x", "<y>", (Series("a", (1, 2), (-1.0, -2.0)),))

def go(setup):
    if setup.profile == "full" and setup.data_dir is None:
        raise InputError("expected --data-dir")
    setup.tell("at work")
    return (Table("Coins", ("seed", "share", "what"), ((setup.seed, 0.123456, None),), ("A note.",)),)

STATEMENT = replace(STATEMENT, experiment=Experiment({"small": "quick", "full": "long"}, go, drawn=drawn))
"""


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(item) for item in arguments])
    out, err = capsys.readouterr()
    return stop.value.code, out, err


@pytest.fixture
def folder(toy, tmp_path):
    place = toy()
    module = tmp_path / "modules" / "coin.py"
    module.write_text(module.read_text() + MODULE_TAIL)
    return place


def test_the_command_prints_tables_and_progress(capsys, folder, tmp_path):
    code, out, err = call(capsys, "experiment", "coin", "--seed", 5, "--path", folder, "--out", tmp_path / "out")
    assert code == 0
    assert "| 5 | 0.1235 | – |" in out
    assert "--profile small --seed 5" in out
    assert "at work" in err
    assert (tmp_path / "out" / "results.md").read_text(encoding="utf-8").rstrip() == out.rstrip()
    stored = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert stored["tables"][0]["rows"] == [{"seed": 5, "share": 0.123456, "what": None}]


def test_the_picture_of_the_tables_is_a_file_of_its_own(capsys, folder, tmp_path):
    out = tmp_path / "out"
    call(capsys, "experiment", "coin", "--path", folder, "--out", out)
    source = (out / "figure.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(source)
    assert root.find("{http://www.w3.org/2000/svg}title").text.startswith("Picture “coin”: <y>")
    assert "var(--" not in source
    (out / "figure.svg").unlink()
    code, _, err = call(capsys, "experiment", "coin", "--path", folder, "--out", out, "--seed", 7)
    assert code == 0
    assert "no picture: nothing to draw" in err
    assert not (out / "figure.svg").exists()


def test_tables_come_back_from_json():
    table = Table("T", ("a", "b"), ((1, None), ("x", 0.5)), ("note",))
    assert Table.from_dict(json.loads(json.dumps(table.to_dict()))) == table
    assert Table.from_dict(Table("T", ("a",), ()).to_dict()).rows == ()


def test_the_command_prints_json(capsys, folder):
    code, out, err = call(capsys, "experiment", "coin", "--path", folder, "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out)["tables"][0]["title"] == "Coins"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("coin", "--profile", "huge"), "got profile 'huge'; expected one of small, full"),
        (("coin", "--profile", "full"), "expected --data-dir"),
        (("coin", "--data-dir", "/nowhere/at/all"), "is not a folder"),
        (("lemma-2",), "lemma-2 has no experiment; expected one of"),
        (("coins",), "unknown statement"),
        (("coin", "--seed", "-1"), "-1"),
    ],
)
def test_wrong_usage_gives_exit_code_2(capsys, folder, arguments, message):
    code, _, err = call(capsys, "experiment", *arguments, "--path", folder)
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_cell_may_hold_what_separates_cells():
    table = Table("T", ("|w·x|", "b"), (("a|b", 1),))
    assert table.markdown().splitlines()[2] == r"| \|w·x\| | b |"
    assert Record("command", {"numpy": "2"}, 1.0, (table,)).markdown().startswith("`command`")


def test_rows_are_as_long_as_the_columns():
    with pytest.raises(ValueError, match="1 cells and the table 2"):
        Table("T", ("a", "b"), ((1,),))
