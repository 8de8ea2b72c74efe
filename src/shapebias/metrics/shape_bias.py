"""Shape bias as a torchmetrics metric (Geirhos et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor

from shapebias.data.categories16 import CATEGORIES
from shapebias.metrics.base import Metric
from shapebias.metrics.functional.shape_bias import IMAGENET, decisions, shape_bias


class ShapeBias(Metric):
    """Shape decisions among the decisions for either cue of cue-conflict images.

    ``update(outputs, shape, texture)`` takes logits or probabilities (N, categories), or (N, 1000) of ImageNet's
    classes, and the numbers of the categories of shape and texture, (N,) each; for ImageNet's outputs these count the
    16 categories by name. Images whose two categories agree carry no conflict and are ignored. ``compute`` gives a
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
            ValueError: outputs or labels of other shapes, or labels that are not the number of a category.
        """
        if shape.shape != outputs.shape[:1] or texture.shape != outputs.shape[:1]:
            raise ValueError(
                f"labels must be (N,) for outputs (N, categories), not {tuple(shape.shape)} and "
                f"{tuple(texture.shape)} for {tuple(outputs.shape)}"
            )
        answers, conflict = decisions(outputs, self.mapping), shape != texture
        categories = len(CATEGORIES) if outputs.shape[1] == IMAGENET else outputs.shape[1]
        for name, labels in (("shape", shape), ("texture", texture)):
            if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
                raise ValueError(f"{name} labels must be whole numbers, not {labels.dtype}")
            wrong = labels[(labels < 0) | (labels >= categories)]
            if len(wrong):
                raise ValueError(f"{name} label {int(wrong[0])} is no category: they are 0 to {categories - 1}")
        self.shape_decisions += (conflict & (answers == shape)).sum()
        self.texture_decisions += (conflict & (answers == texture)).sum()

    def compute(self) -> Tensor:
        """Return the shape bias, a scalar in [0, 1]; NaN where there is no decision."""
        bias = shape_bias(int(self.shape_decisions), int(self.texture_decisions))
        return torch.tensor(bias, device=self.shape_decisions.device)
