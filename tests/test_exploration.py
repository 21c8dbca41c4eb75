"""Pixel statistics and lookalikes on images whose answer is known."""

import numpy as np
import pytest

from fer_utils.data.exploration import lookalikes, pixel_statistics


def test_statistics_of_drawn_images():
    half = np.zeros((48, 48), np.uint8)
    half[:, 24:] = 200
    stripes = np.zeros((48, 48), np.uint8)
    stripes[:, 1::2] = 200
    table = pixel_statistics(np.stack([half, stripes, np.full((48, 48), 7, np.uint8)]))
    assert table["brightness"].tolist() == [100, 100, 7]
    assert table["contrast"].tolist() == [100, 100, 0]
    # Steps: half has one of 47 columns differ by 200, stripes all of them; rows do not differ. Halved, over contrast.
    assert table["sharpness"].tolist()[:2] == pytest.approx([1 / 47, 1])
    assert np.isnan(table.loc[2, ["sharpness", "resemblance"]].to_numpy(float)).all()


def test_resemblance_is_high_for_the_common_layout_and_negative_for_its_negative():
    half = np.zeros((48, 48), np.uint8)
    half[:, 24:] = 200
    table = pixel_statistics(np.stack([half] * 4 + [200 - half]))
    assert table["resemblance"].tolist() == pytest.approx([1, 1, 1, 1, -1], abs=1e-5)


def test_lookalikes_are_close_differ_in_label_and_are_no_copies():
    rng = np.random.default_rng(0)
    blocks = rng.integers(40, 200, (6, 16, 16)).repeat(3, axis=1).repeat(3, axis=2)
    noise = rng.integers(0, 40, (16, 16)).repeat(3, axis=0).repeat(3, axis=1)
    more_noise = rng.integers(0, 55, (16, 16)).repeat(3, axis=0).repeat(3, axis=1)
    alike = [blocks[0] + noise, blocks[1] + more_noise, blocks[2], blocks[3] + noise]
    images = np.concatenate([blocks, alike]).astype(np.uint8)
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 2, 1, 0])  # 2 and 8 are copies, 3 and 9 share a label
    assert lookalikes(images, labels, pairs=2).tolist() == [[0, 6], [1, 7]]
    assert lookalikes(images, labels, pairs=2, most=7).tolist()[0] == [0, 6]
    assert lookalikes(images, np.zeros(10), pairs=2).shape == (0, 2)
