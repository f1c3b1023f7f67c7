"""The walk to a minimum: against certificates, exact arithmetic, and a search around where it ends."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import verify
from verify.network.polish import Where, polish


def instance(seed, d0=4, d1=3, n=8):
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((d1, d0)),
        rng.standard_normal(d1),
        rng.standard_normal((d0, n)),
        rng.integers(0, 2, n) * 2.0 - 1,
    )


def loss(W, z, X, y, slope):
    hidden = W @ X
    return float(np.mean((y - z @ np.where(hidden > 0, hidden, slope * hidden)) ** 2))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, -0.5, 2.0]), st.integers(1, 14))
def test_it_never_climbs_and_says_where_it_is(seed, slope, n):
    W, z, X, y = instance(seed, n=n)
    end = polish(W, z, X, y, slope)
    assert end.loss <= loss(W, z, X, y, slope) * (1 + 1e-12) + 1e-25
    assert end.loss == pytest.approx(loss(end.W, z, X, y, slope), rel=1e-9, abs=1e-20)
    if end.where is not Where.MINIMUM:
        return
    assert not end.held
    gates = np.where(end.W @ X > 0, 1.0, slope)
    e = y - z @ (gates * (end.W @ X))
    assert np.abs((gates * e) @ X.T).max() < 1e-8


def test_what_it_calls_a_minimum_is_certified():
    found = []
    for slope in (0.0, 0.1, -0.5):
        for seed, n in ((0, 5), (1, 5), (2, 9), (3, 9), (4, 9), (5, 9)):
            W, z, X, y = instance(seed, n=n)
            end = polish(W, z, X, y, slope)
            if end.where is Where.MINIMUM:
                certificate = verify.certify(end.W, z, X.T, y, slope=slope, threshold=0.0)
                assert certificate.local_minimum.outcome.value == "holds", (seed, certificate)
                found.append(end.loss > 1e-6)
    assert len(found) >= 6
    assert True in found
    assert False in found


def test_stationarity_in_rational_arithmetic():
    """In the region of the end, exact least squares (by Gauss–Jordan on fractions) gives the residual of the end."""
    W, z, X, y = instance(3, d0=2, d1=1, n=5)
    z = np.array([1.5])
    end = polish(W, z, X, y, 0.25)
    rows = [[Fraction(1 if end.W[0] @ X[:, n] > 0 else 0.25) * Fraction(x) for x in X[:, n].tolist()] for n in range(5)]
    labels = [Fraction(value) for value in y.tolist()]
    (a, b), (_, c) = [[sum(r[i] * r[j] for r in rows) for j in range(2)] for i in range(2)]
    p, q = (sum(r[i] * label for r, label in zip(rows, labels, strict=True)) for i in range(2))
    det = a * c - b * b
    exact = [(c * p - b * q) / det, (a * q - b * p) / det]
    assert end.where is Where.MINIMUM
    assert (end.W[0] * 1.5).tolist() == pytest.approx([float(value) for value in exact], rel=1e-10)


def test_a_kink_is_no_descent_point():
    """No first layer near a kink is better: 2000 directions at two lengths."""
    kinks = 0
    rng = np.random.default_rng(0)
    for seed in range(12):
        W, z, X, y = instance(seed, d0=3, d1=2, n=14)
        end = polish(W, z, X, y, 0.0)
        if end.where is not Where.KINK:
            continue
        kinks += 1
        for length in (1e-2, 1e-4):
            around = end.W + length * rng.standard_normal((2000, *W.shape))
            hidden = np.maximum(around @ X, 0)
            nearby = ((y - np.einsum("i,bin->bn", z, hidden)) ** 2).mean(axis=1)
            assert nearby.min() >= end.loss - 1e-12
    assert kinks >= 3


def test_within_a_region_one_step_is_enough():
    W, z, X, y = instance(5, d0=6, d1=6, n=9)
    there = polish(W, z, X, y, 0.1)
    assert there.where is Where.MINIMUM
    again = polish(there.W + 1e-7 * np.ones_like(W), z, X, y, 0.1)
    assert (again.steps, again.crossed) == (2, 0)
    assert again.loss < 1e-24


def test_silent_neurons_stay():
    W, _, X, y = instance(6)
    z = np.array([0.0, 1.0, 0.0])
    end = polish(W, z, X, y, 0.1)
    assert (end.W[[0, 2]] == W[[0, 2]]).all()
    assert polish(W, 0 * z, X, y, 0.1).loss == pytest.approx(np.mean(y**2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W": np.ones(3)}, "got W"),
        ({"W": np.ones((3, 5))}, "5 columns"),
        ({"slope": 1}, "slope 1"),
        ({"y": np.full(8, np.nan)}, "NaN"),
        ({"X": np.zeros((4, 8))}, "sample is zero"),
    ],
)
def test_what_cannot_be_used_is_refused(change, message):
    W, z, X, y = instance(7)
    with pytest.raises(ValueError, match=message):
        polish(**({"W": W, "z": z, "X": X, "y": y, "slope": 0.1} | change))


def test_degenerate_data_are_no_exception():
    """Small integers: samples on lines through one another, neurons that are zero or on boundaries from the start."""
    rng = np.random.default_rng(0)
    for slope in (0.0, 0.1, -0.5, 2.0, -1.0) * 12:
        d0, d1, n = rng.integers(1, 5), rng.integers(1, 5), rng.integers(1, 12)
        W, z = rng.integers(-2, 3, (d1, d0)) * 1.0, rng.integers(-2, 3, d1) * 1.0
        X, y = rng.integers(-2, 3, (d0, n)) * 1.0, rng.integers(0, 2, n) * 1.0
        X[0, ~X.any(axis=0)] = 1.0
        end = polish(W, z, X, y, slope)
        assert end.loss <= loss(W, z, X, y, slope) * (1 + 1e-12) + 1e-20
        assert end.loss == pytest.approx(loss(end.W, z, X, y, slope), rel=1e-9, abs=1e-20)


@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e160, 1e300])
def test_samples_out_of_range_are_refused(factor):
    """With inputs whose squares vanish every loss looks flat, and with infinite ones nothing can be compared."""
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="multiply all samples by one number"):
        polish(rng.standard_normal((2, 2)), np.ones(2), factor * rng.standard_normal((2, 3)), np.ones(3), 0.1)
