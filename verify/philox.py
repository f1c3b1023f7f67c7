"""Counter-based random numbers that are the same bits on every backend.

Words come from Philox4x64-10 (Salmon et al. 2011), as NumPy's bit generator makes them, written with functions of the
array-API standard, so that a GPU makes its own. Normals come from them one word each by the inverse of the normal
distribution function (Wichura 1988, AS 241), with additions, multiplications, divisions and square roots only: IEEE 754
fixes their results, where the logarithm of one library differs from that of another in the last digit. Verdicts cannot
depend on the device then.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

Array = Any

_ROUNDS = 10
_MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
_WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
_MASK = 2**64 - 1
# Top word of the counters from which normals are made; a NumPy generator with the same key has 0 there.
UPPER = 1
# Below this many the compiled loop is not worth the start of Numba.
_FEW = 2**14

# AS 241, PPND16: numerator and denominator, constant term last; for |q| <= 0.425, then for the tails in r = √(−log p)
# up to 5 and above.
SPLIT, CENTRE, SHIFT, FAR = 0.425, 0.180625, 1.6, 5.0
MIDDLE = (
    (
        2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
        1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
        5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
    ),
)  # fmt: skip
NEAR_TAIL = (
    (
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
        3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
        6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
    ),
)  # fmt: skip
FAR_TAIL = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
    ),
)  # fmt: skip
LOG2_HIGH, LOG2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # their sum is log 2; the first has 32 digits
_TERMS = 12  # of the series of log m in (m − 1)/(m + 1), at most 0.1716 in size: the next is below 1e-19


def words(key: int, start: int, count: int, xp: Any) -> Array:
    """`count` words of a Philox4x64-10 stream, as uint64 on the backend of `xp`.

    Args:
        key: of 128 bits.
        start: of the first word wanted, a multiple of 4; block `b` of four words has the counter `b + 1`, as NumPy
            counts, and `UPPER` in its top word.
        count: how many.
        xp: array namespace.

    Raises:
        ValueError: if the start is not a multiple of 4, or a number is negative.
    """
    if start % 4 or start < 0 or count < 0:
        raise ValueError(f"got words from {start}, {count} of them; expected a multiple of 4 and a number from 0")
    blocks = -(-count // 4)
    first = start // 4 + 1
    low = xp.asarray(first, dtype=xp.uint64) + xp.astype(xp.arange(blocks, dtype=xp.int64), xp.uint64)
    zero = xp.zeros(blocks, dtype=xp.uint64)
    state = (low, zero, zero, zero + xp.asarray(UPPER, dtype=xp.uint64))
    keys = key & _MASK, key >> 64
    for _ in range(_ROUNDS):
        high_0, low_0 = _multiply(_MULTIPLIERS[0], state[0], xp)
        high_1, low_1 = _multiply(_MULTIPLIERS[1], state[2], xp)
        k0, k1 = (xp.asarray(part, dtype=xp.uint64) for part in keys)
        state = ((high_1 ^ state[1]) ^ k0, low_1, (high_0 ^ state[3]) ^ k1, low_0)
        keys = (keys[0] + _WEYL[0]) & _MASK, (keys[1] + _WEYL[1]) & _MASK
    return xp.reshape(xp.stack(state, axis=-1), (4 * blocks,))[:count]


def _multiply(factor: int, words: Array, xp: Any) -> tuple[Array, Array]:
    """Upper and lower halves of the 128-bit products."""
    small = xp.asarray(2**32 - 1, dtype=xp.uint64)
    shift = xp.asarray(32, dtype=xp.uint64)
    whole, low, high = (xp.asarray(part, dtype=xp.uint64) for part in (factor, factor & (2**32 - 1), factor >> 32))
    right, left = words & small, words >> shift
    middle = left * low + ((right * low) >> shift)
    cross = right * high + (middle & small)
    return left * high + (middle >> shift) + (cross >> shift), words * whole


def normals_from(drawn: Array) -> Array:
    """A standard normal number for each 64-bit word, from its upper 52 bits.

    With `p = (k + ½)/2⁵²` for the integer `k` of these bits, the `p`-quantile; from −8.21 to 8.21, with an error of
    a few units in the last place. The same bits on every backend.
    """
    xp = array_api_compat.array_namespace(drawn)
    bits = xp.astype(drawn >> xp.asarray(12, dtype=xp.uint64), xp.int64)
    q = (xp.astype(2 * bits + 1 - 2**52, xp.float64)) * 2.0**-53  # p − ½, exactly
    r = CENTRE - q * q
    middle = q * _ratio(MIDDLE, r)
    tail = 0.5 - xp.abs(q)
    root = xp.sqrt(-_log(tail, xp))
    near = _ratio(NEAR_TAIL, root - SHIFT)
    far = _ratio(FAR_TAIL, root - FAR)
    outer = xp.where(root <= FAR, near, far)
    return xp.where(xp.abs(q) <= SPLIT, middle, xp.where(q < 0, -outer, outer))


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    numerator, denominator = (_horner(part, x) for part in coefficients)
    return numerator / denominator


def _horner(coefficients: tuple[float, ...], x: Array) -> Array:
    value = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        value = value * x + coefficient
    return value


POWERS = np.exp2(np.arange(-53.0, 1.0))
SERIES = tuple(1 / (2 * k + 1) for k in reversed(range(_TERMS)))


def _log(p: Array, xp: Any) -> Array:
    """Natural log of numbers in [2⁻⁵³, ½], from exact scaling to [1/√2, √2) and a series."""
    powers = xp.asarray(POWERS)
    index = xp.searchsorted(powers, xp.reshape(p, (-1,)), side="right") - 1
    m = p * xp.reshape(xp.take(xp.asarray(1 / POWERS), index), p.shape)
    exponent = xp.reshape(xp.astype(index, xp.float64), p.shape) - 53.0
    large = m > math.sqrt(2)
    m = xp.where(large, m * 0.5, m)
    exponent = xp.where(large, exponent + 1.0, exponent)
    s = (m - 1.0) / (m + 1.0)
    series = 2.0 * s * _horner(SERIES, s * s)
    return exponent * LOG2_HIGH + (exponent * LOG2_LOW + series)


class Normals:
    """Standard normal numbers of one stream, in order, on any backend.

    The key is that of a NumPy generator, whose own numbers have other counters: the two never meet.

    Raises:
        TypeError: if the generator is not one of Philox, whose key alone fixes a stream.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        state: Any = rng.bit_generator.state
        if state["bit_generator"] != "Philox":
            raise TypeError(f"got a generator of {state['bit_generator']}; expected one of Philox, as `stream` makes")
        low, high = (int(part) for part in state["state"]["key"])
        self.key = low | high << 64
        self.position = 0

    def take(self, count: int, xp: Any) -> Array:
        """The next `count` numbers, on the backend of `xp`."""
        start, self.position = self.position, self.position + 4 * -(-count // 4)
        return normals_from(words(self.key, start, count, xp))

    def on_host(self, count: int) -> NDArray[np.float64]:
        """The same in NumPy, from its own generator of words; many at once in a compiled loop."""
        start, self.position = self.position, self.position + 4 * -(-count // 4)
        drawn = np.random.Philox(key=self.key, counter=[start // 4, 0, 0, UPPER]).random_raw(count)
        if count < _FEW and "numba" not in sys.modules:
            return np.asarray(normals_from(drawn))
        from verify import philox_compiled

        return np.asarray(philox_compiled.normals_from(drawn))
