"""Models that timm users share: a folder, or a repository of the Hugging Face hub, with a configuration and weights.

The names are timm's own: ``local-dir:PATH`` and ``hf-hub:USER/MODEL``. The network is built by timm from
``config.json``; its weights are read as data, as those of any file.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json
from shapebias.models.pretrained import check_host, no_weights

LOCAL, HUB = "local-dir", "hf-hub"
SOURCES = (LOCAL, HUB, "hf_hub")
CONFIG = "config.json"
PREFERRED = ("model.safetensors", "pytorch_model.bin")  # as timm saves them
FETCHING = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir")
OTHERS = ("*.safetensors", "*.pth", "*.pt", "*.bin")


@dataclass(frozen=True)
class TimmFolder:
    """The content of ``config.json``, and the file of weights beside it.

    ``arguments`` are those of the network's function in timm besides its number of classes, ``pretrained`` is timm's
    configuration of the weights, ``classes`` are the names of the outputs where it has them.
    """

    architecture: str
    arguments: dict[str, Any]
    outputs: int
    pretrained: dict[str, Any]
    classes: tuple[str, ...] | None
    weights: Path


def is_source(name: str) -> bool:
    """Return whether ``name`` begins with one of timm's prefixes for shared models."""
    return name.partition(":")[0] in SOURCES and bool(name.partition(":")[2])


def read_timm_folder(name: str) -> TimmFolder:
    """Read the folder or repository ``name``, which ``is_source``; a repository is downloaded unless it is cached.

    Raises:
        UserError: no such folder or repository, no configuration or weights in it, or a damaged configuration.
    """
    source, _, place = name.partition(":")
    folder = Path(place) if source == LOCAL else _downloaded(place)
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else None
    if config is None:
        raise UserError(f"{folder} has no {CONFIG}: give a folder that timm's save_for_hf wrote")
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise UserError(f"{folder / CONFIG} names no architecture: it is not the configuration of a timm model")
    pretrained = config.get("pretrained_cfg", config)
    outputs = config.get("num_classes", pretrained.get("num_classes") if isinstance(pretrained, dict) else None)
    arguments, labels = config.get("model_args", {}), config.get("label_names")
    if not isinstance(pretrained, dict) or not isinstance(arguments, dict) or type(outputs) is not int or outputs < 0:
        raise UserError(f"{folder / CONFIG} is damaged: it has no pretrained_cfg and num_classes as timm writes them")
    named = isinstance(labels, list) and len(labels) == outputs and all(isinstance(label, str) for label in labels)
    found = [folder / file for file in PREFERRED] + [file for kind in OTHERS for file in sorted(folder.glob(kind))]
    weights = next((file for file in found if file.is_file()), None)
    if weights is None:
        raise UserError(f"{folder} has no weights ({', '.join(PREFERRED)} or a file like {', '.join(OTHERS)})")
    if fetching := [key for key in arguments if key in FETCHING]:
        raise UserError(
            f"{folder / CONFIG} has {fetching[0]} in its model_args, which would load other weights: remove it"
        )
    known = {key: value for key, value in pretrained.items() if key not in ("architecture", "num_classes")}
    classes = tuple(labels) if named and isinstance(labels, list) else None
    arguments = {key: value for key, value in arguments.items() if key != "num_classes"}
    return TimmFolder(config["architecture"], arguments, outputs, known, classes, weights)


def check_at_hand(name: str) -> None:
    """Refuse an architecture out of a file's header that would have to be downloaded.

    Raises:
        ValueError: it is a repository of the hub that is not in the hub's cache.
    """
    place = name.removeprefix("timm:")
    if not is_source(place) or place.startswith(f"{LOCAL}:"):
        return
    repository = place.partition(":")[2]
    if not _cached(repository, CONFIG) or not any(_cached(repository, file) for file in PREFERRED):
        raise ValueError(
            f"its network is built from the repository {repository}, which a file cannot have downloaded: "
            f"load timm:{HUB}:{repository} once, if you trust it, to have it in the hub's cache"
        )


def _cached(place: str, name: str) -> str | None:
    """Return the path of a repository's file in the hub's cache, or None."""
    hub: Any = importlib.import_module("huggingface_hub")
    repository, _, revision = place.partition("@")
    path = hub.try_to_load_from_cache(repository, name, revision=revision or None)
    return path if isinstance(path, str) else None


def _downloaded(place: str) -> Path:
    """Return the folder in the hub's cache that holds configuration and weights of a repository."""
    hub: Any = importlib.import_module("huggingface_hub")  # timm's own requirement; its cache and its settings
    repository, _, revision = place.partition("@")

    def file(name: str) -> str | None:
        """Return the path of a file of the repository, or None where that has none of this name."""
        try:
            if cached := _cached(place, name):
                return cached
            if not hub.constants.HF_HUB_OFFLINE:  # else the client itself refuses at once
                check_host(hub.constants.ENDPOINT, place)
            return hub.hf_hub_download(repository, name, revision=revision or None)
        except hub.errors.EntryNotFoundError as error:
            if isinstance(error, hub.errors.LocalEntryNotFoundError):  # not to be had, rather than not there
                raise no_weights(place, error) from error
            return None
        except (hub.errors.HFValidationError, OSError) as error:
            raise no_weights(place, error) from error

    config = file(CONFIG)
    if config is None:
        raise UserError(f"the repository {place} has no {CONFIG}: it is not a timm model")
    if not any(_cached(place, name) for name in PREFERRED) and not any(map(file, PREFERRED)):
        raise UserError(f"the repository {place} has no weights ({' or '.join(PREFERRED)})")
    return Path(config).parent
