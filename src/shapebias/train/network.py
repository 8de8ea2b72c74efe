"""The network a run begins with."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import MODEL_FILE, load_weights
from shapebias.models.classifier import Classifier, Identity
from shapebias.train.config import TrainConfig


def build_network(config: TrainConfig, folder: ImageSet) -> Classifier:
    """A timm or torchvision network for the folder's classes, with the weights that ``config.init`` names.

    A classifying layer of another number of classes is left at its random start, and said so.

    Raises:
        UserError: no such network, or weights that do not fit it.
    """
    identity = Identity(
        name=config.loop.out.name,
        spec=str(config.loop.out),
        architecture=config.model,
        classes=folder.classes,
        scheme=config.scheme,
    )
    pretrained = config.init == "pretrained"
    model = build_classifier(
        config.model,
        identity,
        pretrained=pretrained,
        size=config.size,
        crop=config.test_crop,
        stages=config.stages,
    )
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, config.size, config.size))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise UserError(f"{config.model} does not take images of --size {config.size}: {error}") from error
    heads = getattr(model.network, "pretrained_cfg", {}).get("num_classes", 1000)
    if pretrained and len(folder.classes) != heads:
        print(f"{config.model}: its pretrained classifying layer has other classes and was left out", file=sys.stderr)
    if config.init not in ("none", "pretrained"):
        path = Path(config.init)
        path = path / MODEL_FILE if path.is_dir() else path
        left = load_weights(model.network, path, except_head=True)
        if left:
            print(
                f"{path}: its classifying layer has other classes and was left out ({', '.join(left)})", file=sys.stderr
            )
    return model
