import dataclasses

import pytest

from fer_utils.ladder import recipes
from fer_utils.ladder.recipes import Recipe, RecipeError


def test_each_rung_is_the_one_before_with_its_own_change():
    for rung in recipes.LADDER[1:]:
        below = recipes.as_dict(recipes.read_recipe(recipes.path(rung.name)[-2].name))
        own = recipes.as_dict(recipes.read_recipe(rung.name))
        assert {key for key in own if own[key] != below[key]} == set(rung.settings), rung.name


def test_first_rung_is_the_arm_of_profile_cpu():
    first = recipes.read_recipe(recipes.NAMES[0])
    assert (first.architecture, first.width, first.learning_rate, first.batch_size) == ("vgg16", 0.25, 5e-4, 64)
    assert (first.optimizer, first.schedule, first.augmentation, first.head) == ("adam", "plateau", "paper", "paper")
    assert [rung.name for rung in recipes.path(recipes.NAMES[0])] == [recipes.NAMES[0]]


def test_changes_keep_the_types_of_the_settings():
    changed = recipes.read_recipe("vgg16", "epochs=60  width=1 VIEWS=flip")
    assert changed == dataclasses.replace(Recipe(), epochs=60, width=1.0, views="flip")
    assert isinstance(changed.epochs, int) and isinstance(changed.width, float)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("epoch=3", "'epoch=3' names no setting of a recipe; did you mean epochs?"),
        ("colour=3", "names no setting of a recipe. Known: architecture, width"),
        ("epochs=3.5", "epochs='3.5' must be a whole number"),
        ("width=wide", "width='wide' must be a number"),
        ("erasing=1.5", r"erasing=1.5 must lie in \[0.0, 1.0\]"),
        ("light=-0.1", r"light=-0.1 must lie in \[0.0, 1.0\]"),
        ("crop=49", r"crop=49 must lie in \[0, 48\]"),
        ("learning_rate=nan", "learning_rate=nan must lie in"),
        ("epochs=0", r"epochs=0 must lie in \[1,"),
        ("schedule=step", "schedule='step' is unknown: use one of plateau, constant, cosine"),
        ("augmentation=strong", "augmentation='strong' is unknown: use one of none, flip, paper"),
        ("optimizer=lion", "optimizer='lion' is unknown: use one of adam, sgd"),
        ("crop=0 views=ten-crop", "views='ten-crop' needs a crop below the image's 48 pixels"),
        ("answer_crop=48 views=ten-crop", "views='ten-crop' needs a crop below the image's 48 pixels, not 48"),
        ("answer_crop=48 sizes=24,40", "answer_crop=48 needs head=average, and neither input_size nor sizes"),
        ("answer_crop=48 input_size=64", "answer_crop=48 needs head=average, and neither input_size nor sizes"),
        ("answer_crop=48 head=paper", "answer_crop=48 needs head=average"),
        ("architecture=vgg16bn answer_crop=31", "vgg16bn needs 32 pixels a side, but it would see 31"),
        ("architecture=vgg16bn crop=31", "vgg16bn needs 32 pixels a side, but it would see 31"),
        ("architecture=vgg16bn sizes=16,40", "vgg16bn needs 32 pixels a side, but it would see 16"),
        ("input_size=7", "deepcnn needs 8 pixels a side, but it would see 7"),
        ("head=paper views=scales", "views='scales' needs head=average"),
        ("architecture=vgg16bn crop=34 views=scales", "for vgg16bn, 32 pixels at 0.92 of the size"),
        ("mixup=0.2 cutmix=1", "exclude each other"),
        ("sizes=24,big", "sizes='24,big' must be pixels from 16 to 512"),
        ("sizes=8,40", "sizes='8,40' must be pixels from 16 to 512"),
        ("sizes=24,32,40 epochs=2", "needs an epoch for each size, but epochs=2"),
        ("sizes=24,40 head=paper", "with head=average"),
        ("epochs=60 EPOCHS=6", "CHANGES: epochs is given twice"),
        ("warmup=6", "warmup=6.0 leaves none of epochs=6 for the cosine"),
        ("architecture=resnet50 width=0.03", "WIDTH=0.03 is too narrow for resnet50"),
        ("architecture=efficientnetb0", "WIDTH=0.5: efficientnetb0 exists in its published width only"),
        (
            "average=0.9 schedule=plateau",
            "average needs another schedule: plateau restores the best epoch's own weights",
        ),
    ],
)
def test_changes_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(RecipeError, match=message):
        recipes.read_recipe("crop", changes)


