"""A classification task: images to train with and to test on, with one class each or any number of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np

from shapebias.data.image_set import fingerprint
from shapebias.errors import UserError
from shapebias.tasks.sweep import SHARE


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their targets: class numbers (n,) int64, or (n, classes) int8.

    Of several classes per image, 1 says that it shows a class, 0 that it does not, -1 that it counts neither way.
    """

    root: Path
    paths: tuple[Path, ...]
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, rows: Sequence[int] | np.ndarray) -> Self:
        """These images alone, in this order."""
        return replace(self, paths=tuple(self.paths[int(row)] for row in rows), targets=self.targets[np.asarray(rows)])

    @property
    def names(self) -> tuple[str, ...]:
        """The images' paths below ``root``."""
        return tuple(path.relative_to(self.root).as_posix() for path in self.paths)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every image's name, size in bytes, and targets."""
        found = fingerprint(self.root, self.paths).encode() + np.ascontiguousarray(self.targets).tobytes()
        return hashlib.sha256(found).hexdigest()


@dataclass(frozen=True, eq=False)
class Task:
    """A task; ``notes`` are what its user should know of how the images were divided, a line each.

    ``use`` is what it is measured for, the first part of its name among the figures.
    """

    name: str
    kind: Literal["single", "multi"]
    classes: tuple[str, ...]
    train: Split
    test: Split
    notes: tuple[str, ...] = ()
    use: str = "transfer"

    @property
    def metric(self) -> str:
        """What it is measured by: top1, or map for several classes per image."""
        return "top1" if self.kind == "single" else "map"

    @property
    def evaluator(self) -> str:
        """Its name among the figures."""
        return f"{self.use}-{self.name}"

    def held_out(self, seed: int) -> tuple[Split, Split]:
        """The training images in two: those to fit with, and those to choose settings on.

        Raises:
            UserError: too few images for that.
        """
        aside = stratified(self.train.targets, SHARE, seed)
        if not aside.any():
            raise UserError(
                f"{len(self.train)} training images of {len(self.classes)} classes in {self.train.root} are too few to "
                "choose settings on a part of them: give 3 per class, or one --lr"
            )
        return self.train.take(np.flatnonzero(~aside)), self.train.take(np.flatnonzero(aside))


def stratified(targets: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which rows a seeded draw of ``share`` of every class takes, (n,) bool.

    Shares are rounded to whole images, so that a class of two gives none of them for a fifth. Where images show several
    classes, the classes take theirs in turn, the rarest first, each counting the images that are already taken.

    Args:
        targets: see ``Split``.
        share: of each class.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    taken = np.zeros(len(targets), dtype=bool)
    if targets.ndim == 1:
        for label in range(int(targets.max(initial=-1)) + 1):
            taken[_draw(rng, np.flatnonzero(targets == label), share)] = True
        return taken
    decided = np.zeros(len(targets), dtype=bool)
    shows = targets == 1
    for label in np.argsort(shows.sum(0), kind="stable"):
        rows = np.flatnonzero(shows[:, label])
        free = rows[~decided[rows]]
        wanted = _count(len(rows), share) - int(taken[rows].sum())
        taken[rng.permutation(free)[: max(0, wanted)]] = True
        decided[rows] = True
    taken[_draw(rng, np.flatnonzero(~decided), share)] = True
    return taken


def _draw(rng: np.random.Generator, rows: np.ndarray, share: float) -> np.ndarray:
    return rng.permutation(rows)[: _count(len(rows), share)]


def _count(of: int, share: float) -> int:
    return int(of * share + 0.5)
