"""What a student reads beside the code: exercises, their answers, the glossary and the links to it."""

import ast
import pkgutil
import re

import nbformat
import numpy as np
import pandas as pd
import pytest

from fer_utils import evaluation, runs
from fer_utils.audit import checks
from fer_utils.labels import duplicates

ROOT = runs.PROJECT_ROOT
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
RUNNING = (ROOT / "docs/running.md").read_text(encoding="utf-8")
ANSWERS = (ROOT / "course/answers.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^## (.+)$", GLOSSARY, re.M)


def slug(heading):
    """The anchor that GitHub and MyST make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def markdown_of(path):
    return "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")


def exercises_of(path):
    """The three exercises at a notebook's end, as text."""
    text = nbformat.read(path, 4).cells[-1].source.partition("## Exercises")[2]
    return [item for item in re.split(r"\n(?=\d\. )", text) if re.match(r"\d\. ", item)]


# --- exercises -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_exercise_says_its_kind_and_minutes_and_can_be_checked_or_is_a_discussion(path):
    exercises = exercises_of(path)
    assert len(exercises) == 3
    for exercise in exercises:
        kind, minutes = re.match(
            r"\d\. \*\*(Measure|Write|Discuss), (\d+) minutes(?:, on paper)?\.\*\* ", exercise
        ).groups()
        assert ("*Check:*" in exercise) == (kind != "Discuss")
        assert int(minutes) <= 30


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_exercise_writes_into_a_folder_of_its_own(path):
    for number, exercise in enumerate(exercises_of(path), start=1):
        own = f"outputs/exercise/{path.stem[:2]}-{number}"
        for folder in re.findall(r'OUTPUT_DIR = "(.+?)"', exercise):
            assert folder == own or folder.startswith(f"{own}/")
        if "EPOCHS" in exercise or "SEED = " in exercise or "CHANGES" in exercise:  # it makes a run
            assert own in exercise


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_exercise_sets_only_parameters_that_its_notebooks_have(path):
    text = "".join(exercises_of(path))
    stems = [path.stem, *(other.stem for other in NOTEBOOKS if f"notebook {other.stem[:2]}" in text)]
    known = set().union(*(runs.declared_parameters(stem) for stem in stems))
    assert set(re.findall(r"`([A-Z_]{4,}) = ", text)) <= known


def test_the_lines_that_compare_two_runs_do(capsys):
    code = RUNNING.partition("## Exercises")[2].partition("```python\n")[2].partition("```")[0]
    plain, changed = "outputs/interactive/vgg16-scratch-seed0", "outputs/exercise/03-1/vgg16-scratch-seed0"
    reference = "outputs/reference/cpu/vgg16-scratch-seed"
    exec(code.replace(plain, f"{reference}0").replace(changed, f"{reference}1"), {})
    first, second = (runs.read_run(ROOT / f"{reference}{seed}") for seed in (0, 1))
    difference = second.metrics["test"]["accuracy"] - first.metrics["test"]["accuracy"]
    assert f"'difference': {difference:.4f}"[:-1] in capsys.readouterr().out
    assert difference < 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_exercise_has_an_answer_and_a_measured_one_a_number(path):
    number = path.stem[:2]
    assert f"../course/answers.md#notebook-{number}" in markdown_of(path)
    section = ANSWERS.partition(f'<a id="notebook-{number}"></a>\n\n## Notebook {number}\n')[2].partition("\n<a id=")[0]
    answers = dict(re.findall(r"### Exercise (\d)\n(.*?)(?=\n### |\Z)", section, re.S))
    assert list(answers) == ["1", "2", "3"]
    for exercise, answer in zip(exercises_of(path), answers.values()):
        if "**Discuss" not in exercise:
            assert re.search(r"\d", answer)


# --- the glossary ----------------------------------------------------------------------------------------------------


