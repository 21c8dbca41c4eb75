import functools
import inspect

import keras
import numpy as np
import pytest

from fer_utils import models
from fer_utils.models import backbones, layers
from fer_utils.names import CHOICES, STRATEGIES

APPLICATIONS = {
    "vgg16": keras.applications.VGG16,
    "resnet50": keras.applications.ResNet50,
    "efficientnetb0": keras.applications.EfficientNetB0,
}
PAPERS = ("vgg16", "resnet50")
# Parameters without the top at width 1.0 with three channels, as keras.applications documents them.
# vgg16bn: batch norm's four numbers a channel instead of one bias. deepcnn, smallcnn: their 3x3
# kernels, and again those four.
BACKBONE_PARAMETERS = {
    "vgg16": 14_714_688,
    "resnet50": 23_587_712,
    "efficientnetb0": 4_049_571,
    "vgg16bn": 14_714_688 + 3 * 4_224,
    "deepcnn": 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128**2 + 128 * 256 + 2 * 256**2 + 256 * 512 + 2 * 512**2) + 4 * 2_688,
    "smallcnn": 9 * (3 * 16 + 16**2 + 16 * 32 + 3 * 32**2 + 32 * 48 + 2 * 48**2) + 4 * 304,
}


def reference(architecture, size=48):
    return APPLICATIONS[architecture](include_top=False, weights=None, input_shape=(size, size, 3))


@pytest.fixture(scope="module", params=PAPERS)
def architecture(request):
    return request.param


def with_random_statistics(backbone):
    rng = np.random.default_rng(0)
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return backbone


@functools.cache
def backbone_of(architecture, size, channels):
    """A narrow backbone, shared by the tests below, since it takes seconds."""
    width = 1.0 if architecture == "efficientnetb0" else 0.0625
    return with_random_statistics(backbones.build_backbone(architecture, size, channels, width))


@pytest.fixture
def shared_backbones(monkeypatch):
    """``backbone_of`` below every head: for tests that change no weight and freeze nothing."""
    monkeypatch.setattr(models.classifier, "build_backbone", lambda *given: backbone_of(*given[:3]))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="a minute: JAX compiles how weights are drawn")
def test_every_builder_has_its_parameter_count_pinned():
    assert set(BACKBONE_PARAMETERS) == set(backbones.BACKBONES)
    for name in set(BACKBONE_PARAMETERS) - set(PAPERS):  # theirs: below
        assert models.build_backbone(name, 48, 3).count_params() == BACKBONE_PARAMETERS[name], name


@pytest.fixture(scope="module")
def full_width(architecture):
    """Our backbone and that of keras.applications: built once, since drawing their weights takes seconds."""
    return models.build_backbone(architecture, 48, 3), reference(architecture)


def test_full_width_backbone_is_the_published_network(full_width, architecture):
    ours, theirs = full_width
    assert ours.count_params() == theirs.count_params() == BACKBONE_PARAMETERS[architecture]
    assert [layer.name for layer in ours.layers][1:] == [layer.name for layer in theirs.layers][1:]


def test_equal_weights_give_equal_outputs(full_width):
    ours, theirs = full_width
    rng = np.random.default_rng(0)
    for layer in theirs.layers:  # random batch-norm statistics too, else a wrong epsilon would not show
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    ours.set_weights(theirs.get_weights())
    images = rng.uniform(0, 1, (2, 48, 48, 3)).astype("float32")
    expected = keras.ops.convert_to_numpy(theirs(images))
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours(images)), expected, rtol=1e-4, atol=1e-5)


# Parameters of the backbone up to each stage, at width 1.0 with three channels, by hand. A 3x3 convolution from c to f
# channels has 9cf + f; a bottleneck of He et al. with its batch norms cf + 13ff + 30f, and 4cf + 20f more to project:
# VGG16's blocks      38,720 + 221,440 + 1,475,328 | + 5,899,776 | + 7,079,424
# ResNet50's stages    9,728 + 220,032 + 1,230,336 | + 7,129,088 | + 14,998,528
STAGE_PARAMETERS = {
    "vgg16": {3: 1_735_488, 4: 7_635_264, 5: 14_714_688},
    "resnet50": {3: 1_460_096, 4: 8_589_184, 5: 23_587_712},
}
# What a face of 48x48 pixels becomes: (places a side, channels).
STAGE_OUTPUTS = {
    "vgg16": {3: (6, 256), 4: (3, 512), 5: (1, 512)},
    "resnet50": {3: (6, 512), 4: (3, 1024), 5: (2, 2048)},
}


