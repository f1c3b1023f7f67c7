"""What looking several times costs, in the width of an interval: `python -m benchmarks.confidence_sequences`.

The looks of a run with their shares of the level (`verify.statistics.looks`), which any exact interval can use, beside
a confidence sequence that holds at every sample size at once: the beta-binomial mixture for Bernoulli trials (Robbins
1970; Howard, Ramdas, McAuliffe & Sekhon 2021). Both are computed for the same counts and compared with Clopper &
Pearson's interval for a single look with all of the level.
"""

from __future__ import annotations

import math
import platform
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

from verify.statistics.intervals import clopper_pearson
from verify.statistics.looks import looks, share

LEVELS = (1e-3, 4e-7)
PROBABILITIES = (0.5, 0.1, 0.01)
PLANNED = 10_000
CHUNKS = 4


def mixture(hits: int, trials: int, level: float, mean: float, weight: float) -> tuple[float, float]:
    """Ends of the confidence sequence with a Beta mixture of this mean and weight (in trials)."""
    a, b = mean * weight, (1 - mean) * weight
    mixed = betaln(a + hits, b + trials - hits) - betaln(a, b)

    def excess(p: float) -> float:
        return float(mixed - xlogy(hits, p) - xlog1py(trials - hits, -p) + math.log(level))

    middle, tiny = hits / trials, 1e-15
    low = 0.0 if excess(tiny) < 0 else brentq(excess, tiny, middle)
    high = 1.0 if excess(1 - tiny) < 0 else brentq(excess, middle, 1 - tiny)
    return low, high


def width(ends: tuple[float, float]) -> float:
    """Width of an interval."""
    return ends[1] - ends[0]


def tuned(p: float, level: float) -> float:
    """The weight of the mixture that is narrowest at the planned sample, if its mean is right."""
    hits = round(p * PLANNED)
    weights = np.geomspace(1, 1e5, 201)
    return float(min(weights, key=lambda weight: width(mixture(hits, PLANNED, level, p, float(weight)))))


def main() -> None:
    """Compute, print the table, and write it to `benchmarks/results`."""
    rows = []
    for level in LEVELS:
        for p in PROBABILITIES:
            weight = tuned(p, level)
            for chunks in looks(CHUNKS, 4 * CHUNKS):
                trials = PLANNED * chunks // CHUNKS
                hits = round(p * trials)

                def fixed(part: float, hits: int = hits, trials: int = trials) -> float:
                    ends = clopper_pearson(hits, trials, part)
                    return math.exp(ends.upper) - math.exp(ends.lower)

                single = fixed(level)
                part = share(chunks, CHUNKS)
                ratios = (
                    fixed(level * part) / single,
                    width(mixture(hits, trials, level, p, weight)) / single,
                    width(mixture(hits, trials, level, 0.5, 1.0)) / single,
                )
                shown = " | ".join(f"{ratio:.3f}" for ratio in ratios)
                rows.append(f"| {level:g} | {p:g} | {trials} | 1/{round(1 / part)} | {shown} |")
    text = "\n".join(
        [
            "# The cost of several looks",
            "",
            "Widths of intervals for a probability, over that of one Clopper–Pearson interval with the whole level at",
            f"this sample size alone. {PLANNED} trials are planned; hits are as expected. *Tuned*: the mean of the",
            "mixture is the probability itself and its weight the best for the planned sample, more than can be known.",
            "",
            "`python -m benchmarks.confidence_sequences`  ",
            f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}, 2026-11-21; "
            "nothing is random",
            "",
            "| level | probability | trials | share | looks with shares | mixture, tuned | mixture, Beta(½, ½) |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    (Path(__file__).parent / "results" / "confidence_sequences.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
