"""Predict the emotions of the faces in your pictures: python -m fer_utils.recognize photo.jpg

Prints a table of each picture's faces, in percent. With --out, writes faces.csv and a figure of each picture.
A film (.mp4, .avi, ...) or the word camera gets predictions over time, and a CSV of its own.
Exit status: 0, emotions were predicted; 1, no face was large enough; 2, something could not be read or written.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from fer_utils import recognize
from fer_utils.command_line import leave_with
from fer_utils.models import classifier, saved_models
from fer_utils.names import CHOICES, EMOTIONS
from fer_utils.recognize import films, pictures, plots
from fer_utils.runs import write_whole

CAMERA = "camera"
MOST_ROWS = 200  # faces in the figure of a picture; matplotlib draws no figure of 65,536 pixels


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m fer_utils.recognize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+", metavar="source", help="pictures, films, folders of them, or camera")
    parser.add_argument("--out", type=Path, help="a folder for faces.csv and the figures")
    parser.add_argument("--views", choices=CHOICES["VIEWS"], default="single", help="views of a face to average over")
    parser.add_argument("--network", type=Path, help="model.keras of a run, instead of the package's; not calibrated")
    parser.add_argument("--seconds", type=_seconds, default=60.0, help="maximum length of film or camera (60)")
    given = parser.parse_args(arguments)
    sources, unread = [], 0
    for source in given.sources:
        try:
            sources += [source] if source == CAMERA else pictures.files_in(source, films.SUFFIXES)
        except (pictures.PictureError, OSError) as error:
            unread += 1
            print(error, file=sys.stderr)
    if not sources:
        return 2
    try:
        if given.out:
            _check_out(sources, given.out)
        return _report(sources, unread, _network(given), given)
    except (recognize.RequirementError, ValueError) as error:  # a full disk, or a network that cannot be used
        print(error, file=sys.stderr)
        return 2


def _seconds(text):
    if not float(text) > 0:  # this form also refuses nan
        raise argparse.ArgumentTypeError(f"give more than 0, not {text}")
    return float(text)


def _check_out(sources, out):
    """Raise PictureError if two sources would write the same files, or if the folder cannot be written."""
    seen = {}
    for source in sources:
        name = Path(source).name
        if name in seen:
            raise pictures.PictureError(f"{seen[name]} and {source} have one name in {out}. Give each folder an --out")
        seen[name] = source
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise pictures.PictureError(f"--out {out}: cannot be written ({error.strerror}). Name another") from None


def _report(sources, unread, options, given):
    """Print and write the predictions for each source; return the exit status."""
    tables, predicted = [], 0
    for source in sources:
        is_film = source == CAMERA or Path(source).suffix.lower() in films.SUFFIXES
        try:
            table, height, draw = _film(source, options, given.seconds) if is_film else _picture(source, options)
            print(f"{source}: {_in_words(table)}")
            predicted += int(table[EMOTIONS[0]].notna().sum())
            if not is_film:
                table.insert(0, "source", str(source))
                tables.append(table)
            elif given.out:
                _save_table(table, given.out / f"{Path(source).name}.csv")
            if given.out and not table.empty:
                _save_figure(draw, height, given.out / f"{Path(source).name}{pictures.OWN}")
        except pictures.PictureError as error:
            unread += 1
            print(error, file=sys.stderr)
    if given.out and tables:
        _save_table(pd.concat(tables, ignore_index=True), given.out / "faces.csv")
    if unread:
        return 2
    return 0 if predicted else 1


def _network(given):
    """The keyword arguments of ``answer_about``: the network and the views."""
    network = saved_models.load_classifier(given.network) if given.network else recognize.load_network()
    if given.views == "scales":
        classifier.answer_size(network)  # raises ValueError now, and not only after the first face was found
    return {"network": network, "views": given.views}


def _picture(path, options):
    """The table of a picture's faces, the height of its figure in inches, and the function that draws it."""
    answer = recognize.answer_about(path, **options)
    parts = (answer.faces, answer.frames, answer.before, answer.after)
    shown = recognize.Answer(answer.picture, *(part[:MOST_ROWS] for part in parts))

    def draw(figure):
        above, below = figure.subfigures(2, 1, height_ratios=(3, 2 * len(shown.faces)))
        plots.found_faces(answer.picture, answer.faces, above.subplots())
        plots.face_rows(shown, below)

    return answer.table(), 4 + 2.3 * len(shown.faces), draw


def _film(source, options, seconds):
    """As ``_picture``, for a film or the camera; the figure shows at most six faces."""
    table = films.over_time(0 if source == CAMERA else source, seconds=seconds, **options)
    faces = table["face"].unique()[:6]
    percent = table.copy()
    percent[list(EMOTIONS)] = (100 * table[list(EMOTIONS)]).round(1)

    def draw(figure):
        for number, ax in zip(faces, figure.subplots(len(faces), 1, squeeze=False)[:, 0], strict=True):
            plots.over_time(table, number, ax, f"face {number}")

    return percent, 3.2 * len(faces), draw


def _in_words(table):
    """The table of a picture or film as text to print."""
    if table.empty:
        return recognize.NO_FACE
    if "seconds" in table:
        mean = table.groupby("face")[list(EMOTIONS)].mean().round(1)
        return f"{table['seconds'].nunique()} moments with faces; mean over time, %\n{mean.to_string()}"
    count = "1 face" if len(table) == 1 else f"{len(table)} faces"
    return f"{count}, in %, from left to right\n{table.to_string(index=False, na_rep='')}"


def _save_figure(draw, height, path):
    figure = Figure(figsize=(7.5, height), layout="constrained")
    draw(figure)
    write_whole(path, lambda stream: figure.savefig(stream, format="png", dpi=120))


def _save_table(table, path):
    text = table.to_csv(index=False)
    write_whole(path, lambda stream: stream.write(text.encode("utf-8", "backslashreplace")))
    print(f"{len(table)} rows: {path}")


if __name__ == "__main__":
    leave_with(main)
