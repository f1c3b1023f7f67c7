"""Kernels modulo a prime against elimination over the fractions, and products against Python's integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import nmod_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.network import modular
from verify.network.elimination import product, reciprocal

SLOPES = (0.0, 0.1, -1.0, -0.5, 3.0, 1e-7, 1 + 1e-9, 1e160)
SCALES = (1e-300, 1e-150, 1.0, 1e150)


def kernel(G):
    """A basis of the kernel of rows of fractions, by Gauss and Jordan."""
    rows, pivots = [list(row) for row in G], []
    columns = len(rows[0])
    for column in range(columns):
        place = next((i for i in range(len(pivots), len(rows)) if rows[i][column]), None)
        if place is None:
            continue
        rank = len(pivots)
        rows[rank], rows[place] = rows[place], rows[rank]
        rows[rank] = [entry / rows[rank][column] for entry in rows[rank]]
        for i, row in enumerate(rows):
            if i != rank and row[column]:
                rows[i] = [a - row[column] * b for a, b in zip(row, rows[rank], strict=True)]
        pivots.append(column)
    basis = []
    for free in (n for n in range(columns) if n not in pivots):
        vector = [Fraction(int(n == free)) for n in range(columns)]
        for i, pivot in enumerate(pivots):
            vector[pivot] = -rows[i][free]
        basis.append(vector)
    return basis


def explicit(active, X, slope):
    """`A ∘ X` with all floats read as decimals."""
    rho, decimals = Fraction(repr(slope)), [[Fraction(repr(entry)) for entry in row] for row in X.tolist()]
    return [
        [entry * (1 if on else rho) for on, entry in zip(gates, row, strict=True)]
        for gates in active.tolist()
        for row in decimals
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(SLOPES), st.sampled_from(SCALES), st.booleans())
def test_rank_support_and_residual_against_fractions(seed, slope, scale, close):
    rng = np.random.default_rng(seed)
    N, d0, d1, count = int(rng.integers(2, 7)), int(rng.integers(1, 4)), int(rng.integers(1, 4)), 3
    X = rng.integers(-3, 4, (d0, N)) * scale
    if close:  # copies of the first sample, up to the last digits
        X[:, -1] = X[:, 0] * (1 + 2.0**-50)
    active, labels = rng.random((count, d1, N)) < 0.5, rng.integers(0, 2, (count, N)).astype(float)
    found = modular.kernels(active, modular.reduced_floats(X, slope), labels)
    for k in range(count):
        basis = kernel(explicit(active[k], X, slope))
        assert found.rank[k] == N - len(basis)
        np.testing.assert_array_equal(found.support[k], [any(v[n] for v in basis) for n in range(N)])
        assert found.cancels[k] == all(sum(a * int(b) for a, b in zip(v, labels[k], strict=True)) == 0 for v in basis)


@given(st.integers(0, 2**50), st.integers(0, 2**50), st.integers(0, 5))
def test_products_and_inverses_against_integers(a, b, number):
    prime = modular.random_prime(np.random.default_rng(number), modular.FAST_PRIME)
    a, b = a % prime, b % prime
    assert product(a, b, prime, 1 / prime) == a * b % prime
    if a:
        assert reciprocal(a, prime, 1 / prime) == pow(a, -1, prime)


@given(st.integers(0, 2**32))
def test_ranks_against_another_elimination(seed):
    rng = np.random.default_rng(seed)
    prime, (rows, inner, columns) = modular.random_prime(rng, modular.FAST_PRIME), rng.integers(1, 7, 3)
    left, right = rng.integers(0, prime, (rows, inner)).tolist(), rng.integers(0, prime, (inner, columns)).tolist()
    products = (sum(a * row[n] for a, row in zip(line, right, strict=True)) for line in left for n in range(columns))
    entries = [entry % prime for entry in products]
    expected = nmod_mat(int(rows), int(columns), entries, prime).rank()
    entries = np.array(entries, dtype=np.int64).reshape(rows, columns)
    assert modular.rank(entries, prime) == expected
    assert modular.rank(np.zeros((0, 3), dtype=np.int64), prime) == 0


def test_extreme_factors_of_the_largest_prime():
    """Where the quotient in floating point is furthest off."""
    prime = 2**50 - 27  # the largest prime below 2^50
    for a in (1, prime - 1, prime // 2, prime // 2 + 1, 2**49, prime - 2**20):
        for b in (1, prime - 1, prime // 2, 3, 2**25 + 1):
            assert product(a, b, prime, 1 / prime) == a * b % prime


def test_the_prime_depends_on_data_and_slope_and_on_nothing_else():
    X = np.array([[1.0, 2.0], [0.5, 3.0]])
    one = modular.reduced_floats(X, 0.1).prime
    modular._reduced_bytes.cache_clear()
    assert modular.reduced_floats(X.copy(), 0.1).prime == one
    assert len({one, modular.reduced_floats(X * 2, 0.1).prime, modular.reduced_floats(X, 0.2).prime}) == 3
    assert modular.FAST_PRIME <= one < 2 * modular.FAST_PRIME


def test_labels_that_are_no_integers_are_decimals():
    """`(1, 1)/‖·‖` has kernel `(1, −1)`: 0.3 − (0.1 + 0.2) is zero in decimals, not in binary."""
    reduced = modular.reduced_floats(np.array([[1.0, 1.0]]), 0.0)
    active = np.ones((2, 1, 2), dtype=bool)
    assert modular.kernels(active, reduced, np.array([[0.3, 0.3], [0.3, 0.1 + 0.2]])).cancels.tolist() == [True, False]


@pytest.mark.parametrize("rows", [1, 4])
def test_no_regions_and_no_labels(rows):
    reduced = modular.reduced_floats(np.ones((2, 3)), 0.0)
    assert modular.kernels(np.zeros((0, rows, 3), dtype=bool), reduced).rank.size == 0
