"""Train heads on a frozen VGG16 with ImageNet's filters, to choose size, stage and head by PublicTest alone.

    python tools/frozen.py fer2013.csv outputs/filters/vgg16-hed/backbone.weights.h5 --size 96

The features of stages 3, 4 and 5 are computed once, for the original images and for augmented versions. They are kept
in outputs/frozen, so that a stopped run can resume. Then every head is trained on them nearly as in notebook 04; the
differences are float32, and a first epoch of augmented faces. PrivateTest is never opened. The tool adds rows to
outputs/reference/frozen/heads.csv, adds each head's predictions for PublicTest to answers.npz in the same folder, and
prints the whole table. Training without the duplicates in Training (--without twins others) separates memory from
ease: ``tools/memory.py outputs/reference/frozen``.
"""

import argparse
import itertools
import json
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import results
from circumstances import circumstances
from heads import KEY, answered, keep, public_test, read_table

from fer_utils import data, evaluation, models, runs, training
from fer_utils.names import CHOICES
from fer_utils.runs import lock

HEADS = {  # name -> arguments of ``models.add_head``, as HEAD and HEAD_UNITS of notebook 04
    "paper": {},  # dropout, 64, 32
    "256": {"units": (256,)},
    "batch norm": {"head": "batch_norm"},  # the paper's head for fine-tuning: batch norm, 64, 32, dropout
    "batch norm, 256": {"head": "batch_norm", "units": (256,)},
}
STAGES = (3, 4, 5)
WITHOUT = "images left out of Training (TRAIN_WITHOUT of notebook 04)"
REFERENCE = runs.PROJECT_ROOT / "outputs/reference/frozen"
WORK = runs.PROJECT_ROOT / "outputs/frozen"


def body_of(size, preprocessing, weights):
    """Return a frozen network from faces uint8 (n, 48, 48) to all stages' features, and stage -> its columns."""
    model = models.build_classifier(
        "vgg16", "transfer", input_size=size, channels=3, preprocessing=preprocessing, weights=weights
    )
    backbone = model.get_layer("vgg16")
    models.freeze(backbone)
    prepared = model.layers[model.layers.index(backbone) - 1].output
    ends = [keras.layers.Flatten()(backbone.get_layer(f"block{stage}_pool").output) for stage in STAGES]
    features = keras.Model(backbone.input, keras.layers.Concatenate()(ends), name="stages")(prepared)
    edges = np.cumsum([0, *(end.shape[1] for end in ends)])
    columns = {stage: slice(*pair) for stage, pair in zip(STAGES, itertools.pairwise(edges), strict=True)}
    return keras.Model(model.input, features, name="body"), columns


def stored(body, faces, versions, work, name):
    """Return the features of each version, float16 (n, ...), from work/name-version.npy.

    If a file is missing, all versions are computed in one go, since their random augmentation is one sequence.
    """
    paths = [work / f"{name}-{version}.npy" for version in range(versions)]
    if not all(path.exists() for path in paths):
        work.mkdir(parents=True, exist_ok=True)
        for path, features in zip(paths, training.frozen_features(body, faces.images, versions), strict=True):
            runs.write_whole(path, lambda stream, features=features: np.save(stream, features))
    return [np.load(path, mmap_mode="r") for path in paths]


def stage_of(versions, columns, rows):
    """Return each version's features of one stage and some images, in memory: reading batches from a file is slow."""
    return [np.ascontiguousarray(version[:, columns][rows]) for version in versions]


def train_head(options, rate, epochs, seed, batches, seen, labels):
    """Train a head; return its row of results and its predictions for PublicTest, uint8 (n,), at its best epoch.

    seen, labels: the features and labels of PublicTest. dead units: hidden units that are 0 for all of its faces.
    """
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(seen.shape[1:])
    head = keras.Model(inputs, models.add_head(inputs, "vgg16", "transfer", **options))
    head.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2),
        keras.callbacks.EarlyStopping(monitor="val_accuracy", patience=10, restore_best_weights=True),
    ]
    started = time.perf_counter()
    fitted = head.fit(
        batches, epochs=epochs, validation_data=(seen, labels), callbacks=callbacks, shuffle=False, verbose=0
    )
    history = pd.DataFrame(fitted.history)
    best = history["val_accuracy"].idxmax()
    hidden = [layer.output for layer in head.layers if isinstance(layer, keras.layers.Dense)][:-1]
    units = np.concatenate([keras.Model(inputs, layer).predict(seen, verbose=0).max(axis=0) for layer in hidden])
    answers = head.predict(seen, verbose=0).argmax(axis=1).astype("uint8")  # with the best epoch's weights
    right = int((answers == labels).sum())
    if abs(right - history["val_accuracy"][best] * len(labels)) > 2:  # rounding may change a prediction
        raise RuntimeError(f"{right} predictions are right, which is not the number of the best epoch: {history}")
    row = {
        "right": right,
        "n": len(labels),
        "PublicTest %": round(100 * right / len(labels), 2),
        "Training %": round(100 * float(history["accuracy"][best]), 2),
        "best epoch": int(best) + 1,
        "dead units": f"{(units == 0).sum()} of {len(units)}",
        "seconds": round(time.perf_counter() - started),
    }
    return row, answers


