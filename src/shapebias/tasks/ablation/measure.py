"""From the runs of a row to its figures, as transfer makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shapebias.models.hashing import combined_sha256
from shapebias.results.results import Results
from shapebias.tasks.ablation.rows import Row
from shapebias.tasks.ablation.run import Trained
from shapebias.tasks.classification.figures import Measured, entries
from shapebias.tasks.classification.task import Task

EVALUATOR = "ablation-voc12"


def measured_of(row: Row, runs: Sequence[Trained], chosen: Mapping[str, Any]) -> Measured:
    """The answers of a row's networks by seed, and what its figures say of it and of how its rate was ``chosen``."""
    config = runs[0].config
    details = {
        "row": {"says": row.says, "views": row.views, "stages": list(config.stages)},
        "lambda_m": config.lambda_m,
        "lambda_s": config.lambda_s,
        **chosen,
        "epochs": config.loop.epochs,
        **{name: [run.run[name] for run in runs] for name in ("images_seen", "seconds", "initial_weights_sha256")},
    }
    return Measured(row.name, {run.config.loop.seed: run.answers for run in runs}, details)


def results_of(measured: Measured, runs: Sequence[Trained], task: Task) -> Results:
    """The three kinds of mean AP of one row; its weights' hash is that of all its networks."""
    first = runs[0]
    together = combined_sha256([str(run.network["weights_sha256"]) for run in runs])
    spec = str(first.config.loop.out.parent)
    model = {**first.network, "name": measured.name, "spec": spec, "weights_sha256": together}
    environment = {**first.run["environment"], "seeds": [run.config.loop.seed for run in runs]}
    return Results(model, environment, entries(task, None, measured, seed=first.config.split_seed))
