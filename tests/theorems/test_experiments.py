"""The experiments of section 5: what is drawn, how the transition is located, and what is refused."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binomtest

from theorems.experiments import figure_5_1, figure_5_2, table_1, training_and_volumes
from theorems.experiments.figure_5_1 import Spot, transition
from theorems.experiments.runs import gaussian_runs
from verify.backends import get_backend
from verify.cli import main
from verify.datasets import Images
from verify.errors import InputError
from verify.experiments import Setup, Table
from verify.network.descent import Phase, Recipe
from verify.statistics.intervals import Interval
from verify.volume.result import Volume, Volumes


def quiet(line):
    """Takes progress and says nothing."""


def test_runs_are_the_same_for_the_same_seed_and_only_then():
    recipe = Recipe((Phase.constant(3, 0.01),))
    one, same, other = (gaussian_runs(np.random.default_rng(seed), 2, 4, 2, 9, recipe) for seed in (1, 1, 2))
    assert (one.mse == same.mse).all()
    assert (one.mse != other.mse).all()
    assert set(np.unique(one.y)) == {-1.0, 1.0}


def test_errors_of_runs_are_counted_sample_by_sample():
    runs = gaussian_runs(np.random.default_rng(3), 2, 3, 1, 7, None)
    for k in range(2):
        W, z = runs.network.hidden[0][k], runs.network.z[k]
        out = [sum(b * max(float(w @ x), 0.0) for w, b in zip(W, z, strict=True)) for x in runs.X[k].T]
        wrong = sum((value > 0) != (label > 0) for value, label in zip(out, runs.y[k], strict=True))
        assert runs.mce[k] == pytest.approx(wrong / 7)
        assert runs.mse[k] == pytest.approx(
            sum((value - label) ** 2 for value, label in zip(out, runs.y[k], strict=True)) / 7
        )


def test_the_transition_lies_between_what_was_shown():
    perfect = (0, 1, 9, 17, 27, 30)
    spots = [
        Spot(10, 1, size, (0.0,) * hits + (0.1,) * (30 - hits))
        for size, hits in zip((400, 200, 100, 70, 50, 33), perfect, strict=True)
    ]
    low, high = transition(spots, 0.01)
    shown = {
        spot.ratio: binomtest(hits, 30).proportion_ci(1 - 0.01 / 6, "exact")
        for spot, hits in zip(spots, perfect, strict=True)
    }
    assert low == max(ratio for ratio, interval in shown.items() if interval.high < 0.5)
    assert high == min(ratio for ratio, interval in shown.items() if interval.low > 0.5)
    assert (low, high) == (0.5, 2.0)
    assert transition(spots[2:4], 0.01) == (0.0, math.inf)


def test_ratios_are_met():
    for ratio in (0.3, 1.0, 3.0):
        for depth, parameters in ((1, 144), (2, 276)):
            assert parameters / figure_5_1.samples(12, depth, ratio) == pytest.approx(ratio, rel=0.02)


def test_certificates_hold_after_training_and_not_before():
    trained = gaussian_runs(np.random.default_rng(4), 2, 20, 1, 80, figure_5_2.schedule(400))
    assert all(map(figure_5_2._proved, figure_5_2.certificates(trained, 0.0)))
    starts = gaussian_runs(np.random.default_rng(4), 2, 20, 1, 80, None)
    assert not any(map(figure_5_2._proved, figure_5_2.certificates(starts, 0.0)))


def test_a_set_that_contradicts_itself_is_reported_so():
    rng = np.random.default_rng(5)
    X = np.repeat(rng.integers(0, 17, (30, 6)), 2, axis=0)
    images = Images("digits", X, np.tile([1, 8], 30))
    setup = Setup("small", 0, get_backend("numpy"), None, None, quiet)
    profile = table_1.Profile(None, Recipe((Phase.constant(5, 0.01),), batch=20))
    row, note = table_1._trained(images, profile, setup)
    assert row[:3] == ("digits", 60, 6)
    assert row[6] >= 30
    assert "30 images occur with both labels" in note


def test_a_set_without_contradiction_is_fitted_and_certified():
    rng = np.random.default_rng(6)
    classes = rng.integers(0, 10, 200)
    X = 8 + 4 * rng.standard_normal((10, 10))[classes] + 0.1 * rng.standard_normal((200, 10))
    setup = Setup("small", 0, get_backend("numpy"), None, None, quiet)
    profile = table_1.Profile(None, Recipe((Phase.constant(400, 0.01),), batch=50))
    row, note = table_1._trained(Images("digits", X, classes), profile, setup)
    assert (row[4], row[6], note) == (20, 0, "")
    assert row[-3] == "holds"


@pytest.mark.parametrize("content", [None, b"not the published file"])
def test_missing_and_damaged_sets_give_exit_code_2_before_training(tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "mnist").mkdir()
        (tmp_path / "mnist" / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(SystemExit) as stop:
        main(["experiment", "table-1", "--data-dir", str(tmp_path)])
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert ("SHA-256" if content else "none of the folders mnist") in err
    assert len(err.splitlines()) == 1


def small_images(name, count, features, classes=10):
    rng = np.random.default_rng(9)
    return Images(name, rng.integers(0, 256, (count, features), dtype=np.uint8), np.arange(count) % classes)


def setup_for(profile, folder, backend="numpy"):
    return Setup(profile, 0, get_backend(backend), folder, None, quiet)


@pytest.mark.parametrize(
    ("profile", "folders", "names"),
    [
        ("small", ["mnist", "imagenet-64"], ["digits", "mnist", "imagenet-64"]),
        ("small", ["cifar-10"], ["digits", "cifar-10"]),
        ("stand-in", ["mnist", "cifar-10"], ["imagenet-stand-in"]),
        ("stand-in", ["cifar-10", "imagenet-64"], ["imagenet-stand-in"]),
        ("full", ["cifar-10"], ["digits", "cifar-10", "imagenet-stand-in"]),
        ("full", ["cifar-10", "imagenet-64"], ["digits", "cifar-10", "imagenet-64"]),
        ("full", ["mnist"], ["digits", "mnist"]),
    ],
)
def test_the_stand_in_is_used_only_where_asked_for_and_imagenet_is_not_there(
    tmp_path, monkeypatch, profile, folders, names
):
    monkeypatch.setattr(table_1, "read_images", lambda name, folder: small_images(name, 8, 3072))
    monkeypatch.setattr(table_1, "read_imagenet", lambda folder, most, seed: small_images("imagenet-64", 8, 12288))
    for name in folders:
        (tmp_path / name).mkdir()
    found = table_1._sets(table_1._PROFILES[profile], setup_for(profile, tmp_path))
    assert [images.name for images in found] == names


def test_without_a_folder_only_digits_are_trained_on():
    assert [images.name for images in table_1._sets(table_1._PROFILES["small"], setup_for("small", None))] == ["digits"]
    with pytest.raises(InputError, match=r"stand-in.*expected --data-dir with a folder cifar-10"):
        table_1._sets(table_1._PROFILES["stand-in"], setup_for("stand-in", None))


@pytest.mark.parametrize("backend", ["numpy", "array-api-strict"])
def test_the_table_says_of_a_stand_in_that_it_is_one(tmp_path, monkeypatch, backend):
    """Few samples of few pixels in place of CIFAR-10, and tiles of one pixel each."""
    monkeypatch.setattr(table_1, "read_images", lambda name, folder: small_images(name, 240, 3072))
    whole = table_1.imagenet_stand_in

    def shrunk(images, seed):
        found = whole(images, seed)
        return Images(found.name, found.X[:, ::1024], found.classes, found.note)

    monkeypatch.setattr(table_1, "imagenet_stand_in", shrunk)
    monkeypatch.setattr(table_1, "whiten_tiles", table_1.whiten)
    short = table_1.Profile(None, Recipe((Phase.constant(3, 0.01),), batch=20), sets=False, stand_in=True)
    monkeypatch.setitem(table_1._PROFILES, "stand-in", short)
    (tmp_path / "cifar-10").mkdir()
    (table,) = table_1.STATEMENT.experiment.execute(setup_for("stand-in", tmp_path, backend))
    assert table.title == "A stand-in for ImageNet's shape"
    assert [row[:3] for row in table.rows] == [("imagenet-stand-in", 60, 12)]
    assert "STAND-IN, not ImageNet" in table.markdown()


@pytest.mark.parametrize(("classes", "ones"), [(10, range(5)), (2, range(1)), (100, range(50))])
def test_the_first_half_of_the_classes_has_label_one(monkeypatch, classes, ones):
    images, seen = small_images("digits", 200, 4, classes), []

    class Enough(Exception):
        """What follows takes longer, and is tested elsewhere."""

    def stop(found, positive):
        seen.append((found, positive))
        raise Enough

    monkeypatch.setattr(table_1, "binary", stop)
    with pytest.raises(Enough):
        table_1._trained(images, table_1._PROFILES["medium"], setup_for("medium", None))
    ((found, positive),) = seen
    assert (found == images.classes).all()
    assert positive == ones


def test_figures_at_length_make_their_tables(monkeypatch):
    tiny = ((4,), (0.5, 3.0), Recipe((Phase.constant(20, 0.02),)))
    monkeypatch.setitem(figure_5_1._PROFILES, "small", tiny)
    monkeypatch.setitem(figure_5_2._PROFILES, "small", figure_5_2.Profile((20,), 100))
    for module in (figure_5_1, figure_5_2):
        monkeypatch.setattr(module, "REPETITIONS", 3)
    said = []
    setup = Setup("small", 0, get_backend("numpy"), None, None, said.append)
    errors, located = figure_5_1.STATEMENT.experiment.execute(setup)
    assert [(row[0], row[2]) for row in errors.rows] == [(1, 32), (1, 5), (2, 56), (2, 9)]
    assert len(located.rows) == 2
    (ends,) = figure_5_2.STATEMENT.experiment.execute(setup)
    assert ends.rows[0][:2] == (20, 80)
    assert len(said) == 3
    # The pictures are those of the tables, also after a way through JSON.
    drawn = figure_5_1.STATEMENT.experiment.drawn(stored(errors, located))
    assert [series.label for series in drawn.series] == ["one hidden layer, d = 4", "two hidden layers, d = 4"]
    assert drawn.y_scale == "linear"
    for series, rows in zip(drawn.series, (errors.rows[:2], errors.rows[2:]), strict=True):
        assert series.x == tuple(row[3] for row in rows)
        assert np.exp(series.y) == pytest.approx([row[4] for row in rows])
        assert np.exp(series.upper) == pytest.approx([row[4] + row[5] for row in rows])
    drawn = figure_5_2.STATEMENT.experiment.drawn(stored(ends))
    least, middle, most = (float(part) for part in ends.rows[0][3].split(" · "))
    (margins, _) = drawn.series
    assert np.exp([margins.lower[0], margins.y[0], margins.upper[0]]) == pytest.approx([least, middle, most])


def test_ends_are_told_apart():
    """One neuron on two samples with label 1 on opposite sides: its minima fit one of them, and err on the other."""
    X, y, z = np.array([[1.0, -1.0], [0.1, 0.1]]), np.ones(2), np.ones(1)
    W, end, ends = np.array([[2.0, 0.0]]), training_and_volumes._end, training_and_volumes.End
    assert end(W, z, X, y, 0.0, 0.1) is ends.SUBOPTIMAL
    assert end(W, z, X, y, 0.0, 0.5) is ends.OTHER  # one error of two is few enough, but there is a residual
    assert end(W, z, X[:, :1], y[:1], 0.0, 0.1) is ends.GLOBAL


def test_pairs_are_one_answer_a_run():
    point = training_and_volumes._point(3)
    starts, ends = training_and_volumes._pairs(np.random.default_rng(7), point, get_backend("numpy"))
    assert len(starts) == len(ends) == training_and_volumes.RUNS
    tally = {"runs": 100, "ends only": 9, "starts only": 2, "ends perhaps": 1, "starts perhaps": 3}
    read = training_and_volumes._read(tally, point)
    assert (read.first, read.second, read.first_doubtful, read.second_doubtful) == (9, 2, 1, 3)
    again, _ = training_and_volumes._pairs(np.random.default_rng(7), point, get_backend("numpy"))
    assert starts == again
    assert 0 < sum(map(bool, starts)) < 100


@pytest.mark.parametrize("name", ["random", "teacher", "digits"])
def test_kinds_of_labels(name):
    point = training_and_volumes._point(2)
    X, y = training_and_volumes._KINDS[name](np.random.default_rng(8), point, 50)
    assert (X.shape, y.shape) == ((50, 2, 5), (50, 5))
    assert set(np.unique(y)) == {0.0, 1.0}
    assert 0.2 < X.std() < 2


def test_labels_and_volumes_at_length(monkeypatch):
    family = training_and_volumes.Sizes(4, 2, (3,), 1, 40, "exact", 1000)
    monkeypatch.setitem(training_and_volumes._PROFILES, "small", training_and_volumes.Profile((2,), 5, (family,)))
    table, each, groups = training_and_volumes.STATEMENT.experiment.execute(setup_for("small", None))
    assert [row[:2] for row in table.rows] == [("random", 2), ("teacher", 2), ("digits", 2)]
    assert [row[0] for row in each.rows] == [row[0] for row in groups.rows] == ["random", "teacher", "digits"]
    for row in each.rows:
        assert sum(row[7:10]) == 40
    drawn = training_and_volumes.STATEMENT.experiment.drawn(stored(table, each, groups))
    assert (drawn.x_scale, drawn.y_scale) == ("log", "log")
    diagonal = drawn.series[-1]
    assert diagonal.style == "dashed"
    assert diagonal.x == diagonal.y


def stored(*tables):
    return [Table.from_dict(json.loads(json.dumps(table.to_dict()))) for table in tables]


def test_volumes_of_one_data_set_are_those_of_the_suite_and_runs_are_all_counted():
    """Held against frequencies of 1500 normal starts, each classified by itself: within 5 standard deviations."""
    point = training_and_volumes._point(3, N=4)
    ((found,),) = [
        training_and_volumes.compare("random", point, 1, 30, 3, get_backend("numpy"), method="exact", budget=1000)
    ]
    ((X, y),) = training_and_volumes.data_sets("random", point, 1, 3)
    rng = np.random.default_rng(10)
    seen = [training_and_volumes.classify(rng.standard_normal((3, 2)), X, y, 0.1, 0.1) for _ in range(1500)]
    for name in ("suboptimal", "globalmin"):
        known = getattr(found.volumes, name).estimate
        share = sum(bool(getattr(one, name)) for one in seen) / 1500
        assert abs(share - known) <= 5 * math.sqrt(known * (1 - known) / 1500) + 1e-9  # false alarm below 1e-6
    assert sum(found.ends.values()) == 30
    assert math.exp(found.volume.estimate) == pytest.approx(
        found.volumes.suboptimal.estimate / found.volumes.globalmin.estimate
    )


def test_data_sets_have_both_labels_and_do_not_depend_on_the_width():
    for labels in ("random", "teacher", "digits"):
        narrow, wide = (
            training_and_volumes.data_sets(labels, training_and_volumes._point(width, N=4), 20, 0) for width in (2, 9)
        )
        assert all((one[0] == other[0]).all() for one, other in zip(narrow, wide, strict=True))
        assert all(set(y) == {0.0, 1.0} for _, y in narrow)


def test_quotients_of_runs_and_volumes_that_are_zero_or_infinite():
    ends = training_and_volumes.End
    nothing = Compared(ends, {}, -1.0, -math.inf)
    assert (nothing.training.lower, nothing.training.upper) == (-math.inf, math.inf)
    assert nothing.volume.estimate == math.inf
    some = Compared(ends, {ends.SUBOPTIMAL: 3}, -math.inf, -1.0)
    assert some.training.estimate == math.inf
    assert math.isfinite(some.training.lower)
    assert some.volume.estimate == -math.inf
    both = Compared(ends, {ends.SUBOPTIMAL: 3, ends.GLOBAL: 12}, -2.0, -1.0)
    assert both.training.estimate == pytest.approx(math.log(0.25))
    assert both.volume.estimate == pytest.approx(-1.0)
    shown = training_and_volumes.scatter([("random", one.volume, one.training) for one in (nothing, both)])
    assert [len(series.x) for series in shown.series] == [1, 2]


def Compared(ends, counts, log_suboptimal, log_globalmin):
    """One data set with these volumes and ends."""
    volumes = [Volume(value, value, value) for value in (-1.0, -1.0, -1.0, log_suboptimal, log_globalmin)]
    point = training_and_volumes._point(3, N=4)
    return training_and_volumes.Compared("random", 1, point, Volumes(*volumes), Counter(counts))


def test_what_was_shown_is_read_back():
    for log_ends in ((-3.0, -2.0, -1.0), (-math.inf, -math.inf, 1.5), (0.5, math.inf, math.inf)):
        again = training_and_volumes._read_shown(training_and_volumes._shown(Interval(*log_ends), ".3g"))
        assert np.exp([again.lower, again.estimate, again.upper]) == pytest.approx(np.exp(log_ends), rel=5e-3)


def test_a_network_that_cannot_say_yes_is_reported_so():
    out, y, pixels = np.array([-0.5, 0.0]), np.array([1.0, 0.0]), np.array([[1, 2], [3, 4]])
    note = table_1._reason("digits", pixels, y, out, 1, [1.0, 0.5])
    assert note == "digits: 1 samples are wrong, as no output is positive: no active neuron has a positive weight z_i."
    assert "no image occurs with both labels" in table_1._reason("digits", pixels, y, out + 1, 1, [1.0, 0.5])


def test_training_on_a_set_ends_where_nothing_is_wrong_at_the_end_of_an_epoch():
    setup = Setup("small", 0, get_backend("array-api-strict"), None, None, quiet)
    profile = table_1.Profile(None, Recipe((Phase.constant(300, 3e-3),), batch=250))
    row, _ = table_1._trained(table_1.digits(), profile, setup)
    assert (row[1], row[6]) == (1797, 0)
    assert row[9] < 300
