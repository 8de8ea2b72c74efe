"""From a decoded image to a tensor: random and central crops, and the preprocessing that models are evaluated with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

LONGEST_ASPECT = 16
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Crop:
    """A box in fractions of width and height (left, top, right, bottom), and whether to mirror.

    In fractions, it cuts the same part out of an image and of its stylized copies of another size.
    """

    box: tuple[float, float, float, float]
    flip: bool = False

    def __call__(self, image: Image.Image, size: int) -> Image.Image:
        """Cut the box out of ``image`` and resize it to ``size`` x ``size`` in one bicubic step."""
        width, height = image.size
        left, top, right, bottom = self.box
        box = (left * width, top * height, right * width, bottom * height)
        if image.size != (size, size) or self.box != (0.0, 0.0, 1.0, 1.0):
            image = image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.flip else image


def random_crop(
    width: int,
    height: int,
    rng: np.random.Generator,
    *,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> Crop:
    """A crop of random area and aspect, mirrored half the time, as in the usual ImageNet recipes.

    Ten tries to fit the drawn aspect into the image, then the largest central square.
    """
    flip = bool(rng.random() < 0.5)
    for _ in range(10):
        area = width * height * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
        w, h = math.sqrt(area * aspect) / width, math.sqrt(area / aspect) / height
        if w <= 1 and h <= 1:
            left, top = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
            return Crop((left, top, left + w, top + h), flip)
    return Crop(centre_crop(width, height).box, flip)


def centre_crop(width: int, height: int, *, fraction: float = 1.0) -> Crop:
    """The central square, ``fraction`` of the shorter side; .875 is ImageNet's "resize 256, crop 224"."""
    side = min(width, height) * fraction
    w, h = side / width, side / height
    return Crop(((1 - w) / 2, (1 - h) / 2, (1 + w) / 2, (1 + h) / 2))


def pad_to_multiple(images: Tensor, multiple: int, colour: Tensor, *, least: int = 0) -> Tensor:
    """Pad (N, 3, H, W) with ``colour`` at the right and below, to a ``multiple`` of pixels and at least ``least``."""
    count, channels, height, width = images.shape
    sides = (max(least, math.ceil(side / multiple) * multiple) for side in (height, width))
    padded = colour.to(images).expand(count, channels, *sides).clone()
    padded[:, :, :height, :width] = images
    return padded


def to_tensor(image: Image.Image) -> Tensor:
    """Return an RGB image as float32 (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).float().div_(255)


def to_image(tensor: Tensor) -> Image.Image:
    """Return a (3, H, W) tensor in [0, 1] as an RGB image of 8 bits."""
    array = tensor.detach().float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
    return Image.fromarray(array.cpu().contiguous().numpy())


@dataclass(frozen=True)
class Preprocessing:
    """The images that a model expects: the shorter side resized to ``size / crop``, the centre cut out."""

    size: int = 224
    crop: float = 0.875
    interpolation: str = "bilinear"

    def __call__(self, image: Image.Image) -> Tensor:
        """Return a PIL RGB image as float32 (3, size, size) in [0, 1]."""
        short = int(self.size / self.crop + 1e-6)
        width, height = image.size
        longest = LONGEST_ASPECT * min(width, height)
        if max(width, height) > longest:  # a strip of pixels would be enlarged to a huge image
            width, height = min(width, longest), min(height, longest)
            image = ImageOps.fit(image, (width, height))
        scale = short / min(width, height)
        wanted = (max(self.size, int(width * scale + 1e-6)), max(self.size, int(height * scale + 1e-6)))
        if image.size != wanted:
            image = image.resize(wanted, RESAMPLING[self.interpolation])
        left, top = round((wanted[0] - self.size) / 2), round((wanted[1] - self.size) / 2)
        return to_tensor(image.crop((left, top, left + self.size, top + self.size)))


@dataclass(frozen=True)
class Squashed(Preprocessing):
    """timm's crop mode "squash": both sides resized to ``size / crop``, whatever the aspect; the centre cut out."""

    crop_mode: str = "squash"

    def __call__(self, image: Image.Image) -> Tensor:
        """Return a PIL RGB image as float32 (3, size, size) in [0, 1]."""
        side = int(self.size / self.crop + 1e-6)
        if image.size != (side, side):
            image = image.resize((side, side), RESAMPLING[self.interpolation])
        left = round((side - self.size) / 2)
        return to_tensor(image.crop((left, left, left + self.size, left + self.size)))
