"""The rare-event estimator against exact values for planar data, and its bounds against hand computation."""

import dataclasses
import functools
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import beta, logsumexp
from scipy.stats import binom

from verify.network.regions import kernels, misclassified_above, rank_deficient, support_above
from verify.verdicts import Evidence
from verify.volume import rare
from verify.volume.rare import rare_average, rare_event

EVENTS = ("rank", "support", "first_order")


def _oracle():
    path = Path(__file__).parents[3] / "benchmarks" / "rare_coverage.py"
    spec = importlib.util.spec_from_file_location("rare_coverage", path)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while it is made.
    importlib.import_module("sys").modules["rare_coverage"] = module
    spec.loader.exec_module(module)
    return module.Truth


Truth = _oracle()


def planar(seed, samples=6):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((2, samples)), (rng.permutation(samples) < samples // 2).astype(float)


def fixed_task(X, y, width, slope, epsilon, event):
    return rare._Task(X.shape[1], X.shape[0], width, slope, epsilon, event, (X, y))


def over_the_angle(function, d0):
    """Mean of a function of the angle between two standard normal vectors."""
    density = quad(lambda t: function(t) * math.sin(t) ** (d0 - 2), 0, math.pi, epsrel=1e-10, epsabs=0)[0]
    return density / beta((d0 - 1) / 2, 0.5)


@functools.cache
def truth_of(seed, slope):
    return Truth(*planar(seed), slope, 0.2)


def decided(W, X, y, slope, epsilon, event):
    found = kernels(W, X, slope)
    if event == "rank":
        return rank_deficient(found)
    return support_above(found, epsilon) if event == "support" else misclassified_above(found, y, epsilon)


def test_the_oracle_against_plain_sampling():
    """20 000 first layers an event; off by chance with probability below 1e-5 in all."""
    X, y = planar(0)
    truth = Truth(X, y, 0.1, 0.2)
    W = np.random.default_rng(1).standard_normal((20_000, 4, 2))
    for event in EVENTS:
        exact = math.exp(truth.log(event, 4))
        hits = decided(W, X, y, 0.1, 0.2, event).hits
        assert abs(hits / 20_000 - exact) < 5 * math.sqrt(exact * (1 - exact) / 20_000)


def test_the_oracle_by_hand():
    """One feature: two cells, and the rank is full when both are occupied and there are two samples."""
    truth = Truth(np.array([[1.0, 2.0]]), np.array([1.0, 0.0]), 0.0, 0.0)
    assert truth.log("rank", 7) == pytest.approx(0.0)  # the samples never part
    truth = Truth(np.array([[1.0, -2.0]]), np.array([1.0, 0.0]), 0.0, 0.0)
    assert truth.log("rank", 7) == pytest.approx(math.log(2 * 0.5**7))
    # e = y on a sample that no neuron sees; only the first is misclassified by it.
    assert truth.log("first_order", 7) == pytest.approx(math.log(0.5**7))


KNOWN = [(event, *case) for event in EVENTS for case in ((0, 0.0, -5), (3, 0.1, -12))]


@pytest.mark.parametrize(("event", "seed", "slope", "log10"), [*KNOWN, ("first_order", 2, -0.5, -25)])
def test_known_values(event, seed, slope, log10):
    """Fixed seeds; with others, an interval at level 1e-3 would miss about once in a thousand."""
    X, y = planar(seed)
    truth = truth_of(seed, slope)
    width = truth.width_near(event, log10 * math.log(10))
    assert width is not None
    found = rare_event(X, y, width, slope, 0.2, event, seed=5, budget=-10_000 * log10, level=1e-3)
    exact = truth.log(event, width)
    assert found.method == "splitting"
    assert found.log_lower <= exact <= found.log_upper
    assert found.log_estimate == pytest.approx(exact, abs=2)


def test_levels_of_the_defect_are_used_and_right():
    """Eight features: one neuron more is too much for one level. Standard error of the difference: 0.08."""
    rng = np.random.default_rng(3)
    task = fixed_task(rng.standard_normal((8, 17)), np.zeros(17), 4, -0.3, 0.0, "rank")
    ladder = rare._pilot(task, rng, 400, 10**6)
    assert any(step.soft for step in ladder)
    logs = [rare._replicate(task, rng, ladder, 800).log for _ in range(8)]
    hits, doubtful = task.plain(rng, 80_000)
    assert doubtful == 0
    estimate = logsumexp(logs) - math.log(8)
    assert estimate == pytest.approx(math.log(hits / 80_000), abs=0.4)


def test_a_replicate_is_unbiased_even_with_few_particles():
    """The mean of 100 small replicates, five standard errors; a bias of a half would show."""
    X, y = planar(4)
    truth = Truth(X, y, 0.0, 0.2)
    task = fixed_task(X, y, 9, 0.0, 0.2, "first_order")
    rng = np.random.default_rng(0)
    ladder = rare._pilot(task, rng, 200, 10**6)
    assert any(step.shortage > 0 for step in ladder)
    values = np.exp([rare._replicate(task, rng, ladder, 80).log for _ in range(100)])
    values /= math.exp(truth.log("first_order", 9))
    error = values.std() / math.sqrt(values.size)
    assert error < 0.1
    assert abs(values.mean() - 1) < 5 * error


@pytest.mark.parametrize(("event", "needed"), [("support", 5), ("first_order", 3)])
def test_known_values_at_a_general_size(event, needed):
    """Orthogonal samples, ρ = 0: each is dead with probability 2^-d1, on its own, and the kernel is the dead ones."""
    d0, width = 24, 12
    y = (np.arange(d0) % 3 == 0).astype(float)
    counted = d0 if event == "support" else int(y.sum())
    exact = binom.logsf(needed - 1, counted, 2.0**-width)
    found = rare_event(np.eye(d0), y, width, 0.0, (needed - 0.5) / d0, event, seed=2, budget=60_000, level=1e-3)
    assert exact < -16
    assert found.method == "splitting"
    assert found.log_lower <= exact <= found.log_upper
    assert found.log_estimate == pytest.approx(exact, abs=1.5)


def test_general_sizes_are_reached():
    """Rank and support, with different seeds, agree where plain sampling would take 1e8 samples."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 40))
    first = rare_event(X, np.zeros(40), 9, 0.1, 0.1, "support", seed=0, budget=10_000)
    second = rare_event(X, np.zeros(40), 9, 0.1, 0.1, "rank", seed=1, budget=10_000)
    for found in (first, second):
        assert found.method == "splitting"
        assert -28 < found.log_estimate < -14
    # A kernel vector has 13 nonzero coordinates at least (F4), so support and rank are one event here.
    assert first.log_lower <= second.log_upper
    assert second.log_lower <= first.log_upper


AVERAGES = [
    # All entries negative for two samples and many neurons, or the other way round (finite-N note, F9a).
    ((2, 3, 30, 0.0, 0.5, "support"), lambda: over_the_angle(lambda t: ((math.pi - t) / (2 * math.pi)) ** 30, 3)),
    ((12, 12, 2, 0.0, 0.95, "support"), lambda: over_the_angle(lambda t: ((math.pi - t) / (2 * math.pi)) ** 12, 12)),
    # One of two samples dead, by inclusion and exclusion.
    (
        (2, 3, 20, 0.0, 0.0, "rank"),
        lambda: 2 * 0.5**20 - over_the_angle(lambda t: ((math.pi - t) / (2 * math.pi)) ** 20, 3),
    ),
    # ρ = −1, N = d0 + 1: the rank is short where both patterns are equal or opposite (F3).
    (
        (22, 21, 2, -1.0, 0.0, "rank"),
        lambda: over_the_angle(lambda t: (1 - t / math.pi) ** 22 + (t / math.pi) ** 22, 21),
    ),
]


@pytest.mark.parametrize(("arguments", "truth"), AVERAGES)
def test_known_averages_over_data(arguments, truth):
    """Fixed seeds; with others, an interval at level 1e-3 would miss about once in a thousand."""
    exact = math.log(truth())
    found = rare_average(*arguments, seed=1, budget=50_000, level=1e-3)
    assert found.method == "splitting"
    assert found.log_lower <= exact <= found.log_upper
    assert found.log_estimate == pytest.approx(exact, abs=1)


def test_a_replicate_of_the_average_is_unbiased():
    """The mean of 100 small replicates, five standard errors; a bias of a half would show."""
    task = rare._Task(2, 3, 6, 0.0, 0.5, "support", None)
    rng = np.random.default_rng(1)
    ladder = rare._pilot(task, rng, 200, 10**6)
    values = np.exp([rare._replicate(task, rng, ladder, 60).log for _ in range(100)])
    values /= over_the_angle(lambda t: ((math.pi - t) / (2 * math.pi)) ** 6, 3)
    error = values.std() / math.sqrt(values.size)
    assert error < 0.1
    assert abs(values.mean() - 1) < 5 * error


def test_the_average_of_the_first_order_event():
    """Against 40 000 data sets, labels and layers drawn plainly; five standard errors of both together."""
    N, d0, width = 10, 3, 5
    rng = np.random.default_rng(12)
    hits = 0
    for _ in range(4):
        W, X = rng.standard_normal((10_000, width, d0)), rng.standard_normal((10_000, d0, N))
        y = (rng.random((10_000, N)) < 0.5).astype(float)
        hits += misclassified_above(kernels(W, X, 0.1), y, 0.2).hits
    task = rare._Task(N, d0, width, 0.1, 0.2, "first_order", None)
    ladder = rare._pilot(task, rng, 200, 10**6)
    values = np.exp([rare._replicate(task, rng, ladder, 400).log for _ in range(16)])
    assert 50 < hits < 4000
    error = math.sqrt(values.var(ddof=1) / 16 + hits / 40_000**2)
    assert abs(values.mean() - hits / 40_000) < 5 * error
    assert error < 0.15 * values.mean()


def test_the_average_against_exact_values_of_many_data_sets():
    """The mean of 60 exact values, five standard errors of both together."""
    rng = np.random.default_rng(13)
    exact = []
    for _ in range(60):
        X, y = rng.standard_normal((2, 5)), (rng.random(5) < 0.5).astype(float)
        exact.append(math.exp(Truth(X, y, 0.1, 0.2).log("support", 8)))
    task = rare._Task(5, 2, 8, 0.1, 0.2, "support", None)
    ladder = rare._pilot(task, rng, 200, 10**6)
    values = np.exp([rare._replicate(task, rng, ladder, 200).log for _ in range(16)])
    error = math.sqrt(values.var(ddof=1) / 16 + np.var(exact, ddof=1) / 60)
    assert abs(values.mean() - np.mean(exact)) < 5 * error
    assert error < 0.3 * values.mean()


def test_kept_layers_have_the_event_and_split_it():
    """Kept layers are fair draws given the event: a property's share, weighted by the replicates, against counting.

    The property: the first neuron is active on the first sample. Five standard errors; fixed seeds.
    """
    X, y = planar(4)
    found = rare_event(X, y, 9, 0.0, 0.2, "first_order", seed=2, budget=60_000, keep=40)
    assert found.method == "splitting"
    assert len(found.layers) == len(found.replicates)
    weights = np.exp(np.array(found.replicates) - max(found.replicates))
    shares = []
    for layers in found.layers:
        assert layers.shape[1:] == (9, 2)
        assert decided(layers, X, y, 0.0, 0.2, "first_order").hits == len(layers)
        shares.append(np.mean(layers[:, 0] @ X[:, 0] > 0) if len(layers) else 0.0)
    share = np.sum(weights * shares) / weights.sum()
    rng, seen, active = np.random.default_rng(3), 0, 0
    for _ in range(40):
        W = rng.standard_normal((20_000, 9, 2))
        k = kernels(W, X, 0.0)
        residual = k.projector @ y
        needed = math.floor(0.2 * 6) + 1
        hit = k.index[((((y - residual) > 0.5) != (y > 0.5)).sum(axis=1) >= needed)]
        seen += hit.size
        active += int((W[hit, 0] @ X[:, 0] > 0).sum())
    expected = active / seen
    error = math.sqrt(expected * (1 - expected) * (1 / seen + 1 / 100))  # layers of one chain are alike
    assert seen > 100
    assert abs(share - expected) < 5 * error
    assert rare_event(X, y, 9, 0.0, 0.2, "first_order", seed=2, budget=60_000).layers == ()


@pytest.mark.parametrize("event", EVENTS)
def test_common_events_are_sampled_plainly(event):
    X, y = planar(5)
    found = rare_event(X, y, 4, 0.1, 0.2, event, budget=20_000, level=1e-4)
    assert found.method == "plain"
    assert found.log_lower <= truth_of(5, 0.1).log(event, 4) <= found.log_upper
    assert found.evaluations == 20_000


def test_what_never_happens_is_not_called_zero():
    X, _ = planar(6)
    found = rare_event(X, np.zeros(6), 30, 0.1, 0.2, "first_order", budget=20_000)  # Py = 0 for these labels
    assert found.method == "unreached"
    assert found.log_lower == found.log_estimate == -math.inf
    assert found.log_upper == pytest.approx(math.log(1 - 0.0125 ** (1 / 1000)))
    assert "unreached" in repr(found)


def test_workers_do_not_change_the_result():
    X, y = planar(7)
    alone, together = (
        rare_event(X, y, 25, 0.0, 0.2, "rank", seed=3, budget=10_000, workers=workers) for workers in (1, 2)
    )
    assert alone.method == "splitting"
    assert alone == together


def test_same_seed_same_result():
    X, y = planar(7)
    first, again, other = (rare_event(X, y, 25, 0.0, 0.2, "rank", seed=seed, budget=10_000) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.evidence is Evidence.STATISTICAL
    assert "not proven" in repr(first)
    assert "10^" in repr(dataclasses.replace(first, log_lower=-math.inf))


@pytest.mark.parametrize("event", EVENTS)
def test_the_fast_decision_agrees_with_regions(event):
    """Also with a zero sample, equal features, more features than samples, and a very short sample."""
    rng = np.random.default_rng(9)
    shapes = [(3, 8, 3), (2, 7, 6), (9, 6, 1), (4, 8, 2), (3, 7, 3)]
    for number, (d0, N, width) in enumerate(shapes):
        X = rng.standard_normal((d0, N))
        if number == 3:
            X[1], X[:, 2] = X[0], 0.0
        if number == 4:
            X[:, 1] *= 1e-9
        y = (rng.random(N) < 0.5).astype(float)
        W = rng.standard_normal((400, width, d0))
        for slope in (0.0, 0.3):
            task = fixed_task(X, y, width, slope, 0.2, event)
            happened, unclear = task.happened(W)
            assert number == 4 or not unclear.any()
            # The lengths of samples do not matter to rank and support, and `regions` does not decide on short ones.
            seen = X if event == "first_order" or number == 3 else X / np.linalg.norm(X, axis=0)
            singly = [decided(W[item : item + 1], seen, y, slope, 0.2, event).hits for item in range(400)]
            assert happened.tolist() == [bool(hit) for hit in singly]
            # What happens in the end was possible all along.
            for rows in range(max(1, task.free), width + 1):
                assert task.possible(W[happened, :rows]).all()


def test_both_ways_of_factorising_agree(monkeypatch):
    """One matrix at a time, and batches."""
    rng = np.random.default_rng(15)
    task = fixed_task(rng.standard_normal((8, 30)), np.arange(30) % 2.0, 4, 0.0, 0.1, "first_order")
    W = rng.standard_normal((300, 4, 8))
    W[:150] *= 0.1
    W[:150] += W[:150, :1]
    found = []
    for least in (0, 1000):
        monkeypatch.setattr(rare, "_ONE_BY_ONE", least)
        found.append((task.grades(W, True), *task.happened(W)))
    for first, second in zip(*found, strict=True):
        assert np.array_equal(first, second)
    assert np.isfinite(found[0][0][:, rare.DEFECT]).any()


def test_a_nearly_singular_matrix_is_no_hit():
    """Three samples that are dependent up to 1e-9: the ridge cannot tell, the kernel vector inserted in G can."""
    rng = np.random.default_rng(14)
    X = rng.standard_normal((3, 3))
    X[:, 2] = X[:, 0] + X[:, 1] + 1e-9 * X[:, 2]
    task = fixed_task(X, np.zeros(3), 2, 0.1, 0.0, "rank")
    task._inputs = X[None]  # not whitened
    task._inner = (X.T @ X)[None]
    happened, _ = task.happened(rng.standard_normal((50, 2, 3)))
    assert not happened.any()


def test_moves_leave_the_normal_distribution():
    """Second moments of 40 000 moved layers, and their symmetry with the layers before; 5 standard errors."""
    rng = np.random.default_rng(10)
    task = fixed_task(rng.standard_normal((3, 4)), np.zeros(4), 2, 0.1, 0.0, "rank")
    grades = np.zeros((40_000, rare.SAMPLES + 8))
    for arm in ((1, 0, 1.0, rare.STEP), (2, 0, 0.25, rare.STEP), (2, 0, 0.5, rare.TURN), (2, 0, 1.0, rare.SWEEP)):
        # With two samples in the support, sweeps keep the normal distribution within cones, so on the whole as well.
        grades[:, rare.SAMPLES : rare.SAMPLES + 2] = 1.0
        W = rng.standard_normal((40_000, 2, 3))
        V = rare._moved(rng, task, W, np.tile(arm, (40_000, 1)).astype(float), grades)
        flat = V.reshape(40_000, 6)
        assert np.abs(flat.T @ flat / 40_000 - np.eye(6)).max() < 5 * math.sqrt(2 / 40_000)
        across = np.einsum("bij,bik->jk", V, W) / 80_000
        assert np.abs(across - across.T).max() < 0.05
        if arm[3] == rare.SWEEP:
            before, after = task.signs(W), task.signs(V)
            assert np.array_equal(before[:, :, :2], after[:, :, :2])
            assert (before[:, :, 2:] != after[:, :, 2:]).any()


def test_sweeps_of_samples_keep_the_signs_in_the_support():
    rng = np.random.default_rng(11)
    task = rare._Task(5, 3, 2, 0.1, 0.0, "first_order", None)
    Z = task.drawn(rng, 500, 2)
    grades = np.zeros((500, rare.SAMPLES + 10))
    grades[:, rare.SAMPLES : rare.SAMPLES + 3] = 1.0
    V = rare._moved(rng, task, Z, np.tile((0.0, 5.0, 1.0, rare.SWEEP), (500, 1)), grades)
    assert np.array_equal(V[:, 5:], Z[:, 5:])
    assert np.array_equal(task.signs(V)[:, :, :3], task.signs(Z)[:, :, :3])
    assert (task.signs(V)[:, :, 3:] != task.signs(Z)[:, :, 3:]).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slope": 1.0}, "slope 1"),
        ({"width": 0}, "width 0"),
        ({"epsilon": 1.0}, "epsilon 1"),
        ({"event": "volume"}, "volume"),
        ({"y": np.zeros(5)}, "expected finite"),
        ({"budget": 10}, "budget 10"),
        ({"level": 0.0}, "level 0"),
        ({"workers": 0}, "0 workers"),
        ({"X": np.zeros((2, 6))}, "of zeros"),
    ],
)
def test_bad_input(change, message):
    X, y = planar(11)
    arguments = {"X": X, "y": y, "width": 5, "slope": 0.0, "epsilon": 0.1} | change
    with pytest.raises(ValueError, match=message):
        rare_event(**arguments)
