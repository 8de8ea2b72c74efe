"""How often intervals of shape bias hold the truth where images share photographs: by simulation.

Sets like the published one are drawn: for each pair of 16 categories five images, of 10 photographs for the shape and 3
for the texture of each category. Every photograph has a random effect on the log odds of a decision by shape; three in
five images are decided by either cue. The truth is the share of shape decisions over all photographs of the categories.
Printed is how often the interval holds it: of independent images (the percentile bootstrap), and of photographs.
The paired difference is between two models that share half of the photographs' effects.

    python experiments/shape_bias_coverage.py [--sets 1000] [--seed 0]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from shapebias.stats.bootstrap import bootstrap, ratio_difference, ratio_interval
from shapebias.stats.crossed import Crossed

CATEGORIES, SHAPES, TEXTURES, PER_PAIR, DECIDED = 16, 10, 3, 5, 0.6


class Setting(NamedTuple):
    """Mean log odds of a decision by shape, the spread of the photographs' effects, and the share of decided images."""

    name: str
    log_odds: float
    of_shapes: float
    of_textures: float
    decided: float = DECIDED


SETTINGS = (
    Setting("no effect of photographs", -1.5, 0.0, 0.0),
    Setting("as ResNet-50", 1.8, 0.6, 0.9),
    Setting("as SqueezeNet, textures differ much", 2.5, 0.8, 2.0),
    Setting("as people", 4.0, 0.7, 0.9),
    Setting("near 1", 6.5, 0.7, 1.3),
    Setting("few decisions, 2 % of images", -1.5, 1.0, 1.0, 0.02),
)


def design(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Crossed]:
    """Return the shape and the texture photograph (n,) of each image of a set, and their structure."""
    shapes, textures = [], []
    for c in range(CATEGORIES):
        for t in range(CATEGORIES):
            if c != t:
                shapes.extend(c * SHAPES + rng.permutation(SHAPES)[:PER_PAIR])
                textures.extend(t * TEXTURES + np.resize(rng.permutation(TEXTURES), PER_PAIR))
    names = [chr(97 + category) for category in range(CATEGORIES)]
    pairs = [
        (f"{names[s // SHAPES]}{s % SHAPES}", f"{names[t // TEXTURES]}{t % TEXTURES}")
        for s, t in zip(shapes, textures, strict=True)
    ]
    crossed = Crossed.of(pairs)
    assert crossed is not None
    return np.array(shapes), np.array(textures), crossed


def decisions(setting: Setting, rng: np.random.Generator) -> Iterator[tuple[list[np.ndarray], Crossed]]:
    """Yield sets: the decisions (n, 2) of two models, by shape and by either cue, and the structure of the images."""
    while True:
        shapes, textures, crossed = design(rng)
        effects = [
            [spread * rng.normal(size=(CATEGORIES, count)) * np.sqrt(0.5) for _ in range(3)]
            for spread, count in ((setting.of_shapes, SHAPES), (setting.of_textures, TEXTURES))
        ]
        models = []
        for own in (1, 2):
            of_shape, of_texture = ((common[0] + common[own]).reshape(-1) for common in effects)
            chance = 1 / (1 + np.exp(-(setting.log_odds + of_shape[shapes] + of_texture[textures])))
            decided = rng.random(len(chance)) < setting.decided
            models.append(np.stack([decided & (rng.random(len(chance)) < chance), decided], axis=1).astype(float))
        yield models, crossed


def truth(setting: Setting) -> float:
    """Return the share of shape decisions over all photographs, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    log_odds = setting.log_odds + nodes * np.hypot(setting.of_shapes, setting.of_textures)
    return float(weights @ (1 / (1 + np.exp(-log_odds))) / weights.sum())


def coverage(setting: Setting, sets: int, seed: int) -> tuple[float, float, float]:
    """Return the share of sets whose interval holds the truth: over images, photographs, and of the difference."""
    rng, share = np.random.default_rng(seed), truth(setting)
    held = np.zeros(3)
    drawn = decisions(setting, rng)
    for number in range(sets):
        (a, b), crossed = next(drawn)
        while not (a[:, 1].any() and b[:, 1].any()):
            (a, b), crossed = next(drawn)
        difference = ratio_difference(a, b, crossed, seed=number)[1]
        with np.errstate(invalid="ignore"):  # a resample without a decision
            of_images = bootstrap(lambda means: means[:, 0] / means[:, 1], a, seed=number, resamples=1000)
        for place, (interval, wanted) in enumerate(
            [(of_images, share), (ratio_interval(a, crossed, seed=number), share), (difference, 0.0)]
        ):
            held[place] += interval is not None and interval[0] <= wanted <= interval[1]
    return tuple(held / sets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"{'of 100 intervals hold the truth':40} shape bias  over images  over photographs  difference")
    for setting in SETTINGS:
        images, photographs, difference = coverage(setting, given.sets, given.seed)
        cells = (
            f"{100 * truth(setting):10.1f}  {100 * images:11.0f}  {100 * photographs:16.0f}  {100 * difference:10.0f}"
        )
        print(f"{setting.name:40} {cells}", flush=True)


if __name__ == "__main__":
    main()
