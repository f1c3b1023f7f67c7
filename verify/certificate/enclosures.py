"""Pre-activations, residual and gradient of a given network, with proved bounds on the rounding of each.

Weights, inputs and labels are the binary fractions that their floats are; the slope is the decimal that it prints as.
Products of matrices run in floating point, in blocks of samples, under the a-priori bound
`|fl(Σ a_k b_k) − Σ a_k b_k| ≤ γ_n Σ|a_k b_k|`, `γ_n = n u/(1 − n u)`, which holds for every order of summation, with
and without fused operations (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1). A sign that
the bound leaves open is decided in integers, so a zero is known to be one.

All are scaled by powers of two first, which is exact, so that the largest entries are near 1 and nothing overflows.
What may get lost below the smallest float is covered by `TINY`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from flint import arb, fmpq, fmpq_mat, fmpz, fmpz_mat

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

UNIT_ROUNDOFF = 2.0**-53

TINY = 2.0**-900
"""More than everything that underflow can take from one number here: below 2^60 operations lose 2^-1074 each, times
factors below 2^100."""

SMALLEST = 2.0**-1074
"""The smallest positive float."""

NEAR_UNDERFLOW = 2.0**-1000
"""Ends below this are moved to zero, or outwards by as much: scaling them back may lose their digits."""

_FIVE_DIGITS = 5e-6  # relative half width below which an interval is shown as one number

OUTWARDS = 1 + 2.0**-20
"""Bounds on errors are sums of positive terms, computed with a relative error far below this factor's."""

BLOCK_ENTRIES = 1 << 22
"""Entries of X, or of pre-activations, handled at once: 32 MB."""

OPEN_WORK = 20_000_000
"""Multiplications of integers spent on signs that floating point leaves open: some ten seconds."""

EXACT_WORK = 2_000_000
"""Size `d0·d1·N` up to which a gradient that is zero within rounding is computed in rational arithmetic."""


def gamma(n: int) -> float:
    """A little more than Higham's `γ_n = n u/(1 − n u)`, for sums of n products; n below 2^40."""
    return OUTWARDS * n * UNIT_ROUNDOFF / (1 - n * UNIT_ROUNDOFF)


def lengths(rows: FloatArray) -> FloatArray:
    """Upper bounds on the Euclidean lengths of rows, within a factor of `OUTWARDS`."""
    return np.asarray(OUTWARDS * np.sqrt(np.einsum("ij,ij->i", rows, rows)) + TINY)


@dataclass(frozen=True)
class Interval:
    """A number between two proved ends."""

    lower: float
    upper: float

    def to_list(self) -> list[float | None]:
        """The two ends, for JSON; None where an end is infinite."""
        return [end if np.isfinite(end) else None for end in (self.lower, self.upper)]

    def __str__(self) -> str:
        if self.lower == self.upper:
            return f"{self.lower:.6g}"
        middle, half = (self.lower + self.upper) / 2, (self.upper - self.lower) / 2
        return f"{middle:.5g}" if half < _FIVE_DIGITS * abs(middle) else f"[{self.lower:.3g}, {self.upper:.3g}]"


