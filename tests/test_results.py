"""The tables of tools/results.py, on runs whose right answers are known."""

import json
import shutil

import numpy as np
import pytest
import results

from fer_utils import data, runs


@pytest.fixture
def faces():
    """Six faces of each split; the first three of PrivateTest are the first three of Training."""
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (18, 6, 6), np.uint8)
    images = coarse.repeat(8, axis=1).repeat(8, axis=2)  # large areas, as a perceptual hash needs them
    images[12:15] = images[:3]
    usage = np.repeat(np.array(data.USAGES), 6)
    return data.Faces(images, np.zeros(18, np.uint8), usage, np.arange(18))


def answers(right):
    """Answers about the six faces of PrivateTest, right where `right` says so."""
    probabilities = np.zeros((6, 7))
    probabilities[np.arange(6), np.where(right, 0, 1)] = 1
    return np.arange(12, 18), np.zeros(6, np.uint8), probabilities


def test_a_network_that_only_remembers_is_right_on_twins_alone(faces):
    table = results.score_twins(faces, {"memory": answers([1, 1, 1, 0, 0, 1]), "ease": answers([1, 0, 1, 1, 0, 1])})
    rows = table.set_index(["run", "images"])["accuracy"]
    assert rows["memory", "twins only"] == 1 and rows["memory", "without twins"] == pytest.approx(1 / 3)
    assert rows["ease", "twins only"] == rows["ease", "without twins"] == pytest.approx(2 / 3)
    assert rows["memory", "all"] == rows["ease", "all"] == pytest.approx(4 / 6)
    assert "| memory | 66.7 |" in results.twins_markdown(table)
    assert rows["memory", "gap within emotions"] == pytest.approx(2 / 3)
    assert "emotions and votes" not in results.twins_markdown(table)


def test_with_votes_twins_are_held_against_faces_as_clear_as_they_are(faces):
    votes = np.zeros((18, 10), np.int64)  # of PrivateTest's twins all voters see the label, and of one of the others
    votes[:, 0] = 10
    votes[[12, 13, 14, 17], 0], votes[[12, 13, 14, 17], 4] = 0, 10
    table = results.score_twins(faces, {"memory": answers([1, 1, 1, 0, 0, 1])}, votes)
    rows = table.set_index("images")["accuracy"]
    assert rows["gap within emotions"] == pytest.approx(2 / 3)
    assert rows["gap within emotions and votes"] == 0
    assert "gap within emotions and votes, points" in results.twins_markdown(table)


def written(folder, name, seed, recipe="race-22", protocol="official", shift=0):
    """A copy of a committed final candidate, under a name, its test rows moved on by `shift`."""
    shutil.copytree(runs.PROJECT_ROOT / "outputs/reference/tuned/ladder/race-22-seed0", folder / f"ladder/{name}")
    manifest = json.loads((folder / f"ladder/{name}/manifest.json").read_text())
    manifest["parameters"]["PROTOCOL"] = protocol
    runs.write_json(folder / f"ladder/{name}/manifest.json", manifest | {"seed": seed, "recipe": recipe})
    rows, labels, probabilities = runs.read_run(folder / f"ladder/{name}", needs="validation").predictions["validation"]
    own = {"validation": (rows, labels, probabilities), "test": (rows + shift, labels, probabilities)}
    runs.save_predictions(folder / f"ladder/{name}", own)


def test_seeds_are_averaged_only_about_the_same_images(tmp_path, capsys):
    written(tmp_path, "a", 0)
    written(tmp_path, "b", 1)
    written(tmp_path, "c", 0, "other", protocol="paper")
    found = results.private_answers(tmp_path)
    assert "a test" in found and "b test" in found and "race-22, 2 together test" in found and len(found) == 3
    assert "Left out: c has PROTOCOL=paper" in capsys.readouterr().err
    written(tmp_path, "d", 2, shift=1)
    with pytest.raises(runs.RunError, match="race-22: its seeds predicted other images of test"):
        results.private_answers(tmp_path)


def test_answers_about_other_images_are_refused(faces):
    ids, labels, probabilities = answers([1] * 6)
    for other in ((ids + 1, labels), (ids, labels + 1)):
        with pytest.raises(runs.RunError, match="memory: its PrivateTest is not that of"):
            results.score_twins(faces, {"memory": (*other, probabilities)})


def test_a_folder_of_recipes_alone_is_sent_to_the_tool_that_prints_them(tmp_path, capsys):
    written(tmp_path, "race-22-seed0", 0)
    assert results.main([str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.endswith(
        "holds recipes of notebook 08 alone. tools/ladder.py prints their tables\n"
    )


def test_data_without_a_duplicate_have_one_sentence(faces):
    faces.images[12:15] = 255 - faces.images[12:15, ::-1]
    with pytest.raises(runs.RunError, match="no face of PrivateTest has a duplicate in Training"):
        results.score_twins(faces, {"memory": answers([1, 1, 1, 0, 0, 1])})
