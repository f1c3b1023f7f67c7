"""What both templates show: the results with every number, formula and sentence ready to be set.

The view holds plain JSON-like data only. All text in it has passed `plain`, so that neither template meets a
control character; escaping for HTML is Jinja's, and Typst gets text as JSON strings, which it never reads as code.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from verify import pictures
from verify.plain import plain
from verify.report import numbers, words
from verify.report.figures import check_figures
from verify.report.formulas import formula
from verify.report.graph import Node, dependency_graph
from verify.report.pictures import draw

_OUTCOMES = "|".join(words.SIGNS)
# A table keeps the bounds shown beside the claim's own as columns up to this many; more get a table of their own.
_BESIDES_IN_TABLE = 2
_GAP_TEXT = "log quantity − log bound"  # verdict texts that only repeat two columns of the table
_TALLY = re.compile(rf"\d+ ({_OUTCOMES})(, \d+ ({_OUTCOMES}))*")  # the text of a verdict combined from parts


def _clean(value: Any) -> Any:
    """`plain` for every string in JSON-like data."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(str(key)): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


def make_view(results: dict[str, Any]) -> dict[str, Any]:
    """The view of a run.

    Raises:
        KeyError: if a field of the results is missing.
    """
    results = _clean(results)
    statements = results["statements"]
    anchors = {item["id"]: f"s-{index}" for index, item in enumerate(statements, 1)}
    labels = {item["id"]: words.label(item) for item in statements}
    works = list(dict.fromkeys(item["citation"]["work"] for item in statements if item["citation"]["work"]))
    data = results["run"]["data"]
    work = words.main_work(results)
    return {
        "title": f"Verification of {work}" if statements else "Verification report",
        "subtitle": f"on the data set {data['name']}" if data else "",
        "works": works,
        "summary": words.summary(results),
        "calibration": words.calibration(results),
        "answers": words.answers(results),
        "stamp": _stamp(results),
        "started": _started(results["times"].get("started")),
        "run": _run_facts(results),
        "command": results["run"]["command"],
        "seed": results["run"]["seed"],
        "board": [_board_row(item, anchors, labels, results["times"]) for item in statements],
        "mutants": _mutants_board(statements, anchors, labels),
        "graph": _graph(statements, anchors, labels),
        "findings": [
            {
                "title": finding["title"],
                "verdict": _verdict(finding["verdict"]),
                "status": _FINDING_STATUS[finding["verdict"]["outcome"]],
                "label": labels[item["id"]],
                "anchor": anchors[item["id"]],
            }
            for item in statements
            for finding in item["findings"]
        ],
        "broken": results["broken_modules"],
        "fates": [{"name": fate, "text": text} for fate, text in words.FATES.items()],
        "legend": {
            "outcomes": [
                {"verdict": _verdict({"outcome": outcome}), "text": text}
                for outcome, text in words.LEGEND_OUTCOMES.items()
            ],
            "words": [
                {"word": word, "text": text}
                for word, text in (*words.LEGEND_EVIDENCE.items(), *words.LEGEND_OTHER.items())
            ],
        },
        "statements": [_statement(item, anchors, labels, results) for item in statements],
    }


_FINDING_STATUS = {
    "holds": "confirmed by computation",
    "violated": "not confirmed: the computation says otherwise",
    "undecided": "not decided by the computation",
    "vacuous": "nothing to decide",
    "not applicable": "not reached in this run",
    "error": "the computation failed",
}


def _verdict(verdict: dict[str, Any], parts: str = "parts") -> dict[str, Any]:
    outcome = verdict["outcome"]
    named = [part for part in (outcome, verdict.get("evidence")) if part]
    leaning = verdict.get("leaning")
    lean = {"supports": "leans for", "against": "leans against"}.get(leaning or "")
    text = verdict.get("text") or ""
    if _TALLY.fullmatch(text):
        text = f"By {parts}: {text}."
    return {
        "outcome": outcome,
        "key": outcome.replace(" ", "-"),
        "sign": words.SIGNS[outcome],
        "words": " · ".join([*named, *([lean] if lean else [])]),
        "text": text,
    }


