"""What is said of the faces in pictures and films, on the command line too, and what the figures draw (recognize)."""

import io
import os
import re
import shutil
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from figure_rules import check_it_draws_where_it_is_told, check_it_makes_one_figure
from matplotlib.figure import Figure
from PIL import Image

from fer_utils import models, recognize, runs
from fer_utils.command_line import leave_with
from fer_utils.evaluation.calibration import with_temperature
from fer_utils.names import EMOTIONS
from fer_utils.recognize import __main__ as command
from fer_utils.recognize import answers, detection, examples, extras, films, framing, plots
from fer_utils.recognize.detection import Face
from fer_utils.recognize.pictures import PictureError

matplotlib.use("Agg")

pytestmark = pytest.mark.usefixtures("closed_figures")

LIGHT, DARK = np.full((120, 160, 3), 200, np.uint8), np.full((120, 160, 3), 20, np.uint8)
ONE = Face(30, 20, 60, 80, ((50, 50), (70, 50)), 0.99)
SMALL = Face(100, 40, 15, 20, ((104, 46), (110, 46)), 0.9)
HAPPY = np.array([0.05, 0.05, 0.05, 0.7, 0.05, 0.05, 0.05], np.float32)


class SaysHappy:
    """A network that knows one answer, and remembers what it was asked."""

    input_shape = (None, 48, 48)

    def __init__(self):
        self.asked = []

    def predict(self, images, **_):
        self.asked.append(images)
        return np.tile(HAPPY, (len(images), 1))


@pytest.fixture
def seen(monkeypatch):
    """Instead of the detector: light pictures have a large face and a small one, dark ones none."""

    def find_all(pictures):
        return [[ONE, SMALL] if picture.mean() > 100 else [] for picture in pictures]

    monkeypatch.setattr(detection, "find_all", find_all)


# --- answers ----------------------------------------------------------------------------------------------------------


def test_every_face_is_answered_about_before_and_after_the_temperature(seen):
    network = SaysHappy()
    answer = recognize.answer_about(LIGHT, network, temperature=2.0)
    assert answer.before[0] == pytest.approx(HAPPY, abs=1e-6)
    assert np.allclose(answer.after[0], with_temperature(HAPPY[None], 2.0)[0], atol=1e-6)
    assert answer.frames.shape == (2, 48, 48) and np.array_equal(network.asked[0], answer.frames[:1])


def test_only_the_packages_network_gets_its_temperature(seen):
    own, shipped = SaysHappy(), SaysHappy()
    shipped.shipped = True
    temperature = recognize.facts()["temperatures"]["single"]
    for network, expected in ((own, 1.0), (shipped, temperature)):
        after = recognize.answer_about(LIGHT, network).after[0]
        assert np.allclose(after, with_temperature(HAPPY[None], expected)[0], atol=1e-6)


@pytest.mark.parametrize("given", [LIGHT / 255, Image.fromarray(LIGHT), "path"], ids=["floats", "Pillow's", "path"])
def test_what_can_be_read_can_be_asked_about(given, seen, tmp_path):
    if isinstance(given, str):
        Image.fromarray(LIGHT).save(given := str(tmp_path / "photo.png"))
    answer = recognize.answer_about(given, SaysHappy())
    assert np.array_equal(answer.picture, LIGHT) and len(answer.faces) == 2


@pytest.mark.parametrize("page", ["model-card", "on-your-photos"])
@pytest.mark.parametrize(("picture", "n"), [(LIGHT, 2), (DARK, 0)], ids=["two faces", "none"])
def test_the_pages_examples_run_as_they_are(page, picture, n, seen, tmp_path, monkeypatch):
    text = (runs.PROJECT_ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture).save("photo.jpg")
    exec("".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), made := {})
    assert len(made["answer"].table()) == n and made["answer"].after.shape == (n, 7)
    assert np.isfinite(made["answer"].after).all(axis=1).tolist() == [True, False][:n]  # the second is too small


def test_a_face_that_is_too_small_is_shown_and_not_answered_about(seen):
    table = recognize.answer_about(LIGHT, SaysHappy(), temperature=1.0).table()
    assert table["answer"].tolist() == ["happy", ""] and table["happy"].iloc[0] == 70
    assert table.loc[1, list(EMOTIONS)].isna().all()
    assert table["note"].iloc[0] == "" and table["note"].iloc[1].startswith("too small: ")


