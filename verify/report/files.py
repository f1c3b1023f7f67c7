"""A picture as a file of its own, for documents and for those who look at a folder of results."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from verify.pictures import Drawing
from verify.plain import plain
from verify.report.pdf import standalone
from verify.report.pictures import draw

_FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"


def drawing_file(drawing: Drawing, title: str) -> str:
    """The SVG with its style sheet, on white ground, and with the words that stand for it.

    Args:
        drawing: what to draw.
        title: begins those words.
    """
    figure = draw(drawing, plain(title), "p")
    ground = f'<title>{escape(figure.alt)}</title><rect width="100%" height="100%" fill="#ffffff"/>'
    return re.sub(r"</style>", lambda match: match[0] + ground, standalone(figure.svg, _FONT), count=1) + "\n"
