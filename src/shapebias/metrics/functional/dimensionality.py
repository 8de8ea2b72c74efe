"""Scores and shares of neurons by factor, from moments of pairs of latents (Islam et al. 2021, section 3.2).

``score_f = sum_i Cov_i(z_a, z_b | f) / sum_i Var_i``: the covariance is about the factor's own mean (the average of its
two sides), the variance pooled over the latents of all factors, each factor with the same weight. The residual's score
is 1, and the shares are the softmax of the three.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from shapebias.metrics.functional.moments import COUNT, MEAN_A, MEAN_B, PRODUCTS, variances


def factor_scores(moments: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the score of each factor from its moments (6, D), and 1 for the residual.

    Raises:
        ValueError: the latents do not vary at all, or a factor has no pairs.
    """
    if any(part.shape[1] == 0 or not part[COUNT, 0] > 0 for part in moments.values()):
        raise ValueError("a factor has no pairs")
    means = torch.stack([part[[MEAN_A, MEAN_B]] for part in moments.values()])  # (factors, 2, D)
    within = torch.stack([torch.stack(variances(part)) for part in moments.values()])
    mean = means.mean((0, 1))
    between = (means - mean).square().mean((0, 1))
    between = between.masked_fill(between <= (4 * torch.finfo(torch.float64).eps * mean).square(), 0)
    variance = (within.mean((0, 1)) + between).sum()
    if variance == 0:
        raise ValueError("the latents have zero variance")
    found = {}
    for name, part in moments.items():
        apart = (part[MEAN_A] - part[MEAN_B]) / 2
        found[name] = float((part[PRODUCTS] / part[COUNT] - apart.square()).sum() / variance)
    return {**found, "residual": 1.0}


def factor_shares(score: Mapping[str, float]) -> dict[str, float]:
    """Return the softmax of the scores, without rounding to whole neurons."""
    highest = max(score.values())
    powers = {name: np.exp(value - highest) for name, value in score.items()}
    return {name: float(power / sum(powers.values())) for name, power in powers.items()}


def neuron_counts(score: Mapping[str, float], count: int) -> dict[str, int]:
    """Divide ``count`` neurons among the factors: the integer part of the softmax; the residual gets the rest.

    >>> neuron_counts({"shape": 1.0, "texture": 0.0, "residual": 1.0}, 1000)
    {'shape': 422, 'texture': 155, 'residual': 423}
    """
    found = {name: int(share * count) for name, share in factor_shares(score).items() if name != "residual"}
    return {**found, "residual": count - sum(found.values())}
