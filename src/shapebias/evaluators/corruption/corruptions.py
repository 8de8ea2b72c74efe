"""Accuracy under corruptions: ImageNet-C, or its fifteen corruptions of any other images (Table 4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.corruptions.corruption import LIBRARY, corruption_library
from shapebias.corruptions.folder import corrupt_folder
from shapebias.corruptions.layout import CellImages, CorruptedImages, corruption_folders, read_corrupted
from shapebias.data.folders import part
from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError
from shapebias.evaluators.accuracy import finite_logits
from shapebias.evaluators.base import EvalConfig, EvalResult, data_details
from shapebias.evaluators.class_subset import ClassSubset, answering_among, class_images, find_imagenet
from shapebias.evaluators.corruption.corruption_scores import (
    EVALUATOR,
    NOT_PUBLIC,
    UNREAD,
    CorruptionAnswers,
    corruption_error,
    corruption_results,
)
from shapebias.models.classifier import Classifier
from shapebias.models.imagenet import COUNT, wordnet_ids
from shapebias.models.predict import PredictedBatches
from shapebias.progress import Bar, progress
from shapebias.results.batch_cache import BatchCache

PUBLIC_IMAGES = 50_000


class Corruptions:
    """Evaluator ``corruptions``: top-1 accuracy on 15 corruptions x 5 severities, and its means (P Table 4).

    The data folder is ImageNet-C, or a part of it, as published; ``shapebias corrupt`` writes the same layout. Of any
    other folder of classes the corrupted copies are made once, below the output folder, when the first model has been
    found to have its classes. The files are shown as they are where the model takes their size, else the whole image is
    resized to the model's: nothing is cropped. Where a folder has only some of a model's classes, the answer is the
    largest of their logits, and the condition ``answers`` states it.

    Results: see ``corruption_results``; ``mce`` for all 75 cells of the full public set, see ``corruption_error``. The
    answers of each cell are stored until all are there: a killed run resumes.
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

    def __init__(self, config: EvalConfig) -> None:
        self.config = config
        self.corrupted: CorruptedImages | None = None
        if public := _published(config.data):
            self.corrupted = read_corrupted(public, limit=config.limit, seed=config.seed)
            self.source = ImageSet(public, (), np.empty(0, dtype=np.int64), self.corrupted.classes)
            return
        self.source = class_images(config.data, config.holdouts)
        self.drawn = self.source.subsample(config.limit, config.seed)
        if len(self.drawn.classes) < 2:
            raise UserError(f"--limit {config.limit} leaves one class of {self.source.root}: two are needed")
        corruption_library()

    @property
    def sources(self) -> ImageSet:
        """The images to corrupt; none where corrupted ones were given."""
        return self.source

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the corrupted images that were given, else of the images to corrupt."""
        return self.source.fingerprint if self.source.paths else self._made_images().fingerprint

    def check(self, model: Classifier) -> None:
        """Refuse a model whose classes are not known or are not the folder's, before anything is measured."""
        answering_among(model, self.source)

    def run(self, model: Classifier) -> EvalResult:
        """Make the copies for the first model; then answer every cell that is not stored, and count."""
        among = answering_among(model, self.source)
        images, config = self._made_images(), self.config
        place = {name: number for number, name in enumerate(among.classes)}
        targets = np.array([place[name] for name in images.classes])
        rows = {name: row for row, name in enumerate(images.names)}
        cache = BatchCache(config.out / model.identity.name / "unfinished" / EVALUATOR, self._key(model, among))
        stored = {cell.cell: cache.get(_cache_part(cell)) for cell in images.cells}
        total = sum(len(cell.names) for cell in images.cells)
        done = sum(len(cell.names) for cell in images.cells if stored[cell.cell] is not None)
        right = np.full((len(rows), len(images.cells)), UNREAD, dtype=np.int8)
        unreadable = list(images.unreadable)
        with progress(f"{model.identity.name}: {EVALUATOR}", total=total, done=done) as bar:
            for column, cell in enumerate(images.cells):
                found = stored.pop(cell.cell)
                if found is None:
                    found = self._answers(model, among, cell, bar)
                    cache.put(_cache_part(cell), **found)
                answers = found["answers"]
                right_here = np.where(answers == UNREAD, UNREAD, answers == targets[list(cell.labels)])
                right[[rows[name] for name in cell.names], column] = right_here
                unreadable += found["unreadable"].tolist()
        answers = CorruptionAnswers(right, tuple(cell.cell for cell in images.cells), images.missing)
        details = self._details(model, images, right, unreadable)
        full = not images.made and len(images.classes) == COUNT and len(rows) == PUBLIC_IMAGES
        if not full:
            details["mce"] = NOT_PUBLIC
        results, per_image = corruption_results(answers, among.condition, details, seed=config.seed)
        if full and not images.missing and model.identity.classes == wordnet_ids():
            results.append(corruption_error(answers, among.condition, seed=config.seed))
        cache.clear()
        names = tuple(name for name, there in zip(images.names, answers.everywhere, strict=True) if there)
        return EvalResult(results, names, per_image)

    def _made_images(self) -> CorruptedImages:
        """Return the corrupted images, made now if they are not there yet."""
        if self.corrupted is None:
            config = self.config
            limited = f"-{len(self.drawn)}-seed{config.seed}" if self.drawn is not self.source else ""
            held_out = "-held-out" if self.source.held_out else ""
            out = config.out / "images" / f"{EVALUATOR}{held_out}{limited}"
            how = {"seed": config.seed, "workers": config.workers, "strict": config.strict, "wait": True}
            corrupt_folder(self.drawn, out, **how)
            self.corrupted = read_corrupted(out)
        return self.corrupted

    def _answers(self, model: Classifier, among: ClassSubset, cell: CellImages, bar: Bar) -> dict[str, np.ndarray]:
        """Return the answer to each image of a cell, its place among the folder's classes; and the unreadable files."""
        paths = cell.paths
        whole = replace(model.preprocessing, crop=1.0)  # crops nothing of a square image
        batches = PredictedBatches(model, paths, self.config.loading, preprocessing=whole)
        outputs = among.outputs.to(self.config.device)
        answers = np.full(len(paths), UNREAD, dtype=np.int64)
        for rows, logits in batches:
            logits = finite_logits(logits, [paths[row] for row in rows], model)
            answers[rows] = logits[:, outputs].argmax(dim=1).cpu().numpy()
            bar.advance(len(rows))
        return {"answers": answers, "unreadable": np.array(batches.unreadable, dtype=np.str_)}

    def _key(self, model: Classifier, among: ClassSubset) -> dict[str, Any]:
        """Return all that an answer depends on, the image aside, as JSON."""
        return {
            "model": model.cache_key(),
            "classes": list(among.classes),
            "outputs": among.outputs.tolist(),
            "device": str(self.config.device),
            "strict": self.config.strict,
        }

    def _details(
        self, model: Classifier, images: CorruptedImages, right: np.ndarray, unreadable: list[str]
    ) -> dict[str, Any]:
        """Return the details of the data, and of how the images were shown."""
        size, sizes = model.preprocessing.size, images.sizes
        whole = "resized to" if all(width == height for width, height in sizes) else "central square resized to"
        return {
            "shown": "as they are" if sizes <= {(size, size)} else f"{whole} {size}",
            "images": f"made with {LIBRARY}" if images.made else "as given",
            "classes": {"in_folder": len(self.source.classes), "of_network": len(model.identity.classes or ())},
            "limit": self.config.limit,
            "ignored": list(images.ignored),
            "data": data_details(images.root, int((right >= 0).sum()), images.fingerprint, unreadable),
        }


def _published(root: Path) -> Path | None:
    """Return the folder in ImageNet-C's layout that ``root`` is or has."""
    return part(root, Corruptions.known_as) or (root if corruption_folders(root) else None)


def _cache_part(cell: CellImages) -> str:
    corruption, severity = cell.cell
    return f"{corruption}/{severity}/{cell.fingerprint}"
