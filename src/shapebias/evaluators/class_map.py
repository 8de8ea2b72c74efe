"""A table of a model's own class names and the one of the 16 categories that each belongs to."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from shapebias.data.categories16 import CATEGORIES
from shapebias.data.image_set import composed
from shapebias.errors import UserError, unknown
from shapebias.files import read_json


def read_class_map(path: Path) -> dict[str, str]:
    """Read ``{class: category}`` from JSON, or from CSV with a class and its category a line.

    The columns of a CSV are separated by commas, semicolons or tabs; a first line that calls the second column
    "category" is a heading.

    Raises:
        UserError: no such file, not of this form, a category that is not one of the 16, or a class with two.
    """
    found: dict[str, str] = {}
    for place, name, category in _json(path) if path.suffix.lower() == ".json" else _csv(path):
        if category not in CATEGORIES:
            raise UserError(f"{place}: {unknown('category', category, CATEGORIES)}")
        name = composed(name)
        if found.setdefault(name, category) != category:
            raise UserError(f"{place}: '{name}' is {found[name]} already: give each class one category")
    if not found:
        raise UserError(f"{path} maps no class: write lines such as 'tabby,cat'")
    return found


def check_class_map(table: Mapping[str, str]) -> None:
    """Refuse categories that are not among the 16.

    Raises:
        UserError: the first such category.
    """
    for category in table.values():
        if category not in CATEGORIES:
            raise unknown("category", str(category), CATEGORIES)


def _json(path: Path) -> Iterator[tuple[str, str, str]]:
    table = read_json(path)
    if not isinstance(table, dict):
        raise UserError(f'{path} is not a JSON object such as {{"tabby": "cat"}}')
    yield from ((str(path), name, str(category)) for name, category in table.items())


def _csv(path: Path) -> Iterator[tuple[str, str, str]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise UserError(f"no file {path}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table of classes: {error}") from error
    separator = next((mark for mark in ",;\t" if mark in (lines or [""])[0]), ",")
    for number, row in enumerate(csv.reader(lines, delimiter=separator), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and len(cells) == 2 and cells[1].casefold() == "category"):
            continue
        if len(cells) != 2 or not all(cells):
            raise UserError(f"{path}, line {number}: a class and its category are expected, as in 'tabby,cat'")
        yield f"{path}, line {number}", cells[0], cells[1]
