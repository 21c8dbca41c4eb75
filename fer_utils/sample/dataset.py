"""The sample's data set: whom to draw, showing which emotion, with FER-2013's flaws (notebook 01).

Every face is drawn from Action Units (`sample.drawing`). Which units make which emotion follows W. V. Friesen,
P. Ekman, EMFACS-7, 1983, and the prototypes in P. Ekman, W. V. Friesen, J. C. Hager, FACS investigator's guide, 2002:
happy 6+12, sad 1+4+15, surprise 1+2+5+26, fear 1+2+4+5+20+26, angry 4+5+7+23, disgust 9+15+16 or 9+10. Units come with
random strength, some are missing, some come on top; and, as in FER-2013, some labels are wrong, in the ways in which
people get them wrong.

The sample teaches and tests; its accuracies say nothing about human faces.
"""

from dataclasses import fields, replace

import numpy as np
from PIL import Image
from scipy.fft import dct

from fer_utils.names import EMOTIONS, EXPECTED_COUNTS, SIDE, USAGE_COUNTS
from fer_utils.sample.drawing import ACTION_UNITS, HAIR_STYLES, FaceBatch, Identity, View, kind
from fer_utils.sample.features import CANVAS_REACH

VERSION = 1  # raise it when the same call draws other faces, so that no cached sample outlives its drawing
OVERSAMPLING = 1.3  # canvas pixels for each pixel of the photograph; edges are soft already
BATCH = 32  # faces drawn at once: more no longer fit the processor's cache

SMALLEST = 70  # room for every class in every usage

WRONG_LABELS = 0.05
CARTOONS = 0.06
OCCLUDED = 0.12
EXPRESSIVENESS = (0.58, 1.08)  # every unit of a face is multiplied by one number from this range

# One emotion has several prototypes; each lists (unit, lowest strength, highest strength, chance to be shown).
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

# What people take an emotion for when they are wrong; a label named twice is twice as likely.
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

# The source task: by what a disguised person is known.
PROPORTIONS = ("head_width", "head_height", "jaw", "eye_distance", "eye_width", "eye_opening", "eye_tilt",
               "brow_height", "brow_slope", "nose_length", "nose_width", "mouth_height", "mouth_width",
               "mouth_corners")  # fmt: skip
HABITUAL_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 15, 20, 23, 25, 26)
HABIT_STRENGTH = (0.4, 1.1)


# -------------------------------------------------------------------- who, what and how, at random


def _spread(rng: np.random.Generator, n: int, middle: float, width: float) -> np.ndarray:
    return middle + width * np.clip(rng.standard_normal(n), -2.2, 2.2)


