"""Mean average precision as a torchmetrics metric."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

from shapebias.errors import unknown
from shapebias.metrics.base import Metric, dim_zero_cat
from shapebias.metrics.functional.average_precision import Kind, mean_average_precision


class MultilabelAveragePrecision(Metric):
    """Mean AP over the classes that have a positive.

    ``update(outputs, truth, valid)`` takes scores (N, K) of any floating-point type, logits or probabilities, and
    bool (N, K) as ``mean_average_precision`` does. ``compute`` gives a float32 scalar, NaN without a positive. Scores
    are kept as float32, 8 bytes per image and class, and gathered over ranks; a rank may have seen no image.

    Args:
        kind: ap, ap_voc2010 or ap_voc2007.

    Example:
        >>> metric = MultilabelAveragePrecision("ap")
        >>> scores = torch.tensor([[0.9, 0.2], [0.8, 0.6], [0.7, 0.1]])
        >>> metric.update(scores, torch.tensor([[True, False], [False, True], [True, False]]))
        >>> metric.compute()  # (1/1 + 2/3) / 2 and 1
        tensor(0.9167)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = True  # or forward would not see batches of another number of classes
    scores: list[Tensor]
    labels: list[Tensor]
    classes: Tensor

    def __init__(self, kind: Kind = "ap", **kwargs: object) -> None:
        super().__init__(**kwargs)
        if kind not in get_args(Kind):
            raise unknown("kind of average precision", kind, get_args(Kind))
        self.kind: Kind = kind
        # flat and of one type: what torchmetrics gathers in place of nothing from a rank without images
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")  # 1 positive, 0 negative, -1 neither
        self.add_state("classes", torch.tensor(0), dist_reduce_fx="max")

    def update(self, outputs: Tensor, truth: Tensor, valid: Tensor | None = None) -> None:
        """Append the scores and labels of a batch.

        Raises:
            ValueError: other shapes or types, or another number of classes than before.
        """
        valid = torch.ones_like(truth, dtype=torch.bool) if valid is None else valid
        if outputs.ndim != 2 or not outputs.shape == truth.shape == valid.shape or not outputs.is_floating_point():
            shapes = ", ".join(str(tuple(part.shape)) for part in (outputs, truth, valid))
            raise ValueError(f"outputs (floating point), truth and valid must be (N, classes) each, not {shapes}")
        if truth.dtype != torch.bool or valid.dtype != torch.bool:
            raise ValueError(f"truth and valid must be bool, not {truth.dtype} and {valid.dtype}")
        if int(self.classes) not in (0, outputs.shape[1]):
            raise ValueError(f"outputs for {outputs.shape[1]} classes after outputs for {int(self.classes)}")
        self.classes.fill_(outputs.shape[1])
        self.scores.append(outputs.detach().flatten().to(self.dtype))
        self.labels.append(truth.to(self.dtype).where(valid, -1.0).flatten())

    def compute(self) -> Tensor:
        """Return the mean AP, a scalar in [0, 1]; NaN without a positive."""
        classes, value = int(self.classes), float("nan")
        if classes:
            scores, labels = (
                dim_zero_cat(state).reshape(-1, classes).double().cpu().numpy() for state in (self.scores, self.labels)
            )
            value = mean_average_precision(scores, labels == 1, labels >= 0, self.kind).value
        return torch.tensor(value, device=self.classes.device)
