"""Training as in practice: Adam or gradient descent on the mean squared error, any depth, many networks at once.

`training` has a second-order method for one hidden layer; this is what section 5 of Soudry & Hoffer 2017 trains with.
A network has leaky ReLU layers without biases and one linear output. All arrays carry a batch axis first, one entry a
network; inputs and labels may lack it, one data set under all networks. The same seed, on the same backend, gives the
same weights, also where a run was stopped and went on from its checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from verify.backends import Backend, get_backend
from verify.errors import InputError
from verify.network import checkpoints

Array = Any
FloatArray = NDArray[np.floating[Any]]
Method = Literal["adam", "sgd"]


@dataclass(frozen=True)
class Network:
    """Networks of one shape.

    Attributes:
        hidden: layers from the inputs on, each `(B, width, width before)`.
        z: last layers, `(B, last width)`.
    """

    hidden: tuple[Array, ...]
    z: Array

    @property
    def parts(self) -> tuple[Array, ...]:
        """All weights, layer by layer."""
        return (*self.hidden, self.z)

    @classmethod
    def of(cls, parts: Sequence[Array]) -> Network:
        """From all weights, layer by layer."""
        return cls(tuple(parts[:-1]), parts[-1])


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs whose step goes from `first` to `last`, by the same factor each epoch.

    Raises:
        ValueError: at construction, for no epoch, or a step that is not positive and finite.
    """

    epochs: int
    first: float
    last: float

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"got a phase of {self.epochs} epochs; expected at least 1")
        if not (0 < self.first < math.inf and 0 < self.last < math.inf):
            raise ValueError(f"got steps from {self.first} to {self.last}; expected positive finite numbers")

    @classmethod
    def constant(cls, epochs: int, step: float) -> Phase:
        """The same step in every epoch."""
        return cls(epochs, step, step)

    def step(self, epoch: int) -> float:
        """The step in an epoch, counted from 0 at the start of the phase."""
        return self.first * math.exp(epoch / max(1, self.epochs - 1) * math.log(self.last / self.first))


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        phases: step schedules, one after the other.
        method: `adam` (Kingma & Ba 2015), or `sgd`, gradient descent with momentum.
        batch: samples of a mini-batch, drawn without replacement in each epoch; None for all at once.
        momentum: for `sgd`, the share of the last move that is kept.
        beta1: for `adam`, the share of the mean gradient that is kept.
        beta2: for `adam`, the share of the mean square that is kept.
        floor: for `adam`, added to the root of the mean square.

    Raises:
        ValueError: at construction, for no phase, an unknown method, or a number outside its domain.
    """

    phases: tuple[Phase, ...]
    method: Method = "adam"
    batch: int | None = None
    momentum: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    floor: float = 1e-8

    def __post_init__(self) -> None:
        if not self.phases:
            raise ValueError("got no phase; expected at least one")
        if self.method not in get_args(Method):
            raise ValueError(f"got method {self.method!r}; expected one of {', '.join(get_args(Method))}")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"got mini-batches of {self.batch}; expected at least 1, or None for all samples")
        for name in ("momentum", "beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"got {name} {getattr(self, name)}; expected a number from 0 to below 1")
        if not 0 < self.floor < math.inf:
            raise ValueError(f"got floor {self.floor}; expected a positive finite number")

    @property
    def epochs(self) -> int:
        """Epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def step(self, epoch: int) -> float:
        """The step in an epoch, counted from 0."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase.step(epoch)
            epoch -= phase.epochs
        raise ValueError(f"the recipe has {self.epochs} epochs; epoch {epoch + self.epochs} was asked for")


@dataclass(frozen=True)
class State:
    """Networks on their way: all that the next epoch depends on.

    Attributes:
        network: the weights.
        moments: running means of the gradients, or for `sgd` the last moves; shapes of `network.parts`.
        squares: running means of their squares; empty for `sgd`.
        epoch: epochs done.
        updates: updates done.
    """

    network: Network
    moments: tuple[Array, ...]
    squares: tuple[Array, ...]
    epoch: int = 0
    updates: int = 0


@dataclass(frozen=True)
class Seen:
    """One epoch, for those who watch: each batch counts as it was before the update made from it.

    Attributes:
        epoch: epochs done, this one included.
        step: its step.
        loss: mean squared errors, `(B,)`.
        mce: fractions of samples on the wrong side of the threshold, `(B,)`.
        network: the weights after the epoch, arrays of the backend.
    """

    epoch: int
    step: float
    loss: FloatArray
    mce: FloatArray
    network: Network


def free_parameters(sizes: Sequence[int]) -> int:
    """Weights of a network less one for each hidden unit: `(c w, z/c)` is the same function for every c > 0.

    Args:
        sizes: `d0, d1, …, dL`; the one output is not among them. `d0 d1` for one hidden layer.
    """
    return sum(before * width for before, width in pairwise(sizes)) + sizes[-1] - sum(sizes[1:])


def he(
    rng: np.random.Generator,
    networks: int,
    sizes: Sequence[int],
    slope: float,
    dtype: type[np.floating[Any]] = np.float64,
) -> Network:
    """Starts after He et al. 2015: normal weights, of variance `2/((1 + ρ²) n)` after a leaky ReLU layer of n units.

    The first layer, whose inputs are not rectified, has variance `1/d0`.

    Args:
        rng: where the numbers come from.
        networks: how many.
        sizes: `d0, d1, …, dL`.
        slope: slope ρ on the negative side.
        dtype: of the weights.

    Raises:
        ValueError: for no network, no hidden layer, or a size below 1.
    """
    if networks < 1 or len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(
            f"got {networks} networks of sizes {tuple(sizes)}; expected d0, d1, … and at least one network"
        )
    scales = [1 / math.sqrt(sizes[0]), *(math.sqrt(2 / (1 + slope**2) / width) for width in sizes[1:])]
    shapes = [(networks, after, before) for before, after in pairwise(sizes)]
    parts = [
        rng.standard_normal(shape) * scale
        for shape, scale in zip([*shapes, (networks, sizes[-1])], scales, strict=True)
    ]
    return Network.of([part.astype(dtype) for part in parts])


def outputs(network: Network, X: Array, slope: float) -> Array:
    """Outputs `(B, N)` for inputs `(B, d0, N)` or `(d0, N)`."""
    return _forward(network, X, slope)[0]


def gradient(network: Network, X: Array, y: Array, slope: float) -> tuple[Network, Array]:
    """Gradient of the mean squared error, in the shape of a network, and the outputs `(B, N)`.

    At an input of exactly zero the slope ρ counts, as in `activations.pattern`.
    """
    xp = array_api_compat.array_namespace(network.z, X, y)
    out, values, factors = _forward(network, X, slope)
    pull = (out - y) * (2 / X.shape[-1])
    last = xp.matmul(values[-1], pull[:, :, None])[:, :, 0]
    back = network.z[:, :, None] * pull[:, None, :]
    found: list[Array] = []
    for layer in range(len(network.hidden) - 1, -1, -1):
        back = back * factors[layer]
        before = X if layer == 0 else values[layer - 1]
        found.append(xp.matmul(back, xp.matrix_transpose(before)))
        if layer:
            back = xp.matmul(xp.matrix_transpose(network.hidden[layer]), back)
    return Network(tuple(reversed(found)), last), out


def _forward(network: Network, X: Array, slope: float) -> tuple[Array, list[Array], list[Array]]:
    """Outputs, and for each hidden layer its values and its activation, 1 or ρ."""
    xp = array_api_compat.array_namespace(network.z, X)
    one, low = (xp.asarray(value, dtype=network.z.dtype) for value in (1.0, slope))
    values, factors, here = [], [], X
    for layer in network.hidden:
        inputs = xp.matmul(layer, here)
        factor = xp.where(inputs > 0, one, low)
        here = factor * inputs
        values.append(here)
        factors.append(factor)
    return xp.matmul(network.z[:, None, :], here)[:, 0, :], values, factors


def descend(
    start: Network,
    X: FloatArray,
    y: FloatArray,
    recipe: Recipe,
    slope: float,
    *,
    seed: int = 0,
    threshold: float = 0.5,
    watch: Callable[[Seen], bool | None] | None = None,
    backend: Backend | None = None,
    checkpoint: Path | None = None,
    every: int = 100,
) -> State:
    """Train.

    Args:
        start: the weights to start from, NumPy arrays such as those of `he`.
        X: inputs, `(B, d0, N)` or `(d0, N)`.
        y: labels, `(B, N)` or `(N,)`.
        recipe: method, steps and epochs.
        slope: slope ρ on the negative side, not 1.
        seed: of the order of the samples in mini-batches, the same for all networks.
        threshold: between the two classes, for the number of errors.
        watch: called after each epoch; training ends where it returns True.
        backend: where to compute; NumPy where none is given.
        checkpoint: a file that receives the state every `every` epochs and at the end; if it is there, training goes on
            from it.
        every: epochs between two checkpoints.

    Returns:
        The state at the end, in NumPy arrays.

    Raises:
        InputError: for shapes that do not fit, values that are not finite, or a checkpoint of another training.
    """
    _check(start, X, y, slope, recipe)
    backend = backend or get_backend("numpy")
    identity = {"recipe": asdict(recipe), "slope": slope, "seed": seed, "X": list(X.shape), "y": list(y.shape)}
    state = State(start, *_zeros(start, recipe))
    if checkpoint is not None and checkpoint.exists():
        state = _restored(checkpoint, identity, state)
    state = _moved(state, backend.asarray)
    # Mini-batches are gathered sample by sample, which is much quicker where a sample lies in one piece.
    inputs = backend.xp.matrix_transpose(backend.asarray(np.ascontiguousarray(np.swapaxes(X, -1, -2))))
    labels = backend.asarray(y)
    saved = state.epoch
    while state.epoch < recipe.epochs:
        state, seen = _epoch(state, inputs, labels, recipe, slope, seed, threshold, backend, watch is not None)
        ended = watch is not None and seen is not None and bool(watch(seen))
        if checkpoint is not None and state.epoch - saved >= every:
            _store(checkpoint, identity, _moved(state, backend.to_numpy))
            saved = state.epoch
        if ended:
            break
    state = _moved(state, backend.to_numpy)
    if checkpoint is not None and state.epoch > saved:
        _store(checkpoint, identity, state)
    return state


def _epoch(
    state: State,
    X: Array,
    y: Array,
    recipe: Recipe,
    slope: float,
    seed: int,
    threshold: float,
    backend: Backend,
    watched: bool,
) -> tuple[State, Seen | None]:
    """One epoch, and what it looked like."""
    xp, samples = backend.xp, X.shape[-1]
    step = recipe.step(state.epoch)
    squares: Array = 0.0
    wrong: Array = 0.0
    for inputs, labels in _batches(X, y, recipe, seed, state.epoch, backend):
        found, out = gradient(state.network, inputs, labels, slope)
        if watched:
            squares = squares + xp.sum((out - labels) ** 2, axis=-1)
            wrong = wrong + xp.sum(xp.astype((out > threshold) != (labels > threshold), out.dtype), axis=-1)
        state = _updated(state, found, recipe, step, xp)
    state = State(state.network, state.moments, state.squares, state.epoch + 1, state.updates)
    if not watched:
        return state, None
    loss, mce = backend.to_numpy(squares) / samples, backend.to_numpy(wrong) / samples
    return state, Seen(state.epoch, step, loss, mce, state.network)


def _batches(
    X: Array, y: Array, recipe: Recipe, seed: int, epoch: int, backend: Backend
) -> Iterator[tuple[Array, Array]]:
    """The mini-batches of an epoch, all samples at once where there are none."""
    xp, samples = backend.xp, X.shape[-1]
    if recipe.batch is None or recipe.batch >= samples:
        yield X, y
        return
    # Keyed by the epoch, so that a training that goes on from a checkpoint sees the same batches.
    order = np.random.default_rng([seed, epoch]).permutation(samples)
    rows = xp.matrix_transpose(X)
    for cut in range(0, samples, recipe.batch):
        some = backend.asarray(order[cut : cut + recipe.batch])
        yield xp.matrix_transpose(xp.take(rows, some, axis=X.ndim - 2)), xp.take(y, some, axis=y.ndim - 1)


def _updated(state: State, found: Network, recipe: Recipe, step: float, xp: Any) -> State:
    """One update of all weights."""
    updates = state.updates + 1
    if recipe.method == "sgd":
        pairs = zip(state.moments, found.parts, strict=True)
        moves = [recipe.momentum * moment - step * part for moment, part in pairs]
        parts = [part + move for part, move in zip(state.network.parts, moves, strict=True)]
        return State(Network.of(parts), tuple(moves), (), state.epoch, updates)
    # The corrections of both means for their start at zero, put into the step.
    first, second = 1 - recipe.beta1**updates, math.sqrt(1 - recipe.beta2**updates)
    moments, squares, parts = [], [], []
    for part, moment, square, slope in zip(state.network.parts, state.moments, state.squares, found.parts, strict=True):
        moment = recipe.beta1 * moment + (1 - recipe.beta1) * slope
        square = recipe.beta2 * square + (1 - recipe.beta2) * slope**2
        parts.append(part - (step / first) * moment / (xp.sqrt(square) / second + recipe.floor))
        moments.append(moment)
        squares.append(square)
    return State(Network.of(parts), tuple(moments), tuple(squares), state.epoch, updates)


def _zeros(start: Network, recipe: Recipe) -> tuple[tuple[FloatArray, ...], tuple[FloatArray, ...]]:
    none = tuple(np.zeros_like(part) for part in start.parts)
    return none, none if recipe.method == "adam" else ()


def _moved(state: State, move: Callable[[Array], Array]) -> State:
    """The state with all arrays moved, to a device or from it."""
    moments, squares = (tuple(map(move, parts)) for parts in (state.moments, state.squares))
    return State(Network.of([move(part) for part in state.network.parts]), moments, squares, state.epoch, state.updates)


def _store(path: Path, identity: dict[str, Any], state: State) -> None:
    arrays = {f"part{place}": part for place, part in enumerate(state.network.parts)}
    arrays |= {f"moment{place}": part for place, part in enumerate(state.moments)}
    arrays |= {f"square{place}": part for place, part in enumerate(state.squares)}
    checkpoints.write(path, identity, arrays | {"done": np.array([state.epoch, state.updates])})


def _restored(path: Path, identity: dict[str, Any], start: State) -> State:
    arrays = checkpoints.read(path, identity)
    groups = {"part": start.network.parts, "moment": start.moments, "square": start.squares}
    expected = {f"{name}{place}": part.shape for name, parts in groups.items() for place, part in enumerate(parts)}
    expected["done"] = (2,)
    found = {name: array.shape for name, array in arrays.items()}
    if found != expected:
        raise InputError(f"the checkpoint {path} has arrays {found}; expected {expected}; remove it to start anew")
    parts, moments, squares = (
        tuple(arrays[f"{name}{place}"] for place in range(len(group))) for name, group in groups.items()
    )
    epoch, updates = arrays["done"].tolist()
    return State(Network.of(parts), moments, squares, epoch, updates)


def _check(start: Network, X: FloatArray, y: FloatArray, slope: float, recipe: Recipe) -> None:
    if slope == 1 or not math.isfinite(slope):
        raise InputError(f"got slope {slope}; expected a finite number other than 1 (the linear network)")
    shapes = [part.shape for part in start.parts]
    networks = shapes[0][0]
    inside = all(one[1] == other[-1] for one, other in pairwise(shapes))
    if len(shapes) < 2 or any(shape[0] != networks for shape in shapes) or not inside:
        raise InputError(f"got layers of shapes {shapes}; expected (B, d1, d0), …, (B, last width)")
    if X.shape not in ((shapes[0][2], X.shape[-1]), (networks, shapes[0][2], X.shape[-1])):
        raise InputError(f"X has shape {X.shape}; expected ({shapes[0][2]}, N) or ({networks}, {shapes[0][2]}, N)")
    if y.shape not in ((X.shape[-1],), (networks, X.shape[-1])):
        raise InputError(f"y has shape {y.shape}; expected ({X.shape[-1]},) or ({networks}, {X.shape[-1]})")
    for name, array in (("X", X), ("y", y), *((f"layer {place}", part) for place, part in enumerate(start.parts))):
        if not np.isfinite(array).all():
            raise InputError(f"{name} has NaN or infinite entries; expected finite numbers")
    if recipe.batch is not None and recipe.batch > X.shape[-1]:
        raise InputError(f"got mini-batches of {recipe.batch}; expected at most the {X.shape[-1]} samples")