def _random_identities(rng: np.random.Generator, n: int) -> list[Identity]:
    """n people: children, women, men and old people of every skin tone, with features around the average face."""
    spread = {
        part.name: _spread(rng, n, part.default, width)
        for part in fields(Identity)
        if (width := IDENTITY_SPREAD.get(part.name))
    }
    child, old = rng.random(n) < 0.15, rng.random(n) < 0.15
    style = rng.choice(HAIR_STYLES, n, p=[HAIR_SHARES[name] for name in HAIR_STYLES])
    style[child & np.isin(style, ("bald", "receding"))] = "short"
    feminine = np.isin(style, LONG_HAIRED) | (child & (rng.random(n) < 0.5)) | (rng.random(n) < 0.15)
    skin = rng.uniform(0.38, 0.86, n)
    hair = rng.choice((0.05, 0.10, 0.16, 0.26, 0.42, 0.62), n) + rng.uniform(-0.02, 0.04, n)
    dyed = np.isin(style, ("beanie", "headscarf"))
    hair = np.where((skin < 0.52) & ~dyed, np.minimum(hair, rng.uniform(0.05, 0.22, n)), hair)
    hair = np.where(old & ~dyed, rng.uniform(0.55, 0.85, n), hair)
    hair = np.where(dyed, rng.uniform(0.08, 0.85, n), hair)
    bearded = ~feminine & ~child & (rng.random(n) < 0.40)
    columns = {
        **spread,
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
    names, rows = (list(columns), zip(*(values.tolist() for values in columns.values()), strict=True))
    return [
        Identity(hair_style=str(s), **dict(zip(names, row, strict=True))) for s, row in zip(style, rows, strict=True)
    ]


IDENTITY_SPREAD = {
    "head_width": 0.035, "head_height": 0.025, "jaw": 0.06, "eye_distance": 0.017, "eye_width": 0.012,
    "eye_opening": 0.10, "eye_tilt": 0.014, "brow_height": 0.018, "brow_thickness": 0.010, "brow_slope": 0.020,
    "nose_length": 0.03, "nose_width": 0.016, "mouth_height": 0.018, "mouth_width": 0.024, "mouth_corners": 0.018,
    "lip_fullness": 0.20, "hair_volume": 0.025, "hairline": 0.045,
}  # fmt: skip


def _random_units(rng: np.random.Generator, emotions: np.ndarray) -> list[dict[int, float]]:
    """Action Units and their strengths for each emotion code."""
    expressiveness = rng.uniform(*EXPRESSIVENESS, len(emotions))
    which, strength, shown = (rng.random(len(emotions)), rng.random((len(emotions), 8)), rng.random((len(emotions), 8)))
    strays, stray_strength = (rng.choice(STRAY_UNITS, (len(emotions), 2)), rng.uniform(0.0, 0.25, (len(emotions), 2)))
    blink = np.where(rng.random(len(emotions)) < 0.04, rng.uniform(0.4, 1.0, len(emotions)), 0.0)
    rows = []
    for i, emotion in enumerate(emotions.tolist()):
        prototypes = PROTOTYPES[EMOTIONS[emotion]]
        units = {}
        for k, (unit, low, high, chance) in enumerate(prototypes[int(which[i] * len(prototypes))]):
            if shown[i, k] < chance:
                units[unit] = float(expressiveness[i] * (low + (high - low) * strength[i, k]))
        for unit, extra in zip(strays[i].tolist(), stray_strength[i].tolist(), strict=True):
            units[unit] = units.get(unit, 0.0) + extra
        if blink[i]:
            units[43] = float(blink[i])
        rows.append(units)
    return rows


def _random_views(rng: np.random.Generator, n: int) -> list[View]:
    angle, light, left = (rng.uniform(0, 2 * np.pi, n), rng.uniform(0.2, 0.75, n), rng.uniform(0.05, 0.95, n))
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
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [View(**dict(zip(columns, row, strict=True))) for row in rows]


# -------------------------------------------------------------------- from canvas to photograph


def _photograph(canvas: np.ndarray, view: View, size: int) -> np.ndarray:
    """The frame that the view cuts out of the canvas, rolled, shifted and scaled: float32 (size, size)."""
    step = len(canvas) / CANVAS_REACH / size / view.scale
    cos, sin = step * np.cos(view.roll), step * np.sin(view.roll)
    unit = len(canvas) / 2 / CANVAS_REACH
    start_u, start_v = (unit * (CANVAS_REACH - view.shift_u), unit * (CANVAS_REACH - view.shift_v))
    matrix = (cos, -sin, start_u - (cos - sin) * size / 2, sin, cos, start_v - (sin + cos) * size / 2)
    frame = Image.fromarray(canvas).transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
    return np.asarray(frame)


def _render(identities: list[Identity], units: list[dict], views: list[View], size: int) -> np.ndarray:
    """Clean photographs, float32 (n, size, size). Faces of one kind are drawn in batches, whatever their order."""
    frames = np.empty((len(identities), size, size), np.float32)
    kinds: dict[tuple, list[int]] = {}
    for i, (identity, view) in enumerate(zip(identities, views, strict=True)):
        kinds.setdefault(kind(identity, view), []).append(i)
    for members in kinds.values():
        for start in range(0, len(members), BATCH):
            chosen = members[start : start + BATCH]
            parts = ([rows[i] for i in chosen] for rows in (identities, units, views))
            for i, canvas in zip(chosen, FaceBatch(*parts, OVERSAMPLING * size / 2).draw(), strict=True):
                frames[i] = _photograph(canvas, views[i], size)
    return frames


def _occlude(frame: np.ndarray, rng: np.random.Generator) -> None:
    """Cover a part of one photograph, in place: a caption's bar, fingers, or a lock of hair."""
    axis = np.linspace(-1, 1, SIDE, dtype=np.float32)
    u, v = axis[None, :], axis[:, None]
    what = rng.integers(3)
    if what == 0:
        level, half = rng.uniform(-0.7, 0.9), rng.uniform(0.05, 0.12)
        frame += 0.65 * (np.abs(v - level) < half) * (rng.uniform(0.2, 1) - frame)
    elif what == 1:
        centre, tone = (rng.choice((-0.6, 0.6)) + rng.normal(0, 0.1), rng.uniform(0.4, 0.8))
        lean, top = (0.5 * np.sign(centre) * rng.uniform(0.2, 1.0), rng.uniform(0.75, 1.05))
        for finger in range(4):
            across = (u - lean * (v - 0.8) - centre - (finger - 1.5) * 0.155) / 0.085
            cover = np.clip((1 - across**2 - ((v - top - 0.05 * abs(finger - 1)) / 0.5) ** 2) * 4, 0, 1)
            frame += cover * (tone * (1.05 - 0.35 * np.clip(np.abs(across), 0, 1) ** 2) - frame)
    else:
        lean, start, tone = (rng.uniform(-0.4, 0.4), rng.uniform(-0.6, 0.6), rng.uniform(0.05, 0.4))
        strand = np.clip((0.10 - np.abs(u - start - lean * v + 0.1 * v * v)) * 20, 0, 1) * np.clip((0.5 - v) * 5, 0, 1)
        frame += strand * (tone * (1 + 0.2 * np.sin(60 * u)) - frame)


def _develop(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What cameras and the web do: light, gamma, contrast, blur, noise, JPEG's rounding. Returns uint8 (n, 48, 48)."""
    n = len(frames)
    ramp = np.linspace(-1, 1, SIDE, dtype=np.float32)

    def number(values):
        return values.astype(np.float32)[:, None, None]

    tilt_u, tilt_v = number(rng.normal(0, 0.10, n)), number(rng.normal(0, 0.10, n))
    frames = np.clip(frames * (1 + tilt_u * ramp[None, None, :] + tilt_v * ramp[None, :, None]), 0, 1)
    frames = frames ** number(np.exp(_spread(rng, n, -0.08, 0.20)))
    frames = (frames - 0.5) * number(rng.uniform(0.85, 1.35, n)) + 0.5 + number(_spread(rng, n, 0.0, 0.06))
    # negative blur sharpens, as cameras do
    blur = number(np.where(rng.random(n) < 0.4, rng.uniform(0.0, 0.26, n), rng.uniform(-0.09, 0.0, n)))
    mix = blur * (np.eye(SIDE, k=1, dtype=np.float32) + np.eye(SIDE, k=-1, dtype=np.float32))
    mix += (1 - mix.sum(axis=2, keepdims=True)) * np.eye(SIDE, dtype=np.float32)
    frames = mix @ frames @ mix.transpose(0, 2, 1)
    frames += rng.standard_normal(frames.shape, dtype=np.float32) * number(np.abs(_spread(rng, n, 0.0, 0.011)))
    cosines = dct(np.eye(8), axis=0, norm="ortho").astype(np.float32)  # which JPEG is built on
    steps = np.add.outer(np.arange(8), np.arange(8)).astype(np.float32) + 1
    steps = steps * number(np.where(rng.random(n) < 0.4, rng.uniform(0.003, 0.012, n), 1e-4))[:, :, :, None, None]
    blocks = cosines @ frames.reshape(n, 6, 8, 6, 8).transpose(0, 1, 3, 2, 4) @ cosines.T
    blocks = cosines.T @ (np.round(blocks / steps) * steps) @ cosines
    frames = blocks.transpose(0, 1, 3, 2, 4).reshape(n, SIDE, SIDE)
    return np.clip(frames * 255 + 0.5, 0, 255).astype(np.uint8)


def _pictures(rng: np.random.Generator, identities: list[Identity], units: list[dict[int, float]]):
    """Draw and photograph: images uint8 (n, 48, 48)."""
    views = _random_views(rng, len(units))
    occluded = rng.random(len(units)) < OCCLUDED
    images = np.empty((len(units), SIDE, SIDE), np.uint8)
    frames = _render(identities, units, views, SIDE)
    for i in np.flatnonzero(occluded):
        _occlude(frames[i], rng)
    for start in range(0, len(frames), 256):
        images[start : start + 256] = _develop(frames[start : start + 256], rng)
    return images


# -------------------------------------------------------------------- the data sets


def _shares(total: int, weights) -> np.ndarray:
    """Split `total` into whole numbers in proportion to the weights (largest remainders)."""
    exact = total * np.asarray(weights, float) / np.sum(weights)
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: total - counts.sum()]] += 1
    return counts


