"""The pooled latents of a network: the modules they are taken from, and the axes they are averaged over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from shapebias.errors import UserError


@contextmanager
def capture_features(network: nn.Module, stages: Sequence[str], *, square: bool) -> Iterator[dict[int, Tensor]]:
    """Collect the pooled latents (N, D) of a pass by the stage's number; the network carries no hooks before and after.

    Without ``stages`` they are the input of the classifying layer. ``square`` says whether the images are. They
    are what the stage gave, also where a module behind it works in place, as ``ReLU(inplace=True)`` does.

    Raises:
        UserError: a stage gives something else than one tensor, or no classifying layer is found.
    """
    seen: dict[int, Tensor] = {}

    def keep(number: int, stage: str, output: Any) -> None:
        if not isinstance(output, Tensor):
            raise UserError(f"stage '{stage}' gives a {type(output).__name__}, not one tensor: name another stage")
        last = output.ndim == 4 and channels_last(network, stage, output.shape, square=square)
        found = pooled(output, channels_last=last)
        shared = bool(stages) and output.ndim not in (3, 4)  # not averaged: the next module may write into it
        seen[number] = found.clone() if shared else found

    def after(number: int, stage: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _module, _inputs, output: keep(number, stage, output)

    if stages:
        handles = [
            network.get_submodule(stage).register_forward_hook(after(number, stage))
            for number, stage in enumerate(stages)
        ]
    else:
        layer = classifying_layer(network)
        handles = [layer.register_forward_pre_hook(lambda _module, inputs: keep(0, "", inputs[0]))]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def pooled(output: Tensor, *, channels_last: bool = False) -> Tensor:
    """Latents (N, D) of maps (N, D, H, W) or (N, H, W, D), of tokens (N, T, D), or of anything else flattened."""
    if output.ndim == 4:
        return output.mean((1, 2) if channels_last else (2, 3))
    return output.mean(1) if output.ndim == 3 else output.flatten(1)


def channels_last(network: nn.Module, stage: str, shape: Sequence[int], *, square: bool) -> bool:
    """Return whether maps of this ``shape`` are (N, H, W, C), as Swin's are, rather than (N, C, H, W).

    timm knows the channels of its stages. For other modules: maps of square images are square, so the
    channels are the side that differs from two equal ones. Where neither decides, the network's own
    ``output_fmt`` does.
    """
    width = _channels(network).get(stage)
    if width is not None and (shape[1] == width) != (shape[3] == width):
        return shape[3] == width
    if square and (shape[1] == shape[2]) != (shape[2] == shape[3]):
        return shape[1] == shape[2]
    return str(getattr(network, "output_fmt", "")).endswith("NHWC")


def classifying_layer(network: nn.Module) -> nn.Module:
    """Find the layer of the logits: timm's classifier, else the last linear layer, else the last 1 x 1 convolution.

    In a network whose classifier was removed it is what stands in its place, an ``Identity``, as far as this is known.

    Raises:
        UserError: there is none.
    """
    get_classifier: Any = getattr(network, "get_classifier", None)
    layer = get_classifier() if get_classifier else None
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.Identity):
        return layer
    layers = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not layers and isinstance(last := [*network.modules()][-1], nn.Identity):
        return last
    if not layers:  # SqueezeNet
        layers = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1:]
        layers = [module for module in layers if module.kernel_size == (1, 1)]
    if not layers:
        raise UserError(f"{type(network).__name__} has no linear layer to take latents from: name a stage")
    return layers[-1]


def stages_of(network: nn.Module) -> list[str]:
    """Name the stages: timm's own list, else the network's children."""
    return list(_channels(network)) or [name for name, _ in network.named_children()]


def _channels(network: nn.Module) -> dict[str, int | None]:
    info = getattr(network, "feature_info", None)
    return {entry["module"]: entry.get("num_chs") for entry in info} if isinstance(info, list) else {}
