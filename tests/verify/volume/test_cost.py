"""Predicted costs against what was enumerated, and refusals before the work."""

import math
import time

import numpy as np
import pytest

from verify.network.arrangements import cover_count
from verify.volume.cost import CELL_LIMIT, MEMORY_LIMIT, cost_of_shape, least_cells, width_cost
from verify.volume.exact import ExactLimitError, RegionLattice, predicted_cost


@pytest.mark.parametrize(("d0", "N"), [(1, 3), (2, 4), (2, 6), (2, 8), (3, 4), (3, 6), (4, 6), (5, 7)])
def test_sizes_are_predicted(d0, N):
    X = np.random.default_rng([d0, N]).standard_normal((d0, N))
    cost = predicted_cost(X, 5)
    lattice = RegionLattice(X, np.zeros(N), 0.1, 0.1, effort=0.01)
    assert d0 == 1 or cost == cost_of_shape(d0, N, 5)  # on a line samples of one sign are multiples
    assert cost.cells == len(lattice.patterns) == cover_count(N, d0)
    assert cost.closed_form is (d0 <= 3)
    assert len(lattice.closed) / 5 < cost.closed_sets < 5 * len(lattice.closed)
    assert not cost.refusal
    assert 0 < cost.seconds < 600
    assert cost.bytes < 1e9


def test_more_of_anything_costs_more():
    base = cost_of_shape(3, 7, 10)
    for d0, N, width in ((3, 8, 10), (4, 7, 10), (3, 7, 1000)):
        assert cost_of_shape(d0, N, width).seconds > base.seconds
    assert cost_of_shape(3, 7, 10, box_limit=10).seconds < base.seconds
    assert cost_of_shape(3, 7, 10**6).bytes > base.bytes


def test_repeated_samples_cost_no_more_than_distinct_ones():
    X = np.random.default_rng(0).integers(-9, 10, (3, 5))
    once, again = predicted_cost(X), predicted_cost(np.repeat(X, 400, axis=1))
    assert (again.cells, again.closed_sets) == (once.cells, once.closed_sets)
    assert predicted_cost(np.column_stack([X, -X])).cells == once.cells


@pytest.mark.parametrize(
    ("d0", "N", "why"), [(2, 400, "800 cells"), (784, 2000, "cells"), (30, 30, "cells"), (3, 15, "closed sets")]
)
def test_refusals_come_at_once_and_name_the_alternative(d0, N, why):
    X = np.random.default_rng(1).standard_normal((d0, N))
    start = time.perf_counter()
    for cost in (predicted_cost(X, 10), cost_of_shape(d0, N, 10)):
        assert why.split()[-1] in cost.refusal
        assert "method='sample'" in cost.refusal
    with pytest.raises(ExactLimitError, match="method='rare'"):
        RegionLattice(X, np.zeros(N), 0.1, 0.1)
    assert time.perf_counter() - start < 20


def test_memory_is_refused_before_it_is_taken():
    X = np.random.default_rng(2).standard_normal((2, 5))
    lattice = RegionLattice(X, [0, 1, 0, 1, 0], 0.1, 0.1)
    assert predicted_cost(X, 10**10).refusal
    for ask in (lattice.volumes, lattice.first_order):
        with pytest.raises(ExactLimitError, match="GB are allowed; use method='rare'"):
            ask(10**11)
    assert "memory" in predicted_cost(X, memory=1e6).refusal
    assert width_cost(1000, 10**9, 1.0).bytes > MEMORY_LIMIT
    assert not width_cost(1000, 10**4, 1.0).refusal


def test_what_general_position_excludes_is_a_refusal_too():
    plane = [[1, 1, 0, 0, 1], [2, 0, 1, 0, 1], [5, 0, 0, 1, 0]]
    for X, why in ((plane, r"samples [1, 2, 4]"), ([[1, 0], [0, 0]], "sample 1 is zero")):
        cost = predicted_cost(X)
        assert why in cost.refusal
        assert "method='sample'" in cost.refusal
    with pytest.raises(ValueError, match="d0 × N"):
        predicted_cost([1, 2])
    with pytest.raises(ValueError, match="X has the entry nan"):
        predicted_cost([[math.nan]])
    with pytest.raises(ValueError, match="width"):
        predicted_cost([[1.0]], 0)
    with pytest.raises(ValueError, match="width"):
        cost_of_shape(2, 3, 0)


@pytest.mark.parametrize("shape", [(1, 9), (2, 6), (3, 5), (6, 6), (5, 3)])
def test_the_quick_count_never_exceeds_the_cells(shape):
    X = np.random.default_rng(list(shape)).standard_normal(shape)
    doubled = np.column_stack([X, -2 * X])
    assert least_cells(X) == least_cells(doubled)
    assert 2 <= least_cells(doubled) <= cover_count(shape[1], shape[0]) if shape[0] > 1 else least_cells(X) == 2
    assert least_cells(np.random.default_rng(0).standard_normal((2, 3000))) > CELL_LIMIT
