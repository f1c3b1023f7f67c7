"""Shared fixtures: a folder with a tiny statement module, and hypothesis without randomness of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")

TOY = '''
"""A coin: the probability of heads is at most {bound}."""
import time
import sympy as sp
from verify.relations import Relation
from verify.statements import (
    Check, Citation, Claim, Control, Kind, Point, Sampler, Statement, Step, Variable,
)
from verify.statistics.estimates import Proportion

p = sp.Symbol("p", positive=True)
CLAIM = Claim(sp.Symbol("q"), Relation.AT_MOST, {bound})

def flip(point, draw):
    {body}
    return {{"hits": int((draw.rng.random(400) < point["p"]).sum()), "trials": 400}}

STATEMENT = Statement(
    id="{id}", kind=Kind.LEMMA, title="A coin", citation=Citation("Nobody", "1"), summary="Heads are rare.",
    variables=(Variable(p, "chance of heads", sp.Interval.open(0, 1)),), assumptions=(), claim=CLAIM, uses={uses},
    steps=(Step("one is one", sp.Eq(p, p, evaluate=False), lambda: {step}),),
    checks=(
        Check(
            name="flips", text="Flips a coin.", sampler=Sampler("{id}-coin", flip),
            read=lambda tally, point: Proportion(tally["hits"], tally["trials"]),
            grid=(Point(p={p}), Point(p={p} / 2)), chunks=4,
            controls=(Control("constant", "a tenth of the bound", Claim(sp.Symbol("q"), Relation.AT_MOST, {control})),),
        ),
    ),
)
'''


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., str]:
    """Writes toy statement modules; returns the folder's path. Keyword arguments change the module."""
    folder = tmp_path / "modules"

    def write(identifier: str = "coin", **changes: object) -> str:
        folder.mkdir(exist_ok=True)
        values = {"bound": "p", "p": 0.4, "body": "pass", "uses": "()", "step": "True", "control": "p / 10"}
        values["bound"] = "sp.Rational(3, 5)"
        values |= {"id": identifier} | changes
        (folder / f"{identifier.replace('-', '_')}.py").write_text(textwrap.dedent(TOY.format(**values)))
        return str(folder)

    return write
