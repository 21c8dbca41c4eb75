"""Snakemake's graph of the study (notebook 01 asks for it, in Mermaid's language) as a drawing that needs no script."""

import re
from html import escape

NODE = re.compile(r"^\s*(id\d+)\[(.+?)\]", re.MULTILINE)
ARROW = re.compile(r"^\s*(id\d+)\s*--+>\s*(id\d+)", re.MULTILINE)
WIDTH, HEIGHT, ACROSS, DOWN = 100, 32, 124, 76  # a box, and from one to the next, in pixels


def drawing(mermaid):
    """Mermaid's flowchart as an SVG: each step below all that it waits for; its label says the same in words."""
    names = {key: name.strip('"') for key, name in NODE.findall(mermaid)}
    arrows = ARROW.findall(mermaid)
    rows = {}
    for key in names:
        rows.setdefault(_depth(key, arrows), []).append(key)
    widest = max(map(len, rows.values()))
    centres = {
        key: ((place + 0.5 + (widest - len(row)) / 2) * ACROSS, depth * DOWN + HEIGHT / 2 + 1)
        for depth, row in rows.items()
        for place, key in enumerate(row)
    }
    words = "; ".join(
        f"{names[key]} waits for {', '.join(names[start] for start, end in arrows if end == key)}"
        for key in names
        if any(end == key for _, end in arrows)
    )
    size = f"{widest * ACROSS} {(max(rows)) * DOWN + HEIGHT + 2}"
    lines = [_line(centres[start], centres[end]) for start, end in arrows]
    boxes = [_box(*centres[key], names[key]) for key in names]
    return (
        f'<svg class="workflow" role="img" aria-label="The study as a graph: {escape(words)}." viewBox="0 0 {size}">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z"/></marker></defs>{"".join(lines + boxes)}</svg>'
    )


def _depth(key, arrows):
    """The longest way to a step."""
    return max((1 + _depth(start, arrows) for start, end in arrows if end == key), default=0)


def _line(start, end):
    (left, top), (right, bottom) = start, end
    return f'<path d="M{left:g} {top + HEIGHT / 2:g} {right:g} {bottom - HEIGHT / 2 - 1:g}" marker-end="url(#tip)"/>'


def _box(x, y, name):
    corner = f'x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"'
    return f'<rect {corner}/><text x="{x:g}" y="{y + 5:g}">{escape(name)}</text>'
