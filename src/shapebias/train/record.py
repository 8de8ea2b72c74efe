"""What a run leaves behind: run.json, metrics.csv, config.json, example triples."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from shapebias.data.crop import to_image
from shapebias.data.folder import ImageFolder
from shapebias.files import atomic, claim_folder, read_json, remove_leftovers, write_json, write_text
from shapebias.models.checkpoint import save_classifier
from shapebias.models.classifier import Classifier
from shapebias.train.config import TrainConfig
from shapebias.train.samples import Batch, TrainingSamples

SCHEMA = "shapebias/run/1"
CONFIG_FILE = "config.json"
COLUMNS = (
    *("phase", "epoch", "step", "images", "lr"),
    *("loss", "natural", "stylized", "mmsi", "rho", "spread"),
    *("train_top1", "train_stylized_top1", "val_top1", "images_per_second", "seconds"),
)
PLACES = ("data", "stylized", "styles")  # what lies there is known by its hash
# Settings that may change between a run and its continuation: they do not change what is computed.
FREE = ("out", "workers", "strict", "checkpoint_minutes", "keep", *PLACES)


class Record:
    """The log of a run: rows and totals, the files left out, warnings; written to the run's folder.

    ``inputs`` are hashes of what the run was made from, stylizer, styles and ready copies.
    """

    def __init__(
        self, config: TrainConfig, folder: ImageFolder, environment: dict[str, Any], inputs: dict[str, str]
    ) -> None:
        self.config, self.folder, self.environment, self.inputs = config, folder, environment, inputs
        settings = {key: value for key, value in plain(config).items() if key not in FREE}
        self.identity = {**settings, "data_fingerprint": folder.fingerprint, **inputs}
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
        out = self.config.out
        claim_folder(out, self.identity, marker="identity.json", describe=lambda found: f"run ({found.get('scheme')})")
        remove_leftovers(out)
        path = out / "run.json"
        begun = path.is_file()
        if begun and read_json(path).get("weights_sha256") is not None:
            return True
        write_json(out / CONFIG_FILE, {**plain(self.config), **self._places()})
        if not begun:
            self.write()
        return False

    def _places(self) -> dict[str, str]:
        """The settings that name a file or folder, as absolute paths, for going on from another folder."""
        named = {name: getattr(self.config, name) for name in (*PLACES, "init", "stylizer")}
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

    def keep_network(self, phase: str, classifier: Classifier) -> None:
        """Keep the network as a phase leaves it, before the next one goes on with it."""
        save_classifier(self.config.out / f"{phase}.safetensors", classifier)

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
        config, folder = self.config, self.folder
        write_metrics(config.out, self.rows)
        run = {
            "schema": SCHEMA,
            "name": config.out.name,
            "scheme": config.scheme,
            "model": config.model,
            "seed": config.seed,
            "classes": folder.classes,
            "weights_sha256": weights_sha256,
            "initial_weights_sha256": self.initial_weights or None,
            "config": plain(config),
            "inputs": self.inputs,
            "environment": self.environment,
            "data": {
                "folder": str(folder.root),
                "images": len(folder),
                "fingerprint": folder.fingerprint,
                "unreadable": sorted(self.unreadable),
            },
            "seconds": round(self.seconds, 1) if self.rows else None,
            "images_seen": self.images,
            "warnings": self.warnings,
        }
        write_json(config.out / "run.json", run)


def write_metrics(out: Path, rows: list[dict[str, Any]]) -> None:
    """Write metrics.csv, one row per epoch."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items() if v is not None})
    write_text(out / "metrics.csv", text.getvalue())


def write_examples(out: Path, images: Tensor | None, views: Tensor | None, count: int) -> None:
    """Write ``count`` training images and their views as PNGs: NN-natural, NN-view-a, NN-view-b."""
    parts = [("natural", images)] if images is not None else []
    parts += list(zip(("view-a", "view-b"), [] if views is None else views.split(count), strict=False))
    for name, group in parts:
        for number, image in enumerate(group):
            with atomic(out / "examples" / f"{number:02}-{name}.png") as temporary:
                to_image(image).save(temporary, format="png")


def write_bad_batch(path: Path, batch: Batch, samples: TrainingSamples, keys: Sequence[tuple[int, int]]) -> None:
    """Keep a batch: images, labels, views or the numbers of the styles, and the files they came from."""
    tensors = {name: getattr(batch, name) for name in ("images", "labels", "views", "styles")}
    files = [str(samples.folder.paths[index]) for _, index in keys]
    with atomic(path) as temporary:
        kept = {name: value.contiguous() for name, value in tensors.items() if value is not None}
        save_file(kept, temporary, metadata={"files": json.dumps(files)})


def plain(config: TrainConfig) -> dict[str, Any]:
    """The settings as JSON values."""
    values = asdict(config)
    values["stages"] = list(config.stages)
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
