"""Networks by name: torchvision's beside timm's, pooled latents of every layout, pretrained weights or a plain line."""

from __future__ import annotations

import importlib
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import torch
from torch import nn

from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.libraries import timm, torchvision
from shapebias.models import Classifier, Identity
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import load_classifier, save_classifier
from shapebias.models.features import channels_last
from shapebias.models.pretrained import check_host
from shapebias.models.state_dict import load_weights

CLASSES = ("ant", "bee", "cat")


def built(architecture, **options):
    torch.manual_seed(0)
    identity = Identity("net", "net", architecture, CLASSES)
    return build_classifier(architecture, identity, **{"size": 64, **options}).eval()


def images(size=64):
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("architecture", "width"),
    [("torchvision:alexnet", 4096), ("torchvision:mnasnet0_5", 1280), ("torchvision:squeezenet1_1", None)],
)
def test_torchvision_networks_are_built_kept_and_found_again(tmp_path, architecture, width):
    model, path = built(architecture), tmp_path / "model.safetensors"
    with torch.no_grad():
        logits, (latent,) = model(images(), latents=True)
        assert logits.shape == (2, 3)
        assert latent.shape == (2, width or 512)
        if width:
            torch.testing.assert_close([*model.network.classifier][-1](latent), logits)
        save_classifier(path, model)
        found = load_classifier(path)
        assert found.identity.architecture == architecture
        assert found.preprocessing == Preprocessing(64, 1.0, "bicubic")
        assert torch.equal(found(images()), logits)
    path.unlink()  # alexnet's is large


def test_the_head_of_a_torchvision_network_is_left(tmp_path):
    source = torchvision.models.get_model("squeezenet1_1", weights=None, num_classes=5)
    torch.save({"state_dict": source.state_dict()}, tmp_path / "w.pth")
    network = built("torchvision:squeezenet1_1").network
    assert load_weights(network, tmp_path / "w.pth", except_head=True) == ["classifier.1.weight", "classifier.1.bias"]
    assert torch.equal(network.features[0].weight, source.features[0].weight)


def test_a_network_for_evaluation_keeps_its_own_preprocessing():
    identity = Identity("net", "net", "torchvision:squeezenet1_1")
    model = build_classifier("torchvision:squeezenet1_1", identity)
    assert model.preprocessing == Preprocessing(224, 224 / 256, "bilinear")
    assert model.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert model.network.classifier[1].out_channels == 1000


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("torchvision:alexnett", "unknown torchvision model 'alexnett': did you mean 'alexnet'"),
        ("torchvision:googlenet", "auxiliary heads"),
        ("torchvision:inception_v3", "auxiliary heads"),
        ("timm:resnt18", "unknown model 'resnt18': did you mean resnet18"),
        ("hub:resnet18", "unknown model 'hub:resnet18': give a timm name or torchvision:NAME"),
        ("torchvision:", "unknown torchvision model"),
    ],
)
def test_networks_that_there_are_not(architecture, message):
    with pytest.raises(UserError, match=message):
        built(architecture)


def in_a_classifier(network, *stages):
    return Classifier(network.eval(), Identity("n", "n", "n"), Preprocessing(64, 1.0, "bicubic"), stages=stages)


def tiny_swins():
    torch.manual_seed(0)
    sizes = {"embed_dim": 16, "num_heads": (1, 2, 4, 8)}
    yield timm.create_model(
        "swin_tiny_patch4_window7_224", depths=(1, 1, 1, 1), img_size=64, window_size=2, num_classes=3, **sizes
    )
    yield torchvision.models.SwinTransformer(
        [4, 4], depths=[1, 1, 1, 1], window_size=[2, 2], stochastic_depth_prob=0.0, num_classes=3, **sizes
    )


@pytest.mark.parametrize("number", [0, 1])
def test_maps_with_channels_last_are_averaged_over_space(number):
    network = [*tiny_swins()][number]
    name = ("layers.3", "features.6")[number]
    maps = []
    network.get_submodule(name).register_forward_hook(lambda _m, _i, out: maps.append(out))
    with torch.no_grad():
        _, (own,) = in_a_classifier(network)(images(), latents=True)
        _, (normed, last) = in_a_classifier(network, "norm", name)(images(), latents=True)
    torch.testing.assert_close(normed, own)  # the network pools what its last norm gives
    assert maps[-1].shape == (2, 2, 2, 128)
    assert torch.equal(last, maps[-1].mean((1, 2)))