def _plan(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Emotion code and usage of every image, in FER-2013's proportions; every class is in every usage at least once."""
    codes, usage = [], []
    for name, count in zip(USAGE_COUNTS, _shares(n, list(USAGE_COUNTS.values())), strict=True):
        per_class = np.maximum(_shares(count, EXPECTED_COUNTS["Training"]), 1)
        per_class[np.argmax(per_class)] -= per_class.sum() - count
        codes.append(rng.permutation(np.repeat(np.arange(len(EMOTIONS)), per_class)))
        usage += [name] * count
    return np.concatenate(codes).astype(np.uint8), np.array(usage, "U11")


def draw(n: int = 6000, seed: int = 2013) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Draw the sample in FER-2013's form: Training first, then PublicTest, then PrivateTest, 8 : 1 : 1.

    Returns images uint8 (n, 48, 48), labels uint8 (n,) in the CSV's order, usage str (n,), and details, a dict of
    arrays (n,): `true_label` uint8 (the emotion that was drawn), `noisy` bool (the label differs from it, 5 %). Every
    image shows a new person, so no person is in two usages; FER-2013 itself gives no such guarantee.
    The same n and seed give the same bits. Raises ValueError for n under 70 (no room for every class in every usage)
    or a negative seed.
    """
    if n < SMALLEST:
        raise ValueError(f"n must be at least {SMALLEST}, since every class has to be in every usage; got {n}.")
    rng = np.random.default_rng([seed, 0])
    true_label, usage = _plan(n, rng)
    wrong, which = rng.random(n) < WRONG_LABELS, rng.random(n)
    labels = true_label.copy()
    for i in np.flatnonzero(wrong):
        others = CONFUSED_WITH[EMOTIONS[true_label[i]]]
        labels[i] = EMOTIONS.index(others[int(which[i] * len(others))])
    people = _random_identities(rng, n)
    images = _pictures(rng, people, _random_units(rng, true_label))
    return images, labels, usage, {"true_label": true_label, "noisy": labels != true_label}


def draw_identities(n: int = 4000, identities: int = 12, seed: int = 2013) -> tuple[np.ndarray, np.ndarray]:
    """Draw the source task "who is it?": the same people over and over, in disguise, in every pose and light.

    Hair, skin, beard, glasses and age are another's in every picture, so nobody is known by them. What gives people
    away are their proportions and a habitual expression, three Action Units that they show more or less strongly; it
    is no emotion's, but to see it takes an eye for brows, lids and lips. (Known by their hair, as they were at first,
    people teach a network hair: frozen features then named emotions little better than chance.)

    Returns images uint8 (n, 48, 48) and labels int64 (n,), 0 to identities - 1, each as often as the others (to one),
    in random order. These people are not in `draw`. Raises ValueError for fewer than two identities, fewer images than
    identities, or a negative seed.
    """
    if not 2 <= identities <= n:
        raise ValueError(f"identities must be at least 2, and at most n; got {identities} for n={n}.")
    rng = np.random.default_rng([seed, 1])
    people = [{name: getattr(person, name) for name in PROPORTIONS} for person in _random_identities(rng, identities)]
    habits = [rng.choice(HABITUAL_UNITS, 3, replace=False) for _ in range(identities)]
    labels = rng.permutation(np.arange(n) % identities)
    seen = [replace(stranger, **people[k]) for stranger, k in zip(_random_identities(rng, n), labels, strict=True)]
    strength = rng.uniform(*HABIT_STRENGTH, (n, 3))
    units = [dict(zip(habits[k].tolist(), row.tolist(), strict=True)) for k, row in zip(labels, strength, strict=True)]
    return _pictures(rng, seen, units), labels.astype(np.int64)


def draw_face(units: dict[int, float], identity: Identity | None = None, view: View | None = None, size: int = SIDE):
    """Draw one clean face, no camera in between: uint8 (size, size).

    units: strength of each Action Unit, 0 to about 1.1, such as {6: 0.8, 12: 1.0}. Raises ValueError for a unit that
    this renderer does not know, or a size under 16.
    """
    unknown = sorted(set(units) - set(ACTION_UNITS))
    if unknown:
        raise ValueError(f"Unknown Action Units {unknown}; known are {sorted(ACTION_UNITS)}.")
    if size < 16:
        raise ValueError(f"size must be at least 16 pixels a side; got {size}.")
    frame = _render([identity or Identity()], [units], [view or View()], size)[0]
    return np.clip(frame * 255 + 0.5, 0, 255).astype(np.uint8)


def action_unit_sheet(identity: Identity | None = None, size: int = 96) -> tuple[np.ndarray, list[str]]:
    """Each Action Unit alone at full strength, after the face at rest: images uint8 (k, size, size), names (k)."""
    identity = identity or Identity(hair_style="receding", hair=0.2, age=0.1)
    sheet = {"at rest": {}} | {f"AU{unit} {name}": {unit: 1.0} for unit, name in ACTION_UNITS.items()}
    return np.stack([draw_face(units, identity, size=size) for units in sheet.values()]), list(sheet)
