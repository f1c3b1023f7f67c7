"""The judge by cases, and the coverage of the quantile intervals, summed exactly over all outcomes."""

import itertools
import math
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from verify.relations import Relation
from verify.statistics.estimates import (
    EQUALITY_RESOLUTION,
    CertifiedMean,
    CertifiedQuantile,
    Counterexamples,
    Estimate,
    Exact,
    NestedOdds,
    NestedQuantile,
    Odds,
    Proportion,
    Replicates,
    judge,
    judge_within,
)
from verify.statistics.intervals import Interval, log_mean_lower, log_mean_upper
from verify.verdicts import Evidence, Leaning, Outcome

EQ, LE, GE = Relation.EQUAL, Relation.AT_MOST, Relation.AT_LEAST
LEDOT, GEDOT = Relation.ASYMPTOTICALLY_AT_MOST, Relation.ASYMPTOTICALLY_AT_LEAST
HOLDS, VIOLATED, UNDECIDED, VACUOUS = Outcome.HOLDS, Outcome.VIOLATED, Outcome.UNDECIDED, Outcome.VACUOUS
INF = math.inf
LEVEL = 1e-3

HALF = Proportion(500, 1000)  # at level 1e-3: 0.447 to 0.553
NONE = Proportion(0, 1000)  # up to 0.0076
UNSURE = Proportion(400, 1000, 200)  # 0.35 to 0.65
EVEN = Odds(500, 500, 2000)  # 0.8 to 1.24
RARE = Odds(0, 500, 2000)  # up to 0.015
LARGE = Odds(900, 100, 2000)  # 6.4 to 13.0
NESTED = NestedQuantile((64,) * 400, (0,) * 400, 256, 0.5)  # about 1/4
PROVED = CertifiedQuantile((math.log(0.25),) * 100, 0.5)  # at least 1/4

