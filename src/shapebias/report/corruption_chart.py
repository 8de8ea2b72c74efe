"""How far other networks lie from the first under every corruption."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from shapebias.report.collect import Collection, Network
from shapebias.report.corruption_map import EVALUATOR, TITLES, cells_of
from shapebias.report.format import plain, points, points_interval
from shapebias.report.records import Difference
from shapebias.report.svg import mark, share, tag

_STEP = 0.05  # the axis ends at a multiple of this


def corruption_chart(collection: Collection) -> tuple[Network, list[Network], Markup] | None:
    """The first network with accuracies under corruptions, the others, and their differences to it as dots.

    A difference is the paired one of ``comparison.json`` with its interval, else that of the two accuracies.
    None with fewer than two networks, or without a corruption that two were measured on.
    """
    measured = [(n, cells) for n in collection.networks if (cells := cells_of(n))]
    if len(measured) < 2:
        return None
    (first, base), others = measured[0], measured[1:]
    dots: dict[tuple[str, int], tuple[float, tuple[float, float] | None]] = {}
    for name in TITLES:
        for network, cells in others:
            here, there = cells.get((name, None)), base.get((name, None))
            if here and there and here.value is not None and there.value is not None:
                paired = _paired(collection.differences, name, network.name, first.name)
                dots[name, network.index] = paired or (here.value - there.value, None)
    if not dots:
        return None
    networks = [network for network, _ in others if any(index == network.index for _, index in dots)]
    return first, networks, _chart(first, networks, dots)


def _paired(
    differences: Sequence[Difference], corruption: str, network: str, first: str
) -> tuple[float, tuple[float, float] | None] | None:
    """``network`` minus ``first`` under one corruption."""
    for item in differences:
        of_this = (item.evaluator, item.metric, item.condition.get("corruption")) == (EVALUATOR, "top1", corruption)
        if of_this and "severity" not in item.condition and {item.a, item.b} == {network, first}:
            if item.value is None:
                return None
            if item.a == network:
                return item.value, item.ci95
            return -item.value, None if item.ci95 is None else (-item.ci95[1], -item.ci95[0])
    return None


def _chart(
    first: Network,
    networks: Sequence[Network],
    dots: dict[tuple[str, int], tuple[float, tuple[float, float] | None]],
) -> Markup:
    names = [name for name in TITLES if any(corruption == name for corruption, _ in dots)]
    reach = max(abs(end) for value, bounds in dots.values() for end in (value, *(bounds or ())))
    reach = min(max(_STEP, _STEP * -(-reach // _STEP)), 1.0)

    def across(value: float) -> str:
        return share(0.5 + 0.5 * value / reach)

    step = max(28, 9 * min(len(networks), 5) + 10)
    bottom = 8 + step * len(names)
    parts = []
    for place in (-1.0, -0.5, 0.0, 0.5, 1.0):
        x, kind = across(place * reach), "half-line" if place == 0 else "grid"
        parts.append(tag("line", x1=x, x2=x, y1=8, y2=bottom, class_=kind))
        shown = f"{'+' if place > 0 else ''}{plain(100 * place * reach)}"
        parts.append(tag("text", shown, x=x, y=bottom + 18, class_="tick"))
    spacing = min(9.0, (step - 10) / len(networks))
    for row, name in enumerate(names):
        y = 8 + step * (row + 0.5)
        parts.append(tag("line", x1=0, x2="100%", y1=y, y2=y, class_="row"))
        parts.append(tag("text", TITLES[name], x=-16, y=y + 4, class_="label"))
        for lane, network in enumerate(networks):
            if (found := dots.get((name, network.index))) is None:
                continue
            value, bounds = found
            height = y + spacing * (lane - (len(networks) - 1) / 2)
            if bounds is not None:
                low, high = across(bounds[0]), across(bounds[1])
                colour = f"reach net-{network.index % 8}"
                parts.append(tag("line", x1=low, x2=high, y1=height, y2=height, class_=colour))
            title = f"{network.name}, {TITLES[name]}: {points(value)} to {first.name} ({points_interval(bounds)})"
            parts.append(mark(network.index, x=across(value), y=height, size=4.5, title=title))
    label = f"Accuracy under every corruption minus that of {first.name}: {', '.join(n.name for n in networks)}"
    return tag("svg", *parts, class_="categories", width="100%", height=bottom + 26, role="img", aria_label=label)
