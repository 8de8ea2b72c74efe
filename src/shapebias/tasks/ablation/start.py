"""The network that every row begins with."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.errors import UserError
from shapebias.models.build import build_classifier, split_architecture
from shapebias.models.checkpoint import MODEL_FILE, load_weights, read_header, take_normalisation
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.init_from import init_from
from shapebias.tasks.ablation.config import AblationConfig


def starting_network(config: AblationConfig) -> Classifier:
    """A network for VOC's classes with the weights that ``config.init`` names and a new classifying layer.

    What is drawn, the classifying layer or (``init`` none) everything, follows from the seed alone: rows of one seed
    begin with the same weights. Latents come in the order of the passing: those of the last of ``config.stages`` first.

    Raises:
        UserError: no such network, weights that do not fit it, or stages that it does not have.
    """
    library, name = split_architecture(config.model)
    identity = Identity("source", f"{library}:{name}", name, VOC_CLASSES)
    seen = {"size": config.size, "crop": config.test_crop}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed)
        source = build_classifier(config.model, identity, pretrained=config.init == "pretrained", **seen)
    if config.init not in ("none", "pretrained"):
        file = weights_file(config.init)
        load_weights(source.network, file, except_head=True)
        with suppress(UserError):  # not a file of ours
            take_normalisation(source, read_header(file))
    return init_from(source, VOC_CLASSES, name=config.row, stages=config.stages[::-1], seed=config.loop.seed, **seen)


def weights_file(init: str) -> Path:
    """The file that a run folder or a file stands for.

    Raises:
        UserError: there is none, or the run is not finished.
    """
    path = Path(init)
    if path.is_dir():
        path = path / MODEL_FILE
    if not path.is_file():
        raise UserError(f"no weights {path}: give --init none, pretrained, a weights file or a finished run's folder")
    return path
