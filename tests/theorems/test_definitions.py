"""Definitions 1, 3, 4, 5: helper functions against brute force, and what their samplers count."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from theorems.paper import definition_1, definition_3, definition_4, definition_5
from verify.backends import get_backend
from verify.sampling import Draw, stream
from verify.statements import Point

GENERAL = np.array([[-4, 1, 0, -4, 4], [-3, -5, 4, 1, -5], [-4, 4, 3, 4, 5]])


def draw(seed=0):
    return Draw(stream(seed, "test", "", 0), get_backend("numpy"))


@pytest.mark.parametrize(
    "X",
    [
        GENERAL[:2, :4],
        GENERAL,
        np.array([[1, 2, 1], [1, 2, 0]]),  # two parallel samples
        np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0]]),  # a dependent triple in three dimensions
    ],
)
def test_cells_counted_by_ranks_against_random_directions(X):
    rng = np.random.default_rng(0)
    signs = np.sign(rng.standard_normal((200_000, len(X))) @ X)
    assert definition_1.counted_cells(X) == len(np.unique(signs, axis=0))


def test_cells_shown_one_by_one_are_all_of_them():
    assert definition_1.certified_cells(GENERAL) == definition_1.counted_cells(GENERAL) == 22
    assert math.log(22) == pytest.approx(definition_1.EXACTLY.log_bound(N=5, d0=3, d1=1))


def test_a_missing_cell_leaves_the_count_open():
    estimate = definition_1.read({"shown": [21], "counted": [22]}, Point(N=5, d0=3, d1=1))
    assert estimate.counts() == {"hits": 0, "trials": 1, "doubtful": 1}


@pytest.mark.parametrize(("n", "d1", "k"), [(3, 1, 0), (5, 2, 3), (4, 3, 1)])
def test_the_example_region_has_the_angles_of_the_claim(n, d1, k):
    X, inside = definition_3.example(Point(N=n, d1=d1, k=k))
    turn = np.linspace(0, 2 * math.pi, 400_001)[:-1]
    signs = np.stack([np.cos(turn), np.sin(turn)], axis=1) @ X > 0
    shares = [(signs == (row > 0)).all(axis=1).mean() for row in inside @ X]
    assert math.log(math.prod(shares)) == pytest.approx(definition_3.CLAIM.log_bound(N=n, d1=d1, k=k), abs=1e-3)


def test_a_region_beyond_the_last_cell_is_outside_the_domain():
    assert definition_3.INSIDE.at(Point(N=4, d1=2, k=2), None) is True
    assert definition_3.INSIDE.at(Point(N=4, d1=2, k=3), None) is False


@pytest.mark.parametrize("rho", [0.0, 0.1, -0.5])
def test_the_ladder_is_strict_somewhere_and_never_broken(rho):
    point = Point(N=6, d0=2, d1=3, epsilon=0.2, rho=rho)
    tally = definition_4._ladder(point, draw())
    assert tally["broken"] == tally["both"] == tally["doubtful"] == 0
    assert tally["suboptimal"] > 0
    assert tally["support not labels"] > 0
    assert tally["fits not global"] > 0


def test_every_event_of_a_region_known_by_hand():
    # One neuron that sees both samples: ker G = (2, −1), e = (y·(2, −1)/5) (2, −1).
    X, W = np.array([[1.0, 2.0]]), np.array([[1.0]])
    suboptimal = definition_4.answers(W, X, np.array([1.0, 0.0]), 0.0, 0.1)
    assert suboptimal == {
        "labels": True,
        "support": True,
        "rank": True,
        "fits": False,
        "suboptimal": True,
        "global": False,
    }
    fitting = definition_4.answers(W, X, np.array([0.0, 0.0]), 0.0, 0.1)
    assert (fitting["suboptimal"], fitting["global"], fitting["fits"]) == (False, True, True)


def test_the_reported_region_without_a_minimum_has_none():
    so, sentence = definition_4._no_minimum()
    assert so
    found = definition_4.find_minimum([[1, -3]], [[-2, -2, 1], [-2, -1, -2]], [0, 1, 0], 0.0)
    assert "(1, -3)" in sentence
    assert found.contains_minimum is False


def test_gamma_by_hand_and_by_formula():
    values = itertools.product((0.05, 0.3), (0.0, 0.1, 3.0), (0, 0.2, 1))
    for epsilon, rho, share in values:
        point = Point(epsilon=epsilon, rho=rho, **{"lambda": share})
        largest = epsilon if rho == 0 else max(epsilon, share)
        expected = math.log(0.23) + 0.75 * math.log(largest)
        assert definition_5.CLAIM.log_bound(**point) == pytest.approx(expected, abs=1e-12)
        tally = definition_5._by_hand(point, draw())
        assert tally["log"] == [pytest.approx(expected, abs=1e-12)]
