"""Baum 1988: ⌈N/d⌉ threshold units in one hidden layer compute any dichotomy of N points in general position.

The network is constructed in rational arithmetic and evaluated from its definition. A hyperplane through d points,
tilted a little, has these d on any sides that one likes, and all others where they were. So a pair of tilted copies,
subtracted, gives d points any of the outputs −1, 0, 1 and all others 0: it mends d errors. With an even number of
units all are such pairs, and mend the smaller class of the dichotomy. With an odd one, a single unit comes first; of
its two orientations one is wrong on at most half of the points that it does not pass through.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import sympy as sp
from flint import fmpq, fmpq_mat, fmpz_mat

from verify.relations import Relation
from verify.sampling import Draw, Tally, count, entries
from verify.statements import (
    Check,
    Citation,
    Claim,
    Control,
    Derivation,
    Kind,
    Point,
    Sampler,
    Statement,
    Step,
    Variable,
)
from verify.statistics.estimates import Counterexamples, Estimate, Exact
from verify.verdicts import Evidence

ENTRIES = 40  # points have integer coordinates up to this size
DRAWS = 50  # until they are in general position
LABELLINGS = 3  # of a larger set of points, in one chunk

N = sp.Symbol("N", integer=True, positive=True)
d = sp.Symbol("d", integer=True, positive=True)
CLAIM = Claim(
    sp.Symbol(r"\max_{y \in \{0, 1\}^N} \min\{\text{hidden threshold units that compute } y\}"),
    Relation.AT_MOST,
    sp.ceiling(N / d),
    proviso="for N points in general position in d dimensions: no d + 1 of them on a hyperplane",
)

Unit = tuple[list[fmpq], int]  # a hyperplane (w, b), and the weight of its output


def _even() -> bool | None:
    """`k = 2q`, `N <= k d`: the smaller class has at most `N/2 <= q d` points, so q pairs suffice."""
    q, spare = sp.symbols("q s", nonnegative=True)
    answer: bool | None = (q * d - (2 * q * d - spare) / 2).is_nonnegative
    return answer


def _odd() -> bool | None:
    """`k = 2q + 1`: at most `(N − d)/2 <= q d` errors are left for q pairs."""
    q, spare = sp.symbols("q s", nonnegative=True)
    answer: bool | None = sp.expand(q * d - ((2 * q + 1) * d - spare - d) / 2).is_nonnegative
    return answer


def _moments() -> bool | None:
    """A hyperplane meets the curve `(t, t², …, t^d)` at roots of a polynomial of degree d: shown for d = 1 … 6."""
    t = sp.Symbol("t")
    return all(
        sp.Poly(sum(sp.Symbol(f"w{j}") * t**j for j in range(size + 1)), t).degree() == size for size in range(1, 7)
    )


def construct(points: list[list[int]], labels: Sequence[int]) -> tuple[list[Unit], int]:
    """A network of at most ⌈N/d⌉ units for these labels: the units, and the constant of the output.

    The output is the constant plus the weights of all units whose hyperplane has the point on its positive side.

    Args:
        points: N points with d coordinates, in general position.
        labels: 0 or 1 for each.

    Raises:
        ValueError: if some hyperplane passes through more points than it was made for.
    """
    size, dimension = len(points), len(points[0])
    lifted = [[*point, 1] for point in points]
    units: list[Unit] = []
    if math.ceil(size / dimension) % 2:
        through = list(range(min(dimension, size)))
        plane = _plane(lifted, through)
        above = [_side(plane, point) > 0 for point in lifted]
        # Turning the plane round exchanges its errors and its successes off the points that it passes through.
        errors = sum(above[n] != labels[n] for n in range(size) if n not in through)
        if 2 * errors > size - len(through):
            plane = [-entry for entry in plane]
        units.append((_tilted(lifted, plane, {n: labels[n] for n in through}), 1))
        constant = 0
    else:
        constant = int(2 * sum(labels) > size)
    wrong = {n: labels[n] - _output(units, constant, lifted[n]) for n in range(size)}
    left = [n for n in range(size) if wrong[n]]
    for start in range(0, len(left), dimension):
        group = left[start : start + dimension]
        plane = _plane(lifted, group)
        units.append((_tilted(lifted, plane, {n: int(wrong[n] > 0) for n in group}), 1))
        units.append((_tilted(lifted, plane, {n: int(wrong[n] < 0) for n in group}), -1))
    return units, constant


def _side(plane: Sequence[fmpq], point: Sequence[int]) -> fmpq:
    return sum((entry * coordinate for entry, coordinate in zip(plane, point, strict=True)), fmpq(0))


def _plane(lifted: list[list[int]], through: list[int]) -> list[fmpq]:
    """A hyperplane that passes through these points and no others."""
    basis, nullity = fmpz_mat([lifted[n] for n in through]).nullspace()
    for powers in range(1, len(lifted) * len(lifted[0]) + 2):
        # Powers of a number are no root of the few conditions that the other points make, from some number on.
        plane = [sum((fmpq(basis[i, j]) * powers**j for j in range(nullity)), fmpq(0)) for i in range(len(lifted[0]))]
        if all(_side(plane, lifted[n]) != 0 for n in range(len(lifted)) if n not in through):
            return plane
    raise ValueError(f"every hyperplane through the points {through} passes through another; expected general position")


def _tilted(lifted: list[list[int]], plane: list[fmpq], sides: dict[int, int]) -> list[fmpq]:
    """The plane tilted so that the points on it come to lie on these sides, and no other changes its own."""
    rows = fmpq_mat([[fmpq(entry) for entry in lifted[n]] for n in sides])
    wanted = fmpq_mat([[fmpq(2 * side - 1)] for side in sides.values()])
    # The least solution of `rows · v = ±1`; the rows are independent.
    v = rows.transpose() * (rows * rows.transpose()).solve(wanted)
    direction = [v[i, 0] for i in range(len(plane))]
    others = [point for n, point in enumerate(lifted) if n not in sides]
    room = [abs(_side(plane, point)) / (abs(_side(direction, point)) + 1) for point in others]
    step = min(room, default=fmpq(1)) / 2
    return [entry + step * along for entry, along in zip(plane, direction, strict=True)]


def _output(units: list[Unit], constant: int, point: list[int]) -> int:
    return constant + sum(weight for plane, weight in units if _side(plane, point) > 0)


def misses(points: list[list[int]], labels: Sequence[int], units: list[Unit], constant: int) -> int:
    """Points on which the network, thresholded at 1/2, is wrong; a point on a hyperplane counts as one."""
    wrong = 0
    for point, label in zip(points, labels, strict=True):
        values = [sum((w * x for w, x in zip(plane, [*point, 1], strict=True)), fmpq(0)) for plane, _ in units]
        total = constant + sum(weight for (_, weight), value in zip(units, values, strict=True) if value > 0)
        wrong += any(value == 0 for value in values) or (2 * total > 1) != bool(label)
    return wrong


def _points(point: Point, draw: Draw) -> list[list[int]]:
    """Integer points in general position.

    Raises:
        RuntimeError: if none are found in `DRAWS` draws.
    """
    size, dimension = point.integer("N"), point.integer("d")
    for _ in range(DRAWS):
        points = draw.rng.integers(-ENTRIES, ENTRIES + 1, (size, dimension)).tolist()
        most = min(size, dimension + 1)
        chosen = itertools.islice(itertools.combinations(points, most), 2000)
        if all(fmpz_mat([[*one, 1] for one in some]).rank() == most for some in chosen):
            return [list(map(int, one)) for one in points]
    raise RuntimeError(f"no {size} points in {dimension} dimensions in general position among {DRAWS}")


def _networks(labelled: Callable[[Point, Draw], Iterator[Sequence[int]]], flat: bool) -> Callable[[Point, Draw], Tally]:
    """Sampler: networks for these labellings; or, wrongly, with both units of each pair alike."""

    def draw_chunk(point: Point, draw: Draw) -> Tally:
        points = _points(point, draw)
        tally, width = {"trials": 0, "misses": 0}, 0
        for labels in labelled(point, draw):
            units, constant = construct(points, labels)
            if flat:
                units = [
                    (units[i - (i % 2)][0] if len(units) % 2 == 0 else units[0][0], w) for i, (_, w) in enumerate(units)
                ]
            tally["trials"] += 1
            tally["misses"] += misses(points, labels, units, constant) > 0
            width = max(width, len(units))
        return {**tally, "widths": [width]}

    return draw_chunk


def _all(point: Point, draw: Draw) -> Iterator[Sequence[int]]:
    return itertools.product((0, 1), repeat=point.integer("N"))


def _some(point: Point, draw: Draw) -> Iterator[Sequence[int]]:
    """Random labels, and alternating ones."""
    size = point.integer("N")
    for _ in range(LABELLINGS - 1):
        yield draw.rng.integers(0, 2, size).tolist()
    yield [n % 2 for n in range(size)]


def _alternating(point: Point, draw: Draw) -> Tally:
    """A network for alternating labels on the moment curve, where ⌈(N − 1)/d⌉ units are needed at least."""
    points = [[t**j for j in range(1, point.integer("d") + 1)] for t in range(1, point.integer("N") + 1)]
    labels = [n % 2 for n in range(len(points))]
    units, constant = construct(points, labels)
    return {"trials": 1, "misses": int(misses(points, labels, units, constant) > 0), "widths": [len(units)]}


def _read(tally: Tally, point: Point) -> Estimate:
    """The largest number of units; dichotomies that were not computed, where there are any."""
    if count(tally, "misses"):
        return Counterexamples(count(tally, "misses"), count(tally, "trials"), evidence=Evidence.WITNESS)
    return Exact(math.log(max(1, *entries(tally, "widths"))), Evidence.WITNESS, count(tally, "trials"))


SMALL = Sampler("baum-all-labels", _networks(_all, False))
LARGE = Sampler("baum-some-labels", _networks(_some, False))
FLAT = Sampler("baum-flat", _networks(_some, True))
ON_THE_CURVE = Sampler("baum-moment-curve", _alternating)

_SMALL = tuple(Point(N=n, d=a) for n, a in ((1, 1), (5, 1), (2, 3), (4, 2), (5, 2), (6, 2), (6, 3), (5, 4)))
_LINE = (Point(N=5, d=1),)
_LARGE = tuple(Point(N=n, d=a) for n, a in ((20, 2), (25, 3), (30, 5), (24, 10), (21, 20)))
STATEMENT = Statement(
    id="baum-1988",
    kind=Kind.CALIBRATION,
    title="Threshold units for any dichotomy",
    citation=Citation("Baum 1988", "first construction (abstract)", "https://doi.org/10.1016/0885-064X(88)90020-9"),
    summary=(
        "A network with one hidden layer of ⌈N/d⌉ threshold units computes any dichotomy of N points in general "
        "position in d dimensions. For some points that is the fewest, up to the last one."
    ),
    variables=(Variable(N, "number of points", sp.S.Naturals), Variable(d, "dimension", sp.S.Naturals)),
    assumptions=(),
    claim=CLAIM,
    steps=(
        Step(
            "An even number k = 2q of units: q pairs give q d points the label that the others do not have, and the "
            "smaller class has no more.",
            r"N \le 2 q d \;\Rightarrow\; \lfloor N/2 \rfloor \le q d",
            _even,
        ),
        Step(
            "An odd number k = 2q + 1: one unit through d points is right on these and, turned the right way round, "
            "wrong on at most half of the others; q pairs mend these.",
            r"N \le (2 q + 1) d \;\Rightarrow\; \lfloor (N - d)/2 \rfloor \le q d",
            _odd,
        ),
        Step(
            "Fewer than (N − 1)/d units do not alternate along the curve (t, t², …, t^d): a hyperplane crosses it at "
            "most d times (shown up to d = 6).",
            r"\deg\left(w_0 + w_1 t + \dots + w_d t^d\right) \le d",
            _moments,
        ),
    ),
    derivation=Derivation.PARTIAL,
    checks=(
        Check(
            name="all dichotomies",
            text="Constructs a network for every labelling of random integer points and evaluates it exactly.",
            sampler=SMALL,
            read=_read,
            grid=_SMALL,
            chunks=1,
            controls=(
                # On a line each change of the label takes a unit of its own, so these are false.
                Control("constant", "half of the units", CLAIM.with_bound(lambda b: b / 2), points=_LINE),
                Control("dimension", "d + 1 in place of d", CLAIM.with_bound(lambda b: b.subs(d, d + 1)), points=_LINE),
            ),
        ),
        Check(
            name="larger sets",
            text="The same for random and alternating labels of larger sets of points.",
            sampler=LARGE,
            read=_read,
            grid=_LARGE,
            chunks=1,
            controls=(
                Control(
                    "constant",
                    "half of the units, for alternating labels on the moment curve",
                    CLAIM.with_bound(lambda b: b / 2),
                    sampler=ON_THE_CURVE,
                    points=_LARGE[:3],
                ),
                Control("flat", "both units of each pair tilted alike", sampler=FLAT, points=_LARGE[:2]),
            ),
        ),
    ),
    notes=(
        "The construction here is ours; it has as many units as Baum's. General position is affine: a constant "
        "coordinate is added to every point.",
    ),
)
