"""Networks that fit any labels: Theorem 8 of the paper, and a construction with about half its neurons.

`memorize` and `memorize_exact` build the network of the finite-N note, F14: `2⌈N/d0⌉` neurons for any real
labels and any slope except 1. A normal is turned through half a circle in a generic plane, so that each
sample changes sign exactly once; it stops as a *gate* after every block of at most d0 changes. Successive
activation rows differ on one block only, so the labels are met block by block, each by one small linear
system. A gate `g` with linear part `u` is the symmetric difference `[f(g + εu) − f(g − εu)]/(2ε)`, whose two
neurons lie in the gate's own cell. For slope 0 the samples on which no gate is active are fitted by two
neurons of their own.

`second_difference_network` is the paper's own proof: four neurons for every d0 − 1 samples with label 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import fmpq, fmpq_mat

from verify.network.activations import check_range, forward
from verify.network.arrangements import GeneralPositionError, cell_centre, exact_entries

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Matrix = npt.NDArray[Any]
Solve = Callable[[list[int], Matrix], Matrix]

RESIDUAL_TOLERANCE = 1e-6
"""Largest `|output − y| / max(1, |y|)` with which a float network is handed out at all."""

PARALLEL_TOLERANCE = 1e-12
"""Unit samples closer than this to a common line cannot be told apart by a float gate."""

_PLANES = 8
_EXACT_PLANES = 16


@dataclass(frozen=True)
class Memorizer:
    """A network that fits labels, in float64.

    Attributes:
        W: first layer, `d1 × d0`.
        z: second layer, `d1`.
        gates: one vector a gate, `m × d0`.
        gate_of: for each neuron the gate whose pair it belongs to, `d1`; −1 for the two neurons that slope 0
            adds, which lie in cells of their own.
        residual: largest `|f(WX)^T z − y|` over the samples, as evaluated.
    """

    W: FloatArray
    z: FloatArray
    gates: FloatArray
    gate_of: IntArray
    residual: float


@dataclass(frozen=True)
class ExactMemorizer:
    """A network that fits labels exactly; the same as `Memorizer` with `Fraction` entries in nested lists."""

    W: list[list[Fraction]]
    z: list[Fraction]
    gates: list[list[Fraction]]
    gate_of: list[int]


@dataclass(frozen=True)
class _Sweep:
    """Where the gates of a half-turn stand: combinatorics only, the same in floating point and exactly."""

    stops: list[int]  # flips passed before each gate; N or more means the second half-turn
    blocks: list[list[int]]  # samples that flip between gates k and k + 1
    active: list[int]  # samples that never flip between gates and are fitted by the first one
    silent: list[int]  # samples (slope 0) on which every gate vanishes


def memorize(X: npt.ArrayLike, y: npt.ArrayLike, slope: float, *, rng: np.random.Generator) -> Memorizer:
    """Network with exactly `2⌈N/d0⌉` neurons and output y (finite-N note, F14).

    It serves Theorem 8 of Soudry & Hoffer 2017, which allows more neurons and asks for labels 0 and 1.

    Args:
        X: samples in general position, `d0 × N`, d0 ≥ 2.
        y: any real labels, N.
        slope: negative-side slope ρ ≠ 1.
        rng: draws the planes of the sweep; of several the one that cancels the fewest digits is kept.

    Raises:
        GeneralPositionError: if samples are zero, parallel or too nearly dependent for floating point.
        ValueError: if shapes, slope or entries cannot be used.
    """
    data, labels = _floats(X, y, slope)
    unit, norms = _directions(data)
    scaled = labels / norms  # f is homogeneous: unit samples, labels to match
    d0 = len(unit)

    def solve(samples: list[int], values: Matrix) -> Matrix:
        solution: Matrix = np.linalg.lstsq(unit[:, samples].T, values, rcond=None)[0]
        return solution

    best: tuple[float, FloatArray, FloatArray, FloatArray, list[int]] | None = None
    for _ in range(_PLANES):
        plane = np.linalg.qr(rng.standard_normal((d0, 2)))[0].T
        a, b = plane @ unit
        flips = np.arctan2(-a, b) % np.pi
        order = np.argsort(flips, kind="stable")
        ends = np.concatenate([flips[order], flips[order] + np.pi])
        before = np.concatenate([[flips[order[-1]] - np.pi], ends[:-1]])
        gaps = ends - before
        sweep = _best_conditioned(_sweeps(order.tolist(), (a > 0).tolist(), d0, slope == 0), unit, order)
        if gaps[sweep.stops].min(initial=1.0) <= PARALLEL_TOLERANCE:
            continue
        turned = (before + ends)[sweep.stops] / 2
        gates = np.column_stack([np.cos(turned), np.sin(turned)]) @ plane
        try:
            # The cell's centre has the same activation row with a far larger margin than the sweep's point.
            gates = np.array([cell_centre(unit, np.sign(g @ unit)) for g in gates]).reshape(-1, d0)
            extra = _silent_pair(unit, scaled, sweep.silent, _float_system(unit), rng)
        except ValueError:  # a cell or a block too thin for floating point: another plane may do better
            continue
        W, z, gate_of = _assemble(unit, scaled, slope, gates, sweep, extra, solve)
        lost = float((np.abs(z) @ np.abs(W @ unit)).max())
        if np.isfinite(lost) and (best is None or lost < best[0]):
            best = lost, W.astype(np.float64), z.astype(np.float64), gates, gate_of
    if best is None:
        raise GeneralPositionError("no plane separates the samples' sign changes; expected general position")
    return _float_memorizer(*best[1:], data, labels, slope)


def memorize_exact(
    X: npt.ArrayLike | Sequence[Sequence[int | Fraction]],
    y: npt.ArrayLike | Sequence[int | Fraction],
    slope: int | Fraction,
) -> ExactMemorizer:
    """The network of `memorize` in rational arithmetic: residual exactly zero, no pre-activation zero.

    Args:
        X: integers or fractions in general position, `d0 × N`, d0 ≥ 2.
        y: integers or fractions, N.
        slope: integer or fraction ρ ≠ 1.

    Raises:
        GeneralPositionError: if no sweep finds its blocks independent; samples are then zero, parallel or
            otherwise special.
        ValueError: if shapes, slope or entries cannot be used.
    """
    data, labels = exact_entries(_objects(X)), exact_entries(_objects(y))
    if data is None or labels is None or not isinstance(slope, (int, Fraction)):
        raise ValueError("expected integers or fractions in X, y and slope; use `memorize` for floats")
    _checked(X, y, float(slope))
    rho = Fraction(slope)
    d0, N = data.shape
    _require_directions_exact(data)
    rng = np.random.default_rng(0)  # any generic plane will do; a fixed stream keeps the result reproducible

    def solve(samples: list[int], values: Matrix) -> Matrix:
        block = data[:, samples]
        return block @ _solve_exact(block.T @ block, values)

    for _ in range(_EXACT_PLANES):
        reach = 10 + 2 * N
        first, second = (_objects(rng.integers(-reach, reach + 1, d0).tolist()) for _ in range(2))
        a, b = first @ data, second @ data
        if not (b != 0).all():
            continue
        flips = -a / b  # g(t) = first + t·second turns through half a circle as t crosses the real line
        order = sorted(range(N), key=flips.__getitem__)
        times = [flips[n] for n in order]
        if any(s == t for s, t in itertools.pairwise(times)):
            continue
        points = [times[0] - 1, *((s + t) / 2 for s, t in itertools.pairwise(times))]
        for sweep in _sweeps(order, (b < 0).tolist(), d0, rho == 0):
            gates = _objects(
                [((first + points[j % N] * second) * (1 if j < N else -1)).tolist() for j in sweep.stops]
            ).reshape(-1, d0)
            try:
                extra = _silent_pair(data, labels, sweep.silent, _exact_system(data), rng)
                W, z, gate_of = _assemble(data, labels, rho, gates, sweep, extra, solve)
            except (ZeroDivisionError, GeneralPositionError):  # a dependent block: try the next start
                continue
            # Exact means checked: the forward pass knows nothing of gates, and refuses a zero pre-activation.
            if forward_exact(W.tolist(), z.tolist(), data, rho) != labels.tolist():
                raise AssertionError("the construction missed the labels; please report these samples")
            return ExactMemorizer(W.tolist(), z.tolist(), gates.tolist(), gate_of)
    raise GeneralPositionError(
        f"no sweep of {_EXACT_PLANES} planes found blocks of {min(d0, N)} independent samples; "
        "expected samples in general position: drop dependent ones, or perturb them"
    )


def second_difference_network(
    X: npt.ArrayLike, y: npt.ArrayLike, slope: float, *, rng: np.random.Generator
) -> Memorizer:
    """The paper's construction: four neurons for each group of at most d0 − 1 samples with label 1.

    With `w ≠ 0` orthogonal to a group and `v·x = 1` on it,
    `[f(w + 2εv) − f(w + εv) − f(w − εv) + f(w − 2εv)]/(ε(1 − ρ))` is 1 on the group and 0 elsewhere (Soudry &
    Hoffer 2017, Theorem 8; finite-N note, F14). A group's vector w is its gate; it lies on the group's
    hyperplanes, and its neurons in the two cells at either side of it.

    Args:
        X: samples in general position, `d0 × N`, d0 ≥ 2.
        y: labels 0 and 1, at most N/2 ones.
        slope: negative-side slope ρ ≠ 1.
        rng: draws the groups; of several the draw that cancels the fewest digits is kept.

    Returns:
        At most `4⌈N/(2 d0 − 2)⌉` neurons (none if there is no 1).

    Raises:
        GeneralPositionError: if samples are zero, parallel or too nearly dependent for floating point.
        ValueError: if shapes, slope or entries cannot be used, or more than half the labels are 1.
    """
    data, labels = _floats(X, y, slope)
    unit, norms = _directions(data)
    d0, N = unit.shape
    ones = np.flatnonzero(labels == 1)
    if not np.isin(labels, (0, 1)).all() or 2 * len(ones) > N:
        raise ValueError(
            f"got {N} labels, {len(ones)} of them 1 and {np.count_nonzero(labels == 0)} of them 0; "
            "expected 0s and 1s with at most N/2 ones: use `memorize` for other labels"
        )
    best: tuple[float, FloatArray, FloatArray, FloatArray, list[int]] | None = None
    for _ in range(_PLANES):
        groups = np.array_split(rng.permutation(ones), -(-len(ones) // (d0 - 1))) if len(ones) else []
        W, z, gates = np.empty((0, d0)), np.empty(0), np.empty((0, d0))
        for group in groups:
            normals = np.linalg.qr(unit[:, group], mode="complete")[0][:, len(group) :]
            w = normals @ rng.standard_normal(d0 - len(group))
            v = np.linalg.lstsq(unit[:, group].T, 1 / norms[group], rcond=None)[0]
            off = np.setdiff1d(np.arange(N), group)
            epsilon = _step(np.abs(w @ unit[:, off]), 2 * np.abs(v @ unit[:, off]))
            W = np.vstack([W, [w + c * epsilon * v for c in (2, 1, -1, -2)]])
            z = np.concatenate([z, np.array([1, -1, -1, 1]) / (epsilon * (1 - slope))])
            gates = np.vstack([gates, w])
        lost = float((np.abs(z) @ np.abs(W @ unit)).max(initial=0.0))
        if np.isfinite(lost) and (best is None or lost < best[0]):
            best = lost, W, z, gates, [k for k in range(len(groups)) for _ in range(4)]
    if best is None:
        raise GeneralPositionError("samples with label 1 share their hyperplane with others; perturb them")
    return _float_memorizer(*best[1:], data, labels, slope)


def gate_margins(gates: npt.ArrayLike, X: npt.ArrayLike) -> FloatArray:
    """Least angular margin `min_n |g·x_n|/(‖g‖‖x_n‖)` of each gate (finite-N note, F13).

    Args:
        gates: `m × d0`, nonzero rows.
        X: samples, `d0 × N`, nonzero columns.

    Raises:
        ValueError: if the shapes do not fit or a gate or sample is zero.
    """
    rows, columns = np.asarray(gates, dtype=np.float64), np.asarray(X, dtype=np.float64)
    if rows.ndim != 2 or columns.ndim != 2 or rows.shape[1] != columns.shape[0]:
        raise ValueError(f"got gates {rows.shape} and X {columns.shape}; expected m × d0 and d0 × N")
    check_range(columns)
    check_range(rows.T)
    lengths = np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(columns, axis=0))
    if not (lengths > 0).all():
        raise ValueError("a gate or a sample is zero; expected both to be directions")
    margins: FloatArray = (np.abs(rows @ columns) / lengths).min(axis=1)
    return margins


def forward_exact(
    W: Sequence[Sequence[Fraction]],
    z: Sequence[Fraction],
    X: npt.ArrayLike | Sequence[Sequence[int | Fraction]],
    slope: int | Fraction,
) -> list[Fraction]:
    """Output of the network on every sample (N), in rational arithmetic and from the definition alone.

    Raises:
        ValueError: if a pre-activation is zero: the network is not differentiable there.
    """
    samples = list(zip(*(list(row) for row in np.asarray(_objects(X))), strict=True))
    outputs = []
    for n, x in enumerate(samples):
        total = Fraction(0)
        for i, (w, weight) in enumerate(zip(W, z, strict=True)):
            h = sum((Fraction(c) * Fraction(entry) for c, entry in zip(w, x, strict=True)), Fraction(0))
            if h == 0:
                raise ValueError(f"neuron {i} is zero on sample {n}; expected nonzero pre-activations")
            total += weight * (h if h > 0 else slope * h)
        outputs.append(total)
    return outputs


def _sweeps(order: list[int], positive: list[bool], d0: int, relu: bool) -> list[_Sweep]:
    """All admissible choices of gates on one half-turn, one for each sample the sweep may start at.

    Args:
        order: samples in the order in which they change sign.
        positive: for each sample, whether the normal is positive on it before the first change.
        d0: largest block.
        relu: whether the slope is 0, so that a gate sees only the samples on its positive side.
    """
    N = len(order)
    parts = -(-N // d0)
    if relu and parts == 1:
        return [_Sweep([], [], [], sorted(order))]
    # Parts of nearly equal size: where there is slack, every block's system gains from it.
    sizes = [N // parts + (k < N % parts) for k in range(parts)][: parts - 2 if relu else parts - 1]
    sweeps = []
    for start in range(N):
        stops = [start, *(start + total for total in itertools.accumulate(sizes))]
        blocks = [[order[j % N] for j in range(s, t)] for s, t in itertools.pairwise(stops)]
        rest = [order[j % N] for j in range(stops[-1], start + N)]
        # Sample order[j] has changed sign before the first gate if j < start.
        seen = {order[j]: positive[order[j]] != (j < start) for j in range(N)}
        active = [n for n in rest if seen[n]] if relu else rest
        silent = [n for n in rest if not seen[n]] if relu else []
        # Half a turn swaps active and silent one sample at a time: some start shares the rest out evenly.
        if max(len(active), len(silent)) <= d0:
            sweeps.append(_Sweep(stops, blocks, active, silent))
    return sweeps


def _best_conditioned(sweeps: list[_Sweep], unit: FloatArray, order: IntArray) -> _Sweep:
    """The start whose blocks have the smallest inverses: theirs is the size that the differences cancel."""
    if not sweeps[0].stops:
        return sweeps[0]
    size = max(map(len, [sweeps[0].active, *sweeps[0].blocks]))
    windows = order[(np.arange(len(order))[:, None] + np.arange(size)) % len(order)]
    singular = np.linalg.svd(unit.T[windows], compute_uv=False)[:, -1]
    cost = 1 / np.maximum(singular, np.finfo(float).tiny ** 0.5) ** 2
    return min(sweeps, key=lambda sweep: cost[np.array(sweep.stops) % len(order)].sum())


def _assemble(
    X: Matrix,
    y: Matrix,
    slope: Any,
    gates: Matrix,
    sweep: _Sweep,
    extra: Matrix,
    solve: Solve,
) -> tuple[Matrix, Matrix, list[int]]:
    """Weights from the gates, in whatever arithmetic the arrays carry.

    `extra` holds the two neurons of slope 0 (or no row); `solve(S, values)` gives v with `x_n·v = values`
    on S. Writing the gates' linear parts as `u_k = v_k − v_{k+1}`, the output on `x_n` is
    `a_0n v_0·x_n + Σ (a_kn − a_{k−1,n}) v_k·x_n`, and each difference of activation rows lives on one block:
    one small system a block, no elimination across them.
    """
    rest = y
    if len(extra):
        outputs = np.where(extra @ X > 0, extra @ X, slope * (extra @ X))
        rest = y - (outputs[0] - outputs[1])
    m = len(gates)
    if m == 0:
        return extra, _like(X, [1, -1]), [-1, -1]
    rows = np.where(gates @ X > 0, 1 + 0 * slope, slope)
    parts = [solve(sweep.active, rest[sweep.active] / rows[0, sweep.active])]
    if sweep.blocks:
        rest = rest - rows[0] * (parts[0] @ X)
    for k, block in enumerate(sweep.blocks):
        parts.append(solve(block, rest[block] / (rows[k + 1, block] - rows[k, block])))
    parts.append(0 * parts[0])
    W, z = [], []
    for gate, v, following in zip(gates, parts[:-1], parts[1:], strict=True):
        u = v - following
        epsilon = _step(np.abs(gate @ X), np.abs(u @ X))
        W += [gate + epsilon * u, gate - epsilon * u]
        z += [1 / (2 * epsilon), -1 / (2 * epsilon)]
    gate_of = [k for k in range(m) for _ in range(2)]
    if not len(extra):
        return np.array(W), np.array(z), gate_of
    return np.vstack([np.array(W), extra]), np.concatenate([z, _like(X, [1, -1])]), [*gate_of, -1, -1]


def _step(margins: Matrix, slopes: Matrix) -> Any:
    """Half the largest ε with `ε·slopes < margins`; the larger the step, the fewer digits cancel."""
    moving = slopes > 0
    return (margins[moving] / slopes[moving]).min() / 2 if moving.any() else margins.min() * 0 + 1


def _silent_pair(X: Matrix, y: Matrix, silent: list[int], system: Any, rng: np.random.Generator) -> Matrix:
    """Two neurons, both positive on the silent samples, with difference y there; `2 × d0`, or `0 × d0`."""
    d0 = X.shape[0]
    if not silent:
        return X[:, :0].T
    level = np.abs(y[silent]).max()
    level = level if level > 0 else level + 1
    best: tuple[Any, Matrix] | None = None
    for attempt in range(4 * X.shape[1] + 8):
        # Raising both neurons by one amount changes nothing on the silent samples. The values off them are
        # generic: random ones complete the system, and another level moves the neurons off any hyperplane.
        both = level * (attempt + 2) / 2
        padding = _like(X, rng.integers(-50, 51, (2, d0 - len(silent))).tolist()) * level / 50
        values = np.vstack([both + y[silent] / 2, both - y[silent] / 2])
        pair = system(silent, np.hstack([values, padding.reshape(2, -1)]), rng)
        if pair is None:
            continue
        margin = np.abs(pair @ X).min() / level
        if margin > 0 and (best is None or margin > best[0]):
            best = margin, pair
        if best is not None and attempt >= 3:
            break
    if best is None:
        raise GeneralPositionError(
            f"samples {sorted(silent)} span others, or are dependent; expected samples in general position"
        )
    return best[1]


def _float_system(X: FloatArray) -> Any:
    def system(samples: list[int], values: Matrix, rng: np.random.Generator) -> Matrix | None:
        d0 = X.shape[0]
        complement = np.linalg.qr(X[:, samples], mode="complete")[0][:, len(samples) :]
        try:
            solution: Matrix = np.linalg.solve(np.hstack([X[:, samples], complement]).T, values.T).T
        except np.linalg.LinAlgError:
            return None
        return solution.reshape(2, d0)

    return system


def _exact_system(X: Matrix) -> Any:
    def system(samples: list[int], values: Matrix, rng: np.random.Generator) -> Matrix | None:
        d0 = X.shape[0]
        padding = _objects(rng.integers(-9, 10, (d0 - len(samples), d0)).tolist()).reshape(-1, d0)
        try:
            return _solve_exact(np.vstack([X[:, samples].T, padding]), values.T).T
        except ZeroDivisionError:
            return None

    return system


def _solve_exact(A: Matrix, b: Matrix) -> Matrix:
    """Rational solution of a square system, shaped like b; ZeroDivisionError if A is singular."""
    right = b.reshape(len(b), -1)
    solution = _rational(A).solve(_rational(right))
    entries = [Fraction(int(entry.p), int(entry.q)) for entry in solution.entries()]
    return _objects(entries).reshape(b.shape)


def _rational(A: Matrix) -> fmpq_mat:
    rows, columns = A.shape
    return fmpq_mat(rows, columns, [fmpq(c.numerator, c.denominator) for c in A.ravel().tolist()])


def _objects(values: Any) -> Matrix:
    """An object array with Fractions for integers, so that numpy's operators stay in rational arithmetic."""
    array = np.array(values, dtype=object)
    flat = [Fraction(int(c)) if isinstance(c, (int, np.integer)) else c for c in array.ravel().tolist()]
    result = np.empty(len(flat), dtype=object)
    result[:] = flat
    return result.reshape(array.shape)


