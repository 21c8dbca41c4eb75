"""The emotions of the faces in your pictures: python -m fer_utils.recognize photo.jpg

Prints a table of each picture's faces, in percent, and with --out writes faces.csv and a figure of each picture. A film
(.mp4, .avi, ...) or the word camera gives probabilities over time, and a CSV of its own.
Exit status: 0, faces were answered about; 1, none was found that is large enough; 2, something could not be read or
written.
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


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m fer_utils.recognize", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+", metavar="source", help="pictures, films, folders of them, or camera")
    parser.add_argument("--out", type=Path, help="a folder for faces.csv and the figures")
    parser.add_argument("--views", choices=CHOICES["VIEWS"], default="single", help="of each face that are asked about")
    parser.add_argument("--network", type=Path, help="model.keras of a run, instead of the package's; not calibrated")
    parser.add_argument("--seconds", type=_seconds, default=60.0, help="of film or camera, at most (60)")
    given = parser.parse_args(arguments)
    sources, unread = [], 0
    for source in given.sources:
        try:
            sources += [source] if source == CAMERA else pictures.files_in(source, films.SUFFIXES)
        except (recognize.PictureError, OSError) as error:
            unread += 1
            print(error, file=sys.stderr)
    try:
        if given.out and sources:
            _check_out(sources, given.out)
        return _report(sources, unread, _network(given), given) if sources else 2
    except (recognize.RequirementError, ValueError) as error:  # of the disk, or of the network
        print(error, file=sys.stderr)
        return 2


def _seconds(text):
    if not float(text) > 0:  # nor is nan
        raise argparse.ArgumentTypeError(f"give more than 0, not {text}")
    return float(text)


def _check_out(sources, out):
    """Raise PictureError where two sources would write the same files, or where none can be written."""
    first = {}
    for source in sources:
        other = first.setdefault(Path(source).name, source)
        if other is not source:
            raise recognize.PictureError(f"{other} and {source} have one name in {out}. Give each folder an --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
    except OSError as error:
        raise recognize.PictureError(f"--out {out}: cannot be written ({error.strerror}). Name another") from None


def _report(sources, unread, asked, given):
    tables, answered = [], 0
    for source in sources:
        try:
            table, draw = _film(source, asked, given.seconds) if _is_film(source) else _picture(source, asked)
            print(f"{source}: {_said(table)}")
            answered += int(table[EMOTIONS[0]].notna().sum())
            if not _is_film(source):
                tables.append(table.assign(source=str(source)))
            elif given.out:
                _save_table(table, given.out / f"{Path(source).name}.csv")
            if given.out and len(table):
                _save_figure(draw, given.out / f"{Path(source).name}{pictures.OWN}")
        except recognize.PictureError as error:
            unread += 1
            print(error, file=sys.stderr)
    if given.out and tables:
        whole = pd.concat(tables, ignore_index=True)
        _save_table(whole[["source", *(name for name in whole if name != "source")]], given.out / "faces.csv")
    return 2 if unread else int(not answered)


def _network(given):
    """What ``answer_about`` is asked with: the network and the views."""
    network = saved_models.load_classifier(given.network) if given.network else recognize.load_network()
    if given.views == "scales":
        classifier.answer_size(network)  # raises ValueError here, and not after the first face was found
    return {"network": network, "views": given.views}


def _is_film(source):
    return source == CAMERA or Path(source).suffix.lower() in films.SUFFIXES


def _picture(path, asked):
    """The table of a picture's faces, and how it is drawn."""
    answer = recognize.answer_about(path, **asked)

    def draw(figure):
        above, below = figure.subfigures(2, 1, height_ratios=(3, 2 * len(answer.faces)))
        plots.found_faces(answer.picture, answer.faces, above.subplots())
        plots.face_rows(answer, below)

    figure_height = 4 + 2.3 * len(answer.faces)
    return answer.table(), (figure_height, draw)


def _film(source, asked, seconds):
    table = films.over_time(0 if source == CAMERA else source, seconds=seconds, **asked)
    faces = table["face"].unique()[:6]
    percent = table.assign(**(100 * table[list(EMOTIONS)]).round(1))

    def draw(figure):
        for number, ax in zip(faces, figure.subplots(len(faces), 1, squeeze=False)[:, 0], strict=True):
            plots.over_time(table, number, ax, f"face {number}")

    return percent, (3.2 * max(1, len(faces)), draw)


def _said(table):
    """A picture's or film's table in words."""
    if not len(table):
        return recognize.NO_FACE
    if "seconds" in table:
        mean = table.groupby("face")[list(EMOTIONS)].mean().round(1)
        return f"{table['seconds'].nunique()} moments with faces; mean over time, %\n{mean.to_string()}"
    count = f"{len(table)} face{'s' * (len(table) > 1)}, in %, from left to right"
    return f"{count}\n{table.to_string(index=False, na_rep='')}"


def _save_figure(drawing, path):
    height, draw = drawing
    figure = Figure(figsize=(7.5, height), layout="constrained")
    draw(figure)
    write_whole(path, lambda stream: figure.savefig(stream, format="png", dpi=120))


def _save_table(table, path):
    text = table.to_csv(index=False)
    write_whole(path, lambda stream: stream.write(text.encode("utf-8")))
    print(f"{len(table)} rows: {path}")


if __name__ == "__main__":
    leave_with(main)
