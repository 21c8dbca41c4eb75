"""The paper's conclusions that compare no accuracies: time, overfitting, convergence, people.

Each function in ``OTHERS`` and ``OTHERS_LATER`` takes a list of finished runs, which may be empty. It returns one row
of ``statements.statements`` (``row_of``).
"""

import itertools

import numpy as np
import pandas as pd

from fer_utils import comparison, runs
from fer_utils.audit import checks
from fer_utils.audit.checks import CANNOT_BE_TOLD as CANNOT
from fer_utils.audit.checks import FAILS, HOLDS, NOT_OF_RUNS
from fer_utils.comparison import paper
from fer_utils.comparison.summary import TEST_NAMES, last_phase, protocol
from fer_utils.comparison.summary import arm_name as _name
from fer_utils.names import EMOTIONS

CONVERGED = 0.95  # of a run's best validation accuracy
COMPARABLE = 0.05  # the most that test accuracies may differ: an arm that learned less also overfits less
FEWEST_EPOCHS = 4  # in one phase, to know how steady the machine was
_VGG, _RES = paper.ARMS[:3], paper.ARMS[3:]  # each from scratch, by transfer learning, by fine-tuning
_SCRATCH_AND_OTHER = [(arms[0], arm) for arms in (_VGG, _RES) for arm in arms[1:]]


def row_of(statement, place, on_paper, paper_verdict, ours="", verdict=CANNOT, reason="", arms=(), p_value=np.nan):
    """One row of ``statements.statements`` as a dict, with one more key: arms, the set of arms that `verdict` uses."""
    return {
        "statement": statement,
        "place": place,
        "on_paper": on_paper,
        "paper_verdict": paper_verdict,
        "ours": ours,
        "p_value": p_value,
        "verdict": verdict,
        "reason": reason or "No runs that bear on it.",
        "arms": set(arms),
    }


def decide(holds, fails):
    """The verdict of two conditions that exclude each other: "cannot be told" if neither is met."""
    if holds:
        return HOLDS
    return FAILS if fails else CANNOT


def decide_together(verdicts):
    """The verdict on a statement from those on its parts: all parts must hold, and one that fails refutes it."""
    return decide(holds=set(verdicts) == {HOLDS}, fails=FAILS in verdicts)


# --- time ------------------------------------------------------------------------------------------------------------


def epoch_seconds(run):
    """Seconds of each epoch in a run's last phase (fine-tuning: after unfreezing). Floats, shape (epochs,)."""
    return last_phase(run)["seconds"].to_numpy(float)


def unsteadiness(run):
    """The 90th over the 10th percentile of a run's epoch times: epochs vary if the machine has other work, too."""
    short, long = np.quantile(epoch_seconds(run), [0.1, 0.9])
    return float(long / short)


def _time_ratios(finished, first, second):
    """All ratios of the two arms' median seconds per epoch, and why they cannot be compared ("" if they can)."""
    own = [run for run in finished if run.arm in (first, second)]
    if {run.arm for run in own} != {first, second}:
        return [], "no runs of both"
    for what, values in (
        ("hardware", {comparison.hardware(run) for run in own}),
        ("input size", {run.manifest["parameters"]["INPUT_SIZE"] for run in own}),
        ("width", {run.manifest["parameters"]["WIDTH"] for run in own}),
        ("batch size", {run.manifest["parameters"].get("BATCH_SIZE") for run in own}),
        ("precision", {run.manifest["parameters"].get("PRECISION", runs.BEFORE["PRECISION"]) for run in own}),
        ("the number of training images", {run.metrics["train"]["n"] for run in own}),
        ("whether features are stored", {run.manifest["parameters"].get("FEATURE_COPIES", 0) > 0 for run in own}),
    ):
        if len(values) > 1:
            return [], f"they differ in {what}"
    if any(len(epoch_seconds(run)) < FEWEST_EPOCHS for run in own):
        return [], "too few epochs to know how steady the machine was"
    times, others = ([np.median(epoch_seconds(run)) for run in own if run.arm == arm] for arm in (first, second))
    return [float(time / other) for time, other in itertools.product(times, others)], ""


