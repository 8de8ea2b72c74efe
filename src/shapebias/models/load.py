"""A model by its spec: a run folder, a checkpoint, timm:NAME, torchvision:NAME, module:callable."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.files import sha256
from shapebias.libraries import timm
from shapebias.models.build import LIBRARIES, build_classifier, timm_preprocessing, torchvision_weights
from shapebias.models.checkpoint import MODEL_FILE, load_classifier
from shapebias.models.classes import read_class_names, with_classes
from shapebias.models.classifier import IMAGENET_MEAN, IMAGENET_STD, Classifier, Identity
from shapebias.models.state_dict import OtherHead, load_weights, load_weights_by_order, weights_sha256
from shapebias.models.timm_folder import LOCAL, is_source, read_timm_folder
from shapebias.results.runs import Run

WRAPPERS = {  # modules that pass images on unchanged, by library and class: the attribute of what they wrap
    **dict.fromkeys(("torch.DataParallel", "torch.DistributedDataParallel", "torch.AveragedModel"), "module"),
    **dict.fromkeys(("timm.ModelEmaV2", "timm.ModelEmaV3", "lightning_fabric._FabricModule"), "module"),
    "torch.OptimizedModule": "_orig_mod",
}
FORMS = (
    "resnet50 or another model of timm, torchvision:NAME, a run folder, a .safetensors checkpoint or "
    "package.module:callable; NAME=FILE takes the weights from a file"
)


def load_model(
    spec: str,
    *,
    checkpoint: Path | str | None = None,
    remap_by_order: bool = False,
    classes: Path | str | Sequence[str] | None = None,
    head: bool = True,
) -> Classifier:
    """Return the model that ``spec`` names, in evaluation mode.

    Args:
        spec: a run folder or checkpoint of ours, ``timm:NAME`` or only NAME, ``torchvision:NAME`` or
            ``package.module:callable``.
            Pretrained weights of timm and torchvision come through these libraries' own caches; NAME.WEIGHTS are those
            called so, NAME the library's default ones. ``timm:hf-hub:USER/MODEL`` and ``timm:local-dir:PATH`` are
            models that timm's users share.
            ``timm:NAME=FILE`` is ``checkpoint=FILE``, and called by the file's name.
        checkpoint: a file of weights for the network; its pretrained ones are then not asked for, and with
            ``classes`` its classifying layer gets as many outputs (timm and torchvision). Its SHA-256 is
            ``identity.weights_sha256``.
        remap_by_order: the checkpoint's tensors are the network's in order, whatever they are called.
        classes: the names of the outputs in order, or a file of them, one a line. Without them a network of ours
            has its own, and one with 1000 outputs ImageNet's WordNet identifiers.
        head: the classifying layer matters. Otherwise a checkpoint may be of another one, or of none: the network's is
            then of random weights, and its classes are not known.

    Raises:
        UserError: nothing of that name, it cannot be loaded, or the checkpoint or the names do not fit it.
    """
    if not isinstance(spec, str):
        raise UserError(f"a model is a torch.nn.Module or the name of one, not {_called(spec)}: give {FORMS}")
    bare, sign, file = spec.partition("=")
    if sign and not Path(spec).exists():
        if checkpoint is not None:
            raise UserError(f"'{spec}' names a file of weights already: leave out --weights")
        if not file:
            raise UserError(f"'{spec}' names no file of weights after the '='")
        model = load_model(bare, checkpoint=file, remap_by_order=remap_by_order, classes=classes, head=head)
        model.identity = replace(model.identity, name=Path(file).stem, spec=spec)
        return model
    if remap_by_order and checkpoint is None:
        raise UserError("--remap-by-order applies to a file of weights: give --weights FILE or MODEL=FILE")
    names, where = _class_names(classes)
    if checkpoint is None:
        return with_classes(_published(spec).eval(), names, where=where)
    model = _bare(spec, Path(checkpoint), None if names is None else tuple(names))
    skipped = _load_file(model.network, Path(checkpoint), by_order=remap_by_order, head=head or names is not None)
    model.identity = replace(model.identity, weights_sha256=sha256(Path(checkpoint)), weights=Path(checkpoint).name)
    return model.eval() if skipped else with_classes(model.eval(), names, where=where)


def _called(given: object) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else f"a {type(given).__name__}"


def _load_file(network: nn.Module, path: Path, *, by_order: bool, head: bool) -> list[str]:
    """Load a file of weights; return the names of a classifying layer that it does not have, unless ``head``."""
    if by_order:
        load_weights_by_order(network, path)
        return []
    try:
        return load_weights(network, path, except_head=not head)
    except OtherHead as error:
        cure = "give the names of its classes with --classes FILE"
        if error.missing:
            cure = "only transfer, segment and 'evaluate --evaluators dimensionality' take such weights"
        raise UserError(f"{error}: {cure}") from error


def wrap(network: nn.Module, *, name: str = "network", classes: Path | str | Sequence[str] | None = None) -> Classifier:
    """Any ``nn.Module`` that maps normalised images to logits, as a ``Classifier`` with ImageNet's habits.

    A timm network keeps its own configuration, also inside of ``DataParallel``, ``AveragedModel`` and others that pass
    images on to it: what these wrap is measured, under its own names. Wrap yours in a ``Classifier`` for other
    preprocessing. Without ``classes``, the names of its outputs in order or a file of them, 1000 outputs are
    ImageNet's, and others have no names.

    Raises:
        UserError: it does not take images of its size, or the names do not fit its outputs.
    """
    network = unwrapped(network)
    if isinstance(network, Classifier) and classes is None:
        return network
    model = copy(network) if isinstance(network, Classifier) else _hashed(_plain(network, name))
    names, where = _class_names(classes)
    return with_classes(model, names, where=where)


def _class_names(classes: Path | str | Sequence[str] | None) -> tuple[Sequence[str] | None, str]:
    """Return class names given as such or in a file, and what to call their source."""
    if isinstance(classes, str | Path):
        return read_class_names(Path(classes)), str(classes)
    return classes, "classes"


def unwrapped(network: nn.Module) -> nn.Module:
    """Return the network inside of ``WRAPPERS``: several devices, averages of weights, compiled code."""
    names = [f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(network).__mro__]
    attribute = next((WRAPPERS[name] for name in names if name in WRAPPERS), None)
    return network if attribute is None else unwrapped(getattr(network, attribute))


def _plain(network: nn.Module, name: str) -> Classifier:
    config: Any = getattr(network, "pretrained_cfg", None)
    preprocessing, mean, std = Preprocessing(), IMAGENET_MEAN, IMAGENET_STD
    if config:
        preprocessing, mean, std = timm_preprocessing(config, name)
    else:
        _warn_of_other_images(network, name, (preprocessing, tuple(mean), tuple(std)))
    identity = Identity(name=name, spec=name, architecture=type(network).__name__)
    return Classifier(network, identity, preprocessing, mean=mean, std=std)


def _warn_of_other_images(network: nn.Module, name: str, shown: tuple[Any, ...]) -> None:
    """Say where a network of somebody's own holds a timm network that timm shows other images than ``shown``."""
    for place, module in network.named_modules():
        config: Any = getattr(module, "pretrained_cfg", None)
        if not isinstance(config, dict):
            continue
        with suppress(UserError):
            preprocessing, mean, std = timm_preprocessing(config, name)
            if (preprocessing, tuple(mean), tuple(std)) != shown:
                print(
                    f"warning: {name} holds a timm network ('{place}') that timm shows other images, of size "
                    f"{preprocessing.size}, crop {preprocessing.crop:g}, mean {tuple(mean)}: it is shown ImageNet's "
                    "usual ones; for others wrap it in a shapebias.Classifier",
                    file=sys.stderr,
                )
        return


