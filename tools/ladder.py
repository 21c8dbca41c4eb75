"""The ladder, the final candidates and the race of a folder of runs as Markdown tables, and the ladder as a figure.

python tools/ladder.py outputs/reference/tuned --figure ladder.png
python tools/ladder.py outputs/reference/tuned --against whole-80 --views scales    what was tried beside that recipe
"""

import argparse
import contextlib
import sys
from pathlib import Path

import results as tables

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import plotting, runs
from fer_utils.command_line import leave_with
from fer_utils.ladder import results, trials
from fer_utils.names import VIEWS


def markdown(rungs, chosen, raced):
    """The tables of ``summarize``, ``finals`` and ``race`` as Markdown, those that are empty left out: list of str."""
    read = [
        (rungs, results.for_reading),
        (chosen, results.finals_for_reading),
        (raced, results.race_for_reading),
    ]
    return [_table(for_readers(table)) for table, for_readers in read if not table.empty]


def _table(said):
    rows = ([name, *row] for name, row in zip(said.index, said.values, strict=True))
    return tables.markdown([said.index.name, *said.columns], rows)


def _no_runs(output_dir):
    """Why a folder holds no run of notebook 08, and what to give instead."""
    folder = runs.resolve(output_dir)
    if not folder.is_dir():
        return f"{output_dir}: there is no such folder. Give one that notebook 08 had as OUTPUT_DIR."
    if folder.name == results.FOLDER and any(folder.glob("*/metrics.json")):
        return f"{output_dir}: this folder holds the runs themselves. Give the one above it, {folder.parent}."
    return f"{output_dir}: holds no finished run in {results.FOLDER}/. Make some with notebook 08."


def main(arguments=None):
    """The command line: print the tables, draw the ladder; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output_dir", help="folder of runs, for example outputs/reference/cpu")
    parser.add_argument("--figure", help="PNG to draw the ladder to")
    parser.add_argument("--against", metavar="RECIPE", help="print one table instead: all others against this recipe")
    parser.add_argument("--views", choices=VIEWS, help="in which they answer there; single by default")
    given = parser.parse_args(arguments)
    if given.against and given.figure:
        parser.error("--figure is of the ladder: leave --against out")
    if given.views and not given.against:
        parser.error("--views needs --against: a rung has its own")
    there = [path.parent.name for path in runs.resolve(given.output_dir).glob(f"{results.FOLDER}/*/metrics.json")]
    if not there:
        print(_no_runs(given.output_dir), file=sys.stderr)
        return 1
    makers = (results.summarize, results.finals, results.race)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what was left out is no part of the tables
            if given.against:
                table = trials.tried(given.output_dir, given.against, given.views or "single")
            else:
                rungs, chosen, raced = (make(given.output_dir) for make in makers)
    except runs.RunError as error:
        print(error, file=sys.stderr)
        return 1
    if given.against:
        print(_table(trials.for_reading(table)))
        return 0
    said = markdown(rungs, chosen, raced)
    if not said or (given.figure and rungs.empty):
        what = "a rung" if said else "a rung or a final candidate"
        why = f"none of {', '.join(sorted(there))} is {what} that can be shown"
        print(f"{given.output_dir}: {why}. --against RECIPE compares all others with one.", file=sys.stderr)
        return 1
    print("\n\n".join(said))
    if given.figure:
        figure = plotting.ladder_differences(rungs)[0].figure
        figure.savefig(given.figure, dpi=150, bbox_inches="tight", metadata={"Software": None})
    return 0


if __name__ == "__main__":
    leave_with(main)
