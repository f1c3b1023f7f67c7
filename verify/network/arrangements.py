"""The central hyperplane arrangement {w : w·x_n = 0} of a data set, and its cells.

One neuron's activation pattern is a cell of this arrangement, so a differentiable region of a network of
width d1 is a choice of d1 cells. Everything here takes X as `d0 × N`, one column a sample, and a cell as its
row of signs of `w·x_n`. Entries that are integers, fractions or integer-valued floats are decided in exact
arithmetic; other floats up to `GENERAL_POSITION_TOLERANCE`, where a doubtful point raises and is not guessed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cmp_to_key
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, ctx, fmpq, fmpz_mat
from scipy.optimize import linprog, nnls

FloatArray = npt.NDArray[np.float64]
SignArray = npt.NDArray[np.int8]

GENERAL_POSITION_TOLERANCE = 1e-11
"""Least product of a subset's smallest singular value and a further sample's distance from its span (unit
samples) that counts as clearly nonzero. The rounding error of that distance is some 1e-15 over the singular
value, so four digits are left in hand."""

_CHUNK_CELLS = 1 << 20


class GeneralPositionError(ValueError):
    """The samples are not, or in floating point not clearly, in general position.

    Attributes:
        samples: positions of some samples that are dependent, or not clearly independent; empty if not known.
    """

    def __init__(self, message: str, samples: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.samples = samples


class CellLimitError(ValueError):
    """The arrangement has more cells than the caller allowed."""


def cover_count(N: int, d0: int) -> int:
    """Number of cells of N samples in general position in R^d0, `2 Σ_{k<d0} C(N−1, k)` (Cover 1965).

    Raises:
        ValueError: if N or d0 is below 1.

    >>> cover_count(10, 3)
    92
    """
    if N < 1 or d0 < 1:
        raise ValueError(f"got N = {N}, d0 = {d0}; expected both to be at least 1")
    return 2 * sum(math.comb(N - 1, k) for k in range(d0))


def exact_entries(values: npt.ArrayLike) -> npt.NDArray[Any] | None:
    """The same array with `Fraction` entries, if all are integers, fractions or integer-valued floats.

    Returns None for an array with any other entry, finite or not: those have rounding behind them.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.rint(array))).all():
        return None
    if array.dtype.kind not in "iufO":
        return None
    flat = []
    for entry in array.ravel().tolist():
        if isinstance(entry, float) and not entry.is_integer():
            return None
        if not isinstance(entry, (int, float, Fraction)):
            return None
        flat.append(Fraction(entry))
    exact = np.empty(len(flat), dtype=object)
    exact[:] = flat
    return exact.reshape(array.shape)


def cells(X: npt.ArrayLike, *, limit: int = 1_000_000) -> SignArray:
    """Sign patterns of all cells, `n_cells × N` with entries ±1, rows in lexicographic order.

    With N ≥ d0 every cell is a pointed cone, so it has an extreme ray, which is orthogonal to d0 − 1 samples:
    moving every such ray off its hyperplanes in all 2^(d0−1) ways meets each cell. Their number is held
    against `cover_count`, which general position makes exact.

    Raises:
        GeneralPositionError: if some d0 samples (or all, when N < d0) are dependent, or, for float entries,
            not clearly independent.
        CellLimitError: if there are more than `limit` cells; nothing is enumerated then.
        ValueError: if X is not a finite `d0 × N` array.

    >>> cells([[1, 0, 1], [0, 1, 1]])
    array([[-1, -1, -1],
           [-1,  1, -1],
           [-1,  1,  1],
           [ 1, -1, -1],
           [ 1, -1,  1],
           [ 1,  1,  1]], dtype=int8)
    """
    exact = exact_entries(X)
    data = _samples(X)
    d0, N = data.shape
    count = cover_count(N, d0)
    if count > limit:
        raise CellLimitError(
            f"{N} samples in {d0} dimensions have {count} cells; expected at most {limit}: "
            "take fewer samples or dimensions, or raise `limit`"
        )
    if d0 >= N:
        _require_independent(data, exact)
        patterns = np.array(list(itertools.product((-1, 1), repeat=N)), dtype=np.int8)
    else:
        rays = _rays_float(data) if exact is None else _rays_exact(exact)
        patterns = _cells_at(rays, d0)
    if len(patterns) != count:
        raise GeneralPositionError(
            f"found {len(patterns)} cells where general position gives {count}; "
            "give exact (integer or fraction) samples, or perturb them"
        )
    return patterns


