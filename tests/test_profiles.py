"""Profiles: what each mistake in one is answered with."""

from pathlib import Path

import pytest

from fer_utils.workflow.profiles import (
    BEYOND,
    ProfileError,
    choose_data,
    existing_path,
    read_count,
    read_profile,
    read_seeds,
)

NOTEBOOKS = {
    "01_explore_data": {"DATA": "", "OUTPUT_DIR": "outputs"},
    "03_train_from_scratch": {
        "DATA": "",
        "OUTPUT_DIR": "outputs",
        "SEED": 0,
        "ARCHITECTURE": "vgg16",
        "WIDTH": 0.125,
        "EPOCHS": 10,
        "LEARNING_RATE": 1e-3,
        "AUGMENT": True,
    },
    BEYOND: {"TEACHERS": "", "TRAIN_WITHOUT": "none", "CHANGES": ""},
}


@pytest.fixture
def read(tmp_path, monkeypatch):
    """A function that reads a profile with the given text, as profiles/mine.yaml."""
    monkeypatch.delenv("FER_DATA", raising=False)
    (tmp_path / "profiles").mkdir()

    def read(text):
        (tmp_path / "profiles" / "mine.yaml").write_text(text, encoding="utf-8")
        return read_profile("mine", NOTEBOOKS, tmp_path)

    return read


def test_a_profile_without_mistakes(read):
    profile = read(
        "seeds: [0, 1]\njobs: 2\nall: {DATA: sample, WIDTH: 1}\n"
        "03_train_from_scratch: {EPOCHS: 5, resnet50: {EPOCHS: 7, LEARNING_RATE: 1.0e-4}}\n"
    )
    assert (profile.name, profile.path) == ("mine", "profiles/mine.yaml")
    assert (profile.seeds, profile.jobs, profile.architectures) == ((0, 1), 2, ("vgg16", "resnet50"))
    assert profile.common == {"DATA": "sample", "WIDTH": 1}
    expected = {"EPOCHS": 5, "resnet50": {"EPOCHS": 7, "LEARNING_RATE": 1e-4}}
    assert profile.sections == {"01_explore_data": {}, "03_train_from_scratch": expected, BEYOND: {}}


def test_an_empty_profile_has_defaults(read):
    profile = read("")
    assert (profile.seeds, profile.jobs, profile.architectures) == ((0,), 1, ("vgg16", "resnet50"))


