"""The committed numbers follow from the committed predictions, without images, models or a GPU."""

import json
import math
import re
import shutil
from pathlib import Path

import frozen
import heads
import ladder
import memory
import numpy as np
import pandas as pd
import private_test
import pytest
import reference
import results
import summarize
import yaml

from fer_utils import comparison, data, evaluation, runs
from fer_utils.audit import claims, statements
from fer_utils.evaluation import paired
from fer_utils.ladder import recipes
from fer_utils.ladder import results as beyond
from fer_utils.score import known
from fer_utils.workflow import cost

REFERENCE = runs.PROJECT_ROOT / "outputs/reference"
NAMES = ("README.md", "docs/results.md", "docs/beyond-the-paper.md", "docs/full-scale.md", "docs/speed.md")
README, RESULTS, BEYOND, FULL_SCALE, SPEED = ((runs.PROJECT_ROOT / name).read_text(encoding="utf-8") for name in NAMES)
# The page's words for those of the paper's conclusions that it lists.
CONCLUSIONS = {
    "VGG16 from scratch is the best of all six arms": "S01",
    "transfer learning is the best approach for VGG16": "S02",
    "VGG16: from scratch beats fine-tuning": "S03",
    "VGG16: fine-tuning ends below transfer": "S04",
    "ResNet50 is best when trained from scratch": "S05",
    "ResNet50: fine-tuning does not improve on transfer": "S06",
    "VGG16 outperforms ResNet50 in all trials": "S07",
    "ResNet50 takes more than twice the time of VGG16": "S08",
    "transfer learning keeps VGG16 from overfitting": "S11",
    "transfer learning and fine-tuning converge rapidly": "S13",
    "all methods in its Table 4 are better than people": "S15",
}
FOLDERS = sorted({path.parent.parent for path in (runs.PROJECT_ROOT / "outputs/reference").rglob("predictions.npz")})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(runs.shown(folder)))
def test_metrics_can_be_computed_again_from_the_predictions(folder):
    for path in folder.glob("*/predictions.npz"):
        run = runs.read_run(path.parent, needs="validation")  # rungs of the ladder leave the test split shut
        for split, (_, labels, probabilities) in run.predictions.items():
            again, kept = evaluation.summarize(labels, probabilities), run.metrics[split]
            # In a collapsed run all rows are nearly the same, and half precision ties what an AUC would rank.
            assert again.pop("macro_auc") == pytest.approx(kept["macro_auc"], abs=1e-3)
            assert again["confusion_matrix"] == kept["confusion_matrix"]
            for name in ("n", "accuracy", "balanced_accuracy", "macro_f1", "log_loss"):
                assert again[name] == pytest.approx(kept[name], abs=1e-9), (run.name, split, name)


def test_committed_runs_of_one_name_are_seeds_of_one_training():
    groups = {}
    for path in (path for folder in FOLDERS for path in folder.glob("*-seed*/predictions.npz")):
        run = runs.read_run(path.parent, needs="validation")
        groups.setdefault(path.parent.parent / path.parent.name.rpartition("-seed")[0], []).append(run)
    assert max([len(runs.as_seeds(own)) for own in groups.values()]) > 1


def test_all_profiles_together_stay_small():
    assert sum(path.stat().st_size for path in REFERENCE.rglob("*") if path.is_file()) < reference.LIMIT


@pytest.fixture(scope="module")
def finished():
    return comparison.load_runs(REFERENCE / "cpu")


@pytest.fixture(scope="module")
def conclusions(finished):
    return statements.statements(finished)


def same_tables(path, table, tmp_path):
    """Compare as files, so that both have been through the same rounding and the same words for nothing."""
    table.to_csv(tmp_path / "again.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "again.csv"), pd.read_csv(path), rtol=1e-6)


def test_the_pages_table_is_the_one_that_the_command_prints(finished):
    assert results.results_markdown(finished) in RESULTS


def cells(markdown):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]


def test_the_readmes_short_table_is_taken_from_the_long_ones(finished):
    short = cells(README.split("| arm | paper |")[1].split("\n\n")[0])[2:]
    wide = [comparison.load_runs(REFERENCE / name) for name in ("gpu", "imagenet-filters")]
    long = [cells(results.results_markdown(found))[2:] for found in (finished, *wide)]
    assert len(short) == 6
    for row, quarter, gpu, cpu in zip(short, *long, strict=True):
        full = gpu if cpu[2] == "not yet run" else cpu
        assert row[:4] == quarter[:4] and row[4] == quarter[4].split(":")[0]
        wide = full[2:4] + [full[4].split(":")[0]] if full[2] != "not yet run" else [full[2], "", ""]
        assert row[5:] == wide