def test_a_head_may_stand_on_an_earlier_stage_and_the_backbone_below_is_frozen(full_width, architecture, monkeypatch):
    built = {(architecture, 48, 3, 1.0, None): full_width[0]}
    monkeypatch.setattr(models.classifier, "build_backbone", lambda *given: built[given])
    for stage, count in STAGE_PARAMETERS[architecture].items():
        full_width[0].trainable = True
        model = models.build_classifier(architecture, "transfer", channels=3, head="average", head_stage=stage)
        backbone = model.get_layer(architecture)
        assert backbone.count_params() == count
        side, channels = STAGE_OUTPUTS[architecture][stage]
        assert backbone.output_shape == (None, side, side, channels)
        in_head = 7 * (channels + 1)
        assert model.count_params() == count + in_head
        models.freeze(backbone)
        assert models.parameter_counts(model) == (in_head, count)


@pytest.mark.usefixtures("shared_backbones")
@pytest.mark.parametrize(
    ("strategy", "architecture", "dense_units"),
    [
        ("scratch", "vgg16", [512, 512, 7]),  # 4096 at an eighth of the width
        ("transfer", "vgg16", [64, 32, 7]),
        ("finetune", "vgg16", [64, 32, 7]),
        ("scratch", "resnet50", [128, 64, 7]),
        ("transfer", "resnet50", [128, 7]),
        ("finetune", "resnet50", [64, 32, 7]),
    ],
)
def test_head_of_each_arm_is_the_papers(strategy, architecture, dense_units):
    model = models.build_classifier(architecture, strategy, channels=3, width=0.125)
    head = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in head] == dense_units
    assert head[-1].activation is keras.activations.softmax
    kinds = [type(layer).__name__ for layer in model.layers]
    has_batch_norm = (architecture, strategy) == ("vgg16", "finetune")
    assert ("BatchNormalization" in kinds) is has_batch_norm
    assert kinds.count("Dropout") == (2 if (architecture, strategy) == ("vgg16", "scratch") else 1)


@pytest.mark.usefixtures("shared_backbones")
def test_model_takes_raw_faces_and_gives_probabilities(architecture):
    model = models.build_classifier(architecture, "transfer", input_size=64, channels=3, width=0.125)
    faces = np.random.default_rng(1).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    probabilities = keras.ops.convert_to_numpy(model(faces))
    assert probabilities.shape == (3, 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    # augmentation must not act outside training
    np.testing.assert_array_equal(probabilities, keras.ops.convert_to_numpy(model(faces)))


LIGHT = {"flip": True, "rotation": 10.0, "brightness": 0.3, "contrast": 0.3, "erasing": 1.0}
RECIPES = {
    "48 pixels": {},
    "64 pixels": {"input_size": 64},
    "no augmentation": {"input_size": 64, "augmentation": "none"},
    "light": {"augmentation": LIGHT},
    "crop": {"crop": 40, "input_size": 64},
    "light crop": {"crop": 40, "input_size": 64, "augmentation": LIGHT},
    "answer crop": {"crop": 40, "answer_crop": 48, "input_size": 0, "augmentation": LIGHT},
}


def one_convolution(_architecture, size, channels, *_):
    """Stands for a backbone where what lies before it is tested: one convolution with batch norm."""
    inputs = keras.Input((size, size, channels))
    features = layers.BatchNormalization()(keras.layers.Conv2D(8, 3)(inputs))
    return with_random_statistics(keras.Model(inputs, features, name="deepcnn"))


@pytest.fixture
def recipe_network(monkeypatch):
    """Makes the network of one of RECIPES, of ``one_convolution``."""
    monkeypatch.setattr(models.classifier, "build_backbone", one_convolution)

    def make(recipe):
        return models.build_classifier("deepcnn", "scratch", head="average", any_size=True, **RECIPES[recipe])

    return make


def assert_answers_as_predicted(model):
    """model(x), its answer outside training, and no weight of it moved."""
    faces = np.random.default_rng(1).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    before = model.get_weights()
    plain = keras.ops.convert_to_numpy(model(faces))
    assert plain.std(axis=0).max() > 1e-6  # it does look at the faces
    np.testing.assert_allclose(plain, keras.ops.convert_to_numpy(model(faces, training=False)), atol=1e-6)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return faces, plain


# The comparators have one head for all strategies.
ARMS = [(name, strategy) for name in PAPERS for strategy in (*STRATEGIES, "pretrain")]
ARMS += [(name, "scratch") for name in backbones.BACKBONES if name not in PAPERS]


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="two minutes: JAX compiles each operation of a plain call")
@pytest.mark.parametrize(("name", "strategy"), ARMS)
@pytest.mark.usefixtures("shared_backbones")
def test_a_call_is_no_training_whatever_the_network(name, strategy):
    assert_answers_as_predicted(models.build_classifier(name, strategy, channels=3, width=0.0625, input_size=64))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_call_is_no_training_whatever_the_recipe(recipe_network, recipe):
    model = recipe_network(recipe)
    faces, plain = assert_answers_as_predicted(model)
    np.testing.assert_allclose(plain, model.predict(faces, verbose=0), atol=1e-5)
    assert_answers_as_predicted(models.at_size(model, 32))


