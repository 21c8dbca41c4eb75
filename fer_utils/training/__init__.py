"""Training: batches, the paper's callbacks, checkpoints, and settings of the backend."""

from fer_utils.training.backend import compile_with_xla, make_variables, precision, untune_datasets
from fer_utils.training.batches import Batches
from fer_utils.training.callbacks import KeepEpochs, RecordHistory, StopAtAccuracy
from fer_utils.training.checkpoints import keep_run
from fer_utils.training.features import frozen_features
