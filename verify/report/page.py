"""The view as one self-contained HTML page, which asks nothing of anywhere and runs one script, its own.

A Content-Security-Policy in the page names that script by its hash, so that a browser refuses any other, whatever a
results file says.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from verify.report import figures, graph, pictures, tightness
from verify.report.font import math_font
from verify.report.palette import DARK, LIGHT, declarations

FIGURE_STYLE = figures.STYLE + pictures.STYLE + graph.STYLE + tightness.STYLE


def render_page(view: dict[str, Any]) -> str:
    """The report's source."""
    return render("report.html.j2", view=view, font=math_font(), figure_style=FIGURE_STYLE)


def render(template: str, **values: Any) -> str:
    """A template of this package with its values, in the colours of the report and with its script."""
    environment = Environment(
        loader=PackageLoader("verify.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (Path(__file__).parent / "templates" / "report.js").read_text(encoding="utf-8").strip()
    return environment.get_template(template).render(
        light=declarations(LIGHT), dark=declarations(DARK), script=script, policy=policy(script), **values
    )


def policy(script: str) -> str:
    """The Content-Security-Policy under which this script runs, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = {
        "default-src": "'none'",
        "script-src": f"'sha256-{digest}'",
        "style-src": "'unsafe-inline'",  # the style sheet, and the spacing that MathML has as attributes
        "font-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items())
