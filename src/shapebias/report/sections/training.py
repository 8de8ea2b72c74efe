"""Pictures of the training and its curves over the images seen."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup

from shapebias.errors import UserError
from shapebias.report.charts import Axis
from shapebias.report.collect import Collection, Model
from shapebias.report.format import percent, plain
from shapebias.report.line_chart import Frame, Line, Point, line_chart
from shapebias.report.pictures import Picture, embed, inside
from shapebias.report.sections import Section

EXAMPLES = 6
_FRAME = Frame(340, 220, left=48, right=14, top=12, bottom=40)
_ABSURD = 1e12  # a diverged loss this large would flatten everything else


@dataclass(frozen=True)
class Panel:
    """One column of the training log; ``bounds`` are its natural ends, where it has any."""

    column: str
    title: str
    note: str
    percent: bool = False
    bounds: tuple[float, float] | None = None


PANELS = (
    Panel("loss", "Total loss", "What training minimises: the weighted sum of all terms."),
    Panel("natural", "Loss on unchanged pictures", "Classification loss on the original pictures."),
    Panel("stylized", "Loss on stylized pictures", "The same, with the texture replaced."),
    Panel("mmsi", "Mutual shape term", "Lower: the two stylized versions share more. Minimised in mmsi schemes only."),
    Panel(
        "spread",
        "Spread of the features",
        "How much features differ between pictures, relative to their size; near 0 they have collapsed.",
    ),
    Panel(
        "rho",
        "Agreement of the two views",
        "Mean absolute correlation (rho) between the two stylized versions; 1 is identical.",
        bounds=(0, 1),
    ),
    Panel("train_top1", "Training accuracy, unchanged", "Correct answers on training pictures.", True, (0, 1)),
    Panel(
        "train_stylized_top1", "Training accuracy, stylized", "The same on stylized training pictures.", True, (0, 1)
    ),
    Panel("val_top1", "Validation accuracy", "Correct answers on pictures not trained on.", True, (0, 1)),
)


@dataclass(frozen=True)
class Triple:
    """One training picture and its stylized views (one or two)."""

    natural: Picture
    views: tuple[Picture, ...]


def build_examples(collection: Collection) -> dict[str, Any] | None:
    """Return the example pictures of the training with the most views per picture; the first one if tied."""
    best: tuple[int, Model, Path, list[Triple]] | None = None
    for model in collection.models:
        if model.run is None:
            continue
        folder = model.run.folder / "examples"
        triples = _triples(folder)
        views = max((len(triple.views) for triple in triples), default=0)
        if views > (best[0] if best else 0):
            best = (views, model, folder, triples)
    if best is None:
        return None
    views, model, folder, triples = best
    collection.picture_folders.append(folder)
    mutual = model.run is not None and "mmsi" in str(model.run.record.get("scheme"))
    return {"model": model, "triples": triples, "views": views, "mutual": mutual}


def _triples(folder: Path) -> list[Triple]:
    if not folder.is_dir():
        return []
    found: list[Triple] = []
    for name in sorted(path.name for path in folder.iterdir() if re.fullmatch(r"\d+-natural\.png", path.name)):
        stem = name.removesuffix("-natural.png")
        natural = _picture(folder, name)
        views = tuple(v for kind in "ab" if (v := _picture(folder, f"{stem}-view-{kind}.png")) is not None)
        if natural is not None and views:
            found.append(Triple(natural, views))
        if len(found) == EXAMPLES:
            break
    return found


def _picture(folder: Path, name: str) -> Picture | None:
    path = inside(folder, name)
    return embed(path) if path else None


def build_curves(collection: Collection) -> dict[str, Any] | None:
    """Return a chart for every log column in which at least one training has values."""
    logs: list[tuple[Model, list[dict[str, float | str | None]]]] = []
    for model in collection.models:
        if model.run is None:
            continue
        try:
            rows = model.run.epochs()
        except UserError as error:
            collection.warnings.append(f"{error} (skipped)")
            continue
        if not rows:
            collection.warnings.append(f"no training curves found in {model.run.folder}")
        logs.append((model, rows))
    lines = {panel: [line for log in logs if (line := _line(panel.column, *log))] for panel in PANELS}
    ends = [point.x for found in lines.values() for line in found for point in line.points]
    charts = [(panel, _chart(panel, found, max(ends))) for panel, found in lines.items() if found]
    models = [model for model in collection.models if model.run is not None]
    return {"charts": charts, "models": models} if charts else None


def _line(column: str, model: Model, rows: Sequence[dict[str, float | str | None]]) -> Line | None:
    points = [
        Point(x, y)
        for x, y in ((row.get("images"), row.get(column)) for row in rows)
        if isinstance(x, float) and isinstance(y, float) and x >= 0 and abs(y) < _ABSURD
    ]
    if not points:
        return None
    last = points[-1]
    points[-1] = Point(last.x, last.y, title=f"{model.name}: {last.y:.4g}")
    phases = []
    for before, after in pairwise(rows):
        images = before.get("images")
        if before.get("phase") != after.get("phase") and isinstance(images, float):
            phases.append((images, f"{model.name}: phase {after.get('phase')} begins"))
    return Line(model, points, phases)


def _chart(panel: Panel, lines: Sequence[Line], end: float) -> Markup:
    """One panel; ``end`` is the right end of the axis of images, the same in all panels."""
    values = [point.y for line in lines for point in line.points]
    ticks = _ticks(*(panel.bounds or (min(values), max(values))))
    y = Axis(ticks[0], ticks[-1], tuple((t, percent(t, 0) if panel.percent else plain(t)) for t in ticks))
    x = Axis(0.0, end, tuple((t, _short(t)) for t in _ticks(0, end) if 0 <= t <= end), "images seen")
    names = ", ".join(f"{line.model.name} ends at {line.points[-1].y:.3g}" for line in lines)
    return line_chart(lines, x, y, _FRAME, label=f"{panel.title} over images seen: {names}")


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers that cover the range."""
    if high - low <= 1e-9 * max(abs(high), abs(low), 1e-9):
        margin = abs(high) * 0.1 or 0.5
        low, high = low - margin, high + margin
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)
    return [round(step * i, 12) for i in range(first, last + 1)]


def _short(images: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if images >= size:
            return f"{images / size:.4g}{unit}"
    return f"{images:.4g}"


TRAINING_PICTURES = Section("Training pictures", "training_pictures.html", build_examples, expected=True)
TRAINING_CURVES = Section("Training curves", "training_curves.html", build_curves, expected=True)
