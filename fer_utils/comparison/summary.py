"""Find the finished runs that can be compared, and summarise them by arm, next to the paper.

The inputs are run folders (``runs.collect``) and the paper's numbers (``paper``); Keras is not needed. ``tables`` makes
the paper's tables from the summary, and ``evaluation`` tests which arms differ.
"""

import json
import re
from collections import Counter

import numpy as np
import pandas as pd

from fer_utils import evaluation, runs
from fer_utils.comparison import paper
from fer_utils.names import ARCHITECTURE_NAMES, COMPARATOR_NAMES, STRATEGY_NAMES, USAGE_COUNTS

MISSING = "missing"
COMPARATORS = tuple(f"{architecture}-scratch" for architecture in COMPARATOR_NAMES)
# The reported images: FER-2013's PrivateTest or, as in the paper, PublicTest and PrivateTest merged.
TEST_NAMES = {"official": "PrivateTest", "paper": "merged test folder"}
TEST_SIZES = {
    "official": USAGE_COUNTS["PrivateTest"],
    "paper": USAGE_COUNTS["PublicTest"] + USAGE_COUNTS["PrivateTest"],
}
MEASURES = (
    "training_accuracy", "validation_accuracy", "test_accuracy", "macro_f1", "epochs", "seconds", "seconds_per_epoch",
    "seconds_per_megapixel",
)  # fmt: skip


# --- which runs ------------------------------------------------------------------------------------------------------


def load_runs(output_dir, reference=""):
    """Return the finished runs of the study's six arms below `output_dir`: list of ``runs.Run``, by arm and seed.

    reference: a folder whose runs are used if `output_dir` has none, which a printed line states; "" for no folder.
    Raises RunError if there is no run, or if the runs cannot be compared (``check_comparable``).
    """
    for folder in filter(None, (output_dir, reference)):
        found = [run for run in runs.collect(folder) if run.arm in paper.ARMS]
        if found:
            if folder != output_dir:
                print(f"No finished run in {output_dir} yet: this compares the runs kept in {reference}.")
            check_comparable(found)
            found = in_usual_order(found)
            return sorted(found, key=lambda run: (paper.ARMS.index(run.arm), run.manifest["seed"]))
    places = f"{output_dir} nor in {reference}" if reference else output_dir
    raise runs.RunError(
        f"no finished run of any arm in {places}. Make runs with notebooks 03 to 05 (same OUTPUT_DIR), or all of them "
        "with `make reproduce`"
    )


def load_comparators(finished):
    """Return the from-scratch runs of networks that the paper did not train: list of ``runs.Run``.

    They are in the folder of the `finished` arms (notebook 03 with another ARCHITECTURE). Runs that cannot be compared
    with the arms are left out, and a printed line names each.
    """
    candidates = [run for arm in COMPARATORS for run in runs.collect(finished[0].folder.parent, f"{arm}-*")]
    kept = []
    for run in candidates:
        try:
            check_comparable([*finished, *kept, run])
            if len(in_usual_order([*finished, run])) > len(finished):  # `run` is not left out
                kept.append(run)
        except runs.RunError as error:
            print(f"Left out: {error}.")
    return kept


def check_comparable(finished):
    """Raise RunError, naming two runs, unless all runs can be in one table.

    All must have the same data, protocol and test images. The runs of an arm must be its seeds (``runs.as_seeds``).
    """
    for what, values in (
        ("data checksum", [str(run.manifest["data_checksum"])[:12] for run in finished]),
        ("protocol", [protocol([run]) for run in finished]),
        ("set of test images", [_images(run) for run in finished]),
    ):
        usual = Counter(values).most_common(1)[0][0]
        other = finished[values.index(usual)]
        for run, value in zip(finished, values, strict=True):
            if value != usual:
                raise runs.RunError(
                    f"{run.name} cannot be compared with {other.name}: its {what} is {value}, not {usual}. "
                    "Move one of them to another folder, or run it again like the others"
                )
    for arm in dict.fromkeys(run.arm for run in finished):
        runs.as_seeds(run for run in finished if run.arm == arm)


def in_usual_order(finished):
    """Return the runs whose test images are in the most common order. A printed line names each of the others."""
    orders = [run.predictions["test"][0].tobytes() for run in finished]
    usual = Counter(orders).most_common(1)[0][0]
    for run, order in zip(finished, orders, strict=True):
        if order != usual:
            print(f"Left out: {runs.shown(run.folder)} has its test images in another order. Run it again.")
    return [run for run, order in zip(finished, orders, strict=True) if order == usual]


