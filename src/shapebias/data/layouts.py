"""Photographs in the layouts people have: where the classes are, and which class a loose image belongs to.

Below ``root``: class folders; ``train/`` and ``val/`` (or ``test/``, ``validation/``) of class folders, which
is also torchvision's ImageNet; or ImageNet as published, ``ILSVRC/Data/CLS-LOC/train/WNID/`` with all test
images loose in ``val/`` and their classes in one of two files:

- ``LOC_val_solution.csv``: columns ImageId and PredictionString, which begins with the WordNet identifier;
- ``val.txt`` or ``ILSVRC2012_val.txt``: lines ``filename index``, counted in the sorted class names of ``train``.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from shapebias.data.folder import TEST_NAMES, TRAIN_NAMES, ImageFolder, fingerprint, is_image_name, part
from shapebias.errors import UserError

SOLUTION = "LOC_val_solution.csv"
INDEXED = ("val.txt", "ILSVRC2012_val.txt")
PUBLISHED = "ILSVRC/Data/CLS-LOC"


@dataclass(frozen=True)
class LabelledImages(ImageFolder):
    """Images that lie loose in ``root``, whose classes come from a file; sorted by class, then name."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every image's name and size in bytes, and its class."""
        named = "\n".join(self.classes[label] for label in self.labels)
        return hashlib.sha256(
            f"{fingerprint(self.root, self.paths)}\n{named}".encode(errors="surrogateescape")
        ).hexdigest()


def training_images(root: Path) -> ImageFolder:
    """The images to train with: those of ``train/`` where there is one, else of the class folders in ``root``.

    Raises:
        UserError: no such folder, no class folders, no images, or a single class.
    """
    base = _base(Path(root))
    return ImageFolder.scan(part(base, TRAIN_NAMES) or base)


def evaluation_images(root: Path, classes: Sequence[str] | None = None) -> ImageFolder | None:
    """The images to test with: those of ``val/``, ``test/`` or ``validation/``; None where there is none of them.

    Args:
        root: the folder that ``training_images`` takes.
        classes: the class names of the training images, which labels of loose images must be among. Without
            them the names of the folders in ``train/`` are taken.

    Raises:
        UserError: no images, or loose ones whose classes are not known: no file of labels, a line of it
            that cannot be read, images without a label, labels without an image, or an unknown class.
    """
    base = _base(Path(root))
    folder = part(base, TEST_NAMES)
    if folder is None:
        return None
    loose, folders = _listing(folder)
    if folders and any(name.startswith("ILSVRC2012_val_") for name in loose):
        raise UserError(
            f"{folder} has {len(folders)} class folders and {len(loose)} images beside them, first {min(loose)}: "
            "move every image into its class folder, or all of them out"
        )
    if folders or not loose:
        return ImageFolder.scan(folder)
    if classes is None:
        train = part(base, TRAIN_NAMES)
        classes = sorted(_listing(train)[1]) if train else None
    return _labelled(folder, loose, _labels(base, folder, classes), classes)


def check_same_classes(train: ImageFolder, test: ImageFolder) -> None:
    """Refuse test images of other classes than the training images have.

    Raises:
        UserError: with the classes that are missing from ``test`` and those it has besides.
    """
    if train.classes == test.classes:
        return
    known, found = set(train.classes), set(test.classes)
    difference = f"{_some(known - found)} missing, {_some(found - known)} surplus"
    if known == found:
        difference = "the same in another order"
    raise UserError(
        f"{test.root} and {train.root} hold different classes ({difference} in {test.root.name}): "
        "give both the same class folders, with images in each"
    )


def _base(root: Path) -> Path:
    """The folder of ``train`` and ``val`` in ImageNet as published, else ``root`` itself."""
    levels = PUBLISHED.split("/")
    below = (root.joinpath(*levels[n:]) for n in range(len(levels)))
    return next((folder for folder in below if folder.is_dir()), root)


