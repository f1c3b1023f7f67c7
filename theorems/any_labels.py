"""How large the volume of `G` is at least, whatever the labels (finite-N note, F18).

Gates, each with a second neuron in its cell, and single neurons: if the rows they give have rank `N`, every labelling
is fitted. `β` bounds the probability that the rank falls short, over `X` and typical first layers. All sums are in
logs, and the result is lowered by more than double precision can have added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from scipy.special import betaincinv, gammaln

from theorems.functions import log_all_positive, log_cell_bound
from verify.expressions import BoundFunction

LOG2 = math.log(2)

# Shares of the first layers that may be left out as not typical; the best is taken.
_LEFT_OUT = (0.9, 0.5, 0.2, 0.05, 0.01)
# Powers s in Markov's inequality for q(W)^s. Each is a bound; finer steps gain nothing that shows.
_POWERS = tuple(sorted({round(4 * 2 ** (step / 2)) for step in range(29)}))
# A term below δ exp(−_ENOUGH) is not sharpened further.
# What is added up in floating point is right to some 1e-15 of its parts; bounds are moved outwards by more.
_ROUNDING = 1e-12
_QUANTILE_ROUNDING = 1e-9  # relative, of a quantile of a beta law
_ENOUGH = 20.0
# The Gaussian binomial of (t, r) at base 2 is below this times 2^(r (t − r)).
_LOG_GAUSSIAN = math.log(3.4628)
_FEW_ROWS = 16


class AnyLabels(BoundFunction):
    """Lower bound on `V(G)` for all labels at once, of F18, as a function of `N, d0, d1, ρ, δ`; 0 where it has none."""

    nargs = 5
    template = r"v\left({0}, {1}, {2}, {3}, {4}\right)"

    def log_value(self, N: float, d0: float, d1: float, rho: float, delta: float) -> float:
        """Natural log of the bound."""
        found = any_labels(int(N), int(d0), int(d1), float(rho), float(delta))
        return -math.inf if found is None else found.log_volume


class Deficient(BoundFunction):
    """`β` of F18 as a function of `N, d0, m, k, ρ, η`: `M` has a rank below `N`, for first layers typical up to `η`."""

    nargs = 6
    template = r"\beta\left({0}, {1}, {2}, {3}, {4}, {5}\right)"

    def log_value(self, N: float, d0: float, m: float, k: float, rho: float, left_out: float) -> float:
        """Natural log of the bound."""
        return log_deficient(int(N), int(d0), int(m), int(k), rho == 0, float(left_out), -math.inf)


@dataclass(frozen=True)
class LowerBound:
    """A lower bound on `V(G)` and what it comes from.

    Attributes:
        log_volume: natural log of the bound.
        gates: m; None for few samples, where no gates are needed.
        singles: k.
        left_out: share of the first layers that are not typical.
        log_beta: natural log of β.
    """

    log_volume: float
    gates: int | None = None
    singles: int = 0
    left_out: float = 0.0
    log_beta: float = -math.inf


@lru_cache(maxsize=4096)
def any_labels(N: int, d0: int, d1: int, rho: float, delta: float) -> LowerBound | None:
    """The best bound `v` of F18: for Gaussian `X`, `V(G) >= v` for all labels with probability at least `1 − δ`.

    Fewer gates are worth more than anything else, so the search takes the first number of gates that serves.

    Args:
        N: number of samples.
        d0: input dimension.
        d1: number of hidden units.
        rho: slope on the negative side, other than 1.
        delta: probability of failure over `X`, in (0, 1).

    Returns:
        The bound, or None where F18 has none.

    Raises:
        ValueError: if a size is below 1, `rho` is 1 or `delta` is outside (0, 1).
    """
    if min(N, d0, d1) < 1 or rho == 1 or not 0 < delta < 1:
        raise ValueError(
            f"got N = {N}, d0 = {d0}, d1 = {d1}, rho = {rho}, delta = {delta}; "
            "expected sizes of at least 1, a slope other than 1 and delta in (0, 1)"
        )
    few = _few_samples(N, d1, rho) if d0 >= N else 0.0
    found = [LowerBound(math.log(few) - _ROUNDING)] if few > 0 else []
    for gates in range(d1 // 2 + 1):
        singles = d1 - 2 * gates
        if gates * d0 + singles < N:
            continue
        here = [_lower_bound(N, d0, gates, singles, rho, delta, left_out) for left_out in _left_out(gates)]
        several = [bound for bound in here if bound is not None]
        if several:
            found += several
            break
    return max(found, key=lambda bound: bound.log_volume, default=None)


def _left_out(gates: int) -> tuple[float, ...]:
    return _LEFT_OUT if gates else (0.0, *_LEFT_OUT[1:])


def _few_samples(N: int, d1: int, rho: float) -> float:
    """For `N <= d0`: the probability that every sample receives contributions of both signs, from below."""
    if rho > 0:
        return 1 - N * 2.0 ** (1 - d1)
    if rho < 0:
        return 1.0 if d1 >= 2 else 0.0
    return 1 - N * (2.0 ** -(d1 // 2) + 2.0 ** -(d1 - d1 // 2))


def _lower_bound(
    N: int, d0: int, gates: int, singles: int, rho: float, delta: float, left_out: float
) -> LowerBound | None:
    log_beta = log_deficient(N, d0, gates, singles, rho == 0, left_out, math.log(delta) - _ENOUGH)
    typical = 1 - left_out - math.exp(min(0.0, log_beta - math.log(delta))) - _ROUNDING
    if typical <= 0:
        return None
    # For m >= 1 Cauchy–Schwarz over the cells of the gates costs a square.
    log_volume = (2 if gates else 1) * math.log(typical) - gates * log_cells(N, d0)
    return LowerBound(log_volume - _ROUNDING * (1 - log_volume), gates, singles, left_out, log_beta)


@lru_cache(maxsize=1024)
def log_cells(N: int, d0: int) -> float:
    """Natural log of Cover's number of cells (F6), from the exact integer."""
    total, term = 0, 1
    for k in range(min(d0, N)):
        total += term
        term = term * (N - 1 - k) // (k + 1)
    return math.log(2 * total)


