"""Images to attack: what each is called, what it shows, and the class a targeted attack goes to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from shapebias.data.image_set import ImageFolder, fingerprint

ATTRIBUTION = "ATTRIBUTION.txt"


@dataclass(frozen=True)
class AttackImages:
    """Images with their classes by name, so that each network looks its own outputs up.

    ``names`` tell the images apart and are what their adversarial copies are called; ``labels`` are their classes,
    ImageNet's by WordNet identifier, and ``targets`` those that targeted attacks go to, None where the data name none.
    ``credits`` are lines "name, author, address, licence", None where the data do not give them; ``left_out`` lists
    images that are not there, "path: reason" each; ``of`` is how many there were before some were drawn.
    """

    root: Path
    paths: tuple[Path, ...]
    names: tuple[str, ...]
    labels: tuple[str, ...]
    targets: tuple[str, ...] | None = None
    credits: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()
    of: int | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @classmethod
    def of_folder(cls, folder: ImageFolder) -> AttackImages:
        """The images of class folders, called by their path in them; they have no targets."""
        return cls(
            root=folder.root,
            paths=folder.paths,
            names=tuple(path.relative_to(folder.root).as_posix() for path in folder.paths),
            labels=tuple(folder.classes[label] for label in folder.labels),
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every image's path and size in bytes, its class and its target."""
        rows = zip(self.names, self.labels, self.targets or self.labels, strict=True)
        text = "\n".join([fingerprint(self.root, self.paths), *("\0".join(row) for row in rows)])
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    def as_folder(self, *, targets: bool = False) -> ImageFolder:
        """The images as if in class folders; with ``targets`` its classes are also those that are only targets."""
        classes = tuple(sorted({*self.labels, *((self.targets or ()) if targets else ())}))
        place = {name: number for number, name in enumerate(classes)}
        return ImageFolder(self.root, classes, self.paths, tuple(place[label] for label in self.labels))

    def drawn(self, limit: int | None, seed: int) -> AttackImages:
        """At most ``limit`` of the images, spread evenly over the classes (``ImageFolder.drawn``)."""
        chosen = set(self.as_folder().drawn(limit, seed).paths)
        rows = [row for row, path in enumerate(self.paths) if path in chosen]
        return self if len(rows) == len(self) else replace(self.rows(rows), of=len(self))

    def rows(self, rows: Iterable[int]) -> AttackImages:
        """Some of the images, by number."""
        rows = tuple(rows)
        return replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            names=tuple(self.names[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            targets=None if self.targets is None else tuple(self.targets[row] for row in rows),
            credits=None if self.credits is None else tuple(self.credits[row] for row in rows),
        )

    def attribution(self) -> str | None:
        """The text of ATTRIBUTION.txt for pictures made from these images; None where nobody is named."""
        if self.credits is None:
            return None
        head = (
            "Made from these photographs, cropped and perturbed. Each: image, author, address, licence.",
            "They were collected for the NeurIPS 2017 competition on adversarial attacks.",
        )
        return "\n".join([*head, "", *self.credits]) + "\n"
