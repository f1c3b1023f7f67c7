"""Existence of local minima, against every sign vector in turn with a linear program written here."""

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from verify.network import minima
from verify.network.minima import Classification, RegionError, classify, find_minimum
from verify.volume.cones import decide

SIZES = [(4, 1, 2), (5, 2, 2), (6, 2, 3), (4, 2, 3), (3, 5, 2), (6, 3, 3), (5, 2, 1)]
SLOPES = (0, 0.1, -0.5, 2)


def features(W, X, slope):
    A = np.where(W @ X > 0, 1.0, slope)
    return np.array([np.kron(A[:, n], X[:, n]) for n in range(X.shape[1])])  # N × d0·d1


def least_squares_residual(W, X, y, slope):
    F = features(W, X, slope)
    return y - F @ np.linalg.lstsq(F, y, rcond=None)[0]


def contains_minimum(W, X, y, slope, signs=(-1, 0, 1)):
    """The definition in F1(d): some sign vector has a solution, by one linear program for each."""
    d1, d0 = W.shape
    N = X.shape[1]
    F = features(W, X, slope)
    target = y - least_squares_residual(W, X, y, slope)
    target[np.abs(target) < 1e-10] = 0
    sides = np.sign(W @ X)
    for s in itertools.product(signs, repeat=d1):
        used = [i for i in range(d1) if s[i]]
        if not used:
            if not target.any():
                return True
            continue
        columns = np.concatenate([np.arange(i * d0, (i + 1) * d0) for i in used])
        rows = np.zeros((len(used) * N, len(columns) + 1))
        for k, i in enumerate(used):
            rows[k * N : (k + 1) * N, k * d0 : (k + 1) * d0] = -s[i] * sides[i][:, None] * X.T
        rows[:, -1] = 1
        program = linprog(
            np.r_[np.zeros(len(columns)), -1.0],
            A_ub=rows,
            b_ub=np.zeros(len(rows)),
            A_eq=np.column_stack([F[:, columns], np.zeros(N)]),
            b_eq=target,
            bounds=[(None, None)] * len(columns) + [(None, 1)],
        )
        if program.status == 0 and program.x[-1] > 1e-7:
            return True
    return False


def cases(count, labels):
    for N, d0, d1 in SIZES:
        for slope in SLOPES:
            for seed in range(count):
                rng = np.random.default_rng([N, d0, d1, seed])
                X, W = rng.standard_normal((d0, N)), rng.standard_normal((d1, d0))
                y = (rng.random(N) < 0.4).astype(float) if labels == "binary" else rng.standard_normal(N)
                yield W, X, y, slope


def is_local_minimum(W, z, X, y, slope, rng):
    """No nearby network does better: brute force, on the network as it is."""

    def error(W, z):
        hidden = W @ X
        return ((y - z @ np.where(hidden > 0, hidden, slope * hidden)) ** 2).sum()

    here = error(W, z)
    reach = 1e-4 * np.abs(W @ X).min() / np.linalg.norm(X, axis=0).max()
    return all(
        error(W + reach * rng.standard_normal(W.shape), z + reach * rng.standard_normal(len(z)))
        >= here - 1e-9 * (y**2).sum()
        for _ in range(20)
    )


def test_the_linear_program_alone_finds_the_same_minima(monkeypatch):
    """What hull points and certificates leave open goes to HiGHS: with neither of them it is asked at every node.

    It finds all minima. That there is none is not its word alone: without weights that cancel exactly it stays open.
    """
    given = list(cases(1, "real"))
    expected = [find_minimum(*case) for case in given]
    programs = []

    def one_weight(rows):
        return np.zeros(rows.shape[1]), np.eye(len(rows))[0]

    def counted(*args, **options):
        programs.append(linprog(*args, **options))
        return programs[-1]

    monkeypatch.setattr(minima, "gordan", one_weight)
    monkeypatch.setattr(minima, "_violation", lambda moves, base: np.zeros(len(moves)))
    monkeypatch.setattr(minima, "linprog", counted)
    for case, one in zip(given, expected, strict=True):
        other = find_minimum(*case)
        assert (other.contains_minimum is True) is (one.contains_minimum is True)
        assert (other.witness is None) is (one.witness is None)
    margins = np.array([program.x[-1] for program in programs])
    assert min((margins > 0).sum(), (margins < 0).sum()) > 10  # or it was not asked


