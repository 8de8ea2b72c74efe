"""Read a folder in the layout in which ImageNet-C is published, whole or in part.

``ROOT/CORRUPTION/SEVERITY/CLASS/image``, or with the groups' folders in between:
``ROOT/{noise,blur,weather,digital}/CORRUPTION/SEVERITY/CLASS/image``. The group ``extra``, its corruptions and all
other folders are not part of the protocol: they are ignored and listed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from shapebias.corruptions.corruption import CORRUPTIONS, GROUPS, SEVERITIES, Cell
from shapebias.data.decode import UnreadableImage, image_size
from shapebias.data.folders import subfolders
from shapebias.data.image_set import ImageSet
from shapebias.data.materialize import UNREADABLE, read_unreadable
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError, some
from shapebias.progress import progress

MANIFEST = "corruptions.json"  # in folders of ``shapebias corrupt``


@dataclass(frozen=True)
class CellImages:
    """The images of one corruption at one severity: paths relative to ``root``, and the numbers of their classes.

    No ``ImageSet``: of 75 cells of the same 50,000 images the names are stored once.
    """

    cell: Cell
    root: Path
    names: tuple[str, ...]
    labels: tuple[int, ...]
    fingerprint: str

    @property
    def paths(self) -> list[Path]:
        """The image files."""
        return [self.root / name for name in self.names]


@dataclass(frozen=True)
class CorruptedImages:
    """The cells of a folder, by corruption and severity in the protocol's order; all have the same classes.

    Attributes:
        root: the folder.
        classes: their names.
        cells: the images of each cell.
        ignored: folders that are not part of the protocol.
        made: True for a folder of ``shapebias corrupt``.
        unreadable: images that could not be read when it was made, "path: reason" each.
    """

    root: Path
    classes: tuple[str, ...]
    cells: tuple[CellImages, ...]
    ignored: tuple[str, ...]
    made: bool
    unreadable: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the cells and the fingerprints of their images."""
        lines = ("{}/{} {}\n".format(*images.cell, images.fingerprint) for images in self.cells)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The images that some cell has, sorted: ``CLASS/image``."""
        first = self.cells[0].names
        if all(images.names is first for images in self.cells):
            return first
        return tuple(sorted({name for images in self.cells for name in images.names}))

    @cached_property
    def sizes(self) -> set[tuple[int, int]]:
        """The widths and heights of the readable images of the first cell: the copies in other cells are as large."""
        found = set[tuple[int, int]]()
        for path in self.cells[0].paths:
            with suppress(UnreadableImage):
                found.add(image_size(path))
        return found

    @cached_property
    def missing(self) -> dict[str, list[int]]:
        """The severities of each corruption of the protocol that are not there."""
        there = {images.cell for images in self.cells}
        lacking = {name: [s for s in SEVERITIES if (name, s) not in there] for name in CORRUPTIONS}
        return {name: severities for name, severities in lacking.items() if severities}


def corruption_folders(root: Path) -> dict[str, Path]:
    """Return the folders of the protocol's corruptions below ``root`` that have folders in them; empty for other data.

    Raises:
        UserError: a corruption is there twice, with its group's folder and without.
    """
    found: dict[str, Path] = {}
    for group, corruptions in GROUPS.items():
        for name in corruptions:
            there = [path for path in (Path(root) / name, Path(root) / group / name) if subfolders(path)]
            if len(there) > 1:
                raise UserError(f"{root} has {name} twice, as {there[0]} and {there[1]}: remove one")
            if there:
                found[name] = there[0]
    return found


def read_corrupted(root: Path, *, limit: int | None = None, seed: int = 0) -> CorruptedImages:
    """Read the cells of a folder and the images in them.

    Args:
        root: the folder.
        limit: the largest number of images, the same in every cell: drawn from those of the first cell by ``seed``.
        seed: random seed of that draw.

    Raises:
        UserError: no corruption's folder, a severity other than 1 to 5, a cell without images, cells of different
            classes, or a set of ours that was not finished.
    """
    root = Path(root)
    folders = corruption_folders(root)
    if not folders:
        raise UserError(f"{root} holds no corrupted images: expected {root}/{CORRUPTIONS[0]}/1/CLASS/image.JPEG")
    made, unreadable = _made(root)
    places = [((name, severity), path) for name, folder in folders.items() for severity, path in _severities(folder)]
    cells: list[CellImages] = []
    classes: tuple[str, ...] = ()
    chosen: set[str] | None = None
    with progress("read corrupted images", total=len(places), unit="folders", shown=len(places) > 1) as bar:
        for cell, path in places:
            folder = read_class_folders(path)
            classes = classes or folder.classes
            if folder.classes != classes:
                raise _different(path, folder.classes, places[0][1], classes)
            if limit is not None and chosen is None:
                chosen = set(_names(folder.subsample(limit, seed)))
            cells.append(_cell_images(cell, folder, chosen, cells))
            bar.advance()
    return CorruptedImages(root, classes, tuple(cells), _ignored(root, folders), made, unreadable)


def _cell_images(cell: Cell, folder: ImageSet, chosen: set[str] | None, cells: Sequence[CellImages]) -> CellImages:
    names = _names(folder)
    if chosen is not None:
        rows = [row for row, name in enumerate(names) if name in chosen]
        names = tuple(names[row] for row in rows)
        folder = folder.take(rows)
        if not names:
            raise UserError(f"{folder.root} has none of the images drawn from {cells[0].root}: omit --limit")
    labels = tuple(folder.targets.tolist())
    if cells and cells[0].names == names:  # nearly always; they are stored once
        names, labels = cells[0].names, cells[0].labels
    return CellImages(cell, folder.root, names, labels, folder.fingerprint)


def _names(folder: ImageSet) -> tuple[str, ...]:
    skipped = len(folder.root.as_posix().rstrip("/")) + 1
    return tuple(path.as_posix()[skipped:] for path in folder.paths)


def _severities(folder: Path) -> list[tuple[int, Path]]:
    known = {str(severity): severity for severity in SEVERITIES}
    found = subfolders(folder)
    if odd := [name for name in found if name not in known]:
        raise UserError(f"{folder} holds '{odd[0]}', which is no severity: expected {folder}/1 to {folder}/5")
    return [(known[name], folder / name) for name in found]


def _different(path: Path, found: Sequence[str], first: Path, wanted: Sequence[str]) -> UserError:
    lacking, surplus = sorted({*wanted} - {*found}), sorted({*found} - {*wanted})
    difference = " and ".join(
        f"{word} {some(names)}" for word, names in (("lacks", lacking), ("also has", surplus)) if names
    )
    return UserError(
        f"{path} {difference}, unlike {first}: give every severity the same class folders, with images in each"
    )


def _ignored(root: Path, taken: dict[str, Path]) -> tuple[str, ...]:
    """Return the folders that are not part of the protocol, relative to ``root``."""
    used = {*taken.values(), *(path.parent for path in taken.values())}
    places = [root, *(root / group for group in GROUPS if root / group in used)]
    found = [place / name for place in places for name in subfolders(place)]
    return tuple(path.relative_to(root).as_posix() for path in found if path not in used)


def _made(root: Path) -> tuple[bool, tuple[str, ...]]:
    """Return whether ``shapebias corrupt`` made the folder, and the images that could not be read then."""
    if not (root / MANIFEST).is_file():
        return False, ()
    if not (root / UNREADABLE).is_file():
        raise UserError(f"{root} is not finished: run the same 'shapebias corrupt' again, it resumes")
    return True, tuple(read_unreadable(root, "shapebias corrupt"))