@pytest.mark.parametrize("recipe", ["light crop", "answer crop"])
def test_fit_still_tells_every_layer_that_it_trains(recipe_network, recipe, monkeypatch):
    model, told = recipe_network(recipe), {}

    def listen(layer, call):
        def heard(*given, training=None, **named):
            told.setdefault(type(layer).__name__, set()).add(training)
            return call(*given, training=training, **named)

        monkeypatch.setattr(layer, "call", heard)

    for layer in model._flatten_layers(include_self=False):
        if "training" in inspect.signature(layer.call).parameters:
            listen(layer, layer.call)
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(np.zeros((4, 48, 48), np.uint8), np.arange(4), verbose=0)
    crops = {"CenterCrop", "Resizing"} if recipe == "light crop" else {"TrainingCrop"}
    lights = {"Sequential", "RandomAffine", "RandomBrightness", "RandomContrast", "RandomErasing"}
    assert set(told) == crops | lights | {"Functional", "BatchNormalization", "Dropout", "Dense"}
    assert all(True in heard for heard in told.values()), told  # JAX builds the model with False before


def test_vgg16_starts_from_filters_that_ignore_the_common_mean():
    kernel = models.build_backbone("vgg16", 48, 3, 0.25).get_layer("block3_conv1").get_weights()[0]
    np.testing.assert_allclose(kernel.mean(axis=(0, 1, 2)), 0, atol=1e-7)
    fan_in = np.prod(kernel.shape[:3])
    assert kernel.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.05)  # He's scale is kept


def test_residual_blocks_start_as_their_shortcut():
    backbone = models.build_backbone("resnet50", 48, 3, 0.125)
    images = np.random.default_rng(0).uniform(0, 1, (2, 48, 48, 3)).astype("float32")
    names = ("conv3_block1_out", "conv3_block4_out")
    outputs = keras.Model(backbone.inputs, [backbone.get_layer(name).output for name in names])(images)
    first, last = (keras.ops.convert_to_numpy(output) for output in outputs)
    assert np.abs(first).max() > 0
    np.testing.assert_array_equal(first, last)


def prepared(images, **keywords):
    inputs = keras.Input(images.shape[1:], dtype="uint8")
    outputs = models.prepare(inputs, **keywords)
    return keras.ops.convert_to_numpy(keras.Model(inputs, outputs)(images))


def test_rescale_is_division_by_255():
    images = np.array([0, 51, 255], np.uint8).reshape(1, 3, 1, 1).repeat(3, axis=2)
    result = prepared(images, input_size=3, channels=1, preprocessing="rescale")
    np.testing.assert_allclose(result[0, :, 0, 0], [0, 0.2, 1], atol=1e-6)


