"""VOC2012's images with the classes of all their objects and a mask where there is one, for pseudo-labels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc import (
    IMAGES,
    MASKS,
    MORE_MASKS,
    VOC_CLASSES,
    check_present,
    split_names,
    stems,
    year_folder,
)
from shapebias.data.readers.voc_masks import check_masks, digest_masks
from shapebias.data.readers.voc_multilabel import NO_OBJECT, read_annotations, read_multilabel
from shapebias.errors import UserError

YEAR = 2012


def read_labelled(root: Path, split: str) -> ImageSet:
    """Read the images of a split of VOC2012, in its order, with the classes of their objects and a mask or None each.

    The split is that of ``ImageSets/Segmentation``, else of ``ImageSets/Main``. Targets (N, 20) are 1 for the classes
    of all objects of an image, "difficult" ones too, as masks have these. Masks may lie in ``SegmentationClass`` or
    ``SegmentationClassAug``; images without one are labelled and not scored.

    Raises:
        UserError: no such folder or split; images that are missing; annotations or masks that cannot be read; a mask
            of another size than its image.
    """
    folder = year_folder(root, YEAR)
    task = next((t for t in ("Segmentation", "Main") if (folder / "ImageSets" / t / f"{split}.txt").is_file()), None)
    names = split_names(folder, task or "Segmentation", split)
    check_present(folder, str(task), split, names, stems(folder / IMAGES, ".jpg"), IMAGES)
    candidates = ([folder / part / f"{name}.png" for part in (MASKS, MORE_MASKS)] for name in names)
    masks = tuple(next((path for path in paths if path.is_file()), None) for paths in candidates)
    images = ImageSet(
        root=folder,
        paths=tuple(folder / IMAGES / f"{name}.jpg" for name in names),
        targets=_targets(folder, names, split),
        classes=VOC_CLASSES,
        columns={"name": names, "mask": masks},
        digest=digest_labelled,
    )
    check_masks(images)
    return images


def shown_classes(images: ImageSet, number: int) -> tuple[int, ...]:
    """Return the numbers in masks, 1 to 20 and rising, of the classes of an image's objects."""
    return tuple((np.flatnonzero(images.targets[number] == 1) + 1).tolist())


def digest_labelled(images: ImageSet) -> str:
    """SHA-256 over the files of images and masks, and the images' classes, for ``ImageSet.digest``."""
    classes = tuple(shown_classes(images, number) for number in range(len(images)))
    return hashlib.sha256(f"{digest_masks(images, None)}{classes}".encode()).hexdigest()


def _targets(folder: Path, names: tuple[str, ...], split: str) -> np.ndarray:
    """Read the classes of each image's objects, (N, 20) 0 or 1: from annotations, else from the lists of each class."""
    if (folder / "Annotations").is_dir():
        return (read_annotations(folder / "Annotations", names) >= 0).astype(np.int8)
    listed = read_multilabel(folder, YEAR, split)
    # an image shows the classes that are not rated, too: as "difficult" objects
    rows = {name: listed.targets[row] != 0 for row, name in enumerate(listed.names)}
    rows |= {name: np.zeros(len(VOC_CLASSES), dtype=bool) for name in listed.skipped[NO_OBJECT]}
    if unknown := [name for name in names if name not in rows]:
        raise UserError(
            f"{folder} does not state what {len(unknown)} images of the split show (first {unknown[0]}): unpack "
            "Annotations there"
        )
    return np.array([rows[name] for name in names], dtype=np.int8)
