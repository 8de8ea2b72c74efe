"""Coordinates, smooth noise and cells that the textures are made of, free of any image size.

Everything is laid out in units of 1/64 of the frame, so that a texture has the same look, only
sharper, in a larger picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
