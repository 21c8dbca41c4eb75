"""What came of the ladder: each rung that was trained, and what it gained over the one before (notebook 08).

Rungs are compared on PublicTest, since that is where they are chosen; PrivateTest is opened by final candidates only
(``finals``). Reads run folders of notebook 08 in OUTPUT_DIR/ladder/; no Keras.
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
# Of VGG16 from scratch on the paper's validation images, with the decimals of its Table 4; 0 to 1.
PAPER_ACCURACY = paper.REPORTED.query("arm == 'vgg16-scratch' and place == 'Table 4'")["value"].item() / 100
COLUMNS = [
    "rung", "change", "kept", "before", "seeds", "n", "accuracy", "low", "high", "difference", "difference_low",
    "difference_high", "p_value", "epochs", "seconds", "parameters",
]  # fmt: skip


def load(output_dir, reference=""):
    """The finished runs of notebook 08: name -> list of ``runs.Run``, sorted by seed.

    reference: a folder whose runs stand in for names that `output_dir` has none of; "" for none. A printed line says
    which runs are whose. Left out, each with a printed line, are runs that are damaged, of PROTOCOL="paper", or no
    further seed of the others of their name (``runs.as_seeds``); rungs that had other settings; and runs of other data
    or other validation images than the lowest rung, or the whole reference.
    """
    own = _same_images(_read(output_dir))
    if not reference:
        return own
    stand_ins = _same_images(_read(reference))
    if own and stand_ins and _apart(_first(own), _first(stand_ins)):
        print(f"The runs of {reference} were trained or validated on other images than these, and are not shown here.")
        return own
    if stand_ins.keys() - own:
        print(
            f"Runs of {output_dir}: {', '.join(own)}. All others are of {reference}." if own else f"All of {reference}."
        )
    return {**stand_ins, **own}


def _read(folder):
    """The runs of a folder that can be used: name -> list, sorted by seed."""
    found, named, usable = [], {}, {}
    for path in sorted((runs.resolve(folder) / FOLDER).glob("*/metrics.json")):
        try:
            found.append(runs.read_run(path.parent, needs="validation"))
        except runs.RunError as error:
            print(f"Left out: {error}.")
    for run in sorted(found, key=lambda run: run.manifest["seed"]):
        place, name = runs.shown(run.folder), run.manifest.get("recipe")
        if name is None:
            print(f"Left out: {place} is no run of notebook 08. Move it elsewhere.")
        elif run.manifest["parameters"].get("PROTOCOL") == "paper":
            print(f"Left out: {place} has PROTOCOL=paper, so PrivateTest steered it.")
        elif _is_of_another_ladder(run):
            print(f"Left out: {place} was trained with other settings than its rung has now.")
        else:
            named.setdefault(name, []).append(run)
    for name, own in named.items():
        usual = max(own, key=lambda run: sum(not runs.unlike(other, run) for other in own))
        usable[name] = [usual]
        for run in own:
            try:
                usable[name] = usable[name] if run is usual else runs.as_seeds([*usable[name], run])
            except runs.RunError as error:
                print(f"Left out: {error}.")
    return usable


def _is_of_another_ladder(run):
    """Whether a run bears the name of a rung whose settings have changed since: fewer epochs, say."""
    name, settings = run.manifest["recipe"], run.manifest.get("settings")
    if name not in recipes.NAMES:
        return False
    if run.manifest["parameters"].get("TRAIN_WITHOUT", "none") != "none":
        return True
    if settings is None:
        return False
    # Settings that came later than the run had their defaults in it.
    return recipes.as_dict(recipes.Recipe()) | settings != recipes.as_dict(recipes.read_recipe(name))


def _first(found):
    """The first seed of the lowest rung that there is."""
    return next(found[name][0] for name in (*recipes.NAMES, *found) if name in found)


def _apart(ours, theirs):
    """Why two runs cannot be paired; "" where they had the same data and answered about the same PublicTest images."""
    pairs = zip(ours.predictions["validation"][:2], theirs.predictions["validation"][:2], strict=True)
    same = all(np.array_equal(one, other) for one, other in pairs)
    return runs.unlike(ours, theirs, ("data checksum", "MAX_IMAGES")) if same else "other validation images"


def _same_images(found):
    """The runs that can be paired with the lowest rung; the others are named in a printed line."""
    kept = {}
    for name, own in found.items():
        for run in own:
            if reason := _apart(run, _first(found)):
                print(f"Left out: {runs.shown(run.folder)} cannot be paired with {_first(found).name}: {reason}.")
            else:
                kept.setdefault(name, []).append(run)
    return kept


def having(own, *answers):
    """Those of some runs that have all these answers; a printed line names each other, and what it lacks."""
    for run in own:
        if lacking := [name for name in answers if name not in run.predictions]:
            print(f"Left out: {run.name} without answers {' and '.join(lacking)}.")
    return [run for run in own if run.predictions.keys() >= set(answers)]


def _on_labels(found):
    """The recipes that were trained on labels; those on votes, which are other data, are named in a printed line."""
    voted = [name for name, own in found.items() if own[0].manifest.get("settings", {}).get("voted")]
    if voted:
        print(f"Left out: {', '.join(voted)}, trained on votes. Compare them by tools/by_votes.py or with --against.")
    return {name: own for name, own in found.items() if name not in voted}


def summarize(output_dir, reference="", samples=2000):
    """A row for each rung that has a run, in the ladder's order: DataFrame with COLUMNS, p_holm and differ.

    before: the nearest kept rung below that has a run, None for the first. change: all that has changed since that one.
    accuracy (0 to 1): of PublicTest, mean over seeds, as the rung answers (its views); low, high: Wilson, 95 %, of one
    seed's images. difference to `before`, its interval and p_value: ``compare_answers``; p_holm: corrected for the
    number of rungs; differ: p_holm < 0.05. seconds: of training, mean; parameters: trainable, of the first seed.
    """
    found = load(output_dir, reference)
    runs_of, right = {}, {}
    for rung in recipes.LADDER:
        if own := having(found.get(network_of(rung.name), []), answer_name(rung.name)):
            runs_of[rung.name] = own
            right[rung.name] = right_by_seed(own, answer_name(rung.name))
    trained = [right[rung.name] for rung in recipes.LADDER if rung.name in right and not rung.same_run]
    of_seeds = evaluation.pooled_over_seeds(answers.mean(axis=1) for answers in trained)
    rows = []
    for rung in recipes.LADDER:
        if rung.name in right:
            row = _row(rung, runs_of[rung.name], right[rung.name])
            *below, _ = [step.name for step in recipes.path(rung.name) if step.name in right]
            if below:
                one, other, varied = right[rung.name], right[below[-1]], of_seeds
                if rung.same_run:
                    both = [run for run in runs_of[rung.name] if any(run is own for own in runs_of[below[-1]])]
                    one, other = (right_by_seed(both, answer_name(name)) for name in (rung.name, below[-1]))
                    varied = _of_change(one, other)
                gap = compare_answers(one, other, varied, samples)
                row |= {"before": below[-1], "difference": gap["difference"], "p_value": gap["p_value"]}
                row |= {"difference_low": gap["low"], "difference_high": gap["high"]}
                row["change"] = _changes(below[-1], rung)
            rows.append(row)
    table = pd.DataFrame(rows, columns=COLUMNS)
    tested = table["p_value"].notna()
    table["p_holm"] = np.nan
    table.loc[tested, "p_holm"] = evaluation.holm(table.loc[tested, "p_value"])
    table["differ"] = table["p_holm"] < LEVEL
    return table


def _of_change(one, other):
    """``pooled_over_seeds`` of one rung's networks asked in two ways: they vary by what changes between the two.

    ``compare_arms`` adds that of both, so each has half.
    """
    variance, freedom = evaluation.pooled_over_seeds([one.mean(axis=1) - other.mean(axis=1)])
    return variance / 2, freedom


def _changes(before, rung):
    """In words, all in which a rung differs from `before`: where rungs between have no run, theirs, too."""
    steps = recipes.path(rung.name)
    names = [step.name for step in steps]
    return ", ".join(step.change for step in steps[names.index(before) + 1 :])


def network_of(name):
    """The name of the rung whose network answers for the one called `name`: itself, unless it only asks differently."""
    return next(step.name for step in reversed(recipes.path(name)) if not step.same_run)


def answer_name(name):
    """Under which name a rung's answers to PublicTest are kept."""
    return recipes.answer_name("validation", recipes.read_recipe(name).views)


