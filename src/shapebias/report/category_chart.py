"""The field's chart of shape bias: a row per category, a mark per observer (Geirhos et al. 2019, figure 4)."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from shapebias.report.format import MISSING, percent, plain, short
from shapebias.report.observers import Observer
from shapebias.report.svg import mark, ring, share, tag

_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LABEL = 18
_LANES = 5  # more networks than that move closer together


def label_width(observers: Sequence[Observer]) -> int:
    """Pixels that the names of the categories take at the left of their chart."""
    longest = max((min(len(category), _LABEL) for o in observers for category in o.shares), default=0)
    return max(60, 8 * longest + 22)


def category_chart(observers: Sequence[Observer]) -> Markup:
    """One row per category, shape at the left and texture at the right, one mark per observer.

    Networks lie one under the other, each with its own colour and form; people share a line, as rings of
    one colour. The vertical lines are each observer's share over all pictures.
    """
    categories = _categories(observers)
    lanes = _lanes(observers)
    spacing = 7.5 if len(lanes) <= _LANES else 7.5 * _LANES / len(lanes)
    step, top = max(30, 9 * min(len(lanes), _LANES) + 8), 8
    bottom = top + step * len(categories)
    parts = [
        tag("rect", x=0, y=top, width="50%", height=bottom - top, class_="side-shape"),
        tag("rect", x="50%", y=top, width="50%", height=bottom - top, class_="side-texture"),
        *(tag("line", x1=share(q), x2=share(q), y1=top, y2=bottom, class_="grid") for q in _QUARTERS),
        *(tag("text", percent(1 - q, 0), x=share(q), y=bottom + 18, class_="tick") for q in _QUARTERS),
    ]
    for observer in observers:
        if observer.overall is not None:
            x = share(1 - observer.overall)
            line = "mean person" if observer.person else f"mean net-{observer.index % 8}"
            title = tag("title", f"{observer.name}, all categories: {percent(observer.overall)} by shape")
            parts.append(tag("line", title, x1=x, x2=x, y1=top, y2=bottom, class_=line))
            parts.append(_mark(observer, x, bottom + 32, None, size=4.5))
    for row, category in enumerate(categories):
        y = top + step * (row + 0.5)
        parts.append(tag("line", x1=0, x2="100%", y1=y, y2=y, class_="row"))
        parts.append(tag("text", short(category, _LABEL), x=-16, y=y + 4, class_="label"))
        for place, lane in enumerate(lanes):
            for observer in lane:
                if (found := observer.shares.get(category)) is not None:
                    counts = f" ({plain(found.shape)} by shape, {plain(found.texture)} by texture)"
                    title = f"{observer.name}, {category}: {percent(found.value)} by shape{counts}"
                    height = y + spacing * (place - (len(lanes) - 1) / 2)
                    parts.append(_mark(observer, share(1 - found.value), height, title))
    names = ", ".join(f"{o.name} {percent(o.overall, 0)}" if len(observers) > 1 else o.name for o in observers)
    label = f"Share of shape decisions per category for {names}; the numbers follow as a table"
    height = bottom + 44
    return tag("svg", *parts, class_="categories", width="100%", height=height, role="img", aria_label=label)


def category_rows(observers: Sequence[Observer]) -> list[tuple[str, list[str]]]:
    """The chart as a table: each category with every observer's share."""
    rows = []
    for category in _categories(observers):
        found = (observer.shares.get(category) for observer in observers)
        rows.append((category, [percent(one.value) if one else MISSING for one in found]))
    return rows


def _categories(observers: Sequence[Observer]) -> list[str]:
    return sorted({category for observer in observers for category in observer.shares})


def _lanes(observers: Sequence[Observer]) -> list[list[Observer]]:
    people = [observer for observer in observers if observer.person]
    return [*([people] if people else []), *([observer] for observer in observers if not observer.person)]


def _mark(observer: Observer, x: str, y: float, title: str | None, size: float = 5.5) -> Markup:
    if observer.person:
        return ring(x=x, y=y, size=size, title=title)
    return mark(observer.index, x=x, y=y, size=size, title=title)
