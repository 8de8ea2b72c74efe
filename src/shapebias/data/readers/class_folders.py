"""Photographs in the layouts people have: where the classes are, and which class a loose image belongs to.

Below ``root``: class folders; ``train/`` and ``val/`` (or ``test/``, ``validation/``) of class folders, which
is also torchvision's ImageNet; or ImageNet as published, ``ILSVRC/Data/CLS-LOC/train/WNID/`` with all test
images loose in ``val/`` and their classes in a file (see ``imagenet_labels``). Such a ``val/`` may itself be given.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from shapebias.data.image_set import TEST_NAMES, TRAIN_NAMES, ImageFolder, fingerprint, is_image_name, part
from shapebias.data.readers.imagenet_labels import VAL_IMAGE, key_of, labels_file, read_labels
from shapebias.errors import UserError

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


def evaluation_images(
    root: Path, classes: Sequence[str] | None = None, numbered: Sequence[str] = ()
) -> ImageFolder | None:
    """The images to test with: those of ``val/``, ``test/`` or ``validation/``; None where there is none of them.

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
        return ImageFolder.scan(folder)
    if classes is None:
        train = part(base, TRAIN_NAMES)
        classes = (sorted(_listing(train)[1]) or None) if train else None
    return _labelled(folder, loose, read_labels(base, folder, classes, numbered), classes)


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


def _published(names: Collection[str]) -> bool:
    """Whether images are called as those of ImageNet's published validation set."""
    return any(name.startswith(VAL_IMAGE) for name in names)


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


def _labelled(
    folder: Path, names: Collection[str], source: tuple[Path, dict[str, str]], known: Collection[str] | None
) -> LabelledImages:
    """The images ``names`` of ``folder`` with the labels of ``source``, once both agree to the last image."""
    path, labels = source
    images = {key_of(name): name for name in names}
    if len(images) < len(names):
        twins = sorted(name for name in names if images[key_of(name)] != name)
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
