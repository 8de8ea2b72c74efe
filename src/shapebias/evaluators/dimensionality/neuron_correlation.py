"""Shape and texture neurons one by one, by correlation. This is *not* the estimator of Islam et al. or of the paper.

That one gives three numbers for a whole layer, and a softmax between them. Here each neuron is asked on its own: over
pairs that share the shape, how do its two activations correlate, and over pairs that share the texture? It is the
shape's where the first correlation is the larger and above what chance gives, the texture's where the second is.

Chance: Fisher's z-transform, one-sided at 95 %, divided (Bonferroni) by the two questions put to each of D neurons.
Pairs drawn with replacement share images, so the sample counted is the number of images where there are fewer of them
than pairs. What is left untouched: the textures are the K given ones, and another five might correlate otherwise.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, NamedTuple

import torch
from torch import Tensor

from shapebias.metrics.functional.moments import pair_correlation

LEVEL = 0.95
MOST = 10  # neurons that are named per factor


class Correlated(NamedTuple):
    """Per-neuron correlations (D,) over both kinds of pairs, the threshold, and which neurons are whose (D,) bool."""

    shape: Tensor
    texture: Tensor
    threshold: float
    shape_neurons: Tensor
    texture_neurons: Tensor


def threshold(samples: int, neurons: int) -> float:
    """The correlation that one of 2 x ``neurons`` exceeds by chance in 5 % of studies of ``samples`` pairs each.

    1, which none exceeds, for fewer than 4 samples.
    """
    if samples < 4:
        return 1.0
    z = NormalDist().inv_cdf(1 - (1 - LEVEL) / (2 * neurons))
    return math.tanh(z / math.sqrt(samples - 3))


def correlated_neurons(shape: Tensor, texture: Tensor, *, samples: int) -> Correlated:
    """Tell neurons apart by the moments (6, D) of shape pairs and of texture pairs over ``samples`` images."""
    by_shape, by_texture = pair_correlation(shape), pair_correlation(texture)
    least = threshold(samples, len(by_shape))
    return Correlated(
        by_shape,
        by_texture,
        least,
        (by_shape > by_texture) & (by_shape > least),
        (by_texture > by_shape) & (by_texture > least),
    )


def most_alike(found: Correlated) -> dict[str, list[dict[str, Any]]]:
    """For each factor up to ten neurons of the highest correlation, among those whose other correlation is lower."""
    both = {"shape": found.shape, "texture": found.texture}
    named = {}
    for factor, other in (("shape", "texture"), ("texture", "shape")):
        own = torch.where(both[factor] > both[other], both[factor], -torch.inf)
        order = own.argsort(descending=True, stable=True)[:MOST].tolist()
        named[factor] = [
            {
                "neuron": i,
                "shape_correlation": float(found.shape[i]),
                "texture_correlation": float(found.texture[i]),
            }
            for i in order
            if own[i] > -torch.inf
        ]
    return named
