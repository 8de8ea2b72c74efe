"""Charts of measured numbers: the decision bar, shares per category, intervals, neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.collect import Network
from shapebias.report.records import Entry, number, table
from shapebias.report.svg import mark, share, tag
from shapebias.report.words import percent, percent_interval, plain, short

_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LABEL = 18


@dataclass(frozen=True)
class CategoryShare:
    """How often one network went by shape within one category."""

    category: str
    network: Network
    value: float
    shape: float | None
    texture: float | None


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


def category_shares(networks: Sequence[Network]) -> list[CategoryShare]:
    """The share of shape decisions of every network in every category where it decided anything."""
    found = []
    for network in networks:
        entry = network.entry("shape-bias", "shape_bias")
        for category, counts in sorted(table(entry.details.get("per_category")).items() if entry else ()):
            value = number(table(counts).get("shape_bias"))
            if value is not None:
                shape, texture = number(counts.get("shape")), number(counts.get("texture"))
                found.append(CategoryShare(category, network, value, shape, texture))
    return found


def label_width(shares: Sequence[CategoryShare]) -> int:
    """Pixels that the names of the categories take at the left of their chart."""
    longest = max((min(len(s.category), _LABEL) for s in shares), default=0)
    return max(60, 8 * longest + 22)


def category_chart(shares: Sequence[CategoryShare], networks: Sequence[Network]) -> Markup:
    """One row per category, shape at the left and texture at the right, one mark per network.

    The vertical lines are each network's share over all pictures.
    """
    categories = sorted({s.category for s in shares})
    shown = [n for n in networks if any(s.network is n for s in shares)]
    step, top = max(30, 9 * len(shown) + 8), 8
    bottom = top + step * len(categories)
    parts = [
        tag("rect", x=0, y=top, width="50%", height=bottom - top, class_="side-shape"),
        tag("rect", x="50%", y=top, width="50%", height=bottom - top, class_="side-texture"),
        *(tag("line", x1=share(q), x2=share(q), y1=top, y2=bottom, class_="grid") for q in _QUARTERS),
        *(tag("text", percent(1 - q, 0), x=share(q), y=bottom + 18, class_="tick") for q in _QUARTERS),
    ]
    for network in shown:
        overall = network.shape_bias
        if overall is not None:
            x, line = share(1 - overall), f"mean net-{network.index % 8}"
            title = tag("title", f"{network.name}, all categories: {percent(overall)} by shape")
            parts.append(tag("line", title, x1=x, x2=x, y1=top, y2=bottom, class_=line))
            parts.append(mark(network.index, x=x, y=bottom + 32, size=4.5))
    for row, category in enumerate(categories):
        y = top + step * (row + 0.5)
        parts.append(tag("line", x1=0, x2="100%", y1=y, y2=y, class_="row"))
        parts.append(tag("text", short(category, _LABEL), x=-16, y=y + 4, class_="label"))
        for item in (s for s in shares if s.category == category):
            place = shown.index(item.network) - (len(shown) - 1) / 2
            counts = f" ({plain(item.shape)} by shape, {plain(item.texture)} by texture)"
            title = f"{item.network.name}, {category}: {percent(item.value)} by shape{counts}"
            parts.append(mark(item.network.index, x=share(1 - item.value), y=y + 7.5 * place, title=title))
    label = (
        f"Share of shape decisions per category for {', '.join(n.name for n in shown)}; the numbers follow as a table"
    )
    height = bottom + 44
    return tag("svg", *parts, class_="categories", width="100%", height=height, role="img", aria_label=label)


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
