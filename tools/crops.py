"""Predict PublicTest again with finished networks, from the crops that they were trained on.

python tools/crops.py outputs/backwards outputs/crops --names "vgg16bn-*" --data fer2013.csv

A recipe with ``answer_crop`` trains on crops and predicts from whole faces. VGG16 should not: its five poolings turn
40 pixels into 20, 10, 5, 2 and 1, but 48 into 24, 12, 6, 3 and 1. Of three rows and columns of features, the last
pooling drops one each, which training has never shown.

Each run is copied as if it had been trained without ``answer_crop``, which changes predictions only. The copy's
manifest has ``predicted_again``; its old predictions are kept as "validation-whole" and "validation-scales-whole".
"""

import argparse
import shutil
import sys

from circumstances import circumstances

from fer_utils import data, evaluation, runs
from fer_utils.command_line import leave_with
from fer_utils.ladder import recipes, results
from fer_utils.models import saved_models, tta
from fer_utils.models.backbones import WeightsError

VIEWS = ("single", "scales")


def predict_again(run, faces, target):
    """Copy `run` into the folder `target`, with predictions from its training's crops, and return its new metrics.

    faces: ``data.Faces`` that the run was trained on. Raises RunError if they are others, or if the run has predicted
    from its crops already; WeightsError without its network. Nothing is written then.
    """
    settings, named = run.manifest["settings"], runs.shown(run.folder)
    if settings.get("answer_crop", 0) in (0, settings["crop"]):
        raise runs.RunError(f"{named}: has predicted from the crops of its training. Leave it out of --names")
    if run.manifest["data_checksum"] != faces.checksum:
        raise runs.RunError(f"{named}: was trained on other data. Give those as --data")
    model = saved_models.load_classifier(run.folder / "model.keras")
    model.get_layer("crop").answer_crop = settings["crop"]
    part = data.apply_protocol(faces).validation
    found = {
        recipes.answer_name("validation", views): tta.predict(model, part.images, views).astype("float16")
        for views in VIEWS
    }
    metrics = {name: evaluation.summarize(part.labels, probabilities) for name, probabilities in found.items()}
    metrics |= {f"{name}-whole": run.metrics[name] for name in found}

    answers = {name: (part.row_ids, part.labels, probabilities) for name, probabilities in found.items()}
    before = runs.read_arrays(run.folder / "predictions.npz")
    for name in found:
        answers[f"{name}-whole"] = [before[f"{name}_{kind}"] for kind in ("row_ids", "labels", "probabilities")]
    target.mkdir(parents=True)
    runs.save_predictions(target, answers)
    shutil.copy(run.folder / "history.csv", target)
    changed = {"settings": settings | {"answer_crop": 0}, "predicted_again": circumstances()}
    runs.write_json(target / "manifest.json", run.manifest | changed)
    runs.finish_run(target, metrics)
    return metrics


def main(arguments=None):
    """Run the command line. Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output_dir", help="folder of notebook 08's runs, such as outputs/backwards")
    parser.add_argument("target", help="folder for the copies")
    parser.add_argument("--names", default="*", help="shell pattern of the runs' folders")
    parser.add_argument("--data", required=True, help="FER-2013, as notebook 08 had it")
    given = parser.parse_args(arguments)
    try:
        faces = data.load_fer2013(given.data)
        found = sorted((runs.resolve(given.output_dir) / results.FOLDER).glob(f"{given.names}/metrics.json"))
        if not found:
            raise runs.RunError(f"{given.output_dir}: holds no finished run named {given.names} in {results.FOLDER}/")
        for path in found:
            run = runs.read_run(path.parent, needs="validation")
            target = runs.resolve(given.target) / results.FOLDER / run.name
            if target.exists():
                raise runs.RunError(f"{runs.shown(target)}: is there already. Remove it, or give another folder")
            metrics = predict_again(run, faces, target)
            before = run.metrics["validation"]["accuracy"]
            print(f"{run.name}: {100 * metrics['validation']['accuracy']:.1f} %, from whole faces {100 * before:.1f} %")
    except (data.DataError, runs.RunError, WeightsError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    leave_with(main)
