"""Cell volumes against triangle formulas in multiple precision, additivity, and directions drawn at random."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from scipy.stats import binom

from verify.network.arrangements import (
    GeneralPositionError,
    cell_angles,
    cell_volumes,
    cells,
    cover_count,
    enclosed_volumes,
)

SHAPES = [(1, 1), (1, 4), (2, 1), (2, 2), (2, 7), (3, 1), (3, 2), (3, 3), (3, 6), (5, 3), (7, 2), (4, 1)]


def samples(d0, N, exact, seed=0):
    rng = np.random.default_rng([d0, N, seed])
    return rng.integers(-99, 100, (d0, N)) if exact else rng.standard_normal((d0, N))


def triangle(X, signs):
    """Volume of a cell of three samples in space: Van Oosterom & Strackee's solid angle, 80 digits."""
    with mp.workdps(80):
        x, y, z = ([int(s) * mp.mpf(float(v)) for v in column] for s, column in zip(signs, X.T, strict=True))

        def cross(a, b):
            return [a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)]

        def dot(a, b):
            return sum(p * q for p, q in zip(a, b, strict=True))

        # Rays of the cell: orthogonal to two samples, on the positive side of the third.
        rays = []
        for a, b, c in ((x, y, z), (y, z, x), (z, x, y)):
            ray = cross(a, b)
            sign = mp.sign(dot(ray, c))
            rays.append([sign * v / mp.sqrt(dot(ray, ray)) for v in ray])
        a, b, c = rays
        top = abs(dot(a, cross(b, c)))
        return 2 * mp.atan2(top, 1 + dot(a, b) + dot(b, c) + dot(c, a)) / (4 * mp.pi)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("d0", "N"), SHAPES)
def test_volumes_against_random_directions(d0, N, exact):
    """100 000 directions, some 200 cells in all; fails by chance with probability below 1e-7."""
    X = samples(d0, N, exact)
    patterns, volumes = cell_volumes(X)
    assert np.array_equal(patterns, cells(X))
    assert len(patterns) == cover_count(N, d0)
    assert volumes.sum() == pytest.approx(1, abs=1e-14)
    seen = np.sign(np.random.default_rng(9).standard_normal((100_000, d0)) @ X)
    for pattern, volume in zip(patterns, volumes, strict=True):
        hits = int((seen == pattern).all(axis=1).sum())
        assert binom.ppf(1e-10, 100_000, volume) <= hits <= binom.isf(1e-10, 100_000, volume)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(("d0", "N"), [(1, 3), (2, 2), (2, 9)])
def test_volumes_agree_with_angles(d0, N, exact):
    X = samples(d0, N, exact)
    for one, other in zip(cell_volumes(X), cell_angles(X), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-15)


@pytest.mark.parametrize("squeeze", [1, 10**3, 10**8])
def test_triangles_keep_their_digits_however_thin(squeeze):
    X = samples(3, 3, exact=True, seed=4)
    X[:, 1:] += squeeze * X[:, :1]  # integers: exact however nearly parallel
    patterns, volumes = cell_volumes(X)
    assert squeeze == 1 or volumes.min() < 1 / squeeze
    for pattern, volume in zip(patterns, volumes, strict=True):
        assert volume == pytest.approx(float(triangle(X, pattern)), rel=1e-15)
    # Leaving out a sample joins cells: a larger arrangement must add up.
    more = np.column_stack([X, samples(3, 4, exact=True, seed=5)])
    finer, parts = cell_volumes(more)
    for pattern, volume in zip(patterns, volumes, strict=True):
        assert math.fsum(parts[(finer[:, :3] == pattern).all(axis=1)]) == pytest.approx(volume, rel=1e-14)


def test_closed_forms():
    np.testing.assert_allclose(cell_volumes(np.eye(3))[1], 1 / 8, rtol=1e-15)
    np.testing.assert_allclose(cell_volumes(np.eye(6)[:, :3])[1], 1 / 8, rtol=1e-15)
    np.testing.assert_allclose(cell_volumes(np.eye(9)[:, :2])[1], 1 / 4, rtol=1e-15)
    # Columns of the cube's diagonals: 6 square and 8 triangular faces of the cuboctahedron.
    diagonals = np.array(list(itertools.product([1], (-1, 1), (-1, 1)))).T
    volumes = np.sort(cell_volumes(diagonals)[1])
    triangles = (3 * math.acos(1 / 3) - math.pi) / (4 * math.pi)
    np.testing.assert_allclose(volumes, [triangles] * 8 + [(1 - 8 * triangles) / 6] * 6, rtol=1e-14)


def test_balls_are_as_small_as_asked():
    X = samples(3, 5, exact=True)
    coarse, fine = enclosed_volumes(X, 20)[1], enclosed_volumes(X, 300)[1]
    assert all(ball.rel_accuracy_bits() > 300 for ball in fine)
    assert all(a.contains(b) for a, b in zip(coarse, fine, strict=True))


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ValueError, match="at most 3"):
        cell_volumes(np.random.default_rng(0).standard_normal((4, 5)))
    for X in ([[1, 2, 0], [0, 0, 1], [1, 2, 1]], [[1, 0], [0, 0], [1, 0]], [[1, 1, 1], [1, 1, 2], [0, 0, 3]]):
        with pytest.raises(GeneralPositionError):
            cell_volumes(X)
