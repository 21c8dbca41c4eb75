"""The paper's Tables 4, 5 and 6, with our numbers next to the paper's."""

import pandas as pd

from fer_utils import evaluation
from fer_utils.comparison import paper
from fer_utils.comparison.summary import MISSING, arm_name, interval_text, paper_arms, percent, summarize_arms
from fer_utils.names import ARCHITECTURE_NAMES, EMOTIONS, STRATEGY_NAMES


def table4(summary, comparators=()):
    """Return published accuracies, the paper's and ours (Table 4): method, accuracy (%), 95 %, measured on, whose.

    summary: from ``summarize_arms``. comparators: from ``load_comparators``, one row per architecture. Our intervals
    are Wilson's, over images. The published accuracies state none ("").
    """
    reported = paper.reported()
    published = reported[(reported["place"] == "Table 4") & (reported["arm"] == "")]
    rows = [(row.quantity.split(": ")[1], row.value, "", "validation", row.note) for row in published.itertuples()]
    rows += [
        (arm_name(row.arm), 100 * row.validation_accuracy, "", "validation", "paper, its comparison")
        for row in paper_arms().itertuples()
    ]
    further = summarize_arms(comparators, dict.fromkeys(run.arm for run in comparators))
    for own in (summary, further):
        rows += [
            (arm_name(row.arm), 100 * row.test_accuracy, interval_text(row.test_low, row.test_high), "test", "ours")
            for row in own.itertuples()
        ]
    return pd.DataFrame(rows, columns=["method", "accuracy (%)", "95 %", "measured on", "whose"]).round(2)


def table5(summary, pretraining):
    """Return training seconds (Table 5), one row per strategy. Per architecture: paper, ours, and our pretraining.

    summary: from ``summarize_arms``. pretraining: from ``pretraining_seconds``; the table has 0 from scratch.
    """
    table = pd.DataFrame(index=pd.Index(STRATEGY_NAMES.values(), name="seconds"))
    for architecture, name in ARCHITECTURE_NAMES.items():
        for source, arms in (("paper", paper_arms()), ("ours", summary)):
            own = arms[arms["architecture"] == architecture].set_index("strategy")["seconds"]
            table[f"{name}, {source}"] = own.reindex(list(STRATEGY_NAMES)).to_numpy()
        spent = [0.0 if strategy == "scratch" else pretraining[architecture] for strategy in STRATEGY_NAMES]
        table[f"{name}, pretraining"] = spent
    return table.round(2)


def table6(summary):
    """Return accuracies in percent and seconds of the six arms (Table 6), as texts: ours next to the paper's.

    With several seeds: the mean, and the range over seeds in brackets. An arm without a run is "missing".
    """
    theirs = paper_arms().set_index("arm")
    rows = []
    for row in summary.to_dict("records"):
        reported = theirs.loc[row["arm"]]
        rows.append(
            {
                ("training %", "paper"): percent(reported["training_accuracy"]),
                ("training %", "ours"): spread(row, "training_accuracy"),
                ("validation %", "paper"): percent(reported["validation_accuracy"]),
                ("validation %", "ours"): spread(row, "validation_accuracy"),
                ("test %", "ours"): spread(row, "test_accuracy"),
                ("test %", "95 % interval"): interval_text(row["test_low"], row["test_high"]),
                ("test %", "n"): f"{row['n']:,.0f}" if row["runs"] else MISSING,
                ("macro-F1 %", "ours"): spread(row, "macro_f1"),
                ("seconds", "paper"): f"{reported['seconds']:,.0f}",
                ("seconds", "ours"): spread(row, "seconds", "{:,.0f}", 1),
            }
        )
    table = pd.DataFrame(rows, index=[arm_name(arm) for arm in summary["arm"]])
    table.columns = pd.MultiIndex.from_tuples(table.columns)
    return table


