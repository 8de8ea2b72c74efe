"""Recipes: they open with command, hardware and result, and hold the settings they claim."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shapebias.demo import FULL, recipe
from shapebias.tasks.classification.task import TASKS
from shapebias.train.config import TrainConfig
from shapebias.train.schemes import SCHEMES
from shapebias.train.settings import update
from testkit.commands import read_command

RECIPES = Path(__file__).parents[1] / "recipes"
if not RECIPES.is_dir():
    pytest.skip("the recipes are not part of the source distribution", allow_module_level=True)
FILES = sorted(RECIPES.rglob("*.yaml"))
COMMAND_OF = {"transfer": "transfer", "segmentation": "segment", "ablation": "ablation"}  # other folders are of train
PLACES = {"data": Path("data"), "out": Path("out")}


def load(path: Path) -> TrainConfig:
    """The recipe as the command line reads it."""
    return read(path, "train")["config"]


def read(path: Path, command: str, *models: str) -> dict[str, Any]:
    """The arguments of the command."""
    return read_command(command, *models, "--config", path, "--data", "data", "--out", "out")


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recipe_opens_with_command_hardware_and_result_and_can_be_run(path):
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    command = COMMAND_OF.get(path.parent.name, "train")
    typed = next(line for line in comments if f"shapebias {command} " in line)
    assert f"--config recipes/{path.parent.name}/{path.name}" in typed
    assert any(line.startswith("# Hardware: ") for line in comments)
    assert any(line.startswith("# Result: ") for line in comments)
    models = {"train": [], "ablation": ["--model", "resnet18"]}.get(command, ["timm:resnet18"])
    found = read(path, command, *models)
    if command != "train":
        assert len(found["lr"]) > 1 and len(found["seeds"]) > 1
    found["config"].check(**({"views": True} if command == "ablation" else {}))
    settings = yaml.safe_load(path.read_text())
    assert not {"data", "out", "models"} & set(settings) and all(not isinstance(v, dict) for v in settings.values())
    assert command == "train" or not {"model", "init"} & set(settings)


def test_every_task_has_a_recipe_for_transfer():
    stems = {path.stem for path in FILES if path.parent.name == "transfer" and not path.stem.startswith("small-")}
    assert stems == set(TASKS) - {"folder"}


def test_every_scheme_has_a_recipe_for_imagenet():
    assert {load(path).scheme for path in FILES if path.parent.name == "imagenet"} == set(SCHEMES)


@pytest.mark.parametrize("scheme", FULL.epochs)
def test_the_demonstration_is_its_recipes(scheme):
    found, expected = load(RECIPES / "demo" / f"{scheme}.yaml"), recipe(scheme, Path("runs/demo"))
    if not SCHEMES[scheme][0].mmsi:  # lambda_s has no say
        found = update(found, lambda_s=expected.objective.lambda_s)
    assert update(found, stylized=expected.views.stylized) == update(expected, **PLACES)


@pytest.mark.parametrize(("scheme", "epochs", "drop_every"), [("shapenet-sin", 60, 20), ("shapenet-sin-in", 45, 15)])
def test_imagenet_recipes_are_the_published_ones(scheme, epochs, drop_every):
    """SGD, momentum 0.9, weight decay 1e-4, 256 images a step, rate .1 divided by 10; from ImageNet weights."""
    config = load(RECIPES / "imagenet" / f"{scheme}.yaml")
    loop = config.loop
    assert (loop.optimizer, loop.momentum, loop.weight_decay, loop.nesterov) == ("sgd", 0.9, 1e-4, False)
    assert (loop.epochs, loop.lr, loop.schedule, loop.drop_every) == (epochs, 0.1, "step", drop_every)
    assert loop.batch_size * SCHEMES[scheme][0].images_per_sample == 256
    assert (config.init, config.size, config.test_crop) == ("pretrained", 224, 0.875)


@pytest.mark.parametrize("scheme", ["shapenet", "mmsi"])
def test_imagenet_finetuning_is_the_published_one(scheme):
    config = load(RECIPES / "imagenet" / f"{scheme}.yaml")
    assert (config.finetune_epochs, config.finetune_lr, config.finetune_drop_every) == (60, 0.01, 30)
    assert config.finetune_batch_size == 256


@pytest.mark.parametrize(("mmsi", "shapenet"), [("mmsi-sin", "shapenet-sin"), ("mmsi-sin-in", "shapenet-sin-in")])
def test_imagenet_recipes_have_one_budget(mmsi, shapenet):
    def budget(scheme):
        return load(RECIPES / "imagenet" / f"{scheme}.yaml").loop.epochs * SCHEMES[scheme][0].images_per_sample

    assert budget(mmsi) == budget(shapenet)


def test_imagenette_recipes_have_one_budget():
    configs = [load(path) for path in FILES if path.parent.name == "imagenette"]
    assert len({config.loop.epochs * SCHEMES[config.scheme][0].images_per_sample for config in configs}) == 1
    assert {config.objective.lambda_m for config in configs if config.scheme == "mmsi-sin-in"} == {0.8, 0.0}
