"""Whether an exact differentiable local minimum (DLM) lies near a given network, in the same region.

In its region the output is `Gᵀu`, linear in `u_i = z_i w_i`, and `(W, z)` is a DLM exactly if `G e = 0`, that is, if u
solves a linear least-squares problem (finite-N note, F1). No float network that came out of training solves it exactly.
But a solution always exists, and from u the nearest is at the distance `‖(Gᵀ)⁺ e‖`. With z kept, first layers move by
`‖d_i‖/|z_i|`; if that is less than the distance to the nearest boundary, the solution is a network in the region.

So the proof needs a lower bound on the smallest *nonzero* singular value of G, hence its exact rank. It comes from one
of three: a Cholesky factor of the Gram matrix `GᵀG = (AᵀA) ⊙ (XᵀX)` (full column rank: every residual can be brought
to zero), one of `G Gᵀ` (full row rank), or, for small networks, the rank in exact arithmetic. A few Newton steps, which
for a linear problem is one step and the correction of its rounding, first bring the weights to where the rest is tiny.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from verify.certificate.enclosures import (
    OUTWARDS,
    TINY,
    Activations,
    BoolArray,
    Data,
    FloatArray,
    Interval,
    gamma,
    lengths,
    sum_of_squares,
)
from verify.certificate.spectra import smallest_eigenvalue
from verify.network.certified import certified_ranks

LARGEST_MATRIX = 5000
"""Rows of the matrices that are factorised: 200 MB each, and some three are held."""

ROW_WORK = 1e12
"""Multiplications up to which `G Gᵀ` is formed: a minute or so."""

EXACT_RANK_SIZE = 40_000
"""Entries of G up to which its rank is computed exactly where floating point cannot prove it."""

UNKNOWN = Interval(0.0, np.inf)

KEPT_MARGIN = 0.2
"""Share of a pre-activation that a Newton step must leave."""

CLEAR_MARGIN = 1e-8
"""Sine of an angle to a hyperplane that is well above rounding, and well below any tolerance of interest."""

MOST_HELD = 1000
"""Most pre-activations that a Newton step keeps as they are."""

_HOLDS = 20

_STEPS = 4


@dataclass(frozen=True)
class Nearby:
    """An exact DLM in the region of the given weights, or what keeps one from being proved.

    Attributes:
        exists: whether there is proved to be one.
        reason: how it was proved, or why not.
        distance: upper bound on `max_i ‖w'_i − w_i‖/‖w_i‖` for that DLM, which has the given z.
        W: the first layer after Newton steps, in scaled units; the DLM lies within `error` of it.
        error: the part of `distance` that is between `W` and the DLM.
        rank: rank of G for the neurons in use; None if not proved.
        singular: lower bound on its smallest nonzero singular value, as a fraction of the length of its longest column
            or row; None if not proved.
        fits: whether the residual at that DLM is proved to be zero.
        loss: ends of `‖e‖²` at that DLM, in scaled units.
        unmatched: a lower bound on `‖e‖²` at every DLM of the region.
        moved: a lower bound on `‖u' − u‖` for every DLM of the region; 0 if nothing is known.
    """

    exists: bool
    reason: str
    distance: float = np.inf
    W: FloatArray | None = None
    error: float = np.inf
    rank: int | None = None
    singular: float | None = None
    fits: bool = False
    loss: Interval = UNKNOWN
    unmatched: float = 0.0
    moved: float = 0.0


@dataclass(frozen=True)
class _Point:
    """Residual and gradient at some first layer of the region."""

    found: Activations
    e: FloatArray
    e_error: FloatArray
    pulls: FloatArray
    pulls_error: FloatArray


@dataclass(frozen=True)
class _Region:
    """What of the region counts: the cells of the neurons in use, and the samples that they see.

    Attributes:
        gates: activation of each cell, `N × c`, entries ρ and 1.
        neuron: for each cell the neuron that takes the moves, c.
        seen: whether some cell is active on the sample, or the slope is not zero, N.
        used: whether the row of G is not zero, `c × d0`.
        spare: whether a neuron with `z_i = 0` is in a cell of its own.
        crowd: most neurons in use in one cell.
    """

    gates: FloatArray
    neuron: npt.NDArray[np.intp]
    seen: BoolArray
    used: BoolArray
    spare: bool
    crowd: int


class _Solver(Protocol):
    """One of three ways to solve and bound the least-squares problem."""

    rank: int
    name: str
    fits: bool
    singular: float

    def step(self, at: _Point) -> FloatArray:
        """The move of u that solves the problem, up to rounding, `c × d0`."""

    def distance(self, at: _Point) -> float:
        """An upper bound on the length of the shortest move that solves it exactly."""

    def moved(self, at: _Point) -> float:
        """A lower bound on that length."""


def nearby_minimum(data: Data, W: FloatArray, z: FloatArray, found: Activations) -> Nearby:
    """Prove that an exact DLM lies near `(W, z)` in the same region.

    Args:
        data: samples and labels.
        W: first layer in scaled units, `d1 × d0`; all its pre-activations are known to be nonzero.
        z: second layer in scaled units, d1.
        found: its pre-activations.
    """
    region = _region(data, z, found)
    solver = _solver(data, region, z)
    if isinstance(solver, str):
        return Nearby(False, solver)
    if region.spare and not (solver.fits and not data.labels[~region.seen].any()):
        return Nearby(
            False,
            "a neuron with z = 0 sees samples as no other does: at a minimum with z kept it need not be stationary",
            rank=solver.rank,
        )
    start = _point(data, W, z, found)
    unmatched = float(sum_of_squares(data.y[~region.seen], np.zeros((~region.seen).sum())).lower)
    if not solver.fits:
        slack = _norm(start, region) * solver.distance(start)
        unmatched = max(unmatched, sum_of_squares(start.e, start.e_error).lower - OUTWARDS * slack)
    best = Nearby(
        False,
        "Newton steps left the region, or the rest of the way is longer than the distance to its boundary",
        rank=solver.rank,
        singular=solver.singular,
        unmatched=unmatched,
        # The m neurons of a cell move its part of u by the sum of m moves.
        moved=solver.moved(start) / np.sqrt(region.crowd) / OUTWARDS,
    )
    at, moved, smallest = start, W, np.inf
    for turn in range(_STEPS + 1):
        if turn:
            moved = moved.copy()
            try:
                moved[region.neuron] += solver.step(at) / z[region.neuron, None]
            except np.linalg.LinAlgError:  # numbers beyond floats, as from samples of very different sizes
                break
            if not np.isfinite(moved).all():
                break
            again = data.activations(moved)
            if not again.decided.all() or (again.active != found.active).any():
                break
            at = _point(data, moved, z, again)
        rest = solver.distance(at) / np.abs(z[region.neuron]) * OUTWARDS
        room = at.found.lower[region.neuron] * at.found.norms[region.neuron] / OUTWARDS**2
        length = found.norms[region.neuron] / OUTWARDS**2
        error = float((rest / length).max(initial=0.0)) * OUTWARDS
        gone = lengths(moved - W)[region.neuron] / length if turn else np.zeros(len(length))
        distance = float((gone + rest / length).max(initial=0.0)) * OUTWARDS
        if not (rest < room).all() or not np.isfinite(distance):
            continue
        if error >= smallest:
            break
        smallest = error
        if distance >= best.distance:
            continue
        best = Nearby(
            True,
            solver.name,
            distance=distance,
            W=moved,
            error=error,
            rank=solver.rank,
            singular=solver.singular,
            fits=solver.fits and not data.labels[~region.seen].any(),
            loss=_loss(at, region, data, solver),
            unmatched=unmatched,
            moved=best.moved,
        )
    return best


def _region(data: Data, z: FloatArray, found: Activations) -> _Region:
    used = (z != 0) & ~found.zero.all(axis=0)
    # A cell that is inactive everywhere adds nothing if the slope is zero.
    seeing = found.active.any(axis=0) | (data.rho != 0)
    cells, cell_of = np.unique(found.active[:, used & seeing].T, axis=0, return_inverse=True)
    others = np.unique(found.active[:, ~used & seeing].T, axis=0)
    known = {row.tobytes() for row in cells}
    room = np.abs(z) * found.lower * found.norms
    neurons = np.flatnonzero(used & seeing)
    most = [neurons[cell_of == c][room[neurons[cell_of == c]].argmax()] for c in range(len(cells))]
    gates = np.where(cells.T, 1.0, data.slope)
    nonzero = np.zeros((len(cells), data.X.shape[1]))
    for part in data.blocks(max(1, len(cells))):
        nonzero += (gates[part] != 0).astype(np.float64).T @ (data.given[part] != 0)
    return _Region(
        gates=gates,
        neuron=np.array(most, dtype=np.intp),
        seen=np.asarray((gates != 0).any(axis=1)),
        used=nonzero > 0,
        spare=any(row.tobytes() not in known for row in others),
        crowd=int(np.bincount(cell_of).max(initial=1)),
    )


def _solver(data: Data, region: _Region, z: FloatArray) -> _Solver | str:
    rows, columns = int(region.used.sum()), int(region.seen.sum())
    if columns == 0:
        return _NothingToDo()
    tried = []
    if columns <= min(rows, LARGEST_MATRIX):
        by_columns = _FullColumnRank(data, region, z)
        if by_columns.eigenvalue > 0:
            return by_columns
        tried.append("columns")
    if rows <= min(columns, LARGEST_MATRIX) and rows * rows * columns <= ROW_WORK:
        by_rows = _FullRowRank(data, region)
        if by_rows.eigenvalue > 0:
            return by_rows
        tried.append("rows")
    if columns * region.used.size <= EXACT_RANK_SIZE:
        exact = _KnownRank(data, region)
        if exact.eigenvalue > 0:
            return exact
        tried.append("exact rank")
    size = f"G is {rows} × {columns} (rows and columns that are not zero)"
    if tried:
        return f"{size}; no lower bound on its smallest nonzero singular value was found ({', '.join(tried)})"
    return f"{size}; that is beyond the largest matrix that is factorised, {LARGEST_MATRIX} rows"


class _NothingToDo:
    """No neuron in use sees any sample: every point of the region is a DLM, as G = 0."""

    rank, name, fits, singular = 0, "G is zero: no neuron in use is active on any sample", True, 1.0

    def step(self, at: _Point) -> FloatArray:
        return np.zeros((0, at.pulls.shape[1]))

    def distance(self, at: _Point) -> float:
        return 0.0

    def moved(self, at: _Point) -> float:
        return 0.0


class _FullColumnRank:
    """`rank G = N` on the samples seen: some u brings their residuals to zero, at distance `‖G (GᵀG)⁻¹ e‖`."""

    fits = True

    def __init__(self, data: Data, region: _Region, z: FloatArray) -> None:
        self.seen, self.gates, self.X = region.seen, region.gates[region.seen], data.X[region.seen]
        self.samples, self.neuron, self.z = data.X, region.neuron, z[region.neuron]
        # Columns of length near 1: dividing an equation by a power of two changes no solution.
        sizes = lengths(self.gates) * lengths(self.X)
        self.scale = np.ldexp(1.0, -np.clip(np.frexp(sizes)[1], -1000, 1000))
        rows = self.X * self.scale[:, None]
        self.gram = (self.gates @ self.gates.T) * (rows @ rows.T)
        total = float(((lengths(self.gates) * lengths(rows)) ** 2).sum())
        error = OUTWARDS * gamma(self.gates.shape[1] + self.X.shape[1] + 8) * total + TINY * total
        self.eigenvalue = smallest_eigenvalue(self.gram, error)
        self.rank = len(self.gram)
        self.singular = float(np.sqrt(self.eigenvalue / self.gram.diagonal().max()))
        self.name = "rank G = N on the samples seen: a Cholesky factor of GᵀG, with its rounding bounded"
        if self.eigenvalue > 0:
            self.factor = cho_factor(self.gram, lower=True)

    def step(self, at: _Point) -> FloatArray:
        """The shortest move of u that brings the residual to zero, among those that stay well inside the region.

        With more parameters than samples there are many solutions. Where the shortest would take pre-activations
        across zero, or most of the way, it is sought among those that leave these as they are, or bring them to
        `CLEAR_MARGIN` where they are below it; again, until no other is in the way.
        """
        weights = self._solve(at.e[self.seen])
        shortest = move = np.asarray((self.gates * weights[:, None]).T @ self.X)
        before = at.found.products[:, self.neuron]
        sides = np.where(at.found.active[:, self.neuron], 1.0, -1.0)
        clear = CLEAR_MARGIN * np.outer(lengths(self.samples), at.found.norms[self.neuron])
        least = np.maximum(KEPT_MARGIN * np.abs(before), clear / 2)
        held = np.zeros(before.shape, dtype=bool)
        for _ in range(_HOLDS):
            after = before + self.samples @ move.T / self.z
            held |= sides * after < least
            number = int(held.sum())
            if not number or number > min(MOST_HELD, move.size - self.rank):
                return shortest if number else move
            sample, cell = np.nonzero(held)
            # d = G λ + C μ with a column of C for each pre-activation that is held, and Gᵀd = e, Cᵀd = pinned.
            columns = self.samples[sample]
            pinned = (sides * np.maximum(np.abs(before), clear) - before)[sample, cell] * self.z[cell]
            products = columns @ columns.T * (cell[:, None] == cell[None, :])
            cross = self.gates[:, cell] * (self.X @ columns.T)
            solved = self._solve(cross)
            forces = np.linalg.lstsq(products - cross.T @ solved, pinned - cross.T @ weights, rcond=None)[0]
            move = (self.gates * (weights - solved @ forces)[:, None]).T @ self.X
            np.add.at(move, cell, forces[:, None] * columns)
            if not np.isfinite(move).all():
                return shortest
        return move

    def _solve(self, right: FloatArray) -> FloatArray:
        """`(GᵀG)⁻¹` times one vector, or the columns of a matrix."""
        scale = self.scale if right.ndim == 1 else self.scale[:, None]
        return np.asarray(cho_solve(self.factor, scale * right, check_finite=False) * scale)

    def distance(self, at: _Point) -> float:
        square = sum_of_squares(at.e[self.seen] * self.scale, at.e_error[self.seen] * self.scale).upper
        return OUTWARDS * float(np.sqrt(square / self.eigenvalue))

    def moved(self, at: _Point) -> float:
        square = sum_of_squares(at.e[self.seen] * self.scale, at.e_error[self.seen] * self.scale).lower
        return float(np.sqrt(square / (float(np.trace(self.gram)) * OUTWARDS))) / OUTWARDS


class _FullRowRank:
    """`rank G` is the number of its rows that are not zero: one u solves the problem, at distance `‖(GGᵀ)⁻¹ G e‖`."""

    fits = False

    def __init__(self, data: Data, region: _Region) -> None:
        self.used, self.neuron = region.used, region.neuron
        rows, cells = int(region.used.sum()), region.used.shape[0]
        self.matrix, total = np.zeros((rows, rows)), 0.0
        step = max(1, (1 << 22) // max(1, region.used.size))
        for start in range(0, len(data.y), step):
            part = slice(start, start + step)
            block = (region.gates[part, :, None] * data.X[part, None, :]).reshape(-1, region.used.size)
            block = block[:, region.used.ravel()]
            self.matrix += block.T @ block
            total += float((lengths(block) ** 2).sum())
        error = OUTWARDS * gamma(len(data.y) + 10) * total + TINY * cells
        self.eigenvalue = smallest_eigenvalue(self.matrix, error)
        self.rank = rows
        self.singular = float(np.sqrt(self.eigenvalue / self.matrix.diagonal().max()))
        self.name = "the rows of G are independent: a Cholesky factor of GGᵀ, with its rounding bounded"
        if self.eigenvalue > 0:
            self.factor = cho_factor(self.matrix, lower=True)
        self.error = error

    def step(self, at: _Point) -> FloatArray:
        move = np.zeros(self.used.shape)
        move[self.used] = cho_solve(self.factor, at.pulls[self.neuron][self.used], check_finite=False)
        return move

    def distance(self, at: _Point) -> float:
        return OUTWARDS * float(np.linalg.norm(_longest(at, self.neuron))) / self.eigenvalue

    def moved(self, at: _Point) -> float:
        move = cho_solve(self.factor, at.pulls[self.neuron][self.used], check_finite=False)
        size = float(np.linalg.norm(move)) * OUTWARDS
        rest = float(np.linalg.norm(at.pulls[self.neuron][self.used] - self.matrix @ move))
        rounding = (gamma(self.rank + 4) * float(np.linalg.norm(self.matrix)) + self.error) * size
        wrong = rest + rounding + float(np.linalg.norm(at.pulls_error[self.neuron]))
        shortest: float = size / OUTWARDS**2 - OUTWARDS**2 * wrong / self.eigenvalue
        return max(0.0, shortest)


class _KnownRank:
    """The exact rank r is known, and the r-th eigenvalue of `GᵀG` is bounded from below (Courant–Fischer)."""

    fits = False

    def __init__(self, data: Data, region: _Region) -> None:
        self.seen, self.neuron, self.gates = region.seen, region.neuron, region.gates[region.seen]
        self.X = data.X[region.seen]
        self.eigenvalue, self.singular = 0.0, 0.0
        self.name = "the rank of G in exact arithmetic, and a bound on its smallest nonzero singular value"
        patterns = (self.gates == 1).T[None]
        try:
            ranks = certified_ranks(patterns, data.rho, X=data.given[region.seen].T, rng=np.random.default_rng(0))
        except ValueError:  # a slope with too many digits
            self.rank = 0
            return
        self.rank = int(ranks.rank[0])
        gram = (self.gates @ self.gates.T) * (self.X @ self.X.T)
        total = float(((lengths(self.gates) * lengths(self.X)) ** 2).sum())
        error = OUTWARDS * gamma(self.gates.shape[1] + self.X.shape[1] + 8) * total + TINY * total
        values, vectors = np.linalg.eigh(gram)
        self.basis, self.values = vectors[:, -self.rank :], values[-self.rank :]
        inner = self.basis.T @ (gram @ self.basis)
        inner = (inner + inner.T) / 2
        size = float((self.basis**2).sum()) * OUTWARDS
        rounding = gamma(2 * len(gram) + 8) * size * float(np.linalg.norm(gram)) + error * size
        self.eigenvalue = smallest_eigenvalue(inner, OUTWARDS * rounding)
        # Of orthonormal vectors up to rounding: ‖QᵀQ‖ is at most 1 + ‖QᵀQ − I‖.
        excess = float(np.linalg.norm(self.basis.T @ self.basis - np.eye(self.rank))) + gamma(len(gram) + 2) * size
        self.eigenvalue /= OUTWARDS * (1 + excess)
        self.singular = float(np.sqrt(self.eigenvalue / gram.diagonal().max()))

    def step(self, at: _Point) -> FloatArray:
        weights = self.basis @ (self.basis.T @ at.e[self.seen] / self.values)
        return np.asarray((self.gates * weights[:, None]).T @ self.X)

    def distance(self, at: _Point) -> float:
        return OUTWARDS * float(np.linalg.norm(_longest(at, self.neuron))) / self.eigenvalue

    def moved(self, at: _Point) -> float:
        return 0.0


def _point(data: Data, W: FloatArray, z: FloatArray, found: Activations) -> _Point:
    e, e_error = data.residual(z, found)
    return _Point(found, e, e_error, *data.pulls(found, e, e_error))


def _longest(at: _Point, neuron: npt.NDArray[np.intp]) -> FloatArray:
    """Upper bounds on `‖G_c e‖`, one for each cell."""
    return np.asarray(lengths(at.pulls[neuron]) + at.pulls_error[neuron])


def _norm(at: _Point, region: _Region) -> float:
    return OUTWARDS * float(np.linalg.norm(_longest(at, region.neuron)))


def _loss(at: _Point, region: _Region, data: Data, solver: _Solver) -> Interval:
    """`‖e‖²` at the exact DLM: what is left on samples that are not seen, or `‖e‖² − (G e)ᵀ(GGᵀ)⁺ G e`."""
    if solver.fits:
        rest = data.y[~region.seen]
        return sum_of_squares(rest, np.zeros(rest.size)) if rest.any() else Interval(0.0, 0.0)
    here = sum_of_squares(at.e, at.e_error)
    return Interval(max(0.0, here.lower - OUTWARDS * _norm(at, region) * solver.distance(at)), here.upper)
