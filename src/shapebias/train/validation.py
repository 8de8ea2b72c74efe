"""Accuracy on the held-out images after each epoch."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from shapebias.data.evaluation import ImageBatches
from shapebias.data.folder import ImageFolder
from shapebias.models.classifier import Classifier

BATCH_SIZE = 64


def validate(model: Classifier, folder: ImageFolder, fabric: Fabric, *, workers: int = 0) -> float:
    """Top-1 accuracy of ``model`` on the readable images of ``folder``, shared over the ranks."""
    model.eval()
    own = slice(fabric.global_rank, None, fabric.world_size)
    labels = torch.tensor(folder.labels)[own]
    right = count = 0
    with torch.inference_mode():
        for indices, images in ImageBatches(
            list(folder.paths[own]), model.preprocessing, batch_size=BATCH_SIZE, workers=workers
        ):
            answers = model(images.to(fabric.device)).argmax(1).cpu()
            right += int((answers == labels[indices]).sum())
            count += len(indices)
    right, count = (int(fabric.all_reduce(torch.tensor(n), reduce_op="sum")) for n in (right, count))
    return right / count
