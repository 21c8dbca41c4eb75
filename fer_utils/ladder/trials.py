"""Compare all recipes in a folder of runs with one of them, on PublicTest.

The ladder goes up from the paper's network, one step at a time. This starts at a good recipe and shows every change
that was tried, better or worse. No Keras here.
"""

import numpy as np
import pandas as pd

from fer_utils import evaluation, runs
from fer_utils.evaluation.paired import compare_answers
from fer_utils.ladder import recipes, results

COLUMNS = [
    "recipe", "changes", "seeds", "n", "accuracy", "difference", "low", "high", "p_value", "seconds", "parameters",
]  # fmt: skip


def tried(output_dir, base, views="single"):
    """Compare each recipe with the recipe `base`: DataFrame with COLUMNS and p_holm; `base` first, then by accuracy.

    changes: what differs from `base` in training, in the form of notebook 08's CHANGES. accuracy (0 to 1): on
    PublicTest with these views, mean over seeds. difference to `base`, its interval (low, high) and p_value:
    ``compare_answers``, with chance over seeds as soon as any recipe has two; p_holm: corrected for the number of
    recipes. seconds: of training and of teachers, mean over seeds. Rungs of the ladder are left out, since
    ``results.summarize`` compares them. Raises RunError if `base` has no such run.
    """
    split = recipes.answer_name("validation", views)
    found = {}
    for name, own in results.load(output_dir).items():
        if name in recipes.NAMES and name != base:
            continue
        if usable := results.having(own, split):
            found[name] = usable
    if base not in found:
        there = ", ".join(sorted(found)) or "none"
        lacking = f"holds no run of {base} with predictions for views={views!r}"
        raise runs.RunError(f"{output_dir}: {lacking}. There are: {there}")
    right = {name: results.right_by_seed(own, split) for name, own in found.items()}
    of_seeds = evaluation.pooled_over_seeds(correct.mean(axis=1) for correct in right.values())
    others = sorted((name for name in found if name != base), key=lambda name: -right[name].mean())
    rows = []
    for name in (base, *others):
        own = found[name]
        row = {
            "recipe": name,
            "changes": changes(own[0], found[base][0]),
            "seeds": len(own),
            "n": right[name].shape[1],
            "accuracy": right[name].mean(),
            "seconds": np.mean([run.manifest["seconds"] + results.of_teachers([run]) for run in own]),
            "parameters": own[0].manifest["trainable_parameters"],
        }
        if name != base:
            row |= compare_answers(right[name], right[base], of_seeds)
        rows.append(row)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["p_holm"] = np.nan
    table.loc[1:, "p_holm"] = evaluation.holm(table.loc[1:, "p_value"])
    return table


def changes(run, base):
    """Return how the training of a run differs from that of `base`: "epochs=90 dropout=0.3"; "" if it does not.

    A setting that a run's manifest lacks was added later, and had its default in that run. Not in CHANGES, but told as
    well: TRAIN_WITHOUT and PRECISION.
    """
    ours, theirs = map(_training, (run, base))
    return " ".join(f"{name}={value}" for name, value in ours.items() if value != theirs.get(name) and name != "views")


def _training(run):
    given = runs.BEFORE | run.manifest["parameters"]
    defaults = recipes.as_dict(recipes.Recipe())
    return defaults | run.manifest["settings"] | {name: given[name] for name in ("TRAIN_WITHOUT", "PRECISION")}


def for_reading(table):
    """Return ``tried``'s table with texts and percentages for display."""
    readable = table[["recipe", "changes", "seeds"]].copy()
    readable["PublicTest %"] = (100 * table["accuracy"]).map("{:.1f}".format)
    gaps = (100 * table[["difference", "low", "high"]]).values
    readable["difference"] = [results.said_gap(*gap) for gap in gaps]
    readable["p (Holm)"] = [results.said_p(p) for p in table["p_holm"]]
    readable["parameters"] = table["parameters"].map(results.millions)
    readable["seconds"] = table["seconds"].map("{:,.0f}".format)
    return readable.set_index("recipe")
