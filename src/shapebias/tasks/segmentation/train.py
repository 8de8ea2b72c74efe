"""Train one model for segmentation: random crops of images and masks, the pixel loss, and held-out scores."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor
from torch.nn import functional

from shapebias.data.decode import load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc_masks import IGNORED, load_mask
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.metrics.functional.segmentation import iou
from shapebias.models.classifier import Classifier
from shapebias.tasks.segmentation.config import SegmentConfig
from shapebias.tasks.segmentation.segmenter import Segmenter, save_segmenter, segmenter_from
from shapebias.tasks.segmentation.whole_images import shared_confusions
from shapebias.tasks.sweep import HELD_OUT, Score, held_out_input
from shapebias.train.checkpoints import Interruption
from shapebias.train.log import RunInfo
from shapebias.train.samples import Batch, Sample, Samples
from shapebias.train.session import run_training
from shapebias.train.task import Schedule, StepOutput, TrainingPhase, TrainingTask

COLUMNS = ("loss", "train_pixel_accuracy", *HELD_OUT)
SCALES = (0.5, 2.0)


@dataclass(frozen=True)
class Window:
    """A square crop of ``size`` pixels from an image resized to ``scaled`` (width, height), mirrored if ``flip``.

    ``corner`` is the upper left corner (x, y) in the resized image, negative if the crop extends beyond its edge.
    """

    scaled: tuple[int, int]
    corner: tuple[int, int]
    size: int
    flip: bool

    def __call__(self, image: Image.Image, kind: Image.Resampling, fill: int | tuple[int, ...]) -> Image.Image:
        """Return the crop of ``image``, with ``fill`` beyond its edge."""
        (width, height), (x, y) = self.scaled, self.corner
        left, top, right, bottom = max(x, 0), max(y, 0), min(x + self.size, width), min(y + self.size, height)
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, min(right * across, image.width), min(bottom * down, image.height))
        part = image.resize((right - left, bottom - top), kind, box=box)
        shown = Image.new(image.mode, (self.size, self.size), fill)
        shown.paste(part, (left - x, top - y))
        return shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.flip else shown


def random_window(width: int, height: int, size: int, rng: np.random.Generator) -> Window:
    """Return a window at a random position in an image scaled by .5 to 2, mirrored with probability one half.

    If the scaled image is smaller than the window along a side, all of it is shown at a random position.
    """
    scale = rng.uniform(*SCALES)
    scaled = max(1, round(width * scale)), max(1, round(height * scale))
    x, y = (int(rng.integers(min(0, side - size), max(0, side - size) + 1)) for side in scaled)
    return Window(scaled, (x, y), size, bool(rng.random() < 0.5))


class SegmentationSamples(Samples):
    """Random windows of images with the label of every pixel: (S, S) int64, 255 for ignored pixels.

    Args:
        images: images with their masks.
        size: side of the windows in pixels.
        fill: colour in [0, 1] beyond the edge of an image, where labels are 255.
        seed: with the epoch and the index it fixes the sample.
    """

    def __init__(self, images: ImageSet, *, size: int, fill: Sequence[float], seed: int = 0) -> None:
        super().__init__(images, seed=seed)
        self.size, self.fill = size, tuple(round(255 * value) for value in fill)

    def make(self, number: int, rng: np.random.Generator) -> Sample:
        """Return a window of one image with its labels."""
        image = load_rgb(self.images.paths[number])
        mask = Image.fromarray(load_mask(self.images.masks[number], image.size))
        window = random_window(image.width, image.height, self.size, rng)
        shown = window(image, Image.Resampling.BILINEAR, self.fill)
        labels = np.array(window(mask, Image.Resampling.NEAREST, IGNORED), dtype=np.int64)
        return Sample(to_tensor(shown), torch.from_numpy(labels))


def pixel_loss(model: Callable[..., Tensor], batch: Batch, _epoch: float) -> StepOutput:
    """Return the mean over images of the cross entropy of their labelled pixels, and the pixel accuracy.

    Every image has the same weight, whatever its number of labelled pixels (its loss is 0 if there are none), so that
    the mean over parts or ranks of equal size is that of the whole batch.
    """
    scores = model(batch.images).float()
    counted = batch.labels != IGNORED
    each = functional.cross_entropy(scores, batch.labels, ignore_index=IGNORED, reduction="none")
    loss = (each.sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)).mean()
    with torch.no_grad():
        right = ((scores.argmax(1) == batch.labels) & counted).sum() / counted.sum().clamp(min=1)
    return StepOutput(loss, {"loss": loss.detach(), "train_pixel_accuracy": right})


def build(source: Classifier, config: SegmentConfig) -> Segmenter:
    """Return the initial segmenter for a training with ``config``.

    Raises:
        UserError: see ``segmenter_from``.
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
    images: ImageSet,
    held_out: ImageSet | None = None,
) -> None:
    """Train ``source`` with ``config`` in its folder, resuming an interrupted run.

    With ``held_out`` images the model is scored on them after each epoch, in metrics.csv: by mean IoU, with the
    fraction of wrong pixels as the loss.

    Raises:
        UserError: the folder or data cannot be used, or the loss is not finite.
    """
    loop, segmenter = config.loop, build(source, config)
    design = segmenter.design
    if segmenter.stride > config.output_stride:
        fabric.print(
            f"{design.name}: its feature map is {segmenter.stride} times smaller than the image; --output-stride has "
            "no effect on this model",
            file=sys.stderr,
        )

    def evaluate(
        segmenter: Segmenter, interruption: Interruption, note: Callable[[Sequence[str]], None]
    ) -> dict[str, float | None]:
        if held_out is None:
            return {}
        found = shared_confusions(segmenter, held_out, fabric, loop, interruption=interruption, note=note)
        if not found and not interruption.name:
            raise UserError(f"none of the {len(held_out)} held-out images could be read: replace the files")
        if not found:
            return {}
        measured = iou(np.sum(list(found.values()), axis=0))
        return Score(measured.mean, 1 - measured.pixel_accuracy).columns()

    info = RunInfo(
        title=f"segment {design.name} ({config.backbone}, seed {loop.seed})",
        head={
            "name": f"{design.name}-{config.backbone}-seed-{loop.seed}",
            "task": config.task,
            "backbone": config.backbone,
            "start": source.identity.spec,
            "model": design.architecture,
            "stage": segmenter.network.backbone.stage,
            "stride": segmenter.stride,
            "head": design.head,
            "seed": loop.seed,
            "classes": design.classes,
        },
        images=images,
        columns=COLUMNS,
        inputs={"start": source.identity.weights_sha256 or "", **held_out_input(held_out)},
    )
    samples = SegmentationSamples(images, size=config.size, fill=design.mean, seed=loop.seed)
    phase = TrainingPhase("segmentation", samples, Schedule.of(loop), loop.batch_size, pixel_loss)
    run_training(config, fabric, TrainingTask(info, segmenter, [phase], save_segmenter, evaluate))
