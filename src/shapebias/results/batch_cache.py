"""A cache of finished batches on disk, from which an interrupted evaluation resumes."""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.errors import UserError
from shapebias.files import atomic, read_json, write_json

KEY_FILE = "key.json"


class BatchCache:
    """Finished parts of one model's evaluation in ``folder``; parts written with another ``key`` are deleted.

    ``key`` is everything that the parts depend on, as JSON: the weights' hash, the data's fingerprint, the settings.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any]) -> None:
        self.folder = folder
        try:
            same = read_json(folder / KEY_FILE) == dict(key)
        except UserError:
            same = False
        if not same:
            self.clear()
            write_json(folder / KEY_FILE, dict(key))

    def get(self, part: str) -> dict[str, np.ndarray] | None:
        """Return the arrays of a part, None if it is missing or damaged."""
        damaged = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile)
        with (
            contextlib.suppress(*damaged),
            self._path(part).open("rb") as file,
            np.load(file, allow_pickle=False) as arrays,
        ):
            return {name: arrays[name] for name in arrays.files}
        return None

    def put(self, part: str, **arrays: np.ndarray) -> None:
        """Write a part atomically."""
        with atomic(self._path(part)) as temporary, temporary.open("wb") as file:
            np.savez(file, **dict[str, Any](arrays))

    def clear(self) -> None:
        """Remove the parts and their key once the evaluation is finished, and the folder if nothing else is in it."""
        with contextlib.suppress(OSError):
            for file in [*self.folder.glob("*.npz"), *self.folder.glob(".*.part"), self.folder / KEY_FILE]:
                file.unlink(missing_ok=True)
            self.folder.rmdir()
            self.folder.parent.rmdir()  # unless another evaluator is unfinished

    def _path(self, part: str) -> Path:
        return self.folder / f"{hashlib.sha256(part.encode()).hexdigest()[:24]}.npz"
