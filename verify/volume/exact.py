"""Exact angular volumes of activation-region events for small data sets, at any width.

Cells. A region of a network of width d1 is a choice of one cell of the arrangement `{w : w·x_n = 0}` for each
neuron, and neurons fall into cells independently with the cells' angular volumes. Rank, kernel and residual of
`G = A ∘ X` depend only on the *set* of occupied cells, the existence of a differentiable local minimum (DLM) only
on whether a cell holds 0, 1 or more neurons (finite-N note, F1e).

Closed sets. Sets of cells with the same kernel K have one largest member, all cells i with `G_i K = 0`. These
closed sets are few (some 600 for 8 samples in the plane, where there are 65 536 sets), and they carry everything of
first order. With `p(F)` the total volume of F, `P(all neurons in F) = p(F)^d1`, so by Möbius inversion every
event that depends on the kernel has volume `Σ_F c_F p(F)^d1` with integers `c_F` that do not depend on d1. The
sum cancels; it is taken in ball arithmetic, with the precision raised until the result has its digits.

Minima. A DLM with target `t = y − e` exists iff `t = Σ G_i^T u_i` with `u_i` arbitrary for cells with two neurons,
zero or in plus or minus the cell for cells with one, and zero for empty cells: monotone in the vector of 0, 1,
2+. So a box of such vectors is decided by its least or its greatest one. Boxes are split, the heaviest first,
until what is undecided is negligible or the budget ends; what is left is the difference between upper and lower
end. Volumes of boxes are sums of positive terms, and every single decision is made in rational arithmetic.

Estimated cells. Which regions have an event is always decided exactly. In more than three dimensions the cells'
volumes are not known in closed form, but lie in intervals that hold for all of them at once (`verify.volume.shares`).
Each event's volume is `Σ_n d1!/Π n_i! · Π p_i^{n_i}` over the vectors n of cell counts that have the event: a
polynomial with nonnegative coefficients, so it does not decrease in any `p_i`, whether or not they sum to 1. Its
value at the lower ends is a lower bound, at the upper ends an upper one; the same for the complement. The Möbius form
and the sums over boxes are this polynomial, written otherwise, so both are evaluated at the ends as they stand.

Floats are read as the decimals that they print as, so `slope=0.1` is 1/10; everything after that is exact.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, ctx, fmpq, fmpq_mat, fmpz, fmpz_mat
from scipy.special import gammaln

from verify.network.arrangements import GeneralPositionError, SignArray
from verify.network.regions import errors_above
from verify.verdicts import Evidence
from verify.volume.cones import decide
from verify.volume.cost import (
    BOX_LIMIT,
    CELL_LIMIT,
    CLOSED_SET_LIMIT,
    MEMORY_LIMIT,
    Cost,
    ExactLimitError,
    cost_of_layout,
    least_cells,
    refused,
    too_large,
    width_cost,
)
from verify.volume.result import Volume, Volumes
from verify.volume.shares import Layout, Shares, components, layout

__all__ = ["ExactLimitError", "Rate", "RegionLattice", "exact_volumes", "predicted_cost", "rate_in_width"]

FloatArray = npt.NDArray[np.float64]

NEGLIGIBLE = 1e-12
"""Undecided volume, as a fraction of the event's or its complement's, at which splitting stops."""

NEGLIGIBLE_BESIDE_ESTIMATES = 1e-4
"""The same where the cells' volumes are estimated: their intervals are wider than that."""

_BITS = 64
_CHECK_EVERY = 100
_TRIM = 110.0
"""Entries below exp(−110) of the largest are left out of convolutions, unless that could change the 17th digit."""

_SLACK = 1e-12
"""Relative, for sums of a few hundred floats and their logs; far below the width of any interval of an estimate."""

_ULP = 2.0**-53
"""Relative rounding of one operation."""

_LOWER, _ESTIMATE, _UPPER = range(3)


@dataclass(frozen=True)
class Rate:
    """The exponential rate in width of the first-order event (finite-N note, F16).

    Attributes:
        kappa: `κ = −log max{p(S) : S bad}`, in nats per neuron; `inf` if no set of cells is bad.
        volume: that largest `p(S)`.
        cells: patterns of one set that attains it, `k × N`, entries ±1.
        multiplicity: number of (closed) sets that attain it: `V(d1) ≈ multiplicity · exp(−κ d1)`. Where cells are
            estimated, the number of those whose estimates tie.
        kappa_lower, kappa_upper: interval for κ; both equal κ where the evidence is exact.
        evidence: `exact`, or `statistical` where the volumes of the cells are estimated.
        level: probability that the interval misses; zero where the evidence is exact.
    """

    kappa: float
    volume: float
    cells: SignArray
    multiplicity: int
    kappa_lower: float
    kappa_upper: float
    evidence: Evidence = Evidence.EXACT
    level: float = 0.0


