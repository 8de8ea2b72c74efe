"""Images held out of training by their names, and what is remembered of the images that a model was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shapebias.data.image_set import ImageSet, composed, fingerprint
from shapebias.errors import UserError


@dataclass(frozen=True)
class TrainedOn:
    """The images that a model was trained on, as fingerprints over names and sizes of files.

    Attributes:
        fingerprint: of the training images.
        holdout: the fraction of an undivided data set that was held out; 0 for none.
        whole: of that data set, where some was held out.
    """

    fingerprint: str
    holdout: float = 0.0
    whole: str = ""

    @classmethod
    def read(cls, record: Any) -> TrainedOn | None:
        """Return what is recorded with a model; None where nothing is.

        Raises:
            ValueError: a damaged record.
        """
        if record is None:
            return None
        found = {name: value for name, value in dict(record).items() if name in cls.__dataclass_fields__}
        made = cls(**found)
        valid = isinstance(made.holdout, int | float) and 0 <= made.holdout < 1
        if not (valid and isinstance(made.fingerprint, str) and isinstance(made.whole, str)):
            raise ValueError("no valid record of the training images")
        return made


def hold_out(images: ImageSet, fraction: float) -> tuple[ImageSet, ImageSet]:
    """Divide images (one class each) into those to train with and about ``fraction`` of them to hold out.

    An image is held out where the hash of its name, the path below the data set's folder, is among the lowest
    ``fraction`` of all hashes: the same images whatever the seed, the machine, or the other images are, and with a
    smaller fraction a part of them. Every class keeps an image on either side.

    Raises:
        UserError: a class of one image.
    """
    place = np.array([_place(name) for name in images.names])
    chosen = place < fraction
    for target, label in enumerate(images.classes):
        rows = np.flatnonzero(images.targets == target)
        if len(rows) == 1:
            raise UserError(
                f"--holdout needs two images of every class, one to train with and one to hold out: {label} in "
                f"{images.root} has one"
            )
        if len(rows):
            chosen[rows[place[rows].argmin()]], chosen[rows[place[rows].argmax()]] = True, False
    return images.take(np.flatnonzero(~chosen)), images.take(np.flatnonzero(chosen))


def unseen(images: ImageSet, holdouts: Mapping[str, float]) -> ImageSet:
    """Return the part of ``images`` that trainings held out, all of them where no training held out any.

    Args:
        images: a data set.
        holdouts: the fraction that was held out, by the fingerprint of the files of the whole data set.

    Returns:
        The images, with ``origin`` the fingerprint of the files of all of them.
    """
    origin = files_of(images)
    fraction = holdouts.get(origin, 0.0)
    found = hold_out(images, fraction)[1] if fraction else images
    return replace(found, origin=origin, held_out=bool(fraction))


def files_of(images: ImageSet) -> str:
    """Return the fingerprint of the files alone, whatever else ``images.fingerprint`` covers."""
    return fingerprint(images.root, images.paths)


def _place(name: str) -> float:
    """Return a number in [0, 1) that depends on the name alone, however Unicode spells it."""
    spelled = composed(name).encode(errors="surrogateescape")
    return int.from_bytes(hashlib.sha256(spelled).digest()[:6]) / 2**48
