"""The figure of a check: each measured value with its interval, against its bound.

Drawn as SVG of our own, for it is small, the same bytes at every build, follows the page into dark mode, and needs
no plotting library. The value axis is logarithmic, since volumes of e^-1000 are ordinary here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from verify.report import numbers
from verify.report.canvas import GLYPH, Canvas, Figure, Pieces, Place, cut, log_ticks, shortened
from verify.report.formulas import pieces

STYLE = """
.fig text{font-family:var(--figure-font);font-size:11px;fill:var(--ink)}
.fig .small{font-size:10px}.fig .soft{fill:var(--soft)}.fig .raised{font-size:8px}
.fig .grid{stroke:var(--line);stroke-width:.7;fill:none}.fig .axis{stroke:var(--soft);stroke-width:1;fill:none}
.fig .vacuous-region{fill:var(--line);fill-opacity:.45}
.fig .bound{stroke:var(--ink);stroke-width:2.2;fill:none}.fig .path{stroke:var(--ink);stroke-width:.8;fill:none}
.fig .beside{stroke:var(--soft);stroke-width:1.1;fill:var(--paper)}
.fig .besides{stroke:var(--soft);stroke-width:.8;stroke-dasharray:3 2.5;fill:none}
.fig .solid{stroke:none}.fig .hollow{fill:var(--paper);stroke-width:1.6}.fig .bar{stroke-width:1.6;fill:none}
.fig .holds{stroke:var(--holds)}.fig .holds.solid{fill:var(--holds)}
.fig .violated{stroke:var(--violated)}.fig .violated.solid{fill:var(--violated)}
.fig .undecided{stroke:var(--undecided)}.fig .undecided.solid{fill:var(--undecided)}
.fig .vacuous,.fig .not-applicable{stroke:var(--vacuous)}.fig .vacuous.solid{fill:var(--vacuous)}
.fig .error{stroke:var(--error)}.fig .error.solid{fill:var(--error)}
"""
_WIDTH = 540.0
_PANEL_HEIGHT = 170.0
_ROW = 19.0
_FOREST_MOST = 24  # more points than this are numbered along an axis, not named in rows
_PANELS_IN_ROW = 3
_NUMBERED = "number of the point in the table"


@dataclass(frozen=True)
class _Mark:
    number: int
    parameters: dict[str, Any]
    x: float
    lower: float | None
    estimate: float | None
    upper: float | None
    bound: float | None
    beside: tuple[tuple[str, float | None], ...]
    outcome: str


@dataclass(frozen=True)
class _Panel:
    """Points along one axis; without a name for it they are rows, each with a label."""

    title: Pieces
    axis: str | None
    marks: Sequence[_Mark]


def check_figures(check: dict[str, Any]) -> list[Figure]:
    """The figures of one check of results.json; none where no point has a finite value."""
    marks = [_mark(number, point) for number, point in enumerate(check["points"], 1) if point["estimate"] is not None]
    paths = [point["path"] for point in check["points"] if point["estimate"] is not None]
    marks_on = [(mark, path) for mark, path in zip(marks, paths, strict=True) if _is_visible(mark)]
    if not marks_on:
        return []
    frame = _Frame.around([mark for mark, _ in marks_on], check["claim"]["relation"])
    panels, rows = _arranged(marks_on)
    figures = []
    if panels:
        figures.append(_draw_panels(panels, frame, check))
    if rows:
        figures.append(_draw_rows(rows, frame, check))
    return figures


def _mark(number: int, point: dict[str, Any]) -> _Mark:
    estimate = point["estimate"]
    lower, middle, upper = (numbers.log_number(estimate[key]) for key in ("log_lower", "log_estimate", "log_upper"))
    beside = tuple((item["label"], numbers.log_number(item["log_bound"])) for item in point["beside"])
    bound = numbers.log_number(point["log_bound"])
    outcome = _LEANINGS.get(point["verdict"]["leaning"], point["verdict"]["outcome"])
    return _Mark(number, point["parameters"], 0.0, lower, middle, upper, bound, beside, outcome)


def _finite(*values: float | None) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _is_visible(mark: _Mark) -> bool:
    return bool(_finite(mark.lower, mark.estimate, mark.upper))


# --- What goes where ----------------------------------------------------------------------------------------


def _arranged(marks_on: Sequence[tuple[_Mark, str | None]]) -> tuple[list[_Panel], list[_Mark]]:
    """Panels for points that lie along one parameter; the rest as rows, or numbered where they are many."""
    groups: dict[str | None, list[_Mark]] = {}
    for mark, path in marks_on:
        groups.setdefault(path, []).append(mark)
    panels: list[_Panel] = []
    loose: list[_Mark] = []
    for path, marks in groups.items():
        found = _along(marks, pieces(path) if path else [], on_path=path is not None)
        panels += found
        if not found:
            loose += marks
    if len(loose) > _FOREST_MOST:
        numbered = [_with_x(mark, float(mark.number)) for mark in loose]
        panels.append(_Panel([], _NUMBERED, numbered))
        loose = []
    return panels, sorted(loose, key=lambda mark: mark.number)


def _along(marks: Sequence[_Mark], title: Pieces, *, on_path: bool) -> list[_Panel]:
    varying = [name for name in marks[0].parameters if len({str(mark.parameters.get(name)) for mark in marks}) > 1]
    numeric = [name for name in varying if all(_is_number(mark.parameters.get(name)) for mark in marks)]
    names = [name for name in ("N", *numeric) if name in numeric]
    names.sort(key=lambda name: -len({mark.parameters[name] for mark in marks}))
    if not names:
        return []
    axis = names[0]
    # Along a path the sizes grow with N together; elsewhere each choice of the other parameters is a panel.
    tied = {name for name in numeric if on_path and name != "epsilon"}
    rest = [name for name in varying if name != axis and not (tied and name in tied)]
    groups: dict[str, list[_Mark]] = {}
    for mark in marks:
        label = ", ".join(f"{numbers.name(n)} = {numbers.parameter(mark.parameters.get(n))}" for n in rest)
        groups.setdefault(label, []).append(_with_x(mark, float(mark.parameters[axis])))
    crowded = any(len({mark.x for mark in group}) < len(group) for group in groups.values())
    if crowded or len(groups) > 2 * _PANELS_IN_ROW or any(len(group) < 2 for group in groups.values()):
        return []
    panels = []
    for label, group in groups.items():
        heading = [*title, *([("; ", 0)] if title and label else []), *([(label, 0)] if label else [])]
        panels.append(_Panel(heading, axis, sorted(group, key=lambda mark: mark.x)))
    return panels


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _with_x(mark: _Mark, x: float) -> _Mark:
    return _Mark(**{**mark.__dict__, "x": x})


# --- Axes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """Range of the value axis, in natural logs, and the ticks in it."""

    low: float
    high: float
    shaded: bool  # whether to shade what is above probability one
    ticks: tuple[tuple[float, Pieces], ...] = field(default=())

    @classmethod
    def around(cls, marks: Sequence[_Mark], relation: str) -> _Frame:
        values = [value for mark in marks for value in _finite(mark.lower, mark.estimate, mark.upper)]
        bounds = [value for mark in marks for value in _finite(mark.bound)]
        probability = relation.startswith("<=") and max(values) <= 1e-9
        span = max(max([*values, *bounds]) - min([*values, *bounds]), 0.1)
        if probability:
            # How far a vacuous bound is above one is not worth the room of all that is below.
            room = 0.3 * max(max(values) - min(values), -min([*values, *bounds]), 0.5)
            bounds = [min(bound, room) for bound in bounds]
            span = max(max([*values, *bounds]) - min([*values, *bounds]), 0.1)
        low, high = min([*values, *bounds]), max([*values, *bounds])
        for value in (value for mark in marks for _, log in mark.beside for value in _finite(log)):
            if low - span <= value <= high + span:
                low, high = min(low, value), max(high, value)
        open_below = any(mark.lower == -math.inf for mark in marks)
        low -= (0.2 if open_below else 0.07) * max(high - low, 0.1)
        high += 0.07 * max(high - low, 0.1)
        return cls(low, high, probability and high > 0, tuple(log_ticks(low, high)))

    def share(self, value: float) -> float:
        """Where a value lies between the ends, from 0 to 1; what is outside is put at the end."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


