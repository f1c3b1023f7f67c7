"""What a statement can show besides its numbers: curves, the cells of an arrangement, and maps of pairs of angles.

A picture is data; `verify.report` draws it. Each kind checks itself when it is made, and is the same after a way
through JSON as before, up to nine significant digits. Areas stand for volumes: the report draws every cell with an
area that is proportional to its share of the circle, of the sphere, or of the pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import index
from typing import Any, Literal, get_args

Style = Literal["line", "points", "dashed"]
Scale = Literal["linear", "log"]
Vector = tuple[float, ...]

MOST_SERIES = 6
MOST_CATEGORIES = 6
MOST_POINTS = 500
MOST_CELLS = 200
MOST_EDGES = 61
_TURN = 2 * math.pi
_SLACK = 1e-6  # more than the rounding of nine digits does to an angle or to the length of a vector


# --- Curves -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Series:
    """Values along one axis, drawn as a line, as points or as a dashed line.

    Attributes:
        label: for the legend.
        x: where each value stands; increasing for a line.
        y: natural logs of the values; `-inf` (a value of zero) is left out, and a line breaks there.
        lower: natural logs of the lower ends of intervals (error bars of points, else a band); may be `-inf`.
        upper: natural logs of the upper ends; may be `inf`. A point with `y = -inf` keeps its error bar.
        style: how it is drawn.

    Raises:
        ValueError: at construction, where the lengths differ, a value is none, or an interval misses its value.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    lower: tuple[float, ...] | None = None
    upper: tuple[float, ...] | None = None
    style: Style = "line"

    def __post_init__(self) -> None:
        name = f"series {self.label!r}"
        _set(self, label=str(self.label), x=_numbers(self.x, f"x of {name}"), y=_numbers(self.y, f"y of {name}"))
        if self.style not in get_args(Style):
            raise ValueError(f"got style {self.style!r} for {name}; expected {', '.join(get_args(Style))}")
        if not 1 <= len(self.x) <= MOST_POINTS:
            raise ValueError(f"{name} has {len(self.x)} values; expected 1 to {MOST_POINTS}")
        if len(self.y) != len(self.x):
            raise ValueError(f"{name} has {len(self.x)} x and {len(self.y)} y; expected as many of one as of the other")
        if not all(map(math.isfinite, self.x)):
            raise ValueError(f"an x of {name} is not finite; leave that value out")
        if math.inf in self.y:
            raise ValueError(f"a y of {name} is +inf; expected natural logs of finite values")
        if self.style != "points" and any(after <= before for before, after in pairwise(self.x)):
            raise ValueError(f"the x of {name} do not increase; sort its values, or draw it with style 'points'")
        if (self.lower is None) != (self.upper is None):
            raise ValueError(f"{name} has only one end of its intervals; expected both `lower` and `upper`, or neither")
        if self.lower is None or self.upper is None:
            return
        _set(self, lower=_numbers(self.lower, f"lower of {name}"), upper=_numbers(self.upper, f"upper of {name}"))
        if not len(self.lower) == len(self.upper) == len(self.x):
            raise ValueError(f"{name} has {len(self.x)} values; expected as many intervals")
        for low, value, high in zip(self.lower, self.y, self.upper, strict=True):
            if not low <= value + _SLACK or not value <= high + _SLACK:
                raise ValueError(f"an interval of {name} is [{low:g}, {high:g}] and misses its value {value:g}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "label": self.label,
            "style": self.style,
            "x": [_short(value) for value in self.x],
            "log_y": [_short(value) for value in self.y],
            "log_lower": None if self.lower is None else [_short(value) for value in self.lower],
            "log_upper": None if self.upper is None else [_short(value) for value in self.upper],
        }


@dataclass(frozen=True)
class Curves:
    """Series over one axis, with an axis of values that is logarithmic unless `y_scale` says otherwise.

    Attributes:
        x_label: what stands across.
        y_label: what the values are.
        series: what is drawn.
        x_scale: `log` if the `x` of the series are natural logs too, and the axis shows powers of ten.
        y_scale: `linear` for values from 0; a value of zero is then drawn, as zero. The series have logs all the same.

    Raises:
        ValueError: at construction, where there is no series, too many, a scale is none, or nothing finite to draw.
    """

    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_scale: Scale = "linear"
    y_scale: Scale = "log"

    def __post_init__(self) -> None:
        for name in ("x_scale", "y_scale"):
            if getattr(self, name) not in get_args(Scale):
                raise ValueError(f"got {name} {getattr(self, name)!r}; expected {' or '.join(get_args(Scale))}")
        _set(self, x_label=str(self.x_label), y_label=str(self.y_label), series=tuple(self.series))
        if not 1 <= len(self.series) <= MOST_SERIES:
            raise ValueError(
                f"got {len(self.series)} series; expected 1 to {MOST_SERIES}, so that they can be told apart"
            )
        ends = (end for item in self.series for end in (*item.y, *(item.lower or ()), *(item.upper or ())))
        if not any(map(math.isfinite, ends)):
            raise ValueError("no series has a finite value; a picture needs at least one")

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "kind": "curves",
            "x_label": self.x_label,
            "y_label": self.y_label,
            "series": [item.to_dict() for item in self.series],
            **({"x_scale": self.x_scale} if self.x_scale != "linear" else {}),
            **({"y_scale": self.y_scale} if self.y_scale != "log" else {}),
        }


