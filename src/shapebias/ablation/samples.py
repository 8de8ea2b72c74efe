"""Training samples whose labels are vectors: an image of several classes, and its two views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from shapebias.data.folder import ImageFolder
from shapebias.data.order import Key
from shapebias.data.voc import IMAGES, MultilabelImages
from shapebias.train.samples import Batch, Sample, TrainingSamples


@dataclass
class MultilabelBatch:
    """What one step trains on: ``shown`` with its images and views, ``truth`` and ``counts`` bool (N, K)."""

    shown: Batch
    truth: Tensor
    counts: Tensor
    unreadable: list[str]

    def to(self, device: torch.device, memory_format: torch.memory_format) -> MultilabelBatch:
        """The batch on ``device``, images in ``memory_format``."""
        truth, counts = (part.to(device, non_blocking=True) for part in (self.truth, self.counts))
        return MultilabelBatch(self.shown.to(device, memory_format), truth, counts, self.unreadable)

    def tensors(self) -> dict[str, Tensor]:
        """Those of the images and views, the images' rows as ``labels``, ``truth`` and ``counts``."""
        return {**self.shown.tensors(), "truth": self.truth, "counts": self.counts}

    def pin_memory(self) -> MultilabelBatch:
        """Used by the loader, so that copies to a GPU overlap with its work."""
        truth, counts = self.truth.pin_memory(), self.counts.pin_memory()
        return MultilabelBatch(self.shown.pin_memory(), truth, counts, self.unreadable)


class MultilabelSamples:
    """Maps (epoch, index) to a sample as ``TrainingSamples`` does, from images of several classes.

    Args:
        images: the natural images with their classes.
        size: side of the square crops.
        views: stylized views per image.
        styles: how many styles there are to draw from, when stylizing in the step.
        stylized: folder of ready copies of the images' folder, or None.
        min_crop: smallest area of a crop, as a fraction.
        seed: with the epoch and the index it fixes the sample.

    Raises:
        UserError: fewer styles than views, or a folder of copies of other images.
    """

    def __init__(
        self,
        images: MultilabelImages,
        *,
        size: int,
        views: int,
        styles: int,
        stylized: Path | None,
        min_crop: float,
        seed: int,
    ) -> None:
        self.truth, self.counts = torch.from_numpy(images.truth), torch.from_numpy(images.counts)
        self.samples = TrainingSamples(
            as_folder(images),
            size=size,
            views=views,
            styles=styles,
            stylized=stylized if views else None,
            min_crop=min_crop,
            seed=seed,
        )

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> Sample:
        return self.samples[key]

    def collate(self, samples: list[Sample]) -> MultilabelBatch:
        """Samples to a batch; a stand-in for an unreadable image brings its own classes."""
        shown = self.samples.collate(samples)
        return MultilabelBatch(shown, self.truth[shown.labels], self.counts[shown.labels], shown.unreadable)

    def files(self, keys: Sequence[Key]) -> list[str]:
        """The natural images' files."""
        return self.samples.files(keys)


def as_folder(images: MultilabelImages) -> ImageFolder:
    """The images as a folder of single labels: each one's label is its row in the truth."""
    return ImageFolder(images.root / IMAGES, images.classes, images.paths, tuple(range(len(images))))
