"""Full ranks and kernels of `G = A ∘ X` for batches of regions, many matrices at once.

From first layers `W` and inputs `X` to patterns, to a proof of `rank G = N` where there is one, to the projection on
`ker G` elsewhere. The work is `verify.network.lanes`'; here are the choices and the bounds that they rest on. Nothing
depends on the number of threads, nor on how a batch is split.

**Patterns.** One bit a neuron and sample, as in `verify.network.activations`: set where `w_i·x_n > 0` in double
precision, the products summed in the order of the features.

**Full rank.** Let `a` and `b` be the entries of active and inactive neurons: `(1, ρ)`, or `(1/ρ, 1)` if `|ρ| > 1`,
which has the same kernels. By F2 of the finite-N note `GᵀG = (AᵀA) ⊙ (XᵀX)`. Entry (i, j) of `AᵀA` is `a² p + ab h +
b² q`, with `p`, `h`, `q` the numbers of neurons that are active at both samples, at one of them, at none: integers
that come from counting bits. So `2 d1 N²` operations shrink to a few for each entry. The samples of `X` are scaled to
length one, and then the columns of `A`: `K = D GᵀG D` for a positive diagonal `D`, which is positive definite if and
only if `GᵀG` is, whatever the rounding of `D`. Its diagonal is 1, so the trace in the bound below is `N`, the least
that it can be against the least eigenvalue, up to a factor N (van der Sluis 1969).

*Theorem* (after Rump 2006). Let the Cholesky factorisation of the computed `K − cI`, in arithmetic of unit roundoff
u, end with positive pivots, and let `(N + d0 + 20) u ≤ 1/100`. If `c ≥ 2 u N (N + d0 + 20)`, then `K` is positive
definite, and `rank G = N`. *Proof.* (i) The computed `K` differs in entry (i, j) from the exact one by at most `(d0 +
18) u ‖g_i‖‖g_j‖`, with g the scaled columns: the inputs are rounded, scaled and rounded to the precision (6u for
two), their products summed (`d0 u`); the terms of `AᵀA` add up to `Σ_k |a_ki||a_kj| ≤ ‖a_i‖‖a_j‖` in absolute value,
and lose 6u in the coefficients, also where ρ was rounded, and 3u in the sum; three more products. A diagonal above
1.01 is rejected, so `‖g_i‖² ≤ 1.02`, and the difference is at most `1.02 (d0 + 18) u N` in norm. (ii) The factor `L`
has `LLᵀ = K − cI + E` with `|E| ≤ γ |L||Lᵀ|`, `γ = (N + 5) u/(1 − (N + 5) u)` (Higham 2002, theorem 10.3; a product
with a rounded reciprocal adds 3u to a quotient, and a fused product takes nothing away), and `‖|L||Lᵀ|‖ ≤ ‖L‖_F² = tr
LLᵀ ≤ 1.01 N/(1 − γ)`. (iii) The shift is subtracted with an error of 1.01 u at most. Together less than `1.1 u N (N +
d0 + 24) < c`, also with what underflows, which is below `N d1 2^-100`. So `K = LLᵀ − E + cI − …` is positive definite.

Single precision is tried first, and what it does not accept is tried in double precision. What that does not accept
is not proved, which says nothing about the rank.

**Kernels.** For regions without a proof, from `G` itself with its rows scaled to length one (`G'`, the same kernel):
rows `Q` from a Cholesky factorisation of `G'G'ᵀ` that passes over dependent rows, the same once more with `Q`
(Yamamoto et al. 2015), which gives `R` with rows that are orthonormal to rounding or zero; `P = I − RᵀR`; and two
numbers that are computed afterwards, whatever happened before. `η`: `‖G'P‖_F`, with its rounding. `δ`: a bound below
the least eigenvalue of `G_b G_bᵀ` for the r rows of `G'` that were kept, proved by the theorem above. Then r singular
values of `G'` are at least `√δ` (rows were removed), the others at most η (`P` has rank `N − r`), and if these are
zero the row space of `G'` is within an angle of sine `η/√δ` of that of `R`: so `P` is within `η/√δ` of the projection
on `ker G`, plus what `R` lacks of orthonormality. That they are zero is the one thing that floating point cannot
know; `verify.network.regions` says when it is taken for granted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

WORD = 32
"""Neurons in one word of a pattern."""

PRECISIONS: tuple[type[np.floating[Any]], ...] = (np.float32, np.float64)
"""In the order in which they are tried."""

LARGEST = 400
"""Most samples for which this is meant: beyond, a group of factors leaves the caches, and single precision seldom
decides."""
FEWEST = 8
"""Fewest regions: a group of lanes takes as long for one region as for all."""
LARGEST_ROWS = 4
"""Most rows of `G`, in multiples of N, for `projections`: beyond, few of many rows are independent."""
LARGEST_ENTRIES = 2**16
"""Most entries of `G` for `projections`, for the same reason as `LARGEST`."""

# Entries that are not zero must have squares in the range of the precision, with room.
_LEAST_ENTRY = {np.float32: 2.0**-40, np.float64: 2.0**-300}
# A row is dependent if it is nearer to the rows before than the first of these, squared; not if it is further than the
# second. What is in between, or was sorted wrongly, is noticed afterwards.
_DEPENDENT, _INDEPENDENT = 1e-8, 1e-6
_EIGENVALUES = np.array([1e-3, 1e-5, 1e-6, 2e-7])


@dataclass(frozen=True)
class Patterns:
    """Activation patterns of a batch, one bit a neuron and sample.

    Attributes:
        bits: bit `i % 32` of `bits[b, i // 32, n]` is set where neuron i is active at sample n, `(B, words, N)`.
        width: number of neurons d1.
    """

    bits: npt.NDArray[np.int32]
    width: int

    def active(self, chosen: npt.NDArray[np.intp]) -> Bools:
        """Whether neuron i is active at sample n in the chosen regions, `(K, d1, N)`."""
        neurons = np.arange(self.width)
        words = self.bits[chosen][:, neurons // WORD]
        on: Bools = (words >> (neurons % WORD).astype(np.int32)[:, None]) & 1 != 0
        return on


@cache
def _lanes() -> ModuleType:
    """The compiled loops: Numba takes a while to start, and most commands do without it."""
    from verify.network import lanes

    return lanes


def patterns(W: Floats, X: Floats, *, threads: int = 1) -> Patterns:
    """Patterns of first layers.

    Args:
        W: `(B, d1, d0)`.
        X: `(B, d0, N)`, or `(d0, N)` for all of them.
        threads: how many to use; the result does not depend on it.

    Raises:
        ValueError: if the shapes do not fit.
    """
    layers, inputs = np.ascontiguousarray(W, dtype=np.float64), _inputs(X, len(W))
    if layers.ndim != 3 or layers.shape[2] != inputs.shape[1]:
        raise ValueError(f"got W of shape {layers.shape} and X of shape {X.shape}; expected (B, d1, d0) with one d0")
    batch, width, _ = layers.shape
    bits = np.zeros((batch, -(-width // WORD), inputs.shape[2]), dtype=np.int32)
    _in_blocks(partial(_lanes().signs_of_block, layers, inputs, bits), batch, threads)
    return Patterns(bits, width)


def packed(active: Bools) -> Patterns:
    """The same from given patterns: whether neuron i is active at sample n, `(B, d1, N)`."""
    batch, width, samples = active.shape
    bits = np.zeros((batch, -(-width // WORD), samples), dtype=np.uint32)
    for neuron in range(width):
        bits[:, neuron // WORD] |= active[:, neuron].astype(np.uint32) << np.uint32(neuron % WORD)
    return Patterns(bits.view(np.int32), width)


def proved_full_rank(found: Patterns, X: Floats, slope: float, *, threads: int = 1) -> npt.NDArray[np.int8]:
    """For which regions `rank (A ∘ X) = N` is proved, `(B,)`: 0 if not, else the number of the precision from 1.

    Args:
        found: patterns.
        X: `(B, d0, N)`, or `(d0, N)` for all of them. Entries that are no finite numbers prove nothing.
        slope: slope ρ.
        threads: how many to use; the result does not depend on it.

    Raises:
        ValueError: if the shapes do not fit or the slope is no finite number.
    """
    batch, _, samples = found.bits.shape
    inputs = _inputs(X, batch)
    _same_samples(found, inputs)
    features = inputs.shape[1]
    level = np.zeros(batch, dtype=np.int8)
    if features * found.width < samples:
        return level
    high, low = _entries(slope)
    for number, precision in enumerate(PRECISIONS, start=1):
        unit = float(np.finfo(precision).eps) / 2
        out_of_range = any(0 < abs(entry) < _LEAST_ENTRY[precision] for entry in (high, low))
        if out_of_range or (samples + features + 20) * unit > 0.01:
            continue
        coefficients = np.array([high * high, high * low, low * low], dtype=precision)
        shift = 2 * unit * samples * (samples + features + 20)
        chosen = np.flatnonzero(level == 0)
        proved = np.zeros(chosen.size, dtype=np.bool_)
        prove = partial(_lanes().proved_of_block, found.bits, inputs, coefficients, found.width, shift, proved, chosen)
        _in_blocks(prove, chosen.size, threads)
        level[chosen[proved]] = number
    return level


@dataclass(frozen=True)
class Projections:
    """Projections on `ker (A ∘ X)`.

    Attributes:
        projector: `(K, N, N)`.
        rank: `(K,)`.
        error: bound on the norm of the difference between `projector` and the projection, provided that the
            `N − rank` least singular values are zero where they are that to rounding; `inf` where nothing was
            found, and rank and projector mean nothing, `(K,)`.
    """

    projector: Floats
    rank: npt.NDArray[np.intp]
    error: Floats


def projections(
    found: Patterns,
    X: Floats,
    slope: float,
    chosen: npt.NDArray[np.intp],
    *,
    null: float,
    apart: float,
    threads: int = 1,
) -> Projections:
    """Projections on the kernels of some regions of a batch.

    Args:
        found: patterns of the batch.
        X: `(B, d0, N)`, or `(d0, N)` for all of them.
        slope: slope ρ.
        chosen: positions of the regions in the batch, `(K,)`.
        null: largest singular value, against a row of length one, that counts as zero.
        apart: nothing is said about regions with a sample so much shorter than another.
        threads: how many to use; the result does not depend on it.

    Raises:
        ValueError: if the shapes do not fit or the slope is no finite number.
    """
    batch, _, samples = found.bits.shape
    inputs = _inputs(X, batch)
    _same_samples(found, inputs)
    projector = np.zeros((chosen.size, samples, samples))
    rank = np.zeros(chosen.size, dtype=np.intp)
    error = np.full(chosen.size, math.inf)
    high, low = _entries(slope)
    rows = inputs.shape[1] * found.width
    in_range = low == 0 or min(abs(high), abs(low)) >= _LEAST_ENTRY[np.float64]
    if in_range and rows <= LARGEST_ROWS * samples and rows * samples <= LARGEST_ENTRIES:
        values = np.array([high, low, apart])
        limits = np.array([_DEPENDENT, _INDEPENDENT, null, float(np.finfo(np.float64).eps) / 2])

        project = partial(
            _lanes().kernels_of_block,
            *(found.bits, inputs, values, found.width, limits, _EIGENVALUES, projector, rank, error, chosen),
        )
        _in_blocks(project, chosen.size, threads)
    return Projections(projector, rank, error)


def _entries(slope: float) -> tuple[float, float]:
    """Entries of active and inactive neurons, the larger of them 1."""
    if not math.isfinite(slope):
        raise ValueError(f"got slope {slope}; expected a finite number")
    return (1.0, float(slope)) if abs(slope) <= 1 else (1.0 / float(slope), 1.0)


def _inputs(X: Floats, batch: int) -> Floats:
    """The inputs as `(B or 1, d0, N)`."""
    inputs = np.ascontiguousarray(X if X.ndim == 3 else X[None], dtype=np.float64)
    if inputs.ndim != 3 or (X.ndim == 3 and len(inputs) != batch):
        raise ValueError(f"got X of shape {X.shape} for {batch} regions; expected (d0, N) or ({batch}, d0, N)")
    return inputs


def _same_samples(found: Patterns, inputs: Floats) -> None:
    if inputs.shape[2] != found.bits.shape[2]:
        raise ValueError(f"got patterns of {found.bits.shape[2]} samples and inputs of {inputs.shape[2]}")


def _in_blocks(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """Calls `work(start, stop)` for parts of `range(count)`; the compiled loops let go of the interpreter lock."""
    if threads < 1:
        raise ValueError(f"got {threads} threads; expected at least 1")
    if threads == 1 or count == 0:
        if count:
            work(0, count)
        return
    # Parts end between groups of lanes; one for each thread, because each needs working memory of its own.
    group = max(_lanes().LANES.values())
    step = group * -(-count // (threads * group))
    others = [_pool(threads).submit(work, start, min(start + step, count)) for start in range(step, count, step)]
    work(0, min(step, count))
    for other in others:
        other.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="verify-kernel")
