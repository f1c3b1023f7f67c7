import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from verify.report import figures
from verify.report.graph import Node, dependency_graph
from verify.report.palette import DARK, LIGHT, printed

TILES = (Path(figures.__file__).parent / "templates" / "report.css").read_text(encoding="utf-8")


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_text_colours_can_be_read(palette):
    for name in ("ink", "soft", "link", "holds", "violated", "undecided", "vacuous", "error"):
        assert _contrast(palette[name], palette["paper"]) >= 4.5, name
        assert _contrast(palette[name], palette["wash"]) >= 4.5, name


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_words_on_a_tile_can_be_read_however_strong_its_tint(palette):
    def mixed(colour: str, share: float) -> str:
        parts = [
            round(share * int(palette[colour][at : at + 2], 16) + (1 - share) * int(palette["paper"][at : at + 2], 16))
            for at in (1, 3, 5)
        ]
        return "#" + "".join(f"{part:02x}" for part in parts)

    tints = [(mixed(name, int(share) / 100), name) for name, share in re.findall(r"var\(--(\w+)\) (\d+)%", TILES)]
    assert len(tints) == 5
    for tint, name in tints:
        assert _contrast(palette["ink"], tint) >= 4.5, (name, tint)
    for name in ("holds", "violated", "error"):  # filled, with the words in the colour of the paper
        assert _contrast(palette["paper"], palette[name]) >= 4.5, name


def test_print_style_has_no_variables_left():
    assert "var(" not in printed(figures.STYLE.replace("var(--figure-font)", "serif"))


def _by_name(results, name):
    return next(check for item in results["statements"] for check in item["checks"] if check["name"] == name)


@pytest.mark.parametrize(("name", "count"), [("paths", 1), ("grid", 1), ("long", 1)])
def test_figures_are_small_valid_and_inside_their_frame(results, name, count):
    made = figures.check_figures(_by_name(results, name))
    assert len(made) == count
    for figure in made:
        root = ET.fromstring(figure.svg)
        assert len(figure.svg) < 60_000
        assert "nan" not in figure.svg
        assert "inf" not in figure.svg
        for element in root.iter():
            for key in ("x", "x1", "x2"):
                assert -1 <= float(element.get(key, 0)) <= figure.width + 1
            for key in ("y", "y1", "y2"):
                assert -1 <= float(element.get(key, 0)) <= figure.height + 1


def test_each_path_has_a_panel(results):
    (figure,) = figures.check_figures(_by_name(results, "paths"))
    assert "3/4" in figure.svg
    assert "N / log" in figure.svg.replace("</tspan>", "") or "log" in figure.svg
    assert "8 leans for" in figure.alt


def test_nothing_finite_is_no_figure(results):
    check = _by_name(results, "grid")
    for point in check["points"]:
        if point["estimate"]:
            point["estimate"] = {"log_lower": "-inf", "log_estimate": None, "log_upper": "inf"}
    assert figures.check_figures(check) == []


@pytest.mark.parametrize(
    "values", [(0.0, 0.0), (-1e-12, 0.0), (-1e6, -1e6), (-5000.0, 3.0), (-2e6, -1e6), (800.0, 900.0), (-0.01, 0.0)]
)
def test_every_range_has_ticks(results, values):
    check = _by_name(results, "long")
    check["points"] = check["points"][:2]
    for point, value in zip(check["points"], values, strict=True):
        point["estimate"] = {"log_lower": value, "log_estimate": value, "log_upper": value}
        point["log_bound"] = value
    (figure,) = figures.check_figures(check)
    assert figure.svg.count('class="grid"') >= 2


def _node(name: str, *uses: str) -> Node:
    return Node(name, name, "✓ proof", "holds", "proof", name, uses)


def test_graph_has_every_node_and_every_edge():
    nodes = [_node("a", "b", "c"), _node("b", "d"), _node("c", "d"), _node("d"), _node("e"), _node("f", "gone")]
    made = dependency_graph(nodes)
    assert made is not None
    assert made["svg"].count("<a ") == 4  # e and f, which uses nothing that is there, stand on their own
    assert made["svg"].count('class="edge"') == 4
    assert "a uses b; a uses c; b uses d; c uses d" in made["alt"]
    boxes = [r for r in ET.fromstring(made["svg"]).iter() if r.get("class") == "box"]
    corners = [(float(r.get("x")), float(r.get("y"))) for r in boxes]
    assert len(set(corners)) == 4
    assert corners[0][0] < corners[1][0] < corners[3][0]  # arrows lead to the right


def test_no_uses_are_no_graph():
    assert dependency_graph([_node("a"), _node("b", "b", "gone")]) is None
    assert dependency_graph([]) is None


def test_graph_survives_a_circle():
    made = dependency_graph([_node("a", "b"), _node("b", "a"), _node("c", "c")])
    assert made is not None
    assert made["svg"].count("<a ") == 2


def test_graph_of_many_stays_inside_its_frame():
    names = [f"t{index}" for index in range(20)]
    nodes = [_node(name, *names[index % 3 : index : 4]) for index, name in enumerate(names)]
    made = dependency_graph(nodes)
    for element in ET.fromstring(made["svg"]).iter():
        if element.get("class") == "edge":
            places = [float(word) for word in re.findall(r"[\d.-]+", element.get("d", ""))]
            assert min(places[1::2]) >= 0
            assert max(places[1::2]) <= made["height"]
            assert max(places[::2]) <= made["width"]
