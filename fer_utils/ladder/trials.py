"""What each change to one recipe did: all others of a folder of runs, held against it on PublicTest (notebook 08).

The ladder goes up from the paper's network, a step at a time; this goes from a good recipe to each that was tried
beside it, whether it was better or worse. No Keras.
"""

import numpy as np
import pandas as pd

from fer_utils import evaluation
from fer_utils.evaluation.paired import compare_answers
from fer_utils.ladder import recipes, results
from fer_utils.runs.folder import RunError

COLUMNS = [
    "recipe", "changes", "seeds", "n", "accuracy", "difference", "low", "high", "p_value", "seconds", "parameters",
]  # fmt: skip


def tried(output_dir, base, views="single"):
    """A row for the recipe `base` and one for each other that answers in these views: DataFrame with COLUMNS and
    p_holm, the most accurate first after `base`.

    changes: the settings in which a recipe differs from `base`, as notebook 08's CHANGES takes them. accuracy (0 to 1):
    of PublicTest, mean over seeds. difference to `base`, its interval (low, high) and p_value: ``compare_answers``,
    with the seeds as chance as soon as any recipe has two; p_holm: corrected for the number of recipes. seconds: of
    training and of teachers, mean over seeds. Rungs of the ladder are left out: they have a table of their own
    (``results.summarize``). Raises RunError where `base` has no such run.
    """
    answers = recipes.answer_name("validation", views)
    found = {
        name: asked
        for name, own in results.load(output_dir).items()
        if (name == base or name not in recipes.NAMES) and (asked := results.having(own, answers))
    }
    if base not in found:
        there = ", ".join(sorted(found)) or "none"
        raise RunError(f"{output_dir}: holds no run of {base} that answers in views={views!r}. There are: {there}")
    right = {name: results.right_by_seed(own, answers) for name, own in found.items()}
    of_seeds = evaluation.pooled_over_seeds(correct.mean(axis=1) for correct in right.values())
    others = sorted((name for name in found if name != base), key=lambda name: -right[name].mean())
    rows = []
    for name in (base, *others):
        row = _row(name, found[name], right[name], found[base][0])
        if name != base:
            row |= compare_answers(right[name], right[base], of_seeds)
        rows.append(row)
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["p_holm"] = np.nan
    table.loc[1:, "p_holm"] = evaluation.holm(table.loc[1:, "p_value"])
    return table


def _row(name, own, right, base):
    return {
        "recipe": name,
        "changes": changes(own[0], base),
        "seeds": len(own),
        "n": right.shape[1],
        "accuracy": right.mean(),
        "seconds": np.mean([run.manifest["seconds"] + results.of_teachers([run]) for run in own]),
        "parameters": own[0].manifest["trainable_parameters"],
    }


def changes(run, base):
    """In what a run's training differs from that of `base`: "epochs=90 dropout=0.3"; "" where in nothing.

    A setting that a run's manifest has not, since it came later, had its default in that run.
    """
    ours, theirs = (recipes.as_dict(recipes.Recipe()) | each.manifest["settings"] for each in (run, base))
    words = [f"{name}={value}" for name, value in ours.items() if value != theirs.get(name) and name != "views"]
    left_out = run.manifest["parameters"].get("TRAIN_WITHOUT", "none")
    return " ".join(words + [f"TRAIN_WITHOUT={left_out}"] * (left_out != "none"))


def for_reading(table):
    """``tried``'s table in words and percent, to be looked at."""
    said = table[["recipe", "changes", "seeds"]].copy()
    said["PublicTest %"] = (100 * table["accuracy"]).map("{:.1f}".format)
    gaps = (100 * table[["difference", "low", "high"]]).values
    said["difference"] = [results.said_gap(*gap) for gap in gaps]
    said["p (Holm)"] = [results.said_p(p) for p in table["p_holm"]]
    said["parameters"] = table["parameters"].map(results.millions)
    said["seconds"] = table["seconds"].map("{:,.0f}".format)
    return said.set_index("recipe")
