"""Memory or ease: measure what a network loses if Training has no duplicates of the test faces.

    python tools/memory.py [outputs/reference/cpu]       VGG16 from scratch, on PrivateTest
    python tools/memory.py outputs/tuned --recipe whole-80 --views scales    a recipe of notebook 08, on PrivateTest
    python tools/memory.py outputs/reference/frozen      a head on frozen filters (tools/frozen.py), on PublicTest

Compares three trainings with the same settings. The first has all of Training. The second lacks the images with a
duplicate in a test split (TRAIN_WITHOUT="twins", runs in FOLDER/without-twins). The third lacks as many random images
of the same emotions ("others", the random control, in FOLDER/without-others). A loss only on the faces with a duplicate
is memory. Prints the tables of docs/results.md and docs/full-scale.md.
"""

import argparse
import contextlib
import sys

import heads
import numpy as np
import pandas as pd
import results

from fer_utils import comparison, evaluation, runs
from fer_utils.command_line import leave_with
from fer_utils.evaluation.paired import compare_answers
from fer_utils.ladder.recipes import answer_name
from fer_utils.ladder.results import load, right_by_seed, said_gap, said_p
from fer_utils.names import VIEWS
from fer_utils.score import known

ARM = "vgg16-scratch"
TRAININGS = {"all": "none", "without others": "others", "without twins": "twins"}  # name -> TRAIN_WITHOUT
PAIRS = (("without twins", "all"), ("without twins", "without others"), ("without others", "all"))


def memory(right, twins):
    """Compare each pair of trainings on the faces with a duplicate in Training, and on the faces without one.

    right: name of a training -> bool (seeds, n), whether each network predicts the same n images right. twins: bool
    (n,). Columns: faces, n, first, second (trainings of PAIRS), accuracy_first, accuracy_second (means over seeds, 0 to
    1), difference, low, high (95 %), p_value. The last four are from ``compare_answers``, with the variance over seeds
    pooled over all trainings on these faces. So a training with one seed is assumed to vary like the others.
    """
    rows = []
    for faces, chosen in {"with a duplicate": twins, "without a duplicate": ~twins}.items():
        own = {name: answers[:, chosen] for name, answers in right.items()}
        of_seeds = evaluation.pooled_over_seeds(answers.mean(axis=1) for answers in own.values())
        for first, second in PAIRS:
            accuracies = {"accuracy_first": own[first].mean(), "accuracy_second": own[second].mean()}
            tested = compare_answers(own[first], own[second], of_seeds)
            rows.append({"faces": faces, "n": chosen.sum(), "first": first, "second": second, **accuracies, **tested})
    return pd.DataFrame(rows)


def markdown(table):
    """Return the table of ``memory`` as Markdown."""
    header = ["faces", "n", "training", "%", "against", "%", "difference", "p"]
    rows = []
    for row in table.itertuples():
        first, second = (f"{100 * accuracy:.1f}" for accuracy in (row.accuracy_first, row.accuracy_second))
        gap = said_gap(100 * row.difference, 100 * row.low, 100 * row.high)
        rows.append([row.faces, f"{row.n:,}", row.first, first, row.second, second, gap, said_p(row.p_value)])
    return results.markdown(header, rows)


def caption(right):
    """Return the sentences above the table: how many seeds each training has, and what the intervals cover."""
    seeds = {name: len(answers) for name, answers in right.items()}
    covered = "other faces and other seeds" if max(seeds.values()) > 1 else "other faces only"
    return f"Seeds: {', '.join(f'{count} {name}' for name, count in seeds.items())}. The intervals cover {covered}."


