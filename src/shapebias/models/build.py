"""Building a model by its architecture's name: timm's by the bare name, torchvision's as ``torchvision:NAME``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from shapebias.data.transforms import RESAMPLING, Preprocessing, Squashed
from shapebias.errors import UserError, unknown
from shapebias.libraries import timm, torchvision
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.pretrained import check_download, no_weights, timm_overlay
from shapebias.models.state_dict import fill

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


def timm_classifier(
    name: str,
    identity: Identity,
    *,
    pretrained: bool = False,
    size: int | None = None,
    crop: float = 1.0,
    stages: Sequence[str] = (),
) -> Classifier:
    """A timm network as a ``Classifier``.

    Without ``size`` it gets the preprocessing that timm evaluates it with; with ``size`` (a training of
    ours) the centre of images is resized to that size, ``crop`` of their shorter side. Its head has
    ``len(identity.classes)`` outputs, or timm's own number where the classes are None.

    Raises:
        UserError: no such network, no pretrained weights of it, none that can be downloaded, or preprocessing
            that is not supported.
    """
    base = name.split(".")[0]
    if not timm.is_model(base):
        raise unknown_timm(base)
    kwargs: dict[str, Any] = {} if identity.classes is None else {"num_classes": len(identity.classes)}
    if pretrained:
        kwargs["pretrained_cfg_overlay"] = timm_overlay(name)
    try:
        network: Any = timm.create_model(name, pretrained=pretrained, **kwargs)
    except Exception as error:
        if not pretrained:
            raise UserError(f"timm cannot build '{name}': {_first_line(error)}") from error
        raise no_weights(name, error) from error
    config: dict[str, Any] = network.pretrained_cfg
    if size is None:
        preprocessing, mean, std = timm_preprocessing(config, name)
    else:
        preprocessing, mean, std = (
            Preprocessing(size=size, crop=crop, interpolation="bicubic"),
            config["mean"],
            config["std"],
        )
    return Classifier(network, identity, preprocessing, mean=mean, std=std, stages=stages)


def unknown_timm(name: str) -> UserError:
    """An unknown timm model, with the nearest names there are."""
    near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see timm.list_models() for the names there are"
    return UserError(f"unknown model '{name}': {hint}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def timm_preprocessing(config: Mapping[str, Any], name: str) -> tuple[Preprocessing, Sequence[float], Sequence[float]]:
    """Preprocessing, mean and std of a ``pretrained_cfg``, by timm's own resolution of what it leaves open.

    The sizes are those of training, as timm takes unless told to use ``test_input_size``. The centre is
    cut out of the resized image (``Preprocessing``) or of the squashed one (``Squashed``).

    Raises:
        UserError: something that we do not do: padding, oblong or other than RGB input, a rare interpolation.
    """
    library: Any = timm
    found = library.data.resolve_data_config(pretrained_cfg=dict(config))
    channels, height, width = found["input_size"]
    crop, mode, interpolation = found["crop_pct"], found["crop_mode"], found["interpolation"]
    odd = [
        f"{channels} channels" * (channels != 3),
        f"{height} x {width} pixels" * (height != width),
        f"crop mode '{mode}'" * (mode not in ("center", "squash")),
        f"crop {crop}, which pads," * (crop > 1),
        f"interpolation '{interpolation}'" * (interpolation not in RESAMPLING),
    ]
    if any(odd):
        raise UserError(
            f"'{name}' wants its images with {' and '.join(filter(None, odd))}, which is not supported: "
            "only square RGB images, resized bicubic or bilinear, with the centre cut out"
        )
    make = Squashed if mode == "squash" else Preprocessing
    return make(size=height, crop=crop, interpolation=interpolation), found["mean"], found["std"]


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
            fill(network, _pretrained(name, weights))
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
