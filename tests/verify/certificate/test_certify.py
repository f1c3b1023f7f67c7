"""Certificates against rational arithmetic, hand-made minima, and points on and next to boundaries."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import verify
from verify.network.training import train
from verify.verdicts import Evidence, Outcome

HOLDS, VIOLATED, UNDECIDED = Outcome.HOLDS, Outcome.VIOLATED, Outcome.UNDECIDED
SLOPES = st.sampled_from([0.0, 0.1, -0.5, 2.0])


def fractions(values):
    return [fractions(value) if isinstance(value, list) else Fraction(value) for value in values]


class Network:
    """The oracle: the model in rational arithmetic, from its definition; slopes are the decimals that they print as."""

    def __init__(self, W, z, X, y, slope):
        self.W, self.z, self.X, self.y = (fractions(array.tolist()) for array in (W, z, X, y))
        self.rho = Fraction(repr(float(slope)))
        self.hidden = [[sum(a * b for a, b in zip(w, x, strict=True)) for x in self.X] for w in self.W]
        self.gates = [[Fraction(1) if h > 0 else self.rho for h in row] for row in self.hidden]
        outputs = [
            sum(z * row[n] * gate[n] for z, row, gate in zip(self.z, self.hidden, self.gates, strict=True))
            for n in range(len(self.y))
        ]
        self.outputs = outputs
        self.e = [y - f for y, f in zip(self.y, outputs, strict=True)]

    @property
    def zeros(self):
        return sum(h == 0 for row in self.hidden for h in row)

    @property
    def mse(self):
        return sum(e * e for e in self.e) / len(self.e)

    def pull(self, i):
        return [
            sum(self.gates[i][n] * self.e[n] * self.X[n][j] for n in range(len(self.y))) for j in range(len(self.X[0]))
        ]

    def stationary(self):
        return all(value == 0 for i in range(len(self.W)) for value in self.pull(i))

    def khatri_rao(self, neurons):
        """Rows of `G` for some neurons, as a rational matrix."""
        return fmpq_mat(
            [
                [to_flint(self.gates[i][n] * self.X[n][j]) for n in range(len(self.y))]
                for i in neurons
                for j in range(len(self.X[0]))
            ]
        )


def to_flint(value):
    return fmpq(value.numerator, value.denominator)


def column(values):
    return fmpq_mat([[to_flint(value)] for value in values])


def from_flint(value):
    return Fraction(int(value.p), int(value.q))


def outcomes(found):
    return found.differentiable.outcome, found.local_minimum.outcome, found.global_minimum.outcome


def trained(N, d0, d1, slope, seed, steps=300):
    rng = np.random.default_rng([seed, N, d0, d1])
    X, y = rng.standard_normal((N, d0)), rng.integers(0, 2, N).astype(float)
    start = rng.standard_normal((1, d1, d0)), rng.standard_normal((1, d1))
    ended = train(*start, X.T, y, slope, steps=steps)
    return ended.W[0], ended.z[0], X, y


def polished(N, d0, d1, slope, seed):
    """A network at a minimum of its region up to rounding: teacher labels with noise that the region's fit removes."""
    rng = np.random.default_rng([seed, N, d0, d1])
    X, W, z = rng.standard_normal((N, d0)), rng.standard_normal((d1, d0)), rng.choice([-1.0, 1.0], d1)
    A = np.where(W @ X.T > 0, 1.0, slope)
    G = (A[:, None, :] * X.T[None]).reshape(-1, N)
    noise = rng.standard_normal(N)
    noise -= G.T @ np.linalg.lstsq(G.T, noise, rcond=None)[0]
    return W, z, X, (z @ (A * (W @ X.T))) + noise


small = st.integers(1, 4).flatmap(
    lambda d0: st.tuples(st.integers(1, 4), st.integers(1, 6)).flatmap(
        lambda shape: st.tuples(
            npst.arrays(np.int64, (shape[0], d0), elements=st.integers(-3, 3)),
            npst.arrays(np.int64, (shape[0],), elements=st.integers(-2, 2)),
            npst.arrays(np.int64, (shape[1], d0), elements=st.integers(-3, 3)),
            npst.arrays(np.int64, (shape[1],), elements=st.integers(-2, 2)),
        )
    )
)


