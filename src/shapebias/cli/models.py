"""Load the models given on the command line, and give them distinct names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from shapebias.errors import UserError
from shapebias.files import read_json, safe_name

if TYPE_CHECKING:
    from shapebias.models.classifier import Classifier
    from shapebias.tasks.cam.seed_ensemble import SeedEnsemble

DEEPEST = 5  # number of parent folders that a name may include, at most
RUN_FILE = "run.json"
_SEED = re.compile(r"seed-(0|[1-9]\d*)")


@dataclass(frozen=True)
class ModelOptions:
    """Options of the models to measure.

    Args:
        weights: weights file, if there is only one MODEL; for several models write MODEL=FILE.
        remap_by_order: assign the tensors of a weights file to the MODEL by order instead of by name.
        crop: side of the central crop as a fraction of the shorter side (1 for images that are already cropped);
            does not apply to --source (default: each model's own).
        classes: file with the class names of the one MODEL, one per line in the order of its outputs; for ImageNet,
            WordNet identifiers such as n01440764.
    """

    weights: Path | None = None
    remap_by_order: bool = False
    crop: float | None = None
    classes: Path | None = None


def load_models(specs: Sequence[str]) -> list[Classifier]:
    """Load the models of ``specs``, whose classifying layers do not matter, and give them distinct names."""
    from shapebias.models.load import load_model

    models = [load_model(spec, head=False) for spec in specs]
    tell_apart(models, specs)
    return models


def load_measured(
    specs: Sequence[str], source: str | None, options: ModelOptions, *, head: bool = True
) -> tuple[list[Classifier], Classifier | None]:
    """Load the models to measure, with distinct names, and the source model of transfer attacks.

    Unless ``head``, it does not matter whether a file of weights has the classifying layer.
    """
    from shapebias.models.load import load_model

    if len(specs) > 1 and (options.weights or options.classes):
        raise UserError(
            "--weights and --classes apply to one MODEL: write MODEL=FILE for weights, or run a separate command for "
            "each model"
        )
    if options.crop is not None and not 0 < options.crop <= 1:
        raise UserError(f"--crop {options.crop:g} is not a fraction of the shorter side: give more than 0, at most 1")
    every = [*specs, *([source] if source else [])]
    with_file = [options.weights is not None or _names_file(spec) for spec in every]
    if options.remap_by_order and not any(with_file):
        raise UserError("--remap-by-order applies to a weights file: give --weights FILE or MODEL=FILE")
    models = []
    for spec, file in zip(every, with_file, strict=True):
        measured = len(models) < len(specs)  # --weights and --classes do not apply to the source
        models.append(
            load_model(
                spec,
                checkpoint=options.weights if measured else None,
                remap_by_order=options.remap_by_order and file and (measured or _names_file(spec)),
                classes=options.classes if measured else None,
                head=head,
            )
        )
    measured = models[: len(specs)]
    for model in measured if options.crop is not None else []:
        model.preprocessing = replace(model.preprocessing, crop=options.crop)
    tell_apart(measured, specs)
    return measured, models[-1] if source else None


def _names_file(spec: str) -> bool:
    return "=" in spec and not Path(spec).exists()


def tell_apart(models: Sequence[Classifier], specs: Sequence[str]) -> None:
    """Give ``models`` distinct names in place, as ``told_apart`` does."""
    for model, name in zip(models, told_apart([model.identity.name for model in models], specs), strict=True):
        model.identity = replace(model.identity, name=name)


def told_apart(names: Sequence[str], specs: Sequence[str]) -> list[str]:
    """Return ``names``, with duplicates made distinct by their spec; those that cannot be are returned unchanged.

    ``timm:resnet50`` and ``torchvision:resnet50`` become ``timm-resnet50`` and ``torchvision-resnet50``, ``a.net:make``
    becomes ``a-net-make``; the name of a checkpoint or run is prefixed with as many parent folders as needed.
    """
    wanted = list(names)
    for depth in range(1, DEEPEST):
        clashing = {name for name in wanted if wanted.count(name) > 1}
        wanted = [
            _qualified(name, spec, depth) if now in clashing else now
            for name, spec, now in zip(names, specs, wanted, strict=True)
        ]
    return [now if wanted.count(now) == 1 else name for name, now in zip(names, wanted, strict=True)]


def _qualified(name: str, spec: str, depth: int) -> str:
    from shapebias.models.checkpoint import MODEL_FILE

    path = Path(spec)
    if path.exists():
        here = path.resolve()
        home = here.parent if here.is_file() and here.name == MODEL_FILE else here
        folders = [folder.name for folder in list(home.parents)[:depth] if folder.name]
        return safe_name("-".join([*reversed(folders), name]))
    kind, sign, _ = spec.partition(":")
    return safe_name(f"{kind.replace('.', '-') if sign else 'timm'}-{name}")


def load_seeded(specs: Sequence[str]) -> list[SeedEnsemble]:
    """Load the models of ``specs`` as seed ensembles, with distinct names.

    A folder of ``seed-N`` folders is one model with several seeds; a folder with weights, or any other spec that
    ``load_model`` accepts, is a model with a single seed.

    Raises:
        UserError: a seed that is not finished, before anything is loaded; or what ``load_model`` and
            ``SeedEnsemble.of_seeds`` refuse.
    """
    from shapebias.models.load import load_model
    from shapebias.tasks.cam.seed_ensemble import SeedEnsemble

    folders = [seed_folders(spec) for spec in specs]
    loaded, names, homes = [], [], []
    for spec, seeds in zip(specs, folders, strict=True):
        models = {seed: load_model(_with_weights(str(folder)), head=False) for seed, folder in seeds.items()}
        model = None if seeds else load_model(_with_weights(spec), head=False)
        home = _home(spec, seeds) if model is None else spec
        loaded.append(models if model is None else model)
        names.append(safe_name(Path(home).name) if model is None else model.identity.name)
        homes.append(home)
    found = []
    for spec, given, name in zip(specs, loaded, told_apart(names, homes), strict=True):
        if isinstance(given, dict):
            found.append(SeedEnsemble.of_seeds(name, spec, given))
        else:
            given.identity = replace(given.identity, name=name)
            found.append(SeedEnsemble.of_one(given))
    return found


def seed_folders(spec: str) -> dict[int, Path]:
    """Return the ``seed-N`` folders in the folder ``spec`` by N; empty if ``spec`` is a model itself or not a folder.

    Raises:
        UserError: a seed is unfinished, or the folder contains neither a model nor seeds.
    """
    from shapebias.models.checkpoint import MODEL_FILE

    folder = Path(spec)
    if not folder.is_dir() or any((folder / name).is_file() for name in (MODEL_FILE, RUN_FILE)):
        return {}
    matches = [(child, _SEED.fullmatch(child.name)) for child in folder.iterdir() if child.is_dir()]
    found = dict(sorted((int(match[1]), child) for child, match in matches if match))
    for child in found.values():
        if not (child / MODEL_FILE).is_file():
            raise UserError(
                f"{child} is not finished (no {MODEL_FILE} in it): run the same 'shapebias transfer' again to resume "
                "it, or remove that folder"
            )
    if not found:
        raise UserError(
            f"{folder} contains no model: give the folder of a run, or one with seed-N folders as written by "
            "'shapebias transfer --task voc12'"
        )
    return found


def _home(spec: str, seeds: dict[int, Path]) -> str:
    """Return the folder that is named after the model: the parent if ``spec`` is a task folder (MODEL/TASK/seed-N)."""
    folder = Path(spec).resolve()
    run = next(iter(seeds.values())) / RUN_FILE
    record = read_json(run) if run.is_file() else None
    task = record.get("task") if isinstance(record, dict) else None
    return str(folder.parent if task == folder.name and folder.parent.name else folder)


def _with_weights(model: str) -> str:
    """Return the weights file of a folder that has one but no run.json; any other ``model`` unchanged."""
    from shapebias.models.checkpoint import MODEL_FILE

    folder = Path(model)
    described = (folder / RUN_FILE).is_file()
    return str(folder / MODEL_FILE) if (folder / MODEL_FILE).is_file() and not described else model
