"""The images that get pseudo-labels: a split of VOC2012, each image's classes, and the masks to score against."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from shapebias.data.decode import UnreadableImage, image_size
from shapebias.data.image_set import fingerprint
from shapebias.data.readers.voc import IMAGES, MASKS, MORE_MASKS, read_multilabel, split_names, year_folder
from shapebias.data.readers.voc_annotations import read_objects
from shapebias.errors import UserError
from shapebias.progress import progress

YEAR = 2012


@dataclass(frozen=True)
class LabelledImages:
    """Images with the numbers (1 to 20, rising) of the classes of their objects, and a mask or None each."""

    root: Path
    names: tuple[str, ...]
    paths: tuple[Path, ...]
    classes: tuple[tuple[int, ...], ...]
    masks: tuple[Path | None, ...]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the name and size in bytes of every image and mask, and the images' classes."""
        files = fingerprint(self.root, [*self.paths, *(mask for mask in self.masks if mask is not None)])
        return hashlib.sha256(f"{files}{self.classes}".encode()).hexdigest()


def read_labelled(root: Path, split: str) -> LabelledImages:
    """The images of a split of VOC2012, in its order.

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
    classes = _classes(folder, names, split)
    masks = tuple(_mask(folder, name) for name in names)
    _check_sizes(paths, masks)
    return LabelledImages(folder, names, paths, classes, masks)


def _mask(folder: Path, name: str) -> Path | None:
    return next((path for part in (MASKS, MORE_MASKS) if (path := folder / part / f"{name}.png").is_file()), None)


def _classes(folder: Path, names: tuple[str, ...], split: str) -> tuple[tuple[int, ...], ...]:
    """The classes of each image's objects: from its annotation, or without any from the lists of each class."""
    annotations = folder / "Annotations"
    if not annotations.is_dir():
        listed = read_multilabel(folder, YEAR, split)
        # a class that neither counts as there nor as not there is there, but difficult
        rows = {
            name: (listed.truth[row] | ~listed.counts[row]).nonzero()[0] for row, name in enumerate(listed.names)
        } | {name: () for name in listed.unlabelled}
        if unknown := [name for name in names if name not in rows]:
            raise UserError(
                f"{folder} does not say what {len(unknown)} images of the split show (first {unknown[0]}): unpack "
                "Annotations there"
            )
        return tuple(tuple(int(number) + 1 for number in rows[name]) for name in names)
    found = []
    with progress("reading annotations", total=len(names)) as bar:
        for name in names:
            objects = read_objects(annotations / f"{name}.xml")
            found.append(tuple(sorted({number + 1 for number, _ in objects})))
            bar.advance()
    return tuple(found)


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
