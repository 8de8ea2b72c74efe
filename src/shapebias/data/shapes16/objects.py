"""Bottle, chair, clock, keyboard, knife and oven as drawings."""

from __future__ import annotations

import numpy as np

from shapebias.data.shapes16.draw import Drawing, catmull_rom


def chair(rng: np.random.Generator) -> Drawing:
    """A wooden chair seen from an angle, one from the side, or a swivel chair."""
    kind = rng.random()
    return _chair_angled(rng) if kind < 0.5 else _chair_side(rng) if kind < 0.75 else _chair_swivel(rng)


def _chair_angled(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=4)
    wide, deep, skew, post = u(34, 42), u(13, 18), u(10, 18), u(5, 6.5)
    back, legs = u(42, 54), u(36, 46)
    left, right = np.array([0.0, 0.0]), np.array([wide, u(1, 4)])
    toward = np.array([skew, deep])
    lean = np.array([-u(2, 6), -back])
    for corner, drop in ((left, 0.86), (right, 0.86), (left + toward, 1.0), (right + toward, 1.0)):
        d.stroke([corner, corner + np.array((u(-1.5, 1.5), legs * drop))], [post, post * 0.75], smooth=False)
    seat = np.array([left, right, right + toward, right + toward, left + toward, left])
    d.polygon(seat + np.array([(-2, -2), (2, -2), (2, 2), (2, 6), (-2, 6), (-2, 4)]))
    for corner in (left, right):
        d.stroke([corner, corner + lean], post, smooth=False)
    style, sag = rng.integers(3), np.array([0.0, 3.5])
    if style == 0:
        for k in np.linspace(0.42, 1.0, int(rng.integers(2, 5))):
            d.stroke([left + lean * k, (left + right) / 2 + lean * k - sag / 2, right + lean * k], 6)
    elif style == 1:
        d.stroke([left + lean, right + lean], 7.5, smooth=False)
        d.stroke([left + lean * 0.3, right + lean * 0.3], 4, smooth=False)
        for k in np.linspace(0.2, 0.8, int(rng.integers(3, 5))):
            foot = left + (right - left) * k
            d.stroke([foot + lean * 0.3, foot + lean], 3, smooth=False)
    else:
        d.polygon([left + lean * 0.4, right + lean * 0.4, right + lean, left + lean])
        d.stroke([left + lean, (left + right) / 2 + lean - sag, right + lean], post)
    if rng.random() < 0.5:
        d.stroke(np.array([left, right]) + toward + np.array([0.0, legs * 0.6]), 3, smooth=False)
    return d


def _chair_side(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=4)
    seat, back, legs, lean, bar = u(40, 48), u(46, 58), u(42, 50), u(5, 13), u(6, 8)
    d.stroke([(-lean, -back), (-1, -back * 0.4), (0, 0)], [bar, bar, bar])
    d.stroke([(0, 0), (seat, -1)], bar + u(1, 4), smooth=False)
    d.stroke([(1, 0), (-u(3, 8), legs)], [bar, bar * 0.65], smooth=False)
    d.stroke([(seat - 3, 0), (seat + u(-2, 4), legs)], [bar, bar * 0.65], smooth=False)
    d.stroke([(-1, legs * 0.5), (seat - 2, legs * 0.5)], 3.4, smooth=False)
    if rng.random() < 0.5:
        rest = -back * u(0.42, 0.5)
        d.stroke([(-2, rest), (seat * 0.78, rest - 1)], 5, smooth=False)
        d.stroke([(seat * 0.7, rest), (seat * 0.75, 0)], 4, smooth=False)
    if rng.random() < 0.5:
        d.stroke([(4, -back * 0.85), (5, -back * 0.2)], [6, 8])
    return d


def _chair_swivel(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=4)
    seat, back, stem = u(38, 46), u(38, 50), u(20, 27)
    d.stroke([(4, 0), (seat, 0)], 11, smooth=False)
    d.stroke([(3, 0), (-4, -12), (-4, -18)], 5)
    d.stroke([(-4, -16), (-3, -14 - back * 0.4), (-8, -14 - back)], [10, 12, 10])
    mid = seat * 0.52
    d.box(mid - 3, 2, 6, stem + 6)
    hub = stem + 8
    for reach, drop in ((-25, 7), (25, 7), (-12, 11), (13, 11)):
        d.stroke([(mid, hub), (mid + reach, hub + drop)], [6, 3.6], smooth=False)
        d.ellipse(mid + reach, hub + drop + 4, 3.8)
    if rng.random() < 0.7:
        d.stroke([(seat * 0.3, -2), (seat * 0.36, -19)], 4, smooth=False)
        d.stroke([(seat * 0.1, -19.5), (seat * 0.78, -19.5)], 5.5, smooth=False)
    return d