def test_a_face_that_was_enlarged_is_said_to_be_small():
    sized = {height: answers.note(Face(0, 0, 30, height, ((5, 5), (9, 5)), 1.0)) for height in (10, 35, 100)}
    assert [text.partition(":")[0] for text in sized.values()] == ["too small", "small", ""]


@pytest.mark.parametrize(("side", "said"), [(23.9, "too small: 23 pixels a side; at least 24 "), (24.1, "small: ")])
def test_the_size_of_a_small_face_does_not_contradict_its_note(side, said):
    box = side / framing.MARGIN
    assert answers.note(Face(0, 0, box, box, ((5, 5), (9, 5)), 1.0)).startswith(said)


def test_a_picture_without_a_face_has_an_empty_table(seen):
    network = SaysHappy()
    answer = recognize.answer_about(DARK, network)
    assert answer.table().empty and list(answer.table()) == ["face", "answer", *EMOTIONS, "note"]
    assert answer.frames.shape == (0, 48, 48) and answer.after.shape == (0, 7) and network.asked == []


def test_a_missing_extra_is_named_with_its_mend():
    with pytest.raises(extras.RequirementError, match=r"films needs no_such_module .*pip install -e '\.\[photos\]'"):
        extras.load("no_such_module", "films")


def test_without_tensorflow_the_detector_says_what_to_set(monkeypatch):
    import keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(extras.RequirementError, match="Keras runs on jax here. Set KERAS_BACKEND=tensorflow"):
        detection._detector.__wrapped__()


# --- films ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.avi"
    examples.write_film(path, seconds=2, rate=10)
    return path


def test_a_film_is_looked_at_five_times_a_second(film, monkeypatch):
    times = [when for when, _ in films.frames(film)]
    assert times == pytest.approx(np.arange(0, 2, 0.2))
    assert [when for when, _ in films.frames(film, seconds=0.5)] == pytest.approx([0, 0.2, 0.4])
    monkeypatch.setattr(films, "USED_RATE", 100)
    assert [picture.shape for _, picture in films.frames(film)] == [(240, 320, 3)] * 20  # all that there are


def test_a_camera_is_not_looked_at_in_bursts_after_slow_answers(monkeypatch):
    """30 frames a second are there; to answer about 16 takes 3 seconds, in which the camera goes on."""
    clock = [0.0]
    monkeypatch.setattr(films.time, "monotonic", lambda: clock[0])

    class Camera:
        def grab(self):
            clock[0] += 1 / 30
            return True

        def retrieve(self):
            return True, None

    times = []
    for when, _ in films._taken(Camera(), True, 30, seconds=20):
        times.append(when)
        clock[0] += 3 if len(times) % 16 == 0 else 0
    assert len(times) > 40 and np.diff(times).min() > 0.2 - 1e-9


class Film:
    """A film whose frames have these times, in milliseconds."""

    def __init__(self, times):
        self.left = list(times)

    def grab(self):
        self.time = self.left.pop(0) if self.left else None
        return self.time is not None

    def get(self, _):
        return self.time

    def retrieve(self):
        return True, None


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ([*range(0, 1000, 100), 1000, 1500, 2700, 2800, 2900], [0, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2.7, 2.8]),
        ([0] * 5, [0, 0.2, 0.4]),
        ([float("nan")] * 5, [0, 0.2, 0.4]),
        ([0, 100, 200, 300, 0], [0, 0.2, 0.4]),  # as OpenCV states the last frame of an MPEG-1 film
    ],
    ids=["uneven", "not stated", "no number", "not stated at the end"],
)
def test_a_frames_time_is_the_films_own(stated, expected):
    """Phones and browsers record more frames in some seconds than in others."""
    times = [when for when, _ in films._taken(Film(stated), False, 10, seconds=60)]
    assert times == pytest.approx(expected)


def test_the_maximum_length_is_in_the_films_own_seconds():
    times = [when for when, _ in films._taken(Film(range(0, 9000, 500)), False, 10, seconds=3)]
    assert times == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5])


def test_a_films_colours_are_in_the_order_of_a_pictures(tmp_path):
    import cv2

    path = tmp_path / "red.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    writer.write(np.full((64, 64, 3), (0, 0, 250), np.uint8))  # OpenCV's red
    writer.release()
    ((_, picture),) = films.frames(path)
    assert picture[32, 32, 0] > 200 and picture[32, 32, 2] < 50


def test_a_row_a_face_and_moment(film, seen):
    table = films.over_time(film, SaysHappy())
    assert list(table) == ["seconds", "face", *EMOTIONS] and table["seconds"].nunique() == 10
    assert set(table["face"]) == {1, 2}
    assert (table.loc[table["face"] == 1, "happy"] - 0.7).abs().max() < 1e-6
    assert table.loc[table["face"] == 2, "happy"].isna().all()


