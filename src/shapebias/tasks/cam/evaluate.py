"""Make pseudo-labels and score them: mIoU at the threshold of the protocol, and at all thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc_labelled import read_labelled
from shapebias.data.transforms import pad_to_multiple, to_tensor
from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig, data_details
from shapebias.files import locked
from shapebias.models.classifier import Classifier, frozen_eval
from shapebias.results.results import Result, Results
from shapebias.results.store import ResultStore
from shapebias.results.table import print_warnings
from shapebias.tasks.cam.class_maps import ClassMaps, find_class_maps
from shapebias.tasks.cam.multiscale import MULTIPLE, CamSettings, resize
from shapebias.tasks.cam.pictures import write_pictures
from shapebias.tasks.cam.pseudo_labels import voc_outputs, write_pseudo_labels
from shapebias.tasks.cam.results import SeedCounts, cam_differences, cam_results
from shapebias.tasks.cam.seed_ensemble import SeedEnsemble
from shapebias.tasks.miou import shared_images
from shapebias.tasks.sweep import Measured

LEAST_PROBE = 128  # pixels: enough for a feature map of several positions, needed to find the class maps


class CamEvaluator:
    """Evaluator ``cam``: pseudo-labels of a split of VOC2012 from the class activation maps of each model."""

    def __init__(self, config: EvalConfig, split: str = "train", settings: CamSettings | None = None) -> None:
        self.config, self.split = config, split
        self.settings = CamSettings() if settings is None else settings
        self.images: ImageSet = read_labelled(config.data, split)

    def check(self, model: Classifier) -> None:
        """Refuse a model without VOC's classes or without class activation maps."""
        voc_outputs(model)
        with frozen_eval(model):
            self._maps(model)

    def run(self, ensemble: SeedEnsemble) -> tuple[list[Result], Measured[SeedCounts]]:
        """Write the masks of every seed and pictures of the first seed, and score the masks."""
        config, settings, images = self.config, self.settings, self.images
        outputs: dict[int | None, SeedCounts] = {}
        places: list[str] = []
        unreadable: dict[str, None] = {}
        for seed, model in ensemble.models.items():
            with frozen_eval(model, config.device):
                maps, folder = self._maps(model), config.out / model.identity.name
                made = write_pseudo_labels(maps, images, settings, folder, device=config.device, strict=config.strict)
                if not outputs:
                    home = config.out / ensemble.name
                    write_pictures(maps, images, made, settings, home, device=config.device, seed=config.seed)
            outputs[seed] = made.counts
            places.append(f"{'input' if maps.is_input else 'output'} of {maps.place}")
            unreadable |= dict.fromkeys(made.unreadable)
        runs = {
            seed: {"weights_sha256": model.identity.weights_sha256}
            for seed, model in ensemble.models.items()
            if seed is not None
        }
        measured = Measured(ensemble.name, outputs, {}, runs)
        details = self._details(list(unreadable), places[0], scored=bool(shared_images([measured])))
        return cam_results(measured, settings, details, seed=config.seed), measured

    def _maps(self, model: Classifier) -> ClassMaps:
        """Find the class maps of ``model``, using the first readable image."""
        reason = ""
        for path in self.images.paths:
            try:
                image = to_tensor(load_rgb(path))
            except UnreadableImage as error:
                reason = reason or str(error)
                continue
            batch = resize(image, 1.0, self.settings.size)[None]
            probe = pad_to_multiple(batch, MULTIPLE, model.mean.cpu(), least=LEAST_PROBE)[0]
            return find_class_maps(model, probe.to(model.mean.device))
        raise UserError(f"none of the {len(self.images)} images could be read (the first: {reason}): replace the files")

    def _details(self, unreadable: list[str], place: str, *, scored: bool) -> dict[str, Any]:
        images, settings = self.images, self.settings
        warning = f"no image of the split '{self.split}' has a mask: its pseudo-labels are not scored"
        return {
            "data": data_details(images.root, len(images), images.fingerprint, unreadable),
            "split": self.split,
            "images_labelled": len(images) - len(unreadable),
            "images_without_mask": sum(mask is None for mask in images.masks),
            "images_without_class": int((images.targets != 1).all(1).sum()),
            "scales": list(settings.scales),
            "flip": settings.flip,
            "size": settings.size,
            "map": place,
            "seed": self.config.seed,
            **({} if scored else {"warning": warning}),
        }


def pseudo_label(
    models: Sequence[SeedEnsemble],
    *,
    data: Path,
    out: Path,
    split: str = "train",
    settings: CamSettings | None = None,
    device: str = "cpu",
    seed: int = 0,
    strict: bool = False,
) -> list[Results]:
    """Make pseudo-labels of a split of VOC2012 with all seeds of each model, and score those of images with a mask.

    Writes ``out/NAME/masks`` (with seeds: ``out/NAME/seed-N/masks``), ``out/NAME/pictures`` of the first seed and
    ``out/NAME/results.json``; for several models also the paired differences of mIoU to ``out/comparison.json``.
    Finished work is not repeated.

    Raises:
        UserError: the data or models cannot be used, or ``out`` contains other files.
    """
    described = [ensemble.description() for ensemble in models]
    store = ResultStore(out)
    store.claim(described)
    evaluator = CamEvaluator(EvalConfig(data, out, seed=seed, device=device, strict=strict), split, settings)
    for ensemble in models:
        for model in ensemble.models.values():
            evaluator.check(model)
    results: list[Results] = []
    measured: list[Measured[SeedCounts]] = []
    for ensemble, description in zip(models, described, strict=True):
        with locked(out / ensemble.name, "cam"):
            found, outputs = evaluator.run(ensemble)
        results.append(store.merge(description, {**environment(device), "seed": seed}, found))
        print_warnings(found)
        measured.append(outputs)
    if len(results) > 1:
        rows = cam_differences(measured, evaluator.settings, seed=seed)
        store.compare(rows, results)
    return results
