"""The results table on the terminal: one row per result, one column per model, highest shape bias first."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from shapebias.results.results import Result, Results


def print_table(results: Sequence[Results]) -> None:
    """Print results in percent with their 95 % intervals to standard error."""
    results = ordered(results)
    names = [result.model["name"] for result in results]
    print_rows("percent, with 95 % intervals", ["result", *names], rows(results))


def print_rows(
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    unbroken: Sequence[str] = (),
    width: int | None = None,
) -> None:
    """Print a table to standard error, with all columns but the first right-aligned.

    Args:
        title: line above the table.
        headings: headings of the columns.
        rows: text of the cells.
        unbroken: headings of columns whose cells are not wrapped.
        width: characters per line (default: the terminal's).
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    table.add_column(headings[0], overflow="fold")
    for heading in headings[1:]:
        table.add_column(heading, justify="right", no_wrap=heading in unbroken)
    for row in rows:
        table.add_row(*row)
    Console(stderr=True, width=width).print(table)


def ordered(results: Sequence[Results]) -> list[Results]:
    """Sort by shape bias, highest first; models without one come last, in their given order."""

    def place(result: Results) -> float:
        found = [e.value for e in result.results if (e.evaluator, e.metric) == ("shape-bias", "shape_bias")]
        value = found[-1] if found else None
        return 1.0 if value is None or value != value else -value

    return sorted(results, key=place)


def rows(results: Sequence[Results]) -> list[tuple[str, ...]]:
    """Return the rows of the table: the name of a result, then each model's value, or "-" if it has none.

    The condition is shown if several results have the same evaluator and metric. Single severities of a corruption are
    only in the results file and the report.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for column, result in enumerate(results):
        for entry in result.results:
            if "severity" in entry.condition:
                continue
            cells = found.setdefault(entry.key, ["-"] * len(results))
            cells[column] = _cell(entry)
    alike = Counter(key[:2] for key in found)
    return [
        (f"{evaluator} {metric}" + (_said(condition) if alike[evaluator, metric] > 1 else ""), *cells)
        for (evaluator, metric, condition), cells in found.items()
    ]


def _said(condition: str) -> str:
    told = ", ".join(f"{name} {value}" for name, value in json.loads(condition).items())
    return f" ({told})" if told else ""


def _cell(entry: Result) -> str:
    if entry.value is None or entry.value != entry.value:
        return "-"
    text = f"{100 * entry.value:.1f}"
    if entry.ci95 is not None:
        text += f" [{100 * entry.ci95[0]:.1f}, {100 * entry.ci95[1]:.1f}]"
    return text


def print_warnings(results: Sequence[Result]) -> None:
    """Print the warnings of results to standard error, each one once."""
    for text in dict.fromkeys(text for result in results for text in warnings_of(result)):
        print(f"warning: {text}", file=sys.stderr)


def warnings_of(result: Result) -> list[str]:
    """Return one line per warning: the images that were skipped, and the ``details.warning`` of the result."""
    own = result.details.get("warning")
    return [f"skipped {text}" for text in _skipped(result)] + ([f"{result.evaluator}: {own}"] if own else [])


def _skipped(result: Result) -> list[str]:
    found = [f"unreadable image {reason}" for reason in result.details.get("data", {}).get("unreadable", [])]
    if names := result.details.get("other_names_left_out"):
        found.append(f"{len(names)} images whose names are not SHAPE/shapeN-textureM, first {names[0]}")
    if other := result.details.get("other_categories_left_out"):
        named = ", ".join(f"{name} ({count})" for name, count in list(other.items())[:5])
        more = " ..." if len(other) > 5 else ""
        found.append(f"{sum(other.values())} images of categories that are not evaluated: {named}{more}")
    return found
