"""Read-outs of a frozen model for a task: a linear layer or nearest neighbours on its features."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shapebias.data.image_set import ImageSet
from shapebias.models.classifier import Classifier, frozen_eval
from shapebias.models.predict import Predictions
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.classification.finetune import resized
from shapebias.tasks.classification.outputs import features_of, load_or_predict, score
from shapebias.tasks.classification.probe import NEIGHBOURS, TEMPERATURE, fit_path, knn_scores
from shapebias.tasks.classification.task import Task
from shapebias.tasks.sweep import Measured


def linear(config: TransferConfig, source: Classifier, task: Task, device: str, folder: Path) -> Measured[Predictions]:
    """Fit a logistic regression, with its L2 weight chosen on held-out training images, and apply it to test images.

    The lower loss breaks ties. With the chosen weight, the layer is fitted again on all training images.

    Args:
        config: the settings.
        source: the model.
        task: the task.
        device: device to compute features on.
        folder: folder to save features in.
    """
    training, testing = _features(config, source, task, device, folder)
    fit, held = task.held_out(config.split_seed)
    place = {path: row for row, path in enumerate(task.train.paths[row] for row in training.rows)}

    def part(of: ImageSet) -> tuple[ImageSet, np.ndarray]:
        """Return the readable images and their features."""
        there = [row for row, path in enumerate(of.paths) if path in place]
        return of.take(there), training.values[[place[of.paths[row]] for row in there]]

    (fit, known), (held, shown) = part(fit), part(held)
    classes, on = len(task.classes), "cpu" if device.startswith("mps") else device  # MPS has no double precision
    probes = fit_path(known, fit.targets, classes, device=on)
    rows = np.arange(len(held))
    scores = {l2: score(held, Predictions(rows, probe(shown))) for l2, probe in probes.items()}
    chosen = max(scores, key=lambda l2: scores[l2].order)
    larger = [l2 for l2 in probes if l2 >= chosen]
    probe = fit_path(training.values, task.train.targets[training.rows], classes, larger, device=on)[chosen]
    details = {
        "l2": chosen,
        "selection": {f"{l2:g}": {task.metric: found.value, "loss": found.loss} for l2, found in scores.items()},
        "split": {"fit": len(fit), "held_out": len(held)},
        "features": int(training.values.shape[1]),
    }
    outputs = Predictions(testing.rows, probe(testing.values), testing.unreadable)
    return Measured(source.identity.name, {None: outputs}, details)


def knn(config: TransferConfig, source: Classifier, task: Task, device: str, folder: Path) -> Measured[Predictions]:
    """Classify by nearest neighbours among all training images; see ``linear`` for the arguments."""
    training, testing = _features(config, source, task, device, folder)
    targets = task.train.targets[training.rows]
    scores = knn_scores(training.values, targets, testing.values, len(task.classes))
    k = min(NEIGHBOURS, len(targets))
    details = {"k": k, "temperature": TEMPERATURE, "features": int(training.values.shape[1])}
    return Measured(source.identity.name, {None: Predictions(testing.rows, scores, testing.unreadable)}, details)


def _features(
    config: TransferConfig, source: Classifier, task: Task, device: str, folder: Path
) -> tuple[Predictions, Predictions]:
    """Return the features of the training and test images, which are computed once for all read-outs."""
    model, loop = resized(config, source), config.loop

    def passed(name: str, images: ImageSet) -> Predictions:
        return load_or_predict(
            folder / name, model, images, lambda: features_of(model, images, loop), strict=loop.strict
        )

    with frozen_eval(model, device):
        return passed("train", task.train), passed("test", task.test)
