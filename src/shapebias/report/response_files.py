"""Response files of people and networks in the published CSV format: which they are, and their trials."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from shapebias.errors import UserError

if TYPE_CHECKING:
    from shapebias.results.responses import Trial

NEEDED = {"subj", "object_response", "category", "imagename"}


def is_responses(path: Path) -> bool:
    """Whether a CSV file has the header of response files."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {name.strip() for name in next(csv.reader(file), [])} >= NEEDED
    except (OSError, ValueError, csv.Error):
        return False


def read_trials(files: Mapping[Path, bool], warnings: list[str]) -> list[Trial]:
    """All trials of ``files``, each once; a broken file is an error where it was asked for (True), else a warning.

    Raises:
        UserError: naming file and line.
    """
    if not files:
        return []
    from shapebias.results.responses import (  # imports torch, which other pages are spared
        check_once,
        read_responses,
    )

    found: list[Trial] = []
    for path, asked in files.items():
        try:
            trials = read_responses(path)
            check_once([*found, *trials])
        except UserError as error:
            if asked:
                raise
            warnings.append(f"{error} (left out)")
        else:
            found += trials
    return found