def exact_volumes(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    slope: float | Fraction,
    epsilon: float,
    width: int,
    *,
    box_limit: int = BOX_LIMIT,
    level: float = 0.01,
    seed: int = 0,
    effort: float = 1.0,
) -> Volumes:
    """Angular volumes of the events of F5: exactly where the cells have volumes in closed form, else in intervals.

    The closed form is there where each set of samples that is orthogonal to all others spans at most three
    dimensions. Elsewhere which regions have an event is still decided exactly; only the volumes of the cells are
    estimated. For several widths or plots make one `RegionLattice` and ask it; `predicted_cost` says what to expect.

    Args:
        X: samples, `d0 × N`, none of them zero. Repeated samples and multiples of others, also negative ones, are
            welcome; the others must be in general position in the span of each orthogonal component.
        y: labels, N; any real numbers.
        slope: negative-side slope ρ ≠ 1.
        epsilon: threshold ε in [0, 1) on the fraction of misclassified samples.
        width: number of hidden units d1, at least 1.
        box_limit: most boxes to examine for `L_ε` and for `G` each.
        level: where cells are estimated, stated probability that any of the five intervals misses.
        seed: of that estimate.
        effort: factor on its draws.

    Raises:
        ExactLimitError: if the arrangement is too large; known before or soon after the work starts.
        GeneralPositionError: if the samples are not, or not clearly, in general position; it names some.
        ValueError: if shapes, slope, epsilon, width, entries or another argument cannot be used.
    """
    width = _require_width(width)
    lattice = RegionLattice(X, y, slope, epsilon, level=level, seed=seed, effort=effort)
    return lattice.volumes(width, box_limit=box_limit)


def predicted_cost(
    X: npt.ArrayLike,
    width: int = 1,
    *,
    box_limit: int = BOX_LIMIT,
    limit: int = CLOSED_SET_LIMIT,
    memory: float = MEMORY_LIMIT,
    effort: float = 1.0,
) -> Cost:
    """What `exact_volumes` would cost for these samples, and whether and why it would refuse them.

    For a number of samples in general position, before there are any, see `verify.volume.cost.cost_of_shape`. How many
    bits a width takes is known only when the closed sets are: where that decides, this is on the safe side, and
    `exact_volumes` may still go through.

    Args:
        X: samples, `d0 × N`.
        width: number of hidden units d1.
        box_limit: most boxes to examine for `L_ε` and for `G` each.
        limit: most closed sets to enumerate.
        memory: most bytes to use.
        effort: factor on the draws for the volumes of cells without a closed form.

    Raises:
        ValueError: if X is no `d0 × N` array of finite numbers, or the width is no positive integer.
    """
    width = _require_width(width)
    try:
        exact, planned = _planned(X)
        if isinstance(planned, Cost):
            return planned
        cost = cost_of_layout(
            planned, len(exact), width, box_limit=box_limit, limit=limit, memory=memory, effort=effort
        )  # fmt: skip
        if not cost.refusal:
            components(X, exact, planned)
    except GeneralPositionError as error:
        return Cost(0, False, math.inf, math.inf, math.inf, f"{error}; or use method='sample' or 'rare'")
    return cost


def rate_in_width(X: npt.ArrayLike, y: npt.ArrayLike, slope: float | Fraction, epsilon: float) -> Rate:
    """Exact rate κ at which the first-order event's volume, and `V(L_ε)`, vanish as the width grows (F16).

    Args and errors are those of `exact_volumes`.
    """
    return RegionLattice(X, y, slope, epsilon).rate()