def read(folder, recipe="", views="single"):
    """Return what each training's networks predict right on PrivateTest: name -> bool (seeds, n).

    folder: Path. recipe: of notebook 08, evaluated with these views; "" for VGG16 from scratch. Raises RunError unless
    all trainings have a run, the same settings, and predictions for all of PrivateTest.
    """
    facts, answers = known.facts("official"), answer_name("test", views)
    trained = {name: _trained(folder, lacks, recipe, answers) for name, lacks in TRAININGS.items()}
    first = trained["all"][0]
    for own in trained.values():
        for run in own:
            place, (row_ids, labels, _) = runs.shown(run.folder), run.predictions[answers]
            if not (np.array_equal(row_ids, facts.row_ids) and np.array_equal(labels, facts.labels)):
                raise runs.RunError(f"{place}: its faces or labels are not PrivateTest's. Train on all of FER-2013")
            if difference := runs.unlike(run, first, but=("TRAIN_WITHOUT",)):
                raise runs.RunError(f"{place} was trained unlike {runs.shown(first.folder)}: {difference}")
    return {name: right_by_seed(own, answers) for name, own in trained.items()}


def _trained(folder, lacks, recipe, answers):
    """Return the runs of one training, sorted by seed. Raises RunError unless TRAIN_WITHOUT and predictions fit."""
    place = folder if lacks == "none" else folder / f"without-{lacks}"
    found = load(place).get(recipe, []) if recipe else comparison.load_runs(place)
    own = sorted((run for run in found if recipe or run.arm == ARM), key=lambda run: run.manifest["seed"])
    if not own:
        raise runs.RunError(f"{place}: holds no run of {recipe or ARM}. Make one with TRAIN_WITHOUT={lacks}")
    for run in own:
        name = runs.shown(run.folder)
        if answers not in run.predictions:
            raise runs.RunError(f"{name}: has no predictions '{answers}'. FINAL opens PrivateTest")
        if run.manifest["parameters"].get("TRAIN_WITHOUT", "none") != lacks:
            raise runs.RunError(f"{name}: was not trained with TRAIN_WITHOUT={lacks}, as its path says")
    return own


def read_heads(folder):
    """Return what each head predicts right on PublicTest: list of (words for the head, name -> bool (seeds, n)).

    Heads without all three trainings on the same two or more seeds are left out, since one seed does not show how much
    seeds vary. Raises RunError if no head is left.
    """
    _, labels, _ = heads.public_test()
    found = {}  # head -> TRAIN_WITHOUT -> seed -> bool (n,)
    for key, answers in sorted(heads.answered(folder).items()):
        row = dict(zip(heads.KEY, key, strict=True))
        without, seed = row.pop("without"), row.pop("seed")
        found.setdefault(tuple(row.items()), {}).setdefault(without, {})[seed] = answers == labels
    whole = []
    for head, own in found.items():
        seeds = list(own.get("none", {}))
        if len(seeds) > 1 and all(list(own.get(without, {})) == seeds for without in TRAININGS.values()):
            words = ", ".join(f"{name} {value}" for name, value in head) + f"; {len(seeds)} seeds"
            whole.append((words, {name: np.stack([*own[without].values()]) for name, without in TRAININGS.items()}))
    if not whole:
        raise runs.RunError(
            f"{folder}: holds no head that was trained with two seeds in all of {[*TRAININGS.values()]}"
        )
    return whole


def main(arguments=None):
    """Run the command line: print the tables. Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=runs.PROJECT_ROOT / "outputs/reference/cpu")
    parser.add_argument("--recipe", default="", help="of notebook 08, instead of VGG16 from scratch")
    parser.add_argument("--views", choices=VIEWS, help="views of that recipe; single by default")
    given = parser.parse_args(arguments)
    if given.views and not given.recipe:
        parser.error("--views needs --recipe: all others have one view")
    try:
        folder = runs.resolve(given.folder)
        if (folder / "heads.csv").exists():
            if given.recipe:
                parser.error(f"{given.folder} holds heads, which have no recipe")
            for words, right in read_heads(folder):
                print(f"{words}:\n\n{markdown(memory(right, heads.public_test()[2]))}\n")
        else:
            with contextlib.redirect_stdout(sys.stderr):  # lines about left-out runs do not belong to the table
                right = read(folder, given.recipe, given.views or "single")
            print(f"{caption(right)}\n\n{markdown(memory(right, known.facts('official').twins))}")
    except runs.RunError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    leave_with(main)
