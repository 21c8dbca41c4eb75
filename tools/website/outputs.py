"""Prepare a notebook's outputs for a page: drop TensorFlow's log, draw graphs, put long tables in a scrolling box."""

import re

from website import workflow_graph

# TensorFlow writes these lines to stderr at its import, whatever its log level is.
LOG = re.compile(
    r"WARNING: All log messages before absl|[IW]\d{4} \d\d:\d\d:|[IW]0000 |To enable the following instructions"
)
LONG = 20  # rows


def tidy(outputs):
    """Return the outputs of a cell that a page shows. Our own warnings stay, since they are about the data."""
    kept = []
    for output in outputs:
        if output["output_type"] == "stream":
            lines = output["text"].splitlines(keepends=True)
            output["text"] = "".join(line for line in lines if not LOG.match(line))
        if output["output_type"] != "stream" or output["text"].strip():
            kept.append(_shown(output))
    return kept


def _shown(output):
    data = output.get("data", {})
    if data.get("text/markdown", "").startswith("```mermaid"):  # which only JupyterLab draws, with a script
        output["data"] = {"text/html": workflow_graph.drawing(data["text/markdown"])}
    elif data.get("text/html", "").count("<tr") > LONG:
        # tabindex lets the keyboard scroll the box, too.
        box = '<div class="long-table" tabindex="0" role="group" aria-label="A long table, which scrolls">'
        data["text/html"] = f"{box}{data['text/html']}</div>"
    return output
