"""What people type: parameters of notebooks, profiles, seeds, recipes."""

from functools import partial

from fer_utils import runs
from fer_utils.ladder import recipes
from fer_utils.ladder.recipes import RecipeError
from fer_utils.runs.folder import RunError
from fer_utils.workflow.profiles import ProfileError, read_count, read_profile, read_seeds

from .case import Case, write

TRAIN, TUNE, PRETRAIN, AUDIT = "03_train_from_scratch", "05_fine_tuning", "02_pretrain_backbone", "07_audit_the_paper"


def parameter(notebook, says, **changes):
    """A notebook is given these values; `says` follows the first one's name in the message."""
    name = next(iter(changes))
    shown = ", ".join(f"{key}={_short(value)}" for key, value in changes.items())

    def read(folder):
        runs.collect_parameters(notebook, {**runs.declared_parameters(notebook), **changes})

    return Case(f"parameter: {shown} in {notebook}", lambda folder: folder, read, RunError, f"{name}.*{says}", notebook)


def _short(value):
    return repr(value) if len(repr(value)) < 30 else repr(value)[:30] + "..."


def profile(name, text, says):
    """profiles/mine.yaml holds `text`."""

    def read(folder):
        declared = {stem: runs.declared_parameters(stem) for stem in (TRAIN, TUNE)}
        read_profile("mine", declared, folder)

    make = partial(_write_profile, text)
    return Case(f"profile: {name}", make, read, ProfileError, says, "profiles/mine.yaml")


def _write_profile(text, folder):
    write(folder / "profiles" / "mine.yaml", text)
    return folder


def typed(kind, given, read, error, says, names):
    return Case(f"{kind}: {_short(given)}", lambda folder: given, read, error, says, names)


def laughs(key, levels=30):
    """One line of YAML whose list is of nine to the power of `levels` words once its names are followed."""
    inner = "&x0 [lol, lol, lol]"
    for level in range(1, levels):
        inner = f"&x{level} [{inner}, {', '.join([f'*x{level - 1}'] * 8)}]"
    return f"{key}: {inner}"


