"""Segment whole images at their own size, and compute the confusion matrix of each.

This does not use ``models.predict``, which needs images of equal size and returns a row of values per image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.loaders import batches_of, ignore_signals
from shapebias.data.readers.voc_masks import load_mask
from shapebias.data.transforms import pad_to_multiple, to_tensor
from shapebias.errors import UserError
from shapebias.metrics.functional.segmentation import confusion_matrix
from shapebias.progress import progress
from shapebias.tasks.segmentation.segmenter import Segmenter
from shapebias.train.checkpoints import Interruption
from shapebias.train.config import LoopConfig
from shapebias.train.distributed import everywhere


def predict(segmenter: Segmenter, image: Tensor) -> Tensor:
    """Return the class number of every pixel, (H, W) int64, of one ``image`` (3, H, W) on the segmenter's device.

    The whole image is padded at the bottom and right with the mean colour to a multiple of the stride.
    """
    height, width = image.shape[1:]
    padded = pad_to_multiple(image[None], segmenter.stride, segmenter.mean)
    return segmenter(padded)[0, :, :height, :width].argmax(0)


_Read = tuple[int, Tensor | None, np.ndarray | None, str]  # number, image, mask, reason if the image is unreadable


class _Whole(Dataset[_Read]):
    def __init__(self, images: ImageSet, chosen: Sequence[int]) -> None:
        self.images, self.chosen = images, chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, place: int) -> _Read:
        index = self.chosen[place]
        try:
            image = load_rgb(self.images.paths[index])
        except UnreadableImage as error:
            return index, None, None, str(error)
        return index, to_tensor(image), load_mask(self.images.masks[index], image.size), ""


def confusions(
    segmenter: Segmenter,
    images: ImageSet,
    chosen: Sequence[int],
    *,
    device: torch.device,
    workers: int = 0,
    strict: bool = False,
    interruption: Interruption | None = None,
    title: str = "",
    note: Callable[[Sequence[str]], None] = lambda _reasons: None,
) -> dict[int, np.ndarray]:
    """Return the confusion matrix of each readable image of ``chosen``.

    Images are segmented one at a time, at their own size. Unreadable ones are passed to ``note``. After an
    ``interruption`` it stops early. Progress is shown if there is a ``title``.

    Raises:
        UserError: a mask does not fit its image, or an image is unreadable under ``strict``.
    """
    found: dict[int, np.ndarray] = {}
    classes = len(segmenter.design.classes)
    segmenter.eval()
    with torch.inference_mode(), progress(title, total=len(chosen), shown=bool(title)) as bar:
        for [(index, image, mask, reason)] in batches_of(_loaded(images, chosen, workers)):
            if image is None or mask is None:
                if strict:
                    raise UserError(f"unreadable image {reason} (remove the file, or run without --strict)")
                note([reason])
            else:
                labels = torch.from_numpy(mask).to(device)
                found[index] = confusion_matrix(labels, predict(segmenter, image.to(device)), classes).cpu().numpy()
            bar.advance()
            if interruption and interruption.name:
                break
    return found


def _loaded(images: ImageSet, chosen: Sequence[int], workers: int) -> DataLoader[_Read]:
    return DataLoader(
        _Whole(images, chosen),
        batch_size=1,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=ignore_signals,
        generator=torch.Generator(),
    )


def shared_confusions(
    segmenter: Segmenter, images: ImageSet, fabric: Fabric, config: LoopConfig, **options: Any
) -> dict[int, np.ndarray]:
    """Return the confusion matrix of each readable image on every rank, computed by all ranks together."""
    own = range(len(images))[fabric.global_rank :: fabric.world_size]
    given: dict[str, Any] = {"device": fabric.device, "workers": config.workers, "strict": config.strict, **options}
    parts = everywhere(fabric, lambda: confusions(segmenter, images, own, **given))
    together = {index: matrix for part in parts for index, matrix in part.items()}
    return {index: together[index] for index in sorted(together)}
