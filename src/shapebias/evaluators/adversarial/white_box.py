"""Accuracy under attacks on the model itself (Table 3)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError
from shapebias.evaluators.accuracy import finite_logits, not_finite
from shapebias.evaluators.adversarial.attack_images import (
    NEEDS,
    AttackLabels,
    check_attackable,
    find_images_to_attack,
    images_to_attack,
)
from shapebias.evaluators.adversarial.batches import attack_batch, count_gradients, map_batches
from shapebias.evaluators.adversarial.columns import (
    CLEAN,
    Column,
    attack_columns,
    attack_details,
    attacked_data,
    column_results,
    gradient_details,
)
from shapebias.evaluators.adversarial.examples import attack_examples
from shapebias.evaluators.base import EvalConfig, EvalResult
from shapebias.models.classifier import Classifier
from shapebias.progress import Bar, progress
from shapebias.results.batch_cache import BatchCache

EPSILONS = (0.1, 0.2, 0.3, 0.4, 0.5)
SKIPPED, NO_ANSWER = -1, -2  # in place of an answer: the gradient, or the logits, are not finite


class WhiteBox:
    """Evaluator ``white-box``: accuracy on images that were perturbed to mislead the evaluated model itself.

    The attacks change the model's input, after its own resize and crop, by at most epsilon, which is in units of 1/255
    and by default below one level of 8 bits: nothing is rounded to these. Metric ``top1`` over all of the model's
    outputs (n: images; Wilson), without attack (Clean) and for each attack and epsilon; for targeted attacks also
    ``target_rate``, the share of images classified as their target. Images whose gradient is not finite are skipped in
    every column and listed; those whose gradient is exactly zero are counted and listed. A killed run resumes after the
    last batch that it finished.
    """

    name = "white-box"
    needs = NEEDS

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """The folder of the competition's images, else of images to test with."""
        return find_images_to_attack(root)

    def __init__(self, config: EvalConfig) -> None:
        self.images = images_to_attack(config)
        self.config = replace(config, epsilons=config.epsilons or EPSILONS)

    @property
    def sources(self) -> ImageSet:
        """The images that are attacked."""
        return self.images

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the images that are attacked, their classes and targets."""
        return self.images.fingerprint

    def check(self, model: Classifier) -> None:
        """Refuse a model without the images' classes or without a gradient."""
        AttackLabels.of(model, self.images, targeted=self.config.targeted)
        check_attackable(model, self.images.root, self.config.attacks)

    def run(self, model: Classifier) -> EvalResult:
        """Attack every image, count the right answers, and write a few example images."""
        config, images, name = self.config, self.images, model.identity.name
        labels = AttackLabels.of(model, images, targeted=config.targeted)
        columns = attack_columns(config.attacks, config.epsilons)
        cache = BatchCache(config.out / name / "unfinished" / self.name, self._key(model))
        total = len(images) * len(columns)
        with count_gradients(model) as count, progress(f"{name}: {self.name}", total=total, unit="answers") as bar:

            def measure(rows: list[int], shown: Tensor) -> dict[str, np.ndarray]:
                before = count.images
                answers, zero = self._answers(model, shown, rows, labels, bar)
                return {"answers": answers, "zero": zero, "gradients": np.array([count.images - before])}

            found, unreadable = map_batches(
                images.paths, images.names, model.preprocessing, config, cache, measure, bar, each=len(columns)
            )
        attacked = found["answers"][:, 0] != SKIPPED
        rows, answers = found["rows"][attacked].tolist(), found["answers"][attacked]
        if not rows:
            raise UserError(f"the gradient of {name} is not finite for any image: check its weights for NaN")
        size = model.preprocessing.size
        details = {
            **attack_details(config),
            "shown": f"{size} x {size} pixels of its own resize and crop, not rounded to 8 bits",
            "gradient_evaluations": int(found["gradients"].sum()),
            **gradient_details(
                [images.names[row] for row in found["rows"][~attacked]],
                [images.names[row] for row in found["rows"][found["zero"]]],
                name,
            ),
            "data": attacked_data(images, len(rows), unreadable, config.seed),
            "examples": attack_examples(
                model, images.take(rows), labels.take(rows), answers, columns, config, config.out / name / self.name
            ),
        }
        names = [images.names[row] for row in rows]
        result = column_results(self.name, columns, answers, labels.take(rows), names, details)
        cache.clear()
        return result

    def _answers(
        self, model: Classifier, shown: Tensor, rows: list[int], labels: AttackLabels, bar: Bar
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the answers (images, columns), and (images,) bool, for which the gradient is exactly zero.

        The answers are ``SKIPPED`` in the rows of images whose gradient is not finite.
        """
        names = [self.images.names[row] for row in rows]
        zero = np.zeros(len(rows), dtype=bool)

        def answer(column: Column, perturbed: Tensor, there: list[int]) -> Tensor:
            with torch.inference_mode():
                logits = model(perturbed)
            if column == CLEAN:
                return finite_logits(logits, [names[row] for row in there], model).argmax(1)
            return torch.where(logits.isfinite().all(1), logits.argmax(1), NO_ANSWER)

        def note_zero(there: list[int]) -> None:
            zero[there] = True

        attacked, found = attack_batch(
            model, shown, names, labels.take(rows), self.config, answer, note_zero=note_zero, bar=bar
        )
        columns = attack_columns(self.config.attacks, self.config.epsilons)
        answers = np.full((len(rows), len(columns)), SKIPPED, dtype=np.int64)
        if attacked:
            answers[attacked] = torch.stack(found, dim=1).cpu().numpy()
        for row, number in np.argwhere(answers == NO_ANSWER):
            column = columns[number]
            raise not_finite(model, f"{names[row]} under {column.attack} at {column.epsilon:g}/255")
        return answers, zero & (answers[:, 0] != SKIPPED)

    def _key(self, model: Classifier) -> dict[str, Any]:
        """Return all that an answer depends on, as JSON."""
        return {
            "model": model.cache_key(),
            "images": self.images.fingerprint,
            "seed": self.config.seed,
            "strict": self.config.strict,
            "order": list(self.config.attacks),
            **attack_details(self.config),
        }
