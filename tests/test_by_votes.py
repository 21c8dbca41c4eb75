"""What tools/by_votes.py prints: answers against labels and against voters, by hand and on the committed answers."""

from types import SimpleNamespace

import by_votes
import front
import numpy as np
import pytest

from fer_utils import runs
from fer_utils.labels import ferplus
from fer_utils.ladder.results import right_by_seed
from fer_utils.names import EMOTIONS
from fer_utils.score import known

BEYOND, README = (
    (runs.PROJECT_ROOT / name).read_text(encoding="utf-8") for name in ("docs/beyond-the-paper.md", "README.md")
)
PAGE, README = (" ".join(text.split()) for text in (BEYOND, README))
BASE, BEST, SMALL, VOTED = by_votes.BASE, by_votes.BEST, by_votes.SMALL, by_votes.VOTED
NEUTRAL = 6
RANGE = "difference", "low", "high"


@pytest.fixture(scope="module")
def private():
    faces = by_votes.faces_of("PrivateTest")
    return faces, by_votes.all_hits(faces)


@pytest.fixture(scope="module")
def public():
    faces = by_votes.faces_of("PublicTest")
    return faces, by_votes.all_hits(faces)


def points(*values):
    return [f"{100 * value:.1f}" for value in values]


def gaps(hits, key, base=BASE, measures=("by labels", "by votes")):
    """The differences as the page writes them, without a sign."""
    return points(*(by_votes.gain(hits, key, measure, base)["difference"] for measure in measures))


def hand_made():
    """Eight faces, each twice, four with a label that all but 0, 1, 2 and 2 voters outvote. The base hits three labels,
    two of them the favourite, and two favourites besides; the best, of two seeds, hits all labels."""
    labels, favourites = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 0, 2, 2, NEUTRAL, NEUTRAL])
    own_votes, base = np.array([9, 9, 9, 9, 0, 1, 2, 2]), np.array([0, 0, 5, 5, 1, 2, NEUTRAL, 5])
    labels, favourites, own_votes, base = (np.repeat(each, 2) for each in (labels, favourites, own_votes, base))
    faces = by_votes.Faces("PrivateTest", np.arange(16), labels, favourites, own_votes)
    answers = {BASE: base[None], BEST: np.stack([labels, labels])}
    return faces, {key: by_votes.hits_of(own, faces) for key, own in answers.items()}


def test_a_face_gets_the_answer_that_its_row_has():
    faces, _ = hand_made()
    given = np.arange(16) % 7
    answers = [np.arange(16)[::-1], faces.labels[::-1], np.eye(7)[given[::-1]]]
    run = SimpleNamespace(predictions={"test": answers}, folder=runs.PROJECT_ROOT / "outputs/x")
    assert by_votes.answers_of([run], "test", faces).tolist() == [given.tolist()]
    for part, other in ((0, answers[0] + 1), (1, (answers[1] + 1) % 7)):
        run.predictions["test"] = [*answers[:part], other, *answers[part + 1 :]]
        with pytest.raises(runs.RunError, match="outputs/x: its PrivateTest is not that of fer2013.csv"):
            by_votes.answers_of([run], "test", faces)


def test_hits_and_gains_by_hand():
    faces, hits = hand_made()
    assert hits[BASE].mean(axis=(1, 2)).tolist() == [3 / 8, 4 / 8]
    assert hits[BEST].mean(axis=(1, 2)).tolist() == [1, 0.5] and hits[BEST].shape == (2, 2, 16)
    gained = {measure: by_votes.gain(hits, BEST, measure)["difference"] for measure in by_votes.MEASURES}
    assert gained == pytest.approx({"by labels": 5 / 8, "by votes": 0, "more by labels": 5 / 8})
    # Of the favourites 0 (four faces), 2 (two) and neutral (two), the base hits 2, 1 and 1.
    scaled = by_votes.alike(hits[BASE], faces)
    assert scaled.mean(axis=(1, 2)) == pytest.approx([(2 / 4 + 1 / 4) / 2, (2 / 4 + 1 / 2 + 1 / 2) / 3])
    assert scaled.shape == hits[BASE].shape and not scaled[~hits[BASE]].any()


