"""Exact volumes against brute force over all choices of cells, closed forms and multiple precision."""

import itertools
import math
from collections import Counter
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import binom

from verify.network import regions
from verify.network.arrangements import GeneralPositionError, cell_centre, cell_volumes
from verify.network.minima import classify
from verify.verdicts import Evidence
from verify.volume import cones, exact, shares
from verify.volume.cones import decide, largest_margin
from verify.volume.exact import (
    ExactLimitError,
    RegionLattice,
    exact_volumes,
    rate_in_width,
)
from verify.volume.result import Volume

EVENTS = ("rank", "support", "first_order", "suboptimal", "globalmin")
CASES = [  # N, d0, slope, widths
    (3, 1, 0.0, (1, 2, 3)),
    (4, 1, 0.1, (1, 2, 4)),
    (3, 2, 0.0, (1, 2, 3)),
    (4, 2, 0.1, (1, 2, 3)),
    (4, 2, -1.0, (2, 3)),
    (5, 2, -0.5, (2,)),
    (4, 3, 2.0, (1, 2)),
    (3, 4, 0.0, (2, 3)),
    (2, 3, 0.1, (1, 3)),
]


def problem(N, d0, seed=0, exact=True):
    """Samples in general position, and labels; integers or floats."""
    rng = np.random.default_rng([N, d0, seed])
    while True:
        X = rng.integers(-9, 10, (d0, N)) if exact else rng.standard_normal((d0, N))
        try:
            cell_volumes(X)
        except GeneralPositionError:
            continue
        y = rng.integers(0, 2, N).astype(float) if seed % 2 == 0 else rng.integers(-3, 4, N) / 4
        return X, y


def kernel_events(patterns, X, y, slope, epsilon):
    """Rank, support and first-order events of one set of cells, by its singular value decomposition."""
    N = X.shape[1]
    A = np.where(patterns > 0, 1.0, slope)
    G = np.array([np.kron(A[:, n], X[:, n]) for n in range(N)], dtype=float).T
    _, sigma, right = np.linalg.svd(G, full_matrices=True)
    rank = int((sigma > 1e-9 * max(sigma.max(), 1e-300)).sum())
    kernel = right[rank:]
    residual = kernel.T @ (kernel @ y)
    needed = math.floor(Fraction(str(epsilon)) * N) + 1
    wrong = ((y - residual > 0.5 + 1e-9) != (y > 0.5)).sum()
    return rank < N, (np.abs(kernel) > 1e-9).any(axis=0).sum() >= needed, wrong >= needed


def by_enumeration(X, y, slope, epsilon, width):
    """Volumes as sums over all tuples of cells, one region at a time."""
    patterns, volumes = cell_volumes(X)
    data = np.asarray(X, dtype=float)
    centres = [cell_centre(data, signs) for signs in patterns]
    total = np.zeros(5)
    # Tuples that differ in their order are one region up to names; the multinomial counts them.
    for cells in itertools.combinations_with_replacement(range(len(patterns)), width):
        counts = Counter(cells)
        share = math.factorial(width) * math.prod(volumes[i] ** k / math.factorial(k) for i, k in counts.items())
        W = np.array([(1 + j) * centres[i] for j, i in enumerate(cells)])
        found = classify(W, data, y, slope, epsilon)
        assert found.suboptimal is not None
        assert found.globalmin is not None
        events = kernel_events(patterns[list(counts)], data, y, slope, epsilon)
        total += share * np.array([*events, found.suboptimal, found.globalmin])
    return total


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("N", "d0", "slope", "widths"), CASES)
def test_all_volumes_against_all_choices_of_cells(N, d0, slope, widths, seed):
    X, y = problem(N, d0, seed, exact=seed == 0 or d0 == 3)
    lattice = RegionLattice(X, y, slope, 0.1)
    for width in widths:
        found = lattice.volumes(width)
        for name, expected in zip(EVENTS, by_enumeration(X, y, slope, 0.1, width), strict=True):
            volume = getattr(found, name)
            assert volume.estimate == pytest.approx(expected, rel=1e-11, abs=1e-15), name
            assert volume.log_lower == volume.log_estimate == volume.log_upper
            assert volume.digits >= 12
            assert volume.evidence is Evidence.EXACT


@pytest.mark.parametrize("slope", [0.0, -0.5, 0.3, 2.0])
@pytest.mark.parametrize(
    ("X", "y"),
    [
        ([[3]], [1]),  # one sample: with ρ = 0 half of all single neurons are dead
        ([[3]], [0]),
        ([[2], [-1]], [1]),
        ([[1, -2]], [1, 1]),  # a line
        ([[1, 2, -4], [1, -1, 1]], [1, 1, 1]),  # all labels equal
        ([[1, 2, -4], [1, -1, 1]], [0, 0, 0]),
        ([[1, 2, -4], [1, -1, 1]], [0.5, 0.25, -3]),  # no label in class 1
    ],
)
def test_corner_cases_against_all_choices_of_cells(X, y, slope):
    lattice = RegionLattice(X, y, slope, 0.0)
    for width in (1, 2, 4):
        found = lattice.volumes(width)
        expected = by_enumeration(np.array(X), np.array(y, dtype=float), slope, 0.0, width)
        for name, value in zip(EVENTS, expected, strict=True):
            assert getattr(found, name).estimate == pytest.approx(value, rel=1e-12, abs=1e-15), name


