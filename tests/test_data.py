"""Loading by source, the cache in use, the integrity report, protocols, class weights and subsets."""

import gzip
import hashlib
import os
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from broken_inputs.case import image_folders
from PIL import Image

from fer_utils import data
from fer_utils.data import archives, cache, kaggle, loading, protocols
from fer_utils.data.checks import count_differences
from fer_utils.data.faces import DataError, DataWarning, Faces
from fer_utils.names import EMOTIONS, USAGES

pytestmark = [pytest.mark.usefixtures("own_cache"), pytest.mark.filterwarnings("ignore::fer_utils.data.DataWarning")]

REAL = Path(__file__).resolve().parents[2] / "shared" / "fer2013"


def make_faces(pixels, usages=USAGES):
    """Two faces for each emotion and usage."""
    ids = np.arange(len(pixels))
    labels = (ids // len(usages) % 7).astype(np.uint8)
    return Faces(pixels, labels, np.array(usages, dtype="<U11")[ids % len(usages)], ids, source="made")


def text(image):
    return " ".join(map(str, image.ravel().tolist()))


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz"])
def test_a_link_is_read_under_its_own_name(tmp_path, pixels, name):
    """As DVC, git-annex and Hugging Face's cache keep files: the content's own name is a checksum."""
    content = tmp_path / "blobs" / "3f2a"
    content.parent.mkdir()
    rows = "emotion,pixels\n" + "".join(f"{row % 7},{text(image)}\n" for row, image in enumerate(pixels))
    content.write_bytes(gzip.compress(rows.encode()) if name.endswith("gz") else rows.encode())
    (tmp_path / name).symlink_to(content)
    assert set(data.load_fer2013(tmp_path / name).usage) == {"Training"}


def original(changed=None):
    """Faces with exactly the original's counts and black images; `changed` drops that usage's first disgust image."""
    parts = [(usage, code, n) for usage, row in data.EXPECTED_COUNTS.items() for code, n in enumerate(row)]
    labels = np.concatenate([np.full(n - (usage == changed and code == 1), code) for usage, code, n in parts])
    usage = np.concatenate([np.full(n - (usage == changed and code == 1), usage) for usage, code, n in parts])
    images = np.zeros((len(labels), 48, 48), np.uint8)
    return Faces(images, labels.astype(np.uint8), usage.astype("<U11"), np.arange(len(labels)), "made", checksum="-")


@pytest.fixture
def csv(tmp_path, pixels):
    faces = make_faces(pixels)
    rows = zip(faces.labels, faces.images, faces.usage, strict=True)
    lines = [f"{label},{text(image)},{usage}" for label, image, usage in rows]
    (tmp_path / "fer2013.csv").write_text("emotion,pixels,Usage\n" + "\n".join(lines) + "\n")
    return tmp_path / "fer2013.csv"


def same(one, other):
    return one.checksum == other.checksum and np.array_equal(one.row_ids, other.row_ids)


def count_reads(monkeypatch):
    calls = []
    read = archives.read
    monkeypatch.setattr(archives, "read", lambda path: calls.append(path) or read(path))
    return calls


def test_load_gives_what_the_csv_says(csv, pixels):
    faces = data.load_fer2013(csv)
    assert same(faces, make_faces(pixels))
    assert np.array_equal(faces.images, pixels)
    assert faces.source == str(csv)
    assert len(faces) == 42


def test_fer_data_is_the_default_and_the_argument_goes_first(csv, monkeypatch):
    monkeypatch.setenv("FER_DATA", str(csv))
    assert same(data.load_fer2013(), data.load_fer2013(""))
    assert data.load_fer2013().source == str(csv)
    with pytest.raises(DataError, match="no such file"):
        data.load_fer2013("nowhere")


def test_relative_paths_start_at_the_projects_root(csv, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr("fer_utils.project.PROJECT_ROOT", tmp_path)
    assert len(data.load_fer2013("fer2013.csv")) == 42


def test_a_second_load_comes_from_the_cache_with_the_same_warnings(csv, monkeypatch):
    calls = count_reads(monkeypatch)
    with pytest.warns(DataWarning) as first:
        one = data.load_fer2013(csv)
    with pytest.warns(DataWarning) as second:
        other = data.load_fer2013(csv)
    assert len(calls) == 1
    assert same(one, other)
    assert [str(item.message) for item in first] == [str(item.message) for item in second]
    assert Path(first[0].filename).name == "test_data.py"


def test_a_changed_file_is_read_again(csv, monkeypatch):
    calls = count_reads(monkeypatch)
    before = data.load_fer2013(csv)
    stat = csv.stat()
    csv.write_text(csv.read_text().replace("6,", "5,", 1).replace("0,", "1,", 1))
    os.utime(csv, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert data.load_fer2013(csv).checksum != before.checksum
    assert len(calls) == 2


def test_another_parser_version_reads_again(csv, monkeypatch):
    calls = count_reads(monkeypatch)
    data.load_fer2013(csv)
    monkeypatch.setattr(archives, "PARSER_VERSION", 99)
    data.load_fer2013(csv)
    assert len(calls) == 2


def test_a_damaged_cache_is_rebuilt_and_said_so(csv, pixels):
    data.load_fer2013(csv)
    entry = next(cache.cache_folder().iterdir())
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 1
    entry.write_bytes(content)
    with pytest.warns(DataWarning, match="Bad CRC-32.*the source is read again"):
        assert same(data.load_fer2013(csv), make_faces(pixels))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert same(data.load_fer2013(csv), make_faces(pixels))
    assert not any("cache file" in str(item.message) for item in caught)


def test_an_unwritable_cache_warns_and_goes_on(csv, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FER_CACHE", str(tmp_path / "file"))
    with pytest.warns(DataWarning, match="cannot be cached") as caught:
        assert len(data.load_fer2013(csv)) == 42
    assert {Path(item.filename).name for item in caught} == {"test_data.py"}  # the caller's line, not the package's


def test_other_counts_warn_with_what_is_different(csv):
    with pytest.warns(DataWarning, match=r"Training 14 images instead of 28709 \(angry 2 instead of 3995, disgust 2"):
        data.load_fer2013(csv)


def test_train_csv_loads_and_the_protocols_say_what_is_missing(csv):
    rows = [line.rsplit(",", 1)[0] for line in csv.read_text().splitlines()]
    csv.with_name("train.csv").write_text("\n".join(rows))
    csv.with_name("test.csv").write_text("pixels\n")
    csv.unlink()
    with pytest.warns(DataWarning, match="test.csv has no labels"):
        faces = data.load_fer2013(csv.parent)
    assert set(faces.usage) == {"Training"}
    for protocol in data.PROTOCOLS:
        with pytest.raises(DataError, match=f"PROTOCOL={protocol} needs PublicTest and PrivateTest.*Give fer2013.csv"):
            data.apply_protocol(faces, protocol)


@pytest.fixture
def sample_module(monkeypatch, pixels):
    """A stand-in for fer_utils.sample that counts how often it draws."""
    import fer_utils

    faces = make_faces(pixels)
    module = types.SimpleNamespace(drawn=0, VERSION=1)

    def draw():
        module.drawn += 1
        return faces.images, faces.labels, faces.usage, {}

    module.draw = draw
    monkeypatch.setattr(fer_utils, "sample", module, raising=False)
    monkeypatch.setitem(sys.modules, "fer_utils.sample", module)
    return module


def test_the_sample_is_the_default_and_is_drawn_once(sample_module, pixels):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, other = data.load_fer2013(), data.load_fer2013("sample")
    assert same(one, make_faces(pixels))
    assert same(one, other)
    assert one.source == "sample"
    assert sample_module.drawn == 1


def test_another_version_of_the_sample_draws_again(sample_module):
    data.load_fer2013("sample")
    sample_module.VERSION = 2
    data.load_fer2013("sample")
    assert sample_module.drawn == 2


def stand_in_for_kagglehub(monkeypatch, answers):
    """kagglehub.dataset_download that returns answers[name] or raises it."""
    asked = []

    def dataset_download(name):
        asked.append(name)
        if isinstance(answers[name], Exception):
            raise answers[name]
        return str(answers[name])

    monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(dataset_download=dataset_download))
    return asked


def publish(monkeypatch, path):
    """As if the published file of this name were the one at `path`."""
    monkeypatch.setitem(kaggle.PUBLISHED_MD5, path.name, hashlib.md5(path.read_bytes()).hexdigest())


def test_kaggle_downloads_the_csv(csv, monkeypatch):
    asked = stand_in_for_kagglehub(monkeypatch, {"deadskull7/fer2013": csv.parent})
    publish(monkeypatch, csv)
    assert len(data.load_fer2013("kaggle")) == 42
    assert asked == ["deadskull7/fer2013"]


def test_kaggle_falls_back_on_the_folders(csv, monkeypatch):
    answers = {"deadskull7/fer2013": RuntimeError("gone"), "msambare/fer2013": csv.parent}
    asked = stand_in_for_kagglehub(monkeypatch, answers)
    publish(monkeypatch, csv)
    assert len(data.load_fer2013("kaggle")) == 42
    assert asked == ["deadskull7/fer2013", "msambare/fer2013"]


@pytest.mark.parametrize("where", [["fer2013.csv"], []])  # a failure to open a file names it, one to read does not
def test_a_download_that_this_machine_cannot_read_is_left_alone(csv, monkeypatch, where):
    stand_in_for_kagglehub(monkeypatch, {"deadskull7/fer2013": csv.parent})

    def unreadable(_path):
        try:
            raise OSError(5, "Input/output error", *where)
        except OSError as error:
            raise DataError("cannot be read") from error

    monkeypatch.setattr(archives, "read", unreadable)
    with pytest.raises(DataError, match="^cannot be read$"):
        data.load_fer2013("kaggle")
    assert csv.exists()


def test_a_download_that_is_no_fer2013_is_removed_and_asked_for_again(csv, monkeypatch):
    asked = stand_in_for_kagglehub(monkeypatch, {"deadskull7/fer2013": csv.parent})
    whole = csv.read_bytes()
    publish(monkeypatch, csv)
    csv.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"has been removed. .*fer2013.csv, row 22 .*truncated.*Give the same"):
        data.load_fer2013("kaggle")
    assert not csv.parent.exists()
    csv.parent.mkdir()
    csv.write_bytes(whole.replace(b",Training", b",PublicTest", 1))  # well-formed, and still another file
    with pytest.raises(DataError, match=r"its MD5 is \w{32}, and that of the published .*counts .*are not FER-2013's"):
        data.load_fer2013("kaggle")
    csv.parent.mkdir()
    csv.write_bytes(whole)
    assert len(data.load_fer2013("kaggle")) == 42 and len(asked) == 3


def test_downloaded_folders_that_lack_images_are_removed(tmp_path, monkeypatch):
    folder = image_folders(tmp_path / "folders")
    stand_in_for_kagglehub(monkeypatch, {"deadskull7/fer2013": RuntimeError("gone"), "msambare/fer2013": folder})
    with pytest.raises(DataError, match=r"has been removed. .*folders: its counts of images are not FER-2013's"):
        data.load_fer2013("kaggle")
    assert not folder.exists()


def test_a_download_that_was_read_by_its_path_before_is_checked_all_the_same(csv, monkeypatch):
    stand_in_for_kagglehub(monkeypatch, {"deadskull7/fer2013": csv.parent})
    data.load_fer2013(csv)
    with pytest.raises(DataError, match=r"has been removed. .*its counts of images are not FER-2013's"):
        data.load_fer2013("kaggle")


def test_a_download_that_is_only_spelled_otherwise_is_used_with_a_warning(csv, monkeypatch):
    stand_in_for_kagglehub(monkeypatch, {"deadskull7/fer2013": csv.parent})
    monkeypatch.setattr(loading, "count_differences", lambda faces: [])  # as if its counts were the original's
    with pytest.warns(DataWarning, match="its MD5 is .* Its counts are the original's"):
        data.load_fer2013("kaggle")
    assert csv.exists()


def test_kaggle_without_a_network_is_one_error_with_the_mend(monkeypatch):
    stand_in_for_kagglehub(monkeypatch, dict.fromkeys(kaggle.DATA_SETS, ConnectionError("no route")))
    with pytest.raises(
        DataError, match=r"deadskull7/fer2013: ConnectionError: no route; msambare.*give its path as DATA"
    ):
        data.load_fer2013("kaggle")


def test_kaggle_without_kagglehub_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match=r"not installed. Install it \(pip install kagglehub\).*give its path as DATA"):
        data.load_fer2013("kaggle")


def test_integrity_of_the_original_counts():
    report = data.integrity_report(original())
    assert report.is_original
    assert report.counts.to_numpy().sum() == 35887
    assert report.counts.sum(axis=1).tolist() == [28709, 3589, 3589]
    assert report.counts.at["PublicTest", "disgust"] == 56
    assert not report.differences.to_numpy().any()
    assert len(report.constant_images) == 35887
    assert "All counts are those of the original FER-2013." in str(report)
    assert "Constant images (one gray value only): 35887, row ids 0, 1," in str(report)
    assert count_differences(original()) == []


def test_integrity_says_what_differs():
    faces = original(changed="PrivateTest")
    report = data.integrity_report(faces)
    assert not report.is_original
    assert report.differences.at["PrivateTest", "disgust"] == -1
    assert report.differences.to_numpy().sum() == -1
    assert "Not the original FER-2013" in str(report)
    said = "PrivateTest 3588 images instead of 3589 (disgust 54 instead of 55)"
    assert count_differences(faces) == [f"made: the counts differ from the original FER-2013: {said}."]


def test_integrity_of_a_merged_test_folder_compares_with_the_sum():
    faces = original()
    usage = np.where(faces.usage == "Training", "Training", "Test").astype("<U11")
    report = data.integrity_report(Faces(faces.images, faces.labels, usage, faces.row_ids, "made", "-"))
    assert report.is_original
    assert report.counts.loc["Test"].tolist() == [958, 111, 1024, 1774, 1247, 831, 1233]


def test_integrity_names_constant_images_by_their_row_ids(pixels):
    pixels = pixels.copy()
    pixels[[3, 30]] = [[[0]], [[255]]]
    faces = make_faces(pixels)
    faces = Faces(faces.images, faces.labels, faces.usage, faces.row_ids + 100, "made")
    assert data.integrity_report(faces).constant_images.tolist() == [103, 130]


def test_the_official_protocol(pixels):
    faces = make_faces(pixels)
    splits = data.apply_protocol(faces)
    for part, usage in zip((splits.train, splits.validation, splits.open_test()), USAGES, strict=True):
        assert set(part.usage) == {usage}
        assert part.row_ids.tolist() == np.flatnonzero(faces.usage == usage).tolist()
        assert np.array_equal(part.images, faces.images[part.row_ids])


def test_the_papers_protocol_reports_on_what_it_selects_by(pixels):
    splits = data.apply_protocol(make_faces(pixels), "paper")
    test = splits.open_test()
    assert test is splits.validation
    assert (len(splits.train), splits.test_size) == (14, 28)
    assert set(test.usage) == {"PublicTest", "PrivateTest"}


def test_openings_of_the_test_split_are_counted(pixels):
    splits = data.apply_protocol(make_faces(pixels))
    assert (splits.test_openings, splits.test_size) == (0, 14)
    first, second = splits.open_test(), splits.open_test()
    assert first is second and set(first.usage) == {"PrivateTest"}
    assert splits.test_openings == 2
    assert "_test" not in repr(splits)


def test_a_merged_test_folder_has_the_papers_protocol_only(pixels):
    faces = make_faces(pixels, ["Training", "Test"])
    assert data.apply_protocol(faces, "paper").test_size == 21
    with pytest.raises(
        DataError, match=r"made: PROTOCOL=official needs PublicTest and PrivateTest separately.*Use PROTOCOL=paper"
    ):
        data.apply_protocol(faces)


@pytest.mark.parametrize("missing", USAGES)
@pytest.mark.parametrize("protocol", data.PROTOCOLS)
def test_a_missing_split_is_named(pixels, missing, protocol):
    faces = make_faces(pixels)
    with pytest.raises(DataError, match=f"PROTOCOL={protocol} needs {missing}, but the data have no such image"):
        data.apply_protocol(faces.take(faces.usage != missing), protocol)


def test_an_unknown_protocol_names_the_choices(pixels):
    with pytest.raises(ValueError, match=r"Unknown protocol 'offical'; PROTOCOL is one of 'official', 'paper'"):
        data.apply_protocol(make_faces(pixels), "offical")


def test_max_images_cuts_training_by_the_seed_and_the_other_splits_alike():
    faces = original()
    one, again, other = (data.apply_protocol(faces, max_images=100, seed=seed) for seed in (1, 1, 2))
    parts = [(splits.train, splits.validation, splits.open_test()) for splits in (one, again, other)]
    for name, cut, cut_again, cut_otherwise in zip(("train", "validation", "test"), *parts, strict=True):
        assert len(cut) == 100
        assert set(cut.labels) == set(range(7))
        assert np.array_equal(cut.row_ids, cut_again.row_ids)
        assert np.array_equal(cut.row_ids, cut_otherwise.row_ids) == (name != "train")
    assert data.apply_protocol(faces, "paper", max_images=7).test_size == 7
    assert len(data.apply_protocol(faces, max_images=5000).validation) == 3589
    with pytest.raises(ValueError, match="MAX_IMAGES is -1; give 0 for all"):
        data.apply_protocol(faces, max_images=-1)


def test_class_weights_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6], np.uint8)
    assert data.class_weights(labels) == pytest.approx(
        {0: 11 / 28, 1: 11 / 14, 2: 11 / 7, 3: 11 / 7, 4: 11 / 7, 5: 11 / 7, 6: 11 / 7}
    )


