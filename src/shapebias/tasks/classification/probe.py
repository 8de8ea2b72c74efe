"""Classifiers of frozen features: logistic regression with L-BFGS, and weighted nearest neighbours.

Nearest neighbours follow the usual protocol of Wu et al. 2018: k = 20, temperature 0.07.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shapebias.tasks.classification.outputs import task_loss

L2_WEIGHTS = tuple(10.0**power for power in range(1, -5, -1))
ITERATIONS = 500
NEIGHBOURS = 20
TEMPERATURE = 0.07
_CELLS = 1 << 24  # similarities in memory at once


class Probe(NamedTuple):
    """A linear layer on standardised features: ``(x - mean) / std @ weight + bias``, all float64."""

    mean: np.ndarray  # (D,)
    std: np.ndarray  # (D,), 1 where a feature is constant
    weight: np.ndarray  # (D, K)
    bias: np.ndarray  # (K,)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return logits (n, K) of features (n, D)."""
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
    """Minimise the task's mean loss plus ``l2 / 2`` times the squared norm of the weights, without the biases.

    The problem is convex, so the starting point (zero, or another probe's weights) affects only the time taken.

    Args:
        features: (n, D).
        targets: (n,) class numbers, or (n, K) 1, 0, -1 as in ``task_loss``.
        classes: K.
        l2: above 0.
        start: a probe of another ``l2`` to start from.
        device: device for the computation, in double precision.
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
    """Return a probe for each L2 weight, from the largest to the smallest, each starting from the previous one."""
    found: dict[float, Probe] = {}
    last: Probe | None = None
    for l2 in sorted(weights, reverse=True):
        last = found[l2] = fit_probe(features, targets, classes, l2, start=last, device=device)
    return found


def knn_scores(
    training: np.ndarray,
    targets: np.ndarray,
    features: np.ndarray,
    classes: int,
    *,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> np.ndarray:
    """Return the fraction of each class among the ``k`` nearest training images, weighted by exp(cosine / temperature).

    Args:
        training: features (n, D) of the training images.
        targets: their class numbers (n,), or (n, K) with 1, 0, or -1 where an image has no vote on a class.
        features: features (m, D) of the images to classify.
        classes: K.
        k: number of neighbours, at most n; ties are resolved by the order of the training images.
        temperature: above 0.

    Returns:
        Scores (m, K) in [0, 1]; rows sum to one if images have one class each.
    """
    k = min(k, len(training))
    if targets.ndim == 1:
        votes, counts = np.eye(classes)[targets], np.ones((len(targets), classes))
    else:
        votes, counts = (targets == 1).astype(np.float64), (targets >= 0).astype(np.float64)
    known, found = _unit(training), []
    at_once = max(1, _CELLS // max(1, len(training)))
    for start in range(0, len(features), at_once):
        cosine = _unit(features[start : start + at_once]) @ known.T
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(cosine, nearest, axis=1)
        weight = np.exp((near - near[:, :1]) / temperature)[:, :, None]  # relative to the nearest: never 0 / 0
        heard = (weight * counts[nearest]).sum(1)
        found.append((weight * votes[nearest]).sum(1) / np.where(heard > 0, heard, 1))
    return np.concatenate(found) if found else np.zeros((0, classes))


def _unit(features: np.ndarray) -> np.ndarray:
    """Return the rows scaled to unit length; rows of zeros are unchanged."""
    given = np.asarray(features, np.float64)
    length = np.linalg.norm(given, axis=1, keepdims=True)
    return given / np.where(length > 0, length, 1)
