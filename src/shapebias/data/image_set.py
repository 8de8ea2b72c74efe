"""Folders of images: what is in them, and which class each belongs to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Self

import numpy as np

from shapebias.data.decode import IMAGE_SUFFIXES
from shapebias.errors import UserError

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("val", "test", "validation")


@dataclass(frozen=True)
class ImageFolder:
    """Images in one folder per class: ``root/CLASS/**/image``; classes and images are sorted by name."""

    root: Path
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every image's relative path and size in bytes: cheap, and changes with the set."""
        return fingerprint(self.root, self.paths)

    def drawn(self, limit: int | None, seed: int) -> Self:
        """At most ``limit`` of the images, spread evenly over the classes and drawn by ``seed``; None: all of them.

        Within a class a smaller draw is part of a larger one of the same seed.
        """
        if limit is None or limit >= len(self):
            return self
        rng = np.random.default_rng(seed)
        labels = np.array(self.labels)
        turn = np.empty(len(self), dtype=np.int64)  # the place of each image in its class's shuffled order
        for label in range(len(self.classes)):
            rows = np.flatnonzero(labels == label)
            turn[rng.permutation(rows)] = np.arange(len(rows))
        chosen = np.lexsort((rng.permutation(len(self.classes))[labels], turn))[:limit]
        rows = np.sort(chosen).tolist()
        kept = sorted({self.labels[row] for row in rows})
        number = {label: new for new, label in enumerate(kept)}
        return replace(
            self,
            classes=tuple(self.classes[label] for label in kept),
            paths=tuple(self.paths[row] for row in rows),
            labels=tuple(number[self.labels[row]] for row in rows),
        )

    @classmethod
    def scan(cls, root: Path) -> ImageFolder:
        """Read the layout of ``root``.

        Raises:
            UserError: no such folder, no class folders, no images, or a single class.
        """
        root = Path(root)
        if not root.is_dir():
            raise UserError(f"no folder {root}: give a folder with one folder of images per class")
        folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
        if not folders:
            raise UserError(f"{root} has no class folders: expected {root}/CLASS/image.jpg")
        found = [(folder.name, _images_below(folder)) for folder in folders]
        filled = [(name, images) for name, images in found if images]
        if not filled:
            raise UserError(f"no images below {root} (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
        if len(filled) == 1:
            raise UserError(f"{root} has one class only ({filled[0][0]}): at least two are needed")
        return cls(
            root=root,
            classes=tuple(name for name, _ in filled),
            paths=tuple(path for _, images in filled for path in images),
            labels=tuple(label for label, (_, images) in enumerate(filled) for _ in images),
        )


def fingerprint(root: Path, paths: Sequence[Path]) -> str:
    """SHA-256 over every image's path relative to ``root`` and size in bytes (-1 for a link to nothing)."""
    digest, last, below = hashlib.sha256(), None, ""
    for path in paths:
        parent, separator, name = str(path).rpartition(os.sep)
        if parent != last:  # once per folder: a million relative paths would take longer than the sizes
            last, relative = parent, Path(parent or separator).relative_to(root).as_posix()
            below = "" if relative == "." else f"{relative}/"
        try:
            size = path.stat().st_size
        except OSError:
            size = -1
        digest.update(f"{below}{name}\0{size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def list_images(folder: Path) -> list[Path]:
    """Every image file below ``folder``, sorted by its path; hidden files are left out."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}")
    images = _images_below(folder)
    if not images:
        raise UserError(f"no images below {folder} (looked for {', '.join(sorted(IMAGE_SUFFIXES))})")
    return images


def is_image_name(name: str) -> bool:
    """Whether a file of this ``name`` is taken for an image: by its ending, hidden files never."""
    stem, dot, ending = name.rpartition(".")
    return bool(stem) and not name.startswith(".") and dot + ending.lower() in IMAGE_SUFFIXES


def part(root: Path, names: Sequence[str]) -> Path | None:
    """The first of the folders ``names`` that ``root`` has, such as its ``train``."""
    return next((Path(root) / name for name in names if (Path(root) / name).is_dir()), None)


def _images_below(folder: Path) -> list[Path]:
    """Images in ``folder`` and its folders, in the order of their paths' parts; linked folders are not entered."""
    images: list[Path] = []
    try:
        with os.scandir(folder) as listing:
            entries = sorted((e for e in listing if not e.name.startswith(".")), key=attrgetter("name"))
    except PermissionError:
        return images
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            images += _images_below(folder / entry.name)
        elif is_image_name(entry.name):
            path = folder / entry.name
            if not (entry.is_symlink() and path.is_dir()):
                images.append(path)
    return images
