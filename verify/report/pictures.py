"""Draws the pictures of statements: curves, cells of an arrangement, maps of pairs of angles.

Areas are volumes: sectors of a disc have the share of their angles, a map has angles on both axes, and the sphere is
shown by Lambert's equal-area projection, one half beside the other. Each direction of the second half stands at the
place of its opposite in the first, so that a cell and its mirror image, and the two halves of a hyperplane, can be
compared by eye. A category has a colour, a hatch and a line in the legend; none of them carries the meaning alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from verify.pictures import Arrangement, Curves, Drawing, Line, Map, Polygon, Scale, Sector, Series, Vector, cross, dot
from verify.report import numbers
from verify.report.canvas import GLYPH, Canvas, Figure, Pieces, Place, cut, log_ticks

_TONES = (1, 2, 3, 4, 5, 6)
_OPACITY = (0.62, 0.22, 0.15, 0.2, 0.2, 0.2)  # what is hatched has a faint ground
STYLE = (
    "".join(
        f".fig .tone-{tone}{{stroke:var(--tone-{tone})}}.fig .tone-{tone}.solid{{fill:var(--tone-{tone})}}"
        f".fig .tone-{tone}.area{{fill:var(--tone-{tone});fill-opacity:{opacity};stroke:none}}"
        f".fig .tone-{tone}.band{{fill:var(--tone-{tone});fill-opacity:.18;stroke:none}}"
        for tone, opacity in zip(_TONES, _OPACITY, strict=True)
    )
    + """