def test_ordered_tuples_give_the_same():
    """Nothing but the definition: every ordered tuple, each region's own singular values."""
    X, y = problem(4, 2, 0)
    patterns, volumes = cell_volumes(X)
    total = np.zeros(3)
    for cells in itertools.product(range(len(patterns)), repeat=3):
        total += volumes[list(cells)].prod() * np.array(kernel_events(patterns[list(cells)], X, y, 0.1, 0.1))
    found = exact_volumes(X, y, 0.1, 0.1, 3)
    for name, expected in zip(EVENTS, total, strict=False):
        assert getattr(found, name).estimate == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("N", "d0", "width", "slope"), [(5, 3, 3, 0.0), (6, 2, 4, 0.1), (6, 3, 3, 0.1)])
def test_first_order_volumes_against_sampling(N, d0, width, slope):
    """20 000 first layers, 9 comparisons in all: fails by chance with probability below 1e-7."""
    X, y = problem(N, d0, 2, exact=False)
    lattice = RegionLattice(X, y, slope, 0.1)
    found = lattice.volumes(width, box_limit=0)
    W = np.random.default_rng(3).standard_normal((20_000, width, d0))
    kernels = regions.kernels(W, X, slope)
    events = (
        regions.rank_deficient(kernels),
        regions.support_above(kernels, 0.1),
        regions.misclassified_above(kernels, y, 0.1),
    )
    for name, event in zip(EVENTS, events, strict=False):
        p = getattr(found, name).estimate
        assert event.doubtful == 0
        assert binom.ppf(5e-9, 20_000, p) <= event.hits <= binom.isf(5e-9, 20_000, p)


def test_volumes_with_minima_against_sampling():
    """1000 regions decided one by one: fails by chance with probability below 1e-6."""
    X, y = problem(4, 2, 4, exact=False)
    found = exact_volumes(X, y, 0.1, 0.1, 3)
    rng = np.random.default_rng(8)
    decided = [classify(W, X, y, 0.1, 0.1) for W in rng.standard_normal((1000, 3, 2))]
    for volume, hits in (
        (found.suboptimal, sum(item.suboptimal is True for item in decided)),
        (found.globalmin, sum(item.globalmin is True for item in decided)),
    ):
        assert volume.digits >= 12
        p = volume.estimate
        assert 0.005 < p < 0.99
        assert binom.ppf(1e-7, 1000, p) <= hits <= binom.isf(1e-7, 1000, p)


# Degenerate samples


@pytest.mark.parametrize(
    ("factors", "slope", "widths"),
    [((2, -1, 1), 0.1, (1, 2, 3)), ((-3, Fraction(1, 2)), 0.0, (2, 3)), ((-1, -2, -1), -0.5, (2,)), ((1,), -1.0, (2,))],
)
def test_repeated_and_parallel_samples_against_all_choices_of_cells(factors, slope, widths):
    """Cells of the distinct samples, expanded by hand; each region is decided with all samples."""
    distinct, _ = problem(3, 2, 3)
    rng = np.random.default_rng(len(factors))
    chosen = rng.permutation(3)[: len(factors)]
    X = np.column_stack([distinct, *(f * distinct[:, n] for f, n in zip(factors, chosen, strict=True))])
    y = rng.uniform(-0.5, 1.5, X.shape[1]).round(3)  # equal samples with labels 0 and 1 put the output on 1/2 itself
    patterns, volumes = cell_volumes(distinct)
    full = np.column_stack([patterns, *(np.sign(f) * patterns[:, n] for f, n in zip(factors, chosen, strict=True))])
    centres = [cell_centre(distinct.astype(float), signs) for signs in patterns]
    order = rng.permutation(X.shape[1])  # which of several equal samples comes first must not matter
    data = X.astype(float)
    for shuffle in (np.arange(X.shape[1]), order):
        lattice = RegionLattice(X[:, shuffle], y[shuffle], slope, 0.1)
        for width in widths:
            total = np.zeros(5)
            for cells in itertools.combinations_with_replacement(range(len(patterns)), width):
                counts = Counter(cells)
                weight = math.factorial(width) / math.prod(math.factorial(k) for k in counts.values())
                share = weight * math.prod(volumes[i] for i in cells)
                W = np.array([(1 + j) * centres[i] for j, i in enumerate(cells)])
                found = classify(W, data, y, slope, 0.1)
                assert None not in (found.suboptimal, found.globalmin)
                events = kernel_events(full[list(counts)].astype(int), data, y, slope, 0.1)
                total += share * np.array([*events, found.suboptimal, found.globalmin])
            volumes_found = lattice.volumes(width)
            for name, expected in zip(EVENTS, total, strict=True):
                volume = getattr(volumes_found, name)
                assert volume.estimate == pytest.approx(expected, rel=1e-11, abs=1e-15), name
                assert volume.evidence is Evidence.EXACT


