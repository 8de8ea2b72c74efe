"""Building a model by its architecture's name: timm's by the bare name, torchvision's as ``torchvision:NAME``.

Behind a dot a name may have that of published weights, as timm writes it: ``resnet50.a1_in1k``,
``torchvision:resnet50.IMAGENET1K_V1``.
"""

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
from shapebias.models.state_dict import fill, load_weights
from shapebias.models.timm_folder import TimmFolder, is_source, read_timm_folder

LIBRARIES = ("timm", "torchvision")
_Built = tuple[nn.Module, Preprocessing, Sequence[float], Sequence[float]]  # with the mean and std of its pixels
_WITH_AUXILIARY_HEADS = ("googlenet", "inception_v3")


def build_classifier(
    architecture: str,
    identity: Identity,
    *,
    pretrained: bool = False,
    size: int | None = None,
    crop: float = 1.0,
    stages: Sequence[str] = (),
    file: str | None = None,
) -> Classifier:
    """Return the network ``architecture`` as a ``Classifier`` with one output per class of ``identity``.

    Without ``size`` it gets the preprocessing that its library evaluates it with; with ``size`` (a training of
    ours) the centre of images is resized to that size, ``crop`` of their shorter side. Where the classes are None
    its head has the library's own number of outputs. Pretrained weights fill all but a head of another number of
    classes; torchvision's are its default ones unless the name has others. Where the weights will come from a
    ``file``, a torchvision network gets the preprocessing of torchvision's weights of that name, else of its first
    ones: the plain recipe, which other people's files follow too.

    Raises:
        UserError: no such network, one that trains through auxiliary heads, pretrained weights that cannot be had, or
            preprocessing that is not supported.
    """
    library, name = split_architecture(architecture)
    ours = None if size is None else Preprocessing(size=size, crop=crop, interpolation="bicubic")
    classes = None if identity.classes is None else len(identity.classes)
    if library == "torchvision":
        network, preprocessing, mean, std = _torchvision_network(name, classes, pretrained, ours, file)
    else:
        network, preprocessing, mean, std = _timm_network(name, classes, pretrained, ours)
    return Classifier(network, identity, preprocessing, mean=mean, std=std, stages=stages)


def split_architecture(architecture: str) -> tuple[str, str]:
    """Library and name of an architecture; a bare name is timm's.

    >>> split_architecture("resnet18"), split_architecture("torchvision:alexnet")
    (('timm', 'resnet18'), ('torchvision', 'alexnet'))
    """
    library, sign, name = architecture.partition(":")
    if not sign or is_source(architecture):
        return "timm", architecture
    if library not in LIBRARIES:
        raise UserError(f"unknown model '{architecture}': give a timm name or torchvision:NAME")
    return library, name


def _timm_network(name: str, classes: int | None, pretrained: bool, ours: Preprocessing | None) -> _Built:
    if is_source(name):
        network = _shared_network(read_timm_folder(name), name, classes, pretrained)
    else:
        network = _own_network(name, classes, pretrained)
    config: dict[str, Any] = network.pretrained_cfg
    if ours is None:
        return network, *timm_preprocessing(config, name)
    return network, ours, config["mean"], config["std"]


def _own_network(name: str, classes: int | None, pretrained: bool) -> Any:
    base = name.split(".")[0]
    if not timm.is_model(base):
        raise unknown_timm(base)
    kwargs: dict[str, Any] = {} if classes is None else {"num_classes": classes}
    if pretrained:
        kwargs["pretrained_cfg_overlay"] = timm_overlay(name)
    try:
        return timm.create_model(name, pretrained=pretrained, **kwargs)
    except Exception as error:
        if not pretrained:
            raise UserError(f"timm cannot build '{name}': {_first_line(error)}") from error
        raise no_weights(name, error) from error


def _shared_network(folder: TimmFolder, name: str, classes: int | None, pretrained: bool) -> Any:
    if not timm.is_model(folder.architecture):
        raise unknown_timm(folder.architecture)
    outputs = folder.outputs if classes is None else classes
    try:
        network: Any = timm.create_model(
            folder.architecture, pretrained_cfg=folder.pretrained, num_classes=outputs, **folder.arguments
        )
    except Exception as error:
        raise UserError(f"timm cannot build '{name}': {_first_line(error)}") from error
    if pretrained:
        load_weights(network, folder.weights, except_head=outputs != folder.outputs)
    return network


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


def _torchvision_network(
    name: str, classes: int | None, pretrained: bool, ours: Preprocessing | None, file: str | None
) -> _Built:
    weights, name = torchvision_weights(name, file), name.partition(".")[0]
    as_published = pretrained and classes is None
    if name in _WITH_AUXILIARY_HEADS and not as_published:
        raise UserError(f"torchvision:{name} trains through auxiliary heads, which are not supported: take another")
    if as_published:
        network = _pretrained(name, weights)
    else:
        kwargs: dict[str, Any] = {} if classes is None else {"num_classes": classes}
        network = torchvision.models.get_model(name, weights=None, **kwargs)
        if pretrained:
            fill(network, _pretrained(name, weights))
    transform = weights.transforms()
    published = Preprocessing(
        size=transform.crop_size[0],
        crop=transform.crop_size[0] / transform.resize_size[0],
        interpolation=transform.interpolation.value,
    )
    return network, ours or published, transform.mean, transform.std


def torchvision_weights(name: str, file: str | None = None) -> Any:
    """Return torchvision's weights called ``NAME.WEIGHTS``, or the default ones of a bare NAME.

    For a bare NAME with a ``file`` of weights they are those that are published in a file of that name, else the first.

    Raises:
        UserError: no such model, or no such weights for it.
    """
    base, sign, tag = name.partition(".")
    known = torchvision.models.list_models(module=torchvision.models)
    if base not in known:
        raise unknown("torchvision model", base, known)
    every: Any = torchvision.models.get_model_weights(base)
    if sign:
        if tag not in every.__members__:
            raise unknown(f"weights of torchvision:{base}", tag, every.__members__)
        return every[tag]
    if file is None:
        return every["DEFAULT"]
    return next((weights for weights in every if weights.url.endswith(f"/{file}")), next(iter(every)))


def _pretrained(name: str, weights: Any) -> nn.Module:
    check_download(weights.url, f"torchvision:{name}")
    try:
        return torchvision.models.get_model(name, weights=weights)
    except Exception as error:  # no connection, a broken file: there are many ways
        raise no_weights(f"torchvision:{name}", error) from error
