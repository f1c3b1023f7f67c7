"""Intervals for counts, against binomial tails summed in exact rational arithmetic, and SciPy's own interval."""

import math
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import gammaincinv
from scipy.stats import binomtest, tvar
from scipy.stats import t as student

from verify.statistics.intervals import clopper_pearson, log, log_mean_lower, log_mean_upper, odds

LEVELS = (0.3, 0.05, 1e-3, 1e-6, 1e-9, 1e-15)


def pmf(n, p):
    """Binomial probabilities as fractions, from the definition."""
    p = Fraction(p)
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


@cache
def ends(hits, trials, level, doubtful=0):
    found = clopper_pearson(hits, trials, level, doubtful)
    return math.exp(found.lower), math.exp(found.upper)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("trials", [1, 2, 7, 40])
def test_ends_put_half_the_level_in_either_tail(trials, level):
    """The defining equations, in fractions: also at levels where `1 − level/2` keeps only a digit or two."""
    for hits in range(trials + 1):
        lower, upper = ends(hits, trials, level)
        if hits:
            assert float(sum(pmf(trials, lower)[hits:])) == pytest.approx(level / 2, rel=1e-5)
        else:
            assert lower == 0
        if hits == trials:
            assert upper == 1
        elif level > 1e-9 or upper < 0.99:  # nearer to one, float64 itself has too few numbers
            assert float(sum(pmf(trials, upper)[: hits + 1])) == pytest.approx(level / 2, rel=1e-5)


@pytest.mark.parametrize("level", [0.2, 0.01, 1e-4])
@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (0, 50), (3, 50), (50, 50), (1, 10_000), (4000, 10_000)])
def test_agrees_with_scipy(hits, trials, level):
    other = binomtest(hits, trials).proportion_ci(1 - level, method="exact")
    lower, upper = ends(hits, trials, level)
    assert lower == pytest.approx(other.low, rel=1e-9)
    assert upper == pytest.approx(other.high, rel=1e-9)
    assert clopper_pearson(hits, trials, level).estimate == (math.log(hits / trials) if hits else -math.inf)


@pytest.mark.parametrize("level", [0.3, 0.05, 1e-3, 1e-9])
@pytest.mark.parametrize("trials", [1, 5, 30, 64])
def test_exact_coverage(trials, level):
    """Sum over all outcomes, no simulation: the interval misses from either side with at most half the level."""
    for p in (
        Fraction(1, 10**6),
        Fraction(1, 100),
        Fraction(1, 7),
        Fraction(1, 2),
        Fraction(9, 10),
        Fraction(999, 1000),
    ):
        weights = pmf(trials, p)
        above = sum(w for hits, w in enumerate(weights) if p < Fraction(ends(hits, trials, level)[0]))
        below = sum(w for hits, w in enumerate(weights) if p > Fraction(ends(hits, trials, level)[1]))
        assert above <= Fraction(level) / 2
        assert below <= Fraction(level) / 2
    # Not by saying nothing: some outcome excludes some p, unless the sample is too small for the level.
    assert ends(0, trials, level)[1] < 1 or trials == 1


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_coverage_whatever_the_doubtful_trials_were(kept):
    """Every trial is in doubt with probability 0.3, most often when it is a hit, and the rest is `hits`."""
    level, trials, p = 0.05, 20, Fraction(1, 3)
    sure, doubt = [
        (Fraction(1, 30), Fraction(3, 10)),
        (Fraction(1, 3), Fraction(0)),
        (Fraction(1, 5), Fraction(7, 15)),
    ][kept]
    rest = 1 - sure - doubt  # of a trial: certain hit, in doubt, certain miss; the truth p lies in [sure, sure + doubt]
    assert sure <= p <= sure + doubt
    missed = Fraction(0)
    for hits in range(trials + 1):
        for doubtful in range(trials + 1 - hits):
            weight = math.comb(trials, hits) * math.comb(trials - hits, doubtful)
            lower, upper = ends(hits, trials, level, doubtful)
            if not lower <= p <= upper:
                missed += weight * sure**hits * doubt**doubtful * rest ** (trials - hits - doubtful)
    assert missed <= level


