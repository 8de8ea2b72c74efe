"""Inline SVG: escaped elements, and the mark that stands for a model."""

from __future__ import annotations

import math
from collections.abc import Iterable

from markupsafe import Markup, escape

COLOURS = 8


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """One element. Text, children and attribute values are escaped unless they are markup already.

    >>> str(tag("text", "a < b", x=1.50, text_anchor="end"))
    '<text x="1.5" text-anchor="end">a &lt; b</text>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>")


def share(value: float) -> str:
    """Return a fraction of the width as a percentage, clipped to the chart."""
    return f"{_value(100 * min(max(value, 0.0), 1.0))}%"


def colour(index: int | None) -> str:
    """Return the class that gives an element the colour of model number ``index``, or of people (None)."""
    return "person" if index is None else f"model-{index % COLOURS}"


def corners(points: Iterable[tuple[float, float]]) -> str:
    """Return the corners of a line or an area, to a tenth of a pixel."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def mark(index: int | None, *, x: object = 0, y: float = 0, size: float = 5.5, title: str | None = None) -> Markup:
    """Return the mark of model number ``index``, a colour and a form of its own; for people (None) a ring."""
    label = tag("title", title) if title else ""
    if index is None:
        form = tag("circle", label, r=size * 0.9, class_="ring")
    else:
        points = _FORMS[(index + index // COLOURS) % len(_FORMS)](size)
        form = tag("path", label, d=_path(points), class_=f"mark {colour(index)}")
    return tag("svg", form, x=x, y=y, overflow="visible", class_="at")


def key(index: int | None) -> Markup:
    """Return the mark of a model, or of people (None), as a small picture beside its name."""
    return tag("svg", mark(index, x=8, y=8), class_="key", width=16, height=16, viewBox="0 0 16 16", aria_hidden="true")


def meter(value: float, kind: str) -> Markup:
    """Return a thin bar as long as a probability, in the colour of what it is about."""
    parts = [
        tag("rect", x=0, y=0, width="100%", height=5, rx=2.5, class_="track"),
        tag("rect", x=0, y=0, width=share(value), height=5, rx=2.5, class_=f"fill-{kind}"),
    ]
    return tag("svg", *parts, class_="meter", width="100%", height=5, aria_hidden="true")


Points = list[tuple[float, float]]


def _polygon(count: int, size: float, turn: float) -> Points:
    steps = (turn + 2 * math.pi * i / count for i in range(count))
    return [(size * math.sin(a), -size * math.cos(a)) for a in steps]


def _star(size: float, count: int, inner: float) -> Points:
    radii = [size if i % 2 == 0 else size * inner for i in range(2 * count)]
    return [(r * math.sin(math.pi * i / count), -r * math.cos(math.pi * i / count)) for i, r in enumerate(radii)]


def _plus(size: float, turn: float) -> Points:
    arm = size * 0.36
    outline = [(-arm, -size), (arm, -size), (arm, -arm), (size, -arm), (size, arm), (arm, arm)]
    outline += [(-x, -y) for x, y in outline]
    sin, cos = math.sin(turn), math.cos(turn)
    return [(x * cos - y * sin, x * sin + y * cos) for x, y in outline]


_FORMS = (
    lambda size: _polygon(24, size, 0.0),
    lambda size: _polygon(4, size * 1.25, math.pi / 4),
    lambda size: _polygon(3, size * 1.35, 0.0),
    lambda size: _polygon(4, size * 1.3, 0.0),
    lambda size: _plus(size * 1.2, math.pi / 4),
    lambda size: _polygon(3, size * 1.35, math.pi),
    lambda size: _plus(size * 1.25, 0.0),
    lambda size: _star(size * 1.5, 5, 0.45),
)


def _path(points: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_value(x)} {_value(y)}" for x, y in points) + "Z"


def _value(value: object) -> object:
    if isinstance(value, float):
        shown = f"{value:.2f}".rstrip("0").rstrip(".")
        return "0" if shown == "-0" else shown
    return value
