"""The loss of a task: cross-entropy, or binary cross-entropy over the classes that count."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def task_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean loss of logits (N, K), a scalar.

    Targets (N,) are class numbers: cross-entropy. Targets (N, K) are 1 shown, 0 not shown, -1 counts neither way:
    binary cross-entropy of the logits, the mean over what counts; 0 where nothing does.
    """
    if targets.ndim == 1:
        return functional.cross_entropy(logits, targets.long())
    counts = (targets >= 0).to(logits.dtype)
    each = functional.binary_cross_entropy_with_logits(logits, (targets == 1).to(logits.dtype), reduction="none")
    return (each * counts).sum() / counts.sum().clamp(min=1)


def share_right(logits: Tensor, targets: Tensor) -> Tensor:
    """The share of right answers, a scalar: of images, or of the yes or no to each class that counts."""
    if targets.ndim == 1:
        return (logits.argmax(1) == targets).float().mean()
    counts = targets >= 0
    return (((logits > 0) == (targets == 1)) & counts).sum() / torch.clamp(counts.sum(), min=1)
