"""Downloads that break off or bring something else, from a local stand-in for the servers: never half-used."""

import base64
import contextlib
import hashlib
import http.server
import io
import threading
import types
import zipfile
from http.client import IncompleteRead

import numpy as np
import pytest
from broken_inputs.case import csv_bytes

from fer_utils import data
from fer_utils.data import kaggle as downloads
from fer_utils.data.faces import DataError

pytestmark = [pytest.mark.usefixtures("own_cache"), pytest.mark.filterwarnings("ignore::fer_utils.data.DataWarning")]


@pytest.fixture
def server():
    """A server that sends `content` with the checksum `md5`, whole or cut; `ranges` are the parts it was asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state, part = self.server, self.headers.get("Range")
            state.ranges.append(part)
            content = state.content[int(part.removeprefix("bytes=").rstrip("-")) :] if part else state.content
            self.send_response(206 if part else 200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("x-goog-hash", f"md5={state.md5}")
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if state.cut else content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.content, found.md5, found.cut, found.ranges = b"", "", False, []
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def zipped(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("fer2013.csv", content)
        archive.writestr("more.txt", bytes(6 << 20))  # kagglehub writes a megabyte at a time
    return stream.getvalue()


def md5(content):
    return base64.b64encode(hashlib.md5(content).digest()).decode()


@pytest.fixture
def kaggle(server, tmp_path, monkeypatch):
    """The real kagglehub, with an empty cache, whose data sets are what `server` sends: a fer2013.csv of 21 faces."""
    import requests
    from kagglehub import http_resolver

    url = f"http://127.0.0.1:{server.server_address[1]}/archive.zip"
    api = types.SimpleNamespace(
        download_dataset=lambda request: requests.get(url, stream=True, timeout=20),
        get_dataset=lambda request: types.SimpleNamespace(current_version_number=1),
    )
    client = types.SimpleNamespace(datasets=types.SimpleNamespace(dataset_api_client=api))
    monkeypatch.setattr(http_resolver, "build_kaggle_client", lambda *_: contextlib.nullcontext(client))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    monkeypatch.setattr(downloads, "DATA_SETS", ("deadskull7/fer2013",))
    monkeypatch.setitem(downloads.PUBLISHED_MD5, "fer2013.csv", hashlib.md5(csv_bytes()).hexdigest())
    server.content = zipped(csv_bytes())
    server.md5 = md5(server.content)
    return tmp_path / "kagglehub"


def test_a_download_that_broke_off_is_not_used_and_goes_on_where_it_was(server, kaggle):
    server.cut = True
    with pytest.raises(DataError, match="nothing could be downloaded .*deadskull7/fer2013: .*Check the network"):
        data.load_fer2013("kaggle")
    (half,) = [path for path in kaggle.rglob("*") if path.is_file()]
    size = half.stat().st_size
    assert 0 < size <= len(server.content) // 2
    server.cut = False
    assert len(data.load_fer2013("kaggle")) == 21
    assert server.ranges[-1] == f"bytes={size}-"


def test_a_download_with_a_wrong_byte_is_removed(server, kaggle):
    whole, server.content = server.content, server.content[:-40] + b"x" + server.content[-39:]
    with pytest.raises(DataError, match="DataCorruptionError"):
        data.load_fer2013("kaggle")
    assert not [path for path in kaggle.rglob("*") if path.is_file()]
    server.content = whole
    assert len(data.load_fer2013("kaggle")) == 21


def test_a_whole_download_of_half_the_data_is_removed_and_asked_for_again(server, kaggle):
    """What only this project can tell: the archive is what the server has, and no FER-2013."""
    whole, server.content = server.content, zipped(csv_bytes()[:-4000])
    server.md5 = md5(server.content)
    with pytest.raises(DataError, match=r"has been removed. .*fer2013.csv, row 21 .*Give the same command again"):
        data.load_fer2013("kaggle")
    assert not list(kaggle.rglob("fer2013.csv"))
    server.content, server.md5 = whole, md5(whole)
    assert len(data.load_fer2013("kaggle")) == 21
    asked = len(server.ranges)
    assert len(data.load_fer2013("kaggle")) == 21 and len(server.ranges) == asked


# --- ImageNet's weights ----------------------------------------------------------------------------------------------


@pytest.fixture
def keras_downloads(tmp_path, monkeypatch):
    """Keras' downloads, in a folder of their own: `answer(path)` writes the file, and is counted in `asked`."""
    from keras.src.utils import file_utils

    state = types.SimpleNamespace(asked=0, answer=None, folder=tmp_path / "keras" / "models")
    state.folder.mkdir(parents=True)

    def urlretrieve(origin, path, _):
        state.asked += 1
        state.answer(path)

    monkeypatch.setattr(file_utils, "urlretrieve", urlretrieve)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path / "keras"))
    return state


def test_half_a_file_of_imagenet_weights_is_never_used(keras_downloads):
    from fer_utils.models import backbones

    def half(path):
        with open(path, "wb") as file:
            file.write(b"\x89HDF\r\n\x1a\n" + bytes(5000))

    def breaks_off(path):
        half(path)
        raise IncompleteRead(b"", 5000)

    backbone = backbones.build_backbone("vgg16", 32, 3)
    before = backbone.get_layer("block1_conv1").get_weights()
    half(keras_downloads.folder / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5")  # of a process that was killed
    for asked, answer in enumerate((half, half, breaks_off), start=1):
        keras_downloads.answer = answer
        with pytest.raises(backbones.WeightsError, match="of vgg16 could not be downloaded.*put the.*notebook 02"):
            backbones.load_backbone_weights(backbone, "imagenet")
        assert keras_downloads.asked == asked  # what lies there is held against its checksum, and asked for again
    assert not list(keras_downloads.folder.iterdir())
    for one, other in zip(before, backbone.get_layer("block1_conv1").get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
