"""Weights of the same network under other names: tensors given to a network in order instead of by name."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from shapebias.errors import UserError
from shapebias.models.weights import COUNTER, converted, read_weights

LAST_PARTS = ("weight", "bias", "running_mean", "running_var")  # where both names end so, they must agree


def load_weights_by_order(network: nn.Module, path: Path) -> None:
    """Load a file's tensors into a network's state dict in the order of both, whatever they are called.

    Only if there are as many, all shapes agree, and no bias would become a weight. Counters of batch
    normalisation are left out on both sides.

    Raises:
        UserError: the file is unreadable, of a format that does not keep an order, or the first tensor that
            does not fit; nothing is loaded then.
    """
    if path.suffix == ".safetensors":
        raise UserError(f"{path}: safetensors files keep no order of tensors: remap a file that torch.save wrote")
    given = [(name, value) for name, value in read_weights(path).items() if not name.endswith(COUNTER)]
    own = network.state_dict()
    wanted = [name for name in own if not name.endswith(COUNTER)]
    for number, (name, (theirs, value)) in enumerate(zip(wanted, given, strict=False), 1):
        ends = {name.rpartition(".")[2], theirs.rpartition(".")[2]}
        if value.shape != own[name].shape:
            reason = f"is {tuple(value.shape)}, the network's '{name}' {tuple(own[name].shape)}"
        elif len(ends) == 2 and ends <= set(LAST_PARTS):
            reason = f"would become the network's '{name}'"
        else:
            continue
        raise UserError(f"{path} does not fit in order: tensor {number}, '{theirs}', {reason}")
    if len(given) != len(wanted):
        n = min(len(given), len(wanted))
        first = f"'{given[n][0]}' is left over" if len(given) > n else f"there is none for '{wanted[n]}'"
        raise UserError(
            f"{path} does not fit in order: it holds {len(given)} tensors, the network {len(wanted)}, and {first}"
        )
    for name, (_, value) in zip(wanted, given, strict=True):
        own[name] = converted(value, own[name], name, path)
    network.load_state_dict(own)
