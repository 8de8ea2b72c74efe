"""Models by name: which weights, whose preprocessing, and heads that do not matter."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from shapebias.cli.main import main
from shapebias.cli.models import load_models
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.evaluators import Results, evaluate
from shapebias.libraries import timm, torchvision
from shapebias.models import Classifier, Identity, load_model, wrap
from shapebias.models.features import classifying_layer
from shapebias.models.init_from import init_from
from shapebias.tasks.segmentation.segmenter import segmenter_from
from shapebias.train.run import build_model
from testkit.images import class_folder
from testkit.runs import config
from testkit.timm_networks import IMAGES, tiny

CONFIG = {"crop_pct": 1.0, "interpolation": "bicubic", "mean": (0.5, 0.5, 0.5), "input_size": (3, 96, 96)}


def other_images(classes=10):
    """A timm network with images that are not ImageNet's usual ones."""
    torch.manual_seed(0)
    return timm.create_model("test_resnet", num_classes=classes, pretrained_cfg_overlay=CONFIG)


def logits(model):
    with torch.no_grad():
        return model.eval()(IMAGES)


class Lightning(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, images):
        return self.net(images)


@pytest.mark.parametrize(
    "wrapper",
    [
        nn.DataParallel,
        AveragedModel,
        timm.utils.ModelEmaV2,
        timm.utils.ModelEmaV3,
        torch.compile,
        lambda network: nn.DataParallel(torch.compile(AveragedModel(network))),
    ],
)
def test_wrapped_networks_see_the_images_of_the_network_in_them(wrapper):
    network = other_images()
    expected, found = wrap(network), wrap(wrapper(network))
    assert found.preprocessing == expected.preprocessing == Preprocessing(96, 1.0, "bicubic")
    assert torch.equal(found.mean, torch.full((1, 3, 1, 1), 0.5))
    assert found.cache_key() == expected.cache_key()
    assert torch.equal(logits(found), logits(expected))


def test_a_wrapped_classifier_is_that_classifier():
    model = Classifier(other_images(), Identity("a", "a", "x"), Preprocessing(64))
    assert wrap(nn.DataParallel(model)) is model


def test_a_network_of_ones_own_around_one_of_timms_says_so(capsys):
    found = wrap(Lightning(other_images()), name="mine")
    assert found.preprocessing == Preprocessing(224, 0.875, "bilinear")
    error = capsys.readouterr().err
    assert "mine holds a timm network ('net') that timm shows other images, of size 96, crop 1, mean (0.5" in error
    wrap(Lightning(torchvision.models.get_model("squeezenet1_1")))
    assert capsys.readouterr().err == ""


@pytest.fixture
def published(monkeypatch):
    """torchvision's weights, each filled with numbers of its own instead of downloaded."""

    def get_model(name, weights=None, **more):
        if weights is not None:
            torch.manual_seed(list(type(weights)).index(weights))
        return original(name, weights=None, **more)

    original = torchvision.models.get_model
    monkeypatch.setattr("shapebias.models.build.check_download", lambda *_: None)
    monkeypatch.setattr(torchvision.models, "get_model", get_model)


def test_weights_of_torchvision_are_taken_by_their_name(published):
    first, second, default = (
        load_model(f"torchvision:mobilenet_v2{tag}") for tag in (".IMAGENET1K_V1", ".IMAGENET1K_V2", "")
    )
    assert [model.identity.weights for model in (first, second, default)] == [
        "IMAGENET1K_V1",
        "IMAGENET1K_V2",
        "IMAGENET1K_V2",
    ]
    assert first.preprocessing == Preprocessing(224, 224 / 256, "bilinear")
    assert second.preprocessing == default.preprocessing == Preprocessing(224, 224 / 232, "bilinear")
    assert first.weights_sha256() != second.weights_sha256() == default.weights_sha256()
    assert first.identity.name == "mobilenet_v2.IMAGENET1K_V1"
    assert first.describe()["weights"] == "IMAGENET1K_V1"
    tuned = init_from(first, ("a", "b"), name="tuned")
    assert tuned.network.classifier[1].weight.shape == (2, 1280)
    assert tuned.preprocessing.crop == pytest.approx(1.0)


