"""One statement as both templates show it: claim, assumptions, derivation, pictures, findings, and its checks."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from verify import pictures
from verify.report import numbers
from verify.report.check import ranges, shown_check, shown_claim
from verify.report.formulas import formula
from verify.report.pictures import draw
from verify.report.shown import shown_finding, shown_verdict


def shown_statement(
    item: dict[str, Any], anchors: dict[str, str], labels: dict[str, str], results: dict[str, Any]
) -> dict[str, Any]:
    """A statement of the results; `anchors` and `labels` are those of all statements of the run, by id."""
    anchor = anchors[item["id"]]
    citation = item["citation"]
    url = citation["url"] if citation["url"] and re.match(r"https?://", citation["url"]) else None
    run = results["run"]
    checks = [
        shown_check(check, item, f"{anchor}-{index}", _costs(results, item["id"], check["name"]))
        for index, check in enumerate(item["checks"], 1)
    ]
    options = [part for part in re.findall(r"--(?:path|data|epsilon|slope) \S+", run["command"])]
    return {
        "id": item["id"],
        "anchor": anchor,
        "label": labels[item["id"]],
        "kind": item["kind"],
        "title": item["title"],
        "source": ", ".join(filter(None, [citation["work"], str(citation["number"])])),
        "url": url,
        "summary": item["summary"],
        "claim": shown_claim(item["claim"]),
        "variables": [
            {
                "symbol": formula(variable["latex"]).to_dict(),
                "meaning": variable["meaning"],
                "domain": formula(variable["domain"]).to_dict(),
            }
            for variable in item["variables"]
        ],
        "assumptions": [_assumption(assumption, item) for assumption in item["assumptions"]],
        "uses": [{"label": labels.get(used, used), "anchor": anchors.get(used)} for used in item["uses"]],
        "used_by": [
            {"label": labels[other["id"]], "anchor": anchors[other["id"]]}
            for other in results["statements"]
            if item["id"] in other["uses"]
        ],
        "derivation": _DERIVATIONS[item["derivation"]],
        "steps": [
            {
                "text": step["text"],
                "formula": formula(step["latex"], block=True).to_dict(),
                "verdict": shown_verdict(step["verdict"]),
            }
            for step in item["steps"]
        ],
        "checks": checks,
        # The check whose figure stands beside the claim.
        "lead": next((check["anchor"] for check in checks if check["figures"]), None),
        "findings": [shown_finding(finding) for finding in item["findings"]],
        # Results of before there were pictures have none.
        "pictures": [_picture(picture, f"{anchor}-p{n}") for n, picture in enumerate(item.get("pictures", []), 1)],
        "notes": [*item["notes"], *_evidence(item)],
        "verdict": shown_verdict(item["verdict"], "check" if item["checks"] else "step"),
        "cost": numbers.seconds(results["times"].get("statements", {}).get(item["id"])),
        "reproduce": " ".join([f"python -m verify run {item['id']} --seed {run['seed']}", *options]),
    }


def _picture(item: dict[str, Any], anchor: str) -> dict[str, Any]:
    figure, error = None, ""
    if item["error"] is not None:
        error = f"The computation of this picture failed: {item['error']}"
    elif item["drawing"] is None:
        error = "The run ended before this picture was computed."
    else:
        try:
            figure = draw(pictures.from_dict(item["drawing"]), item["title"], anchor).to_dict()
        except ValueError as failure:  # results.json may have been edited, or be of a later version
            error = f"This picture cannot be drawn: {failure}"
    return {
        "anchor": anchor,
        "title": item["title"],
        "text": item["text"],
        "figure": figure,
        "error": error,
        "failed": figure is None and (item["error"] is not None or item["drawing"] is not None),
    }


_DERIVATIONS = {
    "none": "The steps do not prove the claim.",
    "partial": "The steps prove part of the claim.",
    "complete": "The steps prove the claim, given the statements it uses.",
}


def _assumption(assumption: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    by_check = {
        check["name"]: [point["assumptions"].get(assumption["id"]) for point in check["points"]]
        for check in item["checks"]
    }
    answers = [answer for found in by_check.values() for answer in found]
    known = [answer for answer in answers if answer is not None]
    on_data = assumption["on_data"]
    mixed = on_data is None and len(set(answers)) > 1
    if assumption["on_data"] is not None or assumption["reason"]:
        state = {True: "met by the data", False: "broken by the data", None: "not testable on the data"}
        status = state[assumption["on_data"]] + (f": {assumption['reason']}" if assumption["reason"] else "")
    elif not answers:
        status = ""
    elif not known:
        status = "not testable at the points"
    else:
        met = sum(known)
        status = f"met at all {met} points" if met == len(answers) else f"met at {met} of {len(answers)} points"
        status = "met at the one point" if met == len(answers) == 1 else status
        if len(known) > met:
            status += f", broken at {len(known) - met}"
        if len(known) < len(answers):
            status += f", not testable at {len(answers) - len(known)}"
    return {
        "id": assumption["id"],
        "text": assumption["text"].rstrip(".") if assumption["latex"] else assumption["text"],
        "formula": formula(assumption["latex"]).to_dict() if assumption["latex"] else None,
        "status": status,
        "broken": on_data is False or False in known,
        "sign": "✗" if on_data is False or False in known else "✓" if known or on_data else "·",
        "places": [f"{name}: {_places(found)}" for name, found in by_check.items() if found] if mixed else [],
    }


def _places(answers: Sequence[bool | None]) -> str:
    """At which points of a check an assumption is met, broken or not testable."""
    numbered: dict[str, list[int]] = {}
    for number, answer in enumerate(answers, 1):
        numbered.setdefault({True: "met", False: "broken", None: "not testable"}[answer], []).append(number)
    if len(numbered) == 1:
        return f"{next(iter(numbered))} at all {len(answers)}" if len(answers) > 1 else next(iter(numbered))
    return ", ".join(f"{state} at {ranges(places)}" for state, places in numbered.items())


def _costs(results: dict[str, Any], statement: str, check: str) -> dict[int, float]:
    """Seconds that the samples of undecided points took, by the number of the point."""
    return {
        item["point"]: item["seconds"]
        for item in results["times"].get("undecided", [])
        if (item["statement"], item["check"]) == (statement, check)
    }


def _evidence(item: dict[str, Any]) -> list[str]:
    """What the samples say against a statement, and how false it would have to be for them to find out."""
    if item.get("log_e") is None:
        return []
    points = [point for check in item["checks"] for point in check["points"]]
    found = [numbers.log_number(point["detects"]) for point in points if point.get("detects") is not None]
    factors = sorted(math.exp(min(value, 700.0)) for value in found if value is not None)
    text = f"Evidence of the samples against it: e = {numbers.from_log(item['log_e'])}."
    if factors and factors[0] < math.exp(700.0):
        text += f" At the best of its points they find a violation by a factor of {factors[0]:.3g}"
        middle = factors[len(factors) // 2]
        text += f" with probability 0.95, at the median by one of {middle:.3g}." if middle < math.exp(700.0) else "."
    return [text]
