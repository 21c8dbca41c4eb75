"""Halves of Training, and labels softened by networks that learned the other half (notebook 08)."""

import json

import numpy as np
import pandas as pd
import pytest
from cells import Kernel, eagerly, smallest_networks

from fer_utils import data, runs
from fer_utils.data import protocols
from fer_utils.labels import ferplus
from fer_utils.ladder import recipes, teaching
from fer_utils.models import tta

# Six images of Training, of which rows 10 and 11 are angry, then one of PublicTest.
LABELS = np.array([0, 0, 3, 3, 4, 6, 3], np.uint8)
USAGE = np.array(["Training"] * 6 + ["PublicTest"])
FACES = data.Faces(np.zeros((7, 48, 48), np.uint8), LABELS, USAGE, np.arange(10, 17)).take(np.arange(6))


def answer(code, confidence):
    """One row of probabilities: `confidence` for a class, the rest spread over the six others."""
    row = np.full(7, (1 - confidence) / 6)
    row[code] = confidence
    return row


def write_teacher(folder, rows, labels, answers, checksum="a" * 64, views="single", **parameters):
    """A finished run of notebook 08 that left out the images of `rows`."""
    path = runs.start_run(folder, f"teacher-{'-'.join(map(str, rows))}")
    pd.DataFrame({"epoch": [1], "val_accuracy": [0.5], "seconds": [1.0]}).to_csv(path / "history.csv", index=False)
    kept = {"validation": (np.array([16]), np.array([3], np.uint8), [answer(3, 0.9)])}
    if len(rows):
        kept[recipes.answer_name(teaching.LEFT_OUT, views)] = (np.array(rows), np.array(labels, np.uint8), answers)
    runs.save_predictions(path, kept)
    manifest = {"architecture": "deepcnn", "strategy": "recipe", "seed": 0, "seconds": 60.0, "device": {}}
    manifest |= {
        "parameters": {"PROTOCOL": "official", "MAX_IMAGES": 0, "TRAIN_WITHOUT": f"{rows}", **parameters},
        "data_checksum": checksum,
        "git_commit": "c0ffee",
    }
    runs.write_json(path / "manifest.json", manifest)
    runs.finish_run(path, {"validation": {"n": 1}})
    return path


@pytest.fixture
def two(tmp_path):
    """Two teachers, one of rows 10 to 12 and one of 12 to 15; both left out row 12. Their folders' pattern."""
    write_teacher(tmp_path, [12, 11, 10], [3, 0, 0], [answer(3, 0.4), answer(4, 0.7), answer(0, 1.0)])
    write_teacher(tmp_path, [12, 13, 14, 15], [3, 3, 4, 6], [answer(5, 0.4), *[answer(3, 1.0)] * 3])
    return str(tmp_path / "teacher-*")


def read(pattern, share=0.25, own="outputs/x/ladder/student-seed0"):
    return teaching.read_teachers(pattern, share, {"PROTOCOL": "official", "MAX_IMAGES": 0}, own)


def taught(pattern, share=0.25, faces=FACES):
    own = np.eye(7, dtype="float32")[faces.labels]
    return teaching.blend(own, faces, read(pattern, share), share, "a" * 64)


def test_a_share_of_each_label_is_what_those_say_that_left_the_image_out(two):
    found = taught(two)
    assert found.dtype == np.float32
    wanted = 0.75 * np.eye(7)[FACES.labels]
    wanted[0] += 0.25 * answer(0, 1.0)
    wanted[1] += 0.25 * answer(4, 0.7)  # this teacher doubts the label
    wanted[2] += 0.25 * (answer(3, 0.4) + answer(5, 0.4)) / 2  # two left it out
    wanted[3:] += 0.25 * answer(3, 1.0)
    np.testing.assert_allclose(found, wanted, atol=2e-4)  # answers are kept in two bytes


def test_a_share_of_each_label_is_what_people_voted():
    targets = np.eye(7, dtype="float32")[[0, 3, 4]]
    votes = np.zeros((3, 10), int)
    votes[0, ferplus.VOTES.index("sadness")], votes[0, ferplus.VOTES.index("unknown")] = 4, 6
    votes[1, ferplus.VOTES.index("happiness")], votes[1, ferplus.VOTES.index("neutral")] = 7, 3
    votes[2, ferplus.VOTES.index("contempt")] = 10  # none of the seven: the label stays
    shares = ferplus.emotion_shares(votes)
    assert shares.tolist() == [[0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0.7, 0, 0, 0.3], [0] * 7]
    found = teaching.voted(targets, shares, 0.5)
    assert found.dtype == np.float32
    wanted = [[0.5, 0, 0, 0, 0.5, 0, 0], [0, 0, 0, 0.85, 0, 0, 0.15], [0, 0, 0, 0, 1, 0, 0]]
    np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_a_label_is_made_by_voters_or_by_teachers():
    with pytest.raises(recipes.RecipeError, match="taught and voted exclude each other"):
        recipes.read_recipe("crop", "taught=0.5 voted=0.5")


