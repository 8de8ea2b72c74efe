"""One row of the ablation with one seed: its initial weights and its training."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch
from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.errors import UserError
from shapebias.files import sha256
from shapebias.losses import Weights
from shapebias.models.build import build_classifier, split_architecture
from shapebias.models.checkpoint import MODEL_FILE, read_header, save_classifier, take_normalisation
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.init_from import init_from
from shapebias.models.state_dict import load_weights
from shapebias.stats.streams import Draw, torch_seed
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.tasks.ablation.rows import Row
from shapebias.tasks.classification.finetune import held_out_score
from shapebias.tasks.classification.outputs import task_loss
from shapebias.tasks.classification.task import Task
from shapebias.tasks.sweep import HELD_OUT, held_out_input
from shapebias.train.distributed import rank_zero_first
from shapebias.train.log import RunInfo
from shapebias.train.session import run_training
from shapebias.train.step import training_phase
from shapebias.train.task import TrainingTask
from shapebias.train.views import Views

COLUMNS = ("loss", "natural", "stylized", "mmsi", "rho", "spread")


def train_row(
    config: AblationConfig,
    row: Row,
    fabric: Fabric,
    task: Task,
    views: Views,
    train: ImageSet,
    held_out: ImageSet | None = None,
) -> None:
    """Train ``row`` on ``train``, resuming an interrupted run, and score it on ``held_out`` after each epoch.

    Raises:
        UserError: the folder contains another run, the model or weights cannot be used, or the loss is not finite.
    """
    loop = config.loop
    model = rank_zero_first(fabric, lambda: initial_model(config))
    initial = {} if config.init in ("none", "pretrained") else {"init": sha256(weights_file(config.init))}
    info = RunInfo(
        title=f"{row.name}, lr {loop.lr:g}, seed {loop.seed}",
        head={
            "task": task.evaluator,
            "row": row.name,
            "model": config.model,
            "seed": loop.seed,
            "lr": loop.lr,
        },
        images=train,
        columns=COLUMNS if held_out is None else (*COLUMNS, *HELD_OUT),
        inputs={**(views.inputs if row.views else {}), **initial, **held_out_input(held_out)},
    )
    weights = Weights(1.0, config.objective.lambda_s, config.objective.lambda_m)
    phase = training_phase(config, row.phase, train, views, weights=lambda _epoch: weights, loss=task_loss)
    evaluate = held_out_score(loop, fabric, held_out)
    run_training(config, fabric, TrainingTask(info, model, [phase], save_classifier, evaluate))


def initial_model(config: AblationConfig) -> Classifier:
    """Return a model for VOC's classes, initialised as ``config.init`` says, with a new classification layer.

    Random weights (the classification layer, or all for ``init`` none) depend only on the seed, so rows with the same
    seed start from the same weights. Latents come in the order of the forward pass: the deepest stage last.

    Raises:
        UserError: the model is unknown, the weights do not fit it, or it does not have the stages.
    """
    library, name = split_architecture(config.model)
    identity = Identity("source", f"{library}:{name}", name, VOC_CLASSES)
    seen = {"size": config.size, "crop": config.test_crop}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(Draw.INITIAL_WEIGHTS, config.loop.seed))
        source = build_classifier(config.model, identity, pretrained=config.init == "pretrained", **seen)
    if config.init not in ("none", "pretrained"):
        file = weights_file(config.init)
        load_weights(source.network, file, except_head=True)
        with suppress(UserError):  # not a file written by shapebias
            take_normalisation(source, read_header(file))
    stages, seed = config.objective.stages[::-1], config.loop.seed
    return init_from(source, VOC_CLASSES, name=config.row, stages=stages, seed=seed, **seen)


def weights_file(init: str) -> Path:
    """Return the weights file of a run folder, or the file itself.

    Raises:
        UserError: there is no such file, or the run is not finished.
    """
    path = Path(init)
    if path.is_dir():
        path = path / MODEL_FILE
    if not path.is_file():
        raise UserError(
            f"there is no weights file {path}: give --init none, pretrained, a weights file or a finished run's folder"
        )
    return path
