"""Accuracy on the held-out images after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet
from shapebias.models.classifier import Classifier
from shapebias.models.predict import Loading, PredictedBatches
from shapebias.train.distributed import everywhere
from shapebias.train.interruption import Interruption


def validate(
    model: Classifier,
    folder: ImageSet,
    fabric: Fabric,
    *,
    workers: int = 0,
    strict: bool = False,
    channels_last: bool = True,
    interruption: Interruption | None = None,
    note: Callable[[Sequence[str]], None] = lambda _reasons: None,
) -> float:
    """Top-1 accuracy of ``model`` on the readable images of ``folder``, shared over the ranks.

    ``note`` is given the unreadable ones. Once ``interruption`` has come it leaves off, and what it returns is of no
    use.
    """
    model.eval()
    own = slice(fabric.global_rank, None, fabric.world_size)
    labels, paths = torch.from_numpy(folder.targets)[own], list(folder.paths[own])

    def counts() -> tuple[int, int]:
        right = count = 0
        batches = PredictedBatches(model, paths, Loading(workers=workers, strict=strict), channels_last=channels_last)
        for indices, logits in batches if paths else ():
            right += int((logits.argmax(1).cpu() == labels[indices]).sum())
            count += len(indices)
            if interruption and interruption.name:
                break
        note(batches.unreadable)
        return right, count

    right, count = (sum(numbers) for numbers in zip(*everywhere(fabric, counts), strict=True))
    return right / max(count, 1)