def _published(spec: str) -> Classifier:
    """The network of ``spec`` with the weights that it comes with."""
    kind, _, name = (spec := _with_library(spec)).partition(":")
    if kind in LIBRARIES and name:
        return _hashed(_from_library(spec, kind, name))
    path = Path(spec)
    if path.is_dir():
        return _from_run(path)
    if path.is_file():
        return load_classifier(path, name=path.resolve().parent.name if path.name == MODEL_FILE else path.stem)
    if name and kind.replace(".", "").isidentifier():
        return _hashed(_from_callable(spec, kind, name))
    raise UserError(f"no model '{spec}': give {FORMS}")


def _from_library(spec: str, kind: str, name: str) -> Classifier:
    identity = Identity(name=name, spec=spec, architecture=name, weights=name)
    if kind == "torchvision":
        identity = replace(identity, weights=torchvision_weights(name).name)
    elif is_source(name):
        identity = _shared_identity(identity)
    model = build_classifier(spec, identity, pretrained=True)
    if kind == "timm" and not is_source(name):
        config: Any = model.network.pretrained_cfg
        tag = config.get("tag")
        model.identity = replace(identity, weights=".".join(filter(None, (name.partition(".")[0], tag))))
    return model


def _shared_identity(identity: Identity) -> Identity:
    """Complete the identity of a folder or repository of timm's, which stays needed to build its network again."""
    source, _, place = identity.architecture.partition(":")
    classes = read_timm_folder(identity.architecture).classes
    if source == LOCAL:
        folder = Path(place).resolve()
        return replace(identity, name=folder.name, architecture=f"{LOCAL}:{folder}", classes=classes)
    return replace(identity, name=place.partition("@")[0].rpartition("/")[2], classes=classes)


