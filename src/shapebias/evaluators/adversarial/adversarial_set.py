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
from shapebias.evaluators.adversarial.columns import NO_ATTACK, Column, attack_columns
from shapebias.files import read_json
from shapebias.results.layout import ADVERSARIAL_MANIFEST, ADVERSARIAL_SCHEMA

IDENTITY = "making.json"  # all that the set depends on; without the manifest the set is not finished
ZERO = "zero_gradients"
MADE = (  # fields of the manifest: all that the images depend on
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
    """Images made against one model, the source, to be shown to others; ``images.paths`` are those without attack.

    Attributes:
        folder: where they are.
        images: those that were attacked.
        columns: Clean, and the attacks at their epsilons.
        made: the manifest's fields ``MADE``.
        unreadable: originals that could not be read, "path: reason" each.
        not_finite: names of originals whose gradient was not finite; they are not in ``images``.
        zero: names of images whose gradient was exactly zero; they are in ``images``.
    """

    folder: Path
    images: ImageSet
    columns: tuple[Column, ...]
    made: dict[str, Any]
    unreadable: tuple[str, ...]
    not_finite: tuple[str, ...]
    zero: tuple[str, ...]

    @property
    def source(self) -> str:
        """The name of the model that they were made against."""
        return str(self.made["source"]["name"])

    @property
    def source_id(self) -> str:
        """The name of the source and the beginning of its weights' hash, for another one may have the same name."""
        return f"{self.source}-{self.made['source']['weights_sha256'][:8]}"

    @property
    def targeted(self) -> bool:
        """True for targeted attacks."""
        return bool(self.made["targeted"])

    def only(self, attacks: Sequence[str], epsilons: Sequence[float]) -> AdversarialSet:
        """Return the columns of these attacks and epsilons; all where none are given.

        Raises:
            UserError: the set lacks one of them.
        """
        has_attacks, has_epsilons = list(self.made["attacks"]), self.made["epsilons"]
        for option, given, there in (("attacks", attacks, has_attacks), ("epsilon", epsilons, has_epsilons)):
            if lacking := [value for value in given if value not in there]:
                raise UserError(
                    f"{self.folder} was made without --{option} {_option(lacking[0])}: it has "
                    f"{', '.join(map(_option, there))}; choose from these, or give the original images"
                )
        shown = {name: how for name, how in self.made["attacks"].items() if name in (attacks or has_attacks)}
        sizes = [float(value) for value in has_epsilons if value in (epsilons or has_epsilons)]
        made = {**self.made, "attacks": shown, "epsilons": sizes}
        return replace(self, columns=attack_columns(list(shown), sizes), made=made)

    def paths(self, images: ImageSet) -> list[tuple[Path, str]]:
        """Return the files of some of the images, column after column, and a name for each."""
        return [
            (stored_path(self.folder, column, name), f"{column.attack}/{column.epsilon}/{name}")
            for column in self.columns
            for name in images.names
        ]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the names and sizes of all image files."""
        return fingerprint(self.folder, [path for path, _ in self.paths(self.images)])


def stored_path(folder: Path, column: Column, name: str) -> Path:
    """Return the file of an image in a set."""
    if column.epsilon is None:
        return folder / "clean" / f"{name}.png"
    short = f"{column.epsilon:g}"
    return folder / column.attack / (short if float(short) == column.epsilon else repr(column.epsilon)) / f"{name}.png"


def is_set(folder: Path) -> bool:
    """Return whether ``folder`` is a set of adversarial images, finished or not."""
    return any((Path(folder) / name).is_file() for name in (ADVERSARIAL_MANIFEST, IDENTITY))


def read_set(folder: Path) -> AdversarialSet:
    """Read the manifest of a finished set.

    Raises:
        UserError: no manifest of ours, a damaged one, or a set that is not finished.
    """
    path = Path(folder) / ADVERSARIAL_MANIFEST
    if not path.is_file() and (Path(folder) / IDENTITY).is_file():
        raise UserError(f"{folder} is not finished: give the same command again, with its --source; it resumes")
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != ADVERSARIAL_SCHEMA:
        raise UserError(f"{path} does not describe adversarial images of this version (schema {ADVERSARIAL_SCHEMA})")
    if value.get("kind") != "set":
        raise UserError(f"{folder} holds a few examples for a report: give the folder of a whole set")
    try:
        return _set_of(Path(folder), value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "empty"
        raise UserError(f"{path} is damaged ({type(error).__name__}: {reason[:120]}): make the images anew") from error


def _set_of(folder: Path, value: dict[str, Any]) -> AdversarialSet:
    images = value["images"]
    names = tuple(_safe_name(image["name"]) for image in images)
    if not names or len(set(names)) < len(names):
        raise ValueError("no images, or one of them twice")
    epsilons = [float(epsilon) for epsilon in value["epsilons"]]
    if not all(math.isfinite(epsilon) and 0 < epsilon <= 255 for epsilon in epsilons):
        raise ValueError(f"epsilons {epsilons}")
    attacks = [_safe_name(name) for name in value["attacks"]]
    source = value["source"]
    if NO_ATTACK in attacks or not isinstance(value["attacks"], dict):
        raise ValueError("an attack without name")
    if not (isinstance(source["name"], str) and isinstance(source["weights_sha256"], str)):
        raise ValueError("a source without name or hash")
    columns = attack_columns(attacks, epsilons)
    paths = tuple(stored_path(folder, columns[0], name) for name in names)
    further = {"name": names}
    if value["targeted"]:
        further["target"] = _texts(images, "target")
    if all("credit" in image for image in images):
        further["credit"] = _texts(images, "credit")
    labels = _texts(images, "label")
    found = from_labels(folder, paths, labels, columns=further, digest=digest_attacked)
    lists = (
        tuple(str(text) for text in texts)
        for texts in (value["unreadable"], value["gradients_not_finite"], value.get(ZERO, ()))
    )
    return AdversarialSet(folder, found, columns, {key: value[key] for key in MADE}, *lists)


def manifest_images(images: ImageSet) -> list[dict[str, str]]:
    """Return the images as the manifest lists them."""
    given = {"name": images.names, "label": images.labels}
    given |= {key: images.columns[key] for key in ("target", "credit") if key in images.columns}
    return [dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)]


def _safe_name(name: Any) -> str:
    """Return ``name``, if it stays inside the folder."""
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\0" in name:
        raise ValueError(f"name {str(name)[:40]!r}")
    return name


def _option(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _texts(images: Sequence[dict[str, Any]], key: str) -> tuple[str, ...]:
    found = [image[key] for image in images]
    if not all(isinstance(text, str) for text in found):
        raise TypeError(f"{key} is not text")
    return tuple(found)
