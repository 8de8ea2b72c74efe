"""Networks that are not ours: other people's weights, what their outputs mean, and the images they want."""

from __future__ import annotations

import warnings

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from shapebias.cli.main import main
from shapebias.data.categories16 import CATEGORIES
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.evaluators import Results, evaluate
from shapebias.files import sha256
from shapebias.libraries import torchvision
from shapebias.models import load_model, wrap
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import save_classifier
from shapebias.models.classifier import Identity
from shapebias.models.imagenet import wordnet_ids
from testkit.images import class_folder, noise_image
from testkit.timm_networks import IMAGES, tiny

LETTERS = ("a", "b", "c")


def mean_colour(outputs):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, outputs))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A state dict as torch.save writes it, of a network with 1000 outputs."""
    path = tmp_path_factory.mktemp("weights") / "w.pth"
    torch.save(tiny().state_dict(), path)
    return path


@pytest.fixture
def offline(monkeypatch):
    """No pretrained weights, from anywhere."""

    def refuse(*_args, **_options):
        raise AssertionError("asked for pretrained weights")

    monkeypatch.setattr("shapebias.models.build.timm_overlay", refuse)
    monkeypatch.setattr("shapebias.models.build.check_download", refuse)


def test_a_checkpoint_takes_the_place_of_pretrained_weights(weights, offline):
    found = load_model("timm:test_resnet", checkpoint=weights)
    assert torch.equal(found.network(IMAGES), tiny()(IMAGES))
    assert not found.training
    assert found.identity.weights_sha256 == sha256(weights)
    assert found.identity.classes == wordnet_ids()
    assert load_model("timm:test_resnet", checkpoint=str(weights)).identity == found.identity


def test_a_checkpoint_of_another_head_needs_the_names_of_its_classes(tmp_path, offline):
    save_file(tiny(3).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"another classifying layer .*give the names of its classes with --classes"):
        load_model("timm:test_resnet", checkpoint=tmp_path / "w.safetensors")
    found = load_model("timm:test_resnet", checkpoint=tmp_path / "w.safetensors", classes=LETTERS)
    assert found.network(IMAGES).shape == (2, 3)
    assert found.identity.classes == LETTERS


def test_a_checkpoint_for_torchvision_has_the_preprocessing_of_its_file_or_the_plain_one(tmp_path, offline):
    torch.manual_seed(0)
    network = torchvision.models.get_model("mobilenet_v2", weights=None)
    second = torchvision.models.get_model_weights("mobilenet_v2")["IMAGENET1K_V2"]
    for name, resized in (("w.pth", 256), (second.url.rpartition("/")[2], 232)):
        torch.save({"state_dict": {f"module.{k}": v for k, v in network.state_dict().items()}}, tmp_path / name)
        found = load_model("torchvision:mobilenet_v2", checkpoint=tmp_path / name)
        assert found.preprocessing == Preprocessing(224, 224 / resized, "bilinear")
        assert found.identity.classes == wordnet_ids()
    with pytest.raises(UserError, match="auxiliary heads"):
        load_model("torchvision:googlenet", checkpoint=tmp_path / "w.pth")


def test_a_checkpoint_for_a_callable(tmp_path, monkeypatch):
    (tmp_path / "their_nets.py").write_text(
        "from torch import nn\nmake = lambda: nn.Sequential(nn.Flatten(2), Mean())\n"
    )
    source = "from torch import nn\ndef make():\n    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), "
    (tmp_path / "their_nets.py").write_text(source + "nn.Linear(3, 2))\n")
    network = mean_colour(2)
    torch.save(network.state_dict(), tmp_path / "w.pt")
    monkeypatch.chdir(tmp_path)
    found = load_model("their_nets:make", checkpoint=tmp_path / "w.pt", classes=["x", "y"])
    assert torch.equal(found.network(IMAGES), network(IMAGES))
    assert found.identity.classes == ("x", "y")


def test_a_run_of_ours_takes_no_checkpoint(tmp_path, weights):
    identity = Identity("net", "net", "test_resnet", LETTERS)
    save_classifier(tmp_path / "m.safetensors", build_classifier("test_resnet", identity, size=32))
    with pytest.raises(UserError, match="has weights of its own"):
        load_model(str(tmp_path / "m.safetensors"), checkpoint=weights)
    assert load_model(str(tmp_path / "m.safetensors"), classes=LETTERS).identity.classes == LETTERS
    with pytest.raises(UserError, match=f"calls output 2 'y', but 'm' knows it as '{LETTERS[1]}'"):
        load_model(str(tmp_path / "m.safetensors"), classes=[LETTERS[0], "y", "z"])
    with pytest.raises(UserError, match="classes has 2 class names, but 'm' has 3 outputs"):
        load_model(str(tmp_path / "m.safetensors"), classes=["x", "y"])


def renamed(state, *, counters=True):
    return {
        f"old.{number}.{name.rpartition('.')[2]}": value
        for number, (name, value) in enumerate(state.items())
        if counters or "num_batches" not in name
    }


@pytest.mark.parametrize("counters", [True, False])
def test_remap_by_order(tmp_path, counters, offline):
    torch.save(renamed(tiny().state_dict(), counters=counters), tmp_path / "w.pth")
    with pytest.raises(UserError, match="belongs to another network"):
        load_model("timm:test_resnet", checkpoint=tmp_path / "w.pth")
    found = load_model("timm:test_resnet", checkpoint=tmp_path / "w.pth", remap_by_order=True)
    assert torch.equal(found.network(IMAGES), tiny()(IMAGES))


def without_last(state):
    return dict([*state.items()][:-1])


def swapped(state):
    items = [*state.items()]
    kinds = [(name.rpartition(".")[2], value.ndim) for name, value in items]
    n = kinds.index(("weight", 1))  # of batch normalisation; its bias comes next
    items[n], items[n + 1] = items[n + 1], items[n]
    return dict(items)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_last, r"it holds \d+ tensors, the network \d+, and there is none for 'fc.bias'"),
        (lambda state: {**state, "more": torch.zeros(1)}, r"and 'more' is left over"),
        (
            lambda state: {**state, "old.0.weight": torch.zeros(2, 3)},
            r"tensor 1, 'old.0.weight', is \(2, 3\), the network's 'conv1.0.weight' \(\d+, 3, 3, 3\)",
        ),
        (swapped, r"tensor \d+, 'old.\d+.bias', would become the network's '[\w.]+.weight'"),
        (lambda state: state | {[*state][-1]: torch.full((1000,), torch.nan)}, "'fc.bias' holds values that are not"),
    ],
)
def test_remaps_that_do_not_fit(tmp_path, change, message):
    path = tmp_path / "w.pth"
    torch.save(change(renamed(tiny().state_dict())), path)
    with pytest.raises(UserError, match=message):
        load_model("timm:test_resnet", checkpoint=path, remap_by_order=True)


def test_remap_needs_a_file_and_one_that_keeps_an_order(tmp_path):
    with pytest.raises(UserError, match="--remap-by-order applies to a file of weights"):
        load_model("timm:test_resnet", remap_by_order=True)
    save_file(tiny().state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="keep no order"):
        load_model("timm:test_resnet", checkpoint=tmp_path / "w.safetensors", remap_by_order=True)


class Harmful:
    def __reduce__(self):
        return pytest.fail, ("pickled code was run",)


@pytest.mark.parametrize("remap", [True, False])
def test_pickled_and_absent_checkpoints_are_refused(tmp_path, remap):
    torch.save({"state_dict": {"a": Harmful()}}, tmp_path / "w.pth")
    with pytest.raises(UserError, match="pickled code, which is never run"):
        load_model("timm:test_resnet", checkpoint=tmp_path / "w.pth", remap_by_order=remap)
    with pytest.raises(UserError, match="no checkpoint"):
        load_model("timm:test_resnet", checkpoint=tmp_path / "none.pth", remap_by_order=remap)


class Odd(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, images):
        return self.answer(images)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda x: x, r"output of 'network' for one image is \(1, 3, 224, 224\), not \(1, classes\) logits"),
        (lambda x: [x.mean((2, 3))], r"is list, not \(1, classes\)"),
        (lambda x: x.mean(), r"is \(\), not"),
        (lambda x: 1 / 0, r"does not take float32 images \(1, 3, 224, 224\): division by zero; for another size"),
    ],
)
def test_outputs_that_are_not_logits(answer, message):
    with pytest.raises(UserError, match=message):
        wrap(Odd(answer))


def test_outputs_that_are_not_finite(images):
    network = wrap(Odd(lambda x: x.mean((2, 3))[:, :2] * torch.nan), classes=("bear", "cat"))
    with pytest.raises(UserError, match="holds NaN or infinity"):
        evaluate(network, evaluators=["accuracy"], data=images)


def test_any_module_in_one_line(tmp_path):
    for number, (shape, texture) in enumerate([("cat", "dog"), ("dog", "cat"), ("car", "cat")]):
        noise_image(tmp_path / "c" / shape / f"{shape}1-{texture}1.png", number)
    found = evaluate(mean_colour(1000), evaluators=["shape-bias"], data=tmp_path / "c")
    assert found.get("shape-bias", "shape_decisions").n == 3
    assert found.get("shape-bias", "shape_decisions").condition == {"mapping": "mean"}
    with pytest.raises(UserError, match="10 outputs"):
        evaluate(mean_colour(10), evaluators=["shape-bias"], data=tmp_path / "c")
    found = evaluate(mean_colour(16), evaluators=["shape-bias"], data=tmp_path / "c", classes=CATEGORIES)
    assert found.get("shape-bias", "shape_decisions").condition == {"mapping": "own"}
    assert found.model["classes"] == list(CATEGORIES)


def test_the_command_line(tmp_path, weights, capfd):
    folder = class_folder(tmp_path / "f", wordnet_ids()[:2])
    torch.save(renamed(tiny().state_dict()), tmp_path / "w.pth")
    command = ["evaluate", "timm:test_resnet", "--evaluators=accuracy", f"--data={folder}", f"--out={tmp_path / 'out'}"]
    assert main([*command, f"--weights={tmp_path / 'w.pth'}", "--remap-by-order", "--device=cpu"]) == 0
    results = Results.load(tmp_path / "out" / "test_resnet" / "results.json")
    assert results.model["weights_sha256"] == sha256(tmp_path / "w.pth")
    assert results.model["classes"] == list(wordnet_ids())
    (tmp_path / "names.txt").write_text("a\nb\n")
    capfd.readouterr()
    assert main([*command, f"--weights={weights}", f"--classes={tmp_path / 'names.txt'}"]) == 2
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "another classifying layer" in error
    assert main([*command, "--remap-by-order"]) == 2
    assert "applies to a weights file: give" in capfd.readouterr().err


def test_torchscript_is_measured_as_its_network_is_and_left_as_it_was(tmp_path):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    data, scripted = class_folder(tmp_path), torch.jit.script(network.eval())
    before = {name: value.clone() for name, value in scripted.state_dict().items()}
    first, second = (
        evaluate(net, evaluators="accuracy", data=data, classes=("bear", "cat"), device="cpu", workers=0)
        for net in (network, scripted)
    )
    assert first.to_json()["results"] == second.to_json()["results"]
    assert all(torch.equal(value, before[name]) for name, value in scripted.state_dict().items())


@pytest.mark.parametrize(("kind", "message"), [("meta", "has no data"), ("quantised", "is no plain tensor")])
def test_networks_whose_numbers_cannot_be_read_are_refused(kind, message):
    if kind == "meta":
        network = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, device="meta"))
    else:
        with warnings.catch_warnings(action="ignore"):
            network = torch.ao.nn.quantized.dynamic.Linear(3, 2)
    with pytest.raises(UserError, match=message):
        wrap(network)
