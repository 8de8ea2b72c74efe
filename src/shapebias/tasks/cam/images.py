"""The images that get pseudo-labels: a split of VOC2012, each image's classes, and the masks to score against."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from shapebias.data.decode import UnreadableImage, image_size
from shapebias.data.image_set import ImageSet, fingerprint
from shapebias.data.readers.voc import IMAGES, MASKS, MORE_MASKS, VOC_CLASSES, split_names, year_folder
from shapebias.data.readers.voc_multilabel import NO_OBJECT, read_multilabel, read_objects
from shapebias.errors import UserError
from shapebias.progress import progress

YEAR = 2012


def shown_classes(images: ImageSet, number: int) -> tuple[int, ...]:
    """The numbers, 1 to 20 and rising, of the classes of an image's objects."""
    return tuple((np.flatnonzero(images.targets[number] == 1) + 1).tolist())


def digest_labelled(images: ImageSet) -> str:
    """SHA-256 over the files of images and masks, and the images' classes, for ``ImageSet.digest``."""
    files = fingerprint(images.root, [*images.paths, *(mask for mask in images.masks if mask is not None)])
    classes = tuple(shown_classes(images, number) for number in range(len(images)))
    return hashlib.sha256(f"{files}{classes}".encode()).hexdigest()


def read_labelled(root: Path, split: str) -> ImageSet:
    """Read the images of a split of VOC2012, in its order, with the classes of their objects and a mask or None each.

    The split is that of ``ImageSets/Segmentation``, else of ``ImageSets/Main``. An image's classes are those of all
    its objects, "difficult" ones too, as masks have these. Masks may lie in ``SegmentationClass`` or
    ``SegmentationClassAug``; images without one are labelled and not scored.

    Raises:
        UserError: no such folder or split; images that are missing; annotations that cannot be read; a mask of another
            size than its image.
    """
    folder = year_folder(root, YEAR)
    task = next((t for t in ("Segmentation", "Main") if (folder / "ImageSets" / t / f"{split}.txt").is_file()), None)
    names = split_names(folder, task or "Segmentation", split)
    paths = tuple(folder / IMAGES / f"{name}.jpg" for name in names)
    if missing := [path.name for path in paths if not path.is_file()]:
        some = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        raise UserError(
            f"{folder / IMAGES} lacks {len(missing)} of the {len(names)} images of ImageSets/{task}/{split}.txt "
            f"({some}): unpack all of it there"
        )
    targets = _targets(folder, names, split)
    masks = tuple(_mask(folder, name) for name in names)
    _check_sizes(paths, masks)
    return ImageSet(folder, paths, targets, VOC_CLASSES, {"name": names, "mask": masks}, digest=digest_labelled)


def _mask(folder: Path, name: str) -> Path | None:
    return next((path for part in (MASKS, MORE_MASKS) if (path := folder / part / f"{name}.png").is_file()), None)


def _targets(folder: Path, names: tuple[str, ...], split: str) -> np.ndarray:
    """The classes of each image's objects, (N, 20) 0 or 1: from annotations, else from the lists of each class."""
    annotations = folder / "Annotations"
    if not annotations.is_dir():
        listed = read_multilabel(folder, YEAR, split)
        # an image shows the classes that are not rated, too: as "difficult" objects
        rows = {name: listed.targets[row] != 0 for row, name in enumerate(listed.names)}
        rows |= {name: np.zeros(len(VOC_CLASSES), dtype=bool) for name in listed.skipped[NO_OBJECT]}
        if unknown := [name for name in names if name not in rows]:
            raise UserError(
                f"{folder} does not say what {len(unknown)} images of the split show (first {unknown[0]}): unpack "
                "Annotations there"
            )
        return np.array([rows[name] for name in names], dtype=np.int8)
    found = np.zeros((len(names), len(VOC_CLASSES)), dtype=np.int8)
    with progress("reading annotations", total=len(names)) as bar:
        for row, name in enumerate(names):
            found[row, [number for number, _ in read_objects(annotations / f"{name}.xml")]] = 1
            bar.advance()
    return found


def _check_sizes(paths: tuple[Path, ...], masks: tuple[Path | None, ...]) -> None:
    """Refuse masks of another size before any work; what cannot be read is told of when it is its turn."""
    for path, mask in zip(paths, masks, strict=True):
        if mask is None:
            continue
        try:
            width, height = image_size(path)
            other = image_size(mask)
        except UnreadableImage:
            continue
        if other != (width, height):
            raise UserError(
                f"{mask} is {other[0]}x{other[1]} but its image {width}x{height}: resize the mask (nearest neighbour)"
            )
