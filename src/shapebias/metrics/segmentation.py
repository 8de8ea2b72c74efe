"""Mean intersection over union as a torchmetrics metric."""

from __future__ import annotations

import torch
from torch import Tensor

from shapebias.metrics.base import Metric
from shapebias.metrics.functional.segmentation import IGNORED, confusion_matrix, iou


class SegmentationIoU(Metric):
    """Mean intersection over union over the classes in truth or prediction, of all pixels together.

    ``update(prediction, truth)`` takes class numbers of one shape, such as (N, H, W): scores go through ``argmax(1)``
    first. ``compute`` gives a float32 scalar, NaN before any pixel; ``iou(metric.confusion)`` has the classes one by
    one, on one rank. Pixels add up over batches and ranks.

    Args:
        classes: how many there are, the background with them.
        ignore: the true label of pixels to ignore.

    Example:
        >>> metric = SegmentationIoU(classes=3)
        >>> metric.update(torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 1, 1, 255]]))
        >>> metric.compute()  # 1/2 for class 0, 1/2 for class 1; class 2 is absent
        tensor(0.5000)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    confusion: Tensor

    def __init__(self, classes: int, ignore: int = IGNORED, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.classes, self.ignore = classes, ignore
        self.add_state("confusion", torch.zeros(classes, classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, truth: Tensor) -> None:
        """Count the pixels of a batch.

        Raises:
            UserError: as ``confusion_matrix`` does.
        """
        self.confusion += confusion_matrix(truth, prediction, self.classes, self.ignore)

    def compute(self) -> Tensor:
        """Return the mean IoU, a scalar in [0, 1]; NaN before any pixel."""
        return torch.tensor(iou(self.confusion).mean, device=self.confusion.device)
