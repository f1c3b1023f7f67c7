"""Where a bound says something: its reach over sizes and widths, and the least size at which it has any.

A bound that every probability satisfies is true and worth nothing. For a point the reach is found by evaluating the
bound and, where the quantity can be measured, by holding the two logs against each other: the log of a volume is what
an exponent is about, so a bound is *within a factor f* if the larger of the two logs is at most `f` times the smaller,
in absolute value. The end of the measured interval that is further from the bound is used, so that a factor is not
better than it is by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from verify.errors import InputError
from verify.executors import make_executor
from verify.pictures import Map
from verify.statements import Axis, Finding, Picture, Point, Scalar, Statement, Survey
from verify.statistics.intervals import Interval

# The id of the picture and of the finding that follow from a survey.
VACUITY = "vacuity"
# Up to here every pair of widths is tried when the first size is sought; above, a grid of them.
EXHAUSTIVE = 12
# Widths tried at larger sizes: powers of N with exponents k/8, and N − 1.
_EXPONENTS = 8


class Reach(IntEnum):
    """What a bound is worth at a point; the order is that of the colours in a map."""

    BELOW = 0
    NOTHING = 1
    UNCLAIMED = 2
    WITHIN_10 = 3
    WITHIN_2 = 4
    WITHIN_1_1 = 5

    @property
    def sign(self) -> str:
        """One character for a map in text."""
        return "+-.x2="[self]

    @property
    def words(self) -> str:
        """What it means."""
        return (
            "says something",
            "says nothing",
            "an assumption is not satisfied",
            "within 10 times, in logs",
            "within 2 times, in logs",
            "within 1.1 times, in logs",
        )[self]


_WITHIN = ((1.1, Reach.WITHIN_1_1), (2.0, Reach.WITHIN_2), (10.0, Reach.WITHIN_10))


@dataclass(frozen=True)
class Place:
    """One point of a map.

    Attributes:
        point: all parameters.
        reach: what the bound is worth there.
        log_bound: its natural log.
        measured: natural logs of the measured quantity and of the ends of its interval.
        broken: ids of assumptions that are not satisfied.
    """

    point: Point
    reach: Reach
    log_bound: float
    measured: Interval | None
    broken: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data; an infinite log is null."""
        seen = self.measured
        return {
            **self.point,
            "reach": self.reach.name.lower(),
            "log_bound": _finite(self.log_bound),
            "log_measured": None if seen is None else [_finite(x) for x in (seen.lower, seen.estimate, seen.upper)],
            "assumptions_not_satisfied": list(self.broken),
        }


@dataclass(frozen=True)
class VacuityMap:
    """The reach of one bound over sizes `N` and the values of an axis, at one shape `d1 / d0`.

    `places[i][j]` is that of the `i`-th size and the `j`-th row.
    """

    statement: str
    aspect: float
    fixed: Point
    sizes: tuple[int, ...]
    rows: tuple[float, ...]
    axis: Axis
    places: tuple[tuple[Place, ...], ...]

    def picture(self) -> Map:
        """As a picture for the report."""
        categories = tuple(tuple(int(place.reach) for place in column) for column in self.places)
        return Map(
            tuple(range(len(self.sizes) + 1)),
            tuple(range(len(self.rows) + 1)),
            categories,
            tuple(reach.words for reach in Reach)[: 1 + max(max(map(max, categories)), Reach.UNCLAIMED)],
            "N",
            self.axis,
            tuple(map(_short, self.sizes)),
            tuple(map(_short, self.rows)),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "statement": self.statement,
            "aspect": self.aspect,
            "fixed": dict(self.fixed),
            "places": [place.to_dict() for column in self.places for place in column],
        }

    def __str__(self) -> str:
        width = max(len(_short(size)) for size in self.sizes) + 1
        lines = [f"{self.statement}: d1 = {self.aspect:g} d0, {_named(self.fixed)}", ""]
        for number in reversed(range(len(self.rows))):
            signs = "".join(f"{column[number].reach.sign:>{width}}" for column in self.places)
            lines.append(f"{_short(self.rows[number]):>10} {signs}")
        lines += [f"{self.axis:>10} {''.join(f'{_short(size):>{width}}' for size in self.sizes)}  N", ""]
        seen = sorted({place.reach for column in self.places for place in column})
        return "\n".join(lines + [f"  {reach.sign}  {reach.words}" for reach in seen])


