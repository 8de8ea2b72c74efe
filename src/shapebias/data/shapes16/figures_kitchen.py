"""Bottle, knife and oven as drawings."""

from __future__ import annotations

import numpy as np

from shapebias.data.shapes16.draw import Drawing, catmull_rom


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
