r"""Print the tables of a folder of finished runs as Markdown: the paper's arms, its stopping rule, and the twins.

    python tools/results.py outputs/reference/gpu
    python tools/results.py outputs/reference/gpu --data fer2013.csv --votes \
        --csv outputs/reference/gpu/without_twins.csv

The stopping rule is scored for runs that kept every epoch (KEEP_EPOCHS). With the images (--data), each run is also
scored without the PrivateTest faces that have a duplicate in Training. With FER+'s votes (--votes), the gap is also
computed among faces with the same agreement of voters. --csv writes that table to a file.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also for the tools that import this

from fer_utils import comparison, data, runs
from fer_utils.command_line import leave_with
from fer_utils.comparison.summary import TEST_NAMES, interval_text, percent, pretraining_of, protocol
from fer_utils.data import near_duplicates
from fer_utils.evaluation import epoch_choice
from fer_utils.labels import duplicates, ferplus
from fer_utils.ladder import results

GROUPS = ("all", "without twins", "twins only")
GAPS = ("gap within emotions", "gap within emotions and votes")


def markdown(header, rows):
    """Return a table as Markdown. header: list of texts. rows: lists of cells."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def results_markdown(finished):
    """Return the table of the six arms as Markdown: one row per arm, the paper's number next to ours."""
    summary, pretraining = comparison.summarize_arms(finished), comparison.pretraining_seconds(finished)
    n = min(run.metrics["test"]["n"] for run in finished)
    header = ["arm", "paper", f"ours: {TEST_NAMES[protocol(finished)]} accuracy", f"95 %, other images (n = {n:,})"]
    header += ["seeds", "95 %, other seeds", "validation", "macro-F1", "seconds", "hardware"]
    rows = []
    theirs = comparison.paper_arms().to_dict("records")
    for row, reported in zip(summary.to_dict("records"), theirs, strict=True):
        cells = [comparison.arm_name(row["arm"]), f"{percent(reported['validation_accuracy'])} %"]
        if row["runs"]:
            extra = pretraining_of(row, pretraining)
            machines = dict.fromkeys(comparison.hardware(run) for run in finished if run.arm == row["arm"])
            cells += [
                f"**{percent(row['test_accuracy'])} %**",
                interval_text(row["test_low"], row["test_high"]),
                _seeds(row),
                interval_text(row["seeds_low"], row["seeds_high"]) if row["runs"] > 1 else "unknown",
                f"{percent(row['validation_accuracy'])} %",
                f"{percent(row['macro_f1'])} %",
                f"{row['seconds']:,.0f}" + (f" + {extra:,.0f} pretraining" if extra else ""),
                "; ".join(machines),
            ]
        rows.append(cells + ["not yet run"] * (len(header) - len(cells)))
    return markdown(header, rows)


def _seeds(row):
    if row["runs"] < 2:
        return "1"
    low, high = percent(row["test_accuracy_min"]), percent(row["test_accuracy_max"])
    return f"{row['runs']}: {low} to {high}, sd {percent(row['seeds_sd'])}"


def stopping(finished):
    """Return what each rule for choosing an epoch reports for every run that kept its epochs, or "" if none did."""
    rows = []
    for run in epoch_choice.with_epochs(finished)[0]:
        for row in epoch_choice.selection_table(epoch_choice.read_epochs(run.folder)).to_dict("records"):
            never = pd.isna(row["reported"])
            epoch = "never" if never else int(row["epoch"])
            cells = [percent(row["reported"]), interval_text(row["low"], row["high"]), percent(row["inflation"])]
            cells += [interval_text(row["inflation_low"], row["inflation_high"]), percent(row["private"])]
            start = [run.name, row["rule"], epoch, row["reported on"], f"{row['n']:,}"]
            rows.append(start + ([""] * len(cells) if never else cells))
    header = ["run", "rule", "epoch", "reported on", "n", "reported %", "95 %", "above the official epoch, points"]
    header += ["95 %", "PrivateTest % of that epoch"]
    return markdown(header, rows) if rows else ""


def score_twins(faces, answers, votes=None):
    """Score each run on PrivateTest: on all images, without duplicates, on duplicates alone, and the gaps (DataFrame).

    faces: ``data.Faces`` with all three splits. answers: name -> (row ids, labels, probabilities) for PrivateTest.
    votes: FER+'s votes (n, 10) for all faces, or None.
    """
    private = faces.usage == "PrivateTest"
    twins = near_duplicates.twin_in(faces, near_duplicates.near_groups(faces))[private]
    if not twins.any():
        raise runs.RunError(f"{faces.source}: no face of PrivateTest has a duplicate in Training. Leave --data out")
    parts = []
    for name, (ids, labels, probabilities) in answers.items():
        if not (np.array_equal(ids, faces.row_ids[private]) and np.array_equal(labels, faces.labels[private])):
            raise runs.RunError(
                f"{name}: its PrivateTest is not that of {faces.source}. Give the data that it was trained on"
            )
        right = probabilities.argmax(axis=1) == labels
        table = duplicates.score_without(right, twins).rename_axis("images").reset_index()
        gaps = duplicates.gaps({name: right}, twins, labels, None if votes is None else votes[private])
        for kind, (_, gap) in zip(GAPS, gaps.iterrows(), strict=False):
            table.loc[len(table)] = {"images": kind, "accuracy": gap["gap"], "low": gap["low"], "high": gap["high"]}
        parts.append(table.assign(run=name))
    return pd.concat(parts)[["run", "images", "n", "correct", "accuracy", "low", "high"]].reset_index(drop=True)


def private_answers(folder):
    """Return the PrivateTest predictions of each finished run below a folder: name -> (row ids, labels, probabilities).

    A recipe has an entry for each kind of views, and for the mean of its seeds. The many runs of an experiment, two
    folders further down, are left out.
    """
    folder, found = Path(folder), {}
    for path in sorted([*folder.glob("*/predictions.npz"), *folder.glob("*/*/predictions.npz")]):
        run = runs.read_run(path.parent, needs="validation")
        name = path.parent.relative_to(folder).as_posix().removeprefix(f"{results.FOLDER}/")
        used = run.manifest["parameters"].get("PROTOCOL")
        if used != "official":
            print(f"Left out: {name} has PROTOCOL={used}, so PrivateTest steered it.", file=sys.stderr)
            continue
        found |= {f"{name} {split}": own for split, own in run.predictions.items() if split.startswith("test")}
    for recipe, group in results.load(folder).items():
        for split in group[0].predictions:
            if len(group) == 1 or not split.startswith("test"):
                continue
            if lacking := [run.name for run in group if split not in run.predictions]:
                print(f"Left out: {recipe} {split}, which {', '.join(lacking)} lacks.", file=sys.stderr)
                continue
            row_ids, labels, probabilities = zip(*(run.predictions[split] for run in group), strict=True)
            if any(not np.array_equal(other, own[0]) for own in (row_ids, labels) for other in own):
                raise runs.RunError(
                    f"{recipe}: its seeds predicted other images of {split}. Train them on one data set"
                )
            found[f"{recipe}, {len(group)} together {split}"] = row_ids[0], labels[0], np.mean(probabilities, axis=0)
    return found


def twins_markdown(table):
    """Return the table of ``score_twins`` as Markdown, one row per run."""
    rows, shown = [], [images for images in (*GROUPS, *GAPS) if images in set(table["images"])]
    for name, group in table.groupby("run", sort=False):
        cells = [name]
        for images in shown:
            row = group[group["images"] == images].iloc[0]
            cells += [percent(row["accuracy"]), interval_text(row["low"], row["high"])]
        rows.append(cells)
    n = [f"{table.loc[table['images'] == images, 'n'].iloc[0]:,.0f}" for images in GROUPS]
    header = ["run, and its views", f"all {n[0]}, %", "95 %", f"without twins ({n[1]}), %", "95 %"]
    header += [f"twins only ({n[2]}), %", "95 %"]
    for gap in shown[len(GROUPS) :]:
        header += [f"{gap}, points", "95 %"]
    return markdown(header, rows)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="such as outputs/reference/gpu")
    parser.add_argument("--data", help="FER-2013 in any form, to find duplicates")
    parser.add_argument("--votes", action="store_true", help="compare duplicates with faces of the same agreement")
    parser.add_argument("--csv", help="file for the table of twins")
    given = parser.parse_args(arguments)
    if (given.csv or given.votes) and not given.data:
        parser.error("--csv and --votes are for the table of twins, which needs --data")
    try:
        if any(runs.resolve(given.folder).glob("*-seed*")) or not results.load(given.folder):
            finished = comparison.load_runs(given.folder)
            print(results_markdown(finished))
            if text := stopping(finished):
                print(f"\n{text}")
        elif not given.data:
            raise runs.RunError(
                f"{given.folder}: holds recipes of notebook 08 alone. tools/ladder.py prints their tables"
            )
        if given.csv and not runs.resolve(given.csv).parent.is_dir():
            raise runs.RunError(f"{given.csv}: there is no folder {runs.resolve(given.csv).parent}. Make it first")
        if given.data:
            faces = data.load_fer2013(given.data)
            votes = ferplus.join(faces, ferplus.shipped_votes()) if given.votes else None
            answers = private_answers(runs.resolve(given.folder))
            if not answers:
                raise runs.RunError(f"{given.folder}: holds no run with PROTOCOL=official that opened PrivateTest")
            table = score_twins(faces, answers, votes)
            print(f"\n{twins_markdown(table)}")
            if given.csv:
                text = table.to_csv(index=False).encode()
                runs.write_whole(runs.resolve(given.csv), lambda stream: stream.write(text))
    except (runs.RunError, data.DataError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    leave_with(main)