CASES = [
    (HALF, LE, 0.6, HOLDS),
    (HALF, LE, 0.5, UNDECIDED),
    (HALF, LE, 0.4, VIOLATED),
    (HALF, LE, 1.0, VACUOUS),
    (HALF, LE, 30.0, VACUOUS),
    (HALF, LE, INF, VACUOUS),
    (HALF, LE, 0.0, VIOLATED),
    (HALF, GE, 0.6, VIOLATED),
    (HALF, GE, 0.5, UNDECIDED),
    (HALF, GE, 0.4, HOLDS),
    (HALF, GE, 0.0, VACUOUS),
    (HALF, GE, 1.0, VIOLATED),
    (HALF, GE, 2.0, VIOLATED),
    (HALF, EQ, 0.5, HOLDS),
    (HALF, EQ, 0.6, VIOLATED),
    (HALF, EQ, 0.4, VIOLATED),
    (HALF, EQ, 0.0, VIOLATED),
    (Proportion(5, 10), EQ, 0.5, UNDECIDED),  # not refuted, and far too wide to support an equality
    (NONE, LE, 0.01, HOLDS),
    (NONE, LE, 0.005, UNDECIDED),  # zero hits never support a bound below their resolution
    (NONE, LE, 0.0, HOLDS),  # "never happens", down to the resolution that the text names
    (NONE, EQ, 0.0, HOLDS),
    (NONE, GE, 0.01, VIOLATED),
    (NONE, GE, 0.005, UNDECIDED),
    (NONE, GE, 0.0, VACUOUS),
    (Proportion(0, 1000, 1), LE, 0.0, UNDECIDED),
    (Proportion(1, 1000, 5), LE, 0.0, VIOLATED),
    (UNSURE, LE, 0.6, UNDECIDED),
    (UNSURE, LE, 0.66, HOLDS),
    (UNSURE, GE, 0.34, HOLDS),
    (UNSURE, LE, 0.34, VIOLATED),
    (EVEN, LE, 1.3, VACUOUS),
    (EVEN, LE, 0.7, VIOLATED),
    (EVEN, LE, 0.9, UNDECIDED),
    (EVEN, GE, 0.7, HOLDS),
    (EVEN, GE, 1.3, VIOLATED),
    (EVEN, EQ, 1.0, HOLDS),
    (LARGE, LE, 5.0, VIOLATED),  # a ratio can contradict a bound above one
    (LARGE, LE, 8.0, VACUOUS),
    (LARGE, GE, 5.0, HOLDS),
    (RARE, LE, 0.02, HOLDS),
    (RARE, LE, 0.0, UNDECIDED),
    (RARE, GE, 0.02, VIOLATED),
    (Odds(0, 0, 50), LE, 0.5, UNDECIDED),
    (Odds(0, 0, 50, 3, 2), LE, 0.5, UNDECIDED),
    (Odds(20, 0, 50), LE, 0.5, VIOLATED),
    (Odds(5, 0, 50), LE, 0.5, UNDECIDED),
    (Odds(0, 500, 2000, 30, 0), LE, 0.02, UNDECIDED),
    (Odds(500, 500, 2000, 0, 500), GE, 0.7, UNDECIDED),
    (Odds(500, 500, 2000, 0, 500), LE, 0.3, VIOLATED),
    (Exact(math.log(0.5)), LE, 0.5, HOLDS),
    (Exact(math.log(0.5)), EQ, 0.5, HOLDS),
    (Exact(math.log(0.5)), GE, 0.5, HOLDS),
    (Exact(math.log(0.5)), LE, 0.4999, VIOLATED),
    (Exact(math.log(0.5)), GE, 0.5001, VIOLATED),
    (Exact(math.log(0.5)), EQ, 0.5001, VIOLATED),
    (Exact(math.log(5)), LE, 7.0, HOLDS),  # need not be a probability
    (Exact(math.log(5)), LE, 3.0, VIOLATED),
    (Exact(-INF), EQ, 0.0, HOLDS),
    (Exact(-INF), LE, 0.0, HOLDS),
    (Exact(-INF), LE, 0.1, HOLDS),
    (Exact(-INF), GE, 0.1, VIOLATED),
    (Exact(-INF), EQ, 0.1, VIOLATED),
    (Exact(-3.0), LE, 0.0, VIOLATED),
    (Exact(-3.0), EQ, 0.0, VIOLATED),
    (Exact(-3.0), GE, 0.0, VACUOUS),
    (NESTED, LE, 0.5, HOLDS),
    (NESTED, LE, 0.25, UNDECIDED),
    (NESTED, LE, 0.1, VIOLATED),
    (NESTED, GE, 0.1, HOLDS),
    (NESTED, GE, 0.5, VIOLATED),
    (NESTED, LE, 1.0, VACUOUS),
    (NESTED, LE, 0.0, VIOLATED),
    (PROVED, GE, 0.2, HOLDS),
    (PROVED, GE, 0.3, UNDECIDED),  # nothing bounds the volume from above
    (PROVED, LE, 0.2, VIOLATED),
    (PROVED, LE, 0.3, UNDECIDED),
    (CertifiedQuantile((-INF,) * 100, 0.5), GE, 0.2, UNDECIDED),
    (CertifiedQuantile((-1.0,) * 100, 1.2), GE, 0.2, UNDECIDED),
    (Counterexamples(0, 50), LE, 0.5, HOLDS),
    (Counterexamples(1, 50), LE, 1.0, VIOLATED),
    (Counterexamples(0, 50, 1), EQ, 0.0, UNDECIDED),
    (Counterexamples(1, 50, 3), EQ, 0.0, VIOLATED),
]


def log(value):
    return math.log(value) if 0 < value < INF else -INF if value == 0 else INF


@pytest.mark.parametrize(("estimate", "relation", "bound", "outcome"), CASES)
def test_judge(estimate, relation, bound, outcome):
    verdict = judge(estimate, relation, log(bound), LEVEL)
    assert verdict.outcome is outcome
    assert verdict.evidence is estimate.evidence
    assert verdict.leaning is None


@pytest.mark.parametrize(
    ("estimate", "bound", "below", "above"),
    [
        (HALF, 0.6, Leaning.SUPPORTS, Leaning.AGAINST),
        (HALF, 0.4, Leaning.AGAINST, Leaning.SUPPORTS),
        (HALF, 0.5, None, None),
        (EVEN, 0.7, Leaning.AGAINST, Leaning.SUPPORTS),
        (LARGE, 5.0, Leaning.AGAINST, Leaning.SUPPORTS),
        (NESTED, 0.5, Leaning.SUPPORTS, Leaning.AGAINST),
        (PROVED, 0.2, Leaning.AGAINST, Leaning.SUPPORTS),
        (Exact(-1.0), math.exp(-2), Leaning.AGAINST, Leaning.SUPPORTS),
    ],
)
def test_an_asymptotic_claim_is_never_decided_at_one_size(estimate, bound, below, above):
    for relation, leaning in ((LEDOT, below), (GEDOT, above)):
        verdict = judge(estimate, relation, log(bound), LEVEL)
        assert (verdict.outcome, verdict.evidence, verdict.leaning) == (UNDECIDED, Evidence.TREND, leaning)


@pytest.mark.parametrize("hits", [0, 1, 1000])
@pytest.mark.parametrize("bound", [-INF, -1e6, -1.0, 0.0, 5.0])
def test_asymptotic_relations_neither_hold_nor_fail_at_any_bound(hits, bound):
    for relation in (LEDOT, GEDOT):
        assert judge(Proportion(hits, 1000), relation, bound, LEVEL).outcome in (UNDECIDED, VACUOUS)


def test_not_a_number_is_an_error():
    assert judge(HALF, LE, math.nan, LEVEL).outcome is Outcome.ERROR
    assert judge(Exact(math.nan), LE, -1.0, LEVEL).outcome is Outcome.ERROR


def test_equality_is_supported_by_a_narrow_interval_only():
    for hits, trials in itertools.product((5, 50, 500), (1000,)):
        found = Proportion(hits, trials).interval(LEVEL)
        narrow = found.upper - found.lower <= 2 * EQUALITY_RESOLUTION
        outcome = judge(Proportion(hits, trials), EQ, log(hits / trials), LEVEL).outcome
        assert outcome is (HOLDS if narrow else UNDECIDED)
    assert judge(Proportion(5, 1000), EQ, log(0.005), LEVEL).outcome is UNDECIDED


@pytest.mark.parametrize(("half", "outcome"), [(0.249, HOLDS), (0.251, UNDECIDED), (0.3, UNDECIDED), (0.49, UNDECIDED)])
def test_an_equality_holds_within_a_factor_of_the_root_of_e_only(half, outcome):
    """At most 0.5 wide, as `docs/soundness.md` says; wherever in the interval the bound lies."""
    for log_bound in (-3 - 0.9 * half, -3.0, -3 + 0.9 * half):
        assert judge_within(HALF, Interval(-3 - half, -3.0, -3 + half), EQ, log_bound).outcome is outcome
    assert judge_within(HALF, Interval(-3 - half, -3.0, -3 + half), EQ, -2.0).outcome is VIOLATED


def test_zero_hits_name_their_resolution():
    text = judge(Proportion(0, 1000), LE, -INF, 0.1).text
    assert "0.003" in text
    assert "resolves" not in judge(Counterexamples(0, 9, evidence=Evidence.EXACT), EQ, 0.0, LEVEL).text


