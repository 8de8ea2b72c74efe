"""What a network answers on the images of a task, kept on disk so that nothing is passed through it twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from shapebias.evaluators.accuracy.accuracy import check_logits
from shapebias.evaluators.base import EvalConfig, predict
from shapebias.models.classifier import Classifier
from shapebias.models.frozen_eval import frozen_eval
from shapebias.results.batch_cache import BatchCache
from shapebias.tasks.classification.task import Split
from shapebias.train.config import LoopConfig

BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class Answers:
    """Values (n, D) of the images ``rows`` (n,) of a part, and its unreadable files."""

    rows: np.ndarray
    values: np.ndarray
    unreadable: tuple[str, ...] = ()


def logits_of(model: Classifier, part: Split, config: LoopConfig, device: str) -> Answers:
    """The network's logits on every readable image, evaluated without gradients and in evaluation mode."""

    def read(logits: Tensor) -> Tensor:
        check_logits(logits, len(model.identity.classes or ()))
        return logits.float()

    return _passed(model, part, config, device, read, latents=False)


def features_of(model: Classifier, part: Split, config: LoopConfig, device: str) -> Answers:
    """The input of the classifying layer, one row for every readable image.

    The network is frozen: evaluation mode, no gradient, so that neither its weights nor its statistics change.
    """
    return _passed(model, part, config, device, lambda output: output[1][0].float(), latents=True)


def kept(folder: Path, model: Classifier, part: Split, made: Callable[[], Answers], *, strict: bool) -> Answers:
    """``made()``, or what an earlier call kept in ``folder`` of the same network, images and preprocessing.

    Under ``strict`` not what was kept without some images, which ``made`` then refuses.
    """
    key = {
        "weights_sha256": model.identity.weights_sha256,
        "fingerprint": part.fingerprint,
        "preprocessing": asdict(model.preprocessing),
        "mean": model.mean.flatten().tolist(),
        "std": model.std.flatten().tolist(),
    }
    place = BatchCache(folder, key)
    found = place.get("answers")
    if found is not None and not (strict and len(found["unreadable"])):
        return Answers(found["rows"], found["values"], tuple(found["unreadable"].tolist()))
    answers = made()
    place.put(
        "answers", rows=answers.rows, values=answers.values, unreadable=np.array(answers.unreadable, dtype=np.str_)
    )
    return answers


def _passed(model: Classifier, part: Split, config: LoopConfig, device: str, read: Any, *, latents: bool) -> Answers:
    setting = EvalConfig(
        part.root, config.out, batch_size=BATCH_SIZE, device=device, workers=config.workers, strict=config.strict
    )
    title = "features" if latents else "answers"
    with frozen_eval(model):
        rows, values, unreadable = predict(model, part.paths, setting, title, read=read, latents=latents)
    return Answers(rows, values.numpy(), tuple(unreadable))
