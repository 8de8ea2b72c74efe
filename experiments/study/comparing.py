"""Means of an arm over seeds, and differences of two arms paired over seeds and images, with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shapebias.data.readers.cue_conflict import photographs
from shapebias.stats.crossed import Crossed
from shapebias.stats.intervals import Z95, t_quantile

Images = Mapping[str, Sequence[str]] | None
Cells = dict[int, dict[str, Any]]  # of one arm, by seed
Ends = tuple[float, float] | None
# The measures that are also known image by image: which answers, and what counts as one.
ANSWERED: dict[str, tuple[str, str]] = {
    "shape": ("decisions", "s"),
    "texture": ("decisions", "t"),
    "neither": ("decisions", "n"),
    "shape full": ("decisions full", "s"),
    "texture full": ("decisions full", "t"),
    "neither full": ("decisions full", "n"),
    "top-1": ("right", "1"),
}


def mean(cells: Cells, measure: str, images: Images) -> tuple[float | None, Ends]:
    """Return the mean of a measure over seeds and its interval, None for a single seed.

    Args:
        cells: those of one arm.
        measure: a key of ``arena.MEASURES``.
        images: the names of the cue-conflict images by the answers on them, where all seeds are measured on the same;
            None where each seed has images of its own, so that the interval over seeds covers the images too.
    """
    values = [value_of(cell, measure) for cell in cells.values()]
    if not values or None in values:
        return None, None
    known = np.array(values, dtype=float)
    if len(known) == 1:
        return float(known[0]), None
    by_image = _by_image(cells, measure)
    over_images = _half_of_cells(cells, measure, images) if by_image is None else _half(by_image, images, measure)
    middle, (low, high) = _combined(known, over_images, shared=images is not None)
    return middle, (max(0.0, low), min(1.0, high))


def difference(a: Cells, b: Cells, measure: str, images: Images) -> tuple[float | None, Ends, list[float]]:
    """Return the mean difference of two arms over the seeds of both, its interval, and that of each seed.

    Of a measure that is not known image by image the interval is over seeds alone (see ``over_seeds_alone``).
    """
    seeds = [seed for seed in a if seed in b]
    pairs = [(value_of(a[seed], measure), value_of(b[seed], measure)) for seed in seeds]
    values = [first - second for first, second in pairs if first is not None and second is not None]
    if not values or len(values) < len(pairs):
        return None, None, values
    if len(values) == 1:
        return values[0], None, values
    first, second = (_by_image({seed: cells[seed] for seed in seeds}, measure) for cells in (a, b))
    over_images = 0.0
    if first is not None and second is not None and first.shape == second.shape:
        over_images = _half(first - second, images, measure)
    return (*_combined(np.array(values), over_images, shared=images is not None), values)


def over_seeds_alone(measure: str, images: Images) -> bool:
    """Return whether differences of a measure leave out that other images would give others."""
    return images is not None and measure not in ANSWERED


def value_of(cell: dict[str, Any], measure: str) -> float | None:
    """Return a measure of a cell, None where it has none."""
    found = cell["measures"].get(measure)
    return None if found is None else found["value"]


def _by_image(cells: Cells, measure: str) -> np.ndarray | None:
    """Return 1 for each image that counts, else 0, (seeds, images), or None where that is not known.

    Seeds that were measured on fewer of the images than others are left out.
    """
    if measure not in ANSWERED:
        return None
    kind, what = ANSWERED[measure]
    rows = [[float(answer == what) for answer in cell["answers"][kind]] for cell in cells.values()]
    return np.array([row for row in rows if len(row) == max(map(len, rows))])


def _half(by_image: np.ndarray, images: Images, measure: str) -> float:
    """Return half the interval over images: of a mean over seeds, by what it is on each image, (seeds, images)."""
    if images is None:
        return Z95 * math.sqrt(float(by_image.var(axis=1, ddof=1).mean()) / by_image.size)
    each = by_image.mean(axis=0)
    influence = (each - each.mean()) / len(each)
    kind = ANSWERED[measure][0]
    crossed = Crossed.of(photographs(images[kind])) if kind in images else None
    return Z95 * math.sqrt(float((influence**2).sum()) if crossed is None else crossed.variance(influence))


def _half_of_cells(cells: Cells, measure: str, images: Images) -> float:
    """Return half the interval over images from those that the cells state; 0 where they state none."""
    ends = [cell["measures"][measure]["ci95"] for cell in cells.values()]
    half = float(np.mean([0.0 if pair is None else (pair[1] - pair[0]) / 2 for pair in ends]))
    return half if images is not None else half / math.sqrt(len(cells))


def _combined(values: np.ndarray, over_images: float, *, shared: bool) -> tuple[float, tuple[float, float]]:
    """Return the mean of a value per seed and its interval.

    Where all seeds share their images, Student's t over seeds is joined with the normal interval over images. Where
    each seed has its own, Student's t covers them; but as few seeds can agree by chance, it is no shorter than the
    interval over the images of these seeds.
    """
    middle = float(values.mean())
    half = t_quantile(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    half = math.hypot(half, over_images) if shared else max(half, over_images)
    return middle, (middle - half, middle + half)


def cell_text(value: float | None, ends: Ends, form: str = ".1f") -> str:
    """Return a table's cell in percent: ``54.2 [44.1, 64.3]``."""
    if value is None:
        return "-"
    return f"{100 * value:{form}}" + (f" [{100 * ends[0]:{form}}, {100 * ends[1]:{form}}]" if ends else "")


def markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, ["---"] * len(headings), *lines))


def replaced(page: str, made: dict[str, str]) -> str:
    """Return the text of a page with each table between the markers of its name, ``<!-- table: NAME -->``."""
    for name, table in made.items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = page.partition(begin)
        if found:
            page = f"{before}{begin}{table}\n{end}{rest.partition(end)[2]}"
    return page
