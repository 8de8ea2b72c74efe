"""Shape bias as a metric (Geirhos et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from shapebias.evaluators.shape_bias.categories16 import category_probabilities
from shapebias.evaluators.shape_bias.shape_bias import shape_bias

IMAGENET = 1000
NEAR_ONE = 1e-2  # half-precision probabilities sum to 1 within this


def decisions(outputs: Tensor, mapping: str = "mean") -> Tensor:
    """The category (N,) that each row of ``outputs`` decides for.

    Args:
        outputs: (N, categories) logits or probabilities, the largest decides; or (N, 1000) of ImageNet's classes
            in their order, mapped to the 16 categories. Rows of 1000 that are all at least 0 and sum to 1
            are taken for probabilities, others go through a softmax.
        mapping: see ``shapebias.evaluators.shape_bias.categories16``.

    Raises:
        ValueError: outputs that are not a floating-point matrix, or hold NaN.
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


class ShapeBias(Metric):
    """Shape decisions among the decisions for either cue of cue-conflict images.

    ``update(outputs, shape, texture)`` takes logits or probabilities (N, categories), or (N, 1000) of ImageNet's
    classes, and the numbers of the categories of shape and texture, (N,) each; for ImageNet's outputs these count the
    16 categories by name. Images whose two categories agree carry no conflict and are left out. ``compute`` gives a
    float32 scalar, NaN where no image was decided for either cue. Counts add up over ranks.

    Args:
        mapping: how ImageNet's probabilities become those of the 16 categories: mean, sum or max of the members.

    Example:
        >>> metric = ShapeBias()
        >>> metric.update(torch.eye(4), shape=torch.tensor([0, 1, 2, 0]), texture=torch.tensor([1, 2, 0, 3]))
        >>> metric.compute()  # three answers by shape, one by texture
        tensor(0.7500)
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False
    shape_decisions: Tensor
    texture_decisions: Tensor

    def __init__(self, mapping: str = "mean", **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.mapping = mapping
        for name in ("shape_decisions", "texture_decisions"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, shape: Tensor, texture: Tensor) -> None:
        """Count the decisions of a batch.

        Raises:
            ValueError: outputs or labels of other shapes.
        """
        if shape.shape != outputs.shape[:1] or texture.shape != outputs.shape[:1]:
            raise ValueError(
                f"labels must be (N,) for outputs (N, categories), not {tuple(shape.shape)} and "
                f"{tuple(texture.shape)} for {tuple(outputs.shape)}"
            )
        answers, conflict = decisions(outputs, self.mapping), shape != texture
        self.shape_decisions += (conflict & (answers == shape)).sum()
        self.texture_decisions += (conflict & (answers == texture)).sum()

    def compute(self) -> Tensor:
        """Shape bias, a scalar in [0, 1]; NaN where there is no decision."""
        bias = shape_bias(int(self.shape_decisions), int(self.texture_decisions))
        return torch.tensor(bias, device=self.shape_decisions.device)
