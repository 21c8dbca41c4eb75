"""Results of the ladder: each trained rung and its gain over the rung before.

Rungs are compared on PublicTest, where they are chosen; only final candidates open PrivateTest (``finals``). ``load``
reads the run folders of notebook 08 in OUTPUT_DIR/ladder/, for ``summarize``, ``finals`` and ``race``. No Keras here.
"""

import numpy as np
import pandas as pd

from fer_utils import evaluation, runs
from fer_utils.comparison import paper
from fer_utils.comparison.summary import hardware, number
from fer_utils.evaluation.paired import LEVEL, compare_answers, right_by_seed
from fer_utils.ladder import recipes
from fer_utils.names import VIEWS

FOLDER = "ladder"
# The paper's accuracy (0 to 1) of VGG16 from scratch on its validation images, as in its Table 4.
PAPER_ACCURACY = paper.REPORTED.query("arm == 'vgg16-scratch' and place == 'Table 4'")["value"].item() / 100
COLUMNS = [
    "rung", "change", "before", "seeds", "n", "accuracy", "low", "high", "difference", "difference_low",
    "difference_high", "p_value", "epochs", "seconds", "parameters",
]  # fmt: skip


def load(output_dir, reference=""):
    """Read the finished runs of notebook 08: name -> list of ``runs.Run``, sorted by seed.

    reference: a folder whose runs are used for names that `output_dir` has no runs of; "" for none. Left out, each with
    a printed line, are runs that are damaged, of PROTOCOL="paper", or unlike the others of their name
    (``runs.as_seeds``); rungs that had other settings; and runs of other data or other validation images than the
    lowest rung. If the reference has other data or images, all of it is left out. Prints which runs are from where.
    """
    own = _same_images(_read(output_dir))
    if not reference:
        return own
    stand_ins = _same_images(_read(reference))
    if own and stand_ins and _difference(_first(own), _first(stand_ins)):
        print(f"The runs of {reference} were trained or validated on other images than these, and are not shown here.")
        return own
    added = stand_ins.keys() - own
    if added and own:
        print(f"Runs of {output_dir}: {', '.join(own)}. All others are of {reference}.")
    elif added:
        print(f"All of {reference}.")
    return {**stand_ins, **own}


def _read(folder):
    """Return the usable runs of a folder: name -> list of runs, sorted by seed."""
    found, named, usable = [], {}, {}
    for path in sorted((runs.resolve(folder) / FOLDER).glob("*/metrics.json")):
        try:
            found.append(runs.read_run(path.parent, needs="validation"))
        except runs.RunError as error:
            print(f"Left out: {error}.")
    for run in sorted(found, key=lambda run: run.manifest["seed"]):
        place, name = runs.shown(run.folder), run.manifest.get("recipe")
        if name is None:
            print(f"Left out: {place} is not a run of notebook 08. Move it elsewhere.")
        elif run.manifest["parameters"].get("PROTOCOL") == "paper":
            print(f"Left out: {place} has PROTOCOL=paper, so PrivateTest steered its training.")
        elif _has_former_settings(run):
            print(f"Left out: {place} was trained with other settings than its rung has now.")
        else:
            named.setdefault(name, []).append(run)
    for name, own in named.items():
        # The run that is like most others decides what a further seed must be like.
        usual = max(own, key=lambda run: sum(not runs.unlike(other, run) for other in own))
        usable[name] = [usual]
        for run in own:
            if run is usual:
                continue
            try:
                usable[name] = runs.as_seeds([*usable[name], run])
            except runs.RunError as error:
                print(f"Left out: {error}.")
    return usable


def _has_former_settings(run):
    """Whether a run has the name of a rung but not its settings, for example fewer epochs."""
    name, settings = run.manifest["recipe"], run.manifest.get("settings")
    if name not in recipes.NAMES:
        return False
    if run.manifest["parameters"].get("TRAIN_WITHOUT", "none") != "none":
        return True
    if settings is None:
        return False
    # A setting that was added after the run had its default in the run.
    return recipes.as_dict(recipes.Recipe()) | settings != recipes.as_dict(recipes.read_recipe(name))


def _first(found):
    """Return the first seed of the lowest rung; without rungs, of the first recipe."""
    return next(found[name][0] for name in (*recipes.NAMES, *found) if name in found)


def _difference(first, second):
    """Return why two runs cannot be paired; "" if they have the same data and predict the same PublicTest images."""
    for part in (0, 1):  # row ids, labels
        if not np.array_equal(first.predictions["validation"][part], second.predictions["validation"][part]):
            return "other validation images"
    return runs.unlike(first, second, ("data checksum", "MAX_IMAGES"))


def _same_images(found):
    """Return the runs that can be paired with the lowest rung; print a line for each of the others."""
    kept = {}
    for name, own in found.items():
        for run in own:
            if reason := _difference(run, _first(found)):
                print(f"Left out: {runs.shown(run.folder)} cannot be paired with {_first(found).name}: {reason}.")
            else:
                kept.setdefault(name, []).append(run)
    return kept


