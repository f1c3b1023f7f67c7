"""E-values: how much samples speak against a claim, whenever one stopped to look.

An e-value is a nonnegative statistic whose mean is at most 1 while the claim is true. By Markov's inequality it exceeds
`1/a` with probability at most `a`, and the mean of any e-values, however dependent, is one. Those here are values of
nonnegative supermartingales at the sample that a run ended with, so by Ville's inequality they hold whatever made it
stop (Ramdas, Grünwald, Vovk & Shafer 2023). No verdict rests on them: verdicts need intervals, which say how large a
quantity is; and at the levels of a run these are narrower than what inverting e-values gives
(`benchmarks/confidence_sequences.py`).

*Trials.* For each probability `q` above `p0` the likelihood ratio `(q/p0)^h ((1−q)/(1−p0))^(n−h)` is a supermartingale
under every `p ≤ p0`, and so is its mean over a density of `q`: a Beta density with mean `p0` and half a hit of weight,
cut off at `p0`. Mirrored for `p ≥ p0`; for `p = p0` the mean of the two. Undecided trials count for the claim. *Ratios*
of disjoint events are trials among those where either happened; *quantiles* are trials too: whether a value lies beyond
the bound. *Means* are bets on how far values lie above the bound (Waudby-Smith & Ramdas 2024).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import singledispatch

import numpy as np
from scipy.special import betainc, betaincc, betaln, logsumexp
from scipy.stats import binom

from verify.relations import Relation
from verify.statistics.estimates import (
    CertifiedMean,
    CertifiedQuantile,
    Counterexamples,
    Estimate,
    NestedOdds,
    NestedQuantile,
    Odds,
    Proportion,
    Replicates,
    is_universal,
)
from verify.statistics.intervals import log, log_wealth
from verify.verdicts import Evidence

INNER_MISS = 1e-3
"""Probability with which a count for one `X` may lie beyond the threshold that stands for its volume. It is fixed, and
not shared out over the `X` as in intervals: what one `X` counts as must not depend on how many there will be."""


def log_e_value(estimate: Estimate, relation: Relation, log_bound: float) -> float | None:
    """Natural log of an e-value against `quantity relation bound`.

    Args:
        estimate: what is known about the quantity.
        relation: how the claim relates quantity and bound.
        log_bound: natural log of the bound.

    Returns:
        `inf` where a claim about all instances has a counterexample. None where samples say nothing against the claim,
        however they come out: no statistical evidence, an asymptotic claim, a bound that says nothing.
    """
    if estimate.evidence is not Evidence.STATISTICAL or relation.is_asymptotic or math.isnan(log_bound):
        return None
    if is_universal(estimate, relation, log_bound):
        seen = estimate.count if isinstance(estimate, Counterexamples) else estimate.counts()["hits"]
        return math.inf if seen else 0.0
    if relation.is_upper or relation.is_lower:
        return _against(estimate, log_bound, relation.is_upper)
    sides = [
        side for side in (_against(estimate, log_bound, True), _against(estimate, log_bound, False)) if side is not None
    ]
    return log_mean(sides) if len(sides) == 2 else None


def log_mean(logs: Iterable[float]) -> float:
    """Log of the mean of e-values from their logs: an e-value against all of the claims together, 0 for none."""
    values = list(logs)
    if math.inf in values or not values:
        return math.inf if values else 0.0
    return float(logsumexp(values)) - math.log(len(values))


def log_e_of_trials(hits: int, trials: int, log_p: float, upper: bool, log_rest: float | None = None) -> float:
    """Of independent trials against `p ≤ exp(log_p)`, or `p ≥` if not `upper`.

    Args:
        hits: how often the event happened.
        trials: how often it could.
        log_p: natural log of the claimed bound, below 0.
        upper: whether the claim is an upper bound.
        log_rest: natural log of one minus the bound, where that has digits of its own.
    """
    rest = math.log1p(-math.exp(log_p)) if log_rest is None else log_rest
    p = math.exp(log_p)
    if p == 0.0:
        # Below the smallest float: the density is that of Beta(½, 1), and none of it lies below.
        a, b = 0.5, 1.0
    else:
        a, b = 0.5, math.exp(rest) / (2 * p)
    tail = betaincc if upper else betainc
    before, after = float(tail(a, b, p)), float(tail(a + hits, b + trials - hits, p))
    if not (before > 0 and after > 0 and math.isfinite(b)):
        return -math.inf  # an e-value of zero is one, for any samples
    ratio = float(betaln(a + hits, b + trials - hits) - betaln(a, b))
    value = ratio + math.log(after) - math.log(before) - hits * log_p - (trials - hits) * rest
    return value if math.isfinite(value) else -math.inf


@singledispatch
def _against(estimate: Estimate, log_bound: float, upper: bool) -> float | None:
    """Log e-value of a one-sided claim; None for kinds of estimates without one."""
    return None


@_against.register
def _(estimate: Proportion, log_bound: float, upper: bool) -> float | None:
    if not -math.inf < log_bound < 0:
        return None if upper or log_bound == -math.inf else _below_one(estimate, log_bound)
    hits = estimate.hits if upper else estimate.hits + estimate.doubtful
    return log_e_of_trials(hits, estimate.trials, log_bound, upper)


def _below_one(estimate: Proportion, log_bound: float) -> float | None:
    """Against a probability of one, or more: a trial without a hit refutes it."""
    return math.inf if log_bound > 0 or estimate.hits + estimate.doubtful < estimate.trials else 0.0


@_against.register
def _(estimate: Odds, log_bound: float, upper: bool) -> float | None:
    if not math.isfinite(log_bound):
        return None
    first = estimate.first if upper else estimate.first + estimate.first_doubtful
    second = estimate.second + estimate.second_doubtful if upper else estimate.second
    log_share, log_rest = _share(log_bound)
    return log_e_of_trials(first, first + second, log_share, upper, log_rest)


@_against.register
def _(estimate: CertifiedQuantile, log_bound: float, upper: bool) -> float | None:
    total = len(estimate.log_bounds)
    if upper:
        # The quantile is at most v only if a share `tail` of the values at least is: as many lower bounds as may be.
        tail = estimate.tail - estimate.miss
        below = sum(floor <= log_bound for floor in estimate.log_bounds)
    else:
        tail = estimate.tail + estimate.miss
        below = sum(ceiling < log_bound for ceiling in estimate.log_ceilings or ())
    return log_e_of_trials(below, total, math.log(tail), not upper) if 0 < tail < 1 else None


@_against.register
def _(estimate: NestedQuantile, log_bound: float, upper: bool) -> float | None:
    if not -math.inf < log_bound < 0:
        return None
    volume, outer = math.exp(log_bound), len(estimate.hits)
    hits, trials = np.asarray(estimate.hits), np.broadcast_to(estimate.trials, outer)
    if upper:
        least = binom.isf(INNER_MISS, trials, volume) + 1
        tail = estimate.tail + INNER_MISS
        beyond = int((hits >= least).sum())
    else:
        least = binom.ppf(INNER_MISS, trials, volume)
        tail = estimate.tail * (1 - INNER_MISS)
        beyond = int((hits + np.asarray(estimate.doubtful) >= least).sum())
    return log_e_of_trials(beyond, outer, math.log(tail), upper) if 0 < tail < 1 else None


@_against.register
def _(estimate: NestedOdds, log_bound: float, upper: bool) -> float | None:
    if not math.isfinite(log_bound):
        return None
    first, second = np.asarray(estimate.first), np.asarray(estimate.second)
    if upper:
        trials, doubtful = first + second + estimate.second_doubtful, np.zeros_like(first)
    else:
        doubtful = np.asarray(estimate.first_doubtful)
        trials = first + doubtful + second
    shares = NestedQuantile(tuple(first.tolist()), tuple(doubtful.tolist()), tuple(trials.tolist()), estimate.tail)
    return _against(shares, _share(log_bound)[0], upper)


@_against.register
def _(estimate: CertifiedMean, log_bound: float, upper: bool) -> float | None:
    if not -math.inf < log_bound < 0:
        return None
    if upper:
        return log_wealth(estimate.log_bounds, log_bound)
    rest = [log(-math.expm1(value)) for value in estimate.log_ceilings]
    return log_wealth(rest, math.log(-math.expm1(log_bound)))


@_against.register
def _(estimate: Replicates, log_bound: float, upper: bool) -> float | None:
    return log_wealth(estimate.logs, log_bound) if upper and -math.inf < log_bound < 0 else None


def _share(log_odds: float) -> tuple[float, float]:
    """Logs of `r/(1 + r)` and of `1/(1 + r)`."""
    rest = -float(np.logaddexp(0.0, log_odds))
    return log_odds + rest, rest