def _range(values, form):
    """The range of some values as text: "3 to 5", or "3" if all print alike."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _timing(finished, statement, place, pairs, factor, on_paper):
    """The row of a statement that in each pair the first arm takes more than `factor` times as long per epoch.

    A pair is decided only if its ratios differ more from the factor than the epochs of one run from each other.
    """
    verdicts, texts, notes, spreads, compared = [], [], [], [], []
    for first, second in pairs:
        ratios, why = _time_ratios(finished, first, second)
        if why:
            notes.append(f"{_name(first)} against {_name(second)}: {why}")
            verdicts.append(CANNOT)
            continue
        own = [run for run in finished if run.arm in (first, second)]
        compared += own
        spread = max(map(unsteadiness, own))
        spreads.append(spread)
        texts.append(f"{_name(first)} takes {_range(ratios, '.2f')} times {_name(second)} an epoch")
        verdicts.append(decide(holds=min(ratios) > factor * spread, fails=max(ratios) * spread <= factor))
    if compared:
        machines = {f"{comparison.hardware(run)}, width {run.manifest['parameters']['WIDTH']}" for run in compared}
        notes.append(
            f"Median seconds an epoch of the last phase, on {' and '.join(sorted(machines))}; epochs of one run differ "
            f"by a factor of up to {max(spreads):.2f} (90th over 10th percentile), so a ratio as near to "
            f"{factor} as that decides nothing"
        )
    return row_of(statement, place, *on_paper, "; ".join(texts), decide_together(verdicts), f"{'; '.join(notes)}.")


def _stated_ratios(first, second):
    """All ratios of the training times that the paper states for two arms."""
    times, others = paper.stated(first, "seconds"), paper.stated(second, "seconds")
    return [time / other for time, other in itertools.product(times, others)]


def _twice_the_time(finished):
    pairs = [(_RES[1], _VGG[1]), (_RES[2], _VGG[2])]
    ratios = [ratio for pair in pairs for ratio in _stated_ratios(*pair)]
    text = f"its times give {', '.join(f'{ratio:.2f}' for ratio in ratios)}"
    statement = "ResNet50 takes more than twice the time of VGG16 in transfer and fine-tuning"
    return _timing(finished, statement, "training time comparison", pairs, 2, (text, checks.SELF_CONTRADICTED))


def _longer(finished):
    pairs = list(zip(_RES, _VGG, strict=True))
    ratios = [min(_stated_ratios(*pair)) for pair in pairs]
    multiplications = checks.vgg16_size()[1] / checks.resnet50_size()[1]
    text = f"least ratios of its times: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; "
    text += f"VGG16 multiplies {multiplications:.1f} times as much a face"
    statement = "ResNet50 takes longer than VGG16, being deeper and computing more"
    return _timing(finished, statement, "training time comparison", pairs, 1, (text, checks.SELF_CONTRADICTED))


def _costs_more(finished):
    pairs = [(other, scratch) for scratch, other in _SCRATCH_AND_OTHER]
    text = f"true of its seconds; but those arms got {(224 / 48) ** 2:.1f} times as many pixels a face"
    statement = "Moving from scratch to transfer learning or fine-tuning costs more training time"
    return _timing(finished, statement, "training time comparison", pairs, 1, (text, CANNOT))


# --- overfitting -----------------------------------------------------------------------------------------------------


def _gap(finished, arm):
    """An arm's mean training minus test accuracy, its standard error, and its mean test accuracy; NaN without runs."""
    own = [run.metrics for run in finished if run.arm == arm]
    if not own:
        return np.nan, np.nan, np.nan
    gap = np.mean([metrics["train"]["accuracy"] - metrics["test"]["accuracy"] for metrics in own])
    # Seeds share their images, so the images of one run count, not those of all.
    splits = [own[0][split] for split in ("train", "test")]
    error = np.sqrt(sum(split["accuracy"] * (1 - split["accuracy"]) / split["n"] for split in splits))
    return float(gap), float(error), float(np.mean([metrics["test"]["accuracy"] for metrics in own]))


