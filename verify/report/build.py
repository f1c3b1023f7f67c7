"""Writes the reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from verify.files import replace


def write_reports(results: dict[str, Any], folder: Path) -> list[Path]:
    """Write `report.html` and `report.pdf`; the same results give the same bytes.

    Args:
        results: what `verify.results.build` made or `verify.results.read` read.
        folder: an existing folder; a report already in it is replaced once the new one is whole.

    Returns:
        The two files.

    Raises:
        OSError: if the folder cannot be written.
        KeyError: if a field of the results is missing.
    """
    # Imported here: the typesetters are not needed to run a check.
    from verify.report.page import render_page
    from verify.report.pdf import render_pdf
    from verify.report.view import make_view

    view = make_view(results)
    html, pdf = folder / "report.html", folder / "report.pdf"
    replace(html, render_page(view).encode())
    replace(pdf, render_pdf(view))
    return [html, pdf]
