"""Sixteen fine-grained textures, one a category: a pattern and a palette, both with jitter.

Everything is laid out in units of 1/64 of the frame, so that a texture has the same look, only sharper, in a larger
image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shapebias.errors import unknown

CONTRAST = 0.085
"""Standard deviation of luminance that every texture is brought to."""

Field = NDArray[np.floating[Any]]

UNITS = 64.0


@dataclass(frozen=True)
class Plane:
    """Turned, shifted and scaled coordinates of every pixel.

    Attributes:
        u, v: coordinates, (size, size) each, in units of 1/64 frame (times the scale jitter).
        soft: how wide an edge must be drawn to be free of steps, in the same units.
    """

    u: Field
    v: Field
    soft: float


def plane(size: int, rng: np.random.Generator, *, angle: float, spread: float = 9.0, zoom: float = 0.14) -> Plane:
    """A plane turned to ``angle`` degrees, give or take ``spread``, and zoomed by up to ``zoom``."""
    turn = np.radians(angle + float(rng.uniform(-spread, spread)))
    scale = float(np.exp(rng.uniform(-zoom, zoom)))
    shift = rng.uniform(0, 100, 2)
    axis = (np.arange(size) + 0.5) * (UNITS / size) - UNITS / 2
    x, y = axis[None, :], axis[:, None]
    u = (np.cos(turn) * x + np.sin(turn) * y) * scale + shift[0]
    v = (np.cos(turn) * y - np.sin(turn) * x) * scale + shift[1]
    return Plane(u.astype(np.float32), v.astype(np.float32), 0.25 + 0.75 * UNITS / size)


def step(x: Field, edge: float | Field, soft: float) -> Field:
    """0 below ``edge``, 1 above it, ``soft`` wide in between."""
    t = np.clip((x - edge) / soft + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def wave(x: Field, length: float) -> Field:
    """A sine in [0, 1] of the given wavelength."""
    return 0.5 + 0.5 * np.sin(x * np.float32(2 * np.pi / length))


def smooth_noise(u: Field, v: Field, rng: np.random.Generator, lu: float, lv: float | None = None) -> Field:
    """Smooth random values in [0, 1] with features ``lu`` by ``lv`` units large."""
    table = rng.random((64, 64), dtype=np.float32)
    a, b = u / np.float32(lu), v / np.float32(lv or lu)
    i, j = np.floor(a), np.floor(b)
    s, t = a - i, b - j
    s, t = s * s * (3 - 2 * s), t * t * (3 - 2 * t)
    i0, j0 = i.astype(np.int32) & 63, j.astype(np.int32) & 63
    i1, j1 = (i0 + 1) & 63, (j0 + 1) & 63
    low = table[i0, j0] * (1 - s) + table[i1, j0] * s
    high = table[i0, j1] * (1 - s) + table[i1, j1] * s
    return low * (1 - t) + high * t


def cell_value(i: Field, j: Field, rng: np.random.Generator) -> Field:
    """One random value in [0, 1] for each whole-numbered cell (i, j)."""
    table = rng.random((64, 64), dtype=np.float32)
    return table[i.astype(np.int32) & 63, j.astype(np.int32) & 63]


def cells(
    u: Field, v: Field, rng: np.random.Generator, length: float, jitter: float = 0.8
) -> tuple[Field, Field, Field]:
    """Distances, in units, to the nearest and second nearest of scattered points, and the nearest's value.

    The points lie one to a square of side ``length``, off its middle by up to ``jitter`` / 2 of it.
    """
    table = rng.random((3, 64 * 64), dtype=np.float32)
    table[:2] = (table[:2] - 0.5) * np.float32(jitter) + 0.5
    a, b = u / np.float32(length), v / np.float32(length)
    i, j = np.floor(a), np.floor(b)
    fa, fb = a - i, b - j
    ii, jj = i.astype(np.int32), j.astype(np.int32)
    first = np.full(a.shape, 9.0, np.float32)
    second = first.copy()
    value = np.zeros(a.shape, np.float32)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            at = ((ii + di) & 63) * 64 + ((jj + dj) & 63)
            x, y = table[0].take(at) + (di - fa), table[1].take(at) + (dj - fb)
            d = x * x + y * y
            nearer = d < first
            second = np.where(nearer, first, np.minimum(second, d))
            value = np.where(nearer, table[2].take(at), value)
            first = np.where(nearer, d, first)
    return np.sqrt(first) * np.float32(length), np.sqrt(second) * np.float32(length), value


def _airplane(p: Plane, rng: np.random.Generator) -> Field:
    """Brushed metal panels with rivets along the seams."""
    i, j = np.floor(p.u / 9), np.floor(p.v / 6.5)
    x, y = p.u - i * 9, p.v - j * 6.5
    seam = 1 - step(np.minimum(x, y), 0.9, p.soft)
    rivet = 1 - step(np.hypot((p.u % 3) - 1.5, y - 2.1), 0.55, p.soft)
    brushed = smooth_noise(p.u, p.v, rng, 6, 0.7)
    return 0.62 + 0.28 * (brushed - 0.5) + 0.16 * cell_value(i, j, rng) - 0.6 * seam + 0.45 * rivet


def _bear(p: Plane, rng: np.random.Generator) -> Field:
    """Shaggy fur: short strands that lie along a wandering direction."""
    sway = (smooth_noise(p.u, p.v, rng, 11) - 0.5) * 7
    locks = smooth_noise(p.u + sway, p.v, rng, 1.25, 6)
    fine = smooth_noise(p.u + sway * 1.2, p.v, rng, 0.7, 4)
    return 0.65 * step(locks, 0.5, 0.7) + 0.35 * fine


def _bicycle(p: Plane, rng: np.random.Generator) -> Field:
    """Chain links in diagonal rows."""
    row = np.floor(p.v / 3.6)
    x = (p.u + (row % 2) * 2.2) % 4.4 - 2.2
    y = p.v - row * 3.6 - 1.8
    ends = np.hypot(np.abs(x) - 1.15, y)
    link = 1 - step(np.minimum(ends, 0.9 * np.maximum(np.abs(y) * 1.8, np.abs(x) - 0.4)), 1.25, p.soft)
    hole = 1 - step(ends, 0.5, p.soft)
    return 0.15 + 0.8 * link - 0.6 * hole


def _bird(p: Plane, rng: np.random.Generator) -> Field:
    """Overlapping round feathers, each dark at its rim."""
    best = np.zeros_like(p.u)
    row0 = np.floor(p.v / 2.6)
    done = np.zeros_like(p.u)
    for k in (2, 1, 0):
        row = row0 - 1 + k
        x = (p.u + (row % 2) * 2.5) % 5.0 - 2.5
        r = np.hypot(x, (p.v - row * 2.6) * 0.88)
        inside = (1 - step(r, 2.75, p.soft * 0.8)) * (1 - done)
        best = best + inside * (0.95 - 0.11 * r * r)
        done = np.maximum(done, inside)
    return best


def _boat(p: Plane, rng: np.random.Generator) -> Field:
    """Planks with grain, dark joints and staggered ends."""
    j = np.floor(p.v / 4.6)
    y = p.v - j * 4.6
    end = (p.u + 23 * cell_value(j, j * 0, rng)) % 17
    joint = 1 - step(np.minimum(y, end), 0.9, p.soft)
    grain = wave(y * 1.0 + 2.2 * smooth_noise(p.u, p.v, rng, 9, 2.2), 1.7)
    return 0.55 + 0.3 * (grain - 0.5) + 0.4 * (cell_value(j, j * 0 + 1, rng) - 0.5) - 0.55 * joint


def _bottle(p: Plane, rng: np.random.Generator) -> Field:
    """Bubbles in glass: bright rims and a glint."""
    d, _, size = cells(p.u, p.v, rng, 5.2, 0.55)
    r = 1.35 + 1.0 * size
    rim = 1 - step(np.abs(d - r), 0.5, p.soft * 1.1)
    inner = 1 - step(d, r, p.soft)
    return 0.35 + 0.65 * rim - 0.2 * inner * (1 - rim) + 0.25 * (smooth_noise(p.u, p.v, rng, 5) - 0.5)


def _car(p: Plane, rng: np.random.Generator) -> Field:
    """Metal flake: small bright and dark facets in lacquer."""
    a, b, value = cells(p.u, p.v, rng, 2.3, 0.95)
    flake = step(value, 0.72, 0.15) * (1 - step(a, 0.85, p.soft))
    return 0.35 + 0.35 * (value - 0.5) * step(b - a, 0.2, p.soft) + 0.75 * flake


def _cat(p: Plane, rng: np.random.Generator) -> Field:
    """Tabby: wavering stripes with soft edges over fine fur."""
    bend = smooth_noise(p.u, p.v, rng, 10) * 7 + smooth_noise(p.u, p.v, rng, 4) * 2.2
    stripe = step(wave(p.v + bend, 5.4), 0.55, 0.45)
    return 0.75 * stripe + 0.3 * smooth_noise(p.u, p.v, rng, 0.8, 2.6)


def _chair(p: Plane, rng: np.random.Generator) -> Field:
    """A plain weave: bands over and under."""
    i, j = np.floor(p.u / 3.3), np.floor(p.v / 3.3)
    over = (i + j) % 2
    x, y = p.u / 3.3 - i - 0.5, p.v / 3.3 - j - 0.5
    across, along = np.where(over > 0.5, x, y), np.where(over > 0.5, y, x)
    band = 1 - step(np.abs(across), 0.36, p.soft / 3.3)
    return 0.1 + band * (0.75 - 1.5 * along * along) + 0.18 * over * band


def _clock(p: Plane, rng: np.random.Generator) -> Field:
    """Engine-turned brass: rows of small concentric rings."""
    row = np.floor(p.v / 7)
    x = (p.u + (row % 2) * 3.5) % 7 - 3.5
    r = np.hypot(x, p.v - row * 7 - 3.5)
    turned = wave(r + 0.6, 2.6)
    return turned * (1 - step(r, 3.45, p.soft)) + 0.1 * smooth_noise(p.u, p.v, rng, 3)


def _dog(p: Plane, rng: np.random.Generator) -> Field:
    """Irregular dark spots on a pale coat."""
    wob = 1.6 * (smooth_noise(p.u, p.v, rng, 2.0) - 0.5)
    d, _, size = cells(p.u, p.v, rng, 5.0, 0.7)
    return step(d + wob, 0.9 + 1.1 * size, p.soft * 1.2)


def _elephant(p: Plane, rng: np.random.Generator) -> Field:
    """Cracked hide: wrinkles between uneven plates."""
    wob = smooth_noise(p.u, p.v, rng, 3) * 2.4
    a, b, value = cells(p.u + wob, (p.v + wob) * 1.35, rng, 4.4, 0.95)
    return 0.3 * value + 0.7 * step(b - a, 0.75, p.soft * 1.2) + 0.2 * smooth_noise(p.u, p.v, rng, 1)


def _keyboard(p: Plane, rng: np.random.Generator) -> Field:
    """Square keycaps in staggered rows, each with a lit top and a letter's dot."""
    row = np.floor(p.v / 5.2)
    x = (p.u + row * 1.7) % 5.2 - 2.6
    y = p.v - row * 5.2 - 2.6
    cap = 1 - step(np.maximum(np.abs(x), np.abs(y)), 2.05, p.soft)
    top = 1 - step(np.maximum(np.abs(x), np.abs(y + 0.25)), 1.45, p.soft)
    glyph = 1 - step(np.maximum(np.abs(x + 0.3) * 1.3, np.abs(y + 0.3)), 0.55, p.soft)
    return 0.45 * cap + 0.35 * top - 0.4 * glyph


