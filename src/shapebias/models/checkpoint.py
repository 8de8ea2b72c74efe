"""A trained network in one safetensors file that says what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from shapebias.errors import UserError
from shapebias.files import atomic, sha256
from shapebias.models.classifier import Classifier, Identity, timm_classifier

SCHEMA = "shapebias/model/1"
MODEL_FILE = "model.safetensors"


def save_classifier(path: Path, model: Classifier) -> str:
    """Write a timm network of ours with what is needed to build it again; return the file's SHA-256."""
    identity = model.identity
    header = {
        "schema": SCHEMA,
        "name": identity.name,
        "architecture": identity.architecture,
        "classes": identity.classes,
        "scheme": identity.scheme,
        "size": model.preprocessing.size,
    }
    weights = {name: value.contiguous() for name, value in model.network.state_dict().items()}
    with atomic(path) as temporary:
        save_file(weights, temporary, metadata={"shapebias": json.dumps(header)})
    return sha256(path)


def load_classifier(path: Path, *, name: str | None = None) -> Classifier:
    """Build the network that ``save_classifier`` wrote, in evaluation mode.

    Raises:
        UserError: no such file, not one of ours, or damaged.
    """
    header = read_header(path)
    try:
        classes = tuple(str(c) for c in header["classes"])
        identity = Identity(
            name=name or str(header["name"]),
            spec=str(path),
            architecture=str(header["architecture"]),
            classes=classes,
            scheme=header["scheme"],
            weights_sha256=sha256(path),
        )
        model = timm_classifier(identity.architecture, identity, size=int(header["size"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} does not say what network it holds ({error})") from error
    load_weights(model.network, path)
    return model.eval()


def read_header(path: Path) -> dict[str, Any]:
    """What a file of ours says of itself."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("shapebias", "null"))
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint {path}") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors file ({error}); {_advice(path)}") from error
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise UserError(f"{path} was not written by 'shapebias train' (no shapebias header in it)")
    return header


def load_weights(network: torch.nn.Module, path: Path, *, except_head: bool = False) -> list[str]:
    """Load a safetensors file or a plain ``torch.save`` state dict into ``network``.

    Files from outside are read without running anything in them. With ``except_head`` tensors of the
    classifying layer may differ in shape and are then left as they are; their names are returned.

    Raises:
        UserError: the file is unreadable, holds pickled code, or belongs to another network.
    """
    weights = _read_weights(path)
    own = network.state_dict()
    missing, unexpected = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    different = sorted(k for k in own.keys() & weights.keys() if own[k].shape != weights[k].shape)
    left: list[str] = []
    if except_head and hasattr(network, "get_classifier"):
        head = {id(p) for p in network.get_classifier().parameters()}  # type: ignore[operator]
        left = [name for name, value in network.named_parameters() if id(value) in head and name in different]
        different = [name for name in different if name not in left]
    if missing or unexpected or different:
        what = f"{len(missing)} tensors missing, {len(unexpected)} unknown, {len(different)} of another shape"
        first = (missing or unexpected or different)[0]
        raise UserError(f"{path} belongs to another network ({what}, first '{first}')")
    network.load_state_dict({name: value for name, value in weights.items() if name not in left}, strict=False)
    return left


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint {path}") from error
    except Exception as error:  # torch.load has many ways to say that a file is not a state dict
        raise UserError(f"{path} cannot be read as weights; {_advice(path)}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"{path} does not hold a state dict (a dictionary of tensors)")
    return state


def _advice(path: Path) -> str:
    return (
        "it may be damaged or hold pickled code, which is never run: save its state dict again, as safetensors"
        if path.exists()
        else "no such file"
    )