PARAMETERS = [
    parameter(TRAIN, "give a whole number from 0 to 4294967295", SEED=-1),
    parameter(TRAIN, "give a whole number from 0 to 4294967295", SEED=2**32),
    parameter(TRAIN, "give a whole number", SEED="0"),
    parameter(TRAIN, "give a whole number", SEED=0.5),
    parameter(TRAIN, "give a whole number from 0", MAX_IMAGES=-5),
    parameter(TRAIN, "use one of 'official', 'paper'", PROTOCOL="offical"),
    parameter(TRAIN, "use one of 'vgg16', 'resnet50'", ARCHITECTURE="vgg19"),
    parameter(TRAIN, "use one of 'vgg16', 'resnet50'", ARCHITECTURE="../../home"),
    parameter(TRAIN, "give a number from 0.001 to 4.0", WIDTH=0),
    parameter(TRAIN, "give a number from 0.001 to 4.0", WIDTH=-0.5),
    parameter(TRAIN, "give a number from 0.001 to 4.0", WIDTH=1e6),
    parameter(TRAIN, "too small, since vgg16 halves the image 5 times: give 32 or more", INPUT_SIZE=8),
    parameter(TRAIN, "give a whole number from 8 to 1024", INPUT_SIZE=100_000),
    parameter(TRAIN, "give a whole number from 8 to 1024", INPUT_SIZE=-48),
    parameter(TRAIN, "use one of 'rescale', 'imagenet'", PREPROCESSING="zscore"),
    parameter(TRAIN, "use one of 'none', 'flip', 'paper'", AUGMENTATION="strong"),
    parameter(TRAIN, "give a whole number from 1 to 65536", BATCH_SIZE=0),
    parameter(TRAIN, "give a whole number from 1 to 65536", BATCH_SIZE=-32),
    parameter(TRAIN, "give a whole number", BATCH_SIZE=True),
    parameter(TRAIN, "give a whole number from 1 to 10000", EPOCHS=0),
    parameter(TRAIN, "give a whole number from 1 to 10000", EPOCHS=-3),
    parameter(TRAIN, "give a whole number", EPOCHS=5.5),
    parameter(TRAIN, "give a number from 1e-09 to 10.0", LEARNING_RATE=0.0),
    parameter(TRAIN, "give a number from 1e-09 to 10.0", LEARNING_RATE=-1e-3),
    parameter(TRAIN, "give a number from 1e-09 to 10.0", LEARNING_RATE=float("nan")),
    parameter(TRAIN, "give a number from 1e-09 to 10.0", LEARNING_RATE=float("inf")),
    parameter(TRAIN, "give a number", LEARNING_RATE="1e-3"),
    parameter(TRAIN, "give a whole number from 1", PLATEAU_PATIENCE=0),
    parameter(TRAIN, "give a whole number from 1", STOP_PATIENCE=-1),
    parameter(TRAIN, "give a number from 0.001 to 1.0", STOP_ACCURACY=67),
    parameter(TRAIN, "give a number from 0.001 to 1.0", STOP_ACCURACY=0.0),
    parameter(TRAIN, "use one of 'none', 'balanced'", CLASS_WEIGHTS="ballanced"),
    parameter(TRAIN, "give True or False", KEEP_EPOCHS="no"),
    parameter(TRAIN, "give the folder for the runs", OUTPUT_DIR=""),
    parameter(TRAIN, "give text", OUTPUT_DIR=5),
    parameter(TRAIN, "give it without", DATA="a\0b"),
    parameter(TRAIN, r"did you mean EPOCHS\?", EPOCH=3),
    parameter(TUNE, "leaves none of EPOCHS=3 for the unfrozen layers: give fewer", HEAD_EPOCHS=3, EPOCHS=3),
    parameter(TUNE, "give a whole number from 0", HEAD_EPOCHS=-1),
    parameter(TUNE, "give a number from 1e-09 to 10.0", FINE_TUNING_RATE=-1.0),
    parameter(TUNE, "give a whole number from 1 to 5", UNFREEZE_FROM=6),
    parameter(TUNE, "give a whole number from 3 to 5", HEAD_STAGE=2),
    parameter(TUNE, "leaves nothing to unfreeze, since HEAD_STAGE=4 .*give 4 or less", UNFREEZE_FROM=5, HEAD_STAGE=4),
    parameter(TUNE, "give 5, all of it", HEAD_STAGE=4, ARCHITECTURE="efficientnetb0", WIDTH=1.0),
    parameter(TUNE, "give a number from 0.0 to 0.95", DROPOUT=1.0),
    parameter(TUNE, "give True or False", FREEZE_BATCH_NORM=1),
    parameter(PRETRAIN, "give a whole number from 0", MAX_IMAGES=-1),
    parameter(AUDIT, "give a number from 0.001 to 1.0", THRESHOLD=67.0),
    parameter("08_beyond_the_paper", "use one of 'auto', 'float32'", PRECISION="float8"),
    parameter(TRAIN, "use one of 'auto', 'float32'", PRECISION="half"),
]
PROFILES = [
    profile("no YAML", "all: {DATA: sample", "is not readable as YAML"),
    profile("a list", "- all", "needs sections"),
    profile("not UTF-8", b"all: {DATA: \xff\xfe}", "is not readable as YAML"),
    profile("bytes of zero", "all: \0", "is not readable as YAML"),
    profile("code in it", "all: !!python/object/apply:os.system [touch ran]", "is not readable as YAML.*python/object"),
    profile("names of names of names", laughs("all"), r"aliases, as in \*x, are not allowed"),
    profile("names of names for seeds", laughs("seeds"), r"aliases, as in \*x, are not allowed"),
    profile("brackets in brackets", "all: " + "[" * 2_000, "is not readable as YAML"),
    profile("a date that is none", "all: {DATA: 2026-13-45}", "is not readable as YAML.*month must be in"),
    profile("a number of thousands of digits", "seeds: [" + "9" * 5000 + "]", "is not readable as YAML"),
    profile("a section twice", "all: {EPOCHS: 3}\nall: {WIDTH: 0.5}", "is not readable as YAML: all is there twice"),
    profile(
        "a parameter twice", f"{TRAIN}: {{EPOCHS: 3, EPOCHS: 30}}", "is not readable as YAML: EPOCHS is there twice"
    ),
    profile("an unknown section", "settings: {EPOCHS: 3}", "unknown section settings"),
    profile("an unknown parameter", f"{TRAIN}: {{EPOCH: 3}}", r"unknown parameter EPOCH; did you mean EPOCHS\?"),
    profile(
        "a negative rate", f"{TRAIN}: {{LEARNING_RATE: -1.0}}", f"{TRAIN}: LEARNING_RATE=-1.0 makes no sense: give"
    ),
    profile("no epoch", f"{TRAIN}: {{vgg16: {{EPOCHS: 0}}}}", f"{TRAIN}: vgg16: EPOCHS=0 makes no sense: give"),
    profile("an unknown protocol", "all: {PROTOCOL: mine}", "all: PROTOCOL='mine' is unknown: use one of"),
    profile("a batch of a word", "all: {BATCH_SIZE: many}", "BATCH_SIZE='many' makes no sense: give a whole"),
    profile("a seed beyond all", "seeds: [4294967296]", "seeds: needs a whole number from 0 to 4294967295"),
    profile("a word for a seed", "seeds: [one]", "seeds: needs a whole number"),
    profile("no runs at once", "jobs: 0", "jobs: needs a whole number from 1"),
    profile("an unknown architecture", "architectures: [vgg19]", r"unknown name vgg19; did you mean vgg16\?"),
    profile("an unknown rung", "ladder: [mixups]", r"unknown name mixups; did you mean mixup\?"),
    profile("a final of no epoch", "finals: {a: {RECIPE: crop, CHANGES: epochs=0}}", "epochs=0 must lie in"),
]
seeds, jobs = partial(read_seeds, "SEEDS"), partial(read_count, "JOBS")
rung = partial(recipes.read_recipe, "crop")
WORDS = [
    typed("seeds", "one two", seeds, ProfileError, "needs a whole number", "SEEDS"),
    typed("seeds", "-1", seeds, ProfileError, "needs a whole number", "SEEDS"),
    typed("seeds", "20261124", seeds, ProfileError, "20261124 seeds are too many. Give", "SEEDS"),
    typed("seeds", "9" * 5000, seeds, ProfileError, "needs a whole number", "SEEDS"),
    typed("jobs", "many", jobs, ProfileError, "needs a whole number from 1 to 1000000000, not 'many'", "JOBS"),
    typed("jobs", "9" * 5000, jobs, ProfileError, "needs a whole number from 1", "JOBS"),
    typed("recipe", "batchnorm", recipes.read_recipe, RecipeError, "did you mean batch-norm", "RECIPE"),
    typed("changes", "epoch=3", rung, RecipeError, "did you mean epochs", "CHANGES"),
    typed("changes", "epochs=1e3", rung, RecipeError, "must be a whole number", "CHANGES"),
    typed("changes", "epochs=0", rung, RecipeError, r"must lie in \[1, 10000\]", "epochs"),
    typed("changes", "learning_rate=nan", rung, RecipeError, "must lie in", "learning_rate"),
    typed("changes", "learning_rate=-1", rung, RecipeError, "must lie in", "learning_rate"),
    typed("changes", "width=inf", rung, RecipeError, "must lie in", "width"),
    typed("changes", "architecture=vgg19", rung, RecipeError, "use one of vgg16, resnet50", "architecture"),
    typed("changes", "head=wide", rung, RecipeError, "use one of paper, batch_norm, average", "head"),
    typed("changes", "augmentation=strong", rung, RecipeError, "use one of none, flip, paper", "augmentation"),
    typed("changes", "sizes=24," + "9" * 5000, rung, RecipeError, "too long for a setting: give", "sizes"),
    typed("changes", "sizes=24,999", rung, RecipeError, "must be pixels from 16 to 512", "sizes"),
    typed("changes", "mixup=0.2 cutmix=0.2", rung, RecipeError, "exclude each other: set one of them to 0", "mixup"),
]
CASES = [*PARAMETERS, *PROFILES, *WORDS]
