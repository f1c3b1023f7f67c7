"""The setting of Soudry & Hoffer 2017, section 2: symbols, assumptions, and the leading exponent.

Shared by the modules of the paper and of the finite-N note, so that a symbol means one thing everywhere.
"""

from __future__ import annotations

import numpy as np
import sympy as sp
from scipy import stats

from verify.asymptotics import Scaling
from verify.data import Dataset
from verify.statements import Assumption, Citation, Variable

PAPER = "Soudry & Hoffer 2017"
URL = "https://arxiv.org/abs/1702.05777"
NOTE = "finite-N note"

N = sp.Symbol("N", integer=True, positive=True)
d0 = sp.Symbol("d0", integer=True, positive=True)
d1 = sp.Symbol("d1", integer=True, positive=True)
epsilon = sp.Symbol("epsilon", positive=True)
rho = sp.Symbol("rho", real=True)
delta = sp.Symbol("delta", positive=True)
share = sp.Symbol("lambda", nonnegative=True)
gamma = sp.Symbol("gamma_epsilon", positive=True)
# A p-value below which data are called not Gaussian: what is said of one set in a million that are.
NOT_GAUSSIAN = 1e-6

SAMPLES = Variable(N, "number of training samples", sp.S.Naturals)
INPUTS = Variable(d0, "input dimension", sp.S.Naturals)
HIDDEN = Variable(d1, "number of hidden units", sp.S.Naturals)
ERROR = Variable(epsilon, "threshold on the fraction of misclassified samples", sp.Interval.open(0, 1))
SLOPE = Variable(rho, "slope of the leaky ReLU on the negative side", sp.S.Reals - sp.FiniteSet(1))
CONFIDENCE = Variable(delta, "probability of failure over X", sp.Interval.open(0, 1))
SHARE = Variable(share, "limit of d0/N; read as d0/N where no limit is declared", sp.Interval(0, 1))

# Definition 5, with 0.23 as the exact rational that was printed.
GAMMA = sp.Rational(23, 100) * sp.Piecewise((epsilon, sp.Eq(rho, 0)), (sp.Max(share, epsilon), True)) ** sp.Rational(
    3, 4
)
LEADING_EXPONENT = N ** sp.Rational(3, 4) * d1 ** sp.Rational(1, 4) * d0 ** sp.Rational(1, 4)
GAMMA_WHERE = ((gamma, GAMMA), (share, d0 / N))


def paper(number: str) -> Citation:
    """Citation of a numbered item of the paper."""
    return Citation(PAPER, number, URL)


def note(number: str) -> Citation:
    """Citation of an item of the finite-N note."""
    return Citation(NOTE, number)


def _gaussian(data: Dataset) -> tuple[bool | None, str]:
    """Kolmogorov–Smirnov test of all entries, standardised by feature, against the normal distribution."""
    spread = data.X.std(axis=1)
    constant = int((spread == 0).sum())
    if constant:
        return False, f"{constant} of {data.features} features are constant"
    values = ((data.X - data.X.mean(axis=1, keepdims=True)) / spread[:, None]).ravel()
    result = stats.kstest(values, "norm")
    # Standardising with estimated moments makes the test conservative, never too ready to reject.
    if result.pvalue < NOT_GAUSSIAN:
        return False, f"the entries are not Gaussian: Kolmogorov–Smirnov distance {result.statistic:.2f}"
    return None, f"no departure from Gaussian entries was found (p = {result.pvalue:.2g})"


def _window(data: Dataset) -> tuple[bool | None, str]:
    n, d = data.samples, data.features
    inside = n**0.5 < d <= n
    return inside, f"√N = {n**0.5:.1f}, d0 = {d}, N = {n}, read literally at this size"


def _exponent(value: sp.Expr) -> sp.Expr:
    return sp.nsimplify(value, rational=True)


def _dimensions(scaling: Scaling) -> bool | None:
    """√N ⋖ d0 ⩽̇ N along `d0 = N^a`: 1/2 < a <= 1."""
    a = _exponent(scaling.a)
    return _all((a - sp.Rational(1, 2)).is_positive, (1 - a).is_nonnegative)


def _widths(scaling: Scaling) -> bool | None:
    """N log⁴N = o(d0 d1) and d1 = o(N) along the scaling (the corrected reading of the strict relations)."""
    a, b, c = _exponent(scaling.a), _exponent(scaling.b), _exponent(scaling.c)
    enough = _lexicographic(a + b - 1, c - 4)
    narrow = _lexicographic(1 - b, -c)
    return _all(enough, narrow)


def _lexicographic(power: sp.Expr, log_power: sp.Expr) -> bool | None:
    """Whether N^power · log^log_power N → ∞."""
    answer: bool | None = (log_power if power.is_zero else power).is_positive
    return answer


def _all(*answers: bool | None) -> bool | None:
    if any(answer is False for answer in answers):
        return False
    return None if any(answer is None for answer in answers) else True


def general_position(data: Dataset) -> tuple[bool | None, str]:
    """Whether any `d0` samples can be expected to be independent: rank, and repeated samples."""
    rank = int(np.linalg.matrix_rank(data.X))
    least = min(data.features, data.samples)
    if rank < least:
        return False, f"the samples span only {rank} of {least} dimensions"
    repeated = data.samples - np.unique(data.X, axis=1).shape[1]
    if repeated:
        return False, f"{repeated} samples are repetitions of others"
    return None, "full rank and no repetitions; not every subset was looked at"


GAUSSIAN = Assumption(
    "assumption-1",
    "X has independent standard normal entries.",
    on_data=_gaussian,
    latex=r"X_{jn} \sim \mathcal{N}(0, 1) \text{ independent}",
)
GROWING = Assumption(
    "assumption-2",
    "N grows without bound, d0 and d1 grow with it, ε is a constant in (0, 1).",
    condition=(epsilon > 0) & (epsilon < 1),
    along=lambda scaling: _all(
        _exponent(scaling.a).is_positive, _lexicographic(_exponent(scaling.b), _exponent(scaling.c))
    ),
    latex=r"N \to \infty, \quad \varepsilon \in (0, 1)",
)
DIMENSIONS = Assumption(
    "assumption-3",
    "d0 is above √N and at most N, up to sub-polynomial factors.",
    along=_dimensions,
    on_data=_window,
    latex=r"\sqrt{N} \mathrel{\dot{<}} d_0 \mathrel{\dot{\le}} N",
    literally=(d0**2 > N) & (d0 <= N),
)
WIDTHS = Assumption(
    "assumption-4",
    "d1 is well above N log⁴N / d0 and well below N; read with the ordinary little-o, which the proof needs.",
    along=_widths,
    latex=r"N \log^4 N / d_0 \mathrel{\dot{<}} d_1 \mathrel{\dot{<}} N",
    literally=(d0 * d1 > N * sp.log(N) ** 4) & (d1 < N),
)
NOT_LINEAR = Assumption("slope", "The activation is not linear.", condition=sp.Ne(rho, 1))
GENERIC = Assumption(
    "generic-inputs",
    "X lies outside a set of measure zero (general position).",
    on_data=general_position,
)
