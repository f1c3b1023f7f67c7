"""What a sample finds, against exact binomial sums over all that could be seen and the judge of verdicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from verify.relations import Relation
from verify.statistics.estimates import Exact, Odds, Proportion, judge
from verify.statistics.power import POWER, detectable
from verify.verdicts import Outcome


def caught(trials, bound, relation, level, truth):
    """The probability that the judge says *violated*."""
    seen = np.arange(trials + 1)
    violated = [
        judge(Proportion(int(h), trials), relation, math.log(bound), level).outcome is Outcome.VIOLATED for h in seen
    ]
    return float(binom.pmf(seen, trials, truth) @ np.array(violated))


@pytest.mark.parametrize("relation", [Relation.AT_MOST, Relation.AT_LEAST])
@pytest.mark.parametrize(("trials", "bound"), [(200, 0.1), (200, 0.5), (1000, 0.01)])
def test_the_least_violation_is_caught_with_the_declared_power_and_no_more(relation, trials, bound):
    level = 1e-3
    factor = math.exp(detectable(Proportion(0, trials), relation, math.log(bound), level))
    if math.isinf(factor):
        assert caught(trials, bound, relation, level, 0.0) < POWER
        return
    truth = bound * factor if relation is Relation.AT_MOST else bound / factor
    assert caught(trials, bound, relation, level, truth) == pytest.approx(POWER, abs=1e-6)


def test_equalities_ratios_and_what_has_no_answer():
    wide = detectable(Proportion(0, 10**7), Relation.EQUAL, math.log(0.3), 1e-3)
    assert wide == 0.5  # the resolution up to which an equality is supported
    narrow = [detectable(Proportion(0, 100), r, math.log(0.3), 1e-3) for r in (Relation.AT_MOST, Relation.AT_LEAST)]
    assert detectable(Proportion(0, 100), Relation.EQUAL, math.log(0.3), 1e-3) == max(narrow)
    ratio = detectable(Odds(30, 70, 1000), Relation.AT_MOST, 0.0, 1e-3)
    share = 0.5 * math.exp(detectable(Proportion(0, 100), Relation.AT_MOST, math.log(0.5), 1e-3))
    assert ratio == pytest.approx(math.log(share / (1 - share)))
    assert detectable(Proportion(0, 100), Relation.AT_LEAST, math.log(1e-3), 1e-3) == math.inf
    for estimate, relation, bound in (
        (Proportion(1, 10), Relation.AT_MOST, 0.0),
        (Proportion(1, 10), Relation.ASYMPTOTICALLY_AT_MOST, -1.0),
        (Odds(0, 0, 10), Relation.AT_MOST, 0.0),
        (Exact(-1.0), Relation.AT_MOST, -1.0),
    ):
        assert detectable(estimate, relation, bound, 1e-3) is None
