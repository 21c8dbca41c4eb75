"""The paper's Tables 4, 5 and 6 with ours beside theirs (notebook 06)."""

import pandas as pd

from fer_utils import evaluation
from fer_utils.comparison import paper
from fer_utils.comparison.summary import MISSING, arm_name, interval_text, number, paper_arms, percent, summarize_arms
from fer_utils.names import ARCHITECTURE_NAMES, EMOTIONS, STRATEGY_NAMES


def table4(summary, comparators=()):
    """Published accuracies, the paper's and ours (Table 4): method, accuracy (%), 95 %, measured on, whose.

    summary: from ``summarize_arms``. comparators: from ``load_comparators``, a row for each architecture. The intervals
    are Wilson's, over images, of ours; what others published states none ("").
    """
    reported = paper.reported()
    published = reported[(reported["place"] == "Table 4") & (reported["arm"] == "")]
    rows = [
        (q.split(": ")[1], v, "", "validation", note) for q, v, note in published[["quantity", "value", "note"]].values
    ]
    theirs = paper_arms()
    rows += [
        (arm_name(row.arm), 100 * row.validation_accuracy, "", "validation", "paper, its comparison")
        for row in theirs.itertuples()
    ]
    further = summarize_arms(comparators, dict.fromkeys(run.arm for run in comparators))
    for own in (summary, further):
        rows += [
            (arm_name(row.arm), 100 * row.test_accuracy, interval_text(row.test_low, row.test_high), "test", "ours")
            for row in own.itertuples()
        ]
    return pd.DataFrame(rows, columns=["method", "accuracy (%)", "95 %", "measured on", "whose"]).round(2)


def table5(summary, pretraining):
    """Training seconds (Table 5), a row per strategy; per architecture: paper, ours, and what pretraining adds.

    summary: from ``summarize_arms``. pretraining: from ``pretraining_seconds``; it is 0 from scratch.
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
    """Accuracies in percent and seconds of the six arms (Table 6), as strings to be read: ours beside the paper's.

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
    """Test accuracy of the arms that have runs, in percent: over images (Wilson) and over seeds (sd, t interval).

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
    """The numbers behind Table 6, for a CSV: ``summarize_arms`` and, as paper_<name>, the paper's. Rates 0 to 1."""
    theirs = paper_arms().drop(columns=["architecture", "strategy", "source"]).set_index("arm").add_prefix("paper_")
    return summary.drop(columns="source").join(theirs, on="arm").round(6)


def bars(summary):
    """Ours and the paper's in one table, as ``plotting.accuracy_bars`` and ``time_bars`` take it."""
    table = pd.concat([summary, paper_arms()], ignore_index=True)
    return table.rename(columns={"validation_low": "low", "validation_high": "high"})


def cost_table(summary):
    """What training cost, free of the machine where that can be: a row per arm, numbers of ours and of the paper.

    relative: seconds divided by those of VGG16 from scratch of the same source. s / epoch, s / megapixel: seconds per
    epoch, and per million pixels that went into the network.
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
    """Recall on the test split, 0 to 1: a row per arm (mean over seeds, NaN without a run), a column per emotion."""
    rows = {}
    for arm in paper.ARMS:
        own = [run.metrics["test"]["per_class"] for run in finished if run.arm == arm]
        recalls = pd.DataFrame(
            [{e: number(classes[e]["recall"]) for e in EMOTIONS} for classes in own], columns=EMOTIONS
        )
        rows[arm_name(arm)] = recalls.astype(float).mean()
    return pd.DataFrame(rows).T[list(EMOTIONS)]


def intervals_table(finished, samples=2000):
    """Every measure of every run's test split with its 95 % interval over other images, for a CSV.

    finished: list of ``runs.Run``.
    Columns: run, n (images), measure (as in ``evaluation.metric_intervals``), value, low, high; rates 0 to 1, log loss
    in nats; all NaN for the recall of an emotion without images.
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
    """The mean, and with several seeds the range behind it."""
    if pd.isna(row[name]):
        return MISSING
    mean, low, high = (form.format(scale * row[key]) for key in (name, f"{name}_min", f"{name}_max"))
    return mean if row["runs"] < 2 else f"{mean} ({low} to {high})"
