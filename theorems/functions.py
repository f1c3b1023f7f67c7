"""Special functions of the finite-N note as SymPy functions: typeset like in the note, evaluated in logs."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import betaln, gammaln

from verify.expressions import BoundFunction

LOG2 = math.log(2)


# Where an integrand is largest: it only says where to divide the integral.
_LEAST_ANGLE, _PEAK = 1e-300, 1e-14


class CellBound(BoundFunction):
    """`B(n; a, d)` of F9(c): bounds `E q(X)^n`, with `q` the largest cell volume of a Gaussian `X`, `d × a`."""

    nargs = 3
    template = r"B\left({0}; {1}, {2}\right)"

    def log_value(self, n: float, a: float, d: float) -> float:
        """Natural log of the bound."""
        return log_cell_bound(int(n), int(a), int(d))


class AllPositive(BoundFunction):
    """Upper bound on `Pos(m, t, d)`, the probability that a product of Gaussian matrices is positive (F9).

    The exact value wherever F9(a) has one (`m` or `t` at most 2, `d` at most 2), else the smaller of the two cell
    bounds.
    """

    nargs = 3
    template = r"\operatorname{{Pos}}\left({0}, {1}, {2}\right)"

    def log_value(self, m: float, t: float, d: float) -> float:
        """Natural log of the bound."""
        return log_all_positive(int(m), int(t), int(d))


@lru_cache(maxsize=2**16)
def log_cell_bound(n: int, a: int, d: int) -> float:
    """Natural log of `B(n; a, d)` (F9c).

    Every `q` gives a bound; the best is near the root of `(a/2+q)(d/2+q) = n ln 2 (ad/2+q)`, where the ratio of
    successive terms passes one, and the minimum is taken over the integers around it.

    Raises:
        ValueError: if an argument is below 1.
    """
    if min(n, a, d) < 1:
        raise ValueError(f"got B({n}; {a}, {d}); expected positive arguments")
    half = (a + d) / 4 - n * LOG2 / 2
    root = -half + math.sqrt(max(0.0, half**2 - a * d / 4 + n * LOG2 * a * d / 2))
    q = np.arange(max(1, math.floor(root) - 20), max(1, math.ceil(root)) + 20, dtype=np.float64)

    def rising(base: float) -> Any:
        return gammaln(base + q) - gammaln(base)

    terms = q * (np.log(q) - 1 - math.log(n * LOG2)) + rising(a / 2) + rising(d / 2) - rising(0.5) - rising(a * d / 2)
    return float(min(-n * LOG2, terms.min()))


@lru_cache(maxsize=2**16)
def log_all_positive(m: int, t: int, d: int) -> float:
    """Natural log of the bound on `Pos(m, t, d)`; exact where F9(a) has a closed form or an integral.

    Raises:
        ValueError: if an argument is below 1.
    """
    if min(m, t, d) < 1:
        raise ValueError(f"got Pos({m}, {t}, {d}); expected positive arguments")
    if min(m, t) == 1:
        return -max(m, t) * LOG2
    if d == 1:
        return (1 - m - t) * LOG2
    if d == 2:
        return (1 - m - t) * LOG2 + float(gammaln(m + 1) + gammaln(t + 1) - gammaln(m + t))
    if min(m, t) == 2:
        return _log_two_rows(max(m, t), d)
    return min(log_cell_bound(t, m, d), log_cell_bound(m, t, d))


def _log_two_rows(t: int, d: int) -> float:
    """`log ∫₀^π ((π−θ)/2π)^t sin^{d−2}θ dθ / B((d−1)/2, ½)` for `d >= 3`.

    The integrand is log-concave: it is integrated in units of its width at the maximum, from there to either side.
    """

    def log_integrand(angle: float) -> float:
        if not 0 < angle < math.pi:
            return -math.inf
        return t * math.log((math.pi - angle) / (2 * math.pi)) + (d - 2) * math.log(math.sin(angle))

    def slope(angle: float) -> float:
        return (d - 2) / math.tan(angle) - t / (math.pi - angle)

    peak = float(brentq(slope, min(1e-3, (d - 2) / t) / 10, math.pi / 2, xtol=_LEAST_ANGLE, rtol=_PEAK))
    width = (t / (math.pi - peak) ** 2 + (d - 2) / math.sin(peak) ** 2) ** -0.5
    top = log_integrand(peak)
    ends = (-peak / width, (math.pi - peak) / width)
    inside = [part for part in (-20.0, -5.0, 0.0, 5.0, 20.0, 100.0) if ends[0] < part < ends[1]]
    area, _ = quad(lambda part: math.exp(log_integrand(peak + width * part) - top), *ends, points=inside, limit=200)
    return top + math.log(area * width) - float(betaln((d - 1) / 2, 0.5))
