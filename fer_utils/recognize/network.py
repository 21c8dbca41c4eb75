"""The network that comes with the package: the best of notebook 08 by PublicTest, its weights in two bytes each.

    network = recognize.load_network()
    recognize.probabilities(network, faces)  # uint8 (n, 48, 48) in, calibrated float64 (n, 7) out

``tools/network.py`` writes network.keras and network.json from a finished run. docs/model-card.md says what the network
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
    """What is known of the network: a dict as network.json has it.

    run, git_commit, seed, data_checksum: what training it is of. emotions: the order of its answers. temperatures:
    views -> temperature, chosen on PublicTest. sha256: of its file.
    """
    return json.loads(FACTS.read_text(encoding="utf-8"))


def load_network():
    """The network as a Keras model, uncompiled: uint8 (n, 48, 48) in; float32 (n, 7), not calibrated, out."""
    network = saved_models.load_classifier(FILE)
    network.shipped = True  # so that no other network gets its temperatures
    return network


def temperature_for(network, views):
    """The temperature for such views: of ``load_network``'s network, as chosen; of another, or once compiled, 1."""
    as_shipped = getattr(network, "shipped", False) and not getattr(network, "optimizer", None)  # it may be trained on
    return facts()["temperatures"][views] if as_shipped else 1.0


def probabilities(network, faces, views="single", temperature=None):
    """Probabilities of each emotion: float64 (n, 7). Calibrated for ``load_network``'s network.

    faces: grey levels uint8 (n, 48, 48), framed as FER-2013's are. views: "single", "flip" or "scales", of whose
    answers the mean is taken. temperature: by default ``temperature_for`` such views; at 1 the answers are not
    calibrated. Raises ValueError for faces that are no bytes, and for unknown views.
    """
    answers = tta.predict(network, faces, views)
    return with_temperature(answers, temperature_for(network, views) if temperature is None else temperature)