def _like(X: Matrix, values: Any) -> Matrix:
    return _objects(values) if X.dtype == object else np.asarray(values, dtype=np.float64)


def _checked(X: Any, y: Any, slope: float) -> tuple[FloatArray, FloatArray]:
    try:
        data, labels = np.asarray(X).astype(np.float64), np.asarray(y).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"X and y must be rectangular arrays of real numbers: {error}") from None
    if data.ndim != 2 or labels.shape != data.shape[1:] or data.size == 0:
        raise ValueError(f"got X {data.shape} and y {labels.shape}; expected d0 × N and N, not empty")
    if data.shape[0] < 2:
        raise ValueError("got d0 = 1; expected d0 of at least 2: on a line only two gates exist")
    if not (np.isfinite(data).all() and np.isfinite(labels).all() and np.isfinite(slope)):
        raise ValueError("X, y or slope has a NaN or infinite entry; expected finite numbers")
    if slope == 1:
        raise ValueError("got slope 1, a linear network; expected any other slope")
    return data, labels


def _floats(X: Any, y: Any, slope: float) -> tuple[FloatArray, FloatArray]:
    """The same for floating point, where samples must be in range."""
    data, labels = _checked(X, y, slope)
    check_range(data)
    return data, labels


def _directions(data: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit samples and lengths, if no sample is zero, no two are parallel and they span what they can."""
    d0, N = data.shape
    norms = np.linalg.norm(data, axis=0)
    if not norms.all():
        raise GeneralPositionError(f"sample {norms.argmin()} is zero; expected nonzero samples: drop it")
    unit = data / norms
    across = 1 - np.abs(np.triu(unit.T @ unit, 1))
    # 1 − |cos| is half the squared angle: candidates are measured again without that cancellation.
    for m, n in np.argwhere(np.triu(across < PARALLEL_TOLERANCE, 1)):
        if min(np.linalg.norm(unit[:, m] - s * unit[:, n]) for s in (1, -1)) <= PARALLEL_TOLERANCE:
            raise GeneralPositionError(f"samples {m} and {n} are parallel; expected distinct directions")
    singular = np.linalg.svd(unit, compute_uv=False)
    if singular[-1] <= PARALLEL_TOLERANCE * singular[0]:
        raise GeneralPositionError(
            f"the {N} samples span fewer than {min(d0, N)} dimensions; expected general position"
        )
    return unit, norms


def _require_directions_exact(data: Matrix) -> None:
    """The conditions of `_directions`, exactly."""
    d0, N = data.shape
    seen: dict[tuple[Fraction, ...], int] = {}
    for n, column in enumerate(data.T.tolist()):
        lead = next((entry for entry in column if entry != 0), None)
        if lead is None:
            raise GeneralPositionError(f"sample {n} is zero; expected nonzero samples: drop it")
        m = seen.setdefault(tuple(entry / lead for entry in column), n)
        if m != n:
            raise GeneralPositionError(f"samples {m} and {n} are parallel; expected distinct directions")
    if _rational(data).rank() < min(d0, N):
        raise GeneralPositionError(
            f"the {N} samples span fewer than {min(d0, N)} dimensions; expected general position"
        )


def _float_memorizer(
    W: FloatArray,
    z: FloatArray,
    gates: FloatArray,
    gate_of: list[int],
    X: FloatArray,
    y: FloatArray,
    slope: float,
) -> Memorizer:
    residual = float(np.abs(forward(W, z, X, slope) - y).max())
    if not (W @ X != 0).all() or residual > RESIDUAL_TOLERANCE * max(1.0, float(np.abs(y).max())):
        raise GeneralPositionError(
            f"the network misses the labels by {residual:.1e}: the samples are too nearly dependent for "
            "floating point; use `memorize_exact`"
        )
    return Memorizer(W, z, gates, np.array(gate_of, dtype=np.int64), residual)