def test_weights_that_torchvision_does_not_have(published):
    with pytest.raises(UserError, match="unknown weights of torchvision:resnet50 'IMAGENET_V1': did you mean"):
        load_model("torchvision:resnet50.IMAGENET_V1")
    with pytest.raises(UserError, match="unknown torchvision model 'resnet49'"):
        load_model("torchvision:resnet49.IMAGENET1K_V1")


def test_weights_of_timm_are_named_also_where_they_are_the_default(monkeypatch):
    monkeypatch.setattr("shapebias.models.build.timm_overlay", lambda name: {"state_dict": tiny().state_dict()})
    assert load_model("test_resnet").identity.weights == "test_resnet.r160_in1k"
    assert load_model("timm:test_resnet.r160_in1k").identity.weights == "test_resnet.r160_in1k"


def shared_folder(path, network, *, weights="model.safetensors", **settings):
    """A folder as ``timm.models.save_for_hf`` writes it."""
    timm.models.save_for_hf(network, path, model_config=settings or None, safe_serialization=True)
    if weights != "model.safetensors":
        (path / "model.safetensors").unlink()
        torch.save(network.state_dict(), path / weights)
    return path


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin", "best.pth"])
def test_a_folder_of_timms(tmp_path, file):
    network = other_images(3)
    folder = shared_folder(tmp_path / "mine", network, weights=file, label_names=["a", "b", "c"])
    for spec in (f"timm:local-dir:{folder}", f"local-dir:{folder}"):
        model = load_model(spec)
        assert torch.equal(logits(model.network), logits(network))
        assert model.preprocessing == Preprocessing(96, 1.0, "bicubic")
        assert model.identity.classes == ("a", "b", "c")
        assert model.identity.name == "mine" and model.identity.weights == f"local-dir:{folder}"
    tuned = init_from(model, ("x", "y"), name="tuned")
    assert tuned.network.fc.weight.shape == (2, 96)
    assert torch.equal(tuned.network.conv1[0].weight, network.conv1[0].weight)


def test_arguments_of_a_folder_of_timms_are_kept(tmp_path):
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=3, act_layer="silu")
    folder = shared_folder(tmp_path / "mine", network, model_args={"act_layer": "silu"})
    model = load_model(f"timm:local-dir:{folder}")
    assert torch.equal(logits(model.network), logits(network))
    tuned = init_from(model, ("x", "y"), name="tuned")
    assert [type(m).__name__ for m in tuned.network.modules()].count("SiLU") > 1


def test_a_cached_repository_of_the_hub(tmp_path, monkeypatch):
    network = other_images(3)
    folder = shared_folder(tmp_path / "snapshot", network)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda _, name, **_more: str(folder / name))
    model = load_model("timm:hf-hub:somebody/theirs")
    assert torch.equal(logits(model.network), logits(network))
    assert model.identity.name == "theirs" and model.identity.weights == "hf-hub:somebody/theirs"


def test_repositories_that_cannot_be_had(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="'somebody/theirs' could not be loaded"):
        load_model("timm:hf-hub:somebody/theirs")
    with pytest.raises(UserError, match="'a/b/c' could not be loaded"):
        load_model("timm:hf-hub:a/b/c")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (None, "has no config.json"),
        ([], "names no architecture"),
        ({"architecture": "resnet_of_mine", "num_classes": 3, "pretrained_cfg": {}}, "unknown model 'resnet_of_mine'"),
        ({"architecture": "test_resnet", "num_classes": "3"}, "is damaged"),
        ({"architecture": "test_resnet", "num_classes": 4, "pretrained_cfg": {}}, "another classifying layer"),
        ({"architecture": "test_resnet", "num_classes": 3, "model_args": {"odd": 1}}, "timm cannot build"),
    ],
)
def test_folders_of_timms_that_cannot_be_used(tmp_path, written, message):
    save_file(tiny(3).state_dict(), tmp_path / "model.safetensors")
    if written is not None:
        (tmp_path / "config.json").write_text(json.dumps(written))
    with pytest.raises(UserError, match=message):
        load_model(f"timm:local-dir:{tmp_path}")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for part in ("train", "val"):
        class_folder(root / part, ("a", "b"), 5)
    return root


def headless(network):
    return {name: value for name, value in network.state_dict().items() if not name.startswith("fc.")}


