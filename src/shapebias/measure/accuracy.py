"""Top-1 and top-5 accuracy on a folder of classes, as it is or stylized (Table 5, and Table 4's Stylized-IN)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shapebias.data.folder import ImageFolder
from shapebias.data.layouts import evaluation_images
from shapebias.errors import UserError
from shapebias.measure.contract import Outcome, Setting, data_details, predictions
from shapebias.measure.intervals import wilson
from shapebias.measure.results import Entry
from shapebias.models.classifier import Classifier
from shapebias.models.imagenet import described, naming_of, wordnet_ids
from shapebias.stylize import load_styles, load_stylizer
from shapebias.stylize.folder import MANIFEST, StylizeSettings, stylize_folder, stylized_views, unreadable_sources


class Accuracy:
    """Benchmark ``accuracy``: share of images whose class is the network's first (top5: first five) answer.

    The data folder has one folder per class, or ``val/`` or ``test/`` of such; a folder is called by the
    name of a class of the network, for ImageNet's by its WordNet identifier. It may hold some of the classes
    only: the answer is the largest of all outputs nevertheless, and ``details.classes`` says how many there
    are. ``n`` counts images; intervals are Wilson's.
    """

    benchmark = "accuracy"
    condition: dict[str, Any] = {}  # noqa: RUF012 - overridden whole, never changed

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.folder = evaluation_images(setting.data) or ImageFolder.scan(setting.data)
        self.left_out: list[str] = []  # unreadable images that were left out before

    def check(self, model: Classifier) -> None:
        """Refuse a network whose classes are not known or are not the folder's, before anything is measured."""
        class_targets(model, self.folder)

    def run(self, model: Classifier) -> Outcome:
        """Top-1, and top-5 where there are more than five classes."""
        targets = torch.tensor(class_targets(model, self.folder))
        classes = len(model.identity.classes or ())
        top = 5 if classes > 5 else 1
        indices, answers, unreadable = predictions(
            model, self.folder.paths, self.setting, self.benchmark, read=lambda logits: _top(logits, top, classes)
        )
        labels = np.array(self.folder.labels)[indices]
        right = (answers == targets[labels][:, None]).numpy()
        details = {
            "per_category": {
                name: {"n": int((labels == i).sum()), "value": float(right[labels == i, 0].mean())}
                for i, name in enumerate(self.folder.classes)
                if (labels == i).any()
            },
            "classes": {"in_folder": len(self.folder.classes), "of_network": classes},
            "data": data_details(
                self.folder.root, len(indices), self.folder.fingerprint, [*self.left_out, *unreadable]
            ),
        }
        entries = [self._entry("top1", right[:, 0], details)]
        if top == 5:
            entries.append(self._entry("top5", np.asarray(right.any(axis=1)), {}))
        names = tuple(self.folder.paths[i].relative_to(self.folder.root).as_posix() for i in indices)
        return Outcome(entries, names, {"top1": right[:, :1].astype(np.float64)})

    def _entry(self, metric: str, right: np.ndarray, details: dict[str, Any]) -> Entry:
        return Entry(
            benchmark=self.benchmark,
            metric=metric,
            value=float(right.mean()),
            n=len(right),
            ci95=wilson(int(right.sum()), len(right)),
            condition=self.condition,
            details=details,
        )


class Stylized(Accuracy):
    """Benchmark ``stylized``: accuracy on images stylized in styles held out from training.

    A folder made by ``shapebias stylize`` is taken as it is; any other is stylized once, one style per
    image, below the output folder, when the first network has been found to have its classes.
    """

    benchmark = "stylized"

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.given = (setting.data / MANIFEST).is_file()
        self.condition = {"styles": "as given" if self.given else "held-out"}
        if self.given:
            stylized_views(setting.data)  # refuses one that is not finished
            self.left_out = unreadable_sources(setting.data)
        self.ready = self.given

    def run(self, model: Classifier) -> Outcome:
        """Stylize the folder for the first network; then as for ``accuracy``."""
        self.check(model)
        if not self.ready:
            copies = held_out_copies(self.folder.root, self.setting, "stylized", per_image=1)
            self.folder, self.left_out, self.ready = ImageFolder.scan(copies), unreadable_sources(copies), True
        return super().run(model)


def held_out_copies(source: Path, setting: Setting, name: str, *, per_image: int, same_styles: bool = False) -> Path:
    """``source`` stylized in held-out styles of the package's bank, below the output folder; made once."""
    stylizer, digest = load_stylizer()
    bank = load_styles(None, stylizer, digest).split("held-out")
    out = setting.out / "images" / name
    settings = StylizeSettings(per_image=per_image, same_styles=same_styles, seed=setting.seed)
    stylize_folder(source, out, stylizer, bank, settings, device=setting.device, strict=setting.strict)
    return out


def class_targets(model: Classifier, folder: ImageFolder) -> list[int]:
    """For each class of ``folder`` the number of the network's output that stands for it.

    Raises:
        UserError: the network's classes are not known or do not hold the folder's.
    """
    classes = model.identity.classes
    if classes is None:
        raise UserError(
            f"the classes of {model.identity.name} are not known, so its answers on {folder.root} cannot be scored: "
            "give --classes FILE, their names in the order of its outputs, one a line"
        )
    numbers = {name: number for number, name in enumerate(classes)}
    missing = [name for name in folder.classes if name not in numbers]
    if missing:
        raise UserError(
            f"{folder.root} and {model.identity.name} have different classes: the network has no "
            f"{', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''} ({len(missing)} of {len(folder.classes)} "
            f"folders); it has {', '.join(described(name) for name in classes[:3])} ...{_naming(classes, folder)}"
        )
    return [numbers[name] for name in folder.classes]


def _naming(classes: Sequence[str], folder: ImageFolder) -> str:
    """What to do where ImageNet's classes go by other names in ``folder``; empty otherwise."""
    naming = naming_of(folder.classes) if tuple(classes) == wordnet_ids() else ""
    if naming == "indices":
        return "; the folders look like ImageNet's class numbers: call each by its WordNet identifier, 0 as n01440764"
    if naming == "words":
        return "; the folders look like ImageNet's names in words: call each by its WordNet identifier"
    return ""


def _top(logits: torch.Tensor, count: int, classes: int) -> torch.Tensor:
    check_logits(logits, classes)
    return logits.topk(count, dim=1).indices


def check_logits(logits: torch.Tensor, classes: int | None = None) -> None:
    """Refuse outputs that are not finite (N, classes)."""
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise UserError(f"the network's output is {shape}, not (N, classes) logits")
    if classes is not None and logits.shape[1] != classes:
        raise UserError(f"the network has {logits.shape[1]} outputs but {classes} class names")
    if not logits.isfinite().all():
        raise UserError("the network's output holds NaN or infinity")
