"""Top-1 and top-5 accuracy on a folder of classes: ImageNet (Table 5), and its classes in other looks (Table 4)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.folders import part, subfolders
from shapebias.data.image_set import ImageSet
from shapebias.errors import NotFinite, UserError
from shapebias.evaluators.base import EvalConfig, data_details
from shapebias.evaluators.class_subset import ClassSubset, answering_among, class_images, find_imagenet, order_warning
from shapebias.models.classifier import Classifier
from shapebias.models.predict import predict
from shapebias.results.results import EvalResult, Result
from shapebias.stats.intervals import wilson

Answering = tuple[Tensor | None, dict[str, Any]]  # the outputs that can be the answer (None: all), the condition


class Accuracy:
    """Evaluator ``accuracy``: share of images whose class is the model's first (top5: first five) answer.

    The data folder has one folder per class, or ``val/`` or ``test/`` of such, or is ImageNet as published; a
    class is called by its name in the model, ImageNet's by its WordNet identifier. Where the folder holds some
    of the model's classes only, the answer is the largest of all outputs nevertheless, ``details.classes`` states
    how many there are, and the same results over the folder's classes alone stand beside it, with
    ``condition.answers``. ``n`` counts images; intervals are Wilson's.
    """

    name = "accuracy"
    needs = "ImageNet's validation images (in any published layout), or photographs in folders of the network's classes"
    condition: dict[str, Any] = {}  # noqa: RUF012 - overridden whole, never changed
    checks_order = True  # warn of classes in another order; pointless on images that a good model may fail on

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """ImageNet below ``root``, else the images of its own ``val/`` or ``test/``."""
        return find_imagenet(root)

    def __init__(self, config: EvalConfig) -> None:
        self.config = config
        self.whole = self.images(config.data)
        self.folder = self.whole.subsample(config.limit, config.seed)
        count, of = len(self.folder), len(self.whole)
        self.drawn = {"drawn": {"images": count, "of": of, "seed": config.seed}} if count < of else {}
        self.left_out: list[str] = []  # unreadable images that were left out before

    def images(self, data: Path) -> ImageSet:
        """All images of the data folder, with their classes."""
        return class_images(data, self.config.holdouts)

    def answering(self, among: ClassSubset) -> list[Answering]:
        """Among which outputs the answers are, each with its condition: all of them, and the folder's classes."""
        return [(None, {}), *([(among.outputs, among.condition)] if among.restricted else [])]

    @property
    def sources(self) -> ImageSet:
        """The whole folder."""
        return self.whole

    @property
    def fingerprint(self) -> str:
        """Of the folder, whether a part of it is drawn or not."""
        return self.whole.fingerprint

    def check(self, model: Classifier) -> None:
        """Refuse a model whose classes are not known or are not the folder's, before anything is measured."""
        answering_among(model, self.whole)

    def run(self, model: Classifier) -> EvalResult:
        """Top-1, and top-5 where the answer is one of more than five."""
        among, names = answering_among(model, self.whole), model.identity.classes or ()
        ways = self.answering(among)

        def read(logits: Tensor) -> Tensor:
            check_logits(logits, len(names))
            return torch.cat([first_answers(logits, outputs) for outputs, _ in ways], dim=1)

        found = predict(model, self.folder.paths, self.config.loading, title=self.name, read=read)
        indices = found.rows
        targets = among.outputs.numpy()[among.labels(self.folder)[indices]]
        data = data_details(
            self.folder.root, len(indices), self.folder.fingerprint, [*self.left_out, *found.unreadable]
        )
        details = {
            "classes": {"in_folder": len(self.whole.classes), "of_network": len(names)},
            "data": {**data, **self.drawn},
        }
        images = tuple(self.folder.paths[i].relative_to(self.folder.root).as_posix() for i in indices)
        given, column = EvalResult([], images), 0
        for outputs, condition in ways:
            answerable = len(names) if outputs is None else len(outputs)
            answers = found.values[:, column : column + answered(answerable)]
            column += answered(answerable)
            right = answers == targets[:, None]
            told = {"per_category": self._per_category(right[:, 0], targets, names), **details}
            if self.checks_order and not given.results:
                warning = order_warning(answers[:, 0], targets, names, answerable)
                told |= {"warning": warning} if warning else {}
            top1 = self._result("top1", right[:, 0], condition, told)
            given.results.append(top1)
            given.per_image[top1.key] = right[:, :1].astype(np.float64)
            if answered(answerable) > 1:
                given.results.append(self._result("top5", right.any(axis=1), condition, {}))
        return given

    def _per_category(self, right: np.ndarray, targets: np.ndarray, names: tuple[str, ...]) -> dict[str, Any]:
        number = {name: n for n, name in enumerate(names)}
        counts = np.bincount(targets, minlength=len(names))
        rights = np.bincount(targets, weights=right, minlength=len(names))
        places = [(name, number[name]) for name in self.folder.classes if counts[number[name]]]
        return {name: {"n": int(counts[i]), "value": float(rights[i] / counts[i])} for name, i in places}

    def _result(self, metric: str, right: np.ndarray, condition: dict[str, Any], details: dict[str, Any]) -> Result:
        return Result(
            evaluator=self.name,
            metric=metric,
            value=float(right.mean()),
            n=len(right),
            ci95=wilson(int(right.sum()), len(right)),
            condition={**self.condition, **condition},
            details=details,
        )


