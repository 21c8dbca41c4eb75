import matplotlib
import numpy as np
import pandas as pd
import pytest
from figure_rules import check_it_draws_where_it_is_told, check_it_makes_one_figure
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from fer_utils import plotting
from fer_utils.names import EMOTIONS

matplotlib.use("Agg")

pytestmark = pytest.mark.usefixtures("closed_figures")


@pytest.fixture
def ax():
    """Axes of a figure that pyplot does not know."""
    return Figure(figsize=(6, 4)).add_subplot()


def images(n=5, size=48):
    return np.random.default_rng(0).integers(0, 256, (n, size, size), dtype=np.uint8)


def history(epochs=4):
    return pd.DataFrame(
        {
            "epoch": range(1, epochs + 1),
            "loss": [1.8, 1.5, 1.2, 1.0][:epochs],
            "val_loss": [1.7, 1.4, 1.3, 1.35][:epochs],
            "accuracy": [0.25, 0.4, 0.5, 0.6][:epochs],
            "val_accuracy": [0.3, 0.45, 0.55, 0.5][:epochs],
        }
    )


def arms():
    rows = [
        ("vgg16", "scratch", "ours", 0.75, 0.66, 0.64, 0.69, 60.0),
        ("vgg16", "transfer", "ours", 0.5, 0.4, 0.38, 0.42, 90.0),
        ("resnet50", "scratch", "ours", 0.55, 0.5, 0.48, 0.52, 5.0),
        ("vgg16", "scratch", "paper", 0.737, 0.672, np.nan, np.nan, 1092.51),
        ("vgg16", "transfer", "paper", 0.797, 0.671, np.nan, np.nan, 6651.64),
        ("resnet50", "scratch", "paper", 0.562, 0.547, np.nan, np.nan, 1445.48),
    ]
    names = ["architecture", "strategy", "source", "training_accuracy", "validation_accuracy", "low", "high", "seconds"]
    return pd.DataFrame(rows, columns=names)


PROBABILITIES = np.random.default_rng(1).dirichlet(np.ones(7), 60)
LABELS = np.repeat(np.arange(6), 10)  # no neutral face

SINGLE = {
    "class_counts": lambda ax: plotting.class_counts([0, 1], ["Training", "PublicTest"], ax=ax),
    "confusion_matrix": lambda ax: plotting.confusion_matrix(np.eye(7, dtype=int), ax=ax),
    "roc_curves": lambda ax: plotting.roc_curves(LABELS, PROBABILITIES, ax=ax),
    "time_bars": lambda ax: plotting.time_bars(arms(), ax=ax),
}
PANELS = {
    "sample_grid": lambda figure: plotting.sample_grid(images(), [0, 1, 2, 3, 4], figure=figure, title="t"),
    "challenges": lambda figure: plotting.challenges({"cartoons": images(2)}, figure=figure, title="t"),
    "resize_comparison": lambda figure: plotting.resize_comparison(images()[0], figure=figure, title="t"),
    "history_curves": lambda figure: plotting.history_curves(history(), figure=figure, title="t"),
    "accuracy_bars": lambda figure: plotting.accuracy_bars(arms(), figure=figure, title="t"),
}


@pytest.mark.parametrize("name", [*SINGLE, *PANELS])
def test_a_figure_draws_where_it_is_told_and_touches_nothing_else(name):
    check_it_draws_where_it_is_told((SINGLE | PANELS)[name], name in PANELS)


@pytest.mark.parametrize("name", [*SINGLE, *PANELS])
def test_a_figure_makes_one_of_its_own(name):
    check_it_makes_one_figure((SINGLE | PANELS)[name])


