"""Which check belongs to which number of the paper: the arithmetic part of the audit.

The checks themselves are in ``checks``. A rule takes a row of ``paper.reported()`` (a dict) and yields one ``Check``
for each test that it makes.
"""

import numpy as np

from fer_utils import comparison
from fer_utils.audit import checks
from fer_utils.audit.checks import Check
from fer_utils.comparison import paper
from fer_utils.names import EMOTIONS

_RESULTS = ("validation accuracy", "training accuracy", "seconds", "epochs")


def check_number(row) -> Check:
    """All checks of one row of ``paper.reported()`` as one ``Check``: the gravest verdict, the sentences joined."""
    found = list(_all_checks(row))
    if not found:
        return Check(np.nan, checks.NOT_CHECKABLE, "a setting or another's result, given once")
    order = list(checks.VERDICTS)
    gravest = min(found, key=lambda check: order.index(check.verdict))
    texts = [check.text for check in found if check.verdict != checks.NOT_CHECKABLE] or [gravest.text]
    return Check(gravest.value, gravest.verdict, "; ".join(texts))


def _all_checks(row):
    quantity, value = row["quantity"], row["value"]
    if quantity in _RESULTS or quantity.startswith("published"):
        yield checks.places(value, _other_places(row), _is_prose(row))
    if "class count: " in quantity:
        yield _class_count(quantity, value)
    elif quantity in _FIXED:
        yield checks.exactly(value, *_FIXED[quantity])
    elif quantity in _RULES:
        yield from _RULES[quantity](row)


def _other_places(row):
    """(value, place, is prose) of each other row with the same arm and quantity."""
    table = paper.reported()
    same = table[(table["arm"] == row["arm"]) & (table["quantity"] == row["quantity"])]
    others = same[same["id"] != row["id"]].to_dict("records")
    return [(other["value"], other["place"], _is_prose(other)) for other in others]


def _is_prose(row):
    """Whether the paper's text reads the number off a curve."""
    return "prose" in row["note"]


def _is_exact(row):
    """Whether an accuracy is printed with two decimals: curves and the comparison section have at most one."""
    return not row["place"].startswith(("Fig.", "comparison"))


def _validation(row):
    if _is_exact(row):
        yield checks.granularity(row["value"])
    if row["arm"] == "resnet50-finetune":
        yield checks.majority_class(row["value"], checks.MERGED_COUNTS["happy"], checks.WHOLE_BATCHES)


def _training(row):
    elsewhere = _other_places({**row, "quantity": "validation accuracy"})
    yield checks.swapped(row["value"], [(value, place) for value, place, prose in elsewhere if not prose])
    if row["arm"] == "resnet50-finetune":
        whole = checks.TRAINING_IMAGES // checks.BATCH_SIZE * checks.BATCH_SIZE
        yield checks.majority_class(row["value"], checks.TRAINING_COUNTS["happy"], whole)


def _loss(row):
    kind = "training accuracy" if row["quantity"] == "training loss" else "validation accuracy"
    accuracy = paper.stated(row["arm"], kind)
    # Fine-tuned VGG16's first value is the abstract's. The loss belongs to the second, which its section states.
    accuracy = accuracy[1] if row["arm"] == "vgg16-finetune" else accuracy[0]
    yield checks.loss(row["value"], accuracy / 100, constant=row["arm"] == "resnet50-finetune")


def _first_loss(row):
    prior = checks.entropy(checks.TRAINING_COUNTS.values())
    text = f"a first epoch near the class prior's entropy, {prior:.2f} nats: nothing learned yet"
    yield Check(prior, checks.CONSISTENT if abs(row["value"] - prior) < 0.2 else checks.CANNOT_BE_TOLD, text)


def _first_accuracy(row):
    value = 100 * checks.MERGED_COUNTS["happy"] / checks.MERGED_IMAGES
    text = f"read off a curve; always answering happy scores {value:.1f} %"
    verdict = checks.CONSISTENT if checks.agree(row["value"], value, prose=True) else checks.NOT_CHECKABLE
    yield Check(value, verdict, text)


