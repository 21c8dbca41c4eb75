"""Print the tables of docs/model-card.md from the committed files: ``python tools/card.py``.

They describe the network that comes with the package. Its predictions (outputs/reference/network) are scored with
``fer_utils.score``. What changes its predictions is in outputs/reference/robustness.
"""

import json

import pandas as pd
import robustness
from results import markdown

from fer_utils import evaluation, recognize, runs, score
from fer_utils.evaluation.calibration import with_temperature
from fer_utils.labels import errors
from fer_utils.ladder.recipes import answer_name
from fer_utils.score import page

FOLDER = runs.PROJECT_ROOT / "outputs/reference/network"
VIEWS = {"single": "one view", "flip": "two views", "scales": "six views"}
HEADINGS = ("By emotion", "By agreement of FER+'s ten voters")


def accuracy(predictions, known):
    """Return a table of accuracies, one row per kind of views: both splits, and PrivateTest without duplicates."""
    rows = []
    for views, name in VIEWS.items():
        right = {}
        for part in ("validation", "test"):
            _, labels, probabilities = predictions[answer_name(part, views)]
            right[part] = probabilities.argmax(axis=1) == labels
        order = predictions[answer_name("test", views)][0].argsort()
        cells = [name]
        for part in (right["validation"], right["test"], right["test"][order][~known.twins]):
            own = errors.score(part)
            cells += [page.percent(own), page.interval(own)]
        rows.append(cells)
    header = ["views", "PublicTest", "95 %", "PrivateTest", "95 %", "without twins", "95 %"]
    return markdown(header, rows)


def calibration(predictions):
    """Return a table of the calibration on PrivateTest: each kind of views, before and after its temperature."""
    rows = []
    for views, name in VIEWS.items():
        _, labels, probabilities = predictions[answer_name("test", views)]
        temperature = recognize.facts()["temperatures"][views]
        for when, given in (("before", probabilities), ("after", with_temperature(probabilities, temperature))):
            error = evaluation.calibration_error(labels, given)
            loss = evaluation.summarize(labels, given)["log_loss"]
            confidence = f"{100 * given.max(axis=1).mean():.1f} %"
            rows.append([name, when, f"{temperature:.2f}", confidence, f"{100 * error:.1f}", f"{loss:.3f}"])
    header = ["views", "", "temperature", "mean confidence", "calibration error, points", "log loss, nats"]
    return markdown(header, rows)


def changes():
    """Return the table of ``tools/robustness.py`` from the files that it wrote; they also have the intervals."""
    faces = json.loads((robustness.REFERENCE / "robustness.json").read_text(encoding="utf-8"))["faces"]
    files = {name: robustness.REFERENCE / f"{name.replace(' ', '_')}.csv" for name in faces}
    return robustness.markdown({name: pd.read_csv(file) for name, file in files.items()})


def tables():
    """Return all of the card's tables: heading -> Markdown."""
    known = score.facts()
    predictions = runs.read_run(FOLDER, needs="validation").predictions
    report = score.report(score.read_run(FOLDER, known).about(known.row_ids), known)
    found = {"Accuracy": accuracy(predictions, known)}
    found |= {heading: markdown(rows[0], rows[1:]) for heading, _, rows in page.sections(report) if heading in HEADINGS}
    return found | {"Calibration": calibration(predictions), "What changes its answer": changes()}


if __name__ == "__main__":
    print("\n\n".join(f"{heading}\n\n{table}" for heading, table in tables().items()))
