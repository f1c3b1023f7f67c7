"""Pictures as the report draws them: the right shapes at the right places, small, safe and the same every time."""

from __future__ import annotations

import copy
import itertools
import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from verify.pictures import Arrangement, Curves, Line, Map, Polygon, Sector, Series, from_dict
from verify.report import figures, pictures
from verify.report.page import render_page
from verify.report.palette import DARK, LIGHT, printed
from verify.report.view import make_view

LABELS = ("usual", "rare", "nothing", "not known", "fifth", "sixth")
TURN = 2 * math.pi
RADIUS = 150


def svg_of(drawing, title="A title", prefix="p"):
    figure = pictures.draw(drawing, title, prefix)
    return figure, ET.fromstring(figure.svg)


def of_class(root, name):
    return [element for element in root.iter() if name in (element.get("class") or "").split()]


def area_paths(root, prefix="p"):
    """Outlines of the areas by category: `{category: [places of one outline, …]}`."""
    found: dict[int, list[list[tuple[float, float]]]] = {}
    named = {element.get("id"): element for element in root.iter() if element.get("id")}
    for element in of_class(root, "area"):
        path = element
        name = (element.get("{http://www.w3.org/1999/xlink}href") or element.get("href") or "")[1:]
        if name:
            path = named[name]
            if name.startswith(f"{prefix}-k"):
                continue  # of the legend
        data = path.get("d")
        if "h16" in data:
            continue
        category = int(re.search(r"tone-(\d)", element.get("class"))[1]) - 1
        for outline in re.findall(r"M([^MZ]+)Z", data):
            found.setdefault(category, []).append(corners_of(outline))
    return found


def corners_of(outline):
    """Places of `x yLx y…` or of `x yHxVyHx`."""
    places = []
    x = y = 0.0
    for letter, words in re.findall(r"([LHV]?)([-\d. ]+)", outline):
        numbers = [float(word) for word in words.split()]
        if letter == "H":
            x = numbers[0]
        elif letter == "V":
            y = numbers[0]
        else:
            x, y = numbers
        places.append((x, y))
    return places


def area(places):
    return abs(sum(a * d - b * c for (a, b), (c, d) in itertools.pairwise([*places, places[0]]))) / 2


def encloses(places, at):
    inside = False
    for (a, b), (c, d) in itertools.pairwise([*places, places[0]]):
        if (b > at[1]) != (d > at[1]) and at[0] < (c - a) * (at[1] - b) / (d - b) + a:
            inside = not inside
    return inside