@dataclass(frozen=True)
class FirstSize:
    """The least `N` from which on a bound says something for some widths `d0, d1 <= N`, at all sizes looked at.

    Attributes:
        place: the widths found there, and the bound; None if it says nothing at the largest size looked at.
        looked_at: the largest size looked at.
        exhaustive: whether every pair of widths was tried at the size before; else a grid of widths.
    """

    place: Place | None
    looked_at: int
    exhaustive: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "first": None if self.place is None else self.place.to_dict(),
            "looked_at_up_to": self.looked_at,
            "all_widths": self.exhaustive,
        }

    def __str__(self) -> str:
        if self.place is None:
            return f"the bound says nothing up to N = {_short(self.looked_at)}"
        point = self.place.point
        how = "all widths tried" if self.exhaustive else "on a grid of widths"
        return (
            f"the bound says something from N = {_short(point.integer('N'))} on (d0 = {_short(point.integer('d0'))}, "
            f"d1 = {_short(point.integer('d1'))}, log bound {self.place.log_bound:.3g}; {how}; at all larger sizes "
            f"that were looked at, up to {_short(self.looked_at)})"
        )


def survey_of(statement: Statement) -> Survey:
    """The survey of a statement.

    Raises:
        InputError: if it has none.
    """
    if statement.survey is None:
        raise InputError(
            f"{statement.id} has no survey, so there is no map of it; its module can add one: survey=Survey(...)"
        )
    return statement.survey


def place_at(statement: Statement, point: Point, measure: bool) -> Place:
    """What the bound of `statement` is worth at one point.

    Args:
        statement: one with a survey.
        point: all parameters.
        measure: whether the quantity is measured where the survey says how, and the bound says something.
    """
    survey = survey_of(statement)
    broken = tuple(item.id for item in statement.assumptions if item.read_literally(point) is False)
    log_bound = statement.claim.log_bound(**point)
    upper = statement.claim.relation.is_upper
    known = (0.0 if upper else -math.inf) if survey.known is None else survey.known(point)
    says = log_bound < known if upper else log_bound > known
    if broken or not says:
        return Place(point, Reach.UNCLAIMED if broken else Reach.NOTHING, log_bound, None, broken)
    measured = survey.measure(point) if measure and survey.measure is not None else None
    return Place(point, _reach(log_bound, measured, upper), log_bound, measured, ())


def _reach(log_bound: float, measured: Interval | None, upper: bool) -> Reach:
    if measured is None:
        return Reach.BELOW
    # The log nearer to zero, and the one further from it, at the end of the interval that makes the factor larger.
    near, far = (log_bound, measured.lower) if upper else (measured.upper, log_bound)
    if not -math.inf < far <= near < 0:
        return Reach.BELOW
    return next((reach for most, reach in _WITHIN if far >= most * near), Reach.BELOW)


_WHOLE = 1e-9  # a quotient of sizes this little above an integer is one that rounding moved


def widths(size: int, row: float, aspect: float, axis: Axis) -> tuple[int, int]:
    """`d0` and `d1` with `d1 / d0` near `aspect`, and with `d0 d1 >= row · size` or `d0` near `row · size`."""
    if axis == "d0 / N":
        return max(1, round(row * size)), max(1, round(aspect * row * size))
    d0 = max(1, round(math.sqrt(row * size / aspect)))
    return d0, max(1, math.ceil(row * size / d0 - _WHOLE))


def vacuity_map(
    statement: Statement,
    sizes: Sequence[int] | None = None,
    rows: Sequence[float] | None = None,
    aspect: float = 1.0,
    measured: int = 0,
    workers: int = 1,
    folders: tuple[str, ...] = (),
    **fixed: Scalar,
) -> VacuityMap:
    """The map of one bound.

    Args:
        statement: one with a survey.
        sizes: values of `N`; the survey's own where None.
        rows: values of the survey's axis; its own where None.
        aspect: `d1 / d0`.
        measured: the largest `N` at which the quantity is measured.
        workers: processes; more than one needs a statement that the registry finds.
        folders: folders with statement modules of your own, for the workers.
        **fixed: other values for what the survey holds fixed, such as `epsilon` and `rho`.

    Raises:
        InputError: if the statement has no survey, or a value is out of range.
    """
    survey = survey_of(statement)
    across, upwards = tuple(sizes or survey.sizes), tuple(rows or survey.rows)
    _check(across, upwards, aspect)
    if measured and survey.measure is None:
        raise InputError(f"nothing is measured beside the bound of {statement.id}; leave out --measure")
    constant = _fixed(statement, survey, fixed)
    points = []
    for size in across:
        for row in upwards:
            d0, d1 = widths(size, row, aspect, survey.axis)
            points.append(constant.but(N=size, d0=d0, d1=d1))
    measuring = [point.integer("N") <= measured for point in points]
    if workers == 1:
        found = [place_at(statement, point, seen) for point, seen in zip(points, measuring, strict=True)]
    else:
        with make_executor(workers, _load, (statement.id, folders)) as executor:
            found = list(executor.map(_place, points, measuring))
    step = len(upwards)
    columns = tuple(tuple(found[start : start + step]) for start in range(0, len(found), step))
    return VacuityMap(statement.id, aspect, constant, across, upwards, survey.axis, columns)


