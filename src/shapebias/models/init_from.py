"""A model for another task, initialised from the weights of an existing one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from shapebias.errors import UserError
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.state_dict import fill_all_but, head_names
from shapebias.stats.streams import Draw, torch_seed


def init_from(
    source: Classifier,
    classes: Sequence[str],
    *,
    name: str,
    size: int | None = None,
    crop: float = 1.0,
    stages: Sequence[str] = (),
    seed: int = 0,
) -> Classifier:
    """Return a model of ``source``'s architecture and weights with a new classifying layer for ``classes``.

    The layer is initialised by ``seed``, also where there are as many classes as before. Without ``size`` it sees
    images of the source's; mean and standard deviation are the source's in either case.

    Raises:
        UserError: the source is not a network of timm's or torchvision's, and cannot be built anew.
    """
    architecture = architecture_of(source)
    identity = Identity(name, source.identity.spec, architecture, tuple(classes), scheme=source.identity.scheme)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(Draw.NEW_HEAD, seed))
        model = build_classifier(
            architecture, identity, size=size or source.preprocessing.size, crop=crop, stages=stages
        )
    model.mean, model.std = source.mean.cpu().clone(), source.std.cpu().clone()
    head = head_names(model.network)
    if not head:
        raise UserError(f"{architecture} has no classifying layer to replace: take another architecture")
    fill_all_but(model.network, source.network, head, name=source.identity.name, architecture=architecture)
    return model


def architecture_of(model: Classifier) -> str:
    """The architecture as ``build_classifier`` takes it: timm's name, or ``torchvision:NAME``.

    Raises:
        UserError: the network comes from a callable.
    """
    kind, sign, _ = model.identity.spec.partition(":")
    if sign and kind == "torchvision":
        return f"torchvision:{model.identity.architecture}"
    if sign and kind != "timm" and "/" not in kind and kind.replace(".", "").isidentifier():
        raise UserError(f"{model.identity.spec} is a callable's network, which cannot be built anew for other classes")
    return model.identity.architecture
