"""Networks: latents, checkpoints, weights from outside, and what a person may type for one."""

from __future__ import annotations

import copy
import json
import os
import pickle
import urllib.error

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.libraries import timm, torchvision
from shapebias.models import Classifier, Identity, load_model, wrap
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import load_classifier, save_classifier
from shapebias.models.state_dict import load_weights, weights_sha256

CLASSES = ("ant", "bee", "cat")
RUN = {"schema": "shapebias/run/1", "name": "x"}


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return build_classifier("test_resnet", Identity("tiny", "tiny", "test_resnet", CLASSES, "in"), size=32).eval()


def images(n=2):
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_normalisation_is_inside_and_latents_make_the_logits(tiny):
    config = tiny.network.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        logits, (latent,) = tiny(images(), latents=True)
        torch.testing.assert_close(logits, tiny.network((images() - mean) / std))
        torch.testing.assert_close(tiny.network.get_classifier()(latent), logits)
        assert torch.equal(tiny(images()), logits)
    assert logits.shape == (2, 3)


def test_named_stages_are_averaged_over_space(tiny, request):
    stages = ("layer3", "layer4")
    network = Classifier(tiny.network, tiny.identity, tiny.preprocessing, stages=stages).eval()
    maps = {}
    for stage in stages:
        module = network.network.get_submodule(stage)
        request.addfinalizer(module.register_forward_hook(lambda _m, _i, out, s=stage: maps.update({s: out})).remove)
    with torch.no_grad():
        _, latents = network(images(), latents=True)
    for latent, stage in zip(latents, stages, strict=True):
        assert torch.equal(latent, maps[stage].mean((2, 3)))
    with pytest.raises(UserError, match=r"no stage 'layer9': it has .*layer4"):
        Classifier(tiny.network, tiny.identity, tiny.preprocessing, stages=["layer9"])


def test_a_network_carries_no_hooks_and_can_be_copied(tiny):
    tiny(images(), latents=True)
    copied = copy.deepcopy(tiny)
    assert torch.equal(copied(images()), tiny(images()))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in copied.modules())


