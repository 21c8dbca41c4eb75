"""Tools to paint with, and the parts of a drawn face: folds, brows, eyes, nose, mouth, beard and glasses.

Faces are painted in batches, because at this size a numpy call costs more than its pixels. So every property of the
faces is an array (faces, 1, 1). Each painter takes the `FaceBatch` of `sample.drawing` and paints on its canvas in
place. Coordinates: u to the right, v down, the frame is [-1, 1] x [-1, 1]. Tones are from 0 (black) to 1 (white).
"""

import numpy as np

CANVAS_REACH = 1.4  # half the canvas's side; the frame's is 1, and it must fit when it is rolled or shifted


class Canvas:
    """Square sheets of tones, one for each face, with their coordinates.

    tone: float32 (faces, side, side), 0 to 1; axis: float32 (side,), coordinates of the pixel centres;
    sharp: 1 / the width of a soft edge.
    """

    def __init__(self, faces: int, pixels_per_unit: float):
        self.pixels_per_unit = pixels_per_unit
        side = round(2 * CANVAS_REACH * pixels_per_unit)
        self.axis = ((np.arange(side) + 0.5) / pixels_per_unit - CANVAS_REACH).astype(np.float32)
        self.tone = np.empty((faces, side, side), np.float32)
        self.sharp = pixels_per_unit / 1.2

    def box(self, left: float, right: float, top: float, bottom: float):
        """Return the index of the box's pixels in `tone`, their u (1, 1, width) and their v (1, height, 1)."""
        rows, columns = self._span(top, bottom), self._span(left, right)
        return np.s_[:, rows, columns], self.axis[None, None, columns], self.axis[None, rows, None]

    def _span(self, low: float, high: float) -> slice:
        first = int((low + CANVAS_REACH) * self.pixels_per_unit)
        last = int((high + CANVAS_REACH) * self.pixels_per_unit) + 2
        return slice(max(first, 0), min(last, len(self.axis)))

    def cover(self, distance: np.ndarray) -> np.ndarray:
        """Share of each pixel inside a shape, from the signed distance to its edge (positive inside)."""
        return limit(distance * self.sharp + 0.5)


class Patches:
    """k windows of equal size, each on one face; they are painted together and then laid on the canvas.

    face: int (k,), the face of each window; centre_u, centre_v: (k, 1, 1). u: (k, 1, width), v: (k, height, 1).
    through is the share of the canvas's tone that stays, and laid is the tone that is added. So patches may overlap.
    """

    def __init__(self, canvas: Canvas, face, centre_u, centre_v, half_width: float, half_height: float):
        self.canvas, self.face = canvas, face
        self.width, self.left, self.u = self._window(centre_u, half_width)
        self.height, self.top, v = self._window(centre_v, half_height)
        self.v = v.transpose(0, 2, 1)
        self.through = np.ones((len(face), self.height, self.width), np.float32)
        self.laid = np.zeros_like(self.through)

    def _window(self, centre: np.ndarray, half: float) -> tuple[int, np.ndarray, np.ndarray]:
        size = min(int(2 * half * self.canvas.pixels_per_unit) + 2, len(self.canvas.axis))
        first = ((centre[:, 0, 0] + CANVAS_REACH) * self.canvas.pixels_per_unit - size / 2).astype(int)
        first = np.minimum(np.maximum(first, 0), len(self.canvas.axis) - size)
        return size, first, self.canvas.axis[first[:, None] + np.arange(size)][:, None, :]

    def paint(self, cover, value) -> None:
        """Mix the tone `value` into each window, by `cover` (0: not at all, 1: fully)."""
        self.through *= 1.0 - cover
        self.laid += cover * (value - self.laid)

    def shade(self, share) -> None:
        """Multiply the tones by `share`, which darkens below 1."""
        self.through *= share
        self.laid *= share

    def lay(self) -> None:
        """Put the windows on the canvas."""
        for k, (face, top, left) in enumerate(zip(self.face, self.top, self.left, strict=True)):
            tone = self.canvas.tone[face, top : top + self.height, left : left + self.width]
            tone *= self.through[k]
            tone += self.laid[k]


def limit(x):
    """Clip to [0, 1]. These two calls cost less than np.clip."""
    return np.minimum(np.maximum(x, 0.0), 1.0)


def paint(tone: np.ndarray, cover, value) -> None:
    """Mix the tone `value` into `tone`, in place, by `cover` (0: not at all, 1: fully)."""
    tone += cover * (value - tone)


def bell(x, centre, width):
    """A Gaussian bump of height 1 at `centre`."""
    scaled = (x - centre) * (1.0 / width)
    return np.exp(-scaled * scaled)


