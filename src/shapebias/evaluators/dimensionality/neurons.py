"""Shape and texture neurons one by one, by correlation, and the images that activate them most (``neurons.json``).

This is *not* the estimator of Islam et al. or of the paper, which gives three numbers for a whole layer, and a softmax
of them. Here each neuron is tested by itself: how strongly do its two activations correlate over pairs that share the
shape, and over pairs that share the texture? It is a shape neuron where the first correlation is the larger one and
above the threshold of chance, a texture neuron where the second is.

The threshold is Fisher's z-transform, one-sided at 95 %, with Bonferroni's correction for two tests of each of D
neurons. Pairs drawn with replacement share images, so the sample size is the number of images where there are fewer of
them than pairs. The textures are the K given ones: with five others neurons might correlate differently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from shapebias.data.decode import image_size
from shapebias.data.transforms import Preprocessing, Squashed
from shapebias.files import write_json
from shapebias.metrics.functional.moments import pair_correlation
from shapebias.models.classifier import Classifier
from shapebias.models.features import channels_last
from shapebias.models.predict import Loading, PredictedBatches

LEVEL = 0.95
STRONGEST = 10  # neurons listed per factor
IMAGES = 6  # listed per neuron


class NeuronCorrelations(NamedTuple):
    """Correlations (D,) over both kinds of pairs, the threshold, and the neurons (D,) bool of each factor."""

    shape: Tensor
    texture: Tensor
    threshold: float
    shape_neurons: Tensor
    texture_neurons: Tensor


def threshold(samples: int, neurons: int) -> float:
    """The correlation that one of 2 x ``neurons`` exceeds by chance in 5 % of studies of ``samples`` pairs each.

    1, which none exceeds, for fewer than 4 samples.
    """
    if samples < 4:
        return 1.0
    z = NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * neurons))
    return math.tanh(z / math.sqrt(samples - 3))


def correlate_neurons(shape: Tensor, texture: Tensor, *, samples: int) -> NeuronCorrelations:
    """Correlate each neuron, from the moments (6, D) of shape pairs and of texture pairs over ``samples`` images."""
    by_shape, by_texture = pair_correlation(shape), pair_correlation(texture)
    least = threshold(samples, len(by_shape))
    return NeuronCorrelations(
        by_shape,
        by_texture,
        least,
        (by_shape > by_texture) & (by_shape > least),
        (by_texture > by_shape) & (by_texture > least),
    )


def strongest_neurons(found: NeuronCorrelations) -> dict[str, list[dict[str, Any]]]:
    """List for each factor up to ten neurons of the highest correlation, among those whose other one is lower."""
    both = {"shape": found.shape, "texture": found.texture}
    strongest = {}
    for factor, other in (("shape", "texture"), ("texture", "shape")):
        own = torch.where(both[factor] > both[other], both[factor], -torch.inf)
        order = own.argsort(descending=True, stable=True)[:STRONGEST].tolist()
        strongest[factor] = [
            {
                "neuron": i,
                "shape_correlation": float(found.shape[i]),
                "texture_correlation": float(found.texture[i]),
            }
            for i in order
            if own[i] > -torch.inf
        ]
    return strongest


class TopActivations:
    """The ``count`` highest activations of each of D neurons and their images, updated batch by batch: O(count D)."""

    def __init__(self, count: int = IMAGES) -> None:
        self.count = count
        self.values, self.rows = torch.empty(0, 0), torch.empty(0, 0, dtype=torch.int64)

    def add(self, latents: Tensor, rows: Tensor) -> None:
        """Add the ``latents`` (N, D) of the images ``rows`` (N,)."""
        among = rows[:, None].expand(latents.shape)
        if len(self.values):
            latents, among = torch.cat([self.values, latents]), torch.cat([self.rows, among])
        self.values, best = latents.topk(min(self.count, len(latents)), dim=0)
        self.rows = among.gather(0, best)


def write_neurons(
    path: Path,
    model: Classifier,
    stage: str,
    strongest: Mapping[str, Sequence[Mapping[str, Any]]],
    top: TopActivations,
    copies: Sequence[Path],
    loading: Loading,
) -> None:
    """Write ``{"stage", "shape": [{"neuron", "correlation", "images": [{"image", "x", "y"}]}], "texture": [...]}``.

    ``x`` and ``y`` are the place in the image (fractions of its width and height) where a stage's map is highest; null
    where the stage has no map. For it the listed images pass once more, at most 6 for each of 20 neurons.
    """
    neurons = sorted({one["neuron"] for group in strongest.values() for one in group})
    rows = {neuron: top.rows[:, neuron].tolist() for neuron in neurons}
    listed = sorted({row for found in rows.values() for row in found})
    peaks = _peaks(model, [copies[row] for row in listed], neurons, loading)
    number = {row: n for n, row in enumerate(listed)}

    def image(row: int, neuron: int) -> dict[str, Any]:
        x, y = peaks.get((number[row], neuron), (None, None))
        return {"image": str(copies[row].absolute()), "x": x, "y": y}

    value: dict[str, Any] = {"stage": stage}
    for factor, group in strongest.items():
        value[factor] = [
            {
                "neuron": one["neuron"],
                "correlation": one[f"{factor}_correlation"],
                "images": [image(row, one["neuron"]) for row in rows[one["neuron"]]],
            }
            for one in group
        ]
    write_json(path, value)


def _peaks(
    model: Classifier, paths: Sequence[Path], neurons: Sequence[int], loading: Loading
) -> dict[tuple[int, int], tuple[float, float]]:
    """Return the place of the highest value of ``neurons`` in each image, by (image, neuron); empty without a map."""
    if not model.stages or not paths:
        return {}
    peaks: dict[tuple[int, int], tuple[float, float]] = {}
    maps: list[tuple[Tensor, int, int]] = []
    stage = model.stages[-1]

    def keep_peaks(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if output.ndim == 4:
            last = channels_last(model.network, stage, output.shape, square=True)
            chosen = output[..., neurons].movedim(3, 1) if last else output[:, neurons]
            maps.append((chosen.flatten(2).argmax(2).cpu(), chosen.shape[2], chosen.shape[3]))

    handle = model.network.get_submodule(stage).register_forward_hook(keep_peaks)
    try:
        for numbers, _ in PredictedBatches(model, paths, replace(loading, strict=False)):
            if not maps:
                break
            highest, rows, columns = maps.pop()
            maps.clear()
            for number, best in zip(numbers, highest.tolist(), strict=True):
                size = image_size(paths[number])
                for neuron, flat in zip(neurons, best, strict=True):
                    seen = (flat % columns + 0.5) / columns, (flat // columns + 0.5) / rows
                    peaks[number, neuron] = place_in_image(*seen, size, model.preprocessing)
    finally:
        handle.remove()
    return peaks


def place_in_image(x: float, y: float, size: tuple[int, int], preprocessing: Preprocessing) -> tuple[float, float]:
    """Convert fractions of the model's input to fractions of the image of ``size`` (width, height).

    The input is the central square of the image, or where both sides are squashed to a square the centre of that.

    >>> place_in_image(0.0, 0.5, (200, 100), Preprocessing(size=50, crop=1.0))
    (0.25, 0.5)
    >>> place_in_image(0.0, 0.5, (200, 100), Squashed(size=50, crop=1.0))
    (0.0, 0.5)
    """
    short = int(preprocessing.size / preprocessing.crop + 1e-6)
    part = preprocessing.size / short
    if isinstance(preprocessing, Squashed):
        return 0.5 + (x - 0.5) * part, 0.5 + (y - 0.5) * part
    shown = part * min(size)
    return 0.5 + (x - 0.5) * shown / size[0], 0.5 + (y - 0.5) * shown / size[1]
