"""Small networks that the tests of the evaluators of attacks share."""

from __future__ import annotations

import torch
from torch import nn

from shapebias.data.transforms import Preprocessing
from shapebias.models import Classifier, Identity

CLASSES = ("bear", "cat", "dog", "owl")


class Small(nn.Module):
    """A small convolutional network that counts its passes, and the images whose gradients are taken.

    It stops like a killed process at the pass number ``stop``.
    """

    def __init__(self, classes=4, seed=0, stop=None):
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.AvgPool2d(3), nn.Conv2d(8, 8, 3), nn.Tanh())
        self.head = nn.Linear(8, classes)
        self.head.weight.data *= 40
        self.passes = self.gradients = 0
        self.stop = stop

    def forward(self, images):
        self.passes += 1
        if self.passes == self.stop:
            raise KeyboardInterrupt
        self.gradients += len(images) * images.requires_grad
        features = self.body(images).mean((2, 3))
        return self.head(features - features.mean(1, keepdim=True))


class OddAtBlack(Small):
    """Its output is finite and its gradient is not for images that are black."""

    def forward(self, images):
        root = (images * 0.25 + 0.5).mean((1, 2, 3)).clamp_min(0).sqrt()  # of the mean before normalisation
        return super().forward(images) + root[:, None] * torch.linspace(0, 1, 4)


class FlatAtBlack(Small):
    """Its gradient is exactly zero for images that are black."""

    def forward(self, images):
        bright = images.amax((1, 2, 3)) > -1.99  # after normalisation
        return super().forward(images) * bright[:, None]


class Rounding(Small):
    """Its output rounds the image: the gradient is there, and zero everywhere."""

    def forward(self, images):
        return super().forward(images.round())


class NoGradient(Small):
    """Its output does not depend on the image in a way that can be differentiated."""

    def forward(self, images):
        return super().forward(images.detach())


def classifier(network=None, name="net", classes=CLASSES, size=16, crop=0.8):
    network = Small(len(classes)) if network is None else network
    identity = Identity(name, name, "Small", tuple(classes))
    return Classifier(network, identity, Preprocessing(size, crop), mean=(0.5,) * 3, std=(0.25,) * 3).eval()
