"""Each number of the paper with what arithmetic says of it, what our runs show, and a verdict (notebook 07).

    python -m fer_utils.audit.claims outputs/reference/cpu claims.csv      writes the table, with the runs of a folder

The numbers come from ``paper``, their arithmetic from ``rules``, what our runs show from ``reruns``, a fair reviewer's
sentence from ``readings``. ``statements`` does the same for the paper's conclusions.
"""

import argparse
import sys

import pandas as pd

from fer_utils import comparison, runs
from fer_utils.audit import checks
from fer_utils.audit.readings import reading
from fer_utils.audit.reruns import compare_with_runs
from fer_utils.audit.rules import check_number, epochs_and_size
from fer_utils.command_line import leave_with
from fer_utils.comparison import paper

COLUMNS = [
    "id", "arm", "quantity", "value", "unit", "place", "note",
    "arithmetic", "expected", "arithmetic_verdict", "ours", "ours_value", "rerun_verdict", "verdict", "reason",
]  # fmt: skip


def audit(summary=None, finished=()) -> pd.DataFrame:
    """One row for every number of ``paper.reported()``, in its order; columns: ``COLUMNS``.

    summary: from ``comparison.summarize_arms``, or None for an audit without reruns. finished: the runs behind it, for
    what a summary lacks (losses, confusion matrices, the networks' size).

    ``arithmetic`` says what a check found and ``expected`` is the number that it gives (NaN if none); ``ours`` and
    ``ours_value`` are our runs', empty where the arm has none; ``verdict`` is a key of ``checks.VERDICTS``: of
    the two verdicts the one that comes first there. ``reason`` is one sentence, with a charitable explanation where
    there is one.
    """
    reported = paper.reported()
    rows = []
    for row in reported.to_dict("records"):
        arithmetic = check_number(row, reported)
        rerun = compare_with_runs(row, summary, finished)
        verdicts = [arithmetic.verdict, rerun.verdict]
        verdict = next(name for name in checks.VERDICTS if name in verdicts)
        rows.append(
            {
                **row,
                "arithmetic": arithmetic.text,
                "expected": arithmetic.value,
                "arithmetic_verdict": arithmetic.verdict,
                "ours": rerun.text,
                "ours_value": rerun.value,
                "rerun_verdict": rerun.verdict,
                "verdict": verdict,
                "reason": _reason(row, verdict, arithmetic, rerun),
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def verdict_counts(table) -> pd.Series:
    """How many rows of ``audit`` or ``statements`` have each verdict that occurs, in the order of ``VERDICTS``."""
    counts = table["verdict"].value_counts()
    order = [name for name in checks.VERDICTS if name in counts]
    return counts.reindex(order + [name for name in counts.index if name not in order]).rename("count")


def stated_costs() -> pd.DataFrame:
    """What each time that the paper states comes to, a row a time (1,445 s and 1,445.48 s are one).

    Columns: arm, label, seconds, epochs (the arm's, as planned where no other number is stated), seconds_per_epoch,
    seconds_per_megapixel (28,709 images an epoch, 48 pixels a side from scratch and 224 otherwise).
    """
    reported, rows = paper.reported(), []
    for row in reported[reported["quantity"] == "seconds"].to_dict("records"):
        epochs, size = epochs_and_size(row["arm"], reported)
        rows.append(
            {
                "arm": row["arm"],
                "label": f"{comparison.arm_name(row['arm'])}, {row['value']:,.0f} s",
                "seconds": row["value"],
                "epochs": epochs,
                "seconds_per_epoch": row["value"] / epochs,
                "seconds_per_megapixel": checks.seconds_per_megapixel(row["value"], epochs, size),
            }
        )
    return pd.DataFrame(rows).drop_duplicates("label", ignore_index=True)


def write_claims(path, summary=None, finished=()) -> pd.DataFrame:
    """Write ``audit(summary, finished)`` as a CSV, atomically: the file is the old one or the whole new one.

    path: relative ones count from the project's root. Returns the table.
    """
    table = audit(summary, finished)
    path = runs.resolve(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = table.round({"expected": 4, "ours_value": 4}).to_csv(index=False)
    runs.write_whole(path, lambda stream: stream.write(text.encode("utf-8")))
    return table


def _reason(row, verdict, arithmetic, rerun):
    if verdict in (checks.REPRODUCED, checks.NOT_REPRODUCED):
        return _sentence(f"ours: {rerun.text}")
    return reading(row) or _sentence(arithmetic.text)


def _sentence(text):
    return f"{text[:1].upper()}{text[1:]}." if text and not text.endswith(".") else text


def main(arguments=None):
    """The command line: write the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fer_utils.audit.claims", description=__doc__.splitlines()[0])
    parser.add_argument("output_dir", help="folder that holds the runs, such as outputs/reference/cpu")
    parser.add_argument("path", help="CSV file to write")
    options = parser.parse_args(arguments)
    try:
        finished = comparison.load_runs(options.output_dir)
    except runs.RunError as error:
        print(f"{error}\nThe audit is written without reruns.", file=sys.stderr)
        finished = []
    table = write_claims(options.path, comparison.summarize_arms(finished) if finished else None, finished)
    print(verdict_counts(table).to_string())
    return 0


if __name__ == "__main__":
    leave_with(main)