class RegionLattice:
    """All regions of a data set, of any width, grouped by the kernel of `A ∘ X`.

    Attributes:
        patterns: signs of the cells, `n_cells × N`.
        shares: the cells' volumes, or intervals for them.
        closed: the closed sets, as bit masks over the cells, largest first.
        neurons: for each closed set, the least number of neurons that produce its kernel.
    """

    def __init__(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        slope: float | Fraction,
        epsilon: float,
        *,
        limit: int = CLOSED_SET_LIMIT,
        level: float = 0.01,
        seed: int = 0,
        effort: float = 1.0,
    ) -> None:
        """Enumerate the closed sets; the cost does not depend on the width.

        Args:
            X: samples, `d0 × N`.
            y: labels, N.
            slope: negative-side slope ρ ≠ 1.
            epsilon: threshold ε in [0, 1).
            limit: most closed sets to enumerate.
            level: where cells are estimated, stated probability that any of the intervals misses.
            seed: of that estimate.
            effort: factor on its draws.

        Raises:
            ExactLimitError, GeneralPositionError, ValueError: as for `exact_volumes`.
        """
        self.y = _rationals(y, "y")
        if np.ndim(X) != 2 or self.y.shape != np.shape(X)[1:] or not self.y.size or not np.size(X):
            raise ValueError(f"got X {np.shape(X)} and y {self.y.shape}; expected d0 × N and N, not empty")
        rho = _rationals(slope, "slope")
        if rho.shape:
            raise ValueError(f"got a slope of shape {rho.shape}; expected one number")
        if rho.item() == 1:
            raise ValueError("got slope 1, a linear network; expected any other slope")
        if not 0 <= epsilon < 1:
            raise ValueError(f"got epsilon = {epsilon}; expected a fraction in [0, 1)")
        self.epsilon = epsilon
        self.X, planned = _planned(X)
        if isinstance(planned, Cost):
            raise ExactLimitError(planned.refusal)
        cost = cost_of_layout(planned, len(self.X), limit=limit, effort=effort)
        if cost.refusal:
            raise ExactLimitError(cost.refusal)
        self.shares = Shares(X, self.X, level=level, seed=seed, effort=effort)
        self.patterns = self.shares.patterns
        self._exact = self.shares.evidence is Evidence.EXACT
        self._volumes = self.shares.estimate
        self._sums: dict[tuple[int, int | None], list[arb]] = {}
        self._planned = planned
        self._existing = {signs.tobytes() for signs in self.patterns}
        self._gates = _gates(self.X, self.patterns, rho.item())
        self._close(limit)
        self._evaluate()

    def volumes(self, width: int, *, box_limit: int = BOX_LIMIT) -> Volumes:
        """All volumes at one width.

        Args:
            width: number of hidden units d1, at least 1.
            box_limit: most boxes to examine for `L_ε` and for `G` each; 0 leaves them between the trivial ends.

        Raises:
            ExactLimitError: if the width is so large that the numbers would not fit.
            ValueError: if `width` is no positive integer.
        """
        width = _require_width(width)
        self._require_fit(width)
        rank, support, first_order = (self._first_order(event, width) for event in range(3))
        suboptimal = self._with_minimum(self._wrong, width, box_limit, first_order)
        globalmin = self._with_minimum(self._fits, width, box_limit, None)
        found = rank, support, first_order, suboptimal, globalmin
        exact = all(volume.evidence is Evidence.EXACT for volume in found)
        d0, N = self.X.shape
        facts = {"N": N, "d0": d0, "width": width, "cells": len(self.patterns), "closed_sets": len(self.closed)}
        return Volumes(*found, level=0.0 if exact else self.shares.level, facts=facts)

    def first_order(self, width: int) -> Volume:
        """`MCE(y − P y) > ε` alone: no search for minima. Errors are those of `volumes`."""
        width = _require_width(width)
        self._require_fit(width)
        return self._first_order(2, width)

    def rate(self) -> Rate:
        """The rate in width (finite-N note, F16): exact, or in an interval where cells are estimated."""
        bad = [i for i in np.flatnonzero(self._events[:, 2]).tolist() if self.closed[i]]
        if not bad:
            return Rate(math.inf, 0.0, self.patterns[:0], 0, math.inf, math.inf, Evidence.EXACT)
        if self.closed[bad[0]] == (1 << len(self.patterns)) - 1:  # the largest come first
            return Rate(0.0, 1.0, self.patterns, 1, 0.0, 0.0, Evidence.EXACT)
        if not self._exact:
            return self._estimated_rate(bad)
        bits = _BITS
        while True:
            # The largest p(F) has the smallest rest, and near 1 only the rest has digits.
            rests = self._rests(bits, bad)
            best = min(rests, key=lambda ball: ball.mid())
            ties = [i for i, rest in zip(bad, rests, strict=True) if rest.overlaps(best)]
            members = _members(self.closed[ties[0]])
            balls = self.shares.balls(bits)
            with ctx.workprec(bits + 32):
                volume = sum((balls[i] for i in members), arb(0))
                kappa = -(-best).log1p() if best < 0.5 else -volume.log()
            # Sets whose rests overlap at 128 bits are taken for equal: symmetry makes exact ties, chance makes none.
            if bits > _BITS and kappa.rel_accuracy_bits() >= 54:
                break
            bits *= 2
        return Rate(float(kappa), float(volume), self.patterns[members], len(ties), float(kappa), float(kappa))

    def _rests(self, bits: int, sets: list[int]) -> list[arb]:
        """`1 − p(F)` as a sum of positive terms."""
        balls = self.shares.balls(bits)
        everything = (1 << len(balls)) - 1
        with ctx.workprec(bits + 32):
            return [sum((balls[i] for i in _members(everything & ~self.closed[k])), arb(0)) for k in sets]

    def _estimated_rate(self, bad: list[int]) -> Rate:
        inside = np.array(
            [[mask >> i & 1 for i in range(len(self.patterns))] for mask in map(self.closed.__getitem__, bad)]
        )
        share = self.shares
        # p(F) from below, by what it holds and by what it lacks; and from above.
        least = float(np.maximum(inside @ share.lower, 1 - (1 - inside) @ share.upper).max()) * (1 - _SLACK)
        most = float(np.minimum(inside @ share.upper, 1 - (1 - inside) @ share.lower).max()) * (1 + _SLACK)
        totals = inside @ share.estimate
        best = float(np.clip(totals.max(), least, most))
        ties = np.flatnonzero(totals >= totals.max() * (1 - _SLACK))
        members = _members(self.closed[bad[ties[0]]])
        kappa, lower, upper = (max(0.0, -math.log(value)) for value in (best, most, least))
        return Rate(
            kappa, best, self.patterns[members], len(ties), lower, upper, Evidence.STATISTICAL, share.level
        )  # fmt: skip

    def _require_fit(self, width: int) -> None:
        """Refuse a width whose sums of powers would not fit into memory."""
        cost = width_cost(len(self.closed), width, self._largest_rate)
        if cost.refusal:
            raise ExactLimitError(cost.refusal)

    def _too_large(self, reason: str) -> str:
        return too_large(self.X.shape[1], self.X.shape[0], reason)

    # Closed sets

    def _close(self, limit: int) -> None:
        """Breadth first: every kernel is the intersection of a smaller closed set's with that of one cell."""
        samples, count = self.X.shape[1], len(self.patterns)
        stacked = fmpz_mat([row for gate in self._gates for row in gate.tolist()])
        probe = np.random.default_rng(0)

        def closure(kernel: fmpz_mat, known: int) -> int:
            # A random vector of the kernel rules most cells out; the rest are tested in full.
            weights = [int(value) for value in probe.integers(-999, 1000, kernel.ncols())]
            image = (stacked * (kernel * fmpz_mat(len(weights), 1, weights))).entries()
            size = len(image) // count
            mask = known
            for i in range(count):
                if not known >> i & 1 and not any(image[i * size : (i + 1) * size]):
                    mask |= int((self._gates[i] * kernel).is_zero()) << i
            return mask

        everything = fmpz_mat(samples, samples, [int(i == j) for i in range(samples) for j in range(samples)])
        bottom, full = closure(everything, 0), (1 << count) - 1
        kernels = {bottom: everything}
        neurons = {bottom: 1 if bottom else 0}  # a dead cell (ρ = 0, no sample active) still takes a neuron
        level = [bottom]
        for depth in itertools.count(1):
            following = []
            for mask in level:
                kernel = kernels[mask]
                for i in range(count):
                    if mask >> i & 1:
                        continue
                    smaller = _intersect(kernel, self._gates[i])
                    found = closure(smaller, mask | 1 << i) if smaller is not None else full
                    if found in neurons:
                        continue
                    if len(neurons) >= limit:
                        raise ExactLimitError(self._too_large(f"more than {limit} closed sets of cells"))
                    neurons[found] = depth
                    if smaller is not None:
                        kernels[found] = smaller
                        following.append(found)
            level = following
            if not level:
                break
        self.closed = sorted(neurons, key=lambda mask: (-mask.bit_count(), mask))
        self.neurons = np.array([neurons[mask] for mask in self.closed])
        self._kernels = [kernels.get(mask) for mask in self.closed]
        self._words = np.array([_words(mask, count) for mask in self.closed])
        self._closures: dict[int, int] = {}

    def _evaluate(self) -> None:
        """Which closed sets have which event, and which have the same residual."""
        needed = errors_above(self.epsilon, len(self.y))
        half = Fraction(1, 2)
        numbers: dict[tuple[fmpq, ...], int] = {}
        self._residuals: list[list[Fraction]] = []
        self._residual_of = np.empty(len(self.closed), dtype=np.intp)
        self._events = np.zeros((len(self.closed), 3), dtype=np.bool_)
        self._wrong = np.zeros(len(self.closed), dtype=np.bool_)
        y = _column(self.y.tolist())
        for i, kernel in enumerate(self._kernels):
            e = [fmpq(0)] * len(self.y)
            support = 0
            if kernel is not None:
                basis = fmpq_mat(kernel)
                transposed = basis.transpose()
                e = (basis * (transposed * basis).solve(transposed * y)).entries()
                support = sum(any(row) for row in kernel.tolist())
            number = numbers.setdefault(tuple(e), len(numbers))
            self._residual_of[i] = number
            if number == len(self._residuals):
                self._residuals.append([Fraction(int(value.p), int(value.q)) for value in e])
            pairs = zip(self.y.tolist(), self._residuals[number], strict=True)
            errors = sum((label - rest > half) != (label > half) for label, rest in pairs)
            self._wrong[i] = errors >= needed
            self._events[i] = kernel is not None, support >= needed, errors >= needed
        self._fits = np.array([not any(self._residuals[number]) for number in self._residual_of])
        totals = np.array([sum(self._volumes[i] for i in _members(mask)) for mask in self.closed])
        # An event that no set of cells has is zero, whatever the width.
        largest = [totals[self._events[:, event] & (totals > 0)].max(initial=0.0) for event in range(3)]
        self._largest_rate = max((-math.log(min(1.0, share)) for share in largest if share > 0), default=0.0)
        self._coefficients = self._moebius(self._events)
        self._proofs = [_Proofs(len(self.patterns)) for _ in self._residuals]

    def _moebius(self, events: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Integers `c_F` with `Σ_{F' ⊇ F} c_F' = 1` if F has the event and 0 if not."""
        coefficients = events.astype(np.int64)
        total = 0
        for i, words in enumerate(self._words):  # the supersets come before
            above = ((self._words[:i] & words) == words).all(axis=1)
            coefficients[i] -= coefficients[:i][above].sum(axis=0)
            total += int(np.abs(coefficients[i]).sum())
            if total >= 2**62:  # below this no partial sum can have overflowed
                raise ExactLimitError(self._too_large("Möbius coefficients beyond 64 bits"))
        return coefficients

    def _closure(self, cells: int) -> int:
        """Position of the least closed set that contains the cells."""
        if cells not in self._closures:
            words = _words(cells, len(self.patterns))
            above = np.flatnonzero(((self._words & words) == words).all(axis=1))
            self._closures[cells] = int(above[-1])  # largest first, and the closure lies in all the others
        return self._closures[cells]

    # Volumes of first order

    def _totals(self, bits: int, side: int | None) -> list[arb]:
        """`p(F)` for all closed sets: of the true volumes where side is None, else of estimates or their ends."""
        if (bits, side) not in self._sums:
            balls = self.shares.balls(bits) if side is None else [arb(value) for value in self._side(side).tolist()]
            everything = (1 << len(balls)) - 1
            with ctx.workprec(bits + 32):
                self._sums[bits, side] = [
                    # Ends do not sum to 1, and must not.
                    arb(1) if mask == everything and side is None else sum((balls[i] for i in _members(mask)), arb(0))
                    for mask in self.closed
                ]
        return self._sums[bits, side]

    def _side(self, side: int) -> FloatArray:
        return (self.shares.lower, self.shares.estimate, self.shares.upper)[side]

    def _first_order(self, event: int, width: int) -> Volume:
        """`Σ c_F p(F)^d1`, to 15 digits of the volume and of its log, or bounds on it."""
        reachable = (self.neurons <= width) & np.array([mask > 0 for mask in self.closed])
        happens = self._events[reachable, event]
        if not happens.any() or happens.all():
            value = 0.0 if happens.any() else -math.inf
            return Volume(value, value, value)
        if self._exact:
            log = self._log_polynomial(event, width, None)
            return Volume(log, log, log)
        (yes_low, no_low), (yes_high, no_high) = (
            [self._log_polynomial(event, width, side, of_complement) for of_complement in (False, True)]
            for side in (_LOWER, _UPPER)
        )
        estimate = self._log_polynomial(event, width, _ESTIMATE)
        return self._bounded(max(yes_low, _log_one_minus(no_high)), estimate, min(yes_high, _log_one_minus(no_low)))

    def _log_polynomial(self, event: int, width: int, side: int | None, of_complement: bool = False) -> float:
        """Log of the event's polynomial in the cells' volumes, or of that of its complement."""
        terms = [(i, int(c)) for i, c in enumerate(self._coefficients[:, event]) if c and self.closed[i]]
        if of_complement:  # all vectors of counts together have p(all cells)^d1, and the set of all cells comes first
            terms = [(i, -c) for i, c in terms]
            terms.append((0, 1))
        bits = 2 * _BITS
        while True:
            totals = self._totals(bits, side)
            with ctx.workprec(bits + 32):
                value = sum((c * totals[i] ** width for i, c in terms), arb(0))
                log = value.log() if value > 0 else arb.nan()
                if log.is_finite() and log.rel_accuracy_bits() >= 54 and value.rel_accuracy_bits() >= 54:
                    return float(log)
            bits *= 2

    def _bounded(self, lower: float, estimate: float, upper: float, rounding: float = 0.0) -> Volume:
        """A volume between ends that rest on the intervals of the cells."""
        slack = _SLACK + rounding  # ends in floating point, moved outwards
        lower, upper = lower - slack - 2 * _ULP * abs(lower) if lower > -math.inf else lower, upper + slack
        upper = min(0.0, upper + 2 * _ULP * abs(upper) if upper > -math.inf else upper)
        note = f"the volumes of {self._planned.estimated_cells} cells are estimated, all intervals at once"
        return Volume(
            lower, min(max(estimate, lower), upper), upper, Evidence.STATISTICAL, rounding,
            f"{note} at level {self.shares.level:g}",
        )  # fmt: skip

    # Volumes of minima

    def _with_minimum(
        self, wanted: npt.NDArray[np.bool_], width: int, box_limit: int, ceiling: Volume | None
    ) -> Volume:
        """Volume of the regions with a wanted residual that contain a DLM."""
        if not wanted[self.neurons <= width].any():
            return Volume(-math.inf, -math.inf, -math.inf)
        everything = (1 << len(self.patterns)) - 1
        queue = [(0.0, 0, _Box(0, 0, everything, everything))]
        serial = itertools.count(1)
        inside, outside, undecided = (_Masses() for _ in range(3))
        negligible = math.log(NEGLIGIBLE if self._exact else NEGLIGIBLE_BESIDE_ESTIMATES)
        for step in range(box_limit):
            if step % _CHECK_EVERY == 0:
                least = min(_sum_exp(inside.logs), _sum_exp(outside.logs))
                if _sum_exp([-item[0] for item in queue] + undecided.logs) <= negligible + least:
                    break
            if not queue:
                break
            mass, _, box = heapq.heappop(queue)
            verdict, parts = self._examine(box, wanted)
            if verdict is not None:
                (inside if verdict else outside).add(-mass, box)
            elif not parts:
                undecided.add(-mass, box)
            for part in parts:
                volume = self._log_mass(part, width, self._volumes, whole=True)
                if volume > -math.inf:
                    heapq.heappush(queue, (-volume, next(serial), part))
        for mass, _, box in queue:
            undecided.add(-mass, box)
        yes, no, rest = (_sum_exp(part.logs) for part in (inside, outside, undecided))
        rounding = self._rounding(width)
        found = _between(yes, no, rest, rounding)
        if not self._exact and rest == -math.inf and -math.inf in (yes, no):
            return Volume(found.log_lower, found.log_estimate, found.log_upper)  # certain, whatever the cells' volumes
        if not self._exact:
            found = self._between_ends(inside.boxes, outside.boxes, undecided.boxes, found, width, rounding)
        return _under(found, ceiling)

    def _between_ends(
        self, inside: list[_Box], outside: list[_Box], undecided: list[_Box], found: Volume, width: int, rounding: float
    ) -> Volume:
        def total(boxes: list[_Box], side: int) -> float:
            return _sum_exp([self._log_mass(box, width, self._side(side), whole=False) for box in boxes])

        yes, no = total(inside, _LOWER), total(outside, _LOWER)
        rest = total(undecided, _UPPER)
        most_yes, most_no = _sum_exp([total(inside, _UPPER), rest]), _sum_exp([total(outside, _UPPER), rest])
        lower, upper = max(yes, _log_one_minus(most_no)), min(most_yes, _log_one_minus(no))
        return self._bounded(lower, found.log_estimate, upper, rounding)

    def _rounding(self, width: int) -> float:
        """Bound on the relative error of a box's mass, a sum of positive terms in floating point.

        An ulp a neuron for the cells' volumes, one a term for each convolution (at most as many as cells, of
        `d1 + 1` terms), and those of the logs of Poisson probabilities, of size `d1 log d1`.
        """
        return 2 * _ULP * (64 + width * (1 + len(self.patterns) + 8 * math.log(width + 1)))

    def _examine(self, box: _Box, wanted: npt.NDArray[np.bool_]) -> tuple[bool | None, tuple[_Box, ...]]:
        """Whether all vectors of the box belong to the event, or none; otherwise two parts of it.

        Undecided and without parts if no proof was found within the limit of nodes.
        """
        low, high = self._closure(box.occupied), self._closure(box.open)
        between = ((self._words & self._words[low]) == self._words[low]).all(axis=1)
        between &= ((self._words & ~self._words[high]) == 0).all(axis=1)
        numbers = self._residual_of[between & wanted]
        if not numbers.size:
            return False, ()
        number = int(self._residual_of[high])
        if not wanted[high] or (numbers != number).any():
            # Cells in the closure of the occupied ones do not matter for the residual; of the others some do.
            return None, box.split(self._widest(box.open & ~self.closed[low]), 0)
        # e lies in the kernel of every set of open cells: a set with t in its range has the residual e.
        proofs = self._proofs[number]
        if proofs.best_below(self.closed[self._closure(box.several)], box.occupied) is not None:
            return True, ()
        several, occupied = self.closed[self._closure(box.free)], box.open
        found = proofs.best_below(several, occupied, box)
        if found is None:
            if proofs.refuted(several, occupied):
                return False, ()
            found = self._find(box, number)
            if found is None:
                return (False if proofs.refuted(several, occupied) else None), ()
        # What a state needs to contain this proof is settled cell by cell. Cells of the proof that cannot hold two
        # lie in the closure of others that can.
        unsettled = ~self.closed[self._closure(box.several)]
        doubled = found[0] & box.free & unsettled
        single = found[1] & box.open & ~box.occupied & unsettled
        if not doubled and not single:
            doubled = self._generators(box.free, self._closure(box.free)) & unsettled
        if doubled:
            return None, box.split(self._widest(doubled), 1)
        if single:
            return None, box.split(self._widest(single), 0)
        return True, ()  # the proof, just found, lies below the least state

    def _widest(self, cells: int) -> int:
        return max(_members(cells), key=lambda i: float(self._volumes[i]))

    def _find(self, box: _Box, number: int) -> tuple[int, int] | None:
        """A least state, below the greatest one of a box, that has a DLM with this residual; recorded as a proof.

        Returns:
            Masks of the cells with two neurons and of all its cells; None if there is none (recorded too) or if
            that was not decided.
        """
        several = self._generators(box.free, self._closure(box.free))
        free = self._closure(several)
        proofs = self._proofs[number]
        # t lies in the range of a closed set iff the projection of y on its kernel is that of e, which is e.
        if self._residual_of[free] == number:
            least = self._generators(box.free, free, number)
            return proofs.add(least, least)
        single = box.open & ~self.closed[free]
        if self._residual_of[self._closure(box.open)] != number or not single:
            proofs.refute(self.closed[free], box.open)
            return None
        kernel = self._kernels[free]
        assert kernel is not None  # its residual is not e, so it is not zero
        target = [label - rest for label, rest in zip(self.y.tolist(), self._residuals[number], strict=True)]
        projected = fmpq_mat(kernel.transpose()) * _column(target)
        widest = sorted(_members(single), key=lambda i: -self._volumes[i])
        # As many cells as equations always suffice if any do (Carathéodory), and often the widest will.
        for size in sorted({min(size, len(widest)) for size in (kernel.ncols(), 2 * kernel.ncols(), len(widest))}):
            members = widest[:size]
            decision = decide(
                [fmpq_mat((self._gates[i] * kernel).transpose()) for i in members],
                [self._walls(i) for i in members],
                projected,
            )
            if decision.used is not None:
                return proofs.add(several, several | sum(1 << members[i] for i in decision.used))
        if decision.feasible is False:
            proofs.refute(self.closed[free], self.closed[free] | box.open)
        return None

    def _generators(self, cells: int, closed: int, number: int | None = None) -> int:
        """Few of the cells, wide ones, with the given closure, or with the given residual."""

        def enough(mask: int) -> bool:
            position = self._closure(mask)
            return position == closed if number is None else bool(self._residual_of[position] == number)

        chosen = 0
        for i in sorted(_members(cells), key=lambda i: -self._volumes[i]):
            if enough(chosen):
                break
            if not self.closed[self._closure(chosen)] >> i & 1:
                chosen |= 1 << i
        for i in sorted(_members(chosen), key=lambda i: self._volumes[i]):
            if enough(chosen & ~(1 << i)):
                chosen &= ~(1 << i)
        return chosen

    def _walls(self, cell: int) -> fmpq_mat:
        """The inequalities that bound a cell, `m × d0`: only hyperplanes that can be crossed alone."""
        signs, leader = self.patterns[cell], self._planned.leader
        rows = []
        for n in np.unique(leader).tolist():
            if np.where(leader == n, -signs, signs).tobytes() in self._existing:
                rows.append([int(signs[n]) * entry for entry in self.X[:, n].tolist()])
        return _matrix(rows)

    def _log_mass(self, box: _Box, width: int, volumes: FloatArray, whole: bool) -> float:
        """Log of `Σ d1!/Π n_i! · Π p_i^{n_i}` over the counts n of d1 neurons that lie in a box: positive terms only.

        Counts are independent Poisson variables given their sum, whatever the rate; it is chosen so that the
        cells without an upper limit are expected to hold all neurons.

        Args:
            box: least and greatest counts.
            width: d1.
            volumes: the `p_i`.
            whole: whether they are volumes with sum 1, and not ends of intervals.
        """
        if box.occupied.bit_count() + box.several.bit_count() > width:
            return -math.inf
        # A lower end can be zero.
        held = [i for i in _members(box.open) if volumes[i] > 0]
        free = [i for i in held if box.free >> i & 1]
        if not free and len(held) < width:
            return -math.inf
        share = float(volumes[free].sum())
        if whole and len(free) == len(self.patterns):
            share = 1.0
        rate = width / share if free else 1.0
        log, fixed, optional, factors, pooled = float(gammaln(width + 1)), 0, [], [], 0.0
        for i in held:
            mean = rate * float(volumes[i])
            taken = (box.occupied >> i & 1) + (box.several >> i & 1)
            if not box.free >> i & 1:  # at most one
                if taken:
                    log, fixed = log + math.log(mean), fixed + 1
                else:
                    optional.append(mean)
            elif taken:
                factor = _log_poisson(mean, width)
                factor[:taken] = -math.inf
                factors.append(factor)
            else:
                pooled += mean
        left = width - fixed
        rest = _log_poisson(pooled, left) if pooled else np.append(0.0, np.full(left, -math.inf))
        log += _log_convolved(optional, factors, rest, left)
        return log + (width * (math.log(share / width) + 1) if free else 0.0)


class _Masses:
    """Boxes of one kind, and the logs of their volumes."""

    def __init__(self) -> None:
        self.logs: list[float] = [-math.inf]
        self.boxes: list[_Box] = []

    def add(self, log: float, box: _Box) -> None:
        self.logs.append(log)
        self.boxes.append(box)


@dataclass(frozen=True)
class _Box:
    """Vectors of cell counts 0, 1, 2+ between a least and a greatest one, as masks over the cells."""

    occupied: int  # least count 1 or 2+
    several: int  # least count 2+
    open: int  # greatest count 1 or 2+
    free: int  # greatest count 2+

    def split(self, cell: int, at_most: int) -> tuple[_Box, _Box]:
        """The part where the cell holds at most 0 or 1, and the part where it holds more."""
        bit = 1 << cell
        if at_most:
            fewer = _Box(self.occupied, self.several, self.open, self.free & ~bit)
            return fewer, _Box(self.occupied | bit, self.several | bit, self.open, self.free)
        fewer = _Box(self.occupied, self.several, self.open & ~bit, self.free & ~bit)
        return fewer, _Box(self.occupied | bit, self.several, self.open, self.free)


class _Proofs:
    """Minimal states known to have a DLM with one residual, and maximal ones known to have none.

    A state is a pair of masks over the cells: those with two neurons or more, and all occupied ones. Having a DLM
    is monotone in both, and depends on the first through its closure only.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.states: list[tuple[int, int]] = []
        self._sure = np.empty((0, 2, len(_words(0, count))), dtype=np.uint64)
        self._none = self._sure

    def add(self, several: int, occupied: int) -> tuple[int, int]:
        self.states.append((several, occupied))
        self._sure = np.concatenate([self._sure, self._row(several, occupied)])
        return several, occupied

    def refute(self, several: int, occupied: int) -> None:
        self._none = np.concatenate([self._none, self._row(several, occupied)])

    def best_below(self, several: int, occupied: int, box: _Box | None = None) -> tuple[int, int] | None:
        """A state with a DLM below the given one; with a box, the one that its least state lacks fewest cells of."""
        state = self._row(several, occupied | several)
        below = np.flatnonzero(((self._sure & ~state) == 0).all(axis=(1, 2)))
        if not below.size:
            return None
        if box is None:
            return self.states[int(below[0])]
        lacking = np.bitwise_count(self._sure[below] & ~self._row(box.several, box.occupied)).sum(axis=(1, 2))
        return self.states[int(below[lacking.argmin()])]

    def refuted(self, several: int, occupied: int) -> bool:
        """Whether a state above the given one is known to have none."""
        state = self._row(several, occupied)
        return bool(((state & ~self._none) == 0).all(axis=(1, 2)).any())

    def _row(self, several: int, occupied: int) -> npt.NDArray[np.uint64]:
        return np.array([[_words(several, self.count), _words(occupied, self.count)]])