def test_each_network_brings_its_seeds_spread_once():
    _, hits = hand_made()
    wild = np.stack([hits[BEST][:, 0], ~hits[BEST][:, 0]], axis=1)
    once = by_votes.gain({**hits, ("wild", "one view"): wild}, BEST, "by labels")
    twice = by_votes.gain({**hits, ("wild", "one view"): wild, ("wild", "six views"): wild}, BEST, "by labels")
    assert once == twice != by_votes.gain(hits, BEST, "by labels")


def test_the_kinds_of_faces_by_hand():
    faces, hits = hand_made()
    kinds = {words: np.flatnonzero(chosen[::2]).tolist() for words, chosen in by_votes.kinds_of(faces).items()}
    assert kinds == {
        "all": list(range(8)),
        "the label is the favourite": [0, 1, 2, 3],
        "it is not, and no voter gives it": [4],
        "it is not, and one voter gives it": [5],
        "it is not, and two or more give it": [6, 7],
        "the favourite is neutral": [6, 7],
        "the favourite is another": [0, 1, 2, 3, 4, 5],
    }
    lines = by_votes.kinds_markdown(hits, faces).splitlines()
    assert len(lines) == 9 and lines[3].startswith("| the label is the favourite | 8 | 50.0 to 100.0 | +50.0 (")


def test_the_faces_are_those_without_a_duplicate_and_with_a_favourite(private):
    faces, _ = private
    facts = known.facts()
    chosen = np.isin(facts.row_ids, faces.row_ids)
    assert not facts.twins[chosen].any() and (facts.labels[chosen] == faces.labels).all()
    share = points((faces.labels == faces.favourites).mean())[0]
    said = f"There are {len(faces.labels):,} such faces; the most frequent vote is the label on {share} % of them"
    assert said in PAGE


def test_answers_are_found_by_their_rows(private):
    (run, *_) = front.runs_of(front.NETWORKS[BASE[0]])
    faces, hits = private
    kept = np.isin(run.predictions["test"][0], faces.row_ids)
    assert hits[BASE][0, 0].sum() == right_by_seed([run], "test")[0][kept].sum()


def test_the_page_has_both_tables(private):
    faces, hits = private
    networks, kinds = by_votes.networks_markdown(hits, faces), by_votes.kinds_markdown(hits, faces)
    assert networks in BEYOND and kinds in BEYOND and by_votes.kinds_markdown(hits, faces, SMALL, VOTED) in BEYOND
    assert len(hits) == 11 and len(networks.splitlines()) == 13


def test_the_figure_has_both_kinds_of_hits_of_every_network(private):
    faces, hits = private
    ax = by_votes.draw(hits, faces)
    assert [drawn.get_label() for drawn in ax.containers] == ["the label", "the voters' favourite"]
    shares = np.array(sorted(tuple(own.mean(axis=(1, 2))) for own in hits.values()))
    np.testing.assert_allclose([drawn.lines[0].get_xdata() for drawn in ax.containers], shares.T)
    assert (
        runs.PROJECT_ROOT / "outputs/reference/by_votes.png"
    ).is_file() and "outputs/reference/by_votes.png)" in PAGE