def _less_overfitting(finished, statement, place, on_paper, first, second, though_lower=False):
    """The row of a statement that the first arm overfits less. though_lower: it also says that this arm scores less."""
    gap, error, accuracy = _gap(finished, first)
    other, other_error, other_accuracy = _gap(finished, second)
    if np.isnan(gap + other):
        return row_of(statement, place, *on_paper)
    margin = 1.96 * np.hypot(error, other_error)
    verdict = decide(holds=gap < other - margin, fails=gap > other + margin)
    reason = f"Decided at a margin of {100 * margin:.1f} points, 1.96 standard errors; seeds not covered."
    apart = abs(accuracy - other_accuracy)
    if apart > COMPARABLE and not though_lower:
        verdict = CANNOT
        reason = f"The arms' test accuracies lie {100 * apart:.0f} points apart: who learns less has less to lose."
    ours = f"training less test accuracy: {100 * gap:.1f} points ({_name(first)}), {100 * other:.1f} ({_name(second)})"
    return row_of(statement, place, *on_paper, ours, verdict, reason, (first, second))


def _no_overfitting(finished):
    transfer, scratch = (paper.headline(arm) for arm in (_VGG[1], _VGG[0]))
    gaps = [100 * (arm["training_accuracy"] - arm["validation_accuracy"]) for arm in (transfer, scratch)]
    text = f"training less validation: {gaps[0]:.1f} points by transfer, {gaps[1]:.1f} from scratch"
    statement = "Transfer learning keeps VGG16 from overfitting as it would from scratch"
    on_paper = text, HOLDS if gaps[0] < gaps[1] else FAILS
    return _less_overfitting(finished, statement, "comparison section", on_paper, _VGG[1], _VGG[0])


def _generalises(finished):
    resnet, vgg = (paper.headline(arm) for arm in (_RES[0], _VGG[0]))
    kept = [arm["validation_accuracy"] / arm["training_accuracy"] for arm in (resnet, vgg)]
    text = f"validation / training from scratch: {kept[0]:.2f} (ResNet50), {kept[1]:.2f} (VGG16)"
    statement = "ResNet50 from scratch generalises slightly better than VGG16, though lower"
    on_paper = text, HOLDS if kept[0] > kept[1] else FAILS
    return _less_overfitting(finished, statement, "comparison section", on_paper, _RES[0], _VGG[0], though_lower=True)


# --- convergence -----------------------------------------------------------------------------------------------------


def epochs_to_converge(run):
    """The first epoch in which a run's validation accuracy reached ``CONVERGED`` of its best."""
    accuracy = run.history["val_accuracy"]
    return int(run.history.loc[accuracy >= CONVERGED * accuracy.max(), "epoch"].iloc[0])


def still_rising(run):
    """Whether a run's best epoch was its last, so that a longer training might have become better."""
    return bool(run.history["val_accuracy"].idxmax() == run.history.index[-1])


def _sooner(own, scratch):
    """(verdict, why it is undecided or "") on whether each run in `own` converges sooner than each from scratch."""
    if not own or not scratch:
        return CANNOT, "without runs"
    budget, scratch_budget = (
        {run.manifest["parameters"].get("EPOCHS", len(run.history)) for run in side} for side in (own, scratch)
    )
    if len(budget | scratch_budget) > 1:
        return CANNOT, f"given {_range(budget, 'd')} epochs, from scratch {_range(scratch_budget, 'd')}"
    if any(still_rising(run) for run in (*own, *scratch)):
        return CANNOT, "still rising at the last epoch, there or from scratch"
    epochs, scratch_epochs = ([epochs_to_converge(run) for run in side] for side in (own, scratch))
    verdict = decide(holds=max(epochs) < min(scratch_epochs), fails=min(epochs) >= max(scratch_epochs))
    return verdict, "not sooner with every seed" if verdict == CANNOT else ""


