"""F3: the enumeration behind its check, and what the formula says in cases known by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy as sp

from theorems.finite.f3 import ALL, STATEMENT, least
from verify.sampling import Draw, stream
from verify.statements import Point


def drawn(point):
    return ALL.draw(point, Draw(stream(0, ALL.name, point.key, 0), backend=None))


@pytest.mark.parametrize(
    ("A", "dimension", "rank"),
    [
        ([[1, 1, 1, 1]], 2, 2),  # one row: as many columns as inputs
        ([[1, 0, 0, 0]], 3, 1),  # a ReLU neuron that sees one sample
        ([[1, 1, 0, 0], [0, 0, 1, 1]], 1, 2),
        ([[1, 1, 1, 0], [0, 0, 0, 1]], 2, 3),  # three samples in one direction, d0 = 2, and one more
        ([[1, -1], [-1, 1]], 1, 1),
    ],
)
def test_the_minimum_in_cases_known_by_hand(A, dimension, rank):
    assert least(np.array(A), dimension)["rank"] == rank


def test_the_minimum_is_the_rank_of_symbols():
    """With independent symbols for X the rank over the rational functions is the one for almost every X."""
    rng = np.random.default_rng(0)
    for _ in range(4):
        A = rng.integers(0, 2, (2, 4))
        X = sp.Matrix(2, 4, sp.symbols("x:8"))
        G = sp.Matrix(4, 4, lambda row, n, A=A, X=X: A[row // 2, n] * X[row % 2, n])
        assert least(A, 2)["rank"] == G.rank(simplify=True)


def test_every_pattern_is_among_those_looked_at():
    point = Point(N=3, d0=2, d1=2, rho=0.0)
    columns = list(itertools.product((0, 1), repeat=2))
    everything = {tuple(sorted(pattern)) for pattern in itertools.product(columns, repeat=3)}
    tally = drawn(point)
    assert tally["trials"] == len(everything) == 20
    assert tally["rank"] == 0
    assert tally["no minimum"] > 0


def test_the_grid_has_the_edges():
    points = [point for check in STATEMENT.checks for point in check.grid]
    sizes = [(p.integer("N"), p.integer("d0"), p.integer("d1")) for p in points]
    assert any(a == 1 for _, a, _ in sizes)
    assert any(n <= a * b for n, a, b in sizes)
    assert any(a * b < n for n, a, b in sizes)
    assert {p.real("rho") for p in points} >= {0.0, 0.1, -1.0, 2.0}
