"""First-order events against exact rational linear algebra on an explicit `A ∘ X`."""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import given
from hypothesis import strategies as st

from verify.backends import get_backend
from verify.network import regions
from verify.network.regions import Event, errors_above, kernels

SLOPES = (0.0, 0.1, -0.5, -1.0, 2.0)
SIZES = [  # (N, d0, d1)
    (5, 2, 2),  # d0·d1 < N
    (8, 3, 2),
    (6, 2, 3),  # = N
    (5, 2, 3),  # > N
    (6, 3, 3),
    (7, 2, 5),
    (3, 4, 2),  # N <= d0
    (3, 3, 1),
    (5, 1, 3),  # one input
    (4, 1, 9),
]
EPSILON = (0.1, 0.34, 0.6)


@dataclass
class Exact:
    """One region: rank, kernel projection, and what follows from them, over the rationals."""

    rank: int
    P: list[list[Fraction]]

    @property
    def support(self):
        return sum(row[n] != 0 for n, row in enumerate(self.P))

    def residual(self, y):
        return [sum((p * int(label) for p, label in zip(row, y, strict=True)), Fraction(0)) for row in self.P]

    def errors(self, y):
        """Misclassified samples, without and with outputs of exactly one half."""
        outputs = [int(label) - e for label, e in zip(y, self.residual(y), strict=True)]
        half = Fraction(1, 2)
        clear = sum((out > half) != (label > half) for out, label in zip(outputs, y, strict=True) if out != half)
        return clear, clear + sum(out == half for out in outputs)


def exact(W, X, slope):
    """From the definition: `a_n ⊗ x_n` as rationals, reduced row echelon form, `P = B (BᵀB)⁻¹ Bᵀ`."""
    rho = Fraction(str(slope))
    W, X = ([[int(entry) for entry in row] for row in M] for M in (W, X))
    samples = len(X[0])
    columns = []
    for n in range(samples):
        x = [row[n] for row in X]
        hidden = [sum(w * v for w, v in zip(row, x, strict=True)) for row in W]
        assert all(hidden)
        columns.append([(1 if h > 0 else rho) * v for h in hidden for v in x])
    G = fmpq_mat(len(columns[0]), samples, [_q(columns[n][i]) for i in range(len(columns[0])) for n in range(samples)])
    reduced, rank = G.rref()
    pivots = [next(n for n in range(samples) if reduced[i, n] != 0) for i in range(rank)]
    free = [n for n in range(samples) if n not in pivots]
    if not free:
        return Exact(rank, [[Fraction(0)] * samples for _ in range(samples)])
    B = fmpq_mat(samples, len(free))
    for k, n in enumerate(free):
        B[n, k] = 1
        for i, pivot in enumerate(pivots):
            B[pivot, k] = -reduced[i, n]
    P = B * (B.transpose() * B).inv() * B.transpose()
    return Exact(rank, [[Fraction(int(P[i, j].p), int(P[i, j].q)) for j in range(samples)] for i in range(samples)])


def _q(number):
    number = Fraction(number)
    return fmpq(number.numerator, number.denominator)


def integers(size, batch, seed, *, duplicate=False):
    """Integer W and X without zero pre-activations. Entries are drawn until that is so, region by region."""
    N, d0, d1 = size
    rng = np.random.default_rng([seed, N, d0, d1])
    Ws, Xs = [], []
    while len(Ws) < batch:
        W, X = rng.integers(-9, 10, (d1, d0)), rng.integers(-9, 10, (d0, N))
        if duplicate:
            X[:, -1] = X[:, 0]
        if (W @ X != 0).all():
            Ws.append(W)
            Xs.append(X)
    return np.array(Ws, dtype=float), np.array(Xs, dtype=float), rng.integers(0, 2, (batch, N)).astype(float)


def between(event, sure, possible):
    """The counts of an event against the exact numbers without and with ties."""
    assert event.hits == sure
    assert event.hits + event.doubtful == possible


