"""Mutual shape information of two latents, and its negative as a loss (Eq. 1-3 of the paper).

"Maximizing Mutual Shape Information", BMVC 2022. For two stylized views of the same images,

    rho = Cov(z_a, z_b) / sqrt(Var(z_a) Var(z_b)),    MI >= -1/2 log(1 - rho^2),    l_MMSI = 1/2 log(1 - rho^2).

The ``axis`` is the dimension that the statistics run over:

- ``"batch"`` (default): one rho per neuron, over the samples of the batch, averaged over neurons. This is
  how the estimator the paper builds on is used (Esser et al. 2020, Islam et al. 2021).
- ``"channel"``: one rho per sample, over the channels of its latent, averaged over the batch: the literal
  reading of Eq. 1, whose index is the sample's. From random weights a constant vector maximises it.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

Axis = Literal["batch", "channel"]
Reduction = Literal["mean", "none"]


def correlation(z_a: Tensor, z_b: Tensor, *, axis: Axis = "batch") -> Tensor:
    """Return Pearson's rho of two latents.

    Args:
        z_a: latents of the first views, (N, D), floating point.
        z_b: latents of the second views, the same shape.
        axis: ``"batch"`` for one value per neuron, ``"channel"`` for one per sample.

    Returns:
        (D,) or (N,), in float32 or, for float64 latents, float64. Where either variance is zero (or no
        more than rounding), or there is only one value to correlate, rho is 0 and so is its gradient.

    Raises:
        ValueError: the latents are not two floating-point matrices of one shape, or the axis is unknown.
    """
    check_latents(z_a, z_b)
    if axis not in get_args(Axis):
        raise ValueError(f"axis must be 'batch' or 'channel', not {axis!r}")
    dimension = 0 if axis == "batch" else 1
    with torch.autocast(z_a.device.type, enabled=False):
        a, b = _unit(z_a, dimension), _unit(z_b, dimension)
        return (a * b).sum(dimension).clamp(-1, 1)


def check_latents(z_a: Tensor, z_b: Tensor) -> None:
    """Raise ValueError unless the latents are two floating-point matrices of one shape."""
    if z_a.shape != z_b.shape or z_a.ndim != 2 or not z_a.is_floating_point() or not z_b.is_floating_point():
        raise ValueError(
            f"latents must be two floating-point (N, D) tensors of one shape, not {tuple(z_a.shape)} {z_a.dtype} "
            f"and {tuple(z_b.shape)} {z_b.dtype}"
        )


def mutual_shape_information(
    z_a: Tensor, z_b: Tensor, *, axis: Axis = "batch", reduction: Reduction = "mean", eps: float = 1e-4
) -> Tensor:
    """Return the lower bound ``-1/2 log(1 - rho^2)`` on the mutual information, in nats (Eq. 1).

    From N samples it is biased upwards: independent latents give about 1/(2N) and not 0, so that values from batches of
    different sizes cannot be compared.

    Args:
        z_a: latents of the first views, (N, D).
        z_b: latents of the second views, (N, D).
        axis: the dimension that rho is taken over, see the module's text.
        reduction: ``"mean"`` for a scalar, ``"none"`` for one value per neuron (D,) or sample (N,).
        eps: floor of ``1 - rho^2``; the bound ends at ``-1/2 log(eps)``, 4.6 nats by default.

    Example:
        >>> z = torch.tensor([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0]])
        >>> mutual_shape_information(z, z, reduction="none")
        tensor([4.6052, 4.6052])
    """
    if reduction not in get_args(Reduction):
        raise ValueError(f"reduction must be 'mean' or 'none', not {reduction!r}")
    if not 0 < eps < 1:
        raise ValueError(f"eps must lie between 0 and 1, not {eps}")
    found = information(correlation(z_a, z_b, axis=axis), eps)
    return found.mean() if reduction == "mean" else found


def information(rho: Tensor, eps: float) -> Tensor:
    """Return ``-1/2 log(max(1 - rho^2, eps))`` in nats, elementwise (Eq. 1)."""
    # (1 - rho)(1 + rho) keeps its digits near |rho| = 1; clamp's gradient is zero below the floor.
    return -0.5 * ((1 - rho) * (1 + rho)).clamp(min=eps).log()


def mmsi_loss(z_a: Tensor, z_b: Tensor, *, axis: Axis = "batch", eps: float = 1e-4) -> Tensor:
    """Return the MMSI loss ``1/2 log(max(1 - rho^2, eps))``, averaged (Eq. 2). At most 0, a scalar.

    Above the floor its gradient is ``rho / (rho^2 - 1) d rho`` (Eq. 3), below it zero. Half-precision
    latents are computed in float32.
    """
    return -mutual_shape_information(z_a, z_b, axis=axis, eps=eps)


class MMSILoss(nn.Module):
    """``mmsi_loss`` over the latents of all ranks.

    With ``axis="batch"`` under ``torch.distributed`` the latents of every rank are gathered, so that the
    statistics are those of the global batch. Gathering passes gradients back (summed over ranks), which the
    averaging of data-parallel training divides again: gradients equal those of one process.

    Example:
        >>> loss = MMSILoss(axis="batch")
        >>> float(loss(torch.eye(4), torch.ones(4, 4)))  # a constant latent shares nothing
        -0.0
    """

    def __init__(self, axis: Axis = "batch", eps: float = 1e-4) -> None:
        super().__init__()
        self.axis: Axis = axis
        self.eps = eps

    def forward(self, z_a: Tensor, z_b: Tensor) -> Tensor:
        """Return the loss of two (N, D) latents; a scalar."""
        if self.axis == "batch":
            z_a, z_b = all_ranks(z_a), all_ranks(z_b)
        return mmsi_loss(z_a, z_b, axis=self.axis, eps=self.eps)

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return f"axis={self.axis!r}, eps={self.eps:g}"


def _unit(z: Tensor, dimension: int) -> Tensor:
    """Centre along ``dimension`` and scale to length 1; all zero where there is no variance."""
    z = z if z.dtype == torch.float64 else z.float()
    limits = torch.finfo(z.dtype)
    z = z / z.detach().abs().amax(dimension, keepdim=True).clamp(min=limits.tiny)  # squares neither over- nor underflow
    centred = z - z.mean(dimension, keepdim=True)
    power = centred.square().sum(dimension, keepdim=True)
    varies = ~(power.detach() <= z.shape[dimension] * (2 * limits.eps) ** 2)  # NaN stays NaN
    return torch.where(varies, centred * torch.where(varies, power, 1).rsqrt(), 0)


def all_ranks(z: Tensor) -> Tensor:
    """Gather the latents of every rank, rank after rank; those of this process where it is the only one."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return z
    return _Gather.apply(z)  # type: ignore[return-value]


class _Gather(torch.autograd.Function):
    """Gather all ranks' latents, rank after rank; the gradient of each rank's own part is summed over the ranks."""

    @staticmethod
    def forward(_context: Any, z: Tensor) -> Tensor:
        parts = [torch.empty_like(z) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, z.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        gradient = gradient.contiguous()
        torch.distributed.all_reduce(gradient)
        return gradient.chunk(torch.distributed.get_world_size())[torch.distributed.get_rank()]
