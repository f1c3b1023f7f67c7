"""Verdicts and findings as both templates show them."""

from __future__ import annotations

import re
from typing import Any

from verify.report import words

_OUTCOMES = "|".join(words.SIGNS)
_TALLY = re.compile(rf"\d+ ({_OUTCOMES})(, \d+ ({_OUTCOMES}))*")  # the text of a verdict combined from parts
_FINDING_STATUS = {
    "holds": "confirmed by computation",
    "violated": "not confirmed: the computation says otherwise",
    "undecided": "not decided by the computation",
    "vacuous": "nothing to decide",
    "not applicable": "not reached in this run",
    "error": "the computation failed",
}


def shown_verdict(verdict: dict[str, Any], parts: str = "parts") -> dict[str, Any]:
    """Sign, words and sentence of a verdict; `parts` names what it was combined from."""
    outcome = verdict["outcome"]
    named = [part for part in (outcome, verdict.get("evidence")) if part]
    leaning = verdict.get("leaning")
    lean = {"supports": "leans for", "against": "leans against"}.get(leaning or "")
    text = verdict.get("text") or ""
    if _TALLY.fullmatch(text):
        text = f"By {parts}: {text}."
    return {
        "outcome": outcome,
        "evidence": verdict.get("evidence") or "",
        "key": outcome.replace(" ", "-"),
        "leans": lean or "",
        "sign": words.SIGNS[outcome],
        "order": str(list(words.SIGNS).index(outcome) * 10 + _evidence_order(verdict.get("evidence"))),
        "words": " · ".join([*named, *([lean] if lean else [])]),
        "text": text,
    }


def _evidence_order(evidence: str | None) -> int:
    known = list(words.LEGEND_EVIDENCE)
    return known.index(evidence) if evidence in known else len(known)


def shown_finding(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding with what became of it."""
    return {
        "title": finding["title"],
        "verdict": shown_verdict(finding["verdict"]),
        "status": _FINDING_STATUS[finding["verdict"]["outcome"]],
    }