def test_imagenet_preprocessing_is_that_of_the_checkpoints():
    images = np.random.default_rng(2).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    result = prepared(images, input_size=40, channels=3, preprocessing="imagenet")
    expected = keras.applications.vgg16.preprocess_input(images.astype("float32"))
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_gray_becomes_three_equal_channels_and_bilinear_halfway_values():
    images = np.array([[0, 100], [100, 200]], np.uint8).reshape(1, 2, 2, 1)
    result = prepared(images, input_size=4, channels=3, preprocessing="rescale") * 255
    np.testing.assert_allclose(result[..., 0], result[..., 2])
    # pixel centres of the enlarged row lie at -0.25, 0.25, 0.75, 1.25 of the old ones
    np.testing.assert_allclose(result[0, 0, :, 0], [0, 25, 75, 100], atol=1e-3)


@pytest.mark.parametrize("preprocessing", CHOICES["PREPROCESSING"])
@pytest.mark.parametrize("size", [70, 20])
def test_images_are_scaled_before_they_are_resized_which_changes_nothing(preprocessing, size):
    images = np.random.default_rng(3).integers(0, 256, (2, 40, 40, 1), dtype=np.uint8)
    resized = keras.ops.image.resize(images.astype("float32"), (size, size), interpolation="bilinear")
    rgb = keras.ops.convert_to_numpy(resized).repeat(3, axis=-1)
    expected = rgb / 255 if preprocessing == "rescale" else keras.applications.vgg16.preprocess_input(rgb.copy())
    result = prepared(images, input_size=size, channels=3, preprocessing=preprocessing)
    np.testing.assert_allclose(result, expected, atol=2e-4)
    model = models.build_classifier("deepcnn", "scratch", input_size=size, image_shape=(40, 40), width=0.02)
    names = [layer.name for layer in model.layers]
    assert names.index("rescale") + 1 == names.index("resize") == names.index("deepcnn") - 1


@pytest.mark.usefixtures("shared_backbones")
@pytest.mark.parametrize(
    ("strategy", "architecture", "dense_units", "kinds"),
    [
        ("finetune", "resnet50", [256, 7], ["Flatten", "Dense", "Dropout", "Dense"]),
        ("finetune", "vgg16", [256, 7], ["Flatten", "BatchNormalization", "Dense", "Dropout", "Dense"]),
    ],
)
def test_a_head_of_other_units_keeps_the_rest_of_the_papers(strategy, architecture, dense_units, kinds):
    model = models.build_classifier(
        architecture, strategy, channels=3, width=0.125, head_units=models.read_units("256"), dropout=0.25
    )
    head = model.layers[model.layers.index(model.get_layer(architecture)) + 1 :]
    assert [type(layer).__name__ for layer in head] == kinds
    assert [layer.units for layer in head if isinstance(layer, keras.layers.Dense)] == dense_units
    assert [layer.rate for layer in head if isinstance(layer, keras.layers.Dropout)] == [0.25]


@pytest.mark.usefixtures("shared_backbones")
@pytest.mark.parametrize("architecture", ["vgg16", "resnet50"])
def test_the_batch_norm_head_is_the_papers_for_fine_tuning_vgg16(architecture):
    def head_of(name, strategy, **options):
        model = models.build_classifier(name, strategy, channels=3, width=0.125, **options)
        after = model.layers[model.layers.index(model.get_layer(name)) + 1 :]
        return [(type(layer).__name__, getattr(layer, "units", None)) for layer in after]

    published = head_of("vgg16", "finetune")
    assert [name for name, _ in published] == ["Flatten", "BatchNormalization", "Dense", "Dense", "Dropout", "Dense"]
    assert head_of(architecture, "transfer", head="batch_norm") == published


@pytest.mark.usefixtures("shared_backbones")
def test_batch_norm_leaves_vgg16s_head_as_it_is():
    plain, normalized = (models.build_classifier(name, "scratch", width=0.0625) for name in ("vgg16", "vgg16bn"))
    heads = [
        [(type(layer), getattr(layer, "units", None)) for layer in model.layers[model.layers.index(backbone) + 1 :]]
        for model, backbone in ((plain, plain.get_layer("vgg16")), (normalized, normalized.get_layer("vgg16bn")))
    ]
    assert heads[0] == heads[1]
    assert [units for _, units in heads[0] if units] == [256, 256, 7]


