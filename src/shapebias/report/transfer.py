"""Networks as a start for other tasks: an interval chart per task, way of training and kind of figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.charts import interval_chart
from shapebias.report.collect import Network
from shapebias.report.format import counted, percent, plural
from shapebias.report.notes import joined
from shapebias.report.records import Entry, number, table, text

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
_BACKBONES = {"frozen": "one convolution on a frozen network", "finetuned": "all weights trained further"}
_KINDS = {
    "ap": "not interpolated",
    "ap_voc2010": "VOC 2010's kind: area under the curve",
    "ap_voc2007": "VOC 2007's kind: 11 points",
}


@dataclass(frozen=True)
class TransferModel:
    """One task: what the figures are, what they rest on, and the chart; ``guess`` is blind guessing, if known."""

    title: str
    figure: str
    note: str
    chart: Markup
    guess: float | None


def transfer_models(networks: Sequence[Network]) -> list[TransferModel]:
    """Transfer as in ``TASKS``, then of other data by name, then the rest; of kinds of mean AP the first measured."""
    found: dict[tuple[str, str, str], list[tuple[Network, Entry]]] = {}
    for network in networks:
        for entry in network.entries:
            if is_transfer(entry) and entry.value is not None:
                found.setdefault(_key(entry), []).append((network, entry))
    kinds: dict[tuple[str, str], list[str]] = {}
    for evaluator, way, kind in found:
        kinds.setdefault((evaluator, way), []).append(kind)
    shown = [(*of, min(several, key=_place(_KINDS))) for of, several in kinds.items()]
    task, way = _place(TASKS), _place((*_METHODS, *_BACKBONES))
    shown.sort(key=lambda key: (not key[0].startswith("transfer-"), task(key[0]), way(key[1])))
    return [_start(found[key]) for key in shown]


def is_transfer(entry: Entry) -> bool:
    """Whether an entry is the main figure of a task that a network was a start for."""
    wanted = {"segmentation": "miou", "ablation-voc12": "map"}.get(entry.evaluator)
    if wanted is not None:
        return entry.metric == wanted
    told = "method" in entry.condition  # which attacks that transfer have not
    return entry.evaluator.startswith("transfer-") and told and entry.metric in ("top1", "map")


def transfer_title(evaluator: str) -> str:
    """What the task is called on the page."""
    return TASKS.get(evaluator, evaluator.removeprefix("transfer-"))


def backbone_words(backbone: str) -> str:
    """How a segmentation network came from its start."""
    return _BACKBONES.get(backbone, backbone)


def _key(entry: Entry) -> tuple[str, str, str]:
    way = text(entry.condition.get("method")) or text(entry.condition.get("backbone")) or ""
    return entry.evaluator, way, text(entry.condition.get("kind")) or ""


def _place(known: Iterable[str]) -> Callable[[str], tuple[int, str]]:
    """Known names in their order, then the others by name."""
    names = list(known)
    return lambda name: (names.index(name) if name in names else len(names), name)


def _start(rows: Sequence[tuple[Network, Entry]]) -> TransferModel:
    evaluator, way, kind = _key(rows[0][1])
    figure = {"map": "mean average precision", "miou": "mean IoU of all classes"}.get(
        rows[0][1].metric, "right answers"
    )
    details = [_KINDS.get(kind, kind), _METHODS.get(way) or backbone_words(way)]
    figure = "; ".join(filter(None, [figure, *details]))
    guesses = {_guess(entry) for _, entry in rows}
    title = transfer_title(evaluator)
    said = ", ".join(f"{n.name} {percent(e.value)}" for n, e in rows)
    guess = guesses.pop() if len(guesses) == 1 else None
    chart = interval_chart(rows, guess=guess, label=f"{title}, {figure}: {said}")
    return TransferModel(title, figure, joined([(n, transfer_note(e)) for n, e in rows]), chart, guess)


def transfer_note(entry: Entry) -> str:
    """How many trainings and images a figure rests on, and what its interval covers, as far as the record says."""
    seeds = entry.details.get("seeds")
    many = len(seeds) if isinstance(seeds, dict | list) else 0
    trainings = f"{'mean of ' if many > 1 else ''}{plural(many, 'seed')}" if many else ""
    images = f"{counted(entry.n)} {'' if entry.evaluator == 'cam' else 'test '}images" if entry.n else ""
    background = number(entry.details.get("all_background"))
    floor = f"answering background everywhere: {percent(background)}" if background is not None else ""
    return ", ".join(filter(None, [trainings, images, _covered(entry), floor]))


def _covered(entry: Entry) -> str:
    said = text(entry.details.get("interval"))
    if entry.ci95 is None or said is None:
        return "" if entry.ci95 else "no interval"
    if said.startswith("Student's t"):
        return "interval over seeds"
    return "interval over images" if "images" in said else ""


def _guess(entry: Entry) -> float | None:
    """How often a guess among the classes is right, of single classes alone."""
    classes = len(table(entry.details.get("per_category")))
    return 1 / classes if entry.metric == "top1" and classes else None
