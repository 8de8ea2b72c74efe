"""The processes that decode images: what they do about signals, and how their errors come across."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shapebias.errors import UserError

if TYPE_CHECKING:
    from torch.utils.data import DataLoader


def ignore_signals(_worker: int) -> None:
    """For a loader's ``worker_init_fn``: a signal to the whole group is the main process's to answer."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def batches_of(loader: DataLoader[Any]) -> Iterator[Any]:
    """What ``loader`` yields; a ``UserError`` in one of its processes comes as the one line that it is.

    The loader wraps it in that process's traceback, and its processes, which no signal ends, would be waited for at the
    end of the main one: so they are told to end here.
    """
    batches = iter(loader)
    try:
        yield from batches
    except UserError as error:
        end: Any = getattr(batches, "_shutdown_workers", None)  # torch has no public way
        if end is not None:
            end()
        raise UserError(str(error).rpartition("UserError: ")[2].strip()) from None
