"""All cells of a data set with their angular volumes: in closed form where there is one, else with intervals.

One hyperplane. A sample that is a multiple of another, positive or negative, has the same hyperplane: the cells are
those of the distinct ones, and the sample's sign follows. Cells are found in coordinates of the span of the samples,
so samples that span less than their number or dimension allows need general position in that span only.

Components. Where the samples fall into mutually orthogonal sets, cells are products and volumes multiply (for a
Gaussian w the projections on orthogonal spans are independent). A component that spans at most three dimensions, or
has at most three samples, has volumes in closed form, in ball arithmetic; an orthant of any dimension is a product of
half-lines. In the other components volumes are estimated, all at once at one stated level (Bonferroni: a cell and its
antipode have one volume, so half of the cells share the level):

- half of it for counting directions drawn at random: exact binomial intervals;
- half for `cell_volume`, run only where the count is small; its coverage is measured, not proved. Both intervals hold
  together, so they are intersected.

Volumes sum to 1, so a lower end for all cells but two bounds these two from above, and the reverse.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from flint import arb, ctx, fmpq, fmpq_mat
from scipy.sparse.csgraph import connected_components

from verify.network.arrangements import (
    GeneralPositionError,
    SignArray,
    cells,
    cover_count,
    dependent,
    exact_entries,
    polygon_corners,
    polygon_volumes,
)
from verify.statistics.intervals import clopper_pearson
from verify.verdicts import Evidence
from verify.volume.cells import cell_volume

FloatArray = npt.NDArray[np.float64]
Fractions = npt.NDArray[Any]

CLOSED_FORM_RANK = 3
"""Cells in up to so many dimensions are angles or spherical polygons."""

DRAWS = 4_000_000
"""Directions counted for each component at effort 1."""

COUNTED_SECONDS = 1.5
"""What that takes, roughly."""

COUNTED_ENOUGH = 4000
"""Hits of a cell and its antipode above which counting is as good as `cell_volume`, for less work."""

CELL_EFFORT = 8.0
"""Effort of `cell_volume` for the other cells, at effort 1: some 0.1 s each."""

_CHUNK = 1 << 17
_ROUNDING = 1e-9  # relative, of a closed form in floating point: no interval is narrower
_CLOSED_FORM = 2.0**-50  # relative, of a ball's middle as a float
_SUM_ROUNDING = 1e-14  # absolute, of a sum of volumes that is 1: outwards by more than their number of roundings
_LEAST_UPPER = 1e-300  # an upper end is no zero, since every cell is there
_LEAST_GUESS = 1e-6  # of the upper end: the estimate, which nothing is decided by, is no zero either


@dataclass(frozen=True)
class Layout:
    """The distinct hyperplanes of a data set and its orthogonal components; nothing is enumerated yet.

    Attributes:
        leader: for each sample, the first sample with the same hyperplane, N.
        side: 1 where the sample is a positive multiple of that one, −1 where it is a negative one, N.
        parts: for each component the positions of its leaders.
        ranks: for each component the dimension of its span.
    """

    leader: npt.NDArray[np.intp]
    side: SignArray
    parts: tuple[tuple[int, ...], ...]
    ranks: tuple[int, ...]

    @property
    def closed_form(self) -> bool:
        """Whether all volumes are known in closed form."""
        return all(min(rank, len(part)) <= CLOSED_FORM_RANK for rank, part in zip(self.ranks, self.parts, strict=True))

    @property
    def cells(self) -> int:
        """Number of cells, if every component is in general position in its span."""
        return math.prod(cover_count(len(part), rank) for rank, part in zip(self.ranks, self.parts, strict=True))

    @property
    def estimated_cells(self) -> int:
        """Number of cells whose volumes have to be estimated, antipodes counted once."""
        sizes = [(len(part), rank) for rank, part in zip(self.ranks, self.parts, strict=True)]
        return sum(cover_count(n, rank) // 2 for n, rank in sizes if min(n, rank) > CLOSED_FORM_RANK)


def layout(X: Fractions) -> Layout:
    """Hyperplanes and components of a data set, in exact arithmetic.

    Args:
        X: samples, `d0 × N`, of type `Fraction`.

    Raises:
        GeneralPositionError: if a sample is zero: it has no hyperplane, and a neuron is zero on it everywhere.
    """
    N = X.shape[1]
    leader, side = np.arange(N), np.ones(N, dtype=np.int8)
    first: dict[tuple[Fraction, ...], int] = {}
    heads = []
    for n in range(N):
        head = next((entry for entry in X[:, n].tolist() if entry), None)
        if head is None:
            raise GeneralPositionError(
                f"sample {n} is zero, so every neuron is zero on it and no region is differentiable; "
                "expected all samples nonzero: drop it, or add a constant feature",
                (n,),
            )
        heads.append(head)
        leader[n] = first.setdefault(tuple(entry / head for entry in X[:, n].tolist()), n)
        side[n] = 1 if (head > 0) == (heads[leader[n]] > 0) else -1
    leaders = sorted(first.values())
    lines = X[:, leaders]
    number, labels = connected_components((lines.T @ lines != 0).astype(np.int8), directed=False)
    parts = [tuple(n for n, label in zip(leaders, labels, strict=True) if label == k) for k in range(number)]
    ranks = [_rational(X[:, list(part)]).rank() for part in parts]
    return Layout(leader, side, tuple(parts), tuple(ranks))


def components(X: npt.ArrayLike, exact: Fractions, planned: Layout) -> list[Component]:
    """The orthogonal components with their cells; this is where general position is decided.

    Args:
        X: samples as the caller gave them, `d0 × N`: floats with a fractional part are held to a tolerance.
        exact: the same as fractions; they are what counts.
        planned: what `layout` returned for them.

    Raises:
        GeneralPositionError: if samples of different hyperplanes are dependent beyond what their span imposes.
    """
    data = np.asarray(X)
    return [
        Component(data[:, list(part)], exact[:, list(part)], rank, part)
        for part, rank in zip(planned.parts, planned.ranks, strict=True)
    ]


class Shares:
    """All cells of a data set with their volumes.

    Attributes:
        patterns: signs of the cells on all samples, `n_cells × N`, in lexicographic order.
        layout: hyperplanes and components.
        evidence: `exact` or `statistical`.
        level: probability that any of the intervals misses; zero where all volumes are in closed form.
        lower, estimate, upper: floats, `n_cells`: intervals that hold for all cells at once, and estimates with sum 1,
            equal for a cell and its antipode. Three times the same, within an ulp, where the evidence is exact.
    """

    def __init__(
        self, X: npt.ArrayLike, exact: Fractions, *, level: float = 0.01, seed: int = 0, effort: float = 1.0
    ) -> None:
        """Enumerate the cells and find their volumes.

        Args:
            X: samples as the caller gave them, `d0 × N`: floats with a fractional part are held to a tolerance.
            exact: the same as fractions; they are what counts.
            level: stated probability, in (0, 1), that any interval misses.
            seed: of what is drawn at random. The same seed gives the same result.
            effort: factor on the draws; the time grows in proportion, intervals shrink as its root.

        Raises:
            GeneralPositionError: if samples of different hyperplanes are dependent beyond what their span imposes, or
                a sample is zero.
            ValueError: if level or effort is outside its range, or a cell is too thin for floating point.
        """
        if not 0 < level < 1 or not 0 < effort < math.inf:
            raise ValueError(f"got level = {level}, effort = {effort}; expected 0 < level < 1 and effort > 0")
        self.layout = layout(exact)
        self._parts = components(X, exact, self.layout)
        self._assemble()
        self.evidence = Evidence.EXACT if self.layout.closed_form else Evidence.STATISTICAL
        self.level = 0.0
        if self.evidence is Evidence.EXACT:
            self.lower = self.estimate = self.upper = np.array([float(ball) for ball in self.balls(64)])
            return
        self.level = level
        self.lower, self.estimate, self.upper = (np.ones(len(self.patterns)) for _ in range(3))
        for number, (part, members) in enumerate(zip(self._parts, self._members.T, strict=True)):
            if part.closed_form:
                volumes = np.array([float(ball) for ball in part.balls(64)])
                found = volumes * (1 - _CLOSED_FORM), volumes, volumes * (1 + _CLOSED_FORM)
            else:
                rng = np.random.default_rng([seed, number])
                found = part.estimated(level / self.layout.estimated_cells, rng, effort)
            for ends, values in zip((self.lower, self.estimate, self.upper), found, strict=True):
                ends *= values[members]
        self.estimate /= self.estimate.sum()

    def balls(self, bits: int) -> list[arb]:
        """The volumes as balls of relative radius about `2^−bits`; only where the evidence is exact."""
        factors = [part.balls(bits) for part in self._parts]
        with ctx.workprec(bits + 32):
            return [
                math.prod((balls[i] for balls, i in zip(factors, members, strict=True)), start=arb(1))
                for members in self._members.tolist()
            ]

    def _assemble(self) -> None:
        """Products of the components' cells, then the signs of the samples that follow others."""
        members = np.array(list(itertools.product(*(range(len(part.patterns)) for part in self._parts))), dtype=np.intp)
        patterns = np.empty((len(members), len(self.layout.leader)), dtype=np.int8)
        for part, chosen in zip(self._parts, members.T, strict=True):
            patterns[:, list(part.samples)] = part.patterns[chosen]
        patterns = patterns[:, self.layout.leader] * self.layout.side
        order = np.lexsort(patterns.T[::-1])
        self.patterns, self._members = patterns[order], members[order]


