"""``transfer``: evaluate models on a task, with learning rates chosen on training images."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

from lightning_fabric import Fabric

from shapebias.errors import UserError, unknown
from shapebias.models.classifier import Classifier
from shapebias.models.predict import Predictions
from shapebias.results.results import Results
from shapebias.results.store import ResultStore
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.classification.finetune import finetune
from shapebias.tasks.classification.outputs import logits_of_run
from shapebias.tasks.classification.read_out import knn, linear
from shapebias.tasks.classification.results import differences, task_results
from shapebias.tasks.classification.task import Task, find_task
from shapebias.tasks.sweep import Sweep, check_settings, run_sweep, write_results
from shapebias.train.distributed import held, on_rank_zero, rank_zero_first, setup_fabric

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
    """Evaluate ``models`` as initialisation for a task; write ``out/NAME/results.json`` and a comparison.

    Fine-tuning tries every learning rate on a part of the training images, and trains with the best on all of them,
    once per seed; the choice uses no test images. Finished runs are not repeated, and interrupted ones are resumed.

    Args:
        models: the models to start from.
        config: all other settings; ``lr`` and ``seed`` are set from ``rates`` and ``seeds``.
        method: finetune, linear or knn.
        seeds: random seeds that fine-tuning is repeated with; the read-outs do not use them.
        rates: learning rates to choose from; a single one is used without a trial.

    Raises:
        UserError: the settings, data, models or folders cannot be used.
    """
    check(config, method, seeds, rates)
    store = ResultStore(config.loop.out)
    store.claim([model.describe() for model in models])
    download, config = config.download, replace(config, download=False)  # a run's identity does not depend on it
    fabric = setup_fabric(config.loop)
    task: Task = rank_zero_first(
        fabric, lambda: find_task(config.task, config.data, seed=config.split_seed, download=download)
    )
    for note in task.notes:
        fabric.print(f"{task.name}: {note}", file=sys.stderr)
    results, measured = [], []
    for model in models:
        folder = config.loop.out / model.identity.name / task.name
        with held(fabric, folder):
            if method == "finetune":
                found = run_sweep(config, fabric, fine_tuning(config, fabric, model, task), seeds, rates)
                found.details["epochs"] = config.loop.epochs
            else:
                read_out = linear if method == "linear" else knn
                found = read_out(config, model, task, str(fabric.device), folder / "features")
            found.details.update(size=config.size or model.preprocessing.size, split_seed=config.split_seed)
            measured.append(found)
            new = on_rank_zero(fabric, lambda f=found: task_results(task, method, f, seed=config.split_seed))
            results.append(write_results(config, fabric, model.describe(), new))
    if len(results) > 1:
        rows = on_rank_zero(fabric, lambda: differences(task, method, measured, seed=config.split_seed))
        on_rank_zero(fabric, lambda: store.compare(rows, results))
    return results


def check(config: TransferConfig, method: str, seeds: Sequence[int], rates: Sequence[float]) -> None:
    """Refuse invalid settings before anything is loaded.

    Raises:
        UserError: the first invalid setting.
    """
    if method not in get_args(Method):
        raise unknown("method", method, get_args(Method))
    check_settings(config, rates, seeds)
    if method != "finetune" and config.loop.devices * config.loop.nodes > 1:
        raise UserError(f"--method {method} runs on one device: remove --devices and --nodes")


def fine_tuning(config: TransferConfig, fabric: Fabric, source: Classifier, task: Task) -> Sweep[Predictions]:
    """Return the fine-tuning of ``source`` on the task, for several learning rates and seeds."""
    name = source.identity.name

    return Sweep(
        name=name,
        folder=config.loop.out / name / task.name,
        metric=task.metric,
        images=task.train,
        divide=task.held_out,
        train=lambda run, fit, held_out: finetune(run, fabric, source, task, fit, held_out),
        test=lambda run, model: logits_of_run(model, task.test, run.loop, fabric),
    )
