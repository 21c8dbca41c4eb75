"""The gain and the cost of class weights for each class, from two runs that differ in nothing else.

FER-2013 has sixteen times as many happy faces as disgusted ones. With CLASS_WEIGHTS="balanced", each emotion has the
same weight in the loss. A study keeps such runs in ``OUTPUT_DIR/balanced/``, next to the plain ones:

    papermill notebooks/03_train_from_scratch.ipynb ... -p OUTPUT_DIR outputs/cpu/balanced -p CLASS_WEIGHTS balanced

Notebooks 04 and 05 also need WEIGHTS, the plain run's backbone. Otherwise they pretrain another one in that folder.
"""

import numpy as np
import pandas as pd

from fer_utils import data, evaluation, runs
from fer_utils.names import EMOTIONS

FOLDER = "balanced"


def weighted_twins(finished):
    """Pairs (plain run, weighted run) of the same arm and seed, and a sentence on each run that cannot be used.

    finished: plain runs, list of ``runs.Run``. A weighted run of the same name is in ``FOLDER`` next to it.
    """
    pairs, notes = [], []
    for plain in finished:
        folder = plain.folder.parent / FOLDER / plain.name
        if not (folder / "metrics.json").is_file():
            continue
        try:
            weighted = runs.read_run(folder)
            _check_pair(plain, weighted)
            pairs.append((plain, weighted))
        except runs.RunError as error:
            notes.append(f"Left out: {error}")
    return pairs, notes


def _check_pair(plain, weighted):
    """Raise RunError unless the two runs differ in their class weights only."""
    name = f"{FOLDER}/{weighted.name}"
    if weighted.manifest.get("weights_checksum") != plain.manifest.get("weights_checksum"):
        raise runs.RunError(f"{name} and {plain.name} start from different backbones: give both the same WEIGHTS")
    ours, theirs = (runs.BEFORE | run.manifest["parameters"] for run in (weighted, plain))
    if ours["CLASS_WEIGHTS"] != "balanced" or theirs["CLASS_WEIGHTS"] != "none":
        raise runs.RunError(f"{name} needs CLASS_WEIGHTS=balanced, and {plain.name} none")
    if difference := runs.unlike(weighted, plain, but=("CLASS_WEIGHTS",)):
        raise runs.RunError(f"{name} and {plain.name} differ in more than their class weights: {difference}")
    evaluation.check_same_images([plain, weighted])


def train_labels(run, faces):
    """The labels that a run was trained on: uint8 (n,), after MAX_IMAGES and TRAIN_WITHOUT. faces: all of its data."""
    given = run.manifest["parameters"]
    splits = data.apply_protocol(
        faces, given["PROTOCOL"], given.get("MAX_IMAGES", 0), given["SEED"], given.get("TRAIN_WITHOUT", "none")
    )
    return splits.train.labels


def price_of_weights(plain, weighted, trained_on):
    """What the weights changed on the test split: DataFrame, one row per emotion and "all"; rates 0 to 1.

    plain, weighted: from ``weighted_twins``. trained_on: uint8 (n,), from ``train_labels``; an emotion's rarity there
    decides its weight. Columns: n (test images), weight (in the loss; 1 on average over the images), recall and
    weighted_recall, difference with low and high (95 %, paired bootstrap over the class's images), precision and
    weighted_precision (NaN if the emotion was never predicted). In the row "all", recall is the accuracy and
    precision the macro-F1.
    """
    labels = plain.predictions["test"][1]
    before, after = plain.predictions["test"][2], weighted.predictions["test"][2]
    summary_before, summary_after = evaluation.summarize(labels, before), evaluation.summarize(labels, after)
    right_before, right_after = before.argmax(axis=1) == labels, after.argmax(axis=1) == labels
    weights = data.class_weights(trained_on)
    rows = {}
    for code, emotion in enumerate(EMOTIONS):
        own = labels == code
        rows[emotion] = {
            "n": int(own.sum()),
            "weight": weights[code],
            **_change(right_after[own], right_before[own]),
            "precision": summary_before["per_class"][emotion]["precision"],
            "weighted_precision": summary_after["per_class"][emotion]["precision"],
        }
    rows["all"] = {
        "n": len(labels),
        "weight": 1.0,
        **_change(right_after, right_before),
        "precision": summary_before["macro_f1"],
        "weighted_precision": summary_after["macro_f1"],
    }
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)


def _change(after, before):
    if not len(before):
        return dict.fromkeys(("recall", "weighted_recall", "difference", "low", "high"), np.nan)
    change = evaluation.paired_difference(after, before, samples=2000)
    return {"recall": before.mean(), "weighted_recall": after.mean(), **change}
