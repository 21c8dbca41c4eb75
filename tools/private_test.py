"""Which networks have answered PrivateTest, counted over the committed runs, as a Markdown table.

    python tools/private_test.py outputs/reference

A run answers once for each way in which it asks (one view, mirror image, ...). Where every epoch was kept, or where a
run steered by images of PrivateTest (protocol `paper`), the network of each epoch answered, too. Where a run did not
keep its answers, its metrics and its manifest tell of them.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import results

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import data, runs
from fer_utils.command_line import leave_with

COLUMNS = ("runs", "networks", "answers")


def looks(reference):
    """A row a folder of runs that answered PrivateTest of FER-2013: how many runs, networks and answers (DataFrame).

    networks: states of weights, one a run or one an epoch; answers: networks, each as often as it was asked.
    """
    rows, drawn = {}, data.load_fer2013("sample").checksum  # which DATA = "" may mean
    for path in sorted(Path(reference).rglob("predictions.npz")):
        manifest = json.loads((path.parent / "manifest.json").read_text(encoding="utf-8"))
        parameters = manifest["parameters"]
        merged = parameters["PROTOCOL"] == "paper"  # validation, too, holds PrivateTest
        with np.load(path) as stored:
            asked = {name.removesuffix("_labels") for name in stored.files if name.endswith("_labels")}
        if (metrics := path.with_name("metrics.json")).exists():
            asked |= json.loads(metrics.read_text(encoding="utf-8")).keys()
        asked |= {"test"} if manifest.get("test_openings") else set()
        tested = {name for name in asked if name.startswith("test")}
        asked = tested or {name for name in asked if merged and name.startswith("validation")}
        if not asked or parameters["DATA"] == "sample" or manifest.get("data_checksum") == drawn:
            continue
        every_epoch = (path.parent / "epochs.npz").exists() or merged
        networks = len(pd.read_csv(path.parent / "history.csv")) if every_epoch else 1
        group = "/".join(path.parent.parent.relative_to(reference).parts[:2]) or path.parent.name
        row = rows.setdefault(group, dict.fromkeys(COLUMNS, 0))
        for name, more in zip(COLUMNS, (1, networks, networks + len(asked) - 1), strict=True):
            row[name] += more
    if not rows:
        raise runs.RunError(f"{reference}: holds no run that answered PrivateTest. Give outputs/reference")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)
    table.loc["together"] = table.sum()
    return table


def markdown(table):
    return results.markdown(["folder", *COLUMNS], table.itertuples())


def main(arguments=None):
    """The command line: print the table; returns the exit status."""
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
