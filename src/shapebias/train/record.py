"""What a run leaves behind: run.json, metrics.csv, example triples, and the state to go on from."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shapebias.data.crop import to_image
from shapebias.data.folder import ImageFolder
from shapebias.errors import UserError
from shapebias.files import atomic, claim_folder, read_json, write_json, write_text
from shapebias.train.config import TrainConfig

SCHEMA = "shapebias/run/1"
COLUMNS = (
    *("phase", "epoch", "step", "images", "lr"),
    *("loss", "natural", "stylized", "mmsi", "rho", "spread"),
    *("train_top1", "train_stylized_top1", "val_top1", "images_per_second", "seconds"),
)
# Settings that may change between a run and its continuation: they do not change what is computed.
FREE = ("out", "workers", "strict")
STATE_FILE = "state.pt"


def open_run(config: TrainConfig, folder: ImageFolder, environment: dict[str, Any]) -> bool:
    """Claim ``config.out`` for this run; whether it is already finished.

    Raises:
        UserError: the folder holds another run (the difference is shown) or other files.
    """
    settings = plain(config)
    identity = {key: value for key, value in settings.items() if key not in FREE}
    identity["data_fingerprint"] = folder.fingerprint
    claim_folder(config.out, identity, marker="identity.json", describe=lambda found: f"run ({found.get('scheme')})")
    path = config.out / "run.json"
    if path.is_file():
        return read_json(path).get("weights_sha256") is not None
    write_run(config, folder, environment, weights_sha256=None)
    return False


def write_run(config: TrainConfig, folder: ImageFolder, environment: dict[str, Any], **values: Any) -> None:
    """Write run.json: what was run, on what, with which outcome."""
    run = {
        "schema": SCHEMA,
        "name": config.out.name,
        "scheme": config.scheme,
        "model": config.model,
        "seed": config.seed,
        "classes": folder.classes,
        "weights_sha256": None,
        "config": plain(config),
        "environment": environment,
        "data": {
            "folder": str(folder.root),
            "images": len(folder),
            "fingerprint": folder.fingerprint,
            "unreadable": [],
        },
        "seconds": None,
        "images_seen": 0,
        "warnings": [],
    }
    data = values.pop("data", {})
    write_json(config.out / "run.json", {**run, **values, "data": {**run["data"], **data}})


def write_metrics(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write metrics.csv, one row per epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items() if v is not None})
    write_text(out / "metrics.csv", text.getvalue())


def write_examples(out: Path, images: Tensor, views: Tensor | None) -> None:
    """Write a few training images and their views as PNGs: NN-natural, NN-view-a, NN-view-b."""
    groups = [images, *([] if views is None else views.split(len(images)))]
    for name, group in zip(("natural", "view-a", "view-b"), groups, strict=False):
        for number, image in enumerate(group):
            with atomic(out / "examples" / f"{number:02}-{name}.png") as temporary:
                to_image(image).save(temporary, format="png")


def save_state(out: Path, state: dict[str, Any]) -> None:
    """Write the state that a killed run goes on from, whole or not at all."""
    with atomic(out / STATE_FILE) as temporary, temporary.open("wb") as file:
        torch.save(state, file)  # to a file object: a full disk is then an OSError


def load_state(out: Path) -> dict[str, Any] | None:
    """The state of an interrupted run, or None at its beginning."""
    path = out / STATE_FILE
    if not path.is_file():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can fail in many ways
        raise UserError(f"{path} is damaged: delete it to begin the run again") from error


def plain(config: TrainConfig) -> dict[str, Any]:
    """The settings as JSON values."""
    values = asdict(config)
    values["stages"] = list(config.stages)
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
