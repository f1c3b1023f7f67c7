"""Cells against linear programs, minors and a fine grid of directions."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from verify.network import arrangements
from verify.network.arrangements import (
    CellLimitError,
    GeneralPositionError,
    cell_angles,
    cell_centre,
    cells,
    cover_count,
    gordan,
)


def is_cell(X, signs):
    d0, N = X.shape
    program = linprog(
        np.r_[np.zeros(d0), -1.0],
        A_ub=np.column_stack([-(signs * X).T, np.ones(N)]),
        b_ub=np.zeros(N),
        bounds=[(-1, 1)] * d0 + [(None, 1)],
    )
    return -program.fun > 1e-7


def determinant(rows):
    if not rows:
        return Fraction(1)
    return sum(
        (-1) ** j * rows[0][j] * determinant([row[:j] + row[j + 1 :] for row in rows[1:]]) for j in range(len(rows))
    )


@pytest.mark.parametrize(("N", "d0", "count"), [(1, 1, 2), (5, 1, 2), (4, 2, 8), (3, 3, 8), (2, 5, 4), (6, 3, 32)])
def test_cover_count(N, d0, count):
    assert cover_count(N, d0) == count


def test_cover_count_needs_samples_and_dimensions():
    with pytest.raises(ValueError, match="at least 1"):
        cover_count(0, 2)


@pytest.mark.parametrize(("N", "d0"), [(5, 1), (6, 2), (7, 3), (6, 4), (4, 4), (3, 5)])
@pytest.mark.parametrize("exact", [True, False])
def test_cells_are_the_feasible_patterns(N, d0, exact):
    rng = np.random.default_rng([N, d0])
    X = rng.integers(-40, 41, (d0, N)) if exact else rng.standard_normal((d0, N))
    every = np.array(list(itertools.product((-1, 1), repeat=N)))
    expected = [signs.tolist() for signs in every if is_cell(X.astype(float), signs)]
    assert cells(X).tolist() == expected  # product order is the lexicographic one


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_cells_count_or_refuse_exactly_when_a_minor_vanishes(data):
    d0, N = data.draw(st.integers(1, 3)), data.draw(st.integers(3, 5))
    X = data.draw(st.lists(st.lists(st.integers(-3, 3), min_size=N, max_size=N), min_size=d0, max_size=d0))
    minors = [
        determinant([[X[i][n] for n in subset] for i in range(d0)]) for subset in itertools.combinations(range(N), d0)
    ]
    if all(minors):
        assert len(cells(X)) == cover_count(N, d0)
        assert np.array_equal(cells([[Fraction(c, 7) for c in row] for row in X]), cells(X))
    else:
        with pytest.raises(GeneralPositionError):
            cells(X)


def test_integers_are_decided_where_floats_are_not():
    big = 10**8  # determinant −1 of two samples whose unit vectors differ in the 16th digit
    X = [[big, big + 1, 1], [big + 1, big + 2, 0]]
    assert len(cells(X)) == 6
    assert len(cells(np.array(X, dtype=float))) == 6  # integer-valued floats are exact too
    with pytest.raises(GeneralPositionError, match="clearly"):
        cells(np.array(X) / 3)
    assert len(cell_angles(X)[0]) == 6
    with pytest.raises(GeneralPositionError, match="clearly"):
        cell_angles(np.array(X) / 3)


@pytest.mark.parametrize("X", [[[1.5, 3.0], [0.5, 1.0]], [[1.5, 0.0], [0.5, 0.0]], [[1, 2], [2, 4]], [[1, 0], [2, 0]]])
def test_parallel_and_zero_samples_are_refused(X):
    with pytest.raises(GeneralPositionError):
        cells(X)
    with pytest.raises(GeneralPositionError):
        cell_angles(X)


@pytest.mark.parametrize(
    ("X", "samples"),
    [
        ([[1, 0, 2, 1], [0, 1, 0, 1]], (0, 2)),
        ([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0]], (0, 1, 3)),
        ([[1.5, 0, 0, 1.5], [0, 1.5, 0, 1.5], [0, 0, 1, 0.0]], (0, 1, 3)),
        ([[1, 0, 1], [0, 0, 1]], (1,)),
        ([[1, 2], [2, 4], [0, 0]], (0, 1)),
        ([[1, 0, 3], [0, 1, 0], [0, 0, 0]], (0, 2)),
        ([[1.5, 0], [0, 0], [0.5, 0]], (1,)),
    ],
)
def test_dependent_samples_are_named(X, samples):
    with pytest.raises(GeneralPositionError, match="zero" if len(samples) == 1 else "dependent") as error:
        cells(X)
    assert tuple(sorted(error.value.samples)) == samples


def test_the_size_is_predicted_before_the_work():
    with pytest.raises(CellLimitError, match="raise `limit`"):
        cells(np.ones((50, 200)))


@pytest.mark.parametrize("X", [[[math.nan]], [1, 2], [[]], [["a"]]])
def test_unusable_samples_are_refused(X):
    with pytest.raises(ValueError, match="X"):
        cells(X)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("N", [1, 2, 7])
def test_angles_against_a_grid_of_directions(N, exact):
    rng = np.random.default_rng(N)
    X = rng.integers(-30, 31, (2, N)) if exact else rng.standard_normal((2, N))
    patterns, volumes = cell_angles(X)
    assert np.array_equal(patterns, cells(X))
    assert volumes.sum() == pytest.approx(1, abs=1e-14)
    turns = (np.arange(100_000) + 0.5) * (2 * np.pi / 100_000)
    seen = np.sign(np.column_stack([np.cos(turns), np.sin(turns)]) @ X).astype(int)
    for pattern, volume in zip(patterns, volumes, strict=True):
        assert (seen == pattern).all(axis=1).mean() == pytest.approx(volume, abs=3e-5)


def test_angles_known_in_closed_form():
    third = math.sqrt(3) / 2
    assert np.allclose(cell_angles([[1, 0.5, -0.5], [0, third, third]])[1], 1 / 6, rtol=1e-14)
    _, volumes = cell_angles([[10**8, 10**8], [1, -1]])
    assert volumes.min() == pytest.approx(2 * math.atan(1e-8) / (2 * math.pi), rel=1e-14)
    patterns, volumes = cell_angles([[3, -2]])
    assert (patterns.tolist(), volumes.tolist()) == ([[-1, 1], [1, -1]], [0.5, 0.5])
    with pytest.raises(ValueError, match="1 or 2"):
        cell_angles(np.eye(3))


def test_gordan_finds_the_one_that_exists():
    rng = np.random.default_rng(5)
    outcomes = set()
    for _ in range(40):
        rows = rng.standard_normal((8, 4))
        point, weights = gordan(rows)
        possible = is_cell(rows.T, np.ones(8))
        outcomes.add(possible)
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1)
        if possible:
            assert (rows @ point).min() > 1e-9
        else:
            assert np.linalg.norm(weights @ rows) < 1e-12
    assert outcomes == {True, False}


def test_cell_centre_has_the_largest_margin():
    rng = np.random.default_rng(6)
    X = rng.standard_normal((3, 6))
    unit = X / np.linalg.norm(X, axis=0)
    pattern = np.sign(rng.standard_normal(3) @ X)
    centre = cell_centre(X, pattern)
    directions = rng.standard_normal((20_000, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    best = (directions @ (pattern * unit)).min(axis=1).max()
    assert best <= (centre @ (pattern * unit)).min() <= best + 0.02
    with pytest.raises(ValueError, match="no cell"):
        cell_centre(np.array([[1.0, -1.0]]), [1, 1])


def test_where_least_squares_fail_a_linear_program_takes_their_place(monkeypatch):
    """Weights that cancel the rows wherever no point is on the positive side of them all."""

    def fail(*_, **__):
        raise RuntimeError("too many iterations")

    monkeypatch.setattr(arrangements, "nnls", fail)
    rng = np.random.default_rng(5)
    feasible = 0
    for _ in range(40):
        rows = rng.standard_normal((5, 3))
        rows /= np.linalg.norm(rows, axis=1)[:, None]
        _, weights = gordan(rows)
        exists = is_cell(rows.T, np.ones(5))
        feasible += exists
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1)
        if not exists:
            assert np.linalg.norm(weights @ rows) < 1e-12
    assert 5 < feasible < 35


@pytest.mark.parametrize("factor", [1e-320, 1e-160, 1e160, 1e300])
def test_cells_do_not_depend_on_the_samples_lengths(factor):
    X = np.array([[1.25, -2.5, 0.5, 1.75], [0.75, 1.5, 2.25, -1.0]])
    far = X * np.array([factor, 1.0, factor, 1.0])
    np.testing.assert_array_equal(cells(far), cells(X))
    patterns, volumes = cell_angles(far)
    np.testing.assert_array_equal(patterns, cell_angles(X)[0])
    # Subnormal entries have few digits left.
    np.testing.assert_allclose(volumes, cell_angles(X)[1], rtol=1e-2 if factor == 1e-320 else 1e-12)
