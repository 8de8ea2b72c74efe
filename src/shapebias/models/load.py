"""A network from what a person types: a run folder, a checkpoint, timm:NAME, torchvision:NAME, module:callable."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from torch import nn

from shapebias.data.evaluation import Preprocessing
from shapebias.errors import UserError, unknown
from shapebias.files import read_json
from shapebias.libraries import torchvision
from shapebias.models.checkpoint import MODEL_FILE, load_classifier
from shapebias.models.classifier import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Classifier,
    Identity,
    known_interpolation,
    timm_classifier,
)
from shapebias.models.hashing import weights_sha256
from shapebias.models.pretrained import check_download, no_weights

FORMS = "a run folder, a .safetensors checkpoint, timm:NAME, torchvision:NAME or package.module:callable"


def load_model(spec: str) -> Classifier:
    """The network that ``spec`` names, in evaluation mode.

    Pretrained weights of timm and torchvision come through these libraries' own caches.

    Raises:
        UserError: nothing of that name, or it cannot be loaded.
    """
    kind, _, name = spec.partition(":")
    if kind == "timm" and name:
        return _hashed(timm_classifier(name, Identity(name=name, spec=spec, architecture=name), pretrained=True))
    if kind == "torchvision" and name:
        return _hashed(_torchvision(spec, name))
    path = Path(spec)
    if path.is_dir():
        return _from_run(path)
    if path.is_file():
        return load_classifier(path, name=path.resolve().parent.name if path.name == MODEL_FILE else path.stem)
    if name and kind.replace(".", "").isidentifier():
        return _hashed(_from_callable(spec, kind, name))
    raise UserError(f"no model '{spec}': give {FORMS}")


def wrap(network: nn.Module, *, name: str = "network", classes: tuple[str, ...] | None = None) -> Classifier:
    """Any ``nn.Module`` that maps normalised images to logits, as a ``Classifier`` with ImageNet's habits.

    A timm network keeps its own configuration. Wrap yours in a ``Classifier`` for other preprocessing.
    """
    if isinstance(network, Classifier):
        return network
    config = getattr(network, "pretrained_cfg", None) or {}
    preprocessing = Preprocessing(
        size=config.get("input_size", (3, 224, 224))[-1],
        crop=config.get("crop_pct") or 0.875,
        interpolation=known_interpolation(config.get("interpolation", "bilinear")),
    )
    identity = Identity(name=name, spec=name, architecture=type(network).__name__, classes=classes)
    model = Classifier(
        network,
        identity,
        preprocessing,
        mean=config.get("mean", IMAGENET_MEAN),
        std=config.get("std", IMAGENET_STD),
    )
    return _hashed(model)


def _from_run(folder: Path) -> Classifier:
    if not (folder / "run.json").is_file():
        raise UserError(f"{folder} is not a run folder (no run.json in it): give {FORMS}")
    run = read_json(folder / "run.json")
    if not (folder / MODEL_FILE).is_file():
        raise UserError(f"the run in {folder} is not finished: run the same 'shapebias train' again, it goes on")
    model = load_classifier(folder / MODEL_FILE, name=folder.resolve().name)
    if run.get("weights_sha256") not in (None, model.identity.weights_sha256):
        raise UserError(f"{folder / MODEL_FILE} is not the file its run.json records (its SHA-256 differs)")
    return model


def _torchvision(spec: str, name: str) -> Classifier:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise unknown("torchvision model", name, known)
    weights = torchvision.models.get_model_weights(name)["DEFAULT"]
    check_download(weights.url, spec)
    try:
        network = torchvision.models.get_model(name, weights=weights)
    except Exception as error:  # no connection, a broken file: there are many ways
        raise no_weights(spec, error) from error
    transform = weights.transforms()
    preprocessing = Preprocessing(
        size=transform.crop_size[0],
        crop=transform.crop_size[0] / transform.resize_size[0],
        interpolation=transform.interpolation.value,
    )
    identity = Identity(name=name, spec=spec, architecture=name)
    return Classifier(network, identity, preprocessing, mean=transform.mean, std=transform.std)


def _from_callable(spec: str, module_name: str, attribute: str) -> Classifier:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        make = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"no model '{spec}' ({error}): give {FORMS}") from error
    except Exception as error:
        raise UserError(f"importing the module of '{spec}' failed: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(here)
    try:
        network = make()
    except Exception as error:
        raise UserError(f"calling '{spec}' without arguments failed: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"'{spec}' returned {type(network).__name__}, not a torch.nn.Module")
    return wrap(network, name=attribute)


def _hashed(model: Classifier) -> Classifier:
    from dataclasses import replace

    model.identity = replace(model.identity, weights_sha256=weights_sha256(model.network))
    return model.eval()
