"""What the ranks of a run must agree on, so that none waits for one that has stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import torch
from lightning_fabric import Fabric
from torch import nn

from shapebias.errors import UserError

Made = TypeVar("Made")


def gathered(fabric: Fabric, value: Any) -> list[Any]:
    """Every rank's ``value``, in the order of the ranks."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def everywhere(fabric: Fabric, work: Callable[[], Any]) -> list[Any]:
    """Every rank's answer of ``work``; where it fails on one, the others end too."""
    answer, failed = None, None
    try:
        answer = work()
    except Exception as error:
        failed = error
    answers = gathered(fabric, (answer, failed is not None))
    if failed:
        raise failed
    if any(stopping for _, stopping in answers):
        raise SystemExit(2)  # the rank that failed says why
    return [answer for answer, _ in answers]


def on_rank_zero(fabric: Fabric, work: Callable[[], Any]) -> Any:
    """Do ``work`` on rank 0 alone and give every rank its answer; at its ``UserError`` the other ranks end too."""
    return everywhere(fabric, lambda: work() if fabric.is_global_zero else None)[0]


def refuse(fabric: Fabric, error: UserError) -> NoReturn:
    """End every rank for a reason that all of them know; rank 0 says it."""
    if fabric.is_global_zero:
        raise error
    raise SystemExit(2)


def rank_zero_first(fabric: Fabric, work: Callable[[], Made]) -> Made:
    """Do ``work`` on rank 0, which downloads what is to be downloaded, and then on the others."""
    made: list[Made] = []
    on_rank_zero(fabric, lambda: made.append(work()) is None)
    return made[0] if made else work()


def share_buffers(fabric: Fabric, network: nn.Module) -> None:
    """Give every rank the buffers of rank 0 (batch norm's running statistics), for measuring."""
    if fabric.world_size > 1:
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, 0)
