"""Exporting weights: a plain state dict that timm or torchvision loads strictly, without this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save
from torch import nn

from shapebias.errors import UserError
from shapebias.files import atomic, sha256
from shapebias.models.build import build_classifier, split_architecture
from shapebias.models.checkpoint import MODEL_FILE
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.load import load_model
from shapebias.models.state_dict import compare

Library = Literal["timm", "torchvision"]
SUFFIXES = (".safetensors", ".pth", ".pt")


def export_weights(source: str | Path, out: Path, library: Library = "timm") -> str:
    """Write the weights of a run or checkpoint of ours to ``out`` as a state dict of ``library``; return its SHA-256.

    ``.safetensors`` carries architecture, classes, size and normalisation as JSON strings in its metadata;
    ``.pth`` and ``.pt`` are the bare state dict. To the other library's network of the same name weights are exported
    only if names, shapes and outputs agree.

    Raises:
        UserError: nothing of ours at ``source``, an ``out`` of another kind or that holds something else, or no such
            network in ``library``.
    """
    source, out = Path(source), Path(out)
    if out.suffix not in SUFFIXES:
        raise UserError(f"cannot export to '{out}': give a name that ends in {', '.join(SUFFIXES)}")
    if library not in ("timm", "torchvision"):
        raise UserError(f"unknown library '{library}': give timm or torchvision")
    if not source.exists():
        raise UserError(f"no run folder or checkpoint {source}")
    if out.resolve() in {source.resolve(), (source / MODEL_FILE).resolve()}:
        raise UserError(f"{out} is the checkpoint itself: export to another name")
    model = load_model(str(source))
    own_library, name = split_architecture(model.identity.architecture)
    if own_library != library:
        _check_same(model, library, name)
    weights = {key: value.detach().cpu().contiguous() for key, value in model.network.state_dict().items()}
    with atomic(out) as temporary:
        if out.suffix == ".safetensors":
            temporary.write_bytes(_with_ordered_metadata(save(weights, _metadata(model, library, name))))
        else:
            with temporary.open("wb") as file:  # by its handle: the file's own name would go into the archive
                torch.save(weights, file)
        digest = sha256(temporary)
        if out.exists() and sha256(out) != digest:
            raise UserError(f"{out} exists and holds something else: export to another name, or delete it")
    return digest


def _check_same(model: Classifier, library: Library, name: str) -> None:
    """Refuse unless the network ``name`` of ``library`` takes our weights and gives our logits.

    Raises:
        UserError: there is no such network there, or the first difference.
    """
    architecture = model.identity.architecture
    name = name.split(".")[0]
    spec = f"{library}:{name}"
    identity = Identity(name=name, spec=spec, architecture=spec, classes=model.identity.classes)
    try:
        other = build_classifier(spec, identity, size=model.preprocessing.size).network.eval()
    except UserError as error:
        raise UserError(f"{architecture} cannot be exported to {library}: {error}") from error
    differs = compare(model.network.state_dict(), other.state_dict())
    difference: str | None = differs.first if differs else None
    if difference is None:
        other.load_state_dict(model.network.state_dict())
        difference = _other_logits(model.network, other, model.preprocessing.size)
    if difference is not None:
        raise UserError(
            f"{architecture} cannot be exported to {library}, whose {name} is another network: {difference}"
        )


def _other_logits(ours: nn.Module, theirs: nn.Module, size: int) -> str | None:
    """Compare the logits of two networks of the same weights on one batch of noise; None where they agree."""
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        a, b = ours(images), theirs(images)
    error = float((a - b).abs().max() / a.abs().max().clamp(min=1e-12))
    return None if error < 1e-3 else f"the same weights give other logits there (by {error:.2g} of the largest)"


def _with_ordered_metadata(file: bytes) -> bytes:
    """A safetensors file with its metadata sorted: safetensors writes them in any order, and the hash with them."""
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + file[end:]


def _metadata(model: Classifier, library: Library, name: str) -> dict[str, str]:
    values = {
        "library": library,
        "architecture": name,
        "classes": model.identity.classes,
        "size": model.preprocessing.size,
        "mean": [round(value, 6) for value in model.mean.flatten().tolist()],
        "std": [round(value, 6) for value in model.std.flatten().tolist()],
    }
    return {"format": "pt"} | {key: json.dumps(value) for key, value in values.items()}