def test_equal_samples_with_unequal_labels_have_the_output_one_half():
    """Labels 1 and 0 on one sample: the best output is 1/2, class 0, so one of the two is always misclassified."""
    found = exact_volumes([[1, 2, 1], [1, -1, 1]], [1, 0, 0], 0.1, 0.3, 6)
    assert found.rank.log_estimate == 0.0
    assert found.first_order.log_estimate == 0.0
    assert found.globalmin.log_estimate == -math.inf


def test_a_plane_in_space_is_a_plane():
    """Three features that are linear in two: the same arrangement in another basis, so the same volumes."""
    X, y = problem(4, 2, 0)
    turned = np.vstack([3 * X[0] + 4 * X[1], -4 * X[0] + 3 * X[1], 0 * X[0]])  # a rotation, times 5
    one, other = exact_volumes(X, y, 0.1, 0.1, 3), exact_volumes(turned, y, 0.1, 0.1, 3)
    for name in EVENTS:
        assert getattr(one, name).log_estimate == pytest.approx(getattr(other, name).log_estimate, abs=1e-13)


def test_orthogonal_samples_in_any_dimension_are_exact():
    """Five one-hot inputs, ρ = 0: rank 5 unless some sample is inactive everywhere."""
    found = exact_volumes(np.eye(5, dtype=int), [1, 1, 0, 1, 0], 0, 0.1, 4, box_limit=0)
    assert found.rank.evidence is Evidence.EXACT
    assert found.rank.estimate == pytest.approx(1 - (1 - 2.0**-4) ** 5, rel=1e-14)
    assert found.level == 0


# Cells with estimated volumes


@pytest.fixture
def estimated(monkeypatch):
    """All cells estimated, also those with closed forms."""
    monkeypatch.setattr(shares, "CLOSED_FORM_RANK", 0)
    monkeypatch.setattr(shares, "DRAWS", 200_000)


@pytest.mark.parametrize(("N", "d0", "slope"), [(4, 2, 0.0), (5, 2, 0.1), (5, 3, -0.5)])
def test_bounds_from_estimated_cells_hold_the_exact_volumes(monkeypatch, N, d0, slope):
    """Level 1e-7 each; events that do not depend on the cells' volumes stay exact."""
    X, y = problem(N, d0, 0, exact=False)
    widths = (1, 2, 3, 12, 40)
    exact = RegionLattice(X, y, slope, 0.1)
    truths = [exact.volumes(width, box_limit=300) for width in widths]
    rate = exact.rate()
    monkeypatch.setattr(shares, "CLOSED_FORM_RANK", 0)
    monkeypatch.setattr(shares, "DRAWS", 200_000)
    lattice = RegionLattice(X, y, slope, 0.1, level=1e-7, seed=3)
    kinds = Counter()
    for width, truth in zip(widths, truths, strict=True):
        found = lattice.volumes(width, box_limit=300)
        for name in EVENTS:
            volume, known = getattr(found, name), getattr(truth, name)
            kinds[volume.evidence] += 1
            assert volume.log_lower <= volume.log_estimate <= volume.log_upper
            assert volume.log_lower <= known.log_upper
            assert known.log_lower <= volume.log_upper
            if volume.evidence is Evidence.EXACT:
                assert volume.log_estimate == known.log_estimate
            else:
                assert "at level 1e-07" in volume.note
                assert found.level == 1e-7
            if name in EVENTS[:3] and volume.evidence is Evidence.STATISTICAL:
                assert volume.upper - volume.lower < 0.5
    assert min(kinds[Evidence.EXACT], kinds[Evidence.STATISTICAL]) > 0
    close = lattice.rate()
    assert close.evidence is Evidence.STATISTICAL
    assert close.kappa_lower <= rate.kappa <= close.kappa_upper
    assert close.kappa_lower <= close.kappa <= close.kappa_upper < 1.2 * close.kappa_lower
    assert close.level == 1e-7


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_every_choice_of_volumes_between_the_ends_gives_a_volume_between_the_bounds(estimated, slope):
    """The monotonicity behind the bounds, on unnormalised volumes drawn in wide intervals."""
    X, y = problem(4, 2, 0)
    lattice = RegionLattice(X, y, slope, 0.1, effort=0.01)
    rng = np.random.default_rng(4)
    lattice.shares.lower, lattice.shares.upper = 0.8 * lattice.shares.estimate, 1.25 * lattice.shares.estimate
    centres = [cell_centre(X.astype(float), signs) for signs in lattice.patterns]
    happened, shares_of_tuples = [], []
    draws = rng.uniform(lattice.shares.lower, lattice.shares.upper, (30, len(lattice.patterns)))
    draws /= draws.sum(axis=1, keepdims=True)
    draws = draws[(draws >= lattice.shares.lower).all(axis=1) & (draws <= lattice.shares.upper).all(axis=1)]
    assert len(draws) > 10
    for cells in itertools.combinations_with_replacement(range(len(lattice.patterns)), 3):
        counts = Counter(cells)
        W = np.array([(1 + j) * centres[i] for j, i in enumerate(cells)])
        found = classify(W, X.astype(float), y, slope, 0.1)
        events = kernel_events(lattice.patterns[list(counts)].astype(int), X.astype(float), y, slope, 0.1)
        happened.append([*events, found.suboptimal is True, found.globalmin is True])
        weight = 6 / math.prod(math.factorial(k) for k in counts.values())
        shares_of_tuples.append(weight * np.prod(draws[:, list(cells)], axis=1))
    values = np.array(shares_of_tuples).T @ np.array(happened)
    bounds = lattice.volumes(3)
    for name, column in zip(EVENTS, values.T, strict=True):
        volume = getattr(bounds, name)
        assert volume.lower <= column.min() + 1e-12
        assert column.max() - 1e-12 <= volume.upper
        assert volume.evidence is Evidence.EXACT or volume.upper - volume.lower < 6 * (np.ptp(column) + 0.1)


