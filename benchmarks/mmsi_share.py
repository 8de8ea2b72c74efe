"""What the MMSI term costs: a three-view training step with it against the same step without it.

Both steps are taken in turn in one process, so that the machine's drift falls on both. Prints the median
ratio of the pairs and its spread. The contract is a ratio of at most 1.03.
"""

from __future__ import annotations

import time

import torch
from spread import spread

from shapebias.losses import MMSILoss
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Identity
from shapebias.train.samples import Batch
from shapebias.train.schemes import SCHEMES, Phase
from shapebias.train.step import forward_step, loss_weights

PAIRS = 15


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, phase: Phase) -> float:
    began = time.perf_counter()
    outcome = forward_step(model, batch, phase, loss_weights(phase, 0.8, 0.1), MMSILoss())
    optimizer.zero_grad()
    outcome.loss.backward()
    optimizer.step()
    return time.perf_counter() - began


def main() -> None:
    with_term = SCHEMES["mmsi-sin-in"][0]
    without = Phase("control", natural=1.0, views=2, stylized=None, mmsi=False)
    for name, size, count in [("resnet18", 128, 16), ("test_resnet", 64, 64)]:
        identity = Identity(name, name, name, tuple(map(str, range(16))))
        model = build_classifier(name, identity, size=size).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        images = torch.rand(count, 3, size, size).to(memory_format=torch.channels_last)
        views = torch.rand(2 * count, 3, size, size).to(memory_format=torch.channels_last)
        batch = Batch(images, torch.arange(count) % 16, views, None, [])
        for phase in (with_term, without):
            step(model, optimizer, batch, phase)
        ratios = []
        for pair in range(PAIRS):
            order = (with_term, without) if pair % 2 else (without, with_term)
            taken = {phase.name: step(model, optimizer, batch, phase) for phase in order}
            ratios.append(taken[with_term.name] / taken[without.name])
        print(f"{name} {size} px, batch {count} x 3 views: step with the MMSI term / without = {spread(ratios, 3)}")


if __name__ == "__main__":
    main()
