"""What finished runs answered, by their predictions alone: scores of a part, errors that all share (notebook 09)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from fer_utils import evaluation
from fer_utils.names import EMOTIONS


def score(right):
    """n, correct, accuracy, and low, high (Wilson) of bools (n,), as a dict; the rates are NaN where n is 0."""
    right = np.asarray(right, bool)
    n, correct = len(right), int(right.sum())
    low, high = evaluation.wilson_interval(correct, n) if n else (np.nan, np.nan)
    return {"n": n, "correct": correct, "accuracy": correct / n if n else np.nan, "low": low, "high": high}


def mean_interval(values):
    """n, mean, and low, high (normal approximation) of numbers (n,), as a dict; NaN where n does not allow it."""
    values = np.asarray(values, np.float64)
    n = len(values)
    mean = values.mean() if n else np.nan
    reach = stats.norm.ppf(0.975) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return {"n": n, "mean": mean, "low": mean - reach, "high": mean + reach}


@dataclass(frozen=True, eq=False)
class Answers:
    """What several runs answered about the same images.

    row_ids: int64 (n,), increasing. labels: int64 (n,). probabilities: dict, run's name -> float64 (n, 7).
    """

    row_ids: np.ndarray
    labels: np.ndarray
    probabilities: dict

    def __len__(self):
        return len(self.row_ids)

    @property
    def predicted(self):
        """Run's name -> int64 (n,), the most probable class."""
        return {name: values.argmax(axis=1) for name, values in self.probabilities.items()}

    @property
    def right(self):
        """bool DataFrame (n rows, a column a run)."""
        return pd.DataFrame({name: codes == self.labels for name, codes in self.predicted.items()})

    @property
    def mean(self):
        """The runs' probabilities, averaged: float64 (n, 7)."""
        return np.mean(list(self.probabilities.values()), axis=0)


def collect(finished, faces):
    """The answers of those of `finished` that are about `faces`: (Answers or None, list of what was left out and why).

    finished: list of ``runs.Run``. faces: all faces of the data; a run belongs to them if its manifest has their
    checksum. Runs on other data or other images than the first usable run are named in the list, as are those whose
    rows are unknown or have other labels than `faces`. None where no run is left.
    """
    position = pd.Series(np.arange(len(faces)), index=faces.row_ids)
    row_ids, labels, probabilities, refused = None, None, {}, []
    for run in finished:
        reason = _reason(run, faces, position)
        if not reason:
            ids, own_labels, values = run.predictions["test"]
            order = np.argsort(ids, kind="stable")
            if row_ids is None:
                row_ids, labels = ids[order].astype(np.int64), own_labels[order].astype(np.int64)
            if np.array_equal(row_ids, ids[order]):
                probabilities[run.name] = values[order]
                continue
            reason = f"its test images are not those of {next(iter(probabilities))}"
        refused.append(f"{run.name} is left out: {reason}.")
    return (Answers(row_ids, labels, probabilities) if probabilities else None), refused


def _reason(run, faces, position):
    """Why a run cannot be used with these faces; "" if it can."""
    if run.manifest["data_checksum"] != faces.checksum:
        return f"it was made from other data ({run.manifest['data_checksum'][:12]}, not {faces.checksum[:12]})"
    ids, labels, _ = run.predictions["test"]
    if not np.isin(ids, position.index).all():
        return "its test rows are not in the data"
    if not np.array_equal(faces.labels[position[ids]], labels):
        return "its test labels are not those of the data"
    return ""


def hardest(answers, count=21):
    """The images with the highest mean loss over all runs: DataFrame, hardest first.

    Columns: position (in `answers`), row_id, label, answer (what the runs' mean probabilities say; both names), loss
    (mean over runs, nats), wrong (how many of the runs err).
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
    """Bool (n,): the images that every run gets wrong."""
    return ~answers.right.any(axis=1).to_numpy()


def sharing(answers):
    """How much the runs' errors overlap, as a dict.

    runs; n; none_wrong and all_wrong (images that no run, or every run, gets wrong); expected_all_wrong: how many all
    would get wrong if each run's errors fell at random on the images of each emotion, some of which all runs find hard;
    same_answer: how many of the shared errors get the very same wrong answer from all runs.
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
    """Which label is taken for which answer, over all runs: DataFrame (7, 7) of floats, rows labels, columns answers.

    chosen: bool (n,), the images to count, all by default. Each image counts once, shared among the runs' answers.
    """
    chosen = np.full(len(answers), True) if chosen is None else np.asarray(chosen, bool)
    counts = np.zeros((len(EMOTIONS), len(EMOTIONS)))
    for codes in answers.predicted.values():
        np.add.at(counts, (answers.labels[chosen], codes[chosen]), 1 / len(answers.probabilities))
    return pd.DataFrame(counts, index=list(EMOTIONS), columns=list(EMOTIONS))


def top_confusions(matrix, count=10):
    """The largest off-diagonal cells of `confusions`: DataFrame, columns label, answer, images, share_of_errors."""
    cells = [(a, b, matrix.at[a, b]) for a in matrix.index for b in matrix.columns if a != b]
    table = pd.DataFrame(cells, columns=["label", "answer", "images"]).sort_values(
        "images", ascending=False, kind="stable"
    )
    total = table["images"].sum()
    table["share_of_errors"] = table["images"] / total if total else np.nan
    return table[table["images"] > 0].head(count).reset_index(drop=True)
