"""Training samples of segmentation: image and mask scaled, cut, mirrored together, keyed by (seed, epoch, sample)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc_masks import IGNORED, load_mask
from shapebias.data.samplers import Key
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError

SCALES = (0.5, 2.0)


@dataclass
class SegmentationBatch:
    """What one step trains on: ``images`` (N, 3, S, S) and ``labels`` (N, S, S) int64, 255 where none counts."""

    images: Tensor
    labels: Tensor
    unreadable: list[str]

    def to(self, device: torch.device, memory_format: torch.memory_format = torch.channels_last) -> SegmentationBatch:
        """The batch on ``device``, images in ``memory_format``."""
        images = self.images.to(device, non_blocking=True, memory_format=memory_format)
        return SegmentationBatch(images, self.labels.to(device, non_blocking=True), self.unreadable)

    def tensors(self) -> dict[str, Tensor]:
        """Images and labels."""
        return {"images": self.images, "labels": self.labels}

    def pin_memory(self) -> SegmentationBatch:
        """Used by the loader, so that copies to a GPU overlap with its work."""
        return SegmentationBatch(self.images.pin_memory(), self.labels.pin_memory(), self.unreadable)


@dataclass(frozen=True)
class Window:
    """A square of ``size`` pixels, laid on an image scaled to ``scaled`` (width, height), and whether to mirror it.

    ``corner`` is the square's upper left corner on the scaled image, negative where it reaches over the edge.
    """

    scaled: tuple[int, int]
    corner: tuple[int, int]
    size: int
    flip: bool

    def __call__(self, image: Image.Image, kind: Image.Resampling, fill: int | tuple[int, ...]) -> Image.Image:
        """What the square shows of ``image``, with ``fill`` beyond its edge."""
        (width, height), (x, y) = self.scaled, self.corner
        left, top, right, bottom = max(x, 0), max(y, 0), min(x + self.size, width), min(y + self.size, height)
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, min(right * across, image.width), min(bottom * down, image.height))
        part = image.resize((right - left, bottom - top), kind, box=box)
        shown = Image.new(image.mode, (self.size, self.size), fill)
        shown.paste(part, (left - x, top - y))
        return shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.flip else shown


def random_window(width: int, height: int, size: int, rng: np.random.Generator) -> Window:
    """A window on an image scaled by .5 to 2, anywhere on it, mirrored half the time.

    Along a side that the scaled image falls short of, the whole of it is shown, anywhere in the window.
    """
    scale = rng.uniform(*SCALES)
    scaled = max(1, round(width * scale)), max(1, round(height * scale))
    x, y = (int(rng.integers(min(0, side - size), max(0, side - size) + 1)) for side in scaled)
    return Window(scaled, (x, y), size, bool(rng.random() < 0.5))


class SegmentationSamples(Dataset[tuple[Tensor, Tensor, str]]):
    """Maps (epoch, index) to image (3, S, S), labels (S, S) and the reason why the image is another's, or "".

    The next readable image stands in for an unreadable one.

    Args:
        images: with their masks.
        size: side of the windows.
        fill: the colour in [0, 1] beyond an image's edge; the labels there are 255.
        seed: with the epoch and the index it fixes the sample.
    """

    def __init__(self, images: ImageSet, *, size: int, fill: Sequence[float], seed: int = 0) -> None:
        self.images, self.size, self.seed = images, size, seed
        self.fill = tuple(round(255 * value) for value in fill)

    def __len__(self) -> int:
        return len(self.images)

    def files(self, keys: Sequence[Key]) -> list[str]:
        """The images' files."""
        return [str(self.images.paths[index]) for _, index in keys]

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor, str]:
        epoch, index = key
        rng = np.random.default_rng((self.seed, epoch, index))
        unreadable = ""
        for step in range(len(self)):
            number = (index + step) % len(self)
            try:
                image = load_rgb(self.images.paths[number])
            except UnreadableImage as error:
                unreadable = unreadable or str(error)
                continue
            mask = Image.fromarray(load_mask(self.images.masks[number], image.size))
            window = random_window(image.width, image.height, self.size, rng)
            shown = window(image, Image.Resampling.BILINEAR, self.fill)
            labels = np.array(window(mask, Image.Resampling.NEAREST, IGNORED), dtype=np.int64)
            return to_tensor(shown), torch.from_numpy(labels), unreadable
        raise UserError(f"none of the {len(self)} training images could be read, first {unreadable}")

    def collate(self, samples: list[tuple[Tensor, Tensor, str]]) -> SegmentationBatch:
        """Samples to a batch."""
        images, labels, reasons = zip(*samples, strict=True)
        return SegmentationBatch(torch.stack(images), torch.stack(labels), [reason for reason in reasons if reason])