def arch(x: np.ndarray) -> np.ndarray:
    """A parabola: 1 at 0, and 0 from -1 and 1 outwards."""
    return np.maximum(1.0 - x * x, 0.0)


def fold_lines(face) -> np.ndarray:
    """All visible folds of all faces: float32 (8, folds) with rows face, u0, v0, u1, v1, width, depth, bend.

    Folds come from Action Units and from age. Those too faint to be seen are left out.
    """
    who, unit, age = face.who, face.unit, 0.3 * face.who.age
    brow, mouth, drop, tip = -who.brow_height, who.mouth_height, 0.16 * unit[26], face.nose_tip
    smile_lines = 0.40 * unit[12] + 0.5 * np.maximum(unit[9], unit[10]) + 0.12 * unit[20] + 0.5 * age
    pouch, crow = 0.28 * unit[6] + 0.14 * unit[7] + age * 0.8, 0.42 * unit[6] + 0.4 * age
    lines = []
    for i, v in enumerate((brow - 0.16, brow - 0.26)):
        lines.append((-0.30, v, 0.30, v, 0.022, 0.34 * unit[1] + 0.5 * age - 0.04 * i, 0.03))
        for side in (-1.0, 1.0):
            lines.append((side * 0.25, v, side * 0.55, v + 0.06, 0.022, 0.30 * unit[2] - 0.04 * i, 0.05 * side))
    for side in (-1.0, 1.0):
        eye, wing, chin = side * who.eye_distance, side * who.nose_width, face.chin - 0.2
        corner = side * (who.mouth_width * (1 + 0.22 * unit[12]) + 0.11)
        low = mouth + 0.02 - 0.04 * unit[12] + 0.04 * unit[10]
        lines += [
            (side * 0.045, brow - 0.08, side * 0.04, brow + 0.10, 0.024, 0.55 * unit[4] + 0.2 * age, 0.0),
            (side * 0.03, -0.12, side * 0.15, -0.02, 0.024, 0.5 * unit[9], 0.0),
            (side * 0.07, 0.02, side * 0.20, 0.10, 0.024, 0.42 * unit[9], 0.0),
            (wing * 1.25, tip - 0.05, corner, low, 0.034, smile_lines, 0.05 * side),
            (corner * 0.86, mouth + 0.07, corner * 0.9, mouth + 0.22, 0.03, 0.36 * unit[15] + 0.3 * age, 0.0),
            (eye - side * 0.13, 0.05, eye + side * 0.17, 0.03, 0.026, pouch, -0.04 * side),
            (eye + side * 0.25, -0.13, eye + side * 0.35, -0.19, 0.016, crow, 0.0),
            (eye + side * 0.25, -0.08, eye + side * 0.36, -0.06, 0.016, crow, 0.0),
            (side * 0.02, chin, side * 0.12, chin + 0.06, 0.03, 0.22 * unit[17], 0.0),
            (wing * 1.05, tip - 0.03, wing, tip + 0.09, 0.026, 0.26 + 0.25 * unit[9], 0.02 * side),
            (0.0, mouth + 0.12 + drop, side * 0.12, mouth + 0.115 + drop, 0.03, 0.12, 0.0),
        ]
    table = np.empty((8, face.count, len(lines)), np.float32)
    table[0] = np.arange(face.count)[:, None]
    for k, line in enumerate(lines):
        for row, value in enumerate(line):
            table[row + 1, :, k] = np.ravel(value)
    return table[:, table[6] > 0.03]


def paint_folds(face) -> None:
    """Darken all folds."""
    lines = fold_lines(face)[:, :, None, None]
    owner = lines[0, :, 0, 0].astype(int)
    u0, v0, _ = face.place(lines[1], lines[2], owner)
    u1, v1, _ = face.place(lines[3], lines[4], owner)
    width, depth, bend = lines[5:]
    middle_u, middle_v = (u0 + u1) / 2, (v0 + v1) / 2
    patches = Patches(face.canvas, owner, middle_u, middle_v, 0.3, 0.18)
    run, fall = u1 - u0, v1 - v0
    length = np.sqrt(run * run + fall * fall)
    to_right, down = patches.u - middle_u, patches.v - middle_v
    along = to_right * (2 * run / length**2) + down * (2 * fall / length**2)  # -1 at the start, 1 at the end
    room = arch(along)
    offset = to_right * (fall / length / width) - down * (run / length / width) - room * (bend / width)
    patches.shade(1 - depth * np.exp(-offset * offset) * np.sqrt(room))
    patches.lay()