@pytest.mark.parametrize(("profile", "page", "count"), [("tuned", BEYOND, 3), ("gpu", FULL_SCALE, 2)])
def test_the_page_has_the_tables_of_the_ladder(profile, page, count):
    found = beyond.load(REFERENCE / profile)
    printed = ladder.markdown(beyond.summarize(found), beyond.finals(found), beyond.race(found))
    assert len(printed) == count  # no ladder has been climbed on a GPU
    for table in printed:
        assert table in page


def test_no_rung_overfits_by_a_point():
    found = beyond.load(REFERENCE / "tuned")
    climbed = [found[name][0].history for name in recipes.NAMES if name in found]
    ahead = [100 * (own["accuracy"].iloc[-1] - own["val_accuracy"].iloc[-1]) for own in climbed]
    assert len(ahead) == 14 and max(ahead) < 1
    assert "no rung's training accuracy is a full point above that of PublicTest" in " ".join(BEYOND.split())


def test_the_page_has_the_table_of_memory_and_ease(capsys):
    assert memory.main([str(REFERENCE / "cpu")]) == 0
    assert capsys.readouterr().out in RESULTS
    assert "| without others | 67.7 | -7.5 (-11.6 to -3.4) |" in RESULTS
    assert "**7.5 points on those 643 faces are memory** (3.4 to 11.6)" in RESULTS
    assert "7.5 points on those faces (3.4 to 11.6)" in " ".join(README.split())


@pytest.mark.parametrize("recipe", ["whole-80", "small-80"])
def test_the_page_has_what_a_recipe_trained_without_duplicates_loses(recipe, capsys):
    lost = []
    for views in ("single", "scales"):
        assert memory.main([str(REFERENCE / "tuned"), "--recipe", recipe, "--views", views]) == 0
        table = capsys.readouterr().out
        assert views != "single" or table in RESULTS
        rows = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[4:]]
        of = {(faces, first, second): (gap, p) for faces, _, first, _, second, _, gap, p in rows}
        gap, _ = of["with a duplicate", "without twins", "without others"]
        loss, low, high = (f"{-float(value):.1f}" for value in re.findall(r"-\d+\.\d", gap))
        lost.append((loss, f"({high} to {low}"))
        assert all(float(p) > 0.05 for (faces, *_), (_, p) in of.items() if faces == "without a duplicate")
    (one, of_one), (six, of_six) = lost
    memory_is = f"**{one} points on those 643 faces are memory** {of_one})"
    assert (
        f"{memory_is}, and on the other faces no loss is seen. With six views it is {six} points {of_six})."
        in " ".join(RESULTS.split())
    )
    loses = {"whole-80": f"`whole-80` loses {one} points", "small-80": f"still loses {one}"}[recipe]
    assert f"{loses} {of_one};" in " ".join(README.split())


def test_the_readme_has_the_small_network_as_its_run_has_it():
    finals = beyond.finals(beyond.load(REFERENCE / "tuned")).set_index(["recipe", "views", "networks"])
    small = finals.loc["small-80", "scales", 1]
    both = [100 * finals.loc["small-80", views, 1]["private"] for views in ("single", "scales")]
    pace = json.loads((REFERENCE / "front/front.json").read_text())["networks"]["`small-80`"]["milliseconds"]
    said = "0.09 million parameters: {:.1f} % with one view, {:.1f} with six. One view takes {:.1f} ms on one core."
    assert said.format(*both, pace) in " ".join(README.split()) and small["seeds"] == 3
    kept = pd.read_csv(REFERENCE / "tuned/without_twins.csv")
    own = kept[kept["run"].str.fullmatch("small-80-seed[012] test-scales") & (kept["images"] == "without twins")]
    without = f"{100 * own['accuracy'].mean():.1f} without duplicates"
    assert f"({100 * small['low']:.1f} to {100 * small['high']:.1f}; {without})" in BEYOND and len(own) == 3


