"""``transfer``: networks on a task, with learning rates chosen on training images, and one results file each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet
from shapebias.device import choose_device
from shapebias.environment import environment
from shapebias.errors import UserError, unknown
from shapebias.evaluators.evaluate import check_networks, record
from shapebias.models.classifier import Classifier
from shapebias.models.predict import Predictions
from shapebias.results.results import COMPARISON_FILE, Results, write_comparison
from shapebias.results.warnings import print_warnings
from shapebias.tasks.classification.answers import load_or_predict, logits_of
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.classification.figures import Measured, differences, entries
from shapebias.tasks.classification.finetune import finetune
from shapebias.tasks.classification.read_out import knn, linear
from shapebias.tasks.classification.task import Task
from shapebias.tasks.classification.tasks import find_task
from shapebias.tasks.sweep import check_settings, select_lr
from shapebias.train.config import update
from shapebias.train.distributed import on_rank_zero, rank_zero_first
from shapebias.train.session import setup_fabric

Method = Literal["finetune", "linear", "knn"]
RATES = (0.03, 0.01, 0.003)


def transfer(
    models: Sequence[Classifier],
    config: TransferConfig,
    *,
    method: Method = "finetune",
    seeds: Sequence[int] = (0,),
    rates: Sequence[float] = RATES,
) -> list[Results]:
    """Measure how well ``models`` serve as a start for a task; write ``out/NAME/results.json`` and a comparison.

    Fine-tuning tries every learning rate on a part of the training images, and trains with the best on all of them,
    once per seed; no test image has a say in it. What is finished is not done again, what was stopped goes on.

    Args:
        models: the networks to begin from.
        config: everything else; its ``lr`` and ``seed`` are those of ``rates`` and ``seeds`` in turn.
        method: finetune, linear or knn.
        seeds: fine-tuning is repeated with each; the read-outs draw nothing but the held-out images.
        rates: learning rates to choose from; a single one is taken as it is.

    Raises:
        UserError: settings, data, networks or folders that cannot be used.
    """
    check(config, method, seeds, rates)
    device = choose_device(None if config.loop.device == "auto" else config.loop.device)
    check_networks(models, config.loop.out)
    download, config = config.download, replace(config, download=False)  # what a run is does not depend on it
    fabric = setup_fabric(config.loop, device)
    task: Task = rank_zero_first(
        fabric, lambda: find_task(config.task, config.data, seed=config.split_seed, download=download)
    )
    for note in task.notes:
        fabric.print(f"{task.name}: {note}", file=sys.stderr)
    results, measured = [], []
    for model in models:
        folder = config.loop.out / model.identity.name / task.name
        if method == "finetune":
            found = _finetuned(config, fabric, model, task, folder, seeds, rates)
        else:
            read = (linear if method == "linear" else knn)(config, model, task, str(fabric.device), folder / "features")
            found = Measured(model.identity.name, {None: read.answers}, read.details)
        measured.append(found)
        results.append(on_rank_zero(fabric, lambda m=model, f=found: _write(config, m, task, method, f, device)))
    if len(results) > 1:
        rows = on_rank_zero(fabric, lambda: differences(task, method, measured, seed=config.split_seed))
        on_rank_zero(fabric, lambda: write_comparison(config.loop.out / COMPARISON_FILE, rows, results))
    return results


def check(config: TransferConfig, method: str, seeds: Sequence[int], rates: Sequence[float]) -> None:
    """Refuse settings that cannot be, before anything is loaded.

    Raises:
        UserError: the first of them.
    """
    if method not in get_args(Method):
        raise unknown("method", method, get_args(Method))
    check_settings(lambda rate, seed: update(config, lr=rate, seed=seed).check(), rates, seeds)
    if method != "finetune" and config.loop.devices * config.loop.nodes > 1:
        raise UserError(f"--method {method} runs on one device: leave out --devices and --nodes")


def _finetuned(
    config: TransferConfig,
    fabric: Fabric,
    source: Classifier,
    task: Task,
    folder: Path,
    seeds: Sequence[int],
    rates: Sequence[float],
) -> Measured:
    """Choose the learning rate, train once per seed, and answer the test images."""

    def trial(run: TransferConfig, fit: ImageSet, held_out: ImageSet) -> None:
        finetune(run, fabric, source, task, train=fit, held_out=held_out)

    told = {"folder": folder, "name": source.identity.name, "metric": task.metric}
    rate, details = select_lr(config, fabric, rates, task.held_out, trial, **told)
    answers = {}
    for seed in seeds:
        run = update(config, select_epochs=0, lr=rate, seed=seed, out=folder / f"seed-{seed}")
        model = finetune(run, fabric, source, task, train=task.train)
        answers[seed] = on_rank_zero(fabric, lambda m=model, c=run: _tested(c, m, task))
    return Measured(source.identity.name, answers, {**details, "epochs": config.loop.epochs})


def _tested(config: TransferConfig, model: Classifier, task: Task) -> Predictions:
    def made() -> Predictions:
        return logits_of(model, task.test, config.loop)

    return load_or_predict(config.loop.out / "test", model, task.test, made, strict=config.loop.strict)


def _write(
    config: TransferConfig, model: Classifier, task: Task, method: Method, measured: Measured, device: str
) -> Results:
    """Put the figures into the network's file, beside those of other tasks and methods."""
    told = {"size": config.size or model.preprocessing.size, "split_seed": config.split_seed}
    measured = replace(measured, details={**measured.details, **told})
    new = entries(task, method, measured, seed=config.split_seed)
    results = record(model.describe(), {**environment(device), "seed": config.split_seed}, new, config.loop.out)
    print_warnings(new)
    return results
