"""`verify.volumes`: the choice of a method, agreement between them, and what is refused."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

import verify
from verify import InputError
from verify.cli import cli
from verify.network.minima import classify
from verify.statistics.intervals import log_mean_lower
from verify.verdicts import Evidence
from verify.volume import angular
from verify.volume.exact import exact_volumes
from verify.volume.rare import RareEstimate
from verify.volume.result import EVENTS, Volume, Volumes
from verify.volume.sampled import Problem

SMALL = [[1.0, 0.5], [-1.0, 2.0], [0.3, -1.0], [2.0, -0.3]]
LABELS = [1, 0, 0, 1]


def data(N, d0, seed=0):
    rng = np.random.default_rng([N, d0, seed])
    return rng.standard_normal((N, d0)), (rng.permutation(N) < N // 2).astype(int)


def test_exact_is_chosen_for_small_sets_and_x_is_samples_by_features():
    found = verify.volumes(SMALL, LABELS, width=3, slope=0.1, epsilon=0.1)
    assert found.method == "exact"
    assert "8 cells" in found.reason
    direct = exact_volumes(np.array(SMALL).T, LABELS, 0.1, 0.1, 3)
    for name in EVENTS:
        assert getattr(found, name) == getattr(direct, name)
        assert getattr(found, name).evidence is Evidence.EXACT
    assert found.level == 0


def test_the_methods_agree():
    """Intervals at level 1e-7 each: they miss each other by chance with probability below 1e-5."""
    X, y = data(4, 2)
    exact, sample, rare = (
        verify.volumes(X, y, width=5, slope=0.1, method=method, level=1e-6, budget=10_000)
        for method in ("exact", "sample", "rare")
    )
    assert (exact.method, sample.method, rare.method) == ("exact", "sample", "rare")
    for name in EVENTS:
        truth = getattr(exact, name)
        for other in (getattr(sample, name), getattr(rare, name)):
            assert other.lower <= truth.upper
            assert truth.lower <= other.upper
    assert rare.suboptimal.upper <= rare.first_order.upper


def test_rare_minima_are_witnessed():
    """L_ε itself at 1e-7: its lower end comes from the layers that splitting kept. Misses with probability 1e-6."""
    X, y = data(5, 2)
    exact, rare = (
        verify.volumes(X, y, width=20, slope=0.1, method=method, level=1e-6, budget=budget)
        for method, budget in (("exact", 2000), ("rare", 80_000))
    )
    assert exact.suboptimal.evidence is Evidence.EXACT
    assert exact.suboptimal.log10 < -5
    assert rare.suboptimal.lower <= exact.suboptimal.upper
    assert exact.suboptimal.lower <= rare.suboptimal.upper
    assert rare.suboptimal.log_lower > exact.suboptimal.log_upper - 5
    assert "a minimum was sought" in rare.suboptimal.note


def test_minima_among_kept_layers_spend_half_of_their_level_at_the_lower_end():
    """Each replicate times the share of its layers with a minimum that errs, one region at a time by `classify`."""
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((2, 5)), np.array([1.0, 0.0, 1.0, 1.0, 0.0])
    problem = Problem(X, y, 2, 0.1, 0.1)
    layers = (*rng.standard_normal((5, 12, 2, 2)), np.empty((0, 2, 2)))
    logs = (*rng.normal(-30, 0.5, 5).tolist(), -math.inf)
    estimate = RareEstimate(-33.0, -30.0, -20.0, "splitting", 1000, 0.1, logs, layers=layers)
    shares = [
        np.mean([bool(classify(W, X, y, 0.1, 0.1).suboptimal) for W in part]) if len(part) else 0 for part in layers
    ]
    assert 0 < max(shares) < 1
    with np.errstate(divide="ignore"):
        seen = [log + np.log(share) for log, share in zip(logs, shares, strict=True)]
    found = angular._within(problem, estimate, Volume(-math.inf, -math.inf, -7.0, Evidence.STATISTICAL), 0.1)
    assert found.log_lower == pytest.approx(log_mean_lower(seen, 0.05))
    assert found.log_estimate == pytest.approx(math.log(np.mean(np.exp(seen))))
    assert found.log_upper == -20.0  # what contains it
    # Plain samples may say more from above, and nothing was kept where nothing was reached.
    assert angular._within(problem, estimate, Volume(-90.0, -45.0, -40.0), 0.1).log_upper == -40.0
    empty = RareEstimate(-math.inf, -math.inf, -9.0, "unreached", 1000, 0.1)
    found = angular._within(problem, empty, Volume(-math.inf, -8.0, -7.0), 0.1)
    assert (found.log_lower, found.log_estimate, found.log_upper) == (-math.inf, -9.0, -9.0)


@pytest.mark.parametrize(("N", "d0", "width"), [(100, 1000, 10**6), (10**5, 1, 1)])
def test_what_one_region_would_not_fit_in_is_refused(N, d0, width):
    X = np.broadcast_to(np.ones(1), (d0, N))
    with pytest.raises(InputError, match=f"one region of {N} samples, {d0} features and width {width} needs"):
        angular._require_memory(Problem(X, np.ones(N), width, 0.0, 0.1))
    angular._require_memory(Problem(X[:, :50], np.ones(50), 10, 0.0, 0.1))


def test_rare_is_chosen_where_the_pilot_saw_little():
    X, y = data(14, 6)
    found = verify.volumes(X, y, width=6, slope=0.1, budget=20_000)
    assert found.method == "rare"
    assert "pilot regions" in found.reason
    assert "not exact: 14 samples in 6 dimensions" in found.reason
    assert found.first_order.lower <= found.support.upper
    assert found.globalmin.lower > 0.5
    assert set(found.facts["evaluations"]) <= {"rank", "support", "first_order"}


def test_sample_is_chosen_where_events_are_common():
    X, y = data(20, 6)
    found = verify.volumes(X, y, width=3, slope=0.0, budget=2000)
    assert found.method == "sample"
    assert "every event is common" in found.reason
    assert found.rank.lower > 0.9


def test_same_seed_same_result_and_workers_do_not_matter():
    X, y = data(14, 6)
    one, two, other = (
        verify.volumes(X, y, width=5, method="rare", seed=seed, budget=4000, workers=workers)
        for seed, workers in ((3, 1), (3, 2), (4, 1))
    )
    assert one == two
    assert one != other


def test_a_wide_bracket_is_narrowed_by_sampling():
    X, y = data(4, 3)
    proved = exact_volumes(X.T, y, 0.0, 0.1, 4, box_limit=1000).globalmin
    found = verify.volumes(X, y, width=4, slope=0.0, method="exact", budget=1000)
    assert proved.upper - proved.lower > 0.2
    assert proved.lower <= found.globalmin.lower <= found.globalmin.upper <= proved.upper
    assert found.globalmin.upper - found.globalmin.lower < 0.1
    assert found.globalmin.evidence is Evidence.STATISTICAL
    assert "proved: [" in found.globalmin.note
    assert found.level == 0.01
    # An interval that has missed is not used.
    apart = Volume(-9.0, -8.0, -7.0, Evidence.STATISTICAL)
    assert angular._narrowed(Volume(-2.0, -1.0, 0.0), apart) == Volume(-2.0, -1.0, 0.0)


def test_ties_are_taken_as_they_are_and_said():
    X = [[1.0, 2.0], [-2.0, -4.0], [1.0, 2.0], [0.5, -1.0]]
    found = verify.volumes(X, [1, 0, 1, 0], width=3, slope=0.1)
    assert found.method == "exact"
    assert "2 of 4 samples are multiples of another" in found.reason
    assert "samples 0 and 1" in found.reason
    sampled = verify.volumes(X, [1, 0, 1, 0], width=3, slope=0.1, method="sample", level=1e-6, budget=4000)
    for name in EVENTS:
        assert getattr(sampled, name).lower <= getattr(found, name).upper
        assert getattr(found, name).lower <= getattr(sampled, name).upper


def test_dependent_samples_go_to_sampling():
    X = [[1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 2, 3]]
    found = verify.volumes(X, [1, 0, 1, 0, 1], width=2, slope=0.1, budget=2000)
    assert found.method in ("sample", "rare")
    assert "not exact" in found.reason
    with pytest.raises(InputError, match="sample"):
        verify.volumes(X, [1, 0, 1, 0, 1], width=2, slope=0.1, method="exact")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width 0"),
        ({"width": 2.5}, "width 2.5"),
        ({"width": True}, "width True"),
        ({"slope": 1.0}, "slope 1"),
        ({"slope": math.nan}, "slope nan"),
        ({"slope": "0.1"}, "slope '0.1'"),
        ({"epsilon": 1.0}, "epsilon 1"),
        ({"epsilon": -0.1}, "epsilon -0.1"),
        ({"method": "fast"}, "one of auto, exact, sample, rare"),
        ({"seed": -1}, "seed -1"),
        ({"budget": 10}, "budget 10"),
        ({"level": 0.0}, "level 0"),
        ({"workers": 0}, "0 workers"),
        ({"y": [1, 0, 2, 1]}, "only 0 and 1"),
        ({"y": [1, 0, 1]}, "one label for each row"),
        ({"y": ["a", "b", "a", "b"]}, "expected real numbers"),
        ({"X": [1.0, 2.0, 3.0, 4.0]}, "samples × features"),
        ({"X": [[1.0, 2.0], [3.0]]}, "X is no array"),
        ({"X": [[1.0, math.inf], [0.3, 1.0], [1.0, 2.0], [2.0, 1.0]]}, "NaN or infinite"),
        ({"X": [[1.0, 2.0], [0.0, 0.0], [1.0, 3.0], [2.0, 1.0]]}, "sample 1 is zero"),
        ({"X": [[1j, 2.0], [0.0, 1.0], [1.0, 3.0], [2.0, 1.0]]}, "expected real numbers"),
    ],
)
def test_what_cannot_be_used_is_refused(change, message):
    arguments = {"X": SMALL, "y": LABELS, "width": 2} | change
    with pytest.raises(InputError, match=message):
        verify.volumes(arguments.pop("X"), arguments.pop("y"), **arguments)


def test_what_would_not_fit_is_refused_before_the_work():
    X, y = data(60, 20)
    with pytest.raises(InputError, match="'sample'"):
        verify.volumes(X, y, width=3, method="exact")
    wide = np.ones((30_000, 2)) + np.arange(30_000)[:, None] * [0.0, 1.0]
    with pytest.raises(InputError, match=r"GiB.*fewer samples"):
        verify.volumes(wide, np.zeros(30_000), width=3, method="sample")


def test_dictionary_and_repr():
    found = verify.volumes(SMALL, LABELS, width=200, slope=0.1, epsilon=0.1)
    told = json.loads(json.dumps(found.to_dict()))
    assert told["rank"]["estimate"] == found.rank.estimate
    assert told["rank"]["log10"] == found.rank.log10 < -20
    assert (told["method"], told["width"], told["N"], told["d0"]) == ("exact", 200, 4, 2)
    lines = repr(found).splitlines()
    assert lines[0] == "Volumes(N = 4, d0 = 2, width = 200, method = 'exact')"
    assert all(any(line.strip().startswith(name) for line in lines) for name in EVENTS)
    nothing = Volume(-math.inf, -math.inf, -math.inf)
    assert str(nothing) == "0 (exact)"
    assert nothing.to_dict()["log10"] is None
    deep = Volume(-2000.5, -2000.0, -1999.0, Evidence.STATISTICAL)
    assert str(deep) == "2.58e-869 in [1.56e-869, 7e-869] (statistical)"
    assert (deep.lower, deep.digits) == (0.0, 0)
    assert isinstance(found, Volumes)


def test_the_command(tmp_path):
    file = tmp_path / "data.npz"
    np.savez(file, X=SMALL, y=LABELS)
    shown = CliRunner().invoke(cli, ["volumes", str(file), "--width", "3", "--slope", "0.1", "--workers", "1"])
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith("Volumes(N = 4, d0 = 2, width = 3, method = 'exact'")
    told = CliRunner().invoke(cli, ["volumes", str(file), "--width", "3", "--slope", "0.1", "--json"])
    assert json.loads(told.output)["rank"]["evidence"] == "exact"
    for arguments in (["--width", "0"], ["--width", "3", "--method", "fast"]):
        with pytest.raises(InputError):
            CliRunner().invoke(cli, ["volumes", str(file), *arguments], catch_exceptions=False)


@pytest.mark.parametrize("method", ["exact", "sample", "rare"])
def test_a_common_factor_changes_nothing_however_large_or_small(method):
    X, y = [[1, 2], [3, -1], [-2, 1], [0, 3]], [0, 1, 1, 0]
    budget = None if method == "exact" else 1000
    plain = verify.volumes(X, y, width=2, slope=0.1, method=method, seed=1, budget=budget)
    for factor in (1e-300, 1e150, 5e-324, 4e307):
        found = verify.volumes(np.array(X) * factor, y, width=2, slope=0.1, method=method, seed=1, budget=budget)
        for event in ("rank", "support", "first_order", "suboptimal", "globalmin"):
            one, other = getattr(plain, event), getattr(found, event)
            assert one.log_lower == pytest.approx(other.log_lower, rel=1e-9)
            assert one.log_upper == pytest.approx(other.log_upper, rel=1e-9)


def test_entries_that_no_factor_brings_together_are_refused():
    with pytest.raises(InputError, match="comparable size"):
        verify.volumes([[1e300, 1e-300], [1e300, 2e300]], [0, 1], width=2)


@pytest.mark.parametrize("method", ["sample", "rare"])
def test_samples_that_are_nearly_equal_leave_regions_undecided(method):
    """Equal but for the last digits: whether they count as one decides how far the kernel reaches."""
    X, y = np.array([[1.0, 2.0], [1.0, 2.0], [-2.0, 1.0]]), [0, 1, 1]
    equal = verify.volumes(X, y, width=1, slope=0.1, method=method, seed=1, budget=1000)
    assert equal.rank.lower > 0.9
    X[1] += [1e-13, -1e-13]
    near = verify.volumes(X, y, width=1, slope=0.1, method=method, seed=1, budget=1000)
    assert near.rank.lower > 0.9  # three samples, two features: there is a kernel in any case
    assert near.support.lower < 0.1
    assert near.support.upper > 0.9
