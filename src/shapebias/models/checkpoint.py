"""A trained model in one safetensors file that describes itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from shapebias.data.holdout import TrainedOn
from shapebias.errors import UserError
from shapebias.files import atomic, sha256
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.state_dict import load_weights
from shapebias.models.weights_file import advice

SCHEMA = "shapebias/model/1"
MODEL_FILE = "model.safetensors"


def save_classifier(path: Path, model: Classifier) -> str:
    """Write a model with what is needed to build it again; return the file's SHA-256."""
    identity = model.identity
    header = {
        "schema": SCHEMA,
        "name": identity.name,
        "architecture": identity.architecture,
        "classes": identity.classes,
        "scheme": identity.scheme,
        **({"trained_on": asdict(identity.trained_on)} if identity.trained_on else {}),
        "size": model.preprocessing.size,
        "crop": model.preprocessing.crop,
        "mean": model.mean.flatten().tolist(),
        "std": model.std.flatten().tolist(),
    }
    return save_with_header(path, model.network, header)


def save_with_header(path: Path, network: nn.Module, header: dict[str, Any]) -> str:
    """Write a network's weights as safetensors with ``header`` as JSON in its metadata; return the file's SHA-256."""
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
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
            trained_on=TrainedOn.read(header.get("trained_on")),
        )
        size, crop = int(header["size"]), float(header.get("crop", 1.0))
        model = build_classifier(identity.architecture, identity, size=size, crop=crop)
        take_normalisation(model, header)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} does not say what network it holds ({error})") from error
    load_weights(model.network, path)
    return model.eval()


def take_normalisation(model: Classifier, header: dict[str, Any]) -> None:
    """Give ``model`` the mean and standard deviation that a file's header has; older files have the library's own."""
    for values in ("mean", "std"):
        if values in header:
            setattr(model, values, torch.tensor([float(v) for v in header[values]]).view(1, 3, 1, 1))


def read_header(path: Path, schema: str = SCHEMA, command: str = "shapebias train") -> dict[str, Any]:
    """Return the header that ``save_with_header`` wrote.

    Raises:
        UserError: no such file, a damaged one, or one without a header of ``schema``, as ``command`` writes it.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("shapebias", "null"))
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint {path}") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors file ({error}); {advice(path)}") from error
    if not isinstance(header, dict) or header.get("schema") != schema:
        raise UserError(f"{path} was not written by '{command}' (no header of {schema} in it)")
    return header
