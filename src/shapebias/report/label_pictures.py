"""Pictures beside their labels: segmentation and pseudo-labels of the same images by every network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.readers.voc_masks import IGNORED, VOC_PALETTE
from shapebias.errors import UserError
from shapebias.report.cam_chart import scales_words
from shapebias.report.collect import Network
from shapebias.report.format import percent, plain
from shapebias.report.pictures import Picture, embed, embed_image, inside, side_by_side
from shapebias.report.records import Entry, listing, number, read_record, table, text
from shapebias.report.transfer import backbone_words

FOLDER = "pictures"  # beside results.json
IMAGES, NETWORKS = 6, 6  # shown of a gallery at most, and networks of each image
_ROWS = 100  # of an index, read at most
_GAP, _LARGEST = 4, 220  # pixels: between the parts of a segmentation picture, and of a side on the page
_NAMES = {0: "background"} | dict(enumerate(VOC_CLASSES, 1)) | {IGNORED: "border, not counted"}
_COLOURS = {tuple(int(part) for part in VOC_PALETTE[number]): number for number in _NAMES}


@dataclass(frozen=True)
class Labelled:
    """One network's labels of an image, as pictures each with what it is; ``miou`` of that image, as shown."""

    network: Network
    views: tuple[tuple[str, Picture], ...]
    miou: str


@dataclass
class LabelledImage:
    """One image, its truth, and every network's labels."""

    name: str
    image: Picture
    truth: Picture
    answers: list[Labelled] = field(default_factory=list)


@dataclass
class LabelGallery:
    """Images of one evaluator in one setting, and the ``numbers`` of the classes that occur."""

    evaluator: str
    setting: str
    images: dict[tuple[str, str, str], LabelledImage] = field(default_factory=dict)
    numbers: set[int] = field(default_factory=set)
    folders: dict[Path, None] = field(default_factory=dict)

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The classes that occur, by number, with their colours as ``#rrggbb``."""
        return [(_NAMES[n], "#" + bytes(VOC_PALETTE[n]).hex()) for n in sorted(self.numbers)]

    def add(
        self, name: str, image: Picture, truth: Picture, answer: Labelled, occurring: set[int], folder: Path
    ) -> None:
        """Put a network's labels to the image that they are of, unless there are enough of either."""
        key = (name, image.uri, truth.uri)
        if key not in self.images and len(self.images) == IMAGES:
            return
        shown = self.images.setdefault(key, LabelledImage(name, image, truth))
        if len(shown.answers) < NETWORKS:
            shown.answers.append(answer)
            self.numbers |= occurring
            self.folders[folder] = None


def read_label_galleries(networks: Sequence[Network], warnings: list[str]) -> list[LabelGallery]:
    """The pictures beside the results that they are of, segmentation first; an image has one card for all networks."""
    found: _Found = {}
    for evaluator, index, schema, read in _INDEXES:
        for network in networks:
            for home in network.measurements:
                path = inside(home.path.parent, FOLDER, index)
                entries = [e for e in home.entries if e.evaluator == evaluator]
                if path is None or not entries:
                    continue
                try:
                    record = read_record(path, schema, "measure the network again")
                except UserError as error:
                    warnings.append(f"{error} (its pictures are not shown)")
                    continue
                if not read(network, entries, path.parent, record, found):
                    warnings.append(f"{path} names no picture of {network.name}'s figures that can be shown")
    return [gallery for gallery in found.values() if gallery.images]


_Found = dict[tuple[str, str], LabelGallery]


def _segmented(
    network: Network, entries: Sequence[Entry], folder: Path, record: Mapping[str, Any], found: _Found
) -> bool:
    """Add the rows whose weights are those that were measured."""
    measured = {
        (text(entry.condition.get("backbone")), text(table(seed).get("weights_sha256")))
        for entry in entries
        for seed in listing(entry.details.get("seeds"))
    }
    any_read = False
    for row in map(table, listing(record.get("pictures"))[:_ROWS]):
        backbone, path = text(row.get("backbone")) or "", _png(folder, row.get("file"))
        if path is None or (backbone, text(row.get("weights_sha256"))) not in measured:
            continue
        if (parts := side_by_side(path, 3, gap=_GAP)) is None:
            continue
        image = embed_image(parts[0], largest=_LARGEST, quality=85)
        truth, predicted = (embed_image(part, largest=_LARGEST, labels=True) for part in parts[1:])
        answer = Labelled(network, (("prediction", predicted),), _miou(row))
        gallery = found.setdefault(("segmentation", backbone), LabelGallery("segmentation", backbone_words(backbone)))
        occurring = {number for part in parts[1:] for number in _numbers(part)}
        gallery.add(text(row.get("image")) or "", image, truth, answer, occurring, folder)
        any_read = True
    return any_read


def _pseudo_labelled(
    network: Network, entries: Sequence[Entry], folder: Path, record: Mapping[str, Any], found: _Found
) -> bool:
    """Add the rows, if they are of the settings of a figure."""
    scales = next((text(e.condition.get("scales")) for e in entries if _is_of(e, record)), None)
    if scales is None:
        return False
    setting = ", ".join(filter(None, [scales_words(scales), f"threshold {plain(number(record.get('threshold')))}"]))
    any_read = False
    for row in map(table, listing(record.get("pictures"))[:_ROWS]):
        paths = [_png(folder, row.get(view)) for view in ("image", "truth", "pseudo_label", "heat")]
        views = [view for path in paths if path and (view := embed(path, largest=_LARGEST, quality=85))]
        if len(views) < len(paths):
            continue
        image, truth, labels, heat = views
        best = text(row.get("best_class"))
        answer = Labelled(network, (("labels", labels), (f"map of {best}" if best else "map", heat)), _miou(row))
        gallery = found.setdefault(("cam", setting), LabelGallery("cam", setting))
        said = {name for name in listing(row.get("classes")) if isinstance(name, str)}
        occurring = {number for number, name in _NAMES.items() if name in said}
        gallery.add(text(row.get("name")) or "", image, truth, answer, occurring, folder)
        any_read = True
    return any_read


_INDEXES = (
    ("segmentation", "pictures.json", "shapebias/segmentation-pictures/1", _segmented),
    ("cam", "cam.json", "shapebias/cam-pictures/1", _pseudo_labelled),
)


def _is_of(entry: Entry, record: Mapping[str, Any]) -> bool:
    """Whether pictures were made as a figure at a given threshold was."""
    same = all(entry.details.get(name) == record.get(name) for name in ("scales", "flip", "size"))
    threshold = number(entry.condition.get("threshold"))
    return same and threshold is not None and threshold == number(record.get("threshold"))


def _numbers(labels: Image.Image) -> set[int]:
    """The class numbers whose colours are in a picture."""
    colours = np.unique(np.asarray(labels).reshape(-1, 3), axis=0)
    return {number for colour in colours.tolist() if (number := _COLOURS.get(tuple(colour))) is not None}


def _png(folder: Path, file: Any) -> Path | None:
    name = text(file)
    path = inside(folder, name) if name else None
    return path if path is not None and path.suffix == ".png" else None


def _miou(row: Mapping[str, Any]) -> str:
    value = number(row.get("miou"))
    return "" if value is None else percent(value, 0)
