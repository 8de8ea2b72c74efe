"""Weights for others: what bare timm and bare torchvision make of them."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from shapebias.cli.main import main
from shapebias.errors import UserError
from shapebias.files import sha256
from shapebias.libraries import timm, torchvision
from shapebias.models import Identity
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import save_classifier
from shapebias.models.export import export_weights

CLASSES = ("ant", "bee", "cat")


def checkpoint(folder, architecture):
    """A checkpoint of random weights, and its network."""
    torch.manual_seed(0)
    model = build_classifier(architecture, Identity("net", "net", architecture, CLASSES), size=32).eval()
    save_classifier(folder / "model.safetensors", model)
    return folder / "model.safetensors", model


def logits(network, model):
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return network.eval()((images - model.mean) / model.std), model(images)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
def test_timm_loads_the_export_and_gives_the_same_logits(tmp_path, suffix):
    path, model = checkpoint(tmp_path, "test_resnet")
    out = tmp_path / f"w{suffix}"
    digest = export_weights(path, out)
    assert digest == sha256(out) == export_weights(path, tmp_path / f"again{suffix}")
    network = timm.create_model("test_resnet", num_classes=3, checkpoint_path=str(out))
    assert torch.equal(*logits(network, model))
    state = load_file(out) if suffix == ".safetensors" else torch.load(out, weights_only=True)
    assert state.keys() == network.state_dict().keys()


def test_torchvision_loads_the_export_of_a_timm_resnet(tmp_path):
    path, model = checkpoint(tmp_path, "resnet18")
    export_weights(path, tmp_path / "w.safetensors", "torchvision")
    network = torchvision.models.resnet18(num_classes=3)
    network.load_state_dict(load_file(tmp_path / "w.safetensors"))
    torch.testing.assert_close(*logits(network, model))
    with safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        metadata = file.metadata()
    assert metadata.pop("format") == "pt"
    assert {key: json.loads(value) for key, value in metadata.items()} == {
        "library": "torchvision",
        "architecture": "resnet18",
        "classes": [*CLASSES],
        "size": 32,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }


def test_timm_loads_the_export_of_a_torchvision_resnet(tmp_path):
    path, model = checkpoint(tmp_path, "torchvision:resnet18")
    export_weights(path, tmp_path / "w.pth", "timm")
    network = timm.create_model("resnet18", num_classes=3, checkpoint_path=str(tmp_path / "w.pth"))
    torch.testing.assert_close(*logits(network, model))


@pytest.mark.parametrize(
    ("architecture", "library", "message"),
    [
        ("test_resnet", "torchvision", "cannot be exported to torchvision: unknown torchvision model 'test_resnet'"),
        ("efficientnet_b0", "torchvision", "efficientnet_b0 is another network: first missing 'conv_stem.weight'"),
        ("torchvision:squeezenet1_1", "timm", "cannot be exported to timm: unknown model 'squeezenet1_1'"),
    ],
)
def test_networks_that_the_other_library_does_not_have(tmp_path, architecture, library, message):
    path, _ = checkpoint(tmp_path, architecture)
    with pytest.raises(UserError, match=message):
        export_weights(path, tmp_path / "w.safetensors", library)
    assert not (tmp_path / "w.safetensors").exists()


def test_the_same_names_with_another_computation_are_refused(tmp_path, monkeypatch):
    path, _ = checkpoint(tmp_path, "resnet18")
    made = torchvision.models.get_model

    def other(*args, **options):
        network = made(*args, **options)
        network.relu = torch.nn.GELU()
        return network

    monkeypatch.setattr(torchvision.models, "get_model", other)
    with pytest.raises(UserError, match="the same weights give other logits there"):
        export_weights(path, tmp_path / "w.pth", "torchvision")


def test_places_that_cannot_be(tmp_path):
    path, _ = checkpoint(tmp_path, "test_resnet")
    (tmp_path / "run.json").write_text('{"schema": "shapebias/run/1", "name": "x"}')
    for source, out, message in [
        (path, "w.onnx", r"ends in .safetensors, .pth, .pt"),
        (path, "model.safetensors", "is the checkpoint itself"),
        (tmp_path, "model.safetensors", "is the checkpoint itself"),
        ("timm:resnet18", "w.pt", "no run folder or checkpoint"),
    ]:
        with pytest.raises(UserError, match=message):
            export_weights(source, tmp_path / out)
    with pytest.raises(UserError, match="unknown library 'keras'"):
        export_weights(path, tmp_path / "w.pt", "keras")


def test_on_the_command_line(tmp_path, capsys):
    path, _ = checkpoint(tmp_path, "test_resnet")
    (tmp_path / "run.json").write_text('{"schema": "shapebias/run/1", "name": "x"}')
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "w.pth")]) == 0
    assert f"SHA-256 {sha256(tmp_path / 'w.pth')}" in capsys.readouterr().err
    assert main(["export", str(path), "--out", str(tmp_path / "w.pth"), "--library", "torchvision"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
