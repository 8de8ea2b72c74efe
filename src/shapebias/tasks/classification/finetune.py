"""Fine-tuning one network on a task's images: one run of the training loop."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet
from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.models.checkpoint import MODEL_FILE, load_classifier, save_classifier
from shapebias.models.classifier import Classifier
from shapebias.models.frozen_eval import frozen_eval
from shapebias.models.hashing import weights_sha256
from shapebias.models.init_from import init_from
from shapebias.tasks.classification.answers import logits_of
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.classification.loss import share_right, task_loss
from shapebias.tasks.classification.score import score
from shapebias.tasks.classification.task import Task
from shapebias.tasks.sweep import HELD_OUT
from shapebias.train.config import LoopConfig
from shapebias.train.distributed import on_rank_zero
from shapebias.train.interruption import Interruption
from shapebias.train.log import RunInfo, RunLogger
from shapebias.train.loop import Validate
from shapebias.train.samples import Batch, Sample, TrainingSamples
from shapebias.train.schedule import schedule_of
from shapebias.train.session import run_session
from shapebias.train.task import StepOutput, TrainingTask

VALUES = ("loss", "train_right", *HELD_OUT)


class TaskSamples(TrainingSamples):
    """A random crop of an image with the image's targets, of one class or of several.

    ``options`` are those of ``TrainingSamples``, views among them; copies are looked for as below ``part.root``.
    """

    def __init__(self, part: ImageSet, classes: tuple[str, ...], **options: Any) -> None:
        numbered = ImageSet(part.root, part.paths, np.arange(len(part)), classes)
        super().__init__(numbered, **options)
        self.targets = torch.from_numpy(part.targets)

    def collate(self, samples: list[Sample]) -> Batch:
        """Samples to a batch whose ``labels`` are the targets, (N,) or (N, classes)."""
        batch = super().collate(samples)
        batch.labels = self.targets[batch.labels]
        return batch


def finetune(
    config: TransferConfig,
    fabric: Fabric,
    source: Classifier,
    task: Task,
    *,
    train: ImageSet,
    held_out: ImageSet | None = None,
) -> Classifier:
    """Train a network begun from ``source`` on ``train``, going on where an earlier attempt stopped.

    The network kept in the run's folder is returned, in evaluation mode. With ``held_out`` images it is measured on
    them after each epoch; the last epoch's figures are then in metrics.csv.

    Raises:
        UserError: settings, network or folder that cannot be used, or a loss that is not finite.
    """
    device = str(fabric.device)
    kept = config.loop.out / MODEL_FILE
    model = init_network(config, source, task)
    samples = TaskSamples(
        train, task.classes, size=model.preprocessing.size, min_crop=config.min_crop, seed=config.loop.seed
    )

    def forward(network: Any, batch: Batch, _epoch: float) -> StepOutput:
        logits = network(batch.images)
        loss = task_loss(logits, batch.labels)
        with torch.no_grad():
            return StepOutput(loss, {"loss": loss.detach(), "train_right": share_right(logits, batch.labels)})

    schedule = schedule_of(config.loop)
    work = TrainingTask("finetune", samples, schedule, config.loop.batch_size, 1, forward)
    head = {
        **{
            "task": task.name,
            "method": "finetune",
            "model": source.identity.spec,
            "seed": config.loop.seed,
            "lr": config.loop.lr,
        },
        "classes": task.classes,
    }
    inputs = {"source": source.weights_sha256()}
    about = RunInfo(
        title=f"{source.identity.name} on {task.name}, lr {config.loop.lr:g}, seed {config.loop.seed}",
        head=head,
        data={"folder": str(train.root), "images": len(train), "fingerprint": train.fingerprint},
        values=VALUES,
        environment=environment(device),
        inputs={**inputs, **({"held_out": held_out.fingerprint} if held_out is not None else {})},
    )
    record = RunLogger(config, about, save_classifier)
    record.initial_weights = weights_sha256(model.network)
    settings = config.loop
    run_session(settings, fabric, model, [work], record, validate=scoring(settings, fabric, held_out))
    trained = load_classifier(kept, name=source.identity.name)
    trained.preprocessing, trained.mean, trained.std = model.preprocessing, model.mean.cpu(), model.std.cpu()
    return trained.to(fabric.device)


def scoring(config: LoopConfig, fabric: Fabric, held_out: ImageSet | None) -> Validate:
    """What gives an epoch's row its score on ``held_out`` images, measured on rank zero; without any, nothing."""

    def validate(network: Classifier, _interruption: Interruption) -> dict[str, float | None]:
        if (part := held_out) is None:
            return {}
        found = on_rank_zero(fabric, lambda: score(part, logits_of(network, part, config)))
        return found.columns()

    return validate


def init_network(config: TransferConfig, source: Classifier, task: Task) -> Classifier:
    """A network for the task with the weights of ``source``, its new layer drawn by the seed.

    Raises:
        UserError: the source cannot be built anew, or does not take images of this size.
    """
    crop = config.crop or source.preprocessing.crop
    model = init_from(
        source, task.classes, name=config.loop.out.name, size=config.size, crop=crop, seed=config.loop.seed
    )
    try_size(model)
    return model


def resized(config: TransferConfig, source: Classifier) -> Classifier:
    """``source`` with its own weights, shown images of the settings' size and crop.

    Raises:
        UserError: it does not take images of this size.
    """
    known, model = source.preprocessing, copy(source)
    model.preprocessing = replace(known, size=config.size or known.size, crop=config.crop or known.crop)
    try_size(model)
    return model


def try_size(model: Classifier, *, latents: bool = False) -> None:
    """Pass one black image of the network's size through it, and with ``latents`` take those of its stages.

    Raises:
        UserError: it does not take images of this size, or passes by a stage.
    """
    size = model.preprocessing.size
    try:
        with frozen_eval(model), torch.inference_mode():
            model(torch.zeros(1, 3, size, size, device=model.mean.device), latents=latents)
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{model.identity.architecture} does not take images of --size {size}: {reason}") from error
