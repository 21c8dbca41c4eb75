"""Score anybody's answers about FER-2013: python -m fer_utils.score predictions.csv

Prints the result, and writes predictions.score.html and predictions.score.json beside the file.

predictions.csv has a header and a line an image: a column row (of fer2013.csv, from 0) or FER+'s file name, and seven
columns of probabilities named as the emotions, or one column label. A network (.keras, .onnx, .tflite) is asked about
the faces first, which needs --data.
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
    parser.add_argument("--out", help="where the page and the JSON go, without ending; beside the file by default")
    given = parser.parse_args(arguments)
    path = Path(os.path.abspath(given.file))  # of a link, its own place and name
    reported = facts(given.protocol)
    try:
        if path.suffix.lower() in networks.KINDS:
            answers = networks.ask(path, data_source(given.data), reported)
        elif path.is_dir():
            answers = read_run(path, reported)
        else:
            answers = read_csv(path, reported)
        result = report(answers.about(reported.row_ids), reported)
        out = Path(os.path.abspath(given.out)) if given.out else path if path.is_dir() else path.with_suffix("")
        html, numbers = (out.with_name(f"{out.name}.score.{kind}") for kind in ("html", "json"))
        write_whole(html, lambda stream: stream.write(page.page(result).encode()))
        write_json(numbers, result)
    except (ScoreError, DataError, RunError, OSError) as error:
        print(f"--data: {error}" if isinstance(error, DataError) else error, file=sys.stderr)
        return 2
    for line in (page.sentence(result), *result["notes"]):
        print(line)
    if result["unseen_labels"]["suspicious"]:
        print(page.warning(result))
    print(f"All of it: {html}")
    return 0


if __name__ == "__main__":
    leave_with(main)
