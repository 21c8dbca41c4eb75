"""Models that earlier versions saved: they load, answer as they did, and train on (made by tests/saved/make.py)."""

import importlib.util
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from cells import eagerly
from PIL import Image

import fer_utils
from fer_utils import models
from fer_utils.models import saved_models
from fer_utils.names import EMOTIONS

HERE = Path(__file__).resolve().parent / "saved"
SAVED = sorted(path for path in HERE.glob("*/*.keras"))
spec = importlib.util.spec_from_file_location("make_saved_models", HERE / "make.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


def shown(path):
    return f"{path.parent.name}-{path.stem}"


def test_every_kind_was_kept_of_every_version():
    versions = [folder for folder in HERE.iterdir() if (folder / "answers.npz").is_file()]
    assert versions
    for folder in versions:
        assert {path.stem for path in folder.glob("*.keras")} == set(np.load(folder / "answers.npz"))
    assert set(make.KINDS) <= {path.stem for path in SAVED}
    assert max(path.stat().st_size for path in SAVED) < 500_000  # git keeps them for good


@pytest.mark.parametrize("path", SAVED, ids=shown)
def test_a_saved_model_answers_as_it_did_and_trains_on(path):
    model = keras.saving.load_model(path)
    kept = np.load(path.parent / "answers.npz")[path.stem]
    assert kept.std(axis=0).max() > 1e-4  # it does look at the image
    with eagerly():
        np.testing.assert_allclose(model.predict(make.IMAGES, verbose=0), kept, atol=1e-4)
    assert model.compiled == (path.stem == next(iter(make.KINDS)))  # with the optimizer and without, both are kept
    if not model.compiled:
        model.compile("adam", "sparse_categorical_crossentropy")
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    with eagerly():
        model.fit(make.IMAGES, np.array([0, 3, 6]), verbose=0)
    after = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    assert any((old != new).any() for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("path", SAVED, ids=shown)
def test_a_saved_model_may_be_called_too(path):
    model = saved_models.load_classifier(path)
    kept, before = np.load(path.parent / "answers.npz")[path.stem], model.get_weights()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(make.IMAGES)), kept, atol=1e-4)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_every_class_of_ours_is_known_once_saved_models_is_imported():
    for module in pkgutil.walk_packages(fer_utils.__path__, "fer_utils."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    ours = {kind for name, kind in keras.saving.get_custom_objects().items() if name.startswith("fer_utils>")}
    assert ours == set(saved_models.OURS)


def test_a_run_is_used_as_the_page_says(tmp_path):
    page = (HERE.parent.parent / "docs" / "use-a-model.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) == 2
    (path,) = {path for block in blocks for path in re.findall(r'"(outputs/.*?keras)"', block)}
    (tmp_path / path).parent.mkdir(parents=True)
    model = models.build_classifier("deepcnn", "scratch", width=make.WIDTH, head="average", crop=40, answer_crop=48)
    model.save(tmp_path / path)
    Image.fromarray(make.IMAGES[0]).save(tmp_path / "face.png")
    code = blocks[0] + blocks[1] + "print(model.predict(np.array([picture]), verbose=0)[0].tolist())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *lines, answer = done.stdout.splitlines()
    expected = model.predict(make.IMAGES[:1], verbose=0)[0]
    np.testing.assert_allclose(json.loads(answer), expected, atol=1e-5)
    assert lines == [f"{emotion:9}{share:6.1%}" for emotion, share in zip(EMOTIONS, expected, strict=True)]


@pytest.mark.parametrize("path", sorted(HERE.glob("*/backbone.weights.h5")), ids=shown)
def test_saved_backbone_weights_fit_the_backbone(path):
    from fer_utils.models import backbones

    whole = keras.saving.load_model(path.parent / "deepcnn-recipe.keras").get_layer("deepcnn")
    ours = backbones.build_backbone("deepcnn", 40, 1, make.WIDTH, str(path))
    for kept, loaded in zip(whole.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, loaded)
