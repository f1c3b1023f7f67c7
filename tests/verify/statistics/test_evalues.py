"""E-values: their mean under every true claim by exact sums, also for a run that stops where it suits it; their
growth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import betaln
from scipy.stats import binom

from verify.relations import Relation
from verify.statistics.estimates import (
    CertifiedMean,
    CertifiedQuantile,
    Counterexamples,
    Exact,
    NestedOdds,
    NestedQuantile,
    Odds,
    Proportion,
    Replicates,
)
from verify.statistics.evalues import INNER_MISS, log_e_of_trials, log_e_value, log_mean

BOUNDS = (0.5, 0.1, 0.003, 0.97, 1e-5)
ROUNDING = 1e-9


def truths(bound, upper):
    return [bound * share if upper else 1 - (1 - bound) * share for share in (1.0, 0.9, 0.5, 0.1)]


def sides(relation, bound):
    if relation is Relation.EQUAL:
        return [bound]
    return truths(bound, relation is Relation.AT_MOST)


@pytest.mark.parametrize("relation", [Relation.AT_MOST, Relation.AT_LEAST, Relation.EQUAL])
@pytest.mark.parametrize("bound", BOUNDS)
def test_the_mean_of_an_e_value_is_at_most_one_however_a_run_stops(relation, bound):
    """Backwards induction over all stopping rules: what is the most that stopping by what was seen can bring?"""
    last = 60
    e = [[math.exp(log_e_value(Proportion(h, n), relation, math.log(bound))) for h in range(n + 1)]
         for n in range(1, last + 1)]  # fmt: skip
    for p in sides(relation, bound):
        for n in (1, 7, last):
            weights = binom.pmf(np.arange(n + 1), n, p)
            assert weights @ np.array(e[n - 1]) <= 1 + ROUNDING
        best = np.array(e[-1])
        for n in range(last - 1, 0, -1):
            best = np.maximum(e[n - 1], (1 - p) * best[:-1] + p * best[1:])
        assert (1 - p) * best[0] + p * best[1] <= 1 + ROUNDING


def test_a_fixed_interval_would_not_pass():
    """The same induction finds that a p-value is no e-value: stopping at will makes it too small too often."""
    last, p, level = 60, 0.5, 0.05
    rejects = [binom.sf(np.arange(n + 1) - 1, n, p) <= level for n in range(1, last + 1)]
    best = rejects[-1].astype(float)
    for n in range(last - 1, 0, -1):
        best = np.maximum(rejects[n - 1], (best[:-1] + best[1:]) / 2)
    assert (best[0] + best[1]) / 2 > 2 * level


@pytest.mark.parametrize(("bound", "truth"), [(0.1, 0.2), (0.01, 0.03), (1e-5, 1e-4), (0.9, 0.97)])
def test_growth_under_a_false_claim(bound, truth):
    """About as fast as the likelihood ratio of the truth itself, less half a log of the sample (a few nats)."""
    for trials in (int(400 / truth), int(4000 / truth)):
        rate = truth * math.log(truth / bound) + (1 - truth) * math.log((1 - truth) / (1 - bound))
        found = log_e_value(Proportion(round(truth * trials), trials), Relation.AT_MOST, math.log(bound))
        assert found > rate * trials - math.log(trials) - 5
        assert found < rate * trials + 1e-6
        true = log_e_value(Proportion(round(bound / 2 * trials), trials), Relation.AT_MOST, math.log(bound))
        assert true < 0


def test_the_two_sided_mixture_has_the_published_closed_form():
    """Without the cut the mixture is a quotient of beta functions (Robbins 1970; Howard et al. 2021, prop. 7)."""
    hits, trials, p = 37, 100, 0.5
    closed = betaln(0.5 + hits, 0.5 + trials - hits) - betaln(0.5, 0.5) - trials * math.log(0.5)
    both = [log_e_of_trials(hits, trials, math.log(p), upper) for upper in (True, False)]
    assert log_mean(both) == pytest.approx(closed, rel=1e-12)  # half of the density lies at either side of one half


def test_a_bound_below_the_smallest_float():
    found = log_e_value(Proportion(2, 1000), Relation.AT_MOST, -5000.0)
    assert 9000 < found < 10000
    assert log_e_value(Proportion(0, 1000), Relation.AT_MOST, -5000.0) <= 0.0


def test_doubtful_trials_count_for_the_claim():
    bound = math.log(0.2)
    for relation, sure in ((Relation.AT_MOST, Proportion(30, 100)), (Relation.AT_LEAST, Proportion(15, 100))):
        doubt = Proportion(sure.hits if relation is Relation.AT_MOST else sure.hits - 5, 100, 5)
        assert log_e_value(doubt, relation, bound) == log_e_value(sure, relation, bound)
        for h in range(doubt.hits, doubt.hits + 6):  # whatever they were
            assert log_e_value(doubt, relation, bound) <= log_e_value(Proportion(h, 100), relation, bound) + ROUNDING


@pytest.mark.parametrize("relation", [Relation.AT_MOST, Relation.AT_LEAST])
def test_ratios_are_trials_among_the_events(relation):
    for ratio in (0.2, 1.0, 7.0):
        share = ratio / (1 + ratio)
        one = log_e_value(Odds(30, 50, 1000), relation, math.log(ratio))
        other = log_e_value(Proportion(30, 80), relation, math.log(share))
        assert one == pytest.approx(other, rel=1e-9)
        assert log_e_value(Odds(30, 50, 1000, 3, 4), relation, math.log(ratio)) < one
    assert log_e_value(Odds(0, 0, 10), relation, 0.0) == 0.0


def test_quantiles_are_trials_beyond_the_bound():
    """Sums over the binomial distribution of the number of values below a bound that is the quantile."""
    tail, n, v = 0.25, 40, math.log(0.3)
    for relation in (Relation.AT_MOST, Relation.AT_LEAST):
        mean = 0.0
        for below in range(n + 1):
            logs = (v - 1.0,) * below + (v + 1.0,) * (n - below)
            found = log_e_value(CertifiedQuantile(logs, tail, logs), relation, v)
            mean += binom.pmf(below, n, tail) * math.exp(found)
        assert 0.1 < mean <= 1 + ROUNDING
    wide = CertifiedQuantile((v - 1,) * n, tail, (v + 1,) * n)
    assert max(log_e_value(wide, relation, v) for relation in (Relation.AT_MOST, Relation.AT_LEAST)) <= 0
    loose = CertifiedQuantile((v + 1,) * n, tail, (v + 1,) * n, miss=0.01)
    assert log_e_value(loose, Relation.AT_MOST, v) < log_e_value(
        CertifiedQuantile((v + 1,) * n, tail, (v + 1,) * n), Relation.AT_MOST, v
    )


@pytest.mark.parametrize("relation", [Relation.AT_MOST, Relation.AT_LEAST])
def test_nested_quantiles_by_exact_sums(relation):
    """The worst volumes at the boundary: a share of `tail` far above the bound, the others at it (or just below)."""
    tail, inner, outer, volume = 0.3, 50, 12, 0.2
    a, b = binom.isf(INNER_MISS, inner, volume) + 1, binom.ppf(INNER_MISS, inner, volume)
    high = tail + (1 - tail) * binom.sf(a - 1, inner, volume)  # at the bound, and yet counted above
    low = tail * binom.sf(b - 1, inner, volume)  # at the bound, and counted as below
    mean = 0.0
    for above in range(outer + 1):
        hits = (inner,) * above + (0,) * (outer - above)
        estimate = NestedQuantile(hits, (0,) * outer, inner, tail)
        share = high if relation is Relation.AT_MOST else low
        mean += binom.pmf(above, outer, share) * math.exp(log_e_value(estimate, relation, math.log(volume)))
    assert 0.05 < mean <= 1 + ROUNDING
    ratio = math.log(volume / (1 - volume))
    first, second = tuple(h for h in hits), tuple(inner - h for h in hits)
    odds = NestedOdds(first, second, (0,) * outer, (0,) * outer, inner, tail)
    assert log_e_value(odds, relation, ratio) == pytest.approx(log_e_value(estimate, relation, math.log(volume)))


def test_means_of_bounded_values_by_exact_sums():
    """Values 0 and 1 with the mean at the bound, so that their sum is binomial."""
    n, p = 25, 0.3
    for relation in (Relation.AT_MOST, Relation.AT_LEAST):
        mean = grown = 0.0
        for ones in range(n + 1):
            logs = (0.0,) * ones + (-math.inf,) * (n - ones)
            e = math.exp(log_e_value(CertifiedMean(logs, logs), relation, math.log(p)))
            mean += binom.pmf(ones, n, p) * e
            grown += binom.pmf(ones, n, 0.8 if relation is Relation.AT_MOST else 0.02) * e
        assert 0.5 < mean <= 1 + ROUNDING
        assert grown > 3
    estimate = Replicates((0.0,) * 5 + (-math.inf,) * 20, 100)
    logs = (0.0,) * 5 + (-math.inf,) * 20
    expected = log_e_value(CertifiedMean(logs, logs), Relation.AT_MOST, math.log(p))
    assert log_e_value(estimate, Relation.AT_MOST, math.log(p)) == expected
    assert log_e_value(estimate, Relation.AT_LEAST, math.log(p)) is None  # the upper end is not proved


def test_where_there_is_none():
    hit = Proportion(3, 10)
    assert log_e_value(hit, Relation.AT_MOST, 0.0) is None  # a probability is below one anyway
    assert log_e_value(hit, Relation.AT_LEAST, -math.inf) is None
    assert log_e_value(hit, Relation.ASYMPTOTICALLY_AT_MOST, -1.0) is None
    assert log_e_value(hit, Relation.AT_MOST, math.nan) is None
    assert log_e_value(Exact(-3.0), Relation.AT_MOST, -1.0) is None


def test_claims_about_all_instances():
    assert log_e_value(Counterexamples(0, 100), Relation.AT_MOST, -math.inf) == 0.0
    assert log_e_value(Counterexamples(1, 100), Relation.AT_MOST, -math.inf) == math.inf
    assert log_e_value(Proportion(0, 100, 4), Relation.EQUAL, -math.inf) == 0.0
    assert log_e_value(Proportion(99, 100), Relation.AT_LEAST, 0.0) == math.inf
    assert log_e_value(Proportion(99, 100, 1), Relation.AT_LEAST, 0.0) == 0.0


def test_the_mean_of_e_values():
    assert log_mean([0.0, math.log(3)]) == pytest.approx(math.log(2))
    assert log_mean([0.0, math.inf]) == math.inf
    assert log_mean([-math.inf, 0.0]) == pytest.approx(-math.log(2))
    assert log_mean([]) == 0.0