def test_a_recipe_knows_how_it_can_be_asked():
    asked = {
        changes: recipes.read_recipe("crop", changes) for changes in ("", "answer_crop=48", "sizes=24,36", "crop=0")
    }
    assert [recipe.seen() for recipe in asked.values()] == [40, 48, 40, 48]
    assert [recipe.answer_size() for recipe in asked.values()] == [40, 48, 36, 48]
    assert [len(recipe.possible_views()) for recipe in asked.values()] == [4, 3, 4, 3]
    assert asked["answer_crop=48"].possible_views() == ["single", "flip", "scales"]
    assert recipes.read_recipe("vgg16").possible_views() == ["single", "flip"]


def test_training_is_divided_among_the_sizes():
    assert recipes.read_recipe("crop", "epochs=10 sizes=24,32,40").parts() == [(24, 0, 3), (32, 3, 7), (40, 7, 10)]
    assert recipes.read_recipe("crop", "epochs=10").parts() == [(0, 0, 10)]


def test_unknown_recipes_are_refused_with_what_there_is():
    with pytest.raises(RecipeError, match="RECIPE='batchnorm' is unknown; did you mean batch-norm?"):
        recipes.read_recipe("batchnorm")


def test_ranges_of_a_recipe_join_those_of_the_named_augmentation():
    named = {"paper": {"flip": True}}
    assert Recipe().augmentation_ranges(named) == {"flip": True}
    joined = {"flip": True, "brightness": 0.2, "contrast": 0.2, "erasing": 0.5}
    assert Recipe(light=0.2, erasing=0.5).augmentation_ranges(named) == joined


def test_a_changed_recipe_needs_a_name_of_its_own():
    assert recipes.run_name("crop") == "crop"
    assert recipes.run_name("crop", "", "final") == "final"
    assert recipes.run_name("crop", "epochs=60", "crop-long") == "crop-long"
    for given in ("", "crop", "mixup", "../up", "a b"):
        with pytest.raises(RecipeError, match="needs a name of its own"):
            recipes.run_name("crop", "epochs=60", given)
        with pytest.raises(RecipeError, match="needs a name of its own"):
            recipes.run_name("crop", "", given, without="first half")
    assert recipes.run_name("crop", "", "half-1", "first half") == "half-1"


@pytest.mark.parametrize(("rung", "network"), [("flip", "average"), ("ten-crop", "average"), ("scales", "whole-face")])
def test_a_rung_that_only_adds_views_is_not_trained(rung, network):
    """The ladder shows it with the network of the rung below, and would never show a run of this name."""
    with pytest.raises(RecipeError, match=f"RECIPE='{rung}' only adds views .* give RECIPE='{network}'"):
        recipes.run_name(rung)
    assert recipes.run_name(rung, "", "own") == "own"


def test_settings_table_says_which_rung_brought_a_setting_in():
    table = recipes.settings_table("crop", "width=0.25")
    assert table.loc["crop"].tolist() == [40, "crop"]
    assert table.loc["width"].tolist() == [0.25, "CHANGES"]
    assert table.loc["weight_decay", "rung"] == "weight-decay"
    assert table.loc["dropout", "rung"] == ""
    assert table["value"].tolist() == list(recipes.as_dict(recipes.read_recipe("crop", "width=0.25")).values())
