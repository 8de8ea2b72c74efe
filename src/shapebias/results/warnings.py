"""What a figure is without, and what it says against itself, in words."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from shapebias.results.results import Result


def warnings_of(entry: Result) -> list[str]:
    """One line each: images left out, and the figure's own ``details.warning``."""
    own = entry.details.get("warning")
    return [f"left out {text}" for text in _left_out(entry)] + ([f"{entry.evaluator}: {own}"] if own else [])


def print_warnings(entries: Sequence[Result]) -> None:
    """Print them to standard error, those that several figures share once."""
    for text in dict.fromkeys(text for entry in entries for text in warnings_of(entry)):
        print(f"warning: {text}", file=sys.stderr)


def _left_out(entry: Result) -> list[str]:
    found = [f"unreadable image {reason}" for reason in entry.details.get("data", {}).get("unreadable", [])]
    if names := entry.details.get("other_names_left_out"):
        found.append(f"{len(names)} images whose names are not SHAPE/shapeN-textureM, first {names[0]}")
    if other := entry.details.get("other_categories_left_out"):
        named = ", ".join(f"{name} ({count})" for name, count in list(other.items())[:5])
        more = " ..." if len(other) > 5 else ""
        found.append(f"{sum(other.values())} images of other things than the categories: {named}{more}")
    return found
