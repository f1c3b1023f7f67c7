"""How tight the bounds of a run are: by what factor each could be moved until it met what was measured.

The log of that factor is the *slack* of a bound at a point: zero where bound and quantity agree, negative where the
bound is broken. An interval for the quantity gives an interval for the slack, and its far end is what is known for
sure, so that no bound is called tight by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from verify.report import numbers, words
from verify.report.canvas import GLYPH, Canvas, Figure, Place, cut

STYLE = """
.fig .upper{fill:var(--tone-1);fill-opacity:.55;stroke:var(--tone-1);stroke-width:1}
.fig .lower{fill:var(--tone-5);fill-opacity:.55;stroke:var(--tone-5);stroke-width:1}
.fig .leading{fill:var(--paper);fill-opacity:.7}
.fig .upper-bar{stroke:var(--tone-1);stroke-opacity:.4;stroke-width:1.4;fill:none}
.fig .lower-bar{stroke:var(--tone-5);stroke-opacity:.4;stroke-width:1.4;fill:none}
.fig .tight{fill:var(--holds);fill-opacity:.1}
.fig a text{fill:var(--link)}
"""
TIGHT = math.log(1.1)
LOOSE = math.log(10)
_ROUNDING = 1e-9
_FINEST = math.log(1.01)  # closer than this is drawn as meeting the bound
_TICKS = (
    (math.log(1.1), "1.1"),
    (math.log(2), "2"),
    (math.log(10), "10"),
    *((10**k * math.log(10), f"10{str(10**k).translate(numbers.RAISED)}") for k in range(1, 9)),
)
_WIDTH, _ROW = 500.0, 18.0
_MOST_ROWS = 60
_MEETS, _BEYOND = 30.0, 22.0  # columns for points that meet their bound, and for those beyond it
_DOT = "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0 -6.8 0Z"
_TRIANGLE = "M0 -4L3.9 3H-3.9Z"
_CROSS = "M-3.6 -3.6L3.6 3.6M-3.6 3.6L3.6 -3.6"


@dataclass(frozen=True)
class Slack:
    """The slack of a bound at one point, in natural logs: what was measured, and the ends of its interval."""

    near: float
    middle: float
    far: float
    upper: bool
    asymptotic: bool
    violated: bool


@dataclass(frozen=True)
class Tightness:
    """The slacks of all bounds of one statement."""

    label: str
    anchor: str
    slacks: tuple[Slack, ...]

    @property
    def tightest(self) -> float:
        """The least slack that is known for sure; infinite where only zero hits were seen, or no bound is kept."""
        return min((max(slack.far, -slack.near) for slack in self.slacks if not slack.violated), default=math.inf)

    @property
    def loosest(self) -> float:
        """The largest slack that is known for sure."""
        return max(0.0, *(slack.near for slack in self.slacks))

    @property
    def text(self) -> str:
        """The factors from the tightest to the loosest measured value."""
        seen = [slack.middle for slack in self.slacks if math.isfinite(slack.middle)]
        if not seen:
            return f"above {factor(self.loosest)}"
        low, high = ("beyond" if slack < 0 else factor(slack) for slack in (min(seen), max(seen)))
        return low if low == high else f"{low} to {high}"


def factor(slack: float) -> str:
    """The factor of which `slack` is the natural log."""
    return numbers.from_log(slack, 3 if slack < LOOSE else 2)


def tightness(statement: dict[str, Any], label: str, anchor: str) -> Tightness | None:
    """What the checks of a statement say about its bounds; None where no bound says anything that was measured."""
    found = tuple(slack for check in statement["checks"] for slack in _slacks(check))
    return Tightness(label, anchor, found) if found else None


def _slacks(check: dict[str, Any]) -> Iterable[Slack]:
    relation = check["claim"]["relation"]
    if relation.startswith("="):
        return
    upper = relation.startswith("<")
    for point in check["points"]:
        if point["universal"] or point["estimate"] is None:
            continue
        if point["verdict"]["outcome"] in ("vacuous", "not applicable", "error"):
            continue
        bound = numbers.log_number(point["log_bound"])
        ends = [numbers.log_number(point["estimate"][key]) for key in ("log_lower", "log_estimate", "log_upper")]
        low, middle, high = (math.nan if end is None else end for end in ends)
        if bound is None or not math.isfinite(bound) or math.isnan(low) or math.isnan(high):
            continue
        middle = low if math.isnan(middle) else middle
        ordered = (bound - high, bound - middle, bound - low) if upper else (low - bound, middle - bound, high - bound)
        # Two ways to one value differ by their rounding, which is no slack.
        near, middle, far = (0.0 if abs(slack) < _ROUNDING else slack for slack in ordered)
        if math.isfinite(ordered[0]) or math.isfinite(ordered[2]):
            yield Slack(
                near, middle, far, upper, bool(check["claim"]["asymptotic"]), point["verdict"]["outcome"] == "violated"
            )


def answer(rows: Sequence[Tightness]) -> dict[str, str]:
    """Which bounds are tight and which are loose, in words."""
    if not rows:
        return words.answer("not measured", ["No bound that says something was measured in this run."])
    tight = [row.label for row in rows if row.tightest <= TIGHT]
    loose = [row for row in rows if min(slack.near for slack in row.slacks) > LOOSE]
    parts = []
    if tight:
        parts.append(f"Within 10 % of what was measured, at one point at least: {words.some(tight)}.")
    else:
        parts.append("No bound is known to be within 10 % of what was measured.")
    if loose:
        parts.append(f"Off by more than a factor of 10 at every point: {words.some(row.label for row in loose)}.")
    worst = max(rows, key=lambda row: row.loosest)
    if worst.loosest > LOOSE:
        parts.append(f"The largest gap seen is {worst.label}'s: a factor of {factor(worst.loosest)} or more.")
    headline = f"{len(tight)} of {words.count_in_digits(len(rows), 'bound')} within 10 %"
    return words.answer(headline, parts)


def draw(rows: Sequence[Tightness]) -> Figure | None:
    """All slacks on one axis, a row for each statement, the tightest first; None where there are none."""
    if not rows:
        return None
    shown = sorted(rows, key=lambda row: (row.tightest, row.loosest))
    left_out = len(shown) - _MOST_ROWS
    if left_out > 0:
        half = _MOST_ROWS // 2
        shown = shown[:half] + shown[-half:]
    canvas = Canvas()
    slacks = [slack for row in shown for slack in row.slacks]
    top = _legend(canvas, slacks) + 22
    left = 12 + 1.15 * GLYPH * max(min(22, len(row.label)) for row in shown)
    right = 12 + 1.1 * GLYPH * max(len(row.text) for row in shown)
    beyond = _BEYOND if any(slack.middle < 0 for slack in slacks) else 0.0
    start, end = left + beyond + _MEETS, _WIDTH - right
    highest = max([LOOSE, *(abs(v) for s in slacks for v in (s.near, s.middle, s.far) if math.isfinite(v))])
    reach = math.log(highest / _FINEST) * 1.04

    def at(slack: float) -> float:
        if slack < 0:
            return left + beyond / 2 if beyond else left + _MEETS / 2
        if slack <= _FINEST:
            return left + beyond + _MEETS / 2
        return start + (end - start) * min(1.0, math.log(slack / _FINEST) / reach)

    bottom = top + _ROW * len(shown)
    canvas.rectangle((left + beyond, top), at(TIGHT) - left - beyond, bottom - top, "tight")
    canvas.text((left, top - 8), "bound ÷ measured, or measured ÷ bound", style="soft small")
    canvas.text((_WIDTH, top - 8), "smallest to largest", "end", "soft small")
    if beyond:
        canvas.text((left + beyond / 2, bottom + 16), "✗", "middle")
    canvas.text((left + beyond + _MEETS / 2, bottom + 16), "1", "middle")
    last = -math.inf
    for value, text in _TICKS:
        if value <= highest and at(value) - last > GLYPH * len(text) + 6:
            last = at(value)
            canvas.line((last, top), (last, bottom), "grid")
            canvas.text((last, bottom + 16), text, "middle")
    for number, row in enumerate(shown):
        y = top + _ROW * (number + 0.5)
        canvas.line((left, y + _ROW / 2), (end, y + _ROW / 2), "grid")
        canvas.parts.append(f"<a href={quoteattr('#' + row.anchor)}>")
        canvas.text((left - 8, y + 3.8), cut(row.label, 22), "end")
        canvas.parts.append("</a>")
        canvas.text((_WIDTH, y + 3.8), row.text, "end", "soft")
        for slack in row.slacks:
            _bar(canvas, slack, at, y, end)
        for slack in row.slacks:
            place = at(slack.middle) if math.isfinite(slack.middle) else None
            if place is not None:
                _mark(canvas, (place, y), slack)
    canvas.line((left, bottom), (end, bottom), "axis")
    words_left_out = f" {left_out} statements between the two halves are left out." if left_out > 0 else ""
    listed = "; ".join(f"{row.label}: {row.text}" for row in shown)
    alt = (
        "How tight the bounds are: for each statement the factor between bound and measured value at every point, on "
        f"a doubly logarithmic scale. {listed}.{words_left_out}"
    )
    return Figure(canvas.svg(_WIDTH, bottom + 24), alt, _WIDTH, bottom + 24)


def _bar(canvas: Canvas, slack: Slack, at: Any, y: float, end: float) -> None:
    style = "upper-bar" if slack.upper else "lower-bar"
    low = at(slack.near) if math.isfinite(slack.near) else at(-1.0)
    high = at(slack.far) if math.isfinite(slack.far) else end
    if high > low:
        canvas.line((low, y), (high, y), style)
    if not math.isfinite(slack.far):
        canvas.curve([(end - 4, y - 3), (end, y), (end - 4, y + 3)], style)


def _mark(canvas: Canvas, place: Place, slack: Slack) -> None:
    if slack.middle < 0:
        canvas.symbol(place, _CROSS, f"bar {'violated' if slack.violated else 'undecided'}")
        return
    kind = "upper" if slack.upper else "lower"
    canvas.symbol(place, _DOT if slack.upper else _TRIANGLE, f"{kind}{' leading' if slack.asymptotic else ''}")


def _legend(canvas: Canvas, slacks: Sequence[Slack]) -> float:
    items: list[tuple[str, Callable[[Place], None]]] = []
    for upper, name in ((True, "upper bound"), (False, "lower bound")):
        for asymptotic, kind in ((False, name), (True, f"leading term, {name}")):
            examples = [s for s in slacks if s.upper == upper and s.asymptotic == asymptotic and s.middle >= 0]
            if examples:
                items.append((kind, lambda at, one=examples[0]: _mark(canvas, at, one)))  # type: ignore[misc]
    for violated, name in ((True, "beyond the bound: violated"), (False, "beyond the bound, undecided")):
        beyond = [slack for slack in slacks if slack.middle < 0 and slack.violated == violated]
        if beyond:
            items.append((name, lambda at, one=beyond[0]: _mark(canvas, at, one)))  # type: ignore[misc]
    items.append(("within 10 %", lambda at: canvas.rectangle((at[0] - 7, at[1] - 5), 14, 10, "tight")))
    return canvas.legend(items, _WIDTH)