def test_the_code_that_the_page_shows_computes_what_it_says_of_ensembles():
    (code,) = re.findall(r"### Ensembles\n.*?```python\n(.*?)```", BEYOND, re.DOTALL)
    made = {"print": lambda *_: None}
    exec(code, made)
    page, best = " ".join(BEYOND.split()), made["groups"][-1]
    assert [run.name for run, _ in best] == [f"whole-80-seed{seed}" for seed in range(3)]
    public, private = (made["right"](best, split) for split in ("validation", "test"))
    low, high = evaluation.wilson_interval(private.sum(), len(private))
    facts = known.facts("official")
    assert (best[0][0].predictions["test"][0] == facts.row_ids).all()
    said = "they have {} % on PublicTest and **{} %** on PrivateTest ({} to {}; {} without duplicates)"
    assert said.format(*percents(public.mean(), private.mean(), low, high, private[~facts.twins].mean())) in page
    assert f"takes {sum(run.manifest['seconds'] for run, _ in best):,.0f} s of two cores" in page
    earlier = [group for group in made["groups"] if "whole-80-seed2" not in [run.name for run, _ in group]][-1]
    assert sorted(run.name for run, _ in earlier) == ["deepcnn-90-seed0", "whole-80-seed0", "whole-80-seed1"]
    assert f"with {percents(made['right'](earlier, 'test').mean())[0]} % on PrivateTest." in page
    seeds = [made["ladder"].right_together([run], "test-scales") for run in made["found"]["whole-80"]]
    ahead = percents(*(six.mean() - made["tens"].mean() for six in seeds))
    assert "are {}, {} and {} points ahead".format(*ahead) in page
    p_values = [f"{evaluation.mcnemar(six, made['tens'])['p_value']:.2f}" for six in seeds]
    assert "p = {}, {} and {})".format(*p_values) in page


@pytest.mark.parametrize("views", ["single", "scales"])
def test_the_page_has_the_tables_of_what_was_tried(views, capsys):
    assert ladder.main([str(REFERENCE / "tuned"), "--against", "whole-80", "--views", views]) == 0
    assert capsys.readouterr().out in BEYOND


