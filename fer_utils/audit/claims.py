"""Each number of the paper with what arithmetic says of it, what our runs show, and a verdict (notebook 07).

The numbers come from ``paper``, their arithmetic from ``rules``, what our runs show from ``reruns``, a fair reviewer's
sentence from ``readings``. ``statements`` does the same for the paper's conclusions.
"""

import pandas as pd

from fer_utils import comparison
from fer_utils.audit import checks
from fer_utils.audit.readings import reading
from fer_utils.audit.reruns import compare_with_runs
from fer_utils.audit.rules import check_number
from fer_utils.comparison import paper


def audit(finished=()) -> pd.DataFrame:
    """One row for every number of ``paper.reported()``, in its order, with further columns.

    finished: our runs of the arms; none for an audit without reruns.

    ``arithmetic`` says what a check found, ``expected`` is the number that it gives (NaN if none) and
    ``arithmetic_verdict`` what follows; ``ours``, ``ours_value`` and ``rerun_verdict`` are our runs', empty where the
    arm has none; ``verdict`` is a key of ``checks.VERDICTS``: of the two verdicts the one that comes first there.
    ``reason`` is one sentence, with a charitable explanation where there is one.
    """
    summary, rows = comparison.summarize_arms(finished), []
    for row in paper.reported().to_dict("records"):
        arithmetic = check_number(row)
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
    return pd.DataFrame(rows)


def verdict_counts(table) -> pd.Series:
    """How many rows of ``audit`` have each verdict that occurs, in the order of ``VERDICTS``."""
    counts = table["verdict"].value_counts()
    return counts.reindex([name for name in checks.VERDICTS if name in counts])


def stated_costs() -> pd.DataFrame:
    """What each time that the paper states comes to, a row a time (1,445 s and 1,445.48 s are one).

    Columns: arm, label, seconds, epochs (the arm's, as planned where no other number is stated), seconds_per_epoch,
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
    if verdict in (checks.REPRODUCED, checks.NOT_REPRODUCED):
        return _sentence(f"ours: {rerun.text}")
    return reading(row) or _sentence(arithmetic.text)


def _sentence(text):
    return f"{text[:1].upper()}{text[1:]}." if text and not text.endswith(".") else text
