"""Patterns and outputs against the definition, written as loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.backends import get_backend
from verify.network.activations import forward, pattern

SLOPES = (0.0, 0.1, -0.5, -1.0, 2.0)


def leaky(u, slope):
    return u if u > 0 else slope * u


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6), st.sampled_from(SLOPES), st.integers(0, 10**6))
def test_against_the_definition(d1, d0, N, slope, seed):
    rng = np.random.default_rng(seed)
    W, z, X = rng.standard_normal((3, d1, d0)), rng.standard_normal((3, d1)), rng.standard_normal((3, d0, N))
    A, outputs = pattern(W, X, slope), forward(W, z, X, slope)
    assert A.shape == (3, d1, N)
    assert outputs.shape == (3, N)
    for k in range(3):
        for n in range(N):
            hidden = [sum(W[k, i, j] * X[k, j, n] for j in range(d0)) for i in range(d1)]
            assert A[k, :, n].tolist() == [1.0 if h > 0 else slope for h in hidden]
            assert outputs[k, n] == pytest.approx(
                sum(z[k, i] * leaky(h, slope) for i, h in enumerate(hidden)), abs=1e-12
            )
    # f(u) = u·a(u), and one region or one data set among many.
    np.testing.assert_allclose((z[:, :, None] * A * (W @ X)).sum(axis=1), outputs, atol=1e-12)
    np.testing.assert_array_equal(pattern(W[0], X[0], slope), A[0])
    np.testing.assert_array_equal(pattern(W, X[0], slope)[0], A[0])
    np.testing.assert_array_equal(forward(W[0], z[0], X[0], slope), outputs[0])


def test_zero_counts_as_negative():
    W, X = np.array([[1.0, -1.0]]), np.array([[1.0, 2.0, 0.0], [1.0, 1.0, 1.0]])
    assert pattern(W, X, 0.1).tolist() == [[0.1, 1.0, 0.1]]


def test_wrong_arguments():
    with pytest.raises(ValueError, match="slope 1"):
        pattern(np.ones((1, 2)), np.ones((2, 3)), 1)
    with pytest.raises(ValueError, match="W has 2 columns and X has 3 rows; expected the same d0"):
        pattern(np.ones((7, 1, 2)), np.ones((7, 3, 4)), 0)


@pytest.mark.parametrize("slope", [0, *SLOPES])
def test_strict_arrays(slope):
    strict = get_backend("array-api-strict")
    rng = np.random.default_rng(1)
    W, z, X = rng.standard_normal((3, 2, 4)), rng.standard_normal((3, 2)), rng.standard_normal((4, 5))
    there = [strict.asarray(part) for part in (W, z, X)]
    np.testing.assert_array_equal(strict.to_numpy(pattern(there[0], there[2], slope)), pattern(W, X, slope))
    np.testing.assert_allclose(strict.to_numpy(forward(*there, slope)), forward(W, z, X, slope), atol=1e-14)