def first_size(statement: Statement, **fixed: Scalar) -> FirstSize:
    """The least `N` from which on the bound says something for some `d0, d1 <= N`, as the assumptions have them.

    Looked at are 1 to `EXHAUSTIVE`, the survey's sizes, and those that bisect the gap after the last failure.

    Raises:
        InputError: if the statement has no survey, or a fixed value is out of range.
    """
    survey = survey_of(statement)
    constant = _fixed(statement, survey, fixed)

    def best(size: int) -> Place | None:
        for d0, d1 in _candidates(size):
            place = place_at(statement, constant.but(N=size, d0=d0, d1=d1), False)
            if place.reach is Reach.BELOW:
                return place
        return None

    sizes = sorted({*range(1, EXHAUSTIVE + 1), *survey.sizes})
    low, place = 0, None
    for size in reversed(sizes):
        found = best(size)
        if found is None:
            low = size
            break
        place = found
    if place is None:
        return FirstSize(None, sizes[-1], low <= EXHAUSTIVE)
    high = place.point.integer("N")
    while high - low > 1:
        middle = (low + high) // 2
        found = best(middle)
        low, high, place = (middle, high, place) if found is None else (low, middle, found)
    return FirstSize(place, sizes[-1], low <= EXHAUSTIVE)


def with_reach(statement: Statement) -> Statement:
    """The statement with what follows from its survey, if it has one: a map as a picture, the first size as a finding.

    A registry does this to every statement it finds.
    """
    survey = statement.survey
    if survey is None:
        return statement

    def sentence() -> tuple[bool | None, str]:
        return True, f"At {_named(survey.fixed)} {first_size(statement)}. Widths d0, d1 up to N are looked at."

    seen = (
        f"What it bounds was measured for N up to {survey.measured}, and its log compared. " if survey.measured else ""
    )
    picture = Picture(
        VACUITY,
        f"Where the bound of {statement.id} says something",
        f"Rectangles stand for pairs of N and {survey.axis}, with d1 near d0, at {_named(survey.fixed)}. "
        f"{seen}An asymptotic assumption is read literally at each size, its constants taken as one. "
        f"Other shapes and parameters: python -m verify map {statement.id}.",
        lambda: vacuity_map(statement, measured=survey.measured).picture(),
    )
    finding = Finding(VACUITY, "The size from which the bound says something", sentence)
    return replace(statement, pictures=(*statement.pictures, picture), findings=(*statement.findings, finding))


def _named(fixed: Mapping[str, Scalar]) -> str:
    names = {"epsilon": "ε", "rho": "ρ", "delta": "δ"}
    return ", ".join(f"{names.get(name, name)} = {value:g}" for name, value in fixed.items())


def _candidates(size: int) -> Iterator[tuple[int, int]]:
    """Pairs of widths up to `size`, the widest first, for that is where most bounds are smallest."""
    if size <= EXHAUSTIVE:
        tried: Iterable[int] = range(1, size + 1)
    else:
        tried = {round(size ** (k / _EXPONENTS)) for k in range(_EXPONENTS + 1)} | {size - 1, size}
    several = sorted(tried, reverse=True)
    yield from sorted(((a, b) for a in several for b in several), key=lambda pair: -pair[0] * pair[1])


def _check(sizes: Sequence[int], rows: Sequence[float], aspect: float) -> None:
    if min(sizes) < 1 or sorted(set(sizes)) != list(sizes):
        raise InputError(f"got sizes {list(sizes)}; expected increasing whole numbers from 1")
    if not all(0 < row < math.inf for row in rows) or sorted(set(rows)) != list(rows):
        raise InputError(f"got rows {list(rows)}; expected increasing positive numbers")
    if not 0 < aspect < math.inf:
        raise InputError(f"got aspect {aspect}; expected d1/d0, a positive number")


def _fixed(statement: Statement, survey: Survey, given: dict[str, Scalar]) -> Point:
    """The fixed parameters, checked against the domains of the statement's variables."""
    unknown = sorted(given.keys() - survey.fixed.keys())
    if unknown:
        raise InputError(
            f"the map of {statement.id} has no {', '.join(unknown)}; it holds {', '.join(survey.fixed)} fixed"
        )
    point = Point(**{**survey.fixed, **given})
    statement.check_domains(**point)
    return point


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _short(value: float) -> str:
    return f"{value:g}" if value < 10**5 else f"{value:.3g}".replace("e+0", "e").replace("e+", "e")


_loaded: Statement | None = None


def _load(identifier: str, folders: tuple[str, ...]) -> None:
    """Prepare a worker."""
    global _loaded
    from verify.registry import discover

    _loaded = discover(folders)[identifier]


def _place(point: Point, measure: bool) -> Place:
    if _loaded is None:
        raise RuntimeError("_load() has not run in this process")
    return place_at(_loaded, point, measure)
