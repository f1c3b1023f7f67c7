"""The special functions of F9–F11, and F10 as a whole, against plain reimplementations and sampling."""

import itertools
import math
import warnings
from functools import cache

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from scipy.stats import binom

from theorems.finite.f10 import STATEMENT as F10
from theorems.functions import AllPositive, CellBound, log_all_positive, log_cell_bound
from verify.logspace import log_value

# Python alone: math.lgamma, and a quadrature of its own.


@cache
def plain_cell_bound(n, a, d, most=1500):
    """F9(c) as it stands, over every q up to `most` and then up to where the terms have long been rising."""
    best = -n * math.log(2)

    def rising(base, q):
        return math.lgamma(base + q) - math.lgamma(base)

    least, term, q = math.inf, -math.inf, 0
    while q < most or term < least + 1:
        q += 1
        term = q * math.log(q / (math.e * n * math.log(2)))
        term += rising(a / 2, q) + rising(d / 2, q) - rising(0.5, q) - rising(a * d / 2, q)
        least = min(least, term)
    return min(best, least)


@cache
def plain_two_rows(t, d):
    """`Pos(2, t, d)` by Gauss–Legendre in pieces around the maximum of the integrand, in logs."""
    nodes, weights = np.polynomial.legendre.leggauss(60)

    def f(angle):
        return t * np.log((math.pi - angle) / (2 * math.pi)) + (d - 2) * np.log(np.sin(angle))

    low, high = 0.0, math.pi / 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if (d - 2) / math.tan(middle) > t / (math.pi - middle) else (low, middle)
    width = 1 / math.sqrt(t / (math.pi - low) ** 2 + (d - 2) / math.sin(low) ** 2)
    cuts = sorted({min(max(low + k * width, 0.0), math.pi) for k in (-99, -30, -9, -3, 0, 3, 9, 30, 99, 999, 1e9)})
    total, top = 0.0, float(f(np.array(low)))
    for start, stop in itertools.pairwise(cuts):
        angles = start + (stop - start) * (nodes + 1) / 2
        total += (stop - start) / 2 * float(weights @ np.exp(f(angles) - top))
    return top + math.log(total) - math.lgamma((d - 1) / 2) - math.lgamma(0.5) + math.lgamma(d / 2)


def plain_positive(m, t, d):
    m, t = min(m, t), max(m, t)
    if m == 1:
        return -t * math.log(2)
    if d == 1:
        return (1 - m - t) * math.log(2)
    if d == 2:
        return math.log(math.factorial(m) * math.factorial(t) / math.factorial(m + t - 1)) + (1 - m - t) * math.log(2)
    if m == 2:
        return plain_two_rows(t, d)
    return min(plain_cell_bound(t, m, d), plain_cell_bound(m, t, d))


def log_comb(n, k):
    return math.log(math.comb(n, k))


