"""Pascal VOC 2007 and 2012 as published (Everingham et al. 2010): several classes per image, and segmentation.

A year's folder (``VOCdevkit/VOC2012``) has the images in ``JPEGImages``, lists of their names in ``ImageSets/Main``
and ``ImageSets/Segmentation``, the objects in ``Annotations`` and the masks in ``SegmentationClass``. Masks of the
larger training set ``trainaug`` may lie in ``SegmentationClassAug``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from shapebias.errors import UserError, first_three

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
MASK_CLASSES = ("background", *VOC_CLASSES)  # by their numbers in masks
YEARS = (2007, 2012)
IMAGES, MASKS, MORE_MASKS = "JPEGImages", "SegmentationClass", "SegmentationClassAug"
_NAME = re.compile(r"\w[\w.-]*", re.ASCII)  # a file's name and never a path


def find_voc(root: Path, year: int) -> Path | None:
    """Find a year's folder: ``root``, or one below it with or without VOCdevkit and ``voc``; None if it is not there.

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


def year_folder(root: Path, year: int) -> Path:
    """Return a year's folder at or below ``root``, see ``find_voc``.

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
    """Return the names of images in ``ImageSets/TASK/SPLIT.txt`` of a year's folder, in its order.

    Raises:
        UserError: no such list (those there are named), names twice, or lines that are no names.
    """
    path = folder / "ImageSets" / task / f"{split}.txt"
    lines = numbered_lines(path) if _NAME.fullmatch(split) and path.is_file() else None
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


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines that are not blank, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 text: {error}") from error
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def stems(folder: Path, ending: str) -> set[str]:
    """Return the names without ``ending`` of the files in ``folder`` that have it; none where there is no folder."""
    return {path.stem for path in folder.iterdir() if path.suffix == ending} if folder.is_dir() else set()


def check_present(folder: Path, task: str, split: str, names: Collection[str], there: set[str], part: str) -> None:
    """Refuse ``names`` of a split that are not among ``there``, the files of the folder ``part``."""
    if missing := count_missing(names, there):
        raise UserError(f"{folder / part} lacks {missing} of ImageSets/{task}/{split}.txt: unpack all of it there")


def count_missing(names: Collection[str], there: Collection[str]) -> str | None:
    """Count the names that are not ``there`` and give the first three; None without any."""
    missing = [name for name in names if name not in there]
    return f"{len(missing)} of the {len(names)} images ({first_three(missing)})" if missing else None
