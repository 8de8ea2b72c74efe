"""Images with their targets, as every reader of a data set returns them."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.stats.streams import Draw, stream


def digest_files(images: ImageSet) -> str:
    """SHA-256 over the files alone, for ``ImageSet.digest``."""
    return fingerprint(images.root, images.paths)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Image files with one row of targets each.

    Attributes:
        root: the folder that names and fingerprints are relative to.
        paths: the N files.
        targets: integers, of one of these shapes: (N,) the number of each image's class; (N, K) for each class 1 where
            the image shows it, 0 where not, -1 where it is not rated; (N, 2) the classes of its shape and its texture.
            (N, 0) for images that have masks only.
        classes: the names that the numbers stand for.
        columns: further values, N each: "name", "mask" (a Path or None), "target" (the class that a targeted attack
            goes to) and "credit" (a line of attribution).
        skipped: files that the reader did not take, by reason.
        origin: the fingerprint of the files of the data set that these images are of or were drawn from.
        held_out: whether they are those alone that a training on the data set held out.
        drawn_from: the number of images before ``subsample``, None for a whole set.
        digest: computes ``fingerprint``; a reader whose targets do not follow from the files' names gives its own.
    """

    root: Path
    paths: tuple[Path, ...]
    targets: np.ndarray
    classes: tuple[str, ...]
    columns: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    origin: str = ""
    held_out: bool = False
    drawn_from: int | None = None
    digest: Callable[[ImageSet], str] = field(default=digest_files, repr=False)

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The column "name", else the paths below ``root``."""
        given = self.columns.get("name")
        return tuple(path.relative_to(self.root).as_posix() for path in self.paths) if given is None else given

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each image's class, for targets (N,)."""
        return tuple(self.classes[target] for target in self.targets.tolist())

    @property
    def masks(self) -> tuple[Any, ...]:
        """The column "mask": a path each, or None for an image without one."""
        return self.columns.get("mask", (None,) * len(self))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every image's relative path and size in bytes, and targets that do not follow from these."""
        return self.digest(self)

    def take(self, rows: Sequence[int] | np.ndarray) -> ImageSet:
        """Return these images alone, in this order, with the same classes."""
        rows = [int(row) for row in rows]
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            targets=self.targets[rows],
            columns={name: tuple(values[row] for row in rows) for name, values in self.columns.items()},
        )

    def subsample(self, limit: int | None, seed: int) -> ImageSet:
        """Draw at most ``limit`` images by ``seed``, spread evenly over the classes; None takes all of them.

        Within a class a smaller draw is part of a larger one of the same seed. Classes without an image in it are
        dropped. For targets (N,).
        """
        if limit is None or limit >= len(self):
            return self
        rng = stream(Draw.SUBSET, seed)
        place = np.empty(len(self), dtype=np.int64)  # of each image in its class's shuffled order
        for target in range(len(self.classes)):
            rows = np.flatnonzero(self.targets == target)
            place[rng.permutation(rows)] = np.arange(len(rows))
        chosen = np.lexsort((rng.permutation(len(self.classes))[self.targets], place))[:limit]
        drawn = self.take(np.sort(chosen))
        used, targets = np.unique(drawn.targets, return_inverse=True)
        classes = tuple(self.classes[target] for target in used.tolist())
        return replace(drawn, targets=targets.astype(np.int64), classes=classes, drawn_from=len(self))


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC): file systems and editors spell an "é" in one of two ways."""
    return unicodedata.normalize("NFC", name)


def from_labels(root: Path, paths: Sequence[Path], labels: Sequence[str], **fields: Any) -> ImageSet:
    """Return a set of one class each, the names in ``labels``; ``fields`` are further ones of ``ImageSet``."""
    labels = [composed(label) for label in labels]
    classes = tuple(sorted(set(labels)))
    number = {name: n for n, name in enumerate(classes)}
    targets = np.array([number[label] for label in labels], dtype=np.int64)
    return ImageSet(root, tuple(paths), targets, classes, **fields)


def digest_targets(images: ImageSet) -> str:
    """SHA-256 over the files and the targets' bytes, for ``ImageSet.digest``."""
    files = fingerprint(images.root, images.paths).encode()
    return hashlib.sha256(files + np.ascontiguousarray(images.targets).tobytes()).hexdigest()


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