def _hands(d: Drawing, rng: np.random.Generator, r: float) -> None:
    """Hour marks and hands, cut out of a dial of radius ``r`` about the origin."""
    hour = float(rng.uniform(0, 12))
    quarters = rng.random() < 0.3
    for k in range(12):
        a = np.radians(30 * k)
        way = np.array([np.sin(a), -np.cos(a)])
        if k % 3 == 0 or not quarters:
            start, thick = (0.72, 0.085) if k % 3 == 0 else (0.79, 0.05)
            d.stroke([way * r * start, way * r * 0.87], r * thick, smooth=False, cut=True)
    for turn, long, thick in ((hour / 12, 0.44, 0.115), (hour % 1, 0.66, 0.08)):
        a = 2 * np.pi * turn
        way = np.array([np.sin(a), -np.cos(a)])
        d.stroke([way * r * -0.1, way * r * long], r * thick, smooth=False, cut=True)
    d.ellipse(0, 0, r * 0.1, cut=True)
    d.ellipse(0, 0, r * 0.045)


def clock(rng: np.random.Generator) -> Drawing:
    """A round or square wall clock, an alarm clock, or a pendulum clock."""
    u = rng.uniform
    kind = rng.random()
    d = Drawing(tilt=8)
    r = 36.0
    if kind < 0.3:
        d.ellipse(0, 0, r + 8)
        d.ring(0, 0, r + 2.2, 1.8, cut=True)
    elif kind < 0.65:
        for side in (-1, 1):
            a = np.radians(side * u(30, 40))
            d.ellipse(np.sin(a) * 47, -np.cos(a) * 47, 15, 11, angle=float(np.degrees(a)))
            d.stroke([(side * 22, 30), (side * u(29, 34), 48)], [8, 6.5], smooth=False)
        d.ellipse(0, 0, r + 9, cut=True)
        d.ellipse(0, 0, r + 6.5)
        d.ring(0, 0, r + 2, 1.7, cut=True)
        d.stroke([(0, -40), (0, -56)], 4, smooth=False)
        if rng.random() < 0.6:
            d.stroke([(-9, -58), (9, -58)], 5, smooth=False)
    elif kind < 0.8:
        d.box(-r - 6, -r - 6, 2 * r + 12, 2 * r + 12, u(2, 16))
        d.ring(0, 0, r + 2.4, 1.8, cut=True)
    else:
        low = u(72, 92)
        d.polygon([(-r - 4, -r - 2), (0, -r - u(20, 30)), (r + 4, -r - 2)])
        d.stroke([(-r - 5, -r - 2), (r + 5, -r - 2)], 5, smooth=False)
        d.box(-r - 1, -r - 2, 2 * r + 2, 2 * r + 5)
        d.box(-r * 0.7, r, r * 1.4, low - r + 8, 2)
        d.box(-r * 0.52, r + 7, r * 1.04, low - r - 6, 1, cut=True)
        swing = u(-9, 9)
        d.stroke([(0, r + 2), (swing, low - 13)], 2.6, smooth=False)
        d.ellipse(swing, low - 13, 7.5)
        d.stroke([(-r * 0.85, low + 8), (r * 0.85, low + 8)], 6, smooth=False)
        d.ring(0, 0, r - 0.5, 1.6, cut=True)
        r *= 0.92
    _hands(d, rng, r)
    return d


