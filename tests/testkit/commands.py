"""Commands as they are typed, with errors raised instead of printed, and those of a page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from shapebias.cli.main import COMMANDS
from shapebias.cli.parser import Parser


def read_command(name: str, *arguments: object) -> dict[str, Any]:
    """The arguments of the function of a command, which is not run."""
    return Parser(name, COMMANDS[name]).read([str(argument) for argument in arguments])


def run_command(name: str, *arguments: object) -> None:
    """Run a command in this process."""
    COMMANDS[name](**read_command(name, *arguments))


def commands(path: Path) -> list[str]:
    """The commands of a page: lines of its blocks (of a recipe its comments), and those with options in the text."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        return re.findall(r"^# (shapebias .*)$", text, flags=re.MULTILINE)
    blocks = re.findall(r"^```(?:sh|bash)?\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = [" ".join(code.split()) for code in re.findall(r"`(shapebias [^`]*)`", text)]
    return [line for line in lines if line.startswith("shapebias ")] + [code for code in inline if " --" in code]
