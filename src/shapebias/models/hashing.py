"""A hash of a network's weights, for networks that are not a file of ours."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def weights_sha256(network: nn.Module) -> str:
    """SHA-256 over the names, shapes and bytes of a state dict, in order."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
