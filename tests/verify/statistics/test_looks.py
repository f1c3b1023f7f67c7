"""Looks at a growing sample: the shares add up, and stopping at the first decision keeps the level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.relations import Relation
from verify.statistics.estimates import EQUALITY_RESOLUTION, Proportion, judge
from verify.statistics.intervals import Interval
from verify.statistics.looks import MOST, doubling, factor_needed, looks, share
from verify.verdicts import Outcome


@given(st.integers(1, 500), st.integers(1, 5000))
def test_one_look_in_each_doubling_and_the_last_at_the_end(planned, most):
    found = looks(planned, most)
    assert found[-1] == most
    assert list(found) == sorted(set(found))
    doublings = [doubling(size, planned) for size in found]
    assert len(set(doublings)) == len(doublings)
    assert sum(share(size, planned) for size in found) < 1


@given(st.integers(1, 500), st.integers(1, 40))
def test_more_budget_looks_again_at_what_less_looked_at(planned, factor):
    """Except in the doubling in which the smaller budget ended."""
    before, after = looks(planned, factor), looks(planned, 7 * factor)
    ended = doubling(before[-1], planned)
    assert [size for size in before if doubling(size, planned) < ended] == [
        size for size in after if doubling(size, planned) < ended
    ]


def test_the_usual_looks():
    assert looks(12, 12) == (3, 6, 12)
    assert looks(12, MOST * 12) == (3, 6, 12, 24, 48)
    assert looks(1, 4) == (1, 2, 4)
    assert looks(12, 1) == (1,)
    assert [share(size, 12) for size in (3, 6, 12, 24, 48)] == [1 / 16, 1 / 8, 1 / 2, 1 / 8, 1 / 16]


def test_all_shares_add_up_to_one():
    sizes = [2.0**k for k in range(-60, 61)]
    assert math.fsum(share(int(2**60 * size), 2**60) for size in sizes) == pytest.approx(1)


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        looks(0, 3)


def stopped(claim, chance, planned, level, rng):
    """The outcome of a check that looks and stops at the first decision."""
    draws = rng.random(planned * 4) < chance
    for size in looks(planned, planned * 4):
        estimate = Proportion(int(draws[:size].sum()), size)
        outcome = judge(estimate, Relation.AT_MOST, math.log(claim), level * share(size, planned)).outcome
        if outcome is not Outcome.UNDECIDED:
            return outcome
    return Outcome.UNDECIDED


def test_stopping_at_the_first_decision_keeps_the_level():
    """A claim true with equality, 4000 runs at level 0.1: each end has half of it.

    At most 200 wrong refutations are expected; more than 275 have a probability below 1e-7. Looking five times at the
    whole level gives 463 here, the shares 114.
    """
    rng = np.random.default_rng(0)
    wrong = sum(stopped(0.2, 0.2, 60, 0.1, rng) is Outcome.VIOLATED for _ in range(4000))
    assert wrong <= 275


def test_a_decision_in_reach_is_reached():
    """A true claim with room and a false one: decided in nearly all of 300 runs (power above 0.99 each)."""
    rng = np.random.default_rng(1)
    good = [stopped(0.3, 0.2, 400, 0.01, rng) for _ in range(300)]
    bad = [stopped(0.12, 0.2, 400, 0.01, rng) for _ in range(300)]
    assert good.count(Outcome.HOLDS) >= 295
    assert bad.count(Outcome.VIOLATED) >= 295


@pytest.mark.parametrize(("chance", "bound"), [(0.2, 0.23), (0.2, 0.18), (0.01, 0.014), (0.5, 0.45)])
def test_the_predicted_sample_decides(chance, bound):
    """The interval at the expected counts of a predicted sample just about ends at the bound."""
    trials, level = 2000, 1e-4
    seen = Proportion(round(chance * trials), trials).interval(level)
    factor = factor_needed(seen, Relation.AT_MOST, math.log(bound))
    assert factor > 0

    def decided(size):
        outcome = judge(Proportion(round(chance * size), size), Relation.AT_MOST, math.log(bound), level).outcome
        return outcome is not Outcome.UNDECIDED

    assert decided(math.ceil(1.3 * factor * trials))
    assert not decided(math.floor(factor * trials / 1.5))


def test_without_hits_the_upper_end_falls_with_the_sample():
    seen = Proportion(0, 1000).interval(1e-4)
    factor = factor_needed(seen, Relation.AT_MOST, math.log(1e-4))
    upper = Proportion(0, round(1000 * factor)).interval(1e-4).upper
    assert upper == pytest.approx(math.log(1e-4), abs=0.01)


@pytest.mark.parametrize(
    ("seen", "relation", "log_bound"),
    [
        (Interval(-3, -2, -1), Relation.AT_MOST, -2.0),
        (Interval(-math.inf, -2, -1), Relation.AT_MOST, -3.0),
        (Interval(-math.inf, -math.inf, -1), Relation.AT_MOST, -math.inf),
        (Interval(-math.inf, -2, -1), Relation.EQUAL, -2.0),
        (Interval(-3, -2, -1), Relation.AT_MOST, math.nan),
    ],
)
def test_where_no_decision_is_in_sight(seen, relation, log_bound):
    assert factor_needed(seen, relation, log_bound) == math.inf


def test_an_equation_needs_a_narrow_interval():
    width = 6 * EQUALITY_RESOLUTION
    assert factor_needed(Interval(-1 - width / 2, -1, -1 + width / 2), Relation.EQUAL, -1.0) == pytest.approx(9)