@pytest.mark.usefixtures("shared_backbones")
def test_average_head_is_pooling_and_one_dense_layer():
    model = models.build_classifier("vgg16", "scratch", width=0.0625, head="average")
    head = model.layers[model.layers.index(model.get_layer("vgg16")) + 1 :]
    assert [type(layer).__name__ for layer in head] == ["GlobalAveragePooling2D", "Dropout", "Dense"]


def test_crop_keeps_the_middle_and_leaves_the_rest_unseen():
    model = models.build_classifier("deepcnn", "scratch", input_size=0, width=0.0625, crop=40, augmentation="none")
    assert model.get_layer("deepcnn").input_shape == (None, 40, 40, 1)
    faces = np.random.default_rng(0).integers(0, 256, (2, 48, 48), dtype=np.uint8)
    framed = np.pad(faces[:, 4:44, 4:44], ((0, 0), (4, 4), (4, 4)))
    answers = [keras.ops.convert_to_numpy(model(images)) for images in (faces, framed, np.roll(faces, 1, axis=1))]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert np.abs(answers[0] - answers[2]).max() > 0


def test_a_network_trained_on_crops_may_answer_on_the_whole_face(tmp_path):
    arguments = {"input_size": 0, "width": 0.0625, "head": "average", "dropout": 0.0, "augmentation": "none"}
    cropped = models.build_classifier("deepcnn", "scratch", crop=40, any_size=True, **arguments)
    whole = models.build_classifier("deepcnn", "scratch", any_size=True, **arguments)
    both = models.build_classifier("deepcnn", "scratch", crop=40, answer_crop=48, **arguments)
    for model in (whole, both):
        model.set_weights(cropped.get_weights())
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    np.testing.assert_allclose(both.predict(faces, verbose=0), whole.predict(faces, verbose=0), atol=1e-6)
    answers = [keras.ops.convert_to_numpy(model(faces, training=True)) for model in (both, cropped, whole)]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)
    assert np.abs(answers[0] - answers[2]).max() > 1e-4
    both.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(faces, verbose=0), both.predict(faces, verbose=0))


def test_other_sizes_share_every_weight_and_answer_alike_at_the_same_size():
    arguments = {"input_size": 0, "width": 0.0625, "crop": 40, "augmentation": "none", "head": "average"}
    model = models.build_classifier("deepcnn", "scratch", any_size=True, **arguments)
    faces = np.random.default_rng(0).integers(0, 256, (2, 48, 48), dtype=np.uint8)
    small, same = models.at_size(model, 24), models.at_size(model, 40)
    assert [id(weight) for weight in small.weights] == [id(weight) for weight in model.weights]
    answers = [keras.ops.convert_to_numpy(network(faces)) for network in (model, same, small)]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)
    assert np.abs(answers[0] - answers[2]).max() > 1e-6


def test_other_sizes_keep_parts_of_grey_levels_in_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.build_classifier("deepcnn", "scratch", input_size=0, width=0.0625, any_size=True, head="average")
        resize = models.at_size(model, 44).get_layer("resize")
    finally:
        keras.config.set_dtype_policy("float32")
    faces = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 1)).astype("float32")
    expected = keras.ops.convert_to_numpy(keras.ops.image.resize(faces, (44, 44)))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(resize(faces)), expected, atol=1e-3)


