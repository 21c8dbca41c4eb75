"""Measure what changes the shipped network's predictions: ``python tools/robustness.py --data fer2013.csv``.

Applies each change of ``fer_utils.recognize.changes`` to randomly chosen faces of the split (--faces, 0 for all). Does
the same with as many faces of the built-in sample's Training, which the network has never seen. Writes both CSV files
and robustness.json (network, seed, number of faces) to outputs/reference/robustness. Prints the model card's table.

PrivateTest, the default, is for reporting: use it once, on the final network. Develop with --split PublicTest.
"""

import argparse

import results
from circumstances import circumstances

from fer_utils import data, recognize, runs
from fer_utils.models import tta
from fer_utils.recognize import changes

REFERENCE = runs.PROJECT_ROOT / "outputs/reference/robustness"
SEED, FACES = 0, 1500  # the seed chooses the faces and the noise
DECIMALS = {"accuracy": 4, "low": 4, "high": 4, "stay": 4}


def markdown(tables):
    """Return the model card's table: a row for each change's largest amount, up and down. tables: name -> DataFrame."""
    first = next(iter(tables.values()))
    rows = []
    for kind, (unit, nothing, _) in changes.KINDS.items():
        amounts = first[first["kind"] == kind]["amount"]
        for amount in sorted({amounts.min(), amounts.max()} - {nothing}):
            cells = [f"{kind}: {amount:g} ({unit})"]
            for table in tables.values():
                row = table[(table["kind"] == kind) & (table["amount"] == amount)].iloc[0]
                cells += [f"{100 * row['accuracy']:.1f} %", f"{100 * row['stay']:.1f} %"]
            rows.append(cells)
    header = [text for name in tables for text in (f"right, {name}", "same answer")]
    return results.markdown(["change", *header], rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", choices=("PublicTest", "PrivateTest"), default="PrivateTest")
    parser.add_argument(
        "--faces", type=int, default=FACES, help="number for each of the two; 0 for all; another number needs --out"
    )
    parser.add_argument("--out", type=runs.resolve, default=REFERENCE)
    given = parser.parse_args()
    if given.out == REFERENCE and (given.split, given.faces) != ("PrivateTest", FACES):
        parser.error("another --split or number of --faces is for trying the tool: name another folder with --out")
    real = data.apply_protocol(data.load_fer2013(given.data), "official", given.faces, SEED)
    drawn = data.apply_protocol(data.load_fer2013("sample"), "official", given.faces, SEED)
    split = real.open_test() if given.split == "PrivateTest" else real.validation
    parts = {given.split: split, "drawn faces": drawn.train}
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
