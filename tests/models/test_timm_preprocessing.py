"""The images that networks of others want: prepared as timm prepares them, or refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from shapebias.data.transforms import Squashed
from shapebias.errors import UserError
from shapebias.evaluators import evaluate
from shapebias.libraries import timm
from shapebias.models import wrap
from shapebias.models.build import timm_preprocessing

CONFIGS = [
    {"crop_pct": 0.875, "interpolation": "bilinear"},
    {"crop_pct": 0.9, "interpolation": "bicubic"},
    {"crop_pct": 0.95, "interpolation": "bicubic", "input_size": (3, 288, 288)},
    {"crop_pct": 1.0, "interpolation": "bicubic", "input_size": (3, 96, 96)},
    {"crop_pct": 0.96, "interpolation": "bicubic", "crop_mode": "squash", "mean": (0.5,) * 3, "std": (0.5,) * 3},
    {"crop_pct": 1.0, "interpolation": "bilinear", "crop_mode": "squash"},
    {"test_input_size": (3, 320, 320), "test_crop_pct": 1.0},  # timm evaluates at input_size unless told otherwise
]


def assert_as_timm(config, pictures):
    preprocessing, mean, std = timm_preprocessing(config, "net")
    transform = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=config), is_training=False)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))
    for picture in pictures:
        torch.testing.assert_close((preprocessing(picture) - mean) / std, transform(picture), rtol=0, atol=2e-6)


@pytest.mark.parametrize("config", CONFIGS)
def test_images_are_prepared_as_timm_prepares_them(config):
    rng = np.random.default_rng(0)
    sizes = [(500, 375), (375, 501), (224, 224), (300, 256), (97, 800), (40, 31)]
    assert_as_timm(config, [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes])


@pytest.mark.parametrize("config", CONFIGS)
def test_photographs_are_prepared_as_timm_prepares_them(config, shared):
    files = sorted((shared / "data" / "imagenet-sample").glob("*/*"))[::8]
    assert len(files) == 15
    assert_as_timm(config, [Image.open(file).convert("RGB") for file in files])


def test_what_timm_says_of_a_network_is_recorded(images):
    network = timm.create_model("test_resnet", num_classes=2)
    network.pretrained_cfg = {
        **network.pretrained_cfg,
        "crop_mode": "squash",
        "crop_pct": 0.9,
        "interpolation": "bilinear",
    }
    found = evaluate(network, evaluators=["accuracy"], data=images, classes=("bear", "cat"))
    size = network.pretrained_cfg["input_size"][-1]
    stated = {"size": size, "crop": 0.9, "interpolation": "bilinear", "crop_mode": "squash"}
    assert found.model["preprocessing"] == stated
    assert wrap(network, classes=("a", "b")).preprocessing == Squashed(size, 0.9, "bilinear")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"crop_mode": "border"}, "crop mode 'border', which is not supported"),
        ({"interpolation": "lanczos"}, "interpolation 'lanczos'"),
        ({"input_size": (1, 64, 64)}, "1 channels"),
        ({"input_size": (3, 64, 32), "crop_pct": 1.15}, "64 x 32 pixels and crop 1.15, which pads"),
    ],
)
def test_preprocessing_that_we_do_not_do_is_refused(config, message):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))
    network.pretrained_cfg = config
    with pytest.raises(UserError, match=f"'network' wants its images with {message}"):
        wrap(network)