def having(own, *splits):
    """Return the runs that have predictions of all these splits; print a line for each of the others."""
    for run in own:
        if lacking := [split for split in splits if split not in run.predictions]:
            print(f"Left out: {run.name}, which has no predictions named {' and '.join(lacking)}.")
    return [run for run in own if run.predictions.keys() >= set(splits)]


def _on_labels(found):
    """Return the recipes trained on labels; print the names of those trained on votes, which are other data."""
    voted = [name for name, own in found.items() if own[0].manifest.get("settings", {}).get("voted")]
    if voted:
        print(f"Left out: {', '.join(voted)}, trained on votes. Compare them with tools/by_votes.py or --against.")
    return {name: own for name, own in found.items() if name not in voted}


def summarize(found, samples=2000):
    """Compare each rung with the one before: DataFrame in the ladder's order, with COLUMNS, p_holm and differ.

    found: from ``load``. before: the nearest rung below that has a run, None for the first. change: all changes
    since that rung. accuracy (0 to 1): on PublicTest, mean over seeds, with the rung's views; low, high: Wilson, 95 %,
    for one seed's images. difference to `before`, its interval and p_value: ``compare_answers``; p_holm: corrected for
    the number of rungs; differ: p_holm < 0.05. seconds: of training, mean; parameters: trainable, of the first seed.
    """
    splits, runs_of, right, of_network = {}, {}, {}, {}
    for rung in recipes.LADDER:
        splits[rung.name] = recipes.answer_name("validation", recipes.read_recipe(rung.name).views)
        network = recipes.network_of(rung.name)
        if own := having(found.get(network, []), splits[rung.name]):
            runs_of[rung.name] = own
            right[rung.name] = right_by_seed(own, splits[rung.name])
            of_network.setdefault(network, right[rung.name])
    with_run = [rung for rung in recipes.LADDER if rung.name in right]
    of_seeds = evaluation.pooled_over_seeds(answers.mean(axis=1) for answers in of_network.values())
    rows = []
    for rung in with_run:
        row = _row(rung, runs_of[rung.name], right[rung.name])
        steps = recipes.path(rung.name)
        below = [place for place, step in enumerate(steps[:-1]) if step.name in right]
        if below:
            before = steps[below[-1]].name
            both = [run for run in runs_of[rung.name] if any(run is other for other in runs_of[before])]
            if both:  # the same networks with other views: compare those that have both
                one, other = (right_by_seed(both, splits[name]) for name in (rung.name, before))
                # Only the change varies over seeds. ``compare_arms`` adds the variance of both, so each has half.
                variance, freedom = evaluation.pooled_over_seeds([one.mean(axis=1) - other.mean(axis=1)])
                gap = compare_answers(one, other, (variance / 2, freedom), samples)
            else:
                gap = compare_answers(right[rung.name], right[before], of_seeds, samples)
            row |= {"before": before, "change": ", ".join(step.change for step in steps[below[-1] + 1 :])}
            row |= {"difference": gap["difference"], "p_value": gap["p_value"]}
            row |= {"difference_low": gap["low"], "difference_high": gap["high"]}
        rows.append(row)
    table = pd.DataFrame(rows, columns=COLUMNS)
    tested = table["p_value"].notna()
    table["p_holm"] = np.nan
    table.loc[tested, "p_holm"] = evaluation.holm(table.loc[tested, "p_value"])
    table["differ"] = table["p_holm"] < LEVEL
    return table


def _row(rung, own, right):
    n = right.shape[1]
    low, high = evaluation.accuracy_interval(right.mean(), n)
    return {
        "rung": rung.name,
        "change": rung.change,
        "seeds": len(own),
        "n": n,
        "accuracy": right.mean(),
        "low": low,
        "high": high,
        "epochs": np.mean([len(run.history) for run in own]),
        "seconds": np.mean([run.manifest["seconds"] for run in own]),
        "parameters": own[0].manifest["trainable_parameters"],
    }


def for_reading(table):
    """Return ``summarize``'s table with texts and percentages for display."""
    points = 100 * table[["accuracy", "low", "high", "difference", "difference_low", "difference_high"]]
    readable = pd.DataFrame({"change": table["change"], "seeds": table["seeds"]})
    readable["PublicTest %"] = points["accuracy"].map("{:.1f}".format)
    readable["95 %"] = [f"{low:.1f} to {high:.1f}" for low, high in points[["low", "high"]].values]
    gaps = points[["difference", "difference_low", "difference_high"]].values
    readable["difference"] = [said_gap(*gap) for gap in gaps]
    readable["p (Holm)"] = [said_p(p) for p in table["p_holm"]]
    readable["parameters"] = table["parameters"].map(millions)
    readable["seconds"] = table["seconds"].map("{:,.0f}".format)
    return readable.set_axis(table["rung"])


def said_gap(gap, low, high):
    """A difference and its interval, in points: "+0.8 (-0.6 to +2.3)"; "" for NaN."""
    return "" if np.isnan(gap) else f"{gap:+.1f} ({low:+.1f} to {high:+.1f})"


