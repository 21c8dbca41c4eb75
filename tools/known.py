"""Write fer_utils/score/known.npz, the facts for ``fer_utils.score``: ``python tools/known.py fer2013.csv``.

Labels and duplicates of PublicTest and PrivateTest come from the data. Our runs' predictions for PrivateTest come from
outputs/reference: the arms of the paper, and the further runs that PublicTest chose and that were opened.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import data, runs
from fer_utils.data import near_duplicates
from fer_utils.score import known

# Folder of outputs/reference -> title of its runs.
FOLDERS = {
    "cpu": "{} (quarter width)",
    "gpu": "{} (full width)",
    "imagenet-filters": "{} (full width, filters of ImageNet)",
    "gpu/ladder": "{} (GPU)",
    "tuned/ladder": "{} (CPU)",
}


def reference_answers():
    """Return the single-view predictions of each reference run for PrivateTest: name -> uint8 (3589,)."""
    found = {}
    for folder, title in FOLDERS.items():
        for path in sorted((runs.PROJECT_ROOT / "outputs/reference" / folder).glob("*/predictions.npz")):
            run = runs.read_run(path.parent, needs="validation")
            if "test" in run.predictions and run.manifest["parameters"]["PROTOCOL"] == "official":
                rows, _, probabilities = run.predictions["test"]
                found[title.format(run.name)] = probabilities.argmax(axis=1).astype(np.uint8)[np.argsort(rows)]
    return found


def write(faces, answers, path=known.FILE):
    """Write known.npz. faces: ``data.Faces`` of the original fer2013.csv. answers: name -> uint8 (3589,)."""
    if not data.integrity_report(faces).is_original or not np.array_equal(faces.row_ids, np.arange(len(faces))):
        raise data.DataError(f"{faces.source}: is not the original fer2013.csv in its order. Give that file")
    tested = faces.usage != "Training"
    arrays = {
        "labels": faces.labels[tested],
        "twins": near_duplicates.twin_in(faces, near_duplicates.near_groups(faces))[tested],
        "runs": np.array(list(answers)),
        "answers": np.stack(list(answers.values())),
    }
    runs.write_whole(path, lambda stream: np.savez_compressed(stream, **arrays))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(data.load_fer2013(sys.argv[1]), reference_answers())
    print(f"{known.FILE}: {known.FILE.stat().st_size:,} bytes")
