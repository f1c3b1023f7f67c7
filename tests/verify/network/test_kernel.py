"""Proofs of full rank and projections, many regions at a time, against exact rational arithmetic."""

from __future__ import annotations

import itertools
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat, fmpz_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.network import kernel, lanes, regions
from verify.network.kernel import LARGEST, Patterns, packed, patterns, projections, proved_full_rank

SLOPES = (0.0, 0.1, -0.5, -1.0, 2.0)
SIZES = [  # (N, d0, d1)
    (1, 1, 1),
    (1, 3, 2),
    (4, 1, 9),
    (5, 2, 2),  # d0·d1 < N
    (6, 2, 3),  # = N
    (7, 2, 5),
    (8, 3, 2),
    (9, 3, 33),  # more than a word of neurons
    (3, 4, 2),  # N <= d0
    (17, 3, 4),
]
NULL, APART = regions.NULL_BELOW, regions.COLUMNS_APART * 10


def random_integers(size, batch, seed):
    """Patterns of random integer layers, at random integer inputs: `(B, d1, N)` and `(B, d0, N)`."""
    N, d0, d1 = size
    rng = np.random.default_rng([seed, N, d0, d1])
    W, X = rng.integers(-9, 10, (batch, d1, d0)), rng.integers(-9, 10, (batch, d0, N))
    return W @ X > 0, X.astype(float)


def exact_product(active, X, slope):
    """`b·A ∘ X` over the integers, for the slope a/b."""
    rho = Fraction(str(slope))
    A = [[rho.denominator if on else rho.numerator for on in row] for row in active.tolist()]
    return [[a * int(x) for a, x in zip(gates, row, strict=True)] for gates in A for row in X.tolist()]


def exact_rank(active, X, slope):
    return fmpz_mat(exact_product(active, X, slope)).rank()


def exact_projection(active, X, slope):
    """`B (BᵀB)⁻¹ Bᵀ` over the rationals, for a basis B of the kernel."""
    rows = exact_product(active, X, slope)
    samples = len(rows[0])
    G = fmpq_mat(len(rows), samples, [fmpq(entry) for row in rows for entry in row])
    reduced, rank = G.rref()
    pivots = [next(n for n in range(samples) if reduced[i, n] != 0) for i in range(rank)]
    free = [n for n in range(samples) if n not in pivots]
    if not free:
        return np.zeros((samples, samples))
    B = fmpq_mat(samples, len(free))
    for k, n in enumerate(free):
        B[n, k] = 1
        for i, pivot in enumerate(pivots):
            B[pivot, k] = -reduced[i, n]
    P = B * (B.transpose() * B).inv() * B.transpose()
    return np.array([[int(P[i, j].p) / int(P[i, j].q) for j in range(samples)] for i in range(samples)])


def project(found, X, slope, chosen=None, threads=1):
    chosen = np.arange(len(found.bits)) if chosen is None else chosen
    return projections(found, X, slope, chosen, null=NULL, apart=APART, threads=threads)


# Patterns.


@pytest.mark.parametrize("size", [*SIZES, (5, 3, 70), (40, 2, 64)])
@pytest.mark.parametrize("batch", [1, 7, 20])
def test_patterns_are_the_signs(size, batch):
    N, d0, d1 = size
    rng = np.random.default_rng([0, *size])
    W, X = rng.integers(-9, 10, (batch, d1, d0)).astype(float), rng.integers(-9, 10, (batch, d0, N)).astype(float)
    for inputs in (X, X[0]):
        found = patterns(W, inputs)
        expected = W @ inputs > 0  # exact for integers
        np.testing.assert_array_equal(found.active(np.arange(batch)), expected)
        np.testing.assert_array_equal(found.bits, packed(expected).bits)
        assert found.width == d1


