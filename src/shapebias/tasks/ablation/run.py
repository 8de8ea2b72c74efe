"""One row of the ablation with one seed: a run given to the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet
from shapebias.environment import environment
from shapebias.files import read_json, sha256
from shapebias.losses import MMSILoss, Weights
from shapebias.models.checkpoint import save_classifier
from shapebias.models.hashing import weights_sha256
from shapebias.models.load import load_model
from shapebias.models.predict import Predictions
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.tasks.ablation.rows import Row
from shapebias.tasks.ablation.start import starting_network, weights_file
from shapebias.tasks.classification.answers import load_or_predict, logits_of
from shapebias.tasks.classification.finetune import TaskSamples, scoring
from shapebias.tasks.classification.loss import task_loss
from shapebias.tasks.classification.task import Task
from shapebias.tasks.sweep import HELD_OUT
from shapebias.train.collapse import collapse_warning
from shapebias.train.distributed import on_rank_zero, rank_zero_first
from shapebias.train.log import RunInfo, RunLogger
from shapebias.train.samples import Batch
from shapebias.train.schedule import schedule_of
from shapebias.train.session import run_session
from shapebias.train.step import forward_step
from shapebias.train.task import StepOutput, TrainingTask
from shapebias.train.views import Views

VALUES = ("loss", "natural", "stylized", "mmsi", "rho", "spread")


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished run: its settings, its run.json, what describes its network, and its answers on the test images."""

    config: AblationConfig
    run: dict[str, Any]
    network: dict[str, Any]
    answers: Predictions


def run_row(config: AblationConfig, row: Row, fabric: Fabric, task: Task, found: Views) -> Trained:
    """Train ``row`` by its settings on all training images, and measure it, unless that is done.

    Raises:
        UserError: what ``train_row`` raises, or under ``strict`` a test image that cannot be read.
    """
    train_row(config, row, fabric, task, found, train=task.train)
    network = load_model(str(config.loop.out)).to(fabric.device)

    def tested() -> Predictions:
        return logits_of(network, task.test, config.loop)

    answers = on_rank_zero(
        fabric, lambda: load_or_predict(config.loop.out / "test", network, task.test, tested, strict=config.loop.strict)
    )
    return Trained(config, read_json(config.loop.out / "run.json"), network.describe(), answers)


def train_row(
    config: AblationConfig,
    row: Row,
    fabric: Fabric,
    task: Task,
    found: Views,
    *,
    train: ImageSet,
    held_out: ImageSet | None = None,
) -> None:
    """Train ``row`` on ``train``, from where an earlier attempt stopped, scored on ``held_out`` after each epoch.

    Raises:
        UserError: a folder that holds another run, a network or weights that cannot be used, a loss that is not finite.
    """
    model = rank_zero_first(fabric, lambda: starting_network(config))
    initial = {} if config.init in ("none", "pretrained") else {"init": sha256(weights_file(config.init))}
    about = RunInfo(
        title=f"{row.name}, lr {config.loop.lr:g}, seed {config.loop.seed}",
        head={
            **{"task": task.evaluator, "row": row.name, "model": config.model},
            **{"seed": config.loop.seed, "lr": config.loop.lr},
        },
        data={"folder": str(train.root), "images": len(train), "fingerprint": train.fingerprint},
        values=VALUES if held_out is None else (*VALUES, *HELD_OUT),
        environment=environment(str(fabric.device)),
        inputs={
            **(found.inputs if row.views else {}),
            **initial,
            **({"held_out": held_out.fingerprint} if held_out is not None else {}),
        },
    )
    record = RunLogger(config, about, save_classifier)
    record.initial_weights = weights_sha256(model.network)
    work = _work(config, row, train, task.classes, found)
    settings = config.loop
    run_session(settings, fabric, model, [work], record, validate=scoring(settings, fabric, held_out))


def _work(config: AblationConfig, row: Row, train: ImageSet, classes: tuple[str, ...], found: Views) -> TrainingTask:
    """The row as the loop wants it."""
    samples = TaskSamples(
        train,
        classes,
        size=config.size,
        views=row.views,
        styles=len(found.stylizing.codes) if found.stylizing else 0,
        stylized=config.stylized if row.views else None,
        min_crop=config.min_crop,
        seed=config.loop.seed,
    )
    mmsi, weights = MMSILoss(axis=config.axis, eps=config.eps), Weights(1.0, config.lambda_s, config.lambda_m)

    def forward(model: Any, batch: Batch, _epoch: float) -> StepOutput:
        return forward_step(model, batch, row.phase, weights, mmsi, stylizing=found.stylizing, loss=task_loss)

    def warn(averages: dict[str, float]) -> str | None:
        spread = averages.get("spread")
        return collapse_warning(
            rho=None, stylized_top1=None, spread=spread, classes=len(classes), lambda_m=config.lambda_m
        )

    schedule = schedule_of(config.loop)
    return TrainingTask(row.name, samples, schedule, config.loop.batch_size, row.phase.images_per_sample, forward, warn)
