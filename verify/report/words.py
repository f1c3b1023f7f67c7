"""The sentences of the report, computed from the results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from verify.report.canvas import cut

SIGNS = {"holds": "✓", "violated": "✗", "undecided": "?", "vacuous": "∅", "not applicable": "–", "error": "!"}
LEGEND_OUTCOMES = {
    "holds": "the claim was supported, by the evidence named beside it and only as far as that reaches",
    "violated": "the claim was refuted: its bound lies outside what was proved or measured",
    "undecided": "looked at, and neither supported nor refuted; an asymptotic claim gets no further by simulation",
    "vacuous": "the bound says nothing here, such as a probability of at most 1 or more",
    "not applicable": "outside the assumptions, or not reached in this run; it neither helps nor hurts",
    "error": "the computation failed; the message is shown",
}
LEGEND_EVIDENCE = {
    "proof": "every step was decided symbolically, given the statements it uses",
    "exact": "all cases were enumerated, or the value was computed in exact arithmetic",
    "certified": "a computation that errs on one side only, with a stated small probability",
    "witness": "one example was constructed and checked; enough for “there is”, or against “for all”",
    "statistical": "random samples, with intervals that hold at the level of the whole run",
    "trend": "sizes along a path; it leans (supports or against), but a trend alone never makes a claim hold",
}
LEGEND_OTHER = {
    "control": "the same check on a claim, or on samples, known to be false: it must be rejected, or the check "
    "supports nothing",
    "interval": "contains the true value but for the run's level, shared among all comparisons; zero hits have a "
    "positive upper end",
    "log ratio": "the log of the measured value over the log of the bound; above 1 the value is below the bound",
}
# What becomes of a mutant.
FATES = {
    "rejected": "some samples refute it",
    "supported": "it is sharper than the claim, and the samples support it as well: the claim leaves room there",
    "beyond resolution": "these samples do not decide it; the factor by which there would have to be more is shown",
    "equivalent": "it is true whenever the claim is, so that nothing could reject it",
}
CALIBRATION = "calibration"
_MOST_NAMES = 10  # in a sentence on the first page
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def count(number: int, singular: str, plural: str | None = None) -> str:
    """`three statements`, `42 points`."""
    word = _NUMBERS[number] if number < len(_NUMBERS) else f"{number}"
    return f"{word} {singular if number == 1 else plural or singular + 's'}"


def count_in_digits(number: int, singular: str) -> str:
    """`1 point`, `42 points`."""
    return f"{number} {singular}{'' if number == 1 else 's'}"


def listing(items: Iterable[str]) -> str:
    """`A, B and C`."""
    names = list(items)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def some(items: Iterable[str]) -> str:
    """The same for a place with little room: `A, B, C and 17 more` where there are many, each cut where it is long."""
    names = [cut(name) for name in items]
    if len(names) > _MOST_NAMES + 1:
        names[_MOST_NAMES:] = [f"{len(names) - _MOST_NAMES} more"]
    return listing(names)


def label(statement: dict[str, Any]) -> str:
    """What a statement is called in its source, such as `Theorem 6`; its id where the source does not say."""
    number = str(statement["citation"]["number"]).strip()
    if statement["kind"] == CALIBRATION and statement["citation"]["work"]:
        return str(statement["citation"]["work"])  # its numbers are those of other works
    if not number:
        return str(statement["id"])
    return number if any(char.isalpha() for char in number) else f"{str(statement['kind']).capitalize()} {number}"


def main_work(results: dict[str, Any]) -> str:
    """The work that the first statement comes from, after the calibrations: statements are in the order of sources."""
    ordered = sorted(results["statements"], key=lambda statement: statement["kind"] == CALIBRATION)
    return str(ordered[0]["citation"]["work"]) if ordered else "no statement"


def summary(results: dict[str, Any]) -> str:
    """The run in one paragraph."""
    outcomes, controls = results["summary"]["outcomes"], results["summary"]["controls"]
    total = sum(outcomes.values())
    shown = [f"{number} {outcome}" for outcome in SIGNS if (number := outcomes.get(outcome, 0))]
    verb = "was" if total == 1 else "were"
    text = f"{_sentence(count(total, 'statement'))} {verb} checked"
    text += f": {listing(shown)}. " if shown else ". "
    points = sum(len(check["points"]) for item in results["statements"] for check in item["checks"])
    if points:
        text += f"The checks look at {count(points, 'parameter point')}. "
    if controls["total"]:
        text += (
            f"Controls, which are checks of claims known to be false and must be rejected: {controls['rejected']} "
            f"rejected of {controls['looked_at']} that could be judged, {controls['total']} in all. "
        )
    run = results["run"]
    text += (
        f"The probability that any verdict on statistical evidence is wrong is at most {run['level']:g}, "
        f"shared by {count(run['comparisons'], 'comparison')}."
    )
    if run["capped"]:
        text += " The time budget ended the run early: some points have fewer samples than planned, or none."
    if run["interrupted"]:
        text += " The run was interrupted: what was not reached is not applicable here."
    if results["broken_modules"]:
        text += f" {_sentence(count(len(results['broken_modules']), 'module'))} could not be loaded."
    return text


def calibration(results: dict[str, Any]) -> dict[str, str]:
    """Whether the estimators of this run can be believed: the state, and a sentence; empty where nothing was run."""
    state = str(results["summary"].get("calibration", "not run"))  # earlier versions did not have it
    calibrations = [item for item in results["statements"] if item["kind"] == CALIBRATION]
    apart = [
        f"{label(item)} ({item['verdict']['outcome']})"
        for item in calibrations
        if item["verdict"]["outcome"] != "holds"
    ]
    named = listing(apart) if apart else "see their checks and controls"
    text = {
        "passed": f"The estimators reproduced what is known: {listing(map(label, calibrations))}.",
        "failed": f"Nothing else in this run is to be believed: a calibration failed ({named}).",
        "undecided": f"Nothing else in this run is to be believed yet: a calibration is not settled ({named}).",
    }.get(state, "")
    return {"state": state, "text": text}


def answers(results: dict[str, Any]) -> list[dict[str, str]]:
    """The reader's questions, each with a headline, an answer, and what else there is to say."""
    return [
        {"question": "Is it right?", **_is_it_right(results)},
        {"question": "Where does it say nothing?", **_where_silent(results)},
        {"question": "Could the checks have said no?", **_could_fail(results)},
    ]


