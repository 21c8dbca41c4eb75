"""What class weights buy and cost, class by class: two runs that differ in nothing else (notebook 09).

FER-2013 has sixteen times as many happy faces as disgusted ones. With CLASS_WEIGHTS="balanced" each emotion weighs the
same in the loss, however rare it is. A study keeps such runs in ``OUTPUT_DIR/balanced/``, beside the plain ones:

    papermill notebooks/03_train_from_scratch.ipynb ... -p OUTPUT_DIR outputs/cpu/balanced -p CLASS_WEIGHTS balanced

Notebooks 04 and 05 need WEIGHTS too, the backbone of the plain run, or they pretrain another one in that folder.
"""

import numpy as np
import pandas as pd

from fer_utils import data, evaluation, runs
from fer_utils.names import EMOTIONS

FOLDER = "balanced"
# Of two runs that are compared. DATA and WEIGHTS are places: what lies there is compared by its checksum.
MAY_DIFFER = ("CLASS_WEIGHTS", "OUTPUT_DIR", "KEEP_EPOCHS", "DATA", "WEIGHTS")


def weighted_twins(finished):
    """Pairs (plain run, weighted run) of the same arm and seed, and a sentence on each run that cannot be used.

    finished: plain runs, list of ``runs.Run``; a weighted one of the same name lies in ``FOLDER`` beside it.
    """
    pairs, notes = [], []
    for plain in finished:
        folder = plain.folder.parent / FOLDER / plain.name
        if not (folder / "metrics.json").is_file():
            continue
        try:
            weighted = runs.read_run(folder)
            _check_twins(plain, weighted)
            pairs.append((plain, weighted))
        except runs.RunError as error:
            notes.append(f"Left out: {error}")
    return pairs, notes


def _check_twins(plain, weighted):
    """Raise RunError unless only the class weights differ."""
    name = f"{FOLDER}/{weighted.name}"
    if weighted.manifest["data_checksum"] != plain.manifest["data_checksum"]:
        raise runs.RunError(f"{name} and {plain.name} were made from other data")
    if weighted.manifest.get("weights_checksum") != plain.manifest.get("weights_checksum"):
        raise runs.RunError(f"{name} and {plain.name} start from other backbones: give both the same WEIGHTS")
    ours, theirs = weighted.manifest["parameters"], plain.manifest["parameters"]
    if ours.get("CLASS_WEIGHTS") != "balanced" or theirs.get("CLASS_WEIGHTS", "none") != "none":
        raise runs.RunError(f"{name} needs CLASS_WEIGHTS=balanced, and {plain.name} none")
    for key in sorted(set(ours) & set(theirs) - set(MAY_DIFFER)):
        if ours[key] != theirs[key]:
            raise runs.RunError(f"{name} and {plain.name} differ in {key} too ({ours[key]} and {theirs[key]})")
    evaluation.check_same_images([plain, weighted])


def train_labels(run, faces):
    """The labels that a run was trained on, uint8 (n,), which MAX_IMAGES and TRAIN_WITHOUT may have made a part of all.

    faces: all Faces of its data.
    """
    given = run.manifest["parameters"]
    chosen = given["PROTOCOL"], given.get("MAX_IMAGES", 0), given["SEED"], given.get("TRAIN_WITHOUT", "none")
    return data.apply_protocol(faces, *chosen).train.labels


def price_of_weights(plain, weighted, trained_on, samples=2000):
    """What the weights changed on the test split: a row per emotion, and "all"; rates 0 to 1.

    plain, weighted: from ``weighted_twins``. trained_on: uint8 (n,), from ``train_labels``; an emotion's rarity there
    is its weight. Columns: n (test images), weight (in the loss; 1 on average over the images), recall and
    weighted_recall, difference with low and high (95 %, paired bootstrap over the class's images), precision and
    weighted_precision (NaN where the emotion was never answered). In the row "all", recall is the accuracy and
    precision the macro-F1.
    """
    labels = plain.predictions["test"][1]
    before, after = (run.predictions["test"][2].argmax(axis=1) for run in (plain, weighted))
    scores = [evaluation.summarize(labels, run.predictions["test"][2]) for run in (plain, weighted)]
    weights = data.class_weights(trained_on)
    rows = {}
    for code, emotion in enumerate(EMOTIONS):
        own = labels == code
        first, second = (score["per_class"][emotion] for score in scores)
        rows[emotion] = {
            "n": int(own.sum()),
            "weight": weights[code],
            **_change(after[own] == code, before[own] == code, samples),
            "precision": first["precision"],
            "weighted_precision": second["precision"],
        }
    rows["all"] = {
        "n": len(labels),
        "weight": 1.0,
        **_change(after == labels, before == labels, samples),
        "precision": scores[0]["macro_f1"],
        "weighted_precision": scores[1]["macro_f1"],
    }
    return pd.DataFrame.from_dict(rows, orient="index").astype(float)


def _change(after, before, samples):
    if not len(before):
        return dict.fromkeys(("recall", "weighted_recall", "difference", "low", "high"), np.nan)
    change = evaluation.paired_difference(after, before, samples=samples)
    return {"recall": before.mean(), "weighted_recall": after.mean(), **change}
