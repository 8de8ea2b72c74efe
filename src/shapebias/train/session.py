"""Run a training from claiming its folder to saving the model, in the same way for every task."""

from __future__ import annotations

import sys
from typing import Any

import torch
from lightning_fabric import Fabric

from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.models.checkpoint import MODEL_FILE
from shapebias.models.state_dict import weights_sha256
from shapebias.train.checkpoints import Checkpoints
from shapebias.train.distributed import held, on_rank_zero
from shapebias.train.log import RunLogger
from shapebias.train.loop import Loop
from shapebias.train.task import TrainingTask


def run_training(config: Any, fabric: Fabric, task: TrainingTask) -> bool:
    """Train ``task`` in its folder, resuming an interrupted run; return False if it was already finished.

    Args:
        config: the task's settings, a dataclass with a ``loop``.
        fabric: Fabric, already launched.
        task: the task to train; its ``model`` has the trained weights afterwards.

    Raises:
        UserError: the folder contains something else, the loss is not finite, or there is too little memory.
    """
    out = config.loop.out
    initial = weights_sha256(task.model.get_submodule("network"))
    logger = RunLogger(config, task.info, environment(str(fabric.device)), initial)
    with held(fabric, out):
        if on_rank_zero(fabric, logger.open):
            fabric.print(f"{out} is already finished", file=sys.stderr)
            if fabric.is_global_zero:
                Checkpoints(out).clear()  # left over if the process was killed at the very end
            return False
        task.begin()
        loop = Loop(config.loop, fabric, task, logger)
        try:
            loop.run()
        except torch.OutOfMemoryError as error:
            raise UserError(
                "the device ran out of memory: use a larger --grad-accum-steps or a smaller --batch-size, with another "
                "--out"
            ) from error
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                "batch norm gets a single value per channel, from one image reduced to one pixel: use a larger "
                "--batch-size or --size, or a smaller --grad-accum-steps"
            ) from error

        def finish() -> None:
            logger.write(weights_sha256=task.save(out / MODEL_FILE, task.model))
            loop.checkpoints.clear()

        on_rank_zero(fabric, finish)
    return True