def test_counts_and_protocol():
    assert Proportion(1, 9, 2).counts() == {"hits": 1, "trials": 9, "doubtful": 2}
    assert Odds(1, 2, 9, 3, 4).counts() == {"hits": 1, "against": 2, "trials": 9, "doubtful": 7}
    assert NestedQuantile((1, 2), (3, 0), 9, 0.5).counts() == {"trials": 2, "inner": 9, "hits": 3, "doubtful": 3}
    assert Exact(0.0).counts() == {}
    assert Exact(0.0, trials=7).counts() == {"trials": 7}
    for estimate in (HALF, EVEN, NESTED, PROVED, Exact(0.0), Counterexamples(0, 1)):
        assert isinstance(estimate, Estimate)


def test_nothing_is_in_doubt_unless_it_is_said():
    assert Proportion(5, 20) == Proportion(5, 20, 0)
    assert Odds(5, 7, 20) == Odds(5, 7, 20, 0, 0)
    assert Counterexamples(0, 20) == Counterexamples(0, 20, 0, Evidence.STATISTICAL)
    assert CertifiedQuantile((-3.0,), 0.5) == CertifiedQuantile((-3.0,), 0.5, None, log_most=0.0, miss=0.0)
    assert Exact(-1.0).evidence is Evidence.EXACT


def three_outcomes(trials, p, q, level, doubt=Fraction(0)):
    """Probability that the interval of the odds misses `p/q`, summed over all outcomes.

    Of the trials with either event, a share `doubt` is in doubt: it counts as possibly both.
    """
    true, missed = math.log(p / q), Fraction(0)
    cells = [p * (1 - doubt), q * (1 - doubt), (p + q) * doubt, 1 - p - q]
    for first in range(trials + 1):
        for second in range(trials + 1 - first):
            for unsure in range(trials + 1 - first - second if doubt else 1):
                found = Odds(first, second, trials, unsure, unsure).interval(level)
                if not found.lower <= true <= found.upper:
                    rest = trials - first - second - unsure
                    ways = math.factorial(trials) // math.prod(map(math.factorial, (first, second, unsure, rest)))
                    weights = zip(cells, (first, second, unsure, rest), strict=True)
                    missed += ways * math.prod(cell**count for cell, count in weights)
    return missed


@pytest.mark.parametrize(("p", "q"), [(Fraction(1, 10), Fraction(1, 5)), (Fraction(1, 20), Fraction(4, 5))])
def test_odds_cover(p, q):
    assert three_outcomes(24, p, q, 0.05) <= 0.05
    assert three_outcomes(10, p, q, 0.05, Fraction(1, 4)) <= 0.05


def binomial(n, p):
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def sorted_outcomes(outer, weights):
    """All multisets of counts with their probabilities, for independent draws with these weights."""
    values = [value for value, weight in enumerate(weights) if weight]
    for chosen in itertools.combinations_with_replacement(values, outer):
        ways = math.factorial(outer)
        for value in set(chosen):
            ways //= math.factorial(chosen.count(value))
        yield chosen, ways * math.prod(weights[value] for value in chosen)


@cache
def nested(hits, trials, tail, level):
    return NestedQuantile(hits, (0,) * len(hits), trials, tail).interval(level)


