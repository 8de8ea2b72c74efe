"""Pascal VOC 2007 and 2012 as published (Everingham et al. 2010): several classes per image, and segmentation.

A year's folder (``VOCdevkit/VOC2012``) has the images in ``JPEGImages``, lists of their names in ``ImageSets/Main``
and ``ImageSets/Segmentation``, the objects in ``Annotations`` and the masks in ``SegmentationClass``. Masks of the
larger training set ``trainaug`` may lie in ``SegmentationClassAug``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from shapebias.data.decode import UnreadableImage, image_size
from shapebias.data.image_set import fingerprint
from shapebias.data.readers.voc_annotations import VOC_CLASSES, read_objects
from shapebias.data.readers.voc_masks import VOC_PALETTE, load_mask, save_mask
from shapebias.errors import UserError
from shapebias.progress import progress

__all__ = [
    "VOC_CLASSES",
    "VOC_PALETTE",
    "MultilabelImages",
    "SegmentationImages",
    "check_masks",
    "find_voc",
    "load_mask",
    "read_multilabel",
    "read_segmentation",
    "save_mask",
]

YEARS = (2007, 2012)
IMAGES, MASKS, MORE_MASKS = "JPEGImages", "SegmentationClass", "SegmentationClassAug"
_NAME = re.compile(r"\w[\w.-]*", re.ASCII)  # a file's name and never a path


@dataclass(frozen=True, eq=False)
class MultilabelImages:
    """Images that show any number of classes.

    ``truth`` (n, 20) bool says which; ``counts`` (n, 20) bool is False where an image's only objects of a class are
    "difficult": it then counts neither way for that class. ``unlabelled`` are the names of images without any object,
    left out.
    """

    root: Path
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    classes: tuple[str, ...]
    truth: np.ndarray
    counts: np.ndarray
    unlabelled: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every image's name and size in bytes, and its classes."""
        labels = np.where(self.counts, self.truth, 2).astype(np.uint8).tobytes()
        return hashlib.sha256(fingerprint(self.root, self.paths).encode() + labels).hexdigest()


