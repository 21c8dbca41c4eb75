"""Make the network that comes with the package: ``python tools/network.py RUN --data fer2013.csv``.

RUN is the folder of a finished run of notebook 08. Its weights go into fer_utils/recognize/network.keras as float16,
and its temperatures into network.json. The predictions of that file for both test splits go into
outputs/reference/network.
"""

import argparse
import io
import json
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import data, evaluation, runs
from fer_utils.evaluation.calibration import fit_temperature
from fer_utils.ladder.recipes import answer_name
from fer_utils.models import saved_models, tta
from fer_utils.models.answering import for_answers
from fer_utils.names import CHOICES, EMOTIONS
from fer_utils.recognize import network

VIEWS = CHOICES["VIEWS"]
COPIED = ("run", "git_commit", "seed", "data_checksum")
REFERENCE = runs.PROJECT_ROOT / "outputs/reference/network"
ANSWERS = "of network.keras: the run's weights rounded to float16, computed in float32"
DAY = (2020, 1, 1, 0, 0, 0)  # date of the files in the archive, so that the same weights make the same bytes


def write_half(model, path):
    """Save a Keras model with its weights as float16, which Keras reads as float32: half the size, the same layout."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.keras"
        model.save(whole)
        with zipfile.ZipFile(whole) as read, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
            for name in sorted(read.namelist()):
                content = read.read(name)
                if name.endswith(".h5"):
                    content = halved(content)
                elif name == "metadata.json":
                    content = json.dumps({"keras_version": json.loads(content)["keras_version"]}).encode()
                written.writestr(zipfile.ZipInfo(name, DAY), content, zipfile.ZIP_DEFLATED)


def halved(content):
    """Return the bytes of an HDF5 file with every float32 array changed to float16."""
    stream = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as read, h5py.File(stream, "w") as written:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                written.require_group(name)
            else:
                written[name] = item[()].astype(np.float16) if item.dtype == np.float32 else item[()]
            written[name].attrs.update(item.attrs)

        written.attrs.update(read.attrs)
        read.visititems(copy)
    return stream.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", required=True)
    given = parser.parse_args()
    manifest = json.loads((given.run / "manifest.json").read_text(encoding="utf-8"))
    splits = data.apply_protocol(data.load_fer2013(given.data), "official", 0, manifest["seed"], "none")
    parts = {"validation": splits.validation, "test": splits.open_test()}
    with tempfile.TemporaryDirectory(dir=network.FILE.parent) as folder:  # until its temperatures are fitted
        made = Path(folder) / network.FILE.name
        write_half(for_answers(saved_models.load_classifier(given.run / "model.keras")), made)
        model = saved_models.load_classifier(made)
        answers = {
            (part, views): tta.predict(model, faces.images, views).astype(np.float16)
            for part, faces in parts.items()
            for views in VIEWS
        }
        measured = {key: evaluation.summarize(parts[key[0]].labels, answer) for key, answer in answers.items()}
        labels = parts["validation"].labels
        temperatures = {views: round(fit_temperature(labels, answers["validation", views]), 4) for views in VIEWS}
        facts = {name: manifest[name] for name in COPIED}
        facts |= {"sha256": runs.file_checksum(made), "emotions": list(EMOTIONS), "temperatures": temperatures}
        made.replace(network.FILE)
        runs.write_json(network.FACTS, facts)
    REFERENCE.mkdir(parents=True, exist_ok=True)
    runs.save_predictions(
        REFERENCE,
        {answer_name(*key): (parts[key[0]].row_ids, parts[key[0]].labels, answer) for key, answer in answers.items()},
    )
    shutil.copy(given.run / "history.csv", REFERENCE)
    runs.write_json(REFERENCE / "manifest.json", manifest | {"answers": ANSWERS})
    runs.write_json(REFERENCE / "metrics.json", {answer_name(*key): value for key, value in measured.items()})
    print(f"{network.FILE}: {network.FILE.stat().st_size:,} bytes; {json.dumps(facts, indent=1)}")


if __name__ == "__main__":
    main()
