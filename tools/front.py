"""Compare this study's networks: accuracy on PrivateTest, number of parameters, and time per face.

    python tools/front.py

Accuracies are computed from the committed predictions. The time needs no trained weights: each network is built again,
exported as ONNX in float32, and predicts one face at a time, in turn with the others. It runs on one core, and is valid
only on an idle machine. Writes outputs/reference/front/front.json and front.png, and prints the table of
docs/beyond-the-paper.md.
"""

import argparse
import os
from pathlib import Path

if __name__ == "__main__" and hasattr(os, "sched_setaffinity"):  # before any library counts the cores
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import numpy as np
import pandas as pd
import results
from circumstances import circumstances
from matplotlib import ticker

from fer_utils import evaluation, runs
from fer_utils.ladder.recipes import answer_name
from fer_utils.ladder.results import PAPER_ACCURACY, millions, right_by_seed
from fer_utils.plotting.style import BLUE, ORANGE, axes_or_new, finish
from fer_utils.score.page import interval, percent

REFERENCE = runs.PROJECT_ROOT / "outputs/reference"
KEPT, WORK = REFERENCE / "front", runs.PROJECT_ROOT / "outputs/front"
NETWORKS = {  # name on the page -> folder of its runs, without "-seed" and the seed
    "`small-80`": "tuned/ladder/small-80",
    "`whole-80`": "tuned/ladder/whole-80",
    "`deepcnn-200` (GPU)": "gpu/ladder/deepcnn-200",
    "ResNet50, quarter width": "cpu/resnet50-scratch",
    "VGG16, quarter width": "cpu/vgg16-scratch",
    "VGG16 (GPU)": "gpu/vgg16-scratch",
}
VIEWS = {"one view": "single", "six views": "scales"}


def runs_of(place):
    """Return the committed runs of a network, sorted by seed: list of ``runs.Run``, checked by ``runs.as_seeds``."""
    folders = (REFERENCE / place).parent.glob(f"{Path(place).name}-seed*")
    return runs.as_seeds(runs.read_run(folder, needs="validation") for folder in folders)


def accuracies(own):
    """Return views -> mean accuracy over the runs (0 to 1) and its Wilson interval, for views with predictions."""
    found = {}
    for name, views in VIEWS.items():
        answers = answer_name("test", views)
        if all(answers in run.predictions for run in own):
            right = right_by_seed(own, answers)
            low, high = evaluation.accuracy_interval(right.mean(), right.shape[1])
            found[name] = {"accuracy": float(right.mean()), "low": low, "high": high, "n": right.shape[1]}
    return found


def build(manifest):
    """Return the network of a run's manifest with random weights, without the layers that only training uses."""
    from fer_utils import models

    settings, given = manifest.get("settings"), manifest["parameters"]
    if settings is None:  # an arm of notebook 03
        size = {"input_size": given["INPUT_SIZE"], "width": given["WIDTH"]}
        return models.build_classifier(manifest["architecture"], "scratch", **size)
    options = {name: settings[name] for name in ("input_size", "width", "head", "crop", "answer_crop")}
    options["any_size"] = settings["head"] == "average"
    return models.build_classifier(settings["architecture"], "scratch", **options)


def measured():
    """Return name -> row of the table: seeds, parameters, accuracies, milliseconds per face (median)."""
    import exports  # here, since it needs Keras and the extra `export`; the table and the figure do not

    from fer_utils import models
    from fer_utils.recognize import export

    WORK.mkdir(parents=True, exist_ok=True)
    rows, networks = {}, {}
    for name, place in NETWORKS.items():
        own = runs_of(place)
        model = build(own[0].manifest)
        path = WORK / f"{Path(place).name}-{len(networks)}.onnx"
        export.export(model, path)
        networks[name] = exports.network_of(path)
        parameters, _ = models.parameter_counts(model)  # trainable parameters, as in the other tables
        rows[name] = {"runs": place, "seeds": len(own), "parameters": parameters, **accuracies(own)}
    faces = np.random.default_rng(0).integers(0, 256, (64, 48, 48), dtype=np.uint8)
    paces = exports.milliseconds(networks, faces)
    return {name: row | {"milliseconds": paces[name][1]} for name, row in rows.items()}


def markdown(rows):
    """Return the page's table, the smallest network first."""
    table = []
    for name, row in sorted(rows.items(), key=lambda item: item[1]["parameters"]):
        cells = [name, millions(row["parameters"]), f"{row['milliseconds']:.1f}", row["seeds"]]
        for views in VIEWS:
            cells += [percent(row[views]), interval(row[views])] if views in row else ["", ""]
        table.append(cells)
    header = ["network", "parameters", "ms a face", "seeds"]
    return results.markdown([*header, *(cell for views in VIEWS for cell in (views, "95 %"))], table)


def draw(rows, ax=None):
    """Draw accuracy over parameters, for one view and, if there are predictions, for six; return the Axes."""
    ax = axes_or_new(ax, (7.5, 4.4))
    ax.axhline(PAPER_ACCURACY, color="0.6", linewidth=1, linestyle="--", zorder=0)
    note = {"color": "0.4", "fontsize": 8, "ha": "center", "va": "top", "xycoords": ax.get_yaxis_transform()}
    ax.annotate(
        "reported for VGG16, of other images", (0.3, PAPER_ACCURACY), (0, -3), textcoords="offset points", **note
    )
    for views, colour, marker, aside in (("one view", BLUE, "o", 1), ("six views", ORANGE, "s", 1.08)):
        table = pd.DataFrame([{"size": row["parameters"], **row[views]} for row in rows.values() if views in row])
        reach = [table["accuracy"] - table["low"], table["high"] - table["accuracy"]]
        ax.errorbar(aside * table["size"], table["accuracy"], reach, fmt=marker, color=colour, label=views)
    for name, row in rows.items():
        place = (row["parameters"], max(row[views]["high"] for views in VIEWS if views in row))
        text = f"{name.replace('`', '')}\n{row['milliseconds']:.1f} ms a face"
        ax.annotate(text, place, (0, 4), textcoords="offset points", ha="center", fontsize=9)
    ax.set(xscale="log", xlabel="parameters", ylabel="accuracy on PrivateTest (95 % interval)")
    ax.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    ax.yaxis.set_major_formatter(ticker.PercentFormatter(1.0, decimals=0))
    ax.margins(x=0.12, y=0.12)
    ax.legend(frameon=False, loc="lower right")
    return finish(ax)


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    content = {**circumstances("onnx", "tf2onnx", "onnxruntime"), "networks": measured()}
    KEPT.mkdir(parents=True, exist_ok=True)
    runs.write_json(KEPT / "front.json", content)
    figure = draw(content["networks"]).figure
    figure.savefig(KEPT / "front.png", dpi=150, bbox_inches="tight", metadata={"Software": None})
    print(markdown(content["networks"]))


if __name__ == "__main__":
    main()
