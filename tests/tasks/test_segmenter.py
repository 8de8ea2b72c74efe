"""Segmenters: the backbone's map is the network's own, frozen is frozen, files come back, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from shapebias.errors import UserError
from shapebias.models.classifier import Classifier, Identity
from shapebias.tasks.segmentation.segmenter import CLASSES, load_segmenter, save_segmenter, segmenter_from
from shapebias.tasks.segmentation.whole_images import predict
from testkit.segmentation_data import start

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def own_map(source: Classifier, stage: str, images: torch.Tensor) -> torch.Tensor:
    """The output of a module in a pass through the whole network."""
    seen = []
    handle = source.network.get_submodule(stage).register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.no_grad():
        source(images)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize(
    ("architecture", "stage", "last"),
    [
        ("test_resnet", None, "layer4"),
        ("test_resnet", "layer2", "layer2"),
        ("test_efficientnet", None, "blocks.4"),
        ("torchvision:mobilenet_v3_small", None, "features"),
        ("torchvision:squeezenet1_1", None, "features"),
    ],
)
def test_the_map_is_the_networks_own_and_nothing_after_it_is_kept(architecture, stage, last):
    source = start(architecture)
    segmenter = segmenter_from(source, head="convolution", stage=stage, output_stride=32, size=64).eval()
    backbone = segmenter.network.backbone
    assert backbone.stage == last
    expected = own_map(source, last, IMAGES)
    normalised = (IMAGES - source.mean) / source.std
    with torch.no_grad():
        assert torch.equal(backbone(normalised), expected)
        scores = segmenter(IMAGES)
        by_hand = functional.interpolate(segmenter.network.head(expected), (64, 64), mode="bilinear")
    assert scores.shape == (2, 21, 64, 64)
    assert torch.allclose(scores, by_hand)
    unused = torch.autograd.grad(backbone(normalised).sum(), list(backbone.parameters()), allow_unused=True)
    assert all(gradient is not None for gradient in unused)


class Swinlike(nn.Module):
    """Ends in maps with the channels last, of a hidden layer to be named."""

    output_fmt = "NHWC"

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, stride=4)
        self.mix = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 3)

    def forward(self, images):
        return self.fc(self.mix(self.stem(images).permute(0, 2, 3, 1)).mean((1, 2)))


def test_maps_with_the_channels_last_are_turned():
    from shapebias.tasks.segmentation.backbone import Backbone

    network = Swinlike().eval()
    backbone = Backbone(network, "mix", size=32, name="swin")
    with torch.no_grad():
        found = backbone(IMAGES)
        expected = network.mix(network.stem(IMAGES).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert backbone.channels_last and backbone.channels == 8
    assert torch.equal(found, expected)
    assert isinstance(network.fc, nn.Identity)


def test_an_output_stride_keeps_the_weights_and_makes_the_map_denser():
    source = start()
    dense, plain = (segmenter_from(source, head="fcn", output_stride=stride, size=64) for stride in (8, 32))
    assert (dense.stride, plain.stride) == (8, 32)
    one, other = (segmenter.network.backbone.network.state_dict() for segmenter in (dense, plain))
    before = source.network.state_dict()
    assert one.keys() == other.keys() == {key for key in before if not key.startswith("fc.")}
    assert all(torch.equal(one[key], before[key]) and torch.equal(other[key], before[key]) for key in one)
    assert dense.network.backbone(IMAGES).shape[2:] == (8, 8)


def test_deeplabs_rates_follow_the_stride():
    for stride, rates in ((8, [12, 24, 36]), (16, [6, 12, 18])):
        segmenter = segmenter_from(start(), head="deeplab", output_stride=stride, size=64)
        found = [m.dilation[0] for m in segmenter.network.head.modules() if isinstance(m, nn.Conv2d)]
        assert [rate for rate in found if rate > 1] == rates


def trained(frozen, steps=3):
    """A segmenter before and after steps with momentum and weight decay."""
    segmenter = segmenter_from(start(), head="convolution" if frozen else "fcn", size=64, frozen=frozen)
    before = {name: value.clone() for name, value in segmenter.network.state_dict().items()}
    given = [parameter for parameter in segmenter.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(given, lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(steps):
        segmenter.train()
        functional.cross_entropy(segmenter(IMAGES), torch.ones(2, 64, 64, dtype=torch.long)).backward()
        optimizer.step()
    after = segmenter.network.state_dict()
    return segmenter, {name for name in before if not torch.equal(before[name], after[name])}, set(before)


def test_a_frozen_backbone_never_changes_bit_for_bit():
    segmenter, changed, _ = trained(frozen=True)
    assert changed == {"head.weight", "head.bias"}
    assert not any(module.training for module in segmenter.network.backbone.modules())
    assert segmenter.network.head.training
    assert not any(parameter.requires_grad for parameter in segmenter.network.backbone.parameters())


def test_fine_tuning_changes_all_of_it_and_its_statistics():
    _, changed, names = trained(frozen=False)
    assert changed == names


def test_the_heads_start_is_the_seeds_alone():
    heads = {}
    for seed in (1, 1, 2):
        for source in (start(seed=3), start(seed=4)):
            torch.rand(1)
            found = segmenter_from(source, head="convolution", size=64, seed=seed).network.head.get_parameter("weight")
            assert torch.equal(heads.setdefault(seed, found), found)
    assert not torch.equal(heads[1], heads[2])


@pytest.mark.parametrize(("head", "frozen"), [("fcn", False), ("convolution", True), ("deeplab", False)])
def test_a_file_gives_the_same_scores_again(tmp_path, head, frozen):
    source = start()
    source.mean = source.mean + 0.1
    segmenter = segmenter_from(source, head=head, size=64, frozen=frozen, stage="layer3", output_stride=8).eval()
    save_segmenter(tmp_path / "s.safetensors", segmenter)
    again = load_segmenter(tmp_path / "s.safetensors")
    assert again.design == segmenter.design
    with torch.no_grad():
        assert torch.equal(again(IMAGES), segmenter(IMAGES))
    assert not any(
        name.startswith(("backbone.network.fc", "backbone.network.layer4"))
        for name in load_file(tmp_path / "s.safetensors")
    )


def test_files_that_are_not_segmenters(tmp_path):
    weights = {"a": torch.zeros(1)}
    path = tmp_path / "x.safetensors"
    with pytest.raises(UserError, match="no checkpoint"):
        load_segmenter(path)
    save_file(weights, path)
    with pytest.raises(UserError, match="not written by 'shapebias segment'"):
        load_segmenter(path)
    save_file(weights, path, metadata={"shapebias": json.dumps({"schema": "shapebias/segmenter/1"})})
    with pytest.raises(UserError, match="does not state which model"):
        load_segmenter(path)
    path.write_bytes(b"\x80\x04pickled")
    with pytest.raises(UserError, match="is not a safetensors file"):
        load_segmenter(path)


@pytest.mark.parametrize(
    ("architecture", "options", "message"),
    [
        ("test_resnet", {"stage": "layer9"}, "start has no stage 'layer9': it has"),
        ("test_resnet", {"stage": "fc"}, "has no feature map at stage 'fc': use one of .*layer4"),
        ("test_resnet", {"size": 32, "output_stride": 32}, "reduces an image of --size 32 to 1x1: give a larger"),
        ("test_vit", {"size": 160}, "has no feature map .* no other stage does, so use another model"),
    ],
)
def test_networks_and_stages_without_a_map_are_refused(architecture, options, message):
    with pytest.raises(UserError, match=message) as caught:
        segmenter_from(start(architecture), head="fcn", **{"size": 64, **options})
    assert "\n" not in str(caught.value)


def test_a_callables_network_and_one_of_another_shape_are_refused():
    model = start()
    model.identity = Identity("x", "my.module:make", "ResNet")
    with pytest.raises(UserError, match="cannot be built anew"):
        segmenter_from(model, head="fcn", size=64)
    model.identity = Identity("x", "timm:test_resnet2", "test_efficientnet")
    with pytest.raises(UserError, match="do not fit test_efficientnet built anew"):
        segmenter_from(model, head="fcn", size=64)


@pytest.mark.parametrize("size", [(33, 47), (64, 32), (70, 65)])
def test_whole_images_of_any_size_are_padded_with_the_mean_colour(size):
    segmenter = segmenter_from(start(), head="convolution", size=64, output_stride=32).eval()
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    height, width = (int(np.ceil(side / 32)) * 32 for side in size)
    padded = segmenter.mean.expand(1, 3, height, width).clone()
    padded[0, :, : size[0], : size[1]] = image
    with torch.no_grad():
        found = predict(segmenter, image)
        expected = segmenter(padded).argmax(1)[0, : size[0], : size[1]]
    assert found.shape == size
    assert torch.equal(found, expected)
    assert int(found.max()) < len(CLASSES)
