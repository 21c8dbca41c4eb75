"""Numbers in the sentences of docs/results.md, of provenance, answers and notebooks follow from the committed files."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from fer_utils import comparison, evaluation, runs
from fer_utils.labels import ferplus
from fer_utils.ladder import recipes

REFERENCE = runs.PROJECT_ROOT / "outputs/reference"
TABLES = REFERENCE / "cpu/labels/tables"


def words(path):
    """The text of a page, or of a notebook's markdown, on one line."""
    text = (runs.PROJECT_ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".ipynb"):
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n".join("".join(cell["source"]) for cell in cells)
    return " ".join(text.split())


PAGE, AUDIT, LABELS = map(words, ("docs/results.md", *(f"notebooks/{name}.ipynb" for name in (
    "07_audit_the_paper", "09_labels_and_errors"))))  # fmt: skip


def points(*values):
    return [f"{100 * value:.1f}" for value in values]


@pytest.fixture(scope="module")
def answers():
    """What the eighteen runs answered about PrivateTest, and the votes on it: (names, right, labels, votes)."""
    finished = comparison.load_runs(REFERENCE / "cpu")
    row_ids, labels, _ = finished[0].predictions["test"]
    right = np.stack([run.predictions["test"][2].argmax(axis=1) == labels for run in finished])
    return [run.name for run in finished], right, labels, ferplus.shipped_votes()[row_ids]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (
            "vgg16-scratch",
            "resnet50-scratch",
            "{} points ({} to {}, p < 0.0001; by their own seeds {} to {}, p = 0.003)",
        ),
        ("resnet50-scratch", "resnet50-finetune", "{} ({} to {}, p = 0.004; own {} to {}, p = 0.03)"),
        ("vgg16-finetune", "resnet50-finetune", "{} ({} to {}, p = 0.008; own {} to {}, p = 0.07)"),
    ],
)
def test_pairs_of_arms(first, second, said):
    pairs = pd.read_csv(REFERENCE / "cpu/compare/tables/pairs.csv").set_index(["first", "second"])
    assert "14 of 15 pairs differ" in PAGE and pairs["differ"].sum() == 14
    assert "12 of 15 do (Welch" in PAGE and pairs["own_differ"].sum() == 12
    pair = pairs.loc[(first, second)]
    assert said.format(*points(*pair[["difference", "low", "high", "own_low", "own_high"]])) in PAGE
    for p in pair[["p_holm", "own_p_holm"]]:
        assert f"p = {p:.1g}" in said or (p < 0.0001 and "p < 0.0001" in said)


def test_what_an_epochs_choice_adds():
    luck = pd.read_csv(REFERENCE / "cpu/audit/optimism.csv")["mean"]
    assert "is {} to {} points on average".format(*points(luck.min(), luck.max())) in PAGE
    rules = pd.read_csv(REFERENCE / "cpu/audit/selection.csv").query("rule == 'best on both merged (paper)'")
    most = rules.loc[rules["inflation"].idxmax(), ["inflation", "inflation_low", "inflation_high"]]
    assert (
        "has {:.0f} to {} points more *there*".format(*map(float, points(rules["inflation"].min(), most.iloc[0])))
        in PAGE
    )
    assert "({}: {} to {})".format(*points(*most)) in PAGE


def test_what_voters_say_of_the_labels():
    by_class = pd.read_csv(TABLES / "agreement_by_class.csv", index_col="label")
    for column, said in (
        ("share", "61.3 % (fear 12.5 %, happy 91.4 %)"),
        ("over_half", "54.6 % (fear 7.0 %, happy 89.5 %)"),
    ):
        assert "{} % (fear {} %, happy {} %)".format(*points(*by_class.loc[["all", "fear", "happy"], column])) == said
        assert said in PAGE
    ceiling = pd.read_csv(TABLES / "ceiling.csv", index_col=["rule", "split"]).loc[("plurality", "PrivateTest")]
    for name in ("voter", "favourite_or_wrong", "voter_same", "favourite"):
        said = "{} % ({} to {})".format(*points(*ceiling[[name, f"{name}_low", f"{name}_high"]]))
        assert said in PAGE, name
    rescored = pd.read_csv(TABLES / "rescored.csv").query("run.str.startswith('vgg16-scratch') and rule == 'plurality'")
    by_labels, by_votes = rescored.groupby("labels", sort=False)["accuracy"].mean().iloc[1:]
    assert "from scratch has {} % instead of {} % (means".format(*points(by_votes, by_labels)) in PAGE


def test_errors_that_all_runs_share(answers):
    stands = pd.read_csv(TABLES / "label_stands.csv", index_col="images")
    shared, others = stands.loc["wrong in all runs"], stands.loc["the others"]
    assert int((~answers[1]).all(axis=0).sum()) == shared["n"] == 381 and "381 images are wrong in all eighteen" in PAGE
    kept = [f"{100 * row['votes_for_label']:.0f} %" for row in (shared, others)]
    share = "{} % ({} to {})".format(*points(*shared[["share", "low", "high"]]))
    assert f"| wrong in all runs | 381 | {share} | {kept[0]} |" in PAGE
    assert f"| the rest | {others['n']:,.0f} | {points(others['share'])[0]} % | {kept[1]} |" in PAGE
    assert f"On {points(shared['other'] / 381)[0]} % of the 381, another emotion has the most votes" in PAGE
    assert "In seven of eight errors that all of the reference's runs share" in LABELS
    assert [round(8 * (1 - shared["share"])), round(3 * (1 - others["share"]))] == [7, 1]  # elsewhere in one of three


