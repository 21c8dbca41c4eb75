"""Finished runs' predictions: accuracy of a part of the images, and errors that all runs share."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from fer_utils import evaluation
from fer_utils.names import EMOTIONS


def score(right):
    """Accuracy of bools (n,), as a dict: n, correct, accuracy, low, high (Wilson, 95 %); rates are NaN if n is 0."""
    right = np.asarray(right, bool)
    n, correct = len(right), int(right.sum())
    low, high = evaluation.wilson_interval(correct, n) if n else (np.nan, np.nan)
    return {"n": n, "correct": correct, "accuracy": correct / n if n else np.nan, "low": low, "high": high}


def mean_interval(values):
    """Mean of numbers (n,), as a dict: n, mean, low, high (normal, 95 %); NaN where n is too small."""
    values = np.asarray(values, np.float64)
    n = len(values)
    mean = values.mean() if n else np.nan
    reach = stats.norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return {"n": n, "mean": mean, "low": mean - reach, "high": mean + reach}


@dataclass(frozen=True, eq=False)
class Answers:
    """Several runs' predictions for the same images.

    row_ids: int64 (n,), increasing. labels: int64 (n,). probabilities: dict, run's name -> float64 (n, 7).
    """

    row_ids: np.ndarray
    labels: np.ndarray
    probabilities: dict

    def __len__(self):
        return len(self.row_ids)

    @property
    def predicted(self):
        """The most probable class: run's name -> int64 (n,)."""
        return {name: values.argmax(axis=1) for name, values in self.probabilities.items()}

    @property
    def right(self):
        """Whether each prediction is right: bool DataFrame, n rows, one column per run."""
        return pd.DataFrame({name: codes == self.labels for name, codes in self.predicted.items()})

    @property
    def mean(self):
        """Probabilities averaged over the runs: float64 (n, 7)."""
        return np.mean(list(self.probabilities.values()), axis=0)


def collect(finished, faces):
    """Collect the test predictions for `faces`: (Answers, or None if no run fits; list of sentences on other runs).

    finished: list of ``runs.Run``. faces: all faces of the data. A run does not fit if its manifest has another data
    checksum, or if its rows or labels are not in `faces`. It also needs the same images as the first run that fits.
    """
    position = pd.Series(np.arange(len(faces)), index=faces.row_ids)
    row_ids, labels, probabilities, refused = None, None, {}, []
    for run in finished:
        reason = _reason(run, faces, position)
        if reason:
            refused.append(f"{run.name} is left out: {reason}.")
            continue
        ids, own_labels, values = run.predictions["test"]
        order = np.argsort(ids, kind="stable")
        if row_ids is None:
            row_ids, labels = ids[order].astype(np.int64), own_labels[order].astype(np.int64)
        if np.array_equal(row_ids, ids[order]):
            probabilities[run.name] = values[order]
        else:
            refused.append(f"{run.name} is left out: its test images are not those of {next(iter(probabilities))}.")
    return (Answers(row_ids, labels, probabilities) if probabilities else None), refused


def _reason(run, faces, position):
    """Why a run does not fit these faces; "" if it does."""
    if run.manifest["data_checksum"] != faces.checksum:
        return f"it was made from other data ({run.manifest['data_checksum'][:12]}, not {faces.checksum[:12]})"
    ids, labels, _ = run.predictions["test"]
    if not np.isin(ids, position.index).all():
        return "its test rows are not in the data"
    if not np.array_equal(faces.labels[position[ids]], labels):
        return "its test labels are not those of the data"
    return ""


def hardest(answers, count=21):
    """The `count` images with the highest loss, averaged over all runs: DataFrame, hardest first.

    Columns: position (in `answers`), row_id, label and answer (names; answer is the prediction of the runs' mean
    probabilities), loss (mean over runs, nats), wrong (number of runs that are wrong).
    """
    chosen = np.stack([values[np.arange(len(answers)), answers.labels] for values in answers.probabilities.values()])
    loss = -np.log(np.clip(chosen, evaluation.PROBABILITY_FLOOR, 1)).mean(axis=0)
    order = np.argsort(-loss, kind="stable")[:count]
    return pd.DataFrame(
        {
            "position": order,
            "row_id": answers.row_ids[order],
            "label": np.array(EMOTIONS)[answers.labels[order]],
            "answer": np.array(EMOTIONS)[answers.mean.argmax(axis=1)[order]],
            "loss": loss[order],
            "wrong": (~answers.right).sum(axis=1).to_numpy()[order],
        }
    )


def shared_errors(answers):
    """The images that every run gets wrong: bool (n,)."""
    return ~answers.right.any(axis=1).to_numpy()


def sharing(answers):
    """How much the runs' errors overlap, as a dict: runs (their number), n (images), and four counts of images.

    none_wrong, all_wrong: images that no run, or every run, gets wrong. expected_all_wrong: all_wrong by chance, if
    each run's errors fell at random within each emotion (some emotions are hard for all runs). same_answer: images for
    which all runs predict the same wrong class.
    """
    wrong = ~answers.right.to_numpy()
    shared = wrong.all(axis=1)
    codes = np.stack(list(answers.predicted.values()))[:, shared]
    emotions = [wrong[answers.labels == label] for label in np.unique(answers.labels)]
    return {
        "runs": wrong.shape[1],
        "n": len(wrong),
        "none_wrong": int((~wrong.any(axis=1)).sum()),
        "all_wrong": int(shared.sum()),
        "expected_all_wrong": float(sum(len(own) * own.mean(axis=0).prod() for own in emotions)),
        "same_answer": int((codes == codes[:1]).all(axis=0).sum()),
    }


def confusions(answers, chosen=None):
    """The runs' mean confusion matrix: DataFrame (7, 7) of floats, rows labels, columns predictions.

    chosen: bool (n,), the images to count, all by default. Each image counts once, in equal shares for the runs.
    """
    chosen = np.full(len(answers), True) if chosen is None else np.asarray(chosen, bool)
    counts = np.zeros((len(EMOTIONS), len(EMOTIONS)))
    for codes in answers.predicted.values():
        np.add.at(counts, (answers.labels[chosen], codes[chosen]), 1 / len(answers.probabilities))
    return pd.DataFrame(counts, index=list(EMOTIONS), columns=list(EMOTIONS))


def top_confusions(matrix):
    """The ten largest off-diagonal cells of `confusions`: DataFrame, columns label, answer, images, share_of_errors."""
    pairs = [(label, answer) for label in matrix.index for answer in matrix.columns if label != answer]
    cells = [(label, answer, matrix.at[label, answer]) for label, answer in pairs]
    table = pd.DataFrame(cells, columns=["label", "answer", "images"])
    table = table.sort_values("images", ascending=False, kind="stable")
    total = table["images"].sum()
    table["share_of_errors"] = table["images"] / total if total else np.nan
    return table[table["images"] > 0].head(10).reset_index(drop=True)
