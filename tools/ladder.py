"""Print the ladder, the final candidates and the race of a folder of runs as Markdown; draw the ladder as a figure.

python tools/ladder.py outputs/reference/tuned --figure ladder.png
python tools/ladder.py outputs/reference/tuned --against whole-80 --views scales    all others, against that recipe
"""

import argparse
import contextlib
import sys
from pathlib import Path

import results as tables

from fer_utils import plotting, runs
from fer_utils.command_line import leave_with
from fer_utils.ladder import results, trials
from fer_utils.names import VIEWS


def markdown(rungs, chosen, raced):
    """Return the tables of ``summarize``, ``finals`` and ``race`` that are not empty, as Markdown: list of str."""
    readers = (results.for_reading, results.finals_for_reading, results.race_for_reading)
    pairs = zip((rungs, chosen, raced), readers, strict=True)
    return [_table(for_reading(table)) for table, for_reading in pairs if not table.empty]


def _table(table):
    """Return a DataFrame as Markdown, with its index as the first column."""
    return tables.markdown([table.index.name, *table.columns], table.itertuples())


def _no_runs(output_dir):
    """Return why a folder has no run of notebook 08, and which folder to give instead."""
    folder = runs.resolve(output_dir)
    if not folder.is_dir():
        return f"{output_dir}: there is no such folder. Give the OUTPUT_DIR of notebook 08."
    if folder.name == results.FOLDER and any(folder.glob("*/metrics.json")):
        return f"{output_dir}: this folder holds the runs themselves. Give the one above it, {folder.parent}."
    return f"{output_dir}: holds no finished run in {results.FOLDER}/. Make some with notebook 08."


def main(arguments=None):
    """Run the command line: print the tables and draw the ladder. Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output_dir", help="folder of runs, for example outputs/reference/cpu")
    parser.add_argument("--figure", help="PNG file for a drawing of the ladder")
    parser.add_argument("--against", metavar="RECIPE", help="print one table instead: all others against this recipe")
    parser.add_argument("--views", choices=VIEWS, help="views for --against; single by default")
    given = parser.parse_args(arguments)
    if given.against and given.figure:
        parser.error("--figure draws the ladder: leave --against out")
    if given.figure and not Path(given.figure).absolute().parent.is_dir():
        parser.error(f"--figure {given.figure}: its folder is missing. Make it first")
    if given.views and not given.against:
        parser.error("--views needs --against: each rung has its own views")
    there = [path.parent.name for path in runs.resolve(given.output_dir).glob(f"{results.FOLDER}/*/metrics.json")]
    if not there:
        print(_no_runs(given.output_dir), file=sys.stderr)
        return 1
    try:
        with contextlib.redirect_stdout(sys.stderr):  # lines about left-out runs do not belong to the tables
            if given.against:
                table = trials.tried(given.output_dir, given.against, given.views or "single")
            else:
                found = results.load(given.output_dir)
                rungs, chosen, raced = results.summarize(found), results.finals(found), results.race(found)
    except runs.RunError as error:
        print(error, file=sys.stderr)
        return 1
    if given.against:
        print(_table(trials.for_reading(table)))
        return 0
    shown = markdown(rungs, chosen, raced)
    if not shown or (given.figure and rungs.empty):
        what = "a rung" if shown else "a rung or a final candidate"
        why = f"none of {', '.join(sorted(there))} is {what} that can be shown"
        print(f"{given.output_dir}: {why}. --against RECIPE compares all others with one.", file=sys.stderr)
        return 1
    print("\n\n".join(shown))
    if given.figure:
        figure = plotting.ladder_differences(rungs)[0].figure
        figure.savefig(given.figure, dpi=150, bbox_inches="tight", metadata={"Software": None})
    return 0


if __name__ == "__main__":
    leave_with(main)