def keyboard(rng: np.random.Generator) -> Drawing:
    """A computer keyboard, lying flat or in perspective, with or without a number pad."""
    u = rng.uniform
    d = Drawing(tilt=16)
    pitch, rows, columns = 7.0, int(rng.integers(4, 6)), int(rng.integers(9, 13))
    pad = rng.random() < 0.35
    columns -= 2 if pad else 0
    width, rim = columns * pitch, u(3, 5)
    total = width + (2 + 3 * pitch if pad else 0)
    height = rows * pitch
    shrink, shear, squash = u(0.0, 0.22), u(-0.3, 0.3), u(0.8, 1.05)

    def place(points: list[tuple[float, float]]) -> np.ndarray:
        p = np.asarray(points, dtype=np.float64)
        depth = (height - p[:, 1]) / height
        x = (p[:, 0] - total / 2) * (1 - shrink * depth) + shear * (height - p[:, 1]) * 0.6
        return np.stack([x, p[:, 1] * squash], axis=1)

    def key(x: float, y: float, w: float) -> None:
        left, right, top, low = x + 0.85, x + w - 0.85, y + 0.85, y + pitch - 0.85
        d.polygon(place([(left, top), (right, top), (right, low), (left, low)]))

    plate = [(-rim, -rim), (total + rim, -rim), (total + rim, height + rim + 1), (-rim, height + rim + 1)]
    d.polygon(place(plate))
    a, b = place([(-rim, height + rim), (total + rim, height + rim)])
    d.stroke([a, b], 4, smooth=False)
    d.polygon(place([(0, 0), (width, 0), (width, height), (0, height)]), cut=True)
    if pad:
        d.polygon(place([(width + 2, 0), (total, 0), (total, height), (width + 2, height)]), cut=True)
    for row in range(rows):
        y = row * pitch
        if row == rows - 1:
            side = (columns - 5) / 2 * pitch
            key(side, y, 5 * pitch)
            for x in (0.0, side / 2, width - side, width - side / 2):
                key(x, y, side / 2)
        else:
            shift = pitch * (0, 0.5, 0.75, 0.25)[row % 4]
            key(0, y, pitch + shift)
            for k in range(1, columns - 1):
                key(shift + k * pitch, y, pitch)
            key(shift + (columns - 1) * pitch, y, pitch - shift)
        for k in range(3 if pad else 0):
            key(width + 2 + k * pitch, y, pitch)
    return d


def bottle(rng: np.random.Generator) -> Drawing:
    """A wine, beer or lemonade bottle turned on its axis: one profile, mirrored."""
    u = rng.uniform
    d = Drawing(tilt=14)
    kind = rng.integers(4)
    wide, neck, shoulder, tall = u(13, 17), u(4.4, 5.6), u(34, 42), 100.0
    lip = neck + 1.4
    if kind == 0:  # high square shoulders
        side = [(neck, 6), (neck, shoulder - 9), (neck + 2, shoulder - 4), (wide - 1.5, shoulder + 2)]
        side += [(wide, shoulder + 8), (wide, 60), (wide, tall - 4)]
    elif kind == 1:  # sloping shoulders
        side = [(neck, 6), (neck + 0.6, 20), (neck + 3, shoulder - 8), (wide - 2, shoulder + 8)]
        side += [(wide + 1, shoulder + 18), (wide + 1, 80), (wide + 1, tall - 4)]
    elif kind == 2:  # waisted
        side = [(neck, 6), (neck + 0.5, 16), (wide - 2, shoulder - 2), (wide, shoulder + 8), (wide - u(2.5, 4), 62)]
        side += [(wide - 1, 76), (wide, 88), (wide - 1, tall - 3)]
    else:  # stout flask
        wide += 5
        side = [(neck + 1, 6), (neck + 1, 22), (neck + 3, 27), (wide - 3, shoulder), (wide, shoulder + 10)]
        side += [(wide, 80), (wide - 1, tall - 5)]
    profile = catmull_rom(side, closed=False)
    foot = np.array([(side[-1][0] - 1.6, tall - 0.8), (side[-1][0] - 4, tall)])
    half = np.concatenate([profile, foot])
    d.polygon(np.concatenate([half, half[::-1] * (-1, 1)]))
    d.box(-lip, 0, 2 * lip, u(5, 9), 1.2)
    d.box(-lip - 1, u(8.5, 10), 2 * lip + 2, 1.6, cut=True)
    if rng.random() < 0.75:
        top, high, inner = shoulder + u(14, 19), u(18, 26), wide - 2.6
        edge = u(1.5, 2.0)
        if kind == 2:
            inner -= 3
        d.box(-inner, top, 2 * inner, high, 1.5, cut=True)
        d.box(-inner + edge, top + edge, 2 * (inner - edge), high - 2 * edge, 1.0)
    return d


