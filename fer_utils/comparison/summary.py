"""Which finished runs can be compared, and what they come to arm by arm, beside the paper (notebook 06).

Everything is built from run folders (``runs.collect``) and from what the paper reports (``paper``); no Keras.
``tables`` makes the paper's tables of it, ``evaluation`` tests which arms differ.
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
# What is reported: FER-2013's PrivateTest, or, as the paper has it, PublicTest and PrivateTest merged.
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
    """The finished runs of the study's six arms below `output_dir`: ``runs.Run``s, sorted by arm and seed.

    reference: a folder of runs that is shown, and said to be shown, where `output_dir` has none; "" for none.
    Raises RunError where there is nothing to show, or where the runs cannot be compared (``check_comparable``).
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
    """The networks that the paper has no arm of, from scratch, beside the `finished` arms: list of ``runs.Run``.

    They stand in the folder that `finished` came from (notebook 03 with another ARCHITECTURE). Those that cannot be
    compared with the arms are left out, and a printed line names each.
    """
    beside = [run for arm in COMPARATORS for run in runs.collect(finished[0].folder.parent, f"{arm}-*")]
    kept = []
    for run in beside:
        try:
            check_comparable([*finished, *kept, run])
            kept += in_usual_order([*finished, run])[len(finished) :]
        except runs.RunError as error:
            print(f"Left out: {error}.")
    return kept


def check_comparable(finished):
    """Raise RunError, naming two runs, unless they can stand in one table.

    All must be made from the same data, by one protocol, and those of an arm must be its seeds (``runs.as_seeds``).
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
    """The runs whose test images stand in the order that most have; the others are named in a printed line."""
    orders = [run.predictions["test"][0].tobytes() for run in finished]
    usual = Counter(orders).most_common(1)[0][0]
    for run, order in zip(finished, orders, strict=True):
        if order != usual:
            print(f"Left out: {runs.shown(run.folder)} has its test images in another order. Run it again.")
    return [run for run, order in zip(finished, orders, strict=True) if order == usual]


def _images(run):
    """How many test images a run has, and which, as a short string."""
    row_ids = np.sort(run.predictions["test"][0])
    return f"{len(row_ids):,} ({runs.checksum(row_ids)[:8]})"


def protocol(finished):
    """The runs' protocol: "official" or "paper"."""
    return finished[0].manifest["parameters"]["PROTOCOL"]


def runs_table(finished):
    """One row a run: what it was trained on, how large, for how long and where. Index: the run's name."""
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
    """What a run was computed on, as a short string: the GPU's name, or the processor's with its cores.

    "1 of 2 cores" where TensorFlow was told to use fewer than there are (TF_NUM_INTRAOP_THREADS).
    """
    device = run.manifest["device"]
    if device["gpu"]:
        return device["gpu"]
    # "Intel(R) Xeon(R) Processor @ 2.50GHz" is the Intel Xeon of 2.50 GHz.
    processor = re.sub(r"\((R|TM)\)|\b(Processor|CPU)\b|@", " ", device["processor"])
    processor = re.sub(r"(?<=\d)GHz", " GHz", processor)
    told = run.manifest.get("environment", {}).get("TF_NUM_INTRAOP_THREADS", "")
    fewer = f"{told} of " if told.isdigit() and 0 < int(told) < device["cores"] else ""
    return f"{' '.join(processor.split())}, {fewer}{device['cores']} core{'s' if device['cores'] != 1 else ''}"


# --- numbers ---------------------------------------------------------------------------------------------------------


