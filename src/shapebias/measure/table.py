"""Results as a table on the terminal: a row per figure, a column per network."""

from __future__ import annotations

from collections.abc import Sequence

from shapebias.measure.results import Entry, Results


def print_table(results: Sequence[Results]) -> None:
    """Print figures in percent with their 95 % intervals to standard error."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="percent, with 95 % intervals")
    table.add_column("figure")
    for result in results:
        table.add_column(result.model["name"], justify="right")
    for row in rows(results):
        table.add_row(*row)
    Console(stderr=True).print(table)


def rows(results: Sequence[Results]) -> list[tuple[str, ...]]:
    """The table's text: the figure's name, then each network's value, "-" where it has none."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for column, result in enumerate(results):
        for entry in result.results:
            cells = found.setdefault(entry.key, ["-"] * len(results))
            cells[column] = _cell(entry)
    return [(f"{benchmark} {metric}", *cells) for (benchmark, metric, _), cells in found.items()]


def _cell(entry: Entry) -> str:
    if entry.value is None or entry.value != entry.value:
        return "-"
    text = f"{100 * entry.value:.1f}"
    if entry.ci95 is not None:
        text += f" [{100 * entry.ci95[0]:.1f}, {100 * entry.ci95[1]:.1f}]"
    return text