class Component:
    """One component: samples with distinct hyperplanes, in general position in their span.

    Attributes:
        samples: their positions in the data set.
        closed_form: whether the volumes of the cells are known in closed form.
        patterns: the cells, `n_cells × n`.
    """

    def __init__(self, data: npt.NDArray[Any], exact: Fractions, rank: int, samples: tuple[int, ...]) -> None:
        self.samples = samples
        self.closed_form = min(rank, len(samples)) <= CLOSED_FORM_RANK
        self.exact = exact
        # Coordinates in a basis of the span, for the combinatorics; angles come from the samples themselves.
        self.flat = exact if rank == len(exact) else _coordinates(exact)
        try:
            self.patterns = cells(self.flat)
            if exact_entries(data) is None:
                self._hold_to_tolerance(np.asarray(data, dtype=np.float64), rank)
        except GeneralPositionError as error:
            raise dependent(tuple(samples[n] for n in error.samples) or samples) from None
        self._balls: dict[int, list[arb]] = {}
        if self.closed_form:
            self._gram = exact.T @ exact
            self._corners = polygon_corners(self.flat, self.patterns)

    def _hold_to_tolerance(self, data: FloatArray, rank: int) -> None:
        """Floats may be rounded: what they decide must not hang on that."""
        if rank < min(data.shape):
            unit = data / np.linalg.norm(data, axis=0)
            data = np.linalg.svd(unit, full_matrices=False)[0][:, :rank].T @ unit
        if not np.array_equal(cells(data), self.patterns):
            raise GeneralPositionError("the decimals and the floats have different cells")

    def balls(self, bits: int) -> list[arb]:
        """Volumes in closed form."""
        if bits not in self._balls:
            self._balls[bits] = polygon_volumes(self._gram, self.patterns, self._corners, bits)
        return self._balls[bits]

    def estimated(
        self, level: float, rng: np.random.Generator, effort: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower ends, estimates and upper ends; each interval misses with probability at most `level`."""
        count = len(self.patterns)
        antipode = np.arange(count)[::-1]  # the order is lexicographic, and a flip of all signs reverses it
        # Columns of length 1: only directions count, and no product overflows.
        largest = np.array([max(abs(entry) for entry in column) for column in self.exact.T.tolist()], dtype=object)
        unit = np.array((self.exact / largest).tolist(), dtype=np.float64)
        unit /= np.linalg.norm(unit, axis=0)
        draws = math.ceil(DRAWS * effort)
        hits = self._counted(unit, draws, rng)
        lower, middle, upper = np.empty(count), np.empty(count), np.empty(count)
        for k in range(count // 2):
            both = [k, antipode[k]]
            seen = int(hits[both].sum())
            interval = clopper_pearson(seen, draws, level / 2)
            low, high = math.exp(interval.lower) / 2, math.exp(interval.upper) / 2
            best = seen / draws / 2
            if seen < COUNTED_ENOUGH:
                found = cell_volume(unit, self.patterns[k], seed=rng, effort=CELL_EFFORT * effort, level=level / 2)
                ends = math.exp(found.log_lower) * (1 - _ROUNDING), math.exp(found.log_upper) * (1 + _ROUNDING)
                best = math.exp(found.log_estimate)
                # Disjoint intervals: one of the two has missed, and the count is the one that is proved.
                if max(low, ends[0]) <= min(high, ends[1]):
                    low, high = max(low, ends[0]), min(high, ends[1])
            # Nothing is zero: every cell of the arrangement is there.
            high = max(high, _LEAST_UPPER)
            lower[both], middle[both], upper[both] = low, min(max(best, low, _LEAST_GUESS * high), high), high
        lower, upper = _summing_to_one(lower, upper)
        return lower, middle / middle.sum(), upper

    def _counted(self, unit: FloatArray, draws: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """How many of the directions drawn lie in each cell."""
        weights = 2 ** np.arange(len(self.samples), dtype=np.int64)[::-1]
        codes = (self.patterns > 0) @ weights  # ascending, as the patterns are
        hits = np.zeros(len(codes), dtype=np.intp)
        for start in range(0, draws, _CHUNK):
            w = rng.standard_normal((min(_CHUNK, draws - start), len(unit)))
            seen = (w @ unit > 0) @ weights
            places = np.minimum(np.searchsorted(codes, seen), len(codes) - 1)
            hits += np.bincount(places[codes[places] == seen], minlength=len(codes))
        return hits


def _summing_to_one(lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends that follow from each other because a cell, its antipode and all the others sum to 1."""
    slack = _SUM_ROUNDING
    above = (1 - (lower.sum() - 2 * lower)) / 2 + slack
    below = (1 - (upper.sum() - 2 * upper)) / 2 - slack
    return np.maximum(lower, below), np.minimum(upper, above)


def _rational(X: Fractions) -> fmpq_mat:
    return fmpq_mat([[fmpq(entry.numerator, entry.denominator) for entry in row] for row in X.tolist()])


def _coordinates(X: Fractions) -> Fractions:
    """Columns in the basis of the span that the first independent ones form, `rank × N`."""
    reduced, rank = _rational(X).rref()
    rows = [[Fraction(int(value.p), int(value.q)) for value in row] for row in reduced.tolist()[:rank]]
    flat = np.empty((rank, X.shape[1]), dtype=object)
    flat[:] = rows
    return flat
