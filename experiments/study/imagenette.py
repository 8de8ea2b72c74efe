"""The second arena: Imagenette's photographs at 64 px, a small ResNet from random weights."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from arena import ATTACKS, FULL, SOURCE, Arena, measured_all, measured_briefly, train_source

from shapebias.data.folders import list_images
from shapebias.files import locked
from shapebias.stylize import Stylizer, load_styles, load_stylizer
from shapebias.stylize.cue_conflict import make_cue_conflict
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import CueConflictSettings, StylizeSettings
from shapebias.train.config import TrainConfig
from shapebias.train.settings import configure

# Passes of each scheme's phases, so that 12 x 9,469 images pass through the network.
EPOCHS: dict[str, dict[str, int]] = {
    "in": {"epochs": 12},
    "shapenet-sin": {"epochs": 12},
    "shapenet-sin-in": {"epochs": 6},
    "shapenet": {"epochs": 4, "finetune_epochs": 4},
    "mmsi-sin": {"epochs": 6},
    "mmsi-sin-in": {"epochs": 4},
    "mmsi": {"epochs": 3, "finetune_epochs": 3},
}
RECIPE: dict[str, Any] = {
    "model": "resnet10t",
    "size": 64,
    "batch_size": 64,
    "optimizer": "adamw",
    "lr": 0.003,
    "weight_decay": 0.05,
    "min_crop": 0.35,
    "lambda_s": 0.5,
    "finetune_lr": 0.0006,
}
STYLIZED = StylizeSettings(per_image=4, size=96, format="jpeg", quality=92)
CONFLICTS = CueConflictSettings(size=128, same=False)
FULL_CONFLICTS = replace(CONFLICTS, alpha=1.0, per_pair=20)  # textures of full strength
EVALUATORS = ("accuracy", "stylized", "shape-bias", "dimensionality", "corruptions")
PART = {"val": 100}  # photographs of each class, of about 393, that neurons are measured with
LIMIT = 100  # photographs of corruptions and attacks, ten of each class


def link_part(data: Path, out: Path, part: dict[str, int]) -> None:
    """Link a number of images of every class of each split of ``data``, evenly spaced by name, into ``out``."""
    for split, number in part.items():
        for folder in sorted(one for one in (data / split).iterdir() if one.is_dir()):
            paths = list_images(folder)
            (out / split / folder.name).mkdir(parents=True, exist_ok=True)
            for path in paths[:: max(1, len(paths) // number)][:number]:
                link = out / split / folder.name / path.name
                if not link.is_symlink():
                    link.symlink_to(path.resolve())


def make_conflicts(photographs: Path, out: Path, stylizer: Stylizer, digest: str) -> None:
    """Make both sets of cue-conflict images of the photographs in ``out``."""
    make_cue_conflict(photographs, out / "cue-conflict", stylizer, digest, CONFLICTS)
    make_cue_conflict(photographs, out / "cue-conflict-full", stylizer, digest, FULL_CONFLICTS)


def conflict_images(folder: Path) -> dict[str, list[str]]:
    """Return the names of both sets of cue-conflict images in the folder of an arena, by the answers on them."""
    sets = {"decisions": "cue-conflict", f"decisions {FULL}": "cue-conflict-full"}
    there = {kind: folder / "data" / name for kind, name in sets.items() if (folder / "data" / name).is_dir()}
    return {kind: [one.name for one in list_images(place)] for kind, place in there.items()}


def make_arena(data: Path) -> Arena:
    """Return the arena on Imagenette in ``data``: train/ and val/ with a folder of each class."""
    bf16 = torch.cpu._is_avx512_bf16_supported()  # elsewhere a step in bf16 is slower
    settings = RECIPE | {"precision": "bf16-mixed" if bf16 else "32-true"}

    def prepare(folder: Path, seed: int) -> None:
        shared = folder.parent / "data"
        with locked(shared, "making", wait=True):
            stylizer, digest = load_stylizer()
            styles = load_styles(None, stylizer, digest).split("train")
            stylize_folder(data / "train", shared / "stylized", stylizer, styles, STYLIZED)
            make_conflicts(data / "val", shared, stylizer, digest)
            link_part(data, shared / "part", PART)
        train_source(recipe("in", folder, seed), folder)

    def recipe(scheme: str, folder: Path, seed: int) -> TrainConfig:
        views = None if scheme == "in" else folder.parent / "data" / "stylized"
        given = {**settings, **EPOCHS[scheme], "scheme": scheme, "seed": seed, "stylized": views}
        return configure(TrainConfig, data=data, out=folder / scheme, **given)

    def sets(folder: Path) -> dict[str, Path]:
        shared = folder.parent / "data"
        return {"": data, "shape-bias": shared / "cue-conflict", "dimensionality": shared / "part"}

    def measure(run: Path, folder: Path, seed: int) -> dict[str, Any]:
        given: dict[str, Any] = {"seed": seed, "limit": LIMIT, "full": folder.parent / "data" / "cue-conflict-full"}
        return measured_all(run, folder / SOURCE, data, sets(folder), EVALUATORS, folder / "results", **given)

    def measure_briefly(run: Path, folder: Path, seed: int) -> dict[str, Any]:
        return measured_briefly(run, sets(folder), folder / "moments", seed=seed)

    decides = {
        "recipe": settings,
        "epochs": EPOCHS,
        "stylized": asdict(STYLIZED),
        "conflicts": asdict(CONFLICTS),
        "full conflicts": asdict(FULL_CONFLICTS),
        "evaluators": EVALUATORS,
        "part": PART,
        "attacks": ATTACKS,
        "limit": LIMIT,
    }
    title, dev, fresh = "Imagenette, 64 px, ResNet-10-T from random weights", (0, 1, 2), (100, 101, 102)
    return Arena("imagenette", title, decides, prepare, recipe, measure, measure_briefly, dev, fresh, conflict_images)