def _rapid(finished):
    stated = [" or ".join(f"{value:.0f}" for value in paper.stated(arm, "epochs")) for arm in _VGG]
    text = "VGG16: {} epochs from scratch, {} by transfer, {} by fine-tuning".format(*stated)
    statement = "Transfer learning and fine-tuning converge rapidly"
    own = {arm: [run for run in finished if run.arm == arm] for arm in paper.ARMS}
    epochs = {arm: [epochs_to_converge(run) for run in found] for arm, found in own.items() if found}
    if not epochs:
        return row_of(statement, "abstract", text, FAILS)
    ours = "; ".join(f"{_name(arm)} {_range(values, 'd')}" for arm, values in epochs.items())
    found = {arm: _sooner(own[arm], own[scratch]) for scratch, arm in _SCRATCH_AND_OTHER}
    verdict = decide_together([verdict for verdict, _ in found.values()])
    undecided = "; ".join(f"{_name(arm)}: {why}" for arm, (_, why) in found.items() if why)
    reason = f"Epochs to {CONVERGED:.0%} of the best validation accuracy, pretraining not counted."
    if undecided:
        reason += f" Undecided: {undecided}."
    return row_of(statement, "abstract", text, FAILS, ours, verdict, reason, epochs)


# --- emotions, people, others ----------------------------------------------------------------------------------------


def _hard_emotions(finished):
    stated = "Fear and disgust are recognised worst", "comparison section", "its matrices are pictures", CANNOT
    if not finished:
        return row_of(*stated)
    hits = misses = 0
    for run in finished:
        per_class = run.metrics["test"]["per_class"]
        recalls = pd.Series({emotion: per_class[emotion]["recall"] for emotion in EMOTIONS}, dtype=float)
        pair, lowest_other = recalls[["fear", "disgust"]], recalls.drop(["fear", "disgust"]).min()
        # A tie is neither, and an emotion without faces (NaN) is no hit.
        hits += pair.max(skipna=False) < lowest_other
        misses += lowest_other < pair.max()
    ours = f"the two lowest recalls in {hits} of {len(finished)} runs"
    name, n = TEST_NAMES[protocol(finished)], finished[0].metrics["test"]["per_class"]["disgust"]["support"]
    points = 98 / np.sqrt(max(n, 1))  # 1.96 standard errors of a recall of one half, where they are largest
    reason = f"{name[0].upper()}{name[1:]} has {n} faces of disgust: its recall is known to about {points:.0f} points."
    verdict = decide(holds=hits == len(finished), fails=misses == len(finished))
    return row_of(*stated, ours, verdict, reason, {run.arm for run in finished})


def _above_humans(finished):
    reported = paper.reported()
    people = reported.loc[reported["quantity"] == "human accuracy", "value"].iloc[0]
    table4 = reported.loc[reported["place"] == "Table 4", "value"]
    above = int((table4 > people).sum())
    text = f"{above} of the {len(table4)} in Table 4 are above {people:g} %"
    known = comparison.summarize_arms(finished).dropna(subset=["test_low"])
    higher, lower = (known["test_low"] > people / 100).sum(), (known["test_high"] < people / 100).sum()
    ours = f"of our arms, {higher} of {len(known)} lie above it with their whole interval, {lower} below"
    statement = f"All methods in Table 4 are better than people ({people:g} %)"
    reason = "Table 4 decides, not our runs; and people were measured as 65 +- 5 % (arXiv:1307.0414)."
    paper_verdict = HOLDS if above == len(table4) else FAILS
    return row_of(statement, "discussion", text, paper_verdict, ours if len(known) else "", NOT_OF_RUNS, reason)


