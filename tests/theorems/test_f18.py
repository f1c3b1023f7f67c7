"""F18: β against a plain evaluation of the note's sum, its parts against sampling, the bound against exact volumes."""

import math
from functools import cache

import mpmath as mp
import numpy as np
import pytest

from theorems.any_labels import _log_determined, _log_tail, _log_typical, any_labels, log_cells, log_deficient
from theorems.finite.f18 import STATEMENT
from verify.volume.exact import RegionLattice

GAUSSIAN = 3.4628
POWERS = (*range(1, 41), *(round(40 * 1.3**step) for step in range(1, 17)))


def log_comb(n, k):
    return math.log(math.comb(n, k))


@cache
def plain_cells(n, a, d):
    """B(n; a, d) of F9(c), over every q up to where the terms have long been rising."""

    def rising(base, q):
        return math.lgamma(base + q) - math.lgamma(base)

    def term(q):
        log_power = q * (math.log(q) - 1 - math.log(n * math.log(2)))
        return log_power + rising(a / 2, q) + rising(d / 2, q) - rising(0.5, q) - rising(a * d / 2, q)

    return min(-n * math.log(2), *(term(q) for q in range(1, 3 * (math.isqrt(n * a * d) + a + d) + 20)))


def plain_positive(m, t, d):
    """Pos where it has a closed form in at most two dimensions or one row, else F9(c)."""
    m, t = min(m, t), max(m, t)
    if m == 1:
        return -t * math.log(2)
    if d == 2:
        return math.log(math.factorial(m) * math.factorial(t) / math.factorial(m + t - 1)) + (1 - m - t) * math.log(2)
    if m == 2:

        def density(angle):
            return ((mp.pi - angle) / (2 * mp.pi)) ** t * mp.sin(angle) ** (d - 2)

        whole = mp.quad(density, mp.linspace(0, mp.pi, 9))
        return float(mp.log(whole / mp.beta(mp.mpf(d - 1) / 2, mp.mpf(1) / 2)))
    return min(plain_cells(t, m, d), plain_cells(m, t, d))


def plain_count(big, r):
    return min(log_comb(big, r), math.log(GAUSSIAN)) + r * (big - r) * math.log(2)


def plain_tail(n, p, least):
    return math.log(math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(max(least, 0), n + 1)))


def plain_beta(N, d0, m, k, relu, eta):
    """The sum of F18 as it stands in the note, with every choice of K and many of s."""
    total = 0.0
    for j in range(k + 1):
        n = m + j
        for r in range(0 if relu or n == 0 else 1, n + 1):
            t = r * d0 + k + 1 - j
            if t > N:
                continue
            if n == 0 or r >= n:
                rho = 0.0
            elif r == 0:
                rho = plain_positive(n, t, d0)
            else:
                rows = min(
                    plain_count(big, r)
                    + min(t * math.log(2) + plain_positive(big - r, t, d0), plain_cells(big - r, t, d0))
                    for big in range(r + 1, n + 1)
                )
                rho = min(0.0, rows, plain_count(t, r) + plain_cells(t - r, n, d0))
            first = log_comb(N, t) + rho
            second = math.inf
            if eta and n:
                share = eta / (2 * (j + 1) * (j + 2) * math.comb(k, j))
                h = 1.0
                if n == 1:
                    h = 0.5
                elif n <= d0:
                    a, b = mp.mpf(d0 - n + 1) / 2, mp.mpf(n - 1) / 2
                    low, high = mp.mpf(0), mp.mpf(1)
                    for _ in range(45):
                        middle = (low + high) / 2
                        below = mp.betainc(a, b, 0, middle, regularized=True) < share / n
                        low, high = (middle, high) if below else (low, middle)
                    h = 0.5 + float(mp.acos(mp.sqrt(low)) / mp.pi)
                if n <= 2:
                    log_q = math.log(h / 2) if n == 2 else math.log(0.5)
                else:
                    log_q = min(-math.log(2), *((plain_cells(s, n, d0) - math.log(share)) / s for s in POWERS))
                p = min(1.0, 2**r * math.exp(log_q), h if r < n else 1.0)
                choices = [0.0, log_comb(N, r) + plain_tail(N - r, p, t - r), log_comb(2**n, r) + plain_tail(N, p, t)]
                if r:
                    choices.append(log_comb(N, t) + plain_count(t, r) + (t - r) * log_q)
                second = min(choices)
            total += math.exp(min(700.0, log_comb(k, j) + min(first, second)))
    return math.log(total) if total else -math.inf


@pytest.mark.parametrize(
    ("N", "d0", "m", "k", "relu", "eta"),
    [
        (3, 2, 0, 13, False, 0.0),
        (3, 2, 0, 13, True, 0.0),
        (8, 5, 0, 20, False, 0.0),
        (8, 6, 0, 12, False, 0.2),
        (12, 11, 1, 6, False, 0.05),
        (16, 14, 1, 9, False, 0.01),
        (12, 11, 0, 24, True, 0.2),
        (4, 5, 0, 11, True, 0.0),
    ],
)
def test_beta_is_the_sum_of_the_note(N, d0, m, k, relu, eta):
    value = log_deficient(N, d0, m, k, relu, eta, -math.inf)
    plain = plain_beta(N, d0, m, k, relu, eta)
    # The module tries fewer K and s, each of which is a bound, and bounds the binomial tail.
    assert min(0.0, plain) - 1e-9 <= value <= plain + 0.3


def test_few_samples_and_leaky_units_need_no_more_neurons_than_samples():
    assert log_deficient(5, 5, 0, 5, False, 0.0, -math.inf) == -math.inf
    assert any_labels(5, 5, 5, 0.1, 0.05).log_volume == pytest.approx(0, abs=1e-9)
    assert log_deficient(5, 5, 0, 4, False, 0.0, -math.inf) == 0


