"""Colours, shared by the page, the PDF and the figures in both.

Blue against vermillion stays apart for every common kind of colour blindness. No colour carries a meaning alone:
each outcome also has a sign and a word, in figures a marker shape, and in tables filled or outlined badges; each tone
of a picture also has a hatch, a marker shape or a dash.
"""

from __future__ import annotations

import re

LIGHT = {
    "ink": "#1b2430",
    "soft": "#566272",
    "line": "#cdd4dc",
    "wash": "#f4f6f8",
    "paper": "#ffffff",
    "link": "#0b57a4",
    "holds": "#0b5cad",
    "violated": "#b3370b",
    "undecided": "#835c00",
    "vacuous": "#5d6875",
    "not-applicable": "#5d6875",
    "error": "#111820",
    "tone-1": "#0b5cad",
    "tone-2": "#b3370b",
    "tone-3": "#5d6875",
    "tone-4": "#835c00",
    "tone-5": "#6d3c9e",
    "tone-6": "#006b5b",
}
DARK = {
    "ink": "#e4e8ed",
    "soft": "#a3afbc",
    "line": "#3a4552",
    "wash": "#1a212a",
    "paper": "#12171d",
    "link": "#86bdf7",
    "holds": "#77b5f6",
    "violated": "#ff946a",
    "undecided": "#e3b950",
    "vacuous": "#a3afbc",
    "not-applicable": "#a3afbc",
    "error": "#f3f5f7",
    "tone-1": "#77b5f6",
    "tone-2": "#ff946a",
    "tone-3": "#a3afbc",
    "tone-4": "#e3b950",
    "tone-5": "#c9a6f7",
    "tone-6": "#5fcdb5",
}


def declarations(colours: dict[str, str]) -> str:
    """The colours as CSS custom properties."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def printed(css: str) -> str:
    """A style sheet with `var(--name)` replaced by the light colour, for readers without custom properties."""
    return re.sub(r"var\(--([\w-]+)\)", lambda match: LIGHT[match[1]], css)
