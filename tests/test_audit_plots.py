import pandas as pd
import pytest

from fer_utils.audit import claims, plots
from fer_utils.comparison import paper

pytestmark = pytest.mark.usefixtures("closed_figures")


def test_class_counts_stand_beside_the_real_ones():
    stated = dict.fromkeys(("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"), 100)
    ax = plots.class_counts(stated)
    assert [len(bars) for bars in ax.containers] == [7, 7]
    assert [bar.get_height() for bar in ax.containers[1]] == [3995, 436, 4097, 7215, 4830, 3171, 4965]


def test_every_stated_accuracy_is_drawn():
    reported = paper.reported()
    ax = plots.stated_accuracies(reported)
    assert len(ax.get_yticks()) == (reported["quantity"] == "validation accuracy").sum()


def test_costs_verdicts_and_collapse_return_their_axes():
    table = pd.DataFrame({"label": ["a", "b"], "seconds_per_epoch": [1.0, 2.0], "seconds_per_megapixel": [0.1, 0.2]})
    assert len(plots.costs(table)) == 2
    counts = claims.verdict_counts(pd.DataFrame({"verdict": ["consistent", "implausible", "consistent"]}))
    assert [bar.get_width() for bar in plots.verdicts(counts).patches] == [1, 2]
    runs = pd.DataFrame({"change": ["x", "x", "y"], "majority_share": [1.0, 0.8, 0.2], "accuracy": [0.2, 0.3, 0.5]})
    ax = plots.collapse(runs)
    assert [bar.get_width() for bar in ax.containers[0]] == pytest.approx([0.9, 0.2])
