"""A training epoch with all that happens around the network, against the network alone on one constant batch."""

import time

import keras
import numpy as np
import pytest

from fer_utils import models, training
from fer_utils.ladder import recipes
from fer_utils.ladder.optimizer import make_optimizer
from fer_utils.models import backbones


def compiled(name, augmented, policy="float32", xla=None, changes="", **compile_options):
    recipe = recipes.read_recipe(name, changes)
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    model = models.build_classifier(
        recipe.architecture,
        "scratch",
        input_size=recipe.input_size,
        width=recipe.width,
        augmentation=recipe.augmentation_ranges(models.AUGMENTATIONS) if augmented else "none",
        head=recipe.head,
        dropout=recipe.dropout,
        crop=recipe.crop,
        answer_crop=recipe.answer_crop,
        any_size=recipe.head == "average",
    )
    keras.config.set_dtype_policy("float32")
    optimizer = make_optimizer(recipe, 100)
    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(),
        metrics=["accuracy"],
        jit_compile=training.compile_with_xla() if xla is None else xla,
        **compile_options,
    )
    return model


@pytest.fixture(params=["vgg16", "erasing", "mixup", "mixup in bfloat16"])
def case(request):
    """A recipe's name, and the precision."""
    name, _, policy = request.param.partition(" in ")
    return name, f"mixed_{policy}" if policy else "float32"


def targets(train):
    return np.eye(7, dtype="float32")[train.labels]


def bench_fit(benchmark, case, train):
    """Shuffling, mixing, augmentation, batches and metrics, as notebook 08 does it, against the network alone."""
    name, policy = case
    recipe = recipes.read_recipe(name)
    epoch = epochs(compiled(name, augmented=True, policy=policy), recipe, train)
    benchmark.group = f"training {len(train):,} images, recipe {name}, {policy}"
    in_pairs(benchmark, epoch, "constant_batch", on_constant_batch(name, policy, train, recipe.batch_size))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX has Keras' own")
@pytest.mark.parametrize("name", ["race", "vgg16"])
def bench_kernel_gradients(benchmark, name, train, monkeypatch):
    """Products of matrices where our convolution takes them, against Keras' own, in bfloat16."""
    rung, changes = {"race": ("crop", "answer_crop=48 batch_size=128"), "vgg16": ("vgg16", "width=1")}[name]
    recipe = recipes.read_recipe(rung, changes)
    ours = epochs(compiled(rung, True, "mixed_bfloat16", changes=changes), recipe, train)
    monkeypatch.setattr(backbones, "Conv2D", keras.layers.Conv2D)
    keras_own = epochs(compiled(rung, True, "mixed_bfloat16", changes=changes), recipe, train)
    benchmark.group = f"an epoch of {len(train):,} images, {name}, bfloat16: gradients of kernels"
    in_pairs(benchmark, ours, "keras_own", keras_own)


def epochs(model, recipe, train):
    """A function that trains `model` for an epoch."""

    def epoch():
        batches = training.Batches(train.images, targets(train), recipe.batch_size, mixup=recipe.mixup)
        model.fit(batches, shuffle=False, verbose=0)

    return epoch


def in_pairs(benchmark, own, name, baseline):
    """Time `own` right after its baseline, five times.

    What is looked for is less than a shared machine's pace varies by from one minute to the next.
    """
    seconds = []

    def timed():
        start = time.perf_counter()
        baseline()
        seconds.append(time.perf_counter() - start)

    benchmark.pedantic(own, setup=timed, rounds=5, warmup_rounds=1)
    benchmark.extra_info.update(baseline=f"baseline_{name}", baseline_seconds=seconds[1:])  # [0]: the warm-up's


def on_constant_batch(name, policy, train, size):
    """A function that trains the recipe's network as often on one and the same batch, without augmentation."""
    model = compiled(name, augmented=False, policy=policy)
    images, labels = train.images[:size], targets(train)[:size]

    def steps():
        for _ in range(len(train) // size):
            model.train_on_batch(images, labels)

    return steps