def _row(rung, own, right):
    n = right.shape[1]
    low, high = evaluation.accuracy_interval(right.mean(), n)
    return {
        "rung": rung.name,
        "change": rung.change,
        "kept": rung.kept,
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
    """``summarize``'s table in words and percent, to be looked at."""
    points = 100 * table[["accuracy", "low", "high", "difference", "difference_low", "difference_high"]]
    said = pd.DataFrame({"change": table["change"], "seeds": table["seeds"]})
    said["PublicTest %"] = points["accuracy"].map("{:.1f}".format)
    said["95 %"] = [f"{low:.1f} to {high:.1f}" for low, high in points[["low", "high"]].values]
    gaps = points[["difference", "difference_low", "difference_high"]].values
    said["difference"] = [said_gap(*gap) for gap in gaps]
    said["p (Holm)"] = [said_p(p) for p in table["p_holm"]]
    said["kept"] = table["kept"].map({True: "yes", False: "no"})
    said["parameters"] = table["parameters"].map(millions)
    said["seconds"] = table["seconds"].map("{:,.0f}".format)
    return said.set_axis(table["rung"])


def said_gap(gap, low, high):
    """A difference and its interval, in points: "+0.8 (-0.6 to +2.3)"; "" for NaN."""
    return "" if np.isnan(gap) else f"{gap:+.1f} ({low:+.1f} to {high:+.1f})"


def said_p(p):
    """A p value: "0.047", "< 0.001"; "" for NaN."""
    return "" if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def millions(count):
    """A count as "1.91 M"."""
    return f"{count / 1e6:.2f} M"


def race(output_dir, reference="", accuracy=PAPER_ACCURACY):
    """Which runs have reached an accuracy (0 to 1) on PublicTest, the fastest first: DataFrame.

    Columns: recipe, seed, seconds (of training, validation included, until one view of each face first gave it, and of
    its teachers), epoch (after which), of (all its epochs), parameters, hardware. The weights that a moving average
    leaves at the end count as the last epoch's. Runs that never reach it, or were trained on votes, have no row.
    """
    rows = []
    for name, own in _on_labels(load(output_dir, reference)).items():
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
    """``race``'s table in words and whole seconds, to be looked at."""
    said = table.set_index("recipe")
    said["seconds"] = said["seconds"].map("{:,.0f}".format)
    said["parameters"] = said["parameters"].map(millions)
    return said


def finals(output_dir, reference=""):
    """What the final candidates say to PrivateTest: a row for each and each way of asking, empty without any.

    A candidate with several seeds gets further rows, of all its networks asked together: their probabilities averaged.
    Networks trained on votes are left out, and so is a seed from the rows of views that it was not asked in.

    Columns: recipe, views, networks (that are asked about a face), seeds (how many such answers the row is a mean of),
    n, public, private (accuracies, 0 to 1, means over seeds), low, high (Wilson of `private`, 95 %, of one answer's
    images), sd, seeds_low, seeds_high (standard deviation and t interval over seeds, NaN with one), seconds (of
    training, of all networks that are asked and of their teachers; mean over seeds).
    """
    rows = []
    for name, own in _on_labels(load(output_dir, reference)).items():
        for views in VIEWS:
            splits = [recipes.answer_name(split, views) for split in ("validation", "test")]
            if any(splits[1] in run.predictions for run in own) and (asked := having(own, *splits)):
                groups = [[[run] for run in asked], [asked]] if len(asked) > 1 else [[asked]]
                rows += [{"recipe": name, "views": views, **_final(group, *splits)} for group in groups]
    columns = ["recipe", "views", "networks", "seeds", "n", "public", "private", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "sd", "seeds_low", "seeds_high", "seconds"])


