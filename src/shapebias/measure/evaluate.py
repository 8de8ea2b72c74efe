"""Measure networks: suites by name, one results file each, paired differences between them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shapebias.device import choose_device
from shapebias.environment import environment
from shapebias.errors import UserError, unknown
from shapebias.files import make_folder
from shapebias.measure.accuracy import Accuracy, Stylized
from shapebias.measure.comparison import paired
from shapebias.measure.contract import Evaluator, Outcome, Setting
from shapebias.measure.contract import Mapping as CategoryMapping
from shapebias.measure.dimensionality import Dimensionality
from shapebias.measure.results import COMPARISON_FILE, Entry, Results, read_comparison, write_comparison
from shapebias.measure.shape_bias import ShapeBias
from shapebias.measure.texture_free import Edges, Silhouettes, Sketches
from shapebias.models.classifier import Classifier
from shapebias.models.load import load_model, wrap

SUITES: dict[str, type[Evaluator]] = {
    "accuracy": Accuracy,
    "stylized": Stylized,
    "shape-bias": ShapeBias,
    "silhouettes": Silhouettes,
    "edges": Edges,
    "sketches": Sketches,
    "dimensionality": Dimensionality,
}
BATCH_SIZE = 64


def evaluate(
    model: nn.Module | str,
    *,
    suites: Sequence[str],
    data: Path | str | Mapping[str, Path | str],
    seed: int = 0,
    batch_size: int | None = None,
    device: str | None = None,
    mapping: CategoryMapping = "mean",
    stage: str | None = None,
    pairs: int = 2000,
    classes: Sequence[str] | None = None,
) -> Results:
    """Measure one network.

    Args:
        model: an ``nn.Module`` (its inputs normalised as ImageNet's unless it is a ``Classifier`` or a timm
            network), or what ``shapebias evaluate`` takes as MODEL.
        suites: names of measurements: accuracy, stylized, shape-bias, silhouettes, edges, sketches, dimensionality.
        data: one folder for all suites, or a folder per suite; the key "" serves those without their own.
        seed: of styles, pairs and resampling.
        batch_size: images per forward pass.
        device: "cpu", "cuda" or "mps"; by default cuda if there, else cpu. The network is moved there; whether
            its modules were in training mode is put back.
        mapping: how ImageNet's probabilities become those of the 16 categories: mean, sum or max of the members.
        stage: module whose pooled output is the latent of ``dimensionality``; default the classifying layer's input.
        pairs: pairs drawn per factor for ``dimensionality``.
        classes: the names of the network's outputs in order, where it has none of its own and is not ImageNet's.

    Returns:
        The figures; ``Results.save`` writes them.

    Raises:
        UserError: unknown suites, unusable data or networks.
    """
    modes = [(module, module.training) for module in ([] if isinstance(model, str) else model.modules())]
    folders = {"": data} if isinstance(data, str | Path) else data
    try:
        network = load_model(model, classes=classes) if isinstance(model, str) else wrap(model, classes=classes)
        with tempfile.TemporaryDirectory(prefix="shapebias-") as scratch:
            return evaluate_all(
                [network],
                suites=suites,
                data={key: Path(folder) for key, folder in folders.items()},
                out=Path(scratch),
                seed=seed,
                batch_size=batch_size,
                device=device,
                mapping=mapping,
                stage=stage,
                pairs=pairs,
            )[0]
    finally:
        for module, training in modes:
            module.training = training


def evaluate_all(
    models: Sequence[Classifier],
    *,
    suites: Sequence[str],
    data: Mapping[str, Path],
    out: Path,
    seed: int = 0,
    batch_size: int | None = None,
    device: str | None = None,
    workers: int = 0,
    strict: bool = False,
    mapping: CategoryMapping = "mean",
    stage: str | None = None,
    pairs: int = 2000,
) -> list[Results]:
    """Measure networks on the same data and write ``out/NAME/results.json`` and, for several, a comparison.

    What earlier calls left there stays, save for figures of the same benchmark, metric and condition.
    ``data`` maps suite names to folders; the key "" serves suites without their own. Each network's file is
    written as soon as it is measured.
    """
    names = [model.identity.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"two models are called '{twice[0]}': their results would overwrite each other")
    where = choose_device(device)
    make_folder(out)
    if len(models) > 1:
        read_comparison(out / COMPARISON_FILE)  # one that cannot be added to is refused now
    earlier = {model.identity.name: _earlier(out, model) for model in models}
    size = BATCH_SIZE if batch_size is None else batch_size

    def setting(folder: Path) -> Setting:
        return Setting(folder, out, seed, size, where, workers, strict, mapping, stage, pairs)

    evaluators = _build(suites, data, setting)
    for model in models:
        for evaluator in evaluators.values():
            evaluator.check(model)
    measured: list[tuple[Results, dict[str, Outcome]]] = []
    for model in models:
        model.to(device=where, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        outcomes = {name: evaluator.run(model) for name, evaluator in evaluators.items()}
        entries = [entry for outcome in outcomes.values() for entry in outcome.entries]
        results = Results(_describe(model), {**environment(where), "seed": seed}, entries)
        kept = [e for e in earlier[model.identity.name] if e.key not in {entry.key for entry in entries}]
        results.results = [*kept, *entries]
        results.save(out / model.identity.name / "results.json")
        for text in dict.fromkeys(text for entry in entries for text in _warnings(entry)):
            print(f"warning: {text}", file=sys.stderr)
        measured.append((results, outcomes))
    if len(measured) > 1:
        write_comparison(out / COMPARISON_FILE, paired(measured, seed), [results for results, _ in measured])
    return [results for results, _ in measured]


def _warnings(entry: Entry) -> list[str]:
    """What a figure is without, and what it says against itself."""
    own = entry.details.get("warning")
    return [f"left out {text}" for text in _left_out(entry)] + ([f"{entry.benchmark}: {own}"] if own else [])


def _left_out(entry: Entry) -> list[str]:
    """What a figure is without, in words."""
    found = [f"unreadable image {reason}" for reason in entry.details.get("data", {}).get("unreadable", [])]
    if names := entry.details.get("other_names_left_out"):
        found.append(f"{len(names)} images whose names are not SHAPE/shapeN-textureM, first {names[0]}")
    if other := entry.details.get("other_categories_left_out"):
        named = ", ".join(f"{name} ({count})" for name, count in list(other.items())[:5])
        more = " ..." if len(other) > 5 else ""
        found.append(f"{sum(other.values())} images of other things than the categories: {named}{more}")
    return found


def _earlier(out: Path, model: Classifier) -> list[Entry]:
    """The figures that an earlier call left of this network; those of another one of its name are refused."""
    path = out / model.identity.name / "results.json"
    if not path.is_file():
        return []
    found = Results.load(path)
    if found.model.get("weights_sha256") != model.identity.weights_sha256:
        raise UserError(f"{path} holds results of another network of that name: choose another --out")
    return found.results


def check_suites(suites: Sequence[str]) -> None:
    """Refuse suites that do not exist, with the nearest name."""
    if not suites:
        raise UserError(f"no suites given: choose from {', '.join(SUITES)}")
    for name in suites:
        if name not in SUITES:
            raise unknown("suite", name, SUITES)


def _build(
    suites: Sequence[str],
    data: Mapping[str, Path],
    setting: Callable[[Path], Setting],
) -> dict[str, Evaluator]:
    check_suites(suites)
    for name in data:
        if name:
            check_suites([name])
    for name in suites:
        if name not in data and "" not in data:
            raise UserError(f"suite '{name}' has no data: add --data {name}=DIR, or --data DIR for all suites")
    for name in data:
        if name and name not in suites:
            raise UserError(f"--data {name}={data[name]}: '{name}' is not among --suites: add it, or leave this out")
    return {name: SUITES[name](setting(data[name] if name in data else data[""])) for name in suites}


def _describe(model: Classifier) -> dict[str, Any]:
    identity = asdict(model.identity)
    classes = identity.pop("classes")
    return {
        **identity,
        "parameters": sum(parameter.numel() for parameter in model.network.parameters()),
        "input_size": model.preprocessing.size,
        "preprocessing": asdict(model.preprocessing),
        "mean": [round(v, 4) for v in model.mean.flatten().tolist()],
        "std": [round(v, 4) for v in model.std.flatten().tolist()],
        "classes": list(classes) if classes is not None else None,
    }