.fig .hatch{stroke-width:1.3;fill:none}.fig .series{stroke-width:1.8;fill:none;stroke-linejoin:round}
.fig .plane{stroke:var(--ink);stroke-width:.9;fill:none}.fig .leader{stroke:var(--soft);stroke-width:.6;fill:none}
.fig .hair{stroke:var(--ink);stroke-opacity:.4;stroke-width:.5;fill:none}
"""
)
_HATCHES = {  # content and turn of a tile of six pixels, for the categories that have one
    1: ('<path d="M0 3H6" class="hatch tone-2"/>', 45),
    3: ('<circle cx="3" cy="3" r="1.25" class="solid tone-4"/>', 0),
    4: ('<path d="M0 3H6" class="hatch tone-5"/>', 135),
    5: ('<path d="M0 3H6M3 0V6" class="hatch tone-6"/>', 0),
}
_SERIES_TONES = (1, 2, 4, 5, 6, 3)
_DASHES = {"line": ("", "14 3", "14 3 3 3"), "dashed": ("6 4", "2 3", "8 3 2 3")}
_MARKERS = (
    ("M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0Z", "solid"),
    ("M-3.2 -3.2H3.2V3.2H-3.2Z", "hollow"),
    ("M0 -4.4L4.4 0L0 4.4L-4.4 0Z", "solid"),
    ("M0 -4L4 3.2H-4Z", "hollow"),
    ("M0 4L4 -3.2H-4Z", "solid"),
    ("M-3.2 -3.2L3.2 3.2M-3.2 3.2L3.2 -3.2", "bar"),
)
_WIDE, _NARROW = 720.0, 420.0
_RADIUS = 150.0
_MOST_TICKS, _LONGEST_TICK = 10, 6
_MARGIN = 24.0  # around a disc, for the words of its lines
_WORDS = {2: 8, 3: 3}  # characters beside a line, by the dimension
_STEP = 0.1  # radians between places on an arc
_FLAT = 1e-9
_GREATEST = 700.0  # natural log of what a float holds

Sign = tuple[str, Callable[[Place], None]]


def draw(drawing: Drawing, title: str, prefix: str) -> Figure:
    """A picture as SVG.

    Args:
        drawing: what to draw.
        title: its title, for the words that stand for the figure.
        prefix: begins every id inside the SVG, so that several figures can be on one page.
    """
    if isinstance(drawing, Curves):
        return _curves(drawing, title)
    if isinstance(drawing, Map):
        return _map(drawing, title, prefix)
    return _arrangement(drawing, title, prefix)


# --- Areas --------------------------------------------------------------------------------------------------


def hatches(canvas: Canvas, prefix: str, categories: int) -> None:
    """Define the hatch of each category that has one."""
    tiles = [
        f'<pattern id="{prefix}-h{category}" width="6" height="6" patternUnits="userSpaceOnUse"'
        f' patternTransform="rotate({turn})">{content}</pattern>'
        for category, (content, turn) in _HATCHES.items()
        if category < categories
    ]
    if tiles:
        canvas.parts.append(f"<defs>{''.join(tiles)}</defs>")


def area(canvas: Canvas, path: str, category: int, prefix: str, name: str) -> None:
    """Fill a path with the colour and the hatch of a category; `name` must be new for each path of a figure."""
    style = f"area tone-{_TONES[category]}"
    if category not in _HATCHES:
        canvas.shape(path, style)
        return
    canvas.parts.append(
        f'<defs><path id="{prefix}-{name}" d="{path}"/></defs><use href="#{prefix}-{name}" class="{style}"/>'
        f'<use href="#{prefix}-{name}" fill="url(#{prefix}-h{category})"/>'
    )


def percent(part: float) -> str:
    """A part of a whole, in percent."""
    return f"{numbers.from_log(math.log(100 * part), 2)} %" if part > 0 else "none"


def _area_legend(canvas: Canvas, labels: Sequence[str], shares: Sequence[float], prefix: str, width: float) -> float:
    """Draw the legend of the categories, each with its share of the area; returns where it ends."""
    items: list[Sign] = []
    most = min(46, int((width - 24) / (1.1 * GLYPH)) - 12)
    for category, (label, share) in enumerate(zip(labels, shares, strict=True)):

        def sign(at: Place, category: int = category) -> None:
            path = f"M{at[0] - 8:.1f} {at[1] - 6:.1f}h16v12h-16Z"
            area(canvas, path, category, prefix, f"k{category}")
            canvas.shape(path, "hair")

        items.append((f"{cut(label, most)}: {percent(share)}", sign))
    return canvas.legend(items, width, room=14)


def _shares_in_words(labels: Sequence[str], shares: Sequence[float], counts: Sequence[int], unit: str) -> str:
    parts = [
        f"{label}: {count} {unit}{'' if count == 1 else 's'}, {percent(share)} of the area"
        for label, share, count in zip(labels, shares, counts, strict=True)
    ]
    return "; ".join(parts)


# --- Arrangements -------------------------------------------------------------------------------------------


def _arrangement(drawing: Arrangement, title: str, prefix: str) -> Figure:
    canvas = Canvas()
    hatches(canvas, prefix, len(drawing.labels))
    shares = drawing.shares()
    width = _NARROW if drawing.dimension == 2 else _WIDE
    top = _area_legend(canvas, drawing.labels, shares, prefix, width)
    middle = top + _MARGIN + _RADIUS
    if drawing.dimension == 2:
        centres: tuple[Place, ...] = ((width / 2, middle),)
        height = middle + _RADIUS + _MARGIN
    else:
        centres = ((width / 4, middle), (3 * width / 4, middle))
        height = middle + _RADIUS + _MARGIN + 16
        below = "below 0, each at the place of its opposite"
        for centre, words in zip(centres, ("third coordinate above 0", below), strict=True):
            canvas.text((centre[0], height - 6), words, "middle", "soft")
    for side, centre in enumerate(centres):
        for category in range(len(drawing.labels)):
            cells = [cell for cell in drawing.cells if cell.category == category]
            outlines = (_sector(c, centre) if isinstance(c, Sector) else _polygon(c, centre, side) for c in cells)
            path = "".join(outlines)
            if path:
                area(canvas, path, category, prefix, f"a{category}-{side}")
        if not drawing.lines:
            canvas.shape(
                "".join(
                    _sector(c, centre) if isinstance(c, Sector) else _polygon(c, centre, side) for c in drawing.cells
                ),
                "hair",
            )
        for line in drawing.lines:
            canvas.curve([_place(centre, at) for at in _trace(line.normal)], "plane")
        x, y = centre
        canvas.shape(f"M{x - _RADIUS:.1f} {y:.1f}{_half_turn(1)}{_half_turn(-1)}Z", "axis")
        _rim_words(canvas, centre, drawing.lines)
    counts = [sum(cell.category == number for cell in drawing.cells) for number in range(len(drawing.labels))]
    shape = "a disc cut into sectors" if drawing.dimension == 2 else "two discs, one for each half of the sphere"
    shape += f" by {len(drawing.lines)} lines" if drawing.lines else ""
    alt = f"Picture “{title}”: {shape}. {_shares_in_words(drawing.labels, shares, counts, 'cell')}."
    return Figure(canvas.svg(width, height), alt, width, height)


def _half_turn(direction: int) -> str:
    return f"a{_RADIUS:.1f} {_RADIUS:.1f} 0 0 1 {direction * 2 * _RADIUS:.1f} 0"


def _place(centre: Place, at: Place) -> Place:
    """A place of the unit disc, its second axis upwards, on the canvas."""
    return centre[0] + _RADIUS * at[0], centre[1] - _RADIUS * at[1]


def _closed(centre: Place, places: Sequence[Place]) -> str:
    return "M" + "L".join("{:.1f} {:.1f}".format(*_place(centre, at)) for at in places) + "Z"


def _sector(cell: Sector, centre: Place) -> str:
    steps = max(1, math.ceil((cell.end - cell.start) / _STEP))
    angles = [cell.start + (cell.end - cell.start) * step / steps for step in range(steps + 1)]
    return _closed(centre, [(0.0, 0.0), *((math.cos(angle), math.sin(angle)) for angle in angles)])


def _polygon(cell: Polygon, centre: Place, side: int) -> str:
    """Outline of what of a cell lies in one half; nothing where that is empty."""
    sign = -1.0 if side else 1.0
    corners: list[Vector] = [tuple(sign * part for part in corner) for corner in cell.corners]
    dense = [at for one, other in zip(corners, [*corners[1:], corners[0]], strict=True) for at in _arc(one, other)]
    kept: list[Vector] = []
    for one, other in zip(dense, [*dense[1:], dense[0]], strict=True):
        if one[2] >= 0:
            kept.append(one)
        if one[2] * other[2] < 0:
            share = one[2] / (one[2] - other[2])
            x, y = (a + share * (b - a) for a, b in zip(one[:2], other[:2], strict=True))
            kept.append((x / math.hypot(x, y), y / math.hypot(x, y), 0.0))
    if max((at[2] for at in kept), default=0.0) < _FLAT:
        return ""
    closed: list[Vector] = []
    for one, other in zip(kept, [*kept[1:], kept[0]], strict=True):
        closed.append(one)
        if abs(one[2]) < _FLAT and abs(other[2]) < _FLAT:
            closed += list(_arc(one, other))[1:]  # along the rim, where the cell goes on in the other half
    return _closed(centre, [_projected(at) for at in closed])


def _arc(one: Vector, other: Vector) -> Iterator[Vector]:
    """Places on the shorter great circle from `one` to `other`, without the last."""
    angle = math.atan2(math.hypot(*cross(one, other)), dot(one, other))
    steps = max(1, math.ceil(angle / _STEP))
    yield one
    for step in range(1, steps):
        near, far = (math.sin(angle * part / steps) / math.sin(angle) for part in (steps - step, step))
        yield tuple(near * a + far * b for a, b in zip(one, other, strict=True))


def _projected(at: Vector) -> Place:
    """Lambert's equal-area projection of the upper half of the sphere onto the unit disc."""
    scale = 1 / math.sqrt(1 + max(0.0, at[2]))
    return at[0] * scale, at[1] * scale