def test_transposed_and_single_precision_layers():
    """Memory of any order and precision."""
    rng = np.random.default_rng(1)
    W, X = rng.integers(-9, 10, (20, 6, 4)).astype(float), rng.integers(-9, 10, (4, 10)).astype(float)
    expected = patterns(W, X).bits
    other = np.asfortranarray(W.astype(np.float32))
    np.testing.assert_array_equal(patterns(other, np.asfortranarray(X)).bits, expected)


# Full rank: what is accepted has it.


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("size", SIZES)
def test_proofs_against_exact_ranks(size, slope):
    active, X = random_integers(size, 40, 2)
    for inputs in (X, X[0]):
        level = proved_full_rank(packed(active), inputs, slope)
        each = X if inputs.ndim == 3 else np.repeat(X[:1], 40, axis=0)
        ranks = np.array([exact_rank(a, x, slope) for a, x in zip(active, each, strict=True)])
        assert (ranks[level > 0] == size[0]).all()
        # Small integers are far from singular where they are not singular, so that the filter finds nearly all.
        assert (level > 0).sum() >= 0.9 * (ranks == size[0]).sum()


@settings(max_examples=60)
@given(
    st.integers(1, 14), st.integers(1, 5), st.integers(1, 7), st.sampled_from(SLOPES), st.integers(0, 10**6),
    st.integers(1, 3),
)  # fmt: skip
def test_ranks_of_any_shape(N, d0, d1, slope, seed, spread):
    """Entries as small as ±1 make all kinds of dependence likely."""
    rng = np.random.default_rng(seed)
    active, X = rng.random((9, d1, N)) < 0.6, rng.integers(-spread, spread + 1, (9, d0, N)).astype(float)
    found = packed(active)
    level = proved_full_rank(found, X, slope)
    near = project(found, X, slope)
    for item in range(9):
        rank = exact_rank(active[item], X[item], slope)
        assert rank == N or not level[item]
        if np.isfinite(near.error[item]):
            assert near.rank[item] == rank
            difference = near.projector[item] - exact_projection(active[item], X[item], slope)
            assert np.linalg.norm(difference, 2) <= near.error[item]


def singular(kind, N, rng, batch=256):
    """Regions whose rank is N − 1 at most, by construction, and exactly so in floating point."""
    d0, d1 = 4, N
    X = rng.standard_normal((batch, d0, N))
    active = rng.random((batch, d1, N)) < 0.5
    if kind == "dead sample":
        active[:, :, 0] = False
    elif kind == "zero sample":
        X[:, :, 0] = 0
    elif kind == "equal samples":
        X[:, :, 0], active[:, :, 0] = X[:, :, 1], active[:, :, 1]
    elif kind == "multiple":
        X[:, :, 0], active[:, :, 0] = -1e7 * X[:, :, 1], active[:, :, 1]
    elif kind == "few features":
        X, active[:] = rng.standard_normal((batch, N - 1, N)), True
    return active, X


@pytest.mark.parametrize("kind", ["dead sample", "zero sample", "equal samples", "multiple", "few features"])
@pytest.mark.parametrize("N", [2, 5, 12, 37, 100])
def test_no_singular_region_is_accepted(kind, N):
    active, X = singular(kind, N, np.random.default_rng([3, N]))
    slope = 0.0 if kind == "dead sample" else 0.1
    for scale in (1.0, 1e-5, 1e7):
        assert not proved_full_rank(packed(active), X * scale, slope).any()
        assert not proved_full_rank(packed(active), X[0] * scale, slope)[:1].any()


@pytest.mark.parametrize("precision", kernel.PRECISIONS)
def test_the_shift_is_what_rejects(precision):
    """Power of the test above: without the shift, rounding lets singular matrices pass."""
    active, X = singular("few features", 12, np.random.default_rng(4))
    proved = np.zeros(256, dtype=np.bool_)
    coefficients = np.array([1.0, 0.1, 0.01], dtype=precision)
    for shift, any_passes in ((0.0, True), (2 * np.finfo(precision).eps * 12 * 43 / 2, False)):
        lanes.proved_of_block(
            packed(active).bits, X, coefficients, 12, shift, proved, np.arange(256), 0, 256
        )  # fmt: skip
        assert proved.any() == any_passes


