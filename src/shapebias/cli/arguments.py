"""The parser that every command builds its arguments with."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

from jsonargparse import ArgumentParser

from shapebias.train.config import LOOP_SETTINGS, LoopConfig


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


def add_settings(parser: Parser, kind: type, *, skip: set[str | int]) -> None:
    """Add the fields of a task's settings and of its loop as options, with the task's defaults."""
    default = next(one.default_factory for one in fields(kind) if one.name == "loop")
    parser.add_class_arguments(kind, skip={"loop", *(skip - LOOP_SETTINGS)})
    parser.add_argument("--out", type=Path, required=True, help="folder of the run or results")
    parser.add_class_arguments(LoopConfig, skip={"out", *(skip & LOOP_SETTINGS)})
    given = vars(default())  # type: ignore[operator]
    parser.set_defaults({name: value for name, value in given.items() if name not in {"out", *skip}})


def _plain(message: str) -> str:
    message = re.sub(r'Parser key "([\w.]+)":', r"--\1:", " ".join(str(message).split()))
    return re.sub(r"<class '(\w+)'>", r"\1", message)