def test_images_that_the_student_lacks_are_passed_over(two):
    few = FACES.take(np.array([1, 4]))
    np.testing.assert_array_equal(taught(two, faces=few), taught(two)[[1, 4]])


def test_the_most_views_teach(tmp_path):
    for views, code in (("single", 1), ("scales", 2), ("flip", 5)):
        folder = tmp_path / views
        write_teacher(folder, list(range(10, 16)), LABELS[:6], [answer(code, 1.0)] * 6, views=views)
    run = runs.read_run(tmp_path / "single/teacher-10-11-12-13-14-15", needs="validation")
    run.predictions["left_out-scales"] = runs.read_run(
        tmp_path / "scales/teacher-10-11-12-13-14-15", needs="validation"
    ).predictions["left_out-scales"]
    assert teaching.answers_of(run)[2].argmax(axis=1).tolist() == [2] * 6


def test_without_teachers_labels_stay():
    own = np.eye(7, dtype="float32")
    assert read("", 0.0) == []
    assert teaching.blend(own, FACES, [], 0.0, "a" * 64) is own


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"checksum": "b" * 64}, "it was trained on other data"),
        ({"MAX_IMAGES": 64}, "MAX_IMAGES is 64, and here 0"),
        ({"PROTOCOL": "paper"}, "PROTOCOL is paper, and here official"),
        ({"TEACHERS": "outputs/x"}, "teachers of its own saw these images"),
        (
            {"rows": [], "labels": [], "answers": []},
            "it has no predictions of images that it left out: train it with notebook 08",
        ),
        ({"labels": [0, 0, 3, 3, 4, 5]}, "it was trained on other data"),
    ],
)
def test_a_run_that_cannot_teach_is_named(tmp_path, made, says):
    whole = {"rows": list(range(10, 16)), "labels": LABELS[:6], "answers": [answer(3, 1.0)] * 6}
    path = write_teacher(tmp_path, **{**whole, **made})
    with pytest.raises(runs.RunError, match=says) as caught:
        taught(str(path))
    assert path.name in str(caught.value)


def test_an_image_that_nobody_left_out_is_named(two):
    with pytest.raises(runs.RunError, match="3 images of Training were left out by no teacher, the first in row 13"):
        taught(two.replace("*", "12-11-10"))


