"""The study's pictures as SVG: small multiples of lines, thin for each seed and thick for their mean.

    python experiments/study/plots.py

Draws docs/pictures/study-ARENA.svg from the records in this folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from arms import SCANS
from comparing import Cells
from markupsafe import Markup
from page import ARENAS, OWN, ROOT, WEIGHED
from record import Record

from shapebias.report.svg import corners, tag

COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#6b7280", "#111827", "#be185d", "#0f766e")
WIDTH, HEIGHT, GAP, COLUMNS, TOP = 250, 150, 54, 3, 26
KEYS = 5  # names in a row of the key
HIGH = 0.6  # of the largest value: where the lowest is above, the axis begins there
STYLE = "text{font:11px system-ui,sans-serif;fill:#374151}.name{font-weight:600}.axis{stroke:#d1d5db}.thin{opacity:.3}"
OVER_TIME = {
    "mmsi-sin-in": "Eq. 4",
    "control": "Eq. 4, no term",
    "natural": "image and each view",
    "all": "all three pairs",
    "channel": "channel axis",
    "one-view-natural": "one view and term",
    "shapenet-sin-in": "one view, no term",
}
LOGGED = {
    "rho": "mean |rho| (one view: with its image)",
    "spread": "spread of the latents over images",
    "val_top1": "top-1 on natural validation images",
    "train_stylized_top1": "top-1 on stylized training images",
}
# What is scanned, and its default.
DEFAULTS = {"lambda_m": 0.8, "lambda_s": 0.5, "ramp_epochs": 0.0, "alpha": 1.0, "share": 0.5}
SHOWN = {"shape": "decisions by shape, %", "top-1": "top-1, %", "shape neurons": "shape neurons, %"}
# Arms in the order of the weight of their stylized images.
LINES_OF_WEIGHT = {
    "one view, no term": ("in", *WEIGHED[:3]),
    "one view and term": WEIGHED[3:],
    "Eq. 4": ("views-lambda_s-0.1", "views-lambda_s-0.25", "mmsi-sin-in", "views-lambda_s-1"),
}
TRADED = {
    "shape": SHOWN["shape"],
    "shape full": "decisions by shape, full strength, %",
    "stylized": "stylized top-1, %",
    "silhouettes": "silhouettes, %",
    "corruptions": "corruptions, %",
}


class Family(NamedTuple):
    """Arms that differ in one setting.

    Attributes:
        name: that their names begin with.
        title: what the key calls them.
        base: the arm with the default setting.
        control: the arm with lambda_m 0.
        scale: that lambda_m counts, so that all are relative to cross entropies of weight 2 in all, as in Eq. 4.
    """

    name: str
    title: str
    base: str
    control: str
    scale: float = 1.0


LINES = (
    Family("views", "Eq. 4", "mmsi-sin-in", "control"),
    Family("natural", "image and each view", "natural", "control"),
    Family("one-view", "one view and term", "one-view-natural", "shapenet-sin-in", scale=2.0),
    Family("one-view-natural", "one view and term", "one-view-natural", "shapenet-sin-in"),
    Family("shapenet-sin-in", "one view, no term", "shapenet-sin-in", "shapenet-sin-in"),
)


class Series(NamedTuple):
    """A line of a panel: its name, the values of x, and one row of y for each seed."""

    name: str
    x: Sequence[float]
    rows: Sequence[Sequence[float]]


def panel(title: str, series: Sequence[Series], *, under: str, colours: dict[str, str]) -> Markup:
    """Return one panel with its axes, from 0 to the largest value, or from the lowest where all are high."""
    points = [(x, y) for one in series for row in one.rows for x, y in zip(one.x, row, strict=True)]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    bottom, top = min(y for _, y in points), max(1e-9, *(y for _, y in points))
    bottom = bottom if bottom < 0 or bottom > HIGH * top else 0.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = WIDTH * (x - left) / ((right - left) or 1)
        return across, TOP + (HEIGHT - TOP) * (1 - (y - bottom) / (top - bottom))

    parts = [tag("text", title, x=0, y=12, class_="name")]
    for value in (bottom, top):
        _, height = place(left, value)
        parts.append(tag("line", x1=0, x2=WIDTH, y1=height, y2=height, class_="axis"))
        parts.append(tag("text", f"{value:.3g}", x=-6, y=height + 4, text_anchor="end"))
    for value, anchor in ((left, "start"), (right, "end")):
        parts.append(tag("text", f"{value:.3g}", x=place(value, bottom)[0], y=HEIGHT + 14, text_anchor=anchor))
    parts.append(tag("text", under, x=WIDTH / 2, y=HEIGHT + 14, text_anchor="middle"))
    for one in series:
        colour = colours[one.name]
        for row in one.rows:
            line = corners(place(x, y) for x, y in zip(one.x, row, strict=True))
            parts.append(tag("polyline", points=line, fill="none", stroke=colour, stroke_width=1, class_="thin"))
        middle = [place(x, y) for x, y in zip(one.x, np.mean(one.rows, axis=0), strict=True)]
        line = tag(
            "polyline", tag("title", one.name), points=corners(middle), fill="none", stroke=colour, stroke_width=2
        )
        parts += [line, *(tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=2.5, fill=colour) for x, y in middle)]
    return Markup("").join(parts)


def multiples(panels: Sequence[tuple[str, str, Sequence[Series]]]) -> Markup:
    """Return panels of (title, x axis, series) in rows of three, with one key of all names below."""
    names = list(dict.fromkeys(one.name for _, _, series in panels for one in series))
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    parts = []
    for number, (title, under, series) in enumerate(panels):
        across, down = GAP + number % COLUMNS * (WIDTH + GAP), 8 + number // COLUMNS * (HEIGHT + GAP)
        parts.append(
            tag("g", panel(title, series, under=under, colours=colours), transform=f"translate({across} {down})")
        )
    rows = -(-len(panels) // COLUMNS)
    height = 8 + rows * (HEIGHT + GAP)
    for number, name in enumerate(names):
        colour = colours[name]
        across, down = GAP + 175 * (number % KEYS), height + 20 * (number // KEYS)
        parts.append(tag("line", x1=across, x2=across + 18, y1=down, y2=down, stroke=colour, stroke_width=3))
        parts.append(tag("text", name, x=across + 24, y=down + 4))
    size = {"width": COLUMNS * (WIDTH + GAP) + 20, "height": height + 16 + 20 * ((len(names) - 1) // KEYS)}
    ground = tag("rect", width="100%", height="100%", fill="white")
    return tag("svg", tag("style", Markup(STYLE)), ground, *parts, xmlns="http://www.w3.org/2000/svg", **size)


def over_time(record: Record) -> list[tuple[str, str, list[Series]]]:
    """Return the panels of what training logged, epoch by epoch."""
    panels = []
    for column, title in LOGGED.items():
        series = []
        for arm, name in OVER_TIME.items():
            rows = [[e[column] for e in c["epochs"] if column in e] for c in record.cells(arm, record.dev).values()]
            if rows and rows[0] and len({len(row) for row in rows}) == 1:
                epochs = len(rows[0])
                series.append(Series(name, [100 * done / epochs for done in range(1, epochs + 1)], rows))
        if series:
            panels.append((title, "training done, %", series))
    return panels


def measured_over_time(record: Record) -> list[tuple[str, str, list[Series]]]:
    """Return the panels of what was measured of the networks before every epoch and at the end."""
    panels = []
    for measure, title in SHOWN.items():
        series = []
        for arm, name in OVER_TIME.items():
            rows = [[100 * m[measure]["value"] for m in c["over_time"]] for c in _timed(record, arm)]
            if rows:
                epochs = len(rows[0]) - 1
                series.append(Series(name, [100 * done / epochs for done in range(epochs + 1)], rows))
        if series:
            panels.append((title, "training done, %", series))
    return panels


def _timed(record: Record, arm: str) -> list[dict[str, Any]]:
    return list(record.cells(f"{arm}-over-time", record.dev).values())


def against(record: Record) -> list[tuple[str, str, list[Series]]]:
    """Return the panels of shape decisions, accuracy and neurons against each setting."""
    panels = []
    for setting in DEFAULTS:
        for measure, title in SHOWN.items():
            made = [_family(record, setting, family, measure) for family in LINES]
            if series := [one for one in made if one is not None]:
                panels.append((title, setting, series))
    return panels


def _family(record: Record, setting: str, family: Family, measure: str) -> Series | None:
    scanned = {key: arm for key, arm in SCANS.items() if key.startswith(f"{family.name}-{setting}-")}
    if not scanned:
        return None
    arms = {
        arm.settings.get(setting, arm.alpha if arm.share is None else arm.share) * family.scale: key
        for key, arm in scanned.items()
    }
    arms[DEFAULTS[setting]] = family.base
    if setting == "lambda_m":
        arms |= {0.0: family.control, 2.0: f"{family.name}-2"}
    found = {x: record.cells(arm, record.dev) for x, arm in sorted(arms.items())}
    found = {x: cells for x, cells in found.items() if cells}
    seeds = set.intersection(*(set(cells) for cells in found.values())) if found else set[int]()
    if len(found) < 2 or not seeds:
        return None
    rows: list[list[Any]] = [
        [100 * c[seed]["measures"][measure]["value"] for c in found.values()] for seed in sorted(seeds)
    ]
    return Series(family.title, list(found), rows)


def traded(record: Record) -> list[tuple[str, str, list[Series]]]:
    """Return the panels of each measure against top-1, as the weight of stylized images rises along each line.

    All points are means over the same seeds; a line without them is left out.
    """
    seeds = record.common(("in", *WEIGHED), record.dev)
    panels = []
    for measure in record.known(list(TRADED)) if seeds else ():
        series = []
        for name, arms in LINES_OF_WEIGHT.items():
            found = [cells for arm in arms if seeds <= set(cells := record.cells(arm, record.dev))]
            if found := [cells for cells in found if all(measure in cells[seed]["measures"] for seed in seeds)]:
                across, up = ([100 * _mean(cells, one, seeds) for cells in found] for one in ("top-1", measure))
                series.append(Series(name, across, [up]))
        if series:
            panels.append((TRADED[measure], "top-1, %", series))
    return panels


def _mean(cells: Cells, measure: str, seeds: set[int]) -> float:
    return float(np.mean([cells[seed]["measures"][measure]["value"] for seed in seeds]))


def main() -> None:
    for arena in ARENAS:
        path = OWN / f"{arena}.json"
        if not path.is_file():
            continue
        record = Record(json.loads(path.read_text(encoding="utf-8")))
        for name, panels in (
            ("training", over_time(record) + measured_over_time(record)),
            ("settings", against(record)),
            ("trade-off", traded(record)),
        ):
            if panels:
                picture = Path(ROOT / "docs" / "pictures" / f"study-{arena}-{name}.svg")
                picture.write_text(str(multiples(panels)) + "\n", encoding="utf-8")
                print(f"wrote {picture}")


if __name__ == "__main__":
    main()
