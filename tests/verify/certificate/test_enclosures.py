"""Bounds on rounding, and on eigenvalues, against exact arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat

from verify.certificate import enclosures
from verify.certificate.enclosures import Interval, scaled, sum_of_squares, unscaled
from verify.certificate.spectra import largest_eigenvalue, smallest_eigenvalue


def exact(array):
    return [[Fraction(value) for value in row] for row in np.atleast_2d(array).tolist()]


@pytest.mark.parametrize("seed", range(6))
def test_residual_and_gradient_lie_within_their_bounds(seed):
    """Columns that nearly cancel, over sixteen orders of magnitude: the bounds must hold and must not be idle."""
    rng = np.random.default_rng(seed)
    N, d0, d1 = 9, 40, 5
    X = rng.standard_normal((N, d0)) * 10.0 ** rng.integers(-8, 8, d0)
    W = rng.standard_normal((d1, d0)) * 10.0 ** rng.integers(-8, 8, d0)
    z, y, rho = rng.standard_normal(d1), rng.standard_normal(N), Fraction(1, 10)
    data, first, second = scaled(W, z, X, y, rho)
    found = data.activations(first, W)
    e, bound = data.residual(second, found)
    pulls, error = data.pulls(found, e, bound)
    hidden = [[sum(a * b for a, b in zip(w, x, strict=True)) for w in exact(first)] for x in exact(data.X)]
    gates = [[1 if value > 0 else rho for value in row] for row in hidden]
    assert found.active.tolist() == [[value > 0 for value in row] for row in hidden]
    truth = []
    for n in range(N):
        terms = zip(hidden[n], gates[n], exact(second)[0], strict=True)
        truth.append(Fraction(float(data.y[n])) - sum(h * a * weight for h, a, weight in terms))
        assert abs(truth[n] - Fraction(float(e[n]))) <= Fraction(float(bound[n]))
    samples = exact(data.X)
    for i in range(d1):
        pull = [sum(gates[n][i] * truth[n] * samples[n][j] for n in range(N)) for j in range(d0)]
        square = sum((a - Fraction(float(b))) ** 2 for a, b in zip(pull, pulls[i], strict=True))
        assert square <= Fraction(float(error[i])) ** 2
        assert error[i] < 1e-9 * np.linalg.norm(data.norms)
    sizes = [abs(h) for row in hidden for h in row]
    assert min(sizes) > 0
    for i in range(d1):
        sines = [float(abs(hidden[n][i])) / np.linalg.norm(first[i]) / np.linalg.norm(data.X[n]) for n in range(N)]
        assert found.lower[i] <= min(sines) <= found.upper[i]


def test_signs_beyond_the_work_limit_stay_undecided(monkeypatch):
    monkeypatch.setattr(enclosures, "OPEN_WORK", 3)
    # Sums that rounding loses; only the first sample is within the limit.
    X, w = np.ones((4, 3)), np.array([[1.0, 1e-17, -1.0]])
    data, first, _ = scaled(w, np.ones(1), X, np.ones(4), Fraction(0))
    found = data.activations(first, w)
    assert found.open.sum() == 3
    assert not found.zero.any()
    assert not found.decided.any()
    assert found.lower[0] == 0


def test_many_zeros_of_whole_numbers_need_no_big_integers(monkeypatch):
    monkeypatch.setattr(enclosures, "OPEN_WORK", 0)
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (500, 6)).astype(float)
    X[:, 3:] = X[:, :3]
    w = np.array([[3.0, -0.5, 7.0, -3.0, 0.5, -7.0]])
    data, first, _ = scaled(w, np.ones(1), X, np.ones(500), Fraction(0))
    found = data.activations(first, w)
    assert found.zero.all()
    assert not found.open.any()


@pytest.mark.parametrize("seed", range(8))
def test_eigenvalues_lie_within_their_bounds(seed):
    rng = np.random.default_rng(seed)
    roots = rng.integers(-9, 10, (8, 8))
    matrix = roots @ roots.T
    low, high = smallest_eigenvalue(matrix.astype(float), 0.0), largest_eigenvalue(matrix.astype(float), 0.0)
    for bound, sign in ((low, 1), (high, -1)):
        number = fmpq(*float(bound).as_integer_ratio())
        rows = [[fmpq(sign * int(a)) for a in row] for row in matrix]
        for k in range(8):
            rows[k][k] -= sign * number
        # Sylvester: positive definite exactly if all leading minors are positive.
        assert all(fmpq_mat([row[:k] for row in rows[:k]]).det() > 0 for k in range(1, 9))
    values = np.linalg.eigvalsh(matrix.astype(float))
    assert low > 0.4 * values[0]
    assert high < 1.2 * values[-1]


def test_a_singular_matrix_has_no_lower_bound():
    rows = np.random.default_rng(1).standard_normal((5, 3))
    assert smallest_eigenvalue(rows @ rows.T, 1e-12) == 0
    assert smallest_eigenvalue(np.eye(3), 2.0) == 0
    assert largest_eigenvalue(np.eye(3), 2.0) >= 3


def test_larger_matrices_take_iterations():
    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.standard_normal((620, 620)))[0]
    values = np.linspace(2.0, 5.0, 620)
    matrix = basis * values @ basis.T
    assert 1.6 < smallest_eigenvalue(matrix, 1e-10) < 2.0 + 1e-9
    assert 5.0 - 1e-9 < largest_eigenvalue(matrix, 1e-10) < 5.6


def test_intervals_round_outwards():
    square = sum_of_squares(np.array([3.0, -4.0]), np.array([1.0, 5.0]))
    assert square.lower <= 4
    assert square.upper >= 16 + 81
    with np.errstate(over="ignore"):
        assert unscaled(Interval(1.0, 2.0), 3000).upper == np.inf
        assert np.isfinite(unscaled(Interval(1.0, 2.0), 3000).lower)
    with np.errstate(under="ignore"):
        assert unscaled(Interval(1.0, 2.0), -3000).lower == 0 < unscaled(Interval(1.0, 2.0), -3000).upper
    third = unscaled(Interval(1.0, 1.0), 0, 3)
    assert Fraction(third.lower) < Fraction(1, 3) < Fraction(third.upper)


@pytest.mark.parametrize("sign", [1, -1])
def test_signs_that_rounding_loses_are_the_exact_ones(sign):
    w = np.array([[1.0, sign * 1e-17, -1.0], [sign * 1e-18, 1.0, -1.0]])
    X = np.array([[1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [3.0, 1.0, 3.0], [1.0, 3.0, 3.0]])
    data, first, _ = scaled(w, np.ones(2), X, np.ones(4), Fraction(0))
    found = data.activations(first, w)
    expected = [[sum(a * b for a, b in zip(row, x, strict=True)) > 0 for row in exact(w)] for x in exact(X)]
    assert found.active.tolist() == expected
    assert not found.zero.any()
    # Found again from scaled weights alone, as for the points of Newton steps.
    assert data.activations(first).active.tolist() == expected
