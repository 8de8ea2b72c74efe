"""Accuracy under attacks on the network itself (Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.readers.nips17 import find_competition
from shapebias.errors import UserError
from shapebias.evaluators.accuracy.class_images import find_imagenet
from shapebias.evaluators.adversarial.attack_examples import exact_examples
from shapebias.evaluators.adversarial.attack_table import (
    Column,
    attack_details,
    columns_of,
    data_of,
    gradient_details,
    outcome_of,
)
from shapebias.evaluators.adversarial.attacked import (
    NEEDS,
    Truth,
    attacked,
    check_attackable,
    checked_logits,
    clean_gradient,
    counting,
    finite_only,
    images_to_attack,
    not_finite,
)
from shapebias.evaluators.adversarial.kept_batches import through_batches
from shapebias.evaluators.base import EvalConfig, EvalResult
from shapebias.models.classifier import Classifier
from shapebias.progress import Bar, progress
from shapebias.results.batch_cache import BatchCache

EPSILONS = (0.1, 0.2, 0.3, 0.4, 0.5)
LEFT_OUT, NO_ANSWER = -1, -2  # in place of an answer: a gradient, outputs that are not finite


class WhiteBox:
    """Evaluator ``white-box``: accuracy on images that were changed to mislead the very network that answers.

    The attacks change what the network receives after its own resize and crop, by at most epsilon, which is in units
    of 1/255 and by default below one level of 8 bits: nothing is rounded to these. Metric ``top1`` over all of the
    network's outputs (n: images; Wilson), without attack (Clean) and for each attack and epsilon; where the attacks
    are targeted also ``target_rate``, the share of images taken for their target. Images whose gradient is not finite
    are left out of every figure and listed; those whose gradient is exactly zero are counted and listed. A run that
    was killed goes on after the last batch it finished.
    """

    name = "white-box"
    needs = NEEDS

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """The folder of the competition's images, else where images to test with are."""
        table = find_competition(root)
        return table.parent if table else find_imagenet(root)

    def __init__(self, setting: EvalConfig) -> None:
        self.setting = setting
        self.images = images_to_attack(setting)
        self.epsilons = setting.epsilons or EPSILONS

    @property
    def fingerprint(self) -> str:
        """Of the images that are attacked, their classes and targets."""
        return self.images.fingerprint

    def check(self, model: Classifier) -> None:
        """Refuse a network without the images' classes or without a gradient."""
        Truth.of(model, self.images, targeted=self.setting.targeted)
        check_attackable(model, self.images.root, self.setting.attacks)

    def run(self, model: Classifier) -> EvalResult:
        """Attack every image, count the answers, and write a few pictures."""
        setting, images, name = self.setting, self.images, model.identity.name
        truth = Truth.of(model, images, targeted=setting.targeted)
        columns = columns_of(setting.attacks, self.epsilons)
        kept = BatchCache(setting.out / name / "unfinished" / self.name, self._key(model))
        total = len(images) * len(columns)
        with counting(model) as count, progress(f"{name}: {self.name}", total=total, unit="answers") as bar:

            def look(rows: list[int], shown: Tensor) -> dict[str, np.ndarray]:
                before = count.images
                answers, zero = self._answers(model, shown, rows, truth, columns, bar)
                return {"answers": answers, "zero": zero, "gradients": np.array([count.images - before])}

            found, unreadable = through_batches(
                images.paths, images.names, model.preprocessing, setting, kept, look, bar, each=len(columns)
            )
        fine = found["answers"][:, 0] != LEFT_OUT
        rows, answers = found["rows"][fine].tolist(), found["answers"][fine]
        if not rows:
            raise UserError(f"the gradient of {name} is not finite for any image: look for NaN in its weights")
        size = model.preprocessing.size
        details = {
            **attack_details(setting.attacks, self.epsilons, targeted=setting.targeted),
            "shown": f"{size} x {size} pixels of its own resize and crop, not rounded to 8 bits",
            "gradient_evaluations": int(found["gradients"].sum()),
            **gradient_details(
                [images.names[row] for row in found["rows"][~fine]],
                [images.names[row] for row in found["rows"][found["zero"]]],
                name,
            ),
            "data": data_of(images, len(rows), unreadable, setting.seed),
            "examples": exact_examples(model, images, truth, rows, answers, columns, setting, self.name),
        }
        names = [images.names[row] for row in rows]
        outcome = outcome_of(self.name, columns, answers, truth.rows(rows), names, details)
        kept.clear()
        return outcome

    def _answers(
        self, model: Classifier, shown: Tensor, rows: list[int], truth: Truth, columns: Sequence[Column], bar: Bar
    ) -> tuple[np.ndarray, np.ndarray]:
        """(images, columns) of answers, and (images,) whether the gradient at the image itself is exactly zero.

        The answers are ``LEFT_OUT`` in the rows of images whose gradient is not finite.
        """
        setting, begun = self.setting, bar.done
        names = [self.images.names[row] for row in rows]

        def work(there: list[int]) -> tuple[np.ndarray, np.ndarray]:
            bar.done = begun
            images = shown[there].contiguous(memory_format=torch.channels_last)
            of = truth.at([rows[i] for i in there])
            called = [names[i] for i in there]
            found = [checked_logits(forward(model, images), called, model).argmax(1)]
            gradient, zero = clean_gradient(model, images, of)
            changed = attacked(model, images, of, called, setting.attacks, self.epsilons, setting.seed, gradient)
            for _, other in changed:
                bar.advance(len(there))
                logits = forward(model, other)
                found.append(torch.where(logits.isfinite().all(1), logits.argmax(1), NO_ANSWER))
            return torch.stack(found, dim=1).cpu().numpy(), zero

        there, found = finite_only(names, work, network=model.identity.name, strict=setting.strict)
        bar.done = begun
        bar.advance(len(rows) * len(columns))
        answers, zero = np.full((len(rows), len(columns)), LEFT_OUT, dtype=np.int64), np.zeros(len(rows), dtype=bool)
        if found is not None:
            answers[there], zero[there] = found
        for row, number in np.argwhere(answers == NO_ANSWER):
            column = columns[number]
            raise not_finite(model, f"{names[row]} under {column.attack} at {column.epsilon:g}/255")
        return answers, zero

    def _key(self, model: Classifier) -> dict[str, Any]:
        """All that an answer depends on, as JSON."""
        return {
            "model": model.cache_key(),
            "images": self.images.fingerprint,
            "seed": self.setting.seed,
            "strict": self.setting.strict,
            "order": list(self.setting.attacks),
            "kept": ["answers", "zero", "gradients"],
            **attack_details(self.setting.attacks, self.epsilons, targeted=self.setting.targeted),
        }


def forward(model: Classifier, images: Tensor) -> Tensor:
    """The network's outputs, nothing kept for gradients."""
    with torch.inference_mode():
        return model(images)  # type: ignore[return-value]
