"""How often intervals of mean average precision hold what they should on small test sets: by simulation.

Sets of 160 images and 20 classes are drawn, each class in 8 % of the images. A class's scores are normal, and higher by
``--strength`` standard deviations where the image shows it. Printed is how often the interval of a set holds the mean
AP expected of such a set, and that of 20,000 images: the plain percentiles of the bootstrap, and those bias-corrected,
which ``mean_ap_interval`` gives.

    python experiments/ap_intervals.py [--sets 200] [--strength 0.8] [--kind ap] [--seed 0]
"""

from __future__ import annotations

import argparse

import numpy as np

from shapebias.metrics.functional.average_precision import mean_ap_draws, mean_ap_interval, mean_average_precision
from shapebias.stats.bootstrap import percentile_interval

CLASSES, IMAGES, POPULATION, POSITIVE = 20, 160, 20_000, 0.08


def drawn(rng: np.random.Generator, images: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores and the true classes of a set, (images, classes) each."""
    truth = rng.random((images, CLASSES)) < POSITIVE
    return rng.normal(size=truth.shape) + strength * truth, truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--strength", type=float, default=0.8)
    parser.add_argument("--kind", default="ap")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    whole = mean_average_precision(*drawn(rng, POPULATION, given.strength), None, given.kind).value
    sets = [drawn(rng, IMAGES, given.strength) for _ in range(given.sets)]
    expected = float(np.mean([mean_average_precision(*one, None, given.kind).value for one in sets]))
    corrected = [mean_ap_interval(*one, None, given.kind, seed=seed) for seed, one in enumerate(sets)]
    plain = [percentile_interval(mean_ap_draws(*one, None, given.kind, seed=seed)) for seed, one in enumerate(sets)]
    for kind, intervals in {"plain percentiles": plain, "bias-corrected": corrected}.items():
        for name, truth in {"of such a set": expected, "of 20,000 images": whole}.items():
            held = np.mean([ends is not None and ends[0] <= truth <= ends[1] for ends in intervals])
            print(f"{kind}: held the mean AP {name} ({100 * truth:.1f}) in {100 * held:.0f} of 100")


if __name__ == "__main__":
    main()