@pytest.mark.parametrize("labels", ["binary", "real"])
def test_existence_against_all_sign_vectors(labels):
    rng = np.random.default_rng(1)
    outcomes = []
    needing_zeros = 0
    for W, X, y, slope in cases(5, labels):
        found = find_minimum(W, X, y, slope)
        expected = contains_minimum(W, X, y, slope)
        assert found.contains_minimum is expected
        assert found.residual == pytest.approx(least_squares_residual(W, X, y, slope), abs=1e-8)
        assert found.rank == np.linalg.matrix_rank(features(W, X, slope))
        assert (found.witness is not None) is expected
        outcomes.append(expected)
        if found.witness:
            W1, z1 = found.witness
            assert np.array_equal(W1 @ X > 0, W @ X > 0)
            assert is_local_minimum(W1, z1, X, y, slope, rng)
            hidden = W1 @ X
            e = y - z1 @ np.where(hidden > 0, hidden, slope * hidden)
            assert e == pytest.approx(found.residual, abs=1e-6)
            if labels == "binary" and slope == 0:
                needing_zeros += not contains_minimum(W, X, y, slope, signs=(-1, 1))
    assert min(outcomes.count(True), outcomes.count(False)) > 20
    assert labels == "real" or needing_zeros > 0  # or the sample could not tell a search without zeros


def test_the_smallest_region_that_needs_a_zero():
    X, y, W = np.array([[1.0, 2.0, -1.0, -2.0]]), np.array([1.0, 2.0, 0.0, 0.0]), np.array([[1.0], [-1.0]])
    assert not contains_minimum(W, X, y, 0, signs=(-1, 1))
    found = find_minimum(W, X, y, 0)
    assert found.contains_minimum is True
    assert found.witness[1][1] == 0
    assert classify(W, X, y, 0, 0.1).globalmin is True


def test_a_region_whose_unique_solution_leaves_the_cell():
    # Sample 1 pins u_2·x = 0 with u_2 ≠ 0: no sign of the second neuron, nor zero, will do.
    X = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    W = np.array([[1.0, 2.0]])
    y = np.array([0.0, 1.0, 1.0])  # u = (0, 1) is unique, on the boundary of the cell
    found = find_minimum(W, X, y, 0)
    assert not contains_minimum(W, X, y, 0)
    assert found.contains_minimum is False
    assert found.rank == 2


def test_two_neurons_in_a_cell_free_each_other():
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(30):
        X, y, w = rng.standard_normal((3, 6)), rng.standard_normal(6), rng.standard_normal(3)
        alone = find_minimum(w[None], X, y, 0.1).contains_minimum
        seen.add(alone)
        for W in (np.stack([w, 2 * w]), np.stack([w, w, 3 * w])):
            assert find_minimum(W, X, y, 0.1).contains_minimum is True
    assert False in seen


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    slope=st.sampled_from(SLOPES),
    factor=st.sampled_from([-1.0, -1e-4, 1e4]),
    binary=st.booleans(),
)
def test_existence_does_not_depend_on_names_scales_or_representatives(seed, slope, factor, binary):
    rng = np.random.default_rng(seed)
    X, W = rng.standard_normal((3, 8)), rng.standard_normal((3, 3))
    y = (rng.random(8) < 0.5).astype(float) if binary else rng.standard_normal(8)
    expected = find_minimum(W, X, y, slope).contains_minimum
    assert expected is not None
    order, samples = rng.permutation(3), rng.permutation(8)
    rescaled = W[order] * np.exp(rng.uniform(-2, 2, 3))[:, None]
    turned = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    moved = find_minimum(rescaled @ turned.T, turned @ X[:, samples], factor * y[samples], slope)
    assert moved.contains_minimum is expected


def test_the_residual_respects_the_samples_lengths():
    rng = np.random.default_rng(8)
    X, W, y = rng.standard_normal((2, 9)), rng.standard_normal((2, 2)), rng.standard_normal(9)
    X *= np.exp(rng.uniform(-4, 4, 9))
    assert find_minimum(W, X, y, 0.1).residual == pytest.approx(least_squares_residual(W, X, y, 0.1), abs=1e-10)


@pytest.mark.parametrize(("N", "d0", "d1"), [(40, 20, 8), (30, 10, 20)])
def test_roomy_regions_hold_a_global_minimum_for_every_label(N, d0, d1):
    rng = np.random.default_rng([N, d0])
    X, W = rng.standard_normal((d0, N)), rng.standard_normal((d1, d0))
    for y in (rng.standard_normal(N), (rng.random(N) < 0.5).astype(float)):
        found = find_minimum(W, X, y, 0.1)
        assert found.contains_minimum is True
        assert not found.residual.any()
        W1, z1 = found.witness
        hidden = W1 @ X
        assert z1 @ np.where(hidden > 0, hidden, 0.1 * hidden) == pytest.approx(y, abs=1e-7)


def test_zero_labels_are_met_by_a_zero_second_layer():
    rng = np.random.default_rng(0)
    found = find_minimum(rng.standard_normal((2, 2)), rng.standard_normal((2, 7)), np.zeros(7), 0)
    assert found.contains_minimum is True
    assert not found.witness[1].any()


