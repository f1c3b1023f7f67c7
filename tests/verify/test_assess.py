"""How checks, steps and the statements used become the verdict of a statement: each rule by a case of its own."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import sympy as sp

from verify import assess
from verify.mutants import Fate, MutantReport
from verify.relations import Relation
from verify.runner import Outcomes, Site
from verify.statements import Claim, Derivation, Point
from verify.statistics.estimates import Counterexamples, Proportion
from verify.verdicts import Evidence, Leaning, Outcome, Verdict

HOLDS, VIOLATED, UNDECIDED = Outcome.HOLDS, Outcome.VIOLATED, Outcome.UNDECIDED
PROOF, EXACT, STATISTICAL, TREND = Evidence.PROOF, Evidence.EXACT, Evidence.STATISTICAL, Evidence.TREND
STEP = Verdict(HOLDS, PROOF)


def check(outcome=HOLDS, evidence=STATISTICAL, fates=(Fate.REJECTED,), sufficient=False, leaning=None):
    """A check as far as a statement's verdict looks at it."""
    mutants = tuple(MutantReport("constant", "", fate, "", 1) for fate in fates)
    verdict = Verdict(outcome, evidence, "seen", leaning)
    return SimpleNamespace(verdict=verdict, mutants=mutants, check=SimpleNamespace(sufficient=sufficient))


def conclude(derivation, steps=(), checks=(), uses=(), **earlier):
    statement = SimpleNamespace(derivation=derivation, uses=uses)
    reports = {name: SimpleNamespace(verdict=verdict) for name, verdict in earlier.items()}
    return assess._conclude(statement, steps, checks, reports)


@pytest.mark.parametrize("derivation", Derivation)
@pytest.mark.parametrize("outcome", [VIOLATED, Outcome.ERROR])
def test_what_fails_in_a_check_or_a_step_fails_in_the_whole(derivation, outcome):
    assert conclude(derivation, [STEP], [check(outcome)]).outcome is outcome
    assert conclude(derivation, [STEP, Verdict(outcome, PROOF)], [check()]).outcome is outcome


@pytest.mark.parametrize("derivation", Derivation)
def test_a_step_that_is_not_decided_leaves_the_whole_undecided(derivation):
    found = conclude(derivation, [STEP, Verdict(UNDECIDED, PROOF)], [check()])
    assert (found.outcome, found.evidence) == (UNDECIDED, PROOF)


def test_a_complete_derivation_proves_and_others_leave_it_to_the_checks():
    assert conclude(Derivation.COMPLETE, [STEP], [check()]).evidence is PROOF
    for weak in (check(UNDECIDED), check(Outcome.NOT_APPLICABLE, None)):
        found = conclude(Derivation.COMPLETE, [STEP], [weak])
        assert (found.outcome, found.evidence) == (HOLDS, PROOF)
    for derivation in (Derivation.PARTIAL, Derivation.NONE):
        found = conclude(derivation, [STEP], [check()])
        assert (found.outcome, found.evidence) == (HOLDS, STATISTICAL)
        assert conclude(derivation, [STEP], [check(UNDECIDED)]).outcome is UNDECIDED
        assert conclude(derivation, [STEP]) == STEP
    # Steps that were not reached prove nothing.
    skipped = Verdict(Outcome.NOT_APPLICABLE, None, "not reached")
    assert conclude(Derivation.COMPLETE, [skipped], [check()]).evidence is STATISTICAL
    assert conclude(Derivation.COMPLETE, [skipped]).outcome is Outcome.NOT_APPLICABLE


def test_a_derivation_is_worth_what_it_rests_on():
    proved, sampled = Verdict(HOLDS, PROOF), Verdict(HOLDS, STATISTICAL)
    assert conclude(Derivation.COMPLETE, [STEP], uses=("a", "b"), a=proved, b=proved).evidence is PROOF
    found = conclude(Derivation.COMPLETE, [STEP], uses=("a", "b"), a=proved, b=sampled)
    assert (found.outcome, found.evidence) == (HOLDS, STATISTICAL)
    for other in (VIOLATED, UNDECIDED, Outcome.ERROR, Outcome.VACUOUS, Outcome.NOT_APPLICABLE):
        found = conclude(Derivation.COMPLETE, [STEP], [check()], ("a", "b"), a=proved, b=Verdict(other, TREND))
        assert (found.outcome, found.evidence) == (UNDECIDED, TREND)
        assert found.text == f"derived from b, which is {other.value} · trend"
    found = conclude(Derivation.COMPLETE, [STEP], [check(leaning=Leaning.SUPPORTS)], ("a", "b"), a=proved)
    assert (found.outcome, found.evidence, found.leaning) == (UNDECIDED, STATISTICAL, Leaning.SUPPORTS)
    assert found.text == "derived from b, which was not in this run"


