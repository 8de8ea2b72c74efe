"""Measure networks: suites by name, one results file each, paired differences between them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from shapebias.device import choose_device
from shapebias.environment import environment
from shapebias.errors import UserError, unknown
from shapebias.files import make_folder
from shapebias.measure.accuracy import Accuracy, Stylized
from shapebias.measure.contract import Evaluator, Outcome, Setting
from shapebias.measure.dimensionality import Dimensionality
from shapebias.measure.intervals import paired_difference, ratio_difference
from shapebias.measure.results import Entry, Results, write_comparison
from shapebias.measure.shape_bias import ShapeBias
from shapebias.models.classifier import Classifier
from shapebias.models.load import load_model, wrap

SUITES: dict[str, type[Evaluator]] = {
    "accuracy": Accuracy,
    "stylized": Stylized,
    "shape-bias": ShapeBias,
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
) -> Results:
    """Measure one network.

    Args:
        model: an ``nn.Module`` (its inputs normalised as ImageNet's unless it is a ``Classifier`` or a timm
            network), or what ``shapebias evaluate`` takes as MODEL.
        suites: names of measurements: accuracy, stylized, shape-bias, dimensionality.
        data: one folder for all suites, or a folder per suite; the key "" serves those without their own.
        seed: of styles, pairs and resampling.
        batch_size: images per forward pass.
        device: "cpu", "cuda" or "mps"; by default cuda if there, else cpu. The network is moved there; whether
            its modules were in training mode is put back.

    Returns:
        The figures; ``Results.save`` writes them.

    Raises:
        UserError: unknown suites, unusable data or networks.
    """
    modes = [(module, module.training) for module in ([] if isinstance(model, str) else model.modules())]
    network = load_model(model) if isinstance(model, str) else wrap(model)
    folders = {"": data} if isinstance(data, str | Path) else data
    try:
        with tempfile.TemporaryDirectory(prefix="shapebias-") as scratch:
            return evaluate_all(
                [network],
                suites=suites,
                data={key: Path(folder) for key, folder in folders.items()},
                out=Path(scratch),
                seed=seed,
                batch_size=batch_size,
                device=device,
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
) -> list[Results]:
    """Measure networks on the same data and write ``out/NAME/results.json`` and, for several, a comparison.

    ``data`` maps suite names to folders; the key "" serves suites without their own. Each network's file is
    written as soon as it is measured.
    """
    names = [model.identity.name for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"two models are called '{twice[0]}': their results would overwrite each other")
    where = choose_device(device)
    make_folder(out)
    earlier = {model.identity.name: _earlier(out, model) for model in models}
    evaluators = _build(
        suites, data, out, seed, BATCH_SIZE if batch_size is None else batch_size, where, workers, strict
    )
    measured: list[tuple[Results, dict[str, Outcome]]] = []
    for model in models:
        model.to(device=where, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        outcomes = {name: evaluator.run(model) for name, evaluator in evaluators.items()}
        entries = [entry for outcome in outcomes.values() for entry in outcome.entries]
        results = Results(_describe(model), {**environment(where), "seed": seed}, entries)
        kept = [e for e in earlier[model.identity.name] if e.benchmark not in {entry.benchmark for entry in entries}]
        results.results = [*kept, *entries]
        results.save(out / model.identity.name / "results.json")
        for entry in entries:
            for reason in entry.details.get("data", {}).get("unreadable", []):
                print(f"warning: left out unreadable image {reason}", file=sys.stderr)
        measured.append((results, outcomes))
    if len(measured) > 1:
        write_comparison(out / "comparison.json", _paired(measured, seed), [results for results, _ in measured])
    return [results for results, _ in measured]


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
    out: Path,
    seed: int,
    batch_size: int,
    device: str,
    workers: int,
    strict: bool,
) -> dict[str, Evaluator]:
    check_suites(suites)
    for name in data:
        if name:
            check_suites([name])
    evaluators: dict[str, Evaluator] = {}
    for name in suites:
        folder = data.get(name, data.get(""))
        if folder is None:
            raise UserError(f"suite '{name}' has no data: add --data {name}=DIR, or --data DIR for all suites")
        setting = Setting(folder, out, seed, batch_size, device, workers, strict)
        evaluators[name] = SUITES[name](setting)
    return evaluators


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


def _paired(measured: Sequence[tuple[Results, dict[str, Outcome]]], seed: int) -> list[dict[str, Any]]:
    """Differences of every two networks over the images that both answered, with paired intervals."""
    found = []
    for (first, outcomes_a), (second, outcomes_b) in combinations(measured, 2):
        for suite, a in outcomes_a.items():
            b = outcomes_b[suite]
            for metric, values in a.per_image.items():
                rows_b = {image: row for row, image in enumerate(b.images)}
                both = [(row, rows_b[image]) for row, image in enumerate(a.images) if image in rows_b]
                if not both:
                    continue
                left, right = values[[i for i, _ in both]], b.per_image[metric][[j for _, j in both]]
                if values.shape[1] == 1:
                    difference, interval = paired_difference(left[:, 0], right[:, 0], seed=seed)
                else:
                    difference, interval = ratio_difference(left, right, seed=seed)
                entry = next(e for e in a.entries if e.metric == metric)
                found.append(
                    {
                        "benchmark": entry.benchmark,
                        "metric": metric,
                        "condition": entry.condition,
                        "a": first.model["name"],
                        "b": second.model["name"],
                        "difference": float(np.float64(difference)),
                        "ci95": interval,
                        "n": len(both),
                    }
                )
    return found
