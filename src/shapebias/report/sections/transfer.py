"""Models transferred to other tasks: an interval chart per task and method, segmentation pictures, pseudo-labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import PERCENT, Axis, interval_chart
from shapebias.report.collect import Collection, Model
from shapebias.report.format import evidence, joined, percent, percent_interval, plain
from shapebias.report.line_chart import Frame, Line, Point, line_chart
from shapebias.report.sections import Section
from shapebias.report.sections.label_pictures import LabelGallery, label_galleries
from shapebias.report.values import listing, number, table, text
from shapebias.results.results import Result

TASKS = {
    "transfer-voc07": "Pascal VOC 2007, classes in an image",
    "transfer-voc12": "Pascal VOC 2012, classes in an image",
    "transfer-caltech101": "Caltech-101",
    "transfer-cifar100": "CIFAR-100",
    "transfer-dtd": "Describable Textures (DTD)",
    "ablation-voc12": "Pascal VOC 2012, ablation of the method",
    "segmentation": "Pascal VOC 2012, segmentation",
}
_METHODS = {
    "finetune": "all weights trained further",
    "linear": "linear read-out of frozen features",
    "knn": "nearest neighbours in frozen features",
}
_BACKBONES = {"frozen": "one convolution on a frozen model", "finetuned": "all weights trained further"}
_KINDS = {
    "ap": "not interpolated",
    "ap_voc2010": "VOC 2010's kind: area under the curve",
    "ap_voc2007": "VOC 2007's kind: 11 points",
}
THRESHOLD = 0.15  # of the protocol of Ahn et al. (2019)
_FRAME = Frame(420, 230, left=46, right=12, top=16, bottom=44)
_MOST = 2000  # points of a line
_SCALES = {"multi": "four scales, mirrored", "single": "the image as it is"}

Key = tuple[str, str, str]  # evaluator, method or backbone, kind of mean average precision


@dataclass(frozen=True)
class TaskChart:
    """One task: its metric, what the results rest on, and the chart; ``guess`` is blind guessing, if known."""

    title: str
    metric: str
    note: str
    chart: Markup
    guess: float | None


@dataclass(frozen=True)
class CamCharts:
    """Models measured at the same scales: a chart (title, note, chart) per threshold, and the curve over all."""

    title: str
    charts: tuple[tuple[str, str, Markup], ...]
    curve: Markup | None
    models: tuple[Model, ...]  # of the curve


def build(collection: Collection) -> dict[str, Any] | None:
    """Return the charts of tasks and of pseudo-labels, and the pictures of both; None without any."""
    charts, cams, galleries = _charts(collection.models), _cam_charts(collection.models), label_galleries(collection)
    if not charts and not cams and not galleries:
        return None
    titled = [(gallery.evaluator, _title(gallery) or "examples", gallery) for gallery in galleries]
    return {
        "charts": charts,
        "cams": cams,
        "segmentation": [shown for shown in titled if shown[0] == "segmentation"],
        "maps": [shown for shown in titled if shown[0] == "cam"],
    }


def _title(gallery: LabelGallery) -> str:
    if gallery.evaluator == "segmentation":
        return _BACKBONES.get(gallery.kind, gallery.kind)
    return ", ".join(filter(None, [_scales_title(gallery.kind), f"threshold {plain(gallery.threshold)}"]))


def _charts(models: Sequence[Model]) -> list[TaskChart]:
    """Transfer as in ``TASKS``, then of other data by name, then the rest; of kinds of mean AP the first measured."""
    found: dict[Key, list[tuple[Model, Result]]] = {}
    for model in models:
        for result in model.results:
            if _is_main(result) and result.value is not None:
                found.setdefault(_key(result), []).append((model, result))
    kinds: dict[tuple[str, str], list[str]] = {}
    for evaluator, method, kind in found:
        kinds.setdefault((evaluator, method), []).append(kind)
    shown = [(*of, min(several, key=_place(_KINDS))) for of, several in kinds.items()]
    task, method = _place(TASKS), _place((*_METHODS, *_BACKBONES))
    shown.sort(key=lambda key: (not key[0].startswith("transfer-"), task(key[0]), method(key[1])))
    return [_chart(key, found[key]) for key in shown]


def _is_main(result: Result) -> bool:
    """Return whether a result is of the main metric of a task that the model was transferred to."""
    metric = {"segmentation": "miou", "ablation-voc12": "map"}.get(result.evaluator)
    if metric is not None:
        return result.metric == metric
    has_method = "method" in result.condition  # unlike transferred attacks
    return result.evaluator.startswith("transfer-") and has_method and result.metric in ("top1", "map")


def _key(result: Result) -> Key:
    method = text(result.condition.get("method")) or text(result.condition.get("backbone")) or ""
    return result.evaluator, method, text(result.condition.get("kind")) or ""


def _place(known: Iterable[str]) -> Callable[[str], tuple[int, str]]:
    """Known names in their order, then the others by name."""
    names = list(known)
    return lambda name: (names.index(name) if name in names else len(names), name)


def _chart(key: Key, rows: Sequence[tuple[Model, Result]]) -> TaskChart:
    evaluator, method, kind = key
    names = {"map": "mean average precision", "miou": "mean IoU of all classes"}
    details = [_KINDS.get(kind, kind), {**_METHODS, **_BACKBONES}.get(method, method)]
    metric = "; ".join(filter(None, [names.get(rows[0][1].metric, "right answers"), *details]))
    guesses = {_guess(result) for _, result in rows}
    guess = guesses.pop() if len(guesses) == 1 else None
    title = TASKS.get(evaluator, evaluator.removeprefix("transfer-"))
    note = joined([(model.name, evidence(result)) for model, result in rows])
    return TaskChart(title, metric, note, interval_chart(f"{title}, {metric}", rows, guess), guess)


def _guess(result: Result) -> float | None:
    """Return the accuracy of guessing; only defined for tasks with one class per image."""
    classes = len(table(result.details.get("per_category")))
    return 1 / classes if result.metric == "top1" and classes else None


def _cam_charts(models: Sequence[Model]) -> list[CamCharts]:
    """Return the charts of each choice of scales, the protocol's four first."""
    by_scales: dict[str, list[tuple[Model, Result]]] = {}
    for model in models:
        for result in model.results:
            if result.evaluator == "cam" and result.value is not None:
                by_scales.setdefault(text(result.condition.get("scales")) or "", []).append((model, result))
    found = []
    for scales in sorted(by_scales, key=lambda scales: (scales != "multi", scales)):
        at: dict[float, list[tuple[Model, Result]]] = {}
        for model, result in by_scales[scales]:
            threshold = number(result.condition.get("threshold"))
            if result.metric == "miou" and threshold is not None:
                at.setdefault(threshold, []).append((model, result))
        best = [(model, result) for model, result in by_scales[scales] if result.metric == "miou_best"]
        lines = [line for model, result in best if (line := _cam_line(model, result)) is not None]
        if at or lines:
            charts = tuple(_at_threshold(threshold, at[threshold]) for threshold in sorted(at))
            curve = _cam_curve(lines) if lines else None
            found.append(CamCharts(_scales_title(scales), charts, curve, tuple(line.model for line in lines)))
    return found


