"""The dependency graph: an arrow from each statement to those it uses, in layers from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout

STYLE = """
.dag text{font-family:var(--figure-font);font-size:12px;fill:var(--ink)}.dag .under{font-size:10.5px;fill:var(--soft)}
.dag rect{fill:var(--paper);stroke:var(--soft);stroke-width:1.2}.dag .edge{fill:none;stroke:var(--soft);stroke-width:1}
.dag .head{fill:var(--soft);stroke:none}
.dag .holds rect{stroke:var(--holds);stroke-width:2.4}.dag .violated rect{stroke:var(--violated);stroke-width:2.4}
.dag .violated .stripe{fill:var(--violated)}.dag .holds .stripe{fill:var(--holds)}
.dag .undecided .stripe{fill:var(--undecided)}.dag .error .stripe{fill:var(--error)}
.dag .vacuous .stripe,.dag .not-applicable .stripe{fill:var(--vacuous)}.dag .stripe{stroke:none}
.dag .undecided rect{stroke:var(--undecided);stroke-dasharray:5 2.5}
.dag .vacuous rect,.dag .not-applicable rect{stroke:var(--vacuous);stroke-dasharray:1.5 2.5}
.dag .error rect{stroke:var(--error);stroke-width:2.4;stroke-dasharray:7 2 2 2}
.dag a:hover rect,.dag a:focus rect{fill:var(--wash)}
"""
_HEIGHT, _BETWEEN_LAYERS, _BETWEEN_NODES = 38.0, 46.0, 14.0
_GLYPH = 6.1
_PAGE = 720.0


@dataclass(frozen=True)
class Node:
    """A statement in the graph: `outcome` as in results.json, `under` the words of its verdict."""

    id: str
    label: str
    under: str
    outcome: str
    anchor: str
    uses: tuple[str, ...]

    @property
    def width(self) -> float:
        """Room for the longer of the two lines."""
        return 24 + _GLYPH * max(len(self.label), 0.88 * len(self.under))


class _View:
    """What grandalf needs of a node; it lays layers out downwards, so width and height change places."""

    def __init__(self, node: Node) -> None:
        self.w, self.h = _HEIGHT, node.width
        self.xy = (0.0, 0.0)


class _Route:
    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []

    def setpath(self, points: list[tuple[float, float]]) -> None:
        self.points = list(points)


def dependency_graph(nodes: Sequence[Node]) -> dict[str, Any]:
    """SVG, size in pixels, and the same in words; statements that use nothing and are not used stand below."""
    known = {node.id: node for node in nodes}
    vertices = {node.id: Vertex(node.id) for node in nodes}
    routes: dict[tuple[str, str], _Route] = {}
    edges = []
    for node in nodes:
        vertices[node.id].view = _View(node)
        for used in dict.fromkeys(node.uses):
            if used in known and used != node.id:
                edge = Edge(vertices[node.id], vertices[used])
                edge.view = routes[node.id, used] = _Route()
                edges.append(edge)
    linked = {end for pair in routes for end in pair}
    places: dict[str, tuple[float, float]] = {}
    top, right = 4.0, 0.0
    if edges:
        graph = Graph([vertices[node.id] for node in nodes if node.id in linked], edges)
        for component in graph.C:
            bottom, far = _lay_out(component, known, routes, places, top)
            top, right = bottom + _BETWEEN_NODES + 6, max(right, far)
    lonely = [node for node in nodes if node.id not in linked]
    x, y, wide = 2.0, top, max(right, _PAGE)
    for node in lonely:
        if x > 2 and x + node.width > wide:
            x, y = 2.0, y + _HEIGHT + _BETWEEN_NODES
        places[node.id] = (x, y)
        x += node.width + _BETWEEN_NODES
        right = max(right, x - _BETWEEN_NODES)
    height = max((y + _HEIGHT if lonely else top - _BETWEEN_NODES - 6) + 4, 8.0)
    body = [_edge(route.points) for route in routes.values()]
    body += [_node(node, places[node.id]) for node in nodes]
    width = right + 4
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" class="dag" {size}>{"".join(body)}</svg>'
    words = "; ".join(f"{known[a].label} uses {known[b].label}" for a, b in routes) or "no statement uses another"
    return {"svg": svg, "width": width, "height": height, "alt": f"Dependency graph: {words}."}


def _lay_out(
    component: Any,
    known: dict[str, Node],
    routes: dict[tuple[str, str], _Route],
    places: dict[str, tuple[float, float]],
    top: float,
) -> tuple[float, float]:
    """Place one connected component below `top`; returns its lower and its right end."""
    layout = SugiyamaLayout(component)
    layout.xspace, layout.yspace = _BETWEEN_NODES, _BETWEEN_LAYERS
    roots = [vertex for vertex in component.sV if not vertex.e_in()]
    layout.init_all(roots=roots or None)
    layout.draw(6)
    ids = [vertex.data for vertex in component.sV]
    middles = {vertex.data: (vertex.view.xy[1], vertex.view.xy[0]) for vertex in component.sV}
    left = min(x - known[name].width / 2 for name, (x, _) in middles.items())
    upper = min(y for _, y in middles.values()) - _HEIGHT / 2
    for name in ids:
        x, y = middles[name]
        places[name] = (x - left + 2 - known[name].width / 2, y - upper + top - _HEIGHT / 2)
    for (user, used), route in routes.items():
        if user in middles:
            inner = [(y - left + 2, x - upper + top) for x, y in route.points[1:-1]]
            start = (places[user][0] + known[user].width, places[user][1] + _HEIGHT / 2)
            end = (places[used][0], places[used][1] + _HEIGHT / 2)
            route.points = [start, *inner, end]
    return (
        max(places[name][1] for name in ids) + _HEIGHT,
        max(places[name][0] + known[name].width for name in ids),
    )


def _edge(points: Sequence[tuple[float, float]]) -> str:
    *_, (x, y) = points
    points = [*points[:-1], (x - 6, y)]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        path += f"C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    head = f"M{x:.1f} {y:.1f}l-8 -3.6v7.2Z"
    return f'<path class="edge" d="{path}"/><path class="head" d="{head}"/>'


def _node(node: Node, corner: tuple[float, float]) -> str:
    x, y = corner
    style = node.outcome.replace(" ", "-")
    box = f'x="{x:.1f}" y="{y:.1f}" width="{node.width:.1f}" height="{_HEIGHT}" rx="4"'
    stripe = f"M{x + 1.5:.1f} {y + 4:.1f}h4v{_HEIGHT - 8}h-4Z"
    lines = (
        f'<text x="{x + 12:.1f}" y="{y + 16:.1f}">{escape(node.label)}</text>'
        f'<text class="under" x="{x + 12:.1f}" y="{y + 30:.1f}">{escape(node.under)}</text>'
    )
    shape = f'<rect {box}/><path class="stripe" d="{stripe}"/>{lines}'
    return f'<a href={quoteattr("#" + node.anchor)} class="{style}">{shape}</a>'
