"""Models transferred to other tasks: an interval chart per task and method, segmentation pictures, pseudo-labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import interval_chart
from shapebias.report.collect import Collection, Model
from shapebias.report.format import evidence, joined, plain
from shapebias.report.sections import Section
from shapebias.report.sections.cam import cam_charts, scales_title
from shapebias.report.sections.label_pictures import LabelGallery, label_galleries
from shapebias.report.values import table, text
from shapebias.results.results import Result

TASKS = {
    "transfer-voc07": "Pascal VOC 2007, classes in an image",
    "transfer-voc12": "Pascal VOC 2012, classes in an image",
    "transfer-caltech101": "Caltech-101",
    "transfer-cifar100": "CIFAR-100",
    "transfer-dtd": "Describable Textures (DTD)",
    "ablation-voc12": "Pascal VOC 2012, with parts of the method (ablation)",
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
Key = tuple[str, str, str]  # evaluator, method or backbone, kind of mean average precision


@dataclass(frozen=True)
class TaskChart:
    """One task: its metric, what the results rest on, and the chart; ``guess`` is blind guessing, if known."""

    title: str
    metric: str
    note: str
    chart: Markup
    guess: float | None


def build(collection: Collection) -> dict[str, Any] | None:
    """Return the charts of tasks and of pseudo-labels, and the pictures of both; None without any."""
    charts, cams, galleries = _charts(collection.models), cam_charts(collection.models), label_galleries(collection)
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
    return ", ".join(filter(None, [scales_title(gallery.kind), f"threshold {plain(gallery.threshold)}"]))


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
    """The accuracy of guessing among the classes, of single classes alone."""
    classes = len(table(result.details.get("per_category")))
    return 1 / classes if result.metric == "top1" and classes else None


TRANSFER = Section("Transfer to other tasks", "transfer.html", build)
