"""Theorem 8: the samplers, their failures, and the two constructions side by side."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theorems.paper import theorem_8
from verify.backends import get_backend
from verify.data import Dataset
from verify.network.memorize import second_difference_network
from verify.sampling import Draw, stream
from verify.statements import Point


def draw(data=None):
    return Draw(stream(0, "test", "", 0), get_backend("numpy"), data)


@pytest.mark.parametrize("rho", [0.0, 0.1, -0.5, 2.0])
def test_every_labelling_is_fitted_exactly(rho):
    tally = theorem_8._all_labels(Point(N=4, d0=2, rho=rho), draw())
    assert tally == {"trials": 16, "misses": 0, "failed": 0, "widths": [4]}


def test_one_dimension_is_left_open_and_does_not_raise():
    tally = theorem_8._all_labels(Point(N=3, d0=1, rho=0.0), draw())
    assert (tally["failed"], tally["misses"]) == (8, 0)
    assert theorem_8.read(tally, Point(N=3, d0=1, rho=0.0)).counts()["doubtful"] == 8


def test_misses_outweigh_widths():
    point = Point(N=30, d0=4, rho=0.1)
    for sampler in (theorem_8.WRONG_PAIR, theorem_8.RANDOM_GATES):
        tally = sampler.draw(point, draw())
        assert tally["misses"] == tally["trials"] == 6
        assert theorem_8.read(tally, point).counts()["hits"] == 6
    assert theorem_8.FLOAT.draw(point, draw()) == {"trials": 6, "misses": 0, "failed": 0, "widths": [16]}


def test_the_papers_construction_at_half_the_labels():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((6, 40)), (np.arange(40) < 20).astype(float)
    network = second_difference_network(X, y, 0.1, rng=rng)
    assert len(network.W) <= math.exp(theorem_8.CLAIM.log_bound(N=40, d0=6)) + 1e-9
    with pytest.raises(ValueError, match="at most N/2 ones"):
        second_difference_network(X, np.ones(40), 0.1, rng=rng)


def test_sparse_data_are_mixed_before_they_are_fitted():
    rng = np.random.default_rng(2)
    X = rng.integers(0, 17, (60, 12)) * (rng.random((60, 12)) < 0.5)
    X[:, 0], X[:, 1] = 0, 1 + np.arange(60)
    data = Dataset.from_arrays(X, rng.integers(0, 2, 60))
    points = theorem_8._data_points(data)
    assert [point["d0"] for point in points] == [9, 9]  # nine tenths of the rank 11
    for point in points:
        tally = theorem_8.FLOAT.draw(point, draw(data))
        assert (tally["misses"], tally["failed"]) == (0, 0)
        assert math.log(tally["widths"][0]) <= theorem_8.CLAIM.log_bound(**point)


def test_the_bound_is_not_claimed_for_one_dimension():
    assert theorem_8.WIDE_INPUTS.at(Point(N=4, d0=1, rho=0.0), None) is False
    assert theorem_8.WIDE_INPUTS.at(Point(N=4, d0=2, rho=0.0), None) is True
