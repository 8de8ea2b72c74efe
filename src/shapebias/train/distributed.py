"""Start and coordinate the processes of a run, so that none waits for one that has stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from lightning_fabric import Fabric
from torch import nn

from shapebias.environment import choose_device
from shapebias.errors import UserError
from shapebias.files import locked
from shapebias.stats.streams import Draw, torch_seed
from shapebias.train.config import LoopConfig

Made = TypeVar("Made")


def setup_fabric(config: LoopConfig) -> Fabric:
    """Start every process and return Fabric for the devices, nodes and precision of ``config``.

    Raises:
        UserError: devices or a precision that are not available here.
    """
    device = choose_device(config.device)
    if device == "cpu" and config.precision == "16-mixed":
        raise UserError("--precision 16-mixed needs a GPU, and none is available: use bf16-mixed or 32-true")
    if config.precision == "auto":
        raise UserError("--precision auto is for the command train: choose 32-true or bf16-mixed")
    try:
        fabric = Fabric(accelerator=device, devices=config.devices, num_nodes=config.nodes, precision=config.precision)
    except Exception as error:  # more devices than there are, a precision that the device lacks
        reason = " ".join(str(error).split())
        raise UserError(
            f"--device {device} --devices {config.devices} cannot be used on this machine: {reason}"
        ) from error
    fabric.launch()
    fabric.seed_everything(torch_seed(Draw.INITIAL_WEIGHTS, config.seed), verbose=False)
    return fabric


def gathered(fabric: Fabric, value: Any) -> list[Any]:
    """Return every rank's ``value``, in the order of the ranks."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def everywhere(fabric: Fabric, work: Callable[[], Any]) -> list[Any]:
    """Call ``work`` on every rank and return all results; if it fails on one rank, the others end too."""
    answer, failed = None, None
    try:
        answer = work()
    except Exception as error:
        failed = error
    answers = gathered(fabric, (answer, failed is not None))
    if failed:
        raise failed
    if any(stopping for _, stopping in answers):
        raise SystemExit(2)  # the rank that failed prints the reason
    return [answer for answer, _ in answers]


def on_rank_zero(fabric: Fabric, work: Callable[[], Any]) -> Any:
    """Call ``work`` on rank 0 only and return its result on every rank; if it fails, every rank ends."""
    return everywhere(fabric, lambda: work() if fabric.is_global_zero else None)[0]


@contextlib.contextmanager
def held(fabric: Fabric, folder: Path) -> Iterator[None]:
    """Lock ``folder`` on rank 0, for all ranks.

    Raises:
        UserError: another process holds it, or it cannot be written.
    """
    with contextlib.ExitStack() as lock:
        on_rank_zero(fabric, lambda: lock.enter_context(locked(folder)))
        yield


def refuse(fabric: Fabric, error: UserError) -> NoReturn:
    """End every rank because of an ``error`` that occurs on all of them; rank 0 prints it."""
    if fabric.is_global_zero:
        raise error
    raise SystemExit(2)


def rank_zero_first(fabric: Fabric, work: Callable[[], Made]) -> Made:
    """Call ``work`` on rank 0 first, which does any downloads, and then on the other ranks."""
    made: list[Made] = []
    on_rank_zero(fabric, lambda: made.append(work()) is None)
    return made[0] if made else work()


def share_buffers(fabric: Fabric, network: nn.Module) -> None:
    """Give every rank the buffers of rank 0 (batch norm's running statistics), for evaluation."""
    if fabric.world_size > 1:
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, 0)
