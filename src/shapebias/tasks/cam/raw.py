"""Raw class activation maps: the classifying layer applied at every place of the last map (Zhou et al. 2016).

They exist where a network ends in a map, something linear over space (an average) and one linear layer. Then the mean
over space of a class's raw map is its logit without the bias, which ``class_maps`` checks on an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from shapebias.errors import UserError
from shapebias.models.classifier import Classifier
from shapebias.models.latents import classifying_layer, stages_of

TOLERANCE = 1e-4  # of the largest logit without its bias
ROUNDING = 1e-6  # of the largest logit


@dataclass(frozen=True)
class ClassMaps:
    """A network whose logits are means of class maps, and where in it the last map is.

    ``weight`` (K, D) and ``bias`` (K,) are the classifying layer's. The map is what ``module``, called ``place`` in
    the network, is given, or what it makes, as ``given`` says.
    """

    model: Classifier
    module: nn.Module
    place: str
    given: bool
    weight: Tensor
    bias: Tensor

    def __call__(self, images: Tensor, classes: Sequence[int] | None = None) -> Tensor:
        """The raw maps (N, k, h, w) of ``classes``, or of all, for float RGB images (N, 3, H, W) in [0, 1]."""
        kept: list[Tensor] = []

        def keep(_module: nn.Module, inputs: Any, output: Any) -> None:
            kept.append(inputs[0] if self.given else output)

        handle = self.module.register_forward_hook(keep)
        try:
            self.model(images)
        finally:
            handle.remove()
        return raw_cam(kept[-1], self.weight if classes is None else self.weight[list(classes)])


def raw_cam(features: Tensor, weight: Tensor) -> Tensor:
    """A linear layer's ``weight`` (K, D) at every place of ``features`` (N, D, h, w), no bias added: (N, K, h, w)."""
    return torch.einsum("ndhw,kd->nkhw", features.float(), weight.float())


def class_maps(model: Classifier, image: Tensor) -> ClassMaps:
    """Find the last map of ``model``, which is in evaluation mode.

    Of all maps that the network's modules take or make, the last one with which the identity holds on ``image``:
    the mean over space of the raw maps, plus the bias, are the logits.

    Args:
        model: any classifier.
        image: float RGB (3, H, W) in [0, 1], of a size that the network takes and large enough for a map of several
            places.

    Raises:
        UserError: the network takes only images of its own size, or there is no such map.
    """
    layer = _linear(model)
    weight = layer.weight.detach().flatten(1)
    bias = torch.zeros(len(weight), device=weight.device) if layer.bias is None else layer.bias.detach()
    with _recorded(model.network, weight.shape[1]) as maps, torch.inference_mode():
        try:
            logits = model(image[None])
        except torch.OutOfMemoryError as error:
            raise UserError("no memory for an image of this size: give a lower --size") from error
        except (AssertionError, RuntimeError, ValueError) as error:
            raise UserError(
                f"{_named(model)} does not take images of {image.shape[2]}x{image.shape[1]} pixels "
                f"({_one_line(error)}): class activation maps need a network for any size, take a convolutional one"
            ) from error
        assert isinstance(logits, Tensor)
        allowed = TOLERANCE * (logits - bias).abs().max() + ROUNDING * logits.abs().max()
        for name, module, given, features in reversed(maps):
            found = raw_cam(features, weight).mean((2, 3)) + bias
            if found.shape == logits.shape and (found - logits).abs().max() <= allowed:
                return ClassMaps(model, module, name, given, weight, bias)
    raise _no_map(model, weight.shape[1], [features for *_, features in maps])


@contextmanager
def _recorded(network: nn.Module, channels: int) -> Iterator[list[tuple[str, nn.Module, bool, Tensor]]]:
    """Every map (N, ``channels``, h, w) of several places that modules take or make, in order, while this is open.

    They are what becomes of them by the end of the pass: a rectifier may write where it reads.
    """
    maps: list[tuple[str, nn.Module, bool, Tensor]] = []

    def look(name: str, module: nn.Module, given: bool, value: Any) -> None:
        is_map = isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] == channels
        if is_map and value.shape[2] * value.shape[3] > 1:
            maps.append((name, module, given, value))

    def before(name: str) -> Any:
        return lambda module, inputs: look(name, module, True, inputs[0] if inputs else None)

    def after(name: str) -> Any:
        return lambda module, _inputs, output: look(name, module, False, output)

    handles = []
    for name, module in network.named_modules():
        if name:
            handles.append(module.register_forward_pre_hook(before(name)))
            handles.append(module.register_forward_hook(after(name)))
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def _linear(model: Classifier) -> nn.Linear | nn.Conv2d:
    try:
        layer = classifying_layer(model.network)
    except UserError as error:
        raise _no_map(model, None, []) from error
    if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)):
        return layer
    raise _no_map(model, None, [])


def _no_map(model: Classifier, width: int | None, maps: Sequence[Tensor]) -> UserError:
    """Why there are no class activation maps."""
    if width is None:
        why = "it does not end in a linear layer"
    elif not maps:
        why = f"no map of the {width} channels that its last linear layer takes comes before it"
    else:
        why = "its logits are not the mean over space of its last linear layer on the map before it"
    stages = ", ".join(stages_of(model.network))
    return UserError(
        f"{_named(model)} has no class activation maps: {why} (its stages: {stages}); take one that ends in a map, "
        "its average and a linear layer, such as a ResNet"
    )


def _named(model: Classifier) -> str:
    name, architecture = model.identity.name, model.identity.architecture
    return name if name == architecture else f"{name} ({architecture})"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