def test_other_sizes_keep_parts_of_grey_levels_of_images_that_nothing_augments():
    """Without augmentation, what is resized are bytes. Keras rounds these, under TensorFlow only outside of predict."""
    given = {"input_size": 0, "width": 0.0625, "any_size": True, "head": "average"}
    plain = models.build_classifier("smallcnn", "scratch", augmentation="none", **given)
    augmented = models.build_classifier("smallcnn", "scratch", augmentation="flip", **given)  # in float32
    plain.set_weights(augmented.get_weights())
    faces = np.random.default_rng(0).integers(0, 256, (4, 48, 48), dtype=np.uint8)
    answers = [keras.ops.convert_to_numpy(models.at_size(model, 31)(faces)) for model in (plain, augmented)]
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-7)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="21 seconds: JAX compiles each of 238 layers twice")
def test_efficientnet_sees_bytes_from_0_to_255_as_published():
    """Its own first layer divides by 255, and ours does before: done twice, every face would be black."""
    ours, theirs = backbones.efficientnetb0((48, 48, 3)), reference("efficientnetb0")
    ours.set_weights(theirs.get_weights())  # by place: keras numbers unnamed layers anew in each network
    faces = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3)).astype("float32")
    outputs = [keras.ops.convert_to_numpy(net(images)) for net, images in ((ours, faces / 255), (theirs, faces))]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-4)
    with pytest.raises(ValueError, match="WIDTH=0.5: efficientnetb0 exists in its published width only"):
        backbones.build_backbone("efficientnetb0", 48, 3, 0.5)


def test_augmentation_of_several_kinds_acts_in_training_only():
    layer = models.augmentation_layer({"flip": True, "brightness": 0.3, "contrast": 0.3, "erasing": 1.0}, seed=1)
    images = np.full((8, 48, 48, 1), 100, np.uint8)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(images, training=False)), images)
    seen = keras.ops.convert_to_numpy(layer(images, training=True))[..., 0]
    assert seen.min() >= 0 and seen.max() <= 255
    usual = np.median(seen, axis=(1, 2))
    assert len(set(usual.round().tolist())) > 1  # light differs between images
    erased = (np.abs(seen - usual[:, None, None]) > 1e-3).mean(axis=(1, 2))
    assert (erased > 0.01).all() and (erased < 0.3).all()


def test_head_units_are_read_from_words():
    assert models.read_units("") == ()
    assert models.read_units("512 128") == (512, 128)
    assert models.read_units(256) == (256,)  # what papermill makes of "256"
    for text in ("512,128", "-1", "0", "wide"):
        with pytest.raises(ValueError, match="HEAD_UNITS=.* must be sizes of dense layers"):
            models.read_units(text)


def test_unfreezing_keeps_shallow_stages_frozen_and_batch_norm_too_unless_asked():
    backbone = models.build_backbone("resnet50", 48, 3, 0.125)
    models.freeze(backbone)
    models.unfreeze_from(backbone, 5)
    trainable = {layer.name for layer in backbone.layers if layer.trainable and layer.weights}
    assert trainable == {
        f"conv5_block{block}_{part}_conv" for block in (1, 2, 3) for part in (0, 1, 2, 3) if part or block == 1
    }
    models.unfreeze_from(backbone, 5, freeze_batch_norm=False)
    free = {layer.name for layer in backbone.layers if layer.trainable and "_bn" in layer.name}
    assert {"conv5_block1_0_bn", "conv5_block3_3_bn"} <= free
    assert all(name.startswith("conv5_") for name in free)