@pytest.mark.parametrize("views", ["single", "scales"])
def test_the_page_has_the_best_recipe_backwards(views, capsys):
    assert ladder.main([str(REFERENCE / "backwards"), "--against", "whole-40", "--views", views]) == 0
    printed = capsys.readouterr().out
    assert printed in BEYOND
    page = " ".join(BEYOND.split())
    rows = [line.strip("| ").split(" | ") for line in printed.strip().splitlines()[3:]]
    said = {cells[0]: cells[5] for cells in rows}
    p_of = {name: float(p.strip("< ")) for name, p in said.items() if p}
    significant = [name for name, p in p_of.items() if p < 0.05]
    decay, large, wide = (said[name] for name in ("no-decay", "vgg16bn-as-large", "vgg16bn-as-wide"))
    assert significant == {"single": ["vgg16bn-as-wide"], "scales": ["vgg16bn-as-large", "vgg16bn-as-wide"]}[views]
    assert {
        "single": f"only the wide one does (p = {wide}). No weight decay costs 2.0 points with one view (p = {decay})",
        "scales": f"With six views, both widths differ significantly (p = {large} and {wide}).",
    }[views] in page  # fmt: skip
    gaps = {cells[0]: float(cells[4].split()[0]) for cells in rows if cells[4]}
    assert all(-2.1 <= gaps[f"vgg16bn-as-{size}"] <= -1.7 for size in ("large", "wide")) and "by 1.7 to 2.1" in page
    wide_gap = next(cells[4] for cells in rows if cells[0] == "vgg16bn-as-wide")
    assert views == "single" or (wide_gap, "1.9 points behind with six views (0.9 to 2.9)" in page) == (
        "-1.9 (-2.9 to -0.9)", True
    )  # fmt: skip
    assert views == "scales" or gaps["no-decay"] == -2.0
    assert len(p_of) == 8 and "corrected for eight recipes" in page
    runs_of = beyond.load(REFERENCE / "backwards")
    done = sum(map(len, runs_of.values()))
    assert done == 10 and "Ten trainings are done so far" in page
    assert {name: len(own) for name, own in runs_of.items() if len(own) > 1} == {"vgg16bn-as-wide": 2}
    per_pixel = {}  # multiplications; all networks are trained on the same crops
    for name in ("whole-40", "vgg16bn-as-large", "vgg16bn-as-wide"):
        settings = runs_of[name][0].manifest["settings"]
        per_pixel[name] = cost.WORK[settings["architecture"]].multiply_adds * settings["width"] ** 2
    parameters = [runs_of[name][0].manifest["trainable_parameters"] for name in ("vgg16bn-as-wide", "whole-40")]
    assert f"{parameters[0] / parameters[1]:.1f} times as many parameters" in page
    for name in ("vgg16bn-as-large", "vgg16bn-as-wide"):
        assert f"{per_pixel['whole-40'] / per_pixel[name]:.2f} times as many multiplications" in page
    profile = yaml.safe_load((runs.PROJECT_ROOT / "profiles/backwards.yaml").read_text(encoding="utf-8"))["trials"]
    ends = {name: f"{100 * own[0].history['accuracy'].iloc[-1]:.1f}" for name, own in runs_of.items()}
    assert f"ends at {ends['no-erasing']} % without erasing and at {ends['whole-40']} % for `whole-40`" in page
    answers = "validation" if views == "single" else "validation-scales"
    without, whole = (beyond.right_by_seed(runs_of[name][:1], answers)[0] for name in ("no-erasing", "whole-40"))
    row_ids, _, twins = heads.public_test()
    assert runs_of["whole-40"][0].predictions[answers][0].tolist() == row_ids.tolist()
    on_twins = evaluation.paired_difference(without[twins], whole[twins])
    on_others = evaluation.paired_difference(whole[~twins], without[~twins])
    for gap in (on_twins, on_others):
        low, high = (f"{100 * gap[end]:.1f}".replace("-0.0", "0.0") for end in ("low", "high"))
        assert f"({low} to {high})" in page and f"{100 * gap['difference']:.1f}" in page
    vgg16 = [*runs_of["vgg16bn-as-large"], *runs_of["vgg16bn-as-wide"]]
    whole, crops = (
        [f"{100 * beyond.right_by_seed([run], answers).mean():.1f}" for run in vgg16]
        for answers in ("validation-whole", "validation")
    )
    assert f"{whole[0]} % (as large) and {whole[1]} and {whole[2]} % (as wide)" in page
    assert f"instead of {crops[0]}, {crops[1]} and {crops[2]} %" in page
    assert all("tools/crops.py" in run.manifest["predicted_again"]["command"] for run in vgg16)
    for name, own in runs_of.items():
        recipe = recipes.read_recipe(profile[name]["RECIPE"], profile[name]["CHANGES"])
        for run in own:
            settings = recipes.as_dict(recipes.Recipe()) | run.manifest["settings"]  # what came later had its default
            assert settings == recipes.as_dict(recipe) and run.manifest["test_openings"] == 0


def test_the_page_of_full_scale_has_the_tables_that_its_command_prints():
    finished = comparison.load_runs(REFERENCE / "gpu")
    assert results.results_markdown(finished) in FULL_SCALE
    assert results.stopping(finished) in FULL_SCALE and results.stopping(finished).count("\n") == 13
    assert results.twins_markdown(pd.read_csv(REFERENCE / "gpu/without_twins.csv")) in FULL_SCALE


def test_the_page_has_the_arm_on_frozen_filters_beside_the_papers_head():
    table = results.results_markdown(comparison.load_runs(REFERENCE / "imagenet-filters")).splitlines()
    rows = [line for line in table if line.startswith(("| VGG16 transfer learning", "| VGG16 fine-tuning"))]
    assert "\n".join(rows) in FULL_SCALE and len(rows) == 2
    kept = pd.read_csv(REFERENCE / "imagenet-filters/without_twins.csv")
    assert results.twins_markdown(kept) in FULL_SCALE