@pytest.mark.parametrize("labels", [(1.0, 0.0), (1.0, 1.0), (0.0, 0.0)])
def test_a_rank_in_doubt_decides_nothing(labels):
    """Two samples 1e-10 apart: whether they can have different outputs is within rounding."""
    W, X = np.array([[1.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 1 + 1e-10]])
    found = find_minimum(W, X, labels, 0.1)
    assert (found.contains_minimum, found.witness, found.nodes) == (None, None, 0)
    assert classify(W, X, labels, 0.1, 0.2) == Classification(None, None)


@pytest.mark.parametrize(
    ("clear", "distance", "reaches", "doubtful"),
    [
        (True, 0.0, True, False),
        (True, 1e-9, False, True),
        (True, 0.1, False, False),
        (False, 0.0, False, True),
        (False, 0.1, False, True),
    ],
)
def test_a_target_is_in_the_range_or_clearly_not_or_in_doubt(monkeypatch, clear, distance, reaches, doubtful):
    """Between the tolerances, or with a rank in doubt, a search that finds nothing must not say that there is none."""
    region = minima._Region([[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [1.0, 3.0]], [1.0, 0.0], 0.1)
    region.doubtful = False
    space = dataclasses.replace(region._solutions(frozenset()), clear=clear, distance=distance)
    monkeypatch.setattr(region, "_solutions", lambda dropped: space)
    region.signs = np.ones((3, 2))
    assert region._reaches(frozenset({0})) is reaches
    assert region.doubtful is doubtful
    assert not region._reaches(frozenset({0, 1, 2}))  # nothing is left


def test_a_spent_budget_decides_nothing():
    rng = np.random.default_rng(2)
    undecided = 0
    for _ in range(20):
        X, W, y = rng.standard_normal((4, 10)), rng.standard_normal((4, 4)), rng.standard_normal(10)
        full, short = find_minimum(W, X, y, 0), find_minimum(W, X, y, 0, node_limit=2)
        assert short.contains_minimum in (None, full.contains_minimum)
        assert short.nodes <= 2
        undecided += short.contains_minimum is None
    assert undecided > 5


def test_classification_by_hand():
    # One neuron on a line: u = 1/7, outputs (1, 2, 3)/7; only the second sample is misclassified.
    X, y, W = np.array([[1.0, 2.0, 3.0]]), np.array([0.0, 1.0, 0.0]), np.array([[1.0]])
    assert find_minimum(W, X, y, 0).residual == pytest.approx(y - np.array([1, 2, 3]) / 7)
    for epsilon, suboptimal in ((0.0, True), (0.3, True), (0.34, False), (0.5, False)):
        found = classify(W, X, y, 0, epsilon)
        assert (found.suboptimal, found.globalmin) == (suboptimal, False)


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_classification_against_its_definition(epsilon):
    seen = set()
    for W, X, y, slope in cases(3, "binary"):
        e = least_squares_residual(W, X, y, slope)
        exists = contains_minimum(W, X, y, slope)
        wrong = ((y - e > 0.5) != (y > 0.5)).mean()
        expected = (bool(exists and wrong > epsilon), bool(exists and np.abs(e).max() < 1e-9))
        found = classify(W, X, y, slope, epsilon)
        assert (found.suboptimal, found.globalmin) == expected
        seen.add(expected)
    assert seen == {(True, False), (False, True), (False, False)}


@pytest.mark.parametrize(
    ("W", "X", "y", "slope", "error", "message"),
    [
        (
            [[1.0, -1.0]],
            [[1.0, 2.0], [1.0, 1.0]],
            [0, 1],
            0,
            RegionError,
            "neuron 0 is zero, or nearly, on sample 0",
        ),
        ([[1.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], [0, 1], 0, RegionError, "sample 1"),
        ([[1.0, 1.0]], [[1.0, 2.0], [1.0, 1.0]], [0, 1], 1, ValueError, "slope 1"),
        ([[1.0, 1.0]], [[1.0, 2.0], [1.0, 1.0]], [0, 1, 0], 0, ValueError, "d1 × d0"),
        ([[1.0, 1.0]], [[1.0, 2.0], [1.0, 1.0]], [0, np.nan], 0, ValueError, "NaN"),
    ],
)
def test_errors_say_what_is_wrong(W, X, y, slope, error, message):
    with pytest.raises(error, match=message):
        find_minimum(W, X, y, slope)


def test_epsilon_is_a_fraction():
    with pytest.raises(ValueError, match="fraction"):
        classify([[1.0]], [[1.0]], [1.0], 0, 1.5)


def rational(x):
    return fmpq(Fraction(x).numerator, Fraction(x).denominator)


def decided_exactly(W, X, y, slope):
    """Existence in rational arithmetic, floats as decimals: `verify.volume.cones`, which knows nothing of
    tolerances."""
    rho, N = Fraction(repr(slope)), X.shape[1]
    inputs = [[Fraction(repr(entry)) for entry in row] for row in X.tolist()]
    gates = [
        tuple(1 if sum(Fraction(c) * row[n] for c, row in zip(w, inputs, strict=True)) > 0 else rho for n in range(N))
        for w in W.tolist()
    ]
    blocks = {a: fmpq_mat([[rational(a[n] * row[n]) for row in inputs] for n in range(N)]) for a in gates}
    walls = [
        fmpq_mat([[rational(row[n] * (1 if a[n] == 1 else -1)) for row in inputs] for n in range(N)])
        for a in blocks
        if gates.count(a) == 1
    ]
    kernel = left_kernel(list(blocks.values()), N)
    target = fmpq_mat([[rational(label)] for label in y])
    if kernel.nrows():
        target -= kernel.transpose() * ((kernel * kernel.transpose()).inv() * (kernel * target))
    # Cells with two neurons realise every vector, so that only what they cannot reach is left.
    rest = left_kernel([blocks[a] for a in blocks if gates.count(a) > 1], N)
    left = rest * target
    if not any(left.entries()):
        return True
    return bool(walls) and decide([rest * blocks[a] for a in blocks if gates.count(a) == 1], walls, left).feasible


def left_kernel(blocks, N):
    """A basis, in rows, of the vectors that all blocks annihilate from the left."""
    rows = [row for block in blocks for row in block.transpose().tolist()]
    reduced, rank = fmpq_mat(rows or [[0] * N]).rref()
    pivots = [next(n for n in range(N) if reduced[i, n] != 0) for i in range(rank)]
    free = [n for n in range(N) if n not in pivots]
    entries = [[fmpq(int(n == f)) for n in range(N)] for f in free]
    for row, f in zip(entries, free, strict=True):
        for i, pivot in enumerate(pivots):
            row[pivot] = -reduced[i, f]
    return fmpq_mat(len(free), N, [entry for row in entries for entry in row])


@pytest.mark.parametrize("kind", ["plain", "copy", "antipode", "sum", "feature", "multiple"])
def test_near_ties_are_decided_as_in_rational_arithmetic_or_not_at_all(kind):
    """Samples and features that are equal, opposite or dependent up to 2^-8 … 2^-51, or exactly."""
    rng = np.random.default_rng([7, *kind.encode()])
    answers = []
    for _ in range(25):
        N, d0, d1 = int(rng.integers(3, 7)), int(rng.integers(2, 4)), int(rng.integers(1, 4))
        X = rng.integers(-4, 5, (d0, N)).astype(float)
        near = rng.integers(0, 9, d0) * 2.0 ** -int(rng.integers(8, 52))
        if kind == "copy":
            X[:, 1] = X[:, 0] + near
        elif kind == "antipode":
            X[:, 1] = near - X[:, 0]
        elif kind == "sum":
            X[:, 2] = X[:, 0] + X[:, 1] + near
        elif kind == "feature":
            X[-1] = X[0] + rng.integers(-1, 2, N) * near[0]
        elif kind == "multiple":
            X[:, 1] = X[:, 0] * 0.1
        X[:, ~X.any(axis=0)] = 1.0
        W, y, slope = rng.standard_normal((d1, d0)), rng.integers(0, 2, N).astype(float), rng.choice(SLOPES)
        found = find_minimum(W, X, y, float(slope)).contains_minimum
        assert found is None or found == decided_exactly(W, X, y, float(slope))
        answers.append(found)
    assert answers.count(True) > 2
    assert answers.count(False) > 1


@pytest.mark.parametrize("power", [-1040, -700, 700, 990])
def test_ranges_beyond_squares(power):
    """Samples and rows as small or large as floats are: the same answers, and a witness in their own units."""
    for W, X, y, slope in itertools.islice(cases(1, "binary"), 0, None, 5):
        near, far = find_minimum(W, X, y, slope), find_minimum(np.ldexp(W, -power // 2), np.ldexp(X, power), y, slope)
        if far.witness is None:
            assert far.contains_minimum in (None, near.contains_minimum)
            continue
        W1, z1 = far.witness
        hidden = W1 @ X
        z2 = np.ldexp(z1, power)  # the network is homogeneous: on X itself
        e = y - z2 @ np.where(hidden > 0, hidden, slope * hidden)
        assert near.contains_minimum
        assert e == pytest.approx(near.residual, abs=1e-6)


def test_samples_of_incomparable_lengths_are_refused():
    with pytest.raises(RegionError, match="comparable length"):
        find_minimum([[1.0, 2.0]], [[1e200, 1e-200], [1e200, 1e-200]], [1.0, 0.0], 0.1)
