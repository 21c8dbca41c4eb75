"""Why the paper's head learns so little from frozen VGG16 features: how many of its ReLU units answer 0 to every face.

    python tools/dead_units.py fer2013.csv outputs/filters/vgg16-hed/backbone.weights.h5 dead_units.json

Features of block 4 at 96 pixels with ImageNet's preprocessing, of some Training faces to learn from and some of
PublicTest to answer about; no augmentation, since the features are computed once. Then each head, with several seeds.
"""

import argparse
import json
import sys
from pathlib import Path

import keras

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import data, models, runs, training

HEADS = {  # name -> arguments of models.add_head
    "the paper's: dropout, 64, 32": {"strategy": "transfer"},
    "the same without dropout": {"strategy": "transfer", "dropout": 0.0},
    "one layer of 256 instead": {"strategy": "transfer", "units": (256,)},
    "the paper's for fine-tuning: batch norm, 64, 32, dropout": {"strategy": "finetune"},
}


def features(images, weights):
    """What block 4 of a frozen VGG16 makes of faces uint8 (n, 48, 48): float32 (n, 6, 6, 512)."""
    model = models.build_classifier(
        "vgg16",
        "transfer",
        input_size=96,
        channels=3,
        preprocessing="imagenet",
        augmentation="none",
        weights=weights,
        head_stage=4,
    )
    names = [layer.name for layer in model.layers]
    body = keras.Model(model.input, model.layers[names.index("vgg16") + 1].input)
    return body.predict(images, batch_size=64, verbose=0).astype("float32")


def train_head(head, seed, train, answered, epochs, rate):
    """A row: accuracy on both, and of each hidden layer how many units there are and how many never answer."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(train[0].shape[1:])
    model = keras.Model(inputs, models.add_head(inputs, "vgg16", **head))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(*train, 64, epochs, validation_data=answered, verbose=0).history
    hidden = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][:-1]
    dead = []
    for layer in hidden:
        answers = keras.Model(model.input, layer.output).predict(answered[0], verbose=0)
        dead.append(int((answers.max(axis=0) == 0).sum()))
    return {
        "seed": seed,
        "accuracy": round(history["accuracy"][-1], 4),
        "val_accuracy": round(history["val_accuracy"][-1], 4),
        "units": [layer.units for layer in hidden],
        "dead": dead,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("weights")
    parser.add_argument("report", type=Path)
    parser.add_argument("--train", type=int, default=2400)
    parser.add_argument("--answered", type=int, default=800)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    splits = data.apply_protocol(data.load_fer2013(given.data), "official")
    chosen = []
    for faces, count in ((splits.train, given.train), (splits.validation, given.answered)):
        part = faces.take(data.stratified_subset(faces.labels, count, 0))
        keras.config.set_dtype_policy(training.precision("auto"))
        chosen.append((features(part.images, given.weights), part.labels))
    keras.config.set_dtype_policy("float32")
    rows = {
        name: [train_head(head, seed, *chosen, given.epochs, given.rate) for seed in range(given.seeds)]
        for name, head in HEADS.items()
    }
    kept = {name: value for name, value in vars(given).items() if name not in ("data", "weights", "report")}
    report = {"command": "python tools/dead_units.py fer2013.csv backbone.weights.h5 dead_units.json", "settings": kept}
    report |= {"weights_checksum": runs.file_checksum(given.weights), "git_commit": runs.git_commit()}
    runs.write_json(given.report, report | {"versions": runs.versions(), "device": runs.device(), "heads": rows})
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
