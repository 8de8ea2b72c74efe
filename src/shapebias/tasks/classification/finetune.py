"""Fine-tune one model on the images of a task."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import torch
from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet
from shapebias.models.checkpoint import MODEL_FILE, load_classifier, save_classifier
from shapebias.models.classifier import Classifier, check_size
from shapebias.models.init_from import init_from
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.classification.outputs import logits_of, score, share_right, task_loss
from shapebias.tasks.classification.task import Task
from shapebias.tasks.sweep import HELD_OUT, held_out_input
from shapebias.train.config import LoopConfig
from shapebias.train.distributed import on_rank_zero
from shapebias.train.log import RunInfo
from shapebias.train.samples import Batch, TrainingSamples
from shapebias.train.session import run_training
from shapebias.train.task import Evaluate, Schedule, StepOutput, TrainingPhase, TrainingTask

COLUMNS = ("loss", "train_right", *HELD_OUT)


def finetune(
    config: TransferConfig,
    fabric: Fabric,
    source: Classifier,
    task: Task,
    train: ImageSet,
    held_out: ImageSet | None = None,
) -> Classifier:
    """Train a model initialised from ``source`` on ``train``, resuming an interrupted run.

    With ``held_out`` images the model is scored on them after each epoch, in metrics.csv.

    Returns:
        The model saved in the run's folder, in evaluation mode.

    Raises:
        UserError: the settings, model or folder cannot be used, or the loss is not finite.
    """
    loop = config.loop
    model = init_model(config, source, task)
    samples = TrainingSamples(train, size=model.preprocessing.size, min_crop=config.min_crop, seed=loop.seed)
    info = RunInfo(
        title=f"{source.identity.name} on {task.name}, lr {loop.lr:g}, seed {loop.seed}",
        head={
            "task": task.name,
            "method": "finetune",
            "model": source.identity.spec,
            "seed": loop.seed,
            "lr": loop.lr,
            "classes": task.classes,
        },
        images=train,
        columns=COLUMNS,
        inputs={"source": source.weights_sha256(), **held_out_input(held_out)},
    )
    phase = TrainingPhase("finetune", samples, Schedule.of(loop), loop.batch_size, finetuning_loss)
    evaluate = held_out_score(loop, fabric, held_out)
    run_training(config, fabric, TrainingTask(info, model, [phase], save_classifier, evaluate))
    trained = load_classifier(loop.out / MODEL_FILE, name=source.identity.name)
    trained.preprocessing, trained.mean, trained.std = model.preprocessing, model.mean.cpu(), model.std.cpu()
    return trained


def finetuning_loss(model: Callable[..., Any], batch: Batch, _epoch: float) -> StepOutput:
    """Return the task's loss and the fraction of correct predictions."""
    logits = model(batch.images)
    loss = task_loss(logits, batch.labels)
    with torch.no_grad():
        return StepOutput(loss, {"loss": loss.detach(), "train_right": share_right(logits, batch.labels)})


def held_out_score(config: LoopConfig, fabric: Fabric, held_out: ImageSet | None) -> Evaluate:
    """Return a function that scores a model on ``held_out`` images on rank zero; without any it returns no columns."""

    def evaluate(model: Classifier, *_: Any) -> dict[str, float | None]:
        if (images := held_out) is None:
            return {}
        return on_rank_zero(fabric, lambda: score(images, logits_of(model, images, config))).columns()

    return evaluate


def init_model(config: TransferConfig, source: Classifier, task: Task) -> Classifier:
    """Return a model for the task with the weights of ``source`` and a classification layer initialised by the seed.

    Raises:
        UserError: the architecture of the source cannot be rebuilt, or does not accept images of this size.
    """
    name, seed, crop = config.loop.out.name, config.loop.seed, config.crop or source.preprocessing.crop
    model = init_from(source, task.classes, name=name, size=config.size, crop=crop, seed=seed)
    check_size(model)
    return model


def resized(config: TransferConfig, source: Classifier) -> Classifier:
    """Return ``source`` with the same weights and the size and crop of the settings.

    Raises:
        UserError: the model does not accept images of this size.
    """
    known, model = source.preprocessing, copy(source)
    model.preprocessing = replace(known, size=config.size or known.size, crop=config.crop or known.crop)
    check_size(model)
    return model
