"""Training samples: an image and its views, every random choice keyed by (seed, epoch, sample)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from shapebias.data.decode import UnreadableImage, image_size, load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.samplers import Key
from shapebias.data.transforms import random_crop, to_tensor
from shapebias.errors import UserError
from shapebias.stylize.bank import draw_styles
from shapebias.stylize.folder import stylized_views, view_path


@dataclass
class Batch:
    """What one step trains on.

    ``images`` (N, 3, S, S), or None where neither the network nor a stylizer is to see them; ``labels`` (N,);
    ``views`` (V * N, 3, S, S) view after view where they come from a folder, else None; ``styles`` (V * N,) the
    styles drawn, for stylizing in the step, else None.
    """

    images: Tensor | None
    labels: Tensor
    views: Tensor | None
    styles: Tensor | None
    unreadable: list[str]

    def to(self, device: torch.device, memory_format: torch.memory_format = torch.channels_last) -> Batch:
        """The batch on ``device``, images in ``memory_format``."""

        def place(images: Tensor | None) -> Tensor | None:
            if images is None:
                return None
            return images.to(device, non_blocking=True, memory_format=memory_format)

        styles = None if self.styles is None else self.styles.to(device, non_blocking=True)
        labels = self.labels.to(device, non_blocking=True)
        return Batch(place(self.images), labels, place(self.views), styles, self.unreadable)

    def tensors(self) -> dict[str, Tensor]:
        """Images, labels, views or the numbers of the styles, those there are."""
        found = {name: getattr(self, name) for name in ("images", "labels", "views", "styles")}
        return {name: value for name, value in found.items() if value is not None}

    def pin_memory(self) -> Batch:
        """Used by the loader, so that copies to a GPU overlap with its work."""
        for name, value in self.tensors().items():
            setattr(self, name, value.pin_memory())
        return self


@dataclass
class Sample:
    """One image with its label; its views or the numbers of its styles; and the file, if it was unreadable."""

    image: Tensor | None
    label: int
    views: list[Tensor]
    styles: np.ndarray
    unreadable: str = ""


class TrainingSamples(Dataset[Sample]):
    """Maps (epoch, index) to a sample. Image and views share one crop, so that they share the shape.

    The next readable image stands in for an unreadable one, which the sample names.

    Args:
        folder: the natural images.
        size: side of the square crops.
        views: stylized views per image.
        styles: how many styles there are to draw from, when stylizing in the step.
        stylized: folder of ready stylized copies, or None.
        min_crop: smallest area of a crop, as a fraction.
        natural: whether the network is shown the natural images too; without, ready views alone are decoded.
        seed: with the epoch and the index it fixes the sample.

    Raises:
        UserError: fewer styles than views, or a folder of copies of other images.
    """

    def __init__(
        self,
        folder: ImageSet,
        *,
        size: int,
        views: int = 0,
        styles: int = 0,
        stylized: Path | None = None,
        min_crop: float = 0.25,
        natural: bool = True,
        seed: int = 0,
    ) -> None:
        self.natural = natural or stylized is None
        self.folder, self.size, self.views, self.seed = folder, size, views, seed
        self.stylized, self.min_crop = stylized, min_crop
        self.copies = stylized_views(stylized) if stylized and views else styles
        if self.copies < views:
            raise UserError(
                f"{views} different styles are needed per image but only {self.copies} are there: add styles"
            )
        if stylized and views and not any(view_path(stylized, folder.root, p, 0).exists() for p in folder.paths):
            raise UserError(f"{stylized} holds no copies of the images in {folder.root}: stylize these")

    def __len__(self) -> int:
        return len(self.folder)

    def files(self, keys: Sequence[Key]) -> list[str]:
        """The natural images' files."""
        return [str(self.folder.paths[index]) for _, index in keys]

    def __getitem__(self, key: Key) -> Sample:
        epoch, index = key
        rng = np.random.default_rng((self.seed, epoch, index))
        unreadable = ""
        for step in range(len(self.folder)):
            number = (index + step) % len(self.folder)
            try:
                sample = self._make(number, rng)
            except UnreadableImage as error:
                unreadable = unreadable or str(error)
            else:
                sample.unreadable = unreadable
                return sample
        raise UserError(f"none of the {len(self.folder)} training images could be read, first {unreadable}")

    def _make(self, number: int, rng: np.random.Generator) -> Sample:
        path = self.folder.paths[number]
        image = load_rgb(path) if self.natural else None
        width, height = image.size if image else image_size(path)
        crop = random_crop(width, height, rng, scale=(self.min_crop, 1.0))
        styles = draw_styles(rng, self.copies, self.views) if self.views else np.empty(0, dtype=np.int64)
        views = []
        if self.stylized is not None:
            copies = [view_path(self.stylized, self.folder.root, path, int(style)) for style in styles]
            views = [to_tensor(crop(load_rgb(copy), self.size)) for copy in copies]
        return Sample(
            to_tensor(crop(image, self.size)) if image else None, int(self.folder.targets[number]), views, styles
        )

    def collate(self, samples: list[Sample]) -> Batch:
        """Samples to a batch, views after one another: all first views, then all second ones."""
        views = styles = None
        if self.views and self.stylized is not None:
            views = torch.stack([sample.views[v] for v in range(self.views) for sample in samples])
        elif self.views:
            styles = torch.from_numpy(np.stack([sample.styles for sample in samples], axis=1).reshape(-1))
        return Batch(
            images=torch.stack([s.image for s in samples if s.image is not None]) if self.natural else None,
            labels=torch.tensor([sample.label for sample in samples]),
            views=views,
            styles=styles,
            unreadable=[sample.unreadable for sample in samples if sample.unreadable],
        )
