"""Writes the models that later versions must still load: `python tests/saved/make.py 0.1.0` into tests/saved/0.1.0/.

Run it once for a version, before that version is released; a folder that exists is left as it is. Each model is tiny
and lies beside what it answers to a few images.
"""

import sys
import zipfile
from pathlib import Path

import keras
import numpy as np

from fer_utils import models

HERE = Path(__file__).resolve().parent
WIDTH = 0.02
IMAGES = (np.random.default_rng(5).integers(0, 85, (3, 48, 48)) + [[[0]], [[85]], [[170]]]).astype("uint8")
RECIPE = {
    "crop": 40,
    "head": "average",
    "augmentation": {"flip": True, "rotation": 10.0, "erasing": 0.5, "contrast": 0.2},
}
# name -> architecture, strategy, what else the builder is given: one of every kind that the notebooks save
KINDS = {
    "vgg16-scratch": ("vgg16", "scratch", {}),
    "resnet50-finetune": ("resnet50", "finetune", {"width": 0.0625, "input_size": 64, "head_units": (8,)}),
    "deepcnn-recipe": ("deepcnn", "scratch", RECIPE),
}


def built(name):
    """One of KINDS, as it is before training."""
    architecture, strategy, options = KINDS[name]
    keras.utils.set_random_seed(7)
    return models.build_classifier(architecture, strategy, **{"width": WIDTH, **options})


def model_of(name):
    """One of KINDS, trained until it tells the images apart; only the first has its optimizer beside it."""
    model = built(name)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy")
    model.fit(np.repeat(IMAGES, 8, axis=0), np.repeat([0, 3, 6], 8), epochs=30, verbose=0)
    if name == next(iter(KINDS)):
        return model
    bare = built(name)  # what is compiled is saved with its optimizer, whatever `include_optimizer` says
    bare.set_weights(model.get_weights())
    return bare


def save(model, path):
    """As Keras saves it, but compressed: git keeps for good what is once in it."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def main(version):
    folder = HERE / version
    folder.mkdir()
    answers = {}
    for name in KINDS:
        model = model_of(name)
        save(model, folder / f"{name}.keras")
        answers[name] = model.predict(IMAGES, verbose=0)
        if name == "deepcnn-recipe":
            model.get_layer("deepcnn").save_weights(folder / "backbone.weights.h5")
    np.savez(folder / "answers.npz", **answers)


if __name__ == "__main__":
    main(sys.argv[1])
