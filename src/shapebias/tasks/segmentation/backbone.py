"""A network up to one of its stages: it maps images to the feature map of that stage."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from shapebias.errors import UserError
from shapebias.libraries import timm
from shapebias.models.build import build_classifier, split_architecture
from shapebias.models.classifier import Identity
from shapebias.models.features import channels_last, stages_of
from shapebias.models.timm_folder import is_source, read_timm_folder

LEAST_SIDE = 2  # of a feature map; a single position has no spatial information


class _Reached(Exception):
    """Ends the forward pass when the stage has its feature map; not an error."""


class Backbone(nn.Module):
    """The part of ``network`` up to ``stage``: normalised images (N, 3, H, W) to feature maps (N, C, h, w).

    Modules that do not affect the feature map, such as the classification layer, are removed from ``network``.

    Args:
        network: a network from timm, torchvision or elsewhere, which is modified.
        stage: name of a module in it that returns a feature map; None for the last one.
        size: side in pixels of the square images to test it with.
        name: name of the model, for messages.

    Raises:
        UserError: the network does not accept images of this size or of other sizes, or the stage does not return a
            feature map of more than one position.
    """

    def __init__(self, network: nn.Module, stage: str | None, *, size: int, name: str) -> None:
        super().__init__()
        maps = maps_of(network, size, name, stage)
        if not maps or (stage is not None and stage not in maps):
            there = f"use one of {', '.join(maps)}" if maps else "no other stage does, so use another model"
            raise UserError(f"{name} has no feature map at stage '{stage or stages_of(network)[-1]}': {there}")
        self.network, self.stage = network, list(maps)[-1] if stage is None else stage
        shape = maps[self.stage]
        self.channels_last = channels_last(network, self.stage, shape, square=True)
        self.channels, side = (shape[3], shape[1]) if self.channels_last else (shape[1], shape[2])
        if side < LEAST_SIDE:
            raise UserError(
                f"{name}'s stage '{self.stage}' reduces an image of --size {size} to {side}x{side}: give a larger "
                f"--size, or an earlier --stage from {', '.join(maps)}"
            )
        self.stride = 2 ** round(math.log2(size / side))  # rounded, since convolutions without padding cut off edges
        self._drop_unused(size)
        try:
            with torch.no_grad():
                self(torch.zeros(1, 3, size, size + 2 * self.stride))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise UserError(
                f"{name} accepts only images of {size}x{size}, and segmentation uses whole images: use a model that "
                "accepts any size"
            ) from error

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map (N, C, h, w) of normalised ``images``."""
        seen: list[Tensor] = []

        def stop(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            seen.append(output)
            raise _Reached

        handle = self.network.get_submodule(self.stage).register_forward_hook(stop)
        try:
            self.network(images)
        except _Reached:
            pass
        finally:
            handle.remove()
        return seen[0].permute(0, 3, 1, 2).contiguous() if self.channels_last else seen[0]

    def _drop_unused(self, size: int) -> None:
        """Replace the modules none of whose weights affect the feature map."""
        names, parameters = zip(*self.network.named_parameters(), strict=True)
        with torch.enable_grad():
            found = torch.autograd.grad(self(torch.zeros(1, 3, size, size)).sum(), parameters, allow_unused=True)
        used = {name for name, gradient in zip(names, found, strict=True) if gradient is not None}

        def visit(module: nn.Module, prefix: str) -> None:
            for name, child in module.named_children():
                inside = [f"{prefix}{name}.{parameter}" for parameter, _ in child.named_parameters()]
                if inside and used.isdisjoint(inside):
                    setattr(module, name, nn.Identity())
                else:
                    visit(child, f"{prefix}{name}.")

        visit(self.network, "")


def maps_of(network: nn.Module, size: int, name: str, besides: str | None = None) -> dict[str, tuple[int, ...]]:
    """Return by stage, in order, the shape (1, C, h, w) or (1, h, w, C) of its feature map of a square image.

    The stages are ``stages_of(network)`` and the module ``besides``, without those that pool to a fixed size.

    Raises:
        UserError: the network does not accept images of ``size``, or has no module ``besides``.
    """
    modules = dict(network.named_modules())
    if besides is not None and besides not in modules:
        raise UserError(f"{name} has no stage '{besides}': it has {', '.join(stages_of(network))}")
    found: dict[str, tuple[int, ...]] = {}

    def keep(stage: str, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            found[stage] = tuple(output.shape)

    stages = [*stages_of(network), *([besides] if besides and besides not in stages_of(network) else [])]
    handles = [
        modules[stage].register_forward_hook(lambda _module, _inputs, output, stage=stage: keep(stage, output))
        for stage in stages
        if not _pools(modules[stage])
    ]
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, size, size))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise UserError(f"{name} does not accept images of --size {size}: {reason}") from error
    finally:
        for handle in handles:
            handle.remove()
    return {stage: found[stage] for stage in stages if stage in found}


def _pools(module: nn.Module) -> bool:
    """Return whether a module ends in pooling to a fixed size, as SqueezeNet's classifier does."""
    if isinstance(module, nn.Sequential) and len(module):
        return _pools(module[-1])
    return isinstance(module, nn.AdaptiveAvgPool2d)


def bare_network(architecture: str, output_stride: int) -> nn.Module:
    """Return an ``architecture`` with random weights, with the given ``output_stride`` where it supports one.

    timm's networks with an ``output_stride`` replace strides by dilation; Swin is built to accept any image size.

    Raises:
        UserError: the architecture is unknown.
    """
    library, name = split_architecture(architecture)
    fixed: dict[str, Any] = {}
    if is_source(name):
        folder = read_timm_folder(name)
        name, fixed = folder.architecture, {**folder.arguments, "pretrained_cfg": folder.pretrained}
        fixed["num_classes"] = folder.outputs
    options: tuple[dict[str, Any], ...] = ({"output_stride": output_stride}, {"strict_img_size": False})
    for option in options[output_stride == 32 :] if library == "timm" else ():
        try:
            return timm.create_model(name, **fixed, **option)
        except Exception:  # models refuse an option in different ways: TypeError, AssertionError
            continue
    return build_classifier(architecture, Identity(name, name, architecture)).network