@pytest.fixture(scope="module", params=["three classes", "none"])
def backbone(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "backbone.pth"
    network = tiny(3)
    torch.save(network.state_dict() if request.param == "three classes" else headless(network), path)
    return path, network


def test_the_head_does_not_matter_where_a_new_one_takes_its_place(backbone):
    path, network = backbone
    (model,) = load_models([f"timm:test_resnet={path}"])
    assert model.identity.classes is None
    assert torch.equal(model.network.layer4[0].conv1.weight, network.layer4[0].conv1.weight)
    tuned = init_from(model, ("x", "y"), name="tuned")
    assert torch.equal(tuned.network.conv1[0].weight, network.conv1[0].weight)
    with torch.no_grad():
        _, (latent,) = model(IMAGES, latents=True)
        _, (expected,) = wrap(network)(IMAGES, latents=True)
    assert torch.equal(latent, expected)


def test_segmentation_starts_from_any_head(backbone):
    path, network = backbone
    (model,) = load_models([f"timm:test_resnet={path}"])
    segmenter = segmenter_from(model, head="convolution", size=64)
    own = segmenter.network.backbone.network.state_dict()
    assert torch.equal(own["layer4.0.conv1.weight"], network.state_dict()["layer4.0.conv1.weight"])


def test_training_starts_from_any_head(tmp_path, backbone, capsys):
    path, network = backbone
    model = build_model(config(tmp_path, tmp_path, model="test_resnet", init=str(path), size=64), ("a", "b"))
    assert torch.equal(model.network.layer4[0].conv1.weight, network.layer4[0].conv1.weight)
    assert "was skipped (fc.weight, fc.bias)" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["knn", "finetune"])
def test_transfer_starts_from_any_head(tmp_path, backbone, data, method):
    path, _ = backbone
    command = ["transfer", f"timm:test_resnet={path}", "--data", str(data), "--method", method, "--out", str(tmp_path)]
    fast = ["--epochs", "1", "--size", "32", "--batch-size", "4", "--lr", ".01"] if method == "finetune" else []
    assert main([*command, *fast]) == 0
    assert Results.load(tmp_path / "backbone" / "results.json").results


def test_dimensionality_takes_any_head_and_nothing_else_does(tmp_path, backbone, data, capsys):
    path, _ = backbone
    command = ["evaluate", f"timm:test_resnet={path}", "--data", str(data), "--pairs", "10", "--out", str(tmp_path)]
    assert main([*command, "--evaluators", "dimensionality"]) == 0
    assert Results.load(tmp_path / "backbone" / "results.json").get("dimensionality", "shape_neurons").n == 10
    capsys.readouterr()
    assert main([*command, "--evaluators", "dimensionality,accuracy"]) == 2
    error = capsys.readouterr().err
    assert "classifying layer" in error and ("--classes FILE" in error or "only transfer, segment and" in error)


def test_latents_of_a_network_without_a_head_are_its_pooled_features():
    """Not the input of whatever linear layer or convolution is the last one inside."""
    vit = timm.create_model("test_vit", num_classes=0)
    resnet = torchvision.models.get_model("resnet18")
    resnet.fc = nn.Identity()
    for network, width in ((vit, vit.num_features), (resnet, 512)):
        assert isinstance(classifying_layer(network), nn.Identity)
        model = wrap(network).eval()
        with torch.no_grad():
            features, (latent,) = model(torch.rand(2, 3, *2 * (model.preprocessing.size,)), latents=True)
        assert torch.equal(latent, features) and latent.shape == (2, width)


def test_results_state_the_weights(tmp_path, data):
    torch.save(tiny(2).state_dict(), tmp_path / "w.pth")
    (tmp_path / "names.txt").write_text("a\nb\n")
    model = load_model(f"timm:test_resnet={tmp_path / 'w.pth'}", classes=tmp_path / "names.txt")
    found = evaluate(model, evaluators=["accuracy"], data=data)
    assert found.model["weights"] == "w.pth"


def test_arguments_that_fetch_other_weights_are_refused(tmp_path):
    folder = shared_folder(tmp_path / "mine", tiny(3), model_args={"checkpoint_path": "other.pth"})
    with pytest.raises(UserError, match="has checkpoint_path in its model_args"):
        load_model(f"timm:local-dir:{folder}")


@pytest.mark.parametrize(("given", "called"), [({"a": 1}, "a dict"), (torch.nn.Identity, "the class Identity")])
def test_what_is_no_model_is_called_by_its_type(given, called):
    with pytest.raises(UserError, match=f"not {called}"):
        load_model(given)