def _images(run):
    """Return the number and a checksum of a run's test images, as a short text."""
    row_ids = np.sort(run.predictions["test"][0])
    return f"{len(row_ids):,} ({runs.checksum(row_ids)[:8]})"


def protocol(finished):
    """Return the runs' protocol: "official" or "paper"."""
    return finished[0].manifest["parameters"]["PROTOCOL"]


def runs_table(finished):
    """Return a table of the runs' data, sizes, epochs, times and devices. Index: the run's name."""
    rows = []
    for run in finished:
        parameters = run.manifest["parameters"]
        measured = _measure(run)
        rows.append(
            {
                "run": run.name,
                "seed": run.manifest["seed"],
                "protocol": parameters["PROTOCOL"],
                "n train": run.metrics["train"]["n"],
                "n test": run.metrics["test"]["n"],
                "input": parameters["INPUT_SIZE"],
                "width": parameters["WIDTH"],
                "epochs": len(run.history),
                "s / epoch": round(measured["seconds_per_epoch"], 1),
                "device": hardware(run),
            }
        )
    return pd.DataFrame(rows).set_index("run")


def hardware(run):
    """Return the device of a run as a short text: the GPU's name, or the processor's name with its cores.

    It has "1 of 2 cores" if TensorFlow was limited to fewer cores than there are (TF_NUM_INTRAOP_THREADS).
    """
    device = run.manifest["device"]
    if device["gpu"]:
        return device["gpu"]
    # "Intel(R) Xeon(R) Processor @ 2.50GHz" becomes "Intel Xeon 2.50 GHz".
    processor = re.sub(r"\((R|TM)\)|\b(Processor|CPU)\b|@", " ", device["processor"])
    processor = re.sub(r"(?<=\d)GHz", " GHz", processor)
    threads = run.manifest.get("environment", {}).get("TF_NUM_INTRAOP_THREADS", "")
    fewer = f"{threads} of " if threads.isdigit() and 0 < int(threads) < device["cores"] else ""
    return f"{' '.join(processor.split())}, {fewer}{device['cores']} core{'s' if device['cores'] != 1 else ''}"


# --- numbers ---------------------------------------------------------------------------------------------------------


def summarize_arms(finished, arms=paper.ARMS):
    """Return a table with one row per arm, by default the paper's six. An arm without a finished run has only NaN.

    Columns: arm, architecture, strategy, source ("ours"), runs (number of seeds), n (test images). For each name in
    ``MEASURES``: the mean over seeds, and its range as <name>_min and <name>_max. validation_low, validation_high,
    test_low, test_high: the Wilson 95 % interval of the mean accuracy. seeds_sd, seeds_low, seeds_high: standard
    deviation and t interval of test accuracy over seeds (NaN with one). Rates are 0 to 1, times in seconds.

    Seeds share their test images, so the Wilson interval uses the images of one run. It shows the effect of other
    images, the t interval that of other seeds. Training accuracy is that of the epoch whose weights were kept. It is
    measured during the epoch, with augmentation and dropout, as in the paper's curves.
    """
    rows = []
    for arm in arms:
        architecture, strategy = arm.split("-")
        own = [run for run in finished if run.arm == arm]
        row = {"arm": arm, "architecture": architecture, "strategy": strategy, "source": "ours", "runs": len(own)}
        row["n"] = min((run.metrics["test"]["n"] for run in own), default=np.nan)
        measured = pd.DataFrame([_measure(run) for run in own], columns=MEASURES, dtype=float)
        for name in MEASURES:
            values = measured[name]
            row |= {name: values.mean(), f"{name}_min": values.min(), f"{name}_max": values.max()}
        for split in ("validation", "test"):
            images = min((run.metrics[split]["n"] for run in own), default=0)
            low, high = evaluation.accuracy_interval(row[f"{split}_accuracy"], images)
            row |= {f"{split}_low": low, f"{split}_high": high}
        seeds = evaluation.over_seeds(measured["test_accuracy"]) if own else {}
        row |= {f"seeds_{name}": number(seeds.get(name)) for name in ("sd", "low", "high")}
        rows.append(row)
    return pd.DataFrame(rows)