@pytest.mark.parametrize("gap", [1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14, 1e-15])
def test_nearly_equal_samples_are_left_open(gap):
    """An eigenvalue of the order gap² is below the rounding errors, whether the matrix is singular or not."""
    active, X = singular("equal samples", 10, np.random.default_rng(5))
    X[:, :, 0] *= 1 + gap * np.random.default_rng(6).standard_normal((256, 4))
    assert not proved_full_rank(packed(active), X, 0.1).any()
    near = project(packed(active), X, 0.1)
    # Either way: to rounding the samples are equal, or the projection is left to others.
    assert (near.rank[np.isfinite(near.error)] == 9).all()


def test_precisions_in_order():
    """Further from singular: single precision accepts; nearer: double precision does; nearer still: neither."""
    active, X = singular("equal samples", 10, np.random.default_rng(7))
    noise = np.random.default_rng(8).standard_normal((256, 4))
    for gap, expected in ((1.0, 1), (1e-3, 2), (1e-5, 2), (1e-8, 0)):
        near = X.copy()
        near[:, :, 0] *= 1 + gap * noise
        level = proved_full_rank(packed(active), near, 0.1)
        assert np.bincount(level, minlength=3).argmax() == expected


@pytest.mark.parametrize(("N", "d0", "d1"), [(20, 5, 8), (50, 12, 12), (100, 25, 20)])
def test_gaussian_regions_are_accepted(N, d0, d1):
    rng = np.random.default_rng([9, N])
    W, X = rng.standard_normal((128, d1, d0)), rng.standard_normal((128, d0, N))
    for inputs in (X, X[0]):
        level = proved_full_rank(patterns(W, inputs), inputs, 0.1)
        assert (level > 0).sum() >= 126
        assert (level == 1).sum() >= 120
        slow = regions._full_rank(regions.gram(np.where(W @ inputs > 0, 1.0, 0.1), inputs), d0 + d1)
        assert (slow <= (level > 0)).all()


@pytest.mark.parametrize("power", [-900, -660, -300, 300, 660, 900])
def test_units_do_not_matter(power):
    """Powers of two change no digit, also where squares under- or overflow."""
    active, X = random_integers((9, 3, 4), 40, 10)
    found = packed(active)
    expected = proved_full_rank(found, X, 0.1)
    assert expected.any()
    np.testing.assert_array_equal(proved_full_rank(found, X * 2.0**power, 0.1), expected)
    np.testing.assert_array_equal(proved_full_rank(found, X[0] * 2.0**power, 0.1), proved_full_rank(found, X[0], 0.1))
    near, far = project(found, X, 0.1), project(found, X * 2.0**power, 0.1)
    np.testing.assert_array_equal(near.rank, far.rank)
    np.testing.assert_array_equal(near.projector, far.projector)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e200, 1e307])
def test_extreme_scales_are_never_accepted_wrongly(scale):
    active, X = singular("few features", 6, np.random.default_rng(11))
    assert not proved_full_rank(packed(active), X * scale, 0.1).any()
    near = project(packed(active), X * scale, 0.1)
    assert (near.rank[np.isfinite(near.error)] < 6).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 11])
def test_what_is_no_number_proves_nothing(bad, place):
    """And it spoils its own region only."""
    active, X = random_integers((8, 3, 5), 24, 12)
    found = packed(active)
    expected, near = proved_full_rank(found, X, 0.1), project(found, X, 0.1)
    spoilt = X.copy()
    spoilt[place, 1, 2] = bad
    level, far = proved_full_rank(found, spoilt, 0.1), project(found, spoilt, 0.1)
    others = np.arange(24) != place
    assert level[place] == 0
    assert far.error[place] == np.inf
    np.testing.assert_array_equal(level[others], expected[others])
    np.testing.assert_array_equal(far.error[others], near.error[others])
    assert not proved_full_rank(found, spoilt[place], 0.1).any()
    assert np.isinf(project(found, spoilt[place], 0.1).error).all()


