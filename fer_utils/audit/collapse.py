"""Why the paper's fine-tuned ResNet50 predicts "happy" for every face: one change at a time.

The possible causes are the preprocessing (pixels / 255, which the backbone was not trained with), batch norm, the
learning rate, and a head of 64 and 32 units with half of them dropped. ``VARIANTS`` changes one of them at a time: in
the paper's setting, and back again in a repaired one. Each is a run of notebook 05 in ``OUTPUT_DIR/collapse/<name>/``.

    python -m fer_utils.audit.collapse OUTPUT_DIR DATA [NAME=VALUE ...]      prints the papermill commands, one a line
"""

import argparse
import shlex
import sys
from typing import NamedTuple

import numpy as np
import pandas as pd

from fer_utils import runs
from fer_utils.audit import checks
from fer_utils.command_line import leave_with
from fer_utils.names import EMOTIONS
from fer_utils.runs.papermill import command

NOTEBOOK, PRETRAINING = "05_fine_tuning", "02_pretrain_backbone"
FOLDER = "collapse"
COLLAPSED = 0.95  # share of the most frequent prediction from which on a run counts as collapsed
COLUMNS = [
    "variant", "change", "seed", "n", "accuracy", "majority", "majority_share", "answer_entropy", "log_loss",
    "prior_entropy", "collapsed", "seconds",
]  # fmt: skip


class Variant(NamedTuple):
    """name: its folder. change: what differs, in words. parameters: of notebook 05, on top of ``PAPER_SETTING``."""

    name: str
    change: str
    parameters: dict


_PAPER_RATES = {"LEARNING_RATE": 1e-4, "FINE_TUNING_RATE": 1e-4}
# What the paper states for this arm (section 'ResNet50 with Fine-Tuning'). Size, width and epochs are this study's.
PAPER_SETTING = {
    "ARCHITECTURE": "resnet50",
    "PREPROCESSING": "rescale",
    "AUGMENTATION": "paper",
    **_PAPER_RATES,
    "FREEZE_BATCH_NORM": True,
    "HEAD_UNITS": "",
    "DROPOUT": 0.5,
}
_REPAIRED = {"PREPROCESSING": "imagenet", "LEARNING_RATE": 1e-3, "FINE_TUNING_RATE": 3e-4, "HEAD_UNITS": "256"}
VARIANTS = (
    Variant("paper", "the paper's setting", {}),
    Variant(
        "imagenet-preprocessing",
        "+ the preprocessing that the backbone was trained with",
        {"PREPROCESSING": "imagenet"},
    ),
    Variant("batch-norm-free", "+ batch norm follows the faces", {"FREEZE_BATCH_NORM": False}),
    Variant("higher-rate", "+ ten times the learning rate", {"LEARNING_RATE": 1e-3, "FINE_TUNING_RATE": 1e-3}),
    Variant("lower-rate", "+ a tenth of the learning rate", {"LEARNING_RATE": 1e-5, "FINE_TUNING_RATE": 1e-5}),
    Variant("wider-head", "+ a head of 512 and 128 units", {"HEAD_UNITS": "512 128"}),
    Variant("no-dropout", "+ no dropout", {"DROPOUT": 0.0}),
    Variant("repaired", "preprocessing, rates and head changed", _REPAIRED),
    Variant("repaired-rescale", "repaired, but pixels / 255 again", {**_REPAIRED, "PREPROCESSING": "rescale"}),
    Variant("repaired-rate", "repaired, but the paper's rate again", {**_REPAIRED, **_PAPER_RATES}),
    Variant("repaired-head", "repaired, but the paper's head again", {**_REPAIRED, "HEAD_UNITS": ""}),
)
FIXED = {"DATA", "OUTPUT_DIR", "ARCHITECTURE"}.union(*(variant.parameters for variant in VARIANTS))


# --- what to run -----------------------------------------------------------------------------------------------------


def commands(output_dir, data="", weights="", source="", pretrain_epochs=0, **given) -> dict[str, str]:
    """Run's name -> papermill command, in the order in which to run them. Each writes below output_dir/collapse.

    weights: WEIGHTS of a backbone that was trained with the *imagenet* preprocessing; with another backbone, the
    preprocessing cannot be the cause. Either "imagenet", or "" for one that notebook 02 makes first, with SOURCE
    `source` and EPOCHS `pretrain_epochs` (its defaults for "" and 0). given: parameters for all variants. Raises
    RunError for one that the variants set themselves.
    """
    if fixed := sorted(FIXED.intersection(given)):
        raise runs.RunError(f"{', '.join(fixed)}: each variant has its own value. Leave it out")
    folder = f"{output_dir}/{FOLDER}"
    by_name = {}
    if not weights:
        weights = f"{folder}/resnet50-pretrain/backbone.weights.h5"
        chosen = {key: given[key] for key in ("WIDTH", "SEED") if key in given}
        chosen |= {"ARCHITECTURE": "resnet50", "PREPROCESSING": "imagenet", "OUTPUT_DIR": folder}
        if source:
            chosen["SOURCE"] = source
        if pretrain_epochs:
            chosen["EPOCHS"] = pretrain_epochs
        by_name["resnet50-pretrain"] = command(PRETRAINING, chosen, f"{folder}/pretrain.ipynb")
    for variant in VARIANTS:
        own = {"DATA": data, "OUTPUT_DIR": f"{folder}/{variant.name}", "WEIGHTS": weights}
        chosen = {**PAPER_SETTING, **given, **variant.parameters, **own}
        by_name[variant.name] = command(NOTEBOOK, chosen, f"{folder}/{variant.name}.ipynb")
    return by_name