def test_what_the_page_says_of_the_frozen_arm_and_duplicates():
    facts = known.facts("paper")

    def right(run, split, twins):
        rows, labels, probabilities = run.predictions[split]
        twin = facts.twins[np.searchsorted(facts.row_ids, rows)]
        return (probabilities.argmax(axis=1) == labels)[twin == twins]

    arms = [runs.read_run(REFERENCE / f"imagenet-filters/vgg16-transfer-seed{seed}") for seed in range(3)]
    assert {len(right(run, "validation", True)) for run in arms} == {610} and "for 610 of its faces" in FULL_SCALE
    said = [[round(100 * right(run, "validation", twins).mean()) for run in arms] for twins in (True, False)]
    assert [(min(shares), max(shares)) for shares in said] == [(86, 89), (54, 55)]
    assert "predicts the labels of 86 to 89 % of these and of 54 to 55 % of the others" in " ".join(FULL_SCALE.split())
    whole = [round(100 * run.metrics["train"]["accuracy"]) for run in arms]
    assert (min(whole), max(whole)) == (94, 97) and "94 to 97 % of Training's faces" in FULL_SCALE
    tuned = right(runs.read_run(REFERENCE / "gpu/vgg16-finetune-seed0"), "test", False)[None]
    frozen_arm = np.stack([right(run, "test", False) for run in arms])
    gap = paired.compare_answers(tuned, frozen_arm, evaluation.pooled_over_seeds([frozen_arm.mean(axis=1)]))
    points = [f"{100 * gap[name]:.1f}" for name in ("difference", "low", "high")]
    assert "({} points, {} to {}, over other seeds and faces)".format(*points) in " ".join(FULL_SCALE.split())
    assert f"{100 * tuned.mean():.1f} against {100 * frozen_arm.mean():.1f} %" in FULL_SCALE
    ours = runs.read_run(REFERENCE / "imagenet-filters/vgg16-finetune-seed0")
    page, without = " ".join(FULL_SCALE.split()), right(ours, "test", False)[None]
    of_seeds = evaluation.pooled_over_seeds([frozen_arm.mean(axis=1)])
    for other, words in (
        (frozen_arm, "{} points more ({} to {}, over"),
        (tuned, "{} points less without duplicates ({} to {})"),
    ):
        gap = paired.compare_answers(without, other, of_seeds)
        assert words.format(*(f"{100 * gap[name]:.1f}" for name in ("difference", "low", "high"))) in page
    shares = 100 * without.mean(), 100 * right(ours, "test", True).mean(), 100 * ours.metrics["train"]["accuracy"]
    assert f"the network has {shares[0]:.1f} % without faces that have a duplicate. Frozen it has" in page
    with_twins = 100 * np.mean([right(run, "test", True).mean() for run in arms])
    assert f"duplicate, the fine-tuned network has {shares[1]:.1f} %, the frozen ones {with_twins:.1f} %." in page
    assert f"predicts the labels of {shares[2]:.0f} % of Training's" in page
    assert f"without faces that have a duplicate in Training, 55.8 and {shares[0]:.1f} %." in " ".join(README.split())

    def macro_f1(run, chosen):
        rows, labels, probabilities = run.predictions["test"]
        kept = ~facts.twins[np.searchsorted(facts.row_ids, rows)] | chosen
        return 100 * evaluation.summarize(labels[kept], probabilities[kept])["macro_f1"]

    said = "macro-F1 is {:.1f} % against {:.1f} % frozen, and without duplicates {:.1f} against {:.1f} %."
    means = [np.mean([macro_f1(run, everyone) for run in own]) for everyone in (True, False) for own in ([ours], arms)]
    assert said.format(*means) in page


def test_the_page_has_what_a_large_head_remembers(capsys):
    assert memory.main([str(REFERENCE / "frozen")]) == 0
    printed = capsys.readouterr().out
    table = printed[printed.index("| faces") :].strip()
    assert table in FULL_SCALE and "-24.2 (-27.4 to -20.9)" in table
    assert "**24.9 points on the 610 faces with a duplicate are memory** (21.6 to 28.2)" in FULL_SCALE
    assert "| 88.0 | -24.9 (-28.2 to -21.6) |" in table
    assert "loses 24.9 points (21.6 to 28.2; PublicTest)" in " ".join(README.split())


def share_right(head, stage=4, preprocessing="imagenet", size=64):
    """Which of PublicTest's faces a head of seed 0 on stored features names rightly: bool (3589,)."""
    key = size, preprocessing, stage, 2, head, 1e-4, 25, "none", 0
    return heads.answered(REFERENCE / "frozen")[key] == heads.public_test()[1]


def percents(*values):
    return [f"{100 * value:.1f}" for value in values]


def said_loss(gap):
    return "{} ({} to {})".format(*percents(*(gap[name] for name in ("difference", "low", "high"))))


