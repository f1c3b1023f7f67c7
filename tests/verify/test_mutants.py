"""Mutants of claims, held against exact binomial tails and against claims whose mutants can be counted by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from verify.asymptotics import Scaling
from verify.mutants import Fate, mutants
from verify.points import PointReport
from verify.relations import Relation
from verify.run import run
from verify.runner import Settings, Site
from verify.statements import Citation, Claim, Kind, Point, Statement, Step, Variable
from verify.statistics.estimates import Counterexamples, Estimate, Exact, Proportion, is_universal, judge

LEVEL = 1e-4
n = sp.Symbol("n", integer=True, positive=True)
N = sp.Symbol("N", integer=True, positive=True)
d0 = sp.Symbol("d0", integer=True, positive=True)


def made(bound: sp.Expr, relation: Relation = Relation.AT_MOST) -> Statement:
    """A statement with this claim."""
    return Statement(
        id="made",
        kind=Kind.LEMMA,
        title="",
        citation=Citation("Nobody", "1"),
        summary="",
        variables=tuple(Variable(symbol, "", sp.S.Naturals) for symbol in (n, N, d0)),
        assumptions=(),
        claim=Claim(sp.Symbol("q"), relation, bound),
        steps=(Step("", "1 = 1", lambda: True),),
    )


def seen(statement: Statement, estimate: Estimate, scaling: Scaling | None = None, **parameters: int) -> PointReport:
    claim, point = statement.claim, Point(**parameters)
    log_bound = claim.log_bound(**point)
    return PointReport(
        Site(point, scaling),
        judge(estimate, claim.relation, log_bound, LEVEL),
        log_bound,
        estimate,
        estimate.interval(LEVEL),
        universal=is_universal(estimate, claim.relation, log_bound),
        level=LEVEL,
    )


def fates(statement: Statement, *points: PointReport) -> dict[str, Fate]:
    return {report.text: report.fate for report in mutants(statement, statement.claim, points, {})}


@given(st.integers(0, 400), st.fractions(0, 1, max_denominator=50))
def test_a_mutant_is_rejected_where_an_exact_binomial_test_rejects_it(hits, bound):
    value = float(bound)
    statement = made(sp.Rational(bound.numerator, bound.denominator))
    found = fates(statement, seen(statement, Proportion(hits, 400), n=1))
    if value == 0:
        assert found["one instance in 2 at least is a counterexample"] == (
            Fate.REJECTED if binom.cdf(hits, 400, 0.5) < LEVEL / 2 else found[next(iter(found))]
        )
        return
    half_refuted = hits > 0 and binom.sf(hits - 1, 400, value / 2) < LEVEL / 2
    assert (found["half the bound"] is Fate.REJECTED) == half_refuted
    assert found["twice the bound"] is Fate.EQUIVALENT or value >= 1
    if value < 1:
        assert (found["at least the bound"] is Fate.REJECTED) == (binom.cdf(hits, 400, value) < LEVEL / 2)
    else:
        assert "at least the bound" not in found  # a bound that says nothing has no opposite


def test_the_fates_of_the_mutants_of_an_upper_bound():
    statement = made(1 / n)
    loose = seen(statement, Proportion(10, 100_000), n=4)
    tight = seen(statement, Proportion(4000, 40_000), n=8)
    assert fates(statement, loose) == {
        "half the bound": Fate.SUPPORTED,
        "twice the bound": Fate.EQUIVALENT,
        "the bound to the power 5/4": Fate.SUPPORTED,
        "the bound to the power 3/4": Fate.EQUIVALENT,
        "at least the bound": Fate.REJECTED,
        "n + 1 in place of n": Fate.SUPPORTED,
        "n − 1 in place of n": Fate.EQUIVALENT,
    }
    # One point suffices against a mutant: 1/16 and 8^(-5/4) are too small there, 1/9 is not.
    assert fates(statement, loose, tight) == fates(statement, loose) | {
        "half the bound": Fate.REJECTED,
        "the bound to the power 5/4": Fate.REJECTED,
    }


def test_the_samples_that_a_rejection_would_take_are_enough():
    statement = made(1 / n)

    def half(factor: float) -> tuple[Fate, float | None]:
        # Nine hits in 160 are more than one in twenty, a mutant that these samples do not reject.
        point = seen(statement, Proportion(round(9 * factor), round(160 * factor)), n=10)
        (report,) = (
            item for item in mutants(statement, statement.claim, (point,), {}) if item.text == "half the bound"
        )
        return report.fate, report.needed

    fate, needed = half(1)
    assert fate is Fate.BEYOND
    assert needed is not None
    assert 2 < needed < math.inf
    # The factor is that of a normal approximation.
    assert half(needed / 2)[0] is Fate.BEYOND
    assert half(needed * 1.5)[0] is Fate.REJECTED


def test_both_sides_of_an_equality_are_mutants_and_what_fits_both_is_undecided():
    statement = made(1 / n, Relation.EQUAL)
    sharp = seen(statement, Exact(math.log(1 / 8)), n=8)
    found = fates(statement, sharp)
    assert len(found) == 6
    assert set(found.values()) == {Fate.REJECTED}
    blurred = seen(statement, Proportion(100, 800), n=8)
    assert fates(statement, blurred)["n + 1 in place of n"] is Fate.BEYOND


def test_no_probability_is_above_one_so_that_such_a_mutant_is_left_out():
    statement = made(1 - 1 / n, Relation.AT_LEAST)
    found = fates(statement, seen(statement, Proportion(990, 1000), n=8))
    assert "twice the bound" not in found
    assert found["half as far below one as the bound"] is Fate.SUPPORTED  # 15/16, and 0.99 are hits
    assert found["the bound to the power 3/4"] is Fate.SUPPORTED
    assert found["at most the bound"] is Fate.REJECTED


def test_points_are_taken_together_where_counterexamples_are_counted():
    statement = made(sp.Integer(0), Relation.EQUAL)
    points = [seen(statement, Counterexamples(0, 30), n=size) for size in range(1, 11)]
    found = fates(statement, *points)
    assert len(found) == 5
    # Without a counterexample in 300 a frequency of 1/k is rejected if (1 - 1/k)^300 is below half of the level.
    for often in (2, 8, 32, 128, 512):
        rejected = (1 - 1 / often) ** 300 < LEVEL / 2
        assert (found[f"one instance in {often} at least is a counterexample"] is Fate.REJECTED) == rejected
    assert set(found.values()) == {Fate.REJECTED, Fate.BEYOND}


def test_an_asymptotic_claim_does_not_see_constants_or_single_dimensions():
    scaling = Scaling(1, 1)
    statement = made(sp.exp(-N * d0 / 100), Relation.ASYMPTOTICALLY_AT_MOST)
    points = [seen(statement, Exact(-(size**2) * 0.012), scaling, N=size, d0=size) for size in (20, 40, 80)]
    found = fates(statement, *points)
    for text in ("half the bound", "twice the bound", "N + 1 in place of N", "d0 − 1 in place of d0"):
        assert found[text] is Fate.EQUIVALENT
    assert found["half the exponent"] is Fate.EQUIVALENT
    assert found["twice the exponent"] is Fate.REJECTED
    assert found["the exponent times N^(1/4)"] is Fate.REJECTED
    assert found["at least the bound"] is Fate.REJECTED


def test_a_bound_without_a_value_next_door_has_no_such_mutant():
    statement = made(sp.Piecewise((1 / n, n < 3), (sp.zoo, True)))
    texts = fates(statement, seen(statement, Exact(-1.0), n=1))
    assert "n − 1 in place of n" not in texts  # 0 is not in the domain
    assert "n + 1 in place of n" in texts


ASSUMING = """
from verify.statements import Assumption
from dataclasses import replace
STATEMENT = replace(STATEMENT, assumptions=(Assumption("rare", "It is rare.", {condition}),))
"""


def in_run(folder, tmp_path):
    results = run(["coin"], Settings(folders=(folder,)), tmp_path / "out", report=False).results
    (coin,) = results["statements"]
    return results, coin


@pytest.mark.parametrize(("bound", "fate"), [("sp.Rational(2, 5)", "rejected"), ("sp.Rational(4, 5)", "supported")])
def test_an_assumption_is_dropped_where_the_run_has_samples_outside(toy, tmp_path, bound, fate):
    # Heads in six of ten: 400 coins are eight standard deviations from either bound.
    folder = toy(bound=bound, p=0.6)
    with (Path(folder) / "coin.py").open("a") as module:
        module.write(ASSUMING.format(condition="p < sp.Rational(1, 2)"))
    _, coin = in_run(folder, tmp_path)
    dropped = [item for item in coin["checks"][0]["mutants"] if item["name"] == "assumption"]
    assert [(item["text"], item["fate"]) for item in dropped] == [("also where rare is not satisfied", fate)]
    assert coin["verdict"]["outcome"] == "holds"


COUNTING = """
from dataclasses import replace
from verify.statistics.estimates import Counterexamples
never = Claim(sp.Symbol("q"), Relation.EQUAL, sp.Integer(0))
few = lambda point, draw: {{"hits": 0, "trials": {trials}}}
check = replace(
    STATEMENT.checks[0], claim=never, sampler=Sampler("few", few),
    read=lambda tally, point: Counterexamples(tally["hits"], tally["trials"]),
    controls=(Control("always", "", sampler=Sampler("all", lambda point, draw: {{"hits": 1, "trials": 1}})),),
)
STATEMENT = replace(STATEMENT, checks=(check,))
"""


@pytest.mark.parametrize(("trials", "outcome"), [(1, "undecided"), (50, "holds")])
def test_samples_that_reject_no_mutant_support_nothing(toy, tmp_path, trials, outcome):
    folder = toy()
    with (Path(folder) / "coin.py").open("a") as module:
        module.write(COUNTING.format(trials=trials))
    results, coin = in_run(folder, tmp_path)
    assert coin["checks"][0]["controls"][0]["rejected"]
    assert coin["checks"][0]["verdict"]["outcome"] == "holds"
    assert coin["verdict"]["outcome"] == outcome
    fates = [item["fate"] for item in coin["checks"][0]["mutants"]]
    assert len(fates) == 5
    assert ("rejected" in fates) == (outcome == "holds")
    assert results["summary"]["mutants"]["rejected"] == fates.count("rejected")
    if outcome == "undecided":
        assert "none of 5 mutants" in coin["verdict"]["text"]