@given(small, SLOPES)
@settings(deadline=None, max_examples=40)
def test_integer_networks_agree_with_rational_arithmetic(network, slope):
    W, z, X, y = network
    X[~X.any(axis=1)] = 1
    truth = Network(W, z, X, y, slope)
    found = verify.certify(W, z, X, y, slope=slope)
    inside = truth.zeros == 0
    assert found.zeros.count == truth.zeros
    assert found.zeros.kept == sum(all(h != 0 for h in row) for row in truth.hidden)
    assert found.differentiable.outcome is (HOLDS if inside else VIOLATED)
    assert found.mse.lower <= truth.mse <= found.mse.upper
    wrong = sum((f > 0.5) != (y > 0.5) for f, y in zip(truth.outputs, truth.y, strict=True))
    assert found.errors[0] <= wrong <= found.errors[1]
    assert found.inactive == sum(all(h <= 0 for h in row) for row in truth.hidden)
    if inside:
        assert found.local_minimum_as_given.outcome is (HOLDS if truth.stationary() else VIOLATED)
        if truth.stationary():
            assert found.local_minimum.outcome is HOLDS
    if truth.mse == 0:
        assert found.global_minimum.outcome is HOLDS
    if found.better is not None:
        better = Network(found.better.W, found.better.z, X, y, slope)
        assert better.mse <= found.better.mse < truth.mse


@given(small, SLOPES, st.integers(-300, 300), st.integers(-300, 300), st.integers(-300, 300))
@settings(deadline=None, max_examples=20)
def test_powers_of_two_change_no_verdict(network, slope, of_W, of_z, of_X):
    W, z, X, y = (array.astype(float) for array in network)
    X[~X.any(axis=1)] = 1
    plain = verify.certify(W, z, X, y, slope=slope)
    labels = np.ldexp(y, of_W + of_z + of_X)
    if not np.isfinite(labels).all() or (labels[y != 0] == 0).any():
        return
    moved = verify.certify(np.ldexp(W, of_W), np.ldexp(z, of_z), np.ldexp(X, of_X), labels, slope=slope)
    assert outcomes(moved) == outcomes(plain)
    assert moved.boundary == plain.boundary
    assert moved.zeros == plain.zeros


@pytest.mark.parametrize(
    ("w", "x", "outcome"),
    [
        ([1.0, 1e-17, -1.0], [1.0, 1.0, 1.0], HOLDS),  # floating point adds this up to zero
        ([1.0, 0.0, -1.0], [1.0, 5.0, 1.0], VIOLATED),
        ([0.0, 1e-300, 1.0], [1.0, 1.0, 0.0], HOLDS),
        ([5e-324, 0.0, 1.0], [5e-324, 1.0, 0.0], HOLDS),  # 2^-2148
        ([0.1, 0.2, -0.3], [1.0, 1.0, 1.0], HOLDS),  # the floats 0.1 + 0.2 and 0.3 differ
        ([0.1, 0.1, -0.2], [1.0, 1.0, 1.0], VIOLATED),
        ([1e300, 1.0, -1e300], [1.0, 1e-300, 1.0], HOLDS),
        ([1 / 3, -1.0, 0.0], [3.0, 1.0, 1.0], HOLDS),  # 3·fl(1/3) rounds to 1
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], VIOLATED),
    ],
)
def test_zero_is_told_from_nearly_zero(w, x, outcome):
    found = verify.certify([w, [1.0, 1.0, 1.0]], [1.0, 1.0], [x, [1.0, 2.0, 4.0]], [1.0, 0.0])
    assert found.differentiable.outcome is outcome
    assert found.differentiable.evidence is Evidence.EXACT
    truth = Network(np.array([w, [1.0] * 3]), np.ones(2), np.array([x, [1.0, 2.0, 4.0]]), np.array([1.0, 0.0]), 0.0)
    assert found.zeros.count == truth.zeros
    if outcome is HOLDS:
        assert 0 <= found.boundary.sine.lower <= found.boundary.sine.upper
        assert (found.boundary.neuron, found.boundary.sample) == (0, 0)
        assert found.boundary.sine.upper > 0
    else:
        assert found.local_minimum.outcome is not HOLDS


