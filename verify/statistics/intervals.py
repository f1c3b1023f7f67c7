"""Exact confidence intervals for counts.

Contract: each interval contains the true value with probability at least `1 - level`, at every sample size
fixed beforehand. Nothing here is a normal approximation. Logs are natural; zero hits give a lower end of
`-inf` and a *positive* upper end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainccinv, betaincinv, stdtrit

# Small bets serve values of which few are not zero, bold ones values that are nearly equal.
_BETS = np.array([0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])[:, None]


@dataclass(frozen=True)
class Interval:
    """Natural logs of the lower end, the point estimate and the upper end; `lower <= estimate <= upper`."""

    lower: float
    estimate: float
    upper: float


def log(value: float) -> float:
    """Natural log with `log 0 = -inf`."""
    return math.log(value) if value > 0 else -math.inf


def clopper_pearson(hits: int, trials: int, level: float, doubtful: int = 0) -> Interval:
    """Two-sided exact interval for a probability (Clopper & Pearson 1934), in logs.

    Args:
        hits: trials in which the event certainly happened.
        trials: number of independent trials.
        level: probability that the interval misses, in (0, 1).
        doubtful: trials that could not be decided; they count as no hit at the lower end and as hits at the
            upper one, so the interval stays valid whatever they were.

    Raises:
        ValueError: if the counts are inconsistent or the level lies outside (0, 1).

    >>> seen = clopper_pearson(hits=0, trials=1000, level=0.01)
    >>> seen.lower, round(math.exp(seen.upper), 6)
    (-inf, 0.005284)
    """
    if min(hits, doubtful) < 0 or trials < 1 or hits + doubtful > trials:
        raise ValueError(
            f"got {hits} hits and {doubtful} doubtful of {trials} trials; "
            "expected 0 <= hits, 0 <= doubtful, hits + doubtful <= trials, trials >= 1"
        )
    if not 0 < level < 1:
        raise ValueError(f"got level {level}; expected a number strictly between 0 and 1")
    most = hits + doubtful
    lower = 0.0 if hits == 0 else float(betaincinv(hits, trials - hits + 1, level / 2))
    # From the complement: 1 - level / 2 would round away a small level.
    upper = 1.0 if most == trials else float(betainccinv(most + 1, trials - most, level / 2))
    return Interval(log(lower), log(hits / trials), log(upper))


def odds(first: int, second: int, level: float) -> Interval:
    """Exact interval for the ratio `p/q` of the probabilities of two disjoint events, in logs.

    Given that one of the two happened, the first did with probability `p/(p+q)`; the counts are then binomial,
    whatever the number of trials was.

    Raises:
        ValueError: if a count is negative, or both are zero (then nothing is known about the ratio).
    """
    if first < 0 or second < 0 or first + second == 0:
        raise ValueError(f"got counts {first} and {second}; expected at least one event of either kind")
    share, rest = (clopper_pearson(count, first + second, level) for count in (first, second))
    # Of a share near one what is left of the odds is rounding, and of its rest it is not.
    lower, upper = (
        log_odds(end) if end < -math.log(2) else -log_odds(other)
        for end, other in ((share.lower, rest.upper), (share.upper, rest.lower))
    )
    return Interval(lower, log(first) - log(second) if second else math.inf, upper)


def log_odds(log_share: float) -> float:
    """`log(s/(1 − s))` from `log s`."""
    rest = -math.expm1(log_share)
    return math.inf if rest <= 0 else log_share - math.log(rest)


def log_mean_lower(logs: Sequence[float], level: float) -> float:
    """Lower confidence bound for the log of the common mean of independent nonnegative values.

    For `v` at least the mean, `Π_r (1 + λ(Z_r/v − 1))` has expectation at most one, and so has its average over some
    `λ` in (0, 1]: by Markov's inequality it exceeds `1/level` with probability at most `level` (Waudby-Smith &
    Ramdas 2024). The bound is the smallest `v` at which it does not. No assumption on the distribution.

    Args:
        logs: natural logs of the values, `-inf` for zero.
        level: probability of a bound above the true mean.
    """
    values = np.asarray(logs, dtype=np.float64)
    if not np.isfinite(values).any():
        return -math.inf
    high = float(values.max())  # every factor is at most one here
    low = high - 1.0
    while log_wealth(values, low) < -math.log(level):
        low -= 2 * (high - low)
    for _ in range(45):
        middle = (low + high) / 2
        low, high = (middle, high) if log_wealth(values, middle) >= -math.log(level) else (low, middle)
    return low


def log_wealth(logs: Sequence[float] | npt.NDArray[np.float64], log_mean: float) -> float:
    """Log of `Π_r (1 + λ(Z_r/v − 1))`, its mean over some λ in (0, 1].

    A test martingale against a mean of at most `v`: its own mean is at most one while that holds, whatever made the
    sample end.

    Args:
        logs: natural logs of the nonnegative values `Z_r`.
        log_mean: natural log of `v`.
    """
    with np.errstate(divide="ignore"):
        stakes, rest = np.log(_BETS), np.log1p(-_BETS)
    factors = np.logaddexp(rest, stakes + (np.asarray(logs, dtype=np.float64) - log_mean))
    return float(np.logaddexp.reduce(factors.sum(axis=1))) - math.log(_BETS.size)


def log_mean_upper(logs: Sequence[float], level: float) -> float:
    """Upper bound for the log of the common mean of positive values, as if their logs were normal.

    Cox's method with Student's quantiles (Land 1971, Zhou & Gao 1997). Not proved for any other distribution. Zeros are
    left aside, which can only raise it.

    Args:
        logs: natural logs of the values, `-inf` for zero.
        level: stated probability of a bound below the true mean.

    Returns:
        The bound; `inf` if fewer than three values are positive.
    """
    values = np.asarray([value for value in logs if math.isfinite(value)])
    count = values.size
    if count < 3:
        return math.inf
    variance = float(values.var(ddof=1))
    width = math.sqrt(variance / count + variance**2 / (2 * (count - 1)))
    return float(values.mean()) + variance / 2 - float(stdtrit(count - 1, level)) * width
