"""How often intervals of the scores of shape and texture hold the truth, with few and with many images: by simulation.

Latents of 16 neurons, five textures, images of four classes. Latents are independent normal numbers, whose scores are
0, or depend on the image alone, but for little noise: then the score of texture is 0.

    python experiments/dimensionality_coverage.py [--runs 200] [--seed 0]
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from shapebias.evaluators.dimensionality.factor_sums import factor_intervals, sum_pairs
from shapebias.evaluators.dimensionality.pairs import plan_pairs

NEURONS, TEXTURES, CLASSES = 16, 5, 4
SETTINGS = ((40, 2000), (400, 2000), (40, 20_000))  # images and pairs of each kind


def coverage(images: int, pairs: int, noise: float, runs: int, seed: int) -> dict[str, float]:
    """Return the share of intervals that hold 0, by factor; ``noise`` is the standard deviation beside the image's."""
    held = {"shape": 0, "texture": 0}
    for run in range(runs):
        rng = np.random.default_rng((seed, run))
        of_image = np.sqrt(1 - noise**2) * rng.normal(size=(images, 1, NEURONS))
        z = torch.from_numpy(of_image + noise * rng.normal(size=(images, TEXTURES, NEURONS)))
        plan = plan_pairs(np.arange(images) % CLASSES, TEXTURES, pairs, seed=run)
        sums = sum_pairs([z[plan.copies[:, 0], plan.copies[:, 1]]], plan)
        for factor, interval in factor_intervals(sums, seed=run).scores.items():
            held[factor] += interval is not None and interval[0] <= 0 <= interval[1]
    return {factor: count / runs for factor, count in held.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for images, pairs in SETTINGS:
        found = coverage(images, pairs, 1.0, given.runs, given.seed)
        shown = ", ".join(f"{factor} {100 * share:.0f}" for factor, share in found.items())
        print(f"independent latents, {images} images, {pairs} pairs: of 100 intervals hold 0: {shown}", flush=True)
    for images, pairs in SETTINGS[:2]:
        found = coverage(images, pairs, 0.1, given.runs, given.seed)
        print(f"latents of the image, {images} images, {pairs} pairs: texture {100 * found['texture']:.0f}", flush=True)


if __name__ == "__main__":
    main()
