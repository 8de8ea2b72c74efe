"""Tables from elsewhere: CSV as programs and people save it, with columns found by their names."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from shapebias.errors import UserError

SEPARATORS = ",;\t"

Row = tuple[int, dict[str, str]]  # the line that it ends on, and its fields by the columns that were asked for


def read_table(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> list[Row]:
    """Read the rows of a CSV file with a header.

    Fields are separated by commas, semicolons or tabs; a first line ``sep=;`` may say so. Columns are found by their
    names in any case and order, further ones are ignored, and so are blank rows. Fields are stripped.

    Args:
        path: the file.
        needed: columns that must be there, with a field in each row.
        optional: columns that are read where they are there.

    Raises:
        UserError: no such file, not UTF-8 or CSV, empty, a column that lacks or is there twice, or a row too short.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(_rows(path, file, needed, optional))
    except FileNotFoundError as error:
        raise UserError(f"no file {path}") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not readable as CSV: not UTF-8 ({error.reason} at byte {error.start}), save it as UTF-8"
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is not readable as CSV: {error}") from error


def columns_of(path: Path, wanted: Collection[str]) -> set[str] | None:
    """Return which of the columns ``wanted`` a CSV file has; None where it cannot be read as text."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return set(_places(_header(file, wanted)[0], wanted))
    except (OSError, ValueError, csv.Error):
        return None


def _rows(path: Path, file: TextIO, needed: Sequence[str], optional: Sequence[str]) -> Iterator[Row]:
    header, separator, before = _header(file, (*needed, *optional))
    places = _places(header, (*needed, *optional))
    missing = [name for name in needed if name not in places]
    if missing and not any(header):
        raise UserError(f"{path} is empty: expected a header ({','.join(needed)}) and a row for each image")
    if missing:
        raise UserError(f"{path}, line {before}: no column {', '.join(missing)} (it has {', '.join(header)[:200]})")
    if twice := [name for name, found in places.items() if len(found) > 1]:
        raise UserError(f"{path}, line {before}: the column {twice[0]} is there twice: remove one")
    width = 1 + max(places[name][0] for name in needed)
    reader = csv.reader(file, delimiter=separator)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        line = before + reader.line_num
        if len(cells) < width:
            raise UserError(f"{path}, line {line}: {len(cells)} fields where the header has {len(header)}")
        yield line, {name: cells[place] if place < len(cells) else "" for name, (place,) in places.items()}


def _header(file: TextIO, wanted: Collection[str]) -> tuple[list[str], str, int]:
    """Return the names in the first line, the separator that gives most of ``wanted``, and the line's number."""
    line, number = file.readline(), 1
    if line.casefold().startswith("sep="):
        line, number = file.readline(), 2
    found = {mark: [name.strip() for row in csv.reader([line], delimiter=mark) for name in row] for mark in SEPARATORS}
    separator = max(SEPARATORS, key=lambda mark: len(_places(found[mark], wanted)))
    return found[separator], separator, number


def _places(header: Sequence[str], wanted: Collection[str]) -> dict[str, list[int]]:
    """Return the places of each column: of that very name, else of the name in another case."""
    places: dict[str, list[int]] = {}
    for name in wanted:
        exact = [place for place, given in enumerate(header) if given == name]
        if found := exact or [place for place, given in enumerate(header) if given.casefold() == name.casefold()]:
            places[name] = found
    return places
