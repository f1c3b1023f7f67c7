"""What is proved of the minima of a region, against least squares in rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat

import verify
from verify.certificate import nearby
from verify.certificate.enclosures import scaled
from verify.certificate.nearby import nearby_minimum
from verify.verdicts import Outcome

SLOPE = 0.1


def network(N, d0, d1, seed, off=0.0):
    """A minimum of its region with a residual, and W moved off it by a relative `off`."""
    rng = np.random.default_rng([seed, N, d0, d1])
    X, W, z = rng.standard_normal((N, d0)), rng.standard_normal((d1, d0)), rng.choice([-1.0, 1.0], d1)
    A = np.where(W @ X.T > 0, 1.0, SLOPE)
    G = (A[:, None, :] * X.T[None]).reshape(-1, N)
    noise = rng.standard_normal(N)
    noise -= G.T @ np.linalg.lstsq(G.T, noise, rcond=None)[0]
    y = z @ (A * (W @ X.T)) + noise
    push = rng.standard_normal((d1, d0))
    push *= off * np.linalg.norm(W, axis=1, keepdims=True) / np.linalg.norm(push, axis=1, keepdims=True)
    return W + push, z, X, y


def rational(array):
    return fmpq_mat([[fmpq(*value.as_integer_ratio()) for value in row] for row in np.atleast_2d(array).tolist()])


def least_squares(W, z, X, y):
    """`‖e‖²` and u of the region's minimum, whose rows of G are independent."""
    A = [[Fraction(1) if on else Fraction(repr(SLOPE)) for on in row] for row in (W @ X.T > 0).tolist()]
    rows = [[a * Fraction(x) for a, x in zip(gates, feature, strict=True)] for gates in A for feature in X.T.tolist()]
    G = fmpq_mat([[fmpq(value.numerator, value.denominator) for value in row] for row in rows])
    labels = rational(y).transpose()
    u = (G * G.transpose()).solve(G * labels)
    e = labels - G.transpose() * u
    return (e.transpose() * e)[0, 0], u


def looked_at(W, z, X, y):
    data, first, second = scaled(W, z, X, y, Fraction(repr(SLOPE)))
    return data, first, second, nearby_minimum(data, first, second, data.activations(first, W))


@pytest.mark.parametrize("off", [1e-6, 1e-3, 0.03])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_that_hold_for_every_minimum_of_the_region(off, seed):
    W, z, X, y = network(25, 3, 2, seed, off)
    data, first, second, found = looked_at(W, z, X, y)
    loss, u = least_squares(W, z, X, y)
    units = fmpq(2) ** (2 * data.outputs)
    assert fmpq(*found.unmatched.as_integer_ratio()) * units <= loss
    # In scaled units u is divided by 2^outputs / 2^inputs.
    here = rational((second[:, None] * first).reshape(-1)).transpose()
    gap = u / fmpq(2) ** (data.outputs - data.inputs) - here
    square = (gap.transpose() * gap)[0, 0]
    assert 0 < fmpq(*found.moved.as_integer_ratio()) ** 2 <= square
    assert found.moved > 0.9 * float(Fraction(int(square.p), int(square.q))) ** 0.5


@pytest.mark.parametrize("seed", range(10))
def test_a_minimum_within_the_tolerance_is_never_denied(seed, monkeypatch):
    """Without the factorisations only the gradient can deny: at 0.9 of the tolerance from a minimum it must not."""
    monkeypatch.setattr(nearby, "LARGEST_MATRIX", 0)
    monkeypatch.setattr(nearby, "EXACT_RANK_SIZE", 0)
    W, z, X, y = network(25, 3, 2, seed, 9e-4)
    found = verify.certify(W, z, X, y, slope=SLOPE)
    assert found.local_minimum.outcome is Outcome.UNDECIDED
    assert "largest matrix" in found.reason


