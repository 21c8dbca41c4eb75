"""Images a second at the size that fills a GPU, beside the rate of a matrix product there, all in one run.

    KERAS_BACKEND=jax python tests/benchmarks/throughput.py outputs/reference/gpu/throughput.json

`make bench` asks the same of a processor, at a size for it. "fit" is notebook 08's training with loading, mixing and
augmentation; "constant" the same network without augmentation on one constant batch; "first": seconds of the epoch that
compiles. Nothing else should be running.
"""

import argparse
import statistics
import time
from pathlib import Path

import keras
import numpy as np
from bench_training import compiled

from fer_utils import runs, training
from fer_utils.ladder import recipes

POLICY = "mixed_bfloat16"
CASES = {  # recipe -> what is changed in it
    "mixup": "width=1.0 batch_size=256 learning_rate=0.2 warmup=5 light=0 dropout=0.3",
    "vgg16": "width=1.0 batch_size=64",
}


def matrix_rate(size, rounds=20):
    """Operations a second of a product of two square bfloat16 matrices: the median of some."""
    left, right = (keras.random.normal((size, size), dtype="bfloat16", seed=seed) for seed in (0, 1))
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.matmul(left, right)[0], "float32"))  # waits for it
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(seconds[1:])


def images_per_second(model, batches, images, epochs=4):
    """(in the fastest epoch after the first, seconds of the first)."""
    seconds = []
    for _ in range(epochs):
        began = time.perf_counter()
        model.fit(batches, verbose=0, shuffle=False)
        seconds.append(time.perf_counter() - began)
    return images / min(seconds[1:]), seconds[0]


class Constant(training.Batches):
    """As many batches, all of them the first."""

    def __getitem__(self, index):
        return self.images[: self.batch_size], self.targets[: self.batch_size]


def measure(name, changes, count):
    recipe, draw = recipes.read_recipe(name, changes), np.random.default_rng(0)
    images = draw.integers(0, 256, (count, 48, 48), dtype="uint8")
    targets = np.eye(7, dtype="float32")[draw.integers(0, 7, count)]
    row = {"recipe": name, "changes": changes, "policy": POLICY}
    for kind, make in (("fit", training.Batches), ("constant", Constant)):
        model = compiled(name, augmented=kind == "fit", policy=POLICY, changes=changes)
        batches = make(images, targets, recipe.batch_size, mixup=recipe.mixup)
        seen = count if kind == "fit" else len(batches) * min(recipe.batch_size, count)
        row[f"{kind}_images_s"], row[f"{kind}_first_s"] = images_per_second(model, batches, seen)
    return row | {"fraction": row["fit_images_s"] / row["constant_images_s"]}


def changed(changes, others):
    """CHANGES in which `others` stand in the place of a case's own."""
    settings = dict(word.split("=") for word in f"{changes} {others}".split())
    return " ".join(f"{name}={value}" for name, value in settings.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--images", type=int, default=28_709, help="as many as FER-2013 has for training")
    parser.add_argument("--matrix", type=int, default=8192)
    parser.add_argument("--changes", default="", help="further changes of the recipes, such as width=0.02 for a trial")
    given = parser.parse_args()
    report = {"matrix_tflops": matrix_rate(given.matrix) / 1e12}
    report["rows"] = [measure(name, changed(changes, given.changes), given.images) for name, changes in CASES.items()]
    report |= {"git_commit": runs.git_commit(), "versions": runs.versions(), "device": runs.device()}
    runs.write_json(given.report, report)


if __name__ == "__main__":
    main()
