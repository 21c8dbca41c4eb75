from types import SimpleNamespace

import matplotlib
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from fer_utils import plotting
from fer_utils.plotting.networks import TALLEST, _short

matplotlib.use("Agg")


def layer(kind, shape, parameters=0, name=None, **attributes):
    """The least that a Keras layer shows of itself."""
    attributes = {
        "trainable": True,
        **attributes,
        "name": name or kind.lower(),
        "output": SimpleNamespace(shape=(None, *shape)),
        "count_params": lambda self: parameters,
    }
    return type(kind, (), attributes)()


def model(*layers):
    return SimpleNamespace(name="fake", layers=list(layers))


def tiny_network():
    backbone = model(
        layer("InputLayer", (8, 8, 1)),
        layer("Conv2D", (8, 8, 4), 40, kernel_size=(3, 3), trainable=False),
        layer("Conv2D", (8, 8, 4), 148, kernel_size=(3, 3), trainable=False),
        layer("MaxPooling2D", (4, 4, 4)),
        layer("ZeroPadding2D", (6, 6, 4)),
        layer("Conv2D", (4, 4, 16), 592, kernel_size=(3, 3)),
        layer("BatchNormalization", (4, 4, 16), 64, trainable=False),
        layer("Activation", (4, 4, 16)),
        layer("Conv2D", (4, 4, 16), 272, kernel_size=(1, 1)),
        layer("Add", (4, 4, 16)),
        layer("MaxPooling2D", (2, 2, 16)),
    )
    return model(
        layer("InputLayer", (8, 8)),
        layer("Reshape", (8, 8, 1), name="add_channel"),
        layer("Rescaling", (8, 8, 1), name="rescaling_2"),
        backbone,
        layer("GlobalAveragePooling2D", (16,)),
        layer("Dense", (5,), 85, activation=SimpleNamespace(__name__="relu")),
        layer("Dropout", (5,), rate=0.5),
        layer("Dense", (7,), 1_234_567, activation=SimpleNamespace(__name__="softmax")),
    )


def test_stages_are_the_input_preparation_sizes_and_head():
    groups = plotting.stages(tiny_network())
    assert [(group.kind, group.shape, group.parameters) for group in groups] == [
        ("input", (8, 8), 0),
        ("preparation", (8, 8, 1), 0),
        ("convolution", (8, 8, 4), 188),
        ("residual", (4, 4, 16), 928),
        ("pooling", (2, 2, 16), 0),
        ("head", (16,), 0),
        ("head", (5,), 85),
        ("head", (7,), 1_234_567),
    ]
    assert [group.frozen for group in groups] == [False, False, True, False, False, False, False, False]
    # Every layer is in one stage; the nested model's own input is none.
    assert sum(len(group.layers) for group in groups) == 17


def test_architecture_writes_what_it_draws():
    ax = Figure(figsize=(10, 4)).add_subplot()
    before = dict(matplotlib.rcParams), plt.get_fignums()
    assert plotting.architecture(tiny_network(), ax=ax, title="Tiny") is ax
    assert (dict(matplotlib.rcParams), plt.get_fignums()) == before
    texts = [text.get_text() for text in ax.texts if text.get_text()]
    assert texts == [
        "8 x 8",
        "input",
        "8 x 8 x 1",
        "add channel\nrescaling",
        "8 x 8 x 4",
        "2 conv 3x3\n188 parameters\n(frozen)",
        "4 x 4 x 16",
        "max pool\n1 residual block:\n1 conv 3x3\n1 conv 1x1\n928 parameters",
        "2 x 2 x 16",
        "max pool",
        "16",
        "global average\npooling",
        "5",
        "dense 5 relu\ndropout 0.5\n85 parameters",
        "7",
        "dense 7 softmax\n1.23 M parameters",
    ]
    assert ax.get_title() == "Tiny (1,235,768 parameters)"


def test_slabs_are_one_a_convolution_or_residual_block_scaled_by_size():
    ax = plotting.architecture(tiny_network(), ax=Figure().add_subplot())
    # Three faces a slab, each drawn and shaded; input, preparation, 2 convolutions, 1 block, pooling, 3 head layers.
    assert len(ax.patches) == 6 * 9
    fronts = [patch.get_path().get_extents() for patch in ax.patches[::6]]
    heights = [front.height for front in fronts[:6]]
    assert heights[:4] == pytest.approx([TALLEST] * 4)
    assert heights[4:] == pytest.approx([TALLEST * 0.5**0.5, TALLEST * 0.5])
    assert fronts[4].width > fronts[2].width  # 16 channels are thicker than 4


def test_architecture_makes_its_own_figure():
    ax = plotting.architecture(tiny_network())
    assert ax.figure.number in plt.get_fignums()
    plt.close(ax.figure)


def test_a_model_without_layers_is_refused():
    with pytest.raises(ValueError, match="'fake' has no layers"):
        plotting.architecture(model())


@pytest.mark.parametrize(
    ("count", "text"),
    [(7, "7"), (37_600, "37.6 k"), (2_359_808, "2.36 M"), (138_357_544, "138 M"), (999_999, "1 M")],
)
def test_counts_are_written_short(count, text):
    assert _short(count) == text
