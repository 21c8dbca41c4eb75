"""The corpus of broken inputs: each gives the one error that it must, and leaves nothing behind."""

import io
import re
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
from broken_inputs import csv_files, folders, networks, run_folders, tars, typed, votes, zips
from broken_inputs.case import array_of_objects, csv_bytes, image_folders, pickled, write, zip_of

from fer_utils import runs
from fer_utils.data import cache
from fer_utils.data.faces import DataWarning
from fer_utils.data.loading import load_fer2013
from fer_utils.data.source_task import load_source
from fer_utils.models.saved_models import load_classifier
from fer_utils.training import checkpoints

TABLES = (csv_files, folders, zips, tars, votes, run_folders, typed, networks)
CORPUS = [case for table in TABLES for case in table.CASES]
# Every message says what to do: in the imperative, or as what a value has to be.
WORDS = "add delete download fill fix give install known make move must needs remove rename run save set start trust"
WORDS += " unpack use"
MENDS = re.compile(rf"\b({'|'.join(WORDS.split())}|did you mean)\b", re.IGNORECASE)
LONGEST = 1000  # characters: what a person reads
PATIENCE = 60  # seconds, after which an input counts as one that is waited for for ever


def listing(folder):
    """All that lies below a folder: (name, size, time of change)."""
    found = ((path, path.lstat()) for path in folder.rglob("*"))
    return sorted((str(path), state.st_size, state.st_mtime_ns) for path, state in found)


@pytest.fixture
def no_waiting():
    """Whatever waits for ever is ended with an error."""

    def give_up(*_):
        raise TimeoutError(f"still waiting after {PATIENCE} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_the_corpus_is_large_and_its_names_are_unique():
    names = [case.name for case in CORPUS]
    assert len(names) >= 80
    assert len(set(names)) == len(names)


WHOLE = {
    "csv": lambda folder: load_fer2013(write(folder / "fer2013.csv", csv_bytes())),
    "folders": lambda folder: load_fer2013(image_folders(folder)),
    "source": lambda folder: load_source(folders.two_classes()(folder), size=32),
    "zip": lambda folder: load_fer2013(zips.members()(folder)),
    "tar": lambda folder: load_fer2013(tars.members(tars.WHOLE)(folder)),
    "joined votes": lambda folder: votes.joined(votes.faces("fer2013.csv")(folder)),
    "run": lambda folder: runs.read_run(run_folders.finished(folder)),
    "weights": lambda folder: networks.load(networks.weights_of("vgg16")(folder)),
    "network": lambda folder: load_classifier(networks.saved(networks.classifier)(folder)),
    "profile": lambda folder: typed.profile("", "seeds: [0]\nall: {EPOCHS: 3}", "").read(
        write(folder / "profiles" / "mine.yaml", "seeds: [0]\nall: {EPOCHS: 3}").parents[1]
    ),
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.filterwarnings("ignore::fer_utils.data.DataWarning")
def test_what_is_broken_was_whole_before(kind, tmp_path, own_cache):
    """Otherwise a case could be refused for another reason than its own."""
    WHOLE[kind](tmp_path)


def test_the_guarantees_page_counts_them():
    page = (runs.PROJECT_ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
    assert f"| {len(CORPUS)} named ones, each with its error" in page


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_a_broken_input_gives_its_error_and_leaves_nothing_behind(case, tmp_path, own_cache, no_waiting):
    folder = tmp_path / "given"
    folder.mkdir()
    given = case.make(folder)
    before = listing(tmp_path)
    with warnings.catch_warnings(), pytest.raises(Exception) as caught:
        warnings.simplefilter("ignore")
        case.read(given)
    said = str(caught.value)
    assert type(caught.value) is case.error, f"{type(caught.value).__name__}: {said}"
    assert re.search(case.says, said), said
    assert (case.names or Path(getattr(given, "source", given)).name) in said
    assert MENDS.search(said), said
    assert len(said) <= LONGEST and "Traceback" not in said
    assert listing(tmp_path) == before
    assert not own_cache.exists()


# --- what is passed over instead, since it can be made again ---------------------------------------------------------


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npz_that_claims_80_tb(folder):
    """An entry whose first array's header states far more than the file holds."""
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (80000000000000,)}".ljust(117) + "\n"
    header = np.lib.format.magic(1, 0) + len(text).to_bytes(2, "little") + text.encode()
    return zip_of(folder / "made.npz", {"state.npy": header}).read_bytes()


ENTRIES = {
    "nothing": lambda folder: b"",
    "a pickle": pickled,
    "objects": lambda folder: npz(state=array_of_objects(folder)),
    "a single array": lambda folder: b"\x93NUMPY\1\0v\0{}",
    "no state": lambda folder: npz(images=np.zeros(3)),
    "no images": lambda folder: npz(state="state"),
    "images that do not fit": lambda folder: npz(
        state="state", checksum="", warnings=[], images=np.zeros(3), labels=np.zeros(2), usage=["Test"], row_ids=[0]
    ),
    "an array that claims 80 TB": npz_that_claims_80_tb,
}
CHECKPOINTS = {
    "nothing": (lambda folder: b"", "not a zip"),
    "a pickle": (pickled, "not a zip"),
    "objects": (lambda folder: npz(state=array_of_objects(folder)), "allow_pickle=False"),
    "a single array": (lambda folder: b"\x93NUMPY\1\0v\0{}", "not a zip"),
    "no state": (lambda folder: npz(model_0000=np.zeros(3)), "damaged: 'state'"),
    "a state that is a list": (lambda folder: npz(state=np.array("[1]")), "lacks identity"),
    "a state that is cut off": (lambda folder: npz(state=np.array('{"identity": ')), "damaged: Expecting value"),
    "a state without its epoch": (lambda folder: npz(state=np.array('{"identity": {}}')), "lacks fit, epoch"),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_broken_cache_entry_counts_as_none(kind, tmp_path, own_cache, no_waiting):
    content = ENTRIES[kind](tmp_path)
    write(cache.entry_path("somewhere"), content)
    before = listing(tmp_path)
    with pytest.warns(DataWarning, match=r"faces-\w+.npz is damaged or cannot be read.*the source is read again"):
        assert cache.load("somewhere", "state") is None
    assert listing(tmp_path) == before  # so no pickle was run


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_broken_checkpoint_is_removed_and_said_so(kind, tmp_path, capsys, no_waiting):
    content, reason = CHECKPOINTS[kind]
    write(tmp_path / runs.CHECKPOINT, content(tmp_path))
    assert checkpoints.Checkpoint(tmp_path, None, {}).found is None
    said = capsys.readouterr().out
    assert said.startswith("Training starts from the beginning, not from ") and reason in said
    assert listing(tmp_path) == []
