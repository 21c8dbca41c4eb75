"""The corpus of broken inputs: each gives the one error that it must, and leaves nothing behind."""

import io
import re
import signal
import warnings
from pathlib import Path

import numpy as np
import pytest
from broken_inputs import csv_files, folders, networks, run_folders, tars, typed, votes, zips
from broken_inputs.case import array_of_objects, csv_bytes, image_folders, pickled, write

from fer_utils import cache, checkpoints, run_reader, runs
from fer_utils.data import load_fer2013
from fer_utils.faces import DataWarning
from fer_utils.labels.ferplus import load_ferplus
from fer_utils.saved_models import load_classifier
from fer_utils.source import load_source

TABLES = (csv_files, folders, zips, tars, votes, run_folders, typed, networks)
CORPUS = [case for table in TABLES for case in table.CASES]
# Every message says what to do: in the imperative, or as what a value has to be.
WORDS = "add delete download fill give install known make mend move must needs remove rename run save set start trust"
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
    "votes": lambda folder: load_ferplus(write(folder / "fer2013new.csv", votes.text())),
    "joined votes": lambda folder: votes.joined(votes.faces("fer2013.csv")(folder)),
    "run": lambda folder: run_reader.read_run(run_folders.finished(folder)),
    "weights": lambda folder: networks.load(networks.weights_of("vgg16")(folder)),
    "network": lambda folder: load_classifier(networks.saved(networks.classifier)(folder)),
    "profile": lambda folder: typed.profile("", "seeds: [0]\nall: {EPOCHS: 3}", "").read(
        write(folder / "profiles" / "mine.yaml", "seeds: [0]\nall: {EPOCHS: 3}").parents[1]
    ),
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.filterwarnings("ignore::fer_utils.faces.DataWarning")
def test_what_is_broken_was_whole_before(kind, tmp_path, own_cache):
    """Otherwise a case could be refused for another reason than its own."""
    WHOLE[kind](tmp_path)


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


def cache_of_objects(folder):
    """An entry whose first array is a pickle that would tell if it were read."""
    stream = io.BytesIO(b"{}\n")
    stream.seek(0, io.SEEK_END)
    np.save(stream, array_of_objects(folder))
    return stream.getvalue()


ENTRIES = {
    "nothing": lambda folder: b"",
    "a pickle": pickled,
    "objects": cache_of_objects,
    "a list for the first line": lambda folder: b"[1]\n",
    "brackets in brackets": lambda folder: b"[" * 200_000 + b"\n",
    "an array that claims 80 TB": lambda folder: b"{}\n" + np.lib.format.magic(1, 0) + claimed_header(),
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


def claimed_header():
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (80000000000000,)}".ljust(117) + "\n"
    return len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_broken_cache_entry_counts_as_none(kind, tmp_path, no_waiting):
    path = write(tmp_path / "faces.cache", ENTRIES[kind](tmp_path))
    before = listing(tmp_path)
    with pytest.warns(DataWarning, match="faces.cache is damaged or cannot be read.*the source is read again"):
        assert cache.load(path) is None
    assert listing(tmp_path) == before  # so no pickle was run


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_a_broken_checkpoint_is_removed_and_said_so(kind, tmp_path, capsys, no_waiting):
    content, reason = CHECKPOINTS[kind]
    write(tmp_path / runs.CHECKPOINT, content(tmp_path))
    assert checkpoints.Checkpoint(tmp_path, None, {}).found is None
    said = capsys.readouterr().out
    assert said.startswith("Starts anew, and not from ") and reason in said
    assert listing(tmp_path) == []
