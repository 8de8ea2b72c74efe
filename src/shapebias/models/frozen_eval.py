"""A network in evaluation mode for a while, and afterwards exactly as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def frozen_eval(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, frozen parameters and gradients allowed, whatever surrounds it.

    Afterwards, also after an exception, every module has its own ``training`` flag again, every parameter its
    ``requires_grad``, and every buffer its value. The flags are set one by one, for ``train`` may be overridden. Frozen
    parameters receive no ``grad``, whatever is propagated back. Meanwhile the network has copies of its buffers: some
    count in evaluation mode too, and gradients cannot pass those that were made under inference mode.
    """
    flags = [(module, module.training) for module in model.modules()]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    buffers = [
        (module, name, buffer) for module in model.modules() for name, buffer in module.named_buffers(recurse=False)
    ]
    with torch.inference_mode(False), torch.enable_grad():
        copies = {id(buffer): buffer.detach().clone() for _, _, buffer in buffers}
        try:
            for module, _ in flags:
                module.training = False
            for parameter in trained:
                parameter.requires_grad_(False)
            for module, name, buffer in buffers:
                setattr(module, name, copies[id(buffer)])
            yield
        finally:
            for module, training in flags:
                module.training = training
            for parameter in trained:
                parameter.requires_grad_(True)
            for module, name, buffer in buffers:
                setattr(module, name, buffer)