def test_a_class_without_an_image_weighs_nothing():
    weights = data.class_weights([0, 2, 3, 4, 5, 6])
    assert weights[1] == 0.0
    assert weights[0] == pytest.approx(6 / 7)
    with pytest.raises(ValueError, match="Labels must be 0 to 6; found 7"):
        data.class_weights([7])


def test_a_subset_keeps_the_shares():
    labels = np.repeat(np.arange(7), [40, 4, 41, 72, 48, 32, 50])  # 287 images: FER-2013's training split, a hundredth
    chosen = protocols.stratified_subset(labels, 100, seed=0)
    assert chosen.dtype == np.int64
    assert (np.diff(chosen) > 0).all()
    assert np.bincount(labels[chosen]).tolist() == [
        14,
        1,
        14,
        25,
        17,
        11,
        18,
    ]  # quotas 13.9 1.4 14.3 25.1 16.7 11.1 17.4


@pytest.mark.parametrize("size", range(1, 33))
def test_a_subset_has_its_size_and_every_class_if_it_can(size):
    labels = np.repeat([0, 1, 3, 4, 5, 6], [1, 1, 1, 28, 1, 1])
    chosen = protocols.stratified_subset(labels, size, seed=3)
    assert len(set(chosen.tolist())) == size
    assert size < 6 or set(labels[chosen]) == {0, 1, 3, 4, 5, 6}


