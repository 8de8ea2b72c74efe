"""Score pseudo-labels: mIoU at the protocol's threshold, and over all of them, as a measurement like any other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shapebias.cam.curve import CLASSES, Tally, confusion_at, confusions, thresholds_with
from shapebias.cam.images import YEAR, LabelledImages, read_labelled
from shapebias.cam.pictures import write_pictures
from shapebias.cam.pseudo_labels import Labelled, outputs, write_pseudo_labels
from shapebias.cam.raw import ClassMaps, class_maps
from shapebias.cam.scales import CamSettings, padded, resized
from shapebias.data.crop import to_tensor
from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.voc import find_voc
from shapebias.data.voc_annotations import VOC_CLASSES
from shapebias.errors import UserError
from shapebias.measure.contract import Outcome, Setting, data_details
from shapebias.measure.evaluate import check_networks, measure
from shapebias.measure.results import COMPARISON_FILE, Entry, Results, write_comparison
from shapebias.metrics.segmentation import bootstrap_iou, iou, miou_difference
from shapebias.models.classifier import Classifier

BENCHMARK = "cam"
LEAST_PROBE = 128  # pixels: a map of several places, in which the identity says something
NAMES = ("background", *VOC_CLASSES)


class PseudoLabels:
    """The measurement: pseudo-labels of a split of VOC2012 by each network's class activation maps."""

    benchmark = BENCHMARK
    needs = "VOC2012 with annotations and masks"

    def __init__(self, setting: Setting, split: str = "train", settings: CamSettings | None = None) -> None:
        self.setting, self.split = setting, split
        self.settings = CamSettings() if settings is None else settings
        self.images: LabelledImages = read_labelled(setting.data, split)
        self.thresholds = thresholds_with(self.settings.threshold)
        self.confusions: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}  # by network: names, (n, 21, 21)

    @property
    def fingerprint(self) -> str:
        """A hash of the images, masks and classes."""
        return self.images.fingerprint

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """VOC2012 at or below ``root``."""
        return find_voc(root, YEAR)

    def check(self, model: Classifier) -> None:
        """Refuse a network without VOC's classes or without class activation maps."""
        outputs(model)
        self._maps(model, "cpu")

    def run(self, model: Classifier) -> Outcome:
        """Write the masks and pictures of ``model`` and score them."""
        setting, folder = self.setting, self.setting.out / model.identity.name
        maps = self._maps(model, setting.device)
        made = write_pseudo_labels(
            maps, self.images, self.settings, folder, device=setting.device, strict=setting.strict
        )
        write_pictures(maps, self.images, made, self.settings, folder, device=setting.device, seed=setting.seed)
        return Outcome(self._entries(model, maps, made))

    def _maps(self, model: Classifier, device: str) -> ClassMaps:
        """The class maps of ``model``, checked on the first image that can be read."""
        reason = ""
        for path in self.images.paths:
            try:
                image = to_tensor(load_rgb(path))
            except UnreadableImage as error:
                reason = reason or str(error)
                continue
            probe = padded(resized(image, 1.0, self.settings.size)[None], model.mean.cpu(), least=LEAST_PROBE)[0]
            return class_maps(model, probe.to(device))
        raise UserError(f"none of the {len(self.images)} images could be read, first {reason}")

    def _entries(self, model: Classifier, maps: ClassMaps, made: Labelled) -> list[Entry]:
        count, given = len(self.thresholds), int(np.searchsorted(self.thresholds, self.settings.threshold))
        numbers = sorted(made.tallies)
        tallies = [made.tallies[number] for number in numbers]
        whole = Tally(
            np.concatenate([np.zeros(0, np.int64), *(one.cells for one in tallies)]),
            np.concatenate([np.zeros(0, np.int64), *(one.pixels for one in tallies)]),
        )
        matrices = confusions(whole, count)
        curve = [iou(matrix).mean for matrix in matrices]
        best = int(np.nanargmax(curve)) if np.isfinite(curve).any() else given
        left_out = len(made.unreadable)
        shared = {
            "data": data_details(self.images.root, len(self.images), self.fingerprint, list(made.unreadable)),
            "split": self.split,
            "images_labelled": len(self.images) - left_out,
            "images_without_mask": sum(mask is None for mask in self.images.masks),
            "images_without_class": sum(not classes for classes in self.images.classes),
            "scales": list(self.settings.scales),
            "flip": self.settings.flip,
            "size": self.settings.size,
            "map": f"{'input' if maps.given else 'output'} of {maps.place}",
            "seed": self.setting.seed,
        }
        if not numbers:
            shared["warning"] = f"no image of the split '{self.split}' has a mask: its pseudo-labels are not scored"
        found = []
        for metric, at in (("miou", given), ("miou_best", best)):
            each = np.stack([confusion_at(one, count, at) for one in tallies] or [np.zeros((CLASSES, CLASSES))])
            if metric == "miou":
                images = tuple(self.images.names[number] for number in numbers)
                self.confusions[model.identity.name] = (images, each)
            threshold = float(self.thresholds[at])
            condition: dict[str, Any] = {"scales": self.settings.kind}
            details = {"interval": "bootstrap over images", **_classes(matrices[at]), **shared}
            if metric == "miou":
                condition = {"threshold": threshold, **condition}
            else:
                details = {
                    "threshold": threshold,
                    "curve": [[float(t), value] for t, value in zip(self.thresholds, curve, strict=True)],
                    **details,
                    "interval": "bootstrap over images at the threshold that is best on all of them",
                }
            interval = bootstrap_iou(each, seed=self.setting.seed) if numbers else None
            found.append(Entry(BENCHMARK, metric, curve[at], len(numbers), interval, condition, details))
        return found

    def differences(self, results: Sequence[Results]) -> list[dict[str, Any]]:
        """The difference in mIoU of every two networks over the same images, with its paired bootstrap interval."""
        found = []
        for a, b in combinations([result.model["name"] for result in results], 2):
            (names_a, one), (names_b, two) = self.confusions[a], self.confusions[b]
            if names_a != names_b or not names_a:
                continue
            difference, interval = miou_difference(one[None], two[None], seed=self.setting.seed)
            found.append(
                {
                    "benchmark": BENCHMARK,
                    "metric": "miou",
                    "condition": {"threshold": self.settings.threshold, "scales": self.settings.kind},
                    "a": a,
                    "b": b,
                    "difference": difference,
                    "ci95": interval,
                    "n": len(names_a),
                }
            )
        return found


