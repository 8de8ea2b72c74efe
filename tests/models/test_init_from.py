"""Networks for another task, begun from the weights of one there is."""

from __future__ import annotations

import pytest
import torch

from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.models import Classifier, Identity, wrap
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import load_classifier, save_classifier
from shapebias.models.init_from import init_from
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.tasks.ablation.train import initial_model
from shapebias.train.settings import configure
from testkit.timm_networks import tiny


def source(architecture="test_resnet", spec="timm:test_resnet"):
    identity = Identity("source", spec, architecture.removeprefix("torchvision:"), ("a", "b", "c"))
    torch.manual_seed(3)
    return build_classifier(architecture, identity, size=32)


def test_all_weights_but_the_head_are_the_sources():
    start = source()
    start.mean = start.mean + 0.1
    found = init_from(start, ["x", "y", "z"], name="new", seed=1)
    before, after = start.network.state_dict(), found.network.state_dict()
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed <= {"fc.weight", "fc.bias"}
    assert "fc.weight" in changed
    assert torch.equal(found.mean, start.mean)
    assert found.preprocessing.size == 32
    assert (found.identity.name, found.identity.classes) == ("new", ("x", "y", "z"))


def test_the_head_is_the_seeds_and_nothing_else_is_drawn():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, same, other = (init_from(source(), "wxyz", name="n", seed=seed) for seed in (1, 1, 2))
    heads = [model.network.get_classifier().weight for model in (one, same, other)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    torch.manual_seed(5)
    assert torch.equal(torch.get_rng_state(), state)


def test_torchvision_networks_too_and_they_come_back_from_a_file(tmp_path):
    start = source("torchvision:resnet18", "torchvision:resnet18")
    start.mean, start.std = start.mean + 0.1, start.std * 2
    found = init_from(start, "xy", name="n", size=48)
    save_classifier(tmp_path / "m.safetensors", found)
    again = load_classifier(tmp_path / "m.safetensors").eval()
    images = torch.rand(2, 3, 48, 48)
    assert torch.equal(found.eval()(images), again(images))


def test_what_cannot_be_built_anew():
    model = wrap(tiny(), name="x")
    model.identity = Identity("x", "my.module:make", "ResNet")
    with pytest.raises(UserError, match="cannot be built anew"):
        init_from(model, "ab", name="n")
    other = Classifier(tiny(), Identity("x", "timm:resnet18", "resnet18"), Preprocessing(32))
    with pytest.raises(UserError, match="do not fit resnet18 built anew"):
        init_from(other, "ab", name="n")


def test_the_ablation_begins_with_the_mean_of_its_source(tmp_path):
    start = source()
    start.mean = start.mean + 0.1
    save_classifier(tmp_path / "m.safetensors", start)
    config = configure(
        AblationConfig,
        model="test_resnet",
        data=tmp_path,
        out=tmp_path / "out",
        init=str(tmp_path / "m.safetensors"),
        size=32,
    )
    assert torch.equal(initial_model(config).mean, start.mean)