def _between(yes: float, no: float, undecided: float, rounding: float) -> Volume:
    """The volume from the logs of what belongs to the event, what does not, and what is left."""
    if no == undecided == -math.inf:
        return Volume(0.0, 0.0, 0.0)
    if yes == undecided == -math.inf:
        return Volume(-math.inf, -math.inf, -math.inf)
    # The smaller part has the better relative accuracy.
    if no < yes:
        lower, upper = _log_one_minus(_sum_exp([no, undecided])), _log_one_minus(no)
        middle = _log_one_minus(_sum_exp([no, undecided - math.log(2)]))
    else:
        lower, upper = yes, min(0.0, _sum_exp([yes, undecided]))
        middle = min(0.0, _sum_exp([yes, undecided - math.log(2)]))
    if undecided == -math.inf:
        lower = upper = middle
    return Volume(lower, middle, upper, rounding=rounding)


def _under(volume: Volume, ceiling: Volume | None) -> Volume:
    """The same volume, known to be at most another."""
    if ceiling is None or volume.log_upper <= ceiling.log_upper:
        return volume
    upper = ceiling.log_upper
    return replace(
        volume, log_lower=min(volume.log_lower, upper), log_estimate=min(volume.log_estimate, upper), log_upper=upper
    )


def _log_one_minus(log: float) -> float:
    return -math.inf if log >= 0 else math.log1p(-math.exp(log))