# --- Drawing ------------------------------------------------------------------------------------------------


_LEANINGS = {"supports": "leans for", "against": "leans against"}  # told apart from one another, all undecided
_SHAPES = {  # path around the origin, and whether it is filled
    "holds": ("M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0Z", "solid"),
    "violated": ("M-3.6 -3.6L3.6 3.6M-3.6 3.6L3.6 -3.6", "bar"),
    "leans for": ("M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0Z", "solid"),
    "leans against": ("M-3.6 -3.6L3.6 3.6M-3.6 3.6L3.6 -3.6", "bar"),
    "undecided": ("M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0 -6.8 0Z", "hollow"),
    "vacuous": ("M-3.2 -3.2H3.2V3.2H-3.2Z", "hollow"),
    "not applicable": ("M-3.6 0H3.6", "bar"),
    "error": ("M0 -4L4 3.2H-4Z", "solid"),
}
_BESIDES = (
    "M0 -3.8L3.8 0L0 3.8L-3.8 0Z",
    "M0 -3.8L3.8 3H-3.8Z",
    "M0 3.8L3.8 -3H-3.8Z",
    "M-3 -3H3V3H-3Z",
)


def _symbol(canvas: Canvas, at: Place, outcome: str) -> None:
    path, fill = _SHAPES[outcome]
    canvas.symbol(at, path, f"{fill} {_css(outcome)}")


