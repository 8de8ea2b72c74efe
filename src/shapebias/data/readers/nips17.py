"""The images of the NeurIPS 2017 competition on adversarial attacks (Kurakin et al. 2018), as published.

A folder with a CSV and the images, in ``images/`` or beside it; or a folder with that one, called ``nips17``. The CSV
is ``images.csv`` or ``dev_dataset.csv``, or the only one that has the columns. A row gives the name of an image's file
(ImageId), its class (TrueLabel) and the class that targeted attacks go to (TargetClass), both of ImageNet and **counted
from 1**. Author, OriginalLandingURL and License are its attribution; all are under Creative Commons' CC BY.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from shapebias.data.folders import Walk, loose_images, stem_of
from shapebias.data.image_set import ImageSet, composed, fingerprint, from_labels
from shapebias.data.tables import Row, columns_of, read_table
from shapebias.errors import UserError, some

FOLDERS = ("nips17", "nips2017", "nips-2017")
FILES = ("images.csv", "dev_dataset.csv")
NEEDED = ("ImageId", "TrueLabel")
TARGET = "TargetClass"
ATTRIBUTION = "ATTRIBUTION.txt"
NO_IMAGE = "no image"  # of ``skipped``
CREDITS = ("Author", "OriginalLandingURL", "License")


def find_competition(root: Path) -> Path | None:
    """Find the CSV in ``root`` or one level down, None where there is none: a folder of other things is no error.

    Where ``root`` is the ``images/`` with the images themselves, the CSV beside it.
    """
    root = Path(root)
    places = [root / name for name in (".", *FOLDERS)]
    if root.name == "images" and root.is_dir() and loose_images(root):
        places.append(root.parent)
    return next((file for place in places if (file := _table_in(place)) is not None), None)


def read_competition(table: Path, classes: Sequence[str], *, strict: bool = False) -> ImageSet:
    """Read the images that ``table`` has a row for.

    The columns have each image's "name" (its ImageId) and, where the CSV gives them, the "target" that a targeted
    attack goes to and the "credit". ``skipped`` has the rows without an image, "path: reason" each.

    Args:
        table: the CSV.
        classes: the names of ImageNet's classes in order: label 1 is the first.
        strict: stop at a row without an image, which is skipped and listed otherwise.

    Raises:
        UserError: a table that is not UTF-8 or lacks columns, rows given twice, labels that are none, images without
            a row, no image at all.
    """
    rows = _rows(table)
    columns = rows[0][1].keys() if rows else ()
    folder = table.parent / "images" if (table.parent / "images").is_dir() else table.parent
    files = _images_in(folder)
    seen: dict[str, int] = {}
    kept: list[Row] = []
    skipped: list[str] = []
    for line, row in rows:
        name = row["ImageId"]
        if not name:
            raise UserError(f"{table}, line {line}: no ImageId: name the image, or remove the row")
        if name in seen:
            raise UserError(f"{table}, line {line}: {name} has a row in line {seen[name]} already: keep one of them")
        seen[name] = line
        if name in files:
            kept.append((line, row))
            continue
        skipped.append(f"{folder / name}.png: not there (row in line {line} of {table.name})")
        if strict:
            raise UserError(f"{table}, line {line}: no image {name}.png in {folder} (add it, or leave out --strict)")
    if unlisted := sorted(file.name for name, file in files.items() if name not in seen):
        raise UserError(f"{table} has no row for images in {folder}: {some(unlisted)}: add rows or remove the images")
    if not kept:
        raise UserError(f"none of the {len(rows)} images of {table} is in {folder}: put the PNG files there")
    labels, *target = (
        tuple(_class_of(table, line, row, column, classes) for line, row in kept)
        for column in ("TrueLabel", TARGET)
        if column in columns
    )
    more = {"name": tuple(row["ImageId"] for _, row in kept)}
    if target:
        more["target"] = target[0]
    if set(CREDITS) <= set(columns):
        more["credit"] = tuple(", ".join([row["ImageId"], *(row[c] for c in CREDITS)]) for _, row in kept)
    paths = [files[row["ImageId"]] for _, row in kept]
    return from_labels(folder, paths, labels, columns=more, skipped={NO_IMAGE: tuple(skipped)}, digest=digest_attacked)


def digest_attacked(images: ImageSet) -> str:
    """SHA-256 over the files, and every image's name, class and target, for ``ImageSet.digest`` of images to attack."""
    rows = zip(images.names, images.labels, images.columns.get("target", images.labels), strict=True)
    text = "\n".join([fingerprint(images.root, images.paths), *("\0".join(row) for row in rows)])
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def attribution(images: ImageSet) -> str | None:
    """Return the text of ATTRIBUTION.txt for pictures made from these images; None where nobody is named."""
    if "credit" not in images.columns:
        return None
    head = (
        "Made from these photographs, cropped and perturbed. Each: image, author, address, licence.",
        "They were collected for the NeurIPS 2017 competition on adversarial attacks.",
    )
    return "\n".join([*head, "", *images.columns["credit"]]) + "\n"


def no_table(root: Path) -> UserError | None:
    """Return the error for images that lie as the competition's do, without their CSV, or for a file.

    None for any other folder.
    """
    if root.is_file():
        return UserError(f"{root} is a file: give its folder, {root.parent}")
    folder = next((f for f in (root / "images", root) if f.is_dir() and loose_images(f)), None)
    if folder is None:
        return None
    return UserError(
        f"{folder} has images but {root} no CSV that says what they show: put {' or '.join(FILES)} there "
        f"(columns {', '.join(NEEDED)}, {TARGET}), or sort the images into class folders"
    )


def _table_in(folder: Path) -> Path | None:
    if not folder.is_dir():
        return None
    for name in FILES:
        if (folder / name).is_file():
            columns = columns_of(folder / name, (*NEEDED, TARGET))
            if columns is None or columns:  # reading it names what else it lacks
                return folder / name
    fitting = [file for file in sorted(folder.glob("*.csv")) if columns_of(file, NEEDED) == set(NEEDED)]
    return fitting[0] if len(fitting) == 1 else None


def _rows(table: Path) -> list[Row]:
    rows = read_table(table, NEEDED, (TARGET, *CREDITS))
    if not rows:
        raise UserError(f"{table} has no rows")
    return [(line, {name: _text(cell) for name, cell in row.items()}) for line, row in rows]


def _text(field: str) -> str:
    """A field on one line, as they end up in files of lines."""
    return composed(" ".join(field.split()))


def _class_of(table: Path, line: int, row: dict[str, str], column: str, classes: Sequence[str]) -> str:
    text = row[column]
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= len(classes)):
        raise UserError(
            f"{table}, line {line}: {column} '{text[:40]}' of {row['ImageId'][:80]} is no class: "
            f"labels count from 1 to {len(classes)}"
        )
    return classes[int(text) - 1]


def _images_in(folder: Path) -> dict[str, Path]:
    """Images lying in ``folder`` by their names without ending."""
    files: dict[str, Path] = {}
    walk = Walk()
    for name in walk.entries(folder)[0]:
        stem = composed(stem_of(name))
        if stem in files:
            raise UserError(f"{folder} has {files[stem].name} and {name}: keep one image of each name")
        files[stem] = folder / name
    walk.tell(folder)
    return files
