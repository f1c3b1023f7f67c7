"""What exact volumes cost, and whether they are within reach: known before any work.

The formulas were fitted to measured runs (`benchmarks/exact_cost.py`); seconds are those of one core of 2020 or later
and hold within a factor of five or so. What is refused is refused for memory or for the number of closed sets, never
for a guess of seconds alone.

Closed sets. Sets of fewer than N/d0 cells cannot have full rank and most are closed: `Σ_{k<N/d0} C(cells, k)`. Cells
that agree up to sign on a set T of more than d0 samples have a kernel in common, and about half of all pairs of such a
T and a cell of it give a closed set: `½ Σ_{|T|>d0} cells(T)`. The larger of the two counts is at most five times off
where it was compared (d0 up to 5, N up to 10; ρ = −1 has fewer).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from verify.network.arrangements import cover_count
from verify.volume.shares import CLOSED_FORM_RANK, COUNTED_SECONDS, Layout

CLOSED_SET_LIMIT = 20_000
"""Closed sets up to which the work is done: some minutes and 250 MB."""

CELL_LIMIT = 512

BOX_LIMIT = 20_000
"""Boxes of cell counts examined for `L_ε` and for `G` each: some 20 s, or a minute where most have to be decided by a
search over signs. With 16 cells this suffices for ten digits where the width is well above the number of cells, or
below 4; in between the ends stay apart."""

MEMORY_LIMIT = 2 << 30
"""Bytes predicted beyond which a request is refused."""

_MISJUDGED = 5  # the factor by which the number of closed sets may be overestimated
_LIBRARIES = 100e6  # bytes of the interpreter with everything loaded


class ExactLimitError(ValueError):
    """The arrangement, or the width, is too large for exact volumes."""


@dataclass(frozen=True)
class Cost:
    """What `exact_volumes` would need.

    Attributes:
        cells: number of cells (Cover's count; exact in general position).
        closed_form: whether the volumes of the cells are known in closed form, so that the evidence is exact.
        closed_sets: estimated number of closed sets.
        seconds: estimated time, with every box examined: the search for minima often ends long before.
        bytes: estimated peak memory of the process.
        refusal: why `exact_volumes` would refuse, and what to use instead; empty if it would not.
    """

    cells: int
    closed_form: bool
    closed_sets: float
    seconds: float
    bytes: float
    refusal: str = ""


def cost_of_shape(
    d0: int,
    N: int,
    width: int = 1,
    *,
    box_limit: int = BOX_LIMIT,
    limit: int = CLOSED_SET_LIMIT,
    memory: float = MEMORY_LIMIT,
    effort: float = 1.0,
) -> Cost:
    """Cost of exact volumes of N samples in general position in d0 dimensions.

    Args:
        d0: number of features.
        N: number of samples.
        width: number of hidden units d1.
        box_limit: as for `exact_volumes`.
        limit: most closed sets to enumerate.
        memory: most bytes to use.
        effort: as for `exact_volumes`.

    Raises:
        ValueError: if d0, N or width is below 1.
    """
    if width < 1:
        raise ValueError(f"got width {width}; expected at least 1")
    least = 2 ** min(N, d0)
    if least > CELL_LIMIT or N > CELL_LIMIT:  # more than Cover's sum need be taken for
        return refused(d0, N, max(least, 2 * N))
    cells, estimated = cover_count(N, d0), cover_count(N, d0) // 2 if min(N, d0) > CLOSED_FORM_RANK else 0
    return _cost(d0, N, cells, estimated, N, min(N, d0), width, box_limit, limit, memory, effort)


def cost_of_layout(
    planned: Layout,
    d0: int,
    width: int = 1,
    *,
    box_limit: int = BOX_LIMIT,
    limit: int = CLOSED_SET_LIMIT,
    memory: float = MEMORY_LIMIT,
    effort: float = 1.0,
) -> Cost:
    """The same for given samples: repeated ones and orthogonal components cost less.

    Args:
        planned: hyperplanes and components of the samples.
        d0: number of features.
        width: number of hidden units d1.
        box_limit: as for `exact_volumes`.
        limit: most closed sets to enumerate.
        memory: most bytes to use.
        effort: as for `exact_volumes`.
    """
    # A sample and a negative multiple of it have one hyperplane, but count twice for the rank.
    samples = len(set(zip(planned.leader.tolist(), planned.side.tolist(), strict=True)))
    cells, estimated, rank = planned.cells, planned.estimated_cells, sum(planned.ranks)
    return _cost(
        d0, len(planned.leader), cells, estimated, samples, rank, width, box_limit, limit, memory, effort
    )  # fmt: skip


def least_cells(X: npt.NDArray[np.float64]) -> int:
    """A number of cells that samples in floating point surely have, found without exact arithmetic.

    Distinct hyperplanes give at least two cells each, and r independent ones `2^r`; rounding is left ample room.

    Args:
        X: samples, `d0 × N`, finite, none of them zero.
    """
    some = X[:, :CELL_LIMIT]
    unit = some / np.abs(some).max(axis=0)
    unit = unit / np.linalg.norm(unit, axis=0)
    rank = int((np.linalg.svd(unit, compute_uv=False) > 1e-6).sum())
    cosines = np.abs(np.triu(unit.T @ unit, 1)).max(axis=0)
    return max(2 * int((cosines < 1 - 1e-12).sum()), 1 << min(rank, 64))


def refused(d0: int, N: int, cells: int) -> Cost:
    """The cost of what has too many cells."""
    reason = too_large(N, d0, f"at least {cells} cells, where {CELL_LIMIT} are allowed")
    return Cost(cells, False, math.inf, math.inf, math.inf, reason)


def width_cost(closed_sets: int, width: int, kappa: float, *, memory: float = MEMORY_LIMIT) -> Cost:
    """Cost of one width, once the closed sets are known.

    Args:
        closed_sets: their number.
        width: number of hidden units d1.
        kappa: largest rate of an event, in nats per neuron: its volume is about `exp(−κ d1)`, and sums of powers
            cancel to it.
        memory: most bytes to use.
    """
    seconds, size = _first_order(closed_sets, width, kappa)
    size += _LIBRARIES
    refusal = ""
    if size > memory:
        refusal = (
            f"width {width} takes sums of {closed_sets} powers with {kappa * width / math.log(2):.2g} bits each, "
            f"some {size / 1e9:.1f} GB where {memory / 1e9:.1f} GB are allowed; use method='rare', or a smaller width"
        )
    return Cost(0, True, closed_sets, seconds, size, refusal)


def too_large(samples: int, dimensions: int, reason: str) -> str:
    """The message of a refusal."""
    return (
        f"{samples} samples in {dimensions} dimensions give {reason}: too many for exact volumes; "
        "estimate with method='sample' or, for small volumes, method='rare', or take fewer samples"
    )


def _cost(
    d0: int,
    N: int,
    cells: int,
    estimated: int,
    distinct: int,
    rank: int,
    width: int,
    box_limit: int,
    limit: int,
    memory: float,
    effort: float,
) -> Cost:
    fewest = -(-distinct // rank)
    closed = _closed_sets(cells, distinct, rank, fewest) if cells <= CELL_LIMIT else math.inf
    # No set of fewer than N/d0 cells has full rank, and the largest of them hold this share; a half-space is dead.
    kappa = math.log(max(2.0, cells / max(1, fewest - 1)))
    seconds = estimated * 0.1 * effort + (COUNTED_SECONDS * effort if estimated else 0.0)
    seconds += 5e-5 * closed * cells + 1e-7 * closed**2
    # Every box holds a vector of counts, and one of 0, 1, 2+; for each of two events parts at most double them.
    vectors = min(3 ** min(cells, 40), math.comb(cells + width - 1, width) if min(cells, width) < 12 else math.inf)
    boxes = min(2 * box_limit, 4 * vectors)
    seconds += boxes * (2e-4 * (1 + 16 / width) + 5e-6 * cells + 1e-8 * width**1.5)  # few neurons take more deciding
    powers, size = _first_order(closed, width, kappa)
    seconds += powers
    # Kernels and residuals of the closed sets; boxes; Poisson probabilities.
    size += (
        _LIBRARIES
        + closed * (1500 + 40 * distinct * min(distinct, 8) + cells)
        + 2 * box_limit * 600
        + 100 * float(width)
    )
    refusal = ""
    if cells > CELL_LIMIT:
        refusal = too_large(N, d0, f"{cells} cells, where {CELL_LIMIT} are allowed")
    elif closed > _MISJUDGED * limit:
        refusal = too_large(
            N, d0, f"{cells} cells and some {closed:.3g} closed sets of them, where {limit} are allowed"
        )
    elif size > memory:
        allowed = f"{size / 1e9:.1f} GB of memory at width {width}, where {memory / 1e9:.1f} GB are allowed"
        refusal = too_large(N, d0, f"{cells} cells, some {closed:.3g} closed sets and {allowed}")
    return Cost(cells, not estimated, closed, seconds, size, refusal)


def _closed_sets(cells: int, N: int, rank: int, fewest: int) -> float:
    small = sum(math.comb(cells, k) for k in range(fewest))
    alike = sum(math.comb(N, t) * cover_count(t, rank) for t in range(rank + 1, N + 1))
    both = min(max(small, alike // 2, 1 + cells), 2**cells)
    return float(both) if both < 10**300 else math.inf


def _first_order(closed: float, width: int, kappa: float) -> tuple[float, float]:
    """Seconds and bytes of three sums of powers, precision doubled until their digits are there."""
    bits = 2 * (192 + kappa * width / math.log(2))
    return 3 * closed * math.log2(width + 1) * (2e-7 + 1e-8 * bits), 2 * closed * (100 + bits / 8)
