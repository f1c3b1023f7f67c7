"""Weights of a trained network from a file: an `.npz` archive, or a PyTorch state dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify.data import read_archive
from verify.errors import InputError

Array = NDArray[np.generic]

TORCH_SUFFIXES = (".pt", ".pth")
BIAS = ("refuse", "constant-feature")
"""What to do with biases: the model has none."""


@dataclass(frozen=True)
class Weights:
    """A network with one hidden layer and one output, as stored.

    Attributes:
        W: first layer, `d1 × d0`.
        z: second layer, d1.
        hidden_bias: d1, or None.
        output_bias: one number, or None.
    """

    W: Array
    z: Array
    hidden_bias: Array | None = None
    output_bias: Array | None = None

    @property
    def biased(self) -> bool:
        """Whether a bias is not zero."""
        return any(bias is not None and np.any(bias != 0) for bias in (self.hidden_bias, self.output_bias))


def read_weights(path: str | Path) -> Weights:
    """Weights from `.npz` (arrays `W` and `z`; biases `b` and `c`) or `.pt`, `.pth` (a PyTorch state dict).

    Nothing in the file is executed: pickled arrays and objects are refused.

    Raises:
        InputError: if the file cannot be read, or holds something else than one hidden layer.
    """
    path = Path(path)
    if path.suffix in TORCH_SUFFIXES:
        return from_state(_load_state(path), str(path))
    arrays = read_archive(path, ("W", "z"))
    unknown = sorted(arrays.keys() - {"W", "z", "b", "c"})
    if unknown:
        raise InputError(
            f"{path} has arrays {sorted(arrays)}; expected W (hidden units × features) and z (hidden units), and "
            "nothing else but b (biases of the hidden units) and c (bias of the output)"
        )
    return Weights(arrays["W"], arrays["z"], arrays.get("b"), arrays.get("c"))


def from_state(state: object, name: str = "the state dict") -> Weights:
    """Weights from a state dict such as that of `Sequential(Linear(d0, d1), LeakyReLU(), Linear(d1, 1))`.

    Args:
        state: tensors by name, in the order of the layers.
        name: for messages.

    Raises:
        InputError: if it is not two linear layers, the second with one output.
    """
    if not isinstance(state, Mapping) or not all(hasattr(value, "shape") for value in state.values()):
        raise InputError(
            f"{name} holds no state dict (tensors by name); save it with torch.save(model.state_dict(), …)"
        )
    arrays = {str(key): _array(value, str(key), name) for key, value in state.items()}
    shapes = ", ".join(f"{key} {value.shape}" for key, value in arrays.items())
    matrices = [value for value in arrays.values() if value.ndim == 2]
    vectors = [value for value in arrays.values() if value.ndim == 1]
    if (
        len(matrices) != 2
        or len(matrices) + len(vectors) != len(arrays)
        or matrices[1].shape != (1, len(matrices[0]))
        or [len(vector) for vector in vectors] not in ([], [len(matrices[0])], [1], [len(matrices[0]), 1])
    ):
        raise InputError(
            f"{name} has {shapes or 'no tensors'}; expected one hidden layer and one output: weights (d1, d0) and "
            "(1, d1), and biases (d1,) and (1,) or none"
        )
    biases = list(vectors)
    # A single hidden unit has two biases of one number each; a lone bias is the layer's that its name shares.
    if len(biases) == 1:
        keys = list(arrays)
        last = next(key for key, value in arrays.items() if value is biases[0]) == keys[-1]
        hidden, output = (None, biases[0]) if last and len(biases[0]) == 1 else (biases[0], None)
    else:
        hidden, output = (biases[0], biases[1]) if biases else (None, None)
    return Weights(matrices[0], matrices[1][0], hidden, output)


@dataclass(frozen=True)
class Unbiased:
    """A network without biases and its data.

    Attributes:
        arrays: `W`, `z`, `X` and `y`, as `verify.certify` takes them.
        output_bias: what was subtracted from the labels.
        notes: what was done, for the reader.
    """

    arrays: tuple[Array, Array, Array, Array]
    output_bias: float = 0.0
    notes: tuple[str, ...] = ()


def without_bias(weights: Weights, X: Array, y: Array, how: str = "refuse") -> Unbiased:
    """The same network and data for a model without biases.

    With `constant-feature`, the biases of the hidden units become the weights of one more feature, which is 1 on every
    sample: the same network, and a model of the paper's kind. The bias of the output is subtracted from the labels: the
    same residuals, but what is certified is then a minimum in the weights with that bias held fixed.

    Args:
        weights: as read.
        X: samples × features.
        y: labels.
        how: `refuse` or `constant-feature`.

    Raises:
        InputError: if there are biases that are not zero and `how` is `refuse`, or shapes do not fit.
    """
    W, z = weights.W, weights.z
    if how not in BIAS:
        raise InputError(f"got bias {how!r}; expected one of {', '.join(BIAS)}")
    if how == "refuse":
        if weights.biased:
            raise InputError(
                "the network has biases and the model f(x) = Σ z_i φ(w_i·x) has none; fold them in with --bias "
                "constant-feature, which adds a feature that is 1 on every sample and holds the output's bias fixed"
            )
        return Unbiased((W, z, X, y))
    notes, subtracted = [], 0.0
    if weights.hidden_bias is not None:
        b = np.asarray(weights.hidden_bias)
        if W.ndim != 2 or X.ndim != 2 or b.shape != W.shape[:1]:
            raise InputError(f"got biases {b.shape}, W {W.shape} and X {X.shape}; expected d1, d1 × d0 and N × d0")
        W = np.column_stack([W, b])
        X = np.column_stack([X, np.ones(len(X), dtype=X.dtype)])
        notes.append("the biases of the hidden units are the weights of a last feature, which is 1 on every sample")
    if weights.output_bias is not None and np.any(weights.output_bias != 0):
        c = np.asarray(weights.output_bias)
        if c.size != 1 or c.dtype.kind not in "fiu" or y.dtype.kind not in "fiub":
            raise InputError(f"got an output bias of shape {c.shape} and type {c.dtype}; expected one number")
        subtracted = float(c.ravel()[0])
        y = y.astype(np.float64) - subtracted
        notes.append("the bias of the output was subtracted from the labels, and is held fixed")
    return Unbiased((W, z, X, y), subtracted, tuple(notes))


def _load_state(path: Path) -> object:
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{path} is read with PyTorch, which is not installed: pip install torch, or save W and z to an .npz file"
        ) from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except Exception as error:
        # torch raises whatever its unpickler meets: of a damaged or hostile file nothing is known.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read as a state dict of tensors alone: {reason}") from None


def _array(tensor: Any, key: str, name: str) -> Array:
    try:
        if hasattr(tensor, "detach"):
            if tensor.is_complex():  # its imaginary part would be dropped
                raise TypeError("it is complex; expected real numbers")
            # bfloat16 and half precision are floats that NumPy may not know; double holds them exactly.
            tensor = tensor.detach().cpu().double().numpy()
        return np.asarray(tensor)
    except (TypeError, RuntimeError, ValueError) as error:
        raise InputError(f"{name}: {key} is no array of numbers: {error}") from None