@dataclass(frozen=True)
class Data:
    """Samples and labels, scaled by powers of two.

    Attributes:
        X: `N × d0`, one row a sample, largest entry in [1/2, 1).
        y: labels, N, at most 1.
        norms: upper bounds on the lengths of the rows of X, N.
        given: the samples before scaling, `N × d0`, for exact products.
        labels: the labels before scaling, N.
        rho: the slope.
        inputs, outputs: binary exponents: what was given is `2^inputs · X`, and `2^outputs · y`.
    """

    X: FloatArray
    y: FloatArray
    norms: FloatArray
    given: FloatArray
    labels: FloatArray
    rho: Fraction
    inputs: int
    outputs: int

    @property
    def slope(self) -> float:
        """The slope, rounded."""
        return float(self.rho)

    @property
    def steepest(self) -> float:
        """Largest factor by which a neuron stretches, `max(1, |ρ|)`."""
        return OUTWARDS * max(1.0, abs(self.slope))

    def blocks(self, width: int) -> Iterator[slice]:
        """Consecutive samples, few enough for `BLOCK_ENTRIES`."""
        N, d0 = self.X.shape
        step = max(1, BLOCK_ENTRIES // max(d0, width))
        return (slice(start, start + step) for start in range(0, N, step))

    def activations(self, W: FloatArray, given: FloatArray | None = None) -> Activations:
        """Pre-activations of a first layer, with every sign decided that can be (see `Activations`).

        Args:
            W: first layer, `d1 × d0`, largest entries about 1.
            given: the first layer before scaling, where that may have cut off what lies below the smallest float.
        """
        return _activations(self, W, W if given is None else given)

    def residual(self, z: FloatArray, found: Activations) -> tuple[FloatArray, FloatArray]:
        """`y − f(WX)ᵀz` as computed, and a bound on its error, both N.

        Where a sign is open or zero, f is continuous, so the bound holds whichever was taken.
        """
        hidden = np.where(found.active, found.products, self.slope * found.products)
        size = float(np.abs(z) @ found.norms)
        bound = gamma(found.terms + len(z) + 8) * self.steepest * size * self.norms + TINY
        e = self.y - hidden @ z
        return e, OUTWARDS * (bound + 2 * UNIT_ROUNDOFF * np.abs(e))

    def pulls(self, found: Activations, e: FloatArray, bound: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The vectors `G_i e` as computed, `d1 × d0`, and bounds on the Euclidean length of each error, d1.

        The gradient of `N·MSE` in `w_i` is `−2 z_i G_i e` and in `z_i` is `−2 w_i·G_i e` (finite-N note, F1a). The
        bounds hold for neurons whose signs are all decided.
        """
        d1 = found.active.shape[1]
        total, error = np.zeros((d1, self.X.shape[1])), np.zeros(d1)
        spread = (gamma(len(self.X) + 8) * np.abs(e) + bound) * self.norms
        for part in self.blocks(d1):
            rows = np.where(found.active[part], 1.0, self.slope)
            total += (rows * e[part, None]).T @ self.X[part]
            error += spread[part] @ np.abs(rows)
        return total, OUTWARDS**2 * error + TINY


@dataclass(frozen=True)
class Activations:
    """Pre-activations of one first layer on all samples.

    Attributes:
        products: `w_i·x_n` as computed from scaled entries, `N × d1`.
        active: whether they are positive, `N × d1`; where `open`, a guess.
        zero: whether they are exactly zero, `N × d1`.
        open: whether the sign could not be decided within `OPEN_WORK`, `N × d1`.
        norms: upper bounds on the lengths `‖w_i‖`, d1.
        lower, upper: ends of the least angular margin `min_n |w_i·x_n|/(‖w_i‖‖x_n‖)`, the sine of the angle to the
            nearest hyperplane, d1; zero for a neuron with `w_i = 0`.
        nearest: a sample at which that margin is taken, d1.
        terms: number of terms in each product.
    """

    products: FloatArray
    active: BoolArray
    zero: BoolArray
    open: BoolArray
    norms: FloatArray
    lower: FloatArray
    upper: FloatArray
    nearest: npt.NDArray[np.intp]
    terms: int

    @property
    def decided(self) -> BoolArray:
        """Whether all pre-activations of a neuron are known to be nonzero, d1."""
        return np.asarray(~(self.zero | self.open).any(axis=0))


def scaled(
    W: FloatArray, z: FloatArray, X: FloatArray, y: FloatArray, rho: Fraction
) -> tuple[Data, FloatArray, FloatArray]:
    """The data and the network in scaled units, in which rows of W have their largest entry in [1/2, 1).

    Args:
        W: first layer, `d1 × d0`.
        z: second layer, d1.
        X: samples, `N × d0`, one row a sample.
        y: labels, N.
        rho: slope.
    """
    inputs = int(np.frexp(np.abs(X).max())[1])
    rows = np.frexp(np.abs(W).max(axis=1))[1].astype(np.int64)
    mantissas, exponents = np.frexp(z)
    exponents = exponents.astype(np.int64) + rows
    used = exponents[(z != 0) & W.any(axis=1)]
    labels = np.frexp(np.abs(y).max())[1] - inputs if y.any() else None
    sizes = [int(used.max())] if used.size else []
    common = max([*sizes, int(labels)] if labels is not None else sizes, default=0)
    X_scaled = X if inputs == 0 else np.ldexp(X, -inputs)
    data = Data(
        X=X_scaled,
        y=np.ldexp(np.frexp(y)[0], np.frexp(y)[1] - inputs - common),
        norms=lengths(X_scaled),
        given=X,
        labels=y,
        rho=rho,
        inputs=inputs,
        outputs=inputs + common,
    )
    # A neuron with w_i = 0 does nothing, whatever its z_i.
    z_scaled = np.where(W.any(axis=1), np.ldexp(mantissas, np.minimum(exponents - common, 0)), np.sign(z))
    return data, np.ldexp(W, -rows[:, None]), z_scaled


def sum_of_squares(values: FloatArray, bound: FloatArray) -> Interval:
    """`Σ v²` for all v within `bound` of `values`."""
    low, high = np.maximum(np.abs(values) - bound, 0), np.abs(values) + bound
    return Interval(float(low @ low) / OUTWARDS, float(high @ high) * OUTWARDS + TINY)


def unscaled(interval: Interval, exponent: int, divisor: int = 1) -> Interval:
    """`2^exponent / divisor` times an interval, rounded outwards to floats, the upper end to infinity if it must be."""
    low, high = (float(np.ldexp(end / divisor, exponent)) for end in (interval.lower, interval.upper))
    # A product that is no normal float may be rounded by as much as itself.
    low = min(low, np.finfo(np.float64).max) / OUTWARDS if low > NEAR_UNDERFLOW else 0.0
    return Interval(low, high * OUTWARDS + NEAR_UNDERFLOW * (interval.upper > 0))


def exact_pulls(W: FloatArray, z: FloatArray, data: Data, active: BoolArray) -> tuple[list[fmpq], fmpq_mat] | None:
    """The residual (N) and the vectors `G_i e` (`d1 × d0`) in rational arithmetic; None above `EXACT_WORK`.

    Args:
        W: first layer as given, `d1 × d0`.
        z: second layer as given, d1.
        data: the samples and labels.
        active: whether `w_i·x_n > 0`, `N × d1`, exact but where it is zero.
    """
    (d1, d0), N = W.shape, len(data.y)
    if d0 * d1 * N > EXACT_WORK:
        return None
    X, first = _rational(data.given), _rational(W)
    rho = fmpq(data.rho.numerator, data.rho.denominator)
    gates = fmpq_mat([[fmpq(1) if on else rho for on in row] for row in active.tolist()])  # N × d1
    products = X * first.transpose()
    second, labels = _rational(z[None, :]), _rational(data.labels[None, :])
    e = [
        labels[0, n] - sum((gates[n, i] * products[n, i] * second[0, i] for i in range(d1)), fmpq(0)) for n in range(N)
    ]
    weighted = fmpq_mat([[gates[n, i] * e[n] for n in range(N)] for i in range(d1)])
    return e, weighted * X


def _activations(data: Data, W: FloatArray, given: FloatArray) -> Activations:
    (N, d0), d1 = data.X.shape, len(W)
    norms = lengths(W)
    null = ~given.any(axis=1)
    products = np.empty((N, d1))
    open_, zero = np.zeros((N, d1), dtype=bool), np.zeros((N, d1), dtype=bool)
    zero[:, null] = True
    lower, upper = np.full(d1, np.inf), np.full(d1, np.inf)
    nearest = np.zeros(d1, dtype=np.intp)
    active = np.empty((N, d1), dtype=bool)
    for part in data.blocks(d1):
        products[part] = data.X[part] @ W.T
        scale = np.outer(data.norms[part], norms)
        bound = gamma(d0) * scale + TINY
        size = np.abs(products[part])
        active[part] = products[part] > 0
        open_[part] = (size <= bound) & ~zero[part]
        low, high = (size - bound) / scale, (size + bound) / scale
        low[open_[part] | zero[part]] = high[open_[part] | zero[part]] = np.inf
        first = low.argmin(axis=0)
        better = low[first, np.arange(d1)] < lower
        nearest[better] = first[better] + part.start
        lower, upper = np.minimum(lower, low.min(axis=0)), np.minimum(upper, high.min(axis=0))
    lower, upper = lower / OUTWARDS, np.minimum(upper * OUTWARDS**3, 1.0)
    left = OPEN_WORK
    for i in np.flatnonzero(open_.any(axis=0)).tolist():
        samples = np.flatnonzero(open_[:, i])
        whole = _products_are_exact(data, samples, W[i], given[i], data.norms[samples] * norms[i])
        settled = samples[whole]
        zero[settled, i] = products[settled, i] == 0
        rest = np.setdiff1d(samples, settled[zero[settled, i]])
        count = min(rest.size, left // d0)
        left -= count * d0
        rest, undecided = rest[:count], rest[count:]
        open_[:, i] = False
        open_[undecided, i] = True
        for n, sine in zip(rest.tolist(), _sines(given[i], data.given[rest]), strict=True):
            zero[n, i], active[n, i] = sine == 0, sine > 0
            least = float(abs(sine).lower()) / OUTWARDS
            if least < lower[i]:
                lower[i], nearest[i] = least, n
            upper[i] = min(upper[i], float(abs(sine).upper()) * OUTWARDS + SMALLEST)
        if zero[:, i].any() or undecided.size:
            lower[i] = 0.0
            nearest[i] = int(np.argmax(zero[:, i] | open_[:, i]))
        if zero[:, i].any():
            upper[i] = 0.0
    lower[null] = upper[null] = 0.0
    active &= ~zero
    return Activations(products, active, zero, open_, norms, lower, upper, nearest, d0)


def _last_bits(rows: FloatArray) -> npt.NDArray[np.int64]:
    """For each row the exponent of the lowest bit that is set in any entry: all are multiples of 2 to that power."""
    mantissas, exponents = np.frexp(rows)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    bits = np.where(rows != 0, exponents.astype(np.int64) - 53 + lowest, np.iinfo(np.int64).max // 4)
    return np.asarray(bits.min(axis=1))


def _products_are_exact(
    data: Data, samples: npt.NDArray[np.intp], w: FloatArray, given: FloatArray, sizes: FloatArray
) -> BoolArray:
    """Whether each product was computed without any rounding: integers below 2^53, times a power of two.

    Every partial sum of `Σ |w_j x_j| ≤ ‖w‖‖x‖`, at most `sizes`, is then such an integer too. Units above 2^-1000 mean
    that scaling cut nothing off.
    """
    scale = int(np.frexp(np.abs(given).max())[1]) - int(np.frexp(np.abs(w).max())[1])
    unit = _last_bits(data.given[samples]) - data.inputs
    unit_w = int(_last_bits(given[None, :])[0]) - scale
    exact = (np.log2(sizes) < 52 + unit + unit_w) & (unit + unit_w > -1000) & (unit > -1000)
    return np.asarray(exact & (unit_w > -1000))


def _sines(w: FloatArray, X: FloatArray) -> list[arb]:
    """`w·x_n/(‖w‖‖x_n‖)` for some samples (rows of X): each a ball that contains it, exactly zero only if it is."""
    row = fmpz_mat([_integers(w)])
    length = arb(sum((entry**2 for entry in row.entries()), fmpz(0))).sqrt()
    sines = []
    for x in X:
        column = fmpz_mat([_integers(x)])
        product = (row * column.transpose())[0, 0]
        square = sum((entry**2 for entry in column.entries()), fmpz(0))
        sines.append(arb(product) / (length * arb(square).sqrt()) if product else arb(0))
    return sines


def _integers(values: FloatArray) -> list[int]:
    """The entries times one power of two that makes all of them integers."""
    mantissas, exponents = np.frexp(values)
    whole = np.ldexp(mantissas, 53).astype(np.int64).tolist()
    least = int(exponents[values != 0].min())
    shifts = (exponents.astype(np.int64) - least).tolist()
    return [entry << shift if entry else 0 for entry, shift in zip(whole, shifts, strict=True)]


def _rational(values: FloatArray) -> fmpq_mat:
    return fmpq_mat([[fmpq(*entry.as_integer_ratio()) for entry in row] for row in values.tolist()])
