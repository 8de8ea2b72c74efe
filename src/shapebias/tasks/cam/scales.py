"""Class activation maps at several scales and mirrored, summed at the image's size (Ahn et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from shapebias.errors import UserError
from shapebias.tasks.cam.raw import ClassMaps

SCALES = (1.0, 0.5, 1.5, 2.0)
LARGEST_SCALE = 4.0
MULTIPLE = 32  # pixels: the stride of most networks' last maps, which then cover the image exactly
LEAST_SIZE = 32


@dataclass(frozen=True)
class CamSettings:
    """How maps are made and cut into labels.

    ``scales`` multiply the image's size, with ``flip`` each also mirrored; ``size`` is the shorter side at scale 1,
    by default each image's own. A class is labelled where its normalised map is above ``threshold``.
    """

    scales: tuple[float, ...] = SCALES
    flip: bool = True
    threshold: float = 0.15
    size: int | None = None

    def __post_init__(self) -> None:
        if not self.scales:
            raise UserError("--scales names none: give numbers separated by commas, such as 1,.5,1.5,2")
        for scale in self.scales:
            if not (math.isfinite(scale) and 0 < scale <= LARGEST_SCALE):
                raise UserError(f"--scales {scale:g} is out of range: give more than 0 and at most {LARGEST_SCALE:g}")
        if len(set(self.scales)) < len(self.scales):
            raise UserError("--scales names one twice: give each once")
        if not 0 <= self.threshold <= 1:  # NaN too
            raise UserError(f"--threshold must lie between 0 and 1, not {self.threshold:g}")
        if self.size is not None and self.size < LEAST_SIZE:
            raise UserError(f"--size must be at least {LEAST_SIZE} pixels, not {self.size}")

    @property
    def kind(self) -> str:
        """ "multi" for the protocol's scales, "single" for the image as it is, else what was chosen.

        >>> CamSettings().kind, CamSettings(scales=(1.0,), flip=False).kind, CamSettings(scales=(1.0, 2.0)).kind
        ('multi', 'single', '1,2 flipped')
        """
        if self.flip and sorted(self.scales) == sorted(SCALES):
            return "multi"
        if not self.flip and self.scales == (1.0,):
            return "single"
        return ",".join(f"{scale:g}" for scale in self.scales) + (" flipped" if self.flip else "")

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {**asdict(self), "scales": list(self.scales)}


def summed_cams(maps: ClassMaps, image: Tensor, classes: Sequence[int], settings: CamSettings) -> Tensor:
    """The sum over scales, and mirrored images, of the rectified maps of ``classes``: (k, H, W), 0 or more.

    The image is resized (bicubic, antialiased) and padded at its right and lower edge to multiples of 32 pixels with
    the network's mean colour, never cropped; maps are enlarged bilinearly and what covers the padding is cut off.

    Args:
        maps: the network.
        image: float RGB (3, H, W) in [0, 1], on the network's device.
        classes: outputs of the network.
        settings: scales, mirroring and size; the threshold is not used.
    """
    height, width = image.shape[1:]
    total = torch.zeros(len(classes), height, width, device=image.device)
    if not classes:
        return total
    for scale in settings.scales:
        scaled = resized(image, scale, settings.size)
        batch = torch.stack([scaled, scaled.flip(2)]) if settings.flip else scaled[None]
        cams = covering(maps(padded(batch, maps.model.mean), classes).relu(), scaled.shape[1:], (height, width))
        total += cams[0]
        if settings.flip:
            total += cams[1].flip(2)
    return total


def resized(image: Tensor, scale: float, size: int | None) -> Tensor:
    """``image`` (3, H, W) at ``scale``, where its shorter side is ``size`` pixels (None: its own) at scale 1."""
    height, width = image.shape[1:]
    factor = scale * (1.0 if size is None else size / min(height, width))
    wanted = (max(1, round(height * factor)), max(1, round(width * factor)))
    if wanted == (height, width):
        return image
    return functional.interpolate(image[None], wanted, mode="bicubic", antialias=True)[0].clamp(0, 1)


def padded(images: Tensor, colour: Tensor, least: int = MULTIPLE) -> Tensor:
    """``images`` (N, 3, H, W) with ``colour`` to the right and below, to multiples of 32 pixels and ``least``."""
    count, channels, height, width = images.shape
    whole = (max(least, math.ceil(side / MULTIPLE) * MULTIPLE) for side in (height, width))
    found = colour.to(images).expand(count, channels, *whole).clone()
    found[:, :, :height, :width] = images
    return found


def covering(cams: Tensor, seen: Sequence[int], wanted: tuple[int, int]) -> Tensor:
    """Maps (N, k, h, w) of padded images at the ``wanted`` size of the image itself, of which ``seen`` was shown.

    ``seen`` and ``wanted`` are heights and widths in pixels; the padded image had ``seen`` rounded up to 32.
    """
    whole = [
        max(side, round(math.ceil(shown / MULTIPLE) * MULTIPLE * side / shown))
        for shown, side in zip(seen, wanted, strict=True)
    ]
    enlarged = functional.interpolate(cams, whole, mode="bilinear", align_corners=False)
    return enlarged[:, :, : wanted[0], : wanted[1]]
