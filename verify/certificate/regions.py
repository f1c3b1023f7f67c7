"""The angular volume of one region: a product over neurons, each a cone that holds a cap and lies within a bound."""

from __future__ import annotations

import math

import numpy as np

from verify.certificate.enclosures import OUTWARDS, Activations, BoolArray, Data, FloatArray, gamma
from verify.certificate.spectra import gram_of_rows, largest_eigenvalue
from verify.verdicts import Evidence
from verify.volume.caps import log_cap
from verify.volume.cells import cell_volume
from verify.volume.result import Volume

ESTIMATE_SIZE = 1500
"""Size `N·d0` of one neuron's cell, and"""

ESTIMATE_WORK = 30_000
"""total over the different cells, up to which volumes are estimated and not only bounded: some seconds."""

SURELY_INSIDE = 1e-12
"""Angular margin from which the signs of `w·x_n` in floating point are the right ones, at these sizes."""

LEVEL = 0.01
"""Probability that the interval of an estimated volume misses, all cells together."""

_LEAST_NORM = 2.0**-500  # below, squares of lengths lose digits; no bound is given then
_ROUNDING = 1e-9  # relative, of the logs: far above that of the special functions and of the sum


def log_cell_bound(data: Data) -> float:
    """Log of an upper bound on the volume of every cell, `−ln 2 · ‖X‖_F²/‖X‖_op²` for samples of length 1 (F9b)."""
    N, d0 = data.X.shape
    norms = np.sqrt(np.einsum("ij,ij->i", data.X, data.X))
    if min(N, d0) > 4000 or not (norms > _LEAST_NORM).all():
        return -math.log(2)
    if d0 >= N:
        gram, error = gram_of_rows(data.X / norms[:, None])
    else:
        gram = np.zeros((d0, d0))
        for part in data.blocks(1):
            rows = data.X[part] / norms[part, None]
            gram += rows.T @ rows
        error = gamma(N + 8) * N * OUTWARDS
    # Dividing rounds: the rows are of length 1, and on the samples' lines, only up to a few units in the last place.
    error += gamma(d0 + 8) * 4 * N
    largest = largest_eigenvalue(gram, error) * OUTWARDS
    return -math.log(2) * float(max(1.0, N / largest))


def region_volume(data: Data, W: FloatArray, found: Activations, kept: BoolArray, seed: int) -> Volume | None:
    """Volume of the region that some neurons are in; None where no neuron counts.

    Args:
        data: samples.
        W: first layer in scaled units.
        found: its pre-activations.
        kept: the neurons that count, d1; none of their pre-activations is zero.
        seed: of the estimates.
    """
    d0 = data.X.shape[1]
    number = int(kept.sum())
    if not number:
        return None
    if d0 == 1:
        log = -number * math.log(2)
        return Volume(log, log, log, Evidence.EXACT, note="on a line every cell is a half")
    sines = found.lower[kept]
    lower = float(log_cap(sines, d0).sum()) if (sines > 0).all() else -math.inf
    upper = number * log_cell_bound(data)
    lower, upper = lower * (1 + _ROUNDING), min(0.0, upper * (1 - _ROUNDING))
    estimated = _estimated(data, W, found, kept, seed)
    if isinstance(estimated, str):
        note = f"region: inscribed caps and the bound of F9(b); between them only the middle is shown: {estimated}"
        middle = (lower + upper) / 2 if lower > -math.inf else upper
        return Volume(lower, middle, upper, Evidence.EXACT, note=note)
    if estimated.evidence is Evidence.EXACT:
        return estimated
    three = (estimated.log_lower, estimated.log_estimate, estimated.log_upper)
    low, middle, high = (min(max(end, lower), upper) for end in three)
    note = f"region: estimated cell by cell, at level {LEVEL:g}; proved: [{lower:.6g}, {upper:.6g}] for the log"
    return Volume(low, middle, high, Evidence.STATISTICAL, note=note)


def _estimated(data: Data, W: FloatArray, found: Activations, kept: BoolArray, seed: int) -> Volume | str:
    """The sum of the logs of the cells' volumes, or why it was not estimated."""
    neurons = np.flatnonzero(kept)
    cells, first, count = np.unique(found.active[:, neurons].T, axis=0, return_index=True, return_counts=True)
    size = data.X.size
    if size > ESTIMATE_SIZE or size * len(cells) > ESTIMATE_WORK:
        return f"{len(cells)} different cells of {data.X.shape[0]} samples in {data.X.shape[1]} dimensions are too much"
    ends, exact = np.zeros(3), True
    for number, (neuron, times) in enumerate(zip(neurons[first], count, strict=True)):
        # A point of the cell is the surer way to it, unless rounding could move it out.
        inside = W[neuron] if found.lower[neuron] > SURELY_INSIDE else None
        signs = np.where(found.active[:, neuron], 1, -1) if inside is None else None
        try:
            cell = cell_volume(data.X.T, signs, w=inside, seed=seed + number, level=LEVEL / len(cells))
        except ValueError as error:
            return str(error)
        ends += float(times) * np.array([cell.log_lower, cell.log_estimate, cell.log_upper])
        exact &= cell.evidence is Evidence.EXACT
    evidence = Evidence.EXACT if exact else Evidence.STATISTICAL
    note = "region: closed forms, up to rounding" if exact else ""
    rounding = float(kept.sum()) * _ROUNDING if exact else 0.0
    low, middle, high = ends.tolist()
    return Volume(low, middle, high, evidence, rounding=rounding, note=note)