def test_four_features_against_sampling():
    """20 000 first layers: fails by chance with probability below 1e-7."""
    rng = np.random.default_rng(9)
    X, y = rng.standard_normal((4, 6)), np.array([1.0, 0, 1, 1, 0, 0])
    lattice = RegionLattice(X, y, 0.1, 0.1, level=1e-8, effort=0.25)
    assert len(lattice.patterns) == 2 * (1 + 5 + 10 + 10)
    found = lattice.volumes(2, box_limit=0)
    kernels = regions.kernels(rng.standard_normal((20_000, 2, 4)), X, 0.1)
    events = (
        regions.rank_deficient(kernels),
        regions.support_above(kernels, 0.1),
        regions.misclassified_above(kernels, y, 0.1),
    )
    for name, event in zip(EVENTS, events, strict=False):
        volume = getattr(found, name)
        assert volume.evidence is Evidence.STATISTICAL
        assert volume.upper < 1.2 * volume.lower
        assert binom.ppf(1e-8, 20_000, volume.lower) <= event.hits + event.doubtful
        assert event.hits <= binom.isf(1e-8, 20_000, volume.upper)


# Closed forms


@pytest.mark.parametrize("width", [1, 2, 7, 1000])
def test_one_dimension(width):
    # Opposite signs: each neuron gives a row (1, −ρ) or (−ρ, 1)·const; rank 2 iff both kinds occur.
    found = exact_volumes([[1, -1]], [1, 0], 0.1, 0.1, width).rank
    assert found.log_estimate == pytest.approx((1 - width) * math.log(2), rel=1e-14, abs=1e-15)
    assert exact_volumes([[1, 3]], [1, 0], 0.1, 0.1, width).rank.log_estimate == 0.0  # the same sign: never
    assert exact_volumes([[2, -1]], [1, 0], -1, 0.1, width).rank.log_estimate == 0.0  # |x|: the same row twice


@pytest.mark.parametrize("width", [1, 5, 103, 2000])
@pytest.mark.parametrize("d0", [3, 5])
def test_orthogonal_samples(d0, width):
    """ρ = 0: rank N unless some sample is inactive everywhere, `1 − (1 − 2^−d1)^N`; here N = 3 ≤ d0."""
    X = 7 * np.eye(d0, dtype=int)[:, :3]
    lattice = RegionLattice(X, [1, 1, 0], 0, 0.1)
    found = lattice.volumes(width, box_limit=0)
    with mp.workdps(1500):
        exact = 1 - (1 - mp.mpf(2) ** -width) ** 3
        # Binary labels: label 0 is fitted by an inactive sample too, so two of the three can be wrong.
        wrong = 1 - (1 - mp.mpf(2) ** -width) ** 2
        assert found.rank.log_estimate == pytest.approx(float(mp.log(exact)), rel=1e-15)
        assert found.support.log_estimate == found.rank.log_estimate
        assert found.first_order.log_estimate == pytest.approx(float(mp.log(wrong)), rel=1e-15)
    leaky = exact_volumes(X, [1, 1, 0], 0.1, 0.1, width)
    assert leaky.rank.log_estimate == leaky.suboptimal.log_estimate == -math.inf


def test_zero_labels_are_fitted_by_every_region():
    X, _ = problem(6, 2)
    found = exact_volumes(X, np.zeros(6), 0.1, 0.1, 3)
    assert found.globalmin.log_estimate == 0.0
    assert found.suboptimal.log_estimate == found.first_order.log_estimate == -math.inf


def test_an_output_of_one_half_is_class_zero():
    # One neuron in one dimension, ρ = 0: outputs (1, 1)/2 on labels (1, 0); the first is misclassified.
    found = RegionLattice([[1, 1, -3]], [1, 0, 0], 0, 0.0)
    assert found.volumes(1).first_order.estimate == pytest.approx(1.0)
    # At labels (1, 0) and inputs (1, 0.5): u = 0.8, outputs 0.8 and 0.4, both right.
    right = RegionLattice([[1, 0.5]], [1, 0], 0, 0.0)
    assert right.volumes(1).first_order.estimate == pytest.approx(0.5)