# --- Arrangements -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sector:
    """A cell in the plane: the directions from angle `start` to angle `end`, in radians, counter-clockwise.

    Raises:
        ValueError: at construction, where it is empty or more than a full turn.
    """

    start: float
    end: float
    category: int

    def __post_init__(self) -> None:
        start, end = _numbers((self.start, self.end), "the angles of a sector")
        _set(self, start=start, end=end, category=index(self.category))
        if not 0 < end - start <= _TURN + _SLACK:
            raise ValueError(
                f"got a sector from {start:g} to {end:g}; expected start < end <= start + 2 pi, in radians"
            )

    @property
    def share(self) -> float:
        """Its part of the circle, from 0 to 1."""
        return (self.end - self.start) / _TURN

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {"angles": [_short(self.start), _short(self.end)], "category": self.category}


@dataclass(frozen=True)
class Polygon:
    """A cell in space: a convex spherical polygon, by the unit vectors of its corners in order, either way round.

    Consecutive corners must be less than half a turn apart: give a lune a further corner halfway along each side.

    Raises:
        ValueError: at construction, where a corner is no unit vector of three coordinates, the corners are not those
            of a convex polygon in order, or the polygon is half the sphere or more.
    """

    corners: tuple[Vector, ...]
    category: int

    def __post_init__(self) -> None:
        corners = tuple(_numbers(corner, "a corner") for corner in self.corners)
        _set(self, corners=corners, category=index(self.category))
        if len(corners) < 3:
            raise ValueError(
                f"got a cell of {len(corners)} corners; expected at least 3, of which some may be on a side"
            )
        for corner in corners:
            if len(corner) != 3 or abs(math.hypot(*corner) - 1) > _SLACK:
                raise ValueError(f"got the corner {corner}; expected a unit vector of three coordinates")
        for one, other in zip(corners, (*corners[1:], corners[0]), strict=True):
            if dot(one, other) < -1 + _SLACK:
                raise ValueError(f"the corners {one} and {other} are opposite; put one more corner on the side between")
        around = list(zip((corners[-1], *corners[:-1]), corners, (*corners[1:], corners[0]), strict=True))
        turns = [dot(before, cross(at, after)) for before, at, after in around]
        if min(turns) < -_SLACK and max(turns) > _SLACK:
            raise ValueError(
                "the corners of a cell turn both ways; expected a convex polygon with its corners in order"
            )
        if not -_SLACK <= self.share < 0.5 - _SLACK:
            raise ValueError("got a cell of half the sphere or more, or corners out of order; expected a pointed cell")

    @property
    def share(self) -> float:
        """Its part of the sphere, from 0 to 1 (the sum of its angles above that of a plane polygon, over 4 pi)."""
        corners = self.corners
        excess = -math.pi * (len(corners) - 2)
        for before, at, after in zip((corners[-1], *corners[:-1]), corners, (*corners[1:], corners[0]), strict=True):
            one, other = cross(at, before), cross(at, after)
            excess += math.atan2(math.hypot(*cross(one, other)), dot(one, other))
        return excess / (2 * _TURN)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        corners = [[_short(part) for part in corner] for corner in self.corners]
        return {"corners": corners, "category": self.category}


@dataclass(frozen=True)
class Line:
    """A hyperplane of the arrangement: its normal, of any length but zero, and a number or short word beside it.

    There is room for eight characters in the plane and for three in space.

    Raises:
        ValueError: at construction, where the normal is zero or not finite.
    """

    normal: Vector
    label: str

    def __post_init__(self) -> None:
        _set(self, normal=_numbers(self.normal, "a normal"), label=str(self.label))
        if not 0 < math.hypot(*self.normal) < math.inf:
            raise ValueError(f"got the normal {self.normal}; expected a finite vector other than zero")

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {"normal": [_short(value) for value in self.normal], "label": self.label}


