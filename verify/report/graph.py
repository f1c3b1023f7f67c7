"""The dependency graph: an arrow from each statement to those it uses, in layers from left to right.

The layout is the usual one for layered graphs: layers by the longest chain of uses, an order within layers that
crosses few edges, then heights that keep edges straight. It depends on the order of the statements only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any
from xml.sax.saxutils import escape, quoteattr

STYLE = """
.dag text{font-family:var(--figure-font);font-size:12px;fill:var(--ink)}.dag .under{font-size:10.5px}
.dag rect{fill:var(--paper);stroke:var(--soft);stroke-width:1.4}.dag .edge{fill:none;stroke:var(--soft);stroke-width:1}
.dag .head{fill:var(--soft);stroke:none}
.dag .tint{stroke:none;fill-opacity:0}
.dag .holds .tint{fill:var(--holds);fill-opacity:.1}.dag .undecided .tint{fill:var(--undecided);fill-opacity:.1}
.dag .holds.exact .tint{fill-opacity:.34}.dag .holds.certified .tint{fill-opacity:.27}
.dag .holds.witness .tint{fill-opacity:.2}.dag .holds.proof .tint{fill-opacity:1}
.dag .violated .tint{fill:var(--violated);fill-opacity:1}.dag .error .tint{fill:var(--error);fill-opacity:1}
.dag .holds.proof text,.dag .violated text,.dag .error text{fill:var(--paper)}
.dag .holds .box{stroke:var(--holds)}.dag .violated .box{stroke:var(--violated);stroke-width:2.6}
.dag .undecided .box{stroke:var(--undecided);stroke-dasharray:5 2.5}
.dag .vacuous .box,.dag .not-applicable .box{stroke:var(--vacuous);stroke-dasharray:1.5 2.5}
.dag .error .box{stroke:var(--error);stroke-width:2.6;stroke-dasharray:7 2 2 2}
.dag a:hover .box,.dag a:focus .box{stroke-width:3;stroke-dasharray:none}
"""
_HEIGHT, _BETWEEN_LAYERS, _BETWEEN_NODES, _MARGIN = 36.0, 44.0, 12.0, 3.0
_BEND_HEIGHT = 4.0
_GLYPH = 7.0
_SWEEPS = 24

# What stands in a layer: a statement by its id, or the place where a long edge (user, used) crosses the layer.
_Item = str | tuple[str, str, int]
_Neighbours = Mapping[_Item, Sequence[_Item]]


@dataclass(frozen=True)
class Node:
    """A statement in the graph: `outcome` and `evidence` as in results.json, `under` the words of its verdict."""

    id: str
    label: str
    under: str
    outcome: str
    evidence: str | None
    anchor: str
    uses: tuple[str, ...]

    @property
    def width(self) -> float:
        """Room for the longer of the two lines, in pixels."""
        return 20 + _GLYPH * max(len(self.label), 0.87 * len(self.under))


def dependency_graph(nodes: Sequence[Node]) -> dict[str, Any] | None:
    """SVG, size in pixels, and the same in words, of the statements that use another or are used; None if none is."""
    known = {node.id: node for node in nodes}
    edges = [
        (node.id, used) for node in nodes for used in dict.fromkeys(node.uses) if used in known and used != node.id
    ]
    if not edges:
        return None
    linked = {end for edge in edges for end in edge}
    nodes = [node for node in nodes if node.id in linked]
    places, routes, right, bottom = _lay_out(nodes, edges)
    width, height = right + _MARGIN, bottom + _MARGIN
    body = [_edge(route) for route in routes] + [_node(node, places[node.id]) for node in nodes]
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" class="dag" {size}>{"".join(body)}</svg>'
    words = "; ".join(f"{known[a].label} uses {known[b].label}" for a, b in edges)
    return {"svg": svg, "width": width, "height": height, "alt": f"Dependency graph: {words}."}


def _lay_out(
    nodes: Sequence[Node], edges: Sequence[tuple[str, str]]
) -> tuple[dict[str, tuple[float, float]], list[list[tuple[float, float]]], float, float]:
    """Corners of the nodes, routes of the edges, and the right and lower end of it all."""
    depth = _depths([node.id for node in nodes], edges)
    last = max(depth.values())
    layers: list[list[_Item]] = [[node.id for node in nodes if last - depth[node.id] == k] for k in range(last + 1)]
    chains: list[list[_Item]] = []
    for user, used in edges:
        crossed = range(last - depth[user] + 1, last - depth[used])
        for k in crossed:
            layers[k].append((user, used, k))
        chains.append([user, *((user, used, k) for k in crossed), used])
    before: dict[_Item, list[_Item]] = {item: [] for layer in layers for item in layer}
    after: dict[_Item, list[_Item]] = {item: [] for layer in layers for item in layer}
    for chain in chains:
        for one, next_one in pairwise(chain):
            after[one].append(next_one)
            before[next_one].append(one)
    layers = _ordered(layers, before, after)
    middle = _heights(layers, before, after)
    sizes = {node.id: node.width for node in nodes}
    columns: list[tuple[float, float]] = []
    left = _MARGIN
    for layer in layers:
        width = max((sizes[item] for item in layer if isinstance(item, str)), default=0.0)
        columns.append((left, left + width))
        left += width + _BETWEEN_LAYERS
    column = {item: columns[k] for k, layer in enumerate(layers) for item in layer}
    places = {node.id: (column[node.id][0], middle[node.id] - _HEIGHT / 2) for node in nodes}
    routes = []
    for chain in chains:
        start, *bends, end = chain
        route = [(column[start][0] + sizes[str(start)], middle[start]), (column[start][1], middle[start])]
        route += [(x, middle[item]) for item in bends for x in column[item]]
        routes.append([*route, (column[end][0], middle[end])])
    lowest = max(middle[item] + _room(item) / 2 for item in middle)
    return places, routes, columns[-1][1], lowest


def _depths(names: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Length of the longest chain of uses below each node; an edge that would close a circle is left out."""
    uses: dict[str, list[str]] = {name: [] for name in names}
    for user, used in edges:
        uses[user].append(used)
    depth: dict[str, int] = {}

    def visit(name: str, above: tuple[str, ...]) -> int:
        if name not in depth:
            below = [visit(used, (*above, name)) for used in uses[name] if used not in above and used != name]
            depth[name] = 1 + max(below, default=-1)
        return depth[name]

    for name in names:
        visit(name, ())
    return depth