def test_support_by_samples_needs_a_mutant_that_is_rejected():
    assert assess._measured([]).outcome is Outcome.NOT_APPLICABLE
    lost = (Fate.SUPPORTED, Fate.BEYOND, Fate.EQUIVALENT)
    found = assess._measured([check(fates=lost)])
    assert (found.outcome, found.evidence) == (UNDECIDED, STATISTICAL)
    assert "none of 2 mutants" in found.text
    assert assess._measured([check(fates=lost), check(fates=lost)]).outcome is UNDECIDED
    assert assess._measured([check(fates=lost), check(fates=(Fate.REJECTED,))]).outcome is HOLDS
    assert assess._measured([check(fates=(Fate.EQUIVALENT,))]).outcome is HOLDS  # there is nothing to reject
    assert assess._measured([check(evidence=EXACT, fates=lost)]).outcome is HOLDS
    assert assess._measured([check(VIOLATED, fates=lost)]).outcome is VIOLATED


def test_the_violation_of_a_stronger_claim_leaves_the_statement_open():
    found = assess._measured([check(VIOLATED, sufficient=True)])
    assert (found.outcome, found.evidence) == (UNDECIDED, STATISTICAL)
    assert assess._measured([check(VIOLATED, sufficient=True), check(VIOLATED)]).outcome is VIOLATED
    assert assess._measured([check(sufficient=True)]).outcome is HOLDS


@pytest.mark.parametrize(
    ("answer", "outcome"), [(True, HOLDS), (False, VIOLATED), (None, UNDECIDED), ("none", Outcome.NOT_APPLICABLE)]
)
def test_steps_and_findings(answer, outcome):
    outcomes = Outcomes()
    if answer != "none":
        outcomes.steps["a", 1] = answer
        outcomes.findings["a", 1] = answer, "text"
    for found in (assess._step(outcomes, "a", 1), assess._finding(outcomes, "a", 1)):
        assert found.outcome is outcome
        assert found.evidence is (None if answer == "none" else PROOF)
    assert answer == "none" or assess._finding(outcomes, "a", 1).text == "text"
    outcomes.errors["step", ("a", 1)] = outcomes.errors["finding", ("a", 1)] = "boom"
    for found in (assess._step(outcomes, "a", 1), assess._finding(outcomes, "a", 1)):
        assert found == Verdict(Outcome.ERROR, None, "boom")


@pytest.mark.parametrize(
    ("estimate", "relation", "bound", "outcome", "needed"),
    [
        (Proportion(40, 100), Relation.AT_MOST, 0.45, UNDECIDED, True),
        (Proportion(40, 100), Relation.AT_MOST, 0.9, HOLDS, False),
        (Proportion(40, 100), Relation.AT_MOST, 0.01, VIOLATED, False),
        (Proportion(0, 100, 1), Relation.AT_MOST, 0, UNDECIDED, False),  # "never": no number of samples is enough
        (Counterexamples(0, 100, 1), Relation.EQUAL, 0.5, UNDECIDED, False),
        (Proportion(40, 100), Relation.ASYMPTOTICALLY_AT_MOST, 0.45, UNDECIDED, False),
    ],
)
def test_what_a_decision_needs_is_said_where_samples_can_bring_it(estimate, relation, bound, outcome, needed):
    claim = Claim(sp.Symbol("q"), relation, sp.Rational(str(bound)))
    every = SimpleNamespace(beside=(("other", claim),), leading=None)
    found = assess._judged(0.01, Site(Point()), every, claim, estimate, (("a", True),))
    assert (found.verdict.outcome, found.needed is not None) == (outcome, needed)
    assert (found.level, found.interval) == (0.01, estimate.interval(0.01))
    assert found.log_bound == found.log_leading == pytest.approx(math.log(bound) if bound else -math.inf)
    assert found.beside == (("other", found.log_bound),)
    assert found.assumptions == (("a", True),)
