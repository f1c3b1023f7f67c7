"""What a sample can find: the least violation of a claim that it would catch with a declared probability.

By exact binomial sums over what would be seen, against the very intervals that verdicts rest on: for probabilities, and
for ratios given how often either event happened. It describes a sample, and no verdict rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.special import betaincinv

from verify.relations import Relation
from verify.statistics.estimates import EQUALITY_RESOLUTION, Estimate, Odds, Proportion
from verify.statistics.intervals import log, log_odds

POWER = 0.95
"""Declared probability of finding the violation."""


def detectable(estimate: Estimate, relation: Relation, log_bound: float, level: float) -> float | None:
    """Least `|log quantity − log bound|` of a false claim that such a sample refutes with probability `POWER`.

    Args:
        estimate: whose sample size counts, and not what was seen; of a ratio also how often either event happened.
        relation: of the claim.
        log_bound: natural log of its bound.
        level: at which its interval is taken.

    Returns:
        `inf` where no violation is found with that probability; None for other kinds of estimates, asymptotic claims
        and bounds outside (0, 1).
    """
    if relation.is_asymptotic or not math.isfinite(log_bound):
        return None
    back: Callable[[float], float]
    if isinstance(estimate, Proportion) and log_bound < 0:
        trials, share, back = estimate.trials, math.exp(log_bound), log
    elif isinstance(estimate, Odds):
        trials, share = estimate.first + estimate.second, 1 / (1 + math.exp(-log_bound)) if log_bound > -700 else 0.0
        back = _log_odds
    else:
        return None
    if trials == 0 or not 0 < share < 1:
        return None
    found = [
        abs(back(nearest) - log_bound) if 0 < nearest < 1 else math.inf
        for above in (True, False)
        if relation is Relation.EQUAL or above is relation.is_upper
        for nearest in (_nearest(trials, share, level / 2, above),)
    ]
    # An interval of twice the resolution that contains a value contains nothing beyond this.
    return max(*found, 2 * EQUALITY_RESOLUTION) if relation is Relation.EQUAL else found[0]


def _log_odds(share: float) -> float:
    return log_odds(math.log(share))


def _nearest(trials: int, bound: float, level: float, above: bool) -> float:
    """The probability nearest to the bound that is found; 0 or 1 where none is."""
    # The least number of hits, or of misses, whose one-sided interval at this level leaves the bound out.
    if not above:
        return 1 - _nearest(trials, 1 - bound, level, True)
    low, high = 0, trials + 1
    while high - low > 1:
        middle = (low + high) // 2
        refutes = float(betaincinv(middle, trials - middle + 1, level)) > bound
        low, high = (low, middle) if refutes else (middle, high)
    if high > trials:
        return 1.0
    # P(at least `high` hits) = I_p(high, trials − high + 1).
    return float(betaincinv(high, trials - high + 1, POWER))
