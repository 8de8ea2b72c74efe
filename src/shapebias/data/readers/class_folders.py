"""Images in the usual layouts: class folders, divided or not, and ImageNet as published.

Below ``root``: class folders; ``train/`` and ``val/`` (or ``test/``, ``validation/``) of class folders, which
is also torchvision's ImageNet; or ImageNet as published, ``ILSVRC/Data/CLS-LOC/train/WNID/`` with all test
images loose in ``val/`` and their classes in a file (see ``imagenet``). Such a ``val/`` may itself be given.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from shapebias.data.decode import IMAGE_SUFFIXES
from shapebias.data.image_set import TEST_NAMES, TRAIN_NAMES, ImageSet, images_below, is_image_name, part
from shapebias.data.readers.imagenet import VAL_IMAGE, labels_file, read_loose
from shapebias.errors import UserError, some

PUBLISHED = "ILSVRC/Data/CLS-LOC"


def read_class_folders(root: Path) -> ImageSet:
    """Read ``root/CLASS/**/image``: classes and images are sorted by name.

    Raises:
        UserError: no such folder, no class folders, no images, or a single class.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"no folder {root}: give a folder with one folder of images per class")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise UserError(f"{root} has no class folders: expected {root}/CLASS/image.jpg")
    found = [(folder.name, images_below(folder)) for folder in folders]
    filled = [(name, images) for name, images in found if images]
    if not filled:
        raise UserError(f"no images below {root} (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    if len(filled) == 1:
        raise UserError(f"{root} has one class only ({filled[0][0]}): at least two are needed")
    return ImageSet(
        root=root,
        paths=tuple(path for _, images in filled for path in images),
        targets=np.repeat(np.arange(len(filled)), [len(images) for _, images in filled]),
        classes=tuple(name for name, _ in filled),
    )


def training_images(root: Path) -> ImageSet:
    """Read the images to train with: those of ``train/`` where there is one, else of the class folders in ``root``.

    Raises:
        UserError: no such folder, no class folders, no images, or a single class.
    """
    base = _base(Path(root))
    return read_class_folders(part(base, TRAIN_NAMES) or base)


def evaluation_images(
    root: Path, classes: Sequence[str] | None = None, numbered: Sequence[str] = ()
) -> ImageSet | None:
    """Read the images to test with: those of ``val/``, ``test/`` or ``validation/``; None where there is none of them.

    Args:
        root: the folder that ``training_images`` takes, or one whose loose images a file in it or beside it labels.
        classes: the class names of the training images, which labels of loose images must be among. Without
            them the names of the folders in ``train/`` are taken.
        numbered: the names that a list of indices counts where neither is there and it has each of them:
            ImageNet's.

    Raises:
        UserError: no images, or loose ones whose classes are not known: no file of labels, a line of it
            that cannot be read, images without a label, labels without an image, or an unknown class.
    """
    base = _base(Path(root))
    folder = part(base, TEST_NAMES)
    if folder is not None:
        loose, folders = _listing(folder)
    elif base.is_dir():
        folder, base = base, Path(os.path.abspath(base)).parent  # noqa: PTH100 - a link's own parent
        loose, folders = _listing(folder)
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
        train = part(base, TRAIN_NAMES)
        classes = (sorted(_listing(train)[1]) or None) if train else None
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


def _listing(folder: Path) -> tuple[list[str], list[str]]:
    """Names of the images and of the folders in ``folder``; hidden ones are skipped."""
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