def test_doubtful_trials_widen_to_both_readings():
    lower, upper = ends(3, 50, 0.01, 4)
    assert lower == ends(3, 50, 0.01)[0]
    assert upper == ends(7, 50, 0.01)[1]
    assert ends(0, 5, 0.01, 5) == (0, 1)


def test_zero_hits_resolve_three_over_n():
    """The rule of three: at one-sided level 5 % zero hits in n leave everything below about 3/n."""
    for trials in (100, 10_000, 10**8):
        assert 2.9 < math.exp(clopper_pearson(0, trials, 0.1).upper) * trials < 3.0
        assert clopper_pearson(0, trials, 0.1).lower == -math.inf


def test_a_smaller_level_gives_a_wider_interval_down_to_1e_300():
    before = clopper_pearson(5, 100, 0.5)
    for power in (1, 3, 9, 15, 17, 30, 100, 300):
        found = clopper_pearson(5, 100, 10.0**-power)
        assert found.lower < before.lower
        assert before.upper < found.upper < 0
        before = found


@pytest.mark.parametrize("level", [0.2, 1e-3])
@pytest.mark.parametrize(
    ("p", "q"), [(Fraction(1, 10), Fraction(1, 5)), (Fraction(1, 2), Fraction(1, 2)), (Fraction(1, 50), Fraction(3, 5))]
)
def test_exact_coverage_of_odds(p, q, level):
    """Trials with three outcomes, all summed; with no event of either kind nothing is claimed."""
    trials, true = 24, math.log(p / q)
    missed = Fraction(0)
    for first in range(trials + 1):
        for second in range(trials + 1 - first):
            if first + second:
                found = odds(first, second, level)
                if not found.lower <= true <= found.upper:
                    weight = math.comb(trials, first) * math.comb(trials - first, second)
                    missed += weight * p**first * q**second * (1 - p - q) ** (trials - first - second)
    assert missed <= level


def test_odds_at_the_ends():
    assert odds(0, 7, 0.01).lower == -math.inf
    assert odds(0, 7, 0.01).estimate == -math.inf
    assert odds(7, 0, 0.01).upper == math.inf
    assert odds(7, 0, 0.01).estimate == math.inf
    # p/(p+q) >= (level/2)^(1/7), by hand.
    share = 0.005 ** (1 / 7)
    assert odds(7, 0, 0.01).lower == pytest.approx(math.log(share / (1 - share)))
    # Far from one the rarer event is Poisson: from 3 of them its mean is at least the 0.5 % point of Gamma(3).
    assert odds(10**6, 3, 0.01).upper == pytest.approx(math.log(10**6 / gammaincinv(3, 0.005)), abs=1e-4)


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from(LEVELS))
@example(1, 0, 1e-15)
@example(0, 1, 1e-15)
def test_odds_turn_round(first, second, level):
    if first + second == 0:
        return
    one, other = odds(first, second, level), odds(second, first, level)
    assert one.lower == pytest.approx(-other.upper, rel=1e-6, abs=1e-9)
    assert one.lower <= one.estimate <= one.upper


@pytest.mark.parametrize(
    ("hits", "trials", "level", "doubtful"),
    [
        (-1, 5, 0.1, 0),
        (0, 0, 0.1, 0),
        (4, 5, 0.1, 2),
        (1, 5, 0.1, -1),
        (1, 5, 0.0, 0),
        (1, 5, 1.0, 0),
        (1, 5, math.nan, 0),
    ],
)
def test_impossible_counts(hits, trials, level, doubtful):
    with pytest.raises(ValueError, match="got"):
        clopper_pearson(hits, trials, level, doubtful)


def test_no_odds_from_nothing():
    with pytest.raises(ValueError, match="at least one"):
        odds(0, 0, 0.1)
    with pytest.raises(ValueError, match="expected"):
        odds(-1, 3, 0.1)
    assert log(0) == -math.inf


