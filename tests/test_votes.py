"""The votes that come with the package: Microsoft's counts, unchanged, their licence, and the tool that wrote them."""

import os
import tomllib
import zlib
from pathlib import Path

import numpy as np
import pytest
import votes

from fer_utils.labels import ferplus
from fer_utils.names import USAGE_COUNTS

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = Path(os.environ.get("FER_PLUS") or ROOT / "data" / ferplus.FILE_NAME)
BESIDE = ferplus.SHIPPED.with_name("ferplus_votes.LICENSE")
RUN = ROOT / "outputs" / "reference" / "cpu" / "vgg16-scratch-seed0"


@pytest.fixture(scope="module")
def shipped():
    return ferplus.shipped_votes()


def test_the_counts_are_those_of_the_published_file(shipped):
    assert shipped.votes.shape == (35_887, 10) and shipped.votes.dtype == np.int64
    # neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF
    assert shipped.votes.sum(axis=0).tolist() == [107485, 91446, 41490, 47446, 28468, 5391, 12174, 6062, 16964, 1943]
    assert np.bincount(shipped.votes.sum(axis=1)).tolist() == [0] * 9 + [1, 35_886]  # ten votes a row; one row has nine
    assert zlib.crc32(shipped.votes.astype(np.uint8).tobytes()) == 3_193_953_213
    assert shipped.votes[0].tolist() == [4, 0, 0, 1, 3, 2, 0, 0, 0, 0]  # fer0000000.png


def test_the_rows_are_in_the_order_of_the_csv(shipped):
    assert dict(zip(*np.unique(shipped.usage, return_counts=True))) == USAGE_COUNTS
    assert shipped.usage[[0, 28_708, 28_709, 32_297, 32_298, 35_886]].tolist() == (
        ["Training"] * 2 + ["PublicTest"] * 2 + ["PrivateTest"] * 2
    )


def test_the_votes_fit_the_labels_of_a_committed_run(shipped):
    """In FER-2013's own order, the label is the voters' favourite in 61 % of images; in any other order in 20 %."""
    with np.load(RUN / "predictions.npz") as kept:
        rows, labels = kept["test_row_ids"], kept["test_labels"]
    assert set(shipped.usage[rows]) == {"PrivateTest"}
    assert (ferplus.favourite(shipped.votes[rows]) == labels).sum() == 2196  # as notebook 09 counts them


@pytest.mark.real
@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs FER+'s fer2013new.csv as data/fer2013new.csv or $FER_PLUS")
def test_the_published_file_has_these_votes(shipped):
    published = ferplus.load_ferplus(PUBLISHED)
    assert np.array_equal(published.votes, shipped.votes) and np.array_equal(published.usage, shipped.usage)


def test_the_tool_writes_what_is_shipped_and_the_same_bytes_each_time(shipped, tmp_path, monkeypatch):
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    votes.write(shipped.votes, first)
    votes.write(shipped.votes, second)
    assert first.read_bytes() == second.read_bytes()
    monkeypatch.setattr(ferplus, "SHIPPED", first)
    assert np.array_equal(ferplus.shipped_votes().votes, shipped.votes)


def test_the_tool_refuses_what_a_byte_does_not_hold(tmp_path):
    with pytest.raises(ValueError, match="256 votes for one answer"):
        votes.write(np.array([[256] + [0] * 9]), tmp_path / "votes.npz")
    assert not list(tmp_path.iterdir())


def test_votes_and_licence_are_small_and_go_into_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["fer_utils.labels"]
    packed = {path.name for pattern in patterns for path in ferplus.SHIPPED.parent.glob(pattern)}
    assert packed == {ferplus.SHIPPED.name, BESIDE.name}
    assert str(BESIDE.relative_to(ROOT)) in project["project"]["license-files"]
    assert ferplus.SHIPPED.stat().st_size < 500_000
    licence = BESIDE.read_text(encoding="utf-8")
    assert (
        "Copyright (c) Microsoft Corporation" in licence and "Permission is hereby granted, free of charge" in licence
    )
