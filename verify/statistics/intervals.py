"""Exact confidence intervals for counts.

Contract: each interval contains the true value with probability at least `1 - level`, at every sample size
fixed beforehand. Nothing here is a normal approximation. Logs are natural; zero hits give a lower end of
`-inf` and a *positive* upper end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import betainccinv, betaincinv


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
    share = clopper_pearson(first, first + second, level)
    return Interval(log_odds(share.lower), log(first) - log(second) if second else math.inf, log_odds(share.upper))


def log_odds(log_share: float) -> float:
    """`log(s/(1 − s))` from `log s`."""
    if log_share == -math.inf:
        return -math.inf
    rest = -math.expm1(log_share)
    return math.inf if rest <= 0 else log_share - math.log(rest)
