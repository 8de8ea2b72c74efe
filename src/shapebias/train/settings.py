"""Settings as flat names and values, also those in nested dataclasses: ranges, groups, reading and writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from shapebias.errors import check_between, unknown

ConfigT = TypeVar("ConfigT", bound=Any)  # a dataclass of settings, which may contain others

RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 100_000),
    "batch_size": (2, 1_000_000),
    "grad_accum_steps": (1, 1_000_000),
    "lr": (0.0, 1e3),
    "momentum": (0.0, 0.9999),
    "weight_decay": (0.0, 1e3),
    "warmup_epochs": (0.0, 1e5),
    "drop_every": (1, 100_000),
    "clip_norm": (0.0, 1e9),
    "ema_decay": (0.0, 0.999999),
    "seed": (0, 2**32 - 1),
    "workers": (0, 1024),
    "devices": (1, 100_000),
    "nodes": (1, 100_000),
    "checkpoint_minutes": (0.0, 1e6),
    "keep_checkpoints": (1, 1000),
    "size": (16, 4096),
    "holdout": (0.0, 0.9),
    "crop": (0.1, 1.0),
    "min_crop": (0.01, 1.0),
    "test_crop": (0.1, 1.0),
    "alpha": (0.0, 1.0),
    "lambda_m": (0.0, 1e6),
    "lambda_s": (0.0, 1e6),
    "ramp_epochs": (0.0, 1e5),
    "eps": (1e-12, 0.5),
    "finetune_epochs": (1, 100_000),
    "finetune_lr": (0.0, 1e3),
    "finetune_drop_every": (1, 100_000),
    "finetune_batch_size": (0, 1_000_000),
    "select_epochs": (0, 100_000),
    "split_seed": (0, 2**32 - 1),
}
# The groups in which a command's help lists the settings of training and of the tasks.
GROUPS: dict[str, tuple[str, ...]] = {
    "data": (
        *("task", "data", "download", "train_split", "masks", "holdout", "out"),
        *("size", "crop", "min_crop", "test_crop", "strict"),
    ),
    "model": ("models", "model", "init", "freeze", "head", "stage", "output_stride"),
    "optimisation": (
        *("epochs", "batch_size", "grad_accum_steps", "optimizer", "lr", "momentum", "nesterov", "weight_decay"),
        *("schedule", "warmup_epochs", "drop_every", "clip_norm", "ema_decay"),
        *("finetune_epochs", "finetune_lr", "finetune_drop_every", "finetune_batch_size"),
        *("select_epochs", "split_seed", "seed", "method", "seeds", "equal_epochs"),
    ),
    "objective": ("scheme", "row", "rows", "lambda_m", "lambda_s", "ramp_epochs", "axis", "eps", "stages", "batchnorm"),
    "views": ("stylized", "stylizer", "styles", "alpha"),
    "hardware": (
        *("device", "devices", "nodes", "workers", "precision", "channels_last", "compile"),
        *("checkpoint_minutes", "keep_checkpoints"),
    ),
}


def check_ranges(config: Any, **others: tuple[float, float]) -> None:
    """Refuse settings out of range; ``others`` override ``RANGES``.

    Raises:
        UserError: a setting is out of range; the message states its range and value.
    """
    settings = plain(config)
    for name, (lowest, highest) in {**RANGES, **others}.items():
        value = settings.get(name)
        if value is not None:
            check_between(lowest, highest, **{name: value})


def configure(kind: type[ConfigT], **settings: Any) -> ConfigT:
    """Return a ``kind`` with these flat ``settings``, including those of nested dataclasses, and defaults otherwise."""
    made = {one.name: one.default_factory() for one in fields(kind) if one.default_factory is not MISSING}
    return kind(**_filled(made, settings), **settings)


def configure_checked(kind: type[ConfigT], **settings: Any) -> ConfigT:
    """Return ``configure(kind, **settings)`` for settings from outside: folders may be text, tuples any sequence.

    Raises:
        UserError: a setting that does not exist, or a choice that is not offered.
    """
    hints = _hints(kind)
    for name, value in settings.items():
        if name not in hints:
            raise unknown("setting", name, hints)
        kinds = {get_origin(hint) or hint for hint in (hints[name], *get_args(hints[name]))}
        if isinstance(value, str) and Path in kinds:
            settings[name] = Path(value)
        elif tuple in kinds and not isinstance(value, str):
            settings[name] = tuple(value)
        elif Literal in kinds and value not in get_args(hints[name]):
            raise unknown(name, str(value), get_args(hints[name]))
    return configure(kind, **settings)


def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of all settings, including those of nested dataclasses."""
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        found |= _hints(hint) if is_dataclass(hint) else {name: hint}
    return found


def update(config: ConfigT, **settings: Any) -> ConfigT:
    """Return a copy of ``config`` with these flat ``settings`` changed, including those of nested dataclasses."""
    given = {one.name: getattr(config, one.name) for one in fields(config)}
    return replace(config, **_filled(given, settings), **settings)


def _filled(values: Mapping[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the dataclasses among ``values`` with their fields set from ``settings``, which are removed from it."""
    filled = {}
    for name, value in values.items():
        if is_dataclass(value) and not isinstance(value, type):
            own = [one.name for one in fields(value) if one.name in settings]
            filled[name] = replace(value, **{one: settings.pop(one) for one in own})
    return filled


def plain(config: Any) -> dict[str, Any]:
    """Return the settings of ``config``, including those of nested dataclasses, as flat JSON values."""

    def value(given: Any) -> Any:
        return str(given) if isinstance(given, Path) else list(given) if isinstance(given, tuple) else given

    flat: dict[str, Any] = {}
    for name, given in asdict(config).items():
        flat.update(given if isinstance(given, dict) else {name: given})
    return {name: value(given) for name, given in flat.items()}
