"""tools/crops.py: a finished network predicts from its training's crops, as if trained without answer_crop."""

import json
import shutil

import crops
import numpy as np
import pytest

from fer_utils import data, models, runs
from fer_utils.ladder import recipes, results
from fer_utils.models import tta

NAMES = [("validation", "single"), ("validation-scales", "scales")]


def network(answer_crop):
    return models.build_classifier(
        "smallcnn", "scratch", width=0.5, crop=40, answer_crop=answer_crop, head="average", any_size=True
    )


@pytest.fixture(scope="module")
def faces():
    return data.load_fer2013("sample")


@pytest.fixture(scope="module")
def kept(tmp_path_factory, faces):
    """A finished run whose network predicts from whole faces, and that network."""
    model = network(48)
    part = data.apply_protocol(faces).validation
    folder = tmp_path_factory.mktemp("kept") / "whole-seed0"
    folder.mkdir()
    answers = {name: (part.row_ids, part.labels, tta.predict(model, part.images, views)) for name, views in NAMES}
    runs.save_predictions(folder, answers)
    model.save(folder / "model.keras")
    (folder / "history.csv").write_text("epoch,val_accuracy,seconds\n1,0.2,5\n")
    settings = recipes.as_dict(recipes.read_recipe("crop", "answer_crop=48 architecture=smallcnn"))
    manifest = {
        "seed": 0,
        "seconds": 5,
        "architecture": "smallcnn",
        "strategy": "recipe",
        "parameters": {},
        "device": {},
    }
    runs.write_json(folder / "manifest.json", manifest | {"data_checksum": faces.checksum, "settings": settings})
    runs.finish_run(folder, {name: {"accuracy": 0.2} for name, _ in NAMES})
    return folder, model


@pytest.fixture
def finished(kept, tmp_path):
    return shutil.copytree(kept[0], tmp_path / "runs" / results.FOLDER / kept[0].name)


def again(folder, *more):
    where = folder.parents[1]
    return crops.main([str(where), str(where.with_name("again")), "--data", "sample", *more])


def test_the_copy_predicts_as_a_network_built_for_crops_and_keeps_what_was_there(finished, kept, faces, capsys):
    folder, model = finished, kept[1]
    assert again(folder) == 0
    copy = runs.read_run(folder.parents[2] / "again" / results.FOLDER / folder.name, needs="validation")
    from_crops = network(0)
    from_crops.set_weights(model.get_weights())
    images = data.apply_protocol(faces).validation.images
    arrays = runs.read_arrays(copy.folder / "predictions.npz")
    for name, views in NAMES:
        expected = tta.predict(from_crops, images, views)
        np.testing.assert_allclose(arrays[f"{name}_probabilities"], expected, atol=1e-3)
        whole = tta.predict(model, images, views).astype("float16")
        np.testing.assert_array_equal(arrays[f"{name}-whole_probabilities"], whole)
        assert np.abs(expected - whole).max() > 5e-3  # how far apart they are depends on the processor
    before = json.loads((folder / "manifest.json").read_text())
    assert copy.manifest.pop("predicted_again")["command"].startswith("python")
    assert copy.manifest == before | {"settings": before["settings"] | {"answer_crop": 0}}
    assert all(copy.metrics[f"{name}-whole"] == {"accuracy": 0.2} for name, _ in NAMES)
    shown = 100 * copy.metrics["validation"]["accuracy"]
    assert f"whole-seed0: {shown:.1f} %, from whole faces 20.0 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"settings": {"crop": 40, "answer_crop": 0}}, "has predicted from the crops of its training"),
        ({"settings": {"crop": 40}}, "has predicted from the crops of its training"),
        ({"data_checksum": "0"}, "was trained on other data"),
        (None, "model.keras: no such file"),
    ],
)
def test_what_cannot_be_predicted_again_is_named_and_nothing_is_written(finished, capsys, entry, words):
    folder = finished
    if entry:
        runs.write_json(folder / "manifest.json", json.loads((folder / "manifest.json").read_text()) | entry)
    else:
        (folder / "model.keras").unlink()
    assert again(folder) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and not (folder.parents[2] / "again").exists()


def test_a_copy_is_not_replaced_and_a_wrong_pattern_is_named(finished, capsys):
    folder = finished
    (folder.parents[2] / "again" / results.FOLDER / folder.name).mkdir(parents=True)
    assert again(folder) == 1 and "is there already. Remove it" in capsys.readouterr().err
    assert again(folder, "--names", "vgg*") == 1 and "no finished run named vgg*" in capsys.readouterr().err
