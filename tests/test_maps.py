"""Maps of what an answer hangs on (recognize.maps, grid, sanity), where the answer is known."""

import keras
import numpy as np
import pytest

from fer_utils import models
from fer_utils.models import tta
from fer_utils.models.answering import for_answers
from fer_utils.models.heads import backbone_of
from fer_utils.recognize import grid, maps, sanity, scoring


def by_hand(weights, side=48, stride=1):
    """Two channels, the grey level and its negative cut at 0, averaged over the face; `weights` (2, 7) on top."""
    inside = keras.Input((side, side, 1))
    convolution = keras.layers.Conv2D(2, 1, stride, activation="relu", use_bias=False, name="only")
    backbone = keras.Model(inside, convolution(inside), name="backbone")
    convolution.set_weights([np.array([[[[1.0, -1.0]]]])])
    image = keras.Input((side, side), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(keras.layers.Reshape((side, side, 1))(image))
    x = keras.layers.GlobalAveragePooling2D()(backbone(x))
    last = keras.layers.Dense(7, "softmax")
    model = keras.Model(image, last(x))
    last.set_weights([np.asarray(weights, float), np.zeros(7)])
    return model


@pytest.fixture
def spot():
    """Two black faces with a bright rectangle each, and where it is."""
    faces, where = np.zeros((2, 48, 48), np.uint8), np.zeros((2, 48, 48), bool)
    where[0, 10:20, 5:12] = where[1, 30:44, 20:46] = True
    faces[where] = 200
    return faces, where


def test_grad_cam_of_one_channel_is_that_channel(spot):
    faces, where = spot
    weights = np.zeros((2, 7))
    weights[0, 3] = 5.0
    found = maps.grad_cam(by_hand(weights), faces, "happy")
    assert found.shape == faces.shape and found.dtype == np.float32
    assert found == pytest.approx(where * 200 / 255 * 5.0 / 48**2, rel=1e-4)  # the slope of a mean of 48 x 48 cells


def test_what_speaks_against_an_emotion_is_not_in_its_map(spot):
    weights = np.zeros((2, 7))
    weights[0, 3] = -5.0
    assert maps.grad_cam(by_hand(weights), spot[0], "happy").max() == 0


def test_the_map_is_of_the_answer_unless_an_emotion_is_named(spot):
    weights = np.zeros((2, 7))
    weights[0, [3, 5]] = 100.0, 50.0
    model = by_hand(weights)
    answered = maps.grad_cam(model, spot[0])
    assert np.array_equal(answered, maps.grad_cam(model, spot[0], 3))
    assert np.array_equal(answered, maps.grad_cam(model, spot[0], [3, 3]))
    assert maps.grad_cam(model, spot[0], [3, 5]) == pytest.approx(answered * [[[1]], [[0.5]]])


def test_grad_cam_does_not_vanish_where_the_network_is_sure(spot):
    weights = np.zeros((2, 7))
    weights[0, 3] = 5e4
    assert tta.predict(by_hand(weights), spot[0])[:, 3].min() == 1
    assert maps.grad_cam(by_hand(weights), spot[0]).max() > 1


def test_occlusion_is_the_fall_of_the_probability(spot):
    weights = np.zeros((2, 7))
    weights[0, 3] = 40.0
    model = by_hand(weights)
    found = maps.occlusion(model, spot[0], patch=12, stride=12)
    before = tta.predict(model, spot[0])
    for face, row, column in ((0, 0, 0), (0, 12, 0), (1, 36, 24)):
        covered = spot[0].copy()
        covered[face, row : row + 12, column : column + 12] = spot[0][face].mean().round()
        fall = before[face, 3] - tta.predict(model, covered)[face, 3]
        assert found[face, row : row + 12, column : column + 12] == pytest.approx(np.full((12, 12), fall), abs=1e-6)
    assert found[0, 12, 0] > 0.05 and found[0, 40, 40] < 0  # grey on black speaks for it


def test_occlusion_covers_every_pixel_whatever_patch_and_stride():
    found = maps.occlusion(by_hand(np.ones((2, 7))), np.full((1, 48, 48), 9, np.uint8), patch=7, stride=5)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"emotion": "happyy"}, "did you mean happy"),
        ({"emotion": 7}, "codes from 0 to 6"),
        ({"layer": "onl"}, "layer='onl' is not a layer of backbone; did you mean only"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message, spot):
    with pytest.raises(ValueError, match=message):
        maps.grad_cam(by_hand(np.ones((2, 7))), spot[0], **given)


def test_pixels_from_0_to_1_and_gaps_between_patches_are_refused(spot):
    model = by_hand(np.ones((2, 7)))
    with pytest.raises(ValueError, match="multiply by 255"):
        maps.grad_cam(model, spot[0] / 255)
    with pytest.raises(ValueError, match="to cover all pixels"):
        maps.occlusion(model, spot[0], patch=4, stride=5)


