"""Shape and texture neurons: dimensionality estimation (Islam et al. 2021; the paper's Table 1, right).

Two images that share one factor, shape or texture, give two latents; the more neurons encode the factor,
the more the latents covary over such pairs. The estimate is a softmax over three scores: it has a floor and
a ceiling (scores of 0 give 21.2 %, of 1 for one factor and 0 for the other 42.2 and 15.5 %) and is no count
of identified neurons, so the raw scores are always given too. Beside it, and under other names, stands the
count of neurons by their own correlations (``neuron_correlation``), which is not the paper's.

Pairs are drawn first; then the copies that they need pass once through the network, in an order in which no
latent has to be kept for long (``pairs``), and are summed up on the way (``factor_scores``). Memory beside the batch:
the latents of a window of at most 31 images in all their textures, and about 2 kB per neuron.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shapebias.data.image_set import TEST_NAMES, part
from shapebias.errors import UserError
from shapebias.evaluators.accuracy.accuracy import check_logits
from shapebias.evaluators.accuracy.stylized import held_out_copies
from shapebias.evaluators.base import EvalConfig, EvalResult, data_details
from shapebias.evaluators.dimensionality.factor_scores import FactorSums, intervals, stream
from shapebias.evaluators.dimensionality.grid import images_of, images_of_grid
from shapebias.evaluators.dimensionality.neuron_correlation import correlated_neurons, most_alike
from shapebias.evaluators.dimensionality.pairs import FACTORS, plan
from shapebias.evaluators.dimensionality.top_activations import TopActivations, write_neurons
from shapebias.files import read_json
from shapebias.metrics.functional.dimensionality import factor_scores, factor_shares, neuron_counts
from shapebias.models.classifier import Classifier
from shapebias.models.latents import classifying_layer
from shapebias.models.predict import PredictedBatches
from shapebias.progress import progress
from shapebias.results.results import Result
from shapebias.stylize.folder import MANIFEST, stylized_views, unreadable_sources, view_path

TEXTURES = 5
MANY = 5  # pairs to an image
NEURONS_FILE = "neurons.json"


class Dimensionality:
    """Evaluator ``dimensionality``: the share of neurons that encode shape, texture, or neither.

    Every image of the data folder (or its ``val/`` or ``test/``) is stylized in the same five held-out
    styles, below the output folder, when the first network has been found to have the stage; a folder made by
    ``shapebias texture-grid`` (or ``stylize --same-styles``) is taken as it is. In a folder without class
    folders every image is a class of its own, and texture pairs are of two different images. The latents are
    the inputs of the classifying layer, or the setting's stage. ``n`` is the number of pairs per factor;
    intervals are bootstrapped over images. Whole numbers of neurons stand in the details.
    ``shape_correlated_neurons`` and ``texture_correlated_neurons`` (n: neurons, no interval) are shares by
    single neurons' correlations; the strongest, and the images that excite them, are written to
    ``neurons.json``.
    """

    name = "dimensionality"
    needs = "any folder of some hundred photographs (the paper's: VOC 2012), or one of 'shapebias texture-grid'"

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """A texture grid or VOC's photographs below ``root``, else its own images to test with."""
        names = ("texture-grid", "VOCdevkit/VOC2012/JPEGImages", "voc/VOCdevkit/VOC2012/JPEGImages", *TEST_NAMES)
        return part(root, names)

    def __init__(self, setting: EvalConfig) -> None:
        self.setting = setting
        self.root = part(setting.data, TEST_NAMES) or setting.data
        self.ready = (setting.data / MANIFEST).is_file()
        if self.ready:
            textures = stylized_views(setting.data)
            if not read_json(setting.data / MANIFEST).get("same_styles"):
                raise UserError(
                    f"the images in {setting.data} have different styles: make it by 'shapebias texture-grid'"
                )
            found = images_of_grid(setting.data, self.root, textures)
        else:
            found = images_of(self.root)
        self.paths, self.numbers, self.classes, self._fingerprint = found
        if self.ready:
            self._take(setting.data, self.root)

    @property
    def fingerprint(self) -> str:
        """Of the images before they are stylized."""
        return self._fingerprint

    def _take(self, grid: Path, root: Path) -> None:
        """Take the copies below ``root`` in the folder ``grid``, and plan what passes."""
        self.textures = stylized_views(grid)
        if self.textures < 2:
            raise UserError(f"{grid} holds one texture only: at least two are needed ({MANIFEST})")
        self.unreadable = unreadable_sources(grid)
        views = [
            ([view_path(root, self.root, path, view) for view in range(self.textures)], label)
            for path, label in zip(self.paths, self.numbers, strict=True)
        ]
        views = [(paths, label) for paths, label in views if paths[0].exists()]  # others were unreadable
        self.copies = [path for paths, _ in views for path in paths]
        self.labels = np.array([label for _, label in views])
        if len(set(self.labels.tolist())) < 2:
            what = "of one class" if self.classes else "one"
            raise UserError(f"the readable images of {self.root} are {what}: at least two are needed")
        self.plan = plan(self.labels, self.textures, self.setting.pairs, seed=self.setting.seed)

    def check(self, model: Classifier) -> None:
        """Refuse a network without the stage or the classifying layer, before anything is stylized."""
        at_stage(model, self.setting.stage)
        if self.setting.stage is None:
            classifying_layer(model.network)

    def run(self, model: Classifier) -> EvalResult:
        """Stylize the folder for the first network; pass the copies that pairs need, sum up, tell neurons apart."""
        setting, name = self.setting, model.identity.name
        if not self.ready:
            grid = held_out_copies(self.root, setting, "texture-grid", per_image=TEXTURES, same_styles=True)
            self._take(grid, grid)
            self.ready = True
        view = at_stage(model, setting.stage)
        numbers = self.plan.copies[:, 0] * self.textures + self.plan.copies[:, 1]
        copies = [self.copies[number] for number in numbers]
        highest = TopActivations()
        sums = stream(self._latents(view, copies, highest), self.plan)
        stage = setting.stage or "input of the classifying layer"
        moments = {factor: found.moments for factor, found in sums.items()}
        try:
            score = factor_scores(moments)
        except ValueError as error:
            raise UserError(f"the neurons of {name} cannot be told apart: {error}") from error
        samples = min(setting.pairs, len(self.labels))
        correlated = correlated_neurons(moments["shape"], moments["texture"], samples=samples)
        named = most_alike(correlated)
        write_neurons(setting.out / name / NEURONS_FILE, view, stage, named, highest, copies, setting)
        details = self._details(score, sums, stage)
        share, low_high = factor_shares(score), intervals(sums, seed=setting.seed)
        details["scores_ci95"] = low_high.scores
        condition = {"textures": self.textures, **({"stage": setting.stage} if setting.stage else {})}
        entries = [
            Result(
                self.name,
                f"{factor}_neurons",
                share[factor],
                setting.pairs,
                low_high.shares[factor],
                condition,
                details if factor == FACTORS[0] else {},  # once: what left out and warned of would be told thrice
            )
            for factor in (*FACTORS, "residual")
        ]
        for factor, found in zip(FACTORS, (correlated.shape_neurons, correlated.texture_neurons), strict=True):
            told = {
                "note": "neurons counted by their own correlation over pairs; not the paper's estimator",
                "threshold": correlated.threshold,
                "samples": samples,
                "stage": stage,
                "most": named[factor],
                "images": NEURONS_FILE,
            }
            value = float(found.double().mean())
            entries.append(Result(self.name, f"{factor}_correlated_neurons", value, len(found), None, condition, told))
        return EvalResult(entries)

    def _latents(self, model: Classifier, copies: Sequence[Path], highest: TopActivations) -> Iterator[Tensor]:
        """The pooled latents (n, D) of ``copies``, batch after batch."""
        setting, name, first = self.setting, model.identity.name, 0
        batches = PredictedBatches(model, copies, setting.loading, latents=True)
        with progress(f"{name}: {self.name}", total=len(copies)) as bar:
            for numbers, (logits, latents) in batches:
                if batches.unreadable:
                    break
                z = latents[-1].float().cpu()
                if not z.isfinite().all():
                    raise UserError(f"the latents of {name} hold NaN or infinity")
                check_logits(logits)
                if len(z) != len(numbers):
                    raise UserError(f"the stage gives {len(z)} latents for {len(numbers)} images: name another stage")
                highest.add(z, torch.arange(first, first + len(z)))
                first += len(z)
                yield z
                bar.advance(len(z))
        if batches.unreadable:
            raise UserError(f"unreadable copy {batches.unreadable[0]}: delete it and run again, it is made anew")

    def _details(self, score: dict[str, float], sums: dict[str, FactorSums], stage: str) -> dict[str, Any]:
        width = sums["shape"].moments.shape[1]
        details: dict[str, Any] = {
            "scores": score,
            "pairs": self.setting.pairs,
            "texture_pairs": "two images of different classes" if self.classes else "two different images, classless",
            "copies_passed": len(self.plan.copies),
            "stage": stage,
            "neurons": width,
            "neurons_per_factor": neuron_counts(score, width),
            "textures": self.textures,
            "note": "softmax over three scores: scores of 0 give 21.2 %; not a count of identified neurons",
            "data": data_details(self.root, len(self.labels), self.fingerprint, self.unreadable),
        }
        pairs, images, warnings = self.setting.pairs, len(self.labels), list[str]()
        if width > pairs:
            warnings.append(f"fewer pairs ({pairs}) than neurons ({width})")
        if pairs > MANY * images:
            warnings.append(f"{pairs} pairs of only {images} images: more images would say more, more pairs would not")
        if warnings:
            details["warning"] = "; ".join(warnings)
        return details


def at_stage(model: Classifier, stage: str | None) -> Classifier:
    """``model`` with the latents of ``stage`` (None: the input of the classifying layer); the network is the same one.

    Raises:
        UserError: no such stage; the line lists those there are.
    """
    view = Classifier(
        model.network,
        model.identity,
        model.preprocessing,
        stages=() if stage is None else (stage,),
    )
    view.mean, view.std = model.mean, model.std
    return view
