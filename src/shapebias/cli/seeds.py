"""Networks given as folders of seeds, as ``transfer`` leaves them, or each alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shapebias.cli.names import told_apart
from shapebias.errors import UserError
from shapebias.files import read_json
from shapebias.models.checkpoint import MODEL_FILE
from shapebias.models.load import load_model
from shapebias.tasks.cam.seed_ensemble import SeedEnsemble

RUN_FILE = "run.json"
_SEED = re.compile(r"seed-(0|[1-9]\d*)")


def load_seeded(specs: Sequence[str]) -> list[SeedEnsemble]:
    """The network of each of ``specs``, with names that tell them apart.

    A folder of ``seed-N`` folders is one network with these seeds; a folder with weights, or whatever else
    ``load_model`` takes, is one given alone.

    Raises:
        UserError: a seed that is not finished, before anything is loaded; or what ``load_model`` and
            ``SeedEnsemble.of_seeds`` refuse.
    """
    folders = [seed_folders(spec) for spec in specs]
    loaded, names, homes = [], [], []
    for spec, seeds in zip(specs, folders, strict=True):
        models = {seed: load_model(_with_weights(str(folder))) for seed, folder in seeds.items()}
        model = None if seeds else load_model(_with_weights(spec))
        home = _home(spec, seeds) if model is None else spec
        loaded.append(models if model is None else model)
        names.append(Path(home).name if model is None else model.identity.name)
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
    """The ``seed-N`` folders in the folder ``spec`` by N, rising; none where it is a network itself, or no folder.

    Raises:
        UserError: one without a finished network, or a folder with neither.
    """
    folder = Path(spec)
    if not folder.is_dir() or any((folder / name).is_file() for name in (MODEL_FILE, RUN_FILE)):
        return {}
    matches = [(child, _SEED.fullmatch(child.name)) for child in folder.iterdir() if child.is_dir()]
    found = dict(sorted((int(match[1]), child) for child, match in matches if match))
    for child in found.values():
        if not (child / MODEL_FILE).is_file():
            raise UserError(
                f"{child} is not finished (no {MODEL_FILE} in it): run the same 'shapebias transfer' again, it goes "
                "on, or remove that folder"
            )
    if not found:
        raise UserError(
            f"{folder} holds no network: give a run's folder, or one with the seed-N folders of a network, as "
            "'shapebias transfer --task voc12' leaves"
        )
    return found


def _home(spec: str, seeds: dict[int, Path]) -> str:
    """The folder that is called as the network: the one above, where a seed's run says that this is its task's."""
    folder = Path(spec).resolve()
    run = next(iter(seeds.values())) / RUN_FILE
    record = read_json(run) if run.is_file() else None
    task = record.get("task") if isinstance(record, dict) else None
    return str(folder.parent if task == folder.name and folder.parent.name else folder)


def _with_weights(model: str) -> str:
    """The file of weights in a folder that holds one without a run's description."""
    folder = Path(model)
    described = (folder / RUN_FILE).is_file()
    return str(folder / MODEL_FILE) if (folder / MODEL_FILE).is_file() and not described else model
