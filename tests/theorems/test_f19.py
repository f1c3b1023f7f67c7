"""F19 part by part: against sampling, brute force, multiple precision and ball arithmetic."""

import itertools
import math

import flint
import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import gammaln, log_ndtr
from scipy.stats import binom

from theorems import sharp
from theorems.finite.f10 import STATEMENT as F10
from theorems.finite.f19 import STATEMENT as F19
from verify.logspace import log_value


def log_h(n, x):
    """`log E Φ(ζ c)^n` with 30 digits."""
    with mp.workdps(20):
        c = mp.sqrt((mp.mpf(x) ** 2 - 1) / n)
        peak = brentq(lambda z: float(n * c * mp.npdf(c * z) / mp.ncdf(c * z)) - z, -1, 60)
        cuts = sorted({-12, -3, peak - 4, peak - 1, peak, peak + 1, peak + 4, peak + 12})
        return mp.log(mp.quad(lambda z: mp.npdf(z) * mp.ncdf(c * z) ** n, cuts))


def rough_h(n, x):
    """`E Φ(ζ c)^n` by a sum over a fine grid, far more exact than sampling."""
    z = np.linspace(-12, 12, 4001)
    return float(
        (np.exp(n * log_ndtr(z * math.sqrt((x * x - 1) / n)) - z * z / 2)).sum() * 0.006 / math.sqrt(2 * math.pi)
    )


# (a)


def level(sigma, n):
    """`τ` and `x_n` from the singular values."""
    tau = brentq(lambda t: np.minimum(sigma**2 / t**2, 1).sum() - n, sigma[-1] / 10, sigma.sum() * 10)
    return tau, sigma[0] / tau


@pytest.mark.parametrize(("m", "d"), [(3, 3), (4, 3), (4, 6), (6, 4)])
@pytest.mark.parametrize("tilt", [0.0, 1.0, 3.0])
def test_cell_bound_with_the_tilt_split_off(m, d, tilt):
    """10 matrices each, the largest cell found by sampling 20 000 points; false alarm below 1e-6 in all."""
    rng = np.random.default_rng([m, d, int(tilt)])
    for _ in range(10):
        W = rng.standard_normal((m, d)) + tilt * np.outer(np.ones(m), np.eye(d)[0])
        signs = rng.standard_normal((20_000, d)) @ W.T > 0
        hits = int(np.bincount(signs @ (1 << np.arange(m))).max())
        sigma = np.linalg.svd(W, compute_uv=False)
        for n in (1.5, 2.0, 2.5, min(m, d) - 0.2):
            _, x = level(sigma, n)
            bound = 2.0**-n if x <= 1 else rough_h(n, x)
            # Union over the patterns.
            assert hits <= binom.isf(1e-11, 20_000, min(1, bound))