def test_class_counts_bars_are_the_counts(ax):
    labels = np.array([3, 3, 3, 0, 6, 6, 3], dtype=np.uint8)
    usage = np.array(["Training"] * 5 + ["PrivateTest"] * 2)
    plotting.class_counts(labels, usage, ax=ax, title="Counts")
    training, private = ax.containers
    assert [bar.get_height() for bar in training] == [1, 0, 0, 3, 0, 0, 1]
    assert [bar.get_height() for bar in private] == [0, 0, 0, 1, 0, 0, 1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Training (5)", "PrivateTest (2)"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list(EMOTIONS)
    assert [text.get_text() for text in ax.texts[:7]] == ["1", "0", "0", "3", "0", "0", "1"]
    assert ax.get_title() == "Counts"


def test_sample_grid_places_and_names_the_faces():
    faces = images(5)
    axes = plotting.sample_grid(faces, [3, 1, 0, 6, 5], columns=3)
    assert axes.shape == (2, 3)
    assert [ax.get_title() for ax in axes.flat] == ["happy", "disgust", "angry", "neutral", "surprise", ""]
    np.testing.assert_allclose(axes[1, 0].images[0].get_array(), faces[3] / 255, rtol=1e-6)
    assert not axes[1, 2].images


def test_sample_grid_takes_what_a_model_pipeline_yields():
    colour = np.random.default_rng(0).random((2, 8, 8, 3))
    axes = plotting.sample_grid(colour, titles=["a", "b"], columns=2)
    np.testing.assert_allclose(axes[0, 1].images[0].get_array(), colour[1], rtol=1e-6)
    overshooting = np.linspace(-3, 258, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    shown = plotting.sample_grid(overshooting, columns=1)[0, 0].images[0].get_array()
    assert shown.min() == 0
    assert shown.max() == 1


def test_challenges_has_a_labelled_row_each():
    rows = {"class imbalance": images(3), "low resolution": images(1, 12)}
    axes = plotting.challenges(rows, captions={"class imbalance": ["happy", "happy", "disgust"]})
    assert axes.shape == (2, 3)
    assert [row[0].get_ylabel() for row in axes] == list(rows)
    assert [ax.get_title() for ax in axes[0]] == ["happy", "happy", "disgust"]
    assert [len(ax.images) for ax in axes[1]] == [1, 0, 0]


def test_resize_comparison_is_bilinear():
    ramp = np.tile(np.array([0, 100], dtype=np.uint8), (2, 1))
    stored, enlarged = plotting.resize_comparison(ramp, size=4)
    assert stored.images[0].get_array().shape == (2, 2)
    # Pixel centres at 1/4 and 3/4 of the way: the two middle columns are mixed one to three.
    np.testing.assert_allclose(enlarged.images[0].get_array()[0] * 255, [0, 25, 75, 100], atol=0.5)
    assert "4.0 times" in enlarged.get_title()


def test_history_curves_draw_the_numbers_and_mark_the_best_epoch():
    loss, accuracy = plotting.history_curves(history())
    by_label = {line.get_label(): line for line in accuracy.get_lines()}
    np.testing.assert_array_equal(by_label["training"].get_ydata(), [0.25, 0.4, 0.5, 0.6])
    np.testing.assert_array_equal(by_label["validation"].get_ydata(), [0.3, 0.45, 0.55, 0.5])
    best = by_label["best epoch 3: 55.0%"]
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (3, 0.55)
    assert "at epoch 3: 1.300" in [line.get_label() for line in loss.get_lines()]


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_history_curves_of_another_monitor_no_validation_and_one_epoch():
    _, accuracy = plotting.history_curves(history().assign(val_loss=[2.0, 1.0, 1.5, 1.6]), monitor="val_loss")
    assert "best epoch 2: 45.0%" in [line.get_label() for line in accuracy.get_lines()]
    chosen, unchosen = (plotting.history_curves(history(), monitor=name) for name in ("val_accuracy", None))
    for marked, unmarked in zip(chosen, unchosen, strict=True):
        assert "best" in str(texts(marked)) or "at epoch" in str(texts(marked))
        assert texts(unmarked) == ["training", "validation"]
    loss, _ = plotting.history_curves(history()[["epoch", "loss", "accuracy"]])
    assert [line.get_label() for line in loss.get_lines()] == ["training"]
    loss, _ = plotting.history_curves(history(1))
    assert loss.get_lines()[0].get_marker() == "o"


MATRIX = np.zeros((7, 7), dtype=int)
MATRIX[0, [0, 3]] = [3, 1]
MATRIX[3, 3] = 1234


def test_confusion_matrix_writes_share_and_count(ax):
    plotting.confusion_matrix(MATRIX, ax=ax)
    texts = {(int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in ax.texts}
    assert len(texts) == 49
    assert texts[0, 0] == "75%\n3"
    assert texts[0, 3] == "25%\n1"
    assert texts[3, 3] == "100%\n1,234"
    assert texts[1, 1] == "0"  # nobody was disgusted: no share
    np.testing.assert_allclose(ax.collections[0].get_array()[0], [0.75, 0, 0, 0.25, 0, 0, 0])
    assert ax.get_yticklabels()[0].get_text() == "angry (4)"
    assert ax.get_ylabel().startswith("true")
    assert ax.get_xlabel() == "predicted"


def test_roc_curves_write_the_auc_and_leave_out_absent_classes(ax):
    perfect = np.full((4, 7), 0.02)
    perfect[[0, 1], 0] = 0.88  # both angry faces are found
    perfect[2, 3], perfect[3, 4] = 0.88, 0.88  # a happy one is found, the other is taken for sad
    plotting.roc_curves([0, 0, 3, 3], perfect, ax=ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["angry (AUC 1.000)", "happy (AUC 0.750)"]
    angry = ax.get_lines()[1]
    assert angry.get_ydata().max() == 1
    assert angry.get_xdata()[np.argmax(angry.get_ydata())] == 0


def test_every_class_has_a_look_of_its_own():
    assert list(plotting.CLASS_STYLES) == list(EMOTIONS)
    assert [len(set(kinds)) for kinds in zip(*plotting.CLASS_STYLES.values())] == [7, 7]  # colours, and lines for gray


def test_accuracy_bars_have_heights_labels_and_intervals():
    vgg, resnet = plotting.accuracy_bars(arms())
    assert (vgg.get_title(), resnet.get_title()) == ("VGG16", "ResNet50")
    bars = {c.get_label(): [bar.get_height() for bar in c] for c in vgg.containers if len(c) and hasattr(c, "patches")}
    assert bars["training, ours"] == [0.75, 0.5]
    assert bars["validation, ours"] == [0.66, 0.4]
    assert bars["training, paper"] == [0.737, 0.797]
    assert bars["validation, paper"] == [0.672, 0.671]
    texts = {text.get_text() for text in vgg.texts} - {""}
    assert texts == {"75.0", "50.0", "66.0", "40.0", "73.7", "79.7", "67.2", "67.1"}
    lines = [line[:, 1] for collection in vgg.collections for line in collection.get_segments() if len(line)]
    np.testing.assert_allclose(lines, [[0.64, 0.69], [0.38, 0.42]])
    assert [tick.get_text() for tick in vgg.get_xticklabels()] == ["from scratch", "transfer learning"]
    assert len(vgg.figure.legends[0].get_texts()) == 4


def test_accuracy_bars_without_interval_or_some_values():
    table = arms()[:2].assign(low=np.nan, high=np.nan)
    table.loc[1, "training_accuracy"] = np.nan
    (vgg,) = plotting.accuracy_bars(table)
    assert [text.get_text() for text in vgg.texts if text.get_text()] == ["75.0", "66.0", "40.0"]


def test_time_bars_write_the_seconds(ax):
    plotting.time_bars(arms(), ax=ax)
    ours, paper = ax.containers
    assert [bar.get_width() for bar in ours] == [60.0, 90.0, 5.0]
    assert [bar.get_width() for bar in paper] == [1092.51, 6651.64, 1445.48]
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["60 s", "90 s", "5.0 s", "1,093 s (18 min)", "6,652 s (1 h 50 min)", "1,445 s (24 min)"]
    assert ax.get_yticklabels()[0].get_text() == "VGG16, from scratch"
    assert plotting.time_bars(arms(), ax=Figure().add_subplot()).get_xscale() == "log"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plotting.class_counts([0, 1], ["Training"]), r"\(2,\) and \(1,\)"),
        (lambda: plotting.sample_grid(images()[0]), r"\(48, 48\)"),
        (lambda: plotting.sample_grid(images(), [0, 1]), "5 images, but 2"),
        (lambda: plotting.sample_grid(images(), columns=0), "columns"),
        (lambda: plotting.challenges({}), "at least one row"),
        (lambda: plotting.resize_comparison(images()), "one uint8 image"),
        (lambda: plotting.history_curves(pd.DataFrame({"epoch": [1]})), r"\['loss', 'accuracy'\]"),
        (lambda: plotting.confusion_matrix(np.zeros((6, 6))), r"\(6, 6\)"),
        (lambda: plotting.roc_curves([0, 1], np.ones((2, 6))), r"\(2, 6\)"),
        (lambda: plotting.time_bars(arms().drop(columns="seconds")), "seconds"),
        (lambda: plotting.time_bars(arms().assign(strategy="magic")), r"unknown strategies \['magic'\]"),
        (lambda: plotting.accuracy_bars(pd.concat([arms(), arms()], ignore_index=True)), "row 6 repeats"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert plt.get_fignums() == []
