"""The third arena, the paper's setting in small: ImageNet weights trained further on Imagenette, and transferred."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from arena import ATTACKS, SOURCE, Arena, compact, measured_all, measured_briefly, train_source
from imagenette import CONFLICTS, FULL_CONFLICTS, conflict_images, link_part, make_conflicts

from shapebias.files import locked
from shapebias.models.checkpoint import MODEL_FILE, load_classifier, save_classifier
from shapebias.models.load import load_model
from shapebias.stylize import load_styles, load_stylizer
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import StylizeSettings
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.classification.run import transfer
from shapebias.train.config import LoopConfig, TrainConfig
from shapebias.train.settings import configure

MODEL = "tf_efficientnet_lite0"
PART = {"train": 470, "val": 100}  # photographs of each class, of about 947 and 393
# Passes of each scheme's phases, so that 6 x 4,700 images pass through the network.
EPOCHS: dict[str, dict[str, int]] = {
    "in": {"epochs": 6},
    "shapenet-sin": {"epochs": 6},
    "shapenet-sin-in": {"epochs": 3},
    "shapenet": {"epochs": 2, "finetune_epochs": 2},
    "mmsi-sin": {"epochs": 3},
    "mmsi-sin-in": {"epochs": 2},
    "mmsi": {"epochs": 1, "finetune_epochs": 3},
}
RECIPE: dict[str, Any] = {
    "model": MODEL,
    "size": 112,
    "batch_size": 64,
    "optimizer": "sgd",
    "lr": 0.02,
    "weight_decay": 1e-4,
    "min_crop": 0.35,
    "lambda_s": 0.5,
    "finetune_lr": 0.004,
}
STYLIZED = StylizeSettings(per_image=2, size=128, format="jpeg", quality=92)
EVALUATORS = ("accuracy", "stylized", "shape-bias", "dimensionality", "corruptions")
TASKS = {"pacs": "folder", "voc12": "voc12"}
LIMIT = 60


def make_arena(data: Path, weights: Path, pacs: Path, voc: Path) -> Arena:
    """Return the arena.

    Args:
        data: Imagenette, with train/ and val/.
        weights: EfficientNet-Lite0's published weights, in the order of timm's network.
        pacs: a folder with PACS' photo/ and sketch/.
        voc: VOCdevkit.
    """

    def prepare(folder: Path, seed: int) -> None:
        shared = folder.parent / "data"
        with locked(shared, "making", wait=True):
            stylizer, digest = load_stylizer()
            styles = load_styles(None, stylizer, digest).split("train")
            link_part(data, shared / "imagenette", PART)
            stylize_folder(shared / "imagenette" / "train", shared / "stylized", stylizer, styles, STYLIZED)
            make_conflicts(data / "val", shared, stylizer, digest)
            if not (shared / MODEL_FILE).is_file():
                save_classifier(
                    shared / MODEL_FILE, load_model(f"timm:{MODEL}", checkpoint=weights, remap_by_order=True)
                )
            for part, source in (("train", "photo"), ("val", "sketch")):
                link = shared / "pacs" / part
                link.parent.mkdir(exist_ok=True)
                if not link.exists():
                    link.symlink_to((pacs / source).resolve())
        train_source(recipe("in", folder, seed), folder)

    def recipe(scheme: str, folder: Path, seed: int) -> TrainConfig:
        shared = folder.parent / "data"
        views = None if scheme == "in" else shared / "stylized"
        given = {**RECIPE, **EPOCHS[scheme], "scheme": scheme, "seed": seed, "stylized": views}
        data = shared / "imagenette"
        return configure(TrainConfig, data=data, out=folder / scheme, init=str(shared / MODEL_FILE), **given)

    def measure(run: Path, folder: Path, seed: int) -> dict[str, Any]:
        part = folder.parent / "data" / "imagenette"
        sets = {"": part, "shape-bias": folder.parent / "data" / "cue-conflict"}
        given: dict[str, Any] = {"seed": seed, "limit": LIMIT, "full": folder.parent / "data" / "cue-conflict-full"}
        cell = measured_all(run, folder / SOURCE, part, sets, EVALUATORS, folder / "results", **given)
        model = load_classifier(run / MODEL_FILE)
        places = {"pacs": folder.parent / "data" / "pacs", "voc12": voc}
        for name, task in TASKS.items():
            loop = LoopConfig(out=folder / "transfer" / run.name / name)
            config = TransferConfig(task, places[name], loop=loop, size=112)
            one = transfer([model], config, method="linear")[0].results[0]
            cell["measures"][name] = compact(one) | {"metric": one.metric, "condition": one.condition}
        return cell

    def measure_briefly(run: Path, folder: Path, seed: int) -> dict[str, Any]:
        part = folder.parent / "data" / "imagenette"
        sets = {"": part, "shape-bias": folder.parent / "data" / "cue-conflict"}
        return measured_briefly(run, sets, folder / "moments", seed=seed)

    decides = {
        "recipe": RECIPE,
        "part": PART,
        "epochs": EPOCHS,
        "stylized": asdict(STYLIZED),
        "conflicts": asdict(CONFLICTS),
        "full conflicts": asdict(FULL_CONFLICTS),
        "evaluators": EVALUATORS,
        "attacks": ATTACKS,
        "tasks": TASKS,
        "limit": LIMIT,
    }
    title, dev, fresh = "ImageNet weights, EfficientNet-Lite0 on Imagenette at 112 px", (0, 1, 2), (100, 101, 102)
    return Arena("finetuned", title, decides, prepare, recipe, measure, measure_briefly, dev, fresh, conflict_images)
