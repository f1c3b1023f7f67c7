"""F7: the enumeration against floating point, and against subspaces that two-valued vectors do not span."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from theorems.finite.f7 import largest_count, two_valued


def test_vectors_are_times_the_denominator():
    assert two_valued(2, -0.5) == [(-1, -1), (-1, 2), (2, -1), (2, 2)]


@pytest.mark.parametrize("rho", [0.0, 0.1, -1.0])
def test_counts_by_least_squares(rho):
    vectors = np.array(list(itertools.product((rho, 1.0), repeat=4)))
    most = 0
    for chosen in itertools.combinations(vectors, 2):
        basis = np.array(chosen).T
        if np.linalg.matrix_rank(basis) == 2:
            rest = vectors.T - basis @ np.linalg.pinv(basis) @ vectors.T
            most = max(most, int((np.abs(rest).max(axis=0) < 1e-9).sum()))
    assert largest_count(4, 2, rho) == most == 4


def test_no_subspace_beats_the_spans():
    """Subspaces through one two-valued vector and a random direction, and random ones."""
    rng = np.random.default_rng(0)
    vectors = np.array(list(itertools.product((0.1, 1.0), repeat=5)))
    for _ in range(200):
        basis = np.linalg.qr(np.column_stack([vectors[rng.integers(32)], rng.standard_normal((5, 2))]))[0]
        rest = vectors.T - basis @ (basis.T @ vectors.T)
        assert int((np.abs(rest).max(axis=0) < 1e-9).sum()) <= 8
    assert largest_count(5, 3, 0.1) == 8


@pytest.mark.parametrize(("rho", "count"), [(0.0, 1), (0.1, 0)])
def test_dimension_zero(rho, count):
    assert largest_count(3, 0, rho) == count