def test_what_the_page_says_of_heads_on_faces_without_a_duplicate():
    _, labels, twins = heads.public_test()
    kept = heads.answered(REFERENCE / "frozen")
    largest = np.stack([kept[96, "imagenet", 4, 2, "batch norm, 256", 1e-4, 25, "none", s] == labels for s in range(3)])
    own = largest[:, ~twins]
    for name in ("256", "batch norm", "paper"):
        other = share_right(name, size=96)
        gap = paired.compare_answers(own, other[None, ~twins], evaluation.pooled_over_seeds([own.mean(axis=1)]))
        lead = said_loss(gap)
        if name == "256":
            lead = lead.replace(")", f"; p = {gap['p_value']:.2f}, uncorrected)")
        assert f"| {name} | {100 * (largest.mean() - other.mean()):.1f} | {lead} |\n" in FULL_SCALE


def test_what_the_page_says_of_pixels_from_0_to_1():
    _, labels, twins = heads.public_test()
    page = " ".join(FULL_SCALE.split())
    table = heads.read_table(REFERENCE / "frozen/heads.csv").set_index(["size", "preprocessing", "stage", "head"])
    dead = table["dead units"].str.split().str[0]
    both, places = ("imagenet", "rescale"), ((64, 3), (64, 4), (64, 5), (96, 4))
    for size, stage in places:
        one, other = (share_right("batch norm, 256", stage, name, size) for name in both)
        shares = percents(one.mean(), other.mean(), one.mean() - other.mean())
        loss = said_loss(evaluation.paired_difference(one[~twins], other[~twins]))
        assert f"| {size} | {stage} | {' | '.join(shares)} | {loss} |\n" in FULL_SCALE
    for size, stage in places:
        shares = percents(*(share_right("paper", stage, name, size).mean() for name in both))
        counts = [dead[size, name, stage, "paper"] for name in both]
        assert f"| {size} | {stage} | {' | '.join(shares + counts)} |\n" in FULL_SCALE
    one, other = (share_right("paper", 4, name, 96)[~twins] for name in both)
    loss = said_loss(evaluation.paired_difference(one, other))
    assert f"Without duplicates, the loss on block 4 at 96 pixels is {loss.replace(' (', ' points (')}." in page
    alone = percents(*(share_right("paper", 5, name)[~twins].mean() for name in reversed(both)))
    assert "Without duplicates, block 5 at 64 pixels has {} % instead of {} %.".format(*alone) in page
    plain = percents(*(share_right("256", 4, name).mean() for name in reversed(both)))
    counts = [dead[64, name, 4, "256"] for name in reversed(both)]
    assert "{} instead of {} dead units, and {} instead of {} %.".format(*counts, *plain) in page
    kept = heads.answered(REFERENCE / "frozen")
    happy = (kept[64, "rescale", 5, 2, "paper", 1e-4, 25, "none", 0] == 3).mean()
    assert f"predicts happy for {100 * happy:.0f} % of the faces" in page
    blocks = percents(*(share_right("batch norm, 256", stage).mean() for stage in (3, 4, 5)))
    assert "have {} % on block 3, {} % on block 4 and {} % on block 5.".format(*blocks) in page


def test_what_the_page_says_of_heads_that_call_every_face_happy_and_of_enlarging():
    _, labels, twins = heads.public_test()
    table = heads.read_table(REFERENCE / "frozen/heads.csv")
    happy = table[table["right"] == 895]  # all of PublicTest's happy faces
    assert set(happy["head"]) == {"paper"} and set(happy["preprocessing"]) == {"imagenet"}
    assert sorted(zip(happy["stage"], happy["size"], strict=True)) == [(3, 64), (3, 96), (5, 48), (5, 96)]
    kept = [own for own in heads.answered(REFERENCE / "frozen").values() if (own == labels).sum() == 895]
    assert kept and all((own == 3).all() for own in kept)
    names = {"imagenet": ("paper", "256", "batch norm", "batch norm, 256"), "rescale": ("paper", "batch norm, 256")}
    for preprocessing, tried in names.items():
        for name in tried:
            small, large = (share_right(name, 4, preprocessing, size) for size in (64, 96))
            gain = large[~twins].mean() - small[~twins].mean()
            cells = [name, preprocessing, *percents(small.mean(), large.mean(), gain)]
            assert f"| {' | '.join(cells)} |\n" in FULL_SCALE


def test_the_heads_on_frozen_features_are_the_committed_ones():
    table, answers = heads.read_table(REFERENCE / "frozen/heads.csv"), heads.answered(REFERENCE / "frozen")
    assert frozen.markdown(table, answers) in FULL_SCALE
    assert (table["right"] / table["n"] * 100).round(2).tolist() == table["PublicTest %"].tolist()
    assert not table["commit"].str.contains("dirty|unknown").any()
    right = table.set_index(heads.KEY)["right"]
    _, labels, _ = heads.public_test()
    assert all((own == labels).sum() == right[key] for key, own in answers.items())


