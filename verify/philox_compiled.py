"""The normals of `verify.philox` in one compiled loop: the same operations in the same order, so the same bits.

Imported when first needed: Numba takes a fraction of a second to start.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from verify.compiled import compiled
from verify.philox import (
    CENTRE,
    FAR,
    FAR_TAIL,
    LOG2_HIGH,
    LOG2_LOW,
    MIDDLE,
    NEAR_TAIL,
    POWERS,
    SERIES,
    SHIFT,
    SPLIT,
)

_ROOT = math.sqrt(2)
_INVERSES = 1 / POWERS
_TABLES = tuple(np.array(part) for pair in (MIDDLE, NEAR_TAIL, FAR_TAIL) for part in pair)
_MIDDLE_OVER, _MIDDLE_UNDER, _NEAR_OVER, _NEAR_UNDER, _FAR_OVER, _FAR_UNDER = _TABLES
_SERIES = np.array(SERIES)


@compiled
def _horner(coefficients: NDArray[np.float64], x: float) -> float:
    value = x * coefficients[0] + coefficients[1]
    for k in range(2, len(coefficients)):
        value = value * x + coefficients[k]
    return float(value)


@compiled
def normals_from(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """As `verify.philox.normals_from`, for a contiguous array of one axis."""
    found = np.empty(words.size)
    for place in range(words.size):
        q = float(2 * np.int64(words[place] >> np.uint64(12)) + 1 - 4503599627370496) * 2.0**-53
        if abs(q) <= SPLIT:
            r = CENTRE - q * q
            found[place] = q * (_horner(_MIDDLE_OVER, r) / _horner(_MIDDLE_UNDER, r))
            continue
        p = 0.5 - abs(q)
        _, power = math.frexp(p)
        m = p * _INVERSES[power + 52]
        exponent = float(power - 1)
        if m > _ROOT:
            m = m * 0.5
            exponent = exponent + 1.0
        s = (m - 1.0) / (m + 1.0)
        series = 2.0 * s * _horner(_SERIES, s * s)
        root = math.sqrt(-(exponent * LOG2_HIGH + (exponent * LOG2_LOW + series)))
        if root <= FAR:
            outer = _horner(_NEAR_OVER, root - SHIFT) / _horner(_NEAR_UNDER, root - SHIFT)
        else:
            outer = _horner(_FAR_OVER, root - FAR) / _horner(_FAR_UNDER, root - FAR)
        found[place] = -outer if q < 0 else outer
    return found
