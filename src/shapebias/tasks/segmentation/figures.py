"""Mean IoU as the results file states it: over seeds, by class, and its difference between networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from shapebias.metrics.functional.segmentation import defined_mean, iou, miou_difference, miou_interval
from shapebias.results.results import Result
from shapebias.stats.seeds import seed_interval

EVALUATOR, METRIC = "segmentation", "miou"


@dataclass(frozen=True)
class Measured:
    """One training's answers on the validation images."""

    seed: int
    weights_sha256: str
    confusions: Mapping[int, np.ndarray]  # (classes, classes) by the image's number

    def stacked(self, images: Sequence[int]) -> np.ndarray:
        """(n, classes, classes) of ``images``."""
        return np.stack([self.confusions[index] for index in images])


def entry_of(runs: Sequence[Measured], classes: Sequence[str], *, backbone: str, details: dict[str, Any]) -> Result:
    """The figure of one network: the mean over its ``runs`` of each one's mIoU over all images together.

    ``n`` counts images. The interval is Student's t over seeds that differ, else the bootstrap's over images.
    """
    images = shared_images(runs)
    stacks = [run.stacked(images) for run in runs]
    found = [iou(stack.sum(0)) for stack in stacks]
    over_images = [miou_interval(stack, seed=run.seed) for run, stack in zip(runs, stacks, strict=True)]
    rows = [
        {
            "seed": run.seed,
            "value": one.mean,
            "ci95": own,
            "pixel_accuracy": one.pixel_accuracy,
            "absent": one.absent,
            "weights_sha256": run.weights_sha256,
        }
        for run, one, own in zip(runs, found, over_images, strict=True)
    ]
    interval, said = seed_interval([one.mean for one in found], over_images[0], "bootstrap over images")
    by_class = defined_mean(np.stack([one.per_class for one in found], axis=1)).tolist()
    means = [None if np.isnan(value) else value for value in by_class]
    return Result(
        evaluator=EVALUATOR,
        metric=METRIC,
        value=float(np.mean([one.mean for one in found])),
        n=len(images),
        ci95=interval,
        condition={"backbone": backbone},
        details={
            "interval": said,
            "per_class": dict(zip(classes, means, strict=True)),
            "absent": [name for name, value in zip(classes, means, strict=True) if value is None],
            "all_background": all_background(stacks[0].sum(0)),
            "seeds": rows,
            **details,
        },
    )


def all_background(confusion: np.ndarray) -> float:
    """The mIoU of the answer "background" everywhere, NaN without pixels: what any network should exceed."""
    true = confusion.sum(1)
    answer = np.zeros_like(confusion)
    answer[:, 0] = true
    return iou(answer).mean


def compared(networks: Mapping[str, Sequence[Measured]], *, backbone: str, seed: int) -> list[dict[str, Any]]:
    """Rows for the comparison: the difference in mIoU of every two networks, resampling the images of both."""
    rows = []
    for (a, runs_a), (b, runs_b) in combinations(networks.items(), 2):
        images = shared_images([*runs_a, *runs_b])
        stacks = [np.stack([run.stacked(images) for run in runs]) for runs in (runs_a, runs_b)]
        difference, interval = miou_difference(*stacks, seed=seed)
        rows.append(
            {
                "evaluator": EVALUATOR,
                "metric": METRIC,
                "condition": {"backbone": backbone},
                "a": a,
                "b": b,
                "difference": difference,
                "ci95": interval,
                "n": len(images),
            }
        )
    return rows


def shared_images(runs: Sequence[Measured]) -> list[int]:
    """The images that every run has an answer for, in order."""
    return sorted(set.intersection(*(set(run.confusions) for run in runs)))