@pytest.mark.parametrize("duplicate", [False, True])
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("size", SIZES)
def test_all_events_against_rational_arithmetic(size, slope, duplicate):
    batch = 12
    W, X, y = integers(size, batch, 1, duplicate=duplicate)
    truth = [exact(W[i], X[i], slope) for i in range(batch)]
    found = kernels(W, X, slope)
    assert found.clear.all()
    assert found.batch == batch
    N = size[0]
    for i in range(batch):
        if i in found.index:
            at = int(np.flatnonzero(found.index == i)[0])
            assert found.rank[at] == truth[i].rank
            np.testing.assert_allclose(found.projector[at], np.array(truth[i].P, dtype=float), atol=1e-9)
        else:
            assert truth[i].rank == N  # what the filter accepts has full rank
    assert regions.rank_deficient(found) == Event(sum(t.rank < N for t in truth), 0)
    fits = sum(not any(t.residual(y[i])) for i, t in enumerate(truth))
    assert regions.zero_residual(found, y) == Event(fits, 0)
    for epsilon in EPSILON:
        least = math.floor(Fraction(str(epsilon)) * N) + 1
        assert regions.support_above(found, epsilon) == Event(sum(t.support >= least for t in truth), 0)
        errors = [t.errors(y[i]) for i, t in enumerate(truth)]
        between(regions.misclassified_above(found, y, epsilon), *(sum(e[k] >= least for e in errors) for k in (0, 1)))
        # Labels that are the signs of one column of P, each of them tried.
        worst = [
            [max(e[k] for e in (t.errors([p > 0 for p in column]) for column in t.P)) for k in (0, 1)] for t in truth
        ]
        between(regions.worst_labels_above(found, epsilon), *(sum(e[k] >= least for e in worst) for k in (0, 1)))


def test_the_cases_above_are_not_all_alike():
    """Each event happens and fails to happen in them, so that a constant answer would be noticed."""
    seen = set()
    for size, slope in itertools.product(SIZES, SLOPES):
        W, X, y = integers(size, 12, 1)
        for i in range(12):
            truth = exact(W[i], X[i], slope)
            seen |= {("rank", truth.rank < size[0]), ("fits", not any(truth.residual(y[i])))}
            seen |= {("errs", truth.errors(y[i])[0] > 0), ("partial", 0 < truth.support < size[0])}
    assert len(seen) == 8


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("size", [(5, 2, 2), (6, 3, 2), (5, 2, 3)])
def test_the_ladder_for_every_labelling(size, slope):
    """F5 by brute force over all labels: any labels ⊆ worst labels ⊆ support, and the tried labels lie between."""
    W, X, _ = integers(size, 8, 2)
    epsilon, N = 0.3, size[0]
    least = errors_above(epsilon, N)
    found = kernels(W, X, slope)
    worst = sum(
        max(exact(W[i], X[i], slope).errors(y)[0] for y in itertools.product((0, 1), repeat=N)) >= least
        for i in range(8)
    )
    support = regions.support_above(found, epsilon)
    assert (
        regions.worst_labels_above(found, epsilon).hits <= worst <= support.hits <= regions.rank_deficient(found).hits
    )


@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize(("size", "batch"), [((6, 2, 2), 40), ((14, 3, 6), 60), ((30, 4, 8), 60), ((40, 7, 6), 30)])
def test_gaussian_regions_against_least_squares(size, slope, batch):
    """Residuals and ranks by `lstsq` on the explicit matrix, one region at a time."""
    N, d0, d1 = size
    rng = np.random.default_rng([3, *size])
    W, X = rng.standard_normal((batch, d1, d0)), rng.standard_normal((batch, d0, N))
    y = rng.integers(0, 2, (batch, N)).astype(float)
    found = kernels(W, X, slope)
    hits, fits, deficient = 0, 0, 0
    for i in range(batch):
        A = np.where(W[i] @ X[i] > 0, 1.0, slope)
        G = np.array([np.kron(A[:, n], X[i][:, n]) for n in range(N)])
        u, _, rank, _ = np.linalg.lstsq(G, y[i], rcond=1e-11)
        output = G @ u
        fits += bool(np.abs(output - y[i]).max() < 1e-8)
        hits += bool(((output > 0.5) != (y[i] > 0.5)).sum() > 0.2 * N)
        deficient += bool(rank < N)
    assert regions.zero_residual(found, y) == Event(fits, 0)
    assert regions.misclassified_above(found, y, 0.2) == Event(hits, 0)
    assert regions.rank_deficient(found) == Event(deficient, 0)


