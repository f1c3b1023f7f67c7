"""The oracle of a batch against one region at a time, and its witnesses against derivatives taken numerically."""

import numpy as np
import pytest

from verify.network import oracle
from verify.network.minima import RegionMinimum, classify, find_minimum
from verify.network.oracle import NO, UNKNOWN, YES, examine

CASES = [(5, 2, 3, 0.1), (6, 3, 3, 0.0), (4, 2, 2, -0.5), (3, 4, 2, 0.0), (6, 1, 2, 2.0)]


def problem(N, d0, d1, batch=60, seed=0):
    rng = np.random.default_rng([N, d0, d1, seed])
    return rng.standard_normal((batch, d1, d0)), rng.standard_normal((d0, N)), rng.integers(0, 2, N).astype(float)


def three(value):
    return {True: YES, False: NO, None: UNKNOWN}[value]


@pytest.mark.parametrize(("N", "d0", "d1", "slope"), CASES)
def test_a_batch_is_its_regions_one_by_one(N, d0, d1, slope):
    W, X, y = problem(N, d0, d1)
    found = examine(W, X, y, slope, epsilon=0.1)
    assert found.clear.all()
    for item, single in enumerate(W):
        one = find_minimum(single, X, y, slope)
        assert found.rank[item] == one.rank
        np.testing.assert_allclose(found.residual[item], one.residual, atol=1e-9)
        assert (found.patterns[item] == (single @ X > 0)).all()
        wanted = classify(single, X, y, slope, 0.1)
        assert found.suboptimal(0.1)[item] == three(wanted.suboptimal)
        assert found.globalmin()[item] == three(wanted.globalmin)
        if found.minimum[item] != UNKNOWN:
            assert found.minimum[item] == three(one.contains_minimum)


def loss(W, z, X, y, slope):
    inner = W @ X
    return np.mean((z @ np.where(inner > 0, inner, slope * inner) - y) ** 2)


@pytest.mark.parametrize(("N", "d0", "d1", "slope"), CASES)
def test_witnesses_are_minima_of_their_region(N, d0, d1, slope):
    """All second differences of the loss along random directions are nonnegative, all first ones vanish."""
    W, X, y = problem(N, d0, d1, 30)
    found = examine(W, X, y, slope)
    assert found.witnesses
    assert sorted(found.witnesses) == np.flatnonzero(found.minimum == YES).tolist()
    rng = np.random.default_rng(1)
    for item, (first, second) in found.witnesses.items():
        assert ((first @ X > 0) == found.patterns[item]).all()
        here = loss(first, second, X, y, slope)
        assert here == pytest.approx(np.mean(found.residual[item] ** 2), abs=1e-9)
        margin = np.abs(first @ X).min() / (1 + np.abs(X).sum())
        step = min(1e-5, 0.1 * margin)
        for _ in range(20):
            dW, dz = rng.standard_normal(first.shape), rng.standard_normal(second.shape)
            ahead, back = (loss(first + s * dW, second + s * dz, X, y, slope) for s in (step, -step))
            scale = 1 + np.abs(first).max() ** 2 + np.abs(second).max() ** 2
            assert abs(ahead - back) < 1e-6 * step * scale * N + 1e-13 * scale
            assert ahead + back - 2 * here > -1e-13 * scale


def test_only_what_was_asked_is_searched(monkeypatch):
    W, X, y = problem(6, 3, 3)
    asked = []
    monkeypatch.setattr(oracle, "find_minimum", lambda *args, **rest: asked.append(1) or find_minimum(*args, **rest))
    full = examine(W, X, y, 0.0, epsilon=0.1)
    count = len(asked)
    part = examine(W, X, y, 0.0, epsilon=0.1, suboptimal=10, globalmin=25)
    assert len(asked) - count < count
    assert (part.suboptimal(0.1)[:10] == full.suboptimal(0.1)[:10]).all()
    assert (part.globalmin()[:25] == full.globalmin()[:25]).all()
    asked.clear()
    none = examine(W, X, y, 0.0, suboptimal=0, globalmin=0)
    assert not asked
    assert (none.minimum == UNKNOWN).all()
    # What no minimum could have is excluded without a search.
    certain = np.abs(full.residual).max(axis=1) > 1e-3
    assert (none.globalmin()[certain] == NO).all()


def test_a_search_that_ends_early_is_unknown():
    W, X, y = problem(8, 4, 5)
    brief, whole = (examine(W, X, y, 0.0, epsilon=0.1, node_limit=limit) for limit in (1, 2000))
    assert (brief.minimum == UNKNOWN).sum() > (whole.minimum == UNKNOWN).sum()
    decided = brief.minimum != UNKNOWN
    assert (brief.minimum[decided] == whole.minimum[decided]).all()


@pytest.mark.parametrize(("N", "d1", "most"), [(5, 3, 200), (12, 20, 200), (20, 24, 50), (60, 40, 30)])
def test_large_regions_get_fewer_choices(monkeypatch, N, d1, most):
    """200 up to `N d1 = 240`, then with the square of that down to 30."""
    given = []

    def unanswered(*args, node_limit):
        given.append(node_limit)
        return RegionMinimum(np.zeros(N), N, None, None, node_limit)

    monkeypatch.setattr(oracle, "find_minimum", unanswered)
    W, X, _ = problem(N, 4, d1, 3)
    found = examine(W, X, np.zeros(N), 0.1)  # zero labels are fitted everywhere, so all are asked for
    assert given == [most] * 3
    assert (found.minimum == UNKNOWN).all()
    assert not found.witnesses


def test_a_region_in_doubt_is_unknown():
    """A neuron that is zero on a sample has no region of its own."""
    W, X, _ = problem(5, 2, 3, 2)
    W[0, 0] = [-X[1, 0], X[0, 0]]
    found = examine(W, X, np.zeros(5), 0.1)  # zero labels are fitted everywhere, so both are asked for
    assert found.minimum.tolist() == [UNKNOWN, YES]


@pytest.mark.parametrize("y", [(1, 0), (1, 1), (0, 0)])
def test_a_rank_in_doubt_leaves_everything_unknown(y):
    """Two samples 1e-10 apart: whatever the residual came out as, neither event is claimed, nor its absence."""
    X, W = np.array([[1.0, 1.0], [1.0, 1 + 1e-10]]), np.array([[[1.0, 1.0]], [[-1.0, -2.0]]])
    found = examine(W, X, np.array(y, dtype=float), 0.1)
    assert not found.clear.any()
    assert found.suboptimal(0.1).tolist() == [UNKNOWN, UNKNOWN]
    assert found.globalmin().tolist() == [UNKNOWN, UNKNOWN]
    assert found.minimum.tolist() == [UNKNOWN, UNKNOWN]
    assert examine(W, np.array([[1.0, 2.0], [1.0, 1.0]]), np.array(y, dtype=float), 0.1).clear.all()


def test_shapes_that_do_not_fit():
    W, X, y = problem(5, 2, 3, 2)
    with pytest.raises(ValueError, match="expected"):
        examine(W[0], X, y, 0.1)
