"""Where each bound says something: the maps of all statements that have one, side by side and small."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import quoteattr

from verify import pictures
from verify.pictures import Map
from verify.report import words
from verify.report.canvas import Canvas, Figure, cut
from verify.report.pictures import area, hatches, percent
from verify.vacuity import VACUITY, Reach

_WIDTH, _COLUMNS = 500.0, 3
_LEFT, _GAP = 34.0, 14.0  # room for the ticks of a map, and between maps
_HEIGHT = 96.0
_MOST = 24
_SILENT = (Reach.NOTHING, Reach.UNCLAIMED)


@dataclass(frozen=True)
class SmallMap:
    """The map of one statement."""

    label: str
    anchor: str
    drawing: Map

    @property
    def counts(self) -> list[int]:
        """How many places are of each category."""
        places = [category for column in self.drawing.categories for category in column]
        return [places.count(category) for category in range(len(self.drawing.labels))]

    @property
    def speaks(self) -> float:
        """The share of the places at which the bound says something."""
        return sum(count for reach, count in enumerate(self.counts) if reach not in _SILENT) / sum(self.counts)

    @property
    def first(self) -> str | None:
        """The least size on the map from which on the bound says something somewhere, at all larger ones too."""
        found = None
        columns = list(zip(self.drawing.x_ticks or (), self.drawing.categories, strict=False))
        for tick, column in reversed(columns):
            if all(category in _SILENT for category in column):
                break
            found = tick
        return found


def small_map(statement: dict[str, Any], label: str, anchor: str) -> SmallMap | None:
    """The map of a statement of results.json; None where it has none that can be read."""
    for picture in statement.get("pictures", []):
        if picture["id"] == VACUITY and picture["drawing"] is not None:
            try:
                drawing = pictures.from_dict(picture["drawing"])
            except ValueError:  # the statement's own section says what is wrong with it
                continue
            known = tuple(reach.words for reach in Reach)
            if isinstance(drawing, Map) and drawing.labels == known[: len(drawing.labels)]:
                return SmallMap(label, anchor, drawing)
    return None


def sentence(maps: Sequence[SmallMap]) -> str:
    """From what sizes on the bounds with a map say something."""
    parts = []
    groups: dict[str | None, list[str]] = {}
    for one in maps:
        groups.setdefault(one.first, []).append(one.label)
    for first, labels in groups.items():
        named = words.some(labels)
        if first is None:
            parts.append(f"{named}: nothing at the largest sizes on the map")
        else:
            parts.append(f"{named}: from N = {first} on")
    if not parts:
        return ""
    return f"Of the sizes N on the maps below, a bound says something, for some widths: {'; '.join(parts)}."


def draw(maps: Sequence[SmallMap], prefix: str) -> Figure | None:
    """All maps in a grid with one legend; None where there are none."""
    if not maps:
        return None
    shown = maps[:_MOST]
    canvas = Canvas()
    labels = max((one.drawing.labels for one in shown), key=len)
    hatches(canvas, prefix, len(labels))
    used = [number for number in range(len(labels)) if any(number < len(m.counts) and m.counts[number] for m in shown)]
    top = canvas.legend(
        [
            (
                labels[number],
                lambda at, n=number: _sign(canvas, at, n, prefix),  # type: ignore[misc]
            )
            for number in used
        ],
        _WIDTH,
        room=14,
    )
    across = (_WIDTH - _GAP * (_COLUMNS - 1)) / _COLUMNS
    for number, one in enumerate(shown):
        row, column = divmod(number, _COLUMNS)
        corner = (column * (across + _GAP) + _LEFT, top + row * (_HEIGHT + 54) + 22)
        _draw_one(canvas, one, corner, across - _LEFT, f"{prefix}-{number}", prefix)
    height = top + math.ceil(len(shown) / _COLUMNS) * (_HEIGHT + 54)
    listed = "; ".join(
        f"{one.label}: at {percent(one.speaks)} of the places" + (f", from N = {one.first} on" if one.first else "")
        for one in shown
    )
    rest = f" {len(maps) - len(shown)} more maps are with their statements." if len(maps) > len(shown) else ""
    alt = f"Where each bound says something, as small maps of widths against sizes. {listed}.{rest}"
    return Figure(canvas.svg(_WIDTH, height), alt, _WIDTH, height)


def _sign(canvas: Canvas, at: tuple[float, float], category: int, prefix: str) -> None:
    path = f"M{at[0] - 8:.1f} {at[1] - 6:.1f}h16v12h-16Z"
    area(canvas, path, category, prefix, f"k{category}")
    canvas.shape(path, "hair")


def _draw_one(canvas: Canvas, one: SmallMap, corner: tuple[float, float], width: float, name: str, prefix: str) -> None:
    left, top = corner
    drawing = one.drawing
    columns, rows = len(drawing.categories), len(drawing.categories[0])
    xs = [left + width * place / columns for place in range(columns + 1)]
    ys = [top + _HEIGHT - _HEIGHT * place / rows for place in range(rows + 1)]
    canvas.parts.append(f"<a href={quoteattr('#' + one.anchor)}>")
    canvas.text((left, top - 6), cut(one.label, 16))
    canvas.parts.append("</a>")
    canvas.text((left + width, top - 6), f"↑ {cut(drawing.y_label, 10)}", "end", "soft small")
    paths = [""] * len(drawing.labels)
    for (start, end), column in zip(pairwise(xs), drawing.categories, strict=True):
        first = 0
        for row in range(1, rows + 1):
            if row == rows or column[row] != column[first]:
                paths[column[first]] += f"M{start:.1f} {ys[first]:.1f}H{end:.1f}V{ys[row]:.1f}H{start:.1f}Z"
                first = row
    for category, path in enumerate(paths):
        if path:
            area(canvas, path, category, prefix, f"{name}-{category}")
    canvas.shape(f"M{left:.1f} {top:.1f}H{xs[-1]:.1f}V{ys[0]:.1f}H{left:.1f}Z", "axis")
    for ticks, horizontal in ((drawing.x_ticks, True), (drawing.y_ticks, False)):
        if not ticks:
            continue
        for tick, end in ((ticks[0], 0), (ticks[-1], 1)):
            if horizontal:
                canvas.text((left + width * end, ys[0] + 12), cut(tick, 6), "end" if end else "start", "small soft")
            else:
                canvas.text((left - 4, ys[0] - (_HEIGHT - 8) * end), cut(tick, 6), "end", "small soft")
    canvas.text((left + width / 2, ys[0] + 12), f"{cut(drawing.x_label, 10)} →", "middle", "small soft")