@pytest.mark.parametrize("slope", SLOPES)
def test_one_data_set_under_all_first_layers(slope):
    """X as `(d0, N)` gives what the same X repeated gives, and labels `(N,)` what repeated labels give."""
    rng = np.random.default_rng(4)
    for N, d0, d1 in ((10, 3, 4), (6, 2, 2)):
        W, X, y = rng.standard_normal((50, d1, d0)), rng.standard_normal((d0, N)), rng.integers(0, 2, N).astype(float)
        one, many = kernels(W, X, slope), kernels(W, np.repeat(X[None], 50, axis=0), slope)
        np.testing.assert_array_equal(one.index, many.index)
        np.testing.assert_array_equal(one.rank, many.rank)
        np.testing.assert_allclose(one.projector, many.projector, atol=1e-12)
        labels = np.repeat(y[None], 50, axis=0)
        for event in (regions.zero_residual, lambda f, t: regions.misclassified_above(f, t, 0.1)):
            assert event(one, y) == event(one, labels) == event(many, labels)


def test_a_region_of_inactive_neurons():
    """ρ = 0 and nothing active: G = 0, every label is its own residual."""
    W, X = -np.ones((1, 2, 2)), np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 5.0]])
    found = kernels(W, X, 0.0)
    np.testing.assert_array_equal(found.projector[0], np.eye(3))
    assert found.rank[0] == 0
    assert regions.support_above(found, 0.99) == Event(1, 0)
    assert regions.misclassified_above(found, np.array([1.0, 1.0, 0.0]), 0.5) == Event(1, 0)
    assert regions.misclassified_above(found, np.array([1.0, 1.0, 0.0]), 0.7) == Event(0, 0)
    assert regions.zero_residual(found, np.zeros(3)) == Event(1, 0)


def active(*columns):
    """One region in which every pre-activation is positive, so that G is X itself."""
    return kernels(np.ones((1, 1, len(columns[0]))), np.array(columns, dtype=float).T, 0.1)


@pytest.mark.parametrize(
    ("gap", "expected"), [(0.0, Event(1, 0)), (1e-10, Event(0, 1)), (1e-11, Event(0, 1)), (1e-5, Event(0, 0))]
)
def test_a_matrix_near_a_singular_one_is_doubtful(gap, expected):
    found = active((1, 1), (1, 1 + gap))
    assert regions.rank_deficient(found) == expected
    assert regions.support_above(found, 0.1) == expected
    # Equal samples with different labels: the outputs tie at one half exactly when the matrix is singular.
    fits = regions.zero_residual(found, np.array([1.0, 0.0]))
    assert (fits.hits, fits.doubtful) == (1 - expected.hits - expected.doubtful, expected.doubtful)


def test_a_small_coordinate_of_the_kernel_is_doubtful():
    """Kernel `(1, −1, t)`: whether the third sample is in the support is decided by t alone."""
    for t, third in ((1e-8, Event(0, 1)), (1e-4, Event(1, 0)), (0.0, Event(0, 0))):
        found = active((1, 0), (1, t), (0, 1))
        assert regions.support_above(found, 0.5) == Event(1, 0)
        assert regions.support_above(found, 0.7) == third
        residual = regions.zero_residual(found, np.array([0.0, 0.0, 1.0]))
        assert (residual.hits, residual.doubtful) == (1 - third.hits - third.doubtful, third.doubtful)


def test_an_output_of_one_half_is_doubtful():
    found = active((1, 2), (1, 2), (2, 1))
    y = np.array([1.0, 0.0, 1.0])
    assert regions.misclassified_above(found, y, 0.1) == Event(0, 1)
    assert regions.misclassified_above(found, y, 0.7) == Event(0, 0)
    assert regions.misclassified_above(found, np.array([1.0, 1.0, 0.0]), 0.1) == Event(0, 0)


