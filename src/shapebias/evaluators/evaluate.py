"""Measure networks: evaluators by name, one results file each, paired differences between them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shapebias.environment import choose_device, environment
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig, EvalResult, Evaluator
from shapebias.evaluators.names import build
from shapebias.evaluators.resume import load_or_run
from shapebias.files import make_folder
from shapebias.models.classifier import Classifier
from shapebias.models.load import load_model, wrap
from shapebias.results.comparison import paired
from shapebias.results.results import (
    COMPARISON_FILE,
    Result,
    Results,
    changed,
    drop_rows,
    read_comparison,
    write_comparison,
)
from shapebias.results.warnings import print_warnings

BATCH_SIZE = 64
Run = Callable[[str, Evaluator, Classifier], EvalResult | None]


def evaluate(
    model: nn.Module | str,
    *,
    evaluators: Sequence[str],
    data: Path | str | Mapping[str, Path | str],
    out: Path | str | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    classes: Sequence[str] | None = None,
    **options: Any,
) -> Results:
    """Measure one network.

    Args:
        model: an ``nn.Module`` (its inputs normalised as ImageNet's unless it is a ``Classifier`` or a timm
            network), or what ``shapebias evaluate`` takes as MODEL.
        evaluators: names of measurements, those of ``shapebias evaluate --help``.
        data: one folder for all evaluators, or a folder per evaluator; the key "" serves those without their own.
        out: folder for the results file and what belongs to it (raw responses, pictures); by default they go.
        device: "cpu", "cuda" or "mps"; by default cuda if there, else cpu. The network is moved there; whether
            its modules were in training mode is put back.
        batch_size: images per forward pass.
        classes: the names of the network's outputs in order, where it has none of its own and is not ImageNet's.
        options: any other field of ``EvalConfig``: seed, workers, strict, mapping, stage, pairs, limit, attacks,
            epsilons, targeted, source.

    Returns:
        The figures; ``Results.save`` writes them.

    Raises:
        UserError: unknown evaluators, unusable data or networks.
    """
    modes = [(module, module.training) for module in ([] if isinstance(model, str) else model.modules())]
    folders = {"": data} if isinstance(data, str | Path) else data
    try:
        network = load_model(model, classes=classes) if isinstance(model, str) else wrap(model, classes=classes)
        with tempfile.TemporaryDirectory(prefix="shapebias-") if out is None else nullcontext(out) as place:
            return evaluate_all(
                [network],
                evaluators=evaluators,
                data={key: Path(folder) for key, folder in folders.items()},
                out=Path(place),
                device=device,
                batch_size=batch_size,
                **options,
            )[0]
    finally:
        for module, training in modes:
            module.training = training


def evaluate_all(
    models: Sequence[Classifier],
    *,
    evaluators: Sequence[str],
    data: Mapping[str, Path],
    out: Path,
    device: str | None = None,
    batch_size: int | None = None,
    **options: Any,
) -> list[Results]:
    """Measure networks on the same data and write ``out/NAME/results.json`` and, for several, a comparison.

    What earlier calls left there stays, save for figures of the same evaluator, metric and condition, or of the same
    evaluator on other images. Killed and called again, it goes on where it was; finished, it measures anew.
    ``data`` maps evaluator names to folders; the key "" serves evaluators without their own. Each network's file is
    written as soon as it is measured. ``options`` are the other fields of ``EvalConfig``.
    """
    check_networks(models, out)
    chosen = build(evaluators, data, settings(out, device, batch_size, options))
    for model in models:
        for evaluator in chosen.values():
            evaluator.check(model)

    def unfinished(model: Classifier) -> Path:
        return out / model.identity.name / "unfinished"

    def run(name: str, evaluator: Evaluator, model: Classifier) -> EvalResult:
        return load_or_run(unfinished(model) / f"{name}.json", evaluator, model)

    results = measure(models, chosen, run, out=out, device=device, seed=options.get("seed", 0))
    for model in models:  # what is finished is measured anew the next time
        for name in chosen:
            (unfinished(model) / f"{name}.json").unlink(missing_ok=True)
        with suppress(OSError):  # not empty: another command's
            unfinished(model).rmdir()
    return results


def settings(
    out: Path, device: str | None, batch_size: int | None, options: Mapping[str, Any]
) -> Callable[[Path], EvalConfig]:
    """The setting for a folder of data, with these options."""
    where = choose_device(device)
    size = BATCH_SIZE if batch_size is None else batch_size
    return lambda folder: EvalConfig(folder, out, device=where, batch_size=size, **options)


def check_networks(models: Sequence[Classifier], out: Path) -> None:
    """Refuse networks of one name, and a folder that cannot be written or holds other networks' results."""
    check_descriptions([model.describe() for model in models], out)