def _scales_title(scales: str) -> str:
    """Describe the scales of the maps in words."""
    return _SCALES.get(scales, f"scales {scales}" if scales else "")


def _at_threshold(threshold: float, rows: Sequence[tuple[Model, Result]]) -> tuple[str, str, Markup]:
    title = f"Mean IoU at the threshold {plain(threshold)}" + (", the protocol's" if threshold == THRESHOLD else "")
    return title, joined([(model.name, evidence(result)) for model, result in rows]), interval_chart(title, rows)


def _cam_line(model: Model, best: Result) -> Line | None:
    """Return the curve of the record, a mark at its best, malformed points skipped; None without two of them."""
    pairs = [listing(item) for item in listing(best.details.get("curve"))[:_MOST]]
    numbers = [(number(pair[0]), number(pair[1])) for pair in pairs if len(pair) == 2]
    curve = {x: y for x, y in numbers if x is not None and y is not None and 0 <= x <= 1 and 0 <= y <= 1}
    if len(curve) < 2:
        return None
    place = max(sorted(curve), key=lambda x: curve[x])
    title = f"{model.name} best at {plain(place)} with {percent(curve[place])} ({percent_interval(best.ci95)})"
    return Line(model, [Point(x, y, title=title if x == place else None) for x, y in sorted(curve.items())])


def _cam_curve(lines: Sequence[Line]) -> Markup:
    """Thresholds from 0 to 1, mean IoU from 0 to a round number above the highest."""
    highest = max(point.y for line in lines for point in line.points)
    top = next((t for t in (0.2, 0.4, 0.6, 0.8) if t >= highest), 1.0)
    quarters = [value for value, _ in PERCENT.ticks]
    y = Axis(0.0, top, tuple((top * quarter, percent(top * quarter, 0)) for quarter in quarters))
    x = Axis(0.0, 1.0, tuple((quarter, plain(quarter)) for quarter in quarters), "threshold")
    reference = THRESHOLD, f"{plain(THRESHOLD)}, the protocol's", f"the protocol's threshold, {plain(THRESHOLD)}"
    best = [point.title for line in lines for point in line.points if point.title]
    label = "Mean IoU of pseudo-labels over the threshold: " + "; ".join(best)
    return line_chart(lines, x, y, _FRAME, label=label, reference=reference)


TRANSFER = Section("Transfer to other tasks", "transfer.html", build)
