"""What changes the shipped network's answers: ``python tools/robustness.py --data fer2013.csv``.

Each change of ``fer_utils.recognize.changes``, on faces of the split drawn once (--faces, 0 for all) and on as many
faces of the drawn sample's Training, which the network has never seen. Writes outputs/reference/robustness: a CSV each,
and robustness.json with the network, the seed and the number of faces. Prints the worst amounts for the model card.

PrivateTest, the default, is the split that reports: run it once, on the final network; develop with --split PublicTest.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import results
from circumstances import circumstances

from fer_utils import data, recognize, runs
from fer_utils.models import tta
from fer_utils.recognize import changes

REFERENCE = runs.PROJECT_ROOT / "outputs/reference/robustness"
SEED, FACES = 0, 1500  # of which faces, and of noise; how many
DECIMALS = {"accuracy": 4, "low": 4, "high": 4, "stay": 4}


def markdown(tables):
    """The largest amounts of each change, a row each, for the model card."""
    first = next(iter(tables.values()))
    rows = []
    for kind, (unit, nothing, _) in changes.KINDS.items():
        amounts = first[first["kind"] == kind]["amount"]
        for amount in sorted({amounts.min(), amounts.max()} - {nothing}):
            found = [t[(t["kind"] == kind) & (t["amount"] == amount)].iloc[0] for t in tables.values()]
            shown = [f"{100 * row[share]:.1f} %" for row in found for share in ("accuracy", "stay")]
            rows.append([f"{kind}: {amount:g} ({unit})", *shown])
    return results.markdown(["change", *(text for name in tables for text in (f"right, {name}", "same answer"))], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", choices=("PublicTest", "PrivateTest"), default="PrivateTest")
    parser.add_argument("--faces", type=int, default=FACES, help="of each; 0 for all; another number needs --out")
    parser.add_argument("--out", type=runs.resolve, default=REFERENCE)
    given = parser.parse_args()
    if given.out == REFERENCE and (given.split, given.faces) != ("PrivateTest", FACES):
        parser.error("another --split or number of --faces is for trying the tool: name another folder with --out")
    real, drawn = (
        data.apply_protocol(data.load_fer2013(source), "official", given.faces, SEED)
        for source in (given.data, "sample")
    )
    parts = {
        given.split: real.open_test() if given.split == "PrivateTest" else real.validation,
        "drawn faces": drawn.train,
    }
    model = recognize.load_network()
    tables = {
        name: changes.robustness(lambda some: tta.predict(model, some), faces.images, faces.labels, seed=SEED)
        for name, faces in parts.items()
    }
    given.out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        text = table.round(DECIMALS).to_csv(index=False)
        path = given.out / f"{name.replace(' ', '_')}.csv"
        runs.write_whole(path, lambda stream, text=text: stream.write(text.encode()))
    facts = {
        **circumstances(network=recognize.facts()["run"]),
        "seed": SEED,
        "faces": {name: len(faces) for name, faces in parts.items()},
        "unchanged": {name: table.loc[table["stay"] == 1, "accuracy"].iloc[0] for name, table in tables.items()},
        "units": {kind: unit for kind, (unit, _, _) in changes.KINDS.items()},
        "views": "single",
    }
    runs.write_json(given.out / "robustness.json", facts)
    print(markdown(tables))


if __name__ == "__main__":
    main()
