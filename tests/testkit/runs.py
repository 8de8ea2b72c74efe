"""Small trainings that several test files share, and what of them must be the same."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from shapebias.train.config import TrainConfig
from shapebias.train.settings import configure

WALL_CLOCK = {"seconds", "images_per_second"}
NORM_FREE = "test_vit"  # layer norm alone: what one image gives does not depend on the others of its batch


def config(images: Path, out: Path, **values: Any) -> TrainConfig:
    """A run of a second or less."""
    settings = {"scheme": "mmsi-sin-in", "model": "test_resnet", "epochs": 2, "batch_size": 4, "size": 32, "lr": 0.01}
    return configure(TrainConfig, data=images, out=out, **{"device": "cpu", **settings, **values})


def rows(out: Path) -> list[dict[str, str]]:
    """The log without the columns that tell the time."""
    with (out / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k not in WALL_CLOCK} for row in csv.DictReader(file)]


def numbers(out: Path) -> list[dict[str, float]]:
    """The log's numbers."""
    return [{k: float(v) for k, v in row.items() if v and k != "phase"} for row in rows(out)]


def weights(out: Path, name: str = "model") -> dict[str, torch.Tensor]:
    """The tensors of a run's file (the file itself differs: its header carries the run's name)."""
    return load_file(out / f"{name}.safetensors")


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether they are the same bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of two sets of tensors."""
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)
