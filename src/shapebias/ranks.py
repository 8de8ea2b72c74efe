"""The processes of a command under ``torchrun``: their number, and values gathered from all of them."""

from __future__ import annotations

import os
from typing import Any


def rank_and_size() -> tuple[int, int]:
    """Return the number of this process and how many there are; 0 and 1 unless ``torchrun`` started it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def gather(value: Any) -> list[Any]:
    """Return every process's ``value``, in the order of the ranks; all of them must call it.

    The first call connects the processes. A process that ends with an error never answers: ``torchrun`` then ends
    the others.
    """
    _, size = rank_and_size()
    if size == 1:
        return [value]
    import torch.distributed

    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    values: list[Any] = [None] * size
    torch.distributed.all_gather_object(values, value)
    return values
