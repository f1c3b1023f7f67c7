"""Numbers of F19, evaluated so that what is returned is an upper bound despite rounding.

Every quantity is a log of sums and products of positive numbers. Parameters (exponents of Markov's inequality, grids,
sizes of subsets) are chosen in floating point, for any choice gives a bound. What is computed from them is raised by
`SLACK` times the sum of the absolute values of all that was added up: NumPy and SciPy are trusted to evaluate `log`,
`exp`, `gammaln` and `log_ndtr` to a relative error of 1e-14, which the tests compare with ball arithmetic, and a sum of
doubles has a smaller relative error than that in terms of its absolute values. `Pos(2, t, d)` is an integral, enclosed
by ball arithmetic; `H_n` is a trapezoidal sum with a proved error (docs/math/finite-n.md, F19).
"""

from __future__ import annotations

import math
from functools import lru_cache

import flint
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, log_ndtr

from theorems.functions import LOG2, log_cell_bound
from verify.expressions import BoundFunction

Floats = NDArray[np.float64]

SLACK = 1e-13
# Relative error of the trapezoidal sum of `H_n`, and of what is cut off, is 6e-11 at most.
_STEP_ERROR = 1e-10
_INACTIVE_ROUNDING = 1e-12  # of each of n factors, and of a thousand operations beside them
# Where the tail of the top singular value is bounded, in logs of the level at which the spectrum is cut: one choice of
# exponents serves a coarse cell, `H_n` is computed on the nodes, and both are interpolated between them.
COARSE = np.concatenate([0.08 * np.arange(25), 2 + 0.2 * np.arange(5)])
PER_CELL, PER_NODE = 4, 12
_CELLS = COARSE[:-1, None] + np.diff(COARSE)[:, None] * np.arange(PER_CELL + 1) / PER_CELL
LOG_NODES = np.append(_CELLS[:, :-1].ravel(), COARSE[-1])
_SHARES = np.arange(PER_NODE) / PER_NODE
LOG_FINE = np.append((LOG_NODES[:-1, None] + np.diff(LOG_NODES)[:, None] * _SHARES).ravel(), LOG_NODES[-1])
# Below this size the averaged cell bound F9(c) can be the better one.
SMALL = 12
FACTORS = (0.25, 0.35, 0.5, 0.65, 0.8, 0.92, 1.05, 1.2, 1.4, 1.7)
# Counts of rows in order are tabulated up to these sizes; beyond, the closed form of the count serves.
MOST_ROWS, MOST_RANK = 120, 8


class RowForm(BoundFunction):
    """Least bound on `P(|T*| >= t, rank A_T* <= r)` from the rows of `A_S`, over sizes of `S` and numbers of rows.

    Arguments: `r`, `t`, `N`, `d0`, `d1`, `ρ`. It depends on `ρ` only through whether it is 0, −1 or neither.
    """

    nargs = 6
    template = r"R_{{{0}}}\left({1}; {2}, {3}, {4}, {5}\right)"

    def log_value(self, r: float, t: float, n: float, d0: float, d1: float, rho: float) -> float:
        """Natural log of the bound."""
        return log_row_form(int(r), int(t), int(n), int(d0), int(d1), kind(rho))


class ColumnForm(BoundFunction):
    """Least bound on `P(|T*| >= t, rank A_T* <= r)` from the columns of `A_S`, independent given `W`; as `RowForm`."""

    nargs = 6
    template = r"C_{{{0}}}\left({1}; {2}, {3}, {4}, {5}\right)"

    def log_value(self, r: float, t: float, n: float, d0: float, d1: float, rho: float) -> float:
        """Natural log of the bound."""
        return log_column_form(int(r), int(t), int(n), int(d0), int(d1), kind(rho))


class Inactive(BoundFunction):
    """Bound on the probability that at least `t` of `N` samples activate none of the neurons (`ρ = 0`, rank 0).

    Arguments: `t`, `N`, `d0`, `d1`.
    """

    nargs = 4
    template = r"Z\left({0}; {1}, {2}, {3}\right)"

    def log_value(self, t: float, n: float, d0: float, d1: float) -> float:
        """Natural log of the bound."""
        return log_inactive(int(t), int(n), int(d0), int(d1))


