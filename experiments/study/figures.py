"""Figures in the pages' sentences, from the records: ``{{ARENA: ARM minus ARM, MEASURE, SEEDS}}``.

``{{imagenette: one-view-natural minus shapenet-sin-in, shape full, fresh}}`` becomes the mean difference over fresh
seeds and its interval in points, ``{{shapes16: in, shape, dev}}`` the mean over development seeds in percent.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

from comparing import difference, mean
from record import Record

WIDTH = 120  # of a line
PLACE = re.compile(
    r"\{\{(?P<arena>\w+):\s+(?P<arm>\S+)(?:\s+minus\s+(?P<other>\S+))?,\s+(?P<measure>[^,{}]+),\s+(?P<seeds>\w+)\}\}"
)


def filled(text: str, records: Mapping[str, Record]) -> str:
    """Return ``text`` with its places filled.

    Raises:
        ValueError: a place asks for what the records do not have, or cannot be read.
    """
    made = PLACE.sub(lambda found: _figure(found.groupdict(), records), text)
    if "{{" in made:
        raise ValueError(f"cannot read {made[made.index('{{') :][:80]!r}")
    before, after = text.split("\n\n"), made.split("\n\n")
    return "\n\n".join(_wrapped(b) if "{{" in a else b for a, b in zip(before, after, strict=True))


def _wrapped(paragraph: str) -> str:
    """Break the lines of a paragraph or of a list's points anew."""
    points = re.split(r"\n(?=- )", paragraph)
    told: dict[str, Any] = {"width": WIDTH, "break_long_words": False, "break_on_hyphens": False}
    return "\n".join(
        textwrap.fill(" ".join(one.split()), subsequent_indent="  " * one.startswith("- "), **told) for one in points
    )


def _figure(asked: Mapping[str, str], records: Mapping[str, Record]) -> str:
    record, measure = records[asked["arena"]], " ".join(asked["measure"].split())
    seeds = {"dev": record.dev, "fresh": record.fresh, "all": record.seeds}[asked["seeds"]]
    cells = record.cells(asked["arm"], seeds)
    if asked["other"]:
        value, ends, _ = difference(cells, record.cells(asked["other"], seeds), measure, record.images)
    else:
        (value, _), ends = mean(cells, measure, record.images), None
    if value is None:
        raise ValueError(f"the records have nothing for {dict(asked)}")
    interval = f" [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]" if ends else ""
    return f"{100 * value:{'+' if asked['other'] else ''}.1f}{interval}"