@dataclass(frozen=True)
class SegmentationImages:
    """Images with a mask each; ``masks_root`` is the masks' folder where they are not VOC's own."""

    root: Path
    names: tuple[str, ...]
    images: tuple[Path, ...]
    masks: tuple[Path, ...]
    masks_root: Path | None = None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, numbers: Sequence[int]) -> SegmentationImages:
        """These images alone, in this order."""
        names = tuple(self.names[number] for number in numbers)
        images, masks = (tuple(of[number] for number in numbers) for of in (self.images, self.masks))
        return SegmentationImages(self.root, names, images, masks, self.masks_root)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the name and size in bytes of every image and mask."""
        if self.masks_root is None:
            return fingerprint(self.root, (*self.images, *self.masks))
        parts = fingerprint(self.root, self.images) + fingerprint(self.masks_root, self.masks)
        return hashlib.sha256(parts.encode()).hexdigest()


def find_voc(root: Path, year: int) -> Path | None:
    """A year's folder: ``root`` itself, or below it, with or without VOCdevkit and ``voc``; None if it is not there.

    Raises:
        UserError: a year other than 2007 and 2012.
    """
    if year not in YEARS:
        raise UserError(f"no VOC {year} here: give {' or '.join(str(y) for y in YEARS)}")
    root, name = Path(root), f"VOC{year}"
    if (root / "ImageSets").is_dir():  # a year's folder, under its own name or none of another year
        return None if root.resolve().name in {f"VOC{other}" for other in YEARS if other != year} else root
    below = (name, f"VOCdevkit/{name}", f"voc/{name}", f"voc/VOCdevkit/{name}")
    return next((root / folder for folder in below if (root / folder / "ImageSets").is_dir()), None)


def read_multilabel(root: Path, year: int, split: str) -> MultilabelImages:
    """The images of a split of ``ImageSets/Main``, in its order, with the classes of their objects.

    Objects come from ``Annotations``, or from the lists ``CLASS_SPLIT.txt`` (1, -1, or 0 for "difficult") where there
    are none. An image with difficult objects alone is kept: it shows none of the other classes.

    Args:
        root: the year's folder or one above it, see ``find_voc``.
        year: 2007 or 2012.
        split: such as train, val, trainval or test.

    Raises:
        UserError: no such folder or split; names twice, without an image or an annotation; annotations that cannot be
            read or name an unknown class; lists that lack names or hold other numbers; no image with an object.
    """
    folder = year_folder(root, year)
    names = split_names(folder, "Main", split)
    _present(folder, "Main", split, names, _stems(folder / IMAGES, ".jpg"), IMAGES)
    if annotated := _stems(folder / "Annotations", ".xml"):
        _present(folder, "Main", split, names, annotated, "Annotations")
        found = _of_annotations(folder / "Annotations", names)
    else:
        found = _of_lists(folder / "ImageSets" / "Main", names, split)
    labelled = [bool((row >= 0).any()) for row in found]
    if not any(labelled):
        raise UserError(f"no image of {folder / 'ImageSets' / 'Main' / split}.txt has an object: complete Annotations")
    kept = [name for name, has in zip(names, labelled, strict=True) if has]
    found = found[labelled]
    return MultilabelImages(
        root=folder,
        names=tuple(kept),
        paths=tuple(folder / IMAGES / f"{name}.jpg" for name in kept),
        classes=VOC_CLASSES,
        truth=found == 1,
        counts=found != 0,
        unlabelled=tuple(name for name, has in zip(names, labelled, strict=True) if not has),
    )


def read_segmentation(root: Path, year: int, split: str, masks: Path | None = None) -> SegmentationImages:
    """The images and masks of a split of ``ImageSets/Segmentation``, in its order.

    Args:
        root: the year's folder or one above it, see ``find_voc``.
        year: 2007 or 2012.
        split: such as train, val, trainval or trainaug.
        masks: a folder of other masks, NAME.png each, to take instead of VOC's.

    Raises:
        UserError: no such folder or split, or names twice, without an image or a mask.
    """
    folder = year_folder(root, year)
    names = split_names(folder, "Segmentation", split)
    _present(folder, "Segmentation", split, names, _stems(folder / IMAGES, ".jpg"), IMAGES)
    paths = tuple(folder / IMAGES / f"{name}.jpg" for name in names)
    if masks is not None:
        if not masks.is_dir():
            raise UserError(f"no folder {masks}: give one with a mask NAME.png for each image")
        if missing := _missing(names, _stems(masks, ".png")):
            raise UserError(f"{masks} lacks masks of {missing} of ImageSets/Segmentation/{split}.txt, as NAME.png")
        return SegmentationImages(folder, names, paths, tuple(masks / f"{name}.png" for name in names), masks)
    official, more = _stems(folder / MASKS, ".png"), _stems(folder / MORE_MASKS, ".png")
    _present(folder, "Segmentation", split, names, official | more, MASKS)
    return SegmentationImages(
        root=folder,
        names=names,
        images=paths,
        masks=tuple(folder / (MASKS if name in official else MORE_MASKS) / f"{name}.png" for name in names),
    )


def check_masks(images: SegmentationImages) -> None:
    """Decode every mask, so that one that is of no use is found before any work; images that cannot be read are not.

    Raises:
        UserError: as ``load_mask``.
    """
    with progress("checking masks", total=len(images)) as bar:
        for image, mask in zip(images.images, images.masks, strict=True):
            with suppress(UnreadableImage):
                load_mask(mask, image_size(image))
            bar.advance()


def year_folder(root: Path, year: int) -> Path:
    """A year's folder at or below ``root``, see ``find_voc``.

    Raises:
        UserError: it is not there.
    """
    folder = find_voc(root, year)
    if folder is None:
        raise UserError(
            f"no VOC{year} in {root}: give the folder that VOCdevkit/VOC{year} was unpacked to, with its ImageSets"
        )
    return folder


def split_names(folder: Path, task: str, split: str) -> tuple[str, ...]:
    """The names of images in ``ImageSets/TASK/SPLIT.txt`` of a year's folder, in its order.

    Raises:
        UserError: no such list (those there are named), names twice, or lines that are no names.
    """
    path = folder / "ImageSets" / task / f"{split}.txt"
    lines = _lines(path) if _NAME.fullmatch(split) and path.is_file() else None
    if lines is None:
        there = sorted(file.stem for file in path.parent.glob("*.txt"))
        there = [name for name in there if name.rpartition("_")[0] not in VOC_CLASSES]  # not the lists of one class
        raise UserError(f"no split '{split}' in {folder / 'ImageSets' / task}: there are {', '.join(there) or 'none'}")
    seen: dict[str, int] = {}
    for number, name in lines:
        if not _NAME.fullmatch(name):
            raise UserError(f"{path}, line {number}: '{name[:40]}' is no image name: expected one name on each line")
        if name in seen:
            raise UserError(f"{path}, line {number}: {name} is in line {seen[name]} already: keep one of them")
        seen[name] = number
    if not seen:
        raise UserError(f"{path} names no image")
    return tuple(seen)


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines that hold something, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 text: {error}") from error
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _stems(folder: Path, ending: str) -> set[str]:
    return {path.stem for path in folder.iterdir() if path.suffix == ending} if folder.is_dir() else set()


def _present(folder: Path, task: str, split: str, names: Collection[str], there: set[str], part: str) -> None:
    if missing := _missing(names, there):
        raise UserError(f"{folder / part} lacks {missing} of ImageSets/{task}/{split}.txt: unpack all of it there")


def _missing(names: Collection[str], there: Collection[str]) -> str | None:
    """How many names are not ``there``, with the first three."""
    missing = [name for name in names if name not in there]
    some = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
    return f"{len(missing)} of the {len(names)} images ({some})" if missing else None


def _of_annotations(folder: Path, names: Collection[str]) -> np.ndarray:
    """(n, 20) int8: 1 where an image has an object of a class, 0 where difficult ones alone, else -1."""
    found = np.full((len(names), len(VOC_CLASSES)), -1, dtype=np.int8)
    with progress("reading annotations", total=len(names)) as bar:
        for row, name in enumerate(names):
            for label, difficult in read_objects(folder / f"{name}.xml"):
                found[row, label] = max(found[row, label], 0 if difficult else 1)
            bar.advance()
    return found


def _of_lists(folder: Path, names: Collection[str], split: str) -> np.ndarray:
    """The same, of the lists of each class; those may name further images."""
    columns = []
    for name in VOC_CLASSES:
        path = folder / f"{name}_{split}.txt"
        if not path.is_file():
            raise UserError(f"no {path.name} in {folder}, and no Annotations beside ImageSets: one of them is needed")
        flags: dict[str, int] = {}
        for number, line in _lines(path):
            image, *rest = line.split()
            if rest not in (["1"], ["0"], ["-1"]):
                raise UserError(f"{path}, line {number}: '{line[:40]}' is not an image's name and 1, 0 or -1")
            if image in flags:
                raise UserError(f"{path}, line {number}: {image} is in a line above already: keep one of them")
            flags[image] = int(rest[0])
        if missing := _missing(names, flags):
            raise UserError(f"{path} lacks {missing} of {split}.txt: add them")
        columns.append([flags[image] for image in names])
    return np.array(columns, dtype=np.int8).T