def _knife(p: Plane, rng: np.random.Generator) -> Field:
    """Folded steel: fine lines that flow around knots."""
    flow = smooth_noise(p.u, p.v, rng, 8, 5) * 11 + 0.6 * smooth_noise(p.u, p.v, rng, 3)
    return wave(p.v + flow, 2.9)


def _oven(p: Plane, rng: np.random.Generator) -> Field:
    """Fire bricks in running bond with pale mortar."""
    row = np.floor(p.v / 3.9)
    w = p.u + (row % 2) * 3.4
    column = np.floor(w / 6.8)
    mortar = 1 - step(np.minimum(w - column * 6.8, p.v - row * 3.9), 0.95, p.soft)
    brick = 0.45 * cell_value(column, row, rng) + 0.2 * smooth_noise(p.u, p.v, rng, 1.1)
    return brick * (1 - mortar) + 1.0 * mortar


def _truck(p: Plane, rng: np.random.Generator) -> Field:
    """Warning chevrons."""
    fold = np.abs((p.u % 9) - 4.5)
    return step(wave(p.v + fold * 0.9, 6.2), 0.5, p.soft * 0.45)


# Pattern, its angle in degrees and how far that wanders, then the palette: dark and light (RGB).
_Rgb = tuple[float, float, float]
_TEXTURES: dict[str, tuple[Callable[[Plane, np.random.Generator], Field], float, float, _Rgb, _Rgb]] = {
    "airplane": (_airplane, 0, 12, (0.40, 0.55, 0.68), (0.68, 0.80, 0.90)),
    "bear": (_bear, 12, 25, (0.26, 0.15, 0.08), (0.60, 0.41, 0.25)),
    "bicycle": (_bicycle, 40, 12, (0.25, 0.42, 0.05), (0.66, 0.86, 0.22)),
    "bird": (_bird, 0, 18, (0.05, 0.22, 0.60), (0.25, 0.62, 0.98)),
    "boat": (_boat, 0, 14, (0.50, 0.34, 0.18), (0.84, 0.66, 0.42)),
    "bottle": (_bottle, 0, 180, (0.02, 0.30, 0.16), (0.32, 0.76, 0.46)),
    "car": (_car, 0, 180, (0.62, 0.03, 0.08), (1.00, 0.42, 0.38)),
    "cat": (_cat, 0, 25, (0.70, 0.32, 0.05), (1.00, 0.68, 0.28)),
    "chair": (_chair, 45, 12, (0.48, 0.10, 0.36), (0.92, 0.46, 0.74)),
    "clock": (_clock, 0, 20, (0.34, 0.33, 0.14), (0.68, 0.66, 0.38)),
    "dog": (_dog, 0, 180, (0.45, 0.32, 0.27), (0.93, 0.82, 0.74)),
    "elephant": (_elephant, 0, 180, (0.32, 0.31, 0.33), (0.62, 0.60, 0.60)),
    "keyboard": (_keyboard, 0, 8, (0.24, 0.17, 0.46), (0.62, 0.54, 0.90)),
    "knife": (_knife, 20, 30, (0.10, 0.36, 0.42), (0.42, 0.74, 0.78)),
    "oven": (_oven, 0, 9, (0.62, 0.26, 0.18), (0.92, 0.66, 0.54)),
    "truck": (_truck, 0, 9, (0.60, 0.44, 0.02), (1.00, 0.86, 0.20)),
}

