"""Draw Snakemake's graph of the study as an SVG, which needs no script. Notebook 01 prints it in Mermaid's language."""

import re
from html import escape

NODE = re.compile(r"^\s*(id\d+)\[(.+?)\]", re.MULTILINE)
ARROW = re.compile(r"^\s*(id\d+)\s*--+>\s*(id\d+)", re.MULTILINE)
WIDTH, HEIGHT, ACROSS, DOWN = 100, 32, 124, 76  # size of a box, and distance to the next, in pixels


def drawing(mermaid):
    """Return a Mermaid flowchart as SVG: each step is below the steps it waits for. Its label has the same in words."""
    names = {key: name.strip('"') for key, name in NODE.findall(mermaid)}
    arrows = _needed(ARROW.findall(mermaid))
    rows = {}
    for key in sorted(names, key=lambda key: _depth(key, arrows)):
        rows.setdefault(_depth(key, arrows), []).append(key)
    centres = {}
    for depth, row in rows.items():
        above = [centres[start][0] for start, end in arrows if end in row and start in centres]
        middle = sum(above) / len(above) if above else len(row) * ACROSS / 2
        for place, key in enumerate(row):
            centres[key] = (middle + (place + 0.5 - len(row) / 2) * ACROSS, depth * DOWN + HEIGHT / 2 + 1)
    sentences = []
    for key in names:
        if waits_for := [names[start] for start, end in arrows if end == key]:
            sentences.append(f"{names[key]} waits for {', '.join(waits_for)}")
    words = "; ".join(sentences)
    left = min(x for x, _ in centres.values())
    right = max(x for x, _ in centres.values())
    size = f"{left - ACROSS / 2:g} 0 {right - left + ACROSS:g} {max(rows) * DOWN + HEIGHT + 2}"
    lines = [_line(centres[start], centres[end]) for start, end in arrows]
    boxes = [_box(*centres[key], names[key]) for key in names]
    return (
        f'<svg class="workflow" role="img" aria-label="The study as a graph: {escape(words)}." viewBox="{size}">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z"/></marker></defs>{"".join(lines + boxes)}</svg>'
    )


def _needed(arrows):
    """Drop the arrows that follow from longer paths: a step that waits for the comparison also waits for its arms."""
    return [
        (start, end)
        for start, end in arrows
        if not any(_leads(middle, end, arrows) for first, middle in arrows if first == start and middle != end)
    ]


def _leads(start, end, arrows):
    """Return whether a path of arrows leads from `start` to `end`."""
    return any(follower == end or _leads(follower, end, arrows) for first, follower in arrows if first == start)


def _depth(key, arrows):
    """Return the number of arrows on the longest path to a step."""
    return max((1 + _depth(start, arrows) for start, end in arrows if end == key), default=0)


def _line(start, end):
    (left, top), (right, bottom) = start, end
    return f'<path d="M{left:g} {top + HEIGHT / 2:g} {right:g} {bottom - HEIGHT / 2 - 1:g}" marker-end="url(#tip)"/>'


def _box(x, y, name):
    corner = f'x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"'
    return f'<rect {corner}/><text x="{x:g}" y="{y + 5:g}">{escape(name)}</text>'
