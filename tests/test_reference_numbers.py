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
            # The first runs took their metrics before rounding to half precision: that moved one answer in 43,068.
            assert again["n"] == kept["n"]
            assert again["accuracy"] == pytest.approx(kept["accuracy"], abs=1.01 / len(labels))
            for name in ("macro_f1", "balanced_accuracy", "macro_auc", "log_loss"):
                assert again[name] == pytest.approx(kept[name], abs=1e-3), (run.name, split, name)
