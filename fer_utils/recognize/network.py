"""The network that comes with the package: the best of notebook 08 on PublicTest, with weights of two bytes each.

    network = recognize.load_network()
    recognize.probabilities(network, faces)  # uint8 (n, 48, 48) in, calibrated float64 (n, 7) out

``tools/network.py`` makes network.keras and network.json from a finished run. docs/model-card.md says what the network
can and cannot do.
"""

import functools
import json
from pathlib import Path

from fer_utils.evaluation.calibration import with_temperature
from fer_utils.models import saved_models, tta

FILE = Path(__file__).with_name("network.keras")
FACTS = FILE.with_suffix(".json")


@functools.cache
def facts():
    """Facts about the network: the content of network.json as a dict.

    run, git_commit, seed, data_checksum: its training. emotions: the order of its outputs. temperatures: views ->
    temperature, chosen on PublicTest. sha256: of its file.
    """
    return json.loads(FACTS.read_text(encoding="utf-8"))


def load_network():
    """Load the network as an uncompiled Keras model: uint8 (n, 48, 48) in; float32 (n, 7), not calibrated, out."""
    network = saved_models.load_classifier(FILE)
    network.shipped = True  # so that no other network gets its temperatures
    return network


def temperature_for(network, views):
    """The temperature of ``load_network``'s network for these views; 1 for other networks, or once it is compiled."""
    # A compiled network may have been trained further, so its temperatures may be wrong.
    as_shipped = getattr(network, "shipped", False) and not getattr(network, "optimizer", None)
    return facts()["temperatures"][views] if as_shipped else 1.0


def probabilities(network, faces, views="single", temperature=None):
    """Predict the probability of each emotion: float64 (n, 7). They are calibrated for ``load_network``'s network.

    faces: grey levels uint8 (n, 48, 48), framed as in FER-2013. views: "single", "flip" or "scales", to average over.
    temperature: by default that of ``temperature_for``; 1 means not calibrated. Raises ValueError for faces that are
    not grey levels, and for unknown views.
    """
    predicted = tta.predict(network, faces, views)
    return with_temperature(predicted, temperature_for(network, views) if temperature is None else temperature)