def knife(rng: np.random.Generator) -> Drawing:
    """A chef's knife, a bread knife, a boning knife or a cleaver, pointing any way."""
    u = rng.uniform
    d = Drawing(tilt=75)
    kind = rng.integers(4)
    grip, thick = u(34, 40), u(10, 12.5)
    deep = {0: u(17, 23), 1: u(12, 15), 2: u(12, 15), 3: u(29, 36)}[int(kind)]
    long = 52.0 if kind == 3 else u(60, 74)
    droop = u(1, 3)
    grip_top = [(-2, 0), (-2, thick * 0.92), (-grip * 0.4, thick * 0.82), (-grip * 0.8, thick + droop)]
    grip_end = [(-grip, thick + droop + 1), (-grip - 3, thick * 0.5 + droop), (-grip, droop * 0.6), (-grip * 0.5, 0)]
    d.smooth([*grip_top, *grip_end])
    d.box(-1, 0.6, 4, thick * 0.85)
    if kind == 0:
        edge = catmull_rom([(2, deep), (long * 0.4, deep), (long * 0.75, deep * 0.72), (long, 1.5)], closed=False)
        d.polygon(np.concatenate([[(2, 0), (2, deep)], edge, [(long * 0.7, 0.2)]]))
    elif kind == 1:
        long += 8
        x = np.linspace(2, long - 4, 23)
        teeth = np.stack([x, np.where(np.arange(23) % 2, deep - 1.9, deep)], axis=1)
        tip = [(long, deep * 0.75), (long - 1, deep * 0.4), (long - 5, 1.5), (long - 12, 0)]
        d.polygon(np.concatenate([[(2, 0)], teeth, tip]))
    elif kind == 2:
        spine = catmull_rom([(2, 1), (long * 0.5, 1.8), (long * 0.85, 0), (long, -3.5)], closed=False)
        edge = catmull_rom(
            [(long, -3.5), (long * 0.8, deep * 0.75), (long * 0.4, deep), (9, deep), (3, deep + 2)], closed=False
        )
        d.polygon(np.concatenate([spine, edge]))
    else:
        d.polygon([(2, -1), (long, -1), (long + 1, deep * 0.6), (long, deep), (4, deep), (2, deep - 3)])
        d.ellipse(long - 6, 5, 2.4, cut=True)
    d.stroke([(-1.2, -2), (-1.2, thick + 3)], 1.5, smooth=False, cut=True)
    for x in (0.24, 0.5, 0.76):
        d.ellipse(-grip * x, thick * 0.48 + droop * x * 0.6, 1.5, cut=True)
    return d


def oven(rng: np.random.Generator) -> Drawing:
    """A kitchen oven from the front: hob, knobs, door with handle and window, sometimes a pot on top."""
    u = rng.uniform
    d = Drawing(tilt=4)
    wide, tall, panel = u(66, 82), u(74, 92), u(14, 18)
    d.box(0, 0, wide, tall, u(1, 4))
    for x in (5, wide - 13):
        d.box(x, tall - 1, 8, 6)
    knobs = int(rng.integers(3, 6))
    for x in np.linspace(10, wide - 10, knobs):
        d.ellipse(float(x), panel * 0.52, 4.0, cut=True)
        d.stroke([(x, panel * 0.52), (x, panel * 0.52 - 2.4)], 1.5, smooth=False)
    d.box(0, panel, wide, 1.9, cut=True)
    floor = tall - (u(13, 17) if rng.random() < 0.6 else 4)
    if floor < tall - 6:
        d.box(0, floor, wide, 1.8, cut=True)
        drawer = (floor + tall) / 2 + 1
        d.stroke([(wide * 0.38, drawer), (wide * 0.62, drawer)], 2, smooth=False, cut=True)
    d.stroke([(wide * 0.15, panel + 7), (wide * 0.85, panel + 7)], 2.8, smooth=False, cut=True)
    top, left = panel + 14, u(9, 13)
    high = floor - top - 6
    d.box(left, top, wide - 2 * left, high, u(1, 6), cut=True)
    for k in range(1, int(rng.integers(2, 4))):
        y = top + high * k / 3 + 1
        d.stroke([(left, y), (wide - left, y)], 1.7, smooth=False)
    style = rng.integers(3)
    d.box(-1.5, -4, wide + 3, 5, 1)
    if style == 0:
        d.box(0, -20, wide, 13, 2)
        d.box(0, -8, 5, 6)
        d.box(wide - 5, -8, 5, 6)
        d.ellipse(wide / 2, -13.5, 4, cut=True)
    for x in (wide * 0.27, wide * 0.73) if style else ():
        d.box(x - 11, -8.5, 22, 2.8)
        d.box(x - 8, -7, 2.5, 4)
        d.box(x + 5.5, -7, 2.5, 4)
    if style == 2:
        x = wide * (0.27 if rng.random() < 0.5 else 0.73)
        d.box(x - 12, -24, 24, 15, 2.5)
        d.stroke([(x - 16, -21), (x + 16, -21)], 2.6, smooth=False)
        d.stroke([(x - 12, -26.5), (x + 12, -26.5)], 2.4, smooth=False)
        d.ellipse(x, -29.5, 2.4)
    return d
