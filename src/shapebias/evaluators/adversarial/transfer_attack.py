"""Accuracy on adversarial images that were made against another model (Table 2)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.decode import load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.evaluators.accuracy import finite_logits
from shapebias.evaluators.adversarial.adversarial_set import AdversarialSet, is_set, read_set, stored_path
from shapebias.evaluators.adversarial.attack_images import (
    NEEDS,
    AttackLabels,
    check_attackable,
    find_images_to_attack,
    images_to_attack,
)
from shapebias.evaluators.adversarial.batches import map_batches
from shapebias.evaluators.adversarial.columns import CLEAN, Column, attacked_data, column_results, gradient_details
from shapebias.evaluators.adversarial.examples import draw_examples, example_column, write_examples
from shapebias.evaluators.adversarial.make_set import make_set
from shapebias.evaluators.base import EvalConfig, EvalResult
from shapebias.models.classifier import Classifier
from shapebias.progress import progress
from shapebias.results.batch_cache import BatchCache

EPSILONS = (2.0, 4.0, 8.0, 16.0)


class TransferAttack:
    """Evaluator ``transfer-attack``: accuracy on images that were perturbed to mislead another model, the source.

    They are made once, on the input of the source after its own resize and crop, by at most epsilon in units of 1/255,
    and stored as PNG below the output folder, every value rounded towards the original. Each model is shown them whole:
    as they are where it takes their size, else resized. Clean is the same crop without attack. Metrics, ``n`` and
    skipped images are those of ``white-box``; the condition names the source, with the first 8 digits of its weights'
    SHA-256. A folder of such images from an earlier run may be given as the data, and then needs no source; of its
    attacks and epsilons the given ones are shown, by default all.
    """

    name = "transfer-attack"
    needs = f"{NEEDS}; and --source MODEL to attack, ResNet-50 in the paper"

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """A folder of adversarial images itself, the competition's images, or else images to test with."""
        return root if is_set(root) else find_images_to_attack(root)

    def __init__(self, config: EvalConfig) -> None:
        self.config = config
        self.given = _chosen_columns(read_set(config.data), config) if is_set(config.data) else None
        if self.given is not None:
            self.images, self.targeted = self.given.images.subsample(config.limit, config.seed), self.given.targeted
            return
        if config.source is None:
            raise UserError(f"{self.name} needs a model to make the images against: add --source MODEL")
        self.config = replace(config, epsilons=config.epsilons or EPSILONS)
        if small := [epsilon for epsilon in self.config.epsilons if epsilon < 1]:
            raise UserError(
                f"--epsilon {small[0]:g} is less than a level of 8 bits, in which {self.name} stores its images: "
                "give 1 or more, or evaluate white-box"
            )
        self.source, self.images, self.targeted = config.source, images_to_attack(config), config.targeted

    @property
    def sources(self) -> ImageSet:
        """The images that are attacked."""
        return self.images

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the images that are attacked, or of the adversarial ones where these are given."""
        return self.images.fingerprint if self.given is None else self.given.fingerprint

    def check(self, model: Classifier) -> None:
        """Refuse a model without the images' classes, and a source without them or without a gradient."""
        AttackLabels.of(model, self.images, targeted=self.targeted)
        if self.given is None:
            if self.source.identity.classes is None:
                raise UserError(
                    f"the classes of the source {self.source.identity.name} are not known: a source needs known "
                    "classes: use a run folder of ours, or a model with ImageNet's 1000 outputs"
                )
            AttackLabels.of(self.source, self.images, targeted=self.targeted)
            check_attackable(self.source, self.images.root, self.config.attacks)

    def run(self, model: Classifier) -> EvalResult:
        """Make the images for the first model; then show them all, count the answers, and write a few examples."""
        config, name = self.config, model.identity.name
        AttackLabels.of(model, self.images, targeted=self.targeted)  # before hours of work for a model without classes
        made, images = self._made_set()
        labels = AttackLabels.of(model, images, targeted=made.targeted)
        paths, names = zip(*made.paths(images), strict=True)
        cache = BatchCache(config.out / name / "unfinished" / self.name, self._key(model, made, images))
        with progress(f"{name}: {self.name}", total=len(paths)) as bar:

            def measure(rows: list[int], shown: Tensor) -> dict[str, np.ndarray]:
                with torch.inference_mode():
                    logits = model(model.place(shown))
                finite_logits(logits, [paths[row] for row in rows], model)
                bar.advance(len(shown))
                return {"answers": logits.argmax(1).cpu().numpy()}

            whole = replace(model.preprocessing, crop=1.0)
            found, unreadable = map_batches(paths, names, whole, config, cache, measure, bar)
        answers = np.full((len(made.columns), len(images)), -1)
        answers.reshape(-1)[found["rows"]] = found["answers"]
        rows = np.flatnonzero((answers >= 0).all(axis=0)).tolist()
        if not rows:
            raise UserError(f"no image of {made.folder} can be read in all of its {len(made.columns)} versions")
        answers, names = answers.T[rows], [images.names[row] for row in rows]
        same_size = made.made["size"] == model.preprocessing.size
        details = {
            **made.made,
            "shown": "as they are" if same_size else f"resized to {model.preprocessing.size}",
            **gradient_details(made.not_finite, [name for name in names if name in set(made.zero)], made.source),
            "data": attacked_data(images, len(rows), [*made.unreadable, *unreadable], config.seed),
            "examples": self._examples(model, made, images.take(rows), answers),
        }
        result = column_results(
            self.name, made.columns, answers, labels.take(rows), names, details, source=made.source_id
        )
        cache.clear()
        return result

    def _made_set(self) -> tuple[AdversarialSet, ImageSet]:
        """Return the adversarial images, made now if they are not there, and those of them to show."""
        if self.given is not None:
            return self.given, self.images
        made = make_set(self.config.out / "images", self.source, self.images, self.config)
        return made, replace(made.images, skipped=self.images.skipped, drawn_from=self.images.drawn_from)

    def _key(self, model: Classifier, made: AdversarialSet, images: ImageSet) -> dict[str, Any]:
        """Return all that an answer depends on, as JSON."""
        return {
            "model": model.cache_key(),
            "adversarial": made.fingerprint,
            "images": images.fingerprint,
            "strict": self.config.strict,
        }

    def _examples(
        self, model: Classifier, made: AdversarialSet, images: ImageSet, answers: np.ndarray
    ) -> dict[str, Any]:
        """Write a few of the images that were shown, with their ``answers`` (images, columns)."""
        column, folder = made.columns[example_column(made.columns)], self.config.out / model.identity.name / self.name

        def stored(column: Column, row: int) -> Tensor:
            return to_tensor(load_rgb(stored_path(made.folder, column, images.names[row])))

        rows = draw_examples(images.names, self.config.seed)
        examples = [(row, stored(CLEAN, row), stored(column, row)) for row in rows]
        return write_examples(folder, examples, images, answers, made.columns, model.identity.classes or ())


def _chosen_columns(made: AdversarialSet, config: EvalConfig) -> AdversarialSet:
    """Return the columns of a given set that ``config`` asks for; the default attacks, and no epsilons, mean all."""
    source = config.source
    if source is not None and source.weights_sha256() != made.made["source"].get("weights_sha256"):
        raise UserError(
            f"{made.folder} holds images made against {made.source}, not {source.identity.name}: omit --source, or "
            "give the original images"
        )
    if config.targeted and not made.targeted:
        raise UserError(f"the images in {made.folder} were not made by targeted attacks: give the original images")
    if not config.attacks:
        raise UserError("no attacks given: choose some with --attacks")
    return made.only(() if config.attacks == EvalConfig.attacks else config.attacks, config.epsilons)
