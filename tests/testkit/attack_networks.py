"""Networks and images that the tests of the attacks share."""

from __future__ import annotations

import torch
from torch import nn

from shapebias.attacks import ATTACKS, uniform_start

ALL = list(ATTACKS.values())
LABELS = torch.tensor([0, 3, 2, 1])


def network(dtype=torch.float32, classes=5):
    """A small network in training mode, the same every time."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.GELU(), nn.Flatten(), nn.Linear(6 * 36, classes)]
    model = nn.Sequential(*layers).to(dtype)
    for parameter in model.parameters():
        parameter.data.mul_(3)
    return model.train()


def pictures(dtype=torch.float32):
    """Four images, the same every time, which ``START`` fits."""
    return torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(dtype)


START = uniform_start((4, 3, 12, 12), 0, list("abcd"))


class Of(nn.Module):
    """A network that is a function."""

    def __init__(self, function):
        super().__init__()
        self.function, self.calls = function, 0

    def forward(self, images):
        self.calls += 1
        return self.function(images)


def linear(images):
    """Five logits that are pixels."""
    return images.flatten(1)[:, :5] * torch.tensor([1.0, -1.0, 2.0, -2.0, 3.0])