@pytest.mark.parametrize("slope", [1e-5, 1e-9, 1e-13, 1e-30, 1e-200, 1e5, 1e9, 1e13, 1e30, 1e200])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_extreme_slopes(monkeypatch, slope, compiled):
    """Scaling to length one accepts what is not singular, and only that; the rest is never certain and wrong."""
    monkeypatch.setattr(regions, "_COMPILED", 0 if compiled else 10**9)
    proved = 0
    for size in ((4, 2, 2), (5, 3, 2), (6, 3, 3)):
        N, d0, d1 = size
        rng = np.random.default_rng([13, *size])
        W, X = rng.integers(-9, 10, (30, d1, d0)).astype(float), rng.integers(-9, 10, (30, d0, N)).astype(float)
        active = W @ X > 0
        ranks = np.array([exact_rank(active[item], X[item], slope) for item in range(30)])
        level = proved_full_rank(packed(active), X, slope)
        assert (ranks[level > 0] == N).all()
        proved += int((level > 0).sum())
        found = regions.kernels(W, X, slope)
        assert (np.delete(ranks, found.index) == N).all()
        np.testing.assert_array_equal(found.rank[found.clear], ranks[found.index][found.clear])
        signed = (W @ X != 0).all(axis=(1, 2))  # a pre-activation of exactly zero is in doubt, if it is looked at
        assert found.clear[signed[found.index]].all() or slope not in (1e-5, 1e5)
    assert proved > 0 or slope in (1e-200, 1e200)


# Kernels.


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("size", [*SIZES, (14, 2, 3), (12, 5, 2)])
def test_projections_against_rational_arithmetic(size, slope):
    active, X = random_integers(size, 12, 14)
    for inputs in (X, X[0]):
        near = project(packed(active), inputs, slope)
        for item in range(12):
            if np.isfinite(near.error[item]):
                x = inputs if inputs.ndim == 2 else inputs[item]
                P = exact_projection(active[item], x, slope)
                assert near.rank[item] == exact_rank(active[item], x, slope)
                assert np.linalg.norm(near.projector[item] - P, 2) <= near.error[item]
        decided = size[0] * size[1] * size[2] and size[1] * size[2] <= kernel.LARGEST_ROWS * size[0]
        assert np.isfinite(near.error).mean() >= (0.8 if decided else 0)


def test_bounds_are_small_and_honest():
    """For Gaussian regions: nearly all decided, with bounds that a projection in twice the precision respects."""
    rng = np.random.default_rng(15)
    W, X = rng.standard_normal((64, 5, 3)), rng.standard_normal((64, 3, 20))
    found = patterns(W, X)
    near = project(found, X, 0.1)
    assert (near.error < 1e-8).sum() >= 60
    for item in np.flatnonzero((near.error < 1e-8) & (near.rank == 15))[:10]:
        A = [[Fraction(1) if on else Fraction(1, 10) for on in row] for row in found.active(np.array([item]))[0]]
        rows = [[a * Fraction(x) for a, x in zip(gates, row, strict=True)] for gates in A for row in X[item].tolist()]
        G = fmpq_mat(15, 20, [fmpq(entry.numerator, entry.denominator) for row in rows for entry in row])
        inverse = (G * G.transpose()).inv()
        P = G.transpose() * inverse * G
        exact = np.eye(20) - np.array([[int(P[i, j].p) / int(P[i, j].q) for j in range(20)] for i in range(20)])
        # The slope is a tenth there and a binary fraction here, which changes P in the last digits.
        assert np.linalg.norm(near.projector[item] - exact, 2) <= near.error[item] + 1e-14


