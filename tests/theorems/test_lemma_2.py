"""Lemma 2: helper functions, and what the sampler keeps."""

from __future__ import annotations

import numpy as np
import pytest

from theorems.paper import lemma_2
from verify.backends import get_backend
from verify.data import Dataset
from verify.network import training
from verify.sampling import Draw, stream
from verify.statements import Point

POINT = Point(N=6, d0=2, d1=2, rho=0.1)


def draw(seed=0, backend="numpy", data=None):
    return Draw(stream(seed, "test", POINT.key, 0), get_backend(backend), data)


def test_balanced_neurons_make_stationary_points_that_are_saddles():
    X, y, W, z = lemma_2._instances(POINT, draw())
    end = training.train(W[:, 1:], z[:, 1:], X, y, 0.1)
    e = training.residual(end.W, end.z, X, y, 0.1)
    found, w = lemma_2._balanced(draw(1), X, e, 0.1)
    assert found.sum() > 50
    hidden = np.einsum("bj,bjn->bn", w, X)
    pull = (np.where(hidden > 0, hidden, 0.1 * hidden) * e).sum(axis=1)
    assert np.abs(pull[found]).max() < 1e-12
    W, z = np.concatenate([w[:, None], end.W], axis=1), np.concatenate([0 * end.z, end.z], axis=1)
    stationary = found & (training.relative_gradient(W, z, X, y, 0.1) < lemma_2.STATIONARY)
    curvature = training.least_curvature(W, z, X, y, 0.1)
    assert stationary.sum() > 50
    assert np.median(curvature[stationary]) < -1e-3


@pytest.mark.parametrize("rho", [0.0, 0.1, -0.5])
def test_what_is_kept_includes_neurons_without_weight(rho):
    point = POINT.but(rho=rho)
    X, y, W, z = lemma_2._instances(point, draw())
    end = training.train(W, z, X, y, rho)
    kept = training.relative_gradient(end.W, end.z, X, y, rho) <= lemma_2.STATIONARY
    kept &= training.least_curvature(end.W, end.z, X, y, rho) >= lemma_2.CURVATURE
    assert kept.mean() > 0.3
    weights = np.abs(end.z * np.linalg.norm(end.W, axis=2))[kept]
    assert (weights.min(axis=1) < 1e-12).any() == (rho == 0)


def test_residuals_of_one_region_are_compared():
    e = np.zeros((lemma_2.DATA_SETS * lemma_2.STARTS, 3))
    active = np.zeros((len(e), 2, 3), dtype=bool)
    kept = np.zeros(len(e), dtype=bool)
    kept[:4], kept[lemma_2.STARTS : lemma_2.STARTS + 2] = True, True
    active[3] = True  # another region of the first data set
    e[3], e[lemma_2.STARTS] = 1.0, 1.0
    seen = lemma_2._compared(e, active, kept, np.full(len(e), 0.1))
    assert seen == {"shared": 2, "differ": 1, "strangers": 1, "strangers differ": 1}


@pytest.mark.parametrize("sampler", [lemma_2.TRAINED, lemma_2.UNTRAINED, lemma_2.SADDLES], ids=lambda s: s.name)
def test_the_samplers_say_the_same_on_every_backend(sampler):
    assert sampler.draw(POINT, draw()) == sampler.draw(POINT, draw(backend="array-api-strict"))


def test_all_labels_zero_are_no_counterexample():
    X, _, W, z = lemma_2._instances(POINT, draw())
    y = np.zeros((len(W), 6))
    end = training.train(W, z, X, y, 0.1)
    kept = training.relative_gradient(end.W, end.z, X, y, 0.1) <= lemma_2.STATIONARY
    tally = lemma_2._residuals(draw(), X, y, end.W, end.z, 0.1, kept)
    assert tally["data sets"] > 0
    assert tally["apart"] == 0


def test_a_users_data():
    rng = np.random.default_rng(0)
    X = np.round(rng.exponential(size=(80, 5)))
    X[:, 0] += 1
    data = Dataset.from_arrays(X, np.arange(80) % 2)
    for point in lemma_2._data_points(data):
        tally = lemma_2._in_regions(point, draw(data=data))
        assert tally["regions"] == lemma_2.REGIONS
        assert (tally["apart"], tally["doubtful"]) == (0, 0)
        assert tally["apart from range"] == lemma_2.REGIONS


def test_nothing_to_look_at_is_doubtful_and_not_fine():
    empty = {"data sets": 0, "doubtful": 0, "apart": 0, "shared": 0, "differ": 0}
    assert lemma_2._count("apart", "data sets")(empty, POINT).counts() == {"hits": 0, "trials": 1, "doubtful": 1}
    assert lemma_2._count("differ", "shared")(empty, POINT).counts() == {"hits": 0, "trials": 1, "doubtful": 1}