def test_a_mean_map_counts_every_face_alike():
    found = np.zeros((3, 48, 48))
    found[0, :24], found[1, 24:], found[1, :24] = 5, 0.1, -3
    assert maps.mean_map(found[:2]) == pytest.approx(np.ones((48, 48)))
    assert maps.mean_map(found).mean() == pytest.approx(2 / 3)  # an empty map adds nothing


# --- where the cells look --------------------------------------------------------------------------------------------

NETWORKS = {
    "vgg16": ("vgg16", {}, (7.5, 16.0, (0, 48))),
    "resnet50": ("resnet50", {}, (0.0, 32.0, (0, 48))),
    "deepcnn": ("deepcnn", {}, (3.5, 8.0, (0, 48))),
    "cropped": ("deepcnn", {"crop": 40, "input_size": 0}, (7.5, 8.0, (4, 44))),
    "cropped to an odd side": ("deepcnn", {"crop": 43}, (2 + (43 / 48 - 1) / 2 + 3.5 * 43 / 48, 8 * 43 / 48, (2, 45))),
    "odd and resized": ("deepcnn", {"crop": 43, "input_size": 86}, (3.5, 4.0, (2, 45))),
    "cropped in training only": ("deepcnn", {"crop": 40, "answer_crop": 48}, (3.5, 8.0, (0, 48))),
    "cropped and resized": ("deepcnn", {"crop": 40, "input_size": 80}, (5.5, 4.0, (4, 44))),
    "resized": ("vgg16", {"input_size": 96, "channels": 3}, (3.5, 8.0, (0, 48))),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    architecture, settings, wanted = NETWORKS[request.param]
    return models.build_classifier(architecture, "scratch", width=0.0625, head="average", **settings), wanted


def test_the_last_layers_cells_look_where_the_arithmetic_says(network):
    model, wanted = network
    name, found = list(grid.stages(model).items())[-1]
    assert (found.start, found.step) == pytest.approx(wanted[:2]) and found.seen == wanted[2]
    assert name in ("block5_conv3", "conv5_block3_out", "block4_conv3_relu")


def test_a_cell_is_most_sensitive_where_its_grid_says(network):
    """Measured, not reckoned: with positive weights, the slope of one cell is centred on the receptive field."""
    model = for_answers(network[0])
    name, (layer, found) = "cell", list(grid.stages(model).items())[1]
    for one in backbone_of(model).layers:
        if isinstance(one, keras.layers.Conv2D):
            one.set_weights([np.abs(weight) / np.size(weight) + 1e-3 for weight in one.get_weights()])
        elif one.get_weights():
            one.set_weights([np.ones_like(w) if k != 2 else np.zeros_like(w) for k, w in enumerate(one.get_weights())])
    lower = maps._split(model, layer)[0]
    faces = np.full((48, 48, 48), 60, np.uint8)
    faces[np.arange(48), :, np.arange(48)] = 160  # a bright column at each place in turn
    cells = keras.ops.convert_to_numpy(lower(faces)).sum(axis=-1)
    cell = cells.shape[1] // 2
    answer = cells[:, cell, cell] - cells[:, cell, cell].min()
    centre = (answer * np.arange(48)).sum() / answer.sum()
    # a max pooling over equal cells hands on either, so half a step is as near as a bright column can tell
    assert centre == pytest.approx(found.start + cell * found.step, abs=found.step / 2 + 0.5), name


def test_enlarging_puts_a_cell_on_its_centre_and_nothing_where_the_network_is_blind():
    matrix = grid.enlarging(grid.Grid(7.5, 8.0, (4, 44)), 5)
    assert matrix.shape == (48, 5) and matrix.dtype == np.float32
    assert matrix[[3, 44]].sum() == 0 and matrix[4:44].sum(axis=1) == pytest.approx(np.ones(40))
    assert matrix[7] == pytest.approx([1, 0, 0, 0, 0])
    assert matrix[8] == pytest.approx([1 - 0.0625, 0.0625, 0, 0, 0])
    assert matrix[43] == pytest.approx([0, 0, 0, 0, 1]) and matrix[31] == pytest.approx([0, 0, 0.0625, 0.9375, 0])


def test_a_map_can_be_made_at_each_stage_and_at_none_that_is_passed_by():
    model = models.build_classifier("resnet50", "scratch", width=0.0625)
    face = np.random.default_rng(0).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    assert [maps.grad_cam(model, face, layer=name).shape for name in list(grid.stages(model))[2:]] == [face.shape] * 3
    with pytest.raises(ValueError, match="a shortcut bypasses it. Use one of.*conv5_block3_out"):
        maps.grad_cam(model, face, layer="conv5_block2_2_relu")


# --- a network that has learned something ----------------------------------------------------------------------------


def textures(n, seed):
    """Noise with a striped square somewhere; how it is striped is the class. Returns faces, labels, the squares."""
    rng = np.random.default_rng(seed)
    faces = rng.normal(120, 12, (n, 48, 48))
    labels, where = np.arange(n) % 7, np.zeros((n, 48, 48), bool)
    v, u = np.mgrid[0:48, 0:48]
    waves = [np.sin(2 * np.pi * (u * np.cos(a) + v * np.sin(a)) / 5) for a in np.arange(7) * np.pi / 7]
    for face, label, mask in zip(faces, labels, where):
        row, column = rng.integers(0, 32, 2)
        mask[row : row + 16, column : column + 16] = True
        face[mask] += 70 * waves[label][mask]
    return faces.clip(0, 255).astype(np.uint8), labels, where


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = models.build_classifier(
        "deepcnn", "scratch", width=0.0625, head="average", dropout=0, augmentation="none", seed=0
    )
    faces, labels, _ = textures(700, 1)
    model.compile(keras.optimizers.Adam(4e-3), "sparse_categorical_crossentropy")
    model.fit(faces, labels, batch_size=20, epochs=4, verbose=0)
    return model


@pytest.fixture(scope="module")
def asked(trained):
    faces, labels, where = textures(42, 2)
    assert (tta.predict(trained, faces).argmax(axis=1) == labels).mean() > 0.8
    return faces, where


@pytest.mark.parametrize(("method", "least"), [(maps.grad_cam, 1.3), (maps.occlusion, 2)])
def test_the_maps_point_at_what_was_learned(method, least, trained, asked):
    faces, where = asked
    scored = scoring.score_maps(method(trained, faces), where)
    assert scored["chance"] == pytest.approx(16 * 16 / 48**2)
    assert scored["low"] > least * scored["chance"]


def test_random_weights_destroy_the_maps_and_leave_the_model_as_it_was(trained, asked):
    faces, _ = asked
    before, weights = maps.grad_cam(trained, faces), trained.get_weights()
    codes = tta.predict(trained, faces).argmax(axis=1)
    steps = {name: maps.grad_cam(changed, faces, codes) for name, changed in sanity.cascade(trained)}
    assert list(steps)[:3] == ["none", "probabilities", "block4_conv3"] and list(steps)[-1] == "block1_conv1"
    assert len(steps) == 1 + 1 + 10
    similar = {name: sanity.rank_correlation(before, found).mean() for name, found in steps.items()}
    assert similar["none"] > 0.999
    assert abs(similar["block1_conv1"]) < 0.3
    assert all(np.array_equal(now, then) for now, then in zip(trained.get_weights(), weights))


def test_a_step_of_the_cascade_deals_a_layers_weights_anew(trained):
    steps = sanity.cascade(trained)
    _, copy = next(steps)
    old = copy.layers[-1].get_weights()[0].copy()
    assert next(steps)[0] == "probabilities"
    new = copy.layers[-1].get_weights()[0]
    assert not np.array_equal(new, old) and np.array_equal(np.sort(new, None), np.sort(old, None))


# --- how alike two maps are ------------------------------------------------------------------------------------------


def test_equal_maps_are_alike_and_opposite_ones_are_not():
    one = np.random.default_rng(0).random((3, 48, 48))
    assert sanity.rank_correlation(one, 7 * one + 1) == pytest.approx([1, 1, 1])
    assert sanity.rank_correlation(one, -one) == pytest.approx([-1, -1, -1])
    assert sanity.rank_correlation(one, np.zeros_like(one)) == pytest.approx([0, 0, 0])
    assert sanity.structural_similarity(one, 3 * one) == pytest.approx([1, 1, 1])
    other = np.random.default_rng(1).random((3, 48, 48))
    assert sanity.structural_similarity(one, other).max() < 0.2


def test_structural_similarity_is_the_articles():
    """A point against nothing, by hand: within the Gaussian's 11 x 11 pixels the mean is g and the variance g - g^2."""
    point = np.zeros((1, 48, 48))
    point[0, 24, 24] = 1
    profile = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    g = np.outer(profile, profile) / profile.sum() ** 2
    near = 0.01**2 / (g**2 + 0.01**2) * 0.03**2 / (g - g**2 + 0.03**2)
    inside = (48 - 2 * 5) ** 2  # pixels whose window lies in the picture
    wanted = (inside - near.size + near.sum()) / inside
    assert sanity.structural_similarity(point, np.zeros_like(point)) == pytest.approx(wanted, abs=1e-6)


def test_the_map_of_edges_is_steep_where_the_grey_levels_step():
    faces = np.full((2, 48, 48), 50, np.uint8)
    faces[0, :, 24:] = 200
    steep = scoring.edges(faces)
    assert set(steep[0].argmax(axis=1)) <= {23, 24} and steep[0].max() > 40
    assert steep[0][:, :18].max() < 0.1 and steep[0][:, 30:].max() < 0.1 and steep[1].max() < 0.1
