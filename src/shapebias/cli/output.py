"""Messages and results of a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shapebias.errors import UserError

if TYPE_CHECKING:
    from shapebias.results.results import Results


def first_process() -> bool:
    """Return whether this is the first of several distributed processes; only the first prints."""
    return os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0"


def say(text: str) -> None:
    """Print a message to standard error, from the first process only."""
    if first_process():
        print(text, file=sys.stderr, flush=True)


def warn_unreadable(reasons: Sequence[str]) -> None:
    """Print a warning for each image that was skipped as unreadable."""
    for reason in reasons:
        say(f"warning: skipped unreadable image {reason}")


def show_results(results: Sequence[Results], out: Path, *, json: bool) -> None:
    """Print a table of the results, the files they were written to, and, if asked, the results as JSON."""
    if not first_process():
        return
    from shapebias.results.table import print_table

    print_table(results)
    for result in results:
        say(f"wrote {out / result.model['name'] / 'results.json'}")
    if len(results) > 1:
        say(f"wrote {out / 'comparison.json'}")
    if json:
        print_json([result.to_json() for result in results])


def print_json(value: Any) -> None:
    """Print ``value`` as JSON to standard output."""
    try:
        print(dumps(value, indent=2, allow_nan=False), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = None  # type: ignore[assignment] - or the interpreter tries again at exit
        raise UserError(f"cannot write to standard output: {error.strerror}") from error
