"""Cat and dog as drawings. Both look to the right."""

from __future__ import annotations

import numpy as np

from shapebias.data.shapes16.draw import Drawing
from shapebias.data.shapes16.figures_animals import leg


def cat(rng: np.random.Generator) -> Drawing:
    """A cat sitting, walking with its tail up, or arching its back."""
    kind = rng.random()
    return _cat_sitting(rng) if kind < 0.45 else _cat_walking(rng, arch=kind > 0.78)


def _cat_face(d: Drawing, x: float, y: float, r: float, ear: float, *, front: bool) -> None:
    d.ellipse(x, y, r * 1.12, r)
    for side in (-1, 1):
        outer, tip, inner = (1.08 * side * r, -0.2 * r), (0.95 * side * r, -r - ear), (0.18 * side * r, -0.82 * r)
        d.polygon(np.array([outer, tip, inner]) + np.array((x, y)))
    if front:
        for side in (-1, 1):
            d.ellipse(x + side * r * 0.42, y - r * 0.08, r * 0.17, r * 0.2, cut=True)
            d.stroke([(x + side * r * 0.9, y + r * 0.4), (x + side * r * 1.7, y + r * 0.3)], 1.1)
            d.stroke([(x + side * r * 0.9, y + r * 0.55), (x + side * r * 1.6, y + r * 0.65)], 1.1)
        d.polygon([(x - r * 0.14, y + r * 0.3), (x + r * 0.14, y + r * 0.3), (x, y + r * 0.5)], cut=True)


def _cat_sitting(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing()
    wide, look, curl = u(20, 26), u(-3, 3), u(-8, 10)
    d.stroke(
        [(-wide * 0.7, 90), (-wide - 10, 86), (-wide - 15, 70 - curl), (-wide - 6 - curl * 0.4, 56 - curl)],
        [7, 7, 6.5, 5.5],
    )
    half = [(11, 36), (15, 52), (wide, 72), (wide, 90), (10, 96)]
    d.smooth([(0, 30), *half, *((-x, y) for x, y in reversed(half))])
    for side in (-1, 1):
        d.ellipse(side * 7.5, 95, 7.5, 4)
        d.stroke([(side * 13, 72), (side * 12.5, 92)], [0.6, 1.8], cut=True)
    d.stroke([(0, 74), (0, 95)], [0.6, 1.8], cut=True)
    _cat_face(d, look, 24, u(14, 16.5), u(8, 12), front=True)
    return d


def _cat_walking(rng: np.random.Generator, *, arch: bool) -> Drawing:
    u = rng.uniform
    d = Drawing()
    back = u(22, 28) if arch else u(39, 43)
    stride, long = u(3, 9), u(0, 6)
    hind, fore = 22 - long, 70
    for x, swing, bend in ((hind, -1, -3), (fore, 1, 1.5), (hind + 8, 0.9, -3), (fore - 8, -0.7, 1)):
        swing *= stride
        leg(d, x, 58, 90, swing, 7, 6.5, bend)
    spine = [(14 - long, 54), (22 - long, 43), (44, back), (64, 44), (74, 44), (76, 56), (68, 65)]
    belly = [(46, 57 if arch else 62), (26 - long, 66), (16 - long, 64)]
    d.smooth([*spine, *belly])
    sway, top = u(-10, 8), u(6, 16)
    d.stroke([(17 - long, 52), (7 - long, 42), (6 - long + sway * 0.3, 26), (8 - long - sway, top)], [6.5, 6, 6, 5.5])
    head = u(30, 40)
    d.stroke([(70, 50), (79, head)], [17, 14])
    r = u(10.5, 12.5)
    _cat_face(d, 82, head, r, u(6, 9), front=False)
    d.ellipse(82 + r * 0.75, head + r * 0.3, r * 0.55, r * 0.45)
    d.ellipse(82 + r * 0.5, head - r * 0.1, 1.5, cut=True)
    return d


def dog(rng: np.random.Generator) -> Drawing:
    """A dog standing or sitting, floppy or pricked ears, long or short legs."""
    return _dog_sitting(rng) if rng.random() < 0.35 else _dog_standing(rng)


def _dog_head(d: Drawing, rng: np.random.Generator, x: float, y: float) -> None:
    u = rng.uniform
    snout, lift = u(17, 23), u(-1, 3)
    d.ellipse(x, y, 11.5, 10.5)
    d.stroke([(x + 4, y + 2), (x + snout, y + 5 - lift)], [15, 9.5])
    d.ellipse(x + snout + 2.6, y + 1.8 - lift, 3, 2.6)
    d.stroke([(x + 12, y + 8.5 - lift * 0.4), (x + snout + 3, y + 7 - lift)], [0.6, 1.4], cut=True)
    if rng.random() < 0.6:
        ear = [(x - 7, y - 9), (x - 13, y - 2), (x - 14, y + 13), (x - 7, y + 15), (x - 2, y + 4), (x - 1, y - 8)]
        d.smooth([(x + (ex - x) * 1.17, y + (ey - y) * 1.12) for ex, ey in ear], cut=True)
        d.smooth(ear)
    else:
        d.polygon([(x - 11, y - 2), (x - 9, y - 22), (x + 2, y - 8)])
        d.polygon([(x - 3, y - 6), (x + 2, y - 20), (x + 7, y - 6)])
    d.ellipse(x + 5.5, y - 3, 1.5, cut=True)


def _dog_standing(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing()
    legs, stride, long = u(16, 34), u(-1, 6), u(0, 12)
    ground = 60 + legs
    hind = 20 - long
    for x, swing, bend in ((hind, -stride, -3.5), (67, stride, 1), (hind + 8, stride - 4, -3.5), (61, -stride, 0.5)):
        leg(d, x, 54, ground, swing, 8, 7.5, bend)
    back = [(12 - long, 46), (18 - long, 37), (40, 37), (62, 34), (74, 38), (77, 52), (70, 64)]
    belly = [(54, 60), (40, 55), (26 - long, 60), (15 - long, 58)]
    d.smooth([*back, *belly])
    tail, wag = u(14, 24), u(-6, 6)
    d.stroke([(15 - long, 42), (6 - long, 34), (2 - long + wag, 36 - tail)], [7.5, 6, 3])
    head = u(15, 22)
    d.stroke([(68, 44), (78, head + 4)], [23, 16])
    _dog_head(d, rng, 81, head)
    return d


def _dog_sitting(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing()
    lean = u(-3, 3)
    d.stroke([(22, 86), (8, 86), (0, u(74, 84))], [8, 6.5, 3.5])
    d.smooth(
        [(52 + lean, 34), (64, 42), (68, 56), (64, 72), (52, 86), (30, 90), (18, 84), (18, 70), (28, 56), (40, 42)]
    )
    d.stroke([(62, 54), (63, 74), (62, 90)], [13, 9, 7.5])
    d.stroke([(54, 60), (54, 90)], [12, 7.5])
    for x in (58, 67):
        d.ellipse(x, 91, 6, 3.4)
    d.stroke([(28, 82), (44, 91)], [18, 7])
    d.ellipse(44, 91.5, 8, 3.2)
    d.stroke([(46, 88), (50, 72), (42, 64)], [2, 1.8, 0.6], cut=True)
    d.stroke([(54 + lean, 46), (59 + lean, 26)], [24, 17])
    _dog_head(d, rng, 61 + lean, 21)
    return d
