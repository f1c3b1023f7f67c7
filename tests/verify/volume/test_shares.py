"""Cells of degenerate and high-dimensional samples: against linear programs, random directions and closed forms."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import binom

from verify.network.arrangements import GeneralPositionError, cell_volumes, cells, cover_count
from verify.verdicts import Evidence
from verify.volume import shares
from verify.volume.shares import Shares, layout


def fractions(X):
    exact = np.empty(np.shape(X), dtype=object)
    exact[:] = [
        [Fraction(repr(v)) if isinstance(v, float) else Fraction(v) for v in row] for row in np.array(X).tolist()
    ]
    return exact


def shares_of(X, **more):
    return Shares(X, fractions(X), **more)


def is_cell(X, signs):
    d0, N = X.shape
    program = linprog(
        np.r_[np.zeros(d0), -1.0],
        A_ub=np.column_stack([-(signs * X / np.linalg.norm(X, axis=0)).T, np.ones(N)]),
        b_ub=np.zeros(N),
        bounds=[(-1, 1)] * d0 + [(None, 1)],
    )
    return -program.fun > 1e-7


ROTATION = np.array([[3, 4], [-4, 3]])
DEGENERATE = {
    "repeated": np.array([[1, 2, 1, 3, -2], [0, 1, 0, 1, -1]]),
    "on a line": np.array([[1, -2, 3, 5]]),
    "all one line in space": np.array([[1, -2, 3], [2, -4, 6], [-1, 2, -3]]),
    "a plane in space": np.array([[1, 0, 1, 1], [0, 1, 1, -2], [1, 1, 2, -1]]),
    "a plane in five dimensions": np.array([[1, 0, 2, 1], [0, 1, 1, -1], [1, 0, 2, 1], [2, 1, 5, 1], [0, 0, 0, 0]]),
    "orthogonal planes": np.kron(np.eye(2, dtype=int), [[1, 0, 1], [0, 1, 2]]),
    "orthant of five": 3 * np.eye(5, dtype=int),
    "turned orthant with a negative copy": np.column_stack([np.kron(np.eye(2, dtype=int), ROTATION), [-6, 8, 0, 0]]),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_samples_against_programs_and_random_directions(name):
    """All sign vectors in turn; 100 000 directions and about 120 cells: fails by chance with probability below 1e-7."""
    X = DEGENERATE[name]
    found = shares_of(X)
    every = np.array(list(itertools.product((-1, 1), repeat=X.shape[1])))
    assert found.patterns.tolist() == [signs.tolist() for signs in every if is_cell(X.astype(float), signs)]
    assert found.evidence is Evidence.EXACT
    assert found.level == 0
    assert len(found.patterns) == found.layout.cells
    assert math.fsum(found.estimate) == pytest.approx(1, abs=1e-14)
    seen = np.sign(np.random.default_rng(3).standard_normal((100_000, len(X))) @ X)
    for pattern, volume, ball in zip(found.patterns, found.estimate, found.balls(200), strict=True):
        hits = int((seen == pattern).all(axis=1).sum())
        assert binom.ppf(1e-10, 100_000, volume) <= hits <= binom.isf(1e-10, 100_000, volume)
        assert float(ball) == volume
        assert ball.rel_accuracy_bits() > 190


def test_layout():
    X = fractions([[1, -2, 0, 0, 0], [1, -2, 0, 0, 3], [0, 0, 1, 1, 0], [0, 0, 0, 2, 0]])
    found = layout(X)
    assert found.leader.tolist() == [0, 0, 2, 3, 4]
    assert found.side.tolist() == [1, -1, 1, 1, 1]
    assert sorted(zip(found.parts, found.ranks, strict=True)) == [((0, 4), 2), ((2, 3), 2)]
    assert (found.cells, found.closed_form, found.estimated_cells) == (16, True, 0)


@pytest.mark.parametrize(("d0", "N"), [(2, 5), (3, 6)])
def test_estimates_against_closed_forms(monkeypatch, d0, N):
    """At level 1e-6 all at once."""
    X = np.random.default_rng([d0, N]).standard_normal((d0, N))
    patterns, volumes = cell_volumes(X)
    monkeypatch.setattr(shares, "CLOSED_FORM_RANK", 0)
    monkeypatch.setattr(shares, "DRAWS", 50_000)  # so that some cells are rare
    found = shares_of(X, level=1e-6, seed=1)
    assert found.evidence is Evidence.STATISTICAL
    assert np.array_equal(found.patterns, patterns)
    assert (found.lower <= volumes).all()
    assert (volumes <= found.upper).all()
    assert math.fsum(found.estimate) == pytest.approx(1)
    assert np.array_equal(found.estimate, found.estimate[::-1])  # antipodes
    assert (found.upper / found.lower).max() < 4


def test_thin_cells_do_not_rest_on_counts_alone(monkeypatch):
    X = np.array([[100.0, 0.0, 1.0], [1.5, 2.0, 0.0]])  # a cell of some 0.2 %
    _, volumes = cell_volumes(X)
    monkeypatch.setattr(shares, "CLOSED_FORM_RANK", 0)
    monkeypatch.setattr(shares, "DRAWS", 1000)
    found = shares_of(X, level=1e-6)
    thin = int(volumes.argmin())
    assert found.lower[thin] <= volumes[thin] <= found.upper[thin]
    assert found.upper[thin] / found.lower[thin] < 1.01  # `cell_volume` has a closed form in the plane


def test_intervals_miss_no_more_often_than_stated(monkeypatch):
    """At level 0.1, 60 data sets: more than 20 misses by chance with probability below 1e-6."""
    monkeypatch.setattr(shares, "DRAWS", 3000)
    monkeypatch.setattr(shares, "CELL_EFFORT", 0.5)
    truths = [(X, cell_volumes(X)[1]) for X in np.random.default_rng(5).standard_normal((60, 3, 5))]
    monkeypatch.setattr(shares, "CLOSED_FORM_RANK", 0)
    monkeypatch.setattr("verify.volume.cells._closed_form", lambda rows, centre: None)
    missed = 0
    for k, (X, volumes) in enumerate(truths):
        found = shares_of(X, level=0.1, seed=k)
        missed += bool((found.lower > volumes).any() or (found.upper < volumes).any())
    assert binom.sf(20, 60, 0.1) < 1e-6
    assert missed <= 20


def test_all_intervals_together_spend_the_level_once(monkeypatch):
    """Every count and every `cell_volume` at a share of the level; the shares add up to it, in two components too."""
    spent = []

    def note(function):
        def call(*args, **options):
            spent.append(options["level"] if "level" in options else args[2])
            return function(*args, **options)

        return call

    for name in ("clopper_pearson", "cell_volume"):
        monkeypatch.setattr(shares, name, note(getattr(shares, name)))
    monkeypatch.setattr(shares, "COUNTED_ENOUGH", 10**9)  # so that both ways are taken for every cell
    monkeypatch.setattr(shares, "CELL_EFFORT", 0.01)
    rng = np.random.default_rng(8)
    X = np.zeros((8, 9))
    X[:4, :4], X[4:, 4:] = np.eye(4) + 1, rng.integers(-9, 10, (4, 5))
    found = shares_of(X, level=0.06, seed=1, effort=0.01)
    assert len(spent) == 2 * found.layout.estimated_cells
    assert math.fsum(spent) == pytest.approx(0.06)
    assert found.level == 0.06


@pytest.mark.parametrize("seed", range(4))
def test_a_sum_of_one_narrows_intervals_as_far_as_it_can(seed):
    """The least and the greatest volume of each cell, all volumes in their intervals, by linear programs."""
    rng = np.random.default_rng(seed)
    half = rng.dirichlet(np.ones(4)) / 2
    volumes = np.r_[half, half[::-1]]
    low, high = half * rng.uniform(0.95, 1, 4), half * rng.uniform(1, 1.05, 4)
    low[0], high[0] = 0.1 * low[0], 3 * high[0]  # so that the others say more about it
    given = np.r_[low, low[::-1]], np.r_[high, high[::-1]]
    lower, upper = shares._summing_to_one(*given)
    assert (lower <= volumes).all()
    assert (volumes <= upper).all()
    assert lower[0] > 1.01 * low[0]
    assert upper[0] < 0.99 * high[0]
    for i in range(4):
        ends = [
            linprog(sign * np.eye(4)[i], A_eq=2 * np.ones((1, 4)), b_eq=[1], bounds=list(zip(low, high, strict=True)))
            for sign in (1, -1)
        ]
        assert [lower[i], lower[-1 - i]] == pytest.approx([ends[0].fun] * 2, abs=1e-9)
        assert [upper[i], upper[-1 - i]] == pytest.approx([-ends[1].fun] * 2, abs=1e-9)


def test_a_product_of_a_known_and_an_estimated_component():
    rng = np.random.default_rng(6)
    X = np.zeros((6, 7))
    X[:4, :5], X[4:, 5:] = rng.standard_normal((4, 5)), np.eye(2)
    found = shares_of(X, seed=2, level=1e-6)
    alone = shares_of(X[:4, :5], seed=3, level=1e-6)
    assert len(found.patterns) == 4 * cover_count(5, 4)
    assert found.layout.estimated_cells == cover_count(5, 4) // 2
    for pattern, low, middle, high in zip(alone.patterns, alone.lower, alone.estimate, alone.upper, strict=True):
        quarters = (found.patterns[:, :5] == pattern).all(axis=1)
        assert quarters.sum() == 4
        assert np.ptp(found.estimate[quarters]) < 1e-15
        # Independent draws; both intervals hold except with probability 2e-6.
        assert max(low, found.lower[quarters].sum()) <= min(high, found.upper[quarters].sum())
        assert found.estimate[quarters].sum() == pytest.approx(middle, rel=0.2)


def test_same_seed_same_shares():
    X = np.random.default_rng(7).standard_normal((4, 5))
    one, same, other = (shares_of(X, seed=seed, effort=0.02) for seed in (1, 1, 2))
    assert np.array_equal(one.lower, same.lower)
    assert np.array_equal(one.estimate, same.estimate)
    assert not np.array_equal(one.lower, other.lower)
    assert np.array_equal(one.patterns, cells(X))


def test_what_cannot_be_used_is_refused_by_name():
    with pytest.raises(GeneralPositionError, match="sample 1 is zero") as zero:
        shares_of([[1, 0], [0, 0]])
    assert zero.value.samples == (1,)
    # Samples 1, 2, 4 lie in a plane of a space that the others span.
    with pytest.raises(GeneralPositionError, match=r"samples \[1, 2, 4\] are dependent"):
        shares_of([[1, 1, 0, 0, 1], [2, 0, 1, 0, 1], [5, 0, 0, 1, 0]])
    # In floats the same up to rounding.
    with pytest.raises(GeneralPositionError, match="clearly"):
        shares_of(np.array([[1, 1, 0, 0, 1 / 3], [2, 0, 1, 0, 1 / 3], [5, 0, 0, 1, 1e-13]]))
    with pytest.raises(GeneralPositionError, match="clearly"):
        shares_of(np.array([[0.1, 0.3], [0.1, 0.1 * 3]]))
    for bad in ({"level": 0.0}, {"level": 1.0}, {"effort": 0.0}, {"effort": math.inf}):
        with pytest.raises(ValueError, match="expected 0 < level < 1"):
            shares_of(np.eye(2), **bad)
