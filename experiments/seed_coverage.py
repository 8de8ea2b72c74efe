"""How often intervals of a mean over random seeds hold the truth: over seeds, images, or both, by simulation.

Models are trained with a few seeds and tested on one set of images: the log odds of a right answer are a mean, plus
random effects of the image, of the seed, and of both together. The truth is the accuracy over all images and seeds.
Of the difference, the truth is 0: two models with seeds of their own on the same images.

    python experiments/seed_coverage.py [--sets 500] [--seed 0]
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

from shapebias.stats.bootstrap import paired_difference
from shapebias.stats.intervals import Interval
from shapebias.stats.seeds import seed_difference, seed_interval

CENTRE = 0.8  # mean log odds
OF_IMAGES, OF_BOTH = 2.0, 1.0


class Setting(NamedTuple):
    """The numbers of seeds and images, and the spread of the seeds' effects on the log odds."""

    seeds: int
    images: int
    of_seeds: float


SETTINGS = tuple(
    Setting(seeds, images, of_seeds) for of_seeds in (0.0, 0.15, 0.4) for seeds in (2, 3, 5) for images in (200, 2000)
)


def truth(setting: Setting) -> float:
    """Return the accuracy over all images and seeds, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    spread = np.sqrt(OF_IMAGES**2 + OF_BOTH**2 + setting.of_seeds**2)
    return float(weights @ (1 / (1 + np.exp(-CENTRE - nodes * spread))) / weights.sum())


def answers(setting: Setting, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return whether two models' seeds are right, (seeds, images) each, on the same images."""
    image = CENTRE + OF_IMAGES * rng.normal(size=setting.images)
    models = []
    for _ in range(2):
        seed = setting.of_seeds * rng.normal(size=(setting.seeds, 1))
        log_odds = image + seed + OF_BOTH * rng.normal(size=(setting.seeds, setting.images))
        models.append((rng.random(log_odds.shape) < 1 / (1 + np.exp(-log_odds))).astype(float))
    return models[0], models[1]


def over_images(right: np.ndarray) -> tuple[float, Interval]:
    """Return the mean over seeds, and its interval over images."""
    mean = right.mean(0)
    half = 1.96 * float(mean.std()) / np.sqrt(len(mean))
    return float(mean.mean()), (float(mean.mean()) - half, float(mean.mean()) + half)


def coverage(setting: Setting, sets: int, seed: int) -> np.ndarray:
    """Return the shares of sets whose interval holds the truth: over seeds, images, both; of the difference, twice."""
    rng, wanted = np.random.default_rng(seed), truth(setting)
    held = np.zeros(5)
    for number in range(sets):
        a, b = answers(setting, rng)
        value, images = over_images(a)
        of_seeds = a.mean(1).tolist()
        alone = seed_interval(of_seeds, (value, value), "")[0]
        both = seed_interval(of_seeds, images, "")[0]
        paired = paired_difference(a.mean(0), b.mean(0), seed=number)[1]
        difference = seed_difference(of_seeds, b.mean(1).tolist(), paired)[0]
        for place, (interval, right) in enumerate(
            [(alone, wanted), (images, wanted), (both, wanted), (paired, 0.0), (difference, 0.0)]
        ):
            held[place] += interval is not None and interval[0] <= right <= interval[1]
    return held / sets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("of 100 intervals hold the truth; seeds differ by their standard deviation in log odds")
    print("seeds  images  differ   over seeds  over images  both   difference over images  both")
    for setting in SETTINGS:
        seeds, images, both, paired, difference = 100 * coverage(setting, given.sets, given.seed)
        row = (
            f"{setting.seeds:5}  {setting.images:6}  {setting.of_seeds:6}   {seeds:10.0f}  {images:11.0f}  {both:4.0f}"
        )
        print(f"{row}   {paired:22.0f}  {difference:4.0f}", flush=True)


if __name__ == "__main__":
    main()
