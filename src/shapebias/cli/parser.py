"""The argument parser of a command: groups, types, config files, and readable error messages."""

from __future__ import annotations

import argparse
import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal, NoReturn, get_args, get_origin

import yaml
from jsonargparse import ActionYesNo, ArgumentParser

from shapebias.cli.options import GROUPS, REQUIRED, Option, Page, arguments_of, options_of, place_in_help
from shapebias.errors import UserError, first_three
from shapebias.files import read_text

WIDTH = 80
MOST_BYTES, DEEPEST = 100_000, 5  # of a config file
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a name", Path: "a path"}


class Parser(ArgumentParser):
    """The parser of one command, built from its function; a parameter ``config`` adds ``--config FILE``."""

    def __init__(self, name: str, function: Callable[..., None]) -> None:
        page = Page.of(function)
        super().__init__(
            prog=f"shapebias {name}",
            description=page.text,
            epilog="\n  ".join(["examples:", *page.examples]),
            formatter_class=_Formatter,
            default_env=False,
            allow_abbrev=False,
            add_help=False,
            print_config=None,
        )
        self.function = function
        self.options = {option.name: option for option in options_of(function)}
        groups = {title: self.add_argument_group(title) for title in GROUPS}
        if "config" in inspect.signature(function).parameters:
            text = "YAML file with values for these options; the command line takes precedence (default: none)"
            groups["other"].add_argument("--config", action="config", metavar="FILE", help=text)
        for option in sorted(self.options.values(), key=place_in_help):
            _add(groups[option.group], option)
        groups["other"].add_argument("-h", "--help", action="help", help="show this help")
        self.usage = self._usage()

    def read(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Parse ``arguments`` and return the keyword arguments of the function.

        Raises:
            UserError: an unknown option, a missing argument, or a value of the wrong type.
        """
        known = [one for action in self._actions for one in action.option_strings]
        end = list(arguments).index("--") if "--" in arguments else len(arguments)
        for argument in arguments[:end]:
            if argument.startswith("--") and argument.partition("=")[0] not in known:
                raise unknown("option", argument.partition("=")[0], known)
        files, rest = _without_config(arguments)
        # first, so that other options override them wherever they are; jsonargparse takes one of empty values for text
        first = [f"--config={path}" for path in files if self.check_config(Path(path))]
        return arguments_of(self.function, vars(self.parse_args([*first, *rest])))

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Report invalid arguments as one readable line.

        Raises:
            UserError: always.
        """
        message = " ".join(str(message).split())
        if missing := message.partition("arguments are required: ")[2]:
            message = (
                f"required: {', '.join(one.typed for one in self.options.values() if one.name in missing.split(', '))}"
            )
        elif found := re.match(r'Parser key "(\w+)": .*(?:Got value|Given value|not boolean): (.*)', message):
            option = self.options[found[1]]
            message = f"{option.typed} takes {_words(option.kind)}, not '{found[2][:60]}'"
        elif found := re.match(r"argument (\S+): expected (?:one|at least one) argument", message):
            message = f"{found[1]} needs a value"
        raise UserError(message.replace("unrecognized arguments:", "unexpected:")) from ex

    def check_config(self, path: Path) -> bool:
        """Reject a config file with a key that is not an option or a value that cannot be one; return if it sets any.

        Keys are spelled like options without the leading hyphens; in the config.json of a run, with underscores.
        """
        known = {option.typed[2:]: option for option in self.options.values() if not option.positional}
        settings = read_config(path)
        for key, value in settings.items():
            option = known.get(str(key).replace("_", "-") if path.suffix == ".json" else str(key))
            if option is None:
                raise unknown("option", str(key), known, f" in {path}")
            if value is None:
                if option.optional:
                    continue
                raise UserError(f"{option.typed} has no value in {path}: give it one, or remove the line")
            several = get_origin(option.kind) in (tuple, list)
            for one in value if several and isinstance(value, list) else [value]:
                if not _can_be(get_args(option.kind)[0] if several else option.kind, one):
                    raise UserError(f"{option.typed} takes {_words(option.kind)}, not '{str(one)[:60]}' (in {path})")
        return any(value is not None for value in settings.values())

    def _usage(self) -> str:
        needed = [option for option in self.options.values() if option.default is REQUIRED]
        positional = [o.metavar + (" ..." if get_origin(o.kind) is list else "") for o in needed if o.positional]
        named = [f"{option.typed} {option.metavar}" for option in needed if not option.positional]
        text = " ".join([self.prog, *positional, *named, "[options]"])
        return "\n  ".join(wrap(text, WIDTH - len("usage: "), break_on_hyphens=False))


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=WIDTH)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, ActionYesNo):
            return action.option_strings[0].replace("--", "--[no-]" if action.default else "--", 1)
        return super()._format_action_invocation(action)


