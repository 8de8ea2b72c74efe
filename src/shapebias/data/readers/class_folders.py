"""Images in the usual layouts: class folders, divided or not, and ImageNet as published.

Below ``root``: class folders; splits of class folders, such as ``train/`` and ``val/`` (see ``splits``), which is also
torchvision's ImageNet; or ImageNet as published, ``ILSVRC/Data/CLS-LOC/train/WNID/`` with all images for validation
loose in ``val/`` and their classes in a file (see ``imagenet``). Such a ``val/`` may itself be given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from shapebias.data.folders import EMPTY, OUTSIDE, Walk, loose_images, no_images, say_once, subfolders
from shapebias.data.image_set import ImageSet, composed
from shapebias.data.readers.imagenet import VAL_IMAGE, labels_file, read_loose
from shapebias.data.readers.splits import Splits, check_undivided, find_splits, looks_like_split
from shapebias.errors import UserError, some

PUBLISHED = "ILSVRC/Data/CLS-LOC"


def read_class_folders(root: Path) -> ImageSet:
    """Read ``root/CLASS/**/image``: classes and images are sorted by name.

    Folders whose names differ only in how Unicode spells them are one class; what is passed over is said.

    Raises:
        UserError: no such folder, no class folders, no images, a single class, or folders of splits.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"no folder {root}: give a folder with one folder of images per class")
    check_undivided(root)
    walk = Walk()
    loose, folders = walk.entries(root)
    if not folders:
        raise UserError(f"{root} has no class folders: expected {root}/CLASS/image.jpg")
    found: dict[str, list[Path]] = {}
    below: list[frozenset[str]] = []
    for folder in folders:
        entered = len(walk.folders)
        images = walk.images(root / folder)
        _check_class(root / folder, walk.folders[entered:], alone=len(folders) == 1)
        if images:
            below.append(frozenset(path.name for path in walk.folders[entered:] if path.parent == root / folder))
            found.setdefault(composed(folder), []).extend(images)
        else:
            walk.passed[EMPTY].append(root / folder)
    if not found:
        raise no_images(root, walk.passed)
    classes = sorted(found)
    if len(classes) == 1:
        raise UserError(f"{root} has one class only ({classes[0]}): at least two are needed")
    walk.passed[OUTSIDE] = [root / name for name in loose]
    walk.tell(root)
    _warn_of_parts(root, classes, below)
    return ImageSet(
        root=root,
        paths=tuple(path for name in classes for path in found[name]),
        targets=np.repeat(np.arange(len(classes)), [len(found[name]) for name in classes]),
        classes=tuple(classes),
    )


def splits_of(root: Path) -> Splits | None:
    """Return the splits in ``root``, in ImageNet as published those of its images; None for an undivided folder.

    Raises:
        UserError: as ``find_splits``.
    """
    return find_splits(_base(Path(root)))


def held_out_folder(root: Path) -> Path | None:
    """Return the folder of the validation split in ``root``, else of the test split; None without either."""
    splits = splits_of(root)
    return splits.held_out if splits else None


def training_images(root: Path) -> ImageSet:
    """Read the images to train with: those of the training split where there are splits, else of the class folders.

    Raises:
        UserError: no such folder, no class folders, no images, a single class, or splits without one for training.
    """
    splits = splits_of(root)
    if splits is None:
        return read_class_folders(_base(Path(root)))
    if splits.train is None:
        assert splits.held_out is not None
        raise UserError(
            f"{root} has {splits.held_out.name}/ but no training images: add train/ with one folder per class"
        )
    return read_class_folders(splits.train)


def evaluation_images(
    root: Path, classes: Sequence[str] | None = None, numbered: Callable[[], Sequence[str]] = tuple
) -> ImageSet | None:
    """Read the images to evaluate on: those of the validation split, else of the test split; None without either.

    Args:
        root: the folder that ``training_images`` takes, or one whose loose images a file in it or beside it labels.
        classes: the class names of the training images, which labels of loose images must be among. Without
            them the names of the folders in the training split are taken.
        numbered: returns the names that a list of indices counts where neither is there and it has each of them:
            ImageNet's.

    Raises:
        UserError: as ``find_splits``; no images, or loose ones whose classes are not known: no file of labels, a line
            of it that cannot be read, images without a label, labels without an image, or an unknown class.
    """
    base, folder = _base(Path(root)), held_out_folder(root)
    if folder is not None:
        loose, folders = loose_images(folder), subfolders(folder)
    elif base.is_dir():
        folder, base = base, Path(os.path.abspath(base)).parent  # noqa: PTH100 - a link's own parent
        loose, folders = loose_images(folder), subfolders(folder)
        if folders or not loose or not (_published(loose) or labels_file(base, folder)):
            return None
    else:
        return None
    if folders and _published(loose):
        raise UserError(
            f"{folder} has {len(folders)} class folders and {len(loose)} images beside them, first {min(loose)}: "
            "move every image into its class folder, or all of them out"
        )
    if folders or not loose:
        return read_class_folders(folder)
    if classes is None:
        splits = None
        with suppress(UserError):  # the folder above need not be one of a data set
            splits = find_splits(base)
        classes = (subfolders(splits.train) or None) if splits and splits.train else None
    walk = Walk()
    loose, _ = walk.entries(folder)
    walk.tell(folder)
    return read_loose(base, folder, loose, classes, numbered)


def check_same_classes(train: ImageSet, test: ImageSet) -> None:
    """Refuse test images of other classes than the training images have.

    Raises:
        UserError: with the classes that are missing from ``test`` and those it has besides.
    """
    if train.classes == test.classes:
        return
    known, found = set(train.classes), set(test.classes)
    difference = f"{some(known - found)} missing, {some(found - known)} surplus"
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


def _published(names: Collection[str]) -> bool:
    """Return whether images are named as in ImageNet's published validation set."""
    return any(name.startswith(VAL_IMAGE) for name in names)


def _warn_of_parts(root: Path, classes: Sequence[str], below: Sequence[frozenset[str]]) -> None:
    """Warn where the classes look like folds or domains: all hold the same folders, the first no image beside them."""
    names = below[0]
    if len(names) > 1 and set(below) == {names} and not loose_images(root / classes[0]):
        say_once(
            f"warning: in {root} all of {some(classes)} are taken as classes, and all hold the same folders, "
            f"{some(names)}: if those are the classes, give {root / classes[0]}"
        )


def _check_class(folder: Path, entered: Sequence[Path], *, alone: bool) -> None:
    """Refuse a class folder that is itself divided into splits: all of them would be one."""
    inside = sorted({path.name for path in entered if path.parent == folder and looks_like_split(path.name)})
    if len(inside) > 1 and alone:
        raise UserError(
            f"{folder.parent} has only {folder.name}/ with splits in it ({', '.join(inside)}): give {folder}"
        )
    if len(inside) > 1:
        raise UserError(
            f"{folder} is a class folder with splits in it ({', '.join(inside)}): move each to "
            f"{folder.parent}/{inside[0]}/{folder.name} and so on, the splits outermost"
        )
