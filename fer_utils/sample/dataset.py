"""The built-in data set: random people who show emotions, with FER-2013's flaws.

Every face is drawn from Action Units (`sample.drawing`). Which units make which emotion follows W. V. Friesen,
P. Ekman, EMFACS-7, 1983, and the prototypes in P. Ekman, W. V. Friesen, J. C. Hager, FACS investigator's guide, 2002:
happy 6+12, sad 1+4+15, surprise 1+2+5+26, fear 1+2+4+5+20+26, angry 4+5+7+23, disgust 9+15+16 or 9+10. The strength of
each unit is random, some units are left out, and other units are added. As in FER-2013, some labels are wrong. The
wrong labels are those that people confuse with the right one.

The sample is for teaching and for tests. Its accuracies say nothing about human faces.
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd
from PIL import Image
from scipy.fft import dct

from fer_utils.names import EMOTIONS, EXPECTED_COUNTS, SIDE, USAGE_COUNTS
from fer_utils.sample.drawing import ACTION_UNITS, FaceBatch, Identity, View, kind
from fer_utils.sample.features import CANVAS_REACH

VERSION = 1  # raise it when the same call draws other faces; otherwise the cache returns the old ones
OVERSAMPLING = 1.3  # canvas pixels for each pixel of the photograph; more are not needed, since edges are soft
BATCH = 32  # faces drawn at once: more do not fit into the processor's cache
SMALLEST = 70  # images; with fewer, not every class is in every usage

WRONG_LABELS = 0.05
CARTOONS = 0.06
OCCLUDED = 0.12
EXPRESSIVENESS = (0.58, 1.08)  # all units of a face are multiplied by the same number from this range

# An emotion has one or more prototypes. Each lists (unit, lowest strength, highest strength, probability of the unit).
PROTOTYPES = {
    "angry": (
        ((4, 0.5, 1.1, 1.0), (5, 0.3, 0.9, 0.5), (7, 0.4, 1.0, 0.85), (23, 0.5, 1.0, 0.9), (17, 0.2, 0.7, 0.35)),
        ((4, 0.6, 1.1, 1.0), (7, 0.5, 1.0, 0.9), (10, 0.3, 0.9, 0.8), (25, 0.6, 1.0, 1.0)),
    ),
    "disgust": (
        ((9, 0.6, 1.1, 1.0), (15, 0.3, 0.9, 0.7), (16, 0.3, 0.8, 0.6), (25, 0.4, 0.8, 0.5), (7, 0.2, 0.6, 0.4)),
        ((9, 0.6, 1.1, 1.0), (10, 0.5, 1.0, 1.0), (17, 0.3, 0.8, 0.6), (4, 0.1, 0.5, 0.4)),
    ),
    "fear": (
        ((1, 0.5, 1.1, 1.0), (2, 0.3, 0.8, 0.8), (4, 0.3, 0.9, 0.85), (5, 0.5, 1.1, 0.95), (20, 0.4, 1.0, 0.9),
         (25, 0.6, 1.0, 0.95), (26, 0.1, 0.8, 0.7)),
    ),
    "happy": (
        ((6, 0.3, 1.0, 0.85), (12, 0.5, 1.1, 1.0), (25, 0.6, 1.0, 1.0), (26, 0.1, 0.5, 0.3)),
        ((6, 0.2, 0.9, 0.75), (12, 0.4, 1.0, 1.0)),
    ),
    "sad": (
        ((1, 0.4, 1.1, 0.9), (4, 0.2, 0.8, 0.7), (15, 0.3, 1.0, 0.9), (17, 0.2, 0.8, 0.5), (43, 0.2, 0.6, 0.35)),
    ),
    "surprise": (
        ((1, 0.5, 1.1, 0.95), (2, 0.5, 1.1, 0.95), (5, 0.4, 1.1, 0.9), (25, 0.5, 1.0, 1.0), (26, 0.4, 1.1, 0.95)),
    ),
    "neutral": ((),),
}  # fmt: skip
STRAY_UNITS = (1, 2, 4, 5, 7, 10, 12, 15, 17, 20, 23, 25)

# The labels that people confuse with each emotion; a label that is listed twice is twice as likely.
CONFUSED_WITH = {
    "angry": ("disgust", "neutral", "sad"),
    "disgust": ("angry", "angry", "sad"),
    "fear": ("surprise", "surprise", "sad"),
    "happy": ("neutral", "surprise"),
    "sad": ("neutral", "neutral", "fear"),
    "surprise": ("fear", "fear", "happy"),
    "neutral": ("sad", "sad", "angry"),
}

HAIR_SHARES = {"short": 0.18, "side part": 0.14, "fringe": 0.12, "long": 0.19, "curly": 0.12, "bald": 0.05,
               "receding": 0.05, "bun": 0.06, "beanie": 0.04, "headscarf": 0.05}  # fmt: skip
LONG_HAIRED = ("long", "bun", "headscarf")

# Standard deviations around the average face, which is Identity's defaults. Random numbers are drawn in this order.
IDENTITY_SPREAD = {
    "head_width": 0.035, "head_height": 0.025, "jaw": 0.06, "eye_distance": 0.017, "eye_width": 0.012,
    "eye_opening": 0.10, "eye_tilt": 0.014, "brow_height": 0.018, "brow_thickness": 0.010, "brow_slope": 0.020,
    "nose_length": 0.03, "nose_width": 0.016, "mouth_height": 0.018, "mouth_width": 0.024, "mouth_corners": 0.018,
    "lip_fullness": 0.20, "hair_volume": 0.025, "hairline": 0.045,
}  # fmt: skip

# The source task: what identifies a person, whose hair and skin change from picture to picture.
PROPORTIONS = ("head_width", "head_height", "jaw", "eye_distance", "eye_width", "eye_opening", "eye_tilt",
               "brow_height", "brow_slope", "nose_length", "nose_width", "mouth_height", "mouth_width",
               "mouth_corners")  # fmt: skip
HABITUAL_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 20, 23, 25, 26)
HABIT_STRENGTH = (0.4, 1.1)


def _spread(rng: np.random.Generator, n: int, middle: float, width: float) -> np.ndarray:
    """Normal random numbers (n,) with this mean and standard deviation, cut off at 2.2 standard deviations."""
    return middle + width * np.clip(rng.standard_normal(n), -2.2, 2.2)


def _random_identities(rng: np.random.Generator, n: int) -> list[Identity]:
    """n people: children, women, men and old people of every skin tone, whose features vary around the average face."""
    spread = {name: _spread(rng, n, getattr(Identity, name), width) for name, width in IDENTITY_SPREAD.items()}
    child, old = rng.random(n) < 0.15, rng.random(n) < 0.15
    style = rng.choice(list(HAIR_SHARES), n, p=list(HAIR_SHARES.values()))
    style[child & np.isin(style, ("bald", "receding"))] = "short"
    feminine = np.isin(style, LONG_HAIRED) | (child & (rng.random(n) < 0.5)) | (rng.random(n) < 0.15)
    skin = rng.uniform(0.38, 0.86, n)
    hair = rng.choice((0.05, 0.10, 0.16, 0.26, 0.42, 0.62), n) + rng.uniform(-0.02, 0.04, n)
    dyed = np.isin(style, ("beanie", "headscarf"))
    hair = np.where((skin < 0.52) & ~dyed, np.minimum(hair, rng.uniform(0.05, 0.22, n)), hair)
    hair = np.where(old & ~dyed, rng.uniform(0.55, 0.85, n), hair)
    hair = np.where(dyed, rng.uniform(0.08, 0.85, n), hair)
    bearded = ~feminine & ~child & (rng.random(n) < 0.40)
    columns = spread | {
        "hair_style": style,
        "head_height": spread["head_height"] - 0.05 * child,
        "eye_width": spread["eye_width"] * (1 + 0.10 * child + 0.03 * feminine),
        "eye_opening": spread["eye_opening"] * (1 + 0.14 * child + 0.06 * feminine - 0.10 * old),
        "brow_thickness": spread["brow_thickness"] * (1 - 0.25 * feminine - 0.25 * child),
        "nose_length": spread["nose_length"] * (1 - 0.16 * child),
        "nose_width": spread["nose_width"] * (1 - 0.10 * feminine),
        "mouth_width": spread["mouth_width"] * (1 - 0.08 * child),
        "lip_fullness": spread["lip_fullness"] * (1 + 0.15 * feminine),
        "lip_tone": np.where(feminine & ~child, rng.uniform(0.42, 0.62, n), rng.uniform(0.60, 0.72, n)),
        "lashes": np.where(feminine, rng.uniform(0.020, 0.030, n), 0.016),
        "iris_tone": rng.choice((0.10, 0.18, 0.32, 0.45), n),
        "brow_strength": rng.uniform(0.55, 0.95, n),
        "skin": skin,
        "hair": hair,
        "hair_phase": rng.uniform(0, 6.28, n),
        "hair_volume": spread["hair_volume"] + 0.10 * (style == "curly"),
        "beard": np.where(bearded, rng.uniform(0.25, 0.85, n), 0.0),
        "moustache": np.where(bearded & (rng.random(n) < 0.7), rng.uniform(0.4, 0.9, n), 0.0),
        "glasses": np.where(rng.random(n) < 0.13, rng.uniform(0.01, 1.0, n), 0.0),
        "age": np.where(child, 0.0, np.where(old, rng.uniform(0.7, 1.0, n), rng.uniform(0.0, 0.75, n) ** 1.5)),
    }
    return [Identity(**person) for person in pd.DataFrame(columns).to_dict("records")]


def _random_units(rng: np.random.Generator, emotions: np.ndarray) -> list[dict[int, float]]:
    """The Action Units of a face for each emotion code (n,): n dicts, unit -> strength."""
    n = len(emotions)
    expressiveness = rng.uniform(*EXPRESSIVENESS, n)
    which = rng.random(n)
    strength, shown = rng.random((n, 8)), rng.random((n, 8))
    strays, stray_strength = rng.choice(STRAY_UNITS, (n, 2)), rng.uniform(0.0, 0.25, (n, 2))
    blink = np.where(rng.random(n) < 0.04, rng.uniform(0.4, 1.0, n), 0.0)
    faces = []
    for face, emotion in enumerate(emotions):
        prototypes = PROTOTYPES[EMOTIONS[emotion]]
        units = {}
        for place, (unit, low, high, chance) in enumerate(prototypes[int(which[face] * len(prototypes))]):
            if shown[face, place] < chance:
                units[unit] = float(expressiveness[face] * (low + (high - low) * strength[face, place]))
        for unit, extra in zip(strays[face].tolist(), stray_strength[face].tolist(), strict=True):
            units[unit] = units.get(unit, 0.0) + extra
        if blink[face]:
            units[43] = float(blink[face])
        faces.append(units)
    return faces


def _random_views(rng: np.random.Generator, n: int) -> list[View]:
    angle, light = rng.uniform(0, 2 * np.pi, n), rng.uniform(0.2, 0.75, n)
    left = rng.uniform(0.05, 0.95, n)
    columns = {
        "roll": _spread(rng, n, 0.0, 0.12),
        "yaw": _spread(rng, n, 0.0, 0.17),
        "pitch": _spread(rng, n, 0.0, 0.08),
        "shift_u": _spread(rng, n, 0.0, 0.065),
        "shift_v": _spread(rng, n, -0.02, 0.065),
        "scale": _spread(rng, n, 1.10, 0.07),
        "gaze_u": _spread(rng, n, 0.0, 0.30),
        "gaze_v": _spread(rng, n, 0.0, 0.20),
        "light_u": light * np.cos(angle),
        "light_v": light * (0.6 * np.sin(angle) - 0.45),
        "ambient": rng.uniform(0.32, 0.62, n),
        "backdrop_left": left,
        "backdrop_right": np.clip(left + rng.normal(0, 0.25, n), 0.02, 1.0),
        "shirt": rng.uniform(0.05, 0.9, n),
        "cartoon": rng.random(n) < CARTOONS,
    }
    return [View(**view) for view in pd.DataFrame(columns).to_dict("records")]


def _photograph(canvas: np.ndarray, view: View, size: int) -> np.ndarray:
    """Cut the view's frame out of a canvas, rolled, shifted and scaled: float32 (size, size)."""
    step = len(canvas) / CANVAS_REACH / size / view.scale  # canvas pixels from one pixel of the frame to the next
    cos, sin = step * np.cos(view.roll), step * np.sin(view.roll)
    unit = len(canvas) / 2 / CANVAS_REACH
    start_u, start_v = unit * (CANVAS_REACH - view.shift_u), unit * (CANVAS_REACH - view.shift_v)
    matrix = (cos, -sin, start_u - (cos - sin) * size / 2, sin, cos, start_v - (sin + cos) * size / 2)
    frame = Image.fromarray(canvas).transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(frame)


