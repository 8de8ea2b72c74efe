"""The first arena: shapes16 in the demonstration's setting, equal numbers of images through every network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from arena import ATTACKS, SOURCE, Arena, measured_all, measured_briefly, train_source

from shapebias.demo import FULL, DemoSize, prepare, recipe
from shapebias.files import locked
from shapebias.stylize import load_styles, load_stylizer
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import StylizeSettings
from shapebias.train.config import TrainConfig
from shapebias.train.settings import update

# Passes of each scheme's phases, so that 24 x 1920 images pass through the network: one, two or three per sample.
EPOCHS: dict[str, dict[str, int]] = {
    "in": {"epochs": 24},
    "shapenet-sin": {"epochs": 24},
    "shapenet-sin-in": {"epochs": 12},
    "shapenet": {"epochs": 8, "finetune_epochs": 8},
    "mmsi-sin": {"epochs": 12},
    "mmsi-sin-in": {"epochs": 8},
    "mmsi": {"epochs": 6, "finetune_epochs": 6},
}
FINETUNE_LR = 0.001
EVALUATORS = ("accuracy", "stylized", "shape-bias", "silhouettes", "dimensionality", "corruptions")
LIMIT = 96  # test images of corruptions and attacks, six of each class


def make_arena(size: DemoSize = FULL) -> Arena:
    """Return the arena, ``size`` other than the demonstration's for a trial."""

    def ready(folder: Path, seed: int) -> None:
        with locked(folder, "data", wait=True):
            prepare(folder, seed=seed, size=size)
        train_source(training("in", folder, seed), folder)

    def training(scheme: str, folder: Path, seed: int) -> TrainConfig:
        known = scheme if scheme in size.epochs else "in"
        config = recipe(known, folder, seed=seed, size=size)
        views = None if scheme == "in" else folder / "stylized"
        epochs = EPOCHS[scheme] if size is FULL else dict.fromkeys(EPOCHS[scheme], 1)
        return update(config, scheme=scheme, stylized=views, finetune_lr=FINETUNE_LR, **epochs)

    def measure(run: Path, folder: Path, seed: int) -> dict[str, Any]:
        data = folder / "shapes16"
        source, out = folder / SOURCE, folder / "results"
        return measured_all(run, source, data, {"": data}, EVALUATORS, out, seed=seed, limit=LIMIT)

    def measure_briefly(run: Path, folder: Path, seed: int) -> dict[str, Any]:
        return measured_briefly(run, {"": folder / "shapes16"}, folder / "moments", seed=seed)

    def restyle(folder: Path, seed: int, alpha: float) -> Path:
        out = folder / f"stylized-{alpha:g}"
        with locked(folder, "data", wait=True):
            stylizer, digest = load_stylizer()
            told = StylizeSettings(per_image=size.styles_per_image, seed=seed, alpha=alpha)
            stylize_folder(
                folder / "shapes16" / "train", out, stylizer, load_styles(None, stylizer, digest).split("train"), told
            )
        return out

    settings = {
        "size": asdict(size) | {"epochs": EPOCHS},
        "finetune_lr": FINETUNE_LR,
        "evaluators": EVALUATORS,
        "attacks": ATTACKS,
        "limit": LIMIT,
    }
    seeds = tuple(range(5)), tuple(range(100, 105))
    made = (ready, training, measure, measure_briefly)
    return Arena(
        "shapes16", "shapes16, the demonstration's setting", settings, *made, *seeds, images=None, restyle=restyle
    )
