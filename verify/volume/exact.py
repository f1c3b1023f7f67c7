"""Exact angular volumes of activation-region events for small data sets, at any width.

Cells. A region of a network of width d1 is a choice of one cell of the arrangement `{w : w·x_n = 0}` for each
neuron, and neurons fall into cells independently with the cells' angular volumes. Rank, kernel and residual of
`G = A ∘ X` depend only on the *set* of occupied cells, the existence of a differentiable local minimum (DLM) only
on whether a cell holds 0, 1 or more neurons (finite-N note, F1e).

Closed sets. Sets of cells with the same kernel K have one largest member, all cells i with `G_i K = 0`. These
closed sets are few (800 for 8 samples in the plane, where there are 65 536 sets), and they carry everything of
first order. With `p(F)` the total volume of F, `P(all neurons in F) = p(F)^d1`, so by Möbius inversion every
event that depends on the kernel has volume `Σ_F c_F p(F)^d1` with integers `c_F` that do not depend on d1. The
sum cancels; it is taken in ball arithmetic, with the precision raised until the result has its digits.

Minima. A DLM with target `t = y − e` exists iff `t = Σ G_i^T u_i` with `u_i` arbitrary for cells with two neurons,
zero or in plus or minus the cell for cells with one, and zero for empty cells: monotone in the vector of 0, 1,
2+. So a box of such vectors is decided by its least or its greatest one. Boxes are split, the heaviest first,
until what is undecided is negligible or the budget ends; what is left is the difference between upper and lower
end. Volumes of boxes are sums of positive terms, and every single decision is made in rational arithmetic.

Floats are read as the decimals that they print as, so `slope=0.1` is 1/10; everything after that is exact.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, ctx, fmpq, fmpq_mat, fmpz, fmpz_mat
from scipy.special import gammaln

from verify.network.arrangements import SignArray, cover_count, enclosed_volumes
from verify.network.regions import errors_above
from verify.volume.cones import decide
from verify.volume.result import Volume, Volumes

FloatArray = npt.NDArray[np.float64]

CLOSED_SET_LIMIT = 20_000
"""Closed sets up to which the work is done: some 30 s and 200 MB."""

CELL_LIMIT = 512

BOX_LIMIT = 20_000
"""Boxes of cell counts examined for `L_ε` and for `G` each: some 20 s at most. With 16 cells this suffices for ten
digits where the width is well above or below the number of cells; in between the ends stay apart."""

NEGLIGIBLE = 1e-12
"""Undecided volume, as a fraction of the event's or its complement's, at which splitting stops."""

_BITS = 64
_CHECK_EVERY = 100


class ExactLimitError(ValueError):
    """The arrangement is too large for exact volumes."""


@dataclass(frozen=True)
class Rate:
    """The exponential rate in width of the first-order event (finite-N note, F16).

    Attributes:
        kappa: `κ = −log max{p(S) : S bad}`, in nats per neuron; `inf` if no set of cells is bad.
        volume: that largest `p(S)`.
        cells: patterns of one set that attains it, `k × N`, entries ±1.
        multiplicity: number of (closed) sets that attain it: `V(d1) ≈ multiplicity · exp(−κ d1)`.
    """

    kappa: float
    volume: float
    cells: SignArray
    multiplicity: int


def exact_volumes(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    slope: float | Fraction,
    epsilon: float,
    width: int,
    *,
    box_limit: int = BOX_LIMIT,
) -> Volumes:
    """Angular volumes of the events of F5, exactly, for samples that span at most three dimensions.

    For several widths or plots make one `RegionLattice` and ask it.

    Args:
        X: samples, `d0 × N`, in general position, d0 or N at most 3.
        y: labels, N; any real numbers.
        slope: negative-side slope ρ ≠ 1.
        epsilon: threshold ε in [0, 1) on the fraction of misclassified samples.
        width: number of hidden units d1, at least 1.
        box_limit: most boxes to examine for `L_ε` and for `G` each.

    Raises:
        ExactLimitError: if the arrangement is too large; known before or soon after the work starts.
        GeneralPositionError: if the samples are not, or not clearly, in general position.
        ValueError: if shapes, slope, epsilon, width or entries cannot be used.
    """
    return RegionLattice(X, y, slope, epsilon).volumes(width, box_limit=box_limit)


def rate_in_width(X: npt.ArrayLike, y: npt.ArrayLike, slope: float | Fraction, epsilon: float) -> Rate:
    """Exact rate κ at which the first-order event's volume, and `V(L_ε)`, vanish as the width grows (F16).

    Args and errors are those of `exact_volumes`.
    """
    return RegionLattice(X, y, slope, epsilon).rate()


class RegionLattice:
    """All regions of a data set, of any width, grouped by the kernel of `A ∘ X`.

    Attributes:
        patterns: signs of the cells, `n_cells × N`.
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
    ) -> None:
        """Enumerate the closed sets; the cost does not depend on the width.

        Args:
            X: samples, `d0 × N`, in general position, d0 or N at most 3.
            y: labels, N.
            slope: negative-side slope ρ ≠ 1.
            epsilon: threshold ε in [0, 1).
            limit: most closed sets to enumerate.

        Raises:
            ExactLimitError, GeneralPositionError, ValueError: as for `exact_volumes`.
        """
        self.X, self.y = _rationals(X, "X"), _rationals(y, "y")
        if self.X.ndim != 2 or self.y.shape != self.X.shape[1:] or not self.X.size:
            raise ValueError(f"got X {self.X.shape} and y {self.y.shape}; expected d0 × N and N, not empty")
        rho = _rationals(slope, "slope").item()
        if rho == 1:
            raise ValueError("got slope 1, a linear network; expected any other slope")
        if not 0 <= epsilon < 1:
            raise ValueError(f"got epsilon = {epsilon}; expected a fraction in [0, 1)")
        self.epsilon = epsilon
        _require_small(self.X, limit)
        self.patterns, _ = enclosed_volumes(X, 8)  # the caller's X: its floats are held to a tolerance
        self._sums: dict[int, list[arb]] = {}
        self._volumes = np.array([float(ball) for ball in self._enclosed(_BITS)])
        self._existing = {signs.tobytes() for signs in self.patterns}
        self._gates = _gates(self.X, self.patterns, rho)
        self._close(limit)
        self._evaluate()

    def volumes(self, width: int, *, box_limit: int = BOX_LIMIT) -> Volumes:
        """All volumes at one width.

        Args:
            width: number of hidden units d1, at least 1.
            box_limit: most boxes to examine for `L_ε` and for `G` each; 0 leaves them between the trivial ends.

        Raises:
            ValueError: if `width` is no positive integer.
        """
        _require_width(width)
        rank, support, first_order = (self._first_order(event, width) for event in range(3))
        return Volumes(
            rank,
            support,
            first_order,
            self._with_minimum(self._wrong, width, box_limit, first_order),
            self._with_minimum(self._fits, width, box_limit, None),
        )

    def first_order(self, width: int) -> Volume:
        """`MCE(y − P y) > ε` alone: no search for minima."""
        _require_width(width)
        return self._first_order(2, width)

    def rate(self) -> Rate:
        """The exact rate in width (finite-N note, F16)."""
        bad = [i for i in np.flatnonzero(self._events[:, 2]).tolist() if self.closed[i]]
        if not bad:
            return Rate(math.inf, 0.0, self.patterns[:0], 0)
        totals = self._totals(_BITS)
        best = max((totals[i] for i in bad), key=float)
        # Sets whose balls overlap at 64 bits are taken for equal: symmetry makes exact ties, chance makes none.
        ties = [i for i in bad if totals[i].overlaps(best)]
        members = _members(self.closed[ties[0]])
        with ctx.workprec(2 * _BITS):  # the log of a volume near 1 loses digits
            kappa = float(abs(self._totals(2 * _BITS)[ties[0]].log()))
        return Rate(kappa, float(best), self.patterns[members], len(ties))

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
                        raise ExactLimitError(_too_large(self.X, f"more than {limit} closed sets of cells"))
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
                raise ExactLimitError(_too_large(self.X, "Möbius coefficients beyond 64 bits"))
        return coefficients

    def _closure(self, cells: int) -> int:
        """Position of the least closed set that contains the cells."""
        if cells not in self._closures:
            words = _words(cells, len(self.patterns))
            above = np.flatnonzero(((self._words & words) == words).all(axis=1))
            self._closures[cells] = int(above[-1])  # largest first, and the closure lies in all the others
        return self._closures[cells]

    # Volumes of first order

    def _enclosed(self, bits: int) -> list[arb]:
        return enclosed_volumes(self.X, bits)[1]

    def _totals(self, bits: int) -> list[arb]:
        """`p(F)` for all closed sets."""
        if bits not in self._sums:
            balls = self._enclosed(bits)
            everything = (1 << len(balls)) - 1
            with ctx.workprec(bits + 32):
                self._sums[bits] = [
                    arb(1) if mask == everything else sum((balls[i] for i in _members(mask)), arb(0))
                    for mask in self.closed
                ]
        return self._sums[bits]

    def _first_order(self, event: int, width: int) -> Volume:
        """`Σ c_F p(F)^d1`, to 15 digits of the volume and of its log."""
        reachable = (self.neurons <= width) & np.array([mask > 0 for mask in self.closed])
        happens = self._events[reachable, event]
        if not happens.any() or happens.all():
            value = 0.0 if happens.any() else -math.inf
            return Volume(value, value, value)
        terms = [(i, int(c)) for i, c in enumerate(self._coefficients[:, event]) if c and self.closed[i]]
        bits = 2 * _BITS
        while True:
            totals = self._totals(bits)
            with ctx.workprec(bits + 32):
                value = sum((c * totals[i] ** width for i, c in terms), arb(0))
                log = value.log() if value > 0 else arb.nan()
                if log.is_finite() and log.rel_accuracy_bits() >= 54 and value.rel_accuracy_bits() >= 54:
                    return Volume(float(log), float(log), float(log))
            bits *= 2

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
        inside, outside, undecided = [-math.inf], [-math.inf], [-math.inf]
        for step in range(box_limit):
            if step % _CHECK_EVERY == 0:
                least = min(_sum_exp(inside), _sum_exp(outside))
                if _sum_exp([-item[0] for item in queue] + undecided) <= math.log(NEGLIGIBLE) + least:
                    break
            if not queue:
                break
            mass, _, box = heapq.heappop(queue)
            verdict, parts = self._examine(box, wanted)
            if verdict is not None:
                (inside if verdict else outside).append(-mass)
            elif not parts:
                undecided.append(-mass)
            for part in parts:
                volume = self._log_mass(part, width)
                if volume > -math.inf:
                    heapq.heappush(queue, (-volume, next(serial), part))
        rest = _sum_exp([-item[0] for item in queue] + undecided)
        # Positive terms throughout; what is lost is in the logs of Poisson probabilities, of size d1 log d1.
        rounding = 1e-13 + 4e-16 * width * math.log(width)
        return _between(_sum_exp(inside), _sum_exp(outside), rest, ceiling, rounding)

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
        """The inequalities that bound a cell, `m × d0`: only samples whose sign can be flipped alone."""
        signs = self.patterns[cell]
        rows = []
        for n in range(len(signs)):
            flipped = signs.copy()
            flipped[n] = -flipped[n]
            if flipped.tobytes() in self._existing:
                rows.append([int(signs[n]) * entry for entry in self.X[:, n].tolist()])
        if not rows:  # on a line one sample stands for all
            rows = [[int(signs[0]) * self.X[0, 0]]]
        return _matrix(rows)

    def _log_mass(self, box: _Box, width: int) -> float:
        """Log of the probability that the cell counts of d1 neurons lie in a box, by positive terms only.

        Counts are independent Poisson variables given their sum, whatever the rate; it is chosen so that the
        cells without an upper limit are expected to hold all neurons.
        """
        if box.occupied.bit_count() + box.several.bit_count() > width:
            return -math.inf
        free = _members(box.free)
        share = float(self._volumes[free].sum())
        if box.free == (1 << len(self.patterns)) - 1:
            share = 1.0
        rate = width / share if free else 1.0
        terms = np.ones(1)
        pooled = 0.0
        for i in _members(box.open):
            mean = rate * float(self._volumes[i])
            taken = (box.occupied >> i & 1) + (box.several >> i & 1)
            if not box.free >> i & 1:  # at most one
                factor = np.array([0.0, mean]) if taken else np.array([1.0, mean])
            elif taken:
                factor = _poisson(mean, width)
                factor[:taken] = 0.0
            else:
                pooled += mean
                continue
            terms = np.convolve(terms, factor)[: width + 1]
        rest = _poisson(pooled, width) if pooled else np.eye(1, width + 1)[0]
        terms = np.pad(terms, (0, width + 1 - len(terms)))
        coefficient = float(terms @ rest[::-1])
        if coefficient <= 0:
            return -math.inf
        log = math.log(coefficient) + float(gammaln(width + 1))
        return log + (width * (math.log(share / width) + 1) if free else 0.0)


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


