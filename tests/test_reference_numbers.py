"""The committed numbers follow from the committed predictions, without images, models or a GPU."""

import pytest

from fer_utils import evaluation, runs

FOLDERS = sorted({path.parent.parent for path in (runs.PROJECT_ROOT / "outputs/reference").rglob("predictions.npz")})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(runs.shown(folder)))
def test_metrics_can_be_computed_again_from_the_predictions(folder):
    found = runs.collect(folder)
    assert found
    for run in found:
        for split, (_, labels, probabilities) in run.predictions.items():
            again, kept = evaluation.summarize(labels, probabilities), run.metrics[split]
            # The first runs took their metrics before rounding to half precision: up to two answers a split moved.
            assert again["n"] == kept["n"]
            assert again["accuracy"] == pytest.approx(kept["accuracy"], abs=2.01 / len(labels))
            # In a collapsed run all rows are nearly the same, and half precision ties what an AUC would rank.
            collapsed = len(set(probabilities.argmax(axis=1))) == 1
            ranked = () if collapsed else ("macro_auc",)
            for name in ("macro_f1", "balanced_accuracy", "log_loss", *ranked):
                assert again[name] == pytest.approx(kept[name], abs=1e-3), (run.name, split, name)
