"""The scores of a row's network on the test images: shared over the ranks, and kept beside the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from shapebias.data.evaluation import ImageBatches
from shapebias.data.voc import MultilabelImages
from shapebias.files import atomic
from shapebias.models.classifier import Classifier
from shapebias.train.agreement import everywhere, on_rank_zero
from shapebias.train.interruption import Interruption

BATCH_SIZE = 64
SCORES_FILE = "val-scores.safetensors"


@dataclass(frozen=True)
class Scores:
    """Logits (m, K) float32 of the images in ``rows`` (m,), ascending: those that could be read."""

    rows: np.ndarray
    logits: np.ndarray
    unreadable: tuple[str, ...] = ()


def score(
    model: Classifier,
    images: MultilabelImages,
    fabric: Fabric,
    *,
    workers: int = 0,
    strict: bool = False,
    interruption: Interruption | None = None,
    note: Callable[[Sequence[str]], None] = lambda _reasons: None,
) -> Scores:
    """The logits of ``model`` for every readable image.

    ``note`` is given the unreadable ones. Once ``interruption`` has come it leaves off, and what it returns is of no
    use.

    Raises:
        UserError: an unreadable image under ``strict``, or none that can be read.
    """
    model.eval()
    own = np.arange(len(images))[fabric.global_rank :: fabric.world_size]

    def answers() -> tuple[np.ndarray, np.ndarray, list[str]]:
        rows, logits = [np.empty(0, dtype=np.int64)], [np.empty((0, len(images.classes)), dtype=np.float32)]
        paths = [images.paths[row] for row in own]
        batches = ImageBatches(paths, model.preprocessing, batch_size=BATCH_SIZE, workers=workers, strict=strict)
        with torch.inference_mode():
            for indices, pixels in batches if paths else ():
                rows.append(own[indices])
                logits.append(model(pixels.to(fabric.device)).float().cpu().numpy())
                if interruption and interruption.name:
                    break
        note(batches.unreadable)
        return np.concatenate(rows), np.concatenate(logits), batches.unreadable

    parts = everywhere(fabric, answers)
    rows = np.concatenate([part[0] for part in parts])
    order = np.argsort(rows)
    reasons = tuple(sorted(reason for part in parts for reason in part[2]))
    return Scores(rows[order], np.concatenate([part[1] for part in parts])[order], reasons)


def kept_scores(
    folder: Path, weights: str, images: MultilabelImages, fabric: Fabric, make: Callable[[], Scores]
) -> Scores:
    """Those in ``folder`` if they are of the network with the hash ``weights`` and of these images, else made now."""
    path, key = folder / SCORES_FILE, {"weights_sha256": weights, "data_fingerprint": images.fingerprint}
    found = on_rank_zero(fabric, lambda: _load(path, key))
    if found is not None:
        return found
    made = make()
    on_rank_zero(fabric, lambda: _save(path, key, made))
    return made


def _save(path: Path, key: dict[str, str], scores: Scores) -> None:
    metadata = {**key, "unreadable": "\n".join(scores.unreadable)}
    with atomic(path) as temporary:
        save_file({"rows": scores.rows, "logits": scores.logits}, temporary, metadata=metadata)


def _load(path: Path, key: dict[str, str]) -> Scores | None:
    """What was kept under ``key``; None where there is nothing, or it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if {name: metadata.get(name) for name in key} != key:
                return None
            reasons = tuple(filter(None, metadata.get("unreadable", "").split("\n")))
            return Scores(file.get_tensor("rows"), file.get_tensor("logits"), reasons)
    except (OSError, SafetensorError):
        return None