def _css(outcome: str) -> str:
    return "undecided" if outcome in _LEANINGS.values() else outcome.replace(" ", "-")


def _draw_mark(
    canvas: Canvas, mark: _Mark, frame: _Frame, at: Callable[[float], Place], across: Place, reach: float = 8.0
) -> None:
    """Draw one point.

    `at` places a value, `across` is the unit vector across the value axis, `reach` half the length of a bound.
    """
    along = (across[1], -across[0])

    def offset(value: float, aside: float, onward: float = 0.0) -> Place:
        x, y = at(value)
        return x + aside * across[0] + onward * along[0], y + aside * across[1] + onward * along[1]

    style = f"bar {_css(mark.outcome)}"
    lower, upper = mark.lower, mark.upper
    if lower is not None and upper is not None and lower < upper:
        start, end = max(lower, frame.low), min(upper, frame.high)
        canvas.line(at(start), at(end), style)
        for value, edge in ((lower, frame.low), (upper, frame.high)):
            if math.isinf(value):
                inward = -math.copysign(6, value)
                canvas.curve([offset(edge, -3.2, inward), at(edge), offset(edge, 3.2, inward)], style)
            else:
                canvas.line(offset(value, -3), offset(value, 3), style)
    for index, (_, other) in enumerate(mark.beside):
        if other is not None and frame.low <= other <= frame.high:
            canvas.symbol(at(other), _BESIDES[index % len(_BESIDES)], "beside")
    if mark.bound is not None and not math.isnan(mark.bound):
        if frame.low <= mark.bound <= frame.high:
            canvas.line(offset(mark.bound, -reach), offset(mark.bound, reach), "bound")
        else:  # off the scale: an arrowhead at the edge that it is beyond
            inward = -math.copysign(6, mark.bound)
            canvas.curve([offset(mark.bound, -5, inward), at(mark.bound), offset(mark.bound, 5, inward)], "bound")
    if mark.estimate is not None and math.isfinite(mark.estimate):
        _symbol(canvas, at(mark.estimate), mark.outcome)


