"""Pascal VOC's images with the classes of their objects, from the annotations (XML that anyone may have written)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from shapebias.data.image_set import ImageSet, digest_targets
from shapebias.data.readers.voc import (
    IMAGES,
    VOC_CLASSES,
    check_present,
    count_missing,
    numbered_lines,
    split_names,
    stems,
    year_folder,
)
from shapebias.errors import UserError, unknown
from shapebias.progress import progress

NO_OBJECT = "no object"  # of ``skipped``
CLASS_NUMBERS = {name: number for number, name in enumerate(VOC_CLASSES)}
LARGEST = 1_000_000  # bytes; VOC's are a few thousand


def read_multilabel(root: Path, year: int, split: str) -> ImageSet:
    """Read the images of a split of ``ImageSets/Main``, in its order, with the classes of their objects.

    Objects come from ``Annotations``, or from the lists ``CLASS_SPLIT.txt`` (1, -1, or 0 for "difficult") where there
    are none. Targets (N, 20) are 1 for a class that an image shows, 0 for one that it does not, and -1 for one of which
    all its objects are "difficult". Images without any object are ``skipped``; one with difficult objects alone is not.

    Args:
        root: the year's folder or one above it, see ``find_voc``.
        year: 2007 or 2012.
        split: such as train, val, trainval or test.

    Raises:
        UserError: no such folder or split; names twice, without an image or an annotation; annotations that cannot be
            read or name an unknown class; lists that lack names or hold other numbers; no image with an object.
    """
    folder = year_folder(root, year)
    names = split_names(folder, "Main", split)
    check_present(folder, "Main", split, names, stems(folder / IMAGES, ".jpg"), IMAGES)
    if annotated := stems(folder / "Annotations", ".xml"):
        check_present(folder, "Main", split, names, annotated, "Annotations")
        found = read_annotations(folder / "Annotations", names)
    else:
        found = _of_lists(folder / "ImageSets" / "Main", names, split)
    has_object = [bool((row >= 0).any()) for row in found]
    if not any(has_object):
        raise UserError(f"no image of {folder / 'ImageSets' / 'Main' / split}.txt has an object: complete Annotations")
    kept = tuple(name for name, has in zip(names, has_object, strict=True) if has)
    return ImageSet(
        root=folder,
        paths=tuple(folder / IMAGES / f"{name}.jpg" for name in kept),
        targets=np.where(found == 0, -1, found == 1).astype(np.int8)[has_object],
        classes=VOC_CLASSES,
        columns={"name": kept},
        skipped={NO_OBJECT: tuple(name for name, has in zip(names, has_object, strict=True) if not has)},
        digest=digest_targets,
    )


def read_objects(path: Path) -> list[tuple[int, bool]]:
    """The objects of one annotation: the number of the class in ``VOC_CLASSES``, and whether it is "difficult".

    Raises:
        UserError: a file over 1 MB, with a document type (whose entities can expand without end), not XML, not an
            annotation, or with an object of an unknown class.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise UserError(f"{path} is larger than 1 MB, no annotation of VOC's: replace the file")
    text = data.decode("utf-8-sig", errors="replace")  # parsed as text, so that no other encoding can hide anything
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise UserError(f"{path} declares a document type, which VOC's annotations do not: remove the declaration")
    try:
        annotation = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{path} is not XML ({error}): replace the file") from error
    if annotation.tag != "annotation":
        raise UserError(f"{path} is not an annotation of VOC's: its outermost element is no <annotation>")
    return [_object(path, element) for element in annotation.findall("object")]


def _object(path: Path, element: ElementTree.Element) -> tuple[int, bool]:
    name = " ".join((element.findtext("name") or "").split())[:40]
    if name not in CLASS_NUMBERS:
        raise UserError(f"{path}: {unknown('class', name, VOC_CLASSES)}")
    difficult = (element.findtext("difficult") or "0").strip()
    if difficult not in {"0", "1"}:
        raise UserError(f"{path}: an object's <difficult> must be 0 or 1, not '{' '.join(difficult.split())[:40]}'")
    return CLASS_NUMBERS[name], difficult == "1"


def read_annotations(folder: Path, names: Collection[str]) -> np.ndarray:
    """Read (n, 20) int8: 1 where an image has an object of a class, 0 where it has difficult ones alone, else -1."""
    found = np.full((len(names), len(VOC_CLASSES)), -1, dtype=np.int8)
    with progress("reading annotations", total=len(names)) as bar:
        for row, name in enumerate(names):
            for label, difficult in read_objects(folder / f"{name}.xml"):
                found[row, label] = max(found[row, label], 0 if difficult else 1)
            bar.advance()
    return found


def _of_lists(folder: Path, names: Collection[str], split: str) -> np.ndarray:
    """The same, of the lists of each class; those may name further images."""
    columns = []
    for name in VOC_CLASSES:
        path = folder / f"{name}_{split}.txt"
        if not path.is_file():
            raise UserError(f"no {path.name} in {folder}, and no Annotations beside ImageSets: one of them is needed")
        flags: dict[str, int] = {}
        for number, line in numbered_lines(path):
            image, *rest = line.split()
            if rest not in (["1"], ["0"], ["-1"]):
                raise UserError(f"{path}, line {number}: '{line[:40]}' is not an image's name and 1, 0 or -1")
            if image in flags:
                raise UserError(f"{path}, line {number}: {image} is in a line above already: keep one of them")
            flags[image] = int(rest[0])
        if missing := count_missing(names, flags):
            raise UserError(f"{path} lacks {missing} of {split}.txt: add them")
        columns.append([flags[image] for image in names])
    return np.array(columns, dtype=np.int8).T
