"""F5: brute force over sets of cells and over regions, against the lattice of kernels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from theorems.finite import f5
from verify.backends import get_backend
from verify.network.arrangements import cell_volumes
from verify.network.regions import errors_above
from verify.sampling import Draw, stream
from verify.statements import Point
from verify.volume.exact import RegionLattice

SHAPES = [(4, 2, 0.0), (5, 2, 0.1), (5, 2, -0.5), (4, 1, 0.1), (3, 3, 0.0)]


def data(N, d0, seed=0):
    return f5.data_set(Point(N=N, d0=d0), Draw(stream(seed, "test", "f5", 0), get_backend("numpy")))


@pytest.mark.parametrize(("N", "d0", "rho"), SHAPES)
def test_sets_of_cells_have_the_events_volumes(N, d0, rho):
    for seed, width, epsilon in ((0, 1, 0.2), (1, 3, 0.5)):
        X, y = data(N, d0, seed)
        sets, needed = f5.every_set(X, y, rho), errors_above(epsilon, N)
        assert sets.clear
        assert sets.samples == N
        exact = RegionLattice(X.astype(int), y, rho, epsilon).volumes(width)
        occupied = sets.occupied(width)
        for event, volume in (
            (sets.rank < N, exact.rank),
            (sets.support >= needed, exact.support),
            (sets.errors >= needed, exact.first_order),
        ):
            assert occupied[event].sum() == pytest.approx(volume.estimate, abs=1e-13)
        found = f5.every_region(X, y, rho, epsilon, width)
        assert found[0] == pytest.approx(exact.suboptimal.estimate, abs=1e-11)
        assert found[1] == pytest.approx(exact.globalmin.estimate, abs=1e-11)


def test_occupied_sets_by_enumeration():
    X, y = data(3, 2)
    sets, (_, volumes) = f5.every_set(X, y, 0.1), cell_volumes(X)
    expected = np.zeros(2 ** len(volumes))
    for cells in itertools.product(range(len(volumes)), repeat=3):
        expected[sum({1 << i for i in cells})] += np.prod(volumes[list(cells)])
    assert sets.occupied(3) == pytest.approx(expected, abs=1e-15)
    assert sets.totals()[-1] == pytest.approx(1.0)


def test_what_floating_point_leaves_open_is_decided(monkeypatch):
    X, y = data(4, 2)
    expected = f5.every_region(X, y, 0.0, 0.2, 2)
    examine = f5.examine

    def undecided(*args, **options):
        found = examine(*args, **options)
        found.minimum[:] = -1
        return found

    monkeypatch.setattr(f5, "examine", undecided)
    assert f5.every_region(X, y, 0.0, 0.2, 2) == pytest.approx(expected, abs=1e-13)
    assert sum(expected) > 0


def test_a_tie_is_not_clear():
    X = np.array([[1.0, 1.0]])
    assert f5.every_set(X, np.array([1.0, 0.2]), 0.1).clear
    assert not f5.every_set(X, np.array([1.0, 0.0]), 0.1).clear  # least squares gives 1/2 on both


def test_the_reader_counts_data_sets_out_of_order():
    rows = [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0], [0.3, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0], [0.3, 0.2, 0.3, 0.4, 0, 0, 1.0]]
    seen = f5._ordered(*f5.LADDER)({"volumes": rows}, Point())
    assert (seen.count, seen.trials, seen.doubtful) == (1, 3, 1)
    assert f5._ordered(("fits", "global"))({"volumes": rows[:2]}, Point()).count == 2
