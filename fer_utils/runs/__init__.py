"""Run folders: check a notebook's parameters, write what a run leaves behind, and read it again."""

from fer_utils.project import PROJECT_ROOT, resolve, shown
from fer_utils.runs.folder import (
    AGAIN,
    CHECKPOINT,
    EPOCHS,
    RunError,
    finish_run,
    save_figure,
    start_run,
    write_json,
    write_whole,
)
from fer_utils.runs.manifest import checksum, device, file_checksum, git_commit, identity, save_manifest, versions
from fer_utils.runs.papermill import pretrained_backbone
from fer_utils.runs.parameters import check_declared, collect_parameters, declared_parameters
from fer_utils.runs.predictions import save_predictions
from fer_utils.runs.reader import BEFORE, FREE, Run, as_seeds, collect, read_arrays, read_run, unlike
