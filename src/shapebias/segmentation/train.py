"""One training for segmentation, put together from its settings and given to the loop."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from shapebias.data.voc import SegmentationImages
from shapebias.data.voc_masks import IGNORED
from shapebias.environment import environment
from shapebias.metrics.segmentation import iou
from shapebias.models.classifier import Classifier
from shapebias.models.hashing import weights_sha256
from shapebias.segmentation.checkpoint import save_segmenter
from shapebias.segmentation.config import SegmentConfig
from shapebias.segmentation.samples import SegmentationBatch, SegmentationSamples
from shapebias.segmentation.segmenter import Segmenter, segmenter_from
from shapebias.segmentation.whole_images import confusions
from shapebias.train.agreement import everywhere
from shapebias.train.interruption import Interruption
from shapebias.train.record import About, Record
from shapebias.train.schedule import Schedule
from shapebias.train.session import run_session
from shapebias.train.work import LoopSettings, Outcome, Work

VALUES = ("loss", "train_pixel_accuracy", "val_miou")


def build(source: Classifier, config: SegmentConfig) -> Segmenter:
    """The segmenter that ``config`` begins with.

    Raises:
        UserError: as ``segmenter_from``.
    """
    return segmenter_from(
        source,
        head="convolution" if config.freeze else config.head or "fcn",
        stage=config.stage,
        output_stride=config.output_stride,
        size=config.size,
        frozen=config.freeze,
        seed=config.seed,
    )


def train_segmenter(
    source: Classifier, config: SegmentConfig, fabric: Fabric, training: SegmentationImages, val: SegmentationImages
) -> None:
    """Train ``source`` by ``config`` in its ``out``, going on from where an earlier attempt stopped.

    Raises:
        UserError: a folder or data that cannot be used, or a loss that is not finite.
    """
    segmenter = build(source, config)
    design = segmenter.design
    if segmenter.stride > config.output_stride:
        fabric.print(
            f"{design.name}: its map is {segmenter.stride} times smaller than the image, and --output-stride cannot "
            "change that",
            file=sys.stderr,
        )
    about = About(
        title=f"segment {design.name} ({config.backbone}, seed {config.seed})",
        head={
            "name": f"{design.name}-{config.backbone}-seed-{config.seed}",
            "task": config.task,
            "backbone": config.backbone,
            "start": source.identity.spec,
            "model": design.architecture,
            "stage": segmenter.network.backbone.stage,
            "stride": segmenter.stride,
            "head": design.head,
            "seed": config.seed,
            "classes": design.classes,
        },
        data={"folder": str(training.root), "images": len(training), "fingerprint": training.fingerprint},
        values=VALUES,
        environment=environment(str(fabric.device)),
        inputs={"start": source.identity.weights_sha256 or "", "validation": val.fingerprint},
    )
    record = Record(config, about, save_segmenter)
    record.initial_weights = weights_sha256(segmenter.network)
    samples = SegmentationSamples(training, size=config.size, fill=design.mean, seed=config.seed)
    schedule = Schedule(config.lr, config.epochs, config.schedule, config.warmup_epochs, config.drop_every)
    work = Work("segmentation", samples, schedule, config.batch_size, 1, forward)
    chosen = drawn(len(val), config.val_images, seed=config.seed)

    def validate(segmenter: Segmenter, interruption: Interruption) -> dict[str, float | None]:
        if not chosen:
            return {"val_miou": None}
        options: dict[str, Any] = {"interruption": interruption, "note": record.note_unreadable}
        found = shared_confusions(segmenter, val, chosen, fabric, config, **options)
        return {"val_miou": iou(np.sum(list(found.values()), axis=0)).mean if found else None}

    run_session(LoopSettings.of(config), fabric, segmenter, [work], record, validate=validate)


def forward(model: Callable[..., Tensor], batch: SegmentationBatch, _epoch: float) -> Outcome:
    """Cross entropy over the pixels that count, and the share of them that is right."""
    scores = model(batch.images).float()
    counted = batch.labels != IGNORED
    pixels = counted.sum().clamp(min=1)  # a batch of padding alone teaches nothing, and is no reason to stop
    loss = functional.cross_entropy(scores, batch.labels, ignore_index=IGNORED, reduction="sum") / pixels
    with torch.no_grad():
        right = ((scores.argmax(1) == batch.labels) & counted).sum() / pixels
    return Outcome(loss, {"loss": loss.detach(), "train_pixel_accuracy": right})


def shared_confusions(
    segmenter: Segmenter,
    images: SegmentationImages,
    chosen: Sequence[int],
    fabric: Fabric,
    config: SegmentConfig,
    **options: Any,
) -> dict[int, np.ndarray]:
    """The confusion matrix of each image of ``chosen``, by its number, computed by all ranks and known to all."""
    own = chosen[fabric.global_rank :: fabric.world_size]
    given: dict[str, Any] = {"device": fabric.device, "workers": config.workers, "strict": config.strict, **options}
    parts = everywhere(fabric, lambda: confusions(segmenter, images, own, **given))
    together = {index: matrix for part in parts for index, matrix in part.items()}
    return {index: together[index] for index in sorted(together)}


def drawn(count: int, wanted: int, *, seed: int) -> list[int]:
    """``wanted`` of the numbers below ``count``, drawn by ``seed``, in order; all where there are no more."""
    if wanted >= count:
        return list(range(count))
    return sorted(int(i) for i in np.random.default_rng(seed).choice(count, wanted, replace=False))