@pytest.mark.parametrize(
    ("volumes", "tail", "quantile"),
    [
        # (volume, its probability over X): P(V > v) <= tail first at `quantile`.
        (((Fraction(1, 10), Fraction(1)),), 0.5, Fraction(1, 10)),
        (((Fraction(1, 10), Fraction(1, 2)), (Fraction(9, 10), Fraction(1, 2))), 0.5, Fraction(1, 10)),
        (((Fraction(1, 10), Fraction(49, 100)), (Fraction(9, 10), Fraction(51, 100))), 0.5, Fraction(9, 10)),
        (((Fraction(0), Fraction(7, 10)), (Fraction(1, 2), Fraction(3, 10))), 0.25, Fraction(1, 2)),
        (((Fraction(0), Fraction(3, 4)), (Fraction(1, 2), Fraction(1, 4))), 0.25, Fraction(0)),
        (((Fraction(1, 3), Fraction(3, 10)), (Fraction(1), Fraction(7, 10))), 0.25, Fraction(1)),
    ],
)
def test_nested_quantile_covers_exactly(volumes, tail, quantile):
    """Few inner trials, so that the counts say little about each volume; both ends miss within half the level."""
    outer, trials, level = 8, 4, 0.2
    weights = [Fraction(0)] * (trials + 1)
    for volume, share in volumes:
        for count, weight in enumerate(binomial(trials, volume)):
            weights[count] += share * weight
    too_high = too_low = total = Fraction(0)
    for hits, weight in sorted_outcomes(outer, weights):
        found = nested(hits, trials, tail, level)
        assert found.lower <= found.estimate <= found.upper
        too_high += weight * (found.lower > log(quantile) + 1e-12)
        too_low += weight * (found.upper < log(quantile) - 1e-12 and quantile > 0)
        total += weight
    assert total == 1
    assert too_high <= Fraction(level) / 2
    assert too_low <= Fraction(level) / 2


def exact_tests(hits, possible, trials, tail, level, thresholds):
    """The thresholds that are shown to be below, and above, the quantile: the docstring in fractions."""
    outer = len(hits)
    eta = Fraction(5, 100) / outer

    def tail_sum(count, p, upper):
        weights = binomial(outer, p)
        return sum(weights[count:] if upper else weights[: count + 1])

    def shown(v):
        weights = binomial(trials, v)
        a = next(a for a in range(trials + 2) if sum(weights[a:]) <= eta)
        b = max(b for b in range(trials + 1) if sum(weights[:b]) <= eta)
        many, some = sum(h >= a for h in hits), sum(h >= b for h in possible)
        # Lower Clopper–Pearson end > tail + eta iff P(Bin(outer, tail + eta) >= many) < level/2; likewise above.
        least, most = Fraction(tail) + eta, Fraction(tail) * (1 - eta)
        return (
            many > 0 and least < 1 and tail_sum(many, least, True) < Fraction(level) / 2,
            some < outer and tail_sum(some, most, False) < Fraction(level) / 2,
        )

    answers = [shown(v) for v in thresholds]
    return (
        [v for v, (above, _) in zip(thresholds, answers, strict=True) if above],
        [v for v, (_, below) in zip(thresholds, answers, strict=True) if below],
    )


@pytest.mark.parametrize(("tail", "seed"), [(0.5, 1), (0.25, 2), (0.1, 3)])
def test_nested_quantile_is_as_sharp_as_its_docstring(tail, seed):
    """Against the two tests of the docstring, evaluated in fractions on a grid of thresholds."""
    rng = np.random.default_rng(seed)
    outer, trials, level = 40, 60, 0.05
    hits = tuple(int(h) for h in rng.binomial(trials, rng.beta(2, 5, outer)))
    doubtful = tuple(int(rng.integers(0, 3)) if h < trials - 2 else 0 for h in hits)
    possible = [h + d for h, d in zip(hits, doubtful, strict=True)]
    found = NestedQuantile(hits, doubtful, trials, tail).interval(level)
    grid = [Fraction(k, 100) for k in range(1, 100)]
    below_it, above_it = exact_tests(hits, possible, trials, tail, level, grid)
    assert float(max(below_it, default=Fraction(0))) <= math.exp(found.lower) * 1.002
    assert math.exp(found.lower) <= float(max(below_it, default=Fraction(0))) + 0.01 + 1e-9
    assert float(min(above_it, default=Fraction(1))) >= math.exp(found.upper) / 1.002
    assert math.exp(found.upper) >= float(min(above_it, default=Fraction(1))) - 0.01 - 1e-9
    assert found.upper < 0 or tail == 0.1


