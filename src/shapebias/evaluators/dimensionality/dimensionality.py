"""Shape and texture neurons: dimensionality estimation (Islam et al. 2021; the paper's Table 1, right).

Two images that share one factor, shape or texture, give two latents; the more neurons encode the factor, the more the
latents covary over such pairs. The estimate is a softmax over three scores: it has a floor and a ceiling (scores of 0
give 21.2 %, of 1 for one factor and 0 for the other 42.2 and 15.5 %) and is not a count of identified neurons, so the
raw scores are always given too. Beside it, under other names, is the count of neurons by their own correlations
(``neurons``), which is not the paper's.

Pairs are drawn first; then the copies that they need pass once through the model, in an order in which no latent is
held for long (``pairs``), and are summed up on the way (``factor_sums``). Memory beside the batch: the latents of a
window of at most 31 images in all their textures, and about 2 kB per neuron.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shapebias.data.folders import part
from shapebias.data.holdout import unseen
from shapebias.data.readers.class_folders import held_out_folder
from shapebias.errors import UserError
from shapebias.evaluators.accuracy import check_logits
from shapebias.evaluators.base import EvalConfig, EvalResult, data_details
from shapebias.evaluators.class_subset import is_class_folders
from shapebias.evaluators.dimensionality.factor_sums import FactorSums, factor_intervals, sum_pairs
from shapebias.evaluators.dimensionality.grid import TextureGrid, read_grid, read_grid_sources, read_sources
from shapebias.evaluators.dimensionality.neurons import (
    NeuronCorrelations,
    TopActivations,
    correlate_neurons,
    strongest_neurons,
    write_neurons,
)
from shapebias.evaluators.dimensionality.pairs import FACTORS, plan_pairs
from shapebias.evaluators.stylized import held_out_copies
from shapebias.metrics.functional.dimensionality import factor_scores, factor_shares, neuron_counts
from shapebias.models.classifier import Classifier
from shapebias.models.features import classifying_layer
from shapebias.models.predict import PredictedBatches
from shapebias.progress import progress
from shapebias.results.layout import NEURONS_FILE
from shapebias.results.results import Result
from shapebias.stylize.folder import MANIFEST

TEXTURES = 5
MANY = 5  # pairs per image; more add little


class Dimensionality:
    """Evaluator ``dimensionality``: the share of neurons that encode shape, texture, or neither.

    Every image of the data folder (or its ``val/`` or ``test/``) is stylized in the same five held-out styles, below
    the output folder, once the first model has been found to have the stage; a folder made by ``shapebias
    texture-grid`` (or ``stylize --same-styles``) is used as it is. In a folder without class folders every image is a
    class of its own, and texture pairs are of two different images. The latents are the inputs of the classifying
    layer, or the configured stage. ``n`` is the number of pairs per factor; intervals are bootstrapped over images.
    Whole numbers of neurons are in the details. ``shape_correlated_neurons`` and ``texture_correlated_neurons`` (n:
    neurons, no interval) are shares by single neurons' correlations; the strongest, and the images that activate them
    most, are written to ``neurons.json``.
    """

    name = "dimensionality"
    needs = "any folder of some hundred photographs (the paper's: VOC 2012), or one of 'shapebias texture-grid'"

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """A texture grid or VOC's photographs below ``root``, else its own images to test with or class folders."""
        names = ("texture-grid", "VOCdevkit/VOC2012/JPEGImages", "voc/VOCdevkit/VOC2012/JPEGImages")
        return part(root, names) or held_out_folder(root) or (root if is_class_folders(root) else None)

    def __init__(self, config: EvalConfig) -> None:
        self.config = config
        self.root = held_out_folder(config.data) or config.data
        self.grid: TextureGrid | None = None
        if (config.data / MANIFEST).is_file():
            self.sources = read_grid_sources(config.data, self.root)
            self.grid = read_grid(config.data, self.root, self.sources)
        else:
            self.sources = unseen(read_sources(self.root), config.holdouts)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the images before they are stylized."""
        return self.sources.fingerprint

    def check(self, model: Classifier) -> None:
        """Refuse a model without the stage or the classifying layer, before anything is stylized."""
        at_stage(model, self.config.stage)
        if self.config.stage is None:
            classifying_layer(model.network)

    def run(self, model: Classifier) -> EvalResult:
        """Stylize the folder for the first model; pass the copies that pairs need, sum up, tell neurons apart."""
        config, name = self.config, model.identity.name
        grid = self._made_grid()
        plan = plan_pairs(grid.labels, grid.textures, config.pairs, seed=config.seed)
        copies = [grid.copies[number] for number in plan.copies[:, 0] * grid.textures + plan.copies[:, 1]]
        view, top = at_stage(model, config.stage), TopActivations()
        sums = sum_pairs(self._latents(view, copies, top), plan)
        moments = {factor: found.moments for factor, found in sums.items()}
        try:
            scores = factor_scores(moments)
        except ValueError as error:
            raise UserError(f"the neurons of {name} cannot be told apart: {error}") from error
        samples = min(config.pairs, len(grid.labels))
        correlations = correlate_neurons(moments["shape"], moments["texture"], samples=samples)
        strongest = strongest_neurons(correlations)
        stage = config.stage or "input of the classifying layer"
        write_neurons(config.out / name / NEURONS_FILE, view, stage, strongest, top, copies, config.loading)
        condition = {"textures": grid.textures, **({"stage": config.stage} if config.stage else {})}
        details = {"stage": stage, "copies_passed": len(copies)}
        return EvalResult(
            [
                *self._shares(scores, sums, grid, condition, details),
                *self._correlated(correlations, strongest, samples, condition, stage),
            ]
        )

    def _made_grid(self) -> TextureGrid:
        """Return the copies, made now if they are not there yet."""
        if self.grid is None:
            images, name = (self.sources.paths, "-held-out") if self.sources.held_out else (None, "")
            folder = held_out_copies(
                self.root, self.config, f"texture-grid{name}", per_image=TEXTURES, same_styles=True, images=images
            )
            self.grid = read_grid(folder, folder, self.sources)
        return self.grid

    def _latents(self, model: Classifier, copies: Sequence[Path], top: TopActivations) -> Iterator[Tensor]:
        """Yield the pooled latents (n, D) of ``copies``, batch after batch."""
        name, first = model.identity.name, 0
        batches = PredictedBatches(model, copies, self.config.loading, latents=True)
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
                top.add(z, torch.arange(first, first + len(z)))
                first += len(z)
                yield z
                bar.advance(len(z))
        if batches.unreadable:
            raise UserError(f"unreadable copy {batches.unreadable[0]}: delete it and run again, it is made anew")

    def _shares(
        self,
        scores: dict[str, float],
        sums: dict[str, FactorSums],
        grid: TextureGrid,
        condition: dict[str, Any],
        details: dict[str, Any],
    ) -> list[Result]:
        """The share of neurons of each factor and of the residual; the details are those of the first alone."""
        pairs, width, images = self.config.pairs, sums["shape"].moments.shape[1], len(grid.labels)
        warnings = list[str]()
        if width > pairs:
            warnings.append(f"fewer pairs ({pairs}) than neurons ({width})")
        if pairs > MANY * images:
            warnings.append(f"{pairs} pairs of only {images} images: more images would help, more pairs would not")
        intervals = factor_intervals(sums, seed=self.config.seed)
        details = {
            "scores": scores,
            "pairs": pairs,
            "texture_pairs": "two images of different classes"
            if self.sources.classes
            else "two different images, classless",
            "neurons": width,
            "neurons_per_factor": neuron_counts(scores, width),
            "textures": grid.textures,
            "note": "softmax over three scores: scores of 0 give 21.2 %; not a count of identified neurons",
            "data": data_details(self.root, images, self.fingerprint, grid.unreadable),
            "scores_ci95": intervals.scores,
            **({"warning": "; ".join(warnings)} if warnings else {}),
            **details,
        }
        return [
            Result(
                self.name,
                f"{factor}_neurons",
                share,
                pairs,
                intervals.shares[factor],
                condition,
                details if factor == FACTORS[0] else {},
            )
            for factor, share in factor_shares(scores).items()
        ]

    def _correlated(
        self,
        correlations: NeuronCorrelations,
        strongest: dict[str, list[dict[str, Any]]],
        samples: int,
        condition: dict[str, Any],
        stage: str,
    ) -> list[Result]:
        """The share of neurons that correlate over pairs of each factor."""
        results = []
        for factor, found in zip(FACTORS, (correlations.shape_neurons, correlations.texture_neurons), strict=True):
            details = {
                "note": "neurons counted by their own correlation over pairs; not the paper's estimator",
                "threshold": correlations.threshold,
                "samples": samples,
                "stage": stage,
                "most": strongest[factor],
                "images": NEURONS_FILE,
            }
            value = float(found.double().mean())
            results.append(
                Result(self.name, f"{factor}_correlated_neurons", value, len(found), None, condition, details)
            )
        return results


def at_stage(model: Classifier, stage: str | None) -> Classifier:
    """Return ``model`` with the latents of ``stage`` (None: the input of the classifying layer), sharing its network.

    Raises:
        UserError: no such stage; the message lists those there are.
    """
    view = Classifier(
        model.network,
        model.identity,
        model.preprocessing,
        stages=() if stage is None else (stage,),
    )
    view.mean, view.std = model.mean, model.std
    return view
