"""Two runs side by side: which verdicts changed, which intervals moved apart, what got slower, what is new or gone.

Only results.json is read, so a run of today can be held against one that was committed a year ago. Parts are matched
by name: statements by id, checks, controls, findings and pictures by name, points by their parameters.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from verify import results
from verify.errors import InputError
from verify.foreign import reason
from verify.plain import plain
from verify.report import numbers, words
from verify.run import RESULTS
from verify.verdicts import Leaning, Outcome

SCHEMA = "verify-comparison"
SCHEMA_VERSION = 1
SLOWER = 2.0
# A statement of a few milliseconds takes twice as long whenever the machine is busy.
_LEAST_SECONDS = 1.0
# Exact values are points, written with twelve digits, whose last ones differ between platforms.
_ROUNDING = 1e-9
_BAD = (Outcome.VIOLATED.value, Outcome.ERROR.value)
# What the numbers of a run depend on, beside its statements.
_SETTINGS = ("seed", "budget", "epsilon", "slope", "level", "backend", "data")
_REJECTED, _MISSED, _NOT_JUDGED = "rejected", "not rejected", "not judged"
_DRAWN, _NOT_DRAWN = "drawn", "not drawn"


class Part(StrEnum):
    """What can change between two runs."""

    STATEMENT = "statement"
    STEP = "step"
    CHECK = "check"
    POINT = "point"
    CONTROL = "control"
    FINDING = "finding"
    PICTURE = "picture"
    MODULE = "module"


class Sort(StrEnum):
    """How it changed."""

    VERDICT = "verdict"
    INTERVAL = "interval"
    SLOWER = "slower"
    APPEARED = "appeared"
    VANISHED = "vanished"


class Turn(StrEnum):
    """For better or worse."""

    WORSE = "worse"
    BETTER = "better"
    NEITHER = "neither"


@dataclass(frozen=True)
class Place:
    """A part of a run: of a statement, and where it stands there. `name` is for readers, `key` for matching."""

    part: Part
    statement: str
    check: str = ""
    key: str = ""

    @property
    def name(self) -> str:
        """Such as `coin · flips · p = 0.4`."""
        shown = _point_name(self.key) if self.part is Part.POINT else self.key
        kind = "" if self.part in (Part.STATEMENT, Part.CHECK, Part.POINT) else f"{self.part} "
        return plain(" · ".join(text for text in (self.statement, self.check, f"{kind}{shown}".strip()) if text))


@dataclass(frozen=True)
class Found:
    """What a run found out about one part: the outcome, or what takes its place, and the interval of a point."""

    state: str
    words: str
    text: str = ""
    leaning: str | None = None
    interval: tuple[float, float] | None = None
    shown: str = ""


@dataclass(frozen=True)
class Change:
    """One difference. `before` and `after` are words for a reader, empty where the part was not there."""

    place: Place
    sort: Sort
    turn: Turn
    before: str
    after: str
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        place = self.place
        return {
            "part": place.part.value,
            "statement": place.statement,
            "check": place.check or None,
            "name": json.loads(place.key) if place.part is Part.POINT else place.key or None,
            "sort": self.sort.value,
            "turn": self.turn.value,
            "before": self.before or None,
            "after": self.after or None,
            "text": self.text,
        }

    def __str__(self) -> str:
        said = f"{self.before or '(nothing)'} → {self.after or '(nothing)'}"
        return f"{self.place.name}: {said}" + (f"; {self.text}" if self.text else "")


@dataclass(frozen=True)
class Comparison:
    """All differences of two runs; those for the worse decide the exit code.

    `settings` has what the runs were asked for and differ in, as `(name, before, after)`.
    """

    before: str
    after: str
    settings: tuple[tuple[str, str, str], ...]
    changes: tuple[Change, ...]
    compared: int

    def of(self, turn: Turn | None = None, *sorts: Sort) -> tuple[Change, ...]:
        """The changes of this turn and of these sorts; all turns where None, all sorts where none is given."""
        return tuple(c for c in self.changes if turn in (None, c.turn) and (not sorts or c.sort in sorts))

    @property
    def exit_code(self) -> int:
        """1 if something got worse."""
        return 1 if self.of(Turn.WORSE) else 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "before": self.before,
            "after": self.after,
            "settings": [{"name": name, "before": old, "after": new} for name, old, new in self.settings],
            "compared": self.compared,
            "summary": {turn.value: len(self.of(turn)) for turn in Turn},
            "exit_code": self.exit_code,
            "changes": [change.to_dict() for change in self.changes],
        }

    @property
    def summary(self) -> str:
        """One sentence."""
        if not self.changes:
            return f"Nothing changed: {words.count(self.compared, 'part')} compared."
        shown = [f"{len(self.of(turn))} {turn}" for turn in (Turn.WORSE, Turn.BETTER) if self.of(turn)]
        shown += [f"{len(self.of(Turn.NEITHER))} other"] if self.of(Turn.NEITHER) else []
        return f"{words.count(len(self.changes), 'change')} ({', '.join(shown)}) among {self.compared} parts."

    @property
    def groups(self) -> tuple[tuple[str, tuple[Change, ...]], ...]:
        """The changes under headings, in the order in which a reader wants them; each once, empty groups left out."""
        rest = Turn.NEITHER
        groups = (
            ("Worse", self.of(Turn.WORSE)),
            ("Better", self.of(Turn.BETTER)),
            ("Other changes of verdicts", self.of(rest, Sort.VERDICT)),
            ("Intervals that moved apart", self.of(rest, Sort.INTERVAL)),
            ("Slower", self.of(rest, Sort.SLOWER)),
            ("Appeared and vanished", self.of(rest, Sort.APPEARED, Sort.VANISHED)),
        )
        return tuple(group for group in groups if group[1])

    def __str__(self) -> str:
        lines = [f"{self.before} → {self.after}: {self.summary}"]
        lines += [f"the runs differ in {name}: {old} → {new}" for name, old, new in self.settings]
        for title, changes in self.groups:
            lines += ["", title, *(f"  {change}" for change in changes)]
        return "\n".join(lines)


def compare_files(before: Path, after: Path, slower: float = SLOWER, *, missing: bool = False) -> Comparison:
    """Compare two runs.

    Args:
        before: folder of a run, or its results.json.
        after: the same.
        slower: from which factor on the time of a statement is worth a line.
        missing: take what is in one run only as no change for the worse, for runs of different statements.

    Raises:
        InputError: if a file is missing, broken or incomplete, or `slower` is not above 1.
    """
    if not 1 < slower < math.inf:
        raise InputError(f"got a factor of {slower:g}; expected a number above 1, for example 2")
    old, new = _read(before), _read(after)
    found = []
    for path, run in ((before, old), (after, new)):
        try:
            found.append((dict(_parts(run)), _settings(run), _seconds(run)))
        except Exception as error:  # whatever a file that was edited leads to
            raise InputError(f"the results in {path} are not whole ({reason(error)}); run verify there again") from None
    try:
        comparison = _compared(str(before), str(after), found, slower, missing)
        str(comparison)  # what cannot be put into words is found out here
    except Exception as error:  # as above
        raise InputError(f"{before} and {after} cannot be compared ({reason(error)}); run verify there again") from None
    return comparison


_Run = tuple[dict[Place, Found], dict[str, str], dict[str, float]]


def _compared(before: str, after: str, found: Sequence[_Run], slower: float, missing: bool) -> Comparison:
    (old_parts, old_settings, old_seconds), (new_parts, new_settings, new_seconds) = found
    settings = tuple(
        (name, old_settings.get(name, "none"), new_settings.get(name, "none"))
        for name in dict.fromkeys([*old_settings, *new_settings])
        if old_settings.get(name, "none") != new_settings.get(name, "none")
    )
    changes = [*_differences(old_parts, new_parts, missing), *_slower(old_seconds, new_seconds, slower)]
    both = len(old_parts.keys() & new_parts.keys())
    return Comparison(before, after, settings, tuple(changes), both)


def _read(path: Path) -> dict[str, Any]:
    return results.read(path / RESULTS if path.is_dir() else path)


def _parts(run: dict[str, Any]) -> Iterator[tuple[Place, Found]]:
    """Everything that a run found out."""
    for module in run["broken_modules"]:
        yield Place(Part.MODULE, "", "", module["module"]), Found(Outcome.ERROR, "broken", module["reason"])
    for item in run["statements"]:
        name = item["id"]
        yield Place(Part.STATEMENT, name), _judged(item["verdict"])
        for number, step in enumerate(item["steps"], 1):
            yield Place(Part.STEP, name, "", str(number)), _judged(step["verdict"])
        for finding in item["findings"]:
            yield Place(Part.FINDING, name, "", finding["id"]), _judged(finding["verdict"])
        for picture in item.get("pictures", ()):  # results of earlier versions have none
            error, drawn = picture["error"], _DRAWN if picture["drawing"] else _NOT_DRAWN
            state = Outcome.ERROR.value if error else drawn
            yield Place(Part.PICTURE, name, "", picture["id"]), Found(state, state, error or "")
        for check in item["checks"]:
            yield Place(Part.CHECK, name, check["name"]), _judged(check["verdict"])
            for point in check["points"]:
                key = json.dumps([point["parameters"], point["path"]], sort_keys=True, ensure_ascii=False)
                yield Place(Part.POINT, name, check["name"], key), _judged(point["verdict"], point["estimate"])
            for control in check["controls"]:
                yield Place(Part.CONTROL, name, check["name"], control["name"]), _control(control)


def _judged(verdict: dict[str, Any], estimate: dict[str, Any] | None = None) -> Found:
    parts = [verdict["outcome"], verdict["evidence"], verdict["leaning"]]
    shown = " · ".join(part for part in parts if part)
    outcome = Outcome(verdict["outcome"]).value
    interval = None if estimate is None else _interval(estimate["log_lower"], estimate["log_upper"])
    return Found(outcome, shown, verdict["text"], verdict["leaning"], interval, numbers.interval(estimate))


def _interval(lower: float | str | None, upper: float | str | None) -> tuple[float, float] | None:
    return None if lower is None or upper is None else (float(lower), float(upper))


def _control(control: dict[str, Any]) -> Found:
    verdict = control["verdict"]
    if verdict["outcome"] == Outcome.ERROR:
        return Found(Outcome.ERROR, Outcome.ERROR, verdict["text"])
    state = _REJECTED if control["rejected"] else _MISSED if control["looked_at"] else _NOT_JUDGED
    return Found(state, state, verdict["text"])


def _settings(run: dict[str, Any]) -> dict[str, str]:
    """What a run was asked for, and with which versions it ran."""
    asked = {name: _setting(run["run"][name]) for name in _SETTINGS}
    return asked | {name: _setting(version) for name, version in run["environment"]["packages"].items()}


def _setting(value: Any) -> str:
    if isinstance(value, dict):  # of a budget, or of a data set
        return ", ".join(f"{name} {_setting(item)}" for name, item in value.items() if item is not None)
    return "none" if value is None else plain(str(value))


def _seconds(run: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in run["times"]["statements"].items()}


def _differences(before: dict[Place, Found], after: dict[Place, Found], missing: bool) -> Iterator[Change]:
    for place in dict.fromkeys([*before, *after]):
        old, new = before.get(place), after.get(place)
        if old is None or new is None:
            # Of a part that is new or gone as a whole, one line says so.
            above = _above(place)
            stands_alone = above is None or (above in before and above in after)
            if stands_alone or (new is not None and _is_bad(new)):
                yield from _alone(place, old, new, missing)
            continue
        if (old.state, old.words) != (new.state, new.words):
            yield Change(place, Sort.VERDICT, _turn(old, new), old.words, new.words, plain(new.text))
        if _apart(old, new):
            text = "disjoint intervals for one quantity: its sampler or its reader is another, or one interval missed"
            yield Change(place, Sort.INTERVAL, Turn.NEITHER, old.shown, new.shown, text)


def _above(place: Place) -> Place | None:
    """The part that a part belongs to."""
    if place.part in (Part.STATEMENT, Part.MODULE):
        return None
    if place.part in (Part.POINT, Part.CONTROL):
        return Place(Part.CHECK, place.statement, place.check)
    return Place(Part.STATEMENT, place.statement)


def _alone(place: Place, old: Found | None, new: Found | None, missing: bool) -> Iterator[Change]:
    """A part that only one of the runs has.

    What held and is gone protects no longer; but for points, for a grid may be laid anew.
    """
    if new is not None:
        turn = Turn.WORSE if _is_bad(new) else Turn.NEITHER
        yield Change(place, Sort.APPEARED, turn, "", new.words, plain(new.text))
    elif old is not None:
        protects = old.state in (Outcome.HOLDS, _REJECTED) or old.leaning == Leaning.SUPPORTS
        worse = protects and place.part is not Part.POINT and not missing
        better = place.part is Part.MODULE
        turn = Turn.WORSE if worse else Turn.BETTER if better else Turn.NEITHER
        yield Change(place, Sort.VANISHED, turn, old.words, "")


def _is_bad(found: Found) -> bool:
    return found.state in (*_BAD, _MISSED)


def _turn(old: Found, new: Found) -> Turn:
    """Worse: newly violated or crashed, no longer holding, a control no longer rejected, a trend turned round."""
    if old.state == new.state:
        if (old.leaning, new.leaning) == (Leaning.SUPPORTS, Leaning.AGAINST):
            return Turn.WORSE
        return Turn.BETTER if (old.leaning, new.leaning) == (Leaning.AGAINST, Leaning.SUPPORTS) else Turn.NEITHER
    good = (Outcome.HOLDS, _REJECTED, _DRAWN)
    if _is_bad(new) or old.state in good:
        return Turn.WORSE
    return Turn.BETTER if new.state in good or _is_bad(old) else Turn.NEITHER


def _apart(old: Found, new: Found) -> bool:
    if old.interval is None or new.interval is None:
        return False
    (_, end), (start, _) = sorted((old.interval, new.interval))
    return start > end + (_ROUNDING * max(1.0, abs(end)) if math.isfinite(end) else 0.0)


def _slower(before: dict[str, float], after: dict[str, float], factor: float) -> Iterator[Change]:
    for name in before.keys() & after.keys():
        old, new = before[name], after[name]
        if new >= factor * old and new - old >= _LEAST_SECONDS:
            shown = numbers.seconds(old), numbers.seconds(new)
            yield Change(Place(Part.STATEMENT, name), Sort.SLOWER, Turn.NEITHER, *shown)


def _point_name(key: str) -> str:
    parameters, path = json.loads(key)
    shown = ", ".join(f"{numbers.name(name)} = {numbers.parameter(value)}" for name, value in parameters.items())
    return f"{shown} along {path}" if path else shown
