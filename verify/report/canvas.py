"""What every figure is drawn with: a canvas that writes SVG, the ticks of a logarithmic axis, labels cut to fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from xml.sax.saxutils import escape

Pieces = list[tuple[str, int]]  # words, each with how far they are raised
Place = tuple[float, float]

GLYPH = 5.6  # mean width of a glyph at 11 px, for placing text that cannot be measured
_LONGEST = 46  # characters of a label


@dataclass(frozen=True)
class Figure:
    """A figure and what it shows in words, for those who do not see it."""

    svg: str
    alt: str
    width: float
    height: float

    def to_dict(self) -> dict[str, Any]:
        """For a view."""
        return {"svg": self.svg, "alt": self.alt, "width": self.width, "height": self.height}


class Canvas:
    """A drawing under way; places are in pixels from the upper left corner, `style` names CSS classes."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def text(self, at: Place, content: Pieces | str, anchor: str = "start", style: str = "") -> None:
        """Words at a place; `anchor` is start, middle or end. Escaped here, so that any text will do."""
        spans = [(content, 0)] if isinstance(content, str) else content
        body, level = "", 0
        for words, raised in spans:
            shift = (level - raised) * 4
            level = raised
            size = ' class="raised"' if raised else ""
            body += f"<tspan{f' dy={chr(34)}{shift}{chr(34)}' if shift else ''}{size}>{escape(words)}</tspan>"
        kind = f' class="{style}"' if style else ""
        self.parts.append(f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}"{kind}>{body}</text>')

    def line(self, start: Place, end: Place, style: str) -> None:
        """A straight line."""
        ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
        self.parts.append(f'<line {ends} class="{style}"/>')

    def curve(self, places: Sequence[Place], style: str) -> None:
        """A line through places, in their order."""
        self.shape("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places), style)

    def shape(self, path: str, style: str) -> None:
        """A path in SVG's own notation."""
        self.parts.append(f'<path d="{path}" class="{style}"/>')

    def rectangle(self, corner: Place, width: float, height: float, style: str) -> None:
        """A rectangle from its upper left corner."""
        size = f'width="{width:.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect x="{corner[0]:.1f}" y="{corner[1]:.1f}" {size} class="{style}"/>')

    def symbol(self, at: Place, path: str, style: str) -> None:
        """A path around the origin, moved to a place."""
        moved = f'transform="translate({at[0]:.1f} {at[1]:.1f})"'
        self.parts.append(f'<path d="{path}" {moved} class="{style}"/>')

    def legend(self, items: Sequence[tuple[str, Callable[[Place], None]]], width: float, room: float = 12) -> float:
        """A legend from the top, in rows; returns where it ends.

        Each item draws its sign around a place, and its words begin `room` after that.
        """
        x, y = 9.0, 9.0
        for words, draw in items:
            need = 24 + room + 1.1 * GLYPH * len(words)
            if x + need > width and x > 9:
                x, y = 9.0, y + 17
            draw((x, y))
            self.text((x + room, y + 3.8), words)
            x += need
        return y + 14

    def svg(self, width: float, height: float) -> str:
        """The whole drawing."""
        box = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" class="fig" {box}>{"".join(self.parts)}</svg>'


def log_ticks(low: float, high: float) -> list[tuple[float, Pieces]]:
    """Ticks between two natural logs, with their labels: powers of ten for a wide range, else round numbers."""
    decades = (high - low) / math.log(10)
    if decades > 2.5:
        step = next(m * 10**e for e in count() for m in (1, 2, 5) if decades / (m * 10**e) <= 7)
        first = math.ceil(low / math.log(10) / step)
        last = math.floor(high / math.log(10) / step)
        exponents = [index * step for index in range(first, last + 1)]
        return [
            (e * math.log(10), [("1", 0)] if e == 0 else [("10", 0), (str(e).replace("-", "−"), 1)]) for e in exponents
        ]
    if not -650 < low < high < 650:
        return [(v, [("e", 0), (f"{v:.4g}".replace("-", "−"), 1)]) for v in (low, (low + high) / 2, high)]
    bottom, top = math.exp(low), math.exp(high)
    if decades > 0.6:
        values = [m * 10.0**e for e in range(math.floor(low / 2.3) - 1, math.ceil(high / 2.3) + 1) for m in (1, 2, 5)]
    else:
        raw = (top - bottom) / 5
        unit = 10.0 ** math.floor(math.log10(raw))
        width = next(unit * m for m in (1, 2, 5, 10) if unit * m >= raw)
        values = [width * index for index in range(math.ceil(bottom / width), math.floor(top / width) + 1)]
    return [(math.log(v), _round_number(v)) for v in values if v > 0 and bottom <= v <= top]


def _round_number(value: float) -> Pieces:
    if 1e-3 <= value < 1e5:
        return [(f"{value:.6g}", 0)]
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = f"{value / 10.0**exponent:.6g}"
    head = "10" if mantissa == "1" else f"{mantissa}·10"
    return [(head, 0), (str(exponent).replace("-", "−"), 1)]


def shortened(content: Pieces, most: int) -> Pieces:
    """The first `most` characters."""
    kept: Pieces = []
    for words, level in content:
        if len(words) > most:
            return [*kept, (words[: max(0, most - 1)] + "…", level)]
        kept.append((words, level))
        most -= len(words)
    return kept


def cut(text: str, most: int = _LONGEST) -> str:
    """The text, cut where it is longer than a label can be."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
