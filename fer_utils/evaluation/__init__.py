"""Evaluation: metrics of one split, their intervals, paired tests of two runs, and the effect of choosing an epoch."""

from fer_utils.evaluation.bootstrap import metric_intervals
from fer_utils.evaluation.intervals import accuracy_interval, over_seeds, pooled_over_seeds, wilson_interval
from fer_utils.evaluation.metrics import PROBABILITY_FLOOR, calibration_error, reliability, summarize
from fer_utils.evaluation.paired import (
    ARMS,
    NETWORKS,
    check_same_images,
    compare_arms,
    difference_test,
    holm,
    mcnemar,
    paired_difference,
    pairwise,
    satterthwaite,
)