def _seconds(row):
    arm, value = row["arm"], row["value"]
    epochs, size = paper.epochs_and_size(arm)
    per_epoch, per_megapixel = value / epochs, comparison.seconds_per_megapixel(value, epochs, size)
    text = f"{per_epoch:.1f} s an epoch, {1000 * per_megapixel:.0f} ms a megapixel"
    transfer = paper.stated("resnet50-transfer", "seconds")[0]
    if arm == "resnet50-finetune" and value == transfer:
        pace = transfer / paper.stated("resnet50-transfer", "epochs planned")[0]
        text += f": {per_epoch / pace:.1f} times the pace of transfer, and the same hundredth of a second in all"
        yield Check(pace * epochs, checks.IMPLAUSIBLE, text)
    else:
        yield Check(per_epoch, checks.CONSISTENT, text)


def _epochs(row):
    planned = paper.stated(row["arm"], "epochs planned")
    if planned:
        early = row["value"] < planned[0]
        text = f"{row['value']:.0f} of {planned[0]:.0f} planned"
        yield Check(planned[0], checks.CONSISTENT if early else checks.CANNOT_BE_TOLD, text)


def _threshold(row):
    reached = paper.stated(row["arm"], "validation accuracy")
    passed = max(reached) > row["value"]
    # The paper states both numbers of epochs only for an arm that stopped early.
    stopped = bool(paper.stated(row["arm"], "epochs planned") and paper.stated(row["arm"], "epochs"))
    text = f"reported: {', '.join(f'{value:g}' for value in reached)} %; "
    text += "training stopped early" if stopped else "training ran as long as planned"
    yield Check(max(reached), checks.CONSISTENT if passed == stopped else checks.CANNOT_BE_TOLD, text)


def _happy(row):
    stated = paper.stated("", "test class count: happy")[0]
    accuracy = paper.stated(row["arm"], "validation accuracy")[0]
    right = round(checks.granularity(accuracy).value)
    share = f"{right:,} answers are right in all, {max(0, right - row['value']):,.0f} of them on other emotions"
    yield checks.found_faces(row["value"], stated, checks.MERGED_COUNTS["happy"], share)


def _class_count(quantity, value):
    split, _, emotion = quantity.partition(" class count: ")
    if split == "training":
        everything = checks.TRAINING_COUNTS[emotion] + checks.MERGED_COUNTS[emotion]
        return checks.class_count(value, checks.TRAINING_COUNTS[emotion], everything)
    public, private = checks.PUBLIC_COUNTS[emotion], checks.PRIVATE_COUNTS[emotion]
    if value in (public, private):
        return Check(float(value), checks.CONSISTENT, f"PublicTest has {public}, PrivateTest {private}")
    near = min((public, private), key=lambda count: abs(count - value))
    text = f"PublicTest has {public}, PrivateTest {private}; off by {value - near:+,.0f} from the nearer"
    return Check(float(near), checks.BY_DATA, text)


def _training_images(row):
    counts = [paper.stated("", f"training class count: {emotion}")[0] for emotion in EMOTIONS]
    yield checks.total(counts, row["value"])
    yield checks.exactly(row["value"], checks.TRAINING_IMAGES, "FER-2013's Training split")


def _test_images(row):
    counts = [value for emotion in EMOTIONS for value in paper.stated("", f"test class count: {emotion}")]
    right = max(paper.stated("resnet50-finetune", "happy faces right"))
    happy = paper.stated("", "test class count: happy")[0]
    text = (
        f"six of seven classes add up to {sum(counts):,.0f}, which leaves {row['value'] - sum(counts):,.0f} for angry; "
        f"Fig. 14 has {right:,.0f} happy faces right, Table 2 only {happy:,.0f} to find"
    )
    yield Check(float(checks.MERGED_IMAGES), checks.SELF_CONTRADICTED, text)
    accuracies = paper.reported().query("quantity == 'validation accuracy'").to_dict("records")
    exact = {accuracy["value"] for accuracy in accuracies if _is_exact(accuracy)}
    others = sorted(value for value in exact if checks.right_answers(value, int(row["value"])) is None)
    listed = ", ".join(f"{value:.2f}" for value in others)
    yield Check(np.nan, checks.SELF_CONTRADICTED, f"of so many images, {listed} % can be no share")
    yield checks.exactly(row["value"], checks.SPLIT_IMAGES, "FER-2013's PublicTest and its PrivateTest have each")


def _minutes(row):
    value = paper.stated(row["arm"], "seconds")[0] / 60
    verdict = checks.CONSISTENT if round(value) == row["value"] else checks.SELF_CONTRADICTED
    yield Check(value, verdict, f"the seconds beside it are {value:.1f} minutes")


def _human(row):
    text = "the report on the contest that the data come from (arXiv:1307.0414) has 65 +- 5 %"
    yield Check(65.0, checks.CANNOT_BE_TOLD, text)