def test_a_film_without_a_face_has_no_rows(film, monkeypatch):
    monkeypatch.setattr(detection, "find_all", lambda pictures: [[] for _ in pictures])
    assert films.over_time(film, SaysHappy()).empty


def at(left):
    return Face(left, 0, 10, 10, ((2, 3), (7, 3)), 1.0)


def test_a_face_keeps_its_number_while_its_boxes_overlap():
    followed = []
    assert films.follow(followed, [at(0), at(50)]) == [1, 2]
    assert films.follow(followed, [at(3), at(53)]) == [1, 2]
    assert films.follow(followed, [at(52)]) == [2]  # the first has gone
    assert films.follow(followed, [at(4), at(30), at(51)]) == [1, 3, 2]
    assert films.follow(followed, [at(30), at(31)]) == [3, 4]  # no number twice
    assert films.overlap(at(0), at(5)) == pytest.approx(1 / 3) and films.overlap(at(0), at(50)) == 0


def broken_film(folder, content):
    (folder / "film.mp4").write_bytes(content)
    return folder / "film.mp4"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none.mp4", "none.mp4: there is no such file"),
        (lambda folder: broken_film(folder, b"no film"), "film.mp4: is not a film that OpenCV can read"),
        (lambda folder: broken_film(folder, b""), "film.mp4: is not a film that OpenCV can read"),
        (lambda folder: 97, "camera 97: was not found"),
    ],
    ids=["none", "text", "empty", "camera"],
)
def test_what_is_no_film_is_one_clear_error(make, words, tmp_path, capfd):
    with pytest.raises(PictureError, match=words):
        list(films.frames(make(tmp_path)))
    assert capfd.readouterr().out == ""


class Stuck:
    """A film that opens and has no frame to give, as one whose codec is missing."""

    def __init__(self, decodes):
        self.decodes = decodes

    def isOpened(self):
        return True

    def get(self, _):
        return float("nan")

    def grab(self):
        return self.decodes

    def retrieve(self):
        return False, None

    def release(self):
        pass


@pytest.mark.parametrize("decodes", [False, True], ids=["no frame", "not decoded"])
def test_a_film_that_gives_no_picture_says_so(decodes, film, monkeypatch):
    import cv2

    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Stuck(decodes))
    with pytest.raises(PictureError, match="film.avi: no picture could be read. Save it again as MP4"):
        list(films.frames(film))


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, seen, monkeypatch):
    monkeypatch.setattr(command, "_network", lambda given: {"network": SaysHappy()})
    Image.fromarray(LIGHT).save(tmp_path / "b.png")
    Image.fromarray(DARK).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def call(*arguments):
    return command.main([str(argument) for argument in arguments])


def test_the_status_says_whether_a_face_was_found(folder, capsys):
    assert call(folder / "b.png") == 0
    assert "b.png: 2 faces, in %, from left to right" in capsys.readouterr().out
    assert call(folder / "a.png") == 1
    assert "a.png: no face found" in capsys.readouterr().out
    assert call(folder / "a.png", folder / "b.png") == 0


def test_what_cannot_be_read_is_named_and_the_rest_is_answered(folder, capsys):
    (folder / "c.jpg").write_text("no picture")
    assert call(folder) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "c.jpg: is not a picture that Pillow can read" in said.err
    assert [line.rpartition("/")[2] for line in said.out.splitlines() if line.startswith(str(folder))] == [
        "a.png: no face found",
        "b.png: 2 faces, in %, from left to right",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_a_name_that_is_no_text_does_not_stop_the_rest(folder, monkeypatch):
    """As unpacked from an archive of Windows; or in letters that a console of Windows does not have."""
    shutil.copy(folder / "b.png", os.fsencode(folder) + b"/caf\xe9.png")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    with pytest.raises(SystemExit, match="0"):
        leave_with(lambda: call(folder, "--out", folder / "new"))
    assert pd.read_csv(folder / "new/faces.csv")["source"].tolist()[2:] == [str(folder / "caf\\udce9.png")] * 2
    assert {path.name[:5] for path in (folder / "new").iterdir()} == {"b.png", "caf\udce9.", "faces"}


def test_what_is_not_there_is_named_before_the_network_is_loaded(folder, monkeypatch, capsys):
    monkeypatch.setattr(command, "_network", lambda given: pytest.fail("was loaded"))
    assert call(folder / "none.jpg", folder / "none.mp4", "--out", folder / "new") == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.rpartition("/")[2] for line in said] == [
        f"{name}: there is no such file or folder. Check the name" for name in ("none.jpg", "none.mp4")
    ]
    assert not (folder / "new").exists()