def test_the_glossarys_terms_are_in_alphabetical_order_and_have_anchors():
    assert sorted(TERMS, key=str.lower) == TERMS
    anchors = [slug(term) for term in TERMS]
    assert len(set(anchors)) == len(anchors) >= 40
    for term, anchor in zip(TERMS, anchors):  # JupyterLab finds no heading by the anchor that GitHub makes of it
        assert f'<a id="{anchor}"></a>\n\n## {term}\n' in GLOSSARY


def test_every_link_to_the_glossary_leads_to_a_term_and_every_term_is_linked():
    anchors = {slug(term) for term in TERMS}
    pages = [*NOTEBOOKS, *(ROOT / "docs").glob("*.md"), *(ROOT / "course").glob("*.md"), ROOT / "README.md"]
    linked = set(re.findall(r"\]\(#([\w-]+)\)", GLOSSARY))
    for path in pages:
        text = markdown_of(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")
        found = re.findall(r"\]\(([./\w-]*glossary\.md)#([\w-]+)\)", text)
        assert all((path.parent / page).resolve() == ROOT / "docs/glossary.md" for page, _ in found), path.name
        linked |= {anchor for _, anchor in found}
    assert linked - anchors == set()
    assert anchors - linked == set()


def test_a_notebook_links_a_term_once():
    for path in NOTEBOOKS:
        found = re.findall(r"glossary\.md#([\w-]+)", markdown_of(path))
        assert len(set(found)) == len(found), path.stem


def test_what_the_glossary_says_is_computed_somewhere_is():
    named = set(re.findall(r"`(\w+(?:\.\w+)+)`", GLOSSARY))
    for name in named:
        assert pkgutil.resolve_name(name if name.startswith("fer_utils") else f"fer_utils.{name}"), name
    assert len(named) > 20


def test_the_glossarys_small_numbers_are_those_that_the_package_computes():
    assert (
        "p = 0.109" in GLOSSARY
        and round(evaluation.mcnemar([True] * 8 + [False] * 2, [False] * 8 + [True] * 2)["p_value"], 3) == 0.109
    )
    assert "0.03, 0.06, 0.06" in GLOSSARY and evaluation.holm([0.01, 0.03, 0.04]).round(2).tolist() == [
        0.03,
        0.06,
        0.06,
    ]
    assert "0.325" in GLOSSARY and round(checks.entropy([9, 1]), 3) == 0.325
    low, high = evaluation.wilson_interval(360, 600)
    assert f"{100 * low:.1f} to {100 * high:.1f} %" in GLOSSARY
    assert (checks.right_answers(33.33, 12), checks.right_answers(35.00, 12)) == (4, None)
    seeds = evaluation.over_seeds([60, 61, 62])
    assert (seeds["mean"], seeds["sd"], round(seeds["high"] - 61, 1)) == (61, 1, 2.5)


def test_the_glossarys_examples_are_those_of_the_committed_runs():
    text = " ".join(GLOSSARY.split())
    reference = ROOT / "outputs/reference"
    runs_of_vgg16 = [runs.read_run(reference / f"cpu/vgg16-scratch-seed{seed}") for seed in range(3)]
    tests = [run.metrics["test"] for run in runs_of_vgg16]
    packaged = runs.read_run(reference / "network", needs="validation").metrics
    one, six = packaged["test"], packaged["test-scales"]
    disgust, (low, high) = one["per_class"]["disgust"], one["accuracy_interval"]
    seeds = {name: evaluation.over_seeds([100 * test[name] for test in tests]) for name in ("accuracy", "macro_f1")}
    table = pd.read_csv(reference / "cpu/compare/tables/intervals.csv").set_index(["run", "measure"])
    f1 = 100 * table.loc[("vgg16-scratch-seed0", "macro_f1"), ["value", "low", "high"]]
    pairs = pd.read_csv(reference / "cpu/compare/tables/pairs.csv").set_index(["first", "second"])
    welch = pairs.loc[("vgg16-scratch", "resnet50-scratch")]
    accuracy = seeds["accuracy"]
    right, of = round(55 * disgust["recall"]), round(55 * disgust["recall"] / disgust["precision"])
    for said in (
        f"an accuracy of {accuracy['mean']:.1f} % (mean of three seeds)",
        f"VGG16 from scratch has {accuracy['mean']:.1f} % ({accuracy['low']:.1f} to {accuracy['high']:.1f}, three",
        f"a macro-F1 of {seeds['macro_f1']['mean']:.1f} % and an accuracy of {accuracy['mean']:.1f} %",
        "accuracy of {:.1f} % and a balanced accuracy of {:.1f} %".format(
            *(100 * tests[0][name] for name in ("accuracy", "balanced_accuracy"))
        ),
        f"a macro-F1 of {f1['value']:.1f} % ({f1['low']:.1f} to {f1['high']:.1f})",
        f"row fear and column surprise hold {tests[0]['confusion_matrix'][2][5]}.",
        f"{100 * one['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f}, one view)",
        f"{100 * one['accuracy']:.1f} % with one view and {100 * six['accuracy']:.1f} % averaged over six views",
        f"disgust for {of} faces, and {right} of them have this label: {100 * disgust['precision']:.1f} %",
        f"finds {right} of the 55 disgusted faces: {100 * disgust['recall']:.1f} %",
        "AUC of {:.2f} for happy and {:.2f} for fear".format(
            *(one["per_class"][name]["auc"] for name in ("happy", "fear"))
        ),
        f"a log loss of {one['log_loss']:.3f} nats",
        f"has {100 * welch['difference']:.1f} points more than ResNet50, both from scratch "
        f"({100 * welch['own_low']:.1f} to {100 * welch['own_high']:.1f}, three",
        f"differ with p = {pairs.loc[('vgg16-scratch', 'vgg16-transfer'), 'own_p_holm']:.3f} after correction",
    ):
        assert said in text, said


# --- worked cases ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stem", "said"),
    [
        ("06_compare_strategies", ["0.109", "58.5 to 63.5", "0.7 to 5.3 points, p = 0.015", "0.03, 0.06"]),
        ("07_audit_the_paper", ["= 0.325", "= 0.693", "= 0.347", "= 9.03", "1,021.4", "2,042.9"]),
        (
            "09_labels_and_errors",
            [
                "3 of 4 twins and 1 of 4 others. The difference is 50 percentage points",
                "the gap within emotions is 0",
            ],
        ),
    ],
)
def test_a_case_that_is_worked_on_paper_gives_the_same_by_the_package(stem, said, capsys):
    """The code cells beside the text, run alone."""
    cells = nbformat.read(ROOT / "notebooks" / f"{stem}.ipynb", 4).cells
    text = " ".join(markdown_of(ROOT / "notebooks" / f"{stem}.ipynb").split())
    assert all(number in text for number in said)
    names = {"evaluation": evaluation, "checks": checks, "duplicates": duplicates, "pd": pd}
    shown = [
        by_the_package(cell.source, names)
        for cell in cells
        if cell.cell_type == "code" and cell.id.startswith("paper-")
    ]
    if stem.startswith("06"):
        assert round(shown[0]["p_value"], 3) == 0.109
        assert (round(shown[1]["low"], 1), round(shown[1]["high"], 1), round(shown[1]["p_value"], 3)) == (
            0.7,
            5.3,
            0.015,
        )
        assert shown[2].round(2).tolist() == [0.03, 0.06, 0.06]
        assert "'low': 58.51" in capsys.readouterr().out
    elif stem.startswith("07"):
        assert shown[0] == [4, None, None, 2043]
        assert [round(float(word), 2) for word in capsys.readouterr().out.split()] == [0.33, 0.69, 0.35, 9.03]
    else:
        assert shown[0]["gap"] == 0
        twins, right = np.array(names["twins"]), np.array(names["right"])
        assert (right[twins].mean(), right[~twins].mean()) == (0.75, 0.25)


def by_the_package(source, names):
    """Run a cell in a namespace; its last expression's value."""
    *steps, last = ast.parse(source).body
    exec(compile(ast.Module(steps, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)