def paint_brows(face) -> None:
    both = face.both_sides
    who, unit, side, canvas = both.who, both.unit, both.side, face.canvas
    inner = 0.115 - 0.045 * unit[4]
    start, base, narrow = face.place(side * inner, -who.brow_height, both.face)
    length = (who.eye_distance + 0.20 - inner) * narrow
    middle_u, reach = start + side * length * 0.48, float(length.max()) * 0.56
    patches = Patches(canvas, both.face, middle_u, base - 0.02, reach, 0.24)
    x = (patches.u - start) * (side / length)  # 0 at the inner end, 1 at the outer end
    inward = np.minimum(np.maximum(1 - x, 0), 1.1)
    lift = 0.15 * unit[1] * inward**1.4 + 0.13 * unit[2] * bell(x, 0.72, 0.42)
    lower = unit[4] * (0.12 * inward + 0.045) + unit[9] * (0.05 * inward + 0.02)
    rest = 0.055 * np.sin(np.pi * limit(0.12 + 0.78 * x)) - who.brow_slope * (x - 0.5)
    middle = base + 0.03 - rest - lift + lower
    thick = who.brow_thickness * (1.25 if face.cartoon else 1.0) * np.maximum(1.12 - 0.72 * x, 0)
    thick = thick * np.sqrt(limit((x + 0.06) * 7)) * (x < 1.02)
    cover = canvas.cover(thick - np.abs(patches.v - middle)) * limit(thick * 50)
    patches.paint(cover * face.ink(who.brow_strength), np.minimum(who.hair * 0.8, who.skin * 0.5))
    patches.lay()


def paint_eyes(face) -> None:
    both, canvas = face.both_sides, face.canvas
    who, unit, side = both.who, both.unit, both.side
    big = 1.3 if face.cartoon else 1.0
    centre, level, narrow = face.place(side * who.eye_distance, np.full_like(side, -0.115), both.face)
    half = who.eye_width * narrow * big
    patches = Patches(canvas, both.face, centre, level - 0.05, float(half.max()) * 1.12, 0.19 * big)
    v = patches.v
    x = (patches.u - centre) * (side / half)  # -1 at the inner corner, 1 at the outer corner
    bulge = arch(x)
    top, bottom = _lids(who, unit, x, bulge, big)
    under, above = v - level - top, bottom + level - v
    ball = _eyeball(both, canvas, patches.u - centre, v - level, narrow, big) * (0.78 + 0.22 * limit(under * 14))
    patches.paint(canvas.cover(np.minimum(under, above)) * (bulge > 0), ball)
    ends = limit((1.1 - np.abs(x)) * 8)
    patches.paint(canvas.cover(0.008 - np.abs(above)) * (ends * face.ink(0.45)), who.skin * 0.35)
    lash = (0.026 if face.cartoon else who.lashes) * (0.75 + 0.4 * np.minimum(np.maximum(x, -1), 1)) + 0.004
    patches.paint(canvas.cover(lash - np.abs(under + 0.006)) * (ends * face.ink(0.88)), 0.05)
    if not face.cartoon:
        crease = bell(under + (0.05 + 0.02 * bulge - 0.03 * unit[5]), 0.0, 0.018)
        patches.shade(1 - crease * (bulge * (0.28 - 0.17 * np.minimum(unit[5], 1.0))))
    patches.lay()


def _lids(who, unit, x: np.ndarray, bulge: np.ndarray, big: float) -> tuple[np.ndarray, np.ndarray]:
    """The edges of the upper and the lower lid for each x, as v from the eye's level."""
    up = 0.108 * who.eye_opening * big * (1 + 0.70 * unit[5] - 0.30 * unit[7] - 0.30 * unit[6] - 0.25 * unit[9])
    low = 0.068 * who.eye_opening * big * (1 + 0.15 * unit[5] - 0.65 * unit[7] - 0.75 * unit[6] - 0.3 * unit[9])
    opened = 1 - 0.97 * np.minimum(unit[43], 1.0)
    axis = 0.04 * (1 - opened) * bulge - who.eye_tilt * x
    slant = 0.28 * unit[4] * (1 - 0.8 * np.minimum(unit[1], 1.0)) - 0.30 * unit[1] * (1 - 0.7 * unit[2])
    top = axis - np.maximum(up, 0.012) * opened * bulge**0.75 * (1 + slant * x)
    return top, axis + np.maximum(low, 0.008) * opened * bulge**0.9