def answer(headline: str, parts: Sequence[str], more: str = "") -> dict[str, str]:
    """An answer in a few words, in a few sentences, and what else there is to say."""
    return {"headline": headline, "answer": " ".join(parts), "more": more}


def _is_it_right(results: dict[str, Any]) -> dict[str, str]:
    statements = results["statements"]
    work = main_work(results)
    by_outcome = {outcome: [s for s in statements if s["verdict"]["outcome"] == outcome] for outcome in SIGNS}
    parts = []
    calibrated = calibration(results)
    if calibrated["state"] in ("failed", "undecided"):
        parts.append(calibrated["text"])
    violated = by_outcome["violated"]
    if violated:
        named = [f"{label(item)} ({item['verdict']['evidence'] or 'no evidence'})" for item in violated]
        parts.append(f"Not all of it: {some(named)} came out violated.")
    elif statements:
        parts.append(f"Nothing that was checked of {work} came out violated.")
    holding: dict[str, list[str]] = {}
    for item in by_outcome["holds"]:
        holding.setdefault(item["verdict"]["evidence"] or "no evidence", []).append(label(item))
    ranked = [evidence for evidence in (*LEGEND_EVIDENCE, "no evidence") if evidence in holding]
    shown = "; ".join(f"{listing(holding[evidence])} ({evidence})" for evidence in ranked)
    trends = [item for item in by_outcome["undecided"] if item["verdict"]["evidence"] == "trend"]
    if trends:
        parts.append(f"No finite run can decide an asymptotic claim: {_leanings(trends)}.")
    others = [item for item in by_outcome["undecided"] if item not in trends]
    if others:
        parts.append(f"Undecided for another reason: {some(map(label, others))}.")
    if by_outcome["error"]:
        parts.append(f"The computation failed for {some(map(label, by_outcome['error']))}.")
    confirmed = [f for item in statements for f in item["findings"] if f["verdict"]["outcome"] == "holds"]
    if confirmed:
        parts.append(f"A computation confirmed {count(len(confirmed), 'finding')} about the text as printed.")
    if not statements:
        return answer("nothing checked", ["Nothing was checked."])
    headline = f"{len(violated)} violated, " if violated else ""
    headline += f"{len(by_outcome['holds'])} of {len(statements)} hold" + ("" if violated else ", none violated")
    if len(by_outcome["not applicable"]) == len(statements):
        headline = "nothing was reached"
    return answer(headline, parts, f"What holds: {shown}." if shown else "")


