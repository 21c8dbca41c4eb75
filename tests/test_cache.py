"""The cache gives back what it got, notices damage anywhere in the file, and never stands in the way."""

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest

from fer_utils.data import cache
from fer_utils.data.faces import DataWarning, Faces
from fer_utils.names import USAGES

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def faces(pixels):
    ids = np.arange(42)
    return Faces(pixels, (ids % 7).astype(np.uint8), np.array(USAGES)[ids % 3], ids * 10, source="somewhere")


def stored(faces, state="state"):
    cache.store(faces, state, ["a warning"])
    return cache.entry_path(faces.source)


def load():
    return cache.load("somewhere", "state")


def test_what_is_loaded_is_what_was_stored(faces):
    stored(faces)
    loaded, messages = load()
    for name in cache.ARRAYS:
        assert getattr(loaded, name).dtype == getattr(faces, name).dtype
        assert np.array_equal(getattr(loaded, name), getattr(faces, name))
    assert (loaded.source, loaded.checksum, messages) == (faces.source, faces.checksum, ["a warning"])


def test_no_entry_is_none_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load() is None


def test_every_damaged_byte_is_noticed(faces):
    path = stored(faces)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    heads = [content.index(b"\x93NUMPY", start) for start in (0, len(content) - 4000)]
    places = np.concatenate([generator.integers(0, len(content), 60), *[head + np.arange(0, 60, 7) for head in heads]])
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            loaded = load()
        if loaded is not None:  # a blank in a header's padding may change without a change in what it says
            assert np.array_equal(loaded[0].images, faces.images)
            assert loaded[0].checksum == faces.checksum
        else:
            assert issubclass(caught[-1].category, DataWarning)


@pytest.mark.parametrize("length", [0, 10, 5000, -1])
def test_a_truncated_entry_is_noticed(faces, length):
    path = stored(faces)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.warns(DataWarning, match=r"cache file .* is damaged .*the source is read again"):
        assert load() is None


def test_an_entry_of_another_state_is_passed_over_and_replaced(faces):
    stored(faces, state="older")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load() is None
    path = stored(faces)
    assert list(cache.cache_folder().iterdir()) == [path]
    assert load() is not None


def test_a_failed_write_leaves_nothing_and_warns(faces, monkeypatch):
    def fail(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.warns(
        DataWarning, match=r"cannot be cached in .* \(No space left on device\).*Set FER_CACHE to a folder"
    ):
        stored(faces)
    assert list(cache.cache_folder().iterdir()) == []


def test_an_interrupted_write_leaves_nothing(faces, monkeypatch):
    def interrupt(file, **_):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stored(faces)
    assert list(cache.cache_folder().iterdir()) == []


def test_where_the_cache_lies(monkeypatch, tmp_path):
    assert cache.cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("FER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.cache_folder() == tmp_path / "xdg" / "fer_utils"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.cache_folder() == tmp_path / "home" / ".cache" / "fer_utils"
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user id that no file knows, without HOME
    assert cache.cache_folder() == Path(tempfile.gettempdir()) / ".cache" / "fer_utils"
