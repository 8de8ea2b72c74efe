"""Tables of results on the terminal: percent with 95 % intervals, highest shape bias first, at any width."""

from __future__ import annotations

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from shapebias.progress import terminal
from shapebias.results.published import published_text
from shapebias.results.results import Result, Results

_NAME = 20  # characters that the names in the first column are folded to before the table is divided
_WORD = 26  # characters of a word in a heading that is not folded


def print_table(results: Sequence[Results]) -> None:
    """Print the results that this call measured to standard error, attacks by epsilon in tables of their own.

    Models are columns where these fit in the terminal's width, else rows. Results of earlier calls are counted only.
    """
    shown, earlier = [], Counter[str]()
    for one in ordered(results):
        shown.append(Results(one.model, one.environment, [r for r in one.results if r.key not in one.earlier]))
        earlier.update(r.evaluator for r in one.results if r.key in one.earlier)
    table = [("result", *(one.model["name"] for one in shown)), *rows(shown)]
    if len(table) > 1:
        if len(_divided(table, 1, terminal().width)) > 1 and len(shown) > 1:
            table = list(zip(*[("model", *table[0][1:]), *table[1:]], strict=True))
        print_rows("percent, with 95 % intervals", table[0], table[1:])
    for title, headings, cells in attack_tables(shown):
        print_rows(title, headings, cells, lead=2)
    for one in shown:
        for entry in one.results:
            if published := published_text(entry.details):
                print(f"{one.model['name']}: shape bias {published}", file=sys.stderr)
    if earlier:
        named = ", ".join(f"{count} of {evaluator}" for evaluator, count in earlier.items())
        print(f"not measured now, and not shown: results of earlier calls in results.json ({named})", file=sys.stderr)


def print_rows(
    title: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    lead: int = 1,
    width: int | None = None,
) -> None:
    """Print a table to standard error, with all columns but the first right-aligned.

    No cell but those of the first column is wrapped or cut: columns that do not fit in the width are continued in
    further tables.

    Args:
        title: line above the table.
        headings: headings of the columns.
        rows: text of the cells.
        lead: number of first columns that every part of a divided table repeats.
        width: characters per line (default: the terminal's).
    """
    from rich import box
    from rich.table import Table

    console = terminal(width)
    table = [headings, *rows]
    for number, columns in enumerate(_divided(table, lead, console.width)):
        heading = None if number else title
        part = Table(title=heading, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), show_edge=False)
        part.add_column(headings[0], overflow="fold")
        for column in columns[1:]:
            part.add_column(_heading(table, column), justify="right", no_wrap=True)
        for row in table[1:]:
            part.add_row(*(row[column] for column in columns))
        console.print(part)
        console.print()


def _divided(table: Sequence[Sequence[str]], lead: int, width: int) -> list[list[int]]:
    """Return the numbers of the columns of each part of a table, as many as fit in ``width`` side by side."""
    from rich.cells import cell_len

    def taken(column: int) -> int:
        if column == 0:
            words = [cell_len(word) for row in table for word in row[0].split()]
            return (max(words) if any(" " in row[0] for row in table) else min(max(words), _NAME)) + 2
        body = max((cell_len(row[column]) for row in table[1:]), default=0)
        return max(body, *map(cell_len, _heading(table, column).split("\n"))) + 2

    first = list(range(lead))
    parts, room = [[*first]], width - 1 - sum(map(taken, first))
    left = room
    for column in range(lead, len(table[0])):
        if taken(column) > left and len(parts[-1]) > lead:
            parts.append([*first])
            left = room
        parts[-1].append(column)
        left -= taken(column)
    return parts


def _heading(table: Sequence[Sequence[str]], column: int) -> str:
    """Return a column's heading, folded to the width of its cells."""
    heading = table[0][column]
    longest = max((len(row[column]) for row in table[1:]), default=0)
    word = max(map(len, heading.split()), default=1)
    return textwrap.fill(heading, max(longest, min(word, _WORD))) if column else heading


def ordered(results: Sequence[Results]) -> list[Results]:
    """Sort by shape bias, highest first; models without one come last, in their given order."""

    def place(result: Results) -> float:
        found = [e.value for e in result.results if (e.evaluator, e.metric) == ("shape-bias", "shape_bias")]
        value = found[-1] if found else None
        return 1.0 if value is None or value != value else -value

    return sorted(results, key=place)


def rows(results: Sequence[Results]) -> list[tuple[str, ...]]:
    """Return the rows of the table: the name of a result, then each model's value, or "-" if it has none.

    The shares of all decisions come before the shape bias. The condition is shown if several results have the same
    evaluator and metric. Attacks are in ``attack_tables``, and single severities of a corruption only in the results
    file and the report.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for column, result in enumerate(results):
        for entry in result.results:
            if "severity" in entry.condition or "epsilon" in entry.condition:
                continue
            cells = found.setdefault(entry.key, ["-"] * len(results))
            cells[column] = _cell(entry)
    places = list(dict.fromkeys(evaluator for evaluator, _, _ in found))
    keys = sorted(found, key=lambda key: (places.index(key[0]), key[1] == "shape_bias"))
    alike = Counter(key[:2] for key in keys)
    return [
        (f"{key[0]} {key[1]}" + (_said(key[2]) if alike[key[:2]] > 1 or '"attack"' in key[2] else ""), *found[key])
        for key in keys
    ]


def attack_tables(results: Sequence[Results]) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return a table of every metric under attack: title, headings, and a row per model and attack.

    The columns are the values of epsilon. Intervals do not fit beside each other; the title states the widest.
    """
    found: dict[tuple[str, str, str], list[tuple[str, Result]]] = {}
    for result in results:
        for entry in (entry for entry in result.results if "epsilon" in entry.condition):
            rest = {name: value for name, value in entry.condition.items() if name not in ("attack", "epsilon")}
            key = (entry.evaluator, entry.metric, json.dumps(rest, sort_keys=True))
            found.setdefault(key, []).append((result.model["name"], entry))
    tables = []
    for (evaluator, metric, rest), entries in found.items():
        epsilons = sorted({entry.condition["epsilon"] for _, entry in entries})
        cells: dict[tuple[str, str], list[str]] = {}
        for name, entry in entries:
            row = cells.setdefault((name, str(entry.condition.get("attack"))), ["-"] * len(epsilons))
            row[epsilons.index(entry.condition["epsilon"])] = _value(entry)
        widest = max((high - low for _, entry in entries if entry.ci95 for low, high in [entry.ci95]), default=None)
        wide = "" if widest is None else f" (95 % intervals: at most {100 * widest:.0f} points wide)"
        title = f"{evaluator} {metric}{_said(rest)}, percent by epsilon in 1/255{wide}"
        shown, last = [], ""
        for (name, attack), values in cells.items():
            shown.append(["" if name == last else name, attack, *values])
            last = name
        tables.append((title, ["model", "attack", *(f"{epsilon:g}" for epsilon in epsilons)], shown))
    return tables


def _said(condition: str) -> str:
    told = ", ".join(f"{name} {value}" for name, value in json.loads(condition).items())
    return f" ({told})" if told else ""


def _value(entry: Result) -> str:
    return "-" if entry.value is None or entry.value != entry.value else f"{100 * entry.value:.1f}"


def _cell(entry: Result) -> str:
    text = _value(entry)
    if entry.ci95 is not None and text != "-":
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
