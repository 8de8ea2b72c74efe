"""Airplane, bicycle and boat as drawings. All head to the right."""

from __future__ import annotations

import numpy as np

from shapebias.data.shapes16.draw import Drawing


def airplane(rng: np.random.Generator) -> Drawing:
    """An airliner from the side, or an aeroplane from above."""
    return _airplane_side(rng) if rng.random() < 0.5 else _airplane_above(rng)


def _airplane_side(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=18)
    fat, fin, wing = u(8, 10.5), u(20, 27), u(17, 27)
    mid = 50.0
    d.polygon([(16, mid - 3), (2, mid - fin - 5), (11, mid - fin - 5), (31, mid - fat + 2)])
    upper = [
        (2, mid - 6),
        (20, mid - fat),
        (50, mid - fat),
        (80, mid - fat),
        (92, mid - fat * 0.5),
        (99, mid + fat * 0.25),
    ]
    lower = [(92, mid + fat * 0.8), (78, mid + fat), (48, mid + fat), (24, mid + fat * 0.55)]
    d.smooth([*upper, *lower])
    d.polygon([(13, mid - 4), (-3, mid - 8), (-5, mid - 5), (10, mid + 2)])
    far = [(58, mid - 5), (46, mid - fat - wing * 0.55), (41, mid - fat - wing * 0.55), (43, mid - 5)]
    d.polygon(far)
    near = [(62, mid + 2), (38, mid + fat + wing), (30, mid + fat + wing), (41, mid + 2)]
    d.polygon([(66, mid + 1.0), (40, mid + fat + wing + 1), (28, mid + fat + wing + 1), (38, mid + 1.0)], cut=True)
    d.polygon([(66, mid + 1), (66, mid + fat), (38, mid + fat), (38, mid + 1)])
    d.stroke([(63, mid + 1), (61, mid + fat - 1)], 0.1, cut=True)
    d.polygon(near)
    d.stroke([(50, mid + fat + 4), (61, mid + fat + 4)], 7, smooth=False)
    for x in np.arange(24, 80, u(6, 7.5)):
        d.ellipse(x, mid - fat * 0.35, 1.5, 1.9, cut=True)
    d.polygon(
        [(86, mid - 0.5 * fat), (92, mid - 0.42 * fat), (94.5, mid - 0.05 * fat), (87, mid - 0.05 * fat)], cut=True
    )
    return d


def _airplane_above(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=60)
    fat, span, sweep, chord = u(5, 7), u(38, 47), u(6, 30), u(13, 18)
    root, tail, jets = u(52, 60), u(13, 18), rng.random() < 0.6
    half = [(93, fat * 0.75), (82, fat), (40, fat), (14, fat * 0.55), (2, 1)]
    d.smooth([(100, 0), *half, *((x, -y) for x, y in reversed(half))])
    for side in (-1, 1):
        leading = [(root + chord * 0.5, 0), (root + chord * 0.4, side * fat), (root - sweep, side * span)]
        trailing = [
            (root - sweep - chord * 0.35, side * span),
            (root - chord * 0.75, side * fat),
            (root - chord * 0.8, 0),
        ]
        d.polygon([*leading, *trailing])
        d.polygon([(17, 0), (9 - sweep * 0.15, side * tail), (3 - sweep * 0.15, side * tail), (4, 0)])
        for at in (0.38, 0.66) if jets and sweep < 22 else (0.42,) if jets else ():
            x, y = root + chord * 0.35 - sweep * at, side * span * at
            d.stroke([(x - 5, y), (x + 5, y)], 5.5, smooth=False)
    if not jets:
        d.stroke([(99.5, -9), (99.5, 9)], 2.2, smooth=False)
    d.smooth([(90, -2.6), (94, 0), (90, 2.6), (87.5, 2.8), (87.5, -2.8)], cut=True)
    return d