# Cancellation


def mobius(X, y, slope, epsilon, width, which):
    """`P(occupied set = S)` summed over the sets with the event, all by inclusion–exclusion at 100 digits."""
    patterns, _ = cell_volumes(X)
    data = np.asarray(X, dtype=float)
    count = len(patterns)
    with mp.workdps(100):
        # Independent volumes: the cells of lines in the plane, in order of angle.
        turns = sorted(mp.atan2(s * int(a), -s * int(b)) % (2 * mp.pi) for a, b in X.T.tolist() for s in (1, -1))
        volume = {}
        for k, turn in enumerate(turns):
            gap = (turns[k + 1] if k + 1 < len(turns) else turns[0] + 2 * mp.pi) - turn
            middle = turn + gap / 2
            direction = np.array([float(mp.cos(middle)), float(mp.sin(middle))])
            volume[tuple(np.sign(direction @ data).astype(int))] = gap / (2 * mp.pi)
        p = [volume[tuple(signs)] for signs in patterns.tolist()]
        power = [mp.mpf(0)] * 2**count
        for mask in range(1, 2**count):
            power[mask] = mp.fsum(p[i] for i in range(count) if mask >> i & 1) ** width
        for i in range(count):
            for mask in range(2**count):
                if mask >> i & 1:
                    power[mask] -= power[mask ^ 1 << i]
        total = mp.mpf(0)
        for mask in range(1, 2**count):
            chosen = [i for i in range(count) if mask >> i & 1]
            if kernel_events(patterns[chosen], data, y, slope, epsilon)[which]:
                total += power[mask]
        return mp.log(total)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_tiny_volumes_have_their_digits(slope):
    X, y = problem(4, 2, 6)
    lattice = RegionLattice(X, y, slope, 0.1)
    width = round(31 * math.log(10) / lattice.rate().kappa)
    found = lattice.volumes(width, box_limit=0)
    assert -32 < found.first_order.log10 < -30
    for which, name in enumerate(EVENTS[:3]):
        exact = mobius(X, y, slope, 0.1, width, which)
        volume = getattr(found, name)
        assert abs(volume.log_estimate - exact) < 1e-13
        assert volume.digits >= 13


def test_an_impossible_event_is_exactly_zero_and_a_certain_one_exactly_one():
    X, y = problem(5, 2)
    lattice = RegionLattice(X, y, 0.1, 0.1)
    assert lattice.volumes(2).rank.log_estimate == 0.0  # 4 rows, 5 columns: although the sum of powers cancels to it
    assert lattice.volumes(1).globalmin.log_estimate == -math.inf
    nearly = lattice.volumes(400).globalmin  # log(1 − v) for a tiny v
    assert -1e-15 < nearly.log_lower <= nearly.log_estimate <= nearly.log_upper < 0
    assert nearly.log_upper - nearly.log_lower < 1e-6 * -nearly.log_estimate


