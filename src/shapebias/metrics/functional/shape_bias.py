"""Shape bias from decisions on cue-conflict images (Geirhos et al. 2019)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from shapebias.data.categories16 import category_probabilities

IMAGENET = 1000
NEAR_ONE = 1e-2  # half-precision probabilities sum to 1 within this


def shape_bias(shape: int, texture: int) -> float:
    """Return the share of shape decisions among the decisions for either cue; NaN where there are none.

    >>> shape_bias(3, 1)
    0.75
    """
    return shape / (shape + texture) if shape + texture else math.nan


def decisions(outputs: Tensor, mapping: str = "mean") -> Tensor:
    """Return the category (N,) that each row of ``outputs`` decides for.

    Args:
        outputs: (N, categories) logits or probabilities, the largest decides; or (N, 1000) of ImageNet's classes
            in their order, mapped to the 16 categories. Rows of 1000 that are all at least 0 and sum to 1
            are taken for probabilities, others go through a softmax.
        mapping: see ``shapebias.data.categories16``.

    Raises:
        ValueError: outputs that are not a floating-point matrix, or hold NaN.

    >>> decisions(torch.tensor([[0.1, 0.9], [2.0, 1.0]]))
    tensor([1, 0])
    """
    if outputs.ndim != 2 or not outputs.is_floating_point():
        raise ValueError(f"outputs must be floating point (N, categories), not {tuple(outputs.shape)} {outputs.dtype}")
    if outputs.isnan().any():
        raise ValueError("the outputs hold NaN")
    if outputs.shape[1] != IMAGENET:
        return outputs.argmax(1)
    scores = outputs.detach().cpu().double()
    if (scores < 0).any() or ((scores.sum(1) - 1).abs() > NEAR_ONE).any():
        scores = scores.softmax(1)
    return torch.from_numpy(category_probabilities(scores.numpy(), mapping).argmax(1)).to(outputs.device)
