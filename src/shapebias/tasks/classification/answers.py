"""Logits and features of a task's images, kept on disk so that nothing passes a model twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from shapebias.data.image_set import ImageSet
from shapebias.evaluators.accuracy.accuracy import check_logits
from shapebias.models.classifier import Classifier
from shapebias.models.frozen_eval import frozen_eval
from shapebias.models.predict import Loading, Predictions, predict
from shapebias.results.batch_cache import BatchCache
from shapebias.train.config import LoopConfig


def logits_of(model: Classifier, part: ImageSet, config: LoopConfig) -> Predictions:
    """The logits of every readable image, in evaluation mode and without gradients."""

    def read(logits: Tensor) -> Tensor:
        check_logits(logits, len(model.identity.classes or ()))
        return logits.float()

    return _predict(model, part, config, read, latents=False)


def features_of(model: Classifier, part: ImageSet, config: LoopConfig) -> Predictions:
    """The input of the classifying layer for every readable image.

    The model is frozen: evaluation mode, no gradient, so that neither its weights nor its statistics change.
    """
    return _predict(model, part, config, lambda output: output[1][0].float(), latents=True)


def load_or_predict(
    folder: Path, model: Classifier, part: ImageSet, run: Callable[[], Predictions], *, strict: bool
) -> Predictions:
    """Return ``run()``, or what an earlier call kept in ``folder`` of the same model and images.

    Under ``strict``, predictions kept without some unreadable images are not used: ``run`` refuses these images.
    """
    cache = BatchCache(folder, {"model": model.cache_key(), "images": part.fingerprint})
    found = cache.get("answers")
    if found is not None and not (strict and len(found["unreadable"])):
        return Predictions(found["rows"], found["values"], tuple(found["unreadable"].tolist()))
    made = run()
    cache.put("answers", rows=made.rows, values=made.values, unreadable=np.array(made.unreadable, dtype=np.str_))
    return made


def _predict(model: Classifier, part: ImageSet, config: LoopConfig, read: Any, *, latents: bool) -> Predictions:
    loading = Loading(workers=config.workers, strict=config.strict)
    with frozen_eval(model):
        return predict(
            model, part.paths, loading, title="features" if latents else "answers", read=read, latents=latents
        )