def test_what_no_region_has_is_exactly_zero_whatever_the_volumes_of_cells():
    """In four dimensions cells are estimated, but which regions have a minimum is not: here none that errs has."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(4):
        X, y = rng.integers(-5, 6, (4, 5)), rng.integers(0, 2, 5)
        volumes = exact_volumes(X, y, 0.1, 0.0, 1, effort=0.01)
        assert volumes.first_order.evidence is Evidence.STATISTICAL
        assert volumes.first_order.lower > 0
        layers = np.random.default_rng(1).standard_normal((400, 1, 4))
        one_of_each = np.unique(layers[:, 0] @ X > 0, axis=0, return_index=True)[1]
        any_region = any(classify(layer, X, y, 0.1, 0.0).suboptimal for layer in layers[one_of_each])
        found.append((any_region, volumes.suboptimal.evidence))
        assert any_region or volumes.suboptimal == Volume(-math.inf, -math.inf, -math.inf)
    assert set(found) == {(True, Evidence.STATISTICAL), (False, Evidence.EXACT)}


@pytest.mark.parametrize("limit", [1, 3])
def test_decisions_that_end_early_widen_the_volume_and_no_more(monkeypatch, limit):
    """Where a sum of cones was not decided, its boxes lie between the ends, which hold the true volume all the same."""
    X, y = np.random.default_rng(11).standard_normal((2, 4)), np.array([1, 0, 1, 1])
    lattice = RegionLattice(X, y, 0.1, 0.0)
    truth = lattice.volumes(2)
    monkeypatch.setattr(cones, "NODE_LIMIT", limit)
    found = RegionLattice(X, y, 0.1, 0.0).volumes(2)
    assert (found.rank, found.support, found.first_order) == (truth.rank, truth.support, truth.first_order)
    for name in ("suboptimal", "globalmin"):
        wide, narrow = getattr(found, name), getattr(truth, name)
        assert wide.log_lower <= narrow.log_lower + 1e-12
        assert narrow.log_upper <= wide.log_upper + 1e-12
    assert narrow.digits > 10
    assert limit > 2 or found.suboptimal.upper - found.suboptimal.lower > 1e-3
    one = fmpq_mat([[fmpq(1)]])
    assert decide([one], [one], fmpq_mat([[fmpq(-2)]])).feasible is not False


def test_a_rate_near_zero_has_its_digits():
    """ρ = −1 and three lines that all but coincide: only a neuron in two needles of 2e-30 radians gives more rank."""
    X = np.array([[10**30] * 3, [0, 1, 2]], dtype=object)
    rate = rate_in_width(X, [0, 1, 0], -1, 0.1)
    with mp.workdps(60):
        needles = 4 * mp.atan(mp.mpf(2) / 10**30) / (2 * mp.pi)
        assert rate.kappa == pytest.approx(float(-mp.log1p(-needles)), rel=1e-14)
    assert rate.kappa_lower == rate.kappa == rate.kappa_upper
    assert rate.volume == 1.0
    assert rate.multiplicity == 1


@pytest.mark.parametrize("spread", [0, 1, 30, 120, 300])
def test_masses_of_boxes_in_any_range(spread):
    """Sums of products over many orders of magnitude, against rational arithmetic."""
    rng = np.random.default_rng(spread)
    for width in (1, 3, 9, 40):
        pairs = (10.0 ** rng.uniform(-spread, spread, 5)).tolist()
        factors = [rng.uniform(-2.3 * spread, 0, width + 1) for _ in range(2)]
        factors[0][0] = -math.inf
        last = rng.uniform(-2.3 * spread, 0, width + 1)
        total = [mp.mpf(1)]
        with mp.workdps(50):
            sequences = [[mp.mpf(1), mp.mpf(pair)] for pair in pairs]
            sequences += [
                [mp.exp(mp.mpf(v)) if v > -math.inf else mp.mpf(0) for v in f.tolist()] for f in (*factors, last)
            ]
            for sequence in sequences:
                total = [
                    mp.fsum(total[i] * sequence[k - i] for i in range(len(total)) if 0 <= k - i < len(sequence))
                    for k in range(len(total) + len(sequence) - 1)
                ]
            expected = mp.log(total[width])
            assert abs(exact._log_convolved(pairs, factors, last, width) - expected) < 1e-12 * (1 + abs(expected))


def test_masses_of_all_boxes_sum_to_one():
    X, y = problem(4, 2, 0)
    lattice = RegionLattice(X, y, 0.1, 0.1)
    everything = (1 << 8) - 1
    for width in (1, 5, 60, 3000):
        boxes = [exact._Box(0, 0, everything, everything)]
        for cell, at_most in ((0, 0), (1, 1), (2, 0), (2, 1), (5, 0)):
            boxes = [
                part for box in boxes for part in (box.split(cell, at_most) if _splits(box, cell, at_most) else [box])
            ]
        assert len(boxes) > 20
        logs = [lattice._log_mass(box, width, lattice._volumes, whole=True) for box in boxes]
        assert math.fsum(map(math.exp, logs)) == pytest.approx(1, abs=lattice._rounding(width))


def _splits(box, cell, at_most):
    """Whether both parts would be other than the box."""
    return box.free >> cell & 1 and not (box.several if at_most else box.occupied) >> cell & 1


# Structure


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.data())
def test_properties(data):
    N, d0 = data.draw(st.sampled_from([(3, 1), (3, 2), (4, 2), (3, 5)]))
    X = np.array(data.draw(st.lists(st.lists(st.integers(-6, 6), min_size=N, max_size=N), min_size=d0, max_size=d0)))
    slope = data.draw(st.sampled_from([0, 0.1, -0.5, -1, 2]))
    epsilon = data.draw(st.sampled_from([0.0, 0.25, 0.5]))
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=N, max_size=N)))
    try:
        lattice = RegionLattice(X, y, slope, epsilon)
    except GeneralPositionError:
        assume(False)
    # Closed sets are closed under intersection, and Möbius sums give back the events.
    closed = set(lattice.closed)
    assert all(a & b in closed for a, b in itertools.combinations(closed, 2))
    widths = (1, 2, 5)
    found = [lattice.volumes(width) for width in widths]
    slack = 1e-11
    for one in found:
        assert one.suboptimal.log_upper <= one.first_order.log_upper
        assert one.first_order.log_estimate <= one.support.log_estimate + slack
        assert one.support.log_estimate <= one.rank.log_estimate + slack <= slack
        assert one.suboptimal.upper + one.globalmin.upper <= 1 + slack
    for narrow, wide in itertools.pairwise(found):  # more neurons, more rank
        assert wide.rank.log_estimate <= narrow.rank.log_estimate
        assert wide.support.log_estimate <= narrow.support.log_estimate
    # Neither the order nor the positive scale of the samples, nor a flip of all inputs, is seen by rank and support.
    order = data.draw(st.permutations(range(N)))
    moved = RegionLattice(-3 * X[:, order], y[order], slope, epsilon).volumes(2)
    for name in EVENTS:
        assert getattr(moved, name).log_estimate == pytest.approx(getattr(found[1], name).log_estimate, abs=1e-10)


def test_the_rate():
    X, y = problem(5, 2, 8, exact=False)
    for slope in (0.0, 0.1):
        lattice = RegionLattice(X, y, slope, 0.1)
        rate = lattice.rate()
        assert rate_in_width(X, y, slope, 0.1).kappa == rate.kappa
        patterns, volumes = cell_volumes(X)
        best = max(
            volumes[list(chosen)].sum()
            for size in range(1, len(patterns) + 1)
            for chosen in itertools.combinations(range(len(patterns)), size)
            if kernel_events(patterns[list(chosen)], X, y, slope, 0.1)[2]
        )
        assert rate.volume == pytest.approx(best, rel=1e-14)
        assert rate.kappa == pytest.approx(-math.log(best), rel=1e-13)
        assert kernel_events(rate.cells, X, y, slope, 0.1)[2]
        gaps = []
        for width in (50, 500, 5000):
            log = lattice.first_order(width).log_estimate
            gaps.append(abs(log / width + rate.kappa))
        assert gaps[0] > gaps[1] or gaps[0] < 1e-12
        assert gaps[2] < 1e-3
        assert log == pytest.approx(math.log(rate.multiplicity) - rate.kappa * 5000, rel=1e-13)


def test_no_bad_set_has_an_infinite_rate():
    rate = rate_in_width(np.eye(2, dtype=int), [1, 0], 0.1, 0.1)
    assert (rate.kappa, rate.volume, rate.multiplicity, len(rate.cells)) == (math.inf, 0.0, 0, 0)
    assert rate_in_width([[1, 2]], [1, 0], 0.1, 0.1).kappa == 0.0  # every set is bad


def test_decimals_are_read_as_written():
    X = [[0.1, 0.2, -0.7], [0.3, -0.4, 0.5]]
    tenfold = [[1, 2, -7], [3, -4, 5]]
    fractions = [[Fraction(c, 10) for c in row] for row in tenfold]
    results = [exact_volumes(Z, [1, 0, 1], rho, 0.1, 3) for Z, rho in ((X, 0.1), (fractions, Fraction(1, 10)))]
    assert results[0] == results[1]
    whole = exact_volumes(tenfold, [1, 0, 1], 0.1, 0.1, np.int64(3))
    for name in EVENTS:
        assert getattr(whole, name).log_estimate == pytest.approx(getattr(results[0], name).log_estimate, abs=1e-12)


def test_sixteen_cells():
    """N = 8 in the plane, where there are 65 536 sets of cells; anytime ends at a width in the middle."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2, 8)), (rng.random(8) < 0.5).astype(float)
    lattice = RegionLattice(X, y, 0.1, 0.1)
    assert len(lattice.patterns) == 16
    assert len(lattice.closed) < 1000
    wide = lattice.volumes(400, box_limit=1000)
    assert wide.suboptimal.digits >= 10
    assert wide.globalmin.digits >= 10
    assert wide.first_order.log_estimate == pytest.approx(-400 * lattice.rate().kappa, abs=0.1)
    rough, finer = (lattice.volumes(10, box_limit=limit) for limit in (50, 200))
    for name in ("suboptimal", "globalmin"):
        one, other = getattr(rough, name), getattr(finer, name)
        assert one.log_lower <= other.log_lower <= other.log_estimate <= other.log_upper <= one.log_upper
        assert one.digits <= other.digits < 3
    assert rough.suboptimal.log_upper <= rough.first_order.log_upper
    trivial = lattice.volumes(10, box_limit=0).globalmin
    assert (trivial.log_lower, trivial.log_upper, trivial.digits) == (-math.inf, 0.0, 0)