def test_a_network_without_a_linear_layer_has_no_default_latents():
    network = wrap(nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert network(images()).shape == (2, 4)
    with pytest.raises(UserError, match="no linear layer"):
        network(images(), latents=True)


def test_checkpoint_round_trip(tmp_path, tiny):
    path = tmp_path / "model.safetensors"
    digest = save_classifier(path, tiny)
    found = load_model(str(path))
    assert found.identity.name == tmp_path.name
    assert (found.identity.classes, found.identity.scheme) == (CLASSES, "in")
    assert found.identity.weights_sha256 == digest
    assert found.preprocessing == Preprocessing(size=32, crop=1.0, interpolation="bicubic")
    assert not found.training
    assert torch.equal(found(images()), tiny(images()))


def test_a_run_folder_is_its_checkpoint_unless_it_was_changed(tmp_path, tiny, monkeypatch):
    run = tmp_path / "run"
    with pytest.raises(UserError, match="no model"):
        load_model(str(run))
    run.mkdir()
    with pytest.raises(UserError, match="not a run folder"):
        load_model(str(run))
    (run / "run.json").write_text(json.dumps(RUN))
    with pytest.raises(UserError, match="not finished"):
        load_model(str(run))
    digest = save_classifier(run / "model.safetensors", tiny)
    (run / "run.json").write_text(json.dumps(RUN | {"weights_sha256": digest}))
    assert load_model(str(run)).identity.name == "run"
    (run / "below").mkdir()
    monkeypatch.chdir(run / "below")
    assert load_model("..").identity.name == "run"  # results of ".." must not land beside the output folder
    (run / "run.json").write_text(json.dumps(RUN | {"weights_sha256": "0" * 64}))
    with pytest.raises(UserError, match="SHA-256 differs"):
        load_model(str(run))


def test_weights_of_another_network_are_refused_and_another_head_is_left(tmp_path, tiny):
    path = tmp_path / "w.safetensors"
    save_file(tiny.network.state_dict(), path)
    two = timm.create_model("test_resnet", num_classes=2)
    head = two.get_classifier().weight.clone()
    with pytest.raises(UserError, match=r"another classifying layer \('fc.weight' is \(3, 96\) there, \(2, 96\) here"):
        load_weights(two, path)
    assert sorted(load_weights(two, path, except_head=True)) == ["fc.bias", "fc.weight"]
    assert torch.equal(two.get_classifier().weight, head)
    assert torch.equal(two.conv1[0].weight, tiny.network.conv1[0].weight)
    with pytest.raises(
        UserError, match=r"another network \(\d+ tensors missing, \d+ unknown, .*missing 'cls_token', first unknown '\w"
    ):
        load_weights(timm.create_model("test_vit", num_classes=3), path)


def test_a_plain_state_dict_is_read(tmp_path, tiny):
    path = tmp_path / "w.pth"
    torch.save(tiny.network.state_dict(), path)
    other = timm.create_model("test_resnet", num_classes=3)
    assert load_weights(other, path) == []
    assert weights_sha256(other) == weights_sha256(tiny.network)


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_code_is_refused_and_not_run(tmp_path, suffix, zipped):
    path, made = tmp_path / f"w{suffix}", tmp_path / "made"
    if zipped:
        torch.save({"a": Harmful(str(made))}, path)
    else:
        path.write_bytes(pickle.dumps(Harmful(str(made))))
    for load in (lambda: load_weights(nn.Linear(1, 1), path), lambda: load_model(str(path))):
        with pytest.raises(UserError, match="pickled code, which is never run"):
            load()
    assert not made.exists()


def test_truncated_and_foreign_files_are_refused(tmp_path, tiny):
    path = tmp_path / "model.safetensors"
    save_classifier(path, tiny)
    whole = path.read_bytes()
    for end in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(UserError, match="not a safetensors file"):
            load_classifier(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="not written by 'shapebias train'"):
        load_classifier(path)
    save_file({"a": torch.zeros(1)}, path, metadata={"shapebias": json.dumps({"schema": "shapebias/model/1"})})
    with pytest.raises(UserError, match="does not say what network"):
        load_classifier(path)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(UserError, match="does not hold a state dict"):
        load_weights(nn.Linear(1, 1), tmp_path / "list.pt")
    with pytest.raises(UserError, match="no checkpoint"):
        load_weights(nn.Linear(1, 1), tmp_path / "none.pt")


MODULE = """
import torch
from torch import nn
def good(): return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
def blind(): return nn.Linear(4, 2)
def raises(): raise RuntimeError("two\\nlines")
def number(): return 3
value = 3
"""


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("my_nets:absent", "has no attribute 'absent'"),
        ("my_nets:blind", r"'blind' does not take float32 images \(1, 3, 224, 224\): mat1 and mat2 shapes"),
        ("my_nets:raises", "RuntimeError: two"),
        ("my_nets:number", "returned int, not a torch.nn.Module"),
        ("my_nets:value", "TypeError"),
        ("broken_nets:good", "ZeroDivisionError"),
        ("absent_nets:good", "No module named"),
        ("not/a/module:good", "no model"),
        ("timm:", "no model"),
        ("timm:resnet5000", "unknown model 'resnet5000': did you mean resnet"),
        ("torchvision:resnet5", "unknown torchvision model 'resnet5': did you mean 'resnet50'"),
        ("", "no model|not a run folder"),
    ],
)
def test_models_that_cannot_be_had(tmp_path, monkeypatch, spec, message):
    (tmp_path / "my_nets.py").write_text(MODULE)
    (tmp_path / "broken_nets.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        load_model(spec)


def test_a_callable_of_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "own_nets.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    found = load_model("own_nets:good")
    assert isinstance(found.network, nn.Sequential)
    assert (found.identity.name, found.identity.classes) == ("good", None)


def test_weights_that_cannot_be_downloaded_say_so(monkeypatch):
    def offline(*_args, **_options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torchvision.models, "get_model", offline)
    with pytest.raises(UserError, match="could not be loaded"):
        load_model("torchvision:resnet18")
    monkeypatch.setattr(timm, "create_model", offline)
    monkeypatch.setattr("shapebias.models.build.timm_overlay", lambda _name: {})
    with pytest.raises(UserError, match=r"could not be loaded .*no route to host"):
        load_model("timm:resnet18")


def test_wrap_takes_any_module():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    plain = wrap(network, name="x", classes=("a", "b"))
    assert plain.preprocessing == Preprocessing(224, 0.875, "bilinear")
    assert wrap(plain) is plain
    assert plain.identity.weights_sha256 == weights_sha256(plain.network)
    with pytest.raises(UserError, match="calls output 2 'c', but 'x' knows it as 'b'"):
        wrap(plain, classes=["a", "c"])
    nameless = wrap(network)
    named = wrap(nameless, classes=["c", "d"])
    assert (named.network, named.identity.classes, nameless.identity.classes) == (network, ("c", "d"), None)


def test_weights_hash_follows_values_names_and_types():
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    b.load_state_dict(a.state_dict())
    assert weights_sha256(a) == weights_sha256(b)
    assert weights_sha256(a) != weights_sha256(copy.deepcopy(a).bfloat16())
    b.bias.data[0] += 1
    assert weights_sha256(a) != weights_sha256(b)