def _with_library(spec: str) -> str:
    """Return ``timm:NAME`` for the bare name of a timm model; a file or folder of that name comes first."""
    bare = ":" not in spec and not Path(spec).exists()
    ours = is_source(spec) or (bare and timm.is_model(spec.partition(".")[0]))
    return f"timm:{spec}" if ours else spec


def _bare(spec: str, checkpoint: Path, classes: tuple[str, ...] | None) -> Classifier:
    """The network of ``spec`` before the weights of ``checkpoint`` are in it."""
    if Path(spec).exists():
        raise UserError(f"{spec} has weights of its own: give --weights with another MODEL, or {spec} alone")
    kind, _, name = (spec := _with_library(spec)).partition(":")
    identity = Identity(name=name, spec=spec, architecture=name, classes=classes)
    if kind not in LIBRARIES or not name:
        return _published(spec)
    model = build_classifier(spec, identity, file=checkpoint.name)
    model.identity = replace(identity, classes=None)
    return model


def _from_run(folder: Path) -> Classifier:
    if not (folder / "run.json").is_file():
        raise UserError(f"{folder} is not a run folder (no run.json in it): give {FORMS}")
    run = Run.load(folder)
    if not (folder / MODEL_FILE).is_file():
        raise UserError(f"the run in {folder} is not finished: run the same 'shapebias train' again to resume it")
    model = load_classifier(folder / MODEL_FILE, name=folder.resolve().name)
    if run.weights not in (None, model.identity.weights_sha256):
        raise UserError(f"{folder / MODEL_FILE} is not the file its run.json records (its SHA-256 differs)")
    return model


def _from_callable(spec: str, module_name: str, attribute: str) -> Classifier:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        make = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"no model '{spec}' ({error}): give {FORMS}") from error
    except (Exception, SystemExit) as error:
        raise UserError(f"importing the module of '{spec}' failed: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(here)
    try:
        network = make()
    except (Exception, SystemExit) as error:
        raise UserError(f"calling '{spec}' without arguments failed: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"'{spec}' returned {type(network).__name__}, not a torch.nn.Module")
    network = unwrapped(network)
    return network if isinstance(network, Classifier) else _plain(network, attribute)


def _hashed(model: Classifier) -> Classifier:
    model.identity = replace(model.identity, weights_sha256=weights_sha256(model.network))
    return model