def _ends(normal: Vector) -> Place:
    """Where a hyperplane meets the rim; the opposite place is its other end."""
    size = math.hypot(normal[0], normal[1])
    if size <= _FLAT * math.hypot(*normal):  # it is the rim itself
        return 1.0, 0.0
    return -normal[1] / size, normal[0] / size


def _trace(normal: Vector) -> list[Place]:
    """A hyperplane in the disc: a diameter, or the projection of half a great circle."""
    x, y = _ends(normal)
    if len(normal) == 2:
        return [(x, y), (-x, -y)]
    top = cross(normal, (x, y, 0.0))
    size = math.copysign(math.hypot(*top), top[2])
    steps = math.ceil(math.pi / _STEP)
    places = []
    for step in range(steps + 1):
        c, s = math.cos(math.pi * step / steps), math.sin(math.pi * step / steps)
        places.append(_projected((c * x + s * top[0] / size, c * y + s * top[1] / size, s * top[2] / size)))
    return places


def _rim_words(canvas: Canvas, centre: Place, lines: Sequence[Line]) -> None:
    """Write the words of each line at that end of it which has more room, moved apart where they are close."""
    placed: list[tuple[float, str]] = []
    for line in lines:
        x, y = _ends(line.normal)
        ends = [math.atan2(y, x), math.atan2(-y, -x)]
        room = [min((_apart(end, other) for other, _ in placed), default=math.pi) for end in ends]
        placed.append((ends[0] if room[0] >= room[1] else ends[1], cut(line.label, _WORDS[len(line.normal)])))
    placed.sort()
    longest = max((len(words) for _, words in placed), default=0)
    need = max(12.5, GLYPH * longest + 5) / (_RADIUS + 13)
    for (angle, words), moved in zip(placed, _spread([angle for angle, _ in placed], need), strict=True):
        out = 1 + (8 + abs(math.cos(moved)) * GLYPH * len(words) / 2 + 4) / _RADIUS
        at = _place(centre, (out * math.cos(moved), out * math.sin(moved)))
        inner = _place(centre, (math.cos(angle), math.sin(angle)))
        outer = _place(centre, (1.035 * math.cos(moved), 1.035 * math.sin(moved)))
        canvas.line(inner, outer, "leader")
        canvas.text((at[0], at[1] + 3.6), words, "middle", "small")


