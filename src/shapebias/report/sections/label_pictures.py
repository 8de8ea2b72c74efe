"""Pictures beside their labels: segmentation and pseudo-labels of the same images by every model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shapebias.data.pictures import GAP
from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.readers.voc_masks import IGNORED, VOC_PALETTE
from shapebias.report.collect import Collection, Model
from shapebias.report.format import percent
from shapebias.report.pictures import Picture, embed_image, embed_png, inside, png_inside, side_by_side
from shapebias.report.values import listing, number, read_record, table, text
from shapebias.results.layout import (
    CAM_INDEX,
    CAM_SCHEMA,
    PICTURES_FOLDER,
    SEGMENTATION_INDEX,
    SEGMENTATION_SCHEMA,
)
from shapebias.results.results import Result

IMAGES, MODELS = 6, 6  # maximum per gallery, and per image
_ROWS = 100  # maximum number of rows read from an index
_LARGEST = 220  # maximum side on the page in pixels
_NAMES = {0: "background"} | dict(enumerate(VOC_CLASSES, 1)) | {IGNORED: "border, ignored"}
_COLOURS = {tuple(int(part) for part in VOC_PALETTE[index]): index for index in _NAMES}


@dataclass(frozen=True)
class Labelled:
    """One model's labels of an image, as pictures each with its kind; ``miou`` of that image, as shown."""

    model: Model
    views: tuple[tuple[str, Picture], ...]
    miou: str


@dataclass
class LabelledImage:
    """One image, its truth, and every model's labels."""

    name: str
    image: Picture
    truth: Picture
    answers: list[Labelled] = field(default_factory=list)


@dataclass
class LabelGallery:
    """Images of one evaluator: of a segmentation ``kind`` is the backbone, of pseudo-labels the scales."""

    evaluator: str
    kind: str
    threshold: float | None = None
    images: dict[tuple[str, str, str], LabelledImage] = field(default_factory=dict)
    occurring: set[int] = field(default_factory=set)  # class numbers

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The classes that occur, by number, with their colours as ``#rrggbb``."""
        return [(_NAMES[n], "#" + bytes(VOC_PALETTE[n]).hex()) for n in sorted(self.occurring)]

    def add(self, name: str, image: Picture, truth: Picture, answer: Labelled, occurring: set[int]) -> None:
        """Add a model's labels to their image, up to the maximum number of images and models."""
        key = (name, image.uri, truth.uri)
        if key not in self.images and len(self.images) == IMAGES:
            return
        shown = self.images.setdefault(key, LabelledImage(name, image, truth))
        if len(shown.answers) < MODELS:
            shown.answers.append(answer)
            self.occurring |= occurring


def label_galleries(collection: Collection) -> list[LabelGallery]:
    """The pictures beside the results that they are of, segmentation first; an image has one card for all models."""
    found: dict[tuple[str, str, float | None], LabelGallery] = {}
    for evaluator, index, schema, read in _INDEXES:
        for model in collection.models:
            for home in model.measurements:
                path = inside(home.path.parent, PICTURES_FOLDER, index)
                results = [result for result in home.results if result.evaluator == evaluator]
                record = read_record(path, schema, collection.warnings) if path and results else None
                if path is None or record is None:
                    continue
                pictures = list(read(model, results, path.parent, record))
                for kind, threshold, shown in pictures:
                    gallery = LabelGallery(evaluator, kind, threshold)
                    found.setdefault((evaluator, kind, threshold), gallery).add(*shown)
                if pictures:
                    collection.picture_folders.append(path.parent)
                else:
                    collection.warnings.append(f"{path} names no picture of {model.name}'s results that can be shown")
    return list(found.values())


Shown = tuple[str, Picture, Picture, Labelled, set[int]]  # the arguments of ``LabelGallery.add``


def _segmented(
    model: Model, results: Sequence[Result], folder: Path, record: Mapping[str, Any]
) -> Iterator[tuple[str, float | None, Shown]]:
    """Yield the pictures of the weights that were measured, with their backbone."""
    measured = {
        (text(result.condition.get("backbone")), text(table(seed).get("weights_sha256")))
        for result in results
        for seed in listing(result.details.get("seeds"))
    }
    for row in _rows(record):
        backbone, path = text(row.get("backbone")) or "", png_inside(folder, row.get("file"))
        if path is None or (backbone, text(row.get("weights_sha256"))) not in measured:
            continue
        if (parts := side_by_side(path, 3, gap=GAP)) is None:
            continue
        image = embed_image(parts[0], largest=_LARGEST, quality=85)
        truth, predicted = (embed_image(part, largest=_LARGEST, labels=True) for part in parts[1:])
        answer = Labelled(model, (("prediction", predicted),), _miou(row))
        occurring = {index for part in parts[1:] for index in _class_numbers(part)}
        yield backbone, None, (text(row.get("image")) or "", image, truth, answer, occurring)


def _pseudo_labelled(
    model: Model, results: Sequence[Result], folder: Path, record: Mapping[str, Any]
) -> Iterator[tuple[str, float | None, Shown]]:
    """Yield the pictures, if they are of the settings of a result, with its scales and threshold."""
    scales = next((text(r.condition.get("scales")) for r in results if _is_of(r, record)), None)
    for row in _rows(record) if scales is not None else []:
        files = [row.get(view) for view in ("image", "truth", "pseudo_label", "heat")]
        views = [view for file in files if (view := embed_png(folder, file, largest=_LARGEST))]
        if len(views) == len(files):
            image, truth, labels, heat = views
            best = text(row.get("best_class"))
            answer = Labelled(model, (("labels", labels), (f"map of {best}" if best else "map", heat)), _miou(row))
            names = {name for name in listing(row.get("classes")) if isinstance(name, str)}
            occurring = {index for index, name in _NAMES.items() if name in names}
            shown = text(row.get("name")) or "", image, truth, answer, occurring
            yield scales or "", number(record.get("threshold")), shown


_INDEXES = (
    ("segmentation", SEGMENTATION_INDEX, SEGMENTATION_SCHEMA, _segmented),
    ("cam", CAM_INDEX, CAM_SCHEMA, _pseudo_labelled),
)


def _rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [table(row) for row in listing(record.get("pictures"))[:_ROWS]]


def _is_of(result: Result, record: Mapping[str, Any]) -> bool:
    """Return whether pictures were made with the settings of a result at a given threshold."""
    same = all(result.details.get(name) == record.get(name) for name in ("scales", "flip", "size"))
    threshold = number(result.condition.get("threshold"))
    return same and threshold is not None and threshold == number(record.get("threshold"))


def _class_numbers(labels: Image.Image) -> set[int]:
    """Return the class numbers whose colours are in a picture."""
    colours = np.unique(np.asarray(labels).reshape(-1, 3), axis=0)
    return {index for colour in colours.tolist() if (index := _COLOURS.get(tuple(colour))) is not None}


def _miou(row: Mapping[str, Any]) -> str:
    value = number(row.get("miou"))
    return "" if value is None else percent(value, 0)
