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
from shapebias.models.timm_folder import check_at_hand
from shapebias.models.weights_file import advice
from shapebias.results.results import is_number

SCHEMA = "shapebias/model/1"
MODEL_FILE = "model.safetensors"
SMALLEST, LARGEST = 8, 4096  # pixels
LEAST_CROP = 0.01


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
        check_header(header)
        classes = tuple(header["classes"])
        identity = Identity(
            name=name or header["name"],
            spec=str(path),
            architecture=header["architecture"],
            classes=classes,
            scheme=header.get("scheme"),
            weights_sha256=sha256(path),
            trained_on=TrainedOn.read(header.get("trained_on")),
        )
        crop = header.get("crop", 1.0)
        model = build_classifier(identity.architecture, identity, size=header["size"], crop=crop)
        take_normalisation(model, header)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} does not say what network it holds ({error}): export or train it again") from error
    load_weights(model.network, path)
    return model.eval()


def check_header(header: dict[str, Any]) -> None:
    """Check the names and numbers that a network is built from.

    Raises:
        KeyError, ValueError: one is missing, of another type, or out of its range, or would have to be downloaded.
    """
    for name in ("name", "architecture"):
        if not isinstance(header[name], str) or not header[name]:
            raise ValueError(f"its {name} is {header[name]!r}")
    check_at_hand(header["architecture"])
    if not isinstance(header.get("scheme"), str | None):
        raise ValueError(f"its scheme is {header['scheme']!r}")
    classes = header["classes"]
    if not isinstance(classes, list) or not classes or not all(isinstance(one, str) for one in classes):
        raise ValueError("its classes are not a list of names")
    size, crop = header["size"], header.get("crop", 1.0)
    if type(size) is not int or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"its size is {size!r}, not {SMALLEST} to {LARGEST} pixels")
    if not is_number(crop) or not LEAST_CROP <= crop <= 1:
        raise ValueError(f"its crop is {crop!r}, not {LEAST_CROP:g} to 1")
    for name, (lowest, highest) in {"mean": (-1e4, 1e4), "std": (1e-4, 1e4)}.items():
        values = header.get(name, [1.0] * 3)
        if not isinstance(values, list) or len(values) != 3 or not all(map(is_number, values)):
            raise ValueError(f"its {name} is not three numbers")
        if not all(lowest <= value <= highest for value in values):
            raise ValueError(f"its {name} is {values}, not {lowest:g} to {highest:g}")


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
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors file ({error}); {advice(path)}") from error
    if not isinstance(header, dict) or header.get("schema") != schema:
        raise UserError(f"{path} was not written by '{command}' (no header of {schema} in it)")
    return header