def _apart(one: float, other: float) -> float:
    gap = abs(one - other) % (2 * math.pi)
    return min(gap, 2 * math.pi - gap)


def _spread(angles: Sequence[float], need: float) -> list[float]:
    """Sorted angles moved apart, each as little as can be, until neighbours round the circle are `need` apart."""
    moved = list(angles)
    need = min(need, 2 * math.pi / max(1, len(moved)) * 0.98)
    for _ in range(300 if len(moved) > 1 else 0):
        settled = True
        for index in range(len(moved)):
            after = (index + 1) % len(moved)
            gap = moved[after] - moved[index] + (2 * math.pi if after == 0 else 0)
            if gap < need - 1e-4:
                settled = False
                moved[index] -= (need - gap) / 2
                moved[after] += (need - gap) / 2
        if settled:
            break
    return moved


# --- Maps ---------------------------------------------------------------------------------------------------


def _map(drawing: Map, title: str, prefix: str) -> Figure:
    canvas = Canvas()
    hatches(canvas, prefix, len(drawing.labels))
    shares = drawing.shares()
    width, left, side = _NARROW, 46.0, 352.0
    top = _area_legend(canvas, drawing.labels, shares, prefix, width) + 24
    bottom = top + side
    most = int(width / GLYPH)
    canvas.text((0, top - 9), f"↑ {cut(drawing.y_label, most)}", style="soft")
    xs = _scaled(drawing.x_edges, left, left + side)
    ys = _scaled(drawing.y_edges, bottom, top)
    paths = [""] * len(drawing.labels)
    for (start, end), column in zip(pairwise(xs), drawing.categories, strict=True):
        first = 0
        for row in range(1, len(column) + 1):
            if row == len(column) or column[row] != column[first]:  # equal ones in a column are one rectangle
                paths[column[first]] += f"M{start:.1f} {ys[first]:.1f}H{end:.1f}V{ys[row]:.1f}H{start:.1f}Z"
                first = row
    for category, path in enumerate(paths):
        if path:
            area(canvas, path, category, prefix, f"a{category}")
    grid = [f"M{x:.1f} {top:.1f}V{bottom:.1f}" for x in xs[1:-1]] + [
        f"M{left:.1f} {y:.1f}H{left + side:.1f}" for y in ys[1:-1]
    ]
    canvas.shape("".join(grid) or f"M{left:.1f} {top:.1f}", "hair")
    canvas.shape(f"M{left:.1f} {top:.1f}H{left + side:.1f}V{bottom:.1f}H{left:.1f}Z", "axis")
    for place, words in _named_ticks(drawing.x_edges, drawing.x_ticks):
        (x,) = _scaled((place,), left, left + side, drawing.x_edges)
        canvas.line((x, bottom), (x, bottom + 4), "axis")
        canvas.text((x, bottom + 16), words, "middle")
    for place, words in _named_ticks(drawing.y_edges, drawing.y_ticks):
        (y,) = _scaled((place,), bottom, top, drawing.y_edges)
        canvas.line((left - 4, y), (left, y), "axis")
        canvas.text((left - 7, y + 3.8), words, "end")
    canvas.text((left + side / 2, bottom + 32), f"{cut(drawing.x_label, most)} →", "middle", "soft")
    height = bottom + 40
    counts = [sum(row.count(category) for row in drawing.categories) for category in range(len(drawing.labels))]
    across, upwards = len(xs) - 1, len(ys) - 1
    alt = (
        f"Picture “{title}”: a map of {across} by {upwards} rectangles, {drawing.x_label} across, {drawing.y_label} "
        f"upwards. {_shares_in_words(drawing.labels, shares, counts, 'rectangle')}."
    )
    return Figure(canvas.svg(width, height), alt, width, height)


