"""Training against finite differences, and against SciPy as a peer."""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
from scipy.optimize import least_squares

from verify.network import training
from verify.network.activations import forward

SLOPES = (0.0, 0.1, -0.5)


def instance(seed, batch=6, n=7, d0=3, d1=2):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((batch, d0, n)), rng.standard_normal((batch, n))
    return rng.standard_normal((batch, d1, d0)), rng.standard_normal((batch, d1)), X, y


def loss(weights, shape, X, y, slope):
    d1, d0 = shape
    return ((y - forward(weights[: d1 * d0].reshape(d1, d0), weights[d1 * d0 :], X, slope)) ** 2).sum()


def flat(W, z):
    return np.concatenate([W.ravel(), z])


def unit(W, z):
    length = np.linalg.norm(W, axis=-1)
    return W / length[..., None], z * length


@pytest.mark.parametrize("slope", SLOPES)
def test_gradient_and_curvature_against_finite_differences(slope):
    W, z, X, y = instance(1)
    gradient = training.relative_gradient(W, z, X, y, slope)
    curvature = training.least_curvature(W, z, X, y, slope)
    W, z = unit(W, z)
    step = 1e-4
    for k in range(len(W)):
        here, shape = flat(W[k], z[k]), W[k].shape
        moves = step * np.eye(here.size)

        def at(change, k=k, here=here, shape=shape):
            return loss(here + change, shape, X[k], y[k], slope)

        slopes = np.array([(at(m) - at(-m)) / (2 * step) for m in moves])
        hessian = np.array(
            [[(at(a + b) - at(a - b) - at(b - a) + at(-a - b)) / (4 * step**2) for b in moves] for a in moves]
        )

        # J from differences of the outputs; the loss is the square of e, hence the factors of 2.
        def outputs(weights, k=k, shape=shape):
            return forward(weights[: -shape[0]].reshape(shape), weights[-shape[0] :], X[k], slope)

        J = np.array([(outputs(here + m) - outputs(here - m)) / (2 * step) for m in moves]).T
        assert gradient[k] == pytest.approx(
            np.linalg.norm(slopes) / 2 / np.linalg.norm(J) / np.linalg.norm(y[k]), rel=1e-5
        )
        least = np.linalg.eigvalsh(hessian / 2).min() / (J**2).sum()
        assert curvature[k] == pytest.approx(least, abs=1e-6)


def test_measures_do_not_depend_on_how_a_neuron_shares_its_size():
    W, z, X, y = instance(2)
    scale = np.array([1e6, 1e-3])
    for measure in (training.relative_gradient, training.least_curvature):
        moved = measure(W * scale[:, None], z / scale, X, y, 0.1)
        assert moved == pytest.approx(measure(W, z, X, y, 0.1), rel=1e-9)


@pytest.mark.parametrize("slope", SLOPES)
def test_training_never_raises_the_loss(slope):
    W, z, X, y = instance(3, batch=40)
    before = (training.residual(W, z, X, y, slope) ** 2).mean(axis=1)
    after = training.train(W, z, X, y, slope, steps=15)
    assert (after.loss <= before * (1 + 1e-12)).all()
    assert after.loss == pytest.approx((training.residual(after.W, after.z, X, y, slope) ** 2).mean(axis=1))


def peer(W, z, X, y, slope, **options):
    d1, d0 = W.shape

    def e(weights):
        return y - forward(weights[: d1 * d0].reshape(d1, d0), weights[d1 * d0 :], X, slope)

    return least_squares(e, flat(W, z), **options)


@pytest.mark.parametrize("slope", SLOPES)
def test_scipy_takes_the_ends_for_stationary(slope):
    W, z, X, y = instance(4, batch=60)
    end = training.train(W, z, X, y, slope)
    settled = np.flatnonzero(training.relative_gradient(end.W, end.z, X, y, slope) < 1e-10)
    assert len(settled) >= 15
    for k in settled[:15]:
        found = peer(*unit(end.W[k], end.z[k]), X[k], y[k], slope, gtol=1e-6)
        assert found.nfev == 1
        assert 2 * found.cost / y.shape[1] == pytest.approx(end.loss[k], abs=1e-12)


def test_as_low_as_scipy_from_the_same_starts():
    W, z, X, y = instance(5, batch=30)
    end = training.train(W, z, X, y, 0.1)
    peers = [2 * peer(W[k], z[k], X[k], y[k], 0.1).cost / y.shape[1] for k in range(len(W))]
    # Local searches differ start by start, and neither should be better on the whole.
    assert np.median(end.loss) <= 1.5 * np.median(peers) + 1e-12


def test_one_data_set_under_all_networks():
    W, z, X, y = instance(6)
    alone = training.train(W, z, X[0], y[0], 0.1, steps=5)
    repeated = training.train(W, z, np.repeat(X[:1], len(W), 0), np.repeat(y[:1], len(W), 0), 0.1, steps=5)
    assert alone.loss == pytest.approx(repeated.loss, rel=1e-9)


def test_needs_no_more_than_the_array_standard():
    parts = [array_api_strict.asarray(part) for part in instance(7, batch=3)]
    plain = training.train(*instance(7, batch=3), 0.1, steps=4)
    strict = training.train(*parts, 0.1, steps=4)
    assert np.asarray(strict.loss) == pytest.approx(plain.loss, rel=1e-9)
    X, y = instance(7, batch=3)[2:]
    curvature = training.least_curvature(strict.W, strict.z, *parts[2:], 0.1)
    assert np.asarray(curvature) == pytest.approx(training.least_curvature(plain.W, plain.z, X, y, 0.1), abs=1e-9)


def test_a_network_that_gives_nothing_is_stationary_and_flat():
    """All neurons off at slope 0, or labels that are met: no derivative has a length to be measured against."""
    W, z, X = -np.ones((2, 3, 2)), np.ones((2, 3)), np.array([[1.0, 2.0, 3.0], [1.0, 0.5, 4.0]])
    for labels in ([1.0, 0.0, 1.0], [0.0, 0.0, 0.0]):
        assert training.relative_gradient(W, z, X, np.array(labels), 0.0).tolist() == [0.0, 0.0]
        assert training.least_curvature(W, z, X, np.array(labels), 0.0).tolist() == [0.0, 0.0]
    assert training.relative_gradient(-W, 0 * z, X, np.zeros(3), 0.1).tolist() == [0.0, 0.0]
