"""State dicts: comparing, loading and hashing the weights of a network; ``weights_file`` reads those of a file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from shapebias.errors import UserError
from shapebias.models.features import classifying_layer
from shapebias.models.weights_file import is_counter, plain_names, read_weights

LAST_PARTS = ("weight", "bias", "running_mean", "running_var")  # where both names end so, they must agree


class OtherHead(UserError):
    """Weights of the same network with another number of classes, or with the classifying layer ``missing``."""

    def __init__(self, text: str, *, missing: bool) -> None:
        super().__init__(text)
        self.missing = missing


@dataclass(frozen=True)
class Difference:
    """The names by which a ``given`` state dict differs from a network's ``own``; false where it fits."""

    own: Mapping[str, Tensor]
    given: Mapping[str, Tensor]
    missing: list[str]
    unknown: list[str]
    shapes: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.unknown or self.shapes)

    @property
    def first(self) -> str:
        """The first missing name, the first unknown one and the first of another shape."""
        parts = [f"first missing '{self.missing[0]}'"] if self.missing else []
        parts += [f"first unknown '{self.unknown[0]}'"] if self.unknown else []
        return ", ".join(parts + [self.shape(name) for name in self.shapes[:1]])

    def shape(self, name: str) -> str:
        """Both shapes of a tensor."""
        return f"'{name}' is {tuple(self.given[name].shape)} there, {tuple(self.own[name].shape)} here"

    def __str__(self) -> str:
        counts = f"{len(self.missing)} tensors missing, {len(self.unknown)} unknown"
        return f"{counts}, {len(self.shapes)} of another shape of {len(self.own)}: {self.first}"


def compare(own: Mapping[str, Tensor], given: Mapping[str, Tensor], *, ignore: Collection[str] = ()) -> Difference:
    """Compare names and shapes of a network's ``own`` state dict with a ``given`` one.

    Names in ``ignore`` are not compared; counters of batch normalisation may be missing.
    """
    return Difference(
        own,
        given,
        missing=[name for name in own if name not in given and name not in ignore and not is_counter(name)],
        unknown=sorted((n for n in given if n not in own and n not in ignore), key=is_counter),
        shapes=[n for n in own if n in given and n not in ignore and own[n].shape != given[n].shape],
    )


def fill(network: nn.Module, source: nn.Module) -> None:
    """Copy into ``network`` the tensors of ``source`` that have its names and shapes."""
    own, given = network.state_dict(), source.state_dict()
    differ = {*compare(own, given).shapes}
    network.load_state_dict({**own, **{name: given[name] for name in own if name in given and name not in differ}})


def fill_all_but(network: nn.Module, source: nn.Module, new: Collection[str], *, name: str, architecture: str) -> None:
    """Copy into ``network``, ``architecture`` built anew, all tensors of ``source`` except those called ``new``.

    Raises:
        UserError: other tensors of the two differ in name or shape; ``name`` is the source's.
    """
    given = source.state_dict()
    if difference := compare(network.state_dict(), given, ignore=new):
        raise UserError(
            f"the weights of {name} do not fit {architecture} built anew ({difference.first}): "
            "its architecture is not what its name says"
        )
    network.load_state_dict({key: value for key, value in given.items() if key not in new}, strict=False)


def load_weights(
    network: nn.Module, path: Path, *, except_head: bool = False, ignore: Collection[str] = ()
) -> list[str]:
    """Load a file's weights into ``network``, converted to the network's own types.

    With ``except_head`` tensors of the classifying layer may be missing or differ in shape, and are then left as they
    are; their names are returned. Tensors called as in ``ignore`` are not used. Counters of batch normalisation, absent
    from old files, keep theirs.

    Raises:
        UserError: the file is unreadable, holds pickled code or weights that are not finite, or belongs
            to another network.
    """
    own = network.state_dict()
    given = plain_names(read_weights(path), own.keys(), path)
    given = {name: value for name, value in given.items() if name not in ignore}
    difference = compare(own, given)
    skipped = [*difference.missing, *difference.shapes]
    if difference:
        head = head_names(network)
        if difference.unknown or not head.issuperset(skipped):
            raise UserError(f"{path} belongs to another network ({difference})")
        if not except_head:
            missing = bool(difference.missing)
            kind = "no" if missing else "another"
            raise OtherHead(f"{path} has {kind} classifying layer ({difference.first})", missing=missing)
    for name in own:
        counter = is_counter(name) and name in given and given[name].is_floating_point()
        if name in given and name not in difference.shapes and not counter:
            own[name] = converted(given[name], own[name], name, path)
    network.load_state_dict(own)
    return skipped


def load_weights_by_order(network: nn.Module, path: Path) -> None:
    """Load a file's tensors into a network's state dict in the order of both, whatever they are called.

    Only if there are as many, all shapes agree, and no bias would become a weight. Counters of batch
    normalisation are ignored on both sides.

    Raises:
        UserError: the file is unreadable, of a format that does not keep an order, or the first tensor that
            does not fit; nothing is loaded then.
    """
    if path.suffix == ".safetensors":
        raise UserError(f"{path}: safetensors files keep no order of tensors: remap a file that torch.save wrote")
    given = [(name, value) for name, value in read_weights(path).items() if not is_counter(name)]
    own = network.state_dict()
    wanted = [name for name in own if not is_counter(name)]
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


def converted(value: Tensor, own: Tensor, name: str, path: Path) -> Tensor:
    """Return ``value`` in the type of the network's ``own`` tensor.

    Raises:
        UserError: it is of another kind (an integer, sparse, quantised), or holds values that are not finite.
    """
    if value.is_meta:
        raise UserError(f"{path}: '{name}' holds no numbers (it was saved from the meta device): save the weights")
    if value.layout != torch.strided or value.is_quantized or value.is_floating_point() != own.is_floating_point():
        raise UserError(f"{path}: '{name}' is of type {value.dtype}, not {own.dtype}: give weights as floating point")
    value = value.to(own.dtype)
    if not torch.isfinite(value).all():
        raise UserError(f"{path}: '{name}' holds values that are not finite: the training it comes from has failed")
    return value


def head_names(network: nn.Module) -> set[str]:
    """Return the names of the classifying layer's parameters; none where it cannot be told."""
    try:
        head = {id(parameter) for parameter in classifying_layer(network).parameters()}
    except UserError:
        return set()
    return {name for name, parameter in network.named_parameters() if id(parameter) in head}


def weights_sha256(network: nn.Module) -> str:
    """SHA-256 over the names, shapes and bytes of a state dict, in order.

    Raises:
        UserError: its tensors are without data (on the device "meta"), or one is none of plain numbers (quantised).
    """
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        if not isinstance(value, Tensor) or value.is_quantized:
            raise UserError(
                f"{name} of the network is no plain tensor, as in quantised ones: give it in floating point"
            )
        if value.is_meta:
            raise UserError(f"{name} of the network has no data (device meta): load its weights first")
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def combined_sha256(digests: Sequence[str]) -> str:
    """One hash of the ``digests`` of several trainings, in their order; that of a single one is its own."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