@pytest.mark.parametrize("slope", [1e-5, 1e-9, 1e-11, 1e-13, 1e-200, 1e9, 1e13])
def test_extreme_slopes_are_never_certain_and_wrong(slope):
    """Columns of very different length make G nearly singular though it is not; such a case is doubtful."""
    for size in ((4, 2, 2), (5, 3, 2), (6, 3, 3)):
        W, X, y = integers(size, 30, 5)
        truth = [exact(W[i], X[i], slope) for i in range(30)]
        found = kernels(W, X, slope)
        for event, count in (
            (regions.rank_deficient(found), sum(t.rank < size[0] for t in truth)),
            (regions.support_above(found, 0.6), sum(t.support > 0.6 * size[0] for t in truth)),
            (regions.zero_residual(found, y), sum(not any(t.residual(y[i])) for i, t in enumerate(truth))),
        ):
            assert event.hits <= count <= event.hits + event.doubtful
        if slope == 1e-5:
            assert found.clear.all()


@pytest.mark.parametrize(
    ("slope", "clear"), [(0.0, True), (1.01e-6, True), (0.99e-6, False), (0.99e6, True), (1.01e6, False)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_slopes_within_the_root_of_the_tolerance_decide_no_deficient_rank(slope, clear, sign):
    """Squares of the slope beside 1, or of its inverse, reach `NULL_BELOW` there. A proof of full rank still counts."""
    X = np.array([[1.0, 1.0, -2.0], [2.0, 2.0, 1.0]])
    W = np.array([[[1.0, 1.0], [1.0, -1.0]]])
    assert kernels(W, X, sign * slope).clear.tolist() == [clear]
    assert kernels(W, X[:, 1:], sign * slope).clear.all()


@pytest.mark.parametrize("slope", SLOPES)
def test_units_of_the_features_do_not_matter(slope):
    """Features in units 10¹² apart, weights to match: the same regions, kernels and events."""
    rng = np.random.default_rng(6)
    units = np.array([1e4, 1.0, 1e-3, 1e-8])
    W, X, y = rng.standard_normal((200, 2, 4)), rng.standard_normal((4, 8)), rng.integers(0, 2, 8).astype(float)
    plain, scaled = kernels(W, X, slope), kernels(W / units, X * units[:, None], slope)
    assert plain.clear.all()
    assert scaled.clear.all()
    assert regions.rank_deficient(scaled) == regions.rank_deficient(plain)
    assert regions.zero_residual(scaled, y) == regions.zero_residual(plain, y)
    assert regions.misclassified_above(scaled, y, 0.2) == regions.misclassified_above(plain, y, 0.2)


def both_factorisations(monkeypatch, K, terms):
    """Answers of the batched factorisation, of LAPACK, and of another library, which must agree in kind."""
    strict = get_backend("array-api-strict")
    answers = [regions._full_rank(K, terms)]
    monkeypatch.setattr(regions, "_BATCHED_CHOLESKY", 0)
    answers.append(regions._full_rank(K, terms))
    answers.append(np.asarray(regions._full_rank(strict.asarray(K), terms)))
    return answers


@pytest.mark.parametrize("scale", [1.0, 2.0**300, 2.0**-300, 1e140, 1e-140, math.pi])
@pytest.mark.parametrize(("N", "rank"), [(2, 1), (5, 4), (12, 3), (40, 39)])
def test_no_singular_matrix_is_accepted(monkeypatch, N, rank, scale):
    """Integer Gram matrices of known rank, and their images under one rounding of each entry."""
    rng = np.random.default_rng([7, N, rank])
    M = rng.integers(-5, 6, (40, rank, N)).astype(float)
    K = np.swapaxes(M, 1, 2) @ M * scale
    up, down = K * (1 + 2.0**-52), np.nextafter(K, 0)
    noisy = K + np.abs(K) * rng.uniform(-1, 1, K.shape) * 2.0**-52
    noisy = np.tril(noisy) + np.swapaxes(np.tril(noisy, -1), 1, 2)
    for matrix in (K, up, down, noisy):
        for accepted in both_factorisations(monkeypatch, matrix, rank):
            assert not accepted.any()


@pytest.mark.parametrize(("N", "terms"), [(2, 2), (5, 40), (40, 8), (60, 60), (170, 3)])
def test_the_shift_is_as_large_as_the_proof_needs(monkeypatch, N, terms):
    """Diagonal matrices are factorised without rounding, so what is accepted is what exceeds the shift.

    Factors of size N need `(N + 1) u tr K` (Rump 2006), entries that are sums of products `(terms + 2) u tr K`. A least
    eigenvalue below the two together must not be accepted, though it is positive; one of 16 times that must.
    """
    K = np.stack([np.eye(N)] * 2)
    K[:, N // 2, N // 2] = np.array([1, 16]) * (N + terms + 3) * 2.0**-53 * (N - 1)
    for accepted in both_factorisations(monkeypatch, K, terms):
        assert accepted.tolist() == [False, True]


@pytest.mark.parametrize("N", [3, 20, 60])
def test_clear_cases_are_accepted(monkeypatch, N):
    """Power of the filter, for random and for scaled matrices; otherwise it might as well say no to all."""
    rng = np.random.default_rng([8, N])
    M = rng.standard_normal((20, 2 * N, N)) * np.logspace(0, 3, N)
    for accepted in both_factorisations(monkeypatch, np.swapaxes(M, 1, 2) @ M, 2 * N):
        assert accepted.all()


@pytest.mark.parametrize("scale", [1.0, 1e-100, 1e-150, 1e-155, 1e-158, 1e-160, 1e-162, 1e100, 1e150, 1e154, 1e160])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_underflow_and_overflow_prove_nothing(scale):
    """All neurons active and N > d0: the rank is d0 at most, whatever the rounding of the products."""
    rng = np.random.default_rng(9)
    X = rng.standard_normal((200, 3, 4)) * scale
    K = regions.gram(np.ones((200, 5, 4)), X)
    assert not regions._full_rank(K, 8).any()


@given(st.integers(2, 9), st.integers(0, 10**6), st.integers(-40, 40))
def test_a_perturbation_towards_indefinite_is_rejected(N, seed, power):
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((N, N)))[0]
    spectrum = np.r_[rng.uniform(0.5, 1.5, N - 1), -(10.0 ** rng.uniform(-15.5, 0))] * 2.0**power
    K = (Q * spectrum) @ Q.T
    assert not regions._full_rank(((K + K.T) / 2)[None], N).any()


@pytest.mark.parametrize("leftover", ["input", "zeros", "nan"])
def test_a_library_that_fails_silently_proves_nothing(monkeypatch, leftover):
    """cuSOLVER leaves a partial factor and raises nothing; neither it nor any other nonsense passes for a proof."""
    strict = get_backend("array-api-strict")
    K = np.array([[4.0, 2.0, 2.0], [2.0, 1.0, 1.0], [2.0, 1.0, 5.0]])[None]
    partial = np.array([[2.0, 0, 0], [1.0, 1.0, 0], [1.0, 1.0, 5.0]])
    nonsense = {"input": partial, "zeros": np.zeros((3, 3)), "nan": np.full((3, 3), np.nan)}[leftover]
    monkeypatch.setattr(strict.xp.linalg, "cholesky", lambda _: strict.asarray(nonsense))
    monkeypatch.setattr(regions, "_BATCHED_CHOLESKY", 0)
    assert not np.asarray(regions._full_rank(strict.asarray(K), 3)).any()


@pytest.mark.parametrize("limit", [160, 4])
@pytest.mark.parametrize("slope", SLOPES)
@pytest.mark.parametrize("size", [(6, 2, 2), (9, 3, 4), (5, 5, 3), (4, 1, 6)])
def test_strict_arrays_give_the_same(monkeypatch, size, slope, limit):
    """Only functions of the array-API standard are used: this is what keeps the code fit for CuPy."""
    monkeypatch.setattr(regions, "_BATCHED_CHOLESKY", limit)
    N, d0, d1 = size
    strict = get_backend("array-api-strict")
    rng = np.random.default_rng([10, *size])
    W, X = rng.standard_normal((40, d1, d0)), rng.standard_normal((40, d0, N))
    y = rng.integers(0, 2, (40, N)).astype(float)
    for inputs in (X, X[0]):
        one = kernels(W, inputs, slope)
        other = kernels(strict.asarray(W), strict.asarray(inputs), slope)
        np.testing.assert_array_equal(one.index, other.index)
        np.testing.assert_array_equal(one.rank, other.rank)
        np.testing.assert_array_equal(one.clear, other.clear)
        np.testing.assert_allclose(one.projector, other.projector, atol=1e-12)
        assert isinstance(other.projector, np.ndarray)
        for event in (
            regions.rank_deficient,
            lambda f: regions.support_above(f, 0.2),
            lambda f: regions.misclassified_above(f, y, 0.2),
            lambda f: regions.zero_residual(f, y),
            lambda f: regions.worst_labels_above(f, 0.2),
        ):
            assert event(one) == event(other)


def test_errors_above_means_the_decimal():
    for percent, N in itertools.product(range(100), range(1, 120)):
        k = errors_above(percent / 100, N)
        assert 100 * (k - 1) <= percent * N < 100 * k
        assert errors_above(np.float64(percent / 100), N) == k
    assert errors_above(0.1, 30) == 4
    assert errors_above(0.29, 100) == 30
    assert errors_above(0, 5) == 1
    assert errors_above(1e-9, 5) == 1


@pytest.mark.parametrize(
    ("W", "X"),
    [((2, 2), (2, 3)), ((4, 2, 2), (4, 3, 5)), ((4, 2, 2), (1, 2, 5)), ((4, 2, 2), (3, 2, 5)), ((4, 2, 2), (5,))],
)
def test_shapes_that_do_not_fit(W, X):
    with pytest.raises(ValueError, match="expected"):
        kernels(np.ones(W), np.ones(X), 0.1)


def test_the_numbers_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"got 4 first layers and 3 data sets; expected as many, or one X \(d0, N\)"):
        kernels(np.ones((4, 1, 2)), np.ones((3, 2, 5)), 0.1)
    with pytest.raises(ValueError, match="got W with 2 axes and X with 4"):
        kernels(np.ones((4, 2)), np.ones((3, 2, 5, 1)), 0.1)


def test_labels_that_do_not_fit():
    found = kernels(np.ones((3, 1, 2)), np.ones((2, 4)), 0.0)
    with pytest.raises(ValueError, match="labels for 2 regions"):
        regions.zero_residual(found, np.ones((2, 4)))
    with pytest.raises(ValueError, match="slope 1"):
        kernels(np.ones((3, 1, 2)), np.ones((2, 4)), 1.0)


def test_nothing_open():
    """All regions accepted by the filter: the events still answer, with no hits."""
    W, X = np.ones((5, 1, 3)), np.eye(3) + 0.1
    found = kernels(W, X, 0.1)
    assert found.index.size == 0
    y = np.array([1.0, 0.0, 1.0])
    for event in (
        regions.rank_deficient(found),
        regions.support_above(found, 0.1),
        regions.worst_labels_above(found, 0.1),
    ):
        assert event == Event(0, 0)
    assert regions.misclassified_above(found, y, 0.1) == Event(0, 0)
    assert regions.zero_residual(found, y) == Event(5, 0)


@pytest.mark.parametrize(("room", "shared"), [(1, False), (3, True), (7, False), (100, True)])
def test_a_batch_that_does_not_fit_into_memory_is_done_in_halves(monkeypatch, room, shared):
    """A device with room for `room` matrices at a time gives what one with room for all gives."""
    strict = get_backend("array-api-strict")
    rng = np.random.default_rng(room)
    W = strict.asarray(rng.standard_normal((21, 3, 2)))
    X = strict.asarray(rng.standard_normal((2, 5) if shared else (21, 2, 5)))
    expected = kernels(W, X, 0.1)
    tried = []

    def cramped(function):
        def call(A, inputs):
            tried.append(A.shape[0])
            if A.shape[0] > room:
                raise MemoryError("out of memory")
            return function(A, inputs)

        return call

    for name in ("gram", "khatri_rao"):
        monkeypatch.setattr(regions, name, cramped(getattr(regions, name)))
    found = kernels(W, X, 0.1)
    assert max(tried) == 21
    assert found.index.tolist() == expected.index.tolist()
    assert found.rank.tolist() == expected.rank.tolist()
    np.testing.assert_array_equal(found.projector, expected.projector)


def test_one_matrix_that_does_not_fit_is_an_error(monkeypatch):
    def full(A, inputs):
        raise MemoryError("out of memory")

    monkeypatch.setattr(regions, "gram", full)
    strict = get_backend("array-api-strict")
    with pytest.raises(MemoryError):
        kernels(strict.asarray(np.ones((2, 3, 2))), strict.asarray(np.eye(2)), 0.1)


def degenerate(kind, rng, d0, N):
    """Data that floating point misjudges, from small integers: `(d0, N)`."""
    X = rng.integers(-4, 5, (d0, N)).astype(float)
    X[:, ~X.any(axis=0)] = 1.0
    first, tiny = X[:, 0].copy(), rng.integers(1, 9, d0) * 2.0 ** -int(rng.integers(30, 52))
    if kind == "copy":
        X[:, 1] = first
    elif kind == "antipode":
        X[:, 1] = -first
    elif kind == "near copy":
        X[:, 1] = first + tiny
    elif kind == "near antipode":
        X[:, 1] = -first + tiny
    elif kind == "near multiple":
        X[:, 1] = first * 0.1
    elif kind == "near line":  # three samples that are nearly dependent, no two of them
        X[:, 2 % N] = X[:, 0] + X[:, 1] + tiny
    elif kind == "near plane":  # features that are nearly equal
        X[-1] = X[0] + rng.integers(-1, 2, N) * 2.0**-45
    elif kind == "flat":
        X[-1] = X[0]
    elif kind == "huge":
        X *= 1e150 * 10.0 ** rng.integers(0, 150)
    elif kind == "small":
        X *= 10.0 ** -rng.integers(290, 320)
    elif kind == "lengths":
        X *= 10.0 ** rng.integers(-150, 150, N)
    elif kind == "features":
        X *= 10.0 ** rng.integers(-150, 150, (d0, 1))
    else:
        assert kind == "zero"
        X[:, 1] = 0.0
    return X


KINDS = ["copy", "antipode", "zero", "huge", "small", "lengths", "features", "flat"]
KINDS += ["near copy", "near antipode", "near multiple", "near line", "near plane"]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_decided_on_degenerate_data_is_exact(monkeypatch, kind, compiled):
    """Decided means equal to rational arithmetic; everything else is counted as doubtful, and some cases are not."""
    monkeypatch.setattr(regions, "_COMPILED", 0 if compiled else 10**9)
    rng = np.random.default_rng([hash_of(kind), 5])
    decided = 0
    for slope in (0.0, 0.1, -1.0, 1e-9, 1 + 1e-9, 1e160):
        for _ in range(3):
            N, d0, d1 = int(rng.integers(3, 7)), int(rng.integers(2, 4)), int(rng.integers(1, 4))
            X, y = degenerate(kind, rng, d0, N), rng.integers(0, 2, N).astype(float)
            W = rng.standard_normal((10, d1, d0))
            found = kernels(W, X, slope)
            truth = [by_decimals(W[k], X, slope, y) for k in range(10)]
            for k in set(range(10)) - set(found.index.tolist()):
                assert truth[k][0] == N
            surely, maybe = regions.fits(found, y)
            for place, k in enumerate(found.index.tolist()):
                rank, support, fits = truth[k]
                if found.clear[place]:
                    decided += 1
                    single = one_of(found, place)
                    assert (regions.rank_deficient(single).hits == 1) == (rank < N)
                    for epsilon in EPSILON:
                        event = regions.support_above(single, epsilon)
                        assert event.doubtful or (event.hits == 1) == (support >= errors_above(epsilon, N))
                    assert surely[place] != maybe[place] or surely[place] == fits
    assert decided > (0 if kind == "lengths" or kind.startswith("near") else 20)


def hash_of(text):
    """A seed from a word; Python's own changes from run to run."""
    return int.from_bytes(text.encode()[:8])


def one_of(found, place):
    cut = slice(place, place + 1)
    return regions.Kernels(
        np.zeros(1, dtype=int), found.projector[cut], found.rank[cut], found.clear[cut], 1, found.active[cut]
    )


def by_decimals(W, X, slope, y):
    """Rank, size of the kernel's support, and whether `P y = 0`: signs from binary fractions, the rest from
    decimals."""
    rows = [[Fraction(entry) for entry in row] for row in W.tolist()]
    columns = [[Fraction(entry) for entry in column] for column in X.T.tolist()]
    rho, N = Fraction(repr(slope)), len(columns)
    decimals = [[Fraction(repr(entry)) for entry in column] for column in X.T.tolist()]
    G = [
        [(1 if sum(a * b for a, b in zip(w, columns[n], strict=True)) > 0 else rho) * decimals[n][j] for n in range(N)]
        for w in rows
        for j in range(len(X))
    ]
    reduced, rank = fmpq_mat([[_q(entry) for entry in row] for row in G]).rref()
    pivots = [next(n for n in range(N) if reduced[i, n] != 0) for i in range(rank)]
    free = [n for n in range(N) if n not in pivots]
    used = {p for i, p in enumerate(pivots) if any(reduced[i, n] != 0 for n in free)} | set(free)
    with_labels = fmpq_mat([[_q(entry) for entry in row] for row in [*G, [Fraction(int(label)) for label in y]]])
    return rank, len(used), with_labels.rank() == rank


@pytest.mark.parametrize("size", [1e-300, 1e-17, 2.0**-1074])
def test_a_pre_activation_next_to_zero_is_decided_or_in_doubt(size):
    """A product of one term is exact, however small; a sum that cancels to zero, or to rounding, says nothing."""
    X = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    W = np.array([[[1.0, 2.0]], [[1.0, -1.0 + 2.0**-40]], [[size, 1.0]], [[1.0, -1.0]], [[0.0, 0.0]]])
    found = kernels(W, X, 0.1)
    # The smallest float of all is what underflow may have made.
    assert found.index[~found.clear].tolist() == [3, 4] if size > 2.0**-1074 else [2, 3, 4]
    assert 0.1 + 0.2 - 0.3 != 0
    assert not kernels(np.array([[[0.1, 0.2, -0.3]]]), np.ones((3, 1)), 0.1).clear.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_entries_that_are_no_numbers_are_refused(bad):
    W, X = np.ones((2, 2, 2)), np.ones((2, 3))
    for spoilt in ((W * bad, X), (W, X * bad)):
        with pytest.raises(ValueError, match="NaN or infinite"):
            kernels(*spoilt, 0.1)
    with pytest.raises(ValueError, match="finite number"):
        kernels(W, X, bad)


def test_random_inputs_at_a_slope_of_many_digits_are_compared_one_by_one():
    """Equal samples have a kernel; nearly equal ones look as if they had."""
    rng = np.random.default_rng(1)
    W, X = rng.standard_normal((12, 1, 2)), np.repeat(rng.standard_normal((12, 2, 1)), 2, axis=2)
    near = X + np.array([0.0, 1e-13]) * np.array([[1.0], [-1.0]])
    assert kernels(W, X, 0.1234567).clear.all()
    assert not kernels(W, near, 0.1234567).clear.any()


def test_more_samples_than_rows_have_a_kernel_whatever_the_rank():
    X = np.array([[1.0, 1.0 + 1e-13, 2.0], [2.0, 2.0, 4.0 + 1e-13]])
    found = kernels(np.random.default_rng(2).standard_normal((5, 1, 2)), X, 0.1)
    assert not found.clear.all()
    assert regions.rank_deficient(found) == Event(5, 0)