# Errors


@pytest.mark.parametrize(
    ("X", "y", "slope", "epsilon", "width", "message"),
    [
        ([[1, 2], [0, 1]], [1], 0, 0.1, 2, "d0 × N"),
        ([1, 2], [1, 0], 0, 0.1, 2, "d0 × N"),
        ([[1, 2], [0, 1]], [1, 0], 1, 0.1, 2, "slope 1"),
        ([[1, 2], [0, 1]], [1, 0], 1.0, 0.1, 2, "slope 1"),
        ([[1, 2], [0, 1]], [1, 0], 0, 1.0, 2, "epsilon"),
        ([[1, 2], [0, 1]], [1, 0], 0, 0.1, 0, "width"),
        ([[1, 2], [0, 1]], [1, 0], 0, 0.1, 2.5, "width"),
        ([[1, 2], [0, 1]], [1, 0], 0, 0.1, True, "width"),
        ([[1, 2], [0, 1]], [1, 0], [0, 0.1], 0.1, 2, "one number"),
        ([[1, math.nan], [0, 1]], [1, 0], 0, 0.1, 2, "X has the entry nan"),
        ([[1, 2], [0, 1]], ["a", "b"], 0, 0.1, 2, "y has entries of type"),
        ([[1, 2], [0, 1]], [1, 0], math.inf, 0.1, 2, "slope has the entry inf"),
        ([[1, 2, 0], [0, 0, 0]], [1, 0, 1], 0, 0.1, 2, "sample 2 is zero"),
        ([[1, 0, 1, 1], [0, 1, 1, 2], [0, 0, 0, 1]], [1, 0, 1, 0], 0, 0.1, 2, r"samples \[0, 1, 2\] are dependent"),
    ],
)
def test_what_cannot_be_used_is_refused(X, y, slope, epsilon, width, message):
    with pytest.raises(ValueError, match=message):
        exact_volumes(X, y, slope, epsilon, width)


