"""Score anybody's predictions for FER-2013: python -m fer_utils.score predictions.csv

Prints the result, and writes predictions.score.html and predictions.score.json next to the file.

predictions.csv has a header and one line per image: a column row (of fer2013.csv, from 0) or FER+'s file name, and
seven columns of probabilities with the emotions' names, or one column label. A network (.keras, .onnx, .tflite) first
has to predict the faces, which needs --data.
"""

import argparse
import os
import sys
from pathlib import Path

from fer_utils.command_line import data_source, leave_with
from fer_utils.data.faces import DataError
from fer_utils.runs import RunError, write_json, write_whole
from fer_utils.score import ScoreError, facts, known, networks, page, read_csv, read_run, report


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m fer_utils.score", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", help="predictions.csv, the folder of a run, or a network: .keras, .onnx or .tflite")
    parser.add_argument("--protocol", choices=tuple(known.REPORTED), default="official", help="official: PrivateTest")
    parser.add_argument("--data", help="FER-2013 in any form, for a network; kaggle downloads it")
    parser.add_argument("--out", help="path of the page and the JSON, without the ending; default: next to the file")
    given = parser.parse_args(arguments)
    path = Path(os.path.abspath(given.file))  # unlike resolve(), keeps the place and name of a link
    reported = facts(given.protocol)
    try:
        if path.suffix.lower() in networks.KINDS:
            answers = networks.predict(path, data_source(given.data), reported)
        elif path.is_dir():
            answers = read_run(path, reported)
        else:
            answers = read_csv(path, reported)
        result = report(answers.about(reported.row_ids), reported)
        own = path if path.is_dir() else path.with_suffix("")
        out = Path(os.path.abspath(given.out)) if given.out else own
        html = out.with_name(f"{out.name}.score.html")
        write_whole(html, lambda stream: stream.write(page.page(result).encode("utf-8", "backslashreplace")))
        write_json(out.with_name(f"{out.name}.score.json"), result)
    except (ScoreError, DataError, RunError, OSError) as error:
        print(f"--data: {error}" if isinstance(error, DataError) else error, file=sys.stderr)
        return 2
    for line in (page.sentence(result), *result["notes"]):
        print(line)
    if result["unseen_labels"]["suspicious"]:
        print(page.warning(result))
    print(f"The whole report: {html}")
    return 0


if __name__ == "__main__":
    leave_with(main)
