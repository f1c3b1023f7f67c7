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
        "key": outcome.replace(" ", "-"),
        "sign": words.SIGNS[outcome],
        "words": " · ".join([*named, *([lean] if lean else [])]),
        "text": text,
    }


def shown_finding(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding with what became of it."""
    return {
        "title": finding["title"],
        "verdict": shown_verdict(finding["verdict"]),
        "status": _FINDING_STATUS[finding["verdict"]["outcome"]],
    }