def bicycle(rng: np.random.Generator) -> Drawing:
    """A bicycle: diamond or step-through frame, flat, drop or swept handlebar."""
    u = rng.uniform
    d = Drawing()
    r, base, tyre, tube = u(20.5, 24), u(54, 60), u(3.8, 5.4), u(3.8, 4.8)
    rear, front = np.array([0.0, 0.0]), np.array([base, 0.0])
    crank = np.array([base * u(0.40, 0.44), u(1, 4)])
    seat = np.array([base * u(0.27, 0.31), -u(28, 32)])
    head = np.array([base * u(0.80, 0.84), -u(29, 34)])
    low = head + (front - head) * 0.24
    spokes, turn = int(rng.integers(5, 8)), u(0, 180)
    for hub in (rear, front):
        d.ring(hub[0], hub[1], r, tyre)
        for k in range(spokes):
            a = np.radians(turn + 180 * k / spokes)
            reach = np.array([np.cos(a), np.sin(a)]) * (r - 1)
            d.stroke([hub - reach, hub + reach], 0.75, smooth=False)
        d.ellipse(hub[0], hub[1], 3)
    tubes = [(rear, crank), (rear, seat + (crank - seat) * 0.15), (crank, seat), (crank, low), (head, front)]
    drop, end = (0.6, 0.5) if rng.random() < 0.3 else (0.1, 0.0)
    tubes.append((seat + (crank - seat) * drop, head + (low - head) * end))
    for a, b in tubes:
        d.stroke([a, b], tube, smooth=False)
    post = seat + (seat - crank) * u(0.14, 0.26)
    d.stroke([seat, post], 3, smooth=False)
    d.stroke(post + np.array([(-8.5, -1.2), (0, -1.5), (8.5, 0.2)]), [6.5, 5, 3])
    bar = head + (head - front) * u(0.16, 0.28)
    d.stroke([head, bar], 3.4, smooth=False)
    kind = rng.integers(3)
    if kind == 0:
        d.stroke(bar + np.array([(0, 0), (8, -1.5), (12, 3), (9, 9), (4, 9)]), 3.2)
    elif kind == 1:
        d.stroke(bar + np.array([(5, 0), (0, 0), (-10, -3), (-14, -1)]), 3.4)
    else:
        d.stroke(bar + np.array([(-3, 1), (2, -3), (9, -4)]), 3.6)
    d.ellipse(crank[0], crank[1], 5.2)
    d.ellipse(crank[0], crank[1], 1.5, cut=True)
    a = u(0, np.pi)
    arm = np.array([np.cos(a), np.sin(a)]) * 8.5
    d.stroke([crank - arm, crank + arm], 2.4, smooth=False)
    for end in (crank - arm, crank + arm):
        d.stroke(end + np.array([(-3, 0), (3, 0)]), 2.6, smooth=False)
    return d


def boat(rng: np.random.Generator) -> Drawing:
    """A sailing boat, or a steamer with funnels."""
    return _boat_sailing(rng) if rng.random() < 0.6 else _boat_steamer(rng)


def _boat_sailing(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=9)
    tall, mast, bulge = u(66, 84), u(-4, 8), u(3, 9)
    deck = 78.0
    top = deck - tall
    hull = np.array([(-36, 0), (-20, 1.2), (20, 1), (46, -4), (36, 11), (22, 17), (-22, 17), (-32, 11)], dtype=float)
    d.smooth(hull + np.array((0, deck)))
    d.stroke([(mast, deck), (mast, top)], 2.6, smooth=False)
    boom = deck - u(6, 9)
    main = [(mast - 2.6, top + 5), (mast - 16 - bulge, (top + boom) / 2 + 8), (mast - u(31, 38), boom)]
    d.polygon([*_bow(main[0], main[2], bulge), (mast - 2.6, boom)])
    fore = top + tall * u(0.1, 0.3)
    d.polygon([*_bow((mast + 2.8, fore), (u(36, 44), boom + 1), bulge * 0.7), (mast + 2.8, boom)])
    if rng.random() < 0.6:
        d.polygon([(mast, top - 5), (mast - 11, top - 1.5), (mast, top + 2)])
    d.stroke([(-31, deck + 6), (38, deck + 4.5)], 1.6, smooth=False, cut=True)
    return d


def _bow(a: tuple[float, float], b: tuple[float, float], bulge: float) -> list[tuple[float, float]]:
    """Seven points from a to b along an arc that swells outwards from the line by ``bulge``."""
    t = np.linspace(0, 1, 7)
    along = np.subtract(b, a)
    out = np.array([-along[1], along[0]]) / np.hypot(*along)
    out = out * (1 if (out[0] > 0) == (along[0] > 0) else -1)
    points = np.asarray(a) + t[:, None] * along + (4 * t * (1 - t) * bulge)[:, None] * out
    return [(float(x), float(y)) for x, y in points]


def _boat_steamer(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=6)
    long, hull, cabin = u(44, 52), u(15, 20), u(10, 14)
    bow = [(long - 8, -1), (long + 4, -7), (long - 10, hull)]
    d.polygon([(-long, -2), *bow, (-long + 9, hull), (-long + 2, hull * 0.5)])
    left, right = -long + u(10, 18), long - u(20, 30)
    d.box(left, -cabin, right - left, cabin + 1)
    d.box(left + 6, -cabin * 1.9, (right - left) * 0.8 - 6, cabin + 1)
    funnels = int(rng.integers(1, 4))
    roof = -cabin * 1.85
    for x in left + u(13, 16) + 14.0 * np.arange(funnels):
        d.polygon([(x - 4.5, roof), (x - 6, roof - 19), (x + 3, roof - 19), (x + 4.5, roof)])
        d.stroke([(x - 7, roof - 13), (x + 5, roof - 13)], 2, smooth=False, cut=True)
    d.stroke([(right + 7, 0), (right + 7, -cabin * 1.9 - 14)], 2, smooth=False)
    for x in np.arange(left + 5, right - 3, 7.5):
        d.ellipse(x, -cabin * 0.5, 2, cut=True)
    for x in np.arange(left + 11, left + (right - left) * 0.8 - 2, 7.5):
        d.box(x - 2, -cabin * 1.65, 4, 4.5, cut=True)
    d.stroke([(-long + 2, hull * 0.42), (long - 4, hull * 0.35)], 1.5, smooth=False, cut=True)
    return d