def _sum_exp(logs: list[float]) -> float:
    largest = max(logs, default=-math.inf)
    return largest if largest == -math.inf else largest + math.log(math.fsum(math.exp(log - largest) for log in logs))


def _log_poisson(mean: float, most: int) -> FloatArray:
    counts = np.arange(most + 1)
    return np.asarray(counts * math.log(mean) - mean - gammaln(counts + 1))


def _log_convolved(pairs: list[float], factors: list[FloatArray], last: FloatArray, width: int) -> float:
    """Log of the sum of all products of one entry of each sequence whose positions sum to the width.

    Args:
        pairs: each stands for the sequence `1, pair`; positive.
        factors: logs of nonnegative sequences.
        last: one more, of `width + 1` entries.
        width: the sum of the positions.
    """
    terms, first, scale = np.ones(1), 0, 0.0
    norms = 0.0  # log of the product of the sums of all sequences
    for pair in pairs:
        terms = np.convolve(terms, (1.0, pair) if pair < 1 else (1 / pair, 1.0))
        norms += math.log1p(pair)
        scale += max(0.0, math.log(pair))
    for factor in factors:
        top = float(factor.max())
        kept = np.flatnonzero(factor > top - _TRIM)
        part = np.exp(factor[kept[0] : kept[-1] + 1] - top)
        first += int(kept[0])
        terms = np.convolve(terms, part)[: max(0, width + 1 - first)]
        most = float(terms.max(initial=0.0))
        if most == 0:
            break
        terms, scale, norms = terms / most, scale + math.log(most) + top, norms + math.log(float(part.sum())) + top
    else:
        top = float(last.max())
        terms = terms[: width + 1 - first]
        total = float(terms @ np.exp(last[::-1][first : first + len(terms)] - top))
        # Trimming and underflow take at most exp(−_TRIM) of a sequence, times the sums of all the others.
        lost = norms + math.log(len(factors) + len(pairs) + 1) + math.log(width + 1) - _TRIM
        if total > 0 and math.log(total) + scale > lost + 40:
            return math.log(total) + scale + top
    logs = np.zeros(1)
    for factor in [np.array([0.0, math.log(pair)]) for pair in pairs] + factors:
        longer = np.full(min(len(logs) + len(factor) - 1, width + 1), -math.inf)
        for shift, value in enumerate(factor.tolist()):
            part = logs[: max(0, len(longer) - shift)]
            longer[shift : shift + len(part)] = np.logaddexp(longer[shift : shift + len(part)], part + value)
        logs = longer
    return float(np.logaddexp.reduce(logs + last[::-1][: len(logs)]))


