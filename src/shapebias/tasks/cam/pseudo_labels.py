"""Write the pseudo-labels of a split as masks, and count their pixels against the truth; goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.readers.voc_masks import load_mask, save_mask
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.files import atomic, claim_folder, locked, remove_leftovers
from shapebias.models.classifier import Classifier
from shapebias.progress import progress
from shapebias.tasks.cam.curve import Tally, tally, thresholds_with
from shapebias.tasks.cam.images import shown_classes
from shapebias.tasks.cam.labels import at_threshold, best_classes
from shapebias.tasks.cam.raw import ClassMaps
from shapebias.tasks.cam.scales import CamSettings, summed_cams

MARKER, SCHEMA = "cam.json", "shapebias/cam/1"
MASKS, COUNTS = "masks", "counts"


@dataclass(frozen=True)
class Labelled:
    """What was made: where the masks are, a tally by image number of those with truth, and the files left out."""

    masks: Path
    tallies: dict[int, Tally]
    unreadable: tuple[str, ...]


def outputs(model: Classifier) -> tuple[int, ...]:
    """Which output of ``model`` each of VOC's 20 classes is.

    Raises:
        UserError: its classes are not these 20.
    """
    classes = model.identity.classes or ()
    lacking = [name for name in VOC_CLASSES if name not in classes]
    others = [name for name in classes if name not in VOC_CLASSES]
    if lacking or others or len(classes) != len(VOC_CLASSES):
        what = "" if classes else " has no names for its classes, and"
        has = f" and has {_some(others)}" if others else ""
        lacks = f" lacks {_some(lacking)}" if lacking else " has one twice" if not others else ""
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
) -> Labelled:
    """Write ``out/masks/NAME.png`` for every image and keep its tally in ``out/counts``.

    What an earlier call with the same network, images and settings left there is not made again.

    Raises:
        UserError: the folder holds other work, no image can be read, or under ``strict`` one cannot.
    """
    thresholds = thresholds_with(settings.threshold)
    masks, counts = out / MASKS, out / COUNTS
    identity: dict[str, Any] = {
        "schema": SCHEMA,
        "weights_sha256": maps.model.identity.weights_sha256,
        "images_fingerprint": images.fingerprint,
        **settings.to_json(),
    }
    with locked(masks):
        if not claim_folder(masks, identity, marker=MARKER, describe=lambda _: "set of pseudo-labels"):
            for old in counts.glob("*.npz"):  # of masks that someone deleted
                old.unlink()
        remove_leftovers(masks)
        order = outputs(maps.model)
        unreadable: list[str] = []
        done = [_done(images, number, masks, counts) for number in range(len(images))]
        with (
            torch.inference_mode(),
            progress(f"{maps.model.identity.name}: pseudo-labels", total=len(images), done=sum(done)) as bar,
        ):
            for number in (n for n, there in enumerate(done) if not there):
                try:
                    image = to_tensor(load_rgb(images.paths[number])).to(device)
                except UnreadableImage as error:
                    if strict:
                        raise UserError(f"unreadable image {error} (remove it, or leave out --strict)") from error
                    unreadable.append(str(error))
                    continue
                labels, scores = label_image(maps, image, shown_classes(images, number), order, settings)
                name, truth = images.names[number], images.masks[number]
                if truth is not None:
                    height, width = labels.shape
                    found = tally(load_mask(truth, (width, height)), labels, scores, thresholds)
                    with atomic(counts / f"{name}.npz", durable=False) as temporary, temporary.open("wb") as file:
                        np.savez(file, cells=found.cells, pixels=found.pixels)
                save_mask(masks / f"{name}.png", at_threshold(labels, scores, settings.threshold))
                bar.advance()
        if len(unreadable) == len(images):
            raise UserError(f"none of the {len(images)} images could be read, first {unreadable[0]}")
        tallies = {
            number: _read_tally(counts / f"{images.names[number]}.npz", len(thresholds))
            for number, truth in enumerate(images.masks)
            if truth is not None and _done(images, number, masks, counts)
        }
    return Labelled(masks, tallies, tuple(unreadable))


def label_image(
    maps: ClassMaps, image: Tensor, classes: Sequence[int], order: Sequence[int], settings: CamSettings
) -> tuple[np.ndarray, np.ndarray]:
    """The best of ``classes`` (1 to 20) at every pixel of ``image`` (3, H, W), and its score; see ``best_classes``."""
    try:
        cams = summed_cams(maps, image, [order[number - 1] for number in classes], settings)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"no memory for an image of {image.shape[2]}x{image.shape[1]} pixels at --scales "
            f"{','.join(f'{scale:g}' for scale in settings.scales)}: leave out the largest, or give a lower --size"
        ) from error
    return best_classes(cams, classes)


def _done(images: ImageSet, number: int, masks: Path, counts: Path) -> bool:
    name = images.names[number]
    scored = images.masks[number] is None or (counts / f"{name}.npz").is_file()
    return scored and (masks / f"{name}.png").is_file()


def _read_tally(path: Path, thresholds: int) -> Tally:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = Tally(file["cells"], file["pixels"])
        sizes = {found.cells.shape, found.pixels.shape}
        highest = (len(VOC_CLASSES) + 1) ** 2 * (thresholds + 1)
        if len(sizes) > 1 or found.cells.ndim != 1 or (found.cells < 0).any() or (found.cells >= highest).any():
            raise ValueError("other counts than ours")
        if found.cells.dtype.kind != "i" or found.pixels.dtype.kind != "i":
            raise ValueError(f"counts of type {found.pixels.dtype}")
    except Exception as error:  # a damaged archive can raise nearly anything
        raise UserError(
            f"{path} is damaged ({' '.join(str(error).split())}): delete it, and give the command again"
        ) from error
    return found


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
