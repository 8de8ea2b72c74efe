"""Signals that wait for the end of a step, so that a checkpoint can be written first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """Which signal has come, by name; empty while none has."""

    name = ""

    def stop(self) -> None:
        """End the process the way the signal ``name`` asks for: status 143 for SIGTERM, 130 for Ctrl-C."""
        if self.name == "SIGINT":
            raise KeyboardInterrupt
        raise SystemExit(128 + signal.Signals[self.name])


@contextmanager
def deferred() -> Iterator[Interruption]:
    """Note SIGTERM and Ctrl-C instead of ending at once; the second signal ends at once.

    Outside the main thread, where handlers cannot be set, nothing is deferred.
    """
    interruption = Interruption()

    def note(number: int, _frame: FrameType | None) -> None:
        again = bool(interruption.name)
        interruption.name = signal.Signals(number).name
        if again:
            interruption.stop()

    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
