"""Write the pseudo-labels of a split as masks and count their pixels by true class, resuming after a stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.encode import is_there
from shapebias.data.image_set import ImageSet
from shapebias.data.materialize import Skip, materialize
from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.readers.voc_labelled import shown_classes
from shapebias.data.readers.voc_masks import load_mask, save_mask
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError, first_three
from shapebias.models.classifier import Classifier
from shapebias.tasks.cam.class_maps import ClassMaps
from shapebias.tasks.cam.multiscale import CamSettings, apply_threshold, best_classes, summed_cams
from shapebias.tasks.cam.threshold_curve import ThresholdCounts, count_pixels, load_counts, thresholds_with

MARKER, SCHEMA = "cam.json", "shapebias/cam/1"
MASKS, COUNTS = "masks", "counts"


@dataclass(frozen=True)
class PseudoLabels:
    """The pseudo-labels of one model: the folder of masks, the counts of images with ground truth, unreadable files."""

    masks: Path
    counts: dict[int, ThresholdCounts]
    unreadable: tuple[str, ...]


def voc_outputs(model: Classifier) -> tuple[int, ...]:
    """Return the output number of ``model`` for each of VOC's 20 classes.

    Raises:
        UserError: the model has other classes.
    """
    classes = model.identity.classes or ()
    lacking = [name for name in VOC_CLASSES if name not in classes]
    others = [name for name in classes if name not in VOC_CLASSES]
    if lacking or others or len(classes) != len(VOC_CLASSES):
        what = "" if classes else " has no names for its classes, and"
        has = f" and has {first_three(others)}" if others else ""
        lacks = f" lacks {first_three(lacking)}" if lacking else " has one twice" if not others else ""
        raise UserError(
            f"{model.identity.name}{what}{lacks}{has}: its classes must be VOC's 20, as of "
            "'shapebias transfer --task voc12'"
        )
    return tuple(classes.index(name) for name in VOC_CLASSES)


def write_pseudo_labels(
    maps: ClassMaps,
    images: ImageSet,
    settings: CamSettings,
    out: Path,
    *,
    device: str = "cpu",
    strict: bool = False,
) -> PseudoLabels:
    """Write ``out/masks/NAME.png`` for every image, and its counts to ``out/counts``.

    Files that an earlier call wrote with the same model, images and settings are reused.

    Raises:
        UserError: the folder contains other files, or no image can be read (under ``strict``, any image cannot).
    """
    thresholds, order = thresholds_with(settings.threshold), voc_outputs(maps.model)
    masks, counts = out / MASKS, out / COUNTS
    identity: dict[str, Any] = {
        "schema": SCHEMA,
        "weights_sha256": maps.model.weights_sha256(),
        "images_fingerprint": images.fingerprint,
        **settings.to_json(),
    }

    def files(number: int) -> list[Path]:
        name = images.names[number]
        scored = [] if images.masks[number] is None else [counts / f"{name}.npz"]
        return [*scored, masks / f"{name}.png"]

    def make(numbers: list[int], skip: Skip) -> Iterator[int]:
        for number in numbers:
            try:
                image = to_tensor(load_rgb(images.paths[number])).to(device)
            except UnreadableImage as error:
                skip(error)
                continue
            with torch.inference_mode():
                labels, scores = label_image(maps, image, shown_classes(images, number), order, settings)
            *scored, mask = files(number)
            for path in scored:
                height, width = labels.shape
                truth = load_mask(images.masks[number], (width, height))
                count_pixels(truth, labels, scores, thresholds).save(path)
            save_mask(mask, apply_threshold(labels, scores, settings.threshold))
            yield 1

    unreadable = materialize(
        masks,
        identity,
        range(len(images)),
        files,
        make,
        marker=MARKER,
        what="set of pseudo-labels",
        title=f"{maps.model.identity.name}: pseudo-labels",
        strict=strict,
        listing=None,
    )
    scored = [number for number, truth in enumerate(images.masks) if truth is not None]
    found = {
        number: load_counts(files(number)[0], thresholds) for number in scored if all(map(is_there, files(number)))
    }
    return PseudoLabels(masks, found, tuple(unreadable))


def label_image(
    maps: ClassMaps, image: Tensor, classes: Sequence[int], order: Sequence[int], settings: CamSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best of ``classes`` (1 to 20) at every pixel of (3, H, W), with its score; see ``best_classes``."""
    try:
        cams = summed_cams(maps, image, [order[number - 1] for number in classes], settings)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"too little memory for an image of {image.shape[2]}x{image.shape[1]} pixels at --scales "
            f"{','.join(f'{scale:g}' for scale in settings.scales)}: remove the largest scale, or give a lower --size"
        ) from error
    return best_classes(cams, classes)
