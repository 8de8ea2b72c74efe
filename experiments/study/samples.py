"""Views by ordinary augmentation in the place of styles: the control that tells what two *styles* are for."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor

from shapebias.data.decode import load_rgb
from shapebias.data.transforms import random_crop, to_tensor
from shapebias.train.samples import Sample, TrainingSamples

JITTER = 0.8  # SimCLR's strength: factors from 1 - 0.8 to 1 + 0.8
HUE = 0.2
GREY = 0.2
BLUR = 0.5


class AugmentedSamples(TrainingSamples):
    """Samples whose views are other crops of the image with other colours (as SimCLR's, Chen et al. 2020).

    With ``what`` "natural" there are no views and the natural image itself is augmented (Hermann et al. 2020).
    """

    def __init__(self, *args: Any, what: Literal["views", "natural"], **settings: Any) -> None:
        views = settings.pop("views", 0)
        super().__init__(*args, **settings, views=0)
        self.what, self.views = what, views

    def make(self, number: int, rng: np.random.Generator) -> Sample:
        """Return the crop of one image with its target, and its augmented views."""
        image = load_rgb(self.images.paths[number])

        def crop() -> Image.Image:
            return random_crop(*image.size, rng, scale=(self.min_crop, 1.0))(image, self.size)

        if self.what == "natural":
            return Sample(augmented(crop(), rng), self.targets[number])
        shown = to_tensor(crop())
        return Sample(shown, self.targets[number], [augmented(crop(), rng) for _ in range(self.views)])


def augmented(image: Image.Image, rng: np.random.Generator) -> Tensor:
    """Return an image with its brightness, contrast, saturation and hue changed, perhaps blurred or grey, (3, S, S)."""
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(float(rng.uniform(1 - JITTER, 1 + JITTER)))
    hue, saturation, value = image.convert("HSV").split()
    shift = round(float(rng.uniform(-HUE, HUE)) * 255)
    hue = Image.fromarray(((np.asarray(hue, dtype=np.int16) + shift) % 256).astype(np.uint8))
    image = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    if rng.random() < GREY:
        image = image.convert("L").convert("RGB")
    if rng.random() < BLUR:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.1, 1.0))))
    return torch.clamp(to_tensor(image), 0, 1)