@dataclass(frozen=True)
class Arrangement:
    """Cells of a central hyperplane arrangement in the plane (all sectors) or in space (all polygons).

    Attributes:
        cells: need not cover everything, and may not overlap.
        labels: words for each category; a cell's category is an index into them. Colours go by that index:
            0 blue, 1 vermilion, 2 a quiet grey for what is of no interest, 3 ochre, 4 purple, 5 green.
        lines: the hyperplanes themselves.

    Raises:
        ValueError: at construction, where cells or lines are of the wrong kind, or cells overlap.
    """

    cells: tuple[Sector, ...] | tuple[Polygon, ...]
    labels: tuple[str, ...]
    lines: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        _set(self, cells=tuple(self.cells), labels=tuple(map(str, self.labels)), lines=tuple(self.lines))
        if not 1 <= len(self.cells) <= MOST_CELLS:
            raise ValueError(f"got {len(self.cells)} cells; expected 1 to {MOST_CELLS}")
        kinds = {type(cell) for cell in self.cells}
        if kinds not in ({Sector}, {Polygon}):
            raise ValueError(
                f"got cells of {sorted(kind.__name__ for kind in kinds)}; expected all Sector or all Polygon"
            )
        _check_categories((cell.category for cell in self.cells), self.labels)
        if len(self.lines) > MOST_CELLS:
            raise ValueError(f"got {len(self.lines)} lines; expected at most {MOST_CELLS}")
        for line in self.lines:
            if len(line.normal) != self.dimension:
                raise ValueError(
                    f"got the normal {line.normal}; expected {self.dimension} coordinates, as the cells have"
                )
        if sum(cell.share for cell in self.cells) > 1 + _SLACK:
            raise ValueError("the cells have more than the whole circle or sphere together; expected no two to overlap")
        sectors = sorted((cell.start % _TURN, cell.end - cell.start) for cell in self.cells if isinstance(cell, Sector))
        ends = [start for start, _ in sectors[1:]] + [start + _TURN for start, _ in sectors[:1]]
        for (start, width), following in zip(sectors, ends, strict=True):
            if start + width > following + _SLACK:
                raise ValueError(
                    f"the sector that starts at {start:g} reaches into the next, which starts at {following:g}"
                )

    @property
    def dimension(self) -> int:
        """2 for sectors, 3 for polygons."""
        return 2 if isinstance(self.cells[0], Sector) else 3

    def shares(self) -> tuple[float, ...]:
        """For each category the part of all directions that its cells take."""
        return tuple(
            math.fsum(cell.share for cell in self.cells if cell.category == number)
            for number in range(len(self.labels))
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "kind": "arrangement",
            "labels": list(self.labels),
            "cells": [cell.to_dict() for cell in self.cells],
            "lines": [line.to_dict() for line in self.lines],
        }


# --- Maps ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Map:
    """A plane cut into rectangles, such as pairs of angles: what there is for each pair of cells.

    Attributes:
        x_edges: increasing numbers where the cells across begin and end: angles in radians over at most a full turn, or
            any numbers if `x_ticks` says what the cells are.
        y_edges: the same for the cells upwards.
        categories: `categories[i][j]` is that of the `i`-th cell across and the `j`-th upwards, an index into `labels`.
        labels: words for each category; colours as in `Arrangement`.
        x_label: what the angle across is.
        y_label: what the angle upwards is.
        x_ticks: words for each cell across, where it stands for no angle.
        y_ticks: the same upwards.

    Raises:
        ValueError: at construction, where the sizes do not agree or the edges do not increase.
    """

    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    categories: tuple[tuple[int, ...], ...]
    labels: tuple[str, ...]
    x_label: str = "angle of the first"
    y_label: str = "angle of the second"
    x_ticks: tuple[str, ...] | None = None
    y_ticks: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for axis in "xy":
            name, words = f"{axis}_edges", getattr(self, f"{axis}_ticks")
            edges = _numbers(getattr(self, name), name)
            _set(self, **{name: edges})
            if words is not None:
                _set(self, **{f"{axis}_ticks": tuple(map(str, words))})
                if len(words) != len(edges) - 1:
                    raise ValueError(f"got {len(words)} {axis}_ticks; expected {len(edges) - 1}, one for each cell")
            if not 2 <= len(edges) <= MOST_EDGES:
                raise ValueError(f"got {len(edges)} {name}; expected 2 to {MOST_EDGES}")
            if any(not after > before for before, after in pairwise(edges)):
                raise ValueError(f"the {name} do not increase; expected sorted angles, each once")
            if words is None and not edges[-1] - edges[0] <= _TURN + _SLACK:
                raise ValueError(f"the {name} go from {edges[0]:g} to {edges[-1]:g}; expected at most 2 pi, in radians")
        rows = tuple(tuple(map(index, row)) for row in self.categories)
        _set(self, categories=rows, labels=tuple(map(str, self.labels)))
        _set(self, x_label=str(self.x_label), y_label=str(self.y_label))
        across, upwards = len(self.x_edges) - 1, len(self.y_edges) - 1
        if len(rows) != across or any(len(row) != upwards for row in rows):
            sizes = f"{len(rows)} x {sorted({len(row) for row in rows})}"
            raise ValueError(f"got categories of {sizes}; expected {across} x {upwards}, one less than edges each way")
        _check_categories((category for row in rows for category in row), self.labels)

    def shares(self) -> tuple[float, ...]:
        """For each category the part of the map's area that it takes."""
        whole = (self.x_edges[-1] - self.x_edges[0]) * (self.y_edges[-1] - self.y_edges[0])
        areas: list[list[float]] = [[] for _ in self.labels]
        for (left, right), row in zip(pairwise(self.x_edges), self.categories, strict=True):
            for (bottom, top), category in zip(pairwise(self.y_edges), row, strict=True):
                areas[category].append((right - left) * (top - bottom))
        return tuple(math.fsum(parts) / whole for parts in areas)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return {
            "kind": "map",
            "labels": list(self.labels),
            "x_label": self.x_label,
            "y_label": self.y_label,
            "x_edges": [_short(value) for value in self.x_edges],
            "y_edges": [_short(value) for value in self.y_edges],
            "categories": [list(row) for row in self.categories],
            **{name: list(getattr(self, name)) for name in ("x_ticks", "y_ticks") if getattr(self, name) is not None},
        }


