"""pytest-benchmark's JSON in, outputs/reference/benchmarks.json and a Markdown table out.

    python tests/benchmarks/summarize.py raw.json outputs/reference/benchmarks.json ["the command, if not make bench"]

Of every benchmark the median seconds, and their ratio to the baseline of its group, measured in the same run. One that
timed its baseline before each of its own rounds (``extra_info``: baseline, its name; baseline_seconds, one a round)
gets the median of the rounds' ratios, with their quartiles.
"""

import json
import statistics
import sys
from pathlib import Path

from fer_utils import runs


def summarize(raw):
    """Rows: group, name, seconds (median), low, high (quartiles), rounds, times_as_fast (None for a baseline).

    Where rounds are paired also times_low and times_high, the quartiles of times_as_fast.
    """
    rows = []
    groups = {}
    for bench in raw["benchmarks"]:
        groups.setdefault(bench["group"], []).append(bench)
    for group, benches in groups.items():
        baseline = next((bench for bench in benches if "baseline" in bench["name"]), None)
        for bench in benches:
            stats = bench["stats"]
            name = bench["name"].removeprefix("bench_")
            row = _row(group, name, [stats[key] for key in ("q1", "median", "q3")], stats["rounds"])
            if "baseline_seconds" in bench.get("extra_info", {}):
                rows += _paired(row, stats["data"], bench["extra_info"])
            elif baseline is None or bench is baseline:
                rows.append(row)
            else:
                rows.append(row | {"times_as_fast": baseline["stats"]["median"] / stats["median"]})
    return rows


def _row(group, name, quartiles, rounds):
    low, median, high = quartiles
    times = {"seconds": median, "low": low, "high": high, "rounds": rounds}
    return {"group": group, "name": name, **times, "times_as_fast": None}


def _paired(row, seconds, beside):
    """The row of a benchmark whose baseline was timed before each round, and that of the baseline."""
    before = beside["baseline_seconds"]
    ratios = [baseline / own for baseline, own in zip(before, seconds, strict=True)]
    low, median, high = _quartiles(ratios)
    return [
        row | {"times_as_fast": median, "times_low": low, "times_high": high},
        _row(row["group"], beside["baseline"], _quartiles(before), len(before)),
    ]


def _quartiles(values):
    return statistics.quantiles(values, n=4, method="inclusive")


def markdown(rows):
    """The rows as a table for the README."""
    lines = ["| what | median | rounds | times as fast as the baseline |", "| --- | --- | --- | --- |"]
    for row in rows:
        times = "" if row["times_as_fast"] is None else f"{row['times_as_fast']:.2f}"
        if "times_low" in row:
            times += f" ({row['times_low']:.2f} to {row['times_high']:.2f})"
        lines.append(f"| {row['group']}: {row['name']} | {_seconds(row['seconds'])} | {row['rounds']} | {times} |")
    return "\n".join(lines)


def _seconds(value):
    return f"{value:,.1f} s" if value >= 1 else f"{1000 * value:,.1f} ms"


def main(source, destination, command="make bench"):
    rows = summarize(json.loads(Path(source).read_text()))
    content = {"command": command, "git_commit": runs.git_commit(), "versions": runs.versions()}
    runs.write_json(destination, content | {"device": runs.device(), "benchmarks": rows})
    print(markdown(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
