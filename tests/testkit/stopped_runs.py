"""Ways to stop a training where it stands, as a kill or a signal would, and to see that it does nothing again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shapebias.train import loop
from shapebias.train.checkpoints import Checkpoints


def die_at_checkpoints(patch: pytest.MonkeyPatch, every: int = 1) -> None:
    """End a run by Ctrl-C after every ``every``-th checkpoint that is written."""
    original, saved = Checkpoints.save, []

    def save(self: Checkpoints, step: int, state: dict[str, Any]) -> Path:
        path = original(self, step, state)
        saved.append(path)
        if len(saved) % every == 0:
            raise KeyboardInterrupt
        return path

    patch.setattr(Checkpoints, "save", save)


def attempts_to_finish(patch: pytest.MonkeyPatch, run: Callable[[], object], every: int = 1) -> int:
    """Call ``run``, which ends after every ``every``-th checkpoint, until it comes to its end; count the calls."""
    attempts = 1
    with patch.context() as now:
        die_at_checkpoints(now, every)
        while True:
            try:
                run()
            except KeyboardInterrupt:
                attempts += 1
            else:
                return attempts


def die_at_step(patch: pytest.MonkeyPatch, step: int) -> list[int]:
    """End a run by Ctrl-C, without a checkpoint, in the ``step``-th step of all; return a list of those taken."""

    def die() -> None:
        raise KeyboardInterrupt

    return _at_step(patch, step, die)


def signal_at_step(
    patch: pytest.MonkeyPatch, step: int, number: signal.Signals = signal.SIGTERM, times: int = 1
) -> list[int]:
    """Send this process a signal in the ``step``-th step of all; return a list of those taken."""

    def send() -> None:
        for _ in range(times):
            os.kill(os.getpid(), number)

    return _at_step(patch, step, send)


def forbid_images(patch: pytest.MonkeyPatch) -> None:
    """Fail where an image is read."""
    patch.setattr(Image, "open", lambda *_arguments, **_options: pytest.fail("an image is read again"))


def _at_step(patch: pytest.MonkeyPatch, step: int, act: Any) -> list[int]:
    original, taken = loop.seed_step, []

    def watched(*arguments: Any) -> None:
        taken.append(len(taken))
        if len(taken) == step:
            act()
        original(*arguments)

    patch.setattr(loop, "seed_step", watched)
    return taken
