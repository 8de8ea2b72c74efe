"""What a good stylization is: content, style and identity terms on perceptual features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Shallow layers carry local texture, so they weigh more in the style term.
STYLE_WEIGHTS = (1.0, 1.0, 0.8, 0.4)
CONTENT_LAYERS = (2, 3)
VARIANCE_FLOOR = 1e-5


def content_loss(stylized: Sequence[Tensor], content: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of instance-normalised deep features: outlines stay, colours are free."""
    terms = [(_normalised(stylized[i]) - _normalised(content[i])).square().mean() for i in CONTENT_LAYERS]
    return torch.stack(terms).mean()


def style_loss(stylized: Sequence[Tensor], style: Sequence[Tensor]) -> Tensor:
    """Distance of means, standard deviations and channel covariances, layer by layer.

    Each part is relative to the style's own variance, so that layers and images weigh alike. The
    covariances (the centred Gram matrix) tell textures apart that share all means and deviations.
    """
    total = stylized[0].new_zeros(())
    for weight, ours, theirs in zip(STYLE_WEIGHTS, stylized, style, strict=True):
        mean, covariance = _moments(ours)
        wanted_mean, wanted_covariance = _moments(theirs)
        variance = wanted_covariance.diagonal(dim1=1, dim2=2)
        power = variance.mean(1, keepdim=True) + VARIANCE_FLOOR
        mean_term = ((mean - wanted_mean).square() / power).mean()
        own = covariance.diagonal(dim1=1, dim2=2)
        std_term = ((_root(own) - _root(variance)).square() / power).mean()
        size = wanted_covariance.square().sum((1, 2)) + VARIANCE_FLOOR
        covariance_term = ((covariance - wanted_covariance).square().sum((1, 2)) / size).mean()
        total = total + weight * (mean_term + std_term + covariance_term)
    return total


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels."""
    return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()


def _root(variance: Tensor) -> Tensor:
    return (variance + VARIANCE_FLOOR).sqrt()


def _normalised(features: Tensor) -> Tensor:
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), keepdim=True, unbiased=False)
    return (features.float() - mean) * (variance + VARIANCE_FLOOR).rsqrt()


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Channel means (N, C) and covariances (N, C, C) over space."""
    flat = features.float().flatten(2)
    mean = flat.mean(2, keepdim=True)
    centred = flat - mean
    return mean[..., 0], centred @ centred.transpose(1, 2) / flat.shape[2]
