"""Commands as they are typed, with errors raised instead of printed."""

from __future__ import annotations

from typing import Any

from shapebias.cli.main import COMMANDS
from shapebias.cli.parser import Parser


def read_command(name: str, *arguments: object) -> dict[str, Any]:
    """The arguments of the function of a command, which is not run."""
    return Parser(name, COMMANDS[name]).read([str(argument) for argument in arguments])


def run_command(name: str, *arguments: object) -> None:
    """Run a command in this process."""
    COMMANDS[name](**read_command(name, *arguments))
