"""What stylizing in the training step costs: ready stylized tensors against making them in the step.

ResNet-18, 128 px, the small AdaIN, the three images of ``mmsi-sin-in``. Both kinds of step are taken in turn
in one process; prints the median ratio of the pairs, and the share of each part of the step that stylizes.
Decoding is in neither.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections import defaultdict

import torch
from spread import spread

from shapebias.losses import MMSILoss
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Classifier, Identity
from shapebias.stylize import load_styles, load_stylizer
from shapebias.train.samples import Batch
from shapebias.train.schemes import SCHEMES
from shapebias.train.step import forward_step, loss_weights
from shapebias.train.views import Stylizing

PAIRS, COUNT, SIZE = 9, 16, 128
PHASE = SCHEMES["mmsi-sin-in"][0]


def step(model: Classifier, optimizer: torch.optim.Optimizer, batch: Batch, stylizing: Stylizing | None) -> dict:
    times = [time.perf_counter()]
    if stylizing is not None:
        batch = Batch(batch.images, batch.labels, stylizing(batch), None, [])
    times.append(time.perf_counter())
    outcome = forward_step(model, batch, PHASE, loss_weights(PHASE, 0.8, 0.1), MMSILoss())
    times.append(time.perf_counter())
    optimizer.zero_grad()
    outcome.loss.backward()
    times.append(time.perf_counter())
    optimizer.step()
    times.append(time.perf_counter())
    names = ("stylizing", "forward pass and loss", "backward pass", "optimizer")
    return dict(zip(names, (b - a for a, b in itertools.pairwise(times)), strict=True))


def main() -> None:
    identity = Identity("resnet18", "resnet18", "resnet18", tuple(map(str, range(10))))
    model = build_classifier("resnet18", identity, size=SIZE).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    stylizer, digest = load_stylizer()
    codes = load_styles(None, stylizer, digest).codes
    stylizing = Stylizing(stylizer, codes, 1.0)
    images = torch.rand(COUNT, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    labels, styles = torch.arange(COUNT) % 10, torch.arange(2 * COUNT) % len(codes)
    in_step = Batch(images, labels, None, styles, [])
    ready = Batch(images, labels, stylizing(in_step).contiguous(memory_format=torch.channels_last), None, [])
    step(model, optimizer, ready, None), step(model, optimizer, in_step, stylizing)
    ratios, shares = [], defaultdict[str, list[float]](list)
    for pair in range(PAIRS):
        taken = {}
        for kind in ("ready", "in step") if pair % 2 else ("in step", "ready"):
            batch, maker = (ready, None) if kind == "ready" else (in_step, stylizing)
            taken[kind] = step(model, optimizer, batch, maker)
        whole = sum(taken["in step"].values())
        ratios.append(sum(taken["ready"].values()) / whole)
        for name, seconds in taken["in step"].items():
            shares[name].append(seconds / whole)
    parts = ", ".join(f"{name} {statistics.median(values):.0%}" for name, values in shares.items())
    print(
        f"resnet18 {SIZE} px, {COUNT} x 3 images: step on ready views / step that stylizes = {spread(ratios, 2)}; "
        f"of the latter: {parts}"
    )


if __name__ == "__main__":
    main()
