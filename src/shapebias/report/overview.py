"""Every network at a glance: normal, stylized, cue-conflict and corrupted pictures (the method's figure 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.collect import Network
from shapebias.report.format import percent, percent_interval
from shapebias.report.notes import classes_note, joined, present_note
from shapebias.report.records import Entry, describe
from shapebias.report.svg import mark, share, tag

_HEIGHT, _TOP, _BOTTOM = 212, 26, 184
_LABELLED = 10  # with more networks the numbers above the bars would overlap


@dataclass(frozen=True)
class Way:
    """One evaluator that can fill a panel: its first metric with a value counts."""

    evaluator: str
    metrics: tuple[str, ...]
    title: str
    unit: str


_PANELS = (
    (Way("accuracy", ("top1",), "Normal pictures", "right answers"),),
    (
        Way("stylized", ("top1",), "Stylized pictures", "right answers"),
        Way("stylized-imagenet", ("top1",), "Stylized-ImageNet", "right answers"),
    ),
    (Way("shape-bias", ("shape_bias",), "Cue conflict", "shape bias: decisions by shape"),),
    (Way("corruptions", ("mean_top1", "mean_top1_of_present"), "Corrupted pictures", "right answers, mean"),),
)


@dataclass(frozen=True)
class Overview:
    """One panel of bars, a bar per network."""

    title: str
    unit: str
    note: str
    chart: Markup


def overview_of(networks: Sequence[Network]) -> list[Overview]:
    """The panels that were measured, none where that is fewer than two."""
    found = [panel for ways in _PANELS if (panel := _panel(networks, ways)) is not None]
    return found if len(found) > 1 else []


def _panel(networks: Sequence[Network], ways: Sequence[Way]) -> Overview | None:
    """The way that most networks were measured in, the first of equals; numbers of two ways do not compare."""
    measured = [(way, [(n, e) for n in networks if (e := _entry(n, way)) is not None]) for way in ways]
    way, rows = max(measured, key=lambda pair: len(pair[1]))
    if not rows:
        return None
    note = joined([(network, _note(entry)) for network, entry in rows])
    label = f"{way.title}, {way.unit}: " + ", ".join(f"{n.name} {percent(e.value)}" for n, e in rows)
    return Overview(way.title, way.unit, note, _bars(rows, label))


def _entry(network: Network, way: Way) -> Entry | None:
    """The entry without a condition, or the first."""
    for metric in way.metrics:
        entries = [e for e in network.entries if (e.evaluator, e.metric) == (way.evaluator, metric)]
        entries = [e for e in entries if e.value is not None]
        if entries:
            return next((e for e in entries if not e.condition), entries[0])
    return None


def _note(entry: Entry) -> str:
    others = describe({key: value for key, value in entry.condition.items() if key != "answers"})
    return ", ".join(filter(None, [others, classes_note(entry), present_note(entry)]))


def _bars(rows: Sequence[tuple[Network, Entry]], label: str) -> Markup:
    """Upright bars from 0 to 100 %, each with its number, its interval, and its network's mark below."""
    parts = [tag("line", x1=0, x2="100%", y1=_place(q), y2=_place(q), class_="grid") for q in (0.0, 0.5, 1.0)]
    parts += [tag("text", percent(q, 0), x=-7, y=_place(q) + 4, class_="tick last") for q in (0.0, 0.5, 1.0)]
    width = min(0.64 / len(rows), 0.2)
    for number_, (network, entry) in enumerate(rows):
        value = min(max(entry.value or 0.0, 0.0), 1.0)
        middle, top = (number_ + 0.5) / len(rows), _place(value)
        title = tag("title", f"{network.name}: {percent(entry.value)} ({percent_interval(entry.ci95)})")
        place = {"x": share(middle - width / 2), "width": share(width), "y": top, "height": _BOTTOM - top}
        parts.append(tag("rect", title, **place, class_=f"upright net-{network.index % 8}"))
        if entry.ci95 is not None:
            low, high = (_place(min(max(bound, 0.0), 1.0)) for bound in entry.ci95)
            parts += [
                tag("line", x1=share(middle), x2=share(middle), y1=low, y2=high, class_=kind)
                for kind in ("halo", "whisker strong")
            ]
            top = min(top, high)
        if len(rows) <= _LABELLED:
            shown = percent(entry.value, 0) if len(rows) <= 4 else percent(entry.value, 0).removesuffix("\u202f%")
            parts.append(tag("text", shown, x=share(middle), y=top - 6, class_="over"))
        parts.append(mark(network.index, x=share(middle), y=_BOTTOM + 14, size=4.5))
    return tag("svg", *parts, class_="glance", width="100%", height=_HEIGHT, role="img", aria_label=label)


def _place(value: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * value
