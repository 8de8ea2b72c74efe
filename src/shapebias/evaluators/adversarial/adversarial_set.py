"""Adversarial images on disk: ``clean/NAME.png``, ``ATTACK/EPSILON/NAME.png``, and a manifest of how they were made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from shapebias.data.image_set import ImageSet, fingerprint, from_labels
from shapebias.data.readers.nips17 import digest_attacked
from shapebias.errors import UserError
from shapebias.evaluators.adversarial.attack_table import NONE, Column, columns_of
from shapebias.files import read_json

MANIFEST = "adversarial.json"
SCHEMA = "shapebias/adversarial/1"
ZERO = "zero_gradients"
MADE = (  # of the manifest: what the images depend on
    "source",
    "images_fingerprint",
    "norm",
    "epsilons",
    "epsilon_unit",
    "targeted",
    "attacks",
    "seed",
    "size",
    "rounding",
)


@dataclass(frozen=True)
class AdversarialSet:
    """Images made against one network, to be shown to others; ``images.paths`` are those without attack.

    ``made`` says how: the manifest's fields ``MADE``. ``unreadable`` lists originals that were, ``odd`` those whose
    gradient was not finite, ``zero`` those whose gradient was exactly zero: these are there all the same.
    """

    folder: Path
    images: ImageSet
    columns: tuple[Column, ...]
    made: dict[str, Any]
    unreadable: tuple[str, ...]
    odd: tuple[str, ...]
    zero: tuple[str, ...]

    @property
    def source(self) -> str:
        """The network that they were made against."""
        return str(self.made["source"]["name"])

    @property
    def told_apart(self) -> str:
        """The source with the beginning of its weights' hash, for another one may have the same name."""
        return f"{self.source}-{self.made['source']['weights_sha256'][:8]}"

    @property
    def targeted(self) -> bool:
        """Whether the attacks go to a class instead of away from one."""
        return bool(self.made["targeted"])

    def only(self, attacks: Sequence[str], epsilons: Sequence[float]) -> AdversarialSet:
        """The columns of these attacks and epsilons; of all where none are given.

        Raises:
            UserError: the set lacks one of them.
        """
        has_attacks, has_epsilons = list(self.made["attacks"]), self.made["epsilons"]
        for option, given, there in (("attacks", attacks, has_attacks), ("epsilon", epsilons, has_epsilons)):
            if lacking := [value for value in given if value not in there]:
                raise UserError(
                    f"{self.folder} was made without --{option} {_text(lacking[0])}: it has "
                    f"{', '.join(map(_text, there))}; choose from these, or give the original images"
                )
        shown = {name: how for name, how in self.made["attacks"].items() if name in (attacks or has_attacks)}
        sizes = [float(value) for value in has_epsilons if value in (epsilons or has_epsilons)]
        made = {**self.made, "attacks": shown, "epsilons": sizes}
        return replace(self, columns=columns_of(list(shown), sizes), made=made)

    def paths(self, images: ImageSet) -> list[tuple[Path, str]]:
        """The files of some of the images, column after column, and what to call each."""
        return [
            (stored(self.folder, column, name), f"{column.attack}/{column.epsilon}/{name}")
            for column in self.columns
            for name in images.names
        ]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the names and sizes of all pictures."""
        return fingerprint(self.folder, [path for path, _ in self.paths(self.images)])


def stored(folder: Path, column: Column, name: str) -> Path:
    """Where an image lies in a set."""
    if column.epsilon is None:
        return folder / "clean" / f"{name}.png"
    short = f"{column.epsilon:g}"
    return folder / column.attack / (short if float(short) == column.epsilon else repr(column.epsilon)) / f"{name}.png"


def is_set(folder: Path) -> bool:
    """Whether ``folder`` says that it holds adversarial images."""
    return (Path(folder) / MANIFEST).is_file()


def read_set(folder: Path) -> AdversarialSet:
    """A finished set, its pictures not looked at yet.

    Raises:
        UserError: no manifest of ours, a damaged one, or a set that is not finished.
    """
    path = Path(folder) / MANIFEST
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise UserError(f"{path} does not describe adversarial images of this version (schema {SCHEMA})")
    if value.get("kind") != "set":
        raise UserError(f"{folder} holds a few examples for a report: give the folder of a whole set")
    if value.get("finished") is not True:
        raise UserError(f"{folder} is not finished: give the same command again, with its --source, it goes on")
    try:
        return _set_of(Path(folder), value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "empty"
        raise UserError(f"{path} is damaged ({type(error).__name__}: {reason[:120]}): make the images anew") from error


def _set_of(folder: Path, value: dict[str, Any]) -> AdversarialSet:
    images = value["images"]
    names = tuple(_inside(image["name"]) for image in images)
    if not names or len(set(names)) < len(names):
        raise ValueError("no images, or one of them twice")
    epsilons = [float(epsilon) for epsilon in value["epsilons"]]
    if not all(math.isfinite(epsilon) and 0 < epsilon <= 255 for epsilon in epsilons):
        raise ValueError(f"epsilons {epsilons}")
    attacks = [_inside(name) for name in value["attacks"]]
    source = value["source"]
    if NONE in attacks or not isinstance(value["attacks"], dict):
        raise ValueError("an attack without name")
    if not (isinstance(source["name"], str) and isinstance(source["weights_sha256"], str)):
        raise ValueError("a source without name or hash")
    columns = columns_of(attacks, epsilons)
    paths = tuple(stored(folder, columns[0], name) for name in names)
    columns_of_images = {"name": names}
    if value["targeted"]:
        columns_of_images["target"] = _texts(images, "target")
    if all("credit" in image for image in images):
        columns_of_images["credit"] = _texts(images, "credit")
    labels = _texts(images, "label")
    found = from_labels(folder, paths, labels, columns=columns_of_images, digest=digest_attacked)
    told = (value["unreadable"], value["gradients_not_finite"], value.get(ZERO, ()))
    lists = (tuple(str(text) for text in texts) for texts in told)
    return AdversarialSet(folder, found, columns, {key: value[key] for key in MADE}, *lists)


def manifest_images(images: ImageSet) -> list[dict[str, str]]:
    """The images as the manifest lists them."""
    given = {"name": images.names, "label": images.labels}
    given |= {key: images.columns[key] for key in ("target", "credit") if key in images.columns}
    return [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]


def _inside(name: Any) -> str:
    """A name that leads to no other folder."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\0" in name:
        raise ValueError(f"name {str(name)[:40]!r}")
    return name


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _texts(images: Sequence[dict[str, Any]], key: str) -> tuple[str, ...]:
    found = [image[key] for image in images]
    if not all(isinstance(text, str) for text in found):
        raise TypeError(f"{key} is not text")
    return tuple(found)
