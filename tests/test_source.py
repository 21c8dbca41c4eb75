import numpy as np
import pytest
from PIL import Image

from fer_utils.data import source_task


@pytest.fixture
def folders(tmp_path):
    """Two classes, six images: class a is dark (10 a step), class b light."""
    for name, values in {"a": (0, 10, 20), "b": (200, 210, 220)}.items():
        (tmp_path / name).mkdir()
        for value in values:
            Image.new("RGB", (64, 64), (value, value, 255)).save(tmp_path / name / f"{value}.png")
    return tmp_path


def test_folders_become_labelled_images(folders):
    images, labels, names = source_task.load_source(folders, size=48)
    assert images.shape == (6, 48, 48, 3)
    assert images.dtype == np.uint8
    assert names == ["a", "b"]
    assert sorted(images[:, 0, 0, 0].tolist()) == [0, 10, 20, 200, 210, 220]
    np.testing.assert_array_equal(labels, images[:, 0, 0, 0] >= 200)
    assert (images[..., 2] == 255).all()


def test_shuffled_by_seed_and_cut(folders):
    first = source_task.load_source(folders, seed=1)[0]
    np.testing.assert_array_equal(first, source_task.load_source(folders, seed=1)[0])
    assert any(not np.array_equal(first, source_task.load_source(folders, seed=seed)[0]) for seed in (2, 3, 4))
    np.testing.assert_array_equal(source_task.load_source(folders, max_images=2, seed=1)[0], first[:2])


def test_the_samples_source_task(own_cache):
    images, labels, names = source_task.load_source("sample", max_images=40)
    assert images.shape == (40, 48, 48)
    assert labels.max() < len(names)


def test_a_source_one_folder_too_high_names_the_folder_that_was_meant(folders):
    root = folders / "tiny"
    for split in ("train", "val", "test"):
        (root / split / "images").mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (64, 64)).save(root / split / "images" / f"{number}.png")
    with pytest.raises(
        source_task.SourceError, match=r"are splits \(test, train, val\), not classes.*probably .*/tiny/train"
    ):
        source_task.load_source(root)


def test_folders_of_one_image_each_are_no_classes(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
        Image.new("RGB", (64, 64)).save(tmp_path / name / "0.png")
    with pytest.raises(source_task.SourceError, match="each of its 3 folders holds one image"):
        source_task.load_source(tmp_path)


def test_gray_levels_above_255_are_not_made_white(folders):
    Image.fromarray(np.full((64, 64), 1000, np.uint16)).save(folders / "a" / "deep.png")
    with pytest.raises(source_task.SourceError, match=r"deep.png: not a readable image \(its mode is I;16; 8 bits"):
        source_task.load_source(folders)


def test_what_macos_leaves_beside_images_is_no_image(folders):
    (folders / "a" / "._0.png").write_bytes(b"Mac OS X")
    (folders / "b" / ".hidden").mkdir()
    (folders / "b" / ".hidden" / "1.png").write_bytes(b"no image")
    assert len(source_task.load_source(folders)[0]) == 6