def test_an_empty_folder_keeps_no_other_source_from_its_answer(folder, capsys):
    (folder / "empty").mkdir()
    assert call(folder / "empty", folder / "b.png") == 2
    said = capsys.readouterr()
    assert "empty: contains no picture" in said.err and "b.png: 2 faces" in said.out


@pytest.mark.parametrize("out", ["notes.txt", "notes.txt/new", "/proc/nowhere"])
def test_an_out_that_cannot_be_written_is_named_before_anything_else(out, folder, monkeypatch, capsys):
    monkeypatch.setattr(command, "_network", lambda given: pytest.fail("was loaded"))
    assert call(folder / "b.png", "--out", folder / out) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"--out {folder / out}: cannot be written (") and said.count("\n") == 1


def test_a_table_that_cannot_be_written_is_one_line_of_error(folder, capsys):
    (folder / "faces.csv").mkdir()
    assert call(folder / "b.png", "--out", folder) == 2
    said = capsys.readouterr().err
    assert re.search(r"faces.csv: cannot be written \(Is a directory\)\. .* --out ", said) and said.count("\n") == 1


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "x"])
def test_seconds_that_are_none_are_refused(seconds, folder, capsys):
    with pytest.raises(SystemExit, match="2"):
        call(folder / "b.png", "--seconds", seconds)
    assert "argument --seconds: " in capsys.readouterr().err


def test_a_network_of_one_size_is_not_asked_at_three(tmp_path, capsys):
    path = tmp_path / "model.keras"
    models.build_classifier("vgg16", "scratch", width=0.0625).save(path)
    Image.fromarray(LIGHT).save(tmp_path / "a.png")
    assert call(tmp_path, "--network", path, "--views", "scales") == 2
    said = "vgg16_scratch takes images of one size only. Use the views single or flip\n"
    assert capsys.readouterr().err == said


def test_tables_and_figures_are_written_whole_and_not_read_as_pictures(folder, capsys):
    assert call(folder, "--out", folder) == 0
    assert call(folder, "--out", folder) == 0
    new = {path.name for path in folder.iterdir()} - {"a.png", "b.png", "notes.txt"}
    assert new == {"b.png.faces.png", "faces.csv"}
    table = pd.read_csv(folder / "faces.csv")
    assert table["source"].tolist() == [str(folder / "b.png")] * 2 and table["happy"].iloc[0] == 70
    assert Image.open(folder / "b.png.faces.png").size[0] == 900
    assert "2 rows: " in capsys.readouterr().out


def test_the_figure_of_a_crowd_is_no_larger_than_can_be_drawn(folder, monkeypatch):
    """One picture of 300 faces stopped the command, and the table of all others was not written."""
    monkeypatch.setattr(detection, "find_all", lambda pictures: [[ONE] * 300 for _ in pictures])
    table, height, draw = command._picture(folder / "b.png", {"network": SaysHappy()})
    assert len(table) == 300 and 120 * height < 2**16
    monkeypatch.setattr(command, "MOST_ROWS", 2)
    _, height, draw = command._picture(folder / "b.png", {"network": SaysHappy()})
    draw(figure := Figure(figsize=(7.5, height)))
    assert len(figure.axes) == 1 + 2 * 2


def test_a_film_gives_the_mean_over_time_and_a_curve(folder, film, capsys):
    assert call(film, "--out", folder / "new") == 0
    assert "film.avi: 10 moments with faces; mean over time, %" in capsys.readouterr().out
    assert (folder / "new/film.avi.faces.png").is_file()
    table = pd.read_csv(folder / "new/film.avi.csv")
    assert len(table) == 20 and table["happy"].iloc[0] == 70  # in percent, as those of pictures are
    assert not (folder / "new/faces.csv").exists()


def test_a_film_leaves_the_table_of_pictures_as_it_is(folder, film, capsys):
    assert call(folder / "b.png", "--out", folder / "new") == 0
    assert call(film, "--out", folder / "new") == 0
    assert len(pd.read_csv(folder / "new/faces.csv")) == 2


