"""Training samples: images with their targets and views; random choices depend only on (seed, epoch, sample)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from shapebias.data.decode import UnreadableImage, image_size, load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.loaders import Key
from shapebias.data.transforms import random_crop, to_tensor
from shapebias.errors import UserError
from shapebias.stats.streams import Draw, stream
from shapebias.stylize.bank import draw_styles
from shapebias.stylize.folder import copies_format, stylized_views, view_path

KEPT_BYTES = 512_000_000
BYTES_PER_PIXEL = 4  # of Pillow's RGB images


@dataclass
class Batch:
    """The samples of one step, or of one accumulation step.

    Attributes:
        images: (N, 3, S, S), or None where neither the model nor a stylizer uses them.
        labels: (N,), (N, classes) or (N, S, S).
        views: (V * N, 3, S, S), view after view, if they are read from a folder, else None.
        styles: (V * N,), the numbers of the drawn styles if images are stylized during training, else None.
        unreadable: files that were replaced by others.
    """

    images: Tensor | None
    labels: Tensor
    views: Tensor | None = None
    styles: Tensor | None = None
    unreadable: list[str] = field(default_factory=list[str])

    def to(self, device: torch.device, memory_format: torch.memory_format = torch.channels_last) -> Batch:
        """Return the batch on ``device``, images in ``memory_format``."""

        def place(images: Tensor | None) -> Tensor | None:
            if images is None:
                return None
            return images.to(device, non_blocking=True, memory_format=memory_format)

        styles = None if self.styles is None else self.styles.to(device, non_blocking=True)
        labels = self.labels.to(device, non_blocking=True)
        return Batch(place(self.images), labels, place(self.views), styles, self.unreadable)

    def tensors(self) -> dict[str, Tensor]:
        """Return by name those of images, labels, views and styles that are not None."""
        found = {name: getattr(self, name) for name in ("images", "labels", "views", "styles")}
        return {name: value for name, value in found.items() if value is not None}

    def pin_memory(self) -> Batch:
        """Pin the memory of all tensors, so that copies to a GPU overlap with its work; the data loader calls this."""
        for name, value in self.tensors().items():
            setattr(self, name, value.pin_memory())
        return self


@dataclass
class Sample:
    """One image with its target, its views or style numbers, and the name of the file it replaces if unreadable."""

    image: Tensor | None
    label: Tensor
    views: list[Tensor] = field(default_factory=list[Tensor])
    styles: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    unreadable: str = ""


class Samples(Dataset[Sample]):
    """Map (epoch, index) to a sample; the same key always gives the same sample.

    An unreadable image is replaced by the next readable one, and the sample names the unreadable file. Subclasses
    implement ``make``.

    Args:
        images: the training images.
        seed: with the epoch and the index it fixes the sample.
    """

    def __init__(self, images: ImageSet, *, seed: int = 0) -> None:
        self.images, self.seed = images, seed

    def __len__(self) -> int:
        return len(self.images)

    def files(self, keys: Sequence[Key]) -> list[str]:
        """Return the image files of the samples."""
        return [str(self.images.paths[index]) for _, index in keys]

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        rng = stream(Draw.SAMPLE, self.seed, epoch, index)
        unreadable = ""
        for step in range(len(self)):
            try:
                sample = self.make((index + step) % len(self), rng)
            except UnreadableImage as error:
                unreadable = unreadable or str(error)
            else:
                sample.unreadable = unreadable
                return sample
        raise UserError(
            f"none of the {len(self)} training images could be read (the first: {unreadable}): replace the files"
        )

    def make(self, number: int, rng: np.random.Generator) -> Sample:
        """Return a sample of one image, with random choices drawn from ``rng``.

        Raises:
            UnreadableImage: the file cannot be read.
        """
        raise NotImplementedError

    def collate(self, samples: list[Sample]) -> Batch:
        """Return the samples as a batch, with all first views followed by all second views."""
        images = [sample.image for sample in samples if sample.image is not None]
        views = [sample.views[view] for view in range(len(samples[0].views)) for sample in samples]
        styles = np.stack([sample.styles for sample in samples], axis=1).reshape(-1)
        return Batch(
            images=torch.stack(images) if images else None,
            labels=torch.stack([sample.label for sample in samples]),
            views=torch.stack(views) if views else None,
            styles=torch.from_numpy(styles) if len(styles) and not views else None,
            unreadable=[sample.unreadable for sample in samples if sample.unreadable],
        )


class Decoded:
    """Decoded images, kept in memory up to ``limit`` bytes: small data sets are decoded once, not every epoch.

    Every process that decodes has its own. An image that is kept is not read again, even if its file changes.
    """

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self.left, self.images = limit, dict[str, Image.Image]()

    def __call__(self, path: Path) -> Image.Image:
        """Return the RGB image in the file ``path``, which must not be changed.

        Raises:
            UnreadableImage: the file cannot be read.
        """
        name = str(path)
        image = self.images.get(name)
        if image is None:
            image = load_rgb(path)
            size = BYTES_PER_PIXEL * image.width * image.height
            if size <= self.left:
                self.left -= size
                self.images[name] = image
        return image


class TrainingSamples(Samples):
    """Random crops of images with their targets, and stylized views or the styles to make them.

    An image and its views have the same crop, so that they show the same shape.

    Args:
        images: the natural images, with targets (N,) or (N, classes).
        size: side of the square crops.
        views: stylized views per image.
        styles: number of styles to draw from when stylizing during training.
        stylized: folder of existing stylized copies, or None.
        min_crop: smallest area of a crop, as a fraction.
        natural: whether the model also sees the natural images; if not, only existing stylized copies are decoded.
        seed: with the epoch and the index it fixes the sample.

    Raises:
        UserError: there are fewer styles than views, or the stylized copies are of other images.
    """

    def __init__(
        self,
        images: ImageSet,
        *,
        size: int,
        views: int = 0,
        styles: int = 0,
        stylized: Path | None = None,
        min_crop: float = 0.25,
        natural: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(images, seed=seed)
        self.stylized = stylized if views else None
        self.natural = natural or self.stylized is None
        self.size, self.views, self.min_crop = size, views, min_crop
        self.targets = torch.from_numpy(images.targets)
        self.decoded = Decoded()
        self.copies = stylized_views(self.stylized) if self.stylized else styles
        if self.copies < views:
            raise UserError(
                f"{views} different styles are needed per image but only {self.copies} are there: add styles"
            )
        self.format = copies_format(self.stylized) if self.stylized else "png"
        first = (
            (view_path(self.stylized, images.root, p, 0, self.format) for p in images.paths) if self.stylized else ()
        )
        if self.stylized and not any(copy.exists() for copy in first):
            raise UserError(
                f"{stylized} has no stylized copies of the images in {images.root}: run 'shapebias stylize' on these"
            )

    def make(self, number: int, rng: np.random.Generator) -> Sample:
        """Return the crop of one image with its target, and its views or styles."""
        path = self.images.paths[number]
        image = self.decoded(path) if self.natural else None
        width, height = image.size if image else image_size(path)
        crop = random_crop(width, height, rng, scale=(self.min_crop, 1.0))
        styles = draw_styles(rng, self.copies, self.views) if self.views else np.empty(0, dtype=np.int64)
        views = []
        if self.stylized is not None:
            copies = [view_path(self.stylized, self.images.root, path, int(n), self.format) for n in styles]
            views = [to_tensor(crop(self.decoded(copy), self.size)) for copy in copies]
            for n, view in enumerate(views[1:], 1):
                if any(torch.equal(view, other) for other in views[:n]):
                    raise UserError(
                        f"{copies[n]} equals another stylized copy of {path}, and views must differ in style: make the "
                        "copies again, from styles without duplicates"
                    )
        shown = to_tensor(crop(image, self.size)) if image else None
        return Sample(shown, self.targets[number], views, styles)
