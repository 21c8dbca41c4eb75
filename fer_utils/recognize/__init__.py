"""The network that comes with this package: used on photos, looked into, exported (notebooks 10, 11)."""

from fer_utils.recognize.network import facts, load_network, probabilities
