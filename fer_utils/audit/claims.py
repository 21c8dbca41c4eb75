"""Each number of the paper with its arithmetic, what our runs show, and a verdict.

The numbers come from ``paper``, the arithmetic from ``rules``, the comparison with our runs from ``reruns``, and a fair
reviewer's sentence from ``readings``. ``statements`` does the same for the paper's conclusions.
"""

import pandas as pd

from fer_utils import comparison
from fer_utils.audit import checks
from fer_utils.audit.readings import reading
from fer_utils.audit.reruns import compare_with_runs
from fer_utils.audit.rules import check_number
from fer_utils.comparison import paper


def audit(finished=()) -> pd.DataFrame:
    """The table of ``paper.reported()``, one row per number, with further columns.

    finished: our runs of the arms; empty for an audit without reruns.

    ``arithmetic`` is what a check found, ``expected`` the number that it returns (NaN if none), ``arithmetic_verdict``
    its verdict. ``ours``, ``ours_value`` and ``rerun_verdict`` are the same for our runs, empty if the arm has none.
    ``verdict`` is that of the two which comes first in ``checks.VERDICTS``. ``reason`` is our runs' result if the
    verdict is theirs, else the kindest explanation if there is one, else the arithmetic.
    """
    summary = comparison.summarize_arms(finished)
    rows = []
    for row in paper.reported().to_dict("records"):
        arithmetic = check_number(row)
        rerun = compare_with_runs(row, summary, finished)
        verdict = next(name for name in checks.VERDICTS if name in (arithmetic.verdict, rerun.verdict))
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
    return pd.DataFrame(rows)


def verdict_counts(table) -> pd.Series:
    """The number of rows of ``audit`` with each verdict that occurs, in the order of ``VERDICTS``."""
    counts = table["verdict"].value_counts()
    return counts.reindex([name for name in checks.VERDICTS if name in counts])


def stated_costs() -> pd.DataFrame:
    """One row for each time that the paper states, with its cost per epoch (1,445 s and 1,445.48 s are one row).

    Columns: arm, label, seconds, epochs (those planned, if the paper states no other number), seconds_per_epoch,
    seconds_per_megapixel (28,709 images an epoch, 48 pixels a side from scratch and 224 otherwise).
    """
    rows = []
    for row in paper.reported().query("quantity == 'seconds'").to_dict("records"):
        epochs, size = paper.epochs_and_size(row["arm"])
        rows.append(
            {
                "arm": row["arm"],
                "label": f"{comparison.arm_name(row['arm'])}, {row['value']:,.0f} s",
                "seconds": row["value"],
                "epochs": epochs,
                "seconds_per_epoch": row["value"] / epochs,
                "seconds_per_megapixel": comparison.seconds_per_megapixel(row["value"], epochs, size),
            }
        )
    return pd.DataFrame(rows).drop_duplicates("label", ignore_index=True)


def _reason(row, verdict, arithmetic, rerun):
    """One sentence: what our runs show if they decide, else the written reading, else the arithmetic."""
    if verdict in (checks.REPRODUCED, checks.NOT_REPRODUCED):
        text = f"ours: {rerun.text}"
    else:
        text = reading(row) or arithmetic.text
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."
