"""The one loop that passes image files through a model, without gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.loaders import ImageBatches
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.models.classifier import Classifier
from shapebias.progress import progress


@dataclass(frozen=True)
class Loading:
    """Reading image files: images per batch, worker processes, and whether an unreadable file is an error."""

    batch_size: int = 64
    workers: int = 0
    strict: bool = False


@dataclass(frozen=True, eq=False)
class Predictions:
    """Values (n, ...) of the images ``rows`` (n,) that could be read; the other files as "path: reason"."""

    rows: np.ndarray
    values: np.ndarray
    unreadable: tuple[str, ...] = ()


class PredictedBatches:
    """A model's outputs batch by batch, as (rows of the images, output), in the order of the files.

    Stop iterating to stop predicting. ``unreadable`` lists the files that were skipped so far, "path: reason" each.

    Args:
        model: in evaluation mode; images are moved to its device, in the memory order of its weights.
        paths: image files.
        loading: how they are read.
        latents: ask the model for its latents too: the output is then (logits, latents of each stage).
        preprocessing: in place of the model's own.
    """

    def __init__(
        self,
        model: Classifier,
        paths: Sequence[Path],
        loading: Loading,
        *,
        latents: bool = False,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        self.model, self.latents = model, latents
        self.batches = ImageBatches(
            paths,
            preprocessing or model.preprocessing,
            batch_size=loading.batch_size,
            workers=loading.workers,
            strict=loading.strict,
        )

    @property
    def unreadable(self) -> list[str]:
        """The files that could not be read so far."""
        return self.batches.unreadable

    def __iter__(self) -> Iterator[tuple[list[int], Any]]:
        for rows, images in self.batches:
            with torch.inference_mode():
                output = self.model(self.model.place(images), latents=self.latents)
            yield rows, output


def predict(
    model: Classifier,
    paths: Sequence[Path],
    loading: Loading,
    *,
    title: str,
    read: Callable[[Any], Tensor],
    latents: bool = False,
) -> Predictions:
    """Pass images through a model, and keep what ``read`` takes from its outputs.

    Args:
        model: in evaluation mode.
        paths: image files.
        loading: how they are read.
        title: shown with the progress.
        read: from the model's output for a batch of N images to the (N, ...) tensor to keep.
        latents: ask the model for its latents too.

    Raises:
        UserError: no image could be read, one could not under strict, or the model gives another number of rows.
    """
    name, rows, values = model.identity.name, list[int](), list[Tensor]()
    batches = PredictedBatches(model, paths, loading, latents=latents)
    with progress(f"{name}: {title}", total=len(paths)) as bar:
        for numbers, output in batches:
            found = read(output).cpu()
            if len(found) != len(numbers):
                raise UserError(f"{name} gives {len(found)} rows of output for {len(numbers)} images")
            rows += numbers
            values.append(found)
            bar.advance(len(numbers))
    return Predictions(np.array(rows), torch.cat(values).numpy(), tuple(batches.unreadable))
