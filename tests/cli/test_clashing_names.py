"""Networks of one name that are measured together say where each comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from shapebias.cli.main import main
from shapebias.cli.names import tell_apart
from shapebias.data.image_batches import Preprocessing
from shapebias.models.classifier import Classifier, Identity
from testkit.images import noise_image

BOTH = ("timm:resnet50", "torchvision:resnet50")


def told_apart(names: list[str], specs: list[str]) -> list[str]:
    models = [
        Classifier(nn.Flatten(), Identity(name, spec, "net"), Preprocessing(8))
        for name, spec in zip(names, specs, strict=True)
    ]
    tell_apart(models, specs)
    return [model.identity.name for model in models]


@pytest.mark.parametrize(
    ("names", "specs", "wanted"),
    [
        (["resnet50", "resnet50", "mmsi"], [*BOTH, "runs/mmsi"], ["timm-resnet50", "torchvision-resnet50", "mmsi"]),
        (["net", "net"], ["a:net", "b.models:net"], ["a-net", "b-models-net"]),
        (["resnet50", "vgg16"], ["timm:resnet50", "torchvision:vgg16"], ["resnet50", "vgg16"]),
        (["resnet50", "resnet50"], ["timm:resnet50", "timm:resnet50"], ["resnet50", "resnet50"]),
    ],
)
def test_names_of_libraries_and_callables(names: list[str], specs: list[str], wanted: list[str]) -> None:
    assert told_apart(names, specs) == wanted


def test_checkpoints_and_runs_take_their_folders_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x/best.safetensors", "y/best.safetensors", "x/run/model.safetensors", "y/run/model.safetensors"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path / "x")
    assert told_apart(["best"] * 2, ["best.safetensors", "../y/best.safetensors"]) == ["x-best", "y-best"]
    assert told_apart(["run"] * 2, ["run", "../y/run/model.safetensors"]) == ["x-run", "y-run"]


def test_both_are_measured_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat/cat1-dog1", "dog/dog2-cat3"):
        noise_image(tmp_path / "conflicts" / f"{name}.png", 1)
    code = "from torch import nn\n\ndef net():\n    pool = nn.AdaptiveAvgPool2d(1)\n"
    code += "    return nn.Sequential(pool, nn.Flatten(), nn.Linear(3, 1000))\n"
    for module in ("clash_a", "clash_b"):
        (tmp_path / f"{module}.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    command = "evaluate clash_a:net clash_b:net --evaluators shape-bias --data conflicts --out out --device cpu"
    assert main(command.split()) == 0
    assert sorted(path.parent.name for path in tmp_path.glob("out/*/results.json")) == ["clash_a-net", "clash_b-net"]
