"""The run folder: what a notebook that runs leaves behind, and how it is written (all notebooks).

outputs/<profile>/<run>/
    manifest.json     parameters, seed, versions, environment, device, data checksum, git commit, seconds
    history.csv       one row an epoch
    predictions.npz   <split>_row_ids int64 (n,), <split>_labels uint8 (n,), <split>_probabilities float16 (n, 7)
    model.keras       takes raw uint8 faces
    figures/*.png
    metrics.json      written last and atomically: a run without it is not finished
    checkpoint.npz    and epochs/, only until then: what a training that was stopped goes on from
    executed.ipynb    put there by the workflow
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
    """A run folder, or a notebook's parameters, that cannot be used; the message names it, the reason and the mend."""


def start_run(output_dir, name):
    """Make the folder of a new run, hold it for this process (``lock``), and return its path.

    What an earlier run left there is removed, except for what an unfinished training can go on from
    (``checkpoints``). Raises RunError if the folder cannot be written or another process is writing it.
    """
    if Path(name).name != name or name in ("", ".", ".."):  # what is there is removed, so it must lie below output_dir
        raise RunError(f"{name!r} is no name of a run. Give one without a path in it")
    folder = resolve(output_dir) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.hold(folder)
        spared = () if (folder / "metrics.json").exists() else (CHECKPOINT, EPOCHS)
        (folder / "metrics.json").unlink(missing_ok=True)  # first: what is no longer whole must not count as finished
        for path in folder.iterdir():
            if path.name not in spared:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (folder / "figures").mkdir()
    except lock.HeldError as error:
        raise RunError(f"{shown(folder)}: {error}") from None
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written ({error.strerror}). Set OUTPUT_DIR to a writable folder"
        ) from error
    return folder


def write_json(path, content):
    """Write `content` as JSON atomically: the file is either the old one or the whole new one."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_whole(path, lambda stream: stream.write(text.encode("utf-8")))


def write_whole(path, write):
    """Let `write(stream)` write a file beside `path`, then put it there: it is either the old one or the whole new one.

    Raises RunError where the disk is full or read-only.
    """
    part = Path(f"{path}.part")
    try:
        with open(part, "wb") as stream:
            write(stream)
        os.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # of a read-only folder
            part.unlink(missing_ok=True)
        raise RunError(
            f"{shown(path)}: cannot be written ({error.strerror}). Make room, or choose a folder that can be written "
            "(a notebook's OUTPUT_DIR, a command's --out or file). Then start again"
        ) from error


def save_figure(axes, folder, name):
    """Save the figure that `axes` (one Axes or an array of them) belongs to as figures/<name>.png, 150 dots an inch."""
    first = np.ravel(axes)[0]
    path = Path(folder) / "figures" / f"{name}.png"
    first.figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Software": None})


def finish_run(folder, metrics):
    """Write metrics.json, which makes the run count as finished, and let go of the folder. Call it last.

    What an unfinished training would go on from is removed; with FER_KEEP_CHECKPOINT in the environment it is left to
    whoever set that, and knows only later that the run's notebook has been saved as well.
    """
    write_json(Path(folder) / "metrics.json", metrics)
    if not os.environ.get("FER_KEEP_CHECKPOINT"):
        (Path(folder) / CHECKPOINT).unlink(missing_ok=True)
        shutil.rmtree(Path(folder) / EPOCHS, ignore_errors=True)
    lock.release(folder)