def cell_angles(X: npt.ArrayLike) -> tuple[SignArray, FloatArray]:
    """All cells in dimension 1 or 2 with their angular volumes (angle / 2π).

    Returns:
        Patterns `n_cells × N` in the order of `cells`, and their volumes, `n_cells`, with sum 1. An angle
        comes from one cross and one dot product, so thin cells keep their relative accuracy.

    Raises:
        GeneralPositionError: if a sample is zero or two are parallel, or (floats) not clearly otherwise.
        ValueError: if X is not a finite `d0 × N` array with d0 at most 2.

    >>> cell_angles([[1, 0, 1], [0, 1, 1]])[1]
    array([0.25 , 0.125, 0.125, 0.125, 0.125, 0.25 ])
    """
    exact = exact_entries(X)
    data = _samples(X)
    d0, N = data.shape
    if d0 > 2:
        raise ValueError(f"got samples in {d0} dimensions; exact angles need 1 or 2")
    if d0 == 1:
        patterns = np.sign(data).astype(np.int8)
        if not patterns.all():
            raise GeneralPositionError("a sample is zero; expected all samples nonzero: drop it")
        return np.unique(np.vstack([patterns, -patterns]), axis=0), np.array([0.5, 0.5])
    points: list[tuple[Any, Any]] = [(a, b) for a, b in (_in_range(data) if exact is None else exact).T.tolist()]
    # Each line through a sample, as its direction in the upper half-plane, sorted by angle in [0, π).
    upper = [1 if (b, a) > (0, 0) else -1 for a, b in points]
    lines = [(s * a, s * b) for s, (a, b) in zip(upper, points, strict=True)]
    if any(line == (0, 0) for line in lines):
        raise GeneralPositionError("a sample is zero; expected all samples nonzero: drop it")

    def earlier(m: int, n: int) -> int:
        return _sign(_cross(lines[n], lines[m]))

    order = sorted(range(N), key=cmp_to_key(earlier))
    signs = np.array(upper, dtype=np.int8)
    patterns = np.empty((2 * N, N), dtype=np.int8)
    gaps = np.empty(2 * N)
    for k, n in enumerate(order):
        # The cell between the hyperplanes of line k and of the next one has turned away from lines 0 … k.
        signs[n] = -signs[n]
        patterns[k], patterns[N + k] = signs, -signs
        following = lines[order[k + 1]] if k + 1 < N else tuple(-c for c in lines[order[0]])
        if N == 1:
            gaps[[k, N + k]] = math.pi
            continue
        cross, dot = _cross(lines[n], following), lines[n][0] * following[0] + lines[n][1] * following[1]
        largest = max(abs(cross), abs(dot))  # integers may be beyond floats
        cross, dot = (float(part / largest) if largest else 0.0 for part in (cross, dot))
        tolerance = 0.0 if exact is not None else GENERAL_POSITION_TOLERANCE * math.hypot(cross, dot)
        if cross <= tolerance:
            raise GeneralPositionError(
                f"samples {n} and {order[(k + 1) % N]} are parallel, or not clearly otherwise; "
                "drop one of them, or give exact entries"
            )
        gaps[[k, N + k]] = math.atan2(cross, dot)
    rank = np.lexsort(patterns.T[::-1])
    return patterns[rank], gaps[rank] / (2 * math.pi)


def cell_volumes(X: npt.ArrayLike) -> tuple[SignArray, FloatArray]:
    """All cells with their angular volumes, for samples that span at most three dimensions.

    Volumes are correct to one unit in the last place (relative 2e-16), for thin cells too: each comes from
    `enclosed_volumes` with a rigorous error bound. Floats count as the binary fractions they are.

    Returns:
        Patterns `n_cells × N` in the order of `cells`, and their volumes, `n_cells`, with sum 1.

    Raises:
        GeneralPositionError: if some d0 samples (or all, when N < d0) are dependent, or, for float entries,
            not clearly independent.
        ValueError: if X is not a finite `d0 × N` array, or both d0 and N exceed 3.
    """
    patterns, balls = enclosed_volumes(X, 64)
    return patterns, np.array([float(ball) for ball in balls])


