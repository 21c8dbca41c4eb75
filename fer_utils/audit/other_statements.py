"""The paper's conclusions that are not of the form "this arm is more accurate than that": time, overfitting, people.

Each function takes finished runs, maybe none, and returns one row of ``statements.statements`` as a dict.
"""

from __future__ import annotations

import itertools

import numpy as np

from fer_utils import compare, paper
from fer_utils.audit import checks
from fer_utils.audit.checks import CANNOT_BE_TOLD as CANNOT
from fer_utils.audit.checks import FAILS, HOLDS
from fer_utils.compare import arm_name as _name
from fer_utils.data import EMOTIONS

CONVERGED = 0.95  # of a run's best validation accuracy
_VGG, _RES = paper.ARMS[:3], paper.ARMS[3:]


def _row(statement, place, on_paper, paper_verdict, ours="", verdict=CANNOT, reason="No runs that bear on it."):
    return {
        "statement": statement,
        "place": place,
        "on_paper": on_paper,
        "paper_verdict": paper_verdict,
        "ours": ours,
        "p_value": np.nan,
        "verdict": verdict,
        "reason": reason,
    }


def _seconds_of(arm):
    rows = paper.reported().query("arm == @arm and quantity == 'seconds'")
    return rows["value"].tolist()


def epoch_seconds(finished, arm):
    """Median seconds of an epoch in each run of an arm; a list, empty without runs."""
    return [float(run.history["seconds"].median()) for run in finished if run.arm == arm]


def _time_ratios(finished, first, second):
    """Every ratio of the arms' seconds an epoch, and why they may not be compared ("" if they may)."""
    own = [run for run in finished if run.arm in (first, second)]
    if {run.arm for run in own} != {first, second}:
        return [], "no runs of both"
    for what, values in (
        ("hardware", {compare.hardware(run) for run in own}),
        ("input size", {run.manifest["parameters"]["INPUT_SIZE"] for run in own}),
    ):
        if len(values) > 1:
            return [], f"they differ in {what}"
    sides = [epoch_seconds(finished, arm) for arm in (first, second)]
    return [a / b for a, b in itertools.product(*sides)], ""


def _range(values, form):
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _timing(finished, statement, place, pairs, factor, on_paper):
    found, texts, notes = [], [], []
    for first, second in pairs:
        ratios, why = _time_ratios(finished, first, second)
        if why:
            notes.append(f"{_name(first)} against {_name(second)}: {why}")
            found.append(CANNOT)
            continue
        texts.append(f"{_name(first)} takes {_range(ratios, '.2f')} times {_name(second)} an epoch")
        found.append(HOLDS if min(ratios) > factor else FAILS if max(ratios) <= factor else CANNOT)
    verdict = FAILS if FAILS in found else HOLDS if set(found) == {HOLDS} else CANNOT
    reason = "; ".join(notes) or "Median seconds an epoch, on one machine, at one input size"
    return _row(statement, place, *on_paper, "; ".join(texts), verdict, f"{reason}.")


def _twice_the_time(finished):
    pairs = [(_RES[1], _VGG[1]), (_RES[2], _VGG[2])]
    ratios = [a / b for first, second in pairs for a in _seconds_of(first) for b in _seconds_of(second)]
    text = f"its times give {', '.join(f'{ratio:.2f}' for ratio in ratios)}"
    statement = "ResNet50 takes more than twice the time of VGG16 in transfer and fine-tuning"
    return _timing(finished, statement, "training time comparison", pairs, 2, (text, checks.SELF_CONTRADICTED))


def _longer(finished):
    vgg, res = checks.vgg16_size()[1], checks.resnet50_size()[1]
    ratios = [min(_seconds_of(r)) / max(_seconds_of(v)) for v, r in zip(_VGG, _RES, strict=True)]
    text = (
        f"least ratios of its times: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; VGG16 multiplies {vgg / res:.1f} "
    )
    text += "times as much a face"
    statement = "ResNet50 takes longer than VGG16, being deeper and computing more"
    pairs = list(zip(_RES, _VGG, strict=True))
    return _timing(finished, statement, "training time comparison", pairs, 1, (text, checks.SELF_CONTRADICTED))


def _dearer(finished):
    pairs = [(arm, arms[0]) for arms in (_VGG, _RES) for arm in arms[1:]]
    size = (224 / 48) ** 2
    text = f"true of its seconds; but those arms got {size:.1f} times as many pixels a face"
    statement = "Moving from scratch to transfer learning or fine-tuning costs more training time"
    return _timing(finished, statement, "training time comparison", pairs, 1, (text, CANNOT))


def _gap(finished, arm):
    """Mean accuracy on training faces less that on test faces over an arm's runs, and its standard error."""
    own = [run.metrics for run in finished if run.arm == arm]
    if not own:
        return np.nan, np.nan
    gap = np.mean([metrics["train"]["accuracy"] - metrics["test"]["accuracy"] for metrics in own])
    # The images of one run, not of all: seeds share them.
    variances = [
        own[0][part]["accuracy"] * (1 - own[0][part]["accuracy"]) / own[0][part]["n"] for part in ("train", "test")
    ]
    return float(gap), float(np.sqrt(sum(variances)))