def log_deficient(N: int, d0: int, gates: int, singles: int, relu: bool, left_out: float, target: float) -> float:
    """Natural log of `β`, which bounds the probability of a typical `W` with a rank below `N`; 0 if nothing is known.

    Args:
        N: number of samples.
        d0: input dimension.
        gates: m.
        singles: k.
        relu: whether ρ = 0.
        left_out: what `P(W is not typical)` may be; 0 to use no typical `W`.
        target: natural log of a size that is small enough; terms well below it are not sharpened.
    """
    logs = []
    small = target - math.log(singles + 1)
    for j in range(singles + 1):
        rows = gates + j
        log_choices = _log_binomial(singles, j)
        for rank in range(0 if relu or rows == 0 else 1, rows + 1):
            size = rank * d0 + singles + 1 - j
            if size > N:
                break
            log_term = 0.0
            if left_out and rows:
                # The weights 1/((j+1)(j+2)) sum to one; half for either kind of exceptional W.
                log_share = math.log(left_out / (2 * (j + 1) * (j + 2))) - log_choices
                log_term = log_choices + _conditional(N, d0, rows, rank, size, log_share)
            if log_term > small:
                log_term = min(log_term, log_choices + _log_binomial(N, size) + _low_rank(rows, size, rank, d0))
            if log_term >= 0:
                return 0.0
            logs.append(log_term)
    if not logs:
        return -math.inf
    top = max(logs)
    # What is added up has errors below 1e-12 of its largest parts, log-gammas at most of d0 (d1 + N), raised to t <= N.
    rounding = _ROUNDING * N * (d0 * (gates + singles + N))
    return top + math.log(math.fsum(math.exp(log - top) for log in logs)) + rounding


