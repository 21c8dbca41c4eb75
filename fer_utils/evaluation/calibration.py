"""Temperature: how sure a network may say it is (notebook 10, exports).

One number per network, chosen where its labels may be looked at, which moves no answer to another emotion. Source: Guo
et al. 2017, arXiv:1706.04599, section 4.2.
"""

import numpy as np
from scipy import optimize, special

from fer_utils.evaluation.metrics import PROBABILITY_FLOOR, _floored
from fer_utils.runs.predictions import checked

RANGE = (0.05, 20.0)


def fit_temperature(labels, probabilities) -> float:
    """The temperature with the lowest log loss on these answers; above 1 where the network was too sure.

    labels: integers (n,), 0 to 6. probabilities: floats (n, 7), rows summing to 1, as a network gave them. Fit it on
    the split that selects, never on the one that reports. Raises ValueError for answers of one kind, right or wrong
    alone, for which no temperature is best.
    """
    labels, probabilities = checked(labels, probabilities)
    right = probabilities.argmax(axis=1) == labels
    if right.all() or not right.any():
        raise ValueError(
            f"all of {len(labels)} answers are {'right' if right.all() else 'wrong'}: no temperature is best"
        )

    def log_loss(logarithm):
        chosen = with_temperature(probabilities, np.exp(logarithm))[np.arange(len(labels)), labels]
        return -np.log(np.maximum(chosen, PROBABILITY_FLOOR)).mean()

    found = optimize.minimize_scalar(log_loss, bounds=np.log(RANGE), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x))


def with_temperature(probabilities, temperature):
    """Probabilities (n, 7) made softer (temperature above 1) or sharper; float64, each row summing to 1.

    The same as dividing the logits by it, since a softmax forgets what is added to all of a row.
    """
    if not RANGE[0] <= temperature <= RANGE[1]:
        raise ValueError(f"temperature={temperature!r} must lie in {list(RANGE)}")
    return special.softmax(np.log(_floored(np.asarray(probabilities, np.float64))) / temperature, axis=1)
