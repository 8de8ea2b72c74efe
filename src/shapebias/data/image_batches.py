"""Images for measuring: decoded, resized and centre-cropped as a network wants them, in fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.transforms import to_tensor
from shapebias.data.workers import ignore_signals
from shapebias.errors import UserError

LONGEST_ASPECT = 16
_RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Preprocessing:
    """How a network wants its images: the shorter side resized to ``size / crop``, the centre cut out."""

    size: int = 224
    crop: float = 0.875
    interpolation: str = "bilinear"

    def __call__(self, image: Image.Image) -> Tensor:
        """A PIL RGB image as float32 (3, size, size) in [0, 1]."""
        short = int(self.size / self.crop + 1e-6)
        width, height = image.size
        longest = LONGEST_ASPECT * min(width, height)
        if max(width, height) > longest:  # a thread of pixels would be blown up to a huge picture
            width, height = min(width, longest), min(height, longest)
            image = ImageOps.fit(image, (width, height))
        scale = short / min(width, height)
        wanted = (max(self.size, int(width * scale + 1e-6)), max(self.size, int(height * scale + 1e-6)))
        if image.size != wanted:
            image = image.resize(wanted, _RESAMPLING[self.interpolation])
        left, top = round((wanted[0] - self.size) / 2), round((wanted[1] - self.size) / 2)
        return to_tensor(image.crop((left, top, left + self.size, top + self.size)))


class _Decoded(Dataset[tuple[int, Tensor | None, str]]):
    def __init__(self, paths: Sequence[Path], preprocessing: Preprocessing) -> None:
        self.paths, self.preprocessing = paths, preprocessing

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[int, Tensor | None, str]:
        try:
            return index, self.preprocessing(load_rgb(self.paths[index])), ""
        except UnreadableImage as error:
            return index, None, str(error)


class ImageBatches:
    """Batches of (indices, images) over ``paths``; unreadable files are left out and listed.

    After iterating, ``unreadable`` names them, one "path: reason" each.

    Raises:
        UserError: while iterating, at an unreadable image under ``strict``, or if none was readable.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        workers: int = 0,
        strict: bool = False,
    ) -> None:
        self.paths, self.strict, self.unreadable = paths, strict, list[str]()
        self.loader = DataLoader(
            _Decoded(paths, preprocessing),
            batch_size=batch_size,
            num_workers=workers,
            collate_fn=list,
            worker_init_fn=ignore_signals,
        )

    def __iter__(self) -> Iterator[tuple[list[int], Tensor]]:
        self.unreadable = []
        for batch in self.loader:
            self.unreadable += [reason for _, image, reason in batch if image is None]
            if self.strict and self.unreadable:
                raise UserError(f"unreadable image {self.unreadable[0]} (remove it, or leave out --strict)")
            good = [(index, image) for index, image, _ in batch if image is not None]
            if good:
                yield [index for index, _ in good], torch.stack([image for _, image in good])
        if len(self.unreadable) == len(self.paths):
            raise UserError(f"none of the {len(self.paths)} images could be read, first {self.unreadable[0]}")
