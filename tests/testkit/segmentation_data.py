"""A small VOC2012 for segmentation, and a network to begin with, that several test files share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from shapebias.data.readers.voc_masks import save_mask
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.state_dict import weights_sha256

SIZES = ((48, 40), (40, 52), (37, 61))  # (width, height)
COLOURS = {0: (40, 40, 40), 8: (220, 30, 30), 15: (30, 60, 230)}  # of a class's pixels in the image


def small_voc(root: Path, train: int = 6, val: int = 4) -> Path:
    """Pictures of one square each, cat or person by its colour, with masks that have a border of 255."""
    year = root / "VOCdevkit" / "VOC2012"
    names = [f"2008_{number:06}" for number in range(train + val)]
    for folder in ("JPEGImages", "ImageSets/Segmentation"):
        (year / folder).mkdir(parents=True)
    for number, name in enumerate(names):
        labels = square_labels(number)
        save_mask(year / "SegmentationClass" / f"{name}.png", labels)
        Image.fromarray(painted(labels)).save(year / "JPEGImages" / f"{name}.jpg", quality=95)
    for split, part in (("train", names[:train]), ("val", names[train:]), ("trainval", names)):
        (year / "ImageSets/Segmentation" / f"{split}.txt").write_text("".join(f"{name}\n" for name in part))
    return root


def square_labels(number: int) -> np.ndarray:
    """(height, width): a square of class 8 or 15 on the background, its left column ignored."""
    width, height = SIZES[number % len(SIZES)]
    rng = np.random.default_rng(number)
    x, y = int(rng.integers(2, width - 26)), int(rng.integers(2, height - 26))
    labels = np.zeros((height, width), dtype=np.uint8)
    labels[y : y + 24, x : x + 24] = (8, 15)[number % 2]
    labels[y : y + 24, x] = 255
    return labels


def painted(labels: np.ndarray) -> np.ndarray:
    """RGB of the labels' colours; grey where none counts."""
    image = np.full((*labels.shape, 3), 128, dtype=np.uint8)
    for number, colour in COLOURS.items():
        image[labels == number] = colour
    return image


def start(architecture: str = "test_resnet", name: str = "start", seed: int = 3) -> Classifier:
    """An untrained network of three classes."""
    library = "" if ":" in architecture else "timm:"
    identity = Identity(name, library + architecture, architecture.removeprefix("torchvision:"), ("a", "b", "c"))
    torch.manual_seed(seed)
    model = build_classifier(architecture, identity, size=64).eval()
    model.identity = Identity(
        **{**vars(identity), "weights_sha256": weights_sha256(model.network)},
    )
    return model
