"""Training on Gaussian inputs with random labels, as in the figures of section 5: many independent runs at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from verify.backends import Backend, get_backend
from verify.network.descent import Network, Recipe, descend, he, outputs

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Runs:
    """Trained networks, each on data of its own.

    Attributes:
        X: inputs, `(runs, d, N)`.
        y: labels ±1, `(runs, N)`.
        network: where training ended.
        mce: fraction of samples on the wrong side of zero, `(runs,)`.
        mse: mean squared errors, `(runs,)`.
    """

    X: FloatArray
    y: FloatArray
    network: Network
    mce: FloatArray
    mse: FloatArray


def gaussian_runs(
    rng: np.random.Generator,
    runs: int,
    d: int,
    layers: int,
    N: int,
    recipe: Recipe | None,
    slope: float = 0.0,
    backend: Backend | None = None,
) -> Runs:
    """Draw data and starts, and train; without a recipe the starts are left as they are.

    Args:
        rng: where all numbers come from.
        runs: how many.
        d: width of inputs and of every hidden layer.
        layers: number of hidden layers.
        N: samples of each run.
        recipe: how to train.
        slope: slope ρ on the negative side.
        backend: where to compute.
    """
    X = rng.standard_normal((runs, d, N))
    y: FloatArray = 2 * rng.integers(0, 2, (runs, N)).astype(np.float64) - 1
    network = he(rng, runs, (d,) * (layers + 1), slope)
    if recipe is not None:
        network = descend(network, X, y, recipe, slope, threshold=0.0, backend=backend or get_backend("numpy")).network
    out = np.asarray(outputs(network, X, slope), dtype=np.float64)
    mce: FloatArray = np.mean((out > 0) != (y > 0), axis=1)
    mse: FloatArray = np.mean((out - y) ** 2, axis=1)
    return Runs(X, y, network, mce, mse)