def _draw_panels(panels: Sequence[_Panel], frame: _Frame, check: dict[str, Any]) -> Figure:
    canvas = Canvas()
    marks = [mark for panel in panels for mark in panel.marks]
    top = _legend(canvas, marks, frame)
    columns = min(len(panels), _PANELS_IN_ROW)
    left, gap = 50.0, 20.0
    width = (_WIDTH - left - 8 - gap * (columns - 1)) / columns
    titled = any(panel.title for panel in panels)
    row_height = _PANEL_HEIGHT + 40 + (18 if titled else 0)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        corner = (left + column * (width + gap), top + row * row_height + (18 if titled else 4))
        _draw_panel(canvas, panel, frame, corner, width, first=column == 0)
    rows = math.ceil(len(panels) / columns)
    height = top + rows * row_height + 2
    return Figure(canvas.svg(_WIDTH, height), _alt(marks, check), _WIDTH, height)


def _draw_panel(canvas: Canvas, panel: _Panel, frame: _Frame, corner: Place, width: float, *, first: bool) -> None:
    left, top = corner
    bottom = top + _PANEL_HEIGHT
    spread = _spread([mark.x for mark in panel.marks], even=panel.axis == _NUMBERED)

    def at(x: float, value: float) -> Place:
        return left + 16 + (width - 32) * spread(x), bottom - _PANEL_HEIGHT * frame.share(value)

    if frame.shaded:
        ceiling = at(panel.marks[0].x, 0.0)[1]
        canvas.rectangle((left, top), width, ceiling - top, "vacuous-region")
    for value, label in frame.ticks:
        y = at(panel.marks[0].x, value)[1]
        canvas.line((left, y), (left + width, y), "grid")
        if first:
            canvas.text((left - 7, y + 3.8), label, "end")
    canvas.line((left, bottom), (left + width, bottom), "axis")
    if panel.title:
        canvas.text((left, top - 6), shortened(panel.title, int(width / GLYPH)))
    end = -math.inf
    for x in sorted({mark.x for mark in panel.marks}):
        shown = numbers.parameter(x if x % 1 else int(x))
        place, half = at(x, frame.low)[0], len(shown) * GLYPH / 2
        canvas.line((place, bottom), (place, bottom + 4), "axis")
        if place - half > end + 4:
            canvas.text((place, bottom + 16), shown, "middle")
            end = place + half
    canvas.text((left + width / 2, bottom + 31), numbers.name(panel.axis or ""), "middle", "soft")
    bounds = [at(mark.x, mark.bound) for mark in panel.marks if mark.bound is not None]
    if len(bounds) > 1 and panel.axis in ("N",):
        canvas.curve(bounds, "path")
    for index in range(max(len(mark.beside) for mark in panel.marks)):
        line = [
            at(mark.x, value)
            for mark in panel.marks
            for _, value in mark.beside[index : index + 1]
            if value is not None and frame.low <= value <= frame.high
        ]
        if len(line) > 1:
            canvas.curve(line, "besides")
    places = sorted({at(mark.x, frame.low)[0] for mark in panel.marks})
    reach = min([8.0, *(0.45 * (after - before) for before, after in pairwise(places))])
    for mark in panel.marks:
        _draw_mark(canvas, mark, frame, lambda value, x=mark.x: at(x, value), (1.0, 0.0), reach)  # type: ignore[misc]


def _spread(values: Sequence[float], *, even: bool) -> Callable[[float], float]:
    """Map values to 0..1, on a log scale where they span a factor of eight and are not to be spaced evenly."""
    low, high = min(values), max(values)
    if low == high:
        return lambda _: 0.5
    if low > 0 and high / low >= 8 and not even:
        return lambda value: math.log(value / low) / math.log(high / low)
    return lambda value: (value - low) / (high - low)


