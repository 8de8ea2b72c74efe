"""The parser that every command builds its arguments with."""

from __future__ import annotations

import argparse
import re
import sys
from typing import NoReturn

from jsonargparse import ArgumentParser


class Parser(ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong and leave with status 2."""
        print(f"shapebias: error: {_plain(message)} (try --help)", file=sys.stderr)
        raise SystemExit(2)


def new_parser(description: str, examples: str = "") -> Parser:
    """A parser with a description, and examples below its help."""
    return Parser(
        prog="shapebias",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        default_env=False,
    )


def _plain(message: str) -> str:
    message = re.sub(r'Parser key "([\w.]+)":', r"--\1:", " ".join(str(message).split()))
    return re.sub(r"<class '(\w+)'>", r"\1", message)