def _named_ticks(edges: Sequence[float], words: Sequence[str] | None) -> list[tuple[float, str]]:
    """Where words stand along an axis: in the middle of cells that have a name, else at whole angles."""
    if words is None:
        return _degrees(edges)
    step = math.ceil(len(words) / _MOST_TICKS)
    named = list(zip(pairwise(edges), words, strict=True))[::step]
    return [((low + high) / 2, cut(word, _LONGEST_TICK)) for (low, high), word in named]


def _scaled(values: Sequence[float], start: float, end: float, edges: Sequence[float] | None = None) -> list[float]:
    low, high = (edges or values)[0], (edges or values)[-1]
    return [start + (end - start) * (value - low) / (high - low) for value in values]


def _degrees(edges: Sequence[float]) -> list[tuple[float, str]]:
    """Round angles within the edges, as degrees from 0 to 359."""
    low, high = math.degrees(edges[0]), math.degrees(edges[-1])
    step = next((s for s in (90, 45, 30, 15, 10, 5, 2, 1) if (high - low) / s >= 3), 1)
    marks = range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1)
    if not marks:
        return [(edges[0], f"{low % 360:.4g}°"), (edges[-1], f"{high % 360:.4g}°")]
    return [(math.radians(mark * step), f"{mark * step % 360}°") for mark in marks]


# --- Curves -------------------------------------------------------------------------------------------------