def plane(count, categories=4):
    """Cells of `count` random lines through the origin, their categories in turn."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((2, count))
    edges = sorted((math.atan2(b, a) + turn) % TURN for a, b in X.T for turn in (math.pi / 2, -math.pi / 2))
    ends = [*edges[1:], edges[0] + TURN]
    cells = tuple(Sector(a, b, k % categories) for k, (a, b) in enumerate(zip(edges, ends, strict=True)))
    return Arrangement(cells, LABELS[:categories], tuple(Line(tuple(x), str(n)) for n, x in enumerate(X.T, 1)))


def space(count):
    """Cells of `count` random planes; the category of a cell is that of its signs, `category_at`."""
    X = np.random.default_rng(2).standard_normal((3, count))
    corners: dict[tuple[int, ...], list[np.ndarray]] = {}
    for i, j in itertools.combinations(range(count), 2):
        meeting = np.cross(X[:, i], X[:, j])
        for corner in (meeting / np.linalg.norm(meeting), -meeting / np.linalg.norm(meeting)):
            for sides in itertools.product((-1, 1), repeat=2):
                signs = np.sign(X.T @ corner).astype(int)
                signs[[i, j]] = sides
                corners.setdefault(tuple(signs.tolist()), []).append(corner)
    cells = []
    for signs, found in sorted(corners.items()):
        middle = np.sum(found, axis=0)
        across = np.cross(middle, found[0])
        ahead = np.cross(across, middle) / np.linalg.norm(middle)
        order = sorted((math.atan2(at @ across, at @ ahead), tuple(at)) for at in found)
        cells.append(Polygon(tuple(at for _, at in order), category_at(np.array(signs))))
    lines = tuple(Line(tuple(x), str(n)) for n, x in enumerate(X.T, 1))
    return X, Arrangement(tuple(cells), LABELS[:4], lines)


def category_at(signs):
    return int((signs > 0).sum() + 2 * (signs[0] > 0)) % 4


def pairs(count, categories=6):
    cells = plane(count).cells
    edges = (*(cell.start for cell in cells), cells[0].start + TURN)
    rows = tuple(tuple((i * j + i) % categories for j in range(len(cells))) for i in range(len(cells)))
    return Map(edges, edges, rows, LABELS[:categories], "angle of 1", "angle of 2")


CURVES = Curves(
    "width",
    "volume",
    (
        Series("exact", range(1, 21), [-k for k in range(1, 21)], style="dashed"),
        Series("with a gap", (1, 2, 3, 4, 5), (-1, -2, -math.inf, -4, -5)),
        Series("band", (1, 20), (-3, -30), (-4, -33), (-2, -28)),
        Series("seen", (1, 2, 3), (-1, -2, -math.inf), (-1.5, -math.inf, -math.inf), (-0.5, -1, -2), "points"),
        Series("also seen", (1, 2), (-3, -4), style="points"),
    ),
)
EVERY = {"curves": CURVES, "plane": plane(30), "space": space(8)[1], "map": pairs(20)}


@pytest.fixture(params=EVERY.values(), ids=EVERY.keys())
def every(request):
    return request.param


def test_a_picture_is_small_valid_and_inside_its_frame(every):
    figure, root = svg_of(every)
    assert len(figure.svg) < 60_000
    assert "nan" not in figure.svg
    assert "inf" not in figure.svg
    for element in root.iter():
        for key, limit in (("x", figure.width), ("x1", figure.width), ("x2", figure.width)):
            assert -1 <= float(element.get(key, 0)) <= limit + 1
        for key in ("y", "y1", "y2"):
            assert -1 <= float(element.get(key, 0)) <= figure.height + 1
    for outlines in area_paths(root).values():
        for x, y in itertools.chain(*outlines):
            assert 0 <= x <= figure.width
            assert 0 <= y <= figure.height


def test_the_same_data_give_the_same_bytes(every):
    first = pictures.draw(every, "A title", "p")
    assert pictures.draw(copy.deepcopy(every), "A title", "p") == first
    back = from_dict(every.to_dict())
    assert pictures.draw(back, "A title", "p") == pictures.draw(from_dict(back.to_dict()), "A title", "p")


def test_all_colours_follow_the_page(every):
    figure, root = svg_of(every)
    assert not re.search(r"#[0-9a-f]{3,6}\b(?!-)|rgb\(", re.sub(r'(href|fill)="[^"]*"', "", figure.svg))
    for element in root.iter():
        fill = element.get("fill")
        assert fill is None or fill.startswith("url(#p-h")
        assert element.get("stroke") is None
    tones = {name for element in root.iter() for name in re.findall(r"tone-\d", element.get("class") or "")}
    assert tones
    for tone in tones:
        assert f".fig .{tone}{{stroke:var(--{tone})}}" in pictures.STYLE
        assert {tone} <= LIGHT.keys() & DARK.keys()


def test_print_style_has_no_variables_left():
    assert "var(" not in printed((figures.STYLE + pictures.STYLE).replace("var(--figure-font)", "serif"))


@pytest.mark.parametrize("prefix", ["p", "s-1-p2"])
def test_every_id_has_the_prefix_and_every_reference_leads_to_one(every, prefix):
    figure, root = svg_of(every, prefix=prefix)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert all(name.startswith(f"{prefix}-") for name in ids)
    references = re.findall(r"(?:href=\"|url\()#([\w-]+)", figure.svg)
    assert set(references) <= set(ids)


HOSTILE = '<script>alert("1")</script> & ]]> </text> ' + "W" * 80


def test_text_is_shown_and_never_read():
    spoiled = [
        Curves(HOSTILE, HOSTILE, (Series(HOSTILE, (1,), (-1.0,)),)),
        Arrangement((Sector(0, 1, 0),), (HOSTILE,), (Line((1, 2), HOSTILE),)),
        Arrangement((Polygon(((1, 0, 0), (0, 1, 0), (0, 0, 1)), 0),), (HOSTILE,), (Line((1, 2, 3), HOSTILE),)),
        Map((0, 1), (0, 1), ((0,),), (HOSTILE,), HOSTILE, HOSTILE),
        Map((0, 1), (0, 1), ((0,),), (HOSTILE,), HOSTILE, HOSTILE, (HOSTILE,), (HOSTILE,)),
    ]
    for drawing in spoiled:
        figure, root = svg_of(drawing, HOSTILE)
        assert {element.tag.rpartition("}")[2] for element in root.iter()} <= {
            *("svg", "path", "text", "tspan", "line", "rect", "defs", "use", "pattern", "circle")
        }
        shown = "".join(root.itertext())
        assert "<script>a" in shown or "<script>" in shown
        assert "<script>" in figure.alt


# --- Curves -------------------------------------------------------------------------------------------------


def test_curves_have_a_line_for_each_stretch_and_a_marker_for_each_finite_value():
    _, root = svg_of(CURVES)
    # In the legend too: one dashed line, one broken in two, one with a band; points with and without intervals.
    assert len(of_class(root, "series")) == 3 + (1 + 2 + 1)
    assert len(of_class(root, "band")) == 1 + 1
    moved = [element for element in root.iter() if element.get("transform", "").startswith("translate")]
    assert len(moved) == 2 + (2 + 2)
    dashes = {element.get("stroke-dasharray") for element in of_class(root, "series")}
    assert dashes == {None, "6 4", "14 3"}


def test_an_interval_that_is_open_below_has_an_arrow_and_one_that_ends_a_cap():
    _, root = svg_of(Curves("x", "y", CURVES.series[3:4]))
    caps = [e for e in of_class(root, "bar") if e.tag.endswith("line") and e.get("y1") == e.get("y2")]
    arrows = [e for e in of_class(root, "bar") if e.tag.endswith("path")]
    assert len(caps) == 4  # three upper ends, one lower
    assert len(arrows) == 2


def test_values_stand_where_they_belong():
    """Equal steps of the logarithm are equal steps on the axis, and the labels are the powers of ten."""
    drawing = Curves("x", "y", (Series("a", (0, 1, 4), (0.0, -10.0, -30.0)),))
    _, root = svg_of(drawing)
    path = of_class(root, "series")[-1].get("d")
    (ax, ay), (bx, by), (cx, cy) = corners_of(path[1:])
    assert (cx - bx) / (bx - ax) == pytest.approx(3, abs=0.01)
    assert (cy - by) / (by - ay) == pytest.approx(2, abs=0.02)
    ticks = {
        "".join(element.itertext()): float(element.get("y"))
        for element in root.iter()
        if element.tag.endswith("text") and element.get("text-anchor") == "end"
    }
    per_log = (by - ay) / 10
    assert ticks["10−10"] - ticks["1"] == pytest.approx(10 * math.log(10) * per_log, abs=0.3)
    assert ticks["1"] - 3.8 == pytest.approx(ay, abs=0.2)


@pytest.mark.parametrize(
    "series",
    [
        Series("one", (3,), (-2.0,)),
        Series("far", (1, 2), (-1e6, -2e6)),
        Series("flat", (0.001, 0.0011), (-1.0, -1.0)),
        Series("large", (-1e9, 1e9), (800.0, 900.0), style="points"),
        Series("no value", (1, 2), (-math.inf, -math.inf), (-math.inf, -math.inf), (-5.0, -6.0), "points"),
        Series("very wide", (1, 2), (-1.0, -2.0), (-1e5, -3.0), (math.inf, -1.0), "points"),
    ],
    ids=lambda series: series.label,
)
def test_every_range_has_ticks_on_both_axes(series):
    figure, root = svg_of(Curves("x", "y", (series,)))
    assert len(of_class(root, "grid")) >= 2
    assert len(of_class(root, "axis")) >= 2
    assert "nan" not in figure.svg


def test_a_linear_axis_begins_at_zero_and_shows_it():
    """Equal steps of the value are equal steps; zero is drawn where a logarithm would leave a gap."""
    series = Series("a", (0, 1, 2, 3), tuple(math.log(value) if value else -math.inf for value in (4, 2, 0, 1)))
    figure, root = svg_of(Curves("x", "y", (series,), y_scale="linear"), "T")
    places = [y for _, y in corners_of(of_class(root, "series")[-1].get("d")[1:])]
    unit = places[2] - places[3]
    assert [places[2] - y for y in places] == pytest.approx([4 * unit, 2 * unit, 0, unit], abs=0.3)
    (baseline,) = [float(e.get("y1")) for e in of_class(root, "axis") if e.get("y1") == e.get("y2")]
    assert places[2] == pytest.approx(baseline, abs=0.2)
    assert "on a log scale" not in figure.alt


def test_a_logarithmic_axis_across_has_powers_of_ten():
    series = Series("a", tuple(math.log(10) * e for e in (-6, -3, 0)), (-1.0, -2.0, -3.0))
    figure, root = svg_of(Curves("x", "y", (series,), x_scale="log"))
    words = {"".join(e.itertext()) for e in root.iter() if e.tag.endswith("text") and e.get("text-anchor") == "middle"}
    assert {"10−6", "10−3", "1"} <= words
    assert "0.368 at 10⁻⁶" in figure.alt


def test_points_are_moved_aside_only_where_two_series_share_a_place():
    def markers(second):
        one, two = (Series(name, x, (-1.0, -2.0), style="points") for name, x in (("a", (0, 10)), ("b", second)))
        _, root = svg_of(Curves("x", "y", (one, two)))
        moved = [e.get("transform") for e in root.iter() if e.get("transform", "").startswith("translate")]
        return [float(text[10:].split()[0]) for text in moved[2:]]

    assert markers((0, 10)) == pytest.approx([73, 689, 79, 695], abs=0.1)
    assert markers((0.5, 9.5))[:2] == pytest.approx([76, 692], abs=0.1)


@pytest.mark.parametrize("value", [0.0, 1e-300, 1.0, 1e300])
def test_every_value_can_be_drawn_on_a_linear_axis(value):
    log = math.log(value) if value else -math.inf
    series = Series("a", (1, 2), (log, -5.0), (-math.inf, -6.0), (math.inf, -4.0), "points")
    figure, root = svg_of(Curves("x", "y", (series,), y_scale="linear"))
    assert len(of_class(root, "axis")) >= 2
    assert "nan" not in figure.svg
    assert "inf" not in figure.svg


def test_the_words_for_curves_name_every_series():
    figure, _ = svg_of(CURVES, "How fast")
    assert "Picture “How fast”: volume, on a log scale, against width." in figure.alt
    assert "exact (dashed line): 0.368 at 1 to 2.06×10⁻⁹ at 20" in figure.alt
    assert "seen (points with intervals): 0.368 at 1 to 0.135 at 2" in figure.alt


# --- Arrangements -------------------------------------------------------------------------------------------


def test_each_sector_has_its_share_of_the_disc_and_its_direction():
    drawing = plane(30)
    _, root = svg_of(drawing)
    found = area_paths(root)
    whole = math.pi * RADIUS**2
    for category, share in enumerate(drawing.shares()):
        outlines = found[category]
        cells = [cell for cell in drawing.cells if cell.category == category]
        assert len(outlines) == len(cells)
        assert sum(map(area, outlines)) / whole == pytest.approx(share, rel=0.01)
        for cell, outline in zip(cells, outlines, strict=True):
            (x, y), angle = outline[0], (cell.start + cell.end) / 2
            assert encloses(outline, (x + 100 * math.cos(angle), y - 100 * math.sin(angle)))
    assert len(of_class(root, "plane")) == 30


def test_lines_lie_on_the_sides_of_the_sectors():
    drawing = plane(5)
    _, root = svg_of(drawing)
    starts = [cell.start % math.pi for cell in drawing.cells]
    for element in of_class(root, "plane"):
        (ax, ay), (bx, by) = corners_of(element.get("d")[1:])
        angle = math.atan2(ay - by, bx - ax) % math.pi
        assert min(abs(angle - start) for start in starts) < 0.005


def test_every_direction_is_drawn_with_the_category_of_its_cell():
    """Directions of known signs, put on the disc by the formula of the projection, lie in an area of their category.

    Ones too near to a plane are passed over: there a tenth of a pixel decides.
    """
    X, drawing = space(8)
    _, root = svg_of(drawing)
    found = area_paths(root)
    discs = [element for element in of_class(root, "axis") if element.get("d", "").endswith("Z")]
    left = [float(re.match(r"M([\d.]+) ([\d.]+)", disc.get("d"))[1]) + RADIUS for disc in discs]
    up = float(re.match(r"M([\d.]+) ([\d.]+)", discs[0].get("d"))[2])
    tried = [0, 0]
    for at in np.random.default_rng(5).standard_normal((400, 3)):
        at /= np.linalg.norm(at)
        if np.abs(X.T @ at / np.linalg.norm(X, axis=0)).min() < 0.02 or abs(at[2]) < 0.02:
            continue
        side = int(at[2] < 0)
        shown = -at if side else at
        scale = RADIUS / math.sqrt(1 + shown[2])
        place = (left[side] + scale * shown[0], up - scale * shown[1])
        holding = {c for c, outlines in found.items() if any(encloses(outline, place) for outline in outlines)}
        assert holding == {category_at(np.sign(X.T @ at))}
        tried[side] += 1
    assert min(tried) > 100


def test_the_area_of_a_category_on_both_discs_is_its_share_of_the_sphere():
    _, drawing = space(8)
    _, root = svg_of(drawing)
    for category, outlines in area_paths(root).items():
        shown = sum(map(area, outlines)) / (2 * math.pi * RADIUS**2)
        assert shown == pytest.approx(drawing.shares()[category], rel=0.01)


def test_octants_are_quarters_of_the_two_discs():
    corners = [
        tuple(tuple(sign if row == place else 0 for place in range(3)) for row, sign in enumerate(signs))
        for signs in itertools.product((1, -1), repeat=3)
    ]
    drawing = Arrangement(tuple(Polygon(item, 0) for item in corners), ("octant",))
    _, root = svg_of(drawing)
    outlines = area_paths(root)[0]
    assert len(outlines) == 8
    for outline in outlines:
        assert area(outline) == pytest.approx(math.pi * RADIUS**2 / 4, rel=0.01)


def test_a_line_is_numbered_once_on_each_disc_and_no_two_numbers_touch():
    figure, root = svg_of(plane(30))
    words = [(e, "".join(e.itertext())) for e in of_class(root, "small")]
    assert sorted(int(text) for _, text in words) == list(range(1, 31))
    for (one, a), (other, b) in itertools.combinations(words, 2):
        across = abs(float(one.get("x")) - float(other.get("x"))) - 2.8 * (len(a) + len(b))
        upwards = abs(float(one.get("y")) - float(other.get("y"))) - 8
        assert max(across, upwards) > 0, (a, b)
    _, root = svg_of(space(8)[1])
    assert len(of_class(root, "small")) == 16
    assert "by 30 lines" in figure.alt


def test_without_lines_the_cells_have_edges():
    _, root = svg_of(Arrangement((Sector(0, 1, 0), Sector(1, 3, 0)), ("a",)))
    (edges,) = [element for element in of_class(root, "hair") if "h16" not in element.get("d")]
    assert edges.get("d").count("M") == 2


def test_the_legend_and_the_words_have_the_share_of_each_category():
    drawing = Arrangement((Sector(0, math.pi / 2, 0), Sector(2, 2.001, 1)), ("usual", "rare", "never"))
    figure, root = svg_of(drawing)
    shown = "".join(root.itertext())
    for words in ("usual: 25 %", "rare: 0.016 %", "never: none"):
        assert words in shown
    assert "usual: 1 cell, 25 % of the area; rare: 1 cell, 0.016 % of the area; never: 0 cells, none" in figure.alt


# --- Maps ---------------------------------------------------------------------------------------------------


def test_a_map_has_every_rectangle_at_its_place():
    drawing = Map((0, 1, 3), (0, 2, 5, 6), ((0, 1, 2), (3, 3, 0)), LABELS[:4])
    _, root = svg_of(drawing)
    found = area_paths(root)
    # The two of category 3 lie on one another and are one.
    assert {category: len(outlines) for category, outlines in found.items()} == {0: 2, 1: 1, 2: 1, 3: 1}
    places = list(itertools.chain(*itertools.chain(*found.values())))
    left, right = min(x for x, _ in places), max(x for x, _ in places)
    top, bottom = min(y for _, y in places), max(y for _, y in places)
    assert right - left == pytest.approx(bottom - top)
    for i, j in itertools.product(range(2), range(3)):
        x = left + (right - left) * (drawing.x_edges[i] + drawing.x_edges[i + 1]) / 2 / 3
        y = bottom - (bottom - top) * (drawing.y_edges[j] + drawing.y_edges[j + 1]) / 2 / 6
        holding = {c for c, outlines in found.items() if any(encloses(outline, (x, y)) for outline in outlines)}
        assert holding == {drawing.categories[i][j]}


def test_a_large_map_keeps_its_areas():
    drawing = pairs(20)
    _, root = svg_of(drawing)
    found = area_paths(root)
    whole = sum(area(outline) for outlines in found.values() for outline in outlines)
    for category, share in enumerate(drawing.shares()):
        assert sum(map(area, found[category])) / whole == pytest.approx(share, rel=0.02)


@pytest.mark.parametrize(
    ("edges", "ticks"),
    [
        ((0, TURN), ["0°", "90°", "180°", "270°", "0°"]),
        ((0.5, 0.5 + TURN), ["90°", "180°", "270°", "0°"]),
        ((-0.1, 1.0), ["0°", "15°", "30°", "45°"]),
        ((0.1, 0.101), ["5.73°", "5.787°"]),
    ],
)
def test_angles_are_shown_in_degrees(edges, ticks):
    _, root = svg_of(Map(edges, (0, 1), ((0,),), ("a",)))
    middle = [e for e in root.iter() if e.tag.endswith("text") and e.get("text-anchor") == "middle"]
    assert ["".join(e.itertext()) for e in middle[: len(ticks)]] == ticks


# --- In the report ------------------------------------------------------------------------------------------


class Figures(HTMLParser):
    """The pictures of a page: id, words of the image, text."""

    def __init__(self, source):
        super().__init__()
        self.found = []
        self.inside = self.drawn = False
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "figure" and given.get("class") == "picture":
            self.inside = True
            self.found.append({"id": given["id"], "alt": None, "text": ""})
        elif self.inside and given.get("role") == "img":
            self.found[-1]["alt"] = given["aria-label"]
        self.drawn = self.drawn or tag == "svg"

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "figure"
        self.drawn = self.drawn and tag != "svg"

    def handle_data(self, data):
        if self.inside and not self.drawn:
            self.found[-1]["text"] += data


def test_the_page_has_every_picture_with_its_caption_or_its_error(results):
    found = Figures(render_page(make_view(results))).found
    assert [item["id"] for item in found] == [f"s-1-p{number}" for number in range(1, 8)]
    for number, item in enumerate(found, 1):
        assert f"Picture number {number}. What is on picture {number}." in item["text"]
        assert (item["alt"] is not None) == (number <= 4)
    assert "The computation of this picture failed: ZeroDivisionError: no" in found[4]["text"]
    assert "The run ended before this picture was computed." in found[5]["text"]
    assert "This picture cannot be drawn: got a picture of kind 'film'" in found[6]["text"]


def test_results_of_before_there_were_pictures_can_be_read(results):
    for item in results["statements"]:
        item.pop("pictures", None)
    assert Figures(render_page(make_view(results))).found == []


def test_tones_can_be_seen_on_both_pages():
    def luminance(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for palette in (LIGHT, DARK):
        for tone in range(1, 7):
            low, high = sorted((luminance(palette[f"tone-{tone}"]), luminance(palette["paper"])))
            assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize("drawing", [plane(30), space(8)[1]], ids=["plane", "space"])
def test_long_words_beside_lines_stay_in_the_frame(drawing):
    lines = tuple(Line(line.normal, f"{line.label} of many samples") for line in drawing.lines)
    figure, root = svg_of(Arrangement(drawing.cells, drawing.labels, lines))
    for element in of_class(root, "small"):
        half = 2.8 * len("".join(element.itertext()))
        assert half - 1 <= float(element.get("x")) <= figure.width - half + 1


def test_named_cells_stand_in_their_middles():
    names = tuple(f"n{k}" for k in range(25))
    figure, root = svg_of(
        Map(range(26), (0, 1, 9), tuple((0, 1) for _ in names), LABELS[:2], "a", "b", names, ("u", "v"))
    )
    words = {"".join(e.itertext()): float(e.get("x")) for e in root.iter() if e.tag.endswith("text")}
    assert [name for name in names if name in words] == list(names[::3])  # at most ten
    gaps = np.diff([words[name] for name in names[::3]])
    assert np.allclose(gaps, gaps[0], atol=0.2)
    assert {"u", "v"} <= set(words)
    assert "°" not in figure.svg
