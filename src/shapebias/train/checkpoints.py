"""Checkpoints of an unfinished run, written atomically, and signals deferred until one is written."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from shapebias.errors import UserError
from shapebias.files import atomic, sha256

FOLDER = "checkpoints"
DIGITS = 16  # of the SHA-256, in a checkpoint's name
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Checkpoints:
    """The checkpoints of the run in ``out``; only the newest ``keep`` are retained.

    A checkpoint is named ``STEP-HASH.pt`` after the hash of its bytes, so a damaged file no longer matches its name.
    It appears under that name by a single rename.
    """

    def __init__(self, out: Path, *, keep: int = 3) -> None:
        self.folder, self.keep = out / FOLDER, keep

    def paths(self) -> list[Path]:
        """Return all checkpoints, oldest first."""
        return sorted(self.folder.glob("[0-9]*-*.pt"))

    def save(self, step: int, state: dict[str, Any]) -> Path:
        """Write the ``state`` after ``step`` steps of the run, and remove the oldest checkpoints beyond ``keep``."""
        written = self.folder / "written.pt"
        with atomic(written) as temporary, temporary.open("wb") as file:
            torch.save(state, file)  # to a file object: a full disk is then an OSError
        path = self.folder / f"{step:010}-{sha256(written)[:DIGITS]}.pt"
        older = [other for other in self.paths() if other != path and other.name.split("-")[0] != path.name[:10]]
        same_step = [other for other in self.paths() if other != path and other not in older]
        written.replace(path)
        for other in [*same_step, *older[: max(0, len(older) + 1 - self.keep)]]:
            other.unlink(missing_ok=True)
        return path

    def newest(self) -> dict[str, Any] | None:
        """Return the newest undamaged state, or None without checkpoints; warn of damaged newer ones and remove them.

        Raises:
            UserError: there are checkpoints, and every one is damaged.
        """
        paths = self.paths()
        damaged: list[Path] = []
        for path in reversed(paths):
            state = _load(path)
            if state is not None:
                for other in damaged:  # otherwise they would count towards ``keep``
                    other.unlink(missing_ok=True)
                return state
            damaged.append(path)
            print(f"warning: checkpoint {path} is damaged: using the previous one", file=sys.stderr)
        if paths:
            raise UserError(f"every checkpoint in {self.folder} is damaged: delete {self.folder.parent} to start again")
        return None

    def clear(self) -> None:
        """Remove all checkpoints."""
        for path in [*self.paths(), self.folder / "written.pt"]:
            path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def _load(path: Path) -> dict[str, Any] | None:
    """Return the state in ``path``, or None if the file is damaged."""
    try:
        if sha256(path)[:DIGITS] != path.stem.split("-")[1]:
            return None
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged file can fail in many ways
        return None


class Interruption:
    """The name of the signal received, or an empty string if there was none."""

    name = ""

    def stop(self) -> None:
        """End the process with the exit status of the signal: 143 for SIGTERM, 130 for Ctrl-C."""
        if self.name == "SIGINT":
            raise KeyboardInterrupt
        raise SystemExit(128 + signal.Signals[self.name])


@contextmanager
def deferred() -> Iterator[Interruption]:
    """Defer SIGTERM and Ctrl-C so that a checkpoint can be written first; a second signal ends the process at once.

    Signals are not deferred outside the main thread, where handlers cannot be set.
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
