"""The tables of docs/model-card.md: ``python tools/card.py`` prints them from what is committed.

They are of the network that comes with the package: what it answered (outputs/reference/network), scored as anybody's
answers are (``fer_utils.score``), and what changes its answers (outputs/reference/robustness).
"""

import json
import sys
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import robustness
from results import markdown

from fer_utils import evaluation, recognize, runs, score
from fer_utils.evaluation.calibration import with_temperature
from fer_utils.labels import errors
from fer_utils.ladder.recipes import answer_name
from fer_utils.score import page

FOLDER = runs.PROJECT_ROOT / "outputs/reference/network"
VIEWS = {"single": "the face", "flip": "and its mirror image", "scales": "both at three sizes"}
HEADINGS = ("By emotion", "By agreement of FER+'s ten voters")


def accuracy(predictions, known):
    """A row for each way of asking: both splits, and PrivateTest without twins."""
    rows = []
    for views, name in VIEWS.items():
        right = {}
        for part in ("validation", "test"):
            _, labels, probabilities = predictions[answer_name(part, views)]
            right[part] = probabilities.argmax(axis=1) == labels
        order = predictions[answer_name("test", views)][0].argsort()
        parts = [right["validation"], right["test"], right["test"][order][~known.twins]]
        rows.append([name, *(cell for part in parts for cell in _share(part))])
    header = ["views", "PublicTest", "95 %", "PrivateTest", "95 %", "without twins", "95 %"]
    return markdown(header, rows)


def calibration(predictions):
    """A row for each way of asking, before and after its temperature: PrivateTest."""
    rows = []
    for views, name in VIEWS.items():
        _, labels, probabilities = predictions[answer_name("test", views)]
        temperature = recognize.facts()["temperatures"][views]
        for when, given in (("before", probabilities), ("after", with_temperature(probabilities, temperature))):
            error = evaluation.calibration_error(labels, given)
            loss = evaluation.summarize(labels, given)["log_loss"]
            confidence = given.max(axis=1).mean()
            rows.append(
                [name, when, f"{temperature:.2f}", f"{100 * confidence:.1f} %", f"{100 * error:.1f}", f"{loss:.3f}"]
            )
    header = ["views", "", "temperature", "mean confidence", "calibration error, points", "log loss, nats"]
    return markdown(header, rows)


def changes():
    """What changes its answer, from what ``tools/robustness.py`` left; the intervals are in its files."""
    faces = json.loads((robustness.REFERENCE / "robustness.json").read_text(encoding="utf-8"))["faces"]
    files = {name: robustness.REFERENCE / f"{name.replace(' ', '_')}.csv" for name in faces}
    return robustness.markdown({name: pd.read_csv(file) for name, file in files.items()})


def _share(right):
    own = errors.score(right)
    return page.percent(own), page.interval(own)


def tables():
    """All of the card's tables: heading -> Markdown."""
    known = score.facts()
    predictions = runs.read_run(FOLDER, needs="validation").predictions
    report = score.report(score.read_run(FOLDER, known).about(known.row_ids), known)
    found = {"Accuracy": accuracy(predictions, known)}
    found |= {heading: markdown(rows[0], rows[1:]) for heading, _, rows in page.sections(report) if heading in HEADINGS}
    return found | {"Calibration": calibration(predictions), "What changes its answer": changes()}


if __name__ == "__main__":
    print("\n\n".join(f"{heading}\n\n{table}" for heading, table in tables().items()))
