"""Networks of the same width with a smaller loss: one is enough to show that a minimum is not global."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from verify.certificate.enclosures import Data, FloatArray, sum_of_squares
from verify.network.memorize import memorize
from verify.network.training import train

MEMORIZE_SAMPLES = 1500
"""Most samples that are memorised: beyond, the pairs of samples take too long."""

TRAIN_PARAMETERS, TRAIN_SIZE = 300, 30_000
"""Most parameters, and most entries of the derivative of the outputs, for training from new starts."""

_STARTS, _TRAINING_STEPS, _POLISHING_STEPS = 16, 60, 120


@dataclass(frozen=True)
class Rival:
    """Another network of at most the same width.

    Attributes:
        W: first layer, for scaled samples.
        z: second layer, for scaled labels.
        loss: upper bound on its `N·MSE` in scaled units; rounding included.
        made: how it was found.
    """

    W: FloatArray
    z: FloatArray
    loss: float
    made: str


def best_rival(data: Data, width: int, seed: int) -> Rival | None:
    """The network of smallest loss among a memorising one, if the width suffices, and some that are trained.

    Args:
        data: samples and labels.
        width: number of hidden units d1.
        seed: of the planes and starts.
    """
    N, d0 = data.X.shape
    rng = np.random.default_rng(seed)
    found = []
    if d0 >= 2 and 2 * -(-N // d0) <= width and N <= MEMORIZE_SAMPLES:
        try:
            memory = memorize(data.X.T, data.y, data.slope, rng=rng)
        except ValueError:  # samples that are not in general position
            memory = None
        if memory is not None:
            found.append(
                _judged(data, memory.W, memory.z, f"of {len(memory.z)} neurons that memorises the labels (F14)")
            )
    parameters = width * (d0 + 1)
    if not found and parameters <= TRAIN_PARAMETERS and N * parameters <= TRAIN_SIZE:
        W, z = rng.standard_normal((_STARTS, width, d0)), rng.standard_normal((_STARTS, width))
        try:
            trained = train(W, z, data.X.T, data.y, data.slope, steps=_TRAINING_STEPS)
            # A start whose steps overflow drops out by its loss.
            best = int(np.nan_to_num(trained.loss, nan=np.inf).argmin())
            one = slice(best, best + 1)
            trained = train(trained.W[one], trained.z[one], data.X.T, data.y, data.slope, steps=_POLISHING_STEPS)
        except np.linalg.LinAlgError:
            trained = None
        if trained is not None and np.isfinite(trained.W).all() and np.isfinite(trained.z).all():
            found.append(
                _judged(
                    data, trained.W[0], trained.z[0], f"of {width} neurons, trained from one of {_STARTS} new starts,"
                )
            )
    return min((rival for rival in found if np.isfinite(rival.loss)), key=lambda rival: rival.loss, default=None)


def _judged(data: Data, W: FloatArray, z: FloatArray, made: str) -> Rival:
    """The loss with its rounding bounded. Sizes may be anything here: what overflows is infinite."""
    e, error = data.residual(z, data.activations(W))
    return Rival(W, z, sum_of_squares(e, error).upper, made)
