"""Weights from outside: which tensors a file holds, by which names, and whether they belong to a network.

Read as data: nothing that a file holds is ever run. Files may be safetensors or what ``torch.save``
wrote, of a state dict or of one of the usual dictionaries around it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from shapebias.errors import UserError
from shapebias.models.latents import classifying_layer

WRAPPERS = ("state_dict", "model", "model_state_dict", "network", "state_dict_ema", "model_ema")  # in this order
COUNTER = "num_batches_tracked"  # of batch normalisation: absent from old files, and of no consequence
PREFIXES = ("module", "_orig_mod")  # left in names by DataParallel and by torch.compile


class OtherHead(UserError):
    """Weights of the same network with another number of classes."""


def load_weights(network: nn.Module, path: Path, *, except_head: bool = False) -> list[str]:
    """Load a file's weights into ``network``, converted to the network's own types.

    With ``except_head`` tensors of the classifying layer may differ in shape and are then left as they
    are; their names are returned. Counters of batch normalisation, absent from old files, keep theirs.

    Raises:
        UserError: the file is unreadable, holds pickled code or weights that are not finite, or belongs
            to another network.
    """
    own = network.state_dict()
    given = plain_names(read_weights(path), own.keys(), path)
    missing = [k for k in own if k not in given and not k.endswith(COUNTER)]
    unknown = sorted((k for k in given if k not in own), key=lambda k: k.endswith(COUNTER))
    different = [k for k in own if k in given and own[k].shape != given[k].shape]
    if missing or unknown or different:
        head = _head(network)
        if missing or unknown or any(k not in head for k in different):
            raise UserError(
                f"{path} belongs to another network ({_difference(own, given, missing, unknown, different)})"
            )
        if not except_head:
            raise OtherHead(f"{path} has another classifying layer ({_shapes(own, given, different[0])})")
    for name in own:
        counter = name.endswith(COUNTER) and name in given and given[name].is_floating_point()
        if name in given and name not in different and not counter:
            own[name] = converted(given[name], own[name], name, path)
    network.load_state_dict(own)
    return different


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names in it.

    Raises:
        UserError: no such file, a damaged one, one with pickled code, or one without a state dict.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint {path}") from error
    except Exception as error:  # torch.load has many ways to say that a file is not a state dict
        raise UserError(f"{path} cannot be read as weights; {advice(path)}") from error
    found = [content, *(content.get(key) for key in WRAPPERS)] if isinstance(content, dict) else []
    for candidate in found:
        if _is_state_dict(candidate):
            return candidate
    raise UserError(
        f"{path} does not hold a state dict (a dictionary of tensors), bare or under one of {', '.join(WRAPPERS)}"
    )


def plain_names(weights: dict[str, Tensor], own: Any, path: Path) -> dict[str, Tensor]:
    """``weights`` without the ``PREFIXES`` that stand as a part of a name, save in names that ``own`` holds.

    Raises:
        UserError: two names become one.
    """
    plain: dict[str, Tensor] = {}
    before: dict[str, str] = {}
    for name, value in weights.items():
        new = name if name in own else ".".join(part for part in name.split(".") if part not in PREFIXES)
        if new in plain:
            raise UserError(f"{path} holds '{before[new]}' and '{name}', which are both '{new}': keep one of them")
        plain[new], before[new] = value, name
    return plain


def advice(path: Path) -> str:
    """What to do about a file that cannot be read."""
    return (
        "it may be damaged or hold pickled code, which is never run: save its state dict again, as safetensors"
        if path.exists()
        else "no such file"
    )


def _is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )


def _head(network: nn.Module) -> set[str]:
    """Names of the classifying layer's parameters; none where it cannot be told."""
    try:
        head = {id(parameter) for parameter in classifying_layer(network).parameters()}
    except UserError:
        return set()
    return {name for name, parameter in network.named_parameters() if id(parameter) in head}


def converted(value: Tensor, own: Tensor, name: str, path: Path) -> Tensor:
    """``value`` in the type of the network's ``own`` tensor.

    Raises:
        UserError: it is of another kind (an integer, sparse, quantised), or holds values that are not finite.
    """
    if value.layout != torch.strided or value.is_quantized or value.is_floating_point() != own.is_floating_point():
        raise UserError(f"{path}: '{name}' is of type {value.dtype}, not {own.dtype}: give weights as floating point")
    value = value.to(own.dtype)
    if not torch.isfinite(value).all():
        raise UserError(f"{path}: '{name}' holds values that are not finite: the training it comes from has failed")
    return value


def _difference(
    own: dict[str, Tensor], given: dict[str, Tensor], missing: list[str], unknown: list[str], different: list[str]
) -> str:
    firsts = [f"first missing '{missing[0]}'"] if missing else []
    firsts += [f"first unknown '{unknown[0]}'"] if unknown else []
    firsts += [_shapes(own, given, different[0])] if different else []
    counts = f"{len(missing)} tensors missing, {len(unknown)} unknown, {len(different)} of another shape"
    return f"{counts} of {len(own)}: {', '.join(firsts)}"


def _shapes(own: dict[str, Tensor], given: dict[str, Tensor], name: str) -> str:
    return f"'{name}' is {tuple(given[name].shape)} there, {tuple(own[name].shape)} here"
