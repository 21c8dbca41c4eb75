"""Count the networks of the committed runs that have predicted PrivateTest, as a Markdown table.

    python tools/private_test.py outputs/reference

A run predicts once for each kind of views (one view, mirror image, ...). The network of each epoch also predicts if
every epoch was kept, or if images of PrivateTest steered training (protocol `paper`). If a run did not keep its
predictions, its metrics or its manifest show that there were some.
"""

import argparse
import json
import sys

import numpy as np
import pandas as pd
import results

from fer_utils import data, runs
from fer_utils.command_line import leave_with

COLUMNS = ("runs", "networks", "answers")


def looks(reference):
    """Count runs, networks and answers for PrivateTest of FER-2013: DataFrame with one row per folder of runs.

    networks: states of weights, one per run or one per epoch. answers: networks, each counted once per kind of views.
    """
    rows = []
    sample = data.load_fer2013("sample").checksum  # DATA = "" may mean the built-in sample, which does not count
    reference = runs.resolve(reference)
    for path in sorted(reference.rglob("predictions.npz")):
        manifest = json.loads((path.parent / "manifest.json").read_text(encoding="utf-8"))
        parameters = manifest["parameters"]
        merged = parameters["PROTOCOL"] == "paper"  # then validation has the images of PrivateTest, too
        with np.load(path) as stored:
            names = {name.removesuffix("_labels") for name in stored.files if name.endswith("_labels")}
        if (metrics := path.with_name("metrics.json")).exists():
            names |= json.loads(metrics.read_text(encoding="utf-8")).keys()
        if manifest.get("test_openings"):
            names.add("test")
        views = [name for name in names if name.startswith("test")]
        if merged and not views:
            views = [name for name in names if name.startswith("validation")]
        if not views or parameters["DATA"] == "sample" or manifest.get("data_checksum") == sample:
            continue
        every_epoch = (path.parent / "epochs.npz").exists() or merged
        networks = len(pd.read_csv(path.parent / "history.csv")) if every_epoch else 1
        folder = "/".join(path.parent.parent.relative_to(reference).parts[:2]) or path.parent.name
        rows.append((folder, 1, networks, networks + len(views) - 1))
    if not rows:
        raise runs.RunError(f"{reference}: holds no run that predicted PrivateTest. Give outputs/reference")
    table = pd.DataFrame(rows, columns=["folder", *COLUMNS]).groupby("folder", sort=False).sum()
    table.loc["together"] = table.sum()
    return table


def markdown(table):
    """Return the table of ``looks`` as Markdown."""
    return results.markdown(["folder", *COLUMNS], table.itertuples())


def main(arguments=None):
    """Run the command line: print the table. Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", help="folder of committed runs, outputs/reference")
    try:
        print(markdown(looks(parser.parse_args(arguments).reference)))
    except runs.RunError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    leave_with(main)
