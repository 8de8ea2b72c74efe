"""The loss of a task: cross-entropy, or binary cross-entropy over the classes that count."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def task_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean loss of logits (N, K), a scalar.

    Targets (N,) are class numbers: cross-entropy. Targets (N, K) are 1 shown, 0 not shown, -1 counts neither way (VOC's
    "difficult"): binary cross-entropy, 0 where nothing counts, over all N * K places, so that the mean over parts or
    ranks of one size is that of the whole batch.
    """
    if targets.ndim == 1:
        return functional.cross_entropy(logits, targets.long())
    logits = logits if logits.dtype == torch.float64 else logits.float()
    each = functional.binary_cross_entropy_with_logits(logits, (targets == 1).to(logits.dtype), reduction="none")
    return torch.where(targets >= 0, each, 0).mean()


def share_right(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of right answers, a scalar: of images, or of the yes or no to each class that counts."""
    if targets.ndim == 1:
        return (logits.argmax(1) == targets).float().mean()
    counts = targets >= 0
    return (((logits > 0) == (targets == 1)) & counts).sum() / torch.clamp(counts.sum(), min=1)
