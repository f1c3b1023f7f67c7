"""Pictures of the activation regions of small networks, from data sets that are drawn once and for all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from verify.network.arrangements import cell_centre, cells
from verify.network.minima import find_minimum
from verify.network.regions import errors_above
from verify.pictures import Arrangement, Curves, Line, Map, Polygon, Series
from verify.statements import Picture
from verify.volume.exact import RegionLattice
from verify.volume.rare import rare_event
from verify.volume.result import Volume
from verify.volume.sampled import Problem, sampled_volumes

FloatArray = NDArray[np.float64]

LABELS = ("a global minimum", "a sub-optimal minimum", "no minimum", "a minimum with few errors", "undecided")
_GLOBAL, _SUBOPTIMAL, _NONE, _OTHER, _UNDECIDED = range(5)
_EPSILON = 0.1
_SLOPE = 0.1
_FLOOR = math.log(1e-30)


def _data(d0: int, N: int) -> tuple[FloatArray, FloatArray]:
    """Standard normal samples, half of them with label 1."""
    rng = np.random.default_rng([d0, N])
    return rng.standard_normal((d0, N)), (rng.permutation(N) < N // 2).astype(np.float64)


def _content(neurons: Sequence[FloatArray], X: FloatArray, y: FloatArray) -> int:
    """What the region of these neurons contains, as a position in `LABELS`."""
    found = find_minimum(np.array(neurons), X, y, _SLOPE)
    if found.contains_minimum is None:
        return _UNDECIDED
    if not found.contains_minimum:
        return _NONE
    errors = int(((y - found.residual > 0.5) != (y > 0.5)).sum())
    if errors >= errors_above(_EPSILON, y.size):
        return _SUBOPTIMAL
    return _OTHER if np.abs(found.residual).any() else _GLOBAL


def _used(categories: Sequence[int]) -> tuple[str, ...]:
    """The labels up to the last one that occurs, so that a colour means the same in every picture."""
    return LABELS[: 1 + max(_NONE, *categories)]


def two_neurons() -> Map:
    """All regions of a network with two neurons on four samples in the plane."""
    X, y = _data(2, 4)
    turns = sorted((math.atan2(x[1], x[0]) + side * math.pi / 2) % (2 * math.pi) for x in X.T for side in (1, -1))
    edges = [*turns, turns[0] + 2 * math.pi]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    weights = [np.array([math.cos(angle), math.sin(angle)]) for angle in middles]
    # A length of its own for each neuron: two in one cell need not be the same.
    content = tuple(tuple(_content([first, 1.1 * second], X, y) for second in weights) for first in weights)
    labels = _used([item for row in content for item in row])
    axes = "angle of the weights of neuron 1", "angle of the weights of neuron 2"
    return Map(tuple(edges), tuple(edges), content, labels, *axes)


def one_neuron_moves() -> Arrangement:
    """The cells of six samples in space: what the region contains when one of three neurons lies in a cell."""
    X, y = _data(3, 6)
    rng = np.random.default_rng(1)
    fixed = list(rng.standard_normal((2, 3)))
    patterns = cells(X)
    corners = _corners(X)
    polygons = []
    for signs in patterns:
        content = _content([*fixed, cell_centre(X, signs)], X, y)
        polygons.append(Polygon(corners[tuple(signs.tolist())], content))
    labels = _used([polygon.category for polygon in polygons])
    lines = tuple(Line(tuple(x), str(number)) for number, x in enumerate(X.T.tolist(), 1))
    return Arrangement(tuple(polygons), labels, lines)


def _corners(X: FloatArray) -> dict[tuple[int, ...], tuple[tuple[float, float, float], ...]]:
    """The corners of each cell of samples in space, in order: where the planes of two samples meet."""
    found: dict[tuple[int, ...], list[FloatArray]] = {}
    for n, m in itertools.combinations(range(X.shape[1]), 2):
        ray = np.cross(X[:, n], X[:, m])
        for corner in (ray / np.linalg.norm(ray), -ray / np.linalg.norm(ray)):
            around = np.sign(corner @ X).astype(int)
            for around[n], around[m] in itertools.product((1, -1), repeat=2):
                found.setdefault(tuple(around.tolist()), []).append(corner)
    ordered = {}
    for pattern, corners in found.items():
        inside = np.sum(corners, axis=0)
        first = np.cross(inside, corners[0])
        second = np.cross(inside, first) / np.linalg.norm(inside)
        turning = sorted(corners, key=lambda corner: math.atan2(corner @ second, corner @ first))
        ordered[pattern] = tuple((float(a), float(b), float(c)) for a, b, c in turning)
    return ordered


def volume_against_width() -> Curves:
    """Volumes of `L_ε` and of the first-order event for one data set in the plane, by all three methods."""
    X, y = _data(2, 5)
    lattice = RegionLattice(X, y, _SLOPE, _EPSILON)
    rate = lattice.rate()
    widths = range(1, 1 + int(-_FLOOR / rate.kappa))
    exact = [lattice.first_order(width).log_estimate for width in widths]
    line = [min(0.0, math.log(rate.multiplicity) - rate.kappa * width) for width in widths]
    step = max(1, len(widths) // 6)
    few = range(2, 13, 2)
    sampled = [sampled_volumes(Problem(X, y, width, _SLOPE, _EPSILON), budget=3000).suboptimal for width in few]
    deep = widths[step - 1 : -1 : 2 * step]
    rare = [
        rare_event(
            X, y, width, _SLOPE, _EPSILON, "first_order",
            budget=int(-12_000 * exact[width - 1] / math.log(10)), level=0.01,
        )
        for width in deep
    ]  # fmt: skip
    proved = widths[step // 2 :: step]
    bracket = [lattice.volumes(width, box_limit=100).suboptimal for width in proved]
    return Curves(
        "number of hidden units d₁",
        "volume",
        (
            Series("first-order event, exact", tuple(widths), tuple(exact)),
            Series("exact rate in width", tuple(widths), tuple(line), style="dashed"),
            _points("sub-optimal minimum, between proved ends", proved, bracket),
            _points("sub-optimal minimum, regions sampled", few, sampled),
            _points(
                "first-order event, splitting",
                deep,
                [Volume(one.log_lower, one.log_estimate, one.log_upper) for one in rare],
            ),
        ),
    )


def _points(label: str, x: Sequence[int], volumes: Sequence[Volume]) -> Series:
    ends = [(item.log_estimate, item.log_lower, item.log_upper) for item in volumes]
    middle, lower, upper = (tuple(column) for column in zip(*ends, strict=True))
    return Series(label, tuple(float(value) for value in x), middle, lower, upper, "points")


VOLUME_AGAINST_WIDTH = Picture(
    "volume-against-width",
    "Volume against width",
    "Five samples in the plane, two of them with label 1; ρ = 0.1, ε = 0.1. The volume of the first-order event is "
    "exact at every width, and falls at the exact rate κ that is drawn dashed. The regions that contain a sub-optimal "
    "minimum lie between proved ends; sampled regions are seen down to a few thousandths, splitting down to any "
    "depth. Bars are 99 % intervals.",
    volume_against_width,
)
TWO_NEURONS = Picture(
    "two-neurons",
    "All regions of a network with two neurons",
    "Four samples in the plane, two of them with label 1; ρ = 0.1, ε = 0.1. The angle of each neuron's weights "
    "decides its cell, and a pair of cells is a region: each rectangle is coloured by what its region contains, and "
    "its area is its angular volume.",
    two_neurons,
)
ONE_NEURON_MOVES = Picture(
    "one-neuron-moves",
    "One neuron moves over the cells of an arrangement",
    "Six samples in space, three of them with label 1, and three neurons; ρ = 0.1, ε = 0.1. Two neurons stay where "
    "they are; each cell is coloured by what the region contains when the third neuron lies in it.",
    one_neuron_moves,
)
