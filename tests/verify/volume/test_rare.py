"""The rare-event estimator against exact values for planar data, and its bounds against hand computation."""

import dataclasses
import functools
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from verify.network.regions import kernels, misclassified_above, rank_deficient, support_above
from verify.verdicts import Evidence
from verify.volume import rare
from verify.volume.rare import proven_lower, rare_event

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


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(("seed", "slope", "log10"), [(0, 0.0, -5), (3, 0.1, -12), (2, -0.5, -25)])
def test_known_values(event, seed, slope, log10):
    """Fixed seeds; with others, an interval at level 1e-3 would miss about once in a thousand."""
    X, y = planar(seed)
    truth = truth_of(seed, slope)
    width = truth.width_near(event, log10 * math.log(10))
    assert width is not None
    found = rare_event(X, y, width, slope, 0.2, event, seed=5, budget=160_000, level=1e-3)
    exact = truth.log(event, width)
    assert found.method == "splitting"
    assert found.log_lower <= exact <= found.log_upper
    assert found.log_estimate == pytest.approx(exact, abs=2)


def test_levels_of_the_score_are_used_and_right():
    """Eight features: one neuron more is too much for one level. Standard error of the difference: 0.08."""
    rng = np.random.default_rng(3)
    task = rare._Task(rng.standard_normal((8, 17)), np.zeros(17), 4, -0.3, 0.0, "rank")
    ladder = rare._pilot(task, rng, 400, 10**6)
    assert any(step.score is not None for step in ladder)
    logs = [rare._replicate(task, rng, ladder, 800)[0] for _ in range(8)]
    hits, doubtful = task.plain(rng, 80_000)
    assert doubtful == 0
    estimate = logsumexp(logs) - math.log(8)
    assert estimate == pytest.approx(math.log(hits / 80_000), abs=0.4)


def test_a_replicate_is_unbiased_even_with_few_particles():
    """The mean of 200 small replicates, five standard errors; a bias of a half would show."""
    X, y = planar(4)
    truth = Truth(X, y, 0.0, 0.2)
    task = rare._Task(X, y, 9, 0.0, 0.2, "first_order")
    rng = np.random.default_rng(0)
    ladder = rare._pilot(task, rng, 200, 10**6)
    assert any(step.unlikely < 0 for step in ladder)
    values = np.exp([rare._replicate(task, rng, ladder, 80)[0] for _ in range(200)])
    values /= math.exp(truth.log("first_order", 9))
    error = values.std() / math.sqrt(values.size)
    assert error < 0.1
    assert abs(values.mean() - 1) < 5 * error


def test_proven_lower():
    # One estimate, bet in full: the bound of Markov is Z level; the mixture of bets costs a little.
    assert math.log(0.05) - math.log(5) <= proven_lower([0.0], 0.05) <= math.log(0.05) + 1.0
    # Equal estimates: ever nearer to them.
    bounds = [proven_lower([-50.0] * count, 0.05) for count in (1, 4, 16, 64)]
    assert bounds == sorted(bounds)
    assert -50.1 < bounds[-1] < -50
    # An estimate of zero does not ruin the rest.
    assert -5 < proven_lower([-math.inf, 0.0, 0.0, 0.0], 0.05) < 0
    assert proven_lower([-math.inf] * 5, 0.05) == -math.inf
    # Scale.
    logs = [-1.0, -3.0, 0.5]
    assert proven_lower([log - 700 for log in logs], 0.01) == pytest.approx(proven_lower(logs, 0.01) - 700)


def test_proven_lower_has_its_level_for_heavy_tails():
    """Z = 100 with probability 1 %, or a log-normal: the bound exceeds the mean in at most 10 % of cases."""
    rng = np.random.default_rng(8)
    with np.errstate(divide="ignore"):
        sparse = np.log(100.0 * (rng.random((250, 8)) < 0.01))
    normal = 3 * rng.standard_normal((250, 8)) - 4.5
    for logs in (sparse, normal):
        assert np.mean([proven_lower(row, 0.1) > 0 for row in logs]) <= 0.16  # level 0.1 and three standard errors


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


def test_same_seed_same_result():
    X, y = planar(7)
    first, again, other = (rare_event(X, y, 25, 0.0, 0.2, "rank", seed=seed, budget=20_000) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.evidence is Evidence.STATISTICAL
    assert "not proven" in repr(first)
    assert "10^" in repr(dataclasses.replace(first, log_lower=-math.inf))


@pytest.mark.parametrize("event", EVENTS)
def test_the_fast_decision_agrees_with_regions(event):
    """Also with a zero sample, equal features and more features than samples."""
    rng = np.random.default_rng(9)
    shapes = [(3, 8, 3), (2, 7, 6), (9, 6, 1), (4, 8, 2)]
    for number, (d0, N, width) in enumerate(shapes):
        X = rng.standard_normal((d0, N))
        if number == 3:
            X[1], X[:, 2] = X[0], 0.0
        y = (rng.random(N) < 0.5).astype(float)
        W = rng.standard_normal((400, width, d0))
        for slope in (0.0, 0.3):
            task = rare._Task(X, y, width, slope, 0.2, event)
            happened, unclear = task.happened(W)
            assert not unclear.any()
            singly = [decided(W[item : item + 1], X, y, slope, 0.2, event).hits for item in range(400)]
            assert happened.tolist() == [bool(hit) for hit in singly]
            # What happens in the end was possible all along.
            for rows in range(max(1, task.free), width + 1):
                assert task.possible(W[happened, :rows]).all()


def test_moves_leave_the_normal_distribution():
    """Second moments of 40 000 moved layers, and their symmetry with the layers before; 5 standard errors."""
    rng = np.random.default_rng(10)
    for number, size in ((1, 1.0), (2, 0.25), (0, 0.5)):
        W = rng.standard_normal((40_000, 2, 3))
        V = rare._moved(rng, W, np.full(40_000, float(number)), np.full(40_000, size))
        flat = V.reshape(40_000, 6)
        assert np.abs(flat.T @ flat / 40_000 - np.eye(6)).max() < 5 * math.sqrt(2 / 40_000)
        across = np.einsum("bij,bik->jk", V, W) / 80_000
        assert np.abs(across - across.T).max() < 0.05


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
    ],
)
def test_bad_input(change, message):
    X, y = planar(11)
    arguments = {"X": X, "y": y, "width": 5, "slope": 0.0, "epsilon": 0.1} | change
    with pytest.raises(ValueError, match=message):
        rare_event(**arguments)
