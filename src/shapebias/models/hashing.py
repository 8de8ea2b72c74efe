"""SHA-256 of weights, for models that are not a file of ours or are several trainings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import nn


def weights_sha256(network: nn.Module) -> str:
    """SHA-256 over the names, shapes and bytes of a state dict, in order."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def combined_sha256(digests: Sequence[str]) -> str:
    """One hash of the ``digests`` of several trainings, in their order; that of a single one is its own."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