def test_sources_of_one_name_do_not_write_over_each_other(folder, capsys):
    (folder / "other").mkdir()
    (folder / "other/b.png").write_bytes((folder / "b.png").read_bytes())
    assert call(folder / "b.png", folder / "other", "--out", folder / "new") == 2
    assert f"have one name in {folder / 'new'}. Give each folder an --out" in capsys.readouterr().err
    assert not (folder / "new").exists()
    assert call(folder / "b.png", folder / "other") == 0  # nothing is written


def test_a_face_that_is_too_small_is_no_answer(folder, monkeypatch, capsys):
    monkeypatch.setattr(detection, "find_all", lambda pictures: [[SMALL] for _ in pictures])
    assert call(folder / "b.png") == 1
    assert "too small: " in capsys.readouterr().out


def test_a_network_that_is_none_is_an_error(tmp_path, capsys):
    Image.fromarray(LIGHT).save(tmp_path / "b.png")
    assert call(tmp_path / "b.png", "--network", tmp_path / "none.keras") == 2
    assert "none.keras: no such file" in capsys.readouterr().err


# --- figures ----------------------------------------------------------------------------------------------------------

BEFORE, AFTER = HAPPY, with_temperature(HAPPY[None], 2.0)[0]
ANSWER = answers.Answer(
    LIGHT,
    [ONE, SMALL],
    np.zeros((2, 48, 48), np.uint8),
    np.array([BEFORE, np.full(7, np.nan)]),
    np.array([AFTER, np.full(7, np.nan)]),
)
TABLE = pd.DataFrame([[0.0, 1, *BEFORE], [0.5, 1, *AFTER], [0.5, 2, *AFTER]], columns=["seconds", "face", *EMOTIONS])
SINGLE = {
    "found_faces": lambda ax: plots.found_faces(LIGHT, [ONE, SMALL], ax=ax),
    "probability_bars": lambda ax: plots.probability_bars(BEFORE, AFTER, ax=ax),
    "over_time": lambda ax: plots.over_time(TABLE, ax=ax),
}
PANELS = {
    "face_rows": lambda figure: plots.face_rows(ANSWER, figure=figure, title="t"),
}


@pytest.mark.parametrize("name", [*SINGLE, *PANELS])
def test_a_figure_draws_where_it_is_told_and_touches_nothing_else(name):
    check_it_draws_where_it_is_told((SINGLE | PANELS)[name], name in PANELS)


@pytest.mark.parametrize("name", [*SINGLE, *PANELS])
def test_a_figure_makes_one_of_its_own(name):
    check_it_makes_one_figure((SINGLE | PANELS)[name])


def test_a_faces_box_and_frame_are_drawn_where_they_are():
    ax = plots.found_faces(LIGHT, [ONE])
    box, square = (patch.get_xy()[:4] for patch in ax.patches)
    assert box.tolist() == [[30, 20], [90, 20], [90, 100], [30, 100]]
    assert np.allclose(square, plots.corners(ONE))
    assert np.allclose(square.mean(axis=0), recognize.framing.square(ONE)[0])
    assert plots.found_faces(DARK, []).get_xlabel() == "no face found"


def test_bars_are_the_probabilities():
    ax = plots.probability_bars(BEFORE, AFTER)
    before, after = ([bar.get_width() for bar in bars] for bars in ax.containers)
    assert before == pytest.approx(BEFORE) and after == pytest.approx(AFTER)
    assert [text.get_text() for text in ax.texts][3] == f"{AFTER[3]:.0%}"
    none = plots.probability_bars(np.full(7, np.nan), np.full(7, np.nan))
    assert {text.get_text() for text in none.texts} == {""}


def test_a_curve_over_time_is_one_faces():
    lines = plots.over_time(TABLE, face=1).get_lines()
    assert [line.get_label() for line in lines] == list(EMOTIONS)
    assert lines[3].get_xdata().tolist() == [0, 0.5] and lines[3].get_ydata() == pytest.approx([BEFORE[3], AFTER[3]])
    assert {line.get_marker() for line in lines} == {"None"}
    assert {line.get_marker() for line in plots.over_time(TABLE, face=2).get_lines()} == {"o"}  # of one moment


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plots.probability_bars(BEFORE[:3], AFTER), r"\(3,\) and \(7,\)"),
        (lambda: plots.over_time(TABLE.drop(columns="seconds")), "seconds"),
        (lambda: plots.face_rows(answers.Answer(DARK, [], np.zeros((0, 48, 48)), *[np.zeros((0, 7))] * 2)), "no face"),
    ],
)
def test_bad_input_of_a_figure_is_one_clear_error(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()
