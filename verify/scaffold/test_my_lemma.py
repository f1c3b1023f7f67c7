"""The module of my-lemma: whole, and right where the bound can be worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import verify
from verify.review import review

FOLDER = Path(__file__).parent.parent


def test_nothing_is_missing() -> None:
    """Also runs it: the claim holds on its grid, and every control is rejected."""
    gaps = [gap for gap in review(FOLDER / "my_lemma.py") if not gap.remark]
    assert not gaps, "\n" + "\n".join(map(str, gaps))


def test_the_bound_is_what_it_is_by_hand() -> None:
    """TODO: a value that you work out without the module."""
    statement = verify.statement("my-lemma", str(FOLDER))
    assert math.isclose(statement.log_bound(n=50, t=0.1), -8 * 50 * 0.01)
