"""How often intervals of mean IoU hold what they should, where rare classes are never found: by simulation.

A population of images with 21 classes, the rarest in one of two hundred, of which the network finds the background and
seven. Sets of 140 are drawn from it; printed is how often the interval of each holds the mean IoU expected of such a
set, and that of the whole population: the plain percentiles of the bootstrap, and those bias-corrected, which
``miou_interval`` gives.
"""

from __future__ import annotations

import argparse

import numpy as np

from shapebias.metrics.functional.segmentation import iou, miou_interval
from shapebias.stats.bootstrap import bootstrap

CLASSES, FOUND, IMAGES, SETS = 21, 8, 140, 300


def population(rng: np.random.Generator, size: int) -> np.ndarray:
    """Confusion matrices (size, classes, classes) in pixels: of the background, and of classes by their rarity."""
    present = rng.random((size, CLASSES)) < [1.0, *np.geomspace(0.3, 0.005, CLASSES - 1)]
    pixels = rng.gamma(2.0, 500, (size, CLASSES)) * present
    pixels[:, 0] = 20_000 * rng.random(size)
    share = np.clip(rng.normal(0.6 * np.linspace(1, 0.1, CLASSES), 0.2, (size, CLASSES)), 0, 1)
    share[:, FOUND:] = 0
    matrices = np.zeros((size, CLASSES, CLASSES), dtype=np.int64)
    diagonal = np.arange(CLASSES)
    matrices[:, diagonal, diagonal] = pixels * share
    taken_for = rng.integers(0, 4, size)  # the rest of an image's pixels
    matrices[np.arange(size), :, taken_for] += (pixels * (1 - share)).astype(np.int64)
    return matrices


def plain(matrices: np.ndarray, seed: int) -> tuple[float, float] | None:
    """The percentile interval as it is."""
    right = np.diagonal(matrices, axis1=1, axis2=2)
    parts = np.stack([right, matrices.sum(2) + matrices.sum(1) - right], axis=1)

    def mean_iou(means: np.ndarray) -> np.ndarray:
        shared, union = np.moveaxis(means.reshape(-1, 2, CLASSES), 1, 0)
        return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0).sum(1) / (union > 0).sum(1)

    return bootstrap(mean_iou, parts.reshape(len(parts), -1), seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    rng = np.random.default_rng(parser.parse_args().seed)
    images = population(rng, 20_000)
    drawn = [images[rng.integers(0, len(images), IMAGES)] for _ in range(SETS)]
    values = [iou(matrices.sum(0)).mean for matrices in drawn]
    truths = {"of such a set": float(np.mean(values)), "of the population": iou(images.sum(0)).mean}
    kinds = {"plain percentiles": plain, "bias-corrected": lambda m, seed: miou_interval(m, seed=seed)}
    for kind, interval in kinds.items():
        found = [interval(matrices, seed) or (np.nan, np.nan) for seed, matrices in enumerate(drawn)]
        for name, truth in truths.items():
            held = np.mean([low <= truth <= high for low, high in found])
            print(f"{kind}: held the mean IoU {name} ({100 * truth:.1f}) in {100 * held:.0f} of 100")


if __name__ == "__main__":
    main()
