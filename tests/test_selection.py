import numpy as np
import pytest

from fer_utils import runs
from fer_utils.evaluation import epoch_choice


def right(*counts, n=100):
    """bool (epochs, n): in each epoch the first so many images are right."""
    return np.arange(n) < np.array(counts)[:, np.newaxis]


@pytest.fixture
def epochs():
    #      epoch      1   2   3   4
    # PublicTest     50  60  55  58    best in 2
    # PrivateTest    51  57  62  54    best in 3
    # merged        101 117 117 112    best in 2, the first of two
    return {"validation": right(50, 60, 55, 58), "test": right(51, 57, 62, 54)}


def test_each_rule_chooses_its_epoch_and_reports_its_split(epochs):
    table = epoch_choice.selection_table(epochs, threshold=0.58).set_index("rule")
    assert table["epoch"].tolist() == [4, 2, 3, 2, 2, 2]
    assert table["reported"].tolist() == pytest.approx([0.54, 0.57, 0.62, 0.60, 0.585, 0.585])
    assert table["n"].tolist() == [100, 100, 100, 100, 200, 200]
    assert table["private"].tolist() == pytest.approx([0.54, 0.57, 0.62, 0.57, 0.57, 0.57])
    # Against the official epoch, the second, on the same images; PublicTest and the merged images choose it, too.
    assert table["inflation"].tolist() == pytest.approx([-0.03, 0, 0.05, 0, 0, 0])
    best_private = table.loc["best on PrivateTest"]
    assert best_private["inflation_low"] <= 0.05 <= best_private["inflation_high"]
    assert table.loc["last epoch", "low"] == pytest.approx(0.4426, abs=1e-3)  # Wilson, 54 of 100


def test_images_that_are_easier_are_no_inflation():
    """PublicTest is ten points easier in every epoch, and the last epoch the best on all: choosing gains nothing."""
    table = epoch_choice.selection_table({"validation": right(60, 70), "test": right(50, 60)}).set_index("rule")
    assert table.loc["best on PublicTest, and that is reported", "reported"] == 0.7
    assert table.loc["best on both merged (paper)", "reported"] == 0.65
    assert table["inflation"].dropna().tolist() == [0, 0, 0, 0, 0]


def test_choosing_on_the_merged_images_adds_what_the_official_epoch_lacks_there():
    table = epoch_choice.selection_table({"validation": right(60, 59), "test": right(50, 55)}).set_index("rule")
    row = table.loc["best on both merged (paper)"]  # 114 of 200 in epoch 2, against 110 in epoch 1
    assert row["inflation"] == pytest.approx(0.02)
    assert row["inflation_low"] < 0.02 < row["inflation_high"]


def test_a_threshold_stops_at_the_first_epoch_above_it_or_never(epochs):
    first = epoch_choice.selection_table(epochs, threshold=0.5).iloc[-1]
    assert first["epoch"] == 1 and first["rule"] == "first above 50 % on both merged (paper)"
    never = epoch_choice.selection_table(epochs).iloc[-1]
    assert never["epoch"] is None or np.isnan(never["epoch"])
    assert np.isnan(never["reported"]) and np.isnan(never["inflation"])


def test_optimism_is_nothing_for_one_epoch_and_grows_with_the_number_of_equal_ones():
    generator = np.random.default_rng(0)
    one = generator.random((1, 2000)) < 0.6
    assert epoch_choice.optimism(one, samples=400)["mean"] == pytest.approx(0, abs=0.003)
    many = generator.random((50, 2000)) < 0.6  # fifty networks of one skill: the best of them is luck alone
    # expected maximum of 50 standard normals is 2.25; one half of 1000 images has a standard error of 0.0155
    assert epoch_choice.optimism(many, samples=400)["mean"] == pytest.approx(2.25 * 0.0155, abs=0.012)


def test_epochs_come_back_as_written(tmp_path, epochs):
    labels = {"validation": np.array([0, 3], np.uint8), "test": np.array([6], np.uint8)}
    probabilities = {
        "validation": np.eye(7)[[[0, 3], [0, 4], [1, 3]]],
        "test": np.eye(7)[[[6], [6], [0]]],
    }
    epoch_choice.save_epochs(tmp_path, labels, probabilities)
    found = epoch_choice.read_epochs(tmp_path)
    assert found["validation"].tolist() == [[True, True], [True, False], [False, True]]
    assert found["test"].tolist() == [[True], [True], [False]]


def test_a_run_without_epochs_says_how_to_get_them(tmp_path):
    with pytest.raises(runs.RunError, match="epochs.npz: no predictions of every epoch.*KEEP_EPOCHS=True"):
        epoch_choice.read_epochs(tmp_path)


@pytest.mark.parametrize("kept", [0, 100])
def test_a_damaged_file_is_named(tmp_path, kept):
    labels = {split: np.zeros(4, np.uint8) for split in ("validation", "test")}
    epoch_choice.save_epochs(tmp_path, labels, {split: np.ones((2, 4, 7)) for split in labels})
    path = tmp_path / epoch_choice.FILE
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(runs.RunError, match="no predictions of every epoch .*epochs.npz is damaged"):
        epoch_choice.read_epochs(tmp_path)


def test_runs_of_the_papers_protocol_are_left_out_by_name(tmp_path):
    finished = []
    for name, protocol, kept in (("a", "official", True), ("b", "paper", True), ("c", "official", False)):
        (tmp_path / name).mkdir()
        if kept:
            (tmp_path / name / epoch_choice.FILE).touch()
        finished.append(runs.Run(tmp_path / name, {"parameters": {"PROTOCOL": protocol}}, {}, None, {}))
    found, notes = epoch_choice.with_epochs(finished)
    assert [run.name for run in found] == ["a"]
    assert notes == ["Left out: b was made by the protocol paper, not official."]
