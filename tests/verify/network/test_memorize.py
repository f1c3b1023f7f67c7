"""Fitting networks, judged by forward passes that know nothing of their construction."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.network.arrangements import GeneralPositionError
from verify.network.memorize import (
    forward_exact,
    gate_margins,
    memorize,
    memorize_exact,
    second_difference_network,
)

SLOPES = (0, Fraction(1, 10), Fraction(-1, 2), -1, 2)


def outputs(W, z, X, slope):
    """The network's definition, one scalar at a time, in extended precision."""
    total = np.zeros(X.shape[1], dtype=np.longdouble)
    for w, weight in zip(W.astype(np.longdouble), z.astype(np.longdouble), strict=True):
        for n, x in enumerate(X.T.astype(np.longdouble)):
            h = (w * x).sum()
            total[n] += weight * (h if h > 0 else np.longdouble(slope) * h)
    return total.astype(float)


def test_forward_exact_by_hand():
    W = [[Fraction(1), Fraction(0)], [Fraction(-1), Fraction(2)]]
    z = [Fraction(3), Fraction(1, 2)]
    X = [[2, -1], [3, 1]]  # pre-activations 2, -1 and 4, 3
    assert forward_exact(W, z, X, Fraction(1, 3)) == [Fraction(8), Fraction(1, 2)]
    with pytest.raises(ValueError, match="neuron 1 is zero on sample 0"):
        forward_exact(W, z, [[2], [1]], 0)


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize(("N", "d0"), [(1, 2), (2, 2), (3, 5), (4, 4), (5, 2), (7, 3), (12, 3), (13, 4)])
def test_exact_network_fits_exactly_with_the_stated_width(N, d0, slope):
    rng = np.random.default_rng([N, d0])
    X = rng.integers(-50, 51, (d0, N)).tolist()
    y = [Fraction(int(a), int(b)) for a, b in zip(rng.integers(-9, 10, N), rng.integers(1, 9, N), strict=True)]
    found = memorize_exact(X, y, slope)
    assert len(found.W) == len(found.z) == len(found.gate_of) == 2 * -(-N // d0)
    assert forward_exact(found.W, found.z, X, slope) == y  # raises at a zero pre-activation


@pytest.mark.parametrize("seed", range(10))  # at seed 6 a gate stands in the second half-turn
def test_exact_network_wherever_the_balanced_start_lies(seed):
    rng = np.random.default_rng([12, 3, seed])
    X, y = rng.integers(-50, 51, (3, 12)).tolist(), [1, 0, 1, 1] * 3
    found = memorize_exact(X, y, 0)
    assert forward_exact(found.W, found.z, X, 0) == y
    assert len(found.z) == 8


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.data())
def test_exact_network_for_small_lattice_data(data):
    """Duplicates, parallels and dependent blocks are common here, and must be fitted or refused."""
    d0, N = data.draw(st.integers(2, 3)), data.draw(st.integers(1, 6))
    entry = st.integers(-2, 2)
    X = data.draw(st.lists(st.lists(entry, min_size=N, max_size=N), min_size=d0, max_size=d0))
    y = data.draw(st.lists(st.fractions(-3, 3, max_denominator=4), min_size=N, max_size=N))
    slope = data.draw(st.sampled_from(SLOPES))
    try:
        found = memorize_exact(X, y, slope)
    except GeneralPositionError:
        minors = np.array(X, dtype=float)
        subsets = [minors[:, list(s)] for s in itertools.combinations(range(N), min(d0, N))]
        assert min(np.linalg.svd(s, compute_uv=False)[-1] for s in subsets) < 1e-9
        return
    assert forward_exact(found.W, found.z, X, slope) == y
    assert len(found.z) == 2 * -(-N // d0)


@pytest.mark.parametrize("slope", [float(slope) for slope in SLOPES])
@pytest.mark.parametrize(("N", "d0"), [(3, 5), (12, 3), (13, 4), (40, 8)])
def test_float_network_fits_and_pairs_lie_in_their_gates_cells(N, d0, slope):
    rng = np.random.default_rng([N, d0, 7])
    X = rng.standard_normal((d0, N)) * np.exp(rng.uniform(-3, 3, N))  # lengths must not matter
    y = rng.standard_normal(N)
    found = memorize(X, y, slope, rng=rng)
    assert found.W.shape == (2 * -(-N // d0), d0)
    assert np.abs(outputs(found.W, found.z, X, slope) - y).max() <= 1e-9 * max(1, np.abs(y).max())
    assert np.abs(found.W @ X).min() > 0
    paired = found.gate_of >= 0
    assert np.count_nonzero(~paired) == (2 if slope == 0 else 0)
    assert np.bincount(found.gate_of[paired], minlength=len(found.gates)).tolist() == [2] * len(found.gates)
    assert np.array_equal(np.sign(found.W @ X)[paired], np.sign(found.gates @ X)[found.gate_of[paired]])


@pytest.mark.parametrize("slope", [0, 0.1, -0.5])
@pytest.mark.parametrize(("N", "d0"), [(100, 20), (200, 4), (200, 25)])
def test_float_accuracy_at_size(N, d0, slope):
    rng = np.random.default_rng([N, d0])
    X, y = rng.standard_normal((d0, N)), (rng.random(N) < 0.5).astype(float)
    found = memorize(X, y, slope, rng=rng)
    assert found.residual <= 1e-9
    hidden = found.W @ X
    assert np.abs(found.z @ np.where(hidden > 0, hidden, slope * hidden) - y).max() <= 1e-9


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    N=st.integers(1, 12),
    d0=st.integers(2, 4),
    slope=st.one_of(st.just(0.0), st.floats(-3, 0.9), st.floats(1.1, 3)).filter(lambda s: s == 0 or abs(s) > 0.01),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_any_labels_any_slope(N, d0, slope, seed, scale):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((d0, N)), scale * rng.choice([0, 1, -1, 0.3], N)
    found = memorize(X, y, slope, rng=rng)
    assert len(found.z) == 2 * -(-N // d0)
    assert np.abs(outputs(found.W, found.z, X, slope) - y).max() <= 1e-8 * max(1, scale)


@pytest.mark.parametrize("slope", [0, 0.1, -0.5, 2])
@pytest.mark.parametrize(("N", "d0", "ones"), [(12, 3, 6), (13, 4, 6), (40, 8, 20), (10, 2, 3), (9, 5, 0)])
def test_second_difference_network(N, d0, ones, slope):
    rng = np.random.default_rng([N, d0])
    X, y = rng.standard_normal((d0, N)), np.zeros(N)
    y[rng.permutation(N)[:ones]] = 1
    found = second_difference_network(X, y, slope, rng=rng)
    assert len(found.z) == 4 * -(-ones // (d0 - 1)) <= 4 * math.ceil(N / (2 * d0 - 2))
    assert np.abs(outputs(found.W, found.z, X, slope) - y).max() < 1e-10
    assert np.abs(found.W @ X).min(initial=1) > 0


def test_second_difference_network_refuses_other_labels():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3, 4))
    for y in ([1, 1, 1, 0], [0.5, 0, 0, 0]):
        with pytest.raises(ValueError, match="use `memorize`"):
            second_difference_network(X, y, 0, rng=rng)


def test_gate_margins():
    gates = np.array([[1.0, 0.0], [3.0, 4.0]])
    X = np.array([[1.0, 0.0, 5.0], [1.0, 2.0, 0.0]])
    assert gate_margins(gates, X) == pytest.approx([0.0, 3 / 5])
    with pytest.raises(ValueError, match="expected both to be directions"):
        gate_margins(gates, X * 0)
    with pytest.raises(ValueError, match="m × d0"):
        gate_margins(gates, X.T)


GOOD = [[1.0, 2.5, -1.0], [0.5, 1.0, 2.0]]


@pytest.mark.parametrize(
    ("X", "y", "slope", "message"),
    [
        ([[1.0, 2.0]], [0, 1], 0, "d0 = 1"),
        (GOOD, [0, 1, 1], 1, "slope 1"),
        (GOOD, [0, math.nan, 1], 0, "NaN"),
        ([[1.0, math.inf, 2.0], [1.0, 2.0, 5.0]], [0, 0, 1], 0, "infinite"),
        (GOOD, [0, 1], 0, "shape|expected d0 × N"),
        ([["a", "b"], ["c", "d"]], [0, 1], 0, "real numbers"),
        ([[1.0, 3.0, 1.0], [0.5, 1.5, 2.0]], [0, 1, 1], 0.1, "parallel"),
        ([[1.0, -3.0, 1.0], [0.5, -1.5, 2.0]], [0, 1, 1], 0.1, "parallel"),
        ([[1.0, 0.0, 1.0], [0.5, 0.0, 2.0]], [0, 1, 1], 0.1, "zero"),
        ([[1.0, 2.0, 1.0], [0.5, 0.0, 2.0], [1.5, 2.0, 3.0]], [0, 1, 1], 0.1, "span fewer"),
    ],
)
def test_errors_say_what_is_wrong(X, y, slope, message):
    with pytest.raises(ValueError, match=message):
        memorize(X, y, slope, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("X", "y", "slope", "message"),
    [
        ([[1, 2], [2, 4]], [0, 1], 0, "parallel"),
        ([[1, 0], [2, 0]], [0, 1], 0, "zero"),
        ([[1, 0, 1], [0, 1, 1], [0, 0, 0]], [0, 1, 1], 0, "span fewer"),
        ([[1, 2], [2, 5]], [0, 1], 1, "slope 1"),
        ([[1.5, 2], [2, 5]], [0, 1], 0, "use `memorize`"),
        ([[1, 2], [2, 5]], [0, 1], 0.5, "use `memorize`"),
    ],
)
def test_exact_errors_say_what_is_wrong(X, y, slope, message):
    with pytest.raises(ValueError, match=message):
        memorize_exact(X, y, slope)


@pytest.mark.parametrize("factor", [1e-300, 1e300])
def test_samples_out_of_range_are_refused_and_memorized_exactly(factor):
    X, y = np.array([[1.0, 2.0, -1.0], [1.0, -1.0, 3.0]]) * factor, np.array([1.0, 0.0, 1.0])
    for build in (memorize, second_difference_network):
        with pytest.raises(ValueError, match="multiply all samples by one number"):
            build(X, y * [1, 1, 0], 0.1, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="multiply all samples by one number"):
        gate_margins(np.ones((1, 2)), X)
