"""Mutual shape information, and shape and texture neurons, of pairs of latents as torchmetrics metrics."""

from __future__ import annotations

from contextlib import suppress
from math import nan
from typing import Literal, get_args

import torch
from torch import Tensor

from shapebias.metrics.base import Metric
from shapebias.metrics.functional.dimensionality import factor_scores, factor_shares
from shapebias.metrics.functional.moments import add_pairs, empty_moments, merge_moments, mutual_information

Factor = Literal["shape", "texture"]


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
        self.add_state("moments", empty_moments(neurons or 0), dist_reduce_fx=merge_moments)

    def update(self, z_a: Tensor, z_b: Tensor) -> None:
        """Add a batch of pairs of latents, (N, D) each, of any floating-point type.

        Raises:
            ValueError: latents of unequal or other shapes, or of another D than before.
        """
        self.moments = add_pairs(self.moments, z_a, z_b)

    def compute(self) -> Tensor:
        """Return nats per neuron, a scalar."""
        return mutual_information(self.moments, self.eps)


class ShapeDimensionality(Metric):
    """The shares of neurons that encode shape, texture or neither: a softmax over scores, with a floor of 21.2 %.

    ``update(z_a, z_b, factor)`` takes the latents (N, D) of pairs of images that share ``factor``: one image in two
    textures for "shape", images of two classes in one texture for "texture". ``compute`` gives float64
    scalars: ``shape_neurons``, ``texture_neurons`` and ``residual_neurons`` (they sum to 1), ``shape_score`` and
    ``texture_score``; all NaN while a factor has no pairs or the latents do not vary. Both factors weigh the same in
    the pooled variance, however many pairs each has. 96 bytes per neuron. Merged over ranks; a rank that may see
    no pair of a factor needs ``neurons``.

    Args:
        neurons: D; by default that of the first batch.

    Example:
        >>> metric = ShapeDimensionality()
        >>> z = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])
        >>> metric.update(z, z, "shape")
        >>> metric.update(z, torch.tensor([[1.0], [1.0], [-1.0], [-1.0]]), "texture")
        >>> {name: round(float(value), 3) for name, value in metric.compute().items()}
        {'shape_neurons': 0.422, 'texture_neurons': 0.155, 'residual_neurons': 0.422, 'shape_score': 1.0, 'texture_score': 0.0}
    """  # noqa: E501 - a line of output

    is_differentiable = False
    higher_is_better = None
    full_state_update = True  # or the first forward would merge moments of width 0
    shape: Tensor
    texture: Tensor

    def __init__(self, neurons: int | None = None, **kwargs: object) -> None:
        super().__init__(**kwargs)
        for factor in get_args(Factor):
            self.add_state(factor, empty_moments(neurons or 0), dist_reduce_fx=merge_moments)

    def update(self, z_a: Tensor, z_b: Tensor, factor: Factor) -> None:
        """Add pairs that share ``factor``, (N, D) each, of any floating-point type.

        Raises:
            ValueError: latents of unequal or other shapes, of another D than before, or an unknown factor.
        """
        if factor not in get_args(Factor):
            raise ValueError(f"factor must be 'shape' or 'texture', not {factor!r}")
        setattr(self, factor, add_pairs(getattr(self, factor), z_a, z_b))

    def compute(self) -> dict[str, Tensor]:
        """Return shares and scores, scalars by name."""
        score = {"shape": nan, "texture": nan, "residual": nan}
        with suppress(ValueError):  # no pairs, or latents that do not vary
            score = factor_scores({"shape": self.shape, "texture": self.texture})
        values = {f"{name}_neurons": value for name, value in factor_shares(score).items()}
        values |= {f"{name}_score": score[name] for name in get_args(Factor)}
        return {
            name: torch.tensor(value, dtype=torch.float64, device=self.shape.device) for name, value in values.items()
        }
