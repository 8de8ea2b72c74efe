"""The objects in Pascal VOC's annotations, XML that anyone may have written."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from shapebias.errors import UserError, unknown

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
CLASS_NUMBERS = {name: number for number, name in enumerate(VOC_CLASSES)}
LARGEST = 1_000_000  # bytes; VOC's are a few thousand


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
