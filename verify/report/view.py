"""What both templates show: the results with every number, formula and sentence ready to be set.

The view holds plain JSON-like data only. All text in it has passed `plain`, so that neither template meets a
control character; escaping for HTML is Jinja's, and Typst gets text as JSON strings, which it never reads as code.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from verify.plain import plain_data
from verify.report import numbers, words
from verify.report.overview import overview
from verify.report.shown import shown_verdict
from verify.report.statement import shown_statement


def make_view(results: dict[str, Any]) -> dict[str, Any]:
    """The view of a run.

    Raises:
        KeyError: if a field of the results is missing.
    """
    results = plain_data(results)
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
        "stamp": _stamp(results),
        "started": _started(results["times"].get("started")),
        "run": _run_facts(results),
        "command": results["run"]["command"],
        "seed": results["run"]["seed"],
        **overview(results, anchors, labels),
        "broken": results["broken_modules"],
        "legend": {
            "outcomes": [
                {"verdict": shown_verdict({"outcome": outcome}), "text": text}
                for outcome, text in words.LEGEND_OUTCOMES.items()
            ],
            "words": [
                {"word": word, "text": text}
                for word, text in (*words.LEGEND_EVIDENCE.items(), *words.LEGEND_OTHER.items())
            ],
        },
        "statements": [shown_statement(item, anchors, labels, results) for item in statements],
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
        ("Evidence against all claims", _evidence_of_run(results["summary"].get("log_e"))),
        ("ε for all points", f"{run['epsilon']:g}" if run["epsilon"] is not None else ""),
        ("ρ for all points", f"{run['slope']:g}" if run["slope"] is not None else ""),
        ("Versions", ", ".join([*versions, f"Python {environment['python']}"])),
        ("Platform", environment["platform"]),
    ]
    if run["data"]:
        data = run["data"]
        facts.insert(0, ("Data", f"{data['name']}: N = {data['N']}, d₀ = {data['d0']}; SHA-256 {data['sha256']}"))
    return [{"name": name, "value": value} for name, value in facts if value]


def _evidence_of_run(log_e: float | str | None) -> str:
    """The e-value against all claims together; results of earlier versions have none."""
    if log_e is None:
        return ""
    return f"e = {numbers.from_log(log_e)}; if all are true, it exceeds any a with probability 1/a at most (Ville)"
