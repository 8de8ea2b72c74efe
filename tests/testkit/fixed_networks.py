"""Classifiers whose answers a test decides, and pictures that one of them gets right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from shapebias.data.transforms import Preprocessing
from shapebias.models import Classifier, Identity
from shapebias.models.imagenet import wordnet_ids

WNIDS = wordnet_ids()
COLOURS = ("blue", "green", "red")


class Fixed(nn.Module):
    """Gives each image of a batch, in order of the calls, the logits that were set."""

    def __init__(self, logits):
        super().__init__()
        self.logits, self.position = logits, 0
        self.unused = nn.Linear(1, 1)

    def forward(self, images):
        start, self.position = self.position, self.position + len(images)
        return self.logits[start : self.position]


def fixed(logits, classes, name="net"):
    """A classifier that gives the rows of ``logits`` to the images it is shown, in order."""
    return Classifier(Fixed(logits), Identity(name, name, "Fixed", classes), Preprocessing(16)).eval()


class ByColour(nn.Module):
    """Answers with the colour that is strongest in the mean; ``turn`` shifts every answer."""

    def __init__(self, turn=0):
        super().__init__()
        self.head = nn.Linear(3, 3, bias=False)
        self.head.weight.data = torch.eye(3).flip(0).roll(turn, 0) * 20
        self.dropout = nn.Dropout(0.0)

    def forward(self, images):
        return self.head(self.dropout(images).mean((2, 3)))


def by_colour(name, turn=0, classes=COLOURS):
    """A classifier that names the strongest colour, or with ``turn`` another one."""
    return Classifier(ByColour(turn), Identity(name, name, "ByColour", classes), Preprocessing(16), std=(1,) * 3)


def colour_folder(root: Path) -> Path:
    """Blue, green and red pictures, four each, one of the red ones mislabelled as green."""
    for c, name in enumerate(COLOURS):
        for i in range(4):
            channel = 2 if (name, i) == ("green", 0) else c
            pixels = np.random.default_rng(10 * c + i).integers(0, 120, (24, 24, 3), dtype=np.uint8)
            pixels[..., 2 - channel] += 100
            (root / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def killed_at_second_run(evaluator, monkeypatch):
    """Let the second run of an evaluator be killed; return the list of the models measured, which grows."""
    measured, run = [], evaluator.run

    def killed(self, model):
        measured.append(model.identity.name)
        if len(measured) == 2:
            raise KeyboardInterrupt
        return run(self, model)

    monkeypatch.setattr(evaluator, "run", killed)
    return measured
