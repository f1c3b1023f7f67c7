"""Training by gradients: against differences, against scalar formulas, and going on where it stopped."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.backends import get_backend
from verify.errors import InputError
from verify.network.descent import Network, Phase, Recipe, descend, free_parameters, gradient, he, outputs

SHORT = Recipe((Phase.constant(6, 0.05),))


def instance(seed=0, networks=3, sizes=(4, 3), samples=7):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((networks, sizes[0], samples)), rng.integers(0, 2, (networks, samples)) * 1.0
    return he(rng, networks, sizes, 0.1), X, y


def one_output(parts, x, slope):
    """The network at one sample, neuron by neuron."""
    values = list(x)
    for layer in parts[:-1]:
        inputs = [sum(w * v for w, v in zip(row, values, strict=True)) for row in layer]
        values = [u if u > 0 else slope * u for u in inputs]
    return sum(w * v for w, v in zip(parts[-1], values, strict=True))


def loss(parts, X, y, slope):
    return sum((one_output(parts, x, slope) - label) ** 2 for x, label in zip(X.T, y, strict=True)) / len(y)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2), (3, 2, 3, 2)])
@pytest.mark.parametrize("slope", [0.0, 0.1, -0.5, 2.0])
def test_the_gradient_is_that_of_the_loss(sizes, slope):
    network, X, y = instance(1, 2, sizes)
    found, out = gradient(network, X, y, slope)
    step = 1e-6
    for b in range(2):
        parts = [part[b].copy() for part in network.parts]
        assert out[b] == pytest.approx([one_output(parts, x, slope) for x in X[b].T], abs=1e-12)
        for part, slopes in zip(parts, found.parts, strict=True):
            for place in np.ndindex(part.shape):
                kept, ends = part[place], []
                for move in (step, -step):
                    part[place] = kept + move
                    ends.append(loss(parts, X[b], y[b], slope))
                part[place] = kept
                assert slopes[b][place] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


def scalar_adam(parts, gradients, step, beta1=0.9, beta2=0.999, floor=1e-8):
    """The algorithm as it is printed in Kingma & Ba 2015, for one list of numbers."""
    m, v = [0.0] * len(parts), [0.0] * len(parts)
    t = 0

    def update(parts):
        nonlocal t
        t += 1
        g = gradients(parts)
        new = []
        for k, theta in enumerate(parts):
            m[k] = beta1 * m[k] + (1 - beta1) * g[k]
            v[k] = beta2 * v[k] + (1 - beta2) * g[k] ** 2
            new.append(theta - step * (m[k] / (1 - beta1**t)) / (math.sqrt(v[k] / (1 - beta2**t)) + floor))
        return new

    return update


@pytest.mark.parametrize("method", ["adam", "sgd"])
def test_updates_are_those_of_the_scalar_algorithm(method):
    network, X, y = instance(2, 1)
    shapes = [part[0].shape for part in network.parts]
    cuts = np.cumsum([math.prod(shape) for shape in shapes])[:-1]

    def whole(numbers):
        return [part.reshape(1, *shape) for part, shape in zip(np.split(np.array(numbers), cuts), shapes, strict=True)]

    def gradients(numbers):
        return np.concatenate([part.ravel() for part in gradient(Network.of(whole(numbers)), X, y, 0.1)[0].parts])

    numbers = np.concatenate([part.ravel() for part in network.parts]).tolist()
    if method == "adam":
        update = scalar_adam(numbers, gradients, 0.05)
        for _ in range(6):
            numbers = update(numbers)
    else:
        move = np.zeros(len(numbers))
        for _ in range(6):
            move = 0.8 * move - 0.05 * gradients(numbers)
            numbers = (np.array(numbers) + move).tolist()
    end = descend(network, X, y, Recipe(SHORT.phases, method, momentum=0.8), 0.1).network
    for part, expected in zip(end.parts, whole(numbers), strict=True):
        assert part == pytest.approx(expected, rel=1e-10, abs=1e-13)


def test_networks_do_not_see_each_other():
    network, X, y = instance(3, 4, (4, 3, 3))
    together = descend(network, X, y, SHORT, 0.1).network
    for b in range(4):
        alone = descend(Network.of([part[b : b + 1] for part in network.parts]), X[b], y[b], SHORT, 0.1).network
        for part, expected in zip(together.parts, alone.parts, strict=True):
            assert part[b] == pytest.approx(expected[0], rel=1e-10, abs=1e-13)


def test_a_mini_batch_epoch_sees_every_sample_once():
    """One step of gradient descent on each sample is, to first order in the step, one step on all with their sum."""
    network, X, y = instance(4, 2)
    small = 1e-7
    many = descend(network, X, y, Recipe((Phase.constant(1, small),), "sgd", batch=1), 0.1).network
    whole, _ = gradient(network, X, y, 0.1)
    for part, start, slopes in zip(many.parts, network.parts, whole.parts, strict=True):
        assert (start - part) / small / 7 == pytest.approx(slopes, abs=1e-4)


@pytest.mark.parametrize("batch", [None, 3])
def test_needs_no_more_than_the_array_standard(batch):
    network, X, y = instance(5, 2, (4, 3, 2))
    recipe = Recipe(SHORT.phases, batch=batch)
    seen = []
    strict = descend(network, X, y, recipe, 0.1, backend=get_backend("array-api-strict"), watch=seen.append)
    plain = descend(network, X, y, recipe, 0.1)
    for one, other in zip(strict.network.parts, plain.network.parts, strict=True):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12)
    assert len(seen) == 6
    assert isinstance(seen[0].loss, np.ndarray)


def test_single_precision_stays_single():
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((4, 9)).astype(np.float32), np.ones(9, dtype=np.float32)
    for method in ("adam", "sgd"):
        start = he(rng, 2, (4, 3), 0.0, np.float32)
        end = descend(start, X, y, Recipe(SHORT.phases, method), 0.0)
        assert {part.dtype for part in end.network.parts} == {np.dtype(np.float32)}


def test_watching_tells_loss_and_errors_and_can_end_it():
    network, X, y = instance(7)
    seen = []
    end = descend(network, X, y, SHORT, 0.1, watch=lambda now: (seen.append(now), now.epoch == 4)[1])
    assert [now.epoch for now in seen] == [1, 2, 3, 4]
    assert end.epoch == 4
    out = outputs(network, X, 0.1)
    assert seen[0].loss == pytest.approx(((out - y) ** 2).mean(axis=1))
    assert seen[0].mce == pytest.approx(((out > 0.5) != (y > 0.5)).mean(axis=1))
    assert seen[3].loss.mean() < seen[0].loss.mean()


@pytest.mark.parametrize(("method", "batch"), [("adam", None), ("adam", 3), ("sgd", 3)])
def test_going_on_from_a_checkpoint_is_never_having_stopped(tmp_path, method, batch):
    network, X, y = instance(8)
    recipe = Recipe((Phase.constant(4, 0.05), Phase(5, 0.05, 1e-3)), method, batch=batch, momentum=0.5)
    whole = descend(network, X, y, recipe, 0.1, seed=3)
    file = tmp_path / "state.npz"
    stopped = descend(network, X, y, recipe, 0.1, seed=3, checkpoint=file, every=2, watch=lambda now: now.epoch == 5)
    assert stopped.epoch == 5
    resumed = descend(network, X, y, recipe, 0.1, seed=3, checkpoint=file)
    assert resumed.epoch == whole.epoch == 9
    for one, other in zip(resumed.network.parts, whole.network.parts, strict=True):
        assert (one == other).all()
    assert not list(tmp_path.glob("*.part"))


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    network, X, y = instance(9)
    file = tmp_path / "state.npz"
    descend(network, X, y, SHORT, 0.1, checkpoint=file)
    with pytest.raises(InputError, match="belongs to"):
        descend(network, X, y, SHORT, 0.2, checkpoint=file)
    wide, _, _ = instance(9, sizes=(4, 5))
    with pytest.raises(InputError, match="has arrays"):
        descend(wide, X, y, SHORT, 0.1, checkpoint=file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read"):
        descend(network, X, y, SHORT, 0.1, checkpoint=file)


def test_steps_follow_the_schedule():
    recipe = Recipe((Phase.constant(3, 0.1), Phase(5, 0.1, 1e-5)))
    assert [recipe.step(epoch) for epoch in range(8)] == pytest.approx([0.1] * 4 + [1e-2, 1e-3, 1e-4, 1e-5])
    with pytest.raises(ValueError, match="8 epochs; epoch 8"):
        recipe.step(8)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.integers(0, 2**32 - 1))
def test_rescaling_hidden_units_changes_nothing_and_is_not_counted(sizes, seed):
    rng = np.random.default_rng(seed)
    network, X = he(rng, 1, sizes, 0.3), rng.standard_normal((sizes[0], 5))
    scales = [rng.uniform(0.5, 2, width) for width in sizes[1:]]
    parts, before = [], np.ones(sizes[0])
    for layer, scale in zip(network.hidden, scales, strict=True):
        parts.append(layer * scale[:, None] / before)
        before = scale
    moved = Network.of([*parts, network.z / before])
    assert outputs(moved, X, 0.3) == pytest.approx(outputs(network, X, 0.3), rel=1e-9, abs=1e-12)
    weights = sum(part[0].size for part in network.parts)
    assert free_parameters(sizes) == weights - sum(scale.size for scale in scales)


def test_starts_keep_the_size_of_what_passes_through():
    """Mean of 4000 networks' squares: relative standard deviation below 0.05, and 5 of those are allowed."""
    rng = np.random.default_rng(10)
    for slope in (0.0, 0.5):
        network = he(rng, 4000, (30, 20, 10), slope)
        squares = outputs(network, rng.standard_normal((4000, 30, 1)), slope) ** 2
        assert squares.mean() == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slope": 1}, "slope 1"),
        ({"X": np.zeros((5, 7))}, r"X has shape \(5, 7\)"),
        ({"y": np.zeros(6)}, r"y has shape \(6,\)"),
        ({"X": np.full((4, 7), np.nan)}, "X has NaN"),
        ({"recipe": Recipe(SHORT.phases, batch=8)}, "mini-batches of 8"),
        ({"start": Network((np.zeros((3, 2, 4)),), np.zeros((3, 3)))}, "layers of shapes"),
    ],
)
def test_what_cannot_be_used_is_refused(change, message):
    network, X, y = instance(11)
    given_ = {"start": network, "X": X, "y": y, "recipe": SHORT, "slope": 0.1} | change
    with pytest.raises(InputError, match=message):
        descend(**given_)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recipe(()), "no phase"),
        (lambda: Recipe(SHORT.phases, "newton"), "method 'newton'"),
        (lambda: Recipe(SHORT.phases, batch=0), "mini-batches of 0"),
        (lambda: Recipe(SHORT.phases, momentum=1.0), "momentum 1.0"),
        (lambda: Recipe(SHORT.phases, floor=0.0), "floor 0.0"),
        (lambda: Phase(0, 0.1, 0.1), "0 epochs"),
        (lambda: Phase(1, 0.0, 0.1), "steps from 0.0"),
        (lambda: he(np.random.default_rng(), 0, (2, 2), 0.0), "0 networks"),
    ],
)
def test_recipes_check_themselves(make, message):
    with pytest.raises(ValueError, match=message):
        make()
