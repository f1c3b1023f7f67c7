"""`A ∘ X` modulo a random prime: ranks, supports of kernels and residuals without any tolerance.

What floating point takes for a zero may be a small number. Modulo a prime it is zero only if it is zero, or if the
prime divides the one nonzero integer that decides, a minor of `b·A ∘ X`. An integer of `D` bits has at most `D/49`
prime factors above 2^49, of more than 10^13 primes there (Rosser & Schoenfeld 1962), so that happens with a probability
below `D·2·10^-15` over the prime. The prime is drawn from a hash of the data, so no data can be made for it.

Inputs and slope count as the decimals that they print as, as they do for exact volumes.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from flint import fmpz, nmod_mat

SMALLEST_PRIME = 2**60
"""Primes for certified ranks are drawn from here up to twice that."""

FAST_PRIME = 2**49
"""Those for comparisons with floating point, of which there are many; `verify.network.elimination` needs less than
2^50."""

Residues = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reduced:
    """`a·X` and `b·X` modulo a prime, for the slope a/b: what every `b·A ∘ X` is made of; each `d0 × N`."""

    prime: int
    low: Residues
    high: Residues


@dataclass(frozen=True)
class ModularKernels:
    """Kernels of some `A ∘ X` modulo a prime.

    Attributes:
        rank: never above the rank of `A ∘ X`, `(K,)`.
        support: samples on which some vector of the kernel is not zero, `(K, N)`.
        cancels: whether every vector of the kernel is orthogonal to the labels, where there were any, `(K,)`.
    """

    rank: Residues
    support: BoolArray
    cancels: BoolArray


def kernels(active: BoolArray, reduced: Reduced, labels: npt.NDArray[np.float64] | None = None) -> ModularKernels:
    """The kernels of a batch of patterns.

    Args:
        active: patterns, `(K, d1, N)`.
        reduced: inputs and slope, by `reduced_floats`.
        labels: `(K, N)`, read as decimals.
    """
    from verify.network.elimination import kernels_modulo

    count, _, samples = active.shape
    residues: Residues = np.zeros((0, samples), dtype=np.int64)
    if labels is not None:
        values, places = np.unique(labels, return_inverse=True)
        residues = _residues(values.tolist(), reduced.prime)[places].reshape(labels.shape)
    found = ModularKernels(np.zeros(count, dtype=np.int64), np.zeros((count, samples), bool), np.zeros(count, bool))
    kernels_modulo(
        np.ascontiguousarray(active), reduced.low, reduced.high, residues, reduced.prime, found.rank, found.support,
        found.cancels,
    )  # fmt: skip
    return found


@dataclass(frozen=True)
class ModularResidual:
    """Of one region modulo a prime: the rank of `A ∘ X`, and where residual `P y` and target `y − P y` are zero, N."""

    rank: int
    residual_zero: BoolArray
    target_zero: BoolArray


def residual(active: BoolArray, reduced: Reduced, labels: npt.NDArray[np.float64]) -> ModularResidual | None:
    """The residual that labels leave in a region, `B (BᵀB)⁻¹ Bᵀ y` for a basis `B` of the kernel.

    Args:
        active: pattern, `d1 × N`.
        reduced: inputs and slope.
        labels: N, read as decimals.

    Returns:
        None where the prime is unlucky: `BᵀB` is singular modulo it.
    """
    echelon, rank = row_echelon(active, reduced)
    samples, prime = active.shape[1], reduced.prime
    rows = [[int(echelon[i, n]) for n in range(samples)] for i in range(rank)]
    pivots = [next(n for n in range(samples) if row[n]) for row in rows]
    free = [n for n in range(samples) if n not in pivots]
    target = nmod_mat(samples, 1, _residues(labels.tolist(), prime).tolist(), prime)
    rest = nmod_mat(samples, 1, prime)
    if free:
        place = {pivot: i for i, pivot in enumerate(pivots)}
        entries = [-rows[place[n]][f] if n in place else int(n == f) for n in range(samples) for f in free]
        basis = nmod_mat(samples, len(free), [entry % prime for entry in entries], prime)
        gram = basis.transpose() * basis
        if int(gram.det()) == 0:
            return None
        rest = basis * gram.solve(basis.transpose() * target)
    kept = target - rest
    zeros = (np.array([int(column[n, 0]) == 0 for n in range(samples)]) for column in (rest, kept))
    return ModularResidual(rank, *zeros)


def _residues(values: list[float], prime: int) -> Residues:
    exact = [Fraction(repr(value)) for value in values]
    return np.array([value.numerator * pow(value.denominator, -1, prime) % prime for value in exact], dtype=np.int64)


def random_prime(rng: np.random.Generator, smallest: int = SMALLEST_PRIME) -> int:
    """A prime drawn evenly from `smallest` to twice that; proved to be prime."""
    while True:
        candidate = int(rng.integers(smallest, 2 * smallest)) | 1
        if fmpz(candidate).is_prime():
            return candidate


def reduce(integers: list[list[int]], rho: Fraction, prime: int) -> Reduced:
    """Inputs `d0 × N` modulo a prime."""
    low, high = (
        np.array([[factor * entry % prime for entry in row] for row in integers], dtype=np.int64)
        for factor in (rho.numerator, rho.denominator)
    )
    return Reduced(prime, low, high)


def rank(residues: Residues, prime: int) -> int:
    """Rank of a matrix of residues modulo a prime below 2^50."""
    from verify.network.elimination import rank_modulo

    return int(rank_modulo(np.array(residues, order="C"), prime))


def reduced_floats(X: npt.NDArray[np.float64], slope: float) -> Reduced:
    """Inputs `d0 × N` and slope, read as the decimals that they print as, modulo a prime that their hash draws."""
    return _reduced_bytes(np.ascontiguousarray(X).tobytes(), X.shape, slope)


@lru_cache(maxsize=4)  # a run asks for the same data once a chunk
def _reduced_bytes(data: bytes, shape: tuple[int, int], slope: float) -> Reduced:
    digest = hashlib.sha256(data + repr((shape, slope)).encode()).digest()
    entries = np.frombuffer(data, dtype=np.float64).reshape(shape).tolist()
    exact = [[Fraction(repr(entry)) for entry in row] for row in entries]
    # One factor for all entries: kernels, and not only ranks, stay as they were.
    scale = math.lcm(*(entry.denominator for row in exact for entry in row))
    integers = [[int(entry * scale) for entry in row] for row in exact]
    return reduce(integers, Fraction(repr(slope)), random_prime(np.random.default_rng(list(digest)), FAST_PRIME))


def row_echelon(active: BoolArray, reduced: Reduced) -> tuple[nmod_mat, int]:
    """Reduced row echelon form of `b·A ∘ X` modulo the prime, for one pattern `d1 × N`, and its rank."""
    active = np.unique(active, axis=0)  # a repeated neuron has the same block of rows
    entries = np.where(active[:, None, :], reduced.high, reduced.low).ravel().tolist()
    echelon, rank = nmod_mat(active.shape[0] * reduced.low.shape[0], active.shape[1], entries, reduced.prime).rref()
    return echelon, int(rank)
