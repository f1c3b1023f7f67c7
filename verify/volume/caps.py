"""Spherical caps: the volume within an angle of a direction, and the margins of random inputs (F11, F12)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, betaln

_LEAST = 1e-290  # where the incomplete beta function loses digits to underflow, its leading term bounds it from below


def log_cap(sine: NDArray[np.float64] | float, d0: int) -> NDArray[np.float64]:
    """Natural log of the probability that a uniform direction lies within angle `arcsin(sine)` of a given one.

    `½ I_{s²}((d0−1)/2, ½)` (finite-N note, F11); where that underflows, the lower bound
    `s^(d0−1) / ((d0−1) B((d0−1)/2, ½))`, so the value never exceeds the truth.

    Args:
        sine: sine of the angle, in (0, 1].
        d0: dimension, at least 2.

    Raises:
        ValueError: if `d0 < 2` or a sine is outside (0, 1].
    """
    s = np.asarray(sine, dtype=np.float64)
    if d0 < 2:
        raise ValueError(f"got d0 = {d0}; spherical caps need at least 2 dimensions")
    if not np.all((s > 0) & (s <= 1)):
        raise ValueError("got a sine outside (0, 1]; margins must be positive: a sample lies on a hyperplane")
    a = (d0 - 1) / 2
    low = (d0 - 1) * np.log(s) - math.log(d0 - 1) - betaln(a, 0.5)
    value = betainc(a, 0.5, s**2) / 2
    return np.where(value > _LEAST, np.log(np.maximum(value, _LEAST)), low)


def smallest_margin(delta: float, pairs: int, d0: int) -> float:
    """The angular margin that all of `pairs` random pairs exceed with probability at least `1 − delta` (F12).

    Solves `pairs · I_{s²}(½, (d0−1)/2) = delta`.

    Raises:
        ValueError: if `d0 < 2`, `pairs < 1` or `delta` is outside (0, 1).
    """
    if d0 < 2 or pairs < 1 or not 0 < delta < 1:
        raise ValueError(
            f"got delta = {delta}, pairs = {pairs}, d0 = {d0}; expected 0 < delta < 1, pairs >= 1, d0 >= 2"
        )
    return math.sqrt(float(betaincinv(0.5, (d0 - 1) / 2, delta / pairs)))