@pytest.mark.parametrize("n", [2, 5, 17, 60, 3.5])
def test_tilted_bound_is_above_the_integral_by_very_little(n):
    nodes, fine = sharp.log_tilted(n)
    for index in (1, 20, 90):
        exact = float(log_h(n, math.exp(sharp.LOG_NODES[index])))
        gap = nodes[index] - min(exact, -math.log(2))
        assert 0 <= gap < (1e-8 if n == int(n) else 0.02)
    for index in (5, 17, 333, 1200):
        exact = float(log_h(n, math.exp(sharp.LOG_FINE[index])))
        assert exact <= fine[index] <= nodes[index // sharp.PER_NODE + 1] + 1e-9
        assert fine[index] - exact < 0.05 or index < 4 * sharp.PER_NODE
    assert (np.diff(nodes) >= 0).all()
    assert (np.diff(fine) >= 0).all()


def test_the_trusted_functions():
    """`log_ndtr` and `gammaln` within 1e-14 of ball arithmetic, relative (absolute below 1), on 2000 arguments."""
    rng = np.random.default_rng(1)
    for u in np.concatenate([rng.uniform(-20, 8, 1000), rng.uniform(-1, 1, 200)]):
        exact = ((-flint.arb(float(u)) / flint.arb(2).sqrt()).erfc() / 2).log()
        assert abs(float(exact.mid()) - log_ndtr(u)) <= 1e-14 * max(1, abs(log_ndtr(u)))
    for a in np.concatenate([np.arange(1, 400) / 2, rng.integers(1, 10**6, 400) / 2]):
        exact = float(flint.arb(float(a)).lgamma().mid())
        assert abs(exact - gammaln(a)) <= 1e-14 * max(1, abs(exact))


# (b)


@pytest.mark.parametrize(("m", "d"), [(5, 5), (6, 9), (12, 7), (20, 20)])
def test_tail_of_the_top_singular_value(m, d):
    """20 000 matrices against the bound at every node; false alarm below 1e-7 in all."""
    rng = np.random.default_rng([m, d])
    sigma = np.linalg.svd(rng.standard_normal((20_000, m, d)), compute_uv=False)
    found = sharp.spectrum(m, d)
    useful = 0
    for n, tails in zip(found.orders, found.tails, strict=True):
        for index in range(0, len(tails), 3):
            x = math.exp(sharp.LOG_NODES[index])
            # x_n >= x if and only if cutting at σ_1/x leaves at most n.
            hits = int((np.minimum(sigma**2 * x**2 / sigma[:, :1] ** 2, 1).sum(axis=1) <= n).sum())
            bound = math.exp(tails[index])
            useful += 1e-4 < bound < 0.9
            assert hits <= binom.isf(1e-11, 20_000, bound)
    assert useful


@pytest.mark.parametrize(("m", "d", "n", "index"), [(6, 9, 3, 20), (20, 20, 6, 32), (12, 40, 7, 40), (5, 5, 2.5, 52)])
def test_tail_against_the_formula_in_multiple_precision(m, d, n, index):
    """At the start of a coarse cell: the least value over the exponents tried, and above it by rounding only."""
    found = sharp.spectrum(m, d)
    (row,) = [i for i, order in enumerate(found.orders) if order == n]
    x = math.exp(sharp.LOG_NODES[index])
    n0 = min(m, d)

    def gamma_p(p, a):
        return mp.pi ** (mp.mpf(p * (p - 1)) / 4) * mp.fprod(mp.gamma(a - mp.mpf(j) / 2) for j in range(p))

    def constant(m, d):
        n0 = min(m, d)
        top = mp.mpf(2) ** (n0 - mp.mpf(m * d) / 2) * mp.pi ** (mp.mpf(n0**2) / 2)
        return top / gamma_p(n0, mp.mpf(max(m, d)) / 2) / gamma_p(n0, mp.mpf(n0) / 2)

    def moment(s):
        return mp.mpf(2) ** (mp.mpf(s - 1) / 2) * mp.gamma(mp.mpf(s + 1) / 2)

    total = mp.mpf(0)
    assert n < n0
    for k in range(1, math.ceil(n)):
        freedom = (m - k) * (d - k)
        ratio = constant(m, d) / constant(m - k, d - k)
        least = mp.inf
        powers = sharp._integers((m - 1) * (d - 1), 20).tolist(), sharp._integers(4 * (m + d), 9).tolist()
        for q2, p2 in itertools.product(powers[0], powers[1] if k > 1 else [0]):
            Q = mp.mpf(q2 + (k - 1) * p2) / 2
            if freedom <= 2 * Q:
                continue
            value = mp.mpf(x) ** -q2 * ratio * moment(m + d - 2 + q2)
            value *= mp.fprod(moment(m + d - 2 * i + p2) for i in range(2, k + 1))
            value *= (mp.mpf(n - k) / 2) ** Q * mp.gamma(mp.mpf(freedom) / 2 - Q) / mp.gamma(mp.mpf(freedom) / 2)
            least = min(least, value)
        total += least
    exact = min(0.0, float(mp.log(total)))
    assert 0 <= found.tails[row, index] - exact < 1e-6
    assert (found.fine_tails[row, :: sharp.PER_NODE] == found.tails[row]).all()


def test_powers_of_the_largest_cell_and_their_cap():
    """`E q^e` and `E min(1, c q^e)` for 400 matrices 4 × 3 with q from 4000 points, at most 3 % too small each."""
    rng = np.random.default_rng(4)
    largest = []
    for _ in range(400):
        signs = rng.standard_normal((4000, 3)) @ rng.standard_normal((3, 4)) > 0
        largest.append(np.bincount(signs @ (1 << np.arange(4))).max() / 4000)
    q = np.array(largest)
    spectrum = sharp.spectrum(4, 3)
    for e in (1, 2, 5):
        assert (q**e).mean() * 0.8 <= math.exp(spectrum.log_power(np.array([e]))[0])
        capped = spectrum.log_capped(np.array([1.0]), np.array([e]))[0]
        assert np.minimum(1, math.e * q**e).mean() * 0.8 <= math.exp(capped)
        assert capped <= min(0.0, 1.0 + spectrum.log_power(np.array([e]))[0]) + 1e-9


@pytest.mark.parametrize(("t", "d"), [(2, 2), (5, 3), (40, 20), (300, 7), (9, 2), (1000, 100)])
def test_two_rows_is_an_upper_bound(t, d):
    with mp.workdps(40):
        # Scaled, since the quadrature stops at an absolute error.
        peak = mp.pi * (d - 2) / (t + d - 2) if d > 2 else mp.mpf(0)

        def log_height(angle):
            return t * mp.log((mp.pi - angle) / (2 * mp.pi)) + ((d - 2) * mp.log(mp.sin(angle)) if d > 2 else 0)

        def height(angle):
            return mp.exp(log_height(angle) - log_height(peak)) if 0 < angle < mp.pi else mp.mpf(d == 2 and angle == 0)

        area = mp.quad(height, mp.linspace(0, mp.pi, 60))
        exact = log_height(peak) + mp.log(area / mp.beta(mp.mpf(d - 1) / 2, mp.mpf(1) / 2))
        assert 0 <= sharp.log_two_rows(t, d) - exact < 1e-9 * (1 + abs(exact))


# (c), (f), (g)


def plain_count(K, r, slope):
    """Coefficients over D of the sum over the positions of the chosen rows."""
    total = [0] * (K - r + 1)
    for chosen in itertools.combinations(range(K), r):
        if slope and 0 not in chosen:
            continue
        ways = [1]
        for row in set(range(K)) - set(chosen):
            k = sum(place < row for place in chosen)
            same = (2 if slope == -1 else 1) * k
            following = [0] * (len(ways) + 1)
            for extra, count in enumerate(ways):
                following[extra] += count * same
                following[extra + 1] += count * (2**k - same)
            ways = following
        for extra, count in enumerate(ways[: K - r + 1]):
            total[extra] += count
    return total


@pytest.mark.parametrize("slope", [0, 1, -1])
def test_counts_of_rows_in_order(slope):
    for K in range(2, 8):
        for r in range(1, K):
            plain = plain_count(K, r, slope)
            found = np.exp(sharp._counts(slope)[r][K])
            assert found == pytest.approx(np.array(plain, dtype=float), rel=1e-10)
            exact = math.log(sum(plain))
            assert 0 <= sharp.log_count(K, r, slope) - exact < 1e-9


@pytest.mark.parametrize("rho", [0.0, 0.1, -0.5, -1.0, 2.0])
def test_low_rank_against_sampled_ranks(rho):
    """20 000 patterns at each of several sizes; false alarm below 1e-8 in all."""
    rng = np.random.default_rng(int(10 * rho) % 97)
    seen = 0
    for K, s, d in ((3, 3, 2), (4, 4, 2), (5, 4, 3), (4, 6, 2), (6, 3, 5), (3, 8, 3)):
        A = np.where(rng.standard_normal((20_000, K, d)) @ rng.standard_normal((20_000, d, s)) > 0, 1.0, rho)
        ranks = np.linalg.matrix_rank(A)
        for r in range(1, min(K, s)):
            hits = int((ranks <= r).sum())
            seen += hits > 0
            for bound in (
                sharp.log_low_rank(r, K, s, d, sharp.kind(rho)),
                sharp.log_low_rank(r, s, K, d, sharp.kind(rho)),
                sharp.log_row_form(r, s, s, d, K, sharp.kind(rho)),
                sharp.log_column_form(r, s, s, d, K, sharp.kind(rho)),
            ):
                assert hits <= binom.isf(1e-11, 20_000, min(1, math.exp(bound)))
    assert seen


def test_rank_one_is_exact_for_opposite_slopes():
    """`ρ = −1`, d = 2, where `Pos` has a closed form: a rank of one has probability `2^(K−1+s) Pos(K, s, 2)`."""
    rng = np.random.default_rng(7)
    A = np.sign(rng.standard_normal((100_000, 3, 2)) @ rng.standard_normal((100_000, 2, 3)))
    hits = int((np.linalg.matrix_rank(A) == 1).sum())
    p = math.exp(sharp._log_rank_one(3, 3, 2, -1))
    assert binom.ppf(1e-9, 100_000, p) <= hits <= binom.isf(1e-9, 100_000, p)


def test_cost_of_fixing_a_subset():
    for n, t in ((10, 4), (100, 31), (1000, 700)):
        s = np.arange(1, t + 1)
        exact = [math.log(math.comb(n, k)) - math.log(math.comb(t, k)) for k in s.tolist()]
        found = sharp._log_choices(n, t, s)
        assert (found >= np.array(exact) - 1e-12).all()
        assert found == pytest.approx(exact, abs=1e-8)


def test_subsets_of_a_large_set_are_many():
    """The inequality behind the cost: `1{|T| >= t} C(t, s)` is at most the number of `s`-subsets inside `T`."""
    for n, t, s in ((6, 4, 2), (7, 3, 3), (5, 5, 1)):
        for size in range(n + 1):
            inside = sum(set(S) <= set(range(size)) for S in itertools.combinations(range(n), s))
            assert (size >= t) * math.comb(t, s) <= inside


# (e)


@pytest.mark.parametrize(("n", "d0", "d1"), [(8, 7, 5), (4, 3, 3), (12, 2, 4), (2, 5, 2)])
def test_some_inactive_sample(n, d0, d1):
    """100 000 pairs of layers and data sets; false alarm below 1e-9."""
    rng = np.random.default_rng([n, d0, d1])
    active = rng.standard_normal((100_000, d1, d0)) @ rng.standard_normal((100_000, d0, n)) > 0
    hits = int((~active.any(axis=1)).any(axis=1).sum())
    bound = math.exp(sharp.log_inactive(1, n, d0, d1))
    assert hits <= binom.isf(1e-10, 100_000, bound)
    assert bound <= 1 - (1 - 2.0**-d1) ** n + 1e-8
    assert bound <= 1.35 * hits / 100_000


# The whole


def bound(N, d0, d1, rho):
    return F19.log_bound(N=N, d0=d0, d1=d1, epsilon=0.1, rho=rho)


@pytest.mark.parametrize("rho", [0.1, 0.0])
def test_figures_of_the_note(rho):
    assert bound(5000, 80, 80, rho) <= -360
    for N, d in ((100, 17), (200, 21), (500, 27), (1000, 33), (2000, 46), (5000, 72)):
        assert bound(N, d, d, rho) < 0
    for N, d in ((100, 20), (1000, 39)):
        assert bound(N, d, d, rho) < -10


def test_small_sizes():
    for (N, d0, d1), most in {(8, 7, 5): 0.238, (9, 8, 5): 0.25, (7, 6, 5): 0.24}.items():
        assert math.exp(bound(N, d0, d1, 0.0)) <= most


@pytest.mark.parametrize("rho", [0.1, 0.0, -1.0])
def test_never_above_f10(rho):
    for N, d0, d1 in ((10, 8, 8), (50, 18, 18), (30, 12, 25), (30, 25, 12), (100, 40, 30), (4, 6, 3), (12, 3, 2)):
        assert bound(N, d0, d1, rho) <= F10.log_bound(N=N, d0=d0, d1=d1, epsilon=0.1, rho=rho) + 0.02


def test_edges():
    assert bound(4, 6, 3, 0.1) == -math.inf
    assert bound(6, 1, 4, 0.1) >= 0
    assert bound(12, 3, 1, 2.0) >= 0
    assert bound(1, 1, 1, 0.0) == pytest.approx(math.log(0.5), abs=1e-6)


def test_as_sympy_functions():
    row, column = sharp.RowForm(2, 41, 100, 20, 20, 0), sharp.ColumnForm(2, 41, 100, 20, 20, 0)
    assert log_value(row, {}) == sharp.log_row_form(2, 41, 100, 20, 20, 0)
    assert log_value(column, {}) == sharp.log_column_form(2, 41, 100, 20, 20, 0)
    assert log_value(sharp.Inactive(1, 8, 7, 5), {}) == sharp.log_inactive(1, 8, 7, 5)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="rank"):
        sharp.log_row_form(5, 10, 20, 3, 5, 0)
    with pytest.raises(ValueError, match="rank"):
        sharp.log_column_form(0, 10, 20, 3, 5, 0)
    with pytest.raises(ValueError, match="samples"):
        sharp.log_inactive(5, 4, 3, 3)
    with pytest.raises(ValueError, match="positive"):
        sharp.log_positive(0, 1, 1)
    with pytest.raises(ValueError, match="index"):
        sharp.log_tilted(0)
