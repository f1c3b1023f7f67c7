"""First-order events of activation regions, for batches of first layers.

In the region of `W` every differentiable local minimum has the residual `e = P y`, with `P` the orthogonal
projection on the kernel of `G = A ∘ X` (Soudry & Hoffer 2017, Lemma 2; finite-N note, F1). All events here depend
on the region through `P` only.

Most regions of an over-parameterised network have `rank G = N`, hence `P = 0`. A shifted Cholesky factorisation
of the Gram matrix proves that cheaply; it can accept only. What it does not accept goes to a singular value
decomposition of `G` itself, and what lies between its two thresholds is reported as doubtful, never guessed.

A zero in floating point may be a small number. For inputs drawn at random that has a probability of the order of the
threshold. Data can be made, or happen, to be so: copies of a sample up to its last digits, a slope next to one at which
patterns become dependent. So for one `X` under all regions, and for slopes of many digits, each kernel that was found
is compared with the one modulo a random prime (`verify.network.modular`), and where they differ the region is doubtful.

Large batches of NumPy arrays take both steps many regions at a time (`verify.network.kernel`); the decomposition is
left with what comes out of that without a small enough bound on the error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from verify.network import kernel, modular
from verify.network.activations import IN_RANGE, check_layers
from verify.network.khatri_rao import gram, khatri_rao

Array = Any
Decomposed = tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]
Result = TypeVar("Result")

UNIT_ROUNDOFF = 2.0**-53
NULL_BELOW = 1e-12
"""Singular values below this fraction of the largest count as zeros: an exact zero comes out near 1e-15."""
CLEAR_ABOVE = 1e-9
"""Those above this one are not: the projection then has an error of a few times 1e-16 over it, which
`COORDINATE_CLEAR` leaves room for. Between the two nothing is decided."""
COORDINATE_ZERO = 1e-11
"""Coordinates of kernel vectors and residuals up to this count as zeros."""
COORDINATE_CLEAR = 1e-6
"""Those above this one are not, and outputs further than this from one half are on one side of it: errors are below
1e-15/CLEAR_ABOVE."""
COLUMNS_APART = 1e-7
"""Kernel vectors are long where columns are short. Between columns further apart than this, a coordinate that is not
zero could come out below `COORDINATE_ZERO`, and a singular value below `NULL_BELOW`."""
SLOPE_CLEAR = math.sqrt(NULL_BELOW)
"""A slope nearer to 0, or the inverse of one, leaves singular values of the order of its square, which would pass for
zeros; so does one nearer to 1 or −1, where patterns are dependent, without being it."""
PLAIN_SLOPE = 1000
"""Slopes whose numerator and denominator are at most this are no near misses of a special one by accident."""
_LEAST_FLOAT = 2.0**-1074
_UNDERFLOW = 1e-280  # squares of smaller numbers lose digits to gradual underflow
# Entries of all Gram matrices of a batch from which on the compiled kernel is worth its start, half a second.
_COMPILED = 2**15
# Up to here a batch is factorised column by column; above, LAPACK takes one matrix at a time.
_BATCHED_CHOLESKY = 160


@dataclass(frozen=True)
class Kernels:
    """Kernels of `A ∘ X` over a batch of regions.

    Attributes:
        index: positions in the batch of the regions without a proof of full rank, `(K,)`.
        projector: their projections on `ker G`, `(K, N, N)`; zero where the rank turned out full.
        rank: their ranks, `(K,)`.
        clear: whether the rank, and so the projector, was decided beyond doubt, `(K,)`.
        batch: number of regions.
        active: their patterns, `(K, d1, N)`.
        most: no rank is above it, whatever could not be decided; None where that is not known.
        exact: inputs and slope modulo a prime, where kernels were compared with those modulo it; else None.
    """

    index: NDArray[np.intp]
    projector: NDArray[np.float64]
    rank: NDArray[np.intp]
    clear: NDArray[np.bool_]
    batch: int
    active: NDArray[np.bool_]
    exact: modular.Reduced | None = None
    most: int | None = None


@dataclass(frozen=True)
class Event:
    """How often an event happened in a batch: certainly, and possibly beyond that."""

    hits: int
    doubtful: int


def errors_above(epsilon: float, samples: int) -> int:
    """The smallest number of samples that is more than the fraction `epsilon` of `samples`.

    The decimal that was written is meant, not its nearest binary fraction: `errors_above(0.1, 30) == 4`.
    """
    return math.floor(Fraction(repr(float(epsilon))) * samples) + 1


def kernels(W: Array, X: Array, slope: float) -> Kernels:
    """Kernels of `A ∘ X` for a batch of first layers.

    A region with a pre-activation within rounding of zero is not clear. Large batches, which go through the compiled
    kernel, are not looked at for that: their first layers are taken for random (`docs/numerics.md`).

    Args:
        W: `(B, d1, d0)`.
        X: `(B, d0, N)`, or `(d0, N)` for one data set under all of them.
        slope: slope ρ on the negative side, other than 1.

    Raises:
        ValueError: if the shapes do not fit, the slope is 1, or an entry is no finite number.
    """
    if W.ndim != 3 or X.ndim not in (2, 3):
        raise ValueError(
            f"got W with {W.ndim} axes and X with {X.ndim}; expected (B, d1, d0) and (B, d0, N) or (d0, N)"
        )
    if X.ndim == 3 and X.shape[0] != W.shape[0]:
        raise ValueError(
            f"got {W.shape[0]} first layers and {X.shape[0]} data sets; expected as many, or one X (d0, N)"
        )
    check_layers(W, X, slope)
    if not math.isfinite(slope):
        raise ValueError(f"got slope {slope}; expected a finite number")
    found = replace(_decided(W, X, slope), most=min(X.shape[-1], W.shape[1] * W.shape[2]))
    if any(0 < abs(distance) < SLOPE_CLEAR for distance in _from_special(slope)):
        found = replace(found, clear=found.clear & (found.rank == X.shape[-1]))
    if X.ndim == 2:
        return _compared(found, modular.reduced_floats(_numpy(X), slope))
    exact = Fraction(repr(float(slope)))
    plain = max(abs(exact.numerator), exact.denominator) <= PLAIN_SLOPE
    return found if plain else _compared_each(found, _numpy(X), slope)


def _decided(W: Array, X: Array, slope: float) -> Kernels:
    """In floating point alone, with inputs brought into its range."""
    compiled = _worth_compiling(W, X)
    if compiled and X.ndim == 3 and _is_moderate(W) and _is_moderate(X):
        return _compiled_kernels(W, X, slope)
    rows, columns = _scaled_rows(W), _scaled(X)
    if columns is None:
        return _undecided(W, X)
    return (_compiled_kernels if compiled else _array_kernels)(rows, columns, slope)


def _from_special(slope: float) -> tuple[float, ...]:
    """Distances to slopes at which patterns are dependent that are not so elsewhere; the inverse for infinity."""
    return slope, slope - 1, slope + 1, 1 / slope if slope else 0.0


def _is_moderate(values: NDArray[np.float64]) -> bool:
    """Whether no product overflows; two passes without a copy, for large batches of random numbers."""
    return bool(values.max() < IN_RANGE and values.min() > -IN_RANGE)


def _scaled_rows(W: Array) -> Array:
    """First layers, with rows times powers of two where they are out of range: patterns do not depend on that."""
    xp = array_api_compat.array_namespace(W)
    sizes = xp.max(xp.abs(W), axis=-1)
    _require_finite(sizes, "W")
    if bool(xp.all((sizes == 0) | ((sizes > 1 / IN_RANGE) & (sizes < IN_RANGE)))):
        return W
    exponents = np.frexp(_numpy(sizes))[1]
    return xp.asarray(np.ldexp(_numpy(W), -exponents[..., None]))


def _scaled(X: Array) -> Array | None:
    """Inputs, times a power of two where they are out of range: neither patterns nor kernels depend on that.

    Returns:
        None where no one factor brings all samples into the range.
    """
    xp = array_api_compat.array_namespace(X)
    sizes = xp.max(xp.abs(X), axis=-2)
    _require_finite(sizes, "X")
    if bool(xp.all((sizes == 0) | ((sizes > 1 / IN_RANGE) & (sizes < IN_RANGE)))):
        return X
    largest = float(xp.max(sizes))
    exponent = math.frexp(largest)[1]
    if bool(xp.any((sizes > 0) & (sizes < largest / IN_RANGE))):
        return None
    return xp.asarray(np.ldexp(_numpy(X), -exponent))


def _require_finite(sizes: Array, name: str) -> None:
    xp = array_api_compat.array_namespace(sizes)
    if not bool(xp.all(xp.isfinite(sizes))):
        raise ValueError(f"{name} has NaN or infinite entries; expected finite numbers")


def _undecided(W: Array, X: Array) -> Kernels:
    """Nothing is known of any region."""
    batch, samples = W.shape[0], X.shape[-1]
    return Kernels(
        np.arange(batch),
        np.zeros((batch, samples, samples)),
        np.full(batch, samples, dtype=np.intp),
        np.zeros(batch, dtype=np.bool_),
        batch,
        np.zeros((batch, W.shape[1], samples), dtype=np.bool_),
    )


def _compared(found: Kernels, exact: modular.Reduced) -> Kernels:
    """Those with a kernel are clear only where rank and support are those modulo a prime."""
    clear = found.clear.copy()
    open_ = np.flatnonzero(clear & (found.rank < found.projector.shape[-1]))
    if open_.size:
        clear[open_] = _agrees(found, open_, modular.kernels(found.active[open_], exact))
    return replace(found, clear=clear, exact=exact)


def _compared_each(found: Kernels, X: NDArray[np.float64], slope: float) -> Kernels:
    """The same where every region has inputs of its own."""
    clear = found.clear.copy()
    for k in np.flatnonzero(clear & (found.rank < found.projector.shape[-1])):
        exact = modular.kernels(found.active[k : k + 1], modular.reduced_floats(X[found.index[k]], slope))
        clear[k] = _agrees(found, np.array([k]), exact)[0]
    return replace(found, clear=clear)


def _agrees(found: Kernels, places: NDArray[np.intp], exact: modular.ModularKernels) -> NDArray[np.bool_]:
    length = np.linalg.norm(found.projector[places], axis=1)
    wrong = np.where(exact.support, length <= COORDINATE_ZERO, length > COORDINATE_CLEAR)
    agrees: NDArray[np.bool_] = (found.rank[places] == exact.rank) & ~wrong.any(axis=1)
    return agrees


def _array_kernels(W: Array, X: Array, slope: float) -> Kernels:
    batch, width, features = W.shape
    samples = X.shape[-1]
    xp = array_api_compat.array_namespace(W, X)
    hidden = xp.matmul(W, X)
    active = hidden > 0
    unsure = _numpy(_unsure_signs(W, X, hidden))
    high, low = (1.0, slope) if abs(slope) <= 1 else (1 / slope, 1.0)
    A = xp.where(active, xp.asarray(high, dtype=W.dtype), xp.asarray(low, dtype=W.dtype))
    everything = np.arange(batch)

    def chosen(places: NDArray[np.intp]) -> tuple[Array, Array]:
        where = xp.asarray(places)
        return xp.take(A, where, axis=0), X if X.ndim == 2 else xp.take(X, where, axis=0)

    def proved(places: NDArray[np.intp]) -> NDArray[np.bool_]:
        return _numpy(_full_rank(gram(*chosen(places)), features + width))

    if width * features >= samples:
        index = np.concatenate([part[~full] for part, full in _in_parts(proved, everything, batch)] or [everything])
        index = np.union1d(index, np.flatnonzero(unsure))
    else:
        index = everything
    projector = np.zeros((index.size, samples, samples))
    rank = np.full(index.size, samples, dtype=np.intp)
    clear = np.ones(index.size, dtype=np.bool_)
    step = _explicit_step(width * features * samples)
    for part, found in _in_parts(
        lambda part: _projectors(khatri_rao(*chosen(index[part]))), np.arange(index.size), step
    ):
        projector[part], rank[part], clear[part] = found
    signs = _numpy(xp.take(active, xp.asarray(index), axis=0))
    return Kernels(index, projector, rank, clear & ~unsure[index], batch, signs)


def _unsure_signs(W: Array, X: Array, hidden: Array) -> Array:
    """Regions with a pre-activation that rounding may have given its sign, `(B,)`.

    A computed product is within `γ Σ_k |w_k x_k|` of the exact one and what underflows, `γ = d0 u/(1 − d0 u)`
    (Higham 2002, section 3.1). A sample that is zero has no sign, and no part in `A ∘ X`.
    """
    xp = array_api_compat.array_namespace(W, X)
    features = W.shape[-1]
    sums = xp.matmul(xp.abs(W), xp.abs(X))
    limit = (features + 2) * UNIT_ROUNDOFF * sums + features * _LEAST_FLOAT
    nothing = xp.max(xp.abs(X), axis=-2) == 0
    close = (xp.abs(hidden) <= limit) & ~nothing[..., None, :]
    return xp.any(xp.any(close, axis=-1), axis=-1)


def _worth_compiling(W: Array, X: Array) -> bool:
    """Whether the batch is large and its matrices are not; by sizes alone, so that a chunk is always treated alike."""
    ours = isinstance(W, np.ndarray) and isinstance(X, np.ndarray) and W.dtype == X.dtype == np.float64
    batch, samples = W.shape[0], X.shape[-1]
    fit = batch >= kernel.FEWEST and samples <= kernel.LARGEST
    return bool(ours and fit and batch * samples**2 >= _COMPILED)


def _compiled_kernels(W: NDArray[np.float64], X: NDArray[np.float64], slope: float) -> Kernels:
    batch, width, features = W.shape
    samples = X.shape[-1]
    patterns = kernel.patterns(W, X)
    index = np.flatnonzero(kernel.proved_full_rank(patterns, X, slope) == 0)
    # Rows are scaled by their lengths here, by their largest entries in the decomposition: what is too far apart for
    # the one must be so for the other.
    apart = COLUMNS_APART * math.sqrt(samples)
    found = kernel.projections(patterns, X, slope, index, null=NULL_BELOW, apart=apart)
    # What counts as no zero, or as no tie, is so by more than this.
    accepted = math.sqrt(samples) * found.error <= COORDINATE_CLEAR / 10
    projector, rank, clear = found.projector, found.rank, accepted.copy()
    projector[accepted & (rank == samples)] = 0.0

    def decomposed(part: NDArray[np.intp]) -> Decomposed:
        A = np.where(patterns.active(index[part]), *((1.0, slope) if abs(slope) <= 1 else (1 / slope, 1.0)))
        return _projectors(khatri_rao(A, X if X.ndim == 2 else X[index[part]]))

    for part, decided in _in_parts(decomposed, np.flatnonzero(~accepted), _explicit_step(width * features * samples)):
        projector[part], rank[part], clear[part] = decided
    return Kernels(index, projector, rank, clear, batch, patterns.active(index))


def _explicit_step(entries: int) -> int:
    """Explicit products are large; a few at a time bound the memory."""
    return max(1, 2**24 // max(1, entries))


def _in_parts(
    work: Callable[[NDArray[np.intp]], Result], places: NDArray[np.intp], step: int
) -> Iterator[tuple[NDArray[np.intp], Result]]:
    """What `work` makes of the places, at most `step` at a time; where the memory does not suffice, of half as many.

    CuPy's error is a `MemoryError` too, raised after it has emptied its own store of blocks.
    """
    start = 0
    while start < places.size:
        part = places[start : start + step]
        try:
            result = work(part)
        except MemoryError:
            if part.size == 1:
                raise
            step = part.size // 2
            continue
        yield part, result
        start += part.size


def rank_deficient(found: Kernels) -> Event:
    """`rank G < N`."""
    samples = found.projector.shape[-1]
    if found.most is not None and found.most < samples:
        return Event(found.batch, 0)
    return _event(found.rank < samples, found.clear)


def support_above(found: Kernels, epsilon: float) -> Event:
    """`|T*| > εN`, where `T* = {n : P_nn > 0}`: some labels give more than `εN` nonzero residuals (F5)."""
    samples = found.projector.shape[-1]
    # P_nn = ‖P_n·‖², and the norm of the row keeps the digits that the square would lose.
    length = np.linalg.norm(found.projector, axis=2)
    surely = (length > COORDINATE_CLEAR).sum(axis=1)
    maybe = (length > COORDINATE_ZERO).sum(axis=1)
    return _threshold(surely, maybe, errors_above(epsilon, samples), found.clear)


def misclassified_above(found: Kernels, y: NDArray[np.float64], epsilon: float) -> Event:
    """`MCE(y − P y) > ε`: the first-order event for the labels `y`.

    Args:
        found: kernels of a batch.
        y: labels, `(N,)` for all regions or `(B, N)`.
        epsilon: threshold on the fraction of misclassified samples.
    """
    return _event_of_errors(*_errors(found, y), found, epsilon)


def worst_labels_above(found: Kernels, epsilon: float, y: NDArray[np.float64] | None = None) -> Event:
    """The first-order event for binary labels chosen to do harm after seeing `X` and `W`.

    The labels tried are the signs of the columns of `P`, and `y` where it is given (as in `misclassified_above`);
    the true worst case lies between this event and `support_above`.
    """
    if not found.index.size:
        return Event(0, 0)
    # Column k of P gives the k-th labelling; the sign of a rounding error would differ from machine to machine.
    labels = (found.projector > COORDINATE_ZERO).astype(np.float64)
    outputs = labels - found.projector @ labels
    wrong = (outputs > 0.5) != (labels > 0.5)
    tied = np.abs(outputs - 0.5) < COORDINATE_CLEAR
    surely = (wrong & ~tied).sum(axis=1).max(axis=1)
    maybe = (wrong | tied).sum(axis=1).max(axis=1)
    if y is not None:
        given = _errors(found, y)
        surely, maybe = np.maximum(surely, given[0]), np.maximum(maybe, given[1])
    return _event_of_errors(surely, maybe, found, epsilon)


def zero_residual(found: Kernels, y: NDArray[np.float64]) -> Event:
    """`P y = 0`: the first-order condition for a global minimum with zero error (F5)."""
    surely, maybe = fits(found, y)
    return Event(found.batch - int((~surely).sum()), int((maybe & ~surely).sum()))


def fits(found: Kernels, y: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For the regions with a kernel: whether surely `P y = 0`, and whether that is possible; two arrays `(K,)`.

    Labels with a fraction are rounded, such as a teacher's outputs, and are met up to rounding.
    """
    targets = _targets(found, y)
    size = np.abs(np.einsum("kij,kj->ki", found.projector, targets)).max(axis=1, initial=0.0)
    surely, maybe = found.clear & (size <= COORDINATE_ZERO), ~found.clear | (size <= COORDINATE_CLEAR)
    if found.exact is not None and bool((targets == np.rint(targets)).all()):
        open_ = np.flatnonzero(surely & (found.rank < found.projector.shape[-1]))
        surely[open_] = modular.kernels(found.active[open_], found.exact, targets[open_]).cancels
    return surely, maybe


