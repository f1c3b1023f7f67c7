"""Caps and margins against multiple-precision integrals and against directions drawn at random."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy.stats import binom

from verify.volume.caps import log_cap, smallest_margin


def cap_by_integral(sine, d0):
    """Share of the sphere within the angle: the integral of `sin^(d0−2)` over the polar angle, 30 digits."""
    with mp.workdps(30):
        angle = mp.asin(mp.mpf(sine))
        power = d0 - 2
        # In units of the angle, so that the integrand is of order one however small the angle is.
        part = mp.quad(lambda u: (mp.sin(angle * u) / mp.sin(angle)) ** power, mp.linspace(0, 1, 5)) * angle
        whole = mp.sqrt(mp.pi) * mp.gamma(mp.mpf(d0 - 1) / 2) / mp.gamma(mp.mpf(d0) / 2)
        return mp.log(part) + power * mp.log(mp.sin(angle)) - mp.log(whole)


@pytest.mark.parametrize("d0", [2, 3, 4, 7, 20, 101, 500])
@pytest.mark.parametrize("sine", [1e-12, 1e-3, 0.1, 0.5, 0.9, 0.999, 1.0])
def test_cap_against_the_integral(sine, d0):
    exact = float(cap_by_integral(sine, d0))
    found = float(log_cap(sine, d0))
    if exact > -667:
        assert found == pytest.approx(exact, rel=1e-11, abs=1e-9)
    else:  # below the range of float64: a lower bound, near where the cap is small
        assert found <= exact + 1e-9 * abs(exact)
        assert found >= exact + 0.5 * math.log1p(-(min(sine, 0.999) ** 2)) - 1e-9 * abs(exact)


def test_cap_by_hand():
    assert math.exp(log_cap(1.0, 9)) == pytest.approx(0.5)  # half of the sphere
    for sine in (0.2, 0.7, 1.0):
        assert math.exp(log_cap(sine, 2)) == pytest.approx(math.asin(sine) / math.pi)  # 2α of 2π
        assert math.exp(log_cap(sine, 3)) == pytest.approx((1 - math.sqrt(1 - sine**2)) / 2)  # Archimedes
    found = log_cap(np.array([0.2, 0.7]), 3)
    assert found.shape == (2,)
    assert np.all(np.diff(found) > 0)


def test_the_bound_joins_the_exact_value_without_a_jump():
    sines = np.geomspace(0.25, 0.27, 400)  # (d0 − 1) log s passes log 1e-290
    values = log_cap(sines, 500)
    assert values[0] < math.log(1e-290) < values[-1]
    assert np.all(np.diff(values) > 0)
    assert np.diff(values).max() < 0.5


@pytest.mark.parametrize(("sine", "d0"), [(0.5, 2), (0.5, 3), (0.8, 5), (0.95, 9)])
def test_cap_against_random_directions(sine, d0):
    """200 000 directions; fails by chance with probability 1e-7, and detects a factor off by 10 % almost surely."""
    rng = np.random.default_rng([1, d0])
    directions = rng.standard_normal((200_000, d0))
    cosine = directions[:, 0] / np.linalg.norm(directions, axis=1)
    hits = int((cosine >= math.sqrt(1 - sine**2)).sum())
    p = math.exp(log_cap(sine, d0))
    assert binom.ppf(5e-8, 200_000, p) <= hits <= binom.isf(5e-8, 200_000, p)
    assert not binom.ppf(5e-8, 200_000, 1.1 * p) <= hits


@pytest.mark.parametrize(("d0", "pairs"), [(2, 1), (2, 40), (3, 10), (8, 100), (50, 5000), (1000, 10**6)])
@pytest.mark.parametrize("delta", [0.5, 0.05, 1e-6])
def test_smallest_margin_solves_its_equation(d0, pairs, delta):
    """`P(|cos| < s)` integrated over `(1 − c²)^((d0−3)/2)`, times the number of pairs, is δ."""
    s = smallest_margin(delta, pairs, d0)
    with mp.workdps(30):
        power = mp.mpf(d0 - 3) / 2
        inside = mp.quad(lambda u: (1 - (s * u) ** 2) ** power, mp.linspace(0, 1, 5)) * s
        whole = mp.beta(mp.mpf(1) / 2, mp.mpf(d0 - 1) / 2) / 2
        assert float(pairs * inside / whole) == pytest.approx(delta, rel=1e-8)


@pytest.mark.parametrize(("d0", "k", "n", "delta"), [(2, 1, 10, 0.5), (3, 2, 8, 0.25), (10, 1, 30, 0.25)])
def test_margins_of_random_inputs(d0, k, n, delta):
    """Union bound over `kn` pairs, so the frequency of success is at least `1 − δ`; twice the margin has it less.

    40 000 draws: fails by chance with probability below 1e-7 in either direction.
    """
    rng = np.random.default_rng([2, d0])
    W, X = rng.standard_normal((40_000, k, d0)), rng.standard_normal((40_000, d0, n))
    cosines = W @ X / np.linalg.norm(W, axis=2)[:, :, None] / np.linalg.norm(X, axis=1)[:, None, :]
    smallest = np.abs(cosines).min(axis=(1, 2))
    s = smallest_margin(delta, k * n, d0)
    assert int((smallest >= s).sum()) >= binom.ppf(1e-7, 40_000, 1 - delta)
    assert int((smallest >= 2 * s).sum()) < binom.ppf(1e-7, 40_000, 1 - delta)


def test_wrong_arguments():
    for sine in (0.0, -0.1, 1.1, math.nan, [0.5, 0.0]):
        with pytest.raises(ValueError, match="sine"):
            log_cap(sine, 3)
    with pytest.raises(ValueError, match="2 dimensions"):
        log_cap(0.5, 1)
    for arguments in ((0.0, 1, 2), (1.0, 1, 2), (0.5, 0, 2), (0.5, 1, 1)):
        with pytest.raises(ValueError, match="expected"):
            smallest_margin(*arguments)
