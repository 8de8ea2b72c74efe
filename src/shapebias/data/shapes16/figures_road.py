"""Car and truck as drawings. Both head to the right."""

from __future__ import annotations

import numpy as np

from shapebias.data.shapes16.draw import Drawing


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
