"""Sampled volumes against exact ones, their brackets, and their independence of how they were computed."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest

from verify.network import oracle
from verify.verdicts import Evidence
from verify.volume import sampled
from verify.volume.exact import exact_volumes
from verify.volume.result import EVENTS
from verify.volume.sampled import Problem, pilot, sampled_volumes


def problem(N, d0, width, slope, epsilon=0.1):
    rng = np.random.default_rng([N, d0])
    return Problem(rng.standard_normal((d0, N)), (rng.permutation(N) < N // 2).astype(float), width, slope, epsilon)


@pytest.mark.parametrize(("N", "d0", "width", "slope"), [(5, 2, 3, 0.1), (4, 3, 2, 0.0), (4, 1, 3, -0.5)])
def test_against_exact_volumes(N, d0, width, slope):
    """Each call misses by chance with probability below 3e-7; the intervals resolve a third of most values."""
    given = problem(N, d0, width, slope)
    found = sampled_volumes(given, seed=3, budget=6000, level=3e-7)
    exact = exact_volumes(given.X, given.y, slope, 0.1, width)
    for name in EVENTS:
        one, truth = getattr(found, name), getattr(exact, name)
        assert one.evidence is Evidence.STATISTICAL
        assert one.log_lower <= truth.log_upper
        assert truth.log_lower <= one.log_upper
        assert one.upper - one.lower < 0.3
    assert found.rank.estimate == pytest.approx(exact.rank.estimate, abs=0.05)


def test_the_five_intervals_share_the_level():
    """Each is SciPy's exact interval of its own counts at a fifth of the level."""
    found = sampled_volumes(problem(4, 3, 2, 0.0), seed=3, budget=600, level=0.05)
    for name in EVENTS[:3]:
        one = getattr(found, name)
        hits = round(one.estimate * 600)
        assert 0 < hits < 600
        other = binomtest(hits, 600).proportion_ci(0.99, method="exact")
        assert one.lower == pytest.approx(other.low, rel=1e-9)
        assert one.upper == pytest.approx(other.high, rel=1e-9)
    trials = found.facts["searched"]["globalmin"]
    hits = round(found.globalmin.estimate * trials)
    assert not found.globalmin.note
    assert found.globalmin.lower == pytest.approx(binomtest(hits, trials).proportion_ci(0.99, method="exact").low)


def test_same_seed_same_result_whatever_the_workers():
    given = problem(6, 2, 4, 0.1)
    alone, together, again, other = (
        sampled_volumes(given, seed=seed, budget=3000, workers=workers)
        for seed, workers in ((0, 1), (0, 2), (0, 1), (1, 1))
    )
    assert alone == together == again
    assert alone != other
    assert sampled_volumes(given, seed=0, budget=3000, before=pilot(given, 0)) == alone


def test_unknown_regions_widen_the_bracket(monkeypatch):
    """Where no search comes to an answer, the volume lies between nothing and all that was asked."""
    given = problem(6, 3, 4, 0.1)
    sure = sampled_volumes(given, budget=3000)

    search = oracle.find_minimum
    monkeypatch.setattr(
        oracle,
        "find_minimum",
        lambda *args, **rest: replace(search(*args, **rest), contains_minimum=None, witness=None),
    )
    doubtful = sampled_volumes(given, budget=3000)
    assert doubtful.globalmin.lower == 0
    assert doubtful.globalmin.upper > sure.globalmin.upper
    assert "0 witnessed" in doubtful.globalmin.note
    assert "undecided of" in repr(doubtful)
    assert doubtful.first_order == sure.first_order


def test_searches_are_bounded_and_fixed_beforehand():
    given = problem(6, 2, 4, 0.1)
    found = sampled_volumes(given, budget=5000)
    first = pilot(given, 0)
    assert first.trials == sampled.PILOT
    limit = 500  # a tenth of the budget
    for name, hits in (("suboptimal", first.first_order), ("globalmin", first.fits)):
        assert found.facts["searched"][name] == min(5000, math.ceil(limit * 1000 / (1 + hits)))


@pytest.mark.parametrize(("N", "width", "searches"), [(2, 3, 2000), (7, 10, 2000), (20, 15, 466), (100, 100, 100)])
def test_large_networks_are_searched_less(N, width, searches):
    """Of 20 000 regions a tenth up to `N d1 = 70`, then in inverse proportion, a two hundredth at least."""
    assert sampled._searches(Problem(np.ones((2, N)), np.ones(N), width, 0.1, 0.1), 20_000) == searches


def test_the_pilot_counts_regions():
    """As many samples as features and all neurons in play: every rank is full, and every label fitted."""
    first = pilot(problem(3, 4, 2, 0.1), 0)
    assert first == sampled.Pilot(sampled.PILOT, rank=0, support=0, first_order=0, fits=sampled.PILOT)
    # One neuron that is off at a sample with probability one half: then the sample keeps its label as residual.
    alone = Problem(np.ones((1, 1)), np.ones(1), 1, 0.0, 0.1)
    first = pilot(alone, 0)
    assert first.rank == first.support == first.first_order == sampled.PILOT - first.fits
    assert 400 < first.rank < 600  # except with probability 1e-10


def test_chunks_bound_the_memory():
    for N, d0, width in ((2000, 3, 2), (3, 2000, 2000), (3, 2, 10**6)):
        given = Problem(np.ones((d0, N)), np.ones(N), width, 0.0, 0.1)
        assert given.chunk * max(N * N, N * width, d0 * width) <= max(2**21, N * N, N * width, d0 * width)
        assert sum(sampled._sizes(given, 100)) == 100