def test_nested_quantile_pays_for_the_inner_sample():
    """The eta of the docstring: 10 data sets, so 0.005, at tails within and beyond it of the outer frequency's end.

    All counts high: the frequency is shown to exceed `(level/2)^(1/10)`. All zero: to be below one minus that.
    """
    level, eta = 0.05, 0.005
    end = (level / 2) ** (1 / 10)
    for share, shown in ((0.4, False), (0.9, False), (1.1, True)):
        assert (NestedQuantile((50,) * 10, (0,) * 10, 50, end - share * eta).interval(level).lower > -INF) is shown
        tail = (1 - end) / (1 - eta) * (1 + (share - 1) * eta)
        assert (NestedQuantile((0,) * 10, (0,) * 10, 50, tail).interval(level).upper < 0) is shown


def test_nested_quantile_of_doubtful_counts_contains_both_readings():
    hits, doubtful = (3, 0, 7, 9, 2, 5) * 8, (1, 4, 0, 1, 0, 2) * 8
    both = [
        NestedQuantile(h, (0,) * 48, 10, 0.5).interval(0.05)
        for h in (hits, tuple(map(sum, zip(hits, doubtful, strict=True))))
    ]
    wide = NestedQuantile(hits, doubtful, 10, 0.5).interval(0.05)
    assert wide.lower == both[0].lower
    assert wide.upper == both[1].upper


@pytest.mark.parametrize(("tail", "seed"), [(0.5, 4), (0.25, 5)])
def test_nested_odds_are_as_sharp_as_the_docstring(tail, seed):
    """With as many events of either kind for each X, the share of the first is a binomial frequency like any other."""
    rng = np.random.default_rng(seed)
    outer, trials, level = 40, 30, 0.05
    first = tuple(int(h) for h in rng.binomial(trials, rng.beta(2, 5, outer)))
    none = (0,) * outer
    found = NestedOdds(first, tuple(trials - h for h in first), none, none, 500, tail).interval(level)
    below_it, above_it = exact_tests(first, first, trials, tail, level, [Fraction(k, 100) for k in range(1, 100)])
    share = [math.exp(end) / (1 + math.exp(end)) for end in (found.lower, found.upper)]
    assert max(below_it) / 1.002 <= share[0] <= max(below_it) + 0.01
    assert min(above_it) - 0.01 <= share[1] <= min(above_it) * 1.002
    ordered = sorted(h / (trials - h) for h in first)
    assert found.estimate == pytest.approx(math.log(ordered[math.ceil((1 - tail) * outer) - 1]))


def test_nested_odds_count_what_is_in_doubt_against_either_end():
    """Each end is that of the worst reading, whatever the undecided trials were; and no reading goes beyond it."""
    rng = np.random.default_rng(6)
    outer = 30
    first, second, maybe, perhaps = (rng.integers(1, top, outer) for top in (20, 30, 4, 6))
    none = (0,) * outer

    def ends(a, b):
        found = NestedOdds(tuple(a.tolist()), tuple(b.tolist()), none, none, 90, 0.25).interval(0.05)
        return found.lower, found.upper

    wide = NestedOdds(*(tuple(v.tolist()) for v in (first, second, maybe, perhaps)), 90, 0.25)
    found = wide.interval(0.05)
    assert found.lower == ends(first, second + perhaps)[0] < ends(first, second)[0]
    assert found.upper == ends(first + maybe, second)[1] > ends(first, second)[1]
    assert found.lower <= found.estimate <= found.upper
    for _ in range(5):
        lower, upper = ends(first + rng.integers(0, maybe + 1), second + rng.integers(0, perhaps + 1))
        assert found.lower <= lower <= upper <= found.upper
    assert wide.counts() == {
        "trials": outer,
        "inner": 90,
        "hits": sum(first),
        "against": sum(second),
        "doubtful": sum(maybe) + sum(perhaps),
    }
    assert judge(wide, LE, 1.0, 0.05).text == "the bound is one or more"


