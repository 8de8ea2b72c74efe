"""A run from its folder's claim to its end: what every task shares around the loop."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from torch import nn

from shapebias.errors import UserError
from shapebias.files import locked
from shapebias.train.checkpoints import Checkpoints
from shapebias.train.config import LoopConfig
from shapebias.train.distributed import on_rank_zero
from shapebias.train.log import RunLogger
from shapebias.train.loop import Loop, Validate
from shapebias.train.task import TrainingTask


def run_session(
    config: LoopConfig,
    fabric: Fabric,
    trained: nn.Module,
    works: list[TrainingTask],
    record: RunLogger,
    *,
    validate: Validate,
    begin: Callable[[], None] = lambda: None,
) -> bool:
    """Train through ``works`` to the end, from where an earlier attempt stopped; whether there was anything to do.

    ``begin`` is called on every rank when the folder is ours and before the first step.

    Raises:
        UserError: a folder that holds something else, a loss that is not finite, or too little memory.
    """
    lock = contextlib.ExitStack()
    with lock:
        if on_rank_zero(fabric, lambda: lock.enter_context(locked(config.out)) or record.open()):
            fabric.print(f"{config.out} is finished already", file=sys.stderr)
            if fabric.is_global_zero:
                Checkpoints(config.out).clear()  # where a kill left them at the very end
            return False
        begin()
        loop = Loop(config, fabric, trained, works, record, validate=validate)
        try:
            loop.run()
        except torch.OutOfMemoryError as error:
            raise UserError(
                "the device ran out of memory: give a larger --grad-accum-steps or a smaller --batch-size, in "
                "another --out"
            ) from error
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                "batch norm sees a single value: images of this --size leave one pixel, and a part is one image: "
                "give a larger --batch-size or --size, or a smaller --grad-accum-steps"
            ) from error

        def finish() -> None:
            record.finish(trained)
            loop.checkpoints.clear()

        on_rank_zero(fabric, finish)
    return True


def setup_fabric(config: LoopConfig, device: str) -> Fabric:
    """Fabric on the settings' devices, nodes and precision, every process started.

    Raises:
        UserError: devices or a precision that are not here.
    """
    if device == "cpu" and config.precision == "16-mixed":
        raise UserError("--precision 16-mixed needs a GPU, and there is none here: use bf16-mixed or 32-true")
    try:
        fabric = Fabric(accelerator=device, devices=config.devices, num_nodes=config.nodes, precision=config.precision)
    except Exception as error:  # more devices than there are, a precision that the device lacks
        reason = " ".join(str(error).split())
        raise UserError(f"--device {device} --devices {config.devices} cannot be used here: {reason}") from error
    fabric.launch()
    fabric.seed_everything(config.seed, verbose=False)
    return fabric
