"""What the label figures draw, read back from the Axes."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest

from fer_utils.labels import plots
from fer_utils.names import EMOTIONS

pytestmark = pytest.mark.usefixtures("closed_figures")


def counts():
    table = pd.DataFrame({"n": [10] * 7 + [70], "same": [6] * 7 + [42], "other": [3] * 7 + [21], "none": [1] * 7 + [7]})
    return table.set_axis([*EMOTIONS, "all"])


def test_agreement_bars_add_up():
    ax = plots.agreement_bars(counts())
    widths = [[bar.get_width() for bar in part] for part in ax.containers]
    assert np.sum(widths, axis=0).tolist() == pytest.approx([1] * 8)
    assert widths[0] == pytest.approx([0.6] * 8)
    assert [part[0].get_x() for part in ax.containers] == pytest.approx([0, 0.6, 0.9])
    assert ax.get_yticklabels()[0].get_text() == "angry (10)"


def test_agreement_bars_of_a_class_without_images():
    table = counts()
    table.loc["disgust"] = 0
    ax = plots.agreement_bars(table)
    assert [part[1].get_width() for part in ax.containers] == [0, 0, 0]


def by_agreement(values):
    n = len(values)
    return pd.DataFrame({"bin": list("abcd"[:n]), "n": range(1, n + 1), "accuracy": values, "low": 0.1, "high": 0.9})


def test_accuracy_by_agreement_draws_a_line_a_run():
    ax = plots.accuracy_by_agreement(
        {"run": by_agreement([0.2, np.nan, 0.8]), "the labels themselves": by_agreement([0.3, 0.5, 0.9])}
    )
    lines = [container.lines[0] for container in ax.containers]
    assert [line.get_linestyle() for line in lines] == ["-", "--"]
    assert lines[1].get_ydata().tolist() == [0.3, 0.5, 0.9]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a\n(1)", "b\n(2)", "c\n(3)"]


def test_interval_dots_leave_out_what_has_no_value():
    table = pd.DataFrame(
        {
            "name": ["people", "missing", "run"],
            "value": [0.655, np.nan, 0.7],
            "low": [np.nan, np.nan, 0.6],
            "high": [np.nan, np.nan, 0.8],
            "kind": ["said", "measured", "measured"],
        }
    )
    ax = plots.interval_dots(table)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["people", "run"]
    assert [container.lines[0].get_xdata().tolist() for container in ax.containers] == [[0.655], [0.7]]
    assert {text.get_text() for text in ax.texts} == {"65.5", "70.0"}
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row is on top
    with pytest.raises(ValueError, match="lacks the columns"):
        plots.interval_dots(table.drop(columns="low"))


def test_confusion_shares_write_counts_where_there_are_any():
    matrix = pd.DataFrame(np.zeros((7, 7)), index=list(EMOTIONS), columns=list(EMOTIONS))
    assert not any(text.get_text() for text in plots.confusion_shares(matrix).texts)
    matrix.at["fear", "sad"] = 12.4
    (text,) = [text for text in plots.confusion_shares(matrix).texts if text.get_text()]
    place = tuple(np.floor(text.get_position()).astype(int))
    assert text.get_text() == "12" and place == (EMOTIONS.index("sad"), EMOTIONS.index("fear"))
