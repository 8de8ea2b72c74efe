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

from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc_masks import IGNORED
from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.metrics.functional.segmentation import iou
from shapebias.models.classifier import Classifier
from shapebias.models.hashing import weights_sha256
from shapebias.tasks.segmentation.checkpoint import save_segmenter
from shapebias.tasks.segmentation.config import SegmentConfig
from shapebias.tasks.segmentation.samples import SegmentationBatch, SegmentationSamples
from shapebias.tasks.segmentation.segmenter import Segmenter, segmenter_from
from shapebias.tasks.segmentation.whole_images import confusions
from shapebias.tasks.sweep import HELD_OUT, Score
from shapebias.train.distributed import everywhere
from shapebias.train.interruption import Interruption
from shapebias.train.log import RunInfo, RunLogger
from shapebias.train.schedule import schedule_of
from shapebias.train.session import run_session
from shapebias.train.task import StepOutput, TrainingTask

VALUES = ("loss", "train_pixel_accuracy", *HELD_OUT)


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
        seed=config.loop.seed,
    )


def train_segmenter(
    source: Classifier,
    config: SegmentConfig,
    fabric: Fabric,
    training: ImageSet,
    *,
    held_out: ImageSet | None = None,
) -> None:
    """Train ``source`` by ``config`` in its ``out``, going on from where an earlier attempt stopped.

    With ``held_out`` images it is measured on them after each epoch: their mean IoU, and the share of wrong pixels
    where a loss is asked for, are in metrics.csv.

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
    about = RunInfo(
        title=f"segment {design.name} ({config.backbone}, seed {config.loop.seed})",
        head={
            "name": f"{design.name}-{config.backbone}-seed-{config.loop.seed}",
            "task": config.task,
            "backbone": config.backbone,
            "start": source.identity.spec,
            "model": design.architecture,
            "stage": segmenter.network.backbone.stage,
            "stride": segmenter.stride,
            "head": design.head,
            "seed": config.loop.seed,
            "classes": design.classes,
        },
        data={"folder": str(training.root), "images": len(training), "fingerprint": training.fingerprint},
        values=VALUES,
        environment=environment(str(fabric.device)),
        inputs={
            "start": source.identity.weights_sha256 or "",
            **({"held_out": held_out.fingerprint} if held_out is not None else {}),
        },
    )
    record = RunLogger(config, about, save_segmenter)
    record.initial_weights = weights_sha256(segmenter.network)
    samples = SegmentationSamples(training, size=config.size, fill=design.mean, seed=config.loop.seed)
    schedule = schedule_of(config.loop)
    work = TrainingTask("segmentation", samples, schedule, config.loop.batch_size, 1, forward)

    def validate(segmenter: Segmenter, interruption: Interruption) -> dict[str, float | None]:
        if held_out is None:
            return {}
        options: dict[str, Any] = {"interruption": interruption, "note": record.note_unreadable}
        found = shared_confusions(segmenter, held_out, range(len(held_out)), fabric, config, **options)
        if not found and not interruption.name:
            raise UserError(f"none of the {len(held_out)} images that are held out could be read: replace the files")
        if not found:
            return {}
        measured = iou(np.sum(list(found.values()), axis=0))
        return Score(measured.mean, 1 - measured.pixel_accuracy).columns()

    run_session(config.loop, fabric, segmenter, [work], record, validate=validate)


def forward(model: Callable[..., Tensor], batch: SegmentationBatch, _epoch: float) -> StepOutput:
    """The mean over images of the cross entropy of the pixels that count, and the share of pixels that is right.

    Every image weighs the same, however much of it is void or lies beyond its edge (0 where all of it does), so that
    the mean over parts or ranks of one size is that of the whole batch.
    """
    scores = model(batch.images).float()
    counted = batch.labels != IGNORED
    each = functional.cross_entropy(scores, batch.labels, ignore_index=IGNORED, reduction="none")
    loss = (each.sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)).mean()
    with torch.no_grad():
        right = ((scores.argmax(1) == batch.labels) & counted).sum() / counted.sum().clamp(min=1)
    return StepOutput(loss, {"loss": loss.detach(), "train_pixel_accuracy": right})


def shared_confusions(
    segmenter: Segmenter,
    images: ImageSet,
    chosen: Sequence[int],
    fabric: Fabric,
    config: SegmentConfig,
    **options: Any,
) -> dict[int, np.ndarray]:
    """The confusion matrix of each image of ``chosen``, by its number, computed by all ranks and known to all."""
    own = chosen[fabric.global_rank :: fabric.world_size]
    given: dict[str, Any] = {
        "device": fabric.device,
        "workers": config.loop.workers,
        "strict": config.loop.strict,
        **options,
    }
    parts = everywhere(fabric, lambda: confusions(segmenter, images, own, **given))
    together = {index: matrix for part in parts for index, matrix in part.items()}
    return {index: together[index] for index in sorted(together)}


def drawn(count: int, wanted: int, *, seed: int) -> list[int]:
    """``wanted`` of the numbers below ``count``, drawn by ``seed``, in order; all where there are no more."""
    if wanted >= count:
        return list(range(count))
    return sorted(int(i) for i in np.random.default_rng(seed).choice(count, wanted, replace=False))
