"""Which images excite a neuron most, and where in them; ``neurons.json`` beside the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from shapebias.data.image_batches import Preprocessing
from shapebias.evaluators.base import EvalConfig
from shapebias.files import write_json
from shapebias.models.classifier import Classifier
from shapebias.models.latents import channels_last
from shapebias.models.predict import PredictedBatches
from shapebias.models.preprocessing import Squashed

IMAGES = 6


class TopActivations:
    """The ``count`` highest activations of every neuron and whose they were, kept while latents pass: O(count d)."""

    def __init__(self, count: int = IMAGES) -> None:
        self.count = count
        self.values, self.rows = torch.empty(0, 0), torch.empty(0, 0, dtype=torch.int64)

    def add(self, latents: Tensor, rows: Tensor) -> None:
        """Look at ``latents`` (N, D) of the images ``rows`` (N,)."""
        among = rows[:, None].expand(latents.shape)
        if len(self.values):
            latents, among = torch.cat([self.values, latents]), torch.cat([self.rows, among])
        self.values, best = latents.topk(min(self.count, len(latents)), dim=0)
        self.rows = among.gather(0, best)


def write_neurons(
    path: Path,
    model: Classifier,
    stage: str,
    named: Mapping[str, Sequence[Mapping[str, Any]]],
    highest: TopActivations,
    copies: Sequence[Path],
    setting: EvalConfig,
) -> None:
    """Write ``{"stage", "shape": [{"neuron", "correlation", "images": [{"image", "x", "y"}]}], "texture": [...]}``.

    ``x`` and ``y`` are where in the image (fractions of its width and height) a stage's map is highest; null where
    the stage has no map. The images named pass once more for it, at most 6 for each of 20 neurons.
    """
    neurons = sorted({one["neuron"] for group in named.values() for one in group})
    rows = {neuron: highest.rows[:, neuron].tolist() for neuron in neurons}
    wanted = sorted({row for found in rows.values() for row in found})
    places = _places(model, [copies[row] for row in wanted], neurons, setting)
    number = {row: n for n, row in enumerate(wanted)}

    def image(row: int, neuron: int) -> dict[str, Any]:
        x, y = places.get((number[row], neuron), (None, None))
        return {"image": str(copies[row]), "x": x, "y": y}

    value: dict[str, Any] = {"stage": stage}
    for factor, group in named.items():
        value[factor] = [
            {
                "neuron": one["neuron"],
                "correlation": one[f"{factor}_correlation"],
                "images": [image(row, one["neuron"]) for row in rows[one["neuron"]]],
            }
            for one in group
        ]
    write_json(path, value)


def _places(
    model: Classifier, paths: Sequence[Path], neurons: Sequence[int], setting: EvalConfig
) -> dict[tuple[int, int], tuple[float, float]]:
    """Where the named neurons are highest in each image, by its number and the neuron; nothing without a map."""
    if not model.stages or not paths:
        return {}
    found: dict[tuple[int, int], tuple[float, float]] = {}
    maps: list[tuple[Tensor, int, int]] = []
    stage = model.stages[-1]

    def look(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if output.ndim == 4:
            last = channels_last(model.network, stage, output.shape, square=True)
            chosen = output[..., neurons].movedim(3, 1) if last else output[:, neurons]
            maps.append((chosen.flatten(2).argmax(2).cpu(), chosen.shape[2], chosen.shape[3]))

    handle = model.network.get_submodule(stage).register_forward_hook(look)
    try:
        for numbers, _ in PredictedBatches(model, paths, replace(setting.loading, strict=False)):
            if not maps:
                break
            highest, rows, columns = maps.pop()
            maps.clear()
            for number, best in zip(numbers, highest.tolist(), strict=True):
                with Image.open(paths[number]) as file:
                    size = file.size
                for neuron, flat in zip(neurons, best, strict=True):
                    seen = (flat % columns + 0.5) / columns, (flat // columns + 0.5) / rows
                    found[number, neuron] = in_the_image(*seen, size, model.preprocessing)
    finally:
        handle.remove()
    return found


def in_the_image(x: float, y: float, size: tuple[int, int], preprocessing: Preprocessing) -> tuple[float, float]:
    """Fractions of what the network saw as fractions of the image of ``size`` (width, height).

    It saw the central square, or where both sides are squashed to a square the centre of that.

    >>> in_the_image(0.0, 0.5, (200, 100), Preprocessing(size=50, crop=1.0))
    (0.25, 0.5)
    >>> in_the_image(0.0, 0.5, (200, 100), Squashed(size=50, crop=1.0))
    (0.0, 0.5)
    """
    short = int(preprocessing.size / preprocessing.crop + 1e-6)
    part = preprocessing.size / short
    if isinstance(preprocessing, Squashed):
        return 0.5 + (x - 0.5) * part, 0.5 + (y - 0.5) * part
    shown = part * min(size)
    return 0.5 + (x - 0.5) * shown / size[0], 0.5 + (y - 0.5) * shown / size[1]