def _between(yes: float, no: float, undecided: float, ceiling: Volume | None, rounding: float) -> Volume:
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
    if ceiling is not None and upper > ceiling.log_upper:
        upper = ceiling.log_upper
        lower, middle = min(lower, upper), min(middle, upper)
    return Volume(lower, middle, upper, rounding=rounding)


def _log_one_minus(log: float) -> float:
    return -math.inf if log >= 0 else math.log1p(-math.exp(log))


def _sum_exp(logs: list[float]) -> float:
    largest = max(logs, default=-math.inf)
    return largest if largest == -math.inf else largest + math.log(math.fsum(math.exp(log - largest) for log in logs))


def _poisson(mean: float, most: int) -> FloatArray:
    counts = np.arange(most + 1)
    return np.exp(counts * math.log(mean) - mean - gammaln(counts + 1))


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


def _require_width(width: int) -> None:
    if not isinstance(width, (int, np.integer)) or width < 1:
        raise ValueError(f"got width {width!r}; expected a positive integer: the number of hidden units d1")


def _require_small(X: npt.NDArray[Any], limit: int) -> None:
    """Refuse what is known to be too large before any work."""
    d0, N = X.shape
    if min(d0, N) > 3:
        raise ExactLimitError(_too_large(X, "cells without a closed form for their volume (d0 and N above 3)"))
    cells = cover_count(N, d0)
    # Sets of fewer than N/d0 cells cannot have full rank; most of them are closed.
    closed = sum(math.comb(cells, k) for k in range(1, -(-N // d0)))
    if cells > CELL_LIMIT or closed > 10 * limit:
        raise ExactLimitError(_too_large(X, f"{cells} cells and some {closed} closed sets of them"))


def _too_large(X: npt.NDArray[Any], reason: str) -> str:
    return (
        f"{X.shape[1]} samples in {X.shape[0]} dimensions give {reason}: too many for exact volumes; "
        "estimate by sampling or by rare-event simulation, or take fewer samples"
    )


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