def _leanings(trends: Sequence[dict[str, Any]]) -> str:
    groups = [
        ("the sizes that were measured support {}", "supports"),
        ("they speak against {}", "against"),
        ("they do not resolve {}", None),
    ]
    shown: list[str] = []
    for text, leaning in groups:
        named = [label(item) for item in trends if item["verdict"]["leaning"] == leaning]
        if named:
            words = text if shown or leaning == "supports" else text.replace("they", "the sizes that were measured")
            shown.append(words.format(some(named)))
    return "; ".join(shown)


def _where_silent(results: dict[str, Any]) -> dict[str, str]:
    vacuous, outside, unresolved = [], [], []
    silent = reached = 0
    for item in results["statements"]:
        points = [point for check in item["checks"] for point in check["points"]]
        looked = [point for point in points if point["estimate"] is not None]
        empty = sum(point["verdict"]["outcome"] == "vacuous" for point in points)
        apart = sum(point["verdict"]["outcome"] == "not applicable" for point in points)
        open_ = sum(
            point["verdict"]["outcome"] == "undecided" and point["verdict"]["leaning"] is None for point in looked
        )
        total = len(points)
        silent, reached = silent + empty, reached + total - apart
        if empty or item["verdict"]["outcome"] == "vacuous":
            vacuous.append(f"{label(item)} ({empty} of {total} points)" if empty else label(item))
        if apart:
            outside.append(f"{label(item)} ({apart} of {total})")
        if open_:
            unresolved.append(f"{label(item)} ({open_} of {total})")
    parts = []
    if vacuous:
        parts.append(f"The bound is vacuous, and so says nothing, at points of {some(vacuous)}.")
    else:
        parts.append("No bound was vacuous at a point that was checked.")
    if outside:
        parts.append(f"Points outside the assumptions or not reached: {some(outside)}.")
    if unresolved:
        parts.append(f"Points that this sample size does not resolve: {some(unresolved)}.")
    broken = [
        f"{assumption['id']} of {label(item)}"
        for item in results["statements"]
        for assumption in item["assumptions"]
        if assumption["on_data"] is False
    ]
    said = parts[:1]
    if broken:
        said.append(f"The data break {some(broken)}, so these statements do not speak about them.")
    headline = f"vacuous at {silent} of {count_in_digits(reached, 'point')}" if reached else "no point was reached"
    return answer(headline, said, " ".join(parts[1:]))


def _could_fail(results: dict[str, Any]) -> dict[str, str]:
    controls = results["summary"]["controls"]
    if not controls["total"]:
        return answer("no controls", ["There were no controls in this run, so this is not known."])
    missed = [
        f"“{control['name']}” of {label(item)}"
        for item in results["statements"]
        for check in item["checks"]
        for control in check["controls"]
        if control["looked_at"] and not control["rejected"]
    ]
    if controls["looked_at"] == 0:
        return answer("no control judged", ["No control could be judged in this run, so this is not known."])
    text = f"Every control that could be judged was rejected ({controls['rejected']} of {controls['looked_at']})."
    if missed:
        were = "was" if len(missed) == 1 else "were"
        text = f"Not everywhere: {some(missed)} should have been rejected and {were} not."
    rest = controls["total"] - controls["looked_at"]
    text += f" {_sentence(count(rest, 'control'))} could not be judged." if rest else ""
    fates = [mutant["fate"] for item in results["statements"] for mutant in mutants_of(item)]
    others = len(fates) - fates.count("equivalent")
    if others:
        text += f" Of {count(others, 'mutant')} made without a look at the checks, {fates.count('rejected')} "
        text += f"{'was' if fates.count('rejected') == 1 else 'were'} rejected."
    return answer(f"{controls['rejected']} of {controls['looked_at']} controls rejected", [text])


def mutants_of(statement: dict[str, Any]) -> list[dict[str, Any]]:
    """The mutants of all checks of a statement; results of earlier versions have none."""
    return [mutant for check in statement["checks"] for mutant in check.get("mutants", [])]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
