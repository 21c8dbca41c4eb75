"""Temperature scaling: calibrate a network's confidence.

It is one number per network, chosen on a split whose labels may be used. It never changes the predicted emotion.
Source: Guo et al. 2017, arXiv:1706.04599, section 4.2.
"""

import numpy as np
from scipy import optimize, special

from fer_utils.evaluation.metrics import PROBABILITY_FLOOR, _floored
from fer_utils.runs.predictions import checked

RANGE = (0.05, 20.0)


def fit_temperature(labels, probabilities) -> float:
    """The temperature with the lowest log loss; above 1 if the network is overconfident.

    labels: integers (n,), 0 to 6. probabilities: a network's, floats (n, 7), rows summing to 1. Use the validation
    split, never the reported test split. Raises ValueError if all predictions are right or all are wrong.
    """
    labels, probabilities = checked(labels, probabilities)
    right = probabilities.argmax(axis=1) == labels
    if right.all() or not right.any():
        result = "right" if right.all() else "wrong"
        raise ValueError(f"all {len(labels)} predictions are {result}, so no temperature is best. Give more images")

    def log_loss(logarithm):
        chosen = with_temperature(probabilities, np.exp(logarithm))[np.arange(len(labels)), labels]
        return -np.log(np.maximum(chosen, PROBABILITY_FLOOR)).mean()

    found = optimize.minimize_scalar(log_loss, bounds=np.log(RANGE), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x))


def with_temperature(probabilities, temperature):
    """Probabilities (n, 7), made softer (temperature above 1) or sharper: float64, each row summing to 1.

    The same as dividing the logits by the temperature: log probabilities differ from logits by a constant per row,
    which a softmax ignores. But a probability below ``PROBABILITY_FLOOR`` counts as this floor.
    """
    if not RANGE[0] <= temperature <= RANGE[1]:
        raise ValueError(f"temperature={temperature!r} must lie in {list(RANGE)}")
    return special.softmax(np.log(_floored(np.asarray(probabilities, np.float64))) / temperature, axis=1)
