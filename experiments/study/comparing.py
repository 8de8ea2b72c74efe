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
    """Return the mean of a measure over seeds and its interval.

    Args:
        cells: those of one arm.
        measure: a key of ``arena.MEASURES``.
        images: the names of the cue-conflict images by the answers on them, where all seeds are measured on the same;
            None where each seed has images of its own, so that the interval over seeds covers the images too.
    """
    values = [value_of(cell, measure) for cell in cells.values()]
    if not values or None in values:
        return None, None
    if len(values) == 1:
        ends = next(iter(cells.values()))["measures"][measure]["ci95"]
        return values[0], ends and (ends[0], ends[1])
    known = [value for value in values if value is not None]
    middle, found = _combined(known, _by_image(cells, measure), images, measure)
    return middle, found and (max(0.0, found[0]), min(1.0, found[1]))


def difference(a: Cells, b: Cells, measure: str, images: Images) -> tuple[float | None, Ends, list[float]]:
    """Return the mean difference of two arms over the seeds of both, its interval, and that of each seed."""
    seeds = [seed for seed in a if seed in b]
    pairs = [(value_of(a[seed], measure), value_of(b[seed], measure)) for seed in seeds]
    values = [first - second for first, second in pairs if first is not None and second is not None]
    if not values or len(values) < len(pairs):
        return None, None, values
    if len(values) == 1:
        return values[0], None, values
    ours, theirs = ({seed: cells[seed] for seed in seeds} for cells in (a, b))
    first, second = _by_image(ours, measure), _by_image(theirs, measure)
    by_image = None if first is None or second is None else first - second
    return (*_combined(values, by_image, images, measure), values)


def value_of(cell: dict[str, Any], measure: str) -> float | None:
    """Return a measure of a cell, None where it has none."""
    found = cell["measures"].get(measure)
    return None if found is None else found["value"]


def _by_image(cells: Cells, measure: str) -> np.ndarray | None:
    """Return 1 for each image that counts, else 0, (seeds, images); None where that is not known."""
    if measure not in ANSWERED:
        return None
    kind, what = ANSWERED[measure]
    rows = [[float(answer == what) for answer in cell["answers"][kind]] for cell in cells.values()]
    return np.array(rows) if len({len(row) for row in rows}) == 1 else None


def _combined(values: Sequence[float], by_image: np.ndarray | None, images: Images, measure: str) -> tuple[float, Ends]:
    """Return the mean of a value per seed and its interval.

    Where all seeds share their images, Student's t over seeds is joined with the normal interval over images. Where
    each seed has its own, Student's t covers them; but as few seeds can agree by chance, it is no shorter than the
    interval over the images of these seeds.
    """
    middle = float(np.mean(values))
    half = t_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    if by_image is None:
        return middle, (middle - half, middle + half)
    if images is None:
        variance = float(by_image.var(axis=1, ddof=1).mean()) / by_image.size
        half = max(half, Z95 * math.sqrt(variance))
    else:
        each = by_image.mean(axis=0)
        influence = (each - each.mean()) / len(each)
        kind = ANSWERED[measure][0]
        crossed = Crossed.of(photographs(images[kind])) if kind in images else None
        variance = float((influence**2).sum()) if crossed is None else crossed.variance(influence)
        half = math.hypot(half, Z95 * math.sqrt(variance))
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
