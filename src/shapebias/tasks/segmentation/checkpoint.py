"""A trained segmenter in one safetensors file that says what it is."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from shapebias.errors import UserError
from shapebias.files import atomic, sha256
from shapebias.models.weights import advice, load_weights
from shapebias.tasks.segmentation.segmenter import Design, Segmenter, build_segmenter

SCHEMA = "shapebias/segmenter/1"


def save_segmenter(path: Path, segmenter: Segmenter) -> str:
    """Write the weights with what is needed to build the network again; return the file's SHA-256."""
    header = {"schema": SCHEMA, **asdict(segmenter.design)}
    weights = {name: value.contiguous() for name, value in segmenter.network.state_dict().items()}
    with atomic(path) as temporary:
        save_file(weights, temporary, metadata={"shapebias": json.dumps(header)})
    return sha256(path)


def load_segmenter(path: Path) -> Segmenter:
    """The segmenter that ``save_segmenter`` wrote, in evaluation mode.

    Raises:
        UserError: no such file, not one of ours, or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("shapebias", "null"))
    except FileNotFoundError as error:
        raise UserError(f"no segmenter {path}") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{path} is not a safetensors file ({error}); {advice(path)}") from error
    if not isinstance(header, dict) or header.get("schema") != SCHEMA:
        raise UserError(f"{path} was not written by 'shapebias segment': give a model.safetensors of one of its runs")
    try:
        given = {field.name: header[field.name] for field in fields(Design)}
        lists = {name: tuple(given[name]) for name in ("classes", "mean", "std")}
        if len(lists["mean"]) != 3 or len(lists["std"]) != 3 or not isinstance(given["name"], str):
            raise ValueError("mean and std are of three channels")
        segmenter = build_segmenter(Design(**{**given, **lists}))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} does not say what network it holds ({error})") from error
    load_weights(segmenter.network, path)
    return segmenter.eval()
