"""F1: the rational criterion against linear programs in floating point, and networks evaluated elsewhere."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from theorems.finite import f1
from verify.backends import get_backend
from verify.network.activations import forward, pattern
from verify.network.khatri_rao import khatri_rao
from verify.sampling import Draw, stream
from verify.statements import Point


def draw(seed=0):
    return Draw(stream(seed, "test", "f1", 0), get_backend("numpy"))


def cases(N, d0, d1, rho, number):
    """Regions of integer data, with their first layers."""
    source = draw(N + 10 * d0 + 100 * d1)
    point = Point(N=N, d0=d0, d1=d1, rho=rho)
    for _ in range(number):
        X, W, slope = f1._drawn(point, source)
        y = f1._labels(N, source)
        if source.rng.random() < 0.3:
            y = f1.outputs(W[:1], [Fraction(1)], X, slope)
        yield f1.Region(X, y, f1.sign_pattern(W, X), slope), W


def by_highs(region, W, signs):
    """Largest margin over u of F1(d)'s program, None where there is no solution."""
    A = pattern(np.array(W, dtype=float), region.X.astype(float), float(region.slope))
    G = khatri_rao(A, region.X.astype(float))
    y = np.array(region.y, dtype=float)
    target = y - (y - np.linalg.pinv(G) @ G @ y)
    d0, N = region.X.shape
    kept = [i for i, s in enumerate(signs) if s]
    if not kept:
        return 1.0 if np.abs(target).max() < 1e-9 else None
    columns = [i * d0 + j for i in kept for j in range(d0)]
    rows = np.zeros((len(kept) * N, len(columns) + 1))
    for place, i in enumerate(kept):
        walls = (signs[i] * region.signs[i])[:, None] * region.X.T
        rows[place * N : (place + 1) * N, place * d0 : (place + 1) * d0] = -walls
    rows[:, -1] = 1.0
    found = linprog(
        np.r_[np.zeros(len(columns)), -1.0],
        A_ub=rows,
        b_ub=np.zeros(len(rows)),
        A_eq=np.column_stack([G.T[:, columns], np.zeros(N)]),
        b_eq=target,
        bounds=[(None, None)] * len(columns) + [(None, 1.0)],
    )
    return found.x[-1] if found.status == 0 else None


@pytest.mark.parametrize(("N", "d0", "d1", "rho"), [(3, 1, 2, 0.0), (4, 2, 2, 0.1), (5, 2, 2, -0.5), (2, 3, 2, 0.0)])
def test_every_choice_of_signs_against_highs(N, d0, d1, rho):
    seen = set()
    for region, W in cases(N, d0, d1, rho, 12):
        for signs in itertools.product((-1, 0, 1), repeat=d1):
            margin = by_highs(region, W, signs)
            exact = region.solution(signs, region.residual) is not None
            seen.add(exact)
            assert exact == (margin is not None and margin > 1e-7), (region, signs, margin)
    assert seen == {True, False}


def test_residuals_and_outputs_against_floating_point():
    for region, W in cases(5, 2, 2, 0.1, 20):
        X, y = region.X.astype(float), np.array(region.y, dtype=float)
        layer = np.array(W, dtype=float)
        G = khatri_rao(pattern(layer, X, 0.1), X)
        assert np.array(region.rows, dtype=float) == pytest.approx(G)
        assert np.array(region.residual, dtype=float) == pytest.approx(y - np.linalg.pinv(G) @ G @ y, abs=1e-9)
        z = [Fraction(1, 3), Fraction(-2)]
        exact = np.array(f1.outputs(W, z, region.X, region.slope), dtype=float)
        assert exact == pytest.approx(forward(layer, np.array(z, dtype=float), X, 0.1))


def test_a_network_that_is_no_minimum_is_told_from_one():
    found = 0
    for region, W in cases(5, 2, 2, 0.0, 30):
        solution = region.minimum()
        if solution is None or not any(solution[0]):
            continue
        signs, u = solution
        assert f1.is_minimum(region, W, signs, u)
        i = next(i for i, s in enumerate(signs) if s and any(any(row) for row in region.gate(i)))
        longer = [[2 * value for value in part] if k == i else part for k, part in enumerate(u)]
        assert not f1.is_minimum(region, W, signs, longer)
        flipped = [-s if k == i else s for k, s in enumerate(signs)]
        assert not f1.is_minimum(region, W, flipped, u)
        found += 1
    assert found > 5


def test_a_random_move_finds_that_a_network_is_no_minimum():
    lower = [
        f1._some_move_lowers(region, W, [Fraction(1), Fraction(-1)], draw(k))
        for k, (region, W) in enumerate(cases(5, 2, 2, 0.1, 10))
    ]
    assert sum(lower) >= 8  # one of six random moves, of which about half go downhill


def test_a_zero_is_needed():
    answer, text = f1._needs_a_zero()
    assert answer is True
    assert "u = (1, 0)" in text


def test_a_region_of_the_kernel_of_everything():
    rows = [[Fraction(0), Fraction(0)]]
    assert sorted(f1.kernel(rows, 2)) == [(0, 1), (1, 0)]
    assert f1.kernel([], 2) == f1.kernel(rows, 2)
    assert f1.project([], (Fraction(1), Fraction(2))) == (0, 0)
