"""Evaluate models: evaluators by name, a results file each, and the differences between models."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from shapebias.environment import device_of_process, environment
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig, Evaluator
from shapebias.evaluators.class_map import read_class_map
from shapebias.evaluators.names import COSTLY, EVALUATORS, build, check_data, check_evaluators, listed
from shapebias.evaluators.resume import load_or_run
from shapebias.evaluators.seen_images import holdouts_of, note_seen, tell_held_out
from shapebias.models.classifier import Classifier, frozen_eval
from shapebias.models.load import load_model, wrap
from shapebias.ranks import gather, rank_and_size
from shapebias.results.audit import FILE as AUDIT_FILE
from shapebias.results.audit import Skipped, read_audit, write_audit
from shapebias.results.pairing import paired
from shapebias.results.results import EvalResult, Results
from shapebias.results.store import ResultStore
from shapebias.results.table import print_warnings

BATCH_SIZE = 64
COSTLY_LIMIT = 1000  # images of an audit for each of the costly evaluators, where no limit is given


@dataclass(frozen=True)
class Evaluation:
    """Each model's results, and what was skipped."""

    results: list[Results]
    skipped: list[Skipped]


def evaluate(
    model: nn.Module | Path | str,
    *,
    evaluators: str | Sequence[str],
    data: Path | str | Mapping[str, Path | str],
    out: Path | str | None = None,
    classes: Path | str | Sequence[str] | None = None,
    **options: Any,
) -> Results:
    """Evaluate one model.

    Args:
        model: an ``nn.Module`` (its inputs normalised as ImageNet's unless it is a ``Classifier`` or a timm
            model), or what ``shapebias evaluate`` takes as MODEL, such as a run folder.
        evaluators: one name or several, those of ``shapebias evaluate --help``.
        data: one folder for all evaluators, or a folder per evaluator; the key "" serves those without their own.
        out: folder for the results file and what belongs to it (raw responses, pictures); by default nothing is kept.
        classes: the names of the model's outputs in order, or a file of them, where it has none of its own and is not
            ImageNet's.
        options: of ``evaluate_all``. The model is moved to ``device`` for the time, and left as it was.

    Returns:
        The results; ``Results.save`` writes them.

    Raises:
        UserError: unknown evaluators, unusable data or models.
    """
    folders = {"": data} if isinstance(data, str | Path) else data
    spec = str(model) if isinstance(model, Path) else model
    loaded = wrap(spec, classes=classes) if isinstance(spec, nn.Module) else load_model(spec, classes=classes)
    with tempfile.TemporaryDirectory(prefix="shapebias-") if out is None else nullcontext(out) as place:
        given = {key: Path(folder) for key, folder in folders.items()}
        return evaluate_all([loaded], evaluators=evaluators, data=given, out=Path(place), **options).results[0]


def evaluate_all(
    models: Sequence[Classifier],
    *,
    evaluators: str | Sequence[str],
    data: Mapping[str, Path],
    out: Path,
    missing: Literal["error", "skip"] = "error",
    done: Literal["redo", "reuse"] = "redo",
    costly_limit: int | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    over_ranks: bool = False,
    **options: Any,
) -> Evaluation:
    """Evaluate models on the same data, and write ``out/NAME/results.json`` and, for several, a comparison.

    What earlier calls left there stays, save for results of the same evaluator, metric and condition, or of the same
    evaluator on other images. Killed and called again, it resumes behind the last evaluator that was finished.

    Args:
        models: the models.
        evaluators: their names.
        data: folders by evaluator; under "" a folder that serves the others, or has their data below it by the usual
            names.
        out: the folder to write in.
        missing: "error" refuses evaluators without data, and those that can measure none of the models; of several
            models the others are measured, and what was not is in ``skipped``. "skip" measures whatever can be, and
            writes what was skipped, and why, to ``out/audit.json``.
        done: "redo" measures anew what an earlier call finished; "reuse" takes it where model, images and settings are
            the same.
        costly_limit: ``limit`` of attacks and corruptions, where none is given.
        device: "cpu", "cuda" or "mps"; by default cuda if there, else cpu.
        batch_size: images per forward pass.
        over_ranks: divide the pairs of a model and an evaluator over the processes of ``torchrun``, each of which makes
            this call; the first writes the results when all are measured, and all return the same.
        options: any other field of ``EvalConfig``: seed, workers, strict, mapping, stage, pairs, limit, attacks,
            epsilons, targeted, source, class_map (or a file of it).

    Raises:
        UserError: unknown evaluators, models of one name, a folder that cannot be written; what cannot be measured
            unless it is skipped; or nothing that could be.
    """
    evaluators = listed(evaluators)
    options |= {"attacks": listed(options["attacks"])} if "attacks" in options else {}
    if isinstance(table := options.get("class_map"), str | Path):
        options["class_map"] = read_class_map(Path(table))
    check_evaluators(evaluators)
    check_data(evaluators, data)
    store, where, skip = ResultStore(out), device_of_process(device), missing == "skip"
    store.claim([model.describe() for model in models])
    if skip and (out / AUDIT_FILE).is_file():
        read_audit(out / AUDIT_FILE)  # nothing but an audit is replaced

    def config(name: str, folder: Path) -> EvalConfig:
        size = BATCH_SIZE if batch_size is None else batch_size
        told = dict(options)
        if name in COSTLY and told.get("limit") is None:
            told["limit"] = costly_limit
        return EvalConfig(folder, out, device=where, batch_size=size, holdouts=holdouts_of(models), **told)

    chosen, skipped = build(evaluators, data, config, skip=skip)
    skipped += _refused(models, chosen, skip=skip)
    tell_held_out(chosen, models)
    alone = len(models) == 1 and not skip
    rank, ranks = rank_and_size() if over_ranks else (0, 1)
    cells = [
        (m, e)
        for m in models
        for e in chosen
        if not any((s.evaluator, s.model) == (e, m.identity.name) for s in skipped)
    ]

    def measure(model: Classifier, name: str) -> EvalResult:
        with frozen_eval(model, where):
            return load_or_run(_kept(out, model, name, done), chosen[name], model)

    answer = measure if ranks == 1 else _divided(cells, measure)
    if rank:
        return gather(None)[0]
    seed, measured = options.get("seed", 0), list[tuple[Results, dict[str, EvalResult]]]()
    for model in models:
        about, made_with = model.describe(), {**environment(where), "seed": seed}
        given: dict[str, EvalResult] = {}
        results = Results(about, made_with, [])
        try:
            for name in (name for one, name in cells if one is model):
                try:
                    given[name] = answer(model, name)
                except UserError as error:
                    if alone or options.get("strict"):
                        raise
                    skipped.append(Skipped(name, str(error), model=model.identity.name))
                    continue
                note_seen(given[name], chosen[name], model)
                print_warnings(given[name].results)
        finally:  # also what was measured before an interruption
            if given:
                results = store.merge(about, made_with, [result for one in given.values() for result in one.results])
        measured.append((results, given))
    if len(measured) > 1:
        store.compare(paired(measured, seed), [results for results, _ in measured])
    if done == "redo":
        _forget(out, models, chosen)
    found = Evaluation([results for results, _ in measured if results.results], skipped)
    if not skip and not found.results:
        raise UserError(skipped[0].reason)
    found = _audited(found, out) if skip else found
    return gather(found)[0] if ranks > 1 else found


