"""Score pseudo-labels: mIoU at the protocol's threshold, and over all of them, as a measurement like any other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.transforms import to_tensor
from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig, data_details
from shapebias.evaluators.evaluate import check_descriptions, record
from shapebias.metrics.functional.segmentation import miou_difference
from shapebias.models.classifier import Classifier
from shapebias.results.results import COMPARISON_FILE, Result, Results, write_comparison
from shapebias.results.warnings import print_warnings
from shapebias.tasks.cam.figures import EVALUATOR, Measured, at_given, entries, shared_images
from shapebias.tasks.cam.images import read_labelled
from shapebias.tasks.cam.pictures import write_pictures
from shapebias.tasks.cam.pseudo_labels import outputs, write_pseudo_labels
from shapebias.tasks.cam.raw import ClassMaps, class_maps
from shapebias.tasks.cam.scales import CamSettings, padded, resized
from shapebias.tasks.cam.seeded import SeedEnsemble

LEAST_PROBE = 128  # pixels: a map of several places, in which the identity says something


class PseudoLabels:
    """The measurement: pseudo-labels of a split of VOC2012 by each network's class activation maps."""

    def __init__(self, setting: EvalConfig, split: str = "train", settings: CamSettings | None = None) -> None:
        self.setting, self.split = setting, split
        self.settings = CamSettings() if settings is None else settings
        self.images: ImageSet = read_labelled(setting.data, split)

    def check(self, model: Classifier) -> None:
        """Refuse a network without VOC's classes or without class activation maps."""
        outputs(model)
        self._maps(model.to("cpu").eval(), "cpu")

    def run(self, network: SeedEnsemble) -> tuple[list[Result], list[Measured]]:
        """Write the masks of every seed and pictures by the first one, and score them."""
        setting, settings, images = self.setting, self.settings, self.images
        runs: list[Measured] = []
        places: list[str] = []
        unreadable: dict[str, None] = {}
        for seed, model in network.models.items():
            model.to(device=setting.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
            maps, folder = self._maps(model, setting.device), setting.out / model.identity.name
            made = write_pseudo_labels(maps, images, settings, folder, device=setting.device, strict=setting.strict)
            if not runs:
                home = setting.out / network.name
                write_pictures(maps, images, made, settings, home, device=setting.device, seed=setting.seed)
            runs.append(Measured(seed, model.identity.weights_sha256, made.tallies))
            places.append(f"{'input' if maps.given else 'output'} of {maps.place}")
            unreadable |= dict.fromkeys(made.unreadable)
            model.to("cpu")
        details = self._details(list(unreadable), places[0], scored=bool(shared_images(runs)))
        return entries(runs, settings, details, seed=setting.seed), runs

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

    def _details(self, unreadable: list[str], place: str, *, scored: bool) -> dict[str, Any]:
        images, settings = self.images, self.settings
        told = f"no image of the split '{self.split}' has a mask: its pseudo-labels are not scored"
        return {
            "data": data_details(images.root, len(images), images.fingerprint, unreadable),
            "split": self.split,
            "images_labelled": len(images) - len(unreadable),
            "images_without_mask": sum(mask is None for mask in images.masks),
            "images_without_class": sum(not classes for classes in images.classes),
            "scales": list(settings.scales),
            "flip": settings.flip,
            "size": settings.size,
            "map": place,
            "seed": self.setting.seed,
            **({} if scored else {"warning": told}),
        }

    def difference(self, a: tuple[str, list[Measured]], b: tuple[str, list[Measured]]) -> dict[str, Any] | None:
        """The row of two networks' difference over the images that all of their seeds were scored on, None without any.

        Each network's mIoU is the mean over its seeds; the interval resamples the images of both.
        """
        images = shared_images([*a[1], *b[1]])
        if not images:
            return None
        both = [at_given(runs, self.settings, images) for _, runs in (a, b)]
        difference, interval = miou_difference(*both, seed=self.setting.seed)
        return {
            "evaluator": EVALUATOR,
            "metric": "miou",
            "condition": {"threshold": self.settings.threshold, "scales": self.settings.kind},
            "a": a[0],
            "b": b[0],
            "difference": difference,
            "ci95": interval,
            "n": len(images),
        }


def pseudo_label(
    networks: Sequence[SeedEnsemble],
    *,
    data: Path,
    out: Path,
    split: str = "train",
    settings: CamSettings | None = None,
    device: str = "cpu",
    seed: int = 0,
    strict: bool = False,
) -> list[Results]:
    """Pseudo-labels of a split of VOC2012 by each network, by all of its seeds, scored where there are masks.

    Writes ``out/NAME/masks`` (of seeds ``out/NAME/seed-N/masks``), ``out/NAME/pictures`` by the first seed and
    ``out/NAME/results.json``, and for several networks the paired differences of their mIoU to ``out/comparison.json``.
    What an earlier call made is not made again.

    Raises:
        UserError: unusable data or networks, or an ``out`` with other work in it.
    """
    described = [network.description() for network in networks]
    check_descriptions(described, out)
    evaluator = PseudoLabels(EvalConfig(data, out, seed=seed, device=device, strict=strict), split, settings)
    for network in networks:
        for model in network.models.values():
            evaluator.check(model)
    results: list[Results] = []
    measured: list[tuple[str, list[Measured]]] = []
    for network, description in zip(networks, described, strict=True):
        found, runs = evaluator.run(network)
        results.append(record(description, {**environment(device), "seed": seed}, found, out))
        print_warnings(found)
        measured.append((network.name, runs))
    if len(results) > 1:
        rows = [evaluator.difference(a, b) for a, b in combinations(measured, 2)]
        write_comparison(out / COMPARISON_FILE, [row for row in rows if row is not None], results)
    return results
