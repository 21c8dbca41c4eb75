"""Plotting: one function per figure. Each takes data and `ax=None` or `figure=None`, and returns the Axes."""

from fer_utils.names import ARCHITECTURE_NAMES
from fer_utils.plotting.images import challenges, resize_comparison, sample_grid
from fer_utils.plotting.networks import architecture, stages
from fer_utils.plotting.results import (
    accuracy_bars,
    class_counts,
    confusion_matrix,
    history_curves,
    roc_curves,
    time_bars,
)
from fer_utils.plotting.style import CLASS_STYLES
from fer_utils.plotting.uncertainty import (
    ladder_differences,
    pairwise_differences,
    recall_intervals,
    reliability_diagram,
    selection_curves,
)