def _ordered(layers: list[list[_Item]], before: _Neighbours, after: _Neighbours) -> list[list[_Item]]:
    """Sort each layer by the mean place of its neighbours, to and fro; the order with fewest crossings wins."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, after)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        order = range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1)
        for k in order:
            near, beside = (before, layers[k - 1]) if forward else (after, layers[k + 1])
            place = {item: index for index, item in enumerate(beside)}
            wishes: dict[_Item, float] = {}
            for index, item in enumerate(layers[k]):
                found = [place[other] for other in near[item] if other in place]
                wishes[item] = sum(found) / len(found) if found else float(index)
            layers[k] = sorted(layers[k], key=wishes.__getitem__)
        crossings = _crossings(layers, after)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _crossings(layers: Sequence[Sequence[_Item]], after: _Neighbours) -> int:
    total = 0
    for layer, following in pairwise(layers):
        place = {item: index for index, item in enumerate(following)}
        ends = [(k, place[other]) for k, item in enumerate(layer) for other in after[item] if other in place]
        total += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in combinations(ends, 2))
    return total


def _room(item: _Item) -> float:
    return _HEIGHT if isinstance(item, str) else _BEND_HEIGHT


def _heights(layers: Sequence[Sequence[_Item]], before: _Neighbours, after: _Neighbours) -> dict[_Item, float]:
    """The middle of each item: near the mean of its neighbours, apart from those above and below it."""
    middle: dict[_Item, float] = {}
    for layer in layers:
        top = 0.0
        for item in layer:
            middle[item] = top + _room(item) / 2
            top += _room(item) + _BETWEEN_NODES
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            wishes = []
            for item in layer:
                near = [*before[item], *after[item]]
                wishes.append(sum(middle[other] for other in near) / len(near) if near else middle[item])
            gaps = [0.0] + [(_room(a) + _room(b)) / 2 + _BETWEEN_NODES for a, b in pairwise(layer)]
            for item, height in zip(layer, _apart(wishes, gaps), strict=True):
                middle[item] = height
    highest = min(middle[item] - _room(item) / 2 for item in middle)
    return {item: height - highest + _MARGIN for item, height in middle.items()}


def _apart(wishes: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The values nearest to the wishes (least squares) of which each exceeds the one before by its gap."""
    offsets: list[float] = []
    for gap in gaps:
        offsets.append((offsets[-1] if offsets else 0.0) + gap)
    # Pool adjacent violators: blocks of (sum, count) whose means must not decrease.
    blocks: list[tuple[float, int]] = []
    for wish, offset in zip(wishes, offsets, strict=True):
        blocks.append((wish - offset, 1))
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            (one, first), (other, second) = blocks[-2:]
            blocks[-2:] = [(one + other, first + second)]
    levels = [total / count for total, count in blocks for _ in range(count)]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]


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
    style = f"{node.outcome.replace(' ', '-')} {node.evidence or ''}".strip()
    box = f'x="{x:.1f}" y="{y:.1f}" width="{node.width:.1f}" height="{_HEIGHT}" rx="4"'
    lines = (
        f'<text x="{x + 10:.1f}" y="{y + 15:.1f}">{escape(node.label)}</text>'
        f'<text class="under" x="{x + 10:.1f}" y="{y + 28.5:.1f}">{escape(node.under)}</text>'
    )
    # The paper lies under the tint, so that an edge does not shine through.
    shape = f'<rect {box} class="box"/><rect {box} class="tint"/>{lines}'
    return f"<a href={quoteattr('#' + node.anchor)} class={quoteattr(style)}>{shape}</a>"
