"""Accuracy on adversarial images that were made against another network (Table 2)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.decode import load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.nips17 import find_competition
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.evaluators.accuracy.class_images import find_imagenet
from shapebias.evaluators.adversarial.adversarial_set import AdversarialSet, is_set, read_set, stored
from shapebias.evaluators.adversarial.attack_examples import Example, drawn_examples, shown_column, write_examples
from shapebias.evaluators.adversarial.attack_table import CLEAN, data_of, gradient_details, outcome_of
from shapebias.evaluators.adversarial.attacked import (
    NEEDS,
    Truth,
    check_attackable,
    checked_logits,
    images_to_attack,
)
from shapebias.evaluators.adversarial.kept_batches import through_batches
from shapebias.evaluators.adversarial.make_adversarial import make_set
from shapebias.evaluators.base import ATTACKS, EvalConfig, EvalResult
from shapebias.models.classifier import Classifier
from shapebias.progress import progress
from shapebias.results.batch_cache import BatchCache

EPSILONS = (2.0, 4.0, 8.0, 16.0)


class TransferAttack:
    """Evaluator ``transfer-attack``: accuracy on images that were changed to mislead another network, the source.

    They are made once, on what the source receives after its own resize and crop, by at most epsilon in units of
    1/255, and stored as PNG below the output folder, every value rounded towards the original. Each network is shown
    them whole: as they are where it takes their size, else resized. Clean is the same crop without attack. Metrics,
    ``n`` and what is left out are those of ``white-box``; the condition names the source, with the first 8 digits of
    its weights' SHA-256. A folder of such images from an earlier run may be given as the data, and then needs no
    source; of its attacks and epsilons those that are asked for are shown, by default all.
    """

    name = "transfer-attack"
    needs = f"{NEEDS}; and --source MODEL to attack, ResNet-50 in the paper"

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """A folder of adversarial images itself, the competition's images, or else where images to test with are."""
        table = find_competition(root)
        return root if is_set(root) else table.parent if table else find_imagenet(root)

    def __init__(self, setting: EvalConfig) -> None:
        self.setting = setting
        self.epsilons = setting.epsilons or EPSILONS
        self.made = read_set(setting.data) if is_set(setting.data) else None
        if self.made is not None:
            self.made = self._asked_for(self.made)
            self.images = self.made.images.subsample(setting.limit, setting.seed)
            return
        if setting.source is None:
            raise UserError(f"{self.name} needs a network to make the images against: add --source MODEL")
        if small := [epsilon for epsilon in self.epsilons if epsilon < 1]:
            raise UserError(
                f"--epsilon {small[0]:g} is less than a level of 8 bits, in which {self.name} stores its images: "
                "give 1 or more, or measure white-box"
            )
        self.source, self.images = setting.source, images_to_attack(setting)

    @property
    def fingerprint(self) -> str:
        """Of the images that are attacked, or of the adversarial ones where these are given."""
        return self.images.fingerprint if self.made is None else self.made.fingerprint

    def check(self, model: Classifier) -> None:
        """Refuse a network without the images' classes, and a source without them or without a gradient."""
        Truth.of(model, self.images, targeted=self._targeted)
        if self.made is None:
            if self.source.identity.classes is None:
                raise UserError(
                    f"the classes of the source {self.source.identity.name} are not known: a source needs known "
                    "classes: use a run folder of ours, or a network with ImageNet's 1000 outputs"
                )
            Truth.of(self.source, self.images, targeted=self._targeted)
            check_attackable(self.source, self.images.root, self.setting.attacks)

    def run(self, model: Classifier) -> EvalResult:
        """Make the images for the first network; then show them all, count the answers, and write a few pictures."""
        setting, name = self.setting, model.identity.name
        Truth.of(model, self.images, targeted=self._targeted)  # before hours of work for a network without the classes
        made, images = self._set()
        truth = Truth.of(model, images, targeted=made.targeted)
        preprocessing = replace(model.preprocessing, crop=1.0)
        paths, called = zip(*made.paths(images), strict=True)
        kept = BatchCache(setting.out / name / "unfinished" / self.name, self._key(model, made, images))
        with progress(f"{name}: {self.name}", total=len(paths)) as bar:

            def look(rows: list[int], shown: Tensor) -> dict[str, np.ndarray]:
                with torch.inference_mode():
                    logits = model(shown.contiguous(memory_format=torch.channels_last))
                    checked_logits(logits, [str(paths[row]) for row in rows], model)
                bar.advance(len(shown))
                return {"answers": logits.argmax(1).cpu().numpy()}

            found, unreadable = through_batches(paths, called, preprocessing, setting, kept, look, bar)
        answers = np.full((len(made.columns), len(images)), -1)
        answers.reshape(-1)[found["rows"]] = found["answers"]
        rows = np.flatnonzero((answers >= 0).all(axis=0)).tolist()
        if not rows:
            raise UserError(f"no image of {made.folder} can be read in all of its {len(made.columns)} versions")
        answers, names = answers.T[rows], [images.names[row] for row in rows]
        same = made.made["size"] == model.preprocessing.size
        details = {
            **made.made,
            "shown": "as they are" if same else f"resized to {model.preprocessing.size}",
            **gradient_details(made.odd, [name for name in names if name in set(made.zero)], made.source),
            "data": data_of(images, len(rows), [*made.unreadable, *unreadable], setting.seed),
            "examples": self._examples(model, made, images.take(rows), answers),
        }
        outcome = outcome_of(self.name, made.columns, answers, truth.rows(rows), names, details, source=made.told_apart)
        kept.clear()
        return outcome

    @property
    def _targeted(self) -> bool:
        return self.setting.targeted if self.made is None else self.made.targeted

    def _asked_for(self, made: AdversarialSet) -> AdversarialSet:
        """Of a set that was given what the setting asks for; attacks by default, and no epsilons, ask for all."""
        source = self.setting.source
        if source is not None and source.weights_sha256() != made.made["source"].get("weights_sha256"):
            raise UserError(
                f"{made.folder} holds images made against {made.source}, not {source.identity.name}: leave out "
                "--source, or give the original images"
            )
        if self.setting.targeted and not made.targeted:
            raise UserError(f"the images in {made.folder} were not made by targeted attacks: give the original images")
        if not self.setting.attacks:
            raise UserError("no attacks given: choose some with --attacks")
        return made.only(() if self.setting.attacks == ATTACKS else self.setting.attacks, self.setting.epsilons)

    def _set(self) -> tuple[AdversarialSet, ImageSet]:
        """The adversarial images, made if they are not there, and those of them to be shown."""
        if self.made is not None:
            return self.made, self.images
        made = make_set(self.setting.out / "images", self.source, self.images, self.epsilons, self.setting)
        return made, replace(made.images, skipped=self.images.skipped, drawn_from=self.images.drawn_from)

    def _key(self, model: Classifier, made: AdversarialSet, images: ImageSet) -> dict[str, Any]:
        """All that an answer depends on, as JSON."""
        return {
            "model": model.cache_key(),
            "adversarial": made.fingerprint,
            "images": images.fingerprint,
            "strict": self.setting.strict,
        }

    def _examples(
        self, model: Classifier, made: AdversarialSet, images: ImageSet, answers: np.ndarray
    ) -> dict[str, Any]:
        """A few of the images that were shown, with their ``answers`` (images, columns)."""
        number, classes = shown_column(made.columns), list(model.identity.classes or ())
        column = made.columns[number]
        examples = [
            Example(
                image=images.names[row],
                label=images.labels[row],
                clean=to_tensor(load_rgb(stored(made.folder, CLEAN, images.names[row]))),
                adversarial=to_tensor(load_rgb(stored(made.folder, column, images.names[row]))),
                answer_clean=classes[answers[row, 0]],
                answer_adversarial=classes[answers[row, number]],
            )
            for row in drawn_examples(images.names, self.setting.seed)
        ]
        return write_examples(self.setting.out / model.identity.name / self.name, examples, column, images)
