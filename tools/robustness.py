"""What changes the shipped network's answers: ``python tools/robustness.py --data fer2013.csv [--split PublicTest]``.

Each change of ``fer_utils.recognize.changes``, on faces of the split drawn once (--faces, 0 for all) and on as many
faces of the drawn sample's Training, which the network has never seen. Writes outputs/reference/robustness: a CSV each,
and robustness.json with the network, the seed and the number of faces. Prints the worst amounts for the model card.

PrivateTest, the default, is the split that reports: run it once, on the final network; develop with PublicTest.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fer_utils import data, recognize, runs
from fer_utils.models import tta
from fer_utils.recognize import changes

REFERENCE = runs.PROJECT_ROOT / "outputs/reference/robustness"
SEED = 0
DECIMALS = {"accuracy": 4, "low": 4, "high": 4, "stay": 4}


def drawn_once(faces, n):
    """n of the faces, by SEED; all for 0."""
    if not n or n >= len(faces):
        return faces
    return faces.take(np.sort(np.random.default_rng(SEED).permutation(len(faces))[:n]))


def markdown(tables):
    """The largest amounts of each change, a row each, for the model card."""
    first = next(iter(tables.values()))
    lines = ["| change | " + " | ".join(f"right, {name} | same answer" for name in tables) + " |"]
    lines.append("| --- |" + " ---: |" * 2 * len(tables))
    for kind, (unit, nothing, _) in changes.KINDS.items():
        amounts = first[first["kind"] == kind]["amount"]
        for amount in sorted({amounts.min(), amounts.max()} - {nothing}):
            rows = [t[(t["kind"] == kind) & (t["amount"] == amount)].iloc[0] for t in tables.values()]
            shown = " | ".join(f"{100 * row['accuracy']:.1f} % | {100 * row['stay']:.1f} %" for row in rows)
            lines.append(f"| {kind}: {amount:g} ({unit}) | {shown} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", choices=("PublicTest", "PrivateTest"), default="PrivateTest")
    parser.add_argument("--faces", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=REFERENCE)
    given = parser.parse_args()
    everything, drawn = data.load_fer2013(given.data), data.load_fer2013("sample")
    parts = {
        given.split: drawn_once(everything.take(everything.usage == given.split), given.faces),
        "drawn faces": drawn_once(drawn.take(drawn.usage == "Training"), given.faces),
    }
    model = recognize.load_network()
    tables = {
        name: changes.robustness(lambda some: tta.predict(model, some), faces.images, faces.labels, seed=SEED)
        for name, faces in parts.items()
    }
    given.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.round(DECIMALS).to_csv(given.out / f"{name.replace(' ', '_')}.csv", index=False)
    facts = {
        "network": {name: recognize.facts()[name] for name in ("run", "git_commit", "seed", "data_checksum")},
        "seed": SEED,
        "faces": {name: len(faces) for name, faces in parts.items()},
        "unchanged": {name: table.loc[table["stay"] == 1, "accuracy"].iloc[0] for name, table in tables.items()},
        "units": {kind: unit for kind, (unit, _, _) in changes.KINDS.items()},
        "views": "single",
    }
    (given.out / "robustness.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(markdown(tables))


if __name__ == "__main__":
    main()
