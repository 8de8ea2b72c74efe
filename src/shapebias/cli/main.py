"""The command line: find the command, run it, and return its exit status.

Exit status: 0 success, 2 invalid input, 1 an internal error, 130 Ctrl-C, 143 SIGTERM. Messages go to standard error.
This module does not import torch: each command imports what it needs when it runs.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from textwrap import wrap
from types import FrameType

from shapebias.allocator import keep_freed_memory
from shapebias.cli import make_data, measuring, showing, stylizing, training
from shapebias.cli.parser import WIDTH, Parser, unknown
from shapebias.errors import UserError, refused_by_system
from shapebias.ranks import ended_together

TERMINATED = 143
PURPOSES: dict[str, dict[str, Callable[..., None]]] = {
    "make data": {
        "download": make_data.download,
        "shapes16": make_data.shapes16,
        "stylize": stylizing.stylize,
        "cue-conflict": stylizing.cue_conflict,
        "texture-grid": stylizing.texture_grid,
        "corrupt": make_data.corrupt,
        "stylizer train": stylizing.stylizer_train,
        "stylizer show": stylizing.stylizer_show,
        "stylizer encode": stylizing.stylizer_encode,
    },
    "train": {
        "train": training.train,
        "transfer": training.transfer,
        "segment": training.segment,
        "cam": training.cam,
        "ablation": training.ablation,
        "export": training.export,
    },
    "measure": {
        "evaluate": measuring.evaluate,
        "audit": measuring.audit,
        "score-responses": measuring.score_responses,
    },
    "show": {"report": showing.report, "demo": showing.demo},
}
DIVIDED = ("stylize", "texture-grid", "corrupt", "evaluate", "audit")  # over the processes of torchrun
COMMANDS = {name: command for commands in PURPOSES.values() for name, command in commands.items()}
EXAMPLES = """examples:
  shapebias demo
  shapebias train --scheme mmsi --model resnet18 --data photos --out runs/mmsi
  shapebias audit runs/mmsi resnet50 --data datasets --out audit

'shapebias COMMAND --help' describes a command, 'shapebias --version' prints the
version. Progress and messages go to standard error."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except UserError as error:
        print(f"shapebias: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("shapebias: interrupted; every finished file is whole, run the same command to resume", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the output pipe was closed: keep the interpreter from flushing to it at exit
        sys.stdout = None
        return 1
    except OSError as error:
        if error.strerror is None:
            raise
        print(f"shapebias: error: {refused_by_system(error)}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        if isinstance(error, MemoryError) or any(text in reason for text in ("out of memory", "allocate memory")):
            remedy = "lower --batch-size or another number that takes memory"
            print(f"shapebias: error: not enough memory ({reason}): {remedy}", file=sys.stderr)
        elif reason.startswith("Symlink loop"):  # of pathlib before Python 3.13, where it is an OSError
            print(f"shapebias: error: {reason}: check this path", file=sys.stderr)
        else:
            raise
        return 2
    except SystemExit as leaving:
        if leaving.code == TERMINATED:
            print(
                "shapebias: terminated; every finished file is whole, run the same command to resume", file=sys.stderr
            )
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _run(arguments: list[str]) -> None:
    asks = arguments[-1:] in (["-h"], ["--help"])
    several = [name for name in COMMANDS if name.startswith(f"{arguments[0]} ")] if arguments else []
    if not arguments or (asks and len(arguments) == 1):
        print(overview())
    elif several and asks and len(arguments) == 2:
        print("\n".join(line for name in several for line in _summary(name)))
    elif arguments == ["--version"]:
        from importlib.metadata import version

        print(f"shapebias {version('shapebias')}")
    else:
        name, rest = find_command(arguments)
        if name == "train":
            rest = with_settings_of_run(rest)
        values = Parser(name, COMMANDS[name]).read(rest)
        keep_freed_memory()
        try:
            with ended_together() if name in DIVIDED else nullcontext():
                COMMANDS[name](**values)
        except SystemExit as leaving:
            if isinstance(leaving.code, int) and leaving.code:
                raise
            raise UserError(
                f"{name} was ended before it was done by code that exits (SystemExit: {leaving.code}), such as a "
                "model's own: remove that"
            ) from leaving


def find_command(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Return the name of the command, of one word or two, and the arguments after it.

    Raises:
        UserError: there is no such command.
    """
    for words in (2, 1):
        name = " ".join(arguments[:words])
        if name in COMMANDS:
            return name, list(arguments[words:])
    actions = [name for name in COMMANDS if name.startswith(f"{arguments[0]} ")]
    if actions:
        raise UserError(f"{arguments[0]} needs a subcommand: use one of {', '.join(actions)}")
    if arguments[0].startswith("-"):
        raise unknown("option", arguments[0], ["--help", "--version"])
    raise unknown("command", arguments[0], COMMANDS)


def with_settings_of_run(arguments: Sequence[str]) -> list[str]:
    """Replace ``--resume RUN`` of the command ``train`` by ``--config RUN/config.json --out RUN``.

    A ``--resume`` without a folder after it is passed on to the parser.
    """
    arguments = [part for a in arguments for part in (a.split("=", 1) if a.startswith("--resume=") else [a])]
    place = arguments.index("--resume") if "--resume" in arguments else len(arguments)
    folder = next(iter(arguments[place + 1 :]), "--")
    if folder.startswith("--"):
        return arguments
    settings = Path(folder) / "config.json"
    if not settings.is_file():
        raise UserError(f"there is no run to resume in {folder} (no config.json in it)")
    rest = arguments[:place] + arguments[place + 2 :]
    if any(argument.partition("=")[0] == "--out" for argument in rest):
        raise UserError(
            f"--resume {folder} resumes the run in that folder: omit --out, or start a new run with --config {settings}"
        )
    return ["--config", str(settings), "--out", folder, *rest]


def overview() -> str:
    """Return the overview of all commands, grouped by purpose."""
    lines = ["usage: shapebias COMMAND ...", ""]
    lines += ["Train vision models to see shape instead of texture, measure it, and show it."]
    for purpose, commands in PURPOSES.items():
        lines += ["", f"{purpose}:", *(line for name in commands for line in _summary(name))]
    return "\n".join([*lines, "", EXAMPLES])


def _summary(name: str) -> list[str]:
    summary = (COMMANDS[name].__doc__ or "").partition("\n")[0].rstrip(".")
    first, *more = wrap(summary, WIDTH - 20)
    return [f"  {name:<17} {first}", *(f"{'':20}{line}" for line in more)]


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)
