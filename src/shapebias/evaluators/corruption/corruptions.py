"""Accuracy under corruptions: ImageNet-C, or its fifteen corruptions of any other images (Table 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shapebias.corruptions.corruption import LIBRARY, corruption_library
from shapebias.corruptions.folder import corrupt_folder
from shapebias.corruptions.layout import Cell, CorruptedImages, corruption_folders, read_corrupted
from shapebias.data.decode import UnreadableImage, image_size
from shapebias.data.image_batches import Preprocessing
from shapebias.data.image_set import ImageSet, part
from shapebias.errors import UserError
from shapebias.evaluators.accuracy.accuracy import check_logits
from shapebias.evaluators.accuracy.class_images import class_images, find_imagenet
from shapebias.evaluators.accuracy.class_subset import ClassSubset, answering_among
from shapebias.evaluators.base import EvalConfig, EvalResult, data_details
from shapebias.evaluators.corruption.corruption_scores import (
    EVALUATOR,
    Answered,
    corruption_entries,
    mean_corruption_error,
)
from shapebias.models.classifier import Classifier
from shapebias.models.imagenet import COUNT, wordnet_ids
from shapebias.models.predict import PredictedBatches
from shapebias.progress import progress
from shapebias.results.batch_cache import BatchCache

PUBLIC_IMAGES = 50_000
UNREAD = -1


class Corruptions:
    """Evaluator ``corruptions``: top-1 accuracy on 15 corruptions x 5 severities, and its means (P Table 4).

    The data folder is ImageNet-C, or a part of it, as published; ``shapebias corrupt`` writes the same layout. Of any
    other folder of classes the corrupted copies are made once, below the output folder, when the first network has
    been found to have its classes. The files are shown as they are where the network takes their size, else the
    whole image is resized to the network's: nothing is cut off. Where a folder has only some of a network's
    classes, the answer is the largest of their logits, and the condition ``answers`` says so.

    Figures: see ``corruption_entries``; ``mce`` for ImageNet's classes and all 75, see ``mean_corruption_error``.
    Each severity's answers are kept on disk until all are there: the same command goes on where it was killed.
    """

    name = EVALUATOR
    needs = (
        "ImageNet-C as published (CORRUPTION/SEVERITY/CLASS), or any folder of classes and the library that makes the "
        'corruptions: pip install "shapebias[corruptions]"'
    )
    known_as = ("imagenet-c", "ImageNet-C", "Imagenet-C", "imagenet_c", "imagenetc")

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """ImageNet-C below ``root``, or ``root`` itself where it is that; else images to test with, to be corrupted."""
        return _published(root) or find_imagenet(root)

    def __init__(self, setting: EvalConfig) -> None:
        self.setting = setting
        self.images: CorruptedImages | None = None
        self.sizes: set[tuple[int, int]] = set()
        if public := _published(setting.data):
            self._take(read_corrupted(public, limit=setting.limit, seed=setting.seed))
            self.folder = ImageSet(public, (), np.empty(0, dtype=np.int64), self._corrupted().classes)
            return
        self.folder = class_images(setting.data)
        self.drawn = self.folder.subsample(setting.limit, setting.seed)
        if len(self.drawn.classes) < 2:
            raise UserError(f"--limit {setting.limit} leaves one class of {self.folder.root}: two are needed")
        corruption_library()

    @property
    def fingerprint(self) -> str:
        """Of the corrupted images that were given, else of the images to corrupt."""
        return self.folder.fingerprint if self.folder.paths else self._corrupted().fingerprint

    def check(self, model: Classifier) -> None:
        """Refuse a network whose classes are not known or are not the folder's, before anything is measured."""
        answering_among(model, self.folder)

    def run(self, model: Classifier) -> EvalResult:
        """Make the copies for the first network; then answer every cell that is not kept, and count."""
        among = answering_among(model, self.folder)
        images, setting = self._corrupted(), self.setting
        place = {name: number for number, name in enumerate(among.classes)}
        targets = np.array([place[name] for name in images.classes])
        rows = {name: row for row, name in enumerate(images.names)}
        kept = BatchCache(setting.out / model.identity.name / "unfinished" / EVALUATOR, self._key(model, among))
        answers = {cell: kept.get(_part(cell)) for cell in images.cells}
        done = sum(len(cell.names) for cell, found in answers.items() if found is not None)
        right = np.full((len(rows), len(images.cells)), UNREAD, dtype=np.int8)
        unreadable = list(images.unreadable)
        total = sum(len(cell.names) for cell in images.cells)
        with progress(f"{model.identity.name}: {EVALUATOR}", total=total, done=done) as bar:
            for column, cell in enumerate(images.cells):
                found = answers.pop(cell)
                if found is None:
                    found = self._answers(model, among, cell, bar.advance)
                    kept.put(_part(cell), **found)
                given = found["answers"]
                right_here = np.where(given == UNREAD, UNREAD, given == targets[list(cell.labels)])
                right[[rows[name] for name in cell.names], column] = right_here
                unreadable += found["unreadable"].tolist()
        cells = tuple((cell.corruption, cell.severity) for cell in images.cells)
        answered = Answered(right, cells, images.missing)
        entries, per_image = corruption_entries(
            answered, among.condition, self._details(model, images, right, unreadable), seed=setting.seed
        )
        if not images.missing and model.identity.classes == wordnet_ids():
            full = not images.made and len(images.classes) == COUNT and len(rows) == PUBLIC_IMAGES
            entries.append(mean_corruption_error(answered, among.condition, full=full, seed=setting.seed))
        kept.clear()
        names = tuple(name for name, there in zip(images.names, answered.everywhere, strict=True) if there)
        return EvalResult(entries, names, per_image)

    def _corrupted(self) -> CorruptedImages:
        """The corrupted images, made now if they are not there yet."""
        if self.images is None:
            setting = self.setting
            limited = f"-{len(self.drawn)}-seed{setting.seed}" if self.drawn is not self.folder else ""
            out = setting.out / "images" / f"{EVALUATOR}{limited}"
            corrupt_folder(self.drawn, out, seed=setting.seed, workers=setting.workers, strict=setting.strict)
            self._take(read_corrupted(out))
        assert self.images is not None
        return self.images

    def _take(self, images: CorruptedImages) -> None:
        self.images = images
        for path in images.cells[0].paths:  # the others' are as large
            try:
                self.sizes.add(image_size(path))
            except UnreadableImage:
                continue

    def _answers(self, model: Classifier, among: ClassSubset, cell: Cell, advance: Any) -> dict[str, np.ndarray]:
        """For each image of a cell the place of its answer among the folder's classes; and the unreadable files."""
        setting = self.setting
        paths = cell.paths
        batches = PredictedBatches(model, paths, setting.loading, preprocessing=_whole(model.preprocessing))
        classes, outputs = len(model.identity.classes or ()), among.outputs.to(setting.device)
        answers = np.full(len(cell.names), UNREAD, dtype=np.int64)
        for numbers, logits in batches:
            answers[numbers] = _best(logits, [paths[n] for n in numbers], outputs, classes, model.identity.name)
            advance(len(numbers))
        return {"answers": answers, "unreadable": np.array(batches.unreadable, dtype=np.str_)}

    def _key(self, model: Classifier, among: ClassSubset) -> dict[str, Any]:
        """All that an answer depends on, the image aside."""
        return {
            "model": model.cache_key(),
            "classes": list(among.classes),
            "outputs": among.outputs.tolist(),
            "device": str(self.setting.device),
            "strict": self.setting.strict,
        }

    def _details(
        self, model: Classifier, images: CorruptedImages, right: np.ndarray, unreadable: list[str]
    ) -> dict[str, Any]:
        """What the figures were measured on, and how the images were shown."""
        size = model.preprocessing.size
        whole = "resized to" if all(width == height for width, height in self.sizes) else "central square resized to"
        return {
            "shown": "as they are" if self.sizes <= {(size, size)} else f"{whole} {size}",
            "images": f"made with {LIBRARY}" if images.made else "as given",
            "classes": {"in_folder": len(self.folder.classes), "of_network": len(model.identity.classes or ())},
            "limit": self.setting.limit,
            "ignored": list(images.ignored),
            "data": data_details(images.root, int((right >= 0).sum()), images.fingerprint, unreadable),
        }


def _published(root: Path) -> Path | None:
    """The folder in ImageNet-C's layout that ``root`` is or has."""
    return part(root, Corruptions.known_as) or (root if corruption_folders(root) else None)


def _whole(preprocessing: Preprocessing) -> Preprocessing:
    """The same, with nothing of a square image cut off, and nothing resized that has the size already."""
    return replace(preprocessing, crop=1.0)


def _best(logits: torch.Tensor, paths: Sequence[Path], outputs: torch.Tensor, classes: int, name: str) -> np.ndarray:
    """The places in ``outputs`` of the largest logits, fetched from the device at once with whether all are finite."""
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[1] != classes:
        check_logits(logits, classes)
    if len(logits) != len(paths):
        raise UserError(f"{name} gives {len(logits)} rows of output for {len(paths)} images")
    best = logits[:, outputs].argmax(dim=1)
    best = torch.where(logits.isfinite().all(dim=1), best, UNREAD).cpu().numpy()
    if (odd := best == UNREAD).any():
        first = paths[int(odd.argmax())]
        raise UserError(f"{name} answers {first} with NaN or infinity: look at its weights, or at the image")
    return best


def _part(cell: Cell) -> str:
    return f"{cell.corruption}/{cell.severity}/{cell.fingerprint}"
