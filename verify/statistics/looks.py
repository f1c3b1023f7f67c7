"""When a run looks at a growing sample, at what share of its level, and how much more a decision would take.

Stopping at the first look at which an interval of a fixed level decides is wrong more often than that level says. Here
looks are laid down beforehand, at doubling sample sizes, and each has its own share of the level. The shares of all
looks, earlier and later ones than a run takes, add up to one. So by the union bound all intervals hold together, a
confidence sequence at geometric times (as in Howard, Ramdas, McAuliffe & Sekhon 2021, section 3.1): stopping at any of
them, or going on later with more, costs nothing in validity. It works for every kind of interval, and at the small
levels of a run a share of an eighth widens one by a few per cent.
"""

from __future__ import annotations

import math

from verify.relations import Relation
from verify.statistics.estimates import EQUALITY_RESOLUTION
from verify.statistics.intervals import Interval

FIRST = 4
"""The first look is at a `FIRST`-th of the planned sample."""
MOST = 4
"""Where a decision is in reach, a sample grows up to `MOST` times the planned one."""


def looks(planned: int, most: int) -> tuple[int, ...]:
    """Sample sizes, in chunks, at which a run looks: at most one in each doubling, the last one `most`.

    Args:
        planned: chunks at the default budget.
        most: chunks at which the run ends.

    Raises:
        ValueError: if a number is below 1.

    >>> [(size, share(size, 16)) for size in looks(16, 64)]
    [(4, 0.0625), (8, 0.125), (16, 0.5), (32, 0.125), (64, 0.0625)]
    """
    if planned < 1 or most < 1:
        raise ValueError(f"got {planned} planned chunks and at most {most}; expected at least 1")
    found = {}
    size = planned / FIRST
    while size < most:
        chunks = math.ceil(size)
        found[doubling(chunks, planned)] = chunks
        size *= 2
    found[doubling(most, planned)] = most
    return tuple(sorted(set(found.values())))


def doubling(chunks: int, planned: int) -> int:
    """The doubling that a sample size lies in: `k` for sizes from `2^k planned` to below `2^(k+1) planned`."""
    return math.frexp(chunks / planned)[1] - 1


def share(chunks: int, planned: int) -> float:
    """Share of the level for the look in this doubling: one half for the planned sample, less further away."""
    number = doubling(chunks, planned)
    return 0.5 if number == 0 else 2.0 ** -(abs(number) + 2)


def factor_needed(seen: Interval, relation: Relation, log_bound: float) -> float:
    """How many times the sample a decision is likely to take, if the estimate is right; `inf` if none is in sight.

    The half of an interval that reaches across the bound shrinks with the root of the sample; an upper end without any
    hit with the sample itself. This plans work and no verdict rests on it.

    Args:
        seen: natural logs of the estimate and of the ends of its interval.
        relation: of the claim.
        log_bound: natural log of its bound.
    """
    if math.isnan(log_bound) or math.isnan(seen.estimate):
        return math.inf
    if not (relation.is_upper or relation.is_lower):
        width = seen.upper - seen.lower
        return (width / (2 * EQUALITY_RESOLUTION)) ** 2 if math.isfinite(width) else math.inf
    if seen.estimate == -math.inf:
        return math.exp(min(700.0, seen.upper - log_bound)) if log_bound > -math.inf else math.inf
    gap = abs(seen.estimate - log_bound)
    width = seen.upper - seen.estimate if seen.estimate < log_bound else seen.estimate - seen.lower
    if gap == 0 or not math.isfinite(width):
        return math.inf
    return (width / gap) ** 2
