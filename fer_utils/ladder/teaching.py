"""Soften labels with the predictions of networks that did not train on them, or with people's votes.

A network predicts the label that it learned for a face, mistakes included. For a face that it has not learned, it
predicts the label of similar faces. Such predictions, blended into the labels, teach another network (Hinton et al.
2015, arXiv:1503.02531). Two teachers cover all of Training: each trains on one half and predicts the other.
"""

import glob

import numpy as np

from fer_utils import project, runs
from fer_utils.ladder.recipes import RecipeError, answer_name
from fer_utils.names import VIEWS

LEFT_OUT = "left_out"
"""The split, in a run's files, with the images that TRAIN_WITHOUT removed from its Training."""


def read_teachers(pattern, share, parameters, own_folder):
    """Read the teachers whose folders match a pattern: list of ``runs.Run``; [] for "". Nothing is written.

    pattern: TEACHERS of notebook 08, such as "outputs/taught/ladder/half-*". share: the recipe's `taught`. parameters:
    the student's. own_folder: the student's, which must not be among the teachers'.

    Raises RecipeError if a pattern or a share is given without the other, or with TRAIN_WITHOUT, whose images teachers
    may have seen. Raises RunError for a pattern without a run, and for a run that cannot teach: with another PROTOCOL
    or MAX_IMAGES, trained on votes, without predictions of images that it left out, or with teachers of its own, which
    saw these images. Teachers may differ only in their seed and in what they left out, and none may occur twice.
    """
    if bool(pattern) != bool(share):
        raise RecipeError(f"TEACHERS={pattern!r} and taught={share} need each other: give both, or neither")
    if not pattern:
        return []
    if (without := parameters.get("TRAIN_WITHOUT", "none")) != "none":
        raise RecipeError(f"TRAIN_WITHOUT={without!r} and TEACHERS exclude each other: teachers have seen these images")
    folders = _folders(pattern)
    if runs.resolve(own_folder) in folders:
        raise runs.RunError(f"TEACHERS={pattern!r} names this run's own folder, {own_folder}: give it another NAME")
    teachers = [runs.read_run(folder, needs="validation") for folder in folders]
    for run in teachers:
        _check(run, parameters)
        if difference := runs.unlike(run, teachers[0], but=("TRAIN_WITHOUT",)):
            raise runs.RunError(
                f"{runs.shown(run.folder)}: cannot teach together with {runs.shown(teachers[0].folder)}: {difference}. "
                "Give a TEACHERS that matches only one of them"
            )
    # The runs of each half must be seeds of one training.
    for half in {run.manifest["parameters"].get("TRAIN_WITHOUT") for run in teachers}:
        runs.as_seeds(run for run in teachers if run.manifest["parameters"].get("TRAIN_WITHOUT") == half)
    return teachers


def _folders(pattern):
    """Return the folders that match a pattern. The path of a folder is no pattern, even with brackets in it."""
    if unknown := project.unknown_in_path(pattern):
        raise runs.RunError(f"TEACHERS={pattern!r}: {unknown} has no value here: write the path out in full")
    folder = runs.resolve(pattern)
    if folder.is_dir():
        return [folder]
    found = sorted(glob.glob(project.expand_path(pattern), root_dir=project.PROJECT_ROOT))
    if not found:
        raise runs.RunError(f"TEACHERS={pattern!r} names no folder: give one pattern that matches all teachers")
    return [runs.resolve(path) for path in found]


def _check(run, parameters):
    """Raise RunError if a run cannot teach. parameters: the student's."""
    made, place = run.manifest["parameters"], runs.shown(run.folder)
    for name in ("PROTOCOL", "MAX_IMAGES"):
        if made.get(name) != parameters[name]:
            raise runs.RunError(f"{place}: cannot teach, since {name} is {made.get(name)}, and here {parameters[name]}")
    if made.get("TEACHERS"):
        raise runs.RunError(f"{place}: cannot teach, since teachers of its own saw these images")
    if run.manifest.get("settings", {}).get("voted"):
        raise runs.RunError(f"{place}: cannot teach, since it was trained on votes, which are other data than labels")
    if not answers_of(run):
        raise runs.RunError(
            f"{place}: cannot teach, since it has no predictions of images that it left out: train it with notebook 08 "
            "and TRAIN_WITHOUT='first half' or 'second half'"
        )


def answers_of(run):
    """Return (row ids, labels, probabilities (n, 7)) of images that a run left out; None if it left out none.

    If it predicted them with several kinds of views, the last of VIEWS counts.
    """
    for views in reversed(VIEWS):
        if (answers := run.predictions.get(answer_name(LEFT_OUT, views))) is not None:
            return answers
    return None


def named(run):
    """Return the manifest's entry for a teacher: its run, how it was made, its seconds, its predictions' checksum."""
    made = {name: run.manifest["parameters"].get(name) for name in ("RECIPE", "CHANGES", "TRAIN_WITHOUT", "SEED")}
    made |= {"commit": run.manifest.get("git_commit"), "seconds": run.manifest["seconds"]}
    return {"run": run.name, **made, "answers": runs.file_checksum(run.folder / "predictions.npz")}


def blend(targets, faces, teachers, share, data_checksum):
    """Blend a `share` of the teachers' predictions, averaged over those that left the image out, into targets.

    targets, and the result: float32 (n, 7), one row for each of `faces`. data_checksum: of the faces' data. Raises
    RunError if a teacher has other data or labels, or if an image was left out by no teacher.
    """
    if not teachers:
        return targets
    total, count = np.zeros(targets.shape), np.zeros(len(targets))
    for run in teachers:
        row_ids, labels, probabilities = answers_of(run)
        _, theirs, ours = np.intersect1d(row_ids, faces.row_ids, assume_unique=True, return_indices=True)
        if run.manifest["data_checksum"] != data_checksum or (labels[theirs] != faces.labels[ours]).any():
            raise runs.RunError(f"{runs.shown(run.folder)}: cannot teach, since it was trained on other data")
        total[ours] += probabilities[theirs]
        count[ours] += 1
    if (count == 0).any():
        raise runs.RunError(
            f"{(count == 0).sum():,} images of Training were left out by no teacher, the first in row "
            f"{faces.row_ids[count == 0][0]}: train a teacher without the other half, with a NAME that matches TEACHERS"
        )
    return ((1 - share) * targets + share * total / count[:, None]).astype("float32")


def voted(targets, shares, share):
    """Blend a `share` of people's votes into targets: float32 (n, 7); a face without a vote keeps its label.

    shares: of the votes, floats (n, 7), from ``labels.ferplus.emotion_shares`` (Barsoum et al. 2016, arXiv:1608.01041,
    train on such shares).
    """
    has_votes = shares.sum(axis=1, keepdims=True) > 0
    return np.where(has_votes, (1 - share) * targets + share * shares, targets).astype("float32")
