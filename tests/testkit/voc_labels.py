"""A small VOC2012 with objects and masks, and classifiers of its classes, for the tests of pseudo-labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.readers.voc_masks import save_mask
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import save_classifier
from shapebias.models.classifier import Identity
from shapebias.tasks.cam.multiscale import CamSettings
from testkit.images import noise_image

SIZE = (44, 36)
OBJECTS = {"a1": ["cat", "person"], "a2": ["dog"], "a3": ["cat"], "a4": [], "b1": ["bird"]}  # b1 has no mask
FAST = CamSettings(scales=(1.0, 0.5))


def write_voc(root: Path) -> Path:
    """Five images of VOC2012: one without objects, one without a mask, the cat of a3 difficult; returns ``root``."""
    folder = root / "VOC2012"
    (folder / "Annotations").mkdir(parents=True)
    for seed, (name, objects) in enumerate(OBJECTS.items()):
        noise_image(folder / "JPEGImages" / f"{name}.jpg", seed, size=SIZE)
        each = "".join(f"<object><name>{o}</name><difficult>{int(name == 'a3')}</difficult></object>" for o in objects)
        (folder / "Annotations" / f"{name}.xml").write_text(f"<annotation>{each}</annotation>")
        if name != "b1":
            numbers = [0, 255, *(VOC_CLASSES.index(o) + 1 for o in objects)]
            drawn = np.random.default_rng(seed).choice(numbers, (SIZE[1] // 4, SIZE[0] // 4)).astype(np.uint8)
            save_mask(folder / "SegmentationClass" / f"{name}.png", drawn.repeat(4, 0).repeat(4, 1))
    for task, names in (("Segmentation", list(OBJECTS)), ("Main", ["a2", "b1"])):
        (folder / "ImageSets" / task).mkdir(parents=True)
        (folder / "ImageSets" / task / "train.txt").write_text("\n".join(names) + "\n")
    (folder / "ImageSets/Main/other.txt").write_text("b1\n")
    return root


def save_model(
    path: Path, seed: int = 0, classes: Sequence[str] = VOC_CLASSES, architecture: str = "test_resnet"
) -> Path:
    """Save a classifier of random weights by ``seed`` as ``path/model.safetensors``; returns ``path``."""
    torch.manual_seed(seed)
    identity = Identity(path.name, path.name, architecture, tuple(classes))
    save_classifier(path / "model.safetensors", build_classifier(architecture, identity, size=32))
    return path


def save_seeds(folder: Path, seeds: dict[int, int], task: str = "voc12", **options: Any) -> Path:
    """Save trainings by seed as ``transfer`` leaves them in ``folder/TASK``, each drawn by a number of its own."""
    for seed, draw in seeds.items():
        save_model(folder / task / f"seed-{seed}", seed=draw, **options)
        (folder / task / f"seed-{seed}" / "run.json").write_text(
            json.dumps({"schema": "shapebias/run/1", "name": "x", "task": task, "seed": seed})
        )
    return folder / task
