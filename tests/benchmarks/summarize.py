"""pytest-benchmark's JSON in, outputs/reference/benchmarks.json and a Markdown table out.

    python tests/benchmarks/summarize.py raw.json outputs/reference/benchmarks.json

Of every benchmark the median seconds, and their ratio to the baseline of its group, measured in the same run.
"""

import json
import sys
from pathlib import Path

from fer_utils import runs


def summarize(raw):
    """Rows: group, name, seconds (median), low, high (quartiles), rounds, times_as_fast (None for a baseline)."""
    rows = []
    groups = {}
    for bench in raw["benchmarks"]:
        groups.setdefault(bench["group"], []).append(bench)
    for group, benches in groups.items():
        baseline = next((bench for bench in benches if "baseline" in bench["name"]), None)
        for bench in benches:
            stats = bench["stats"]
            compared = baseline is not None and bench is not baseline
            row = {"group": group, "name": bench["name"].removeprefix("bench_"), "seconds": stats["median"]}
            row |= {"low": stats["q1"], "high": stats["q3"], "rounds": stats["rounds"]}
            rows.append(row | {"times_as_fast": baseline["stats"]["median"] / stats["median"] if compared else None})
    return rows


def markdown(rows):
    """The rows as a table for the README."""
    lines = ["| what | median | rounds | times as fast as the baseline |", "| --- | --- | --- | --- |"]
    for row in rows:
        times = "" if row["times_as_fast"] is None else f"{row['times_as_fast']:.2f}"
        lines.append(f"| {row['group']}: {row['name']} | {_seconds(row['seconds'])} | {row['rounds']} | {times} |")
    return "\n".join(lines)


def _seconds(value):
    return f"{value:,.1f} s" if value >= 1 else f"{1000 * value:,.1f} ms"


def main(source, destination):
    rows = summarize(json.loads(Path(source).read_text()))
    content = {"command": "make bench", "git_commit": runs.git_commit(), "versions": runs.versions()}
    runs.write_json(destination, content | {"device": runs.device(), "benchmarks": rows})
    print(markdown(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
