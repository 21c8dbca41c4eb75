"""A picture of the workflow, made from the graph that Snakemake prints; Graphviz is not needed.

As in ``plotting``, nothing here shows, saves, or changes rcParams.
"""

from __future__ import annotations

import itertools
import re

from matplotlib import pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

# After Okabe and Ito, lightened so that black text stays readable on them.
COLOURS = ("#8FD1BC", "#F2C46D", "#8EC6E6", "#DDB4CC", "#D9D9D9", "#F5EE9E", "#F0A58A", "#B9D68B")


def parse_dot(text) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Read the graph that ``snakemake --dag dot`` or ``snakemake --rulegraph dot`` prints.

    Returns (nodes, edges): nodes is a dict id -> label, edges a list of (from id, to id), both in the text's order.
    Raises ValueError if there is no graph. One statement a line, as Snakemake writes; this is no full DOT parser.
    """
    start = text.find("digraph")
    if start < 0:
        raise ValueError('no "digraph" in the text: pass what `snakemake --dag dot` prints')
    identifier = r'("[^"]+"|[\w.-]+?)'
    nodes, edges = {}, []
    for line in text[start:].splitlines():
        if found := re.match(rf"\s*{identifier}\s*->\s*{identifier}\s*(?:\[.*)?;?\s*$", line):
            edges.append((found[1].strip('"'), found[2].strip('"')))
        elif found := re.match(rf'\s*{identifier}\s*\[.*?\blabel\s*=\s*"((?:[^"\\]|\\.)*)"', line):
            nodes[found[1].strip('"')] = found[2].replace("\\n", "\n").replace('\\"', '"')
    for node in itertools.chain.from_iterable(edges):
        nodes.setdefault(node, node)
    if not nodes:
        raise ValueError("the graph is empty: no node and no edge was found")
    return nodes, edges


def workflow(edges, labels=None, ax=None, title=None):
    """A directed graph without cycles, drawn in columns from left to right (the paper's Fig. 8).

    edges: pairs (from, to). labels: dict node -> text, for instance the nodes of ``parse_dot``; its nodes without an
    edge are drawn too, and a node without a label is written as it is. Underscores become blanks. An edge that a longer
    way implies is left out (the final target needs no arrow from each arm when one comes from their comparison). Boxes
    whose texts begin with the same line, the jobs of one rule, share a colour. Returns the Axes. Raises ValueError for
    an empty graph or a cycle.
    """
    labels = dict(labels or {})
    edges = list(dict.fromkeys((source, target) for source, target in edges))
    nodes = list(dict.fromkeys([*labels, *itertools.chain.from_iterable(edges)]))
    if not nodes:
        raise ValueError("the graph has no node")
    texts = {node: str(labels.get(node, node)).replace("_", " ") for node in nodes}
    column_of = _columns(nodes, edges)
    edges = _without_shortcuts(nodes, edges)
    columns, chains = _ordered_columns(column_of, edges)
    line_count = max(text.count("\n") + 1 for text in texts.values())
    box_width = 0.3 + 0.075 * max(len(line) for text in texts.values() for line in text.split("\n"))
    box_height = 0.2 + 0.17 * line_count
    pitch = (box_width + 0.75, box_height + 0.22)
    place = {
        node: (column * pitch[0], (len(row) - 1) / 2 * pitch[1] - index * pitch[1])
        for column, row in enumerate(columns)
        for index, node in enumerate(row)
    }
    size = (len(columns) * pitch[0] - 0.5, max(map(len, columns)) * pitch[1] + 0.3)
    font = 9.0
    if ax is None:
        ax = plt.subplots(figsize=(size[0], size[1] + (0.35 if title else 0)), layout="constrained")[1]
    else:
        font *= min(1.0, ax.get_window_extent().width / ax.figure.dpi / size[0])
    ax.set(xlim=(-box_width / 2 - 0.1, size[0] - box_width / 2), ylim=(-size[1] / 2, size[1] / 2), aspect="equal")
    for chain in chains:
        _draw_edge(ax, [place[node] for node in chain], box_width)
    heads = list(dict.fromkeys(text.split("\n")[0] for text in texts.values()))
    for node, text in texts.items():
        colour = COLOURS[heads.index(text.split("\n")[0]) % len(COLOURS)]
        _draw_box(ax, place[node], box_width, box_height, colour)
        ax.text(*place[node], text, ha="center", va="center", fontsize=font, linespacing=1.2)
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    return ax


def _columns(nodes, edges) -> dict:
    """node -> column, as far right as what it leads to allows: the arms then stand side by side before they meet."""
    followers = {node: [target for source, target in edges if source == node] for node in nodes}
    depth: dict = {}
    open_nodes: set = set()

    def distance(node):
        if node in open_nodes:
            raise ValueError(f"the graph has a cycle through {node!r}")
        if node not in depth:
            open_nodes.add(node)
            depth[node] = 1 + max((distance(target) for target in followers[node]), default=-1)
            open_nodes.discard(node)
        return depth[node]

    last = max(distance(node) for node in nodes)
    return {node: last - depth[node] for node in nodes}


def _without_shortcuts(nodes, edges) -> list:
    """The edges that no longer way implies (the transitive reduction)."""
    followers = {node: {target for source, target in edges if source == node} for node in nodes}
    beyond: dict = {}

    def reached(node):  # everything at least one step behind node
        if node not in beyond:
            beyond[node] = followers[node].union(*(reached(target) for target in followers[node]))
        return beyond[node]

    return [
        (source, target)
        for source, target in edges
        if not any(target in reached(other) for other in followers[source] - {target})
    ]


def _ordered_columns(column_of, edges) -> tuple[list[list], list[list]]:
    """Columns of nodes ordered so that few edges cross, and each edge as the chain of places that it runs through.

    An edge over several columns gets a place of its own in each of them (a node that is not drawn), so that it runs
    between boxes and not across them. Each column is then sorted by the mean place of its neighbours, to and fro
    (Sugiyama et al. 1981, doi:10.1109/TSMC.1981.4308636).
    """
    columns: list[list] = [[] for _ in range(max(column_of.values()) + 1)]
    for node, column in column_of.items():
        columns[column].append(node)
    chains = []
    for source, target in edges:
        between = [("edge", source, target, column) for column in range(column_of[source] + 1, column_of[target])]
        for place in between:
            columns[place[3]].append(place)
        chains.append([source, *between, target])
    links = [pair for chain in chains for pair in itertools.pairwise(chain)]
    neighbours = {
        1: {node: [a for a, b in links if b == node] for row in columns for node in row},
        -1: {node: [b for a, b in links if a == node] for row in columns for node in row},
    }
    for direction in (1, -1, 1, -1):
        order = range(1, len(columns)) if direction == 1 else range(len(columns) - 2, -1, -1)
        for column in order:
            before = columns[column - direction]
            # Measured from the middle, since columns differ in length and are drawn centred.
            rank = {node: index - (len(before) - 1) / 2 for index, node in enumerate(before)}
            row = columns[column]
            own = {node: index - (len(row) - 1) / 2 for index, node in enumerate(row)}
            row.sort(key=lambda node: _mean([rank[n] for n in neighbours[direction][node]], own[node]))
    return columns, chains


def _mean(values, otherwise):
    return sum(values) / len(values) if values else otherwise


def _draw_box(ax, centre, width, height, colour):
    pad = 0.05
    corner = (centre[0] - width / 2 + pad, centre[1] - height / 2 + pad)
    box = FancyBboxPatch(corner, width - 2 * pad, height - 2 * pad, boxstyle=f"round,pad={pad}")
    box.set(facecolor=colour, edgecolor="0.3", linewidth=0.8)
    ax.add_patch(box)


def _draw_edge(ax, points, box_width):
    """A smooth line through ``points``, from the right of the first box to the left of the last, with an arrow head."""
    stops = [(points[0][0] + box_width / 2, points[0][1])]
    for x, y in points[1:-1]:
        stops += [(x - box_width / 2, y), (x + box_width / 2, y)]
    stops.append((points[-1][0] - box_width / 2, points[-1][1]))
    vertices, codes = [stops[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in itertools.pairwise(stops):
        middle = (x0 + x1) / 2
        vertices += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Path.CURVE4] * 3
    arrow = {"arrowstyle": "-|>", "mutation_scale": 11, "color": "0.45", "linewidth": 1.1}
    ax.add_patch(FancyArrowPatch(path=Path(vertices, codes), **arrow, shrinkA=0, shrinkB=0))