def test_what_the_page_says_of_gains(private, public):
    (faces, hits), (others, other_hits) = private, public
    by_labels, by_votes_ = (by_votes.gain(hits, BEST, measure) for measure in ("by labels", "by votes"))
    said = [points(*(found[name] for name in ("difference", "low", "high"))) for found in (by_labels, by_votes_)]
    words = "with six views gains {} points by the labels ({} to {}), and {} by the votes ({} to {})"
    assert words.format(*said[0], *said[1]) in PAGE
    assert "8.7 and 1.0 (n = 2,808)" in PAGE and len(others.labels) == 2808
    assert gaps(other_hits, BEST) == ["8.7", "1.0"]
    for where, found, words in (
        (faces, hits, "the gains are {} and {} points"),
        (others, other_hits, "(PublicTest: {} and {})"),
    ):
        best, base = (by_votes.alike(found[key], where).mean(axis=(1, 2)) for key in (BEST, BASE))
        assert words.format(*points(*(best - base))) in PAGE
    scaled = {key: by_votes.alike(own, others) for key, own in other_hits.items()}
    apart = by_votes.gain(scaled, BEST, "more by labels")
    assert "On PublicTest it is {} ({} to {}).".format(*points(*(apart[name] for name in RANGE))) in PAGE
    assert f"only {(faces.favourites == EMOTIONS.index('disgust')).sum()} of PrivateTest's 2,745 faces" in PAGE
    one_view = gaps(hits, (BEST[0], "one view"))
    assert "with one view for both, the gains are {} and {}.".format(*one_view) in PAGE
    evenly = by_votes.alike(hits[BEST], faces)[1].mean()
    assert "others are ahead (`whole-80`: {} %, six views)".format(*points(evenly)) in PAGE
    table = by_votes.alike_markdown(hits, faces)
    assert table in BEYOND
    assert (
        "| +2.2 (-2.5 to +6.8) |" in table
        and "is then 2.2 points, which may be chance on PrivateTest (-2.5 to 6.8)" in PAGE
    )
    assert "| +1.3 (-2.5 to +5.1) |" in table and "may be chance (+1.3, -2.5 to 5.1)" in PAGE
    resnet = gaps(hits, BASE, ("ResNet50, quarter width", "one view"))
    assert "the two gains are {} and {} points".format(*resnet) in PAGE
    apart = by_votes.gain(hits, (BEST[0], "one view"), "more by labels", ("VGG16 (GPU)", "one view"))
    assert (
        "the difference is {} ({} to {})".format(*points(*(apart[name] for name in ("difference", "low", "high"))))
        in PAGE
    )
    voters, given = ((truth == NEUTRAL).mean() for truth in (faces.favourites, faces.labels))
    assert voters > 1.9 * given and "voters call more faces neutral than the labels do" in PAGE


def test_what_the_page_says_of_labels_that_no_voter_gives(private, public):
    found = []
    for faces, hits in (private, public):
        chosen = by_votes.kinds_of(faces)["it is not, and no voter gives it"]
        own = {key: hit[:, :, chosen] for key, hit in hits.items()}
        gained = by_votes.gain(own, BEST, "by labels")
        found.append((chosen.sum(), own[BASE][0].mean(), own[BEST][0].mean(), gained))
    n, base, best, gained = found[0]
    interval = points(*(gained[name] for name in ("difference", "low", "high")))
    other = points(*(found[1][3][name] for name in ("difference", "low", "high")))
    assert f"On {n} faces, not one of ten voters gives the label" in PAGE
    assert "predicts this label on {} % of the 420 faces, and `whole-80` on {} %.".format(*points(base, best)) in PAGE
    assert "The gain is {} points ({} to {}; PublicTest: {}, {} to {})".format(*interval, *other) in PAGE


def test_what_the_pages_say_of_training_on_votes(private, public):
    faces, hits = private
    (small_labels, small), (voted_labels, voted) = (points(*hits[key].mean(axis=(1, 2))) for key in (SMALL, VOTED))
    more, elsewhere = (
        points(*(by_votes.gain(found, VOTED, "by votes", SMALL)[name] for name in ("difference", "low", "high")))
        for _, found in (private, public)
    )
    assert f"most frequent vote on **{voted} %** of these faces instead of {small} %." in PAGE
    assert "The gain is {} percentage points ({} to {}; PublicTest: {}, {} to {})".format(*more, *elsewhere) in PAGE
    assert f"It predicts the label on {voted_labels} % instead of {small_labels} %." in PAGE
    assert f"most frequent vote on {voted} % of the 2,745 faces (trained on labels: {small}) and the label on" in README
    assert f"the label on {voted_labels} % ({small_labels})" in README
    assert max(hits, key=lambda key: hits[key][1].mean())[0] == VOTED[0] and hits[VOTED].shape[1] == 3
    alike = points(*(by_votes.alike(hits[key], faces)[1].mean() for key in (VOTED, SMALL)))
    assert "it has {} %, and `small-80` trained on labels has {} %.".format(*alike) in PAGE
    assert (
        "with every emotion counted equally, it is {} % instead of {} (the difference may be chance).".format(*alike)
        in README
    )