def _rationals(values: Any, name: str) -> npt.NDArray[Any]:
    """The same array with `Fraction` entries; a float is the decimal that it prints as."""
    array = np.asarray(values)
    if array.dtype.kind not in "biufO":
        raise ValueError(f"{name} has entries of type {array.dtype}; expected integers, fractions or floats")
    flat = []
    for entry in array.ravel().tolist():
        if not isinstance(entry, (int, float, Fraction)) or (isinstance(entry, float) and not math.isfinite(entry)):
            raise ValueError(f"{name} has the entry {entry!r}; expected finite integers, fractions or floats")
        flat.append(Fraction(repr(entry)) if isinstance(entry, float) else Fraction(entry))
    exact = np.empty(len(flat), dtype=object)
    exact[:] = flat
    return exact.reshape(array.shape)


def _planned(X: npt.ArrayLike) -> tuple[npt.NDArray[Any], Layout | Cost]:
    """The samples as fractions, and their hyperplanes; or a refusal, where there are plainly too many cells."""
    array = np.asarray(X)
    if array.ndim != 2 or not array.size:
        raise ValueError(f"got X of shape {array.shape}; expected d0 × N, one column a sample, not empty")
    if array.dtype.kind in "iuf" and np.isfinite(array).all() and array.any(axis=0).all():
        cells = least_cells(array.astype(np.float64))
        if cells > CELL_LIMIT:
            return np.empty((0, 0), dtype=object), refused(array.shape[0], array.shape[1], cells)
    exact = _rationals(X, "X")
    return exact, layout(exact)


