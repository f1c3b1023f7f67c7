"""Which differentiable regions contain a differentiable local minimum (DLM), decided one region at a time.

In the region of W the output is `G^T u` with `G = A ∘ X` and `u_i = z_i w_i`. Every DLM there has the
residual `e = y − G^T u`, the projection of y on `ker G` (Soudry & Hoffer 2017, Lemma 2), and a non-empty
region contains one iff `G^T u = y − e` for some u whose parts are zero or lie in plus or minus the cell of
their neuron (finite-N note, F1d). Only the cells count: two neurons in one cell, with opposite signs, realise
every vector, so only cells with a single neuron choose a sign (F1e).

The signs are searched depth first. At a node the undecided parts are free vectors and the decided ones must
lie in their signed cells; a point that satisfies this shows which cell to decide next, and weights that
cancel the constraints (Gordan's alternative) close the node. The linear programs of F1(d) are solved in this
form, as the hull point nearest the origin, because that costs some 50 µs; HiGHS decides what it leaves
doubtful. Everything is in floating point, but for what counts as zero: ranks, zeros of the residual, and weights that
cancel are compared with arithmetic modulo a random prime (`verify.network.modular`). `True` comes with a witness that
was evaluated as a network, `False` with every node closed by more than a tolerance, and anything else is `None`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog, nnls

from verify.network import modular
from verify.network.activations import IN_RANGE, forward
from verify.network.arrangements import cell_centre, gordan
from verify.network.khatri_rao import khatri_rao
from verify.network.regions import CLEAR_ABOVE, NULL_BELOW, UNIT_ROUNDOFF, errors_above

FloatArray = npt.NDArray[np.float64]

PATTERN_TOLERANCE = 1e-13
"""A pre-activation this small against `‖w‖‖x‖` has a sign that rounding may have made: its error is at most `d0 u`
times that, which takes over from 900 features on."""

TARGET_ZERO = 1e-11
"""Residuals and targets below this fraction of the largest label are exact zeros, blurred by the projection.
Labels with many zeros make them common; a nonzero one this small has a probability of the same order."""

MARGIN_CLEAR = 1e-9
"""Least margin, as a fraction of ‖u‖, that puts u clearly inside its signed cells (unit samples)."""

CERTIFICATE_ZERO = 1e-12
"""Weights (of sum 1) whose combination of the constraints is shorter than this cancel them."""

CERTIFICATE_CLEAR = 1e-8
"""Violation, as a fraction of the least-norm ‖u‖, by which a closed node misses feasibility."""

CONDITION_CLEAR = 1e-5
"""Least nonzero singular value, as a fraction of the largest, of equations and of the constraints that close a node;
and where there is a kernel least length of a sample, as a fraction of the largest. The residual and the least-norm u
have then errors below 1e-10, well below `MARGIN_CLEAR` and `CERTIFICATE_CLEAR`; and weights that cancel to
`CERTIFICATE_ZERO` are that near to weights that cancel."""

WEIGHT_CLEAR = 1e-9
"""Weights above this fraction of their sum are held to be positive."""

RANGE_ZERO, RANGE_CLEAR = 1e-11, 1e-8
"""Relative distances of the target from the range of some cells that count as zero, and as clearly not."""

GRADIENT_TOLERANCE = 1e-8
"""Largest `‖G_i e‖/(‖G_i‖‖y‖)` of a witness; every partial derivative of the MSE depends on e through one."""


ROOMY = 64
"""Dimensions of `ker G^T` from which a guess is tried first: a hull point then costs more than the guess."""

_GUESSES = 3
_DESCENT_STEPS = 300


class RegionError(ValueError):
    """W lies on the boundary of regions, or too near for floating point."""


@dataclass(frozen=True)
class RegionMinimum:
    """What is known of the DLMs in one region.

    Attributes:
        residual: the residual e of every DLM in the region, N.
        rank: rank of `A ∘ X`.
        contains_minimum: whether there is a DLM; None if the node budget ended or a decision came within its
            tolerance.
        witness: `(W', z')` of a DLM in the region, `d1 × d0` and `d1`, when `contains_minimum` is True.
        nodes: sign choices examined.
    """

    residual: FloatArray
    rank: int
    contains_minimum: bool | None
    witness: tuple[FloatArray, FloatArray] | None
    nodes: int


@dataclass(frozen=True)
class Classification:
    """Whether a region belongs to `L_ε` (`suboptimal`) and to `G` (`globalmin`); None where undecided."""

    suboptimal: bool | None
    globalmin: bool | None


class _OutOfNodes(Exception):
    pass


class _Outcome(Enum):
    FEASIBLE = 1  # strictly
    INFEASIBLE = 2  # even with zeros or boundary points for the chosen parts
    TOUCHING = 3  # not strictly, but parts equal to zero are not excluded
    DOUBTFUL = 4


@dataclass(frozen=True)
class _Solutions:
    """All u with `G^T u = target`, some cells dropped: `start + basis·v`, `start ⟂ basis`."""

    start: FloatArray  # k × d0
    basis: FloatArray  # k × d0 × freedom, orthonormal
    base: FloatArray  # k × N, the margins σ_in x_n·u_i of start
    moves: FloatArray  # k × N × freedom, and of the basis
    rank: int
    clear: bool  # whether the rank was, and the solutions are well enough conditioned
    distance: float  # of the target from the range, as a fraction of the target


def find_minimum(
    W: npt.ArrayLike, X: npt.ArrayLike, y: npt.ArrayLike, slope: float, *, node_limit: int = 2000
) -> RegionMinimum:
    """Decide whether the region of W contains a differentiable local minimum (finite-N note, F1).

    Args:
        W: first layer, `d1 × d0`; only its region matters.
        X: samples, `d0 × N`.
        y: labels, N.
        slope: negative-side slope ρ ≠ 1.
        node_limit: most sign choices to examine before giving up.

    Raises:
        RegionError: if a pre-activation is zero, or too small for its sign to be trusted.
        ValueError: if shapes, slope or entries cannot be used.
    """
    return _Region(W, X, y, slope).search(node_limit)


def classify(
    W: npt.ArrayLike,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    slope: float,
    epsilon: float,
    *,
    node_limit: int = 2000,
) -> Classification:
    """Whether the region of W lies in `L_ε` and in `G` (Soudry & Hoffer 2017, Definition 4).

    In `L_ε`: it contains a DLM with `MCE > ε`, output and label thresholded at 1/2. In `G`: it contains a DLM
    with `e = 0`. The residual decides first; the search for a DLM runs only if its answer matters.

    Args:
        W: first layer, `d1 × d0`.
        X: samples, `d0 × N`.
        y: labels, N.
        slope: negative-side slope ρ ≠ 1.
        epsilon: the threshold ε in [0, 1).
        node_limit: as for `find_minimum`.

    Raises:
        RegionError: if a pre-activation is zero, or too small for its sign to be trusted.
        ValueError: if shapes, slope, epsilon or entries cannot be used.
    """
    if not 0 <= epsilon < 1:
        raise ValueError(f"got epsilon = {epsilon}; expected a fraction in [0, 1)")
    region = _Region(W, X, y, slope)
    fits, errs = region.fits(), region.errs(epsilon)
    if fits is False and errs is False:
        return Classification(False, False)
    exists = region.search(node_limit).contains_minimum
    return Classification(_both(errs, exists), _both(fits, exists))


def relative_gradient(W: FloatArray, z: FloatArray, X: FloatArray, y: FloatArray, slope: float) -> float:
    """Largest `‖G_i e‖/(‖G_i‖‖y‖)` over the neurons, `e` the residual of the network as evaluated.

    Zero means that the MSE is stationary in `(W, z)`, and then `(W, z)` is a DLM (finite-N note, F1c).

    Args:
        W: first layer, `d1 × d0`.
        z: second layer, `d1`.
        X: samples, `d0 × N`.
        y: labels, N.
        slope: negative-side slope.
    """
    e = y - forward(W, z, X, slope)
    A = np.where(W @ X > 0, 1.0, slope)
    gradients = np.linalg.norm((A * e) @ X.T, axis=1)
    scales = np.sqrt(A**2 @ (X**2).sum(axis=0)) * np.linalg.norm(y)
    return float(np.divide(gradients, scales, out=np.zeros_like(scales), where=scales > 0).max())


class _Region:
    """One region: its occupied cells, its residual, and the search for signs."""

    def __init__(self, W: npt.ArrayLike, X: npt.ArrayLike, y: npt.ArrayLike, slope: float) -> None:
        self.W, self.X, self.y = (np.array(a, dtype=np.float64) for a in (W, X, y))
        self.slope = float(slope)
        self._check_arguments()
        given = self.X.copy()
        # The network is homogeneous in rows of W and in all of X: powers of two keep what follows in range.
        self.exponent = _bring_into_range(self.W, self.X)
        self._check_signs()
        self.active = self.W @ self.X > 0
        cells, cell_of, count = np.unique(self.active, axis=0, return_inverse=True, return_counts=True)
        self.cells = cells
        self.neurons = [np.flatnonzero(cell_of == i) for i in range(len(cells))]
        self.single = count == 1
        self.signs = np.where(cells, 1.0, -1.0)
        norms = np.linalg.norm(self.X, axis=0)
        self.unit = self.X / norms
        # Rows are divided by ‖x_n‖: range and margins then do not depend on the samples' lengths.
        self.GT = khatri_rao(np.where(cells, 1.0, self.slope), self.unit).T
        clear = self._project(norms)
        self.reduced = modular.reduced_floats(given, self.slope)
        self.clear = clear and self._zeros_are_exact()
        self._known: dict[tuple[frozenset[int], bool], _Solutions] = {}

    def _check_arguments(self) -> None:
        W, X, y = self.W, self.X, self.y
        if W.ndim != 2 or X.ndim != 2 or W.shape[1] != X.shape[0] or y.shape != X.shape[1:] or not W.size:
            raise ValueError(f"got W {W.shape}, X {X.shape}, y {y.shape}; expected d1 × d0, d0 × N and N, none empty")
        if not all(np.isfinite(a).all() for a in (W, X, y, self.slope)) or not y.size:
            raise ValueError("W, X, y or slope is empty, NaN or infinite; expected finite numbers")
        if self.slope == 1:
            raise ValueError("got slope 1, a linear network; expected any other slope")

    def _check_signs(self) -> None:
        W, X = self.W, self.X
        lengths = np.outer(np.linalg.norm(W, axis=1), np.linalg.norm(X, axis=0))
        tolerance = max(PATTERN_TOLERANCE, (len(X) + 2) * UNIT_ROUNDOFF)
        doubtful = np.argwhere(np.abs(W @ X) <= tolerance * lengths)
        if len(doubtful):
            raise RegionError(
                f"neuron {doubtful[0, 0]} is zero, or nearly, on sample {doubtful[0, 1]}; "
                "expected W inside a differentiable region: perturb W"
            )

    def _project(self, norms: FloatArray) -> bool:
        """Sets rank, residual and target; returns whether the rank is clear."""
        # All left singular vectors are needed, and no more right ones than come with them.
        left, singular, right = np.linalg.svd(self.GT, full_matrices=self.GT.shape[0] > self.GT.shape[1])
        self.rank, clear = _rank(singular)
        self.range, self.row_space = left[:, : self.rank], right[: self.rank]
        self.singular = singular[: self.rank]
        self.scale = float(np.abs(self.y).max())
        # Back to the samples' own lengths: e ∈ ker G iff ‖x_n‖ e_n is a left null vector of the scaled rows. An error
        # of that grows by the ratio of the lengths.
        clear = clear and (self.rank == len(norms) or bool(norms.min() > CONDITION_CLEAR * norms.max()))
        kernel = np.linalg.qr(left[:, self.rank :] / norms[:, None])[0]
        e = kernel @ (kernel.T @ self.y)
        zero = TARGET_ZERO * self.scale
        e[np.abs(e) <= zero] = 0.0
        target = self.y - e
        target[(e != 0) & (np.abs(target) <= zero)] = 0.0
        self.residual = e
        self.target = target / norms
        return clear

    def _zeros_are_exact(self) -> bool:
        """Whether the rank, and what counts as zero in residual and target, are so modulo a random prime too.

        Labels with a fraction are rounded, such as a teacher's outputs: they are met up to rounding, and only the rank
        is compared.
        """
        if self.rank == len(self.y):
            return True  # no singular value is near zero, and no residual is left
        whole = bool((self.y == np.rint(self.y)).all())
        exact = modular.residual(self.active, self.reduced, self.y)
        return (
            exact is not None
            and exact.rank == self.rank
            and (not whole or bool(((self.residual == 0) == exact.residual_zero).all()))
            and (not whole or bool(((self.target == 0) == exact.target_zero).all()))
        )

    def fits(self) -> bool | None:
        """Whether e = 0."""
        return not self.residual.any() if self.clear else None

    def errs(self, epsilon: float) -> bool | None:
        """Whether MCE > ε at the region's DLMs."""
        outputs = self.y - self.residual
        wrong = (outputs > 0.5) != (self.y > 0.5)
        unsure = (self.residual != 0) & (np.abs(outputs - 0.5) <= TARGET_ZERO * self.scale)
        needed = errors_above(epsilon, len(self.y))
        if not self.clear:
            return None
        if np.count_nonzero(wrong & ~unsure) >= needed:
            return True
        return None if np.count_nonzero(wrong | unsure) >= needed else False

    def search(self, node_limit: int) -> RegionMinimum:
        """Depth-first search for signs of the cells with a single neuron."""
        if not self.clear or (self.rank and self.singular[-1] <= CONDITION_CLEAR * self.singular[0]):
            return self._answer(None, None)
        if not self.target.any():
            witness = self._realise(np.zeros((len(self.signs), len(self.X))))
            return self._answer(True if witness else None, witness)
        if witness := self._guess():
            return self._answer(True, witness)
        self.nodes_left, self.doubtful = node_limit, False
        try:
            witness, _ = self._explore({}, frozenset())
        except _OutOfNodes:
            return self._answer(None, None, node_limit)
        contains = True if witness else None if self.doubtful else False
        return self._answer(contains, witness, node_limit - self.nodes_left)

    def _guess(self) -> tuple[FloatArray, FloatArray] | None:
        """A witness for every label at once, from signs drawn at random (finite-N note, F17).

        If some u inside its signed cells has `G^T u = 0`, a large multiple of it outweighs any one solution.
        It is sought by accelerated descent on the squared margins that fall short of 1: no decomposition
        beyond the first, so it pays where there is room, and there the hull points of the search are slow.
        """
        k, d0 = len(self.signs), len(self.X)
        if k * d0 - self.rank < ROOMY:
            return None
        start = self.row_space.T @ (self.range.T @ self.target / self.singular)
        step = 1 / np.linalg.norm(self.unit, 2) ** 2
        for attempt in range(_GUESSES):
            balanced = np.where(np.random.default_rng(attempt).permutation(k) % 2 == 0, 1.0, -1.0)
            sides = np.where(self.single, balanced, 0.0)[:, None] * self.signs
            u = last = np.zeros((k, d0))
            for turn in range(_DESCENT_STEPS):
                ahead = u + turn / (turn + 3) * (u - last)
                short = np.maximum(self.single[:, None] - sides * (ahead @ self.unit), 0.0)
                flat = (ahead + step * (short * sides) @ self.unit.T).reshape(-1)
                last, u = u, (flat - self.row_space.T @ (self.row_space @ flat)).reshape(k, d0)
                margins = sides * (u @ self.unit)
                if (margins[self.single] > 0.1).all():
                    lack = np.abs(start.reshape(k, d0) @ self.unit)[self.single] / margins[self.single]
                    return self._realise(start.reshape(k, d0) + 2 * lack.max(initial=0.0) * u)
        return None

    def _explore(
        self, chosen: dict[int, float], dropped: frozenset[int]
    ) -> tuple[tuple[FloatArray, FloatArray] | None, bool]:
        """A witness below this node, and whether some node below was only touching.

        A u with `u_i = 0` lies in the closure of both signs of cell i. So a zero needs a look only if neither
        sign was excluded together with its closure: for labels in general position it never does.
        """
        if not self.nodes_left:
            raise _OutOfNodes
        self.nodes_left -= 1
        outcome, u = self._relax(self._solutions(dropped), chosen, dropped)
        if outcome is not _Outcome.FEASIBLE:
            self.doubtful |= outcome is _Outcome.DOUBTFUL
            return None, outcome is not _Outcome.INFEASIBLE
        products = self.signs * (u @ self.unit)
        inside, outside = products.min(axis=1), -products.max(axis=1)
        better = np.maximum(inside, outside)
        settled = ~self.single | (better > MARGIN_CLEAR * np.linalg.norm(u))
        settled[[*chosen, *dropped]] = True
        if settled.all():
            witness = self._realise(u) if self._solutions(dropped).clear else None
            self.doubtful |= witness is None
            return witness, True
        i = int(np.where(settled, np.inf, better).argmin())  # the cell that resists most
        first = 1.0 if inside[i] >= outside[i] else -1.0
        touching = []
        for sign in (first, -first):
            witness, touched = self._explore({**chosen, i: sign}, dropped)
            if witness:
                return witness, True
            touching.append(touched)
        if all(touching) and self._reaches(dropped | {i}):
            witness, _ = self._explore(chosen, dropped | {i})
        return witness, any(touching)

    def _reaches(self, dropped: frozenset[int]) -> bool:
        """Whether the target stays in the range without the dropped cells."""
        if len(dropped) == len(self.signs):
            return False
        space = self._solutions(dropped)
        if space.clear and space.distance <= RANGE_ZERO:
            return True
        self.doubtful |= not space.clear or space.distance < RANGE_CLEAR
        return False

    def _solutions(self, dropped: frozenset[int], homogeneous: bool = False) -> _Solutions:
        """Solutions with `u_i = 0` on the dropped cells; homogeneous: for the samples with target 0 only."""
        if (dropped, homogeneous) not in self._known:
            k, d0 = len(self.signs), len(self.X)
            samples = self.target == 0 if homogeneous else np.full(len(self.y), True)
            kept = [i for i in range(k) if i not in dropped]
            columns = self.GT.reshape(-1, k, d0)[samples][:, kept].reshape(samples.sum(), -1)
            target = self.target[samples]
            left, singular, right = np.linalg.svd(columns)
            rank, clear = _rank(singular)
            clear = clear and (rank == 0 or bool(singular[rank - 1] > CONDITION_CLEAR * singular[0]))
            # A rank is never below the number of clearly nonzero singular values, and a full one is that.
            if clear and rank < min(columns.shape):
                clear = rank == self._rank_modulo(self._equations(homogeneous), dropped)
            start, basis = np.zeros((k, d0)), np.zeros((k, d0, right.shape[0] - rank))
            coordinates = left.T @ target
            start[kept] = (right[:rank].T @ (coordinates[:rank] / singular[:rank])).reshape(-1, d0)
            basis[kept] = right[rank:].T.reshape(len(kept), d0, -1)
            self._known[dropped, homogeneous] = _Solutions(
                start,
                basis,
                self.signs * (start @ self.unit),
                self.signs[:, :, None] * (self.unit.T @ basis),
                rank,
                clear,
                float(np.linalg.norm(coordinates[rank:]) / np.linalg.norm(self.target)),
            )
        return self._known[dropped, homogeneous]

    def _relax(
        self, space: _Solutions, chosen: dict[int, float], dropped: frozenset[int]
    ) -> tuple[_Outcome, FloatArray]:
        """A solution u with the chosen cells' parts inside their signed cells, the rest free."""
        if not chosen:
            return _Outcome.FEASIBLE, space.start
        index, sides = list(chosen), np.array(list(chosen.values()))
        size = float(np.linalg.norm(space.start))
        moves = _rows(space.moves, index, sides)
        base = (sides[:, None] * space.base[index]).reshape(-1) / size
        # Homogeneous in (v, τ): u/‖start‖ = start/‖start‖ + basis·v/τ, with τ > 0.
        rows = np.vstack([np.column_stack([moves, base]), np.eye(moves.shape[1] + 1)[-1]])
        point, weights = gordan(rows)
        if point[-1] > 0 and (rows @ point).min() > MARGIN_CLEAR:
            return _Outcome.FEASIBLE, space.start + size * (space.basis @ (point[:-1] / point[-1]))
        for certificate in self._certificates(weights[:-1], moves, base) if space.clear else ():
            if _exclude(certificate, moves, base) and self._cancels(certificate, moves, index, dropped):
                return _Outcome.INFEASIBLE, space.start
        if self._blocked(index, sides, dropped):
            return _Outcome.TOUCHING, space.start
        return self._program(space, moves, base, size)

    @staticmethod
    def _certificates(weights: FloatArray, moves: FloatArray, base: FloatArray) -> Iterator[FloatArray]:
        """Weights to try: cancelling ones need not show a violation, even where there is one; then it is asked for."""
        yield weights
        yield _violation(moves, base)

    def _cancels(
        self,
        weights: FloatArray,
        moves: FloatArray,
        index: list[int],
        dropped: frozenset[int],
        homogeneous: bool = False,
    ) -> bool:
        """Whether constraints with weights that cancel up to rounding are dependent, given the equations.

        They are where their rank beside the equations is the same in floating point and modulo a random prime. The
        weights are then near to some that cancel exactly, and as positive.
        """
        chosen = np.flatnonzero(weights > WEIGHT_CLEAR * weights.sum())
        singular = np.linalg.svd(moves[chosen], compute_uv=False)
        rank = int(np.count_nonzero(singular > CONDITION_CLEAR))
        k, d0, N = len(self.signs), len(self.X), len(self.y)
        constraints = np.zeros((len(chosen), k, d0), dtype=np.int64)
        for row, place in zip(constraints, chosen, strict=True):
            row[index[place // N]] = self.reduced.high[:, place % N]
        both = np.vstack([self._equations(homogeneous), constraints.reshape(len(chosen), -1)])
        # The equations' own rank was compared when they were solved.
        more = self._rank_modulo(both, dropped) - self._solutions(dropped, homogeneous).rank
        return more == rank < len(chosen)

    def _equations(self, homogeneous: bool) -> npt.NDArray[np.int64]:
        """`b·Gᵀ` modulo the prime, one row a sample; homogeneous: of the samples with target 0."""
        gates = np.where(self.cells[:, None, :], self.reduced.high, self.reduced.low)  # k × d0 × N
        rows = gates.reshape(-1, len(self.y)).T
        return rows[self.target == 0] if homogeneous else rows

    def _rank_modulo(self, rows: npt.NDArray[np.int64], dropped: frozenset[int]) -> int:
        kept = np.repeat([i not in dropped for i in range(len(self.signs))], len(self.X))
        return modular.rank(rows[:, kept], self.reduced.prime)

    def _blocked(self, index: list[int], sides: FloatArray, dropped: frozenset[int]) -> bool:
        """Whether the samples with target zero alone exclude the signs.

        Their system is homogeneous, so its largest margin is either unbounded or exactly zero: what would be
        a margin within tolerance of zero in the full program is decided cleanly here.
        """
        if self.target.all():
            return False
        space = self._solutions(dropped, homogeneous=True)
        moves = _rows(space.moves, index, sides)
        if not moves.shape[1]:
            return space.clear
        _, weights = gordan(moves)
        return (
            space.clear
            and bool(np.linalg.norm(weights @ moves) <= CERTIFICATE_ZERO)
            and self._cancels(weights, moves, index, dropped, homogeneous=True)
        )

    def _program(
        self, space: _Solutions, moves: FloatArray, base: FloatArray, size: float
    ) -> tuple[_Outcome, FloatArray]:
        """The linear program of F1(d): maximise the margin t ≤ 1."""
        free = moves.shape[1]
        program = linprog(
            np.r_[np.zeros(free), -1.0],
            A_ub=np.column_stack([-moves, np.ones(len(moves))]),
            b_ub=base,
            bounds=[(None, None)] * free + [(None, 1.0)],
        )
        optimum = program.x if program.status == 0 else None
        if optimum is not None and optimum[-1] > CERTIFICATE_CLEAR:
            return _Outcome.FEASIBLE, space.start + size * (space.basis @ optimum[:-1])
        return _Outcome.DOUBTFUL, space.start

    def _realise(self, u: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """The network of the region with this u, or None if it is no DLM there as evaluated."""
        W, z = self.W.copy(), np.zeros(len(self.W))
        for i, neurons in enumerate(self.neurons):
            length = float(np.linalg.norm(u[i]))
            if length == 0:
                continue
            if len(neurons) == 1:
                sign = 1.0 if (self.signs[i] * (u[i] @ self.unit)).sum() > 0 else -1.0
                W[neurons[0]], z[neurons[0]] = sign * u[i] / length, sign * length
                continue
            # Both neurons keep to the cell's centre, at the least distance that outweighs ±u/2.
            try:
                centre = cell_centre(self.unit, self.signs[i])
            except ValueError:
                return None
            reach = float((np.abs(u[i] @ self.unit) / np.abs(centre @ self.unit)).max())
            W[neurons[0]], W[neurons[1]] = reach * centre + u[i] / 2, reach * centre - u[i] / 2
            z[neurons[:2]] = 1.0, -1.0
        if ((W @ self.X > 0) != self.active).any():
            return None
        stationary = relative_gradient(W, z, self.X, self.y, self.slope) <= GRADIENT_TOLERANCE
        given = _times_power(z, self.exponent)
        return (W, given) if stationary and given is not None else None

    def _answer(
        self, contains: bool | None, witness: tuple[FloatArray, FloatArray] | None, nodes: int = 0
    ) -> RegionMinimum:
        return RegionMinimum(self.residual, self.rank, contains, witness, nodes)


def _bring_into_range(W: FloatArray, X: FloatArray) -> int:
    """Rows of W, and X as a whole, times powers of two in place, where products would leave the range of floats.

    Returns:
        `k` such that the given X is `2^k` times the new one.

    Raises:
        RegionError: if the lengths of samples differ by more than the range.
    """
    rows = np.abs(W).max(axis=1)
    if ((rows > 0) & ((rows < 1 / IN_RANGE) | (rows > IN_RANGE))).any():
        W[:] = np.ldexp(W, -np.frexp(rows)[1][:, None])
    columns = np.abs(X).max(axis=0)
    if columns.min() >= 1 / IN_RANGE and columns.max() <= IN_RANGE:
        return 0
    exponent = int(np.frexp(columns.max())[1])
    X[:] = np.ldexp(X, -exponent)
    least = np.abs(X).max(axis=0)
    if least.min() < 1 / IN_RANGE:
        raise RegionError(
            f"sample {least.argmin()} is zero, or shorter than another by more than {IN_RANGE:.0e}; "
            "expected samples of comparable length: drop or rescale it"
        )
    return exponent


def _times_power(z: FloatArray, exponent: int) -> FloatArray | None:
    """`z / 2^exponent`, None if that leaves the range of floats."""
    with np.errstate(over="ignore", under="ignore"):
        found = np.ldexp(z, -exponent) if exponent else z
    lost = ~np.isfinite(found) | ((found == 0) & (z != 0))
    return None if lost.any() else found


def _rows(moves: FloatArray, index: list[int], sides: FloatArray) -> FloatArray:
    """The margins' dependence on v for the chosen cells and sides, one row a constraint."""
    return (sides[:, None, None] * moves[index]).reshape(len(index) * moves.shape[1], moves.shape[2])


def _violation(moves: FloatArray, base: FloatArray) -> FloatArray:
    """Weights proposed to show that `moves·v + base ≥ 0` has no solution (Farkas)."""
    try:
        return np.asarray(nnls(np.vstack([moves.T, base]), -np.eye(moves.shape[1] + 1)[-1])[0])
    except RuntimeError:
        return np.zeros(len(moves))


def _exclude(weights: FloatArray, moves: FloatArray, base: FloatArray) -> bool:
    """Whether nonnegative weights show by a clear distance that `moves·v + base ≥ 0` has no solution."""
    total = float(weights.sum())
    if total <= 0:
        return False
    cancels = np.linalg.norm(weights @ moves) <= CERTIFICATE_ZERO * total
    return bool(cancels and weights @ base <= -CERTIFICATE_CLEAR * total)


def _rank(singular: FloatArray) -> tuple[int, bool]:
    """Rank, and whether no singular value lies between clearly zero and clearly not."""
    relative = singular / singular[0] if singular.size and singular[0] > 0 else np.zeros_like(singular)
    rank = int(np.count_nonzero(relative > CLEAR_ABOVE))
    return rank, rank == np.count_nonzero(relative > NULL_BELOW)


def _both(first: bool | None, second: bool | None) -> bool | None:
    """Three-valued conjunction."""
    if first is False or second is False:
        return False
    return True if first and second else None
