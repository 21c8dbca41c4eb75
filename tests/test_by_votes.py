"""What tools/by_votes.py prints: answers against labels and against voters, by hand and on the committed answers."""

import by_votes
import front
import numpy as np
import pytest

from fer_utils import runs
from fer_utils.ladder.results import right_by_seed
from fer_utils.score import known

PAGE, README = (
    " ".join((runs.PROJECT_ROOT / name).read_text(encoding="utf-8").split())
    for name in ("docs/beyond-the-paper.md", "README.md")
)
BASE, BEST = by_votes.BASE, ("`whole-80`", "six views")


@pytest.fixture(scope="module")
def faces():
    return by_votes.faces_of("PrivateTest")


@pytest.fixture(scope="module")
def table(faces):
    return by_votes.gains(by_votes.all_answers(faces), faces)


def points(*values):
    return [f"{100 * value:.1f}" for value in values]


def test_gains_by_hand():
    """Eight faces, voters reject the label of four. The base hits three labels, two of them shared, and two favourites
    besides; the other all labels."""
    labels, favourites = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 0, 2, 2, 2, 2])
    faces = by_votes.Faces("PrivateTest", np.arange(8), labels, favourites)
    base = np.array([[0, 0, 5, 5, 1, 2, 2, 5]])
    found = by_votes.gains({BASE: base, ("other", "one view"): np.stack([labels, labels])}, faces)
    shares = ["labels", "votes", "shared", "rejected_labels", "rejected_votes"]
    assert found.loc[BASE, shares].tolist() == [3 / 8, 4 / 8, 2 / 4, 1 / 4, 2 / 4]
    assert found.loc[("other", "one view"), shares].tolist() == [1, 0.5, 1, 1, 0]
    # 5/8 more by the labels, none by the votes; the base is 0 from itself.
    assert found.loc[("other", "one view"), "more"] == pytest.approx(5 / 8)
    assert found.loc[BASE, "more"] == 0
    assert found["seeds"].tolist() == [1, 2] and found.index[0] == BASE  # the fewest hits first


def test_the_faces_are_those_without_a_duplicate_and_with_a_favourite(faces):
    facts = known.facts()
    chosen = np.isin(facts.row_ids, faces.row_ids)
    assert not facts.twins[chosen].any() and (facts.labels[chosen] == faces.labels).all()
    assert len(faces.labels) == 2745 and (faces.labels != faces.favourites).sum() == 941
    assert "(n = 2,745)" in PAGE and "the 1,804 faces whose label is the favourite" in PAGE and "the 941 whose" in PAGE


def test_answers_are_found_by_their_rows(faces):
    (run, *_) = front.runs_of(front.NETWORKS[BASE[0]])
    answers = by_votes.answers_of([run], "test", faces)
    kept = np.isin(run.predictions["test"][0], faces.row_ids)
    right = right_by_seed([run], "test")[0]
    assert (answers[0] == faces.labels).sum() == right[kept].sum()


def test_the_page_has_the_table(table):
    printed = by_votes.markdown(table)
    assert printed in (runs.PROJECT_ROOT / "docs/beyond-the-paper.md").read_text(encoding="utf-8")
    assert len(table) == 9 and len(printed.splitlines()) == 11


def test_the_figure_has_both_kinds_of_hits_of_every_row(table, faces):
    ax = by_votes.draw(table, faces)
    assert [line.get_label() for line in ax.containers] == ["the label", "the voters' favourite"]
    drawn = [line.lines[0].get_xdata().tolist() for line in ax.containers]
    assert drawn == [table["labels"].tolist(), table["votes"].tolist()]
    assert (
        runs.PROJECT_ROOT / "outputs/reference/by_votes.png"
    ).is_file() and "outputs/reference/by_votes.png)" in PAGE


def test_the_page_and_the_readme_say_what_the_table_has(table):
    base, best, deeper = (table.loc[key] for key in (BASE, BEST, ("`deepcnn-200` (GPU)", "six views")))
    by_labels, by_votes_, shared = points(*(best - base)[["labels", "votes", "shared"]])
    assert f"there are {by_labels} points more by the labels and {by_votes_} by the votes" in PAGE
    assert f"rise by {by_labels} points, of the voters' favourite by {by_votes_} (six views" in README
    assert f"whose label the voters share, the gain is {shared} points" in PAGE
    named = points(best["rejected_labels"], base["rejected_labels"], best["rejected_votes"], base["rejected_votes"])
    assert (
        "names the label on {} % instead of {}, and the voters' favourite on {} instead of {}.".format(*named) in PAGE
    )
    assert "on {:.0f} % of these faces instead of {:.0f}.".format(*map(float, named[:2])) in README
    assert table["labels"].idxmax() == deeper.name and deeper["votes"] < best["votes"]
    other = by_votes.faces_of("PublicTest")
    gain = by_votes.gains(by_votes.all_answers(other), other)
    gain = (gain.loc[BEST] - gain.loc[BASE])[["labels", "votes"]]
    assert "{} points by the labels, {} by the votes (n = 2,808)".format(*points(*gain)) in PAGE
    assert len(other.labels) == 2808


def test_what_the_page_says_of_fine_tuning_by_the_votes(faces):
    found = {}
    for name in ("finetune", "scratch"):
        answers = by_votes.answers_of(front.runs_of(f"gpu/vgg16-{name}"), "test", faces)
        hits = answers == faces.favourites
        balanced = np.mean([hits[:, faces.favourites == emotion].mean() for emotion in range(7)])
        found[name] = (hits.mean(), (answers == 6).mean(), balanced)
    tuned, scratch = (points(*found[name]) for name in ("finetune", "scratch"))
    assert f"by the votes, {tuned[0]} and {scratch[0]} (one and two seeds)" in PAGE
    assert f"answers neutral to {float(tuned[1]):.0f} % of them, from scratch {float(scratch[1]):.0f} %" in PAGE
    assert f"it has {tuned[2]} % by the votes, from scratch {scratch[2]}" in PAGE
