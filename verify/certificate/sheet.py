"""A certificate as one page, for a file or for paper: HTML without script or request, and a PDF that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from verify.certificate.result import VERDICTS, Certificate
from verify.files import replace
from verify.plain import plain_data
from verify.report.page import render
from verify.report.pdf import render_sheet
from verify.report.words import SIGNS
from verify.verdicts import Outcome, Verdict

TITLE = "Certificate of a trained network"
_QUESTIONS = {
    "differentiable": "Does the loss have a derivative here?",
    "local_minimum": "Is an exact differentiable local minimum near?",
    "local_minimum_as_given": "Are these very numbers a local minimum?",
    "global_minimum": "Is that minimum global?",
}
_LONGEST = 60  # characters of the name of a file
_MOST_NOTES = 3
"""More of anything would not fit on the page."""


def write_sheet(
    certificate: Certificate, folder: Path, sources: Mapping[str, str], stamp: Mapping[str, str], when: datetime
) -> list[Path]:
    """Write `certificate.html` and `certificate.pdf`; the same arguments give the same bytes.

    Args:
        certificate: what was found.
        folder: an existing folder; sheets already in it are replaced once the new ones are whole.
        sources: what was certified, by name: files, sums.
        stamp: versions, by name.
        when: for the page.

    Returns:
        The two files.

    Raises:
        OSError: if the folder cannot be written.
    """
    content = sheet(certificate, sources, stamp, when)
    html, pdf = folder / "certificate.html", folder / "certificate.pdf"
    replace(html, render("certificate.html.j2", sheet=content).encode())
    replace(pdf, render_sheet(content))
    return [html, pdf]


def sheet(
    certificate: Certificate, sources: Mapping[str, str], stamp: Mapping[str, str], when: datetime
) -> dict[str, Any]:
    """Everything on the page as plain strings; nothing in them steers a terminal, a browser or a typesetter."""
    content = {
        "title": TITLE,
        "summary": _summary(certificate),
        "verdicts": [
            {"question": _QUESTIONS[name], "name": name, **_badge(getattr(certificate, name))} for name in VERDICTS
        ],
        "sources": _pairs(sources),
        "facts": _pairs(certificate.facts()),
        "reason": certificate.reason,
        "notes": list(certificate.notes[:_MOST_NOTES]),
        "stamp": " · ".join([*(f"{name} {value}" for name, value in stamp.items()), f"{when:%Y-%m-%d}"]),
        "started": int(when.timestamp()),
        "how": (
            "Weights, inputs and labels count as the binary fractions that their floats are. Each “holds” and "
            "“violated” is proved with all rounding accounted for; what is not proved is undecided. An estimated "
            "volume and the search for better networks are part of no proof. What each verdict means is in "
            "docs/certify.md."
        ),
    }
    made: dict[str, Any] = plain_data(content)
    return made


def _badge(verdict: Verdict) -> dict[str, str]:
    key = verdict.outcome.value.replace(" ", "-")
    return {"key": key, "sign": SIGNS[verdict.outcome.value], "words": str(verdict), "text": verdict.text}


def _summary(certificate: Certificate) -> str:
    local, best = certificate.local_minimum.outcome, certificate.global_minimum.outcome
    if certificate.differentiable.outcome is Outcome.VIOLATED:
        return "A neural input is exactly zero: the network lies on a boundary between regions."
    if local is Outcome.HOLDS and best is Outcome.HOLDS:
        return "A differentiable local minimum is proved to lie next to this network, and to be a global one."
    if local is Outcome.HOLDS and best is Outcome.VIOLATED:
        return "A differentiable local minimum is proved to lie next to this network, and not to be a global one."
    if local is Outcome.HOLDS:
        return "A differentiable local minimum is proved to lie next to this network; whether it is global is open."
    if local is Outcome.VIOLATED:
        return "No differentiable local minimum lies next to this network: training has not ended at one."
    return "Whether a differentiable local minimum lies next to this network could not be decided."


def _pairs(items: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": _cut(value)} for name, value in items.items()]


def _cut(text: str, most: int = 240) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown_name(path: str) -> str:
    """The name of a file, without its folders and cut where it is long."""
    return _cut(Path(path).name, _LONGEST)