def test_no_run_hits_labels_beyond_the_voters_favourite(answers):
    names, right, labels, votes = answers
    favourite, share = ferplus.favourite(votes), ferplus.agreement(votes)
    edges = list(zip(ferplus.AGREEMENT_BINS[:-1], ferplus.AGREEMENT_BINS[1:], strict=True))
    leads = []
    for low, high in edges:
        chosen = (favourite >= 0) & (share > low) & (share <= high)
        for own in right[:, chosen]:
            stands = (favourite == labels)[chosen]
            leads.append((evaluation.mcnemar(own, stands)["p_value"], own.mean() > stands.mean()))
    above = [p for p, ahead in leads if ahead]
    assert f"There are {len(leads)} comparisons ({len(names)} runs, four bins). The largest lead has p = 0.03" in LABELS
    assert round(min(above), 2) == 0.03 and min(above) * len(leads) > 1


def test_who_always_says_neutral_gains_by_votes(answers):
    _, _, labels, votes = answers
    table = ferplus.rescored(labels, np.full(len(labels), 6), votes)["accuracy"]
    said = "gains 17 percentage points ({} to {} %)".format(*points(*table.iloc[1:]))
    assert said in LABELS and round(100 * (table.iloc[2] - table.iloc[1])) == 17


def test_where_labels_go_among_voters():
    seen = pd.read_csv(TABLES / "answers_by_label.csv", index_col="label")
    leaves = seen.to_numpy().sum() - sum(seen.loc[name, name] for name in seen.index)
    goes = sum(seen.loc[name, to] for name in seen.index for to in ("neutral", "sad") if to != name)
    assert round((goes + seen.loc["fear", "surprise"]) / leaves, 2) == 0.66
    assert "In two thirds of these cases, it is neutral, sad or (only for the label fear) surprise." in LABELS


def test_where_the_papers_contradictions_lie():
    table = pd.read_csv(REFERENCE / "cpu/audit/claims.csv")
    found = table[table["verdict"].str.startswith("contradicted")]
    of_arms = found["arm"].notna() & found["quantity"].str.contains("accuracy|seconds")
    assert (len(found), of_arms.sum()) == (39, 17) and "of 39, seventeen are accuracies and times" in AUDIT
    assert found["quantity"].str.contains("class count").sum() == 13 and "thirteen are the class counts" in AUDIT
    arms = set(found["arm"].dropna().str.partition("-")[0])
    assert arms == {"vgg16"} and "Among the arms, only those of VGG16 have contradicted numbers" in AUDIT


def test_the_price_of_class_weights():
    table = pd.read_csv(TABLES / "class_weights.csv", index_col="emotion")
    whole, disgust = table.loc["all"], table.loc["disgust"]
    assert "disgust {:.1f} times an average image".format(disgust["weight"]) in PAGE
    assert f"disgust is found in {100 * disgust['weighted_recall']:.0f} % of its 55 faces instead of none" in PAGE
    drop = points(-whole["difference"], -whole["high"], -whole["low"], whole["weighted_recall"])
    assert "accuracy by {} points ({} to {}) to {} %".format(*drop) in PAGE
    assert "from {} to {} %".format(*points(*whole[["precision", "weighted_precision"]])) in PAGE
    for name in ("happy", "neutral"):
        assert "{} {}from {:.0f} to {:.0f} %".format(
            name, "falls " if name == "happy" else "", *(100 * table.loc[name, ["recall", "weighted_recall"]])
        ) in PAGE  # fmt: skip


def test_provenance_names_the_commit_of_each_training():
    page = words("docs/provenance.md")
    for folder in ("tuned", "votes", "backwards", "gpu", "imagenet-filters"):
        for path in (REFERENCE / folder).rglob("manifest.json"):
            assert json.loads(path.read_text(encoding="utf-8"))["git_commit"][:7] in page, path


def test_what_the_backbones_cost():
    places = ("{}-pretrain", "own-pretraining/{}-pretrain-seed1", "own-pretraining/{}-pretrain-seed2")
    paths = {name: [REFERENCE / "cpu" / place.format(name) for place in places] for name in ("vgg16", "resnet50")}
    vgg16, resnet50 = (
        [json.loads((path / "manifest.json").read_text(encoding="utf-8"))["seconds"] for path in own]
        for own in paths.values()
    )
    said = "{:,.0f}, {:,.0f} and {:,.0f} s to pretrain (seeds 0, 1 and 2)".format(*vgg16)
    assert said in words("notebooks/02_pretrain_backbone.ipynb")
    answer = words("course/answers.md")
    assert "took {:,.0f} and {:,.0f} s (VGG16), and".format(*vgg16[1:]) in answer
    assert "and {:,.0f} and {:,.0f} s (ResNet50)".format(*resnet50[1:]) in answer
    saved = [2977 - 1018] * 2 + [2541 - 857] * 2
    least = [f"{pretraining / less:.2f}" for pretraining, less in zip(vgg16[1:] + resnet50[1:], saved, strict=True)]
    assert "k > {} and {} for VGG16, and k > {} and {} for ResNet50".format(*least) in answer


def test_what_notebooks_01_and_08_say_of_voters_and_of_the_first_rung():
    ceiling = pd.read_csv(TABLES / "ceiling.csv", index_col=["rule", "split"]).loc[("plurality", "all")]
    said = f"one vote agrees with the label in {100 * ceiling['voter']:.0f} % of cases"
    assert said in words("notebooks/01_explore_data.ipynb")
    profile = yaml.safe_load((runs.PROJECT_ROOT / "profiles/cpu.yaml").read_text(encoding="utf-8"))
    epochs = profile["03_train_from_scratch"]["vgg16"]["EPOCHS"]
    said = f"with {recipes.Recipe().epochs} epochs instead of {epochs}"
    assert said in words("notebooks/08_beyond_the_paper.ipynb")