def _less_overfitting(finished, statement, place, on_paper, first, second):
    (gap, error), (other, other_error) = _gap(finished, first), _gap(finished, second)
    if np.isnan(gap + other):
        return _row(statement, place, *on_paper)
    margin = 1.96 * np.hypot(error, other_error)
    verdict = HOLDS if gap < other - margin else FAILS if gap > other + margin else CANNOT
    ours = f"training less test accuracy: {100 * gap:.1f} points ({_name(first)}), {100 * other:.1f} ({_name(second)})"
    return _row(
        statement,
        place,
        *on_paper,
        ours,
        verdict,
        f"Decided at a margin of {100 * margin:.1f} points, 1.96 standard errors; seeds not covered.",
    )


def _no_overfitting(finished):
    text = "training less validation: 12.5 points by transfer, 6.5 from scratch"
    statement = "Transfer learning keeps VGG16 from overfitting as it would from scratch"
    return _less_overfitting(finished, statement, "comparison section", (text, FAILS), _VGG[1], _VGG[0])


def _generalises(finished):
    text = f"validation / training from scratch: {54.7 / 56.2:.2f} (ResNet50), {67.2 / 73.7:.2f} (VGG16)"
    statement = "ResNet50 from scratch generalises slightly better than VGG16, though lower"
    return _less_overfitting(finished, statement, "comparison section", (text, HOLDS), _RES[0], _VGG[0])


def epochs_to_converge(run):
    """The first epoch at which a run's validation accuracy reached ``CONVERGED`` of its best."""
    accuracy = run.history["val_accuracy"]
    return int(run.history.loc[accuracy >= CONVERGED * accuracy.max(), "epoch"].iloc[0])


def _rapid(finished):
    text = "VGG16: 78 epochs from scratch, 100 by transfer, 100 by fine-tuning"
    statement = "Transfer learning and fine-tuning converge rapidly"
    epochs = {arm: [epochs_to_converge(run) for run in finished if run.arm == arm] for arm in (*_VGG, *_RES)}
    shown = {arm: values for arm, values in epochs.items() if values}
    pairs = [(arm, arms[0]) for arms in (_VGG, _RES) for arm in arms[1:] if arm in shown and arms[0] in shown]
    ours = "; ".join(f"{_name(arm)} {_range(v, 'd')}" for arm, v in shown.items())
    sooner = [max(shown[arm]) < min(shown[scratch]) for arm, scratch in pairs]
    later = [min(shown[arm]) >= max(shown[scratch]) for arm, scratch in pairs]
    verdict = FAILS if any(later) else HOLDS if pairs and all(sooner) else CANNOT
    if not pairs:
        return _row(statement, "abstract", text, FAILS, ours)
    reason = f"Epochs to {CONVERGED:.0%} of the best validation accuracy, pretraining not counted."
    return _row(statement, "abstract", text, FAILS, ours, verdict, reason)


def _hard_emotions(finished):
    statement = "Fear and disgust are recognised worst"
    lowest = []
    for run in finished:
        recalls = {emotion: run.metrics["test"]["per_class"][emotion]["recall"] for emotion in EMOTIONS}
        known = {emotion: recall for emotion, recall in recalls.items() if recall is not None}
        lowest.append(set(sorted(known, key=known.get)[:2]))
    if not lowest:
        return _row(statement, "comparison section", "its matrices are pictures", CANNOT)
    hits = sum(pair == {"fear", "disgust"} for pair in lowest)
    verdict = HOLDS if hits == len(lowest) else FAILS if hits == 0 else CANNOT
    ours = f"the two lowest recalls in {hits} of {len(lowest)} runs"
    reason = "PrivateTest has 55 faces of disgust: its recall is known to about 13 points."
    return _row(statement, "comparison section", "its matrices are pictures", CANNOT, ours, verdict, reason)


def _above_humans(finished):
    table4 = paper.reported().query("place == 'Table 4'")["value"]
    text = f"{(table4 > 65.5).sum()} of the {len(table4)} in Table 4 are above 65.5 %"
    known = compare.summarize_arms(finished).dropna(subset=["test_low"])
    above, below = int((known["test_low"] > 0.655).sum()), int((known["test_high"] < 0.655).sum())
    ours = (
        f"of our arms, {above} of {len(known)} lie above it with their whole interval, {below} below"
        if len(known)
        else ""
    )
    statement = "All methods in Table 4 are better than people (65.5 %)"
    reason = (
        "Table 4 itself decides; and people were measured as 65 +- 5 % (arXiv:1307.0414), which few arms are beyond."
    )
    return _row(statement, "discussion", text, FAILS, ours, FAILS, reason)


def _new_standard(finished):
    text = "the contest of 2013 was won with 71.2 % on PrivateTest (Tang, arXiv:1306.0239)"
    statement = "67.23 % sets a new standard of validation accuracy"
    return _row(statement, "conclusion", text, FAILS, "", FAILS, "Published results were higher eleven years before.")


def _surpasses(finished):
    text = "the conclusion gives 54.67 % to VGGNet as well, Table 4 51.11 %; both lie below 67.23 %"
    statement = "VGG16 from scratch surpasses ResNet50 and VGGNet, which achieved 54.67 %"
    reason = "The order stands on the paper's numbers; other authors' networks were trained and split in other ways."
    return _row(statement, "conclusion", text, checks.SELF_CONTRADICTED, "", CANNOT, reason)


OTHERS = (
    _twice_the_time, _longer, _dearer, _no_overfitting, _generalises, _rapid, _hard_emotions, _above_humans,
    _new_standard, _surpasses,
)  # fmt: skip