def test_lower_end_of_a_mean():
    # One estimate, bet in full: the bound of Markov is Z level; the mixture of bets costs a little.
    assert math.log(0.05) - math.log(8) <= log_mean_lower([0.0], 0.05) <= math.log(0.05) + 1.0
    # Equal estimates: ever nearer to them.
    bounds = [log_mean_lower([-50.0] * count, 0.05) for count in (1, 4, 16, 64)]
    assert bounds == sorted(bounds)
    assert -50.1 < bounds[-1] < -50
    # An estimate of zero does not ruin the rest.
    assert -5 < log_mean_lower([-math.inf, 0.0, 0.0, 0.0], 0.05) < 0
    assert log_mean_lower([-math.inf] * 5, 0.05) == -math.inf
    # Scale.
    logs = [-1.0, -3.0, 0.5]
    assert log_mean_lower([log - 700 for log in logs], 0.01) == pytest.approx(log_mean_lower(logs, 0.01) - 700)


def test_lower_end_of_a_mean_has_its_level_for_heavy_tails():
    """Z = 100 with probability 1 %, or a log-normal: the bound exceeds the mean in at most 10 % of cases."""
    rng = np.random.default_rng(8)
    with np.errstate(divide="ignore"):
        sparse = np.log(100.0 * (rng.random((250, 8)) < 0.01))
    normal = 3 * rng.standard_normal((250, 8)) - 4.5
    for logs in (sparse, normal):
        assert np.mean([log_mean_lower(row, 0.1) > 0 for row in logs]) <= 0.16  # level 0.1 and three standard errors


@pytest.mark.parametrize("level", [0.3, 0.01, 1e-7])
def test_lower_end_of_a_mean_is_where_the_average_of_the_bets_reaches_one_over_the_level(level):
    """The martingale of the docstring, multiplied out; a mean just below the bound would be refuted, itself not."""
    bets = (0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
    for values in ((2.0, 0.7, 1.1, 0.0, 0.4), (0.3,), (1.0,) * 30, (0.0, 0.0, 5.0, 0.01)):
        with np.errstate(divide="ignore"):
            bound = math.exp(log_mean_lower(np.log(values), level))
        wealth = [math.prod(1 + bet * (value / bound - 1) for value in values) for bet in bets]
        assert sum(wealth) / len(bets) == pytest.approx(1 / level, rel=1e-6)
        assert 0 < bound <= max(values)


@pytest.mark.parametrize("level", [0.3, 0.01])
@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_upper_end_of_a_mean_is_cox_s(spread, level):
    """`m + s²/2 + t √(s²/n + s⁴/(2(n − 1)))`, with SciPy's variance and quantile; zeros are left aside."""
    logs = (spread * np.random.default_rng(2).standard_normal(9) - 5).tolist()
    variance = tvar(logs)
    width = math.sqrt(variance / 9 + variance**2 / 16) * student.isf(level, 8)
    expected = np.mean(logs) + variance / 2 + width
    assert log_mean_upper(logs, level) == pytest.approx(expected)
    assert log_mean_upper([-math.inf, *logs, -math.inf], level) == pytest.approx(expected)
    assert log_mean_upper([-math.inf, *logs[:2]], level) == math.inf
    assert log_mean_upper(logs[:3], level) < math.inf


def test_upper_end_of_a_mean_for_log_normal_values():
    """400 samples of 12 at level 0.05: more than 40 misses by chance with probability below 1e-4 if it is met."""
    rng = np.random.default_rng(4)
    missed = sum(log_mean_upper(rng.standard_normal(12) - 0.5, 0.05) < 0 for _ in range(400))
    assert 4 <= missed <= 40
    assert log_mean_upper([-1.0, -math.inf, -2.0], 0.1) == math.inf
    assert log_mean_upper([-3.0] * 5, 0.1) == pytest.approx(-3.0)