def test_too_large_is_left_to_others():
    active = np.random.default_rng(16).random((3, 30, 4)) < 0.5
    near = project(packed(active), np.ones((3, 4)), 0.1)
    assert np.isinf(near.error).all()


# The same whatever the circumstances.


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("size", [(9, 3, 5), (23, 4, 7), (12, 3, 3)])
def test_neither_threads_nor_batches_matter(size, own):
    N, d0, d1 = size
    rng = np.random.default_rng([17, *size])
    W, X = rng.standard_normal((53, d1, d0)), rng.standard_normal((53, d0, N))
    X = X if own else X[0]

    def answers(part, threads):
        inputs = X[part] if own else X
        found = patterns(W[part], inputs, threads=threads)
        level = proved_full_rank(found, inputs, 0.1, threads=threads)
        near = project(found, inputs, 0.1, threads=threads)
        return found.bits, level, near.projector, near.rank, near.error

    expected = answers(slice(None), 1)
    for threads in (2, 3):
        for one, other in zip(expected, answers(slice(None), threads), strict=True):
            np.testing.assert_array_equal(one, other)
    for step in (1, 16, 50):
        parts = [answers(slice(start, start + step), 1) for start in range(0, 53, step)]
        for one, others in zip(expected, zip(*parts, strict=True), strict=True):
            np.testing.assert_array_equal(one, np.concatenate(others))


def test_some_of_a_batch():
    active, X = random_integers((9, 2, 3), 30, 18)
    whole = project(packed(active), X, 0.1)
    chosen = np.array([3, 4, 17, 29, 0])
    some = project(packed(active), X, 0.1, chosen)
    np.testing.assert_array_equal(some.projector, whole.projector[chosen])
    np.testing.assert_array_equal(some.error, whole.error[chosen])


def test_an_empty_batch():
    found = patterns(np.zeros((0, 3, 2)), np.ones((2, 4)))
    assert proved_full_rank(found, np.ones((2, 4)), 0.1).shape == (0,)
    assert project(found, np.ones((2, 4)), 0.1).projector.shape == (0, 4, 4)
    assert proved_full_rank(found, np.ones((0, 2, 4)), 0.1, threads=2).shape == (0,)


# In `regions`.


def events(found, y):
    return (
        regions.rank_deficient(found),
        regions.support_above(found, 0.2),
        regions.misclassified_above(found, y, 0.2),
        regions.worst_labels_above(found, 0.2, y),
        regions.zero_residual(found, y),
    )


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("size", [(6, 2, 2), (9, 3, 4), (5, 5, 3), (4, 1, 6), (20, 3, 5), (20, 5, 8), (30, 4, 8)])
def test_regions_answer_as_without(monkeypatch, size, slope):
    """The slow path, by LAPACK one matrix at a time, gives the same events."""
    N, d0, d1 = size
    rng = np.random.default_rng([19, *size])
    W, X = rng.standard_normal((60, d1, d0)), rng.standard_normal((60, d0, N))
    y = rng.integers(0, 2, (60, N)).astype(float)
    for inputs in (X, X[0]):
        monkeypatch.setattr(regions, "_COMPILED", 10**9)
        slow = regions.kernels(W, inputs, slope)
        monkeypatch.setattr(regions, "_COMPILED", 0)
        fast = regions.kernels(W, inputs, slope)
        assert fast.batch == slow.batch
        assert events(fast, y) == events(slow, y)
        _, ours, theirs = np.intersect1d(fast.index, slow.index, return_indices=True)
        np.testing.assert_array_equal(fast.rank[ours], slow.rank[theirs])
        np.testing.assert_array_equal(fast.clear[ours], slow.clear[theirs])
        np.testing.assert_allclose(fast.projector[ours], slow.projector[theirs], atol=1e-11)
        # What only one of them has open has full rank.
        assert (np.delete(fast.rank, ours) == N).all()
        assert (np.delete(slow.rank, theirs) == N).all()


