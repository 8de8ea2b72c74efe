"""Shape and texture neurons: dimensionality estimation (Islam et al. 2021; the paper's Table 1, right).

Two images that share one factor, shape or texture, give two latents; the more neurons encode the factor,
the more the latents covary over such pairs. The estimate is a softmax over three scores: it has a floor and
a ceiling (scores of 0 give 21.2 %, of 1 for one factor and 0 for the other 42.2 and 15.5 %) and is no count
of identified neurons, so the raw scores are always given too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from shapebias.data.folder import TEST_NAMES, ImageFolder, part
from shapebias.errors import UserError
from shapebias.files import read_json
from shapebias.measure.accuracy import held_out_copies
from shapebias.measure.contract import Outcome, Setting, data_details, predictions
from shapebias.measure.intervals import RESAMPLES
from shapebias.measure.results import Entry
from shapebias.models.classifier import Classifier
from shapebias.stylize.folder import MANIFEST, stylized_views, unreadable_sources, view_path

TEXTURES = 5
PAIRS = 2000
FACTORS = ("shape", "texture")


@dataclass(frozen=True)
class Pairs:
    """Latents (P, D) of the two sides of pairs that share one factor."""

    a: np.ndarray
    b: np.ndarray


def scores(pairs: Mapping[str, Pairs]) -> dict[str, float]:
    """``sum_i Cov_i(z_a, z_b | factor) / sum_i Var_i`` for each factor, and 1 for the residual.

    The covariance is about the factor's own mean (the average of its two sides), the variance pooled over
    the latents of all factors. Give each factor equally many pairs: their mix changes the pooled variance.

    Raises:
        ValueError: the latents do not vary at all.
    """
    pooled = np.concatenate([side for pair in pairs.values() for side in (pair.a, pair.b)]).astype(np.float64)
    variance = pooled.var(0).sum()
    if not variance > 0:
        raise ValueError("the latents have zero variance")
    found = {}
    for name, pair in pairs.items():
        a, b = pair.a.astype(np.float64), pair.b.astype(np.float64)
        mean = (a.mean(0) + b.mean(0)) / 2
        found[name] = float(((a - mean) * (b - mean)).mean(0).sum() / variance)
    return {**found, "residual": 1.0}


def neurons(score: Mapping[str, float], count: int) -> dict[str, int]:
    """How many of ``count`` neurons each factor gets: the softmax of the scores, integer part; the residual the rest.

    >>> neurons({"shape": 1.0, "texture": 0.0, "residual": 1.0}, 1000)
    {'shape': 422, 'texture': 155, 'residual': 423}
    """
    names = list(score)
    powers = np.exp(np.array([score[name] for name in names]) - max(score.values()))
    shares = powers / powers.sum()
    found = {name: int(share * count) for name, share in zip(names, shares, strict=True) if name != "residual"}
    return {**found, "residual": count - sum(found.values())}


def shares(score: Mapping[str, float]) -> dict[str, float]:
    """The softmax of the scores itself, without rounding to whole neurons."""
    powers = {name: np.exp(value) for name, value in score.items()}
    return {name: float(power / sum(powers.values())) for name, power in powers.items()}


def draw_pairs(labels: np.ndarray, textures: int, count: int, *, seed: int) -> dict[str, np.ndarray]:
    """Indices of ``count`` pairs per factor into an images x textures grid, (count, 4): image, texture twice.

    A shape pair is one image in two different textures, a texture pair two images of different classes in
    one texture; both drawn with replacement.
    """
    rng = np.random.default_rng(seed)
    images = len(labels)
    image = rng.integers(images, size=count)
    first = rng.integers(textures, size=count)
    second = (first + rng.integers(1, textures, size=count)) % textures
    a, b = rng.integers(images, size=count), rng.integers(images, size=count)
    while (same := labels[a] == labels[b]).any():
        b[same] = rng.integers(images, size=int(same.sum()))
    texture = rng.integers(textures, size=count)
    return {"shape": np.stack([image, first, image, second], 1), "texture": np.stack([a, texture, b, texture], 1)}


class Dimensionality:
    """Benchmark ``dimensionality``: the share of neurons that encode shape, texture, or neither.

    Every image of the data folder (or its ``val/`` or ``test/``) is stylized in the same five held-out
    styles, below the output folder; a folder made by ``shapebias stylize --same-styles`` is taken as it is.
    The latents are the inputs of the classifying layer. ``n`` is the number of pairs per factor; intervals
    are bootstrapped over pairs. Whole numbers of neurons stand in the details.
    """

    benchmark = "dimensionality"

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.folder = ImageFolder.scan(part(setting.data, TEST_NAMES) or setting.data)
        images = list(zip(self.folder.paths, self.folder.labels, strict=True))
        if (setting.data / MANIFEST).is_file():
            grid, root = setting.data, self.folder.root
            if not read_json(grid / MANIFEST).get("same_styles"):
                raise UserError(f"the images in {grid} have different styles: stylize them with --same-styles")
            first = "-style0.png"
            images = [(p.with_name(p.name.removesuffix(first)), n) for p, n in images if p.name.endswith(first)]
        else:
            grid = held_out_copies(self.folder.root, setting, "texture-grid", per_image=TEXTURES, same_styles=True)
            root = grid
        self.textures = stylized_views(grid)
        if self.textures < 2:
            raise UserError(f"{grid} holds one texture only: at least two are needed ({MANIFEST})")
        self.unreadable = unreadable_sources(grid)
        views = [
            ([view_path(root, self.folder.root, path, view) for view in range(self.textures)], label)
            for path, label in images
        ]
        views = [(paths, label) for paths, label in views if paths[0].exists()]  # others were unreadable
        self.copies = [path for paths, _ in views for path in paths]
        self.labels = np.array([label for _, label in views])
        if len(set(self.labels.tolist())) < 2:
            raise UserError(f"the readable images of {self.folder.root} are of one class: at least two are needed")

    def run(self, model: Classifier) -> Outcome:
        """Latents of the whole grid, pairs, scores, neurons."""
        folder, textures, seed = self.folder, self.textures, self.setting.seed

        def read(output: tuple[torch.Tensor, list[torch.Tensor]]) -> torch.Tensor:
            return output[1][-1].float()

        indices, latents, unreadable = predictions(
            model, self.copies, self.setting, self.benchmark, read=read, latents=True
        )
        if len(indices) != len(self.copies):
            raise UserError(f"unreadable copy {unreadable[0]}: delete it and run again, it is made anew")
        z = latents.numpy().reshape(len(self.labels), textures, -1)
        if not np.isfinite(z).all():
            raise UserError(f"the latents of {model.identity.name} hold NaN or infinity")
        chosen = draw_pairs(self.labels, textures, PAIRS, seed=seed)
        pairs = {name: Pairs(z[i[:, 0], i[:, 1]], z[i[:, 2], i[:, 3]]) for name, i in chosen.items()}
        try:
            score = scores(pairs)
        except ValueError as error:
            raise UserError(f"the neurons of {model.identity.name} cannot be told apart: {error}") from error
        width = z.shape[-1]
        share, low_high = shares(score), _intervals(pairs, seed)
        details = {
            "scores": score,
            "pairs": PAIRS,
            "neurons": width,
            "neurons_per_factor": neurons(score, width),
            "textures": textures,
            "note": "softmax over three scores: scores of 0 give 21.2 %; not a count of identified neurons",
            "data": data_details(folder.root, len(self.labels), folder.fingerprint, self.unreadable),
        }
        if width > PAIRS:
            details["warning"] = f"fewer pairs ({PAIRS}) than neurons ({width})"
        return Outcome(
            [
                Entry(
                    self.benchmark,
                    f"{name}_neurons",
                    share[name],
                    PAIRS,
                    low_high[name],
                    {"textures": textures},
                    details,
                )
                for name in (*FACTORS, "residual")
            ]
        )


def _intervals(pairs: Mapping[str, Pairs], seed: int) -> dict[str, tuple[float, float]]:
    """Percentile intervals of the shares: pairs are resampled within each factor.

    The scores need only sums over neurons of per-pair products and the means, so each resample costs one
    row of a matrix product.
    """
    rng = np.random.default_rng(seed)
    resamples = RESAMPLES // 10
    parts = {}
    for name, pair in pairs.items():
        a, b = pair.a.astype(np.float64), pair.b.astype(np.float64)
        weights = rng.multinomial(len(a), np.full(len(a), 1 / len(a)), size=resamples) / len(a)
        both = (weights @ a + weights @ b) / 2
        squares = weights @ ((a**2).sum(1) + (b**2).sum(1)) / 2
        products = weights @ (a * b).sum(1)
        # mean of (a - m)(b - m) with m the average of both sides' means
        parts[name] = (products - (both**2).sum(1), both, squares)
    mean = np.mean([part[1] for part in parts.values()], axis=0)
    variance = np.mean([part[2] for part in parts.values()], axis=0) - (mean**2).sum(axis=1)
    powers = {name: np.exp(part[0] / variance) for name, part in parts.items()}
    powers["residual"] = np.full(resamples, np.e)
    total = np.sum(list(powers.values()), axis=0)
    return {name: tuple(map(float, np.percentile(power / total, [2.5, 97.5]))) for name, power in powers.items()}  # type: ignore[misc]