SECTION = "03_train_from_scratch"
MISTAKES = [
    (f"{SECTION}: {{EPOCH: 5}}", f"profiles/mine.yaml: {SECTION}: unknown parameter EPOCH; did you mean EPOCHS?"),
    (
        f"{SECTION}: {{resnet50: {{WITDH: 1.0}}}}",
        f"profiles/mine.yaml: {SECTION}: resnet50: unknown parameter WITDH; did you mean WIDTH?",
    ),
    (f"{SECTION}: {{resnet: {{WIDTH: 1.0}}}}", f"{SECTION}: unknown parameter resnet; did you mean resnet50?"),
    ("01_explore_data: {EPOCHS: 5}", "01_explore_data: unknown parameter EPOCHS. Known: DATA, OUTPUT_DIR"),
    ("01_explore_data: {vgg16: {DATA: a}}", "01_explore_data: unknown parameter vgg16. Known: DATA, OUTPUT_DIR"),
    ("all: {LEARNING_RAT: 1.0}", "all: unknown parameter LEARNING_RAT; did you mean LEARNING_RATE?"),
    ("03_train_from_scrach: {EPOCHS: 5}", f"unknown section 03_train_from_scrach; did you mean {SECTION}?"),
    ("seed: [1]", "unknown section seed; did you mean seeds?"),
    ("all: {EPOCHS: 5.5}", "all: EPOCHS=5.5 makes no sense: give a whole number"),
    ("all: {EPOCHS: true}", "all: EPOCHS=True makes no sense: give a whole number"),
    ("all: {AUGMENT: 1}", "all: AUGMENT=1 makes no sense: give True or False"),
    ("all: {LEARNING_RATE: 1e-4}", "LEARNING_RATE='1e-4' makes no sense: give a number; YAML reads"),
    ("all: {EPOCHS: 012}", "012 would be read as 10: write the number that you mean"),
    ("all: {EPOCHS: 1:30}", "1:30 would be read as 90: write the number"),
    ("seeds: [010]", "010 would be read as 8: write the number"),
    ("all: {SEED: 1}", "all: SEED differs from run to run; use `seeds:` at the top level"),
    (f"{SECTION}: {{ARCHITECTURE: vgg16}}", "ARCHITECTURE differs from run to run; use `architectures:`"),
    (f"{SECTION}: {{OUTPUT_DIR: here}}", "OUTPUT_DIR is the same for the whole study; set it under `all:`"),
    (f"{SECTION}: {{DATA: x.csv}}", "DATA is the same for the whole study; set it under `all:`"),
    (f"{SECTION}: {{vgg16: {{DATA: x.csv}}}}", "vgg16: DATA is the same for the whole study"),
    (f"{SECTION}: 5", f"{SECTION}: needs parameters below it, not 5"),
    ("all: [DATA]", "all: needs parameters below it, not ['DATA']"),
    ("seeds: [one]", "profiles/mine.yaml: seeds: needs a whole number from 0 to 4294967295, not 'one'"),
    ("seeds: []", "profiles/mine.yaml: seeds: needs whole numbers, such as"),
    ("jobs: 0", "profiles/mine.yaml: jobs: needs a whole number from 1 to 1000000000, not 0"),
    ("architectures: [vgg19]", "profiles/mine.yaml: architectures: unknown name vgg19; did you mean vgg16?"),
    ("architectures: [[vgg16]]", "profiles/mine.yaml: architectures: unknown name ['vgg16']; did you mean vgg16?"),
    (f"seeds: {list(range(101))}", "profiles/mine.yaml: seeds: 101 seeds are too many. Give at most 100"),
    ("architectures: vgg16", "profiles/mine.yaml: architectures: needs a list, such as [vgg16, resnet50]"),
    ("architectures: 0", "profiles/mine.yaml: architectures: needs a list, such as [vgg16, resnet50]"),
    ("comparators: [vgg19]", "comparators: unknown name vgg19; did you mean vgg16bn?"),
    ("ladder: [mixups]", "profiles/mine.yaml: ladder: unknown name mixups; did you mean mixup?"),
    ("ladder: [ten-crop]", "profiles/mine.yaml: ladder: unknown name ten-crop"),  # another way of asking
    ("finals: [crop]", "profiles/mine.yaml: finals: needs names with RECIPE and CHANGES below them"),
    ("finals: {long: crop}", "finals: long: needs RECIPE and, where it differs from the rung, CHANGES"),
    ("finals: {long: {RECIPE: crop, EPOCHS: 3}}", "finals: long: needs RECIPE and"),
    ("finals: {long: {RECIPE: crap}}", "finals: long: RECIPE='crap' is unknown; did you mean crop?"),
    ("finals: {long: {RECIPE: crop, CHANGES: epochs=0}}", "finals: long: epochs=0 must lie in [1, 10000]"),
    ("finals: {mixup: {RECIPE: crop, CHANGES: epochs=3}}", "needs a name of its own"),
    ("finals: {x: {RECIPE: crop, CHANGES: taught=0.5}}", "a study cannot train teachers before their student"),
    ("finals: {1: {RECIPE: crop, CHANGES: epochs=3}}", "finals: 1 is no text: put the name between quotes"),
    ("trials: {wide: {RECIPE: crop}}\nall: {FINAL: true}", "all: FINAL differs from run to run; use `finals:`"),
    ("trials: {wide: {RECIPE: crop, CHANGES: width=9}}", "trials: wide: width=9"),
    (f"{BEYOND}: {{TEACHERS: outputs/x}}", "TEACHERS: a study cannot train teachers before their student"),
    (f"ladder: [crop]\n{BEYOND}: {{TRAIN_WITHOUT: twins}}", "TRAIN_WITHOUT would change the networks of the ladder's"),
    ("ladder: [crop]\nall: {TRAIN_WITHOUT: twins}", "TRAIN_WITHOUT would change the networks of the ladder's"),
    (f"ladder: [crop]\n{BEYOND}: {{CHANGES: epochs=3}}", "CHANGES would change the networks of the ladder's"),
    ("all: {DATA: sample", "profiles/mine.yaml: is not readable as YAML:"),
    ("- all", "profiles/mine.yaml: needs sections, such as `all:`, at its top level"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_each_mistake_is_one_clear_error(read, text, message):
    with pytest.raises(ProfileError) as caught:
        read(text)
    assert message in str(caught.value)


def test_a_missing_profile_names_a_near_one(read, tmp_path):
    read("")
    with pytest.raises(ProfileError, match=r"there is no profile profiles/mien\.yaml; did you mean mine\?"):
        read_profile("mien", NOTEBOOKS, tmp_path)


def test_what_the_system_refuses_to_look_up_or_read_is_an_error_like_any_other(read, tmp_path, monkeypatch):
    long = "x" * 300
    with pytest.raises(ProfileError, match="there is no profile"):
        read_profile(long, NOTEBOOKS, tmp_path)
    with pytest.raises(ProfileError, match="DATA: there is no file or folder xxx"):
        existing_path("DATA", long, tmp_path)

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    read("")
    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(ProfileError, match=r"profiles/mine\.yaml: cannot be read \(Permission denied\)"):
        read_profile("mine", NOTEBOOKS, tmp_path)


def test_a_path_is_a_profile_too(tmp_path):
    path = tmp_path / "other.yaml"
    path.write_text("seeds: [3]")
    profile = read_profile(str(path), NOTEBOOKS, tmp_path)
    assert (profile.name, profile.seeds) == ("other", (3,))


def test_seeds_and_counts_are_read_from_text():
    assert read_seeds("SEEDS", "0 1 2") == read_seeds("SEEDS", "0,1, 2") == (0, 1, 2)
    assert read_seeds("SEEDS", "3 3 1") == (3, 1)
    assert [read_seeds("SEEDS", text) for text in ("3", "3,", "0")] == [(0, 1, 2), (3,), (0,)]  # a count, or a list
    assert read_count("JOBS", "4") == 4
    with pytest.raises(ProfileError, match="SEEDS: needs a whole number from 0 to"):
        read_seeds("SEEDS", "-1")
    with pytest.raises(ProfileError, match="JOBS: needs a whole number from 1 to 1000000000, not 'many'"):
        read_count("JOBS", "many")


def test_data_comes_from_the_command_line_then_the_profile_then_the_environment(read, tmp_path, monkeypatch):
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.csv").touch()
    needs_data, has_data, leaves_it = read('all: {DATA: ""}'), read("all: {DATA: sample}"), read("")
    assert choose_data(needs_data, "a.csv", tmp_path) == "a.csv"
    assert choose_data(has_data, "a.csv", tmp_path) == "a.csv"
    assert choose_data(leaves_it, "", tmp_path) == ""
    monkeypatch.setenv("FER_DATA", str(tmp_path / "b.csv"))
    assert choose_data(needs_data, "", tmp_path) == str(tmp_path / "b.csv")
    assert choose_data(has_data, "", tmp_path) == "sample"
    assert choose_data(needs_data, "kaggle", tmp_path) == "kaggle"


def test_data_that_is_needed_or_not_there_is_an_error(read, tmp_path):
    profile = read('all: {DATA: ""}')
    with pytest.raises(ProfileError, match=r"runs on the real FER-2013[\s\S]*DATA=path/to[\s\S]*DATA=kaggle"):
        choose_data(profile, "", tmp_path)
    with pytest.raises(ProfileError, match=r"DATA: there is no file or folder nowhere\.csv"):
        choose_data(profile, "nowhere.csv", tmp_path)
    for place in ("https://www.kaggle.com/datasets/a/faces", "msambare/fer2013"):
        with pytest.raises(ProfileError, match=f"DATA: there is no file or folder {place}, but .* Give DATA=kaggle"):
            choose_data(profile, place, tmp_path)
    with pytest.raises(ProfileError, match=r"/tiny \(relative paths start in .*\)\. Give the path of one$"):
        existing_path("SOURCE", "https://www.kaggle.com/datasets/a/tiny", tmp_path)
    assert existing_path("SOURCE", "sample", tmp_path) == "sample"
    with pytest.raises(ProfileError, match="SOURCE: there is no file or folder kaggle"):  # which has faces alone
        existing_path("SOURCE", "kaggle", tmp_path)
