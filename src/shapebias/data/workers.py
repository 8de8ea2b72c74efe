"""What the processes that decode images do about signals: nothing."""

from __future__ import annotations

import signal


def ignore_signals(_worker: int) -> None:
    """For a loader's ``worker_init_fn``: a signal to the whole group is the main process's to answer."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
