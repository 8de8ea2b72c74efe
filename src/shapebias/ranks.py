"""The processes of a command under ``torchrun``: their number, values gathered from all of them, and their end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

LONGEST_WAIT = timedelta(days=100)  # for a process that has more to do; torch's own limit is 30 minutes


def rank_and_size() -> tuple[int, int]:
    """Return the number of this process and how many there are; 0 and 1 unless ``torchrun`` started it."""
    return int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))


def gather(value: Any) -> list[Any]:
    """Return every process's ``value``, in the order of the ranks; all of them must call it.

    The first call connects the processes.

    Raises:
        SystemExit: of status 2, another process has failed within ``ended_together``.
    """
    if rank_and_size()[1] == 1:
        return [value]
    answers = _exchange((value, False))
    if any(failed for _, failed in answers):
        raise SystemExit(2)  # a process that failed prints the reason
    return [answer for answer, _ in answers]


@contextlib.contextmanager
def ended_together() -> Iterator[None]:
    """Run the work of a command in every process; when it fails in one, all end, and one of them raises the error."""
    rank, size = rank_and_size()
    try:
        yield
        gather(None)
    except Exception:
        if size > 1 and [failed for _, failed in _exchange((None, True))].index(True) != rank:
            raise SystemExit(2) from None
        raise
    finally:
        _disconnect()


def _disconnect() -> None:
    """End the connection while Python still runs: its threads abort a process that ends with them."""
    if rank_and_size()[1] > 1 and "torch.distributed" in sys.modules:
        import torch.distributed

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _exchange(value: tuple[Any, bool]) -> list[tuple[Any, bool]]:
    import torch.distributed

    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo", timeout=LONGEST_WAIT)
    values: list[Any] = [None] * rank_and_size()[1]
    torch.distributed.all_gather_object(values, value)
    return values