def test_what_the_pages_say_of_neutral_and_votes(private):
    faces, hits = private
    kinds = by_votes.kinds_of(faces)
    neutral, another = kinds["the favourite is neutral"], kinds["the favourite is another"]
    same = ((faces.labels == NEUTRAL) & neutral).sum()
    counted = f"On {neutral.sum():,} of the {len(faces.labels):,} faces, neutral has the most votes"
    assert f"{counted}; the label is neutral on {same} of these" in PAGE
    assert f"is neutral on {neutral.sum():,} faces; the label is neutral on {same} of these" in README

    def named(chosen, place=1):
        return points(*(hits[key][place][:, chosen].mean() for key in (SMALL, VOTED)))

    assert "neutral on {} %, and the network trained on votes on {} %.".format(*named(neutral)) in PAGE
    words = "On the other {:,} faces, the two networks predict the most frequent vote on {} and {} %"
    assert words.format(another.sum(), *named(another)) in PAGE
    assert "predicts that label on {1} %. The network trained on labels predicts it on {0} %.".format(
        *named(kinds["it is not, and no voter gives it"], place=0)
    ) in PAGE  # fmt: skip
    clear = kinds["the label is the favourite"] & another
    gap = by_votes.gain({key: own[:, :, clear] for key, own in hits.items()}, VOTED, "by labels", SMALL)
    apart = points(gap["low"], gap["high"])
    words = (
        "On {:,} faces, the label is the most frequent vote and not neutral. "
        "There the two networks are not significantly different: {} and {} % ({} to {})"
    )
    assert words.format(clear.sum(), *named(clear), *apart) in PAGE
    fear = faces.favourites == 2
    small, voted = (
        by_votes.answers_of(front.runs_of(by_votes.ALL[network]), "test", faces) == NEUTRAL
        for network, _ in (SMALL, VOTED)
    )
    assert f"predicts neutral on {100 * voted.mean():.0f} % of the faces instead of {100 * small.mean():.0f} %" in PAGE
    words = "On the {0} faces with most votes for fear, it predicts fear on {2} % instead of {1} %"
    assert words.format(fear.sum(), *named(fear)) in PAGE


def test_how_many_votes_are_left_out_in_training():
    votes = ferplus.shipped_votes()[:28709]
    kept = votes[:, list(ferplus.EMOTION_COLUMNS)].sum(axis=1)
    assert f"({points(1 - kept.sum() / votes.sum())[0]} %) are left out; {(kept == 0).sum()} of 28,709 faces" in PAGE
    facts = known.facts()
    favourites = ferplus.favourite(facts.votes)
    shares = []
    for run in front.runs_of(by_votes.ALL[VOTED[0]]):
        predicted = run.predictions["test"][2].argmax(axis=1)
        shares.append((predicted == favourites)[favourites >= 0].mean())
    assert f"the most frequent vote on {points(np.mean(shares))[0]} % of {(favourites >= 0).sum():,} faces" in PAGE


def test_what_the_page_says_of_fine_tuning_by_the_votes(private):
    faces, hits = private
    answers = {
        name: by_votes.answers_of(front.runs_of(f"gpu/vgg16-{name}"), "test", faces) for name in ("scratch", "finetune")
    }
    own = {name: by_votes.hits_of(given, faces) for name, given in answers.items()}
    (scratch, scratch_votes), (tuned, tuned_votes) = (points(*hit.mean(axis=(1, 2))) for hit in own.values())
    neutral = [f"{100 * (given == NEUTRAL).mean():.0f}" for given in answers.values()]
    alike = points(*(by_votes.alike(hit, faces)[1].mean() for hit in own.values()))
    assert f"| from scratch | 2 | {scratch} % | {scratch_votes} % | {alike[0]} % | {neutral[0]} % |" in PAGE
    assert f"| fine-tuned | 1 | {tuned} % | {tuned_votes} % | {alike[1]} % | {neutral[1]} % |" in PAGE
    assert [len(given) for given in answers.values()] == [2, 1]
    assert f"With two seeds and one, {scratch_votes} and {tuned_votes} % can hardly be distinguished" in PAGE
