"""`A ∘ X` modulo a random prime: ranks, supports of kernels and residuals without any tolerance.

What floating point takes for a zero may be a small number. Modulo a prime `p` from above `SMALLEST_PRIME` it is zero only
if it is zero, or if `p` divides the one nonzero integer that decides, a minor of `b·A ∘ X`. An integer of `D` bits has at
most `D/60` prime factors above `2^60`, of more than `10^16` primes there, so that happens with a probability below
`D·10^-18` over the prime. The prime is drawn from a hash of the data, so no data can be made for it.

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
"""Primes are drawn from here up to twice that."""

Residues = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reduced:
    """`a·X` and `b·X` modulo a prime, for the slope a/b: what every `b·A ∘ X` is made of; each `d0 × N`."""

    prime: int
    low: Residues
    high: Residues


@dataclass(frozen=True)
class ModularKernel:
    """The kernel of one `A ∘ X` modulo a prime.

    Attributes:
        rank: never above the rank of `A ∘ X`.
        basis: of the kernel, `(N − rank) × N`, rows of residues.
        prime: the modulus.
    """

    rank: int
    basis: Residues
    prime: int

    @property
    def support(self) -> BoolArray:
        """Samples on which some vector of the kernel is not zero, N."""
        return np.asarray((self.basis != 0).any(axis=0))

    def cancels(self, labels: npt.NDArray[np.float64]) -> bool:
        """Whether every vector of the kernel is orthogonal to the labels, N, read as decimals."""
        exact = [Fraction(repr(label)) for label in labels.tolist()]
        residues = [label.numerator * pow(label.denominator, -1, self.prime) for label in exact]
        return not any(
            sum(entry * label for entry, label in zip(row, residues, strict=True)) % self.prime
            for row in self.basis.tolist()
        )


def random_prime(rng: np.random.Generator) -> int:
    """A prime drawn evenly from `SMALLEST_PRIME` to twice that; proved to be prime."""
    while True:
        candidate = int(rng.integers(SMALLEST_PRIME, 2 * SMALLEST_PRIME)) | 1
        if fmpz(candidate).is_prime():
            return candidate


def reduce(
    integers: list[list[int]] | None, rho: Fraction, shape: tuple[int, int], rng: np.random.Generator
) -> Reduced:
    """Inputs `d0 × N`, or random ones of this shape, modulo a random prime."""
    prime = random_prime(rng)
    rows = rng.integers(0, prime, shape).tolist() if integers is None else integers
    low, high = (
        np.array([[factor * entry % prime for entry in row] for row in rows], dtype=np.uint64)
        for factor in (rho.numerator, rho.denominator)
    )
    return Reduced(prime, low, high)


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
    return reduce(integers, Fraction(repr(slope)), shape, np.random.default_rng(list(digest)))


def kernel(active: BoolArray, reduced: Reduced) -> ModularKernel:
    """The kernel of `A ∘ X` modulo the prime.

    Args:
        active: pattern, `d1 × N`.
        reduced: the inputs and the slope.
    """
    echelon, rank = row_echelon(active, reduced)
    samples = active.shape[1]
    rows = np.array([int(entry) for entry in echelon.entries()[: rank * samples]], dtype=np.uint64)
    rows = rows.reshape(rank, samples)
    pivots = (rows != 0).argmax(axis=1)
    free = np.setdiff1d(np.arange(samples), pivots)
    basis = np.zeros((free.size, samples), dtype=np.uint64)
    basis[np.arange(free.size), free] = 1
    if rank:
        above = rows[:, free].T
        basis[:, pivots] = np.where(above == 0, above, np.uint64(reduced.prime) - above)
    return ModularKernel(rank, basis, reduced.prime)


def row_echelon(active: BoolArray, reduced: Reduced) -> tuple[nmod_mat, int]:
    """Reduced row echelon form of `b·A ∘ X` modulo the prime, and its rank; arguments as for `kernel`."""
    active = np.unique(active, axis=0)  # a repeated neuron has the same block of rows
    entries = np.where(active[:, None, :], reduced.high, reduced.low).ravel().tolist()
    echelon, rank = nmod_mat(active.shape[0] * reduced.low.shape[0], active.shape[1], entries, reduced.prime).rref()
    return echelon, int(rank)