def test_the_scores_without_twins_are_of_the_runs_beside_them():
    kept = pd.read_csv(REFERENCE / "gpu/without_twins.csv").pivot(index="run", columns="images")
    answers = results.private_answers(REFERENCE / "gpu")
    assert set(kept.index) == set(answers)
    for name, (_, labels, probabilities) in answers.items():
        row = kept.loc[name]
        assert row["correct", "all"] == (probabilities.argmax(axis=1) == labels).sum()
        for column in ("n", "correct"):
            assert row[column, "all"] == row[column, "without twins"] + row[column, "twins only"]
    assert set(kept["n", "twins only"]) == {643}


def test_a_folder_without_a_look_at_private_test_is_named(tmp_path, capsys):
    assert private_test.main([str(tmp_path)]) == 1
    assert "holds no run that predicted PrivateTest. Give outputs/reference" in capsys.readouterr().err


def test_drawn_faces_are_no_look_at_private_test_whatever_they_are_called(tmp_path):
    for name, source, checksum in (("a", "", data.load_fer2013("sample").checksum), ("b", "", "of FER-2013")):
        shutil.copytree(REFERENCE / "cpu/resnet50-finetune-seed0", tmp_path / "x" / name)
        manifest = json.loads((tmp_path / "x" / name / "manifest.json").read_text())
        manifest["parameters"]["DATA"] = source
        runs.write_json(tmp_path / "x" / name / "manifest.json", manifest | {"data_checksum": checksum})
    assert private_test.looks(tmp_path).loc["together", "runs"] == 1


@pytest.mark.parametrize(
    ("source", "parts", "manifest", "counts"),
    [
        ("gpu/paper-protocol/vgg16-scratch-seed0", "validation", {"test_openings": 0}, [1, 49, 49]),  # never opened
        ("tuned/ladder/whole-80-seed0", "validation", {}, [1, 1, 3]),  # opened, and the answers are gone
        ("tuned/ladder/race-22-seed0", "", {"test_openings": 1}, [1, 1, 1]),  # as is every other trace
        ("cpu/vgg16-scratch-seed0", "", {}, [1, 1, 1]),
    ],
)
def test_a_look_that_left_few_traces_counts(tmp_path, source, parts, manifest, counts):
    folder = tmp_path / "x" / Path(source).name
    shutil.copytree(REFERENCE / source, folder)
    kept = dict(np.load(folder / "predictions.npz"))
    np.savez(folder / "predictions.npz", **{name: kept[name] for name in kept if name.startswith(parts)})
    runs.write_json(folder / "manifest.json", json.loads((folder / "manifest.json").read_text()) | manifest)
    if source.startswith("gpu"):
        metrics = json.loads((folder / "metrics.json").read_text())
        runs.write_json(folder / "metrics.json", {"validation": metrics["validation"]})
    assert private_test.looks(tmp_path).loc["together"].tolist() == counts


def test_the_page_counts_every_look_at_private_test():
    page = (runs.PROJECT_ROOT / "docs/private-test.md").read_text(encoding="utf-8")
    table = private_test.looks(REFERENCE)
    assert private_test.markdown(table) in page
    # By hand: 63 and 45 epochs of two runs from scratch, one network of the two arms that transfer; 49 that steered.
    assert table.loc["gpu"].tolist() == [4, 63 + 45 + 2, 63 + 45 + 2]
    assert table.loc["gpu/paper-protocol"].tolist() == [1, 49, 49]
    assert table.loc["tuned/ladder"].tolist() == [9, 9, 27]  # nine finals, asked in three ways each; rungs never


def test_the_page_has_the_table_of_the_benchmarks():
    rows = json.loads((REFERENCE / "benchmarks.json").read_text())["benchmarks"]
    assert summarize.markdown([row for row in rows if "gradient" not in row["group"]]) in SPEED


def test_the_page_has_the_gains_by_onednn():
    rows = json.loads((REFERENCE / "benchmarks-avx2.json").read_text())["benchmarks"]
    times = {
        row["name"]: "{times_as_fast:.2f} ({times_low:.2f} to {times_high:.2f})".format(**row)
        for row in rows
        if row["times_as_fast"]
    }
    names = {"vgg16": "VGG16, a quarter of its width", "resnet50": "ResNet50, a quarter", "erasing": "deep CNN, a half"}
    for recipe, name in names.items():
        cells = [times.pop(f"onednn[{work}-{recipe}]") for work in ("train", "predict")]
        assert f"| {name} | {' | '.join(cells)} |" in SPEED
    assert not times


