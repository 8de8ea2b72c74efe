"""Logits and features of a task's images, cached on disk so that they are computed once, and their scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from shapebias.data.image_set import ImageSet
from shapebias.evaluators.accuracy import check_logits
from shapebias.metrics.functional.average_precision import Kind, MeanAP, mean_average_precision
from shapebias.models.classifier import Classifier, frozen_eval
from shapebias.models.predict import Loading, Predictions, predict
from shapebias.results.batch_cache import BatchCache
from shapebias.tasks.sweep import Score
from shapebias.train.config import LoopConfig
from shapebias.train.distributed import on_rank_zero

KINDS: tuple[Kind, ...] = get_args(Kind)


def logits_of(model: Classifier, images: ImageSet, config: LoopConfig) -> Predictions:
    """Return the logits of every readable image, in evaluation mode and without gradients."""

    def read(logits: Tensor) -> Tensor:
        check_logits(logits, len(model.identity.classes or ()))
        return logits.float()

    return _predict(model, images, config, read, latents=False)


def features_of(model: Classifier, images: ImageSet, config: LoopConfig) -> Predictions:
    """Return the input of the classification layer for every readable image.

    The model is frozen: it is in evaluation mode without gradients, so its weights and statistics do not change.
    """
    return _predict(model, images, config, lambda output: output[1][0].float(), latents=True)


def logits_of_run(model: Classifier, images: ImageSet, config: LoopConfig, fabric: Fabric) -> Predictions:
    """Return the logits of a finished run's model, computed on rank zero or loaded from an earlier call."""

    def predicted() -> Predictions:
        folder, strict = config.out / "test", config.strict
        with frozen_eval(model, fabric.device):
            return load_or_predict(folder, model, images, lambda: logits_of(model, images, config), strict=strict)

    return on_rank_zero(fabric, predicted)


def load_or_predict(
    folder: Path, model: Classifier, images: ImageSet, run: Callable[[], Predictions], *, strict: bool
) -> Predictions:
    """Return ``run()``, or the predictions that an earlier call saved in ``folder`` for the same model and images.

    Under ``strict``, saved predictions that lack unreadable images are ignored: ``run`` refuses these images.
    """
    key = model.cache_key()
    if Path(key["spec"]).exists():  # a run's folder, which may move
        del key["spec"]
    cache = BatchCache(folder, {"model": key, "images": images.fingerprint})
    found = cache.get("answers")
    if found is not None and not (strict and len(found["unreadable"])):
        return Predictions(found["rows"], found["values"], tuple(found["unreadable"].tolist()))
    made = run()
    cache.put("answers", rows=made.rows, values=made.values, unreadable=np.array(made.unreadable, dtype=np.str_))
    return made


def _predict(model: Classifier, images: ImageSet, config: LoopConfig, read: Any, *, latents: bool) -> Predictions:
    loading, title = Loading(workers=config.workers, strict=config.strict), "features" if latents else "logits"
    with frozen_eval(model):
        return predict(model, images.paths, loading, title=title, read=read, latents=latents)


def task_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss of logits (N, K), a scalar.

    For targets (N,), class numbers, it is the cross entropy. For targets (N, K), where 1 is present, 0 absent and -1
    ignored (VOC's "difficult"), it is the binary cross entropy averaged over all N * K entries, 0 where ignored, so
    that the mean over parts or ranks of equal size is that of the whole batch.
    """
    if targets.ndim == 1:
        return functional.cross_entropy(logits, targets.long())
    logits = logits if logits.dtype == torch.float64 else logits.float()
    each = functional.binary_cross_entropy_with_logits(logits, (targets == 1).to(logits.dtype), reduction="none")
    return torch.where(targets >= 0, each, 0).mean()


def share_right(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the fraction of correct predictions: of images, or with targets (N, K) of entries that are not ignored."""
    if targets.ndim == 1:
        return (logits.argmax(1) == targets).float().mean()
    counts = targets >= 0
    return (((logits > 0) == (targets == 1)) & counts).sum() / torch.clamp(counts.sum(), min=1)


def score(images: ImageSet, outputs: Predictions) -> Score:
    """Return the top-1 accuracy or mean AP (kind ``ap``) and the loss of logits or similar scores."""
    targets = images.targets[outputs.rows]
    loss = float(task_loss(torch.from_numpy(outputs.values), torch.from_numpy(targets)))
    if targets.ndim == 1:
        return Score(float(right(images, outputs).mean()), loss)
    return Score(mean_ap(images, outputs, "ap").value, loss)


def right(images: ImageSet, outputs: Predictions) -> np.ndarray:
    """Return for each image whether its highest score is at its class, (n,) bool."""
    return outputs.values.argmax(1) == images.targets[outputs.rows]


def mean_ap(images: ImageSet, outputs: Predictions, kind: Kind) -> MeanAP:
    """Return the mean average precision of one kind."""
    targets = images.targets[outputs.rows]
    return mean_average_precision(outputs.values, targets == 1, targets >= 0, kind)


def per_class_top1(images: ImageSet, outputs: Predictions, classes: int) -> np.ndarray:
    """Return the fraction of correct predictions for each class, (classes,); NaN for a class without images."""
    targets = images.targets[outputs.rows]
    count = np.bincount(targets, minlength=classes)
    hits = np.bincount(targets, weights=right(images, outputs), minlength=classes)
    with np.errstate(invalid="ignore"):
        return hits / count
