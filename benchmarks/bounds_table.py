"""Who is sharper where: the paper's leading term, F10 and F19: `python -m benchmarks.bounds_table`.

For each shape of network the least size at which a bound is below one, and bounds beside measured probabilities where
both say something. The paper's leading term is asymptotic: read literally it is below one everywhere, and claims
nothing at any one size, so only its value is shown.
"""

from __future__ import annotations

import argparse
import math
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
import sympy
from scipy.special import gammaln, logsumexp

import verify
from theorems.functions import LOG2, log_all_positive, log_cell_bound
from verify.network.regions import kernels, support_above
from verify.statistics.intervals import clopper_pearson
from verify.volume.rare import rare_average

EPSILON = 0.1
SIZES = (100, 500, 1000, 5000)
# Names and sizes d0, d1 of the k-th network of a shape.
SHAPES: dict[str, Callable[[int], tuple[int, int]]] = {
    "d1 = d0": lambda k: (k, k),
    "d1 = d0/4": lambda k: (4 * k, k),
    "d1 = 4 d0": lambda k: (k, 4 * k),
}
SLOPES = (0.1, 0.0)
MEASURED = (
    (7, 6, 5, 0.0),
    (8, 7, 5, 0.0),
    (9, 8, 5, 0.0),
    (12, 10, 8, 0.0),
    (16, 9, 9, 0.0),
    (10, 8, 8, 0.1),
    (20, 11, 11, 0.1),
)


