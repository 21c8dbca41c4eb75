"""Labels softened by networks that did not train on them, or by people's votes (notebook 08).

A network that has learned a face answers with the label that it learned, mistakes included. One that has not says what
faces like it are called. Such answers, blended into the labels, teach another network (Hinton et al. 2015,
arXiv:1503.02531). Two teachers, each trained on one half of Training and asked about the other, cover it.
"""

import glob

import numpy as np

from fer_utils import project, runs
from fer_utils.ladder.recipes import RecipeError, answer_name
from fer_utils.names import VIEWS

LEFT_OUT = "left_out"
"""The split, in a run's files, of the images that TRAIN_WITHOUT took out of its Training."""


def read_teachers(pattern, share, parameters, own_folder):
    """The finished runs whose folders a pattern names: list of ``runs.Run``, each able to teach; [] for "".

    pattern: TEACHERS of notebook 08, such as "outputs/taught/ladder/half-*". share: the recipe's `taught`. parameters:
    of the run that is to be taught. own_folder: that run's, which must not be its own teacher. Nothing is written.

    Raises RecipeError where a pattern or a share is given without the other, or with TRAIN_WITHOUT, whose images
    teachers may know; RunError for a pattern that names no run, and for a run that cannot teach: of another PROTOCOL or
    MAX_IMAGES, trained on votes, without answers about images that it left out, or taught itself, and so told of these
    by others. Teachers must be alike but for their seed and what they left out, and each must be there once.
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
                "Give a TEACHERS that only one of them fits"
            )
    for half in {run.manifest["parameters"].get("TRAIN_WITHOUT") for run in teachers}:
        runs.as_seeds(run for run in teachers if run.manifest["parameters"].get("TRAIN_WITHOUT") == half)
    return teachers


def _folders(pattern):
    """The folders that a pattern names, which may be one's path; a part of the project's own path is no pattern."""
    text = project.expand_path(pattern)
    if unknown := project.unknown_in_path(pattern):
        raise runs.RunError(f"TEACHERS={pattern!r}: {unknown} stands for nothing here")
    whole = runs.resolve(pattern)
    found = [whole] if whole.is_dir() else map(runs.resolve, sorted(glob.glob(text, root_dir=project.PROJECT_ROOT)))
    if not (folders := list(found)):
        raise runs.RunError(f"TEACHERS={pattern!r} names no folder: give one pattern that all teachers' folders fit")
    return folders


def _check(run, parameters):
    made, place = run.manifest["parameters"], runs.shown(run.folder)
    for name in ("PROTOCOL", "MAX_IMAGES"):
        if made.get(name) != parameters[name]:
            raise runs.RunError(f"{place}: cannot teach, since {name} is {made.get(name)}, and here {parameters[name]}")
    if made.get("TEACHERS"):
        raise runs.RunError(f"{place}: cannot teach, since it was itself taught about these")
    if run.manifest.get("settings", {}).get("voted"):
        raise runs.RunError(f"{place}: cannot teach, since it was trained on votes, which are other data than labels")
    if not answers_of(run):
        raise runs.RunError(
            f"{place}: cannot teach, since it keeps no answers about images that it left out: train it by notebook 08 "
            "with TRAIN_WITHOUT='first half' or 'second half'"
        )


def answers_of(run):
    """A run's answers about what it left out, with the most views that it has: (row ids, labels, (n, 7)), or None."""
    found = [run.predictions.get(answer_name(LEFT_OUT, kind)) for kind in reversed(VIEWS)]
    return next((answers for answers in found if answers is not None), None)


def named(run):
    """What a manifest says of a teacher: its run and how it was made, its seconds, the checksum of its answers."""
    made = {name: run.manifest["parameters"].get(name) for name in ("RECIPE", "CHANGES", "TRAIN_WITHOUT", "SEED")}
    made |= {"commit": run.manifest.get("git_commit"), "seconds": run.manifest["seconds"]}
    return {"run": run.name, **made, "answers": runs.file_checksum(run.folder / "predictions.npz")}


def blend(targets, faces, teachers, share, data_checksum):
    """Targets float32 (n, 7) of which teachers' answers make a `share`: the mean of those that left the image out.

    targets: one row a face of `faces`, which are of the data with that checksum. Raises RunError where a teacher has
    other data or labels, or an image was left out by none of them.
    """
    if not teachers:
        return targets
    total, count = np.zeros(targets.shape), np.zeros(len(targets))
    for run in teachers:
        row_ids, labels, probabilities = answers_of(run)
        _, theirs, ours = np.intersect1d(row_ids, faces.row_ids, assume_unique=True, return_indices=True)
        if run.manifest["data_checksum"] != data_checksum or (labels[theirs] != faces.labels[ours]).any():
            raise runs.RunError(f"{runs.shown(run.folder)}: cannot teach, since it is of other data than these")
        total[ours] += probabilities[theirs]
        count[ours] += 1
    if (count == 0).any():
        raise runs.RunError(
            f"{(count == 0).sum():,} images of Training were left out by no teacher, the first in row "
            f"{faces.row_ids[count == 0][0]}: train one more without the other half, whose NAME fits TEACHERS"
        )
    return ((1 - share) * targets + share * total / count[:, None]).astype("float32")


def voted(targets, shares, share):
    """Targets float32 (n, 7) of which people's votes make a `share`; a face without a vote keeps its label.

    shares: of the votes, floats (n, 7), as ``labels.ferplus.emotion_shares`` (Barsoum et al. 2016, arXiv:1608.01041,
    train on such shares).
    """
    cast = shares.sum(axis=1, keepdims=True) > 0
    return np.where(cast, (1 - share) * targets + share * shares, targets).astype("float32")