def summarize_arms(finished, arms=paper.ARMS):
    """One row for each of `arms`, the paper's six in its order; NaN throughout where an arm has no finished run.

    Columns: arm, architecture, strategy, source ("ours"), runs (number of seeds), n, then of each name in ``MEASURES``
    the mean over seeds and, as <name>_min and <name>_max, its range; validation_low, validation_high, test_low and
    test_high: the Wilson 95 % interval of the mean accuracy; seeds_sd, seeds_low, seeds_high: standard deviation and t
    interval of test accuracy over seeds (NaN with one). All rates 0 to 1, times in seconds. Seeds share their test
    images, so the Wilson interval uses the images of one run, not of all: it says what other images would do, the t
    interval what other seeds would.

    Training accuracy is that of the epoch whose weights were kept, measured during the epoch with augmentation and
    dropout on, since that is what the paper's curves show.
    """
    rows = []
    for arm in arms:
        architecture, strategy = arm.split("-")
        own = [run for run in finished if run.arm == arm]
        n = min((run.metrics["test"]["n"] for run in own), default=np.nan)
        row = {
            "arm": arm,
            "architecture": architecture,
            "strategy": strategy,
            "source": "ours",
            "runs": len(own),
            "n": n,
        }
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
    """The paper's six arms in the columns of ``summarize_arms`` that it has numbers for (source "paper").

    The intervals are ours, from the 7,178 images of its validation set. Its epochs and input sizes are those of its
    sections ("epochs planned" where it states no other number); megapixels count 28,709 images an epoch.
    """
    rows = []
    for arm in paper.ARMS:
        architecture, strategy = arm.split("-")
        row = {"arm": arm, "architecture": architecture, "strategy": strategy, "source": "paper", **paper.headline(arm)}
        low, high = evaluation.accuracy_interval(row["validation_accuracy"], TEST_SIZES["paper"])
        epochs, side = paper.epochs_and_size(arm)
        rows.append(
            {
                **row,
                "validation_low": low,
                "validation_high": high,
                "epochs": epochs,
                "seconds_per_epoch": row["seconds"] / epochs,
                "seconds_per_megapixel": seconds_per_megapixel(row["seconds"], epochs, side),
            }
        )
    return pd.DataFrame(rows)


def last_phase(run):
    """The epochs of a run's history that end with its network: of fine-tuning, those after unfreezing."""
    phase = run.history.get("phase")
    return run.history if phase is None else run.history[phase == phase.iloc[-1]]


def _measure(run):
    """Name -> number of one run, for each of ``MEASURES``; NaN where the run has none."""
    ending, parameters = last_phase(run), run.manifest["parameters"]
    # Of stored features, the backbone saw each image as many times as there are copies of it, not once an epoch.
    passes = parameters.get("FEATURE_COPIES") or len(run.history)
    return {
        # The weights that are kept are those of the phase's best epoch, as validation has it (EarlyStopping).
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
    """Training time over the pixels that the backbone saw, in millions: `passes` over `images` of `side` squared."""
    return seconds / (passes * images * side**2 / 1e6)


def number(value):
    """A metric from JSON as a float: NaN for null."""
    return np.nan if value is None else value


def pretraining_seconds(finished):
    """Architecture -> seconds that its backbone cost, from <architecture>-pretrain/manifest.json beside the runs.

    NaN where there is no such run, or where the arms started from ImageNet weights, whose cost others bore; and where
    its manifest is damaged, which a printed line says.
    """
    seconds = {}
    for architecture in ARCHITECTURE_NAMES:
        own = [run for run in finished if run.manifest["architecture"] == architecture]
        manifest = finished[0].folder.parent / f"{architecture}-pretrain" / "manifest.json"
        downloaded = any(run.manifest.get("weights_checksum") == "imagenet" for run in own)
        known = manifest.exists() and (manifest.parent / "metrics.json").exists() and not downloaded
        seconds[architecture] = np.nan
        try:
            seconds[architecture] = json.loads(manifest.read_text(encoding="utf-8"))["seconds"] if known else np.nan
        except (ValueError, KeyError, TypeError) as error:
            print(f"Left out: {runs.shown(manifest)} is damaged ({error!r}). Run notebook 02 again.")
    return seconds


# --- words and formats ------------------------------------------------------------------------------------------------


def arm_name(arm):
    """ "vgg16-scratch" as words: "VGG16 from scratch"."""
    architecture, strategy = arm.split("-")
    return f"{(ARCHITECTURE_NAMES | COMPARATOR_NAMES)[architecture]} {STRATEGY_NAMES[strategy]}"


def json_records(table):
    """A DataFrame as a list of dicts that strict JSON takes: NaN becomes None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def pretraining_of(row, pretraining):
    """Seconds that an arm's backbone cost; 0 from scratch and where it is not known."""
    seconds = 0 if row["strategy"] == "scratch" else pretraining[row["architecture"]]
    return 0 if np.isnan(seconds) else seconds


def percent(value):
    """A rate as a percentage with one decimal, without its sign."""
    return MISSING if pd.isna(value) else f"{100 * value:.1f}"


def interval_text(low, high):
    """Two rates as "59.7 to 62.9", in percent."""
    return MISSING if pd.isna(low) else f"{100 * low:.1f} to {100 * high:.1f}"
