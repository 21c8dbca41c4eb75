import pytest

from fer_utils.comparison import paper


def values(arm, quantity):
    table = paper.reported()
    return set(table.loc[(table["arm"] == arm) & (table["quantity"] == quantity), "value"])


# Each cell of the arms' results, contradictions included: (validation accuracies, training accuracies, seconds).
RESULTS = {
    "vgg16-scratch": ({67.23, 67.08, 67.2, 67.0}, {72.0, 73.7}, {1218.66, 1092.51}),
    "vgg16-transfer": ({67.18, 67.1, 60.0}, {79.69, 79.7, 80.0}, {16304.71, 6651.64}),
    "vgg16-finetune": ({64.80, 46.50, 48.1}, {50.0, 46.5}, {16326.17, 12329.30}),
    "resnet50-scratch": ({54.69, 54.7, 55.0}, {56.18, 56.2}, {1445.0, 1445.48}),
    "resnet50-transfer": ({28.46, 28.5}, {26.5}, {15911.03}),
    "resnet50-finetune": ({24.75, 24.8, 24.5}, {25.14, 25.1, 25.5}, {15911.03}),
}


def test_table_is_tidy():
    table = paper.reported()
    assert list(table.columns) == ["id", "arm", "quantity", "value", "unit", "place", "note"]
    assert table["id"].is_unique
    assert table.notna().all(axis=None)
    assert table["value"].dtype == float
    assert set(table["arm"]) == {*paper.ARMS, ""}
    assert (table["place"] != "").all()
    assert not table.duplicated(["arm", "quantity", "value", "place"]).any()


@pytest.mark.parametrize("arm", RESULTS)
def test_every_result_is_there_with_its_contradictions(arm):
    validation, training, seconds = RESULTS[arm]
    assert values(arm, "validation accuracy") == validation
    assert values(arm, "training accuracy") == training
    assert values(arm, "seconds") == seconds


def test_the_headline_contradicts_itself_by_place():
    table = paper.reported()
    rows = table[(table["arm"] == "vgg16-scratch") & (table["quantity"] == "validation accuracy")]
    by_place = dict(zip(rows["place"], rows["value"], strict=True))
    assert by_place["abstract"] == by_place["Table 4"] == by_place["conclusion"] == 67.23
    assert by_place["section 'VGG16 Trained from Scratch'"] == 67.08
    assert by_place["comparison section"] == 67.2


def test_ids_never_move():
    """Files that were written earlier name numbers by their ids."""
    table = paper.reported().set_index("id")
    assert table.loc["P001", "value"] == 67.23
    assert table.loc["P088", "value"] == 1774
    assert table.loc["P134", "quantity"] == "memory"
    assert table.loc["P135", "quantity"] == "minutes"


def test_reported_is_a_copy():
    table = paper.reported()
    table.loc[:, "value"] = 0.0
    assert paper.reported()["value"].max() > 0


def test_headline_is_in_the_units_of_our_metrics():
    assert paper.headline("vgg16-scratch") == {
        "training_accuracy": 0.737,
        "validation_accuracy": 0.672,
        "seconds": 1092.51,
    }
    assert paper.headline("resnet50-finetune") == {
        "training_accuracy": 0.251,
        "validation_accuracy": 0.248,
        "seconds": 15911.03,
    }
    with pytest.raises(ValueError, match="no arm 'vgg19-scratch'"):
        paper.headline("vgg19-scratch")


def test_what_is_stated_of_an_arm():
    assert paper.stated("vgg16-scratch", "seconds") == [1218.66, 1092.51]
    assert paper.stated("vgg16-scratch", "colour") == []
    # The section on VGG16 from scratch has 78 of the 100 that were planned.
    sizes = [(78, 48), (100, 224), (100, 224), (100, 48), (100, 224), (30, 224)]
    assert [paper.epochs_and_size(arm) for arm in paper.ARMS] == sizes