DEEPEST = {"vgg16": "block5_", "resnet50": "conv5_"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_step_moves_what_its_arm_trains_and_nothing_else(architecture, strategy):
    eagerly = keras.backend.backend() == "tensorflow"  # tracing takes longer than the step
    if not eagerly and (architecture, strategy) != ("resnet50", "finetune"):
        pytest.skip("one arm is enough where compiling takes half a minute")
    model = models.build_classifier(architecture, strategy, channels=3, width=0.0625, augmentation="none")
    backbone = model.get_layer(architecture)
    if strategy == "transfer":
        models.freeze(backbone)
    if strategy == "finetune":
        models.unfreeze_from(backbone, 5)
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False, run_eagerly=eagerly)
    before = {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    rng = np.random.default_rng(3)
    model.fit(rng.integers(0, 256, (8, 48, 48), dtype=np.uint8), np.arange(8) % 7, verbose=0)
    moved = {w.path for w in model.weights if not np.array_equal(before[w.path], keras.ops.convert_to_numpy(w))}
    assert any("probabilities" in path for path in moved)
    features = moved & {weight.path for weight in backbone.weights}
    deep = {path for path in features if DEEPEST[architecture] in path}
    assert bool(deep) == (strategy != "transfer")
    assert (features == deep) == (strategy != "scratch")
    assert any("_bn" in path for path in features) == (strategy == "scratch" and architecture == "resnet50")


def test_unfreezing_from_the_first_stage_frees_every_convolution_of_vgg16():
    backbone = models.build_backbone("vgg16", 48, 3, 0.125)
    models.unfreeze_from(backbone, 1)
    assert models.parameter_counts(backbone) == (backbone.count_params(), 0)


STAGE_ENDS = {
    "vgg16": {3: "block3_pool", 4: "block4_pool", 5: "block5_pool"},
    "resnet50": {3: "conv3_block4_out", 4: "conv4_block6_out", 5: "conv5_block3_out"},
    "vgg16bn": {3: "block3_pool", 4: "block4_pool", 5: "block5_pool"},
    "deepcnn": {3: "block3_pool", 4: "block4_conv3_relu", 5: "block4_conv3_relu"},
}


@pytest.mark.parametrize("name", STAGE_ENDS)
def test_a_stage_ends_with_its_pooling_or_its_last_block(name):
    whole = backbone_of(name, 64, 3)
    order = [layer.name for layer in whole.layers]
    for stage, end in STAGE_ENDS[name].items():
        cut = models.cut_at(whole, stage)
        assert [layer.name for layer in cut.layers] == order[: order.index(end) + 1]
        assert (cut.name, cut.input_shape) == (whole.name, whole.input_shape)


def test_without_a_stage_the_head_stands_on_the_whole_backbone(architecture):
    faces = np.random.default_rng(1).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    built = []
    for keywords in ({}, {"head_stage": 5}):
        keras.utils.set_random_seed(0)
        model = models.build_classifier(architecture, "finetune", channels=3, width=0.0625, **keywords)
        layers = [layer.name for layer in model.get_layer(architecture).layers]
        built.append((layers, keras.ops.convert_to_numpy(model(faces))))
    assert built[0][0] == built[1][0]
    assert built[0][0] == [layer.name for layer in backbone_of(architecture, 64, 3).layers]
    np.testing.assert_array_equal(built[0][1], built[1][1])


def test_an_earlier_stage_keeps_the_weights_of_the_whole_backbone_and_its_features(tmp_path, architecture):
    path = tmp_path / "backbone.weights.h5"
    whole = models.build_backbone(architecture, 48, 3, 0.125)
    whole.save_weights(path)
    arguments = {"channels": 3, "width": 0.125, "weights": str(path), "head_stage": 3}
    model = models.build_classifier(architecture, "transfer", **arguments)
    backbone = model.get_layer(architecture)
    for layer in backbone.layers:
        for one, other in zip(whole.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    images = np.random.default_rng(0).uniform(0, 1, (2, 48, 48, 3)).astype("float32")
    ends = keras.Model(whole.input, whole.get_layer(STAGE_ENDS[architecture][3]).output)
    features = [keras.ops.convert_to_numpy(network(images)) for network in (ends, backbone)]
    assert features[0].max() > 0
    np.testing.assert_allclose(features[0], features[1], rtol=1e-5, atol=1e-6)
    faces = np.random.default_rng(1).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(faces, verbose=0), model.predict(faces, verbose=0), atol=1e-6)


@pytest.mark.parametrize("stage", [3, 4])
def test_an_earlier_stage_is_unfrozen_from_where_it_is_asked(architecture, stage):
    model = models.build_classifier(architecture, "finetune", channels=3, width=0.125, head_stage=stage)
    backbone = model.get_layer(architecture)
    models.freeze(backbone)
    models.unfreeze_from(backbone, 3)
    free = {layer.name for layer in backbone.layers if layer.trainable and layer.weights}
    words = tuple(f"{word}{number}_" for word in ("block", "conv") for number in range(3, stage + 1))
    convolutions = {layer.name for layer in backbone.layers if isinstance(layer, keras.layers.Conv2D)}
    assert free == {name for name in convolutions if name.startswith(words)}
    assert any(name.startswith((f"block{stage}_", f"conv{stage}_")) for name in free)


def test_weights_go_through_a_file(tmp_path, architecture):
    path = tmp_path / "backbone.weights.h5"
    first = models.build_backbone(architecture, 48, 3, 0.125)
    first.save_weights(path)
    second = models.build_backbone(architecture, 64, 3, 0.125, weights=str(path))
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_imagenet_weights_need_full_width():
    with pytest.raises(backbones.WeightsError, match="WIDTH=1.0"):
        models.build_backbone("vgg16", 48, 3, 0.5, weights="imagenet")


def test_imagenet_weights_come_from_keras_applications(monkeypatch):
    """Against a local stand-in for the download: an application whose "imagenet" weights are known."""
    stand_in = reference("vgg16")
    monkeypatch.setattr(keras.applications, "VGG16", lambda **keywords: stand_in)
    loaded = models.build_backbone("vgg16", 48, 3, weights="imagenet")
    for one, other in zip(stand_in.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"architecture": "vgg19"}, "ARCHITECTURE='vgg19' is unknown: use one of 'vgg16', 'resnet50'"),
        ({"strategy": "guess"}, "strategy='guess' is unknown"),
        ({"preprocessing": "zscore"}, "PREPROCESSING='zscore' is unknown"),
        ({"preprocessing": "imagenet"}, "three channels"),
        ({"augmentation": "strong"}, "AUGMENTATION='strong' is unknown"),
        ({"augmentation": {"rotation": 200}}, r"rotation=200 must lie in \[0, 180\]"),
        ({"augmentation": {"zoom": -0.1}}, r"zoom=-0.1 must lie in \[0, 0.99\]"),
        ({"augmentation": {"erasing": 1.5}}, r"erasing=1.5 must lie in \[0, 1\]"),
        ({"augmentation": {"brightness": -0.1}}, r"brightness=-0.1 must lie in \[0, 1\]"),
        ({"augmentation": {"shift": 0.1}}, "augmentation has no range shift: use flip, rotation"),
        ({"crop": 49}, r"crop=49 must lie in 0 \(none\) to 48"),
        ({"crop": -1}, "crop=-1 must lie in"),
        ({"answer_crop": 49}, r"answer_crop=49 must lie in 0 \(none\) to 48"),
        ({"head": "big"}, "head='big' is unknown: use one of 'paper', 'batch_norm', 'average'"),
        ({"width": 0}, "width=0 must lie in"),
        ({"input_size": 31}, "INPUT_SIZE=31 is too small"),
        ({"head_stage": 2}, r"HEAD_STAGE=2 must be a stage from 3 to 5 \(the whole backbone\)"),
        ({"head_stage": 6}, "HEAD_STAGE=6 must be a stage from 3 to 5"),
        (
            {"architecture": "efficientnetb0", "width": 1.0, "head_stage": 4},
            "HEAD_STAGE=4: efficientnetb0 has no such stages; give 5",
        ),
        ({"channels": 2}, "use 1 or 3"),
    ],
)
def test_bad_arguments_are_refused(keywords, message):
    arguments = {"architecture": "vgg16", "strategy": "scratch", "width": 0.125, **keywords}
    with pytest.raises(ValueError, match=message):
        models.build_classifier(arguments.pop("architecture"), arguments.pop("strategy"), **arguments)


@pytest.mark.parametrize(
    ("name", "stage", "deepest"), [("smallcnn", 4, "block3_conv3"), ("deepcnn", 5, "block4_conv3")]
)
def test_unfreezing_from_a_stage_that_a_network_lacks_is_refused(name, stage, deepest):
    """Else the whole backbone would stay frozen without a word."""
    backbone = models.build_backbone(name, 48, 1, 0.02)
    with pytest.raises(ValueError, match=f"UNFREEZE_FROM={stage} leaves {deepest}, the deepest convolution, frozen"):
        models.unfreeze_from(backbone, stage)
    models.unfreeze_from(backbone, stage - 1)
    assert backbone.get_layer(deepest).trainable_weights


def test_unfreezing_from_no_stage_is_refused():
    with pytest.raises(ValueError, match="UNFREEZE_FROM=6"):
        models.unfreeze_from(keras.Sequential([keras.Input((1,))]), 6)