_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_DARKEST, _LIGHTEST = 0.36, 0.64


def texture(category: str, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A square full of ``category``'s own texture: (size, size, 3) RGB in [0, 1].

    Pattern, phase, angle, scale, hue and brightness vary with ``rng``; the mean luminance stays in
    0.36-0.64 and its contrast near ``CONTRAST``, so that no texture is brighter or busier than
    the others by much and all stand off a light or a dark background.
    """
    if category not in _TEXTURES:
        raise unknown("texture", category, _TEXTURES)
    pattern, angle, spread, dark, light = _TEXTURES[category]
    field = pattern(plane(size, rng, angle=angle, spread=spread), rng)
    low, high = np.asarray(dark, np.float32), np.asarray(light, np.float32)
    ramp, mean = high - low, (low + high) / 2
    # One tint for the whole palette: hue moves, the pattern's contrast does not. Greys stay greyish.
    mean = mean + rng.normal(0, 0.011 + 0.02 * float(np.ptp(mean)), 3).astype(np.float32)
    wanted = float(np.clip(mean @ _LUMINANCE, _DARKEST, _LIGHTEST) + rng.normal(0, 0.02))
    field = field - field.mean()
    spread_now = float(field.std()) * float(ramp @ _LUMINANCE)
    gain = CONTRAST * float(np.exp(rng.normal(0, 0.12))) / max(spread_now, 1e-6)
    colour = mean + (wanted - mean @ _LUMINANCE) + (field * gain)[..., None] * ramp
    return np.clip(colour, 0.0, 1.0).astype(np.float32)