def _new_standard(finished):
    reported = paper.reported()
    accuracies = reported["quantity"].str.match("published (validation |test )?accuracy")
    elsewhere = reported["note"].str.contains("not FER-2013")
    best = reported.loc[accuracies & ~elsewhere, "value"].max()
    text = f"the most that it cites on FER-2013, training accuracies apart, is {best:g} %"
    statement = "67.23 % sets a new standard of validation accuracy"
    reason = (
        "Other evidence speaks against it: the contest of 2013 was won with 71.2 % on PrivateTest (Tang, "
        "arXiv:1306.0239), eleven years before."
    )
    return row_of(statement, "conclusion", text, HOLDS if best < 67.23 else FAILS, "", NOT_OF_RUNS, reason)


def _surpasses(finished):
    text = "the conclusion gives 54.67 % to VGGNet as well, Table 4 51.11 %; both lie below 67.23 %"
    statement = "VGG16 from scratch surpasses ResNet50 and VGGNet, which achieved 54.67 %"
    reason = "The order stands on the paper's numbers; other authors' networks were trained and split in other ways."
    return row_of(statement, "conclusion", text, checks.SELF_CONTRADICTED, "", NOT_OF_RUNS, reason)


# --- found on a later reading ----------------------------------------------------------------------------------------


def _slow_from_scratch(finished):
    pairs = _SCRATCH_AND_OTHER
    ratios = _range([max(_stated_ratios(*pair)) for pair in pairs], ".2f")
    text = f"its arms from scratch took {ratios} times the seconds of the others, at 48 pixels against 224"
    statement = "Training from scratch is time-consuming, transfer converges quicker"
    return _timing(finished, statement, "section on the training methods", pairs, 1, (text, checks.SELF_CONTRADICTED))


def _overfitting_below_validation(finished):
    arm = paper.headline(_VGG[2])
    training, validation = 100 * arm["training_accuracy"], 100 * arm["validation_accuracy"]
    text = f"training accuracy, {training:.1f} %, lies below validation's {validation:.1f} %: it does not even fit"
    gap, error, _ = _gap(finished, _VGG[2])
    ours = ""
    if not np.isnan(gap):
        ours = f"training less test accuracy: {100 * gap:.1f} points, standard error {100 * error:.1f}"
    statement = "Fine-tuned VGG16 declines because it overfits"
    verdict = FAILS if gap <= -1.96 * error else CANNOT
    reason = (
        "Overfitting is training accuracy above test accuracy; whether it is the cause of a decline, no gap can tell."
    )
    return row_of(statement, "comparison section", text, FAILS, ours, verdict, reason, _VGG[2:])


def _most_or_all(finished):
    text = '"for most of the training techniques", and a paragraph later "in all trials"'
    statement = "VGG16 is more effective than ResNet50 for most of the training techniques"
    reason = "Its numbers say all three (see the statement on all trials)."
    return row_of(statement, "comparison section", text, checks.SELF_CONTRADICTED, "", NOT_OF_RUNS, reason)


def _reduced(finished):
    text = f"48 to 224 pixels a side are {(224 / 48) ** 2:.1f} times as many"
    statement = "All photos were reduced in size from 48x48 to 224x224"
    reason = "A slip of one word: they were enlarged, and hold nothing new."
    return row_of(statement, "section 'Data Preprocessing'", text, checks.SELF_CONTRADICTED, "", NOT_OF_RUNS, reason)


def _class_weighting(finished):
    statement = "Class imbalance was addressed by class weighting"
    text = "no arm's description has weights, and none are given"
    reason = "Stated once, in the objectives. Our arms train without; what weights do is in notebook 09."
    return row_of(statement, "section 'Novelty and Objectives'", text, CANNOT, "", NOT_OF_RUNS, reason)


OTHERS = (
    _twice_the_time, _longer, _costs_more, _no_overfitting, _generalises, _rapid, _hard_emotions, _above_humans,
    _new_standard, _surpasses,
)  # fmt: skip
OTHERS_LATER = (_slow_from_scratch, _overfitting_below_validation, _most_or_all, _reduced, _class_weighting)
