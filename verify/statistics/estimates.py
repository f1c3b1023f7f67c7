"""What a sampler's counts say about a quantity: an interval at any level, and the evidence it is.

An `Estimate` is all that the judge sees of a simulation. Exact values and counterexample counts are estimates
too, so that one rule (`judge`) holds every quantity against every bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.special import logsumexp
from scipy.stats import binom

from verify.relations import Relation
from verify.statistics.intervals import (
    Interval,
    clopper_pearson,
    log,
    log_mean_lower,
    log_mean_upper,
    log_odds,
    odds,
)
from verify.verdicts import Evidence, Leaning, Outcome, Verdict

# An equality is supported by sampling once its interval is this narrow (half width, natural log).
EQUALITY_RESOLUTION = 0.25

# Two exact logs are equal to nine digits or they are not: those of closed forms and of bounds are right to eleven at
# least.
EXACT_AGREEMENT = 1e-9
# A quantile of a volume is sought down to here, to a factor of `_QUANTILE_STEP`; what is between goes to the cautious
# side.
_LEAST_QUANTILE = 1e-12
_QUANTILE_STEP = 1.001


@runtime_checkable
class Estimate(Protocol):
    """A quantity as far as it is known."""

    @property
    def evidence(self) -> Evidence:
        """What kind of knowledge this is."""
        ...

    def interval(self, level: float) -> Interval:
        """Interval that misses the true value with probability at most `level`, in natural logs."""
        ...

    def counts(self) -> dict[str, int]:
        """The counts behind it, for tables; empty where nothing was counted."""
        ...


@dataclass(frozen=True)
class Proportion:
    """Probability of an event, from independent trials; `doubtful` ones could not be decided."""

    hits: int
    trials: int
    doubtful: int = 0
    evidence: Evidence = field(default=Evidence.STATISTICAL, init=False)

    def interval(self, level: float) -> Interval:
        """Clopper–Pearson interval, widened by the doubtful trials."""
        return clopper_pearson(self.hits, self.trials, level, self.doubtful)

    def counts(self) -> dict[str, int]:
        """Hits, trials, doubtful."""
        return {"hits": self.hits, "trials": self.trials, "doubtful": self.doubtful}


@dataclass(frozen=True)
class Odds:
    """Ratio of the probabilities of two disjoint events."""

    first: int
    second: int
    trials: int
    first_doubtful: int = 0
    second_doubtful: int = 0
    evidence: Evidence = field(default=Evidence.STATISTICAL, init=False)

    def interval(self, level: float) -> Interval:
        """Exact conditional interval; doubtful trials are counted against it at either end."""
        if self.first + self.second + self.first_doubtful + self.second_doubtful == 0:
            return Interval(-math.inf, math.nan, math.inf)
        lower = odds(self.first, self.second + self.second_doubtful, level).lower if self.first else -math.inf
        most = self.first + self.first_doubtful
        upper = odds(most, self.second, level).upper if self.second else math.inf
        middle = log(self.first) - log(self.second) if self.second else math.inf
        return Interval(lower, middle if self.first + self.second else math.nan, upper)

    def counts(self) -> dict[str, int]:
        """Events of either kind, trials, doubtful."""
        return {
            "hits": self.first,
            "against": self.second,
            "trials": self.trials,
            "doubtful": self.first_doubtful + self.second_doubtful,
        }


@dataclass(frozen=True)
class Exact:
    """A quantity known exactly (enumeration, rational arithmetic, closed form), as its natural log."""

    log_value: float
    evidence: Evidence = Evidence.EXACT
    trials: int = 0

    def interval(self, level: float) -> Interval:
        """The point itself."""
        return Interval(self.log_value, self.log_value, self.log_value)

    def counts(self) -> dict[str, int]:
        """Number of cases behind the value, where one was given."""
        return {"trials": self.trials} if self.trials else {}


@dataclass(frozen=True)
class Counterexamples:
    """Instances drawn at random, and how many of them contradict a claim that is to hold for all.

    The quantity is the frequency of counterexamples. One refutes the claim. None supports it down to the upper
    end of the interval and no further.
    """

    count: int
    trials: int
    doubtful: int = 0
    evidence: Evidence = Evidence.STATISTICAL

    def interval(self, level: float) -> Interval:
        """Clopper–Pearson interval of the frequency of counterexamples."""
        return clopper_pearson(self.count, self.trials, level, self.doubtful)

    def counts(self) -> dict[str, int]:
        """Counterexamples, instances, doubtful."""
        return {"hits": self.count, "trials": self.trials, "doubtful": self.doubtful}


@dataclass(frozen=True)
class NestedQuantile:
    """The `1 − tail` quantile over `X` of a volume `V(X)`, each independent `X` with a binomial count of its own.

    For any threshold `v`, choose `a` and `b` such that `P(Bin(n, v) >= a) <= eta` and `P(Bin(n, v) < b) <= eta`.
    Then `P(V > v) >= P(count >= a) − eta` and `P(V > v) <= P(count >= b)/(1 − eta)`, so exact intervals of the two
    outer frequencies test whether the quantile is below or above `v`, although no `V(X)` is known. Inverting the
    two tests gives the ends.

    Attributes:
        hits: certain hits for each `X`.
        doubtful: undecided trials for each `X`.
        trials: trials for each `X`; one number where it is the same for all.
        tail: probability over `X` above the quantile, in (0, 1).
    """

    hits: tuple[int, ...]
    doubtful: tuple[int, ...]
    trials: int | tuple[int, ...]
    tail: float
    evidence: Evidence = field(default=Evidence.STATISTICAL, init=False)

    def interval(self, level: float) -> Interval:
        """Interval of the quantile, by bisection over thresholds."""
        outer = len(self.hits)
        eta = 0.05 / outer
        hits, trials = np.asarray(self.hits), np.broadcast_to(self.trials, outer)
        possible = hits + np.asarray(self.doubtful)

        def above(threshold: float) -> bool:
            """The quantile is shown to be at least `threshold`."""
            least = binom.isf(eta, trials, threshold) + 1
            frequency = clopper_pearson(int((hits >= least).sum()), outer, level)
            return math.exp(frequency.lower) - eta > self.tail

        def below(threshold: float) -> bool:
            """The quantile is shown to be at most `threshold`."""
            least = binom.ppf(eta, trials, threshold)
            frequency = clopper_pearson(int((possible >= least).sum()), outer, level)
            return math.exp(frequency.upper) / (1 - eta) <= self.tail

        ordered = sorted((hits / np.maximum(trials, 1)).tolist())
        middle = ordered[min(outer - 1, math.ceil((1 - self.tail) * outer) - 1)]
        lower, upper = log(_bisect(above)), log(_bisect(lambda v: not below(v), rounding_up=True))
        return Interval(lower, min(max(log(middle), lower), upper), upper)

    def counts(self) -> dict[str, int]:
        """Number of `X`, trials for each, and all hits."""
        return {
            "trials": len(self.hits),
            "inner": int(np.max(self.trials)),
            "hits": sum(self.hits),
            "doubtful": sum(self.doubtful),
        }


def _bisect(holds: Callable[[float], bool], rounding_up: bool = False) -> float:
    """Where a test that holds for small thresholds stops to hold, on a log scale; on the cautious side."""
    low, high = _LEAST_QUANTILE, 1.0
    if not holds(low):
        return low if rounding_up else 0.0
    if holds(high * (1 - _LEAST_QUANTILE)):
        return 1.0
    while high / low > _QUANTILE_STEP:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high if rounding_up else low


@dataclass(frozen=True)
class NestedOdds:
    """The `1 − tail` quantile over `X` of the ratio of the volumes of two disjoint events.

    For each independent `X`, given how often either event happened, the count of the first is binomial with the
    share `R/(1 + R)`: the quantile of the share is that of `NestedQuantile`, and the ratio increases with it. An
    undecided trial is counted against the interval at either end, which only widens it.

    Attributes:
        first: certain events of the first kind for each `X`.
        second: those of the second kind.
        first_doubtful: trials that may be of the first kind.
        second_doubtful: trials that may be of the second kind.
        inner: trials for each `X`.
        tail: probability over `X` above the quantile, in (0, 1).
    """

    first: tuple[int, ...]
    second: tuple[int, ...]
    first_doubtful: tuple[int, ...]
    second_doubtful: tuple[int, ...]
    inner: int
    tail: float
    evidence: Evidence = field(default=Evidence.STATISTICAL, init=False)

    def interval(self, level: float) -> Interval:
        """Interval of the quantile of the ratio."""
        first, second = np.asarray(self.first), np.asarray(self.second)
        none = (0,) * first.size
        low = NestedQuantile(self.first, none, tuple(first + second + self.second_doubtful), self.tail)
        high = NestedQuantile(self.first, self.first_doubtful, tuple(first + self.first_doubtful + second), self.tail)
        lower, upper = low.interval(level), high.interval(level)
        return Interval(log_odds(lower.lower), log_odds(upper.estimate), log_odds(upper.upper))

    def counts(self) -> dict[str, int]:
        """Number of `X`, trials for each, all events of either kind, and the undecided."""
        return {
            "trials": len(self.first),
            "inner": self.inner,
            "hits": sum(self.first),
            "against": sum(self.second),
            "doubtful": sum(self.first_doubtful) + sum(self.second_doubtful),
        }


@dataclass(frozen=True)
class CertifiedQuantile:
    """The `tail` quantile over `X` of a quantity `V(X)` that lies between two known bounds for each `X`.

    Both ends are order statistics of the bounds: from `V < v` follows `lower < v`, so the quantile of `V` is at least
    that of the lower bounds, and likewise above. Where a bound fails with probability `miss`, a quantile that much
    further out takes its place.

    Attributes:
        log_bounds: natural log of the lower bound, one for each independent `X`; `-inf` where there is none.
        tail: probability over `X` below the quantile.
        log_ceilings: natural log of the upper bounds; None where nothing bounds the quantity but `log_most`.
        log_most: what the quantity never exceeds; 0 for a volume, `inf` for a ratio.
        miss: probability that one bound of one `X` fails; zero where the bounds are proved.
    """

    log_bounds: tuple[float, ...]
    tail: float
    log_ceilings: tuple[float, ...] | None = None
    log_most: float = 0.0
    miss: float = 0.0
    evidence: Evidence = field(default=Evidence.STATISTICAL, init=False)

    def interval(self, level: float) -> Interval:
        """Distribution-free interval of the quantile."""
        floors = sorted(self.log_bounds)
        total = len(floors)
        if not 0 < self.tail < 1:
            return Interval(-math.inf, floors[0], self.log_most)
        each = level if self.log_ceilings is None else level / 2
        place = min(total - 1, int(self.tail * total))
        # The k-th smallest exceeds the quantile only if fewer than k bounds lie below it.
        rank = int(binom.ppf(each, total, max(0.0, self.tail - self.miss)))
        lower = floors[rank - 1] if rank >= 1 else -math.inf
        if self.log_ceilings is None:
            return Interval(lower, floors[place], self.log_most)
        ceilings = sorted(self.log_ceilings)
        # It lies below the quantile only if k bounds or more do.
        rank = int(binom.isf(each, total, min(1.0, self.tail + self.miss))) + 1
        upper = ceilings[rank - 1] if rank <= total else self.log_most
        middle = (floors[place] + ceilings[place]) / 2 if floors[place] > -math.inf else ceilings[place]
        return Interval(lower, min(max(middle, lower), upper), upper)

    def counts(self) -> dict[str, int]:
        """Number of `X`."""
        return {"trials": len(self.log_bounds)}


@dataclass(frozen=True)
class CertifiedMean:
    """The mean over `X` of a volume that lies between two proved bounds for each independent `X`.

    No assumption on the distribution: both ends come from `log_mean_lower`, the upper one through `1 − V`.

    Attributes:
        log_bounds: natural log of the lower bound, one for each `X`; `-inf` for zero.
        log_ceilings: natural log of the upper bound, at most 0.
    """

    log_bounds: tuple[float, ...]
    log_ceilings: tuple[float, ...]
    evidence: Evidence = field(default=Evidence.STATISTICAL, init=False)

    def interval(self, level: float) -> Interval:
        """Interval of the mean."""
        lower = log_mean_lower(self.log_bounds, level / 2)
        rest = log_mean_lower([log(-math.expm1(value)) for value in self.log_ceilings], level / 2)
        upper = log(-math.expm1(rest))
        middle = np.logaddexp(logsumexp(self.log_bounds), logsumexp(self.log_ceilings)) - math.log(2 * self.trials)
        return Interval(lower, min(max(float(middle), lower), upper), upper)

    @property
    def trials(self) -> int:
        """Number of `X`."""
        return len(self.log_bounds)

    def counts(self) -> dict[str, int]:
        """Number of `X`."""
        return {"trials": self.trials}


@dataclass(frozen=True)
class Replicates:
    """A probability through independent nonnegative unbiased estimates, such as those of multilevel splitting.

    The lower end is proved. The upper one is not: a part of the event that no replicate entered leaves no trace. It
    takes their logs for normal, which was measured, not proved (`benchmarks/rare_coverage.py`).

    Attributes:
        logs: natural logs of the estimates, `-inf` for zero.
        evaluations: how often the event was looked at for all of them together.
    """

    logs: tuple[float, ...]
    evaluations: int
    evidence: Evidence = field(default=Evidence.STATISTICAL, init=False)

    def interval(self, level: float) -> Interval:
        """Interval of their common mean, each end at half of the level.

        At the upper end a quarter of it is used, since at half slightly too many missed.
        """
        estimate = float(logsumexp(self.logs)) - math.log(len(self.logs))
        upper = min(0.0, max(estimate, log_mean_upper(self.logs, level / 4)))
        return Interval(log_mean_lower(self.logs, level / 2), estimate, upper)

    def counts(self) -> dict[str, int]:
        """Number of estimates, and of evaluations behind them."""
        return {"trials": len(self.logs), "inner": self.evaluations // len(self.logs)}


def is_universal(estimate: Estimate, relation: Relation, log_bound: float) -> bool:
    """Whether the claim is about all instances: one counterexample refutes it, none supports it to a resolution.

    A probability that is to be zero is such a claim too.
    """
    to_be_zero = log_bound == -math.inf and relation in (Relation.EQUAL, Relation.AT_MOST)
    return isinstance(estimate, Counterexamples) or (to_be_zero and isinstance(estimate, Proportion))


def judge(estimate: Estimate, relation: Relation, log_bound: float, level: float) -> Verdict:
    """Hold one estimate against one bound.

    Args:
        estimate: what is known about the quantity.
        relation: how the claim relates quantity and bound.
        log_bound: natural log of the bound, `-inf` for a bound of zero.
        level: probability of a wrong verdict at this point.

    Returns:
        For `<=`, `>=`, `=`: holds, violated, undecided, or vacuous (an upper bound of at least one on a
        probability). For an asymptotic relation: undecided, with the way in which the leading term, read
        literally at this size, points; never holds or violated, which no finite size can decide.

    >>> for bound in (0.05, 0.001, 2.0):
    ...     print(judge(Proportion(hits=3, trials=1000), Relation.AT_MOST, math.log(bound), level=0.001))
    holds · statistical
    undecided · statistical
    vacuous · statistical
    """
    return judge_within(estimate, estimate.interval(level), relation, log_bound)


def judge_within(estimate: Estimate, interval: Interval, relation: Relation, log_bound: float) -> Verdict:
    """The same with the interval given; any number of bounds may be held against the one interval.

    Where the interval contains the quantity, every verdict from it is right, however many there are.
    """
    if isinstance(estimate, Counterexamples):
        return _judge_universal(estimate, interval)
    if math.isnan(log_bound) or math.isnan(interval.lower) or math.isnan(interval.upper):
        return Verdict(Outcome.ERROR, None, "the bound or the estimate is not a number")
    if isinstance(estimate, Proportion) and is_universal(estimate, relation, log_bound):
        return _judge_universal(Counterexamples(estimate.hits, estimate.trials, estimate.doubtful), interval)
    exact = isinstance(estimate, Exact)
    slack = EXACT_AGREEMENT * max(1.0, abs(log_bound)) if exact and math.isfinite(log_bound) else 0.0
    supported, refuted = _compare(interval, relation, log_bound, slack)
    # A ratio, unlike a probability, can exceed a bound above one; then the bound is wrong, not vacuous.
    if relation.is_upper and log_bound >= 0 and not exact and not refuted:
        text = (
            "the bound is one or more"
            if isinstance(estimate, Odds | NestedOdds)
            else "a probability is below this bound anyway"
        )
        return Verdict(Outcome.VACUOUS, estimate.evidence, text)
    if relation.is_lower and log_bound == -math.inf:
        return Verdict(Outcome.VACUOUS, estimate.evidence, "every probability is above this bound anyway")
    if relation.is_asymptotic:
        leaning = Leaning.SUPPORTS if supported else Leaning.AGAINST if refuted else None
        text = {
            Leaning.SUPPORTS: "the leading term alone is respected at this size",
            Leaning.AGAINST: "the leading term alone is not respected at this size",
            None: "not resolved at this sample size",
        }[leaning]
        return Verdict(Outcome.UNDECIDED, Evidence.TREND, text, leaning)
    if refuted:
        return Verdict(Outcome.VIOLATED, estimate.evidence, _gap(interval, relation, log_bound))
    if supported:
        return Verdict(Outcome.HOLDS, estimate.evidence, _gap(interval, relation, log_bound))
    return Verdict(Outcome.UNDECIDED, estimate.evidence, "the interval reaches across the bound")


def _compare(interval: Interval, relation: Relation, log_bound: float, slack: float) -> tuple[bool, bool]:
    if relation.is_upper:
        return interval.upper <= log_bound + slack, interval.lower > log_bound + slack
    if relation.is_lower:
        return interval.lower >= log_bound - slack, interval.upper < log_bound - slack
    inside = interval.lower - slack <= log_bound <= interval.upper + slack
    narrow = interval.lower == interval.upper or interval.upper - interval.lower <= 2 * EQUALITY_RESOLUTION
    return inside and narrow, not inside


def _judge_universal(estimate: Counterexamples, interval: Interval) -> Verdict:
    exhaustive = estimate.evidence in (Evidence.EXACT, Evidence.CERTIFIED, Evidence.WITNESS)
    if estimate.count:
        return Verdict(
            Outcome.VIOLATED,
            estimate.evidence,
            f"{estimate.count} of {estimate.trials} instances contradict it",
        )
    if estimate.doubtful:
        return Verdict(
            Outcome.UNDECIDED,
            estimate.evidence,
            f"{estimate.doubtful} of {estimate.trials} could not be decided",
        )
    text = f"no counterexample among {estimate.trials} instances"
    if not exhaustive:
        text += f"; resolves a frequency of {math.exp(interval.upper):.2g} and no less"
    return Verdict(Outcome.HOLDS, estimate.evidence, text)


def _gap(interval: Interval, relation: Relation, log_bound: float) -> str:
    if log_bound == -math.inf or not math.isfinite(interval.estimate):
        return ""
    difference = interval.estimate - log_bound
    return f"log quantity − log bound = {difference:+.3g}"
