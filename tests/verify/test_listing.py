"""The kept list is the list, whatever is found in the cache."""

from __future__ import annotations

import subprocess
import sys

import pytest

from verify import listing as module
from verify.listing import ROW, listing
from verify.registry import discover


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "verify"


@pytest.fixture
def imports(monkeypatch):
    """Counts how often the statements are imported."""
    calls = []
    real = module._imported

    def counted(folders):
        calls.append(folders)
        return real(folders)

    monkeypatch.setattr(module, "_imported", counted)
    return calls


def test_the_second_list_is_the_first_and_imports_nothing(cache, imports, toy):
    folder = toy()
    first, second = listing([folder]), listing([folder])
    assert first == second
    assert len(imports) == 1
    assert [row["id"] for row in first["statements"]] == list(discover([folder]).statements)
    assert all(tuple(row) == ROW for row in first["statements"])


def test_an_edit_a_new_file_and_other_folders_are_seen(cache, imports, toy):
    folder = toy()
    listing([folder])
    toy("other-coin")
    assert "other-coin" in {row["id"] for row in listing([folder])["statements"]}
    toy("other-coin", bound="sp.Rational(1, 2)  # longer")
    listing([folder])
    listing([])
    assert len(imports) == 4


def test_a_broken_module_is_looked_at_every_time(cache, imports, toy):
    folder = toy(body="pass\nthis is no Python")
    for _ in range(2):
        assert "invalid syntax" in listing([folder])["broken"][0]["reason"]
    assert len(imports) == 2


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"statements": [1], "broken": []}', '{"statements": [], "broken": 1}']
)
def test_whatever_else_is_in_the_cache_is_replaced(cache, imports, content):
    expected = listing([])
    (file,) = cache.glob("statements-*.json")
    file.write_text(content)
    assert listing([]) == expected
    assert len(imports) == 2


def test_without_a_place_to_keep_it(cache, toy):
    cache.parent.mkdir()
    cache.write_text("a file where the folder would be")
    assert listing([])["statements"]


def test_a_kept_list_needs_no_sympy(cache):
    code = (
        "import sys; from verify.cli import main\n"
        "try: main(['list'])\n"
        "except SystemExit: pass\n"
        "sys.exit('sympy' in sys.modules)"
    )
    listing([])
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
