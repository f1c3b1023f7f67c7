"""From where training stopped to an exact differentiable local minimum (DLM), or to the kink that training fell into.

With the second layer kept, the output is `Gᵀu` in each region, linear in `u_i = z_i w_i`, and every solution of that
least-squares problem in the region is a DLM (finite-N note, F1). So the shortest step to a solution is taken, whole if
it stays in the region. Else it ends at the first boundary, where an input `w_i·x_n` is zero: if the loss falls further
behind it, the walk goes on in the region there. If it falls on neither side, the input is held at zero until one side
lets the loss fall; at the end, where the loss is flat on a side, the walk leaves the boundary for that side. The loss
never rises but for rounding, and in its region one step is the last, so a few are enough after training that was long.
It is an active-set method; what it does not do is to change z.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from verify.network.activations import check_layers, check_range

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

RANK = 1e-11
"""Singular values of G below this fraction of the largest count as zero."""

SETTLED = 1e-13
"""A step that changes the outputs by less than this fraction of `‖y‖` is rounding."""

GAIN = 1e-9
"""Rate of fall, as a fraction of `‖y‖`, above which an input that is held at zero is let go."""

LEAVING = 1e-3
"""Sine of the angle by which a neuron leaves a boundary beside which the loss is flat, unless another is nearer."""

INSIDE = 1e-12
"""Sine of the angle between a neuron and a boundary above which it is inside its cell."""


class Where(StrEnum):
    """Where the walk ended."""

    MINIMUM = "minimum"
    """Inside a region, at the solution of its least-squares problem: a DLM up to rounding."""
    KINK = "kink"
    """On a boundary: with z kept no first layer nearby has a smaller loss, but the loss is not differentiable."""
    UNFINISHED = "unfinished"
    """The steps ran out, or the walk ended where more boundaries meet than it can tell apart, such as `w_i = 0`."""


@dataclass(frozen=True)
class Polished:
    """A network after the walk.

    Attributes:
        W: first layer, `d1 × d0`.
        z: second layer, as given.
        where: where it ended.
        loss: mean squared error.
        steps: least-squares problems that were solved.
        crossed: boundaries that were crossed.
        held: neural inputs that are zero at the end, pairs (neuron, sample).
    """

    W: FloatArray
    z: FloatArray
    where: Where
    loss: float
    steps: int
    crossed: int
    held: tuple[tuple[int, int], ...]


def polish(W: FloatArray, z: FloatArray, X: FloatArray, y: FloatArray, slope: float, *, most: int = 1000) -> Polished:
    """Walk downhill to an exact minimum.

    Neurons with `z_i = 0` do not move. Time and memory are those of least squares, N equations and `d0 d1` unknowns,
    once a step.

    Args:
        W: first layer, `d1 × d0`.
        z: second layer, d1.
        X: inputs, `d0 × N`, one column per sample.
        y: labels, N.
        slope: slope ρ on the negative side, not 1.
        most: steps after which the walk is given up.

    Raises:
        ValueError: for shapes that do not fit, values that are not finite, slope 1, or a sample that is zero or out of
            range.
    """
    W, z, X, y = (np.asarray(part, dtype=np.float64) for part in (W, z, X, y))
    if W.ndim != 2 or X.ndim != 2 or z.shape != W.shape[:1] or y.shape != X.shape[1:]:
        raise ValueError(f"got W {W.shape}, z {z.shape}, X {X.shape}, y {y.shape}; expected d1 × d0, d1, d0 × N and N")
    check_layers(W, X, slope)
    if not all(np.isfinite(part).all() for part in (W, z, X, y)):
        raise ValueError("W, z, X or y has NaN or infinite entries; expected finite numbers")
    if not X.any(axis=0).all():
        raise ValueError("a sample is zero; it lies on the boundary of every region")
    check_range(X)
    walk = _Walk(W, z, X, y, slope)
    steps = 0
    while steps < most and walk.step():
        steps += 1
    return walk.ended(steps + 1 if steps < most else steps)


class _Walk:
    """The point, and its region: which inputs count as active is state, and not read off signs near zero."""

    def __init__(self, W: FloatArray, z: FloatArray, X: FloatArray, y: FloatArray, slope: float) -> None:
        self.W, self.z, self.X, self.y, self.slope = W.copy(), z, X, y, slope
        self.active: BoolArray = W @ X > 0
        self.moving = np.flatnonzero(z != 0)
        self.held: list[tuple[int, int]] = []
        self.crossed = 0
        self.settled = False
        self.fresh: set[tuple[int, int]] = set()  # crossed, or let go, since the point last moved
        self.barred: set[tuple[int, int]] = set()  # held again since then
        self.scale = max(float(np.linalg.norm(y)), np.finfo(np.float64).tiny)

    def gates(self) -> FloatArray:
        return np.where(self.active, 1.0, self.slope)

    def residual(self) -> FloatArray:
        e: FloatArray = self.y - self.z @ (self.gates() * (self.W @ self.X))
        return e

    def step(self) -> bool:
        """Solve, move, and change the region or what is held; returns whether there is more to do."""
        e, gates = self.residual(), self.gates()
        h = self._solution(e, gates)
        change = self.z @ (gates * (h @ self.X))  # of the outputs
        size = float(np.linalg.norm(change))
        if size <= SETTLED * self.scale:
            return self._let_go(e)
        share, pair = self._nearest(h)
        self.W = self.W + share * h
        if share * size > SETTLED * self.scale:
            self.fresh.clear()
            self.barred.clear()
        if pair is None:
            return True
        i, n = pair
        other = self.slope if self.active[pair] else 1.0
        rest = e - share * change
        falls = rest @ change + rest[n] * self.z[i] * (other - gates[pair]) * (h[i] @ self.X[:, n])
        # Whoever is sent back at once would go to and fro for ever.
        if pair in self.fresh:
            self.barred.add(pair)
        if falls > 0 and pair not in self.fresh:
            self.active[pair] = not self.active[pair]
            self.crossed += 1
            self.fresh.add(pair)
        else:
            self.held.append(pair)
        return True

    def _solution(self, e: FloatArray, gates: FloatArray) -> FloatArray:
        """The shortest move of u to a solution, with what is held kept at zero, as a move of W."""
        bases = [self._free(int(i)) for i in self.moving]
        # Samples in the span of what is held do not move the neuron; their rounding must not pass for a rank.
        along = [self.X.T @ basis for basis in bases]
        sizes = np.linalg.norm(self.X, axis=0)
        along = [np.where((np.linalg.norm(part, axis=1) > RANK * sizes)[:, None], part, 0.0) for part in along]
        columns = [gates[i][:, None] * part for i, part in zip(self.moving, along, strict=True)]
        h = np.zeros_like(self.W)
        if not columns:
            return h
        found = scipy.linalg.lstsq(np.hstack(columns), e, cond=RANK, lapack_driver="gelsy")[0]
        ends = np.cumsum([basis.shape[1] for basis in bases])
        for i, basis, part in zip(self.moving, bases, np.split(found, ends[:-1]), strict=True):
            h[i] = basis @ part / self.z[i]
        return h

    def _free(self, neuron: int) -> FloatArray:
        """An orthonormal basis of the moves that keep a neuron's held inputs."""
        samples = [n for i, n in self.held if i == neuron]
        d0 = len(self.X)
        if not samples:
            return np.eye(d0)
        q = np.linalg.qr(self.X[:, samples], mode="complete")[0]
        return q[:, min(len(samples), d0) :]

    def _nearest(self, h: FloatArray) -> tuple[float, tuple[int, int] | None]:
        """How much of the move is possible, and what it meets; None where all of it is."""
        sign = np.where(self.active, 1.0, -1.0)
        margin, speed = np.maximum(sign * (self.W @ self.X), 0.0), sign * (h @ self.X)
        for pair in self.held:
            speed[pair] = 0.0
        meets = speed < 0
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where(meets, margin / -speed, np.inf)
        place = int(shares.argmin())
        i, n = divmod(place, shares.shape[1])
        if shares[i, n] >= 1:
            return 1.0, None
        return float(shares[i, n]), (i, n)

    def _let_go(self, e: FloatArray) -> bool:
        """At a solution: let go the held input beside which the loss falls fastest; returns whether there is one."""
        falling = {pair: side for pair, side in self._gains(e).items() if side[0] > GAIN * self.scale}
        allowed = [pair for pair in falling if pair not in self.barred]
        if not allowed:
            self.settled = not falling
            if self.settled and self.held:
                self._leave(e)
            return False
        best = max(allowed, key=lambda pair: falling[pair][0])
        self.held.remove(best)
        self.active[best] = falling[best][1]
        self.fresh.add(best)
        return True

    def _gains(self, e: FloatArray) -> dict[tuple[int, int], tuple[float, bool]]:
        """For each held input how fast the loss falls on its better side, and whether that is the active one.

        At a solution with held inputs `G_i e` is a combination of their samples. Behind an input only its own
        coefficient changes, by that sample's residual.
        """
        gates, gains = self.gates(), {}
        for neuron in sorted({i for i, _ in self.held}):
            samples = [n for i, n in self.held if i == neuron]
            pull = self.X @ (gates[neuron] * e)
            weights = np.linalg.lstsq(self.X[:, samples], pull, rcond=None)[0]
            for n, weight in zip(samples, weights, strict=True):
                sign = float(np.sign(self.z[neuron]))
                on = sign * float(weight + (1.0 - gates[neuron, n]) * e[n])
                off = -sign * float(weight + (self.slope - gates[neuron, n]) * e[n])
                gains[neuron, n] = max((on, True), (off, False))
        return gains

    def _leave(self, e: FloatArray) -> None:
        """Where the loss is flat on a side of every held input, go a little way there, outputs kept."""
        gains = self._gains(e)
        if any(gain < -GAIN * self.scale for gain, _ in gains.values()):
            return
        for pair, (_, side) in gains.items():
            self.active[pair] = side
        i, n = (np.array(part) for part in zip(*self.held, strict=True))
        sines = np.linalg.norm(self.W[i], axis=1) * np.linalg.norm(self.X[:, n], axis=0)
        away = np.where(self.active[i, n], 1.0, -1.0) * sines * np.sign(self.z[i])
        # One equation keeps each output, one moves each held input; unknowns are u, as everywhere.
        keep = np.hstack([self.gates()[k][:, None] * self.X.T for k in self.moving])
        place = {int(k): column for column, k in enumerate(self.moving)}
        d0 = len(self.X)
        move = np.zeros((len(self.held), keep.shape[1]))
        for row, (k, m) in enumerate(self.held):
            move[row, place[k] * d0 : (place[k] + 1) * d0] = self.X[:, m] / abs(self.z[k])
        system, target = np.vstack([keep, move]), np.concatenate([np.zeros(len(self.y)), away])
        found = scipy.linalg.lstsq(system, target, cond=RANK, lapack_driver="gelsy")[0]
        if np.linalg.norm(system @ found - target) > GAIN * np.linalg.norm(target):
            return
        h = np.zeros_like(self.W)
        h[self.moving] = found.reshape(len(self.moving), d0) / self.z[self.moving, None]
        self.W = self.W + min(LEAVING, self._nearest(h)[0] / 2) * h
        self.held.clear()

    def ended(self, steps: int) -> Polished:
        """The point as a result."""
        for i in {i for i, _ in self.held if not self._free(i).size}:
            self.W[i] = 0.0
        lengths = np.linalg.norm(self.W, axis=1)[:, None] * np.linalg.norm(self.X, axis=0)
        outside = np.where(self.active, 1.0, -1.0) * (self.W @ self.X) <= INSIDE * lengths
        where = Where.UNFINISHED
        # What is met without being held, such as by a neuron that has become zero, was not asked for a better side.
        if self.settled and int(outside.sum()) == len(self.held):
            where = Where.KINK if self.held else Where.MINIMUM
        loss = float(np.mean(self.residual() ** 2))
        return Polished(self.W, self.z, where, loss, steps, self.crossed, tuple(sorted(self.held)))