def audit(
    models: Sequence[Classifier],
    *,
    data: Mapping[str, Path],
    out: Path,
    evaluators: str | Sequence[str] = tuple(EVALUATORS),
    **options: Any,
) -> Evaluation:
    """Evaluate models by every evaluator that there is data for, skip the rest, and reuse what is done.

    See ``evaluate_all``; without a ``limit``, attacks and corruptions get 1000 images at most.
    """
    preset: dict[str, Any] = {"missing": "skip", "done": "reuse", "costly_limit": COSTLY_LIMIT}
    return evaluate_all(models, evaluators=evaluators, data=data, out=out, **preset, **options)


def _refused(models: Sequence[Classifier], evaluators: Mapping[str, Evaluator], *, skip: bool) -> list[Skipped]:
    """Ask every evaluator about every model before anything is measured.

    Raises:
        UserError: without ``skip``, an evaluator can measure none of the models.
    """
    found = []
    for name, evaluator in evaluators.items():
        errors: dict[str, UserError] = {}
        for model in models:
            try:
                evaluator.check(model)
            except UserError as error:
                errors[model.identity.name] = error
        if len(errors) == len(models) and not skip:
            raise next(iter(errors.values()))
        found += [Skipped(name, str(error), model=model) for model, error in errors.items()]
    return found


def _divided(
    cells: Sequence[tuple[Classifier, str]], measure: Callable[[Classifier, str], EvalResult]
) -> Callable[[Classifier, str], EvalResult]:
    """Measure this process's part of ``cells``, and return what gives or raises the outcome of each of them.

    The models of one evaluator go to different processes, as they cost about the same.
    """
    rank, ranks = rank_and_size()
    own: dict[tuple[str, str], EvalResult | UserError] = {}
    for model, name in sorted(cells, key=lambda cell: cell[1])[rank::ranks]:
        try:
            own[model.identity.name, name] = measure(model, name)
        except UserError as error:
            own[model.identity.name, name] = error
    outcomes = {cell: outcome for part in gather(own) for cell, outcome in part.items()}

    def answer(model: Classifier, name: str) -> EvalResult:
        outcome = outcomes[model.identity.name, name]
        if isinstance(outcome, UserError):
            raise outcome
        return outcome

    return answer


def _kept(out: Path, model: Classifier, evaluator: str, done: str) -> Path:
    """Return the file that holds an evaluator's results: for good, or until all are there."""
    return out / model.identity.name / ("audit" if done == "reuse" else "unfinished") / f"{evaluator}.json"


def _forget(out: Path, models: Sequence[Classifier], evaluators: Mapping[str, Evaluator]) -> None:
    """Remove what was kept to resume: the next call measures anew."""
    for model in models:
        for name in evaluators:
            _kept(out, model, name, "redo").unlink(missing_ok=True)
        with suppress(OSError):  # not empty: another command's
            (out / model.identity.name / "unfinished").rmdir()


def _audited(found: Evaluation, out: Path) -> Evaluation:
    """Write what was skipped.

    Raises:
        UserError: everything was.
    """
    write_audit(out / AUDIT_FILE, found.skipped)
    if not found.results:
        reasons = "; ".join(f"{s.evaluator}: {s.reason}" for s in found.skipped[:3])
        raise UserError(f"nothing could be measured; {reasons} ({out / AUDIT_FILE} has all reasons)")
    return found
