"""Pixel labels from class activation maps at several scales, with mirroring (Ahn et al. 2019).

The rectified maps of each class are resized to the image, summed, and divided by their maximum. A pixel is labelled
with the class of the highest map if that is above a constant background score. The maps have the model's own stride (32
pixels for a ResNet); the published protocol's ResNet-50 has 16, so that its maps are finer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from shapebias.data.transforms import pad_to_multiple
from shapebias.errors import UserError, check_at_least, check_between
from shapebias.tasks.cam.class_maps import ClassMaps

SCALES = (1.0, 0.5, 1.5, 2.0)
LARGEST_SCALE = 4.0
MULTIPLE = 32  # pixels: the stride of most models' last feature maps, which then cover the image exactly
LEAST_SIZE = 32
EPSILON = 1e-5  # added to a map's maximum before dividing by it


@dataclass(frozen=True)
class CamSettings:
    """Settings of class activation maps and their labels.

    Attributes:
        scales: factors of the image size.
        flip: whether each scale is also mirrored.
        threshold: a class is labelled where its normalised map is above this.
        size: shorter side of the image in pixels at scale 1; None for the image's own.
    """

    scales: tuple[float, ...] = SCALES
    flip: bool = True
    threshold: float = 0.15
    size: int | None = None

    def __post_init__(self) -> None:
        if not self.scales:
            raise UserError("--scales is empty: give numbers separated by commas, such as 1,.5,1.5,2")
        for scale in self.scales:
            if not (math.isfinite(scale) and 0 < scale <= LARGEST_SCALE):
                raise UserError(f"--scales {scale:g} is out of range: give more than 0 and at most {LARGEST_SCALE:g}")
        if len(set(self.scales)) < len(self.scales):
            raise UserError("--scales names one twice: give each once")
        check_between(0, 1, threshold=self.threshold)
        if self.size is not None:
            check_at_least(LEAST_SIZE, size=self.size)

    @property
    def kind(self) -> str:
        """Name of the scales: "multi" for the protocol's, "single" for the image as it is, else the list of scales.

        >>> CamSettings().kind, CamSettings(scales=(1.0,), flip=False).kind, CamSettings(scales=(1.0, 2.0)).kind
        ('multi', 'single', '1,2 flipped')
        """
        if self.flip and sorted(self.scales) == sorted(SCALES):
            return "multi"
        if not self.flip and self.scales == (1.0,):
            return "single"
        return ",".join(f"{scale:g}" for scale in self.scales) + (" flipped" if self.flip else "")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON."""
        return {**asdict(self), "scales": list(self.scales)}


def summed_cams(maps: ClassMaps, image: Tensor, classes: Sequence[int], settings: CamSettings) -> Tensor:
    """Return the rectified maps of ``classes``, summed over scales and mirrored images: (k, H, W), 0 or more.

    The image is resized (bicubic, antialiased), not cropped, and padded at the right and bottom to multiples of 32
    pixels with the model's mean colour. Maps are resized bilinearly, and the part over the padding is removed.

    Args:
        maps: the model with its class maps.
        image: float RGB (3, H, W) in [0, 1], on the model's device.
        classes: output numbers of the model.
        settings: scales, mirroring and size; the threshold is not used.
    """
    height, width = image.shape[1:]
    total = torch.zeros(len(classes), height, width, device=image.device)
    if not classes:
        return total
    for scale in settings.scales:
        scaled = resize(image, scale, settings.size)
        batch = torch.stack([scaled, scaled.flip(2)]) if settings.flip else scaled[None]
        raw = maps(pad_to_multiple(batch, MULTIPLE, maps.model.mean), classes)
        cams = resize_cams(raw.relu(), scaled.shape[1:], (height, width))
        total += cams[0]
        if settings.flip:
            total += cams[1].flip(2)
    return total


def resize(image: Tensor, scale: float, size: int | None) -> Tensor:
    """Resize ``image`` (3, H, W) by ``scale``, relative to a shorter side of ``size`` pixels (None: its own)."""
    height, width = image.shape[1:]
    factor = scale * (1.0 if size is None else size / min(height, width))
    wanted = (max(1, round(height * factor)), max(1, round(width * factor)))
    if wanted == (height, width):
        return image
    return functional.interpolate(image[None], wanted, mode="bicubic", antialias=True)[0].clamp(0, 1)


def resize_cams(cams: Tensor, seen: Sequence[int], size: tuple[int, int]) -> Tensor:
    """Resize maps (N, k, h, w) of a padded image to the ``size`` of the original image, without the padding.

    ``seen`` is the height and width of the image in pixels before padding to multiples of 32.
    """
    whole = [
        max(side, round(math.ceil(shown / MULTIPLE) * MULTIPLE * side / shown))
        for shown, side in zip(seen, size, strict=True)
    ]
    enlarged = functional.interpolate(cams, whole, mode="bilinear", align_corners=False)
    return enlarged[:, :, : size[0], : size[1]]


def normalise(cams: Tensor) -> Tensor:
    """Divide each non-negative map of ``cams`` (k, H, W) by its maximum + 1e-5, which gives values in [0, 1)."""
    return cams / (cams.amax((1, 2), keepdim=True) + EPSILON) if len(cams) else cams


def best_classes(cams: Tensor, classes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the best class of every pixel and its normalised score.

    Args:
        cams: (k, H, W), as ``summed_cams`` returns them.
        classes: the k class numbers, as in masks, from 1 and in ascending order.

    Returns:
        Class numbers (H, W) uint8 and scores (H, W) float32. The lowest class number wins ties. Without classes, all
        pixels have class 0 and score 0.
    """
    if not classes:
        shape = tuple(cams.shape[1:])
        return np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.float32)
    scores, first = normalise(cams).max(0)
    numbers = torch.tensor(classes, dtype=torch.uint8, device=first.device)
    return numbers[first].cpu().numpy(), scores.cpu().numpy()


def apply_threshold(labels: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Return the best class of each pixel if its score is above ``threshold``, else 0 for background."""
    return np.where(scores.astype(np.float64) > threshold, labels, 0).astype(np.uint8)
