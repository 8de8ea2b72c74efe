"""The options of a command, derived from the signature and docstring of its function.

A parameter before the ``*`` is positional, the others are options, spelled with hyphens. ``bool`` is a flag,
``tuple`` a list separated by commas, ``list`` an option that may be repeated. Each field of a dataclass
is an option; a parameter of the function replaces a field of the same name. The help text comes from the docstring.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import docstring_parser

from shapebias.train.settings import GROUPS as SETTINGS

Groups = dict[str, tuple[str, ...]]
REQUIRED: Any = inspect.Parameter.empty
# The groups in which the help lists parameters, in this order. For a command with a ``config``, the groups of
# shapebias.train.settings are searched first.
GROUPS: Groups = {
    "data": (
        *("images", "content", "files", "runs", "what", "data", "split", "out", "limit", "size"),
        *("train_per_class", "test_per_class", "texture_correlation", "corruptions", "severities", "strict"),
    ),
    "model": ("models", "model", "weights", "remap_by_order", "crop", "classes", "library", "perceptual"),
    "evaluation": (
        *("evaluators", "attacks", "epsilon", "targeted", "source", "mapping", "class_map", "stage", "pairs"),
        *("scales", "flip", "threshold"),
    ),
    "optimisation": ("steps", "learning_rate", "warmup"),
    "objective": ("style_weight", "content_weight", "identity_weight", "smoothness_weight"),
    "views": (
        *("styles", "textures", "count", "stylizer", "alpha", "per_image", "per_pair", "same", "same_styles"),
        *("rows", "columns"),
    ),
    "hardware": ("batch_size", "device", "workers"),
    "other": (),
}
METAVARS = {int: "N", float: "X"}


def without(*names: str) -> frozenset[str]:
    """Hide fields of a dataclass from the options of a command: ``Annotated[Config, without("seed")]``."""
    return frozenset(names)


class Option(NamedTuple):
    """One option or positional argument of a command; ``kind`` is its type without None."""

    name: str
    kind: Any
    optional: bool
    default: Any
    text: str
    group: str
    positional: bool

    @property
    def typed(self) -> str:
        """The option as written on the command line, or the metavar of a positional argument."""
        return self.metavar if self.positional else f"--{self.name.replace('_', '-')}"

    @property
    def metavar(self) -> str:
        """The placeholder of the value in the help."""
        kind = self.kind
        if get_origin(kind) is Literal:
            return "{" + ",".join(map(str, get_args(kind))) + "}"
        name = self.name.upper().replace("_", "-")
        if get_origin(kind) is tuple:
            return f"{METAVARS.get(get_args(kind)[0], name.removesuffix('S'))},..."
        return METAVARS.get(kind, name.removesuffix("S") if get_origin(kind) is list else name)

    @property
    def help(self) -> str:
        """The help text, with the default appended unless the text states it."""
        text, default = self.text.rstrip("."), self.default
        if "(default" in text or (default is REQUIRED and self.positional):
            return text
        if default is REQUIRED:
            return f"{text} (required)"
        if isinstance(default, bool):
            shown = "on" if default else "off"
        elif isinstance(default, tuple):
            shown = ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in default) or "none"
        else:
            shown = "none" if default is None else str(default)
        return f"{text} (default: {shown})"


class Page(NamedTuple):
    """The documentation of a command or of settings."""

    text: str
    arguments: dict[str, str]
    examples: list[str]

    @classmethod
    def of(cls, documented: Any) -> Page:
        """Parse the docstring of a function or dataclass."""
        parsed = docstring_parser.parse(documented.__doc__ or "", docstring_parser.DocstringStyle.GOOGLE)
        return cls(
            "\n\n".join(part for part in (parsed.short_description, parsed.long_description) if part),
            {one.arg_name: " ".join((one.description or "").split()) for one in parsed.params},
            [line for example in parsed.examples for line in (example.description or "").splitlines()],
        )


def options_of(function: Callable[..., None]) -> Iterator[Option]:
    """Yield all options and positional arguments of the command ``function``."""
    parameters = inspect.signature(function).parameters
    tables = (SETTINGS, GROUPS) if "config" in parameters else (GROUPS,)
    page = Page.of(function)
    for name, hint, hidden in _parameters(function):
        if is_dataclass(hint):
            yield from (one for one in _fields(hint, tables) if one.name not in {*hidden, *parameters})
        else:
            positional = parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            yield _option(name, hint, parameters[name].default, page, tables, positional)


def place_in_help(option: Option) -> tuple[bool, int]:
    """Return the sort key of an option: positional arguments first, then the order of the groups."""
    names = [name for groups in (SETTINGS, GROUPS) for listed in groups.values() for name in listed]
    return not option.positional, names.index(option.name) if option.name in names else len(names)


def arguments_of(function: Callable[..., None], values: Mapping[str, Any]) -> dict[str, Any]:
    """Build the arguments of ``function`` from the ``values`` of its options."""
    arguments = {}
    for name, hint, hidden in _parameters(function):
        shown = {one: value for one, value in values.items() if one not in hidden}
        arguments[name] = _construct(hint, shown) if is_dataclass(hint) else values[name]
    return arguments


def _parameters(function: Callable[..., None]) -> Iterator[tuple[str, Any, frozenset[str]]]:
    hints = get_type_hints(function, include_extras=True)
    for name in inspect.signature(function).parameters:
        hint, hidden = hints[name], without()
        if get_origin(hint) is Annotated:
            hint, hidden = get_args(hint)
        yield name, hint, hidden


def _fields(kind: Any, tables: tuple[Groups, ...], instance: Any = None) -> Iterator[Option]:
    page, hints = Page.of(kind), get_type_hints(kind)
    for one in fields(kind):
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        default = default if instance is None else getattr(instance, one.name)
        if is_dataclass(hints[one.name]):
            yield from _fields(hints[one.name], tables, default)
        else:
            default = REQUIRED if default is MISSING else default
            yield _option(one.name, hints[one.name], default, page, tables, False)


def _option(name: str, hint: Any, default: Any, page: Page, tables: tuple[Groups, ...], positional: bool) -> Option:
    optional = NoneType in get_args(hint)
    kind = next(one for one in get_args(hint) if one is not NoneType) if optional else hint
    group = next((title for groups in tables for title, names in groups.items() if name in names), "other")
    return Option(name, kind, optional, default, page.arguments[name], group, positional)


def _construct(kind: Any, values: Mapping[str, Any], default: Any = None) -> Any:
    """Build the dataclass ``kind``, nested dataclasses included, from flat ``values``."""
    made, hints = {}, get_type_hints(kind)
    for one in fields(kind):
        if is_dataclass(hints[one.name]):
            start = one.default_factory() if one.default_factory is not MISSING else None
            made[one.name] = _construct(hints[one.name], values, start)
        elif one.name in values:
            made[one.name] = values[one.name]
    return kind(**made) if default is None else replace(default, **made)