def test_the_nearest_boundary_is_an_angle():
    found = verify.certify([[1.0, 1e-3], [1.0, 1.0]], [1.0, 1.0], [[0.0, 2.0], [5.0, 0.0]], [1.0, 0.0])
    sine = math.sin(math.atan(1e-3))
    assert (found.boundary.neuron, found.boundary.sample) == (0, 0)
    assert found.boundary.sine.lower < sine < found.boundary.sine.upper < sine * (1 + 1e-5)


def test_a_suboptimal_minimum_where_all_neurons_are_dead():
    rng = np.random.default_rng(3)
    X, y = np.abs(rng.standard_normal((12, 4))), np.arange(12) % 2
    found = verify.certify(-np.abs(rng.standard_normal((6, 4))), np.ones(6), X, y)
    assert outcomes(found) == (HOLDS, HOLDS, VIOLATED)
    assert found.inactive == 6
    assert found.global_minimum.evidence is Evidence.WITNESS
    assert found.mse.lower <= 0.5 <= found.mse.upper
    truth = Network(found.better.W, found.better.z, X, y, 0.0)
    assert truth.mse <= found.better.mse < 1e-12


def test_a_suboptimal_minimum_with_both_neurons_on_one_side():
    # On the line: nothing reaches the sample at −1; the other order of signs fits both.
    found = verify.certify([[1.0], [2.0]], [1.0, 0.0], [[1.0], [-1.0]], [1.0, 1.0])
    assert outcomes(found) == (HOLDS, HOLDS, VIOLATED)
    assert found.global_minimum.evidence is Evidence.WITNESS
    assert found.local_minimum_as_given.outcome is HOLDS
    assert found.mse.lower <= 0.5 <= found.mse.upper
    fits = verify.certify([[1.0], [-2.0]], [1.0, 0.5], [[1.0], [-1.0]], [1.0, 1.0])
    assert outcomes(fits) == (HOLDS, HOLDS, HOLDS)
    assert fits.mse.upper == 0


def test_no_better_network_is_claimed_where_there_is_none():
    # One input with both labels: 1/4 is the least mean squared error of any function, and 1/2 its value.
    found = verify.certify([[1.0, 0.0]], [0.5], [[1.0, 0.5], [1.0, 0.5]], [0.0, 1.0])
    assert outcomes(found) == (HOLDS, HOLDS, UNDECIDED)
    assert found.better is None
    assert found.mse.lower <= 0.25 <= found.mse.upper


def test_a_neuron_without_weight_must_be_stationary_too():
    # F1(a): z_2 = 0, and the second neuron alone sees the sample at −1.
    found = verify.certify([[1.0], [-2.0]], [1.0, 0.0], [[1.0], [-1.0]], [1.0, 1.0])
    assert found.local_minimum_as_given.outcome is VIOLATED
    assert found.local_minimum.outcome is not HOLDS
    assert found.global_minimum.outcome is not HOLDS
    # The least-squares problem of the first neuron alone is solved, in the region; that is not enough.
    assert found.exact_minimum is None