def log_f10(N: int, d0: int, d1: int, rho: float) -> float:
    """F10 without SymPy, which takes minutes for the largest sizes; `main` compares the two."""
    least = math.floor(EPSILON * N) + 1 if rho == 0 else max(math.floor(EPSILON * N) + 1, d0 + 1)
    logs = []
    for r in range((least - 1) // d0, (N - 1) // d0 + 1):
        t = max(least, r * d0 + 1)
        if r >= d1:
            return math.log(N)  # a term of one: vacuous
        cost = gammaln(N + 1) - gammaln(t + 1) - gammaln(N - t + 1)
        if r == 0:
            low = log_all_positive(d1, t, d0)
        else:
            low = min(
                gammaln(K + 1)
                - gammaln(r + 1)
                - gammaln(K - r + 1)
                + r * (K - r) * LOG2
                + min(t * LOG2 + log_all_positive(K - r, t, d0), log_cell_bound(K - r, t, d0))
                for K in range(r + 1, d1 + 1)
            )
        logs.append(min(0.0, cost + low))
    return float(logsumexp(logs)) if logs else -math.inf


def log_bound(identifier: str, N: int, d0: int, d1: int, rho: float) -> float:
    """Natural log of the bound of a statement."""
    if identifier == "f10":
        return log_f10(N, d0, d1, rho)
    return verify.statement(identifier).log_bound(N=N, d0=d0, d1=d1, epsilon=EPSILON, rho=rho)


def first(identifier: str, N: int, shape: Callable[[int], tuple[int, int]], rho: float) -> int | None:
    """The least `k` at which the bound is below one and at `k - 1` is not; None if none is found up to `d0 = N`."""
    low = 1
    while math.prod(shape(low)) < N:
        low += 1
    high = low
    while log_bound(identifier, N, *shape(high), rho) >= 0:
        low, high = high, math.ceil(1.15 * high)
        if shape(high)[0] > N:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if log_bound(identifier, N, *shape(middle), rho) < 0 else (middle, high)
    return high


def thresholds() -> list[str]:
    """Rows of the first table."""
    rows = []
    for name, shape in SHAPES.items():
        for rho in SLOPES:
            for N in SIZES:
                cells = []
                found = {identifier: first(identifier, N, shape, rho) for identifier in ("f10", "f19")}
                for identifier in ("f10", "f19"):
                    k = found[identifier]
                    if k is None:
                        cells.append("none")
                        continue
                    d0, d1 = shape(k)
                    cells.append(f"{d0}, {d1} ({d0 * d1 / N:.2f})")
                d0, d1 = shape(found["f19"] or 1)
                logs = (f"{log_bound(identifier, N, d0, d1, rho):.1f}" for identifier in ("theorem-6", "f10", "f19"))
                rows.append(f"| {name} | {rho:g} | {N} | {' | '.join(cells)} | {' | '.join(logs)} |")
                print(rows[-1], flush=True)
    return rows


def sampled(N: int, d0: int, d1: int, rho: float, trials: int, seed: int) -> tuple[float, float, float]:
    """Estimate and exact 99 % interval of `P(|T*| > εN)` by plain sampling; doubtful cases widen it."""
    rng = np.random.default_rng(seed)
    hits = doubtful = 0
    for _ in range(trials // 2000):
        X, W = rng.standard_normal((2000, d0, N)), rng.standard_normal((2000, d1, d0))
        event = support_above(kernels(W, X, rho), EPSILON)
        hits, doubtful = hits + event.hits, doubtful + event.doubtful
    ends = clopper_pearson(hits, trials, 0.01, doubtful)
    return hits / trials, math.exp(ends.lower), math.exp(ends.upper)


def measured(trials: int, budget: int) -> list[str]:
    """Rows of the second table: plain sampling, and splitting where that sees nothing."""
    rows = []
    for N, d0, d1, rho in MEASURED:
        share, low, high = sampled(N, d0, d1, rho, trials, seed=1)
        text, method = f"{share:.4f} | {low:.4f} … {high:.4f}", f"plain, {trials}"
        if share * trials < 25:
            rare = rare_average(N, d0, d1, rho, EPSILON, "support", seed=1, budget=budget, level=0.01)
            estimate, *ends = (math.exp(log) for log in (rare.log_estimate, rare.log_lower, rare.log_upper))
            text, method = f"{estimate:.2e} | {ends[0]:.2e} … {ends[1]:.2e}", f"{rare.method}, {rare.evaluations}"
        bounds = " | ".join(
            f"{math.exp(min(0.0, log_bound(name, N, d0, d1, rho))):.3g}" for name in ("theorem-6", "f10", "f19")
        )
        rows.append(f"| {N}, {d0}, {d1} | {rho:g} | {bounds} | {text} | {method} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Computes both tables and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=40_000)
    parser.add_argument("--budget", type=int, default=30_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "bounds_table.md")
    args = parser.parse_args()
    exact = verify.statement("f10").log_bound(N=30, d0=12, d1=10, epsilon=EPSILON, rho=0.1)
    if abs(log_f10(30, 12, 10, 0.1) - exact) > 1e-6:
        raise RuntimeError(f"F10 here is {log_f10(30, 12, 10, 0.1)}, and {exact} in its statement; one is wrong")
    lines = [
        "# Bounds at finite size: who is sharper where\n",
        f"`OPENBLAS_NUM_THREADS=1 python -m benchmarks.bounds_table --trials {args.trials} --budget {args.budget}`  ",
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, "
        f"SymPy {sympy.__version__}; ε = {EPSILON}\n",
        "First size with a bound below 1, as `d0, d1 (d0·d1/N)`, and natural logs at the first size of F19. The "
        "leading term of Theorem 6 is asymptotic and claims nothing at one size; it is read literally.\n",
        "| shape | ρ | N | F10: first | F19: first | log leading term | log F10 | log F19 |",
        "|---|---|---|---|---|---|---|---|",
        *thresholds(),
        "\nBounds beside `P(|T*| > εN)`, measured (99 % intervals; for splitting the upper end is measured, not "
        "proved).\n",
        "| N, d0, d1 | ρ | leading term | F10 | F19 | measured | interval | method, samples |",
        "|---|---|---|---|---|---|---|---|",
        *measured(args.trials, args.budget),
    ]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