def _curves(drawing: Curves, title: str) -> Figure:
    canvas = Canvas()
    left, right, tall = 58.0, _WIDE - 10, 230.0
    looks = _looks(drawing.series)
    items: list[Sign] = [
        (cut(item.label), lambda at, item=item, look=look: _sample(canvas, at, item, look))  # type: ignore[misc]
        for item, look in zip(drawing.series, looks, strict=True)
    ]
    top = canvas.legend(items, _WIDE, room=21) + 22
    bottom = top + tall
    straight = drawing.y_scale == "linear"
    shown = [_exponentiated(item) for item in drawing.series] if straight else list(drawing.series)
    low, high = _straight_range(shown) if straight else _range(shown)
    xs = sorted({x for item in shown for x in item.x})

    def across(x: float) -> float:
        share = (x - xs[0]) / (xs[-1] - xs[0]) if len(xs) > 1 else 0.5
        return left + 18 + (right - left - 36) * share

    def up(value: float) -> float:
        return bottom - tall * min(1.0, max(0.0, (value - low) / (high - low)))

    canvas.text((0, top - 9), f"↑ {cut(drawing.y_label, 90)}", style="soft")
    for value, label in _ticks((low, high)) if straight else log_ticks(low, high):
        canvas.line((left, up(value)), (right, up(value)), "grid")
        canvas.text((left - 7, up(value) + 3.8), label, "end")
    canvas.line((left, bottom), (right, bottom), "axis")
    end = -math.inf
    for x, words in log_ticks(xs[0], xs[-1]) if drawing.x_scale == "log" and len(xs) > 1 else _ticks(xs):
        half = sum(len(part) for part, _ in words) * GLYPH / 2
        canvas.line((across(x), bottom), (across(x), bottom + 4), "axis")
        if across(x) - half > end + 4:
            canvas.text((across(x), bottom + 16), words, "middle")
            end = across(x) + half
    canvas.text(((left + right) / 2, bottom + 32), f"{cut(drawing.x_label, 90)} →", "middle", "soft")
    points = [item for item in shown if item.style == "points"]
    # Bars of two series at one place would lie on one another; elsewhere a point stands where it belongs.
    crowded = len({x for item in points for x in item.x}) < sum(len(set(item.x)) for item in points)
    order = sorted(zip(shown, looks, strict=True), key=lambda pair: pair[0].style == "points")
    for item, look in order:
        if item.style == "points":
            aside = 6 * (look[1] - (len(points) - 1) / 2) if crowded else 0.0
            _draw_points(canvas, item, look, lambda x, aside=aside: across(x) + aside, up, (low, high))  # type: ignore[misc]
        else:
            _draw_line(canvas, item, look, across, up)
    height = bottom + 40
    told = "; ".join(_series_in_words(item, drawing.x_scale) for item in drawing.series)
    scale = "" if straight else ", on a log scale"
    alt = f"Picture “{title}”: {drawing.y_label}{scale}, against {drawing.x_label}. {told}."
    return Figure(canvas.svg(_WIDE, height), alt, _WIDE, height)


def _exponentiated(item: Series) -> Series:
    """The same series with values in place of their logs."""
    y, lower, upper = (
        None if logs is None else tuple(math.exp(min(log, _GREATEST)) for log in logs)
        for logs in (item.y, item.lower, item.upper)
    )
    return replace(item, y=y or (), lower=lower, upper=upper)


def _straight_range(series: Sequence[Series]) -> tuple[float, float]:
    """From 0 to a little above all values; an interval may double that room, and is cut beyond."""
    most = max(value for item in series for value in item.y)
    ends = [end for item in series for end in item.upper or ()]
    most = max([most, *(end for end in ends if end <= 2 * most)]) if most > 0 else max([*ends, 1.0])
    return 0.0, 1.06 * most


Look = tuple[int, int]  # the tone, and the number among the series of one style


def _looks(series: Sequence[Series]) -> list[Look]:
    styles = [item.style for item in series]
    return [(_SERIES_TONES[place], styles[:place].count(style)) for place, style in enumerate(styles)]


def _range(series: Sequence[Series]) -> tuple[float, float]:
    """Ends of the value axis; an interval may double the room that the values need, and is cut beyond that."""
    values = [value for item in series for value in item.y if math.isfinite(value)]
    tops = [
        high for item in series for value, high in zip(item.y, item.upper or (), strict=False) if value == -math.inf
    ]
    ends = [end for item in series for end in (*(item.lower or ()), *(item.upper or ())) if math.isfinite(end)]
    core = values + [high for high in tops if math.isfinite(high)] or ends
    low, high = min(core), max(core)
    span = max(high - low, 0.5)
    within = [end for end in ends if low - span <= end <= high + span]
    low, high = min([low, *within]), max([high, *within])
    is_open = any(end == -math.inf for item in series if item.style == "points" for end in item.lower or ())
    room = max(high - low, 0.1)
    return low - (0.15 if is_open else 0.06) * room, high + 0.06 * room


def _ticks(xs: Sequence[float]) -> list[tuple[float, Pieces]]:
    if len(xs) <= 12 and all(x == round(x) for x in xs):
        return [(x, [(numbers.parameter(int(x)), 0)]) for x in xs]
    raw = (xs[-1] - xs[0]) / 8
    if raw <= 0:
        return [(xs[0], [(numbers.parameter(xs[0]), 0)])]
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw * (1 - 1e-9))
    marks = range(math.ceil(xs[0] / step - 1e-9), math.floor(xs[-1] / step + 1e-9) + 1)
    return [(mark * step, [(numbers.parameter(float(mark * step)), 0)]) for mark in marks]


