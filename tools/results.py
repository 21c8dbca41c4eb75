r"""The tables of a folder of finished runs as Markdown: the paper's arms, the paper's stopping rule, and the twins.

    python tools/results.py outputs/reference/gpu
    python tools/results.py outputs/reference/gpu --data fer2013.csv --votes fer2013new.csv \
        --csv outputs/reference/gpu/without_twins.csv

The stopping rule is scored for runs that kept their every epoch (KEEP_EPOCHS). With the images at hand (--data), each
run is also scored without those PrivateTest faces that Training holds a duplicate of; with FER+'s votes (--votes), its
gap is also taken among faces on which voters agree alike. --csv keeps that table.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import compare, data, ladder, run_reader, runs, selection, tables
from fer_utils.command_line import leave_with
from fer_utils.compare import interval_text, percent
from fer_utils.labels import duplicates, ferplus

GROUPS = ("all", "without twins", "twins only")
GAPS = ("gap within emotions", "gap within emotions and votes")


def markdown(header, rows):
    """A table as Markdown; rows: lists of texts."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def stopping(finished):
    """What each rule for choosing an epoch reports, of every run that kept its epochs; "" where none did."""
    rows = []
    for run in selection.with_epochs(finished)[0]:
        for row in selection.selection_table(selection.read_epochs(run.folder)).to_dict("records"):
            never = pd.isna(row["reported"])
            cells = [
                run.name,
                row["rule"],
                "never" if never else int(row["epoch"]),
                row["reported on"],
                f"{row['n']:,}",
            ]
            texts = [percent(row["reported"]), interval_text(row["low"], row["high"]), percent(row["inflation"])]
            texts += [interval_text(row["inflation_low"], row["inflation_high"]), percent(row["private"])]
            rows.append(cells + ([""] * len(texts) if never else texts))
    header = ["run", "rule", "epoch", "reported on", "n", "reported %", "95 %", "above the official epoch, points"]
    header += ["95 %", "PrivateTest % of that epoch"]
    return markdown(header, rows) if rows else ""


def score_twins(faces, answers, votes=None):
    """Each run's PrivateTest accuracy on all images, without and on twins, and the gaps: DataFrame, a row each.

    faces: ``data.Faces`` with all three splits. answers: name -> (row ids, labels, probabilities) of PrivateTest.
    votes: FER+'s, (n, 10) of all faces, or None.
    """
    private = faces.usage == "PrivateTest"
    twins = duplicates.twin_in(faces, duplicates.near_groups(faces))[private]
    parts = []
    for name, (ids, labels, probabilities) in answers.items():
        if not np.array_equal(ids, faces.row_ids[private]):
            raise runs.RunError(
                f"{name}: its PrivateTest is not that of {faces.source}. Give the data that it was made of"
            )
        right = probabilities.argmax(axis=1) == labels
        table = duplicates.score_without(right, twins).rename_axis("images").reset_index()
        gaps = duplicates.gaps({name: right}, twins, labels, None if votes is None else votes[private])
        for kind, (_, gap) in zip(GAPS, gaps.iterrows(), strict=False):
            table.loc[len(table)] = {"images": kind, "accuracy": gap["gap"], "low": gap["low"], "high": gap["high"]}
        parts.append(table.assign(run=name))
    return pd.concat(parts)[["run", "images", "n", "correct", "accuracy", "low", "high"]].reset_index(drop=True)


def private_answers(folder):
    """Name -> PrivateTest's answers of each finished run below a folder; of recipes by views, and seeds together.

    An experiment of many runs, two folders further down, is left out.
    """
    folder, found = Path(folder), {}
    for path in sorted([*folder.glob("*/predictions.npz"), *folder.glob("*/*/predictions.npz")]):
        run = run_reader.read_run(path.parent, needs="validation")
        name = path.parent.relative_to(folder).as_posix().removeprefix(f"{ladder.FOLDER}/")
        if run.manifest["parameters"].get("PROTOCOL") == "official":
            found |= {f"{name} {split}": answers for split, answers in run.predictions.items() if split[:4] == "test"}
    for recipe, group in ladder.load(folder).items():
        for split in group[0].predictions if len(group) > 1 else ():
            if split.startswith("test"):
                answers = [run.predictions[split] for run in group]
                mean = np.mean([answer[2] for answer in answers], axis=0)
                found[f"{recipe}, {len(group)} together {split}"] = (*answers[0][:2], mean)
    return found


def twins_markdown(table):
    """The table of ``score_twins``: a row a run."""
    rows, shown = [], [images for images in (*GROUPS, *GAPS) if images in set(table["images"])]
    for name, group in table.groupby("run", sort=False):
        cells = [name]
        for images in shown:
            row = group[group["images"] == images].iloc[0]
            cells += [percent(row["accuracy"]), interval_text(row["low"], row["high"])]
        rows.append(cells)
    n = [f"{table[table['images'] == images]['n'].iloc[0]:,.0f}" for images in GROUPS]
    header = ["run, and how it was asked", f"all {n[0]}, %", "95 %", f"without twins ({n[1]}), %", "95 %"]
    header += [f"twins only ({n[2]}), %", "95 %"]
    for gap in shown[len(GROUPS) :]:
        header += [f"{gap}, points", "95 %"]
    return markdown(header, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="such as outputs/reference/gpu")
    parser.add_argument("--data", help="FER-2013 in any form, to find twins in")
    parser.add_argument(
        "--votes", help="FER+'s fer2013new.csv, to compare twins with faces on which voters agree alike"
    )
    parser.add_argument("--csv", help="where the table of twins is kept")
    given = parser.parse_args()
    if (given.csv or given.votes) and not given.data:
        parser.error("--csv and --votes are for the table of twins, which needs --data")
    try:
        if not ladder.load(runs.resolve(given.folder)) or any(runs.resolve(given.folder).glob("*-seed*")):
            finished = compare.load_runs(given.folder)
            print(tables.results_markdown(finished))
            if text := stopping(finished):
                print(f"\n{text}")
        if given.data:
            faces = data.load_fer2013(given.data)
            votes = ferplus.join(faces, ferplus.load_ferplus(given.votes)) if given.votes else None
            table = score_twins(faces, private_answers(runs.resolve(given.folder)), votes)
            print(f"\n{twins_markdown(table)}")
            if given.csv:
                table.to_csv(runs.resolve(given.csv), index=False)
    except (runs.RunError, data.DataError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    leave_with(main)
