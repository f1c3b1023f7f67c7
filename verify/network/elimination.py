"""Compiled elimination modulo a prime, for the kernels of many `A ∘ X`.

Imported by `verify.network.modular` when it is first needed: Numba takes a fraction of a second to start.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from verify.compiled import compiled

Integers = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@compiled
def product(a: int, b: int, prime: int, inverse: float) -> int:
    """`a·b` modulo a prime below 2^50; `inverse` is one over it as a float.

    The quotient in floating point is off by less than 2, and the wrapped difference is exact.
    """
    quotient = int(float(a) * float(b) * inverse)
    rest = a * b - quotient * prime
    while rest < 0:
        rest += prime
    while rest >= prime:
        rest -= prime
    return rest


@compiled
def reciprocal(a: int, prime: int, inverse: float) -> int:
    """`1/a` modulo the prime, as the power `prime − 2`."""
    result, power, rest = 1, a, prime - 2
    while rest:
        if rest & 1:
            result = product(result, power, prime, inverse)
        power = product(power, power, prime, inverse)
        rest >>= 1
    return result


@compiled
def rank_modulo(rows: Integers, prime: int) -> int:
    """Rank of a matrix of residues, which is overwritten."""
    inverse = 1.0 / prime
    rank = 0
    for n in range(rows.shape[1]):
        place = rank
        while place < rows.shape[0] and rows[place, n] == 0:
            place += 1
        if place == rows.shape[0]:
            continue
        for m in range(n, rows.shape[1]):
            rows[place, m], rows[rank, m] = rows[rank, m], rows[place, m]
        scale = reciprocal(rows[rank, n], prime, inverse)
        for other in range(rank + 1, rows.shape[0]):
            if rows[other, n]:
                factor = product(rows[other, n], scale, prime, inverse)
                for m in range(n, rows.shape[1]):
                    entry = rows[other, m] - product(factor, rows[rank, m], prime, inverse)
                    rows[other, m] = entry if entry >= 0 else entry + prime
        rank += 1
        if rank == rows.shape[0]:
            break
    return rank


@compiled
def kernels_modulo(
    active: BoolArray, low: Integers, high: Integers, labels: Integers, prime: int, ranks: Integers, support: BoolArray,
    cancels: BoolArray,
) -> None:  # fmt: skip
    """For each pattern the rank modulo the prime, the support of the kernel, and whether it is orthogonal to labels.

    Args:
        active: patterns, `(K, d1, N)`.
        low: inputs times `a`, modulo the prime, `(d0, N)`, for the slope a/b.
        high: inputs times `b`.
        labels: modulo the prime, `(K, N)`, or `(0, N)` for none.
        prime: below 2^50.
        ranks: result, `(K,)`.
        support: result, `(K, N)`.
        cancels: result, `(K,)`; only where there are labels.
    """
    count, width, samples = active.shape
    features = low.shape[0]
    inverse = 1.0 / prime
    rows = np.zeros((width * features, samples), np.int64)
    pivots = np.zeros(samples, np.int64)
    rest = np.zeros(samples, np.int64)
    for item in range(count):
        for i in range(width):
            for j in range(features):
                for n in range(samples):
                    rows[i * features + j, n] = high[j, n] if active[item, i, n] else low[j, n]
        rank = 0
        support[item] = True
        for n in range(samples):
            place = rank
            while place < rows.shape[0] and rows[place, n] == 0:
                place += 1
            if place == rows.shape[0]:
                continue
            for m in range(n, samples):
                rows[place, m], rows[rank, m] = rows[rank, m], rows[place, m]
            factor = reciprocal(rows[rank, n], prime, inverse)
            for m in range(n, samples):
                rows[rank, m] = product(rows[rank, m], factor, prime, inverse)
            for other in range(rows.shape[0]):
                factor = rows[other, n]
                if other != rank and factor:
                    for m in range(n, samples):
                        entry = rows[other, m] - product(factor, rows[rank, m], prime, inverse)
                        rows[other, m] = entry if entry >= 0 else entry + prime
            pivots[rank] = n
            rank += 1
            if rank == rows.shape[0]:
                break
        ranks[item] = rank
        for k in range(rank):
            # A pivot's sample is in the support if a free sample depends on it.
            entries = 0
            for m in range(samples):
                entries += rows[k, m] != 0
            support[item, pivots[k]] = entries > 1
        if labels.shape[0]:
            rest[:] = labels[item]
            for k in range(rank):
                factor = rest[pivots[k]]
                if factor:
                    for m in range(samples):
                        entry = rest[m] - product(factor, rows[k, m], prime, inverse)
                        rest[m] = entry if entry >= 0 else entry + prime
            cancels[item] = not rest.any()