def plain_f10(N, d0, d1, tenths, relu):
    """The sum of F10, written from the note; `tenths` is 10 ε."""
    t0 = tenths * N // 10 + 1
    if not relu:
        t0 = max(t0, d0 + 1)
    total = 0.0
    for r in range((t0 - 1) // d0, (N - 1) // d0 + 1):
        tr = max(t0, r * d0 + 1)
        if r == 0:
            assert relu
            log_p = plain_positive(d1, t0, d0)
        elif r >= d1:
            log_p = 0.0
        else:
            log_p = min(
                log_comb(K, r)
                + r * (K - r) * math.log(2)
                + min(tr * math.log(2) + plain_positive(K - r, tr, d0), plain_cell_bound(K - r, tr, d0))
                for K in range(r + 1, d1 + 1)
            )
        total += math.exp(min(0.0, log_comb(N, tr) + log_p))
    return math.log(total) if total else -math.inf


EDGES = [  # (N, d0, d1, 10 ε, ρ)
    (4, 6, 3, 1, 0.1),  # N <= d0: the empty sum
    (4, 6, 3, 1, 0.0),
    (4, 4, 3, 1, 0.1),
    (5, 4, 3, 1, -0.5),
    (6, 1, 4, 1, 0.1),  # one input
    (6, 1, 9, 1, 0.0),
    (1, 1, 1, 5, 0.0),
    (1, 2, 3, 5, 0.0),
    (12, 3, 2, 1, 0.0),  # d0·d1 < N
    (12, 3, 1, 1, 2.0),
    (12, 3, 4, 1, 0.1),  # = N
    (10, 2, 6, 9, 0.0),
    (30, 7, 6, 1, 0.1),  # 0.1 · 30 is an integer
    (10, 3, 6, 7, 0.0),  # 0.7 · 10, too
    (8, 7, 5, 1, 0.0),
]


def random_points(count):
    rng = np.random.default_rng(1)
    for _ in range(count):
        N, d0, d1 = int(rng.integers(2, 45)), int(rng.integers(1, 16)), int(rng.integers(1, 14))
        yield N, d0, d1, int(rng.integers(1, 10)), (0.0, 0.1, -0.5, 2.0)[rng.integers(4)]


@pytest.mark.parametrize(("N", "d0", "d1", "tenths", "rho"), [*EDGES, *random_points(60)])
def test_f10_against_plain_python(N, d0, d1, tenths, rho):
    found = F10.log_bound(N=N, d0=d0, d1=d1, epsilon=tenths / 10, rho=rho)
    assert found == pytest.approx(plain_f10(N, d0, d1, tenths, rho == 0), rel=1e-9, abs=1e-8)


def test_f10_figures_of_the_note():
    def at(N, d0, d1, rho):
        return F10.log_bound(N=N, d0=d0, d1=d1, epsilon=0.1, rho=rho)

    assert -10151 < at(1000, 500, 500, 0.1) <= -10150
    assert -4629 < at(1000, 500, 500, 0.0) <= -4628
    assert math.exp(at(8, 7, 5, 0.0)) <= 0.446
    for N, d in ((10, 8), (50, 18), (100, 25), (200, 33), (500, 45)):
        assert at(N, d, d, 0.1) < 0 <= at(N, d - 1, d - 1, 0.1)


def test_f10_depends_on_the_slope_only_through_whether_it_is_zero():
    for N, d in ((10, 8), (50, 18)):
        values = {F10.log_bound(N=N, d0=d, d1=d, epsilon=0.1, rho=rho) for rho in (0.1, -0.5, 2.0, -1.0)}
        assert len(values) == 1


@pytest.mark.parametrize(
    ("n", "a", "d"), [(1, 1, 1), (1, 5, 3), (7, 3, 2), (40, 4, 9), (500, 8, 8), (30, 500, 500), (499, 120, 80)]
)
def test_cell_bound_is_the_least_over_all_q(n, a, d):
    assert log_cell_bound(n, a, d) == pytest.approx(plain_cell_bound(n, a, d, 6000), rel=1e-9, abs=1e-9)
    assert log_cell_bound(n, a, d) == log_cell_bound(n, d, a) or log_cell_bound(n, a, d) == pytest.approx(
        log_cell_bound(n, d, a), rel=1e-12
    )


def test_cell_bound_on_a_grid_of_small_arguments():
    for n in range(1, 9):
        for a in range(1, 9):
            for d in range(1, 9):
                assert log_cell_bound(n, a, d) == pytest.approx(plain_cell_bound(n, a, d), rel=1e-9, abs=1e-9)
                assert log_cell_bound(n, a, d) <= -n * math.log(2)  # no more than that of orthogonal rows


def test_moments_behind_the_cell_bound():
    """`E s^{2q}` with `s = ‖W‖_op/‖W‖_F`, sampled: at most `(a/2)_q (d/2)_q/((1/2)_q (ad/2)_q)` in every case.

    Means of 20 000 draws of a variable in [0, 1] are within 0.03 of the truth except with probability 3e-16 each.
    """
    rng = np.random.default_rng(2)
    for a, d in ((2, 3), (5, 4), (9, 2)):
        sigma = np.linalg.svd(rng.standard_normal((20_000, a, d)), compute_uv=False)
        share = sigma[:, 0] ** 2 / (sigma**2).sum(axis=1)
        for q in (1, 2, 5, 12):
            log_moment = sum(
                sign * (math.lgamma(base + q) - math.lgamma(base))
                for sign, base in ((1, a / 2), (1, d / 2), (-1, 0.5), (-1, a * d / 2))
            )
            assert (share**q).mean() <= math.exp(log_moment) + 0.03


# Law of a product being positive: exact where F9(a) says so, an upper bound elsewhere.

SMALL = [(m, t, d) for m in range(1, 5) for t in range(1, 5) for d in (1, 2, 3, 5)]


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_all_positive_against_sampling(d):
    """200 000 products for each (m, t). A correct value fails one of the tests with probability below 1e-7.

    The exact cases are two-sided: a factor off by 20 % is seen wherever the value exceeds 1 %. Elsewhere the bound
    must not be below what was sampled.
    """
    rng = np.random.default_rng([3, d])
    trials, alpha = 200_000, 5e-10
    products = rng.standard_normal((trials, 4, d)) @ rng.standard_normal((trials, d, 4)) > 0
    for m in range(1, 5):
        for t in range(1, 5):
            hits = int(products[:, :m, :t].all(axis=(1, 2)).sum())
            value = math.exp(log_all_positive(m, t, d))
            assert hits <= binom.isf(alpha, trials, value)
            if d <= 2 or min(m, t) <= 2:
                assert hits >= binom.ppf(alpha, trials, value)


@pytest.mark.parametrize("angle", [0.3, 1.0, 2.0, 3.0])
def test_two_rows_at_a_fixed_angle(angle):
    """The integrand of `Pos(2, t, d)`: both rows agree with a direction with probability `(π−θ)/2π` (1e-8)."""
    directions = np.random.default_rng(4).standard_normal((200_000, 2))
    rows = np.array([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])
    hits = int((directions @ rows.T > 0).all(axis=1).sum())
    p = (math.pi - angle) / (2 * math.pi)
    assert binom.ppf(5e-9, 200_000, p) <= hits <= binom.isf(5e-9, 200_000, p)


@pytest.mark.parametrize("d", [3, 4, 10, 100, 1000, 10**5])
@pytest.mark.parametrize("t", [2, 3, 10, 1000, 10**4, 10**6, 10**7])
def test_two_rows_against_multiple_precision(t, d):
    """Also where the maximum of the integrand is a spike near zero; an upper bound must not come out below it."""
    with mp.workdps(25):
        low, high = mp.mpf("1e-12"), mp.pi / 2
        for _ in range(120):
            middle = (low + high) / 2
            low, high = (middle, high) if (d - 2) * mp.cot(middle) > t / (mp.pi - middle) else (low, middle)
        width = 1 / mp.sqrt(t / (mp.pi - low) ** 2 + (d - 2) / mp.sin(low) ** 2)

        def f(angle):
            return t * mp.log((mp.pi - angle) / (2 * mp.pi)) + (d - 2) * mp.log(mp.sin(angle))

        cuts = [low + k * width for k in (-40, -12, -4, 0, 4, 12, 40, 120) if 0 < low + k * width < mp.pi]
        cuts = [mp.mpf(0), *cuts, mp.pi]
        area = mp.quad(lambda angle: mp.exp(f(angle) - f(low)) if 0 < angle < mp.pi else mp.mpf(0), cuts)
        exact = f(low) + mp.log(area) - mp.log(mp.beta(mp.mpf(d - 1) / 2, mp.mpf(1) / 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = log_all_positive(2, t, d)
    assert found == pytest.approx(float(exact), rel=1e-12, abs=1e-7)


def test_two_rows_join_the_closed_forms():
    """At d = 3 by elementary integration for t = 1, 2; as d grows, entries become independent: `4^(−t)`."""
    for t in (2, 3, 4):
        with mp.workdps(30):
            exact = mp.quad(lambda u, t=t: ((mp.pi - u) / (2 * mp.pi)) ** t * mp.sin(u) / 2, [0, mp.pi])
        assert log_all_positive(2, t, 3) == pytest.approx(float(mp.log(exact)), abs=1e-9)
    assert log_all_positive(2, 5, 10**6) == pytest.approx(-5 * math.log(4), abs=1e-3)


@pytest.mark.parametrize(("m", "t", "d"), [*SMALL, (3, 40, 9), (50, 60, 20), (2, 300, 7)])
def test_all_positive_by_its_symmetries(m, t, d):
    value = log_all_positive(m, t, d)
    assert value == log_all_positive(t, m, d)
    # Pos lies between that of independent entries (association) and that of a single row or column.
    assert -m * t * math.log(2) - 1e-9 <= value <= -max(m, t) * math.log(2) + 1e-9


@pytest.mark.parametrize("t", [3, 6, 12])
def test_largest_cell_in_the_plane(t):
    """`E q(X)^m` for two inputs, with q from sorted angles: at most `B(m; t, 2)` and at most `2^t Pos(m, t, 2)`.

    20 000 draws of a variable in [0, 1]: the mean is within 0.03 of the truth except with probability 3e-16.
    """
    angles = np.sort(np.random.default_rng(5).uniform(0, math.pi, (20_000, t)), axis=1)
    gaps = np.diff(angles, axis=1, append=angles[:, :1] + math.pi)
    largest = gaps.max(axis=1) / (2 * math.pi)
    for m in (1, 2, 4):
        mean = (largest**m).mean()
        assert mean <= math.exp(log_cell_bound(m, t, 2)) + 0.03 * 2.0**-m
        assert mean <= 2**t * math.exp(log_all_positive(m, t, 2)) + 0.03 * 2.0**-m


def test_as_sympy_functions():
    n, a, d = sp.symbols("n a d", positive=True)
    values = {n: 5, a: 3, d: 4}
    assert log_value(CellBound(n, a, d), values) == log_cell_bound(5, 3, 4)
    assert log_value(AllPositive(n, a, d), values) == log_all_positive(5, 3, 4)
    assert sp.latex(CellBound(n, a, d)) == r"B\left(n; a, d\right)"


def test_wrong_arguments():
    for arguments in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match="positive"):
            log_cell_bound(*arguments)
        with pytest.raises(ValueError, match="positive"):
            log_all_positive(*arguments)
