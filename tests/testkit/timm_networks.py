"""A small network of timm's with random weights, and images for it."""

from __future__ import annotations

import torch

from shapebias.libraries import timm

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def tiny(classes=1000, seed=1):
    torch.manual_seed(seed)
    return timm.create_model("test_resnet", num_classes=classes).eval()