# --- To and from JSON ---------------------------------------------------------------------------------------

Drawing = Curves | Arrangement | Map


def from_dict(data: dict[str, Any]) -> Drawing:
    """The picture that `to_dict` of one of the kinds described.

    Raises:
        ValueError: if it is of no known kind, or its parts are missing or do not make a picture.
    """
    try:
        match data["kind"]:
            case "curves":
                series = tuple(_series(item) for item in data["series"])
                scales = data.get("x_scale", "linear"), data.get("y_scale", "log")
                return Curves(data["x_label"], data["y_label"], series, *scales)
            case "arrangement":
                lines = tuple(Line(_floats(item["normal"]), item["label"]) for item in data["lines"])
                cells: Any = tuple(map(_cell, data["cells"]))
                return Arrangement(cells, tuple(data["labels"]), lines)
            case "map":
                return Map(
                    _floats(data["x_edges"]),
                    _floats(data["y_edges"]),
                    tuple(map(tuple, data["categories"])),
                    tuple(data["labels"]),
                    data["x_label"],
                    data["y_label"],
                    *(None if data.get(name) is None else tuple(data[name]) for name in ("x_ticks", "y_ticks")),
                )
            case other:
                raise ValueError(f"got a picture of kind {other!r}; expected curves, arrangement or map")
    except (KeyError, TypeError) as error:
        raise ValueError(f"the data of a picture are incomplete: {type(error).__name__}: {error}") from None


def _series(data: dict[str, Any]) -> Series:
    ends = [None if data[name] is None else _floats(data[name]) for name in ("log_lower", "log_upper")]
    return Series(data["label"], _floats(data["x"]), _floats(data["log_y"]), ends[0], ends[1], data["style"])


def _cell(data: dict[str, Any]) -> Sector | Polygon:
    if "angles" in data:
        start, end = _floats(data["angles"])
        return Sector(start, end, data["category"])
    return Polygon(tuple(map(_floats, data["corners"])), data["category"])


def _floats(values: Iterable[float | str]) -> tuple[float, ...]:
    """Numbers from JSON, where "-inf" and "inf" are strings."""
    return tuple(float(value) for value in values)


def _short(value: float) -> float | str:
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(f"{value:.9g}")


def _numbers(values: Iterable[float], name: str) -> tuple[float, ...]:
    """The values as floats, none of them NaN."""
    try:
        made = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise ValueError(f"got {values!r} for {name}; expected a sequence of numbers") from None
    if any(map(math.isnan, made)):
        raise ValueError(f"{name} has a value that is not a number; leave it out")
    return made


def _check_categories(categories: Iterable[int], labels: Sequence[str]) -> None:
    if not 1 <= len(labels) <= MOST_CATEGORIES:
        raise ValueError(f"got {len(labels)} labels; expected 1 to {MOST_CATEGORIES}, so that they can be told apart")
    wrong = sorted({category for category in categories if not 0 <= category < len(labels)})
    if wrong:
        raise ValueError(f"got categories {wrong}; expected indices of the {len(labels)} labels, from 0")


def _set(item: Any, **values: Any) -> None:
    """Set fields of a frozen dataclass while it is being made."""
    for name, value in values.items():
        object.__setattr__(item, name, value)


# --- Vectors ------------------------------------------------------------------------------------------------


def dot(one: Vector, other: Vector) -> float:
    """Inner product of two vectors of one length."""
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


def cross(one: Vector, other: Vector) -> Vector:
    """Vector product of two vectors of three coordinates."""
    (a, b, c), (d, e, f) = one, other
    return b * f - c * e, c * d - a * f, a * e - b * d
