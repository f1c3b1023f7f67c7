"""Section 6: the number of neurons that are dropped, the two ways of choosing them, and the finite-size bound."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from theorems.finite.f10 import CLAIM as F10
from theorems.paper import section_6
from verify.backends import get_backend
from verify.network import regions
from verify.sampling import Draw, stream
from verify.statements import Point

POINT = Point(N=8, d0=5, d1=6, r=0.25, epsilon=0.1, rho=0.0)


def draw():
    return Draw(stream(0, "test", "", 0), get_backend("numpy"))


@pytest.mark.parametrize(("d1", "r", "count"), [(6, 0.25, 1), (10, 0.3, 3), (10, 0.1, 1), (9, 0.1, 0), (5, 0.0, 0)])
def test_the_decimal_that_is_written_is_meant(d1, r, count):
    assert section_6.dropped(Point(d1=d1, r=r)) == count


def test_the_worst_choice_is_any_choice():
    tally = section_6._kept(POINT, draw())
    again = draw()
    X, W = again.rng.standard_normal((section_6.FEW, 5, 8)), again.rng.standard_normal((section_6.FEW, 6, 5))
    hits = 0
    for one, layer in zip(X, W, strict=True):
        hits += any(
            regions.support_above(regions.kernels(layer[list(kept)][None], one, 0.0), 0.1).hits
            for kept in itertools.combinations(range(6), 5)
        )
    assert tally["worst"] == hits
    assert 0 < tally["random"] < tally["worst"] < tally["trials"]


def test_nothing_dropped_leaves_theorem_6_and_f10():
    whole = POINT.but(r=0.0)
    values = {"N": 12, "d0": 10, "d1": 8, "epsilon": 0.1, "rho": 0.1}
    assert section_6.FINITE.log_bound(**values, r=0.0) == pytest.approx(F10.log_bound(**values))
    tally = section_6._kept(whole, draw())
    assert tally["random"] == tally["worst"]


def test_the_finite_bound_is_f10_of_the_kept_times_the_choices():
    bound = section_6.FINITE.log_bound(N=12, d0=11, d1=10, r=0.2, epsilon=0.1, rho=0.1)
    kept = F10.log_bound(N=12, d0=11, d1=8, epsilon=0.1, rho=0.1)
    assert bound == pytest.approx(kept + math.log(math.comb(10, 2)))


def test_the_exponent_shrinks_by_a_constant():
    values = {"N": 1000, "d0": 100, "d1": 80, "epsilon": 0.1, "rho": 0.1}
    ratio = section_6.CLAIM.log_bound(**values, r=0.75) / section_6.CLAIM.log_bound(**values, r=0.0)
    assert ratio == pytest.approx(0.25**0.25)


def test_the_example_of_a_dropped_neuron_that_adds_an_error():
    so, sentence = section_6._other_labels()
    assert so
    assert "3 of 4" in sentence
    X, y = np.array([[1, 1, 2, 1], [0, 1, 1, 2.0]]), np.array([1, 1, 0, 1.0])
    outputs = np.maximum(np.array([[1, 0], [-1, 1]]) @ X, 0).T @ [1 / 3, 2 / 3]
    assert np.abs(X @ (y - outputs)).max() < 1e-12
    assert ((outputs > 0.5) != (y > 0.5)).sum() == 3
