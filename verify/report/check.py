"""One check as both templates show it: figures, tables of points, remarks, controls and mutants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from verify.report import numbers, words
from verify.report.figures import check_figures
from verify.report.formulas import formula
from verify.report.shown import shown_verdict

# A table keeps the bounds shown beside the claim's own as columns up to this many; more get a table of their own.
_BESIDES_IN_TABLE = 2
_MET = {True: "✓", False: "✗", None: "·"}
_GAP_TEXT = "log quantity − log bound"  # verdict texts that only repeat two columns of the table


def shown_claim(claim: dict[str, Any]) -> dict[str, Any]:
    """A claim with its formulas set."""
    return {
        "formula": formula(claim["latex"], block=True).to_dict(),
        "where": [formula(latex, block=True).to_dict() for latex in claim["where"]],
        "proviso": claim["proviso"],
    }


def shown_check(check: dict[str, Any], item: dict[str, Any], anchor: str, costs: Mapping[int, float]) -> dict[str, Any]:
    """A check of a statement; `costs` are the seconds that the samples of undecided points took, by their number."""
    kind = "path" if check["claim"]["asymptotic"] else "point"
    own = check["claim"]["latex"] != item["claim"]["latex"] or check["claim"]["proviso"] != item["claim"]["proviso"]
    universal = is_universal(check)
    return {
        "anchor": anchor,
        "name": check["name"],
        "text": check["text"],
        "points": str(len(check["points"])),
        "controls_in_short": _controls_in_short(check),
        "controls_missed": any(control["looked_at"] and not control["rejected"] for control in check["controls"]),
        "mutants_in_short": _mutants_in_short(check),
        "claim": shown_claim(check["claim"]) if own else None,
        "verdict": shown_verdict(check["verdict"], kind),
        "universal": universal,
        "figures": [] if universal else [figure.to_dict() for figure in check_figures(check)],
        "tables": _tables(check, universal=universal),
        "remarks": [
            *_remarks(check["points"]),
            *_further(check["points"], costs),
            *map(_exponent, check.get("exponents", [])),
        ],
        "controls": [
            {
                "name": control["name"],
                "text": control["text"],
                "formula": formula(control["claim"]["latex"], block=True).to_dict() if control["claim"] else None,
                "status": "rejected"
                if control["rejected"]
                else ("not rejected" if control["looked_at"] else "not judged"),
                "verdict": shown_verdict(control["verdict"], kind),
            }
            for control in check["controls"]
        ],
        "mutants": _fates(check),
    }


def is_universal(check: dict[str, Any]) -> bool:
    """Whether a check counts counterexamples to a claim about all instances, so that no bound is held against it."""
    estimated = [point for point in check["points"] if point["estimate"] is not None]
    return bool(estimated) and all(point["universal"] for point in estimated)


def _tables(check: dict[str, Any], *, universal: bool) -> list[dict[str, Any]]:
    points = check["points"]
    if not points:
        return []
    names = list(dict.fromkeys(name for point in points for name in point["parameters"]))
    constant = [name for name in names if len({str(point["parameters"].get(name)) for point in points}) == 1]
    constant = [] if len(points) == 1 else constant
    varying = [name for name in names if name not in constant]
    fixed = ", ".join(f"{numbers.name(name)} = {numbers.parameter(points[0]['parameters'][name])}" for name in constant)
    labels = list(dict.fromkeys(item["label"] for point in points for item in point["beside"]))
    inline = labels if len(labels) <= _BESIDES_IN_TABLE else []
    counted = any(point["counts"] for point in points)
    ratios = [None if universal else numbers.ratio(point) for point in points]
    head = [_head("#")] + [_head(numbers.name(name)) for name in varying]
    if universal:
        head += [_head("Counterexamples"), _head("Frequency [interval]")]
    else:
        head += [_head("Measured [interval]")] + ([_head("Counts")] if counted else []) + [_head("Bound")]
        head += [_head("Log ratio")] if any(value is not None for value in ratios) else []
        head += [_head(label) for label in inline]
    assumed = _assumed(points)
    head += [_head(f"Assumptions {', '.join(assumed)}", left=True)] if assumed else []
    head.append(_head("Verdict", left=True))
    rows, path = [], None
    for number, (point, value) in enumerate(zip(points, ratios, strict=True), 1):
        group = formula(point["path"]).to_dict() if point["path"] and point["path"] != path else None
        path = point["path"]
        cells = [str(number)] + [numbers.parameter(point["parameters"].get(name, numbers.NOTHING)) for name in varying]
        counts = point["counts"]
        if universal:
            cells += [_counts(counts), numbers.interval(point["estimate"])]
        else:
            cells += [numbers.interval(point["estimate"])] + ([_counts(counts)] if counted else [])
            cells.append(numbers.from_log(point["log_bound"]))
            if any(other is not None for other in ratios):
                cells.append(f"{value:.3g}" if value is not None else numbers.NOTHING)
            cells += [_beside(point, label) for label in inline]
        cells += [" ".join(_MET[point["assumptions"].get(name)] for name in assumed)] if assumed else []
        rows.append({"group": group, "cells": cells, "verdict": shown_verdict(point["verdict"])})
    tables = [{"caption": f"At every point {fixed}." if fixed else "", "head": head, "rows": rows}]
    if labels and not inline:
        rows = [
            {"group": None, "cells": [str(number)] + [_beside(point, label) for label in labels], "verdict": None}
            for number, point in enumerate(points, 1)
        ]
        head = [_head("#")] + [_head(label) for label in labels]
        tables.append({"caption": "Other bounds at the same points.", "head": head, "rows": rows})
    return tables


def _assumed(points: Sequence[dict[str, Any]]) -> list[str]:
    """The assumptions that are met at some points and not at others; the statement says it of the rest."""
    names = dict.fromkeys(name for point in points for name in point["assumptions"])
    return [name for name in names if len({point["assumptions"].get(name) for point in points}) > 1]


def _head(text: str, *, left: bool = False) -> dict[str, Any]:
    return {"text": text, "left": left}


def _counts(counts: dict[str, int]) -> str:
    if not counts:
        return numbers.NOTHING
    if "hits" in counts and "trials" in counts:
        against = f" : {counts['against']}" if "against" in counts else ""
        inner = f"×{counts['inner']}" if "inner" in counts else ""
        text = f"{counts['hits']}{against} of {counts['trials']}{inner}"
        return text + (f", {counts['doubtful']} doubtful" if counts.get("doubtful") else "")
    return ", ".join(f"{value} {name}" for name, value in counts.items())


def _beside(point: dict[str, Any], label: str) -> str:
    found = [item["log_bound"] for item in point["beside"] if item["label"] == label]
    return numbers.from_log(found[0]) if found else numbers.NOTHING


def _remarks(points: Sequence[dict[str, Any]]) -> list[str]:
    """The texts of the points' verdicts, each once, with the numbers of its points."""
    places: dict[str, list[int]] = {}
    for number, point in enumerate(points, 1):
        text = point["verdict"]["text"]
        if text and not text.startswith(_GAP_TEXT):
            places.setdefault(text, []).append(number)
    if len(points) == 1:
        return list(places)
    return [f"{ranges(numbered)}: {text}" for text, numbered in places.items()]