def _add(group: Any, option: Option) -> None:
    kind = option.kind
    more: dict[str, Any] = {"help": option.help.replace("%", "%%")}
    if option.default is not REQUIRED:
        more["default"] = option.default
    elif not option.positional:
        more["required"] = True
    if kind is bool:
        group.add_argument(option.typed, action=ActionYesNo(no_prefix="no-"), **more)
        return
    more |= {"metavar": option.metavar, "type": kind | None if option.optional else kind}
    if get_origin(kind) is tuple:
        more["type"] = _separated(option)
    elif get_origin(kind) is list:
        more["type"] = _not_empty(option, get_args(kind)[0])
        more |= {"nargs": "+"} if option.positional else {"action": "append"}
    elif kind in (str, Path):
        more["type"] = _not_empty(option, kind)
    group.add_argument(option.name if option.positional else option.typed, **more)


def _not_empty(option: Option, kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a parser of text or paths that refuses empty ones, which as paths would be the current folder."""

    def read(given: Any) -> Any:
        if given == "":
            raise UserError(f"{option.typed} is empty: give a value, or . for the current folder")
        return None if given is None else kind(given)

    return read


def _separated(option: Option) -> Callable[[Any], tuple[Any, ...] | None]:
    """Return a parser of comma-separated values, which a config file may also give as a list."""
    kind = get_args(option.kind)[0]

    def read(given: Any) -> tuple[Any, ...] | None:
        if given is None:
            return None
        parts = given if isinstance(given, list | tuple) else [part.strip() for part in str(given).split(",")]
        try:
            return tuple(kind(part) for part in parts if part != "")
        except ValueError:
            what = KINDS[kind].removeprefix("a ")
            raise UserError(f"{option.typed} takes {what}s separated by commas, not '{given}'") from None

    return read


def read_config(path: Path) -> dict[Any, Any]:
    """Return the settings in a YAML or JSON file, read in bounded time and memory.

    Raises:
        UserError: it cannot be read, holds no settings, is larger or deeper nested than any settings are, or repeats
            lists by aliases.
    """
    try:
        text = read_text(path, MOST_BYTES)
        depth, scalars = 0, set[str | None]()
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent):
                (scalars.add if isinstance(event, yaml.ScalarEvent) else scalars.discard)(event.anchor)
            if depth > DEEPEST:
                raise ValueError(f"brackets or lists nested more than {DEEPEST} deep")
            if isinstance(event, yaml.AliasEvent) and event.anchor not in scalars:
                raise ValueError(f"an alias of more than a single value, *{event.anchor}")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        names = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        if twice := sorted({str(name) for name in names if names.count(name) > 1}):
            raise ValueError(f"{first_three(twice)} given more than once")
        settings = yaml.safe_load(text)
    except yaml.YAMLError as error:
        hint = "a config is YAML or JSON, with lines such as 'batch-size: 64'"
        raise UserError(f"cannot read --config {path}: {error}; {hint}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read --config {path}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(settings, dict):
        raise UserError(f"--config {path} holds no settings: write lines such as 'batch-size: 64'")
    return settings


def _can_be(kind: Any, value: Any) -> bool:
    """Return whether a value from a config file may be of ``kind``; its text is read as if it was typed."""
    if value is None or isinstance(value, dict | list):
        return False
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    return not (kind is int and isinstance(value, float))


def _words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        *some, last = map(str, get_args(kind))
        return f"{', '.join(some)} or {last}" if some else last
    if get_origin(kind) in (tuple, list):
        return f"{KINDS[get_args(kind)[0]].removeprefix('a ')}s, separated by commas or as a list"
    return KINDS[kind]


def _without_config(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments into the ``--config`` files and the rest."""
    files, rest = [], []
    remaining = iter(arguments)
    for argument in remaining:
        name, sign, value = argument.partition("=")
        if name == "--config" and (sign or (value := next(remaining, ""))):
            files.append(value)
        else:
            rest.append(argument)
    return files, rest


def unknown(kind: str, given: str, known: Iterable[str], where: str = "") -> UserError:
    """Return an error for an option or command that does not exist, with the closest match as a suggestion.

    >>> str(unknown("option", "--modle", ["--model", "--data"]))
    'unknown option --modle: did you mean --model?'
    """
    near = difflib.get_close_matches(given, list(known), n=1)
    return UserError(f"unknown {kind} {given}{where}{f': did you mean {near[0]}?' if near else ' (try --help)'}")