def test_far_off_it_is_denied(monkeypatch):
    monkeypatch.setattr(nearby, "LARGEST_MATRIX", 0)
    monkeypatch.setattr(nearby, "EXACT_RANK_SIZE", 0)
    assert verify.certify(*network(25, 3, 2, 0, 0.3), slope=SLOPE).local_minimum.outcome is Outcome.VIOLATED


def test_two_neurons_in_one_cell_share_their_columns():
    W, z, X, y = network(25, 3, 2, 4)
    twice = np.vstack([W, W[:1] * (1 + 1e-9)])
    half = np.array([z[0] / 2, z[1], z[0] / 2])
    *_, found = looked_at(twice, half, X, y)
    assert found.exists
    assert found.rank == 6
    assert found.distance < 1e-6


def test_many_neurons_in_one_cell_move_it_together():
    """Sixteen copies of each neuron, all at 0.9 of the tolerance from a minimum: u is sixteen of their moves away."""
    W, z, X, y = network(25, 3, 2, 6)
    copies = np.repeat(W, 16, axis=0)
    copies += 9e-4 * np.linalg.norm(copies, axis=1, keepdims=True) * np.array([1.0, 0.0, 0.0])
    assert ((copies @ X.T > 0) == (np.repeat(W, 16, axis=0) @ X.T > 0)).all()
    found = verify.certify(copies, np.repeat(z / 16, 16), X, y, slope=SLOPE)
    assert found.local_minimum.outcome is not Outcome.VIOLATED


def test_features_that_are_always_zero_do_not_matter():
    W, z, X, y = network(25, 3, 2, 5)
    wider = np.column_stack([W, [1.0, -2.0]])
    *_, found = looked_at(wider, z, np.column_stack([X, np.zeros(25)]), y)
    assert found.exists
    assert found.rank == 6


@pytest.mark.parametrize("margin", [1e-6, 1e-17, 1e-300])
def test_a_pre_activation_near_zero_is_kept(margin):
    """The shortest way to the label moves both neurons, and the first across zero; the second alone can do it."""
    W, X, y = np.array([[margin, 1.0], [1.0, -1.0]]), np.eye(2), 1 - 4e-4
    found = verify.certify(W, [1.0, 1.0], X, [y, 1 - SLOPE], slope=SLOPE)
    assert found.local_minimum.outcome is Outcome.HOLDS
    assert found.global_minimum.outcome is Outcome.HOLDS
    assert found.exact_minimum.distance == pytest.approx(4e-4 / 2**0.5, rel=0.01)
    moved = found.exact_minimum.W
    assert moved[0, 0] == pytest.approx(max(margin, nearby.CLEAR_MARGIN), rel=1e-5)
    assert abs(moved[0, 0] + moved[1, 0] - y) < 1e-15


def test_moves_that_hold_pre_activations_solve_the_same_problem():
    """Trained networks have inputs near zero: of these, most need it, and each proof is checked in exact arithmetic."""
    proved = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((12, 4)), np.arange(12) % 2
        W, z = rng.standard_normal((8, 4)), np.array([1.0, -1.0] * 4)
        for _ in range(200):
            active = np.where(X @ W.T > 0, 1.0, SLOPE)
            jacobian = ((active * z)[:, :, None] * X[:, None, :]).reshape(12, -1)
            e = y - (active * (X @ W.T)) @ z
            W += 0.1 * np.linalg.lstsq(jacobian, e, rcond=None)[0].reshape(W.shape)
        found = verify.certify(W, z, X, y, slope=SLOPE)
        if found.exact_minimum is None:
            continue
        proved += 1
        near = found.exact_minimum
        assert ((X @ near.W.T > 0) == (X @ W.T > 0)).all()
        gap = np.linalg.norm(near.W - W, axis=1) / np.linalg.norm(W, axis=1)
        assert gap.max() <= near.distance
        fit = np.where(X @ near.W.T > 0, X @ near.W.T, SLOPE * (X @ near.W.T)) @ z
        assert np.abs(fit - y).max() < 1e-10
    assert proved >= 4