def paper_arms():
    """Return the paper's six arms, with the columns of ``summarize_arms`` that the paper has numbers for.

    source is "paper". The intervals are ours, for the 7,178 images of the paper's validation set. Epochs and input
    sizes are from its sections (``paper.epochs_and_size``). Megapixels count 28,709 images per epoch.
    """
    rows = []
    for arm in paper.ARMS:
        architecture, strategy = arm.split("-")
        row = {"arm": arm, "architecture": architecture, "strategy": strategy, "source": "paper", **paper.headline(arm)}
        low, high = evaluation.accuracy_interval(row["validation_accuracy"], TEST_SIZES["paper"])
        epochs, side = paper.epochs_and_size(arm)
        row |= {"validation_low": low, "validation_high": high, "epochs": epochs}
        row["seconds_per_epoch"] = row["seconds"] / epochs
        row["seconds_per_megapixel"] = seconds_per_megapixel(row["seconds"], epochs, side)
        rows.append(row)
    return pd.DataFrame(rows)


def last_phase(run):
    """Return the epochs of a run's last phase: for fine-tuning, the epochs after unfreezing."""
    phase = run.history.get("phase")
    return run.history if phase is None else run.history[phase == phase.iloc[-1]]


def _measure(run):
    """Return the ``MEASURES`` of one run: name -> number, or NaN if the run has none."""
    ending, parameters = last_phase(run), run.manifest["parameters"]
    # With stored features, the backbone computed each image once per stored copy, not once per epoch.
    passes = parameters.get("FEATURE_COPIES") or len(run.history)
    return {
        # EarlyStopping keeps the weights of the phase's epoch with the best validation accuracy.
        "training_accuracy": ending.loc[ending["val_accuracy"].idxmax(), "accuracy"],
        "validation_accuracy": run.metrics["validation"]["accuracy"],
        "test_accuracy": run.metrics["test"]["accuracy"],
        "macro_f1": number(run.metrics["test"]["macro_f1"]),
        "seconds": run.manifest["seconds"],
        "epochs": len(run.history),
        "seconds_per_epoch": run.manifest["seconds"] / len(run.history),
        "seconds_per_megapixel": seconds_per_megapixel(
            run.manifest["seconds"], passes, parameters["INPUT_SIZE"], run.metrics["train"]["n"]
        ),
    }


def seconds_per_megapixel(seconds, passes, side, images=USAGE_COUNTS["Training"]) -> float:
    """Return training seconds per million pixels that the backbone got, in `passes` over `images` of `side` squared."""
    return seconds / (passes * images * side**2 / 1e6)


def number(value):
    """Return a metric from JSON as a number: NaN for null."""
    return np.nan if value is None else value


def pretraining_seconds(finished):
    """Return the pretraining seconds: architecture -> seconds, from <architecture>-pretrain/manifest.json.

    Those folders are next to the runs. NaN if there is no such run, or if the arms used ImageNet weights, which others
    trained. Also NaN if the manifest is damaged, which a printed line states.
    """
    seconds = {}
    for architecture in ARCHITECTURE_NAMES:
        own = [run for run in finished if run.manifest["architecture"] == architecture]
        manifest = finished[0].folder.parent / f"{architecture}-pretrain" / "manifest.json"
        downloaded = any(run.manifest.get("weights_checksum") == "imagenet" for run in own)
        seconds[architecture] = np.nan
        if downloaded or not manifest.exists() or not (manifest.parent / "metrics.json").exists():
            continue
        try:
            seconds[architecture] = float(json.loads(manifest.read_text(encoding="utf-8"))["seconds"])
        except (ValueError, KeyError, TypeError) as error:
            print(f"Left out: {runs.shown(manifest)} is damaged ({error!r}). Run notebook 02 again.")
    return seconds


# --- words and formats ------------------------------------------------------------------------------------------------


def arm_name(arm):
    """Return an arm in words: "VGG16 from scratch" for "vgg16-scratch"."""
    architecture, strategy = arm.split("-")
    return f"{(ARCHITECTURE_NAMES | COMPARATOR_NAMES)[architecture]} {STRATEGY_NAMES[strategy]}"


def json_records(table):
    """Return a DataFrame as a list of dicts for strict JSON: NaN becomes None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def pretraining_of(row, pretraining):
    """Return the pretraining seconds of an arm: 0 from scratch, and if they are unknown."""
    seconds = 0 if row["strategy"] == "scratch" else pretraining[row["architecture"]]
    return 0 if np.isnan(seconds) else seconds


def percent(value):
    """Return a rate in percent with one decimal, without the percent sign."""
    return MISSING if pd.isna(value) else f"{100 * value:.1f}"


def interval_text(low, high):
    """Return two rates in percent, as "59.7 to 62.9"."""
    return MISSING if pd.isna(low) else f"{100 * low:.1f} to {100 * high:.1f}"