UNFIT = {
    "votes": ({"settings": {"voted": 1.0}}, "teacher-12-11-10: cannot teach, since it was trained on votes"),
    "other settings": (
        {"settings": {"epochs": 9}},
        "cannot teach together with .*teacher-12-11-10: epochs is 0, not 9",
    ),
    "the same half": (
        {"parameters": {"TRAIN_WITHOUT": "[12, 13, 14, 15]"}},
        "has the same seed as .*12-11-10: move one",
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_teachers_are_the_halves_of_one_recipe_on_labels(two, what):
    changes, reason = UNFIT[what]
    path = runs.resolve(two.replace("*", "12-11-10")) / "manifest.json"
    manifest = json.loads(path.read_text())
    parameters = manifest["parameters"] | changes.get("parameters", {})
    runs.write_json(path, manifest | changes | {"parameters": parameters})
    with pytest.raises(runs.RunError, match=reason):
        read(two)
    runs.write_json(path, manifest | {"seed": 1})  # of another seed it may be
    assert len(read(two)) == 2


@pytest.mark.parametrize("without", ["twins", "first half"])
def test_what_a_student_must_not_see_its_teachers_must_not_either(two, without):
    parameters = {"PROTOCOL": "official", "MAX_IMAGES": 0, "TRAIN_WITHOUT": without}
    with pytest.raises(recipes.RecipeError, match=f"TRAIN_WITHOUT='{without}' and TEACHERS exclude each other"):
        teaching.read_teachers(two, 0.5, parameters, "outputs/x/ladder/student-seed0")


@pytest.mark.parametrize(("pattern", "share"), [("outputs/x", 0.0), ("", 0.5)])
def test_teachers_and_their_share_need_each_other(pattern, share):
    with pytest.raises(recipes.RecipeError, match="need each other"):
        read(pattern, share)


def test_a_pattern_that_names_nothing_or_the_student_is_refused(two, tmp_path, monkeypatch):
    with pytest.raises(runs.RunError, match="names no folder"):
        read(str(tmp_path / "none-*"))
    with pytest.raises(runs.RunError, match=r"\$NOWHERE has no value here"):
        read("$NOWHERE/half-*")
    with pytest.raises(runs.RunError, match="names this run's own folder, .*teacher-12-11-10: give it another NAME"):
        read(two, own=str(tmp_path / "teacher-12-11-10"))
    monkeypatch.setenv("HERE", str(tmp_path))
    assert [run.name for run in read("$HERE/teacher-*")] == ["teacher-12-11-10", "teacher-12-13-14-15"]


def test_brackets_in_the_projects_path_are_no_pattern(tmp_path, monkeypatch):
    root = tmp_path / "my [study]"
    write_teacher(root / "outputs", list(range(10, 16)), LABELS[:6], [answer(3, 1.0)] * 6)
    monkeypatch.setattr("fer_utils.project.PROJECT_ROOT", root)
    assert len(read("outputs/teacher-*")) == len(read("outputs/teacher-10-11-12-13-14-15")) == 1


# --- halves ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def noise():
    """A hundred images of noise, of which 40 to 49 repeat 0 to 9, and 90 to 99 of PrivateTest repeat 50 to 59."""
    images = np.random.default_rng(5).integers(0, 256, (100, 48, 48), dtype=np.uint8)
    images[40:50], images[90:] = images[:10], images[50:60]
    usage = np.array(["Training"] * 60 + ["PublicTest"] * 20 + ["PrivateTest"] * 20)
    labels = np.where(np.arange(100) % 2, np.arange(100) % 7, 0).astype(np.uint8)  # every second one is angry
    return data.Faces(images, labels, usage, np.arange(100))


def test_halves_are_all_of_training_and_keep_a_photograph_together(noise):
    first, second = (protocols.left_out(noise, which) for which in protocols.HALVES)
    training = noise.usage == "Training"
    np.testing.assert_array_equal(first ^ second, training)
    alone = first & (noise.row_ids >= 10) & ~np.isin(noise.row_ids, np.arange(40, 50))
    assert 18 <= alone.sum() <= 22
    counts = [np.bincount(noise.labels[half], minlength=7) for half in (first, second)]
    assert np.abs(counts[0] - counts[1]).max() <= 4  # every emotion is halved, but for what a photograph takes along
    np.testing.assert_array_equal(first[:10], first[40:50])
    assert 0 < first[:10].sum() < 10
    np.testing.assert_array_equal(first, protocols.left_out(noise, "first half", seed=1))


def test_other_splits_decide_nothing_about_the_halves(noise):
    alone = noise.take(np.arange(60))
    other = data.Faces(alone.images, alone.labels, alone.usage, alone.row_ids)
    np.testing.assert_array_equal(protocols.left_out(noise, "first half")[:60], protocols.left_out(other, "first half"))


def test_what_was_left_out_is_at_hand(noise):
    splits = protocols.apply_protocol(noise, without="second half")
    assert sorted([*splits.train.row_ids, *splits.left_out.row_ids]) == list(range(60))
    assert set(splits.left_out.usage) == {"Training"} and splits.test_openings == 0
    assert len(protocols.apply_protocol(noise).left_out) == 0


# --- the notebook ----------------------------------------------------------------------------------------------------


def test_notebook_08_trains_teachers_and_then_their_student(tmp_path, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (168, 48, 48), dtype=np.uint8)
    usage = np.repeat(["Training", "PublicTest", "PrivateTest"], [112, 28, 28])
    faces = data.Faces(images, (np.arange(168) % 7).astype("uint8"), usage, np.arange(168), checksum="c" * 64)
    monkeypatch.setattr(data, "load_fer2013", lambda _path: faces)
    # In networks' place: answers that differ from face to face, with one draw a face.
    drawn = {image.tobytes(): np.random.default_rng(row).dirichlet(np.ones(7)) for row, image in enumerate(images)}
    monkeypatch.setattr(
        tta, "predict", lambda _, faces, *__: np.array([drawn[face.tobytes()] for face in faces], "float32")
    )
    changes = "epochs=1 warmup=0 batch_size=32 width=0.0625 label_smoothing=0"
    given = {"DATA": "made", "OUTPUT_DIR": str(tmp_path), "RECIPE": "crop", "PRECISION": "float32", "REFERENCE": ""}
    with smallest_networks(), eagerly():
        for name, half in (("half-1", "first half"), ("half-2", "second half")):
            Kernel("08_beyond_the_paper", {**given, "CHANGES": changes, "NAME": name, "TRAIN_WITHOUT": half}).run()
        more = {"CHANGES": f"{changes} taught=0.5", "NAME": "taught", "TEACHERS": str(tmp_path / "ladder/half-*")}
        student = Kernel("08_beyond_the_paper", {**given, **more})
        student.run()
    train, targets = student.names["train"], student.names["targets"]["train"]
    said = np.zeros((len(train), 7))
    for name in ("half-1", "half-2"):
        run = runs.read_run(tmp_path / f"ladder/{name}-seed0", needs="validation")
        rows, _, answers = run.predictions["left_out-scales"]
        said[np.searchsorted(train.row_ids, rows)] += answers
        assert run.metrics["left_out-scales"]["n"] == len(rows) and run.manifest["test_openings"] == 0
    assert (train.row_ids[1:] > train.row_ids[:-1]).all()
    np.testing.assert_allclose(targets, 0.5 * np.eye(7)[train.labels] + 0.5 * said, atol=1e-6)
    manifest = json.loads((tmp_path / "ladder/taught-seed0/manifest.json").read_text())
    made = [(teacher["run"], teacher["TRAIN_WITHOUT"]) for teacher in manifest["teachers"]]
    assert made == [("half-1-seed0", "first half"), ("half-2-seed0", "second half")]
    assert all(len(teacher["answers"]) == 64 and teacher["seconds"] > 0 for teacher in manifest["teachers"])
    assert "left_out" not in run.predictions  # they predicted once, with the last kind of views

    again = Kernel("08_beyond_the_paper", {**given, **more, "TEACHERS": ""})
    with pytest.raises(recipes.RecipeError, match="need each other"), eagerly():
        again.run()
    assert runs.read_run(tmp_path / "ladder/taught-seed0", needs="validation")  # nothing of it was taken away


def test_notebook_08_takes_votes_as_labels_and_refuses_them_for_drawn_faces(tmp_path, monkeypatch):
    rows = np.concatenate([np.arange(60), 28709 + np.arange(7), 32298 + np.arange(7)])  # of fer2013.csv
    cast = ferplus.shipped_votes()
    labels = np.maximum(ferplus.favourite(cast[rows]), 0).astype("uint8")
    images = np.zeros((len(rows), 48, 48), np.uint8)
    faces = data.Faces(images, labels, ferplus.csv_order()[rows], rows, checksum="c" * 64, source="fer2013.csv")
    given = {"DATA": "made", "OUTPUT_DIR": str(tmp_path), "RECIPE": "crop", "PRECISION": "float32", "REFERENCE": ""}
    given |= {"CHANGES": "voted=0.75", "NAME": "votes"}
    monkeypatch.setattr(data, "load_fer2013", lambda _path: faces)
    kernel = Kernel("08_beyond_the_paper", given)
    kernel.run(end=kernel.place("ferplus.join") + 1)
    found = kernel.names["targets"]
    shares = ferplus.emotion_shares(cast[:60])
    chosen = shares.sum(axis=1) > 0
    np.testing.assert_allclose(
        found["train"][chosen], 0.25 * np.eye(7)[labels[:60][chosen]] + 0.75 * shares[chosen], atol=1e-6
    )
    assert (found["validation"] == np.eye(7)[labels[60:67]]).all()  # who selects goes by the labels
    lacking = faces.take(np.arange(len(rows)) != 20)
    lacking = data.Faces(lacking.images, lacking.labels, lacking.usage, rows[:-1], source="fer2013.csv")
    monkeypatch.setattr(data, "load_fer2013", lambda _path: lacking)
    kernel = Kernel("08_beyond_the_paper", given)
    with pytest.raises(data.DataError, match="rows have another usage than in FER"):
        kernel.run(end=kernel.place("ferplus.join") + 1)
    monkeypatch.undo()
    kernel = Kernel("08_beyond_the_paper", {**given, "DATA": "sample"})
    with pytest.raises(data.DataError, match="the drawn faces are not FER-2013"):
        kernel.run(end=kernel.place("ferplus.join") + 1)
