"""The paper's conclusions, each tested on its own numbers and on our runs (notebook 07).

A statement of one arm being better than another is decided by both paired tests of ``evaluation.pairwise``, which must
agree: with the seeds' spread alike in all arms, and by the two arms' own seeds. They are corrected over all pairs of
arms that have runs. No Keras.
"""

import itertools

import numpy as np
import pandas as pd

from fer_utils import evaluation
from fer_utils.audit import checks
from fer_utils.audit.checks import CANNOT_BE_TOLD as CANNOT
from fer_utils.audit.checks import FAILS, HOLDS
from fer_utils.audit.reruns import foreign_features
from fer_utils.audit.time_and_fit import OTHERS, OTHERS_LATER, row_of
from fer_utils.comparison import paper
from fer_utils.comparison.summary import arm_name as _name
from fer_utils.evaluation.paired import LEVEL

_CAVEAT = " The features that our arms transfer are not ImageNet's, so this says nothing of the paper's own arms."

# Statements that say "first beats second", as (statement, place, pairs); with several pairs, all are meant.
_VGG, _RES = paper.ARMS[:3], paper.ARMS[3:]
BETTER = (
    ("VGG16 from scratch is the best of all six arms", "title, abstract", [(_VGG[0], o) for o in (*_VGG[1:], *_RES)]),
    (
        "Transfer learning is the best approach for VGG16",
        "comparison section",
        [(_VGG[1], _VGG[0]), (_VGG[1], _VGG[2])],
    ),
    ("VGG16: training from scratch beats fine-tuning", "abstract", [(_VGG[0], _VGG[2])]),
    ("VGG16: fine-tuning ends below transfer learning", "comparison section", [(_VGG[1], _VGG[2])]),
    ("ResNet50 is best when trained from scratch", "abstract", [(_RES[0], _RES[1]), (_RES[0], _RES[2])]),
    ("ResNet50: fine-tuning does not improve on transfer", "comparison section", [(_RES[1], _RES[2])]),
    ("VGG16 outperforms ResNet50 in all trials", "comparison section", list(zip(_VGG, _RES, strict=True))),
)
# Found on a later reading, so that no id moved.
BETTER_LATER = (
    (
        "Emotion categorization benefited most from fine-tuning",
        "section on the training methods",
        [(arms[2], other) for arms in (_VGG, _RES) for other in arms[:2]],
    ),
)


def statements(finished) -> pd.DataFrame:
    """A row for each of the paper's conclusions.

    finished: runs as of ``comparison.load_runs``; may be empty. Columns: ``on_paper`` and ``paper_verdict`` (what its
    own numbers give), ``ours``, ``p_value`` (Holm-corrected; the largest of the tests that a statement needs; NaN
    where no test is made), ``verdict`` over our runs ("holds", "does not hold", "cannot be told",
    or "not a matter of runs" where the paper's tables or others' work decide) and ``reason``.

    Of several pairs all must hold; one that is significantly the other way round refutes the statement. Raises RunError
    if two runs were tested on different images.
    """
    pairs = evaluation.pairwise(finished)
    foreign = foreign_features(finished)
    rows = [_better(statement, place, wanted, pairs) for statement, place, wanted in BETTER]
    rows += [statement(finished) for statement in OTHERS]
    rows += [_better(statement, place, wanted, pairs) for statement, place, wanted in BETTER_LATER]
    rows += [statement(finished) for statement in OTHERS_LATER]
    for row in rows:
        if foreign & row["arms"]:
            row["reason"] += _CAVEAT
    table = pd.DataFrame(rows).drop(columns="arms")
    table.insert(0, "id", [f"S{number:02d}" for number in range(1, len(table) + 1)])
    return table


