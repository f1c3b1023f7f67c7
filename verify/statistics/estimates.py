"""What a sampler's counts say about a quantity: an interval at any level, and the evidence it is.

An `Estimate` is all that the judge sees of a simulation. Exact values and counterexample counts are estimates
too, so that one rule (`judge`) holds every quantity against every bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from scipy.stats import binom

from verify.relations import Relation
from verify.statistics.intervals import Interval, clopper_pearson, log, odds
from verify.verdicts import Evidence, Leaning, Outcome, Verdict

# An equality is supported by sampling once its interval is this narrow (half width, natural log).
EQUALITY_RESOLUTION = 0.25


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
class NestedTail:
    """`P_X(V(X) > v)`, where each of several independent `X` has its own binomial count of `V(X)`.

    With `a` such that `P(Bin(n, v) >= a) <= eta` and `b` such that `P(Bin(n, v) < b) <= eta`:
    `P(V > v) >= P(count >= a) - eta` and `P(V > v) <= P(count >= b)/(1 - eta)`, so exact intervals of the
    outer frequencies give a valid interval for the tail although no `V(X)` is known.
    """

    counts_per_x: tuple[int, ...]
    trials_per_x: int
    log_threshold: float
    evidence: Evidence = field(default=Evidence.STATISTICAL, init=False)

    def interval(self, level: float) -> Interval:
        """Interval for the tail probability; `eta` is a twentieth of the outer resolution."""
        outer = len(self.counts_per_x)
        threshold = math.exp(self.log_threshold) if self.log_threshold < 0 else 1.0
        if threshold >= 1:
            return Interval(-math.inf, -math.inf, -math.inf)
        eta = 0.05 / outer
        surely = int(binom.isf(eta, self.trials_per_x, threshold)) + 1
        maybe = int(binom.ppf(eta, self.trials_per_x, threshold))
        above = sum(count >= surely for count in self.counts_per_x)
        near = sum(count >= maybe for count in self.counts_per_x)
        low = math.exp(clopper_pearson(above, outer, level).lower) - eta
        high = math.exp(clopper_pearson(near, outer, level).upper) / (1 - eta)
        plain = sum(count > threshold * self.trials_per_x for count in self.counts_per_x) / outer
        return Interval(log(max(low, 0.0)), log(plain), min(0.0, log(high)))

    def counts(self) -> dict[str, int]:
        """Outer and inner sample sizes."""
        return {"trials": len(self.counts_per_x), "inner": self.trials_per_x}


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
    """
    interval = estimate.interval(level)
    if isinstance(estimate, Counterexamples):
        return _judge_universal(estimate, interval)
    if math.isnan(log_bound) or math.isnan(interval.lower) or math.isnan(interval.upper):
        return Verdict(Outcome.ERROR, None, "the bound or the estimate is not a number")
    if log_bound == -math.inf and relation is not Relation.AT_LEAST and isinstance(estimate, Proportion):
        # A probability that is to be zero: one hit refutes it, none supports it down to a resolution.
        return _judge_universal(Counterexamples(estimate.hits, estimate.trials, estimate.doubtful), interval)
    exact = isinstance(estimate, Exact)
    if relation.is_upper and log_bound >= 0 and not exact:
        return Verdict(Outcome.VACUOUS, estimate.evidence, "a probability is below this bound anyway")
    if relation.is_lower and log_bound == -math.inf:
        return Verdict(Outcome.VACUOUS, estimate.evidence, "every probability is above this bound anyway")
    slack = 1e-9 * max(1.0, abs(log_bound)) if exact and math.isfinite(log_bound) else 0.0
    supported, refuted = _compare(interval, relation, log_bound, slack)
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
    if interval.lower == interval.upper:
        narrow = True
    else:
        narrow = interval.upper - interval.lower <= 2 * EQUALITY_RESOLUTION
    return inside and narrow, not inside


def _judge_universal(estimate: Counterexamples, interval: Interval) -> Verdict:
    exhaustive = estimate.evidence in (Evidence.EXACT, Evidence.WITNESS)
    if estimate.count:
        return Verdict(
            Outcome.VIOLATED, estimate.evidence, f"{estimate.count} of {estimate.trials} instances contradict it"
        )
    if estimate.doubtful:
        return Verdict(
            Outcome.UNDECIDED, estimate.evidence, f"{estimate.doubtful} of {estimate.trials} could not be decided"
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