def enclosed_volumes(X: npt.ArrayLike, bits: int) -> tuple[SignArray, list[arb]]:
    """As `cell_volumes`, each volume as a ball (Arb) that contains it, with relative radius below `2^−bits`.

    A cell is, up to directions that no sample sees, a spherical polygon. By the angle excess its area is `2π`
    minus the sum over its corners of the angle between the two samples, in their signs, that meet there (the
    perimeter of the polar polygon). Every such angle comes from exact entries of the Gram matrix; where a thin
    cell cancels digits, the precision is raised until the ball is small enough.

    Raises:
        ArithmeticError: if the volumes do not sum to 1 (an error of this code, not of the caller).
        GeneralPositionError, ValueError: as for `cell_volumes`.
    """
    data, exact = _samples(X), exact_entries(X)
    d0, N = data.shape
    if min(d0, N) > 3:
        raise ValueError(
            f"got {N} samples in {d0} dimensions; exact cell volumes need d0 or N of at most 3: sample directions"
        )
    patterns = cells(X)
    if exact is None:
        exact = np.array([[Fraction(entry) for entry in row] for row in data.tolist()], dtype=object)
    return patterns, polygon_volumes(exact.T @ exact, patterns, polygon_corners(exact, patterns), bits)


def polygon_volumes(
    gram: npt.NDArray[Any], patterns: SignArray, corners: list[list[tuple[int, int]]], bits: int
) -> list[arb]:
    """Volumes of cells whose corners are known, as `enclosed_volumes` gives them.

    Args:
        gram: inner products of the samples, `N × N`, of type `Fraction`.
        patterns: the cells, `n_cells × N`.
        corners: what `polygon_corners` returns.
        bits: the relative radius of each ball is below `2^−bits`.

    Raises:
        ArithmeticError: if the volumes do not sum to 1.
    """
    N = len(gram)
    precision = bits + 32
    while True:
        with ctx.workprec(precision):
            angles = {pair: _angle(gram, *pair) for pair in itertools.combinations(range(N), 2)}
            pi = arb.pi()
            volumes = []
            for signs, pairs in zip(patterns.tolist(), corners, strict=True):
                turn = sum((angles[n, m] if signs[n] == signs[m] else pi - angles[n, m] for n, m in pairs), arb(0))
                volumes.append(arb(1) / 2 - turn / (4 * pi))
            if all(volume.rel_accuracy_bits() > bits for volume in volumes):
                if not sum(volumes, arb(0)).contains(1):
                    raise ArithmeticError(f"the volumes of {len(volumes)} cells do not sum to 1; report the data")
                return volumes
        precision *= 2


