"""Labels of pixels from class activation maps: the best class where it is above a constant background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

EPSILON = 1e-5


def normalised(cams: Tensor) -> Tensor:
    """Each map of ``cams`` (k, H, W), 0 or more, over its maximum + 1e-5: in [0, 1)."""
    return cams / (cams.amax((1, 2), keepdim=True) + EPSILON) if len(cams) else cams


def best_classes(cams: Tensor, classes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The best class of every pixel and its normalised score.

    Args:
        cams: (k, H, W), 0 or more, as ``summed_cams`` makes them.
        classes: the k numbers of the classes in masks, rising, 1 or more.

    Returns:
        Class numbers (H, W) uint8 and scores (H, W) float32. Of equal scores the lowest class's; class 0 and score 0
        where there are no classes.
    """
    if not classes:
        shape = tuple(cams.shape[1:])
        return np.zeros(shape, dtype=np.uint8), np.zeros(shape, dtype=np.float32)
    scores, first = normalised(cams).max(0)
    numbers = torch.tensor(classes, dtype=torch.uint8, device=first.device)
    return numbers[first].cpu().numpy(), scores.cpu().numpy()


def at_threshold(labels: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """The best class where its score is above ``threshold``, else 0: the argmax with a constant background first."""
    return np.where(scores.astype(np.float64) > threshold, labels, 0).astype(np.uint8)