@pytest.mark.parametrize(("N", "d0", "d1", "rho"), [(2, 2, 3, 0.1), (2, 2, 5, 0.0), (2, 3, 6, 0.0), (3, 3, 2, -0.5)])
def test_few_samples_against_exact_volumes(N, d0, d1, rho):
    rng = np.random.default_rng(5)
    least = math.exp(any_labels(N, d0, d1, rho, 1e-6).log_volume)
    for _ in range(5):
        X, y = rng.standard_normal((d0, N)), rng.standard_normal(N)
        found = RegionLattice(X, y, rho, 0.0).volumes(d1).globalmin
        assert least <= math.exp(found.log_lower) + 1e-9


@pytest.mark.parametrize(("rows", "d0"), [(2, 4), (3, 5), (4, 12)])
def test_cosines_and_cells_exceed_their_levels_rarely(rows, d0):
    """False alarms: below 1e-9 each, by the binomial tail at 6 standard deviations."""
    rng = np.random.default_rng(rows)
    share, draws = 0.2, 20_000
    h = math.exp(_log_determined(rows, d0, math.log(share)))
    limit = math.sin((h - 0.5) * math.pi)
    W = rng.standard_normal((draws, rows, d0))
    W /= np.linalg.norm(W, axis=2, keepdims=True)
    inverse = np.linalg.inv(W @ np.swapaxes(W, 1, 2))
    cosines = np.sqrt(1 - 1 / np.diagonal(inverse, axis1=1, axis2=2))
    exceeded = int((cosines.max(axis=1) > limit).sum())
    assert exceeded <= share * draws + 6 * math.sqrt(share * draws)
    assert exceeded >= 0.3 * share * draws, "the level is not far too cautious"
    if rows == 2:  # the largest cell of two rows is a wedge
        q = 0.25 + np.arcsin(cosines[:, 0]) / (2 * np.pi)
        assert (q > math.exp(_log_typical(2, d0, math.log(share)))).mean() <= share + 0.02
    if rows == 3:  # of three rows: an orthant probability
        G = np.abs(W @ np.swapaxes(W, 1, 2))
        q = 0.125 + (np.arcsin(G[:, 0, 1]) + np.arcsin(G[:, 0, 2]) + np.arcsin(G[:, 1, 2])) / (4 * np.pi)
        signed = np.prod(np.sign((W @ np.swapaxes(W, 1, 2))[:, [0, 0, 1], [1, 2, 2]]), axis=1) > 0
        # With an even number of negative cosines some pattern attains all three absolute values.
        assert (q[signed] > math.exp(_log_typical(3, d0, math.log(share)))).mean() <= share


def test_the_determined_sign_bound_holds_for_every_subspace_of_three_rows():
    """Columns in a subspace of dimension 2, for every pattern: exact orthant probabilities of three rows."""
    rng = np.random.default_rng(0)
    for _ in range(4):
        W = rng.standard_normal((3, 4))
        W /= np.linalg.norm(W, axis=1, keepdims=True)
        G = W @ W.T
        cosine = np.sqrt(1 - 1 / np.diagonal(np.linalg.inv(G))).max()
        patterns = [np.array([a, b, c]) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
        volume = [
            0.125
            + (s[0] * s[1] * np.arcsin(G[0, 1]) + s[0] * s[2] * np.arcsin(G[0, 2]) + s[1] * s[2] * np.arcsin(G[1, 2]))
            / (4 * np.pi)
            for s in patterns
        ]
        assert sum(volume) == pytest.approx(1)
        for rho in (0.0, 0.1, -1.0):
            columns = [np.where(s > 0, 1.0, rho) for s in patterns]
            for one in columns:
                for other in columns:
                    plane = np.column_stack([one, other])
                    inside = [
                        np.linalg.matrix_rank(np.column_stack([plane, column])) <= np.linalg.matrix_rank(plane)
                        for column in columns
                    ]
                    share = sum(v for v, within in zip(volume, inside, strict=True) if within)
                    assert share <= 0.5 + math.asin(cosine) / math.pi + 1e-12


@pytest.mark.parametrize(("n", "p", "least"), [(20, 0.3, 12), (50, 0.5, 40), (7, 0.1, 7), (100, 0.9, 95), (10, 0.5, 3)])
def test_the_binomial_tail_is_bounded_from_above(n, p, least):
    exact = plain_tail(n, p, least)
    assert exact - 1e-12 <= _log_tail(n, math.log(p), least) <= max(0.0, exact + 1)


def test_cells_are_covers_count():
    assert math.exp(log_cells(5, 2)) == pytest.approx(10)
    assert math.exp(log_cells(4, 9)) == pytest.approx(16)


def test_a_network_too_narrow_for_any_labels_has_no_bound():
    assert any_labels(100, 10, 5, 0.1, 0.05) is None
    assert STATEMENT.log_bound(N=100, d0=10, d1=5, rho=0.1, delta=0.05) == -math.inf


@pytest.mark.parametrize("arguments", [(0, 2, 2, 0.1, 0.1), (5, 2, 2, 1.0, 0.1), (5, 2, 2, 0.1, 1.0)])
def test_what_cannot_be_used_is_refused(arguments):
    with pytest.raises(ValueError, match="expected sizes"):
        any_labels(*arguments)


def test_more_confidence_costs_volume():
    sizes = (12, 11, 11, 0.1)
    volumes = [any_labels(*sizes, delta).log_volume for delta in (0.5, 0.25, 0.05)]
    assert volumes == sorted(volumes, reverse=True)
