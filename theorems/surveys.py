"""Over which sizes the reach of the bounds is surveyed, and how what they bound is measured beside them."""

from __future__ import annotations

from verify.statements import Point, Survey
from verify.statistics.intervals import Interval
from verify.volume.rare import rare_average

# Sizes of the bounds that hold at every size, and those of the asymptotic ones, whose assumptions, read literally, need
# N > log⁴N samples.
FINITE_SIZES = (8, 12, 16, 24, 36, 50, 100, 200, 500, 1000)
FINITE_FACTORS = (1.05, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
LARGE_SIZES = (10, 100, 1000, 3000, 10_000, 30_000, 100_000, 10**6, 10**8, 10**10)
LARGE_SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
LABEL_SIZES = (12, 16, 20, 30, 50, 100, 200)
LABEL_FACTORS = (1.5, 3.0, 6.0, 9.0, 12.0, 16.0, 24.0, 36.0, 54.0)

_EVALUATIONS = 12_000
_LEVEL = 0.01


def support(point: Point) -> Interval:
    """The probability, over `X` and `W`, that some labels leave more than `εN` nonzero residuals; 99 % interval."""
    found = rare_average(
        point.integer("N"), point.integer("d0"), point.integer("d1"), point.real("rho"), point.real("epsilon"),
        "support", seed=0, budget=_EVALUATIONS, level=_LEVEL,
    )  # fmt: skip
    return Interval(found.log_lower, found.log_estimate, found.log_upper)


FINITE = Survey(
    fixed={"epsilon": 0.1, "rho": 0.0},
    sizes=FINITE_SIZES,
    rows=FINITE_FACTORS,
    measure=support,
    measured=12,
)
# Where their assumptions can be satisfied, nothing can be measured.
ASYMPTOTIC = Survey(fixed={"epsilon": 0.1, "rho": 0.0}, sizes=LARGE_SIZES, rows=LARGE_SHARES, axis="d0 / N")
LABELS = Survey(fixed={"epsilon": 0.1, "rho": 0.1}, sizes=LABEL_SIZES, rows=LABEL_FACTORS)