def _better(statement, place, wanted, pairs):
    on_paper = [paper_pair(first, second) for first, second in wanted]
    verdicts, texts, p_values, missing = [], [], [], []
    for first, second in wanted:
        row = _oriented(pairs, first, second)
        if row is None:
            missing.append(f"{_name(first)} against {_name(second)}")
            verdicts.append(CANNOT)
            continue
        texts.append(
            f"{_name(first)} minus {_name(second)}: {100 * row['difference']:+.1f} points "
            f"({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
        )
        p_values += [row["p_holm"], row["own_p_holm"]]
        verdicts.append(_decide(row))
    verdict = FAILS if FAILS in verdicts else HOLDS if set(verdicts) == {HOLDS} else CANNOT
    said = {verdict for verdict, _ in on_paper}
    said = next((one for one in (FAILS, checks.SELF_CONTRADICTED, CANNOT) if one in said), HOLDS)
    stated = "; ".join(dict.fromkeys(text for _, text in on_paper)), said
    reason = _reason(verdict, verdicts, missing, wanted, pairs)
    row = row_of(statement, place, *stated, "; ".join(texts), verdict, reason, [arm for pair in wanted for arm in pair])
    return row | {"p_value": np.nanmax(p_values) if p_values else np.nan}


def _decide(row):
    if not row["differ"] or row["own_p_holm"] >= LEVEL:  # NaN where an arm has one seed: then the first alone decides
        return CANNOT
    return HOLDS if row["difference"] > 0 else FAILS


def _oriented(pairs, first, second):
    """The row of a pair as if `first` had come first; None where there is none."""
    for row in pairs.to_dict("records"):
        if (row["first"], row["second"]) == (first, second):
            return row
        if (row["first"], row["second"]) == (second, first):
            return {**row, "difference": -row["difference"], "low": -row["high"], "high": -row["low"]}
    return None


def _reason(verdict, verdicts, missing, wanted, pairs):
    if len(missing) == len(wanted):
        return f"No runs yet of {'; '.join(missing)}."
    own = [row for row in (_oriented(pairs, *pair) for pair in wanted) if row is not None]
    seeds = ", ".join(f"{row['seeds_first']} and {row['seeds_second']}" for row in own)
    of_networks = any(row["speaks_of"] == evaluation.NETWORKS for row in own)
    scope = f"seeds: {seeds}"
    if of_networks:
        scope += "; one each, so of these networks only"
    elif any(1 in (row["seeds_first"], row["seeds_second"]) for row in own):
        scope += "; one alone is taken to vary as the other arms' do"
    goes = "The one comparison goes" if len(wanted) == 1 else f"All {len(wanted)} comparisons go"
    decided = sum(one == verdict for one in verdicts)
    text = {
        HOLDS: f"{goes} this way beyond chance",
        FAILS: f"{decided} of {len(wanted)} comparisons go the other way beyond chance",
        CANNOT: f"{verdicts.count(HOLDS)} of {len(wanted)} comparisons go this way beyond chance, none the other way",
    }[verdict]
    return f"{text} ({scope}){'; no runs of ' + '; '.join(missing) if missing else ''}."


def paper_pair(first, second, n=checks.MERGED_IMAGES):
    """(verdict, text): whether one arm beats another on the paper's own numbers, all that it states for either.

    The curves' prose readings are left out. Unpaired, since the paper keeps no predictions: "cannot be told" where a
    difference lies within 1.96 standard errors of a difference of two shares of ``n`` images.
    """
    ours, others = (_stated(arm) for arm in (first, second))
    differences = [(a - b, 1.96 * _error(a, b, n)) for a, b in itertools.product(ours, others)]
    low, high = min(d for d, _ in differences), max(d for d, _ in differences)
    text = (
        f"{_name(first)} minus {_name(second)}: {low:+.1f}"
        + (f" to {high:+.1f}" if high - low > 0.05 else "")
        + " points"
    )
    if all(d > error for d, error in differences):
        return HOLDS, text
    if all(d < -error for d, error in differences):
        return FAILS, text
    beyond = {np.sign(d) for d, error in differences if abs(d) > error}
    return (checks.SELF_CONTRADICTED if len(beyond) > 1 else CANNOT), text


def _stated(arm):
    rows = paper.reported().query("arm == @arm and quantity == 'validation accuracy'")
    return sorted({row["value"] for row in rows.to_dict("records") if "prose" not in row["note"]})


def _error(a, b, n):
    return 100 * np.sqrt(sum(p / 100 * (1 - p / 100) for p in (a, b)) / n)