def _eyeball(both, canvas: Canvas, u: np.ndarray, v: np.ndarray, narrow: np.ndarray, big: float) -> np.ndarray:
    """Tones of the white, iris, pupil and glint, before the lids cover a part; u and v from the eye's centre."""
    who, radius = both.who, 0.104 * big
    to_right, down = u - 0.10 * both.view.gaze_u, v + 0.018 - 0.06 * both.view.gaze_v
    away = np.sqrt((to_right / np.maximum(narrow, 0.6)) ** 2 + down * down)
    white = (0.60 + 0.30 * who.skin) * (1 - 1.6 * u * u)
    iris = who.iris_tone * (1 + 1.2 * np.minimum(np.maximum(down / radius, -0.5), 1))
    ball = white + canvas.cover(radius - away) * (iris - white)
    ball += canvas.cover(radius * 0.48 - away) * (0.03 - ball)
    return np.minimum(ball + 0.9 * bell(to_right, -0.034, 0.030) * bell(down, -0.036, 0.030), 1.0)


def paint_nose(face) -> None:
    who, unit = face.who, face.unit
    base_u, base_v, _ = face.place(face.zero, face.nose_tip + 0.12)
    patches = Patches(face.canvas, face.index, base_u, base_v, 0.26, 0.13)
    under = 0.20 * bell(patches.u, base_u, who.nose_width * 0.8) * bell(patches.v, base_v, 0.035)
    patches.shade(1 - under)
    for side in (-1.0, 1.0):
        hole_u, hole_v, narrow = face.place(side * who.nose_width * 0.50, face.nose_tip + 0.085 - 0.03 * unit[9])
        hole = bell(patches.u, hole_u, 0.045 * narrow) * bell(patches.v, hole_v, 0.024)
        patches.shade(1 - face.ink(0.62) * hole)
    patches.lay()