def _draw_rows(marks: Sequence[_Mark], frame: _Frame, check: dict[str, Any]) -> Figure:
    canvas = Canvas()
    top = _legend(canvas, marks, frame) + 4
    names = [name for name in marks[0].parameters if len({str(mark.parameters.get(name)) for mark in marks}) > 1]
    names = names or list(marks[0].parameters)
    labels = [
        ", ".join(f"{numbers.name(name)} = {numbers.parameter(mark.parameters.get(name, '—'))}" for name in names)
        for mark in marks
    ]
    labels = [cut(f"{mark.number}. {label}") for mark, label in zip(marks, labels, strict=True)]
    left = min(230.0, 14 + GLYPH * max(map(len, labels)))
    width = _WIDTH - left - 14
    height = _ROW * len(marks)

    def at(row: float, value: float) -> Place:
        return left + width * frame.share(value), top + _ROW * (row + 0.5)

    if frame.shaded:
        edge = at(0, 0.0)[0]
        canvas.rectangle((edge, top), left + width - edge, height, "vacuous-region")
    end = -math.inf
    for value, label in frame.ticks:
        x = at(0, value)[0]
        canvas.line((x, top), (x, top + height), "grid")
        half = GLYPH / 2 * sum(len(part) for part, _ in label)
        if x - half > end + 6:
            canvas.text((x, top + height + 16), label, "middle")
            end = x + half
    canvas.line((left, top + height), (left + width, top + height), "axis")
    for row, (mark, words) in enumerate(zip(marks, labels, strict=True)):
        canvas.text((0, at(row, frame.low)[1] + 3.8), words)
        _draw_mark(canvas, mark, frame, lambda value, row=row: at(row, value), (0.0, 1.0))  # type: ignore[misc]
    total = top + height + 24
    return Figure(canvas.svg(_WIDTH, total), _alt(marks, check), _WIDTH, total)


def _legend(canvas: Canvas, marks: Sequence[_Mark], frame: _Frame) -> float:
    """Draw the legend; returns where it ends."""
    items: list[tuple[str, Callable[[Place], None]]] = []
    for outcome in _SHAPES:
        if any(mark.outcome == outcome for mark in marks):
            items.append((f"measured: {outcome}", lambda at, o=outcome: _symbol(canvas, at, o)))  # type: ignore[misc]
    if any(mark.lower == -math.inf for mark in marks):
        items.append(("down to zero", lambda at: _arrow(canvas, at)))
    if any(mark.bound is not None for mark in marks):
        items.append(("bound", lambda at: canvas.line((at[0] - 7, at[1]), (at[0] + 7, at[1]), "bound")))
    most: tuple[tuple[str, float | None], ...] = ()
    for mark in marks:
        most = mark.beside if len(mark.beside) > len(most) else most
    for index, (label, _) in enumerate(most):
        path = _BESIDES[index % len(_BESIDES)]
        values = [v for mark in marks for _, v in mark.beside[index : index + 1] if v is not None]
        hidden = sum(not frame.low <= v <= frame.high for v in values)
        text = cut(label)
        text += f" ({hidden} of {len(values)} off the scale)" if hidden else ""
        items.append((text, lambda at, p=path: canvas.symbol(at, p, "beside")))  # type: ignore[misc]
    if frame.shaded:
        items.append(
            ("above 1: says nothing", lambda at: canvas.rectangle((at[0] - 7, at[1] - 5), 14, 10, "vacuous-region"))
        )
    return canvas.legend(items, _WIDTH)


def _arrow(canvas: Canvas, at: Place) -> None:
    x, y = at
    canvas.curve([(x, y - 5), (x, y + 5)], "axis")
    canvas.curve([(x - 3, y + 2), (x, y + 5), (x + 3, y + 2)], "axis")


def _alt(marks: Sequence[_Mark], check: dict[str, Any]) -> str:
    estimates = _finite(*(mark.estimate for mark in marks))
    bounds = _finite(*(mark.bound for mark in marks))
    parts = [f"Figure of the check “{check['name']}”: {len(marks)} measured values with their intervals on a log scale"]
    if estimates:
        parts.append(f"estimates from {numbers.from_log(min(estimates))} to {numbers.from_log(max(estimates))}")
    if bounds:
        parts.append(f"bounds from {numbers.from_log(min(bounds))} to {numbers.from_log(max(bounds))}")
    counts = [(outcome, sum(mark.outcome == outcome for mark in marks)) for outcome in _SHAPES]
    parts.append(", ".join(f"{count} {outcome}" for outcome, count in counts if count))
    return "; ".join(parts) + ". The table below has every number."
