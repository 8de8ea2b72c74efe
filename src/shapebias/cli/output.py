"""What a command says, and what it prints."""

from __future__ import annotations

import json
import sys
from typing import Any

from shapebias.errors import UserError


def say(text: str) -> None:
    """A message for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Print ``value`` as JSON to standard output."""
    try:
        print(json.dumps(value, indent=2, allow_nan=False), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = None  # type: ignore[assignment] - or the interpreter tries again at exit
        raise UserError(f"cannot write to standard output: {error.strerror}") from error
