"""The view as one self-contained HTML page: no script, no request to anywhere."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from verify.report import figures, graph, pictures
from verify.report.font import math_font
from verify.report.palette import DARK, LIGHT, declarations


def render_page(view: dict[str, Any]) -> str:
    """The page's source."""
    environment = Environment(
        loader=PackageLoader("verify.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        view=view,
        font=math_font(),
        light=declarations(LIGHT),
        dark=declarations(DARK),
        figure_style=figures.STYLE + pictures.STYLE + graph.STYLE,
    )
