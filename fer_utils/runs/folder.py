"""The run folder: what a notebook leaves behind, and how it is written.

outputs/<profile>/<run>/
    manifest.json     parameters, seed, versions, environment, device, data checksum, git commit, seconds
    history.csv       one row per epoch
    predictions.npz   <split>_row_ids int64 (n,), <split>_labels uint8 (n,), <split>_probabilities float16 (n, 7)
    model.keras       takes raw uint8 faces
    figures/*.png
    metrics.json      written last and atomically: a run without it is not finished
    checkpoint.npz    and epochs/, only until then: from these, a stopped training resumes
    executed.ipynb    written by the workflow
"""

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

from fer_utils.project import resolve, shown
from fer_utils.runs import lock

CHECKPOINT, EPOCHS = "checkpoint.npz", "epochs"
AGAIN = "Restart the kernel and run all cells"


class RunError(ValueError):
    """A run folder or a notebook's parameters cannot be used. The message names the place, the reason and the fix."""


def start_run(output_dir, name):
    """Make the folder of a new run, lock it for this process (``lock``), and return its path.

    Removes what an earlier run left there, except the checkpoint of an unfinished training (``checkpoints``). Raises
    RunError if the folder cannot be written, or if another process is writing it.
    """
    # The folder's content is removed below, so the folder must be inside output_dir.
    if Path(name).name != name or name in ("", ".", ".."):
        raise RunError(f"{name!r} is not a run's name. Give a name without a path in it")
    folder = resolve(output_dir) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.hold(folder)
        kept = () if (folder / "metrics.json").exists() else (CHECKPOINT, EPOCHS)
        (folder / "metrics.json").unlink(missing_ok=True)  # first: a half-emptied folder must not count as finished
        for path in folder.iterdir():
            if path.name in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        (folder / "figures").mkdir()
    except lock.HeldError as error:
        raise RunError(f"{shown(folder)}: {error}") from None
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written ({error.strerror}). Set OUTPUT_DIR to a writable folder"
        ) from error
    return folder


def write_json(path, content):
    """Write `content` as JSON atomically: the file at `path` is either the old one or the complete new one."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_whole(path, lambda stream: stream.write(text.encode("utf-8")))


def write_whole(path, write):
    """Write a file atomically: `write(stream)` writes a temporary file, which then replaces `path`.

    Raises RunError if the disk is full or read-only.
    """
    part = Path(f"{path}.part")
    try:
        try:
            with open(part, "wb") as stream:
                write(stream)
            os.replace(part, path)
        except BaseException:  # an interruption, too
            with contextlib.suppress(OSError):  # the folder may be read-only
                part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RunError(
            f"{shown(path)}: cannot be written ({error.strerror}). Make room on the disk, or choose a writable folder "
            "(a notebook's OUTPUT_DIR, a command's --out or file). Then start again"
        ) from error


def save_figure(axes, folder, name):
    """Save the figure of `axes` (one Axes or an array of Axes) as figures/<name>.png, at 150 dots per inch."""
    path = Path(folder) / "figures" / f"{name}.png"
    np.ravel(axes)[0].figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Software": None})


def finish_run(folder, metrics):
    """Write metrics.json, which marks the run as finished, and release the folder. Call it last.

    Removes the checkpoint, unless FER_KEEP_CHECKPOINT is set in the environment. Whoever sets it removes the
    checkpoint later, once the run's notebook is saved too.
    """
    write_json(Path(folder) / "metrics.json", metrics)
    if not os.environ.get("FER_KEEP_CHECKPOINT"):
        (Path(folder) / CHECKPOINT).unlink(missing_ok=True)
        shutil.rmtree(Path(folder) / EPOCHS, ignore_errors=True)
    lock.release(folder)