def mouth_curves(who, unit, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Upper lip's edge, top and bottom of the opening, lower lip's edge for x in [-1, 1]; v from the mouth's level."""
    parted = np.minimum(unit[25], 1.0)
    corner = who.mouth_corners - 0.155 * unit[12] + 0.125 * unit[15] + 0.03 * unit[20]
    middle = 0.03 * unit[12] - 0.055 * unit[17] - 0.02 * unit[15]
    base = middle + (corner - middle) * np.abs(x) ** 1.7
    part = 0.035 * unit[25] + 0.02 * unit[26]
    top = 0.055 * unit[10] + part * 0.5 + (0.02 * unit[9] + 0.035 * unit[12]) * parted
    bottom = part + 0.26 * unit[26] + 0.085 * unit[16]
    bottom = bottom + (0.03 * unit[10] + 0.075 * unit[12] + 0.05 * unit[20]) * parted
    room = arch(x)
    flat = 0.55 + 0.6 * unit[26] * (1 - 0.6 * np.minimum(unit[20], 1.0))  # a dropped jaw rounds the opening
    upper, lower = base - top * room**flat, base + bottom * room ** np.minimum(flat, 0.75)
    full = who.lip_fullness * np.maximum((1 - 0.65 * unit[23]) * (1 - 0.3 * unit[12]) * (1 - 0.35 * unit[20]), 0.2)
    bow = 1 - 0.30 * bell(x, 0.0, 0.16)
    upper_edge = upper - 0.058 * full * (1 + 0.2 * unit[10]) * bow * room**0.7
    return upper_edge, upper, lower, lower + 0.080 * full * (1 + 0.25 * unit[17]) * room**0.6


def paint_mouth(face) -> None:
    who, unit, canvas = face.who, face.unit, face.canvas
    wide = 1 + 0.24 * unit[12] + 0.22 * unit[20] - 0.16 * unit[23] - 0.06 * unit[17]
    wide = wide - 0.20 * unit[26] * (1 - 0.6 * np.minimum(unit[20] + unit[12], 1.0))
    centre, level, narrow = face.place(face.zero, who.mouth_height + 0.05 * unit[26] - 0.02 * unit[9])
    half = who.mouth_width * np.maximum(wide, 0.5) * narrow
    reach = float((unit[26] + unit[12] * 0.3 + unit[16] * 0.4).max())
    half_width, half_height = float(half.max()) * 1.18, 0.27 + 0.12 * reach
    patches = Patches(canvas, face.index, centre, level + 0.05 + 0.11 * reach, half_width, half_height)
    v, x = patches.v, (patches.u - centre) / half
    upper_edge, top, bottom, lower_edge = (level + curve for curve in mouth_curves(who, unit, x))
    room, within = arch(x), limit((1.04 - np.abs(x)) * 12)
    under, above, gap = v - top, bottom - v, bottom - top
    patches.shade(1 - bell(v - lower_edge, 0.04, 0.04) * (room * (0.10 if face.cartoon else 0.22)))
    colour = who.lip_tone * who.skin * (1.0 - 0.16 * (under < 0))
    plump = bell(v - (0.45 * bottom + 0.55 * lower_edge), 0.0, 0.028) * (0.17 * who.skin * room)
    lips = canvas.cover(np.minimum(v - upper_edge, lower_edge - v)) * (within * 0.9)
    patches.paint(lips, colour + plump)
    if float(gap.max()) > 0:
        hole = canvas.cover(np.minimum(under, above)) * (within * limit(gap * 80))
        patches.paint(hole, _mouth_inside(face, x, room, under, above, gap))
    seam = canvas.cover(0.013 - np.abs(under)) * (within * np.maximum(1 - gap * 20, 0.15))
    patches.paint(seam * face.ink(0.78), who.skin * 0.16)
    corners = bell(np.abs(x), 1.0, 0.13) * bell(under, 0.0, 0.03)
    patches.shade(1 - corners * (0.3 + 0.15 * np.minimum(unit[12] + unit[15], 1.0)))
    patches.lay()


def _mouth_inside(face, x, room, under, above, gap) -> np.ndarray:
    """Tones inside the mouth: dark, tongue, teeth. under, above: distances from the upper and the lower lip."""
    who, unit, canvas = face.who, face.unit, face.canvas
    inside = 0.07 + bell(above, 0.01, 0.07) * (0.22 * room * limit(gap * 5))
    teeth = 0.93 * (1 - 0.45 * x * x) * (0.55 + 0.45 * np.minimum(1.0, who.skin + 0.45))
    show = unit[12] + unit[10] + 0.55 * unit[20] + 0.45 * unit[26] + 0.3 * unit[25]
    length = np.minimum(0.095 * np.minimum(show, 1.0), 0.8 * gap)
    inside += canvas.cover(length - under) * limit(gap * 33) * (teeth - inside)
    lower = 0.05 * unit[16] + 0.03 * unit[20]
    return inside + canvas.cover(np.minimum(lower, 0.4 * gap) - above) * (lower > 0.012) * (0.85 * teeth - inside)


def paint_beard(face) -> None:
    who, canvas, unit = face.who, face.canvas, face.unit
    if not (face.bearded or face.moustached):
        return
    centre, level, _ = face.place(face.zero, who.mouth_height)
    box, u, v = canvas.box(-0.9, 0.9, 0.0, 1.25)
    tone, x = canvas.tone[box], np.abs(u - centre)
    grain = 0.87 + 0.13 * np.sin(u * 61 + who.hair_phase) * np.sin(v * 47)
    if face.bearded:
        edge = 0.30 * bell(x, 0.0, 0.30) + 0.12 * unit[26] * bell(x, 0, 0.5) - 0.62 * np.maximum(x - 0.38, 0)
        cover = limit((v - level + 0.02 - edge) * 7) * canvas.cover(face.outline[box])
        paint(tone, cover * grain * who.beard, who.hair * 0.9)
    if face.moustached:
        lift = 0.10 * unit[12] * limit(x / 0.3) + 0.04 * (unit[9] + unit[10]) - 0.108 - 0.4 * x * x
        cover = canvas.cover(0.042 * np.sqrt(arch(x / 0.30)) - np.abs(v - level + lift + 0.216))
        paint(tone, cover * grain * (who.moustache * (x < 0.30)), who.hair * 0.9)


def paint_glasses(face) -> None:
    if not face.spectacled:
        return
    both, canvas = face.both_sides, face.canvas
    who, side = both.who, both.side
    frame = np.where(who.glasses < 0.75, 0.10, 0.55)
    centre, level, narrow = face.place(side * who.eye_distance, np.full_like(side, -0.09), both.face)
    patches = Patches(canvas, both.face, centre, level, 0.36, 0.27)
    u, v = patches.u - centre, patches.v - level
    away = np.sqrt(np.sqrt((u / (0.268 * narrow)) ** 4 + (v / 0.215) ** 4))
    patches.paint(limit((1 - away) * 8) * 0.09 * (1 + np.sin(9 * (u - v))), 1.0)
    patches.paint(canvas.cover(0.017 - 0.22 * np.abs(away - 1)) * 0.9, frame)
    inner = face.place(side * (who.eye_distance - 0.268), np.full_like(side, -0.11), both.face)
    bridge = canvas.cover(0.016 - np.abs(patches.v - inner[1])) * (side * (patches.u - inner[0]) < 0)
    patches.paint(bridge * 0.9 * (side * patches.u > side * 0.2 * np.sin(both.view.yaw)), frame)
    patches.lay()