def pseudo_label(
    models: Sequence[Classifier],
    *,
    data: Path,
    out: Path,
    split: str = "train",
    settings: CamSettings | None = None,
    device: str = "cpu",
    seed: int = 0,
    strict: bool = False,
) -> list[Results]:
    """Pseudo-labels of a split of VOC2012 by each network, scored where there are masks.

    Writes ``out/NAME/masks``, ``out/NAME/pictures`` and ``out/NAME/results.json``, and for several networks the
    paired differences of their mIoU to ``out/comparison.json``.

    Raises:
        UserError: unusable data or networks, or an ``out`` with other work in it.
    """
    check_networks(models, out)
    evaluator = PseudoLabels(Setting(data, out, seed=seed, device=device, strict=strict), split, settings)
    with torch.inference_mode():
        for model in models:
            evaluator.check(model.to("cpu").eval())
    results = measure(
        models, {BENCHMARK: evaluator}, lambda _, each, model: each.run(model), out=out, device=device, seed=seed
    )
    if len(results) > 1:
        write_comparison(out / COMPARISON_FILE, evaluator.differences(results), results)
    return results


def _classes(matrix: np.ndarray) -> dict[str, Any]:
    found = iou(matrix)
    return {
        "per_class": {name: float(value) for name, value in zip(NAMES, found.per_class, strict=True)},
        "absent": found.absent,
        "pixel_accuracy": found.pixel_accuracy,
    }