@pytest.mark.parametrize("gap", [0.0, 1e-11, 1e-10, 1e-5])
def test_doubt_stays_doubt(monkeypatch, gap):
    """Samples (1, 1) and (1, 1 + gap): singular, doubtful, or neither, as without the compiled loops."""
    W, X = np.ones((20, 1, 2)), np.array([[1.0, 1.0], [1.0, 1.0 + gap]])
    y = np.array([1.0, 0.0])
    monkeypatch.setattr(regions, "_COMPILED", 10**9)
    slow = regions.kernels(W, X, 0.1)
    monkeypatch.setattr(regions, "_COMPILED", 0)
    assert events(regions.kernels(W, X, 0.1), y) == events(slow, y)


def test_samples_too_far_apart_are_doubtful(monkeypatch):
    """Kernel vectors are long where columns are short; that is for `regions` to judge."""
    monkeypatch.setattr(regions, "_COMPILED", 0)
    X = np.array([[1.0, 2.0, 1e-9], [1.0, 3.0, 2e-9]])
    found = regions.kernels(np.ones((20, 1, 2)), X, 0.1)
    assert not found.clear.any()


def test_small_batches_do_without():
    """Numba is not even imported for them."""
    code = (
        "import sys, numpy as np\n"
        "from verify.network.regions import kernels\n"
        "kernels(np.ones((8, 3, 2)), np.eye(2), 0.1)\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# What is refused.


@pytest.mark.parametrize(
    ("W", "X"),
    [((4, 2), (2, 3)), ((4, 2, 2), (3, 5)), ((4, 2, 2), (3, 2, 5)), ((4, 2, 2), (5,)), ((4, 2, 3), (4, 2, 5))],
)
def test_shapes_that_do_not_fit(W, X):
    with pytest.raises(ValueError, match="expected"):
        patterns(np.ones(W), np.ones(X))


def test_other_things_that_do_not_fit():
    found = Patterns(np.zeros((3, 1, 4), dtype=np.int32), 2)
    with pytest.raises(ValueError, match="patterns of 4 samples and inputs of 5"):
        proved_full_rank(found, np.ones((2, 5)), 0.1)
    with pytest.raises(ValueError, match="patterns of 4 samples and inputs of 5"):
        project(found, np.ones((2, 5)), 0.1)
    for slope in (np.inf, np.nan):
        with pytest.raises(ValueError, match="expected a finite number"):
            proved_full_rank(found, np.ones((2, 4)), slope)
    with pytest.raises(ValueError, match="0 threads"):
        proved_full_rank(found, np.ones((2, 4)), 0.1, threads=0)


def test_the_largest_size_goes_through():
    """Working memory grows as it must: one proof at the limit, and one a step below the size of a tile."""
    for N, d0 in itertools.product((LARGEST, LARGEST - 1), (40,)):
        rng = np.random.default_rng(N)
        W, X = rng.standard_normal((2, 30, d0)), rng.standard_normal((d0, N))
        assert proved_full_rank(patterns(W, X), X, 0.1).all()


@pytest.mark.parametrize(("features", "tried"), [(160_000, ["float32", "float64"]), (170_000, ["float64"])])
def test_single_precision_is_not_tried_beyond_the_condition_of_the_theorem(monkeypatch, features, tried):
    """`(N + d0 + 20) u <= 1/100`: with `u = 2^-24` up to some 167 000 features."""
    seen = []

    class Loops:
        LANES = lanes.LANES

        @staticmethod
        def proved_of_block(bits, inputs, coefficients, *rest):
            seen.append(coefficients.dtype.name)

    monkeypatch.setattr(kernel, "_lanes", lambda: Loops)
    found = Patterns(np.zeros((1, 1, 2), dtype=np.int32), 1)
    assert proved_full_rank(found, np.ones((features, 2)), 0.5).tolist() == [0]
    assert seen == tried