def gordan(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gordan's alternative: a point on the positive side of every row, or weights that cancel them.

    Both come from the point of the rows' convex hull nearest the origin, found by nonnegative least squares
    (Lawson & Hanson 1974, ch. 23). It is a proposal in floating point: the caller checks `rows @ point > 0`,
    or `weights @ rows ≈ 0`, and if neither is clear the case is doubtful.

    Args:
        rows: `k × n`, of comparable size.

    Returns:
        `point` (n) of unit length (zero if the hull holds the origin), the direction that maximises
        `min(rows @ point)` if that can be positive; and `weights` (k), nonnegative with sum 1.
    """
    k, n = rows.shape
    system = np.vstack([rows.T, np.ones(k)])
    try:
        weights = nnls(system, np.eye(n + 1)[n])[0]
    except RuntimeError:  # the iteration limit: rare, and a linear program settles the same question
        weights = _gordan_by_program(rows)
    total = weights.sum()
    if total > 0:
        weights = weights / total
    point = weights @ rows
    length = float(np.linalg.norm(point))
    return (point / length if length > 0 else point), weights


def cell_centre(X: FloatArray, pattern: npt.ArrayLike) -> FloatArray:
    """The unit vector (d0) whose least angular margin in a cell is largest.

    Args:
        X: samples, `d0 × N`.
        pattern: signs ±1 of the cell, N.

    Raises:
        ValueError: if the cell is empty, or too thin for floating point.
    """
    X = _in_range(X)
    rows = (np.asarray(pattern) * X / np.linalg.norm(X, axis=0)).T
    centre, _ = gordan(rows)
    if not (rows @ centre > 0).all():
        raise ValueError("the sign pattern belongs to no cell, or to one too thin for floating point")
    return centre


def _gordan_by_program(rows: FloatArray) -> FloatArray:
    k, n = rows.shape
    program = linprog(
        np.r_[np.zeros(n), -1.0],
        A_ub=np.hstack([-rows, np.ones((k, 1))]),
        b_ub=np.zeros(k),
        bounds=[(-1, 1)] * n + [(None, None)],
    )
    # The duals are the weights of the nearest hull point in another norm: as good a certificate.
    return np.maximum(-np.asarray(program.ineqlin.marginals, dtype=np.float64), 0.0)


def _samples(X: npt.ArrayLike) -> FloatArray:
    array = np.asarray(X)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"got X of shape {array.shape}; expected d0 × N, one column a sample")
    try:
        data = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"X has entries that are no real numbers: {error}") from None
    if not np.isfinite(data).all():
        raise ValueError("X has entries that are NaN or infinite; expected finite numbers")
    return data


def _in_range(data: FloatArray) -> FloatArray:
    """Columns times powers of two, with largest entries near 1: squares neither overflow nor vanish."""
    return np.asarray(np.ldexp(data, -np.frexp(np.abs(data).max(axis=0))[1]))


def _sign(value: Any) -> int:
    return int(value > 0) - int(value < 0)


def _cross(first: tuple[Any, ...], second: tuple[Any, ...]) -> Any:
    return first[0] * second[1] - first[1] * second[0]


def _integer_columns(exact: npt.NDArray[Any]) -> list[list[int]]:
    """Columns scaled by positive numbers to integers: the arrangement stays as it was."""
    columns = []
    for column in exact.T.tolist():
        scale = math.lcm(*(entry.denominator for entry in column))
        columns.append([int(entry * scale) for entry in column])
    return columns


def _require_independent(data: FloatArray, exact: npt.NDArray[Any] | None) -> None:
    N = data.shape[1]
    if exact is not None:
        relations, nullity = fmpz_mat(_integer_columns(exact)).transpose().nullspace()
        if nullity:
            raise dependent(tuple(n for n in range(N) if relations[n, 0]))
        return
    data = _in_range(data)
    norms = np.linalg.norm(data, axis=0)
    if norms.min() == 0:
        raise dependent((int(norms.argmin()),))
    if np.linalg.svd(data / norms, compute_uv=False)[-1] <= GENERAL_POSITION_TOLERANCE:
        raise dependent(tuple(range(N)))


def dependent(samples: tuple[int, ...]) -> GeneralPositionError:
    """The error that names dependent samples by their positions."""
    if len(samples) == 1:
        found = f"sample {samples[0]} is zero, or not clearly nonzero"
    else:
        found = f"samples {sorted(samples)} are dependent, or not clearly independent"
    return GeneralPositionError(
        f"{found}; drop duplicates and zeros, perturb them, or give exact (integer or fraction) entries", samples
    )


def _degenerate(subset: tuple[int, ...], more: int | None = None) -> GeneralPositionError:
    return dependent(subset if more is None else (*subset, more))


def _rays_exact(exact: npt.NDArray[Any]) -> Iterator[tuple[npt.NDArray[np.intp], SignArray]]:
    """Chunks of (subsets of d0 − 1 samples, signs of their normal on all samples, 0 on the subset)."""
    d0, N = exact.shape
    columns = _integer_columns(exact)
    for n, column in enumerate(columns):
        if not any(column):
            raise dependent((n,))
    samples = fmpz_mat(columns).transpose()
    for chunk in _subsets(N, d0):
        signs = np.empty((len(chunk), N), dtype=np.int8)
        for row, subset in enumerate(chunk):
            if d0 == 1:
                normal = fmpz_mat([[1]])
            else:
                basis, nullity = fmpz_mat([columns[n] for n in subset]).nullspace()
                if nullity != 1:
                    raise _degenerate(subset)
                normal = fmpz_mat([[basis[i, 0] for i in range(d0)]])
            signs[row] = [_sign(value) for value in (normal * samples).entries()]
            zeros = set(np.flatnonzero(signs[row] == 0).tolist()) - set(subset)
            if zeros:
                raise _degenerate(subset, min(zeros))
        yield np.array(chunk, dtype=np.intp).reshape(len(chunk), d0 - 1), signs


def _rays_float(data: FloatArray) -> Iterator[tuple[npt.NDArray[np.intp], SignArray]]:
    """The same as `_rays_exact`, in floating point."""
    d0, N = data.shape
    data = _in_range(data)
    norms = np.linalg.norm(data, axis=0)
    if norms.min() == 0:
        raise _degenerate((int(norms.argmin()),))
    unit = data / norms
    for chunk in _subsets(N, d0):
        subsets = np.array(chunk, dtype=np.intp).reshape(len(chunk), d0 - 1)
        if d0 == 1:
            normals, smallest = np.ones((1, 1)), np.ones(1)
        else:
            _, singular, right = np.linalg.svd(unit.T[subsets])
            normals, smallest = right[:, -1, :], singular[:, -1]
        products = normals @ unit
        clear = np.abs(products) * smallest[:, None] > GENERAL_POSITION_TOLERANCE
        signs = np.sign(products).astype(np.int8)
        np.put_along_axis(signs, subsets, 0, axis=1)
        np.put_along_axis(clear, subsets, True, axis=1)
        if not clear.all():
            row, sample = np.argwhere(~clear)[0]
            raise _degenerate(chunk[row], int(sample))
        yield subsets, signs


def _subsets(N: int, d0: int) -> Iterator[list[tuple[int, ...]]]:
    subsets = itertools.combinations(range(N), d0 - 1)
    size = max(1, _CHUNK_CELLS >> d0)
    while chunk := list(itertools.islice(subsets, size)):
        yield chunk


def _cells_at(rays: Iterator[tuple[npt.NDArray[np.intp], SignArray]], d0: int) -> SignArray:
    sides = np.array(list(itertools.product((-1, 1), repeat=d0 - 1)), dtype=np.int8)
    found: SignArray | None = None
    for subsets, signs in rays:
        around = np.repeat(signs[:, None, :], len(sides), axis=1)
        places = np.broadcast_to(subsets[:, None, :], (*around.shape[:2], d0 - 1))
        np.put_along_axis(around, places, np.broadcast_to(sides, places.shape), axis=2)
        both = np.concatenate([around, -around]).reshape(-1, signs.shape[1])
        found = np.unique(both if found is None else np.concatenate([found, both]), axis=0)
    assert found is not None  # there is a subset: d0 − 1 < N
    return found


def _angle(gram: npt.NDArray[Any], n: int, m: int) -> arb:
    """The angle between two samples, from their exact Gram matrix."""
    dot, square = gram[n, m], gram[n, n] * gram[m, m] - gram[n, m] ** 2
    sine, cosine = arb(fmpq(square.numerator, square.denominator)).sqrt(), arb(fmpq(dot.numerator, dot.denominator))
    return arb.atan2(sine, cosine)


def polygon_corners(exact: npt.NDArray[Any], patterns: SignArray) -> list[list[tuple[int, int]]]:
    """For each cell, the two samples that meet at each corner of its polygon on the sphere S².

    Args:
        exact: samples in general position, `d0 × N`, of type `Fraction`, d0 or N at most 3. Only their signs against
            each other count, so coordinates in any basis will do.
        patterns: all cells, in the order of `cells`.
    """
    d0, N = exact.shape
    if d0 >= N:  # every orthant; two planes meet twice, at opposite points
        return [list(itertools.combinations(range(N), 2)) * (2 if N == 2 else 1)] * len(patterns)
    if d0 == 1:
        return [[], []]
    found: dict[bytes, list[tuple[int, ...]]] = {signs.tobytes(): [] for signs in patterns}
    for subsets, rays in _rays_exact(exact):
        for subset, ray in zip(subsets.tolist(), rays, strict=True):
            for orientation, *sides in itertools.product((-1, 1), repeat=d0):
                around = (orientation * ray).astype(np.int8)
                around[subset] = sides
                found[around.tobytes()].append(tuple(subset))
    if d0 == 3:
        return [[(n, m) for n, m in pairs] for pairs in found.values()]
    # In the plane a cell lies between two lines: a lune, whose two corners have the same angle.
    return [[(min(n, m), max(n, m))] * 2 for (n,), (m,) in found.values()]
