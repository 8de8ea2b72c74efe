"""Linear read-out of frozen features: logistic regression by L-BFGS on standardised features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shapebias.tasks.classification.loss import task_loss

L2_WEIGHTS = tuple(10.0**power for power in range(1, -5, -1))
ITERATIONS = 500


class Probe(NamedTuple):
    """A linear layer on standardised features: ``(x - mean) / std @ weight + bias``, all float64."""

    mean: np.ndarray  # (D,)
    std: np.ndarray  # (D,), 1 where a feature is constant
    weight: np.ndarray  # (D, K)
    bias: np.ndarray  # (K,)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Logits (n, K) of features (n, D)."""
        return (np.asarray(features, np.float64) - self.mean) / self.std @ self.weight + self.bias


def fit_probe(
    features: np.ndarray,
    targets: np.ndarray,
    classes: int,
    l2: float,
    *,
    start: Probe | None = None,
    device: str = "cpu",
) -> Probe:
    """Minimise the task's mean loss plus ``l2 / 2`` times the squared norm of the weights; biases are free.

    It is convex, so that the start (zero, or another probe's weights) changes only the time it takes.

    Args:
        features: (n, D).
        targets: (n,) class numbers, or (n, K) 1, 0, -1 as in ``task_loss``.
        classes: K.
        l2: above 0.
        start: a probe of other ``l2`` to begin from.
        device: where it is computed, in double precision.
    """
    given = np.asarray(features, np.float64)
    mean, std = given.mean(0), given.std(0)
    std = np.where(std > 1e-12 * np.maximum(1.0, np.abs(mean)), std, 1.0)
    inputs, truth = torch.from_numpy((given - mean) / std).to(device), torch.from_numpy(targets).to(device)
    begin = (np.zeros((given.shape[1], classes)), np.zeros(classes)) if start is None else (start.weight, start.bias)
    weight, bias = (torch.tensor(value, device=device, requires_grad=True) for value in begin)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=ITERATIONS, history_size=20, tolerance_grad=1e-6, tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = task_loss(inputs @ weight + bias, truth) + 0.5 * l2 * weight.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return Probe(mean, std, weight.detach().cpu().numpy(), bias.detach().cpu().numpy())


def fit_path(
    features: np.ndarray,
    targets: np.ndarray,
    classes: int,
    weights: Sequence[float] = L2_WEIGHTS,
    *,
    device: str = "cpu",
) -> dict[float, Probe]:
    """A probe for each L2 weight, from the largest down, each begun from the one before."""
    found: dict[float, Probe] = {}
    last: Probe | None = None
    for l2 in sorted(weights, reverse=True):
        last = found[l2] = fit_probe(features, targets, classes, l2, start=last, device=device)
    return found
