"""Charts of measured numbers: the decision bar, intervals, neurons."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from shapebias.report.collect import Network
from shapebias.report.format import percent, percent_interval, short
from shapebias.report.records import Entry
from shapebias.report.svg import mark, share, tag

_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def decision_bar(entry: Entry, name: str) -> Markup:
    """One bar, the left part as wide as the share of shape decisions, with the interval across the border."""
    value = entry.value if entry.value is not None else 0.0
    parts = [
        tag("rect", x=0, y=4, width=share(value), height=26, class_="fill-shape"),
        tag("rect", x=share(value), y=4, width=share(1 - value), height=26, class_="fill-texture"),
        tag("line", x1="50%", x2="50%", y1=0, y2=34, class_="half"),
        *_whisker(entry.ci95, 17, kind="halo"),
        *_whisker(entry.ci95, 17),
    ]
    label = (
        f"{name}: {percent(value)} of decisions by shape, the rest by texture; interval {percent_interval(entry.ci95)}"
    )
    return tag("svg", *parts, class_="bar", width="100%", height=34, role="img", aria_label=label)


def interval_chart(rows: Sequence[tuple[Network, Entry]], *, guess: float | None, label: str) -> Markup:
    """Fractions from 0 to 100 %, one row per network, with intervals and the level of blind guessing."""
    step = 44
    bottom = step * len(rows) + 4
    parts = [tag("line", x1=share(q), x2=share(q), y1=0, y2=bottom, class_="grid") for q in _QUARTERS]
    parts += [tag("text", percent(q, 0), x=share(q), y=bottom + 16, class_=_tick(q)) for q in _QUARTERS]
    if guess is not None:
        line = tag("title", f"blind guessing: {percent(guess)}")
        parts.append(tag("line", line, x1=share(guess), x2=share(guess), y1=0, y2=bottom, class_="guess"))
    for row, (network, entry) in enumerate(rows):
        y = step * row + 30
        parts.append(tag("text", short(network.name, 34), x=0, y=y - 14, class_="name"))
        parts.append(tag("text", percent(entry.value), x="100%", y=y - 14, class_="value"))
        parts.append(tag("line", x1=0, x2="100%", y1=y, y2=y, class_="row"))
        parts.extend(_whisker(entry.ci95, y, cap=5))
        if entry.value is not None:
            title = f"{network.name}: {percent(entry.value)} ({percent_interval(entry.ci95)})"
            parts.append(mark(network.index, x=share(entry.value), y=y, title=title))
    return tag("svg", *parts, class_="intervals", width="100%", height=bottom + 24, role="img", aria_label=label)


def neuron_bar(name: str, parts_of: Sequence[tuple[str, float]]) -> Markup:
    """One bar divided into shape, texture and the rest, each part labelled with its share."""
    parts: list[Markup] = []
    left = 0.0
    for kind, value in parts_of:
        parts.append(tag("rect", x=share(left), y=0, width=share(value), height=30, class_=f"fill-{kind}"))
        if value >= 0.08:
            middle = share(left + value / 2)
            parts.append(tag("text", percent(value, 0), x=middle, y=20, class_=f"on on-{kind}"))
        left += value
    shares = ", ".join(f"{kind} {percent(value)}" for kind, value in parts_of)
    return tag("svg", *parts, class_="bar", width="100%", height=30, role="img", aria_label=f"{name}: {shares}")


def _whisker(bounds: tuple[float, float] | None, y: float, cap: float = 8, kind: str = "whisker") -> list[Markup]:
    if bounds is None:
        return []
    low, high = share(bounds[0]), share(bounds[1])
    return [
        tag("line", x1=low, x2=high, y1=y, y2=y, class_=kind),
        tag("line", x1=low, x2=low, y1=y - cap, y2=y + cap, class_=kind),
        tag("line", x1=high, x2=high, y1=y - cap, y2=y + cap, class_=kind),
    ]


def _tick(place: float) -> str:
    return {0.0: "tick first", 1.0: "tick last"}.get(place, "tick")
