"""Class activation maps: the classification layer at every position of the last feature map (Zhou et al. 2016).

They exist if a model ends in a feature map, its spatial average and one linear layer. The spatial mean of a class's map
is then its logit without the bias, which ``find_class_maps`` checks on an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from shapebias.errors import UserError
from shapebias.models.classifier import Classifier
from shapebias.models.features import classifying_layer, stages_of

TOLERANCE = 1e-4  # relative to the largest logit without its bias
ROUNDING = 1e-6  # relative to the largest logit


@dataclass(frozen=True)
class ClassMaps:
    """A model whose logits are spatial means of class maps, with the location of its last feature map.

    Attributes:
        model: the model.
        module: the module whose input (if ``is_input``) or output is the last feature map.
        place: name of the module in the network.
        is_input: whether the map is the module's input.
        weight: weight of the classification layer, (K, D).
        bias: bias of the classification layer, (K,).
    """

    model: Classifier
    module: nn.Module
    place: str
    is_input: bool
    weight: Tensor
    bias: Tensor

    def __call__(self, images: Tensor, classes: Sequence[int] | None = None) -> Tensor:
        """Return the maps (N, k, h, w) of ``classes`` (default: all) for float RGB images (N, 3, H, W) in [0, 1]."""
        features: list[Tensor] = []

        def keep(_module: nn.Module, inputs: Any, output: Any) -> None:
            features.append(inputs[0] if self.is_input else output)

        handle = self.module.register_forward_hook(keep)
        try:
            self.model(images)
        finally:
            handle.remove()
        return raw_cam(features[-1], self.weight if classes is None else self.weight[list(classes)])


def raw_cam(features: Tensor, weight: Tensor) -> Tensor:
    """Apply ``weight`` (K, D) without bias at every position of ``features`` (N, D, h, w); return (N, K, h, w)."""
    return torch.einsum("ndhw,kd->nkhw", features.float(), weight.float())


def find_class_maps(model: Classifier, image: Tensor) -> ClassMaps:
    """Find the last feature map of ``model``, which must be in evaluation mode.

    This is the last input or output of a module for which the spatial mean of the class maps plus the bias equals the
    logits on ``image``.

    Args:
        model: any classifier.
        image: float RGB (3, H, W) in [0, 1], of a size that the model accepts, large enough for a feature map of more
            than one position.

    Raises:
        UserError: the model accepts only images of its own size, or there is no such map.
    """
    layer = _linear_layer(model)
    weight = layer.weight.detach().flatten(1)
    bias = torch.zeros(len(weight), device=weight.device) if layer.bias is None else layer.bias.detach()
    with _feature_maps(model.network, weight.shape[1]) as maps, torch.inference_mode():
        try:
            logits = model(image[None])
        except torch.OutOfMemoryError as error:
            raise UserError("too little memory for an image of this size: give a lower --size") from error
        except (AssertionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            raise UserError(
                f"{_name(model)} does not accept images of {image.shape[2]}x{image.shape[1]} pixels ({reason}): use "
                "a convolutional model, which accepts any size"
            ) from error
        assert isinstance(logits, Tensor)
        allowed = TOLERANCE * (logits - bias).abs().max() + ROUNDING * logits.abs().max()
        for found in reversed(maps):
            means = raw_cam(found.features, weight).mean((2, 3)) + bias
            if means.shape == logits.shape and (means - logits).abs().max() <= allowed:
                return ClassMaps(model, found.module, found.place, found.is_input, weight, bias)
    if not maps:
        raise _no_maps(
            model, f"its last linear layer follows no feature map with the {weight.shape[1]} channels of its input"
        )
    raise _no_maps(model, "its logits are not the spatial mean of its last linear layer applied to the map before it")


class _FeatureMap(NamedTuple):
    place: str
    module: nn.Module
    is_input: bool
    features: Tensor


@contextmanager
def _feature_maps(network: nn.Module, channels: int) -> Iterator[list[_FeatureMap]]:
    """Collect the inputs and outputs of modules that are maps (N, ``channels``, h, w) of several positions, in order.

    Their values are those at the end of the forward pass, since an in-place rectifier may change them.
    """
    maps: list[_FeatureMap] = []

    def keep(place: str, module: nn.Module, is_input: bool, value: Any) -> None:
        if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] == channels and value[0, 0].numel() > 1:
            maps.append(_FeatureMap(place, module, is_input, value))

    def before(place: str) -> Any:
        return lambda module, inputs: keep(place, module, True, inputs[0] if inputs else None)

    def after(place: str) -> Any:
        return lambda module, _inputs, output: keep(place, module, False, output)

    handles = []
    for place, module in network.named_modules():
        if place:
            handles.append(module.register_forward_pre_hook(before(place)))
            handles.append(module.register_forward_hook(after(place)))
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def _linear_layer(model: Classifier) -> nn.Linear | nn.Conv2d:
    reason = "it does not end in a linear layer"
    try:
        layer = classifying_layer(model.network)
    except UserError as error:
        raise _no_maps(model, reason) from error
    if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)):
        return layer
    raise _no_maps(model, reason)


def _no_maps(model: Classifier, reason: str) -> UserError:
    return UserError(
        f"{_name(model)} has no class activation maps: {reason} (its stages: {', '.join(stages_of(model.network))}); "
        "use a model that ends in a feature map, its average and a linear layer, such as a ResNet"
    )


def _name(model: Classifier) -> str:
    name, architecture = model.identity.name, model.identity.architecture
    return name if name == architecture else f"{name} ({architecture})"