def said_p(p):
    """A p value: "0.047", "< 0.001"; "" for NaN."""
    if np.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def millions(count):
    """A count as "1.91 M"."""
    return f"{count / 1e6:.2f} M"


def race(found, accuracy=PAPER_ACCURACY):
    """List the runs that reached an accuracy (0 to 1) on PublicTest, the fastest first: DataFrame.

    found: from ``load``. Columns: recipe, seed, seconds (of training and validation up to the first epoch with this
    accuracy in one view, and of its teachers), epoch (from 1), of (all its epochs), parameters, hardware. The weights
    that a moving average leaves at the end count as the last epoch's. Networks trained on votes are left out.
    """
    rows = []
    for name, own in _on_labels(found).items():
        for run in own:
            reached = run.history["val_accuracy"].to_numpy() >= accuracy
            reached[-1] |= run.metrics["validation"]["accuracy"] >= accuracy
            if reached.any():
                epoch = int(reached.argmax()) + 1
                seconds = run.history["seconds"].iloc[:epoch].sum() + of_teachers([run])
                counts = (len(run.history), run.manifest["trainable_parameters"], hardware(run))
                rows.append((name, run.manifest["seed"], seconds, epoch, *counts))
    columns = ["recipe", "seed", "seconds", "epoch", "of", "parameters", "hardware"]
    return pd.DataFrame(rows, columns=columns).sort_values("seconds", ignore_index=True)


def race_for_reading(table):
    """Return ``race``'s table with texts and whole seconds for display."""
    readable = table.set_index("recipe")
    readable["seconds"] = readable["seconds"].map("{:,.0f}".format)
    readable["parameters"] = readable["parameters"].map(millions)
    return readable


def finals(found):
    """Return the final candidates' accuracies on PrivateTest: DataFrame with a row for each and each kind of views.

    found: from ``load``. A candidate with several seeds has a further row for the average of their probabilities.
    Networks trained on votes are left out, and so is a seed from the rows of views that it has no predictions with.

    Columns: recipe, views, networks (whose probabilities are averaged), seeds (how many such predictions the row is a
    mean of), n, public, private (accuracies, 0 to 1, means over seeds), low, high (Wilson interval of `private`, 95 %,
    for the images of one prediction), sd, seeds_low, seeds_high (standard deviation and t interval over seeds, NaN with
    one), seconds (of training all these networks and their teachers; mean over seeds).
    """
    rows = []
    for name, own in _on_labels(found).items():
        for views in VIEWS:
            public, private = (recipes.answer_name(split, views) for split in ("validation", "test"))
            chosen = having(own, public, private) if any(private in run.predictions for run in own) else []
            groups = [[[run] for run in chosen]] if chosen else []  # a row for each network alone
            if len(chosen) > 1:
                groups.append([chosen])  # and a row for all networks together
            rows += [{"recipe": name, "views": views, **_final(group, public, private)} for group in groups]
    columns = ["recipe", "views", "networks", "seeds", "n", "public", "private", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "sd", "seeds_low", "seeds_high", "seconds"])


def _final(group, public, private):
    """Return a row of ``finals``. group: lists of runs whose probabilities are averaged. public, private: splits."""
    right = np.stack([right_together(own, private) for own in group])
    n = right.shape[1]
    spread = evaluation.over_seeds(right.mean(axis=1))
    low, high = evaluation.accuracy_interval(right.mean(), n)
    return {
        "networks": len(group[0]),
        "seeds": len(group),
        "n": n,
        "public": np.mean([right_together(own, public).mean() for own in group]),
        "private": right.mean(),
        "low": low,
        "high": high,
        "sd": number(spread["sd"]),
        "seeds_low": number(spread["low"]),
        "seeds_high": number(spread["high"]),
        "seconds": np.mean([sum(run.manifest["seconds"] for run in own) + of_teachers(own) for own in group]),
    }


def of_teachers(networks):
    """Return the training seconds of some runs' teachers; a teacher of several of them counts once."""
    teachers = [teacher for run in networks for teacher in run.manifest.get("teachers", [])]
    return sum({teacher["answers"]: teacher["seconds"] for teacher in teachers}.values())


def right_together(own, answers):
    """Return which images of a split several runs predict right with their mean probabilities: bool (n,)."""
    probabilities = np.mean([run.predictions[answers][2] for run in own], axis=0)
    return probabilities.argmax(axis=1) == own[0].predictions[answers][1]


def finals_for_reading(table):
    """Return ``finals``' table with texts and percentages for display."""
    percents = 100 * table[["public", "private", "low", "high", "sd"]]
    readable = table[["recipe", "views", "networks", "seeds"]].copy()
    readable["PublicTest %"] = percents["public"].map("{:.1f}".format)
    readable["PrivateTest %"] = percents["private"].map("{:.1f}".format)
    readable["95 %"] = [f"{low:.1f} to {high:.1f}" for low, high in percents[["low", "high"]].values]
    readable["sd over seeds"] = ["" if np.isnan(sd) else f"{sd:.1f}" for sd in percents["sd"]]
    readable["seconds"] = table["seconds"].map("{:,.0f}".format)
    return readable.set_index("recipe")
