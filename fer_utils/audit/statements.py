"""The paper's conclusions, each tested on its own numbers and on our runs.

A statement that one arm is better than another needs two paired tests of ``evaluation.pairwise`` to agree. One assumes
the same spread over seeds in all arms, the other uses the two arms' own seeds. Both are corrected for the number of
pairs of arms that have runs.
"""

import itertools

import numpy as np
import pandas as pd

from fer_utils import evaluation
from fer_utils.audit import checks
from fer_utils.audit.checks import CANNOT_BE_TOLD as CANNOT
from fer_utils.audit.checks import FAILS, HOLDS
from fer_utils.audit.reruns import foreign_features
from fer_utils.audit.time_and_fit import OTHERS, OTHERS_LATER, decide_together, row_of
from fer_utils.comparison import paper
from fer_utils.comparison.summary import arm_name as _name
from fer_utils.evaluation.paired import LEVEL

_CAVEAT = " The features that our arms transfer are not ImageNet's, so this says nothing of the paper's own arms."

# Statements that the first arm of each pair is better than the second: (statement, place, pairs). All pairs are meant.
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
# Found on a later reading. They come last, so that no id changes.
BETTER_LATER = (
    (
        "Emotion categorization benefited most from fine-tuning",
        "section on the training methods",
        [(arms[2], other) for arms in (_VGG, _RES) for other in arms[:2]],
    ),
)


def statements(finished) -> pd.DataFrame:
    """A table with one row for each of the paper's conclusions.

    finished: runs from ``comparison.load_runs``; may be empty. Columns: id, statement, place; ``on_paper`` and
    ``paper_verdict`` (what the paper's own numbers show); ``ours``; ``p_value`` (Holm-corrected, the largest of the
    tests that a statement needs, NaN without a test); ``verdict`` on our runs ("holds", "does not hold", "cannot be
    told", or "not a matter of runs" if the paper's tables or others' work decide); ``reason``.

    All pairs of a statement must hold. One pair that is significantly the other way round refutes it. Raises RunError
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
    found, texts, missing = [], [], []
    for first, second in wanted:
        row = _oriented(pairs, first, second)
        if row is None:
            missing.append(f"{_name(first)} against {_name(second)}")
            continue
        found.append(row)
        texts.append(
            f"{_name(first)} minus {_name(second)}: {100 * row['difference']:+.1f} points "
            f"({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
        )
    verdicts = [_decide(row) for row in found] + [CANNOT] * len(missing)
    verdict = decide_together(verdicts)
    stated = [word for word, _ in on_paper]
    paper_verdict = next(word for word in (FAILS, checks.SELF_CONTRADICTED, CANNOT, HOLDS) if word in stated)
    paper_text = "; ".join(text for _, text in on_paper)
    reason = _reason(verdict, verdicts, found, missing)
    arms = [arm for pair in wanted for arm in pair]
    p_values = [row[name] for row in found for name in ("p_holm", "own_p_holm")]
    p_value = np.nanmax(p_values) if found else np.nan
    return row_of(statement, place, paper_text, paper_verdict, "; ".join(texts), verdict, reason, arms, p_value)


def _decide(row):
    # own_p_holm is NaN, and so never too large, if an arm has one seed: then the first test decides alone.
    if not row["differ"] or row["own_p_holm"] >= LEVEL:
        return CANNOT
    return HOLDS if row["difference"] > 0 else FAILS


def _oriented(pairs, first, second):
    """The row of ``evaluation.pairwise`` for a pair, as the difference `first` minus `second`; None without runs."""
    for row in pairs.to_dict("records"):
        if (row["first"], row["second"]) == (first, second):
            return row
        if (row["first"], row["second"]) == (second, first):
            turned = {"difference": -row["difference"], "low": -row["high"], "high": -row["low"]}
            return row | turned | {"seeds_first": row["seeds_second"], "seeds_second": row["seeds_first"]}
    return None


def _reason(verdict, verdicts, found, missing):
    """One sentence on how many pairs decide. found: rows of the pairs that have runs; missing: names of the others."""
    if not found:
        return f"No runs yet of {'; '.join(missing)}."
    scope = "seeds: " + ", ".join(f"{row['seeds_first']} and {row['seeds_second']}" for row in found)
    if any(row["speaks_of"] == evaluation.NETWORKS for row in found):
        scope += "; one each, so of these networks only"
    elif any(1 in (row["seeds_first"], row["seeds_second"]) for row in found):
        scope += "; one alone is taken to vary as the other arms' do"
    n = len(verdicts)
    if verdict == HOLDS:
        goes = "The one comparison goes" if n == 1 else f"All {n} comparisons go"
        text = f"{goes} this way beyond chance"
    elif verdict == FAILS:
        text = f"{verdicts.count(FAILS)} of {n} comparisons go the other way beyond chance"
    else:
        text = f"{verdicts.count(HOLDS)} of {n} comparisons go this way beyond chance, none the other way"
    return f"{text} ({scope}){'; no runs of ' + '; '.join(missing) if missing else ''}."


def paper_pair(first, second):
    """(verdict, text): whether one arm beats another on all accuracies that the paper states for either.

    Values that its text reads off a curve are left out. The comparison is unpaired, since the paper publishes no
    predictions. "Cannot be told" if a difference is within 1.96 standard errors for shares of the 7,178 merged images.
    """
    pairs = itertools.product(_stated(first), _stated(second))
    found = [(one - other, 1.96 * _standard_error(one, other)) for one, other in pairs]
    differences = [difference for difference, _ in found]
    low, high = min(differences), max(differences)
    span = f"{low:+.1f} to {high:+.1f}" if high - low > 0.05 else f"{low:+.1f}"
    text = f"{_name(first)} minus {_name(second)}: {span} points"
    above = sum(difference > margin for difference, margin in found)
    below = sum(difference < -margin for difference, margin in found)
    if above == len(found):
        return HOLDS, text
    if below == len(found):
        return FAILS, text
    return (checks.SELF_CONTRADICTED if above and below else CANNOT), text


def _stated(arm):
    rows = paper.reported().query("arm == @arm and quantity == 'validation accuracy'")
    return sorted({row["value"] for row in rows.to_dict("records") if "prose" not in row["note"]})


def _standard_error(*percents):
    """Standard error, in points, of the difference of two accuracies on the merged images."""
    return 100 * np.sqrt(sum(p / 100 * (1 - p / 100) for p in percents) / checks.MERGED_IMAGES)