def _listing(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the images and of the folders in ``folder``; hidden ones are left out."""
    images, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                folders.append(entry.name)
            elif is_image_name(entry.name):
                images.append(entry.name)
    return images, folders


def _labels(base: Path, folder: Path, classes: Sequence[str] | None) -> tuple[Path, dict[str, str]]:
    """The file of labels for the images in ``folder``, and the class of each image by its name without ending."""
    here = Path(os.path.abspath(base))  # noqa: PTH100 - a link's own parents, and no ".." among them
    above = here.parents[: 5 if here.name == "CLS-LOC" else 2]  # two above what was unpacked
    solution = next((p / SOLUTION for p in (folder, here, *above) if (p / SOLUTION).is_file()), None)
    if solution:
        return solution, _read_solution(solution)
    indexed = next((p / name for p in (base, folder) for name in INDEXED if (p / name).is_file()), None)
    if indexed is None:
        raise UserError(
            f"{folder} has images but no class folders, and no file says what they show: put {SOLUTION} or "
            f"{' / '.join(INDEXED)} (lines 'filename index') into {base}, or sort the images into class folders"
        )
    if classes is None:
        raise UserError(
            f"{indexed} counts classes in the sorted folders of {base / 'train'}, which is not there: "
            f"add it, or put {SOLUTION} into {base}"
        )
    return indexed, _read_indexed(indexed, sorted(classes))


def _read_solution(path: Path) -> dict[str, str]:
    try:
        rows = list(csv.DictReader(_lines(path), restval=""))
    except csv.Error as error:
        raise UserError(f"{path} is not readable as CSV: {error}") from error
    if rows and not {"ImageId", "PredictionString"} <= rows[0].keys():
        raise UserError(f"{path} lacks the columns ImageId and PredictionString: is it ImageNet's {SOLUTION}?")
    labels: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        wnid, _, _ = row["PredictionString"].strip().partition(" ")
        _add(labels, path, number, row["ImageId"].strip(), wnid)
    return labels


def _read_indexed(path: Path, classes: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    used: set[int] = set()
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        name, _, index = " ".join(line.split()).rpartition(" ")
        if not index.isdecimal():
            raise UserError(f"{path}, line {number}: expected 'filename index', found '{line.strip()[:80]}'")
        used.add(int(index))
        _add(labels, path, number, name, classes[int(index)] if int(index) < len(classes) else index)
    if used != set(range(len(classes))):  # else every class from there on could be shifted by one
        raise UserError(
            f"{path} has {len(used)} indices, up to {max(used, default=-1)}, but the training images have "
            f"{len(classes)} classes: each of 0 to {len(classes) - 1} must occur, and no other"
        )
    return labels


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _add(labels: dict[str, str], path: Path, number: int, name: str, label: str) -> None:
    key = _key(name)
    if not key or not label:
        raise UserError(f"{path}, line {number}: an image and its class are expected")
    if labels.setdefault(key, label) != label:
        raise UserError(f"{path}, line {number}: {key} has another class than in a line above")


def _key(name: str) -> str:
    """A file's name without folders and image ending, by which rows and images are matched."""
    name = name.replace("\\", "/").rpartition("/")[2]
    return name.rpartition(".")[0] if is_image_name(name) else name


def _labelled(
    folder: Path, names: Collection[str], source: tuple[Path, dict[str, str]], known: Collection[str] | None
) -> LabelledImages:
    """The images ``names`` of ``folder`` with the labels of ``source``, once both agree to the last image."""
    path, labels = source
    images = {_key(name): name for name in names}
    if len(images) < len(names):
        twins = sorted(name for name in names if images[_key(name)] != name)
        raise UserError(f"{folder} has several images of one name, first {twins[0]}: keep one of each")
    if absent := labels.keys() - images.keys():
        raise UserError(f"{path} lists images that are not in {folder}: {_some(absent)}: add them or remove the rows")
    if unlisted := images.keys() - labels.keys():
        raise UserError(f"{path} has no row for images in {folder}: {_some(unlisted)}: add rows or remove the images")
    if known is not None and (unknown := set(labels.values()) - set(known)):
        raise UserError(f"{path} names classes that the training images do not have: {_some(unknown)}")
    classes = tuple(sorted(set(labels.values())))
    position = {name: n for n, name in enumerate(classes)}
    order = sorted(images, key=lambda key: (position[labels[key]], images[key]))
    return LabelledImages(
        root=folder,
        classes=classes,
        paths=tuple(folder / images[key] for key in order),
        labels=tuple(position[labels[key]] for key in order),
    )


def _some(names: Collection[str]) -> str:
    """How many, and the first three: ``5 (a, b, c, ...)``."""
    first = sorted(names)[:3]
    return f"{len(names)} ({', '.join(first)}{', ...' if len(names) > 3 else ''})" if first else "0"
