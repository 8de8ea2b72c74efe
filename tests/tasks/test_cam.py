"""Class activation maps: the identity of maps and logits, sums over scales, labels, and the curve over thresholds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.transforms import pad_to_multiple
from shapebias.errors import UserError
from shapebias.metrics.functional.segmentation import confusion_matrix
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.load import wrap
from shapebias.tasks.cam.class_maps import find_class_maps
from shapebias.tasks.cam.multiscale import (
    CamSettings,
    apply_threshold,
    best_classes,
    normalise,
    resize,
    resize_cams,
    summed_cams,
)
from shapebias.tasks.cam.threshold_curve import CLASSES, count_pixels, thresholds_with, total_counts


def network(architecture: str) -> Classifier:
    torch.manual_seed(0)
    model = build_classifier(architecture, Identity("net", "net", architecture, VOC_CLASSES), size=32).eval()
    for module in model.network.modules():  # as after training: maps that differ from place to place
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return model


def picture(height: int = 128, width: int = 160, seed: int = 0) -> torch.Tensor:
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0]


class Plain(nn.Module):
    """Maps of stride 1: a 1 x 1 convolution and an average, so that a raw map is known at every pixel."""

    def __init__(self, after: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.body, self.pool = nn.Conv2d(3, 5, 1), nn.AdaptiveAvgPool2d(1)
        self.after, self.fc = after or nn.Identity(), nn.Linear(5, 4)

    def forward(self, images):
        return self.fc(self.after(self.pool(self.body(images)).flatten(1)))


@pytest.mark.parametrize(
    "architecture",
    ["test_resnet", "test_byobnet", "mobilenetv2_035", "torchvision:shufflenet_v2_x0_5", "torchvision:mobilenet_v2"],
)
@torch.inference_mode()
def test_the_mean_of_a_raw_map_is_the_logit_without_its_bias(architecture):
    model = network(architecture)
    maps = find_class_maps(model, picture())
    other = torch.stack([picture(seed=1), picture(seed=2)])
    raw = maps(other)
    assert raw.shape[1] == 20 and raw.shape[2] * raw.shape[3] > 1 and raw.std((2, 3)).min() > 0
    logits = model(other)
    torch.testing.assert_close(raw.mean((2, 3)), logits - maps.bias, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(maps(other, [3, 7]), raw[:, [3, 7]])


@torch.inference_mode()
def test_a_raw_map_is_the_linear_layer_at_every_place():
    net = Plain()
    maps = find_class_maps(wrap(net), picture(16, 24))
    image = picture(16, 24, seed=3)
    features = net.body((image[None] - maps.model.mean) / maps.model.std)[0].numpy()
    expected = np.einsum("kd,dhw->khw", net.fc.weight.numpy(), features)
    np.testing.assert_allclose(maps(image[None])[0].numpy(), expected, atol=1e-5)


def test_finding_the_map_leaves_no_hooks():
    model = network("test_resnet")
    maps = find_class_maps(model, picture())
    with torch.inference_mode():
        maps(picture()[None])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.network.modules())


@pytest.mark.parametrize(
    ("architecture", "why"),
    [
        ("mobilenetv3_small_050", "no feature map with the 1024 channels"),
        ("convnext_atto", "not the spatial mean"),
        ("torchvision:squeezenet1_1", "not the spatial mean"),
        ("vit_tiny_patch16_224", "does not accept images of 160x128"),
    ],
)
def test_networks_without_a_map_before_a_linear_layer_are_refused_by_name(architecture, why):
    with pytest.raises(UserError, match=why) as error:
        find_class_maps(network(architecture), picture())
    assert architecture.removeprefix("torchvision:") in str(error.value) and "\n" not in str(error.value)


def test_the_identity_is_asked_for_however_small_the_logits():
    net = Plain(after=nn.ReLU())
    with torch.no_grad():
        net.body.weight *= 1e-5
        net.body.bias.copy_(torch.tensor([1e-5, -1e-5, 1e-5, -1e-5, 1e-5]))
    with pytest.raises(UserError, match="not the spatial mean"):
        find_class_maps(wrap(net), picture())


@torch.inference_mode()
def test_one_scale_without_mirroring_is_the_rectified_raw_map():
    maps = find_class_maps(wrap(Plain()), picture(64, 64))
    image = picture(64, 96)
    found = summed_cams(maps, image, [2, 0], CamSettings(scales=(1.0,), flip=False))
    torch.testing.assert_close(found, maps(image[None], [2, 0])[0].relu())


@torch.inference_mode()
def test_maps_of_a_mirrored_image_are_the_mirrored_maps():
    model = network("test_resnet")
    maps, image, settings = find_class_maps(model, picture()), picture(70, 51), CamSettings(scales=(1.0, 0.5, 1.5))
    there, mirrored = (summed_cams(maps, one, [4, 9], settings) for one in (image, image.flip(2)))
    torch.testing.assert_close(mirrored.flip(2), there, atol=1e-5, rtol=1e-4)
    assert (there - there.flip(2)).abs().max() > 1e-3


@torch.inference_mode()
def test_the_sum_is_over_scales_and_mirrored_images():
    maps, image = find_class_maps(wrap(Plain()), picture(64, 64)), picture(50, 70)
    parts = [summed_cams(maps, image, [1], CamSettings(scales=(scale,), flip=False)) for scale in (1.0, 2.0)]
    mirrored = [
        summed_cams(maps, image.flip(2), [1], CamSettings(scales=(scale,), flip=False)).flip(2) for scale in (1.0, 2.0)
    ]
    found = summed_cams(maps, image, [1], CamSettings(scales=(1.0, 2.0)))
    torch.testing.assert_close(found, sum(parts + mirrored))


@torch.inference_mode()
@pytest.mark.parametrize(("scale", "size"), [(1.0, None), (0.5, None), (2.0, None), (1.0, 64), (1.5, 40)])
def test_maps_lie_on_the_image_at_any_scale(scale, size):
    """The brightest spot of an image is the highest place of a map of brightness, whatever the padding."""
    image = torch.zeros(3, 90, 131)
    image[:, 55:65, 95:105] = 1.0
    scaled = resize(image, scale, size)
    cams = pad_to_multiple(scaled[None], 32, torch.zeros(1, 3, 1, 1)).mean(1, keepdim=True)
    found = resize_cams(cams, scaled.shape[1:], (90, 131))[0, 0]
    assert found.shape == (90, 131)
    rows, columns = torch.meshgrid(torch.arange(90.0), torch.arange(131.0), indexing="ij")
    assert float((rows * found).sum() / found.sum()) == pytest.approx(59.5, abs=1.0)
    assert float((columns * found).sum() / found.sum()) == pytest.approx(99.5, abs=1.0)


def test_padding_is_the_mean_colour_to_the_right_and_below():
    found = pad_to_multiple(torch.ones(1, 3, 40, 32), 32, torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1))
    assert found.shape == (1, 3, 64, 32)
    assert (found[:, :, :40] == 1).all() and torch.equal(found[0, :, 50, 9], torch.tensor([0.1, 0.2, 0.3]))


def test_each_class_is_divided_by_its_maximum_and_the_best_above_the_background_wins():
    cams = torch.tensor([[[4.0, 1.0, 0.5, 0.0]], [[1.0, 0.5, 0.1, 0.0]]])
    np.testing.assert_allclose(normalise(cams)[0], [[4 / 4.00001, 1 / 4.00001, 0.5 / 4.00001, 0]], rtol=1e-6)
    labels, scores = best_classes(cams, [3, 8])
    assert labels.tolist() == [[3, 8, 3, 3]]
    np.testing.assert_allclose(scores, [[4 / 4.00001, 0.5 / 1.00001, 0.5 / 4.00001, 0]], rtol=1e-6)
    assert apply_threshold(labels, scores, 0.15).tolist() == [[3, 8, 0, 0]]
    assert apply_threshold(labels, scores, 0.0).tolist() == [[3, 8, 3, 0]]
    assert not apply_threshold(labels, scores, 1.0).any()


def test_a_score_equal_to_the_threshold_is_background_and_of_equal_classes_the_lowest_wins():
    assert apply_threshold(np.array([[5]]), np.array([[0.5]], dtype=np.float32), 0.5).tolist() == [[0]]
    cams = torch.ones(2, 3, 3)
    assert (best_classes(cams, [2, 6])[0] == 2).all()


def test_labels_are_those_of_an_argmax_with_a_constant_background_channel():
    rng = np.random.default_rng(0)
    cams = torch.from_numpy(rng.random((3, 20, 30)).astype(np.float32) ** 3)
    labels, scores = best_classes(cams, [1, 7, 20])
    channels = np.concatenate([np.full((1, 20, 30), 0.15), normalise(cams).double().numpy()])
    assert (apply_threshold(labels, scores, 0.15) == np.array([0, 1, 7, 20])[channels.argmax(0)]).all()


def test_an_image_without_classes_is_background():
    labels, scores = best_classes(torch.zeros(0, 4, 5), [])
    assert labels.shape == scores.shape == (4, 5) and not apply_threshold(labels, scores, 0.0).any()


def test_the_curve_is_that_of_scoring_anew_at_each_threshold():
    rng = np.random.default_rng(1)
    thresholds, images = thresholds_with(0.333), []
    for _ in range(3):
        truth = rng.choice([0, 2, 5, 255], (15, 21)).astype(np.uint8)
        scores = (rng.integers(0, 101, (15, 21)) / 100).astype(np.float32)  # many on a threshold, but for rounding
        images.append((truth, rng.choice([2, 5, 9], (15, 21)).astype(np.uint8), scores))
    counts = [count_pixels(*image, thresholds) for image in images]
    curve = total_counts(counts, thresholds).confusions()
    assert len(thresholds) == 102 and curve.shape == (102, CLASSES, CLASSES)
    for number, threshold in enumerate(thresholds):
        each = [
            confusion_matrix(
                torch.from_numpy(t), torch.from_numpy(apply_threshold(labels, s, threshold)), CLASSES
            ).numpy()
            for t, labels, s in images
        ]
        assert (curve[number] == sum(each)).all()
        if number % 25 == 0:
            assert all((one.confusion_at(number) == e).all() for one, e in zip(counts, each, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": (1.0, 0.0)}, "--scales 0 is out of range"),
        ({"scales": (4.5,)}, "--scales 4.5 is out of range"),
        ({"scales": (float("nan"),)}, "--scales nan"),
        ({"scales": ()}, "--scales is empty"),
        ({"scales": (1.0, 1.0)}, "twice"),
        ({"threshold": 1.1}, "--threshold must lie between 0 and 1, not 1.1"),
        ({"threshold": float("nan")}, "--threshold"),
        ({"size": 16}, "--size must be at least 32"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        CamSettings(**options)