def _final(group, public, private):
    """The row of a group of answers, each given by a list of runs together."""
    answers = np.stack([right_together(own, private) for own in group])
    n, spread = answers.shape[1], evaluation.over_seeds(answers.mean(axis=1))
    low, high = evaluation.accuracy_interval(answers.mean(), n)
    return {
        "networks": len(group[0]),
        "seeds": len(group),
        "n": n,
        "public": np.mean([right_together(own, public).mean() for own in group]),
        "private": answers.mean(),
        "low": low,
        "high": high,
        "sd": number(spread["sd"]),
        "seeds_low": number(spread["low"]),
        "seeds_high": number(spread["high"]),
        "seconds": np.mean([sum(run.manifest["seconds"] for run in own) + of_teachers(own) for own in group]),
    }


def of_teachers(networks):
    """Seconds that the teachers of some runs took, one that taught several of them once."""
    teachers = [one for run in networks for one in run.manifest.get("teachers", [])]
    return sum({one["answers"]: one["seconds"] for one in teachers}.values())


def right_together(own, answers):
    """Which images several runs get right whose probabilities are averaged: bool (n,)."""
    probabilities = np.mean([run.predictions[answers][2] for run in own], axis=0)
    return probabilities.argmax(axis=1) == own[0].predictions[answers][1]


def finals_for_reading(table):
    """``finals``' table in words and percent, to be looked at."""
    percents = 100 * table[["public", "private", "low", "high", "sd"]]
    said = table[["recipe", "views", "networks", "seeds"]].copy()
    said["PublicTest %"] = percents["public"].map("{:.1f}".format)
    said["PrivateTest %"] = percents["private"].map("{:.1f}".format)
    said["95 %"] = [f"{low:.1f} to {high:.1f}" for low, high in percents[["low", "high"]].values]
    said["sd over seeds"] = ["" if np.isnan(sd) else f"{sd:.1f}" for sd in percents["sd"]]
    said["seconds"] = table["seconds"].map("{:,.0f}".format)
    return said.set_index("recipe")