def test_a_layout_that_the_shape_does_not_tell_is_the_network_s():
    swin, vit = next(tiny_swins()), nn.Module()
    assert channels_last(swin, "layers.3", (2, 128, 128, 128), square=True)
    assert not channels_last(vit, "x", (2, 128, 128, 128), square=True)
    assert channels_last(swin, "layers.3", (2, 4, 8, 128), square=False)
    assert not channels_last(vit, "x", (2, 8, 8, 4), square=False)


def test_tokens_are_averaged_over_their_sequence():
    network = timm.create_model("test_vit", num_classes=3, img_size=64, class_token=False, global_pool="avg")
    with torch.no_grad():
        _, (own,) = in_a_classifier(network)(images(), latents=True)
        _, (tokens,) = in_a_classifier(network, "blocks.5")(images(), latents=True)
    torch.testing.assert_close(network.fc_norm(tokens), own)


def test_maps_of_convnext_are_averaged_over_space():
    network = timm.create_model("test_convnext", num_classes=3)
    with torch.no_grad():
        _, (own,) = in_a_classifier(network)(images(), latents=True)
        _, (last,) = in_a_classifier(network, "stages.3")(images(), latents=True)
    torch.testing.assert_close(network.head.norm(last[:, :, None, None]).flatten(1), own)


class Odd(nn.Module):
    """A network with a stage of two outputs and one that it does not use."""

    def __init__(self):
        super().__init__()
        self.pair, self.unused, self.fc = nn.LSTM(3, 3), nn.Linear(3, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.fc(self.pair(x.mean((2, 3)))[0])


@pytest.mark.parametrize(
    ("stage", "message"), [("pair", "gives a tuple, not one tensor"), ("unused", "did not pass through 'unused'")]
)
def test_stages_without_one_tensor_are_refused(stage, message):
    with pytest.raises(UserError, match=message):
        in_a_classifier(Odd(), stage)(images(), latents=True)


def test_pretrained_weights_of_torchvision_fill_all_but_the_head(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    torch.manual_seed(1)
    source = torchvision.models.squeezenet1_1(weights=None)
    url = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url
    path = tmp_path / "hub" / "checkpoints" / Path(urllib.parse.urlparse(url).path).name
    path.parent.mkdir(parents=True)
    torch.save(source.state_dict(), path)
    network = built("torchvision:squeezenet1_1", pretrained=True).network
    assert network.classifier[1].weight.shape == (3, 512, 1, 1)
    for name, value in source.state_dict().items():
        assert name.startswith("classifier") or torch.equal(network.state_dict()[name], value)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="could not be loaded"):
        built("torchvision:squeezenet1_1", pretrained=True)


def test_cached_weights_of_timm_need_no_network(tmp_path, monkeypatch):
    source = timm.create_model("test_resnet")
    torch.save(source.state_dict(), tmp_path / "w.pth")
    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_a, **_o: str(tmp_path / "w.pth"))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_a, **_o: pytest.fail("asked the network"))
    network = built("test_resnet", pretrained=True).network
    assert torch.equal(network.layer1[0].conv1.weight, source.layer1[0].conv1.weight)
    assert network.get_classifier().weight.shape == (3, 96)


@pytest.mark.parametrize("architecture", ["resnet18", "torchvision:resnet18"])
def test_pretrained_weights_that_cannot_be_had_say_so(tmp_path, monkeypatch, architecture):
    def offline(*_args, **_options):
        raise urllib.error.URLError(OSError("no route to host"))

    hub = importlib.import_module("huggingface_hub")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_a, **_o: None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(UserError, match=rf"weights of '{architecture}' could not be loaded \(\S+: no route to host\)"):
        built(architecture, pretrained=True)


def test_networks_that_timm_has_no_weights_for():
    with pytest.raises(UserError, match=r"timm has no pretrained weights for 'cspresnet50w' .*it has for cspresnet50,"):
        built("cspresnet50w", pretrained=True)
    with pytest.raises(UserError, match=r"no weights 'test_resnet.none': there are test_resnet.r160_in1k"):
        built("test_resnet.none", pretrained=True)


def test_a_host_that_answers_with_an_error_is_there(monkeypatch):
    def refuse(request, **_options):
        raise urllib.error.HTTPError(request.full_url, 403, "no", {}, None)

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    check_host("https://example.org/w", "x")
