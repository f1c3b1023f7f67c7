"""Finding statements."""

from __future__ import annotations

import pytest

from verify.errors import InputError
from verify.registry import discover


def test_the_paper_is_there_in_its_order():
    found = discover()
    names = list(found.statements)
    paper = [name for name in names if found.modules[name].startswith("theorems.paper.")]
    assert paper == [
        "definition-1",
        "lemma-2",
        "definition-3",
        "definition-4",
        "definition-5",
        "theorem-6",
        "corollary-7",
        "theorem-8",
        "theorem-9",
        "theorem-10",
        "section-6",
    ]
    assert {"f10", "f15"} <= set(names)
    assert discover().broken == ()


def test_calibrations_come_first():
    names = list(discover().statements)
    assert names[:4] == ["cover-1965", "wendel-1962", "orthants", "baum-1988"]
    assert [item.id for item in discover().select(["theorem-8", "f10", "orthants"])] == ["orthants", "theorem-8", "f10"]


def test_modules_of_ones_own_are_found(toy):
    registry = discover((toy(),))
    assert registry["coin"].title == "A coin"
    assert [item.id for item in registry.select(["co?n"])] == ["coin"]


def test_selection_keeps_the_order_of_reading():
    chosen = discover().select(["theorem-10", "theorem-*", "lemma-2"])
    assert [item.id for item in chosen] == ["lemma-2", "theorem-6", "theorem-8", "theorem-9", "theorem-10"]


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(InputError, match="did you mean theorem-10"):
        discover()["theorem-100"]
    with pytest.raises(InputError, match=r"python -m verify list.*; for modules of your own give --path DIR"):
        discover()["qqqqqq"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise ZeroDivisionError('oh')", "ZeroDivisionError: oh"),
        ("def f(:", "SyntaxError"),
        ("STATEMENT = 7", "STATEMENT is a int"),
        ("import sys; sys.exit(0)", "SystemExit"),
    ],
)
def test_a_broken_module_is_reported_and_spares_the_others(toy, tmp_path, text, reason):
    folder = toy()
    (tmp_path / "modules" / "bad.py").write_text(text)
    registry = discover((folder,))
    assert "coin" in registry.statements
    (broken,) = registry.broken
    assert reason in broken.reason


def test_a_statement_that_is_not_there_may_be_in_a_broken_module(toy, tmp_path):
    folder = toy()
    (tmp_path / "modules" / "bad.py").write_text("import nothing_like_it")
    for name in ("bad", "b*d"):
        with pytest.raises(InputError, match=r"bad\.py cannot be used: ModuleNotFoundError"):
            discover((folder,)).select([name])


def test_two_modules_of_one_id_are_refused(toy, tmp_path):
    folder = toy()
    source = tmp_path / "modules" / "coin.py"
    (tmp_path / "modules" / "copy.py").write_text(source.read_text())
    with pytest.raises(InputError, match="both define the statement 'coin'"):
        discover((folder,))


def test_unknown_and_circular_uses_are_refused(toy, tmp_path):
    with pytest.raises(InputError, match="uses coin-b, which no module defines"):
        discover((toy("coin-a", uses="('coin-b',)"),))
    with pytest.raises(InputError, match=r"in a circle: .*coin-a.*coin-b|in a circle: .*coin-b.*coin-a"):
        discover((toy("coin-b", uses="('coin-a',)"),))
