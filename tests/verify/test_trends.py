"""Asymptotic claims in a run: the exponent along a path is that of the law the samples were drawn from."""

from __future__ import annotations

import pytest

from verify.run import run
from verify.runner import Settings

MODULE = """
import math
import sympy as sp
from verify.asymptotics import Scaling
from verify.relations import Relation
from verify.statements import Check, Citation, Claim, Control, Kind, Path, Sampler, Statement, Variable
from verify.statistics.estimates import Proportion

N = sp.Symbol("N", integer=True, positive=True)
CLAIM = Claim(sp.Symbol("V"), Relation.ASYMPTOTICALLY_AT_MOST, sp.exp(-sp.sqrt(N) / 10))
SCALING = Scaling(1, 1)

def draw(point, draw):
    chance = math.exp(-0.2 * point.real("N") ** {power})
    return {{"hits": int((draw.rng.random(20_000) < chance).sum()), "trials": 20_000}}

def check(name, sizes, **more):
    return Check(
        name=name, text="", sampler=Sampler("law", draw), claim={claim},
        read=lambda tally, point: Proportion(tally["hits"], tally["trials"]),
        paths=(Path.along(SCALING, sizes),), controls=(Control("direction", "", CLAIM.reversed()),), **more,
    )

STATEMENT = Statement(
    id="law", kind=Kind.THEOREM, title="A law", citation=Citation("Nobody", "1"), summary="",
    variables=(Variable(N, "size", sp.S.Naturals),), assumptions=(), claim=CLAIM,
    checks=(check("small", (4, 8, 16){leading}), check("large", (16, 32, 64), extends="small"{leading})),
)
"""


def law(tmp_path, power, claim="None", leading=""):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "law.py").write_text(MODULE.format(power=power, claim=claim, leading=leading))
    found = run(["law"], Settings(folders=(str(folder),)), tmp_path / "out").results["statements"][0]
    assert found["verdict"]["outcome"] != "holds"  # whatever the sizes show
    return found["checks"]


@pytest.mark.parametrize("power", [0.25, 0.5, 0.75])
def test_the_exponent_is_that_of_the_law(tmp_path, power):
    """The quantity is exp(−0.2 N^p) and the bound exp(−0.1 N^0.5), so the exponent is 2p; it is missed at 1e-3."""
    small, large = law(tmp_path, power)
    (first,), (joined,) = small["exponents"], large["exponents"]
    assert (first["sizes"], joined["sizes"]) == ([4, 8, 16], [4, 8, 16, 32, 64])
    assert [fit["sizes"] for fit in joined["fits"]] == [5, 4, 3, 2]
    for fit in (*first["fits"], *joined["fits"]):
        assert fit["lower"] <= 2 * power <= fit["upper"]
    whole = joined["fits"][0]
    assert whole["upper"] - whole["lower"] < 0.4
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"N = 4, 8, 16, 32, 64: −log of the quantity grows like the power {whole['estimate']:.2f}" in text


def test_a_factor_that_does_not_grow_is_left_out_by_a_leading_term(tmp_path):
    larger = "Claim(CLAIM.quantity, CLAIM.relation, 3 * CLAIM.bound)"
    _, plain = law(tmp_path, 0.5, larger)
    assert plain["exponents"] == []  # three times the bound is above one at all of these sizes
    (tmp_path / "again").mkdir()
    _, found = law(tmp_path / "again", 0.5, larger, ", leading=CLAIM")
    assert found["exponents"][0]["sizes"] == [4, 8, 16, 32, 64]
    assert found["exponents"][0]["fits"][0]["estimate"] == pytest.approx(1, abs=0.2)


def test_a_claim_at_every_size_has_no_exponent(toy, tmp_path):
    results = run(["coin"], Settings(folders=(toy(),)), tmp_path / "out", report=False).results
    assert results["statements"][0]["checks"][0]["exponents"] == []


def test_a_leading_term_that_cannot_be_evaluated_is_an_error_of_its_points(tmp_path):
    folder = tmp_path / "modules"
    folder.mkdir()
    wrong = ', leading=Claim(sp.Symbol("V"), Relation.ASYMPTOTICALLY_AT_MOST, sp.exp(-sp.Symbol("m")))'
    (folder / "law.py").write_text(MODULE.format(power=0.5, claim="None", leading=wrong))
    results = run(["law"], Settings(folders=(str(folder),)), tmp_path / "out", report=False).results
    for check in results["statements"][0]["checks"]:
        assert {point["verdict"]["outcome"] for point in check["points"]} == {"error"}
        assert "needs a value for m" in check["points"][0]["verdict"]["text"]
    assert results["summary"]["exit_code"] == 3
