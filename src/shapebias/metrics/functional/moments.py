"""Second moments of pairs of latents, neuron by neuron, as one tensor that streams and merges.

The packed tensor is (6, D) float64: for each of D neurons the number of pairs, the means of both sides, their sums of
squared deviations and of products of deviations. Batches are merged by the update of Chan, Golub and LeVeque (1983), so
that a large common mean costs no digits, and the order of batches (or of ranks) changes no more than rounding.
Correlation, mutual information and dimensionality all follow from it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from shapebias.losses.mmsi import check_latents, information

ROWS = 6
COUNT, MEAN_A, MEAN_B, SQUARES_A, SQUARES_B, PRODUCTS = range(ROWS)
ROUNDING = 4 * torch.finfo(torch.float64).eps


def empty_moments(width: int = 0, device: torch.device | str | None = None) -> Tensor:
    """Return the moments (6, width) of no pairs; width 0 where it is not known yet."""
    return torch.zeros(ROWS, width, dtype=torch.float64, device=device)


def pair_moments(z_a: Tensor, z_b: Tensor) -> Tensor:
    """Return the moments (6, D) of one batch of pairs.

    Args:
        z_a: latents of the first sides, (N, D), floating point of any precision.
        z_b: latents of the second sides, the same shape.

    Raises:
        ValueError: the latents are not two floating-point matrices of one shape.
    """
    check_latents(z_a, z_b)
    if len(z_a) == 0:
        return empty_moments(z_a.shape[1], z_a.device)
    a, b = z_a.detach().double(), z_b.detach().double()
    mean_a, mean_b = a.mean(0), b.mean(0)
    a, b = a - mean_a, b - mean_b
    count = torch.full_like(mean_a, len(z_a))
    return torch.stack([count, mean_a, mean_b, (a * a).sum(0), (b * b).sum(0), (a * b).sum(0)])


def merge_moments(parts: Tensor) -> Tensor:
    """Merge the moments ``parts`` (R, 6, D) of disjoint pairs into those of all of them, (6, D)."""
    counts = parts[:, COUNT]
    total = counts.sum(0)
    weights = counts / total.clamp(min=1)
    means = parts[:, [MEAN_A, MEAN_B]]
    mean = (weights[:, None] * means).sum(0)
    off_a, off_b = (means - mean).unbind(1)
    between = torch.stack([off_a * off_a, off_b * off_b, off_a * off_b], 1)
    within = parts[:, SQUARES_A:] + counts[:, None] * between
    return torch.cat([total[None], mean, within.sum(0)])


def add_pairs(moments: Tensor, z_a: Tensor, z_b: Tensor) -> Tensor:
    """Return ``moments`` with a batch of pairs added; moments of width 0 take the batch's.

    Raises:
        ValueError: unusable latents, or another number of neurons than before.
    """
    batch = pair_moments(z_a, z_b)
    if moments.shape[1] == 0:
        return batch
    if moments.shape != batch.shape:
        raise ValueError(f"latents of {batch.shape[1]} neurons after latents of {moments.shape[1]}")
    return merge_moments(torch.stack([moments, batch.to(moments.device)]))


def variances(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Return the variances (D,) of both sides over the pairs; 0 where they are no more than rounding."""
    found = []
    for mean, squares in ((moments[MEAN_A], moments[SQUARES_A]), (moments[MEAN_B], moments[SQUARES_B])):
        variance = squares / moments[COUNT]
        found.append(variance.masked_fill(variance <= (ROUNDING * mean).square(), 0))
    return found[0], found[1]


def pair_correlation(moments: Tensor) -> Tensor:
    """Return Pearson's rho (D,) of the two sides, neuron by neuron; 0 where either side does not vary."""
    var_a, var_b = variances(moments)
    product = var_a.sqrt() * var_b.sqrt()
    rho = (moments[PRODUCTS] / moments[COUNT] / torch.where(product > 0, product, 1)).clamp(-1, 1)
    return torch.where(product == 0, 0, rho)


def mutual_information(moments: Tensor, eps: float = 1e-4) -> Tensor:
    """Return ``-1/2 log(max(1 - rho^2, eps))`` in nats, averaged over neurons, a float64 scalar; NaN without pairs.

    Equal to ``losses.mutual_shape_information(..., axis="batch")`` of all pairs at once.
    """
    if moments.shape[1] == 0 or not moments[COUNT, 0] > 0:
        return torch.tensor(torch.nan, dtype=torch.float64, device=moments.device)
    return information(pair_correlation(moments), eps).mean()