def _further(points: Sequence[dict[str, Any]], costs: Mapping[int, float]) -> list[str]:
    """What a decision at the undecided points would have taken."""
    found = []
    for index, point in enumerate(points):
        needed = point.get("needed")
        where = f"#{index + 1}: " if len(points) > 1 else ""
        if needed == "inf":
            found.append(f"{where}no number of samples is likely to decide this")
        elif needed is not None:
            factor = max(1.0, float(needed))
            cost = f", {numbers.seconds((factor - 1) * costs[index])} more of one core" if index in costs else ""
            found.append(f"{where}about {factor:.2g} times the samples would be likely to decide this{cost}")
    return found


def _exponent(item: dict[str, Any]) -> str:
    """One sentence on how fast the quantity falls beside its bound along a path."""
    whole, *fewer = [f"{fit['estimate']:.2f} [{fit['lower']:.2f}, {fit['upper']:.2f}]" for fit in item["fits"]]
    sizes = ", ".join(f"{size:g}" for size in item["sizes"])
    dropped = f"; without the smallest sizes, one after another: {', '.join(fewer)}" if fewer else ""
    return (
        f"Trend along {item['text']}, N = {sizes}: −log of the quantity grows like the power {whole} of −log of the "
        f"bound{dropped}. Above 1 it falls faster than the bound. Intervals are for the fit to the true "
        "values, if those of the points hold."
    )


def ranges(numbered: Iterable[int]) -> str:
    """Increasing numbers of points, such as `#1–4, 7`."""
    runs: list[list[int]] = []
    for number in numbered:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return "#" + ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def _fates(check: dict[str, Any]) -> list[dict[str, Any]]:
    """The mutants of a check by what became of them, each fate with its mutants and the reasons."""
    rows = []
    for fate in words.FATES:
        by_reason: dict[str, list[str]] = {}
        for mutant in check.get("mutants", []):
            if mutant["fate"] == fate:
                by_reason.setdefault(mutant["reason"], []).append(mutant["text"])
        if by_reason:
            count = sum(map(len, by_reason.values()))
            texts = [f"{'; '.join(texts)} ({reason})" for reason, texts in by_reason.items()]
            rows.append({"fate": fate, "count": str(count), "text": "; ".join(texts)})
    return rows


def _controls_in_short(check: dict[str, Any]) -> str:
    looked = [control for control in check["controls"] if control["looked_at"]]
    if not looked:
        return "not reached" if check["controls"] else "none"
    return f"{sum(control['rejected'] for control in looked)} of {len(looked)}"


def _mutants_in_short(check: dict[str, Any]) -> str:
    fates = [mutant["fate"] for mutant in check.get("mutants", [])]
    could = len(fates) - fates.count("equivalent")
    return f"{fates.count('rejected')} of {could}" if could else "none"
