"""A network by its architecture's name: timm's by the bare name, torchvision's as ``torchvision:NAME``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from shapebias.data.image_batches import Preprocessing
from shapebias.errors import UserError, unknown
from shapebias.libraries import torchvision
from shapebias.models.classifier import Classifier, Identity, timm_classifier
from shapebias.models.pretrained import check_download, no_weights

_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")


def build_classifier(
    architecture: str,
    identity: Identity,
    *,
    pretrained: bool = False,
    size: int | None = None,
    crop: float = 1.0,
    stages: Sequence[str] = (),
) -> Classifier:
    """The network ``architecture`` as a ``Classifier`` with one output per class of ``identity``.

    ``size`` and ``crop`` as in ``timm_classifier``. Pretrained weights fill all but a head of another
    number of classes.

    Raises:
        UserError: no such network, or its pretrained weights cannot be had.
    """
    library, name = split_architecture(architecture)
    make = torchvision_classifier if library == "torchvision" else timm_classifier
    return make(name, identity, pretrained=pretrained, size=size, crop=crop, stages=stages)


def split_architecture(architecture: str) -> tuple[str, str]:
    """Library and name of an architecture; a bare name is timm's.

    >>> split_architecture("resnet18"), split_architecture("torchvision:alexnet")
    (('timm', 'resnet18'), ('torchvision', 'alexnet'))
    """
    library, sign, name = architecture.partition(":")
    if not sign:
        return "timm", architecture
    if library not in ("timm", "torchvision"):
        raise UserError(f"unknown model '{architecture}': give a timm name or torchvision:NAME")
    return library, name


def torchvision_classifier(
    name: str,
    identity: Identity,
    *,
    pretrained: bool = False,
    size: int | None = None,
    crop: float = 1.0,
    stages: Sequence[str] = (),
    file: str | None = None,
) -> Classifier:
    """A torchvision network as a ``Classifier``; its pretrained weights are torchvision's default ones.

    Without ``size`` it gets their preprocessing. Where the weights come from a ``file``, that of torchvision's
    weights of that name, else of its first ones: the plain recipe, which other people's files follow too.

    Raises:
        UserError: no such network, one that trains through auxiliary heads, or its weights cannot be downloaded.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise unknown("torchvision model", name, known)
    as_published = pretrained and identity.classes is None
    if name in _WITH_AUXILIARY_HEADS and not as_published:
        raise UserError(f"torchvision:{name} trains through auxiliary heads, which are not supported: take another")
    known_weights: Any = torchvision.models.get_model_weights(name)
    weights = known_weights["DEFAULT"]
    if file is not None:
        weights = next((w for w in known_weights if w.url.endswith(f"/{file}")), next(iter(known_weights)))
    kwargs: dict[str, Any] = {} if identity.classes is None else {"num_classes": len(identity.classes)}
    if as_published:
        network = _pretrained(name, weights)
    else:
        network = torchvision.models.get_model(name, weights=None, **kwargs)
        if pretrained:
            _fill(network, _pretrained(name, weights))
    transform = weights.transforms()
    if size is None:
        preprocessing = Preprocessing(
            size=transform.crop_size[0],
            crop=transform.crop_size[0] / transform.resize_size[0],
            interpolation=transform.interpolation.value,
        )
    else:
        preprocessing = Preprocessing(size=size, crop=crop, interpolation="bicubic")
    return Classifier(network, identity, preprocessing, mean=transform.mean, std=transform.std, stages=stages)


def _pretrained(name: str, weights: Any) -> nn.Module:
    check_download(weights.url, f"torchvision:{name}")
    try:
        return torchvision.models.get_model(name, weights=weights)
    except Exception as error:  # no connection, a broken file: there are many ways
        raise no_weights(f"torchvision:{name}", error) from error


def _fill(network: nn.Module, source: nn.Module) -> None:
    """Copy into ``network`` what has the same shape in ``source``, a network that differs in its head at most."""
    own, given = network.state_dict(), source.state_dict()
    with torch.no_grad():
        for name, value in own.items():
            if value.shape == given[name].shape:
                value.copy_(given[name])
