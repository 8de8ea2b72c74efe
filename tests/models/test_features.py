"""Latents of a stage are what the stage gave, whatever the modules behind it do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shapebias.data.transforms import Preprocessing
from shapebias.losses import MMSILoss
from shapebias.models import Classifier, Identity
from shapebias.models.build import build_classifier

IMAGES = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def network(stage, *, inplace, seed=0):
    """A layer, or a convolution, in front of a rectifier that may work in place, as in AlexNet and VGG."""
    torch.manual_seed(seed)
    relu = nn.ReLU(inplace=inplace)
    body = nn.Sequential(
        nn.Conv2d(3, 6, 3), relu, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 12), relu, nn.Linear(12, 4)
    )
    return Classifier(body, Identity("net", "net", "Small"), Preprocessing(16), stages=[stage])


@pytest.mark.parametrize("stage", ["0", "2", "3", "4"])
def test_a_module_in_place_does_not_change_the_stage_before_it(stage):
    with torch.no_grad():
        logits, (found,) = network(stage, inplace=True)(IMAGES, latents=True)
        expected, (latent,) = network(stage, inplace=False)(IMAGES, latents=True)
    assert torch.equal(found, latent)
    assert torch.equal(logits, expected)
    if stage == "4":
        assert (found < 0).any()  # a rectifier's output has none


def test_alexnet_gives_its_linear_layer_and_not_the_rectifier_behind_it():
    identity = Identity("alexnet", "torchvision:alexnet", "alexnet")
    model = build_classifier("torchvision:alexnet", identity, stages=["classifier.1"])
    inputs = []
    layer = model.network.get_submodule("classifier.1")
    handle = layer.register_forward_pre_hook(lambda _module, given: inputs.append(given[0].clone()))
    with torch.no_grad():
        _, (found,) = model.eval()(torch.rand(2, 3, 64, 64), latents=True)
        handle.remove()
        assert torch.equal(found, layer(inputs[0]))
    assert (found < 0).any()


@pytest.mark.parametrize("stage", ["0", "4"])
def test_the_gradient_of_the_loss_is_that_of_the_stage(stage):
    """The MMSI term trained on the rectified values: its gradient passed the rectifier."""
    found = {}
    for inplace in (True, False):
        model = network(stage, inplace=inplace)
        logits, (latent,) = model(IMAGES, latents=True)
        (MMSILoss()(*latent.split(4)) + logits.square().mean()).backward()
        found[inplace] = [parameter.grad for parameter in model.parameters()]
    for one, other in zip(*found.values(), strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


def test_latents_averaged_over_space_are_not_copied(monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("copied")

    monkeypatch.setattr(torch.Tensor, "clone", refuse)
    network("0", inplace=True)(IMAGES, latents=True)
    model = network("0", inplace=True)
    model.stages = ()
    model(IMAGES, latents=True)
