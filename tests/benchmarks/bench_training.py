"""A training epoch with all that happens around the network, against the network alone on one constant batch."""

import keras
import numpy as np
import pytest

from fer_utils import models, recipes, training

BATCH = 64


def compiled(name, augmented, policy="float32", xla=training.COMPILE_WITH_XLA, **compile_options):
    recipe = recipes.read_recipe(name)
    training.set_seeds(0)
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
    )
    keras.config.set_dtype_policy("float32")
    optimizer = training.make_optimizer(recipe, 100)
    model.compile(
        optimizer,
        keras.losses.CategoricalCrossentropy(),
        metrics=["accuracy"],
        jit_compile=xla,
        **compile_options,
    )
    return model


@pytest.fixture(params=["vgg16", "erasing", "mixup"])
def name(request):
    return request.param


def targets(train):
    return np.eye(7, dtype="float32")[train.labels]


def bench_fit(benchmark, name, train):
    """Shuffling, mixing, augmentation, batches and metrics, as notebook 08 does it."""
    benchmark.group = f"training {len(train):,} images, recipe {name}"
    model, recipe = compiled(name, augmented=True), recipes.read_recipe(name)

    def epoch():
        batches = training.Batches(train.images, targets(train), BATCH, mixup=recipe.mixup)
        model.fit(batches, shuffle=False, verbose=0)

    benchmark.pedantic(epoch, rounds=3, warmup_rounds=1)


def bench_baseline_constant_batch(benchmark, name, train):
    benchmark.group = f"training {len(train):,} images, recipe {name}"
    model = compiled(name, augmented=False)
    images, labels = train.images[:BATCH], targets(train)[:BATCH]

    def steps():
        for _ in range(len(train) // BATCH):
            model.train_on_batch(images, labels)

    benchmark.pedantic(steps, rounds=3, warmup_rounds=1)