def _started(moment: Any) -> int:
    """Seconds since 1970 of an ISO date and time; 0 where there is none."""
    try:
        return max(0, int(datetime.fromisoformat(str(moment)).timestamp()))
    except (ValueError, OverflowError, OSError):
        return 0


def _stamp(results: dict[str, Any]) -> str:
    run, times, versions = results["run"], results["times"], results["environment"]["packages"]
    parts = [
        str(times.get("started", ""))[:10],
        numbers.seconds(times.get("seconds")),
        f"seed {run['seed']}",
        f"backend {run['backend']}",
        f"verify {versions['verify']}" if versions.get("verify") else "",
    ]
    return " · ".join(part for part in parts if part and part != numbers.NOTHING)


def _run_facts(results: dict[str, Any]) -> list[dict[str, str]]:
    run, environment, times = results["run"], results["environment"], results["times"]
    budget = run["budget"]
    spent = f"{budget['factor']:g} × the default" if budget["factor"] != 1 else "the default"
    spent += f", at most {numbers.seconds(budget['seconds'])}" if budget["seconds"] is not None else ""
    versions = [f"{name} {version}" for name, version in environment["packages"].items() if version]
    workers = times.get("workers", 1)
    crew = words.count(workers, "worker") if isinstance(workers, int) else f"on the workers of {workers}"
    facts = [
        ("Date", str(times.get("started", "")).replace("T", " ")),
        ("Time taken", f"{numbers.seconds(times.get('seconds'))}, {crew}"),
        ("Seed", str(run["seed"])),
        ("Budget", spent + (" (it ended the run early)" if run["capped"] else "")),
        ("Backend", run["backend"]),
        (
            "Level",
            f"{run['level']:g} over the run: {run['level_each']:.3g} for each of {run['comparisons']} comparisons",
        ),
        ("ε for all points", f"{run['epsilon']:g}" if run["epsilon"] is not None else ""),
        ("ρ for all points", f"{run['slope']:g}" if run["slope"] is not None else ""),
        ("Versions", ", ".join([*versions, f"Python {environment['python']}"])),
        ("Platform", environment["platform"]),
    ]
    if run["data"]:
        data = run["data"]
        facts.insert(0, ("Data", f"{data['name']}: N = {data['N']}, d₀ = {data['d0']}; SHA-256 {data['sha256']}"))
    return [{"name": name, "value": value} for name, value in facts if value]


def _board_row(
    item: dict[str, Any], anchors: dict[str, str], labels: dict[str, str], times: dict[str, Any]
) -> dict[str, Any]:
    controls = [control for check in item["checks"] for control in check["controls"]]
    looked = [control for control in controls if control["looked_at"]]
    rejected = sum(control["rejected"] for control in looked)
    text = f"{rejected} of {len(looked)}" if looked else ("not reached" if controls else "none")
    return {
        "id": item["id"],
        "label": labels[item["id"]],
        "anchor": anchors[item["id"]],
        "title": item["title"],
        "verdict": _verdict(item["verdict"]),
        "controls": text,
        "controls_missed": rejected < len(looked),
        "cost": numbers.seconds(times.get("statements", {}).get(item["id"])),
    }


def _mutants_board(
    statements: Sequence[dict[str, Any]], anchors: dict[str, str], labels: dict[str, str]
) -> list[dict[str, Any]]:
    """For each statement with mutants how many there are of each fate."""
    rows = []
    for item in statements:
        fates = Counter(mutant["fate"] for mutant in words.mutants_of(item))
        if fates:
            rows.append(
                {
                    "label": labels[item["id"]],
                    "anchor": anchors[item["id"]],
                    "total": str(fates.total()),
                    "counts": [str(fates[fate]) for fate in words.FATES],
                }
            )
    return rows


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


def _graph(statements: Sequence[dict[str, Any]], anchors: dict[str, str], labels: dict[str, str]) -> dict[str, Any]:
    nodes = []
    for item in statements:
        verdict = item["verdict"]
        label = labels[item["id"]]
        nodes.append(
            Node(
                item["id"],
                label if len(label) <= 22 else f"{label[:21]}…",
                f"{words.SIGNS[verdict['outcome']]} {verdict['outcome']}"
                + (f" · {verdict['evidence']}" if verdict["evidence"] else ""),
                verdict["outcome"],
                anchors[item["id"]],
                tuple(item["uses"]),
            )
        )
    return dependency_graph(nodes)


