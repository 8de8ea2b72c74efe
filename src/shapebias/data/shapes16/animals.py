"""Bear, bird, cat, dog and elephant as drawings. All look to the right."""

from __future__ import annotations

import numpy as np

from shapebias.data.shapes16.draw import Drawing


def leg(
    d: Drawing, x: float, top: float, ground: float, swing: float, thick: float, paw: float, bend: float = 0.0
) -> None:
    """A leg from (x, top) to the ground, its foot ``swing`` further right and its knee ``bend`` off the line."""
    knee = (x + swing * 0.45 + bend, top + (ground - top) * 0.55)
    foot = (x + swing, ground - thick * 0.35)
    d.stroke([(x, top), knee, foot], [thick * 1.35, thick, thick * 0.78])
    d.ellipse(foot[0] + paw * 0.3, ground - paw * 0.36, paw * 0.72, paw * 0.4)


def bear(rng: np.random.Generator) -> Drawing:
    """A bear on all fours, or upright with its arms out."""
    return _bear_upright(rng) if rng.random() < 0.35 else _bear_walking(rng)


def _bear_walking(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing()
    hump, head_y, fat = u(14, 19), u(30, 39), u(-2, 4)
    stride = u(3, 9)
    leg(d, 24, 52, 90, -stride, 13, 11, u(-2, 0))
    leg(d, 66, 52, 90, stride, 13, 11, u(0, 2))
    leg(d, 33, 52, 89, stride * 0.8, 13, 11, u(-1, 1))
    leg(d, 57, 52, 89, -stride * 0.7, 13, 11, u(-1, 1))
    back = [(13, 45), (17, 30), (32, 23), (47, 24), (60, hump), (72, 22), (80, 34), (78, 52)]
    belly = [(68, 63), (50, 67 + fat), (30, 66 + fat), (16, 58)]
    d.smooth([*back, *belly])
    d.stroke([(68, 34), (82, head_y)], [30, 22])
    d.ellipse(83, head_y, 12.5, 11.5)
    d.stroke([(86, head_y + 2), (98, head_y + 6)], [15, 8.5])
    d.ellipse(77, head_y - 11, 4.6)
    d.ellipse(87, head_y - 11, 3.8)
    d.ellipse(13, 42, 4.5, 4)
    d.ellipse(90, head_y - 2.5, 1.3, cut=True)
    return d


def _bear_upright(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing()
    wide, arm = u(19, 24), u(-6, 14)
    for side in (-1, 1):
        reach = arm + u(-4, 4)
        elbow, hand = (side * (wide + 7), 46 - reach * 0.3), (side * (wide + 11), 57 - reach)
        d.stroke([(side * 13, 36), elbow, hand], [15, 14, 12])
        d.stroke([(side * wide * 0.52, 74), (side * wide * 0.62, 93)], [20, 17])
        d.ellipse(side * wide * 0.72, 97, 11, 5.5)
        d.ellipse(side * 11.5, 6.5, 5.8)
        d.ellipse(side * 11.5, 7, 2.4, cut=True)
    side = [(15, 31), (wide, 48), (wide + 1, 70), (14, 86)]
    d.smooth([(0, 26), *side, *((-x, y) for x, y in reversed(side))])
    d.ellipse(0, 17, 15.5, 14.5)
    d.stroke([(-5, 27), (5, 27)], 8)
    d.ellipse(-5.8, 14.5, 1.5, cut=True)
    d.ellipse(5.8, 14.5, 1.5, cut=True)
    d.ellipse(0, 21.5, 3.2, 2.2, cut=True)
    return d


def bird(rng: np.random.Generator) -> Drawing:
    """A perched songbird, a bird on the wing, or a long-legged wader."""
    kind = rng.random()
    return _bird_perched(rng) if kind < 0.4 else _bird_flying(rng) if kind < 0.72 else _bird_wader(rng)


def _beak(d: Drawing, x: float, y: float, long: float, deep: float, drop: float = 1.0) -> None:
    d.polygon([(x - 3, y - deep), (x + long * 0.5, y - deep * 0.5), (x + long, y + drop), (x - 3, y + deep)])


def _bird_perched(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=12)
    tail, plump, head = u(18, 32), u(-2, 5), u(11.5, 14)
    d.polygon([(28, 50), (20 - tail * 0.75, 66 + tail * 0.55), (28 - tail * 0.75, 72 + tail * 0.6), (42, 68)])
    d.smooth([(70, 22), (79, 38), (76 + plump, 54), (62, 69 + plump), (42, 70), (25, 58), (32, 46), (50, 34), (60, 24)])
    d.ellipse(68, 24, head, head * 0.94)
    _beak(d, 68 + head, 24, u(9, 15), u(3.2, 4.8))
    d.stroke([(57, 40), (46, 57), (30, 66)], [0.8, 2.4, 1.2], cut=True)
    for x in (50, 59):
        d.stroke([(x, 66), (x + 1, 86)], 3, smooth=False)
        d.stroke([(x - 5, 87), (x + 8, 87)], 2.8, smooth=False)
    if rng.random() < 0.4:
        d.polygon([(60, 16), (55, 3), (69, 12)])
    d.ellipse(72, 22, 1.7, cut=True)
    return d


def _bird_flying(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=16)
    lift, sweep, fork = u(28, 44), u(-8, 10), u(4, 9)
    d.smooth([(92, 47), (84, 42), (68, 43), (46, 47), (28, 53), (46, 59), (68, 58), (84, 53)])
    d.ellipse(86, 46.5, 8.5, 7.5)
    _beak(d, 93, 47, u(8, 12), 3.4)
    d.polygon([(34, 50), (6, 46 - fork), (13, 53), (5, 59 + fork), (34, 57)])
    for shift, size in ((0.0, 1.0), (10.0, u(0.7, 0.95))):
        tip = (44 + sweep - 14 + shift * 1.7, 48 - lift * size * 1.25)
        fore = [(48 + shift, 50), (44 + shift, 50 - lift * 0.45 * size), tip]
        hind = [(tip[0] + 9, tip[1] + 5), (68 + shift * 0.6, 46 - lift * 0.55 * size), (72 + shift * 0.3, 48)]
        d.smooth([*fore, *hind])
    for k in range(3):
        x = 47 + 5 * k
        d.stroke([(x, 46 - lift * 0.2), (x - 5 + sweep * 0.4, 44 - lift * 0.62)], 1.3, cut=True)
    d.ellipse(88, 45, 1.5, cut=True)
    return d


def _bird_wader(rng: np.random.Generator) -> Drawing:
    u = rng.uniform
    d = Drawing(tilt=5)
    neck, legs, bow = u(24, 36), u(26, 38), u(5, 10)
    top = 40 - neck
    d.smooth([(18, 56), (30, 43), (50, 37), (66, 42), (68, 53), (54, 62), (36, 62)])
    d.polygon([(26, 48), (4, 58), (9, 62), (32, 60)])
    d.stroke([(62, 47), (70 + bow * 0.4, 40), (64 - bow * 0.2, 40 - neck * 0.5), (70, top + 2)], [12, 8, 6, 7])
    d.ellipse(71, top, 6.8, 5.6)
    _beak(d, 76, top, u(16, 24), 3.0, u(1, 7))
    foot = 60 + legs
    d.stroke([(46, 60), (46, foot)], 3.2, smooth=False)
    d.stroke([(45, foot), (54, foot)], 3, smooth=False)
    knee = (u(58, 64), 60 + legs * 0.42)
    low = (50.0, 60 + legs * 0.62) if rng.random() < 0.5 else (56.0, foot)
    d.stroke([(51, 60), knee, low], 3, smooth=False)
    d.ellipse(73, top - 1, 1.3, cut=True)
    return d


def elephant(rng: np.random.Generator) -> Drawing:
    """An elephant with a hanging, curled or raised trunk."""
    u = rng.uniform
    d = Drawing()
    stride, fat, top = u(-3, 5), u(-3, 2), u(15, 21)
    for x, swing, ground in ((17, -stride, 93), (61, stride, 93), (32, stride * 0.6, 90), (47, -stride * 0.6, 90)):
        foot = x + swing
        d.stroke([(x, 50), (x + swing * 0.4, 68), (foot, ground - 6)], [17, 11.5, 10.5])
        d.polygon([(foot - 5.4, ground - 9), (foot + 5.6, ground - 9), (foot + 6.6, ground), (foot - 6, ground)])
    back = [(9, 42), (13, 28), (26, 21), (40, top), (54, 22), (64, 30), (68, 46)]
    belly = [(64, 60), (48, 66 + fat), (28, 66 + fat), (12, 60)]
    d.smooth([*back, *belly])
    d.stroke([(10, 36), (4, 46), (4, u(54, 62))], [4, 2.8, 2.6])
    d.ellipse(4, 63, 2.6, 4)
    head = u(28, 34)
    skull = np.array([(58, -4), (64, -16), (75, -18), (84, -8), (87, 8), (80, 18), (66, 18)], dtype=float)
    d.smooth(skull + np.array((0, head)))
    trunk = rng.integers(3)
    if trunk == 0:
        path = [(82, head + 4), (89, head + 18), (90, head + 36), (89, head + 50), (93, head + u(53, 58))]
    elif trunk == 1:
        path = [(82, head + 4), (91, head + 16), (94, head + 33), (101, head + 41), (108, head + 33), (105, head + 25)]
    else:
        path = [(82, head + 3), (93, head + 9), (104, head + 2), (109, head - 12), (106, head - 24), (113, head - 28)]
    d.stroke(path, [19, 14, 10, 8, 6.5, 6][: len(path)])
    ear = np.array([(70, -13), (58, -15), (50, -4), (50, 10), (57, 23), (64, 21), (70, 8)]) + np.array((0, head))
    flap = np.array([60.0, head + 3.0])
    d.smooth((ear - flap) * (1.18, 1.14) + flap, cut=True)
    d.smooth((ear - flap) * u(0.98, 1.04) + flap)
    d.polygon([(60, head - 10), (74, head - 12), (74, head + 4), (66, head + 2)])
    d.stroke([(78, head + 15), (88, head + 24), (99, head + 22)], [7.6, 6.6, 4.0], cut=True)
    d.stroke([(78, head + 15), (88, head + 24), (99, head + 22)], [4.6, 3.8, 1.2])
    d.ellipse(78.5, head - 3, 1.5, cut=True)
    return d


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
