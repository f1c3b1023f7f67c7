"""With what power of a bound's log the log of a quantity grows along a path of sizes.

An asymptotic bound compares `−log V` with an exponent `b` that grows with the size. Measured at several sizes, the
slope `β` of `log(−log V)` against `log b` says which of the two grows faster: above one the quantity falls faster than
its bound. A slope over finitely many sizes is a trend. It proves nothing about larger ones, and its dependence on the
smallest sizes is shown by leaving them out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from verify.statistics.intervals import Interval

# An interval of no width, from an exact volume, would take all the weight. Weights change a slope, and not its
# validity.
_LEAST_WIDTH = 1e-3


@dataclass(frozen=True)
class Exponent:
    """Slope of a weighted least-squares fit and an interval for the slope of the true values, with the same weights.

    Attributes:
        lower: least slope for values within all intervals at once.
        estimate: slope of the estimates.
        upper: largest slope.
        sizes: how many sizes were fitted.
    """

    lower: float
    estimate: float
    upper: float
    sizes: int


def exponent(quantities: Sequence[Interval], log_bounds: Sequence[float]) -> Exponent | None:
    """Slope of `log(−log V)` against `log(−log bound)`.

    The slope is a linear function of the `log(−log V)`, so its extremes over all of their intervals are attained at
    ends of them. With intervals that hold together, as those of a run at its level do, the interval of the slope holds
    too; no distribution is assumed. Weights are the inverse squares of the widths of the intervals.

    Args:
        quantities: natural logs of the quantity at each size, with intervals.
        log_bounds: natural logs of the bound at each size.

    Returns:
        None where fewer than two sizes have a bound below one, an estimate and two ends strictly between `-inf` and 0,
        or all their bounds are equal.

    Raises:
        ValueError: if there are not as many quantities as bounds.
    """
    pairs = [
        (log_bound, seen) for seen, log_bound in zip(quantities, log_bounds, strict=True) if usable(seen, log_bound)
    ]
    if len({log_bound for log_bound, _ in pairs}) < 2:
        return None
    x = [math.log(-log_bound) for log_bound, _ in pairs]
    # A value of log(−log V) is largest at the lower end of log V.
    least = [math.log(-seen.upper) for _, seen in pairs]
    middle = [math.log(-seen.estimate) for _, seen in pairs]
    most = [math.log(-seen.lower) for _, seen in pairs]
    widths = [max(high - low, _LEAST_WIDTH) for low, high in zip(least, most, strict=True)]
    weights = [1 / width**2 for width in widths]
    centre = math.fsum(w * a for w, a in zip(weights, x, strict=True)) / math.fsum(weights)
    spread = math.fsum(w * (a - centre) ** 2 for w, a in zip(weights, x, strict=True))
    factors = [w * (a - centre) / spread for w, a in zip(weights, x, strict=True)]
    ends = list(zip(factors, least, most, strict=True))
    return Exponent(
        math.fsum(factor * (low if factor > 0 else high) for factor, low, high in ends),
        math.fsum(factor * value for factor, value in zip(factors, middle, strict=True)),
        math.fsum(factor * (high if factor > 0 else low) for factor, low, high in ends),
        len(pairs),
    )


def usable(seen: Interval, log_bound: float) -> bool:
    """Whether a size can be fitted: a bound below one, and a quantity known to be strictly between 0 and 1."""
    return -math.inf < log_bound < 0 and -math.inf < seen.lower <= seen.estimate <= seen.upper < 0