def _ratio(row):
    for strategy in ("transfer", "finetune"):
        resnet, vgg = (paper.stated(f"{network}-{strategy}", "seconds") for network in ("resnet50", "vgg16"))
        yield checks.ratio_at_least(resnet[0], vgg, row["value"])


def _batches(row):
    size = int(row["value"])
    batches = checks.MERGED_IMAGES // size
    share = 100 * checks.MERGED_COUNTS["happy"] / (batches * size)
    text = f"{batches} whole batches, of which happy is {share:.2f} %: ResNet50 fine-tuning's number"
    yield Check(share, checks.CONSISTENT, text)


def _memory(row):
    images = checks.TRAINING_IMAGES + checks.MERGED_IMAGES
    size = images * 224 * 224 * 3 * 4 / 1e9
    text = f"all {images:,} images at 224 pixels in RGB take {size:.1f} GB as float32, {2 * size:.1f} as float64"
    yield Check(size, checks.CONSISTENT if size < row["value"] else checks.IMPLAUSIBLE, text)


def _per_block(row):
    counts = [n for n, _ in checks.VGG16_BLOCKS]
    verdict = checks.CONSISTENT if row["value"] in counts else checks.ARITHMETIC
    yield Check(row["value"], verdict, f"configuration D of arXiv:1409.1556 has {', '.join(map(str, counts))}")


def _enlarged(row):
    ratio = (row["value"] / 48) ** 2
    yield Check(ratio, checks.CONSISTENT, f"{ratio:.1f} times as many pixels as 48 a side, none of them new")


_FIXED = {
    "classes": (7, "emotions of FER-2013"),
    "image size": (48, "pixels a side in FER-2013"),
    "pixel divisor": (255, "the largest byte"),
    "year of ResNet50": (2015, "arXiv:1512.03385"),
    "year of FER-2013": (2013, "arXiv:1307.0414"),
    "VGG16 convolutional layers": (sum(n for n, _ in checks.VGG16_BLOCKS), "configuration D of arXiv:1409.1556"),
    "VGG16 convolution blocks": (len(checks.VGG16_BLOCKS), "configuration D of arXiv:1409.1556"),
    "VGG16 dense layers": (3, "16 layers less 13 convolutions"),
    "VGG16 wide dense layers": (2, "configuration D of arXiv:1409.1556"),
    "VGG16 dense units": (4096, "configuration D of arXiv:1409.1556"),
    "VGG16 filter size": (3, "configuration D of arXiv:1409.1556"),
    "VGG16 convolution stride": (1, "configuration D of arXiv:1409.1556"),
    "VGG16 pooling size": (2, "configuration D of arXiv:1409.1556"),
    "VGG16 pooling stride": (2, "configuration D of arXiv:1409.1556"),
    "ResNet50 layers": (2 + 3 * sum(n for n, _, _ in checks.RESNET50_STAGES), "first, 3 in each of 16 blocks, last"),
    "ResNet50 convolutional layers": (1 + 3 * sum(n for n, _, _ in checks.RESNET50_STAGES), "less the dense one"),
    "ResNet50 dense layers": (1, "arXiv:1512.03385, Table 1"),
    "ResNet50 stages": (1 + len(checks.RESNET50_STAGES), "conv1 to conv5 of arXiv:1512.03385, Table 1"),
    "ResNet50 convolutions per block": (3, "bottleneck of arXiv:1512.03385, Fig. 5"),
}
_RULES = {
    "validation accuracy": _validation,
    "training accuracy": _training,
    "first validation accuracy": _first_accuracy,
    "validation loss": _loss,
    "training loss": _loss,
    "loss": _loss,
    "first training loss": _first_loss,
    "seconds": _seconds,
    "epochs": _epochs,
    "stopping threshold": _threshold,
    "happy faces right": _happy,
    "minutes": _minutes,
    "training images": _training_images,
    "test images": _test_images,
    "human accuracy": _human,
    "ResNet50 seconds relative to VGG16": _ratio,
    "batch size": _batches,
    "memory": _memory,
    "VGG16 convolutions per block": _per_block,
    "resized image size": _enlarged,
    "VGG16 parameters": lambda row: [checks.roughly(row["value"], checks.vgg16_size()[0])],
    "ResNet50 parameters": lambda row: [checks.roughly(row["value"], checks.resnet50_size()[0])],
}
