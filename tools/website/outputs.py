"""Outputs as a page shows them: without TensorFlow's log, graphs as drawings, long tables in a box that scrolls."""

import re

from website import workflow_graph

# What TensorFlow writes to stderr when it is imported, whatever the level that it was told.
LOG = re.compile(
    r"WARNING: All log messages before absl|[IW]\d{4} \d\d:\d\d:|[IW]0000 |To enable the following instructions"
)
LONG = 20  # rows


def tidy(outputs):
    """The outputs of a cell that a page shows. Warnings of our own stay: they say something about the data."""
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
    if data.get("text/markdown", "").startswith("```mermaid"):  # JupyterLab draws it with a script
        output["data"] = {"text/html": workflow_graph.drawing(data["text/markdown"])}
    elif data.get("text/html", "").count("<tr") > LONG:
        # A keyboard reaches it, too.
        box = '<div class="long-table" tabindex="0" role="group" aria-label="A long table, which scrolls">'
        data["text/html"] = f"{box}{data['text/html']}</div>"
    return output
