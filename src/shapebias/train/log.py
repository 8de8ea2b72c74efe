"""The files of a run (run.json, metrics.csv and config.json), and the epoch averages that they record."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from shapebias.data.image_set import ImageSet
from shapebias.files import atomic, claim_folder, remove_leftovers, write_json, write_text
from shapebias.results.runs import METRICS_FILE, RUN_FILE, SCHEMA, Run
from shapebias.train.samples import Batch
from shapebias.train.settings import plain

CONFIG_FILE = "config.json"
PLACES = ("data", "stylized", "styles", "masks")  # their content is identified by a hash
# Settings that may change when a run resumes, because they do not affect what is computed.
FREE = ("out", "workers", "strict", "checkpoint_minutes", "keep_checkpoints", *PLACES)


@dataclass(frozen=True)
class RunInfo:
    """Information recorded in a run's files in addition to its log.

    Args:
        title: title of the progress bar.
        head: entries of run.json: the scheme or task, the model, the seed, the classes ...
        images: the training images.
        columns: columns of metrics.csv in addition to those of every run.
        inputs: hashes of all other inputs that the run depends on.
    """

    title: str
    head: dict[str, Any]
    images: ImageSet
    columns: tuple[str, ...]
    inputs: dict[str, str] = field(default_factory=dict)


class RunLogger:
    """The log of a run: a row per epoch, totals, unreadable files and warnings, written to the run's folder.

    Args:
        config: the settings, a dataclass with a ``loop``.
        info: further information for the files.
        environment: versions and platform.
        initial_weights: hash of the initial weights.
    """

    def __init__(self, config: Any, info: RunInfo, environment: dict[str, Any], initial_weights: str) -> None:
        self.config, self.info, self.out = config, info, config.loop.out
        self.environment, self.initial_weights = environment, initial_weights
        settings = {key: value for key, value in plain(config).items() if key not in FREE}
        self.identity = {**settings, "data_fingerprint": info.images.fingerprint, **info.inputs}
        self.rows: list[dict[str, Any]] = []
        self.unreadable: set[str] = set()
        self.warnings: list[str] = []
        self.steps = self.images = 0
        self.seconds = 0.0

    def open(self) -> bool:
        """Claim the run's folder; return whether the run is already finished.

        Raises:
            UserError: the folder holds another run (the difference is shown) or other files.
        """
        claim_folder(self.out, self.identity, marker="identity.json", describe=_kind)
        remove_leftovers(self.out)
        path = self.out / RUN_FILE
        started = path.is_file()
        if started and Run.load(self.out).weights is not None:
            return True
        write_json(self.out / CONFIG_FILE, {**plain(self.config), **self._places()})
        if not started:
            self.write()
        return False

    def _places(self) -> dict[str, str]:
        """Return the settings that name a file or folder as absolute paths, to resume from another folder."""
        settings = plain(self.config)
        named = {name: settings.get(name) for name in (*PLACES, "init", "stylizer")}
        return {name: str(Path(value).absolute()) for name, value in named.items() if value and Path(value).exists()}

    def add_steps(self, steps: int, *, images: int, seconds: float) -> None:
        """Add steps, the number of images passed through the model, and the time taken to the totals."""
        self.steps, self.images, self.seconds = self.steps + steps, self.images + images, self.seconds + seconds

    def note_unreadable(self, reasons: Sequence[str]) -> None:
        """Warn once of each skipped file."""
        for reason in reasons:
            if reason not in self.unreadable:
                print(f"warning: skipped unreadable image {reason}", file=sys.stderr)
                self.unreadable.add(reason)

    def end_epoch(
        self, phase: str, *, rate: float, averages: dict[str, float], evaluated: dict[str, float | None]
    ) -> None:
        """Add an epoch's row."""
        last = self.rows[-1] if self.rows else {"images": 0, "seconds": 0.0}
        taken = max(self.seconds - last["seconds"], 1e-9)
        self.rows.append(
            {
                "phase": phase,
                "epoch": len(self.rows) + 1,
                "step": self.steps,
                "images": self.images,
                "lr": rate,
                **averages,
                **evaluated,
                "images_per_second": (self.images - last["images"]) / taken,
                "seconds": self.seconds,
            }
        )

    def state(self) -> dict[str, Any]:
        """Return the state of the log, for a checkpoint."""
        names = ("rows", "warnings", "steps", "images", "seconds")
        return {**{name: getattr(self, name) for name in names}, "unreadable": sorted(self.unreadable)}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from ``state``."""
        for name, value in state.items():
            setattr(self, name, set(value) if name == "unreadable" else value)

    def write(self, *, weights_sha256: str | None = None) -> None:
        """Write metrics.csv and run.json; ``weights_sha256`` marks the run as finished."""
        info, images = self.info, self.info.images
        write_metrics(self.out, self.rows, info.columns)
        run = {
            "schema": SCHEMA,
            "name": self.out.name,
            **info.head,
            "weights_sha256": weights_sha256,
            "initial_weights_sha256": self.initial_weights,
            "config": plain(self.config),
            "inputs": info.inputs,
            "environment": self.environment,
            "data": {
                "folder": str(images.root.absolute()),
                "images": len(images),
                "fingerprint": images.fingerprint,
                "unreadable": sorted(self.unreadable),
            },
            "seconds": round(self.seconds, 1) if self.rows else None,
            "images_seen": self.images,
            "warnings": self.warnings,
        }
        write_json(self.out / RUN_FILE, run)


class MetricAccumulator:
    """Sums of metrics over an epoch's steps; values stay on the device until ``read``, so that steps do not wait."""

    def __init__(self) -> None:
        self.window: list[dict[str, Tensor]] = []
        self.sums, self.count = defaultdict[str, float](float), 0

    def add(self, values: dict[str, Tensor]) -> None:
        """Add the scalars of one step."""
        self.window.append(values)

    def read(self) -> list[dict[str, float]]:
        """Return the values of each step since the last call; this waits for the device."""
        if not self.window:
            return []
        names = list(self.window[0])
        stacked = torch.stack([torch.stack([values[name].float() for name in names]) for values in self.window])
        self.window = []
        return [dict(zip(names, row, strict=True)) for row in stacked.tolist()]

    def count_in(self, ranks: Sequence[list[dict[str, float]]]) -> None:
        """Add the values of every rank to the sums, averaging each step over the ranks, in the order of the steps."""
        for steps in zip(*ranks, strict=True):
            for name in steps[0]:
                self.sums[name] += sum(values[name] for values in steps) / len(steps)
            self.count += 1

    def averages(self) -> dict[str, float]:
        """Return the means over the epoch's steps so far."""
        return {name: total / self.count for name, total in self.sums.items()}

    def state(self) -> dict[str, Any]:
        """Return the state of the accumulator, for a checkpoint."""
        return {"sums": dict(self.sums), "count": self.count}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from ``state``."""
        self.sums, self.count = defaultdict(float, state["sums"]), state["count"]


def write_metrics(out: Path, rows: list[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write metrics.csv with one row per epoch; ``columns`` are the additional columns of the task."""
    text = io.StringIO()
    every = (*("phase", "epoch", "step", "images", "lr"), *columns, *("images_per_second", "seconds"))
    writer = csv.DictWriter(text, every, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items() if v is not None})
    write_text(out / METRICS_FILE, text.getvalue())


def write_bad_batch(path: Path, batch: Batch, files: Sequence[str]) -> None:
    """Save a batch with the names of the ``files`` it was read from."""
    with atomic(path) as temporary:
        tensors = {name: value.contiguous() for name, value in batch.tensors().items()}
        save_file(tensors, temporary, metadata={"files": json.dumps(files)})


def _kind(found: dict[str, Any]) -> str:
    return f"run ({found.get('scheme') or found.get('task')})"