def test_the_page_has_the_gradients_of_kernels():
    rows = json.loads((REFERENCE / "benchmarks.json").read_text())["benchmarks"]
    times = {
        (row["device"][:3], row["name"]): "{times_as_fast:.2f} ({times_low:.2f} to {times_high:.2f})".format(**row)
        for row in rows
        if row["name"].startswith("kernel_gradient")
    }
    places = [name[16:-10] for device, name in times if device == "AMD" and name.endswith("-bfloat16]")]
    assert len(places) == 9 and len(times) == 4 * 9 + 2
    columns = [(device, dtype) for device in ("Int", "AMD") for dtype in ("bfloat16", "float32")]
    for place in places:
        cells = [times[device, f"kernel_gradient[{place}-{dtype}]"] for device, dtype in columns]
        assert f"| {' | '.join([place.replace('-', ', '), *cells])} |" in SPEED.replace("**", "")
    for name in ("vgg16", "race"):
        fast, _, quartiles = times["Int", f"kernel_gradients[{name}]"].partition(" (")
        assert f" {fast}" in SPEED.replace("**", "").replace("\n", " ") and f"({quartiles[:-1]};" in SPEED


def test_the_page_has_the_race_beside_the_old_one():
    """Seconds of an epoch, validation included; the second seed of the shorter race never got there."""
    ladder_runs = REFERENCE / "tuned/ladder"
    old, new = (pd.read_csv(ladder_runs / f"{name}-seed1/history.csv") for name in ("race-32", "race-22"))
    before, now = (history["seconds"].median() for history in (old, new))
    page = " ".join(BEYOND.split())
    assert "{:.0f} and {:.0f} minutes".format(*(history["seconds"].sum() / 60 for history in (old, new))) in page
    assert f"An epoch took {before:.1f} s with the old code and {now:.1f} s with the new code (medians)" in page
    assert f"an epoch of the race takes {now / before:.2f} of the time" in SPEED
    assert f"an epoch became {100 * (1 - now / before):.0f} % faster" in page
    assert new["val_accuracy"].max() < beyond.PAPER_ACCURACY < old["val_accuracy"].max()
    minutes, seconds = divmod(round(new["seconds"].sum()), 60)
    last = new["val_accuracy"].iloc[-1]
    assert new["seconds"].iloc[:20].sum() > 20 * 60 and "where 20 epochs take longer than 20 minutes" in page
    passed = old["val_accuracy"][old["val_accuracy"] >= beyond.PAPER_ACCURACY].iloc[0]
    assert round(3589 * passed) - math.ceil(3589 * beyond.PAPER_ACCURACY) == 6
    assert "The second seed passed 67.23 % by six faces" in page
    assert f"never reached 67.23 %: it had {100 * last:.1f} % at its end, after {minutes} min {seconds} s" in page


def test_the_audit_is_that_of_the_runs_beside_it(finished, tmp_path):
    table = claims.audit(finished)
    same_tables(REFERENCE / "cpu/audit/claims.csv", table.round({"expected": 4, "ours_value": 4}), tmp_path)


def test_the_conclusions_are_those_of_the_runs_beside_them(conclusions, tmp_path):
    same_tables(REFERENCE / "cpu/audit/statements.csv", conclusions, tmp_path)


def test_the_pairs_are_those_of_the_runs_beside_them(finished, tmp_path):
    same_tables(REFERENCE / "cpu/compare/tables/pairs.csv", evaluation.pairwise(finished), tmp_path)


def test_the_readme_has_the_verdicts_of_the_conclusions(conclusions):
    lines = RESULTS.split("| conclusion |")[1].split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in rows] == list(CONCLUSIONS)
    table = conclusions.set_index("id")
    for words, on_paper, on_runs in rows:
        expected = table.loc[CONCLUSIONS[words]]
        assert on_paper.replace("by itself", "by the paper itself") == expected["paper_verdict"], words
        assert re.sub(r"\*| \(.*", "", on_runs) == expected["verdict"], words
        assert on_runs.endswith("*") == expected["reason"].endswith("the paper's own arms."), words
