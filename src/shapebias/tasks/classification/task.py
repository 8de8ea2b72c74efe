"""A classification task: images to train with and to test on, with one class each or any number of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError
from shapebias.tasks.sweep import SHARE


@dataclass(frozen=True, eq=False)
class Task:
    """A task; ``notes`` are what its user should know of how the images were divided, a line each.

    ``use`` is what it is measured for, the first part of its name among the figures.
    """

    name: str
    kind: Literal["single", "multi"]
    classes: tuple[str, ...]
    train: ImageSet
    test: ImageSet
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

    def held_out(self, seed: int) -> tuple[ImageSet, ImageSet]:
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
        targets: see ``ImageSet``.
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
