"""The mIoU of pseudo-labels as the results file states it: over seeds, at two thresholds, by class, with the curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.metrics.functional.segmentation import defined_mean, iou, miou_interval
from shapebias.results.results import Result
from shapebias.stats.seeds import seed_interval
from shapebias.tasks.cam.curve import CLASSES, Tally, confusion_at, confusions, thresholds_with
from shapebias.tasks.cam.scales import CamSettings

EVALUATOR = "cam"
NAMES = ("background", *VOC_CLASSES)


@dataclass(frozen=True, eq=False)
class Measured:
    """The pixels of one training's pseudo-labels, by image number; ``seed`` None where the network is given alone."""

    seed: int | None
    weights_sha256: str | None
    tallies: Mapping[int, Tally]

    def curve(self, images: Sequence[int], thresholds: int) -> list[float]:
        """The mIoU of ``images`` at each of so many thresholds, NaN without pixels."""
        tallies = [self.tallies[number] for number in images]
        whole = Tally(
            np.concatenate([np.zeros(0, np.int64), *(one.cells for one in tallies)]),
            np.concatenate([np.zeros(0, np.int64), *(one.pixels for one in tallies)]),
        )
        return [iou(matrix).mean for matrix in confusions(whole, thresholds)]

    def confusions(self, images: Sequence[int], thresholds: int, at: int) -> np.ndarray:
        """The matrices (n, 21, 21) of ``images`` at the ``at``-th of so many thresholds."""
        found = np.zeros((len(images), CLASSES, CLASSES), dtype=np.int64)
        for row, number in enumerate(images):
            found[row] = confusion_at(self.tallies[number], thresholds, at)
        return found


def shared_images(runs: Sequence[Measured]) -> list[int]:
    """The images that every run was scored on, in order."""
    return sorted(set.intersection(*(set(run.tallies) for run in runs)))


def at_given(runs: Sequence[Measured], settings: CamSettings, images: Sequence[int]) -> np.ndarray:
    """The matrices (seeds, n, 21, 21) of ``images`` at the settings' threshold."""
    thresholds = thresholds_with(settings.threshold)
    given = int(np.searchsorted(thresholds, settings.threshold))
    return np.stack([run.confusions(images, len(thresholds), given) for run in runs])


def entries(runs: Sequence[Measured], settings: CamSettings, details: dict[str, Any], *, seed: int) -> list[Result]:
    """``miou`` at the settings' threshold, and ``miou_best`` at the one where the mean over seeds is highest.

    A figure is the mean over ``runs``, which share that threshold. With two or more that differ the interval is
    Student's t of the mean, else the bootstrap's over images by ``seed``; ``details.interval`` says which. ``n`` counts
    images, ``details.curve`` has the mean over seeds at every threshold.

    Args:
        runs: the trainings of one network, one or more.
        settings: of the labels.
        details: what else both figures say.
        seed: of the resampling.
    """
    thresholds, images = thresholds_with(settings.threshold), shared_images(runs)
    curve = np.mean([run.curve(images, len(thresholds)) for run in runs], axis=0)
    given = int(np.searchsorted(thresholds, settings.threshold))
    best = int(np.nanargmax(curve)) if np.isfinite(curve).any() else given
    points = [[float(threshold), float(value)] for threshold, value in zip(thresholds, curve, strict=True)]
    highest = " where that mean is highest" if len(runs) > 1 else " that is best on all of them"

    def entry(metric: str, at: int, condition: dict[str, Any], own: dict[str, Any], where: str) -> Result:
        stacks = [run.confusions(images, len(thresholds), at) for run in runs]
        return _entry(metric, runs, stacks, condition, {**own, **details}, where, seed)

    scales = {"scales": settings.kind}
    return [
        entry("miou", given, {"threshold": settings.threshold, **scales}, {}, ""),
        entry(
            "miou_best", best, scales, {"threshold": points[best][0], "curve": points}, f" at the threshold{highest}"
        ),
    ]


def _entry(
    metric: str,
    runs: Sequence[Measured],
    stacks: Sequence[np.ndarray],
    condition: dict[str, Any],
    details: dict[str, Any],
    where: str,
    seed: int,
) -> Result:
    found = [iou(stack.sum(0)) for stack in stacks]
    values = [one.mean for one in found]
    over_images = [miou_interval(stack, seed=seed) for stack in stacks]
    chosen, said = seed_interval(values, over_images[0], "bootstrap over images")
    rows = [
        {"seed": run.seed, "value": value, "ci95": interval, "weights_sha256": run.weights_sha256}
        for run, value, interval in zip(runs, values, over_images, strict=True)
        if run.seed is not None
    ]
    per_class = defined_mean(np.stack([one.per_class for one in found], axis=1))
    return Result(
        EVALUATOR,
        metric,
        value=float(np.mean(values)),
        n=len(stacks[0]),
        ci95=chosen,
        condition=condition,
        details={
            "interval": said + where,
            **({"seeds": rows} if rows else {}),
            "per_class": dict(zip(NAMES, per_class.tolist(), strict=True)),
            "absent": [name for name, value in zip(NAMES, per_class, strict=True) if np.isnan(value)],
            "pixel_accuracy": float(np.mean([one.pixel_accuracy for one in found])),
            **details,
        },
    )
