"""Sentences about finished runs, computed from their numbers so that they always agree with them."""

import numpy as np

from fer_utils import evaluation, runs
from fer_utils.comparison.summary import (
    TEST_SIZES,
    arm_name,
    hardware,
    interval_text,
    paper_arms,
    percent,
    pretraining_of,
    protocol,
)
from fer_utils.evaluation.paired import LEVEL
from fer_utils.names import ARCHITECTURE_NAMES, STRATEGY_NAMES

VARIED = ("EPOCHS", "BATCH_SIZE", "LEARNING_RATE", "WIDTH", "INPUT_SIZE", "MAX_IMAGES", "PREPROCESSING", "AUGMENTATION")


def protocol_note(finished):
    """Return a paragraph on which of our numbers can be compared with the paper's validation accuracy."""
    size = finished[0].metrics["test"]["n"]
    if protocol(finished) == "paper":
        note = (
            "Protocol paper: validation and test are one and the same merged folder, as in the paper. This folder "
            "steered training. So our number and the paper's both tend to be too high."
        )
    else:
        note = (
            "Protocol official: our validation accuracy is on PublicTest, which steered training. Our test accuracy is "
            "on PrivateTest, opened once. The paper's validation set is both merged, and it steered training. So "
            "compare the paper's number with our validation accuracy, and quote our test accuracy."
        )
    expected = TEST_SIZES[protocol(finished)]
    if size != expected:
        note += (
            f" These runs were tested on {size:,} images, not on FER-2013's {expected:,}: on the built-in sample or on "
            "a part of FER-2013. They show how to compare. Their difference from the paper's numbers means nothing."
        )
    return note


def findings(finished, summary, pretraining, pairs):
    """Return the findings of these runs as a list of sentences.

    finished: list of ``runs.Run``. summary, pretraining: as for ``tables.table5``. pairs: from ``evaluation.pairwise``.
    """
    found = summary[summary["runs"] > 0].sort_values("test_accuracy", ascending=False, kind="stable").to_dict("records")
    best, others = found[0], found[1:]
    lines = [
        f"Highest test accuracy: {arm_name(best['arm'])}, {percent(best['test_accuracy'])} % "
        f"of {best['n']:,.0f} faces (95 % interval {interval_text(best['test_low'], best['test_high'])})."
    ]
    if others:
        lines.append(_best_against_others(best["arm"], pairs))
    theirs = paper_arms()
    for architecture, name in ARCHITECTURE_NAMES.items():
        ours = summary[(summary["architecture"] == architecture) & (summary["runs"] > 0)]
        reported = theirs[theirs["strategy"].isin(ours["strategy"]) & (theirs["architecture"] == architecture)]
        if len(ours) > 1:
            orders = [_order(reported, "validation_accuracy"), _order(ours, "test_accuracy")]
            test = "The table of pairs shows which of them differ significantly."
            lines.append(f"{name}, by test accuracy: {orders[1]} (the paper: {orders[0]}). {test}")
    if others:
        lines.append(_cheapest(found, pretraining, sorted({hardware(run) for run in finished})))
    missing = [arm_name(arm) for arm in summary.loc[summary["runs"] == 0, "arm"]]
    if missing:
        lines.append(f"Missing, because they have no finished run: {_listed(missing)}.")
    return lines


def settings_note(finished):
    """Return a sentence on the settings that differ between runs, or "" if none does."""
    later = [name for name in runs.BEFORE if name != "FREEZE_BATCH_NORM"]  # only fine-tuning has this setting
    differing = []
    for name in (*VARIED, *later):
        values = sorted({run.manifest["parameters"].get(name, runs.BEFORE.get(name)) for run in finished}, key=str)
        if len(values) > 1:
            shown = ", ".join(str(value) or '""' for value in values)
            differing.append(f"{name} ({shown})")
    return f"Mind that these runs differ in more than their strategy: {_listed(differing)}." if differing else ""


def _best_against_others(best, pairs):
    """Return a sentence on the arms from which the best arm differs significantly by the paired tests."""
    own = pairs[(pairs["first"] == best) | (pairs["second"] == best)]
    others = own["first"].where(own["first"] != best, own["second"])
    # Both tests over seeds must agree. The test by the arms' own seeds is missing (NaN) if an arm has a single seed.
    different = own["differ"] & ~(own["own_p_holm"] >= LEVEL)
    close = [arm_name(arm) for arm in others[~different]]
    of_arms = (pairs["speaks_of"] == evaluation.ARMS).all()
    scope = "seeds and faces counted as chance" if of_arms else "these networks only"
    how = f"face by face, {scope}, corrected for {len(pairs)} comparison{'s' if len(pairs) > 1 else ''}"
    if not close:
        subject = "It differs significantly from" if of_arms else "Its network differs significantly from that of"
        return f"{subject} every other arm ({how})."
    if of_arms:
        return f"It is not significantly different from {_listed(close)} ({how})."
    theirs = "that" if len(close) == 1 else "those"
    return f"Its network is not significantly different from {theirs} of {_listed(close)} ({how})."


def _cheapest(found, pretraining, machines):
    """Return a sentence on the cheapest arm. found: rows of ``summarize_arms``, the most accurate first."""
    if len(machines) > 1:  # seconds on several machines cannot be compared
        return f"Which arm is cheapest is unknown, because the runs were made on {' and '.join(machines)}."
    costs = [row["seconds"] + pretraining_of(row, pretraining) for row in found]
    cheap = int(np.argmin(costs))
    line = f"Cheapest, known pretraining included: {arm_name(found[cheap]['arm'])}, {costs[cheap]:,.0f} s. "
    ratio = f"The most accurate arm took {costs[0] / costs[cheap]:.1f} times as long."
    return line + (ratio if cheap else "It is the most accurate arm as well.")


def _order(table, column):
    ordered = table.sort_values(column, ascending=False, kind="stable")["strategy"]
    return ", ".join(STRATEGY_NAMES[strategy] for strategy in ordered)


def _listed(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