def seeds_table(summary):
    """Return the test accuracy of arms with runs, in percent: over images (Wilson) and over seeds (sd, t interval).

    Columns: seeds, mean, "images: low", "images: high", "seeds: sd", "seeds: low", "seeds: high"; the last three are
    NaN with one seed. Index: the arms in words.
    """
    own = summary[summary["runs"] > 0]
    columns = {
        "mean": "test_accuracy",
        "images: low": "test_low",
        "images: high": "test_high",
        "seeds: sd": "seeds_sd",
        "seeds: low": "seeds_low",
        "seeds: high": "seeds_high",
    }
    table = pd.DataFrame({name: 100 * own[source].astype(float) for name, source in columns.items()})
    table.insert(0, "seeds", own["runs"])
    return table.set_axis([arm_name(arm) for arm in own["arm"]])


def side_by_side(summary):
    """Return Table 6 as numbers, for a CSV: ``summarize_arms`` and the paper's as paper_<name>. Rates are 0 to 1."""
    theirs = paper_arms().drop(columns=["architecture", "strategy", "source"]).set_index("arm").add_prefix("paper_")
    return summary.drop(columns="source").join(theirs, on="arm").round(6)


def bars(summary):
    """Return our arms and the paper's in one table, for ``plotting.accuracy_bars`` and ``time_bars``."""
    table = pd.concat([summary, paper_arms()], ignore_index=True)
    return table.rename(columns={"validation_low": "low", "validation_high": "high"})


def cost_table(summary):
    """Return the training cost of each arm, ours and the paper's, as far as possible independent of the machine.

    relative: seconds divided by the same source's seconds of VGG16 from scratch. s / epoch, s / megapixel: seconds per
    epoch, and per million pixels of the network's input.
    """
    table = pd.DataFrame(index=[arm_name(arm) for arm in paper.ARMS])
    sources = {"paper": paper_arms().set_index("arm"), "ours": summary.set_index("arm")}
    for source, arms in sources.items():
        table[f"relative, {source}"] = (arms["seconds"] / arms.loc["vgg16-scratch", "seconds"]).to_numpy()
    for column, title in (("seconds_per_epoch", "s / epoch"), ("seconds_per_megapixel", "s / megapixel")):
        for source, arms in sources.items():
            table[f"{title}, {source}"] = arms[column].to_numpy()
    return table.astype(float)


def recall_table(finished):
    """Return recall on the test split, 0 to 1: one row per arm (mean over seeds, NaN without a run)."""
    rows = {}
    for arm in paper.ARMS:
        own = [run.metrics["test"]["per_class"] for run in finished if run.arm == arm]
        recalls = [[classes[emotion]["recall"] for emotion in EMOTIONS] for classes in own]
        rows[arm_name(arm)] = pd.DataFrame(recalls, columns=EMOTIONS, dtype=float).mean()
    return pd.DataFrame(rows).T[list(EMOTIONS)]


def intervals_table(finished, samples=2000):
    """Return every measure of every run's test split with its 95 % interval over other images, for a CSV.

    finished: list of ``runs.Run``. Columns: run, n (images), measure (as in ``evaluation.metric_intervals``), value,
    low, high. Rates are 0 to 1, log loss is in nats. For the recall of an emotion without images, all three are NaN.
    """
    rows = []
    for run in finished:
        _, labels, probabilities = run.predictions["test"]
        measured = evaluation.summarize(labels, probabilities)
        measured["calibration_error"] = evaluation.calibration_error(labels, probabilities)
        measured |= {f"recall {emotion}": measured["per_class"][emotion]["recall"] for emotion in EMOTIONS}
        for name, interval in evaluation.metric_intervals(labels, probabilities, samples).items():
            low, high = interval or (None, None)
            rows.append((run.name, len(labels), name, measured[name], low, high))
    table = pd.DataFrame(rows, columns=["run", "n", "measure", "value", "low", "high"])
    return table.astype({"value": float, "low": float, "high": float}).round(6)


def spread(row, name, form="{:.1f}", scale=100):
    """Return a measure as text: the mean, and with several seeds also the range."""
    if pd.isna(row[name]):
        return MISSING
    mean, low, high = (form.format(scale * row[key]) for key in (name, f"{name}_min", f"{name}_max"))
    return mean if row["runs"] < 2 else f"{mean} ({low} to {high})"
