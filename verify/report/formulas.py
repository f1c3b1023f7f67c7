"""LaTeX → MathML for the HTML page → Typst math for the PDF.

One parser (`math-core`) reads the LaTeX; the PDF's formula is made from the MathML tree, so the two outputs cannot
disagree about what the formula says. Nothing is dropped in silence: an element unknown here makes the formula
fall back to its LaTeX source, shown verbatim. `tests/verify/report/test_report_formulas.py` compiles the Typst
back to MathML and compares the visible characters.

The Typst string is evaluated as code by the PDF template. It is therefore built only from escaped single
characters, quoted strings and the function names below, never from LaTeX text as such.
"""

from __future__ import annotations

import html
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import math_core

_PARSER = math_core.LatexToMathML()


@dataclass(frozen=True)
class Formula:
    """A formula in every form the reports need.

    Attributes:
        latex: the source.
        block: whether it stands on its own line.
        mathml: a `<math>` element, None where the source cannot be converted.
        typst: Typst math without its dollar signs, None where the source cannot be converted.
    """

    latex: str
    block: bool
    mathml: str | None = None
    typst: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For the templates."""
        return asdict(self)


@lru_cache(maxsize=4096)
def formula(latex: str, *, block: bool = False) -> Formula:
    """Convert LaTeX; what cannot be converted keeps its source only."""
    try:
        tree = parse(latex, block=block)
        tree.set("alttext", "".join(char for char in latex if char.isprintable()))
        return Formula(latex, block, ET.tostring(tree, encoding="unicode"), typst_math(tree))
    except (ValueError, ET.ParseError, RecursionError):
        return Formula(latex, block)


# --- LaTeX to a clean MathML tree ---------------------------------------------------------------------------

_TAGS = set(
    [
        "math",
        "mrow",
        "mi",
        "mn",
        "mo",
        "mtext",
        "mspace",
        "msub",
        "msup",
        "msubsup",
        "munder",
        "mover",
        "munderover",
        "mfrac",
        "msqrt",
        "mroot",
        "mtable",
        "mtr",
        "mtd",
        "mstyle",
        "mpadded",
    ]
)
_ATTRIBUTES = set(
    [
        "display",
        "displaystyle",
        "scriptlevel",
        "stretchy",
        "form",
        "lspace",
        "rspace",
        "accent",
        "accentunder",
        "linethickness",
        "mathvariant",
        "width",
        "minsize",
        "maxsize",
        "symmetric",
        "largeop",
        "movablelimits",
        "fence",
        "separator",
    ]
)
_STYLE = re.compile(r"[\w\s.:;%-]*")
_ENTITY = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);|#)(\w+);")
_COMBINING_LOW_LINE, _OVERLINE = "\u0332", "\u203e"


def parse(latex: str, *, block: bool = True) -> ET.Element:
    r"""The MathML tree of a formula.

    `\substack`, which the parser does not know, is unwrapped to its lines joined by commas.

    Raises:
        ValueError: if the parser refuses the source, or answers with an element not listed here.
    """
    try:
        text = _PARSER.convert_with_local_state(_unwrap_substack(latex), displaystyle=block)
    except Exception as error:  # the parser's error class derives from Exception only
        raise ValueError(f"no formula: {latex!r}") from error
    tree = ET.fromstring(_ENTITY.sub(lambda match: html.unescape(match[0]), text))
    for element in tree.iter():
        if element.tag not in _TAGS:
            raise ValueError(f"<{element.tag}> has no counterpart in the PDF")
        for name in list(element.attrib):
            allowed = name in _ATTRIBUTES or (name == "style" and _STYLE.fullmatch(element.attrib[name]))
            if not allowed:
                del element.attrib[name]
        # Browsers strike a letter through with the combining line that the parser uses for \overline.
        if element.tag == "mo" and element.text == _COMBINING_LOW_LINE:
            element.text = _OVERLINE
    return tree


def _unwrap_substack(latex: str) -> str:
    start = latex.find(r"\substack{")
    if start < 0:
        return latex
    opening = start + len(r"\substack")
    depth = 0
    for place in range(opening, len(latex)):
        depth += {"{": 1, "}": -1}.get(latex[place], 0)
        if depth == 0:
            lines = latex[opening + 1 : place].split(r"\\")
            return latex[:start] + "{" + r",\, ".join(lines) + "}" + _unwrap_substack(latex[place + 1 :])
    return latex


# --- MathML tree to Typst math ------------------------------------------------------------------------------

_OPEN, _CLOSE, _BARS = set("([{|∥‖⌈⌊⟨"), set(")]}|∥‖⌉⌋⟩"), set("|∥‖")
_INVISIBLE = {"", "\u2061", "\u2062", "\u2063", "\u2064"}
_LIMITS = set("∑∏⋃⋂∐")
_ACCENTS = {
    "^": "hat",
    "ˆ": "hat",
    "\u0302": "hat",
    "~": "tilde",
    "˜": "tilde",
    "\u0303": "tilde",
    _OVERLINE: "overline",
    "¯": "macron",
    "\u0304": "macron",
    "˙": "dot",
    "\u0307": "dot",
    "¨": "dot.double",
    "→": "arrow",
    "\u20d7": "arrow",
    "ˇ": "caron",
    "⏞": "overbrace",
    "⏟": "underbrace",
}
_ALPHABETS = {
    "DOUBLE-STRUCK": "bb",
    "SCRIPT": "cal",
    "FRAKTUR": "frak",
    "SANS-SERIF": "sans",
    "MONOSPACE": "mono",
}
_LETTERLIKE = dict.fromkeys("ℂℍℕℙℚℝℤ", "bb") | dict.fromkeys("ℬℰℱℋℐℒℳℛ", "cal")
_NOTHING = '""'
_SCRIPTED = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}


def typst_math(element: ET.Element) -> str:
    """Typst math of a MathML tree made by `parse`.

    Raises:
        ValueError: for an element that has no counterpart.
    """
    return re.sub(r" +", " ", _typst(element)).strip()


def _typst(element: ET.Element) -> str:
    tag, children, text = element.tag, list(element), (element.text or "").strip("\n")
    match tag:
        case "math" | "mstyle" | "mrow":
            return _row(children)
        case "mpadded":
            # The parser pads what \mathrel makes a relation; Typst spaces relations itself.
            return f'class("relation", {_row(children)})' if "0.2778em" in element.get("style", "") else _row(children)
        case "mn":
            return text if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else _quoted(text)
        case "mi":
            return _letters(text, upright=element.get("mathvariant") == "normal") if text else ""
        case "mtext":
            return _quoted(text.replace("\u00a0", " "))
        case "mspace":
            return _gap(element.get("width") or element.get("style") or "")
        case "mo":
            return _operator(text)
        case "mfrac" if element.get("linethickness", "1").startswith("0"):
            upper, lower = map(_typst, children)
            return f"#math.vec(delim: none, gap: 0.35em, ${upper}$, ${lower}$)"
        case "mfrac":
            return f"frac({_typst(children[0])}, {_typst(children[1])})"
        case "msqrt":
            return f"sqrt({_row(children)})"
        case "mroot":
            return f"root({_typst(children[1])}, {_typst(children[0])})"
        case "mtable":
            return _table(element)
    if tag in _SCRIPTED:
        return _scripted(tag, children)
    raise ValueError(f"<{tag}> has no counterpart in the PDF")


def _scripted(tag: str, children: Sequence[ET.Element]) -> str:
    base = _typst(children[0]).strip() or _NOTHING
    mark = (children[1].text or "") if children[1].tag == "mo" else ""
    if tag in ("mover", "munder") and mark in _ACCENTS:
        return f"{_ACCENTS[mark]}({base})"
    if tag.startswith(("mu", "mo")) and (children[0].text or "") not in _LIMITS:
        base = f"limits({base})"
    lower = f"_({_typst(children[1]).strip() or _NOTHING})" if "sub" in tag or "under" in tag else ""
    upper = f"^({_typst(children[-1]).strip() or _NOTHING})" if "sup" in tag or "over" in tag else ""
    return base + lower + upper


def _table(element: ET.Element) -> str:
    rows = [[_row(list(cell)) for cell in row] for row in element]
    if element.get("displaystyle") == "true":  # aligned equations: Typst has alignment points of its own
        return " \\ ".join(" & ".join(row) for row in rows)
    styles = [cell.get("style") or "" for cell in element[0]]
    align = "left" if all("start" in style for style in styles) else "center"
    cells = ", ".join("(" + "".join(f"${cell}$, " for cell in row) + ")" for row in rows)
    return f"#math.mat(delim: none, align: {align}, column-gap: 1em, row-gap: 0.4em, {cells})"


def _row(children: Sequence[ET.Element]) -> str:
    fences = _OPEN | _CLOSE
    if len(children) > 1 and all(_is_fence(end, fences) or _is_invisible(end) for end in (children[0], children[-1])):
        inner = (f"mid({_typst(item)})" if _is_fence(item, _BARS) else _typst(item) for item in children[1:-1])
        return f"lr({_typst(children[0])} {' '.join(inner)} {_typst(children[-1])})"
    return " ".join(filter(None, map(_typst, children)))


def _is_fence(element: ET.Element, signs: set[str]) -> bool:
    return element.tag == "mo" and element.get("stretchy") != "false" and (element.text or "") in signs


def _is_invisible(element: ET.Element) -> bool:
    return element.tag == "mo" and (element.text or "") in _INVISIBLE


def _operator(text: str) -> str:
    if text in _INVISIBLE:
        return ""
    if len(text) > 1 and text.isalpha():
        return _quoted(text)
    return " ".join(map(_symbol, unicodedata.normalize("NFC", text)))


def _letters(text: str, *, upright: bool) -> str:
    text = re.sub("[\ufe00-\ufe0f]", "", text)  # variation selectors choose between two script shapes
    plain, name = unicodedata.normalize("NFKC", text), unicodedata.name(text[:1] or " ", "")
    if len(text) > 1:
        return f"bold({_quoted(plain)})" if "BOLD" in name else f"op({_quoted(plain)})"
    if text in _LETTERLIKE:
        return f"{_LETTERLIKE[text]}({_symbol(plain)})"
    if name.startswith("MATHEMATICAL"):
        alphabet = next((call for word, call in _ALPHABETS.items() if word in name), None)
        letter = _symbol(plain)
        if alphabet:
            letter = f"{alphabet}({letter})"
        elif "ITALIC" not in name:
            letter = f"upright({letter})"
        return f"bold({letter})" if "BOLD" in name else letter
    return f"upright({_symbol(text)})" if upright and text.isalpha() else _symbol(text)


def _gap(width: str) -> str:
    match = re.search(r"(-?\d*\.?\d+)em", width)
    return f"#h({float(match[1]):.4f}em)" if match and float(match[1]) else ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _symbol(char: str) -> str:
    """One character, escaped unless it is known to stand for itself in Typst math."""
    return char if char.isalpha() or char in "+-=<>|*!." or ord(char) > 127 else "\\" + char


# --- MathML tree to short text ------------------------------------------------------------------------------


def pieces(latex: str) -> list[tuple[str, int]]:
    """A short formula as text pieces with their level: 1 raised, -1 lowered, 0 on the line.

    For labels inside figures, where there is no math typesetting.
    """
    try:
        return _merge(_pieces(parse(latex, block=False), 0))
    except (ValueError, ET.ParseError, RecursionError):
        return [(latex, 0)]


def _pieces(element: ET.Element, level: int) -> list[tuple[str, int]]:
    children = list(element)
    if element.tag in ("msub", "msup", "msubsup") and level == 0:
        found = _pieces(children[0], 0)
        if "sub" in element.tag:
            found += _pieces(children[1], -1)
        return found + (_pieces(children[-1], 1) if "sup" in element.tag else [])
    if element.tag == "mfrac":
        return [*_pieces(children[0], level), ("/", level), *_pieces(children[1], level)]
    if not children:
        text = "" if (element.text or "") in _INVISIBLE else (element.text or "")
        if element.tag == "mspace" and element.get("width"):
            text = " "
        if element.tag == "mo" and text in ("=", "≤", "≥", "<", ">", "∼", "→"):
            text = f" {text} "
        if element.tag == "mo" and text in (",", ";"):
            text += " "
        return [(text, level)]
    return [piece for child in children for piece in _pieces(child, level)]


def _merge(parts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    merged: list[tuple[str, int]] = []
    for text, level in parts:
        if merged and merged[-1][1] == level:
            merged[-1] = (merged[-1][0] + text, level)
        elif text:
            merged.append((text, level))
    return [(re.sub(" +", " ", text), level) for text, level in merged]
