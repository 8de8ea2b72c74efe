"""The network that every row begins with."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

from shapebias.ablation.config import AblationConfig
from shapebias.data.voc import VOC_CLASSES
from shapebias.errors import UserError
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import MODEL_FILE, load_weights, read_header, take_normalisation
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.latents import classifying_layer


def starting_network(config: AblationConfig) -> Classifier:
    """A network for VOC's classes with the weights that ``config.init`` names and a new classifying layer.

    What is drawn, the classifying layer or (``init`` none) everything, follows from the seed alone: rows of one seed
    begin with the same weights.

    Raises:
        UserError: no such network, weights that do not fit it, or stages that it does not have.
    """
    identity = Identity(config.row, str(config.out), config.model, VOC_CLASSES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build_classifier(
            config.model,
            identity,
            pretrained=config.init == "pretrained",
            size=config.size,
            crop=config.test_crop,
            stages=config.stages,
        )
    if config.init not in ("none", "pretrained"):
        head = classifying_layer(model.network)
        drawn = {name: value.clone() for name, value in head.state_dict().items()}
        file = weights_file(config.init)
        load_weights(model.network, file, except_head=True)
        head.load_state_dict(drawn)
        with suppress(UserError):  # not a file of ours
            take_normalisation(model, read_header(file))
    return model


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


def check_passes(model: Classifier, config: AblationConfig) -> None:
    """Refuse a size that the network does not take, and stages that give no latent.

    Raises:
        UserError: see above.
    """
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(2, 3, config.size, config.size), latents=True)
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{config.model} does not take images of --size {config.size}: {reason}") from error