def test_what_is_too_large_is_refused_before_the_work():
    rng = np.random.default_rng(1)
    for d0, N in ((2, 40), (4, 12), (3, 30), (200, 2000), (2, 400)):
        with pytest.raises(ExactLimitError, match="method='sample'"):
            RegionLattice(rng.standard_normal((d0, N)), np.zeros(N), 0, 0.1)
    with pytest.raises(ExactLimitError, match="more than 50 closed sets"):
        RegionLattice(rng.standard_normal((2, 6)), np.zeros(6), 0.1, 0.1, limit=50)


# Signed cones


def rational(array):
    flat = [fmpq(int(value)) for value in np.ravel(array)]
    return fmpq_mat(len(array), len(flat) // len(array), flat)


@pytest.mark.parametrize(("m", "f"), [(3, 1), (6, 3), (5, 6), (9, 4), (2, 5)])
def test_largest_margin_against_a_linear_program(m, f):
    rng = np.random.default_rng([m, f])
    signs = Counter()
    for _ in range(40):
        rows = rng.integers(-3, 4, (m, f + 1))
        program = linprog(
            np.r_[np.zeros(f), -1.0],
            A_ub=np.column_stack([-rows[:, :-1], np.ones(m)]),
            b_ub=rows[:, -1],
            bounds=[(None, None)] * f + [(None, 1)],
        )
        margin, v = largest_margin([[fmpq(int(value)) for value in row] for row in rows])
        expected = -program.fun
        signs[int(margin > 0) - int(margin < 0)] += 1
        if expected < -1e-9:
            assert margin < 0
            assert not v
            continue
        assert float(Fraction(int(margin.p), int(margin.q))) == pytest.approx(expected, abs=1e-9)
        reached = [sum((fmpq(int(a)) * b for a, b in zip(row, v, strict=False)), fmpq(int(row[-1]))) for row in rows]
        assert min(*reached, fmpq(1)) >= margin
    assert len(signs) > 1 or f >= m


def shear(rng, d0):
    return np.eye(d0, dtype=int) + np.triu(rng.integers(-2, 3, (d0, d0)), 1)


def is_sum(blocks, walls, target):
    """Every sign vector in turn, each with a linear program."""
    d0 = blocks[0].shape[1]
    for signs in itertools.product((-1, 0, 1), repeat=len(blocks)):
        used = [i for i, sign in enumerate(signs) if sign]
        if not used:
            if not target.any():
                return True
            continue
        rows = np.vstack(
            [np.hstack([signs[i] * walls[i] if i == j else np.zeros((len(walls[j]), d0)) for i in used]) for j in used]
        )
        program = linprog(
            np.r_[np.zeros(d0 * len(used)), -1.0],
            A_ub=np.column_stack([-rows, np.ones(len(rows))]),
            b_ub=np.zeros(len(rows)),
            A_eq=np.column_stack([np.hstack([blocks[i] for i in used]), np.zeros(len(target))]),
            b_eq=target,
            bounds=[(None, None)] * (d0 * len(used)) + [(None, 1)],
        )
        if program.status == 0 and program.x[-1] > 1e-7:
            return True
    return False


@pytest.mark.parametrize(("blocks", "q", "d0"), [(2, 3, 2), (3, 4, 2), (3, 2, 2), (2, 3, 3), (4, 3, 1)])
def test_sums_of_signed_cones_against_all_signs(blocks, q, d0):
    rng = np.random.default_rng([blocks, q, d0])
    outcomes = Counter()
    for _ in range(15):
        H = [rng.integers(-2, 3, (q, d0)) for _ in range(blocks)]
        walls = [np.vstack([np.eye(d0), rng.integers(-2, 3, (1, d0))]) @ shear(rng, d0) for _ in range(blocks)]
        target = sum(h @ rng.integers(-1, 2, d0) for h in H)
        found = decide([rational(h) for h in H], [rational(w) for w in walls], rational(target[:, None]))
        assert found.feasible is is_sum(H, walls, target)
        if found.feasible:
            used = sorted(found.used)
            assert is_sum([H[i] for i in used], [walls[i] for i in used], target) if used else not target.any()
        outcomes[found.feasible] += 1
    assert min(outcomes[True], outcomes[False]) > 0