def _require_width(width: int) -> int:
    if isinstance(width, bool) or not isinstance(width, (int, np.integer)) or width < 1:
        raise ValueError(f"got width {width!r}; expected a positive integer: the number of hidden units d1")
    return int(width)


def _gates(X: npt.NDArray[Any], patterns: SignArray, rho: Fraction) -> list[fmpz_mat]:
    """`G_i = X diag(a_i)`, `d0 × N`, one for each cell, all scaled by one positive integer."""
    scale = math.lcm(*(entry.denominator for entry in X.ravel()))
    integers = [[int(entry * scale) for entry in row] for row in X.tolist()]
    value = {1: rho.denominator, -1: rho.numerator}
    return [
        fmpz_mat([[value[sign] * entry for sign, entry in zip(signs, row, strict=True)] for row in integers])
        for signs in patterns.tolist()
    ]


def _intersect(kernel: fmpz_mat, gate: fmpz_mat) -> fmpz_mat | None:
    """An integer basis of the part of a kernel that a gate maps to zero; None if that is zero."""
    basis, nullity = (gate * kernel).nullspace()
    if not nullity:
        return None
    rows = [[basis[i, j] for i in range(kernel.ncols())] for j in range(nullity)]
    rows = (fmpz_mat(rows) * kernel.transpose()).tolist()
    # Without common factors the entries stay short.
    divisors = [math.gcd(*(int(entry) for entry in row)) for row in rows]
    return fmpz_mat(
        [[fmpz(int(entry) // divisor) for entry in row] for row, divisor in zip(rows, divisors, strict=True)]
    ).transpose()


def _members(mask: int) -> list[int]:
    return [i for i in range(mask.bit_length()) if mask >> i & 1]


def _words(mask: int, count: int) -> npt.NDArray[np.uint64]:
    return np.array([(mask >> shift) & (2**64 - 1) for shift in range(0, count, 64)], dtype=np.uint64)


def _matrix(rows: list[list[Fraction]]) -> fmpq_mat:
    return fmpq_mat(len(rows), len(rows[0]), [fmpq(e.numerator, e.denominator) for row in rows for e in row])


def _column(entries: list[Fraction]) -> fmpq_mat:
    return _matrix([[entry] for entry in entries])
