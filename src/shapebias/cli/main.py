"""The command line: parse, dispatch, and turn every ending into its exit status.

0 done, 2 the user's input, 1 our fault, 130 Ctrl-C, 143 SIGTERM. Messages go to standard error.
Nothing here imports torch: a command's work is imported when it runs.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from shapebias.cli.parser import COMMANDS, build_parser
from shapebias.errors import UserError

TERMINATED = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        parser = build_parser()
        config = parser.parse_args(
            with_settings_of_run(with_underscores(sys.argv[1:] if arguments is None else arguments))
        )
        name = config.command
        options = config[name]
        if name == "stylizer":
            name, options = f"stylizer {options.action}", options[options.action]
        options.pop("config", None)
        COMMANDS[name](**options.as_dict() if hasattr(options, "as_dict") else vars(options))
    except UserError as error:
        print(f"shapebias: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("shapebias: interrupted; every finished file is whole, run the same command to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone; keep the interpreter from flushing to it at exit
        sys.stdout = None
        return 1
    except SystemExit as leaving:
        if leaving.code == TERMINATED:
            print("shapebias: terminated; every finished file is whole, run the same command to go on", file=sys.stderr)
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def with_underscores(arguments: Sequence[str]) -> list[str]:
    """Options spelled with hyphens inside as the parser knows them.

    >>> with_underscores(["--per-image=2", "a-b"])
    ['--per_image=2', 'a-b']
    """

    def spelled(argument: str) -> str:
        name, sign, value = argument[2:].partition("=")
        return f"--{name.replace('-', '_')}{sign}{value}"

    plain = list(arguments).index("--") if "--" in arguments else len(arguments)
    return [spelled(a) if a.startswith("--") and n < plain else a for n, a in enumerate(arguments)]


def with_settings_of_run(arguments: list[str]) -> list[str]:
    """``train --resume RUN ...`` as a training into RUN with the settings that RUN was begun with.

    A ``--resume`` without a folder after it is left to the parser.
    """
    if arguments[:1] != ["train"]:
        return arguments
    arguments = [part for a in arguments for part in (a.split("=", 1) if a.startswith("--resume=") else [a])]
    if "--resume" not in arguments:
        return arguments
    place = arguments.index("--resume")
    folder = next(iter(arguments[place + 1 :]), "--")
    if folder.startswith("--"):
        return arguments
    settings = Path(folder) / "config.json"
    if not settings.is_file():
        raise UserError(f"there is no run to resume in {folder} (no config.json in it)")
    rest = arguments[1:place] + arguments[place + 2 :]
    if any(argument.partition("=")[0] == "--out" for argument in rest):
        raise UserError(f"--resume {folder} goes on in that folder: leave out --out, or begin with --config {settings}")
    return ["train", "--config", str(settings), "--out", folder, *rest]


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)
