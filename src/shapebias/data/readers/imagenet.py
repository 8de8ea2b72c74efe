"""ImageNet's validation images as published: loose in one folder, with their classes in one of four kinds of file.

- ``LOC_val_solution.csv``: columns ImageId and PredictionString, which begins with the WordNet identifier;
- ``val.txt`` or ``ILSVRC2012_val.txt``: lines ``filename index``, counted in the sorted class names;
- ``meta.bin``: torchvision's, with the WordNet identifiers of ``ILSVRC2012_val_00000001`` and those after it;
- ``ILSVRC2012_validation_ground_truth.txt`` of the development kit, which counts in an order of its own: refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import torch

from shapebias.data.folders import IMAGE_SUFFIXES
from shapebias.data.image_set import ImageSet, composed, fingerprint, from_labels
from shapebias.data.tables import read_table
from shapebias.errors import UserError, some

Numbered = Callable[[], Sequence[str]]  # the names that indices count, read only where they are needed
SOLUTION = "LOC_val_solution.csv"
SOLUTION_COLUMNS = ("ImageId", "PredictionString")
INDEXED = ("val.txt", "ILSVRC2012_val.txt")
META = "meta.bin"
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
VAL_IMAGE = "ILSVRC2012_val_"


def labels_file(base: Path, folder: Path) -> Path | None:
    """The file of labels for the images in ``folder``, in it or in ``base`` (the solution: or above); None without."""
    here = Path(os.path.abspath(base))  # noqa: PTH100 - a link's own parents, and no ".." among them
    above = here.parents[: 5 if here.name == "CLS-LOC" else 2]  # two above what was unpacked
    kit = "ILSVRC2012_devkit_t12/data"
    places = [p / SOLUTION for p in (folder, here, *above)]
    places += [p / name for name in (*INDEXED, META) for p in (base, folder)]
    places += [p / below / GROUND_TRUTH for p in (base, folder) for below in (".", kit)]
    return next((path for path in places if path.is_file()), None)


def read_labels(
    base: Path, folder: Path, classes: Sequence[str] | None, numbered: Numbered
) -> tuple[Path, dict[str, str]]:
    """The file of labels for the images in ``folder``, and the class of each image by its name without ending.

    ``classes`` are those that indices count; where they are None, those of ``numbered()`` if just these indices occur.

    Raises:
        UserError: no file, or one that cannot be read or understood.
    """
    path = labels_file(base, folder)
    if path is None:
        raise UserError(
            f"{folder} has images but no class folders, and no file says what they show: put {SOLUTION} or "
            f"{' / '.join(INDEXED)} (lines 'filename index') into {base}, or sort the images into class folders"
        )
    if path.name == GROUND_TRUTH:
        raise UserError(
            f"{path} counts classes in an order of its own: put {SOLUTION} or {INDEXED[0]} into {base}, or {META}, "
            "which torchvision.datasets.imagenet.parse_devkit_archive makes there of the development kit's archive"
        )
    if path.name == SOLUTION:
        return path, _read_solution(path)
    if path.name == META:
        return path, _read_meta(path)
    return path, _read_indexed(path, classes, numbered, base)


def read_loose(
    base: Path,
    folder: Path,
    names: Collection[str],
    classes: Sequence[str] | None,
    numbered: Numbered,
) -> ImageSet:
    """Return the images ``names`` that lie loose in ``folder``, sorted by class, then name.

    Args:
        base: the folder above, where the file of labels may be.
        folder: the images' folder.
        names: their file names.
        classes: as for ``read_labels``; where they are given, labels must be among them.
        numbered: as for ``read_labels``.

    Raises:
        UserError: as ``read_labels``, or labels and images do not agree to the last image.
    """
    path, labels = read_labels(base, folder, classes, numbered)
    images = {key_of(name): name for name in names}
    if len(images) < len(names):
        twins = sorted(name for name in names if images[key_of(name)] != name)
        raise UserError(f"{folder} has several images of one name, first {twins[0]}: keep one of each")
    if absent := labels.keys() - images.keys():
        raise UserError(f"{path} lists images that are not in {folder}: {some(absent)}: add them or remove the rows")
    if unlisted := images.keys() - labels.keys():
        raise UserError(f"{path} has no row for images in {folder}: {some(unlisted)}: add rows or remove the images")
    if classes is not None and (unknown := set(labels.values()) - {*map(composed, classes)}):
        raise UserError(f"{path} names classes that the training images do not have: {some(unknown)}")
    order = sorted(images, key=lambda key: (labels[key], images[key]))
    paths = [folder / images[key] for key in order]
    return from_labels(folder, paths, [labels[key] for key in order], digest=digest_labels)


def digest_labels(images: ImageSet) -> str:
    """SHA-256 over the files and the names of their classes, for ``ImageSet.digest``."""
    named = "\n".join(images.labels)
    files = fingerprint(images.root, images.paths)
    return hashlib.sha256(f"{files}\n{named}".encode(errors="surrogateescape")).hexdigest()


def key_of(name: str) -> str:
    """A file's name without folders and image ending, by which rows and images are matched."""
    name = composed(name.replace("\\", "/").rpartition("/")[2])
    stem, dot, ending = name.rpartition(".")
    return stem if stem and dot + ending.lower() in IMAGE_SUFFIXES else name


