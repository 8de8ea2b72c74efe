"""Airplane, bicycle, boat, car and truck as drawings. All head to the right."""

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


def _wheel(d: Drawing, x: float, y: float, r: float, gap: float = 2.2) -> None:
    """A wheel in its arch: a clear gap, the tyre, a hub ring."""
    d.ellipse(x, y, r + gap, cut=True)
    d.ellipse(x, y, r)
    d.ring(x, y, r * 0.56, r * 0.17, cut=True)


def car(rng: np.random.Generator) -> Drawing:
    """A saloon, hatchback, estate or small round car from the side."""
    u = rng.uniform
    d = Drawing()
    roof, belt, sill = -u(17, 20), 0.0, u(16, 19)
    kind = rng.integers(4)
    screen, crown = u(65, 69), u(52, 57)
    if kind == 0:
        tail, back, boot, end = (0.0, 3.0), 34.0, 14.0, 1.0
    elif kind == 1:
        tail, back, boot, end = (3.0, 0.0), 22.0, 6.0, 2.0
    elif kind == 2:
        tail, back, boot, end = (1.0, 0.0), 10.0, 3.0, 0.0
    else:
        tail, back, boot, end, crown = (2.0, 4.0), 36.0, 10.0, 1.0, 50.0
    nose = u(4, 7)
    upper = [(end, sill), (end - 1, 8), tail, (boot, belt), (40, belt - 1), (screen, belt), (84, 2)]
    front = [(97, nose), (100, 11), (99, sill), (50, sill + 1)]
    d.smooth([*upper, *front])
    house = [(boot, belt + 2), (back, roof), (crown, roof), (screen + 3, belt + 2)]
    soft = [(boot - 1, belt + 4), (boot + (back - boot) * 0.55, roof * 0.62), (back, roof + 0.6)]
    soft += [((back + crown) / 2, roof - 1), (crown, roof + 0.6)]
    soft += [(crown + (screen - crown) * 0.55, roof * 0.58), (screen + 4, belt + 4)]
    d.polygon(house)
    d.smooth(soft)
    post = (back + crown) / 2 + u(-2, 2)
    top, sillw = roof + 4.0, belt - 1.5
    lean_b, lean_f = (boot + 7 - back - 2) * 0.86, (screen - crown) * 0.8
    d.polygon([(back + 2.5, top), (post - 1.6, top), (post - 1.6, sillw), (back + 2.5 + lean_b, sillw)], cut=True)
    d.polygon([(post + 1.6, top), (crown - 1.5, top), (crown - 1 + lean_f, sillw), (post + 1.6, sillw)], cut=True)
    r = u(8.6, 10.4)
    for x in (u(19, 22), u(77, 80)):
        _wheel(d, x, sill, r)
    d.ellipse(95.5, nose + 4.5, 2.4, 1.8, cut=True)
    d.stroke([(post + 3.5, 4), (post + 9, 4)], 1.5, smooth=False, cut=True)
    return d


def truck(rng: np.random.Generator) -> Drawing:
    """A box lorry, an articulated lorry, or a tipper with a load."""
    u = rng.uniform
    d = Drawing(tilt=5)
    kind = rng.integers(3)
    ground, r = 84.0, u(7.5, 9.0)
    bed = ground - r - 3
    long, tall = (u(72, 84), u(40, 48)) if kind == 1 else (u(54, 64), u(36, 48))
    cab, cab_top = long + 4, bed - u(34, 38)
    hood = rng.random() < 0.4
    d.box(4, bed - 3, cab + 16 - 4, 7)
    if kind == 2:
        tub = [(-2, bed - 32), (4, bed - 5), (long, bed - 5), (long + 1, bed - 30)]
        lip = [(long + 8, bed - 37), (long + 8, bed - 39), (long - 2, bed - 31)]
        d.polygon([*tub, *lip])
        heap = [(16, bed - u(37, 43)), (long * 0.5, bed - u(40, 46)), (long - 12, bed - u(35, 41))]
        d.smooth([(4, bed - 29), *heap, (long - 3, bed - 29)])
        for x in np.linspace(13, long - 10, 4):
            d.stroke([(x, bed - 26), (x + 0.8, bed - 10)], 1.6, smooth=False, cut=True)
    else:
        d.box(0, bed - 4 - tall, long, tall, 1.5)
        for y in (0.12, 0.88):
            d.stroke([(4, bed - 4 - tall * y), (long - 4, bed - 4 - tall * y)], 1.3, smooth=False, cut=True)
    if hood:
        roof, front = (3.0, 14.0), [(cab + 19, bed - 18), (cab + 33, bed - 15), (cab + 35, bed + 4)]
        window, axle = (6, 12, 15.5, -18), cab + 24
    else:
        roof, front = (3.0, 18.0), [(cab + 25, bed - 15), (cab + 26, bed + 4)]
        window, axle = (8, 16, 21, -15), cab + 14
    d.polygon([(cab, bed + 4), (cab, cab_top + 2), *((cab + x, cab_top) for x in roof), *front])
    left, top, low, sill = window
    d.polygon(
        [(cab + left, cab_top + 5), (cab + top, cab_top + 5), (cab + low, bed + sill), (cab + left, bed + sill)],
        cut=True,
    )
    if kind == 1 and rng.random() < 0.6:
        d.box(cab - 1, cab_top - 10, 3.2, 40, 1.5)
    rears = (12.0, 12 + 2 * r + 2.5) if kind != 0 or rng.random() < 0.3 else (15.0,)
    for x in (*rears, *((long - 4,) if kind == 1 else ()), axle):
        _wheel(d, x, ground - r, r, 2.0)
    d.ellipse(cab + (33 if hood else 24), bed - 6, 1.6, 2.2, cut=True)
    return d