def _conditional(N: int, d0: int, rows: int, rank: int, size: int, log_share: float) -> float:
    """Given a typical `W`: log probability that `size` columns of its pattern have a rank of at most `rank`."""
    log_q = _log_typical(rows, d0, log_share)
    log_in_span = min(0.0, rank * LOG2 + log_q)
    if rank < rows <= min(_FEW_ROWS, d0):
        log_in_span = min(log_in_span, _log_determined(rows, d0, log_share))
    options = [0.0, _log_binomial(N, rank) + _log_tail(N - rank, log_in_span, size - rank)]
    if rows <= _FEW_ROWS:
        options.append(_log_binomial(2**rows, rank) + _log_tail(N, log_in_span, size))
    if rank:
        in_order = min(_log_binomial(size, rank), _LOG_GAUSSIAN)
        options.append(_log_binomial(N, size) + in_order + (size - rank) * (rank * LOG2 + log_q))
    return min(options)


@lru_cache(maxsize=2**16)
def _log_typical(rows: int, d0: int, log_share: float) -> float:
    """Log of a number that `q(W)` exceeds with probability at most `exp(log_share)`: Markov with F9(c)."""
    if rows == 1:
        return -LOG2
    if rows == 2:
        return _log_determined(rows, d0, log_share) - LOG2
    return min(-LOG2, *((log_cell_bound(power, rows, d0) - log_share) / power for power in _POWERS))


@lru_cache(maxsize=2**16)
def _log_determined(rows: int, d0: int, log_share: float) -> float:
    """Log of `1/2 + arcsin(c)/π`, where a row's cosine with the others' span exceeds `c` with a small probability."""
    if rows == 1:
        return -LOG2
    if rows > d0:
        return 0.0
    # The squared sine has the beta law with parameters (d0 − rows + 1)/2 and (rows − 1)/2.
    chance = math.exp(log_share) / rows
    squared_sine = float(betaincinv((d0 - rows + 1) / 2, (rows - 1) / 2, chance)) * (1 - _QUANTILE_ROUNDING)
    return math.log(0.5 + math.acos(math.sqrt(max(0.0, squared_sine))) / math.pi) + _ROUNDING


def _low_rank(rows: int, size: int, rank: int, d0: int) -> float:
    """Log probability that a Gaussian pattern, `rows × size`, has a rank of at most `rank`: F8 and its transpose."""
    if rows == 0 or rank >= rows:
        return 0.0
    if rank == 0:
        return log_all_positive(rows, size, d0)
    best = min(_log_binomial(size, rank), _LOG_GAUSSIAN) + rank * (size - rank) * LOG2
    best += log_cell_bound(size - rank, rows, d0)
    for spare in _spare_rows(rows - rank):
        cells = min(size * LOG2 + log_all_positive(spare, size, d0), log_cell_bound(spare, size, d0))
        best = min(best, min(_log_binomial(rank + spare, rank), _LOG_GAUSSIAN) + rank * spare * LOG2 + cells)
    return min(0.0, best)


def _spare_rows(most: int) -> list[int]:
    """Some of 1 … most: each gives a bound, and the best lies on a broad minimum."""
    return sorted({min(most, round(2 ** (step / 2))) for step in range(2 * most.bit_length() + 1)})


def _log_binomial(n: int, k: int) -> float:
    return (
        float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)) if 0 < k < n else 0.0 if k in (0, n) else -math.inf
    )


def _log_tail(n: int, log_p: float, least: int) -> float:
    """Log of an upper bound on `P(Bin(n, p) >= least)`: the first term, and a geometric series for the others."""
    if least <= 0 or log_p >= 0:
        return 0.0
    if least > n:
        return -math.inf
    p = math.exp(log_p)
    ratio = (n - least) * p / ((least + 1) * (1 - p))
    if ratio >= 1:
        return 0.0
    first = _log_binomial(n, least) + least * log_p + (n - least) * math.log1p(-p)
    return min(0.0, first - math.log1p(-ratio))
