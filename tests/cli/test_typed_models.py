"""Models as they are typed: their names, weights in a MODEL, the source of attacks, crops, and options that clash."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from shapebias.cli.main import main
from shapebias.cli.measuring import EvalOptions
from shapebias.cli.models import ModelOptions, load_measured, tell_apart
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.files import sha256
from shapebias.models import load_model
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.imagenet import wordnet_ids
from shapebias.results.results import Results
from testkit.images import class_folder, noise_image
from testkit.timm_networks import IMAGES, tiny


@pytest.fixture
def file(tmp_path):
    torch.save(tiny().state_dict(), tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def load(*models, source=None, weights=None, remap=False, classes=None, crop=None):
    return load_measured(models, source, ModelOptions(weights, remap, crop, classes))


def test_weights_named_in_the_model(file):
    found = load_model(f"timm:test_resnet={file}")
    assert torch.equal(found.network(IMAGES), tiny()(IMAGES))
    identity = found.identity
    assert (identity.name, identity.architecture, identity.spec) == ("mine", "test_resnet", f"timm:test_resnet={file}")
    assert identity.weights_sha256 == sha256(file)
    assert identity.classes == wordnet_ids()


@pytest.mark.parametrize(("name", "folder"), [("...pth", "unnamed"), (".mine.pth", "mine")])
def test_a_file_of_any_name_has_its_results_in_a_folder_that_a_page_finds(tmp_path, name, folder):
    torch.save(tiny().state_dict(), tmp_path / name)
    images = class_folder(tmp_path / "images", wordnet_ids()[:2])
    out = tmp_path / "results" / "here"
    data = ["--evaluators", "accuracy", "--data", str(images), "--out", str(out), "--device", "cpu"]
    assert main(["evaluate", f"timm:test_resnet={tmp_path / name}", *data]) == 0
    assert [path.relative_to(out).as_posix() for path in (tmp_path / "results").rglob("*.json")] == [
        f"{folder}/results.json"
    ]
    assert main(["report", str(out), "--out", str(tmp_path / "page.html")]) == 0


@pytest.mark.parametrize(
    ("name", "wanted"), [("../x", "-x"), ("..", "unnamed"), ("a/b", "a-b"), ("mmsi/seed-3", "mmsi/seed-3"), ("3", "3")]
)
def test_a_model_of_any_name_has_a_safe_one(name, wanted):
    assert Identity(name, "spec", "net").name == wanted


def test_several_models_with_files_of_their_own_and_a_source(file, tmp_path):
    torch.save(tiny(seed=2).state_dict(), tmp_path / "other.pth")
    spec = "timm:test_resnet={}".format
    networks, source = load(spec(file), spec(tmp_path / "other.pth"), source=spec(file), remap=True)
    assert [network.identity.name for network in networks] == ["mine", "other"]
    assert source is not None
    assert source.identity.name == "mine"
    assert load(spec(file))[1] is None


def test_the_order_of_tensors_is_asked_for_files_only(file, tmp_path):
    renamed = {
        f"x{number}.{name.rpartition('.')[2]}": t for number, (name, t) in enumerate(tiny().state_dict().items())
    }
    torch.save(renamed, tmp_path / "renamed.pth")
    networks, _ = load(f"timm:test_resnet={tmp_path / 'renamed.pth'}", remap=True)
    assert torch.equal(networks[0].network(IMAGES), tiny()(IMAGES))
    with pytest.raises(UserError, match="applies to a weights file"):
        load("timm:test_resnet", remap=True)


@pytest.mark.parametrize(
    ("models", "given", "message"),
    [
        (["timm:test_resnet=none.pth"], {}, r"none\.pth"),
        (["timm:test_resnet="], {}, "no file of weights after the '='"),
        (["timm:test_resnet=FILE"], {"weights": Path("FILE")}, "leave out --weights"),
        (["a", "b"], {"weights": Path("FILE")}, "MODEL=FILE"),
        (["a", "b"], {"classes": Path("FILE")}, "apply to one MODEL"),
        (["timm:test_resnet=FILE"], {"crop": 0.0}, "--crop 0 is not a fraction"),
        (["timm:test_resnet=FILE"], {"crop": 1.5}, "--crop 1.5 is not a fraction"),
    ],
)
def test_what_cannot_be_loaded(file, models, given, message):
    models = [spec.replace("FILE", str(file)) for spec in models]
    with pytest.raises(UserError, match=message):
        load(*models, **given)


def test_a_crop_is_every_measured_model_s(file, tmp_path):
    folder = class_folder(tmp_path / "f", wordnet_ids()[:2])
    command = ["evaluate", f"timm:test_resnet={file}", "--evaluators=accuracy", f"--data={folder}", "--device=cpu"]
    assert main([*command, f"--out={tmp_path / 'out'}", "--crop=1"]) == 0
    results = Results.load(tmp_path / "out" / "mine" / "results.json")
    assert results.model["preprocessing"]["crop"] == 1.0


def test_results_of_one_crop_are_not_mixed_with_those_of_another(file, tmp_path, capfd):
    folder = class_folder(tmp_path / "f", wordnet_ids()[:2])
    command = ["evaluate", f"timm:test_resnet={file}", "--evaluators=accuracy", f"--data={folder}", "--device=cpu"]
    assert main([*command, f"--out={tmp_path / 'out'}"]) == 0
    assert main([*command, f"--out={tmp_path / 'out'}", "--crop=1"]) == 2
    assert "of this model with another preprocessing" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epsilon": (-1.0,)}, "--epsilon -1 is not a size"),
        ({"epsilon": (0.0,)}, "in units of 1/255"),
        ({"epsilon": (256.0,)}, "at most 255"),
        ({"epsilon": (float("nan"),)}, "--epsilon nan"),
        ({"epsilon": ()}, "--epsilon is empty"),
        ({"epsilon": (1e-9,)}, r"below \.001"),
        ({"epsilon": (1.0, 1.0)}, "twice"),
        ({"attacks": ("fgms",)}, "unknown attack 'fgms': did you mean 'fgsm'"),
        ({"attacks": ("mim", "mim")}, "twice"),
        ({"limit": 0}, "--limit must be at least 1"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_options_of_an_evaluation_that_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        EvalOptions(**given).settings()


def test_a_bare_name_is_a_model_of_timm(file, tmp_path, monkeypatch):
    spec = load_model(f"test_resnet={file}").identity
    assert (spec.name, spec.architecture, spec.classes) == ("mine", "test_resnet", wordnet_ids())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_resnet").mkdir()
    with pytest.raises(UserError, match="test_resnet is not a run folder"):  # what lies there comes first
        load_model("test_resnet")
    with pytest.raises(UserError, match="no model 'test_resnett'"):
        load_model("test_resnett")


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
        (["resnet50", "resnet50"], ["resnet50", "torchvision:resnet50"], ["timm-resnet50", "torchvision-resnet50"]),
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
