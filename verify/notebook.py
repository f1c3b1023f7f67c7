"""How statements and results show themselves in a notebook: HTML with formulas as MathML, and no style of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from verify.report.formulas import formula
from verify.typesetting import latex
from verify.volume.result import EVENTS, Volume, Volumes, decimal

if TYPE_CHECKING:
    from verify.certificate.result import Certificate
    from verify.statements import Statement


def statement_html(statement: Statement) -> str:
    """Title and source, claim, symbols, assumptions, checks with their controls."""
    claim = statement.claim
    source = escape(str(statement.citation))
    if statement.citation.url:
        source = f'<a href="{escape(statement.citation.url)}">{source}</a>'
    parts = [
        f"<p><strong>{escape(statement.title)}</strong> <code>{escape(statement.id)}</code> ({source})</p>",
        f"<p>{escape(statement.summary)}</p>",
        f"<div>{math(claim.latex(), block=True)}</div>",
        f"<p>{escape(claim.proviso)}</p>" if claim.proviso else "",
        *(f"<div>where {math(text)}</div>" for text in claim.latex_where()),
        table(
            ("symbol", "meaning", "domain"),
            ((math(latex(v.symbol)), escape(v.meaning), math(latex(v.domain))) for v in statement.variables),
        ),
        _list(f"assumes <code>{escape(item.id)}</code>: {escape(item.text)}" for item in statement.assumptions),
        _list(
            f"check <code>{escape(check.name)}</code>: {escape(check.text)} "
            f"Must be rejected: {escape('; '.join(control.text for control in check.controls))}."
            for check in statement.checks
        ),
    ]
    return f"<div>{''.join(parts)}</div>"


def volumes_html(volumes: Volumes) -> str:
    """One row an event, then what was used and why."""
    found: dict[str, Volume] = {name: getattr(volumes, name) for name in EVENTS}
    rows = [
        (
            f"<code>{escape(name)}</code>",
            *(decimal(log, 4) for log in (volume.log_estimate, volume.log_lower, volume.log_upper)),
            escape(volume.evidence),
        )
        for name, volume in found.items()
    ]
    head = ("event", "volume", "lower end", "upper end", "evidence")
    notes = dict.fromkeys(volume.note for volume in found.values() if volume.note)
    said = [f"method {volumes.method}. {volumes.reason}".strip(), *notes]
    return f"<div>{table(head, rows)}{''.join(f'<p>{escape(text)}</p>' for text in said)}</div>"


def certificate_html(certificate: Certificate) -> str:
    """One row a verdict, then the page of text."""
    rows = [
        (f"<code>{escape(row['name'])}</code>", escape(row["verdict"]), escape(row["text"]))
        for row in certificate.rows()
    ]
    page = f"<details><summary>All numbers</summary><pre>{escape(repr(certificate))}</pre></details>"
    return f"<div>{table(('about the network', 'verdict', 'why'), rows)}{page}</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """An HTML table; the cells are HTML already, the head is text."""
    above = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{above}</tr></thead><tbody>{body}</tbody></table>"


def math(source: str, *, block: bool = False) -> str:
    """A formula as MathML; its LaTeX, where that cannot be converted."""
    return formula(source, block=block).mathml or f"<code>{escape(source)}</code>"


def _list(items: Iterable[str]) -> str:
    shown = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{shown}</ul>" if shown else ""
