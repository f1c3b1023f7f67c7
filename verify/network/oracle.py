"""What the activation regions of a batch of first layers are, and which contain a differentiable local minimum (DLM).

Most regions are settled by their kernel alone: a proved full rank leaves no residual (finite-N note, F5). Where the
residual does not settle a question, the signs of the second layer are searched (`verify.network.minima`), which costs
a thousand times as much, so the caller says where an answer matters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from verify.network import regions
from verify.network.minima import RegionError, find_minimum

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MOST_NODES, LEAST_NODES, EASY = 200, 30, 240
"""Sign choices examined for one region of a batch: nearly all regions need fewer than ten, and those that need more
than two hundred need thousands. Beyond `N · d1 = EASY` a choice costs so much more that fewer are made."""

YES, NO, UNKNOWN = 1, 0, -1


@dataclass(frozen=True)
class RegionBatch:
    """The regions of a batch of first layers, entry by entry.

    Attributes:
        patterns: whether `w_i·x_n > 0`, `(B, d1, N)`.
        rank: rank of `A ∘ X`, `(B,)`.
        clear: whether the rank, and so all that follows from it, was decided beyond doubt, `(B,)`.
        residual: the residual `e = P y` of every DLM in the region, `(B, N)`.
        errors: samples that such a DLM misclassifies, `(B,)`; those within rounding of one half count.
        ties: how many of them are within rounding of one half, `(B,)`.
        fits: whether that residual is zero: 1 yes, 0 no, -1 in doubt, `(B,)`.
        minimum: whether the region contains a DLM: 1 yes (with a witness that was evaluated as a network), 0 no, -1
            unknown or not asked, `(B,)`.
        witnesses: `(W', z')` of a DLM in the region, `d1 × d0` and `d1`, by position in the batch.
    """

    patterns: BoolArray
    rank: NDArray[np.intp]
    clear: BoolArray
    residual: FloatArray
    errors: NDArray[np.intp]
    ties: NDArray[np.intp]
    fits: NDArray[np.int8]
    minimum: NDArray[np.int8]
    witnesses: dict[int, tuple[FloatArray, FloatArray]]

    def suboptimal(self, epsilon: float) -> NDArray[np.int8]:
        """Whether each region lies in `L_ε`: it contains a DLM with `MCE > ε` (Soudry & Hoffer 2017, Definition 4)."""
        needed = regions.errors_above(epsilon, self.residual.shape[1])
        surely, maybe = self.errors - self.ties >= needed, self.errors >= needed
        return _both(np.where(self.clear & surely, YES, np.where(self.clear & ~maybe, NO, UNKNOWN)), self.minimum)

    def globalmin(self) -> NDArray[np.int8]:
        """Whether each region lies in `G`: it contains a DLM with `e = 0`."""
        return _both(self.fits, self.minimum)


def examine(
    W: FloatArray,
    X: FloatArray,
    y: FloatArray,
    slope: float,
    *,
    epsilon: float = 0.0,
    suboptimal: int | None = None,
    globalmin: int | None = None,
    node_limit: int | None = None,
    found: regions.Kernels | None = None,
) -> RegionBatch:
    """Look at the regions of a batch of first layers.

    The search for a minimum runs in the first `suboptimal` regions where `MCE > ε` is possible, and in the first
    `globalmin` regions where `e = 0` is possible; regions in which neither is cost nothing further.

    Args:
        W: first layers, `(B, d1, d0)`.
        X: samples, `(d0, N)`.
        y: labels, `(N,)`.
        slope: slope ρ on the negative side, other than 1.
        epsilon: threshold on the fraction of misclassified samples.
        suboptimal: how many of the regions, from the first on, are to be decided for `L_ε`; None for all.
        globalmin: how many are to be decided for `G`; None for all.
        node_limit: most sign choices for one region before its answer is *unknown*; None for 200, and fewer for large
            regions.
        found: the kernels of these very first layers, where the caller has them already.

    Raises:
        ValueError: if shapes, slope or entries cannot be used.
    """
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    found = found or regions.kernels(W, X, slope)
    batch, samples = found.batch, X.shape[1]
    rank = np.full(batch, samples, dtype=np.intp)
    clear = np.ones(batch, dtype=np.bool_)
    residual = np.zeros((batch, samples))
    rank[found.index], clear[found.index] = found.rank, found.clear
    residual[found.index] = found.projector @ y
    fits = np.full(batch, YES, dtype=np.int8)
    surely, maybe = regions.fits(found, y)
    fits[found.index] = np.where(surely, YES, np.where(maybe, UNKNOWN, NO))
    outputs = y - residual
    ties = (residual != 0) & (np.abs(outputs - 0.5) < regions.COORDINATE_CLEAR)
    wrong = ((outputs > 0.5) != (y > 0.5)) | ties
    result = RegionBatch(
        patterns=np.asarray(W @ X > 0),
        rank=rank,
        clear=clear,
        residual=residual,
        errors=wrong.sum(axis=1),
        ties=ties.sum(axis=1),
        fits=fits,
        minimum=np.full(batch, UNKNOWN, dtype=np.int8),
        witnesses={},
    )
    if node_limit is None:
        node_limit = int(np.clip(MOST_NODES * (EASY / (samples * W.shape[1])) ** 2, LEAST_NODES, MOST_NODES))
    place = np.arange(batch)
    asked = (result.suboptimal(epsilon) != NO) & (place < (batch if suboptimal is None else suboptimal))
    asked |= (result.globalmin() != NO) & (place < (batch if globalmin is None else globalmin))
    for item in np.flatnonzero(asked & clear).tolist():
        try:
            answer = find_minimum(W[item], X, y, slope, node_limit=node_limit)
        except RegionError:  # a pre-activation within rounding of zero: the region itself is in doubt
            continue
        if answer.contains_minimum is not None:
            result.minimum[item] = YES if answer.contains_minimum else NO
        if answer.witness is not None:
            result.witnesses[item] = answer.witness
    return result


def _both(first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.int8]:
    """Three-valued conjunction."""
    no, yes = (first == NO) | (second == NO), (first == YES) & (second == YES)
    return np.where(no, NO, np.where(yes, YES, UNKNOWN)).astype(np.int8)
