import numpy as np
import pandas as pd
import pytest

from fer_utils import evaluation, plotting
from fer_utils.names import EMOTIONS

pytestmark = pytest.mark.usefixtures("closed_figures")


def test_pairs_are_named_in_order_and_filled_where_they_differ():
    table = pd.DataFrame(
        {
            "first": ["a", "a"],
            "second": ["b", "c"],
            "difference": [0.02, 0.1],
            "low": [-0.01, 0.07],
            "high": [0.05, 0.13],
            "differ": [False, True],
        }
    )
    ax = plotting.pairwise_differences(table, names=str.upper)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A  over  B", "A  over  C"]
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert [mark.get_xdata()[0] for mark in marks] == pytest.approx([2, 10])
    assert [mark.get_markerfacecolor() == "white" for mark in marks] == [True, False]
    bars = [line.get_xdata().tolist() if hasattr(line.get_xdata(), "tolist") else line.get_xdata() for line in ax.lines]
    assert [7.000000000000001, 13.0] in bars
    assert ax.yaxis_inverted()
    own = plotting.pairwise_differences(table.assign(own_low=[np.nan, 0.03], own_high=[np.nan, 0.17]), names=str)
    assert [3.0, 17.0] in [[round(float(x), 9) for x in line.get_xdata()] for line in own.lines]


def test_reliability_has_a_bar_for_each_bin_that_holds_images():
    table = pd.DataFrame(
        {
            "low": [0.0, 0.5],
            "high": [0.5, 1.0],
            "n": [0, 4],
            "confidence": [np.nan, 0.8],
            "accuracy": [np.nan, 0.5],
        }
    )
    ax = plotting.reliability_diagram(table, error=0.3)
    (bar,) = ax.containers[0]
    assert (bar.get_x(), bar.get_width(), bar.get_height()) == (0.5, 0.5, 0.5)
    assert "30.0 %" in ax.get_xlabel()


def test_recalls_stand_with_their_counts_and_intervals():
    labels = np.array([0] * 6 + [1] * 2)
    probabilities = np.eye(7)[[0] * 6 + [1, 0]]
    summary = evaluation.summarize(labels, probabilities)
    ax = plotting.recall_intervals(summary, evaluation.metric_intervals(labels, probabilities, samples=200))
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["angry\n6", "disgust\n2"]
    marks = {line.get_xdata()[0]: line.get_ydata()[0] for line in ax.lines if line.get_marker() == "o"}
    assert marks == {0: 1.0, 1: 0.5}  # no mark for the five emotions without images
    assert len(ax.get_xticklabels()) == len(EMOTIONS)


def test_the_best_epoch_of_each_split_is_marked():
    right = {
        "validation": np.arange(10) < np.array([[3], [6], [5]]),
        "test": np.arange(10) < np.array([[4], [5], [7]]),
    }
    ax = plotting.selection_curves(right)
    marks = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_marker() == "o"]
    assert marks == [(2, 0.6), (3, 0.7)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["PublicTest", "PrivateTest"]