def check_descriptions(models: Sequence[dict[str, Any]], out: Path) -> None:
    """The same by the networks' descriptions."""
    names = [model["name"] for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"two models are called '{twice[0]}': their results would overwrite each other")
    make_folder(out)
    if len(models) > 1:
        read_comparison(out / COMPARISON_FILE)  # one that cannot be added to is refused now
    for model in models:
        _earlier(out, model)


def measure(
    models: Sequence[Classifier],
    evaluators: Mapping[str, Evaluator],
    run: Run,
    *,
    out: Path,
    device: str | None,
    seed: int,
) -> list[Results]:
    """Run every evaluator on every network (``run`` may leave one out), write the files, and say what is doubtful."""
    where = choose_device(device)
    measured: list[tuple[Results, dict[str, EvalResult]]] = []
    for model in models:
        model.to(device=where, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        outcomes: dict[str, EvalResult] = {}
        results = Results(model.describe(), {**environment(where), "seed": seed}, [])
        for name, evaluator in evaluators.items():
            outcome = run(name, evaluator, model)
            if outcome is None:
                continue
            outcomes[name] = outcome
            entries = [entry for found in outcomes.values() for entry in found.results]
            results = record(results.model, results.environment, entries, out)
            print_warnings(outcome.results)
        measured.append((results, outcomes))
    if len(measured) > 1:
        write_comparison(out / COMPARISON_FILE, paired(measured, seed), [results for results, _ in measured])
    return [results for results, _ in measured]


def record(model: dict[str, Any], environment: dict[str, Any], entries: Sequence[Result], out: Path) -> Results:
    """Write a described network's new figures to ``out/NAME/results.json``, behind the earlier ones that stay.

    Differences of figures that are others now, or no more there, go from ``out/comparison.json``.
    """
    earlier = _earlier(out, model)
    results = Results(model, environment, [*_staying(earlier, entries), *entries])
    results.save(out / model["name"] / "results.json")
    drop_rows(out / COMPARISON_FILE, model["name"], changed(earlier, results.results))
    return results


def _staying(earlier: Sequence[Result], new: Sequence[Result]) -> list[Result]:
    """The earlier figures but those measured again, and those of an evaluator that is now measured on other images."""
    keys = {entry.key for entry in new}
    images = {(entry.evaluator, data) for entry in new for data in _images(entry)}
    again = {evaluator for evaluator, _ in images}
    moved = {
        entry.evaluator
        for entry in earlier
        for data in _images(entry)
        if entry.evaluator in again and (entry.evaluator, data) not in images
    }
    return [entry for entry in earlier if entry.key not in keys and entry.evaluator not in moved]


def _images(entry: Result) -> list[tuple[Any, ...]]:
    """What images a figure says it is of: none where it leaves that to the evaluator's first one."""
    data = entry.details.get("data")
    return [(data.get("fingerprint"), data.get("images"))] if data else []


def _earlier(out: Path, now: dict[str, Any]) -> list[Result]:
    """The figures that an earlier call left of this network; those of another one of its name are refused.

    Those over other seeds of it, which describe its mean no more, are as good as none.
    """
    path = out / now["name"] / "results.json"
    if not path.is_file():
        return []
    found = Results.load(path)
    if found.model.get("weights_sha256") != now["weights_sha256"]:
        if _other_seeds(found.model.get("seeds"), now.get("seeds")):
            return []
        raise UserError(f"{path} holds results of another network of that name: choose another --out")
    for name in ("architecture", "preprocessing", "mean", "std"):
        if found.model.get(name, now[name]) != now[name]:
            raise UserError(
                f"{path} holds results of this network with another {name} ({found.model[name]} there, {now[name]} "
                "now): choose another --out"
            )
    return found.results


def _other_seeds(then: Any, now: Any) -> bool:
    """Whether two sets of seeds (the SHA-256 of each one's weights) overlap, and agree where they do."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return False
    both = then.keys() & now.keys()
    return bool(both) and all(then[seed] == now[seed] for seed in both)
