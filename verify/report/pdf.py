"""The view as a tagged PDF (PDF/UA-1), set by Typst.

The template gets the view as JSON. Text from it is never read as code; formulas are evaluated as Typst math, and
come only from `formulas.typst_math`.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import typst

from verify.report.page import FIGURE_STYLE
from verify.report.palette import LIGHT, printed

# Rows printed of a table: of the check whose figure stands beside the claim, and of the others.
_MOST_ROWS, _FEW_ROWS = 10, 4
_LONG_WORD = 28
_FIGURE_FONT = "Libertinus Serif"
# What the fonts inside Typst can show; asked only where a first attempt failed, for they have more than this.
_SHOWN = re.compile(
    "[^\n\u0020-\u007e\u00a0-\u017f\u0370-\u03ff\u0400-\u045f\u2010-\u2027\u2030-\u203e\u2070-\u208e"
    "\u2100-\u2138\u2190-\u21ff\u2200-\u22ff\u2308-\u230b\u25a0-\u25ff\u2713\u2717\u27e8\u27e9\u2a7d\u2a7e\u0307\u200b]"
)


def render_pdf(view: dict[str, Any]) -> bytes:
    """The PDF's bytes.

    A formula that Typst refuses is shown as its LaTeX source, and a character that no font has as its number.

    Raises:
        RuntimeError: if Typst refuses the document even so.
    """
    data, images = _printable(view)
    try:
        return _compile(data, images)
    except typst.TypstError:
        # Rare enough that every formula can be tried on its own, to find those at fault.
        data = _map_text(_without_bad_formulas(data), lambda text: _SHOWN.sub(_numbered, text))
        images = {name: _SHOWN.sub(_numbered, svg) for name, svg in images.items()}
    try:
        return _compile(data, images)
    except typst.TypstError as error:
        raise RuntimeError(f"the PDF could not be set: {error}") from error


def render_sheet(sheet: dict[str, Any]) -> bytes:
    """One page of a certificate; characters as in `render_pdf`.

    Args:
        sheet: what `verify.certificate.sheet` made, and `started`, seconds since 1970.

    Raises:
        RuntimeError: if Typst refuses the document.
    """
    data = _map_text({**sheet, "colours": LIGHT}, _breakable)
    try:
        return _compile(data, {}, "certificate.typ")
    except typst.TypstError:
        data = _map_text(data, lambda text: _SHOWN.sub(_numbered, text))
    try:
        return _compile(data, {}, "certificate.typ")
    except typst.TypstError as error:
        raise RuntimeError(f"the PDF could not be set: {error}") from error


def _compile(data: Any, images: dict[str, str], name: str = "report.typ") -> bytes:
    template = Path(__file__).parent / "templates" / name
    # A folder, since Typst's in-memory files must be text and its root must hold all of them.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / name).write_bytes(template.read_bytes())
        (root / "view.json").write_text(json.dumps(data), encoding="utf-8")
        for image, svg in images.items():
            (root / image).write_text(svg, encoding="utf-8")
        content: bytes = typst.compile(
            str(root / name),
            root=folder,
            format="pdf",
            ignore_system_fonts=True,
            pdf_standards=["ua-1"],
            timestamp=data["started"],
        )
    return content


def _printable(view: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """The view for paper: figures as files, long tables cut with a note, long words breakable."""
    images: dict[str, str] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "mathml" in value:
            return {"latex": value["latex"], "block": value["block"], "typst": value["typst"]}
        if "svg" in value:
            name = f"figure-{len(images)}.svg"
            images[name] = standalone(value["svg"])
            return {**{key: walk(item) for key, item in value.items() if key != "svg"}, "file": name}
        return {key: walk(item) for key, item in value.items()}

    statements = [
        {**item, "checks": [_abridged(check, item) for check in item["checks"]]} for item in view["statements"]
    ]
    data = _map_text(walk({**view, "statements": statements, "colours": LIGHT}), _breakable)
    return data, images


def standalone(svg: str, font: str = f"'{_FIGURE_FONT}'") -> str:
    """A figure of the report as a file of its own, in the light colours.

    Args:
        svg: as drawn, for a page that has the style sheet.
        font: families, as CSS has them.
    """
    css = printed(FIGURE_STYLE.replace("var(--figure-font)", font))
    # Links inside an image do not survive in a PDF; the verdict board has them.
    svg = re.sub(r'<a href="[^"]*"', "<g", svg).replace("</a>", "</g>")
    return re.sub(r"^(<svg[^>]*>)", lambda match: f"{match[1]}<style>{css}</style>", svg)


def _abridged(check: dict[str, Any], statement: dict[str, Any]) -> dict[str, Any]:
    """A check as it is printed: the figure and a table of the leading one, and of others what does not simply hold."""
    if check["anchor"] == statement["lead"]:
        return {**check, "tables": [_shortened(table, _MOST_ROWS) for table in check["tables"]]}
    figures = [] if check["verdict"]["outcome"] in ("holds", "not applicable") else check["figures"]
    return {**check, "figures": figures, "tables": [_shortened(table, _FEW_ROWS) for table in check["tables"][:1]]}


def _shortened(table: dict[str, Any], most: int) -> dict[str, Any]:
    """A table with the rows that do not hold and an even selection of the rest, `most` in all, and a note."""
    rows = table["rows"]
    if len(rows) <= most:
        return {**table, "note": ""}
    remarkable = [index for index, row in enumerate(rows) if row["verdict"] and row["verdict"]["outcome"] != "holds"]
    chosen = set(remarkable) if len(remarkable) <= most else set(_evenly(remarkable, most))
    rest = [index for index in range(len(rows)) if index not in chosen]
    chosen |= set(_evenly(rest, most - len(chosen)))
    kept: list[dict[str, Any]] = []
    group = shown = None
    for index, row in enumerate(rows):
        group = row["group"] or group
        if index in chosen:
            kept.append({**row, "group": group if group != shown else None})
            shown = group
    every = "all" if len(remarkable) <= most else "many"
    note = (
        f"{len(kept)} of {len(rows)} points, {every} of those that do not hold and an even selection of the rest; "
        "report.html and results.json have every one."
    )
    return {**table, "rows": kept, "note": note}


def _evenly(items: list[int], most: int) -> list[int]:
    if most <= 0 or not items:
        return []
    if len(items) <= most:
        return items
    return [items[round(place * (len(items) - 1) / max(1, most - 1))] for place in range(most)]


_CODE = {"typst", "latex", "file", "anchor", "url", "key", "colours"}


def _map_text(value: Any, change: Any) -> Any:
    """Apply `change` to every string that is shown as text."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_text(item, change) for item in value]
    if isinstance(value, dict):
        return {key: item if key in _CODE else _map_text(item, change) for key, item in value.items()}
    return value


def _breakable(text: str) -> str:
    return re.sub(rf"\S{{{_LONG_WORD}}}(?=\S)", lambda match: match[0] + "\u200b", text)


def _numbered(match: re.Match[str]) -> str:
    return f"U+{ord(match[0]):04X}"


def _without_bad_formulas(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_bad_formulas(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "typst" in value:
        good = value["typst"] is not None and _is_settable(value["typst"])
        latex = _SHOWN.sub(_numbered, value["latex"])
        return {**value, "latex": latex, "typst": value["typst"] if good else None}
    return {key: _without_bad_formulas(item) for key, item in value.items()}


def _is_settable(math: str) -> bool:
    source = f"#set document(title: [f])\n#math.equation(alt: [f], ${math}$)"
    try:
        typst.compile(source.encode(), format="pdf", ignore_system_fonts=True, pdf_standards=["ua-1"], timestamp=0)
    except typst.TypstError:
        return False
    return True
