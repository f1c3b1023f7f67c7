"""How single verdicts combine."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.verdicts import Evidence, Leaning, Outcome, Verdict, combine, weakest

verdicts = st.builds(Verdict, st.sampled_from(Outcome), st.sampled_from(Evidence))


@given(st.lists(verdicts, min_size=1))
def test_the_order_of_the_parts_does_not_matter(parts):
    whole, turned = combine(parts), combine(parts[::-1])
    assert (whole.outcome, whole.evidence) == (turned.outcome, turned.evidence)


@given(st.lists(verdicts, min_size=1), verdicts)
def test_a_whole_holds_only_if_nothing_speaks_against_it(parts, extra):
    whole = combine([*parts, extra])
    outcomes = {part.outcome for part in [*parts, extra]}
    if whole.outcome is Outcome.HOLDS:
        assert outcomes <= {Outcome.HOLDS, Outcome.VACUOUS, Outcome.NOT_APPLICABLE}
    assert (whole.outcome is Outcome.VIOLATED) == (Outcome.VIOLATED in outcomes)


@pytest.mark.parametrize(
    ("first", "second", "whole"),
    [
        (Outcome.HOLDS, Outcome.HOLDS, Outcome.HOLDS),
        (Outcome.HOLDS, Outcome.VACUOUS, Outcome.HOLDS),
        (Outcome.HOLDS, Outcome.NOT_APPLICABLE, Outcome.HOLDS),
        (Outcome.HOLDS, Outcome.UNDECIDED, Outcome.UNDECIDED),
        (Outcome.HOLDS, Outcome.ERROR, Outcome.ERROR),
        (Outcome.ERROR, Outcome.VIOLATED, Outcome.VIOLATED),
        (Outcome.VACUOUS, Outcome.NOT_APPLICABLE, Outcome.VACUOUS),
        (Outcome.NOT_APPLICABLE, Outcome.NOT_APPLICABLE, Outcome.NOT_APPLICABLE),
    ],
)
def test_outcomes(first, second, whole):
    assert combine([Verdict(first), Verdict(second)]).outcome is whole


@given(
    st.builds(Verdict, st.sampled_from(Outcome), st.none() | st.sampled_from(Evidence), st.sampled_from(["", "why"]))
)
def test_a_whole_of_one_part_is_that_part(part):
    assert combine([part]) == part


def test_words_of_a_verdict():
    assert str(Verdict(Outcome.HOLDS, Evidence.STATISTICAL)) == "holds · statistical"
    assert str(Verdict(Outcome.NOT_APPLICABLE)) == "not applicable"
    assert str(Verdict(Outcome.UNDECIDED, Evidence.TREND, "", Leaning.AGAINST)) == "undecided · trend (against)"
    assert Verdict(Outcome.ERROR, None, "boom").to_dict() == {
        "outcome": "error",
        "evidence": None,
        "leaning": None,
        "text": "boom",
    }
    full = Verdict(Outcome.UNDECIDED, Evidence.TREND, "why", Leaning.SUPPORTS).to_dict()
    assert full == {"outcome": "undecided", "evidence": "trend", "leaning": "supports", "text": "why"}


def test_nothing_is_not_applicable():
    assert combine([]).outcome is Outcome.NOT_APPLICABLE


def test_support_is_as_strong_as_its_weakest_part_and_refutation_as_its_strongest():
    for one, other in itertools.permutations(Evidence, 2):
        held = combine([Verdict(Outcome.HOLDS, one), Verdict(Outcome.HOLDS, other)])
        broken = combine([Verdict(Outcome.VIOLATED, one), Verdict(Outcome.VIOLATED, other)])
        assert {held.evidence, broken.evidence} == {one, other}
        assert held.evidence is weakest([one, other])
    assert weakest([Evidence.PROOF, None, Evidence.TREND]) is Evidence.TREND
    assert weakest([]) is None


def test_leanings_survive_only_where_they_agree():
    up, down = (Verdict(Outcome.UNDECIDED, Evidence.TREND, "", leaning) for leaning in Leaning)
    assert combine([up, up]).leaning is up.leaning
    assert combine([up, down]).leaning is None


def test_the_reason_of_a_failure_is_kept():
    failures = [Verdict(Outcome.ERROR, None, "boom"), Verdict(Outcome.ERROR, None, "bang")]
    whole = combine([Verdict(Outcome.HOLDS), *failures])
    assert whole.text == "2 error, 1 holds: boom"