def _render(identities: list[Identity], units: list[dict], views: list[View], size: int) -> np.ndarray:
    """Draw clean photographs, in the order given: float32 (n, size, size), about 0 to 1."""
    faces = list(zip(identities, units, views, strict=True))
    members_of = defaultdict(list)  # a batch has faces of one kind only
    for i, (identity, _, view) in enumerate(faces):
        members_of[kind(identity, view)].append(i)
    frames = np.empty((len(faces), size, size), np.float32)
    for members in members_of.values():
        for start in range(0, len(members), BATCH):
            chosen = members[start : start + BATCH]
            canvases = FaceBatch([faces[i] for i in chosen], OVERSAMPLING * size / 2).draw()
            for i, canvas in zip(chosen, canvases, strict=True):
                frames[i] = _photograph(canvas, views[i], size)
    return frames


def _occlude(frame: np.ndarray, rng: np.random.Generator) -> None:
    """Cover a part of one photograph, in place, with the bar of a caption, with fingers, or with a lock of hair."""
    axis = np.linspace(-1, 1, SIDE, dtype=np.float32)
    u, v = axis[None, :], axis[:, None]
    what = rng.integers(3)
    if what == 0:
        level, half = rng.uniform(-0.7, 0.9), rng.uniform(0.05, 0.12)
        frame += 0.65 * (np.abs(v - level) < half) * (rng.uniform(0.2, 1) - frame)
    elif what == 1:
        centre = rng.choice((-0.6, 0.6)) + rng.normal(0, 0.1)
        tone = rng.uniform(0.4, 0.8)
        lean, top = 0.5 * np.sign(centre) * rng.uniform(0.2, 1.0), rng.uniform(0.75, 1.05)
        for finger in range(4):
            across = (u - lean * (v - 0.8) - centre - (finger - 1.5) * 0.155) / 0.085
            cover = np.clip((1 - across**2 - ((v - top - 0.05 * abs(finger - 1)) / 0.5) ** 2) * 4, 0, 1)
            frame += cover * (tone * (1.05 - 0.35 * np.clip(np.abs(across), 0, 1) ** 2) - frame)
    else:
        lean, start, tone = rng.uniform(-0.4, 0.4), rng.uniform(-0.6, 0.6), rng.uniform(0.05, 0.4)
        strand = np.clip((0.10 - np.abs(u - start - lean * v + 0.1 * v * v)) * 20, 0, 1) * np.clip((0.5 - v) * 5, 0, 1)
        frame += strand * (tone * (1 + 0.2 * np.sin(60 * u)) - frame)


