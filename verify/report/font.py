"""The HTML page's mathematics font: a subset of STIX Two Math, kept in `assets/` with its licence.

Its tall radicals are made as narrow as the short one: Chromium reserves the width of the widest for every root,
which leaves a gap after it.

The subset was made once, by `python -m verify.report.font STIXTwoMath-Regular.ttf` with `fonttools` and `brotli`
installed and the font of https://github.com/stipub/stixfonts at hand; neither is needed to write reports.
"""

from __future__ import annotations

import base64
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

_NAME = "stix-two-math-subset.woff2"
# Whole ranges, not the characters of one text: browsers themselves ask for italics, radicals and stretched pieces.
_RANGES = (
    (0x20, 0x7E),
    (0xA0, 0xFF),
    (0x2C6, 0x2DD),
    (0x300, 0x338),
    (0x391, 0x3F6),
    (0x2000, 0x2064),
    (0x20D0, 0x20DC),
    (0x2102, 0x2134),
    (0x2190, 0x21D4),
    (0x2200, 0x22FF),
    (0x2308, 0x230B),
    (0x23DC, 0x23DF),
    (0x27E8, 0x27FA),
    (0x2A7D, 0x2A7E),
    (0x1D400, 0x1D467),
    (0x1D49C, 0x1D4CF),
    (0x1D538, 0x1D56B),
    (0x1D6A4, 0x1D71B),
    (0x1D7CE, 0x1D7D7),
)


def math_font() -> str:
    """The font as base64 of a WOFF2 file."""
    return base64.b64encode((files("verify.report") / "assets" / _NAME).read_bytes()).decode()


def _make_subset(source: Path, target: Path) -> None:
    from fontTools import subset
    from fontTools.ttLib import TTFont

    options = subset.Options()
    options.layout_features = ["ssty", "dtls", "flac", "kern", "mark", "mkmk"]
    options.hinting = False
    font = TTFont(source, recalcTimestamp=False)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes={code for first, last in _RANGES for code in range(first, last + 1)})
    subsetter.subset(font)
    _narrow_radicals(font)
    font.flavor = "woff2"
    font.save(target)


def _narrow_radicals(font: Any) -> None:
    from fontTools.pens.transformPen import TransformPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    variants = font["MATH"].table.MathVariants
    short = font.getBestCmap()[0x221A]
    place = variants.VertGlyphCoverage.glyphs.index(short)
    construction = variants.VertGlyphConstruction[place]
    names = {record.VariantGlyph for record in construction.MathGlyphVariantRecord}
    names |= {part.glyph for part in construction.GlyphAssembly.PartRecords}
    glyphs, width = font.getGlyphSet(), font["hmtx"][short][0]
    drawn = {}
    for name in sorted(names - {short}):
        advance, bearing = font["hmtx"][name]
        scale = width / advance
        pen = TTGlyphPen(None)
        glyphs[name].draw(TransformPen(pen, (scale, 0, 0, 1, 0, 0)))
        drawn[name] = (pen.glyph(), (width, round(bearing * scale)))
    for name, (glyph, metrics) in drawn.items():
        font["glyf"][name], font["hmtx"][name] = glyph, metrics


if __name__ == "__main__":
    _make_subset(Path(sys.argv[1]), Path(__file__).parent / "assets" / _NAME)
