"""Mutual shape information as a metric (Eq. 1 of "Maximizing Mutual Shape Information", BMVC 2022)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from shapebias.evaluators.dimensionality.moments import COUNT, added, empty_moments, merged, pair_correlation
from shapebias.losses.mmsi import information


class MutualShapeInformation(Metric):
    """``-1/2 log(1 - rho^2)`` in nats, per neuron over all samples, averaged over neurons.

    ``update(z_a, z_b)`` takes the latents (N, D) of two stylized views of the same images. What ``compute`` gives,
    a float64 scalar, is ``mutual_shape_information(..., axis="batch")`` of all samples at once, not the average over
    batches; from 48 bytes per neuron. NaN before the first sample. Merged over ranks; a rank that may see no batch at
    all needs ``neurons``.

    Args:
        neurons: D; by default that of the first batch.
        eps: floor of ``1 - rho^2``.

    Example:
        >>> metric = MutualShapeInformation()
        >>> z = torch.tensor([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0]])
        >>> metric.update(z[:1], z[:1])
        >>> metric.update(z[1:], z[1:])
        >>> metric.compute()
        tensor(4.6052, dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = True  # or the first forward would merge moments of width 0
    moments: Tensor

    def __init__(self, neurons: int | None = None, eps: float = 1e-4, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.eps = eps
        self.add_state("moments", empty_moments(neurons or 0), dist_reduce_fx=merged)

    def update(self, z_a: Tensor, z_b: Tensor) -> None:
        """Add a batch of pairs of latents, (N, D) each, of any floating-point type.

        Raises:
            ValueError: latents of unequal or other shapes, or of another D than before.
        """
        self.moments = added(self.moments, z_a, z_b)

    def compute(self) -> Tensor:
        """Nats per neuron, a scalar."""
        if self.moments.shape[1] == 0 or not self.moments[COUNT, 0] > 0:
            return torch.tensor(torch.nan, dtype=torch.float64, device=self.moments.device)
        return information(pair_correlation(self.moments), self.eps).mean()