# --- One statement ------------------------------------------------------------------------------------------


def _statement(
    item: dict[str, Any], anchors: dict[str, str], labels: dict[str, str], results: dict[str, Any]
) -> dict[str, Any]:
    anchor = anchors[item["id"]]
    citation = item["citation"]
    url = citation["url"] if citation["url"] and re.match(r"https?://", citation["url"]) else None
    run = results["run"]
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
        "claim": _claim(item["claim"]),
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
                "verdict": _verdict(step["verdict"]),
            }
            for step in item["steps"]
        ],
        "checks": [
            _check(check, item, f"{anchor}-{index}", _costs(results, item["id"], check["name"]))
            for index, check in enumerate(item["checks"], 1)
        ],
        "findings": [
            {
                "title": finding["title"],
                "verdict": _verdict(finding["verdict"]),
                "status": _FINDING_STATUS[finding["verdict"]["outcome"]],
            }
            for finding in item["findings"]
        ],
        # Results of before there were pictures have none.
        "pictures": [_picture(picture, f"{anchor}-p{n}") for n, picture in enumerate(item.get("pictures", []), 1)],
        "notes": item["notes"],
        "verdict": _verdict(item["verdict"], "check" if item["checks"] else "step"),
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
            made = draw(pictures.from_dict(item["drawing"]), item["title"], anchor)
            figure = {"svg": made.svg, "alt": made.alt, "width": made.width, "height": made.height}
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


def _claim(claim: dict[str, Any]) -> dict[str, Any]:
    return {
        "formula": formula(claim["latex"], block=True).to_dict(),
        "where": [formula(latex, block=True).to_dict() for latex in claim["where"]],
        "proviso": claim["proviso"],
    }


def _assumption(assumption: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    answers = [point["assumptions"].get(assumption["id"]) for check in item["checks"] for point in check["points"]]
    known = [answer for answer in answers if answer is not None]
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
        "broken": assumption["on_data"] is False or False in known,
    }


# --- One check ----------------------------------------------------------------------------------------------


def _costs(results: dict[str, Any], statement: str, check: str) -> dict[int, float]:
    """Seconds that the samples of undecided points took, by the number of the point."""
    return {
        item["point"]: item["seconds"]
        for item in results["times"].get("undecided", [])
        if (item["statement"], item["check"]) == (statement, check)
    }


def _check(check: dict[str, Any], item: dict[str, Any], anchor: str, costs: Mapping[int, float]) -> dict[str, Any]:
    kind = "path" if check["claim"]["asymptotic"] else "point"
    own = check["claim"]["latex"] != item["claim"]["latex"] or check["claim"]["proviso"] != item["claim"]["proviso"]
    universal = is_universal(check)
    return {
        "anchor": anchor,
        "name": check["name"],
        "text": check["text"],
        "claim": _claim(check["claim"]) if own else None,
        "verdict": _verdict(check["verdict"], kind),
        "universal": universal,
        "figures": [
            {"svg": figure.svg, "alt": figure.alt, "width": figure.width, "height": figure.height}
            for figure in ([] if universal else check_figures(check))
        ],
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
                "verdict": _verdict(control["verdict"], kind),
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
        rows.append({"group": group, "cells": cells, "verdict": _verdict(point["verdict"])})
    tables = [{"caption": f"At every point {fixed}." if fixed else "", "head": head, "rows": rows}]
    if labels and not inline:
        rows = [
            {"group": None, "cells": [str(number)] + [_beside(point, label) for label in labels], "verdict": None}
            for number, point in enumerate(points, 1)
        ]
        head = [_head("#")] + [_head(label) for label in labels]
        tables.append({"caption": "Other bounds at the same points.", "head": head, "rows": rows})
    return tables


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
    return [f"{_ranges(numbered)}: {text}" for text, numbered in places.items()]


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


def _ranges(numbered: Iterable[int]) -> str:
    runs: list[list[int]] = []
    for number in numbered:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return "#" + ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
