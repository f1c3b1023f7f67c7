"""The view as one self-contained HTML page: no script, no request to anywhere."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from verify.report import figures, graph, pictures
from verify.report.font import math_font
from verify.report.palette import DARK, LIGHT, declarations


def render_page(view: dict[str, Any]) -> str:
    """The report's source."""
    style = figures.STYLE + pictures.STYLE + graph.STYLE
    return render("report.html.j2", view=view, font=math_font(), figure_style=style)


def render(template: str, **values: Any) -> str:
    """A template of this package with its values, in the colours of the report."""
    environment = Environment(
        loader=PackageLoader("verify.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(light=declarations(LIGHT), dark=declarations(DARK), **values)
