"""Ranks of `G = A ∘ X` for batches of activation patterns, with a proof for each (finite-N note, F3).

`verify.network.regions` decides ranks in floating point and says which are doubtful. Here nothing rests on a tolerance.
A rank goes through stages, the cheap ones first:

- `float`: a shifted Cholesky factorisation proves `rank G = N` (`verify.network.regions`). It can accept only.
- `modular`: the rank modulo a random prime never exceeds the rank, so it proves it where it is `min(N, d0·d1)`.
- `witness`: `rank G ≤ d0·rank A_T + |T^c|` for every set `T` of samples. With `T` the support of the kernel modulo the
  prime, and `rank A_T` over the rationals, that bound meets the rank modulo the prime from above, and proves it.
- `exact`: the rank in rational arithmetic, for given inputs that the stages before do not settle.
- `random`: what is left for inputs in general: the rank modulo the prime, which may be too small, with a stated
  probability. F3 says that this is as rare as an unlucky prime, so it is here for completeness.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import fmpz_mat, nmod_mat

from verify.network.arrangements import exact_entries
from verify.network.khatri_rao import gram
from verify.network.modular import SMALLEST_PRIME, Reduced, random_prime, reduce, row_echelon
from verify.network.regions import _full_rank
from verify.verdicts import Evidence

STAGES = ("float", "modular", "witness", "exact", "random")
FLOAT, MODULAR, WITNESS, EXACT, RANDOM = range(5)

_PRIMES_TRIED = 2
# Rosser & Schoenfeld 1962, (3.9) and Corollary 3: there are more than 3x/(5 log x) primes between x and 2x.
_PRIMES = 3 * SMALLEST_PRIME / (5 * math.log(SMALLEST_PRIME))


@dataclass(frozen=True)
class CertifiedRanks:
    """Ranks of `A ∘ X` over a batch, and what they rest on.

    Attributes:
        rank: for each pattern, `(B,)`.
        stage: index into `STAGES` of the stage that settled it, `(B,)`.
        error: probability, over the random prime and residues, that any of these ranks is too small; they are never
            too large. Zero unless the stage `random` was needed.
    """

    rank: npt.NDArray[np.intp]
    stage: npt.NDArray[np.int8]
    error: float

    @property
    def settled(self) -> dict[str, int]:
        """How many patterns each stage settled, by its name."""
        return {name: int((self.stage == number).sum()) for number, name in enumerate(STAGES)}

    @property
    def evidence(self) -> Evidence:
        """`exact` if every rank is proved, else `certified`."""
        return Evidence.CERTIFIED if (self.stage == RANDOM).any() else Evidence.EXACT


def certified_ranks(
    patterns: npt.ArrayLike,
    slope: float | Fraction,
    *,
    inputs: int | None = None,
    X: npt.ArrayLike | None = None,
    rng: np.random.Generator,
) -> CertifiedRanks:
    """Ranks of `A ∘ X`: of given inputs, or those that almost every `X` has.

    Args:
        patterns: whether `w_i·x_n > 0`, `(B, d1, N)`, of type bool.
        slope: slope ρ on the negative side; a float counts as the decimal that it prints as.
        inputs: the input dimension d0, for the rank that almost every `X` has; not together with `X`.
        X: inputs, `(d0, N)` for all patterns or `(B, d0, N)`; integers, fractions, or floats, which count as the
            binary fractions they are.
        rng: draws the prime, the residues, and the normal inputs of the first stage.

    Raises:
        ValueError: if shapes, slope or entries cannot be used.
    """
    active, rho = _patterns(patterns), _slope(slope)
    batch, width, samples = active.shape
    exact = None if X is None else _inputs(X, batch, samples)
    if (inputs is None) == (exact is None):
        raise ValueError("expected either the input dimension `inputs` or the inputs `X`, not both and not neither")
    dimension = int(exact.shape[-2]) if exact is not None else int(inputs or 0)
    if dimension < 1:
        raise ValueError(f"got an input dimension of {inputs}; expected at least 1")
    full = min(samples, dimension * width)
    rank = np.full(batch, full, dtype=np.intp)
    stage = np.full(batch, FLOAT, dtype=np.int8)
    open_ = _not_proved(active, rho, exact, dimension, rng)
    # One prime, and for one X one reduction of it, serves the whole batch; another is drawn only where it was unlucky.
    integers = _integers(exact) if exact is not None and exact.ndim == 2 else None
    modular = _reduce(integers, rho, (dimension, samples), rng)
    for item in open_.tolist():
        if exact is not None and exact.ndim == 3:
            integers = _integers(exact[item])
            modular = _reduce(integers, rho, (dimension, samples), rng)
        rank[item], stage[item] = _settle(active[item], rho, integers, modular, rng)
    random = int((stage == RANDOM).sum())
    return CertifiedRanks(rank, stage, min(1.0, random * chance_of_missing(samples, width, rho)))


def chance_of_missing(samples: int, width: int, slope: float | Fraction) -> float:
    """Probability, at most, that the rank modulo a random prime is below the one that almost every `X` has (F3).

    Schwartz–Zippel, `N/p`, and the share of primes that divide one nonzero integer of absolute value at most
    `(max(|a|, b) √d1)^N`, for the slope `a/b`.

    Args:
        samples: N.
        width: d1.
        slope: slope ρ; a float counts as the decimal that it prints as.
    """
    rho = _slope(slope)
    digits = samples * (math.log2(max(abs(rho.numerator), rho.denominator)) + math.log2(width) / 2)
    divisors = digits / math.log2(SMALLEST_PRIME)
    return samples / SMALLEST_PRIME + divisors / _PRIMES


def rank_bound(active: npt.NDArray[np.bool_], slope: Fraction, dimension: int, chosen: npt.NDArray[np.bool_]) -> int:
    """`d0·rank A_T + |T^c|`, which no rank of `A ∘ X` exceeds, whatever `X` (F3).

    Args:
        active: pattern, `d1 × N`.
        slope: slope ρ.
        dimension: input dimension d0.
        chosen: whether each sample is in `T`, N.
    """
    columns = np.where(active[:, chosen], slope.denominator, slope.numerator)
    rank = fmpz_mat(columns.tolist()).rank() if columns.size else 0
    return int(dimension * rank + (~chosen).sum())


def _not_proved(
    active: npt.NDArray[np.bool_],
    rho: Fraction,
    exact: npt.NDArray[Any] | None,
    dimension: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.intp]:
    """Positions of the patterns without a floating-point proof of `rank G = N`.

    A proof for normal inputs is one for almost all. The rounding of slope and inputs to floats is a few units in the
    last place of each product, and the shift of the factorisation has room for several times as much.
    """
    batch, width, samples = active.shape
    if dimension * width < samples:
        return np.arange(batch)
    # Inputs beyond floats are no error; the comparison in the factorisation fails for them, and they stay open.
    with np.errstate(all="ignore"):
        data = rng.standard_normal((dimension, samples)) if exact is None else _floats(exact)
        if not np.isfinite(data).all():
            return np.arange(batch)
        proved = np.zeros(batch, dtype=bool)
        step = max(1, 2**22 // (samples * max(samples, width)))
        for start in range(0, batch, step):
            part = slice(start, start + step)
            A = np.where(active[part], 1.0, float(rho))
            proved[part] = _full_rank(gram(A, data if data.ndim == 2 else data[part]), dimension + width)
    return np.flatnonzero(~proved)


def _reduce(
    integers: list[list[int]] | None, rho: Fraction, shape: tuple[int, int], rng: np.random.Generator
) -> Reduced:
    """The inputs, or random ones of this shape, modulo a random prime."""
    prime = random_prime(rng)
    return reduce(rng.integers(0, prime, shape).tolist() if integers is None else integers, rho, prime)


def _settle(
    active: npt.NDArray[np.bool_],
    rho: Fraction,
    integers: list[list[int]] | None,
    modular: Reduced,
    rng: np.random.Generator,
) -> tuple[int, int]:
    """Rank of one pattern, and the stage that settled it."""
    active = np.unique(active, axis=0)  # a repeated neuron has the same block of rows
    dimension, samples = modular.low.shape
    found = 0
    for tried in range(_PRIMES_TRIED):
        if tried:
            modular = _reduce(integers, rho, (dimension, samples), rng)
        echelon, rank = row_echelon(active, modular)
        found = max(found, rank)
        if found == min(samples, dimension * len(active)):
            return found, MODULAR
        if rank_bound(active, rho, dimension, _support(echelon, rank, samples)) == found:
            return found, WITNESS
    if integers is None:
        return found, RANDOM
    rows = [[a * x for a, x in zip(gates, row, strict=True)] for gates in _gates(active, rho) for row in integers]
    return int(fmpz_mat(rows).rank()), EXACT


def _gates(active: npt.NDArray[np.bool_], rho: Fraction) -> Iterator[list[int]]:
    """Rows of `b·A`."""
    for row in active.tolist():
        yield [rho.denominator if on else rho.numerator for on in row]


def _support(reduced: nmod_mat, rank: int, samples: int) -> npt.NDArray[np.bool_]:
    """Samples on which some vector of the kernel is not zero, from the reduced row echelon form."""
    entries = np.array([int(entry) for entry in reduced.entries()[: rank * samples]], dtype=np.uint64)
    nonzero = entries.reshape(rank, samples) != 0
    pivots = nonzero.argmax(axis=1)
    support = np.ones(samples, dtype=bool)
    support[pivots] = nonzero.sum(axis=1) > 1
    return support


def _patterns(patterns: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    active = np.asarray(patterns)
    if active.ndim != 3 or active.size == 0 or active.dtype != np.bool_:
        raise ValueError(
            f"got patterns of shape {active.shape} and type {active.dtype}; expected (B, d1, N), none of them zero, of "
            "type bool: give `W @ X > 0`"
        )
    return active


def _slope(slope: float | Fraction) -> Fraction:
    if isinstance(slope, float) and not math.isfinite(slope):
        raise ValueError(f"got slope {slope}; expected a finite number")
    rho = Fraction(repr(float(slope))) if isinstance(slope, float) else Fraction(slope)
    if max(abs(rho.numerator), rho.denominator) >= 2**31:
        raise ValueError(f"got slope {slope}; expected a fraction with numerator and denominator below 2^31: round it")
    return rho


def _inputs(X: npt.ArrayLike, batch: int, samples: int) -> npt.NDArray[Any]:
    data = np.asarray(X)
    if data.ndim not in (2, 3) or data.shape[-1] != samples or (data.ndim == 3 and len(data) != batch) or not data.size:
        raise ValueError(
            f"got X of shape {data.shape} for {batch} patterns of {samples} samples; expected (d0, {samples}) or "
            f"({batch}, d0, {samples})"
        )
    exact = exact_entries(data)
    if exact is not None:
        return exact
    if data.dtype.kind != "f" or not np.isfinite(data).all():
        raise ValueError(f"got X of type {data.dtype} with entries that are no finite numbers; expected finite numbers")
    fractions = np.empty(data.size, dtype=object)
    fractions[:] = [Fraction(entry) for entry in data.ravel().tolist()]
    return fractions.reshape(data.shape)


def _floats(exact: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    try:
        return exact.astype(np.float64)
    except OverflowError:
        return np.full(exact.shape, np.inf)


def _integers(exact: npt.NDArray[Any]) -> list[list[int]]:
    """The inputs with each sample scaled to integers, `d0 × N`: the rank stays as it was."""
    columns = []
    for column in exact.T.tolist():
        scale = math.lcm(*(entry.denominator for entry in column))
        columns.append([int(entry * scale) for entry in column])
    return [list(row) for row in zip(*columns, strict=True)]
