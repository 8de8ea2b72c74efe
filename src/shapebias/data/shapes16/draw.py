"""Drawings of polygons, ellipses and strokes, and their antialiased masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

Points = NDArray[np.float64]

SUPERSAMPLE = 4
MARGIN = 0.03


def catmull_rom(points: ArrayLike, *, closed: bool, steps: int = 6) -> Points:
    """A smooth curve through ``points``: (N, 2) -> (about N * steps, 2)."""
    p = np.asarray(points, dtype=np.float64)
    if closed:
        a, b, c, d = np.roll(p, 1, 0), p, np.roll(p, -1, 0), np.roll(p, -2, 0)
    else:
        padded = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
        a, b, c, d = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = a[:, None], b[:, None], c[:, None], d[:, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    curve = curve.reshape(-1, p.shape[1])
    return curve if closed else np.concatenate([curve, p[-1:]])


def circle(n: int) -> Points:
    """``n`` points on the unit circle, (n, 2)."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


_DISC = circle(12)
_ELLIPSE = circle(40)


class Drawing:
    """Filled and cut-out parts, painted in order, in any units (x right, y down).

    A drawing has no fixed scale: ``mask`` fits it to the frame. ``tilt`` is how far, in degrees, the
    thing may lean either way and still look natural.
    """

    def __init__(self, tilt: float = 7.0) -> None:
        self.tilt = tilt
        self._parts: list[tuple[Points, bool]] = []

    def polygon(self, points: ArrayLike, *, cut: bool = False) -> None:
        """A polygon with straight edges through ``points`` (N, 2)."""
        self._parts.append((np.asarray(points, dtype=np.float64), cut))

    def smooth(self, points: ArrayLike, *, cut: bool = False) -> None:
        """A closed smooth outline through ``points`` (N, 2)."""
        self._parts.append((catmull_rom(points, closed=True), cut))

    def ellipse(self, x: float, y: float, rx: float, ry: float = 0.0, *, angle: float = 0.0, cut: bool = False) -> None:
        """An ellipse at (x, y) with half-axes rx, ry, turned by ``angle`` degrees; a disc without ry."""
        points = _ELLIPSE * (rx, ry or rx)
        if angle:
            points = points @ _rotation(angle)
        self._parts.append((points + np.array((x, y)), cut))

    def box(self, x: float, y: float, w: float, h: float, r: float = 0.0, *, cut: bool = False) -> None:
        """A box with its top left corner at (x, y) and corners rounded by ``r``."""
        if r <= 0:
            self.polygon([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], cut=cut)
            return
        r = min(r, w / 2, h / 2)
        quarter = circle(16)
        corners = []
        for k, (cx, cy) in enumerate([(x + w - r, y + h - r), (x + r, y + h - r), (x + r, y + r), (x + w - r, y + r)]):
            corners.append(quarter[np.arange(4 * k, 4 * k + 5) % 16] * r + (cx, cy))
        self.polygon(np.concatenate(corners), cut=cut)

    def ring(self, x: float, y: float, r: float, width: float, *, cut: bool = False) -> None:
        """A ring about (x, y): outer radius ``r``, thickness ``width``, see-through inside."""
        turn = np.concatenate([_ELLIPSE, _ELLIPSE[:1]])
        both = np.concatenate([turn * r, turn[::-1] * (r - width)])
        self._parts.append((both + np.array((x, y)), cut))

    def stroke(self, points: ArrayLike, width: ArrayLike, *, smooth: bool = True, cut: bool = False) -> None:
        """A round-ended line through ``points``, as thick as ``width`` (one for all, or one a point)."""
        path = np.asarray(points, dtype=np.float64)
        widths = np.broadcast_to(np.asarray(width, dtype=np.float64), (len(path),))
        line = np.concatenate([path, widths[:, None]], axis=1)
        if smooth and len(line) > 2:
            line = catmull_rom(line, closed=False, steps=4)
        xy, half = line[:, :2], np.maximum(line[:, 2:], 0.05) / 2
        along = np.diff(xy, axis=0)
        length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) / length
        a, b = across * half[:-1], across * half[1:]
        quads = np.stack([xy[:-1] + a, xy[1:] + b, xy[1:] - b, xy[:-1] - a], axis=1)
        self._parts.extend((quad, cut) for quad in quads)
        self._parts.extend((_DISC * h + p, cut) for p, h in zip(xy, half, strict=True))

    def mask(self, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """The drawing mirrored, leaned, scaled and placed at random: (size, size) coverage in [0, 1].

        The longer side takes 62-88 % of the frame (a slender figure's at least 70 %), and the
        whole figure stays inside it.
        """
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        angle = float(rng.uniform(-self.tilt, self.tilt))
        fill = float(rng.random())
        where = rng.random(2)
        turn = np.array([[mirror, 0.0], [0.0, 1.0]]) @ _rotation(angle)
        points = np.concatenate([part for part, _ in self._parts]) @ turn
        sizes = [len(part) for part, _ in self._parts]
        solid = points[np.repeat([not cut for _, cut in self._parts], sizes)]
        low, high = solid.min(axis=0), solid.max(axis=0)
        slender = 1 - float((high - low).min() / (high - low).max())
        least = 0.62 + 0.10 * slender
        scale = (least + (0.88 - least) * fill) / float((high - low).max())
        free = 1 - 2 * MARGIN - (high - low) * scale
        # Placement leans towards the middle: a figure pushed in a corner looks like an accident.
        offset = MARGIN + free * (0.5 + 0.8 * (where - 0.5)) - low * scale
        # Pixel k of the big image covers k to k + 1, and the pen counts from pixel centres.
        flat = ((points * scale + offset) * (size * SUPERSAMPLE) - 0.5).ravel().tolist()
        image = Image.new("L", (size * SUPERSAMPLE, size * SUPERSAMPLE), 0)
        pen = ImageDraw.Draw(image)
        start = 0
        for (_, cut), n in zip(self._parts, sizes, strict=True):
            pen.polygon(flat[2 * start : 2 * (start + n)], fill=0 if cut else 255)
            start += n
        return (np.asarray(image.reduce(SUPERSAMPLE)) / 255).astype(np.float32)


def _rotation(degrees: float) -> Points:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, s], [-s, c]])
