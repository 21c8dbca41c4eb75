"""Draw gray faces, each from an identity, a set of Action Units and a view; numpy only.

A face is a stack of soft-edged shapes on a canvas. The canvas's unit is half the side of the frame: u runs to the
right, v runs down, the frame is [-1, 1] x [-1, 1]. Skin is lit from a height map (a dome plus bumps for nose, cheeks,
chin, eye sockets). So a change of light, or a raised cheek, changes the shading as on a real face. Action Units move
curves and bumps: brows, lids, lips, cheeks, chin, folds.

Sources of the movements: P. Ekman, W. V. Friesen, Facial Action Coding System, 1978; P. Ekman, W. V. Friesen,
J. C. Hager, Facial Action Coding System, the manual, 2002.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from fer_utils.sample import features
from fer_utils.sample.features import Canvas, Patches, bell, limit, paint

ACTION_UNITS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    25: "lips part",
    26: "jaw drop",
    43: "eyes closed",
}

SKULL_DEPTH = 0.75  # of the head's dome, in canvas units; it decides how far features move when the head turns


@dataclass(frozen=True)
class Identity:
    """A person: all that an expression does not change. Lengths in canvas units, tones 0 (black) to 1 (white)."""

    head_width: float = 0.71
    head_height: float = 0.93
    jaw: float = 0.16  # how much the head narrows towards the chin
    eye_distance: float = 0.335
    eye_width: float = 0.20
    eye_opening: float = 1.0
    eye_tilt: float = 0.02
    iris_tone: float = 0.2
    lashes: float = 0.018
    brow_height: float = 0.31
    brow_thickness: float = 0.042
    brow_strength: float = 0.88
    brow_slope: float = 0.0  # at rest; above 0, the outer ends are lower, which looks sad on a neutral face
    nose_length: float = 0.36
    nose_width: float = 0.13
    mouth_height: float = 0.52
    mouth_width: float = 0.27
    mouth_corners: float = 0.0  # at rest; above 0, they are lower, which looks sad on a neutral face
    lip_fullness: float = 1.0
    lip_tone: float = 0.66  # as a share of the skin's tone
    skin: float = 0.72
    hair: float = 0.20
    hair_style: str = "short"  # a key of HAIR_SHARES (dataset)
    hair_volume: float = 0.11
    hairline: float = -0.60
    hair_phase: float = 0.0
    beard: float = 0.0
    moustache: float = 0.0
    glasses: float = 0.0
    age: float = 0.2  # depth of the resting folds, 0 to 1


@dataclass(frozen=True)
class View:
    """How the face is seen: angles in radians, shifts in canvas units, tones 0 to 1."""

    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    shift_u: float = 0.0
    shift_v: float = 0.0
    scale: float = 1.0
    gaze_u: float = 0.0
    gaze_v: float = 0.0
    light_u: float = -0.45  # the light comes from the right if light_u is above 0, and from below if light_v is above 0
    light_v: float = -0.5
    ambient: float = 0.45  # share of the light that comes from everywhere
    backdrop_left: float = 0.75
    backdrop_right: float = 0.5
    shirt: float = 0.35
    cartoon: bool = False


IDENTITY_NUMBERS = [part.name for part in fields(Identity) if part.name != "hair_style"]
VIEW_NUMBERS = [part.name for part in fields(View) if part.name != "cartoon"]


def _columns(rows: list, names: list[str]) -> SimpleNamespace:
    """The named numbers of every row: an object whose attributes are float32 (rows, 1, 1)."""
    values = np.array([[getattr(row, name) for name in names] for row in rows], np.float32)
    return SimpleNamespace(**{name: values[:, k, None, None] for k, name in enumerate(names)})


def _take(columns: SimpleNamespace, rows: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(**{name: values[rows] for name, values in vars(columns).items()})


class FaceBatch:
    """Faces of one `kind`, drawn together, upright, from back to front.

    faces: (Identity, {Action Unit: strength}, View) of each; strengths 0 to about 1.1. resolution: pixels per canvas
    unit. Attributes: who and view have the numbers of Identity and View, and the dict unit has the strengths, all as
    float32 (faces, 1, 1).
    """

    def __init__(self, faces: list[tuple[Identity, dict[int, float], View]], resolution: float):
        identities, units, views = zip(*faces, strict=True)
        self.count, self.index = len(faces), np.arange(len(faces))
        self.style, self.bearded, self.moustached, self.spectacled, self.cartoon = kind(identities[0], views[0])
        self.who, self.view = _columns(identities, IDENTITY_NUMBERS), _columns(views, VIEW_NUMBERS)
        strengths = np.array([[row.get(number, 0.0) for number in ACTION_UNITS] for row in units], np.float32)
        self.unit = {number: strengths[:, k, None, None] for k, number in enumerate(ACTION_UNITS)}
        self.canvas = Canvas(self.count, resolution)
        self.zero = np.zeros((self.count, 1, 1), np.float32)
        self.chin = self.who.head_height + 0.16 * self.unit[26]
        self.nose_tip = 0.03 + self.who.nose_length * 0.72
        self.cos, self.sin = np.cos(self.view.yaw), np.sin(self.view.yaw)
        self.outline = self._head_distance()

    def ink(self, normal):
        """Strength of dark lines, 0 to 1; a cartoon's lines are nearly black."""
        return 0.95 if self.cartoon else normal

    @cached_property
    def both_sides(self) -> SimpleNamespace:
        """Every face twice, for parts in pairs: face (2 n,), side (-1 left, 1 right), who, unit, view (2 n, 1, 1)."""
        face = np.concatenate((self.index, self.index))
        side = np.repeat([-1.0, 1.0], self.count).astype(np.float32)[:, None, None]
        unit = {number: strength[face] for number, strength in self.unit.items()}
        return SimpleNamespace(face=face, side=side, who=_take(self.who, face), view=_take(self.view, face), unit=unit)

    def place(self, u, v, face=slice(None)):
        """Where points (k, 1, 1) of frontal faces are once the heads have turned: u, v, width factor."""
        width, turn, cos = self.who.head_width[face] * 1.1, self.sin[face], self.cos[face]
        depth = SKULL_DEPTH * np.sqrt(np.maximum(1 - (u / width) ** 2 - (v / 1.15) ** 2, 0.05))
        slope = -(SKULL_DEPTH**2) * u / (width * width * np.maximum(depth, 0.25))
        narrow = np.minimum(np.maximum(cos + slope * turn, 0.45), 1.3)
        return u * cos + (depth - 0.55) * turn, v + 0.6 * depth * self.view.pitch[face], narrow

    def draw(self) -> np.ndarray:
        """Draw the faces: float32 (faces, side, side), about 0 to 1, where side = 2 * CANVAS_REACH * resolution."""
        self._backdrop()
        self._hair_behind()
        self._neck()
        self._ears()
        self._skin()
        features.paint_folds(self)
        features.paint_nose(self)
        features.paint_beard(self)
        features.paint_mouth(self)
        features.paint_eyes(self)
        features.paint_brows(self)
        self._hair_in_front()
        features.paint_glasses(self)
        return self.canvas.tone

    def _head_distance(self) -> np.ndarray:
        """Approximate signed distance of each canvas pixel to the outline of the head, positive inside."""
        who, axis = self.who, self.canvas.axis
        u, v = axis[None, None, :], axis[None, :, None]
        half_width = who.head_width * (1.0 - who.jaw * limit(v / self.chin) ** 1.6)
        half_height = np.where(v < 0, who.head_height + 0.02, self.chin)
        # |u|^p / half_width(v)^p is a row times a column, so powers of vectors suffice.
        radius = half_width**-2.3 * np.abs(u) ** 2.3 + (np.abs(v) / half_height) ** 2.3
        return (1.0 - np.sqrt(radius)) * who.head_width

    def _backdrop(self) -> None:
        view, axis = self.view, 0.4 * self.canvas.axis
        slope = view.backdrop_right - view.backdrop_left
        self.canvas.tone[:] = view.backdrop_left + slope * (axis[None, None, :] + 0.5 + 0.4 * axis[None, :, None])
        np.maximum(self.canvas.tone, 0.0, out=self.canvas.tone)

    def _neck(self) -> None:
        canvas, who = self.canvas, self.who
        box, u, v = canvas.box(-1.4, 1.4, 0.45, 1.4)
        tone, across = canvas.tone[box], np.abs(u)
        width = who.head_width * 0.62 + 0.25 * np.maximum(v - 1.0, 0)
        paint(tone, canvas.cover(width - across), who.skin * (0.66 - 0.22 * bell(v, self.chin, 0.22)))
        collar = v - (1.16 - 0.10 * bell(across, 0.9, 0.5) + 0.12 * bell(u, 0.0, 0.3))
        paint(tone, canvas.cover(collar), self.view.shirt)

    def _ears(self) -> None:
        both = self.both_sides
        centre = both.side * (both.who.head_width + 0.01) - 0.30 * self.sin[both.face]
        ears = Patches(self.canvas, both.face, centre, np.full_like(centre, 0.02), 0.14, 0.22)
        across, down = ears.u - centre, ears.v - 0.02
        inside = 0.10 - np.sqrt(across * across + (down * (0.10 / 0.19)) ** 2)
        tone = both.who.skin * (0.72 - 0.22 * bell(across, 0.0, 0.04) * bell(down, 0.0, 0.1))
        ears.paint(self.canvas.cover(inside), tone)
        ears.lay()

    def _skin(self) -> None:
        """Paint the head. Its tone is the skin's tone times the light on the height map."""
        canvas, view = self.canvas, self.view
        box, u, v = canvas.box(-0.8, 0.8, -1.05, float(self.chin.max()) + 0.04)
        tone, outline = canvas.tone[box], self.outline[box]
        height = self._height_map(u, v, outline)
        step = canvas.pixels_per_unit / 2
        down = (height[:, 2:, 1:-1] - height[:, :-2, 1:-1]) * step
        right = (height[:, 1:-1, 2:] - height[:, 1:-1, :-2]) * step
        facing = (0.85 - right * view.light_u - down * view.light_v) / np.sqrt(1 + right * right + down * down)
        light = view.ambient + (1 - view.ambient) * 1.15 * np.maximum(facing, 0)
        if self.cartoon:
            light = 0.84 + 0.2 * (light > 0.80)
        cover = canvas.cover(outline[:, 1:-1, 1:-1])
        paint(tone[:, 1:-1, 1:-1], cover, np.minimum(self.who.skin * light, 1))
        if self.cartoon:
            paint(tone, canvas.cover(0.028 - np.abs(outline)), 0.08)

    def _height_map(self, u: np.ndarray, v: np.ndarray, outline: np.ndarray) -> np.ndarray:
        inside = limit(outline * (1 / self.who.head_width))
        across, down = [], []
        for bump_u, bump_v, width, tall, height in self._bumps():
            centre_u, centre_v, narrow = self.place(bump_u, bump_v)
            across.append(bell(u, centre_u, narrow * width))
            down.append(bell(v, centre_v, tall) * height)
        across, down = np.concatenate(across, axis=1), np.concatenate(down, axis=2)
        # Each bell is a column times a row, so one matrix product adds up all bells.
        return 0.42 * np.sqrt(inside * (2.0 - inside)) + down @ across

    def _bumps(self) -> list[tuple]:
        """The height map's bells before the head turns: (u, v, half-width, half-height, height) of each."""
        who, unit, zero, tip = self.who, self.unit, self.zero, self.nose_tip
        raised, drop = np.maximum(unit[6], 0.6 * unit[12]), 0.16 * unit[26]
        bumps = [
            (zero, tip, who.nose_width * 0.95, 0.11, 0.13),
            (zero, zero + 0.02, who.nose_width * 0.70, 0.24, 0.075),
            (zero, zero - 0.16, 0.07, 0.10, -0.02 - 0.02 * unit[4]),
            (zero, who.mouth_height + 0.20 + drop, 0.13, 0.05, -0.03 - 0.03 * unit[17]),
            (zero, self.chin - 0.17, 0.20, 0.12, 0.08 + 0.05 * unit[17]),
            (zero, zero - 0.62, 0.45, 0.25, 0.05),
        ]
        for side in (-1.0, 1.0):
            bumps += [
                (side * who.eye_distance, zero - 0.13, 0.21, 0.15, -0.07),
                (side * who.eye_distance * 1.05, zero - 0.33, 0.26, 0.08, 0.03 + 0.03 * unit[4]),
                (side * (0.43 + 0.02 * unit[12]), 0.21 - 0.07 * raised, 0.19, 0.16, 0.06 + 0.09 * raised),
                (side * who.nose_width * 0.95, tip + 0.03 - 0.03 * unit[9], 0.06, 0.06, 0.04),
                (side * (who.mouth_width + 0.20), who.mouth_height, 0.12, 0.22, -0.02 - 0.03 * unit[26]),
            ]
        return bumps

    def _hair_tone(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        who = self.who
        if self.cartoon:
            return who.hair + 0.03 * np.sin(9 * u + 7 * v)
        if self.style in ("beanie", "headscarf"):
            return who.hair * (1.0 + 0.13 * np.sin(9 * u + 7 * v) - 0.35 * u * u)
        strands = np.sin(9 * v + (31 * u + who.hair_phase + 2.5 * np.sin(3 * u))) * (0.6 + 0.5 * np.sin(13 * u))
        shine = bell(v + (0.1 * u - 0.35 * u * u), -0.80, 0.13) * (0.05 + 0.22 * who.hair)
        return limit(who.hair * (0.92 - 0.25 * u * u + 0.16 * strands) + shine)

    def _hair_behind(self) -> None:
        who, canvas = self.who, self.canvas
        if self.style in ("long", "headscarf"):
            box, u, v = canvas.box(-1.2, 1.2, -1.4, 1.4)
            half_width = who.head_width + 0.08 + who.hair_volume * (0.6 + 0.5 * np.maximum(v + 0.2, 0))
            dome = np.sqrt(limit(1 - (np.minimum(v, 0) / (who.head_height + who.hair_volume)) ** 2))
            paint(canvas.tone[box], canvas.cover(half_width * dome - np.abs(u)), self._hair_tone(u, v) * 0.8)
        elif self.style == "bun":
            box, u, v = canvas.box(-0.4, 0.4, -1.4, -0.7)
            knot = 0.30 - np.sqrt(u * u + (v + who.head_height + 0.12) ** 2)
            paint(canvas.tone[box], canvas.cover(knot), self._hair_tone(u, v) * 0.85)

    def _hairline(self, u: np.ndarray) -> np.ndarray:
        """The v at which the hair ends on the forehead, for each u."""
        who, style = self.who, self.style
        reach = np.minimum(np.abs(u) / who.head_width, 1.15)
        wave = np.sin(23 * u + who.hair_phase)
        if style == "side part":
            parting = limit(u * np.where(who.hair_phase > 3.14, 1, -1) + 0.35)
            return who.hairline - 0.16 + 0.85 * reach**4 + 0.26 * parting
        if style == "fringe":
            return who.hairline + 0.13 + 0.8 * reach**6 + 0.022 * wave
        if style == "long":
            return who.hairline - 0.24 + 1.35 * reach**1.5 * who.head_width + 0.10 * reach**6
        if style == "curly":
            return who.hairline + 0.7 * reach**4 + 0.035 * wave + 0.02 * np.sin(41 * u)
        if style == "receding":
            return who.hairline - 0.24 + 1.05 * reach**4 - 0.10 * bell(np.abs(u), 0.38, 0.16)
        if style == "beanie":
            return who.hairline + 0.12 + 0.10 * u * u
        if style == "headscarf":
            return who.hairline - 0.10 + 1.9 * reach**4
        return who.hairline + 0.75 * reach**5 + 0.015 * wave

    def _hair_in_front(self) -> None:
        who, canvas, style = self.who, self.canvas, self.style
        if style == "bald":
            return
        covering = style in ("long", "headscarf")
        box, u, v = canvas.box(-1.1, 1.1, -1.4, 1.0 if covering else 0.1)
        tone = canvas.tone[box]
        # Hair has volume at the top of the head, and is flat in front of the ears.
        volume = who.hair_volume * (1.0 if covering else limit(0.2 - 1.1 * v))
        if style == "curly":
            volume = volume + 0.035 * np.sin(21 * u) * np.sin(19 * v + who.hair_phase)
        outline = canvas.cover(self.outline[box] + volume)
        below = v - (self._hairline(u - 0.20 * self.sin) + 0.35 * self.view.pitch)
        if not covering:
            below = np.maximum(below, (v + 0.06) * 2)
        if not self.cartoon:
            tone *= 1 - 0.25 * outline * np.exp(-((np.maximum(below, 0) * 18) ** 2))
        paint(tone, outline * limit(0.5 - below * (canvas.sharp * 0.7)), self._hair_tone(u, v))
        if style == "beanie":
            band = canvas.cover(np.minimum(-below, below + 0.17)) * outline
            paint(tone, band, who.hair * (0.75 + 0.12 * np.sin(40 * u)))


def kind(identity: Identity, view: View) -> tuple[str, bool, bool, bool, bool]:
    """What the faces of one batch have in common: hair style, and whether beard, moustache, glasses, cartoon."""
    return identity.hair_style, identity.beard > 0, identity.moustache > 0, identity.glasses > 0, view.cartoon