def test_a_subset_is_pinned():
    """Another subset for the same seed would silently change every result made with MAX_IMAGES."""
    labels = np.tile(np.arange(7), 10)
    assert protocols.stratified_subset(labels, 9, seed=0).tolist() == [8, 17, 28, 42, 54, 55, 58, 64, 67]


def test_faces_refuse_arrays_that_do_not_fit(pixels):
    faces = make_faces(pixels)
    with pytest.raises(ValueError, match=r"usage has shape \(41,\), but 42 labels need \(42,\)"):
        Faces(faces.images, faces.labels, faces.usage[1:], faces.row_ids)
    with pytest.raises(ValueError, match="images must be uint8, 0 to 255, not float32"):
        Faces(faces.images.astype(np.float32), faces.labels, faces.usage, faces.row_ids)


def test_the_checksum_follows_images_labels_and_usage(pixels):
    faces = make_faces(pixels)
    changed = pixels.copy()
    changed[0, 0, 0] ^= 1
    others = [
        make_faces(changed),
        Faces(pixels, (faces.labels + 1).astype(np.uint8), faces.usage, faces.row_ids),
        Faces(pixels, faces.labels, faces.usage[::-1].copy(), faces.row_ids),
    ]
    assert len({faces.checksum, *(other.checksum for other in others)}) == 4
    assert faces.take(np.arange(42)).checksum == faces.checksum
    assert len(faces.checksum) == 64


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real FER-2013 in ../shared/fer2013")
def test_the_real_fer2013(tmp_path):
    table = pd.read_csv(REAL / "labels.csv")
    usage = table["usage"].to_numpy(dtype="<U11")
    sheet = np.asarray(Image.open(REAL / "PublicTest.png"))  # 100 faces a row; the training sheet takes seconds to open
    images = np.zeros((len(table), 48, 48), np.uint8)
    tiles = sheet.reshape(-1, 48, 100, 48).transpose(0, 2, 1, 3).reshape(-1, 48, 48)
    images[usage == "PublicTest"] = tiles[: (usage == "PublicTest").sum()]
    faces = Faces(images, table["emotion"].to_numpy(np.uint8), usage, np.arange(len(table)), "real")
    assert data.integrity_report(faces).is_original
    splits = data.apply_protocol(faces, "paper")
    assert (len(splits.train), splits.test_size) == (28709, 7178)
    assert (
        splits.open_test().labels == EMOTIONS.index("happy")
    ).sum() == 1774  # what a majority-class predictor gets right
    some = faces.take(usage == "PublicTest").take(np.arange(0, 3589, 10))
    rows = [f"{label},PublicTest,{text(image)}\n" for image, label in zip(some.images, some.labels, strict=True)]
    (tmp_path / "icml_face_data.csv").write_text("emotion, Usage, pixels\n" + "".join(rows))
    assert data.load_fer2013(tmp_path).checksum == some.checksum


def test_exact_duplicates_finds_every_copy_and_nothing_else(pixels):
    pixels[[9, 30]] = pixels[4]  # labels 3 and 3, 1: three images, two emotions
    pixels[20] = pixels[0]  # usages PrivateTest and Training
    pixels[[5, 6]] = 128
    pixels[7] = pixels[8]
    pixels[7, 47, 47] ^= 1  # one bit is no copy
    table = data.exact_duplicates(make_faces(pixels))
    assert table["row_id"].tolist() == [0, 20, 4, 9, 30, 5, 6]
    assert table["group"].tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert table["usage"].tolist()[:2] == ["Training", "PrivateTest"]
    assert table["emotion"].tolist() == ["angry", "neutral", "disgust", "happy", "happy", "disgust", "fear"]
    assert table["constant"].tolist() == [False] * 5 + [True] * 2


def test_exact_duplicates_of_different_images_is_an_empty_table(pixels):
    faces = make_faces(pixels)
    assert list(data.exact_duplicates(faces)) == ["group", "row_id", "usage", "emotion", "constant"]
    assert data.exact_duplicates(faces).empty
    assert data.exact_duplicates(faces.take([])).empty
