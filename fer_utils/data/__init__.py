"""Data loading: FER-2013 in any layout or the built-in sample, checked, and split into train, validation and test."""

from fer_utils.data.checks import exact_duplicates, integrity_report
from fer_utils.data.faces import DataError, DataWarning, Faces
from fer_utils.data.loading import load_fer2013
from fer_utils.data.protocols import PROTOCOLS, apply_protocol, class_weights
from fer_utils.names import EMOTIONS, EXPECTED_COUNTS, USAGES