def _develop(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add what cameras and the web add: light, gamma, contrast, blur, noise, JPEG's rounding; uint8 (n, 48, 48)."""
    n = len(frames)
    ramp = np.linspace(-1, 1, SIDE, dtype=np.float32)

    def per_face(values):
        return values.astype(np.float32)[:, None, None]

    tilt_u, tilt_v = per_face(rng.normal(0, 0.10, n)), per_face(rng.normal(0, 0.10, n))
    frames = np.clip(frames * (1 + tilt_u * ramp[None, None, :] + tilt_v * ramp[None, :, None]), 0, 1)
    frames = frames ** per_face(np.exp(_spread(rng, n, -0.08, 0.20)))
    frames = (frames - 0.5) * per_face(rng.uniform(0.85, 1.35, n)) + 0.5 + per_face(_spread(rng, n, 0.0, 0.06))
    # A negative blur sharpens the image, as cameras do.
    blur = per_face(np.where(rng.random(n) < 0.4, rng.uniform(0.0, 0.26, n), rng.uniform(-0.09, 0.0, n)))
    mix = blur * (np.eye(SIDE, k=1, dtype=np.float32) + np.eye(SIDE, k=-1, dtype=np.float32))
    mix += (1 - mix.sum(axis=2, keepdims=True)) * np.eye(SIDE, dtype=np.float32)
    frames = mix @ frames @ mix.transpose(0, 2, 1)
    frames += rng.standard_normal(frames.shape, dtype=np.float32) * per_face(np.abs(_spread(rng, n, 0.0, 0.011)))
    cosines = dct(np.eye(8), axis=0, norm="ortho").astype(np.float32)  # JPEG rounds the cosine transform of 8x8 blocks
    steps = np.add.outer(np.arange(8), np.arange(8)).astype(np.float32) + 1
    steps = steps * per_face(np.where(rng.random(n) < 0.4, rng.uniform(0.003, 0.012, n), 1e-4))[:, :, :, None, None]
    blocks = cosines @ frames.reshape(n, 6, 8, 6, 8).transpose(0, 1, 3, 2, 4) @ cosines.T
    blocks = cosines.T @ (np.round(blocks / steps) * steps) @ cosines
    frames = blocks.transpose(0, 1, 3, 2, 4).reshape(n, SIDE, SIDE)
    return np.clip(frames * 255 + 0.5, 0, 255).astype(np.uint8)


def _pictures(rng: np.random.Generator, identities: list[Identity], units: list[dict[int, float]]):
    """Draw and photograph each person once, in a random view: images uint8 (n, 48, 48)."""
    views = _random_views(rng, len(units))
    occluded = rng.random(len(units)) < OCCLUDED
    frames = _render(identities, units, views, SIDE)
    for i in np.flatnonzero(occluded):
        _occlude(frames[i], rng)
    return np.concatenate([_develop(frames[start : start + 256], rng) for start in range(0, len(frames), 256)])


def _shares(total: int, weights) -> np.ndarray:
    """Split `total` into whole numbers in proportion to the weights (method of the largest remainders)."""
    exact = total * np.asarray(weights, float) / np.sum(weights)
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def _plan(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Emotion code and usage of each image, in FER-2013's proportions. Every class is in every usage at least once."""
    codes, usage = [], []
    for name, count in zip(USAGE_COUNTS, _shares(n, list(USAGE_COUNTS.values())), strict=True):
        per_class = np.maximum(_shares(count, EXPECTED_COUNTS["Training"]), 1)
        per_class[np.argmax(per_class)] -= per_class.sum() - count
        codes.append(rng.permutation(np.repeat(np.arange(len(EMOTIONS)), per_class)))
        usage += [name] * count
    return np.concatenate(codes).astype(np.uint8), np.array(usage, "U11")


def draw(n: int = 6000, seed: int = 2013) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Draw the sample in FER-2013's form: Training first, then PublicTest, then PrivateTest, 8 : 1 : 1.

    Returns images uint8 (n, 48, 48), labels uint8 (n,) with the CSV's codes, usage str (n,), and details, a dict of
    arrays (n,): `true_label` uint8 (the emotion that was drawn), `noisy` bool (the label is another emotion, 5 %).
    Every image shows a new person, so no person is in two usages. FER-2013 itself does not guarantee this.
    The same n and seed draw the same bits. Raises ValueError if n is below 70 or the seed is negative.
    """
    if n < SMALLEST:
        raise ValueError(f"n must be at least {SMALLEST}, since every class has to be in every usage; got {n}.")
    rng = np.random.default_rng([seed, 0])
    true_label, usage = _plan(n, rng)
    wrong = rng.random(n) < WRONG_LABELS
    which = rng.random(n)
    labels = true_label.copy()
    for i in np.flatnonzero(wrong):
        confused = CONFUSED_WITH[EMOTIONS[true_label[i]]]
        labels[i] = EMOTIONS.index(confused[int(which[i] * len(confused))])
    people = _random_identities(rng, n)
    images = _pictures(rng, people, _random_units(rng, true_label))
    return images, labels, usage, {"true_label": true_label, "noisy": labels != true_label}


def draw_identities(n: int = 4000, identities: int = 12, seed: int = 2013) -> tuple[np.ndarray, np.ndarray]:
    """Draw the source task "which person is this?": many pictures of the same people, in every pose and light.

    Hair, skin, beard, glasses and age change from picture to picture, so they identify nobody. A person is identified
    by the proportions of the face and by a habitual expression: three Action Units of varying strength. They make no
    emotion, but a network must look at brows, lids and lips to see them. (In a first version, people kept their hair.
    The network learned hair, and its frozen features predicted emotions little better than chance.)

    Returns images uint8 (n, 48, 48) and labels int64 (n,) from 0 to identities - 1, in random order. The numbers of
    images per person differ by one at most. `draw` shows none of these people. Raises ValueError if identities is
    below 2 or above n, or if the seed is negative.
    """
    if not 2 <= identities <= n:
        raise ValueError(f"identities must be at least 2, and at most n; got {identities} for n={n}.")
    rng = np.random.default_rng([seed, 1])
    people = _random_identities(rng, identities)
    habits = [rng.choice(HABITUAL_UNITS, 3, replace=False).tolist() for _ in range(identities)]
    labels = rng.permutation(np.arange(n) % identities)
    strangers = _random_identities(rng, n)
    strengths = rng.uniform(*HABIT_STRENGTH, (n, 3)).tolist()
    disguised, units = [], []
    for label, stranger, strength in zip(labels, strangers, strengths, strict=True):
        disguised.append(replace(stranger, **{name: getattr(people[label], name) for name in PROPORTIONS}))
        units.append(dict(zip(habits[label], strength, strict=True)))
    return _pictures(rng, disguised, units), labels.astype(np.int64)


def draw_face(units: dict[int, float], identity: Identity | None = None, view: View | None = None, size: int = SIDE):
    """Draw one face without the flaws of a camera: uint8 (size, size).

    units: strength of each Action Unit, 0 to about 1.1, such as {6: 0.8, 12: 1.0}. Raises ValueError if a unit is not
    in ACTION_UNITS, or if size is below 16.
    """
    unknown = sorted(set(units) - set(ACTION_UNITS))
    if unknown:
        raise ValueError(f"Unknown Action Units {unknown}. The known ones are {sorted(ACTION_UNITS)}.")
    if size < 16:
        raise ValueError(f"size must be at least 16 pixels a side; got {size}.")
    frame = _render([identity or Identity()], [units], [view or View()], size)[0]
    return np.clip(frame * 255 + 0.5, 0, 255).astype(np.uint8)


def action_unit_sheet(identity: Identity | None = None, size: int = 96) -> tuple[np.ndarray, list[str]]:
    """Draw the face at rest, then each Action Unit alone at strength 1: images uint8 (k, size, size), k names."""
    identity = identity or Identity(hair_style="receding", hair=0.2, age=0.1)
    sheet = {"at rest": {}} | {f"AU{unit} {name}": {unit: 1.0} for unit, name in ACTION_UNITS.items()}
    return np.stack([draw_face(units, identity, size=size) for units in sheet.values()]), list(sheet)
