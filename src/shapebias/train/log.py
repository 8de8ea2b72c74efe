"""What a run leaves behind: run.json, metrics.csv, config.json, example triples."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from shapebias.data.transforms import to_image
from shapebias.files import atomic, claim_folder, read_json, remove_leftovers, write_json, write_text
from shapebias.models.checkpoint import MODEL_FILE
from shapebias.results.runs import METRICS_FILE, RUN_FILE, SCHEMA
from shapebias.train.config import plain
from shapebias.train.task import Batch

CONFIG_FILE = "config.json"
PLACES = ("data", "stylized", "styles", "masks")  # what lies there is known by its hash
# Settings that may change between a run and its continuation: they do not change what is computed.
FREE = ("out", "workers", "strict", "checkpoint_minutes", "keep_checkpoints", *PLACES)


@dataclass(frozen=True)
class RunInfo:
    """What a run's files say of it besides its log.

    ``head`` stands in run.json as it is (the scheme or task, the model, the seed, the classes ...), as do ``data``, the
    training images' folder, count and fingerprint; ``values`` are the columns of metrics.csv beside those of every
    run; ``inputs`` hashes of what else the run was made from.
    """

    title: str
    head: dict[str, Any]
    data: dict[str, Any]
    values: tuple[str, ...]
    environment: dict[str, Any]
    inputs: dict[str, str]


class RunLogger:
    """The log of a run: rows and totals, the files left out, warnings; written to the run's folder.

    Args:
        config: the settings, a dataclass with an ``out``.
        about: what else is to be said of the run.
        save: writes the trained network to a file and returns the file's SHA-256.
    """

    def __init__(self, config: Any, about: RunInfo, save: Callable[[Path, Any], str]) -> None:
        self.config, self.about, self.save, self.title = config, about, save, about.title
        settings = {key: value for key, value in plain(config).items() if key not in FREE}
        self.identity = {**settings, "data_fingerprint": about.data["fingerprint"], **about.inputs}
        self.rows: list[dict[str, Any]] = []
        self.unreadable: set[str] = set()
        self.warnings: list[str] = []
        self.steps = self.images = 0
        self.seconds = 0.0
        self.initial_weights = ""

    def open(self) -> bool:
        """Claim the run's folder; whether the run is already finished.

        Raises:
            UserError: the folder holds another run (the difference is shown) or other files.
        """
        out = self.config.loop.out
        claim_folder(out, self.identity, marker="identity.json", describe=_kind)
        remove_leftovers(out)
        path = out / RUN_FILE
        begun = path.is_file()
        if begun and read_json(path).get("weights_sha256") is not None:
            return True
        write_json(out / CONFIG_FILE, {**plain(self.config), **self._places()})
        if not begun:
            self.write()
        return False

    def _places(self) -> dict[str, str]:
        """The settings that name a file or folder, as absolute paths, for going on from another folder."""
        named = {name: getattr(self.config, name, None) for name in (*PLACES, "init", "stylizer")}
        return {name: str(Path(value).absolute()) for name, value in named.items() if value and Path(value).exists()}

    def add_steps(self, steps: int, *, images: int, seconds: float) -> None:
        """Count steps, the images that passed the network in them, and their time."""
        self.steps, self.images, self.seconds = self.steps + steps, self.images + images, self.seconds + seconds

    def note_unreadable(self, reasons: Sequence[str]) -> None:
        """Name each file left out, once."""
        for reason in reasons:
            if reason not in self.unreadable:
                print(f"warning: left out unreadable image {reason}", file=sys.stderr)
                self.unreadable.add(reason)

    def end_epoch(
        self, phase: str, *, rate: float, averages: dict[str, float], measured: dict[str, float | None]
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
                **measured,
                "images_per_second": (self.images - last["images"]) / taken,
                "seconds": self.seconds,
            }
        )

    def keep_network(self, phase: str, trained: Any) -> None:
        """Keep the network as a phase leaves it, before the next one goes on with it."""
        self.save(self.config.loop.out / f"{phase}.safetensors", trained)

    def finish(self, trained: Any) -> None:
        """Keep the network as the run leaves it."""
        self.write(weights_sha256=self.save(self.config.loop.out / MODEL_FILE, trained))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        names = ("rows", "warnings", "steps", "images", "seconds")
        return {**{name: getattr(self, name) for name in names}, "unreadable": sorted(self.unreadable)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""
        for name, value in state.items():
            setattr(self, name, set(value) if name == "unreadable" else value)

    def write(self, *, weights_sha256: str | None = None) -> None:
        """Write metrics.csv and run.json; ``weights_sha256`` marks the run as finished."""
        config, about = self.config, self.about
        write_metrics(config.loop.out, self.rows, about.values)
        run = {
            "schema": SCHEMA,
            "name": config.loop.out.name,
            **about.head,
            "weights_sha256": weights_sha256,
            "initial_weights_sha256": self.initial_weights or None,
            "config": plain(config),
            "inputs": about.inputs,
            "environment": about.environment,
            "data": {**about.data, "unreadable": sorted(self.unreadable)},
            "seconds": round(self.seconds, 1) if self.rows else None,
            "images_seen": self.images,
            "warnings": self.warnings,
        }
        write_json(config.loop.out / RUN_FILE, run)


def write_metrics(out: Path, rows: list[dict[str, Any]], values: Sequence[str]) -> None:
    """Write metrics.csv, one row per epoch; ``values`` are the columns that a task adds."""
    text = io.StringIO()
    columns = (*("phase", "epoch", "step", "images", "lr"), *values, *("images_per_second", "seconds"))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items() if v is not None})
    write_text(out / METRICS_FILE, text.getvalue())


def write_examples(out: Path, images: Tensor | None, views: Tensor | None, count: int) -> None:
    """Write ``count`` training images and their views as PNGs: NN-natural, NN-view-a, NN-view-b."""
    parts = [("natural", images)] if images is not None else []
    parts += list(zip(("view-a", "view-b"), [] if views is None else views.split(count), strict=False))
    for name, group in parts:
        for number, image in enumerate(group):
            with atomic(out / "examples" / f"{number:02}-{name}.png") as temporary:
                to_image(image).save(temporary, format="png")


def write_bad_batch(path: Path, batch: Batch, files: Sequence[str]) -> None:
    """Keep a batch with the ``files`` that it came from."""
    with atomic(path) as temporary:
        kept = {name: value.contiguous() for name, value in batch.tensors().items()}
        save_file(kept, temporary, metadata={"files": json.dumps(files)})


def _kind(found: dict[str, Any]) -> str:
    return f"run ({found.get('scheme') or found.get('task')})"