def _event_of_errors(surely: NDArray[np.intp], maybe: NDArray[np.intp], found: Kernels, epsilon: float) -> Event:
    return _threshold(surely, maybe, errors_above(epsilon, found.projector.shape[-1]), found.clear)


def _errors(found: Kernels, y: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Samples misclassified for certain, and those within rounding of the threshold on top."""
    targets = _targets(found, y)
    outputs = targets - np.einsum("kij,kj->ki", found.projector, targets)
    wrong = (outputs > 0.5) != (targets > 0.5)
    tied = np.abs(outputs - 0.5) < COORDINATE_CLEAR
    return (wrong & ~tied).sum(axis=1), (wrong | tied).sum(axis=1)


def _targets(found: Kernels, y: NDArray[np.float64]) -> NDArray[np.float64]:
    if y.ndim == 1:
        return np.broadcast_to(y, (found.index.size, y.size))
    if y.shape[0] != found.batch:
        raise ValueError(f"got labels for {y.shape[0]} regions; expected {found.batch}")
    return y[found.index]


def _threshold(surely: NDArray[np.intp], maybe: NDArray[np.intp], least: int, clear: NDArray[np.bool_]) -> Event:
    return _event(surely >= least, clear & ((surely >= least) == (maybe >= least)))


def _event(happened: NDArray[np.bool_], clear: NDArray[np.bool_]) -> Event:
    return Event(int((happened & clear).sum()), int((~clear).sum()))


def _full_rank(K: Array, terms: int) -> Array:
    """Whether each Gram matrix is *proved* positive definite, `(B,)`.

    Rump's criterion: if the floating-point Cholesky factorisation of `K − cI` runs to its end, `K` is positive
    definite, for `c` above the rounding error of the factorisation and, here, of the entries of `K` (sums of
    `terms` products), both bounded by small multiples of the unit roundoff times the trace.
    """
    xp = array_api_compat.array_namespace(K)
    samples = K.shape[-1]
    trace = xp.sum(xp.linalg.diagonal(K), axis=-1)
    shift = 4 * (samples + terms + 4) * UNIT_ROUNDOFF * trace
    K = K - shift[:, None, None] * xp.eye(samples, dtype=K.dtype)
    if samples > _BATCHED_CHOLESKY:
        limits = [(item, float(shift[item])) for item in range(K.shape[0])]
        return (trace > _UNDERFLOW) & xp.asarray([_factorises(K[item, ...], limit) for item, limit in limits])
    L = xp.zeros_like(K)
    proved = trace > _UNDERFLOW
    for k in range(samples):
        column = K[:, k:, k] - xp.matmul(L[:, k:, :k], L[:, k, :k, None])[:, :, 0]
        pivot = column[:, 0]
        proved = proved & (pivot > 0)
        scale = xp.where(proved, 1 / xp.sqrt(xp.where(proved, pivot, xp.ones_like(pivot))), xp.zeros_like(pivot))
        L[:, k:, k] = column * scale[:, None]
    return proved


def _factorises(K: Array, shift: float) -> bool:
    xp = array_api_compat.array_namespace(K)
    try:
        factor = xp.linalg.cholesky(K)
    except np.linalg.LinAlgError:
        return False
    if array_api_compat.is_numpy_namespace(xp):
        return bool(xp.all(xp.isfinite(factor)))
    # cuSOLVER stops without an exception and leaves half a factor. A product that agrees with K to a part of the
    # shift proves as much as the end of the factorisation does.
    difference = K - xp.matmul(factor, xp.matrix_transpose(factor))
    return bool(xp.sqrt(xp.sum(difference * difference)) <= shift / 4)


def _projectors(G: Array) -> Decomposed:
    """Projection on `ker G`, rank, and whether the rank is beyond doubt, for a batch `(K, rows, N)`."""
    xp = array_api_compat.array_namespace(G)
    # Features of very different size: rows divided by their largest entry have the same kernel.
    rows = xp.max(xp.abs(G), axis=-1, keepdims=True)
    G = G / xp.where(rows > 0, rows, xp.ones_like(rows))
    columns = xp.max(xp.abs(G), axis=-2)
    apart = xp.any((columns > 0) & (columns < COLUMNS_APART * xp.max(columns, axis=-1, keepdims=True)), axis=-1)
    _, sigma, right = xp.linalg.svd(G, full_matrices=False)
    largest = xp.max(sigma, axis=-1, keepdims=True)
    nonzero = sigma > NULL_BELOW * largest
    doubtful = nonzero & (sigma <= CLEAR_ABOVE * largest)
    basis = right * xp.astype(nonzero, right.dtype)[:, :, None]
    projector = xp.eye(G.shape[-1], dtype=G.dtype) - xp.matmul(xp.matrix_transpose(basis), basis)
    rank = xp.sum(xp.astype(nonzero, xp.int64), axis=-1)
    full = _numpy(rank) == G.shape[-1]
    cleaned = _numpy(projector).copy()
    cleaned[full] = 0.0
    clear = ~_numpy(xp.any(doubtful, axis=-1)) & (full | ~_numpy(apart))
    return cleaned, _numpy(rank).astype(np.intp), clear


def _numpy(array: Array) -> NDArray[Any]:
    return np.asarray(array.get() if hasattr(array, "get") else array)