def answered(answerable: int) -> int:
    """The number of largest outputs that are looked at: five, where there are more."""
    return 5 if answerable > 5 else 1


def first_answers(logits: Tensor, outputs: Tensor | None) -> Tensor:
    """The numbers of the largest logits (N, 5 or 1), largest first, of all or among ``outputs`` only."""
    if outputs is None:
        return logits.topk(answered(logits.shape[1]), dim=1).indices
    outputs = outputs.to(logits.device)
    return outputs[logits[:, outputs].topk(answered(len(outputs)), dim=1).indices]


def finite_logits(logits: torch.Tensor, names: Sequence[str | Path], model: Classifier) -> torch.Tensor:
    """Return the logits of the images ``names`` as they are, (N, classes).

    Raises:
        UserError: another shape; or NaN or infinity, with the names of the model and of the first image that has them.
    """
    if isinstance(logits, torch.Tensor) and logits.ndim == 2:
        if len(logits) != len(names):
            raise UserError(f"{model.identity.name} gives {len(logits)} rows of output for {len(names)} images")
        finite = logits.isfinite().all(dim=1).tolist()
        if not all(finite):
            raise not_finite(model, names[finite.index(False)])
    check_logits(logits, len(model.identity.classes or ()))
    return logits


def not_finite(model: Classifier, image: str | Path) -> UserError:
    """Return the error of outputs that hold NaN or infinity."""
    return UserError(f"{model.identity.name} answers {image} with NaN or infinity: check its weights, or the image")


def check_logits(logits: torch.Tensor, classes: int | None = None) -> None:
    """Refuse outputs that are not finite (N, classes)."""
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise UserError(f"the network's output is {shape}, not (N, classes) logits")
    if classes is not None and logits.shape[1] != classes:
        raise UserError(f"the network has {logits.shape[1]} outputs but {classes} class names")
    if not logits.isfinite().all():
        raise NotFinite("the network's output holds NaN or infinity")


_WNID = re.compile(r"n\d{8}")


class OutOfDistribution(Accuracy):
    """Accuracy where a folder with some of the model's classes is scored over those classes' logits only.

    ``condition.answers`` states so exactly then. All else is as for ``accuracy``, but the order of the classes is not
    questioned: a model that knows natural images well may answer these by chance.
    """

    checks_order = False

    def answering(self, among: ClassSubset) -> list[Answering]:
        """Among the folder's classes alone."""
        return [(among.outputs if among.restricted else None, among.condition)]


class StylizedImageNet(OutOfDistribution):
    """Evaluator ``stylized-imagenet``: the published Stylized-ImageNet (Geirhos et al. 2019), its ``val/`` as it is."""

    name = "stylized-imagenet"
    needs = "Stylized-ImageNet's val/ in folders of WordNet identifiers (github rgeirhos/Stylized-ImageNet)"

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """The folder of that name below ``root``."""
        return part(root, ("stylized-imagenet", "SIN", "stylized_imagenet"))


class ImageNetSketch(OutOfDistribution):
    """Evaluator ``imagenet-sketch``: black and white sketches of ImageNet's classes (Wang et al. 2019)."""

    name = "imagenet-sketch"
    needs = "ImageNet-Sketch, sketch/WNID/*.JPEG (github HaohanWang/ImageNet-Sketch)"

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """The folder of that name below ``root``; one called ``sketch`` only with folders of WordNet identifiers."""
        sketch = part(root, ("sketch",))
        return part(root, ("imagenet-sketch", "imagenet_sketch")) or (sketch if sketch and _has_wnids(sketch) else None)

    def images(self, data: Path) -> ImageSet:
        """Those of ``sketch/`` in it, as the archive has them, else its own."""
        below = data / "sketch"
        return class_images(below if _has_wnids(below) else data, self.config.holdouts)


def _has_wnids(folder: Path) -> bool:
    return any(_WNID.fullmatch(name) for name in subfolders(folder))