@pytest.mark.parametrize("slope", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_polished_minima_with_a_residual_exist(slope, seed):
    W, z, X, y = polished(30, 3, 3, slope, seed)
    found = verify.certify(W, z, X, y, slope=slope)
    assert outcomes(found)[:2] == (HOLDS, HOLDS)
    assert found.local_minimum_as_given.outcome is VIOLATED
    assert found.global_minimum.outcome is not HOLDS
    near = found.exact_minimum
    assert near.rank == 9
    assert near.error <= near.distance < 1e-9
    # The rows of G are independent: the exact minimum is unique, and solved for here in rational arithmetic.
    truth = Network(W, z, X, y, slope)
    G = truth.khatri_rao(range(3))
    u = [from_flint(value) for value in (G * G.transpose()).solve(G * column(truth.y)).entries()]
    exact = [[u[3 * i + j] / truth.z[i] for j in range(3)] for i in range(3)]
    for i in range(3):
        size = math.sqrt(sum(w * w for w in truth.W[i]))
        for floats, bound in ((near.W, near.error), (W, near.distance)):
            gap = math.sqrt(sum((a - b) ** 2 for a, b in zip(exact[i], map(Fraction, floats[i].tolist()), strict=True)))
            assert gap <= bound * size
    rest = Network(np.array(exact, dtype=object), z, X, y, slope)
    assert rest.stationary()
    assert rest.gates == truth.gates
    assert near.mse.lower <= rest.mse <= near.mse.upper


@pytest.mark.parametrize("slope", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(3))
def test_networks_trained_to_zero_error_are_global_minima(slope, seed):
    W, z, X, y = trained(20, 5, 12, slope, seed)
    found = verify.certify(W, z, X, y, slope=slope)
    assert outcomes(found) == (HOLDS, HOLDS, HOLDS)
    assert found.errors == (0, 0)
    assert found.exact_minimum.mse.upper == 0
    # One exact solution, in rational arithmetic, is no further than the distance that was proved.
    truth = Network(found.exact_minimum.W, z, X, y, slope)
    seen = [n for n in range(20) if any(row[n] for row in truth.gates)]
    assert found.exact_minimum.rank == len(seen)
    G = fmpq_mat([[row[n] for n in seen] for row in truth.khatri_rao(range(12)).tolist()])
    rest = column([truth.e[n] for n in seen])
    move = [from_flint(v) for v in (G * (G.transpose() * G).solve(rest)).entries()]
    for i in range(12):
        step = math.sqrt(sum(v * v for v in move[5 * i : 5 * i + 5])) / abs(z[i])
        assert step <= found.exact_minimum.error * np.linalg.norm(W[i]) * (1 + 1e-9)
        assert step < min(
            abs(h) / math.sqrt(sum(v * v for v in x)) for h, x in zip(truth.hidden[i], truth.X, strict=True)
        )


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_networks_before_training_are_no_minima(slope):
    for seed in range(5):
        W, z, X, y = trained(25, 5, 8, slope, seed, steps=0)
        found = verify.certify(W, z, X, y, slope=slope)
        assert outcomes(found) == (HOLDS, VIOLATED, VIOLATED)
        assert found.local_minimum_as_given.outcome is VIOLATED
        assert found.gradient.lower > 0


def test_the_tolerance_decides_how_near_is_near():
    W, z, X, y = polished(40, 3, 3, 0.1, 7)
    off = W * (1 + np.array([[1e-5], [0], [0]]))
    loose, tight = (verify.certify(off, z, X, y, slope=0.1, tolerance=t) for t in (1e-4, 1e-6))
    assert loose.local_minimum.outcome is HOLDS
    # One minimum in the region, and u_1 is 1e-5 off it: further than z and w may move u at this tolerance.
    assert tight.local_minimum.outcome is VIOLATED
    assert loose.exact_minimum.distance == pytest.approx(1e-5, rel=1e-3)


def test_a_deficient_rank_is_settled_exactly():
    # ρ = −1: a cell and its opposite have the same columns up to sign, so two neurons count as one.
    rng = np.random.default_rng(11)
    X, w = rng.standard_normal((12, 3)), rng.standard_normal(3)
    W, z = np.array([w, -w + 1e-3 * rng.standard_normal(3)]), np.array([1.0, 1.0])
    assert ((W[0] @ X.T > 0) == (W[1] @ X.T < 0)).all()
    A = np.where(W @ X.T > 0, 1.0, -1.0)
    G = (A[:, None, :] * X.T[None]).reshape(-1, 12)
    noise = rng.standard_normal(12)
    noise -= G.T @ np.linalg.lstsq(G.T, noise, rcond=None)[0]
    found = verify.certify(W, z, X, z @ (A * (W @ X.T)) + noise, slope=-1.0)
    assert found.exact_minimum.rank == 3
    assert found.local_minimum.outcome is HOLDS
    assert "exact arithmetic" in found.reason


def test_a_minimum_across_the_boundary_does_not_count():
    # The exact fit of the first neuron is w = −1: on the other side.
    found = verify.certify([[1e-9]], [1.0], [[1.0], [2.0]], [-1.0, -2.0], slope=0.5)
    assert found.differentiable.outcome is HOLDS
    assert found.local_minimum.outcome is VIOLATED
    assert found.exact_minimum is None


def test_section_6_counts_the_neurons_that_are_kept():
    W = [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [0.0, 1.0]]
    found = verify.certify(W, [1.0] * 4, [[0.0, 1.0], [1.0, 3.0], [2.0, 0.0], [1.0, 1.0]], [0, 1, 0, 1], epsilon=0.25)
    assert (found.zeros.count, found.zeros.neurons, found.zeros.kept, found.zeros.share) == (2, 2, 2, 0.5)
    # γ_ε = 0.23 ε^(3/4) for the ReLU; N = 4, d0 = 2, two neurons kept.
    assert found.zeros.log_bound == pytest.approx(-0.23 * 0.25**0.75 * 4**0.75 * (2 * 2) ** 0.25)
    assert found.local_minimum.outcome in (VIOLATED, Outcome.NOT_APPLICABLE)


def test_volumes_in_the_plane_are_angles():
    rng = np.random.default_rng(5)
    X, W = rng.standard_normal((9, 2)), rng.standard_normal((3, 2))
    lines = np.concatenate([np.arctan2(-X[:, 0], X[:, 1]), np.arctan2(X[:, 0], -X[:, 1])])
    expected = 0.0
    for w in W:
        turns = np.sort((lines - math.atan2(w[1], w[0])) % (2 * math.pi))
        expected += math.log((turns[0] + 2 * math.pi - turns[-1]) / (2 * math.pi))
    found = verify.certify(W, np.ones(3), X, np.ones(9)).volume
    assert found.evidence is Evidence.EXACT
    assert found.log_lower == found.log_upper == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("d0", [5, 45])
def test_bounds_on_the_volume_hold_for_orthants(d0):
    """Of d0 orthogonal samples every cell has volume 2^−d0; at 45 it is not estimated, and F9(b) is an equality."""
    W = np.random.default_rng(d0).standard_normal((2, d0))
    found = verify.certify(W, np.ones(2), np.eye(d0), np.ones(d0)).volume
    truth = -2 * d0 * math.log(2)
    assert found.log_lower <= truth * (1 - 1e-9)
    assert truth <= found.log_upper * (1 - 1e-5)
    if d0 == 45:
        assert found.evidence is Evidence.EXACT
        assert found.log_lower < truth < found.log_upper < truth * (1 - 1e-4)


def test_labels_of_both_signs_have_a_threshold_of_zero():
    found = verify.certify([[1.0], [-1.0]], [1.0, -1.0], [[1.0], [-1.0]], [1.0, -1.0], threshold=0)
    assert found.errors == (0, 0)
    wrong = verify.certify([[1.0], [-1.0]], [-1.0, 1.0], [[1.0], [-1.0]], [1.0, -1.0], threshold=0)
    assert wrong.errors == (2, 2)


def test_json_and_the_page_say_the_same():
    W, z, X, y = trained(12, 4, 8, 0.1, 0)
    found = verify.certify(W, z, X, y, slope=0.1)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert {"differentiable", "local_minimum", "global_minimum", "local_minimum_as_given"} <= told.keys()
    for name in ("differentiable", "local_minimum", "global_minimum"):
        assert told[name]["outcome"] == getattr(found, name).outcome
        assert told[name]["evidence"] == getattr(found, name).evidence
        assert f"{name:<22}" in repr(found)
    assert len(repr(found).splitlines()) <= 60
    assert max(map(len, repr(found).splitlines())) <= 125
    assert isinstance(found, verify.Certificate)
    assert repr(found) == repr(verify.certify(W, z, X, y, slope=0.1))


def test_extreme_but_finite_numbers_give_a_certificate():
    rng = np.random.default_rng(2)
    X, W = rng.standard_normal((6, 3)), rng.standard_normal((4, 3))
    for size in (1e-307, 1e307):
        for scaled in ({"W": W * size}, {"X": X * size}, {"y": np.ones(6) * size}, {"z": np.ones(4) * size}):
            found = verify.certify(**{"W": W, "z": np.ones(4), "X": X, "y": np.ones(6)} | scaled)
            assert found.differentiable.outcome is HOLDS
            json.dumps(found.to_dict(), allow_nan=False)
    apart = verify.certify(-np.ones((2, 2)), [1, 1], [[2.8e275, 1.0], [-2.0, 1.0], [1.0, 1.0]], [6e33] * 3)
    assert apart.local_minimum.outcome is not HOLDS
    mixed = verify.certify(np.diag([1e300, 1e-300, 1.0]), [1e300, 1e-300, 1.0], np.ones((2, 3)), [1, 0])
    json.dumps(mixed.to_dict(), allow_nan=False)


good = {"W": np.ones((2, 3)), "z": np.ones(2), "X": np.ones((4, 3)), "y": np.ones(4)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W": np.ones(3)}, "W has shape"),
        ({"W": np.ones((0, 3))}, "neither empty"),
        ({"W": np.ones((2, 4))}, "4 columns"),
        ({"z": np.ones(3)}, "z has shape"),
        ({"z": np.ones((2, 2))}, "one output"),
        ({"y": np.ones(3)}, "y has shape"),
        ({"X": np.ones((4, 3, 1))}, "X has shape"),
        ({"X": np.full((4, 3), np.nan)}, "NaN"),
        ({"W": np.full((2, 3), "a")}, "real numbers"),
        ({"W": [[1, 2], [3]]}, "W is no array"),
        ({"W": np.ones((2, 3), dtype=complex)}, "real numbers"),
        ({"X": np.vstack([np.zeros(3), np.ones((3, 3))])}, "sample 0 is zero"),
        ({"slope": 1}, "linear network"),
        ({"slope": math.nan}, "finite"),
        ({"slope": "x"}, "finite"),
        ({"slope": 1e9}, "at most"),
        ({"tolerance": 0}, "strictly between"),
        ({"epsilon": 1}, "below 1"),
        ({"seed": -1}, "whole number"),
        ({"threshold": math.inf}, "finite"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(verify.InputError, match=message):
        verify.certify(**(good | change))


anything = st.one_of(
    npst.arrays(
        st.sampled_from([np.float64, np.float32, np.int8, np.bool_, np.dtype("U2"), np.complex128]),
        npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    ),
    st.none(),
    st.text(max_size=3),
    st.lists(st.floats(), max_size=3),
)


@given(anything, anything, anything, anything, st.one_of(st.floats(), st.none(), st.integers(-3, 3)))
@settings(deadline=None, max_examples=50)
def test_whatever_is_given_is_certified_or_named(W, z, X, y, slope):
    for values in ({"W": W}, {"z": z}, {"X": X}, {"y": y}, {"slope": slope}, {"W": W, "z": z, "X": X, "y": y}):
        try:
            found = verify.certify(**(good | values))
        except verify.InputError:
            continue
        json.dumps(found.to_dict(), allow_nan=False)


floats = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(
    npst.arrays(np.float64, (2, 2), elements=floats),
    npst.arrays(np.float64, (2,), elements=floats),
    npst.arrays(np.float64, (3, 2), elements=floats),
    npst.arrays(np.float64, (3,), elements=floats),
    SLOPES,
)
@settings(deadline=None, max_examples=40)
def test_any_floats_agree_with_rational_arithmetic(W, z, X, y, slope):
    X[~X.any(axis=1)] = 1
    found, truth = verify.certify(W, z, X, y, slope=slope), Network(W, z, X, y, slope)
    assert found.zeros.count == truth.zeros
    assert found.zeros.undecided == 0
    assert found.mse.lower <= truth.mse
    assert math.isinf(found.mse.upper) or truth.mse <= found.mse.upper
    if truth.zeros == 0:
        assert found.local_minimum_as_given.outcome is (HOLDS if truth.stationary() else VIOLATED)
    if found.global_minimum.outcome is HOLDS and found.exact_minimum is None:
        assert truth.mse == 0