def _stroke(item: Series, look: Look) -> str:
    """Class, and dashes where it has any, of a line."""
    tone, number = look
    dashes = _DASHES[item.style][number % len(_DASHES[item.style])]
    return f'class="series tone-{tone}"' + (f' stroke-dasharray="{dashes}"' if dashes else "")


def _sample(canvas: Canvas, at: Place, item: Series, look: Look) -> None:
    """The sign of a series in the legend."""
    x, y = at
    tone, number = look
    if item.style == "points":
        if item.lower is not None:
            canvas.line((x, y - 7), (x, y + 7), f"bar tone-{tone}")
        path, fill = _MARKERS[number % len(_MARKERS)]
        canvas.symbol(at, path, f"{fill} tone-{tone}")
        return
    if item.lower is not None:
        canvas.rectangle((x - 9, y - 5), 24, 10, f"band tone-{tone}")
    canvas.parts.append(f'<path d="M{x - 9:.1f} {y:.1f}h24" {_stroke(item, look)}/>')


def _draw_line(
    canvas: Canvas, item: Series, look: Look, across: Callable[[float], float], up: Callable[[float], float]
) -> None:
    places = list(zip(item.x, item.y, item.lower or item.y, item.upper or item.y, strict=True))
    stretches: list[list[tuple[float, float, float, float]]] = [[]]
    for place in places:
        if math.isfinite(place[1]):
            stretches[-1].append(place)
        elif stretches[-1]:
            stretches.append([])
    for stretch in filter(None, stretches):
        if item.lower is not None and len(stretch) > 1:
            lower = [(across(x), up(value)) for x, _, value, _ in stretch]
            upper = [(across(x), up(value)) for x, _, _, value in reversed(stretch)]
            canvas.shape("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in lower + upper) + "Z", f"band tone-{look[0]}")
        path = "L".join(f"{across(x):.1f} {up(value):.1f}" for x, value, _, _ in stretch)
        path += "h0.1" if len(stretch) == 1 else ""  # a value between gaps is a dot
        canvas.parts.append(f'<path d="M{path}" {_stroke(item, look)}/>')


def _draw_points(
    canvas: Canvas,
    item: Series,
    look: Look,
    across: Callable[[float], float],
    up: Callable[[float], float],
    ends: Place,
) -> None:
    tone, number = look
    path, fill = _MARKERS[number % len(_MARKERS)]
    style = f"bar tone-{tone}"
    for place, (x, value) in enumerate(zip(item.x, item.y, strict=True)):
        at = across(x)
        if item.lower is not None and item.upper is not None:
            lower, upper = item.lower[place], item.upper[place]
            if lower < upper and upper > ends[0] and lower < ends[1]:
                canvas.line((at, up(lower)), (at, up(upper)), style)
                for end, outwards in ((lower, 1.0), (upper, -1.0)):
                    if ends[0] <= end <= ends[1]:
                        canvas.line((at - 3, up(end)), (at + 3, up(end)), style)
                    else:  # an arrowhead at the edge that it goes beyond
                        tip = up(end)
                        canvas.curve([(at - 3.2, tip - 6 * outwards), (at, tip), (at + 3.2, tip - 6 * outwards)], style)
        if math.isfinite(value):
            canvas.symbol((at, up(value)), path, f"{fill} tone-{tone}")


def _series_in_words(item: Series, x_scale: Scale) -> str:
    shown = [(x, value) for x, value in zip(item.x, item.y, strict=True) if math.isfinite(value)]
    kind = {"line": "line", "dashed": "dashed line", "points": "points"}[item.style]
    kind += " with intervals" if item.lower is not None else ""
    if not shown:
        return f"{item.label} ({kind}): no value above zero"
    places = [numbers.from_log(x) if x_scale == "log" else numbers.parameter(float(x)) for x, _ in shown]
    ends = [f"{numbers.from_log(shown[end][1])} at {places[end]}" for end in (0, -1)]
    return f"{item.label} ({kind}): {' to '.join(dict.fromkeys(ends))}"