def kind(rho: float) -> int:
    """0 for `ρ = 0`, −1 for `ρ = −1` (complementary patterns are multiples of each other), 1 for other slopes."""
    return int(rho) if rho in (0, -1) else 1


def log_total(logs: Floats, axis: int = -1) -> Floats:
    """Natural log of the sum of exponentials along an axis."""
    top = logs.max(axis=axis, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        sums: Floats = np.log(np.exp(logs - shift).sum(axis=axis))
    return sums + shift.squeeze(axis)


# The largest probability of a sign pattern of a Gaussian matrix, (a) and (b)


@lru_cache(maxsize=4096)
def log_tilted(n: float) -> tuple[Floats, Floats]:
    """Upper bounds on `log H_n`, increasing and at most `log ½`, on the nodes and between them.

    On the nodes, and for integers `n`, by a trapezoidal sum: with step `h` it is off by a factor of at most
    `1 ± 2.01 exp(−2π²/(hx)²)`, 6e-11 here, and what is cut off is below `2 e^{−30} 2^{−n}`, 2e-13 of the whole. For
    other `n` the logs at the integers around it are interpolated (Lyapunov's inequality), and between the nodes by
    convexity: `log H_n - ½ log β` is convex in `β = n/(2(x² − 1))`.

    Raises:
        ValueError: if `n < 1`.
    """
    if n < 1:
        raise ValueError(f"got H_{n}; expected a positive index")
    squares = np.expm1(2 * LOG_NODES) / n
    logs = np.empty(len(LOG_NODES))
    for start in range(0, len(LOG_NODES), PER_CELL):
        chosen = slice(start, start + PER_CELL)
        step = 0.9 / math.exp(LOG_NODES[chosen][-1])
        points = np.arange(-8 - step, math.sqrt(2 * (30 + math.ceil(n) * LOG2)) + 2 * step, step)
        heights = log_ndtr(np.sqrt(squares[chosen])[:, None] * points)
        below, above = (log_total(power * heights - points**2 / 2) for power in (math.floor(n), math.ceil(n)))
        logs[chosen] = below + (n - math.floor(n)) * (above - below) + math.log(step) - math.log(2 * math.pi) / 2
    logs += _STEP_ERROR + SLACK * (n + 100)
    # In the first cell β is unbounded: the value at its end serves all of it, as H_n increases.
    inverse = 1 / squares[1:]
    convex = logs[1:] - np.log(inverse) / 2
    between = n / np.expm1(2 * LOG_FINE[PER_NODE:])
    fine = np.interp(-between, -inverse, convex) + np.log(between) / 2 + SLACK * (n + 100)
    fine = np.concatenate([logs[:1], np.full(PER_NODE - 1, logs[1]), fine])
    fine[1:] = np.minimum(fine[1:], np.repeat(logs[1:], PER_NODE))
    nodes, dense = (np.minimum(np.maximum.accumulate(values), -LOG2) for values in (logs, fine))
    return nodes, dense


class Spectrum:
    """Bounds (b) on the tails of `x_n` for a Gaussian `m × d` matrix, and what follows for its patterns."""

    def __init__(self, m: int, d: int) -> None:
        self.m, self.d = min(m, d), max(m, d)
        # The Marchenko–Pastur value of ‖W‖_F²/‖W‖_op², near which the best n is found.
        typical = m * d / (math.sqrt(m) + math.sqrt(d)) ** 2
        tried: set[float] = {round(typical * factor) for factor in FACTORS}
        if self.m <= SMALL:
            tried |= {half / 2 for half in range(3, 16)}
        self.orders = sorted(n for n in tried if 1 < n < self.m)
        self.cells = np.array([log_tilted(n)[0] for n in self.orders]).reshape(-1, len(LOG_NODES))
        self.fine_cells = np.array([log_tilted(n)[1] for n in self.orders]).reshape(-1, len(LOG_FINE))
        self.tails, self.fine_tails = self._tails()

    def _tails(self) -> tuple[Floats, Floats]:
        """Upper bounds on `log P(x_n >= x)`, one row for each order: on the nodes, and between them.

        With the exponents fixed, the bound is a sum of powers of `x`, and so log-convex in `log x`.
        """
        if not self.orders:
            return np.empty((0, len(LOG_NODES))), np.empty((0, len(LOG_FINE)))
        m, d = self.m, self.d
        total = m + d
        q = _integers((m - 1) * (d - 1), 20)  # twice the exponents
        p = _integers(4 * total, 9)
        k = np.arange(1, math.ceil(max(self.orders)))
        freedom = (m - k) * (d - k)
        table = np.cumsum(gammaln(np.maximum(np.arange(d + 1), 1) / 2).astype(np.longdouble))
        weights = np.arange(total + max(int(q[-1]), int(p[-1])) + 2)
        moment = (weights - 1) / 2 * LOG2 + gammaln((weights + 1) / 2)
        every_other = np.zeros(len(weights) + 2, dtype=np.longdouble)
        every_other[2::2] = np.cumsum(moment[0::2].astype(np.longdouble))[: len(every_other[2::2])]
        every_other[3::2] = np.cumsum(moment[1::2].astype(np.longdouble))[: len(every_other[3::2])]
        constant = (k - (m * d - freedom) / 2) * LOG2 + k / 2 * math.log(math.pi)
        constant = constant - (table[d] - table[d - k]) - (table[m] - table[m - k])
        product = every_other[total - 2 + p][None, :] - every_other[np.maximum(total - 2 * k[:, None] + p, 0)]
        product = np.where(k[:, None] > 1, product, 0)
        Q = q[None, :, None] + (k[:, None, None] - 1) * p
        valid = freedom[:, None, None] > Q
        chi = gammaln(np.where(valid, freedom[:, None, None] - Q, 1) / 2) - gammaln(freedom / 2)[:, None, None]
        fixed = np.asarray(constant[:, None] + product, dtype=np.float64)[:, None, :] + moment[total - 2 + q][:, None]
        fixed = np.where(valid, fixed + chi, np.inf)
        size = float(every_other[-1] + every_other[-2] + 4 * table[-1]) + 4 * float(gammaln(m * d / 2 + 2)) + total**2
        nodes = np.empty((len(self.orders), len(LOG_NODES)))
        fine = np.empty((len(self.orders), len(LOG_FINE)))
        for row, n in enumerate(self.orders):
            top = math.ceil(n) - 1
            by_q = (fixed[:top] + Q[:top] / 2 * np.log((n - k[:top]) / 2)[:, None, None]).min(axis=2)
            # The best exponents at the start of each coarse cell serve all of it.
            best = (by_q[:, :, None] - q[:, None] * COARSE[:-1]).argmin(axis=1)
            constants = np.take_along_axis(by_q, best, axis=1)
            logs = log_total(constants[:, :, None] - q[best][:, :, None] * _CELLS, axis=0)
            dense = logs[:, :-1, None] + np.diff(logs, axis=1)[:, :, None] * _SHARES
            nodes[row] = np.append(logs[:, :-1].ravel(), logs[-1, -1])
            fine[row] = np.append(dense.ravel(), logs[-1, -1])
        first, second = (
            np.minimum(np.minimum.accumulate(tails, axis=1) + SLACK * size, 0.0) for tails in (nodes, fine)
        )
        return first, second

    def log_power(self, exponents: NDArray[np.int64]) -> Floats:
        """Natural logs of bounds on `E q(W)^e` for each exponent `e >= 0`; also on `E q(W)^e` for the transpose."""
        return self.log_capped(np.full(len(exponents), -np.inf), exponents)

    def log_capped(self, factors: Floats, exponents: NDArray[np.int64]) -> Floats:
        """Natural logs of bounds on `E min(1, c q(W)^e)`, `c` the exponential of each factor; −inf: no cap, `c = 1`."""
        free = np.isneginf(factors)
        offset = np.where(free, 0.0, factors)[:, None, None]
        most = np.where(free, np.inf, 0.0)[:, None, None]
        e = exponents[:, None, None]
        last = np.minimum(most, offset - e * LOG2)
        simple: Floats = last[:, 0, 0]
        if not self.orders:
            trivial: Floats = simple + SLACK * (np.abs(offset[:, 0, 0]) + exponents)
            return trivial
        rough = _layers(np.minimum(most, offset + e * self.cells), last, self.tails)
        row = rough.argmin(axis=1)
        low = np.minimum(most[..., 0], offset[..., 0] + e[..., 0] * self.fine_cells[row])
        found = np.minimum(_layers(low, last[..., 0], self.fine_tails[row]), simple)
        raised: Floats = found + SLACK * (np.abs(offset[:, 0, 0]) + exponents * (1 + np.abs(self.cells).max()) + 10)
        return raised


def _layers(low: Floats, last: Floats, tails: Floats) -> Floats:
    """Log of `φ_0 + Σ (φ_{i+1} − φ_i) P_i`, with `φ` increasing along the last axis up to `last`."""
    high = np.concatenate([low[..., 1:], np.broadcast_to(last, (*low.shape[:-1], 1))], axis=-1)
    with np.errstate(divide="ignore"):
        rises = high + np.log(-np.expm1(low - high)) + tails
    return log_total(np.concatenate([low[..., :1], rises], axis=-1))


@lru_cache(maxsize=4096)
def spectrum(m: int, d: int) -> Spectrum:
    """The bounds for a Gaussian `m × d` matrix; they depend on the two sizes, not on their order."""
    return Spectrum(m, d) if m <= d else spectrum(d, m)


def _integers(most: int, count: int) -> NDArray[np.int64]:
    """About `2 count` integers from 0 to `most`: the first ones, then evenly in logs."""
    start = min(most, count // 2)
    spaced = np.geomspace(max(1, start), max(2, most), count)
    return np.unique(np.concatenate([np.arange(start + 1), np.round(spaced)])).astype(np.int64)


# All-positive products, and sums over patterns


@lru_cache(maxsize=2**14)
def log_two_rows(t: int, d: int) -> float:
    """Natural log of an upper bound on `Pos(2, t, d)`, `d >= 2`: the integral of F9(a), enclosed by ball arithmetic."""
    peak = min(math.pi * (d - 2) / (t + d - 2), math.pi / 2)  # near the maximum; any scale would do
    scale = t * math.log((math.pi - peak) / (2 * math.pi)) + ((d - 2) * math.log(math.sin(peak)) if d > 2 else 0.0)
    before = flint.ctx.prec
    flint.ctx.prec = 80
    try:
        pi, shift = flint.acb.pi(), flint.acb(-scale).exp()
        area = flint.acb.integral(
            lambda angle, _: shift * ((pi - angle) / (2 * pi)) ** t * angle.sin() ** (d - 2),
            flint.acb(0),
            pi,
            abs_tol=flint.arb(2) ** -60,
            rel_tol=flint.arb(2) ** -50,
        ).real
        half = flint.arb(d) / 2
        beta = (half - 0.5).lgamma() + flint.arb(0.5).lgamma() - half.lgamma()
        return _above(area.abs_upper().log() + flint.arb(scale) - beta)
    finally:
        flint.ctx.prec = before


def _above(ball: flint.arb) -> float:
    """A float above every number of the ball."""
    middle, radius = float(ball.mid()), float(ball.rad())
    return middle + radius + SLACK * (abs(middle) + radius)


@lru_cache(maxsize=2**16)
def log_positive(m: int, t: int, d: int) -> float:
    """Natural log of an upper bound on `Pos(m, t, d)`: exact where F9(a) has it, else the least of F9(c) and (a)–(b).

    Raises:
        ValueError: if an argument is below 1.
    """
    if min(m, t, d) < 1:
        raise ValueError(f"got Pos({m}, {t}, {d}); expected positive arguments")
    if min(m, t) == 1 or d == 1:
        return (1 - m - t if d == 1 else -max(m, t)) * LOG2 * (1 - SLACK)
    if d == 2:
        parts = (m + t) * LOG2, math.lgamma(m + 1), math.lgamma(t + 1), math.lgamma(m + t)
        return LOG2 - parts[0] + parts[1] + parts[2] - parts[3] + SLACK * sum(parts)
    if min(m, t) == 2:
        return log_two_rows(max(m, t), d)
    tilted = (float(spectrum(a, d).log_power(np.array([b]))[0]) for a, b in ((m, t), (t, m)))
    return min(log_cells(t, m, d), log_cells(m, t, d), *tilted)


def log_cells(n: int, a: int, d: int) -> float:
    """`log B(n; a, d)` of F9(c), raised by its rounding error."""
    return log_cell_bound(n, a, d) + SLACK * 8 * math.lgamma(a * d + 2 * n + 50)


@lru_cache(maxsize=2**16)
def log_pattern_sum(e: int, s: int, d: int) -> float:
    """Natural log of an upper bound on `E Σ_v p_v^e` over the sign patterns of `s` hyperplanes in `d` dimensions."""
    if e == 1:
        return 0.0
    powers = float(spectrum(s, d).log_power(np.array([e - 1]))[0])
    return min(s * LOG2 * (1 + SLACK) + log_positive(e, s, d), powers, log_cells(e - 1, s, d))


# Counting rows in order, (c) and (g)


def log_count(K: int, r: int, slope: int) -> float:
    """Natural log of `g(K, r)`, the number of ways in which `K - r` rows can lie in spans of `r` before them."""
    if slope:
        return (K - r) * LOG2 + _log_subspaces(K - 1, r - 1)
    return _log_subspaces(K, r)


@lru_cache(maxsize=2**16)
def _log_subspaces(K: int, r: int) -> float:
    """Upper bound on the log of the Gaussian binomial coefficient of base 2."""
    r = min(r, K - r)
    ratios = sum(math.log1p(-(2.0 ** (i - K))) - math.log1p(-(2.0 ** (i - r))) for i in range(r))
    return r * (K - r) * LOG2 + ratios + SLACK * (r * (K - r) + r + 1)


@lru_cache(maxsize=3)
def _counts(slope: int) -> list[list[Floats]]:
    """`[r][K]`: logs of the numbers of ways with `D` rows that repeat none of the chosen ones, `D = 0 … K - r`."""
    same = 2 if slope == -1 else 1
    tables: list[list[Floats]] = [[np.full(1, -np.inf)] * (MOST_ROWS + 1) for _ in range(MOST_RANK + 1)]
    tables[0][0] = np.zeros(1)
    for K in range(1, MOST_ROWS + 1):
        for r in range(min(K, MOST_RANK) + 1):
            ways = np.full(K - r + 1, -np.inf)
            if r < K:
                repeats, others = same * r, 2**r - same * r
                before = tables[r][K - 1]
                if slope and not r:
                    repeats = others = 0
                if repeats:
                    ways[:-1] = before + math.log(repeats)
                if others:
                    ways[1:] = np.logaddexp(ways[1:], before + math.log(others))
            if r:
                ways = np.logaddexp(ways, tables[r - 1][K - 1])
            tables[r][K] = ways
    return tables


def _log_span(K: int, r: int, slope: int, log_power: float, log_sum: float) -> float:
    """Log of the bound (g) on `P(K rows have rank <= r)`, from logs of `E q^(K-r)` and `E Σ_v p_v^(K-r+1)`."""
    e = K - r + 1
    if K > MOST_ROWS or r > MOST_RANK:
        return log_count(K, r, slope) + log_power
    ways = _counts(slope)[r][K]
    parts = ways + np.minimum(log_power, (1 - np.arange(len(ways)) / (e * (e - 1))) * log_sum)
    return float(log_total(parts)) + SLACK * (K * (r + 1) + abs(log_power) + abs(log_sum))


@lru_cache(maxsize=2**16)
def log_low_rank(r: int, K: int, s: int, d: int, slope: int) -> float:
    """Natural log of a bound on `P(rank <= r)` for the patterns of `K` Gaussian rows on `s` Gaussian columns in `ℝ^d`.

    Rows and columns play the same part, so it also bounds the rank from `s` columns of `K` entries, called with
    `K` and `s` exchanged. `0 < r < K`.
    """
    exponent = K - r
    power = float(spectrum(s, d).log_power(np.array([exponent]))[0])
    power = min(power, log_cells(exponent, s, d))
    ways = log_count(K, r, slope)
    best = min(ways + log_pattern_sum(exponent, s, d), ways + power)
    best = min(best, _log_span(K, r, slope, power, log_pattern_sum(exponent + 1, s, d)))
    if r == 1:
        best = min(best, _log_rank_one(K, s, d, slope))
    return best + SLACK * (abs(best) + 1)


def _log_rank_one(K: int, s: int, d: int, slope: int) -> float:
    """All rows are multiples of one vector."""
    every = log_positive(K, s, d)
    if slope == -1:
        return (K - 1 + s) * LOG2 + every
    if slope == 1:
        return float(np.logaddexp(s * LOG2, math.log(2.0) + _log_expm1((K - 1) * LOG2))) + every
    return float(np.logaddexp(s * LOG2 + every, LOG2 + _log_expm1((K - 1) * LOG2) + log_positive(K - 1, s, d)))


def _log_expm1(log: float) -> float:
    return log + math.log1p(-math.exp(-log)) if log > 0 else -math.inf


# The terms of the sum


def _log_choices(n: int, t: int, s: NDArray[np.int64]) -> Floats:
    """Upper bounds on `log [C(n, s)/C(t, s)]`, the cost of fixing `s` of at least `t` samples."""
    costs = gammaln(n + 1) - gammaln(n - s + 1) - gammaln(t + 1) + gammaln(t - s + 1)
    return np.asarray(np.maximum(costs, 0.0) + SLACK * 4 * gammaln(n + 1))


class _Rows:
    """Bounds for `j` rows on `s` samples of `d0` inputs, on a grid of `s` up to `n` and `j` up to `d1`."""

    def __init__(self, d0: int, d1: int, n: int) -> None:
        self.s = _spaced(n, 1.2)
        # All of the last few, since the count of rows that repeat others is known for small ranks only.
        self.j = np.union1d(_spaced(d1, 1.08), np.arange(max(1, d1 - MOST_RANK), d1 + 1))
        s, j = self.s.tolist(), self.j.tolist()
        power = np.array([spectrum(size, d0).log_power(self.j) for size in s]).T
        transposed = np.array([spectrum(rows, d0).log_power(self.s) for rows in j])
        for row, rows in enumerate(j):
            for column, size in enumerate(s):
                if min(rows, size, d0) <= SMALL:
                    power[row, column] = min(power[row, column], log_cells(rows, size, d0))
                    if min(rows, size, d0) <= 2:
                        transposed[row, column] = log_positive(rows, size, d0)
                    else:
                        transposed[row, column] = min(transposed[row, column], log_cells(size, rows, d0))
        self.power = power  # log E q^j
        self.sums = np.minimum(np.minimum(transposed, power) + self.s * LOG2 * (1 + SLACK), 0.0)  # log E Σ_v p_v^j
        # q^(j-1) serves as well, and log E q^j increases as j decreases.
        self.sums[1:] = np.minimum(self.sums[1:], power[:-1])


@lru_cache(maxsize=256)
def _rows(d0: int, d1: int, n: int) -> _Rows:
    return _Rows(d0, d1, n)


def _spaced(most: int, ratio: float) -> NDArray[np.int64]:
    """Integers from 1 to `most`, both included, about evenly in logs."""
    count = max(2, math.ceil(math.log(max(most, 2)) / math.log(ratio)))
    return np.unique(np.round(np.geomspace(1, most, count + 1))).astype(np.int64)


@lru_cache(maxsize=2**14)
def log_row_form(r: int, t: int, n: int, d0: int, d1: int, slope: int) -> float:
    """Natural log of the least `C(n, s)/C(t, s) · P(rank A_S <= r)`, bounded from `K` rows: `r < s <= t`, `r < K`.

    Raises:
        ValueError: unless `1 <= r < d1` and `r < t <= n`.
    """
    _expect(r, t, n, d1)
    table = _rows(d0, d1, n)
    few, wide = table.j <= d1 - r, (table.s > r) & (table.s <= t)
    s, j = table.s[wide], table.j[few]
    power, sums = table.power[few][:, wide], table.sums[few][:, wide]
    costs = _log_choices(n, t, s)
    ways = np.array([log_count(r + rows, r, slope) for rows in j.tolist()])
    best = float((ways[:, None] + np.minimum(power, sums) + costs).min())
    if r <= MOST_RANK:
        following = table.sums[table.j == d1 - r + 1][:, wide][0]
        for column, cost in enumerate(costs.tolist()):
            found = _log_span(d1, r, slope, float(power[-1, column]), float(following[column]))
            best = min(best, cost + found)
    if r == 1:
        for size, cost in zip(s.tolist(), costs.tolist(), strict=True):
            for K in {d1, *range(2, min(d1, SMALL))}:
                best = min(best, cost + _log_rank_one(K, size, d0, slope))
    return float(min(0.0, best + SLACK * (abs(best) + float(np.abs(ways).max()) + 1)))


@lru_cache(maxsize=2**14)
def log_column_form(r: int, t: int, n: int, d0: int, d1: int, slope: int) -> float:
    """Natural log of the least bound from `s` columns, `r < s <= t`, independent given `W`.

    Raises:
        ValueError: unless `1 <= r < d1` and `r < t <= n`.
    """
    _expect(r, t, n, d1)
    sizes = _spaced(t, 1.1)
    sizes = sizes[sizes > r]
    costs = _log_choices(n, t, sizes)
    ways = np.array([log_count(s, r, slope) for s in sizes.tolist()])
    best = min(0.0, float(spectrum(d1, d0).log_capped(costs + ways, sizes - r).min()))
    for s, cost in zip(sizes.tolist(), costs.tolist(), strict=True):
        if s <= 4 * r + 12 and r <= MOST_RANK:
            best = min(best, cost + log_low_rank(r, s, d1, d0, slope))
    return float(best)


def _expect(r: int, t: int, n: int, d1: int) -> None:
    if not (1 <= r < d1 and r < t <= n):
        raise ValueError(f"got rank {r}, {t} of {n} samples and {d1} rows; expected 1 <= r < d1 and r < t <= N")


@lru_cache(maxsize=2**14)
def log_inactive(t: int, n: int, d0: int, d1: int) -> float:
    """Natural log of a bound on `P(at least t of n samples are inactive in all neurons)`.

    Raises:
        ValueError: unless `1 <= t <= n`.
    """
    if not 1 <= t <= n:
        raise ValueError(f"got {t} of {n} samples; expected 1 <= t <= N")
    sizes = _spaced(t, 1.2)
    costs = _log_choices(n, t, sizes)
    best = min(cost + log_positive(d1, s, d0) for s, cost in zip(sizes.tolist(), costs.tolist(), strict=True))
    if t == 1:
        best = min(best, math.log(_some_inactive(n, d0, d1)) + _INACTIVE_ROUNDING * (1000 + n))
    return float(min(0.0, best))


def _some_inactive(n: int, d0: int, d1: int) -> float:
    """`E[1 - (1-h)^n]` for a random `h` in `[0, ½]` with `E h = 2^-d1` and `E h² = Pos(d1, 2, d0)` (e).

    The quadratic that touches `1 - (1-h)^n` at `x` and meets it at `½` is above it; every `x` gives a bound.
    """
    mean, square = 2.0**-d1, math.exp(log_positive(d1, 2, d0))
    best = -math.expm1(n * math.log1p(-mean))
    end = -math.expm1(-n * LOG2)
    for x in mean * np.geomspace(0.25, 16, 60):
        if x < 0.49 and n > 2:
            value, slope = -math.expm1(n * math.log1p(-x)), n * math.exp((n - 1) * math.log1p(-x))
            curve = (end - value - slope * (0.5 - x)) / (0.5 - x) ** 2
            # Negative, as the function is concave: a second moment that is too large would lower the value.
            spread = max(0.0, square - 2 * x * mean + x * x)
            best = min(best, value + slope * (mean - x) + curve * spread)
    return best