def _read_solution(path: Path) -> dict[str, str]:
    labels: dict[str, str] = {}
    for line, row in read_table(path, SOLUTION_COLUMNS):
        wnid, _, _ = row["PredictionString"].partition(" ")
        _add(labels, path, line, row["ImageId"], wnid)
    return labels


def _read_indexed(path: Path, classes: Sequence[str] | None, numbered: Numbered, base: Path) -> dict[str, str]:
    indices: dict[str, str] = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        name, _, index = " ".join(line.split()).rpartition(" ")
        if not (index.isascii() and index.isdecimal() and len(index) < 10):
            raise UserError(f"{path}, line {number}: expected 'filename index', found '{line.strip()[:80]}'")
        _add(indices, path, number, name, index.lstrip("0") or "0")
    used = {int(index) for index in indices.values()}
    names = sorted(map(composed, numbered() if classes is None else classes))
    if used == set(range(len(names))):
        return {key: names[int(index)] for key, index in indices.items()}
    if classes is None:
        known = f", and it has not each of 0 to {len(names) - 1}, which would be ImageNet's" if names else ""
        raise UserError(
            f"{path} counts classes in the sorted folders of {base / 'train'}, which is not there{known}: "
            f"add it, or put {SOLUTION} into {base}"
        )
    raise UserError(  # else every class from there on could be shifted by one
        f"{path} has {len(used)} indices, up to {max(used, default=-1)}, but the training images have "
        f"{len(names)} classes: each of 0 to {len(names) - 1} must occur, and no other"
    )


def _read_meta(path: Path) -> dict[str, str]:
    """torchvision's (classes of each identifier, identifiers of the images in order), read without its pickled code."""
    try:
        _, wnids = torch.load(path, map_location="cpu", weights_only=True)
        named = isinstance(wnids, list) and all(isinstance(wnid, str) and wnid for wnid in wnids)
    except Exception as error:  # torch.load has many ways to say that a file is not what was looked for
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise UserError(f"{path} cannot be read ({reason}): make it again with torchvision, or remove it") from error
    if not named:
        raise UserError(f"{path} does not list a WordNet identifier for each image: make it again, or remove it")
    return {f"{VAL_IMAGE}{number:08d}": wnid for number, wnid in enumerate(wnids, 1)}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _add(labels: dict[str, str], path: Path, number: int, name: str, label: str) -> None:
    key, label = key_of(name), composed(label)
    if not key or not label:
        raise UserError(f"{path}, line {number}: an image and its class are expected")
    if labels.setdefault(key, label) != label:
        raise UserError(f"{path}, line {number}: {key} has another class than in a line above")