def train_heads(given, seed, versions, labels, shown, seen_labels):
    """Train each head at each rate on the same features; yield (head, rate, row, answers), as from ``train_head``."""
    for head, rate in itertools.product(given.head, given.rate):
        batches = training.Batches(versions, labels, 64, seed)
        yield head, rate, *train_head(HEADS[head], rate, given.epochs, seed, batches, shown, seen_labels)


def markdown(table, answers):
    """Return the table of docs/full-scale.md, one row per trained head.

    answers: from ``answered``. A head without answers has no accuracy on the faces without a duplicate in Training.
    """
    _, labels, twins = public_test()
    header = ["pixels", "preprocessing", "stage", "head", "rate", "Training lacks", "seed", "epoch"]
    header += ["Training %", "PublicTest %", "95 %", "without a duplicate %", "dead units"]
    rows = []
    for row in table.to_dict("records"):
        low, high = evaluation.wilson_interval(row["right"], row["n"])
        kept = [row[name] for name in ("size", "preprocessing", "stage", "head", "rate", "without", "seed")]
        own = answers.get(tuple(row[name] for name in KEY))
        shares = [
            row["best epoch"],
            f"{row['Training %']:.1f}",
            f"{100 * row['right'] / row['n']:.1f}",
            f"{100 * low:.1f} to {100 * high:.1f}",
            "" if own is None else f"{100 * (own == labels)[~twins].mean():.1f}",
        ]
        rows.append([*kept, *shares, row["dead units"]])
    return results.markdown(header, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("weights")
    parser.add_argument("--size", type=int, nargs="+", default=[96])
    parser.add_argument("--preprocessing", nargs="+", default=["imagenet"], choices=CHOICES["PREPROCESSING"])
    parser.add_argument("--stage", type=int, nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument("--versions", type=int, default=2, help="of each image; 1 for the original image alone")
    parser.add_argument("--head", nargs="+", default=list(HEADS), choices=list(HEADS))
    parser.add_argument("--rate", type=float, nargs="+", default=[1e-4])
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--without", nargs="+", default=["none"], choices=["none", "twins", "others"], help=WITHOUT)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--images", type=int, default=0, help="of each split, to try the tool; needs --out")
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--out", type=runs.resolve, default=REFERENCE)
    given = parser.parse_args()
    if given.images and given.out == REFERENCE:
        parser.error("--images is for trying the tool: name another folder with --out")
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        lock.hold(given.out)  # two tools at once would overwrite each other's rows
    except lock.HeldError as error:
        parser.error(f"{given.out}: {error}")
    made = circumstances(network="VGG16", weights_checksum=runs.file_checksum(given.weights))
    faces = data.load_fer2013(given.data)
    splits = data.apply_protocol(faces, "official", given.images)
    train, seen = splits.train, splits.validation
    row_ids, labels, _ = public_test()
    whole = np.array_equal(seen.row_ids, row_ids) and np.array_equal(seen.labels, labels)
    if not whole and not given.images:
        parser.error(f"{given.data}: its PublicTest is not that of fer2013.csv in its order. Give that file")
    kept = {
        (without, seed): data.apply_protocol(faces, "official", 0, seed, without).train.row_ids
        for without, seed in itertools.product(given.without, given.seed)
    }
    table = given.out / "heads.csv"
    rows = read_table(table).to_dict("records") if table.exists() else []
    about = given.out / "heads.json"
    earlier = json.loads(about.read_text(encoding="utf-8")) if about.exists() else {}
    if any(other["weights_checksum"] != made["weights_checksum"] for other in earlier.values()):
        parser.error(f"{given.out}: holds heads on other weights. Name another folder with --out")
    for size, preprocessing in itertools.product(given.size, given.preprocessing):
        keras.config.set_dtype_policy(training.precision("auto"))
        body, columns = body_of(size, preprocessing, given.weights)
        name = f"{made['weights_checksum'][:8]}-{faces.checksum[:8]}-{size}-{preprocessing}-{given.images or 'all'}"
        versions = stored(body, train, given.versions, given.work, f"{name}-Training")
        (shown,) = stored(body, seen, 1, given.work, f"{name}-PublicTest")
        keras.config.set_dtype_policy("float32")
        for stage, seed, without in itertools.product(given.stage, given.seed, given.without):
            chosen = np.isin(train.row_ids, kept[without, seed])
            features = stage_of(versions, columns[stage], chosen)
            (seen_features,) = stage_of([shown], columns[stage], slice(None))
            trained = train_heads(given, seed, features, train.labels[chosen], seen_features, seen.labels)
            del features  # gigabytes, which the generator frees at its end
            for head, rate, found, answers in trained:
                key = (size, preprocessing, stage, given.versions, head, rate, given.epochs, without, seed)
                rows = [row for row in rows if tuple(row[word] for word in KEY) != key]
                rows.append({**dict(zip(KEY, key, strict=True)), **found, "commit": made["commit"]})
                if whole:
                    keep(given.out, key, answers)
                text = pd.DataFrame(rows).sort_values(KEY).to_csv(index=False)
                runs.write_whole(table, lambda stream, text=text: stream.write(text.encode()))
                runs.write_json(about, {**earlier, made["command"]: made})
                print(rows[-1], flush=True)
    print(markdown(read_table(table), answered(given.out)))


if __name__ == "__main__":
    main()