@pytest.mark.parametrize("tail", [0.05, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("total", [1, 5, 20, 60])
@pytest.mark.parametrize("level", [0.4, 0.05, 1e-3])
def test_certified_quantile_takes_the_right_order_statistic(tail, total, level):
    """With continuous bounds the k-th smallest exceeds the quantile iff fewer than k lie below it: exactly binomial."""
    weights = binomial(total, Fraction(tail))
    values = tuple(float(k) - 100 for k in range(total))
    rng = np.random.default_rng(total)
    lower = CertifiedQuantile(tuple(rng.permutation(values).tolist()), tail).interval(level).lower
    rank = 0 if lower == -INF else int(lower) + 101  # the rank-th smallest
    assert sum(weights[:rank]) <= Fraction(level)  # it lies above the quantile with at most that probability
    assert sum(weights[: rank + 1]) > Fraction(level)  # and the next one would be too bold


def test_certified_quantile_covers_with_ties():
    """Bounds with atoms, all outcomes summed: P(bound < lower end) is above the tail with at most the level."""
    law, total, level = ((-5.0, Fraction(1, 5)), (-2.0, Fraction(3, 10)), (-1.0, Fraction(1, 2))), 12, 0.1
    weights = [share for _, share in law]
    for tail, quantile in ((0.2, -5.0), (0.19, -5.0), (0.21, -2.0), (0.5, -2.0), (0.51, -1.0)):
        missed = Fraction(0)
        for chosen, weight in sorted_outcomes(total, weights):
            found = CertifiedQuantile(tuple(law[index][0] for index in chosen), tail).interval(level)
            missed += weight * (found.lower > quantile)
            assert found.upper == 0.0
        # At tail 0.2 exactly, every value in [−5, −2] is a quantile: P(V < −2) = 0.2 is within the claim.
        assert missed <= level


def test_certified_quantile_without_a_promise():
    for tail in (0.0, 1.0, 1.7):
        assert CertifiedQuantile((-3.0, -1.0), tail).interval(0.1).lower == -INF
    assert CertifiedQuantile((-INF, -1.0, -1.0, -1.0), 0.2).interval(0.3).lower == -INF


@pytest.mark.parametrize("tail", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("total", [1, 20, 60])
@pytest.mark.parametrize("level", [0.4, 1e-3])
def test_certified_quantile_from_above_is_its_mirror(tail, total, level):
    """Ceilings of −V are floors of V: the k-th largest lies below the quantile iff fewer than k lie above it."""
    values = tuple(float(k) - 100 for k in range(total))
    found = CertifiedQuantile((-INF,) * total, tail, values).interval(level)
    rank = total + 1 if found.upper == 0.0 else int(found.upper) + 101
    weights = binomial(total, Fraction(tail))
    assert sum(weights[rank:]) <= Fraction(level) / 2  # at least `rank` of them below it: too rare to fear
    assert rank == 1 or sum(weights[rank - 1 :]) > Fraction(level) / 2
    assert found.lower == -INF


def test_certified_quantile_between_bounds_that_sometimes_fail():
    """Both ends miss a known median at most as often as stated, though one bound in twenty is wrong.

    3000 repetitions at level 0.1: more than 0.13 of them by chance with probability below 1e-6.
    """
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(3000):
        truth = rng.standard_normal(60) - 9
        gap = rng.exponential(1.0, (2, 60))
        wrong = rng.random((2, 60)) < 0.05
        low = np.where(wrong[0], truth + 5, truth - gap[0])
        high = np.where(wrong[1], truth - 5, truth + gap[1])
        found = CertifiedQuantile(tuple(low), 0.5, tuple(high), miss=0.05).interval(0.1)
        missed += not found.lower <= -9 <= found.upper
    assert missed <= 390
    assert CertifiedQuantile(tuple(low), 0.5, tuple(high), log_most=INF, miss=0.5).interval(0.1).upper == INF


def test_estimates_lie_between_the_bounds_they_come_from():
    """Half way between floors and ceilings: in logs for a quantile, and for a mean as they are."""
    floors = tuple(np.random.default_rng(1).permutation(np.arange(-101.0, 0.0)).tolist())
    ceilings = tuple(floor / 2 for floor in floors)
    found = CertifiedQuantile(floors, 0.25, ceilings).interval(0.05)
    assert found.estimate == (-76 - 38) / 2
    assert found.lower < found.estimate < found.upper
    # Nothing known from below.
    assert CertifiedQuantile((-INF,) * 101, 0.25, ceilings).interval(0.05).estimate == -38
    found = CertifiedMean((log(0.2), log(0.3), -INF), (log(0.4), log(0.7), log(0.8))).interval(0.05)
    assert found.estimate == pytest.approx(log(0.4))
    assert found.lower < found.estimate < found.upper


def test_ends_spend_the_level_once():
    """Half of it each for the two ends of a mean; half and a quarter for splitting, whose upper end is measured."""
    logs = (-3.0, -2.5, -4.0, -1.0, -2.0)
    found = CertifiedMean(logs, logs).interval(0.1)
    assert found.lower == log_mean_lower(logs, 0.05)
    rest = [math.log(1 - math.exp(value)) for value in logs]
    assert found.upper == pytest.approx(math.log(1 - math.exp(log_mean_lower(rest, 0.05))), rel=1e-9)
    logs = tuple(value - 20 for value in logs)
    found = Replicates(logs, 100).interval(0.1)
    assert found.lower == log_mean_lower(logs, 0.05)
    assert found.estimate == pytest.approx(math.log(np.mean(np.exp(logs))))
    assert found.upper == log_mean_upper(logs, 0.025)


def test_certified_mean_covers():
    """Uniform and two-valued volumes, bounds around them; 300 repetitions of each at level 0.1.

    More than 62 misses of 300 by chance with probability below 1e-7.
    """
    rng = np.random.default_rng(6)
    for draw, mean in ((rng.random, 0.5), (lambda n: (rng.random(n) < 0.03) * 0.5, 0.015)):
        missed, widths = 0, []
        for _ in range(300):
            values = draw(80)
            with np.errstate(divide="ignore"):
                found = CertifiedMean(tuple(np.log(0.9 * values)), tuple(np.log(0.9 * values + 0.1))).interval(0.1)
                missed += not found.lower <= math.log(0.9 * mean) + 1e-12
                missed += not math.log(0.9 * mean + 0.1) <= found.upper + 1e-12
            widths.append(found.upper - found.lower)
            assert found.lower <= found.estimate <= found.upper <= 0
        assert missed <= 62
        assert np.median(widths) < 6
    assert CertifiedMean((-INF,) * 9, (-INF,) * 9).interval(0.1).lower == -INF
    assert CertifiedMean((0.0,) * 9, (0.0,) * 9).counts() == {"trials": 9}


def test_replicates_cover_their_mean():
    """Log-normal estimates of mean e^−40, a tenth of them zero: 300 intervals at level 0.05.

    More than 37 misses by chance with probability below 1e-6. A mean that is taken in logs is half a unit low, and
    misses nearly always.
    """
    rng = np.random.default_rng(9)
    missed = 0
    for _ in range(300):
        alive = rng.random(40) < 0.9
        logs = np.where(alive, rng.standard_normal(40) - 0.5 - math.log(0.9) - 40, -INF)
        found = Replicates(tuple(logs.tolist()), 4000).interval(0.05)
        assert found.lower < found.estimate < found.upper < -35
        missed += not found.lower <= -40 <= found.upper
    assert missed <= 37
    uppers = [Replicates(tuple(logs.tolist()), 4000).interval(level).upper for level in (0.5, 0.05, 1e-6)]
    assert uppers == sorted(set(uppers))
    assert Replicates((-1.0, -3.0), 90).counts() == {"trials": 2, "inner": 45}
    assert Replicates((-0.1, 0.0, -0.1), 90).interval(0.01).upper == 0.0