# --- what came of it -------------------------------------------------------------------------------------------------


def summarize_collapse(output_dir) -> tuple[pd.DataFrame, list[str]]:
    """A table with ``COLUMNS``, one row per finished run of a variant, and a sentence on each unusable folder.

    A run is unusable, too, if it differs from the first one in anything that no variant changes, such as its epochs.
    All measures are of the validation split, as in the paper. accuracy: 0 to 1. majority: the emotion that is predicted
    most often, and majority_share its share (0 to 1). answer_entropy: of the predictions' shares, in nats (0: always
    the same). log_loss: to compare with prior_entropy, the loss of predicting the split's class shares for every face.
    """
    rows, notes, first = [], [], None
    for variant in VARIANTS:
        own = []
        for metrics in sorted((runs.resolve(output_dir) / FOLDER / variant.name).glob("*-finetune-seed*/metrics.json")):
            try:
                run = runs.read_run(metrics.parent)
                row = {"variant": variant.name, "change": variant.change, **describe(run)}
                first = first or run
                if difference := runs.unlike(run, first, but=FIXED):
                    raise runs.RunError(
                        f"{runs.shown(run.folder)} differs from {runs.shown(first.folder)} in more than its variant's "
                        f"change: {difference}. Run both alike"
                    )
                own = runs.as_seeds([*own, run])
                rows.append(row)
            except runs.RunError as error:
                notes.append(f"left out: {error}")
            except KeyError as error:
                notes.append(f"left out: {runs.shown(metrics.parent)} lacks {error}. Run this variant again")
    return pd.DataFrame(rows, columns=COLUMNS), notes


def describe(run) -> dict:
    """The columns of ``summarize_collapse`` that are computed from one run."""
    measured = run.metrics["validation"]
    matrix = np.array(measured["confusion_matrix"])
    predicted = matrix.sum(axis=0)
    share = predicted.max() / predicted.sum()
    return {
        "seed": run.manifest["seed"],
        "n": measured["n"],
        "accuracy": measured["accuracy"],
        "majority": EMOTIONS[int(predicted.argmax())],
        "majority_share": float(share),
        "answer_entropy": checks.entropy(predicted),
        "log_loss": measured["log_loss"],
        "prior_entropy": checks.entropy(matrix.sum(axis=1)),
        "collapsed": bool(share >= COLLAPSED),
        "seconds": run.manifest["seconds"],
    }


def explanation(table) -> list[str]:
    """Sentences on what the variants show and which have no run. table: from ``summarize_collapse``."""
    if "paper" not in set(table["variant"]):
        return ["The paper's setting has not been run yet, so nothing is explained."]
    means = table.groupby("variant", sort=False)[["collapsed", "accuracy", "majority_share"]].mean()
    paper = means.loc["paper"]
    collapses = "collapses" if paper["collapsed"] > 0.5 else "does not collapse"
    lines = [
        f"The paper's setting {collapses} here: {paper['majority_share']:.0%} of its answers are the same, "
        f"{paper['accuracy']:.1%} are right."
    ]
    changes = {variant.name: variant.change for variant in VARIANTS}
    for name, collapsed, accuracy, share in means.drop("paper").itertuples():
        kept = "still collapsed" if collapsed > 0.5 else "no collapse"
        lines.append(f"{changes[name]}: {kept}, {accuracy:.1%} right, {share:.0%} the same answer.")
    missing = [variant.name for variant in VARIANTS if variant.name not in means.index]
    if missing:
        lines.append(f"No run yet, so nothing is known about: {', '.join(missing)}.")
    if table.groupby("variant")["seed"].nunique().min() == 1:
        lines.append("One seed of a variant shows a collapse, but a few points of its accuracy may be chance.")
    return lines


# --- the command line ------------------------------------------------------------------------------------------------


def read_value(word) -> tuple[str, object]:
    """Split NAME=VALUE into (name, value), of the type of notebook 05's default. Raises RunError if that fails."""
    name, equals, text = word.partition("=")
    if not equals:
        raise runs.RunError(f"{word}: must read NAME=VALUE")
    defaults = {**runs.declared_parameters(NOTEBOOK), "SOURCE": "", "PRETRAIN_EPOCHS": 0}
    if name not in defaults:
        raise runs.RunError(f"{NOTEBOOK} has no parameter {name}. Its parameters: {', '.join(defaults)}")
    kind = type(defaults[name])
    try:
        value = {"True": True, "False": False}[text] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        raise runs.RunError(f"{word}: {name} is of type {kind.__name__}, as in {name}={defaults[name]}") from error
    return name, value


def main(arguments=None):
    """The command line: print the papermill commands. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fer_utils.audit.collapse", description=__doc__.splitlines()[0])
    parser.add_argument("output_dir", help="the study's folder, such as outputs/cpu")
    parser.add_argument("data", help="DATA of the notebooks")
    parser.add_argument(
        "given",
        nargs="*",
        metavar="NAME=VALUE",
        help="a parameter of notebook 05 for all variants, or SOURCE or PRETRAIN_EPOCHS of the backbone",
    )
    options = parser.parse_args(arguments)
    try:
        given = dict(read_value(word) for word in options.given)
        special = {key.lower(): given.pop(key) for key in ("SOURCE", "WEIGHTS", "PRETRAIN_EPOCHS") if key in given}
        found = commands(options.output_dir, options.data, **special, **given)
    except runs.RunError as error:
        print(error, file=sys.stderr)
        return 1
    print(shlex.join(["mkdir", "-p", f"{options.output_dir}/{FOLDER}"]), *found.values(), sep="\n")
    return 0


if __name__ == "__main__":
    leave_with(main)
