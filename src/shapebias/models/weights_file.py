"""Files of weights: reading the tensors of one by name, whatever tool wrote it, without running anything in it.

A file is safetensors or what ``torch.save`` wrote, of a state dict or of one of the usual dictionaries around it. What
trainers put beside the state dict (parsed arguments, numpy scalars, paths) is not needed: stand-ins without content
take its place, so that not even its constructors run. Files that hold anything else are refused by torch.
"""

from __future__ import annotations

import re
import warnings
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from shapebias.errors import UserError

WRAPPERS = (  # in this order: plain weights before their average
    *("state_dict", "model", "model_state_dict", "network", "net", "weights", "params", "module"),
    *("state_dict_ema", "model_ema", "params_ema"),
)
PREFIXES = ("module", "_orig_mod")  # left in names by DataParallel and by torch.compile
BATCHES, AVERAGED = "num_batches_tracked", "n_averaged"


def is_counter(name: str) -> bool:
    """Return whether a tensor only counts: the batches of batch normalisation, or the updates of ``AveragedModel``."""
    return name.endswith(BATCHES) or name == AVERAGED


class _Ignored:
    """An object of a file that is not needed: it takes any arguments and any state, and keeps none."""

    def __new__(cls, *_args: Any) -> _Ignored:
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


class _IgnoredDict:
    """The same for a dictionary: torch sets items of a plain one only, which this returns."""

    def __new__(cls, *_args: Any) -> Any:
        return OrderedDict[Any, Any]()


_IGNORED = {
    "argparse": ("Namespace",),
    "types": ("SimpleNamespace",),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "pathlib": (paths := ("Path", "PosixPath", "PurePath", "PurePosixPath", "PureWindowsPath", "WindowsPath")),
    "pathlib._local": paths,
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "_codecs": ("encode",),
    "builtins": (types := ("bool", "bytes", "complex", "dict", "float", "int", "list", "set", "str", "tuple")),
    "__builtin__": types,
    "pytorch_lightning.callbacks.model_checkpoint": ("ModelCheckpoint",),
}
_IGNORED_DICTS = {
    "collections": ("defaultdict",),
    "addict.addict": ("Dict",),
    "easydict": ("EasyDict",),
    "yacs.config": ("CfgNode",),
    **dict.fromkeys(
        (
            *("lightning.fabric.utilities.data", "lightning.pytorch.utilities.parsing"),
            *("lightning_fabric.utilities.data", "pytorch_lightning.utilities.parsing"),
        ),
        ("AttributeDict",),
    ),
}
_STAND_INS: list[Any] = [
    (stand_in, f"{module}.{name}")
    for stand_in, of in ((_Ignored, _IGNORED), (_IgnoredDict, _IGNORED_DICTS))
    for module, names in of.items()
    for name in names
]


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file by their names in it.

    Raises:
        UserError: no such file, a damaged one, one with pickled code, or one without a state dict.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        # torch warns of TorchScript archives, which it refuses
        with torch.serialization.safe_globals(_STAND_INS), warnings.catch_warnings(action="ignore"):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint {path}") from error
    except Exception as error:  # torch.load has many ways to say that a file is not a state dict
        raise UserError(f"{path} cannot be read as weights ({_reason(error)}); {advice(path)}") from error
    found = [content, *(content.get(key) for key in WRAPPERS)] if isinstance(content, dict) else []
    for candidate in found:
        if _is_state_dict(candidate):
            return candidate
    raise UserError(
        f"{path} does not hold a state dict (a dictionary of tensors), bare or under one of {', '.join(WRAPPERS)}"
    )


def _reason(error: Exception) -> str:
    """Return torch's reason in a line, without its advice to trust the file."""
    text = str(error).strip() or type(error).__name__
    if "TorchScript" in text:
        return "it is a TorchScript archive, which holds code"
    if code := re.search(r"GLOBAL (\S+)", text):
        return f"it holds the Python object {code[1]}, which is not data"
    lines = text.rpartition("WeightsUnpickler error: ")[2].strip().splitlines() or text.splitlines()
    return " ".join(lines[0].split())[:200]


def advice(path: Path) -> str:
    """Advise on a file that cannot be read."""
    return (
        "it may be damaged or hold pickled code, which is never run: save its state dict again, as safetensors"
        if path.exists()
        else "no such file"
    )


def plain_names(weights: dict[str, Tensor], own: Collection[str], path: Path) -> dict[str, Tensor]:
    """Return ``weights`` by the names of a network, ``own``, as far as wrappers and trainers have changed them.

    ``PREFIXES`` are removed that stand as a part of a name, save in names that ``own`` holds; so is what all names
    begin with (``model.``, ``backbone.``) where none is the network's.

    Raises:
        UserError: two names become one.
    """
    plain: dict[str, Tensor] = {}
    before: dict[str, str] = {}
    for name, value in weights.items():
        if name == AVERAGED and name not in own:
            continue
        new = name if name in own else ".".join(part for part in name.split(".") if part not in PREFIXES)
        if new in plain:
            raise UserError(f"{path} holds '{before[new]}' and '{name}', which are both '{new}': keep one of them")
        plain[new], before[new] = value, name
    shorter = plain
    while len({name.partition(".")[0] for name in shorter}) == 1 and all("." in name for name in shorter):
        shorter = {name.partition(".")[2]: value for name, value in shorter.items()}
        if any(name in own for name in shorter):
            break
    fits = any(name in own for name in shorter) and not any(name in own for name in plain)
    return shorter if fits else plain


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )
